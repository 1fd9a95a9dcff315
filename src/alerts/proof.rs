//! Proves that a request comes from who may send to a source.
//!
//! Every kind of source takes the secret itself: as `Authorization: Bearer …`, as the password of `Authorization:
//! Basic …` (any user), as `X-Firebell-Token: …`, or as `?token=…` or `?access_token=…` in the address. Beyond that a sender's own way is
//! taken: see [`Own`]. What SNS signs is proved in [`super::sns`].

use std::borrow::Cow;

use axum::http::HeaderMap;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::domain::catalog::{AlertSource, SourceKind};

/// How far the time of a signature may lie from ours, in seconds, either way; exactly so far is still accepted.
const WINDOW_S: u64 = 300;

/// The header with the secret, for senders that let one name a header of one's own (Datadog, EventBridge).
pub const TOKEN: &str = "x-firebell-token";
/// The header with Grafana's signature (Grafana docs, "Webhook notifier", "HMAC signature").
pub const GRAFANA_SIGNATURE: &str = "x-grafana-alerting-signature";
/// The header in which Grafana must be told to send the time that it signs.
pub const GRAFANA_TIMESTAMP: &str = "x-grafana-alerting-timestamp";
/// The header with Sentry's signature (Sentry docs, "Integration platform", "Webhooks").
pub const SENTRY_SIGNATURE: &str = "sentry-hook-signature";
/// The header in which PagerDuty's newer clients send the routing key.
pub const ROUTING_KEY: &str = "x-routing-key";

/// Why a request is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unproved {
    /// The source has no secret, so nobody can show it.
    #[error("this source has no secret: set `secret_env` and the variable that it names")]
    NoSecret,
    /// There is no such source.
    #[error("there is no such source")]
    NoSource,
    /// The request shows nothing that could be a secret or a signature.
    #[error(
        "the request shows no secret: send `Authorization: Bearer …`, a basic password, `X-Firebell-Token: …` or `?token=…`"
    )]
    Missing,
    /// What it shows is not this source's.
    #[error(
        "what the request shows is not the secret of this source, or not a signature by it; or there is no such source: the log says which"
    )]
    Wrong,
    /// It was signed too long ago, or ahead of our clock.
    #[error("the request was signed more than five minutes away from this machine's clock")]
    Stale,
    /// SNS: it was published too long ago.
    #[error("the message was published more than a day ago: whoever sends it now has kept it")]
    Old,
    /// SNS: the topic is none that the source listens to.
    #[error("this source does not listen to the topic: add its ARN to `topics`")]
    Topic,
    /// SNS: it is signed with SHA-1, and the source takes no such signature.
    #[error(
        "this source takes signatures of version 2 alone: set the topic's attribute SignatureVersion to 2"
    )]
    Version,
    /// SNS: the address of the certificate or of the confirmation is not Amazon's.
    #[error("the message leads to an address that is not one of Amazon SNS")]
    Address,
    /// SNS: the certificate cannot be read, does not hold now or is not SNS's.
    #[error("the certificate that the message is signed with is not a valid one of Amazon SNS")]
    Certificate,
    /// SNS: nobody that we trust vouches for the certificate.
    #[error(
        "no certificate authority that we trust vouches for the certificate that the message is signed with"
    )]
    Issuer,
    /// SNS: the signature is not by the certificate.
    #[error("the signature does not fit the message")]
    Signature,
}

impl Unproved {
    /// What a stranger is told: which sources there are, and which of them have a secret, is nobody's business who shows
    /// none, so that hangs on what the request shows alone, in whatever sender's way. What only a signature of the source's
    /// can bring about is told as it is.
    pub fn to_a_stranger(self, headers: &HeaderMap, token: Option<&str>, body: &[u8]) -> Self {
        match self {
            Self::NoSource | Self::NoSecret | Self::Missing | Self::Wrong => {
                match shows_something(headers, token, body) {
                    true => Self::Wrong,
                    false => Self::Missing,
                }
            }
            Self::Stale
            | Self::Old
            | Self::Topic
            | Self::Version
            | Self::Address
            | Self::Certificate
            | Self::Issuer
            | Self::Signature => self,
        }
    }
}

/// Whether a request shows anything that could be a secret or a signature.
fn shows_something(headers: &HeaderMap, token: Option<&str>, body: &[u8]) -> bool {
    let is_there = |name: &str| headers.contains_key(name);
    let authorization = header(headers, "authorization").unwrap_or_default();
    token.is_some()
        || [TOKEN, GRAFANA_SIGNATURE, SENTRY_SIGNATURE, ROUTING_KEY]
            .into_iter()
            .any(is_there)
        || bearer(authorization).is_some()
        || basic_password(authorization).is_some()
        || genie_key(authorization).is_some()
        || routing_key(body).is_some()
}

/// Checks that a request shows the source's secret, or is signed with it; `token` is that of the query.
///
/// However many ways a request tries, each is worked through, and a wrong secret costs what a right one does.
pub fn prove(
    source: &AlertSource,
    secret: Option<&SecretString>,
    headers: &HeaderMap,
    token: Option<&str>,
    body: &[u8],
    now: Timestamp,
) -> Result<(), Unproved> {
    let Some(secret) = secret.filter(|secret| !secret.expose_secret().is_empty()) else {
        return Err(Unproved::NoSecret);
    };
    let mut shown: Vec<Cow<'_, str>> = token.map(Cow::Borrowed).into_iter().collect();
    shown.extend(header(headers, TOKEN).map(Cow::Borrowed));
    if let Some(authorization) = header(headers, "authorization") {
        shown.extend(bearer(authorization).map(Cow::Borrowed));
        shown.extend(basic_password(authorization).map(Cow::Owned));
    }
    let mut signature = None;
    match Own::of(source.kind) {
        Own::GrafanaSignature => signature = grafana(secret, headers, body, now),
        Own::SentrySignature => signature = sentry(secret, headers, body),
        Own::GenieKey => {
            let authorization = header(headers, "authorization");
            shown.extend(authorization.and_then(genie_key).map(Cow::Borrowed));
        }
        Own::RoutingKey => {
            shown.extend(header(headers, ROUTING_KEY).map(Cow::Borrowed));
            shown.extend(routing_key(body));
        }
        Own::None => {}
    }
    let is_silent = shown.is_empty() && signature.is_none();
    if shown.is_empty() {
        // To show nothing costs what to show something wrong does; and no secret is empty.
        shown.push(Cow::Borrowed(""));
    }
    let matches = shown.iter().fold(Choice::from(0), |found, it| {
        found | same(it.as_bytes(), secret.expose_secret().as_bytes())
    });
    match (bool::from(matches), signature) {
        (true, _) | (false, Some(Ok(()))) => Ok(()),
        (false, Some(Err(unproved))) => Err(unproved),
        (false, None) if is_silent => Err(Unproved::Missing),
        (false, None) => Err(Unproved::Wrong),
    }
}

/// The way in which a sender itself shows a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Own {
    /// It has none but those that all have; or, as SNS, it signs with a key of its own.
    None,
    /// HMAC-SHA256 of the body, or of `{time}:{body}`.
    GrafanaSignature,
    /// HMAC-SHA256 of the body.
    SentrySignature,
    /// `Authorization: GenieKey …`
    GenieKey,
    /// `routing_key` in the body.
    RoutingKey,
}

impl Own {
    /// The way of this kind of source.
    pub fn of(kind: SourceKind) -> Self {
        match kind {
            SourceKind::Grafana => Own::GrafanaSignature,
            SourceKind::Sentry => Own::SentrySignature,
            SourceKind::Opsgenie => Own::GenieKey,
            SourceKind::Pagerduty => Own::RoutingKey,
            SourceKind::Alertmanager
            | SourceKind::CloudwatchSns
            | SourceKind::CloudwatchEventbridge
            | SourceKind::Datadog
            | SourceKind::Cloudevents
            | SourceKind::Generic => Own::None,
        }
    }
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// What stands after a scheme of `Authorization`, in any case (RFC 9110, section 11.1).
fn after_scheme<'h>(authorization: &'h str, scheme: &str) -> Option<&'h str> {
    let (found, rest) = authorization.trim().split_once(' ')?;
    found.eq_ignore_ascii_case(scheme).then(|| rest.trim())
}

fn bearer(authorization: &str) -> Option<&str> {
    after_scheme(authorization, "bearer")
}

fn genie_key(authorization: &str) -> Option<&str> {
    after_scheme(authorization, "geniekey")
}

/// The password of `Basic`, whoever the user is (RFC 7617).
fn basic_password(authorization: &str) -> Option<String> {
    let pair = BASE64_STANDARD
        .decode(after_scheme(authorization, "basic")?)
        .ok()?;
    let pair = String::from_utf8(pair).ok()?;
    Some(pair.split_once(':')?.1.to_owned())
}

/// The routing key of an event, without making anything of the rest of the body.
fn routing_key(body: &[u8]) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Event<'b> {
        #[serde(borrow)]
        routing_key: Cow<'b, str>,
    }
    Some(serde_json::from_slice::<Event<'_>>(body).ok()?.routing_key)
}

/// None: there is no signature.
fn grafana(
    secret: &SecretString,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Option<Result<(), Unproved>> {
    let signature = header(headers, GRAFANA_SIGNATURE)?;
    // Whoever takes the time away takes away what was signed.
    let Some(time) = header(headers, GRAFANA_TIMESTAMP) else {
        return Some(signed(secret, signature, &[body]));
    };
    let proved = signed(secret, signature, &[time.as_bytes(), b":", body]);
    Some(proved.and_then(|()| match time.parse::<i64>() {
        Ok(at) if now.as_second().abs_diff(at) <= WINDOW_S => Ok(()),
        Ok(_) | Err(_) => Err(Unproved::Stale),
    }))
}

/// None: there is no signature. `Sentry-Hook-Timestamp` is not part of what is signed, so it proves nothing.
fn sentry(secret: &SecretString, headers: &HeaderMap, body: &[u8]) -> Option<Result<(), Unproved>> {
    let signature = header(headers, SENTRY_SIGNATURE)?;
    Some(signed(secret, signature, &[body]))
}

/// Whether a text is the HMAC-SHA256 of the parts, in hexadecimal.
fn signed(secret: &SecretString, signature: &str, parts: &[&[u8]]) -> Result<(), Unproved> {
    // HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else {
        return Err(Unproved::Wrong);
    };
    for part in parts {
        mac.update(part);
    }
    let wanted = hex::encode(mac.finalize().into_bytes());
    let given = signature.trim().to_ascii_lowercase();
    match bool::from(same(given.as_bytes(), wanted.as_bytes())) {
        true => Ok(()),
        false => Err(Unproved::Wrong),
    }
}

/// Whether two texts are the same, in a time that tells nothing of either, not even its length.
fn same(given: &[u8], wanted: &[u8]) -> Choice {
    Sha256::digest(given)
        .as_slice()
        .ct_eq(Sha256::digest(wanted).as_slice())
}

#[cfg(test)]
mod tests {
    use super::super::samples::{headers, source};
    use super::*;

    const SECRET: &str = "correct horse battery staple";
    const BODY: &[u8] = br#"{"status":"firing"}"#;
    /// printf '{"status":"firing"}' | openssl dgst -sha256 -hmac 'correct horse battery staple'
    const SIGNED: &str = "8812155a5ffb1f286ef6fabef897e6feca6c5fae5edfefce51f207ad1df16c94";
    /// printf '1787217300:{"status":"firing"}' | openssl dgst -sha256 -hmac 'correct horse battery staple'
    const SIGNED_AT: &str = "65a037c0feaf84cff6d0ec5358b55c0eb3807846f889ddf467bf880f921082af";
    const AT: i64 = 1_787_217_300;

    fn proved(
        kind: SourceKind,
        pairs: &[(&str, &str)],
        token: Option<&str>,
        body: &[u8],
        now: i64,
    ) -> Result<(), Unproved> {
        let secret = SecretString::from(SECRET);
        let now = Timestamp::from_second(now).unwrap();
        prove(
            &source(kind),
            Some(&secret),
            &headers(pairs),
            token,
            body,
            now,
        )
    }

    fn shown(kind: SourceKind, pairs: &[(&str, &str)]) -> Result<(), Unproved> {
        proved(kind, pairs, None, BODY, AT)
    }

    #[test]
    fn every_kind_takes_the_secret_itself_in_four_ways() {
        let basic = |pair: &str| format!("Basic {}", BASE64_STANDARD.encode(pair));
        for kind in SourceKind::ALL {
            let shown = |pairs: &[(&str, &str)]| shown(*kind, pairs);
            assert_eq!(
                shown(&[("authorization", &format!("Bearer {SECRET}"))]),
                Ok(())
            );
            assert_eq!(
                shown(&[("authorization", &format!("bearer  {SECRET} "))]),
                Ok(())
            );
            assert_eq!(
                shown(&[("authorization", &basic(&format!("any:{SECRET}")))]),
                Ok(())
            );
            assert_eq!(shown(&[("x-firebell-token", SECRET)]), Ok(()));
            assert_eq!(proved(*kind, &[], Some(SECRET), BODY, AT), Ok(()));
            assert_eq!(shown(&[]), Err(Unproved::Missing));
            for wrong in [
                "Bearer wrong".to_owned(),
                "Bearer ".to_owned() + &SECRET[1..],
                basic("any:wrong"),
                basic(&format!("{SECRET}:")),
            ] {
                assert_eq!(
                    shown(&[("authorization", &wrong)]),
                    Err(Unproved::Wrong),
                    "{wrong}"
                );
            }
            for none in [SECRET, "Basic !", "Digest x", "Bearer"] {
                assert_eq!(
                    shown(&[("authorization", none)]),
                    Err(Unproved::Missing),
                    "{none}"
                );
            }
            assert_eq!(proved(*kind, &[], Some(""), BODY, AT), Err(Unproved::Wrong));
        }
    }

    #[test]
    fn without_a_secret_nobody_is_believed() {
        let shown = headers(&[("authorization", "Bearer "), ("x-firebell-token", "")]);
        let now = Timestamp::from_second(AT).unwrap();
        for secret in [None, Some(SecretString::from(""))] {
            let source = source(SourceKind::Generic);
            let proved = prove(&source, secret.as_ref(), &shown, Some(""), BODY, now);
            assert_eq!(proved, Err(Unproved::NoSecret));
        }
    }

    #[test]
    fn one_right_secret_among_wrong_ones_is_enough() {
        let pairs = [
            ("authorization", "Bearer wrong"),
            ("x-firebell-token", SECRET),
        ];
        assert_eq!(shown(SourceKind::Datadog, &pairs), Ok(()));
    }

    #[test]
    fn grafana_signs_the_body_or_the_time_and_the_body() {
        let grafana = |pairs: &[(&str, &str)], body: &[u8], now| {
            proved(SourceKind::Grafana, pairs, None, body, now)
        };
        let plain = [(GRAFANA_SIGNATURE, SIGNED)];
        assert_eq!(grafana(&plain, BODY, AT), Ok(()));
        assert_eq!(
            grafana(&[(GRAFANA_SIGNATURE, &SIGNED.to_uppercase())], BODY, AT),
            Ok(())
        );
        assert_eq!(grafana(&plain, b"{}", AT), Err(Unproved::Wrong));
        let at = AT.to_string();
        let timed = [
            (GRAFANA_SIGNATURE, SIGNED_AT),
            (GRAFANA_TIMESTAMP, at.as_str()),
        ];
        for (now, wanted) in [
            (AT, Ok(())),
            (AT + 300, Ok(())),
            (AT - 300, Ok(())),
            (AT + 301, Err(Unproved::Stale)),
            (AT - 301, Err(Unproved::Stale)),
        ] {
            assert_eq!(grafana(&timed, BODY, now), wanted, "{now}");
        }
        // The time cannot be taken away, changed or put in.
        assert_eq!(grafana(&timed[..1], BODY, AT), Err(Unproved::Wrong));
        assert_eq!(
            grafana(&[timed[0], (GRAFANA_TIMESTAMP, "1787217301")], BODY, AT),
            Err(Unproved::Wrong)
        );
        assert_eq!(
            grafana(&[plain[0], timed[1]], BODY, AT),
            Err(Unproved::Wrong)
        );
        // Nobody else may sign so.
        assert_eq!(shown(SourceKind::Generic, &plain), Err(Unproved::Missing));
    }

    #[test]
    fn sentry_signs_the_body() {
        assert_eq!(
            shown(SourceKind::Sentry, &[(SENTRY_SIGNATURE, SIGNED)]),
            Ok(())
        );
        assert_eq!(
            shown(SourceKind::Sentry, &[(SENTRY_SIGNATURE, "")]),
            Err(Unproved::Wrong)
        );
        assert_eq!(
            proved(
                SourceKind::Sentry,
                &[(SENTRY_SIGNATURE, SIGNED)],
                None,
                b"",
                AT
            ),
            Err(Unproved::Wrong)
        );
    }

    #[test]
    fn opsgenie_shows_a_genie_key() {
        let key = format!("GenieKey {SECRET}");
        assert_eq!(
            shown(SourceKind::Opsgenie, &[("authorization", &key)]),
            Ok(())
        );
        assert_eq!(
            shown(SourceKind::Opsgenie, &[("authorization", "GenieKey wrong")]),
            Err(Unproved::Wrong)
        );
        assert_eq!(
            shown(SourceKind::Generic, &[("authorization", &key)]),
            Err(Unproved::Missing)
        );
    }

    #[test]
    fn pagerduty_shows_its_routing_key_in_the_body() {
        let with = |key: &str| {
            format!(
                r#"{{"payload":{{"routing_key":"x"}},"routing_key":{key},"event_action":"trigger"}}"#
            )
        };
        let proved = |body: &str| proved(SourceKind::Pagerduty, &[], None, body.as_bytes(), AT);
        assert_eq!(proved(&with(&format!("\"{SECRET}\""))), Ok(()));
        assert_eq!(
            proved(&with("\"correct\\u0020horse battery staple\"")),
            Ok(())
        );
        assert_eq!(proved(&with("\"wrong\"")), Err(Unproved::Wrong));
        assert_eq!(proved(&with("7")), Err(Unproved::Missing));
        assert_eq!(proved("{"), Err(Unproved::Missing));
        assert_eq!(
            shown(SourceKind::Pagerduty, &[(ROUTING_KEY, SECRET)]),
            Ok(())
        );
    }

    #[test]
    fn a_stranger_is_told_what_it_shows_and_nothing_of_the_source() {
        let told = |pairs: &[(&str, &str)], token, body: &[u8]| {
            let told = [
                Unproved::NoSource,
                Unproved::NoSecret,
                Unproved::Missing,
                Unproved::Wrong,
            ]
            .map(|why| why.to_a_stranger(&headers(pairs), token, body));
            assert!(told.iter().all(|it| *it == told[0]), "{told:?}");
            told[0]
        };
        assert_eq!(told(&[], None, BODY), Unproved::Missing);
        assert_eq!(
            told(&[("authorization", "Digest x")], None, b""),
            Unproved::Missing
        );
        assert_eq!(told(&[], Some("x"), b""), Unproved::Wrong);
        assert_eq!(told(&[], None, br#"{"routing_key":"x"}"#), Unproved::Wrong);
        for (name, value) in [
            ("authorization", "Bearer x"),
            ("authorization", "GenieKey x"),
            (TOKEN, "x"),
            (GRAFANA_SIGNATURE, "x"),
            (SENTRY_SIGNATURE, "x"),
            (ROUTING_KEY, "x"),
        ] {
            assert_eq!(told(&[(name, value)], None, b""), Unproved::Wrong, "{name}");
        }
        let stale = Unproved::Stale.to_a_stranger(&headers(&[]), None, b"");
        assert_eq!(stale, Unproved::Stale);
    }

    #[test]
    fn no_error_tells_a_secret() {
        for unproved in [
            Unproved::NoSecret,
            Unproved::Missing,
            Unproved::Wrong,
            Unproved::Stale,
        ] {
            assert!(!format!("{unproved} {unproved:?}").contains(SECRET));
        }
    }
}
