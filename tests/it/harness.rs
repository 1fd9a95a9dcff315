//! A bot in a house: the wiring of `serve`, a Slack workspace in process, SQLite in a temporary folder, and a clock
//! that stands still until it is moved.

use std::sync::Arc;

use axum::http::Request;
use bytes::Bytes;
use firebell::app::{App, Parts};
use firebell::clock::Clock;
use firebell::config::{ScheduleSecrets, schedule_secrets};
use firebell::domain::catalog::Catalog;
use firebell::domain::effect::Lane;
use firebell::domain::incident::{Incident, fold};
use firebell::domain::terms::IncidentId;
use firebell::notify::Notifier;
use firebell::simulator::{ChannelView, Options, Person, RequestUrls, Workspace, signature};
use firebell::store::Store;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// The day of every house test, in the afternoon.
pub const START: &str = "2025-09-14T14:30:00Z";

/// The longest wait for Slack's pace that `settle` sits out by moving the clock.
const PACE: SignedDuration = SignedDuration::from_secs(90);

/// A bot with its house.
pub struct TestBot {
    pub app: App,
    pub slack: Workspace,
    pub clock: Clock,
    pub store: Store,
    /// Where the bot's server listens: `http://127.0.0.1:40123`.
    pub url: String,
    /// What the bot was configured with, for a restart.
    catalog: Catalog,
    pub database_url: String,
    _folder: TempDir,
    /// Ends Socket Mode, if Slack's requests come by it.
    pub stop: Option<watch::Sender<bool>>,
}

impl TestBot {
    /// Asks Slack who the bot is, as a bot does that serves.
    pub async fn knows_itself(&self) {
        let slack = self.app.desk().slack.as_ref().unwrap();
        slack.identity(self.clock.now()).await.unwrap();
    }

    /// A bot with the configuration that an empty file gives.
    pub async fn start() -> Self {
        Self::with(Catalog::default(), false).await
    }

    /// The same, but Slack's requests come by Socket Mode and not over HTTP.
    pub async fn by_socket_mode() -> Self {
        Self::with(Catalog::default(), true).await
    }

    /// A bot with a configuration as it would stand in `firebell.toml`.
    pub async fn configured(toml: &str) -> Self {
        let (catalog, _) = firebell::config::parse(toml, "firebell.toml")
            .unwrap_or_else(|faults| panic!("{faults}"));
        Self::with(catalog, false).await
    }

    /// The same, and the auditor says at this address that all is well.
    pub async fn watched(catalog: Catalog, heartbeat_url: &str) -> Self {
        let mut bot = Self::with(catalog, false).await;
        let parts = Parts {
            heartbeat_url: Some(heartbeat_url.into()),
            ..parts(
                &bot.database_url,
                bot.catalog.clone(),
                &bot.slack,
                &bot.clock,
            )
        };
        bot.app = App::build(parts).await.unwrap();
        bot.url = connect(&bot.app, &bot.slack).await;
        bot.store = bot.app.desk().store.clone();
        bot
    }

    async fn with(catalog: Catalog, socket_mode: bool) -> Self {
        let clock = Clock::by_hand(START.parse().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("firebell.db").display());
        let slack = workspace(&clock).await;
        let announce = catalog.slack.announce.trim_start_matches('#').to_owned();
        slack.add_channel(&announce, false, &["ana", "bo", "cy"]);
        let (app, address, stop) = move_in(&url, &catalog, &slack, &clock, socket_mode).await;
        let store = app.desk().store.clone();
        Self {
            app,
            slack,
            clock,
            store,
            url: address,
            catalog,
            database_url: url,
            _folder: folder,
            stop,
        }
    }

    /// The same, where people are reached by other ways than Slack too: with these variables, and under this address.
    pub async fn reachable(toml: &str, vars: &[(&str, &str)], public_url: &str) -> Self {
        let mut bot = Self::configured(toml).await;
        let var = |name: &str| {
            let found = vars.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let (notifier, missing) = Notifier::new(&bot.catalog, Some(public_url), var);
        assert_eq!(missing, [""; 0]);
        let parts = Parts {
            notifier,
            public_url: Some(public_url.to_owned()),
            ..parts(
                &bot.database_url,
                bot.catalog.clone(),
                &bot.slack,
                &bot.clock,
            )
        };
        bot.app = App::build(parts).await.unwrap();
        bot.url = connect(&bot.app, &bot.slack).await;
        bot.store = bot.app.desk().store.clone();
        bot
    }

    /// The bot that is started next has this configuration.
    pub fn reconfigured(&mut self, toml: &str) {
        (self.catalog, _) = firebell::config::parse(toml, "firebell.toml")
            .unwrap_or_else(|faults| panic!("{faults}"));
    }

    /// The same house with a bot that was just started: it remembers what is in its database and nothing else.
    pub async fn restarted(mut self) -> Self {
        let socket_mode = self.stop.is_some();
        if let Some(stop) = self.stop.take() {
            stop.send(true).unwrap();
            self.slack.sockets_become(0).await;
        }
        (self.app, self.url, self.stop) = move_in(
            &self.database_url,
            &self.catalog,
            &self.slack,
            &self.clock,
            socket_mode,
        )
        .await;
        self.store = self.app.desk().store.clone();
        self
    }

    /// Sends a body as Slack would, signed now. Gives the status and the answer's text.
    pub async fn sends(&self, path: &str, body: &str) -> (u16, String) {
        let timestamp = self.clock.now().as_second();
        send(&self.url, path, &signed(timestamp, body), body).await
    }

    /// Lets time go by until nothing is left to be done; looks four times a second. For a Slack that fails: to wait
    /// for each order by itself would take for ever when one of them blocks the others.
    pub async fn comes_through(&self) {
        /// Longer than any trouble of these tests with the longest pause after it.
        const PATIENCE: SignedDuration = SignedDuration::from_mins(10);
        let until = self.clock.now() + PATIENCE;
        loop {
            self.app.settle().await.unwrap();
            self.slack.settle().await;
            self.app.settle().await.unwrap();
            if self.next_talk().await.is_none() {
                return;
            }
            assert!(
                self.clock.now() < until,
                "after {PATIENCE:#} something is still waiting: {:?}",
                self.store.waiting(self.clock.now()).await.unwrap()
            );
            self.clock.advance(SignedDuration::from_millis(250));
        }
    }

    /// Lets time go by in steps, whatever becomes of it.
    pub async fn goes_on_for(&self, time: SignedDuration, step: SignedDuration) {
        let until = self.clock.now() + time;
        while self.clock.now() < until {
            self.app.settle().await.unwrap();
            self.clock.advance(step);
        }
        self.app.settle().await.unwrap();
    }

    /// Somebody in the workspace: ana, bo or cy.
    pub fn user(&self, name: &str) -> Person {
        self.slack.user(name)
    }

    /// Types a line and lets everything that follows happen.
    pub async fn types(&self, who: &str, channel: &str, line: &str) -> String {
        let answer = self.user(who).types(channel, line).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        self.settle().await;
        answer.text()
    }

    /// Clicks a button and lets everything that follows happen.
    pub async fn clicks(&self, who: &str, channel: &str, ts: &str, label: &str) {
        let answer = self.user(who).clicks(channel, ts, label).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (200, ""),
            "{answer:?}"
        );
        self.settle().await;
    }

    /// Does everything that is due, waiting out Slack's pace by moving the clock.
    pub async fn settle(&self) {
        let until = self.clock.now() + PACE;
        loop {
            self.app.settle().await.unwrap();
            self.slack.settle().await;
            self.app.settle().await.unwrap();
            match self.next_talk().await {
                Some(at) if at <= until => {
                    let wait = at
                        .duration_since(self.clock.now())
                        .max(SignedDuration::from_millis(1));
                    self.clock.advance(wait);
                }
                Some(_) | None => return,
            }
        }
    }

    /// When the next thing is to be said, by whatever way; clocks and rooms of alerts are not talk.
    async fn next_talk(&self) -> Option<Timestamp> {
        let mut next: Option<Timestamp> = None;
        for lane in Lane::ALL {
            if !matches!(lane, Lane::Clocks | Lane::Alerts)
                && let Some(at) = self.store.next_due(lane).await.unwrap()
            {
                next = Some(next.map_or(at, |next| next.min(at)));
            }
        }
        next
    }

    /// Moves the clock, stopping wherever something is due.
    pub async fn advance(&self, by: SignedDuration) {
        let until = self.clock.now() + by;
        loop {
            self.app.settle().await.unwrap();
            let mut next: Option<Timestamp> = None;
            for lane in Lane::ALL {
                if let Some(at) = self.store.next_due(lane).await.unwrap() {
                    next = Some(next.map_or(at, |next| next.min(at)));
                }
            }
            match next {
                Some(at) if at <= until => {
                    let wait = at
                        .duration_since(self.clock.now())
                        .max(SignedDuration::from_millis(1));
                    self.clock.advance(wait);
                }
                Some(_) | None => break,
            }
        }
        let rest = until.duration_since(self.clock.now());
        if rest > SignedDuration::ZERO {
            self.clock.advance(rest);
        }
        self.settle().await;
    }

    /// A channel that must be there.
    pub fn channel(&self, name: &str) -> ChannelView {
        self.slack.channel(name).unwrap_or_else(|| {
            let there: Vec<_> = self
                .slack
                .channels()
                .into_iter()
                .map(|channel| channel.name)
                .collect();
            panic!("there is no #{name}, only {there:?}")
        })
    }

    /// The `ts` of the pinned card of a war room.
    pub fn card(&self, channel: &str) -> String {
        let channel = self.channel(channel);
        let pinned = channel
            .pinned()
            .map(|message| message.ts.clone())
            .collect::<Vec<_>>();
        assert_eq!(pinned.len(), 1, "one card is pinned");
        pinned[0].clone()
    }

    /// What the bot has said in a channel and nobody has looked at yet, as it reads.
    pub fn reads(&self, channel: &str) -> String {
        let unread: Vec<String> = self
            .slack
            .read(channel)
            .iter()
            .map(|message| without_hash(&message.plain_text()))
            .collect();
        unread.join("\n---\n")
    }

    /// The incident, which must be there.
    pub async fn incident(&self, id: &str) -> Arc<Incident> {
        self.store
            .incident(&IncidentId::new(id))
            .await
            .unwrap()
            .unwrap_or_else(|| panic!("there is no {id}"))
    }

    /// Nothing that the bot said went unnoticed, nothing is left undone, and every state is what its events add up
    /// to, in a record that holds.
    pub async fn finish(self) {
        let unread = self.slack.unread();
        assert!(unread.is_empty(), "nobody looked at: {unread:#?}");
        assert!(
            self.slack.failed_deliveries().is_empty(),
            "{:#?}",
            self.slack.failed_deliveries()
        );
        assert_eq!(self.slack.socket_faults(), Vec::<String>::new());
        self.finish_unread().await;
    }

    /// The same for a test that is not about what was said.
    pub async fn finish_unread(self) {
        let waiting = self.store.waiting(self.clock.now()).await.unwrap();
        assert_eq!((waiting.due, waiting.buried), (0, 0), "the outbox is empty");
        for id in self.store.all_ids().await.unwrap() {
            assert_eq!(self.store.audit(&id).await.unwrap(), Vec::<String>::new());
            let mut state = None;
            let mut last = 0;
            loop {
                let page = self.store.events_after(&id, last).await.unwrap();
                let Some(row) = page.last() else { break };
                last = row.seq;
                for row in &page {
                    state = fold(state, &row.recorded().unwrap());
                }
            }
            assert_eq!(
                state.as_ref(),
                Some(&*self.incident(id.as_str()).await),
                "{id} equals the fold of its events"
            );
        }
    }
}

/// A workspace with ana, bo and cy in #general, whose clock is the bot's.
pub async fn workspace(clock: &Clock) -> Workspace {
    let clock = clock.clone();
    let slack = Workspace::start(Options {
        now: Arc::new(move || clock.now().as_millisecond()),
        enforce_rate_limits: true,
        ..Options::default()
    })
    .await
    .unwrap();
    for name in ["ana", "bo", "cy"] {
        slack.add_user(name);
    }
    slack.add_channel("general", false, &["ana", "bo", "cy"]);
    slack
}

/// A bot that listens, and is known to the workspace.
async fn move_in(
    url: &str,
    catalog: &Catalog,
    slack: &Workspace,
    clock: &Clock,
    socket_mode: bool,
) -> (App, String, Option<watch::Sender<bool>>) {
    let mut parts = parts(url, catalog.clone(), slack, clock);
    if !socket_mode {
        let app = App::build(parts).await.unwrap();
        let address = connect(&app, slack).await;
        return (app, address, None);
    }
    parts.signing_secret = None;
    parts.app_token = Some(Options::default().app_token.into());
    let app = App::build(parts).await.unwrap();
    slack.connect_socket_mode();
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(app.attend(stopped));
    slack.sockets_become(2).await;
    let address = serve(&app).await;
    (app, address, Some(stop))
}

/// The wiring of `serve`, with the workspace for Slack.
pub async fn build(url: &str, catalog: Catalog, slack: &Workspace, clock: &Clock) -> App {
    App::build(parts(url, catalog, slack, clock)).await.unwrap()
}

/// What a bot is made of here.
pub fn parts(url: &str, catalog: Catalog, slack: &Workspace, clock: &Clock) -> Parts {
    let options = Options::default();
    Parts {
        sns: Default::default(),
        alert_secrets: Default::default(),
        schedule_secrets: secrets(&catalog),
        notifier: Notifier::new(&catalog, None, |_| None).0,
        public_url: None,
        catalog,
        beside: None,
        database_url: url.into(),
        slack: Some((slack.api_url(), options.bot_token.into())),
        app_token: None,
        signing_secret: Some(options.signing_secret.into()),
        api_token: Some("open sesame".into()),
        heartbeat_url: None,
        clock: clock.clone(),
        metrics: None,
    }
}

/// What schedules keep secret here: “the secret of” the variable, unless that is called unset, or `PORT_8080`: then it is
/// an address of this machine.
fn secrets(catalog: &Catalog) -> ScheduleSecrets {
    let value = |name: &str| match name.strip_prefix("PORT_") {
        Some(port) => Some(format!("http://127.0.0.1:{port}/rota.ics?key=geheim")),
        None => (!name.ends_with("_UNSET")).then(|| format!("the secret of {name}")),
    };
    schedule_secrets(catalog, value).0
}

/// Serves the bot's routes on a free port and tells the workspace where. Gives the address.
pub async fn connect(app: &App, slack: &Workspace) -> String {
    let address = serve(app).await;
    slack
        .connect(RequestUrls::under(&format!("{address}/slack")))
        .await
        .unwrap();
    address
}

/// Serves the bot's routes on a free port. Gives the address.
async fn serve(app: &App) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = app.router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// The headers of a request of Slack's.
pub fn signed(timestamp_s: i64, body: &str) -> Vec<(&'static str, String)> {
    let secret = Options::default().signing_secret;
    let kind = match body.starts_with('{') {
        true => "application/json",
        false => "application/x-www-form-urlencoded",
    };
    vec![
        ("content-type", kind.to_owned()),
        ("x-slack-request-timestamp", timestamp_s.to_string()),
        (
            "x-slack-signature",
            signature(&secret, timestamp_s, body.as_bytes()),
        ),
    ]
}

/// Posts a body. Gives the status and the answer's text.
pub async fn send(
    url: &str,
    path: &str,
    headers: &[(&'static str, String)],
    body: &str,
) -> (u16, String) {
    let mut request = Request::post(format!("{url}{path}"));
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    exchange(request.body(Full::from(body.to_owned())).unwrap()).await
}

/// Asks for a page, with a bearer token or without.
pub async fn get(url: &str, path: &str, token: Option<&str>) -> (u16, String) {
    let mut request = Request::get(format!("{url}{path}"));
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    exchange(request.body(Full::default()).unwrap()).await
}

/// Sends a request. Gives the status and the answer's text.
pub async fn exchange(request: Request<Full<Bytes>>) -> (u16, String) {
    try_exchange(request).await.expect("an answer")
}

/// The same; none if there is no answer.
pub async fn try_exchange(request: Request<Full<Bytes>>) -> Option<(u16, String)> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let response = client.request(request).await.ok()?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.ok()?.to_bytes();
    Some((status, String::from_utf8_lossy(&body).into_owned()))
}

/// A message without the hash of its anchor, which changes with the order in which Slack's answers came in.
fn without_hash(text: &str) -> String {
    let lines = text.lines().map(|line| match line.rsplit_once(':') {
        Some((anchor, _)) if line.starts_with("_Record: ") => format!("{anchor}:…`_"),
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Minutes.
pub fn minutes(n: i64) -> SignedDuration {
    SignedDuration::from_mins(n)
}
