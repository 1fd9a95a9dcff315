//! How values are written: lengths of time ("15m", "1w", "7y"), words of a fixed choice; and what is told of a wrong one.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Span};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A value that is not in the form it needs: what is wrong with it, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct WrongForm {
    /// What is wrong, as a sentence without a full stop.
    pub message: String,
    /// What to write instead: `did you mean "15m"?`.
    pub help: Option<String>,
}

impl WrongForm {
    /// A complaint that says what to write instead.
    pub fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: Some(help.into()),
        }
    }
}

/// Declares an enum whose variants are each written as one word, with `ALL`, `word`, `Display`, `FromStr` and serde
/// from the one table.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal { $($(#[$about:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$about])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Every case, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word as it is written.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::domain::form::WrongForm;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|case| case.word() == text).ok_or_else(|| {
                    $crate::domain::form::unknown_word($what, text, Self::ALL.iter().map(|case| case.word()))
                })
            }
        }
    };
}
pub(crate) use words;

/// The complaint about a word that is none of the known ones.
pub fn unknown_word(
    what: &str,
    word: &str,
    known: impl Iterator<Item = &'static str> + Clone,
) -> WrongForm {
    let help = match nearest(word, known.clone()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("write one of: {}", known.collect::<Vec<_>>().join(", ")),
    };
    WrongForm::new(format!("\"{word}\" is not {what}"), help)
}

/// The longest clock that is believed: a year. A longer one is a slip of the pen.
const DURATION_MAX: SignedDuration = SignedDuration::from_hours(366 * 24);

/// A text cut to so many characters, visibly.
pub fn shorten(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        None => text.to_owned(),
        Some(_) => text.chars().take(characters - 1).chain(['…']).collect(),
    }
}

/// A text in one line: whatever ends a line, and whatever is no character that one sees, is a blank.
pub fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// Writes a duration as people say it: to the minute, once it is more than one: `45m`, `1h5m`; `40s`.
pub fn show_roughly(duration: SignedDuration) -> String {
    let minutes = duration.as_mins();
    match minutes {
        0 => show_duration(SignedDuration::from_secs(duration.as_secs())),
        _ => show_duration(SignedDuration::from_mins(minutes)),
    }
}

/// The units of a clock, in seconds; the letter is what is written, the words are what people write instead.
const UNITS: [(&str, i64, &[&str]); 5] = [
    ("w", 7 * 86_400, &["week", "weeks"]),
    ("d", 86_400, &["day", "days"]),
    ("h", 3_600, &["hour", "hours", "hr", "hrs"]),
    ("m", 60, &["min", "mins", "minute", "minutes"]),
    ("s", 1, &["sec", "secs", "second", "seconds"]),
];

/// Reads the length of a clock: `90s`, `15m`, `1h30m`, `24h`, `2d` (a day is 24 hours), `1w`, or `0`.
///
/// Errors name the text and, where the meaning can be guessed (`15 minutes`), the form to write.
pub fn parse_duration(text: &str) -> Result<SignedDuration, WrongForm> {
    if let Some(seconds) = strict_seconds(text) {
        let duration = SignedDuration::from_secs(seconds);
        return if duration <= DURATION_MAX {
            Ok(duration)
        } else {
            Err(WrongForm::new(
                format!("\"{text}\" is longer than a year"),
                "write a length such as \"15m\", \"1h30m\" or \"2d\"",
            ))
        };
    }
    let help = match guess(text) {
        Some(guess) => format!("did you mean \"{guess}\"?"),
        None => "write a length such as \"15m\", \"1h30m\" or \"2d\"".to_owned(),
    };
    Err(WrongForm::new(
        format!("\"{text}\" is not a duration"),
        help,
    ))
}

/// Writes a clock's length as people say it: `15m`, `1h30m`, `24h`, `2d`. [`parse_duration`] reads it back
/// (whole seconds; a negative length is written as `0m`).
pub fn show_duration(duration: SignedDuration) -> String {
    let mut seconds = duration.as_secs().max(0);
    if seconds == 0 {
        return "0m".to_owned();
    }
    let mut text = String::new();
    // "24h" is said, not "1d"; from two days on the day is the better word.
    if seconds >= 2 * 86_400 {
        text = format!("{}d", seconds / 86_400);
        seconds %= 86_400;
    }
    for (letter, size) in [("h", 3_600), ("m", 60), ("s", 1)] {
        if seconds >= size {
            text.push_str(&format!("{}{letter}", seconds / size));
            seconds %= size;
        }
    }
    text
}

/// `1h30m` in seconds; `None` for any other form, and where the number overflows.
fn strict_seconds(text: &str) -> Option<i64> {
    if text == "0" {
        return Some(0);
    }
    let mut rest = text;
    let mut total: i64 = 0;
    let mut last_size = i64::MAX;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let count: i64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let (letter, size, _) = UNITS
            .iter()
            .find(|(letter, _, _)| rest.starts_with(letter))?;
        if *size >= last_size {
            return None;
        }
        last_size = *size;
        rest = &rest[letter.len()..];
        total = total.checked_add(count.checked_mul(*size)?)?;
    }
    (last_size != i64::MAX).then_some(total)
}

/// `15 minutes`, `1 Hour`, `15` → what was most likely meant; a bare number means minutes.
fn guess(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 || digits > 9 {
        return None;
    }
    let unit = text[digits..].trim();
    if unit.is_empty() {
        return Some(format!("{text}m"));
    }
    let (letter, _, _) = UNITS
        .iter()
        .find(|(letter, _, words)| *letter == unit || words.contains(&unit))?;
    Some(format!("{}{letter}", &text[..digits]))
}

words! {
    /// The unit of a [`CalendarSpan`].
    CalendarUnit, "a unit of the calendar" {
        /// An hour on the wall clock.
        Hour = "h",
        /// A calendar day.
        Day = "d",
        /// Seven calendar days.
        Week = "w",
        /// A calendar month.
        Month = "mo",
        /// A calendar year.
        Year = "y",
    }
}

/// A length on the calendar, not on a stopwatch: `12h`, `1d`, `1w`, `18mo`, `7y`. Never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CalendarSpan {
    count: u16,
    unit: CalendarUnit,
}

impl CalendarSpan {
    /// So many units; `None` for zero.
    pub fn new(count: u16, unit: CalendarUnit) -> Option<Self> {
        (count > 0).then_some(Self { count, unit })
    }

    /// How many units.
    pub fn count(self) -> u16 {
        self.count
    }

    /// The unit that is counted.
    pub fn unit(self) -> CalendarUnit {
        self.unit
    }

    /// The same length for jiff's calendar arithmetic.
    pub fn to_span(self) -> Span {
        let count = i64::from(self.count);
        match self.unit {
            CalendarUnit::Hour => Span::new().hours(count),
            CalendarUnit::Day => Span::new().days(count),
            CalendarUnit::Week => Span::new().weeks(count),
            CalendarUnit::Month => Span::new().months(count),
            // A u16 reaches beyond jiff's calendar; `from_str` admits at most a hundred years.
            CalendarUnit::Year => Span::new().years(count.min(9_999)),
        }
    }
}

impl fmt::Display for CalendarSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.count, self.unit)
    }
}

impl FromStr for CalendarSpan {
    type Err = WrongForm;

    fn from_str(text: &str) -> Result<Self, WrongForm> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (count, letter) = text.split_at(digits);
        let span = match (count.parse(), letter.parse()) {
            (Ok(count), Ok(CalendarUnit::Year)) if count > 100 => None,
            (Ok(count), Ok(unit)) => CalendarSpan::new(count, unit),
            (Ok(_) | Err(_), _) => None,
        };
        span.ok_or_else(|| {
            let help = match calendar_guess(text) {
                Some(guess) => format!("did you mean \"{guess}\"?"),
                None => {
                    "write a length such as \"12h\", \"1d\", \"1w\", \"6mo\" or \"7y\"".to_owned()
                }
            };
            WrongForm::new(format!("\"{text}\" is not a calendar length"), help)
        })
    }
}

/// `1 week`, `7 years` → what was most likely meant.
fn calendar_guess(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at(digits);
    if count.is_empty() || count.bytes().all(|digit| digit == b'0') || count.len() > 3 {
        return None;
    }
    let letter = match unit.trim() {
        "h" | "hour" | "hours" => "h",
        "d" | "day" | "days" => "d",
        "w" | "week" | "weeks" => "w",
        "mo" | "month" | "months" => "mo",
        "y" | "year" | "years" => "y",
        _ => return None,
    };
    Some(format!("{count}{letter}"))
}

impl TryFrom<String> for CalendarSpan {
    type Error = WrongForm;

    fn try_from(text: String) -> Result<Self, WrongForm> {
        text.parse()
    }
}

impl From<CalendarSpan> for String {
    fn from(span: CalendarSpan) -> String {
        span.to_string()
    }
}

/// The known word nearest to `word`, if one is near enough to have been meant.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let word = word.to_lowercase();
    let length = word.chars().count();
    let distance = |known: &'k str| {
        let lower = known.to_lowercase();
        let known_length = lower.chars().count();
        let near = 1.max(known_length.max(length) / 3);
        // As many letters as one has more than the other are too many already: a word without end is compared with none.
        if known_length.abs_diff(length) > near {
            return None;
        }
        let edits = edits(&word, &lower);
        (edits <= near).then_some((edits, known))
    };
    known
        .into_iter()
        .filter_map(distance)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, known)| known)
}

/// How many letters must be inserted, deleted, replaced or swapped to make `b` of `a` (optimal string alignment).
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous = None;
    for (i, x) in a.chars().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(x != *y))
                .min(last[j + 1] + 1)
                .min(row[j] + 1);
            if j > 0 && previous == Some(*y) && x == b[j - 1] {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        previous = Some(x);
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_digits_and_a_letter() {
        for (text, seconds) in [
            ("0", 0),
            ("0m", 0),
            ("90s", 90),
            ("15m", 900),
            ("1h30m", 5_400),
            ("24h", 86_400),
            ("2d", 172_800),
            ("1w", 604_800),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(SignedDuration::from_secs(seconds)),
                "{text}"
            );
        }
    }

    #[test]
    fn a_wrong_duration_is_answered_with_what_was_meant() {
        let told = |text: &str| parse_duration(text).unwrap_err().help.unwrap();
        assert_eq!(told("15 minutes"), "did you mean \"15m\"?");
        assert_eq!(told("15"), "did you mean \"15m\"?");
        assert_eq!(told("1 Hour"), "did you mean \"1h\"?");
        assert!(told("soon").starts_with("write a length"));
        for wrong in [
            "",
            "m",
            "-5m",
            "5m1h",
            "1m1m",
            "1.5h",
            "99999999999999999999h",
            "900000000w",
            "２m",
        ] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_shown_duration_can_be_read_back() {
        for (seconds, text) in [
            (0, "0m"),
            (45, "45s"),
            (900, "15m"),
            (5_400, "1h30m"),
            (86_400, "24h"),
            (172_800, "2d"),
            (180_000, "2d2h"),
        ] {
            let duration = SignedDuration::from_secs(seconds);
            assert_eq!(show_duration(duration), text);
            assert_eq!(parse_duration(text), Ok(duration));
        }
    }

    #[test]
    fn a_calendar_length_is_never_zero() {
        for text in ["12h", "1d", "2w", "18mo", "7y"] {
            assert_eq!(text.parse::<CalendarSpan>().unwrap().to_string(), text);
        }
        for wrong in ["0d", "", "w", "1m", "70000d", "101y", "1 week"] {
            assert!(wrong.parse::<CalendarSpan>().is_err(), "{wrong}");
        }
        assert_eq!(
            "1 week".parse::<CalendarSpan>().unwrap_err().help.unwrap(),
            "did you mean \"1w\"?"
        );
    }

    #[test]
    fn the_nearest_word_is_near_or_none() {
        let known = ["severity", "service", "then"];
        assert_eq!(nearest("severty", known), Some("severity"));
        assert_eq!(nearest("hten", known), Some("then"));
        assert_eq!(nearest("banana", known), None);
        // Found by a megabyte of digits: each letter of it was compared with each of every word.
        assert_eq!(nearest(&"9".repeat(1_000_000), known), None);
    }
}
