//! The payloads of what people do with an app, and what its answer does (contract sections 2 and 3).

use anyhow::{Context, bail};
use serde_json::{Map, Value, json};

use super::faces::{Metadata, merge};
use super::form;
use super::model::{APP_ID, Kind, SLACKBOT, State};
use super::response_url::Original;
use super::views::View;

/// A slash command, ready to be sent.
pub(crate) struct TypedCommand {
    pub fields: Vec<(&'static str, String)>,
    pub command: String,
    pub response_url: String,
}

/// A message or an ephemeral that somebody acts on.
pub(crate) struct Source {
    pub channel: String,
    pub ts: String,
    pub is_ephemeral: bool,
    pub thread_ts: Option<String>,
    pub blocks: Vec<Value>,
    pub values: Map<String, Value>,
}

impl State {
    /// A channel by name or id, as its person sees it; `dm` is the direct message with the bot.
    pub fn place_for(&mut self, user: &str, name: &str) -> anyhow::Result<String> {
        if name == "dm" {
            return Ok(self.direct_channel(user).0);
        }
        let named = self
            .channel_named(name.trim_start_matches('#'))
            .or_else(|| self.channels.get(name));
        let channel = named.with_context(|| {
            let all: Vec<&str> = self.channels.values().map(|c| c.name.as_str()).collect();
            format!("there is no channel {name}; there are {all:?}")
        })?;
        let id = channel.id.clone();
        if channel.archived {
            bail!("#{} is archived", channel.name);
        }
        match channel.has(user) {
            true => Ok(id),
            false => bail!("{} is not in #{}", self.users[user].name, channel.name),
        }
    }

    /// The form of a slash command (contract section 2).
    pub fn slash_command(
        &mut self,
        user: &str,
        channel: &str,
        line: &str,
        escape: bool,
    ) -> TypedCommand {
        let (command, text) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let text = if escape {
            self.escaped(text, true)
        } else {
            text.to_owned()
        };
        let response_url = self.new_response_url("commands", channel, user, None);
        let trigger_id = self.new_trigger(user);
        let fields = [
            ("token", "verification_token"),
            ("team_id", &self.team_id),
            ("team_domain", "firebell-sim"),
            ("channel_id", channel),
            ("channel_name", &self.name_in_payload(channel)),
            ("user_id", user),
            ("user_name", &self.users[user].name),
            ("command", command),
            ("text", &text),
            ("api_app_id", APP_ID),
            ("is_enterprise_install", "false"),
            ("response_url", &response_url),
            ("trigger_id", &trigger_id),
        ];
        TypedCommand {
            fields: fields
                .into_iter()
                .map(|(name, value)| (name, value.to_owned()))
                .collect(),
            command: command.into(),
            response_url,
        }
    }

    /// What a person typed, as Slack hands it on: `&`, `<`, `>` escaped, mentions and URLs marked.
    pub fn escaped(&self, text: &str, in_command: bool) -> String {
        let escaped = text
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        let words = escaped.split_inclusive(char::is_whitespace).map(|piece| {
            let word = piece.trim_end();
            let (name, after) = split_name(word);
            let marked = match word.chars().next() {
                Some('@') => self
                    .user_named(name)
                    .filter(|u| u.id != SLACKBOT)
                    .map(|u| format!("<@{}>{after}", u.id)),
                Some('#') => self.channel_named(name).map(|c| {
                    let shown = if c.kind == Kind::Public {
                        c.name.as_str()
                    } else {
                        ""
                    };
                    format!("<#{}|{shown}>{after}", c.id)
                }),
                _ => None,
            };
            let group = || {
                let group = self
                    .groups
                    .values()
                    .find(|g| word.starts_with('@') && g.handle == name)?;
                let label = if in_command {
                    format!("|@{}", group.handle)
                } else {
                    String::new()
                };
                Some(format!("<!subteam^{}{label}>{after}", group.id))
            };
            let everyone = || match (in_command, word) {
                (false, "@here" | "@channel" | "@everyone") => Some(format!("<!{}>", &word[1..])),
                _ => None,
            };
            let marked = marked
                .or_else(group)
                .or_else(everyone)
                .unwrap_or_else(|| word.to_owned());
            format!("{marked}{}", &piece[word.len()..])
        });
        super::posting::link_urls(&words.collect::<String>())
    }

    /// The message or ephemeral at `ts` as this person sees it.
    pub fn source(&self, user: &str, channel: &str, ts: &str) -> anyhow::Result<Source> {
        if let Some(message) = self.message(channel, ts) {
            return Ok(Source {
                channel: channel.into(),
                ts: ts.into(),
                is_ephemeral: false,
                thread_ts: message.thread_ts.clone(),
                blocks: blocks_with_attached(&message.blocks, &message.attachments),
                values: message.values.clone(),
            });
        }
        let seen = self
            .ephemerals
            .iter()
            .find(|e| e.ts == ts && e.user == user && e.channel == channel);
        let seen =
            seen.with_context(|| format!("{} sees no message {ts} there", self.users[user].name))?;
        Ok(Source {
            channel: channel.into(),
            ts: ts.into(),
            is_ephemeral: true,
            thread_ts: seen.thread_ts.clone(),
            blocks: seen.blocks.clone(),
            values: seen.values.clone(),
        })
    }

    /// Remembers what a person left in the stateful elements of a message.
    pub fn keep_values(&mut self, source: &Source, values: Map<String, Value>) {
        if source.is_ephemeral {
            if let Some(seen) = self.ephemerals.iter_mut().find(|e| e.ts == source.ts) {
                seen.values = values;
            }
        } else if let Some(message) = self.message_mut(&source.channel, &source.ts) {
            message.values = values;
        }
    }

    /// block_actions from a message (contract section 3.1).
    pub fn actions_in_message(
        &mut self,
        user: &str,
        source: &Source,
        values: Map<String, Value>,
        action: Value,
    ) -> Value {
        let Source {
            channel,
            ts,
            is_ephemeral,
            thread_ts,
            ..
        } = source;
        let original = match is_ephemeral {
            true => Original::Ephemeral(ts.clone()),
            false => Original::Message(ts.clone()),
        };
        let mut container = json!({
            "type": "message", "message_ts": ts, "channel_id": channel, "is_ephemeral": is_ephemeral,
        });
        if let Some(thread_ts) = thread_ts {
            container["thread_ts"] = json!(thread_ts);
        }
        let mut payload = self.payload("block_actions", user);
        let more = json!({
            "container": container, "trigger_id": self.new_trigger(user),
            "channel": {"id": channel, "name": self.name_in_payload(channel)}, "state": {"values": values},
            "response_url": self.new_response_url("actions", channel, user, Some(original)), "actions": [action],
        });
        merge(&mut payload, more);
        // An ephemeral comes without its message: only the response_url can change it.
        if let (false, Some(message)) = (is_ephemeral, self.message(channel, ts)) {
            payload["message"] = self.message_json(self.channel(channel), message, Metadata::Whole);
        }
        payload
    }

    /// block_actions from a modal or a home tab: no channel, no message, no response_url.
    pub fn actions_in_view(&mut self, user: &str, view: &View, action: Value) -> Value {
        let mut payload = self.payload("block_actions", user);
        let more = json!({
            "container": {"type": "view", "view_id": view.id}, "trigger_id": self.new_trigger(user),
            "view": self.view_json(view), "state": {"values": view.values}, "actions": [action],
        });
        merge(&mut payload, more);
        payload
    }

    /// view_submission, with a response_url for every select that asks for one.
    pub fn submission(&mut self, user: &str, view: &View) -> Value {
        let mut urls = Vec::new();
        for block in view
            .blocks()
            .iter()
            .filter(|b| b["element"]["response_url_enabled"] == true)
        {
            let (block_id, action_id) = (&block["block_id"], &block["element"]["action_id"]);
            let value = view.values.get(block_id.as_str().unwrap_or_default());
            let value = value
                .map(|actions| actions[action_id.as_str().unwrap_or_default()].clone())
                .unwrap_or_default();
            let channel = value["selected_channel"]
                .as_str()
                .or(value["selected_conversation"].as_str());
            if let Some(channel) = channel {
                let url = self.new_response_url("app", channel, user, None);
                urls.push(json!({
                    "block_id": block_id, "action_id": action_id, "channel_id": channel, "response_url": url,
                }));
            }
        }
        let mut payload = self.payload("view_submission", user);
        let more = json!({"trigger_id": self.new_trigger(user), "view": self.view_json(view), "response_urls": urls});
        merge(&mut payload, more);
        payload
    }

    /// view_closed: what was typed is not told.
    pub fn closing(&self, user: &str, view: &View, is_cleared: bool) -> Value {
        let mut payload = self.payload("view_closed", user);
        let mut face = self.view_json(view);
        face["state"] = json!({"values": {}});
        merge(
            &mut payload,
            json!({"view": face, "is_cleared": is_cleared}),
        );
        payload
    }

    /// shortcut, or message_action when there is a message.
    pub fn shortcut(
        &mut self,
        user: &str,
        callback_id: &str,
        message: Option<(&str, &str)>,
    ) -> anyhow::Result<Value> {
        let kind = if message.is_some() {
            "message_action"
        } else {
            "shortcut"
        };
        let mut payload = self.payload(kind, user);
        let more = json!({
            "action_ts": self.next_ts(), "callback_id": callback_id, "trigger_id": self.new_trigger(user),
        });
        merge(&mut payload, more);
        if let Some((channel, ts)) = message {
            let place = self.channel(channel);
            let found = place
                .message(ts)
                .with_context(|| format!("there is no message {ts}"))?;
            let face = self.message_json(place, found, Metadata::Whole);
            let more = json!({
                "channel": {"id": channel, "name": self.name_in_payload(channel)}, "message_ts": ts, "message": face,
                "response_url": self.new_response_url("app", channel, user, None),
            });
            merge(&mut payload, more);
        }
        Ok(payload)
    }

    /// block_suggestion: what was typed into an external select.
    pub fn suggestion(
        &self,
        user: &str,
        block: &Value,
        element: &Value,
        typed: &str,
        container: Value,
    ) -> Value {
        let mut payload = self.payload("block_suggestion", user);
        let more = json!({"action_id": element["action_id"], "block_id": block["block_id"], "value": typed});
        merge(&mut payload, more);
        merge(&mut payload, container);
        payload
    }

    /// What every interaction carries. There is neither display name nor e-mail in it.
    fn payload(&self, kind: &str, user: &str) -> Value {
        let name = &self.users[user].name;
        json!({
            "type": kind, "team": {"id": self.team_id, "domain": "firebell-sim"},
            "user": {"id": user, "username": name, "name": name, "team_id": self.team_id},
            "api_app_id": APP_ID, "token": "verification_token", "enterprise": null, "is_enterprise_install": false,
        })
    }

    /// What Slack does with the answer to a view_submission: errors per block, or words of trouble.
    pub fn after_submission(
        &mut self,
        user: &str,
        view: &View,
        is_json: bool,
        body: &str,
    ) -> Result<Map<String, Value>, String> {
        const TROUBLE: &str = "We had some trouble connecting. Try again?";
        if body.is_empty() {
            self.close_views(user, false);
            return Ok(Map::new());
        }
        let answer: Value = serde_json::from_str(body).unwrap_or_default();
        let refused = |failure: super::api::Failure| {
            let why = failure
                .more
                .get("response_metadata")
                .map(Value::to_string)
                .unwrap_or_default();
            format!("{TROUBLE} ({} {why})", failure.error)
        };
        match answer["response_action"].as_str() {
            _ if !is_json => Err(format!("{TROUBLE} (the answer is not application/json)")),
            Some("clear") => {
                self.close_views(user, true);
                Ok(Map::new())
            }
            Some("update") => self
                .update_view(&view.id, answer["view"].clone(), None)
                .map(|()| Map::new())
                .map_err(refused),
            Some("push") => self
                .push_view(user, answer["view"].clone())
                .map(|_| Map::new())
                .map_err(refused),
            Some("errors") => {
                let errors = answer["errors"].as_object().cloned().unwrap_or_default();
                let is_input = |id: &String| {
                    view.blocks()
                        .iter()
                        .any(|b| b["type"] == "input" && b["block_id"] == *id)
                };
                match errors.keys().find(|id| !is_input(id)) {
                    Some(id) => Err(format!("{TROUBLE} (there is no input block {id})")),
                    None if errors.is_empty() => Err(format!("{TROUBLE} (no errors in errors)")),
                    None => Ok(errors),
                }
            }
            _ if answer == json!({}) => {
                self.close_views(user, false);
                Ok(Map::new())
            }
            _ => Err(format!("{TROUBLE} (unknown answer)")),
        }
    }
}

/// The entry of `actions` for an element that was acted on.
pub(crate) fn action(block: &Value, element: &Value, chosen: &Value, action_ts: &str) -> Value {
    let mut action = json!({
        "type": element["type"], "action_id": element["action_id"], "block_id": block["block_id"],
        "action_ts": action_ts,
    });
    for name in ["text", "value", "url", "style", "placeholder"] {
        if let Some(value) = element.get(name) {
            action[name] = value.clone();
        }
    }
    merge(&mut action, chosen.clone());
    action
}

/// Checkboxes after one of them was clicked.
pub(crate) fn toggled(
    values: &Map<String, Value>,
    block: &Value,
    element: &Value,
    option: &Value,
) -> Value {
    let id = |name: &Value| name.as_str().unwrap_or_default().to_owned();
    let before = values
        .get(&id(&block["block_id"]))
        .map(|actions| &actions[id(&element["action_id"])]);
    let mut ticked = before
        .and_then(|typed| typed["selected_options"].as_array())
        .cloned()
        .unwrap_or_default();
    match ticked
        .iter()
        .position(|known| known["value"] == option["value"])
    {
        Some(place) => _ = ticked.remove(place),
        None => ticked.push(option.clone()),
    }
    json!({"type": element["type"], "selected_options": ticked})
}

/// `state.values` of a message before anybody chose anything, with what people chose since.
pub(crate) fn current_values(source: &Source) -> Map<String, Value> {
    let mut values = form::initial_values(&source.blocks);
    for (block_id, chosen) in &source.values {
        if let Some(place) = values.get_mut(block_id) {
            merge(place, chosen.clone());
        }
    }
    values
}

fn blocks_with_attached(blocks: &[Value], attachments: &[Value]) -> Vec<Value> {
    let attached = attachments
        .iter()
        .filter_map(|a| a["blocks"].as_array())
        .flatten();
    blocks.iter().chain(attached).cloned().collect()
}

/// `@ana,` is the name `ana` and a comma.
fn split_name(word: &str) -> (&str, &str) {
    let name = word.get(1..).unwrap_or_default();
    let end = name
        .trim_end_matches(['.', ',', ':', ';', '!', '?', ')'])
        .len();
    name.split_at(end)
}
