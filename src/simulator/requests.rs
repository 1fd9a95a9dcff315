//! The signed requests that Slack sends to an app (contract sections 1 to 3).

use std::time::{Duration, Instant};

use anyhow::Context;
use axum::http::{Request, header};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::{BodyExt, Full};
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::Sha256;

use super::Workspace;

/// Slack waits three seconds of real time for any answer of the app (contract sections 2 to 4).
pub(crate) const DEADLINE: Duration = Duration::from_secs(3);
const FORM: &str = "application/x-www-form-urlencoded";
pub(crate) const JSON: &str = "application/json";

/// Where the app listens: the request URLs of its Slack configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RequestUrls {
    /// Slash commands.
    pub commands: Option<String>,
    /// Buttons, modals and shortcuts.
    pub interactions: Option<String>,
    /// The Events API; verified by `url_verification` on connecting.
    pub events: Option<String>,
    /// `block_suggestion`; without one, `interactions` is asked.
    pub options: Option<String>,
}

impl RequestUrls {
    /// The four URLs under one base: `/commands`, `/interactions`, `/events`; options go to interactions.
    pub fn under(base: &str) -> RequestUrls {
        let at = |end: &str| Some(format!("{}/{end}", base.trim_end_matches('/')));
        RequestUrls {
            commands: at("commands"),
            interactions: at("interactions"),
            events: at("events"),
            options: None,
        }
    }
}

/// What Slack asks of an app.
pub(crate) enum Errand {
    /// The fields of a slash command.
    Command(Vec<(&'static str, String)>),
    /// What somebody did with a message, a modal or a shortcut.
    Interaction(Value),
    /// `block_suggestion`
    Options(Value),
    /// The envelope of an event.
    Event(Value),
}

impl Errand {
    /// The type and the payload of a Socket Mode envelope, and whether a payload is read from its acknowledgement:
    /// where the sources disagree (contract section 14), only where it is needed.
    pub fn for_socket(&self) -> (&'static str, Value, bool) {
        match self {
            Errand::Command(fields) => {
                let text =
                    |(name, value): &(&str, String)| ((*name).to_owned(), value.as_str().into());
                let fields: Map<String, Value> = fields.iter().map(text).collect();
                ("slash_commands", fields.into(), true)
            }
            Errand::Interaction(payload) => {
                let accepts = payload["type"] == "view_submission";
                ("interactive", payload.clone(), accepts)
            }
            Errand::Options(payload) => ("interactive", payload.clone(), true),
            Errand::Event(body) => ("events_api", body.clone(), false),
        }
    }
}

/// What came back from the app.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// 0 when there was no answer.
    pub status: u16,
    pub content_type: String,
    pub body: String,
    pub elapsed: Duration,
    /// `http_timeout` or `connection_failed`, as `x-slack-retry-reason` would name it.
    pub trouble: Option<&'static str>,
    /// The app asked that this event be not retried.
    pub no_retry: bool,
}

impl Reply {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub fn none(trouble: &'static str, elapsed: Duration) -> Reply {
        let (content_type, body) = (String::new(), String::new());
        Reply {
            status: 0,
            content_type,
            body,
            elapsed,
            trouble: Some(trouble),
            no_retry: false,
        }
    }
}

/// `v0=` and the HMAC-SHA256 of `v0:<timestamp>:<raw body>` in lower hex (contract section 1).
pub fn signature(signing_secret: &str, timestamp_s: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(signing_secret.as_bytes())
        .expect("HMAC takes keys of any length");
    mac.update(format!("v0:{timestamp_s}:").as_bytes());
    mac.update(body);
    format!("v0={}", hex::encode(mac.finalize().into_bytes()))
}

impl Workspace {
    /// Asks the app in the way by which it is connected; `retry` is the number and the reason of an event's redelivery.
    pub(crate) async fn ask(
        &self,
        errand: &Errand,
        retry: Option<(u8, &str)>,
    ) -> anyhow::Result<Reply> {
        if self.with(|state| state.sockets.is_on) {
            return Ok(self.ask_by_socket(errand, retry).await);
        }
        let urls = self.with(|state| state.urls.clone()).unwrap_or_default();
        let (url, what) = match errand {
            Errand::Command(_) => (urls.commands, "slash commands"),
            Errand::Interaction(_) => (urls.interactions, "interactions"),
            Errand::Options(_) => (urls.options.or(urls.interactions), "options"),
            Errand::Event(_) => (urls.events, "events"),
        };
        let url = url
            .with_context(|| format!("the app has no request URL for {what}: connect it first"))?;
        let (content_type, body) = match errand {
            Errand::Command(fields) => (FORM, serde_urlencoded::to_string(fields)?),
            Errand::Interaction(payload) | Errand::Options(payload) => {
                let form = [("payload", payload.to_string())];
                (FORM, serde_urlencoded::to_string(form)?)
            }
            Errand::Event(body) => (JSON, body.to_string()),
        };
        Ok(self.send(&url, content_type, body, retry).await)
    }

    /// Sends one signed request; `retry` is the number and the reason of an event's redelivery.
    pub(crate) async fn send(
        &self,
        url: &str,
        content_type: &str,
        body: String,
        retry: Option<(u8, &str)>,
    ) -> Reply {
        let timestamp_s = self.now_ms() / 1000;
        let mut request = Request::post(url)
            .header(header::CONTENT_TYPE, content_type)
            .header(
                header::USER_AGENT,
                "Slackbot 1.0 (+https://api.slack.com/robots)",
            )
            .header("X-Slack-Request-Timestamp", timestamp_s)
            .header(
                "X-Slack-Signature",
                signature(&self.options().signing_secret, timestamp_s, body.as_bytes()),
            );
        if let Some((number, reason)) = retry {
            request = request
                .header("X-Slack-Retry-Num", u16::from(number))
                .header("X-Slack-Retry-Reason", reason);
        }
        let begun = Instant::now();
        let Ok(request) = request.body(Full::new(Bytes::from(body))) else {
            return Reply::none("connection_failed", begun.elapsed());
        };
        let exchange = async {
            let answer = self.client().request(request).await.ok()?;
            let status = answer.status().as_u16();
            let text = |name: &str| {
                answer
                    .headers()
                    .get(name)
                    .and_then(|v| v.to_str().ok())
                    .unwrap_or_default()
                    .to_owned()
            };
            let (content_type, no_retry) = (text("content-type"), text("x-slack-no-retry") == "1");
            let body = answer.into_body().collect().await.ok()?.to_bytes();
            let body = String::from_utf8_lossy(&body).into_owned();
            Some(Reply {
                status,
                content_type,
                body,
                elapsed: begun.elapsed(),
                trouble: None,
                no_retry,
            })
        };
        match tokio::time::timeout(DEADLINE, exchange).await {
            Ok(Some(reply)) => reply,
            Ok(None) => Reply::none("connection_failed", begun.elapsed()),
            Err(_) => Reply::none("http_timeout", begun.elapsed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

    /// The example of Slack's documentation and three of the contract's own vectors.
    #[test]
    fn signatures_equal_the_published_vectors() {
        let slash = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        let verification = r#"{"type":"url_verification","token":"t","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"}"#;
        let vectors = [
            (
                slash,
                "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
            ),
            (
                "",
                "v0=55f41ec73231010289b54e669149ea021fccab11b5524355523533ce930cb739",
            ),
            (
                verification,
                "v0=d2c58e99093287f1fd9198bfddefb271fe1f7c3782ded58021e36da6702e78aa",
            ),
            (
                "text=café ☃",
                "v0=b9187d8b675db5bada12899473f03ed1fb75cbafeb5461c052b39214870f1eab",
            ),
        ];
        for (body, expected) in vectors {
            assert_eq!(signature(SECRET, 1_531_420_618, body.as_bytes()), expected);
        }
    }
}
