//! `firebell check`: the configuration and the templates, proved without starting anything; and where nobody will be on
//! call.

use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::oncall::{ahead, gaps};
use crate::app::{beside, prove_templates, stray_templates};
use crate::config::{Fault, Level, LoadError, Settings, heartbeat_url, load};
use crate::domain::catalog::Person;
use crate::domain::reach::dead_policies;
use crate::notify::Notifier;
use crate::templates;

/// Proves the configuration, and every template that it brings along.
pub(super) fn run(
    settings: &Settings,
    vars: impl Fn(&str) -> Option<String>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let color = std::io::IsTerminal::is_terminal(&std::io::stdout());
    let path = settings.config.path();
    let (catalog, faults) = match load(&settings.config) {
        Ok((catalog, warnings)) => (Some(catalog), warnings),
        Err(LoadError::Faulty(faults)) => (None, faults),
        // Its words hold its cause already.
        Err(error @ LoadError::Unreadable { .. }) => anyhow::bail!("{error}"),
    };
    let is_faulty = catalog.is_none();
    let beside = beside(path);
    let strays = stray_templates(beside.as_deref());
    let gaps = match &catalog {
        Some(catalog) => gaps(catalog, Timestamp::now()),
        None => Vec::new(),
    };
    let between = ahead(Timestamp::now());
    let dead = catalog.as_ref().map_or_else(Vec::new, |catalog| {
        let dead = dead_policies(catalog, between, |_, _| true);
        let id = dead.iter().map(|policy| policy.id.clone());
        id.collect::<Vec<_>>()
    });
    let unset = catalog.as_ref().map_or_else(Vec::new, |catalog| {
        let watcher = heartbeat_url(catalog, &vars).err();
        let (notifier, mut unset) = Notifier::new(catalog, settings.public_url.as_deref(), vars);
        unset.extend(watcher);
        let is_open = |person: &Person, via| notifier.is_open(person, via);
        let closed = dead_policies(catalog, between, is_open).into_iter();
        let closed = closed.filter(|policy| !dead.contains(&policy.id));
        unset.extend(closed.map(|policy| {
            format!("with what is set here, the policy `{}` reaches nobody: every way that it takes is closed", policy.id)
        }));
        unset
    });
    let broken = catalog.and_then(|catalog| {
        let words = templates::environment(beside.as_deref());
        let proof = prove_templates(&words, &catalog.into());
        proof.err().map(|cause| format!("{cause:#}"))
    });
    let dead: Vec<String> = dead
        .iter()
        .map(|id| {
            format!(
                "the policy `{id}` reaches nobody in the next 90 days: nobody who has a turn in its schedules, or stands in for \
                 one, can be reached by its ways (overrides do not count)"
            )
        })
        .collect();
    let ok = !is_faulty && broken.is_none() && dead.is_empty();
    if json {
        let report = json!({
            "ok": ok,
            "file": path.display().to_string(),
            "slack": settings.way_of_slack(),
            "faults": faults.iter().map(described).collect::<Vec<_>>(),
            "schedules": { "warnings": gaps },
            "policies": { "errors": dead },
            "templates": { "error": broken, "warnings": strays },
            "environment": { "warnings": unset },
        });
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", faults.render(color));
        for warning in gaps.into_iter().chain(strays) {
            println!("warning: {warning}");
        }
        for unset in unset {
            println!("warning: {unset}");
        }
        for dead in dead {
            println!("error: {dead}");
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
