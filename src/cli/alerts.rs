//! `firebell route test` and `firebell alerts replay`: what the configuration makes of alerts, before one comes and
//! after many came.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::alerts::{Heading, Malformed, Sent, Told, read_again};
use crate::clock::Clock;
use crate::config::Settings;
use crate::domain::alert::{Alert, Signal};
use crate::domain::catalog::{AlertSource, Catalog, Then};
use crate::domain::form::show_duration;
use crate::domain::group::Routed;
use crate::domain::quiet::{Hold, Inhibiting};
use crate::domain::routing::{Look, Matches, Routing};
use crate::intake::{Intake, OURS, Request};
use crate::store::alerts::KeptBody;

/// Kept requests that are read at a time.
const PAGE: i64 = 200;

/// Tells which route each alert of a file takes, and why: the body of a request as a sender of this source sends it.
pub(super) fn test(
    settings: &Settings,
    file: PathBuf,
    source: Option<String>,
    at: Option<&str>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let catalog = super::catalog(settings)?;
    let source = chosen(&catalog, source)?;
    let now = moment(at, &catalog)?;
    let told = read(source, &file, now)?;
    let routing = Routing::new(&catalog);
    let mut shown = Vec::new();
    for alert in told.alerts {
        let understood = Understood::of(alert, source, &routing, &catalog, now);
        match json {
            true => shown.push(understood.described()),
            false => print!("{}", understood.told(&catalog, &routing)),
        }
    }
    for why in &told.skipped {
        eprintln!("An alert was left out: {why}");
    }
    if json {
        println!("{}", serde_json::to_string_pretty(&shown)?);
    }
    Ok(match told.skipped.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// What the alerts of a file say: the body of a request as a sender of this source sends it; `-` is standard input.
pub(super) fn read(source: &AlertSource, file: &Path, now: Timestamp) -> anyhow::Result<Told> {
    let body = match file.as_os_str() == "-" {
        true => {
            let mut body = Vec::new();
            std::io::Read::read_to_end(&mut std::io::stdin(), &mut body)?;
            body
        }
        false => std::fs::read(file).with_context(|| format!("reading {}", file.display()))?,
    };
    match understood(source, &Heading::default(), &body, now) {
        Ok(told) => Ok(told),
        Err(why) => bail!(
            "{} cannot be read as what {} sends: {why}",
            file.display(),
            source.kind
        ),
    }
}

/// What the configuration makes of one alert.
pub(super) struct Understood {
    pub alert: Alert,
    pub routed: Routed,
    /// The heartbeat that takes it, so that it goes no further.
    pub heartbeat: Option<String>,
    looks: Vec<Look>,
    unknown: [Option<String>; 2],
    inhibiting: Inhibiting,
}

impl Understood {
    pub fn of(
        alert: Alert,
        source: &AlertSource,
        routing: &Routing,
        catalog: &Catalog,
        now: Timestamp,
    ) -> Self {
        let alert = alert.defused();
        let heartbeat = catalog.heartbeats.iter().find(|it| {
            it.source == source.id
                && !it.matches.is_empty()
                && Matches::new(&it.matches).are_met(&source.id, &alert)
        });
        Self {
            routed: routing.at(now).route(&source.id, &alert),
            heartbeat: heartbeat.map(|it| it.id.clone()),
            looks: routing.explain(&source.id, &alert),
            unknown: routing.unknown(&source.id, &alert),
            inhibiting: routing.inhibiting(&source.id, &alert),
            alert,
        }
    }

    /// For people.
    pub fn told(&self, catalog: &Catalog, routing: &Routing) -> String {
        let alert = &self.alert;
        if let Some(id) = &self.heartbeat {
            let (word, title) = (word(alert.signal), &alert.title);
            return format!("{word} {title}\n  the heartbeat {id} takes it: it goes no further\n");
        }
        let is_echo = routing.is_echo(alert);
        in_words(alert, &self.routed, &self.looks, catalog, is_echo)
            + &in_words_of_unknown(&self.unknown)
            + &in_words_of(&self.inhibiting)
    }

    /// For programs.
    pub fn described(&self) -> Value {
        as_json(
            &self.alert,
            &self.routed,
            &self.looks,
            &self.unknown,
            &self.inhibiting,
        )
    }
}

/// Reads kept requests again with the configuration of today, in the order of their coming: shows what becomes of them,
/// or takes them in once more. Whom we have missed ourselves was never sent, and what comes from now on is not theirs.
pub(super) async fn replay(
    settings: &Settings,
    since: SignedDuration,
    only: Option<String>,
    apply: bool,
) -> anyhow::Result<ExitCode> {
    let catalog = super::catalog(settings)?;
    if let Some(only) = &only {
        chosen(&catalog, Some(only.clone()))?;
    }
    let store = super::open_existing(settings).await?;
    let routing = Routing::new(&catalog);
    let intake = apply.then(|| Intake::start(store.clone(), &catalog, Clock::System));
    let now = Timestamp::now();
    let since = now
        .checked_sub(since)
        .context("so far back there is nothing")?;
    let (mut after, mut seen, mut lost) = (String::new(), 0, 0);
    loop {
        let page = store.alert_bodies(since, now, &after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.id);
        for kept in page {
            if only.as_ref().is_some_and(|only| *only != kept.source) || kept.heading == OURS {
                continue;
            }
            seen += 1;
            let at = kept.received_at.strftime("%Y-%m-%d %H:%M:%S UTC");
            let Some(source) = catalog.alert_source(&kept.source) else {
                println!("{at} {}: there is no such source any more", kept.source);
                lost += 1;
                continue;
            };
            let told = match understood(
                source,
                &Heading::read(&kept.heading),
                kept.body.as_bytes(),
                kept.received_at,
            ) {
                Ok(told) => told,
                Err(why) => {
                    println!("{at} {}: {why}", kept.source);
                    lost += 1;
                    continue;
                }
            };
            for alert in &told.alerts {
                let routed = routing.route(&source.id, alert);
                println!(
                    "{at} {}: {} {} → {}",
                    source.id,
                    word(alert.signal),
                    alert.title,
                    outcome(&routed)
                );
            }
            if let Some(intake) = &intake {
                intake.take(again(kept, told)).await?;
            }
        }
    }
    println!(
        "{seen} requests, {lost} of them not understood{}",
        if apply {
            "; taken in again"
        } else {
            ". Nothing was changed; --apply takes them in again"
        }
    );
    drop(intake);
    store.close().await;
    Ok(match lost {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// A kept request as it goes in once more: as another delivery, for it is meant to.
fn again(kept: KeptBody, told: Told) -> Request {
    Request {
        source: kept.source,
        alerts: told.alerts,
        delivery: None,
        content_type: kept.content_type,
        heading: kept.heading,
        body: kept.body.into(),
    }
}

/// The source that is meant: the one that is named, or the only one.
pub(super) fn chosen(catalog: &Catalog, named: Option<String>) -> anyhow::Result<&AlertSource> {
    let known: Vec<&str> = catalog
        .alert_sources
        .iter()
        .map(|it| it.id.as_str())
        .collect();
    match (named, catalog.alert_sources.as_slice()) {
        (_, []) => bail!("The configuration has no [[alert_sources]]."),
        (None, [only]) => Ok(only),
        (None, _) => bail!("Whose is it? --source names one of {}.", known.join(", ")),
        (Some(id), _) => match catalog.alert_source(&id) {
            Some(source) => Ok(source),
            None => bail!("There is no alert source {id}, only {}.", known.join(", ")),
        },
    }
}

fn understood(
    source: &AlertSource,
    heading: &Heading,
    body: &[u8],
    now: Timestamp,
) -> Result<Told, Malformed> {
    let sent = Sent {
        source,
        headers: &heading.headers(),
        body,
        now,
    };
    read_again(&sent, heading)
}

fn word(signal: Signal) -> &'static str {
    match signal {
        Signal::Firing => "firing",
        Signal::Acknowledged => "acknowledged",
        Signal::Unacknowledged => "unacknowledged",
        Signal::Resolved => "resolved",
        Signal::Noted => "noted",
    }
}

/// Why an alert is kept back, and for how long.
fn held(hold: &Hold) -> String {
    let until = match hold.until() {
        Some(at) => at.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        None => "that is over".to_owned(),
    };
    format!(
        "{}, until {until}; what still fires then is told then",
        hold.words()
    )
}

/// The moment that is meant: a local time of the organization, one with its offset, or now.
pub(super) fn moment(at: Option<&str>, catalog: &Catalog) -> anyhow::Result<Timestamp> {
    match at {
        Some(text) => super::moment(text, catalog),
        None => Ok(Timestamp::now()),
    }
}

/// What is done with an alert, in a line.
fn outcome(routed: &Routed) -> String {
    let mut said = routed.then.word().to_owned();
    if let Some(channel) = &routed.channel {
        said.push_str(&format!(" in {channel}"));
    }
    if let Some(service) = &routed.service {
        said.push_str(&format!(", service {service}"));
    }
    if let Some(severity) = &routed.severity {
        said.push_str(&format!(", severity {severity}"));
    }
    let values: Vec<String> = routed
        .values
        .iter()
        .map(|(label, value)| format!("{label}=\"{value}\""))
        .collect();
    said.push_str(&format!(", grouped by {}", values.join(" ")));
    said
}

fn in_words(
    alert: &Alert,
    routed: &Routed,
    looks: &[Look],
    catalog: &Catalog,
    is_echo: bool,
) -> String {
    let may_be_quieted =
        catalog.alerts.quieted_by_incidents && routed.urgency > 0 && routed.then != Then::Suppress;
    let mut said = format!("{} {}\n", word(alert.signal), alert.title);
    for look in looks {
        let missed: Vec<String> = look.missed.iter().map(ToString::to_string).collect();
        said.push_str(&match missed.is_empty() {
            true => format!("  route {}: taken\n", look.route),
            false => format!("  route {}: not taken: {}\n", look.route, missed.join("; ")),
        });
    }
    if looks.last().is_none_or(|look| !look.missed.is_empty()) {
        said.push_str("  no route takes it: it is shown where incidents are announced\n");
    }
    said.push_str(&match alert.signal {
        Signal::Firing => format!("  → {}\n", outcome(routed)),
        Signal::Acknowledged | Signal::Unacknowledged | Signal::Resolved | Signal::Noted => {
            format!(
                "  begins nothing: it is told where what it speaks of has begun (→ {})\n",
                outcome(routed)
            )
        }
    });
    if let Some(hold) = &routed.hold {
        said.push_str(&format!("    kept and counted, not told: {}\n", held(hold)));
    }
    if is_echo {
        said.push_str("    names an incident of ours: all of its source that do are one group\n");
    }
    if let (true, Some(service)) = (may_be_quieted, &routed.service) {
        said.push_str(&format!(
            "    is only counted on an open incident of {service} that is more urgent, if there is one\n"
        ));
    }
    if let (Some(window), Some(service)) = (routed.join, &routed.service) {
        said.push_str(&format!(
            "    joins an open incident of {service} that was declared in the last {}, if there is one\n",
            show_duration(window)
        ));
    }
    said
}

/// What was named and is not known, so that it counts for nothing.
fn in_words_of_unknown(unknown: &[Option<String>; 2]) -> String {
    let [service, severity] = unknown;
    let mut said = String::new();
    if let Some(name) = service {
        said.push_str(&format!(
            "    there is no service \"{name}\": it has none\n"
        ));
    }
    if let Some(word) = severity {
        said.push_str(&format!(
            "    \"{word}\" is no word for a severity: it has none of its own\n"
        ));
    }
    said
}

/// What an alert has to do with inhibitions.
fn in_words_of(inhibiting: &Inhibiting) -> String {
    let mut said = String::new();
    if !inhibiting.quiets.is_empty() {
        said.push_str("    quiets others while it fires\n");
    }
    for hold in &inhibiting.quieted_by {
        said.push_str(&format!(
            "    may be kept back by {}, while an alert fires that it names\n",
            hold.words()
        ));
    }
    said
}

fn as_json(
    alert: &Alert,
    routed: &Routed,
    looks: &[Look],
    unknown: &[Option<String>; 2],
    inhibiting: &Inhibiting,
) -> Value {
    let taken = looks.last().filter(|look| look.missed.is_empty());
    let missed: Vec<Value> = looks
        .iter()
        .filter(|look| !look.missed.is_empty())
        .map(|look| {
            let why: Vec<String> = look.missed.iter().map(ToString::to_string).collect();
            json!({ "route": look.route, "why": why })
        })
        .collect();
    json!({
        "alert": alert,
        "route": taken.map(|look| look.route),
        "not_taken": missed,
        "then": routed.then,
        "channel": routed.channel,
        "service": routed.service,
        "severity": routed.severity,
        "kept_back": routed.hold.as_ref().map(|hold| json!({
            "why": hold.words(),
            "until": hold.until(),
        })),
        "unknown": unknown.iter().flatten().collect::<Vec<_>>(),
        "may_be_kept_back": inhibiting.quieted_by.iter().map(Hold::words).collect::<Vec<_>>(),
        "join": routed.join.map(show_duration),
        "group": { "id": routed.group, "by": routed.values },
    })
}
