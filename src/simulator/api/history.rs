//! conversations.history and conversations.replies: reading messages back (contract section 6.3).

use serde_json::{Value, json};

use super::super::faces::Metadata;
use super::super::model::{Channel, Message, State};
use super::arguments::{page, read_cursor, write_cursor};
use super::{Args, Failure, Outcome};

const HISTORY_LIMITS: (usize, usize) = (100, 999);
const REPLIES_LIMITS: (usize, usize) = (1000, 1000);

/// Newest first; thread replies are not among them, but for those that were broadcast.
pub(super) fn history(state: &mut State, args: &Args) -> Outcome {
    let id = args.required("channel")?;
    let channel = state.joined(&id)?;
    let limit = args.limit(HISTORY_LIMITS.0, HISTORY_LIMITS.1)?;
    let window = Window::read(args)?;
    let cursor = args.text("cursor").filter(|cursor| !cursor.is_empty());
    let before = cursor.map(|cursor| read_cursor(&cursor)).transpose()?;
    let shown = |m: &&Message| {
        let broadcast = m.subtype.as_deref() == Some("thread_broadcast");
        (!m.is_reply() || broadcast)
            && window.holds(&m.ts)
            && before.as_ref().is_none_or(|ts| m.ts < *ts)
    };
    let mut found: Vec<&Message> = channel
        .messages
        .iter()
        .rev()
        .filter(shown)
        .take(limit + 1)
        .collect();
    let has_more = found.len() > limit;
    found.truncate(limit);
    let mut answer = json!({
        "messages": faces(state, channel, &found, args),
        "has_more": has_more,
        "pin_count": channel.pins.len(),
        "channel_actions_ts": null,
        "channel_actions_count": 0,
    });
    if let (true, Some(last)) = (has_more, found.last()) {
        answer["response_metadata"] = json!({"next_cursor": write_cursor(&last.ts)});
    }
    Ok(answer)
}

/// Oldest first, the parent before its replies; `ts` may be the parent's or a reply's.
pub(super) fn replies(state: &mut State, args: &Args) -> Outcome {
    let id = args.required("channel")?;
    let ts = args.required("ts")?;
    let channel = state.joined(&id)?;
    let asked = channel
        .message(&ts)
        .ok_or_else(|| Failure::new("thread_not_found"))?;
    let parent_ts = asked.thread_ts.as_ref().unwrap_or(&asked.ts);
    let window = Window::read(args)?;
    let mut thread: Vec<&Message> = channel.message(parent_ts).into_iter().collect();
    thread.extend(channel.replies(parent_ts).filter(|m| window.holds(&m.ts)));
    let (thread, next) = page(args, thread, |m| m.ts.clone(), REPLIES_LIMITS)?;
    let mut answer =
        json!({"messages": faces(state, channel, &thread, args), "has_more": !next.is_empty()});
    if !next.is_empty() {
        answer["response_metadata"] = json!({"next_cursor": next});
    }
    Ok(answer)
}

fn faces(state: &State, channel: &Channel, messages: &[&Message], args: &Args) -> Vec<Value> {
    let metadata = if args.flag("include_all_metadata") {
        Metadata::Whole
    } else {
        Metadata::TypeOnly
    };
    messages
        .iter()
        .map(|message| state.message_json(channel, message, metadata))
        .collect()
}

/// `oldest` and `latest`, which leave their own message out unless `inclusive`.
struct Window {
    oldest: Option<i64>,
    latest: Option<i64>,
    inclusive: bool,
}

impl Window {
    fn read(args: &Args) -> Result<Window, Failure> {
        let bound = |name: &str, error: &str| match args.text(name).filter(|ts| !ts.is_empty()) {
            None => Ok(None),
            Some(ts) => micros(&ts).map(Some).ok_or_else(|| Failure::new(error)),
        };
        Ok(Window {
            oldest: bound("oldest", "invalid_ts_oldest")?,
            latest: bound("latest", "invalid_ts_latest")?,
            inclusive: args.flag("inclusive"),
        })
    }

    fn holds(&self, ts: &str) -> bool {
        let Some(at) = micros(ts) else { return false };
        let after = self
            .oldest
            .is_none_or(|oldest| at > oldest || self.inclusive && at == oldest);
        let before = self
            .latest
            .is_none_or(|latest| at < latest || self.inclusive && at == latest);
        after && before
    }
}

/// A timestamp in microseconds; `1`, `1.5` and `1700000000.000100` are all read.
fn micros(ts: &str) -> Option<i64> {
    let (seconds, fraction) = ts.split_once('.').unwrap_or((ts, "0"));
    let fraction: String = format!("{fraction:0<6}").chars().take(6).collect();
    Some(seconds.parse::<i64>().ok()? * 1_000_000 + fraction.parse::<i64>().ok()?)
}
