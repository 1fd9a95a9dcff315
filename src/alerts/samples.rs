//! The samples under `tests/samples/alerts`: what they say, in short; and that nothing that is sent can break a reader.

use std::fs;
use std::path::{Path, PathBuf};

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use super::*;

/// When every sample comes.
pub const NOW: &str = "2026-08-20T09:15:00Z";

pub fn source(kind: SourceKind) -> AlertSource {
    AlertSource {
        id: "source".into(),
        kind,
        secret_env: None,
        topics: vec!["arn:aws:sns:us-east-1:123456789012:alarms".into()],
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

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples/alerts")
}

/// A sample's bytes.
pub fn sample(name: &str) -> Vec<u8> {
    fs::read(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
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
    say("from", started_at.map(|at| at.to_string()));
    say("to", ended_at.map(|at| at.to_string()));
    say("expires", expires_at.map(|at| at.to_string()));
    lines.join("\n")
}

mod fuzz {
    use proptest::prelude::*;
    use proptest::sample::{Index, select};
    use secrecy::SecretString;
    use serde_json::{Map, Value};

    use super::super::sns::{Certificates, Envelope};
    use super::super::{opsgenie, pagerduty, proof, times};
    use super::*;
    use crate::domain::alert::{Links, Signal};
    use crate::domain::catalog::AlertField;

    /// What no answer may repeat.
    const CANARY: &str = "hunter2";

    fn all_samples() -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder()).expect("the folder of samples") {
            let kind = entry.expect("a folder").path();
            for file in fs::read_dir(kind).expect("a folder of samples") {
                found.push(fs::read(file.expect("a sample").path()).expect("a sample"));
            }
        }
        assert!(found.len() > 30, "the samples were not found");
        found
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            select(vec![
                "",
                " ",
                "\0",
                CANARY,
                "firing",
                "OK",
                "ALARM",
                "resolved",
                "1.0",
                "$ID",
                "[[",
                "P1",
                "sev",
                "0001-01-01T00:00:00Z",
                "-9223372036854775808",
                "https://a.example",
                "runbook http://",
                "%",
                "é",
            ])
            .prop_map(Value::from),
            (0_usize..6_000).prop_map(|length| Value::from("☃".repeat(length))),
        ];
        leaf.prop_recursive(4, 48, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((names(), inner), 0..6)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
            ]
        })
    }

    /// The names that the readers look for, and others.
    fn names() -> impl Strategy<Value = String> {
        let known = [
            "alerts",
            "status",
            "labels",
            "annotations",
            "alertname",
            "title",
            "severity",
            "startsAt",
            "endsAt",
            "Type",
            "Message",
            "AlarmName",
            "NewStateValue",
            "detail",
            "detail-type",
            "state",
            "alarmData",
            "Trigger",
            "Dimensions",
            "v",
            "transition",
            "tags",
            "event_action",
            "payload",
            "dedup_key",
            "summary",
            "source",
            "message",
            "alias",
            "alert",
            "action",
            "data",
            "issue",
            "event",
            "metric_alert",
            "specversion",
            "id",
            "type",
            "subject",
            "data_base64",
            "value",
            "name",
            "key",
        ];
        prop_oneof![
            4 => select(known.to_vec()).prop_map(str::to_owned),
            1 => any::<String>(),
        ]
    }

    /// A value of a document, chosen by chance, is put in the place of another.
    fn replaced(document: &mut Value, at: Index, with: Value) {
        fn count(value: &Value) -> usize {
            1 + match value {
                Value::Array(items) => items.iter().map(count).sum(),
                Value::Object(fields) => fields.values().map(count).sum(),
                _ => 0,
            }
        }
        fn put(value: &mut Value, left: &mut usize, with: &Value) {
            if *left == 0 {
                *value = with.clone();
            }
            *left = left.wrapping_sub(1);
            match value {
                Value::Array(items) => items.iter_mut().for_each(|it| put(it, left, with)),
                Value::Object(fields) => fields.values_mut().for_each(|it| put(it, left, with)),
                _ => {}
            }
        }
        let mut left = at.index(count(document));
        put(document, &mut left, &with);
    }

    fn body() -> impl Strategy<Value = Vec<u8>> {
        let sample = || select(all_samples());
        let of_json = |value: Value| value.to_string().into_bytes();
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            any_json().prop_map(of_json),
            (
                sample(),
                prop::collection::vec((any::<Index>(), any::<u8>()), 1..4)
            )
                .prop_map(|(mut body, flips)| {
                    for (at, byte) in flips {
                        let at = at.index(body.len());
                        body[at] = byte;
                    }
                    body
                }),
            (sample(), any::<Index>()).prop_map(|(mut body, at)| {
                body.truncate(at.index(body.len()));
                body
            }),
            (
                sample(),
                prop::collection::vec((any::<Index>(), any_json()), 1..4)
            )
                .prop_map(move |(body, changes)| {
                    let mut document: Value =
                        serde_json::from_slice(&body).expect("a sample is JSON");
                    for (at, with) in changes {
                        replaced(&mut document, at, with);
                    }
                    of_json(document)
                }),
        ]
    }

    fn holds(told: Result<Told, Malformed>) -> Result<(), TestCaseError> {
        let within = |text: &str, characters: usize| {
            !text.trim().is_empty() && !text.contains('\0') && text.chars().count() <= characters
        };
        let told = match told {
            Ok(told) => told,
            Err(malformed) => {
                prop_assert!(!malformed.reason.is_empty() && malformed.reason.len() < 300);
                let whole = format!("{malformed} {:?}", malformed.faults);
                prop_assert!(!whole.contains(CANARY), "{whole}");
                return Ok(());
            }
        };
        prop_assert!(
            told.delivery
                .is_none_or(|it| it.len() <= 255 && within(&it, 255))
        );
        for alert in told.alerts {
            prop_assert!(alert.key.as_str().len() <= 255 && within(alert.key.as_str(), 255));
            prop_assert!(within(&alert.name, 300) && within(&alert.title, 300));
            prop_assert!(!alert.title.contains('\n'));
            prop_assert!(alert.description.is_none_or(|it| within(&it, 4_000)));
            prop_assert!(alert.severity.is_none_or(|it| within(&it, 64)));
            prop_assert!(alert.labels.len() <= 64 && !alert.labels.contains_key("source"));
            for (name, value) in &alert.labels {
                prop_assert!(within(name, 100) && within(value, 500));
            }
            let Links {
                runbook,
                dashboard,
                silence,
                origin,
            } = alert.links;
            for link in [runbook, dashboard, silence, origin].into_iter().flatten() {
                prop_assert!(link.starts_with("http") && within(&link, 3_000), "{link}");
            }
            prop_assert!(alert.ended_at.is_none() || alert.signal == Signal::Resolved);
            prop_assert!(alert.expires_at.is_none() || alert.signal == Signal::Firing);
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn whatever_is_sent_is_read_or_refused_and_always_cut(body in body()) {
            for kind in SourceKind::ALL {
                holds(read_at(*kind, &body))?;
            }
            let (plain, binary) = (headers(&[]), headers(&[("ce-specversion", "1.0"), ("ce-id", "%"), ("ce-source", "%e"), ("ce-type", "%00.ok")]));
            let mapped = AlertSource {
                fields: [
                    (AlertField::Each, "body.alerts or [body]".to_owned()),
                    (AlertField::Title, "item.title or item|tojson".to_owned()),
                    (AlertField::Labels, "item.labels or item".to_owned()),
                    (AlertField::StartedAt, "item.startsAt".to_owned()),
                ]
                .into(),
                ..source(SourceKind::Generic)
            };
            for (source, headers) in [(source(SourceKind::Cloudevents), &binary), (mapped, &plain)] {
                let sent = Sent { source: &source, headers, body: &body, now: NOW.parse().unwrap() };
                holds(read(&sent))?;
                holds(alertmanager::read_posted(&sent))?;
                holds(pagerduty::read_change(&sent))?;
                holds(opsgenie::create(&sent))?;
                for request in [opsgenie::Request::Acknowledge, opsgenie::Request::Close, opsgenie::Request::Note] {
                    holds(opsgenie::act(&sent, "alias", request))?;
                }
                let secret = SecretString::from(CANARY.repeat(4));
                for kind in SourceKind::ALL {
                    let source = super::source(*kind);
                    prop_assert!(proof::prove(&source, Some(&secret), headers, None, &body, sent.now).is_err());
                }
                let _ = Envelope::read(headers, &body);
            }
        }

        #[test]
        fn any_text_is_a_time_or_none(text: String, number: i128) {
            let _ = times::written(&text);
            let _ = times::written(&number.to_string());
        }

        #[test]
        fn any_bytes_are_certificates_or_refused(bytes: Vec<u8>, at: Index, byte: u8) {
            let _ = Certificates::read(&bytes);
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples/sns/leaf.pem");
            let mut pem = fs::read(path).unwrap();
            let at = at.index(pem.len());
            pem[at] = byte;
            if let Ok(mut certificates) = Certificates::read(&pem) {
                certificates.add_issuer(&bytes);
                let _ = certificates.issuer_url();
            }
        }
    }
}
