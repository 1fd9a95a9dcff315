//! conversations.*: making, naming, describing, archiving and finding channels (contract sections 6.3 and 7).

use serde_json::{Value, json};

use super::super::model::{BOT_USER, Channel, Heading, Kind, State};
use super::arguments::{done, page};
use super::{Args, Failure, Outcome, missing_scope};

const NAME: usize = 80;
const HEADING: usize = 250;
/// `limit` must be below a thousand.
const LIST_LIMITS: (usize, usize) = (100, 999);

pub(super) fn create(state: &mut State, args: &Args) -> Outcome {
    let name = args.text("name").unwrap_or_default();
    let kind = if args.flag("is_private") {
        Kind::Private
    } else {
        Kind::Public
    };
    let needed = if kind == Kind::Private {
        "groups:write"
    } else {
        "channels:manage"
    };
    if !state.has_scope(needed) {
        return Err(missing_scope(state, needed));
    }
    judge_name(state, &name)?;
    let id = state.add_channel(&name, kind, BOT_USER);
    state.join(&id, BOT_USER, None);
    Ok(json!({"channel": state.channel_json(state.channel(&id))}))
}

/// The name rules, and that no channel has it: archived and invisible ones count too (contract section 7).
fn judge_name(state: &State, name: &str) -> Result<(), Failure> {
    let error = match name {
        "" => "invalid_name_required",
        _ if name.chars().count() > NAME => "invalid_name_maxlength",
        _ if !name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_') =>
        {
            "invalid_name_specials"
        }
        _ if name.chars().all(|c| c == '-' || c == '_') => "invalid_name_punctuation",
        _ if state.channel_named(name).is_some() => "name_taken",
        _ => return Ok(()),
    };
    Err(Failure::new(error))
}

pub(super) fn rename(state: &mut State, args: &Args) -> Outcome {
    let id = args.required("channel")?;
    let channel = state.writable(&id)?;
    let old_name = channel.name.clone();
    if channel.creator != BOT_USER {
        return Err(Failure::new("not_authorized"));
    }
    let name = args.text("name").unwrap_or_default();
    if name != old_name {
        judge_name(state, &name)?;
        let now_ms = state.now_ms;
        let channel = state.channel_mut(&id);
        channel.name = name.clone();
        channel.previous_names.push(old_name.clone());
        channel.updated_ms = now_ms;
        let text = format!("has renamed the channel from \"{old_name}\" to \"{name}\"");
        state.post_system(
            &id,
            BOT_USER,
            "channel_name",
            text,
            json!({"old_name": old_name, "name": name}),
        );
        let channel = state.channel(&id);
        let face = json!({
            "id": id, "name": name, "name_normalized": name, "created": channel.created_s, "is_channel": true,
            "is_mpim": false,
        });
        let kind = if channel.kind == Kind::Public {
            "channel_rename"
        } else {
            "group_rename"
        };
        let event_ts = state.next_ts();
        state.emit(
            Some(&id),
            json!({"type": kind, "channel": face, "event_ts": event_ts}),
        );
    }
    Ok(json!({"channel": state.channel_json(state.channel(&id))}))
}

pub(super) fn set_topic(state: &mut State, args: &Args) -> Outcome {
    set_heading(state, args, "topic", |channel| &mut channel.topic)
}

pub(super) fn set_purpose(state: &mut State, args: &Args) -> Outcome {
    set_heading(state, args, "purpose", |channel| &mut channel.purpose)
}

fn set_heading(
    state: &mut State,
    args: &Args,
    which: &str,
    of: fn(&mut Channel) -> &mut Heading,
) -> Outcome {
    let id = args.required("channel")?;
    let value = args.text(which).ok_or_else(|| Failure::missing(which))?;
    state.writable(&id)?;
    if value.chars().count() > HEADING {
        return Err(Failure::new("too_long"));
    }
    let (now_s, now_ms) = (state.now_s(), state.now_ms);
    let channel = state.channel_mut(&id);
    *of(channel) = Heading {
        value: value.clone(),
        creator: BOT_USER.into(),
        last_set_s: now_s,
    };
    channel.updated_ms = now_ms;
    let text = match value.as_str() {
        "" => format!("cleared the channel {which}"),
        _ => format!("set the channel {which}: {value}"),
    };
    state.post_system(
        &id,
        BOT_USER,
        &format!("channel_{which}"),
        text,
        json!({which: value}),
    );
    Ok(json!({"channel": state.channel_json(state.channel(&id))}))
}

pub(super) fn archive(state: &mut State, args: &Args) -> Outcome {
    let id = args.required("channel")?;
    let channel = state.visible(&id)?;
    let error = match () {
        () if channel.archived => "already_archived",
        () if channel.is_general => "cant_archive_general",
        () if !channel.kind.is_channel() => "method_not_supported_for_channel_type",
        () if !channel.has_bot() => "not_in_channel",
        () => {
            archive_by(state, &id, BOT_USER);
            return done();
        }
    };
    Err(Failure::new(error))
}

/// Archives a channel; everybody, the bot too, is out afterwards.
pub(crate) fn archive_by(state: &mut State, id: &str, user: &str) {
    state.post_system(
        id,
        user,
        "channel_archive",
        format!("<@{user}> archived the channel"),
        json!({}),
    );
    let kind = if state.channel(id).kind == Kind::Public {
        "channel_archive"
    } else {
        "group_archive"
    };
    let event_ts = state.next_ts();
    let event =
        json!({"type": kind, "channel": id, "user": user, "is_moved": 0, "event_ts": event_ts});
    state.emit(Some(id), event);
    let now_ms = state.now_ms;
    let channel = state.channel_mut(id);
    channel.archived = true;
    channel.updated_ms = now_ms;
    channel.members_before_archive = std::mem::take(&mut channel.members);
}

/// Bots cannot unarchive, but for a private channel of their own (contract section 6.3).
pub(super) fn unarchive(state: &mut State, args: &Args) -> Outcome {
    let id = args.required("channel")?;
    let channel = state
        .channels
        .get(&id)
        .ok_or_else(|| Failure::new("channel_not_found"))?;
    let may_know = channel.kind == Kind::Public || channel.has_bot() || channel.creator == BOT_USER;
    let error = match () {
        () if !may_know => "channel_not_found",
        () if !channel.archived => "not_archived",
        () if channel.kind == Kind::Public || channel.creator != BOT_USER => "not_in_channel",
        () => {
            let channel = state.channel_mut(&id);
            channel.archived = false;
            channel.members = std::mem::take(&mut channel.members_before_archive);
            let text = format!("<@{BOT_USER}> un-archived the channel");
            state.post_system(&id, BOT_USER, "channel_unarchive", text, json!({}));
            let event_ts = state.next_ts();
            let event = json!({"type": "group_unarchive", "channel": id, "user": BOT_USER, "event_ts": event_ts});
            state.emit(Some(&id), event);
            return done();
        }
    };
    Err(Failure::new(error))
}

pub(super) fn info(state: &mut State, args: &Args) -> Outcome {
    let id = args.required("channel")?;
    let channel = state.visible(&id)?;
    let mut face = state.channel_json(channel);
    if args.flag("include_num_members") {
        face["num_members"] = json!(channel.members.len());
    }
    Ok(json!({"channel": face}))
}

pub(super) fn list(state: &mut State, args: &Args) -> Outcome {
    let mut types = args.list("types");
    if types.is_empty() {
        types.push("public_channel".into());
    }
    let mut kinds = Vec::new();
    for name in &types {
        let kind = match name.as_str() {
            "public_channel" => Kind::Public,
            "private_channel" => Kind::Private,
            "im" => Kind::Direct,
            "mpim" => Kind::Group,
            _ => return Err(Failure::new("invalid_types")),
        };
        if !state.has_scope(&format!("{}:read", kind.scope_family())) {
            return Err(Failure::new("invalid_types"));
        }
        kinds.push(kind);
    }
    let exclude_archived = args.flag("exclude_archived");
    let shown = |c: &&Channel| {
        kinds.contains(&c.kind)
            && (c.kind == Kind::Public || c.has_bot())
            && !(exclude_archived && c.archived)
    };
    let channels: Vec<&Channel> = state.channels.values().filter(shown).collect();
    let (channels, next) = page(args, channels, |c| c.id.clone(), LIST_LIMITS)?;
    let faces: Vec<Value> = channels
        .iter()
        .map(|channel| {
            let mut face = state.channel_json(channel);
            face["num_members"] = json!(channel.members.len());
            face
        })
        .collect();
    Ok(json!({"channels": faces, "response_metadata": {"next_cursor": next}}))
}
