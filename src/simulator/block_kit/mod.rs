//! Judges Block Kit as Slack's server does: its limits, its placement rules, its words (contract section 8).

mod rich_text;
mod rules;
mod shapes;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use rules::{Rule, Shape, Walk};

/// Where the blocks will be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Surface {
    Message,
    Modal,
    Home,
}

/// One complaint: Slack's words and the place as a JSON pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub message: String,
    pub pointer: String,
}

impl Problem {
    /// `must be less than 151 characters [json-pointer:/blocks/0/text/text]`
    pub fn words(&self) -> String {
        format!("{} [json-pointer:{}]", self.message, self.pointer)
    }
}

/// The most blocks that a message takes; modals and home tabs take [`VIEW_BLOCKS`].
const MESSAGE_BLOCKS: usize = 50;
const VIEW_BLOCKS: usize = 100;
/// Over all markdown blocks of a message together.
const MARKDOWN_CHARACTERS: usize = 12_000;
const VIEW_BYTES: usize = 250_000;

/// Every problem of a list of blocks; none means that Slack takes it.
pub(crate) fn problems_of_blocks(blocks: &[Value], surface: Surface, at: &str) -> Vec<Problem> {
    let mut judge = Judge {
        walk: Walk::default(),
        surface,
        markdown: 0,
        tables: 0,
        focused: 0,
    };
    judge.blocks(blocks, at);
    judge.walk.problems
}

/// Every problem of a view of this surface, as `views.open` or `views.publish` sees it.
pub(crate) fn problems_of_view(view: &Value, surface: Surface) -> Vec<Problem> {
    let mut judge = Judge {
        walk: Walk::default(),
        surface,
        markdown: 0,
        tables: 0,
        focused: 0,
    };
    let shape = if surface == Surface::Home {
        &shapes::HOME
    } else {
        &shapes::MODAL
    };
    let wanted = if surface == Surface::Home {
        "home"
    } else {
        "modal"
    };
    judge.walk.object(view, shape, "/view");
    if view["type"] != wanted {
        judge.walk.say("must be a valid enum value", "/view/type");
    }
    let blocks = view["blocks"].as_array().map_or(&[][..], Vec::as_slice);
    judge.blocks(blocks, "/view/blocks");
    if surface == Surface::Modal && view["submit"].is_null() {
        for (place, _) in blocks
            .iter()
            .enumerate()
            .filter(|(_, block)| block["type"] == "input")
        {
            let words = "firebell must define `submit` to use an `input` block in modals";
            judge
                .walk
                .say(words, &format!("/view/blocks/{place}/input"));
        }
    }
    let mut problems = judge.walk.problems;
    if !problems.is_empty() {
        let message = "failed to match all allowed schemas".into();
        problems.insert(
            0,
            Problem {
                message,
                pointer: "/view".into(),
            },
        );
    }
    problems
}

/// Every problem of what a person wrote into a rich text input.
pub(crate) fn problems_of_rich_text(value: &Value) -> Vec<Problem> {
    let mut walk = Walk::default();
    walk.rule(value, &Rule::RichText, "");
    walk.problems
}

/// `view_too_large`: more than 250 kB of JSON.
pub(crate) fn is_too_large(view: &Value) -> bool {
    view.to_string().len() > VIEW_BYTES
}

/// Fills in what the server adds: `block_id`, `action_id`, `emoji`, `verbatim`. `next` makes the ids.
pub(crate) fn complete(blocks: &mut [Value], next: &mut dyn FnMut() -> String) {
    for block in blocks {
        if block["block_id"].as_str().is_none_or(str::is_empty) {
            block["block_id"] = json!(next());
        }
        complete_inside(block, next);
    }
}

fn complete_inside(value: &mut Value, next: &mut dyn FnMut() -> String) {
    match value {
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| complete_inside(item, next)),
        Value::Object(fields) => {
            let kind = fields
                .get("type")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let is_text = fields.get("text").is_some_and(Value::is_string);
            match kind {
                "plain_text" => _ = fields.entry("emoji").or_insert(json!(true)),
                "mrkdwn" if is_text => _ = fields.entry("verbatim").or_insert(json!(false)),
                kind if shapes::is_interactive(kind) => {
                    fields.entry("action_id").or_insert_with(|| json!(next()));
                }
                _ => {}
            }
            fields
                .values_mut()
                .for_each(|inside| complete_inside(inside, next));
        }
        _ => {}
    }
}

struct Judge {
    walk: Walk,
    surface: Surface,
    markdown: usize,
    tables: usize,
    focused: usize,
}

impl Judge {
    fn blocks(&mut self, blocks: &[Value], at: &str) {
        let most = if self.surface == Surface::Message {
            MESSAGE_BLOCKS
        } else {
            VIEW_BLOCKS
        };
        if blocks.len() > most {
            self.walk
                .say(&format!("no more than {most} items allowed"), at);
        }
        let mut block_ids = BTreeSet::new();
        let mut action_ids = BTreeSet::new();
        for (place, block) in blocks.iter().enumerate() {
            let at = format!("{at}/{place}");
            self.block(block, &at);
            unique(&mut self.walk, block, "block_id", &at, &mut block_ids);
            for (element, at) in elements(block, &at) {
                self.element_in_place(block, element, &at);
                unique(&mut self.walk, element, "action_id", &at, &mut action_ids);
            }
        }
        if self.markdown > MARKDOWN_CHARACTERS {
            self.walk.say(
                &format!("must be less than {} characters", MARKDOWN_CHARACTERS + 1),
                at,
            );
        }
        if self.tables > 1 {
            self.walk.say("only_one_table_allowed", at);
        }
        if self.focused > 1 {
            self.walk
                .say("`focus_on_load` may be set on at most one element", at);
        }
    }

    fn block(&mut self, block: &Value, at: &str) {
        let Some(fields) = block.as_object() else {
            return self.walk.say("must provide an object", at);
        };
        let Some(kind) = fields.get("type").and_then(Value::as_str) else {
            return self.walk.say("missing required field: type", at);
        };
        let Some(shape) = shapes::block(kind).filter(|_| self.is_allowed_here(kind)) else {
            return self
                .walk
                .say(&format!("unsupported type: {kind}"), &format!("{at}/type"));
        };
        self.walk.object(block, shape, at);
        match kind {
            "section" if block["text"].is_null() && block["fields"].is_null() => {
                self.walk.say("missing required field: text", at);
            }
            "input"
                if block["element"]["type"] == "file_input" && block["dispatch_action"] == true =>
            {
                self.walk.say(
                    "unsupported type: file_input",
                    &format!("{at}/element/type"),
                );
            }
            "markdown" => {
                self.markdown += block["text"]
                    .as_str()
                    .map_or(0, |text| text.chars().count())
            }
            "table" => {
                self.tables += 1;
                // `null` skips a column.
                let columns = block["column_settings"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .enumerate();
                for (place, column) in columns.filter(|(_, column)| !column.is_null()) {
                    self.walk.object(
                        column,
                        &shapes::COLUMN,
                        &format!("{at}/column_settings/{place}"),
                    );
                }
            }
            "rich_text" => rich_text::judge(&mut self.walk, block, at),
            _ => {}
        }
    }

    fn is_allowed_here(&self, block_kind: &str) -> bool {
        match block_kind {
            "markdown" | "table" | "call" | "context_actions" => self.surface == Surface::Message,
            // Slack only shows remote files; an app cannot send the block.
            "file" => false,
            _ => true,
        }
    }

    /// Rules that depend on where the element stands.
    fn element_in_place(&mut self, block: &Value, element: &Value, at: &str) {
        let kind = element["type"].as_str().unwrap_or_default();
        let in_input = block["type"] == "input";
        if self.surface != Surface::Modal && kind == "file_input"
            || self.surface == Surface::Message && in_input && kind == "rich_text_input"
        {
            self.walk
                .say(&format!("unsupported type: {kind}"), &format!("{at}/type"));
        }
        if element["response_url_enabled"] == true && !(in_input && self.surface == Surface::Modal)
        {
            self.walk
                .say("invalid additional property: response_url_enabled", at);
        }
        if element["focus_on_load"] == true {
            self.focused += 1;
        }
    }
}

/// The elements of a block, each with its pointer.
pub(crate) fn elements<'a>(block: &'a Value, at: &str) -> Vec<(&'a Value, String)> {
    let mut found = Vec::new();
    match block["type"].as_str().unwrap_or_default() {
        "section" if block["accessory"].is_object() => {
            found.push((&block["accessory"], format!("{at}/accessory")));
        }
        "input" if block["element"].is_object() => {
            found.push((&block["element"], format!("{at}/element")))
        }
        "actions" | "context_actions" => {
            let elements = block["elements"].as_array().map_or(&[][..], Vec::as_slice);
            found.extend(
                elements
                    .iter()
                    .enumerate()
                    .map(|(i, e)| (e, format!("{at}/elements/{i}"))),
            );
        }
        _ => {}
    }
    found
}

fn unique(walk: &mut Walk, holder: &Value, name: &str, at: &str, seen: &mut BTreeSet<String>) {
    let Some(id) = holder[name].as_str().filter(|id| !id.is_empty()) else {
        return;
    };
    if !seen.insert(id.into()) {
        walk.say(
            &format!("`{name}` \"{id}\" already exists"),
            &format!("{at}/{name}"),
        );
    }
}

/// A shape that has no fields of its own beside `type`.
const fn shape(fields: &'static [(&'static str, bool, Rule)]) -> Shape {
    Shape {
        fields,
        exactly_one: &[],
    }
}

#[cfg(test)]
mod tests;
