//! What a person does on the page. Each deed goes the way that a test's person goes.

use anyhow::Context;
use axum::Json;
use axum::extract::{Path, State as Shared};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::deeds::{Filled, Spot};
use super::super::people::{Answer, Person};
use super::super::{Workspace, api};
use super::Refused;
use super::news::Change;

/// Who does something, where, and to what; which fields matter depends on the deed.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Deed {
    #[serde(rename = "as")]
    who: String,
    channel: String,
    ts: String,
    thread_ts: Option<String>,
    text: String,
    emoji: String,
    /// With whom a direct message is opened.
    user: String,
    view: String,
    callback_id: String,
    /// The element that is acted on.
    element: Filled,
    /// What stands in the form's inputs meanwhile.
    inputs: Vec<Filled>,
    /// Takes a reaction or a pin back.
    undo: bool,
    /// Closes every open modal, not only the one on top.
    all: bool,
}

impl Deed {
    fn spot(&self) -> Spot<'_> {
        match self.view.as_str() {
            "" => Spot::Message {
                channel: &self.channel,
                ts: &self.ts,
            },
            view => Spot::View(view),
        }
    }
}

/// `POST /page/do/{deed}`
pub(super) async fn act(
    Shared(workspace): Shared<Workspace>,
    Path(name): Path<String>,
    Json(deed): Json<Deed>,
) -> Result<Json<Value>, Refused> {
    let person = workspace.person(&deed.who)?;
    let answer = match name.as_str() {
        "type" => types(&person, &deed).await?,
        "edit" => {
            person.try_edits(&deed.channel, &deed.ts, &deed.text)?;
            Answer::default()
        }
        "delete" => {
            person.try_deletes(&deed.channel, &deed.ts)?;
            Answer::default()
        }
        "act" => {
            person
                .try_acts(deed.spot(), &deed.element, &deed.inputs)
                .await?
        }
        "suggest" => {
            let options = person
                .try_suggests(deed.spot(), &deed.element, &deed.text)
                .await?;
            return Ok(Json(json!({"options": options})));
        }
        "submit" => person.try_submits_filled(&deed.view, &deed.inputs).await?,
        "close" => close(&person, &deed).await?,
        "react" => {
            person.marks(&deed.channel, |state, channel| match deed.undo {
                false => api::react(state, channel, &deed.ts, &deed.emoji, &person.id),
                true => api::unreact(state, channel, &deed.ts, &deed.emoji, &person.id),
            })?;
            Answer::default()
        }
        "pin" => {
            person.marks(&deed.channel, |state, channel| match deed.undo {
                false => api::pin(state, channel, &deed.ts, &person.id),
                true => api::unpin(state, channel, &deed.ts, &person.id),
            })?;
            Answer::default()
        }
        "shortcut" => shortcut(&person, &deed).await?,
        "join" => {
            person.try_joins(&deed.channel)?;
            Answer::default()
        }
        "open_direct" => {
            let id = person.try_opens_direct(&deed.user)?;
            let seen = workspace.with(|state| state.seen_channel(&person.id, state.channel(&id)));
            return Ok(Json(json!({"channel": seen})));
        }
        "leave" => {
            person.at(&deed.channel, |state, channel| {
                state.leave(channel, &person.id);
                Ok(())
            })?;
            Answer::default()
        }
        "open_home" => {
            workspace.with(|state| state.open_home(&person.id));
            Answer::default()
        }
        "read" => {
            read(&person, &deed);
            Answer::default()
        }
        "dismiss" => {
            dismiss(&person, &deed);
            Answer::default()
        }
        _ => return Err(anyhow::anyhow!("there is no deed {name}").into()),
    };
    Ok(Json(json!({
        "status": answer.status, "trouble": answer.trouble, "errors": answer.errors, "ts": answer.ts,
    })))
}

async fn types(person: &Person, deed: &Deed) -> anyhow::Result<Answer> {
    match &deed.thread_ts {
        None => person.try_types(&deed.channel, &deed.text).await,
        Some(thread) => {
            let ts = person.try_says(&deed.channel, Some(thread), &deed.text)?;
            Ok(Answer {
                ts: Some(ts),
                ..Answer::default()
            })
        }
    }
}

async fn close(person: &Person, deed: &Deed) -> anyhow::Result<Answer> {
    let answer = person.try_closes(&deed.view).await?;
    if deed.all {
        let others = |workspace: &Workspace| {
            workspace.with(|state| state.top_view(&person.id).map(|view| view.id.clone()))
        };
        while let Some(view) = others(&person.workspace) {
            person.try_closes(&view).await?;
        }
    }
    Ok(answer)
}

async fn shortcut(person: &Person, deed: &Deed) -> anyhow::Result<Answer> {
    let payload = person.workspace.with(|state| {
        if deed.ts.is_empty() {
            return state.shortcut(&person.id, &deed.callback_id, None);
        }
        let channel = state.place_for(&person.id, &deed.channel)?;
        state.shortcut(&person.id, &deed.callback_id, Some((&channel, &deed.ts)))
    })?;
    person.interact(payload).await
}

/// Takes a channel as read up to a message; nothing goes back to unread by this.
fn read(person: &Person, deed: &Deed) {
    person.workspace.with(|state| {
        let place = (person.id.clone(), deed.channel.clone());
        let known = state.last_read.get(&place).is_some_and(|ts| *ts >= deed.ts);
        if !known && state.channels.contains_key(&deed.channel) {
            state.last_read.insert(place, deed.ts.clone());
            state.note(Change::Channel(deed.channel.clone()));
        }
    });
}

/// Takes away what only this person was shown.
fn dismiss(person: &Person, deed: &Deed) {
    person.workspace.with(|state| {
        state
            .ephemerals
            .retain(|e| !(e.ts == deed.ts && e.user == person.id));
        state.note(Change::Ephemeral {
            channel: deed.channel.clone(),
            ts: deed.ts.clone(),
            user: person.id.clone(),
        });
    });
}

impl Person {
    fn try_deletes(&self, channel: &str, ts: &str) -> anyhow::Result<()> {
        self.at(channel, |state, channel| {
            let own = state
                .message(channel, ts)
                .is_some_and(|m| m.user == self.id);
            anyhow::ensure!(own, "{} has no message {ts} there", self.name);
            state.delete_message(channel, ts);
            Ok(())
        })
    }

    fn try_joins(&self, channel: &str) -> anyhow::Result<()> {
        self.workspace.with(|state| {
            let found = state
                .channels
                .get(channel)
                .filter(|c| c.kind == super::super::model::Kind::Public && !c.archived);
            let id = found
                .map(|c| c.id.clone())
                .context("that channel cannot be joined")?;
            state.join(&id, &self.id, None);
            Ok(())
        })
    }
}
