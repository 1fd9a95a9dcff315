//! PagerDuty's Events API v2: whatever sends to PagerDuty is pointed here instead.
//!
//! Source: PagerDuty developer docs, "Events API v2 overview", "API response codes & retry logic".

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tracing::error;

use super::{admit, come_again, take};
use crate::alerts::{Heading, Malformed, Sent, Told, pagerduty};
use crate::domain::catalog::{AlertSource, SourceKind};
use crate::domain::terms::DedupKey;
use crate::http::Rooms;

/// `POST /v2/enqueue`: an alert event.
pub async fn enqueue(
    State(rooms): State<Arc<Rooms>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let (source, told, bytes) =
        match read(&rooms, query.as_deref(), &headers, body, pagerduty::read).await {
            Ok(read) => read,
            Err(response) => return *response,
        };
    let key = told.alerts.first().map(|alert| alert.key.clone());
    match take(&rooms, source, told, &Heading::of(&headers), &bytes).await {
        Ok(_) => processed(key),
        Err(response) => *response,
    }
}

/// `POST /v2/change/enqueue`: a change event. It never pages; it stands on the timelines of the incidents that it concerns.
pub async fn change(
    State(rooms): State<Arc<Rooms>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let reading = read(
        &rooms,
        query.as_deref(),
        &headers,
        body,
        pagerduty::read_change,
    );
    let (source, told, _) = match reading.await {
        Ok(read) => read,
        Err(response) => return *response,
    };
    for change in told.alerts {
        if let Err(failure) = rooms.intake.change(&source.id, change).await {
            error!(source = source.id, "Could not keep a change: {failure}");
            return come_again();
        }
    }
    processed(None)
}

/// What a request says, the source whose key it shows, and its body.
async fn read<'r>(
    rooms: &'r Rooms,
    query: Option<&str>,
    headers: &HeaderMap,
    body: Body,
    read: fn(&Sent<'_>) -> Result<Told, Malformed>,
) -> Result<(&'r AlertSource, Told, Bytes), Box<Response>> {
    let bytes = admit(rooms, headers, body).await?;
    // The routing key stands in the body: what is no JSON shows none.
    if serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_err() {
        return Err(invalid(
            StatusCode::BAD_REQUEST,
            &["Invalid JSON".to_owned()],
        ));
    }
    let Some(source) = rooms.source_shown(SourceKind::Pagerduty, headers, query, &bytes) else {
        metrics::counter!("firebell_alert_requests_unproved_total").increment(1);
        let reason =
            "'routing_key' is invalid: it is the secret of a source of the kind \"pagerduty\"";
        return Err(invalid(StatusCode::UNAUTHORIZED, &[reason.to_owned()]));
    };
    let sent = Sent {
        source,
        headers,
        body: &bytes,
        now: rooms.clock.now(),
    };
    match read(&sent) {
        Ok(told) => Ok((source, told, bytes)),
        Err(why) if why.faults.is_empty() => Err(invalid(StatusCode::BAD_REQUEST, &[why.reason])),
        Err(why) => Err(invalid(StatusCode::BAD_REQUEST, &why.faults)),
    }
}

fn processed(key: Option<DedupKey>) -> Response {
    let mut said = json!({ "status": "success", "message": "Event processed" });
    if let Some(key) = key {
        said["dedup_key"] = json!(key);
    }
    (StatusCode::ACCEPTED, Json(said)).into_response()
}

fn invalid(status: StatusCode, errors: &[String]) -> Box<Response> {
    let said = json!({
        "status": "invalid event",
        "message": "Event object is invalid",
        "errors": errors,
    });
    Box::new((status, Json(said)).into_response())
}
