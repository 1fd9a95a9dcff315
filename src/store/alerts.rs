//! What is kept of alerts: the newest of each condition, their groups, and the requests that changed something.

use std::collections::BTreeMap;
use std::sync::Mutex;

use anyhow::Context;
use jiff::Timestamp;
use tokio::time::Instant;

use super::commit::{DELIVERIES, delivery_key};
use super::database::{Arg, Sql, by_ids, without_nul};
use super::handover::Handing;
use super::ledger::Place;
use super::outbox::{CANCELS, FINISHES, Lease, NewOrder, ORDERS, finish_row};
use super::write::Kind::{Int, Text};
use super::write::{Batch, Cell, CommitError, Verb, Write};
use super::{Store, moment, ms};
use crate::domain::alert::{Alert, Tracked};
use crate::domain::effect::{Effect, Lane, Order};
use crate::domain::group::Group;
use crate::domain::ledger::owed;
use crate::domain::terms::{DedupKey, DeliveryId, GroupId, IncidentId};

/// Orders of one change of a group stand behind each other, and before those of the next.
const PLACES_PER_CHANGE: i64 = 1_000;
/// More often no group changes in a millisecond.
const VERSIONS_PER_MS: i64 = 1_000;
/// What expires is kept in full minutes, rounded up: a sender that repeats itself moves it with each word, and each move
/// would have to be sorted in.
const EXPIRY_GRAIN_MS: i64 = 60_000;

/// What tells a condition from every other: the source's id and the sender's key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertId(String);

impl AlertId {
    /// The id of a condition.
    pub fn new(source: &str, alert: &Alert) -> Self {
        Self::of(source, &alert.key)
    }

    /// The same, by the sender's key.
    pub fn of(source: &str, key: &DedupKey) -> Self {
        Self(format!("{source}/{}", without_nul(key.as_str())))
    }

    /// The id as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The source.
    pub fn source(&self) -> &str {
        self.0.split_once('/').map_or("", |(source, _)| source)
    }
}

/// What is known of a condition, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldAlert {
    /// The version of its row; 0: there is none yet.
    pub version: i64,
    /// What is known.
    pub tracked: Tracked,
    /// Its group.
    pub group: GroupId,
}

/// A group, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldGroup {
    /// The version of its row.
    pub version: i64,
    /// The group.
    pub group: Group,
}

impl HeldGroup {
    /// A group that is not stored yet. Its versions are of its own time: whoever still remembers a row of the same id
    /// that was forgotten proves no version of this one.
    pub fn unheard_of(group: Group, now: Timestamp) -> Self {
        Self {
            version: ms(now).saturating_mul(VERSIONS_PER_MS),
            group,
        }
    }
}

/// What is known of whoever must speak now and then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldHeartbeat {
    /// When it is missed, unless it speaks before.
    pub due: Timestamp,
    /// When it last spoke; none: never, as far as is on record.
    pub heard: Option<Timestamp>,
}

/// A condition with everything that is kept of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAlert {
    /// Which.
    pub id: AlertId,
    /// What is known.
    pub held: HeldAlert,
    /// What was said when its episode began.
    pub alert: Alert,
    /// The request that said it.
    pub body: Option<String>,
}

/// A request as it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptBody {
    /// Its id.
    pub id: String,
    /// The source that it came to.
    pub source: String,
    /// When.
    pub received_at: Timestamp,
    /// The type that it claimed.
    pub content_type: String,
    /// What else it said beside its body, as its reader has it.
    pub heading: String,
    /// What it said.
    pub body: String,
}

/// What is to be written together.
#[derive(Debug, Default)]
pub struct AlertCommit {
    alerts: BTreeMap<AlertId, (HeldAlert, Option<Said>)>,
    groups: BTreeMap<GroupId, HeldGroup>,
    bodies: Vec<Cell>,
    deliveries: Vec<Cell>,
    orders: Vec<(GroupId, i64, Effect, Timestamp, Timestamp)>,
    cancelled: Vec<Cell>,
    finished: Vec<Cell>,
}

/// Conditions and groups, each with what is stored of it.
pub type Held = (Vec<(AlertId, HeldAlert)>, Vec<(GroupId, HeldGroup)>);

/// What was said when an episode began, and the request that said it.
#[derive(Debug, Clone)]
struct Said {
    alert: Alert,
    body: String,
}

impl AlertCommit {
    /// Whether there is anything to write.
    pub fn is_empty(&self) -> bool {
        self.alerts.is_empty() && self.groups.is_empty() && self.finished.is_empty()
    }

    /// What this commit already holds of a condition.
    pub fn alert(&self, id: &AlertId) -> Option<&HeldAlert> {
        self.alerts.get(id).map(|(held, _)| held)
    }

    /// What this commit already holds of a group.
    pub fn group(&self, id: &GroupId) -> Option<&HeldGroup> {
        self.groups.get(id)
    }

    /// The same, for whoever changes it and puts it back.
    pub fn take_group(&mut self, id: &GroupId) -> Option<HeldGroup> {
        self.groups.remove(id)
    }

    /// A condition as it stands now, if nothing more was said of it than that.
    pub fn touch(&mut self, id: AlertId, held: HeldAlert) {
        let said = self.alerts.remove(&id).and_then(|(_, said)| said);
        self.alerts.insert(id, (held, said));
    }

    /// A condition as it stands now, with what was said of it.
    pub fn put(&mut self, id: AlertId, held: HeldAlert, alert: Alert, body: String) {
        self.alerts.insert(id, (held, Some(Said { alert, body })));
    }

    /// A group as it stands now, and what it orders.
    pub fn put_group(&mut self, held: HeldGroup, orders: Vec<Order>, now: Timestamp) {
        let id = held.group.id.clone();
        for (place, order) in (0..).zip(orders) {
            let key = match &order {
                Order::Do { effect, .. } => effect.key(),
                Order::Cancel { key } => Some(*key),
            };
            if let Some(key) = key {
                self.orders
                    .retain(|(group, _, effect, ..)| *group != id || effect.key() != Some(key));
                // The first change of a group finds nothing waiting.
                if held.group.version > 1 {
                    self.cancelled
                        .extend([Cell::text(id.as_str()), Cell::text(key)]);
                }
            }
            if let Order::Do { effect, due } = order {
                let position = held.group.version as i64 * PLACES_PER_CHANGE + place;
                self.orders.push((id.clone(), position, effect, now, due));
            }
        }
        self.groups.insert(id, held);
    }

    /// Keeps a request.
    pub fn keep_body(&mut self, body: &KeptBody) {
        self.bodies.extend([
            Cell::text(&body.id),
            Cell::text(&body.source),
            Cell::int(ms(body.received_at)),
            Cell::text(&body.content_type),
            Cell::text(&body.heading),
            Cell::text(&body.body),
        ]);
    }

    /// Remembers that a delivery was made.
    pub fn deliver(&mut self, id: &DeliveryId, expires_at: Timestamp) {
        self.deliveries.extend([
            Cell::text(&delivery_key(id)),
            Cell::text(""),
            Cell::int(0),
            Cell::int(ms(expires_at)),
        ]);
    }

    /// Takes an order off the outbox in the same breath.
    pub fn finish(&mut self, lease: &Lease) {
        self.finished.extend(finish_row(lease));
    }

    /// Whether it orders something of a lane until then.
    pub fn orders_by(&self, lane: Lane, by: Timestamp) -> bool {
        let mut orders = self.orders.iter();
        orders.any(|(_, _, effect, _, due)| *due <= by && effect.lane() == lane)
    }

    /// What stands in it of conditions and groups, as it will be stored.
    pub fn held(self) -> Held {
        let alerts = self.alerts.into_iter();
        let alerts = alerts.map(|(id, (held, _))| (id, next(held)));
        let groups = self.groups.into_iter().map(|(id, mut held)| {
            held.version += 1;
            (id, held)
        });
        (alerts.collect(), groups.collect())
    }

    /// The rows, in the order of [`WRITES`].
    fn rows(&self, handing: &mut Handing<'_>) -> Result<Vec<Vec<Cell>>, serde_json::Error> {
        let mut put = Vec::new();
        let mut touched = Vec::new();
        for (id, (held, said)) in &self.alerts {
            let tracked = Cell::Text(Some(serde_json::to_string(&held.tracked)?));
            let last_seen = Cell::int(ms(held.tracked.last_seen));
            let expires = Cell::Int(held.tracked.expires_at.map(|at| grain(ms(at))));
            let version = Cell::int(held.version + 1);
            match said {
                None => touched.extend([
                    Cell::text(id.as_str()),
                    version,
                    Cell::text(held.tracked.status.word()),
                    last_seen,
                    expires,
                    tracked,
                ]),
                Some(Said { alert, body }) => put.extend([
                    Cell::text(id.as_str()),
                    version,
                    Cell::text(id.source()),
                    Cell::text(held.group.as_str()),
                    Cell::text(held.tracked.status.word()),
                    last_seen,
                    expires,
                    tracked,
                    Cell::text(&serde_json::to_string(alert)?),
                    Cell::text(body),
                ]),
            }
        }
        let mut groups = Vec::new();
        for (id, held) in &self.groups {
            groups.extend([
                Cell::text(id.as_str()),
                Cell::int(held.version + 1),
                Cell::Text(
                    held.group
                        .incident
                        .as_ref()
                        .map(|id| id.as_str().to_owned()),
                ),
                Cell::int(ms(held.group.changed_at)),
                Cell::int(ms(held.group.began_at)),
                Cell::Text(owed(&held.group).map(|owed| owed.word().to_owned())),
                Cell::text(&serde_json::to_string(&held.group)?),
            ]);
        }
        let mut orders = Vec::new();
        for (group, position, effect, ordered_at, due) in &self.orders {
            let order = NewOrder {
                by: group.as_str(),
                position: *position,
                is_first: *position < 2 * PLACES_PER_CHANGE,
                effect,
                channel: self.group(group).and_then(|it| it.group.channel.as_deref()),
                ordered_at: *ordered_at,
                due: *due,
            };
            orders.extend(order.row(handing)?);
        }
        Ok(vec![
            self.finished.clone(),
            self.deliveries.clone(),
            put,
            touched,
            groups,
            self.bodies.clone(),
            self.cancelled.clone(),
            orders,
        ])
    }
}

fn next(mut held: HeldAlert) -> HeldAlert {
    held.version += 1;
    held
}

fn grain(ms: i64) -> i64 {
    ms.div_euclid(EXPIRY_GRAIN_MS)
        .saturating_add(1)
        .saturating_mul(EXPIRY_GRAIN_MS)
}

/// What such a commit writes.
pub(super) static ALERT_WRITES: Batch = Batch {
    door: "alert_door",
    committer: 1,
    writes: &WRITES,
    statements: Mutex::new(BTreeMap::new()),
};

const WRITES: [Write; 8] = [
    FINISHES,
    DELIVERIES,
    Write {
        verb: Verb::Advance,
        table: "alerts",
        columns: &[
            ("id", Text),
            ("version", Int),
            ("source", Text),
            ("group_id", Text),
            ("status", Text),
            ("last_seen_ms", Int),
            ("expires_at_ms", Int),
            ("tracked", Text),
            ("alert", Text),
            ("body_id", Text),
        ],
    },
    Write {
        verb: Verb::Touch,
        table: "alerts",
        columns: &[
            ("id", Text),
            ("version", Int),
            ("status", Text),
            ("last_seen_ms", Int),
            ("expires_at_ms", Int),
            ("tracked", Text),
        ],
    },
    Write {
        verb: Verb::Advance,
        table: "alert_groups",
        columns: &[
            ("id", Text),
            ("version", Int),
            ("incident_id", Text),
            ("changed_at_ms", Int),
            ("began_at_ms", Int),
            ("owed", Text),
            ("state", Text),
        ],
    },
    Write {
        verb: Verb::Insert,
        table: "alert_bodies",
        columns: &[
            ("id", Text),
            ("source", Text),
            ("received_at_ms", Int),
            ("content_type", Text),
            ("heading", Text),
            ("body", Text),
        ],
    },
    CANCELS,
    ORDERS,
];

const HELD: Sql = by_ids!("SELECT id, version, group_id, tracked FROM alerts");
const GROUPS: Sql = by_ids!("SELECT id, version, state FROM alert_groups");
const DELIVERED: Sql = by_ids!("SELECT id FROM deliveries");

/// Groups in the order of the index by which they are found, and of each whether nothing in the store needs it. What is
/// asked of other tables is looked up for each of those few, whatever the statistics say (`OFFSET 0`, see `ledger`).
const RESTING: &str = "SELECT g.id, g.began_at_ms, g.version, g.state, CAST(CASE WHEN g.changed_at_ms < $1 AND g.owed IS NULL \
     AND (g.incident_id IS NULL OR EXISTS (SELECT 1 FROM incidents AS i WHERE i.id = g.incident_id \
     AND i.status IN ('resolved', 'closed') LIMIT 1 OFFSET 0)) \
     AND NOT EXISTS (SELECT 1 FROM outbox AS o WHERE o.incident_id = g.id LIMIT 1 OFFSET 0) \
     AND NOT EXISTS (SELECT 1 FROM alerts AS a WHERE a.group_id = g.id AND a.status <> 'resolved' LIMIT 1 OFFSET 0) \
     THEN 1 ELSE 0 END AS BIGINT) \
     FROM (SELECT id, began_at_ms, version, state, changed_at_ms, owed, incident_id FROM alert_groups \
     WHERE began_at_ms < $1 AND (began_at_ms, id) > ($2, $3) ORDER BY began_at_ms, id LIMIT $4) AS g \
     ORDER BY g.began_at_ms, g.id";

/// Forgets groups, each if it is still of the version that was looked at: a row is an id and a version.
const FORGET_GROUPS: Sql = Sql {
    sqlite: "DELETE FROM alert_groups WHERE (id, version) IN \
             (SELECT value ->> 0, value ->> 1 FROM json_each($1))",
    postgres: "DELETE FROM alert_groups AS g USING json_array_elements(CAST($1 AS json)) AS rows (value) \
               WHERE g.id = rows.value ->> 0 AND g.version = CAST(rows.value ->> 1 AS BIGINT)",
};

/// A condition's columns, in the order of [`kept`].
macro_rules! kept {
    ($where:literal) => {
        concat!(
            "SELECT id, version, group_id, tracked, alert, body_id FROM alerts ",
            $where
        )
    };
}

type KeptRow = (String, i64, String, String, String, Option<String>);

impl Store {
    /// Writes a commit of alerts, all of it or nothing; what has not begun to be written until then is not written.
    pub async fn commit_alerts(
        &self,
        commit: &AlertCommit,
        until: Instant,
    ) -> Result<(), CommitError> {
        let mut handing = self.handover.begin();
        let rows = commit.rows(&mut handing)?;
        self.database.write(&ALERT_WRITES, rows, until).await?;
        handing.pass_on();
        Ok(())
    }

    /// What is known of these conditions.
    pub async fn held_alerts(&self, ids: &[&AlertId]) -> anyhow::Result<Vec<(AlertId, HeldAlert)>> {
        let ids: Vec<&str> = ids.iter().map(|id| id.as_str()).collect();
        let rows: Vec<(String, i64, String, String)> = self
            .database
            .rows(HELD, &[serde_json::to_string(&ids)?.as_str().into()])
            .await
            .context("looking alerts up")?;
        rows.into_iter()
            .map(|(id, version, group, tracked)| held(id, version, group, &tracked))
            .collect()
    }

    /// These groups, as far as they are known.
    pub async fn groups(&self, ids: &[&GroupId]) -> anyhow::Result<Vec<HeldGroup>> {
        let ids: Vec<&str> = ids.iter().map(|id| id.as_str()).collect();
        let rows: Vec<(String, i64, String)> = self
            .database
            .rows(GROUPS, &[serde_json::to_string(&ids)?.as_str().into()])
            .await
            .context("looking groups of alerts up")?;
        rows.into_iter()
            .map(|(id, version, state)| {
                let group = serde_json::from_str(&state)
                    .with_context(|| format!("reading the group of alerts {id}"))?;
                Ok(HeldGroup { version, group })
            })
            .collect()
    }

    /// Which of these deliveries were made.
    pub async fn deliveries_made(&self, ids: &[&DeliveryId]) -> anyhow::Result<Vec<DeliveryId>> {
        let keys: Vec<_> = ids.iter().map(|id| delivery_key(id)).collect();
        let found: Vec<(String,)> = self
            .database
            .rows(DELIVERED, &[serde_json::to_string(&keys)?.as_str().into()])
            .await
            .context("looking deliveries up")?;
        let is_found = |id: &&&DeliveryId| found.iter().any(|(key,)| *key == delivery_key(id));
        Ok(ids
            .iter()
            .filter(is_found)
            .map(|id| (*id).clone())
            .collect())
    }

    /// Conditions of which nobody has spoken for too long, the most overdue first.
    pub async fn expired_alerts(
        &self,
        now: Timestamp,
        limit: i64,
    ) -> anyhow::Result<Vec<KeptAlert>> {
        let sql = kept!("WHERE expires_at_ms <= $1 ORDER BY expires_at_ms LIMIT $2");
        self.kept(sql, &[ms(now).into(), limit.into()]).await
    }

    /// The conditions of a source that hold, the newest first.
    pub async fn active_alerts(&self, source: &str, limit: i64) -> anyhow::Result<Vec<KeptAlert>> {
        let sql = kept!(
            "WHERE source = $1 AND status <> 'resolved' ORDER BY last_seen_ms DESC, id LIMIT $2"
        );
        self.kept(sql, &[source.into(), limit.into()]).await
    }

    /// The same in the order of their ids, from behind this one on: whoever looks through them all takes page after page,
    /// and misses none that is spoken of meanwhile.
    pub async fn active_alerts_behind(
        &self,
        source: &str,
        last: Option<&AlertId>,
        limit: i64,
    ) -> anyhow::Result<Vec<KeptAlert>> {
        let last = last.map_or("", AlertId::as_str);
        let sql =
            kept!("WHERE source = $1 AND status <> 'resolved' AND id > $2 ORDER BY id LIMIT $3");
        let args = [source.into(), last.into(), limit.into()];
        self.kept(sql, &args).await
    }

    /// A condition, whether it holds or is over.
    pub async fn alert(&self, id: &AlertId) -> anyhow::Result<Option<KeptAlert>> {
        let args = [id.as_str().into()];
        Ok(self.kept(kept!("WHERE id = $1"), &args).await?.pop())
    }

    /// The conditions of a group, the newest first.
    pub async fn alerts_of_group(
        &self,
        group: &GroupId,
        limit: i64,
    ) -> anyhow::Result<Vec<KeptAlert>> {
        let sql = kept!("WHERE group_id = $1 ORDER BY last_seen_ms DESC, id LIMIT $2");
        self.kept(sql, &[group.as_str().into(), limit.into()]).await
    }

    /// The conditions of a group that hold.
    pub async fn firing_of_group(
        &self,
        group: &GroupId,
        limit: i64,
    ) -> anyhow::Result<Vec<KeptAlert>> {
        let sql = kept!("WHERE group_id = $1 AND status <> 'resolved' ORDER BY id LIMIT $2");
        self.kept(sql, &[group.as_str().into(), limit.into()]).await
    }

    /// The conditions of a question, as they are kept.
    async fn kept(&self, sql: &'static str, args: &[Arg<'_>]) -> anyhow::Result<Vec<KeptAlert>> {
        let asking = self.database.rows(sql, args).await;
        let rows: Vec<KeptRow> = asking.context("looking for alerts")?;
        rows.into_iter().map(kept).collect()
    }

    /// The rooms in which alerts are kept back.
    pub async fn rooms(&self) -> anyhow::Result<Vec<GroupId>> {
        let rows: Vec<(String,)> = self
            .database
            .rows(
                "SELECT id FROM alert_groups WHERE state LIKE '%\"hold\":{%' ORDER BY id",
                &[],
            )
            .await
            .context("looking for alerts that are kept back")?;
        Ok(rows.into_iter().map(|(id,)| GroupId::new(id)).collect())
    }

    /// The groups of an incident.
    pub async fn groups_of_incident(&self, incident: &IncidentId) -> anyhow::Result<Vec<GroupId>> {
        let rows: Vec<(String,)> = self
            .database
            .rows(
                "SELECT id FROM alert_groups WHERE incident_id = $1 ORDER BY id",
                &[incident.as_str().into()],
            )
            .await
            .context("looking for the groups of alerts of an incident")?;
        Ok(rows.into_iter().map(|(id,)| GroupId::new(id)).collect())
    }

    /// Requests that came from `since` until before `until`, the oldest first, after this one.
    pub async fn alert_bodies(
        &self,
        since: Timestamp,
        until: Timestamp,
        after: &str,
        limit: i64,
    ) -> anyhow::Result<Vec<KeptBody>> {
        let rows: Vec<(String, String, i64, String, String, String)> = self
            .database
            .rows(
                "SELECT id, source, received_at_ms, content_type, heading, body FROM alert_bodies \
                 WHERE received_at_ms >= $1 AND received_at_ms < $2 AND id > $3 ORDER BY id LIMIT $4",
                &[
                    ms(since).into(),
                    ms(until).into(),
                    after.into(),
                    limit.into(),
                ],
            )
            .await
            .context("reading kept requests")?;
        let read = |(id, source, at, content_type, heading, body)| KeptBody {
            id,
            source,
            received_at: moment(at),
            content_type,
            heading,
            body,
        };
        Ok(rows.into_iter().map(read).collect())
    }

    /// Remembers that a heartbeat spoke, and when it is missed unless it speaks again before.
    pub async fn beat(&self, id: &str, heard: Timestamp, due: Timestamp) -> anyhow::Result<()> {
        let sql = "INSERT INTO heartbeats (id, due_at_ms, heard_at_ms) VALUES ($1, $2, $3) \
                   ON CONFLICT (id) DO UPDATE SET due_at_ms = excluded.due_at_ms, heard_at_ms = excluded.heard_at_ms";
        let args = [id.into(), ms(due).into(), ms(heard).into()];
        let beaten = self.database.execute(sql, &args).await;
        beaten.context("noting a heartbeat").map(drop)
    }

    /// The same for one that was never heard of; one that was stays as it is.
    pub async fn expect_heartbeat(&self, id: &str, due: Timestamp) -> anyhow::Result<()> {
        let sql =
            "INSERT INTO heartbeats (id, due_at_ms) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
        let args = [id.into(), ms(due).into()];
        let expected = self.database.execute(sql, &args).await;
        expected.context("expecting a heartbeat").map(drop)
    }

    /// What is known of each heartbeat, by its id.
    pub async fn heartbeats(&self) -> anyhow::Result<BTreeMap<String, HeldHeartbeat>> {
        let rows: Vec<(String, i64, Option<i64>)> = self
            .database
            .rows("SELECT id, due_at_ms, heard_at_ms FROM heartbeats", &[])
            .await
            .context("looking for heartbeats")?;
        let held = |(id, due, heard): (String, i64, Option<i64>)| {
            let due = moment(due);
            let heard = heard.map(moment);
            (id, HeldHeartbeat { due, heard })
        };
        Ok(rows.into_iter().map(held).collect())
    }

    /// Forgets requests that came in before then, and conditions that were last spoken of before then and are over: so many
    /// of each at the most, so that nobody waits long for the table. Says how many of both.
    pub async fn forget_alerts(&self, before: Timestamp, limit: i64) -> anyhow::Result<u64> {
        let args = [ms(before).into(), limit.into()];
        let bodies = self
            .database
            .execute(
                "DELETE FROM alert_bodies WHERE id IN \
                 (SELECT id FROM alert_bodies WHERE received_at_ms < $1 ORDER BY received_at_ms LIMIT $2)",
                &args,
            )
            .await
            .context("forgetting old requests")?;
        // Said twice: whoever begins anew while this is done is not forgotten.
        let conditions = self
            .database
            .execute(
                "DELETE FROM alerts WHERE status = 'resolved' AND last_seen_ms < $1 AND id IN \
                 (SELECT id FROM alerts WHERE status = 'resolved' AND last_seen_ms < $1 LIMIT $2)",
                &args,
            )
            .await
            .context("forgetting old alerts")?;
        Ok(bodies + conditions)
    }

    /// Of so many groups beyond this place that began before then, forgets those that are at rest, have not changed since
    /// then, and that nothing in the store needs. Says how many, and which was the last that was looked at; none at the end.
    pub async fn forget_groups(
        &self,
        before: Timestamp,
        beyond: &Place,
        limit: i64,
        is_at_rest: impl Fn(&Group) -> bool,
    ) -> anyhow::Result<(u64, Option<Place>)> {
        let (at, id) = beyond;
        let args = [
            ms(before).into(),
            (*at).into(),
            id.as_str().into(),
            limit.into(),
        ];
        let rows: Vec<(String, i64, i64, String, i64)> =
            self.database
                .rows(RESTING, &args)
                .await
                .context("looking for groups of alerts that nobody needs")?;
        let last = rows.last().filter(|_| rows.len() as i64 == limit);
        let last = last.map(|(id, at, ..)| (*at, id.clone()));
        let mut forgotten = Vec::new();
        for (id, _, version, state, is_unneeded) in &rows {
            // What cannot be read stays: a newer version may have written it.
            let rests = || serde_json::from_str(state).is_ok_and(|group| is_at_rest(&group));
            if *is_unneeded == 1 && rests() {
                forgotten.push((id, version));
            }
        }
        if forgotten.is_empty() {
            return Ok((0, last));
        }
        let forgotten = serde_json::to_string(&forgotten)?;
        // Whichever has changed meanwhile stays.
        let gone = self
            .database
            .execute(FORGET_GROUPS, &[forgotten.as_str().into()])
            .await
            .context("forgetting groups of alerts")?;
        Ok((gone, last))
    }
}

fn held(
    id: String,
    version: i64,
    group: String,
    tracked: &str,
) -> anyhow::Result<(AlertId, HeldAlert)> {
    let tracked =
        serde_json::from_str(tracked).with_context(|| format!("reading the alert {id}"))?;
    let held = HeldAlert {
        version,
        tracked,
        group: GroupId::new(group),
    };
    Ok((AlertId(id), held))
}

fn kept((id, version, group, tracked, alert, body): KeptRow) -> anyhow::Result<KeptAlert> {
    let alert = serde_json::from_str(&alert).with_context(|| format!("reading the alert {id}"))?;
    let (id, held) = held(id, version, group, &tracked)?;
    Ok(KeptAlert {
        id,
        held,
        alert,
        body,
    })
}
