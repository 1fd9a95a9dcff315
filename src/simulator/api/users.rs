//! users.*, usergroups.*, auth.test, team.info (contract section 6.5).

use serde_json::{Value, json};

use super::super::model::{BOT_ID, BOT_USER, State, User, UserGroup};
use super::arguments::page;
use super::{Args, Failure, Outcome};

pub(super) fn info(state: &mut State, args: &Args) -> Outcome {
    let user = state
        .users
        .get(&args.required("user")?)
        .ok_or_else(|| Failure::new("user_not_found"))?;
    Ok(json!({"user": state.user_json(user)}))
}

/// Everybody: deactivated people, bots and Slackbot too.
pub(super) fn list(state: &mut State, args: &Args) -> Outcome {
    let users: Vec<&User> = state.users.values().collect();
    let (users, next) = page(args, users, |user| user.id.clone(), (usize::MAX, 1000))?;
    let members: Vec<Value> = users.iter().map(|user| state.user_json(user)).collect();
    Ok(
        json!({"members": members, "cache_ts": state.now_s(), "response_metadata": {"next_cursor": next}}),
    )
}

pub(super) fn lookup_by_email(state: &mut State, args: &Args) -> Outcome {
    let email = args.required("email")?.to_lowercase();
    let fits = |user: &&User| {
        !user.deleted
            && user
                .email
                .as_ref()
                .is_some_and(|e| e.to_lowercase() == email)
    };
    // The error is in the plural, unlike that of users.info.
    let user = state
        .users
        .values()
        .find(fits)
        .ok_or_else(|| Failure::new("users_not_found"))?;
    Ok(json!({"user": state.user_json(user)}))
}

pub(super) fn groups(state: &mut State, args: &Args) -> Outcome {
    let (users, count) = (args.flag("include_users"), args.flag("include_count"));
    let groups: Vec<Value> = state
        .groups
        .values()
        .map(|group| state.group_json(group, users, count))
        .collect();
    Ok(json!({"usergroups": groups}))
}

pub(super) fn group_users(state: &mut State, args: &Args) -> Outcome {
    let group = state
        .groups
        .get(&args.required("usergroup")?)
        .ok_or_else(|| Failure::new("no_such_subteam"))?;
    Ok(json!({"users": group.users}))
}

pub(super) fn update_group_users(state: &mut State, args: &Args) -> Outcome {
    let id = args.required("usergroup")?;
    let users = args.list("users");
    if users.is_empty() {
        return Err(Failure::new("no_users_provided"));
    }
    if users
        .iter()
        .any(|user| state.users.get(user).is_none_or(|user| user.deleted))
    {
        return Err(Failure::new("invalid_users"));
    }
    let now_s = state.now_s();
    let group = state
        .groups
        .get_mut(&id)
        .ok_or_else(|| Failure::new("no_such_subteam"))?;
    let UserGroup {
        users: before,
        date_update_s,
        ..
    } = group;
    let without = |list: &[String], others: &[String]| -> Vec<String> {
        list.iter()
            .filter(|user| !others.contains(user))
            .cloned()
            .collect()
    };
    let (added, removed) = (without(&users, before), without(before, &users));
    let event = json!({
        "type": "subteam_members_changed", "subteam_id": id, "date_previous_update": *date_update_s,
        "date_update": now_s, "added_users_count": added.len(), "added_users": added,
        "removed_users_count": removed.len(), "removed_users": removed, "team_id": state.team_id,
    });
    (*before, *date_update_s) = (users, now_s);
    let group = group.clone();
    state.emit(None, event);
    Ok(json!({"usergroup": state.group_json(&group, true, true)}))
}

pub(super) fn auth_test(state: &mut State, _: &Args) -> Outcome {
    Ok(json!({
        "url": "https://firebell-sim.slack.com/", "team": "Firebell simulator", "user": state.users[BOT_USER].name,
        "team_id": state.team_id, "user_id": BOT_USER, "bot_id": BOT_ID, "is_enterprise_install": false,
    }))
}

pub(super) fn team_info(state: &mut State, _: &Args) -> Outcome {
    Ok(json!({"team": {
        "id": state.team_id, "name": "Firebell simulator", "domain": "firebell-sim", "email_domain": "example.com",
        "url": "https://firebell-sim.slack.com/", "icon": {"image_default": true}, "is_verified": false,
        "enterprise_id": null, "enterprise_name": null,
    }}))
}
