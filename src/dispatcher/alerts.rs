//! What groups of alerts order: an incident, what it is to know of them, a card.

use tracing::{info, warn};

use super::Dispatcher;
use super::task::{made, post_once, posted_before, store_trouble};
use crate::domain::command::Command;
use crate::domain::decide::Refusal;
use crate::domain::effect::Effect;
use crate::domain::event::Event;
use crate::domain::group::{Group, GroupReport};
use crate::domain::incident::Incident;
use crate::domain::raise::{Raise, is_quieted_by, quieting};
use crate::domain::terms::{Actor, GroupId, IncidentId};
use crate::engine::{Delivery, EngineError, Envelope, Outcome, Wish};
use crate::intake::IntakeError;
use crate::slack::client::{Call, Destination, Failure, Slack, Tenure};
use crate::store::outbox::Claimed;

/// What came of an order of a group; none: nothing that the group has to remember.
type Came = Result<Option<GroupReport>, Failure>;

/// That an incident quiets a group no more.
fn unquieted(incident: &IncidentId) -> Option<GroupReport> {
    Some(GroupReport::Unquieted {
        incident: incident.clone(),
    })
}

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
            Effect::TellOfCutOff => self.tell_of_cut_off(&group, claimed, tenure).await,
            Effect::PostAlertCard | Effect::RefreshAlertCard => {
                self.show_card_of(&group, claimed, tenure).await
            }
            // No group orders these.
            Effect::Ring { .. }
            | Effect::Notify { .. }
            | Effect::RefreshPage { .. }
            | Effect::EndPage { .. }
            | Effect::WriteLetter { .. }
            | Effect::ReviewQuieted
            | Effect::OpenWarRoom { .. }
            | Effect::SetTopic
            | Effect::SetPurpose
            | Effect::Invite { .. }
            | Effect::PostCard
            | Effect::PinCard
            | Effect::RefreshCard
            | Effect::AddBookmarks
            | Effect::PostChecklist { .. }
            | Effect::Announce
            | Effect::RefreshAnnouncement
            | Effect::Post { .. }
            | Effect::FetchMessage { .. }
            | Effect::LearnNames { .. }
            | Effect::UploadExport { .. } => Ok(None),
        }
    }

    /// Opens the incident of a group, or lets it join one that is open. However often it is tried, it is one: its round
    /// stands in the delivery.
    async fn declare_for(&self, group: &Group) -> Came {
        let now = self.clock.now();
        match group.cut_off_until {
            _ if group.incident.is_some() || group.rests => return Ok(None),
            // Too early.
            Some(at) if at > now => return Err(Failure::Later { at }),
            Some(_) => return Ok(Some(GroupReport::Resumed)),
            None => {}
        }
        if let Some(until) = group.runs_away(self.catalog.alerts.cut_off, now) {
            let round = group.round;
            warn!(
                "The alerts of {} are cut off: they declare too many incidents",
                group.id
            );
            return Ok(Some(GroupReport::CutOff { round, until }));
        }
        let opened = |outcome: &Outcome| {
            let (round, incident) = (group.round, outcome.incident.id.clone());
            let known = outcome.incident.alerts.get(&group.id);
            let is_quieted = known.is_some_and(|tally| tally.is_quieted);
            // Whoever asks again is told the first of what happened then.
            Some(match outcome.events.first() {
                Some(Event::Declared(_)) => GroupReport::IncidentOpened { round, incident },
                _ if is_quieted => GroupReport::Quieted { round, incident },
                _ => GroupReport::Joined { round, incident },
            })
        };
        let envelope = Envelope {
            wish: Wish::Raise(self.raise(group)),
            actor: Actor::Alert {
                source: group.source.clone(),
            },
            delivery: Some(Delivery {
                id: group.delivery(),
                for_ever: true,
            }),
        };
        match self.engine.handle(envelope).await {
            Ok(outcome) => Ok(opened(&outcome)),
            // Alerts that nobody is told of are worse than a log that fills.
            Err(EngineError::Refused(refusal)) => Err(Failure::Retry {
                after: None,
                why: refusal.to_string(),
            }),
            Err(error) => Err(store_trouble(&error.into())),
        }
    }

    /// How a group asks for an incident. A severity that the configuration does not know any more is none: the gravest.
    fn raise(&self, group: &Group) -> Raise {
        let mut raise = group.raise(self.clock.now());
        let severity = &mut raise.declaration.severity;
        *severity = severity
            .take()
            .filter(|id| self.catalog.severity(id).is_some());
        raise
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
                    tally: group.tally(self.clock.now()),
                },
            ),
            actor: Actor::Alert {
                source: group.source.clone(),
            },
            delivery: None,
        };
        match self.engine.handle(envelope).await {
            Ok(outcome) if group.is_quieted && !self.quiets(&outcome.incident, group) => {
                Ok(unquieted(incident))
            }
            Ok(_) => Ok(self.told_flapping(group)),
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

    /// How it ends is told, too.
    fn told_flapping(&self, group: &Group) -> Option<GroupReport> {
        let flaps = group.is_flapping(self.clock.now());
        flaps.then_some(GroupReport::ToldFlapping)
    }

    /// Whether an incident keeps a group from being told on its own.
    fn quiets(&self, incident: &Incident, group: &Group) -> bool {
        let severity = group.severity.as_ref();
        is_quieted_by(group.service.as_ref(), severity, incident, &self.catalog)
    }

    /// Tells the groups that an incident quieted, and does so no more.
    pub(super) async fn review_quieted(&self, incident: &Incident) -> Result<(), Failure> {
        let groups = self.quieted_groups(&incident.id).await;
        for group in groups.map_err(|cause| store_trouble(&cause))? {
            if self.quiets(incident, &group) {
                continue;
            }
            let report = GroupReport::Unquieted {
                incident: incident.id.clone(),
            };
            // Told twice, it is told once: the group knows by then that it is on its own.
            let told = self.intake.tell(group.id.clone(), report).await;
            told.map_err(|error| store_trouble(&error.into()))?;
        }
        Ok(())
    }

    async fn quieted_groups(&self, incident: &IncidentId) -> anyhow::Result<Vec<Group>> {
        let ids = self.store.groups_of_incident(incident).await?;
        let held = self.store.groups(&ids.iter().collect::<Vec<_>>()).await?;
        let groups = held.into_iter().map(|held| held.group);
        Ok(groups.filter(|group| group.is_quieted).collect())
    }

    /// The open incident that keeps a group from having a card.
    async fn quieting(&self, group: &Group) -> Result<Option<IncidentId>, Failure> {
        let Some(service) = &group.service else {
            return Ok(None);
        };
        let open = self.store.open_of_service(service).await;
        let open = open.map_err(|cause| store_trouble(&cause))?;
        let open = open.iter().map(|held| &*held.incident);
        let found = quieting(Some(service), group.severity.as_ref(), open, &self.catalog);
        Ok(found.map(|incident| incident.id.clone()))
    }

    /// Says loudly, where incidents are announced, that a group declares none for now.
    async fn tell_of_cut_off(&self, group: &Group, claimed: &Claimed, tenure: &Tenure) -> Came {
        // Somebody may have let it go on before it could be said.
        let Some(until) = group.cut_off_until else {
            return Ok(None);
        };
        let (slack, call) = self.slack_for(claimed, tenure)?;
        let note = made(self.composer.cut_off(group, until))?;
        let to = Destination::channel(&self.catalog.slack.announce);
        post_once(slack, claimed, &to, &claimed.lease.id, &note, call).await?;
        Ok(None)
    }

    /// Slack, and on whose behalf it is called. Without it what is to be said there waits.
    fn slack_for<'a>(
        &'a self,
        claimed: &'a Claimed,
        tenure: &'a Tenure,
    ) -> Result<(&'a Slack, Call<'a>), Failure> {
        let call = self.call(claimed, tenure);
        match &self.slack {
            Some(slack) => Ok((slack, call)),
            None => Err(Failure::Later {
                at: call.now + super::PAUSE_MAX,
            }),
        }
    }

    /// Posts the card of a group, or brings it up to date.
    async fn show_card_of(&self, group: &Group, claimed: &Claimed, tenure: &Tenure) -> Came {
        let (slack, call) = self.slack_for(claimed, tenure)?;
        // Ordered before a more urgent incident quieted it.
        if group.is_quieted && group.card.is_none() {
            return Ok(None);
        }
        let card = made(self.composer.alert_card(group, call.now))?;
        if let Some(at) = &group.card {
            slack.update(at, &card, call).await?;
            return Ok(self.told_flapping(group));
        }
        let to = Destination::channel(
            group
                .channel
                .as_ref()
                .unwrap_or(&self.catalog.slack.announce),
        );
        let order = &claimed.lease.id;
        if let Some(at) = posted_before(slack, claimed, &to, order, call).await? {
            return Ok(Some(GroupReport::CardPosted(at)));
        }
        if let Some(incident) = self.quieting(group).await? {
            let round = group.round;
            return Ok(Some(GroupReport::Quieted { round, incident }));
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
