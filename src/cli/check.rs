//! `firebell check`: the configuration and the templates, proved without starting anything.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::app::{beside, prove_templates, stray_templates};
use crate::config::{Fault, Level, LoadError, Settings, heartbeat_url, load};
use crate::templates;

/// Proves the configuration, and every template that it brings along.
pub(super) fn run(settings: &Settings, json: bool) -> anyhow::Result<ExitCode> {
    let color = std::io::IsTerminal::is_terminal(&std::io::stdout());
    let path = settings.config.path();
    let (catalog, faults) = match load(&settings.config) {
        Ok((catalog, warnings)) => (Some(catalog), warnings),
        Err(LoadError::Faulty(faults)) => (None, faults),
        // Its words hold its cause already.
        Err(error @ LoadError::Unreadable { .. }) => anyhow::bail!("{error}"),
    };
    let is_faulty = catalog.is_none();
    let vars = |name: &str| std::env::var(name).ok();
    let watcher = catalog
        .as_ref()
        .and_then(|catalog| heartbeat_url(catalog, vars).err());
    let beside = beside(path);
    let strays = stray_templates(beside.as_deref());
    let broken = catalog.and_then(|catalog| {
        let words = templates::environment(beside.as_deref());
        let proof = prove_templates(&words, &catalog.into());
        proof.err().map(|cause| format!("{cause:#}"))
    });
    let ok = !is_faulty && broken.is_none();
    if json {
        let report = json!({
            "ok": ok,
            "file": path.display().to_string(),
            "slack": settings.way_of_slack(),
            "faults": faults.iter().map(described).collect::<Vec<_>>(),
            "environment": watcher.into_iter().collect::<Vec<_>>(),
            "templates": { "error": broken, "warnings": strays },
        });
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", faults.render(color));
        if let Some(watcher) = watcher {
            println!("warning: {watcher}");
        }
        for stray in strays {
            println!("warning: {stray}");
        }
        if let Some(broken) = broken {
            println!("error: {broken}");
        }
        if ok {
            println!("{}: no errors", path.display());
            println!("{}.", settings.way_of_slack());
        }
    }
    Ok(match ok {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// A fault for programs.
fn described(fault: &Fault) -> Value {
    json!({
        "level": match fault.level {
            Level::Error => "error",
            Level::Warning => "warning",
        },
        "line": fault.line,
        "column": fault.column,
        "message": fault.message,
        "help": fault.help,
    })
}
