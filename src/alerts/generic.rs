//! A small JSON of our own for scripts, and bodies of anybody's making, whose fields are said by expressions.
//!
//! ```text
//! curl -H 'Authorization: Bearer …' -d '{"title": "backup failed", "severity": "P2"}' https://…/alerts/scripts
//! curl -H 'Authorization: Bearer …' -d '{"title": "backup failed", "status": "ok"}'   https://…/alerts/scripts
//! ```
//!
//! With `[[alert_sources]].fields` each field that is named there is what its expression gives for the body; the others
//! are looked for under the names that people use. In an expression `body` is the whole body and `item` the entry of
//! `each` at hand; without `each` it is the body too.

use std::collections::BTreeMap;

use jiff::Timestamp;
use minijinja::value::{Serde, Value as Template};
use minijinja::{Environment, Expression, UndefinedBehavior, context};
use serde_json::Value;

use super::said::{Said, digest};
use super::{Malformed, Sent, Told, json, times, words};
use crate::domain::alert::{Alert, Links, Signal};
use crate::domain::catalog::AlertField;

/// Reads a body by the source's `fields`, as far as it has some, and by the usual names.
pub(super) fn read(sent: &Sent<'_>) -> Result<Told, Malformed> {
    let body = json::parse(sent.body)?;
    read_body(sent, &body)
}

/// The same of a body that is parsed already.
pub(super) fn read_body(sent: &Sent<'_>, body: &Value) -> Result<Told, Malformed> {
    let fields = &sent.source.fields;
    if fields.is_empty() {
        // A script may send several at once.
        return match body {
            Value::Array(items) => Told::all(items.iter().map(by_usual_names)),
            _ => by_usual_names(body).map(Told::one),
        };
    }
    let environment = environment();
    let mapping = Mapping::compile(&environment, fields)?;
    let whole = Template::from(Serde(body));
    let Some(each) = &mapping.each else {
        return mapping.alert(body, &whole, &whole).map(Told::one);
    };
    match given(AlertField::Each, each, &whole, &whole)? {
        Value::Array(items) => Told::all(
            items
                .iter()
                .map(|item| mapping.alert(item, &whole, &Template::from(Serde(item)))),
        ),
        _ => Err(Malformed::new("`fields.each` gives no list for this body")),
    }
}

/// How many steps an expression may take: some hundred times what one needs.
const FUEL: u64 = 20_000;

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    // `body.a.b` of a body without `a` is nothing, as a field that is missing.
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment
}

/// The expressions of a source, compiled once for all that a body holds.
struct Mapping<'e> {
    each: Option<Expression<'e, 'e>>,
    fields: BTreeMap<AlertField, Expression<'e, 'e>>,
}

impl<'e> Mapping<'e> {
    fn compile(
        environment: &'e Environment<'e>,
        fields: &'e BTreeMap<AlertField, String>,
    ) -> Result<Self, Malformed> {
        let mut compiled = BTreeMap::new();
        for (field, expression) in fields {
            let expression = environment.compile_expression(expression);
            compiled.insert(*field, expression.map_err(|error| failed(*field, &error))?);
        }
        Ok(Self {
            each: compiled.remove(&AlertField::Each),
            fields: compiled,
        })
    }

    /// The alert in an item of a body.
    fn alert(&self, item: &Value, whole: &Template, part: &Template) -> Result<Alert, Malformed> {
        let mut values = BTreeMap::new();
        for (field, expression) in &self.fields {
            values.insert(*field, given(*field, expression, whole, part)?);
        }
        let missing = match values.contains_key(&AlertField::Title) {
            true => "`fields.title` gives nothing for this body",
            false => MISSING_TITLE,
        };
        said(&|field| values.get(&field).cloned().or_else(|| usual(item, field)))?
            .ok_or_else(|| Malformed::new(missing))?
            .cut()
    }
}

/// What an expression gives. What JSON cannot say (a number that is none, a key that is no text) says nothing.
fn given(
    field: AlertField,
    expression: &Expression<'_, '_>,
    body: &Template,
    item: &Template,
) -> Result<Value, Malformed> {
    let given = expression
        .eval(context! { body => body, item => item })
        .map_err(|error| failed(field, &error))?;
    Ok(serde_json::to_value(&given).unwrap_or(Value::Null))
}

/// What a filter says of its input is left out: it may repeat what was sent.
fn failed(field: AlertField, error: &minijinja::Error) -> Malformed {
    Malformed::new(format!(
        "`fields.{field}` cannot be worked out for this body: {}",
        error.kind()
    ))
}

/// An alert whose fields have the names that people use.
pub(super) fn by_usual_names(item: &Value) -> Result<Alert, Malformed> {
    if !item.is_object() {
        return Err(Malformed::new(
            "an alert must be a JSON object: { \"title\": … }",
        ));
    }
    said(&|field| usual(item, field))?
        .ok_or_else(|| Malformed::new(MISSING_TITLE))?
        .cut()
}

const MISSING_TITLE: &str = "the alert has no title: send { \"title\": … }";

/// The names under which a field is looked for. Whatever says when something was sent says nothing of since when it
/// holds, so `time` and `timestamp` are none of them.
fn names(field: AlertField) -> &'static [&'static str] {
    match field {
        AlertField::Each => &[],
        AlertField::Title => &["title", "summary", "message"],
        AlertField::Key => &["key", "id", "dedup_key", "alias", "dedup"],
        AlertField::Status => &["status", "state", "action"],
        AlertField::Severity => &["severity", "priority"],
        AlertField::Name => &["name"],
        AlertField::Description => &["description", "details", "body", "text"],
        AlertField::Labels => &["labels", "tags"],
        AlertField::StartedAt => &["started_at", "startsAt", "start"],
        AlertField::EndedAt => &["ended_at", "endsAt", "end"],
        AlertField::Link => &["link", "url"],
        AlertField::Runbook => &["runbook", "runbook_url"],
        AlertField::Dashboard => &["dashboard", "dashboard_url"],
        AlertField::Silence => &["silence", "silence_url"],
    }
}

fn usual(item: &Value, field: AlertField) -> Option<Value> {
    let named = |name: &&str| item.get(*name).filter(|value| json::deep(value).is_some());
    names(field).iter().find_map(named).cloned()
}

/// What the fields say; none without a title.
fn said(field: &dyn Fn(AlertField) -> Option<Value>) -> Result<Option<Said>, Malformed> {
    let text = |name: AlertField| field(name).as_ref().and_then(json::deep);
    let time = |name: AlertField| -> Option<Timestamp> { times::read(&field(name)?) };
    let signal = match text(AlertField::Status) {
        None => Signal::Firing,
        Some(word) => words::signal(&word).ok_or_else(|| {
            Malformed::new(format!(
                "the status is no word that we know: {}",
                words::KNOWN
            ))
        })?,
    };
    let Some(title) = text(AlertField::Title).or_else(|| text(AlertField::Name)) else {
        return Ok(None);
    };
    let labels = json::labels(field(AlertField::Labels).as_ref());
    let key = text(AlertField::Key).unwrap_or_else(|| made_key(&title, &labels));
    let mut said = Said::new(key, signal, title);
    said.name = text(AlertField::Name).unwrap_or_default();
    said.description = text(AlertField::Description);
    said.severity = text(AlertField::Severity).or_else(|| labels.get("severity").cloned());
    said.labels = labels;
    said.links = Links {
        runbook: text(AlertField::Runbook),
        dashboard: text(AlertField::Dashboard),
        silence: text(AlertField::Silence),
        origin: text(AlertField::Link),
    };
    said.started_at = time(AlertField::StartedAt);
    said.ended_at = match signal {
        Signal::Resolved => time(AlertField::EndedAt),
        Signal::Firing | Signal::Acknowledged | Signal::Unacknowledged | Signal::Noted => None,
    };
    Ok(Some(said))
}

/// The key of what has none: its title, and its labels if it has some; so the same with `"status": "ok"` ends it.
fn made_key(title: &str, labels: &BTreeMap<String, String>) -> String {
    if labels.is_empty() {
        return title.to_owned();
    }
    let mut whole = title.to_owned();
    for (name, value) in labels {
        for part in [name, value] {
            whole.push('\0');
            whole.push_str(part);
        }
    }
    digest(whole.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::samples::{read_at, sample, show, shown, source, with};
    use super::*;
    use crate::domain::catalog::AlertSource;
    use crate::domain::catalog::SourceKind::Generic;

    fn mapping(fields: &[(AlertField, &str)]) -> AlertSource {
        AlertSource {
            fields: fields
                .iter()
                .map(|(field, text)| (*field, (*text).to_owned()))
                .collect(),
            ..source(Generic)
        }
    }

    fn reason(body: &str) -> String {
        read_at(Generic, body.as_bytes()).unwrap_err().reason
    }

    #[test]
    fn a_line_of_curl_is_enough() {
        insta::assert_snapshot!(shown(Generic, "generic/curl.json"), @r"
        Firing backup failed
          name backup failed
          title backup failed
        ");
    }

    #[test]
    fn everything_can_be_said() {
        insta::assert_snapshot!(shown(Generic, "generic/full.json"), @r#"
        Resolved 4711
          name nightly backup
          title backup of db-1 failed
          description {"exit":1}
          severity P2
          labels env="prod" severity="P2" tags="nightly"
          runbook https://runbooks.example.com/backup
          origin https://ci.example.com/4711
          from 2026-08-20T09:14:02Z
          to 2026-08-20T09:14:02Z
        "#);
    }

    #[test]
    fn the_same_title_and_labels_are_the_same_condition() {
        let key = |body: &str| {
            read_at(Generic, body.as_bytes()).unwrap().alerts[0]
                .key
                .clone()
        };
        assert_eq!(
            key(r#"{"title":"backup failed","description":"disk full","labels":{"host":"a"}}"#),
            key(r#"{"title":"backup failed","status":"ok","labels":{"host":"a"}}"#)
        );
        assert_ne!(
            key(r#"{"title":"backup failed","labels":{"host":"a"}}"#),
            key(r#"{"title":"backup failed","labels":{"host":"b"}}"#)
        );
    }

    #[test]
    fn what_is_missing_is_told() {
        assert_eq!(reason(r#"{"severity":"P1"}"#), MISSING_TITLE);
        assert_eq!(reason(r#"{"title":" "}"#), MISSING_TITLE);
        assert_eq!(
            reason("[]extra"),
            "the body is not JSON: trailing characters at line 1 column 3"
        );
        assert_eq!(
            reason("7"),
            "an alert must be a JSON object: { \"title\": … }"
        );
        assert_eq!(
            reason(r#"{"title":"a","status":"secret"}"#),
            "the status is no word that we know: write firing, resolved, acknowledged or info"
        );
    }

    #[test]
    fn a_body_of_somebody_elses_making_is_mapped_by_expressions() {
        use AlertField::*;
        let source = mapping(&[
            (Each, "body.jobs"),
            (Title, "item.job ~ ' of ' ~ body.repository"),
            (Key, "item.id"),
            (Status, "'resolved' if item.ok else 'firing'"),
            (Severity, "'P1' if item.branch == 'main' else none"),
            (Labels, "{'branch': item.branch, 'team': body.owner.team}"),
            (StartedAt, "item.began"),
            (Link, "item.nothing.at.all"),
        ]);
        insta::assert_snapshot!(show(with(&source, &[], &sample("generic/jobs.json"), read)), @r#"
        Firing 1
          name deploy of checkout
          title deploy of checkout
          severity P1
          labels branch="main" severity="P1" team="payments"
          from 2026-08-20T09:10:00Z
        Resolved 2
          name lint of checkout
          title lint of checkout
          labels branch="fix" team="payments"
        Firing 3
          name of checkout
          title of checkout
          labels team="payments"
        "#);
    }

    #[test]
    fn an_expression_that_fails_is_told_without_what_was_sent() {
        use AlertField::*;
        let told = |fields: &[(AlertField, &str)], body: &str| {
            with(&mapping(fields), &[], body.as_bytes(), read)
                .map(|_| ())
                .unwrap_err()
                .reason
        };
        assert_eq!(
            told(&[(Title, "body.a")], "{}"),
            "`fields.title` gives nothing for this body"
        );
        assert_eq!(
            told(&[(Each, "body.a")], r#"{"a":7}"#),
            "`fields.each` gives no list for this body"
        );
        assert_eq!(
            told(&[(Title, "body.a|nope")], r#"{"a":"hunter2"}"#),
            "`fields.title` cannot be worked out for this body: unknown filter"
        );
        assert!(!told(&[(Title, "body.a|int")], r#"{"a":"hunter2"}"#).contains("hunter2"));
        let endless = format!("[{}]", "body.a,".repeat(20_000));
        assert!(told(&[(Title, &endless)], r#"{"a":"x"}"#).contains("fuel"));
    }
}
