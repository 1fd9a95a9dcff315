//! What Slack asks of us over HTTP, once it has come through the gate: read, then handed to the reception.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::error::Category;

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

fn malformed(what: &str, why: &str) -> Response {
    fault(
        StatusCode::BAD_REQUEST,
        &format!("This is no {what} of Slack's: {why}"),
    )
}

/// Where JSON is not as it must be: what serde itself says of that may repeat what was sent.
fn place(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    match error.classify() {
        Category::Data => {
            format!("a field is missing or another type than it was (column {column})")
        }
        Category::Syntax | Category::Eof | Category::Io => {
            format!("it is not JSON (line {line}, column {column})")
        }
    }
}

/// `POST /slack/commands`
pub async fn command(State(rooms): State<Arc<Rooms>>, body: Bytes) -> Response {
    match serde_urlencoded::from_bytes::<SlashCommand>(&body) {
        Ok(command) => rooms.reception.command(&command).await.into_response(),
        Err(error) => malformed("slash command", &error.to_string()),
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
        Err(error) => return malformed("interaction", &error.to_string()),
    };
    match serde_json::from_str::<Interaction>(&form.payload) {
        Ok(interaction) => rooms
            .reception
            .interaction(&interaction)
            .await
            .into_response(),
        Err(error) => malformed("interaction", &place(&error)),
    }
}

/// `POST /slack/events`
pub async fn event(State(rooms): State<Arc<Rooms>>, body: Bytes) -> Response {
    match serde_json::from_slice::<EventRequest>(&body) {
        Ok(request) => rooms.reception.event(&request).await.into_response(),
        Err(error) => malformed("event", &place(&error)),
    }
}
