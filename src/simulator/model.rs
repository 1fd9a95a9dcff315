//! What a workspace holds (people, channels, messages, files) and how it hands out ids and timestamps.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Map, Value, json};

use super::events::Outgoing;
use super::faults::OrderedFault;
use super::limits::Limits;
use super::page::Change;
use super::requests::RequestUrls;
use super::response_url::ResponseUrl;
use super::sockets::Sockets;
use super::views::Views;
use super::{Call, Delivery};

/// The bot's three identities; Slack shows a different one in each place.
pub(crate) const BOT_USER: &str = "U0000000BOT";
pub(crate) const BOT_ID: &str = "B0000000BOT";
pub(crate) const APP_ID: &str = "A0000000APP";
/// Slack's own helper, which `users.list` names in every workspace.
pub(crate) const SLACKBOT: &str = "USLACKBOT";

/// Everything in the workspace, behind one lock that is never held over an await.
pub(crate) struct State {
    /// The workspace's clock, read once when the lock was taken.
    pub now_ms: i64,
    last_ts_micros: i64,
    serials: BTreeMap<&'static str, u64>,
    pub team_id: String,
    pub scopes: BTreeSet<String>,
    pub enforce_rate_limits: bool,
    pub home_tab: bool,
    pub messages_tab: bool,
    /// `http://host:port`, under which upload and response URLs are handed out.
    pub origin: String,
    pub users: BTreeMap<String, User>,
    pub groups: BTreeMap<String, UserGroup>,
    pub channels: BTreeMap<String, Channel>,
    pub ephemerals: Vec<Ephemeral>,
    pub files: BTreeMap<String, File>,
    pub views: Views,
    pub triggers: BTreeMap<String, Trigger>,
    pub response_urls: BTreeMap<String, ResponseUrl>,
    pub unread: Vec<UnreadMark>,
    pub urls: Option<RequestUrls>,
    pub sockets: Sockets,
    pub outbox: VecDeque<Outgoing>,
    pub deliveries: Vec<Delivery>,
    pub calls: Vec<Call>,
    pub faults: Vec<OrderedFault>,
    pub limits: Limits,
    /// What changed since the lock was taken, for those who look at the page.
    pub changes: Vec<Change>,
    /// Counts every change.
    pub revision: u64,
    /// Up to which message each person has read each channel on the page.
    pub last_read: BTreeMap<(String, String), String>,
}

#[derive(Clone, Debug)]
pub(crate) struct User {
    pub id: String,
    pub name: String,
    pub real_name: String,
    pub title: String,
    pub email: Option<String>,
    pub tz: String,
    pub deleted: bool,
    pub is_bot: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct UserGroup {
    pub id: String,
    pub handle: String,
    pub name: String,
    pub users: Vec<String>,
    pub date_create_s: i64,
    pub date_update_s: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Public,
    Private,
    /// A direct message between two: the bot and one person, or two people.
    Direct,
    /// A direct message between the bot and several people.
    Group,
}

impl Kind {
    /// The first half of the scopes that govern this kind of conversation.
    pub fn scope_family(self) -> &'static str {
        match self {
            Kind::Public => "channels",
            Kind::Private => "groups",
            Kind::Direct => "im",
            Kind::Group => "mpim",
        }
    }

    /// `channel_type` of a message event.
    pub fn event_name(self) -> &'static str {
        match self {
            Kind::Public => "channel",
            Kind::Private => "group",
            Kind::Direct => "im",
            Kind::Group => "mpim",
        }
    }

    pub fn is_channel(self) -> bool {
        matches!(self, Kind::Public | Kind::Private)
    }
}

/// A topic or a purpose: its value, who set it, when (0 when never).
#[derive(Clone, Debug, Default)]
pub(crate) struct Heading {
    pub value: String,
    pub creator: String,
    pub last_set_s: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct Channel {
    pub id: String,
    pub name: String,
    pub kind: Kind,
    pub is_general: bool,
    pub creator: String,
    pub created_s: i64,
    pub updated_ms: i64,
    pub archived: bool,
    pub topic: Heading,
    pub purpose: Heading,
    pub members: Vec<String>,
    /// Of a direct message: those who opened it. The other one sees it once something was said.
    pub opened_by: Vec<String>,
    /// Archiving takes everybody out, the bot too (contract section 6.3); this is who was in.
    pub members_before_archive: Vec<String>,
    pub previous_names: Vec<String>,
    /// Oldest first.
    pub messages: Vec<Message>,
    pub pins: Vec<Pin>,
    pub bookmarks: Vec<Bookmark>,
}

#[derive(Clone, Debug)]
pub(crate) struct Pin {
    pub ts: String,
    pub by: String,
    pub created_s: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct Bookmark {
    pub id: String,
    pub title: String,
    pub link: String,
    pub emoji: String,
    pub created_s: i64,
    pub updated_s: i64,
    pub updated_by: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Reaction {
    pub name: String,
    pub users: Vec<String>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Message {
    pub ts: String,
    pub thread_ts: Option<String>,
    pub user: String,
    pub from_bot: bool,
    pub subtype: Option<String>,
    /// Fields that only a subtype has: `topic`, `inviter`, `old_name`, `username`, …
    pub more: Map<String, Value>,
    pub text: String,
    pub blocks: Vec<Value>,
    pub attachments: Vec<Value>,
    pub metadata: Option<Value>,
    pub files: Vec<String>,
    pub client_msg_id: Option<String>,
    pub edited_ts: Option<String>,
    pub edits: usize,
    pub reactions: Vec<Reaction>,
    /// `state.values` of the stateful elements, as people left them.
    pub values: Map<String, Value>,
}

/// A message that one person sees and that no method can read back.
#[derive(Clone, Debug)]
pub(crate) struct Ephemeral {
    pub ts: String,
    pub channel: String,
    pub user: String,
    pub thread_ts: Option<String>,
    pub text: String,
    pub blocks: Vec<Value>,
    pub values: Map<String, Value>,
}

#[derive(Clone, Debug)]
pub(crate) struct File {
    pub id: String,
    /// Who uploaded it.
    pub user: String,
    pub filename: String,
    pub title: String,
    pub length: usize,
    pub created_s: i64,
    pub bytes: Option<Vec<u8>>,
    pub completed: bool,
    /// Channel and message that show it.
    pub shares: Vec<(String, String)>,
}

/// Allows one view to be opened, for three seconds.
#[derive(Clone, Debug)]
pub(crate) struct Trigger {
    pub user: String,
    pub expires_ms: i64,
    pub used: bool,
}

/// Something that the bot posted and that no test has looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnreadMark {
    pub channel: String,
    pub ts: String,
    /// Set on ephemerals: the only person who can see it.
    pub only_for: Option<String>,
}

impl State {
    pub fn new(options: &super::Options) -> State {
        let mut state = State {
            now_ms: (options.now)(),
            last_ts_micros: 0,
            serials: BTreeMap::new(),
            team_id: options.team_id.clone(),
            scopes: options.scopes.iter().cloned().collect(),
            enforce_rate_limits: options.enforce_rate_limits,
            home_tab: true,
            messages_tab: true,
            origin: String::new(),
            users: BTreeMap::new(),
            groups: BTreeMap::new(),
            channels: BTreeMap::new(),
            ephemerals: Vec::new(),
            files: BTreeMap::new(),
            views: Views::default(),
            triggers: BTreeMap::new(),
            response_urls: BTreeMap::new(),
            unread: Vec::new(),
            urls: None,
            sockets: Sockets::default(),
            outbox: VecDeque::new(),
            deliveries: Vec::new(),
            calls: Vec::new(),
            faults: Vec::new(),
            limits: Limits::default(),
            changes: Vec::new(),
            revision: 0,
            last_read: BTreeMap::new(),
        };
        for (id, name, real_name) in [
            (
                BOT_USER,
                options.bot_name.as_str(),
                options.bot_name.as_str(),
            ),
            (SLACKBOT, "slackbot", "Slackbot"),
        ] {
            state.users.insert(
                id.into(),
                User {
                    id: id.into(),
                    name: name.into(),
                    real_name: real_name.into(),
                    title: String::new(),
                    email: None,
                    tz: "America/Los_Angeles".into(),
                    deleted: false,
                    is_bot: true,
                },
            );
        }
        let general = state.add_channel("general", Kind::Public, SLACKBOT);
        state.channel_mut(&general).is_general = true;
        state
    }

    pub fn now_s(&self) -> i64 {
        self.now_ms / 1000
    }

    /// The next id with this prefix, counted per prefix so that a test run can be repeated: `C0000000001`.
    pub fn next_id(&mut self, prefix: &'static str) -> String {
        let serial = self.serials.entry(prefix).or_default();
        *serial += 1;
        format!("{prefix}{serial:010}")
    }

    /// The next number of a series that is not an id.
    pub fn next_number(&mut self, series: &'static str) -> u64 {
        let serial = self.serials.entry(series).or_default();
        *serial += 1;
        *serial
    }

    /// A message timestamp: unique and strictly increasing also while the clock stands still.
    pub fn next_ts(&mut self) -> String {
        self.last_ts_micros = (self.now_ms * 1000).max(self.last_ts_micros + 1);
        format!(
            "{:010}.{:06}",
            self.last_ts_micros / 1_000_000,
            self.last_ts_micros % 1_000_000
        )
    }

    pub fn add_channel(&mut self, name: &str, kind: Kind, creator: &str) -> String {
        let id = self.next_id(match kind {
            Kind::Public | Kind::Private => "C",
            Kind::Direct => "D",
            Kind::Group => "G",
        });
        let channel = Channel {
            id: id.clone(),
            name: name.into(),
            kind,
            is_general: false,
            creator: creator.into(),
            created_s: self.now_s(),
            updated_ms: self.now_ms,
            archived: false,
            topic: Heading::default(),
            purpose: Heading::default(),
            members: Vec::new(),
            opened_by: Vec::new(),
            members_before_archive: Vec::new(),
            previous_names: Vec::new(),
            messages: Vec::new(),
            pins: Vec::new(),
            bookmarks: Vec::new(),
        };
        self.channels.insert(id.clone(), channel);
        self.note(Change::Channel(id.clone()));
        id
    }

    /// The direct conversation of the bot with one person, opened if there was none.
    pub fn direct_channel(&mut self, user: &str) -> (String, bool) {
        self.direct_between(user, BOT_USER)
    }

    /// The direct conversation of two, opened by the first. Says whether there was one.
    pub fn direct_between(&mut self, user: &str, other: &str) -> (String, bool) {
        let known = self
            .channels
            .values()
            .find(|c| c.kind == Kind::Direct && c.has(user) && c.has(other));
        let (id, was_open) = match known {
            Some(channel) => (channel.id.clone(), true),
            None => (self.add_channel("", Kind::Direct, user), false),
        };
        let channel = self.channel_mut(&id);
        if !was_open {
            channel.members = vec![user.into(), other.into()];
        }
        if !channel.opened_by.iter().any(|opener| opener == user) {
            channel.opened_by.push(user.into());
            self.note(Change::Channel(id.clone()));
        }
        (id, was_open)
    }

    /// A channel that is known to exist.
    pub fn channel(&self, id: &str) -> &Channel {
        &self.channels[id]
    }

    /// A channel that is known to exist, to change it.
    pub fn channel_mut(&mut self, id: &str) -> &mut Channel {
        self.channels
            .get_mut(id)
            .expect("a channel is never taken away")
    }

    pub fn message(&self, channel: &str, ts: &str) -> Option<&Message> {
        self.channels.get(channel)?.message(ts)
    }

    pub fn message_mut(&mut self, channel: &str, ts: &str) -> Option<&mut Message> {
        let messages = &mut self.channels.get_mut(channel)?.messages;
        let place = messages.binary_search_by(|m| m.ts.as_str().cmp(ts)).ok()?;
        Some(&mut messages[place])
    }

    /// A public or private channel of this name, archived ones too (Slack never frees a name).
    pub fn channel_named(&self, name: &str) -> Option<&Channel> {
        self.channels
            .values()
            .find(|c| c.kind.is_channel() && c.name == name)
    }

    pub fn user_named(&self, name: &str) -> Option<&User> {
        self.users.values().find(|u| u.name == name)
    }

    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.contains(scope)
    }

    /// Allows `user` to have one view opened in the next three seconds (contract section 2).
    pub fn new_trigger(&mut self, user: &str) -> String {
        let n = self.next_number("trigger");
        let id = format!("{}.{:012}.{:032x}", self.now_s(), n, n);
        let trigger = Trigger {
            user: user.into(),
            expires_ms: self.now_ms + 3_000,
            used: false,
        };
        self.triggers.insert(id.clone(), trigger);
        id
    }
}

impl Channel {
    pub fn has(&self, user: &str) -> bool {
        self.members.iter().any(|m| m == user)
    }

    pub fn has_bot(&self) -> bool {
        self.has(BOT_USER)
    }

    pub fn message(&self, ts: &str) -> Option<&Message> {
        let place = self
            .messages
            .binary_search_by(|m| m.ts.as_str().cmp(ts))
            .ok()?;
        Some(&self.messages[place])
    }

    /// The replies below a message, oldest first.
    pub fn replies<'a>(&'a self, parent: &'a str) -> impl Iterator<Item = &'a Message> {
        self.messages
            .iter()
            .filter(move |m| m.is_reply() && m.thread_ts.as_deref() == Some(parent))
    }
}

impl Message {
    pub fn is_reply(&self) -> bool {
        self.thread_ts
            .as_ref()
            .is_some_and(|thread| *thread != self.ts)
    }
}

/// The rich text that Slack's own client makes of what a person types.
pub(crate) fn typed_blocks(text: &str, block_id: &str) -> Vec<Value> {
    let section =
        json!({"type": "rich_text_section", "elements": [{"type": "text", "text": text}]});
    vec![json!({"type": "rich_text", "block_id": block_id, "elements": [section]})]
}
