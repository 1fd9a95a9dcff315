//! Wires the bot: the same wiring for `serve`, `demo` and the tests.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use metrics_exporter_prometheus::PrometheusHandle;
use minijinja::Environment;
use ring::rand::SecureRandom;
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;
use tracing::{debug, error, info, warn};

use crate::clock::Clock;
use crate::config::ScheduleSecrets;
use crate::desk::Desk;
use crate::dispatcher::{AUDIT_EVERY, Dispatcher, Step, Tools};
use crate::domain::catalog::Catalog;
use crate::domain::form::nearest;
use crate::domain::group::Group;
use crate::domain::oncall::Schedule;
use crate::domain::samples::samples;
use crate::engine::Engine;
use crate::http::{Gate, Rooms, Sns, ledger, router};
use crate::intake::Intake;
use crate::notify::answer::LinkSecret;
use crate::notify::heartbeat::Heartbeat;
use crate::notify::{Notifier, ack_page, letter, page};
use crate::reception::Reception;
use crate::slack::client::{Call, Failure, Slack};
use crate::slack::message::Composer;
use crate::slack::socket::SocketMode;
use crate::socket;
use crate::store::Store;
use crate::{export, templates};

/// How often old deliveries are forgotten.
const HOUSEKEEPING: Duration = Duration::from_secs(3_600);
/// How often is looked for alerts of which nobody speaks any more; they expire by full minutes.
const LOOK_AT_ALERTS: Duration = Duration::from_secs(5);
/// Old requests and old alerts that are forgotten in one go.
const FORGOTTEN_AT_ONCE: i64 = 500;
/// The pause between two such goes.
const FORGET_AGAIN: Duration = Duration::from_millis(100);
/// Small and large bodies of alerts that are read at the same time: 64 MB at the most.
const ALERTS_SMALL: usize = 512;
/// See [`ALERTS_SMALL`].
const ALERTS_LARGE: usize = 8;
/// Look-ups of alert senders at the same time: each reads up to a thousand alerts over one of the few connections over
/// which everybody reads (SQLite: 4, PostgreSQL: 8).
const LOOKUPS: usize = 2;
/// How often is looked whether it is time to look over the ledger: another replica may have done it.
const LOOK_AT_THE_LEDGER: Duration = Duration::from_secs(5);
/// How often the database is asked for the time.
const LOOK_AT_THE_CLOCK: Duration = Duration::from_secs(30);
/// How often overrides are read: what is known of them is believed for a second.
const LOOK_AT_OVERRIDES: Duration = Duration::from_millis(500);
/// How often is looked whether somebody else has come on call: a reckoning, no question to anybody.
const LOOK_AT_GROUPS: Duration = Duration::from_secs(2);
/// How often is looked whether it is time to fetch a calendar.
const LOOK_AT_CALENDARS: Duration = Duration::from_secs(5);
/// How long a stop waits for requests and orders that are under way: longer than one call to Slack.
const FAREWELL: Duration = Duration::from_secs(12);
/// How long a connection may take to ask for something, and may be idle: a little longer than proxies keep one for later
/// use, so that none finds it closed just when it is needed.
const HEAD_TIME: Duration = Duration::from_secs(75);
/// The pause between two tries to ask Slack who we are.
const WHO_ARE_WE_AGAIN: Duration = Duration::from_secs(10);
/// The shortest pause before a question whose turn had not come.
const TURN: Duration = Duration::from_millis(50);
/// The pause between two looks for the channel of the announcements.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// The name of the key by which the links of e-mails are signed.
const LINKS: &str = "links";
/// The name under which that channel is looked for.
const ANNOUNCE: &str = "the channel of the announcements";

/// A secret that nobody has seen yet.
fn random() -> anyhow::Result<[u8; 32]> {
    let mut fresh = [0; 32];
    ring::rand::SystemRandom::new()
        .fill(&mut fresh)
        .map_err(|_| anyhow::anyhow!("the system gives no random numbers"))?;
    Ok(fresh)
}

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
    /// What the senders of alerts show, by the source's id.
    pub alert_secrets: BTreeMap<String, SecretString>,
    /// What Amazon SNS is believed by.
    pub sns: Sns,
    /// What schedules keep secret.
    pub schedule_secrets: ScheduleSecrets,
    /// The ways to people beside Slack.
    pub notifier: Notifier,
    /// Where people and providers reach us, without a slash at the end; none: they do not.
    pub public_url: Option<String>,
    /// What opens the protected pages.
    pub api_token: Option<SecretString>,
    /// The address that is asked for while the ledger balances.
    pub heartbeat_url: Option<SecretString>,
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
        let mut parts = parts;
        if let Some(there) = store.clock().await? {
            parts.clock.go_by(there);
        }
        let catalog = Arc::new(parts.catalog);
        let words = templates::environment(parts.beside.as_deref());
        let composer = Arc::new(Composer::new(words.clone(), catalog.clone()));
        prove_templates(&words, &catalog)?;
        let templates = Arc::new(words);
        let engine = Engine::start(store.clone(), catalog.clone(), parts.clock.clone());
        let intake = Intake::start(store.clone(), &catalog, parts.clock.clone());
        let is_fed = |it: &&Schedule| it.ical_url_env.is_some();
        let fed = catalog.schedules.iter().filter(is_fed);
        let fed: Vec<&str> = fed.map(|it| it.id.as_str()).collect();
        store.forget_calendars(&fed).await?;
        let slack = match &parts.slack {
            Some((url, token)) => {
                let slack = Slack::new(url, token, parts.clock.clone())?;
                Some(Arc::new(slack.at_pace(catalog.slack.messages_per_minute)))
            }
            None => None,
        };
        let socket = match (&parts.slack, &parts.app_token) {
            (Some((url, _)), Some(token)) => {
                Some(Arc::new(SocketMode::new(url, token, parts.clock.clone())?))
            }
            _ => None,
        };
        let link_secret = LinkSecret::new(store.key(LINKS, &random()?).await?);
        let heartbeat = match &parts.heartbeat_url {
            Some(url) => Some(
                Heartbeat::new(url.expose_secret())
                    .map_err(|why| anyhow::anyhow!("the address of the heartbeat: {why}"))?,
            ),
            None => None,
        };
        let dispatcher = Dispatcher::new(Tools {
            notifier: parts.notifier.clone(),
            public_url: parts.public_url.clone(),
            link_secret: link_secret.clone(),
            store: store.clone(),
            engine: engine.clone(),
            intake: intake.clone(),
            catalog: catalog.clone(),
            clock: parts.clock.clone(),
            slack: slack.clone(),
            composer: composer.clone(),
            templates: templates.clone(),
            owner: uuid::Uuid::now_v7().to_string(),
            calendar_urls: parts.schedule_secrets.urls.clone(),
            heartbeat,
        })?;
        let desk = Arc::new(Desk {
            catalog,
            store,
            engine,
            clock: parts.clock.clone(),
            composer,
            slack: slack.clone(),
            intake: Some(intake.clone()),
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
                gate: Gate::default(),
                intake,
                alert_gate: Gate::of(ALERTS_SMALL, ALERTS_LARGE),
                lookups: Semaphore::new(LOOKUPS),
                sns: parts.sns,
                alert_secrets: parts.alert_secrets,
                schedule_secrets: parts.schedule_secrets,
                notifier: parts.notifier,
                public_url: parts.public_url,
                link_secret,
                started_at: parts.clock.now(),
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
        let mut lanes = JoinSet::new();
        for lane in self.rooms.dispatcher.lanes() {
            lanes.spawn(self.rooms.dispatcher.clone().run(lane, stop.clone()));
        }
        let attending = tokio::spawn(self.attend(stop.clone()));
        tokio::spawn(keep_house(self.rooms.clone(), stop.clone()));
        tokio::spawn(watch_alerts(self.rooms.clone(), stop.clone()));
        tokio::spawn(audit(self.rooms.clone(), stop.clone()));
        tokio::spawn(keep_time(self.rooms.clone(), stop.clone()));
        tokio::spawn(keep_overrides(self.rooms.clone(), stop.clone()));
        tokio::spawn(keep_groups(self.rooms.clone(), stop.clone()));
        tokio::spawn(keep_calendars(self.rooms.clone(), stop.clone()));
        tokio::spawn(ask_slack(self.rooms.clone(), stop.clone()));
        let serving = serve_http(listener, self.router(), stop.clone());
        let mut stopping = stop.clone();
        let store = &self.rooms.desk.store;
        tokio::select! {
            () = serving => {}
            () = async {
                let _ = stopping.wait_for(|stop| *stop).await;
                tokio::time::sleep(FAREWELL).await;
            } => warn!("Some requests did not end in time"),
            what = broken(&self.rooms.desk.engine, &self.rooms.intake, &mut lanes, &stop) => {
                // Whoever watches over the process starts it again; what was not done is in the outbox.
                error!("{what} has stopped working; the bot ends");
                store.close().await;
                anyhow::bail!("{what} has stopped working; the log says why");
            }
        }
        if tokio::time::timeout(FAREWELL, attending).await.is_err() {
            warn!("Some connections of Socket Mode did not end in time");
        }
        let ending = async { while lanes.join_next().await.is_some() {} };
        if tokio::time::timeout(FAREWELL, ending).await.is_err() {
            warn!("Some orders did not end in time; they stay in the outbox");
        }
        let replies = &self.rooms.reception.replies;
        replies.close();
        if tokio::time::timeout(FAREWELL, replies.wait())
            .await
            .is_err()
        {
            warn!("Some replies did not end in time");
        }
        store.close().await;
        info!("Stopped");
        Ok(())
    }
}

/// Takes connections until told to stop, and then ends those that are open when they have answered.
async fn serve_http(listener: TcpListener, routes: axum::Router, mut stop: watch::Receiver<bool>) {
    let mut server = Builder::new(TokioExecutor::new()).http1_only();
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME);
    let open = GracefulShutdown::new();
    loop {
        let stream = tokio::select! {
            () = async { drop(stop.wait_for(|stop| *stop).await) } => break,
            taken = listener.accept() => match taken {
                Ok((stream, _)) => stream,
                Err(cause) => {
                    // Out of file descriptors, most likely: a moment later some are free.
                    warn!("Could not take a connection: {cause}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(routes.clone());
        let connection = server.serve_connection(TokioIo::new(stream), service);
        let connection = open.watch(connection.into_owned());
        tokio::spawn(async move {
            if let Err(cause) = connection.await {
                debug!("A connection broke: {cause}");
            }
        });
    }
    drop(listener);
    open.shutdown().await;
}

/// Goes by the clock of a database that others may share: leases are promises between replicas.
async fn keep_time(rooms: Arc<Rooms>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        tokio::select! {
            _ = stop.changed() => return,
            () = tokio::time::sleep(LOOK_AT_THE_CLOCK) => {}
        }
        match rooms.desk.store.clock().await {
            Ok(Some(there)) => rooms.clock.correct(there),
            Ok(None) => return,
            Err(cause) => warn!("Could not ask the database for the time: {cause:#}"),
        }
    }
}

/// Knows the overrides that another replica has taken in, so that nobody who asks for them waits for a read.
async fn keep_overrides(rooms: Arc<Rooms>, mut stop: watch::Receiver<bool>) {
    if rooms.desk.catalog.schedules.is_empty() {
        return;
    }
    while !*stop.borrow() {
        // Whoever needs them while the database is away finds them too old and is told so himself.
        let store = &rooms.desk.store;
        if let Err(cause) = store.refresh_overrides(rooms.clock.now()).await {
            debug!("Could not look for overrides: {cause:#}");
        }
        tokio::select! {
            _ = stop.changed() => {}
            () = tokio::time::sleep(LOOK_AT_OVERRIDES) => {}
        }
    }
}

/// Keeps the user groups of schedules in step.
async fn keep_groups(rooms: Arc<Rooms>, mut stop: watch::Receiver<bool>) {
    let has_group = |it: &Schedule| it.usergroup.is_some();
    if rooms.reception.slack.is_none() || !rooms.desk.catalog.schedules.iter().any(has_group) {
        return;
    }
    while !*stop.borrow() {
        if let Err(cause) = rooms.dispatcher.keep_groups().await {
            warn!("Could not see who is on call: {cause:#}");
        }
        tokio::select! {
            _ = stop.changed() => {}
            () = tokio::time::sleep(LOOK_AT_GROUPS) => {}
        }
    }
}

/// Fetches the calendars that feed schedules.
async fn keep_calendars(rooms: Arc<Rooms>, mut stop: watch::Receiver<bool>) {
    if rooms.schedule_secrets.urls.is_empty() {
        return;
    }
    while !*stop.borrow() {
        if let Err(cause) = rooms.dispatcher.fetch_calendars().await {
            warn!("Could not keep a calendar: {cause:#}");
        }
        tokio::select! {
            _ = stop.changed() => {}
            () = tokio::time::sleep(LOOK_AT_CALENDARS) => {}
        }
    }
}

/// Waits until a part of the bot ends that must not end before it is told to, and says which.
async fn broken(
    engine: &Engine,
    intake: &Intake,
    lanes: &mut JoinSet<()>,
    stop: &watch::Receiver<bool>,
) -> &'static str {
    tokio::select! {
        () = engine.stopped() => "The writer",
        () = intake.stopped() => "The writer of alerts",
        () = async {
            // A lane that was told to stop ends by itself.
            while lanes.join_next().await.is_some_and(|_| *stop.borrow()) {}
            if *stop.borrow() {
                std::future::pending::<()>().await;
            }
        } => "A lane of the dispatcher",
    }
}

/// Misses whoever should have spoken, tells incidents of changes, and ends alerts whose senders have fallen silent.
async fn watch_alerts(rooms: Arc<Rooms>, mut stop: watch::Receiver<bool>) {
    let mut is_looked_into = false;
    while !*stop.borrow() {
        // Nobody else lets those go who were kept back by what was taken out of the configuration: so it is tried until it
        // is done.
        if !is_looked_into {
            match rooms.intake.look_into_rooms().await {
                Ok(()) => is_looked_into = true,
                Err(cause) => warn!("Could not look for alerts that are kept back: {cause:#}"),
            }
        }
        if let Err(cause) = rooms.intake.miss_the_silent().await {
            warn!("Could not look for heartbeats: {cause:#}");
        }
        if let Err(cause) = rooms.dispatcher.tell_of_changes().await {
            warn!("Could not tell incidents of changes: {cause:#}");
        }
        match rooms.intake.expire().await {
            // There may be more.
            Ok(ended) if ended > 0 => continue,
            Ok(_) => {}
            Err(cause) => warn!("Could not look for alerts that have expired: {cause:#}"),
        }
        tokio::select! {
            _ = stop.changed() => {}
            () = tokio::time::sleep(LOOK_AT_ALERTS) => {}
        }
    }
}

/// Looks over the ledger each minute. Not before the first is over: what was due while nobody was there is done by then.
async fn audit(rooms: Arc<Rooms>, mut stop: watch::Receiver<bool>) {
    let mut pause = Duration::try_from(AUDIT_EVERY).unwrap_or(LOOK_AT_THE_LEDGER);
    while !*stop.borrow() {
        tokio::select! {
            _ = stop.changed() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = LOOK_AT_THE_LEDGER;
        if let Err(cause) = rooms.dispatcher.audit().await {
            error!("Could not look over the ledger: {cause:#}");
        }
    }
}

/// Now and then forgets what nobody will ask for any more.
async fn keep_house(rooms: Arc<Rooms>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        if let Err(cause) = rooms.desk.store.forget_deliveries(rooms.clock.now()).await {
            warn!("Could not forget old deliveries: {cause:#}");
        }
        if let Err(cause) = forget_alerts(&rooms, &stop).await {
            warn!("Could not forget old alerts: {cause:#}");
        }
        tokio::select! {
            _ = stop.changed() => {}
            () = tokio::time::sleep(HOUSEKEEPING) => {}
        }
    }
}

/// Forgets what is older than the configuration says, in small steps: others write all the while.
async fn forget_alerts(rooms: &Rooms, stop: &watch::Receiver<bool>) -> anyhow::Result<()> {
    let kept = rooms.desk.catalog.alerts.retention;
    let before = rooms.clock.now().checked_sub(kept)?;
    let store = &rooms.desk.store;
    while !*stop.borrow() && store.forget_alerts(before, FORGOTTEN_AT_ONCE).await? > 0 {
        tokio::time::sleep(FORGET_AGAIN).await;
    }
    let limit = rooms.desk.catalog.alerts.cut_off;
    let mut beyond = Some((i64::MIN, String::new()));
    while let Some(place) = beyond.take_if(|_| !*stop.borrow()) {
        let is_at_rest = |group: &Group| group.is_at_rest(limit, rooms.clock.now());
        let forgetting = store.forget_groups(before, &place, FORGOTTEN_AT_ONCE, is_at_rest);
        (_, beyond) = forgetting.await?;
        tokio::time::sleep(FORGET_AGAIN).await;
    }
    store.forget_changes(before).await?;
    Ok(())
}

/// Asks Slack who we are, until it says so (requests of other workspaces are known by it); then whether incidents can be
/// announced, for as long as they cannot.
async fn ask_slack(rooms: Arc<Rooms>, mut stop: watch::Receiver<bool>) {
    let Some(slack) = &rooms.reception.slack else {
        return;
    };
    while !*stop.borrow() {
        let again = match slack.identity(rooms.clock.now()).await {
            Ok(identity) => {
                info!(
                    "This is the Slack user {} of the workspace {}",
                    identity.user_id, identity.team_id
                );
                rooms.dispatcher.note_trouble(None);
                break;
            }
            Err(failure) => not_now(&rooms, failure, "Slack does not say who we are"),
        };
        tokio::select! {
            _ = stop.changed() => {}
            () = tokio::time::sleep(again) => {}
        }
    }
    let announce = rooms.desk.catalog.slack.announce.clone();
    while !*stop.borrow() {
        let call = Call {
            now: rooms.clock.now(),
            ticket: ANNOUNCE,
            tenure: None,
        };
        let again = match slack.can_announce(&announce, call).await {
            Ok(true) => {
                rooms.dispatcher.note_announce_trouble(None);
                return;
            }
            Ok(false) => {
                let why = format!(
                    "there is no public channel {announce}, so incidents are not announced. Create it, \
                     or mend announce in the section [slack] of firebell.toml"
                );
                warn!("{why}");
                rooms.dispatcher.note_announce_trouble(Some(why));
                LOOK_AGAIN
            }
            // It cannot be seen; the first announcement will tell.
            Err(Failure::GiveUp { .. }) => return,
            Err(failure) => not_now(
                &rooms,
                failure,
                "Slack does not say what channels there are",
            ),
        };
        if again >= LOOK_AGAIN {
            slack.forget(ANNOUNCE);
        }
        tokio::select! {
            _ = stop.changed() => {}
            () = tokio::time::sleep(again) => {}
        }
    }
}

/// Notes why Slack did not answer. Gives the pause before it is asked again.
fn not_now(rooms: &Rooms, failure: Failure, what: &str) -> Duration {
    match failure {
        // It was not asked.
        Failure::Later { at } => {
            let wait = Duration::try_from(at.duration_since(rooms.clock.now()));
            wait.unwrap_or(Duration::ZERO).clamp(TURN, WHO_ARE_WE_AGAIN)
        }
        Failure::Retry { why, .. } | Failure::GiveUp { why, .. } => {
            warn!("{what}: {why}");
            rooms.dispatcher.note_trouble(Some(why));
            WHO_ARE_WE_AGAIN
        }
    }
}

/// Renders every template once, with everything in it that can be and with as little as can be: one that an operator
/// broke is told at the start, not in the first incident or in its post-mortem.
pub fn prove_templates(words: &Environment<'static>, catalog: &Arc<Catalog>) -> anyhow::Result<()> {
    let broken = "a template is broken";
    Composer::new(words.clone(), catalog.clone())
        .prove()
        .context(broken)?;
    ledger::prove(words, catalog).context(broken)?;
    for (incident, record) in samples(catalog) {
        export::prove(words, catalog, &incident, &record).context(broken)?;
        letter::prove(words, catalog, &incident, &record).context(broken)?;
        ack_page::prove(words, catalog, &incident).context(broken)?;
    }
    page::prove(words, catalog).context(broken)?;
    Ok(())
}

/// What the folder `templates/` beside the configuration holds that takes the place of nothing, in words: a name that
/// is written wrong changes nothing and says nothing.
pub fn stray_templates(beside: Option<&Path>) -> Vec<String> {
    let Some(beside) = beside else {
        return Vec::new();
    };
    let told = |stray: String| {
        let file = stray.rsplit('/').next().unwrap_or(&stray);
        let elsewhere = templates::names().find(|name| name.rsplit('/').next() == Some(file));
        let help = match elsewhere.or_else(|| nearest(&stray, templates::names())) {
            Some(near) => format!("did you mean templates/{near}?"),
            None => format!(
                "the names are: {}",
                templates::names().collect::<Vec<_>>().join(", ")
            ),
        };
        let folder = beside.join("templates");
        format!(
            "{} takes the place of no message: {help}",
            folder.join(stray).display()
        )
    };
    templates::strays(beside).into_iter().map(told).collect()
}

/// The folder in which a configuration file lies.
pub fn beside(config: &Path) -> Option<std::path::PathBuf> {
    match config.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Some(".".into()),
        Some(folder) => Some(folder.to_owned()),
        None => None,
    }
}
