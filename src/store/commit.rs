//! The one way to write: deliveries, states, events and orders of any number of commands, in one transaction.
//!
//! Nothing is read first. Whoever commits has decided on a state that may have grown old meanwhile; the unique keys
//! of the tables are the proof that it had not: two events of one number, two incidents of one number or a delivery
//! made twice break the whole commit, which is then decided again on a fresh state.
//!
//! However many commands share a commit, it is one statement: on PostgreSQL the rows go as arrays in a `WITH` over all
//! tables, on SQLite as JSON through a trigger (see `sqlite_door`). So a commit is one round trip.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, PgConnection, SqliteConnection};
use tokio::time::Instant;

use super::chain::Link;
use super::connections::{Idle, Limits};
use super::database::{Database, SQLITE_BUSY, in_time, without_nul};
use super::incidents::Held;
use super::outbox::Lease;
use super::{Store, ms};
use crate::domain::effect::{Effect, Lane, Order};
use crate::domain::event::Recorded;
use crate::domain::incident::{Incident, Room};
use crate::domain::terms::{DeliveryId, IncidentId};

/// Orders of one event stand in their queue behind each other, and before those of the next event.
const PLACES_PER_EVENT: i64 = 1_000;

/// How long a commit may take for which nobody has set a time.
const COMMIT: Duration = Duration::from_secs(2);
/// On PostgreSQL. For a lock it waits no longer than the most hurried commit may (the engine gives none less than half a
/// second): so the server says that nothing was written, and we need not guess.
const PRESSED: Limits = Limits {
    statement_ms: 2_000,
    lock_ms: 400,
};
/// SQLite keeps to its time by itself; only a disk that hangs takes longer.
const SQLITE_GRACE: Duration = Duration::from_millis(200);

/// What is to be written together.
#[derive(Debug, Default)]
pub struct Commit {
    states: BTreeMap<IncidentId, Held>,
    events: Vec<Cell>,
    deliveries: Vec<Cell>,
    orders: Vec<NewOrder>,
    cancelled: Vec<Cell>,
    finished: Vec<Cell>,
}

#[derive(Debug)]
struct NewOrder {
    incident: IncidentId,
    position: i64,
    effect: Effect,
    ordered_at: Timestamp,
    due: Timestamp,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Somebody else was faster, or a delivery was made twice: look again, decide again.
    #[error("the state has moved on")]
    Conflict,
    /// A lease was lost: somebody else does that order now.
    #[error("the lease was lost")]
    LeaseLost,
    /// Two commits wait for each other, and this one had to give way: again.
    #[error("another commit stood in the way")]
    Deadlock,
    /// The database takes everything but what stands in this commit.
    #[error("the database refuses what is to be written")]
    Unfit(#[source] sqlx::Error),
    /// The database failed, or did not begin in time: nothing is written.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// The database went away, or did not answer in time: it may be written, or may be yet.
    #[error("the database went away while it wrote")]
    Unclear(#[source] sqlx::Error),
    /// An event could not be put into JSON.
    #[error("an event cannot be stored")]
    Json(#[from] serde_json::Error),
}

impl CommitError {
    /// Whether it says something of the store, not of what was to be written.
    fn is_of_the_store(&self) -> bool {
        matches!(self, CommitError::Database(_) | CommitError::Unclear(_))
    }
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
        self.finished.extend([
            Cell::text(&lease.id),
            Cell::text(&lease.owner),
            Cell::int(lease.attempts),
        ]);
    }

    fn cancel(&mut self, incident: &IncidentId, key: &'static str) {
        // An order of this very commit is not in the table yet.
        self.orders
            .retain(|order| order.incident != *incident || order.effect.key() != Some(key));
        self.cancelled
            .extend([Cell::text(incident.as_str()), Cell::text(key)]);
    }

    /// The rows, in the order of [`WRITES`].
    fn rows(&self) -> Result<[Vec<Cell>; WRITES.len()], serde_json::Error> {
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
                Cell::Text(Some(serde_json::to_string(incident)?)),
                Cell::text(&held.head),
            ]);
        }
        let mut orders = Vec::new();
        for order in &self.orders {
            orders.extend([
                Cell::Text(Some(format!("{}/{}", order.incident, order.position))),
                Cell::text(order.incident.as_str()),
                Cell::text(order.effect.lane().word()),
                Cell::Text(order.effect.queue().map(str::to_owned)),
                Cell::int(order.position),
                Cell::Text(order.effect.key().map(str::to_owned)),
                Cell::Text(Some(serde_json::to_string(&order.effect)?)),
                Cell::int(ms(order.ordered_at)),
                Cell::int(ms(order.due)),
                Cell::int(0),
            ]);
        }
        let rows = [
            self.finished.clone(),
            self.deliveries.clone(),
            states,
            self.events.clone(),
            self.cancelled.clone(),
            orders,
        ];
        let mut writes = WRITES.iter();
        Ok(rows.map(|cells| writes.next().map_or(vec![], |write| write.in_order(cells))))
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
        let rows = commit.rows()?;
        match &self.database {
            Database::Sqlite { writer, .. } => {
                let mut writer = in_time(until, async { Ok(writer.lock().await) }).await?;
                let connection = in_time(until, writer.connection()).await?;
                // Whoever has less time than a lock may take waits for no lock longer than that.
                let left = until.saturating_duration_since(Instant::now());
                let is_pressed = left < SQLITE_BUSY;
                if is_pressed {
                    let patience = format!("PRAGMA busy_timeout = {}", left.as_millis());
                    sqlx::query(AssertSqlSafe(patience))
                        .execute(&mut *connection)
                        .await?;
                }
                let written = write_sqlite(connection, &rows, until + SQLITE_GRACE).await;
                if is_pressed || written.as_ref().is_err_and(CommitError::is_of_the_store) {
                    writer.give_up();
                }
                written
            }
            Database::Postgres { committer, others } => {
                let mut committer = in_time(until, async { Ok(committer.lock().await) }).await?;
                let mut connection = match committer.take().and_then(Idle::fresh) {
                    Some(connection) if !others.is_closed() => connection,
                    _ => in_time(until, others.connect(PRESSED)).await?,
                };
                let written = write_postgres(&mut connection, rows, until).await;
                if !written.as_ref().is_err_and(CommitError::is_of_the_store) {
                    *committer = Some(Idle::new(connection));
                }
                written
            }
        }
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

/// What PostgreSQL says when a lease was lost: the commit divides by nothing (see [`Verb::Finish`]).
const DIVIDED_BY_ZERO: &str = "22012";
/// What SQLite says when a lease was lost: the words of the commit's own trigger, and its code for such words.
const LEASE_LOST: &str = "a lease was lost";
const RAISED: &str = "1811";

/// What an error of the writing says. A code of five characters is one of PostgreSQL's, its class in the first two
/// (appendix A of its manual); any other is a number of SQLite's, whose last byte is the class.
fn classified(error: sqlx::Error) -> CommitError {
    let cause = match &error {
        sqlx::Error::Database(cause) => cause,
        // Not even sent.
        sqlx::Error::Encode(_) => return CommitError::Unfit(error),
        _ => return CommitError::Unclear(error),
    };
    if cause.is_unique_violation() {
        return CommitError::Conflict;
    }
    let code = cause.code().unwrap_or_default();
    if code == DIVIDED_BY_ZERO || (code == RAISED && cause.message() == LEASE_LOST) {
        return CommitError::LeaseLost;
    }
    if code.len() == 5 {
        return match &code[..2] {
            // Two commits wait for each other, or cannot be told apart from one another.
            "40" => CommitError::Deadlock,
            // Data that does not fit its type, breaks a rule of a table, or is beyond a limit.
            "22" | "23" | "54" => CommitError::Unfit(error),
            // The session was ended, or the server fell over: perhaps after it had written.
            "08" | "58" | "XX" => CommitError::Unclear(error),
            "57" if code.starts_with("57P") => CommitError::Unclear(error),
            _ => CommitError::Database(error),
        };
    }
    match code.parse::<u32>().unwrap_or_default() & 0xff {
        // Too big; a rule of a table; a wrong type.
        18..=20 => CommitError::Unfit(error),
        // The disk failed.
        10 => CommitError::Unclear(error),
        _ => CommitError::Database(error),
    }
}

/// A value in a row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
enum Cell {
    Text(Option<String>),
    Int(Option<i64>),
}

impl Cell {
    fn text(text: &str) -> Self {
        Cell::Text(Some(without_nul(text).into_owned()))
    }

    fn int(number: i64) -> Self {
        Cell::Int(Some(number))
    }
}

/// The type of a column.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Int,
}

use Kind::{Int, Text};

/// A write of any number of rows of one shape, in the words of both engines.
struct Write {
    verb: Verb,
    table: &'static str,
    columns: &'static [(&'static str, Kind)],
}

enum Verb {
    /// Adds the rows.
    Insert,
    /// Adds the rows, or takes their place where the first column is there already.
    Put,
    /// Removes the rows in which all columns are equal and which nobody is working on.
    DeleteWaiting,
    /// Removes the rows in which all columns are equal, and breaks the whole commit if one of them is not there.
    Finish,
}

/// All that a commit writes, in this order.
const WRITES: [Write; 6] = [
    // The lease is the fence: whoever lost it changes nothing.
    Write {
        verb: Verb::Finish,
        table: "outbox",
        columns: &[("id", Text), ("lease_owner", Text), ("attempts", Int)],
    },
    Write {
        verb: Verb::Insert,
        table: "deliveries",
        columns: &[
            ("id", Text),
            ("incident_id", Text),
            ("seq", Int),
            ("expires_at_ms", Int),
        ],
    },
    // That an incident of this id is there already is no conflict here: if it is another one, it has a first event too.
    Write {
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
            ("state", Text),
            ("head", Text),
        ],
    },
    Write {
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
    },
    Write {
        verb: Verb::DeleteWaiting,
        table: "outbox",
        columns: &[("incident_id", Text), ("key", Text)],
    },
    Write {
        verb: Verb::Insert,
        table: "outbox",
        columns: &[
            ("id", Text),
            ("incident_id", Text),
            ("lane", Text),
            ("queue", Text),
            ("position", Int),
            ("key", Text),
            ("effect", Text),
            ("ordered_at_ms", Int),
            ("due_at_ms", Int),
            ("attempts", Int),
        ],
    },
];

impl Write {
    /// The rows in one order for everybody, so that two commits which meet wait one after the other, not each for
    /// the other.
    fn in_order(&self, mut cells: Vec<Cell>) -> Vec<Cell> {
        let width = self.columns.len();
        let row = |n: usize| n * width..(n + 1) * width;
        let mut order: Vec<usize> = (0..cells.len() / width).collect();
        if order.is_sorted_by(|a, b| cells[row(*a)] <= cells[row(*b)]) {
            return cells;
        }
        order.sort_unstable_by(|a, b| cells[row(*a)].cmp(&cells[row(*b)]));
        let places = order.into_iter().flat_map(row);
        places
            .map(|place| std::mem::replace(&mut cells[place], Cell::Int(None)))
            .collect()
    }

    /// The statement for SQLite, whose rows are one JSON array of arrays:
    /// `INSERT INTO t (a, b) SELECT value ->> 0, value ->> 1 FROM json_each(NEW.w0)`.
    fn sqlite(&self, array: &str) -> String {
        let table = self.table;
        let values = (0..self.columns.len()).map(|n| format!("value ->> {n}"));
        let values = values.collect::<Vec<_>>().join(", ");
        let rows = format!("json_each({array}) AS rows");
        let found = format!(
            "{rows} CROSS JOIN {table} AS o ON ({}) = ({values})",
            self.names("o.")
        );
        match self.verb {
            // `WHERE true` keeps SQLite from reading what follows as a join.
            Verb::Insert | Verb::Put => self.insert(&values, &format!("{rows} WHERE true")),
            Verb::DeleteWaiting => {
                format!("DELETE FROM {table} WHERE id IN (SELECT o.id FROM {found} WHERE {WAITS})")
            }
            Verb::Finish => format!(
                "SELECT RAISE(ABORT, '{LEASE_LOST}') WHERE json_array_length({array}) \
                 <> (SELECT COUNT(DISTINCT o.id) FROM {found}); \
                 DELETE FROM {table} WHERE id IN (SELECT value ->> 0 FROM {rows})"
            ),
        }
    }

    /// The statement for PostgreSQL, whose columns are the arrays from `$first` on:
    /// `INSERT INTO t (a, b) SELECT rows.a, rows.b FROM UNNEST($1::text[], $2::bigint[]) AS rows (a, b)`.
    fn postgres(&self, first: usize) -> String {
        let table = self.table;
        let arrays = (first..)
            .zip(self.columns)
            .map(|(n, (_, kind))| match kind {
                Text => format!("${n}::text[]"),
                Int => format!("${n}::bigint[]"),
            });
        let arrays = arrays.collect::<Vec<_>>().join(", ");
        let values = self.names("rows.");
        let rows = format!("UNNEST({arrays}) AS rows ({})", self.names(""));
        match self.verb {
            Verb::Insert | Verb::Put => self.insert(&values, &rows),
            // `OFFSET 0` holds PostgreSQL to looking each row up by its index: joined freely, it reads the whole table
            // while its statistics still say that the table is small. That the rows wait is said twice: of a row that
            // somebody claims just now, PostgreSQL looks at the outer condition again, and not at the inner one.
            Verb::DeleteWaiting => format!(
                "DELETE FROM {table} WHERE id IN (SELECT found.id FROM {rows} CROSS JOIN LATERAL \
                 (SELECT o.id FROM {table} AS o WHERE ({}) = ({values}) AND {WAITS} OFFSET 0) AS found) AND {WAITS}",
                self.names("o."),
            ),
            Verb::Finish => format!(
                "DELETE FROM {table} AS o USING {rows} WHERE ({}) = ({values}) RETURNING 1",
                self.names("o."),
            ),
        }
    }

    fn insert(&self, values: &str, rows: &str) -> String {
        let insert = format!(
            "INSERT INTO {} ({}) SELECT {values} FROM {rows}",
            self.table,
            self.names("")
        );
        let Verb::Put = self.verb else {
            return insert;
        };
        let (key, _) = self.columns[0];
        let sets = self.columns[1..].iter();
        let sets = sets.map(|(name, _)| format!("{name} = excluded.{name}"));
        let sets = sets.collect::<Vec<_>>().join(", ");
        format!("{insert} ON CONFLICT ({key}) DO UPDATE SET {sets}")
    }

    /// The names of the columns, each with this before it.
    fn names(&self, of: &str) -> String {
        let names = self.columns.iter().map(|(name, _)| format!("{of}{name}"));
        names.collect::<Vec<_>>().join(", ")
    }
}

/// An order that nobody is doing and nobody gave up.
const WAITS: &str = "lease_owner IS NULL AND buried_at_ms IS NULL";

/// The bit of [`Verb::Finish`] among the writes that were chosen: it stands first.
const FINISHES: usize = 1;

/// The writes of a commit as one statement, for every choice of those that have rows: PostgreSQL carries out every
/// part of a `WITH` that changes rows, all on the rows as they were before, and fails as one if a unique key is hurt.
static POSTGRES: [OnceLock<String>; 1 << WRITES.len()] =
    [const { OnceLock::new() }; 1 << WRITES.len()];

fn postgres_statement(rows: &[Vec<Cell>; WRITES.len()]) -> &'static str {
    let chosen = rows.iter().enumerate().fold(0, |chosen, (n, cells)| {
        chosen | usize::from(!cells.is_empty()) << n
    });
    POSTGRES[chosen].get_or_init(|| {
        let mut parts = Vec::new();
        let mut first = 1;
        for (n, write) in WRITES.iter().enumerate() {
            if chosen & (1 << n) != 0 {
                parts.push(write.postgres(first));
                first += write.columns.len();
            }
        }
        // A lease that is not there breaks the statement, and with it the whole commit: no rows are counted by us, and
        // no round trip is spent on it.
        let last = match chosen & FINISHES != 0 {
            true => {
                "SELECT 1 / CASE WHEN (SELECT COUNT(*) FROM w0) = CARDINALITY($1) THEN 1 ELSE 0 END"
                    .to_owned()
            }
            false => parts.pop().unwrap_or_else(|| "SELECT 1".to_owned()),
        };
        let with: Vec<_> = parts
            .iter()
            .enumerate()
            .map(|(n, part)| format!("w{n} AS ({part})"))
            .collect();
        match with.is_empty() {
            true => last,
            false => format!("WITH {} {last}", with.join(", ")),
        }
    })
}

/// All writes as one statement on SQLite too: a view of the connection's own, with a column for the rows of each
/// write, and a trigger that puts them where they belong. One statement is one transaction, and one change to the
/// thread on which the connection lives and back, which costs more than the writing.
pub(super) fn sqlite_door() -> [String; 2] {
    let columns: Vec<_> = (0..WRITES.len()).map(|n| format!("NULL AS w{n}")).collect();
    let writes: Vec<_> = WRITES
        .iter()
        .enumerate()
        .map(|(n, write)| write.sqlite(&format!("NEW.w{n}")))
        .collect();
    [
        format!("CREATE TEMP VIEW door AS SELECT {}", columns.join(", ")),
        format!(
            "CREATE TEMP TRIGGER door_opens INSTEAD OF INSERT ON door BEGIN {}; END",
            writes.join("; ")
        ),
    ]
}

async fn write_sqlite(
    connection: &mut SqliteConnection,
    rows: &[Vec<Cell>; WRITES.len()],
    until: Instant,
) -> Result<(), CommitError> {
    let mut query =
        sqlx::query("INSERT INTO door (w0, w1, w2, w3, w4, w5) VALUES ($1, $2, $3, $4, $5, $6)");
    for (write, cells) in WRITES.iter().zip(rows) {
        let rows: Vec<&[Cell]> = cells.chunks(write.columns.len()).collect();
        query = query.bind(serde_json::to_string(&rows)?);
    }
    in_time(until, query.execute(connection))
        .await
        .map_err(classified)?;
    Ok(())
}

async fn write_postgres(
    connection: &mut PgConnection,
    rows: [Vec<Cell>; WRITES.len()],
    until: Instant,
) -> Result<(), CommitError> {
    let mut query = sqlx::query(postgres_statement(&rows));
    for (write, mut cells) in WRITES.iter().zip(rows) {
        if cells.is_empty() {
            continue;
        }
        let width = write.columns.len();
        for (n, (_, kind)) in write.columns.iter().enumerate() {
            let column = cells.iter_mut().skip(n).step_by(width);
            query = match kind {
                Text => query.bind(
                    column
                        .map(|cell| match cell {
                            Cell::Text(text) => text.take(),
                            Cell::Int(_) => None,
                        })
                        .collect::<Vec<Option<String>>>(),
                ),
                Int => query.bind(
                    column
                        .map(|cell| match cell {
                            Cell::Int(number) => *number,
                            Cell::Text(_) => None,
                        })
                        .collect::<Vec<Option<i64>>>(),
                ),
            };
        }
    }
    in_time(until, query.execute(connection))
        .await
        .map_err(classified)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_says_the_same_to_both_engines() {
        let write = Write {
            verb: Verb::Put,
            table: "t",
            columns: &[("id", Text), ("n", Int)],
        };
        assert_eq!(
            write.sqlite("NEW.w0"),
            "INSERT INTO t (id, n) SELECT value ->> 0, value ->> 1 FROM json_each(NEW.w0) AS rows WHERE true \
             ON CONFLICT (id) DO UPDATE SET n = excluded.n"
        );
        assert_eq!(
            write.postgres(3),
            "INSERT INTO t (id, n) SELECT rows.id, rows.n FROM UNNEST($3::text[], $4::bigint[]) AS rows (id, n) \
             ON CONFLICT (id) DO UPDATE SET n = excluded.n"
        );
    }
}
