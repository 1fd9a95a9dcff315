//! Grafana's webhook contact point: Alertmanager's form with a `version` of "1" and more addresses, or a payload of the
//! user's own making.
//!
//! Sources: Grafana docs, "Configure the webhook notifier"; grafana/alerting `receivers/webhook/v1`. How it signs is in
//! [`super::proof`].

use serde_json::Value;

use super::said::Said;
use super::{Malformed, Sent, Told, alertmanager, generic, json};
use crate::domain::alert::Alert;

/// Reads a notification; one that has no `alerts`, or a source that has `fields`, as [`generic`] does.
///
/// As with Alertmanager no delivery is told from another. `state` is an older word for what `status` says.
pub(super) fn read(sent: &Sent<'_>) -> Result<Told, Malformed> {
    let body = json::parse(sent.body)?;
    match body.get("alerts").and_then(Value::as_array) {
        Some(alerts) if sent.source.fields.is_empty() => Told::all(alerts.iter().map(one)),
        Some(_) | None => generic::read_body(sent, &body),
    }
}

/// What Grafana calls its own alerts of rules that have no data or cannot be worked out, and the word for a route. They
/// are alerts like others: the rule says what is to come of them (`NoData` → Alerting, OK, keep the last state).
const OF_THE_RULE: [(&str, &str, &str); 2] = [
    ("DatasourceNoData", "no_data", "No data"),
    ("DatasourceError", "error", "Error"),
];

fn one(alert: &Value) -> Result<Alert, Malformed> {
    let mut said = alertmanager::grouped(alert)?;
    let address = |name: &str| json::text(alert, name);
    said.links.silence = address("silenceURL");
    said.links.dashboard = address("panelURL")
        .or_else(|| address("dashboardURL"))
        .or(said.links.dashboard);
    if let Some(values) = values(alert) {
        said.description = Some(match said.description {
            Some(description) => format!("{description}\n\n{values}"),
            None => values,
        });
    }
    of_the_rule(&mut said);
    said.cut()
}

fn of_the_rule(said: &mut Said) {
    let Some((alertname, state, words)) = OF_THE_RULE.iter().find(|(name, ..)| said.name == *name)
    else {
        return;
    };
    if !said.labels.contains_key("state") {
        said.label("state", Some(*state));
    }
    if let Some(rule) = said.labels.get("rulename") {
        said.name = rule.clone();
        if said.title == *alertname {
            said.title = format!("{words}: {rule}");
        }
    }
}

/// What the rule has worked out: `A = 2.3, C = 1`.
fn values(alert: &Value) -> Option<String> {
    let values = json::labels(alert.get("values").filter(|values| values.is_object()));
    let each: Vec<String> = values
        .iter()
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    (!each.is_empty()).then(|| each.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::samples::{read_at, sample, show, shown, source, with};
    use super::*;
    use crate::domain::catalog::SourceKind::Grafana;
    use crate::domain::catalog::{AlertField, AlertSource};

    #[test]
    fn a_notification_tells_each_alert_of_its_group() {
        insta::assert_snapshot!(shown(Grafana, "grafana/firing.json"), @r#"
        Firing 57c6d9296de2ad39
          name High latency
          title p99 2.3s
          description A = 2.3, C = 1
          severity warning
          labels alertname="High latency" grafana_folder="Checkout" severity="warning"
          silence https://grafana.example.com/alerting/silence/new?alertmanager=grafana&matcher=alertname%3DHigh+latency
          origin https://grafana.example.com/alerting/grafana/bdx7/view?orgId=1
          from 2026-08-20T09:20:00Z
        "#);
    }

    #[test]
    fn the_status_counts_whatever_the_state_says() {
        insta::assert_snapshot!(shown(Grafana, "grafana/resolved.json"), @r#"
        Resolved 57c6d9296de2ad39
          name High latency
          title p99 2.3s
          description of checkout
          severity warning
          labels alertname="High latency" severity="warning"
          dashboard https://grafana.example.com/d/abc?viewPanel=3
          origin https://grafana.example.com/alerting/grafana/bdx7/view
          from 2026-08-20T09:20:00Z
          to 2026-08-20T09:40:00Z
        "#);
    }

    #[test]
    fn no_data_and_an_error_can_be_matched_by_a_route() {
        insta::assert_snapshot!(shown(Grafana, "grafana/no-data.json"), @r#"
        Firing 1111111111111111
          name High latency
          title No data: High latency
          labels alertname="DatasourceNoData" datasource_uid="prom" ref_id="A" rulename="High latency" state="no_data"
          from 2026-08-20T09:20:00Z
        Firing 2222222222222222
          name DatasourceError
          title cannot ask prom
          labels alertname="DatasourceError" state="mine"
          from 2026-08-20T09:20:00Z
        "#);
    }

    #[test]
    fn a_payload_of_ones_own_is_read_as_any_json() {
        insta::assert_snapshot!(shown(Grafana, "grafana/custom.json"), @r#"
        Firing 6e9d852a3e15048ba65a0160da668f26dc44842291f30ececc9bd60bae9e5e3c
          name High latency
          title High latency
          severity P2
          labels service="checkout" severity="P2"
        "#);
        let mapped = AlertSource {
            fields: [(AlertField::Title, "body.commonLabels.alertname".to_owned())].into(),
            ..source(Grafana)
        };
        let told = with(&mapped, &[], &sample("grafana/firing.json"), read).unwrap();
        assert_eq!(told.alerts[0].title, "High latency");
    }

    #[test]
    fn what_is_neither_is_malformed() {
        assert!(read_at(Grafana, b"{}").is_err());
        assert!(read_at(Grafana, br#"{"alerts":[7]}"#).is_err());
        assert_eq!(show(read_at(Grafana, br#"{"alerts":[]}"#)), "nothing");
    }
}
