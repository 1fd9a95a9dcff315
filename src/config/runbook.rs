//! What the file says of actions, checks, checklists and change freezes: one line for one key.

use super::faults::Level;
use super::reader::{Section, Value};
use super::references::Thing;
use super::sections::own_id;
use super::values::*;
use crate::domain::form::unknown_word;
use crate::domain::runbook::{
    self, ACTION_KINDS, Action, Approvals, CHECK_KINDS, ChangeFreeze, Check, Checklist, Input,
    InputKind, Risk, Values, Verify,
};
use crate::domain::terms::ServiceId;

pub fn action(it: &mut Section<'_>) -> Option<Action> {
    let id = own_id(it, Thing::Action);
    let action = Action {
        title: it.required("title", text).unwrap_or_default(),
        kind: it
            .required("kind", kind("a kind of action", &ACTION_KINDS))
            .unwrap_or_default(),
        service: it
            .optional("service", reference(Thing::Service))
            .map(ServiceId::new),
        with: it.optional("with", free_table).unwrap_or_default(),
        inputs: it.optional("inputs", inputs).unwrap_or_default(),
        risk: it.optional("risk", parsed).unwrap_or(Risk::High),
        approvals: it.optional("approvals", approvals).unwrap_or_default(),
        verify: it.optional("verify", verify),
        id: id?,
    };
    Some(action)
}

fn inputs(value: Value<'_>) -> Option<Vec<Input>> {
    let table = value.table("inputs")?;
    let read = |(name, value): (&str, Value<'_>)| {
        let mut it = value.table("an input")?;
        let input = input(name, &mut it);
        it.close();
        input
    };
    Some(table.entries().into_iter().filter_map(read).collect())
}

fn input(name: &str, it: &mut Section<'_>) -> Option<Input> {
    let kind = it.required("type", |value| {
        let known = ["integer", "string", "boolean", "choice"];
        value.parse(|text| match known.iter().find(|known| **known == text) {
            Some(known) => Ok(*known),
            None => Err(unknown_word("a type of input", text, known.into_iter())),
        })
    });
    let Some(kind) = kind else {
        // Nobody can say which keys belong to an unknown type: none of them is complained about.
        for key in [
            "min", "max", "pattern", "options", "default", "title", "required",
        ] {
            it.value(key);
        }
        return None;
    };
    let kind = match kind {
        "integer" => {
            let min = it.optional("min", integer);
            let max = it.optional("max", integer);
            if let (Some(least), Some(most), Some(value)) = (min, max, it.value("min"))
                && least > most
            {
                let message = format!("`min` is {least} and `max` is {most}: no number fits");
                value.wrong(message, "exchange them");
            }
            InputKind::Integer { min, max }
        }
        "string" => InputKind::String {
            pattern: it.optional("pattern", pattern),
        },
        "boolean" => InputKind::Boolean,
        _ => InputKind::Choice {
            options: it.required_list("options", text),
        },
    };
    let default = it.optional("default", |value| {
        let default = any(value)?;
        if !fits(&default, &kind) {
            value.wrong(
                "this default is none of the answers",
                "it must be one that could be given",
            );
        }
        Some(default)
    });
    Some(Input {
        name: name.to_owned(),
        kind,
        title: it.optional("title", text),
        default,
        required: it.optional("required", flag).unwrap_or(true),
    })
}

/// Whether a value is an answer to an input of this kind.
fn fits(value: &runbook::Value, kind: &InputKind) -> bool {
    match kind {
        InputKind::Integer { min, max } => value.as_integer().is_some_and(|number| {
            min.is_none_or(|min| min <= number) && max.is_none_or(|max| number <= max)
        }),
        InputKind::String { .. } => value.as_text().is_some(),
        InputKind::Boolean => matches!(value, runbook::Value::Boolean(_)),
        InputKind::Choice { options } => value
            .as_text()
            .is_some_and(|text| options.iter().any(|option| option == text)),
    }
}

fn approvals(value: Value<'_>) -> Option<Approvals> {
    let mut it = value.table("approvals")?;
    let default = Approvals::default();
    let approvals = Approvals {
        required: it.optional("required", count).unwrap_or(default.required),
        by: it.list("by", target),
        expires_after: it
            .optional("expires_after", positive_duration)
            .unwrap_or(default.expires_after),
        self_approval: it
            .optional("self_approval", flag)
            .unwrap_or(default.self_approval),
    };
    if approvals.required > 0 && it.value("by").is_none_or(|by| by.items().is_empty()) {
        let message = "nobody is named who may approve: anybody in the incident may";
        it.fault(Level::Warning, message, "add `by = [\"role:NAME\"]`");
    }
    it.close();
    Some(approvals)
}

fn verify(value: Value<'_>) -> Option<Verify> {
    let mut it = value.table("verify")?;
    let within = it.required("within", positive_duration);
    let healthy = it.list("healthy", check_name);
    it.close();
    Some(Verify {
        within: within?,
        healthy,
    })
}

pub fn check(it: &mut Section<'_>) -> Option<Check> {
    let id = own_id(it, Thing::Check);
    let kind = it.required("kind", kind("a kind of check", &CHECK_KINDS));
    if kind.as_deref() == Some("http") && it.value("with").is_none() {
        let message = "nobody can say what this check asks: `with` is missing";
        it.fault(
            Level::Error,
            message,
            "add `with = { url = \"https://…\" }`",
        );
    }
    let check = Check {
        title: it.optional("title", text),
        service: it
            .optional("service", reference(Thing::Service))
            .map(ServiceId::new),
        with: it
            .optional("with", |value| match kind.as_deref() {
                Some("http") => http(value),
                Some(_) | None => free_table(value),
            })
            .unwrap_or_default(),
        kind: kind.unwrap_or_default(),
        id: id?,
    };
    Some(check)
}

/// The parameters of an `http` check: there must be a web address to ask.
fn http(value: Value<'_>) -> Option<Values> {
    let mut table = value.table("with")?;
    match table.value("url") {
        Some(address) => {
            url(address);
        }
        None => value.wrong("`url` is missing in `with`", "add `url = \"https://…\"`"),
    }
    free_table(value)
}

pub fn checklist(it: &mut Section<'_>) -> Option<Checklist> {
    let id = own_id(it, Thing::Checklist);
    let checklist = Checklist {
        title: it.required("title", text).unwrap_or_default(),
        items: it.required_list("items", text),
        id: id?,
    };
    Some(checklist)
}

pub fn change_freeze(it: &mut Section<'_>) -> Option<ChangeFreeze> {
    let name = it.required("name", text);
    let from = it.required("from", local_time);
    let to = it.required("to", local_time);
    let except_risk = it.list("except_risk", parsed);
    if let (Some(begin), Some(end), Some(value)) = (from, to, it.value("to"))
        && begin >= end
    {
        value.wrong(
            "this freeze ends before it begins",
            "`to` must be later than `from`",
        );
    }
    Some(ChangeFreeze {
        name: name?,
        from: from?,
        to: to?,
        except_risk,
    })
}
