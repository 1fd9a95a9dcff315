//! Keeps the Slack user groups of schedules in step: whoever is on call is in the group, and nobody else.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tracing::{info, warn};

use super::{Dispatcher, locked};
use crate::domain::escalation::Target;
use crate::domain::oncall::{Override, Schedule};
use crate::domain::terms::{PersonId, SlackUserId};
use crate::slack::client::{Call, Failure, GroupKept, Slack};

/// How long one replica sees to a group before another may: a few calls to Slack.
const LEASE: SignedDuration = SignedDuration::from_secs(30);
/// How often is looked whether somebody has changed the group by hand.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_mins(10);
/// The pause after a failure that Slack gives no time for.
const TRY_AGAIN: SignedDuration = SignedDuration::from_mins(1);

/// What is known of each group, by the schedule's id.
pub(super) type Groups = BTreeMap<String, Group>;

/// What is known of a group.
#[derive(Debug, Clone)]
pub(super) struct Group {
    /// Who was put into it last, or was found in it.
    people: Vec<PersonId>,
    /// When it is looked at again although nobody else is on call.
    again_at: Timestamp,
}

impl Dispatcher {
    /// Puts whoever is on call now into the groups in which somebody else was. At a start nothing is known of any group:
    /// each is looked at.
    pub async fn keep_groups(&self) -> anyhow::Result<()> {
        let Some(slack) = &self.slack else {
            return Ok(());
        };
        let now = self.clock.now();
        for schedule in &self.catalog.schedules {
            let Some(handle) = &schedule.usergroup else {
                continue;
            };
            let overrides = self.store.overrides(now).await?;
            let people = self.told_of(schedule, now, &overrides);
            let known = locked(&self.groups).get(&schedule.id).cloned();
            if known.is_some_and(|it| it.people == people && now < it.again_at) {
                continue;
            }
            let duty = format!("usergroup/{}", schedule.id);
            let lease = self.store.take_duty(&duty, &self.owner, now, LEASE);
            let again_in = match lease.await? {
                true => self.keep_group(slack, schedule, handle, &people).await,
                // The other one does it. If it cannot, there is time then.
                false => LEASE,
            };
            let again_at = now.checked_add(again_in).unwrap_or(Timestamp::MAX);
            let group = Group { people, again_at };
            locked(&self.groups).insert(schedule.id.clone(), group);
        }
        Ok(())
    }

    /// Whom a page of the schedule would reach: whoever is on call, else the fallback.
    fn told_of(
        &self,
        schedule: &Schedule,
        now: Timestamp,
        overrides: &[Override],
    ) -> Vec<PersonId> {
        let target = Target::Schedule(schedule.id.clone());
        let people = self.catalog.resolve(&target, now, overrides);
        people.into_iter().map(|person| person.id.clone()).collect()
    }

    /// Gives the pause until the group is looked at again.
    async fn keep_group(
        &self,
        slack: &Slack,
        schedule: &Schedule,
        handle: &str,
        people: &[PersonId],
    ) -> SignedDuration {
        let id = &schedule.id;
        let ticket = format!("usergroup/{id}");
        let now = self.clock.now();
        let call = Call {
            now,
            ticket: &ticket,
            tenure: None,
        };
        let kept = async {
            let mut users: Vec<SlackUserId> = Vec::new();
            for person in people.iter().filter_map(|id| self.catalog.person(id)) {
                users.extend(slack.user_of(person, call).await?);
            }
            users.sort();
            users.dedup();
            // Slack takes no empty group; who was in it last is nearer to the truth than nobody.
            if users.is_empty() {
                return Ok(None);
            }
            slack.keep_group(handle, &users, call).await.map(Some)
        };
        let again_in = match kept.await {
            Ok(Some(GroupKept::AsItWas)) => LOOK_AGAIN,
            Ok(Some(GroupKept::Changed)) => {
                info!("The user group @{handle} holds whoever is on call for {id}");
                LOOK_AGAIN
            }
            Ok(Some(GroupKept::Unknown)) => {
                warn!(
                    "There is no user group @{handle} for the schedule {id}: create it in Slack, or mend `usergroup`"
                );
                LOOK_AGAIN
            }
            Ok(None) => {
                warn!(
                    "Nobody whom Slack knows is on call for {id}: the user group @{handle} stays as it is"
                );
                LOOK_AGAIN
            }
            Err(Failure::Later { at }) => at.duration_since(now),
            Err(Failure::Retry { why, .. } | Failure::GiveUp { why, .. }) => {
                warn!("Could not keep the user group @{handle} in step: {why}");
                TRY_AGAIN
            }
        };
        slack.forget(&ticket);
        again_in
    }
}
