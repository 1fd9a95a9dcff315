//! Modals and home tabs: who has which open, and how they change (contract sections 3.4 and 6.6).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::api::Failure;
use super::block_kit::{self, Surface};
use super::faces::merge;
use super::form;
use super::model::{APP_ID, BOT_ID, State};
use super::page::Change;

/// A stack holds at most three modals.
const STACK: usize = 3;

/// Every view ever shown, the open modals of each person, and each person's home tab.
#[derive(Default)]
pub(crate) struct Views {
    pub all: BTreeMap<String, View>,
    pub stacks: BTreeMap<String, Vec<String>>,
    pub homes: BTreeMap<String, String>,
}

#[derive(Clone, Debug)]
pub(crate) struct View {
    pub id: String,
    pub surface: Surface,
    /// As the app sent it, with the generated ids filled in.
    pub body: Value,
    /// `state.values`, as the person left them.
    pub values: Map<String, Value>,
    pub hash: String,
    pub root: String,
    pub previous: Option<String>,
}

impl View {
    pub fn blocks(&self) -> &[Value] {
        self.body["blocks"].as_array().map_or(&[], Vec::as_slice)
    }
}

impl State {
    /// VIEW, as payloads and answers show it.
    pub fn view_json(&self, view: &View) -> Value {
        let mut face = json!({
            "id": view.id, "team_id": self.team_id, "type": "modal", "blocks": [], "private_metadata": "",
            "callback_id": "", "external_id": "", "state": {"values": view.values}, "hash": view.hash,
            "clear_on_close": false, "notify_on_close": false, "close": null, "submit": null,
            "previous_view_id": view.previous, "root_view_id": view.root, "app_id": APP_ID,
            "app_installed_team_id": self.team_id, "bot_id": BOT_ID,
        });
        merge(&mut face, view.body.clone());
        face
    }

    /// Opens the first modal of a stack; whatever this person had open is gone.
    pub fn open_view(&mut self, user: &str, view: Value) -> Result<String, Failure> {
        let body = self.judged_view(view, Surface::Modal, None)?;
        let id = self.add_view(Surface::Modal, body, None);
        self.views.stacks.insert(user.into(), vec![id.clone()]);
        self.note(Change::Views(user.into()));
        Ok(id)
    }

    /// Puts a modal on top of the open ones.
    pub fn push_view(&mut self, user: &str, view: Value) -> Result<String, Failure> {
        let stack = self.views.stacks.get(user).cloned().unwrap_or_default();
        let Some(top) = stack.last() else {
            return Err(Failure::new("not_found"));
        };
        if stack.len() >= STACK {
            return Err(Failure::new("push_limit_reached"));
        }
        let body = self.judged_view(view, Surface::Modal, None)?;
        let id = self.add_view(Surface::Modal, body, Some(top.clone()));
        self.views
            .stacks
            .entry(user.into())
            .or_default()
            .push(id.clone());
        self.note(Change::Views(user.into()));
        Ok(id)
    }

    /// Changes an open modal. What was typed stays where block_id and action_id are the same.
    pub fn update_view(
        &mut self,
        id: &str,
        view: Value,
        hash: Option<&str>,
    ) -> Result<(), Failure> {
        let is_open = self.views.stacks.values().flatten().any(|open| open == id);
        let is_home = self.views.homes.values().any(|home| home == id);
        let known = self.views.all.get(id).filter(|_| is_open || is_home);
        let Some(known) = known.cloned() else {
            return Err(Failure::new("not_found"));
        };
        if hash.is_some_and(|hash| hash != known.hash) {
            return Err(Failure::new("hash_conflict"));
        }
        let body = self.judged_view(view, known.surface, Some(id))?;
        let mut values = form::initial_values(body["blocks"].as_array().map_or(&[], Vec::as_slice));
        for (block_id, typed) in &known.values {
            for (action_id, value) in typed.as_object().into_iter().flatten() {
                if let Some(place) = values
                    .get_mut(block_id)
                    .and_then(|block| block.get_mut(action_id))
                {
                    *place = value.clone();
                }
            }
        }
        let hash = self.new_hash();
        if let Some(view) = self.views.all.get_mut(id) {
            (view.body, view.values, view.hash) = (body, values, hash);
        }
        self.note_view(id);
        Ok(())
    }

    /// Shows a home tab to one person. A rejected one leaves the old tab.
    pub fn publish_home(
        &mut self,
        user: &str,
        view: Value,
        hash: Option<&str>,
    ) -> Result<String, Failure> {
        if !self.home_tab {
            return Err(Failure::new("not_enabled"));
        }
        if let Some(id) = self.views.homes.get(user).cloned() {
            self.update_view(&id, view, hash)?;
            return Ok(id);
        }
        let body = self.judged_view(view, Surface::Home, None)?;
        let id = self.add_view(Surface::Home, body, None);
        self.views.homes.insert(user.into(), id.clone());
        self.note(Change::Home(user.into()));
        Ok(id)
    }

    /// Tells the app that this person looks at its home tab.
    pub fn open_home(&mut self, user: &str) {
        let (channel, _) = self.direct_channel(user);
        let event_ts = self.next_ts().replace('.', "");
        let mut event = json!({
            "type": "app_home_opened", "user": user, "channel": channel, "tab": "home", "event_ts": event_ts,
        });
        let home = self.views.homes.get(user);
        if let Some(view) = home.and_then(|id| self.views.all.get(id)) {
            event["view"] = self.view_json(view);
        }
        self.emit(None, event);
    }

    /// The modal on top of this person's stack.
    pub fn top_view(&self, user: &str) -> Option<&View> {
        let id = self.views.stacks.get(user)?.last()?;
        self.views.all.get(id)
    }

    /// Closes one modal, or all of them.
    pub fn close_views(&mut self, user: &str, all: bool) {
        self.note(Change::Views(user.into()));
        let Some(stack) = self.views.stacks.get_mut(user) else {
            return;
        };
        let top = stack.pop().and_then(|id| self.views.all.get(&id));
        if all || top.is_some_and(|view| view.body["clear_on_close"] == true) {
            stack.clear();
        }
    }

    /// The person who may be shown a view for this trigger, which is used up by asking.
    pub fn take_trigger(&mut self, id: &str) -> Result<String, Failure> {
        let now_ms = self.now_ms;
        let parts: Vec<&str> = id.split('.').collect();
        let looks_right =
            parts.len() == 3 && parts[..2].iter().all(|part| part.parse::<u64>().is_ok());
        let Some(trigger) = self.triggers.get_mut(id).filter(|_| looks_right) else {
            return Err(Failure::new("invalid_trigger_id"));
        };
        if trigger.used {
            return Err(Failure::new("exchanged_trigger_id"));
        }
        if now_ms >= trigger.expires_ms {
            return Err(Failure::new("expired_trigger_id"));
        }
        trigger.used = true;
        Ok(trigger.user.clone())
    }

    fn add_view(&mut self, surface: Surface, body: Value, previous: Option<String>) -> String {
        let id = self.next_id("V");
        let below = previous
            .as_ref()
            .and_then(|previous| self.views.all.get(previous));
        let root = below.map_or_else(|| id.clone(), |below| below.root.clone());
        let view = View {
            id: id.clone(),
            surface,
            values: form::initial_values(body["blocks"].as_array().map_or(&[], Vec::as_slice)),
            body,
            hash: self.new_hash(),
            root,
            previous,
        };
        self.views.all.insert(id.clone(), view);
        id
    }

    fn new_hash(&mut self) -> String {
        format!("{}.{:08x}", self.now_s(), self.next_number("hash"))
    }

    /// The view with ids filled in, or Slack's complaint. `same` is the view that it replaces.
    fn judged_view(
        &mut self,
        mut view: Value,
        surface: Surface,
        same: Option<&str>,
    ) -> Result<Value, Failure> {
        if block_kit::is_too_large(&view) {
            return Err(Failure::new("view_too_large"));
        }
        let problems = block_kit::problems_of_view(&view, surface);
        if !problems.is_empty() {
            return Err(Failure::invalid_arguments(
                problems.iter().map(|p| format!("[ERROR] {}", p.words())),
            ));
        }
        let external_id = view["external_id"].as_str().unwrap_or_default();
        let open: Vec<&String> = self
            .views
            .stacks
            .values()
            .flatten()
            .chain(self.views.homes.values())
            .collect();
        let taken = self.views.all.values().any(|other| {
            !external_id.is_empty()
                && other.body["external_id"] == external_id
                && same != Some(other.id.as_str())
                && open.contains(&&other.id)
        });
        if taken {
            return Err(Failure::new("duplicate_external_id"));
        }
        if let Some(blocks) = view["blocks"].as_array_mut() {
            block_kit::complete(blocks, &mut || self.block_serial());
        }
        Ok(view)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::Options;

    fn state() -> State {
        State::new(&Options::default())
    }

    fn modal() -> Value {
        let element = json!({"type": "plain_text_input", "action_id": "a"});
        let text = |text: &str| json!({"type": "plain_text", "text": text});
        let input =
            json!({"type": "input", "block_id": "b", "label": text("Title"), "element": element});
        json!({"type": "modal", "title": text("Declare"), "submit": text("Go"), "blocks": [input]})
    }

    #[test]
    fn a_trigger_opens_one_view_within_three_seconds() {
        let mut state = state();
        let trigger = state.new_trigger("U1");
        state.now_ms += 2_999;
        assert_eq!(state.take_trigger(&trigger).unwrap(), "U1");
        assert_eq!(
            state.take_trigger(&trigger).unwrap_err().error,
            "exchanged_trigger_id"
        );
        let late = state.new_trigger("U1");
        state.now_ms += 3_000;
        assert_eq!(
            state.take_trigger(&late).unwrap_err().error,
            "expired_trigger_id"
        );
        assert_eq!(
            state.take_trigger("12345").unwrap_err().error,
            "invalid_trigger_id"
        );
    }

    #[test]
    fn three_modals_are_the_most_that_stand_on_each_other() {
        let mut state = state();
        assert_eq!(
            state.push_view("U1", modal()).unwrap_err().error,
            "not_found"
        );
        state.open_view("U1", modal()).unwrap();
        state.push_view("U1", modal()).unwrap();
        state.push_view("U1", modal()).unwrap();
        assert_eq!(
            state.push_view("U1", modal()).unwrap_err().error,
            "push_limit_reached"
        );
    }

    #[test]
    fn an_update_keeps_what_was_typed_and_needs_the_newest_hash() {
        let mut state = state();
        let id = state.open_view("U1", modal()).unwrap();
        let old_hash = state.views.all[&id].hash.clone();
        state.views.all.get_mut(&id).unwrap().values["b"]["a"]["value"] = json!("typed");
        state.update_view(&id, modal(), Some(&old_hash)).unwrap();
        assert_eq!(state.views.all[&id].values["b"]["a"]["value"], "typed");
        assert_eq!(
            state
                .update_view(&id, modal(), Some(&old_hash))
                .unwrap_err()
                .error,
            "hash_conflict"
        );
    }
}
