//! Sentry's integration platform: rules on errors, metric alerts, and what becomes of issues.
//!
//! Source: Sentry docs, "Integration platform", "Webhooks" (a page for each resource). How it signs is in
//! [`super::proof`].
//!
//! A rule on errors never says that it is over: the resource `issue` does, so both must be subscribed to. An issue that
//! was made or has come back is only noted there: whether that is an alert is what the rules are for.

use serde_json::Value;

use super::said::Said;
use super::{Malformed, Sent, Told, json, times};
use crate::domain::alert::Signal;

/// The header that says what a hook is about.
pub(super) const RESOURCE: &str = "sentry-hook-resource";
/// The header that tells a hook from every other.
const REQUEST_ID: &str = "request-id";

/// Reads a hook.
pub(super) fn read(sent: &Sent<'_>) -> Result<Told, Malformed> {
    let hook = json::object(sent.body)?;
    let header = |name: &str| sent.headers.get(name).and_then(|it| it.to_str().ok());
    let action = json::text(&hook, "action").unwrap_or_default();
    let data = hook.get("data").unwrap_or(&Value::Null);
    let of = |name: &str| {
        data.get(name)
            .filter(|it| it.is_object())
            .ok_or_else(|| Malformed::new(format!("the hook has no `data.{name}`")))
    };
    let said = match header(RESOURCE).or_else(|| resource(data)) {
        Some("event_alert") => Some(event_alert(data, of("event")?)?),
        Some("error") => Some(event_alert(data, of("error")?)?),
        Some("metric_alert") => Some(metric_alert(data, of("metric_alert")?, &action)?),
        Some("issue") => Some(issue(of("issue")?, &action)?),
        // Installations, comments, and whatever else one may subscribe to.
        Some(_) => None,
        None => {
            return Err(Malformed::new(
                "the hook has neither a header `Sentry-Hook-Resource` nor data that we know",
            ));
        }
    };
    let told = match said {
        Some(said) => Told::one(said.cut()?),
        None => Told::nothing(),
    };
    Ok(told.delivered_as(header(REQUEST_ID)))
}

/// What a hook without the header is about.
fn resource(data: &Value) -> Option<&'static str> {
    let has = |name: &&str| data.get(*name).is_some();
    match ["event", "metric_alert", "issue", "error"]
        .iter()
        .find(|name| has(name))?
    {
        &"event" => Some("event_alert"),
        name => Some(name),
    }
}

/// An event that a rule has picked, or each one. Its time is not that of the beginning: the same issue comes again with
/// every event that the rule picks.
fn event_alert(data: &Value, event: &Value) -> Result<Said, Malformed> {
    let key = json::first(event, &["issue_id", "groupID", "event_id"])
        .ok_or_else(|| Malformed::new("the event has neither an issue nor an id"))?;
    let title = json::first(event, &["title", "message"]).unwrap_or_default();
    let mut said = Said::new(key, Signal::Firing, title);
    let rule = json::text(data, "triggered_rule");
    said.name = rule.clone().unwrap_or_default();
    said.description = json::text(event, "culprit");
    said.severity = json::text(event, "level");
    said.labels = json::labels(event.get("tags"));
    for name in ["culprit", "platform", "project", "level"] {
        said.label(name, json::text(event, name));
    }
    said.label("rule", rule);
    said.links.origin = json::text(event, "web_url");
    Ok(said)
}

/// A metric alert, in each of its turns; `date_started` is the same in all of them.
fn metric_alert(data: &Value, alert: &Value, action: &str) -> Result<Said, Malformed> {
    let key = json::first(alert, &["identifier", "id"])
        .ok_or_else(|| Malformed::new("the metric alert has neither an identifier nor an id"))?;
    let signal = match action {
        "critical" | "warning" => Signal::Firing,
        "resolved" => Signal::Resolved,
        _ => Signal::Noted,
    };
    let name = json::text(alert, "title").unwrap_or_default();
    let title = json::text(data, "description_title").unwrap_or_else(|| name.clone());
    // An issue's number is none of a metric alert.
    let mut said = Said::new(format!("metric_alert {key}"), signal, title);
    said.description = json::text(data, "description_text");
    said.severity = matches!(signal, Signal::Firing).then(|| action.to_owned());
    said.started_at =
        times::of(alert, "date_started").or_else(|| times::of(alert, "date_detected"));
    if signal == Signal::Resolved {
        said.ended_at = times::of(alert, "date_closed");
    }
    said.links.origin = json::text(data, "web_url");
    let rule = alert.get("alert_rule").unwrap_or(&Value::Null);
    said.label(
        "rule",
        json::text(rule, "name").or_else(|| Some(name.clone())),
    );
    for label in ["environment", "dataset", "aggregate"] {
        said.label(label, json::text(rule, label));
    }
    let projects: Vec<String> = json::list(alert, "projects")
        .iter()
        .filter_map(json::plain)
        .collect();
    said.label("project", Some(projects.join(",")));
    said.name = name;
    Ok(said)
}

/// What has become of an issue.
fn issue(issue: &Value, action: &str) -> Result<Said, Malformed> {
    let key = json::text(issue, "id").ok_or_else(|| Malformed::new("the issue has no id"))?;
    let signal = match action {
        // Archived: somebody has decided that it is no matter.
        "resolved" | "archived" | "ignored" => Signal::Resolved,
        "assigned" => Signal::Acknowledged,
        _ => Signal::Noted,
    };
    let title = json::first(issue, &["title", "shortId"]).unwrap_or_default();
    let mut said = Said::new(key, signal, title);
    said.description = json::text(issue, "culprit");
    said.severity = json::text(issue, "level");
    for name in ["shortId", "platform", "status", "level"] {
        said.label(name, json::text(issue, name));
    }
    let project = issue.get("project").unwrap_or(&Value::Null);
    said.label("project", json::text(project, "slug"));
    said.links.origin = json::first(issue, &["web_url", "permalink"]);
    Ok(said)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::samples::{read_at, sample, show, shown, source, with};
    use super::*;
    use crate::domain::catalog::SourceKind::Sentry;

    fn hook(resource: &str, name: &str) -> String {
        let headers = [(RESOURCE, resource), (REQUEST_ID, "r-1")];
        show(with(&source(Sentry), &headers, &sample(name), read))
    }

    #[test]
    fn a_rule_on_errors_fires_for_its_issue() {
        insta::assert_snapshot!(hook("event_alert", "sentry/event-alert.json"), @r#"
        delivery r-1
        Firing 1170820242
          name Very Important Alert Rule
          title TypeError: x is undefined
          description checkout/pay
          severity error
          labels culprit="checkout/pay" level="error" platform="python" project="1" release="412" rule="Very Important Alert Rule" severity="error"
          origin https://sentry.io/organizations/acme/issues/1170820242/events/e487/
        "#);
    }

    #[test]
    fn the_issue_is_resolved_by_another_hook() {
        insta::assert_snapshot!(hook("issue", "sentry/issue-resolved.json"), @r#"
        delivery r-1
        Resolved 1170820242
          name TypeError: x is undefined
          title TypeError: x is undefined
          description checkout/pay
          severity error
          labels level="error" platform="python" project="web" severity="error" shortId="WEB-4K" status="resolved"
          origin https://sentry.io/organizations/acme/issues/1170820242/
        "#);
    }

    #[test]
    fn a_metric_alert_says_itself_that_it_is_over() {
        insta::assert_snapshot!(hook("metric_alert", "sentry/metric-critical.json"), @r#"
        delivery r-1
        Firing metric_alert 4
          name High error rate
          title Critical: High error rate
          description 1000 events in the last 10 minutes
          severity critical
          labels aggregate="count()" dataset="events" environment="prod" project="web" rule="High error rate" severity="critical"
          origin https://sentry.io/organizations/acme/alerts/4/
          from 2026-08-20T09:10:00Z
        "#);
        insta::assert_snapshot!(hook("metric_alert", "sentry/metric-resolved.json"), @r#"
        delivery r-1
        Resolved metric_alert 4
          name High error rate
          title Resolved: High error rate
          description 1000 events in the last 10 minutes
          labels aggregate="count()" dataset="events" environment="prod" project="web" rule="High error rate"
          origin https://sentry.io/organizations/acme/alerts/4/
          from 2026-08-20T09:10:00Z
          to 2026-08-20T09:40:00Z
        "#);
    }

    #[test]
    fn an_error_fires_for_its_issue_too() {
        insta::assert_snapshot!(hook("error", "sentry/error.json"), @r#"
        delivery r-1
        Firing 1170820243
          name OutOfMemory
          title OutOfMemory
          description pay
          severity fatal
          labels culprit="pay" level="fatal" platform="java" project="1" severity="fatal"
          origin https://sentry.io/organizations/acme/issues/1170820243/
        "#);
    }

    #[test]
    fn what_else_becomes_of_an_issue() {
        let signal = |action: &str| {
            let body =
                json!({"action": action, "data": {"issue": {"id": "1", "title": "t"}}}).to_string();
            read_at(Sentry, body.as_bytes()).unwrap().alerts[0].signal
        };
        assert_eq!(signal("created"), Signal::Noted);
        assert_eq!(signal("unresolved"), Signal::Noted);
        assert_eq!(signal("assigned"), Signal::Acknowledged);
        assert_eq!(signal("archived"), Signal::Resolved);
    }

    #[test]
    fn an_installation_says_nothing_and_without_a_header_the_data_tells_what_it_is() {
        assert_eq!(
            hook("installation", "sentry/event-alert.json"),
            "delivery r-1"
        );
        let without = shown(Sentry, "sentry/event-alert.json");
        assert_eq!(
            format!("delivery r-1\n{without}"),
            hook("event_alert", "sentry/event-alert.json")
        );
        assert!(
            read_at(Sentry, b"{}")
                .unwrap_err()
                .reason
                .contains("Sentry-Hook-Resource")
        );
        assert_eq!(
            hook("issue", "sentry/event-alert.json"),
            "malformed: the hook has no `data.issue`"
        );
        let nameless: Value = json!({"data": {"event": {}}});
        assert!(read_at(Sentry, nameless.to_string().as_bytes()).is_err());
    }
}
