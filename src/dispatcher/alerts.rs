//! What groups of alerts order: an incident, what it is to know of them, a card.

use tracing::info;

use super::Dispatcher;
use super::task::{made, store_trouble};
use crate::domain::command::Command;
use crate::domain::decide::Refusal;
use crate::domain::effect::Effect;
use crate::domain::group::{Group, GroupReport};
use crate::domain::terms::{Actor, GroupId, IncidentId};
use crate::engine::{Delivery, EngineError, Envelope, Wish};
use crate::intake::IntakeError;
use crate::slack::client::{Call, Destination, Failure, Tenure};
use crate::store::outbox::Claimed;

/// What came of an order of a group; none: nothing that the group has to remember.
type Came = Result<Option<GroupReport>, Failure>;

impl Dispatcher {
    /// The group that gave an order.
    pub(super) fn group_of(claimed: &Claimed) -> GroupId {
        GroupId::new(claimed.incident.as_str())
    }

    /// Does what a group of alerts orders.
    pub(super) async fn do_for_alerts(&self, claimed: &Claimed, tenure: &Tenure) -> Came {
        let id = Self::group_of(claimed);
        let groups = self.store.groups(&[&id]).await;
        let mut groups = groups.map_err(|cause| store_trouble(&cause))?;
        let Some(group) = groups.pop().map(|held| held.group) else {
            return Ok(None);
        };
        match &claimed.effect {
            Effect::DeclareForAlerts => self.declare_for(&group).await,
            Effect::TellIncidentOfAlerts => self.tell_incident_of(&group).await,
            Effect::ReleaseAlerts => self.release(&group, claimed).await,
            _ => self.show_card_of(&group, claimed, tenure).await,
        }
    }

    /// Opens the incident of a group, or lets it join one that is open. However often it is tried, it is one: its round stands in the delivery.
    async fn declare_for(&self, group: &Group) -> Came {
        if group.incident.is_some() {
            return Ok(None);
        }
        let opened = |incident: IncidentId| {
            Some(GroupReport::IncidentOpened {
                round: group.round,
                incident,
            })
        };
        let envelope = Envelope {
            wish: Wish::Raise(group.raise()),
            actor: Actor::Alert {
                source: group.source.clone(),
            },
            delivery: Some(Delivery {
                id: group.delivery(),
                for_ever: true,
            }),
        };
        match self.engine.handle(envelope).await {
            Ok(outcome) => Ok(opened(outcome.incident.id.clone())),
            Err(EngineError::Refused(refusal)) => Err(Failure::GiveUp {
                code: "refused".to_owned(),
                why: refusal.to_string(),
                users: vec![],
            }),
            Err(error) => Err(store_trouble(&error.into())),
        }
    }

    /// Tells an incident how the alerts of a group stand. What begins after its end is another incident's.
    async fn tell_incident_of(&self, group: &Group) -> Came {
        let Some(incident) = &group.incident else {
            return Ok(None);
        };
        let envelope = Envelope {
            wish: Wish::Pursue(
                incident.clone(),
                Command::NoteAlerts {
                    group: group.id.clone(),
                    tally: group.tally(),
                },
            ),
            actor: Actor::Alert {
                source: group.source.clone(),
            },
            delivery: None,
        };
        match self.engine.handle(envelope).await {
            Ok(_) => Ok(None),
            Err(EngineError::Refused(Refusal::Over { .. } | Refusal::NoIncident)) => {
                Ok(Some(GroupReport::IncidentOver {
                    incident: incident.clone(),
                }))
            }
            Err(EngineError::Refused(refusal)) => {
                info!("Nothing follows from these alerts: {refusal}");
                Ok(None)
            }
            Err(error) => Err(store_trouble(&error.into())),
        }
    }

    /// Lets go those of a room whom nobody keeps back any more. What comes of it is written with the lease, at once.
    async fn release(&self, room: &Group, claimed: &Claimed) -> Came {
        match self.intake.release(room, claimed.lease.clone()).await {
            Ok(released) => {
                if released > 0 {
                    info!("{released} alerts that were kept back are told now");
                }
                Ok(None)
            }
            // Somebody else has taken the order over.
            Err(IntakeError::LeaseLost) => Ok(None),
            Err(error) => Err(store_trouble(&error.into())),
        }
    }

    /// Posts the card of a group, or brings it up to date.
    async fn show_card_of(&self, group: &Group, claimed: &Claimed, tenure: &Tenure) -> Came {
        let Some(slack) = &self.slack else {
            return Err(Failure::Later {
                at: self.clock.now() + super::PAUSE_MAX,
            });
        };
        let call = Call {
            now: self.clock.now(),
            ticket: &claimed.lease.id,
            tenure: Some(tenure),
        };
        let card = made(self.composer.alert_card(group, call.now))?;
        if let Some(at) = &group.card {
            return slack.update(at, &card, call).await.map(|()| None);
        }
        let to = Destination::channel(
            group
                .channel
                .as_ref()
                .unwrap_or(&self.catalog.slack.announce),
        );
        let order = &claimed.lease.id;
        if claimed.lease.attempts > 1
            && let Some(at) = slack
                .posted_before(&to, order, claimed.ordered_at, call)
                .await?
        {
            return Ok(Some(GroupReport::CardPosted(at)));
        }
        let at = slack.post(&to, &card, order, call).await?;
        Ok(Some(GroupReport::CardPosted(at)))
    }

    /// Brings back to a group what came of its order.
    pub(super) async fn report_to_group(
        &self,
        claimed: &Claimed,
        report: GroupReport,
    ) -> anyhow::Result<()> {
        let lease = claimed.lease.clone();
        match self
            .intake
            .report(Self::group_of(claimed), report, lease)
            .await
        {
            Ok(_) => Ok(()),
            Err(IntakeError::LeaseLost) => {
                info!("Somebody else has taken the order over");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}
