//! `firebell doctor`: looks at everything that a bot needs outside of itself, and says of each what is wrong and how to
//! mend it. It changes nothing, posts nothing and shows no secret.

mod findings;
mod slack;

use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use self::findings::{AGAIN, Findings, State};
use super::oncall::ahead;
use crate::app::{beside, prove_templates, stray_templates};
use crate::clock::Clock;
use crate::config::{
    Level, LoadError, Settings, alert_secrets, heartbeat_url, load, schedule_secrets,
};
use crate::domain::catalog::{Catalog, Person};
use crate::domain::reach::dead_policies;
use crate::notify::Notifier;
use crate::slack::socket::SocketMode;
use crate::store::examine::{Examination, examine};
use crate::templates;

/// A database that takes longer makes itself felt: each command waits for a few questions.
const LATENCY_WARNED: Duration = Duration::from_millis(50);
/// How long whoever holds the port may take to say who it is.
const NEIGHBOUR: Duration = Duration::from_secs(2);

/// Looks at everything that the environment, read through `vars`, lets it find.
pub(super) async fn run(
    vars: impl Fn(&str) -> Option<String>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let mut findings = Findings::default();
    let mut faulty = Vec::new();
    let settings = match Settings::from_env(&vars) {
        Ok(settings) => settings,
        Err(faults) => {
            for fault in faults.0 {
                faulty.push(fault.variable);
                findings.wrong(fault.variable, fault.message, fault.help);
            }
            // What is wrong is told; the rest is looked at without it.
            let is_sound = |name: &&str| !faulty.contains(name);
            Settings::from_env(|name| Some(name).filter(is_sound).and_then(&vars))?
        }
    };
    examine_all(&settings, &vars, &faulty, &mut findings).await?;
    tell(&findings, json)
}

fn tell(findings: &Findings, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        println!("{}", serde_json::to_string_pretty(&findings.described())?);
    } else {
        print!("{}", findings.told());
    }
    Ok(match findings.count(State::Wrong) {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// Looks at everything that does not hang on one of these variables.
async fn examine_all(
    settings: &Settings,
    vars: impl Fn(&str) -> Option<String>,
    faulty: &[&str],
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let is_sound = |name: &str| !faulty.contains(&name);
    let catalog = configuration(settings, findings);
    if is_sound("DATABASE_URL") {
        database(settings, findings).await;
    }
    if is_sound("FIREBELL_LISTEN") {
        listening(settings, findings).await;
    }
    secrets(settings, faulty, findings);
    senders(&catalog, &vars, findings);
    watcher(&catalog, &vars, findings);
    calendars(&catalog, &vars, findings);
    notifications(settings, &catalog, vars, findings);
    if !is_sound("SLACK_API_URL") {
        return Ok(());
    }
    let can_be_asked = match &settings.slack_bot_token {
        Some(token) => slack::examine(settings, token, &catalog, findings).await?,
        None => true,
    };
    if let (Some(token), true) = (&settings.slack_app_token, can_be_asked) {
        socket_mode(settings, token, findings).await?;
    }
    Ok(())
}

/// The configuration, as `firebell check` proves it; the default one, if it has errors.
fn configuration(settings: &Settings, findings: &mut Findings) -> Catalog {
    let file = settings.config.path().display().to_string();
    let about = "configuration";
    let (catalog, faults) = match load(&settings.config) {
        Ok(loaded) => loaded,
        Err(LoadError::Faulty(faults)) => {
            let n = faults.count(Level::Error);
            findings.wrong(
                about,
                format!("{file} has {n} errors"),
                "`firebell check` shows each",
            );
            return Catalog::default();
        }
        Err(error @ LoadError::Unreadable { .. }) => {
            let (said, mend) = error.halves();
            findings.wrong(about, said, mend);
            return Catalog::default();
        }
    };
    let strays = stray_templates(beside(settings.config.path()).as_deref());
    let words = templates::environment(beside(settings.config.path()).as_deref());
    if let Err(cause) = prove_templates(&words, &catalog.clone().into()) {
        findings.wrong("templates", format!("{cause:#}"), "mend or remove the file");
    }
    for stray in strays {
        findings.doubtful("templates", stray, "rename or remove the file");
    }
    match (
        faults.count(Level::Warning),
        settings.config.path().exists(),
    ) {
        (0, true) => findings.fine(about, format!("{file} has no faults")),
        (0, false) => findings.fine(
            about,
            format!("there is no {file}: severities P1 to P4, no people"),
        ),
        (n, _) => findings.doubtful(
            about,
            format!("{file} has {n} warnings"),
            "`firebell check` shows each",
        ),
    }
    catalog
}

async fn database(settings: &Settings, findings: &mut Findings) {
    let about = "database";
    match examine(settings.database.url.expose_secret()).await {
        Examination::NotThere { path } => {
            let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
            match folder.is_none_or(|folder| folder.is_dir()) {
                true => findings.fine(
                    about,
                    format!("{} is not there yet; the first start makes it", path.display()),
                ),
                false => findings.wrong(
                    about,
                    format!("{} has no folder to be made in", path.display()),
                    "make the folder, or set DATABASE_URL to a file in another",
                ),
            }
        }
        Examination::Closed(why) => findings.wrong(
            about,
            format!("it cannot be opened: {why}"),
            "set DATABASE_URL to a database that this user may open, or to a file that is not there yet",
        ),
        Examination::ReadOnly(why) => findings.wrong(
            about,
            format!("it takes nothing that is written: {why}"),
            "let this user write to it (and to the folder of an SQLite file)",
        ),
        Examination::Works { unknown, .. } if unknown > 0 => findings.wrong(
            about,
            format!("a newer Firebell was here: {unknown} versions of the tables are not known"),
            "run that version, or another database",
        ),
        Examination::Works { missing, .. } if missing > 0 => findings.doubtful(
            about,
            format!("{missing} versions of the tables are still to come"),
            "nothing to do: the next start makes them, or `firebell migrate`",
        ),
        Examination::Works { latency, .. } if latency > LATENCY_WARNED => findings.doubtful(
            about,
            format!(
                "it works, but takes {} ms for a question",
                latency.as_millis()
            ),
            "run it nearer to the bot, or on a faster machine",
        ),
        Examination::Works { latency, .. } => findings.fine(
            about,
            format!(
                "it opens, takes what is written, and is up to date; a question takes {:.1} ms",
                latency.as_secs_f64() * 1_000.0
            ),
        ),
    }
}

/// The address to listen on: free, or Firebell's already.
async fn listening(settings: &Settings, findings: &mut Findings) {
    let about = "listen address";
    let address = settings.listen;
    match TcpListener::bind(address).await {
        Ok(_) => findings.fine(about, format!("{address} is free")),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            match tokio::time::timeout(NEIGHBOUR, is_firebell(settings)).await {
                Ok(Ok(true)) => findings.fine(about, format!("Firebell is listening on {address}")),
                _ => findings.wrong(
                    about,
                    format!("another program listens on {address}"),
                    "stop it, or set FIREBELL_LISTEN to another port",
                ),
            }
        }
        Err(error) => findings.wrong(
            about,
            format!("nobody can listen on {address}: {error}"),
            "set FIREBELL_LISTEN to an address of this machine, such as 127.0.0.1:3000 or 0.0.0.0:3000",
        ),
    }
}

/// Asks whoever holds the port for Firebell's health.
async fn is_firebell(settings: &Settings) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(settings.listen).await?;
    stream
        .write_all(b"GET /readyz HTTP/1.0\r\nHost: firebell\r\nConnection: close\r\n\r\n")
        .await?;
    let mut answer = String::new();
    stream.take(4_096).read_to_string(&mut answer).await?;
    Ok(answer.starts_with("HTTP/1") && answer.contains("\"ready\":"))
}

/// What must be set before Slack can be talked to.
fn secrets(settings: &Settings, faulty: &[&str], findings: &mut Findings) {
    for missing in settings.missing_for_slack() {
        let is_told = |name: &&str| missing.variable == *name || missing.message.contains(*name);
        if faulty.iter().any(is_told) {
            continue;
        }
        findings.wrong(missing.variable, missing.message, missing.help);
    }
    if let Some(secret) = &settings.slack_signing_secret {
        let secret = secret.expose_secret();
        match secret.len() == 32 && secret.bytes().all(|b| b.is_ascii_hexdigit()) {
            true => findings.fine("signing secret", "it has the form of one"),
            false => findings.doubtful(
                "signing secret",
                "it has not the form of one (32 hexadecimal digits)",
                "copy it again: api.slack.com/apps, your app, Basic Information, Signing Secret",
            ),
        }
    }
}

/// What the senders of alerts show: without it none of them is believed.
fn senders(catalog: &Catalog, vars: impl Fn(&str) -> Option<String>, findings: &mut Findings) {
    let about = "alert sources";
    let (secrets, missing) = alert_secrets(catalog, vars);
    if missing.is_empty() && !secrets.is_empty() {
        findings.fine(about, "the secret of each is set");
    }
    for missing in missing {
        let mend = "set it to the secret that its senders show, or take the source out";
        findings.wrong(about, missing, mend);
    }
}

/// What schedules keep secret: without it a calendar is not served, or not read.
fn calendars(catalog: &Catalog, vars: impl Fn(&str) -> Option<String>, findings: &mut Findings) {
    let about = "calendars";
    let (secrets, missing) = schedule_secrets(catalog, vars);
    if missing.is_empty() && !(secrets.tokens.is_empty() && secrets.urls.is_empty()) {
        findings.fine(about, "the token or address of each is set");
    }
    for missing in missing {
        let mend = "set it, or take the key out of [[schedules]]";
        findings.wrong(about, missing, mend);
    }
}

/// The ways beside Slack by which people are paged: whether what they need is set. Nobody is called.
fn notifications(
    settings: &Settings,
    catalog: &Catalog,
    vars: impl Fn(&str) -> Option<String>,
    findings: &mut Findings,
) {
    let about = "notifications";
    let public_url = settings.public_url.as_deref();
    let (notifier, missing) = Notifier::new(catalog, public_url, vars);
    let ways = &catalog.notifications;
    let is_used = ways.email.is_some() || ways.sms.is_some() || ways.webhook.is_some();
    if missing.is_empty() && is_used {
        let said = "what they need is set; `firebell page test PERSON` sends a page";
        findings.fine(about, said);
    }
    for missing in missing {
        let mend = "set it as .env.example says, or take the section out";
        findings.wrong(about, missing, mend);
    }
    let is_open = |person: &Person, via| notifier.is_open(person, via);
    for policy in dead_policies(catalog, ahead(Timestamp::now()), is_open) {
        findings.wrong(
            about,
            format!("the policy `{}` reaches nobody in the next 90 days", policy.id),
            "set what its ways need, or name somebody in it who has a way that is open; `firebell check` says more",
        );
    }
    if public_url.is_none() && (ways.email.is_some() || ways.sms.is_some()) {
        findings.doubtful(
            about,
            "FIREBELL_PUBLIC_URL is not set, so a page is answered in Slack alone: not by SMS, key or link",
            "set it to the address under which Twilio and browsers reach this bot",
        );
    }
}

/// Who is told that all is well, if somebody is to be.
fn watcher(catalog: &Catalog, vars: impl Fn(&str) -> Option<String>, findings: &mut Findings) {
    let about = "outer heartbeat";
    match heartbeat_url(catalog, vars) {
        Ok(Some(_)) => findings.fine(about, "its address is set"),
        Ok(None) => {}
        Err(wrong) => findings.wrong(
            about,
            wrong,
            "set it to the address that your watchdog gave you, or take heartbeat_url_env out of [audit]",
        ),
    }
}

/// Whether Slack would open a connection of Socket Mode with the app's token.
async fn socket_mode(
    settings: &Settings,
    token: &SecretString,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let about = "app token";
    let mode = SocketMode::new(&settings.slack_api_url, token, Clock::System)?;
    match mode.would_open().await {
        Ok(()) => findings.fine(
            about,
            "Slack would open a connection of Socket Mode with it",
        ),
        Err(why) => match why.split_once(". ") {
            Some((said, mend)) => findings.wrong(about, said, mend),
            None => findings.wrong(about, why, AGAIN),
        },
    }
    Ok(())
}
