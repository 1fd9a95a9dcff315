//! Who is on call at a given time.
//!
//! Everything is reckoned in local time: the k-th hand-off is `handoff` plus k shifts *on the wall clock* of the
//! schedule's zone, so a change to or from summer time never moves it. A wall-clock time that does not exist (spring)
//! is taken as much later as the clocks were moved; one that exists twice (autumn) means its first occurrence.

use std::fmt;
use std::str::FromStr;

use jiff::civil;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::escalation::Target;
use super::form::{CalendarSpan, CalendarUnit, WrongForm};
use super::hours::{Hours, instant};
use super::terms::PersonId;

/// A plan of who is on call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The id of the `[[schedules]]` entry: `primary`.
    pub id: String,
    /// The name for people; `None`: the id.
    pub name: Option<String>,
    /// The zone of every local time in the schedule.
    pub timezone: TimeZone,
    /// The layers: a later one covers an earlier one where both have somebody.
    pub rotations: Vec<Rotation>,
    /// Who is told when nobody is on call: a person or a role.
    pub fallback: Option<Target>,
    /// The variable that holds the token of `/schedules/{id}.ics`; `None`: the calendar is not served.
    pub ical_token_env: Option<String>,
    /// The variable that holds the address of a calendar whose events cover the rotations; `None`: there is none.
    pub ical_url_env: Option<String>,
    /// The Slack user group, by its handle without the `@`, that holds whoever is on call; `None`: none does.
    pub usergroup: Option<String>,
}

/// People who take turns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// Who takes turns, in this order; never empty.
    pub participants: Vec<PersonId>,
    /// How long a turn is.
    pub shift: Shift,
    /// The local time at which the first participant's first turn begins; before it nobody is on call.
    pub handoff: civil::DateTime,
    /// The hours in which the rotation counts at all; `None`: always.
    pub hours: Option<Hours>,
}

/// The length of a turn on the wall clock: `12h`, `1d`, `1w`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "CalendarSpan", into = "CalendarSpan")]
pub struct Shift(CalendarSpan);

impl Shift {
    fn hours(self) -> i64 {
        let unit_hours = match self.0.unit() {
            CalendarUnit::Hour => 1,
            CalendarUnit::Day => 24,
            CalendarUnit::Week => 7 * 24,
            // `try_from` admits neither.
            CalendarUnit::Month => 30 * 24,
            CalendarUnit::Year => 365 * 24,
        };
        i64::from(self.0.count()) * unit_hours
    }
}

impl TryFrom<CalendarSpan> for Shift {
    type Error = WrongForm;

    fn try_from(span: CalendarSpan) -> Result<Self, WrongForm> {
        match span.unit() {
            CalendarUnit::Hour | CalendarUnit::Day | CalendarUnit::Week => Ok(Shift(span)),
            CalendarUnit::Month | CalendarUnit::Year => Err(WrongForm::new(
                format!("a shift of \"{span}\" has no fixed length"),
                "write it in hours, days or weeks: \"12h\", \"1d\", \"4w\"",
            )),
        }
    }
}

impl From<Shift> for CalendarSpan {
    fn from(shift: Shift) -> CalendarSpan {
        shift.0
    }
}

impl FromStr for Shift {
    type Err = WrongForm;

    fn from_str(text: &str) -> Result<Self, WrongForm> {
        text.parse::<CalendarSpan>()?.try_into()
    }
}

impl fmt::Display for Shift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Somebody takes over a schedule for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// The id of the schedule.
    pub schedule: String,
    /// Who takes over.
    pub person: PersonId,
    /// The beginning.
    pub from: Timestamp,
    /// The end; no longer in force at this moment.
    pub to: Timestamp,
}

impl Override {
    /// Whether it is in force in this schedule at this moment.
    pub fn holds(&self, schedule: &Schedule, at: Timestamp) -> bool {
        self.schedule == schedule.id && self.from <= at && at < self.to
    }
}

/// A stretch of time in which one person is on call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnCall {
    /// Who.
    pub person: PersonId,
    /// The beginning.
    pub from: Timestamp,
    /// The end; somebody else, or nobody, from this moment.
    pub to: Timestamp,
}

/// A stretch of time, with whoever is on call in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// Who; `None`: nobody, a gap.
    pub person: Option<PersonId>,
    /// The beginning.
    pub from: Timestamp,
    /// The end; no longer part of it.
    pub to: Timestamp,
}

/// The longest stretch that [`Schedule::shifts_between`] looks at: a year and a day, so that a slip of the pen in a
/// year does not reckon for minutes.
pub const LOOKAHEAD_MAX: SignedDuration = SignedDuration::from_hours(367 * 24);

impl Schedule {
    /// Who is on call at this moment: the override made last, else the last rotation that has somebody.
    ///
    /// `None`: nobody is by plan; then `fallback` is the one to be told.
    pub fn on_call(&self, at: Timestamp, overrides: &[Override]) -> Option<PersonId> {
        let taken_over = overrides
            .iter()
            .rev()
            .find(|over| over.holds(self, at))
            .map(|over| &over.person);
        taken_over
            .or_else(|| {
                self.rotations
                    .iter()
                    .rev()
                    .find_map(|rotation| rotation.on_call(at, &self.timezone))
            })
            .cloned()
    }

    /// Who is on call from one moment to another, in order, without overlaps; a time without anybody is left out.
    ///
    /// At most [`LOOKAHEAD_MAX`] from `from` is looked at.
    pub fn shifts_between(
        &self,
        from: Timestamp,
        to: Timestamp,
        overrides: &[Override],
    ) -> Vec<OnCall> {
        let stretches = self.stretches_between(from, to, overrides).into_iter();
        let shift = |Stretch { person, from, to }| {
            Some(OnCall {
                person: person?,
                from,
                to,
            })
        };
        stretches.filter_map(shift).collect()
    }

    /// The whole time from one moment to another, in order and without holes: who is on call in each stretch, and
    /// where nobody is. Empty if `to` is not after `from`.
    ///
    /// At most [`LOOKAHEAD_MAX`] from `from` is looked at.
    pub fn stretches_between(
        &self,
        from: Timestamp,
        to: Timestamp,
        overrides: &[Override],
    ) -> Vec<Stretch> {
        let to = from
            .checked_add(LOOKAHEAD_MAX)
            .map_or(to, |latest| to.min(latest));
        // Nothing changes but at these moments; between two of them, who is on call at the first is on call throughout.
        let mut changes = vec![from];
        for over in overrides.iter().filter(|over| over.schedule == self.id) {
            changes.extend([over.from, over.to]);
        }
        for rotation in &self.rotations {
            rotation.changes_between(from, to, &self.timezone, &mut changes);
        }
        changes.retain(|change| from <= *change && *change < to);
        changes.sort_unstable();
        changes.dedup();
        let ends = changes.iter().skip(1).copied().chain([to]);

        let stretches = changes.iter().copied().zip(ends);
        merged(stretches.map(|(from, to)| Stretch {
            person: self.on_call(from, overrides),
            from,
            to,
        }))
    }
}

/// Joins neighbours that say the same.
pub(super) fn merged(stretches: impl IntoIterator<Item = Stretch>) -> Vec<Stretch> {
    let mut joined: Vec<Stretch> = Vec::new();
    for stretch in stretches {
        match joined.last_mut() {
            Some(last) if last.person == stretch.person && last.to == stretch.from => {
                last.to = stretch.to;
            }
            Some(_) | None => joined.push(stretch),
        }
    }
    joined
}

impl Rotation {
    fn on_call(&self, at: Timestamp, zone: &TimeZone) -> Option<&PersonId> {
        if self.hours.is_some_and(|hours| !hours.contains(at, zone)) {
            return None;
        }
        let turn = usize::try_from(self.turn_at(at, zone)?).ok()?;
        self.participants
            .get(turn.checked_rem(self.participants.len())?)
    }

    /// The number of the turn that is on at this moment, from 0; `None` before the first.
    fn turn_at(&self, at: Timestamp, zone: &TimeZone) -> Option<i64> {
        let local = zone.to_datetime(at);
        let elapsed_s = local.duration_since(self.handoff).as_secs();
        // The wall clock alone is one turn off, at most, near a change of the clocks: the moments decide.
        let mut turn = elapsed_s.div_euclid(self.shift.hours() * 3_600);
        while self
            .handoff_at(turn + 1, zone)
            .is_some_and(|next| next <= at)
        {
            turn += 1;
        }
        while turn >= 0 && self.handoff_at(turn, zone)? > at {
            turn -= 1;
        }
        (turn >= 0).then_some(turn)
    }

    /// When a turn begins; `None` beyond the calendar.
    fn handoff_at(&self, turn: i64, zone: &TimeZone) -> Option<Timestamp> {
        let hours = self.shift.hours().checked_mul(turn)?;
        let local = self
            .handoff
            .checked_add(SignedDuration::try_from_hours(hours)?)
            .ok()?;
        instant(local, zone)
    }

    /// Adds every moment in the stretch at which somebody else may come on call.
    fn changes_between(
        &self,
        from: Timestamp,
        to: Timestamp,
        zone: &TimeZone,
        changes: &mut Vec<Timestamp>,
    ) {
        let mut turn = self.turn_at(from, zone).unwrap_or(0);
        while let Some(handoff) = self.handoff_at(turn, zone)
            && handoff < to
        {
            changes.push(handoff);
            turn += 1;
        }
        let Some(hours) = self.hours else {
            return;
        };
        let today = zone.to_datetime(from).date();
        let mut day = today.yesterday().and_then(|day| day.yesterday()).ok();
        while let Some(today) = day
            && instant(today.at(0, 0, 0, 0), zone).is_some_and(|midnight| midnight < to)
        {
            if let Some((begin, end)) = hours.on(today, zone) {
                changes.extend([begin, end]);
            }
            day = today.tomorrow().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LOS_ANGELES: &str = "America/Los_Angeles";

    fn at(text: &str) -> Timestamp {
        text.parse::<jiff::Zoned>()
            .map(|zoned| zoned.timestamp())
            .unwrap_or_else(|_| text.parse().unwrap())
    }

    fn rotation(people: &[&str], shift: &str, handoff: &str) -> Rotation {
        Rotation {
            participants: people.iter().map(|id| PersonId::new(*id)).collect(),
            shift: shift.parse().unwrap(),
            handoff: handoff.parse().unwrap(),
            hours: None,
        }
    }

    fn schedule(zone: &str, rotations: Vec<Rotation>) -> Schedule {
        Schedule {
            id: "primary".into(),
            name: None,
            timezone: TimeZone::get(zone).unwrap(),
            rotations,
            fallback: None,
            ical_token_env: None,
            ical_url_env: None,
            usergroup: None,
        }
    }

    fn on_call(schedule: &Schedule, moment: &str) -> String {
        match schedule.on_call(at(moment), &[]) {
            Some(person) => person.to_string(),
            None => "nobody".to_owned(),
        }
    }

    #[test]
    fn nobody_is_on_call_before_the_first_hand_off() {
        let week = schedule(
            "UTC",
            vec![rotation(&["ana", "bo"], "1w", "2025-09-01T09:00")],
        );
        assert_eq!(on_call(&week, "2025-09-01T08:59:59Z"), "nobody");
        assert_eq!(on_call(&week, "2025-09-01T09:00:00Z"), "ana");
        assert_eq!(on_call(&week, "2025-09-08T08:59:59Z"), "ana");
        assert_eq!(on_call(&week, "2025-09-08T09:00:00Z"), "bo");
        assert_eq!(on_call(&week, "2025-09-15T09:00:00Z"), "ana");
        assert_eq!(on_call(&week, "-009000-01-01T00:00:00Z"), "nobody");
        assert_eq!(on_call(&week, "9999-12-30T00:00:00Z"), "ana");
    }

    #[test]
    fn a_week_ends_at_nine_local_time_when_the_clocks_go_back() {
        // 2025-11-02 02:00 PDT → 01:00 PST.
        let week = schedule(
            LOS_ANGELES,
            vec![rotation(&["ana", "bo"], "1w", "2025-10-27T09:00")],
        );
        assert_eq!(
            on_call(&week, "2025-11-03T08:59:59[America/Los_Angeles]"),
            "ana"
        );
        assert_eq!(
            on_call(&week, "2025-11-03T09:00:00[America/Los_Angeles]"),
            "bo"
        );
    }

    #[test]
    fn a_week_ends_at_nine_local_time_when_the_clocks_go_forward() {
        // 2025-03-09 02:00 PST → 03:00 PDT.
        let week = schedule(
            LOS_ANGELES,
            vec![rotation(&["ana", "bo"], "1w", "2025-03-03T09:00")],
        );
        assert_eq!(
            on_call(&week, "2025-03-10T08:59:59[America/Los_Angeles]"),
            "ana"
        );
        assert_eq!(
            on_call(&week, "2025-03-10T09:00:00[America/Los_Angeles]"),
            "bo"
        );
    }

    #[test]
    fn a_twelve_hour_turn_is_an_hour_longer_in_the_night_the_clocks_go_back() {
        let halves = schedule(
            LOS_ANGELES,
            vec![rotation(&["day", "night"], "12h", "2025-11-01T09:00")],
        );
        let shifts = halves.shifts_between(
            at("2025-11-01T21:00[America/Los_Angeles]"),
            at("2025-11-02T21:00[America/Los_Angeles]"),
            &[],
        );
        let lengths: Vec<_> = shifts
            .iter()
            .map(|shift| {
                (
                    shift.person.as_str(),
                    shift.to.duration_since(shift.from).as_hours(),
                )
            })
            .collect();
        assert_eq!(lengths, [("night", 13), ("day", 12)]);
    }

    #[test]
    fn a_hand_off_in_the_hour_that_happens_twice_is_made_the_first_time() {
        let days = schedule(
            LOS_ANGELES,
            vec![rotation(&["ana", "bo"], "1d", "2025-11-01T01:30")],
        );
        assert_eq!(
            on_call(&days, "2025-11-02T01:29:59-07:00[America/Los_Angeles]"),
            "ana"
        );
        assert_eq!(
            on_call(&days, "2025-11-02T01:30:00-07:00[America/Los_Angeles]"),
            "bo"
        );
        // An hour later the clock shows 01:15 again; bo has taken over and keeps it.
        assert_eq!(
            on_call(&days, "2025-11-02T01:15:00-08:00[America/Los_Angeles]"),
            "bo"
        );
        assert_eq!(
            on_call(&days, "2025-11-02T01:45:00-08:00[America/Los_Angeles]"),
            "bo"
        );
        assert_eq!(
            on_call(&days, "2025-11-03T01:30:00[America/Los_Angeles]"),
            "ana"
        );
    }

    #[test]
    fn a_hand_off_in_the_hour_that_does_not_happen_is_made_as_much_later() {
        let days = schedule(
            LOS_ANGELES,
            vec![rotation(&["ana", "bo"], "1d", "2025-03-08T02:30")],
        );
        assert_eq!(
            on_call(&days, "2025-03-09T01:59:59[America/Los_Angeles]"),
            "ana"
        );
        assert_eq!(
            on_call(&days, "2025-03-09T03:29:59[America/Los_Angeles]"),
            "ana"
        );
        assert_eq!(
            on_call(&days, "2025-03-09T03:30:00[America/Los_Angeles]"),
            "bo"
        );
        assert_eq!(
            on_call(&days, "2025-03-10T02:30:00[America/Los_Angeles]"),
            "ana"
        );
    }

    #[test]
    fn a_day_that_a_country_skips_is_nobodys_loss() {
        // Samoa had no 2011-12-30.
        let days = schedule(
            "Pacific/Apia",
            vec![rotation(&["a", "b", "c"], "1d", "2011-12-28T09:00")],
        );
        assert_eq!(on_call(&days, "2011-12-29T12:00[Pacific/Apia]"), "b");
        assert_eq!(on_call(&days, "2011-12-31T08:00[Pacific/Apia]"), "b");
        assert_eq!(on_call(&days, "2011-12-31T09:00[Pacific/Apia]"), "a");
    }

    #[test]
    fn a_later_rotation_covers_an_earlier_one_in_its_hours() {
        let mut office = rotation(&["office"], "1w", "2025-09-01T00:00");
        office.hours = Some("Mon-Fri 09:00-17:00".parse().unwrap());
        let layers = schedule(
            "UTC",
            vec![rotation(&["ana"], "1w", "2025-09-01T00:00"), office],
        );
        assert_eq!(on_call(&layers, "2025-09-05T08:59:59Z"), "ana");
        assert_eq!(on_call(&layers, "2025-09-05T09:00:00Z"), "office");
        assert_eq!(on_call(&layers, "2025-09-05T17:00:00Z"), "ana");
        assert_eq!(on_call(&layers, "2025-09-06T12:00:00Z"), "ana");
    }

    #[test]
    fn an_override_takes_over_for_its_time_and_the_last_made_wins() {
        let week = schedule("UTC", vec![rotation(&["ana"], "1w", "2025-09-01T09:00")]);
        let over = |schedule: &str, person: &str, from: &str, to: &str| Override {
            schedule: schedule.into(),
            person: PersonId::new(person),
            from: at(from),
            to: at(to),
        };
        let overrides = [
            over(
                "primary",
                "bo",
                "2025-09-02T00:00:00Z",
                "2025-09-03T00:00:00Z",
            ),
            over(
                "primary",
                "cy",
                "2025-09-02T12:00:00Z",
                "2025-09-02T18:00:00Z",
            ),
            over(
                "other",
                "di",
                "2025-09-02T00:00:00Z",
                "2025-09-03T00:00:00Z",
            ),
        ];
        let shifts: Vec<String> = week
            .shifts_between(
                at("2025-09-01T00:00:00Z"),
                at("2025-09-04T00:00:00Z"),
                &overrides,
            )
            .into_iter()
            .map(|shift| format!("{} {} {}", shift.person, shift.from, shift.to))
            .collect();
        assert_eq!(
            shifts,
            [
                "ana 2025-09-01T09:00:00Z 2025-09-02T00:00:00Z",
                "bo 2025-09-02T00:00:00Z 2025-09-02T12:00:00Z",
                "cy 2025-09-02T12:00:00Z 2025-09-02T18:00:00Z",
                "bo 2025-09-02T18:00:00Z 2025-09-03T00:00:00Z",
                "ana 2025-09-03T00:00:00Z 2025-09-04T00:00:00Z",
            ]
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn shifts_say_the_same_as_the_single_moment(
            zone in prop::sample::select(vec!["UTC", LOS_ANGELES, "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu"]),
            shift in prop::sample::select(vec!["1h", "7h", "12h", "1d", "3d", "1w"]),
            handoff_hour in 0_i8..24,
            handoff_minute in 0_i8..60,
            hours in prop::sample::select(vec!["", "Mon-Fri 09:00-17:00", "22:00-06:00", "Sun 01:30-02:30", "Sat,Sun 00:00-24:00"]),
            day_of_year in 0_i64..365,
            probe_s in 0_i64..(21 * 86_400),
        ) {
            let handoff = civil::date(2024, 12, 1).at(handoff_hour, handoff_minute, 0, 0);
            let base = Rotation { handoff, ..rotation(&["a", "b", "c"], shift, "2024-12-01T00:00") };
            let mut cover = Rotation { handoff, ..rotation(&["x", "y"], "1d", "2024-12-01T00:00") };
            cover.hours = hours.parse().ok();
            let rotations = if hours.is_empty() { vec![base] } else { vec![base, cover] };
            let plan = schedule(zone, rotations);
            let from = at("2025-01-01T00:00:00Z") + SignedDuration::from_hours(24 * day_of_year);
            let to = from + SignedDuration::from_hours(21 * 24);
            let probe = from + SignedDuration::from_secs(probe_s);

            let shifts = plan.shifts_between(from, to, &[]);
            // Without gaps or overlaps from end to end, as the base rotation always has somebody.
            prop_assert_eq!(shifts[0].from, from);
            prop_assert_eq!(shifts.last().unwrap().to, to);
            for pair in shifts.windows(2) {
                prop_assert_eq!(pair[0].to, pair[1].from);
                prop_assert_ne!(&pair[0].person, &pair[1].person);
            }
            let found = shifts.iter().find(|shift| shift.from <= probe && probe < shift.to).unwrap();
            prop_assert_eq!(Some(found.person.clone()), plan.on_call(probe, &[]));
        }

        #[test]
        fn every_hand_off_is_at_the_same_local_time_wherever_that_time_exists(
            zone in prop::sample::select(vec![LOS_ANGELES, "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe"]),
            hour in 0_i8..24,
            turn in 0_i64..800,
        ) {
            let handoff = civil::date(2024, 1, 1).at(hour, 15, 0, 0);
            let days = Rotation { handoff, ..rotation(&["a", "b"], "1d", "2024-01-01T00:00") };
            let zone = TimeZone::get(zone).unwrap();
            let moment = days.handoff_at(turn, &zone).unwrap();
            let local = zone.to_datetime(moment);
            let meant = handoff.checked_add(jiff::Span::new().days(turn)).unwrap();
            let in_gap = matches!(zone.to_ambiguous_timestamp(meant).offset(), jiff::tz::AmbiguousOffset::Gap { .. });
            if !in_gap {
                prop_assert_eq!(local, meant);
            }
            prop_assert_eq!(days.turn_at(moment, &zone), Some(turn));
            prop_assert_eq!(days.turn_at(moment - SignedDuration::from_nanos(1), &zone), if turn == 0 { None } else { Some(turn - 1) });
        }
    }
}
