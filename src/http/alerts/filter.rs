//! Which alerts are asked for: the query of `GET /api/v2/alerts`, in Alertmanager's language.
//!
//! Sources: alertmanager `api/v2/openapi.yaml`, `getAlerts`; `pkg/labels/parse.go`, `ParseMatcher`.

use std::collections::BTreeMap;

use regex_lite::{Regex, RegexBuilder};

/// The one receiver: it stands in every alert.
pub(super) const RECEIVER: &str = "firebell";

/// What an alert must be to be shown.
#[derive(Debug)]
pub struct Filter {
    matchers: Vec<Matcher>,
    /// Every alert here is active: nothing is silenced or inhibited by an Alertmanager that is none.
    none: bool,
}

impl Filter {
    /// Reads a query; what cannot be read is refused with the reason, for it would show too much.
    pub fn of(query: Option<&str>) -> Result<Self, String> {
        let mut filter = Filter {
            matchers: Vec::new(),
            none: false,
        };
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            match name.as_ref() {
                "filter" => filter.matchers.push(Matcher::of(&value)?),
                "receiver" if !value.is_empty() => {
                    filter.none |= !whole(&value)?.is_match(RECEIVER);
                }
                "active" => {
                    let active: bool = value
                        .parse()
                        .map_err(|_| format!("active must be true or false: {}", shown(&value)))?;
                    filter.none |= !active;
                }
                // Of those that are silenced, inhibited or unprocessed there are none, asked for or not.
                _ => {}
            }
        }
        Ok(filter)
    }

    /// Whether no alert is asked for, whatever its labels.
    pub fn shows_none(&self) -> bool {
        self.none
    }

    /// Whether each is.
    pub fn shows_all(&self) -> bool {
        !self.none && self.matchers.is_empty()
    }

    /// Whether an alert with these labels is asked for.
    pub fn shows(&self, labels: &BTreeMap<String, String>) -> bool {
        !self.none && self.matchers.iter().all(|it| it.matches(labels))
    }
}

/// `name="value"`, or with `!=`, `=~`, `!~`.
#[derive(Debug)]
struct Matcher {
    name: String,
    wanted: Wanted,
    negated: bool,
}

#[derive(Debug)]
enum Wanted {
    Value(String),
    Pattern(Regex),
}

impl Matcher {
    fn of(text: &str) -> Result<Self, String> {
        let bad = || format!("bad matcher format: {}", shown(text));
        let (name, rest) = name(text.trim()).ok_or_else(bad)?;
        // =~ before =: else the ~ would be part of the value.
        let operators = [("=~", false), ("!~", true), ("!=", true), ("=", false)];
        let found = operators.iter().find_map(|(operator, negated)| {
            Some((
                *operator,
                *negated,
                rest.trim_start().strip_prefix(operator)?,
            ))
        });
        let (operator, negated, value) = found.ok_or_else(bad)?;
        let value = unquoted(value.trim()).ok_or_else(|| {
            format!(
                "matcher value contains unescaped double quote: {}",
                shown(value.trim())
            )
        })?;
        let wanted = match operator.ends_with('~') {
            true => Wanted::Pattern(whole(&value)?),
            false => Wanted::Value(value),
        };
        Ok(Matcher {
            name,
            wanted,
            negated,
        })
    }

    /// A label that is missing is an empty one.
    fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.name).map_or("", String::as_str);
        let is_so = match &self.wanted {
            Wanted::Value(wanted) => value == wanted,
            Wanted::Pattern(pattern) => pattern.is_match(value),
        };
        is_so != self.negated
    }
}

/// The name of a label, and what stands behind it. Newer Alertmanagers know names in quotes.
fn name(text: &str) -> Option<(String, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        let mut is_escaped = false;
        let end = quoted.find(|c| {
            let ends = c == '"' && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            ends
        })?;
        let (name, rest) = quoted.split_at(end);
        return Some((unquoted(&format!("\"{name}\""))?, rest.get(1..)?));
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let begins = name.starts_with(|c: char| !c.is_ascii_digit());
    begins.then(|| (name.to_owned(), rest))
}

/// A value without its quotes, if it has them; none if a quote stands where none may.
fn unquoted(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"');
    let (inner, is_quoted) = (inner.unwrap_or(text), inner.is_some());
    let mut value = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    let mut is_closed = !is_quoted;
    while let Some(c) = chars.next() {
        match c {
            '"' if is_quoted && chars.as_str().is_empty() => is_closed = true,
            '"' => return None,
            '\\' => match chars.next() {
                Some('n') => value.push('\n'),
                Some(c @ ('"' | '\\')) => value.push(c),
                // Escaping nothing, it stands for itself.
                Some(c) => value.extend(['\\', c]),
                None => value.push('\\'),
            },
            _ => value.push(c),
        }
    }
    is_closed.then_some(value)
}

/// The largest machine, in bytes, that a pattern is made into: each of a thousand alerts goes through it.
const PATTERN_MAX: usize = 64 * 1024;

/// A pattern that must fit the whole value.
fn whole(pattern: &str) -> Result<Regex, String> {
    let whole = RegexBuilder::new(&format!("^(?:{pattern})$"))
        .size_limit(PATTERN_MAX)
        .build();
    whole.map_err(|why| format!("bad pattern {}: {why}", shown(pattern)))
}

/// What a person has typed, for that person to see; nobody types as much as would be cut here.
fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shows(query: &str) -> bool {
        let labels = [
            ("alertname", "Disk"),
            ("node", "a \"b\" ü"),
            ("job", "db-1"),
        ];
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Filter::of(Some(query)).unwrap().shows(&labels.into())
    }

    /// A query with one matcher.
    fn matches(matcher: &str) -> bool {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        shows(&query.append_pair("filter", matcher).finish())
    }

    #[test]
    fn a_matcher_is_read_as_alertmanager_reads_it() {
        for matcher in [
            "alertname=Disk",
            " alertname = \"Disk\" ",
            "\"alertname\"=\"Disk\"",
            "alertname!=Memory",
            "job=~db-.",
            "job=~\"db-(1|2)\"",
            "job!~\"db\"",
            "node=\"a \\\"b\\\" ü\"",
            "node=~a.*",
            "nothing=\"\"",
            "nothing=",
            "nothing!=x",
            "job!=\"\"",
        ] {
            assert!(matches(matcher), "{matcher}");
        }
        for matcher in [
            "alertname=disk",
            "job=~db",
            "job=~",
            "job!~db-.",
            "nothing!=\"\"",
            "node=\"a b\"",
        ] {
            assert!(!matches(matcher), "{matcher}");
        }
    }

    #[test]
    fn what_is_no_matcher_is_refused() {
        for matcher in [
            "",
            "=",
            "a",
            "7=b",
            "a=\"b",
            "a=b\"",
            "a=\"b\"c\"",
            "a=~(",
            "\"a=b",
            "{a=b}",
            "a b=c",
        ] {
            let filter = url::form_urlencoded::byte_serialize(matcher.as_bytes());
            let query = format!("filter={}", filter.collect::<String>());
            assert!(Filter::of(Some(&query)).is_err(), "{matcher}");
        }
        assert!(Filter::of(Some("active=perhaps")).is_err());
        assert!(Filter::of(Some("receiver=(")).is_err());
    }

    #[test]
    fn all_alerts_are_active_and_go_to_one_receiver() {
        for query in [
            "",
            "active=true",
            "silenced=false&inhibited=true",
            "receiver=fire.*",
            "receiver=",
        ] {
            assert!(shows(query), "{query}");
        }
        for query in [
            "active=false&silenced=true",
            "receiver=fire",
            "filter=job%3Ddb-1&active=false",
        ] {
            assert!(!shows(query), "{query}");
        }
        assert!(Filter::of(None).unwrap().shows(&BTreeMap::new()));
    }
}
