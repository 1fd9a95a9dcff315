//! The sections about alerts: who sends them, where each goes, and what keeps them back.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::faults::Level;
use super::reader::{Section, Value};
use super::references::Thing;
use super::sections::{each, own_id};
use super::values::*;
use crate::domain::catalog::*;
use crate::domain::form::WrongForm;
use crate::domain::terms::{ServiceId, SeverityId};

pub(super) fn alert_sources(root: &mut Section<'_>) -> Vec<AlertSource> {
    let mut shown: Vec<(SourceKind, String, std::ops::Range<usize>)> = Vec::new();
    each(root, "alert_sources", "[[alert_sources]]", |it| {
        let source = alert_source(it)?;
        let (Some(name), Some(value)) = (&source.secret_env, it.value("secret_env")) else {
            return Some(source);
        };
        let same = |(kind, env, _): &&(SourceKind, String, _)| *kind == source.kind && env == name;
        match shown.iter().find(same) {
            Some((kind, _, first)) if kind.is_known_by_secret() => {
                value.reading.faults.borrow_mut().push_pair(
                    Level::Error,
                    value.span(),
                    format!("two sources of the kind \"{kind}\" have the secret {name}: nothing tells them apart"),
                    "give each a secret of its own",
                    first.clone(),
                    "the same here",
                );
            }
            Some(_) | None => shown.push((source.kind, name.clone(), value.span())),
        }
        Some(source)
    })
}

fn alert_source(it: &mut Section<'_>) -> Option<AlertSource> {
    let id = own_id(it, Thing::AlertSource);
    let kind = it.required("kind", parsed);
    let secret_env = it.optional("secret_env", env_name);
    let topics = it.list("topics", |value| {
        value.parse(
            |text| match text.starts_with("arn:") && text.contains(":sns:") {
                true => Ok(text.to_owned()),
                false => Err(WrongForm::new(
                    format!("\"{text}\" is not the ARN of an SNS topic"),
                    "write it as \"arn:aws:sns:us-west-2:123456789012:alarms\"",
                )),
            },
        )
    });
    let require_v2 = it.optional("require_v2", flag).unwrap_or_default();
    let fields = it.optional("fields", |value| fields(value, kind));
    for key in ["topics", "require_v2"] {
        if let (Some(value), Some(kind)) = (it.value(key), kind)
            && kind != SourceKind::CloudwatchSns
        {
            let message =
                format!("a source of the kind \"{kind}\" has no `{key}`: that is Amazon SNS's");
            value.wrong(message, "leave it out, or write kind = \"cloudwatch-sns\"");
        }
    }
    if let (Some(SourceKind::CloudwatchSns), Some(value)) = (kind, it.value("topics"))
        && value.get().as_array().is_some_and(|list| list.is_empty())
    {
        let message = "this source listens to no topic: every alert will be refused";
        value.wrong(
            message,
            "list the ARN of each: [\"arn:aws:sns:us-west-2:123456789012:alarms\"]",
        );
    }
    // SNS signs what it sends, for the topics that are listed; everybody else must show a secret.
    let needed = match kind {
        Some(SourceKind::CloudwatchSns) => ["topics"].as_slice(),
        Some(
            SourceKind::Alertmanager
            | SourceKind::Grafana
            | SourceKind::CloudwatchEventbridge
            | SourceKind::Datadog
            | SourceKind::Pagerduty
            | SourceKind::Opsgenie
            | SourceKind::Sentry
            | SourceKind::Cloudevents
            | SourceKind::Generic,
        ) => ["secret_env"].as_slice(),
        None => &[],
    };
    if !needed.is_empty() && needed.iter().all(|key| it.value(key).is_none()) {
        let message = "nothing can prove who sends to this source: every alert will be refused";
        it.fault(Level::Warning, message, format!("add `{}`", needed[0]));
    }
    Some(AlertSource {
        id: id?,
        kind: kind?,
        secret_env,
        topics,
        require_v2,
        fields: fields.unwrap_or_default(),
    })
}

fn fields(value: Value<'_>, kind: Option<SourceKind>) -> Option<BTreeMap<AlertField, String>> {
    let mut it = value.table("fields")?;
    let known: Vec<SourceKind> = SourceKind::ALL
        .iter()
        .copied()
        .filter(|kind| kind.takes_fields())
        .collect();
    if let Some(kind) = kind
        && !known.contains(&kind)
    {
        let words: Vec<&str> = known.iter().map(|kind| kind.word()).collect();
        value.wrong(
            format!("a source of the kind \"{kind}\" takes no `fields`: what it sends is known"),
            format!("leave them out, or use the kind {}", words.join(", ")),
        );
        return None;
    }
    let read = |field: &AlertField| Some((*field, it.optional(field.word(), expression)?));
    let fields = AlertField::ALL.iter().filter_map(read).collect();
    it.close();
    Some(fields)
}

pub(super) fn heartbeat(it: &mut Section<'_>) -> Option<Heartbeat> {
    let id = it.required("id", |value| {
        let id = word(value)?;
        let span = Some(value.span());
        value.reading.define(Thing::Heartbeat, &id, span);
        Some(id)
    });
    let source = it.required("source", reference(Thing::AlertSource));
    let every = it.required("every", length_of_time);
    let severity = it.optional("severity", word);
    let matches = it.optional("match", matches);
    Some(Heartbeat {
        id: id?,
        source: source?,
        every: every?,
        severity,
        matches: matches.unwrap_or_default(),
    })
}

/// What an alert must carry, by label.
fn matches(value: Value<'_>) -> Option<BTreeMap<String, Matcher>> {
    let table = value.table(value.key)?;
    let read = |(key, value): (&str, Value<'_>)| {
        let matcher = matcher(value)?;
        if let (Matcher::Equal(id), "source") = (&matcher, key) {
            let span = value.span();
            value
                .reading
                .name(Thing::AlertSource, id, span, Level::Error);
        }
        Some((key.to_owned(), matcher))
    };
    Some(table.entries().into_iter().filter_map(read).collect())
}

pub(super) fn routes(root: &mut Section<'_>) -> Vec<Route> {
    // The first route that takes every alert; once it was told that the next is in vain, nobody needs to hear of the others.
    let mut takes_all: Option<std::ops::Range<usize>> = None;
    let mut is_told = false;
    each(root, "routes", "[[routes]]", |it| {
        if let (Some(first), false) = (&takes_all, is_told) {
            is_told = true;
            it.reading.faults.borrow_mut().push_pair(
                Level::Warning,
                it.span(),
                "no alert comes to this route: one above takes every alert".to_owned(),
                "put the route without `match` last",
                first.clone(),
                "this one",
            );
        }
        let route = route(it)?;
        let matches = it.value("match").and_then(|value| value.get().as_table());
        if matches.is_none_or(|it| it.is_empty()) && takes_all.is_none() {
            takes_all = Some(it.span());
        }
        Some(route)
    })
}

fn route(it: &mut Section<'_>) -> Option<Route> {
    let route = Route {
        matches: it.optional("match", matches).unwrap_or_default(),
        service: it.optional("service", chosen(Thing::Service, ServiceId::new)),
        severity: it.optional("severity", chosen(Thing::Severity, SeverityId::new)),
        group_by: it.list("group_by", word),
        channel: it.optional("channel", channel),
        join: it.optional("join", length_of_time),
        escalation_policy: it.optional("escalation_policy", reference(Thing::EscalationPolicy)),
        then: it.required("then", parsed)?,
    };
    if let Some(value) = it.value("escalation_policy")
        && route.then != Then::Declare
    {
        let message = format!("nobody is paged with `then = \"{}\"`", route.then);
        value.doubtful(
            message,
            "leave `escalation_policy` out, or write then = \"declare\"",
        );
    }
    if let Some(value) = it.value("join") {
        if route.then != Then::Declare {
            let message = format!("nothing joins an incident with `then = \"{}\"`", route.then);
            value.doubtful(message, "leave `join` out, or write then = \"declare\"");
        } else if route.service.is_none() {
            let message = "without a `service` there is no incident to join";
            value.doubtful(
                message,
                "add `service`: an incident of the same service is joined",
            );
        }
    }
    Some(route)
}

pub(super) fn alerts(root: &mut Section<'_>) -> Alerts {
    let default = Alerts::default();
    let Some(mut it) = root.section("alerts", "[alerts]") else {
        return default;
    };
    let alerts = Alerts {
        quieted_by_incidents: it
            .optional("quieted_by_incidents", flag)
            .unwrap_or(default.quieted_by_incidents),
        flapping: it
            .optional("flapping", flapping)
            .unwrap_or(default.flapping),
        cut_off: it.optional("cut_off", cut_off).unwrap_or(default.cut_off),
        retention: it
            .optional("retention", length_of_time)
            .unwrap_or(default.retention),
    };
    it.close();
    alerts
}

pub(super) fn inhibition(it: &mut Section<'_>) -> Option<Inhibition> {
    let name = it.required("name", text);
    let some = |what: &'static str| {
        move |value: Value<'_>| {
            let matches = matches(value)?;
            if matches.is_empty() && value.table(value.key)?.entries().is_empty() {
                value.wrong(
                    format!("`{}` is empty: {what}", value.key),
                    "write what they carry: { severity = \"critical\" }",
                );
                return None;
            }
            Some(matches)
        }
    };
    let when = it.required("when", some("every alert would quiet others"));
    let quiets = it.required("quiets", some("every alert would be quieted"));
    let inhibition = Inhibition {
        equal: it.list("equal", word),
        name: name?,
        when: when?,
        quiets: quiets?,
    };
    if inhibition.equal.is_empty() {
        let message = "an alert anywhere quiets those everywhere";
        it.fault(Level::Warning, message, "add `equal = [\"service\"]`");
    }
    Some(inhibition)
}

fn cut_off(value: Value<'_>) -> Option<CutOffAfter> {
    let mut it = value.table("cut_off")?;
    let incidents = it.required("incidents", |value| {
        let incidents = count(value)?;
        if incidents == 0 {
            let message = "no alert would ever declare an incident";
            value.wrong(message, "write 1 or more: the first is always declared");
            return None;
        }
        Some(incidents)
    });
    let within = it.required("within", length_of_time);
    it.close();
    Some(CutOffAfter {
        incidents: incidents?,
        within: within?,
    })
}

/// `{ changes = 6, within = "30m" }`, or `"off"`.
fn flapping(value: Value<'_>) -> Option<Flapping> {
    if let DeValue::String(_) = value.get() {
        return value.parse(|word| match word {
            "off" => Ok(Flapping::NEVER),
            _ => Err(WrongForm::new(
                format!("\"{word}\" does not say when an alert flaps"),
                "write `{ changes = 6, within = \"30m\" }`, or \"off\"",
            )),
        });
    }
    let mut it = value.table("flapping")?;
    let turns = it.required("changes", |value| {
        let changes = count(value)?;
        if changes < 2 {
            let message = "whatever begins would be flapping";
            value.wrong(message, "write 2 or more: a beginning and an end");
            return None;
        }
        Some(changes)
    });
    let within = it.required("within", length_of_time);
    it.close();
    Some(Flapping {
        turns: turns?,
        within: within?,
    })
}

pub(super) fn maintenance(
    it: &mut Section<'_>,
    organization: &Organization,
) -> Option<Maintenance> {
    let name = it.required("name", text);
    let maintenance = Maintenance {
        matches: it.optional("match", matches).unwrap_or_default(),
        service: it
            .optional("service", reference(Thing::Service))
            .map(ServiceId::new),
        from: it.optional("from", local_time),
        to: it.optional("to", local_time),
        every: it.optional("every", parsed),
        timezone: it
            .optional("timezone", timezone)
            .unwrap_or_else(|| organization.timezone.clone()),
        name: name?,
    };
    if let (Some(begin), Some(end), Some(value)) =
        (maintenance.from, maintenance.to, it.value("to"))
        && begin >= end
    {
        let message = "this maintenance ends before it begins";
        value.wrong(message, "`to` must be later than `from`");
    }
    if it.value("every").is_none() && it.value("to").is_none() {
        let message = "this maintenance would never end";
        let help = "add `from` and `to`, or `every = \"Sun 02:00-04:00\"`";
        it.fault(Level::Error, message, help);
    }
    if maintenance.matches.is_empty() && it.value("service").is_none() {
        let message = "while this maintenance holds nobody is told of any alert";
        it.fault(Level::Warning, message, "add `service` or `match`");
    }
    Some(maintenance)
}
