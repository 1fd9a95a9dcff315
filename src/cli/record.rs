//! `firebell export` and `firebell audit verify`: the record as a file, and the proof that nobody changed it.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use crate::app::beside;
use crate::clock::Clock;
use crate::config::Settings;
use crate::domain::event::ExportFormat;
use crate::domain::terms::IncidentId;
use crate::{export, templates};

/// Writes the record of an incident.
pub(super) async fn export(
    settings: &Settings,
    id: &str,
    format: ExportFormat,
    output: Option<PathBuf>,
) -> anyhow::Result<ExitCode> {
    let catalog = super::catalog(settings)?;
    let store = super::open(settings).await?;
    let words = templates::environment(beside(settings.config.path()).as_deref());
    let id = IncidentId::new(id.to_uppercase());
    anyhow::ensure!(
        store.incident(&id).await?.is_some(),
        "There is no incident {id}. `firebell incident list` shows the open ones."
    );
    let now = Clock::System.now();
    let bytes = export::to_bytes(&store, &words, &catalog, &id, format, now).await?;
    match output {
        Some(path) => tokio::fs::write(&path, bytes)
            .await
            .with_context(|| format!("writing {}", path.display()))?,
        None => std::io::stdout().write_all(&bytes)?,
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Looks for any edit, removal or reordering.
pub(super) async fn verify(
    settings: &Settings,
    _file: Option<PathBuf>,
) -> anyhow::Result<ExitCode> {
    let store = super::open(settings).await?;
    let ids = store.all_ids().await?;
    let mut faults = 0;
    for id in &ids {
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
