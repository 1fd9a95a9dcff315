//! The ledger as it is kept: pages, how far each of their ways came, groups of alerts with how they stand; and what its
//! auditor looks for, by indexes alone.

use std::collections::BTreeMap;

use anyhow::Context;

use super::write::Kind::{Int, Text};
use super::write::{Cell, Verb, Write};
use super::{Store, ms};
use crate::domain::ledger::{DeliveryEntry, Entries, PageEntry};
use crate::domain::terms::IncidentId;

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
