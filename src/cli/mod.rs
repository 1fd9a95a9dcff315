//! The command line. Exit status: 0 done, 1 refused or failed, 2 wrong usage.

mod alerts;
mod check;
mod demo;
mod doctor;
mod env_file;
mod foresight;
mod incident;
mod ledger;
mod manifest;
mod oncall;
mod page;
mod record;
mod serve;
mod terminal;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use jiff::civil::DateTime;
use jiff::tz::AmbiguousOffset;
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;

use crate::config::{LoadError, Settings, load};
use crate::domain::catalog::Catalog;
use crate::domain::escalation::Channel;
use crate::domain::event::ExportFormat;
use crate::domain::form::{nearest, parse_duration};
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
    Check {
        /// Answer as JSON, for a program.
        #[arg(long)]
        json: bool,
    },
    /// Look at everything outside that the bot needs: the token, each scope, the announce channel, the people, the
    /// database, the clock; say of each what is wrong and how to mend it.
    Doctor {
        /// Answer as JSON, for a program.
        #[arg(long)]
        json: bool,
    },
    /// Make the tables of the database, or bring them up to date.
    Migrate,
    /// The same subcommands as in Slack, against the store: the way on when Slack is away.
    Incident {
        /// Answer as JSON, for a program.
        #[arg(long)]
        json: bool,
        /// Who acts: an id, name or e-mail address of [[people]], or any name. Else FIREBELL_ACTOR, or the user of this machine.
        #[arg(long = "as", value_name = "NAME")]
        by: Option<String>,
        /// What one would type after `/incident`, the incident named first: `ack INC-2025-0914-001`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// Who is on call, and where nobody is.
    Oncall {
        /// The schedule, by its id; all of them, if none is named.
        schedule: Option<String>,
        /// From this time on: 2026-10-25T01:30+01:00, or 2026-10-25T01:30 in the organization's zone. Else from now on.
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
        /// For so many days.
        #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=366))]
        days: u16,
        /// Answer as JSON, for a program.
        #[arg(long)]
        json: bool,
    },
    /// The order in which people are called.
    Escalation {
        #[command(subcommand)]
        command: Escalation,
    },
    /// Tell what becomes of the alerts of a file, and whom they call: the body of a request as its sender sends it.
    Simulate {
        /// The file; - for standard input.
        file: std::path::PathBuf,
        /// The alert source that it would come to, by its id; not needed where there is only one.
        #[arg(long)]
        source: Option<String>,
        /// As if it came at this time: 2026-10-25T01:30+01:00, or 2026-10-25T01:30 in the organization's zone. Else now.
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
        /// Answer as JSON, for a program.
        #[arg(long)]
        json: bool,
    },
    /// Write the whole record of an incident: summary, milestones, people, updates, timeline, follow-ups.
    Export {
        /// The incident: INC-2025-0914-001.
        id: String,
        /// The form of the record; if none is named, that of the output's ending, or markdown.
        #[arg(long, value_parser = export_format)]
        format: Option<ExportFormat>,
        /// The file to write; standard output, if none is named.
        #[arg(long, value_name = "FILE")]
        output: Option<std::path::PathBuf>,
    },
    /// What the routes of the configuration make of an alert.
    Route {
        #[command(subcommand)]
        command: Route,
    },
    /// The alerts that have come in.
    Alerts {
        #[command(subcommand)]
        command: Alerts,
    },
    /// Pages: who can be reached.
    Page {
        #[command(subcommand)]
        command: Page,
    },
    /// Every page and every group of alerts, and how each ended; exit status 1 if anything is out of balance.
    Ledger {
        /// What began from this time on: 2025-09-14T03:00, in the organization's zone. Else of the last seven days.
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
        /// And before this time; now, if none is named.
        #[arg(long, value_name = "TIME")]
        to: Option<String>,
        /// Only what is open, whenever it began, unless --from says otherwise.
        #[arg(long)]
        open: bool,
        /// Answer as JSON, one object a line; the last has the totals.
        #[arg(long)]
        json: bool,
    },
    /// Prove that records were not changed.
    Audit {
        #[command(subcommand)]
        command: Audit,
    },
    /// Print the manifest of the Slack app for this configuration.
    Manifest {
        /// The address under which Slack reaches this bot, for requests over HTTP.
        #[arg(long, value_parser = manifest::address)]
        url: Option<String>,
        /// For Socket Mode, which needs no public address.
        #[arg(long, conflicts_with = "url")]
        socket_mode: bool,
    },
}

#[derive(Debug, Subcommand)]
enum Escalation {
    /// Tell whom a policy calls, when and by which way, through all its rounds, if nobody answers.
    Preview {
        /// The policy, by its id.
        policy: String,
        /// As if it began at this time: 2026-10-25T01:30+01:00, or 2026-10-25T01:30 in the organization's zone. Else now.
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
        /// For an incident of this severity; else of the first that calls by this policy.
        #[arg(long)]
        severity: Option<String>,
        /// For an incident of this service.
        #[arg(long)]
        service: Option<String>,
        /// Answer as JSON, for a program.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
enum Route {
    /// Tell which route each alert of a file takes, and why: the body of a request as its sender sends it.
    Test {
        /// The file; - for standard input.
        file: std::path::PathBuf,
        /// The alert source that it would come to, by its id; not needed where there is only one.
        #[arg(long)]
        source: Option<String>,
        /// As of this time, for what holds at certain times only: 2025-09-14T03:00, in the organization's zone.
        #[arg(long)]
        at: Option<String>,
        /// Answer as JSON, for a program.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
enum Alerts {
    /// Read the requests of senders again as they came in, with the configuration of today: say what becomes of them.
    Replay {
        /// How far back: 24h, 7d.
        #[arg(long, default_value = "24h", value_parser = duration)]
        since: SignedDuration,
        /// Only those of this alert source.
        #[arg(long)]
        source: Option<String>,
        /// Take them in again, as if they came now.
        #[arg(long)]
        apply: bool,
    },
}

fn duration(text: &str) -> Result<SignedDuration, String> {
    parse_duration(text).map_err(|wrong| match wrong.help {
        Some(help) => format!("{}; {help}", wrong.message),
        None => wrong.message,
    })
}

#[derive(Debug, Subcommand)]
enum Page {
    /// Send somebody a page that says it is a test, by each of their ways; the bot need not run.
    Test {
        /// Who: an id, name, e-mail address or Slack handle of [[people]].
        person: String,
        /// By these ways alone; else by those of the person's `contact`, or all that they have.
        #[arg(long, value_name = "CHANNEL")]
        via: Vec<Channel>,
        /// Answer as JSON, for a program.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
enum Audit {
    /// Look for any edit, removal or reordering, in the store or in an exported JSON file.
    Verify {
        /// Answer as JSON, for a program.
        #[arg(long)]
        json: bool,
        /// A file made by `firebell export … --format json`.
        #[arg(conflicts_with = "anchors")]
        file: Option<std::path::PathBuf>,
        /// What a message in Slack said of a record when its incident was resolved or closed; may be repeated.
        #[arg(long = "anchor", value_name = "INCIDENT:EVENT:HASH")]
        anchors: Vec<crate::store::chain::Anchor>,
    },
}

fn export_format(text: &str) -> Result<ExportFormat, String> {
    let known = ExportFormat::ALL.map(ExportFormat::word);
    text.parse().map_err(|()| match nearest(text, known) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("write one of {}", known.join(", ")),
    })
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
    let vars = |name: &str| std::env::var(name).ok();
    let settings = match (Settings::from_env(vars), &command) {
        (Ok(settings), _) => settings,
        // What is wrong with the environment is a finding like any other.
        (Err(_), Command::Doctor { json }) => return doctor::run(vars, *json).await,
        (Err(faults), _) => return Err(faults.into()),
    };
    match command {
        Command::Doctor { json } => doctor::run(vars, json).await,
        Command::Serve => serve::serve(settings).await,
        Command::Demo { port, typed } => demo::run(port, typed).await,
        Command::Check { json } => check::run(&settings, vars, json),
        Command::Page {
            command: Page::Test { person, via, json },
        } => page::test(&settings, vars, &person, &via, json).await,
        Command::Migrate => {
            let store = open(&settings).await?;
            store.close().await;
            println!("The database is up to date.");
            Ok(ExitCode::SUCCESS)
        }
        Command::Incident { json, by, words } => {
            incident::run(&settings, incident::Typed { json, by, words }).await
        }
        Command::Oncall {
            schedule,
            at,
            days,
            json,
        } => oncall::run(&settings, schedule.as_deref(), at.as_deref(), days, json).await,
        Command::Escalation {
            command:
                Escalation::Preview {
                    policy,
                    at,
                    severity,
                    service,
                    json,
                },
        } => {
            let typed = foresight::Preview {
                policy,
                at,
                severity,
                service,
                json,
            };
            foresight::preview(&settings, typed).await
        }
        Command::Simulate {
            file,
            source,
            at,
            json,
        } => foresight::simulate(&settings, file, source, at.as_deref(), json).await,
        Command::Export { id, format, output } => {
            record::export(&settings, &id, format, output).await
        }
        Command::Audit {
            command:
                Audit::Verify {
                    json,
                    file,
                    anchors,
                },
        } => record::verify(&settings, json, file, &anchors).await,
        Command::Ledger {
            from,
            to,
            open,
            json,
        } => {
            let wanted = ledger::Wanted {
                from,
                to,
                open,
                json,
            };
            ledger::run(&settings, wanted).await
        }
        Command::Route {
            command:
                Route::Test {
                    file,
                    source,
                    at,
                    json,
                },
        } => alerts::test(&settings, file, source, at.as_deref(), json),
        Command::Alerts {
            command:
                Alerts::Replay {
                    since,
                    source,
                    apply,
                },
        } => alerts::replay(&settings, since, source, apply).await,
        Command::Manifest { url, socket_mode } => {
            let url = match (socket_mode, url) {
                (true, _) => None,
                (false, Some(url)) => Some(url),
                (false, None) => {
                    eprintln!(
                        "{} is an example. Give the address of your bot with --url, or --socket-mode, which needs none.",
                        manifest::EXAMPLE
                    );
                    Some(manifest::EXAMPLE.to_owned())
                }
            };
            println!(
                "{}",
                manifest::manifest(&catalog(&settings)?, url.as_deref())?
            );
            Ok(ExitCode::SUCCESS)
        }
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

/// A moment as it is typed: with its offset, or in the organization's zone. A local time that the clocks do not show
/// exactly once is told, with how it was read.
fn moment(text: &str, catalog: &Catalog) -> anyhow::Result<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let local: DateTime = text
        .parse()
        .with_context(|| format!("“{text}” is not a time; write it as 2025-09-14T03:00"))?;
    let zone = &catalog.organization.timezone;
    let found = zone.to_ambiguous_timestamp(local);
    let offset = found.offset();
    let at = found.compatible()?;
    let how = match offset {
        AmbiguousOffset::Unambiguous { .. } => return Ok(at),
        AmbiguousOffset::Gap { .. } => "does not exist: the clocks go forward over it",
        AmbiguousOffset::Fold { .. } => "exists twice, as the clocks go back: the first is meant",
    };
    let name = zone.iana_name().unwrap_or("that zone");
    let read = at.to_zoned(zone.clone());
    let read = read.strftime("%Y-%m-%dT%H:%M%:z");
    eprintln!("{text} {how} in {name}. It was read as {read}; write the offset to say which one.");
    Ok(at)
}

/// The store, for whoever only reads: a database that a wrong address names is not made.
async fn open_existing(settings: &Settings) -> anyhow::Result<Store> {
    Store::open_existing(settings.database.url.expose_secret()).await
}
