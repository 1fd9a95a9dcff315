//! The tables of Block Kit: every block, element and composition object with its limits (contract sections 8.2 to 8.5).

use super::rules::Rule::{
    self, Any, Bool, Each, Element, Format, Integer, Is, NumberString, OneOf, Plain, RichText, Str,
    Text,
};
use super::rules::Shape;
use super::shape;

type Field = (&'static str, bool, Rule);

const TYPE: Field = ("type", true, Any);
const BLOCK_ID: Field = ("block_id", false, Str(0, 255));
const ACTION_ID: Field = ("action_id", false, Str(1, 255));
const CONFIRM_FIELD: Field = ("confirm", false, Is(&CONFIRM));
const PLACEHOLDER: Field = ("placeholder", false, Plain(150));
const FOCUS: Field = ("focus_on_load", false, Bool);
const OPTIONS: Field = ("options", false, Each(&Is(&OPTION), 1, 100));
const OPTION_GROUPS: Field = ("option_groups", false, Each(&Is(&OPTION_GROUP), 1, 100));
const INITIAL_OPTION: Field = ("initial_option", false, Is(&OPTION));
const INITIAL_OPTIONS: Field = ("initial_options", false, Each(&Is(&OPTION), 1, 100));
const MAX_ITEMS: Field = ("max_selected_items", false, Integer(1, i64::MAX));
const RESPONSE_URL: Field = ("response_url_enabled", false, Bool);
const DEFAULT_TO_CURRENT: Field = ("default_to_current_conversation", false, Bool);
const FILTER_FIELD: Field = ("filter", false, Is(&FILTER));
const DISPATCH: Field = ("dispatch_action_config", false, Is(&DISPATCH_CONFIG));
const ID: Rule = Str(1, 255);

pub(super) static PLAIN_TEXT: Shape = shape(&[
    TYPE,
    ("text", true, Str(0, usize::MAX)),
    ("emoji", false, Bool),
]);
pub(super) static MRKDWN: Shape = shape(&[
    TYPE,
    ("text", true, Str(0, usize::MAX)),
    ("verbatim", false, Bool),
]);

static OPTION: Shape = shape(&[
    ("text", true, Plain(75)),
    ("value", true, Str(1, 150)),
    ("description", false, Plain(75)),
]);
static OPTION_WITH_URL: Shape = shape(&[
    ("text", true, Plain(75)),
    ("value", true, Str(1, 150)),
    ("description", false, Plain(75)),
    ("url", false, Format("uri", is_url)),
]);
static OPTION_WITH_MRKDWN: Shape = shape(&[
    ("text", true, Text(75)),
    ("value", true, Str(1, 150)),
    ("description", false, Text(75)),
]);
static OPTION_GROUP: Shape = shape(&[
    ("label", true, Plain(75)),
    ("options", true, Each(&Is(&OPTION), 1, 100)),
]);
static CONFIRM: Shape = shape(&[
    ("title", true, Plain(100)),
    ("text", true, Text(300)),
    ("confirm", true, Plain(30)),
    ("deny", true, Plain(30)),
    ("style", false, OneOf(&["primary", "danger"])),
]);
static FILTER: Shape = shape(&[
    (
        "include",
        false,
        Each(&OneOf(&["im", "mpim", "private", "public"]), 1, 4),
    ),
    ("exclude_external_shared_channels", false, Bool),
    ("exclude_bot_users", false, Bool),
]);
static DISPATCH_CONFIG: Shape = shape(&[(
    "trigger_actions_on",
    true,
    Each(&OneOf(&["on_enter_pressed", "on_character_entered"]), 1, 2),
)]);
static SLACK_FILE: Shape = Shape {
    fields: &[("id", false, ID), ("url", false, Format("uri", is_url))],
    exactly_one: &["id", "url"],
};
static FEEDBACK_BUTTON: Shape = shape(&[
    ("text", true, Plain(75)),
    ("value", true, Str(1, 2000)),
    ("accessibility_label", false, Str(1, 75)),
]);
/// What a column of a table may set.
pub(super) static COLUMN: Shape = shape(&[
    ("align", false, OneOf(&["left", "center", "right"])),
    ("is_wrapped", false, Bool),
]);

/// A modal, as an app sends it.
pub(super) static MODAL: Shape = shape(&[
    TYPE,
    ("title", true, Plain(24)),
    ("blocks", true, Each(&Any, 0, usize::MAX)),
    ("submit", false, Plain(24)),
    ("close", false, Plain(24)),
    ("private_metadata", false, Str(0, 3000)),
    ("callback_id", false, Str(0, 255)),
    ("external_id", false, Str(0, 255)),
    ("clear_on_close", false, Bool),
    ("notify_on_close", false, Bool),
]);
/// A home tab, as an app sends it.
pub(super) static HOME: Shape = shape(&[
    TYPE,
    ("blocks", true, Each(&Any, 0, usize::MAX)),
    ("private_metadata", false, Str(0, 3000)),
    ("callback_id", false, Str(0, 255)),
    ("external_id", false, Str(0, 255)),
]);

const ACCESSORIES: &[&str] = &[
    "button",
    "checkboxes",
    "datepicker",
    "image",
    "multi_static_select",
    "multi_external_select",
    "multi_users_select",
    "multi_conversations_select",
    "multi_channels_select",
    "overflow",
    "radio_buttons",
    "static_select",
    "external_select",
    "users_select",
    "conversations_select",
    "channels_select",
    "timepicker",
];
const ACTIONS: &[&str] = &[
    "button",
    "checkboxes",
    "datepicker",
    "datetimepicker",
    "multi_static_select",
    "multi_external_select",
    "multi_users_select",
    "multi_conversations_select",
    "multi_channels_select",
    "static_select",
    "external_select",
    "users_select",
    "conversations_select",
    "channels_select",
    "overflow",
    "radio_buttons",
    "timepicker",
    "rich_text_input",
];
const INPUTS: &[&str] = &[
    "checkboxes",
    "datepicker",
    "datetimepicker",
    "email_text_input",
    "file_input",
    "multi_static_select",
    "multi_external_select",
    "multi_users_select",
    "multi_conversations_select",
    "multi_channels_select",
    "static_select",
    "external_select",
    "users_select",
    "conversations_select",
    "channels_select",
    "number_input",
    "plain_text_input",
    "radio_buttons",
    "rich_text_input",
    "timepicker",
    "url_text_input",
];

/// The shape of a block. The newest ones (`card`, `carousel`, `alert`, …) are missing on purpose:
/// workspaces may still reject them, so a bot must not depend on them.
pub(super) fn block(kind: &str) -> Option<&'static Shape> {
    Some(match kind {
        "section" => &SECTION,
        "header" => &HEADER,
        "divider" => &DIVIDER,
        "context" => &CONTEXT,
        "actions" => &ACTIONS_BLOCK,
        "context_actions" => &CONTEXT_ACTIONS,
        "input" => &INPUT,
        "image" => &IMAGE_BLOCK,
        "markdown" => &MARKDOWN,
        "rich_text" => &RICH_TEXT,
        "table" => &TABLE,
        "video" => &VIDEO,
        "call" => &CALL,
        "file" => &DIVIDER,
        _ => return None,
    })
}

static SECTION: Shape = shape(&[
    TYPE,
    BLOCK_ID,
    ("text", false, Text(3000)),
    ("fields", false, Each(&Text(2000), 1, 10)),
    ("accessory", false, Element(ACCESSORIES)),
    ("expand", false, Bool),
]);
static HEADER: Shape = shape(&[TYPE, BLOCK_ID, ("text", true, Plain(150))]);
static DIVIDER: Shape = shape(&[TYPE, BLOCK_ID]);
static CONTEXT: Shape = shape(&[
    TYPE,
    BLOCK_ID,
    (
        "elements",
        true,
        Each(&Element(&["image", "plain_text", "mrkdwn"]), 1, 10),
    ),
]);
static ACTIONS_BLOCK: Shape = shape(&[
    TYPE,
    BLOCK_ID,
    ("elements", true, Each(&Element(ACTIONS), 1, 25)),
]);
static CONTEXT_ACTIONS: Shape = shape(&[
    TYPE,
    BLOCK_ID,
    (
        "elements",
        true,
        Each(&Element(&["feedback_buttons", "icon_button"]), 1, 5),
    ),
]);
static INPUT: Shape = shape(&[
    TYPE,
    BLOCK_ID,
    ("label", true, Plain(2000)),
    ("element", true, Element(INPUTS)),
    ("hint", false, Plain(2000)),
    ("optional", false, Bool),
    ("dispatch_action", false, Bool),
]);
static IMAGE_BLOCK: Shape = Shape {
    fields: &[
        TYPE,
        BLOCK_ID,
        ("alt_text", true, Str(1, 2000)),
        ("image_url", false, Format("uri", is_url)),
        ("slack_file", false, Is(&SLACK_FILE)),
        ("title", false, Plain(2000)),
    ],
    exactly_one: &["image_url", "slack_file"],
};
static MARKDOWN: Shape = shape(&[TYPE, BLOCK_ID, ("text", true, Str(1, 12_000))]);
static RICH_TEXT: Shape = shape(&[TYPE, BLOCK_ID, ("elements", true, Any)]);
static TABLE: Shape = shape(&[
    TYPE,
    BLOCK_ID,
    (
        "rows",
        true,
        Each(
            &Each(&Element(&["raw_text", "raw_number", "rich_text"]), 1, 20),
            1,
            100,
        ),
    ),
    ("column_settings", false, Each(&Any, 0, 20)),
]);
static VIDEO: Shape = shape(&[
    TYPE,
    BLOCK_ID,
    ("alt_text", true, Str(1, 2000)),
    ("title", true, Plain(199)),
    ("thumbnail_url", true, Format("uri", is_url)),
    ("video_url", true, Format("uri", is_url)),
    ("title_url", false, Format("uri", is_url)),
    ("author_name", false, Str(0, 49)),
    ("description", false, Plain(199)),
    ("provider_icon_url", false, Format("uri", is_url)),
    ("provider_name", false, Str(0, 49)),
]);
static CALL: Shape = shape(&[TYPE, BLOCK_ID, ("call_id", true, ID), ("call", false, Any)]);

/// Whether people act on the element, so that Slack gives it an `action_id`.
pub(super) fn is_interactive(kind: &str) -> bool {
    ACTIONS.contains(&kind)
        || INPUTS.contains(&kind)
        || kind == "feedback_buttons"
        || kind == "icon_button"
}

/// The shape of an element.
pub(super) fn element(kind: &str) -> Option<&'static Shape> {
    Some(match kind {
        "button" => &BUTTON,
        "static_select" => &STATIC_SELECT,
        "multi_static_select" => &MULTI_STATIC_SELECT,
        "external_select" => &EXTERNAL_SELECT,
        "multi_external_select" => &MULTI_EXTERNAL_SELECT,
        "users_select" => &USERS_SELECT,
        "multi_users_select" => &MULTI_USERS_SELECT,
        "conversations_select" => &CONVERSATIONS_SELECT,
        "multi_conversations_select" => &MULTI_CONVERSATIONS_SELECT,
        "channels_select" => &CHANNELS_SELECT,
        "multi_channels_select" => &MULTI_CHANNELS_SELECT,
        "overflow" => &OVERFLOW,
        "radio_buttons" => &RADIO_BUTTONS,
        "checkboxes" => &CHECKBOXES,
        "datepicker" => &DATEPICKER,
        "timepicker" => &TIMEPICKER,
        "datetimepicker" => &DATETIMEPICKER,
        "plain_text_input" => &PLAIN_TEXT_INPUT,
        "email_text_input" => &EMAIL_INPUT,
        "url_text_input" => &URL_INPUT,
        "number_input" => &NUMBER_INPUT,
        "rich_text_input" => &RICH_TEXT_INPUT,
        "file_input" => &FILE_INPUT,
        "image" => &IMAGE,
        "feedback_buttons" => &FEEDBACK_BUTTONS,
        "icon_button" => &ICON_BUTTON,
        "plain_text" => &PLAIN_TEXT,
        "mrkdwn" => &MRKDWN,
        "raw_text" => &RAW_TEXT,
        "raw_number" => &RAW_NUMBER,
        "rich_text" => &RICH_TEXT,
        _ => return None,
    })
}

static BUTTON: Shape = shape(&[
    TYPE,
    ACTION_ID,
    ("text", true, Plain(75)),
    ("value", false, Str(0, 2000)),
    ("url", false, Format("uri", is_url)),
    ("style", false, OneOf(&["primary", "danger"])),
    ("accessibility_label", false, Str(1, 75)),
    CONFIRM_FIELD,
]);
static STATIC_SELECT: Shape = Shape {
    fields: &[
        TYPE,
        ACTION_ID,
        PLACEHOLDER,
        OPTIONS,
        OPTION_GROUPS,
        INITIAL_OPTION,
        CONFIRM_FIELD,
        FOCUS,
    ],
    exactly_one: &["options", "option_groups"],
};
static MULTI_STATIC_SELECT: Shape = Shape {
    fields: &[
        TYPE,
        ACTION_ID,
        PLACEHOLDER,
        OPTIONS,
        OPTION_GROUPS,
        INITIAL_OPTIONS,
        MAX_ITEMS,
        CONFIRM_FIELD,
        FOCUS,
    ],
    exactly_one: &["options", "option_groups"],
};
const MIN_QUERY: Field = ("min_query_length", false, Integer(0, i64::MAX));
static EXTERNAL_SELECT: Shape = shape(&[
    TYPE,
    ACTION_ID,
    PLACEHOLDER,
    INITIAL_OPTION,
    MIN_QUERY,
    CONFIRM_FIELD,
    FOCUS,
]);
static MULTI_EXTERNAL_SELECT: Shape = shape(&[
    TYPE,
    ACTION_ID,
    PLACEHOLDER,
    INITIAL_OPTIONS,
    MIN_QUERY,
    MAX_ITEMS,
    CONFIRM_FIELD,
    FOCUS,
]);
static USERS_SELECT: Shape = shape(&[
    TYPE,
    ACTION_ID,
    PLACEHOLDER,
    ("initial_user", false, ID),
    CONFIRM_FIELD,
    FOCUS,
]);
static MULTI_USERS_SELECT: Shape = shape(&[
    TYPE,
    ACTION_ID,
    PLACEHOLDER,
    ("initial_users", false, Each(&ID, 0, 100)),
    MAX_ITEMS,
    CONFIRM_FIELD,
    FOCUS,
]);
static CONVERSATIONS_SELECT: Shape = shape(&[
    TYPE,
    ACTION_ID,
    PLACEHOLDER,
    ("initial_conversation", false, ID),
    DEFAULT_TO_CURRENT,
    RESPONSE_URL,
    FILTER_FIELD,
    CONFIRM_FIELD,
    FOCUS,
]);
static MULTI_CONVERSATIONS_SELECT: Shape = shape(&[
    TYPE,
    ACTION_ID,
    PLACEHOLDER,
    ("initial_conversations", false, Each(&ID, 0, 100)),
    DEFAULT_TO_CURRENT,
    FILTER_FIELD,
    MAX_ITEMS,
    CONFIRM_FIELD,
    FOCUS,
]);
static CHANNELS_SELECT: Shape = shape(&[
    TYPE,
    ACTION_ID,
    PLACEHOLDER,
    ("initial_channel", false, ID),
    RESPONSE_URL,
    CONFIRM_FIELD,
    FOCUS,
]);
static MULTI_CHANNELS_SELECT: Shape = shape(&[
    TYPE,
    ACTION_ID,
    PLACEHOLDER,
    ("initial_channels", false, Each(&ID, 0, 100)),
    MAX_ITEMS,
    CONFIRM_FIELD,
    FOCUS,
]);
static OVERFLOW: Shape = shape(&[
    TYPE,
    ACTION_ID,
    ("options", true, Each(&Is(&OPTION_WITH_URL), 1, 5)),
    CONFIRM_FIELD,
]);
static RADIO_BUTTONS: Shape = shape(&[
    TYPE,
    ACTION_ID,
    ("options", true, Each(&Is(&OPTION_WITH_MRKDWN), 1, 10)),
    ("initial_option", false, Is(&OPTION_WITH_MRKDWN)),
    CONFIRM_FIELD,
    FOCUS,
]);
static CHECKBOXES: Shape = shape(&[
    TYPE,
    ACTION_ID,
    ("options", true, Each(&Is(&OPTION_WITH_MRKDWN), 1, 10)),
    (
        "initial_options",
        false,
        Each(&Is(&OPTION_WITH_MRKDWN), 1, 10),
    ),
    CONFIRM_FIELD,
    FOCUS,
]);
static DATEPICKER: Shape = shape(&[
    TYPE,
    ACTION_ID,
    PLACEHOLDER,
    ("initial_date", false, Format("date", is_date)),
    CONFIRM_FIELD,
    FOCUS,
]);
static TIMEPICKER: Shape = shape(&[
    TYPE,
    ACTION_ID,
    PLACEHOLDER,
    ("initial_time", false, Format("time", is_time)),
    ("timezone", false, Str(1, 100)),
    CONFIRM_FIELD,
    FOCUS,
]);
static DATETIMEPICKER: Shape = shape(&[
    TYPE,
    ACTION_ID,
    (
        "initial_date_time",
        false,
        Integer(1_000_000_000, 9_999_999_999),
    ),
    CONFIRM_FIELD,
    FOCUS,
]);
static PLAIN_TEXT_INPUT: Shape = shape(&[
    TYPE,
    ACTION_ID,
    PLACEHOLDER,
    ("initial_value", false, Str(0, 3000)),
    ("multiline", false, Bool),
    ("min_length", false, Integer(0, 3000)),
    ("max_length", false, Integer(1, 3000)),
    DISPATCH,
    FOCUS,
]);
static EMAIL_INPUT: Shape = shape(&[
    TYPE,
    ACTION_ID,
    PLACEHOLDER,
    ("initial_value", false, Str(0, 3000)),
    DISPATCH,
    FOCUS,
]);
static URL_INPUT: Shape = shape(&[
    TYPE,
    ACTION_ID,
    PLACEHOLDER,
    ("initial_value", false, Str(0, 3000)),
    DISPATCH,
    FOCUS,
]);
static NUMBER_INPUT: Shape = shape(&[
    TYPE,
    ACTION_ID,
    PLACEHOLDER,
    ("is_decimal_allowed", true, Bool),
    ("initial_value", false, NumberString),
    ("min_value", false, NumberString),
    ("max_value", false, NumberString),
    DISPATCH,
    FOCUS,
]);
static RICH_TEXT_INPUT: Shape = shape(&[
    TYPE,
    ACTION_ID,
    PLACEHOLDER,
    ("initial_value", false, RichText),
    ("min_lines", false, Integer(1, 100)),
    ("max_lines", false, Integer(1, 100)),
    DISPATCH,
    FOCUS,
]);
static FILE_INPUT: Shape = shape(&[
    TYPE,
    ACTION_ID,
    ("filetypes", false, Each(&Str(1, 50), 1, usize::MAX)),
    ("max_files", false, Integer(1, 10)),
]);
static IMAGE: Shape = Shape {
    fields: &[
        TYPE,
        ("alt_text", true, Str(1, 2000)),
        ("image_url", false, Format("uri", is_url)),
        ("slack_file", false, Is(&SLACK_FILE)),
    ],
    exactly_one: &["image_url", "slack_file"],
};
static FEEDBACK_BUTTONS: Shape = shape(&[
    TYPE,
    ACTION_ID,
    ("positive_button", true, Is(&FEEDBACK_BUTTON)),
    ("negative_button", true, Is(&FEEDBACK_BUTTON)),
]);
static ICON_BUTTON: Shape = shape(&[
    TYPE,
    ACTION_ID,
    ("icon", true, OneOf(&["trash"])),
    ("text", true, Plain(75)),
    ("value", false, Str(0, 2000)),
    ("visible_to_user_ids", false, Each(&ID, 0, usize::MAX)),
    ("accessibility_label", false, Str(1, 75)),
    CONFIRM_FIELD,
]);
static RAW_TEXT: Shape = shape(&[TYPE, ("text", true, Str(1, 3000))]);
static RAW_NUMBER: Shape = shape(&[TYPE, ("value", true, Any), ("text", false, Str(1, 3000))]);

/// An absolute URL of at most 3000 characters.
fn is_url(text: &str) -> bool {
    let known = ["https://", "http://", "mailto:", "slack://", "tel:"];
    known
        .iter()
        .any(|scheme| text.len() > scheme.len() && text.starts_with(scheme))
        && text.chars().count() <= 3000
        && !text.contains(char::is_whitespace)
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok()
}

/// `HH:mm`
fn is_time(text: &str) -> bool {
    let Some((hours, minutes)) = text.split_once(':') else {
        return false;
    };
    let below =
        |part: &str, most: u8| part.len() == 2 && part.parse::<u8>().is_ok_and(|n| n < most);
    below(hours, 24) && below(minutes, 60)
}
