//! What a summary says: milestones, durations, people; the same in every form.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::survey::Survey;
use super::told::Names;
use crate::domain::incident::Incident;

/// All that a summary is made of.
pub(super) struct Facts<'a> {
    pub(super) incident: &'a Incident,
    pub(super) survey: &'a Survey,
    /// The organization's zone.
    pub(super) zone: &'a TimeZone,
    pub(super) now: Timestamp,
    pub(super) organization: &'a str,
    pub(super) service_name: Option<&'a str>,
    /// The hash of the last event.
    pub(super) head: &'a str,
}

/// A turn in the incident's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Milestone {
    pub(super) name: &'static str,
    pub(super) at: Timestamp,
    pub(super) since_start: SignedDuration,
    /// None before the declaration.
    pub(super) since_declared: Option<SignedDuration>,
}

/// How long it took until something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Delay {
    /// `time_to_acknowledge`
    pub(super) name: &'static str,
    /// `Time to acknowledge`
    pub(super) title: &'static str,
    pub(super) from_start: SignedDuration,
    pub(super) from_declared: SignedDuration,
}

impl Facts<'_> {
    /// Who is who.
    pub(super) fn names(&self) -> Names<'_> {
        Names(&self.incident.names)
    }

    /// When users had relief; none, if only the resolution says so: then it would be told twice.
    fn mitigated(&self) -> Option<Timestamp> {
        let mitigated = self.incident.milestones.mitigated;
        mitigated.filter(|_| self.survey.mitigated)
    }

    /// The milestones that were reached, in their order.
    pub(super) fn milestones(&self) -> Vec<Milestone> {
        let m = &self.incident.milestones;
        let reached = [
            ("Started", Some(m.started)),
            ("Declared", Some(m.declared)),
            ("Acknowledged", m.acknowledged),
            ("Mitigated", self.mitigated()),
            ("Resolved", m.resolved),
            ("Closed", m.closed),
        ];
        reached
            .into_iter()
            .filter_map(|(name, at)| at.map(|at| (name, at)))
            .map(|(name, at)| Milestone {
                name,
                at,
                since_start: at.duration_since(m.started),
                since_declared: (at >= m.declared).then(|| at.duration_since(m.declared)),
            })
            .collect()
    }

    /// The durations that are over.
    pub(super) fn delays(&self) -> Vec<Delay> {
        let m = &self.incident.milestones;
        let ends = [
            ("time_to_acknowledge", "Time to acknowledge", m.acknowledged),
            ("time_to_mitigate", "Time to mitigate", self.mitigated()),
            ("time_to_resolve", "Time to resolve", m.resolved),
        ];
        ends.into_iter()
            .filter_map(|(name, title, at)| {
                at.map(|at| Delay {
                    name,
                    title,
                    from_start: at.duration_since(m.started),
                    from_declared: at.duration_since(m.declared),
                })
            })
            .collect()
    }

    /// Whether the trouble began earlier than it was declared.
    pub(super) fn began_earlier(&self) -> bool {
        self.incident.milestones.started != self.incident.milestones.declared
    }

    /// How long it lasted, or has lasted up to now.
    pub(super) fn duration(&self) -> SignedDuration {
        self.incident.duration(self.now)
    }
}
