//! The post-mortem as JSON, for programs: a summary, and the record byte for byte, which proves itself
//! ([`super::verify`]). Its shape is published in `schema/postmortem.schema.json`; the escaping is serde's.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::io::AsyncWrite;

use super::facts::Facts;
use super::out::Out;
use super::times::{self, length, stamp, stamp_in};
use super::told::Names;
use super::{GENERATOR, Source};
use crate::domain::event::{Event, Recorded};
use crate::domain::incident::Room;
use crate::domain::terms::{Role, SlackUserId, Status, Who};
use crate::domain::timeline::Sort;
use crate::store::incidents::EventRow;

/// The version of the shape. It grows when a field changes its meaning or goes; new fields leave it as it is.
pub(super) const SCHEMA_VERSION: u32 = 1;

/// The parts of a file, in their order, besides those of [`Summary`].
pub(super) const UPDATES: &str = "updates";
pub(super) const TIMELINE: &str = "timeline";
/// The part of [`Summary`] that the words of the other two depend on; it comes before them.
pub(super) const NAMES: &str = "names";

pub(super) async fn write<W: AsyncWrite + Unpin>(
    source: Source<'_>,
    facts: &Facts<'_>,
    out: &mut Out<'_, W>,
) -> anyhow::Result<()> {
    let summary = serde_json::to_string_pretty(&Summary::of(facts))?;
    // The summary's last brace closes the file.
    let open = summary.strip_suffix("\n}").unwrap_or(&summary);
    out.buffer().push_str(open);

    out.buffer().push_str(",\n  \"updates\": [");
    let mut first = true;
    source
        .updates(out, |out, recorded| {
            if let Some(update) = SaidUpdate::of(recorded, facts.names()) {
                item(out.buffer(), &mut first, &update)?;
            }
            Ok(())
        })
        .await?;
    out.buffer().push_str("\n  ],\n  \"timeline\": [");

    let mut last = 0;
    let mut first = true;
    while last < source.up_to {
        let rows = source.store.events_after(source.id, last).await?;
        let Some(end) = rows.last() else { break };
        last = end.seq;
        for row in rows.iter().take_while(|row| row.seq <= source.up_to) {
            item(out.buffer(), &mut first, &Entry::of(row, facts)?)?;
            out.breathe().await?;
        }
    }
    out.buffer().push_str("\n  ]\n}\n");
    Ok(())
}

fn item<T: Serialize>(out: &mut String, first: &mut bool, item: &T) -> serde_json::Result<()> {
    out.push_str(if std::mem::take(first) {
        "\n    "
    } else {
        ",\n    "
    });
    out.push_str(&serde_json::to_string(item)?);
    Ok(())
}

/// A line of the timeline: what happened in words, and the record that says so.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) seq: i64,
    pub(super) kind: String,
    pub(super) happened_at: String,
    pub(super) happened_at_local: String,
    pub(super) recorded_at: String,
    pub(super) who: String,
    pub(super) sort: Sort,
    pub(super) text: String,
    pub(super) actor: Box<RawValue>,
    pub(super) payload: Box<RawValue>,
    pub(super) hash: String,
}

impl Entry {
    fn of(row: &EventRow, facts: &Facts<'_>) -> anyhow::Result<Self> {
        let told = facts.names().tell(&row.recorded()?);
        Ok(Entry {
            seq: row.seq,
            kind: row.kind.clone(),
            happened_at: stamp(told.happened_at),
            happened_at_local: stamp_in(told.happened_at, facts.zone),
            recorded_at: stamp(told.recorded_at),
            who: told.actor,
            sort: told.sort,
            text: told.text,
            actor: RawValue::from_string(row.actor.clone())?,
            payload: RawValue::from_string(row.payload.clone())?,
            hash: row.hash.clone(),
        })
    }
}

/// An update as it was said.
#[derive(Debug, Serialize)]
pub(super) struct SaidUpdate<'a> {
    number: u32,
    seq: u64,
    at: String,
    by: String,
    status: Status,
    text: &'a str,
    actions_taken: Option<&'a str>,
    next_steps: Option<&'a str>,
    eta: Option<&'a str>,
}

impl<'a> SaidUpdate<'a> {
    pub(super) fn of(recorded: &'a Recorded, names: Names<'_>) -> Option<Self> {
        let Event::UpdatePosted {
            number,
            status,
            update,
        } = &recorded.event
        else {
            return None;
        };
        Some(SaidUpdate {
            number: *number,
            seq: recorded.seq,
            at: stamp(recorded.happened_at),
            by: names.tell(recorded).actor,
            status: *status,
            text: &update.text,
            actions_taken: update.actions_taken.as_deref(),
            next_steps: update.next_steps.as_deref(),
            eta: update.eta.as_deref(),
        })
    }
}

/// All but the updates and the timeline.
#[derive(Debug, Serialize)]
pub(super) struct Summary<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    schema_version: u32,
    generator: &'static str,
    exported_at: String,
    organization: Organization<'a>,
    incident: Head<'a>,
    names: &'a BTreeMap<SlackUserId, String>,
    description: Option<&'a str>,
    impact: Option<&'a str>,
    root_cause: Option<&'a str>,
    resolution: Option<&'a str>,
    milestones: Vec<Reached>,
    durations: Vec<Took>,
    people: Vec<Person<'a>>,
    alerts: Vec<AlertsOf<'a>>,
    actions: [(); 0],
    follow_ups: Vec<Task<'a>>,
    record: Proof<'a>,
}

#[derive(Debug, Serialize)]
struct AlertsOf<'a> {
    title: &'a str,
    source: &'a str,
    first_told_at: String,
    over_at: Option<String>,
    firing: u64,
    total: u64,
    quieted: bool,
    named: Vec<NamedAlert<'a>>,
}

#[derive(Debug, Serialize)]
struct NamedAlert<'a> {
    title: &'a str,
    source: &'a str,
    first_told_at: String,
    firing: bool,
}

#[derive(Debug, Serialize)]
struct Organization<'a> {
    name: &'a str,
    timezone: &'a str,
}

#[derive(Debug, Serialize)]
struct Head<'a> {
    id: &'a str,
    title: &'a str,
    severity: Severity<'a>,
    service: Option<&'a str>,
    service_name: Option<&'a str>,
    status: Status,
    commander: Option<Who>,
    declared_by: Option<Who>,
    acknowledged_by: Option<Who>,
    war_room: Option<&'a str>,
    duration: String,
    duration_seconds: i64,
}

#[derive(Debug, Serialize)]
struct Severity<'a> {
    id: &'a str,
    name: &'a str,
}

#[derive(Debug, Serialize)]
struct Reached {
    name: String,
    at: String,
    at_local: String,
    since_start_seconds: i64,
    since_declared_seconds: Option<i64>,
}

#[derive(Debug, Serialize)]
struct Took {
    name: &'static str,
    from_start: String,
    from_start_seconds: i64,
    from_declared: String,
    from_declared_seconds: i64,
}

#[derive(Debug, Serialize)]
struct Person<'a> {
    name: &'a str,
    slack: Option<&'a str>,
    entries: u64,
    roles: Vec<HeldRole>,
}

#[derive(Debug, Serialize)]
struct HeldRole {
    role: Role,
    from: String,
    until: Option<String>,
}

#[derive(Debug, Serialize)]
struct Task<'a> {
    number: u32,
    text: &'a str,
    owner: Option<Who>,
    due: Option<Date>,
    done_at: Option<String>,
}

#[derive(Debug, Serialize)]
struct Proof<'a> {
    entries: u64,
    head: &'a str,
    verify: String,
}

impl<'a> Summary<'a> {
    pub(super) fn of(facts: &'a Facts<'_>) -> Self {
        let incident = facts.incident;
        let said = &incident.resolution;
        let who = |who: &Who| Names(&incident.names).who(who);
        let local = |at: Timestamp| stamp_in(at, facts.zone);
        Summary {
            schema: "postmortem.schema.json",
            schema_version: SCHEMA_VERSION,
            generator: GENERATOR,
            exported_at: stamp(facts.now),
            organization: Organization {
                name: facts.organization,
                timezone: times::zone_name(facts.zone),
            },
            incident: Head {
                id: incident.id.as_str(),
                title: &incident.title,
                severity: Severity {
                    id: incident.severity.id.as_str(),
                    name: &incident.severity.name,
                },
                service: incident.service.as_ref().map(|id| id.as_str()),
                service_name: facts.service_name,
                status: incident.status,
                commander: incident.commander().map(who),
                declared_by: incident.declared_by.as_ref().map(who),
                acknowledged_by: incident.acknowledged_by.as_ref().map(who),
                war_room: match &incident.room {
                    Room::Channel { name, .. } => Some(name),
                    Room::Wanted { .. } | Room::Thread => None,
                },
                duration: length(facts.duration()),
                duration_seconds: facts.duration().as_secs(),
            },
            names: &incident.names,
            description: incident.description.as_deref(),
            impact: said.impact.as_deref(),
            root_cause: said.root_cause.as_deref(),
            resolution: said.resolution.as_deref(),
            milestones: facts
                .milestones()
                .into_iter()
                .map(|milestone| Reached {
                    name: milestone.name.to_lowercase(),
                    at: stamp(milestone.at),
                    at_local: local(milestone.at),
                    since_start_seconds: milestone.since_start.as_secs(),
                    since_declared_seconds: milestone.since_declared.map(|since| since.as_secs()),
                })
                .collect(),
            durations: facts
                .delays()
                .into_iter()
                .map(|delay| Took {
                    name: delay.name,
                    from_start: length(delay.from_start),
                    from_start_seconds: delay.from_start.as_secs(),
                    from_declared: length(delay.from_declared),
                    from_declared_seconds: delay.from_declared.as_secs(),
                })
                .collect(),
            people: facts
                .survey
                .people
                .iter()
                .map(|person| Person {
                    name: incident.name_of(&person.who),
                    slack: person.who.slack.as_ref().map(|id| id.as_str()),
                    entries: person.entries,
                    roles: person
                        .roles
                        .iter()
                        .map(|tenure| HeldRole {
                            role: tenure.role,
                            from: stamp(tenure.from),
                            until: tenure.until.map(stamp),
                        })
                        .collect(),
                })
                .collect(),
            alerts: facts
                .survey
                .alerts
                .iter()
                .map(|group| AlertsOf {
                    title: &group.tally.title,
                    source: &group.tally.source,
                    first_told_at: stamp(group.since),
                    over_at: group.over_at.map(stamp),
                    firing: group.tally.firing,
                    total: group.tally.total,
                    quieted: group.tally.is_quieted,
                    named: group
                        .named
                        .iter()
                        .map(|(at, sample)| NamedAlert {
                            title: &sample.title,
                            source: group.source_of(sample),
                            first_told_at: stamp(*at),
                            firing: sample.is_firing,
                        })
                        .collect(),
                })
                .collect(),
            actions: [],
            follow_ups: incident
                .follow_ups
                .iter()
                .map(|tracked| Task {
                    number: tracked.follow_up.number,
                    text: &tracked.follow_up.text,
                    owner: tracked.follow_up.owner.as_ref().map(who),
                    due: tracked.follow_up.due,
                    done_at: tracked.done_at.map(stamp),
                })
                .collect(),
            record: Proof {
                entries: incident.version,
                head: facts.head,
                verify: format!(
                    "Each entry of the timeline carries a SHA-256 over itself and the hash before it; `head` is the last. \
                     `firebell audit verify {}` finds every entry that was changed, removed or moved, and whatever in \
                     this summary the record does not say.",
                    super::file_name(&incident.id, crate::domain::event::ExportFormat::Json),
                ),
            },
        }
    }
}
