//! What a first walk through the record notes for the summary: who took part, and when they held which role.

use std::collections::HashMap;

use jiff::Timestamp;

use super::alerts::AlertGroup;
use super::drawing::Sketch;
use crate::domain::event::{Event, Recorded};
use crate::domain::terms::{Role, Status, Who};

/// What was noted. It grows with the number of people and of groups of alerts, not with the timeline.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Everybody who took part, in the order of their first appearance.
    pub(super) people: Vec<Participant>,
    /// The drawing, if one is wanted.
    pub(super) sketch: Option<Sketch>,
    /// Whether somebody said that users had relief, before the resolution said it by the way.
    pub(super) mitigated: bool,
    /// How many updates were given.
    pub(super) updates: u64,
    /// Its alerts, in the order in which it heard of them.
    pub(super) alerts: Vec<AlertGroup>,
    by_key: HashMap<String, usize>,
    holders: HashMap<Role, usize>,
}

/// Somebody who took part.
#[derive(Debug)]
pub(super) struct Participant {
    pub(super) who: Who,
    /// How many entries of the timeline are theirs.
    pub(super) entries: u64,
    pub(super) roles: Vec<Tenure>,
}

/// A role, and when it was held.
#[derive(Debug)]
pub(super) struct Tenure {
    pub(super) role: Role,
    pub(super) from: Timestamp,
    /// Until when; none: to the end of the record.
    pub(super) until: Option<Timestamp>,
}

impl Survey {
    /// A survey that also sketches the timeline.
    pub(super) fn drawing(sketch: Sketch) -> Self {
        Self {
            sketch: Some(sketch),
            ..Self::default()
        }
    }

    /// Notes an event; events come in the order of the record.
    pub(super) fn add(&mut self, recorded: &Recorded) {
        let at = recorded.recorded_at;
        let actor = recorded.actor.person().map(|who| self.person(who));
        // A message that was kept is its author's entry.
        let whose = match &recorded.event {
            Event::MessageKept(kept) => {
                self.person(&kept.marked_by);
                Some(self.person(&kept.author))
            }
            _ => actor,
        };
        if let Some(person) = whose {
            self.people[person].entries += 1;
        }
        match &recorded.event {
            Event::Declared(declared) => {
                if let Some(who) = &declared.commander {
                    self.assign(Role::IncidentCommander, who, at);
                }
            }
            Event::RoleAssigned { role, to, .. } => self.assign(*role, to, at),
            Event::UpdatePosted { .. } => self.updates += 1,
            Event::StatusChanged { to, .. } => self.mitigated = *to >= Status::Monitoring,
            Event::Reopened { .. } => self.mitigated = false,
            // Nobody takes part by these beyond whoever made them happen.
            Event::WarRoomOpened { .. }
            | Event::WarRoomFailed { .. }
            | Event::CardPosted { .. }
            | Event::Announced { .. }
            | Event::Acknowledged { .. }
            | Event::AcknowledgementExpired { .. }
            | Event::AcknowledgeOverdue { .. }
            | Event::Paged(_)
            | Event::PageContinued { .. }
            | Event::PageDelivery(_)
            | Event::PageAnswered { .. }
            | Event::PageExpired { .. }
            | Event::AnswerTimeExtended { .. }
            | Event::EscalationExhausted { .. }
            | Event::PostmortemOverdue { .. }
            | Event::UpdateOverdue(_)
            | Event::SeverityChanged { .. }
            | Event::NoteAdded { .. }
            | Event::MessageMarked { .. }
            | Event::NamesLearned { .. }
            | Event::MessageKept(_)
            | Event::FollowUpAdded(_)
            | Event::FollowUpCompleted { .. }
            | Event::Resolved(_)
            | Event::Closed
            | Event::ExportRequested { .. }
            | Event::AlertsChanged { .. }
            | Event::AlertRemarked(_)
            | Event::ChangeNoted(_)
            | Event::EffectFailed { .. } => {}
        }
        AlertGroup::note(&mut self.alerts, recorded);
        if let Some(sketch) = &mut self.sketch {
            sketch.add(recorded);
        }
    }

    fn assign(&mut self, role: Role, who: &Who, at: Timestamp) {
        let person = self.person(who);
        if let Some(before) = self.holders.insert(role, person) {
            let open = self.people[before].roles.iter_mut().rev();
            if let Some(tenure) = { open }.find(|tenure| tenure.role == role) {
                tenure.until = Some(at);
            }
        }
        self.people[person].roles.push(Tenure {
            role,
            from: at,
            until: None,
        });
    }

    fn person(&mut self, who: &Who) -> usize {
        // The Slack id tells people apart; a space keeps a name from being taken for an id.
        let key = match &who.slack {
            Some(id) => id.as_str().to_owned(),
            None => format!(" {}", who.name),
        };
        let next = self.people.len();
        let place = *self.by_key.entry(key).or_insert(next);
        if place == next {
            self.people.push(Participant {
                who: who.clone(),
                entries: 0,
                roles: Vec::new(),
            });
        }
        place
    }
}
