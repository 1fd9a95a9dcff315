//! `firebell manifest`: the Slack app that this configuration needs, with exactly the scopes that the code uses.

use std::collections::BTreeSet;

use axum::http::Uri;
use serde_json::{Value, json};

use crate::domain::catalog::Catalog;
use crate::reception::{ADD_TO_TIMELINE, DECLARE, DECLARE_ON_MESSAGE};
use crate::slack::methods::{self, Method, USERGROUPS_USERS_UPDATE};

/// Events that are subscribed to, with the scope that lets them in, if it takes one (slack-contract.md section 4).
const EVENTS: [(&str, Option<&str>); 5] = [
    ("app_home_opened", None),
    ("app_uninstalled", None),
    ("pin_added", Some("pins:read")),
    ("reaction_added", Some("reactions:read")),
    ("tokens_revoked", None),
];

/// What the slash command does, as Slack shows it.
pub(super) const DESCRIPTION: &str = "Declare and manage incidents";
/// What may follow the slash command.
pub(super) const USAGE_HINT: &str = "[declare|list|status|ack|update|severity|lead|resolve|help] …";

/// An address for whoever has none yet.
pub(super) const EXAMPLE: &str = "https://firebell.example.com";

/// The address of a bot, as it is typed. Slack sends its requests to addresses that begin with https only, and ours are
/// made by adding a path.
pub(super) fn address(typed: &str) -> Result<String, String> {
    let uri: Uri = typed
        .parse()
        .map_err(|_| "it is not an address".to_owned())?;
    match (uri.scheme_str(), uri.host(), uri.query()) {
        (Some("https"), Some(host), None) if !host.is_empty() => Ok(typed.to_owned()),
        (Some("https"), _, Some(_)) => Err("leave out what follows the ?".to_owned()),
        _ => Err(format!(
            "write it as in {EXAMPLE}; for a bot without a public address take --socket-mode"
        )),
    }
}

/// The scopes that the bot needs with this configuration, in order.
pub(super) fn scopes(catalog: &Catalog) -> BTreeSet<&'static str> {
    let mut scopes: BTreeSet<&str> = BTreeSet::from(["commands"]);
    let keeps_groups = catalog.schedules.iter().any(|it| it.usergroup.is_some());
    let needed = |method: &&&Method| keeps_groups || ***method != USERGROUPS_USERS_UPDATE;
    let methods = methods::ALL.iter().filter(needed);
    scopes.extend(methods.flat_map(|method| method.scopes));
    scopes.extend(EVENTS.iter().filter_map(|(_, scope)| *scope));
    scopes
}

/// The manifest as JSON (slack-contract.md section 11). `url`: where Slack reaches the bot; none for Socket Mode.
pub(super) fn manifest(catalog: &Catalog, url: Option<&str>) -> anyhow::Result<String> {
    let address = |path: &str| url.map(|url| format!("{}{path}", url.trim_end_matches('/')));
    let scopes = scopes(catalog);
    let events = EVENTS.map(|(event, _)| event);
    let mut manifest = json!({
        "_metadata": { "major_version": 1 },
        "display_information": {
            "name": "Firebell",
            "description": "Declare, run and close incidents from Slack.",
            "background_color": "#8b0000",
        },
        "features": {
            "app_home": {
                "home_tab_enabled": true,
                "messages_tab_enabled": true,
                "messages_tab_read_only_enabled": false,
            },
            "bot_user": { "display_name": "firebell", "always_online": true },
            "slash_commands": [{
                "command": catalog.slack.command,
                "description": DESCRIPTION,
                "usage_hint": USAGE_HINT,
                "should_escape": true,
            }],
            "shortcuts": [
                {
                    "name": "Declare an incident",
                    "type": "global",
                    "callback_id": DECLARE,
                    "description": "Opens the form of a declaration",
                },
                {
                    "name": "Declare an incident",
                    "type": "message",
                    "callback_id": DECLARE_ON_MESSAGE,
                    "description": "Opens the form of a declaration, with this message in it",
                },
                {
                    "name": "Add to timeline",
                    "type": "message",
                    "callback_id": ADD_TO_TIMELINE,
                    "description": "Keeps this message on the timeline of the incident",
                },
            ],
        },
        "oauth_config": { "scopes": { "bot": scopes } },
        "settings": {
            "event_subscriptions": { "bot_events": events },
            "interactivity": { "is_enabled": true },
            "org_deploy_enabled": false,
            "socket_mode_enabled": url.is_none(),
            "token_rotation_enabled": false,
        },
    });
    for (pointer, key, path) in [
        ("/features/slash_commands/0", "url", "/slack/commands"),
        (
            "/settings/event_subscriptions",
            "request_url",
            "/slack/events",
        ),
        (
            "/settings/interactivity",
            "request_url",
            "/slack/interactions",
        ),
    ] {
        if let (Some(place), Some(address)) = (manifest.pointer_mut(pointer), address(path)) {
            place[key] = Value::String(address);
        }
    }
    Ok(serde_json::to_string_pretty(&manifest)?)
}
