//! What Slack asks of us over HTTP: verified before it is read, then handed to the reception.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tracing::info;

use super::{Rooms, fault};
use crate::reception::{BROKEN, OVERLOADED, Reply};
use crate::slack::inbound::{EventRequest, Interaction, SlashCommand};
use crate::slack::signature::{SIGNATURE, TIMESTAMP, prove};

/// Turns a request away while too many wait, before a byte of its body is read: an answer that comes after Slack's
/// three seconds is worse than none, for the person has typed it again by then.
pub async fn admit(State(rooms): State<Arc<Rooms>>, request: Request, next: Next) -> Response {
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
    let response = next.run(request).await;
    metrics::histogram!("firebell_slack_request_seconds", "path" => path)
        .record(began.elapsed().as_secs_f64());
    response
}

fn shed() -> Response {
    let mut response = fault(StatusCode::SERVICE_UNAVAILABLE, OVERLOADED);
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, header::HeaderValue::from_static("2"));
    response
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        match self {
            Reply::Taken => StatusCode::OK.into_response(),
            Reply::Body(body) => Json(body).into_response(),
            Reply::Overloaded => shed(),
            Reply::Broken => fault(StatusCode::SERVICE_UNAVAILABLE, BROKEN),
        }
    }
}

/// Checks the signature over the raw body.
fn proved(rooms: &Rooms, headers: &HeaderMap, body: &[u8]) -> Result<(), Box<Response>> {
    let Some(secret) = &rooms.signing_secret else {
        let reason = "SLACK_SIGNING_SECRET is not set, so nothing that claims to come from Slack is believed.";
        return Err(Box::new(fault(StatusCode::UNAUTHORIZED, reason)));
    };
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    prove(
        secret,
        header(SIGNATURE),
        header(TIMESTAMP),
        body,
        rooms.clock.now(),
    )
    .map_err(|why| {
        info!("Turned a request away: {why}");
        metrics::counter!("firebell_requests_unproved").increment(1);
        Box::new(fault(StatusCode::UNAUTHORIZED, &why.to_string()))
    })
}

fn malformed(what: &str, error: &dyn std::fmt::Display) -> Response {
    fault(
        StatusCode::BAD_REQUEST,
        &format!("This is no {what} of Slack's: {error}"),
    )
}

/// `POST /slack/commands`
pub async fn command(State(rooms): State<Arc<Rooms>>, headers: HeaderMap, body: Bytes) -> Response {
    // Slack probes the certificate without a signature; nothing is done for it.
    if body.starts_with(b"ssl_check=1") || body.windows(12).any(|w| w == b"&ssl_check=1") {
        return StatusCode::OK.into_response();
    }
    if let Err(response) = proved(&rooms, &headers, &body) {
        return *response;
    }
    match serde_urlencoded::from_bytes::<SlashCommand>(&body) {
        Ok(command) => rooms.reception.command(&command).await.into_response(),
        Err(error) => malformed("slash command", &error),
    }
}

#[derive(Deserialize)]
struct PayloadForm {
    payload: String,
}

/// `POST /slack/interactions`
pub async fn interaction(
    State(rooms): State<Arc<Rooms>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Err(response) = proved(&rooms, &headers, &body) {
        return *response;
    }
    let form: PayloadForm = match serde_urlencoded::from_bytes(&body) {
        Ok(form) => form,
        Err(error) => return malformed("interaction", &error),
    };
    match serde_json::from_str::<Interaction>(&form.payload) {
        Ok(interaction) => rooms
            .reception
            .interaction(&interaction)
            .await
            .into_response(),
        Err(error) => malformed("interaction", &error),
    }
}

/// `POST /slack/events`
pub async fn event(State(rooms): State<Arc<Rooms>>, headers: HeaderMap, body: Bytes) -> Response {
    if let Err(response) = proved(&rooms, &headers, &body) {
        return *response;
    }
    match serde_json::from_slice::<EventRequest>(&body) {
        Ok(request) => rooms.reception.event(&request).await.into_response(),
        Err(error) => malformed("event", &error),
    }
}
