//! The timeline as a picture: lanes over a time axis, as SVG that brings no colors of its own (the page's style has them).
//!
//! A lane with few entries shows each as a dot; one with many shows how many there were from moment to moment, so that
//! the picture is as readable, and as small, for a hundred thousand entries as for five.

use std::collections::BTreeMap;
use std::fmt::Write;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::html::escape;
use super::text::{beginning, count};
use super::times;
use super::told::Names;
use crate::domain::event::{Event, Recorded};
use crate::domain::incident::Incident;
use crate::domain::terms::SlackUserId;
use crate::domain::terms::Status;
use crate::domain::timeline::Sort;

/// The axis in the finest division that is ever drawn; a wide picture joins four of them to a bar, a narrow one eight.
const BINS: usize = 480;
/// A lane with more entries than this shows bars instead of dots.
const DOTS_MAX: usize = 60;
/// Milestones and status changes that are drawn; an incident that is reopened more often than this has other troubles.
const TURNS_MAX: usize = 40;
/// Characters of an entry that its dot tells when it is pointed at.
const HINT_CHARS: usize = 80;
/// How much of the axis is left for what came after the end, where that took long.
const TAIL: f64 = 0.14;
/// "Long": longer than this part of the incident itself.
const TAIL_WORTH: f64 = 0.3;

/// Moments as places on the axis, from 0 to 1. What came long after the end (a follow-up done a week later) has a part
/// of the axis for itself, so that it does not press the incident into a corner.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    start_ms: i64,
    /// Where the tail begins, if there is one.
    knee_ms: Option<i64>,
    end_ms: i64,
}

impl Scale {
    pub(super) fn of(
        incident: &Incident,
        first_moved_ms: Option<i64>,
        last_ms: Option<i64>,
        now: Timestamp,
    ) -> Self {
        let milestones = &incident.milestones;
        let started = milestones.started.as_millisecond();
        let start_ms = first_moved_ms.map_or(started, |first| first.min(started));
        let last_ms = last_ms.unwrap_or(start_ms);
        let end_ms = match milestones.resolved {
            Some(resolved) => last_ms.max(resolved.as_millisecond()),
            None => last_ms.max(now.as_millisecond()),
        }
        .max(start_ms + 60_000);
        let knee_ms = milestones.resolved.map(|resolved| {
            let resolved = resolved.as_millisecond().max(start_ms + 60_000);
            resolved + (resolved - start_ms) / 20
        });
        let worth = |knee: i64| (end_ms - knee) as f64 > TAIL_WORTH * (knee - start_ms) as f64;
        Scale {
            start_ms,
            knee_ms: knee_ms.filter(|knee| worth(*knee)),
            end_ms,
        }
    }

    fn place(&self, ms: i64) -> f64 {
        let part = |ms: i64, from: i64, to: i64| (ms - from) as f64 / (to - from).max(1) as f64;
        let place = match self.knee_ms {
            Some(knee) if ms > knee => 1.0 - TAIL + TAIL * part(ms, knee, self.end_ms),
            Some(knee) => (1.0 - TAIL) * part(ms, self.start_ms, knee),
            None => part(ms, self.start_ms, self.end_ms),
        };
        place.clamp(0.0, 1.0)
    }

    fn moment(&self, place: f64) -> Timestamp {
        let between = |part: f64, from: i64, to: i64| from + ((to - from) as f64 * part) as i64;
        let ms = match self.knee_ms {
            Some(knee) if place > 1.0 - TAIL => {
                between((place - 1.0 + TAIL) / TAIL, knee, self.end_ms)
            }
            Some(knee) => between(place / (1.0 - TAIL), self.start_ms, knee),
            None => between(place, self.start_ms, self.end_ms),
        };
        Timestamp::from_millisecond(ms).unwrap_or_default()
    }
}

/// The lanes, from top to bottom.
const LANES: [(Lane, &str, &str); 6] = [
    (Lane::Status, "status", "Status and updates"),
    (Lane::Alert, "alert", "Alerts"),
    (Lane::Note, "note", "Notes"),
    (Lane::Role, "role", "Roles"),
    (Lane::FollowUp, "follow-up", "Follow-ups"),
    (Lane::Housekeeping, "housekeeping", "Firebell"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    Status,
    Page,
    Alert,
    Note,
    Role,
    FollowUp,
    Housekeeping,
}

fn lane_of(sort: Sort) -> Option<Lane> {
    match sort {
        // Drawn across all lanes.
        Sort::Milestone => None,
        Sort::Status => Some(Lane::Status),
        Sort::Page => Some(Lane::Page),
        Sort::Alert => Some(Lane::Alert),
        Sort::Role => Some(Lane::Role),
        Sort::Note => Some(Lane::Note),
        Sort::FollowUp => Some(Lane::FollowUp),
        Sort::Housekeeping => Some(Lane::Housekeeping),
    }
}

/// What is to be drawn, gathered event by event; of bounded size.
#[derive(Debug)]
pub(super) struct Sketch {
    scale: Scale,
    zone: TimeZone,
    names: BTreeMap<SlackUserId, String>,
    lanes: [Gathered; LANES.len()],
    /// Milestones, with what they are called.
    turns: Vec<(i64, &'static str)>,
    /// When which status began.
    phases: Vec<(i64, Status)>,
    total: u64,
}

#[derive(Debug)]
struct Gathered {
    bins: Vec<u32>,
    dots: Vec<(f64, String)>,
    total: u64,
}

impl Sketch {
    pub(super) fn new(scale: Scale, zone: TimeZone, names: BTreeMap<SlackUserId, String>) -> Self {
        Self {
            scale,
            zone,
            names,
            lanes: std::array::from_fn(|_| Gathered {
                bins: vec![0; BINS],
                dots: Vec::new(),
                total: 0,
            }),
            turns: Vec::new(),
            phases: Vec::new(),
            total: 0,
        }
    }

    /// Adds an event; events come in the order of the record.
    pub(super) fn add(&mut self, recorded: &Recorded) {
        self.total += 1;
        let ms = recorded.happened_at.as_millisecond();
        let (status, turn) = match &recorded.event {
            Event::Declared(declared) => {
                let started = declared.started_at.as_millisecond();
                if started < ms {
                    self.turns.push((started, "Started"));
                }
                (Some(Status::Investigating), Some("Declared"))
            }
            Event::Acknowledged { .. } => (None, Some("Acknowledged")),
            Event::StatusChanged { from, to } => {
                let mitigated = *from < Status::Monitoring && *to == Status::Monitoring;
                (Some(*to), mitigated.then_some("Mitigated"))
            }
            // Said again, it only adds a cause.
            Event::Resolved(_)
                if self
                    .turns
                    .last()
                    .is_some_and(|(_, turn)| *turn == "Resolved") =>
            {
                (None, None)
            }
            Event::Resolved(_) => (Some(Status::Resolved), Some("Resolved")),
            Event::Reopened { .. } => (Some(Status::Investigating), Some("Reopened")),
            Event::Closed => (Some(Status::Closed), Some("Closed")),
            Event::WarRoomOpened { .. }
            | Event::WarRoomFailed { .. }
            | Event::CardPosted { .. }
            | Event::Announced { .. }
            | Event::AcknowledgementExpired { .. }
            | Event::AcknowledgeOverdue { .. }
            | Event::Paged(_)
            | Event::PageContinued { .. }
            | Event::PageDelivery(_)
            | Event::PageAnswered { .. }
            | Event::PageExpired { .. }
            | Event::AnswerTimeExtended { .. }
            | Event::EscalationExhausted { .. }
            | Event::PostmortemOverdue { .. }
            | Event::UpdatePosted { .. }
            | Event::UpdateOverdue(_)
            | Event::SeverityChanged { .. }
            | Event::RoleAssigned { .. }
            | Event::NoteAdded { .. }
            | Event::MessageMarked { .. }
            | Event::MessageKept(_)
            | Event::FollowUpAdded(_)
            | Event::FollowUpCompleted { .. }
            | Event::ExportRequested { .. }
            | Event::NamesLearned { .. }
            | Event::AlertsChanged { .. }
            | Event::AlertRemarked(_)
            | Event::ChangeNoted(_)
            | Event::EffectFailed { .. } => (None, None),
        };
        if let Some(status) = status
            && self.phases.last().is_none_or(|(_, last)| *last != status)
            && self.phases.len() < TURNS_MAX
        {
            self.phases.push((ms, status));
        }
        if let Some(turn) = turn
            && self.turns.len() < TURNS_MAX
        {
            self.turns.push((ms, turn));
        }
        let told = Names(&self.names).tell(recorded);
        let Some(lane) = lane_of(told.sort) else {
            return;
        };
        let Some(place) = LANES.iter().position(|(it, _, _)| *it == lane) else {
            return;
        };
        let gathered = &mut self.lanes[place];
        let x = self.scale.place(ms);
        gathered.total += 1;
        gathered.bins[((x * BINS as f64) as usize).min(BINS - 1)] += 1;
        if gathered.dots.len() < DOTS_MAX {
            let hint = format!(
                "{} {}: {}",
                times::shown(told.happened_at, &self.zone),
                told.actor,
                beginning(&told.text, HINT_CHARS)
            );
            gathered.dots.push((x, hint));
        }
    }
}

/// How big things are, in the picture's own units.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    width: f64,
    /// Where the axis begins and ends.
    left: f64,
    right: f64,
    /// Lane names: beside the lanes, or above them.
    names_beside: bool,
    lane_height: f64,
    bins_per_bar: usize,
    /// How far two labels of the axis stand apart at least.
    tick_room: f64,
}

const WIDE: Sizes = Sizes {
    width: 1_000.0,
    left: 138.0,
    right: 988.0,
    names_beside: true,
    lane_height: 40.0,
    bins_per_bar: 4,
    tick_room: 92.0,
};
const NARROW: Sizes = Sizes {
    width: 360.0,
    left: 6.0,
    right: 354.0,
    names_beside: false,
    lane_height: 52.0,
    bins_per_bar: 8,
    tick_room: 70.0,
};

const BAND_TOP: f64 = 4.0;
const BAND_HEIGHT: f64 = 22.0;
const LABEL_HEIGHT: f64 = 16.0;
/// The width of a letter at the size of the labels, on the safe side.
const LETTER: f64 = 6.6;

impl Sketch {
    /// The picture for a wide page, and for a phone.
    pub(super) fn svgs(&self) -> (String, String) {
        (self.svg(WIDE, "wide"), self.svg(NARROW, "narrow"))
    }

    fn svg(&self, sizes: Sizes, name: &str) -> String {
        let mut body = String::new();
        let labels_top = BAND_TOP + BAND_HEIGHT + 6.0;
        let rows = self.turn_labels(sizes, labels_top, &mut String::new());
        let lanes_top = labels_top + rows as f64 * LABEL_HEIGHT + 8.0;
        let shown: Vec<usize> = (0..LANES.len())
            .filter(|i| self.lanes[*i].total > 0)
            .collect();
        let bottom = lanes_top + shown.len() as f64 * sizes.lane_height;
        let height = bottom + 30.0;

        self.axis(sizes, lanes_top, bottom, &mut body);
        self.band(sizes, &mut body);
        for (ms, turn) in &self.turns {
            let x = self.x(sizes, self.scale.place(*ms));
            let _ = write!(
                body,
                r#"<line class="turn {}" x1="{x:.1}" x2="{x:.1}" y1="{:.1}" y2="{bottom:.1}"/>"#,
                turn.to_lowercase(),
                BAND_TOP + BAND_HEIGHT,
            );
        }
        for (row, lane) in shown.iter().enumerate() {
            self.lane(
                *lane,
                sizes,
                lanes_top + row as f64 * sizes.lane_height,
                &mut body,
            );
        }
        self.turn_labels(sizes, labels_top, &mut body);

        let mut svg = String::with_capacity(body.len() + 1_024);
        let _ = write!(
            svg,
            r#"<svg class="drawing {name}" viewBox="0 0 {:.0} {height:.0}" role="img" aria-labelledby="{name}-title {name}-desc" xmlns="http://www.w3.org/2000/svg"><title id="{name}-title">Timeline</title><desc id="{name}-desc">{}</desc>{body}</svg>"#,
            sizes.width,
            escape(&self.description()),
        );
        svg
    }

    /// The picture in words.
    fn description(&self) -> String {
        let at = |ms: i64| {
            times::shown(
                Timestamp::from_millisecond(ms).unwrap_or_default(),
                &self.zone,
            )
        };
        let mut words = format!(
            "{} entries from {} to {} ({}).",
            count(self.total),
            at(self.scale.start_ms),
            at(self.scale.end_ms),
            times::zone_name(&self.zone)
        );
        for (ms, turn) in &self.turns {
            let _ = write!(words, " {turn} {}.", at(*ms));
        }
        for (i, (_, _, name)) in LANES.iter().enumerate() {
            if self.lanes[i].total > 0 {
                let _ = write!(words, " {name}: {}.", count(self.lanes[i].total));
            }
        }
        words.push_str(" The table below has every entry.");
        words
    }

    fn x(&self, sizes: Sizes, place: f64) -> f64 {
        sizes.left + place * (sizes.right - sizes.left)
    }

    /// The band of statuses at the top.
    fn band(&self, sizes: Sizes, out: &mut String) {
        for (i, (ms, status)) in self.phases.iter().enumerate() {
            let from = self.x(sizes, self.scale.place(*ms));
            let to = match self.phases.get(i + 1) {
                Some((next, _)) => self.x(sizes, self.scale.place(*next)),
                None => sizes.right,
            };
            let width = (to - from).max(1.5);
            let word = status.word();
            let _ = write!(
                out,
                r#"<g class="phase {}"><title>{word} from {}</title><rect x="{from:.1}" y="{BAND_TOP}" width="{width:.1}" height="{BAND_HEIGHT}" rx="3"/>"#,
                word.to_lowercase(),
                times::shown(
                    Timestamp::from_millisecond(*ms).unwrap_or_default(),
                    &self.zone
                ),
            );
            if width > word.len() as f64 * LETTER + 8.0 {
                let _ = write!(
                    out,
                    r#"<text x="{:.1}" y="{:.1}">{word}</text>"#,
                    from + 6.0,
                    BAND_TOP + BAND_HEIGHT - 7.0,
                );
            }
            out.push_str("</g>");
        }
        if sizes.names_beside {
            let _ = write!(
                out,
                r#"<text class="lane-name" x="0" y="{:.1}">Phase</text>"#,
                BAND_TOP + BAND_HEIGHT - 7.0
            );
        }
    }

    /// The milestones' labels, in as few rows as they need not to cover each other; says how many.
    fn turn_labels(&self, sizes: Sizes, top: f64, out: &mut String) -> usize {
        let mut turns = self.turns.clone();
        turns.sort_by_key(|(ms, _)| *ms);
        let mut ends: Vec<f64> = Vec::new();
        for (ms, turn) in turns {
            let at = Timestamp::from_millisecond(ms).unwrap_or_default();
            let label = format!("{turn} {}", &times::clock(at, &self.zone)[..5]);
            let width = label.len() as f64 * LETTER;
            let x = self.x(sizes, self.scale.place(ms));
            // To the right of its line, unless the picture ends there.
            let to_left = x + 5.0 + width > sizes.width;
            let (from, to) = if to_left {
                (x - 5.0 - width, x)
            } else {
                (x, x + 5.0 + width)
            };
            let row = match ends.iter().position(|end| *end < from) {
                Some(row) => row,
                None => {
                    ends.push(0.0);
                    ends.len() - 1
                }
            };
            ends[row] = to + 6.0;
            let (anchor, x) = if to_left {
                ("end", x - 5.0)
            } else {
                ("start", x + 5.0)
            };
            let _ = write!(
                out,
                r#"<text class="turn-label {}" text-anchor="{anchor}" x="{x:.1}" y="{:.1}">{label}</text>"#,
                turn.to_lowercase(),
                top + row as f64 * LABEL_HEIGHT + 11.0,
            );
        }
        ends.len()
    }

    fn lane(&self, lane: usize, sizes: Sizes, top: f64, out: &mut String) {
        let (_, class, name) = LANES[lane];
        let gathered = &self.lanes[lane];
        let total = count(gathered.total);
        let bottom = top + sizes.lane_height;
        let _ = write!(
            out,
            r#"<g class="lane {class}"><line class="rule" x1="0" x2="{:.0}" y1="{bottom:.1}" y2="{bottom:.1}"/>"#,
            sizes.width
        );
        let (name_y, room) = if sizes.names_beside {
            (
                top + sizes.lane_height / 2.0 - 1.0,
                sizes.lane_height - 10.0,
            )
        } else {
            (top + 15.0, sizes.lane_height - 24.0)
        };
        if sizes.names_beside {
            let _ = write!(
                out,
                r#"<text class="lane-name" x="0" y="{name_y:.1}">{name}</text><text class="lane-count" x="0" y="{:.1}">{total}</text>"#,
                name_y + 13.0
            );
        } else {
            let _ = write!(
                out,
                r#"<text class="lane-name" x="{:.1}" y="{name_y:.1}">{name} <tspan class="lane-count">{total}</tspan></text>"#,
                sizes.left
            );
        }
        if gathered.total as usize <= DOTS_MAX {
            let y = bottom - 5.0 - room / 2.0;
            for (place, hint) in &gathered.dots {
                let x = self.x(sizes, *place);
                let _ = write!(
                    out,
                    r#"<circle cx="{x:.1}" cy="{y:.1}" r="5"><title>{}</title></circle>"#,
                    escape(hint)
                );
            }
        } else {
            self.bars(gathered, name, sizes, bottom, room, out);
        }
        out.push_str("</g>");
    }

    /// How many entries there were from moment to moment. The root of the count is drawn, so that single entries are
    /// still seen beside a storm.
    fn bars(
        &self,
        gathered: &Gathered,
        name: &str,
        sizes: Sizes,
        bottom: f64,
        room: f64,
        out: &mut String,
    ) {
        let bars: Vec<u32> = gathered
            .bins
            .chunks(sizes.bins_per_bar)
            .map(|bins| bins.iter().sum())
            .collect();
        let highest = f64::from(bars.iter().copied().max().unwrap_or(1).max(1));
        let width = (sizes.right - sizes.left) / bars.len() as f64;
        for (i, n) in bars.iter().enumerate().filter(|(_, n)| **n > 0) {
            let height = (room * (f64::from(*n) / highest).sqrt()).max(2.0);
            let edge = |i: usize| {
                times::clock(self.scale.moment(i as f64 / bars.len() as f64), &self.zone)
            };
            let _ = write!(
                out,
                r#"<rect x="{:.1}" y="{:.1}" width="{:.1}" height="{height:.1}"><title>{name}: {} from {} to {}</title></rect>"#,
                sizes.left + i as f64 * width,
                bottom - 5.0 - height,
                (width - 1.0).max(1.0),
                count(u64::from(*n)),
                edge(i),
                edge(i + 1),
            );
        }
    }

    /// The lines and times of the axis.
    fn axis(&self, sizes: Sizes, top: f64, bottom: f64, out: &mut String) {
        let main_end = self.scale.knee_ms.unwrap_or(self.scale.end_ms);
        let main_right = self.x(sizes, self.scale.place(main_end));
        let ticks = ((main_right - sizes.left) / sizes.tick_room).max(1.0);
        let span = main_end - self.scale.start_ms;
        let step = step_ms(span, ticks);
        // On the round times of the zone, not of UTC.
        let start = Timestamp::from_millisecond(self.scale.start_ms).unwrap_or_default();
        let offset = i64::from(self.zone.to_offset(start).seconds()) * 1_000;
        // Where the tail tells its length, there is no room for a time.
        let free = match self.scale.knee_ms {
            Some(_) => sizes.right - 84.0,
            None => sizes.width - 34.0,
        };
        let mut tick = (self.scale.start_ms + offset).div_euclid(step) * step - offset;
        while tick <= main_end {
            if tick >= self.scale.start_ms {
                let x = self.x(sizes, self.scale.place(tick));
                let at = times::zoned(
                    Timestamp::from_millisecond(tick).unwrap_or_default(),
                    &self.zone,
                );
                let form = match step {
                    step if step < 60_000 => "%H:%M:%S",
                    step if step < 86_400_000 => "%H:%M",
                    _ => "%-d %b",
                };
                let _ = write!(
                    out,
                    r#"<line class="grid" x1="{x:.1}" x2="{x:.1}" y1="{top:.1}" y2="{bottom:.1}"/>"#
                );
                if x < free {
                    let anchor = if x < sizes.left + 16.0 {
                        "start"
                    } else {
                        "middle"
                    };
                    let _ = write!(
                        out,
                        r#"<text class="tick" text-anchor="{anchor}" x="{x:.1}" y="{:.1}">{}</text>"#,
                        bottom + 16.0,
                        at.strftime(form)
                    );
                }
            }
            tick += step;
        }
        if self.scale.knee_ms.is_some() {
            let later = SignedDuration::from_millis(self.scale.end_ms - main_end);
            let _ = write!(
                out,
                r#"<rect class="tail" x="{main_right:.1}" y="{top:.1}" width="{:.1}" height="{:.1}"/><text class="tick" text-anchor="end" x="{:.1}" y="{:.1}">+{}</text>"#,
                sizes.right - main_right,
                bottom - top,
                sizes.right,
                bottom + 16.0,
                times::length(later),
            );
        }
    }
}

/// The round step that gives about so many ticks and not more.
fn step_ms(span_ms: i64, ticks: f64) -> i64 {
    const SECOND: i64 = 1_000;
    const MINUTE: i64 = 60 * SECOND;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    let steps = [
        10 * SECOND,
        30 * SECOND,
        MINUTE,
        2 * MINUTE,
        5 * MINUTE,
        10 * MINUTE,
        15 * MINUTE,
        30 * MINUTE,
        HOUR,
        2 * HOUR,
        3 * HOUR,
        6 * HOUR,
        12 * HOUR,
        DAY,
        2 * DAY,
        7 * DAY,
        14 * DAY,
        28 * DAY,
    ];
    let wanted = (span_ms as f64 / ticks) as i64;
    steps
        .into_iter()
        .find(|step| *step >= wanted)
        // Years: as many ticks as asked for, wherever they fall.
        .unwrap_or_else(|| (wanted / DAY + 1) * DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCALE: Scale = Scale {
        start_ms: 0,
        knee_ms: Some(1_000_000),
        end_ms: 100_000_000,
    };

    #[test]
    fn a_place_on_the_axis_is_a_moment() {
        for ms in [0, 500_000, 1_000_000, 50_000_000, 100_000_000] {
            let back = SCALE.moment(SCALE.place(ms)).as_millisecond();
            assert!((back - ms).abs() <= 100, "{ms} came back as {back}");
        }
        assert_eq!(SCALE.place(-5), 0.0);
        assert_eq!(SCALE.place(200_000_000), 1.0);
    }

    #[test]
    fn an_axis_has_round_steps_and_never_too_many() {
        assert_eq!(step_ms(45 * 60_000, 9.0), 5 * 60_000);
        assert_eq!(step_ms(24 * 3_600_000, 9.0), 3 * 3_600_000);
        for years in [1, 10, 100] {
            let span = years * 365 * 86_400_000;
            assert!(span / step_ms(span, 9.0) <= 14);
        }
    }
}
