//! Hours of the week in a time zone: when a rotation counts.

use std::fmt;
use std::str::FromStr;

use jiff::civil;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::form::WrongForm;

/// Hours of the week, by the wall clock: `Mon-Fri 09:00-17:00`, `Sat,Sun 00:00-24:00`, `22:00-06:00`.
///
/// The end is not included. An end before the beginning means the next morning; the night belongs to the day on which
/// it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hours {
    /// Whether the hours begin on this day, Monday first.
    days: [bool; 7],
    from_minute: u16,
    to_minute: u16,
}

const MINUTES_PER_DAY: u16 = 24 * 60;
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

impl Hours {
    /// Whether they count at this moment in this zone.
    pub fn contains(&self, at: Timestamp, zone: &TimeZone) -> bool {
        self.until(at, zone).is_some()
    }

    /// Until when they count, if they count at this moment.
    pub fn until(&self, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let today = zone.to_datetime(at).date();
        let yesterday = today.yesterday().ok();
        // A night before a day that a country skips ends on the day after that.
        let before = yesterday.and_then(|day| day.yesterday().ok());
        [before, yesterday, Some(today)]
            .into_iter()
            .flatten()
            .filter_map(|day| self.on(day, zone))
            .find(|(from, to)| *from <= at && at < *to)
            .map(|(_, to)| to)
    }

    /// The stretch that begins on this day; none if the day is not one of them, or is one that the zone has skipped.
    pub(super) fn on(&self, day: civil::Date, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
        if !self.days[usize::from(day.weekday().to_monday_zero_offset().unsigned_abs())] {
            return None;
        }
        let noon = instant(at_minute(day, MINUTES_PER_DAY / 2)?, zone)?;
        if zone.to_datetime(noon).date() != day {
            return None;
        }
        let overnight = self.to_minute <= self.from_minute;
        let last = if overnight { day.tomorrow().ok()? } else { day };
        Some((
            instant(at_minute(day, self.from_minute)?, zone)?,
            instant(at_minute(last, self.to_minute)?, zone)?,
        ))
    }
}

pub(super) fn at_minute(day: civil::Date, minute: u16) -> Option<civil::DateTime> {
    day.at(0, 0, 0, 0)
        .checked_add(SignedDuration::from_mins(minute.into()))
        .ok()
}

/// The moment of a local time: a time that does not exist (spring) is as much later as the clocks were moved, one that
/// exists twice (autumn) is its first occurrence.
pub(super) fn instant(local: civil::DateTime, zone: &TimeZone) -> Option<Timestamp> {
    zone.to_ambiguous_timestamp(local).compatible().ok()
}

impl FromStr for Hours {
    type Err = WrongForm;

    fn from_str(text: &str) -> Result<Self, WrongForm> {
        let wrong = || {
            WrongForm::new(
                format!("\"{text}\" are not hours of the week"),
                "write them as \"Mon-Fri 09:00-17:00\" or \"22:00-06:00\"",
            )
        };
        let (days, times) = match text.trim().rsplit_once(' ') {
            Some((days, times)) => (parse_days(days).ok_or_else(wrong)?, times),
            None => ([true; 7], text.trim()),
        };
        let (from, to) = times.split_once('-').ok_or_else(wrong)?;
        let from_minute = parse_minute(from).ok_or_else(wrong)?;
        let to_minute = parse_minute(to).ok_or_else(wrong)?;
        if from_minute == MINUTES_PER_DAY || from_minute == to_minute {
            return Err(wrong());
        }
        Ok(Hours {
            days,
            from_minute,
            to_minute,
        })
    }
}

/// `Mon-Fri,Sun`; a range may go over the week's end (`Fri-Mon`).
fn parse_days(text: &str) -> Option<[bool; 7]> {
    let index = |name: &str| {
        DAYS.iter()
            .position(|day| day.eq_ignore_ascii_case(name.trim()))
    };
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (index(first)?, index(last)?);
        let length = (last + 7 - first) % 7;
        for step in 0..=length {
            days[(first + step) % 7] = true;
        }
    }
    Some(days)
}

/// `09:00` as minutes since midnight; `24:00` is the day's end.
fn parse_minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two_digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    if !two_digits(hour) || !two_digits(minute) {
        return None;
    }
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let total = hour * 60 + minute;
    (minute < 60 && total <= MINUTES_PER_DAY).then_some(total)
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days != [true; 7] {
            let mut runs: Vec<(usize, usize)> = Vec::new();
            for day in (0..7).filter(|day| self.days[*day]) {
                match runs.last_mut() {
                    Some((_, last)) if *last + 1 == day => *last = day,
                    Some(_) | None => runs.push((day, day)),
                }
            }
            let runs: Vec<String> = runs
                .into_iter()
                .map(|(first, last)| match first == last {
                    true => DAYS[first].to_owned(),
                    false => format!("{}-{}", DAYS[first], DAYS[last]),
                })
                .collect();
            write!(f, "{} ", runs.join(","))?;
        }
        write!(
            f,
            "{:02}:{:02}-{:02}:{:02}",
            self.from_minute / 60,
            self.from_minute % 60,
            self.to_minute / 60,
            self.to_minute % 60
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let hours: Hours = "Fri 22:00-06:00".parse().unwrap();
        let zone = TimeZone::UTC;
        let inside = |moment: &str| hours.contains(at(moment), &zone);
        assert!(!inside("2025-09-05T21:59:59Z"));
        assert!(inside("2025-09-05T22:00:00Z"));
        assert!(inside("2025-09-06T05:59:59Z"));
        assert!(!inside("2025-09-06T06:00:00Z"));
        assert!(!inside("2025-09-06T22:00:00Z"));
        assert!(!inside("2025-09-05T05:00:00Z"));
    }

    #[test]
    fn a_day_that_a_country_skips_has_no_hours() {
        // Samoa had no Friday, 2011-12-30.
        let zone = TimeZone::get("Pacific/Apia").unwrap();
        let counts = |hours: &str, local: &str| {
            let hours: Hours = hours.parse().unwrap();
            let local: civil::DateTime = local.parse().unwrap();
            hours.contains(instant(local, &zone).unwrap(), &zone)
        };
        assert!(!counts("Fri 09:00-17:00", "2011-12-31T10:00"));
        assert!(counts("Sat 09:00-17:00", "2011-12-31T10:00"));
        // The night that began on Thursday ends on Saturday.
        assert!(counts("Thu 22:00-06:00", "2011-12-31T05:00"));
        assert!(!counts("Fri 22:00-06:00", "2011-12-31T05:00"));
    }

    #[test]
    fn hours_are_written_as_they_are_read() {
        for text in [
            "Mon-Fri 09:00-17:00",
            "Sat-Sun 00:00-24:00",
            "Mon,Wed-Thu 08:00-20:00",
            "22:00-06:00",
        ] {
            assert_eq!(text.parse::<Hours>().unwrap().to_string(), text);
        }
        assert_eq!(
            "fri-mon 09:00-17:00".parse::<Hours>().unwrap().to_string(),
            "Mon,Fri-Sun 09:00-17:00"
        );
        for wrong in [
            "",
            "Mon",
            "Mon-Fri",
            "Mon-Fri 9-17",
            "Mo-Fr 09:00-17:00",
            "09:00-25:00",
            "09:60-10:00",
            "24:00-06:00",
            "09:00-09:00",
        ] {
            assert!(wrong.parse::<Hours>().is_err(), "{wrong}");
        }
    }
}
