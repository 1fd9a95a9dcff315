//! What may be done to the systems, how it is proved, what must be ticked off, and when nothing may change.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, civil};
use serde::{Deserialize, Serialize};

use super::escalation::Target;
use super::form::words;
use super::terms::ServiceId;

/// Named values as they stand in the configuration: the `with` of an action or a check.
pub type Values = BTreeMap<String, Value>;

/// A value as it stands in the configuration, of any shape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// `true`
    Boolean(bool),
    /// `5`
    Integer(i64),
    /// `0.5`
    Float(f64),
    /// `"rms-cluster-prod"`
    Text(String),
    /// `["a", "b"]`
    List(Vec<Value>),
    /// `{ a = 1 }`
    Table(Values),
}

impl Value {
    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            Value::Boolean(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::List(_)
            | Value::Table(_) => None,
        }
    }

    /// The whole number, if it is one.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Value::Integer(number) => Some(*number),
            Value::Boolean(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::List(_)
            | Value::Table(_) => None,
        }
    }
}

/// What can be done to a system: the kinds of `[[actions]]`.
pub const ACTION_KINDS: [&str; 4] = ["ecs.rollback", "ecs.scale", "ecs.restart", "rds.snapshot"];

/// What can be asked of a system: the kinds of `[[checks]]`.
pub const CHECK_KINDS: [&str; 2] = ["http", "ecs.service"];

/// An ops action: something the bot may do to a system once it has been approved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// The id of the `[[actions]]` entry: `rollback-backend`.
    pub id: String,
    /// What it does, for people.
    pub title: String,
    /// What does it, one of [`ACTION_KINDS`]: `ecs.rollback`.
    pub kind: String,
    /// The service it is done to.
    pub service: Option<ServiceId>,
    /// The fixed parameters of the kind.
    pub with: Values,
    /// What is asked of the person, in the order of the file.
    pub inputs: Vec<Input>,
    /// How much it may break.
    pub risk: Risk,
    /// Who must agree.
    pub approvals: Approvals,
    /// How it is proved that it has worked; `None`: by the kind's own reading alone.
    pub verify: Option<Verify>,
}

words! {
    /// How much an action may break.
    Risk, "a risk" {
        /// Nothing that users would notice.
        Low = "low",
        /// One service for a while.
        Medium = "medium",
        /// More than that; also what is taken where nothing is said.
        High = "high",
    }
}

/// Something that is asked of the person who wants an action: in the modal, or typed as `name=value`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// What is typed before the `=`: `desired_count`.
    pub name: String,
    /// What may be answered.
    pub kind: InputKind,
    /// The label for people; `None`: the name.
    pub title: Option<String>,
    /// What is taken when nothing is answered; fits `kind`.
    pub default: Option<Value>,
    /// Whether an answer is needed (there may be a default).
    pub required: bool,
}

/// What may be answered to an [`Input`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum InputKind {
    /// A whole number, both bounds included.
    Integer {
        /// The smallest; `None`: no bound.
        min: Option<i64>,
        /// The largest; `None`: no bound.
        max: Option<i64>,
    },
    /// One line of text.
    String {
        /// A regular expression that must match somewhere in the answer.
        pattern: Option<String>,
    },
    /// Yes or no.
    Boolean,
    /// One of a list.
    Choice {
        /// What may be chosen; never empty.
        options: Vec<String>,
    },
}

/// Who must agree before an action runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approvals {
    /// How many different people.
    pub required: u32,
    /// Who may agree; empty: anybody in the incident.
    pub by: Vec<Target>,
    /// How long a request stands before it counts as refused.
    pub expires_after: SignedDuration,
    /// Whether the requester may agree to his own request.
    pub self_approval: bool,
}

impl Default for Approvals {
    /// One other person within 15 minutes: what is not said must not be the careless choice.
    fn default() -> Self {
        Self {
            required: 1,
            by: Vec::new(),
            expires_after: SignedDuration::from_mins(15),
            self_approval: false,
        }
    }
}

/// How it is proved that an action has worked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verify {
    /// How long the proof may take.
    pub within: SignedDuration,
    /// The ids of the [`Check`]s that must all be healthy.
    pub healthy: Vec<String>,
}

/// A question to a system whose answer is healthy or not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// The id of the `[[checks]]` entry.
    pub id: String,
    /// The name for people; `None`: the id.
    pub title: Option<String>,
    /// What asks, one of [`CHECK_KINDS`]: `http`.
    pub kind: String,
    /// The service that it tells about.
    pub service: Option<ServiceId>,
    /// The parameters of the kind.
    pub with: Values,
}

/// Things to be ticked off in an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checklist {
    /// The id of the `[[checklists]]` entry.
    pub id: String,
    /// The title for people.
    pub title: String,
    /// The items in their order; never empty.
    pub items: Vec<String>,
}

/// A time in which nothing may be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeFreeze {
    /// The name for people.
    pub name: String,
    /// The beginning, in the organization's zone.
    pub from: civil::DateTime,
    /// The end (no longer frozen), in the organization's zone; later than `from`.
    pub to: civil::DateTime,
    /// The risks that may be taken all the same.
    pub except_risk: Vec<Risk>,
}

impl ChangeFreeze {
    /// Whether an action of this risk may not run at this time.
    pub fn forbids(&self, risk: Risk, at: Timestamp, zone: &TimeZone) -> bool {
        let now = zone.to_datetime(at);
        self.from <= now && now < self.to && !self.except_risk.contains(&risk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freeze_forbids_from_its_first_to_before_its_last_moment_but_for_the_excepted_risks() {
        let freeze = ChangeFreeze {
            name: "Holiday freeze".into(),
            from: civil::datetime(2025, 12, 20, 0, 0, 0, 0),
            to: civil::datetime(2026, 1, 2, 0, 0, 0, 0),
            except_risk: vec![Risk::Low],
        };
        let zone = TimeZone::get("America/Los_Angeles").unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert!(!freeze.forbids(Risk::High, at("2025-12-20T07:59:59Z"), &zone));
        assert!(freeze.forbids(Risk::High, at("2025-12-20T08:00:00Z"), &zone));
        assert!(!freeze.forbids(Risk::Low, at("2025-12-25T08:00:00Z"), &zone));
        assert!(freeze.forbids(Risk::Medium, at("2026-01-02T07:59:59Z"), &zone));
        assert!(!freeze.forbids(Risk::Medium, at("2026-01-02T08:00:00Z"), &zone));
    }

    #[test]
    fn a_value_keeps_its_shape() {
        let text = r#"{"a":[1,0.5,true],"b":{"c":"d"}}"#;
        let values: Values = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&values).unwrap(), text);
        assert_eq!(values["a"].as_integer(), None);
        assert_eq!(values["b"].as_text(), None);
    }
}
