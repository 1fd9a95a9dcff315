//! chat.*: posting, changing and deleting messages (contract section 6.2).

use serde_json::json;

use super::super::faces::Metadata;
use super::super::model::{Kind, State};
use super::super::posting::Content;
use super::{Args, Failure, Outcome, missing_scope, warn};

/// `chat.update` and `chat.postEphemeral` refuse longer text; posting does not.
const UPDATE_TEXT: usize = 4_000;
const EPHEMERAL_TEXT: usize = 40_000;

pub(super) fn post_message(state: &mut State, args: &Args) -> Outcome {
    let asked = args.required("channel")?;
    let channel = destination(state, &asked)?;
    let place = state.channel(&channel);
    if place.archived {
        return Err(Failure::new("is_archived"));
    }
    // `chat:write.public` opens public channels only.
    if !place.has_bot() && !state.has_scope("chat:write.public") {
        return Err(Failure::new("not_in_channel"));
    }
    if place.kind == Kind::Direct && !state.messages_tab {
        return Err(Failure::new("messages_tab_disabled"));
    }
    let thread_ts = args.text("thread_ts").filter(|ts| !ts.is_empty());
    if let Some(parent) = &thread_ts
        && place.message(parent).is_none_or(|parent| parent.is_reply())
    {
        return Err(Failure::new("cannot_reply_to_message"));
    }
    let content = Content::read(state, args)?;
    content.must_show_something()?;
    let truncated = content.truncated;
    let mut message = content.into_bot_message();
    if thread_ts.is_some() && args.flag("reply_broadcast") {
        message.subtype = Some("thread_broadcast".into());
    }
    message.thread_ts = thread_ts;
    for name in ["username", "icon_emoji", "icon_url"] {
        let Some(value) = args.text(name) else {
            continue;
        };
        if !state.has_scope("chat:write.customize") {
            return Err(missing_scope(state, "chat:write.customize"));
        }
        message.subtype = Some("bot_message".into());
        message.more.insert(name.into(), json!(value));
    }
    let ts = state.post(&channel, message);
    let place = state.channel(&channel);
    let message = place
        .message(&ts)
        .map(|m| state.message_json(place, m, Metadata::Whole));
    let mut answer = json!({"channel": channel, "ts": ts, "message": message});
    if truncated {
        warn(&mut answer, "message_truncated");
    }
    Ok(answer)
}

/// A channel id, the name of a public channel, or a user id (which opens the app's direct message).
fn destination(state: &mut State, asked: &str) -> Result<String, Failure> {
    if state
        .users
        .get(asked)
        .is_some_and(|user| !user.is_bot && !user.deleted)
    {
        return Ok(state.direct_channel(asked).0);
    }
    if state.visible(asked).is_ok() {
        return Ok(asked.into());
    }
    let named = state
        .channel_named(asked.trim_start_matches('#'))
        .filter(|c| c.kind == Kind::Public);
    named
        .map(|c| c.id.clone())
        .ok_or_else(|| Failure::new("channel_not_found"))
}

pub(super) fn update(state: &mut State, args: &Args) -> Outcome {
    let channel = args.required("channel")?;
    let ts = args.required("ts")?;
    if state.visible(&channel)?.archived {
        return Err(Failure::new("is_inactive"));
    }
    let Some(message) = state.message(&channel, &ts) else {
        return Err(Failure::new("message_not_found"));
    };
    if !message.from_bot || message.subtype.as_deref() == Some("bot_message") {
        return Err(Failure::new("cant_update_message"));
    }
    if args
        .text("text")
        .is_some_and(|text| text.chars().count() > UPDATE_TEXT)
    {
        return Err(Failure::new("msg_too_long"));
    }
    let content = Content::read(state, args)?;
    let says_nothing =
        content.text.is_none() && content.blocks.is_none() && content.attachments.is_none();
    if says_nothing && content.metadata.is_none() {
        return Err(Failure::new("no_text"));
    }
    if content.text.is_some() || content.blocks.is_some() {
        let kept = state
            .message(&channel, &ts)
            .is_some_and(|m| !m.attachments.is_empty());
        if !(kept && content.attachments.is_none()) {
            content.must_show_something()?;
        }
    }
    state.change_message(&channel, &ts, content);
    let place = state.channel(&channel);
    let message = place
        .message(&ts)
        .map(|m| state.message_json(place, m, Metadata::Whole));
    let text = place.message(&ts).map(|m| &m.text);
    Ok(json!({"channel": channel, "ts": ts, "text": text, "message": message}))
}

pub(super) fn post_ephemeral(state: &mut State, args: &Args) -> Outcome {
    let channel = args.required("channel")?;
    let user = args.required("user")?;
    if args
        .text("text")
        .is_some_and(|text| text.chars().count() > EPHEMERAL_TEXT)
    {
        return Err(Failure::new("msg_too_long"));
    }
    let place = state.visible(&channel)?;
    if place.archived {
        return Err(Failure::new("is_archived"));
    }
    if !place.has_bot() && !state.has_scope("chat:write.public") {
        return Err(Failure::new("not_in_channel"));
    }
    if !place.has(&user) {
        return Err(Failure::new("user_not_in_channel"));
    }
    let content = Content::read(state, args)?;
    content.must_show_something()?;
    let ts = state.post_ephemeral(&channel, &user, args.text("thread_ts"), content);
    Ok(json!({"message_ts": ts}))
}

pub(super) fn delete(state: &mut State, args: &Args) -> Outcome {
    let channel = args.required("channel")?;
    let ts = args.required("ts")?;
    state.visible(&channel)?;
    let Some(message) = state.message(&channel, &ts) else {
        return Err(Failure::new("message_not_found"));
    };
    // A post under another name is no longer the bot's own.
    if !message.from_bot || message.subtype.as_deref() == Some("bot_message") {
        return Err(Failure::new("cant_delete_message"));
    }
    state.delete_message(&channel, &ts);
    Ok(json!({"channel": channel, "ts": ts}))
}

pub(super) fn permalink(state: &mut State, args: &Args) -> Outcome {
    let channel = args.required("channel")?;
    let ts = args.required("message_ts")?;
    let message = state
        .visible(&channel)?
        .message(&ts)
        .ok_or_else(|| Failure::new("message_not_found"))?;
    Ok(json!({"channel": channel, "permalink": state.permalink(&channel, message)}))
}
