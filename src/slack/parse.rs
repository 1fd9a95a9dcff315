//! `/incident …`, understood. One table: parser, help and errors come from it, for Slack and for the command line.
//!
//! ```text
//! /incident <subcommand> [INC-2025-0914-001] [arguments…]
//! ```

use jiff::SignedDuration;

use super::modal::Form;
use super::text::unescape;
use crate::domain::catalog::Catalog;
use crate::domain::command::{Command, Declaration};
use crate::domain::form::nearest;
use crate::domain::terms::{GroupId, IncidentId, Who};
use crate::domain::typed_time::TypedStretch;

mod people;
mod table;
mod watch;
mod words;

pub use table::{SUBCOMMANDS, Subcommand};

/// A line, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What is asked for.
    pub request: Request,
    /// The incident, if the line names one; else the war room tells.
    pub incident: Option<IncidentId>,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// A new incident.
    Declare(Declaration),
    /// Something of an incident.
    Pursue(Command),
    /// How an incident stands.
    ShowStatus,
    /// What happened so far.
    ShowTimeline,
    /// Which incidents are open.
    ListIncidents,
    /// Whom to call.
    ShowContacts,
    /// A form to fill in: the line left out what it needs.
    Fill(Form),
    /// Something of the alerts on a card.
    Alerts {
        /// Which.
        group: GroupId,
        /// What.
        wish: AlertWish,
    },
    /// Who is on call: in the schedule of this id, or in each.
    ShowOnCall(Option<String>),
    /// Something of the overrides of schedules.
    Override(OverrideWish),
    /// What can be typed; about one subcommand, if it is named.
    Help(Option<&'static Subcommand>),
}

/// What is wanted of the alerts on a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlertWish {
    /// An incident of their own.
    Declare,
    /// That they are part of this incident; none: of one that is still to be chosen.
    Attach(Option<IncidentId>),
    /// To say: “I have it”.
    Acknowledge,
    /// That they declare incidents again, although they were cut off.
    Resume,
    /// To hear nothing of them for so long.
    Snooze(SignedDuration),
}

/// What is wanted of the overrides of schedules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OverrideWish {
    /// That somebody takes a schedule over for a while.
    Make {
        /// The schedule's id.
        schedule: String,
        /// From when to when, as it was typed.
        stretch: TypedStretch,
        /// Who takes over.
        person: Who,
    },
    /// To see those in force and to come.
    List,
    /// That the one of this number counts no more.
    Undo(i64),
}

impl Request {
    /// Whether it is about one incident.
    pub fn needs_incident(&self) -> bool {
        match self {
            Request::Pursue(_) | Request::ShowStatus | Request::ShowTimeline => true,
            Request::Fill(Form::Declare { .. } | Form::Keep { .. }) => false,
            Request::Fill(_) => true,
            Request::Declare(_)
            | Request::ListIncidents
            | Request::ShowContacts
            | Request::Alerts { .. }
            | Request::ShowOnCall(_)
            | Request::Override(_)
            | Request::Help(_) => false,
        }
    }
}

/// What the parser may look at.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The configuration: severities and services are known by it.
    pub catalog: &'a Catalog,
    /// Who typed: "me".
    pub typist: &'a Who,
    /// Whether a form can be opened for them, where a line leaves out what it needs.
    pub forms: bool,
}

/// A line that was not understood, in words for the one who typed it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotUnderstood(pub String);

/// Understands a line: everything behind the slash command.
pub fn parse(line: &str, context: Context<'_>) -> Result<Line, NotUnderstood> {
    let (word, rest) = split(line);
    if word.is_empty() {
        return Ok(Line {
            request: Request::Help(None),
            incident: None,
        });
    }
    let Some(subcommand) = find(&word) else {
        // `INC-2025-0914-001 ack` is as clear as `ack INC-2025-0914-001`; the name alone asks how it stands.
        if context.catalog.incidents.id.id_of(&word).is_some() {
            let (next, behind) = split(rest);
            return match next.as_str() {
                "" => parse(&format!("status {word}"), context),
                next if find(next).is_some() => parse(&format!("{next} {word} {behind}"), context),
                next => Err(unknown(next, context)),
            };
        }
        return Err(unknown(&word, context));
    };
    // An incident may be named first: `/incident ack INC-2025-0914-001`.
    let (first, behind) = split(rest);
    let (incident, rest) = match context.catalog.incidents.id.id_of(&first) {
        Some(id) => (Some(IncidentId::new(id)), behind),
        None => (None, rest),
    };
    let request = (subcommand.parse)(rest.trim(), context)?;
    Ok(Line { request, incident })
}

/// The subcommand of a word.
pub fn find(word: &str) -> Option<&'static Subcommand> {
    SUBCOMMANDS.iter().find(|subcommand| {
        subcommand
            .words
            .iter()
            .any(|known| known.eq_ignore_ascii_case(word))
    })
}

fn unknown(word: &str, context: Context<'_>) -> NotUnderstood {
    let command = &context.catalog.slack.command;
    let known = SUBCOMMANDS
        .iter()
        .flat_map(|subcommand| subcommand.words.iter().copied());
    match nearest(&word.to_lowercase(), known) {
        Some(near) => NotUnderstood(format!(
            "There is no `{command} {word}`. Did you mean `{command} {near}`? `{command} help` lists everything."
        )),
        None => NotUnderstood(format!(
            "There is no `{command} {word}`. `{command} help` lists everything."
        )),
    }
}

/// The first word and the rest. The rest keeps its spaces and lines.
fn split(line: &str) -> (String, &str) {
    let line = line.trim_start();
    match line.split_once(char::is_whitespace) {
        Some((word, rest)) => (word.to_owned(), rest),
        None => (line.to_owned(), ""),
    }
}

fn subcommand(word: &str) -> &'static Subcommand {
    find(word).unwrap_or(&SUBCOMMANDS[SUBCOMMANDS.len() - 1])
}

fn wrong(word: &str, what: &str, context: Context<'_>) -> NotUnderstood {
    subcommand(word).wrong(what, &context.catalog.slack.command)
}

/// Plain text, if there is any. Names that Slack gives by id alone stay ids: nobody is asked while a command is read.
fn text(rest: &str) -> Option<String> {
    let text = unescape(rest, |_| None);
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn nothing(
    rest: &str,
    word: &str,
    context: Context<'_>,
    request: Request,
) -> Result<Request, NotUnderstood> {
    match rest.is_empty() {
        true => Ok(request),
        false => Err(wrong(
            word,
            &format!("`{word}` takes no further words."),
            context,
        )),
    }
}

#[cfg(test)]
mod tests;
