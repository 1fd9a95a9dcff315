//! The outbox: orders that wait for their time, claimed by lease, done at least once.

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use tracing::error;

use super::database::Sql;
use super::handover::{Handing, Offered};
use super::write::Kind::{Int, Text};
use super::write::{Cell, Verb, Write};
use super::{Store, moment, ms};
use crate::domain::effect::{Effect, Lane};
use crate::domain::terms::IncidentId;

/// The pause before an order that could not be read is looked at again.
const UNREADABLE_PAUSE: SignedDuration = SignedDuration::from_mins(1);
/// How often it is looked at: a roll-out takes no longer than these minutes.
const UNREADABLE_ATTEMPTS: i64 = 10;

/// The right to do an order, until the lease runs out. The number of attempts is its fence: whoever comes back after
/// somebody else has claimed the order finds another number there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The order.
    pub id: String,
    /// Who holds the lease.
    pub owner: String,
    /// The number of this attempt, from 1.
    pub attempts: i64,
}

/// An order that is to be done now.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The right to do it.
    pub lease: Lease,
    /// The incident that ordered it.
    pub incident: IncidentId,
    /// What to do.
    pub effect: Effect,
    /// When it was ordered.
    pub ordered_at: Timestamp,
    /// Until when the lease lasts, unless it is renewed.
    pub until: Timestamp,
}

/// How much waits in the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Waiting {
    /// Orders whose time has come, or that are being done.
    pub due: i64,
    /// Orders with a later date.
    pub later: i64,
    /// Orders that were given up.
    pub buried: i64,
}

/// Whether an order `o` is the first of its queue; what stands behind it waits, whatever its own time.
macro_rules! head_of_its_queue {
    () => {
        "(queue IS NULL OR NOT EXISTS (SELECT 1 FROM outbox AS e WHERE e.incident_id = o.incident_id \
         AND e.queue = o.queue AND e.position < o.position AND e.buried_at_ms IS NULL))"
    };
}

pub(super) use head_of_its_queue;

/// Claims due orders, the head of each queue only. A claimed order is due again when its lease runs out, so that the
/// one index by lane and due time finds everything that wants to be looked at.
///
/// The select stands in a `WITH … AS MATERIALIZED`: as a sub-select in the `WHERE`, PostgreSQL's planner may run it
/// anew for each row and claim more than was asked for. `FOR UPDATE SKIP LOCKED` keeps workers off each other's rows;
/// SQLite has one writer and needs nothing.
macro_rules! claim {
    ($locking:literal) => {
        concat!(
            "WITH ready AS MATERIALIZED (SELECT id FROM outbox AS o ",
            "WHERE lane = $1 AND due_at_ms <= $2 AND buried_at_ms IS NULL ",
            "AND ",
            head_of_its_queue!(),
            " ORDER BY due_at_ms LIMIT $3",
            $locking,
            ") UPDATE outbox SET lease_owner = $4, due_at_ms = $5, attempts = attempts + 1 ",
            "FROM ready WHERE outbox.id = ready.id ",
            "RETURNING outbox.id, outbox.incident_id, outbox.effect, outbox.ordered_at_ms, outbox.attempts"
        )
    };
}

const CLAIM: Sql = Sql {
    sqlite: claim!(""),
    postgres: claim!(" FOR UPDATE SKIP LOCKED"),
};

/// Gives many orders back in one statement; the rows are JSON's array of arrays: id, owner, attempts, when it is due.
macro_rules! put_back {
    ($rows:literal, $ids:literal) => {
        concat!(
            "UPDATE outbox SET lease_owner = NULL, attempts = attempts - 1, ",
            "due_at_ms = CAST(rows.value ->> 3 AS BIGINT) FROM ",
            $rows,
            " AS rows WHERE outbox.id = rows.value ->> 0 AND lease_owner = rows.value ->> 1 ",
            "AND attempts = CAST(rows.value ->> 2 AS BIGINT)",
            $ids
        )
    };
}

const PUT_BACK: Sql = Sql {
    sqlite: put_back!("json_each($1)", ""),
    postgres: put_back!(
        "json_array_elements(CAST($1 AS json))",
        // Once more as an array: so they are looked up in the index, whatever the statistics say.
        " AND outbox.id = ANY(ARRAY(SELECT value ->> 0 FROM json_array_elements(CAST($1 AS json))))"
    ),
};

/// Orders that are done. The lease is the fence: whoever lost it changes nothing.
pub(super) const FINISHES: Write = Write {
    verb: Verb::Finish,
    table: "outbox",
    columns: &[("id", Text), ("lease_owner", Text), ("attempts", Int)],
};

/// Orders that are forgotten if they have not begun.
pub(super) const CANCELS: Write = Write {
    verb: Verb::DeleteWaiting,
    table: "outbox",
    columns: &[("incident_id", Text), ("key", Text)],
};

/// New orders.
pub(super) const ORDERS: Write = Write {
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
        ("lease_owner", Text),
    ],
};

/// A row of [`FINISHES`].
pub(super) fn finish_row(lease: &Lease) -> [Cell; 3] {
    [
        Cell::text(&lease.id),
        Cell::text(&lease.owner),
        Cell::int(lease.attempts),
    ]
}

/// An order on its way into the outbox.
#[derive(Debug)]
pub(super) struct NewOrder<'a> {
    /// The incident, or the group of alerts, that orders it.
    pub(super) by: &'a str,
    /// Its place in its queue.
    pub(super) position: i64,
    /// Whether nothing was ever ordered in the same name before, but in this commit.
    pub(super) is_first: bool,
    /// What to do.
    pub(super) effect: &'a Effect,
    /// The channel that it goes to, if that is not the one of the announcements.
    pub(super) channel: Option<&'a str>,
    pub(super) ordered_at: Timestamp,
    /// Not before then.
    pub(super) due: Timestamp,
}

impl NewOrder<'_> {
    pub(super) fn id(&self) -> String {
        format!("{}/{}", self.by, self.position)
    }

    /// A row of [`ORDERS`]: it waits to be claimed, or for its turn, or is handed over.
    pub(super) fn row(&self, handing: &mut Handing<'_>) -> Result<[Cell; 11], serde_json::Error> {
        let (owner, due, attempts) = match handing.offer(self) {
            Offered::Taken(lease, until) => (Some(lease.owner), until, lease.attempts),
            Offered::HasATurn(turn) => (None, turn, 0),
            Offered::Waits => (None, self.due, 0),
        };
        Ok([
            Cell::Text(Some(self.id())),
            Cell::text(self.by),
            Cell::text(self.effect.lane().word()),
            Cell::Text(self.effect.queue().map(str::to_owned)),
            Cell::int(self.position),
            Cell::Text(self.effect.key().map(str::to_owned)),
            Cell::Text(Some(serde_json::to_string(self.effect)?)),
            Cell::int(ms(self.ordered_at)),
            Cell::int(ms(due)),
            Cell::int(attempts),
            Cell::Text(owner),
        ])
    }
}

impl Store {
    /// Takes the lease on up to `limit` orders of a lane that are due, until `lease_until`.
    pub async fn claim(
        &self,
        lane: Lane,
        owner: &str,
        now: Timestamp,
        lease_until: Timestamp,
        limit: i64,
    ) -> anyhow::Result<Vec<Claimed>> {
        let rows: Vec<ClaimedRow> = self
            .database
            .change(
                CLAIM,
                &[
                    lane.word().into(),
                    ms(now).into(),
                    limit.into(),
                    owner.into(),
                    ms(lease_until).into(),
                ],
            )
            .await
            .with_context(|| format!("claiming orders of the lane {}", lane.word()))?;
        let mut claimed = Vec::with_capacity(rows.len());
        for row in rows {
            let lease = row.lease(owner);
            match row.claimed(lease.clone(), lease_until) {
                Ok(order) => claimed.push(order),
                // It keeps nobody else from being served.
                Err(cause) => self.put_aside(&lease, now, &cause).await?,
            }
        }
        Ok(claimed)
    }

    /// Puts an order away that cannot be read. It is looked at again for a while, for it may be of a newer version
    /// that is just being rolled out; then it is given up.
    async fn put_aside(
        &self,
        lease: &Lease,
        now: Timestamp,
        cause: &anyhow::Error,
    ) -> anyhow::Result<()> {
        let why = format!("{cause:#}");
        error!("Could not read an order: {why}");
        match lease.attempts < UNREADABLE_ATTEMPTS {
            true => self.postpone(lease, now + UNREADABLE_PAUSE, &why).await?,
            false => self.bury(lease, now, &why).await?,
        };
        Ok(())
    }

    /// When the next order of a lane wants to be looked at: due, or its lease over.
    pub async fn next_due(&self, lane: Lane) -> anyhow::Result<Option<Timestamp>> {
        let row: Option<(i64,)> = self
            .database
            .row(
                concat!(
                    "SELECT due_at_ms FROM outbox AS o WHERE lane = $1 AND buried_at_ms IS NULL AND ",
                    head_of_its_queue!(),
                    " ORDER BY due_at_ms LIMIT 1",
                ),
                &[lane.word().into()],
            )
            .await
            .context("looking for the next order")?;
        Ok(row.map(|(at,)| moment(at)))
    }

    /// Takes a done order off the outbox. False: the lease was lost, and somebody else does it.
    pub async fn finish(&self, lease: &Lease) -> anyhow::Result<bool> {
        self.with_lease(
            "DELETE FROM outbox WHERE id = $1 AND lease_owner = $2 AND attempts = $3",
            lease,
            &[],
        )
        .await
    }

    /// Keeps an order for longer.
    pub async fn renew(&self, lease: &Lease, until: Timestamp) -> anyhow::Result<bool> {
        self.with_lease(
            "UPDATE outbox SET due_at_ms = $4 WHERE id = $1 AND lease_owner = $2 AND attempts = $3",
            lease,
            &[ms(until).into()],
        )
        .await
    }

    /// Brings forward the orders of a lane that wait beyond a moment: they are due now. Leases end by `lease_until`.
    pub async fn bring_forward(
        &self,
        lane: Lane,
        beyond: Timestamp,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> anyhow::Result<()> {
        for (sql, beyond, due) in [
            (
                "UPDATE outbox SET due_at_ms = $3 WHERE lane = $1 AND due_at_ms > $2 \
                 AND buried_at_ms IS NULL AND lease_owner IS NULL",
                beyond,
                now,
            ),
            (
                "UPDATE outbox SET due_at_ms = $3 WHERE lane = $1 AND due_at_ms > $2 \
                 AND buried_at_ms IS NULL AND lease_owner IS NOT NULL",
                lease_until,
                lease_until,
            ),
        ] {
            self.database
                .execute(
                    sql,
                    &[lane.word().into(), ms(beyond).into(), ms(due).into()],
                )
                .await
                .context("bringing orders forward")?;
        }
        Ok(())
    }

    /// Gives an order back to be tried again later.
    pub async fn postpone(
        &self,
        lease: &Lease,
        until: Timestamp,
        error: &str,
    ) -> anyhow::Result<bool> {
        self.with_lease(
            "UPDATE outbox SET lease_owner = NULL, due_at_ms = $4, last_error = $5 \
             WHERE id = $1 AND lease_owner = $2 AND attempts = $3",
            lease,
            &[ms(until).into(), error.into()],
        )
        .await
    }

    /// Gives orders back that were not even begun, each until then: this was no attempt. Says how many were still ours.
    pub async fn put_back(&self, orders: &[(Lease, Timestamp)]) -> anyhow::Result<u64> {
        let rows = orders
            .iter()
            .map(|(lease, until)| (&lease.id, &lease.owner, lease.attempts, ms(*until)));
        let rows = serde_json::to_string(&rows.collect::<Vec<_>>())?;
        self.database
            .execute(PUT_BACK, &[rows.as_str().into()])
            .await
            .with_context(|| format!("giving {} orders back", orders.len()))
    }

    /// Gives an order up; it stays for the operator to see.
    pub async fn bury(&self, lease: &Lease, at: Timestamp, error: &str) -> anyhow::Result<bool> {
        self.with_lease(
            "UPDATE outbox SET lease_owner = NULL, buried_at_ms = $4, last_error = $5 \
             WHERE id = $1 AND lease_owner = $2 AND attempts = $3",
            lease,
            &[ms(at).into(), error.into()],
        )
        .await
    }

    async fn with_lease(
        &self,
        sql: &'static str,
        lease: &Lease,
        more: &[super::database::Arg<'_>],
    ) -> anyhow::Result<bool> {
        let mut args = vec![
            lease.id.as_str().into(),
            lease.owner.as_str().into(),
            lease.attempts.into(),
        ];
        args.extend_from_slice(more);
        let changed = self
            .database
            .execute(sql, &args)
            .await
            .with_context(|| format!("giving back the order {}", lease.id))?;
        Ok(changed == 1)
    }

    /// How much waits.
    pub async fn waiting(&self, now: Timestamp) -> anyhow::Result<Waiting> {
        let row: Option<(i64, i64, i64)> = self
            .database
            .row(
                "SELECT CAST(COUNT(CASE WHEN buried_at_ms IS NULL AND (due_at_ms <= $1 OR lease_owner IS NOT NULL) THEN 1 END) AS BIGINT), \
                 CAST(COUNT(CASE WHEN buried_at_ms IS NULL AND due_at_ms > $1 AND lease_owner IS NULL THEN 1 END) AS BIGINT), \
                 CAST(COUNT(buried_at_ms) AS BIGINT) FROM outbox",
                &[ms(now).into()],
            )
            .await
            .context("counting the outbox")?;
        let (due, later, buried) = row.unwrap_or_default();
        Ok(Waiting { due, later, buried })
    }
}

#[derive(sqlx::FromRow)]
struct ClaimedRow {
    id: String,
    incident_id: String,
    effect: String,
    ordered_at_ms: i64,
    attempts: i64,
}

impl ClaimedRow {
    fn lease(&self, owner: &str) -> Lease {
        Lease {
            id: self.id.clone(),
            owner: owner.to_owned(),
            attempts: self.attempts,
        }
    }

    fn claimed(self, lease: Lease, until: Timestamp) -> anyhow::Result<Claimed> {
        let effect = serde_json::from_str(&self.effect)
            .with_context(|| format!("reading the order {}", self.id))?;
        Ok(Claimed {
            lease,
            incident: IncidentId::new(self.incident_id),
            effect,
            ordered_at: moment(self.ordered_at_ms),
            until,
        })
    }
}
