//! reactions.* (contract section 6.4).

use serde_json::json;

use super::super::faces::Metadata;
use super::super::model::{BOT_USER, Reaction, State};
use super::arguments::done;
use super::pins::item;
use super::{Args, Failure, Outcome};

/// Slack's limits of different emoji on one message, in all and per person.
const EMOJI: usize = 50;
const EMOJI_PER_PERSON: usize = 23;

pub(super) fn add(state: &mut State, args: &Args) -> Outcome {
    let (channel, ts) = item(state, args)?;
    react(state, &channel, &ts, &args.required("name")?, BOT_USER)?;
    done()
}

/// Adds a reaction of a person or the bot.
pub(crate) fn react(
    state: &mut State,
    channel: &str,
    ts: &str,
    name: &str,
    user: &str,
) -> Result<(), Failure> {
    let message = state
        .message_mut(channel, ts)
        .ok_or_else(|| Failure::new("message_not_found"))?;
    if !is_emoji(name) {
        return Err(Failure::new("invalid_name"));
    }
    let own = message
        .reactions
        .iter()
        .filter(|r| r.users.iter().any(|u| u == user))
        .count();
    let known = message.reactions.len();
    match message.reactions.iter_mut().find(|r| r.name == name) {
        Some(reaction) if reaction.users.iter().any(|u| u == user) => {
            return Err(Failure::new("already_reacted"));
        }
        _ if own >= EMOJI_PER_PERSON => return Err(Failure::new("too_many_reactions")),
        Some(reaction) => reaction.users.push(user.into()),
        None if known >= EMOJI => return Err(Failure::new("too_many_emoji")),
        None => message.reactions.push(Reaction {
            name: name.into(),
            users: vec![user.into()],
        }),
    }
    emit(state, channel, ts, name, user, "reaction_added");
    Ok(())
}

pub(super) fn remove(state: &mut State, args: &Args) -> Outcome {
    let (channel, ts) = item(state, args)?;
    unreact(state, &channel, &ts, &args.required("name")?, BOT_USER)?;
    done()
}

/// Takes a reaction back.
pub(crate) fn unreact(
    state: &mut State,
    channel: &str,
    ts: &str,
    name: &str,
    user: &str,
) -> Result<(), Failure> {
    let message = state
        .message_mut(channel, ts)
        .ok_or_else(|| Failure::new("message_not_found"))?;
    let found = message
        .reactions
        .iter_mut()
        .find(|r| r.name == name && r.users.iter().any(|u| u == user));
    let Some(reaction) = found else {
        return Err(Failure::new("no_reaction"));
    };
    reaction.users.retain(|u| u != user);
    message.reactions.retain(|r| !r.users.is_empty());
    emit(state, channel, ts, name, user, "reaction_removed");
    Ok(())
}

fn emit(state: &mut State, channel: &str, ts: &str, name: &str, user: &str, kind: &str) {
    let event_ts = state.next_ts();
    let author = state.message(channel, ts).map(|m| m.user.clone());
    let event = json!({
        "type": kind, "user": user, "reaction": name, "item_user": author,
        "item": {"type": "message", "channel": channel, "ts": ts}, "event_ts": event_ts,
    });
    state.emit(Some(channel), event);
}

pub(super) fn get(state: &mut State, args: &Args) -> Outcome {
    let channel = args.required("channel")?;
    let place = state.joined(&channel)?;
    let ts = args
        .text("timestamp")
        .ok_or_else(|| Failure::new("no_item_specified"))?;
    let message = place
        .message(&ts)
        .ok_or_else(|| Failure::new("message_not_found"))?;
    let face = state.message_json(place, message, Metadata::TypeOnly);
    Ok(json!({"type": "message", "channel": channel, "message": face}))
}

/// The shape of an emoji's name, without colons. Whether there is such an emoji is not checked:
/// a workspace may have any of its own.
fn is_emoji(name: &str) -> bool {
    let base = name.split("::skin-tone-").next().unwrap_or_default();
    !base.is_empty()
        && base
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_+-'".contains(c))
}
