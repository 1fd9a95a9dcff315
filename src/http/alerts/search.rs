//! Which alerts are asked for: the `query` of `GET /v2/alerts`, as much of Opsgenie's language as asks for a field.
//!
//! ```text
//! status: open AND priority: P1 AND alias: "checkout/5xx eu"
//! ```
//!
//! Source: Opsgenie docs, "Search queries for alerts".

use crate::domain::alert::Alert;

/// What an open alert must be to be shown.
#[derive(Debug, PartialEq, Eq)]
pub struct Search(Vec<(Field, String)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Status,
    Alias,
    Priority,
}

/// What to write instead.
const KNOWN: &str = "Only the fields status, alias and priority are searched here, joined by AND: status: open AND priority: P1.";

impl Search {
    /// Reads a query; what cannot be read is refused with the reason, for it would show too much.
    pub fn of(query: &str) -> Result<Self, &'static str> {
        let mut wanted = Vec::new();
        let mut rest = query.trim();
        while !rest.is_empty() {
            let (field, value, behind) = term(rest).ok_or(KNOWN)?;
            wanted.push((field, value));
            rest = match behind.strip_prefix("AND ") {
                Some(next) if !next.trim().is_empty() => next.trim_start(),
                Some(_) => return Err(KNOWN),
                None if behind.is_empty() => behind,
                None => return Err(KNOWN),
            };
        }
        Ok(Search(wanted))
    }

    /// Whether an open alert is asked for.
    pub fn shows(&self, alert: &Alert) -> bool {
        self.0.iter().all(|(field, value)| match field {
            Field::Status => value.eq_ignore_ascii_case("open"),
            Field::Alias => value == alert.key.as_str(),
            Field::Priority => alert
                .severity
                .as_ref()
                .is_some_and(|it| it.eq_ignore_ascii_case(value)),
        })
    }
}

/// A field, what it must be, and what stands behind them.
fn term(text: &str) -> Option<(Field, String, &str)> {
    let (name, rest) = text.split_once(':')?;
    let field = match name.trim() {
        "status" => Field::Status,
        "alias" => Field::Alias,
        "priority" => Field::Priority,
        _ => return None,
    };
    let rest = rest.trim_start();
    let (value, behind) = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"')?,
        None => rest.split_once(' ').unwrap_or((rest, "")),
    };
    (!value.is_empty()).then(|| (field, value.to_owned(), behind.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::alert::{Links, Signal};
    use crate::domain::terms::DedupKey;

    fn shows(query: &str) -> bool {
        let alert = Alert {
            key: DedupKey::new("checkout/5xx eu"),
            signal: Signal::Firing,
            name: "a".into(),
            title: "a".into(),
            description: None,
            severity: Some("P1".into()),
            labels: [].into(),
            links: Links::default(),
            remark: None,
            started_at: None,
            ended_at: None,
            expires_at: None,
        };
        Search::of(query).unwrap().shows(&alert)
    }

    #[test]
    fn an_alert_is_shown_if_all_of_it_is_as_asked() {
        for query in [
            "",
            " status:open ",
            "priority: p1 AND status: open",
            "alias: \"checkout/5xx eu\" AND priority:P1",
        ] {
            assert!(shows(query), "{query}");
        }
        for query in [
            "status: closed",
            "priority: P2",
            "alias: checkout/5xx AND status: open",
        ] {
            assert!(!shows(query), "{query}");
        }
    }

    #[test]
    fn what_is_no_such_query_is_refused() {
        for query in [
            "checkout",
            "tag: prod",
            "status:",
            "alias: \"a",
            "status: open OR status: closed",
            "status: open AND ",
            "status: open priority: P1",
            ":",
        ] {
            assert_eq!(Search::of(query), Err(KNOWN), "{query}");
        }
    }
}
