//! Buttons and menus: what a click means is made and read in this file only.
//!
//! A click carries the same words that a person would have typed, with the incident named: `INC-2025-0914-001 ack`.
//! So it is understood by the same table, and refused in the same words.

use serde_json::{Value, json};

use super::inbound::BlockAction;
use super::text::cut;
use crate::domain::terms::IncidentId;

/// What the action ids of our elements begin with.
const OURS: &str = "firebell:";
/// The most characters of a button's label (slack-contract.md section 8.4).
const LABEL: usize = 75;
/// The most characters of a button's value.
const VALUE: usize = 2_000;

/// A click of ours: a line, as it would have been typed for this incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Click {
    /// The incident; none for what is about no incident in particular.
    pub incident: Option<IncidentId>,
    /// What follows `/incident`: `ack`.
    pub line: String,
}

/// What stands for the incident in a click that is about none.
const NONE: &str = "-";

/// How loud a button is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Like any other.
    Plain,
    /// The thing to do next.
    Primary,
    /// Something that one should not do by accident.
    Danger,
}

/// A button that runs a line. `id` tells it from the other buttons of its message.
pub fn button(label: &str, id: &str, incident: &IncidentId, line: &str, style: Style) -> Value {
    let mut button = json!({
        "type": "button",
        "action_id": format!("{OURS}{id}"),
        "text": { "type": "plain_text", "text": cut(label, LABEL), "emoji": true },
        "value": value(incident, line),
    });
    match style {
        Style::Plain => {}
        Style::Primary => button["style"] = json!("primary"),
        Style::Danger => button["style"] = json!("danger"),
    }
    button
}

/// A button for what is about no incident in particular.
pub fn general(label: &str, id: &str, line: &str, style: Style) -> Value {
    button(label, id, &IncidentId::new(NONE), line, style)
}

/// A button that asks before it runs: what will happen, and how it is undone.
pub fn careful(mut button: Value, title: &str, text: &str, yes: &str) -> Value {
    button["confirm"] = json!({
        "title": { "type": "plain_text", "text": cut(title, 100) },
        "text": { "type": "plain_text", "text": cut(text, 300) },
        "confirm": { "type": "plain_text", "text": cut(yes, 30) },
        "deny": { "type": "plain_text", "text": "Not now" },
    });
    button
}

/// A menu of lines: `(label, line)`, two to five of them.
pub fn overflow(id: &str, incident: &IncidentId, lines: &[(&str, &str)]) -> Value {
    let options: Vec<Value> = lines
        .iter()
        .map(|(label, line)| {
            json!({
                "text": { "type": "plain_text", "text": cut(label, LABEL), "emoji": true },
                "value": value(incident, line),
            })
        })
        .collect();
    json!({ "type": "overflow", "action_id": format!("{OURS}{id}"), "options": options })
}

/// Whether a line fits into a button.
pub fn fits(incident: &IncidentId, line: &str) -> bool {
    value(incident, line).chars().count() <= VALUE
}

fn value(incident: &IncidentId, line: &str) -> String {
    format!("{incident} {line}")
}

/// Reads a click. None: the element is not ours, or not in a form that we ever made.
pub fn read(action: &BlockAction) -> Option<Click> {
    action.action_id.strip_prefix(OURS)?;
    let value = match (&action.value, &action.selected_option) {
        (Some(value), _) => value,
        (None, Some(option)) => &option.value,
        (None, None) => return None,
    };
    let (incident, line) = value.split_once(' ')?;
    Some(Click {
        incident: (incident != NONE).then(|| IncidentId::new(incident)),
        line: line.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_button_says_is_what_a_click_reads() {
        let id = IncidentId::new("INC-2025-0914-001");
        let made = button("Acknowledge", "ack", &id, "ack", Style::Primary);
        let action: BlockAction = serde_json::from_value(made).unwrap();
        assert_eq!(
            read(&action),
            Some(Click {
                incident: Some(id),
                line: "ack".into()
            })
        );
    }

    #[test]
    fn a_button_may_be_about_no_incident() {
        let made = general("Declare an incident", "declare", "declare", Style::Danger);
        let action: BlockAction = serde_json::from_value(made).unwrap();
        let click = read(&action).unwrap();
        assert_eq!((click.incident, click.line.as_str()), (None, "declare"));
    }

    #[test]
    fn an_element_of_somebody_else_is_not_read() {
        let action = BlockAction {
            action_id: "approve".into(),
            value: Some("INC-2025-0914-001 close".into()),
            selected_option: None,
        };
        assert_eq!(read(&action), None);
    }
}
