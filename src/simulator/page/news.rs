//! What changed in the workspace, and how those who look at the page hear of it.
//!
//! A change only names what is different. Each listener then looks at it anew with the eyes of its person, so a change
//! that is told twice, or late, does no harm.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::super::model::State;
use super::super::people::Person;
use super::scenes::Scenes;

/// How far a listener may fall behind before it has to load everything anew.
const BACKLOG: usize = 1_024;
/// The most changes that are told in one event.
const BATCH: usize = 256;

/// Something that looks different now.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    /// A message is new, changed or gone.
    Message { channel: String, ts: String },
    /// The same of what only one person sees.
    Ephemeral {
        channel: String,
        ts: String,
        user: String,
    },
    /// A channel: members, name, topic, pins, bookmarks, what is unread in it.
    Channel(String),
    /// Somebody's open modals.
    Views(String),
    /// Somebody's home tab.
    Home(String),
    /// People and user groups.
    People,
    /// How far the scenarios have come.
    Scenes,
}

/// The page's part of a workspace: who listens, and who plays scenarios.
pub(crate) struct Desk {
    news: broadcast::Sender<Change>,
    scenes: Mutex<Option<Arc<dyn Scenes>>>,
}

impl Default for Desk {
    fn default() -> Desk {
        Desk {
            news: broadcast::channel(BACKLOG).0,
            scenes: Mutex::new(None),
        }
    }
}

impl Desk {
    /// Tells the listeners what changed under the lock.
    pub fn tell(&self, state: &mut State) {
        for change in state.changes.drain(..) {
            // Nobody listens: there is nobody to tell.
            let _ = self.news.send(change);
        }
    }

    pub fn scenes(&self) -> MutexGuard<'_, Option<Arc<dyn Scenes>>> {
        self.scenes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Notes that something looks different now.
    pub fn note(&mut self, change: Change) {
        self.revision += 1;
        self.changes.push(change);
    }

    /// Notes what an event of the Events API is about, whether the app will hear of it or not.
    pub fn note_event(&mut self, channel: Option<&str>, event: &Value) {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let Some(channel) = channel else {
            if event["type"] == "subteam_members_changed" {
                self.note(Change::People);
            }
            return;
        };
        let about = [
            &event["message"]["ts"],
            &event["deleted_ts"],
            &event["item"]["ts"],
            &event["item"]["message"]["ts"],
        ];
        let about = about.into_iter().find_map(text);
        let new = (event["type"] == "message").then(|| text(&event["ts"]));
        let parent = [
            &event["thread_ts"],
            &event["message"]["thread_ts"],
            &event["previous_message"]["thread_ts"],
        ];
        let parent = parent.into_iter().find_map(text);
        let touched: BTreeSet<String> = about.or(new.flatten()).into_iter().chain(parent).collect();
        for ts in touched {
            let channel = channel.to_owned();
            self.note(Change::Message { channel, ts });
        }
        self.note(Change::Channel(channel.to_owned()));
    }

    /// Notes the view for whoever has it before them.
    pub fn note_view(&mut self, id: &str) {
        let stacks = self.views.stacks.iter();
        let open = stacks.filter(|(_, stack)| stack.iter().any(|open| open == id));
        let homes = self.views.homes.iter().filter(|(_, home)| *home == id);
        let changes: Vec<Change> = open
            .map(|(user, _)| Change::Views(user.clone()))
            .chain(homes.map(|(user, _)| Change::Home(user.clone())))
            .collect();
        changes.into_iter().for_each(|change| self.note(change));
    }
}

/// The person's events: `hello` first, then `news` with a list of what looks different, `reload` when too much was
/// missed. Whoever hears `hello` loads the whole state: what happens while that is under way waits in line.
pub(super) fn listen(person: Person) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let news = person.workspace.page().news.subscribe();
    let stream = unfold(
        (person, news, true),
        |(person, mut news, first)| async move {
            let event = if first {
                let revision = person.workspace.with(|state| state.revision);
                Event::default()
                    .event("hello")
                    .data(json!({"revision": revision}).to_string())
            } else {
                let changes = match next(&mut news).await {
                    Ok(changes) => changes,
                    Err(RecvError::Lagged(_)) => {
                        news = news.resubscribe();
                        let event = Event::default().event("reload").data("{}");
                        return Some((Ok(event), (person, news, false)));
                    }
                    Err(RecvError::Closed) => return None,
                };
                Event::default()
                    .event("news")
                    .data(told(&person, &changes).to_string())
            };
            Some((Ok(event), (person, news, false)))
        },
    );
    Sse::new(stream).keep_alive(KeepAlive::default())
}

/// The next change and those that came with it.
async fn next(news: &mut broadcast::Receiver<Change>) -> Result<BTreeSet<Change>, RecvError> {
    let mut changes = BTreeSet::from([news.recv().await?]);
    while changes.len() < BATCH {
        match news.try_recv() {
            Ok(change) => _ = changes.insert(change),
            Err(TryRecvError::Lagged(count)) => return Err(RecvError::Lagged(count)),
            Err(TryRecvError::Empty | TryRecvError::Closed) => break,
        }
    }
    Ok(changes)
}

/// The changes as one person sees them.
fn told(person: &Person, changes: &BTreeSet<Change>) -> Value {
    person.workspace.with(|state| {
        let news: Vec<Value> = changes
            .iter()
            .filter_map(|change| state.seen_change(&person.id, change))
            .collect();
        json!({"revision": state.revision, "now_ms": state.now_ms, "news": news})
    })
}
