//! A schedule as an iCalendar file: one event for each turn (RFC 5545, and RFC 7986 for the name and the pace of refreshing).

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use crate::domain::catalog::Catalog;
use crate::domain::oncall::{Override, Schedule, Stretch};

/// Turns that ended less long ago are shown.
const BACK: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Turns that begin sooner than that are shown.
const AHEAD: SignedDuration = SignedDuration::from_hours(180 * 24);
/// How much further is looked, so that a turn at an edge is shown whole.
const MARGIN: SignedDuration = SignedDuration::from_hours(75 * 24);
/// How often a subscriber should look again: an override may be made at any time.
const REFRESH: &str = "PT15M";
/// The most octets of a line without its end (RFC 5545 section 3.1).
const LINE: usize = 75;

/// A calendar as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The file.
    pub text: String,
    /// What tells it from one with other turns; when it was written does not count.
    pub tag: String,
}

/// The stretch of time of which the overrides must be known to write a calendar now.
pub fn window(now: Timestamp) -> (Timestamp, Timestamp) {
    // By whole days, so that what is cut at an edge looks the same all day.
    let day = |at: Timestamp| {
        let second = at.as_second();
        Timestamp::from_second(second - second.rem_euclid(86_400)).unwrap_or(at)
    };
    let from = now.checked_sub(BACK + MARGIN).unwrap_or(Timestamp::MIN);
    let to = now.checked_add(AHEAD + MARGIN).unwrap_or(Timestamp::MAX);
    (day(from), day(to))
}

/// The calendar of a schedule. `overrides` are those of its [`window`].
pub fn calendar(
    catalog: &Catalog,
    schedule: &Schedule,
    overrides: &[Override],
    now: Timestamp,
) -> Written {
    let (from, to) = window(now);
    let name = schedule.name.as_ref().unwrap_or(&schedule.id);
    let mut head = Lines::default();
    head.line("BEGIN:VCALENDAR");
    head.line("VERSION:2.0");
    head.line("PRODID:-//Firebell//On call//EN");
    head.line("CALSCALE:GREGORIAN");
    head.line(&format!("NAME:{}", escaped(name)));
    head.line(&format!("X-WR-CALNAME:{}", escaped(name)));
    head.line(&format!("REFRESH-INTERVAL;VALUE=DURATION:{REFRESH}"));
    head.line(&format!("X-PUBLISHED-TTL:{REFRESH}"));
    let mut tag = Sha256::new_with_prefix(&head.text);
    let mut text = head.text;
    let shown = catalog.coverage(schedule, from, to, overrides);
    for stretch in &shown {
        let is_near =
            now.duration_since(stretch.to) < BACK && stretch.from.duration_since(now) < AHEAD;
        let Some(person) = stretch.person.as_ref().filter(|_| is_near) else {
            continue;
        };
        let person = catalog
            .person(person)
            .map_or(person.as_str(), |it| &it.name);
        let summary = format!("SUMMARY:{}", escaped(&format!("{person} ({name})")));
        let mut event = Lines::default();
        event.line(&format!("UID:{}", uid(schedule, stretch, from)));
        event.line(&format!("DTSTART:{}", utc(stretch.from)));
        event.line(&format!("DTEND:{}", utc(stretch.to)));
        event.line(&summary);
        // Whoever has a turn may have other things to do in it.
        event.line("TRANSP:TRANSPARENT");
        tag.update(&event.text);
        text.push_str("BEGIN:VEVENT\r\n");
        text.push_str(&format!("DTSTAMP:{}\r\n", utc(now)));
        text.push_str(&event.text);
        text.push_str("END:VEVENT\r\n");
    }
    text.push_str("END:VCALENDAR\r\n");
    Written {
        text,
        tag: hex::encode(&tag.finalize()[..16]),
    }
}

/// What a turn is known by: the same for as long as the same person begins at the same time.
fn uid(schedule: &Schedule, stretch: &Stretch, edge: Timestamp) -> String {
    let begin = match stretch.from <= edge {
        true => "always".to_owned(),
        false => stretch.from.as_second().to_string(),
    };
    let person = stretch.person.as_ref().map_or("", |id| id.as_str());
    let hash = Sha256::digest(format!("{}\n{person}\n{begin}", schedule.id));
    format!("{}@firebell", hex::encode(&hash[..16]))
}

/// Lines, each folded.
#[derive(Debug, Default)]
struct Lines {
    text: String,
}

impl Lines {
    /// Writes a line, folded where it would be too long: never within a character.
    fn line(&mut self, line: &str) {
        let mut used = 0;
        for c in line.chars() {
            if used + c.len_utf8() > LINE {
                self.text.push_str("\r\n ");
                used = 1;
            }
            self.text.push(c);
            used += c.len_utf8();
        }
        self.text.push_str("\r\n");
    }
}

/// A text value (RFC 5545 section 3.3.11); control characters have no place in one.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | ';' | ',' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// A moment in UTC: `20250914T143000Z`.
fn utc(at: Timestamp) -> String {
    let mut out = String::with_capacity(16);
    // Writing into a string cannot fail.
    let _ = write!(out, "{}", at.strftime("%Y%m%dT%H%M%SZ"));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_folded_between_characters() {
        let mut lines = Lines::default();
        lines.line(&format!("SUMMARY:{}", "ä".repeat(100)));
        for line in lines.text.split_terminator("\r\n") {
            assert!(line.len() <= LINE, "{line}");
        }
        let unfolded = lines.text.replace("\r\n ", "");
        assert_eq!(unfolded, format!("SUMMARY:{}\r\n", "ä".repeat(100)));
    }

    #[test]
    fn text_cannot_break_out_of_its_line() {
        assert_eq!(
            escaped("a;b,c\\d\r\nEND:VEVENT\u{0}"),
            "a\\;b\\,c\\\\d\\nEND:VEVENT"
        );
    }
}
