//! What the file defines and what it names: every id stands once, and what is named exists.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use super::faults::Level;
use super::reader::Reading;
use crate::domain::form::nearest;

/// Something that has an id, or a role that people have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thing {
    Severity,
    Person,
    Role,
    Service,
    Schedule,
    EscalationPolicy,
    AlertSource,
    Heartbeat,
    Action,
    Check,
    Checklist,
}

impl Thing {
    /// Where one is added.
    fn section(self) -> &'static str {
        match self {
            Thing::Severity => "[[severities]]",
            Thing::Person | Thing::Role => "[[people]]",
            Thing::Service => "[[services]]",
            Thing::Schedule => "[[schedules]]",
            Thing::EscalationPolicy => "[[escalation_policies]]",
            Thing::AlertSource => "[[alert_sources]]",
            Thing::Heartbeat => "[[heartbeats]]",
            Thing::Action => "[[actions]]",
            Thing::Check => "[[checks]]",
            Thing::Checklist => "[[checklists]]",
        }
    }
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Thing::Severity => "severity",
            Thing::Person => "person",
            Thing::Role => "role",
            Thing::Service => "service",
            Thing::Schedule => "schedule",
            Thing::EscalationPolicy => "escalation policy",
            Thing::AlertSource => "alert source",
            Thing::Heartbeat => "heartbeat",
            Thing::Action => "action",
            Thing::Check => "check",
            Thing::Checklist => "checklist",
        })
    }
}

/// The ids that are defined, and the names that must be among them.
#[derive(Default)]
pub struct References {
    /// Where an id is defined; `None`: by default, not in the file.
    defined: BTreeMap<(Thing, String), Option<Range<usize>>>,
    named: Vec<Named>,
}

struct Named {
    thing: Thing,
    name: String,
    span: Range<usize>,
    level: Level,
}

impl Reading {
    /// Notes that an id is defined here; complains if it already was.
    pub fn define(&self, thing: Thing, name: &str, span: Option<Range<usize>>) {
        let mut references = self.references.borrow_mut();
        let before = references
            .defined
            .insert((thing, name.to_owned()), span.clone());
        let (Some(Some(first)), Some(span)) = (before, span) else {
            return;
        };
        // A role is had by many.
        if thing == Thing::Role {
            return;
        }
        self.faults.borrow_mut().push_pair(
            Level::Error,
            span,
            format!("the {thing} `{name}` is defined twice"),
            "give one of them another id",
            first,
            "first defined here",
        );
    }

    /// Notes that something is named here that must exist; `level` is how bad it is if it does not.
    pub fn name(&self, thing: Thing, name: &str, span: Range<usize>, level: Level) {
        self.references.borrow_mut().named.push(Named {
            thing,
            name: name.to_owned(),
            span,
            level,
        });
    }

    /// Tells every name behind which there is nothing.
    pub fn check_references(&self) {
        // What is missing may stand in a part that could not be read.
        if self.is_broken() {
            return;
        }
        let references = self.references.borrow();
        let mut told_roles: Vec<&str> = Vec::new();
        for Named {
            thing,
            name,
            span,
            level,
        } in &references.named
        {
            if references.defined.contains_key(&(*thing, name.clone())) {
                continue;
            }
            // A role that nobody has is mended in one place, however often it is named.
            if *thing == Thing::Role {
                if told_roles.contains(&name.as_str()) {
                    continue;
                }
                told_roles.push(name);
            }
            let known = references
                .defined
                .keys()
                .filter(|(known, _)| known == thing)
                .map(|(_, id)| id.as_str());
            let help = match nearest(name, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None if *thing == Thing::Role => {
                    format!("give it to somebody under [[people]]: roles = [\"{name}\"]")
                }
                None => format!("add it under {}", thing.section()),
            };
            let message = match thing {
                Thing::Role => format!("nobody has the role `{name}`"),
                Thing::Severity
                | Thing::Person
                | Thing::Service
                | Thing::Schedule
                | Thing::EscalationPolicy
                | Thing::AlertSource
                | Thing::Heartbeat
                | Thing::Action
                | Thing::Check
                | Thing::Checklist => format!("there is no {thing} `{name}`"),
            };
            self.fault(*level, span.clone(), message, Some(help));
        }
    }
}
