//! A bot in a house: the wiring of `serve`, a Slack workspace in process, SQLite in a temporary folder, and a clock
//! that stands still until it is moved.

use std::sync::Arc;

use firebell::app::{App, Parts};
use firebell::clock::Clock;
use firebell::domain::catalog::Catalog;
use firebell::domain::effect::Lane;
use firebell::domain::incident::{Incident, fold};
use firebell::domain::terms::IncidentId;
use firebell::simulator::{ChannelView, Options, Person, RequestUrls, Workspace};
use firebell::store::Store;
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;
use tokio::net::TcpListener;

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
    _folder: TempDir,
}

impl TestBot {
    /// A bot with the configuration that an empty file gives.
    pub async fn start() -> Self {
        Self::with(Catalog::default()).await
    }

    /// A bot with a configuration as it would stand in `firebell.toml`.
    pub async fn configured(toml: &str) -> Self {
        let (catalog, _) = firebell::config::parse(toml, "firebell.toml")
            .unwrap_or_else(|faults| panic!("{faults}"));
        Self::with(catalog).await
    }

    async fn with(catalog: Catalog) -> Self {
        let clock = Clock::by_hand(START.parse().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("firebell.db").display());
        let slack = workspace(&clock).await;
        let announce = catalog.slack.announce.trim_start_matches('#').to_owned();
        slack.add_channel(&announce, false, &["ana", "bo", "cy"]);
        let app = build(&url, catalog, &slack, &clock).await;
        connect(&app, &slack).await;
        let store = app.desk().store.clone();
        Self {
            app,
            slack,
            clock,
            store,
            _folder: folder,
        }
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
            match self.store.next_due(Lane::Chat).await.unwrap() {
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
            .map(|message| message.plain_text())
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

/// The wiring of `serve`, with the workspace for Slack.
pub async fn build(url: &str, catalog: Catalog, slack: &Workspace, clock: &Clock) -> App {
    let options = Options::default();
    App::build(Parts {
        catalog,
        beside: None,
        database_url: url.into(),
        slack: Some((slack.api_url(), options.bot_token.into())),
        signing_secret: Some(options.signing_secret.into()),
        api_token: Some("open sesame".into()),
        clock: clock.clone(),
        metrics: None,
    })
    .await
    .unwrap()
}

/// Serves the bot's routes on a free port and tells the workspace where.
pub async fn connect(app: &App, slack: &Workspace) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = app.router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    slack
        .connect(RequestUrls::under(&format!("http://{address}/slack")))
        .await
        .unwrap();
}

/// Minutes.
pub fn minutes(n: i64) -> SignedDuration {
    SignedDuration::from_mins(n)
}
