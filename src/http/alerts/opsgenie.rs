//! Opsgenie's alert API, as far as senders use it: create, acknowledge, close and note, by alias.
//!
//! Source: Opsgenie docs, "Alert API"; opsgenie-oas.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{admit, take};
use crate::alerts::opsgenie::{Request, act, create};
use crate::alerts::{Malformed, Sent, Told};
use crate::domain::catalog::SourceKind;
use crate::http::Rooms;

/// `POST /v2/alerts`
pub async fn post(
    State(rooms): State<Arc<Rooms>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    receive(&rooms, query.as_deref(), &headers, body, create).await
}

/// `POST /v2/alerts/{alias}/{act}?identifierType=alias`
pub async fn post_act(
    State(rooms): State<Arc<Rooms>>,
    Path((alias, word)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let request = match word.as_str() {
        "acknowledge" => Request::Acknowledge,
        "close" => Request::Close,
        "notes" => Request::Note,
        _ => {
            let reason = "Only acknowledge, close and notes are taken here.";
            return said(StatusCode::NOT_FOUND, json!({ "message": reason }));
        }
    };
    let by_alias = query.as_deref().is_some_and(|query| {
        url::form_urlencoded::parse(query.as_bytes())
            .any(|(name, value)| name == "identifierType" && value == "alias")
    });
    if !by_alias {
        let reason = "Alerts are known by their alias here: add ?identifierType=alias.";
        return said(
            StatusCode::UNPROCESSABLE_ENTITY,
            json!({ "message": reason }),
        );
    }
    receive(&rooms, query.as_deref(), &headers, body, |sent| {
        act(sent, &alias, request)
    })
    .await
}

/// `GET /v2/alerts/requests/{id}`: what became of a request. Whatever was answered 202 is stored by then.
pub async fn request(
    State(rooms): State<Arc<Rooms>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    if rooms
        .source_shown(SourceKind::Opsgenie, &headers, query.as_deref(), b"")
        .is_none()
    {
        return forbidden();
    }
    let Ok(id) = id.parse::<Uuid>() else {
        let reason = "There is no such request.";
        return said(StatusCode::NOT_FOUND, json!({ "message": reason }));
    };
    let data = json!({ "success": true, "isSuccess": true, "status": "Stored", "action": "", "alertId": "", "alias": "" });
    said(
        StatusCode::OK,
        json!({ "data": data, "requestId": id.to_string() }),
    )
}

async fn receive(
    rooms: &Rooms,
    query: Option<&str>,
    headers: &HeaderMap,
    body: Body,
    read: impl FnOnce(&Sent<'_>) -> Result<Told, Malformed>,
) -> Response {
    let bytes = match admit(rooms, headers, body).await {
        Ok(bytes) => bytes,
        Err(response) => return *response,
    };
    let Some(source) = rooms.source_shown(SourceKind::Opsgenie, headers, query, b"") else {
        return forbidden();
    };
    let sent = Sent {
        source,
        headers,
        body: &bytes,
        now: rooms.clock.now(),
    };
    let told = match read(&sent) {
        Ok(told) => told,
        Err(why) => {
            let errors: Value = why
                .faults
                .iter()
                .filter_map(|it| it.split_once(": "))
                .collect();
            return said(
                StatusCode::UNPROCESSABLE_ENTITY,
                json!({ "message": why.reason, "errors": errors }),
            );
        }
    };
    match take(rooms, source, told, headers, &bytes).await {
        Ok(_) => said(
            StatusCode::ACCEPTED,
            json!({
                "result": "Request will be processed",
                "requestId": Uuid::now_v7().to_string(),
            }),
        ),
        Err(response) => *response,
    }
}

fn forbidden() -> Response {
    metrics::counter!("firebell_alert_requests_unproved_total").increment(1);
    let reason = "Authorization: GenieKey … is wrong: it is the secret of a source of the kind \"opsgenie\".";
    said(StatusCode::UNAUTHORIZED, json!({ "message": reason }))
}

/// Opsgenie says with each answer how long it took; ours take no time worth a figure.
fn said(status: StatusCode, mut body: Value) -> Response {
    body["took"] = json!(0.0);
    (status, Json(body)).into_response()
}
