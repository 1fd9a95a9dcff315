//! What is sent to PagerDuty: the Events API v2, with its change events.
//!
//! Sources: PagerDuty developer docs, "Events API v2 overview", "Send an alert event", "Send a change event".
//!
//! An answer needs the `dedup_key`, also of an event that came without one: it is the key of the one alert.

use serde_json::Value;

use super::said::{Said, made_key};
use super::{Malformed, Sent, Told, json, times};
use crate::domain::alert::{Links, Signal};

/// Reads an alert event (`POST /v2/enqueue`).
///
/// A trigger on an open key is counted, on a resolved one it begins anew, so what an event says of its time is no
/// beginning; it is one only of an event without a `dedup_key`, which is always a new one.
pub fn read(sent: &Sent<'_>) -> Result<Told, Malformed> {
    let event = json::object(sent.body)?;
    let mut faults = Faults::default();
    let signal = match event.get("event_action").map(Value::as_str) {
        Some(Some("trigger")) => Some(Signal::Firing),
        Some(Some("acknowledge")) => Some(Signal::Acknowledged),
        Some(Some("resolve")) => Some(Signal::Resolved),
        None | Some(Some("")) => faults.missing("event_action"),
        Some(_) => faults.none_of("event_action", "'trigger', 'acknowledge' or 'resolve'"),
    };
    let dedup_key = json::text(&event, "dedup_key");
    if dedup_key
        .as_ref()
        .is_some_and(|key| key.len() > DEDUP_KEY_MAX)
    {
        faults.say("Length of 'dedup_key' is incorrect (should be at most 255 characters)");
    }
    let payload = event.get("payload").filter(|payload| payload.is_object());
    let nothing = json::nothing();
    match (signal, payload, &dedup_key) {
        (Some(Signal::Acknowledged | Signal::Resolved), _, None) => {
            faults.missing::<()>("dedup_key");
        }
        (Some(Signal::Firing), None, _) => {
            faults.missing::<()>("payload");
        }
        (Some(Signal::Firing), Some(payload), _) => {
            for name in ["summary", "source"] {
                if json::text(payload, name).is_none() {
                    faults.missing::<()>(&format!("payload.{name}"));
                }
            }
            match payload.get("severity").map(Value::as_str) {
                Some(Some("critical" | "error" | "warning" | "info")) => {}
                None | Some(Some("")) => {
                    faults.missing::<()>("payload.severity");
                }
                Some(_) => {
                    faults.none_of::<()>(
                        "payload.severity",
                        "'critical', 'warning', 'error' or 'info'",
                    );
                }
            }
        }
        _ => {}
    }
    let Some(signal) = faults.settle(signal)? else {
        return Ok(Told::nothing());
    };
    let payload = payload.unwrap_or(&nothing);
    let key = dedup_key.clone().unwrap_or_else(|| made_key(sent.body));
    let mut said = told(&event, payload, &key, signal);
    if signal == Signal::Acknowledged {
        // An event names no person; what sends it is the most that it says.
        said.remark.by = json::text(&event, "client");
    }
    if dedup_key.is_none() {
        said.started_at = times::of(payload, "timestamp").or(Some(sent.now));
    }
    Ok(Told::one(said.cut()?))
}

/// Reads a change event (`POST /v2/change/enqueue`): something that was done, and no alert.
pub fn read_change(sent: &Sent<'_>) -> Result<Told, Malformed> {
    let event = json::object(sent.body)?;
    let mut faults = Faults::default();
    let nothing = json::nothing();
    let payload = event.get("payload").filter(|payload| payload.is_object());
    match payload {
        None => faults.missing("payload"),
        Some(payload) if json::text(payload, "summary").is_none() => {
            faults.missing("payload.summary")
        }
        Some(_) => Some(()),
    };
    faults.settle(Some(()))?;
    let payload = payload.unwrap_or(&nothing);
    let mut said = told(&event, payload, &made_key(sent.body), Signal::Noted);
    said.label("type", Some("change"));
    said.started_at = times::of(payload, "timestamp").or(Some(sent.now));
    Ok(Told::one(said.cut()?))
}

/// How many bytes a `dedup_key` may have.
const DEDUP_KEY_MAX: usize = 255;

fn told(event: &Value, payload: &Value, key: &str, signal: Signal) -> Said {
    let title = json::text(payload, "summary").unwrap_or_else(|| key.to_owned());
    let mut said = Said::new(key, signal, title);
    // What watches it is the class of the event where there is one: "ping failure", "cpu load".
    said.name = json::text(payload, "class").unwrap_or_default();
    said.severity = json::text(payload, "severity");
    match payload.get("custom_details") {
        Some(Value::String(text)) => said.description = Some(text.clone()),
        details => said.labels = json::labels(details),
    }
    for name in ["source", "component", "group", "class"] {
        said.label(name, json::text(payload, name));
    }
    said.label("client", json::text(event, "client"));
    said.links = links(event);
    said
}

fn links(event: &Value) -> Links {
    let mut links = Links::default();
    for link in json::list(event, "links") {
        let text = json::text(link, "text").unwrap_or_default().to_lowercase();
        let place = match (text.contains("runbook"), text.contains("dashboard")) {
            (true, _) => &mut links.runbook,
            (false, true) => &mut links.dashboard,
            (false, false) => &mut links.origin,
        };
        if place.is_none() {
            *place = json::text(link, "href");
        }
    }
    if let Some(client) = json::text(event, "client_url") {
        links.origin = Some(client);
    }
    let image = |image: &Value| json::first(image, &["href", "src"]);
    let images = json::list(event, "images");
    links.dashboard = links.dashboard.or_else(|| images.iter().find_map(image));
    links
}

/// What is wrong with an event, in PagerDuty's words.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn say(&mut self, fault: impl Into<String>) {
        self.0.push(fault.into());
    }

    fn missing<T>(&mut self, name: &str) -> Option<T> {
        self.say(format!("'{name}' is missing or blank"));
        None
    }

    fn none_of<T>(&mut self, name: &str, known: &str) -> Option<T> {
        self.say(format!(
            "'{name}' is invalid (must be one of the following: {known})"
        ));
        None
    }

    /// What was read, if nothing is wrong.
    fn settle<T>(self, read: T) -> Result<T, Malformed> {
        match self.0.is_empty() {
            true => Ok(read),
            false => Err(Malformed {
                reason: "Event object is invalid".to_owned(),
                faults: self.0,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{NOW, read_at, sample, show, shown, source, with};
    use super::*;
    use crate::domain::catalog::SourceKind::Pagerduty;

    fn at(body: &str) -> Result<Told, Malformed> {
        read_at(Pagerduty, body.as_bytes())
    }

    #[test]
    fn a_trigger_tells_all_that_it_holds() {
        insta::assert_snapshot!(shown(Pagerduty, "pagerduty/trigger.json"), @r#"
        Firing srv01/mysql
          name disk
          title DISK at 99% on machine prod-datapipe03.example.com
          severity critical
          labels class="disk" client="Sample Monitoring Service" component="mysql" exported_source="prod-datapipe03.example.com" free space="1%" group="prod-datapipe" ping="{\"ms\":7}" severity="critical"
          runbook http://acme.example/runbook
          dashboard https://example.com/g
          origin https://monitoring.service.com
        "#);
    }

    #[test]
    fn an_acknowledgement_and_a_resolution_need_the_key_alone() {
        insta::assert_snapshot!(shown(Pagerduty, "pagerduty/acknowledge.json"), @r"
        Acknowledged srv01/mysql
          name srv01/mysql
          title srv01/mysql
        ");
        insta::assert_snapshot!(shown(Pagerduty, "pagerduty/resolve.json"), @r"
        Resolved srv01/mysql
          name srv01/mysql
          title srv01/mysql
        ");
    }

    #[test]
    fn a_change_is_noted() {
        let change = sample("pagerduty/change.json");
        insta::assert_snapshot!(show(with(&source(Pagerduty), &[], &change, read_change)), @r#"
        Noted 291ed45cfa5a6863ed90c6ae05c01b7b
          name Build Success: Increase snapshot create timeout to 30 seconds
          title Build Success: Increase snapshot create timeout to 30 seconds
          labels build_number="220" build_state="passed" exported_source="prod-build-agent-i-0b148d1040d565540" run_time="1236s" type="change"
          origin https://acme.pagerduty.dev/build/2
          from 2015-07-17T08:42:58.315Z
        "#);
    }

    #[test]
    fn a_trigger_without_a_key_gets_one_and_begins_now() {
        let body = r#"{"event_action":"trigger","payload":{"summary":"a","source":"b","severity":"info"}}"#;
        let alert = &at(body).unwrap().alerts[0];
        assert_eq!(alert.key.as_str().len(), 32);
        assert_eq!(alert.started_at, Some(NOW.parse().unwrap()));
        assert_eq!(at(body).unwrap().alerts[0].key, alert.key);
    }

    #[test]
    fn everything_that_is_wrong_is_listed_as_pagerduty_does() {
        let told = |body: &str| at(body).unwrap_err().faults.join("\n");
        insta::assert_snapshot!(told("{}"), @"'event_action' is missing or blank");
        insta::assert_snapshot!(told(r#"{"event_action":"trigger"}"#), @"'payload' is missing or blank");
        insta::assert_snapshot!(told(r#"{"event_action":"trigger","payload":{"severity":"Critical"}}"#), @r"
        'payload.summary' is missing or blank
        'payload.source' is missing or blank
        'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')
        ");
        insta::assert_snapshot!(told(r#"{"event_action":"resolve"}"#), @"'dedup_key' is missing or blank");
        insta::assert_snapshot!(told(r#"{"event_action":"explode","dedup_key":7}"#), @"'event_action' is invalid (must be one of the following: 'trigger', 'acknowledge' or 'resolve')");
        let long = format!(
            r#"{{"event_action":"resolve","dedup_key":"{}"}}"#,
            "k".repeat(256)
        );
        insta::assert_snapshot!(told(&long), @"Length of 'dedup_key' is incorrect (should be at most 255 characters)");
        assert_eq!(at("{}").unwrap_err().reason, "Event object is invalid");
    }
}
