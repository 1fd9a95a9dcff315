//! What Slack asks of us over HTTP, once it has come through the gate: read, then handed to the reception.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::{Rooms, fault};
use crate::reception::{BROKEN, OVERLOADED, Reply};
use crate::slack::inbound::{EventRequest, Interaction, SlashCommand};

pub(super) fn shed() -> Response {
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

fn malformed(what: &str, error: &dyn std::fmt::Display) -> Response {
    fault(
        StatusCode::BAD_REQUEST,
        &format!("This is no {what} of Slack's: {error}"),
    )
}

/// `POST /slack/commands`
pub async fn command(State(rooms): State<Arc<Rooms>>, body: Bytes) -> Response {
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
pub async fn interaction(State(rooms): State<Arc<Rooms>>, body: Bytes) -> Response {
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
pub async fn event(State(rooms): State<Arc<Rooms>>, body: Bytes) -> Response {
    match serde_json::from_slice::<EventRequest>(&body) {
        Ok(request) => rooms.reception.event(&request).await.into_response(),
        Err(error) => malformed("event", &error),
    }
}
