//! What was ever written down can be read for ever: one stored example of every event, order and state that was shipped.
//!
//! The examples are never edited, only added to. A new variant or field adds an example; a variant that is no longer
//! made keeps its own.

use std::collections::BTreeSet;

use firebell::domain::effect::Effect;
use firebell::domain::event::{Event, Recorded};
use firebell::domain::incident::{Incident, fold};
use firebell::domain::terms::Actor;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

const EXAMPLES: &str = include_str!("stored_events.json");

#[derive(Deserialize)]
struct Examples {
    /// The record of one incident, in its order.
    events: Vec<Row>,
    /// Orders, as they wait in the outbox over an upgrade.
    effects: Vec<Value>,
    /// States, as they stand beside the events.
    states: Vec<Value>,
}

#[derive(Deserialize)]
struct Row {
    recorded_at: Timestamp,
    actor: Value,
    event: Value,
}

fn examples() -> Examples {
    serde_json::from_str(EXAMPLES).expect("the examples are JSON")
}

/// Reads a stored value, and demands that nothing of it was lost on the way.
fn read<T: DeserializeOwned + serde::Serialize>(stored: &Value) -> T {
    let read: T =
        serde_json::from_value(stored.clone()).unwrap_or_else(|error| panic!("{error}: {stored}"));
    let mut again = serde_json::to_value(&read).expect("it is JSON");
    // A field that came later may be added by its default, and none may be gone.
    if let (Value::Object(again), Value::Object(stored)) = (&mut again, stored) {
        again.retain(|name, _| stored.contains_key(name));
    }
    assert_eq!(again, *stored, "a name or a form has changed");
    read
}

fn record() -> Vec<Recorded> {
    let rows = (1..).zip(examples().events);
    rows.map(|(seq, row)| {
        let event: Event = read(&row.event);
        Recorded {
            seq,
            happened_at: event.happened_at(row.recorded_at),
            recorded_at: row.recorded_at,
            actor: read::<Actor>(&row.actor),
            event,
        }
    })
    .collect()
}

/// The kinds that an enum knows, in the words of its reader: "unknown variant `?`, expected one of `a`, `b`".
fn kinds<T: DeserializeOwned + std::fmt::Debug>(tag: &str) -> BTreeSet<String> {
    let nonsense = serde_json::json!({ tag: "?" });
    let told = serde_json::from_value::<T>(nonsense)
        .expect_err("there is no such kind")
        .to_string();
    let (_, known) = told
        .split_once("expected")
        .expect("the reader says what it knows");
    let kinds: BTreeSet<_> = known
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect();
    assert!(kinds.len() > 5, "{told}");
    kinds
}

#[test]
fn every_event_that_was_ever_stored_is_read_and_adds_up() {
    let state = record().iter().fold(None, fold).expect("an incident");
    assert_eq!(state.version, record().len() as u64);
    assert_eq!(state.id.as_str(), "INC-2025-0914-001");
    for recorded in record() {
        assert!(!firebell::domain::timeline::tell(&recorded).text.is_empty());
    }
}

#[test]
fn every_kind_of_event_has_a_stored_example() {
    let have: BTreeSet<_> = record()
        .iter()
        .map(|recorded| recorded.event.kind().to_owned())
        .collect();
    let missing: Vec<_> = kinds::<Event>("event").difference(&have).cloned().collect();
    assert!(
        missing.is_empty(),
        "add an example to stored_events.json for each of: {}",
        missing.join(", ")
    );
}

#[test]
fn every_order_that_may_wait_over_an_upgrade_is_read() {
    let effects: Vec<Effect> = examples().effects.iter().map(read).collect();
    assert_eq!(effects.len(), examples().effects.len());
    let have: BTreeSet<_> = examples()
        .effects
        .iter()
        .map(|it| it["effect"].as_str().expect("a name").to_owned())
        .collect();
    let missing: Vec<_> = kinds::<Effect>("effect")
        .difference(&have)
        .cloned()
        .collect();
    assert!(
        missing.is_empty(),
        "add an example to stored_events.json for each of: {}",
        missing.join(", ")
    );
}

#[test]
fn every_state_that_was_ever_stored_is_read() {
    let states: Vec<Incident> = examples().states.iter().map(read).collect();
    assert!(!states.is_empty());
}
