//! What is sent to Opsgenie, its alert API, and what Opsgenie itself sends on, its outgoing webhook.
//!
//! Sources: Opsgenie docs, "Alert API" and "Webhook integration"; opsgenie-oas `CreateAlertPayload`.

use serde_json::Value;

use super::said::{self, Said, made_key};
use super::{Malformed, Sent, Told, json, times};
use crate::domain::alert::{Links, Signal};
use crate::domain::remark::Remark;
use crate::domain::terms::DedupKey;

/// Reads what comes to `/alerts/{id}`: an outgoing webhook, or the body of [`create`].
pub(super) fn read(sent: &Sent<'_>) -> Result<Told, Malformed> {
    let body = json::object(sent.body)?;
    match body.get("alert") {
        Some(alert) if body.get("action").is_some() => webhook(&body, alert),
        Some(_) | None => created(sent, &body),
    }
}

/// Reads `POST /v2/alerts`. While an alert of the alias is open it is the same one, however often it is created.
pub fn create(sent: &Sent<'_>) -> Result<Told, Malformed> {
    created(sent, &json::object(sent.body)?)
}

/// What is asked for an alert by its alias, `POST /v2/alerts/{alias}/…?identifierType=alias`.
///
/// Whose it is, how it is labelled and for how long it is silent is said by routes and by buttons here, so of a sender's
/// wish for that a note is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Request {
    /// `…/acknowledge`
    Acknowledge,
    /// `…/close`
    Close,
    /// `…/notes`
    Note,
    /// `…/tags`
    Tag,
    /// `…/details`
    Detail,
    /// `…/assign`
    Assign,
    /// `…/snooze`
    Snooze,
}

const REQUESTS: [(&str, Request); 7] = [
    ("acknowledge", Request::Acknowledge),
    ("close", Request::Close),
    ("notes", Request::Note),
    ("tags", Request::Tag),
    ("details", Request::Detail),
    ("assign", Request::Assign),
    ("snooze", Request::Snooze),
];

impl Request {
    /// The request of this word.
    pub fn of(word: &str) -> Option<Self> {
        let found = REQUESTS.iter().find(|(known, _)| *known == word);
        found.map(|(_, request)| *request)
    }

    /// The words that are known, for whoever writes another.
    pub fn words() -> String {
        REQUESTS.map(|(word, _)| word).join(", ")
    }
}

/// The key of an alias; none if it is blank.
pub fn key(alias: &str) -> Option<DedupKey> {
    said::key(alias).map(DedupKey::new)
}

/// Reads a request for the alert of an alias; the body may be empty, except of a note.
pub fn act(sent: &Sent<'_>, alias: &str, request: Request) -> Result<Told, Malformed> {
    let body = match sent.body.trim_ascii().is_empty() {
        true => json::nothing(),
        false => json::object(sent.body)?,
    };
    let note = json::text(&body, "note");
    let noted = |what: Option<String>, fault| {
        let what = what.ok_or_else(|| invalid(fault))?;
        Ok((Signal::Noted, Some(what)))
    };
    let (signal, what) = match request {
        Request::Acknowledge => (Signal::Acknowledged, note.clone()),
        Request::Close => (Signal::Resolved, note.clone()),
        Request::Note => noted(note.clone(), "note: must not be empty")?,
        Request::Tag => {
            let tags: Vec<_> = json::list(&body, "tags")
                .iter()
                .filter_map(json::plain)
                .collect();
            let tags = (!tags.is_empty()).then(|| format!("tagged: {}", tags.join(", ")));
            noted(tags, "tags: must not be empty")?
        }
        Request::Detail => {
            let details = json::labels(body.get("details"));
            let pairs: Vec<_> = details
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            let pairs = (!pairs.is_empty()).then(|| format!("details: {}", pairs.join(", ")));
            noted(pairs, "details: must not be empty")?
        }
        Request::Assign => {
            let owner = body
                .get("owner")
                .and_then(|owner| json::first(owner, &["username", "id"]));
            noted(
                owner.map(|it| format!("assigned to {it}")),
                "owner: must not be empty",
            )?
        }
        Request::Snooze => {
            let until = times::of(&body, "endTime");
            noted(
                until.map(|it| format!("snoozed until {it}")),
                "endTime: must be a time",
            )?
        }
    };
    let title = what.clone().unwrap_or_else(|| alias.to_owned());
    let mut said = Said::new(alias, signal, title);
    said.name = alias.to_owned();
    // What was done, and the note that came with it.
    let text = match (what, note) {
        (Some(what), Some(note)) if what != note => Some(format!("{what}: {note}")),
        (what, note) => what.or(note),
    };
    said.remark = Remark {
        by: json::text(&body, "user"),
        text,
    };
    for name in ["user", "source"] {
        said.label(name, json::text(&body, name));
    }
    Ok(Told::one(said.cut()?))
}

fn invalid(fault: &str) -> Malformed {
    Malformed {
        reason: "Request body is not processable. Please check the errors.".to_owned(),
        faults: vec![fault.to_owned()],
    }
}

fn created(sent: &Sent<'_>, body: &Value) -> Result<Told, Malformed> {
    let Some(message) = json::text(body, "message") else {
        return Err(invalid("message: must not be empty"));
    };
    let alias = json::text(body, "alias");
    let key = alias.clone().unwrap_or_else(|| made_key(sent.body));
    let mut said = common(body, &key, Signal::Firing, &message);
    // Nothing can close what has no alias, so what is sent again later is another.
    said.started_at = alias.is_none().then_some(sent.now);
    if let Some(note) = json::text(body, "note") {
        said.description = Some(match said.description {
            Some(description) => format!("{description}\n\n{note}"),
            None => note,
        });
    }
    // Without a word Opsgenie takes P3.
    said.severity = Some(said.severity.unwrap_or_else(|| "P3".to_owned()));
    Ok(Told::one(said.cut()?))
}

/// An outgoing webhook: what happened to an alert in Opsgenie. `createdAt` counts milliseconds, `updatedAt` nanoseconds.
fn webhook(body: &Value, alert: &Value) -> Result<Told, Malformed> {
    let action = json::text(body, "action").unwrap_or_default();
    let signal = match action.as_str() {
        "Create" => Signal::Firing,
        "Acknowledge" => Signal::Acknowledged,
        "UnAcknowledge" => Signal::Unacknowledged,
        "Close" | "Delete" => Signal::Resolved,
        // AddNote, Escalate, Snooze, AssignOwnership, AddTags …: it still holds as it did.
        _ => Signal::Noted,
    };
    let Some(key) = json::first(alert, &["alias", "alertId"]) else {
        return Err(Malformed::new(
            "the alert has neither `alias` nor `alertId`",
        ));
    };
    let message = json::text(alert, "message").unwrap_or_else(|| key.clone());
    let mut said = common(alert, &key, signal, &message);
    let note = json::text(alert, "note");
    said.description = note.clone().or(said.description);
    let text = note.or_else(|| match action.as_str() {
        "Snooze" => Some("snoozed".to_owned()),
        "AssignOwnership" => json::text(alert, "owner").map(|owner| format!("assigned to {owner}")),
        _ => None,
    });
    said.remark = match signal {
        Signal::Firing => Remark::default(),
        Signal::Noted if text.is_none() => Remark::default(),
        Signal::Acknowledged | Signal::Unacknowledged | Signal::Resolved | Signal::Noted => {
            let by = json::text(alert, "username");
            Remark { by, text }
        }
    };
    said.label("action", Some(action));
    said.label("team", json::text(alert, "team"));
    said.started_at = times::of(alert, "createdAt");
    said.ended_at = match signal {
        Signal::Resolved => times::of(alert, "updatedAt"),
        Signal::Firing | Signal::Acknowledged | Signal::Unacknowledged | Signal::Noted => None,
    };
    Ok(Told::one(said.cut()?))
}

fn common(alert: &Value, key: &str, signal: Signal, message: &str) -> Said {
    let mut said = Said::new(key, signal, message);
    said.description = json::text(alert, "description");
    said.severity = json::text(alert, "priority");
    let details = json::labels(alert.get("details"));
    let detail = |names: [&str; 2]| names.iter().find_map(|name| details.get(*name)).cloned();
    said.links = Links {
        runbook: detail(["runbook_url", "runbook"]),
        dashboard: detail(["dashboard_url", "dashboard"]),
        silence: None,
        origin: None,
    };
    said.labels = json::labels(alert.get("tags"));
    said.labels.extend(details);
    let team = |it: &&Value| it.get("type").and_then(Value::as_str) == Some("team");
    let responders = json::list(alert, "responders");
    let team = responders
        .iter()
        .find(team)
        .and_then(|team| json::text(team, "name"));
    said.label("team", team);
    for name in ["entity", "source"] {
        said.label(name, json::text(alert, name));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::super::samples::{read_at, sample, show, shown, source, with};
    use super::*;
    use crate::domain::catalog::SourceKind::Opsgenie;

    fn acted(alias: &str, request: Request, body: &str) -> String {
        show(with(&source(Opsgenie), &[], body.as_bytes(), |sent| {
            act(sent, alias, request)
        }))
    }

    #[test]
    fn an_alert_is_created() {
        insta::assert_snapshot!(shown(Opsgenie, "opsgenie/create.json"), @r#"
        Firing checkout-5xx
          name Checkout 5xx above 5%
          title Checkout 5xx above 5%
          description ALB target 5xx ...⏎⏎first seen after deploy 412
          severity P1
          labels entity="checkout" exported_source="cloudwatch" region="us-east-1" runbook="https://runbooks.example.com/checkout" severity="P1" tags="prod" team="payments"
          runbook https://runbooks.example.com/checkout
        "#);
        let same = with(
            &source(Opsgenie),
            &[],
            &sample("opsgenie/create.json"),
            create,
        );
        assert_eq!(show(same), shown(Opsgenie, "opsgenie/create.json"));
    }

    #[test]
    fn without_an_alias_and_a_priority_it_gets_both() {
        let alert = &read_at(Opsgenie, br#"{"message":"a"}"#).unwrap().alerts[0];
        assert_eq!(alert.severity.as_deref(), Some("P3"));
        assert_eq!(alert.key.as_str().len(), 32);
        assert!(alert.started_at.is_some());
    }

    #[test]
    fn an_alias_is_acknowledged_closed_and_written_about() {
        insta::assert_snapshot!(acted("checkout-5xx", Request::Acknowledge, r#"{"user":"ana","note":"on it"}"#), @r#"
        Acknowledged checkout-5xx
          name checkout-5xx
          title on it
          labels user="ana"
          by ana
          remark on it
        "#);
        insta::assert_snapshot!(acted("checkout-5xx", Request::Close, ""), @r"
        Resolved checkout-5xx
          name checkout-5xx
          title checkout-5xx
        ");
        insta::assert_snapshot!(acted("checkout-5xx", Request::Note, r#"{"note":"rolled back"}"#), @r"
        Noted checkout-5xx
          name checkout-5xx
          title rolled back
          remark rolled back
        ");
        insta::assert_snapshot!(acted("checkout-5xx", Request::Note, "{}"), @r"
        malformed: Request body is not processable. Please check the errors.
        - note: must not be empty
        ");
        for (word, body, wanted) in [
            ("tags", r#"{"tags":["prod",7,null]}"#, "tagged: prod, 7"),
            ("details", r#"{"details":{"k":"v"}}"#, "details: k=v"),
            (
                "assign",
                r#"{"owner":{"username":"ana"}}"#,
                "assigned to ana",
            ),
            (
                "snooze",
                r#"{"endTime":"2026-08-20T10:00:00+0000"}"#,
                "snoozed until 2026-08-20T10:00:00Z",
            ),
        ] {
            let request = Request::of(word).unwrap();
            let told = acted("a", request, body);
            assert_eq!(
                told,
                format!("Noted a\n  name a\n  title {wanted}\n  remark {wanted}")
            );
            assert!(
                acted("a", request, "{}").starts_with("malformed: "),
                "{word}"
            );
        }
        assert_eq!(Request::of("delete"), None);
        insta::assert_snapshot!(acted(" ", Request::Close, "{}"), @"malformed: the alert has nothing that tells it from others of the same source");
    }

    #[test]
    fn an_outgoing_webhook_is_read_in_its_two_units_of_time() {
        insta::assert_snapshot!(shown(Opsgenie, "opsgenie/webhook-create.json"), @r#"
        Firing checkout-5xx
          name [Datadog] checkout p99
          title [Datadog] checkout p99
          description slow
          severity P1
          labels action="Create" entity="e" exported_source="datadog" k="v" severity="P1" tags="tag1" team="payments"
          from 2015-03-20T11:19:15.306Z
        "#);
        insta::assert_snapshot!(shown(Opsgenie, "opsgenie/webhook-close.json"), @r#"
        Resolved checkout-5xx
          name [Datadog] checkout p99
          title [Datadog] checkout p99
          description slow
          severity P1
          labels action="Close" entity="e" exported_source="datadog" k="v" severity="P1" tags="tag1" team="payments"
          by system
          from 2015-03-20T11:19:15.306Z
          to 2015-03-20T12:19:15.306Z
        "#);
    }

    #[test]
    fn what_else_happens_to_an_alert_is_noted_and_told_in_words() {
        let said = |action: &str, said: &str| {
            let body = format!(
                r#"{{"action":"{action}","alert":{{"alias":"a","message":"m","username":"ana"{said}}}}}"#
            );
            let alert = read_at(Opsgenie, body.as_bytes()).unwrap().alerts.remove(0);
            let remark = alert.remark.unwrap_or_default();
            (alert.signal, remark.by, remark.text)
        };
        let ana = || Some("ana".to_owned());
        let text = |text: &str| Some(text.to_owned());
        for (action, extra, wanted) in [
            ("Acknowledge", "", (Signal::Acknowledged, ana(), None)),
            ("UnAcknowledge", "", (Signal::Unacknowledged, ana(), None)),
            (
                "AddNote",
                r#","note":"rolled back""#,
                (Signal::Noted, ana(), text("rolled back")),
            ),
            ("Snooze", "", (Signal::Noted, ana(), text("snoozed"))),
            (
                "AssignOwnership",
                r#","owner":"bo""#,
                (Signal::Noted, ana(), text("assigned to bo")),
            ),
            ("AddTags", "", (Signal::Noted, None, None)),
            ("Create", r#","note":"n""#, (Signal::Firing, None, None)),
        ] {
            assert_eq!(said(action, extra), wanted, "{action}");
        }
        for action in [
            "Escalate",
            "AddNote",
            "AssignOwnership",
            "Snooze",
            "Whatever",
        ] {
            let body = format!(r#"{{"action":"{action}","alert":{{"alias":"a","message":"m"}}}}"#);
            assert_eq!(
                read_at(Opsgenie, body.as_bytes()).unwrap().alerts[0].signal,
                Signal::Noted
            );
        }
    }

    #[test]
    fn without_a_message_it_is_malformed() {
        let malformed = read_at(Opsgenie, b"{}").unwrap_err();
        assert_eq!(malformed.faults, ["message: must not be empty"]);
        assert!(read_at(Opsgenie, br#"{"action":"Create","alert":{}}"#).is_err());
    }
}
