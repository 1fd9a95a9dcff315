//! Why a call of the Web API brought nothing: whether to try again, when, and what would mend it.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use slack_morphism::errors::SlackClientError;

use super::channels::not_invited;
use crate::domain::terms::SlackUserId;

/// The longest that one call may take. Slack answers in well under a second; what takes longer is lost, and the order
/// is better tried again.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a method is left alone after a 429 that does not say how long.
const RETRY_AFTER_UNSAID: Duration = Duration::from_secs(5);

/// Why a call brought nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It was not made: the method has its pace. Come back then.
    Later {
        /// When.
        at: Timestamp,
    },
    /// It may go through later; it may even have gone through now.
    Retry {
        /// Not before then, if Slack said so.
        after: Option<Duration>,
        /// What was wrong, without secrets.
        why: String,
    },
    /// It will never go through as it is.
    GiveUp {
        /// Slack's word for it: `channel_not_found`.
        code: String,
        /// The same in words for a person, with what would mend it.
        why: String,
        /// Of an invitation: who could not be invited, each with Slack's word for it.
        users: Vec<(SlackUserId, String)>,
    },
}

impl Failure {
    /// Whether it is a final no with this word of Slack's.
    pub fn is(&self, wanted: &str) -> bool {
        matches!(self, Failure::GiveUp { code, .. } if code == wanted)
    }
}

/// Waits for a call, not longer than [`CALL_TIMEOUT`], and says in our words how it failed.
pub(super) async fn in_time<T>(
    call: impl Future<Output = Result<T, SlackClientError>>,
    what: &str,
) -> Result<T, Failure> {
    within(CALL_TIMEOUT, call, what).await
}

/// Waits for a call, not longer than that, and says in our words how it failed.
pub(super) async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, SlackClientError>>,
    what: &str,
) -> Result<T, Failure> {
    match tokio::time::timeout(limit, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(failure(&error, what)),
        Err(_) => Err(Failure::Retry {
            after: None,
            why: format!("{what}: no answer within {} s", limit.as_secs_f32()),
        }),
    }
}

/// What an error means. slack-morphism's own words carry whole answers; they are not passed on.
pub(in crate::slack) fn failure(error: &SlackClientError, what: &str) -> Failure {
    match error {
        SlackClientError::ApiError(error) => {
            let body: Value = error
                .http_response_body
                .as_deref()
                .and_then(|body| serde_json::from_str(body).ok())
                .unwrap_or_default();
            refused(&error.code, &body, what)
        }
        SlackClientError::RateLimitError(error) => Failure::Retry {
            after: Some(error.retry_after.unwrap_or(RETRY_AFTER_UNSAID)),
            why: format!("{what}: Slack asks to slow down"),
        },
        SlackClientError::HttpError(error) => status(error.status_code.as_u16(), what),
        SlackClientError::HttpProtocolError(error) => Failure::Retry {
            after: None,
            why: format!(
                "{what}: {}",
                error
                    .cause
                    .as_ref()
                    .map_or("no connection".to_owned(), |cause| sources(&**cause))
            ),
        },
        SlackClientError::ProtocolError(error) => Failure::Retry {
            after: None,
            why: format!(
                "{what}: the answer is not JSON as expected: {}",
                error.json_error
            ),
        },
        SlackClientError::SystemError(_)
        | SlackClientError::EndOfStream(_)
        | SlackClientError::SocketModeProtocolError(_) => Failure::Retry {
            after: None,
            why: format!("{what}: the connection failed"),
        },
    }
}

/// What a bare HTTP status means. A refusal is about this very request and stays one; that a proxy wants a password
/// (407), that the request came too slowly (408) or too soon (425, 429), says nothing of the request.
fn status(status: u16, what: &str) -> Failure {
    let why = format!("{what}: HTTP status {status}");
    match status {
        407 | 408 | 425 | 429 => Failure::Retry { after: None, why },
        400..500 => Failure::GiveUp {
            code: format!("http_{status}"),
            why,
            users: vec![],
        },
        _ => Failure::Retry { after: None, why },
    }
}

/// An error with its causes, as one line.
fn sources(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// What Slack's `ok: false` means (slack-contract.md section 6.0).
fn refused(code: &str, body: &Value, what: &str) -> Failure {
    let retry = |why: &str| Failure::Retry {
        after: None,
        why: format!("{what}: {why}"),
    };
    match code {
        "ratelimited" | "rate_limited" => Failure::Retry {
            after: Some(RETRY_AFTER_UNSAID),
            why: format!("{what}: Slack asks to slow down"),
        },
        "internal_error" | "fatal_error" | "service_unavailable" | "request_timeout" => retry(code),
        // The operator mends the token; until then everything waits.
        "invalid_auth" | "not_authed" | "account_inactive" | "token_revoked" | "token_expired" => {
            Failure::Retry {
                after: Some(Duration::from_secs(30)),
                why: format!("{what}: Slack does not accept SLACK_BOT_TOKEN ({code})"),
            }
        }
        _ => Failure::GiveUp {
            code: code.to_owned(),
            why: explain(code, body),
            users: not_invited(body),
        },
    }
}

/// A final no, in words for a person, with what would mend it.
fn explain(code: &str, body: &Value) -> String {
    match code {
        "missing_scope" => format!(
            "the Slack app lacks the scope {}. Add it under “OAuth & Permissions” and install the app again",
            body["needed"].as_str().unwrap_or("it needs"),
        ),
        "channel_not_found" => {
            "Slack knows no such channel. Create it, or invite the bot if it is private".to_owned()
        }
        "not_in_channel" => "the bot is not in that channel. Invite it with /invite".to_owned(),
        "is_archived" => "the channel is archived".to_owned(),
        "restricted_action" => {
            "the workspace does not let apps do this; an administrator can allow it".to_owned()
        }
        "invalid_blocks" | "invalid_arguments" => {
            let details: Vec<&str> = body["response_metadata"]["messages"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            format!(
                "Slack does not take the message ({code}: {})",
                details.join("; ")
            )
        }
        _ => format!("Slack says {code}"),
    }
}

/// Takes certain refusals for success: the call had got through before.
pub(super) fn accept(answer: Result<(), Failure>, codes: &[&str]) -> Result<(), Failure> {
    match answer {
        Err(Failure::GiveUp { code, .. }) if codes.contains(&code.as_str()) => Ok(()),
        answer => answer,
    }
}

pub(super) fn read<T: for<'de> Deserialize<'de>>(value: Value) -> Result<T, Failure> {
    serde_json::from_value(value).map_err(|error| Failure::Retry {
        after: None,
        why: format!("Slack's answer cannot be read: {error}"),
    })
}

/// Takes `null` for nothing said.
pub(super) fn or_default<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

pub(super) fn unreadable(what: &str) -> Failure {
    Failure::Retry {
        after: None,
        why: format!("{what}: the answer cannot be read"),
    }
}
