//! The whole file, and the sections about incidents: one function for one section, one line for one key.

use super::faults::Level;
use super::intake::{alert_sources, alerts, heartbeat, inhibition, maintenance, routes};
use super::people::{escalation_policy, notifications, people, schedule};
use super::reach::Places;
use super::reader::{Section, Value};
use super::references::Thing;
use super::runbook::{action, change_freeze, check, checklist};
use super::values::*;
use crate::domain::catalog::*;
use crate::domain::escalation::Target;
use crate::domain::terms::{ServiceId, SeverityId};

/// The whole file. What is wrong is noted; only if nothing is, the catalog is what the file says.
pub fn catalog(mut root: Section<'_>) -> (Catalog, Places) {
    let mut places = Places::default();
    let organization = organization(&mut root);
    let notifications = notifications(&mut root);
    let catalog = Catalog {
        slack: slack(&mut root),
        incidents: incidents(&mut root),
        severities: severities(&mut root, &mut places),
        people: people(&mut root, &notifications),
        services: each(&mut root, "services", "[[services]]", service),
        schedules: each(&mut root, "schedules", "[[schedules]]", |it| {
            schedule(it, &organization)
        }),
        escalation_policies: each(
            &mut root,
            "escalation_policies",
            "[[escalation_policies]]",
            |it| escalation_policy(it, &notifications, &mut places),
        ),
        alert_sources: alert_sources(&mut root),
        heartbeats: each(&mut root, "heartbeats", "[[heartbeats]]", heartbeat),
        routes: routes(&mut root),
        maintenance: each(&mut root, "maintenance", "[[maintenance]]", |it| {
            maintenance(it, &organization)
        }),
        inhibitions: each(&mut root, "inhibitions", "[[inhibitions]]", inhibition),
        alerts: alerts(&mut root),
        actions: each(&mut root, "actions", "[[actions]]", action),
        checks: each(&mut root, "checks", "[[checks]]", check),
        checklists: each(&mut root, "checklists", "[[checklists]]", checklist),
        change_freezes: each(
            &mut root,
            "change_freezes",
            "[[change_freezes]]",
            change_freeze,
        ),
        audit: audit(&mut root),
        notifications,
        organization,
    };
    root.close();
    (catalog, places)
}

/// The entries of a list of tables. An entry that lacks what it needs is left out; that it does is noted.
pub(super) fn each<'r, T>(
    root: &mut Section<'r>,
    key: &'static str,
    label: &str,
    mut read: impl FnMut(&mut Section<'r>) -> Option<T>,
) -> Vec<T> {
    let tables = root.tables(key, label).unwrap_or_default();
    let read = |mut table: Section<'r>| {
        let entry = read(&mut table);
        table.close();
        entry
    };
    tables.into_iter().filter_map(read).collect()
}

/// The id of an entry, which is defined by it.
pub fn own_id(it: &mut Section<'_>, thing: Thing) -> Option<String> {
    it.required("id", |value| {
        let id = id(value)?;
        value.reading.define(thing, &id, Some(value.span()));
        Some(id)
    })
}

fn organization(root: &mut Section<'_>) -> Organization {
    let default = Organization::default();
    let Some(mut it) = root.section("organization", "[organization]") else {
        return default;
    };
    let organization = Organization {
        name: it.optional("name", text).unwrap_or(default.name),
        timezone: it
            .optional("timezone", timezone)
            .unwrap_or(default.timezone),
    };
    it.close();
    organization
}

fn slack(root: &mut Section<'_>) -> Slack {
    let default = Slack::default();
    let Some(mut it) = root.section("slack", "[slack]") else {
        return default;
    };
    let slack = Slack {
        announce: it.optional("announce", channel).unwrap_or(default.announce),
        bridge: it.optional("bridge", url),
        command: it
            .optional("command", slash_command)
            .unwrap_or(default.command),
        messages_per_minute: it
            .optional("messages_per_minute", rate)
            .unwrap_or(default.messages_per_minute),
    };
    it.close();
    slack
}

fn audit(root: &mut Section<'_>) -> Audit {
    let Some(mut it) = root.section("audit", "[audit]") else {
        return Audit::default();
    };
    let audit = Audit {
        heartbeat_url_env: it.optional("heartbeat_url_env", env_name),
    };
    it.close();
    audit
}

fn incidents(root: &mut Section<'_>) -> Incidents {
    let default = Incidents::default();
    let Some(mut it) = root.section("incidents", "[incidents]") else {
        return default;
    };
    let incidents = Incidents {
        id: it.optional("id", id_pattern).unwrap_or(default.id),
        channel: it
            .optional("channel", channel_pattern)
            .unwrap_or(default.channel),
        retention: it
            .optional("retention", parsed)
            .unwrap_or(default.retention),
    };
    it.close();
    incidents
}

fn severities(root: &mut Section<'_>, places: &mut Places) -> Vec<Severity> {
    if root.value("severities").is_none() {
        let defaults = Severity::defaults();
        for severity in &defaults {
            let id = severity.id.as_str();
            root.reading.define(Thing::Severity, id, None);
        }
        return defaults;
    }
    if let Some(value) = root.value("severities")
        && value.get().as_array().is_some_and(|list| list.is_empty())
    {
        let help = "leave it out for P1 to P4, or begin one with [[severities]]";
        value.wrong("there is no severity", help);
    }
    let mut words = Words::default();
    each(root, "severities", "[[severities]]", |it| {
        let severity = severity(it, &mut words)?;
        let within = it.value("acknowledge_within").map(Value::span);
        let id = severity.id.clone();
        places
            .acknowledge_within
            .extend(within.map(|span| (id, span)));
        Some(severity)
    })
}

/// The words for severities that are taken, in lower case, with their place and whose they are.
#[derive(Default)]
struct Words {
    taken: Vec<(String, std::ops::Range<usize>, String)>,
}

impl Words {
    /// Notes a word for a severity; complains if it means another one already.
    fn take(&mut self, word: &str, value: Value<'_>, severity: &str) {
        let lower = word.to_lowercase();
        let taken = self.taken.iter().find(|(taken, _, _)| *taken == lower);
        match taken {
            Some((_, first, owner)) if owner != severity => {
                value.reading.faults.borrow_mut().push_pair(
                    Level::Error,
                    value.span(),
                    format!("\"{word}\" means two severities, `{owner}` and `{severity}`"),
                    "take it away from one of them",
                    first.clone(),
                    "means another one here",
                );
            }
            Some(_) => {}
            None => self.taken.push((lower, value.span(), severity.to_owned())),
        }
    }
}

fn severity(it: &mut Section<'_>, words: &mut Words) -> Option<Severity> {
    let id = own_id(it, Thing::Severity);
    let owner = id.as_deref().unwrap_or("?");
    if let (Some(value), Some(id)) = (it.value("id"), &id) {
        words.take(id, value, owner);
    }
    let severity = Severity {
        name: it.required("name", text).unwrap_or_default(),
        aliases: it.list("aliases", |value| {
            let alias = word(value)?;
            words.take(&alias, value, owner);
            Some(alias)
        }),
        description: it.optional("description", any_text).unwrap_or_default(),
        acknowledge_within: it.optional("acknowledge_within", positive_duration),
        update_every: it.optional("update_every", positive_duration),
        postmortem_within: it.optional("postmortem_within", positive_duration),
        escalation_policy: it.optional("escalation_policy", reference(Thing::EscalationPolicy)),
        invite: it.list("invite", |value| {
            let target = target(value)?;
            if let Target::Channel(name) = &target {
                let message = format!("#{name} cannot be invited: a channel is nobody");
                value.doubtful(
                    message,
                    "name people: person:ID, schedule:ID, role:NAME or usergroup:HANDLE",
                );
            }
            Some(target)
        }),
        checklists: it.list("checklists", reference(Thing::Checklist)),
        stakeholders: it.list("stakeholders", email),
        war_room: it.optional("war_room", flag).unwrap_or(true),
        id: SeverityId::new(owner),
    };
    id.map(|_| severity)
}

fn service(it: &mut Section<'_>) -> Option<Service> {
    let id = own_id(it, Thing::Service);
    let name = it.optional("name", text);
    let service = Service {
        owner: it.optional("owner", target),
        escalation_policy: it.optional("escalation_policy", reference(Thing::EscalationPolicy)),
        links: it.optional("links", links).unwrap_or_default(),
        runbooks: it.list("runbooks", text),
        name: name.or_else(|| id.clone())?,
        id: ServiceId::new(id?),
    };
    Some(service)
}
