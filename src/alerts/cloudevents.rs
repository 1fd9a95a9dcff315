//! CloudEvents over HTTP: one event in the body, one in headers with its data in the body, or many in a list.
//!
//! Sources: CloudEvents 1.0, "Core specification"; "HTTP protocol binding", section 3; "JSON event format", section 4.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

use super::said::{Said, digest};
use super::{ALERTS_MAX, Malformed, Sent, Told, generic, json, times, too_many, words};
use crate::domain::alert::{Alert, Links, Signal};

/// Reads the events of a request. With `fields` each is mapped by them, with `body` for the event in its JSON form.
///
/// (`source`, `id`) tells an event from every other; a list goes by all of its events.
pub(super) fn read(sent: &Sent<'_>) -> Result<Told, Malformed> {
    let (events, is_list) = events(sent)?;
    if events.len() > ALERTS_MAX {
        return Err(too_many());
    }
    let mut told = Told::default();
    let mut ids = Vec::new();
    for event in &events {
        match read_event(sent, event) {
            Ok(one) => {
                told.alerts.extend(one.alerts);
                told.skipped.extend(one.skipped);
                ids.extend([json::text(event, "source"), json::text(event, "id")]);
            }
            Err(malformed) => told.skipped.push(malformed),
        }
    }
    if let Some(first) = told.skipped.first()
        && told.alerts.is_empty()
    {
        return Err(first.clone());
    }
    let ids: Vec<String> = ids.into_iter().flatten().collect();
    Ok(match (is_list, ids.is_empty()) {
        (_, true) => told,
        (false, false) => told.delivered_as(Some(ids.join(" "))),
        (true, false) => told.delivered_as(Some(digest(ids.join("\0").as_bytes()))),
    })
}

/// The events of a request in their JSON form, and whether they came as a list.
fn events(sent: &Sent<'_>) -> Result<(Vec<Value>, bool), Malformed> {
    if sent.headers.contains_key("ce-specversion") {
        return Ok((vec![binary(sent)], false));
    }
    match json::parse(sent.body)? {
        Value::Array(events) => Ok((events, true)),
        event @ Value::Object(_) => Ok((vec![event], false)),
        _ => Err(Malformed::new(
            "the body must be a CloudEvent or a list of them",
        )),
    }
}

/// An event in binary mode: its attributes are the headers `ce-…`, percent-encoded, and the body is its data.
fn binary(sent: &Sent<'_>) -> Value {
    let attribute = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
        let name = name.as_str().strip_prefix("ce-")?;
        Some((name.to_owned(), Value::String(decoded(value.as_bytes()))))
    };
    let mut event: Map<String, Value> = sent.headers.iter().filter_map(attribute).collect();
    let data = match json::parse(sent.body) {
        Ok(data) => data,
        Err(_) if sent.body.is_empty() => Value::Null,
        Err(_) => Value::String(String::from_utf8_lossy(sent.body).into_owned()),
    };
    event.insert("data".to_owned(), data);
    event.insert("datacontenttype".to_owned(), content_type(sent.headers));
    Value::Object(event)
}

fn content_type(headers: &HeaderMap) -> Value {
    let value = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    value.map_or(Value::Null, |text| Value::String(text.to_owned()))
}

/// `%C3%A9` → `é` (HTTP protocol binding, section 3.1.3.2).
fn decoded(bytes: &[u8]) -> String {
    let mut plain = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        let byte = match rest {
            [b'%', high, low, ..] => hex::decode([*high, *low]).ok().map(|it| it[0]),
            _ => None,
        };
        plain.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &rest[3..] } else { tail };
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// The attributes that an event must have.
const REQUIRED: [&str; 4] = ["specversion", "id", "source", "type"];

fn read_event(sent: &Sent<'_>, event: &Value) -> Result<Told, Malformed> {
    let attribute = |name: &str| {
        event
            .get(name)
            .and_then(Value::as_str)
            .filter(|it| !it.is_empty())
    };
    let missing: Vec<&str> = REQUIRED
        .into_iter()
        .filter(|name| attribute(name).is_none())
        .collect();
    if !missing.is_empty() {
        return Err(Malformed::new(format!(
            "the CloudEvent has no {}",
            missing.join(", ")
        )));
    }
    if !attribute("specversion").is_some_and(|it| it.starts_with("1.")) {
        return Err(Malformed::new(
            "only version 1.0 of CloudEvents is understood",
        ));
    }
    let event = with_data(event);
    match sent.source.fields.is_empty() {
        true => mapped(&event).map(Told::one),
        false => generic::read_body(sent, &event),
    }
}

/// The event with its data as JSON, however it is packed.
fn with_data(event: &Value) -> Value {
    let mut event = event.clone();
    let packed = event.get("data_base64").and_then(Value::as_str);
    if let Some(bytes) = packed.and_then(|text| BASE64_STANDARD.decode(text).ok()) {
        let data = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        event["data"] = data;
    }
    event
}

/// What an event means when nothing is said of it: `source` and `subject` are what it is about, how it stands is in
/// `data.status` or at the end of `type` (`com.example.alert.resolved`); and it fires if neither says so, for it was
/// sent to a source of alerts. Its `time` is not that of the beginning, since an event may come again.
fn mapped(event: &Value) -> Result<Alert, Malformed> {
    let text = |name: &str| json::text(event, name).unwrap_or_default();
    let (source, kind) = (text("source"), text("type"));
    let nothing = json::nothing();
    let data = event.get("data").unwrap_or(&nothing);
    let said_of = |names: &[&str]| json::first(data, names);
    let (stem, by_type) = stem_and_signal(&kind);
    let signal = said_of(&["status", "state"])
        .and_then(|word| words::signal(&word))
        .or(by_type)
        .unwrap_or(Signal::Firing);
    let subject = json::text(event, "subject").unwrap_or_else(|| stem.to_owned());
    let title = said_of(&["title", "summary", "message"])
        .or_else(|| data.as_str().map(str::to_owned))
        .unwrap_or_else(|| format!("{stem}: {subject}"));
    let mut said = Said::new(format!("{source} {subject}"), signal, title);
    said.name = said_of(&["name"]).unwrap_or_else(|| stem.to_owned());
    said.description = said_of(&["description", "details"]);
    said.severity = said_of(&["severity", "priority"]).or_else(|| json::text(event, "severity"));
    said.labels = labels(event, data);
    said.links = Links {
        runbook: said_of(&["runbook", "runbook_url"]),
        dashboard: said_of(&["dashboard", "dashboard_url"]),
        silence: None,
        origin: said_of(&["link", "url"]),
    };
    said.started_at = times::of(data, "started_at").or_else(|| times::of(data, "startsAt"));
    if signal == Signal::Resolved {
        said.ended_at = times::of(event, "time");
    }
    said.cut()
}

/// A type without the word at its end that says how it stands.
fn stem_and_signal(kind: &str) -> (&str, Option<Signal>) {
    match kind.rsplit_once(['.', '/', ':']) {
        Some((stem, word)) if !stem.is_empty() => match words::signal(word) {
            Some(signal) => (stem, Some(signal)),
            None => (kind, None),
        },
        Some(_) | None => (kind, None),
    }
}

/// The labels of the data, and the attributes that say what an event is about, also those that are of no specification.
fn labels(event: &Value, data: &Value) -> BTreeMap<String, String> {
    const SAID_ELSEWHERE: [&str; 8] = [
        "specversion",
        "id",
        "time",
        "data",
        "data_base64",
        "datacontenttype",
        "dataschema",
        "severity",
    ];
    let mut labels = json::labels(data.get("labels").or_else(|| data.get("tags")));
    let attributes = event.as_object().into_iter().flatten();
    for (name, value) in attributes {
        if !SAID_ELSEWHERE.contains(&name.as_str())
            && let Some(value) = json::plain(value)
        {
            labels.insert(name.clone(), value);
        }
    }
    labels
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::samples::{read_at, sample, show, shown, source, with};
    use super::*;
    use crate::domain::catalog::SourceKind::Cloudevents;
    use crate::domain::catalog::{AlertField, AlertSource};

    fn of(event: &Value) -> String {
        show(read_at(Cloudevents, event.to_string().as_bytes()))
    }

    #[test]
    fn an_event_in_the_body_is_read() {
        insta::assert_snapshot!(shown(Cloudevents, "cloudevents/structured.json"), @r#"
        delivery /monitoring/eu-1 A234-1234-1234
        Firing /monitoring/eu-1 checkout
          name com.example.alert
          title 5xx above 5%
          severity critical
          labels exported_source="/monitoring/eu-1" region="eu-1" service="checkout" severity="critical" subject="checkout" type="com.example.alert.firing"
        "#);
    }

    #[test]
    fn an_event_in_headers_is_read() {
        let headers = [
            ("ce-specversion", "1.0"),
            ("ce-id", "A234-1234-1235"),
            ("ce-source", "/monitoring/eu-1"),
            ("ce-type", "com.example.alert.resolved"),
            ("ce-subject", "caf%C3%A9 100%25 %zz"),
            ("ce-time", "2026-08-20T09:20:00Z"),
            ("ce-region", "eu-1"),
            ("content-type", "application/json"),
        ];
        let body = sample("cloudevents/data.json");
        insta::assert_snapshot!(show(with(&source(Cloudevents), &headers, &body, read)), @r#"
        delivery /monitoring/eu-1 A234-1234-1235
        Resolved /monitoring/eu-1 café 100% %zz
          name com.example.alert
          title 5xx above 5%
          severity critical
          labels exported_source="/monitoring/eu-1" region="eu-1" severity="critical" subject="café 100% %zz" type="com.example.alert.resolved"
          to 2026-08-20T09:20:00Z
        "#);
        // Data of any other kind is the title.
        let text = with(&source(Cloudevents), &headers, b"checkout is well", read).unwrap();
        assert_eq!(text.alerts[0].title, "checkout is well");
        let empty = with(&source(Cloudevents), &headers, b"", read).unwrap();
        assert_eq!(empty.alerts[0].title, "com.example.alert: café 100% %zz");
    }

    #[test]
    fn many_events_come_in_a_list() {
        insta::assert_snapshot!(shown(Cloudevents, "cloudevents/batch.json"), @r#"
        delivery 221aa6c8622c97529aa2ff518b59fd013bc0fb8ad1221c3ff2688106cc575cfd
        Firing /a com.example.alert
          name com.example.alert
          title disk full
          labels exported_source="/a" type="com.example.alert.firing"
        Resolved /a db
          name com.example.alert
          title slow
          labels exported_source="/a" subject="db" type="com.example.alert.firing"
          to 2026-08-20T09:14:02Z
        skipped: the CloudEvent has no source, type
        "#);
    }

    #[test]
    fn data_in_base64_is_unpacked() {
        let data = BASE64_STANDARD.encode(r#"{"title":"packed","status":"ok"}"#);
        let told = of(
            &json!({"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data_base64": data}),
        );
        assert!(
            told.contains("Resolved /s t") && told.contains("title packed"),
            "{told}"
        );
    }

    #[test]
    fn what_an_event_must_have_is_told() {
        assert_eq!(
            of(&json!({"specversion": "1.0", "id": ""})),
            "malformed: the CloudEvent has no id, source, type"
        );
        assert_eq!(
            of(&json!({"specversion": "0.3", "id": "1", "source": "s", "type": "t"})),
            "malformed: only version 1.0 of CloudEvents is understood"
        );
        assert_eq!(
            of(&json!(7)),
            "malformed: the body must be a CloudEvent or a list of them"
        );
        assert_eq!(of(&json!([])), "nothing");
    }

    #[test]
    fn fields_map_the_event_in_its_json_form() {
        let mapped = AlertSource {
            fields: [
                (AlertField::Title, "body.data.summary".to_owned()),
                (AlertField::Key, "body.subject".to_owned()),
            ]
            .into(),
            ..source(Cloudevents)
        };
        let told = with(&mapped, &[], &sample("cloudevents/structured.json"), read).unwrap();
        assert_eq!(told.alerts[0].key.as_str(), "checkout");
        assert_eq!(
            told.delivery.as_deref(),
            Some("/monitoring/eu-1 A234-1234-1234")
        );
    }

    #[test]
    fn the_word_at_the_end_of_the_type_says_how_it_stands() {
        assert_eq!(
            stem_and_signal("com.example.alert.firing"),
            ("com.example.alert", Some(Signal::Firing))
        );
        assert_eq!(
            stem_and_signal("com.example.alert"),
            ("com.example", Some(Signal::Firing))
        );
        assert_eq!(
            stem_and_signal("com.example.deploy"),
            ("com.example.deploy", None)
        );
        assert_eq!(stem_and_signal("resolved"), ("resolved", None));
        assert_eq!(stem_and_signal(".resolved"), (".resolved", None));
    }
}
