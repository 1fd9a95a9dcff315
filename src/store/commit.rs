//! The one way to write: deliveries, states, events and orders of any number of commands, in one transaction.
//!
//! Nothing is read first. Whoever commits has decided on a state that may have grown old meanwhile; the unique keys
//! of the tables are the proof that it had not: two events of one number, two incidents of one number or a delivery
//! made twice break the whole commit, which is then decided again on a fresh state.
//!
//! However many commands share a commit, it is one statement (see `write`), and so one round trip.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::chain::Link;
use super::handover::Handing;
use super::incidents::Held;
use super::ledger::{PAGE_DELIVERIES, PAGES, delivery_id, delivery_row, page_id, page_row};
use super::outbox::{self, CANCELS, FINISHES, Lease, ORDERS, finish_row};
pub use super::write::CommitError;
use super::write::Kind::{Int, Text};
use super::write::{Batch, Cell, Verb, Write};
use super::{Store, ms};
use crate::domain::effect::{Effect, Lane, Order};
use crate::domain::event::Recorded;
use crate::domain::incident::{Incident, Room};
use crate::domain::ledger::{DeliveryEntry, PageEntry, entries};
use crate::domain::terms::{DeliveryId, IncidentId};

/// Orders of one event stand in their queue behind each other, and before those of the next event.
const PLACES_PER_EVENT: i64 = 1_000;

/// How long a commit may take for which nobody has set a time.
const COMMIT: Duration = Duration::from_secs(2);
/// What is to be written together.
#[derive(Debug, Default)]
pub struct Commit {
    states: BTreeMap<IncidentId, Held>,
    events: Vec<Cell>,
    deliveries: Vec<Cell>,
    orders: Vec<NewOrder>,
    cancelled: Vec<Cell>,
    finished: Vec<Cell>,
    /// By their ids: what one commit changes twice is written once.
    pages: BTreeMap<String, PageEntry>,
    page_deliveries: BTreeMap<String, DeliveryEntry>,
}

#[derive(Debug)]
struct NewOrder {
    incident: IncidentId,
    position: i64,
    effect: Effect,
    ordered_at: Timestamp,
    due: Timestamp,
}

impl Commit {
    /// Whether there is anything to write.
    pub fn is_empty(&self) -> bool {
        self.states.is_empty() && self.deliveries.is_empty() && self.finished.is_empty()
    }

    /// Remembers that a delivery was made and to which event it led, until then or for ever.
    pub fn deliver(
        &mut self,
        id: &DeliveryId,
        incident: &IncidentId,
        seq: u64,
        expires_at: Option<Timestamp>,
    ) {
        self.deliveries.extend([
            Cell::text(&delivery_key(id)),
            Cell::text(incident.as_str()),
            Cell::int(seq as i64),
            Cell::Int(expires_at.map(ms)),
        ]);
    }

    /// Writes an event down, chained to the one before it, and the state after it. `held` is the state before and
    /// becomes the state after.
    pub fn append(
        &mut self,
        held: &mut Held,
        recorded: &Recorded,
        after: Incident,
    ) -> Result<(), serde_json::Error> {
        let actor = serde_json::to_string(&recorded.actor)?;
        let payload = serde_json::to_string(&recorded.event)?;
        let hash = Link {
            incident_id: after.id.as_str(),
            seq: recorded.seq as i64,
            kind: recorded.event.kind(),
            happened_at_ms: ms(recorded.happened_at),
            recorded_at_ms: ms(recorded.recorded_at),
            actor: &actor,
            payload: &payload,
        }
        .hash(&held.head);
        self.events.extend([
            Cell::text(after.id.as_str()),
            Cell::int(recorded.seq as i64),
            Cell::text(recorded.event.kind()),
            Cell::int(ms(recorded.happened_at)),
            Cell::int(ms(recorded.recorded_at)),
            Cell::Text(Some(actor)),
            Cell::Text(Some(payload)),
            Cell::text(&hash),
        ]);
        held.head = hash;
        // A declaration, before which there is no state, pages nobody yet.
        let entries = entries(recorded, &held.incident.pages, &after);
        let pages = entries.pages.into_iter();
        self.pages
            .extend(pages.map(|entry| (page_id(&entry), entry)));
        let deliveries = entries.deliveries.into_iter();
        self.page_deliveries
            .extend(deliveries.map(|entry| (delivery_id(&entry), entry)));
        held.incident = after.into();
        self.states.insert(held.incident.id.clone(), held.clone());
        Ok(())
    }

    /// Puts the orders of the incident's newest event into the outbox.
    pub fn order(&mut self, incident: &Incident, orders: Vec<Order>, now: Timestamp) {
        for (place, order) in (0..).zip(orders) {
            let key = match &order {
                Order::Do { effect, .. } => effect.key(),
                Order::Cancel { key } => Some(*key),
            };
            // The first event of an incident finds nothing waiting.
            if let Some(key) = key
                && incident.version > 1
            {
                self.cancel(&incident.id, key);
            }
            if let Order::Do { effect, due } = order {
                self.orders.push(NewOrder {
                    incident: incident.id.clone(),
                    position: incident.version as i64 * PLACES_PER_EVENT + place,
                    effect,
                    ordered_at: now,
                    due,
                });
            }
        }
    }

    /// Whether it orders something of a lane until then.
    pub fn orders_by(&self, lane: Lane, by: Timestamp) -> bool {
        self.orders
            .iter()
            .any(|order| order.due <= by && order.effect.lane() == lane)
    }

    /// Takes an order off the outbox in the same breath: it is done, and what it brought back is in this commit.
    pub fn finish(&mut self, lease: &Lease) {
        self.finished.extend(finish_row(lease));
    }

    /// Whether it says something of pages. Most do not, and are spared the tables of the ledger.
    fn has_pages(&self) -> bool {
        !self.pages.is_empty() || !self.page_deliveries.is_empty()
    }

    fn cancel(&mut self, incident: &IncidentId, key: &'static str) {
        // An order of this very commit is not in the table yet.
        self.orders
            .retain(|order| order.incident != *incident || order.effect.key() != Some(key));
        self.cancelled
            .extend([Cell::text(incident.as_str()), Cell::text(key)]);
    }

    /// The rows, in the order of [`WRITES`].
    fn rows(&self, handing: &mut Handing<'_>) -> Result<Vec<Vec<Cell>>, serde_json::Error> {
        let mut states = Vec::new();
        for (id, held) in &self.states {
            let incident = &*held.incident;
            let channel = match &incident.room {
                Room::Channel { channel, .. } => Some(channel.as_str().to_owned()),
                Room::Wanted { .. } | Room::Thread => None,
            };
            states.extend([
                Cell::text(id.as_str()),
                Cell::text(&held.day),
                Cell::int(held.number),
                Cell::int(ms(incident.milestones.declared)),
                Cell::int(incident.version as i64),
                Cell::text(&word(&incident.status)?),
                Cell::int(open_follow_ups(incident)),
                Cell::text(incident.severity.id.as_str()),
                Cell::Text(channel),
                Cell::text(service(incident)),
                Cell::Text(Some(serde_json::to_string(incident)?)),
                Cell::text(&held.head),
            ]);
        }
        let mut orders = Vec::new();
        for order in &self.orders {
            let order = outbox::NewOrder {
                by: order.incident.as_str(),
                position: order.position,
                // Those of its declaration. Before a page nothing stands: it has no queue.
                is_first: order.position < 2 * PLACES_PER_EVENT
                    || (order.effect.lane().is_of_pages() && order.effect.queue().is_none()),
                effect: &order.effect,
                channel: None,
                ordered_at: order.ordered_at,
                due: order.due,
            };
            orders.extend(order.row(handing)?);
        }
        let mut rows = vec![
            self.finished.clone(),
            self.deliveries.clone(),
            states,
            self.events.clone(),
            self.cancelled.clone(),
            orders,
        ];
        if self.has_pages() {
            let pages = self.pages.iter();
            let pages = pages.map(|(id, entry)| page_row(id, entry));
            rows.push(pages.collect::<Result<Vec<_>, _>>()?.concat());
            let deliveries = self.page_deliveries.iter();
            let deliveries = deliveries.map(|(id, entry)| delivery_row(id, entry));
            rows.push(deliveries.flatten().collect());
        }
        Ok(rows)
    }
}

/// The longest delivery id that is kept as it is. PostgreSQL refuses a key of more than 2,704 bytes; Slack's own ids
/// have a tenth of this.
const DELIVERY_ID_MAX: usize = 255;

/// The key of a delivery: its id, or the hash of one that is too long for a key.
pub(super) fn delivery_key(id: &DeliveryId) -> Cow<'_, str> {
    let id = id.as_str();
    match id.len() > DELIVERY_ID_MAX {
        true => hex::encode(Sha256::digest(id)).into(),
        false => id.into(),
    }
}

/// How many follow-ups of an incident are still to be done.
pub(super) fn open_follow_ups(incident: &Incident) -> i64 {
    let open = incident.follow_ups.iter().filter(|it| it.done_at.is_none());
    open.count() as i64
}

/// What an incident affects; nothing in particular: nothing.
pub(super) fn service(incident: &Incident) -> &str {
    incident.service.as_ref().map_or("", |id| id.as_str())
}

/// The word under which serde stores a unit variant.
pub(super) fn word<T: serde::Serialize>(value: &T) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_value(value)?
        .as_str()
        .unwrap_or_default()
        .to_owned())
}

impl Store {
    /// Writes a commit, all of it or nothing.
    pub async fn commit(&self, commit: &Commit) -> Result<(), CommitError> {
        self.commit_by(commit, Instant::now() + COMMIT).await
    }

    /// The same, by then: what has not begun to be written until then is not written.
    pub async fn commit_by(&self, commit: &Commit, until: Instant) -> Result<(), CommitError> {
        let mut handing = self.handover.begin();
        let rows = commit.rows(&mut handing)?;
        let batch = match commit.has_pages() {
            true => &PAGING_WRITES,
            false => &COMMIT_WRITES,
        };
        self.database.write(batch, rows, until).await?;
        handing.pass_on();
        Ok(())
    }

    /// Whether a commit whose end is not known was written: it was, all of it, if its first event stands there. Asked
    /// over a new connection.
    pub async fn is_written(&self, commit: &Commit) -> anyhow::Result<bool> {
        let [
            Cell::Text(Some(incident)),
            Cell::Int(Some(seq)),
            _,
            _,
            _,
            _,
            _,
            Cell::Text(hash),
            ..,
        ] = &commit.events[..]
        else {
            return Ok(false);
        };
        self.database.distrust();
        let stored = self.hash_of(&IncidentId::new(incident), *seq).await?;
        Ok(stored.is_some() && stored == *hash)
    }
}

/// What a commit writes.
pub(super) static COMMIT_WRITES: Batch = Batch {
    door: "door",
    committer: 0,
    writes: &WRITES,
    statements: Mutex::new(BTreeMap::new()),
};

/// Deliveries that were made.
pub(super) const DELIVERIES: Write = Write {
    verb: Verb::Insert,
    table: "deliveries",
    columns: &[
        ("id", Text),
        ("incident_id", Text),
        ("seq", Int),
        ("expires_at_ms", Int),
    ],
};

/// What a commit writes that says something of pages.
pub(super) static PAGING_WRITES: Batch = Batch {
    door: "paging_door",
    committer: 0,
    writes: &WRITES_OF_PAGING,
    statements: Mutex::new(BTreeMap::new()),
};

/// All that a commit writes, in this order.
const WRITES: [Write; 6] = [FINISHES, DELIVERIES, STATES, EVENTS, CANCELS, ORDERS];

/// The same, and what became of pages.
const WRITES_OF_PAGING: [Write; 8] = [
    FINISHES,
    DELIVERIES,
    STATES,
    EVENTS,
    CANCELS,
    ORDERS,
    PAGES,
    PAGE_DELIVERIES,
];

/// Incidents as they stand. That one of this id is there already is no conflict here: if it is another one, it has a
/// first event too.
const STATES: Write = Write {
    verb: Verb::Put,
    table: "incidents",
    columns: &[
        ("id", Text),
        ("day", Text),
        ("number", Int),
        ("declared_at_ms", Int),
        ("version", Int),
        ("status", Text),
        ("open_follow_ups", Int),
        ("severity", Text),
        ("channel", Text),
        ("service", Text),
        ("state", Text),
        ("head", Text),
    ],
};

/// What has happened.
const EVENTS: Write = Write {
    verb: Verb::Insert,
    table: "events",
    columns: &[
        ("incident_id", Text),
        ("seq", Int),
        ("kind", Text),
        ("happened_at_ms", Int),
        ("recorded_at_ms", Int),
        ("actor", Text),
        ("payload", Text),
        ("hash", Text),
    ],
};
