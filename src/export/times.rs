//! How moments and lengths of time are written in an export.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

/// A moment for programs, always of the same length so that it sorts as text: `2025-09-14T14:30:05.000Z`.
pub(super) fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// The same moment as the clocks of a zone show it: `2025-09-14T16:30:05.000+02:00`.
pub(super) fn stamp_in(at: Timestamp, zone: &TimeZone) -> String {
    zoned(at, zone)
        .strftime("%Y-%m-%dT%H:%M:%S%.3f%:z")
        .to_string()
}

/// A moment for people: `2025-09-14 16:30:05`.
pub(super) fn shown(at: Timestamp, zone: &TimeZone) -> String {
    zoned(at, zone).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The day of a moment: `Sunday, 14 September 2025`.
pub(super) fn day(at: Timestamp, zone: &TimeZone) -> String {
    zoned(at, zone).strftime("%A, %-d %B %Y").to_string()
}

/// The time of day: `16:30:05`.
pub(super) fn clock(at: Timestamp, zone: &TimeZone) -> String {
    zoned(at, zone).strftime("%H:%M:%S").to_string()
}

pub(super) fn zoned(at: Timestamp, zone: &TimeZone) -> Zoned {
    at.to_zoned(zone.clone())
}

/// A zone's name: `Europe/Berlin`.
pub(super) fn zone_name(zone: &TimeZone) -> &str {
    zone.iana_name().unwrap_or("UTC")
}

/// Whether a zone shows the same times as UTC, so that showing both would be noise.
pub(super) fn is_utc(zone: &TimeZone) -> bool {
    *zone == TimeZone::UTC || matches!(zone_name(zone), "UTC" | "Etc/UTC")
}

/// A length of time as people say it, in its two greatest units: `1h 5m`, `4m 12s`, `2d 3h`. A negative one (two
/// clocks that disagree) is none.
pub(super) fn length(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let first = units
        .iter()
        .position(|(_, size)| seconds >= *size)
        .unwrap_or(3);
    let mut rest = seconds;
    let mut said = Vec::new();
    for (letter, size) in units.iter().skip(first).take(2) {
        let n = rest / size;
        rest %= size;
        if n > 0 || said.is_empty() {
            said.push(format!("{n}{letter}"));
        }
    }
    said.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_said_in_two_units() {
        for (seconds, said) in [
            (-3, "0s"),
            (0, "0s"),
            (45, "45s"),
            (252, "4m 12s"),
            (2_700, "45m"),
            (3_900, "1h 5m"),
            (3_605, "1h"),
            (86_400, "1d"),
            (183_600, "2d 3h"),
        ] {
            assert_eq!(length(SignedDuration::from_secs(seconds)), said);
        }
    }

    #[test]
    fn a_moment_is_written_for_programs_and_for_people() {
        let at: Timestamp = "2025-09-14T14:30:05.12Z".parse().unwrap();
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(stamp(at), "2025-09-14T14:30:05.120Z");
        assert_eq!(stamp_in(at, &zone), "2025-09-14T16:30:05.120+02:00");
        assert_eq!(shown(at, &zone), "2025-09-14 16:30:05");
        assert_eq!(day(at, &zone), "Sunday, 14 September 2025");
    }
}
