//! What Slack sends us, as far as we read it. Tolerant: Slack may add fields and kinds at any time.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::domain::terms::{ChannelId, SlackUserId, Who};

/// A slash command: the form of slack-contract.md section 2.
#[derive(Debug, Clone, Deserialize)]
pub struct SlashCommand {
    /// `/incident`
    pub command: String,
    /// Everything after it.
    #[serde(default)]
    pub text: String,
    /// Where it was typed.
    pub channel_id: ChannelId,
    /// Who typed it.
    pub user_id: SlackUserId,
    /// Their name, as long as Slack still sends it.
    #[serde(default)]
    pub user_name: String,
    /// The workspace.
    #[serde(default)]
    pub team_id: String,
    /// What tells this command from every other.
    #[serde(default)]
    pub trigger_id: String,
    /// Where answers can be posted to for half an hour.
    #[serde(default)]
    pub response_url: Option<String>,
}

impl SlashCommand {
    /// Who typed it.
    pub fn who(&self) -> Who {
        who(&self.user_id, &self.user_name)
    }
}

/// A user of an interaction (slack-contract.md section 3: `name` always, `username` usually).
#[derive(Debug, Clone, Deserialize)]
pub struct User {
    /// The id.
    pub id: SlackUserId,
    /// The handle.
    #[serde(default)]
    pub name: Option<String>,
    /// The handle, in most payloads.
    #[serde(default)]
    pub username: Option<String>,
}

impl User {
    /// The user as somebody who acts.
    pub fn who(&self) -> Who {
        let name = self.username.as_deref().or(self.name.as_deref());
        who(&self.id, name.unwrap_or_default())
    }
}

fn who(id: &SlackUserId, name: &str) -> Who {
    let name = if name.is_empty() { id.as_str() } else { name };
    Who::slack(id.clone(), name)
}

/// An interaction (slack-contract.md section 3).
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Interaction {
    /// Somebody clicked in a message.
    BlockActions(Box<BlockActions>),
    /// Somebody sent a modal off.
    ViewSubmission(Box<ViewSubmission>),
    /// Somebody chose a shortcut of ours, anywhere.
    Shortcut(Box<Shortcut>),
    /// Somebody chose a shortcut of ours in a message's menu.
    MessageAction(Box<MessageAction>),
    /// A kind that belongs to a later Slack, or to another app.
    #[serde(other)]
    Unknown,
}

/// A modal that was sent off (slack-contract.md section 3.3).
#[derive(Debug, Clone, Deserialize)]
pub struct ViewSubmission {
    /// Who sent it.
    pub user: User,
    /// The workspace.
    #[serde(default)]
    pub team: Option<TeamRef>,
    /// The modal with what was filled in.
    pub view: SubmittedView,
}

/// A modal with what was filled in.
#[derive(Debug, Clone, Deserialize)]
pub struct SubmittedView {
    /// Slack's id: the same however often it is sent.
    pub id: String,
    /// Which modal.
    #[serde(default)]
    pub callback_id: String,
    /// What we gave it along.
    #[serde(default)]
    pub private_metadata: String,
    /// What it shows.
    #[serde(default)]
    pub blocks: Vec<Value>,
    /// What was filled in.
    #[serde(default)]
    pub state: ViewState,
}

/// What was filled in: by block, then by action.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ViewState {
    /// `{"title": {"value": {"type": "plain_text_input", "value": "checkout is down"}}}`
    #[serde(default)]
    pub values: Value,
}

/// A global shortcut (slack-contract.md section 3.6).
#[derive(Debug, Clone, Deserialize)]
pub struct Shortcut {
    /// Who chose it.
    pub user: User,
    /// The workspace.
    #[serde(default)]
    pub team: Option<TeamRef>,
    /// Which one.
    pub callback_id: String,
    /// What a modal is opened with, within three seconds.
    #[serde(default)]
    pub trigger_id: String,
}

/// A shortcut in a message's menu (slack-contract.md section 3.6).
#[derive(Debug, Clone, Deserialize)]
pub struct MessageAction {
    /// Who chose it.
    pub user: User,
    /// The workspace.
    #[serde(default)]
    pub team: Option<TeamRef>,
    /// Which one.
    pub callback_id: String,
    /// What a modal is opened with, within three seconds.
    #[serde(default)]
    pub trigger_id: String,
    /// The conversation of the message.
    pub channel: ChannelRef,
    /// The message.
    pub message: Message,
    /// Where the answer goes.
    #[serde(default)]
    pub response_url: Option<String>,
}

/// A click (slack-contract.md section 3.1).
#[derive(Debug, Clone, Deserialize)]
pub struct BlockActions {
    /// Who clicked.
    pub user: User,
    /// The workspace.
    #[serde(default)]
    pub team: Option<TeamRef>,
    /// What was clicked; one entry for a person's click.
    #[serde(default)]
    pub actions: Vec<BlockAction>,
    /// What tells this click from every other.
    #[serde(default)]
    pub trigger_id: String,
    /// Where the answer goes.
    #[serde(default)]
    pub response_url: Option<String>,
    /// The conversation, for a click in a message.
    #[serde(default)]
    pub channel: Option<ChannelRef>,
}

/// One clicked element.
#[derive(Debug, Clone, Deserialize)]
pub struct BlockAction {
    /// Which element.
    #[serde(default)]
    pub action_id: String,
    /// A button's value.
    #[serde(default)]
    pub value: Option<String>,
    /// A menu's choice.
    #[serde(default)]
    pub selected_option: Option<SelectedOption>,
}

/// The choice in a menu.
#[derive(Debug, Clone, Deserialize)]
pub struct SelectedOption {
    /// Its value.
    pub value: String,
}

/// A workspace by id.
#[derive(Debug, Clone, Deserialize)]
pub struct TeamRef {
    /// The id.
    pub id: String,
}

/// A conversation by id.
#[derive(Debug, Clone, Deserialize)]
pub struct ChannelRef {
    /// The id.
    pub id: ChannelId,
}

/// A request of the Events API (slack-contract.md section 4).
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EventRequest {
    /// Slack proves the address.
    UrlVerification {
        /// To be sent back.
        challenge: String,
    },
    /// Something happened.
    EventCallback(Box<EventCallback>),
    /// Slack sends us nothing for a minute: we were too busy.
    AppRateLimited {},
    /// A kind that belongs to a later Slack.
    #[serde(other)]
    Unknown,
}

/// The envelope of an event.
#[derive(Debug, Clone, Deserialize)]
pub struct EventCallback {
    /// The same for every redelivery of the same event.
    pub event_id: String,
    /// What happened.
    pub event: SlackEvent,
    /// The workspace.
    #[serde(default)]
    pub team_id: String,
    /// For whom Slack sends it: our bot.
    #[serde(default, deserialize_with = "null_as_nothing")]
    pub authorizations: Vec<Authorization>,
}

impl EventCallback {
    /// Whether this user is the bot itself: Slack tells it of its own doings too.
    pub fn is_bot(&self, user: &SlackUserId) -> bool {
        self.authorizations
            .iter()
            .any(|us| us.is_bot && us.user_id.as_ref() == Some(user))
    }
}

/// For whom an event is sent.
#[derive(Debug, Clone, Deserialize)]
pub struct Authorization {
    /// The user.
    #[serde(default)]
    pub user_id: Option<SlackUserId>,
    /// Whether that is a bot.
    #[serde(default)]
    pub is_bot: bool,
}

/// The events that we heed.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SlackEvent {
    /// A reaction was added.
    ReactionAdded {
        /// By whom.
        user: SlackUserId,
        /// The emoji's name, without colons; a skin tone after `::`.
        reaction: String,
        /// To what.
        item: ReactedItem,
    },
    /// A message was pinned.
    PinAdded {
        /// By whom.
        user: SlackUserId,
        /// In which channel.
        channel_id: ChannelId,
        /// What.
        item: PinnedItem,
    },
    /// Somebody looks at the app's own page.
    AppHomeOpened {
        /// Who.
        user: SlackUserId,
        /// `home` or `messages`.
        #[serde(default)]
        tab: String,
    },
    /// The bot's token is worth nothing any more.
    TokensRevoked,
    /// The app was taken out of the workspace.
    AppUninstalled,
    /// An event that we do not heed.
    #[serde(other)]
    Other,
}

/// What a reaction is given to.
#[derive(Debug, Clone, Deserialize)]
pub struct ReactedItem {
    /// `message`, or another kind of thing.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// The channel of a message.
    #[serde(default)]
    pub channel: Option<ChannelId>,
    /// The `ts` of a message.
    #[serde(default)]
    pub ts: Option<String>,
}

/// What was pinned.
#[derive(Debug, Clone, Deserialize)]
pub struct PinnedItem {
    /// The message, if it is one.
    #[serde(default)]
    pub message: Option<Message>,
}

/// A message as Slack shows it in events and histories.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Message {
    /// Its `ts`.
    #[serde(default)]
    pub ts: String,
    /// Who wrote it; absent for some bots.
    #[serde(default)]
    pub user: Option<SlackUserId>,
    /// The bot that wrote it.
    #[serde(default)]
    pub bot_id: Option<String>,
    /// The text, with Slack's escapes.
    #[serde(default, deserialize_with = "null_as_nothing")]
    pub text: String,
    /// The sender's metadata; of any shape.
    #[serde(default)]
    pub metadata: Option<Value>,
    /// The thread it belongs to.
    #[serde(default)]
    pub thread_ts: Option<String>,
    /// Files that were shared with it.
    #[serde(default, deserialize_with = "null_as_nothing")]
    pub files: Vec<File>,
}

/// A file of a message.
#[derive(Debug, Clone, Deserialize)]
pub struct File {
    /// Its name.
    #[serde(default)]
    pub name: Option<String>,
}

/// Slack writes `null` where it has nothing to say.
fn null_as_nothing<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::deserialize(from).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_kinds_are_read_and_left_alone() {
        let interaction = r#"{"type":"workflow_step_edit","team":null}"#;
        assert!(matches!(
            serde_json::from_str(interaction),
            Ok(Interaction::Unknown)
        ));
        let event = r#"{"type":"event_callback","event_id":"Ev1","event":{"type":"channel_rename","channel":{"id":"C1"}}}"#;
        let Ok(EventRequest::EventCallback(callback)) = serde_json::from_str(event) else {
            panic!("an event that we do not heed is still an event");
        };
        assert!(matches!(callback.event, SlackEvent::Other));
    }
}
