//! Whereabouts: the labels by which people find the place of an alert, and tell the alerts of a group apart.

use std::collections::BTreeMap;

use super::alert::Alert;
use super::form::{one_line, shorten};
use super::group::Routed;

/// Labels of an alert that are remembered for that.
const KEPT: usize = 6;
/// Characters of a value that are: a pod's name, and most of a load balancer's.
const VALUE: usize = 60;
/// Labels that are shown of one alert, and of all of them.
const SHOWN: usize = 3;

/// What a sender calls the source of an alert, as the alert has it and as people are told of it.
const EXPORTED: &str = "exported_source";
const SOURCE: &str = "source";

/// The labels that say where something is, the most telling first.
const PLACES: [&str; 26] = [
    "service",
    "instance",
    "pod",
    "host",
    "hostname",
    "node",
    SOURCE,
    "container",
    "device",
    "mountpoint",
    "namespace",
    "deployment",
    "cluster",
    "zone",
    "availability_zone",
    "region",
    "env",
    "environment",
    "InstanceId",
    "DBInstanceIdentifier",
    "LoadBalancer",
    "FunctionName",
    "QueueName",
    "entity",
    "component",
    "job",
];

/// Labels that say what is wrong or how bad it is, or that senders make for themselves: no place, and no help to tell two
/// alerts apart.
const NO_PLACE: [&str; 24] = [
    "…",
    "action",
    "alertname",
    "client",
    "event_type",
    "guessed",
    "heartbeat",
    "level",
    "monitor",
    "monitor_id",
    "name",
    "priority",
    "prometheus",
    "rule",
    "scope",
    "severity",
    SOURCE,
    "state",
    "status",
    "tags",
    "team",
    "title",
    "transition",
    "user",
];

/// What is remembered of where an alert is: what its title and its group do not say already. Each stands in one line, so
/// that none can pass for a line of ours.
pub fn whereabouts(alert: &Alert, routed: &Routed) -> BTreeMap<String, String> {
    let service = routed.service.as_ref().map(|service| service.as_str());
    let said = |(label, value): &(&String, &String)| {
        NO_PLACE.contains(&label.as_str())
            || routed.values.contains_key(*label)
            // A name that no service has is told as it came.
            || (label.as_str() == "service" && service.is_some())
            || service == Some(value.as_str())
            || value.contains("://")
            || stands_in(&alert.title, value)
    };
    let told = alert.labels.iter().filter(|it| !said(it));
    let mut told: Vec<_> = told.map(|(label, value)| (called(label), value)).collect();
    told.sort_by_key(|(label, _)| place(label));
    let told = told.into_iter().take(KEPT);
    let cut = |text: &str| shorten(&one_line(text), VALUE);
    told.map(|(label, value)| (cut(label), cut(value)))
        .collect()
}

/// The most telling of these labels, without those that are told elsewhere: `pod=checkout-1, region=eu-1`. Labels that are
/// no known place are told only to tell alerts apart. None, if nothing is left.
pub fn told(
    labels: &BTreeMap<String, String>,
    elsewhere: Option<&BTreeMap<String, String>>,
) -> Option<String> {
    let is_told = |(label, value): &(&String, &String)| match elsewhere {
        Some(elsewhere) => elsewhere.get(*label) != Some(value),
        None => place(label) < PLACES.len(),
    };
    let mut told: Vec<_> = labels.iter().filter(is_told).collect();
    told.sort_by_key(|(label, _)| place(label));
    let told = told.into_iter().take(SHOWN);
    let told: Vec<_> = told
        .map(|(label, value)| format!("{label}={value}"))
        .collect();
    (!told.is_empty()).then(|| told.join(", "))
}

/// What people are told that a label is called.
fn called(label: &str) -> &str {
    match label {
        EXPORTED => SOURCE,
        other => other,
    }
}

fn place(label: &str) -> usize {
    let place = PLACES.iter().position(|known| *known == label);
    place.unwrap_or(PLACES.len())
}

/// Whether a value stands in a title, as a word or words of it.
fn stands_in(title: &str, value: &str) -> bool {
    let (title, value) = (title.to_lowercase(), value.to_lowercase());
    let ends = |rest: Option<char>| !rest.is_some_and(char::is_alphanumeric);
    !value.is_empty()
        && title.match_indices(&value).any(|(at, _)| {
            ends(title[..at].chars().next_back()) && ends(title[at + value.len()..].chars().next())
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::alert::{Links, Signal};
    use crate::domain::catalog::Then;
    use crate::domain::terms::{DedupKey, GroupId, ServiceId};

    fn routed() -> Routed {
        Routed {
            group: GroupId::new("grp-1"),
            then: Then::Notify,
            channel: None,
            service: Some(ServiceId::new("checkout")),
            severity: None,
            urgency: 0,
            values: [("cluster".to_owned(), "eu".to_owned())].into(),
            join: None,
            escalation_policy: None,
            suppressed_by: None,
            hold: None,
        }
    }

    fn of(title: &str, labels: &[(&str, &str)]) -> BTreeMap<String, String> {
        routed_as(&routed(), title, labels)
    }

    fn routed_as(
        routed: &Routed,
        title: &str,
        labels: &[(&str, &str)],
    ) -> BTreeMap<String, String> {
        let labels = labels.iter();
        let alert = Alert {
            key: DedupKey::new("k"),
            signal: Signal::Firing,
            name: "n".into(),
            title: title.into(),
            description: None,
            severity: None,
            labels: labels
                .map(|(label, value)| ((*label).to_owned(), (*value).to_owned()))
                .collect(),
            links: Links::default(),
            remark: None,
            started_at: None,
            ended_at: None,
            expires_at: None,
        };
        whereabouts(&alert, routed)
    }

    #[test]
    fn what_the_title_or_the_group_says_is_not_said_again() {
        let labels = of(
            "5xx on Pod-1 (eu-1)",
            &[
                ("alertname", "HighErr"),
                ("severity", "critical"),
                ("app", "checkout"),
                ("cluster", "eu"),
                ("pod", "pod-1"),
                ("region", "eu-1"),
                ("zone", "u"),
                ("runbook_url", "https://r.example"),
            ],
        );
        assert_eq!(told(&labels, None).as_deref(), Some("zone=u"));
    }

    #[test]
    fn a_label_is_one_line_whatever_ends_its_lines() {
        for end in ["\n", "\r\n", "\u{2028}", "\u{2029}", "\u{85}", "\u{b}"] {
            let labels = of("slow", &[("pod", &format!(" a{end}{end}*Over* "))]);
            assert_eq!(told(&labels, None).as_deref(), Some("pod=a *Over*"));
        }
    }

    #[test]
    fn a_service_that_nobody_knows_is_told_as_the_alert_names_it() {
        let labels = [("service", "ledger"), ("pod", "ledger-1")];
        assert_eq!(
            told(&of("slow", &labels), None).as_deref(),
            Some("pod=ledger-1")
        );
        let unknown = Routed {
            service: None,
            ..routed()
        };
        assert_eq!(
            told(&routed_as(&unknown, "slow", &labels), None).as_deref(),
            Some("service=ledger, pod=ledger-1")
        );
    }

    #[test]
    fn what_the_sender_calls_the_source_is_a_place() {
        let labels = of("disk is full", &[("exported_source", "db-03.example.com")]);
        assert_eq!(
            told(&labels, None).as_deref(),
            Some("source=db-03.example.com")
        );
    }

    #[test]
    fn the_most_telling_labels_are_told_and_cut() {
        let long = "x".repeat(90);
        let labels = of(
            "slow",
            &[
                ("a", "1"),
                ("instance", &long),
                ("job", "api"),
                ("namespace", "shop"),
                ("region", "eu-1"),
            ],
        );
        let cut = "x".repeat(59) + "…";
        let wanted = format!("instance={cut}, namespace=shop, region=eu-1");
        assert_eq!(told(&labels, None), Some(wanted));
        // What all have in common is told once; whatever else differs tells them apart.
        let mut common = labels.clone();
        common.remove("a");
        common.insert("job".to_owned(), "other".to_owned());
        let apart = told(&labels, Some(&common));
        assert_eq!(apart.as_deref(), Some("job=api, a=1"));
        assert_eq!(told(&labels, Some(&labels)), None);
        assert_eq!(told(&of("slow", &[("a", "1")]), None), None);
    }
}
