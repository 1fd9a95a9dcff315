//! What each section of the file holds: one function for one section, one line for one key.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use toml::de::DeValue;

use super::faults::Level;
use super::reach::{PlaceOfPolicy, Places};
use super::reader::{Section, Value};
use super::references::Thing;
use super::runbook::{action, change_freeze, check, checklist};
use super::values::*;
use crate::domain::catalog::*;
use crate::domain::escalation::{Channel, EscalationPolicy, Step, StopOn, Target};
use crate::domain::form::{WrongForm, show_duration};
use crate::domain::oncall::{Rotation, Schedule};
use crate::domain::terms::{PersonId, ServiceId, SeverityId};

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
fn each<'r, T>(
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

fn people(root: &mut Section<'_>, ways: &Notifications) -> Vec<Person> {
    let mut seen = Seen::default();
    each(root, "people", "[[people]]", |it| {
        let person = person(it, ways);
        for (key, level) in [
            // Two may be called the same; by what they are reached, two cannot be told apart.
            ("name", Level::Warning),
            ("email", Level::Error),
            ("slack", Level::Error),
        ] {
            if let Some(value) = it.value(key) {
                seen.see(key, level, value);
            }
        }
        person
    })
}

/// What people are known by, in lower case, with its place.
#[derive(Default)]
struct Seen(Vec<(&'static str, String, std::ops::Range<usize>)>);

impl Seen {
    /// Notes what somebody is known by; complains if somebody else is, too.
    fn see(&mut self, key: &'static str, level: Level, value: Value<'_>) {
        let Some(text) = value.get().as_str() else {
            return;
        };
        let lower = text.to_lowercase();
        let before = self.0.iter().find(|(of, it, _)| *of == key && *it == lower);
        let Some((_, _, first)) = before else {
            self.0.push((key, lower, value.span()));
            return;
        };
        value.reading.faults.borrow_mut().push_pair(
            level,
            value.span(),
            format!("two people have the {} \"{text}\"", word_for(key)),
            "say who is who, or take one of them out",
            first.clone(),
            "somebody else's here",
        );
    }
}

fn word_for(key: &str) -> &str {
    match key {
        "email" => "e-mail address",
        "slack" => "Slack name",
        key => key,
    }
}

fn person(it: &mut Section<'_>, ways: &Notifications) -> Option<Person> {
    let id = own_id(it, Thing::Person);
    let person = Person {
        name: it.required("name", text).unwrap_or_default(),
        slack: it.optional("slack", parsed),
        email: it.optional("email", email),
        phone: it.optional("phone", phone),
        timezone: it.optional("timezone", timezone),
        roles: it.list("roles", |value| {
            let role = word(value)?;
            value.reading.define(Thing::Role, &role, Some(value.span()));
            Some(role)
        }),
        contact: contact(it, ways),
        webhook_url_env: it.optional("webhook_url_env", env_name),
        id: PersonId::new(id?),
    };
    let reached_by = ["slack", "email", "phone", "webhook_url_env"];
    if reached_by.into_iter().all(|way| it.value(way).is_none()) {
        let message = format!("`{}` cannot be reached", person.id);
        it.fault(Level::Warning, message, "add `slack`, `email` or `phone`");
    }
    Some(person)
}

/// After how long a rule of contact is rather a slip: by then the policy has gone on to somebody else.
const LATE_CONTACT: SignedDuration = SignedDuration::from_hours(1);

/// How a person wishes to be reached, in the order of time.
fn contact(it: &mut Section<'_>, ways: &Notifications) -> Vec<ContactRule> {
    let has = |it: &mut Section<'_>, key| it.value(key).is_some();
    let (slack, email) = (has(it, "slack"), has(it, "email"));
    let (phone, address) = (has(it, "phone"), has(it, "webhook_url_env"));
    let mut taken: Vec<(Channel, std::ops::Range<usize>)> = Vec::new();
    let mut rules = it.list("contact", |value| {
        let mut rule = value.table("a rule of `contact`")?;
        let via = rule.required("via", |value| {
            let via: Channel = parsed(value)?;
            if let Some((_, first)) = taken.iter().find(|(it, _)| *it == via) {
                value.reading.faults.borrow_mut().push_pair(
                    Level::Error,
                    value.span(),
                    format!("\"{via}\" is in `contact` twice"),
                    "take one of them out",
                    first.clone(),
                    "here already",
                );
            }
            taken.push((via, value.span()));
            let lacks = match via {
                Channel::Slack => {
                    (!slack && !email).then_some("`slack`, or `email` by which Slack finds them")
                }
                Channel::Email => (!email).then_some("`email`"),
                Channel::Sms | Channel::Voice => (!phone).then_some("`phone`"),
                Channel::Webhook => None,
            };
            if let Some(lacks) = lacks {
                let message = format!("this person cannot be reached by \"{via}\"");
                value.wrong(message, format!("add {lacks}, or take the rule out"));
            } else if let Some(section) = ways.missing(via)
                && !(via == Channel::Webhook && address)
            {
                let message = format!("\"{via}\" is not set up: nothing will be sent by it");
                value.doubtful(message, format!("add {section}"));
            }
            Some(via)
        });
        let after = rule.required("after", |value| {
            let after = duration(value)?;
            if after > LATE_CONTACT {
                let message = "this is later than an hour after the page";
                value.doubtful(message, "a person is paged to act now: write \"5m\"");
            }
            Some(after)
        });
        rule.close();
        Some(ContactRule {
            via: via?,
            after: after?,
        })
    });
    rules.sort_by_key(|rule| rule.after);
    rules
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

fn schedule(it: &mut Section<'_>, organization: &Organization) -> Option<Schedule> {
    let id = own_id(it, Thing::Schedule);
    let name = it.optional("name", text);
    let timezone = it
        .optional("timezone", timezone)
        .unwrap_or_else(|| organization.timezone.clone());
    let fallback = it.optional("fallback", |value| match target(value)? {
        fallback @ (Target::Person(_) | Target::Role(_)) => Some(fallback),
        Target::Schedule(_) | Target::UserGroup(_) | Target::Channel(_) => {
            let help = "write person:ID or role:NAME";
            value.wrong("a fallback must be somebody who can be paged", help);
            None
        }
    });
    // Where somebody else is told in his place, a turn of somebody unknown is no reason not to ring at all.
    let unknown = match fallback {
        Some(_) => Level::Warning,
        None => Level::Error,
    };
    let ical_token_env = it.optional("ical_token_env", env_name);
    let ical_url_env = it.optional("ical_url_env", env_name);
    let usergroup = it.optional("usergroup", user_group);
    let rotations = it.tables("rotations", "[[schedules.rotations]]");
    let has_turns = rotations.as_ref().is_some_and(|it| !it.is_empty());
    if !has_turns && it.value("ical_url_env").is_none() && !it.reading.is_broken() {
        let message = "nobody is ever on call in this schedule";
        it.fault(
            Level::Warning,
            message,
            "begin a rotation with [[schedules.rotations]], or feed it from a calendar with ical_url_env",
        );
    }
    let rotations = rotations
        .unwrap_or_default()
        .into_iter()
        .filter_map(|mut table| {
            let rotation = rotation(&mut table, unknown);
            table.close();
            rotation
        })
        .collect();
    Some(Schedule {
        id: id?,
        name,
        timezone,
        rotations,
        fallback,
        ical_token_env,
        ical_url_env,
        usergroup,
    })
}

fn rotation(it: &mut Section<'_>, unknown: Level) -> Option<Rotation> {
    let participants = it.required_list("participants", |value| match parsed(value)? {
        Target::Person(id) => {
            let (name, span) = (id.as_str(), value.span());
            value.reading.name(Thing::Person, name, span, unknown);
            Some(id)
        }
        Target::Schedule(_) | Target::Role(_) | Target::UserGroup(_) | Target::Channel(_) => {
            value.wrong("only a person can take turns", "write person:ID");
            None
        }
    });
    let shift = it.required("shift", parsed);
    let handoff = it.required("handoff", local_time);
    let hours = it.optional("hours", parsed);
    Some(Rotation {
        participants,
        shift: shift?,
        handoff: handoff?,
        hours,
    })
}

fn escalation_policy(
    it: &mut Section<'_>,
    ways: &Notifications,
    places: &mut Places,
) -> Option<EscalationPolicy> {
    let id = own_id(it, Thing::EscalationPolicy);
    let mut latest = SignedDuration::ZERO;
    let mut notify = Vec::new();
    let policy = EscalationPolicy {
        steps: it.required_list("steps", |value| {
            let mut table = value.table("a step")?;
            let step = step(&mut table, &mut latest, ways);
            notify.extend(table.value("notify").map(Value::span));
            table.close();
            step
        }),
        repeat: it.optional("repeat", count).unwrap_or(0),
        repeat_after: it.optional("repeat_after", length_of_time),
        stop_on: it
            .optional("stop_on", parsed)
            .unwrap_or(StopOn::Acknowledged),
        ack_timeout: it.optional("ack_timeout", length_of_time),
        id: id?,
    };
    for (key, length) in [
        ("repeat_after", policy.repeat_after),
        ("ack_timeout", policy.ack_timeout),
    ] {
        if let Some(length) = length.filter(|it| *it < SHORT)
            && let Some(value) = it.value(key)
        {
            let message = format!(
                "`{key}` is {}: nobody can be that quick",
                show_duration(length)
            );
            value.doubtful(message, "write a minute at least: \"15m\"");
        }
    }
    if let Some(value) = it.value("id") {
        places.policies.push(PlaceOfPolicy {
            id: value.span(),
            notify,
        });
    }
    Some(policy)
}

fn step(it: &mut Section<'_>, latest: &mut SignedDuration, ways: &Notifications) -> Option<Step> {
    let after = it.required("after", |value| {
        let after = duration(value)?;
        if after < *latest {
            let message = "this step comes before the one above it";
            value.wrong(
                message,
                "`after` counts from the start of the escalation: put the steps in its order",
            );
        }
        *latest = after.max(*latest);
        Some(after)
    });
    let notify = it.required_list("notify", target);
    let via = it.list("via", |value| {
        let channel = parsed(value)?;
        if let Some(section) = ways.missing(channel) {
            let message = format!("\"{channel}\" is not set up: nothing will be sent by it");
            value.doubtful(message, format!("add {section}"));
        }
        Some(channel)
    });
    Some(Step {
        after: after?,
        notify,
        via,
    })
}

/// Shorter than this nobody answers: to be woken, to look, and to say so takes longer.
const SHORT: SignedDuration = SignedDuration::from_secs(60);

fn notifications(root: &mut Section<'_>) -> Notifications {
    let Some(mut it) = root.section("notifications", "[notifications]") else {
        return Notifications::default();
    };
    // A section with a fault in it is there all the same: that is told once, not at every step that uses it.
    let email = it.section("email", "[notifications.email]").map(|mut it| {
        let email = Email {
            smtp_url_env: it.required("smtp_url_env", env_name).unwrap_or_default(),
            from: it.required("from", sender).unwrap_or_default(),
        };
        it.close();
        email
    });
    let sms = it.section("sms", "[notifications.sms]").map(|mut it| {
        let sms = Sms {
            account_sid_env: it.required("account_sid_env", env_name).unwrap_or_default(),
            auth_token_env: it.required("auth_token_env", env_name).unwrap_or_default(),
            from: it.required("from", phone).unwrap_or_default(),
            base_url: it
                .optional("base_url", url)
                .map(|url| url.trim_end_matches('/').to_owned())
                .unwrap_or_else(|| TWILIO.to_owned()),
        };
        it.close();
        sms
    });
    let webhook = it
        .section("webhook", "[notifications.webhook]")
        .map(|mut it| {
            let webhook = Webhook {
                url_env: it.required("url_env", env_name).unwrap_or_default(),
                secret_env: it.optional("secret_env", env_name),
                token_env: it.optional("token_env", env_name),
                body: it.optional("body", page_template),
                content_type: it
                    .optional("content_type", header_value)
                    .unwrap_or_else(|| Webhook::JSON.to_owned()),
                headers: it.optional("headers", headers).unwrap_or_default(),
            };
            it.close();
            webhook
        });
    it.close();
    Notifications {
        email,
        sms,
        webhook,
    }
}

/// Where text messages and calls are ordered when nothing else is said.
const TWILIO: &str = "https://api.twilio.com";

fn alert_sources(root: &mut Section<'_>) -> Vec<AlertSource> {
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

fn heartbeat(it: &mut Section<'_>) -> Option<Heartbeat> {
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

fn routes(root: &mut Section<'_>) -> Vec<Route> {
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

fn alerts(root: &mut Section<'_>) -> Alerts {
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

fn inhibition(it: &mut Section<'_>) -> Option<Inhibition> {
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

fn maintenance(it: &mut Section<'_>, organization: &Organization) -> Option<Maintenance> {
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
