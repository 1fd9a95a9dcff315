//! How what a person does reaches the app, and what its answer does. Each deed says in words why it cannot be done.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use serde_json::{Map, Value, json};

use super::api;
use super::form;
use super::interaction;
use super::model::{Message, State, typed_blocks};
use super::people::{Answer, Person};
use super::reading::take_unread;
use super::requests::{Errand, Reply};
use super::views::View;

impl Person {
    pub(crate) async fn try_types(&self, channel: &str, line: &str) -> anyhow::Result<Answer> {
        if !line.starts_with('/') {
            let ts = self.try_says(channel, None, line)?;
            return Ok(Answer {
                status: 200,
                ts: Some(ts),
                ..Answer::default()
            });
        }
        let escape = self.workspace.options().escape_commands;
        let typed = self.at(channel, |state, channel| {
            Ok(state.slash_command(&self.id, channel, line, escape))
        })?;
        let errand = Errand::Command(typed.fields);
        let reply = self.workspace.ask(&errand, None).await?;
        let mut answer = Answer::of(&reply, &typed.command);
        if !reply.is_success() || reply.body.is_empty() {
            return Ok(answer);
        }
        let body = match reply.content_type.starts_with("application/json") {
            true => {
                serde_json::from_str(&reply.body).unwrap_or_else(|_| json!({"text": reply.body}))
            }
            false => json!({"text": reply.body}),
        };
        if body == json!({}) {
            return Ok(answer);
        }
        self.workspace.with(|state| {
            let before = state.unread.len();
            match state.answer_command(&typed.response_url, body) {
                Ok(()) => {
                    let new: Vec<String> = state.unread[before..]
                        .iter()
                        .map(|mark| mark.ts.clone())
                        .collect();
                    answer.shown = take_unread(state, |_, mark| new.contains(&mark.ts));
                }
                Err(failure) => answer.trouble = Some(failure.error),
            }
        });
        Ok(answer)
    }

    pub(crate) fn try_says(
        &self,
        channel: &str,
        thread_ts: Option<&str>,
        text: &str,
    ) -> anyhow::Result<String> {
        self.at(channel, |state, channel| {
            let text = state.escaped(text, false);
            let n = state.next_number("client_msg_id");
            let block_id = state.block_serial();
            if let Some(thread) = thread_ts {
                state
                    .message(channel, thread)
                    .with_context(|| format!("there is no message {thread} to reply to"))?;
            }
            let message = Message {
                user: self.id.clone(),
                blocks: typed_blocks(&text, &block_id),
                text,
                thread_ts: thread_ts.map(str::to_owned),
                client_msg_id: Some(uuid::Uuid::from_u128(u128::from(n)).to_string()),
                ..Message::default()
            };
            Ok(state.post(channel, message))
        })
    }

    pub(crate) async fn try_clicks(
        &self,
        channel: &str,
        ts: &str,
        key: &str,
    ) -> anyhow::Result<Answer> {
        let payload = self.at(channel, |state, channel| {
            let source = state.source(&self.id, channel, ts)?;
            let mut values = interaction::current_values(&source);
            let (block, element, chosen) = clicked(&source.blocks, &values, key)?;
            if chosen.is_object() && element["type"] != "overflow" {
                form::put(&mut values, &block, &element, chosen.clone());
            }
            state.keep_values(&source, values.clone());
            let action = interaction::action(&block, &element, &chosen, &state.next_ts());
            Ok(state.actions_in_message(&self.id, &source, values, action))
        })?;
        self.interact(payload).await
    }

    pub(crate) async fn try_picks(
        &self,
        channel: &str,
        ts: &str,
        key: &str,
        words: &[&str],
    ) -> anyhow::Result<Answer> {
        let source = self.at(channel, |state, channel| {
            state.source(&self.id, channel, ts)
        })?;
        let found = form::find_input(&source.blocks, key);
        let (block, element) =
            found.with_context(|| format!("there is no select {key} in that message"))?;
        let container = json!({
            "container": {"type": "message", "message_ts": ts, "channel_id": source.channel},
            "channel": {"id": source.channel},
        });
        let offered = self.offered(block, element, words, container).await?;
        let payload = self.workspace.with(|state| {
            let chosen = form::chosen(state, element, words, &offered)?;
            let mut values = interaction::current_values(&source);
            form::put(&mut values, block, element, chosen.clone());
            state.keep_values(&source, values.clone());
            if block["type"] == "input" && block["dispatch_action"] != true {
                return Ok(None);
            }
            let action = interaction::action(block, element, &chosen, &state.next_ts());
            Ok::<_, anyhow::Error>(Some(
                state.actions_in_message(&self.id, &source, values, action),
            ))
        })?;
        match payload {
            Some(payload) => self.interact(payload).await,
            None => Ok(Answer::default()),
        }
    }

    pub(crate) async fn try_clicks_in(&self, view: &str, key: &str) -> anyhow::Result<Answer> {
        let payload = self.workspace.with(|state| {
            let mut view = self.shown_view(state, view)?;
            let (block, element, chosen) = clicked(view.blocks(), &view.values, key)?;
            if chosen.is_object() && element["type"] != "overflow" {
                form::put(&mut view.values, &block, &element, chosen.clone());
                state.views.all.insert(view.id.clone(), view.clone());
            }
            let action = interaction::action(&block, &element, &chosen, &state.next_ts());
            Ok::<_, anyhow::Error>(state.actions_in_view(&self.id, &view, action))
        })?;
        self.interact(payload).await
    }

    pub(crate) async fn try_submits(
        &self,
        view: &str,
        values: &[(&str, &str)],
    ) -> anyhow::Result<Answer> {
        let mut view = self.workspace.with(|state| self.shown_view(state, view))?;
        let mut by_input: Vec<(&str, Vec<&str>)> = Vec::new();
        for (key, word) in values {
            match by_input.iter_mut().find(|(known, _)| known == key) {
                Some((_, words)) => words.push(word),
                None => by_input.push((key, vec![word])),
            }
        }
        for (key, words) in by_input {
            let labels: Vec<&Value> = view.blocks().iter().map(|b| &b["label"]["text"]).collect();
            let found = form::find_input(view.blocks(), key);
            let (block, element) =
                found.with_context(|| format!("the form has no input {key}; it has {labels:?}"))?;
            let (block, element) = (block.clone(), element.clone());
            let container = json!({"container": {"type": "view", "view_id": view.id}});
            let offered = self.offered(&block, &element, &words, container).await?;
            let chosen = self
                .workspace
                .with(|state| form::chosen(state, &element, &words, &offered))?;
            form::put(&mut view.values, &block, &element, chosen);
        }
        let missing = view
            .blocks()
            .iter()
            .filter(|block| form::is_missing(&view.values, block));
        let errors: BTreeMap<String, String> = missing
            .map(|block| {
                (
                    block["block_id"].as_str().unwrap_or_default().into(),
                    "Please complete this required field.".into(),
                )
            })
            .collect();
        let payload = self.workspace.with(|state| {
            state.views.all.insert(view.id.clone(), view.clone());
            state.submission(&self.id, &view)
        });
        // Slack's client itself refuses; the app is not asked.
        if !errors.is_empty() {
            return Ok(Answer {
                errors,
                ..Answer::default()
            });
        }
        let (mut answer, reply) = self.exchange(payload).await?;
        if reply.is_success() {
            let is_json = reply.content_type.starts_with("application/json");
            match self
                .workspace
                .with(|state| state.after_submission(&self.id, &view, is_json, &reply.body))
            {
                Ok(errors) => {
                    let words = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                    answer.errors = errors
                        .iter()
                        .map(|(id, value)| (id.clone(), words(value)))
                        .collect();
                }
                Err(trouble) => answer.trouble = Some(trouble),
            }
        }
        Ok(answer)
    }

    pub(crate) async fn try_closes(&self, view: &str) -> anyhow::Result<Answer> {
        let (payload, notify) = self.workspace.with(|state| {
            let view = self.shown_view(state, view)?;
            state.close_views(&self.id, false);
            let payload = state.closing(&self.id, &view, false);
            Ok::<_, anyhow::Error>((payload, view.body["notify_on_close"] == true))
        })?;
        match notify {
            true => self.interact(payload).await,
            false => Ok(Answer::default()),
        }
    }

    /// What the app offers for the words typed into an external select; nothing for other elements.
    async fn offered(
        &self,
        block: &Value,
        element: &Value,
        words: &[&str],
        container: Value,
    ) -> anyhow::Result<Vec<Value>> {
        let mut offered = Vec::new();
        if !form::kind_of(element).ends_with("external_select") {
            return Ok(offered);
        }
        for word in words {
            let payload = self
                .workspace
                .with(|state| state.suggestion(&self.id, block, element, word, container.clone()));
            let reply = self.workspace.ask(&Errand::Options(payload), None).await?;
            let answer: Value = serde_json::from_str(&reply.body).unwrap_or_default();
            let options: Vec<Value> = form::options(&answer).into_iter().cloned().collect();
            if !reply.is_success() || options.len() > 100 {
                bail!(
                    "the app offered nothing good for {word:?}: HTTP {} {}",
                    reply.status,
                    reply.body
                );
            }
            offered.extend(options);
        }
        Ok(offered)
    }

    pub(crate) async fn interact(&self, payload: Value) -> anyhow::Result<Answer> {
        Ok(self.exchange(payload).await?.0)
    }

    async fn exchange(&self, payload: Value) -> anyhow::Result<(Answer, Reply)> {
        let reply = self
            .workspace
            .ask(&Errand::Interaction(payload), None)
            .await?;
        Ok((Answer::of(&reply, "The action"), reply))
    }

    /// Does something in a channel that this person is in.
    pub(crate) fn at<T>(
        &self,
        channel: &str,
        act: impl FnOnce(&mut State, &str) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        self.workspace.with(|state| {
            let channel = state.place_for(&self.id, channel)?;
            act(state, &channel)
        })
    }

    /// A pin or a reaction, which the Web API would refuse in the same words.
    pub(crate) fn marks(
        &self,
        channel: &str,
        act: impl FnOnce(&mut State, &str) -> Result<(), api::Failure>,
    ) -> anyhow::Result<()> {
        self.at(channel, |state, channel| {
            act(state, channel)
                .map_err(|failure| anyhow::anyhow!("Slack refuses: {}", failure.error))
        })
    }

    fn shown_view(&self, state: &State, id: &str) -> anyhow::Result<View> {
        let is_top = state.top_view(&self.id).is_some_and(|top| top.id == id);
        let is_home = state
            .views
            .homes
            .get(&self.id)
            .is_some_and(|home| home == id);
        match state.views.all.get(id).filter(|_| is_top || is_home) {
            Some(view) => Ok(view.clone()),
            None => bail!("{} does not have the view {id} before them", self.name),
        }
    }
}

/// What a click hits: block, element, and what it chooses (`Null` for a button).
fn clicked(
    blocks: &[Value],
    values: &Map<String, Value>,
    key: &str,
) -> anyhow::Result<(Value, Value, Value)> {
    let found = form::find_button(blocks, key);
    let (block, element, option) = found.with_context(|| {
        format!(
            "there is nothing to click named {key:?}; there are {:?}",
            form::labels(blocks)
        )
    })?;
    let chosen = match (option, form::kind_of(element)) {
        (None, _) => Value::Null,
        (Some(option), "checkboxes") => interaction::toggled(values, block, element, option),
        (Some(option), kind) => json!({"type": kind, "selected_option": option}),
    };
    Ok((block.clone(), element.clone(), chosen))
}
