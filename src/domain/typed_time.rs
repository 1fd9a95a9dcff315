//! Stretches of time as people type them: `tomorrow 9:00 17:00`, `now 2h`, `mon 9:00 fri 17:00`, `until 18:00`.
//!
//! ```text
//! <from> <to>      from, to: [day] [time]
//! <from> <length>  day: today, tomorrow, mon…sunday, 2025-12-24      time: 9:00, 24:00, 9am, noon
//! <day>            or both at once: now, 2025-12-24T09:00, 2025-12-24T09:00-08:00
//! until <to>       length: 2h, 1h30m, 3d
//! ```
//!
//! A day alone is the whole of it: `2025-12-24 2025-12-27` ends with the end of the 27th. A time alone is today's, or
//! tomorrow's when today's is over; an end before the beginning is the next morning's. What has begun already begins now.

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::form::{WrongForm, parse_duration};
use super::hours::at_minute;

/// A stretch as it was typed; what it means depends on when and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypedStretch {
    from: Point,
    to: End,
}

/// A moment as it was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Point {
    Now,
    Exact(Timestamp),
    /// On the wall clock; a time counts minutes from midnight.
    Local {
        day: Day,
        minute: Option<u16>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Day {
    Unsaid,
    Today,
    Tomorrow,
    Next(Weekday),
    Date(Date),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    At(Point),
    After(SignedDuration),
    /// With the day on which it begins.
    WithTheDay,
}

/// A stretch, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Understood {
    /// The beginning.
    pub from: Timestamp,
    /// The end; later than the beginning.
    pub to: Timestamp,
    /// The local times that were read in a way that may surprise.
    pub odd: Vec<Odd>,
}

/// A local time that the clocks do not show exactly once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Odd {
    /// What was typed.
    pub local: DateTime,
    /// Whether it exists twice; else not at all.
    pub is_twice: bool,
    /// How it was read.
    pub read_as: Timestamp,
}

/// The longest stretch: a year. A longer one is a slip of the pen.
const LONGEST: SignedDuration = SignedDuration::from_hours(366 * 24);

const HELP: &str = "write it like `tomorrow 9:00 17:00`, `now 2h`, `mon 9:00 fri 17:00`, `2025-12-24 2025-12-27` or `until 18:00`";

/// Words that only join others.
const FILLERS: [&str; 7] = ["from", "at", "on", "for", "to", "and", "-"];
/// Words before an end without a beginning.
const UNTIL: [&str; 2] = ["until", "till"];

const WEEKDAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];

impl TypedStretch {
    /// Reads the words of a stretch.
    pub fn parse(text: &str) -> Result<Self, WrongForm> {
        let lower = text.trim().to_lowercase();
        let words: Vec<String> = lower
            .split_whitespace()
            .flat_map(|word| match word.split_once(['-', '–']) {
                Some((from, to)) if minute(from).is_some() && minute(to).is_some() => {
                    vec![from.to_owned(), to.to_owned()]
                }
                Some(_) | None => vec![word.to_owned()],
            })
            .filter(|word| !FILLERS.contains(&word.as_str()) && word != "–")
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (stretch, rest) = match words.as_slice() {
            [] => return Err(WrongForm::new("From when, and until when?", HELP)),
            [until, rest @ ..] if UNTIL.contains(until) => {
                let (to, rest) = point(rest)?;
                let (from, to) = (Point::Now, End::At(to));
                (Self { from, to }, rest)
            }
            [length, rest @ ..] if parse_duration(length).is_ok() => {
                let to = End::After(parse_duration(length)?);
                let from = Point::Now;
                (Self { from, to }, rest)
            }
            words => {
                let (from, rest) = point(words)?;
                let rest = match rest {
                    [until, rest @ ..] if UNTIL.contains(until) => rest,
                    rest => rest,
                };
                let (to, rest) = match (rest, from) {
                    ([], Point::Local { minute: None, .. }) => (End::WithTheDay, rest),
                    ([], _) => return Err(WrongForm::new("Until when?", HELP)),
                    ([length, rest @ ..], _) if parse_duration(length).is_ok() => {
                        (End::After(parse_duration(length)?), rest)
                    }
                    (rest, _) => {
                        let (to, rest) = point(rest)?;
                        (End::At(to), rest)
                    }
                };
                (Self { from, to }, rest)
            }
        };
        match rest {
            [] => Ok(stretch),
            [word, ..] => Err(WrongForm::new(
                format!("“{word}” is more than a beginning and an end."),
                HELP,
            )),
        }
    }

    /// What it means to somebody whose clock shows this now.
    pub fn understand(&self, now: Timestamp, zone: &TimeZone) -> Result<Understood, WrongForm> {
        let today = zone.to_datetime(now).date();
        let first = self.on(today, now, zone)?;
        // A time without a day is the next one.
        let is_unsaid = matches!(
            self.from,
            Point::Local {
                day: Day::Unsaid,
                ..
            }
        );
        let understood = match first.to <= now && is_unsaid {
            true => self.on(today.tomorrow().map_err(beyond)?, now, zone)?,
            false => first,
        };
        if understood.to <= understood.from {
            return Err(WrongForm::new(
                "That ends before it begins.",
                "put the beginning first, then the end",
            ));
        }
        if understood.to <= now {
            return Err(WrongForm::new(
                "That is over already.",
                "name a time to come: `now 2h`, `tomorrow 9:00 17:00`",
            ));
        }
        if understood.to.duration_since(understood.from) > LONGEST {
            return Err(WrongForm::new(
                "That is longer than a year.",
                "make it a year at most, or change the rotation in firebell.toml",
            ));
        }
        let from = understood.from.max(now);
        Ok(Understood { from, ..understood })
    }

    /// What it means if a time without a day is this day's.
    fn on(&self, day: Date, now: Timestamp, zone: &TimeZone) -> Result<Understood, WrongForm> {
        let mut odd = Vec::new();
        let today = zone.to_datetime(now).date();
        let mut at = |date: Date, minute: u16| {
            let local = at_minute(date, minute).ok_or_else(|| beyond(()))?;
            let found = zone.to_ambiguous_timestamp(local);
            let is_twice = match found.offset() {
                AmbiguousOffset::Unambiguous { .. } => None,
                AmbiguousOffset::Gap { .. } => Some(false),
                AmbiguousOffset::Fold { .. } => Some(true),
            };
            let read_as = found.compatible().map_err(beyond)?;
            if let Some(is_twice) = is_twice {
                odd.push(Odd {
                    local,
                    is_twice,
                    read_as,
                });
            }
            Ok::<Timestamp, WrongForm>(read_as)
        };
        let (from, begins_on, begins_at) = match self.from {
            Point::Now => (now, today, minute_of(now, zone)),
            Point::Exact(exact) => (
                exact,
                zone.to_datetime(exact).date(),
                minute_of(exact, zone),
            ),
            Point::Local { day: said, minute } => {
                let date = match said {
                    Day::Unsaid => day,
                    Day::Today => today,
                    Day::Tomorrow => today.tomorrow().map_err(beyond)?,
                    Day::Date(date) => date,
                    Day::Next(weekday) => {
                        let next = first(weekday, today)?;
                        // Who means today's says so; what is past of it is the next week's.
                        match minute {
                            Some(minute) if next == today && minute <= minute_of(now, zone) => {
                                first(weekday, today.tomorrow().map_err(beyond)?)?
                            }
                            Some(_) | None => next,
                        }
                    }
                };
                let minute = minute.unwrap_or(0);
                (at(date, minute)?, date, minute)
            }
        };
        /// The minute at which a day ends.
        const END: u16 = 24 * 60;
        let to = match self.to {
            End::After(length) => from.checked_add(length).map_err(beyond)?,
            End::WithTheDay => at(begins_on, END)?,
            End::At(Point::Now) => now,
            End::At(Point::Exact(exact)) => exact,
            End::At(Point::Local { day, minute }) => {
                let minute = minute.unwrap_or(END);
                let date = match day {
                    Day::Unsaid if minute <= begins_at => begins_on.tomorrow().map_err(beyond)?,
                    Day::Unsaid => begins_on,
                    Day::Today => today,
                    Day::Tomorrow => today.tomorrow().map_err(beyond)?,
                    Day::Date(date) => date,
                    Day::Next(weekday) => {
                        let next = first(weekday, begins_on)?;
                        match next == begins_on && minute <= begins_at {
                            true => first(weekday, next.tomorrow().map_err(beyond)?)?,
                            false => next,
                        }
                    }
                };
                at(date, minute)?
            }
        };
        Ok(Understood { from, to, odd })
    }
}

/// A moment, and the words behind it.
fn point<'w, 't>(words: &'w [&'t str]) -> Result<(Point, &'w [&'t str]), WrongForm> {
    let [word, rest @ ..] = words else {
        return Err(WrongForm::new("Until when?", HELP));
    };
    if *word == "now" {
        return Ok((Point::Now, rest));
    }
    if let Some(minute) = minute(word) {
        let (day, minute) = (Day::Unsaid, Some(minute));
        return Ok((Point::Local { day, minute }, rest));
    }
    if word.contains('t')
        && let Ok(exact) = word.to_uppercase().parse()
    {
        return Ok((Point::Exact(exact), rest));
    }
    if let Some((date, time)) = word.split_once('t')
        && let (Ok(date), Some(minute)) = (date.parse(), minute(time))
    {
        let (day, minute) = (Day::Date(date), Some(minute));
        return Ok((Point::Local { day, minute }, rest));
    }
    let weekday = || {
        let begins = |(name, _): &&(&str, Weekday)| word.len() >= 3 && name.starts_with(word);
        WEEKDAYS.iter().find(begins).map(|(_, day)| Day::Next(*day))
    };
    let day = match *word {
        "today" => Some(Day::Today),
        "tomorrow" => Some(Day::Tomorrow),
        word => weekday().or_else(|| word.parse().ok().map(Day::Date)),
    };
    let Some(day) = day else {
        return Err(WrongForm::new(
            format!("“{word}” is no time that I know."),
            HELP,
        ));
    };
    if let [time, behind @ ..] = rest
        && let Some(minute) = minute(time)
    {
        let minute = Some(minute);
        return Ok((Point::Local { day, minute }, behind));
    }
    Ok((Point::Local { day, minute: None }, rest))
}

/// `9:00`, `09:00`, `24:00`, `9am`, `9:30pm`, `noon`, as minutes since midnight.
fn minute(word: &str) -> Option<u16> {
    if word == "noon" {
        return Some(12 * 60);
    }
    let (clock, half) = match (word.strip_suffix("am"), word.strip_suffix("pm")) {
        (Some(clock), _) => (clock, Some(0)),
        (None, Some(clock)) => (clock, Some(12)),
        (None, None) => (word, None),
    };
    let is_number =
        |text: &str| (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let (hour, minute) = match (clock.split_once(':'), half) {
        (Some((hour, minute)), _) if minute.len() == 2 => (hour, minute),
        (None, Some(_)) => (clock, "00"),
        (Some(_), _) | (None, None) => return None,
    };
    if !is_number(hour) || !is_number(minute) {
        return None;
    }
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let hour = match half {
        Some(half) if (1..=12).contains(&hour) => hour % 12 + half,
        Some(_) => return None,
        None => hour,
    };
    let total = hour * 60 + minute;
    (minute < 60 && total <= 24 * 60).then_some(total)
}

fn minute_of(at: Timestamp, zone: &TimeZone) -> u16 {
    let local = zone.to_datetime(at);
    u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs())
}

/// The first such day, from this one on.
fn first(weekday: Weekday, from: Date) -> Result<Date, WrongForm> {
    let days = from.weekday().until(weekday);
    from.checked_add(SignedDuration::from_hours(24 * i64::from(days)))
        .map_err(beyond)
}

fn beyond<E>(_: E) -> WrongForm {
    WrongForm::new("That is beyond the calendar.", HELP)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is understood in San Francisco on Sunday, 2025-09-14, at 07:30.
    fn at_half_past_seven(text: &str) -> String {
        at("2025-09-14T14:30:00Z", text)
    }

    fn at(now: &str, text: &str) -> String {
        let zone = TimeZone::get("America/Los_Angeles").unwrap();
        let now: Timestamp = now.parse().unwrap();
        let typed = TypedStretch::parse(text);
        match typed.and_then(|typed| typed.understand(now, &zone)) {
            Ok(Understood { from, to, odd }) => {
                let show = |at: Timestamp| {
                    at.to_zoned(zone.clone())
                        .strftime("%a %d %H:%M%z")
                        .to_string()
                };
                let odd = match odd.as_slice() {
                    [] => String::new(),
                    [odd, ..] if odd.is_twice => format!(" twice {}", show(odd.read_as)),
                    [odd, ..] => format!(" never {}", show(odd.read_as)),
                };
                format!("{} – {}{odd}", show(from), show(to))
            }
            Err(wrong) => wrong.message,
        }
    }

    #[test]
    fn a_stretch_is_understood_as_people_mean_it() {
        for (typed, meant) in [
            (
                "tomorrow 9:00 17:00",
                "Mon 15 09:00-0700 – Mon 15 17:00-0700",
            ),
            (
                "tomorrow 9:00-17:00",
                "Mon 15 09:00-0700 – Mon 15 17:00-0700",
            ),
            (
                "from tomorrow at 9am to 5pm",
                "Mon 15 09:00-0700 – Mon 15 17:00-0700",
            ),
            ("today 18:00 22:00", "Sun 14 18:00-0700 – Sun 14 22:00-0700"),
            ("today 22:00 6:00", "Sun 14 22:00-0700 – Mon 15 06:00-0700"),
            ("today 18:00 24:00", "Sun 14 18:00-0700 – Mon 15 00:00-0700"),
            ("today noon 2h", "Sun 14 12:00-0700 – Sun 14 14:00-0700"),
            (
                "2025-12-24 2025-12-27",
                "Wed 24 00:00-0800 – Sun 28 00:00-0800",
            ),
            ("2025-12-24", "Wed 24 00:00-0800 – Thu 25 00:00-0800"),
            (
                "2025-12-24T09:00 2025-12-24T10:00",
                "Wed 24 09:00-0800 – Wed 24 10:00-0800",
            ),
            (
                "2025-12-24T09:00:00Z 2025-12-24T10:00Z",
                "Wed 24 01:00-0800 – Wed 24 02:00-0800",
            ),
            ("now 2h", "Sun 14 07:30-0700 – Sun 14 09:30-0700"),
            ("1h30m", "Sun 14 07:30-0700 – Sun 14 09:00-0700"),
            ("for 2h", "Sun 14 07:30-0700 – Sun 14 09:30-0700"),
            ("until 18:00", "Sun 14 07:30-0700 – Sun 14 18:00-0700"),
            ("until 7:00", "Sun 14 07:30-0700 – Mon 15 07:00-0700"),
            (
                "now until mon 9:00",
                "Sun 14 07:30-0700 – Mon 15 09:00-0700",
            ),
            (
                "mon 9:00 fri 17:00",
                "Mon 15 09:00-0700 – Fri 19 17:00-0700",
            ),
            ("Friday monday", "Fri 19 00:00-0700 – Tue 23 00:00-0700"),
            ("sunday 7:00 9:00", "Sun 21 07:00-0700 – Sun 21 09:00-0700"),
            ("sunday 8:00 9:00", "Sun 14 08:00-0700 – Sun 14 09:00-0700"),
            ("9:00 17:00", "Sun 14 09:00-0700 – Sun 14 17:00-0700"),
            ("6:00 7:00", "Mon 15 06:00-0700 – Mon 15 07:00-0700"),
            ("6:00 8:00", "Sun 14 07:30-0700 – Sun 14 08:00-0700"),
            ("today", "Sun 14 07:30-0700 – Mon 15 00:00-0700"),
        ] {
            assert_eq!(at_half_past_seven(typed), meant, "{typed}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (typed, why) in [
            ("", "From when, and until when?"),
            ("now", "Until when?"),
            ("tomorrow 9:00", "Until when?"),
            ("tomorrow 9:00 until", "Until when?"),
            ("tomorrow 9 17", "“9” is no time that I know."),
            ("soon 17:00", "“soon” is no time that I know."),
            ("13pm 14pm", "“13pm” is no time that I know."),
            ("25:00 26:00", "“25:00” is no time that I know."),
            ("today 6:00 7:00", "That is over already."),
            ("2025-12-27 2025-12-24", "That ends before it begins."),
            ("now 0", "That ends before it begins."),
            ("2025-12-24 2027-12-24", "That is longer than a year."),
            (
                "2025-02-30 2025-03-01",
                "“2025-02-30” is no time that I know.",
            ),
            ("9999-12-31 9999-12-31", "That is beyond the calendar."),
            (
                "today 9:00 10:00 11:00",
                "“11:00” is more than a beginning and an end.",
            ),
        ] {
            assert_eq!(at_half_past_seven(typed), why, "{typed}");
        }
    }

    #[test]
    fn a_time_that_the_clocks_show_twice_or_never_is_told() {
        assert_eq!(
            at("2025-11-01T19:00:00Z", "tomorrow 1:30 9:00"),
            "Sun 02 01:30-0700 – Sun 02 09:00-0800 twice Sun 02 01:30-0700"
        );
        assert_eq!(
            at("2026-03-07T19:00:00Z", "tomorrow 2:30 9:00"),
            "Sun 08 03:30-0700 – Sun 08 09:00-0700 never Sun 08 03:30-0700"
        );
    }
}
