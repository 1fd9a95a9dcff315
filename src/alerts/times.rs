//! Reads times as senders write them: RFC 3339, offsets without a colon, seconds to nanoseconds since 1970.

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use serde_json::Value;

/// A time in any of the forms that senders use; none if it says none. Go's year 1 and the epoch itself are the ways of
/// saying "never".
pub(super) fn read(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => written(text),
        Value::Number(number) => match number.as_i64() {
            Some(count) => since_epoch(i128::from(count)),
            // Sentry and scripts send seconds with a fraction.
            None => number.as_f64().and_then(fraction),
        },
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The time in the field of this name.
pub(super) fn of(value: &Value, name: &str) -> Option<Timestamp> {
    value.get(name).and_then(read)
}

/// A time as text.
pub(super) fn written(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let text = text
        .strip_suffix(" UTC")
        .map_or_else(|| text.to_owned(), |rest| format!("{rest}Z"));
    if let Ok(count) = text.parse::<i128>() {
        return since_epoch(count);
    }
    if let Ok(seconds) = text.parse::<f64>() {
        return fraction(seconds);
    }
    // An offset and a Z behind it, as PagerDuty's Python client means to write since its version 7.2.
    let twice = || text.strip_suffix('Z')?.parse::<Timestamp>().ok();
    let instant = text.parse::<Timestamp>().ok().or_else(twice).or_else(|| {
        // Without an offset it is taken for UTC.
        let local: civil::DateTime = text.parse().ok()?;
        Some(local.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })?;
    said(instant)
}

/// A count since 1970, in the unit that its size shows: seconds until the year 5138, then milliseconds, microseconds,
/// nanoseconds.
fn since_epoch(count: i128) -> Option<Timestamp> {
    const SECONDS_MAX: i128 = 100_000_000_000;
    let nanoseconds = match count.checked_abs()? {
        size if size < SECONDS_MAX => count.checked_mul(1_000_000_000)?,
        size if size < SECONDS_MAX * 1_000 => count.checked_mul(1_000_000)?,
        size if size < SECONDS_MAX * 1_000_000 => count.checked_mul(1_000)?,
        _ => count,
    };
    said(Timestamp::from_nanosecond(nanoseconds).ok()?)
}

fn fraction(seconds: f64) -> Option<Timestamp> {
    match seconds.is_finite() && seconds.abs() < 1e11 {
        // A millisecond is as exact as anybody means it.
        true => said(Timestamp::from_millisecond((seconds * 1_000.0).round() as i64).ok()?),
        false => None,
    }
}

/// Nothing that is watched began before 1971 or begins after the year 9000: such a time says "never".
fn said(at: Timestamp) -> Option<Timestamp> {
    const YEAR_1971: i64 = 31_536_000;
    const YEAR_9000: i64 = 221_845_392_000;
    (YEAR_1971..YEAR_9000)
        .contains(&at.as_second())
        .then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_time_is_read_in_every_form_that_senders_use() {
        for (value, wanted) in [
            (
                json!("2026-08-20T09:14:02.113Z"),
                "2026-08-20T09:14:02.113Z",
            ),
            (
                json!("2026-08-20T09:14:05.131+0000"),
                "2026-08-20T09:14:05.131Z",
            ),
            (json!("2026-08-20T11:14:05+02:00"), "2026-08-20T09:14:05Z"),
            (json!("2026-08-20T05:14:05-0400"), "2026-08-20T09:14:05Z"),
            (
                json!("2026-08-20T09:14:05.123456+00:00Z"),
                "2026-08-20T09:14:05.123456Z",
            ),
            (json!("2026-08-20 09:14:05"), "2026-08-20T09:14:05Z"),
            (json!("2026-08-20 09:14:05 UTC"), "2026-08-20T09:14:05Z"),
            (json!("2026-08-20"), "2026-08-20T00:00:00Z"),
            (json!("1426850355"), "2015-03-20T11:19:15Z"),
            (json!(1426850355), "2015-03-20T11:19:15Z"),
            (json!(1426850355306_i64), "2015-03-20T11:19:15.306Z"),
            (json!(1426850355306000_i64), "2015-03-20T11:19:15.306Z"),
            (json!(1426850355306000000_i64), "2015-03-20T11:19:15.306Z"),
            (json!(1426850355.5), "2015-03-20T11:19:15.5Z"),
        ] {
            assert_eq!(
                read(&value).map(|at| at.to_string()).as_deref(),
                Some(wanted),
                "{value}"
            );
        }
    }

    #[test]
    fn what_is_no_time_or_means_never_is_none() {
        for value in [
            json!("0001-01-01T00:00:00Z"),
            json!("1970-01-01T00:00:00Z"),
            json!(0),
            json!(-5),
            json!(u64::MAX),
            json!(1e300),
            json!("9999-12-31T23:59:59Z"),
            json!("soon"),
            json!(""),
            json!("$DATE"),
            json!("NaN"),
            json!("170141183460469231731687303715884105727"),
            json!("-170141183460469231731687303715884105728"),
            json!(null),
            json!([1]),
        ] {
            assert_eq!(read(&value), None, "{value}");
        }
    }
}
