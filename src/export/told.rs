//! Events in the words of an export: as the timeline tells them, with people's names where Slack had only their ids.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::domain::event::{Event, Recorded};
use crate::domain::terms::{SlackUserId, Who};
use crate::domain::timeline::{TimelineEntry, tell};

/// The names that Slack was asked for, by id.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names<'a>(pub(super) &'a BTreeMap<SlackUserId, String>);

impl<'a> Names<'a> {
    /// A text with the names of people for their ids: `@U012AB` becomes `@bo`.
    pub(super) fn text<'t>(self, text: &'t str) -> Cow<'t, str> {
        if self.0.is_empty() || !(text.contains("@U") || text.contains("@W")) {
            return Cow::Borrowed(text);
        }
        let mut named = text.to_owned();
        for (id, name) in self.0 {
            named = named.replace(&format!("@{id}"), &format!("@{name}"));
        }
        Cow::Owned(named)
    }

    /// The name of a person.
    pub(super) fn name(self, who: &'a Who) -> &'a str {
        let learned = who.slack.as_ref().and_then(|id| self.0.get(id));
        learned
            .filter(|_| who.is_nameless())
            .map_or(&who.name, |name| name)
    }

    /// The same person, by the name that was learned.
    pub(super) fn who(self, who: &'a Who) -> Who {
        Who {
            slack: who.slack.clone(),
            name: self.name(who).to_owned(),
        }
    }

    /// Tells an event. At the time at which a kept message stands, its author spoke: it is the author's entry.
    pub(super) fn tell(self, recorded: &Recorded) -> TimelineEntry {
        let mut entry = tell(recorded);
        let whose = match &recorded.event {
            Event::MessageKept(kept) => {
                let author = format!("@{}: ", kept.author.name);
                if entry.text.starts_with(&author) {
                    entry.text.drain(..author.len());
                }
                Some(&kept.author)
            }
            _ => recorded.actor.person(),
        };
        if let Some(who) = whose {
            entry.actor = Names(self.0).name(who).to_owned();
        }
        if let Cow::Owned(named) = self.text(&entry.text) {
            entry.text = named;
        }
        entry
    }
}
