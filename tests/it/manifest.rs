//! The manifest of the Slack app: valid, and with the scopes that the code uses, no more and no fewer.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use firebell::simulator::{Options, Workspace};
use firebell::slack::inbound::SlackEvent;
use firebell::slack::methods;
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::harness::{TestBot, minutes};

/// What the program prints, as a person gets it; the configuration is what an empty folder gives.
fn manifest(arguments: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_firebell"))
        .arg("manifest")
        .args(arguments)
        .current_dir(folder.path())
        .env_clear()
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn texts(list: &Value) -> Vec<&str> {
    let list = list.as_array().into_iter().flatten();
    list.map(|text| text.as_str().unwrap()).collect()
}

fn bot_scopes(manifest: &Value) -> Vec<&str> {
    texts(&manifest["oauth_config"]["scopes"]["bot"])
}

#[test]
fn what_is_no_address_that_slack_can_reach_is_refused() {
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_firebell"));
        let folder = tempfile::tempdir().unwrap();
        let command = command.arg("manifest").args(arguments).env_clear();
        let output = command.current_dir(folder.path()).output().unwrap();
        (
            output.status.success(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    for url in [
        "nonsense",
        "http://bot.example.com",
        "bot.example.com",
        "https://",
        "https://b.example/?x=1",
    ] {
        let (done, said) = run(&["--url", url]);
        assert!(!done && said.contains("--url"), "{url}: {said}");
    }
    let (done, said) = run(&[]);
    assert!(
        done && said.contains("is an example") && said.contains("--socket-mode"),
        "{said}"
    );
    assert_eq!(
        run(&["--url", "https://bot.example.com"]),
        (true, String::new())
    );
    assert_eq!(run(&["--socket-mode"]), (true, String::new()));
}

#[test]
fn the_manifest_for_http_names_the_addresses() {
    let manifest = manifest(&["--url", "https://bot.example.com/"]);
    assert_snapshot!(serde_json::to_string_pretty(&manifest).unwrap(), @r##"
    {
      "_metadata": {
        "major_version": 1
      },
      "display_information": {
        "background_color": "#8b0000",
        "description": "Declare, run and close incidents from Slack.",
        "name": "Firebell"
      },
      "features": {
        "app_home": {
          "home_tab_enabled": true,
          "messages_tab_enabled": true,
          "messages_tab_read_only_enabled": false
        },
        "bot_user": {
          "always_online": true,
          "display_name": "firebell"
        },
        "shortcuts": [
          {
            "callback_id": "declare_incident",
            "description": "Opens the form of a declaration",
            "name": "Declare an incident",
            "type": "global"
          },
          {
            "callback_id": "declare_incident_from_message",
            "description": "Opens the form of a declaration, with this message in it",
            "name": "Declare an incident",
            "type": "message"
          },
          {
            "callback_id": "add_to_timeline",
            "description": "Keeps this message on the timeline of the incident",
            "name": "Add to timeline",
            "type": "message"
          }
        ],
        "slash_commands": [
          {
            "command": "/incident",
            "description": "Declare and manage incidents",
            "should_escape": true,
            "url": "https://bot.example.com/slack/commands",
            "usage_hint": "[declare|list|status|ack|update|severity|lead|resolve|help] …"
          }
        ]
      },
      "oauth_config": {
        "scopes": {
          "bot": [
            "bookmarks:read",
            "bookmarks:write",
            "channels:history",
            "channels:join",
            "channels:manage",
            "channels:read",
            "chat:write",
            "chat:write.public",
            "commands",
            "files:write",
            "groups:history",
            "groups:read",
            "groups:write",
            "im:history",
            "im:write",
            "pins:read",
            "pins:write",
            "reactions:read",
            "usergroups:read",
            "users:read",
            "users:read.email"
          ]
        }
      },
      "settings": {
        "event_subscriptions": {
          "bot_events": [
            "app_home_opened",
            "app_uninstalled",
            "pin_added",
            "reaction_added",
            "tokens_revoked"
          ],
          "request_url": "https://bot.example.com/slack/events"
        },
        "interactivity": {
          "is_enabled": true,
          "request_url": "https://bot.example.com/slack/interactions"
        },
        "org_deploy_enabled": false,
        "socket_mode_enabled": false,
        "token_rotation_enabled": false
      }
    }
    "##);
}

#[test]
fn the_manifest_for_socket_mode_names_no_address() {
    let by_socket = manifest(&["--socket-mode"]);
    assert_eq!(by_socket["settings"]["socket_mode_enabled"], true);
    assert!(!by_socket.to_string().contains("url\":"), "{by_socket}");
    // In everything else the two are the same.
    let mut by_http = manifest(&[]);
    let without = |place: &mut Value, name: &str| {
        assert!(place.as_object_mut().unwrap().remove(name).is_some());
    };
    without(&mut by_http["features"]["slash_commands"][0], "url");
    let settings = &mut by_http["settings"];
    without(&mut settings["event_subscriptions"], "request_url");
    without(&mut settings["interactivity"], "request_url");
    settings["socket_mode_enabled"] = json!(true);
    assert_eq!(by_http, by_socket);
}

/// Slack refuses a manifest with a key that it does not know, or a text that is too long (slack-contract.md
/// section 11).
#[test]
fn the_manifest_is_valid() {
    for arguments in [
        ["--url", "https://bot.example.com"].as_slice(),
        &["--socket-mode"],
    ] {
        let manifest = manifest(arguments);
        let keys = |place: &Value, allowed: &str| {
            for key in place.as_object().unwrap().keys() {
                assert!(
                    allowed.split(' ').any(|known| known == key),
                    "{key} in {place}"
                );
            }
        };
        let fits = |text: &Value, least: usize, most: usize| {
            let length = text.as_str().unwrap().chars().count();
            assert!((least..=most).contains(&length), "{text}: {length}");
        };
        keys(
            &manifest,
            "_metadata display_information features oauth_config settings",
        );
        assert_eq!(manifest["_metadata"], json!({ "major_version": 1 }));
        let display = &manifest["display_information"];
        keys(
            display,
            "name description long_description background_color",
        );
        fits(&display["name"], 1, 35);
        fits(&display["description"], 1, 140);
        let color = display["background_color"].as_str().unwrap();
        let digits = color.strip_prefix('#').unwrap();
        assert!(digits.len() == 6 && digits.chars().all(|c| c.is_ascii_hexdigit()));
        let features = &manifest["features"];
        keys(features, "app_home bot_user shortcuts slash_commands");
        let home = &features["app_home"];
        keys(
            home,
            "home_tab_enabled messages_tab_enabled messages_tab_read_only_enabled",
        );
        assert_eq!(
            [&home["home_tab_enabled"], &home["messages_tab_enabled"]],
            [true, true]
        );
        keys(&features["bot_user"], "display_name always_online");
        fits(&features["bot_user"]["display_name"], 1, 80);
        for command in features["slash_commands"].as_array().unwrap() {
            keys(command, "command url description usage_hint should_escape");
            assert!(command["command"].as_str().unwrap().starts_with('/'));
            fits(&command["command"], 2, 32);
            fits(&command["description"], 1, 2_000);
            fits(&command["usage_hint"], 1, 1_000);
            assert_eq!(command["should_escape"], true);
        }
        let shortcuts = features["shortcuts"].as_array().unwrap();
        assert!((1..=10).contains(&shortcuts.len()));
        let mut ids = BTreeSet::new();
        for shortcut in shortcuts {
            keys(shortcut, "name type callback_id description");
            fits(&shortcut["name"], 1, 24);
            fits(&shortcut["callback_id"], 1, 255);
            fits(&shortcut["description"], 1, 150);
            assert!(["message", "global"].contains(&shortcut["type"].as_str().unwrap()));
            assert!(
                ids.insert(shortcut["callback_id"].to_string()),
                "{shortcut}"
            );
        }
        let scopes = bot_scopes(&manifest);
        assert!(scopes.len() <= 255);
        assert_eq!(scopes.iter().collect::<BTreeSet<_>>().len(), scopes.len());
        let settings = &manifest["settings"];
        keys(
            settings,
            "event_subscriptions interactivity org_deploy_enabled socket_mode_enabled token_rotation_enabled",
        );
        keys(&settings["event_subscriptions"], "request_url bot_events");
        keys(&settings["interactivity"], "is_enabled request_url");
        assert_eq!(settings["interactivity"]["is_enabled"], true);
        assert!(texts(&settings["event_subscriptions"]["bot_events"]).len() <= 100);
        assert_eq!(settings["org_deploy_enabled"], false);
        assert_eq!(settings["token_rotation_enabled"], false);
    }
}

/// The sources that call Slack: all but the simulator, which is called.
fn sources() -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("simulator") {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs")
                && !path.ends_with("slack/methods.rs")
            {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text
                    .lines()
                    .filter(|line| !line.trim_start().starts_with("//"));
                found.push(code.collect::<Vec<_>>().join("\n"));
            }
        }
    }
    assert!(found.len() > 30, "the sources were not found");
    found
}

/// `conversations.setTopic` is called `CONVERSATIONS_SET_TOPIC`, but for words that are too long.
fn called(sources: &[String]) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for source in sources {
        for (at, found) in source.match_indices("methods::") {
            let name = &source[at + found.len()..];
            let end = name
                .find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))
                .unwrap_or(name.len());
            names.insert(&name[..end]);
        }
    }
    names
}

/// The rows of the table as they stand in it: the constant's name, and the method's.
fn rows() -> Vec<(String, String)> {
    let table = include_str!("../../src/slack/methods.rs");
    let table = table.split_once("\nmethods! {").unwrap().1;
    let table = table.split_once("\n}").unwrap().0;
    let rows = table.lines().filter_map(|line| {
        let (constant, rest) = line.trim().split_once(": \"")?;
        Some((constant.to_owned(), rest.split_once('"')?.0.to_owned()))
    });
    rows.collect()
}

#[test]
fn every_method_of_the_table_is_called_and_none_beside_it() {
    let sources = sources();
    let called = called(&sources);
    let rows = rows();
    assert_eq!(rows.len(), methods::ALL.len());
    for (constant, method) in &rows {
        assert!(called.contains(constant.as_str()), "nothing calls {method}");
    }
    // A method cannot be called by name without its row.
    let families: BTreeSet<&str> = rows
        .iter()
        .filter_map(|(_, it)| it.split('.').next())
        .collect();
    let more = [
        "views",
        "reactions",
        "team",
        "search",
        "dnd",
        "reminders",
        "oauth",
        "im",
        "groups",
        "channels",
    ];
    for source in &sources {
        for text in source.split('"') {
            let is_name = text.split('.').count() > 1
                && !text.ends_with(".com")
                && text.chars().all(|c| c.is_ascii_alphabetic() || c == '.')
                && text
                    .split('.')
                    .next()
                    .is_some_and(|it| families.contains(it) || more.contains(&it));
            assert!(
                !is_name || rows.iter().any(|(_, method)| method == text),
                "{text} has no row in slack::methods"
            );
        }
    }
}

#[tokio::test]
async fn the_scopes_follow_from_the_methods_and_the_events() {
    let manifest = manifest(&[]);
    let mut wanted = BTreeSet::from(["commands"]);
    let slack = Workspace::start(Options::default()).await.unwrap();
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .build_http::<http_body_util::Empty<bytes::Bytes>>();
    for method in methods::ALL {
        wanted.extend(method.scopes);
        // What Slack itself says that the method accepts.
        let url = format!("{}{}", slack.api_url(), method.name);
        let answer = client.get(url.parse().unwrap()).await.unwrap();
        let accepted = answer.headers()["x-accepted-oauth-scopes"]
            .to_str()
            .unwrap();
        for scope in method.scopes {
            let known = accepted.split(',').any(|known| known == *scope);
            // It widens chat:write to channels that the bot is not in.
            assert!(
                known || *scope == "chat:write.public",
                "{}: {scope}",
                method.name
            );
        }
        assert_eq!(
            accepted.is_empty(),
            method.scopes.is_empty(),
            "{}",
            method.name
        );
    }
    // slack-contract.md section 4, with an event of each kind as it comes.
    let item = json!({ "type": "message", "channel": "C1", "ts": "1.2" });
    let pinned = json!({ "type": "message", "message": { "ts": "1.2" } });
    let events = [
        (
            "app_home_opened",
            None,
            json!({ "user": "U1", "channel": "D1", "tab": "home" }),
        ),
        ("app_uninstalled", None, json!({})),
        (
            "pin_added",
            Some("pins:read"),
            json!({ "user": "U1", "channel_id": "C1", "item": pinned }),
        ),
        (
            "reaction_added",
            Some("reactions:read"),
            json!({ "user": "U1", "reaction": "pushpin", "item": item }),
        ),
        (
            "tokens_revoked",
            None,
            json!({ "tokens": { "bot": ["U1"] } }),
        ),
    ];
    wanted.extend(events.iter().filter_map(|(_, scope, _)| *scope));
    // Only a bot that keeps a user group may write them.
    wanted.remove("usergroups:write");
    assert_eq!(
        bot_scopes(&manifest),
        wanted.into_iter().collect::<Vec<_>>()
    );
    let subscribed = texts(&manifest["settings"]["event_subscriptions"]["bot_events"]);
    assert_eq!(subscribed, events.each_ref().map(|(name, ..)| *name));
    for (name, _, mut event) in events {
        event["type"] = json!(name);
        let read: SlackEvent = serde_json::from_value(event).unwrap();
        // It is asked for because it is heeded.
        assert!(!matches!(read, SlackEvent::Other), "{name}");
    }
}

#[tokio::test]
async fn with_the_scopes_of_the_manifest_nothing_is_refused() {
    let manifest = manifest(&[]);
    let bot = TestBot::start().await;
    bot.slack.grant(&bot_scopes(&manifest));
    let room = "incident-2025-0914-001";
    bot.types(
        "ana",
        "general",
        "/incident declare p1 checkout is down @cy",
    )
    .await;
    let card = bot.card(room);
    bot.clicks("ana", room, &card, "Acknowledge").await;
    let said = bot.user("ana").says(room, "restarted").await;
    bot.user("ana").reacts(room, &said, "pushpin").await;
    bot.slack.settle().await;
    bot.types("ana", room, "/incident update rolled back").await;
    bot.advance(minutes(20)).await;
    bot.types("ana", room, "/incident resolve a slow query")
        .await;
    bot.types("ana", room, "/incident export").await;
    for call in bot.slack.calls() {
        assert_ne!(call.answer["error"], "missing_scope", "{call:?}");
    }
    let timeline = bot.types("ana", room, "/incident timeline").await;
    assert!(timeline.contains("restarted"), "{timeline}");
    bot.slack.mark_read();
    bot.user("ana").sees();
    bot.user("cy").sees();
    bot.finish().await;
}
