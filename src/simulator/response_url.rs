//! response_url: five answers within thirty minutes, where the interaction was (contract section 2).

use axum::http::StatusCode;

use super::api::{Args, Failure};
use super::faces::Metadata;
use super::model::{Kind, Message, State};
use super::page::Change;
use super::posting::Content;

const USES: u8 = 5;
const LIFE_MS: i64 = 30 * 60 * 1000;

/// A message of the interaction that `replace_original` and `delete_original` act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Original {
    Message(String),
    Ephemeral(String),
}

/// One response_url that was handed out.
#[derive(Clone, Debug)]
pub(crate) struct ResponseUrl {
    channel: String,
    user: String,
    expires_ms: i64,
    uses: u8,
    /// Of a slash command: what the app answered last. It never is what the person typed.
    original: Option<Original>,
    is_command: bool,
}

impl State {
    /// `kind` is `commands`, `actions` or `app`: Slack uses a path of its own for each.
    pub fn new_response_url(
        &mut self,
        kind: &str,
        channel: &str,
        user: &str,
        original: Option<Original>,
    ) -> String {
        let n = self.next_number("response_url");
        let path = format!("/{kind}/{}/{n:012}/{n:024x}", self.team_id);
        let url = ResponseUrl {
            channel: channel.into(),
            user: user.into(),
            expires_ms: self.now_ms + LIFE_MS,
            uses: 0,
            original,
            is_command: kind == "commands",
        };
        let full = format!("{}{path}", self.origin);
        self.response_urls.insert(path, url);
        full
    }

    /// One use of a response_url: HTTP status and plain-text body.
    pub fn use_response_url(&mut self, path: &str, body: &[u8]) -> (StatusCode, String) {
        let used = |error: &str| {
            (
                StatusCode::NOT_FOUND,
                format!(r#"{{"ok":false,"error":"{error}"}}"#),
            )
        };
        let now_ms = self.now_ms;
        let Some(url) = self.response_urls.get_mut(path) else {
            return used("invalid_url");
        };
        if now_ms >= url.expires_ms {
            return used("expired_url");
        }
        if url.uses >= USES {
            return used("used_url");
        }
        let Ok(body) = serde_json::from_slice(body) else {
            return (StatusCode::BAD_REQUEST, "invalid_payload".into());
        };
        url.uses += 1;
        let url = url.clone();
        match self.respond(&url, &Args::of(body)) {
            Ok(original) => {
                if let (Some(url), true) = (self.response_urls.get_mut(path), original.is_some()) {
                    url.original = original;
                }
                (StatusCode::OK, "ok".into())
            }
            Err(failure) => {
                let status = match failure.error.as_str() {
                    "channel_not_found" => StatusCode::NOT_FOUND,
                    "channel_is_archived" => StatusCode::GONE,
                    _ => StatusCode::BAD_REQUEST,
                };
                (status, failure.error)
            }
        }
    }

    /// The answer in the body of a slash command's ack: the same format, but it uses nothing up.
    pub fn answer_command(
        &mut self,
        response_url: &str,
        body: serde_json::Value,
    ) -> Result<(), Failure> {
        let path = response_url
            .strip_prefix(&self.origin)
            .unwrap_or(response_url)
            .to_owned();
        let Some(url) = self.response_urls.get(&path).cloned() else {
            return Ok(());
        };
        let original = self.respond(&url, &Args::of(body))?;
        if let (Some(url), true) = (self.response_urls.get_mut(&path), original.is_some()) {
            url.original = original;
        }
        Ok(())
    }

    fn respond(&mut self, url: &ResponseUrl, args: &Args) -> Result<Option<Original>, Failure> {
        if self
            .channels
            .get(&url.channel)
            .is_none_or(|channel| channel.archived)
        {
            return Err(Failure::new("channel_is_archived"));
        }
        if args.flag("delete_original") {
            // "Not supported for slash commands" (contract section 2).
            if url.is_command {
                return Err(Failure::new("action_prohibited"));
            }
            self.delete_original(url);
        }
        let content = Content::read(self, args)?;
        if args.flag("delete_original") && content.must_show_something().is_err() {
            return Ok(None);
        }
        content.must_show_something()?;
        if args.flag("replace_original") && url.original.is_some() {
            self.replace_original(url, content);
            return Ok(None);
        }
        let thread_ts = args.text("thread_ts");
        if args.text("response_type").as_deref() == Some("in_channel") {
            let message = Message {
                thread_ts,
                ..content.into_bot_message()
            };
            let ts = self.post(&url.channel, message);
            return Ok(Some(Original::Message(ts)));
        }
        let ts = self.post_ephemeral(&url.channel, &url.user, thread_ts, content);
        Ok(Some(Original::Ephemeral(ts)))
    }

    fn delete_original(&mut self, url: &ResponseUrl) {
        self.note_original(url);
        match &url.original {
            Some(Original::Ephemeral(ts)) => self.ephemerals.retain(|e| e.ts != *ts),
            Some(Original::Message(ts)) => self.delete_message(&url.channel, ts),
            None => {}
        }
    }

    /// A message never changes who can see it: an ephemeral stays one whatever `response_type` says.
    fn replace_original(&mut self, url: &ResponseUrl, content: Content) {
        self.note_original(url);
        match &url.original {
            Some(Original::Ephemeral(ts)) => {
                if let Some(shown) = self.ephemerals.iter_mut().find(|e| e.ts == *ts) {
                    shown.text = content.text.unwrap_or_default();
                    shown.blocks = content.blocks.unwrap_or_default();
                }
            }
            Some(Original::Message(ts)) => self.change_message(&url.channel, ts, content),
            None => {}
        }
    }

    /// An ephemeral is no event; the page is told here.
    fn note_original(&mut self, url: &ResponseUrl) {
        if let Some(Original::Ephemeral(ts)) = &url.original {
            self.note(Change::Ephemeral {
                channel: url.channel.clone(),
                ts: ts.clone(),
                user: url.user.clone(),
            });
        }
    }

    /// Takes a message away, with its pin, and tells the app.
    pub fn delete_message(&mut self, channel: &str, ts: &str) {
        let place = self.channel(channel);
        let Some(message) = place.message(ts) else {
            return;
        };
        let previous = self.message_json(place, message, Metadata::Whole);
        let place = self.channel_mut(channel);
        place.messages.retain(|m| m.ts != ts);
        place.pins.retain(|pin| pin.ts != ts);
        self.unread.retain(|mark| mark.ts != ts);
        self.emit_about_message(channel, "message_deleted", None, previous);
    }

    /// Puts other content into one of the bot's messages, as `chat.update` does (contract section 6.2).
    pub fn change_message(&mut self, channel: &str, ts: &str, content: Content) {
        let place = self.channel(channel);
        let Some(message) = place.message(ts) else {
            return;
        };
        let previous = self.message_json(place, message, Metadata::Whole);
        let edited_ts = self.next_ts();
        let Some(message) = self.message_mut(channel, ts) else {
            return;
        };
        let Content {
            text,
            blocks,
            attachments,
            metadata,
            truncated: _,
        } = content;
        // `edited` shows only when nothing but the text is new.
        message.edited_ts = (text.is_some() && blocks.is_none()).then_some(edited_ts);
        if blocks.is_some() || text.is_some() {
            // Text without blocks takes the old blocks away.
            message.blocks = blocks.unwrap_or_default();
            message.text = text.unwrap_or_default();
        }
        if let Some(attachments) = attachments {
            message.attachments = attachments;
        }
        if let Some(metadata) = metadata {
            message.metadata = Some(metadata).filter(|data| !data.is_null());
        }
        message.edits += 1;
        let place = self.channel(channel);
        let Some(message) = place.message(ts) else {
            return;
        };
        let face = self.message_json(place, message, Metadata::Whole);
        self.emit_about_message(channel, "message_changed", Some(face), previous);
    }

    /// The name that slash commands give the channel (contract section 2).
    pub fn name_in_payload(&self, channel: &str) -> String {
        let channel = self.channel(channel);
        match channel.kind {
            Kind::Public => channel.name.clone(),
            Kind::Private => "privategroup".into(),
            Kind::Direct | Kind::Group => "directmessage".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::Options;

    fn a_command() -> (State, String) {
        let mut state = State::new(&Options::default());
        let general = state.channel_named("general").unwrap().id.clone();
        let url = state.new_response_url("commands", &general, "U1", None);
        (state, url)
    }

    #[test]
    fn a_response_url_works_five_times() {
        let (mut state, url) = a_command();
        for _ in 0..5 {
            assert_eq!(
                state.use_response_url(&url, br#"{"text":"hi"}"#),
                (StatusCode::OK, "ok".into())
            );
        }
        let (status, body) = state.use_response_url(&url, br#"{"text":"hi"}"#);
        assert_eq!(
            (status, body.as_str()),
            (StatusCode::NOT_FOUND, r#"{"ok":false,"error":"used_url"}"#)
        );
        assert_eq!(state.ephemerals.len(), 5);
    }

    #[test]
    fn a_response_url_ends_after_thirty_minutes() {
        let (mut state, url) = a_command();
        state.now_ms += 30 * 60 * 1000;
        assert_eq!(
            state.use_response_url(&url, br#"{"text":"hi"}"#).0,
            StatusCode::NOT_FOUND
        );
        assert!(state.ephemerals.is_empty());
    }

    #[test]
    fn an_ephemeral_answer_is_replaced_in_place() {
        let (mut state, url) = a_command();
        state.use_response_url(&url, br#"{"text":"working"}"#);
        state.use_response_url(
            &url,
            br#"{"text":"done","replace_original":true,"response_type":"in_channel"}"#,
        );
        let texts: Vec<_> = state.ephemerals.iter().map(|e| e.text.as_str()).collect();
        assert_eq!(texts, ["done"]);
    }

    #[test]
    fn bad_blocks_are_answered_in_plain_text() {
        let (mut state, url) = a_command();
        let answer = state.use_response_url(&url, br#"{"blocks":[{"type":"hero"}]}"#);
        assert_eq!(answer, (StatusCode::BAD_REQUEST, "invalid_blocks".into()));
        let answer = state.use_response_url(&url, b"text=hi");
        assert_eq!(answer, (StatusCode::BAD_REQUEST, "invalid_payload".into()));
    }
}
