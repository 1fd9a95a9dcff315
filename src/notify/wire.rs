//! An HTTP request within its time. The client is the one that is in the house for Slack and Amazon SNS (hyper-util over
//! rustls); it follows no redirect and keeps no cookie, which is all that is wanted here.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{HeaderMap, RETRY_AFTER};
use hyper::{Request, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use jiff::SignedDuration;

use super::Failure;

/// The longest that a request may take, its answer read: less than the lease of a page, so that nobody else takes it up
/// meanwhile, and whoever is not reached by then is reached by another way.
const ANSWER_TIME: Duration = Duration::from_secs(3);
/// The largest answer that is read: a list of fifty text messages has some sixty thousand bytes.
const ANSWER_MAX: usize = 1024 * 1024;
/// How long a connection is kept for the next page; load balancers keep theirs for a minute.
const IDLE: Duration = Duration::from_secs(30);
/// The longest that a provider is left alone, whatever it says.
const LEFT_ALONE_AT_MOST: SignedDuration = SignedDuration::from_mins(10);

/// What carries requests.
pub type Web = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Errors: why nothing can be called, in words.
pub fn web() -> Result<Web, String> {
    let https = HttpsConnectorBuilder::new()
        .with_native_roots()
        .map_err(|_| "this machine has no root certificates".to_owned())?
        .https_or_http()
        .enable_http1()
        .build();
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .build(https))
}

/// An answer, whatever its status.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Asks, and reads the answer. `whom` is named in the words of a failure; an address may be a secret.
pub(super) async fn ask(
    web: &Web,
    request: Request<Full<Bytes>>,
    whom: &str,
) -> Result<Answer, Failure> {
    let asking = async {
        let answer = web.request(request).await.map_err(|error| {
            Failure::retry(format!("{whom} cannot be reached: {}", causes(&error)))
        })?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_MAX).collect().await;
        let body = body.map_err(|_| {
            Failure::retry(format!("{whom}: the answer was cut off or is too long"))
        })?;
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: body.to_bytes(),
        })
    };
    match tokio::time::timeout(ANSWER_TIME, asking).await {
        Ok(answer) => answer,
        Err(_) => Err(Failure::retry(format!(
            "{whom}: no answer within {} s",
            ANSWER_TIME.as_secs()
        ))),
    }
}

/// An error's causes; hyper's own words ("client error (Connect)") say less than they do. None of them names a path.
fn causes(error: &dyn std::error::Error) -> String {
    let mut cause = error.source();
    let mut told = Vec::new();
    while let Some(error) = cause {
        told.push(error.to_string());
        cause = error.source();
    }
    match told.is_empty() {
        true => error.to_string(),
        false => told.join(": "),
    }
}

/// What an answer other than 2xx means for a second try. Such as are about this very request stay as they are; that a
/// proxy wants a password (407), that it came too slowly (408), too soon (425) or too often (429), does not.
pub(super) fn refused(answer: &Answer, why: String) -> Failure {
    match answer.status.as_u16() {
        407 | 408 | 425 | 429 | 500.. => Failure::Retry {
            after: retry_after(&answer.headers),
            why,
        },
        _ => Failure::GiveUp { why },
    }
}

/// `Retry-After` in seconds; nobody here sends a date.
fn retry_after(headers: &HeaderMap) -> Option<SignedDuration> {
    let seconds: u32 = headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(SignedDuration::from_secs(seconds.into()).min(LEFT_ALONE_AT_MOST))
}
