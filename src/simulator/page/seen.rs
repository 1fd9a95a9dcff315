//! What one person sees, as the page gets it. Objects have Slack's own shape (`faces`) where Slack has one.

use serde_json::{Value, json};

use super::super::faces::{Metadata, merge};
use super::super::model::{BOT_ID, BOT_USER, Channel, Ephemeral, Kind, Message, SLACKBOT, State};
use super::super::views::View;
use super::app::InstalledApp;
use super::news::Change;

/// The most messages that are handed out at once.
const PAGE: usize = 500;

/// Which part of a channel's messages is asked for.
#[derive(Clone, Copy)]
pub(crate) enum Part<'a> {
    Newest,
    Before(&'a str),
    After(&'a str),
    Around(&'a str),
}

impl State {
    /// Everything but the messages.
    pub fn seen_by(&mut self, user: &str, app: &InstalledApp) -> Value {
        // The app is among the direct messages from the start.
        let (app_channel, _) = self.direct_channel(user);
        let channels: Vec<Value> = self
            .channels
            .values()
            .filter_map(|channel| self.seen_channel(user, channel))
            .collect();
        let bot = &self.users[BOT_USER];
        json!({
            "revision": self.revision,
            "now_ms": self.now_ms,
            "me": user,
            "team": {"id": self.team_id, "domain": "firebell-sim"},
            "app": {
                "user": BOT_USER, "bot_id": BOT_ID, "name": bot.real_name, "channel": app_channel,
                "home_tab": self.home_tab, "messages_tab": self.messages_tab,
                "commands": app.commands, "shortcuts": app.shortcuts,
            },
            "people": self.seen_people(),
            "groups": self.seen_groups(),
            "channels": channels,
            "view": self.seen_top_view(user),
            "home": self.seen_home(user),
        })
    }

    /// What a change means to this person; nothing if it is not for their eyes.
    pub fn seen_change(&self, user: &str, change: &Change) -> Option<Value> {
        Some(match change {
            Change::Message { channel, ts } => {
                let place = self.channels.get(channel).filter(|c| may_see(c, user))?;
                match place.message(ts) {
                    Some(message) => {
                        json!({"kind": "message", "message": self.seen_message(place, message)})
                    }
                    None => json!({"kind": "gone", "channel": channel, "ts": ts}),
                }
            }
            Change::Ephemeral {
                channel,
                ts,
                user: only_for,
            } => {
                if only_for != user {
                    return None;
                }
                match self.ephemerals.iter().find(|e| e.ts == *ts) {
                    Some(shown) => {
                        json!({"kind": "message", "message": self.seen_ephemeral(shown)})
                    }
                    None => json!({"kind": "gone", "channel": channel, "ts": ts}),
                }
            }
            Change::Channel(id) => match self.seen_channel(user, self.channels.get(id)?) {
                Some(channel) => json!({"kind": "channel", "channel": channel}),
                None => json!({"kind": "no_channel", "id": id}),
            },
            Change::Views(whose) if whose == user => {
                json!({"kind": "view", "view": self.seen_top_view(user)})
            }
            Change::Home(whose) if whose == user => {
                json!({"kind": "home", "home": self.seen_home(user)})
            }
            Change::Views(_) | Change::Home(_) => return None,
            Change::People => {
                json!({"kind": "people", "people": self.seen_people(), "groups": self.seen_groups()})
            }
            Change::Scenes => json!({"kind": "scenes"}),
        })
    }

    /// A part of a channel's main flow, oldest first, with this person's ephemerals among it.
    pub fn seen_history(&self, user: &str, channel: &str, part: Part<'_>, limit: usize) -> Value {
        let Some(place) = self.channels.get(channel).filter(|c| may_see(c, user)) else {
            return json!({"messages": [], "has_more": false, "has_newer": false});
        };
        let all = &place.messages;
        let (split, older, newer) = match part {
            Part::Newest => (all.len(), limit, 0),
            Part::Before(ts) => (all.partition_point(|m| m.ts.as_str() < ts), limit, 0),
            Part::After(ts) => (all.partition_point(|m| m.ts.as_str() <= ts), 0, limit),
            Part::Around(ts) => {
                let half = (limit / 2).max(1);
                (all.partition_point(|m| m.ts.as_str() < ts), half, half)
            }
        };
        let mut before = all[..split].iter().rev().filter(|m| is_in_main_flow(m));
        let mut after = all[split..].iter().filter(|m| is_in_main_flow(m));
        let mut messages: Vec<&Message> = before.by_ref().take(older.min(PAGE)).collect();
        messages.reverse();
        messages.extend(after.by_ref().take(newer.min(PAGE)));
        let (has_more, has_newer) = (before.next().is_some(), after.next().is_some());
        // Ephemerals are no part of the history: those between its ends are shown, and those beyond an end of all.
        let lowest = match part {
            Part::After(ts) => ts,
            _ if has_more => messages.first().map_or("", |m| m.ts.as_str()),
            _ => "",
        };
        let highest = match part {
            Part::Before(ts) => Some(ts),
            _ if has_newer => messages.last().map(|m| m.ts.as_str()),
            _ => None,
        };
        let ephemerals = self.ephemerals.iter().filter(|e| {
            e.channel == channel
                && e.user == user
                && e.thread_ts.is_none()
                && e.ts.as_str() > lowest
                && highest.is_none_or(|ts| e.ts.as_str() < ts)
        });
        let mut seen: Vec<Value> = ephemerals.map(|e| self.seen_ephemeral(e)).collect();
        seen.extend(messages.iter().map(|m| self.seen_message(place, m)));
        seen.sort_by(|a, b| a["ts"].as_str().cmp(&b["ts"].as_str()));
        json!({"messages": seen, "has_more": has_more, "has_newer": has_newer})
    }

    /// A message and the replies below it.
    pub fn seen_thread(&self, user: &str, channel: &str, ts: &str) -> Value {
        let Some(place) = self.channels.get(channel).filter(|c| may_see(c, user)) else {
            return json!({"messages": []});
        };
        let parent = place.message(ts).into_iter();
        let mut seen: Vec<Value> = parent
            .chain(place.replies(ts))
            .map(|m| self.seen_message(place, m))
            .collect();
        let ephemerals = self.ephemerals.iter().filter(|e| {
            e.channel == channel && e.user == user && e.thread_ts.as_deref() == Some(ts)
        });
        seen.extend(ephemerals.map(|e| self.seen_ephemeral(e)));
        json!({"messages": seen})
    }

    /// The pinned messages of a channel, the newest pin first.
    pub fn seen_pins(&self, user: &str, channel: &str) -> Value {
        let Some(place) = self.channels.get(channel).filter(|c| may_see(c, user)) else {
            return json!({"messages": []});
        };
        let pinned = place.pins.iter().rev();
        let messages: Vec<Value> = pinned
            .filter_map(|pin| Some(self.seen_message(place, place.message(&pin.ts)?)))
            .collect();
        json!({"messages": messages})
    }

    fn seen_people(&self) -> Vec<Value> {
        let people = self.users.values();
        people
            .map(|user| {
                json!({
                    "id": user.id, "name": user.name, "real_name": user.real_name, "title": user.title, "tz": user.tz,
                    "is_bot": user.is_bot, "deleted": user.deleted,
                })
            })
            .collect()
    }

    fn seen_groups(&self) -> Vec<Value> {
        let groups = self.groups.values();
        groups
            .map(|g| json!({"id": g.id, "handle": g.handle, "users": g.users}))
            .collect()
    }

    pub fn seen_channel(&self, user: &str, channel: &Channel) -> Option<Value> {
        let is_begun =
            !channel.messages.is_empty() || channel.opened_by.iter().any(|by| by == user);
        if !may_see(channel, user) || channel.kind == Kind::Direct && !is_begun {
            return None;
        }
        let is_member = channel.has(user);
        let members = match channel.archived {
            true => &channel.members_before_archive,
            false => &channel.members,
        };
        let read = self.last_read.get(&(user.to_owned(), channel.id.clone()));
        let from = read.map_or(0, |ts| channel.messages.partition_point(|m| m.ts <= *ts));
        let called = [
            format!("<@{user}>"),
            "<!here>".into(),
            "<!channel>".into(),
            "<!everyone>".into(),
        ];
        let (mut unread, mut mentions) = (0_u32, 0_u32);
        let new = channel.messages[from..]
            .iter()
            .filter(|m| is_in_main_flow(m));
        for message in new.filter(|m| is_member && m.user != user && is_news(m)) {
            unread += 1;
            let is_called = called.iter().any(|name| message.text.contains(name));
            mentions += u32::from(is_called || !channel.kind.is_channel());
        }
        let bookmarks: Vec<Value> = channel
            .bookmarks
            .iter()
            .map(|b| json!({"id": b.id, "title": b.title, "link": b.link, "emoji": b.emoji}))
            .collect();
        let pins: Vec<&String> = channel.pins.iter().map(|pin| &pin.ts).collect();
        let kind = match channel.kind {
            Kind::Public => "public",
            Kind::Private => "private",
            Kind::Direct => "direct",
            Kind::Group => "group",
        };
        Some(json!({
            "id": channel.id, "name": channel.name, "kind": kind, "is_member": is_member,
            "is_archived": channel.archived, "topic": channel.topic.value, "purpose": channel.purpose.value,
            "creator": channel.creator, "created_s": channel.created_s, "members": members, "bookmarks": bookmarks,
            "pins": pins, "unread": unread, "mentions": mentions, "last_read": read,
            "latest": channel.messages.last().map(|m| &m.ts),
        }))
    }

    fn seen_message(&self, channel: &Channel, message: &Message) -> Value {
        let mut seen = self.message_json(channel, message, Metadata::TypeOnly);
        let more = json!({
            "channel": channel.id, "is_reply": message.is_reply(), "in_main_flow": is_in_main_flow(message),
            "values": message.values, "edits": message.edits,
        });
        merge(&mut seen, more);
        for file in seen["files"].as_array_mut().into_iter().flatten() {
            let id = file["id"].as_str().unwrap_or_default();
            file["url"] = json!(format!("/page/files/{id}"));
        }
        seen
    }

    fn seen_ephemeral(&self, shown: &Ephemeral) -> Value {
        json!({
            "type": "message", "channel": shown.channel, "ts": shown.ts, "user": BOT_USER, "bot_id": BOT_ID,
            "text": shown.text, "blocks": shown.blocks, "thread_ts": shown.thread_ts, "values": shown.values,
            "is_ephemeral": true, "is_reply": shown.thread_ts.is_some(), "in_main_flow": shown.thread_ts.is_none(),
        })
    }

    fn seen_top_view(&self, user: &str) -> Value {
        let depth = self.views.stacks.get(user).map_or(0, Vec::len);
        self.top_view(user).map_or(Value::Null, |view| {
            let mut seen = self.seen_view(view);
            seen["depth"] = json!(depth);
            seen
        })
    }

    fn seen_home(&self, user: &str) -> Value {
        let home = self.views.homes.get(user);
        let view = home.and_then(|id| self.views.all.get(id));
        view.map_or(Value::Null, |view| self.seen_view(view))
    }

    fn seen_view(&self, view: &View) -> Value {
        let body = &view.body;
        json!({
            "id": view.id, "hash": view.hash, "blocks": view.blocks(), "values": view.values,
            "title": body["title"]["text"], "submit": body["submit"]["text"], "close": body["close"]["text"],
        })
    }
}

/// Public channels, one's own conversations, and archived ones that one was in.
pub(super) fn may_see(channel: &Channel, user: &str) -> bool {
    channel.kind == Kind::Public
        || channel.has(user)
        || channel.archived && channel.members_before_archive.iter().any(|m| m == user)
}

fn is_in_main_flow(message: &Message) -> bool {
    !message.is_reply() || message.subtype.as_deref() == Some("thread_broadcast")
}

/// Slack's own lines (somebody joined, the topic was set) mark nothing as unread.
fn is_news(message: &Message) -> bool {
    let subtype = message.subtype.as_deref().unwrap_or_default();
    let is_line = subtype.starts_with("channel_") || subtype.starts_with("group_");
    !is_line && message.user != SLACKBOT
}
