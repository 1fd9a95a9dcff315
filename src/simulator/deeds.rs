//! How what a person does reaches the app, and what its answer does. Each deed says in words why it cannot be done.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::api;
use super::form;
use super::interaction;
use super::model::{Message, State, typed_blocks};
use super::people::{Answer, Person};
use super::reading::take_unread;
use super::requests::{Errand, Reply};
use super::views::View;

/// Where somebody acts on an element.
#[derive(Clone, Copy)]
pub(crate) enum Spot<'a> {
    /// A message, or what only this person sees.
    Message { channel: &'a str, ts: &'a str },
    /// A modal or a home tab.
    View(&'a str),
}

/// An element, by its exact ids, and what somebody put into it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Filled {
    pub block_id: String,
    pub action_id: String,
    /// What was typed, or the values of the options that were chosen; none clears it.
    pub words: Vec<String>,
    /// Of an external select: the options among which was chosen, as the app offered them.
    pub offered: Vec<Value>,
}

impl Filled {
    fn words(&self) -> Vec<&str> {
        self.words.iter().map(String::as_str).collect()
    }
}

impl Person {
    pub(crate) fn try_edits(&self, channel: &str, ts: &str, text: &str) -> anyhow::Result<()> {
        self.at(channel, |state, channel| {
            let own = state
                .message(channel, ts)
                .is_some_and(|m| m.user == self.id);
            anyhow::ensure!(own, "{} has no message {ts} there", self.name);
            let text = state.escaped(text, false);
            let content = super::posting::Content {
                text: Some(text),
                ..Default::default()
            };
            state.change_message(channel, ts, content);
            Ok(())
        })
    }

    /// Clicks or chooses in one element. `inputs` is what stands in the other inputs of the form meanwhile.
    pub(crate) async fn try_acts(
        &self,
        spot: Spot<'_>,
        filled: &Filled,
        inputs: &[Filled],
    ) -> anyhow::Result<Answer> {
        let payload = match spot {
            Spot::Message { channel, ts } => self.at(channel, |state, channel| {
                let source = state.source(&self.id, channel, ts)?;
                let mut values = interaction::current_values(&source);
                let (block, element) = found(&source.blocks, filled)?;
                let chosen = acted(state, element, filled)?;
                if form::keeps_a_value(element) {
                    form::put(&mut values, block, element, chosen.clone());
                }
                state.keep_values(&source, values.clone());
                if block["type"] == "input" && block["dispatch_action"] != true {
                    return Ok(None);
                }
                let action = interaction::action(block, element, &chosen, &state.next_ts());
                Ok(Some(
                    state.actions_in_message(&self.id, &source, values, action),
                ))
            })?,
            Spot::View(view) => self.workspace.with(|state| {
                let mut view = self.shown_view(state, view)?;
                fill(state, &mut view, inputs)?;
                let (block, element) = found(view.blocks(), filled)?;
                let (block, element) = (block.clone(), element.clone());
                let chosen = acted(state, &element, filled)?;
                if form::keeps_a_value(&element) {
                    form::put(&mut view.values, &block, &element, chosen.clone());
                }
                state.views.all.insert(view.id.clone(), view.clone());
                if block["type"] == "input" && block["dispatch_action"] != true {
                    return Ok(None);
                }
                let action = interaction::action(&block, &element, &chosen, &state.next_ts());
                Ok::<_, anyhow::Error>(Some(state.actions_in_view(&self.id, &view, action)))
            })?,
        };
        match payload {
            Some(payload) => self.interact(payload).await,
            None => Ok(Answer::default()),
        }
    }

    /// What the app offers in an external select for what was typed so far.
    pub(crate) async fn try_suggests(
        &self,
        spot: Spot<'_>,
        filled: &Filled,
        typed: &str,
    ) -> anyhow::Result<Vec<Value>> {
        let (block, element, container) = match spot {
            Spot::Message { channel, ts } => self.at(channel, |state, channel| {
                let source = state.source(&self.id, channel, ts)?;
                let (block, element) = found(&source.blocks, filled)?;
                let container = json!({
                    "container": {"type": "message", "message_ts": ts, "channel_id": channel},
                    "channel": {"id": channel},
                });
                Ok((block.clone(), element.clone(), container))
            })?,
            Spot::View(view) => {
                let view = self.workspace.with(|state| self.shown_view(state, view))?;
                let (block, element) = found(view.blocks(), filled)?;
                let container = json!({"container": {"type": "view", "view_id": view.id}});
                (block.clone(), element.clone(), container)
            }
        };
        self.offered(&block, &element, &[typed], container).await
    }

    /// Submits a modal with exactly these inputs.
    pub(crate) async fn try_submits_filled(
        &self,
        view: &str,
        inputs: &[Filled],
    ) -> anyhow::Result<Answer> {
        let view = self.workspace.with(|state| {
            let mut view = self.shown_view(state, view)?;
            fill(state, &mut view, inputs)?;
            Ok::<_, anyhow::Error>(view)
        })?;
        self.submit(view).await
    }

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

    pub(crate) fn try_opens_direct(&self, with: &str) -> anyhow::Result<String> {
        let other = self.workspace.person(with)?;
        self.workspace.with(|state| {
            let is_person = state
                .users
                .get(&other.id)
                .is_some_and(|user| !user.is_bot && !user.deleted);
            anyhow::ensure!(
                is_person && other.id != self.id,
                "{} cannot write to {with}",
                self.name
            );
            Ok(state.direct_between(&self.id, &other.id).0)
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
        self.submit(view).await
    }

    /// Sends a filled-in modal, unless Slack's client itself finds something missing.
    async fn submit(&self, view: View) -> anyhow::Result<Answer> {
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

fn found<'a>(blocks: &'a [Value], filled: &Filled) -> anyhow::Result<(&'a Value, &'a Value)> {
    let Filled {
        block_id,
        action_id,
        ..
    } = filled;
    form::find_element(blocks, block_id, action_id)
        .with_context(|| format!("there is no element {action_id} in a block {block_id}"))
}

/// What acting on the element chooses; `Null` for a button.
fn acted(state: &State, element: &Value, filled: &Filled) -> anyhow::Result<Value> {
    if form::keeps_a_value(element) {
        return form::chosen(state, element, &filled.words(), &filled.offered);
    }
    let word = filled.words.first();
    let option = form::options(element).into_iter().find(|option| {
        Some(option["value"].as_str().unwrap_or_default()) == word.map(String::as_str)
    });
    match option {
        Some(option) => Ok(json!({"type": form::kind_of(element), "selected_option": option})),
        None => Ok(Value::Null),
    }
}

/// Puts what stands in a form's inputs into its view.
fn fill(state: &State, view: &mut View, inputs: &[Filled]) -> anyhow::Result<()> {
    for filled in inputs {
        let (block, element) = found(view.blocks(), filled)?;
        let (block, element) = (block.clone(), element.clone());
        let chosen = form::chosen(state, &element, &filled.words(), &filled.offered)?;
        form::put(&mut view.values, &block, &element, chosen);
    }
    Ok(())
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
