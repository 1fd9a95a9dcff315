//! What a form shows, and the command that it becomes when it is sent off.

use super::*;
use crate::domain::given;

/// The form as Slack sends it back when nothing but these fields was touched.
fn submitted(view: Value, filled: &[(&str, Value)]) -> SubmittedView {
    let mut values = json!({});
    for block in view["blocks"].as_array().unwrap() {
        let element = &block["element"];
        let Some(id) = block["block_id"].as_str() else {
            continue;
        };
        values[id][id] = json!({
            "type": element["type"],
            "value": element["initial_value"],
            "selected_option": element["initial_option"],
            "selected_user": element["initial_user"],
        });
    }
    for (id, value) in filled {
        values[*id][*id] = value.clone();
    }
    serde_json::from_value(json!({
        "id": "V0000000001", "callback_id": view["callback_id"], "private_metadata": view["private_metadata"],
        "blocks": view["blocks"], "state": { "values": values },
    }))
    .unwrap()
}

fn typed(text: &str) -> Value {
    json!({ "type": "plain_text_input", "value": text })
}

fn chose(value: &str) -> Value {
    json!({ "type": "static_select", "selected_option": { "value": value } })
}

fn incident() -> Incident {
    given::given([given::declared(), given::room_opened()])
        .incident()
        .clone()
}

fn command(view: &SubmittedView) -> Command {
    match read(view, &given::catalog()) {
        Some(Ok(Filled::Pursue(id, command))) => {
            assert_eq!(id, given::id());
            command
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_declaration_is_what_was_filled_in() {
    let view = submitted(
        declare(&given::catalog(), None, None, None),
        &[
            ("title", typed(" checkout is down ")),
            ("severity", chose("p2")),
        ],
    );
    let Some(Ok(Filled::Declare(declaration))) = read(&view, &given::catalog()) else {
        panic!("a declaration");
    };
    let expected = Declaration {
        severity: Some(SeverityId::new("p2")),
        ..Declaration::titled("checkout is down")
    };
    assert_eq!(declaration, expected);
}

#[test]
fn a_title_of_spaces_is_refused_at_its_field() {
    let view = submitted(
        declare(&given::catalog(), None, None, None),
        &[("title", typed("  "))],
    );
    let Some(Err(errors)) = read(&view, &given::catalog()) else {
        panic!("it is refused");
    };
    assert_eq!(errors.keys().collect::<Vec<_>>(), [&"title"]);
}

#[test]
fn a_message_is_carried_into_the_declaration_and_out_of_it() {
    let said = "checkout returns 500\nfor every customer";
    let view = declare(&given::catalog(), None, Some(&given::message()), Some(said));
    let Some(Ok(Filled::Declare(declaration))) = read(&submitted(view, &[]), &given::catalog())
    else {
        panic!("a declaration");
    };
    assert_eq!(declaration.title, "checkout returns 500");
    assert_eq!(declaration.description.as_deref(), Some(said));
    assert_eq!(declaration.about, Some(given::message()));
}

#[test]
fn an_update_of_which_only_the_text_was_written_moves_nothing() {
    let incident = incident();
    let view = submitted(
        update(&given::catalog(), &incident),
        &[("text", typed("still at it"))],
    );
    let expected = Command::PostUpdate {
        update: given::update("still at it"),
        status: None,
        severity: None,
    };
    assert_eq!(command(&view), expected);
}

#[test]
fn an_update_may_promise_the_next_one() {
    let view = submitted(
        update(&given::catalog(), &incident()),
        &[("text", typed("x")), ("next_update", chose("120"))],
    );
    let Command::PostUpdate { update, .. } = command(&view) else {
        panic!("an update");
    };
    assert_eq!(update.next_update_in, Some(SignedDuration::from_hours(2)));
}

#[test]
fn the_other_forms_become_the_commands_that_a_line_would_have_become() {
    let severity = submitted(
        severity(&given::catalog(), &incident()),
        &[("severity", chose("p3"))],
    );
    assert_eq!(
        command(&severity),
        Command::ChangeSeverity {
            to: SeverityId::new("p3"),
            reason: None
        }
    );
    let role = submitted(role(&incident(), &given::bob()), &[]);
    assert_eq!(
        command(&role),
        Command::AssignRole {
            role: Role::OperationsLead,
            to: given::bob()
        }
    );
    let resolve = submitted(
        resolve(&incident()),
        &[("root_cause", typed("a full disk"))],
    );
    let expected = Resolution {
        root_cause: Some("a full disk".into()),
        ..Resolution::default()
    };
    assert_eq!(command(&resolve), Command::Resolve(expected));
}

#[test]
fn a_refusal_stands_at_the_field_that_it_is_about_or_at_the_first() {
    let view = submitted(role(&incident(), &given::bob()), &[]);
    let held = Refusal::AlreadyInRole {
        id: given::id(),
        role: Role::Scribe,
        who: given::bob(),
    };
    assert_eq!(at_field(&view, &held).keys().collect::<Vec<_>>(), [&"user"]);
    let over = Refusal::Over {
        id: given::id(),
        status: Status::Closed,
    };
    let view = submitted(update(&given::catalog(), &incident()), &[]);
    assert_eq!(at_field(&view, &over).keys().collect::<Vec<_>>(), [&"text"]);
}

#[test]
fn a_form_of_somebody_else_is_not_read() {
    let mut view = submitted(resolve(&incident()), &[]);
    view.callback_id = "approve".into();
    assert_eq!(read(&view, &given::catalog()), None);
    view.callback_id = "firebell:resolve".into();
    // One of ours that cannot be read stays open: what was typed is not lost.
    view.private_metadata = "{}".into();
    let Some(Err(errors)) = read(&view, &given::catalog()) else {
        panic!("it is refused");
    };
    assert_eq!(errors.keys().collect::<Vec<_>>(), [&"root_cause"]);
}

#[test]
fn nothing_in_a_form_is_longer_than_slack_takes() {
    let long = "x".repeat(5_000);
    let view = declare(
        &given::catalog(),
        None,
        Some(&given::message()),
        Some(&long),
    );
    assert!(view["private_metadata"].as_str().unwrap().len() <= TEXT);
    for block in view["blocks"].as_array().unwrap() {
        let said = block["element"]["initial_value"]
            .as_str()
            .unwrap_or_default();
        assert!(
            said.chars().count() <= block["element"]["max_length"].as_u64().unwrap_or(0) as usize
        );
    }
}
