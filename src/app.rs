//! Wires the bot: the same wiring for `serve`, `demo` and the tests.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::desk::Desk;
use crate::dispatcher::{Dispatcher, Step, Tools};
use crate::domain::catalog::Catalog;
use crate::engine::Engine;
use crate::http::{Rooms, router};
use crate::reception::Reception;
use crate::slack::client::{Failure, Slack};
use crate::slack::message::Composer;
use crate::slack::socket::SocketMode;
use crate::socket;
use crate::store::Store;
use crate::templates;

/// How often old deliveries are forgotten.
const HOUSEKEEPING: Duration = Duration::from_secs(3_600);
/// How long a stop waits for requests and orders that are under way: longer than one call to Slack.
const FAREWELL: Duration = Duration::from_secs(12);
/// The pause between two tries to ask Slack who we are.
const WHO_ARE_WE_AGAIN: Duration = Duration::from_secs(10);

/// What a bot is made of.
#[derive(Debug)]
pub struct Parts {
    /// The configuration.
    pub catalog: Catalog,
    /// The folder of the configuration, in which `templates/` may override ours.
    pub beside: Option<std::path::PathBuf>,
    /// `sqlite://…` or `postgres://…`
    pub database_url: SecretString,
    /// Slack's API and the bot's token; none: the bot runs without Slack.
    pub slack: Option<(String, SecretString)>,
    /// The app's token; where it is set, and Slack is used, requests come by Socket Mode.
    pub app_token: Option<SecretString>,
    /// What Slack signs its requests with; none: no requests are taken over HTTP.
    pub signing_secret: Option<SecretString>,
    /// What opens the protected pages.
    pub api_token: Option<SecretString>,
    /// The clock.
    pub clock: Clock,
    /// What `/metrics` shows.
    pub metrics: Option<PrometheusHandle>,
}

/// A bot, wired and not yet running.
#[derive(Debug)]
pub struct App {
    rooms: Arc<Rooms>,
}

impl App {
    /// Opens the store and wires everything to it. Slack is not needed for that.
    pub async fn build(parts: Parts) -> anyhow::Result<Self> {
        let store = Store::open(parts.database_url.expose_secret()).await?;
        let catalog = Arc::new(parts.catalog);
        let words = templates::environment(parts.beside.as_deref());
        let composer = Arc::new(Composer::new(words.clone(), catalog.clone()));
        composer.prove().context("a template is broken")?;
        let templates = Arc::new(words);
        let engine = Engine::start(store.clone(), catalog.clone(), parts.clock.clone());
        let slack = match &parts.slack {
            Some((url, token)) => Some(Arc::new(Slack::new(url, token, parts.clock.clone())?)),
            None => None,
        };
        let socket = match (&parts.slack, &parts.app_token) {
            (Some((url, _)), Some(token)) => {
                Some(Arc::new(SocketMode::new(url, token, parts.clock.clone())?))
            }
            _ => None,
        };
        let dispatcher = Dispatcher::new(Tools {
            store: store.clone(),
            engine: engine.clone(),
            catalog: catalog.clone(),
            clock: parts.clock.clone(),
            slack: slack.clone(),
            composer: composer.clone(),
            templates: templates.clone(),
            owner: uuid::Uuid::now_v7().to_string(),
        });
        let desk = Arc::new(Desk {
            catalog,
            store,
            engine,
            clock: parts.clock.clone(),
            composer,
        });
        let reception = Arc::new(Reception {
            desk: desk.clone(),
            slack,
            replies: TaskTracker::new(),
        });
        Ok(Self {
            rooms: Arc::new(Rooms {
                desk,
                reception,
                dispatcher: Arc::new(dispatcher),
                socket,
                clock: parts.clock,
                signing_secret: parts.signing_secret,
                api_token: parts.api_token,
                templates,
                metrics: parts.metrics,
            }),
        })
    }

    /// The desk at which lines are answered.
    pub fn desk(&self) -> &Desk {
        &self.rooms.desk
    }

    /// The dispatcher, for whoever wants to take its steps one by one.
    pub fn dispatcher(&self) -> &Arc<Dispatcher> {
        &self.rooms.dispatcher
    }

    /// The routes of the server.
    pub fn router(&self) -> axum::Router {
        router(self.rooms.clone())
    }

    /// Takes up what comes by Socket Mode, if it is used, until `stop` turns true.
    pub fn attend(&self, stop: watch::Receiver<bool>) -> impl Future<Output = ()> + Send + use<> {
        let reception = self.rooms.reception.clone();
        let mode = self.rooms.socket.clone();
        async move {
            if let Some(mode) = mode {
                socket::run(mode, reception, stop).await;
            }
        }
    }

    /// Does all orders that are due, one after another, until none is, and waits for the replies that are under way.
    pub async fn settle(&self) -> anyhow::Result<()> {
        let replies = &self.rooms.reception.replies;
        replies.close();
        replies.wait().await;
        replies.reopen();
        loop {
            let mut did = false;
            for lane in self.rooms.dispatcher.lanes() {
                while self.rooms.dispatcher.run_one(lane).await? == Step::Did {
                    did = true;
                }
            }
            if !did {
                return Ok(());
            }
        }
    }

    /// Serves until `stop` turns true; then answers what has come in, finishes what it has begun, and lets go of the
    /// database. What is not begun stays in the outbox.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: watch::Receiver<bool>,
    ) -> anyhow::Result<()> {
        let lanes: Vec<_> = self
            .rooms
            .dispatcher
            .lanes()
            .into_iter()
            .map(|lane| tokio::spawn(self.rooms.dispatcher.clone().run(lane, stop.clone())))
            .collect();
        let attending = tokio::spawn(self.attend(stop.clone()));
        tokio::spawn(keep_house(self.rooms.clone(), stop.clone()));
        tokio::spawn(ask_who_we_are(self.rooms.clone(), stop.clone()));
        let mut stopped = stop.clone();
        let serving = axum::serve(listener, self.router()).with_graceful_shutdown(async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        });
        let mut stopping = stop.clone();
        tokio::select! {
            served = serving => served.context("serving HTTP")?,
            () = async {
                let _ = stopping.wait_for(|stop| *stop).await;
                tokio::time::sleep(FAREWELL).await;
            } => warn!("Some requests did not end in time"),
        }
        if tokio::time::timeout(FAREWELL, attending).await.is_err() {
            warn!("Some connections of Socket Mode did not end in time");
        }
        for lane in lanes {
            if tokio::time::timeout(FAREWELL, lane).await.is_err() {
                warn!("Some orders did not end in time; they stay in the outbox");
            }
        }
        let replies = &self.rooms.reception.replies;
        replies.close();
        if tokio::time::timeout(FAREWELL, replies.wait())
            .await
            .is_err()
        {
            warn!("Some replies did not end in time");
        }
        self.rooms.desk.store.close().await;
        info!("Stopped");
        Ok(())
    }
}

/// Now and then forgets what nobody will ask for any more.
async fn keep_house(rooms: Arc<Rooms>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        if let Err(cause) = rooms.desk.store.forget_deliveries(rooms.clock.now()).await {
            warn!("Could not forget old deliveries: {cause:#}");
        }
        tokio::select! {
            _ = stop.changed() => {}
            () = tokio::time::sleep(HOUSEKEEPING) => {}
        }
    }
}

/// Asks Slack who we are, until it says so: requests of other workspaces are known by it.
async fn ask_who_we_are(rooms: Arc<Rooms>, mut stop: watch::Receiver<bool>) {
    let Some(slack) = &rooms.reception.slack else {
        return;
    };
    while !*stop.borrow() {
        match slack.identity(rooms.clock.now()).await {
            Ok(identity) => {
                info!(
                    "This is the Slack user {} of the workspace {}",
                    identity.user_id, identity.team_id
                );
                rooms.dispatcher.note_trouble(None);
                return;
            }
            // It was not asked.
            Err(Failure::Later { .. }) => {}
            Err(Failure::Retry { why, .. } | Failure::GiveUp { why, .. }) => {
                warn!("Slack does not say who we are: {why}");
                rooms.dispatcher.note_trouble(Some(why));
            }
        }
        tokio::select! {
            _ = stop.changed() => {}
            () = tokio::time::sleep(WHO_ARE_WE_AGAIN) => {}
        }
    }
}

/// The folder in which a configuration file lies.
pub fn beside(config: &Path) -> Option<std::path::PathBuf> {
    match config.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Some(".".into()),
        Some(folder) => Some(folder.to_owned()),
        None => None,
    }
}
