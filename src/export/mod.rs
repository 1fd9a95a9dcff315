//! The record of an incident as a file: a post-mortem to read, a table to compute with, and a record that proves itself.
//!
//! Whatever the form, the file is written while the record is read, page by page: a long timeline costs time, not
//! memory. Nothing that is written down during an export comes into it, so that the file ends where its hash says.
//!
//! `survey` walks through the record once and notes what a summary needs; `facts` counts milestones and durations;
//! `order` reads the timeline in the order in which things happened; there is one file for each form, which holds
//! all the escaping of that form; `verify` proves a JSON file.

mod alerts;
mod csv;
mod drawing;
mod facts;
mod html;
mod json;
mod markdown;
mod order;
mod out;
mod page;
mod rewritten;
mod survey;
mod text;
mod times;
mod told;
mod verify;

use anyhow::Context;
use jiff::Timestamp;
use minijinja::Environment;
use tokio::io::AsyncWrite;

use crate::domain::catalog::Catalog;
use crate::domain::event::{ExportFormat, Recorded};
use crate::domain::incident::Incident;
use crate::domain::terms::IncidentId;
use crate::store::Store;
use facts::Facts;
use out::Out;
use survey::Survey;

pub use verify::{Verdict, verify_file};

/// What wrote a file: files of the same generator tell an event in the same words.
const GENERATOR: &str = concat!("Firebell ", env!("CARGO_PKG_VERSION"));

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// How many entries the timeline has.
    pub entries: u64,
    /// How long the file is.
    pub bytes: u64,
    /// The hash of the last entry.
    pub head: String,
}

/// Writes the record of an incident. `None`: there is no such incident, and nothing was written.
///
/// An error in the middle leaves a file that is cut off: whoever serves it must not call it complete.
pub async fn write<W: AsyncWrite + Unpin>(
    store: &Store,
    templates: &Environment<'_>,
    catalog: &Catalog,
    id: &IncidentId,
    format: ExportFormat,
    now: Timestamp,
    out: &mut W,
) -> anyhow::Result<Option<Written>> {
    let Some(held) = store.held(id).await? else {
        return Ok(None);
    };
    let incident = &*held.incident;
    let zone = &catalog.organization.timezone;
    let mut out = Out::new(out);
    let source = Source {
        store,
        id,
        up_to: incident.version as i64,
    };
    let facts = |survey| Facts {
        incident,
        survey,
        zone,
        now,
        organization: &catalog.organization.name,
        service_name: incident
            .service
            .as_ref()
            .and_then(|id| catalog.service(id))
            .map(|service| service.name.as_str()),
        head: &held.head,
    };
    match format {
        ExportFormat::Csv => csv::write(source, &facts(&Survey::default()), &mut out).await,
        ExportFormat::Json => {
            let survey = source.survey(Survey::default()).await?;
            json::write(source, &facts(&survey), &mut out).await
        }
        ExportFormat::Markdown => {
            let survey = source.survey(Survey::default()).await?;
            markdown::write(source, &facts(&survey), templates, &mut out).await
        }
        ExportFormat::Html => {
            let survey = source.survey_to_draw(incident, zone, now).await?;
            html::write(source, &facts(&survey), templates, &mut out).await
        }
    }
    .with_context(|| format!("exporting {id} as {}", format.word()))?;
    let bytes = out.finish().await?;
    Ok(Some(Written {
        entries: incident.version,
        bytes,
        head: held.head.clone(),
    }))
}

/// Renders the templates of the readable forms with what a record holds: one that is broken is told before it is needed.
pub fn prove(
    templates: &Environment<'_>,
    catalog: &Catalog,
    incident: &Incident,
    record: &[Recorded],
) -> anyhow::Result<()> {
    let mut survey = Survey::default();
    for recorded in record {
        survey.add(recorded);
    }
    let facts = Facts {
        incident,
        survey: &survey,
        zone: &catalog.organization.timezone,
        now: incident.milestones.declared,
        organization: &catalog.organization.name,
        service_name: None,
        head: "",
    };
    markdown::render(&facts, templates)?;
    html::render(&facts, templates)?;
    Ok(())
}

/// The whole file in memory, for a receiver that must know its length before its first byte.
pub async fn to_bytes(
    store: &Store,
    templates: &Environment<'_>,
    catalog: &Catalog,
    id: &IncidentId,
    format: ExportFormat,
    now: Timestamp,
) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    write(store, templates, catalog, id, format, now, &mut bytes)
        .await?
        .with_context(|| format!("there is no incident {id}"))?;
    Ok(bytes)
}

/// The name of the file: `INC-2025-0914-001.md`.
pub fn file_name(id: &IncidentId, format: ExportFormat) -> String {
    format!("{id}.{}", format.extension())
}

/// The media type of the file, for HTTP.
pub fn media_type(format: ExportFormat) -> &'static str {
    match format {
        ExportFormat::Markdown => "text/markdown; charset=utf-8",
        ExportFormat::Json => "application/json",
        ExportFormat::Html => "text/html; charset=utf-8",
        ExportFormat::Csv => "text/csv; charset=utf-8; header=present",
    }
}

/// The JSON Schema of the JSON form.
pub const SCHEMA: &str = include_str!("../../schema/postmortem.schema.json");

/// Where an export reads: one incident's record up to the event at which the export began.
#[derive(Debug, Clone, Copy)]
struct Source<'a> {
    store: &'a Store,
    id: &'a IncidentId,
    up_to: i64,
}

impl Source<'_> {
    /// Walks through the updates, page by page; `tell` writes each.
    async fn updates<'o, W: AsyncWrite + Unpin>(
        self,
        out: &mut Out<'o, W>,
        mut tell: impl FnMut(&mut Out<'o, W>, &Recorded) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut last = 0;
        loop {
            let rows = self
                .store
                .events_of_kind(self.id, "update_posted", last, self.up_to)
                .await?;
            let Some(end) = rows.last() else {
                return Ok(());
            };
            last = end.seq;
            for row in &rows {
                tell(out, &row.recorded()?)?;
                out.breathe().await?;
            }
        }
    }

    async fn survey(self, mut survey: Survey) -> anyhow::Result<Survey> {
        let mut last = 0;
        while last < self.up_to {
            let page = self.store.events_after(self.id, last).await?;
            if page.is_empty() {
                break;
            }
            for row in page.iter().take_while(|row| row.seq <= self.up_to) {
                survey.add(&row.recorded()?);
            }
            last = page.last().map_or(self.up_to, |row| row.seq);
        }
        Ok(survey)
    }

    async fn survey_to_draw(
        self,
        incident: &Incident,
        zone: &jiff::tz::TimeZone,
        now: Timestamp,
    ) -> anyhow::Result<Survey> {
        let first_moved = self
            .store
            .events_moved(self.id, (i64::MIN, 0), self.up_to)
            .await?
            .first()
            .map(|row| row.happened_at_ms);
        let last = self
            .store
            .events_after(self.id, self.up_to - 1)
            .await?
            .first()
            .map(|row| row.recorded_at_ms);
        let scale = drawing::Scale::of(incident, first_moved, last, now);
        self.survey(Survey::drawing(drawing::Sketch::new(
            scale,
            zone.clone(),
            incident.names.clone(),
        )))
        .await
    }
}
