//! PagerDuty's Events API v2: whatever sends to PagerDuty is pointed here instead.
//!
//! Source: PagerDuty developer docs, "Events API v2 overview", "API response codes & retry logic".

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::{admit, take};
use crate::alerts::{Malformed, Sent, Told, pagerduty};
use crate::domain::catalog::SourceKind;
use crate::http::Rooms;

/// `POST /v2/enqueue`: an alert event.
pub async fn enqueue(
    State(rooms): State<Arc<Rooms>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    receive(&rooms, query.as_deref(), &headers, body, pagerduty::read).await
}

/// `POST /v2/change/enqueue`: a change event, which never pages.
pub async fn change(
    State(rooms): State<Arc<Rooms>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    receive(
        &rooms,
        query.as_deref(),
        &headers,
        body,
        pagerduty::read_change,
    )
    .await
}

async fn receive(
    rooms: &Rooms,
    query: Option<&str>,
    headers: &HeaderMap,
    body: Body,
    read: fn(&Sent<'_>) -> Result<Told, Malformed>,
) -> Response {
    let bytes = match admit(rooms, headers, body).await {
        Ok(bytes) => bytes,
        Err(response) => return *response,
    };
    // The routing key stands in the body: what is no JSON shows none.
    if serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_err() {
        return invalid(StatusCode::BAD_REQUEST, &["Invalid JSON".to_owned()]);
    }
    let Some(source) = rooms.source_shown(SourceKind::Pagerduty, headers, query, &bytes) else {
        metrics::counter!("firebell_alert_requests_unproved_total").increment(1);
        let reason =
            "'routing_key' is invalid: it is the secret of a source of the kind \"pagerduty\"";
        return invalid(StatusCode::UNAUTHORIZED, &[reason.to_owned()]);
    };
    let sent = Sent {
        source,
        headers,
        body: &bytes,
        now: rooms.clock.now(),
    };
    let told = match read(&sent) {
        Ok(told) => told,
        Err(why) if why.faults.is_empty() => {
            return invalid(StatusCode::BAD_REQUEST, &[why.reason]);
        }
        Err(why) => return invalid(StatusCode::BAD_REQUEST, &why.faults),
    };
    let key = told.alerts.first().map(|alert| alert.key.clone());
    match take(rooms, source, told, headers, &bytes).await {
        Ok(_) => {
            let mut said = json!({ "status": "success", "message": "Event processed" });
            if let Some(key) = key {
                said["dedup_key"] = json!(key);
            }
            (StatusCode::ACCEPTED, Json(said)).into_response()
        }
        Err(response) => *response,
    }
}

fn invalid(status: StatusCode, errors: &[String]) -> Response {
    let said = json!({
        "status": "invalid event",
        "message": "Event object is invalid",
        "errors": errors,
    });
    (status, Json(said)).into_response()
}
