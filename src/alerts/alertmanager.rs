//! Prometheus and its Alertmanager: the webhook (version 4), and what Prometheus itself posts to `/api/v2/alerts`.
//!
//! Sources: Prometheus docs, "Configuration", `<webhook_config>`; alertmanager `template.Data` and
//! `api/v2/openapi.yaml`, `postableAlerts`.
//!
//! No delivery is told from another: a repeated notification says the same as the one before and must refresh what it
//! says, and the same from the other half of a cluster is only counted. An alert that is missing from its group is not
//! resolved (`truncatedAlerts`, and groups that change).

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::said::Said;
use super::{Malformed, Sent, Told, json, times};
use crate::domain::alert::{Alert, Links, Signal};

/// Reads a webhook; also what Prometheus posts, if its `path_prefix` leads to the source itself.
pub(super) fn read(sent: &Sent<'_>) -> Result<Told, Malformed> {
    let body = json::parse(sent.body)?;
    match body {
        Value::Array(_) => posted(&body, sent.now),
        _ => webhook(&body),
    }
}

/// Reads the body of Alertmanager's own `POST /api/v2/alerts`: a list of alerts, each over when its `endsAt` is.
///
/// Sources: alertmanager `api/v2/openapi.yaml`, `postableAlerts`; prometheus `notifier`.
pub fn read_posted(sent: &Sent<'_>) -> Result<Told, Malformed> {
    posted(&json::parse(sent.body)?, sent.now)
}

/// How long an alert without an end holds unless it is posted again: Alertmanager's `resolve_timeout`.
const RESOLVE_TIMEOUT: SignedDuration = SignedDuration::from_mins(5);

fn webhook(body: &Value) -> Result<Told, Malformed> {
    let Some(alerts) = body.get("alerts").and_then(Value::as_array) else {
        return Err(Malformed::new(
            "there are no `alerts`: this path takes Alertmanager's webhook as it is, without a `payload` of your own",
        ));
    };
    Told::all(alerts.iter().map(|alert| grouped(alert)?.cut()))
}

fn posted(body: &Value, now: Timestamp) -> Result<Told, Malformed> {
    let Some(alerts) = body.as_array() else {
        return Err(Malformed::new(
            "the body must be a list of alerts: [{ \"labels\": … }]",
        ));
    };
    Told::all(alerts.iter().map(|alert| post(alert, now)))
}

/// One alert of a webhook's group, which says itself how it stands. Grafana's are of the same form.
pub(super) fn grouped(alert: &Value) -> Result<Said, Malformed> {
    let signal = match alert.get("status").and_then(Value::as_str) {
        Some("firing") => Signal::Firing,
        Some("resolved") => Signal::Resolved,
        Some(_) | None => {
            return Err(Malformed::new(
                "an alert's `status` must be \"firing\" or \"resolved\"",
            ));
        }
    };
    let mut said = common(alert, signal)?;
    if let Some(fingerprint) = json::text(alert, "fingerprint") {
        said.key = fingerprint;
    }
    said.started_at = times::of(alert, "startsAt");
    said.ended_at = match signal {
        Signal::Resolved => times::of(alert, "endsAt"),
        Signal::Firing | Signal::Acknowledged | Signal::Unacknowledged | Signal::Noted => None,
    };
    Ok(said)
}

fn post(alert: &Value, now: Timestamp) -> Result<Alert, Malformed> {
    let (starts_at, ends_at) = (times::of(alert, "startsAt"), times::of(alert, "endsAt"));
    if let (Some(from), Some(to)) = (starts_at, ends_at)
        && to < from
    {
        return Err(Malformed::new(
            "an alert's `endsAt` lies before its `startsAt`",
        ));
    }
    let over = ends_at.is_some_and(|at| at <= now);
    let mut said = common(
        alert,
        if over {
            Signal::Resolved
        } else {
            Signal::Firing
        },
    )?;
    said.started_at = starts_at;
    match over {
        true => said.ended_at = ends_at,
        false => said.expires_at = ends_at.or_else(|| now.checked_add(RESOLVE_TIMEOUT).ok()),
    }
    said.cut()
}

/// What both forms have.
fn common(alert: &Value, signal: Signal) -> Result<Said, Malformed> {
    let labels = strings(alert, "labels");
    if labels.is_empty() {
        return Err(Malformed::new("an alert has no labels"));
    }
    let annotations = strings(alert, "annotations");
    let annotation = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| annotations.get(*name))
            .cloned()
    };
    let name = match labels.get("alertname") {
        Some(name) => name.clone(),
        // Alertmanager needs no name either; then the labels are what it goes by.
        None => {
            let pairs: Vec<_> = labels
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            pairs.join(" ")
        }
    };
    let title = annotation(&["summary", "title", "message"]);
    let mut said = Said::new(
        fingerprint(&labels),
        signal,
        title.unwrap_or_else(|| name.clone()),
    );
    said.name = name;
    said.description = annotation(&["description"]).or_else(|| {
        // Where the summary is the title, the message says more.
        annotations
            .get("summary")
            .and(annotations.get("message"))
            .cloned()
    });
    said.severity = labels.get("severity").cloned();
    said.links = Links {
        runbook: annotation(&["runbook_url", "runbook"]),
        dashboard: annotation(&["dashboard_url", "dashboard"]),
        silence: None,
        origin: json::text(alert, "generatorURL"),
    };
    said.labels = labels;
    Ok(said)
}

/// A set of labels or annotations; one with an empty value is none, as in Prometheus.
fn strings(alert: &Value, name: &str) -> BTreeMap<String, String> {
    let set = alert.get(name).and_then(Value::as_object);
    set.into_iter()
        .flatten()
        .filter_map(|(name, value)| {
            let value = value.as_str().filter(|text| !text.is_empty())?;
            Some((name.clone(), value.to_owned()))
        })
        .collect()
}

/// Alertmanager's fingerprint of an alert: FNV-1a, 64 bits, over its labels in the order of their names (prometheus
/// `common/model`, `LabelSet.Fingerprint`).
fn fingerprint(labels: &BTreeMap<String, String>) -> String {
    const SEPARATOR: u8 = 0xff;
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut add = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    for (name, value) in labels {
        for part in [name, value] {
            part.bytes().for_each(&mut add);
            add(SEPARATOR);
        }
    }
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::super::samples::{NOW, read_at, shown, shown_posted};
    use super::*;
    use crate::domain::catalog::SourceKind::Alertmanager;

    #[test]
    fn a_webhook_tells_each_alert_of_its_group() {
        insta::assert_snapshot!(shown(Alertmanager, "alertmanager/firing.json"), @r#"
        Firing b1c7f0e2a94d3356
          name HighErrorRate
          title 5xx ratio above 5%
          description checkout answers with 5xx.⏎It is 7.1% now.
          severity critical
          labels alertname="HighErrorRate" instance="10.0.1.7:8080" service="checkout" severity="critical"
          runbook https://runbooks.example.com/checkout
          dashboard https://grafana.example.com/d/checkout
          origin http://prometheus:9090/graph?g0.expr=rate
          from 2026-08-20T09:14:02.113Z
        "#);
    }

    #[test]
    fn a_group_may_fire_and_resolve_at_once() {
        insta::assert_snapshot!(shown(Alertmanager, "alertmanager/mixed.json"), @r#"
        Resolved 0123456789abcdef
          name DiskFull
          title the disk of db-1 is full
          labels alertname="DiskFull" instance="db-1"
          runbook https://runbooks.example.com/disk
          from 2026-08-20T08:00:00Z
          to 2026-08-20T09:10:00Z
        Firing bbdcaf83f626f704
          name instance=db-2 job=node
          title instance=db-2 job=node
          labels instance="db-2" job="node"
          from 2026-08-20T06:00:00.123456789Z
        "#);
    }

    #[test]
    fn a_repeated_notification_says_the_same_again() {
        let first = read_at(
            Alertmanager,
            include_bytes!("../../tests/samples/alerts/alertmanager/firing.json"),
        );
        let again = read_at(
            Alertmanager,
            include_bytes!("../../tests/samples/alerts/alertmanager/repeat.json"),
        );
        assert_eq!(first, again);
        assert_eq!(again.unwrap().delivery, None);
    }

    #[test]
    fn what_prometheus_posts_has_the_key_of_alertmanagers_webhook() {
        insta::assert_snapshot!(shown_posted("alertmanager/posted.json"), @r#"
        Firing e8233e5604755fbf
          name HighErrorRate
          title 5xx ratio above 5%
          severity critical
          labels alertname="HighErrorRate" instance="10.0.1.7:8080" service="checkout" severity="critical"
          origin http://prometheus:9090/graph?g0.expr=rate
          from 2026-08-20T09:14:02.113Z
          expires 2026-08-20T09:18:02.113Z
        Resolved fd807b82f98f9135
          name DiskFull
          title DiskFull
          labels alertname="DiskFull" instance="db-1"
          origin http://prometheus:9090/graph?g0.expr=disk
          from 2026-08-20T08:00:00Z
          to 2026-08-20T09:10:00Z
        "#);
        // The same through the path of the source itself.
        assert_eq!(
            shown(Alertmanager, "alertmanager/posted.json"),
            shown_posted("alertmanager/posted.json")
        );
    }

    #[test]
    fn a_fingerprint_is_that_of_prometheus() {
        // Of common/model/signature_test.go: the empty set is FNV's offset.
        assert_eq!(fingerprint(&BTreeMap::new()), "cbf29ce484222325");
        let of = |pairs: &[(&str, &str)]| {
            fingerprint(
                &pairs
                    .iter()
                    .map(|(name, value)| ((*name).into(), (*value).into()))
                    .collect(),
            )
        };
        assert_eq!(
            of(&[("name", "garland, briggs"), ("fear", "love is not enough")]),
            format!("{:016x}", 5_799_056_148_416_392_346_u64)
        );
    }

    #[test]
    fn an_alert_without_labels_is_left_out_and_alone_it_is_malformed() {
        let read = |body: &str| read_at(Alertmanager, body.as_bytes());
        let bad = r#"{"status":"firing","labels":{"a":""},"startsAt":"2026-08-20T09:14:02Z"}"#;
        let good = r#"{"status":"firing","labels":{"alertname":"A"}}"#;
        assert_eq!(
            read(&format!(r#"{{"alerts":[{bad}]}}"#))
                .unwrap_err()
                .reason,
            "an alert has no labels"
        );
        let told = read(&format!(r#"{{"alerts":[{bad},{good}]}}"#)).unwrap();
        assert_eq!((told.alerts.len(), told.skipped.len()), (1, 1));
        assert_eq!(told.alerts[0].title, "A");
        assert_eq!(read(r#"{"alerts":[]}"#).unwrap(), Told::default());
        assert!(
            read(r#"{"status":"firing"}"#)
                .unwrap_err()
                .reason
                .contains("no `alerts`")
        );
        assert!(read("7").is_err());
        assert!(read(r#"{"alerts":[{"status":"suppressed","labels":{"a":"b"}}]}"#).is_err());
    }

    #[test]
    fn a_posted_alert_without_an_end_holds_for_five_minutes() {
        let told = read_at(Alertmanager, br#"[{"labels":{"alertname":"A"}}]"#).unwrap();
        let now: Timestamp = NOW.parse().unwrap();
        assert_eq!(told.alerts[0].expires_at, Some(now + RESOLVE_TIMEOUT));
        let swapped = br#"[{"labels":{"a":"b"},"startsAt":"2026-08-20T09:14:02Z","endsAt":"2026-08-20T09:14:01Z"}]"#;
        assert!(
            read_at(Alertmanager, swapped)
                .unwrap_err()
                .reason
                .contains("before")
        );
    }
}
