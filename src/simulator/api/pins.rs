//! pins.* (contract section 6.4).

use serde_json::{Value, json};

use super::super::faces::Metadata;
use super::super::model::{BOT_USER, Pin, State};
use super::arguments::done;
use super::{Args, Failure, Outcome};

/// Slack's own limit of pins per channel.
const PINS: usize = 100;

pub(super) fn add(state: &mut State, args: &Args) -> Outcome {
    let (channel, ts) = item(state, args)?;
    pin(state, &channel, &ts, BOT_USER)?;
    done()
}

/// Pins a message for a person or the bot.
pub(crate) fn pin(state: &mut State, channel: &str, ts: &str, user: &str) -> Result<(), Failure> {
    let place = state.channel(channel);
    let message = place
        .message(ts)
        .ok_or_else(|| Failure::new("message_not_found"))?;
    let is_system = message
        .subtype
        .as_deref()
        .is_some_and(|subtype| subtype.starts_with("channel_"));
    let error = match () {
        () if is_system => "not_pinnable",
        () if place.pins.iter().any(|pin| pin.ts == ts) => "already_pinned",
        () if place.pins.len() >= PINS => "too_many_pins",
        () => {
            let pin = Pin {
                ts: ts.into(),
                by: user.into(),
                created_s: state.now_s(),
            };
            state.channel_mut(channel).pins.push(pin);
            emit(state, channel, ts, user, "pin_added");
            return Ok(());
        }
    };
    Err(Failure::new(error))
}

pub(super) fn remove(state: &mut State, args: &Args) -> Outcome {
    let (channel, ts) = item(state, args)?;
    unpin(state, &channel, &ts, BOT_USER)?;
    done()
}

/// Takes a pin away.
pub(crate) fn unpin(state: &mut State, channel: &str, ts: &str, user: &str) -> Result<(), Failure> {
    let place = state.channel(channel);
    if place.message(ts).is_none() {
        return Err(Failure::new("message_not_found"));
    }
    if !place.pins.iter().any(|pin| pin.ts == ts) {
        return Err(Failure::new("no_pin"));
    }
    state.channel_mut(channel).pins.retain(|pin| pin.ts != ts);
    emit(state, channel, ts, user, "pin_removed");
    Ok(())
}

fn emit(state: &mut State, channel: &str, ts: &str, user: &str, kind: &str) {
    let now_s = state.now_s();
    let event_ts = state.next_ts();
    let place = state.channel(channel);
    let Some(message) = place.message(ts) else {
        return;
    };
    let mut face = state.message_json(place, message, Metadata::Whole);
    face["permalink"] = json!(state.permalink(channel, message));
    let mut event = json!({
        "type": kind, "user": user, "channel_id": channel, "item_user": message.user, "pin_count": place.pins.len(),
        "item": {"type": "message", "created": now_s, "created_by": user, "channel": channel, "message": face},
        "pinned_info": {"channel": channel, "pinned_by": user, "pinned_ts": now_s}, "event_ts": event_ts,
    });
    if kind == "pin_removed" {
        event["has_pins"] = json!(!place.pins.is_empty());
    }
    state.emit(Some(channel), event);
}

pub(super) fn list(state: &mut State, args: &Args) -> Outcome {
    let id = args.required("channel")?;
    let channel = state.joined(&id)?;
    let items: Vec<Value> = channel
        .pins
        .iter()
        .rev()
        .filter_map(|pin| {
            let message = state.message_json(channel, channel.message(&pin.ts)?, Metadata::TypeOnly);
            Some(json!({
                "type": "message", "created": pin.created_s, "created_by": pin.by, "channel": id, "message": message,
            }))
        })
        .collect();
    Ok(json!({"items": items}))
}

/// Channel and timestamp of the message that a call is about.
pub(super) fn item(state: &State, args: &Args) -> Result<(String, String), Failure> {
    let channel = args.required("channel")?;
    state.writable(&channel)?;
    let ts = args
        .text("timestamp")
        .filter(|ts| !ts.is_empty())
        .ok_or_else(|| Failure::new("no_item_specified"))?;
    match is_timestamp(&ts) {
        true => Ok((channel, ts)),
        false => Err(Failure::new("bad_timestamp")),
    }
}

/// `1503435956.000247`
fn is_timestamp(ts: &str) -> bool {
    let digits =
        |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    ts.split_once('.')
        .is_some_and(|(seconds, micros)| digits(seconds, 10) && digits(micros, 6))
}
