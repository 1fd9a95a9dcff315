//! Socket Mode: Slack's requests over connections that we open, so that no address of ours need be public
//! (slack-contract.md section 5).
//!
//! Own code on top of a web socket, although slack-morphism has a Socket Mode of its own: that one takes the envelopes
//! of a connection one after another, acknowledges each only when it is done, and closes the old connection before the
//! new one is there.
//!
//! | file | what is there |
//! |---|---|
//! | here | several connections are kept up: opened, replaced before they close, opened again with growing pauses |
//! | `line` | one connection: envelopes read, each acknowledged on it, silence noticed |
//!
//! Neither the token nor the address of a connection, which carries a ticket, is ever logged.

mod line;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use slack_morphism::errors::SlackClientError;
use slack_morphism::prelude::{
    SlackApiToken, SlackApiTokenValue, SlackClient, SlackClientHyperHttpsConnector,
};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use tracing::{error, info, warn};

pub use line::{Ack, Envelope, Kind};

use super::client::{Failure, connection, failure};
use super::methods;
use crate::clock::Clock;

/// Connections that are kept up: while one is being replaced the other one answers. Slack allows ten for one app, and
/// two replicas shall fit in, each with a connection on its way out.
const CONNECTIONS: usize = 2;
/// The longest that opening may take, for each of its three steps.
const OPENING: Duration = Duration::from_secs(10);
/// The largest message that is read, as for requests over HTTP.
const MESSAGE_LIMIT: usize = 1_000_000;
/// A connection that lasted so long was a good one: the pauses begin anew.
const SETTLED: Duration = Duration::from_secs(10);
/// The least pause when an operator must mend something first.
const UNTIL_MENDED: Duration = Duration::from_secs(60);
/// The least pause when Slack has too many connections of ours, or was told to slow down and did not say how long.
const UNTIL_ROOM: Duration = Duration::from_secs(20);

/// How long things take. The default is for Slack; tests are more impatient.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// A connection over which nothing came for so long is dead. Slack pings every few seconds; its own SDK waits
    /// 30 s too.
    pub silence: Duration,
    /// How often we ping, so that also a quiet Slack has something to answer.
    pub pings: Duration,
    /// How long a connection that Slack wants replaced is kept open for what still comes over it.
    pub grace: Duration,
    /// How long a stop waits for what is under way.
    pub farewell: Duration,
    /// The first pause after a failure; doubled each time.
    pub pause: Duration,
    /// The longest pause.
    pub pause_at_most: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(30),
            pings: Duration::from_secs(10),
            grace: Duration::from_secs(60),
            farewell: Duration::from_secs(8),
            pause: Duration::from_secs(1),
            pause_at_most: Duration::from_secs(30),
        }
    }
}

/// How the connections stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// How many are up.
    pub up: usize,
    /// How many there should be.
    pub wanted: usize,
    /// For how long none has been up.
    pub down_for: SignedDuration,
    /// What was wrong last, until a connection is up again.
    pub trouble: Option<String>,
}

/// Socket Mode, with an app's token.
pub struct SocketMode {
    client: SlackClient<SlackClientHyperHttpsConnector>,
    token: SlackApiToken,
    /// The API is not behind TLS, so its connections need not be: a simulator.
    plain: bool,
    clock: Clock,
    pace: Pace,
    standing: Mutex<Standing>,
}

impl std::fmt::Debug for SocketMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SocketMode").finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Standing {
    up: usize,
    down_since: Timestamp,
    trouble: Option<String>,
}

/// Why there is no connection, and the least pause before the next try.
#[derive(Debug)]
struct Trouble {
    why: String,
    at_least: Duration,
    /// An operator must do something.
    grave: bool,
}

impl Trouble {
    fn passing(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            at_least: Duration::ZERO,
            grave: false,
        }
    }
}

/// What a connection tells whoever keeps it.
enum News {
    /// Slack wants it replaced, for this reason.
    Leave(String),
    /// It is over.
    Ended(line::Ended),
}

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

impl SocketMode {
    /// For the API at this address, with the app's token (`xapp-…`).
    pub fn new(api_url: &str, app_token: &SecretString, clock: Clock) -> anyhow::Result<Self> {
        let standing = Standing {
            up: 0,
            down_since: clock.now(),
            trouble: None,
        };
        Ok(Self {
            client: connection(api_url)?,
            token: SlackApiToken::new(SlackApiTokenValue(app_token.expose_secret().to_owned())),
            plain: api_url.starts_with("http://"),
            clock,
            pace: Pace::default(),
            standing: Mutex::new(standing),
        })
    }

    /// The same at another pace.
    pub fn at_pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// How the connections stand now.
    pub fn health(&self) -> Health {
        let now = self.clock.now();
        let standing = self.standing();
        let down_for = match standing.up {
            0 => now.duration_since(standing.down_since),
            _ => SignedDuration::ZERO,
        };
        Health {
            up: standing.up,
            wanted: CONNECTIONS,
            down_for,
            trouble: standing.trouble.clone(),
        }
    }

    /// Keeps the connections up and has each envelope answered, until `stop` turns true; then finishes what is under
    /// way and closes them.
    pub async fn run<A, F>(self: Arc<Self>, answer: A, stop: watch::Receiver<bool>)
    where
        A: Fn(Envelope) -> F + Clone + Send + 'static,
        F: Future<Output = Ack> + Send + 'static,
    {
        let mut keepers = JoinSet::new();
        for _ in 0..CONNECTIONS {
            keepers.spawn(self.clone().keep(answer.clone(), stop.clone()));
        }
        keepers.join_all().await;
    }

    /// Keeps one connection up. The next one is opened before the one that it replaces closes.
    async fn keep<A, F>(self: Arc<Self>, answer: A, mut stop: watch::Receiver<bool>)
    where
        A: Fn(Envelope) -> F + Clone + Send + 'static,
        F: Future<Output = Ack> + Send + 'static,
    {
        let mut failures: u32 = 0;
        // The present connection, and those that are on their way out.
        let mut lines = JoinSet::new();
        while !*stop.borrow() {
            while lines.try_join_next().is_some() {}
            let opened = tokio::select! {
                opened = self.open() => opened,
                () = line::told(&mut stop) => break,
            };
            let pause = match opened {
                Ok(stream) => {
                    let since = Instant::now();
                    let (tell, mut news) = mpsc::unbounded_channel();
                    lines.spawn(
                        self.clone()
                            .serve(stream, answer.clone(), tell, stop.clone()),
                    );
                    let told = tokio::select! {
                        told = news.recv() => told,
                        () = line::told(&mut stop) => break,
                    };
                    // A first replacement comes at once; only connections that do not last are waited for.
                    failures = match since.elapsed() < SETTLED {
                        true => failures + 1,
                        false => 0,
                    };
                    let pause = self.pause(failures.saturating_sub(1));
                    match told {
                        Some(News::Leave(reason)) => match refused(&reason) {
                            Some(trouble) => self.note(trouble).max(pause),
                            None => {
                                info!("Slack wants a connection replaced ({reason})");
                                pause
                            }
                        },
                        Some(News::Ended(ended)) => {
                            info!("A connection to Slack has ended: {ended}");
                            pause
                        }
                        None => pause,
                    }
                }
                Err(trouble) => {
                    failures += 1;
                    self.note(trouble).max(self.pause(failures))
                }
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = line::told(&mut stop) => {}
            }
        }
        while lines.join_next().await.is_some() {}
    }

    /// Serves one connection to its end.
    async fn serve<A, F>(
        self: Arc<Self>,
        stream: Stream,
        answer: A,
        tell: mpsc::UnboundedSender<News>,
        stop: watch::Receiver<bool>,
    ) where
        A: Fn(Envelope) -> F + Clone + Send + 'static,
        F: Future<Output = Ack> + Send + 'static,
    {
        let up = Up::new(self.clone());
        let leave = |reason: String| {
            let _ = tell.send(News::Leave(reason));
        };
        let ended = line::serve(stream, self.pace, answer, leave, stop).await;
        metrics::counter!("firebell_slack_socket_ends", "why" => ended.word()).increment(1);
        drop(up);
        // Whoever keeps it may have gone on to the next one.
        let _ = tell.send(News::Ended(ended));
    }

    /// Opens one connection, as far as Slack's `hello`.
    async fn open(&self) -> Result<Stream, Trouble> {
        let address = self.address().await?;
        if !(self.plain || address.starts_with("wss://")) {
            return Err(Trouble::passing(
                "Slack names an address that is not behind TLS",
            ));
        }
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_LIMIT))
            .max_frame_size(Some(MESSAGE_LIMIT));
        let connecting = connect_async_with_config(address, Some(config), true);
        let (mut stream, _) = timeout(OPENING, connecting)
            .await
            .map_err(|_| Trouble::passing("the connection was not made in time"))?
            .map_err(|error| Trouble::passing(line::words(&error)))?;
        match timeout(OPENING, line::hello(&mut stream)).await {
            Ok(Ok(None)) => Ok(stream),
            Ok(Ok(Some(reason))) => Err(refused(&reason)
                .unwrap_or_else(|| Trouble::passing(format!("Slack turns it away ({reason})")))),
            Ok(Err(ended)) => Err(Trouble::passing(format!("before Slack's hello: {ended}"))),
            Err(_) => Err(Trouble::passing("Slack did not say hello in time")),
        }
    }

    /// Asks Slack for the address of a connection. It opens one, soon.
    async fn address(&self) -> Result<String, Trouble> {
        let session = self.client.open_session(&self.token);
        let method = methods::APPS_CONNECTIONS_OPEN.name;
        let nothing = json!({});
        let asked = session
            .http_session_api
            .http_post::<_, Value>(method, &nothing, None);
        let answer = match timeout(OPENING, asked).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(SlackClientError::ApiError(error))) => return Err(no_address(&error.code)),
            Ok(Err(error)) => {
                let (why, after) = match failure(&error, method) {
                    Failure::Retry { why, after } => (why, after),
                    Failure::GiveUp { why, .. } => (why, None),
                    Failure::Later { .. } => (method.to_owned(), None),
                };
                return Err(Trouble {
                    at_least: after.unwrap_or_default(),
                    ..Trouble::passing(why)
                });
            }
            Err(_) => return Err(Trouble::passing(format!("{method}: no answer in time"))),
        };
        let url = answer["url"].as_str();
        url.map(str::to_owned)
            .ok_or_else(|| Trouble::passing(format!("{method}: the answer names no address")))
    }

    /// Whether Slack would give us a connection; why not, and what would mend it. None is opened: the address that Slack
    /// names is let go.
    pub async fn would_open(&self) -> Result<(), String> {
        self.address()
            .await
            .map(drop)
            .map_err(|trouble| trouble.why)
    }

    /// The pause after so many failures: doubled each time, and spread, so that not all come back at the same moment.
    fn pause(&self, failures: u32) -> Duration {
        let Some(doublings) = failures.checked_sub(1) else {
            return Duration::ZERO;
        };
        let pause = self.pace.pause * 2_u32.pow(doublings.min(10));
        let chance = (uuid::Uuid::now_v7().as_u128() & 0xffff) as f64 / f64::from(0xffff);
        pause
            .min(self.pace.pause_at_most)
            .mul_f64(0.5 + chance / 2.0)
    }

    /// Writes a trouble down, and to the log if it is a new one. Gives the least pause.
    fn note(&self, trouble: Trouble) -> Duration {
        let Trouble {
            why,
            at_least,
            grave,
        } = trouble;
        let mut standing = self.standing();
        if standing.trouble.as_ref() != Some(&why) {
            match grave {
                true => error!("No connection to Slack: {why}"),
                false => warn!("No connection to Slack: {why}"),
            }
            standing.trouble = Some(why);
        }
        at_least
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that is up, for as long as this is kept.
struct Up(Arc<SocketMode>);

impl Up {
    fn new(mode: Arc<SocketMode>) -> Self {
        let mut standing = mode.standing();
        standing.up += 1;
        standing.trouble = None;
        metrics::gauge!("firebell_slack_socket_connections").set(standing.up as f64);
        info!("A connection to Slack is up; there are {}", standing.up);
        drop(standing);
        Self(mode)
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let now = self.0.clock.now();
        let mut standing = self.0.standing();
        standing.up -= 1;
        if standing.up == 0 {
            standing.down_since = now;
        }
        metrics::gauge!("firebell_slack_socket_connections").set(standing.up as f64);
    }
}

/// What it means that `apps.connections.open` says no.
fn no_address(code: &str) -> Trouble {
    let why = match code {
        "invalid_auth" | "not_authed" | "token_revoked" | "token_expired" => format!(
            "Slack does not accept SLACK_APP_TOKEN ({code}). Make a new app-level token with the scope \
             connections:write under Basic Information of your Slack app, set it, and start Firebell again"
        ),
        "not_allowed_token_type" => format!(
            "SLACK_APP_TOKEN is no app-level token ({code}). It begins with xapp- and is made under Basic Information \
             of your Slack app; set it, and start Firebell again"
        ),
        "missing_scope" | "no_permission" => format!(
            "SLACK_APP_TOKEN lacks the scope connections:write ({code}). Make a new app-level token with it under Basic \
             Information of your Slack app, set it, and start Firebell again"
        ),
        "account_inactive" | "user_removed_from_team" | "team_disabled" | "forbidden_team" => {
            format!(
                "the Slack app or its workspace is switched off ({code}). Ask whoever runs the workspace"
            )
        }
        "ratelimited" | "rate_limited" => {
            return Trouble {
                at_least: UNTIL_ROOM,
                ..Trouble::passing("Slack asks to slow down")
            };
        }
        _ => return Trouble::passing(format!("apps.connections.open: Slack says {code}")),
    };
    Trouble {
        why,
        at_least: UNTIL_MENDED,
        grave: true,
    }
}

/// What it means that Slack turns a connection away, if it is more than that it wants to have another one.
fn refused(reason: &str) -> Option<Trouble> {
    match reason {
        "link_disabled" => Some(Trouble {
            why: "Socket Mode is switched off (link_disabled). Switch it on under Socket Mode of your Slack app, or \
                  unset SLACK_APP_TOKEN and set SLACK_SIGNING_SECRET for requests over HTTP"
                .to_owned(),
            at_least: UNTIL_MENDED,
            grave: true,
        }),
        "too_many_websockets" => Some(Trouble {
            why: "Slack has ten connections of this app already (too_many_websockets). Are there other programs that \
                  use SLACK_APP_TOKEN?"
                .to_owned(),
            at_least: UNTIL_ROOM,
            grave: true,
        }),
        _ => None,
    }
}
