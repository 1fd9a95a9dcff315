//! How a message comes into a channel: reading its content as Slack judges it, and putting it there.

use serde_json::{Map, Value, json};

use super::api::{Args, Failure};
use super::block_kit::{self, Surface};
use super::model::{BOT_USER, Channel, Ephemeral, Message, State, UnreadMark};
use super::page::Change;

/// `chat.postMessage` cuts longer text and warns (contract section 6.2).
const TEXT_CUT: usize = 40_000;
const ATTACHMENTS: usize = 100;
const MARKDOWN: usize = 12_000;
/// Slack does not publish the number; 8 kB is the rumour (contract section 10).
const METADATA_BYTES: usize = 8_000;

/// What a caller wants a message to hold; `None` means that it did not say.
#[derive(Default)]
pub(crate) struct Content {
    pub text: Option<String>,
    pub blocks: Option<Vec<Value>>,
    pub attachments: Option<Vec<Value>>,
    /// `Null` removes it on update.
    pub metadata: Option<Value>,
    /// The text was longer than Slack keeps.
    pub truncated: bool,
}

impl Content {
    /// Reads and judges the content arguments that all posting methods share.
    pub fn read(state: &mut State, args: &Args) -> Result<Content, Failure> {
        let mut content = Content {
            text: args.text("text"),
            blocks: args
                .array("blocks")
                .map_err(|_| Failure::new("invalid_blocks_format"))?,
            attachments: args
                .array("attachments")
                .map_err(|_| Failure::new("invalid_attachments"))?,
            metadata: read_metadata(args)?,
            truncated: false,
        };
        if let Some(markdown) = args.text("markdown_text") {
            if content.text.is_some() || content.blocks.is_some() {
                return Err(Failure::new("markdown_text_conflict"));
            }
            if markdown.chars().count() > MARKDOWN {
                return Err(Failure::new("msg_too_long"));
            }
            content.text = Some(markdown);
        }
        if let Some(text) = &mut content.text {
            if text.chars().count() > TEXT_CUT {
                *text = text.chars().take(TEXT_CUT).collect();
                content.truncated = true;
            }
            *text = link_urls(text);
        }
        if let Some(blocks) = &mut content.blocks {
            let problems = block_kit::problems_of_blocks(blocks, Surface::Message, "/blocks");
            if problems
                .iter()
                .any(|problem| problem.message == "only_one_table_allowed")
            {
                return Err(Failure::judged("invalid_attachments", &problems));
            }
            if !problems.is_empty() {
                return Err(Failure::judged("invalid_blocks", &problems));
            }
            block_kit::complete(blocks, &mut || state.block_serial());
        }
        if let Some(attachments) = &mut content.attachments {
            judge_attachments(state, attachments)?;
        }
        Ok(content)
    }

    /// `no_text`: nothing that could be shown.
    pub fn must_show_something(&self) -> Result<(), Failure> {
        let empty = |list: &Option<Vec<Value>>| list.as_ref().is_none_or(Vec::is_empty);
        let no_text = self.text.as_ref().is_none_or(String::is_empty);
        match no_text && empty(&self.blocks) && empty(&self.attachments) {
            true => Err(Failure::new("no_text")),
            false => Ok(()),
        }
    }

    /// The message that the bot wants to post with this content.
    pub fn into_bot_message(self) -> Message {
        Message {
            user: BOT_USER.into(),
            from_bot: true,
            text: self.text.unwrap_or_default(),
            blocks: self.blocks.unwrap_or_default(),
            attachments: self.attachments.unwrap_or_default(),
            metadata: self.metadata.filter(|data| !data.is_null()),
            ..Message::default()
        }
    }
}

fn read_metadata(args: &Args) -> Result<Option<Value>, Failure> {
    let format = |_| Failure::new("invalid_metadata_format");
    let Some(metadata) = args.json("metadata").map_err(format)? else {
        return Ok(None);
    };
    let Some(fields) = metadata.as_object() else {
        return Err(Failure::new("invalid_metadata_format"));
    };
    if fields.is_empty() {
        return Ok(Some(Value::Null));
    }
    if !(metadata["event_type"].is_string() && metadata["event_payload"].is_object()) {
        return Err(Failure::new("invalid_metadata_schema"));
    }
    if !metadata["event_payload"]
        .as_object()
        .into_iter()
        .flatten()
        .all(|(_, value)| is_flat(value, 0))
    {
        return Err(Failure::new("invalid_metadata_schema"));
    }
    if metadata.to_string().len() > METADATA_BYTES {
        return Err(Failure::new("metadata_too_large"));
    }
    Ok(Some(metadata))
}

/// String, number, boolean, a flat object, or an array of flat objects (contract section 10).
fn is_flat(value: &Value, depth: usize) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
        Value::Array(items) => depth == 0 && items.iter().all(|item| is_flat(item, 1)),
        Value::Object(fields) => depth <= 1 && fields.values().all(|field| is_flat(field, 2)),
    }
}

fn judge_attachments(state: &mut State, attachments: &mut [Value]) -> Result<(), Failure> {
    if attachments.len() > ATTACHMENTS {
        return Err(Failure::new("too_many_attachments"));
    }
    for (place, attachment) in attachments.iter_mut().enumerate() {
        let Some(fields) = attachment.as_object_mut() else {
            return Err(Failure::new("invalid_attachments"));
        };
        let is_legacy = fields.contains_key("title") || fields.contains_key("callback_id");
        let Some(Value::Array(blocks)) = fields.get_mut("blocks") else {
            continue;
        };
        let at = format!("/attachments/{place}/blocks");
        let problems = block_kit::problems_of_blocks(blocks, Surface::Message, &at);
        if is_legacy || !problems.is_empty() {
            return Err(Failure::judged("invalid_attachments", &problems));
        }
        block_kit::complete(blocks, &mut || state.block_serial());
    }
    Ok(())
}

/// Slack marks bare URLs as links: what is read back is not what was sent (contract section 6.2).
pub(crate) fn link_urls(text: &str) -> String {
    let mut linked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest
        .find("https://")
        .into_iter()
        .chain(rest.find("http://"))
        .min()
    {
        let (before, url) = rest.split_at(start);
        let end = url
            .find(|c: char| c.is_whitespace() || "<>|`\"".contains(c))
            .unwrap_or(url.len());
        // What a person typed is escaped already: a bracket ends the address all the same.
        let escaped = ["&lt;", "&gt;"].map(|bracket| url[..end].find(bracket));
        let end = escaped.into_iter().flatten().min().unwrap_or(end);
        let (url, after) = url.split_at(end);
        let trimmed = url.trim_end_matches(['.', ',', ')', ';', ':', '!', '?', '*', '_']);
        let marked = before.ends_with(['<', '|', '`', '^']) || linked.ends_with('|');
        linked.push_str(before);
        match marked {
            true => linked.push_str(url),
            false => linked.push_str(&format!("<{trimmed}>{}", &url[trimmed.len()..])),
        }
        rest = after;
    }
    linked.push_str(rest);
    linked
}

impl State {
    /// A generated block or action id: short, as Slack's are.
    pub fn block_serial(&mut self) -> String {
        format!("b{:04x}", self.next_number("block"))
    }

    /// The channel, if the bot may know of it: public, or the bot is in (contract section 6.3).
    pub fn visible(&self, id: &str) -> Result<&Channel, Failure> {
        let channel = self
            .channels
            .get(id)
            .filter(|c| c.kind == super::model::Kind::Public || c.has_bot());
        channel.ok_or_else(|| Failure::new("channel_not_found"))
    }

    /// The channel, if the bot is in it.
    pub fn joined(&self, id: &str) -> Result<&Channel, Failure> {
        let channel = self.visible(id)?;
        match channel.has_bot() {
            true => Ok(channel),
            false => Err(Failure::new("not_in_channel")),
        }
    }

    /// The channel, if it is not archived and the bot is in it. Archived is said first.
    pub fn writable(&self, id: &str) -> Result<&Channel, Failure> {
        if self.visible(id)?.archived {
            return Err(Failure::new("is_archived"));
        }
        self.joined(id)
    }

    /// Puts a message into a channel, marks it unread if it is the bot's, and tells the app.
    pub fn post(&mut self, channel: &str, mut message: Message) -> String {
        let ts = self.next_ts();
        message.ts = ts.clone();
        if let Some(parent) = &message.thread_ts
            && let Some(parent) = self.message_mut(channel, parent)
        {
            parent.thread_ts = Some(parent.ts.clone());
        }
        let is_news = match message.subtype.as_deref() {
            None | Some("bot_message" | "file_share" | "thread_broadcast") => message.from_bot,
            Some(_) => false,
        };
        if is_news {
            self.unread.push(UnreadMark {
                channel: channel.into(),
                ts: ts.clone(),
                only_for: None,
            });
        }
        self.channel_mut(channel).messages.push(message);
        self.emit_message(channel, &ts);
        ts
    }

    /// A line that Slack itself writes into the channel: `channel_join`, `channel_topic`, …
    pub fn post_system(
        &mut self,
        channel: &str,
        user: &str,
        subtype: &str,
        text: String,
        more: Value,
    ) {
        let more = more.as_object().cloned().unwrap_or_else(Map::new);
        let subtype = Some(subtype.into());
        self.post(
            channel,
            Message {
                user: user.into(),
                subtype,
                text,
                more,
                ..Message::default()
            },
        );
    }

    /// Shows something to one person only.
    pub fn post_ephemeral(
        &mut self,
        channel: &str,
        user: &str,
        thread_ts: Option<String>,
        content: Content,
    ) -> String {
        let ts = self.next_ts();
        let mark = UnreadMark {
            channel: channel.into(),
            ts: ts.clone(),
            only_for: Some(user.into()),
        };
        self.unread.push(mark);
        self.note(Change::Ephemeral {
            channel: channel.into(),
            ts: ts.clone(),
            user: user.into(),
        });
        self.ephemerals.push(Ephemeral {
            ts: ts.clone(),
            channel: channel.into(),
            user: user.into(),
            thread_ts,
            text: content.text.unwrap_or_default(),
            blocks: content.blocks.unwrap_or_default(),
            values: Map::new(),
        });
        ts
    }

    /// Brings a person or the bot into a channel, with the line and the event that go with it.
    pub fn join(&mut self, channel: &str, user: &str, inviter: Option<&str>) {
        let place = self.channel_mut(channel);
        if place.has(user) {
            return;
        }
        place.members.push(user.into());
        let kind = place.kind;
        let mut more = json!({});
        let mut event = json!({
            "type": "member_joined_channel", "user": user, "channel": channel, "team": self.team_id,
            "channel_type": if kind == super::model::Kind::Public { "C" } else { "G" },
        });
        if let Some(inviter) = inviter {
            more["inviter"] = json!(inviter);
            event["inviter"] = json!(inviter);
        }
        self.post_system(
            channel,
            user,
            "channel_join",
            format!("<@{user}> has joined the channel"),
            more,
        );
        event["event_ts"] = json!(self.next_ts());
        self.emit(Some(channel), event);
    }

    /// Takes somebody out of a channel; the bot still hears of its own leaving.
    pub fn leave(&mut self, channel: &str, user: &str) {
        self.post_system(
            channel,
            user,
            "channel_leave",
            format!("<@{user}> has left the channel"),
            json!({}),
        );
        let kind = self.channel(channel).kind;
        let event = json!({
            "type": "member_left_channel", "user": user, "channel": channel, "team": self.team_id,
            "channel_type": if kind == super::model::Kind::Public { "C" } else { "G" }, "event_ts": self.next_ts(),
        });
        self.emit(Some(channel), event);
        self.channel_mut(channel)
            .members
            .retain(|member| member != user);
    }
}

#[cfg(test)]
mod tests {
    use super::link_urls;

    #[test]
    fn bare_urls_become_links_and_marked_ones_stay() {
        assert_eq!(link_urls("see https://a.b/c."), "see <https://a.b/c>.");
        assert_eq!(
            link_urls("<https://a.b|x> and `https://c.d`"),
            "<https://a.b|x> and `https://c.d`"
        );
        assert_eq!(link_urls("no link"), "no link");
        assert_eq!(
            link_urls("&lt;https://a.b?x=1&amp;y=2&gt;"),
            "&lt;<https://a.b?x=1&amp;y=2>&gt;"
        );
    }
}
