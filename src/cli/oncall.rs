//! `firebell oncall`: who is on call in a stretch of time, and every gap in it.

use std::process::ExitCode;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::config::Settings;
use crate::domain::catalog::Catalog;
use crate::domain::escalation::Target;
use crate::domain::form::{nearest, show_roughly};
use crate::domain::oncall::{Override, Schedule, Stretch};
use crate::domain::terms::PersonId;
use crate::store::Store;

/// The status of a wrong usage.
const WRONG_USAGE: u8 = 2;

/// Shows who is on call from a time on, for so many days: in one schedule, or in all.
pub(super) async fn run(
    settings: &Settings,
    schedule: Option<&str>,
    at: Option<&str>,
    days: u16,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let catalog = super::catalog(settings)?;
    let from = match at.map(|text| super::moment(text, &catalog)) {
        None => Timestamp::now(),
        Some(Ok(at)) => at,
        Some(Err(why)) => {
            eprintln!("{why}");
            return Ok(ExitCode::from(WRONG_USAGE));
        }
    };
    let wanted: Vec<&Schedule> = match schedule {
        None => catalog.schedules.iter().collect(),
        Some(id) => match catalog.schedule(id) {
            Some(schedule) => vec![schedule],
            None => {
                eprintln!("{}", unknown(id, &catalog));
                return Ok(ExitCode::FAILURE);
            }
        },
    };
    let length = SignedDuration::from_hours(24 * i64::from(days));
    let to = from.checked_add(length).unwrap_or(Timestamp::MAX);
    let url = settings.database.url.expose_secret();
    let overrides = match Store::open_if_there(url).await? {
        Some(store) => {
            let overrides = store.overrides_between(from, to).await;
            store.close().await;
            overrides?
        }
        None => Vec::new(),
    };
    if json {
        let schedules: Vec<Value> = wanted
            .iter()
            .map(|schedule| described(&catalog, schedule, from, to, &overrides))
            .collect();
        let report = json!({ "from": from, "to": to, "schedules": schedules });
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else if wanted.is_empty() {
        println!("There is no schedule yet: [[schedules]] in firebell.toml names them.");
    } else {
        let told = wanted
            .iter()
            .map(|schedule| told(&catalog, schedule, from, to, &overrides));
        println!("{}", told.collect::<Vec<_>>().join("\n\n"));
    }
    Ok(ExitCode::SUCCESS)
}

fn unknown(id: &str, catalog: &Catalog) -> String {
    let ids = catalog.schedules.iter().map(|it| it.id.as_str());
    match nearest(id, ids.clone()) {
        Some(near) => format!("There is no schedule “{id}”. Did you mean {near}?"),
        None => format!(
            "There is no schedule “{id}”. Those of firebell.toml: {}",
            ids.collect::<Vec<_>>().join(", ")
        ),
    }
}

/// A schedule for people: a line for each stretch, by the wall clock of the schedule's zone.
fn told(
    catalog: &Catalog,
    schedule: &Schedule,
    from: Timestamp,
    to: Timestamp,
    overrides: &[Override],
) -> String {
    let zone = &schedule.timezone;
    let name = zone.iana_name().unwrap_or("a zone of its own");
    let mut lines = vec![format!("{} ({name})", schedule.id)];
    let stretches = catalog.coverage(schedule, from, to, overrides);
    for Stretch { person, from, to } in &stretches {
        let who = match person {
            Some(person) => called(catalog, person),
            None => format!("NOBODY: {}", fallback(catalog, schedule)),
        };
        let times = format!("{} to {}", full(*from, zone), full(*to, zone));
        lines.push(format!("  {times}  {who}"));
    }
    let gaps: Vec<&Stretch> = stretches.iter().filter(|it| it.person.is_none()).collect();
    let open: SignedDuration = gaps.iter().map(|gap| gap.to.duration_since(gap.from)).sum();
    lines.push(match gaps.len() {
        0 => "  no gaps".to_owned(),
        1 => format!("  1 gap, {}", show_roughly(open)),
        several => format!("  {several} gaps, {} in all", show_roughly(open)),
    });
    lines.join("\n")
}

/// A schedule for programs.
fn described(
    catalog: &Catalog,
    schedule: &Schedule,
    from: Timestamp,
    to: Timestamp,
    overrides: &[Override],
) -> Value {
    let zone = &schedule.timezone;
    let in_zone = |at: &Timestamp| {
        let zoned = at.to_zoned(zone.clone());
        zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    };
    let stretches = catalog.coverage(schedule, from, to, overrides);
    let shown: Vec<Value> = stretches
        .iter()
        .map(|Stretch { person, from, to }| {
            json!({
                "person": person,
                "name": person.as_ref().map(|person| called(catalog, person)),
                "from": in_zone(from),
                "to": in_zone(to),
            })
        })
        .collect();
    json!({
        "id": schedule.id,
        "name": schedule.name,
        "timezone": zone.iana_name(),
        "fallback": schedule.fallback.as_ref().map(Target::to_string),
        "gaps": stretches.iter().filter(|it| it.person.is_none()).count(),
        "stretches": shown,
    })
}

fn called(catalog: &Catalog, person: &PersonId) -> String {
    let known = catalog.person(person);
    known.map_or_else(|| person.to_string(), |person| person.name.clone())
}

/// Who is told where nobody is on call.
fn fallback(catalog: &Catalog, schedule: &Schedule) -> String {
    match &schedule.fallback {
        Some(Target::Person(id)) => format!("the fallback is told, {}", called(catalog, id)),
        Some(other) => format!("the fallback is told, {other}"),
        None => "and there is no fallback".to_owned(),
    }
}

/// A moment on the wall clock of a zone.
fn full(at: Timestamp, zone: &TimeZone) -> String {
    let zoned = at.to_zoned(zone.clone());
    zoned.strftime("%a %Y-%m-%d %H:%M %:z").to_string()
}

/// How far ahead a configuration is looked at.
const AHEAD: SignedDuration = SignedDuration::from_hours(90 * 24);

/// The next 90 days.
pub(super) fn ahead(now: Timestamp) -> (Timestamp, Timestamp) {
    (now, now.checked_add(AHEAD).unwrap_or(Timestamp::MAX))
}

/// The gaps of each schedule in the next 90 days, in words: by plan alone, for nobody can put an override into the file.
pub(super) fn gaps(catalog: &Catalog, now: Timestamp) -> Vec<String> {
    let (now, to) = ahead(now);
    let warn = |schedule: &Schedule| {
        let stretches = catalog.coverage(schedule, now, to, &[]);
        let mut gaps = stretches.iter().filter(|it| it.person.is_none());
        let first = gaps.next()?;
        // What a calendar says is not known here, and a schedule without turns is told of where it stands.
        if schedule.ical_url_env.is_some() || schedule.rotations.is_empty() {
            return None;
        }
        let (id, zone) = (&schedule.id, &schedule.timezone);
        let when = format!("{} to {}", full(first.from, zone), full(first.to, zone));
        let gaps = match gaps.count() {
            0 => format!("from {when}"),
            more => format!("in {} stretches, the first from {when}", more + 1),
        };
        let help = match &schedule.fallback {
            Some(_) => fallback(catalog, schedule),
            None => "nobody would be told: add fallback = \"person:ID\"".to_owned(),
        };
        Some(format!(
            "nobody is on call in the schedule {id} {gaps} (in the next 90 days); {help}"
        ))
    };
    catalog.schedules.iter().filter_map(warn).collect()
}
