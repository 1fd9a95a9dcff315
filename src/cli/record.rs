//! `firebell export` and `firebell audit verify`: the record as a file, and the proof that nobody changed it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::app::beside;
use crate::clock::Clock;
use crate::config::{DatabaseKind, Settings};
use crate::domain::event::ExportFormat;
use crate::domain::terms::IncidentId;
use crate::export::Verdict;
use crate::store::chain::Anchor;
use crate::{export, templates};

/// Writes the record of an incident.
pub(super) async fn export(
    settings: &Settings,
    id: &str,
    format: Option<ExportFormat>,
    output: Option<PathBuf>,
) -> anyhow::Result<ExitCode> {
    let format = chosen(format, output.as_deref());
    let catalog = super::catalog(settings)?;
    let store = super::open_existing(settings).await?;
    let words = templates::environment(beside(settings.config.path()).as_deref());
    let id = IncidentId::new(
        catalog
            .incidents
            .id
            .id_of(id)
            .unwrap_or_else(|| id.to_owned()),
    );
    anyhow::ensure!(
        store.incident(&id).await?.is_some(),
        "There is no incident {id}. `firebell incident list` shows the open ones."
    );
    let now = Clock::System.now();
    match output {
        Some(path) => {
            let file = match tokio::fs::File::create(&path).await {
                Ok(file) => file,
                Err(error) => anyhow::bail!("{}", not_written(&path, &id, format, &error)),
            };
            let mut file = tokio::io::BufWriter::new(file);
            export::write(&store, &words, &catalog, &id, format, now, &mut file).await?;
            file.shutdown().await?;
        }
        None => {
            let mut out = tokio::io::stdout();
            export::write(&store, &words, &catalog, &id, format, now, &mut out).await?;
            out.flush().await?;
        }
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

/// The form that is named, or that of the file's ending, or Markdown.
fn chosen(format: Option<ExportFormat>, output: Option<&Path>) -> ExportFormat {
    let ending = output.and_then(|path| path.extension()?.to_str()?.to_lowercase().parse().ok());
    format.or(ending).unwrap_or(ExportFormat::Markdown)
}

/// Why a file cannot be written, and what to do.
fn not_written(
    path: &Path,
    id: &IncidentId,
    format: ExportFormat,
    error: &std::io::Error,
) -> String {
    let help = match error.kind() {
        ErrorKind::NotFound => {
            let folder = path.parent().unwrap_or(path).display();
            format!("there is no folder {folder}: make it first, or name another")
        }
        ErrorKind::IsADirectory => {
            let file = path.join(export::file_name(id, format));
            format!("it is a folder: name a file, such as {}", file.display())
        }
        ErrorKind::PermissionDenied => {
            "this user may not write there: name another place".to_owned()
        }
        _ => error.to_string(),
    };
    format!("Cannot write {}: {help}.", path.display())
}

/// What a proof has found.
struct Found {
    /// Where the record does not hold.
    faults: Vec<String>,
    /// What else is worth knowing.
    notes: Vec<String>,
    /// It in one line.
    summary: String,
    /// What was proved, for programs.
    fields: Value,
}

/// Looks for any edit, removal or reordering, in an exported file or in the store.
pub(super) async fn verify(
    settings: &Settings,
    json: bool,
    file: Option<PathBuf>,
    anchors: &[Anchor],
) -> anyhow::Result<ExitCode> {
    let Found {
        faults,
        notes,
        summary,
        mut fields,
    } = match file {
        Some(path) => verify_file(settings, &path).await?,
        None => verify_store(settings, anchors).await?,
    };
    let code = match faults.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    };
    if json {
        fields["ok"] = json!(faults.is_empty());
        fields["faults"] = json!(faults);
        fields["notes"] = json!(notes);
        println!("{}", serde_json::to_string_pretty(&fields)?);
        return Ok(code);
    }
    for note in notes {
        println!("Note: {note}");
    }
    for fault in faults {
        println!("{fault}");
    }
    println!("{summary}");
    Ok(code)
}

async fn verify_store(settings: &Settings, anchors: &[Anchor]) -> anyhow::Result<Found> {
    let store = super::open_existing(settings).await?;
    let ids = store.all_ids().await?;
    let mut faults = Vec::new();
    for anchor in anchors {
        let stored = store.hash_of(&anchor.incident, anchor.seq as i64).await?;
        let fault = match stored {
            Some(hash) if anchor.holds(&hash) => continue,
            Some(_) => "the record is not the one that was anchored",
            None => "the event that was anchored is gone, and all after it",
        };
        faults.push(format!("{} event {}: {fault}", anchor.incident, anchor.seq));
    }
    let strays = store.strays().await?;
    for id in ids.iter().chain(&strays) {
        faults.extend(store.audit(id).await?);
    }
    store.close().await;
    let records = ids.len();
    Ok(Found {
        summary: match faults.len() {
            0 => format!("The records of {records} incidents are whole."),
            n => format!("{n} faults in the records of {records} incidents."),
        },
        notes: Vec::new(),
        faults,
        fields: json!({ "incidents": records, "anchors": anchors.len() }),
    })
}

async fn verify_file(settings: &Settings, path: &Path) -> anyhow::Result<Found> {
    let file = std::fs::File::open(path).with_context(|| format!("reading {}", path.display()))?;
    let reader = std::io::BufReader::new(file);
    let Verdict {
        incident,
        entries,
        head,
        reformatted,
        mut faults,
        remarks: mut notes,
    } = tokio::task::spawn_blocking(|| export::verify_file(reader))
        .await?
        .with_context(|| format!("reading {}", path.display()))?;
    if reformatted {
        notes.push(
            "the file was reformatted; its words are the same wherever no fault is told."
                .to_owned(),
        );
    }
    // A file whose every hash was made anew holds in itself; only the store tells it from the record.
    let mut same_as_store = None;
    match (&incident, is_there(settings)) {
        (Some(id), true) => {
            let store = super::open_existing(settings).await?;
            match store.hash_of(id, entries as i64).await? {
                Some(stored) if stored == head => {
                    same_as_store = Some(true);
                    notes.push("the store has the same record.".to_owned());
                }
                Some(_) => {
                    same_as_store = Some(false);
                    faults.push(format!(
                        "{id}: the store has another record up to event {entries}"
                    ));
                }
                None => notes.push(format!(
                    "the store at hand has no event {entries} of {id}, so the file was proved by itself alone."
                )),
            }
            store.close().await;
        }
        _ => notes.push("no store is at hand, so the file was proved by itself alone.".to_owned()),
    }
    let name = incident
        .as_ref()
        .map_or_else(|| "an unnamed incident".to_owned(), |id| id.to_string());
    Ok(Found {
        summary: match faults.len() {
            0 => format!("The record of {name} is whole: {entries} entries, head {head}."),
            n => format!("{n} faults in the record of {name}."),
        },
        fields: json!({
            "incident": incident,
            "entries": entries,
            "head": head,
            "reformatted": reformatted,
            "same_as_store": same_as_store,
        }),
        faults,
        notes,
    })
}

/// Whether there is a store to compare with: a file that would only be made now is none.
fn is_there(settings: &Settings) -> bool {
    let url = settings.database.url.expose_secret();
    match settings.database.kind {
        DatabaseKind::Sqlite => {
            let path = url.trim_start_matches("sqlite:").trim_start_matches("//");
            Path::new(path.split('?').next().unwrap_or(path)).exists()
        }
        DatabaseKind::Postgres => true,
    }
}
