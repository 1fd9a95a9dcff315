//! The samples under `tests/samples/alerts`: what they say, in short. That nothing that is sent can break a reader is
//! seen to by `fuzz/targets.rs`.

use std::fs;
use std::path::Path;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use super::*;
use crate::domain::remark::Remark;

/// When every sample comes.
pub const NOW: &str = "2026-08-20T09:15:00Z";

pub fn source(kind: SourceKind) -> AlertSource {
    AlertSource {
        id: "source".into(),
        kind,
        secret_env: None,
        topics: vec!["arn:aws:sns:us-east-1:123456789012:alarms".into()],
        require_v2: false,
        fields: [].into(),
    }
}

pub fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            (
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            )
        })
        .collect()
}

/// What a function of this room makes of a body.
pub fn with(
    source: &AlertSource,
    pairs: &[(&str, &str)],
    body: &[u8],
    read: impl FnOnce(&Sent<'_>) -> Result<Told, Malformed>,
) -> Result<Told, Malformed> {
    let headers = headers(pairs);
    read(&Sent {
        source,
        headers: &headers,
        body,
        now: NOW.parse().unwrap(),
    })
}

/// What a source of this kind makes of a body.
pub fn read_at(kind: SourceKind, body: &[u8]) -> Result<Told, Malformed> {
    with(&source(kind), &[], body, read)
}

/// A sample's bytes.
pub fn sample(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples/alerts");
    fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What a sample says, for people to look through.
pub fn shown(kind: SourceKind, name: &str) -> String {
    show(read_at(kind, &sample(name)))
}

/// The same for `POST /api/v2/alerts`.
pub fn shown_posted(name: &str) -> String {
    let source = source(SourceKind::Alertmanager);
    show(with(&source, &[], &sample(name), alertmanager::read_posted))
}

/// One line for one thing that is said.
pub fn show(told: Result<Told, Malformed>) -> String {
    let told = match told {
        Ok(told) => told,
        Err(Malformed { reason, faults }) => {
            return [vec![format!("malformed: {reason}")], faults]
                .concat()
                .join("\n- ");
        }
    };
    let mut lines = Vec::new();
    if let Some(delivery) = &told.delivery {
        lines.push(format!("delivery {delivery}"));
    }
    for alert in &told.alerts {
        lines.push(show_alert(alert));
    }
    for skipped in &told.skipped {
        lines.push(format!("skipped: {skipped}"));
    }
    match lines.is_empty() {
        true => "nothing".to_owned(),
        false => lines.join("\n"),
    }
}

fn show_alert(alert: &Alert) -> String {
    let Alert {
        key,
        signal,
        name,
        title,
        description,
        severity,
        labels,
        links,
        remark,
        started_at,
        ended_at,
        expires_at,
    } = alert;
    let mut lines = vec![
        format!("{signal:?} {key}"),
        format!("  name {name}"),
        format!("  title {title}"),
    ];
    let mut say = |what: &str, said: Option<String>| {
        if let Some(said) = said {
            lines.push(format!("  {what} {}", said.replace('\n', "⏎")));
        }
    };
    say("description", description.clone());
    say("severity", severity.clone());
    let labels: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{name}={value:?}"))
        .collect();
    say(
        "labels",
        Some(labels.join(" ")).filter(|text| !text.is_empty()),
    );
    say("runbook", links.runbook.clone());
    say("dashboard", links.dashboard.clone());
    say("silence", links.silence.clone());
    say("origin", links.origin.clone());
    if let Some(Remark { by, text }) = remark {
        say("by", by.clone());
        say("remark", text.clone());
    }
    say("from", started_at.map(|at| at.to_string()));
    say("to", ended_at.map(|at| at.to_string()));
    say("expires", expires_at.map(|at| at.to_string()));
    lines.join("\n")
}
