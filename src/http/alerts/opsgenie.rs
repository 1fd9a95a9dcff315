//! Opsgenie's API, as far as senders use it: alerts are created, changed by their alias and looked at; heartbeats ping.
//!
//! Sources: Opsgenie docs, "Alert API" and "Heartbeat API"; opsgenie-oas.
//!
//! An alert's id is its alias. What is asked for is done when it is answered, so what became of a request stands in the
//! id that it is given (see [`Became`]).

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tracing::error;
use uuid::Uuid;

use super::search::Search;
use super::{admit, asked, come_again, take};
use crate::alerts::opsgenie::{Request, act, create, key};
use crate::alerts::{Heading, Malformed, Sent, Told};
use crate::domain::alert::{Alert, AlertStatus};
use crate::domain::catalog::{AlertSource, SourceKind};
use crate::http::gate::soon;
use crate::http::{Named, Rooms};
use crate::store::alerts::{AlertId, KeptAlert};

/// Alerts that are looked through for whoever asks.
const LOOKED_THROUGH: i64 = 1_000;
/// How many of them are shown at a time, if nothing else is asked for; and at the most.
const PAGE: usize = 20;
const PAGE_MAX: usize = 100;

/// `POST /v2/alerts`
pub async fn post(
    State(rooms): State<Arc<Rooms>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let heading = Heading::of(&headers);
    receive(&rooms, query.as_deref(), &headers, &heading, body, create).await
}

/// `POST /v2/alerts/{alias}/{act}`
pub async fn post_act(
    State(rooms): State<Arc<Rooms>>,
    Named((alias, word)): Named<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Some(request) = Request::of(&word) else {
        let reason = format!("Of an alert only {} are taken here.", Request::words());
        return said(StatusCode::NOT_FOUND, json!({ "message": reason }));
    };
    if !is_by_alias(query.as_deref()) {
        return not_by_alias();
    }
    let heading = Heading::of(&headers).asking(&alias, &word);
    let read = |sent: &Sent<'_>| act(sent, &alias, request);
    receive(&rooms, query.as_deref(), &headers, &heading, body, read).await
}

/// `GET /v2/alerts`: the open alerts of this source that are asked for, the newest first.
pub async fn list(
    State(rooms): State<Arc<Rooms>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let query = query.as_deref();
    let found = match searched(&rooms, query, &headers).await {
        Ok(found) => found,
        Err(response) => return *response,
    };
    let number = |name| query.and_then(|query| asked(query, name)?.parse::<usize>().ok());
    let limit = number("limit").unwrap_or(PAGE).min(PAGE_MAX);
    let page = found.iter().skip(number("offset").unwrap_or(0)).take(limit);
    answered(page.map(shown).collect())
}

/// `GET /v2/alerts/count`
pub async fn count(
    State(rooms): State<Arc<Rooms>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    match searched(&rooms, query.as_deref(), &headers).await {
        Ok(found) => answered(json!({ "count": found.len() })),
        Err(response) => *response,
    }
}

/// `GET /v2/alerts/{alias}`: an alert, open or closed.
pub async fn get(
    State(rooms): State<Arc<Rooms>>,
    Named(alias): Named<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let Some(source) = known(&rooms, query.as_deref(), &headers) else {
        return forbidden();
    };
    if !is_by_alias(query.as_deref()) {
        return not_by_alias();
    }
    let Some(key) = key(&alias) else {
        return unknown("There is no alert of this alias.");
    };
    let Some(_room) = soon(&rooms.lookups).await else {
        return busy();
    };
    match rooms.desk.store.alert(&AlertId::of(&source.id, &key)).await {
        Ok(Some(kept)) => answered(shown(&kept)),
        Ok(None) => unknown("There is no alert of this alias."),
        Err(cause) => away(&cause),
    }
}

/// `GET /v2/alerts/requests/{id}`: what became of a request. Whatever was answered 202 is stored by then.
pub async fn request(
    State(rooms): State<Arc<Rooms>>,
    Named(id): Named<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    if known(&rooms, query.as_deref(), &headers).is_none() {
        return forbidden();
    }
    let became = id.parse::<Uuid>().ok();
    let Some((id, became)) = became.and_then(|id| Some((id, Became::of(id)?))) else {
        return unknown("There is no such request.");
    };
    let (is_success, status) = match became {
        Became::Done => (true, "Stored"),
        Became::NoAlert => (false, "Alert does not exist"),
    };
    let data = json!({ "success": is_success, "isSuccess": is_success, "status": status, "action": "", "alertId": "", "alias": "" });
    said(
        StatusCode::OK,
        json!({ "data": data, "requestId": id.to_string() }),
    )
}

/// What became of a request. Opsgenie answers each with 202 and says later what came of it to whoever asks; by then we
/// have nothing but the id of the request, so that says it, by its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Became {
    /// It is done.
    Done,
    /// It was about an alert of which nobody has heard.
    NoAlert,
}

impl Became {
    fn id(self) -> Uuid {
        match self {
            Became::Done => Uuid::now_v7(),
            Became::NoAlert => Uuid::new_v4(),
        }
    }

    fn of(id: Uuid) -> Option<Self> {
        match id.get_version_num() {
            7 => Some(Became::Done),
            4 => Some(Became::NoAlert),
            _ => None,
        }
    }
}

/// `GET /v2/heartbeats/{name}/ping`, or any method that sends: who is to speak now and then speaks. Its name is the id of a
/// `[[heartbeats]]` entry of this source.
pub async fn ping(
    State(rooms): State<Arc<Rooms>>,
    Named(name): Named<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let Some(source) = known(&rooms, query.as_deref(), &headers) else {
        return forbidden();
    };
    match rooms.intake.heartbeat(&source.id, Some(&name)).await {
        Ok(0) => unknown(
            "No such heartbeat is expected: a [[heartbeats]] entry with this id, and with this source, makes one.",
        ),
        Ok(_) => will_be("PONG - Heartbeat received", Became::Done),
        Err(failure) => {
            error!(source = source.id, "Could not note a heartbeat: {failure}");
            come_again()
        }
    }
}

async fn receive(
    rooms: &Rooms,
    query: Option<&str>,
    headers: &HeaderMap,
    heading: &Heading,
    body: Body,
    read: impl FnOnce(&Sent<'_>) -> Result<Told, Malformed>,
) -> Response {
    let bytes = match admit(rooms, headers, body).await {
        Ok(bytes) => bytes,
        Err(response) => return *response,
    };
    let Some(source) = known(rooms, query, headers) else {
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
    match take(rooms, source, told, heading, &bytes).await {
        Ok(done) => {
            let became = match done.taken.unknown {
                0 => Became::Done,
                _ => Became::NoAlert,
            };
            will_be("Request will be processed", became)
        }
        Err(response) => *response,
    }
}

/// The source whose key a request shows; its body proves nothing.
fn known<'r>(
    rooms: &'r Rooms,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Option<&'r AlertSource> {
    rooms.source_shown(SourceKind::Opsgenie, headers, query, b"")
}

/// The open alerts that a query asks for.
async fn searched(
    rooms: &Rooms,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Result<Vec<KeptAlert>, Box<Response>> {
    let Some(source) = known(rooms, query, headers) else {
        return Err(Box::new(forbidden()));
    };
    let search = query.and_then(|query| asked(query, "query"));
    let search = Search::of(search.as_deref().unwrap_or_default()).map_err(|why| {
        let reason = json!({ "message": why });
        Box::new(said(StatusCode::UNPROCESSABLE_ENTITY, reason))
    })?;
    let room = soon(&rooms.lookups).await;
    let _room = room.ok_or_else(|| Box::new(busy()))?;
    let active = rooms.desk.store.active_alerts(&source.id, LOOKED_THROUGH);
    let mut active = active.await.map_err(|cause| Box::new(away(&cause)))?;
    active.retain(|kept| search.shows(&kept.alert));
    Ok(active)
}

/// An alert as Opsgenie shows it: `Alert`.
fn shown(kept: &KeptAlert) -> Value {
    let (alert, tracked) = (&kept.alert, &kept.held.tracked);
    let Alert {
        key,
        title,
        description,
        severity,
        labels,
        ..
    } = alert;
    let label = |name: &str| labels.get(name).map_or("", String::as_str);
    let tags = labels.get("tags").into_iter().flat_map(|it| it.split(','));
    let team = labels
        .get("team")
        .map(|name| json!({ "type": "team", "id": name, "name": name }));
    let status = match tracked.status {
        AlertStatus::Firing | AlertStatus::Acknowledged => "open",
        AlertStatus::Resolved => "closed",
    };
    json!({
        "id": key,
        "tinyId": key,
        "alias": key,
        "message": title,
        "status": status,
        "acknowledged": tracked.status == AlertStatus::Acknowledged,
        "isSeen": tracked.status == AlertStatus::Acknowledged,
        "snoozed": false,
        "tags": tags.collect::<Vec<_>>(),
        "count": tracked.count,
        "createdAt": tracked.started_at.to_string(),
        "updatedAt": tracked.last_seen.to_string(),
        "lastOccurredAt": tracked.last_seen.to_string(),
        "source": label("exported_source"),
        "owner": "",
        "priority": severity,
        "responders": Vec::from_iter(team),
        "integration": { "id": kept.id.source(), "name": kept.id.source(), "type": "API" },
        "entity": label("entity"),
        "description": description.as_deref().unwrap_or_default(),
        "details": labels,
    })
}

/// An alert's id is its alias, so both are the same way of naming it.
fn is_by_alias(query: Option<&str>) -> bool {
    let kind = query.and_then(|query| asked(query, "identifierType"));
    kind.is_none_or(|kind| ["alias", "id"].contains(&kind.as_str()))
}

fn not_by_alias() -> Response {
    let reason = "Alerts are known by their alias here: write ?identifierType=alias.";
    let reason = json!({ "message": reason });
    said(StatusCode::UNPROCESSABLE_ENTITY, reason)
}

fn unknown(reason: &str) -> Response {
    said(StatusCode::NOT_FOUND, json!({ "message": reason }))
}

/// Too many look alerts up at once. Nobody loses an alert by it, and clients of Opsgenie know to wait.
fn busy() -> Response {
    let reason = "Too many look alerts up at once: ask again in a moment.";
    let mut response = said(
        StatusCode::TOO_MANY_REQUESTS,
        json!({ "message": reason, "requestId": Uuid::now_v7().to_string() }),
    );
    let after = HeaderValue::from_static("1");
    response.headers_mut().insert(header::RETRY_AFTER, after);
    response
}

fn away(cause: &anyhow::Error) -> Response {
    error!("Could not look alerts up: {cause:#}");
    let reason = json!({ "message": "The database does not answer." });
    said(StatusCode::SERVICE_UNAVAILABLE, reason)
}

fn forbidden() -> Response {
    metrics::counter!("firebell_alert_requests_unproved_total").increment(1);
    let reason = "Authorization: GenieKey … is wrong: it is the secret of a source of the kind \"opsgenie\".";
    said(StatusCode::UNAUTHORIZED, json!({ "message": reason }))
}

/// What was asked for is done, though the words are Opsgenie's.
fn will_be(result: &str, became: Became) -> Response {
    said(
        StatusCode::ACCEPTED,
        json!({ "result": result, "requestId": became.id().to_string() }),
    )
}

fn answered(data: Value) -> Response {
    let id = Uuid::now_v7().to_string();
    said(StatusCode::OK, json!({ "data": data, "requestId": id }))
}

/// Opsgenie says with each answer how long it took; ours take no time worth a figure.
fn said(status: StatusCode, mut body: Value) -> Response {
    body["took"] = json!(0.0);
    (status, Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_looks_while_too_many_do_is_told_to_ask_again() {
        let lookups = Semaphore::new(1);
        let room = soon(&lookups).await;
        assert!(room.is_some() && soon(&lookups).await.is_none());
        drop(room);
        assert!(soon(&lookups).await.is_some());
        let response = busy();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        let body = axum::body::to_bytes(response.into_body(), 1_000).await;
        let body: Value = serde_json::from_slice(&body.unwrap()).unwrap();
        let keys: Vec<_> = body.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["message", "requestId", "took"]);
    }
}
