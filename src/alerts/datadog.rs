//! Datadog's webhook: its body is what the user has put in, best `templates/alerts/datadog.json`; else Datadog's own.
//!
//! Source: Datadog docs, "Webhooks" (the variables and the default payload).

use serde_json::Value;

use super::said::Said;
use super::{Malformed, Sent, Told, generic, json, times, words};
use crate::domain::alert::{Alert, Links, Signal};

/// What to put into the webhook as its payload.
pub const TEMPLATE: &str = include_str!("../../templates/alerts/datadog.json");

/// Reads our template, the default body, or with `fields` any other; what is neither is read as [`generic`] does.
pub(super) fn read(sent: &Sent<'_>) -> Result<Told, Malformed> {
    let mut body = json::parse(sent.body)?;
    blank(&mut body);
    let has = |name: &str| body.get(name).is_some();
    let (alert, delivery) = match (sent.source.fields.is_empty(), has("v") && has("transition")) {
        (true, true) => (of_template(&body)?, json::text(&body, "id")),
        (true, false) if has("event_type") || has("last_updated") => {
            (of_default(&body)?, json::text(&body, "id"))
        }
        (true, false) | (false, _) => return generic::read_body(sent, &body),
    };
    Ok(Told::one(alert).delivered_as(delivery))
}

/// Takes out what is no value: a test notification leaves variables as they are written, `$ALERT_ID`, and an event that
/// has none says `null`.
fn blank(value: &mut Value) {
    match value {
        Value::String(text) => {
            let name = text.trim().strip_prefix('$');
            let variable = name.is_some_and(|name| {
                name.starts_with(|c: char| c.is_ascii_uppercase())
                    && name
                        .bytes()
                        .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
            });
            if variable || matches!(text.trim(), "null" | "None") {
                *value = Value::Null;
            }
        }
        Value::Object(fields) => fields.values_mut().for_each(blank),
        Value::Array(items) => items.iter_mut().for_each(blank),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Our template. The cycle is the same from the trigger to the recovery, and for each group of a monitor another.
fn of_template(body: &Value) -> Result<Alert, Malformed> {
    let text = |name: &str| json::text(body, name);
    let transition = text("transition").unwrap_or_default();
    let of_monitor = || {
        let (monitor, scope) = (text("monitor_id")?, text("scope").unwrap_or_default());
        Some(format!("{monitor} {scope}"))
    };
    let key = text("cycle")
        .or_else(of_monitor)
        .or_else(|| text("aggreg"))
        .or_else(|| text("id"));
    let titled = text("title").unwrap_or_default();
    let title = without_brackets(&titled);
    let key = key.unwrap_or_else(|| title.to_owned());
    let (signal, begins) = signal(&transition, text("type").as_deref());
    let mut said = Said::new(key, signal, title);
    said.description = text("text");
    said.severity = text("priority").or_else(|| text("type").filter(|word| is_bad(word)));
    said.labels = json::labels(body.get("tags"));
    for name in ["monitor_id", "host", "scope", "transition", "priority"] {
        said.label(name, text(name));
    }
    let no_data = transition.to_lowercase().contains("no data");
    said.label("state", no_data.then_some("no_data"));
    said.links = Links {
        runbook: text("text").as_deref().and_then(words::runbook),
        dashboard: text("snapshot"),
        silence: None,
        origin: text("link"),
    };
    let at = times::of(body, "date");
    match signal {
        Signal::Resolved => said.ended_at = at,
        Signal::Firing | Signal::Acknowledged | Signal::Unacknowledged | Signal::Noted => {
            // A reminder has a date of its own, which is no beginning.
            said.started_at = at.filter(|_| begins);
        }
    }
    said.cut()
}

/// What a transition says, and whether it is a beginning: `Triggered`, `Re-Triggered`, `Renotify`, `Warn`, `Re-Warn`,
/// `No Data`, `Re-No Data`, `Recovered`, `Warn Recovered` … Without one the type of the event says it.
///
/// No data fires: a monitor tells of it only where somebody has asked for it, and its recovery is told too.
fn signal(transition: &str, kind: Option<&str>) -> (Signal, bool) {
    let transition = transition.to_lowercase();
    match transition.as_str() {
        "triggered" | "no data" => (Signal::Firing, true),
        "" => match kind {
            Some("success") => (Signal::Resolved, false),
            Some("info" | "user_update") => (Signal::Noted, false),
            Some(_) | None => (Signal::Firing, true),
        },
        _ if transition.contains("recovered") => (Signal::Resolved, false),
        _ => (Signal::Firing, false),
    }
}

fn is_bad(kind: &str) -> bool {
    matches!(kind, "error" | "warning")
}

/// Datadog's default body: it has no status and no key. Both are guessed from the title, so an end is recognised only
/// where the title says so and is otherwise the same.
fn of_default(body: &Value) -> Result<Alert, Malformed> {
    let text = |name: &str| json::text(body, name);
    let titled = text("title").unwrap_or_default();
    let title = without_brackets(&titled);
    let words = titled.to_lowercase();
    let signal = match bracketed(&words).any(|word| word.contains("recovered")) {
        true => Signal::Resolved,
        false => Signal::Firing,
    };
    let mut said = Said::new(title, signal, title);
    said.description = text("body");
    said.severity = words::leading_severity(&titled);
    said.label("event_type", text("event_type"));
    said.label("guessed", Some("true"));
    said.links.runbook = text("body").as_deref().and_then(words::runbook);
    let at = times::of(body, "date").or_else(|| times::of(body, "last_updated"));
    if signal == Signal::Resolved {
        said.ended_at = at;
    }
    said.cut()
}

/// The words in brackets that a title begins with: `[P1] [Triggered on {host:web-1}] …`.
fn bracketed(title: &str) -> impl Iterator<Item = &str> {
    let end = title.len() - without_brackets(title).len();
    title[..end]
        .split(['[', ']'])
        .filter(|word| !word.trim().is_empty())
}

/// A title without the brackets in front of it, which change from the trigger to the recovery.
fn without_brackets(title: &str) -> &str {
    let mut rest = title.trim_start();
    while let Some(inside) = rest.strip_prefix('[')
        && let Some(end) = inside.find(']')
    {
        let after = inside[end + 1..].trim_start();
        if after.is_empty() {
            break;
        }
        rest = after;
    }
    rest
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::samples::{read_at, show, shown};
    use super::*;
    use crate::domain::catalog::SourceKind::Datadog;

    fn of(body: &Value) -> Alert {
        read_at(Datadog, body.to_string().as_bytes())
            .unwrap()
            .alerts
            .remove(0)
    }

    #[test]
    fn our_template_tells_a_trigger_and_its_recovery() {
        insta::assert_snapshot!(shown(Datadog, "datadog/triggered.json"), @r#"
        delivery 7311000000000000001
        Firing 5539481000000000001
          name checkout p99
          title checkout p99
          description p99 is 2.3 s. Runbook: https://runbooks.example.com/p99
          severity P1
          labels env="prod" monitor_id="4711" priority="P1" scope="env:prod" service="checkout" severity="P1" tags="monitor" transition="Triggered"
          runbook https://runbooks.example.com/p99
          dashboard https://p.datadoghq.com/snapshot/view/x.png
          origin https://app.datadoghq.com/monitors/4711
          from 2026-08-20T09:14:02Z
        "#);
        insta::assert_snapshot!(shown(Datadog, "datadog/recovered.json"), @r#"
        delivery 7311000000000000002
        Resolved 5539481000000000001
          name checkout p99
          title checkout p99
          description p99 is 0.3 s.
          severity P1
          labels env="prod" monitor_id="4711" priority="P1" scope="env:prod" service="checkout" severity="P1" tags="monitor" transition="Recovered"
          origin https://app.datadoghq.com/monitors/4711
          to 2026-08-20T10:14:02Z
        "#);
    }

    #[test]
    fn a_test_leaves_the_variables_as_they_are_written_and_they_are_blank() {
        insta::assert_snapshot!(shown(Datadog, "datadog/test.json"), @r"
        Firing webhook of Firebell
          name webhook of Firebell
          title webhook of Firebell
          description This is a test.
        ");
        let unfilled = read_at(Datadog, TEMPLATE.as_bytes());
        assert_eq!(
            show(unfilled),
            "malformed: the alert has nothing that tells it from others of the same source"
        );
        let mut price = json!(["$5", "$A b", "US$", "$", "$TAGS", "null", " $HOSTNAME "]);
        blank(&mut price);
        assert_eq!(price, json!(["$5", "$A b", "US$", "$", null, null, null]));
    }

    #[test]
    fn the_default_body_is_guessed_from_its_title() {
        insta::assert_snapshot!(shown(Datadog, "datadog/default.json"), @r#"
        delivery 7311000000000000001
        Firing checkout p99
          name checkout p99
          title checkout p99
          description %%%⏎p99 is 2.3 s⏎%%%
          labels event_type="metric_alert_monitor" guessed="true"
        "#);
        let recovered = of(
            &json!({"event_type": "x", "title": "[P1] [Recovered on {host:web-1}] checkout p99"}),
        );
        let triggered = of(
            &json!({"event_type": "x", "title": "[P1] [Triggered on {host:web-1}] checkout p99"}),
        );
        assert_eq!(recovered.signal, Signal::Resolved);
        assert_eq!(
            (triggered.signal, triggered.key),
            (Signal::Firing, recovered.key)
        );
        assert_eq!(triggered.severity.as_deref(), Some("P1"));
    }

    #[test]
    fn every_transition_is_known_and_a_reminder_begins_nothing() {
        let told = |transition: &str| {
            let alert = of(
                &json!({"v": 1, "transition": transition, "cycle": "c", "title": "t", "date": 1787217242000_i64}),
            );
            (
                alert.signal,
                alert.started_at.is_some(),
                alert.labels.get("state").cloned(),
            )
        };
        let no_data = Some("no_data".to_owned());
        assert_eq!(told("Triggered"), (Signal::Firing, true, None));
        assert_eq!(told("Re-Triggered"), (Signal::Firing, false, None));
        assert_eq!(told("Renotify"), (Signal::Firing, false, None));
        assert_eq!(told("Warn"), (Signal::Firing, false, None));
        assert_eq!(told("Re-Warn"), (Signal::Firing, false, None));
        assert_eq!(told("No Data"), (Signal::Firing, true, no_data.clone()));
        assert_eq!(told("Re-No Data"), (Signal::Firing, false, no_data));
        assert_eq!(told("Recovered"), (Signal::Resolved, false, None));
        assert_eq!(told("Warn Recovered"), (Signal::Resolved, false, None));
        let no_transition = |kind: &str| {
            of(&json!({"v": 1, "transition": "", "type": kind, "id": "1", "title": "t"})).signal
        };
        assert_eq!(no_transition("success"), Signal::Resolved);
        assert_eq!(no_transition("info"), Signal::Noted);
        assert_eq!(no_transition("error"), Signal::Firing);
    }

    #[test]
    fn brackets_go_and_a_title_stays() {
        assert_eq!(without_brackets("[P1] [Triggered] a [b]"), "a [b]");
        assert_eq!(without_brackets("[Triggered]"), "[Triggered]");
        assert_eq!(without_brackets("[Triggered a"), "[Triggered a");
        assert_eq!(without_brackets(""), "");
    }
}
