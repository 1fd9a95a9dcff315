//! Words that name people: who leads, who has a role, who is called.

use super::{Context, NotUnderstood, Request, split, text, wrong};
use crate::domain::command::{Callee, Command};
use crate::domain::escalation::Target;
use crate::domain::form::nearest;
use crate::domain::terms::{Role, SlackUserId, Who};
use crate::slack::modal::Form;
use crate::slack::text::unescape;

pub(super) fn lead(rest: &str, context: Context<'_>) -> Result<Request, NotUnderstood> {
    let to = user(rest, "lead", context)?;
    Ok(Request::Pursue(Command::AssignRole {
        role: Role::IncidentCommander,
        to,
    }))
}

pub(super) fn page(rest: &str, context: Context<'_>) -> Result<Request, NotUnderstood> {
    let (word, rest) = split(rest);
    if word.is_empty() {
        return Err(wrong("page", "Whom?", context));
    }
    Ok(Request::Pursue(Command::Page {
        whom: callee(&word, context)?,
        text: text(rest),
    }))
}

/// Whom a word means: a mention of a person, a user group or a channel; a target as the configuration writes it; or the
/// bare name of a schedule, a role or a person.
fn callee(word: &str, context: Context<'_>) -> Result<Callee, NotUnderstood> {
    if word.eq_ignore_ascii_case("me") {
        return Ok(Callee::User(context.typist.clone()));
    }
    if let Some(who) = mention(word, context) {
        return Ok(Callee::User(who));
    }
    let label = |prefix: &str| {
        let token = word.strip_prefix(prefix)?.strip_suffix('>')?;
        let (_, label) = token.split_once('|')?;
        Some(label.trim_start_matches(['@', '#']).to_owned())
    };
    if let Some(handle) = label("<!subteam^") {
        return Ok(Callee::Target(Target::UserGroup(handle)));
    }
    if let Some(name) = label("<#") {
        return Ok(Callee::Target(Target::Channel(name)));
    }
    let catalog = context.catalog;
    let bare = word.trim_start_matches('@');
    let named = || {
        let schedule = catalog.schedule(bare);
        let person = catalog.people.iter().find(|it| it.id.as_str() == bare);
        schedule
            .map(|it| Target::Schedule(it.id.clone()))
            .or_else(|| {
                let is_held = !catalog.people_with_role(bare).is_empty();
                is_held.then(|| Target::Role(bare.to_owned()))
            })
            .or_else(|| person.map(|it| Target::Person(it.id.clone())))
    };
    let target = match word.strip_prefix('#') {
        Some(name) if !name.is_empty() => Some(Target::Channel(name.to_owned())),
        Some(_) | None => word.parse().ok().or_else(named),
    };
    target.map(Callee::Target).ok_or_else(|| {
        let shown = unescape(word, |_| None);
        let known: Vec<&str> = catalog
            .schedules
            .iter()
            .map(|it| it.id.as_str())
            .chain(catalog.people.iter().map(|it| it.id.as_str()))
            .chain(
                catalog
                    .people
                    .iter()
                    .flat_map(|it| it.roles.iter().map(String::as_str)),
            )
            .collect();
        let what = match nearest(bare, known) {
            Some(near) => format!("I do not know who “{shown}” is. Did you mean `{near}`?"),
            None => format!("I do not know who “{shown}” is."),
        };
        wrong("page", &what, context)
    })
}

pub(super) fn role(rest: &str, context: Context<'_>) -> Result<Request, NotUnderstood> {
    let (word, rest) = split(rest);
    if word.is_empty() && context.forms {
        return Ok(Request::Fill(Form::Role));
    }
    if word.is_empty() {
        return Err(wrong("role", "Which role?", context));
    }
    let role: Role = word
        .parse()
        .map_err(|()| wrong("role", &format!("“{word}” is no role."), context))?;
    Ok(Request::Pursue(Command::AssignRole {
        role,
        to: user(rest.trim(), "role", context)?,
    }))
}

/// A person: nobody named, or "me", is the typist.
pub(super) fn user(rest: &str, word: &str, context: Context<'_>) -> Result<Who, NotUnderstood> {
    if rest.is_empty() || rest.eq_ignore_ascii_case("me") {
        return Ok(context.typist.clone());
    }
    mention(rest, context).ok_or_else(|| {
        wrong(
            word,
            &format!("I do not know who “{}” is.", unescape(rest, |_| None)),
            context,
        )
    })
}

/// A mention: `<@U012|ana>` as Slack sends it, or `@ana` where it does not escape, or on the command line.
pub(super) fn mention(word: &str, context: Context<'_>) -> Option<Who> {
    if let Some(token) = word
        .strip_prefix("<@")
        .and_then(|token| token.strip_suffix('>'))
    {
        let (id, label) = token.split_once('|').unwrap_or((token, ""));
        let id = SlackUserId::parse(id)?;
        let known = context
            .catalog
            .person_by_slack(&id)
            .map(|person| person.name.clone());
        let name = Some(label.to_owned())
            .filter(|label| !label.is_empty())
            .or(known);
        return Some(Who {
            name: name.unwrap_or_else(|| id.to_string()),
            slack: Some(id),
        });
    }
    let name = word.strip_prefix('@')?;
    let person = context.catalog.people.iter().find(|person| {
        person.id.as_str().eq_ignore_ascii_case(name) || person.name.eq_ignore_ascii_case(name)
    });
    person.map(|person| person.who())
}
