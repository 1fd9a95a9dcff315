//! What an operator must know before Slack is relied on: what the token may do, which time it is there, which channel
//! and which people are meant. Only questions; nothing is posted.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::{HeaderMap, Request, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::failure::{Failure, read};
use super::{Call, Slack, methods};
use crate::clock::Clock;
use crate::slack::methods::Method;

/// How long the one call may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest answer that is read.
const ANSWER_MAX: usize = 1 << 20;
/// The longest that one question waits for its turn, in all.
const PATIENCE: SignedDuration = SignedDuration::from_mins(5);

/// What Slack says of a token (`auth.test`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Whose it is, or Slack's word for why it is not taken.
    pub who: Result<Introduced, String>,
    /// What it may do; none, if the answer does not say.
    pub scopes: Option<BTreeSet<String>>,
    /// How far the clock here is ahead of Slack's; none, if the answer does not say. Slack's shows whole seconds.
    pub ahead: Option<SignedDuration>,
}

/// The workspace and the bot.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Introduced {
    /// The workspace's name.
    pub team: String,
    /// The bot's name.
    pub user: String,
    /// The bot's user.
    pub user_id: String,
}

/// Asks what a token is good for. An error: Slack cannot be asked; why. The headers count here, which slack-morphism
/// does not hand out.
pub async fn credentials(
    api_url: &str,
    token: &SecretString,
    clock: &Clock,
) -> Result<Credentials, String> {
    let https = HttpsConnectorBuilder::new()
        .with_native_roots()
        .map_err(|error| error.to_string())?
        .https_or_http()
        .enable_all_versions()
        .build();
    let client = Client::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(https);
    let method = methods::AUTH_TEST.name;
    let request = Request::post(format!("{}/{method}", api_url.trim_end_matches('/')))
        .header(
            header::AUTHORIZATION,
            format!("Bearer {}", token.expose_secret()),
        )
        .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
        .body(Full::from("{}"))
        .map_err(|_| "SLACK_API_URL or the token cannot be sent".to_owned())?;
    let asked = clock.now();
    let answer = tokio::time::timeout(TIMEOUT, client.request(request))
        .await
        .map_err(|_| format!("no answer within {} s", TIMEOUT.as_secs()))?
        .map_err(|error| innermost(&error))?;
    let answered = clock.now();
    let (parts, body) = answer.into_parts();
    if !parts.status.is_success() {
        return Err(format!("HTTP status {}", parts.status.as_u16()));
    }
    let body = tokio::time::timeout(TIMEOUT, Limited::new(body, ANSWER_MAX).collect())
        .await
        .map_err(|_| format!("no answer within {} s", TIMEOUT.as_secs()))?
        .map_err(|error| innermost(&*error))?
        .to_bytes();
    let body: Value =
        serde_json::from_slice(&body).map_err(|_| "the answer is not Slack's".to_owned())?;
    let who = match body["ok"].as_bool() {
        Some(true) => {
            serde_json::from_value(body).map_err(|_| "the answer is not Slack's".to_owned())
        }
        _ => Err(body["error"]
            .as_str()
            .unwrap_or("no reason given")
            .to_owned()),
    };
    let half_way = asked + answered.duration_since(asked) / 2;
    Ok(Credentials {
        who,
        scopes: text(&parts.headers, "x-oauth-scopes").map(|scopes| {
            let scopes = scopes.split(',').map(str::trim);
            scopes
                .filter(|scope| !scope.is_empty())
                .map(str::to_owned)
                .collect()
        }),
        ahead: text(&parts.headers, "date")
            .and_then(|date| jiff::fmt::rfc2822::parse(date).ok())
            // The middle of the second that is shown.
            .map(|date| {
                half_way.duration_since(date.timestamp()) - SignedDuration::from_millis(500)
            }),
    })
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// The cause behind all others.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// A channel as the bot sees it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Seen {
    /// The id.
    pub id: String,
    /// The name, without `#`.
    #[serde(default)]
    pub name: String,
    /// Whether the bot is in it.
    #[serde(default)]
    pub is_member: bool,
    /// Whether it is archived.
    #[serde(default)]
    pub is_archived: bool,
    /// Whether it is private.
    #[serde(default)]
    pub is_private: bool,
}

/// Somebody of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The names that a handle may mean.
    pub names: Vec<String>,
    /// Whether the account was deactivated.
    pub is_gone: bool,
}

impl Member {
    fn of(user: &Value) -> Self {
        let names = [&user["name"], &user["profile"]["display_name"]];
        let names = names.into_iter().filter_map(Value::as_str);
        Self {
            names: names.map(str::to_owned).collect(),
            is_gone: user["deleted"] == true,
        }
    }
}

/// A user group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its handle, without `@`.
    pub handle: String,
    /// Whether it was switched off.
    pub is_gone: bool,
}

/// Asks Slack one thing after the other, and waits where Slack's pace wants it.
#[derive(Debug)]
pub struct Examiner<'a> {
    slack: &'a Slack,
    clock: &'a Clock,
}

impl<'a> Examiner<'a> {
    /// Whoever asks, and the clock by which it waits.
    pub fn new(slack: &'a Slack, clock: &'a Clock) -> Self {
        Self { slack, clock }
    }

    /// Whether an announcement would find its channel: what a running bot asks at its start.
    pub async fn can_announce(&self, called: &str) -> Result<bool, Failure> {
        self.patiently(async |call| self.slack.can_announce(called, call).await)
            .await
    }

    /// The channel of a name (`#incidents`) or an id, archived ones too; none, if the bot sees none.
    pub async fn channel(&self, called: &str) -> Result<Option<Seen>, Failure> {
        let Some(name) = called.strip_prefix('#') else {
            let asked = self
                .ask(&methods::CONVERSATIONS_INFO, json!({ "channel": called }))
                .await;
            return match asked {
                Ok(answer) => read(answer["channel"].clone()).map(Some),
                Err(failure) if failure.is("channel_not_found") => Ok(None),
                Err(failure) => Err(failure),
            };
        };
        let params = json!({ "types": "public_channel,private_channel", "limit": 999, "exclude_archived": false });
        let mut found: Option<Seen> = None;
        self.pages(&methods::CONVERSATIONS_LIST, params, |page| {
            for channel in page["channels"].as_array().into_iter().flatten() {
                if channel["name"] == *name {
                    found = Some(read(channel.clone())?);
                }
            }
            Ok(found.is_none())
        })
        .await?;
        Ok(found)
    }

    /// Somebody by id; none, if there is nobody.
    pub async fn user(&self, id: &str) -> Result<Option<Member>, Failure> {
        self.one(
            &methods::USERS_INFO,
            json!({ "user": id }),
            "user_not_found",
        )
        .await
    }

    /// Somebody by e-mail address; none, if there is nobody.
    pub async fn user_by_email(&self, email: &str) -> Result<Option<Member>, Failure> {
        self.one(
            &methods::USERS_LOOKUP_BY_EMAIL,
            json!({ "email": email }),
            "users_not_found",
        )
        .await
    }

    async fn one(
        &self,
        method: &'static Method,
        params: Value,
        nobody: &str,
    ) -> Result<Option<Member>, Failure> {
        match self.ask(method, params).await {
            Ok(answer) => Ok(Some(Member::of(&answer["user"]))),
            Err(failure) if failure.is(nobody) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Everybody of the workspace.
    pub async fn everybody(&self) -> Result<Vec<Member>, Failure> {
        let mut members = Vec::new();
        self.pages(&methods::USERS_LIST, json!({ "limit": 1000 }), |page| {
            members.extend(
                page["members"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(Member::of),
            );
            Ok(true)
        })
        .await?;
        Ok(members)
    }

    /// The user groups.
    pub async fn groups(&self) -> Result<Vec<Group>, Failure> {
        let answer = self
            .ask(
                &methods::USERGROUPS_LIST,
                json!({ "include_disabled": true }),
            )
            .await?;
        let groups = answer["usergroups"].as_array().into_iter().flatten();
        let group = |group: &Value| Group {
            handle: group["handle"].as_str().unwrap_or_default().to_owned(),
            is_gone: group["date_delete"].as_i64().unwrap_or(0) != 0,
        };
        Ok(groups.map(group).collect())
    }

    async fn pages(
        &self,
        method: &'static Method,
        mut params: Value,
        mut page: impl FnMut(&Value) -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        for _ in 0..super::PAGES_AT_MOST {
            let answer = self.ask(method, params.clone()).await?;
            let cursor = answer["response_metadata"]["next_cursor"]
                .as_str()
                .unwrap_or_default();
            if !page(&answer)? || cursor.is_empty() {
                return Ok(());
            }
            params["cursor"] = json!(cursor);
        }
        Ok(())
    }

    async fn ask(&self, method: &'static Method, params: Value) -> Result<Value, Failure> {
        self.patiently(async |call| self.slack.call(method, params.clone(), call).await)
            .await
    }

    /// Asks, and comes back when the pace allows it.
    async fn patiently<T>(
        &self,
        ask: impl AsyncFn(Call<'static>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let until = self.clock.now() + PATIENCE;
        loop {
            let now = self.clock.now();
            let call = Call {
                now,
                ticket: "examine",
                tenure: None,
            };
            match ask(call).await {
                Err(Failure::Later { at }) if at < until => {
                    let wait = Duration::try_from(at.duration_since(now)).unwrap_or_default();
                    tokio::time::sleep(wait.max(Duration::from_millis(50))).await;
                }
                answer => return answer,
            }
        }
    }
}
