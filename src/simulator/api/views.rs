//! views.* and blocks.validate (contract sections 6.6 and 6.7).

use serde_json::{Value, json};

use super::super::block_kit::{self, Surface};
use super::super::model::State;
use super::{Args, Failure, Outcome};

pub(super) fn open(state: &mut State, args: &Args) -> Outcome {
    let user = triggered_by(state, args)?;
    let id = state.open_view(&user, view(args)?)?;
    shown(state, &id)
}

pub(super) fn push(state: &mut State, args: &Args) -> Outcome {
    let user = triggered_by(state, args)?;
    let id = state.push_view(&user, view(args)?)?;
    shown(state, &id)
}

pub(super) fn update(state: &mut State, args: &Args) -> Outcome {
    let external_id = args.text("external_id").filter(|id| !id.is_empty());
    let id = match (args.text("view_id"), external_id) {
        (Some(id), _) => id,
        (None, Some(external)) => {
            let views = &state.views;
            let newest = views
                .all
                .values()
                .rev()
                .find(|view| view.body["external_id"] == external.as_str());
            newest
                .map(|view| view.id.clone())
                .ok_or_else(|| Failure::new("not_found"))?
        }
        (None, None) => return Err(Failure::missing("view_id")),
    };
    state.update_view(&id, view(args)?, hash(args).as_deref())?;
    shown(state, &id)
}

pub(super) fn publish(state: &mut State, args: &Args) -> Outcome {
    let user = args.required("user_id")?;
    if !state.users.contains_key(&user) {
        return Err(Failure::invalid_arguments(["invalid `user_id`".into()]));
    }
    let id = state.publish_home(&user, view(args)?, hash(args).as_deref())?;
    shown(state, &id)
}

fn triggered_by(state: &mut State, args: &Args) -> Result<String, Failure> {
    let trigger = args
        .text("trigger_id")
        .or_else(|| args.text("interactivity_pointer"));
    let trigger = trigger.ok_or_else(|| Failure::missing("trigger_id"))?;
    view(args)?;
    state.take_trigger(&trigger)
}

fn view(args: &Args) -> Result<Value, Failure> {
    match args.json("view") {
        Ok(Some(view)) => Ok(view),
        Ok(None) => Err(Failure::missing("view")),
        Err(_) => Err(Failure::invalid_arguments([
            "[ERROR] must provide an object [json-pointer:/view]".into(),
        ])),
    }
}

fn hash(args: &Args) -> Option<String> {
    args.text("hash").filter(|hash| !hash.is_empty())
}

fn shown(state: &State, id: &str) -> Outcome {
    Ok(json!({"view": state.view_json(&state.views.all[id])}))
}

/// Exactly one of `blocks`, `message`, `view`; needs no token.
pub(super) fn validate(_: &mut State, args: &Args) -> Outcome {
    let read = |name: &str| args.json(name).map_err(|_| Failure::new("invalid_json"));
    let (problems, error) = match (read("blocks")?, read("message")?, read("view")?) {
        (Some(blocks), None, None) => (judge_blocks(&blocks)?, "invalid_blocks"),
        (None, Some(message), None) => (judge_blocks(&message["blocks"])?, "invalid_message"),
        (None, None, Some(view)) => {
            let surface = if view["type"] == "home" {
                Surface::Home
            } else {
                Surface::Modal
            };
            (block_kit::problems_of_view(&view, surface), "invalid_view")
        }
        _ => {
            return Err(Failure::invalid_arguments([
                "[ERROR] exactly one of blocks, message, view".into(),
            ]));
        }
    };
    if problems.is_empty() {
        return Ok(json!({}));
    }
    let errors: Vec<Value> = problems
        .iter()
        .map(|problem| {
            let missing = problem.message.starts_with("missing required field");
            let code = if missing {
                "missing_field"
            } else {
                "failed_constraint"
            };
            json!({"code": code, "message": problem.message, "pointer": problem.pointer})
        })
        .collect();
    Err(Failure::new(error).with("errors", json!(errors)))
}

fn judge_blocks(blocks: &Value) -> Result<Vec<block_kit::Problem>, Failure> {
    let blocks = blocks
        .as_array()
        .ok_or_else(|| Failure::new("invalid_blocks_format"))?;
    Ok(block_kit::problems_of_blocks(
        blocks,
        Surface::Message,
        "/blocks",
    ))
}
