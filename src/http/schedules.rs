//! `GET /schedules/{id}.ics?token=…`: a schedule as a calendar, for whoever has its address.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret;
use serde::Deserialize;
use subtle::ConstantTimeEq;
use tracing::error;

use super::{Rooms, fault};
use crate::calendar::write::{calendar, window};

/// What stands behind the `?`. It is logged nowhere: a calendar's address is its secret.
#[derive(Deserialize)]
pub struct Shown {
    token: Option<String>,
}

/// `GET /schedules/{id}.ics`
pub async fn ics(
    State(rooms): State<Arc<Rooms>>,
    Path(file): Path<String>,
    Query(shown): Query<Shown>,
    headers: HeaderMap,
) -> Response {
    let catalog = &rooms.desk.catalog;
    let schedule = file
        .strip_suffix(".ics")
        .and_then(|id| catalog.schedule(id));
    let (Some(schedule), Some(token)) = (
        schedule,
        schedule.and_then(|it| rooms.schedule_secrets.tokens.get(&it.id)),
    ) else {
        return fault(
            StatusCode::NOT_FOUND,
            "No such calendar is served: `ical_token_env` of a schedule names the variable with its token.",
        );
    };
    let shown = shown.token.unwrap_or_default();
    if !bool::from(shown.as_bytes().ct_eq(token.expose_secret().as_bytes())) {
        return fault(
            StatusCode::UNAUTHORIZED,
            "This is not the token of the calendar: its address ends in ?token=…",
        );
    }
    let now = rooms.clock.now();
    let (from, to) = window(now);
    let overrides = match rooms.desk.store.overrides_between(from, to).await {
        Ok(overrides) => overrides,
        Err(cause) => {
            error!("Could not write a calendar: {cause:#}");
            return fault(
                StatusCode::SERVICE_UNAVAILABLE,
                "The overrides cannot be read now; the log says more.",
            );
        }
    };
    let written = calendar(catalog, schedule, &overrides, now);
    // Weak: two answers with the same turns differ in when they were written.
    let tag = format!("W/\"{}\"", written.tag);
    let fixed = [
        (header::ETAG, tag.clone()),
        (header::CACHE_CONTROL, "private, no-cache".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
    ];
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|list| list.split(',').any(|it| ["*", &tag].contains(&it.trim())));
    if known {
        return (StatusCode::NOT_MODIFIED, fixed).into_response();
    }
    let kind = [(header::CONTENT_TYPE, "text/calendar; charset=utf-8")];
    (fixed, kind, written.text).into_response()
}
