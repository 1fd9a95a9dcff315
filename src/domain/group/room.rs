//! Rooms of those who are kept back, and those who keep them back.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Group, Routed};
use crate::domain::alert::{AlertStatus, Tracked};
use crate::domain::catalog::Then;
use crate::domain::effect::{Effect, Order};
use crate::domain::quiet::{Looked, after_inhibition};
use crate::domain::remark::{Remarked, keep};
use crate::domain::terms::{DedupKey, GroupId};

/// Why nothing is told of alerts that quiet others: they are counted a second time, and told where their routes say.
const COUNTED: &str = "counted for [[inhibitions]]";

impl Group {
    pub(super) fn looks(&mut self, next: Option<Timestamp>, now: Timestamp) -> Vec<Order> {
        self.looks_at = next;
        let effect = Effect::ReleaseAlerts;
        next.map(|due| Order::Do {
            effect,
            due: due.max(now),
        })
        .into_iter()
        .collect()
    }

    /// Takes in what a room has seen when it looked, and says when it looks again.
    pub fn looked(&mut self, looked: Looked, now: Timestamp) -> Vec<Order> {
        self.version += 1;
        if looked.is_all && looked.waiting == 0 {
            self.firing = 0;
        }
        self.looks(looked.again(now), now)
    }

    /// Where alerts are counted that quiet others.
    pub fn inhibitor(id: &GroupId, source: &str, now: Timestamp) -> Self {
        let routed = Routed {
            group: id.clone(),
            then: Then::Suppress,
            channel: None,
            service: None,
            severity: None,
            urgency: 0,
            values: BTreeMap::new(),
            join: None,
            escalation_policy: None,
            suppressed_by: Some(COUNTED.to_owned()),
            hold: None,
        };
        Self::new(&routed, source, now)
    }

    /// Counts one more that quiets others, or one less.
    pub fn quiets(&mut self, begins: bool, now: Timestamp) {
        self.version += 1;
        self.suppressed_by = Some(COUNTED.to_owned());
        self.changed_at = now;
        self.firing = match begins {
            true => self.firing + 1,
            false => self.firing.saturating_sub(1),
        };
    }

    /// Takes over what was remarked on one of its alerts, of that source, while it waited in a room, and whether somebody
    /// has it by now. What was remarked before its episode began is none of its business.
    pub fn takes_over(
        &mut self,
        (source, key): (&str, &DedupKey),
        room: &Group,
        tracked: &Tracked,
    ) {
        let begins = tracked.turned_at.unwrap_or(Timestamp::MIN);
        let is_of_it = |it: &&Remarked| it.key == *key && it.source == source && it.at >= begins;
        let mut sample = self.samples.iter_mut().find(|it| it.key == *key);
        for remarked in room.remarks.iter().filter(is_of_it) {
            if let Some(sample) = &mut sample {
                sample.take(remarked);
            }
            self.remarked += 1;
            let number = self.remarked;
            keep(
                &mut self.remarks,
                Remarked {
                    number,
                    ..remarked.clone()
                },
            );
        }
        if let Some(sample) = sample {
            // The remark itself may be forgotten.
            sample.is_acknowledged = tracked.status == AlertStatus::Acknowledged;
        }
    }

    /// Nothing quiets those of a room any more, it seems: it looks in a while.
    pub fn may_let_go(&mut self, now: Timestamp) -> Vec<Order> {
        self.version += 1;
        self.looks(Some(after_inhibition(now)), now)
    }
}
