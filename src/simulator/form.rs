//! What people can fill in: the values of stateful elements, and how a person's words become one (contract section 3.1).

use anyhow::{Context, bail};
use serde_json::{Map, Value, json};

use super::block_kit;
use super::model::State;

/// Where an element keeps its value: field in `state.values`, field of its preset, whether it holds several.
fn field(kind: &str) -> Option<(&'static str, &'static str, bool)> {
    Some(match kind {
        "plain_text_input" | "email_text_input" | "url_text_input" | "number_input" => {
            ("value", "initial_value", false)
        }
        "rich_text_input" => ("rich_text_value", "initial_value", false),
        "static_select" | "external_select" | "radio_buttons" => {
            ("selected_option", "initial_option", false)
        }
        "multi_static_select" | "multi_external_select" | "checkboxes" => {
            ("selected_options", "initial_options", true)
        }
        "users_select" => ("selected_user", "initial_user", false),
        "multi_users_select" => ("selected_users", "initial_users", true),
        "conversations_select" => ("selected_conversation", "initial_conversation", false),
        "multi_conversations_select" => ("selected_conversations", "initial_conversations", true),
        "channels_select" => ("selected_channel", "initial_channel", false),
        "multi_channels_select" => ("selected_channels", "initial_channels", true),
        "datepicker" => ("selected_date", "initial_date", false),
        "timepicker" => ("selected_time", "initial_time", false),
        "datetimepicker" => ("selected_date_time", "initial_date_time", false),
        "file_input" => ("files", "", true),
        _ => return None,
    })
}

/// `state.values` before anybody touched anything.
pub(crate) fn initial_values(blocks: &[Value]) -> Map<String, Value> {
    let mut values = Map::new();
    for block in blocks {
        for (element, _) in block_kit::elements(block, "") {
            let Some((name, initial, several)) = field(kind_of(element)) else {
                continue;
            };
            let empty = if several { json!([]) } else { Value::Null };
            let value = element.get(initial).cloned().unwrap_or(empty);
            put(
                &mut values,
                block,
                element,
                json!({"type": element["type"], name: value}),
            );
        }
    }
    values
}

/// Sets one element's value in `state.values`.
pub(crate) fn put(values: &mut Map<String, Value>, block: &Value, element: &Value, value: Value) {
    let block_id = block["block_id"].as_str().unwrap_or_default();
    let action_id = element["action_id"].as_str().unwrap_or_default();
    values.entry(block_id).or_insert_with(|| json!({}))[action_id] = value;
}

/// The value that an element has after a person chose or typed `words` in it.
pub(crate) fn chosen(
    state: &State,
    element: &Value,
    words: &[&str],
    offered: &[Value],
) -> anyhow::Result<Value> {
    let kind = kind_of(element);
    let (name, _, several) =
        field(kind).with_context(|| format!("nothing can be chosen in a {kind}"))?;
    let words: Vec<&str> = words
        .iter()
        .copied()
        .filter(|word| !word.is_empty())
        .collect();
    if kind == "file_input" {
        let most = element["max_files"].as_u64().unwrap_or(10);
        anyhow::ensure!(
            words.len() as u64 <= most,
            "Slack's client takes at most {most} files here"
        );
    }
    let mut values = Vec::new();
    for word in &words {
        values.push(one_value(state, element, word, offered)?);
    }
    let value = match (several, values.len()) {
        (true, _) => Value::Array(values),
        (false, 0) => Value::Null,
        (false, 1) => values.remove(0),
        (false, count) => bail!("a {kind} takes one value, not {count}"),
    };
    Ok(json!({"type": kind, name: value}))
}

fn one_value(
    state: &State,
    element: &Value,
    word: &str,
    offered: &[Value],
) -> anyhow::Result<Value> {
    let kind = kind_of(element);
    Ok(match kind {
        "users_select" | "multi_users_select" => {
            let user = state
                .user_named(word.trim_start_matches('@'))
                .or_else(|| state.users.get(word));
            json!(
                user.with_context(|| format!("there is no person {word}"))?
                    .id
            )
        }
        "channels_select"
        | "multi_channels_select"
        | "conversations_select"
        | "multi_conversations_select" => {
            let channel = state
                .channel_named(word.trim_start_matches('#'))
                .or_else(|| state.channels.get(word));
            json!(
                channel
                    .with_context(|| format!("there is no channel {word}"))?
                    .id
            )
        }
        "file_input" => {
            let file = state.files.get(word).filter(|file| file.completed);
            let file = file.with_context(|| format!("there is no file {word}"))?;
            let takes = element["filetypes"].as_array();
            let end = file
                .filename
                .rsplit_once('.')
                .map_or("", |(_, end)| end)
                .to_lowercase();
            if takes.is_some_and(|takes| !takes.iter().any(|kind| *kind == end)) {
                bail!("Slack's client does not take {} here", file.filename);
            }
            state.file_json(file)
        }
        "datetimepicker" => json!(
            word.parse::<i64>()
                .with_context(|| format!("{word} is not a unix time"))?
        ),
        "rich_text_input" => rich_text(word)?,
        "plain_text_input" => {
            let length = word.chars().count() as i64;
            let most = element["max_length"].as_i64().unwrap_or(3000);
            if length > most || length < element["min_length"].as_i64().unwrap_or(0) {
                bail!("Slack's client does not take {length} characters here (at most {most})");
            }
            json!(word)
        }
        "static_select"
        | "multi_static_select"
        | "radio_buttons"
        | "checkboxes"
        | "external_select"
        | "multi_external_select" => {
            let known = if offered.is_empty() {
                options(element)
            } else {
                offered.iter().collect()
            };
            let valued = known.iter().find(|option| option["value"] == word);
            let labelled = || known.iter().find(|option| option["text"]["text"] == word);
            let found = valued.or_else(labelled).with_context(|| {
                let labels: Vec<&str> = known
                    .iter()
                    .filter_map(|o| o["text"]["text"].as_str())
                    .collect();
                format!("there is no option {word:?}; there are {labels:?}")
            })?;
            (*found).clone()
        }
        _ => json!(word),
    })
}

/// A rich text as the page hands it over, or plain words as Slack's client would take them.
fn rich_text(word: &str) -> anyhow::Result<Value> {
    let Some(value) = serde_json::from_str::<Value>(word)
        .ok()
        .filter(|value| value["type"] == "rich_text")
    else {
        let elements = &super::model::typed_blocks(word, "rt")[0]["elements"];
        return Ok(json!({"type": "rich_text", "elements": elements}));
    };
    match block_kit::problems_of_rich_text(&value).first() {
        Some(problem) => bail!("that is no rich text: {}", problem.words()),
        None => Ok(value),
    }
}

/// The options of a select, a menu or checkboxes, grouped or not.
pub(crate) fn options(element: &Value) -> Vec<&Value> {
    let groups = element["option_groups"].as_array().into_iter().flatten();
    let grouped = groups
        .filter_map(|group| group["options"].as_array())
        .flatten();
    element["options"]
        .as_array()
        .into_iter()
        .flatten()
        .chain(grouped)
        .collect()
}

/// Whether a required input was left empty; Slack's client then sends nothing.
pub(crate) fn is_missing(values: &Map<String, Value>, block: &Value) -> bool {
    let element = &block["element"];
    let Some((name, ..)) = field(kind_of(element)) else {
        return false;
    };
    let value = values
        .get(block["block_id"].as_str().unwrap_or_default())
        .map(|typed| &typed[element["action_id"].as_str().unwrap_or_default()][name]);
    let is_empty = match value {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(_) => false,
    };
    block["type"] == "input" && block["optional"] != true && is_empty
}

/// The element of exactly these ids.
pub(crate) fn find_element<'a>(
    blocks: &'a [Value],
    block_id: &str,
    action_id: &str,
) -> Option<(&'a Value, &'a Value)> {
    let block = blocks.iter().find(|block| block["block_id"] == block_id)?;
    let elements = block_kit::elements(block, "").into_iter();
    let mut named = elements.filter(|(element, _)| element["action_id"] == action_id);
    named.next().map(|(element, _)| (block, element))
}

/// Whether the element keeps what a person put into it.
pub(crate) fn keeps_a_value(element: &Value) -> bool {
    field(kind_of(element)).is_some()
}

/// An input found by its block_id, its action_id or its visible label.
pub(crate) fn find_input<'a>(blocks: &'a [Value], key: &str) -> Option<(&'a Value, &'a Value)> {
    blocks.iter().find_map(|block| {
        let named = block["block_id"] == key || block["label"]["text"] == key;
        block_kit::elements(block, "")
            .into_iter()
            .map(|(element, _)| element)
            .find(|element| {
                field(kind_of(element)).is_some() && (named || element["action_id"] == key)
            })
            .map(|element| (block, element))
    })
}

/// A button by label or action_id, or an overflow menu's option by label or value: block, element, option.
pub(crate) fn find_button<'a>(
    blocks: &'a [Value],
    key: &str,
) -> Option<(&'a Value, &'a Value, Option<&'a Value>)> {
    for block in blocks {
        for (element, _) in block_kit::elements(block, "") {
            match kind_of(element) {
                "button" | "icon_button"
                    if element["text"]["text"] == key || element["action_id"] == key =>
                {
                    return Some((block, element, None));
                }
                "overflow" | "radio_buttons" | "checkboxes" => {
                    let options = element["options"].as_array().into_iter().flatten();
                    let mut fitting =
                        options.filter(|o| o["text"]["text"] == key || o["value"] == key);
                    if let Some(option) = fitting.next() {
                        return Some((block, element, Some(option)));
                    }
                }
                _ => {}
            }
        }
    }
    None
}

/// Every label that could be clicked, to say so when the wanted one is not there.
pub(crate) fn labels(blocks: &[Value]) -> Vec<String> {
    let elements = blocks
        .iter()
        .flat_map(|block| block_kit::elements(block, ""));
    let mut labels = Vec::new();
    for (element, _) in elements {
        labels.extend(element["text"]["text"].as_str().map(str::to_owned));
        labels.extend(
            options(element)
                .iter()
                .filter_map(|o| o["text"]["text"].as_str())
                .map(str::to_owned),
        );
    }
    labels
}

pub(crate) fn kind_of(element: &Value) -> &str {
    element["type"].as_str().unwrap_or_default()
}
