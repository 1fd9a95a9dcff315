//! What people and orders tell a group, and what follows from it.

use jiff::Timestamp;

use super::{FLAPS_TOLD, Group};
use crate::domain::catalog::Then;
use crate::domain::effect::{Effect, Order};
use crate::domain::event::MessageRef;
use crate::domain::quiet::after_inhibition;
use crate::domain::terms::{IncidentId, Who};

/// Declarations of a group that are remembered: more than the configuration can ask for.
const DECLARED_KEPT: usize = 100;

/// What came of an order of a group, or what a person wants of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupReport {
    /// Its card was posted.
    CardPosted(MessageRef),
    /// Its incident is there.
    IncidentOpened {
        /// For which round.
        round: u32,
        /// Which.
        incident: IncidentId,
    },
    /// A more urgent incident of its service quiets it.
    Quieted {
        /// In which round.
        round: u32,
        /// Which.
        incident: IncidentId,
    },
    /// The incident that quieted it does so no more: it is over, or less urgent than it was.
    Unquieted {
        /// Which.
        incident: IncidentId,
    },
    /// It may be a room of which the configuration says nothing any more.
    LookAgain,
    /// It was told while an alert of it flaps: how that ends is still to be told.
    ToldFlapping,
    /// It has joined an incident that was open.
    Joined {
        /// In which round.
        round: u32,
        /// Which.
        incident: IncidentId,
    },
    /// It has declared too many incidents, and declares none until then.
    CutOff {
        /// In which round.
        round: u32,
        /// Until when.
        until: Timestamp,
    },
    /// It may declare incidents again: the time is over, or somebody has said so.
    Resumed,
    /// Its incident is over, and something has begun since.
    IncidentOver {
        /// Which.
        incident: IncidentId,
    },
    /// Somebody has it.
    Acknowledged {
        /// Who.
        by: Who,
    },
    /// Somebody wants to hear nothing of it until then.
    Snoozed {
        /// Until when.
        until: Timestamp,
    },
    /// Somebody has made an incident of it, or made it part of one.
    Attached {
        /// Which.
        incident: IncidentId,
    },
}

impl Group {
    /// Takes in what came of an order, and says what follows. Of another round it changes nothing.
    pub fn learn(&mut self, report: &GroupReport, now: Timestamp) -> Vec<Order> {
        let orders = match report {
            GroupReport::CardPosted(at) if self.card.is_none() => {
                self.card = Some(at.clone());
                // What has changed while it was posted is shown now.
                self.tells(now)
            }
            GroupReport::IncidentOpened { round, incident }
                if *round == self.round && self.incident.is_none() =>
            {
                self.declared.push(now);
                let spare = self.declared.len().saturating_sub(DECLARED_KEPT);
                self.declared.drain(..spare);
                self.belongs_to(incident, now)
            }
            GroupReport::Joined { round, incident }
                if *round == self.round && self.incident.is_none() =>
            {
                self.belongs_to(incident, now)
            }
            GroupReport::CutOff { round, until }
                if *round == self.round && self.incident.is_none() =>
            {
                self.cut_off_until = Some(*until);
                let order = |effect, due| Order::Do { effect, due };
                vec![
                    order(Effect::TellOfCutOff, now),
                    // What still fires then is an incident again.
                    order(Effect::DeclareForAlerts, *until),
                ]
            }
            GroupReport::Resumed if self.cut_off_until.is_some() => {
                self.cut_off_until = None;
                self.declared.clear();
                self.next_round(now);
                match self.firing {
                    0 => {
                        self.rests = true;
                        Vec::new()
                    }
                    _ => self.introduces(now),
                }
            }
            GroupReport::Quieted { round, incident }
                if *round == self.round && self.incident.is_none() =>
            {
                self.is_quieted = true;
                self.belongs_to(incident, now)
            }
            GroupReport::IncidentOver { incident }
                if self.incident.as_ref() == Some(incident) && !self.is_quieted =>
            {
                self.next_round(now);
                self.began_at = now;
                self.introduces(now)
            }
            GroupReport::IncidentOver { incident } | GroupReport::Unquieted { incident }
                if self.incident.as_ref() == Some(incident) && self.is_quieted =>
            {
                self.next_round(now);
                match self.firing {
                    0 => {
                        self.rests = true;
                        Vec::new()
                    }
                    _ => self.introduces(now),
                }
            }
            GroupReport::ToldFlapping if self.told_at <= now && self.is_flapping(now) => {
                let rests = self.flaps_until.unwrap_or(now);
                let next = rests.duration_since(now).min(FLAPS_TOLD);
                self.told_at = now;
                self.tells_within(next, now)
            }
            GroupReport::LookAgain if self.hold.is_some() && self.firing > 0 => {
                let soon = after_inhibition(now);
                // Whoever is to be looked at earlier is not made to wait.
                let next = self.looks_at.map_or(soon, |at| at.min(soon));
                self.looks(Some(next), now)
            }
            GroupReport::Acknowledged { by } if self.acknowledged_by.is_none() => {
                self.acknowledged_by = Some(by.clone());
                self.tells(now)
            }
            GroupReport::Snoozed { until } => {
                // That it is silent is shown at once; whatever changes then, at the end.
                let orders = self.tells(now);
                self.snoozed_until = Some(*until);
                orders
            }
            GroupReport::Attached { incident } if self.incident.as_ref() != Some(incident) => {
                self.then = Then::Declare;
                self.is_quieted = false;
                self.cut_off_until = None;
                self.belongs_to(incident, now)
            }
            GroupReport::CardPosted(_)
            | GroupReport::Acknowledged { .. }
            | GroupReport::LookAgain
            | GroupReport::IncidentOpened { .. }
            | GroupReport::IncidentOver { .. }
            | GroupReport::ToldFlapping
            | GroupReport::Joined { .. }
            | GroupReport::CutOff { .. }
            | GroupReport::Resumed
            | GroupReport::Quieted { .. }
            | GroupReport::Unquieted { .. }
            | GroupReport::Attached { .. } => return Vec::new(),
        };
        self.version += 1;
        orders
    }

    /// What has not ended is another matter from now on.
    fn next_round(&mut self, now: Timestamp) {
        self.incident = None;
        self.is_quieted = false;
        self.round += 1;
        self.total = self.firing;
        self.samples.retain(|sample| sample.is_firing);
        let samples = &self.samples;
        self.remarks
            .retain(|it| samples.iter().any(|sample| sample.key == it.key));
        if let Some(sample) = self.samples.first() {
            self.title.clone_from(&sample.title);
            // What was said of another does not go with that title.
            if self.titled_by.as_ref() != Some(&sample.key) {
                self.titled_by = Some(sample.key.clone());
                self.description = None;
            }
            if let Some(source) = &sample.source {
                self.source.clone_from(source);
            }
        }
        self.changed_at = now;
    }

    /// What is told when an incident takes its alerts over.
    fn belongs_to(&mut self, incident: &IncidentId, now: Timestamp) -> Vec<Order> {
        self.incident = Some(incident.clone());
        self.told_at = now;
        let card = self.card.as_ref().map(|_| Effect::RefreshAlertCard);
        [Some(Effect::TellIncidentOfAlerts), card]
            .into_iter()
            .flatten()
            .map(|effect| Order::Do { effect, due: now })
            .collect()
    }
}
