//! People: what they can do in Slack, and what they see.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;

use super::reading::{self, MessageView, OpenView, take_unread};
use super::requests::Reply;
use super::{Workspace, api};

/// Somebody in the workspace. All methods panic with a sentence when the thing cannot be done at all
/// (no such channel, no such button): a test that asks for it is wrong.
#[derive(Clone)]
pub struct Person {
    pub(crate) workspace: Workspace,
    /// `U…`
    pub id: String,
    /// The name without `@`.
    pub name: String,
}

/// What came of something a person did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Answer {
    /// The app's HTTP status; 0 when it did not answer within three seconds, or was not asked.
    pub status: u16,
    /// How long the app took.
    #[serde(skip)]
    pub elapsed: Duration,
    /// The body of the app's answer.
    pub body: String,
    /// What Slack shows the person when the app's answer was no good.
    pub trouble: Option<String>,
    /// Errors shown in the form, by block_id.
    pub errors: BTreeMap<String, String>,
    /// The messages that the answer's body became; they count as read.
    pub shown: Vec<MessageView>,
    /// The timestamp of what the person posted.
    pub ts: Option<String>,
}

impl Answer {
    /// What the person reads in the answer.
    pub fn text(&self) -> String {
        let shown: Vec<String> = self.shown.iter().map(MessageView::plain_text).collect();
        shown.join("\n")
    }

    pub(crate) fn of(reply: &Reply, url_is_for: &str) -> Answer {
        let trouble = match reply {
            Reply {
                trouble: Some("http_timeout"),
                ..
            } => Some(format!(
                "{url_is_for} failed with the error \"operation_timeout\""
            )),
            reply if !reply.is_success() => Some(format!(
                "{url_is_for} failed with the error \"dispatch_failed\""
            )),
            _ => None,
        };
        Answer {
            status: reply.status,
            elapsed: reply.elapsed,
            body: reply.body.clone(),
            trouble,
            ..Answer::default()
        }
    }
}

impl Workspace {
    /// The person of this name (or id). Panics when there is none.
    pub fn user(&self, name: &str) -> Person {
        self.person(name).unwrap_or_else(|why| panic!("{why:#}"))
    }

    pub(crate) fn person(&self, name: &str) -> anyhow::Result<Person> {
        let name = name.trim_start_matches('@');
        let found = self.with(|state| {
            state
                .user_named(name)
                .or_else(|| state.users.get(name))
                .map(|user| (user.id.clone(), user.name.clone()))
        });
        let (id, name) =
            found.with_context(|| format!("there is no person {name}; add_user makes one"))?;
        Ok(Person {
            workspace: self.clone(),
            id,
            name,
        })
    }
}

/// Turns a deed that failed into the panic that a test shows.
fn done<T>(outcome: anyhow::Result<T>) -> T {
    outcome.unwrap_or_else(|why| panic!("{why:#}"))
}

impl Person {
    /// Types a line and presses enter: a slash command, or else a message.
    pub async fn types(&self, channel: &str, line: &str) -> Answer {
        done(self.try_types(channel, line).await)
    }

    /// Posts a message. Returns its timestamp.
    pub async fn says(&self, channel: &str, text: &str) -> String {
        done(self.try_says(channel, None, text))
    }

    /// Replies in a thread. Returns the reply's timestamp.
    pub async fn replies(&self, channel: &str, thread_ts: &str, text: &str) -> String {
        done(self.try_says(channel, Some(thread_ts), text))
    }

    /// Changes the text of an own message.
    pub async fn edits(&self, channel: &str, ts: &str, text: &str) {
        done(self.try_edits(channel, ts, text));
    }

    /// Deletes a message.
    pub async fn deletes(&self, channel: &str, ts: &str) {
        done(self.at(channel, |state, channel| {
            state.delete_message(channel, ts);
            Ok(())
        }));
    }

    /// Clicks a button (by label or action_id), a menu's option (by label or value) or a checkbox.
    /// Works on messages and on what only this person sees.
    pub async fn clicks(&self, channel: &str, ts: &str, label_or_action_id: &str) -> Answer {
        done(self.try_clicks(channel, ts, label_or_action_id).await)
    }

    /// Chooses in a select of a message, found by action_id or block_id; no words clear it.
    pub async fn picks(&self, channel: &str, ts: &str, select: &str, words: &[&str]) -> Answer {
        done(self.try_picks(channel, ts, select, words).await)
    }

    /// Clicks in a modal or a home tab.
    pub async fn clicks_in(&self, view: &OpenView, label_or_action_id: &str) -> Answer {
        done(self.try_clicks_in(&view.id, label_or_action_id).await)
    }

    /// Adds a reaction (`pushpin`, no colons).
    pub async fn reacts(&self, channel: &str, ts: &str, emoji: &str) {
        done(self.marks(channel, |state, channel| {
            api::react(state, channel, ts, emoji, &self.id)
        }));
    }

    /// Takes a reaction back.
    pub async fn unreacts(&self, channel: &str, ts: &str, emoji: &str) {
        done(self.marks(channel, |state, channel| {
            api::unreact(state, channel, ts, emoji, &self.id)
        }));
    }

    /// Pins a message.
    pub async fn pins(&self, channel: &str, ts: &str) {
        done(self.marks(channel, |state, channel| {
            api::pin(state, channel, ts, &self.id)
        }));
    }

    /// Takes a pin away.
    pub async fn unpins(&self, channel: &str, ts: &str) {
        done(self.marks(channel, |state, channel| {
            api::unpin(state, channel, ts, &self.id)
        }));
    }

    /// Joins a public channel.
    pub async fn joins(&self, channel: &str) {
        let joined = self.workspace.with(|state| {
            let id = state
                .channel_named(channel.trim_start_matches('#'))
                .map(|c| c.id.clone());
            let id = id.with_context(|| format!("there is no channel {channel}"))?;
            state.join(&id, &self.id, None);
            Ok(())
        });
        done(joined);
    }

    /// Opens the direct message with somebody else, and returns its id. The app is not in it and hears nothing of it.
    pub fn opens_direct(&self, with: &str) -> String {
        done(self.try_opens_direct(with))
    }

    /// Leaves a channel.
    pub async fn leaves(&self, channel: &str) {
        done(self.at(channel, |state, channel| {
            state.leave(channel, &self.id);
            Ok(())
        }));
    }

    /// Archives a channel.
    pub async fn archives(&self, channel: &str) {
        done(self.at(channel, |state, channel| {
            api::archive_by(state, channel, &self.id);
            Ok(())
        }));
    }

    /// Fills in a modal and submits it. Inputs are found by block_id, action_id or label; a repeated one
    /// takes several values; people and channels are given by name, options by label or value.
    pub async fn submits(&self, view: &OpenView, values: &[(&str, &str)]) -> Answer {
        done(self.try_submits(&view.id, values).await)
    }

    /// Uploads a file to put it into a form: its id is what [`Person::submits`] takes for a file input.
    pub fn uploads(&self, filename: &str, bytes: &[u8]) -> String {
        self.workspace
            .with(|state| api::take_file(state, &self.id, filename, bytes.to_vec()))
    }

    /// Closes a modal with its cancel button; the app hears of it only with `notify_on_close`.
    pub async fn closes(&self, view: &OpenView) -> Answer {
        done(self.try_closes(&view.id).await)
    }

    /// Starts a global shortcut.
    pub async fn shortcut(&self, callback_id: &str) -> Answer {
        let payload = self
            .workspace
            .with(|state| state.shortcut(&self.id, callback_id, None));
        done(self.interact(done(payload)).await)
    }

    /// Starts a message shortcut.
    pub async fn message_shortcut(&self, callback_id: &str, channel: &str, ts: &str) -> Answer {
        let payload = self.at(channel, |state, channel| {
            state.shortcut(&self.id, callback_id, Some((channel, ts)))
        });
        done(self.interact(done(payload)).await)
    }

    /// Opens the app's home tab and waits until the app has taken note. Returns what is there by then.
    pub async fn opens_home(&self) -> Option<OpenView> {
        self.workspace.with(|state| state.open_home(&self.id));
        self.workspace.settle().await;
        self.home()
    }

    /// The home tab as the app last published it for this person.
    pub fn home(&self) -> Option<OpenView> {
        self.workspace.with(|state| {
            let id = state.views.homes.get(&self.id)?;
            state.views.all.get(id).map(reading::open_view)
        })
    }

    /// The modal on top of this person's screen.
    pub fn open_view(&self) -> Option<OpenView> {
        self.workspace
            .with(|state| state.top_view(&self.id).map(reading::open_view))
    }

    /// What the bot posted where this person can see it and nobody had read, oldest first:
    /// in their channels, to them alone, in direct messages. It is read now.
    pub fn sees(&self) -> Vec<MessageView> {
        self.workspace.with(|state| {
            take_unread(state, |state, mark| match &mark.only_for {
                Some(user) => *user == self.id,
                None => state.channel(&mark.channel).has(&self.id),
            })
        })
    }

    /// Every ephemeral that this person was shown and that is still there; reading so does not count.
    pub fn ephemerals(&self) -> Vec<MessageView> {
        self.workspace.with(|state| {
            let own = state.ephemerals.iter().filter(|e| e.user == self.id);
            own.map(|e| reading::ephemeral_view(state, e)).collect()
        })
    }

    /// All of the direct messages with the bot, which are read by this.
    pub fn dms(&self) -> Vec<MessageView> {
        self.workspace.with(|state| {
            let (id, _) = state.direct_channel(&self.id);
            state.unread.retain(|mark| mark.channel != id);
            reading::channel_view(state, state.channel(&id)).messages
        })
    }
}
