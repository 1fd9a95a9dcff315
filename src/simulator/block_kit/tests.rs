//! The block validator at its limits, in Slack's own words.

use serde_json::{Value, json};

use super::*;

fn plain(text: &str) -> Value {
    json!({"type": "plain_text", "text": text})
}

fn section(characters: usize) -> Value {
    json!({"type": "section", "text": {"type": "mrkdwn", "text": "ü".repeat(characters)}})
}

fn button(action_id: &str) -> Value {
    json!({"type": "button", "action_id": action_id, "text": plain("Ack")})
}

fn in_message(blocks: Value) -> Vec<String> {
    problems_of_blocks(blocks.as_array().unwrap(), Surface::Message, "/blocks")
        .iter()
        .map(Problem::words)
        .collect()
}

fn in_modal(view: Value) -> Vec<String> {
    problems_of_view(&view, Surface::Modal)
        .iter()
        .map(Problem::words)
        .collect()
}

const NONE: [&str; 0] = [];

#[test]
fn lengths_are_counted_in_code_points_and_complained_of_twice() {
    assert_eq!(in_message(json!([section(3000)])), NONE);
    assert_eq!(
        in_message(json!([section(3001)])),
        [
            "failed to match all allowed schemas [json-pointer:/blocks/0/text]",
            "must be less than 3001 characters [json-pointer:/blocks/0/text/text]",
        ]
    );
    assert_eq!(
        in_message(json!([section(0)]))[1],
        "must be more than 0 characters [json-pointer:/blocks/0/text/text]"
    );
}

#[test]
fn a_message_takes_fifty_blocks_and_a_modal_a_hundred() {
    let blocks = |count| Value::Array(vec![json!({"type": "divider"}); count]);
    assert_eq!(in_message(blocks(50)), NONE);
    assert_eq!(
        in_message(blocks(51)),
        ["no more than 50 items allowed [json-pointer:/blocks]"]
    );
    let modal = |count| json!({"type": "modal", "title": plain("t"), "blocks": blocks(count)});
    assert_eq!(in_modal(modal(100)), NONE);
    assert_eq!(
        in_modal(modal(101))[1],
        "no more than 100 items allowed [json-pointer:/view/blocks]"
    );
}

#[test]
fn unknown_keys_and_unknown_types_are_rejected() {
    assert_eq!(
        in_message(json!([{"type": "divider", "colour": "red"}])),
        ["invalid additional property: colour [json-pointer:/blocks/0]"]
    );
    assert_eq!(
        in_message(json!([{"type": "hero"}])),
        ["unsupported type: hero [json-pointer:/blocks/0/type]"]
    );
    assert_eq!(
        in_message(json!([{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}]))[1],
        "unsupported type: mrkdwn [json-pointer:/blocks/0/text/type]"
    );
}

#[test]
fn ids_are_unique_in_the_whole_message() {
    let actions = |id: &str, action: &str| json!({"type": "actions", "block_id": id, "elements": [button(action)]});
    assert_eq!(
        in_message(json!([actions("a", "x"), actions("b", "y")])),
        NONE
    );
    assert_eq!(
        in_message(json!([actions("a", "x"), actions("a", "x")])),
        [
            "`block_id` \"a\" already exists [json-pointer:/blocks/1/block_id]",
            "`action_id` \"x\" already exists [json-pointer:/blocks/1/elements/0/action_id]",
        ]
    );
}

#[test]
fn elements_stand_only_where_slack_shows_them() {
    let input = |element: Value| json!({"type": "input", "label": plain("l"), "element": element});
    assert_eq!(
        in_message(json!([input(button("b"))])),
        ["unsupported type: button [json-pointer:/blocks/0/element/type]"]
    );
    let text_input = json!({"type": "plain_text_input", "action_id": "t"});
    assert_eq!(
        in_message(json!([{"type": "actions", "elements": [text_input]}])),
        ["unsupported type: plain_text_input [json-pointer:/blocks/0/elements/0/type]"]
    );
    assert_eq!(
        in_message(json!([input(
            json!({"type": "rich_text_input", "action_id": "r"})
        )])),
        ["unsupported type: rich_text_input [json-pointer:/blocks/0/element/type]"]
    );
}

#[test]
fn a_rich_text_input_begins_with_rich_text() {
    let modal = |initial: Value| {
        let element =
            json!({"type": "rich_text_input", "action_id": "r", "initial_value": initial});
        let input = json!({"type": "input", "label": plain("l"), "element": element});
        in_modal(
            json!({"type": "modal", "title": plain("t"), "submit": plain("s"), "blocks": [input]}),
        )
    };
    let text = |text: &str| json!({"type": "text", "text": text, "style": {"bold": true}});
    let section = |text: Value| json!({"type": "rich_text_section", "elements": [text]});
    let whole = |part: Value| json!({"type": "rich_text", "elements": [part]});
    assert!(modal(whole(section(text("so far")))).is_empty());
    let at = "/view/blocks/0/element/initial_value";
    for (initial, complaint) in [
        (
            json!("so far"),
            format!("must provide an object [json-pointer:{at}]"),
        ),
        (
            plain("so far"),
            format!("unsupported type: plain_text [json-pointer:{at}/type]"),
        ),
        (
            whole(section(text(""))),
            format!(
                "must be more than 0 characters [json-pointer:{at}/elements/0/elements/0/text]"
            ),
        ),
    ] {
        assert_eq!(modal(initial)[1], complaint);
    }
}

#[test]
fn a_modal_with_an_input_needs_a_submit_button() {
    let input =
        json!({"type": "input", "label": plain("l"), "element": {"type": "plain_text_input"}});
    let words = in_modal(json!({"type": "modal", "title": plain("t"), "blocks": [input]}));
    assert_eq!(
        words[1],
        "firebell must define `submit` to use an `input` block in modals [json-pointer:/view/blocks/0/input]"
    );
    assert_eq!(
        in_modal(
            json!({"type": "modal", "title": plain("t"), "submit": plain("s"), "blocks": [input]})
        ),
        NONE
    );
}

#[test]
fn views_complain_of_themselves_first() {
    assert_eq!(
        in_modal(json!({"type": "modal", "title": plain(&"t".repeat(25)), "blocks": []})),
        [
            "failed to match all allowed schemas [json-pointer:/view]",
            "failed to match all allowed schemas [json-pointer:/view/title]",
            "must be less than 25 characters [json-pointer:/view/title/text]",
        ]
    );
    let home = json!({"type": "home", "title": plain("t"), "blocks": []});
    let words = problems_of_view(&home, Surface::Home);
    assert_eq!(
        words[1].words(),
        "invalid additional property: title [json-pointer:/view]"
    );
}

#[test]
fn a_select_has_options_or_groups_and_its_initial_option_is_one_of_them() {
    let option = |value: &str| json!({"text": plain(value), "value": value});
    let select = |more: Value| {
        let mut element = json!({"type": "static_select", "action_id": "s", "options": [option("a"), option("b")]});
        element
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!([{"type": "actions", "elements": [element]}])
    };
    assert_eq!(
        in_message(select(json!({"initial_option": option("b")}))),
        NONE
    );
    assert_eq!(
        in_message(select(json!({"initial_option": option("c")}))).len(),
        1
    );
    assert_eq!(
        in_message(select(json!({"initial_option": null}))),
        ["must provide an object [json-pointer:/blocks/0/elements/0/initial_option]"]
    );
    let groups = json!({"option_groups": [{"label": plain("g"), "options": [option("z")]}]});
    assert_eq!(
        in_message(select(groups)),
        ["failed to match exactly one allowed schema [json-pointer:/blocks/0/elements/0]"]
    );
}

#[test]
fn markdown_is_counted_over_all_blocks() {
    let markdown = |characters| json!({"type": "markdown", "text": "x".repeat(characters)});
    assert_eq!(in_message(json!([markdown(6_000), markdown(6_000)])), NONE);
    assert_eq!(
        in_message(json!([markdown(6_000), markdown(6_001)])),
        ["must be less than 12001 characters [json-pointer:/blocks]"]
    );
}

#[test]
fn the_server_fills_in_ids_and_defaults() {
    let mut blocks =
        vec![json!({"type": "actions", "elements": [{"type": "button", "text": plain("x")}]})];
    let mut made = 0;
    complete(&mut blocks, &mut || {
        made += 1;
        format!("id{made}")
    });
    assert_eq!(blocks[0]["block_id"], "id1");
    assert_eq!(blocks[0]["elements"][0]["action_id"], "id2");
    assert_eq!(blocks[0]["elements"][0]["text"]["emoji"], true);
}
