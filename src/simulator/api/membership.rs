//! conversations.*: who is in a channel, and direct messages (contract section 6.3).

use serde_json::{Value, json};

use super::super::model::{BOT_USER, Channel, Kind, State};
use super::arguments::{done, page};
use super::{Args, Failure, Outcome, warn};

/// The stricter of the two limits in the sources (contract section 14).
const INVITES: usize = 100;
const OPEN_USERS: usize = 8;
const MEMBERS_LIMITS: (usize, usize) = (100, 1000);

pub(super) fn invite(state: &mut State, args: &Args) -> Outcome {
    let id = args.required("channel")?;
    let users = args.list("users");
    let kind = state.writable(&id)?.kind;
    if !kind.is_channel() {
        return Err(Failure::new("method_not_supported_for_channel_type"));
    }
    if users.is_empty() {
        return Err(Failure::new("no_user"));
    }
    if users.len() > INVITES {
        return Err(Failure::invalid_arguments([format!(
            "[ERROR] no more than {INVITES} items allowed [json-pointer:/users]"
        )]));
    }
    let judged: Vec<(&String, Option<&str>)> = users
        .iter()
        .map(|user| (user, cannot_invite(state, &id, user)))
        .collect();
    let errors: Vec<Value> = judged
        .iter()
        .filter_map(|(user, error)| {
            error.map(|error| json!({"user": user, "ok": false, "error": error}))
        })
        .collect();
    let force = args.flag("force");
    // One bad user keeps all the others out, unless it is merely deactivated (contract section 6.3).
    let only_deactivated = judged
        .iter()
        .all(|(_, error)| error.is_none_or(|error| error == "user_disabled"));
    if errors.is_empty() || force || only_deactivated {
        for (user, _) in judged.iter().filter(|(_, error)| error.is_none()) {
            state.join(&id, user, Some(BOT_USER));
        }
    }
    match judged.iter().find_map(|(_, error)| *error) {
        Some(error) if !(force && errors.len() < users.len()) => {
            Err(Failure::new(error).with("errors", json!(errors)))
        }
        Some(_) => Ok(json!({"channel": state.channel_json(state.channel(&id)), "errors": errors})),
        None => Ok(json!({"channel": state.channel_json(state.channel(&id))})),
    }
}

fn cannot_invite(state: &State, channel: &str, user: &str) -> Option<&'static str> {
    match state.users.get(user) {
        _ if user == BOT_USER => Some("cant_invite_self"),
        None => Some("user_not_found"),
        Some(user) if user.deleted => Some("user_disabled"),
        Some(user) if user.is_bot => Some("cant_invite"),
        Some(_) if state.channel(channel).has(user) => Some("already_in_channel"),
        Some(_) => None,
    }
}

pub(super) fn kick(state: &mut State, args: &Args) -> Outcome {
    let id = args.required("channel")?;
    let user = args.required("user")?;
    let channel = state.writable(&id)?;
    let error = match () {
        () if user == BOT_USER => "cant_kick_self",
        () if !state.users.contains_key(&user) => "user_not_found",
        () if channel.is_general => "cant_kick_from_general",
        () if !channel.has(&user) => "not_in_channel",
        () => {
            state.leave(&id, &user);
            return Ok(json!({"errors": {}}));
        }
    };
    Err(Failure::new(error))
}

pub(super) fn join(state: &mut State, args: &Args) -> Outcome {
    let id = args.required("channel")?;
    let channel = state.visible(&id)?;
    if channel.archived {
        return Err(Failure::new("is_archived"));
    }
    if channel.kind != Kind::Public {
        return Err(Failure::new("method_not_supported_for_channel_type"));
    }
    let was_in = channel.has_bot();
    state.join(&id, BOT_USER, None);
    let mut answer = json!({"channel": state.channel_json(state.channel(&id))});
    if was_in {
        warn(&mut answer, "already_in_channel");
    }
    Ok(answer)
}

pub(super) fn leave(state: &mut State, args: &Args) -> Outcome {
    let id = args.required("channel")?;
    let channel = state.visible(&id)?;
    let error = match () {
        () if channel.archived => "is_archived",
        () if channel.is_general => "cant_leave_general",
        () if !channel.has_bot() => {
            return Err(Failure::new("not_in_channel").with("not_in_channel", json!(true)));
        }
        () => {
            state.leave(&id, BOT_USER);
            return done();
        }
    };
    Err(Failure::new(error))
}

pub(super) fn members(state: &mut State, args: &Args) -> Outcome {
    let channel: &Channel = state.visible(&args.required("channel")?)?;
    let members = channel.members.clone();
    let (members, next) = page(args, members, Clone::clone, MEMBERS_LIMITS)?;
    Ok(json!({"members": members, "response_metadata": {"next_cursor": next}}))
}

pub(super) fn open(state: &mut State, args: &Args) -> Outcome {
    if let Some(id) = args.text("channel").filter(|id| !id.is_empty()) {
        let channel = state.visible(&id)?;
        if channel.kind.is_channel() {
            return Err(Failure::new("method_not_supported_for_channel_type"));
        }
        return Ok(
            json!({"no_op": true, "already_open": true, "channel": opened(state, &id, args)}),
        );
    }
    let mut users = args.list("users");
    users.retain(|user| user != BOT_USER);
    users.sort();
    users.dedup();
    if users.is_empty() {
        return Err(Failure::new("users_list_not_supplied"));
    }
    if users.len() > OPEN_USERS {
        return Err(Failure::new("too_many_users"));
    }
    for user in &users {
        match state.users.get(user) {
            None => return Err(Failure::new("user_not_found")),
            Some(user) if user.deleted => return Err(Failure::new("user_disabled")),
            Some(_) => {}
        }
    }
    let (id, was_open) = match users.as_slice() {
        [user] => state.direct_channel(user),
        _ => group_channel(state, &users),
    };
    let mut answer = json!({"channel": opened(state, &id, args)});
    if was_open {
        answer["no_op"] = json!(true);
        answer["already_open"] = json!(true);
    }
    Ok(answer)
}

fn group_channel(state: &mut State, users: &[String]) -> (String, bool) {
    let same = |c: &&Channel| {
        c.kind == Kind::Group
            && c.members.len() == users.len() + 1
            && users.iter().all(|user| c.has(user))
    };
    if let Some(known) = state.channels.values().find(same) {
        return (known.id.clone(), true);
    }
    let n = state.next_number("mpdm");
    let id = state.add_channel(&format!("mpdm-{n}"), Kind::Group, BOT_USER);
    let channel = state.channel_mut(&id);
    channel.members = users.to_vec();
    channel.members.push(BOT_USER.into());
    (id, false)
}

fn opened(state: &State, id: &str, args: &Args) -> Value {
    match args.flag("return_im") {
        true => state.channel_json(state.channel(id)),
        false => json!({"id": id}),
    }
}
