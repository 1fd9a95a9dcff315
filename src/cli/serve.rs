//! `firebell serve`, and `firebell demo`, which serves against a workspace of our own.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use metrics_exporter_prometheus::PrometheusBuilder;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::{info, warn};
use tracing_subscriber::EnvFilter;

use crate::app::{App, Parts, beside};
use crate::clock::Clock;
use crate::config::Settings;
use crate::domain::catalog::Catalog;
use crate::simulator::{Options, RequestUrls, Workspace};

/// Runs the bot until it is told to stop.
pub(super) async fn serve(settings: Settings) -> anyhow::Result<ExitCode> {
    log_to(std::io::stdout().is_terminal());
    let catalog = super::catalog(&settings)?;
    for missing in settings.missing_for_slack() {
        warn!(
            "{missing}. Until then the bot runs without Slack: the command line and the pages work"
        );
    }
    let metrics = PrometheusBuilder::new()
        .install_recorder()
        .context("setting up /metrics")?;
    let app = App::build(Parts {
        catalog,
        beside: beside(settings.config.path()),
        database_url: settings.database.url,
        slack: settings
            .slack_bot_token
            .map(|token| (settings.slack_api_url, token)),
        signing_secret: settings.slack_signing_secret,
        api_token: settings.api_token,
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

/// Runs the bot on a temporary database against a Slack workspace of our own, and says what to try.
pub(super) async fn demo(port: u16) -> anyhow::Result<ExitCode> {
    log_to(std::io::stdout().is_terminal());
    let options = Options {
        now: Arc::new(|| Clock::System.now().as_millisecond()),
        ..Options::default()
    };
    let token = SecretString::from(options.bot_token.clone());
    let secret = SecretString::from(options.signing_secret.clone());
    let workspace = Workspace::new(options);
    for name in ["ana", "bo", "cy"] {
        workspace.add_user(name);
    }
    for channel in ["general", "incidents"] {
        workspace.add_channel(channel, false, &["ana", "bo", "cy"]);
    }
    let slack = TcpListener::bind(("127.0.0.1", port))
        .await
        .with_context(|| format!("listening on port {port}"))?;
    let slack_address = slack.local_addr()?;
    let bot = TcpListener::bind(("127.0.0.1", if port == 0 { 0 } else { port + 1 }))
        .await
        .context("listening on the next port")?;
    let bot_address = bot.local_addr()?;
    tokio::spawn(workspace.serve(slack));
    let folder = std::env::temp_dir().join(format!("firebell-demo-{}", uuid::Uuid::now_v7()));
    std::fs::create_dir_all(&folder)?;
    let app = App::build(Parts {
        catalog: Catalog::default(),
        beside: None,
        database_url: format!("sqlite://{}", folder.join("firebell.db").display()).into(),
        slack: Some((format!("http://{slack_address}/api"), token)),
        signing_secret: Some(secret),
        api_token: Some("demo".into()),
        clock: Clock::System,
        metrics: None,
    })
    .await?;
    let stop = told_to_stop();
    let serving = tokio::spawn(app.serve(bot, stop));
    workspace
        .connect(RequestUrls::under(&format!("http://{bot_address}/slack")))
        .await?;
    println!(
        "A Slack workspace of our own runs at http://{slack_address}, the bot at http://{bot_address}."
    );
    println!("In another terminal:");
    println!("  tests/try http://{slack_address} http://{bot_address}");
    println!("Ctrl-C ends it; everything is thrown away then.");
    serving.await??;
    std::fs::remove_dir_all(&folder)?;
    Ok(ExitCode::SUCCESS)
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
