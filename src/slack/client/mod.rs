//! The Web API calls that we make, through slack-morphism. Says of each failure whether to try again, and when.
//!
//! slack-morphism carries the requests; what it leaves to its user stands here: a time limit on each call (it has
//! none), the pace of each method (see [`super::limiter`]), `Retry-After`, and which errors mean that a repeated call
//! had got through the first time (slack-contract.md section 6.8).
//!
//! | file | what is there |
//! |---|---|
//! | `failure` | what a refusal or a lost answer means |
//! | `channels` | war rooms |
//! | `elsewhere` | addresses that Slack tells us to post to, without the token |
//! | `examine` | what an operator must know of token, channels and people |
//! | `messages` | what is posted, edited, found again |
//! | `people` | who is who |
//! | `progress` | what an order has learned before it had to wait |
//! | `views` | modals and the home tab |

mod channels;
mod elsewhere;
pub mod examine;
mod failure;
mod messages;
mod people;
mod progress;
mod views;

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper_rustls::HttpsConnectorBuilder;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use slack_morphism::prelude::{
    SlackApiToken, SlackApiTokenValue, SlackClient, SlackClientHyperConnector,
    SlackClientHyperHttpsConnector,
};

pub use channels::{Channel, Described};
pub use failure::CALL_TIMEOUT;
pub use failure::Failure;
pub(in crate::slack) use failure::failure;
use failure::{read, within};
pub use messages::{Destination, Outgoing};
pub use people::GroupKept;
use progress::Progress;

use super::limiter::Limiter;
use super::methods::{self, Arguments, Method};
use crate::clock::Clock;
use crate::domain::terms::{ChannelId, SlackUserId};

/// Pages that are read of any list before it counts as endless.
const PAGES_AT_MOST: usize = 200;
/// The longest that a method is left alone, whatever Slack says: a garbled `Retry-After` must not silence it for ever.
const LEFT_ALONE_AT_MOST: SignedDuration = SignedDuration::from_mins(10);

/// Who we are in Slack (`auth.test`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Identity {
    /// The bot's user.
    pub user_id: SlackUserId,
    /// The bot.
    #[serde(default)]
    pub bot_id: Option<String>,
    /// The workspace.
    pub team_id: String,
}

/// Slack, as far as it is called.
pub struct Slack {
    client: SlackClient<SlackClientHyperHttpsConnector>,
    token: SlackApiToken,
    /// The host of the API: what Slack tells us to call besides must be there or at Slack's own.
    host: Option<String>,
    clock: Clock,
    limiter: Mutex<Limiter>,
    identity: tokio::sync::OnceCell<Identity>,
    progress: Mutex<Progress>,
    /// The direct conversations that were asked for.
    directs: Mutex<HashMap<SlackUserId, ChannelId>>,
}

impl std::fmt::Debug for Slack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slack").finish_non_exhaustive()
    }
}

impl Slack {
    /// A client for the API at this address (`https://slack.com/api`, or a simulator's), with the bot's token.
    pub fn new(api_url: &str, bot_token: &SecretString, clock: Clock) -> anyhow::Result<Self> {
        Ok(Self {
            client: connection(api_url)?,
            token: SlackApiToken::new(SlackApiTokenValue(bot_token.expose_secret().to_owned())),
            host: elsewhere::host_of(api_url),
            clock,
            limiter: Mutex::default(),
            identity: tokio::sync::OnceCell::new(),
            progress: Mutex::default(),
            directs: Mutex::default(),
        })
    }

    /// The same client, which posts so many messages a minute in one channel at the most.
    pub fn at_pace(self, messages_per_minute: u32) -> Self {
        Self {
            limiter: Mutex::new(Limiter::with_messages(messages_per_minute)),
            ..self
        }
    }

    /// Who we are; asked once.
    pub async fn identity(&self, now: Timestamp) -> Result<&Identity, Failure> {
        self.identity
            .get_or_try_init(|| async {
                let call = Call {
                    now,
                    ticket: "identity",
                    tenure: None,
                };
                read(self.call(&methods::AUTH_TEST, json!({}), call).await?)
            })
            .await
    }

    /// Who we are, if that was asked before.
    pub fn known_identity(&self) -> Option<&Identity> {
        self.identity.get()
    }

    /// Whether Slack takes calls at all.
    pub async fn answers(&self, call: Call<'_>) -> bool {
        self.call(&methods::AUTH_TEST, json!({}), call)
            .await
            .is_ok()
    }

    /// Forgets what an order has learned: it has ended.
    pub fn forget(&self, keeper: &str) {
        self.progress().forget(keeper);
    }

    /// Reads a list to its end, or until `enough` was found, and gives the items that `pick` keeps. Items are read one
    /// by one: one in a shape that we do not know hides no other. Whoever has to wait for a turn finds the pages that
    /// `keeper` has read before.
    pub(super) async fn list(
        &self,
        list: List<'_>,
        call: Call<'_>,
        pick: impl Fn(&Value) -> Option<Value>,
        enough: impl Fn(&[Value]) -> bool,
    ) -> Result<Vec<Value>, Failure> {
        let List {
            keeper,
            method,
            mut params,
            items,
        } = list;
        let question = format!("{} {params}", method.name);
        let mut listed = self.progress().list(keeper, &question, self.clock.now());
        while !listed.is_complete && !enough(&listed.found) && listed.pages < PAGES_AT_MOST {
            if let Some(cursor) = &listed.cursor {
                params["cursor"] = json!(cursor);
            }
            let ticket = format!("{}/{}", call.ticket, listed.pages);
            let page = Call {
                ticket: &ticket,
                ..call
            };
            let answer = match self.call(method, params.clone(), page).await {
                Ok(answer) => answer,
                Err(failure) => {
                    // A cursor of long ago.
                    if matches!(failure, Failure::GiveUp { .. }) {
                        self.progress().drop_list(keeper, &question);
                    }
                    return Err(match failure.is("invalid_cursor") && listed.pages > 0 {
                        true => Failure::Retry {
                            after: None,
                            why: format!("{}: the cursor is too old", method.name),
                        },
                        false => failure,
                    });
                }
            };
            let page = answer[items].as_array().into_iter().flatten();
            listed.found.extend(page.filter_map(&pick));
            listed.pages += 1;
            let cursor = answer["response_metadata"]["next_cursor"].as_str();
            listed.cursor = cursor
                .filter(|cursor| !cursor.is_empty())
                .map(str::to_owned);
            listed.is_complete = listed.cursor.is_none();
            let now = self.clock.now();
            self.progress()
                .keep_list(keeper, &question, listed.clone(), now);
        }
        Ok(listed.found)
    }

    /// A call of which an order needs the answer once: asked again by the same order, the same is answered.
    pub(super) async fn once(
        &self,
        method: &'static Method,
        params: Value,
        call: Call<'_>,
    ) -> Result<Value, Failure> {
        let question = format!("{} {params}", method.name);
        let keeper = call.keeper();
        if let Some(answer) = self.progress().answer(keeper, &question, self.clock.now()) {
            return answer;
        }
        let answer = self.call(method, params, call).await;
        if matches!(answer, Ok(_) | Err(Failure::GiveUp { .. })) {
            let now = self.clock.now();
            self.progress().keep(keeper, question, answer.clone(), now);
        }
        answer
    }

    pub(super) async fn call(
        &self,
        method: &'static Method,
        params: Value,
        call: Call<'_>,
    ) -> Result<Value, Failure> {
        let channel = params["channel"].as_str();
        let patience = call.tenure.map_or(CALL_TIMEOUT, |tenure| tenure.patience);
        // Not begun if the order might be somebody else's before the call ends.
        if let Some(tenure) = call.tenure
            && !tenure.lasts_until(self.clock.now() + patience)
        {
            return Err(Failure::Later {
                at: self.clock.now(),
            });
        }
        {
            let mut limiter = self.limiter();
            limiter
                .take(method, channel, call.ticket, self.clock.now())
                .map_err(|at| Failure::Later { at })?;
        }
        let session = self.client.open_session(&self.token);
        let api = &session.http_session_api;
        let answer = match method.arguments {
            Arguments::Json => {
                within(
                    patience,
                    api.http_post::<_, Value>(method.name, &params, None),
                    method.name,
                )
                .await
            }
            Arguments::Query => {
                let query = query(&params);
                let query: Vec<(&str, Option<&String>)> = query
                    .iter()
                    .map(|(name, value)| (name.as_str(), Some(value)))
                    .collect();
                within(
                    patience,
                    api.http_get::<Value, _, _>(method.name, &query, None),
                    method.name,
                )
                .await
            }
        };
        if let Err(Failure::Retry {
            after: Some(after), ..
        }) = &answer
        {
            // From now on, not from when the order began: it may have waited for this answer.
            self.limiter()
                .block(method, self.clock.now() + left_alone(*after));
        }
        answer
    }

    /// When the turn of a war room comes that is to be opened, if it has to wait: so nobody looks further into that
    /// before. `ticket` is that of the call.
    pub fn opening_waits(&self, ticket: &str) -> Option<Timestamp> {
        let now = self.clock.now();
        let method = &methods::CONVERSATIONS_CREATE;
        self.limiter().waits(method, None, ticket, now)
    }

    /// The same of a message to a channel.
    pub fn posting_waits(&self, channel: &str, ticket: &str) -> Option<Timestamp> {
        let now = self.clock.now();
        let method = &methods::CHAT_POST_MESSAGE;
        self.limiter().waits(method, Some(channel), ticket, now)
    }

    pub(super) fn limiter(&self) -> MutexGuard<'_, Limiter> {
        self.limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long Slack is left alone when it asks for that.
pub fn left_alone(after: std::time::Duration) -> SignedDuration {
    SignedDuration::try_from(after)
        .unwrap_or(LEFT_ALONE_AT_MOST)
        .min(LEFT_ALONE_AT_MOST)
}

/// A list that is read page by page.
pub(super) struct List<'a> {
    /// Under whose name the progress is kept.
    pub keeper: &'a str,
    /// What lists it.
    pub method: &'static Method,
    /// With which parameters.
    pub params: Value,
    /// The name of the items in the answer.
    pub items: &'a str,
}

/// How long an order is ours: no call of it is begun that might end after that.
#[derive(Debug)]
pub struct Tenure {
    keeper: String,
    until_ms: AtomicI64,
    patience: Duration,
}

impl Tenure {
    /// The tenure of an attempt, until then. Each call is waited for no longer than `patience`, and [`CALL_TIMEOUT`].
    pub fn new(keeper: String, until: Timestamp, patience: Duration) -> Self {
        Self {
            keeper,
            until_ms: AtomicI64::new(until.as_millisecond()),
            patience: patience.min(CALL_TIMEOUT),
        }
    }

    /// Under which name the progress of this attempt is kept.
    pub fn keeper(&self) -> &str {
        &self.keeper
    }

    /// It was renewed until then.
    pub fn renew(&self, until: Timestamp) {
        self.until_ms
            .store(until.as_millisecond(), Ordering::Relaxed);
    }

    fn lasts_until(&self, at: Timestamp) -> bool {
        at.as_millisecond() <= self.until_ms.load(Ordering::Relaxed)
    }
}

/// When a call is made, and in whose turn.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The present moment.
    pub now: Timestamp,
    /// The order that calls: its turn is kept if it has to wait.
    pub ticket: &'a str,
    /// How long that order is ours; none: whoever calls is no order.
    pub tenure: Option<&'a Tenure>,
}

impl<'a> Call<'a> {
    /// Under whose name progress is kept.
    fn keeper(&self) -> &'a str {
        self.tenure.map_or(self.ticket, Tenure::keeper)
    }
}

/// Parameters for a query: booleans and numbers as text, lists joined by commas.
fn query(params: &Value) -> Vec<(String, String)> {
    let fields = params.as_object().into_iter().flatten();
    fields
        .map(|(name, value)| {
            let value = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            (name.clone(), value)
        })
        .collect()
}

/// What carries the calls to the API at this address.
pub(in crate::slack) fn connection(
    api_url: &str,
) -> anyhow::Result<SlackClient<SlackClientHyperHttpsConnector>> {
    let https = HttpsConnectorBuilder::new()
        .with_native_roots()?
        .https_or_http()
        .enable_all_versions()
        .build();
    let connector = SlackClientHyperConnector::with_connector(https)
        .with_slack_api_url(api_url.trim_end_matches('/'));
    Ok(SlackClient::new(connector))
}
