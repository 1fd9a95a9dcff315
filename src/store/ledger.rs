//! The ledger as it is kept: pages, how far each of their ways came, groups of alerts with how they stand; and what its
//! auditor looks for, by indexes alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::database::Sql;
use super::outbox::head_of_its_queue;
use super::write::Kind::{Int, Text};
use super::write::{Cell, Verb, Write};
use super::{Store, moment, ms};
use crate::domain::balance::{Finding, GroupFact, PageFact, StrayFact};
use crate::domain::effect::{Effect, Lane};
use crate::domain::group::Group;
use crate::domain::incident::Incident;
use crate::domain::ledger::{
    DeliveryEntry, Entries, GroupIncident, PageEntry, Standing, standing_of_group, standing_of_page,
};
use crate::domain::page::PageEnd;
use crate::domain::terms::{GroupId, IncidentId};

/// Pages as they stand.
pub(super) const PAGES: Write = Write {
    verb: Verb::Put,
    table: "pages",
    columns: &[
        ("id", Text),
        ("incident_id", Text),
        ("number", Int),
        ("seq", Int),
        ("addressee", Text),
        ("person_id", Text),
        ("why", Text),
        ("paged_at_ms", Int),
        ("contacts", Text),
        ("ended", Text),
        ("ended_at_ms", Int),
        ("ended_by", Text),
        ("ended_via", Text),
    ],
};

/// How far their ways came. One that reaches a state twice has reached it the last time.
pub(super) const PAGE_DELIVERIES: Write = Write {
    verb: Verb::Put,
    table: "page_deliveries",
    columns: &[
        ("id", Text),
        ("incident_id", Text),
        ("number", Int),
        ("seq", Int),
        ("via", Text),
        ("state", Text),
        ("at_ms", Int),
        ("provider_id", Text),
        ("reason", Text),
    ],
};

/// The id of a page: `INC-2025-0914-001/3`.
pub(super) fn page_id(entry: &PageEntry) -> String {
    format!("{}/{}", entry.incident, entry.number)
}

/// The id of what a way reached: `INC-2025-0914-001/3/sms/accepted`.
pub(super) fn delivery_id(entry: &DeliveryEntry) -> String {
    let DeliveryEntry {
        incident,
        number,
        via,
        reached,
        ..
    } = entry;
    format!("{incident}/{number}/{via}/{}", reached.word())
}

/// A row of [`PAGES`].
pub(super) fn page_row(id: &str, entry: &PageEntry) -> Result<[Cell; 13], serde_json::Error> {
    let optional = |text: Option<&str>| match text {
        Some(text) => Cell::text(text),
        None => Cell::Text(None),
    };
    let ending = entry.ending.as_ref();
    Ok([
        Cell::text(id),
        Cell::text(entry.incident.as_str()),
        Cell::int(entry.number.into()),
        Cell::int(entry.seq as i64),
        Cell::text(&entry.to),
        optional(entry.person.as_ref().map(|id| id.as_str())),
        Cell::text(&entry.why),
        Cell::int(ms(entry.paged_at)),
        Cell::Text(Some(serde_json::to_string(&entry.contacts)?)),
        optional(ending.map(|it| it.end.word())),
        Cell::Int(ending.map(|it| ms(it.at))),
        optional(ending.map(|it| it.by.as_str())),
        optional(ending.and_then(|it| it.via).map(|via| via.word())),
    ])
}

/// A row of [`PAGE_DELIVERIES`].
pub(super) fn delivery_row(id: &str, entry: &DeliveryEntry) -> [Cell; 9] {
    let optional = |text: &Option<String>| match text {
        Some(text) => Cell::text(text),
        None => Cell::Text(None),
    };
    [
        Cell::text(id),
        Cell::text(entry.incident.as_str()),
        Cell::int(entry.number.into()),
        Cell::int(entry.seq as i64),
        Cell::text(entry.via.word()),
        Cell::text(entry.reached.word()),
        Cell::int(ms(entry.at)),
        optional(&entry.provider_id),
        optional(&entry.reason),
    ]
}

/// What the events of one incident say of its pages, to be compared with what the ledger says.
#[derive(Debug, Default)]
pub(super) struct Expected {
    pages: BTreeMap<String, PageEntry>,
    deliveries: BTreeMap<String, DeliveryEntry>,
}

impl Expected {
    /// Takes in what one more event adds.
    pub(super) fn add(&mut self, entries: Entries) {
        let pages = entries.pages.into_iter();
        self.pages.extend(pages.map(|it| (page_id(&it), it)));
        let deliveries = entries.deliveries.into_iter();
        self.deliveries
            .extend(deliveries.map(|it| (delivery_id(&it), it)));
    }
}

type PageCells = (
    String,
    String,
    i64,
    i64,
    String,
    Option<String>,
    String,
    i64,
    String,
    Option<String>,
    Option<i64>,
    Option<String>,
    Option<String>,
);
type DeliveryCells = (
    String,
    String,
    i64,
    i64,
    String,
    String,
    i64,
    Option<String>,
    Option<String>,
);

impl Store {
    /// Where the ledger says something else of an incident's pages than its events up to this one do, in words. What was
    /// written since is not looked at.
    pub(super) async fn ledger_faults(
        &self,
        id: &IncidentId,
        expected: &Expected,
        up_to: i64,
    ) -> anyhow::Result<Vec<String>> {
        let args = [id.as_str().into()];
        let pages: Vec<PageCells> = self
            .database
            .rows(
                "SELECT id, incident_id, number, seq, addressee, person_id, why, paged_at_ms, contacts, ended, \
                 ended_at_ms, ended_by, ended_via FROM pages WHERE incident_id = $1",
                &args,
            )
            .await
            .with_context(|| format!("reading the pages of {id}"))?;
        let deliveries: Vec<DeliveryCells> = self
            .database
            .rows(
                "SELECT id, incident_id, number, seq, via, state, at_ms, provider_id, reason FROM page_deliveries \
                 WHERE incident_id = $1",
                &args,
            )
            .await
            .with_context(|| format!("reading the deliveries of {id}"))?;
        let mut faults = Vec::new();
        let mut wanted = BTreeMap::new();
        for (key, entry) in &expected.pages {
            wanted.insert(key.clone(), page_row(key, entry)?.to_vec());
        }
        let kept = pages.into_iter().map(|row| (row.3, page_cells(row)));
        compare(id, "page", wanted, kept, up_to, &mut faults);
        let wanted = expected.deliveries.iter();
        let wanted = wanted.map(|(key, entry)| (key.clone(), delivery_row(key, entry).to_vec()));
        let kept = deliveries
            .into_iter()
            .map(|row| (row.3, delivery_cells(row)));
        compare(id, "delivery", wanted.collect(), kept, up_to, &mut faults);
        Ok(faults)
    }
}

/// One of an incident's clocks waits, or is just being rung. `OFFSET` holds PostgreSQL to looking each up by its index: it
/// would else make a join of it, and read the whole outbox for that while its statistics still say that it is small. For
/// the same reason what is given up is told in words that no planner takes the index of what is due for.
macro_rules! has_clock {
    ($incident:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM outbox AS o WHERE o.incident_id = ",
            $incident,
            " AND o.queue IS NULL AND o.key = 'clock' AND COALESCE(o.buried_at_ms, 0) = 0 LIMIT 1 OFFSET 0)"
        )
    };
}

/// The order is there that a group of alerts waits for: what it owes is the key of that order, or its queue.
macro_rules! is_ordered {
    () => {
        "EXISTS (SELECT 1 FROM outbox AS o WHERE o.incident_id = g.id AND COALESCE(o.buried_at_ms, 0) = 0 \
         AND (o.key = g.owed OR o.queue = g.owed) LIMIT 1 OFFSET 0)"
    };
}

/// An order as the auditor sees it.
#[derive(Debug, Clone)]
pub struct SeenOrder {
    /// Its id.
    pub id: String,
    /// The incident or the group of alerts that gave it.
    pub by: String,
    /// What to do; none: it cannot be read.
    pub effect: Option<Effect>,
    /// When it is to be looked at.
    pub due_at: Timestamp,
    /// Why it was given up, if it was.
    pub given_up: Option<String>,
}

type OrderRow = (String, String, String, i64, Option<i64>, Option<String>);

impl SeenOrder {
    fn of((id, by, effect, due_at_ms, buried_at_ms, last_error): OrderRow) -> Self {
        Self {
            id,
            by,
            effect: serde_json::from_str(&effect).ok(),
            due_at: moment(due_at_ms),
            given_up: buried_at_ms.map(|_| last_error.unwrap_or_default()),
        }
    }
}

impl Store {
    /// Pages that have not ended and whose incident is over, or gone, or has no clock: the oldest first.
    pub async fn pages_in_doubt(&self, limit: i64) -> anyhow::Result<Vec<PageFact>> {
        let rows: Vec<(String, i64, String, Option<String>, i64)> = self
            .database
            .rows(
                concat!(
                    "SELECT incident_id, number, addressee, status, has_clock FROM (SELECT p.id, p.incident_id, p.number, \
                     p.addressee, p.paged_at_ms, i.status, CAST(CASE WHEN ",
                    has_clock!("p.incident_id"),
                    " THEN 1 ELSE 0 END AS BIGINT) AS has_clock FROM pages AS p LEFT JOIN incidents AS i \
                     ON i.id = p.incident_id WHERE p.ended IS NULL) AS seen \
                     WHERE has_clock = 0 OR status IS NULL OR status IN ('resolved', 'closed') \
                     ORDER BY paged_at_ms, id LIMIT $1"
                ),
                &[limit.into()],
            )
            .await
            .context("looking for pages that have not ended")?;
        let fact = |(incident, number, to, status, has_clock): (
            String,
            i64,
            String,
            Option<String>,
            i64,
        )| PageFact {
            incident: IncidentId::new(incident),
            number: number as u32,
            to,
            over: status.map(|status| status == "resolved" || status == "closed"),
            has_clock: has_clock == 1,
        };
        Ok(rows.into_iter().map(fact).collect())
    }

    /// Open incidents of which no clock waits, the newest first.
    pub async fn unclocked(&self, limit: i64) -> anyhow::Result<Vec<Incident>> {
        let rows: Vec<(String,)> = self
            .database
            .rows(
                concat!(
                    "SELECT i.state FROM incidents AS i WHERE i.status <> 'resolved' AND i.status <> 'closed' AND NOT ",
                    has_clock!("i.id"),
                    " ORDER BY i.declared_at_ms DESC LIMIT $1"
                ),
                &[limit.into()],
            )
            .await
            .context("looking for incidents without a clock")?;
        rows.into_iter()
            .map(|(state,)| serde_json::from_str(&state).context("reading an incident's state"))
            .collect()
    }

    /// What should have been done on a lane before then and was not begun, the oldest first. What stands in a queue behind
    /// something that is tried again is not late.
    pub async fn late_orders(
        &self,
        lane: Lane,
        before: Timestamp,
        limit: i64,
    ) -> anyhow::Result<Vec<SeenOrder>> {
        let rows: Vec<OrderRow> = self
            .database
            .rows(
                concat!(
                    "SELECT id, incident_id, effect, due_at_ms, buried_at_ms, last_error FROM outbox AS o \
                     WHERE lane = $1 AND due_at_ms < $2 AND buried_at_ms IS NULL AND ",
                    head_of_its_queue!(),
                    " ORDER BY due_at_ms LIMIT $3"
                ),
                &[lane.word().into(), ms(before).into(), limit.into()],
            )
            .await
            .context("looking for orders that are late")?;
        Ok(rows.into_iter().map(SeenOrder::of).collect())
    }

    /// Orders that were given up of incidents in which somebody is still called, the newest first.
    pub async fn given_up_orders(&self, limit: i64) -> anyhow::Result<Vec<SeenOrder>> {
        let rows: Vec<OrderRow> = self
            .database
            .rows(
                "SELECT id, incident_id, effect, due_at_ms, buried_at_ms, last_error FROM outbox AS o \
                 WHERE buried_at_ms IS NOT NULL AND EXISTS (SELECT 1 FROM pages AS p \
                 WHERE p.incident_id = o.incident_id AND p.ended IS NULL) ORDER BY buried_at_ms DESC, id LIMIT $1",
                &[limit.into()],
            )
            .await
            .context("looking for orders that were given up")?;
        Ok(rows.into_iter().map(SeenOrder::of).collect())
    }

    /// The pages of an incident that have not ended.
    pub async fn open_pages_of(&self, incident: &str) -> anyhow::Result<Vec<u32>> {
        let rows: Vec<(i64,)> = self
            .database
            .rows(
                "SELECT number FROM pages WHERE incident_id = $1 AND ended IS NULL ORDER BY number",
                &[incident.into()],
            )
            .await
            .with_context(|| format!("looking for the open pages of {incident}"))?;
        Ok(rows.into_iter().map(|(number,)| number as u32).collect())
    }

    /// The open incidents that called any of these people, whose call is the newest first.
    pub async fn open_that_called(
        &self,
        people: &[&str],
        limit: i64,
    ) -> anyhow::Result<Vec<Arc<Incident>>> {
        let people = serde_json::to_string(people)?;
        let ids: Vec<(String,)> = self
            .database
            .rows(OPEN_THAT_CALLED, &[people.as_str().into(), limit.into()])
            .await
            .context("looking for the incidents that called somebody")?;
        let ids: Vec<IncidentId> = ids.into_iter().map(|(id,)| IncidentId::new(id)).collect();
        let held = self.held_of(&ids.iter().collect::<Vec<_>>()).await?;
        let mut open: Vec<Arc<Incident>> = held.into_iter().map(|held| held.incident).collect();
        open.sort_by_key(|incident| ids.iter().position(|id| *id == incident.id));
        Ok(open)
    }

    /// The pages to these people in these incidents, ended or not, the newest first.
    pub async fn pages_to(
        &self,
        people: &[&str],
        incidents: &[&str],
    ) -> anyhow::Result<Vec<(IncidentId, u32)>> {
        let (people, incidents) = (
            serde_json::to_string(people)?,
            serde_json::to_string(incidents)?,
        );
        let args = [people.as_str().into(), incidents.as_str().into()];
        let rows: Vec<(String, i64)> = self
            .database
            .rows(PAGES_TO, &args)
            .await
            .context("looking for pages to somebody")?;
        let page = |(incident, number)| (IncidentId::new(incident), number as u32);
        Ok(rows.into_iter().map(page).collect())
    }

    /// Groups of alerts that wait for an order that is not there, by their ids.
    pub async fn unpaid_groups(&self, limit: i64) -> anyhow::Result<Vec<GroupFact>> {
        let rows: Vec<(String, String)> = self
            .database
            .rows(
                concat!(
                    "SELECT g.id, g.state FROM alert_groups AS g WHERE g.owed IS NOT NULL AND NOT ",
                    is_ordered!(),
                    " ORDER BY g.id LIMIT $1"
                ),
                &[limit.into()],
            )
            .await
            .context("looking for alerts that nobody is told of")?;
        rows.into_iter()
            .map(|(id, state)| {
                let group = serde_json::from_str(&state)
                    .with_context(|| format!("reading the group of alerts {id}"))?;
                Ok(GroupFact {
                    group,
                    is_ordered: false,
                })
            })
            .collect()
    }

    /// Of so many conditions behind this one, those that hold and whose group is gone; and the last that was looked at,
    /// none at the end.
    pub async fn strays_after(
        &self,
        after: &str,
        limit: i64,
    ) -> anyhow::Result<(Vec<StrayFact>, Option<String>)> {
        let rows: Vec<(String, String, i64)> = self
            .database
            .rows(
                "SELECT a.id, a.group_id, CAST(CASE WHEN a.status <> 'resolved' AND g.id IS NULL THEN 1 ELSE 0 END AS BIGINT) \
                 FROM (SELECT id, group_id, status FROM alerts WHERE id > $1 ORDER BY id LIMIT $2) AS a \
                 LEFT JOIN alert_groups AS g ON g.id = a.group_id ORDER BY a.id",
                &[after.into(), limit.into()],
            )
            .await
            .context("looking for alerts without a group")?;
        let last = rows.last().filter(|_| rows.len() as i64 == limit);
        let last = last.map(|(id, ..)| id.clone());
        let strays = rows
            .into_iter()
            .filter(|(_, _, is_stray)| *is_stray == 1)
            .map(|(id, group, _)| StrayFact {
                id,
                group: GroupId::new(group),
            });
        Ok((strays.collect(), last))
    }
}

/// A page as it stands in the ledger.
#[derive(Debug, Clone)]
pub struct PageLine {
    /// Where it stands in the order of the ledger.
    pub place: Place,
    /// The incident.
    pub incident: IncidentId,
    /// Its number.
    pub number: u32,
    /// Who is called, for people.
    pub to: String,
    /// Why, for people.
    pub why: String,
    /// When it began.
    pub paged_at: Timestamp,
    /// When it ended, by whom, and by which way, in the words of the store.
    pub ended: Option<(Timestamp, String, Option<String>)>,
    /// Where it stands.
    pub standing: Standing,
    /// Its ways, and how far each came.
    pub ways: Vec<Way>,
}

/// A way of a page, and how far it came.
#[derive(Debug, Clone)]
pub struct Way {
    /// Which, in the word of the configuration.
    pub via: String,
    /// The last state that it reached.
    pub state: String,
    /// When.
    pub at: Timestamp,
    /// What the provider calls the message.
    pub provider_id: Option<String>,
    /// Why it came no further.
    pub reason: Option<String>,
}

/// A group of alerts as it stands in the ledger.
#[derive(Debug, Clone)]
pub struct GroupLine {
    /// Where it stands in the order of the ledger.
    pub place: Place,
    /// The group.
    pub group: Group,
    /// Where it stands.
    pub standing: Standing,
}

/// A place in the order of the ledger: a moment in milliseconds since 1970, and an id.
pub type Place = (i64, String);

/// What of the ledger is read, and in which order.
#[derive(Debug, Clone)]
pub struct Stretch {
    /// From then on.
    pub from: Timestamp,
    /// Until before then.
    pub to: Timestamp,
    /// Only pages that have not ended.
    pub open: bool,
    /// The newest first.
    pub newest_first: bool,
    /// Beyond this place; none: from the first one on.
    pub beyond: Option<Place>,
    /// So many at the most.
    pub limit: i64,
}

impl Stretch {
    /// Where to begin: before the first, or behind the last, of all that can be.
    fn beyond(&self) -> Place {
        let first = match self.newest_first {
            true => (i64::MAX, String::new()),
            false => (i64::MIN, String::new()),
        };
        self.beyond.clone().unwrap_or(first)
    }
}

macro_rules! page_lines {
    ($open:literal, $beyond:literal, $order:literal) => {
        concat!(
            "SELECT p.id, p.incident_id, p.number, p.addressee, p.why, p.paged_at_ms, p.ended, p.ended_at_ms, \
             p.ended_by, p.ended_via, i.status, CAST(CASE WHEN ",
            has_clock!("p.incident_id"),
            " THEN 1 ELSE 0 END AS BIGINT) FROM pages AS p LEFT JOIN incidents AS i ON i.id = p.incident_id \
             WHERE p.paged_at_ms >= $1 AND p.paged_at_ms < $2 AND (p.paged_at_ms, p.id) ",
            $beyond,
            " ($3, $4) ",
            $open,
            " ORDER BY p.paged_at_ms ",
            $order,
            ", p.id ",
            $order,
            " LIMIT $5"
        )
    };
}

macro_rules! group_lines {
    ($beyond:literal, $order:literal) => {
        concat!(
            "SELECT g.id, g.began_at_ms, g.state, i.status, CAST(CASE WHEN i.state LIKE '%\"acknowledged_by\":null%' \
             THEN 0 ELSE 1 END AS BIGINT), CAST(CASE WHEN ",
            is_ordered!(),
            " THEN 1 ELSE 0 END AS BIGINT) FROM alert_groups AS g LEFT JOIN incidents AS i ON i.id = g.incident_id \
             WHERE g.began_at_ms >= $1 AND g.began_at_ms < $2 AND (g.began_at_ms, g.id) ",
            $beyond,
            " ($3, $4) ORDER BY g.began_at_ms ",
            $order,
            ", g.id ",
            $order,
            " LIMIT $5"
        )
    };
}

const OPEN_THAT_CALLED: Sql = Sql {
    sqlite: "SELECT p.incident_id FROM pages AS p JOIN incidents AS i ON i.id = p.incident_id \
             WHERE p.person_id IN (SELECT value FROM json_each($1)) AND i.status <> 'resolved' AND i.status <> 'closed' \
             GROUP BY p.incident_id ORDER BY MAX(p.paged_at_ms) DESC, p.incident_id DESC LIMIT $2",
    postgres: "SELECT p.incident_id FROM pages AS p JOIN incidents AS i ON i.id = p.incident_id \
             WHERE p.person_id = ANY(ARRAY(SELECT json_array_elements_text(CAST($1 AS json)))) \
             AND i.status <> 'resolved' AND i.status <> 'closed' \
             GROUP BY p.incident_id ORDER BY MAX(p.paged_at_ms) DESC, p.incident_id DESC LIMIT $2",
};

const PAGES_TO: Sql = Sql {
    sqlite: "SELECT incident_id, number FROM pages WHERE person_id IN (SELECT value FROM json_each($1)) \
             AND incident_id IN (SELECT value FROM json_each($2)) ORDER BY paged_at_ms DESC, number DESC",
    postgres: "SELECT incident_id, number FROM pages \
             WHERE person_id = ANY(ARRAY(SELECT json_array_elements_text(CAST($1 AS json)))) \
             AND incident_id = ANY(ARRAY(SELECT json_array_elements_text(CAST($2 AS json)))) \
             ORDER BY paged_at_ms DESC, number DESC",
};

const WAYS: Sql = Sql {
    sqlite: "SELECT p.id, d.via, d.state, d.at_ms, d.provider_id, d.reason FROM pages AS p JOIN page_deliveries AS d \
             ON d.incident_id = p.incident_id AND d.number = p.number \
             WHERE p.id IN (SELECT value FROM json_each($1)) ORDER BY d.seq, d.id",
    postgres: "SELECT p.id, d.via, d.state, d.at_ms, d.provider_id, d.reason FROM pages AS p JOIN page_deliveries AS d \
             ON d.incident_id = p.incident_id AND d.number = p.number \
             WHERE p.id = ANY(ARRAY(SELECT json_array_elements_text(CAST($1 AS json)))) ORDER BY d.seq, d.id",
};

type PageLineRow = (
    String,
    String,
    i64,
    String,
    String,
    i64,
    Option<String>,
    Option<i64>,
    Option<String>,
    Option<String>,
    Option<String>,
    i64,
);
type WayRow = (String, String, String, i64, Option<String>, Option<String>);

impl PageLine {
    fn of(row: PageLineRow) -> Self {
        let (id, incident, number, to, why, at, ended, ended_at, by, via, status, has_clock) = row;
        let end = match ended.as_deref() {
            Some("answered") => Some(PageEnd::Answered),
            Some("resolved") => Some(PageEnd::Resolved),
            Some("expired") => Some(PageEnd::Expired),
            // What no version has written ended by no rule: it counts as open, and is told.
            Some(_) | None => None,
        };
        let over = status.map(|status| status == "resolved" || status == "closed");
        Self {
            place: (at, id),
            incident: IncidentId::new(incident),
            number: number as u32,
            to,
            why,
            paged_at: moment(at),
            ended: ended_at.map(|at| (moment(at), by.unwrap_or_default(), via)),
            standing: standing_of_page(end, over, has_clock == 1),
            ways: Vec::new(),
        }
    }
}

impl Store {
    /// Pages of a stretch of the ledger, by when they began.
    pub async fn page_lines(&self, stretch: &Stretch) -> anyhow::Result<Vec<PageLine>> {
        let sql = match (stretch.open, stretch.newest_first) {
            (false, false) => page_lines!("", ">", "ASC"),
            (false, true) => page_lines!("", "<", "DESC"),
            (true, false) => page_lines!("AND p.ended IS NULL", ">", "ASC"),
            (true, true) => page_lines!("AND p.ended IS NULL", "<", "DESC"),
        };
        let (at, id) = stretch.beyond();
        let args = [
            ms(stretch.from).into(),
            ms(stretch.to).into(),
            at.into(),
            id.as_str().into(),
            stretch.limit.into(),
        ];
        let rows: Vec<PageLineRow> = self
            .database
            .rows(sql, &args)
            .await
            .context("reading the pages of the ledger")?;
        let mut lines: Vec<PageLine> = rows.into_iter().map(PageLine::of).collect();
        let ids: Vec<&str> = lines.iter().map(|line| line.place.1.as_str()).collect();
        let ids = serde_json::to_string(&ids)?;
        let ways: Vec<WayRow> = self
            .database
            .rows(WAYS, &[ids.as_str().into()])
            .await
            .context("reading the deliveries of the ledger")?;
        for (page, via, state, at_ms, provider_id, reason) in ways {
            let Some(line) = lines.iter_mut().find(|line| line.place.1 == page) else {
                continue;
            };
            // Each is told with the last that was heard of it.
            line.ways.retain(|way| way.via != via);
            line.ways.push(Way {
                via,
                state,
                at: moment(at_ms),
                provider_id,
                reason,
            });
        }
        Ok(lines)
    }

    /// Groups of alerts of a stretch of the ledger, by when their rounds began.
    pub async fn group_lines(
        &self,
        stretch: &Stretch,
        now: Timestamp,
    ) -> anyhow::Result<Vec<GroupLine>> {
        let sql = match stretch.newest_first {
            false => group_lines!(">", "ASC"),
            true => group_lines!("<", "DESC"),
        };
        let (at, id) = stretch.beyond();
        let args = [
            ms(stretch.from).into(),
            ms(stretch.to).into(),
            at.into(),
            id.as_str().into(),
            stretch.limit.into(),
        ];
        let rows: Vec<(String, i64, String, Option<String>, i64, i64)> = self
            .database
            .rows(sql, &args)
            .await
            .context("reading the alerts of the ledger")?;
        rows.into_iter()
            .map(|(id, at, state, status, is_acknowledged, is_ordered)| {
                let group: Group = serde_json::from_str(&state)
                    .with_context(|| format!("reading the group of alerts {id}"))?;
                let incident = match status {
                    Some(status) => Some(GroupIncident {
                        status: serde_json::from_value(status.into())?,
                        is_acknowledged: is_acknowledged == 1,
                    }),
                    None => None,
                };
                Ok(GroupLine {
                    place: (at, id),
                    standing: standing_of_group(&group, incident, is_ordered == 1, now),
                    group,
                })
            })
            .collect()
    }

    /// How many pages that began since then ended in each way; the word of an end, or `open`.
    pub async fn page_totals(&self, since: Timestamp) -> anyhow::Result<Vec<(String, i64)>> {
        self.database
            .rows(
                "SELECT COALESCE(ended, 'open'), CAST(COUNT(*) AS BIGINT) FROM pages WHERE paged_at_ms >= $1 \
                 GROUP BY ended ORDER BY 1",
                &[ms(since).into()],
            )
            .await
            .context("counting the pages of the ledger")
    }
}

/// So far the clocks of two replicas may be apart without one taking the other's turn.
const CLOCKS_APART_MS: i64 = 300_000;

/// What the auditor knows from one look to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Audited {
    /// When it last saw everything; none: never.
    pub looked_at: Option<Timestamp>,
    /// What was out of balance then.
    pub findings: Vec<Finding>,
    /// The keys of what the announce channel was told, and not yet that it balances again.
    pub said: Vec<String>,
    /// How many messages it was told.
    pub messages: u64,
    /// A message that has set out, and of which is not known yet whether it arrived.
    pub saying: Option<Saying>,
    /// The condition up to which was looked for those without a group.
    pub looked_to: String,
    /// When the outer heartbeat was last asked for.
    pub beaten_at: Option<Timestamp>,
    /// Why it was not, the last time that it should have been.
    pub beat_trouble: Option<String>,
}

impl Audited {
    /// What the next message is called, or the one that has set out.
    pub fn message(&self) -> String {
        format!("ledger/{}", self.messages + 1)
    }

    /// A message has arrived.
    pub fn note_said(&mut self, saying: Saying) {
        self.said = saying.said;
        self.saying = None;
        self.messages += 1;
    }
}

/// A message to the announce channel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saying {
    /// When it was first tried.
    pub since: Timestamp,
    /// The keys that are said when it has arrived.
    pub said: Vec<String>,
}

impl Store {
    /// Takes the auditor's turn, if it has come: of several replicas one has it. Gives its number, and what was known by
    /// the last one.
    pub async fn take_audit(
        &self,
        now: Timestamp,
        next: Timestamp,
    ) -> anyhow::Result<Option<(i64, Audited)>> {
        let rows: Vec<(i64, String)> = self
            .database
            .change(
                // What was set for much later than the next turn was set by a clock that was ahead.
                "UPDATE audits SET due_at_ms = $2, looks = looks + 1 WHERE id = 'ledger' \
                 AND (due_at_ms <= $1 OR due_at_ms > $3) RETURNING looks, state",
                &[
                    ms(now).into(),
                    ms(next).into(),
                    ms(next).saturating_add(CLOCKS_APART_MS).into(),
                ],
            )
            .await
            .context("beginning to look over the ledger")?;
        let Some((turn, state)) = rows.into_iter().next() else {
            return Ok(None);
        };
        // What an older or a newer version wrote is no reason not to look.
        Ok(Some((
            turn,
            serde_json::from_str(&state).unwrap_or_default(),
        )))
    }

    /// Keeps what was found, if nobody has taken another turn since.
    pub async fn keep_audit(&self, turn: i64, audited: &Audited) -> anyhow::Result<bool> {
        let state = serde_json::to_string(audited)?;
        let kept = self
            .database
            .execute(
                "UPDATE audits SET state = $2 WHERE id = 'ledger' AND looks = $1",
                &[turn.into(), state.as_str().into()],
            )
            .await
            .context("keeping what was found in the ledger")?;
        Ok(kept == 1)
    }

    /// What the auditor last knew.
    pub async fn last_audit(&self) -> anyhow::Result<Audited> {
        let row: Option<(String,)> = self
            .database
            .row("SELECT state FROM audits WHERE id = 'ledger'", &[])
            .await
            .context("reading what was found in the ledger")?;
        Ok(row
            .and_then(|(state,)| serde_json::from_str(&state).ok())
            .unwrap_or_default())
    }
}

fn compare(
    id: &IncidentId,
    what: &str,
    mut wanted: BTreeMap<String, Vec<Cell>>,
    kept: impl Iterator<Item = (i64, Vec<Cell>)>,
    up_to: i64,
    faults: &mut Vec<String>,
) {
    for (seq, row) in kept {
        let Some(Cell::Text(Some(key))) = row.first() else {
            continue;
        };
        match wanted.remove(key) {
            // Written since.
            _ if seq > up_to => {}
            Some(wanted) if wanted == row => {}
            Some(_) => faults.push(format!(
                "{id}: the ledger says something else of the {what} {key} than the record"
            )),
            None => faults.push(format!(
                "{id}: the ledger has a {what} {key} of which the record knows nothing"
            )),
        }
    }
    for key in wanted.keys() {
        faults.push(format!("{id}: the ledger lacks the {what} {key}"));
    }
}

fn page_cells(row: PageCells) -> Vec<Cell> {
    let text = |text: String| Cell::Text(Some(text));
    vec![
        text(row.0),
        text(row.1),
        Cell::int(row.2),
        Cell::int(row.3),
        text(row.4),
        Cell::Text(row.5),
        text(row.6),
        Cell::int(row.7),
        text(row.8),
        Cell::Text(row.9),
        Cell::Int(row.10),
        Cell::Text(row.11),
        Cell::Text(row.12),
    ]
}

fn delivery_cells(row: DeliveryCells) -> Vec<Cell> {
    let text = |text: String| Cell::Text(Some(text));
    vec![
        text(row.0),
        text(row.1),
        Cell::int(row.2),
        Cell::int(row.3),
        text(row.4),
        text(row.5),
        Cell::int(row.6),
        Cell::Text(row.7),
        Cell::Text(row.8),
    ]
}
