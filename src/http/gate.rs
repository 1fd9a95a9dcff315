//! The gate before Slack's routes: nothing that Slack did not sign comes through, and whoever is not Slack costs little
//! memory and little time.

use std::time::{Duration, Instant};
use std::{error::Error, sync::Arc};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::LengthLimitError;
use serde_json::json;
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::info;

use super::slack::shed;
use super::{Rooms, fault};
use crate::reception::{ANSWER, Reply, UNCLEAR};
use crate::slack::signature::{SIGNATURE, TIMESTAMP, Unproved, presents, prove};

/// The largest body that is read: ten times the largest that Slack sends.
const BODY_LIMIT: usize = 1_000_000;
/// How long a body may take to come in: whoever waits for longer than Slack waits for the answer is not Slack.
const BODY_TIME: Duration = Duration::from_secs(3);
/// Most of what Slack sends is smaller than this.
const SMALL: usize = 64 * 1024;
/// Small bodies that are being read at the same time: 32 MB at the most.
const SMALL_AT_ONCE: usize = 512;
/// Large bodies that are being read at the same time: 24 MB at the most.
const LARGE_AT_ONCE: usize = 24;
/// How long a body waits for others to be read.
const WAIT: Duration = Duration::from_millis(500);
/// The largest probe of the certificate, which Slack does not sign.
const PROBE: usize = 1_024;

/// How many bodies may be read at the same time before anybody knows who sent them.
#[derive(Debug)]
pub struct Gate {
    small: Semaphore,
    large: Semaphore,
}

impl Default for Gate {
    fn default() -> Self {
        Self::of(SMALL_AT_ONCE, LARGE_AT_ONCE)
    }
}

impl Gate {
    /// A gate for so many small and so many large bodies at the same time.
    pub fn of(small: usize, large: usize) -> Self {
        Self {
            small: Semaphore::new(small),
            large: Semaphore::new(large),
        }
    }

    /// Room for a body of this length; of an unknown length: of the largest.
    pub(super) async fn room(&self, length: Option<usize>) -> Option<SemaphorePermit<'_>> {
        let room = match length {
            Some(length) if length <= SMALL => &self.small,
            Some(_) | None => &self.large,
        };
        soon(room).await
    }
}

/// Room for one more, if some becomes free soon.
pub(super) async fn soon(room: &Semaphore) -> Option<SemaphorePermit<'_>> {
    let room = tokio::time::timeout(WAIT, room.acquire()).await;
    room.ok()?.ok()
}

/// Turns a request away while too many wait, before a byte of its body is read: an answer that comes after Slack's
/// three seconds is worse than none, for the person has typed it again by then. Then turns away what Slack did not sign.
pub async fn admit(State(rooms): State<Arc<Rooms>>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    if rooms.reception.is_full() {
        metrics::counter!("firebell_requests_shed").increment(1);
        return shed();
    }
    let path = match request.uri().path() {
        "/slack/commands" => "commands",
        "/slack/interactions" => "interactions",
        _ => "events",
    };
    let began = Instant::now();
    let response = match proved(&rooms, request).await {
        Ok(request) => match tokio::time::timeout(ANSWER, next.run(request)).await {
            Ok(response) => response,
            Err(_) if path == "commands" => {
                let told = json!({ "response_type": "ephemeral", "text": UNCLEAR });
                Reply::Body(told).into_response()
            }
            Err(_) => fault(StatusCode::SERVICE_UNAVAILABLE, UNCLEAR),
        },
        Err(response) => *response,
    };
    metrics::histogram!("firebell_slack_request_seconds", "path" => path)
        .record(began.elapsed().as_secs_f64());
    response
}

/// Reads a body and checks its signature; what can be seen without reading is looked at before.
async fn proved(rooms: &Rooms, request: Request) -> Result<Request, Box<Response>> {
    let (parts, body) = request.into_parts();
    let length = length(&parts.headers);
    if length.is_some_and(|length| length > BODY_LIMIT) {
        return Err(Box::new(too_large(BODY_LIMIT)));
    }
    let Some(secret) = &rooms.signing_secret else {
        let reason = "SLACK_SIGNING_SECRET is not set, so nothing that claims to come from Slack is believed.";
        return Err(Box::new(fault(StatusCode::UNAUTHORIZED, reason)));
    };
    let shown = |name: &str| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let (signature, timestamp) = (shown(SIGNATURE), shown(TIMESTAMP));
    let presented = presents(signature, timestamp, rooms.clock.now());
    let may_be_a_probe = parts.uri.path() == "/slack/commands"
        && presented == Err(Unproved::Missing)
        && length.is_some_and(|length| length <= PROBE);
    if let Err(why) = presented
        && !may_be_a_probe
    {
        return Err(turned_away(why));
    }
    let Some(room) = rooms.gate.room(length).await else {
        metrics::counter!("firebell_requests_shed").increment(1);
        return Err(Box::new(shed()));
    };
    let bytes = read(body, BODY_LIMIT).await?;
    // Slack probes the certificate without a signature; nothing is done for it.
    if parts.uri.path() == "/slack/commands" && is_probe(&bytes) {
        return Err(Box::new(StatusCode::OK.into_response()));
    }
    prove(secret, signature, timestamp, &bytes, rooms.clock.now()).map_err(turned_away)?;
    drop(room);
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

fn turned_away(why: Unproved) -> Box<Response> {
    info!("Turned a request away: {why}");
    metrics::counter!("firebell_requests_unproved").increment(1);
    Box::new(fault(StatusCode::UNAUTHORIZED, &why.to_string()))
}

fn is_probe(body: &[u8]) -> bool {
    body.starts_with(b"ssl_check=1") || body.windows(12).any(|part| part == b"&ssl_check=1")
}

pub(super) fn length(headers: &HeaderMap) -> Option<usize> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

pub(super) fn too_large(limit: usize) -> Response {
    let reason = format!("A body may have {limit} bytes; nobody who belongs here sends as many.");
    fault(StatusCode::PAYLOAD_TOO_LARGE, &reason)
}

/// Reads a body of so many bytes at the most, and waits for it no longer than its sender waits for the answer.
pub(super) async fn read(body: Body, limit: usize) -> Result<Bytes, Box<Response>> {
    let reading = axum::body::to_bytes(body, limit);
    match tokio::time::timeout(BODY_TIME, reading).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error))
            if error
                .source()
                .is_some_and(|cause| cause.is::<LengthLimitError>()) =>
        {
            Err(Box::new(too_large(limit)))
        }
        Ok(Err(_)) => {
            let reason = "The body was cut off.";
            Err(Box::new(fault(StatusCode::BAD_REQUEST, reason)))
        }
        Err(_) => {
            let reason = "The body did not come in time.";
            let mut response = fault(StatusCode::REQUEST_TIMEOUT, reason);
            let close = header::HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
            Err(Box::new(response))
        }
    }
}
