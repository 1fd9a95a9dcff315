//! `firebell serve`: runs the bot.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::{info, warn};
use tracing_subscriber::EnvFilter;

use crate::app::{App, Parts, beside, stray_templates};
use crate::clock::Clock;
use crate::config::{Settings, alert_secrets, heartbeat_url, schedule_secrets};
use crate::notify::Notifier;

/// How often the figures are put together.
const UPKEEP: Duration = Duration::from_secs(5);

/// Runs the bot until it is told to stop.
pub(super) async fn serve(settings: Settings) -> anyhow::Result<ExitCode> {
    log_to(std::io::stdout().is_terminal());
    let catalog = super::catalog(&settings)?;
    for missing in settings.missing_for_slack() {
        warn!(
            "{missing}. Until then the bot runs without Slack: the command line and the pages work"
        );
    }
    info!("{}", settings.way_of_slack());
    let (alert_secrets, missing) = alert_secrets(&catalog, |name| std::env::var(name).ok());
    let (schedule_secrets, none) = schedule_secrets(&catalog, |name| std::env::var(name).ok());
    for missing in missing.into_iter().chain(none) {
        warn!("{missing}");
    }
    let var = |name: &str| std::env::var(name).ok();
    let (notifier, closed) = Notifier::new(&catalog, settings.public_url.as_deref(), var);
    for closed in closed {
        warn!("{closed}");
    }
    let heartbeat_url = match heartbeat_url(&catalog, |name| std::env::var(name).ok()) {
        Ok(url) => url,
        Err(wrong) => {
            warn!("{wrong}");
            None
        }
    };
    let beside = beside(settings.config.path());
    for stray in stray_templates(beside.as_deref()) {
        warn!("{stray}");
    }
    let metrics = PrometheusBuilder::new()
        .install_recorder()
        .context("setting up /metrics")?;
    tokio::spawn(keep_figures(metrics.clone()));
    let app = App::build(Parts {
        sns: Default::default(),
        alert_secrets,
        schedule_secrets,
        notifier,
        public_url: settings.public_url,
        catalog,
        beside,
        database_url: settings.database.url,
        slack: settings
            .slack_bot_token
            .map(|token| (settings.slack_api_url, token)),
        app_token: settings.slack_app_token,
        signing_secret: settings.slack_signing_secret,
        api_token: settings.api_token,
        heartbeat_url,
        clock: Clock::System,
        metrics: Some(metrics),
    })
    .await?;
    let listener = TcpListener::bind(settings.listen)
        .await
        .with_context(|| format!("listening on {}", settings.listen))?;
    info!("Listening on {}", listener.local_addr()?);
    app.serve(listener, told_to_stop()).await?;
    Ok(ExitCode::SUCCESS)
}

/// Puts the figures together now and then: else they pile up where nobody fetches `/metrics`.
async fn keep_figures(metrics: PrometheusHandle) {
    let mut upkeep = tokio::time::interval(UPKEEP);
    loop {
        upkeep.tick().await;
        metrics.run_upkeep();
    }
}

/// Turns true on Ctrl-C, and on the signal by which a container is stopped.
fn told_to_stop() -> watch::Receiver<bool> {
    let (tell, told) = watch::channel(false);
    tokio::spawn(async move {
        let terminate = async {
            match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
                Ok(mut signal) => {
                    signal.recv().await;
                }
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            () = terminate => {}
        }
        info!("Stopping: answering what has come in, finishing what has begun");
        let _ = tell.send(true);
        // Keeps the channel open for those who look later.
        tell.closed().await;
    });
    told
}

/// Logs to standard output: for people on a terminal, as JSON otherwise.
fn log_to(terminal: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt().with_env_filter(filter);
    let set = if terminal {
        logs.try_init()
    } else {
        logs.json().try_init()
    };
    if let Err(error) = set {
        eprintln!("The log cannot be set up: {error}");
    }
}
