//! Words about who is on call, and who takes over.

use super::people::user;
use super::{Context, NotUnderstood, OverrideWish, Request, nothing, split, text, wrong};
use crate::domain::form::nearest;
use crate::domain::oncall::Schedule;
use crate::domain::typed_time::TypedStretch;

pub(super) fn on_call(rest: &str, context: Context<'_>) -> Result<Request, NotUnderstood> {
    if rest.is_empty() {
        return Ok(Request::ShowOnCall(None));
    }
    let schedule = find_schedule(rest, context)?;
    Ok(Request::ShowOnCall(Some(schedule.id.clone())))
}

pub(super) fn take_over(rest: &str, context: Context<'_>) -> Result<Request, NotUnderstood> {
    let (first, behind) = split(rest);
    match first.to_lowercase().as_str() {
        "" => return Err(wrong("override", "Which schedule, and when?", context)),
        "list" => {
            return nothing(
                behind.trim(),
                "override",
                context,
                Request::Override(OverrideWish::List),
            );
        }
        "undo" | "withdraw" => {
            let number = behind.trim().trim_start_matches('#').parse();
            let number = number.map_err(|_| {
                let command = &context.catalog.slack.command;
                let what = format!(
                    "Which one shall not count? `{command} override list` shows their numbers."
                );
                wrong("override", &what, context)
            })?;
            return Ok(Request::Override(OverrideWish::Undo(number)));
        }
        _ => {}
    }
    let is_somebody = |word: &&str| word.starts_with('@') || word.starts_with("<@");
    let (people, words): (Vec<&str>, Vec<&str>) = rest.split_whitespace().partition(is_somebody);
    let person = match people.as_slice() {
        [] => context.typist.clone(),
        [one] => user(one, "override", context)?,
        [_, ..] => {
            return Err(wrong(
                "override",
                "One person takes over at a time.",
                context,
            ));
        }
    };
    let mut times = words.get(1..).unwrap_or_default();
    times = times.strip_suffix(&["me"]).unwrap_or(times);
    let read = |words: &[&str]| TypedStretch::parse(&text(&words.join(" ")).unwrap_or_default());
    let schedule = match (
        find_schedule(&first, context),
        context.catalog.schedules.as_slice(),
    ) {
        // Where there is but one, it need not be named.
        (Err(_), [only]) if read(&words).is_ok() => {
            times = &words;
            only
        }
        (schedule, _) => schedule?,
    };
    let stretch = read(times).map_err(|why| {
        let help = why
            .help
            .map(|help| format!(" Please {help}."))
            .unwrap_or_default();
        NotUnderstood(format!("{}{help}", why.message))
    })?;
    Ok(Request::Override(OverrideWish::Make {
        schedule: schedule.id.clone(),
        stretch,
        person,
    }))
}

/// The schedule that a word means: its id, else its name, in any case.
fn find_schedule<'a>(word: &str, context: Context<'a>) -> Result<&'a Schedule, NotUnderstood> {
    let schedules = &context.catalog.schedules;
    let word = text(word).unwrap_or_default();
    let is_named = |it: &&Schedule| {
        it.name
            .as_ref()
            .is_some_and(|name| name.eq_ignore_ascii_case(&word))
    };
    let found = schedules
        .iter()
        .find(|it| it.id.eq_ignore_ascii_case(&word));
    found.or_else(|| schedules.iter().find(is_named)).ok_or_else(|| {
        let ids = schedules.iter().map(|schedule| schedule.id.as_str());
        NotUnderstood(match nearest(&word, ids.clone()) {
            Some(near) => format!("There is no schedule “{word}”. Did you mean `{near}`?"),
            None if schedules.is_empty() => format!(
                "There is no schedule “{word}”: `[[schedules]]` in firebell.toml names none yet."
            ),
            None => {
                let ids: Vec<String> = ids.map(|id| format!("`{id}`")).collect();
                format!("There is no schedule “{word}”. Use one of {}.", ids.join(", "))
            }
        })
    })
}
