//! The envelope of Amazon SNS, and the proof that SNS has sent it. Nothing is fetched here: whoever fetches asks where.
//!
//! Sources: Amazon SNS developer guide, "Parsing Amazon SNS message formats" and "Verifying the signatures of Amazon SNS
//! messages"; for the names in the certificates aws-sdk-java-v2, `SnsHostProvider`.
//!
//! In this order: [`certificate_url`] (the topic is one that is listened to, the address is Amazon's), fetch,
//! [`Certificates::read`], fetch [`Certificates::issuer_url`] and [`Certificates::add_issuer`] (SNS gives away the last
//! certificate of the chain alone), [`verify`]; and then [`confirm_url`] for a subscription, or
//! [`super::read`] for a notification.

use axum::http::HeaderMap;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use ring::signature::{RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, UnparsedPublicKey};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm,
    TrustAnchor, UnixTime, alg_id,
};
use serde_json::Value;
use url::Url;
use webpki::{EndEntityCert, KeyUsage};

use super::proof::Unproved;
use super::{Malformed, json};
use crate::domain::catalog::AlertSource;

/// What SNS sends to a subscriber, with nothing of it believed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// What it is.
    pub kind: EnvelopeKind,
    /// The same for every attempt to deliver it.
    pub message_id: String,
    /// The topic that it was published to.
    pub topic_arn: String,
    /// What it is about, of a notification that says so.
    pub subject: Option<String>,
    /// What was published; of a confirmation an explanation in English.
    pub message: String,
    /// When it was published, as it is written.
    pub timestamp: String,
    /// Where a subscription is confirmed.
    pub subscribe_url: Option<String>,
    /// What confirms it.
    pub token: Option<String>,
    signature_version: String,
    signature: String,
    signing_cert_url: String,
}

/// What an envelope is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EnvelopeKind {
    /// Something was published.
    Notification,
    /// Somebody wants this address to listen to a topic.
    SubscriptionConfirmation,
    /// The address no longer listens to a topic.
    UnsubscribeConfirmation,
}

impl EnvelopeKind {
    fn word(self) -> &'static str {
        match self {
            EnvelopeKind::Notification => "Notification",
            EnvelopeKind::SubscriptionConfirmation => "SubscriptionConfirmation",
            EnvelopeKind::UnsubscribeConfirmation => "UnsubscribeConfirmation",
        }
    }
}

/// The header that SNS sets on what it delivers without an envelope.
const RAW_DELIVERY: &str = "x-amz-sns-rawdelivery";

impl Envelope {
    /// Reads the body of a request; its content type is `text/plain`, whatever it holds.
    pub fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Malformed> {
        let raw = || {
            Malformed::new(
                "this is no SNS envelope, so nothing can prove who sent it: turn raw message delivery off in the subscription",
            )
        };
        if headers.get(RAW_DELIVERY).is_some_and(|it| it == "true") {
            return Err(raw());
        }
        let body = json::parse(body).map_err(|_| raw())?;
        // To the byte: these are signed.
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        let (Some(kind), Some(message), Some(signature)) =
            (text("Type"), text("Message"), text("Signature"))
        else {
            return Err(raw());
        };
        let kind = [
            EnvelopeKind::Notification,
            EnvelopeKind::SubscriptionConfirmation,
            EnvelopeKind::UnsubscribeConfirmation,
        ]
        .into_iter()
        .find(|known| known.word() == kind)
        .ok_or_else(|| Malformed::new("`Type` is none of SNS's types of message"))?;
        let needed = |name: &str| {
            text(name).ok_or_else(|| Malformed::new(format!("the SNS envelope has no `{name}`")))
        };
        Ok(Self {
            kind,
            message_id: needed("MessageId")?,
            topic_arn: needed("TopicArn")?,
            subject: text("Subject"),
            message,
            timestamp: needed("Timestamp")?,
            subscribe_url: text("SubscribeURL"),
            token: text("Token"),
            signature_version: needed("SignatureVersion")?,
            signature,
            signing_cert_url: needed("SigningCertURL")?,
        })
    }

    /// What is signed: `Key\nValue\n` for each of these keys; none if one is missing that must be there, or has several
    /// lines, which SNS allows in a message alone.
    fn signed_text(&self) -> Option<String> {
        let common = [
            ("Message", Some(&self.message)),
            ("MessageId", Some(&self.message_id)),
        ];
        let own = match self.kind {
            EnvelopeKind::Notification => vec![("Subject", self.subject.as_ref())],
            EnvelopeKind::SubscriptionConfirmation | EnvelopeKind::UnsubscribeConfirmation => {
                vec![("SubscribeURL", Some(self.subscribe_url.as_ref()?))]
            }
        };
        let token = match self.kind {
            EnvelopeKind::Notification => None,
            EnvelopeKind::SubscriptionConfirmation | EnvelopeKind::UnsubscribeConfirmation => {
                Some(self.token.as_ref()?)
            }
        };
        let kind = self.kind.word().to_owned();
        let rest = [
            ("Timestamp", Some(&self.timestamp)),
            ("Token", token),
            ("TopicArn", Some(&self.topic_arn)),
            ("Type", Some(&kind)),
        ];
        let fields = common.into_iter().chain(own).chain(rest);
        let mut text = String::new();
        for (name, value) in fields.filter_map(|(name, value)| Some((name, value?))) {
            // Else what was signed as one text could be cut into others: a subject that is part of a message id.
            if name != "Message" && value.contains('\n') {
                return None;
            }
            text.extend([name, "\n", value, "\n"]);
        }
        Some(text)
    }
}

/// Where the certificate is that an envelope claims to be signed with, if its source listens to the topic and takes such
/// signatures, and the address is one of SNS's own. No other address may be asked, and no redirect followed.
pub fn certificate_url(envelope: &Envelope, source: &AlertSource) -> Result<Url, Unproved> {
    if !source.topics.contains(&envelope.topic_arn) {
        return Err(Unproved::Topic);
    }
    if source.require_v2 && envelope.signature_version != "2" {
        return Err(Unproved::Version);
    }
    // The name is fixed but for its number. An address with a query could be made to answer with somebody else's words.
    let file = |url: &Url| {
        let path = url.path();
        path.starts_with("/SimpleNotificationService")
            && path.ends_with(".pem")
            && path.matches('/').count() == 1
            && url.query().is_none()
            && url.fragment().is_none()
    };
    of_sns(&envelope.signing_cert_url)
        .filter(file)
        .ok_or(Unproved::Address)
}

/// Where the subscription of a proved envelope is confirmed; none if it asks for none.
pub fn confirm_url(envelope: &Envelope) -> Result<Option<Url>, Unproved> {
    match (envelope.kind, &envelope.subscribe_url) {
        (EnvelopeKind::SubscriptionConfirmation, Some(address)) => {
            of_sns(address).map(Some).ok_or(Unproved::Address)
        }
        (EnvelopeKind::SubscriptionConfirmation, None) => Err(Unproved::Address),
        // Its `SubscribeURL` would subscribe again.
        (EnvelopeKind::UnsubscribeConfirmation | EnvelopeKind::Notification, _) => Ok(None),
    }
}

/// An address of SNS: `^https://sns\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/`, without a user or a port.
fn of_sns(address: &str) -> Option<Url> {
    let url = Url::parse(address).ok()?;
    let plain = url.scheme() == "https"
        && url.username().is_empty()
        && url.password().is_none()
        && url.port().is_none();
    let host = url.host_str()?;
    let host = host.strip_suffix(".cn").unwrap_or(host);
    let region = host.strip_prefix("sns.")?.strip_suffix(".amazonaws.com")?;
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (plain && !region.is_empty() && region.bytes().all(legal)).then_some(url)
}

/// The certificate that signs, and those that vouch for it.
#[derive(Debug, Clone)]
pub struct Certificates {
    leaf: CertificateDer<'static>,
    issuers: Vec<CertificateDer<'static>>,
}

/// How many certificates may vouch for one: Amazon's chain has one or two.
const ISSUERS_MAX: usize = 4;

impl Certificates {
    /// Reads what [`certificate_url`] leads to: PEM, the certificate that signs first.
    pub fn read(pem: &[u8]) -> Result<Self, Unproved> {
        let mut all = CertificateDer::pem_slice_iter(pem)
            .take(1 + ISSUERS_MAX)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| Unproved::Certificate)?
            .into_iter();
        Ok(Self {
            leaf: all.next().ok_or(Unproved::Certificate)?,
            issuers: all.collect(),
        })
    }

    /// Where the certificate is that vouches for the last one (RFC 5280, section 4.2.2.1), if it says so and that is
    /// Amazon's. The address is plain HTTP and need not be trusted: [`verify`] finds out.
    pub fn issuer_url(&self) -> Option<Url> {
        let last = self.issuers.last().unwrap_or(&self.leaf);
        let url = Url::parse(&ca_issuers(last)?).ok()?;
        let amazons = matches!(url.scheme(), "http" | "https")
            && url
                .host_str()
                .is_some_and(|host| host.ends_with(".amazontrust.com"))
            && url.username().is_empty()
            && url.password().is_none()
            && url.port().is_none()
            && url.query().is_none();
        amazons.then_some(url)
    }

    /// Adds the certificate that [`Certificates::issuer_url`] leads to: DER, or PEM.
    pub fn add_issuer(&mut self, bytes: &[u8]) {
        let issuer = CertificateDer::from_pem_slice(bytes)
            .unwrap_or_else(|_| CertificateDer::from(bytes.to_vec()));
        if self.issuers.len() < ISSUERS_MAX {
            self.issuers.push(issuer);
        }
    }
}

/// The address in the access method `id-ad-caIssuers` (1.3.6.1.5.5.7.48.2). It is looked for, not parsed for: what comes
/// of a wrong one is proved anyway.
fn ca_issuers(certificate: &[u8]) -> Option<String> {
    const METHOD: &[u8] = b"\x06\x08\x2b\x06\x01\x05\x05\x07\x30\x02";
    const ADDRESS: u8 = 0x86;
    let at = certificate
        .windows(METHOD.len())
        .position(|it| it == METHOD)?;
    let rest = &certificate[at + METHOD.len()..];
    let [ADDRESS, length @ 0..=127, text @ ..] = rest else {
        return None;
    };
    String::from_utf8(text.get(..usize::from(*length))?.to_vec()).ok()
}

/// Checks that SNS has signed an envelope: its certificate holds now, is SNS's, and one of the roots vouches for it; its
/// signature (version 1: SHA-1, version 2: SHA-256, both with RSA) is by that certificate.
pub fn verify(
    envelope: &Envelope,
    certificates: &Certificates,
    roots: &[TrustAnchor<'_>],
    now: Timestamp,
) -> Result<(), Unproved> {
    let leaf = EndEntityCert::try_from(&certificates.leaf).map_err(|_| Unproved::Certificate)?;
    let seconds = u64::try_from(now.as_second()).map_err(|_| Unproved::Certificate)?;
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    leaf.verify_for_usage(
        CHAIN_ALGORITHMS,
        roots,
        &certificates.issuers,
        now,
        KeyUsage::server_auth(),
        None,
        None,
    )
    .map_err(|error| match error {
        webpki::Error::UnknownIssuer => Unproved::Issuer,
        _ => Unproved::Certificate,
    })?;
    if !leaf.valid_dns_names().any(is_name_of_sns) {
        return Err(Unproved::Certificate);
    }
    let algorithm: &dyn SignatureVerificationAlgorithm = match envelope.signature_version.as_str() {
        "1" => &RsaSha1,
        "2" => webpki::ring::RSA_PKCS1_2048_8192_SHA256,
        _ => return Err(Unproved::Signature),
    };
    let signature = BASE64_STANDARD
        .decode(&envelope.signature)
        .map_err(|_| Unproved::Signature)?;
    let text = envelope.signed_text().ok_or(Unproved::Signature)?;
    leaf.verify_signature(algorithm, text.as_bytes(), &signature)
        .map_err(|_| Unproved::Signature)
}

/// What Amazon's certificates are signed with.
const CHAIN_ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    webpki::ring::RSA_PKCS1_2048_8192_SHA256,
    webpki::ring::RSA_PKCS1_2048_8192_SHA384,
    webpki::ring::RSA_PKCS1_2048_8192_SHA512,
    webpki::ring::ECDSA_P256_SHA256,
    webpki::ring::ECDSA_P384_SHA384,
];

/// `sns.amazonaws.com`, `sns-signing.{region}.amazonaws.com`, `sns.{region}.…`, `sns-{region}.amazonaws.com.cn`.
fn is_name_of_sns(name: &str) -> bool {
    let name = name.strip_suffix(".cn").unwrap_or(name);
    let Some(name) = name.strip_suffix(".amazonaws.com") else {
        return false;
    };
    let rest = name.strip_prefix("sns");
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']))
}

/// SHA1withRSA, which webpki rightly does not have: SNS signs with it unless the topic says `SignatureVersion` 2.
#[derive(Debug)]
struct RsaSha1;

impl SignatureVerificationAlgorithm for RsaSha1 {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        UnparsedPublicKey::new(&RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, public_key)
            .verify(message, signature)
            .map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::RSA_ENCRYPTION
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        // 1.2.840.113549.1.1.5, without parameters (RFC 8017, appendix C).
        const SHA1_WITH_RSA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05\x05\x00";
        AlgorithmIdentifier::from_slice(SHA1_WITH_RSA)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::super::samples::{NOW, headers, source};
    use super::*;
    use crate::domain::catalog::SourceKind;

    fn file(name: &str) -> Vec<u8> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples/sns");
        fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn envelope(name: &str) -> Envelope {
        Envelope::read(&headers(&[]), &file(name)).unwrap()
    }

    /// A certificate with the one that vouches for it.
    fn certificates(name: &str) -> Certificates {
        let mut certificates = Certificates::read(&file(name)).unwrap();
        certificates.add_issuer(&file("issuer.pem"));
        certificates
    }

    fn verified(
        envelope: &Envelope,
        certificates: &Certificates,
        now: &str,
    ) -> Result<(), Unproved> {
        let root = CertificateDer::from_pem_slice(&file("root.pem")).unwrap();
        let roots = [webpki::anchor_from_trusted_cert(&root).unwrap()];
        verify(envelope, certificates, &roots, now.parse().unwrap())
    }

    fn listening() -> AlertSource {
        source(SourceKind::CloudwatchSns)
    }

    #[test]
    fn both_versions_and_all_kinds_are_believed() {
        for (name, by) in [
            ("notification-v1.json", "leaf.pem"),
            ("notification-v2.json", "leaf.pem"),
            ("without-subject.json", "leaf.pem"),
            ("subscription.json", "leaf.pem"),
            ("unsubscribe.json", "leaf.pem"),
            ("regional.json", "regional.pem"),
        ] {
            assert_eq!(
                verified(&envelope(name), &certificates(by), NOW),
                Ok(()),
                "{name}"
            );
        }
    }

    #[test]
    fn nothing_that_is_signed_can_be_changed() {
        let changes: [fn(&mut Envelope); 9] = [
            |it| it.message.push(' '),
            |it| it.message_id.push('0'),
            |it| it.subject = None,
            |it| it.subject = Some("OK".into()),
            |it| it.timestamp.push('0'),
            |it| it.topic_arn.push('x'),
            |it| it.signature_version = "1".into(),
            |it| it.signature_version = "3".into(),
            |it| it.signature = "!".into(),
        ];
        for change in changes {
            let mut changed = envelope("notification-v2.json");
            change(&mut changed);
            assert_eq!(
                verified(&changed, &certificates("leaf.pem"), NOW),
                Err(Unproved::Signature)
            );
        }
        for change in [
            (|it| it.subscribe_url = None) as fn(&mut Envelope),
            |it| it.token = Some("other".into()),
            |it| it.kind = EnvelopeKind::UnsubscribeConfirmation,
            |it| it.kind = EnvelopeKind::Notification,
        ] {
            let mut changed = envelope("subscription.json");
            change(&mut changed);
            assert_eq!(
                verified(&changed, &certificates("leaf.pem"), NOW),
                Err(Unproved::Signature)
            );
        }
    }

    #[test]
    fn the_certificate_must_hold_be_of_sns_and_be_vouched_for() {
        let envelope = envelope("notification-v2.json");
        let whole = certificates("leaf.pem");
        for (now, wanted) in [
            ("2024-12-31T23:59:59Z", Err(Unproved::Certificate)),
            ("2025-01-01T00:00:00Z", Ok(())),
            ("2125-01-01T00:00:01Z", Err(Unproved::Certificate)),
            ("1969-12-31T00:00:00Z", Err(Unproved::Certificate)),
        ] {
            assert_eq!(verified(&envelope, &whole, now), wanted, "{now}");
        }
        let stranger = self::envelope("stranger.json");
        assert_eq!(
            verified(&stranger, &certificates("stranger.pem"), NOW),
            Err(Unproved::Certificate)
        );
        // Another certificate of SNS has not signed it.
        assert_eq!(
            verified(&envelope, &certificates("regional.pem"), NOW),
            Err(Unproved::Signature)
        );
        let alone = Certificates::read(&file("leaf.pem")).unwrap();
        assert_eq!(verified(&envelope, &alone, NOW), Err(Unproved::Issuer));
        assert_eq!(
            verify(&envelope, &whole, &[], NOW.parse().unwrap()),
            Err(Unproved::Issuer)
        );
        // An issuer is nobody's signature.
        let issuer = Certificates::read(&file("issuer.pem")).unwrap();
        assert_eq!(
            verified(&envelope, &issuer, NOW),
            Err(Unproved::Certificate)
        );
    }

    #[test]
    fn a_chain_may_come_in_one_file_and_a_broken_one_is_told() {
        let both = [file("leaf.pem"), file("issuer.pem")].concat();
        let whole = Certificates::read(&both).unwrap();
        assert_eq!(
            verified(&envelope("notification-v1.json"), &whole, NOW),
            Ok(())
        );
        assert!(whole.issuer_url().is_none());
        let no_certificate = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for broken in [
            b"".as_slice(),
            b"<html>",
            b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n",
        ] {
            assert_eq!(
                Certificates::read(broken).err(),
                Some(Unproved::Certificate)
            );
        }
        let mut garbage = Certificates::read(no_certificate).unwrap();
        (0..9).for_each(|_| garbage.add_issuer(b"\x30\x82"));
        assert_eq!(garbage.issuers.len(), ISSUERS_MAX);
        assert_eq!(
            verified(&envelope("notification-v1.json"), &garbage, NOW),
            Err(Unproved::Certificate)
        );
    }

    #[test]
    fn the_issuer_is_looked_for_where_the_certificate_says_if_that_is_amazons() {
        let leaf = Certificates::read(&file("leaf.pem")).unwrap();
        let url = leaf.issuer_url().map(String::from);
        assert_eq!(
            url.as_deref(),
            Some("http://crt.r2m01.amazontrust.com/r2m01.cer")
        );
        let other = leaf.leaf.to_vec();
        let at = other
            .windows(11)
            .position(|it| it == b"amazontrust")
            .unwrap();
        let mut elsewhere = other.clone();
        elsewhere
            .windows(11)
            .rposition(|it| it == b"amazontrust")
            .into_iter()
            .chain([at])
            .for_each(|at| elsewhere[at] = b'x');
        let elsewhere = Certificates {
            leaf: elsewhere.into(),
            issuers: Vec::new(),
        };
        assert_eq!(elsewhere.issuer_url(), None);
        assert_eq!(
            ca_issuers(b"\x06\x08\x2b\x06\x01\x05\x05\x07\x30\x02\x86\x7fshort"),
            None
        );
    }

    #[test]
    fn only_a_topic_that_is_listened_to_leads_to_an_address() {
        let mut it = envelope("notification-v2.json");
        assert!(certificate_url(&it, &listening()).is_ok());
        let deaf = AlertSource {
            topics: vec![],
            ..listening()
        };
        assert_eq!(certificate_url(&it, &deaf), Err(Unproved::Topic));
        it.topic_arn = "arn:aws:sns:us-east-1:666666666666:alarms".into();
        it.signing_cert_url = "https://evil.example/".into();
        assert_eq!(certificate_url(&it, &listening()), Err(Unproved::Topic));
    }

    #[test]
    fn a_source_that_requires_version_2_asks_nobody_about_version_1() {
        let strict = AlertSource {
            require_v2: true,
            ..listening()
        };
        let mut it = envelope("notification-v2.json");
        assert!(certificate_url(&it, &strict).is_ok());
        for version in ["1", "", "3"] {
            it.signature_version = version.into();
            assert_eq!(certificate_url(&it, &strict), Err(Unproved::Version));
        }
        let old = envelope("notification-v1.json");
        assert_eq!(certificate_url(&old, &strict), Err(Unproved::Version));
        assert!(certificate_url(&old, &listening()).is_ok());
    }

    #[test]
    fn what_is_signed_cannot_be_cut_into_other_fields() {
        let signed = envelope("notification-v2.json");
        let mut cut = signed.clone();
        let subject = cut.subject.take().unwrap();
        cut.message_id = format!("{}\nSubject\n{subject}", cut.message_id);
        assert_eq!(
            verified(&cut, &certificates("leaf.pem"), NOW),
            Err(Unproved::Signature)
        );
    }

    #[test]
    fn only_sns_itself_is_asked_for_a_certificate() {
        let mut it = envelope("notification-v2.json");
        let mut ask = |address: &str| {
            it.signing_cert_url = address.to_owned();
            certificate_url(&it, &listening())
        };
        for right in [
            "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem",
            "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem",
            "https://SNS.us-east-1.AMAZONAWS.com:443/SimpleNotificationService.pem",
        ] {
            assert!(ask(right).is_ok(), "{right}");
        }
        for wrong in [
            "http://sns.us-west-2.amazonaws.com/SimpleNotificationService-f.pem",
            "https://sns.us-west-2.amazonaws.com:8443/SimpleNotificationService-f.pem",
            "https://sns.us-west-2.amazonaws.com.evil.example/SimpleNotificationService-f.pem",
            "https://evil.example/sns.us-west-2.amazonaws.com/SimpleNotificationService-f.pem",
            "https://sns.us-west-2.amazonaws.com@evil.example/SimpleNotificationService-f.pem",
            "https://user@sns.us-west-2.amazonaws.com/SimpleNotificationService-f.pem",
            "https://:pass@sns.us-west-2.amazonaws.com/SimpleNotificationService-f.pem",
            "https://evil.sns.us-west-2.amazonaws.com/SimpleNotificationService-f.pem",
            "https://sns.us.west.amazonaws.com/SimpleNotificationService-f.pem",
            "https://sns..amazonaws.com/SimpleNotificationService-f.pem",
            "https://sns.amazonaws.com/SimpleNotificationService-f.pem",
            "https://sns.us-west-2.amazonaws.com./SimpleNotificationService-f.pem",
            "https://sns.us-west-2.amazonaws.com.cn.cn/SimpleNotificationService-f.pem",
            "https://bucket.s3.amazonaws.com/SimpleNotificationService-f.pem",
            "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-f.pem?x=.pem",
            "https://sns.us-west-2.amazonaws.com/?x=/SimpleNotificationService-f.pem",
            "https://sns.us-west-2.amazonaws.com/a/SimpleNotificationService-f.pem",
            "https://sns.us-west-2.amazonaws.com/SimpleNotificationService/../other.pem",
            "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-f.pem#.pem",
            "https://sns.us-west-2.amazonaws.com/other.pem",
            "https://169.254.169.254/SimpleNotificationService-f.pem",
            "file:///SimpleNotificationService-f.pem",
            "",
        ] {
            assert_eq!(ask(wrong), Err(Unproved::Address), "{wrong}");
        }
    }

    #[test]
    fn a_subscription_is_confirmed_at_sns_alone_and_nothing_else_is() {
        let subscription = envelope("subscription.json");
        let url = confirm_url(&subscription).unwrap().unwrap();
        assert!(
            url.as_str()
                .starts_with("https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription")
        );
        assert_eq!(confirm_url(&envelope("unsubscribe.json")), Ok(None));
        assert_eq!(confirm_url(&envelope("notification-v1.json")), Ok(None));
        for wrong in [
            Some("http://169.254.169.254/latest/meta-data"),
            Some("https://sns.evil.example/"),
            None,
        ] {
            let mut forged = subscription.clone();
            forged.subscribe_url = wrong.map(str::to_owned);
            assert_eq!(confirm_url(&forged), Err(Unproved::Address));
        }
    }

    #[test]
    fn without_an_envelope_it_is_refused_with_the_reason() {
        let read = |pairs: &[(&str, &str)], body: &[u8]| {
            Envelope::read(&headers(pairs), body).unwrap_err().reason
        };
        let raw = read(&[], &file("alarm.json"));
        assert!(raw.contains("turn raw message delivery off"), "{raw}");
        assert_eq!(read(&[], b"disk full"), raw);
        assert_eq!(
            read(&[(RAW_DELIVERY, "true")], &file("notification-v1.json")),
            raw
        );
        let torn = br#"{"Type":"Notification","Message":"m","Signature":"s","MessageId":"i","TopicArn":"t"}"#;
        assert_eq!(read(&[], torn), "the SNS envelope has no `Timestamp`");
        let odd = br#"{"Type":"Odd","Message":"m","Signature":"s"}"#;
        assert_eq!(read(&[], odd), "`Type` is none of SNS's types of message");
    }
}
