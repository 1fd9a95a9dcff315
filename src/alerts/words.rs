//! The words by which senders say how a condition stands and how bad it is.

use crate::domain::alert::Signal;

/// The words for each signal, in lower case: those of the senders that we know, and those that people put into scripts.
const SIGNALS: [(Signal, &[&str]); 5] = [
    (
        Signal::Firing,
        &[
            "firing",
            "fire",
            "fired",
            "trigger",
            "triggered",
            "alert",
            "alerting",
            "alarm",
            "open",
            "opened",
            "problem",
            "critical",
            "warning",
            "warn",
            "error",
            "fail",
            "failed",
            "failing",
            "failure",
            "down",
            "unhealthy",
            "active",
            "create",
            "created",
            "bad",
        ],
    ),
    (
        Signal::Resolved,
        &[
            "resolved",
            "resolve",
            "ok",
            "okay",
            "recovered",
            "recovery",
            "close",
            "closed",
            "normal",
            "up",
            "healthy",
            "success",
            "succeeded",
            "clear",
            "cleared",
            "inactive",
            "good",
        ],
    ),
    (
        Signal::Acknowledged,
        &["acknowledged", "acknowledge", "ack", "acked"],
    ),
    (
        Signal::Unacknowledged,
        &["unacknowledged", "unacknowledge", "unack", "unacked"],
    ),
    (
        Signal::Noted,
        &[
            "noted",
            "note",
            "info",
            "information",
            "change",
            "update",
            "unknown",
            "nodata",
            "no_data",
        ],
    ),
];

/// The signal that a word means, in any case; none if it means none that we know.
pub(super) fn signal(word: &str) -> Option<Signal> {
    let word = word.trim().to_lowercase();
    let known = |(_, words): &&(Signal, &[&str])| words.contains(&word.as_str());
    SIGNALS.iter().find(known).map(|(signal, _)| *signal)
}

/// What to write instead of a word that means no signal that we know.
pub(super) const KNOWN: &str = "write firing, resolved, acknowledged or info";

/// The urgency that a name or a description begins with: `P1`, `[P1] …`, `p1-…`, `SEV1: …`.
pub(super) fn leading_severity(text: &str) -> Option<String> {
    let text = text.trim_start().trim_start_matches(['[', '(']);
    let lower = text.to_ascii_lowercase();
    let digits_at = ["sev-", "sev", "p"]
        .into_iter()
        .find(|prefix| {
            lower
                .strip_prefix(prefix)
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        })?
        .len();
    let after = &lower[digits_at + 1..];
    let stands_alone = !after.starts_with(|c: char| c.is_alphanumeric() || c == '.');
    let word = lower[..=digits_at].replace('-', "").to_uppercase();
    stands_alone.then_some(word)
}

/// The first address in a text that follows the word "runbook".
pub(super) fn runbook(text: &str) -> Option<String> {
    let at = text.to_ascii_lowercase().find("runbook")?;
    let rest = &text[at + "runbook".len()..];
    let from = ["https://", "http://"]
        .into_iter()
        .filter_map(|scheme| rest.find(scheme))
        .min()?;
    let address: String = rest[from..]
        .chars()
        .take_while(|c| !c.is_whitespace() && !"<>\"|".contains(*c))
        .collect();
    Some(
        address
            .trim_end_matches(['.', ',', ';', ')', ']'])
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_means_one_signal() {
        assert_eq!(signal("FIRING"), Some(Signal::Firing));
        assert_eq!(signal(" Ok "), Some(Signal::Resolved));
        assert_eq!(signal("ack"), Some(Signal::Acknowledged));
        assert_eq!(signal("info"), Some(Signal::Noted));
        assert_eq!(signal("banana"), None);
        let mut words: Vec<_> = SIGNALS.iter().flat_map(|(_, words)| *words).collect();
        let count = words.len();
        words.sort();
        words.dedup();
        assert_eq!(words.len(), count, "a word stands twice");
    }

    #[test]
    fn a_leading_urgency_stands_alone() {
        for (text, wanted) in [
            ("P1", Some("P1")),
            ("p1-checkout-5xx", Some("P1")),
            ("[P2] disk", Some("P2")),
            ("SEV1: all is down", Some("SEV1")),
            ("sev-3 slow", Some("SEV3")),
            (" (P4) x", Some("P4")),
            ("p99 latency", None),
            ("P1.5 x", None),
            ("p10-x", None),
            ("postgres", None),
            ("several", None),
            ("prod P1", None),
            ("", None),
            ("P", None),
            ("sevé", None),
        ] {
            assert_eq!(leading_severity(text).as_deref(), wanted, "{text}");
        }
    }

    #[test]
    fn a_runbook_is_found_where_people_write_it() {
        assert_eq!(
            runbook("ALB 5xx. Runbook: https://r.example/a, then call."),
            Some("https://r.example/a".into())
        );
        assert_eq!(
            runbook("see the RUNBOOK (http://r.example/b)."),
            Some("http://r.example/b".into())
        );
        assert_eq!(runbook("https://r.example/runbook"), None);
        assert_eq!(runbook("runbook"), None);
    }
}
