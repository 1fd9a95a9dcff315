//! What people and tests can read: channels, messages, open views, and what nobody has looked at yet.

use serde::Serialize;
use serde_json::{Map, Value};

use super::block_kit;
use super::form::kind_of;
use super::model::{BOT_USER, Channel, Ephemeral, Kind, Message, State, UnreadMark};
use super::views::View;
use super::{Unread, Workspace};

/// A channel as it is now.
#[derive(Clone, Debug, Serialize)]
pub struct ChannelView {
    /// `C…`
    pub id: String,
    /// Without `#`.
    pub name: String,
    /// The topic's text.
    pub topic: String,
    /// The purpose's text.
    pub purpose: String,
    /// Archived channels can still be looked at here.
    pub is_archived: bool,
    /// Seen by members only.
    pub is_private: bool,
    /// Names; of an archived channel, who was in it.
    pub members: Vec<String>,
    /// Oldest first, thread replies and system lines among them.
    pub messages: Vec<MessageView>,
    /// In the order they were added.
    pub bookmarks: Vec<BookmarkView>,
    /// Files shared here.
    pub files: Vec<FileView>,
}

impl ChannelView {
    /// The messages that are not Slack's own lines (joins, topics, …).
    pub fn posts(&self) -> impl Iterator<Item = &MessageView> {
        self.messages.iter().filter(|m| {
            !m.subtype
                .as_deref()
                .is_some_and(|s| s.starts_with("channel_"))
        })
    }

    /// The pinned messages.
    pub fn pinned(&self) -> impl Iterator<Item = &MessageView> {
        self.messages.iter().filter(|m| m.pinned)
    }

    /// The first message whose rendering contains the words.
    pub fn find(&self, words: &str) -> Option<&MessageView> {
        self.messages
            .iter()
            .find(|m| m.plain_text().contains(words))
    }
}

/// A message, or something that only one person can see.
#[derive(Clone, Debug, Serialize)]
pub struct MessageView {
    /// The channel's name, or `@ana` for the bot's direct message with her.
    pub channel: String,
    /// Its id in the channel.
    pub ts: String,
    /// The author's name.
    pub author: String,
    /// The top-level text: what notifications show.
    pub text: String,
    /// As stored: with the ids and defaults that the server filled in.
    pub blocks: Vec<Value>,
    /// Legacy attachments.
    pub attachments: Vec<Value>,
    /// `{event_type, event_payload}`
    pub metadata: Option<Value>,
    /// The thread it belongs to; a parent has its own `ts` here.
    pub thread_ts: Option<String>,
    /// `channel_join`, `file_share`, …
    pub subtype: Option<String>,
    /// How often it was changed in place.
    pub edits: usize,
    /// In the order they were first used.
    pub reactions: Vec<ReactionView>,
    /// Whether it is pinned to its channel.
    pub pinned: bool,
    /// The only person who can see it, if it is ephemeral.
    pub only_for: Option<String>,
    /// Whether the bot posted it.
    pub from_bot: bool,
}

impl MessageView {
    /// What a person reads: the blocks' text, buttons as `[Label]`; mrkdwn is left as it is.
    pub fn plain_text(&self) -> String {
        let mut lines = Vec::new();
        // What people type is shown from its text: their rich text says the same.
        if self.blocks.is_empty() || !self.from_bot {
            lines.push(self.text.clone());
        } else {
            lines.extend(render(&self.blocks, &Map::new()));
        }
        for attachment in &self.attachments {
            match attachment["blocks"].as_array() {
                Some(blocks) => lines.extend(render(blocks, &Map::new())),
                None => lines.extend(
                    attachment["text"]
                        .as_str()
                        .or(attachment["fallback"].as_str())
                        .map(str::to_owned),
                ),
            }
        }
        lines.retain(|line| !line.is_empty());
        lines.join("\n")
    }

    /// The labels of everything that can be clicked.
    pub fn buttons(&self) -> Vec<String> {
        super::form::labels(&self.blocks)
    }
}

/// Who reacted with an emoji.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReactionView {
    /// Without colons.
    pub emoji: String,
    /// Names.
    pub users: Vec<String>,
}

/// A bookmark in a channel's header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BookmarkView {
    /// `Bk…`
    pub id: String,
    /// What the header shows.
    pub title: String,
    /// Where it leads.
    pub link: String,
    /// `:emoji:` or nothing.
    pub emoji: String,
}

/// A file that was shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileView {
    /// `F…`
    pub id: String,
    /// The file's name.
    pub filename: String,
    /// What Slack shows.
    pub title: String,
    /// What was uploaded.
    #[serde(skip)]
    pub bytes: Vec<u8>,
}

/// A modal or a home tab as its person sees it.
#[derive(Clone, Debug, Serialize)]
pub struct OpenView {
    /// `V…`
    pub id: String,
    /// Empty on home tabs.
    pub title: String,
    /// The submit button's label.
    pub submit: String,
    /// The app's name for the form.
    pub callback_id: String,
    /// What the app hid in it.
    pub private_metadata: String,
    /// As stored: with the ids and defaults that the server filled in.
    pub blocks: Vec<Value>,
    /// `state.values`
    pub values: Map<String, Value>,
    /// Changes with every update.
    pub hash: String,
}

impl OpenView {
    /// What a person reads; inputs as `Label: value` (`Label: ____` when empty).
    pub fn plain_text(&self) -> String {
        let mut lines = vec![self.title.clone()];
        lines.extend(render(&self.blocks, &self.values));
        if !self.submit.is_empty() {
            lines.push(format!("[{}]", self.submit));
        }
        lines.retain(|line| !line.is_empty());
        lines.join("\n")
    }
}

impl Workspace {
    /// A channel by name (with or without `#`) or id. Looking at it so does not count as having read it.
    pub fn channel(&self, name: &str) -> Option<ChannelView> {
        self.with(|state| {
            let channel = state
                .channel_named(name.trim_start_matches('#'))
                .or_else(|| state.channels.get(name))?;
            Some(channel_view(state, channel))
        })
    }

    /// Every public and private channel, in the order of their making.
    pub fn channels(&self) -> Vec<ChannelView> {
        self.with(|state| {
            state
                .channels
                .values()
                .filter(|c| c.kind.is_channel())
                .map(|c| channel_view(state, c))
                .collect()
        })
    }

    /// What the bot posted in a channel for all to see and nobody had read; it is read now.
    pub fn read(&self, channel: &str) -> Vec<MessageView> {
        self.with(|state| {
            let named = state
                .channel_named(channel.trim_start_matches('#'))
                .map(|c| c.id.clone());
            let id = named.unwrap_or_else(|| channel.to_owned());
            take_unread(state, |_, mark| {
                mark.channel == id && mark.only_for.is_none()
            })
        })
    }

    /// What the bot posted and nobody has read: a house test ends with this being empty.
    pub fn unread(&self) -> Vec<Unread> {
        self.with(|state| {
            let marks = state.unread.iter();
            let views = marks.filter_map(|mark| Some((mark, marked(state, mark)?)));
            views
                .map(|(mark, view)| Unread {
                    channel: view.channel.clone(),
                    ts: mark.ts.clone(),
                    only_for: view.only_for.clone(),
                    text: view.plain_text(),
                })
                .collect()
        })
    }

    /// Takes everything as read.
    pub fn mark_read(&self) {
        self.with(|state| state.unread.clear());
    }
}

/// The unread messages that fit, which are read by this.
pub(crate) fn take_unread(
    state: &mut State,
    fits: impl Fn(&State, &UnreadMark) -> bool,
) -> Vec<MessageView> {
    let (taken, left): (Vec<_>, Vec<_>) = state
        .unread
        .iter()
        .cloned()
        .partition(|mark| fits(state, mark));
    state.unread = left;
    taken
        .iter()
        .filter_map(|mark| marked(state, mark))
        .collect()
}

fn marked(state: &State, mark: &UnreadMark) -> Option<MessageView> {
    match &mark.only_for {
        Some(_) => state
            .ephemerals
            .iter()
            .find(|e| e.ts == mark.ts)
            .map(|e| ephemeral_view(state, e)),
        None => {
            let channel = state.channel(&mark.channel);
            channel
                .message(&mark.ts)
                .map(|message| message_view(state, channel, message))
        }
    }
}

pub(crate) fn channel_view(state: &State, channel: &Channel) -> ChannelView {
    let members = if channel.archived {
        &channel.members_before_archive
    } else {
        &channel.members
    };
    let shared_here =
        |file: &&super::model::File| file.shares.iter().any(|(id, _)| *id == channel.id);
    let files = state
        .files
        .values()
        .filter(shared_here)
        .map(|file| FileView {
            id: file.id.clone(),
            filename: file.filename.clone(),
            title: file.title.clone(),
            bytes: file.bytes.clone().unwrap_or_default(),
        });
    let bookmarks = channel.bookmarks.iter().map(|bookmark| BookmarkView {
        id: bookmark.id.clone(),
        title: bookmark.title.clone(),
        link: bookmark.link.clone(),
        emoji: bookmark.emoji.clone(),
    });
    ChannelView {
        id: channel.id.clone(),
        name: shown_name(state, channel),
        topic: channel.topic.value.clone(),
        purpose: channel.purpose.value.clone(),
        is_archived: channel.archived,
        is_private: channel.kind != Kind::Public,
        members: members.iter().map(|id| name_of(state, id)).collect(),
        messages: channel
            .messages
            .iter()
            .map(|message| message_view(state, channel, message))
            .collect(),
        bookmarks: bookmarks.collect(),
        files: files.collect(),
    }
}

pub(crate) fn message_view(state: &State, channel: &Channel, message: &Message) -> MessageView {
    let reactions = message.reactions.iter().map(|reaction| ReactionView {
        emoji: reaction.name.clone(),
        users: reaction.users.iter().map(|id| name_of(state, id)).collect(),
    });
    MessageView {
        channel: shown_name(state, channel),
        ts: message.ts.clone(),
        author: name_of(state, &message.user),
        text: message.text.clone(),
        blocks: message.blocks.clone(),
        attachments: message.attachments.clone(),
        metadata: message.metadata.clone(),
        thread_ts: message.thread_ts.clone(),
        subtype: message.subtype.clone(),
        edits: message.edits,
        reactions: reactions.collect(),
        pinned: channel.pins.iter().any(|pin| pin.ts == message.ts),
        only_for: None,
        from_bot: message.from_bot,
    }
}

pub(crate) fn ephemeral_view(state: &State, ephemeral: &Ephemeral) -> MessageView {
    MessageView {
        channel: shown_name(state, state.channel(&ephemeral.channel)),
        ts: ephemeral.ts.clone(),
        author: name_of(state, BOT_USER),
        text: ephemeral.text.clone(),
        blocks: ephemeral.blocks.clone(),
        attachments: Vec::new(),
        metadata: None,
        thread_ts: ephemeral.thread_ts.clone(),
        subtype: None,
        edits: 0,
        reactions: Vec::new(),
        pinned: false,
        only_for: Some(name_of(state, &ephemeral.user)),
        from_bot: true,
    }
}

pub(crate) fn open_view(view: &View) -> OpenView {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    OpenView {
        id: view.id.clone(),
        title: text(&view.body["title"]["text"]),
        submit: text(&view.body["submit"]["text"]),
        callback_id: text(&view.body["callback_id"]),
        private_metadata: text(&view.body["private_metadata"]),
        blocks: view.blocks().to_vec(),
        values: view.values.clone(),
        hash: view.hash.clone(),
    }
}

pub(crate) fn name_of(state: &State, user: &str) -> String {
    state
        .users
        .get(user)
        .map_or_else(|| user.to_owned(), |user| user.name.clone())
}

fn shown_name(state: &State, channel: &Channel) -> String {
    match channel.kind {
        Kind::Direct => {
            let people = channel.members.iter().filter(|id| *id != BOT_USER);
            let names: Vec<String> = people
                .map(|id| format!("@{}", name_of(state, id)))
                .collect();
            names.join(" ")
        }
        Kind::Public | Kind::Private | Kind::Group => channel.name.clone(),
    }
}

/// The lines a person reads in blocks.
fn render(blocks: &[Value], values: &Map<String, Value>) -> Vec<String> {
    let text = |value: &Value| value["text"].as_str().unwrap_or_default().to_owned();
    let mut lines = Vec::new();
    for block in blocks {
        let controls = block_kit::elements(block, "")
            .into_iter()
            .map(|(element, _)| control(element));
        match kind_of(block) {
            "section" => {
                lines.push(text(&block["text"]));
                lines.extend(block["fields"].as_array().into_iter().flatten().map(text));
                lines.extend(controls);
            }
            "header" => lines.push(text(&block["text"])),
            "context" => {
                let parts = block["elements"].as_array().into_iter().flatten();
                let parts: Vec<String> = parts
                    .map(|part| {
                        part["alt_text"]
                            .as_str()
                            .map_or_else(|| text(part), str::to_owned)
                    })
                    .collect();
                lines.push(parts.join("  "));
            }
            "actions" | "context_actions" => lines.push(controls.collect::<Vec<_>>().join(" ")),
            "input" => lines.push(format!(
                "{}: {}",
                text(&block["label"]),
                filled_in(block, values)
            )),
            "divider" => lines.push("---".into()),
            "image" => lines.push(format!(
                "({})",
                block["alt_text"].as_str().unwrap_or_default()
            )),
            "markdown" => lines.push(block["text"].as_str().unwrap_or_default().into()),
            "rich_text" | "table" => lines.push(inner_text(block)),
            _ => {}
        }
    }
    lines
}

/// `[Label]`, `[Menu: a | b]`
fn control(element: &Value) -> String {
    let options = super::form::options(element);
    let labels: Vec<&str> = options
        .iter()
        .filter_map(|option| option["text"]["text"].as_str())
        .collect();
    let label = element["text"]["text"]
        .as_str()
        .or(element["placeholder"]["text"].as_str());
    match (kind_of(element), label) {
        ("image", _) => format!("({})", element["alt_text"].as_str().unwrap_or_default()),
        ("overflow", _) => format!("[⋯ {}]", labels.join(" | ")),
        (_, Some(label)) if labels.is_empty() => format!("[{label}]"),
        (_, Some(label)) => format!("[{label}: {}]", labels.join(" | ")),
        (kind, None) => format!("[{kind}: {}]", labels.join(" | ")),
    }
}

fn filled_in(block: &Value, values: &Map<String, Value>) -> String {
    let block_id = block["block_id"].as_str().unwrap_or_default();
    let action_id = block["element"]["action_id"].as_str().unwrap_or_default();
    let typed = values
        .get(block_id)
        .and_then(|actions| actions[action_id].as_object());
    let value = typed
        .into_iter()
        .flatten()
        .find(|(name, _)| *name != "type")
        .map(|(_, value)| value);
    let shown = match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => items.iter().map(one_choice).collect::<Vec<_>>().join(", "),
        Some(value) if value["type"] == "rich_text" => inner_text(value),
        Some(value) => one_choice(value),
    };
    if shown.is_empty() {
        "____".into()
    } else {
        shown
    }
}

fn one_choice(value: &Value) -> String {
    let label = value["text"]["text"]
        .as_str()
        .or(value["name"].as_str())
        .or(value.as_str());
    label.map_or_else(|| value.to_string(), str::to_owned)
}

/// All texts inside a rich text or a table, in order.
fn inner_text(value: &Value) -> String {
    match value {
        Value::Array(items) => items.iter().map(inner_text).collect::<Vec<_>>().concat(),
        Value::Object(fields) => {
            let own = fields
                .get("text")
                .and_then(Value::as_str)
                .or(fields.get("url").and_then(Value::as_str));
            let user = fields
                .get("user_id")
                .and_then(Value::as_str)
                .map(|id| format!("<@{id}>"));
            let inside = fields
                .get("elements")
                .or(fields.get("rows"))
                .map(inner_text)
                .unwrap_or_default();
            format!(
                "{}{}{inside}",
                own.unwrap_or_default(),
                user.unwrap_or_default()
            )
        }
        _ => String::new(),
    }
}
