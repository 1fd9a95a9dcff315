//! Alertmanager's API, as far as Prometheus and `amtool` use it: a Prometheus is pointed here as at an Alertmanager.
//!
//! Sources: alertmanager `api/v2/openapi.yaml`; prometheus `notifier`; `amtool` of Alertmanager 0.25.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tracing::error;

use super::filter::{Filter, RECEIVER};
use super::{admit, count_malformed, take, turned_away};
use crate::alerts::proof::Unproved;
use crate::alerts::{Heading, Sent, alertmanager};
use crate::domain::catalog::{AlertSource, SourceKind};
use crate::http::gate::soon;
use crate::http::{Rooms, fault};
use crate::store::Store;
use crate::store::alerts::KeptAlert;

/// Alerts that are shown to whoever asks.
const SHOWN: usize = 1_000;
/// The same, as the store counts.
const PAGE: i64 = SHOWN as i64;
/// When an alert without an end of its own is said to end: Alertmanager's `resolve_timeout`.
const RESOLVE_TIMEOUT: SignedDuration = SignedDuration::from_mins(5);

/// The configuration of an Alertmanager that does the same: `amtool config` reads it.
const CONFIG: &str = "route:\n  receiver: firebell\nreceivers:\n- name: firebell\n";

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
        return stranger(&headers, query.as_deref());
    };
    let sent = Sent {
        source,
        headers: &headers,
        body: &bytes,
        now: rooms.clock.now(),
    };
    let told = match alertmanager::read_posted(&sent) {
        Ok(told) => told,
        Err(why) => {
            count_malformed(source, &why);
            return refused(&why.reason);
        }
    };
    match take(&rooms, source, told, &Heading::of(&headers), &bytes).await {
        Ok(_) => StatusCode::OK.into_response(),
        Err(response) => *response,
    }
}

/// `GET /-/healthy` and `GET /-/ready`, by which an Alertmanager is probed: whether Firebell can work says `/readyz`.
pub async fn probe() -> &'static str {
    "OK"
}

/// `GET /api/v2/status`: that somebody is here. There is no cluster to be told of: replicas meet in the database.
pub async fn status(
    State(rooms): State<Arc<Rooms>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    if shown(&rooms, &headers, query.as_deref()).is_none() {
        return stranger(&headers, query.as_deref());
    }
    let version = env!("CARGO_PKG_VERSION");
    Json(json!({
        "cluster": { "name": "firebell", "peers": [], "status": "disabled" },
        "config": { "original": CONFIG },
        "uptime": rooms.started_at.to_string(),
        "versionInfo": {
            "version": format!("firebell-{version}"),
            "branch": "", "buildDate": "", "buildUser": "", "goVersion": "", "revision": "",
        },
    }))
    .into_response()
}

/// `GET /api/v2/alerts`: those of this source that fire and are asked for.
pub async fn list(
    State(rooms): State<Arc<Rooms>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    match asked_for(&rooms, query.as_deref(), &headers).await {
        Ok(active) => Json(active.iter().map(gettable).collect::<Vec<_>>()).into_response(),
        Err(response) => *response,
    }
}

/// `GET /api/v2/alerts/groups`: the same by their names, as they are grouped when no route says otherwise.
pub async fn groups(
    State(rooms): State<Arc<Rooms>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let active = match asked_for(&rooms, query.as_deref(), &headers).await {
        Ok(active) => active,
        Err(response) => return *response,
    };
    let mut groups: BTreeMap<Option<&str>, Vec<Value>> = BTreeMap::new();
    for kept in &active {
        let name = kept.alert.labels.get("alertname");
        let group = groups.entry(name.map(String::as_str)).or_default();
        group.push(gettable(kept));
    }
    let group = |(name, alerts): (Option<&str>, Vec<Value>)| {
        let labels = name.map_or(json!({}), |name| json!({ "alertname": name }));
        json!({ "labels": labels, "receiver": { "name": RECEIVER }, "alerts": alerts })
    };
    Json(groups.into_iter().map(group).collect::<Vec<_>>()).into_response()
}

/// The alerts that a query asks for, in Alertmanager's order: by their fingerprints.
async fn asked_for(
    rooms: &Rooms,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Result<Vec<KeptAlert>, Box<Response>> {
    let Some(source) = shown(rooms, headers, query) else {
        return Err(Box::new(stranger(headers, query)));
    };
    let filter = Filter::of(query).map_err(|why| Box::new(refused(&why)))?;
    let Some(_room) = soon(&rooms.lookups).await else {
        let reason = "Too many look alerts up at once: ask again in a moment.";
        return Err(Box::new(fault(StatusCode::SERVICE_UNAVAILABLE, reason)));
    };
    match newest(&rooms.desk.store, source, &filter).await {
        Ok(mut active) => {
            active.sort_by(|one, other| one.alert.key.as_str().cmp(other.alert.key.as_str()));
            Ok(active)
        }
        Err(cause) => {
            error!("Could not list alerts: {cause:#}");
            Err(Box::new(fault(
                StatusCode::SERVICE_UNAVAILABLE,
                "The database does not answer.",
            )))
        }
    }
}

/// The newest that a filter shows. All are looked through, a page at a time.
async fn newest(
    store: &Store,
    source: &AlertSource,
    filter: &Filter,
) -> anyhow::Result<Vec<KeptAlert>> {
    if filter.shows_all() {
        return store.active_alerts(&source.id, PAGE).await;
    }
    let mut found: Vec<KeptAlert> = Vec::new();
    let mut last = None;
    let mut is_more = !filter.shows_none();
    while is_more {
        let page = store.active_alerts_behind(&source.id, last.as_ref(), PAGE);
        let page = page.await?;
        is_more = page.len() == SHOWN;
        last = page.last().map(|kept| kept.id.clone());
        let shown = page.into_iter();
        found.extend(shown.filter(|kept| filter.shows(&kept.alert.labels)));
        if found.len() > SHOWN {
            found.sort_by_key(|kept| Reverse(kept.held.tracked.last_seen));
            found.truncate(SHOWN);
        }
    }
    Ok(found)
}

/// `GET /api/v2/silences`: there are none here; `[[routes]]` and the cards silence.
pub async fn silences(
    State(rooms): State<Arc<Rooms>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    match shown(&rooms, &headers, query.as_deref()) {
        Some(_) => Json(json!([])).into_response(),
        None => stranger(&headers, query.as_deref()),
    }
}

/// `POST /api/v2/silences`: none is taken, and whoever asks is told what silences here.
pub async fn silence(
    State(rooms): State<Arc<Rooms>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    match shown(&rooms, &headers, query.as_deref()) {
        Some(_) => refused(
            "Firebell keeps no silences: [[maintenance]] in firebell.toml keeps alerts back for a time, [[routes]] with then = \"suppress\" for good.",
        ),
        None => stranger(&headers, query.as_deref()),
    }
}

/// `GET /api/v2/receivers`
pub async fn receivers(
    State(rooms): State<Arc<Rooms>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    match shown(&rooms, &headers, query.as_deref()) {
        Some(_) => Json(json!([{ "name": RECEIVER }])).into_response(),
        None => stranger(&headers, query.as_deref()),
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

/// Whoever shows the secret of no Alertmanager.
fn stranger(headers: &HeaderMap, query: Option<&str>) -> Response {
    turned_away("alertmanager", Unproved::Wrong, headers, query, b"")
}

/// A refusal as Alertmanager words it: `amtool` shows what is a JSON text, and of anything else only that it cannot read
/// it.
fn refused(reason: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(reason)).into_response()
}

/// An alert as Alertmanager shows it: `gettableAlert`.
fn gettable(kept: &KeptAlert) -> Value {
    let (alert, tracked) = (&kept.alert, &kept.held.tracked);
    let ends = tracked
        .expires_at
        .unwrap_or(tracked.last_seen + RESOLVE_TIMEOUT);
    let links = &alert.links;
    let annotations: BTreeMap<_, _> = [
        // Without a summary the name is the title.
        (
            "summary",
            Some(&alert.title).filter(|it| **it != alert.name),
        ),
        ("description", alert.description.as_ref()),
        ("runbook_url", links.runbook.as_ref()),
        ("dashboard_url", links.dashboard.as_ref()),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect();
    json!({
        "annotations": annotations,
        "endsAt": ends.to_string(),
        "fingerprint": alert.key,
        "receivers": [{ "name": RECEIVER }],
        "startsAt": tracked.started_at.to_string(),
        "status": { "inhibitedBy": [], "silencedBy": [], "state": "active" },
        "updatedAt": tracked.last_seen.to_string(),
        "generatorURL": alert.links.origin.as_deref().unwrap_or_default(),
        "labels": alert.labels,
    })
}
