//! The app's home tab: what is open, who leads, when the next update is due, and what one has promised to do.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::interaction::{Style, button, general};
use super::message::{person_mention, short};
use super::text::cut;
use crate::domain::form::show_roughly;
use crate::domain::incident::{Incident, Room, TrackedFollowUp};
use crate::domain::terms::SlackUserId;
use crate::templates::{bold, mrkdwn};

/// Incidents that are shown: a home tab takes 100 blocks (slack-contract.md section 8.1), each incident two.
const SHOWN: usize = 20;
/// Follow-ups that are shown.
const PROMISED: usize = 20;
/// The most characters of a section's text.
const SECTION: usize = 3_000;

/// The home tab of one person. `with_follow_ups` are the incidents in which somebody still has something to do.
pub fn home(
    user: &SlackUserId,
    open: &[Arc<Incident>],
    with_follow_ups: &[Arc<Incident>],
    now: Timestamp,
) -> Value {
    let mut blocks = vec![
        header("Open incidents"),
        json!({ "type": "actions", "elements": [general("Declare an incident", "declare", "declare", Style::Danger)] }),
    ];
    if open.is_empty() {
        blocks.push(section("Nothing is open. :tada:"));
    }
    // Action ids must differ within a view: the incident's id makes them so.
    for incident in open.iter().take(SHOWN) {
        blocks.push(section(&standing(incident, now)));
        let mut buttons = vec![button(
            "Update",
            &format!("update-{}", incident.id),
            &incident.id,
            "update",
            Style::Plain,
        )];
        if incident.acknowledged_by.is_none() {
            buttons.insert(
                0,
                button(
                    "Acknowledge",
                    &format!("ack-{}", incident.id),
                    &incident.id,
                    "ack",
                    Style::Primary,
                ),
            );
        }
        blocks.push(json!({ "type": "actions", "elements": buttons }));
    }
    if open.len() > SHOWN {
        let more = format!("_and {} more: `/incident list`_", open.len() - SHOWN);
        blocks.push(section(&more));
    }
    blocks.push(json!({ "type": "divider" }));
    blocks.push(header("My follow-ups"));
    let mine: Vec<Value> = with_follow_ups
        .iter()
        .flat_map(|incident| {
            incident
                .follow_ups
                .iter()
                .filter(|tracked| is_mine(tracked, user))
                .map(|tracked| promised(incident, tracked))
        })
        .collect();
    if mine.is_empty() {
        blocks.push(section("Nothing is waiting for you."));
    }
    let left = mine.len().saturating_sub(PROMISED);
    blocks.extend(mine.into_iter().take(PROMISED));
    if left > 0 {
        blocks.push(section(&format!("_and {left} more_")));
    }
    blocks.push(json!({
        "type": "context",
        "elements": [{ "type": "mrkdwn", "text": format!("As of {}", time(now)) }],
    }));
    json!({ "type": "home", "blocks": blocks })
}

fn is_mine(tracked: &TrackedFollowUp, user: &SlackUserId) -> bool {
    let owner = tracked.follow_up.owner.as_ref();
    tracked.done_at.is_none() && owner.is_some_and(|owner| owner.slack.as_ref() == Some(user))
}

fn promised(incident: &Incident, tracked: &TrackedFollowUp) -> Value {
    let follow_up = &tracked.follow_up;
    let due = match follow_up.due {
        Some(due) => format!(", due {due}"),
        None => String::new(),
    };
    let text = format!(
        ":pushpin: {}{due}\n_Follow-up {} of {}_",
        mrkdwn(&follow_up.text),
        follow_up.number,
        incident.id,
    );
    let id = format!("done-{}-{}", incident.id, follow_up.number);
    let line = format!("followup done {}", follow_up.number);
    let mut promised = section(&text);
    promised["accessory"] = button("Done", &id, &incident.id, &line, Style::Plain);
    promised
}

fn standing(incident: &Incident, now: Timestamp) -> String {
    let room = match &incident.room {
        Room::Channel { channel, .. } => format!("<#{channel}>"),
        Room::Wanted { name } => format!("#{name} is being opened"),
        Room::Thread => "in the thread of its announcement".to_owned(),
    };
    let lead = match incident.commander() {
        Some(who) => format!("Lead: {}", person_mention(who)),
        None => "*Nobody leads yet*".to_owned(),
    };
    let next = match &incident.update_clock {
        Some(clock) if clock.since < now => {
            format!(
                ":warning: Update overdue for {}",
                show_roughly(now.duration_since(clock.since))
            )
        }
        Some(clock) => format!("Next update by {}", time(clock.due_at)),
        None => "No update due".to_owned(),
    };
    format!(
        "*{}* · {} · {}\n{} · {} · {room}\n{lead} · {next}",
        incident.id,
        mrkdwn(&short(&incident.severity.name)),
        bold(&incident.title),
        incident.status,
        show_roughly(incident.duration(now)),
    )
}

/// A moment, shown by Slack in the reader's own zone.
fn time(at: Timestamp) -> String {
    let utc = at.strftime("%H:%M UTC");
    format!("<!date^{}^{{time}}|{utc}>", at.as_second())
}

fn header(text: &str) -> Value {
    json!({ "type": "header", "text": { "type": "plain_text", "text": text } })
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": cut(text, SECTION) } })
}
