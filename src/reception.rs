//! Takes up what Slack asks, by whichever door it came: a command, a click, an event. Whoever calls has made sure that
//! it comes from Slack. It is written down before it is answered, and answered within milliseconds whatever Slack's own
//! API does.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use crate::desk::{self, Answer, Asked, Desk, Submitted, marked};
pub use crate::desk::{BROKEN, OVERLOADED, UNCLEAR};
use crate::domain::command::Command;
use crate::domain::event::{Mark, MessageRef};
use crate::domain::incident::{Incident, Room};
use crate::domain::terms::{Actor, ChannelId, DeliveryId, MessageTs, SlackUserId, Who};
use crate::engine::{EngineError, Envelope, Wish};
use crate::slack::client::{Call, Failure, Outgoing, Slack};
use crate::slack::inbound::{
    BlockActions, EventCallback, EventRequest, Interaction, Message, MessageAction, Shortcut,
    SlackEvent, SlashCommand, TeamRef, ViewSubmission,
};
use crate::slack::interaction::read;
use crate::slack::message::words;
use crate::slack::modal::{keep, told};
use crate::slack::text::unescape;
use crate::store::incidents::Which;

/// The shortcut that declares an incident, from anywhere.
pub const DECLARE: &str = "declare_incident";
/// The shortcut that declares an incident on a message.
pub const DECLARE_ON_MESSAGE: &str = "declare_incident_from_message";
/// The shortcut that puts a message on a timeline.
pub const ADD_TO_TIMELINE: &str = "add_to_timeline";

/// Open incidents among which a message is looked for, or offered.
const OPEN: i64 = 100;
/// How long an answer may take: Slack waits for three seconds, and some of them are spent on the way.
pub const ANSWER: Duration = Duration::from_millis(2_500);
/// How long Slack may take to say in which thread a message stands: well under the three seconds in which it wants its
/// own answer.
const ASKING: Duration = Duration::from_secs(2);

/// The reception.
#[derive(Debug)]
pub struct Reception {
    /// Answers lines.
    pub desk: Arc<Desk>,
    /// Replies to people: forms, answers to clicks, home tabs.
    pub slack: Option<Arc<Slack>>,
    /// The replies that are under way.
    pub replies: TaskTracker,
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
            forms: self.slack.is_some() && !command.trigger_id.is_empty(),
        };
        match self.desk.ask(asked).await {
            Answer::Form(view, typed) => {
                let trouble = command.response_url.clone();
                self.open(command.trigger_id.clone(), view, trouble, typed);
                Reply::Taken
            }
            Answer::Done(message) | Answer::Refused(message) | Answer::NotUnderstood(message) => {
                ephemeral(&message)
            }
            Answer::Overloaded => Reply::Overloaded,
            // Told in words: to be told of a failure, Slack would show "dispatch_failed" and say nothing.
            Answer::Broken(why) => ephemeral(&words(&why)),
        }
    }

    /// A click, or what else people do with what the bot has shown them.
    pub async fn interaction(&self, interaction: &Interaction) -> Reply {
        match interaction {
            Interaction::BlockActions(actions) => self.clicked(actions).await,
            Interaction::ViewSubmission(submission) => self.submitted(submission).await,
            Interaction::Shortcut(shortcut) => self.shortcut(shortcut),
            Interaction::MessageAction(action) => self.message_action(action).await,
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
                metrics::counter!("firebell_slack_events_limited").increment(1);
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
        if self.is_of_foreigners(actions.team.as_ref()) {
            return Reply::Taken;
        }
        let delivery = (!actions.trigger_id.is_empty())
            .then(|| DeliveryId::new(format!("click/{}", actions.trigger_id)));
        let asked = Asked {
            line: &click.line,
            who: actions.user.who(),
            incident: click.incident,
            channel: actions.channel.as_ref().map(|channel| channel.id.clone()),
            delivery,
            forms: self.slack.is_some() && !actions.trigger_id.is_empty(),
        };
        let message = match self.desk.ask(asked).await {
            Answer::Form(view, typed) => {
                let trouble = actions.response_url.clone();
                self.open(actions.trigger_id.clone(), view, trouble, typed);
                return Reply::Taken;
            }
            Answer::Done(message) | Answer::Refused(message) | Answer::NotUnderstood(message) => {
                message
            }
            Answer::Overloaded => return Reply::Overloaded,
            Answer::Broken(why) => words(&why),
        };
        match &actions.response_url {
            Some(url) => self.tell(url.clone(), message),
            // On the home tab there is no place for an answer but a modal; and what it shows has changed by the click.
            None => {
                let text = unescape(&message.text, |_| None);
                let view = told("Firebell", &crate::templates::mrkdwn(&text));
                self.open(actions.trigger_id.clone(), view, None, String::new());
                self.show_home(actions.user.id.clone());
            }
        }
        Reply::Taken
    }

    /// A form was sent off. What is wrong stands at its field; whatever is right closes it.
    async fn submitted(&self, submission: &ViewSubmission) -> Reply {
        if self.is_of_foreigners(submission.team.as_ref()) {
            return Reply::Taken;
        }
        let who = submission.user.who();
        match self.desk.submit(&submission.view, who).await {
            Submitted::Done | Submitted::NotOurs => Reply::Taken,
            Submitted::Said(view) => {
                Reply::Body(json!({ "response_action": "update", "view": view }))
            }
            Submitted::Wrong(errors) => {
                Reply::Body(json!({ "response_action": "errors", "errors": errors }))
            }
        }
    }

    /// A shortcut that may be chosen anywhere.
    fn shortcut(&self, shortcut: &Shortcut) -> Reply {
        if shortcut.callback_id == DECLARE && !self.is_of_foreigners(shortcut.team.as_ref()) {
            let form = self.desk.declaration_form(None);
            self.open(shortcut.trigger_id.clone(), form, None, String::new());
        }
        Reply::Taken
    }

    /// A shortcut in the menu of a message.
    async fn message_action(&self, action: &MessageAction) -> Reply {
        if self.is_of_foreigners(action.team.as_ref()) {
            return Reply::Taken;
        }
        let at = message_ref(action.channel.id.clone(), &action.message.ts);
        match action.callback_id.as_str() {
            DECLARE_ON_MESSAGE => {
                let said = unescape(&action.message.text, |_| None);
                let form = self.desk.declaration_form(Some((&at, &said)));
                self.open(
                    action.trigger_id.clone(),
                    form,
                    action.response_url.clone(),
                    String::new(),
                );
                Reply::Taken
            }
            ADD_TO_TIMELINE => self.add_to_timeline(action, at).await,
            _ => Reply::Taken,
        }
    }

    /// Puts a message on the timeline of the incident to which its place belongs, or asks which one is meant.
    async fn add_to_timeline(&self, action: &MessageAction, at: MessageRef) -> Reply {
        let found = match self.incident_of(&at, &action.message).await {
            Ok(found) => found,
            Err(reply) => return reply,
        };
        let reply = |text: &str| {
            if let Some(url) = &action.response_url {
                self.tell(url.clone(), words(text));
            }
            Reply::Taken
        };
        let Some(incident) = found else {
            let Ok(open) = self.desk.store.list(Which::Open, OPEN).await else {
                return reply(BROKEN);
            };
            if open.is_empty() {
                return reply("There is no open incident on whose timeline it could stand.");
            }
            let url = action.response_url.clone();
            self.open(
                action.trigger_id.clone(),
                keep(&open, &at),
                url,
                String::new(),
            );
            return Reply::Taken;
        };
        match self
            .mark(&incident, at, Mark::Shortcut, action.user.who())
            .await
        {
            Ok(()) => reply(&format!("Added to the timeline of {}.", incident.id)),
            Err(error) => reply(&desk::told(&error)),
        }
    }

    fn is_of_foreigners(&self, team: Option<&TeamRef>) -> bool {
        team.is_some_and(|team| self.is_foreign(&team.id))
    }

    /// Says something to the one who did something. Not awaited: Slack's three seconds are not spent on Slack's own API.
    fn tell(&self, response_url: String, message: Outgoing) {
        if let Some(slack) = self.slack.clone() {
            self.replies.spawn(async move {
                if let Err(failure) = slack.reply(&response_url, &message).await {
                    warn!("Could not reply to somebody: {failure:?}");
                }
            });
        }
    }

    /// Opens a form, not awaited either. If it does not open (the trigger is good for three seconds), the person
    /// learns what to type instead.
    fn open(&self, trigger_id: String, view: Value, trouble: Option<String>, typed: String) {
        let (Some(slack), now) = (self.slack.clone(), self.desk.clock.now()) else {
            return;
        };
        self.replies.spawn(async move {
            let call = Call {
                now,
                ticket: &trigger_id,
                tenure: None,
            };
            let mut opened = slack.open_view(&trigger_id, &view, call).await;
            // The trigger lives for three seconds: a short wait for one's turn is worth it, a long one is not.
            if let Err(Failure::Later { at }) = &opened
                && let Ok(wait) = Duration::try_from(at.duration_since(now))
                && wait < ASKING
            {
                tokio::time::sleep(wait).await;
                let call = Call { now: *at, ..call };
                opened = slack.open_view(&trigger_id, &view, call).await;
            }
            let Err(failure) = opened else { return };
            warn!("Could not open a form: {failure:?}");
            let Some(url) = trouble else { return };
            let why = match &failure {
                Failure::Later { .. } => "too many people want one at once".to_owned(),
                Failure::GiveUp { code, why, .. } if code != "expired_trigger_id" => why.clone(),
                _ => "Slack took too long".to_owned(),
            };
            let instead = match typed.trim() {
                "" => String::new(),
                typed => format!(", or type it: `{typed}`"),
            };
            let message = words(&format!("The form did not open: {why}. Try again{instead}"));
            if let Err(failure) = slack.reply(&url, &message).await {
                warn!("Could not reply to somebody: {failure:?}");
            }
        });
    }

    /// Shows somebody their home tab as it is now.
    fn show_home(&self, user: SlackUserId) {
        let Some(slack) = self.slack.clone() else {
            return;
        };
        let desk = self.desk.clone();
        self.replies.spawn(async move {
            let view = match desk.home(&user).await {
                Ok(view) => view,
                Err(cause) => {
                    error!("Could not make a home tab: {cause:#}");
                    return;
                }
            };
            let call = Call {
                now: desk.clock.now(),
                ticket: user.as_str(),
                tenure: None,
            };
            if let Err(failure) = slack.publish_home(&user, &view, call).await {
                warn!("Could not show a home tab: {failure:?}");
            }
        });
    }

    /// A mark on a message of a war room, or somebody looks at the home tab. Everything else is received and left
    /// alone.
    async fn happened(&self, callback: &EventCallback) -> Reply {
        let (user, message, mark) = match &callback.event {
            SlackEvent::AppHomeOpened { user, tab } => {
                if tab != "messages" && !self.is_foreign(&callback.team_id) {
                    self.show_home(user.clone());
                }
                return Reply::Taken;
            }
            SlackEvent::TokensRevoked | SlackEvent::AppUninstalled => {
                error!(
                    "Slack has taken the bot's token away: install the app again and set SLACK_BOT_TOKEN; until then what is to be said in Slack waits"
                );
                return Reply::Taken;
            }
            event => match mark_of(event) {
                Some(mark) => mark,
                None => return Reply::Taken,
            },
        };
        // The bot pins its own card: that is no mark of a person.
        if callback.is_bot(&user) || self.is_foreign(&callback.team_id) {
            return Reply::Taken;
        }
        let seen = match &callback.event {
            SlackEvent::PinAdded { item, .. } => item.message.clone().unwrap_or_default(),
            _ => Message::default(),
        };
        let incident = match self.incident_of(&message, &seen).await {
            Ok(Some(incident)) => incident,
            Ok(None) => return Reply::Taken,
            Err(reply) => return reply,
        };
        if incident.card.as_ref() == Some(&message) {
            return Reply::Taken;
        }
        let person = self.desk.catalog.person_by_slack(&user);
        let name = person.map_or_else(|| user.to_string(), |person| person.name.clone());
        match self
            .mark(&incident, message, mark, Who::slack(user, name))
            .await
        {
            Ok(()) => Reply::Taken,
            Err(error @ (EngineError::Refused(_) | EngineError::Damaged(_))) => {
                info!("A mark was not taken: {error}");
                Reply::Taken
            }
            Err(EngineError::Overloaded) => Reply::Overloaded,
            // A mark that was put there after all is known again.
            Err(EngineError::LeaseLost | EngineError::Store(_) | EngineError::Unclear(_)) => {
                Reply::Broken
            }
        }
    }

    async fn mark(
        &self,
        incident: &Incident,
        message: MessageRef,
        mark: Mark,
        by: Who,
    ) -> Result<(), EngineError> {
        let envelope = Envelope {
            delivery: Some(marked(&incident.id, &message, mark)),
            wish: Wish::Pursue(incident.id.clone(), Command::MarkMessage { message, mark }),
            actor: Actor::Person(by),
        };
        self.desk.engine.handle(envelope).await.map(drop)
    }

    /// The incident to whose place a message belongs: its war room, or the thread under its announcement. `seen` is
    /// the message as far as it came along.
    async fn incident_of(
        &self,
        at: &MessageRef,
        seen: &Message,
    ) -> Result<Option<Arc<Incident>>, Reply> {
        let broken = |cause: anyhow::Error| {
            error!("Could not look for the incident of a message: {cause:#}");
            Reply::Broken
        };
        let store = &self.desk.store;
        if let Some(incident) = store.incident_in(&at.channel).await.map_err(broken)? {
            return Ok(Some(incident));
        }
        let mut threads = store.list(Which::Open, OPEN).await.map_err(broken)?;
        threads.retain(|incident| {
            let announcement = incident.announcement.as_ref();
            incident.room == Room::Thread
                && announcement.is_some_and(|announcement| announcement.channel == at.channel)
        });
        if threads.is_empty() {
            return Ok(None);
        }
        let thread = match &seen.thread_ts {
            Some(thread) => Some(thread.clone()),
            None if seen.ts.is_empty() => self.thread_of(at).await?,
            None => None,
        };
        let thread = thread.unwrap_or_else(|| at.ts.to_string());
        Ok(threads.into_iter().find(|incident| {
            let announcement = incident.announcement.as_ref();
            announcement.is_some_and(|announcement| announcement.ts.as_str() == thread)
        }))
    }

    /// In which thread a message stands: a reaction does not say. Asked only where a thread is somebody's war room;
    /// if Slack does not tell in time, it is asked to send the reaction again.
    async fn thread_of(&self, at: &MessageRef) -> Result<Option<String>, Reply> {
        let Some(slack) = &self.slack else {
            return Ok(None);
        };
        let ticket = format!("thread/{}/{}", at.channel, at.ts);
        let call = Call {
            now: self.desk.clock.now(),
            ticket: &ticket,
            tenure: None,
        };
        match tokio::time::timeout(ASKING, slack.message(at, call)).await {
            Ok(Ok(message)) => Ok(message.and_then(|message| message.thread_ts)),
            Ok(Err(Failure::GiveUp { why, .. })) => {
                info!("Could not look at a message that was marked: {why}");
                Ok(None)
            }
            Ok(Err(Failure::Later { .. } | Failure::Retry { .. })) | Err(_) => {
                Err(Reply::Overloaded)
            }
        }
    }
}

fn ephemeral(message: &Outgoing) -> Reply {
    Reply::Body(
        json!({ "response_type": "ephemeral", "text": message.text, "blocks": message.blocks }),
    )
}

/// Who marked which message, and how.
fn mark_of(event: &SlackEvent) -> Option<(SlackUserId, MessageRef, Mark)> {
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
        SlackEvent::AppHomeOpened { .. }
        | SlackEvent::TokensRevoked
        | SlackEvent::AppUninstalled
        | SlackEvent::Other => None,
    }
}

fn message_ref(channel: ChannelId, ts: &str) -> MessageRef {
    MessageRef {
        channel,
        ts: MessageTs::new(ts),
    }
}
