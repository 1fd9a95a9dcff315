//! `firebell export` and `firebell audit verify`: the record as a file, and the proof that nobody changed it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use secrecy::ExposeSecret;
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
    format: ExportFormat,
    output: Option<PathBuf>,
) -> anyhow::Result<ExitCode> {
    let catalog = super::catalog(settings)?;
    let store = super::open_existing(settings).await?;
    let words = templates::environment(beside(settings.config.path()).as_deref());
    let id = IncidentId::new(id.to_uppercase());
    anyhow::ensure!(
        store.incident(&id).await?.is_some(),
        "There is no incident {id}. `firebell incident list` shows the open ones."
    );
    let now = Clock::System.now();
    match output {
        Some(path) => {
            let file = tokio::fs::File::create(&path)
                .await
                .with_context(|| format!("writing {}", path.display()))?;
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

/// Looks for any edit, removal or reordering, in an exported file or in the store.
pub(super) async fn verify(
    settings: &Settings,
    file: Option<PathBuf>,
    anchors: &[Anchor],
) -> anyhow::Result<ExitCode> {
    match file {
        Some(path) => verify_file(settings, &path).await,
        None => verify_store(settings, anchors).await,
    }
}

async fn verify_store(settings: &Settings, anchors: &[Anchor]) -> anyhow::Result<ExitCode> {
    let store = super::open_existing(settings).await?;
    let ids = store.all_ids().await?;
    let mut faults = 0;
    for anchor in anchors {
        let stored = store.hash_of(&anchor.incident, anchor.seq as i64).await?;
        let fault = match stored {
            Some(hash) if anchor.holds(&hash) => continue,
            Some(_) => "the record is not the one that was anchored",
            None => "the event that was anchored is gone, and all after it",
        };
        println!("{} event {}: {fault}", anchor.incident, anchor.seq);
        faults += 1;
    }
    let strays = store.strays().await?;
    for id in ids.iter().chain(&strays) {
        for fault in store.audit(id).await? {
            println!("{fault}");
            faults += 1;
        }
    }
    store.close().await;
    if faults > 0 {
        println!("{faults} faults in the records of {} incidents.", ids.len());
        return Ok(ExitCode::FAILURE);
    }
    println!("The records of {} incidents are whole.", ids.len());
    Ok(ExitCode::SUCCESS)
}

async fn verify_file(settings: &Settings, path: &Path) -> anyhow::Result<ExitCode> {
    let file = std::fs::File::open(path).with_context(|| format!("reading {}", path.display()))?;
    let reader = std::io::BufReader::new(file);
    let Verdict {
        incident,
        entries,
        head,
        reformatted,
        mut faults,
        remarks,
    } = tokio::task::spawn_blocking(|| export::verify_file(reader))
        .await?
        .with_context(|| format!("reading {}", path.display()))?;
    for remark in remarks {
        println!("Note: {remark}");
    }
    if reformatted {
        println!(
            "Note: the file was reformatted; its words are the same wherever no fault is told."
        );
    }
    // A file whose every hash was made anew holds in itself; only the store tells it from the record.
    match (&incident, is_there(settings)) {
        (Some(id), true) => {
            let store = super::open_existing(settings).await?;
            match store.hash_of(id, entries as i64).await? {
                Some(stored) if stored == head => println!("The store has the same record."),
                Some(_) => faults.push(format!(
                    "{id}: the store has another record up to event {entries}"
                )),
                None => println!(
                    "Note: the store at hand has no event {entries} of {id}, so the file was proved by itself alone."
                ),
            }
            store.close().await;
        }
        _ => println!("Note: no store is at hand, so the file was proved by itself alone."),
    }
    for fault in &faults {
        println!("{fault}");
    }
    let name = incident.map_or_else(|| "an unnamed incident".to_owned(), |id| id.to_string());
    if faults.is_empty() {
        println!("The record of {name} is whole: {entries} entries, head {head}.");
        return Ok(ExitCode::SUCCESS);
    }
    println!("{} faults in the record of {name}.", faults.len());
    Ok(ExitCode::FAILURE)
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
