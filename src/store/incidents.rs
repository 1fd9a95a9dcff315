//! Incidents as they are read: their state, their events page by page, and which there are.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Context;
use jiff::Timestamp;
use serde_json::value::RawValue;

use super::chain::{self, Link};
use super::commit::{delivery_key, open_follow_ups, service, word};
use super::database::{Arg, Sql, by_ids};
use super::ledger::Expected;
use super::{Store, moment, ms};
use crate::domain::event::Recorded;
use crate::domain::id_pattern::may_name;
use crate::domain::incident::{Incident, Room, fold};
use crate::domain::ledger::entries;
use crate::domain::terms::{ChannelId, DeliveryId, IncidentId, ServiceId};

/// An incident as it is held between two commits: its state, and where its record stands.
#[derive(Debug, Clone)]
pub struct Held {
    /// The state.
    pub incident: Arc<Incident>,
    /// The hash of its last event.
    pub head: String,
    /// The day of its declaration in the organization's zone.
    pub day: String,
    /// Which incident of that day it is, from 1.
    pub number: i64,
}

/// An event as it is stored, byte for byte.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct EventRow {
    /// The incident.
    pub incident_id: String,
    /// Its number, from 1.
    pub seq: i64,
    /// Its kind.
    pub kind: String,
    /// When it happened, in milliseconds since 1970.
    pub happened_at_ms: i64,
    /// When it was written down, in milliseconds since 1970.
    pub recorded_at_ms: i64,
    /// Who made it happen, as JSON.
    pub actor: String,
    /// The event, as JSON.
    pub payload: String,
    /// The hash over all this and the hash before it.
    pub hash: String,
}

impl EventRow {
    /// Reads the event.
    pub fn recorded(&self) -> anyhow::Result<Recorded> {
        let place = || format!("event {} of {}", self.seq, self.incident_id);
        Ok(Recorded {
            seq: self.seq as u64,
            event: serde_json::from_str(&self.payload).with_context(place)?,
            actor: serde_json::from_str(&self.actor).with_context(place)?,
            happened_at: moment(self.happened_at_ms),
            recorded_at: moment(self.recorded_at_ms),
        })
    }

    /// What of it is hashed.
    pub fn link(&self) -> Link<'_> {
        Link {
            incident_id: &self.incident_id,
            seq: self.seq,
            kind: &self.kind,
            happened_at_ms: self.happened_at_ms,
            recorded_at_ms: self.recorded_at_ms,
            actor: &self.actor,
            payload: &self.payload,
        }
    }

    /// The payload as JSON that is passed on byte for byte.
    pub fn raw_payload(&self) -> serde_json::Result<&RawValue> {
        serde_json::from_str(&self.payload)
    }
}

/// Which incidents to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Those on which people still work.
    Open,
    /// Those whose post-mortem is not done yet.
    Unclosed,
    /// Those of which a follow-up is still to be done.
    WithFollowUps,
    /// All, the newest first.
    All,
}

/// Open incidents of one service that are looked through.
const OPEN_READ: i64 = 50;
/// How many events are read at a time when a whole record is walked through: memory stays bounded, however long it is.
const EVENTS_PER_PAGE: i64 = 2_000;

const STATE: &str = "SELECT state, head, day, number FROM incidents WHERE id = $1";
const STATES: Sql = by_ids!("SELECT state, head, day, number FROM incidents");
const OPEN: &str = "SELECT state, head, day, number FROM incidents \
     WHERE status <> 'resolved' AND status <> 'closed' ORDER BY declared_at_ms DESC, id DESC LIMIT $1";
const OPEN_IDS: &str = "SELECT id FROM incidents \
     WHERE status <> 'resolved' AND status <> 'closed' ORDER BY declared_at_ms DESC, id DESC LIMIT $1";
/// What an older version wrote has no service beside its state: those are read through. Said as two questions, for of one
/// with an `OR` SQLite reads every open incident.
const OPEN_OF_SERVICE: &str = "SELECT state, head, day, number FROM incidents WHERE id IN (\
     SELECT id FROM incidents WHERE status <> 'resolved' AND status <> 'closed' AND service = $1 UNION ALL \
     SELECT id FROM incidents WHERE status <> 'resolved' AND status <> 'closed' AND service IS NULL AND state LIKE $2) \
     ORDER BY declared_at_ms DESC, id DESC LIMIT $3";
const UNCLOSED: &str = "SELECT state, head, day, number FROM incidents \
     WHERE status <> 'closed' ORDER BY declared_at_ms DESC, id DESC LIMIT $1";
const WITH_FOLLOW_UPS: &str = "SELECT state, head, day, number FROM incidents \
     WHERE open_follow_ups > 0 ORDER BY declared_at_ms DESC, id DESC LIMIT $1";
const NEWEST: &str = "SELECT state, head, day, number FROM incidents \
     ORDER BY declared_at_ms DESC, id DESC LIMIT $1";
const EVENTS: &str = "SELECT incident_id, seq, kind, happened_at_ms, recorded_at_ms, actor, payload, hash \
     FROM events WHERE incident_id = $1 AND seq > $2 ORDER BY seq LIMIT $3";

/// How many events an export reads at a time. Its longest rows are long (a note may have forty thousand characters),
/// and several exports may run at once.
const EVENTS_PER_EXPORT_PAGE: i64 = 500;

const EVENTS_OF_KIND: &str = "SELECT incident_id, seq, kind, happened_at_ms, recorded_at_ms, actor, payload, hash \
     FROM events WHERE incident_id = $1 AND kind = $2 AND seq > $3 AND seq <= $4 ORDER BY seq LIMIT $5";
const EVENTS_IN_PLACE: &str = "SELECT incident_id, seq, kind, happened_at_ms, recorded_at_ms, actor, payload, hash \
     FROM events WHERE incident_id = $1 AND happened_at_ms = recorded_at_ms AND seq > $2 AND seq <= $3 \
     ORDER BY seq LIMIT $4";
const EVENTS_MOVED: &str = "SELECT incident_id, seq, kind, happened_at_ms, recorded_at_ms, actor, payload, hash \
     FROM events WHERE incident_id = $1 AND happened_at_ms <> recorded_at_ms AND (happened_at_ms, seq) > ($2, $3) \
     AND seq <= $4 ORDER BY happened_at_ms, seq LIMIT $5";

impl Store {
    /// An incident's state, with where its record stands.
    pub async fn held(&self, id: &IncidentId) -> anyhow::Result<Option<Held>> {
        self.database
            .row::<HeldRow>(STATE, &[id.as_str().into()])
            .await
            .with_context(|| format!("reading {id}"))?
            .map(HeldRow::held)
            .transpose()
    }

    /// The states of many incidents in one go; what is not there is left out.
    pub async fn held_of(&self, ids: &[&IncidentId]) -> anyhow::Result<Vec<Held>> {
        let ids = serde_json::to_string(ids).context("naming incidents")?;
        let rows: Vec<HeldRow> = self
            .database
            .rows(STATES, &[ids.as_str().into()])
            .await
            .context("reading incidents")?;
        rows.into_iter().map(HeldRow::held).collect()
    }

    /// An incident's state.
    pub async fn incident(&self, id: &IncidentId) -> anyhow::Result<Option<Arc<Incident>>> {
        Ok(self.held(id).await?.map(|held| held.incident))
    }

    /// The newest incidents.
    pub async fn list(&self, which: Which, limit: i64) -> anyhow::Result<Vec<Arc<Incident>>> {
        let sql = match which {
            Which::Open => OPEN,
            Which::Unclosed => UNCLOSED,
            Which::WithFollowUps => WITH_FOLLOW_UPS,
            Which::All => NEWEST,
        };
        let rows: Vec<HeldRow> = self
            .database
            .rows(sql, &[limit.into()])
            .await
            .context("listing incidents")?;
        rows.into_iter()
            .map(|row| row.held().map(|held| held.incident))
            .collect()
    }

    /// Which incidents are open: the ids of the newest, in no order.
    pub async fn open_ids(&self, limit: i64) -> anyhow::Result<BTreeSet<IncidentId>> {
        let rows: Vec<(String,)> = self
            .database
            .rows(OPEN_IDS, &[limit.into()])
            .await
            .context("looking which incidents are open")?;
        Ok(rows.into_iter().map(|(id,)| IncidentId::new(id)).collect())
    }

    /// The open incidents of a service, the newest first.
    pub async fn open_of_service(&self, service: &ServiceId) -> anyhow::Result<Vec<Held>> {
        let said = format!("%\"service\":\"{service}\"%");
        let rows: Vec<HeldRow> = self
            .database
            .rows(
                OPEN_OF_SERVICE,
                &[
                    service.as_str().into(),
                    said.as_str().into(),
                    OPEN_READ.into(),
                ],
            )
            .await
            .with_context(|| format!("looking for the open incidents of {service}"))?;
        let mut open = Vec::new();
        for row in rows {
            let held = row.held()?;
            // What the state says elsewhere may look alike.
            if held.incident.service.as_ref() == Some(service) {
                open.push(held);
            }
        }
        Ok(open)
    }

    /// The incident whose war room this channel is.
    pub async fn incident_in(&self, channel: &ChannelId) -> anyhow::Result<Option<Arc<Incident>>> {
        self.database
            .row::<HeldRow>(
                "SELECT state, head, day, number FROM incidents WHERE channel = $1 ORDER BY id LIMIT 1",
                &[channel.as_str().into()],
            )
            .await
            .with_context(|| format!("looking for the incident of {channel}"))?
            .map(|row| row.held().map(|held| held.incident))
            .transpose()
    }

    /// How many incidents there are, and how many are open.
    pub async fn counts(&self) -> anyhow::Result<(i64, i64)> {
        let (all,): (i64,) = self
            .database
            .row("SELECT CAST(COUNT(*) AS BIGINT) FROM incidents", &[])
            .await?
            .unwrap_or_default();
        let (open,): (i64,) = self
            .database
            .row(
                "SELECT CAST(COUNT(*) AS BIGINT) FROM incidents WHERE status <> 'resolved' AND status <> 'closed'",
                &[],
            )
            .await?
            .unwrap_or_default();
        Ok((all, open))
    }

    /// The highest number given out on a day; 0 if none was.
    pub async fn last_number(&self, day: &str) -> anyhow::Result<i64> {
        let row: Option<(Option<i64>,)> = self
            .database
            .row(
                "SELECT CAST(MAX(number) AS BIGINT) FROM incidents WHERE day = $1",
                &[day.into()],
            )
            .await
            .context("looking for the last incident of the day")?;
        Ok(row.and_then(|(number,)| number).unwrap_or(0))
    }

    /// The incident that a delivery led to, and the first event, if that delivery was made before.
    pub async fn delivered(&self, id: &DeliveryId) -> anyhow::Result<Option<(IncidentId, u64)>> {
        let row: Option<(String, i64)> = self
            .database
            .row(
                "SELECT incident_id, seq FROM deliveries WHERE id = $1",
                &[(&*delivery_key(id)).into()],
            )
            .await
            .context("looking for an earlier delivery")?;
        Ok(row.map(|(id, seq)| (IncidentId::new(id), seq as u64)))
    }

    /// Forgets deliveries that nobody will repeat any more. Says how many.
    pub async fn forget_deliveries(&self, now: Timestamp) -> anyhow::Result<u64> {
        self.database
            .execute(
                "DELETE FROM deliveries WHERE expires_at_ms < $1",
                &[ms(now).into()],
            )
            .await
            .context("forgetting old deliveries")
    }

    /// The hash of one event.
    pub async fn hash_of(&self, id: &IncidentId, seq: i64) -> anyhow::Result<Option<String>> {
        Ok(self
            .page(id, seq - 1, 1)
            .await?
            .pop()
            .filter(|row| row.seq == seq)
            .map(|row| row.hash))
    }

    /// One event.
    pub async fn event(&self, id: &IncidentId, seq: u64) -> anyhow::Result<Option<Recorded>> {
        self.page(id, seq as i64 - 1, 1)
            .await?
            .first()
            .map(EventRow::recorded)
            .transpose()
    }

    /// The next page of an incident's events after a number; empty at the end.
    pub async fn events_after(&self, id: &IncidentId, seq: i64) -> anyhow::Result<Vec<EventRow>> {
        self.page(id, seq, EVENTS_PER_PAGE).await
    }

    /// The next page of an incident's events of one kind, in the order of the record, after one number and up to
    /// another; empty at the end.
    pub async fn events_of_kind(
        &self,
        id: &IncidentId,
        kind: &str,
        after: i64,
        up_to: i64,
    ) -> anyhow::Result<Vec<EventRow>> {
        let args = [
            id.as_str().into(),
            kind.into(),
            after.into(),
            up_to.into(),
            EVENTS_PER_EXPORT_PAGE.into(),
        ];
        self.walk(id, EVENTS_OF_KIND, &args).await
    }

    /// The next page of those events that were written down as they happened, in the order of the record, after one
    /// number and up to another; empty at the end.
    pub async fn events_in_place(
        &self,
        id: &IncidentId,
        after: i64,
        up_to: i64,
    ) -> anyhow::Result<Vec<EventRow>> {
        let args = [
            id.as_str().into(),
            after.into(),
            up_to.into(),
            EVENTS_PER_EXPORT_PAGE.into(),
        ];
        self.walk(id, EVENTS_IN_PLACE, &args).await
    }

    /// The next page of the other events, in the order in which they happened, after a place in that order (a moment
    /// in milliseconds, and a number) and up to a number; empty at the end.
    pub async fn events_moved(
        &self,
        id: &IncidentId,
        after: (i64, i64),
        up_to: i64,
    ) -> anyhow::Result<Vec<EventRow>> {
        let args = [
            id.as_str().into(),
            after.0.into(),
            after.1.into(),
            up_to.into(),
            EVENTS_PER_EXPORT_PAGE.into(),
        ];
        self.walk(id, EVENTS_MOVED, &args).await
    }

    async fn walk(
        &self,
        id: &IncidentId,
        sql: &'static str,
        args: &[Arg<'_>],
    ) -> anyhow::Result<Vec<EventRow>> {
        self.database
            .rows(sql, args)
            .await
            .with_context(|| format!("reading the record of {id}"))
    }

    async fn page(&self, id: &IncidentId, after: i64, limit: i64) -> anyhow::Result<Vec<EventRow>> {
        self.database
            .rows(EVENTS, &[id.as_str().into(), after.into(), limit.into()])
            .await
            .with_context(|| format!("reading the record of {id}"))
    }

    /// Walks through the whole record of an incident and says where it does not hold, in words. Empty: it holds.
    ///
    /// It may be written on meanwhile: what is walked through is the record up to the state that was read first.
    pub async fn audit(&self, id: &IncidentId) -> anyhow::Result<Vec<String>> {
        let Some(row) = self.audited(id).await? else {
            return Ok(vec![format!(
                "{id}: its events are there, but the incident itself is gone"
            )]);
        };
        // What cannot be read is a fault like any other; the record is walked through all the same.
        let incident = serde_json::from_str::<Incident>(&row.state);
        let up_to = incident
            .as_ref()
            .map_or(row.version, |incident| incident.version as i64);
        let mut faults = Vec::new();
        let mut head = chain::BEGINNING.to_owned();
        let mut last = 0;
        let mut state: Option<Incident> = None;
        let mut pages = Expected::default();
        // From before the first, where nothing may stand.
        let mut read_to = i64::MIN;
        'record: loop {
            let page = self.events_after(id, read_to).await?;
            if page.is_empty() {
                break;
            }
            for row in page {
                if row.seq > up_to {
                    break 'record;
                }
                read_to = row.seq;
                if row.seq != last + 1 {
                    faults.push(format!(
                        "{id}: after event {last} comes event {}: what stood between is gone",
                        row.seq
                    ));
                }
                if row.link().hash(&head) != row.hash {
                    faults.push(format!(
                        "{id}: event {} ({}) is not what was written down",
                        row.seq, row.kind
                    ));
                }
                match row.recorded() {
                    Ok(recorded) => {
                        let open = state.as_ref().map(|it| it.pages.clone());
                        state = fold(state, &recorded);
                        if let Some(after) = &state {
                            let open = open.unwrap_or_default();
                            pages.add(entries(&recorded, &open, after));
                        }
                    }
                    Err(cause) => faults.push(format!("{id}: {cause:#}")),
                }
                last = row.seq;
                head = row.hash;
            }
        }
        // The last event is looked for before the state is read again: whoever writes adds both at once, so an event
        // that the later state does not know of was added past it.
        let end = self.last_event(id).await?;
        let stands_at = self.audited(id).await?.map_or(0, |row| row.version);
        if last != up_to || head != row.head || end > stands_at {
            faults.push(format!(
                "{id}: the record ends at event {}, but the incident stands at event {stands_at}",
                if end > stands_at { end } else { last },
            ));
        }
        match incident {
            Ok(incident) if state.as_ref() != Some(&incident) || !row.repeats(&incident)? => {
                faults.push(format!(
                    "{id}: the incident does not stand as its record says"
                ));
            }
            Ok(_) => {}
            Err(cause) => faults.push(format!("{id}: its state cannot be read: {cause}")),
        }
        faults.extend(self.ledger_faults(id, &pages, up_to).await?);
        if !row.is_named_by(id) {
            faults.push(format!(
                "{id}: it is not number {} of {}",
                row.number, row.day
            ));
        }
        Ok(faults)
    }

    /// The ids under which there are events, but no incident.
    pub async fn strays(&self) -> anyhow::Result<Vec<IncidentId>> {
        let rows: Vec<(String,)> = self
            .database
            .rows(
                "SELECT DISTINCT incident_id FROM events AS e WHERE NOT EXISTS \
                 (SELECT 1 FROM incidents AS i WHERE i.id = e.incident_id) ORDER BY incident_id",
                &[],
            )
            .await
            .context("looking for events without an incident")?;
        Ok(rows.into_iter().map(|(id,)| IncidentId::new(id)).collect())
    }

    async fn audited(&self, id: &IncidentId) -> anyhow::Result<Option<AuditedRow>> {
        self.database
            .row(
                "SELECT state, head, day, number, declared_at_ms, version, status, open_follow_ups, severity, channel, \
                 service FROM incidents WHERE id = $1",
                &[id.as_str().into()],
            )
            .await
            .with_context(|| format!("reading {id}"))
    }

    async fn last_event(&self, id: &IncidentId) -> anyhow::Result<i64> {
        let row: Option<(Option<i64>,)> = self
            .database
            .row(
                "SELECT CAST(MAX(seq) AS BIGINT) FROM events WHERE incident_id = $1",
                &[id.as_str().into()],
            )
            .await
            .with_context(|| format!("looking for the last event of {id}"))?;
        Ok(row.and_then(|(seq,)| seq).unwrap_or(0))
    }

    /// The ids of all incidents, oldest first.
    pub async fn all_ids(&self) -> anyhow::Result<Vec<IncidentId>> {
        let rows: Vec<(String,)> = self
            .database
            .rows("SELECT id FROM incidents ORDER BY day, number", &[])
            .await
            .context("listing incidents")?;
        Ok(rows.into_iter().map(|(id,)| IncidentId::new(id)).collect())
    }
}

/// An incident's row as it stands at one moment, with the columns that repeat what its state says.
#[derive(sqlx::FromRow)]
struct AuditedRow {
    state: String,
    head: String,
    day: String,
    number: i64,
    declared_at_ms: i64,
    version: i64,
    status: String,
    open_follow_ups: i64,
    severity: String,
    channel: Option<String>,
    service: Option<String>,
}

impl AuditedRow {
    /// Whether the columns that are kept to be looked for say what the state says.
    fn repeats(&self, incident: &Incident) -> serde_json::Result<bool> {
        let channel = match &incident.room {
            Room::Channel { channel, .. } => Some(channel.as_str()),
            Room::Wanted { .. } | Room::Thread => None,
        };
        Ok(self.declared_at_ms == ms(incident.milestones.declared)
            && self.version == incident.version as i64
            && self.status == word(&incident.status)?
            && self.open_follow_ups == open_follow_ups(incident)
            && self.severity == incident.severity.id.as_str()
            && self.channel.as_deref() == channel
            // An older version wrote none.
            && self.service.as_deref().is_none_or(|it| it == service(incident)))
    }

    /// Whether the incident's name may be made of this day and this number.
    fn is_named_by(&self, id: &IncidentId) -> bool {
        match (self.day.parse(), u32::try_from(self.number)) {
            (Ok(day), Ok(number)) => may_name(id.as_str(), day, number),
            _ => false,
        }
    }
}

#[derive(sqlx::FromRow)]
struct HeldRow {
    state: String,
    head: String,
    day: String,
    number: i64,
}

impl HeldRow {
    fn held(self) -> anyhow::Result<Held> {
        let incident: Incident =
            serde_json::from_str(&self.state).context("reading an incident's state")?;
        Ok(Held {
            incident: Arc::new(incident),
            head: self.head,
            day: self.day,
            number: self.number,
        })
    }
}
