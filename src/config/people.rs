//! The sections about people: who they are, when they are on call, who is called in which order, and by which ways.

use jiff::SignedDuration;

use super::faults::Level;
use super::reach::{PlaceOfPolicy, Places};
use super::reader::{Section, Value};
use super::references::Thing;
use super::sections::{each, own_id};
use super::values::*;
use crate::domain::catalog::*;
use crate::domain::escalation::{Channel, EscalationPolicy, Step, StopOn, Target};
use crate::domain::form::show_duration;
use crate::domain::oncall::{Rotation, Schedule};
use crate::domain::terms::PersonId;

pub(super) fn people(root: &mut Section<'_>, ways: &Notifications) -> Vec<Person> {
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

pub(super) fn schedule(it: &mut Section<'_>, organization: &Organization) -> Option<Schedule> {
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

pub(super) fn escalation_policy(
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

pub(super) fn notifications(root: &mut Section<'_>) -> Notifications {
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
