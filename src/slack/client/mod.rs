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
//! | `messages` | what is posted, edited, found again |
//! | `people` | who is who |
//! | `views` | modals and the home tab |

mod channels;
mod failure;
mod messages;
mod people;
mod views;

use std::collections::HashMap;
use std::sync::Mutex;

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
pub use failure::Failure;
pub(in crate::slack) use failure::failure;
use failure::{in_time, read};
pub use messages::{Destination, Outgoing};

use super::limiter::Limiter;
use super::methods::{self, Arguments, Method};
use crate::domain::terms::SlackUserId;

/// Pages that are read of any list before it counts as endless.
const PAGES_AT_MOST: usize = 200;

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
    limiter: Mutex<Limiter>,
    identity: tokio::sync::OnceCell<Identity>,
    /// Who is who, by e-mail or handle; people do not change while an incident lasts, and a restart asks again.
    people: Mutex<HashMap<String, SlackUserId>>,
}

impl std::fmt::Debug for Slack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slack").finish_non_exhaustive()
    }
}

impl Slack {
    /// A client for the API at this address (`https://slack.com/api`, or a simulator's), with the bot's token.
    pub fn new(api_url: &str, bot_token: &SecretString) -> anyhow::Result<Self> {
        Ok(Self {
            client: connection(api_url)?,
            token: SlackApiToken::new(SlackApiTokenValue(bot_token.expose_secret().to_owned())),
            limiter: Mutex::default(),
            identity: tokio::sync::OnceCell::new(),
            people: Mutex::default(),
        })
    }

    /// Who we are; asked once.
    pub async fn identity(&self, now: Timestamp) -> Result<&Identity, Failure> {
        self.identity
            .get_or_try_init(|| async {
                let call = Call {
                    now,
                    ticket: "identity",
                };
                read(self.call(&methods::AUTH_TEST, json!({}), call).await?)
            })
            .await
    }

    /// Who we are, if that was asked before.
    pub fn known_identity(&self) -> Option<&Identity> {
        self.identity.get()
    }

    /// Reads a list to its end, or until `page` has seen enough (`Ok(false)`).
    pub(super) async fn pages(
        &self,
        method: &'static Method,
        mut params: Value,
        call: Call<'_>,
        mut page: impl FnMut(&Value) -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        for n in 0..PAGES_AT_MOST {
            let ticket = format!("{}/{n}", call.ticket);
            let answer = self
                .call(
                    method,
                    params.clone(),
                    Call {
                        ticket: &ticket,
                        ..call
                    },
                )
                .await?;
            let go_on = page(&answer)?;
            let cursor = answer["response_metadata"]["next_cursor"]
                .as_str()
                .unwrap_or_default();
            if !go_on || cursor.is_empty() {
                return Ok(());
            }
            params["cursor"] = json!(cursor);
        }
        Ok(())
    }

    pub(super) async fn call(
        &self,
        method: &'static Method,
        params: Value,
        call: Call<'_>,
    ) -> Result<Value, Failure> {
        let channel = params["channel"].as_str();
        self.limiter()
            .take(method, channel, call.ticket, call.now)
            .map_err(|at| Failure::Later { at })?;
        let session = self.client.open_session(&self.token);
        let api = &session.http_session_api;
        let answer = match method.arguments {
            Arguments::Json => {
                in_time(
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
                in_time(
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
            let wait = SignedDuration::try_from(*after).unwrap_or(SignedDuration::from_secs(60));
            self.limiter().block(method, call.now + wait);
        }
        answer
    }

    pub(super) fn limiter(&self) -> std::sync::MutexGuard<'_, Limiter> {
        self.limiter
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// When a call is made, and in whose turn.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The present moment.
    pub now: Timestamp,
    /// The order that calls: its turn is kept if it has to wait.
    pub ticket: &'a str,
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
