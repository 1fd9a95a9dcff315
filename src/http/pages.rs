//! Pages for people and files for wikis; closed to whoever does not know `FIREBELL_API_TOKEN`.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::BytesMut;
use futures_util::stream::{self, Stream};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use tokio::io::AsyncReadExt;
use tracing::error;

use super::{Rooms, fault};
use crate::domain::event::ExportFormat;
use crate::domain::terms::IncidentId;
use crate::export;

/// Bytes of a record that are written and not yet sent.
const IN_FLIGHT: usize = 64 * 1024;

/// `GET /incidents/{id}/postmortem.{md,json,html,csv}`
pub async fn postmortem(
    State(rooms): State<Arc<Rooms>>,
    Path((id, file)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    if let Err(response) = admit(rooms.api_token.as_ref(), &headers) {
        return *response;
    }
    let format = file.strip_prefix("postmortem.").and_then(|ending| {
        ExportFormat::ALL
            .into_iter()
            .find(|format| format.extension() == ending)
    });
    let Some(format) = format else {
        return fault(
            StatusCode::NOT_FOUND,
            "A record can be had as postmortem.md, .json, .html or .csv.",
        );
    };
    let id = IncidentId::new(id);
    match rooms.desk.store.incident(&id).await {
        Ok(Some(_)) => {}
        Ok(None) => return fault(StatusCode::NOT_FOUND, "There is no such incident."),
        Err(cause) => return broken(&cause),
    }
    let headers = [
        (header::CONTENT_TYPE, export::media_type(format)),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, Body::from_stream(record(rooms, id, format))).into_response()
}

/// The file, written while it is sent: a long record is never whole in memory. An error in the middle breaks the
/// connection, so that nobody takes half a record for a whole one.
fn record(
    rooms: Arc<Rooms>,
    id: IncidentId,
    format: ExportFormat,
) -> impl Stream<Item = std::io::Result<Bytes>> {
    let (mut writer, reader) = tokio::io::duplex(IN_FLIGHT);
    let writing = tokio::spawn(async move {
        let desk = &rooms.desk;
        let now = rooms.clock.now();
        export::write(
            &desk.store,
            &rooms.templates,
            &desk.catalog,
            &id,
            format,
            now,
            &mut writer,
        )
        .await
    });
    stream::unfold(Some((reader, writing)), async |state| {
        let (mut reader, writing) = state?;
        let mut chunk = BytesMut::with_capacity(IN_FLIGHT);
        match reader.read_buf(&mut chunk).await {
            Ok(0) => match writing.await {
                Ok(Ok(_)) => None,
                Ok(Err(cause)) => {
                    error!("Could not make a record: {cause:#}");
                    Some((Err(std::io::Error::other("the record is cut off")), None))
                }
                Err(cause) => Some((Err(std::io::Error::other(cause)), None)),
            },
            Ok(_) => Some((Ok(chunk.freeze()), Some((reader, writing)))),
            Err(cause) => Some((Err(cause), None)),
        }
    })
}

fn broken(cause: &anyhow::Error) -> Response {
    error!("Could not make a record: {cause:#}");
    fault(
        StatusCode::SERVICE_UNAVAILABLE,
        "The record cannot be read now; the log says more.",
    )
}

/// Lets in whoever shows the token: as a bearer, or as the password that a browser asks for.
pub(super) fn admit(
    token: Option<&SecretString>,
    headers: &HeaderMap,
) -> Result<(), Box<Response>> {
    let Some(token) = token else {
        let reason = "The pages are closed: FIREBELL_API_TOKEN is not set.";
        return Err(Box::new(fault(StatusCode::FORBIDDEN, reason)));
    };
    let shown = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| match value.split_once(' ')? {
            ("Bearer", token) => Some(token.as_bytes().to_vec()),
            ("Basic", encoded) => {
                let pair = BASE64_STANDARD.decode(encoded).ok()?;
                let colon = pair.iter().position(|byte| *byte == b':')?;
                Some(pair[colon + 1..].to_vec())
            }
            _ => None,
        });
    if shown.is_some_and(|shown| bool::from(shown.ct_eq(token.expose_secret().as_bytes()))) {
        return Ok(());
    }
    let mut response = fault(
        StatusCode::UNAUTHORIZED,
        "Show FIREBELL_API_TOKEN as a bearer token, or as the password.",
    );
    let ask = HeaderValue::from_static("Basic realm=\"Firebell\", charset=\"UTF-8\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, ask);
    Err(Box::new(response))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &'static str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static(value));
        admit(Some(&"open sesame".into()), &headers).is_ok()
    }

    #[test]
    fn the_token_opens_as_a_bearer_and_as_a_password() {
        assert!(shown("Bearer open sesame"));
        assert!(shown("Basic YW5hOm9wZW4gc2VzYW1l"));
        for wrong in [
            "Bearer open",
            "Basic YW5hOm9wZW4=",
            "Basic !!",
            "Bearer",
            "Digest x",
            "",
        ] {
            assert!(!shown(wrong), "{wrong}");
        }
        assert!(admit(None, &HeaderMap::new()).is_err());
    }
}
