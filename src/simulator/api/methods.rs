//! The table of methods: scopes, tier, and whether a JSON body is read (contract section 6.1).

use std::collections::BTreeSet;

use serde_json::json;

use super::super::limits::Tier::{self, Hundreds, PerChannel, T2, T3, T4, Unlimited};
use super::super::model::State;
use super::{
    Args, Outcome, bookmarks, chat, conversations, files, history, membership, pins, reactions,
    users, views,
};

/// One method of the Web API.
pub(crate) struct Method {
    pub name: &'static str,
    pub tier: Tier,
    /// Whether a JSON body is read.
    pub json: bool,
    /// Any one of these that fits the kind of conversation.
    pub scopes: &'static [&'static str],
    pub run: fn(&mut State, &Args) -> Outcome,
}

const fn m(
    name: &'static str,
    tier: Tier,
    json: bool,
    scopes: &'static [&'static str],
    run: fn(&mut State, &Args) -> Outcome,
) -> Method {
    Method {
        name,
        tier,
        json,
        scopes,
        run,
    }
}

const WRITE: &[&str] = &["channels:manage", "groups:write", "im:write", "mpim:write"];
const INVITE: &[&str] = &[
    "channels:manage",
    "channels:write.invites",
    "groups:write",
    "groups:write.invites",
    "im:write",
    "mpim:write",
];
const TOPIC: &[&str] = &[
    "channels:manage",
    "channels:write.topic",
    "groups:write",
    "groups:write.topic",
    "im:write",
    "im:write.topic",
    "mpim:write",
    "mpim:write.topic",
];
const READ: &[&str] = &["channels:read", "groups:read", "im:read", "mpim:read"];
const HISTORY: &[&str] = &[
    "channels:history",
    "groups:history",
    "im:history",
    "mpim:history",
];
const KICK: &[&str] = &["channels:manage", "groups:write"];

/// In the order of the contract's table.
static METHODS: &[Method] = &[
    m(
        "chat.postMessage",
        PerChannel,
        true,
        &["chat:write"],
        chat::post_message,
    ),
    m("chat.update", T3, true, &["chat:write"], chat::update),
    m(
        "chat.postEphemeral",
        T4,
        true,
        &["chat:write"],
        chat::post_ephemeral,
    ),
    m("chat.delete", T3, true, &["chat:write"], chat::delete),
    m("chat.getPermalink", Hundreds, false, &[], chat::permalink),
    m(
        "conversations.create",
        T2,
        true,
        WRITE,
        conversations::create,
    ),
    m("conversations.invite", T3, true, INVITE, membership::invite),
    m("conversations.kick", T3, true, KICK, membership::kick),
    m(
        "conversations.archive",
        T2,
        true,
        WRITE,
        conversations::archive,
    ),
    m(
        "conversations.unarchive",
        T2,
        true,
        WRITE,
        conversations::unarchive,
    ),
    m(
        "conversations.setTopic",
        T2,
        true,
        TOPIC,
        conversations::set_topic,
    ),
    m(
        "conversations.setPurpose",
        T2,
        true,
        TOPIC,
        conversations::set_purpose,
    ),
    m(
        "conversations.rename",
        T2,
        true,
        WRITE,
        conversations::rename,
    ),
    m(
        "conversations.join",
        T3,
        true,
        &["channels:join"],
        membership::join,
    ),
    m("conversations.leave", T3, true, WRITE, membership::leave),
    m("conversations.info", T3, false, READ, conversations::info),
    m("conversations.list", T2, false, READ, conversations::list),
    m("conversations.history", T3, true, HISTORY, history::history),
    m(
        "conversations.replies",
        T3,
        false,
        HISTORY,
        history::replies,
    ),
    m(
        "conversations.members",
        T4,
        false,
        READ,
        membership::members,
    ),
    m("conversations.open", T3, true, WRITE, membership::open),
    m(
        "bookmarks.add",
        T2,
        true,
        &["bookmarks:write"],
        bookmarks::add,
    ),
    m(
        "bookmarks.list",
        T3,
        true,
        &["bookmarks:read"],
        bookmarks::list,
    ),
    m(
        "bookmarks.edit",
        T2,
        true,
        &["bookmarks:write"],
        bookmarks::edit,
    ),
    m(
        "bookmarks.remove",
        T2,
        true,
        &["bookmarks:write"],
        bookmarks::remove,
    ),
    m("pins.add", T2, true, &["pins:write"], pins::add),
    m("pins.remove", T2, true, &["pins:write"], pins::remove),
    m("pins.list", T2, false, &["pins:read"], pins::list),
    m(
        "reactions.add",
        T3,
        true,
        &["reactions:write"],
        reactions::add,
    ),
    m(
        "reactions.remove",
        T2,
        true,
        &["reactions:write"],
        reactions::remove,
    ),
    m(
        "reactions.get",
        T3,
        false,
        &["reactions:read"],
        reactions::get,
    ),
    m("users.info", T4, false, &["users:read"], users::info),
    m("users.list", T2, false, &["users:read"], users::list),
    m(
        "users.lookupByEmail",
        T3,
        false,
        &["users:read.email"],
        users::lookup_by_email,
    ),
    m(
        "usergroups.list",
        T2,
        false,
        &["usergroups:read"],
        users::groups,
    ),
    m(
        "usergroups.users.list",
        T2,
        false,
        &["usergroups:read"],
        users::group_users,
    ),
    m(
        "usergroups.users.update",
        T2,
        true,
        &["usergroups:write"],
        users::update_group_users,
    ),
    m("views.open", T4, true, &[], views::open),
    m("views.push", T4, true, &[], views::push),
    m("views.update", T4, true, &[], views::update),
    m("views.publish", T4, true, &[], views::publish),
    m(
        "files.getUploadURLExternal",
        T4,
        false,
        &["files:write"],
        files::get_upload_url,
    ),
    m(
        "files.completeUploadExternal",
        T4,
        true,
        &["files:write"],
        files::complete_upload,
    ),
    m("files.info", T4, false, &["files:read"], files::info),
    m("auth.test", Hundreds, true, &[], users::auth_test),
    m("team.info", T3, true, &["team:read"], users::team_info),
    m("apps.connections.open", T3, true, &[], |state, _| {
        state.open_connection()
    }),
    m("blocks.validate", Unlimited, true, &[], views::validate),
    m("api.test", T4, true, &[], |_, args| {
        Ok(json!({"args": args.without_token()}))
    }),
];

pub(crate) fn find(name: &str) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.name == name)
}

/// Every scope that some method or event asks for: what a fully installed bot has.
pub fn all_scopes() -> Vec<String> {
    let beyond_methods = [
        "chat:write.public",
        "chat:write.customize",
        "app_mentions:read",
        "commands",
    ];
    let scopes: BTreeSet<&str> = METHODS
        .iter()
        .flat_map(|method| method.scopes)
        .copied()
        .chain(beyond_methods)
        .collect();
    scopes.into_iter().map(str::to_owned).collect()
}
