//! Takes up what Slack asks, by whichever door it came: a command, a click, an event. Whoever calls has made sure that
//! it comes from Slack. It is written down before it is answered, and answered within milliseconds whatever Slack's own
//! API does.

use std::sync::Arc;

use serde_json::{Value, json};
use tracing::{info, warn};

use crate::desk::{Answer, Asked, Desk};
use crate::domain::command::Command;
use crate::domain::event::{Mark, MessageRef};
use crate::domain::terms::{Actor, ChannelId, DeliveryId, MessageTs, SlackUserId, Who};
use crate::engine::{Delivery, EngineError, Envelope, Wish};
use crate::slack::client::{Outgoing, Slack};
use crate::slack::inbound::{
    BlockActions, EventCallback, EventRequest, Interaction, SlackEvent, SlashCommand,
};
use crate::slack::interaction::read;
use crate::slack::message::words;

/// What is told to a person when the bot cannot take the request up.
pub const OVERLOADED: &str =
    "Too much is going on at once; nothing was done. Please try again in a few seconds.";
/// What is told when the store does not answer.
pub const BROKEN: &str = "The database does not answer, so nothing was done. Please try again, and tell whoever runs Firebell: /readyz and the log say more.";

/// The reception.
#[derive(Debug)]
pub struct Reception {
    /// Answers lines.
    pub desk: Arc<Desk>,
    /// Replies to clicks.
    pub slack: Option<Arc<Slack>>,
}

/// What Slack is answered. Each door says it in its own way.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// It is taken, and there is nothing to say.
    Taken,
    /// It is taken; Slack reads this.
    Body(Value),
    /// Too much is going on; nothing was done.
    Overloaded,
    /// The store does not answer, so nothing was done: Slack shall send it again.
    Broken,
}

impl Reception {
    /// Whether everything would be turned away now: worth knowing before a request is read.
    pub fn is_full(&self) -> bool {
        self.desk.engine.is_full()
    }

    /// A slash command.
    pub async fn command(&self, command: &SlashCommand) -> Reply {
        if self.is_foreign(&command.team_id) {
            return ephemeral(&words(
                "This Firebell serves another Slack workspace; nothing was done.",
            ));
        }
        let delivery = (!command.trigger_id.is_empty())
            .then(|| DeliveryId::new(format!("slash/{}", command.trigger_id)));
        let asked = Asked {
            line: &command.text,
            who: command.who(),
            incident: None,
            channel: Some(command.channel_id.clone()),
            delivery,
        };
        match self.desk.ask(asked).await {
            Answer::Done(message) | Answer::Refused(message) | Answer::NotUnderstood(message) => {
                ephemeral(&message)
            }
            Answer::Overloaded => Reply::Overloaded,
            // Told in words: to be told of a failure, Slack would show "dispatch_failed" and say nothing.
            Answer::Broken => ephemeral(&words(BROKEN)),
        }
    }

    /// A click, or what else people do with what the bot has shown them.
    pub async fn interaction(&self, interaction: &Interaction) -> Reply {
        match interaction {
            Interaction::BlockActions(actions) => self.clicked(actions).await,
            // Of a later Slack, or of a message that is not ours: received, nothing to do.
            Interaction::Unknown => Reply::Taken,
        }
    }

    /// A request of the Events API.
    pub async fn event(&self, request: &EventRequest) -> Reply {
        match request {
            EventRequest::UrlVerification { challenge } => {
                Reply::Body(json!({ "challenge": challenge }))
            }
            EventRequest::EventCallback(callback) => self.happened(callback).await,
            EventRequest::AppRateLimited {} => {
                warn!("Slack sends no events for a minute: there were too many");
                Reply::Taken
            }
            EventRequest::Unknown => Reply::Taken,
        }
    }

    /// A request of a workspace that this bot does not serve.
    fn is_foreign(&self, team_id: &str) -> bool {
        let slack = self.slack.as_ref();
        let Some(ours) = slack.and_then(|slack| slack.known_identity()) else {
            return false;
        };
        let foreign = !team_id.is_empty() && ours.team_id != team_id;
        if foreign {
            warn!(
                "Turned away a request of the workspace {team_id}; this bot serves {}",
                ours.team_id
            );
        }
        foreign
    }

    /// A click is acknowledged with nothing; what there is to say goes to the one who clicked.
    async fn clicked(&self, actions: &BlockActions) -> Reply {
        let Some(click) = actions.actions.first().and_then(read) else {
            return Reply::Taken;
        };
        let team = actions.team.as_ref();
        if team.is_some_and(|team| self.is_foreign(&team.id)) {
            return Reply::Taken;
        }
        let delivery = (!actions.trigger_id.is_empty())
            .then(|| DeliveryId::new(format!("click/{}", actions.trigger_id)));
        let asked = Asked {
            line: &click.line,
            who: actions.user.who(),
            incident: Some(click.incident),
            channel: actions.channel.as_ref().map(|channel| channel.id.clone()),
            delivery,
        };
        let message = match self.desk.ask(asked).await {
            Answer::Done(message) | Answer::Refused(message) | Answer::NotUnderstood(message) => {
                message
            }
            Answer::Overloaded => return Reply::Overloaded,
            Answer::Broken => words(BROKEN),
        };
        self.tell(actions.response_url.clone(), message);
        Reply::Taken
    }

    /// Says something to the one who did something. Not awaited: Slack's three seconds are not spent on Slack's own API.
    fn tell(&self, response_url: Option<String>, message: Outgoing) {
        if let (Some(slack), Some(url)) = (self.slack.clone(), response_url) {
            tokio::spawn(async move {
                if let Err(failure) = slack.reply(&url, &message).await {
                    warn!("Could not reply to a click: {failure:?}");
                }
            });
        }
    }

    /// A mark on a message of a war room. Everything else is received and left alone.
    async fn happened(&self, callback: &EventCallback) -> Reply {
        let Some((user, message, mark)) = marked(&callback.event) else {
            return Reply::Taken;
        };
        // The bot pins its own card: that is no mark of a person.
        if callback.is_bot(&user) || self.is_foreign(&callback.team_id) {
            return Reply::Taken;
        }
        let incident = match self.desk.store.incident_in(&message.channel).await {
            Ok(Some(incident)) => incident,
            Ok(None) => return Reply::Taken,
            Err(cause) => {
                tracing::error!(
                    "Could not look for the war room {}: {cause:#}",
                    message.channel
                );
                return Reply::Broken;
            }
        };
        if incident.card.as_ref() == Some(&message) {
            return Reply::Taken;
        }
        let person = self.desk.catalog.person_by_slack(&user);
        let name = person.map_or_else(|| user.to_string(), |person| person.name.clone());
        let purpose = match mark {
            Mark::Pin | Mark::Reaction | Mark::Shortcut => "timeline",
            Mark::Check => "follow-up",
        };
        // Two people may mark the same message, or one with a pin and a reaction: it is put there once.
        let delivery = Delivery {
            id: DeliveryId::new(format!("mark/{}/{}/{purpose}", message.channel, message.ts)),
            for_ever: true,
        };
        let envelope = Envelope {
            wish: Wish::Pursue(incident.id.clone(), Command::MarkMessage { message, mark }),
            actor: Actor::Person(Who::slack(user, name)),
            delivery: Some(delivery),
        };
        match self.desk.engine.handle(envelope).await {
            Ok(_) => Reply::Taken,
            Err(EngineError::Refused(refusal)) => {
                info!("A mark was not taken: {refusal}");
                Reply::Taken
            }
            Err(EngineError::Overloaded) => Reply::Overloaded,
            Err(EngineError::LeaseLost | EngineError::Store(_)) => Reply::Broken,
        }
    }
}

fn ephemeral(message: &Outgoing) -> Reply {
    Reply::Body(
        json!({ "response_type": "ephemeral", "text": message.text, "blocks": message.blocks }),
    )
}

/// Who marked which message, and how.
fn marked(event: &SlackEvent) -> Option<(SlackUserId, MessageRef, Mark)> {
    match event {
        SlackEvent::ReactionAdded {
            user,
            reaction,
            item,
        } => {
            let mark = match reaction.split("::").next()? {
                "pushpin" => Mark::Reaction,
                "white_check_mark" => Mark::Check,
                _ => return None,
            };
            let message = message_ref(item.channel.clone()?, item.ts.as_deref()?);
            (item.kind == "message").then(|| (user.clone(), message, mark))
        }
        SlackEvent::PinAdded {
            user,
            channel_id,
            item,
        } => {
            let ts = &item.message.as_ref()?.ts;
            Some((user.clone(), message_ref(channel_id.clone(), ts), Mark::Pin))
        }
        SlackEvent::Other => None,
    }
}

fn message_ref(channel: ChannelId, ts: &str) -> MessageRef {
    MessageRef {
        channel,
        ts: MessageTs::new(ts),
    }
}
