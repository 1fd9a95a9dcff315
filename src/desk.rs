//! Takes a person's line and answers it: the same for Slack, for a button, and for the command line.

use std::sync::Arc;

use tracing::error;

use crate::clock::Clock;
use crate::domain::catalog::Catalog;
use crate::domain::event::Event;
use crate::domain::incident::{Incident, Room};
use crate::domain::terms::{Actor, ChannelId, DeliveryId, IncidentId, Who};
use crate::domain::timeline::tell;
use crate::engine::{Delivery, Engine, EngineError, Envelope, Outcome, Wish};
use crate::slack::client::Outgoing;
use crate::slack::message::{Composer, answer, words};
use crate::slack::parse::{Context, Request, parse};
use crate::store::Store;
use crate::store::incidents::Which;
use crate::templates::mrkdwn;

/// Incidents that a list shows.
const LISTED: i64 = 20;
/// Entries of a timeline that are shown in Slack; the export has them all.
const ENTRIES: u64 = 15;

/// The desk.
#[derive(Debug)]
pub struct Desk {
    /// The configuration.
    pub catalog: Arc<Catalog>,
    /// What is kept.
    pub store: Store,
    /// The door.
    pub engine: Engine,
    /// The clock.
    pub clock: Clock,
    /// The messages.
    pub composer: Arc<Composer>,
}

/// A line and where it comes from.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// What follows `/incident`.
    pub line: &'a str,
    /// Who asks.
    pub who: Who,
    /// The incident that is meant, if the place says so by itself: a button names it.
    pub incident: Option<IncidentId>,
    /// The channel, which may be a war room.
    pub channel: Option<ChannelId>,
    /// What tells this delivery from every other.
    pub delivery: Option<DeliveryId>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// It is done, or here is what was asked for.
    Done(Outgoing),
    /// No, and what to do instead.
    Refused(Outgoing),
    /// The line is not in the language; how it would be.
    NotUnderstood(Outgoing),
    /// Too much at once; nothing was done.
    Overloaded,
    /// The store does not answer; nothing was done.
    Broken,
}

impl Desk {
    /// Answers a line.
    pub async fn ask(&self, asked: Asked<'_>) -> Answer {
        match self.answer(&asked).await {
            Ok(answer) => answer,
            Err(cause) => {
                error!("Could not answer “{}”: {cause:#}", first_word(asked.line));
                Answer::Broken
            }
        }
    }

    async fn answer(&self, asked: &Asked<'_>) -> anyhow::Result<Answer> {
        let context = Context {
            catalog: &self.catalog,
            typist: &asked.who,
        };
        let line = match parse(asked.line, context) {
            Ok(line) => line,
            Err(error) => return Ok(Answer::NotUnderstood(words(&error.to_string()))),
        };
        if !line.request.needs_incident() {
            return self.general(line.request, asked).await;
        }
        let named = line.incident.or_else(|| asked.incident.clone());
        let meant = match (named, &asked.channel) {
            (Some(id), _) => Some(id),
            (None, Some(channel)) => self
                .store
                .incident_in(channel)
                .await?
                .map(|incident| incident.id.clone()),
            (None, None) => None,
        };
        match meant {
            Some(id) => self.about(&id, line.request, asked).await,
            // Not an error: most people are not in the war room when they think of something.
            None => {
                let open = self.store.list(Which::Open, LISTED).await?;
                Ok(Answer::Done(self.composer.choose(&open, asked.line)))
            }
        }
    }

    /// What is about no incident in particular.
    async fn general(&self, request: Request, asked: &Asked<'_>) -> anyhow::Result<Answer> {
        let now = self.clock.now();
        Ok(Answer::Done(match request {
            Request::Declare(declaration) => {
                return Ok(self.pass_on(Wish::Declare(declaration), asked).await);
            }
            Request::ListIncidents => self
                .composer
                .list(&self.store.list(Which::Open, LISTED).await?, now),
            Request::ShowContacts => self.composer.contacts(),
            Request::Help(about) => self.composer.help(about),
            Request::Pursue(_) | Request::ShowStatus | Request::ShowTimeline => {
                self.composer.help(None)
            }
        }))
    }

    /// What is about one incident.
    async fn about(
        &self,
        id: &IncidentId,
        request: Request,
        asked: &Asked<'_>,
    ) -> anyhow::Result<Answer> {
        match request {
            Request::Pursue(command) => {
                Ok(self.pass_on(Wish::Pursue(id.clone(), command), asked).await)
            }
            Request::ShowTimeline => self.timeline(id).await,
            _ => self.status(id).await,
        }
    }

    async fn status(&self, id: &IncidentId) -> anyhow::Result<Answer> {
        Ok(match self.store.incident(id).await? {
            Some(incident) => Answer::Done(self.composer.status(&incident, self.clock.now())?),
            None => unknown(id),
        })
    }

    async fn timeline(&self, id: &IncidentId) -> anyhow::Result<Answer> {
        let Some(incident) = self.store.incident(id).await? else {
            return Ok(unknown(id));
        };
        let earlier = incident.version.saturating_sub(ENTRIES);
        let rows = self.store.events_after(id, earlier as i64).await?;
        let entries: Vec<_> = rows
            .iter()
            .map(|row| row.recorded().map(|recorded| tell(&recorded)))
            .collect::<anyhow::Result<_>>()?;
        Ok(Answer::Done(
            self.composer.timeline(&incident, &entries, earlier),
        ))
    }

    async fn pass_on(&self, wish: Wish, asked: &Asked<'_>) -> Answer {
        let envelope = Envelope {
            wish,
            actor: Actor::Person(asked.who.clone()),
            delivery: asked.delivery.clone().map(|id| Delivery {
                id,
                for_ever: false,
            }),
        };
        match self.engine.handle(envelope).await {
            Ok(outcome) => Answer::Done(answer(&confirmation(&outcome))),
            Err(EngineError::Refused(refusal)) => Answer::Refused(words(&refusal.to_string())),
            Err(EngineError::Overloaded) => Answer::Overloaded,
            Err(EngineError::LeaseLost | EngineError::Store(_)) => Answer::Broken,
        }
    }
}

/// Says to the one who asked that it is done. The room is told by the orders that follow.
fn confirmation(outcome: &Outcome) -> String {
    let incident = &outcome.incident;
    let id = &incident.id;
    let Some(event) = outcome.events.first() else {
        return format!(
            "{id}: {} ({}). This was done already.",
            mrkdwn(&incident.title),
            incident.status
        );
    };
    match event {
        Event::Declared(_) => declared(incident),
        Event::Acknowledged { .. } => format!("You have {id}."),
        Event::StatusChanged { to, .. } => format!("{id} is now {}.", to.word().to_lowercase()),
        Event::UpdatePosted { number, .. } => format!("Update {number} of {id} is on its way."),
        Event::SeverityChanged { to, .. } => format!("{id} is now {}.", mrkdwn(&to.name)),
        Event::RoleAssigned { role, to, .. } => format!("{role} of {id}: @{}.", mrkdwn(&to.name)),
        Event::NoteAdded { .. } => format!("Noted on the timeline of {id}."),
        Event::MessageMarked { .. } | Event::MessageKept(_) => {
            format!("Added to the timeline of {id}.")
        }
        Event::FollowUpAdded(follow_up) => {
            format!("Follow-up {} of {id} is noted.", follow_up.number)
        }
        Event::FollowUpCompleted { number } => format!("Follow-up {number} of {id} is done."),
        Event::Resolved(resolution) if resolution.root_cause.is_none() => format!(
            "{id} is resolved. What was the cause? `/incident resolve <root cause…>` adds it. If it is back: `/incident reopen`."
        ),
        Event::Resolved(_) => format!("{id} is resolved. If it is back: `/incident reopen`."),
        Event::Reopened { .. } => format!("{id} is open again."),
        Event::Closed => format!("{id} is closed. `/incident export` gives the whole record."),
        Event::ExportRequested { format } => format!(
            "The record of {id} as {} is on its way into the war room.",
            format.word()
        ),
        Event::WarRoomOpened { .. }
        | Event::WarRoomFailed { .. }
        | Event::CardPosted { .. }
        | Event::Announced { .. }
        | Event::UpdateOverdue(_)
        | Event::NamesLearned { .. }
        | Event::EffectFailed { .. } => format!("{id}: done."),
    }
}

fn declared(incident: &Incident) -> String {
    let id = &incident.id;
    let severity = mrkdwn(&incident.severity.name);
    let room = match &incident.room {
        Room::Channel { channel, .. } => format!("The war room is <#{channel}>."),
        Room::Wanted { name } => {
            format!("The war room #{name} is being opened; you will be invited.")
        }
        Room::Thread => format!(
            "It is announced in {}; its thread is the war room.",
            mrkdwn(&incident.announce)
        ),
    };
    format!(
        "Declared *{id}* ({severity}): {}\n{room}",
        mrkdwn(&incident.title)
    )
}

fn unknown(id: &IncidentId) -> Answer {
    Answer::Refused(words(&format!(
        "There is no incident {id}. `/incident list` shows the open ones."
    )))
}

fn first_word(line: &str) -> &str {
    line.split_whitespace().next().unwrap_or_default()
}
