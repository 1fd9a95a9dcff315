//! Modals: what is asked in a form, and what a submitted one means, is made and read in this file only.
//!
//! A form says in its `private_metadata` which one it is and what it is about, so that nothing has to be remembered
//! while somebody types. What is filled in becomes the same command that a typed line would have become.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::inbound::SubmittedView;
use super::text::{clean, cut};
use crate::domain::catalog::{Catalog, Severity};
use crate::domain::command::{Command, Declaration};
use crate::domain::decide::Refusal;
use crate::domain::event::{Mark, MessageRef, Resolution, Update};
use crate::domain::form::show_duration;
use crate::domain::incident::Incident;
use crate::domain::terms::{IncidentId, Role, ServiceId, SeverityId, SlackUserId, Status, Who};
use crate::templates::mrkdwn;

/// What the callback ids of our modals begin with.
const OURS: &str = "firebell:";
/// The most characters of a modal's title and buttons (slack-contract.md section 8.5).
const TITLE: usize = 24;
/// The most characters of an option's label (slack-contract.md section 8.4).
const LABEL: usize = 75;
/// The most options of a select.
const OPTIONS: usize = 100;
/// The most characters of a text field.
const TEXT: usize = 3_000;
/// The most characters of an incident's title: what still reads as one line.
const INCIDENT_TITLE: usize = 150;
/// The promises for the next update that are offered, in minutes.
const NEXT_UPDATES: [i64; 5] = [10, 15, 30, 60, 120];

/// Which form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "form", rename_all = "snake_case")]
pub enum Form {
    /// A new incident.
    Declare {
        /// The severity, if it was said already.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        severity: Option<SeverityId>,
        /// The message that it was declared on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        about: Option<MessageRef>,
    },
    /// A status update.
    Update,
    /// Another severity.
    Severity,
    /// A role for somebody.
    Role,
    /// The end; or what is added to it afterwards.
    Resolve {
        /// Whether it was resolved already when the form was opened: then it ends nothing.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        amends: bool,
    },
    /// A message that goes on the timeline of one of the open incidents.
    Keep {
        /// Which message.
        message: MessageRef,
    },
}

/// What a form is about: kept by Slack while it is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Open {
    #[serde(flatten)]
    form: Form,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    incident: Option<IncidentId>,
}

/// A submitted form, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filled {
    /// A new incident.
    Declare(Declaration),
    /// Something of an incident.
    Pursue(IncidentId, Command),
}

/// What is wrong with a form, by field.
pub type Errors = BTreeMap<&'static str, String>;

/// The form for a new incident. `said` is what is known already: of the message that it is declared on.
pub fn declare(
    catalog: &Catalog,
    severity: Option<&SeverityId>,
    about: Option<&MessageRef>,
    said: Option<&str>,
) -> Value {
    let severity = severity.or(catalog.severities.first().map(|first| &first.id));
    let (title, description) = match said {
        Some(said) => (said.lines().next(), Some(said)),
        None => (None, None),
    };
    let mut blocks = vec![
        input(
            "title",
            "What is wrong?",
            text_field(
                title,
                false,
                INCIDENT_TITLE,
                "checkout is down, in a few words",
            ),
        ),
        input(
            "severity",
            "Severity",
            select(&severities(catalog), severity.map(SeverityId::as_str)),
        ),
    ];
    if !catalog.services.is_empty() {
        let services: Vec<_> = catalog
            .services
            .iter()
            .map(|service| (service.name.clone(), service.id.to_string()))
            .collect();
        blocks.push(optional(input(
            "service",
            "Service",
            select(&services, None),
        )));
    }
    blocks.push(optional(input(
        "description",
        "What is known so far?",
        text_field(
            description,
            true,
            TEXT,
            "since when, whom it hurts, what was tried",
        ),
    )));
    blocks.push(optional(hint(
        input(
            "started",
            "When did it begin?",
            json!({ "type": "datetimepicker" }),
        ),
        "Left empty: just now.",
    )));
    let open = Open {
        form: Form::Declare {
            severity: severity.cloned(),
            about: about.cloned(),
        },
        incident: None,
    };
    modal("declare", "Declare an incident", "Declare", &open, blocks)
}

/// The form for a status update, prefilled with what was said last.
pub fn update(catalog: &Catalog, incident: &Incident) -> Value {
    let last = incident.last_update.as_ref();
    let mut blocks = vec![context_line(incident)];
    blocks.push(input(
        "text",
        "How do things stand?",
        text_field(None, true, TEXT, "for people who were not in the room"),
    ));
    let statuses: Vec<_> = Status::ALL
        .into_iter()
        .filter(|status| status.is_open())
        .map(|status| (status.word().to_owned(), status.word().to_lowercase()))
        .collect();
    // After the resolution the status moves by `reopen` and `close` only.
    if incident.status.is_open() {
        let now = incident.status.word().to_lowercase();
        blocks.push(input("status", "Status", select(&statuses, Some(&now))));
        blocks.push(input(
            "severity",
            "Severity",
            select(
                &severities_with(catalog, incident),
                Some(incident.severity.id.as_str()),
            ),
        ));
    }
    let field = |said: Option<&String>, placeholder| {
        text_field(said.map(String::as_str), true, TEXT, placeholder)
    };
    blocks.push(optional(input(
        "actions_taken",
        "Actions taken",
        field(None, "what was done since the last update"),
    )));
    blocks.push(optional(input(
        "next_steps",
        "Next steps",
        field(
            last.and_then(|update| update.next_steps.as_ref()),
            "what will be done",
        ),
    )));
    blocks.push(optional(input(
        "eta",
        "ETA",
        text_field(
            last.and_then(|update| update.eta.as_deref()),
            false,
            INCIDENT_TITLE,
            "when it is expected to be over",
        ),
    )));
    if incident.status.is_open() {
        let usual = match incident.severity.update_every {
            Some(every) => format!("As usual: in {}", show_duration(every)),
            None => "As usual: no fixed time".to_owned(),
        };
        let mut promises = vec![(usual, "usual".to_owned())];
        promises.extend(NEXT_UPDATES.map(|minutes| {
            let in_words = show_duration(SignedDuration::from_mins(minutes));
            (format!("In {in_words}"), minutes.to_string())
        }));
        blocks.push(input(
            "next_update",
            "Next update",
            select(&promises, Some("usual")),
        ));
    }
    about(incident, Form::Update, "Status update", "Post", blocks)
}

/// The form for another severity.
pub fn severity(catalog: &Catalog, incident: &Incident) -> Value {
    let blocks = vec![
        context_line(incident),
        input(
            "severity",
            "Severity",
            select(
                &severities_with(catalog, incident),
                Some(incident.severity.id.as_str()),
            ),
        ),
        optional(input(
            "reason",
            "Why?",
            text_field(None, true, TEXT, "it stands on the timeline"),
        )),
    ];
    about(incident, Form::Severity, "Severity", "Change", blocks)
}

/// The form for a role, prefilled with the first that nobody holds.
pub fn role(incident: &Incident, typist: &Who) -> Value {
    let roles = Role::ALL.map(|role| {
        let label = match incident.roles.get(&role) {
            Some(who) => format!("{} (now @{})", role.title(), incident.name_of(who)),
            None => role.title().to_owned(),
        };
        (label, role.word().to_owned())
    });
    let vacant = Role::ALL
        .into_iter()
        .find(|role| !incident.roles.contains_key(role))
        .unwrap_or(Role::IncidentCommander);
    let mut whom = json!({ "type": "users_select" });
    if let Some(user) = &typist.slack {
        whom["initial_user"] = json!(user);
    }
    let blocks = vec![
        context_line(incident),
        input("role", "Role", select(&roles, Some(vacant.word()))),
        input("user", "For whom?", whom),
    ];
    about(incident, Form::Role, "Roles", "Assign", blocks)
}

/// The form for the end, prefilled with what was said of it before.
pub fn resolve(incident: &Incident) -> Value {
    let said = &incident.resolution;
    let field = |id, label, said: &Option<String>, placeholder| {
        optional(input(
            id,
            label,
            text_field(said.as_deref(), true, TEXT, placeholder),
        ))
    };
    let blocks = vec![
        context_line(incident),
        hint(
            field(
                "root_cause",
                "Root cause",
                &said.root_cause,
                "as far as it is known",
            ),
            "Not known yet? Leave it empty and add it later, in the same form.",
        ),
        field(
            "resolution",
            "Resolution",
            &said.resolution,
            "what ended it",
        ),
        field(
            "impact",
            "Impact",
            &said.impact,
            "whom it hurt, and how much",
        ),
    ];
    let (title, submit) = match incident.status.is_open() {
        true => ("Resolve", "Resolve"),
        false => ("Resolution", "Save"),
    };
    let amends = !incident.status.is_open();
    about(incident, Form::Resolve { amends }, title, submit, blocks)
}

/// The form that asks on which timeline a message belongs.
pub fn keep(incidents: &[std::sync::Arc<Incident>], message: &MessageRef) -> Value {
    let open: Vec<_> = incidents
        .iter()
        .map(|incident| {
            let label = format!("{} {}", incident.id, incident.title);
            (label, incident.id.to_string())
        })
        .collect();
    let first = open.first().map(|(_, id)| id.clone());
    let blocks = vec![input(
        "incident",
        "On the timeline of",
        select(&open, first.as_deref()),
    )];
    let form = Open {
        form: Form::Keep {
            message: message.clone(),
        },
        incident: None,
    };
    modal("keep", "Add to timeline", "Add", &form, blocks)
}

/// A modal that only says something. `text` is mrkdwn of our own making.
pub fn told(title: &str, text: &str) -> Value {
    json!({
        "type": "modal",
        "title": plain(title, TITLE),
        "close": plain("Close", TITLE),
        "blocks": [{ "type": "section", "text": { "type": "mrkdwn", "text": cut(text, TEXT) } }],
    })
}

/// Reads a submitted form. None: it is not ours.
pub fn read(view: &SubmittedView, catalog: &Catalog) -> Option<Result<Filled, Errors>> {
    view.callback_id.strip_prefix(OURS)?;
    let why = "This form is of another version of Firebell. Copy your text, close the form, and open it again.";
    Some(understood(view, catalog).unwrap_or_else(|| Err(at_first(view, "", why))))
}

/// None: it is not a form that we ever made.
fn understood(view: &SubmittedView, catalog: &Catalog) -> Option<Result<Filled, Errors>> {
    let open: Open = serde_json::from_str(&view.private_metadata).ok()?;
    let fields = Fields { view };
    Some(match (open.form, open.incident) {
        (Form::Declare { about, .. }, _) => fields.declaration(about).map(Filled::Declare),
        (Form::Keep { message }, _) => {
            let id = IncidentId::new(fields.chosen("incident")?);
            let mark = Mark::Shortcut;
            Ok(Filled::Pursue(id, Command::MarkMessage { message, mark }))
        }
        (Form::Update, Some(id)) => fields.update().map(|command| Filled::Pursue(id, command)),
        (Form::Severity, Some(id)) => {
            let command = Command::ChangeSeverity {
                to: SeverityId::new(fields.chosen("severity")?),
                reason: fields.text("reason"),
            };
            Ok(Filled::Pursue(id, command))
        }
        (Form::Role, Some(id)) => {
            let user = SlackUserId::parse(fields.value("user")["selected_user"].as_str()?)?;
            let known = catalog.person_by_slack(&user);
            let name = known.map_or_else(|| user.to_string(), |person| person.name.clone());
            let command = Command::AssignRole {
                role: fields.chosen("role")?.parse().ok()?,
                to: Who::slack(user, name),
            };
            Ok(Filled::Pursue(id, command))
        }
        (Form::Resolve { amends }, Some(id)) => {
            // What was left as it stood is not said again: somebody may have written something else meanwhile.
            let resolution = Resolution {
                root_cause: fields.written("root_cause"),
                resolution: fields.written("resolution"),
                impact: fields.written("impact"),
            };
            let command = match amends {
                true => Command::Amend(resolution),
                false => Command::Resolve(resolution),
            };
            Ok(Filled::Pursue(id, command))
        }
        (Form::Update | Form::Severity | Form::Role | Form::Resolve { .. }, None) => return None,
    })
}

/// At which field of a form a refusal stands.
pub fn at_field(view: &SubmittedView, refusal: &Refusal) -> Errors {
    let wanted = match refusal {
        Refusal::NoTitle => "title",
        Refusal::NoSuchSeverity { .. } | Refusal::AlreadyOfSeverity { .. } => "severity",
        Refusal::AlreadyInRole { .. } | Refusal::NotForBots => "user",
        Refusal::StillToCome { .. } => "started",
        Refusal::AlreadyAt { .. } | Refusal::StatusByCommand { .. } => "status",
        _ => "",
    };
    at_first(view, wanted, &refusal.to_string())
}

/// An error at a field, or at the form's first one if it has no such field.
pub fn at_first(view: &SubmittedView, wanted: &str, why: &str) -> Errors {
    const FIELDS: [&str; 8] = [
        "title",
        "text",
        "severity",
        "status",
        "user",
        "root_cause",
        "incident",
        "started",
    ];
    let has = |field: &&&str| {
        view.blocks
            .iter()
            .any(|block| block["type"] == "input" && block["block_id"] == ***field)
    };
    let place = FIELDS
        .iter()
        .find(|field| **field == wanted && has(field))
        .or_else(|| FIELDS.iter().find(has));
    place
        .map(|place| (*place, why.replace('`', "")))
        .into_iter()
        .collect()
}

/// What was filled in.
struct Fields<'a> {
    view: &'a SubmittedView,
}

impl Fields<'_> {
    fn value(&self, field: &str) -> &Value {
        &self.view.state.values[field][field]
    }

    /// A text, if there is any. Slack gives what was typed as it is, without its escapes.
    fn text(&self, field: &str) -> Option<String> {
        let text = clean(self.value(field)["value"].as_str()?.to_owned());
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn chosen(&self, field: &str) -> Option<&str> {
        self.value(field)["selected_option"]["value"].as_str()
    }

    /// What the form came with in a field.
    fn preset(&self, field: &str) -> &Value {
        let mut blocks = self.view.blocks.iter();
        let block = blocks.find(|block| block["block_id"] == *field);
        block.map_or(&Value::Null, |block| &block["element"])
    }

    /// A text, if it is another one than the form came with.
    fn written(&self, field: &str) -> Option<String> {
        let preset = self.preset(field)["initial_value"].as_str();
        self.text(field)
            .filter(|text| preset.map(str::trim) != Some(text))
    }

    /// A choice, if it is another one than the form came with: what was left alone may have moved on meanwhile.
    fn moved(&self, field: &str) -> Option<&str> {
        let preset = self.preset(field)["initial_option"]["value"].as_str();
        self.chosen(field).filter(|chosen| preset != Some(chosen))
    }

    /// A text that Slack takes for filled in and that holds nothing but spaces is none.
    fn needed(&self, field: &'static str, what: &str) -> Result<String, Errors> {
        self.text(field)
            .ok_or_else(|| Errors::from([(field, what.to_owned())]))
    }

    fn declaration(&self, about: Option<MessageRef>) -> Result<Declaration, Errors> {
        let started = self.value("started")["selected_date_time"].as_i64();
        let title = self.needed("title", "What is wrong, in a few words?")?;
        Ok(Declaration {
            severity: self.chosen("severity").map(SeverityId::new),
            service: self.chosen("service").map(ServiceId::new),
            description: self.text("description"),
            started_at: started.and_then(|at| Timestamp::from_second(at).ok()),
            about,
            ..Declaration::titled(title)
        })
    }

    fn update(&self) -> Result<Command, Errors> {
        let minutes = self.chosen("next_update").and_then(|it| it.parse().ok());
        Ok(Command::PostUpdate {
            update: Update {
                text: self.needed("text", "How do things stand, in a sentence?")?,
                actions_taken: self.text("actions_taken"),
                next_steps: self.text("next_steps"),
                eta: self.text("eta"),
                next_update_in: minutes.map(SignedDuration::from_mins),
            },
            status: self.moved("status").and_then(|it| it.parse().ok()),
            severity: self.moved("severity").map(SeverityId::new),
        })
    }
}

/// A modal about an incident.
fn about(incident: &Incident, form: Form, title: &str, submit: &str, blocks: Vec<Value>) -> Value {
    let callback = match &form {
        Form::Declare { .. } => "declare",
        Form::Update => "update",
        Form::Severity => "severity",
        Form::Role => "role",
        Form::Resolve { .. } => "resolve",
        Form::Keep { .. } => "keep",
    };
    let open = Open {
        form,
        incident: Some(incident.id.clone()),
    };
    modal(callback, title, submit, &open, blocks)
}

fn modal(callback: &str, title: &str, submit: &str, open: &Open, blocks: Vec<Value>) -> Value {
    json!({
        "type": "modal",
        "callback_id": format!("{OURS}{callback}"),
        "private_metadata": serde_json::to_string(open).unwrap_or_default(),
        "title": plain(title, TITLE),
        "submit": plain(submit, TITLE),
        "close": plain("Cancel", TITLE),
        "blocks": blocks,
    })
}

/// Which incident a form is about, above its fields.
fn context_line(incident: &Incident) -> Value {
    let text = format!("*{}* {}", incident.id, mrkdwn(&incident.title));
    json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": cut(&text, TEXT) }] })
}

/// An input. Its element bears the name of its block: action ids must differ within a view.
fn input(id: &str, label: &str, mut element: Value) -> Value {
    element["action_id"] = json!(id);
    json!({ "type": "input", "block_id": id, "label": plain(label, TEXT), "element": element })
}

fn optional(mut input: Value) -> Value {
    input["optional"] = json!(true);
    input
}

fn hint(mut input: Value, text: &str) -> Value {
    input["hint"] = plain(text, TEXT);
    input
}

fn text_field(said: Option<&str>, multiline: bool, longest: usize, placeholder: &str) -> Value {
    let mut field = json!({
        "type": "plain_text_input",
        "multiline": multiline,
        "max_length": longest,
        "placeholder": plain(placeholder, 150),
    });
    if let Some(said) = said.filter(|said| !said.is_empty()) {
        field["initial_value"] = json!(cut(said, longest));
    }
    field
}

/// A select of `(label, value)`.
fn select(options: &[(String, String)], chosen: Option<&str>) -> Value {
    let options: Vec<Value> = options
        .iter()
        .take(OPTIONS)
        .map(|(label, value)| json!({ "text": plain(label, LABEL), "value": value }))
        .collect();
    let initial = options
        .iter()
        .find(|option| chosen.is_some_and(|chosen| option["value"] == *chosen))
        .cloned();
    let mut select = json!({ "type": "static_select", "options": options });
    if let Some(initial) = initial {
        select["initial_option"] = initial;
    }
    select
}

fn severities(catalog: &Catalog) -> Vec<(String, String)> {
    let label = |severity: &Severity| match severity.description.is_empty() {
        true => severity.name.clone(),
        false => format!("{}: {}", severity.name, severity.description),
    };
    catalog
        .severities
        .iter()
        .map(|severity| (label(severity), severity.id.to_string()))
        .collect()
}

/// The severities, with the incident's own if the configuration has lost it since.
fn severities_with(catalog: &Catalog, incident: &Incident) -> Vec<(String, String)> {
    let mut all = severities(catalog);
    if catalog.severity(&incident.severity.id).is_none() {
        let own = &incident.severity;
        all.insert(0, (own.name.clone(), own.id.to_string()));
    }
    all
}

fn plain(text: &str, longest: usize) -> Value {
    json!({ "type": "plain_text", "text": cut(text, longest), "emoji": true })
}

#[cfg(test)]
mod tests;
