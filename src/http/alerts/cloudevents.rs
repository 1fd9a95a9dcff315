//! The handshake by which a sender of CloudEvents asks whether it may send here: `OPTIONS /alerts/{source}`.
//!
//! Source: CloudEvents, "HTTP 1.1 Web Hooks for Event Delivery", section 4.
//!
//! ```text
//! OPTIONS /alerts/events?token=…                      200 OK
//! WebHook-Request-Origin: eventgrid.example.net   →   WebHook-Allowed-Origin: eventgrid.example.net
//! WebHook-Request-Rate: 120                           WebHook-Allowed-Rate: 120
//! ```
//!
//! It protects the sender from being sent to a stranger, and proves nothing: so the secret must be shown here as with
//! every delivery, or nobody is told anything. `WebHook-Request-Callback`, an address at which permission could be given
//! later, is never called: whoever asks could have written any address there, and whoever may send is told so at once.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::turned_away;
use crate::domain::catalog::SourceKind;
use crate::http::{Named, Rooms, fault};

/// Who wants to send: a name of the DNS.
const ORIGIN: &str = "webhook-request-origin";
/// How many requests it wants to send in a minute.
const RATE: &str = "webhook-request-rate";
const ALLOWED_ORIGIN: HeaderName = HeaderName::from_static("webhook-allowed-origin");
const ALLOWED_RATE: HeaderName = HeaderName::from_static("webhook-allowed-rate");
/// The longest name that the DNS has.
const NAME_MAX: usize = 253;

/// `OPTIONS /alerts/{source}`
pub async fn validate(
    State(rooms): State<Arc<Rooms>>,
    Named(id): Named<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let source = match rooms.source_proved(&id, &headers, query.as_deref(), b"") {
        Ok(source) => source,
        Err(why) => return turned_away(&id, why, &headers, query.as_deref(), b""),
    };
    let allow = |methods| [(header::ALLOW, HeaderValue::from_static(methods))];
    if source.kind != SourceKind::Cloudevents {
        let reason =
            "Only a source of the kind \"cloudevents\" is asked whether it may be sent to.";
        let refusal = fault(StatusCode::METHOD_NOT_ALLOWED, reason);
        return (allow("POST,PUT"), refusal).into_response();
    }
    let Some(origin) = headers.get(ORIGIN).filter(|it| is_name(it)) else {
        let reason = "WebHook-Request-Origin must say who wants to send: emitter.example.com.";
        return fault(StatusCode::BAD_REQUEST, reason);
    };
    // As fast as it likes: whoever comes too fast is told to come again.
    let unlimited = HeaderValue::from_static("*");
    let rate = headers.get(RATE).unwrap_or(&unlimited);
    if rate != unlimited && !is_rate(rate) {
        let reason = "WebHook-Request-Rate must be a number of requests in a minute: 120.";
        return fault(StatusCode::BAD_REQUEST, reason);
    }
    let allowed = [
        (ALLOWED_ORIGIN, origin.clone()),
        (ALLOWED_RATE, rate.clone()),
    ];
    (StatusCode::OK, allow("POST,PUT"), allowed).into_response()
}

fn is_name(value: &HeaderValue) -> bool {
    let legal = |b: &u8| b.is_ascii_alphanumeric() || b"-._".contains(b);
    let name = value.as_bytes();
    !name.is_empty() && name.len() <= NAME_MAX && name.iter().all(legal)
}

fn is_rate(value: &HeaderValue) -> bool {
    let number = value.to_str().ok().and_then(|it| it.parse::<u32>().ok());
    number.is_some_and(|number| number > 0)
}
