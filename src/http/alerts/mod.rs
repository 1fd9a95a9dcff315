//! The doors of alert senders: who is believed, what is malformed, and what each is answered.
//!
//! Here stands the door of a source by its id; beside it those that senders know from elsewhere and only need pointing
//! at: `prometheus` (Alertmanager's API), `pagerduty` (Events API v2), `opsgenie` (alert API). They find the source by
//! the secret that is shown. `sns` is where Amazon SNS delivers: it shows no secret, it signs. `cloudevents` is where those
//! who send CloudEvents ask first.

pub mod cloudevents;
mod filter;
pub mod opsgenie;
pub mod pagerduty;
pub mod prometheus;
mod search;
pub mod sns;

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tracing::{error, info};

pub use filter::Filter;
pub use search::Search;

use super::gate::{length, read, too_large};
use super::{Named, Rooms, fault};
use crate::alerts::proof::{Unproved, prove};
use crate::alerts::{Heading, Malformed, Sent, Told};
use crate::domain::catalog::{AlertSource, SourceKind};
use crate::domain::terms::DeliveryId;
use crate::intake::{self, IntakeError, Taken};

/// The largest body that is read: a storm of an Alertmanager in one request.
const BODY_LIMIT: usize = 4_000_000;
/// After how many seconds a sender may come again.
const COME_AGAIN: &str = "5";

/// `POST /alerts/{source}`: what any sender says, once it has shown the secret of the source.
pub async fn post(
    State(rooms): State<Arc<Rooms>>,
    Named(id): Named<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let bytes = match admit(&rooms, &headers, body).await {
        Ok(bytes) => bytes,
        Err(response) => return *response,
    };
    let source = rooms.desk.catalog.alert_source(&id);
    if let Some(source) = source.filter(|it| it.kind == SourceKind::CloudwatchSns) {
        // Its signature is the proof; where there is a secret, both are.
        if source.secret_env.is_some()
            && let Err(why) = rooms.believes(source, &headers, query.as_deref(), &bytes)
        {
            return turned_away(&id, why, &headers, query.as_deref(), &bytes);
        }
        return sns::receive(&rooms, source, &headers, &bytes).await;
    }
    let source = match rooms.source_proved(&id, &headers, query.as_deref(), &bytes) {
        Ok(source) => source,
        Err(why) => return turned_away(&id, why, &headers, query.as_deref(), &bytes),
    };
    let sent = Sent {
        source,
        headers: &headers,
        body: &bytes,
        now: rooms.clock.now(),
    };
    match crate::alerts::read(&sent) {
        Ok(told) => match take(&rooms, source, told, &Heading::of(&headers), &bytes).await {
            Ok(done) => done.into_response(),
            Err(response) => *response,
        },
        Err(why) => malformed(source, &why),
    }
}

/// `POST /alerts/{source}/heartbeat`: the source lives. `?name=` says which of its heartbeats it is, if it has several.
pub async fn heartbeat(
    State(rooms): State<Arc<Rooms>>,
    Named(id): Named<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    if let Err(why) = rooms.source_proved(&id, &headers, query.as_deref(), b"") {
        return turned_away(&id, why, &headers, query.as_deref(), b"");
    }
    let name = query.as_deref().and_then(|query| asked(query, "name"));
    match rooms.intake.heartbeat(&id, name.as_deref()).await {
        Ok(0) => {
            let reason = "No such heartbeat is expected: a [[heartbeats]] entry with this source, and no `match`, makes one.";
            fault(StatusCode::NOT_FOUND, reason)
        }
        Ok(heard) => Json(json!({ "status": "heard", "heartbeats": heard })).into_response(),
        Err(failure) => {
            error!(source = id, "Could not note a heartbeat: {failure}");
            come_again()
        }
    }
}

/// What was done with a request, for a person who reads the answer.
struct Done {
    taken: Taken,
    alerts: usize,
    skipped: Vec<Malformed>,
}

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        let skipped: Vec<&str> = self.skipped.iter().map(|it| it.reason.as_str()).collect();
        Json(json!({
            "status": "stored",
            "alerts": self.alerts,
            "began": self.taken.began,
            "ended": self.taken.ended,
            "unknown": self.taken.unknown,
            "repeated": self.taken.repeated,
            "skipped": skipped,
        }))
        .into_response()
    }
}

/// Reads a body; whoever comes while too many wait is told to come again, before a byte of it is read.
async fn admit(rooms: &Rooms, headers: &HeaderMap, body: Body) -> Result<Bytes, Box<Response>> {
    let length = length(headers);
    if length.is_some_and(|length| length > BODY_LIMIT) {
        return Err(Box::new(too_large(BODY_LIMIT)));
    }
    if rooms.intake.is_full() {
        return Err(Box::new(come_again()));
    }
    let Some(room) = rooms.alert_gate.room(length).await else {
        return Err(Box::new(come_again()));
    };
    let bytes = read(body, BODY_LIMIT).await?;
    drop(room);
    Ok(bytes)
}

impl Rooms {
    /// Whether a request shows what the source's senders show.
    fn believes(
        &self,
        source: &AlertSource,
        headers: &HeaderMap,
        query: Option<&str>,
        body: &[u8],
    ) -> Result<(), Unproved> {
        let token = token(query);
        let secret = self.alert_secrets.get(&source.id);
        prove(
            source,
            secret,
            headers,
            token.as_deref(),
            body,
            self.clock.now(),
        )
    }

    /// The source of this id, if a request shows what its senders show. Whether there is such a source is nobody's business
    /// who does not.
    fn source_proved(
        &self,
        id: &str,
        headers: &HeaderMap,
        query: Option<&str>,
        body: &[u8],
    ) -> Result<&AlertSource, Unproved> {
        let source = self.desk.catalog.alert_source(id);
        let source = source.ok_or(Unproved::NoSource)?;
        self.believes(source, headers, query, body)?;
        Ok(source)
    }

    /// The source of a kind whose secret a request shows. Each is tried, so that a wrong secret costs what a right one
    /// does.
    fn source_shown(
        &self,
        kind: SourceKind,
        headers: &HeaderMap,
        query: Option<&str>,
        body: &[u8],
    ) -> Option<&AlertSource> {
        let sources = self.desk.catalog.alert_sources.iter();
        let mut found = None;
        for source in sources.filter(|source| source.kind == kind) {
            let is_believed = self.believes(source, headers, query, body).is_ok();
            found = found.or(is_believed.then_some(source));
        }
        found
    }
}

/// Writes down what a source says.
async fn take(
    rooms: &Rooms,
    source: &AlertSource,
    told: Told,
    heading: &Heading,
    body: &Bytes,
) -> Result<Done, Box<Response>> {
    let alerts = told.alerts.len();
    let kind = source.kind.word();
    metrics::counter!("firebell_alerts_received_total", "source" => kind).increment(alerts as u64);
    let request = intake::Request {
        source: source.id.clone(),
        alerts: told.alerts,
        delivery: told
            .delivery
            .map(|id| DeliveryId::new(format!("alert/{}/{id}", source.id))),
        content_type: heading.content_type().chars().take(200).collect(),
        heading: heading.kept(),
        body: body.clone(),
    };
    if request.alerts.is_empty() {
        return Ok(Done {
            taken: Taken::default(),
            alerts,
            skipped: told.skipped,
        });
    }
    match rooms.intake.take(request).await {
        Ok(taken) => Ok(Done {
            taken,
            alerts,
            skipped: told.skipped,
        }),
        Err(IntakeError::Overloaded) => Err(Box::new(come_again())),
        Err(failure) => {
            error!(source = source.id, "Could not store alerts: {failure}");
            Err(Box::new(come_again()))
        }
    }
}

/// Overload is answered 503: every sender comes again then, and some take 429 for a refusal (alert-payloads.md).
fn come_again() -> Response {
    metrics::counter!("firebell_alert_requests_shed_total").increment(1);
    let reason = "Nothing was stored: too much at once, or the database is away. Send it again.";
    let mut response = fault(StatusCode::SERVICE_UNAVAILABLE, reason);
    let after = HeaderValue::from_static(COME_AGAIN);
    response.headers_mut().insert(header::RETRY_AFTER, after);
    response
}

/// Turns a request away: the log says why, the answer says what it shows.
fn turned_away(
    source: &str,
    why: Unproved,
    headers: &HeaderMap,
    query: Option<&str>,
    body: &[u8],
) -> Response {
    let shown: String = source
        .chars()
        .filter(|c| c.is_ascii_graphic())
        .take(64)
        .collect();
    info!("Turned alerts for the source {shown} away: {why}");
    metrics::counter!("firebell_alert_requests_unproved_total").increment(1);
    let told = why.to_a_stranger(headers, token(query).as_deref(), body);
    fault(StatusCode::UNAUTHORIZED, &told.to_string())
}

/// The secret that an address shows.
fn token(query: Option<&str>) -> Option<String> {
    let query = query?;
    // The second name is that of RFC 6750, which the webhooks of CloudEvents go by.
    asked(query, "token").or_else(|| asked(query, "access_token"))
}

fn malformed(source: &AlertSource, why: &Malformed) -> Response {
    count_malformed(source, why);
    fault(StatusCode::BAD_REQUEST, &why.reason)
}

fn count_malformed(source: &AlertSource, why: &Malformed) {
    info!(source = source.id, "Could not read alerts: {why}");
    metrics::counter!("firebell_alert_requests_malformed_total").increment(1);
}

/// What a query says of something.
fn asked(query: &str, wanted: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs
        .find(|(name, _)| name == wanted)
        .map(|(_, value)| value.into_owned())
}
