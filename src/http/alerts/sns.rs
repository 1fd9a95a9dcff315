//! The door of Amazon SNS: what it sends is believed by its signature, whose certificate is fetched and kept; a
//! subscription is confirmed by asking for the address that came with it.
//!
//! Both are addresses that a stranger could have written. So nothing is fetched but for a topic that the configuration
//! lists, nothing but from SNS's own hosts, no redirect is followed, and no more than a certificate's worth is read.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::TrustAnchor;
use tracing::{info, warn};
use url::Url;

use super::{come_again, malformed, take, turned_away};
use crate::alerts::proof::Unproved;
use crate::alerts::sns::{
    Certificates, Envelope, EnvelopeKind, certificate_url, confirm_url, verify,
};
use crate::alerts::{Heading, Sent, read};
use crate::domain::catalog::AlertSource;
use crate::http::Rooms;
use crate::notify::wire;

/// The largest answer that is read: a certificate has some two thousand bytes, a confirmation fewer.
const ANSWER_MAX: usize = 64 * 1024;
/// How long an answer may take; SNS gives a delivery fifteen seconds.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// Certificates that are kept: there is one for each region, and a new one each year or so.
const KEPT: usize = 32;
/// How long an address that gave nothing is not asked again.
const NOT_AGAIN: SignedDuration = SignedDuration::from_secs(30);
/// Deliveries are tried for an hour; what is older is somebody's who has kept it.
const OLDEST: SignedDuration = SignedDuration::from_hours(24);

/// What comes of asking for an address.
pub type Fetched = Pin<Box<dyn Future<Output = Result<Bytes, String>> + Send>>;

/// Asks for addresses of Amazon's.
pub trait Fetch: Send + Sync + fmt::Debug {
    /// The body of the answer, if its status is 200.
    fn fetch(&self, url: &Url) -> Fetched;
}

/// What SNS is believed by. By default this machine's roots, read when SNS first sends something.
#[derive(Debug, Default)]
pub struct Sns {
    means: OnceLock<Means>,
    kept: Mutex<BTreeMap<Url, Kept>>,
    /// One at a time: whoever sends many addresses makes us ask for few.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone)]
enum Kept {
    Certificates(Arc<Certificates>),
    Nothing { until: Timestamp },
}

/// How addresses are asked for, and who vouches for certificates.
#[derive(Debug)]
struct Means {
    fetch: Arc<dyn Fetch>,
    roots: Vec<TrustAnchor<'static>>,
}

impl Means {
    fn of_this_machine() -> Self {
        let found = rustls_native_certs::load_native_certs();
        let roots = found.certs.iter();
        let roots =
            roots.filter_map(|root| Some(webpki::anchor_from_trusted_cert(root).ok()?.to_owned()));
        Self {
            roots: roots.collect(),
            fetch: Arc::new(Web::new()),
        }
    }
}

/// Why a message of SNS is not taken.
enum Refused {
    Unproved(Unproved),
    Unreachable(String),
}

impl Sns {
    /// Goes by these roots, and asks so.
    pub fn new(fetch: Arc<dyn Fetch>, roots: Vec<TrustAnchor<'static>>) -> Self {
        Self {
            means: OnceLock::from(Means { fetch, roots }),
            ..Self::default()
        }
    }

    fn means(&self) -> &Means {
        self.means.get_or_init(Means::of_this_machine)
    }

    fn fetch(&self, url: &Url) -> Fetched {
        self.means().fetch.fetch(url)
    }

    fn known(&self, url: &Url) -> Option<Kept> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(url).cloned()
    }

    fn keep(&self, url: &Url, what: Kept) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.retain(|_, it| matches!(it, Kept::Certificates(_)));
        }
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(url.clone(), what);
    }

    /// The certificate that an envelope is signed with, if it is proved by it.
    async fn proves(
        &self,
        envelope: &Envelope,
        source: &AlertSource,
        now: Timestamp,
    ) -> Result<(), Refused> {
        let url = certificate_url(envelope, source).map_err(Refused::Unproved)?;
        let check = |certificates: &Certificates| {
            verify(envelope, certificates, &self.means().roots, now).map_err(Refused::Unproved)
        };
        if let Some(Kept::Certificates(kept)) = self.known(&url) {
            return check(&kept);
        }
        let _asking = self.asking.lock().await;
        match self.known(&url) {
            Some(Kept::Certificates(kept)) => return check(&kept),
            Some(Kept::Nothing { until }) if now < until => {
                return Err(Refused::Unreachable(
                    "it was not to be had just now".to_owned(),
                ));
            }
            Some(Kept::Nothing { .. }) | None => {}
        }
        let got = self.certificates(&url).await;
        let checked = match &got {
            Ok(certificates) => check(certificates),
            Err(Refused::Unproved(why)) => Err(Refused::Unproved(*why)),
            Err(Refused::Unreachable(why)) => Err(Refused::Unreachable(why.clone())),
        };
        match (got, &checked) {
            // Kept only when it is SNS's. That somebody names it who has not signed with it is no reason to make SNS wait.
            (Ok(certificates), Ok(()) | Err(Refused::Unproved(Unproved::Signature))) => {
                self.keep(&url, Kept::Certificates(Arc::new(certificates)));
            }
            (Ok(_) | Err(_), _) => self.keep(
                &url,
                Kept::Nothing {
                    until: now + NOT_AGAIN,
                },
            ),
        }
        checked
    }

    /// The certificate at an address, with that which vouches for it if it came alone.
    async fn certificates(&self, url: &Url) -> Result<Certificates, Refused> {
        let pem = self.fetch(url).await.map_err(Refused::Unreachable)?;
        let mut certificates = Certificates::read(&pem).map_err(Refused::Unproved)?;
        if let Some(issuer) = certificates.issuer_url() {
            match self.fetch(&issuer).await {
                Ok(issuer) => certificates.add_issuer(&issuer),
                Err(why) => return Err(Refused::Unreachable(format!("{issuer}: {why}"))),
            }
        }
        Ok(certificates)
    }
}

/// Takes what SNS sends to a source.
pub(super) async fn receive(
    rooms: &Rooms,
    source: &AlertSource,
    headers: &HeaderMap,
    body: &Bytes,
) -> Response {
    let envelope = match Envelope::read(headers, body) {
        Ok(envelope) => envelope,
        Err(why) => return malformed(source, &why),
    };
    let now = rooms.clock.now();
    match rooms.sns.proves(&envelope, source, now).await {
        Ok(()) => {}
        Err(Refused::Unproved(why)) => return turned_away(&source.id, why, headers, None, body),
        Err(Refused::Unreachable(why)) => {
            warn!(
                source = source.id,
                "Could not fetch the certificate of SNS: {why}"
            );
            return come_again();
        }
    }
    let published = envelope.timestamp.parse::<Timestamp>();
    if published.is_ok_and(|at| now.duration_since(at) > OLDEST) {
        return turned_away(&source.id, Unproved::Old, headers, None, body);
    }
    match confirm_url(&envelope) {
        Ok(None) => {}
        Ok(Some(url)) => {
            return match rooms.sns.fetch(&url).await {
                Ok(_) => {
                    info!(
                        source = source.id,
                        "Listens to the topic {} now", envelope.topic_arn
                    );
                    StatusCode::OK.into_response()
                }
                Err(why) => {
                    warn!(
                        source = source.id,
                        "Could not confirm the subscription: {why}"
                    );
                    come_again()
                }
            };
        }
        Err(why) => return turned_away(&source.id, why, headers, None, body),
    }
    if envelope.kind == EnvelopeKind::UnsubscribeConfirmation {
        warn!(
            source = source.id,
            "Does not listen to the topic {} any more: somebody has ended the subscription",
            envelope.topic_arn
        );
        return StatusCode::OK.into_response();
    }
    let sent = Sent {
        source,
        headers,
        body,
        now,
    };
    match read(&sent) {
        Ok(told) => match take(rooms, source, told, &Heading::of(headers), body).await {
            Ok(done) => done.into_response(),
            Err(response) => *response,
        },
        Err(why) => malformed(source, &why),
    }
}

/// Asks over the network.
#[derive(Debug)]
struct Web {
    /// Or why nothing can be asked for.
    client: Result<wire::Web, String>,
}

impl Web {
    fn new() -> Self {
        Self {
            client: wire::web(),
        }
    }
}

impl Fetch for Web {
    fn fetch(&self, url: &Url) -> Fetched {
        let client = self.client.clone();
        let request = Request::get(url.as_str()).body(Full::default());
        Box::pin(async move {
            let request = request.map_err(|error| error.to_string())?;
            let client = client?;
            let asking = async {
                let answer = client.request(request).await.map_err(|it| it.to_string())?;
                if answer.status() != StatusCode::OK {
                    return Err(format!("HTTP status {}", answer.status().as_u16()));
                }
                let body = Limited::new(answer.into_body(), ANSWER_MAX).collect();
                Ok(body.await.map_err(|error| error.to_string())?.to_bytes())
            };
            match tokio::time::timeout(ANSWER_TIME, asking).await {
                Ok(answer) => answer,
                Err(_) => Err(format!("no answer within {} s", ANSWER_TIME.as_secs())),
            }
        })
    }
}
