//! The command line. Exit status: 0 done, 1 refused or failed, 2 wrong usage.

mod demo;
mod env_file;
mod incident;
mod manifest;
mod record;
mod serve;

use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use secrecy::ExposeSecret;

use crate::config::{LoadError, Settings, load};
use crate::domain::catalog::Catalog;
use crate::domain::event::ExportFormat;
use crate::store::Store;

/// A self-hosted Slack incident bot.
#[derive(Debug, Parser)]
#[command(name = "firebell", version, about, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the bot: answer Slack, do what the outbox orders.
    Serve,
    /// Try the bot without Slack, AWS or a database: a workspace of our own, in the browser.
    Demo {
        /// The port of the workspace; 0: any free one.
        #[arg(long, default_value_t = 3100)]
        port: u16,
        /// Type here instead, line by line, until the input ends; the page is there too.
        #[arg(long)]
        typed: bool,
    },
    /// Prove the configuration: every fault at once, with file, line and a caret.
    Check,
    /// Make the tables of the database, or bring them up to date.
    Migrate,
    /// The same subcommands as in Slack, against the store: the way on when Slack is away.
    Incident {
        /// What one would type after `/incident`, the incident named first: `ack INC-2025-0914-001`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// Write the whole record of an incident: summary, milestones, people, updates, timeline, follow-ups.
    Export {
        /// The incident: INC-2025-0914-001.
        id: String,
        /// markdown, json, html or csv.
        #[arg(long, default_value = "markdown", value_parser = export_format)]
        format: ExportFormat,
        /// The file to write; standard output, if none is named.
        #[arg(long)]
        output: Option<std::path::PathBuf>,
    },
    /// Prove that records were not changed.
    Audit {
        #[command(subcommand)]
        command: Audit,
    },
    /// Print the manifest of the Slack app for this configuration.
    Manifest {
        /// The address under which Slack reaches this bot, for requests over HTTP.
        #[arg(long, default_value = "https://firebell.example.com")]
        url: String,
        /// For Socket Mode, which needs no public address.
        #[arg(long)]
        socket_mode: bool,
    },
}

#[derive(Debug, Subcommand)]
enum Audit {
    /// Look for any edit, removal or reordering, in the store or in an exported JSON file.
    Verify {
        /// A file made by `firebell export … --format json`.
        #[arg(conflicts_with = "anchors")]
        file: Option<std::path::PathBuf>,
        /// What a message in Slack said of a record when its incident was resolved or closed; may be repeated.
        #[arg(long = "anchor", value_name = "INCIDENT:EVENT:HASH")]
        anchors: Vec<crate::store::chain::Anchor>,
    },
}

fn export_format(text: &str) -> Result<ExportFormat, String> {
    text.parse()
        .map_err(|()| "write markdown, json, html or csv".to_owned())
}

/// Runs the program and says how it ended.
pub fn main() -> ExitCode {
    // One TLS stack for everything: rustls with ring.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let arguments = Arguments::parse();
    if let Err(error) = env_file::load() {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    // Half of the cores: the others are the database's, or SQLite's own thread's.
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.div_ceil(2))
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("Could not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(arguments.command)) {
        Ok(code) => code,
        // `firebell export … | head`: whoever reads has seen enough.
        Err(cause) if is_broken_pipe(&cause) => ExitCode::SUCCESS,
        Err(cause) => {
            eprintln!("{cause:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(cause: &anyhow::Error) -> bool {
    cause.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let settings = Settings::from_env(|name| std::env::var(name).ok())?;
    match command {
        Command::Serve => serve::serve(settings).await,
        Command::Demo { port, typed } => demo::run(port, typed).await,
        Command::Check => check(&settings),
        Command::Migrate => {
            let store = open(&settings).await?;
            store.close().await;
            println!("The database is up to date.");
            Ok(ExitCode::SUCCESS)
        }
        Command::Incident { words } => incident::run(&settings, &words).await,
        Command::Export { id, format, output } => {
            record::export(&settings, &id, format, output).await
        }
        Command::Audit {
            command: Audit::Verify { file, anchors },
        } => record::verify(&settings, file, &anchors).await,
        Command::Manifest { url, socket_mode } => {
            println!(
                "{}",
                manifest::manifest(&catalog(&settings)?, (!socket_mode).then_some(url.as_str()))?
            );
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn check(settings: &Settings) -> anyhow::Result<ExitCode> {
    let color = std::io::IsTerminal::is_terminal(&std::io::stdout());
    match load(&settings.config) {
        Ok((catalog, warnings)) => {
            print!("{}", warnings.render(color));
            let beside = crate::app::beside(settings.config.path());
            let words = crate::templates::environment(beside.as_deref());
            crate::slack::message::Composer::new(words, catalog.into())
                .prove()
                .context("a template is broken")?;
            println!("{}: no errors", settings.config.path().display());
            println!("{}.", settings.way_of_slack());
            Ok(ExitCode::SUCCESS)
        }
        Err(LoadError::Faulty(faults)) => {
            print!("{}", faults.render(color));
            Ok(ExitCode::FAILURE)
        }
        // Its words hold its cause already.
        Err(error @ LoadError::Unreadable { .. }) => anyhow::bail!("{error}"),
    }
}

/// The configuration; warnings go to standard error.
fn catalog(settings: &Settings) -> anyhow::Result<Catalog> {
    let color = std::io::IsTerminal::is_terminal(&std::io::stderr());
    match load(&settings.config) {
        Ok((catalog, warnings)) => {
            eprint!("{}", warnings.render(color));
            Ok(catalog)
        }
        Err(LoadError::Faulty(faults)) => {
            eprint!("{}", faults.render(color));
            anyhow::bail!("The configuration has errors; nothing was started.")
        }
        // Its words hold its cause already.
        Err(error @ LoadError::Unreadable { .. }) => anyhow::bail!("{error}"),
    }
}

/// The store, made if it is not there.
async fn open(settings: &Settings) -> anyhow::Result<Store> {
    Store::open(settings.database.url.expose_secret()).await
}

/// The store, for whoever only reads: a database that a wrong address names is not made.
async fn open_existing(settings: &Settings) -> anyhow::Result<Store> {
    Store::open_existing(settings.database.url.expose_secret()).await
}
