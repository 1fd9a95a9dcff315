//! Tries templates and expressions before an alert comes: what they name is there, and every filter is one.
//!
//! minijinja finds out that there is no such filter only when it comes to it. So each is tried on samples in which what is
//! looked up is missing, or a text some levels down: one of them leads along each way through it, unless that hangs on what
//! a text says.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use minijinja::value::{Object, Value};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};

use crate::domain::form::{WrongForm, nearest};

/// What a template of a route may name.
pub const OF_AN_ALERT: [&str; 5] = ["labels", "source", "name", "title", "severity"];
/// What a template over a page may name (`notify::page`).
pub const OF_A_PAGE: [&str; 15] = [
    "acknowledge_url",
    "content",
    "event",
    "incident",
    "key",
    "organization",
    "person",
    "service",
    "severity",
    "short",
    "since",
    "subject",
    "title",
    "url",
    "why",
];
/// What an expression over a body may name.
pub const OF_A_BODY: [&str; 2] = ["body", "item"];

/// Steps that a trial may take, as when an alert comes.
const FUEL: u64 = 10_000;
/// How many levels down what is sent may say something.
const LEVELS: usize = 6;

/// The filters that people use most, for whoever has mistyped one.
const FILTERS: [&str; 16] = [
    "capitalize",
    "default",
    "first",
    "int",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "replace",
    "round",
    "split",
    "string",
    "title",
    "trim",
    "upper",
];

/// Where a trial is held: nothing that is missing stops it.
pub fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_fuel(Some(FUEL));
    environment
}

/// Errors: a name that is none of the known ones, and a filter, test or function that there is not.
pub fn prove(
    environment: &Environment<'_>,
    known: &'static [&'static str],
    names: HashSet<String>,
    try_on: impl Fn(Value) -> Option<Error>,
) -> Result<(), WrongForm> {
    let is_global = |name: &str| environment.globals().any(|(global, _)| global == name);
    let mut strange: Vec<String> = names
        .into_iter()
        .filter(|it| !known.contains(&it.as_str()) && !is_global(it))
        .collect();
    strange.sort();
    if let Some(name) = strange.first() {
        let help = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known here: {}", known.join(", ")),
        };
        return Err(WrongForm::new(format!("there is no `{name}` here"), help));
    }
    let samples = (0..=LEVELS).map(|levels| {
        let value = |name: &&'static str| Some((*name, Sample::value(levels.checked_sub(1)?)));
        Value::from(known.iter().filter_map(value).collect::<BTreeMap<_, _>>())
    });
    match samples.filter_map(try_on).find(is_unknown) {
        None => Ok(()),
        Some(error) => {
            let detail = error.detail().unwrap_or("it names what is unknown");
            // "filter lowr is unknown"
            let named = detail.split(' ').nth(1).unwrap_or_default();
            let help = match nearest(named, FILTERS) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "known are those of Jinja, as minijinja has them".to_owned(),
            };
            Err(WrongForm::new(format!("this cannot work: {detail}"), help))
        }
    }
}

fn is_unknown(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction
    )
}

/// Something that holds whatever is looked up in it, so many levels down; then it is a text.
#[derive(Debug)]
struct Sample(usize);

impl Sample {
    fn value(levels: usize) -> Value {
        match levels.checked_sub(1) {
            Some(below) => Value::from_object(Self(below)),
            None => Value::from("7"),
        }
    }
}

impl Object for Sample {
    fn get_value(self: &Arc<Self>, _: &Value) -> Option<Value> {
        Some(Self::value(self.0))
    }
}
