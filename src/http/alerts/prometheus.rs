//! Alertmanager's API, as far as Prometheus and `amtool` use it: a Prometheus is pointed here as at an Alertmanager.
//!
//! Sources: alertmanager `api/v2/openapi.yaml`; prometheus `notifier`; `amtool` of Alertmanager 0.25.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tracing::error;

use super::{admit, malformed, take, turned_away};
use crate::alerts::proof::Unproved;
use crate::alerts::{Sent, alertmanager};
use crate::domain::catalog::{AlertSource, SourceKind};
use crate::http::{Rooms, fault};
use crate::store::alerts::KeptAlert;

/// Alerts that are shown to whoever asks.
const SHOWN: i64 = 1_000;
/// When an alert without an end of its own is said to end: Alertmanager's `resolve_timeout`.
const RESOLVE_TIMEOUT: SignedDuration = SignedDuration::from_mins(5);

/// `POST /api/v2/alerts`: 200 and an empty body, as an Alertmanager answers.
pub async fn post(
    State(rooms): State<Arc<Rooms>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let bytes = match admit(&rooms, &headers, body).await {
        Ok(bytes) => bytes,
        Err(response) => return *response,
    };
    let Some(source) = shown(&rooms, &headers, query.as_deref()) else {
        return turned_away("alertmanager", Unproved::Wrong);
    };
    let sent = Sent {
        source,
        headers: &headers,
        body: &bytes,
        now: rooms.clock.now(),
    };
    let told = match alertmanager::read_posted(&sent) {
        Ok(told) => told,
        Err(why) => return malformed(source, &why),
    };
    match take(&rooms, source, told, &headers, &bytes).await {
        Ok(_) => StatusCode::OK.into_response(),
        Err(response) => *response,
    }
}

/// `GET /api/v2/status`: that somebody is here. There is no cluster to be told of: replicas meet in the database.
pub async fn status(
    State(rooms): State<Arc<Rooms>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    if shown(&rooms, &headers, query.as_deref()).is_none() {
        return turned_away("alertmanager", Unproved::Wrong);
    }
    let version = env!("CARGO_PKG_VERSION");
    Json(json!({
        "cluster": { "name": "firebell", "peers": [], "status": "disabled" },
        "config": { "original": "" },
        "uptime": rooms.clock.now().to_string(),
        "versionInfo": {
            "version": format!("firebell-{version}"),
            "branch": "", "buildDate": "", "buildUser": "", "goVersion": "", "revision": "",
        },
    }))
    .into_response()
}

/// `GET /api/v2/alerts`: those of this source that fire.
pub async fn list(
    State(rooms): State<Arc<Rooms>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let Some(source) = shown(&rooms, &headers, query.as_deref()) else {
        return turned_away("alertmanager", Unproved::Wrong);
    };
    match rooms.desk.store.active_alerts(&source.id, SHOWN).await {
        Ok(active) => Json(active.iter().map(gettable).collect::<Vec<_>>()).into_response(),
        Err(cause) => {
            error!("Could not list alerts: {cause:#}");
            fault(
                StatusCode::SERVICE_UNAVAILABLE,
                "The database does not answer.",
            )
        }
    }
}

/// `GET /api/v2/silences` and `/api/v2/alerts/groups`: there are none here; `[[routes]]` and the cards silence.
pub async fn none(
    State(rooms): State<Arc<Rooms>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    match shown(&rooms, &headers, query.as_deref()) {
        Some(_) => Json(json!([])).into_response(),
        None => turned_away("alertmanager", Unproved::Wrong),
    }
}

/// `GET /api/v2/receivers`
pub async fn receivers(
    State(rooms): State<Arc<Rooms>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    match shown(&rooms, &headers, query.as_deref()) {
        Some(_) => Json(json!([{ "name": "firebell" }])).into_response(),
        None => turned_away("alertmanager", Unproved::Wrong),
    }
}

/// The source whose secret a request shows: an Alertmanager's body proves nothing, so it is not looked at.
fn shown<'r>(
    rooms: &'r Rooms,
    headers: &HeaderMap,
    query: Option<&str>,
) -> Option<&'r AlertSource> {
    rooms.source_shown(SourceKind::Alertmanager, headers, query, b"")
}

/// An alert as Alertmanager shows it: `gettableAlert`.
fn gettable(kept: &KeptAlert) -> Value {
    let (alert, tracked) = (&kept.alert, &kept.held.tracked);
    let ends = tracked
        .expires_at
        .unwrap_or(tracked.last_seen + RESOLVE_TIMEOUT);
    let mut annotations = json!({ "summary": alert.title });
    if let Some(description) = &alert.description {
        annotations["description"] = json!(description);
    }
    json!({
        "annotations": annotations,
        "endsAt": ends.to_string(),
        "fingerprint": alert.key,
        "receivers": [{ "name": "firebell" }],
        "startsAt": tracked.started_at.to_string(),
        "status": { "inhibitedBy": [], "silencedBy": [], "state": "active" },
        "updatedAt": tracked.last_seen.to_string(),
        "generatorURL": alert.links.origin.as_deref().unwrap_or_default(),
        "labels": alert.labels,
    })
}
