//! What is answered about schedules: who is on call and who is next, overrides made, listed and withdrawn.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::client::Outgoing;
use super::interaction::{Style, general};
use super::message::{Composer, answer, person_mention};
use crate::domain::escalation::Target;
use crate::domain::oncall::{Override, Schedule, Stretch};
use crate::domain::terms::PersonId;
use crate::domain::typed_time::Odd;
use crate::templates::{bold, mrkdwn};

/// How far is looked ahead for who is next: a turn may be weeks long.
const AHEAD: SignedDuration = SignedDuration::from_hours(60 * 24);
/// A gap that comes so soon is told.
const GAP_SOON: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Overrides that a list shows.
const LISTED: usize = 20;
/// Stretches in which somebody is replaced that are told one by one.
const REPLACED: usize = 5;

/// An override as it is answered.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// Its number.
    pub number: i64,
    /// What it is.
    pub over: &'a Override,
    /// The zone in which its times are told.
    pub zone: &'a TimeZone,
}

impl Composer {
    /// Who is on call: in these schedules. `made` are those of the overrides that people made; `faults` tell what is wrong
    /// with what the plan of a schedule is made of.
    pub fn on_call(
        &self,
        schedules: &[&Schedule],
        overrides: &[Override],
        made: &[Override],
        faults: &[(String, String)],
        now: Timestamp,
    ) -> Outgoing {
        if schedules.is_empty() {
            return answer(
                "Nobody is on call: `[[schedules]]` in firebell.toml names no schedule yet.",
            );
        }
        let told = schedules.iter().map(|schedule| {
            let mut lines = vec![self.watch(schedule, overrides, made, now)];
            let faults = faults.iter().filter(|(id, _)| *id == schedule.id);
            lines.extend(faults.map(|(_, why)| format!("• :warning: {}", mrkdwn(why))));
            lines.join("\n")
        });
        answer(&told.collect::<Vec<_>>().join("\n"))
    }

    /// Who is on call in one schedule.
    fn watch(
        &self,
        schedule: &Schedule,
        overrides: &[Override],
        made: &[Override],
        now: Timestamp,
    ) -> String {
        let horizon = now.checked_add(AHEAD).unwrap_or(Timestamp::MAX);
        let stretches = self.catalog.coverage(schedule, now, horizon, overrides);
        let until = |stretch: &Stretch| match stretch.to >= horizon {
            true => "for the next weeks".to_owned(),
            false => format!("until {}", date(stretch.to)),
        };
        let mut lines = Vec::new();
        let name = bold(schedule.name.as_ref().unwrap_or(&schedule.id));
        match stretches.first() {
            Some(
                first @ Stretch {
                    person: Some(person),
                    ..
                },
            ) => {
                let by = match made.iter().any(|over| over.holds(schedule, now)) {
                    true => " (override)",
                    false => "",
                };
                lines.push(format!(
                    "{name}: {}{by} {}",
                    self.called(person),
                    until(first)
                ));
            }
            Some(first) => lines.push(format!(
                ":warning: {name}: *nobody is on call* {}; {}",
                until(first),
                self.fallback(schedule)
            )),
            None => lines.push(format!("{name}: nobody knows")),
        }
        let mut later = stretches.iter().skip(1);
        let next = later.find_map(|stretch| Some((stretch.person.as_ref()?, stretch.from)));
        if let Some((person, from)) = next {
            lines.push(format!(
                "• next: {} from {}",
                self.called(person),
                date(from)
            ));
        }
        let soon = now.checked_add(GAP_SOON).unwrap_or(Timestamp::MAX);
        let mut later = stretches.iter().skip(1);
        if let Some(gap) = later.find(|stretch| stretch.person.is_none() && stretch.from < soon) {
            lines.push(format!(
                "• :warning: nobody from {} {}; {}",
                date(gap.from),
                until(gap),
                self.fallback(schedule)
            ));
        }
        lines.join("\n")
    }

    /// Who is told where nobody is on call.
    fn fallback(&self, schedule: &Schedule) -> String {
        match &schedule.fallback {
            Some(Target::Person(id)) => format!("pages go to the fallback, {}", self.called(id)),
            Some(other) => format!("pages go to the fallback, {}", mrkdwn(&other.to_string())),
            None => "there is no fallback: a page would reach nobody".to_owned(),
        }
    }

    /// A person of the catalog as Slack shows them.
    fn called(&self, id: &PersonId) -> String {
        match self.catalog.person(id) {
            Some(person) => person_mention(&person.who()),
            None => mrkdwn(id.as_str()),
        }
    }

    /// An override that was made: what was understood, whom it replaces (`before`: the plan without it), and how to undo it.
    pub fn override_made(&self, told: Told<'_>, before: &[Stretch], odd: &[Odd]) -> Outgoing {
        let Told { number, over, zone } = told;
        let mut lines = vec![format!(
            "{} is on call for {} from {} (override {number}).",
            self.called(&over.person),
            bold(&over.schedule),
            in_full(over.from, over.to, zone)
        )];
        let replaced = |stretch: &Stretch| match &stretch.person {
            Some(person) if *person == over.person => "on call by the plan already".to_owned(),
            Some(person) => format!("instead of {}", self.called(person)),
            None => "where nobody was on call".to_owned(),
        };
        match before {
            [] => {}
            [all] => lines.push(format!("• {}", replaced(all))),
            several => {
                let rows = several.iter().take(REPLACED);
                lines.extend(rows.map(|stretch| {
                    let times = in_full(stretch.from, stretch.to, zone);
                    format!("• {}: {times}", replaced(stretch))
                }));
                let left = several.len().saturating_sub(REPLACED);
                if left > 0 {
                    lines.push(format!("• _and {left} more stretches_"));
                }
            }
        }
        lines.extend(odd.iter().map(|odd| {
            let local = odd.local.strftime("%Y-%m-%d %H:%M");
            let read = full(odd.read_as, zone);
            match odd.is_twice {
                true => {
                    format!(":warning: The clocks show {local} twice; the first is meant: {read}.")
                }
                false => format!(":warning: The clocks skip {local}; it is read as {read}."),
            }
        }));
        with_undo(answer(&lines.join("\n")), number)
    }

    /// The overrides in force and to come.
    pub fn overrides(&self, list: &[Told<'_>]) -> Outgoing {
        let command = &self.catalog.slack.command;
        if list.is_empty() {
            return answer(&format!(
                "No override is in force or to come. To take over: `{command} override &lt;schedule&gt; &lt;from&gt; &lt;to&gt; [@user]`"
            ));
        }
        let mut lines: Vec<String> = list
            .iter()
            .take(LISTED)
            .map(|Told { number, over, zone }| {
                let times = in_full(over.from, over.to, zone);
                format!(
                    "{number}. {}: {}, {times}",
                    bold(&over.schedule),
                    self.called(&over.person)
                )
            })
            .collect();
        let left = list.len().saturating_sub(LISTED);
        if left > 0 {
            lines.push(format!("_and {left} more_"));
        }
        lines.push(format!(
            "To withdraw one: `{command} override undo &lt;number&gt;`"
        ));
        answer(&lines.join("\n"))
    }

    /// An override that was withdrawn, and who is on call instead from now on.
    pub fn override_withdrawn(&self, told: Told<'_>, now: Option<&PersonId>) -> Outgoing {
        let Told { number, over, zone } = told;
        let who = match now {
            Some(person) => self.called(person),
            None => "nobody".to_owned(),
        };
        answer(&format!(
            "Override {number} counts no more: {} for {}, {}. On call there now: {who}.",
            self.called(&over.person),
            bold(&over.schedule),
            in_full(over.from, over.to, zone)
        ))
    }
}

fn with_undo(mut message: Outgoing, number: i64) -> Outgoing {
    let undo = general(
        "Undo",
        "override-undo",
        &format!("override undo {number}"),
        Style::Plain,
    );
    message
        .blocks
        .push(json!({ "type": "actions", "elements": [undo] }));
    message
}

/// A moment by the reader's own clock.
fn date(at: Timestamp) -> String {
    let utc = at.strftime("%Y-%m-%d %H:%M UTC");
    format!(
        "<!date^{}^{{date_short_pretty}} {{time}}|{utc}>",
        at.as_second()
    )
}

/// A moment on the wall clock of a zone: `Mon 2025-09-15 09:00 -07:00`.
pub fn full(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone())
        .strftime("%a %Y-%m-%d %H:%M %:z")
        .to_string()
}

fn in_full(from: Timestamp, to: Timestamp, zone: &TimeZone) -> String {
    let name = zone.iana_name().map(|name| format!(" ({})", mrkdwn(name)));
    format!(
        "{} to {}{}",
        full(from, zone),
        full(to, zone),
        name.unwrap_or_default()
    )
}
