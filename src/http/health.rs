//! Whether the bot lives, whether it can work, and its figures.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{Rooms, fault};
use crate::domain::catalog::AlertSource;
use crate::slack::socket::Health;
use crate::store::ledger::Audited;

/// `GET /healthz`: the process answers.
pub async fn alive() -> &'static str {
    "ok\n"
}

/// For how long no connection of Socket Mode may be up.
const CUT_OFF: SignedDuration = SignedDuration::from_secs(60);

/// `GET /readyz`: somebody writes, the database answers, and Socket Mode, if it is used, is connected; what is degraded
/// is told. Slack's API being away is no reason to take the bot out of service: it keeps what is to be said until Slack
/// is back.
pub async fn ready(State(rooms): State<Arc<Rooms>>) -> Response {
    let store = &rooms.desk.store;
    if !rooms.desk.engine.is_running() {
        let body = json!({ "ready": false, "writer": "has stopped; the log says why" });
        return (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response();
    }
    if let Err(cause) = store.ping().await {
        let body = json!({ "ready": false, "database": format!("does not answer: {cause}") });
        return (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response();
    }
    let slack = match (&rooms.reception.slack, rooms.dispatcher.trouble()) {
        (None, _) => "not configured: SLACK_BOT_TOKEN is not set".to_owned(),
        (Some(_), None) => "ok".to_owned(),
        (Some(_), Some(why)) => format!("degraded: {why}"),
    };
    let socket = rooms.socket.as_ref().map(|socket| socket.health());
    let connections = socket.as_ref().map(|health| {
        let Health {
            up,
            wanted,
            trouble,
            ..
        } = health;
        let trouble = trouble.as_ref().map(|why| format!(": {why}"));
        format!(
            "{up} of {wanted} connections{}",
            trouble.unwrap_or_default()
        )
    });
    // Without Socket Mode nobody can ask anything of this bot: that is worth an alarm, but not a moment's absence.
    let cut_off = socket.is_some_and(|health| health.up == 0 && health.down_for > CUT_OFF);
    let counted = match (store.counts().await, store.waiting(rooms.clock.now()).await) {
        (Ok(counts), Ok(waiting)) => (counts, waiting),
        (Err(cause), _) | (_, Err(cause)) => {
            let body = json!({ "ready": false, "database": format!("does not answer: {cause:#}") });
            return (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response();
        }
    };
    let ((incidents, open), waiting) = counted;
    let given_up = rooms.dispatcher.given_up();
    let mut body = json!({
        "ready": !cut_off,
        "database": "ok",
        "slack": slack,
        "incidents": { "all": incidents, "open": open },
        "outbox": { "due": waiting.due, "later": waiting.later, "given_up": waiting.buried + given_up.told },
    });
    if let Some(last) = given_up.last {
        body["outbox"]["last_given_up"] = json!(last);
    }
    if let Some(connections) = connections {
        body["socket_mode"] = json!(connections);
    }
    let sources = &rooms.desk.catalog.alert_sources;
    let has_none = |source: &&AlertSource| {
        source.secret_env.is_some() && !rooms.alert_secrets.contains_key(&source.id)
    };
    // Which, is nobody's business.
    match (sources.iter().filter(has_none).count(), sources.len()) {
        (0, _) => {}
        (unset, all) => {
            body["alerts"] = json!(format!(
                "degraded: the secret of {unset} of {all} alert sources is not set, so nothing that is sent to them is \
                 believed; the log and `firebell doctor` name them"
            ));
        }
    }
    // Which, is nobody's business.
    if rooms.notifier.closed() > 0 {
        body["notifications"] = json!(format!(
            "degraded: what {} of the ways to people need is not set, so pages go by the others alone; the log and \
             `firebell doctor` name them",
            rooms.notifier.closed()
        ));
    }
    if !rooms.schedule_secrets.urls.is_empty() {
        // Which names it holds, is nobody's business.
        let now = rooms.clock.now();
        let kept = store.calendars().await.unwrap_or_default();
        let told = kept.iter().filter(|kept| !kept.faults(now).is_empty());
        let told: Vec<&str> = told.map(|kept| kept.schedule.as_str()).collect();
        body["calendars"] = json!(match told.is_empty() {
            true => "ok".to_owned(),
            false => format!(
                "degraded: the calendar of {} is old, or not understood as a whole; `/incident oncall` says more",
                told.join(", ")
            ),
        });
    }
    match store.last_audit().await {
        Ok(audited) => {
            if let Some(said) = out_of_balance(&audited, rooms.clock.now()) {
                body["ledger"] = json!(said);
            }
            if let Some(why) = &audited.beat_trouble {
                body["heartbeat"] = json!(format!(
                    "degraded: whoever watches over this bot did not hear that all is well: {why}"
                ));
            }
        }
        Err(cause) => body["ledger"] = json!(format!("degraded: it cannot be read: {cause:#}")),
    }
    if let Some(clock) = rooms.clock.trouble() {
        body["clock"] = json!(format!("degraded: {clock}"));
    }
    let status = match cut_off {
        true => StatusCode::SERVICE_UNAVAILABLE,
        false => StatusCode::OK,
    };
    (status, Json(body)).into_response()
}

/// So long the auditor of the ledger may be silent, who looks each minute.
const SILENT: SignedDuration = SignedDuration::from_mins(5);

/// What is wrong with the ledger, if anything is. What, is nobody's business here: the page `/ledger` says it.
fn out_of_balance(audited: &Audited, now: Timestamp) -> Option<String> {
    let where_to = "the log and the page /ledger say what";
    match (audited.findings.len(), audited.looked_at) {
        (0, Some(at)) if now.duration_since(at) > SILENT => Some(format!(
            "degraded: nobody has looked over it since {at:.0}; the log says why"
        )),
        (0, _) => None,
        (1, _) => Some(format!("degraded: 1 thing is out of balance; {where_to}")),
        (n, _) => Some(format!(
            "degraded: {n} things are out of balance; {where_to}"
        )),
    }
}

/// `GET /metrics`, in the text form of Prometheus.
pub async fn metrics(State(rooms): State<Arc<Rooms>>) -> Response {
    let Some(handle) = &rooms.metrics else {
        return fault(StatusCode::NOT_FOUND, "No figures are kept here.");
    };
    if let Ok(waiting) = rooms.desk.store.waiting(rooms.clock.now()).await {
        metrics::gauge!("firebell_outbox_due").set(waiting.due as f64);
        metrics::gauge!("firebell_outbox_later").set(waiting.later as f64);
        let given_up = waiting.buried + rooms.dispatcher.given_up().told;
        metrics::gauge!("firebell_outbox_given_up").set(given_up as f64);
    }
    if let Ok(audited) = rooms.desk.store.last_audit().await {
        metrics::gauge!("firebell_ledger_out_of_balance").set(audited.findings.len() as f64);
    }
    if let Ok((_, open)) = rooms.desk.store.counts().await {
        metrics::gauge!("firebell_incidents_open").set(open as f64);
    }
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        handle.render(),
    )
        .into_response()
}
