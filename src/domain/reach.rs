//! Whom a target may lead to, and where a way to somebody leads: what can be known before anybody is called.

use jiff::{SignedDuration, Timestamp};

use super::catalog::{Catalog, Person, SlackName};
use super::escalation::{Channel, EscalationPolicy, Step, Target};
use super::page::{Addressee, contacts};

/// Where a way to somebody leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// There: `+15550100`, `alice@company.com`, `U0ALICE001`.
    To(String),
    /// Nowhere: what the configuration lacks.
    Nowhere(String),
}

impl Address {
    /// Whether somebody is reached there.
    pub fn leads_somewhere(&self) -> bool {
        match self {
            Address::To(_) => true,
            Address::Nowhere(_) => false,
        }
    }
}

/// Where a way to somebody who is called leads, by this configuration.
pub fn address(to: &Addressee, via: Channel, catalog: &Catalog) -> Address {
    match to {
        Addressee::UserGroup { handle } => Address::To(format!("the user group @{handle}")),
        Addressee::Channel { name } => Address::To(format!("#{name}")),
        Addressee::Person { id, who } => match id.as_ref().and_then(|id| catalog.person(id)) {
            Some(person) => address_of(person, via, catalog),
            None => Address::To(format!("@{}", who.name)),
        },
    }
}

fn address_of(person: &Person, via: Channel, catalog: &Catalog) -> Address {
    if let Some(lacks) = person.lacks(via) {
        return Address::Nowhere(format!("{} has no {lacks}", person.name));
    }
    let own = match via {
        Channel::Webhook => person.webhook_url_env.as_ref(),
        Channel::Slack | Channel::Email | Channel::Sms | Channel::Voice => None,
    };
    if let (None, Some(section)) = (own, catalog.notifications.missing(via)) {
        return Address::Nowhere(format!("{section} is not set up"));
    }
    let webhook = || catalog.notifications.webhook.as_ref();
    let address = match via {
        Channel::Slack => match (&person.slack, &person.email) {
            (Some(SlackName::Id(id)), _) => Some(id.to_string()),
            (Some(handle @ SlackName::Handle(_)), _) => Some(handle.to_string()),
            (None, email) => email
                .as_ref()
                .map(|email| format!("the account of {email}")),
        },
        Channel::Email => person.email.clone(),
        Channel::Sms | Channel::Voice => person.phone.clone(),
        Channel::Webhook => own
            .or(webhook().map(|it| &it.url_env))
            .map(|name| format!("${name}")),
    };
    Address::To(address.unwrap_or_default())
}

/// Whether this way leads to a person, by this configuration.
pub fn leads_to(person: &Person, via: Channel, catalog: &Catalog) -> bool {
    address_of(person, via, catalog).leads_somewhere()
}

/// Whether a target may lead to somebody at some time: a person, a role that somebody has, a plan in which somebody takes
/// turns or has a fallback, and whatever only Slack or somebody else's calendar can tell.
pub fn may_reach<'a>(target: &Target, catalog: &'a Catalog) -> Option<Vec<&'a Person>> {
    match target {
        Target::Person(id) => Some(catalog.person(id).into_iter().collect()),
        Target::Role(role) => Some(catalog.people_with_role(role)),
        Target::UserGroup(_) | Target::Channel(_) => None,
        Target::Schedule(id) => {
            let schedule = catalog.schedule(id)?;
            if schedule.ical_url_env.is_some() {
                return None;
            }
            let turns = schedule.rotations.iter().flat_map(|it| &it.participants);
            let mut people: Vec<&Person> = turns.filter_map(|id| catalog.person(id)).collect();
            match &schedule.fallback {
                Some(fallback @ (Target::Person(_) | Target::Role(_))) => {
                    people.extend(may_reach(fallback, catalog).into_iter().flatten());
                }
                Some(Target::Schedule(_) | Target::UserGroup(_) | Target::Channel(_)) | None => {}
            }
            Some(people)
        }
    }
}

/// Whether a target may lead to somebody from one moment to another, as [`may_reach`] has it: of a schedule only those who
/// have a turn in that time count, and its fallback if nobody has one.
pub fn may_reach_between<'a>(
    target: &Target,
    (from, to): (Timestamp, Timestamp),
    catalog: &'a Catalog,
) -> Option<Vec<&'a Person>> {
    let mut people = may_reach(target, catalog)?;
    let Target::Schedule(id) = target else {
        return Some(people);
    };
    let schedule = catalog.schedule(id)?;
    let stretches = catalog.coverage(schedule, from, to, &[]);
    let fallback = schedule.fallback.as_ref();
    let fallback = fallback.and_then(|it| may_reach(it, catalog));
    let is_gap = stretches.iter().any(|it| it.person.is_none());
    let stands_in = |person: &Person| {
        let mut people = fallback.iter().flatten();
        is_gap && people.any(|it| it.id == person.id)
    };
    let has_turn = |person: &Person| {
        let mut turns = stretches.iter().filter_map(|it| it.person.as_ref());
        turns.any(|id| *id == person.id)
    };
    people.retain(|person| has_turn(person) || stands_in(person));
    Some(people)
}

/// The ways to a person in a step, and how long after it each is taken.
pub fn ways(person: &Person, step: &Step, catalog: &Catalog) -> Vec<(Channel, SignedDuration)> {
    let beginning = Timestamp::UNIX_EPOCH;
    let contacts = contacts(person, &step.via, &catalog.notifications, beginning).into_iter();
    contacts
        .map(|it| (it.via, it.at.duration_since(beginning)))
        .collect()
}

/// Whether a step may reach anybody, by this configuration. `behind`: who may stand behind a target, none if only Slack or
/// somebody else's calendar can tell; `is_open`: whether a way to a person is open that the configuration has.
pub fn reaches<'a>(
    step: &Step,
    catalog: &'a Catalog,
    behind: impl Fn(&Target) -> Option<Vec<&'a Person>>,
    is_open: impl Fn(&Person, Channel) -> bool,
) -> bool {
    step.notify.iter().any(|target| match behind(target) {
        Some(people) => people.iter().any(|person| {
            let mut ways = ways(person, step, catalog).into_iter();
            ways.any(|(via, _)| leads_to(person, via, catalog) && is_open(person, via))
        }),
        None => match target {
            Target::UserGroup(_) | Target::Channel(_) | Target::Schedule(_) => true,
            Target::Person(_) | Target::Role(_) => false,
        },
    })
}

/// The policies that reach nobody in any of their steps from one moment to another, by the ways that are open.
pub fn dead_policies(
    catalog: &Catalog,
    between: (Timestamp, Timestamp),
    is_open: impl Fn(&Person, Channel) -> bool,
) -> Vec<&EscalationPolicy> {
    let behind = |target: &Target| may_reach_between(target, between, catalog);
    let is_dead = |policy: &&EscalationPolicy| {
        let mut steps = policy.steps.iter();
        !steps.any(|step| reaches(step, catalog, behind, &is_open))
    };
    catalog.escalation_policies.iter().filter(is_dead).collect()
}
