//! The words of the other subcommands: incidents, their alerts, their record.

use jiff::SignedDuration;
use jiff::civil::Date;

use super::people::mention;
use super::{AlertWish, Context, NotUnderstood, Request, find, split, text, unknown, wrong};
use crate::domain::command::{Command, Declaration};
use crate::domain::decide::Refusal;
use crate::domain::event::{ExportFormat, Resolution, Update};
use crate::domain::form::parse_duration;
use crate::domain::terms::{GroupId, IncidentId, ServiceId, SeverityId, Status};
use crate::slack::modal::Form;

/// For how long alerts are silent when nothing else is said.
const SNOOZE: SignedDuration = SignedDuration::from_hours(1);
/// For how long they can be: what is silent for longer is forgotten.
const SNOOZE_MAX: SignedDuration = SignedDuration::from_hours(24);

pub(super) fn alert(rest: &str, context: Context<'_>) -> Result<Request, NotUnderstood> {
    let (word, rest) = split(rest);
    let (group, rest) = split(rest);
    let (last, _) = split(rest);
    let wish = match word.as_str() {
        "ack" | "acknowledge" => AlertWish::Acknowledge,
        "declare" => AlertWish::Declare,
        "resume" => AlertWish::Resume,
        "attach" => {
            let incident = context.catalog.incidents.id.id_of(&last);
            AlertWish::Attach(incident.map(IncidentId::new))
        }
        "snooze" if last.is_empty() => AlertWish::Snooze(SNOOZE),
        "snooze" => match parse_duration(&last) {
            Ok(pause) if pause <= SNOOZE_MAX => AlertWish::Snooze(pause),
            Ok(_) | Err(_) => {
                return Err(wrong(
                    "alert",
                    "For how long? At most a day, as in `1h`.",
                    context,
                ));
            }
        },
        _ => return Err(wrong("alert", "What is to become of them?", context)),
    };
    if !group.starts_with("grp-") {
        return Err(wrong(
            "alert",
            "Which alerts? Their card has buttons for this.",
            context,
        ));
    }
    Ok(Request::Alerts {
        group: GroupId::new(group),
        wish,
    })
}

pub(super) fn declare(rest: &str, context: Context<'_>) -> Result<Request, NotUnderstood> {
    let (first, behind) = split(rest);
    let word = first.trim_end_matches([':', ',', '-']);
    let known = context.catalog.find_severity(word);
    let (severity, rest) = match known {
        Some(severity) => (Some(severity.id.clone()), behind),
        // In a title it would call everybody in for the gravest.
        None if looks_like_severity(word) => return Err(no_such_severity(word, context)),
        None => (None, rest),
    };
    let mut service = None;
    let mut words = Vec::new();
    for word in rest.split_inclusive(char::is_whitespace) {
        match word.trim_end().strip_prefix("service:") {
            Some(name) if service.is_none() => service = Some(find_service(name, context)?),
            Some(_) | None => words.push(word),
        }
    }
    let said = text(&words.concat());
    if said.is_none() && context.forms {
        return Ok(Request::Fill(Form::Declare {
            severity,
            about: None,
        }));
    }
    let title = said.ok_or_else(|| wrong("declare", "What is wrong?", context))?;
    // A title is one line; what follows it is the description.
    let (title, description) = match title.split_once('\n') {
        Some((title, more)) => (title.trim().to_owned(), text(more)),
        None => (title, None),
    };
    Ok(Request::Declare(Declaration {
        severity,
        service,
        description,
        ..Declaration::titled(title)
    }))
}

/// Whether a word can only have been meant as a severity: `p5`, `sev0`, `S-1`.
fn looks_like_severity(word: &str) -> bool {
    let word = word.to_lowercase();
    ["severity", "sev", "p", "s"].iter().any(|prefix| {
        word.strip_prefix(prefix).is_some_and(|rest| {
            let number = rest.strip_prefix('-').unwrap_or(rest);
            (1..=2).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit())
        })
    })
}

fn no_such_severity(word: &str, context: Context<'_>) -> NotUnderstood {
    let known = context.catalog.severities.iter();
    let refusal = Refusal::NoSuchSeverity {
        wanted: SeverityId::new(word),
        known: known.map(|severity| severity.id.clone()).collect(),
    };
    NotUnderstood(refusal.to_string())
}

fn find_service(name: &str, context: Context<'_>) -> Result<ServiceId, NotUnderstood> {
    let services = &context.catalog.services;
    context
        .catalog
        .find_service(name)
        .map(|service| service.id.clone())
        .ok_or_else(|| {
            let known: Vec<_> = services
                .iter()
                .map(|service| format!("`{}`", service.id))
                .collect();
            NotUnderstood(match known.is_empty() {
                true => format!("There is no service “{name}”: firebell.toml names none yet."),
                false => format!(
                    "There is no service “{name}”. Use one of {}.",
                    known.join(", ")
                ),
            })
        })
}

pub(super) fn status(rest: &str, context: Context<'_>) -> Result<Request, NotUnderstood> {
    if rest.is_empty() {
        return Ok(Request::ShowStatus);
    }
    let status: Status = rest
        .parse()
        .map_err(|()| wrong("status", &format!("“{rest}” is no status."), context))?;
    Ok(Request::Pursue(match status {
        Status::Resolved => Command::Resolve(Resolution::default()),
        Status::Closed => Command::Close,
        status => Command::SetStatus(status),
    }))
}

pub(super) fn update(rest: &str, context: Context<'_>) -> Result<Request, NotUnderstood> {
    if rest.is_empty() && context.forms {
        return Ok(Request::Fill(Form::Update));
    }
    let text = text(rest).ok_or_else(|| wrong("update", "How do things stand?", context))?;
    Ok(Request::Pursue(Command::PostUpdate {
        update: Update {
            text,
            ..Update::default()
        },
        status: None,
        severity: None,
    }))
}

pub(super) fn severity(rest: &str, context: Context<'_>) -> Result<Request, NotUnderstood> {
    let (word, reason) = split(rest);
    if word.is_empty() && context.forms {
        return Ok(Request::Fill(Form::Severity));
    }
    if word.is_empty() {
        return Err(wrong("severity", "Which severity?", context));
    }
    let Some(severity) = context.catalog.find_severity(&word) else {
        return Err(no_such_severity(&word, context));
    };
    Ok(Request::Pursue(Command::ChangeSeverity {
        to: severity.id.clone(),
        reason: text(reason),
    }))
}

pub(super) fn note(rest: &str, context: Context<'_>) -> Result<Request, NotUnderstood> {
    let text = text(rest).ok_or_else(|| wrong("note", "What shall be written down?", context))?;
    Ok(Request::Pursue(Command::AddNote { text }))
}

pub(super) fn follow_up(rest: &str, context: Context<'_>) -> Result<Request, NotUnderstood> {
    let (first, behind) = split(rest);
    if first.eq_ignore_ascii_case("done") {
        let number = behind
            .trim()
            .trim_start_matches('#')
            .parse()
            .map_err(|_| wrong("followup", "Which number is done?", context))?;
        return Ok(Request::Pursue(Command::CompleteFollowUp { number }));
    }
    let (mut owner, mut due) = (None, None);
    let mut words: Vec<&str> = rest.split_inclusive(char::is_whitespace).collect();
    // Owner and date stand at the end, in either order; in the middle of the text they are text.
    while let Some(last) = words.last().map(|word| word.trim()) {
        if due.is_none()
            && let Some(date) = last.strip_prefix("due:")
        {
            let date: Date = date
                .parse()
                .map_err(|_| wrong("followup", &format!("“{date}” is no date."), context))?;
            due = Some(date);
        } else if owner.is_none()
            && let Some(who) = mention(last, context)
        {
            owner = Some(who);
        } else {
            break;
        }
        words.pop();
    }
    let text =
        text(&words.concat()).ok_or_else(|| wrong("followup", "What is to be done?", context))?;
    Ok(Request::Pursue(Command::AddFollowUp { text, owner, due }))
}

pub(super) fn export(rest: &str, context: Context<'_>) -> Result<Request, NotUnderstood> {
    let format = match rest {
        "" => ExportFormat::Markdown,
        word => word.parse().map_err(|()| {
            wrong(
                "export",
                &format!("“{word}” is no form of the record."),
                context,
            )
        })?,
    };
    Ok(Request::Pursue(Command::RequestExport { format }))
}

pub(super) fn resolve(rest: &str, context: Context<'_>) -> Result<Request, NotUnderstood> {
    if rest.is_empty() && context.forms {
        return Ok(Request::Fill(Form::Resolve { amends: false }));
    }
    let resolution = Resolution {
        root_cause: text(rest),
        ..Resolution::default()
    };
    Ok(Request::Pursue(Command::Resolve(resolution)))
}

pub(super) fn help(rest: &str, context: Context<'_>) -> Result<Request, NotUnderstood> {
    match rest {
        "" => Ok(Request::Help(None)),
        word => find(word)
            .map(|subcommand| Request::Help(Some(subcommand)))
            .ok_or_else(|| unknown(word, context)),
    }
}
