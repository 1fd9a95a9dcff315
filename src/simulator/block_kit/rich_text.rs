//! Judges the inside of a `rich_text` block.

use serde_json::Value;

use super::rules::Walk;

/// What may stand in a section, a quote or a preformatted part, with its required field.
const INLINE: &[(&str, &str)] = &[
    ("text", "text"),
    ("link", "url"),
    ("emoji", "name"),
    ("user", "user_id"),
    ("usergroup", "usergroup_id"),
    ("channel", "channel_id"),
    ("broadcast", "range"),
    ("date", "timestamp"),
    ("color", "value"),
    ("team", "team_id"),
];

pub(super) fn judge(walk: &mut Walk, block: &Value, at: &str) {
    let at = format!("{at}/elements");
    let Some(parts) = block["elements"].as_array() else {
        return walk.say("must provide an array", &at);
    };
    for (place, part) in parts.iter().enumerate() {
        judge_part(walk, part, &format!("{at}/{place}"));
    }
}

fn judge_part(walk: &mut Walk, part: &Value, at: &str) {
    let kind = part["type"].as_str().unwrap_or_default();
    let Some(inside) = part["elements"].as_array() else {
        return walk.say("missing required field: elements", at);
    };
    match kind {
        "rich_text_section" | "rich_text_quote" | "rich_text_preformatted" => {
            for (place, inline) in inside.iter().enumerate() {
                judge_inline(walk, inline, &format!("{at}/elements/{place}"));
            }
        }
        "rich_text_list" => judge_list(walk, part, inside, at),
        _ => walk.say(&format!("unsupported type: {kind}"), &format!("{at}/type")),
    }
}

fn judge_list(walk: &mut Walk, list: &Value, items: &[Value], at: &str) {
    if !matches!(list["style"].as_str(), Some("bullet" | "ordered")) {
        walk.say("must be a valid enum value", &format!("{at}/style"));
    }
    for (name, most) in [("indent", 8), ("border", 1)] {
        if list[name]
            .as_i64()
            .is_some_and(|depth| !(0..=most).contains(&depth))
        {
            walk.say(
                &format!("must be less than {}", most + 1),
                &format!("{at}/{name}"),
            );
        }
    }
    for (place, item) in items.iter().enumerate() {
        match item["type"] == "rich_text_section" {
            true => judge_part(walk, item, &format!("{at}/elements/{place}")),
            false => walk.say("unsupported type", &format!("{at}/elements/{place}/type")),
        }
    }
}

fn judge_inline(walk: &mut Walk, inline: &Value, at: &str) {
    let kind = inline["type"].as_str().unwrap_or_default();
    match INLINE.iter().find(|(known, _)| *known == kind) {
        None => walk.say(&format!("unsupported type: {kind}"), &format!("{at}/type")),
        Some((_, field)) if inline[*field].is_null() => {
            walk.say(&format!("missing required field: {field}"), at);
        }
        Some(("text", _)) if inline["text"] == "" => {
            walk.say("must be more than 0 characters", &format!("{at}/text"));
        }
        Some(_) => {}
    }
}
