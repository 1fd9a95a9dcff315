//! What incidents and their war rooms are called: a pattern, its day and its number.

use std::fmt;
use std::str::FromStr;

use jiff::civil;
use serde::{Deserialize, Serialize};

use super::form::{WrongForm, nearest};

/// A name for each incident, made of its day and its number on that day: `INC-{yyyy}-{mmdd}-{nnn}`.
///
/// Placeholders: `{yyyy}` `{yy}` `{mm}` `{dd}` `{mmdd}`, and `{nnn}`, the number, with zeros before it to three digits.
/// A pattern tells any two incidents apart: it has a year, a month, a day and the number.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IdPattern {
    text: String,
}

const PLACEHOLDERS: [&str; 6] = ["yyyy", "yy", "mm", "dd", "mmdd", "nnn"];

/// The digits of the greatest number that a day can have.
const NUMBER_DIGITS_MAX: usize = 10;

/// The longest name that Slack gives a channel, in characters.
const NAME_LENGTH_MAX: usize = 80;

impl IdPattern {
    /// What incidents are called when nothing else is said: `INC-2025-0914-001`.
    pub fn default_id() -> Self {
        Self {
            text: "INC-{yyyy}-{mmdd}-{nnn}".to_owned(),
        }
    }

    /// What war rooms are called when nothing else is said: `incident-2025-0914-001`.
    pub fn default_channel() -> Self {
        Self {
            text: "incident-{yyyy}-{mmdd}-{nnn}".to_owned(),
        }
    }

    /// The name of the `n`th incident of a day.
    pub fn render(&self, date: civil::Date, n: u32) -> String {
        // `from_str` has proved that every brace belongs to a placeholder.
        let (year, month, day) = (date.year(), date.month(), date.day());
        self.text
            .replace("{yyyy}", &format!("{year:04}"))
            .replace("{yy}", &format!("{:02}", year.rem_euclid(100)))
            .replace("{mmdd}", &format!("{month:02}{day:02}"))
            .replace("{mm}", &format!("{month:02}"))
            .replace("{dd}", &format!("{day:02}"))
            .replace("{nnn}", &format!("{n:03}"))
    }

    /// The id that somebody means who types it in whatever case; none, if the word has not the form of an id.
    ///
    /// Ids of an earlier pattern are known by their general form: letters, then numbers, `OPS-2025-0914-001`.
    pub fn id_of(&self, word: &str) -> Option<String> {
        recased(&self.text, word)
            .or_else(|| is_of_another_pattern(word).then(|| word.to_uppercase()))
    }

    /// Whether a word is the name of an incident, or of its war room, by this pattern and no other.
    pub fn has_made(&self, word: &str) -> bool {
        recased(&self.text, word).is_some()
    }

    /// The pattern as it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same pattern, if what it renders is a name that Slack takes for a channel: `^[a-z0-9_-]{1,80}$`.
    pub fn for_channel(self) -> Result<Self, WrongForm> {
        let name = self.longest();
        let legal = name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
        match legal && name.len() <= NAME_LENGTH_MAX {
            true => Ok(self),
            false => Err(WrongForm::new(
                format!("\"{name}\" is not a name that Slack takes for a channel"),
                "use lower-case letters, digits, - and _ only, at most 80 in all",
            )),
        }
    }

    /// The longest name that is reckoned with: a million incidents in a day.
    fn longest(&self) -> String {
        self.render(civil::date(2025, 9, 14), 999_999)
    }
}

/// Whether a name may have been made of this day and this number by some pattern: their digits stand in it beside each
/// other, in whatever order. The pattern of today may not be the one of then.
pub fn may_name(name: &str, date: civil::Date, n: u32) -> bool {
    let year = format!("{:04}", date.year());
    let rest = [
        format!("{:02}", date.month()),
        format!("{:02}", date.day()),
        format!("{n:03}"),
    ];
    [&year[..], &year[year.len() - 2..]]
        .into_iter()
        .any(|year| {
            let parts: Vec<&str> = std::iter::once(year)
                .chain(rest.iter().map(String::as_str))
                .collect();
            stand_in(name, &parts)
        })
}

/// Whether the parts stand in a text without sharing a character.
fn stand_in(text: &str, parts: &[&str]) -> bool {
    let Some((first, rest)) = parts.split_last() else {
        return true;
    };
    text.match_indices(first).any(|(at, _)| {
        // A blank takes its place: no part runs over it.
        let without = format!("{} {}", &text[..at], &text[at + first.len()..]);
        stand_in(&without, rest)
    })
}

/// A word with its letters as the pattern writes them, and digits for its placeholders; none, if it does not follow it.
fn recased(pattern: &str, word: &str) -> Option<String> {
    let (letters, rest) = pattern.split_at(pattern.find('{').unwrap_or(pattern.len()));
    let (begun, word) = word.split_at_checked(letters.len())?;
    if !begun.eq_ignore_ascii_case(letters) {
        return None;
    }
    let Some((name, rest)) = rest.strip_prefix('{').and_then(|it| it.split_once('}')) else {
        return word.is_empty().then(|| letters.to_owned());
    };
    let digits = word.bytes().take_while(u8::is_ascii_digit).count();
    // The number of the day may be longer than its three digits, the others not.
    let longest = match name {
        "nnn" => digits.min(NUMBER_DIGITS_MAX),
        name => digits.min(name.len()),
    };
    (name.len()..=longest).find_map(|n| {
        let behind = recased(rest, &word[n..])?;
        Some(format!("{letters}{}{behind}", &word[..n]))
    })
}

/// Whether a word looks like an id of some pattern that is not in force: `OPS-2025-0914-001`. Every pattern has a
/// year, a day and a number, which makes nine digits: `us-1-2` is none.
fn is_of_another_pattern(word: &str) -> bool {
    let mut parts = word.split('-');
    let begins = parts.next().is_some_and(|letters| {
        !letters.is_empty() && letters.bytes().all(|b| b.is_ascii_alphabetic())
    });
    let numbers: Vec<&str> = parts.collect();
    begins
        && numbers.len() >= 2
        && numbers.concat().len() >= 9
        && numbers
            .iter()
            .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

impl FromStr for IdPattern {
    type Err = WrongForm;

    fn from_str(text: &str) -> Result<Self, WrongForm> {
        let mut found = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find(['{', '}']) {
            let close = rest[open..].find('}').filter(|close| *close > 0);
            let Some(close) = close else {
                return Err(WrongForm::new(
                    format!("a brace without its partner in \"{text}\""),
                    "placeholders are {yyyy} {yy} {mm} {dd} {mmdd} {nnn}",
                ));
            };
            let name = &rest[open + 1..open + close];
            if !PLACEHOLDERS.contains(&name) {
                return Err(WrongForm::new(
                    format!("unknown placeholder {{{name}}}"),
                    match nearest(name, PLACEHOLDERS) {
                        Some(near) => format!("did you mean {{{near}}}?"),
                        None => "placeholders are {yyyy} {yy} {mm} {dd} {mmdd} {nnn}".to_owned(),
                    },
                ));
            }
            found.push(name);
            rest = &rest[open + close + 1..];
        }
        let has = |name| found.contains(&name);
        let has_day = has("mmdd") || (has("mm") && has("dd"));
        if !((has("yyyy") || has("yy")) && has_day && has("nnn")) {
            return Err(WrongForm::new(
                format!("\"{text}\" would give two incidents the same name"),
                "it needs the year, the day and the number: {yyyy}, {mmdd} and {nnn}",
            ));
        }
        let pattern = IdPattern {
            text: text.to_owned(),
        };
        let name = pattern.longest();
        let legal = name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        match legal && name.len() <= NAME_LENGTH_MAX {
            true => Ok(pattern),
            false => Err(WrongForm::new(
                format!("\"{name}\" cannot be typed in a command or stand in a web address"),
                "use letters, digits, - _ and . only, at most 80 in all",
            )),
        }
    }
}

impl TryFrom<String> for IdPattern {
    type Error = WrongForm;

    fn try_from(text: String) -> Result<Self, WrongForm> {
        text.parse()
    }
}

impl From<IdPattern> for String {
    fn from(pattern: IdPattern) -> String {
        pattern.text
    }
}

impl fmt::Display for IdPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_day_and_its_number_whatever_the_pattern() {
        let day = civil::date(2025, 9, 14);
        for name in ["INC-2025-0914-001", "i250914001", "001/14.09.25"] {
            assert!(may_name(name, day, 1), "{name}");
            for (day, n) in [
                (day, 2),
                (day, 91),
                (civil::date(2025, 9, 15), 1),
                (civil::date(2025, 10, 14), 1),
                (civil::date(2026, 9, 14), 1),
            ] {
                assert!(!may_name(name, day, n), "{name}: {day} {n}");
            }
        }
    }

    #[test]
    fn an_incident_is_named_by_its_day_and_its_number() {
        let day = civil::date(2025, 9, 14);
        let rendered = |text: &str, n| text.parse::<IdPattern>().unwrap().render(day, n);
        assert_eq!(rendered("INC-{yyyy}-{mmdd}-{nnn}", 1), "INC-2025-0914-001");
        assert_eq!(rendered("{yy}{mm}{dd}.{nnn}", 1234), "250914.1234");
        let id = IdPattern::default_id();
        assert_eq!(id.as_str().parse(), Ok(id));
        let channel = IdPattern::default_channel();
        let parsed: IdPattern = channel.as_str().parse().unwrap();
        assert_eq!(parsed.for_channel(), Ok(channel));
    }

    #[test]
    fn whatever_a_pattern_renders_is_read_back_in_any_case() {
        let day = civil::date(2025, 9, 14);
        for text in [
            "INC-{yyyy}-{mmdd}-{nnn}",
            "{yyyy}-{mmdd}-{nnn}",
            "{nnn}{yy}{mm}{dd}",
            "inc_{yy}{mmdd}.{nnn}x",
        ] {
            let pattern: IdPattern = text.parse().unwrap();
            for n in [1, 42, 999, 1_000, u32::MAX] {
                let id = pattern.render(day, n);
                for typed in [id.clone(), id.to_uppercase(), id.to_lowercase()] {
                    assert_eq!(pattern.id_of(&typed), Some(id.clone()), "{text}: {typed}");
                }
            }
        }
    }

    #[test]
    fn an_id_of_an_earlier_pattern_is_known_by_its_form() {
        let pattern: IdPattern = "{yyyy}-{mmdd}-{nnn}".parse().unwrap();
        for typed in ["INC-2025-0914-001", "ops-20250914-001"] {
            assert_eq!(pattern.id_of(typed), Some(typed.to_uppercase()));
        }
        for word in [
            "",
            "incredible",
            "us-1-2",
            "INC-",
            "INC-2025",
            "2025-09-14",
            "eu-west-1",
            "é2025-0914-001",
            "INC-2025-0914-001x",
            "a--20250914-001",
            "{yyyy}-{mmdd}-{nnn}",
        ] {
            assert_eq!(pattern.id_of(word), None, "{word}");
        }
    }

    #[test]
    fn a_pattern_that_cannot_tell_incidents_apart_is_refused() {
        let told = |text: &str| {
            let wrong = text.parse::<IdPattern>().unwrap_err();
            format!("{} / {}", wrong.message, wrong.help.unwrap())
        };
        assert!(told("INC-{nnn}").contains("two incidents the same name"));
        assert!(told("INC-{yyyy}-{mmdd}").contains("two incidents the same name"));
        assert!(told("INC-{yyyy}-{mddd}-{nnn}").contains("did you mean {mmdd}?"));
        assert!(told("INC-{yyyy-{mmdd}-{nnn}").contains("unknown placeholder"));
        assert!(told("INC-}{yyyy}-{mmdd}-{nnn}").contains("brace"));
        assert!(told("INC {yyyy} {mmdd} {nnn}").contains("cannot be typed"));
        let upper: IdPattern = "INC-{yyyy}-{mmdd}-{nnn}".parse().unwrap();
        assert!(upper.for_channel().is_err());
    }
}
