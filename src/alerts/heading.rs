//! What a request says beside its body: kept with it, so that it can be read again as what it was.

use std::collections::BTreeMap;

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use super::opsgenie::{Request, act};
use super::{Malformed, Sent, Told, read, sentry};

/// Characters of one header that are kept, and headers: what is longer, or more, nobody reads.
const VALUE_MAX: usize = 1_000;
const HEADERS_MAX: usize = 50;
/// How the headers of a CloudEvent begin, whose body is its data alone.
const EVENT: &str = "ce-";

/// The headers that a reader goes by, and what an address asks for. Nothing by which a sender proves to be one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Heading {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    asked: Option<Asked>,
}

/// What is asked for an alert by the address alone: `/v2/alerts/{alias}/{act}` of Opsgenie's API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Asked {
    alias: String,
    act: String,
}

impl Heading {
    /// What the headers of a request say.
    pub fn of(headers: &HeaderMap) -> Self {
        let is_read = |name: &str| {
            name == CONTENT_TYPE.as_str() || name == sentry::RESOURCE || name.starts_with(EVENT)
        };
        let read = headers
            .iter()
            .filter(|(name, _)| is_read(name.as_str()))
            .filter_map(|(name, value)| {
                let value = value.to_str().ok()?.chars().take(VALUE_MAX).collect();
                Some((name.as_str().to_owned(), value))
            });
        Self {
            headers: read.take(HEADERS_MAX).collect(),
            asked: None,
        }
    }

    /// The same of a request whose address asks for something: `close` for the alert of an alias.
    pub fn asking(mut self, alias: &str, act: &str) -> Self {
        self.asked = Some(Asked {
            alias: alias.to_owned(),
            act: act.to_owned(),
        });
        self
    }

    /// The type that the request claims.
    pub fn content_type(&self) -> &str {
        let kind = self.headers.get(CONTENT_TYPE.as_str());
        kind.map_or("", String::as_str)
    }

    /// As it is kept: JSON.
    pub fn kept(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What was kept; nothing of a request that was kept without.
    pub fn read(kept: &str) -> Self {
        serde_json::from_str(kept).unwrap_or_default()
    }

    /// The headers, for a reader.
    pub fn headers(&self) -> HeaderMap {
        let header = |(name, value): (&String, &String)| {
            Some((
                HeaderName::from_bytes(name.as_bytes()).ok()?,
                HeaderValue::from_str(value).ok()?,
            ))
        };
        self.headers.iter().filter_map(header).collect()
    }
}

/// Reads a kept request: as what its address asked for, or as what its source sends to `/alerts/{id}`.
pub fn read_again(sent: &Sent<'_>, heading: &Heading) -> Result<Told, Malformed> {
    let Some(asked) = &heading.asked else {
        return read(sent);
    };
    match Request::of(&asked.act) {
        Some(request) => act(sent, &asked.alias, request),
        None => Err(Malformed::new(
            "it asks for what this version does not know: read it with the one that took it",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{headers, source, with};
    use super::*;
    use crate::domain::alert::Signal;
    use crate::domain::catalog::SourceKind::{Cloudevents, Opsgenie, Sentry};

    fn again(kind: crate::domain::catalog::SourceKind, kept: &str, body: &[u8]) -> Told {
        let heading = Heading::read(kept);
        let source = source(kind);
        let (headers, now) = (heading.headers(), jiff::Timestamp::UNIX_EPOCH);
        let (source, headers) = (&source, &headers);
        let sent = Sent {
            source,
            headers,
            body,
            now,
        };
        read_again(&sent, &heading).unwrap()
    }

    #[test]
    fn what_was_kept_is_read_as_what_it_was() {
        let close = Heading::of(&headers(&[])).asking("checkout-5xx", "close");
        let alert = &again(Opsgenie, &close.kept(), b"").alerts[0];
        assert_eq!(alert.signal, Signal::Resolved);
        assert_eq!(alert.key.as_str(), "checkout-5xx");

        let event = [
            ("ce-specversion", "1.0"),
            ("ce-id", "1"),
            ("ce-source", "/disks"),
            ("ce-type", "disk.full"),
            ("content-type", "text/plain"),
        ];
        let first = with(&source(Cloudevents), &event, b"it is full", read).unwrap();
        let kept = Heading::of(&headers(&event)).kept();
        assert_eq!(
            again(Cloudevents, &kept, b"it is full").alerts,
            first.alerts
        );

        // A comment has nothing that tells it from a hook about an issue but its header.
        let comment = [(sentry::RESOURCE, "comment")];
        let kept = Heading::of(&headers(&comment)).kept();
        let body = br#"{"action":"created","data":{"issue":{"id":"1","title":"t"}}}"#;
        assert!(again(Sentry, &kept, body).alerts.is_empty());
    }

    #[test]
    fn no_secret_is_kept_and_nothing_endless() {
        let long = "x".repeat(2_000);
        let sent = [
            ("authorization", "GenieKey secret"),
            ("x-firebell-token", "secret"),
            ("x-routing-key", "secret"),
            ("sentry-hook-signature", "secret"),
            ("ce-note", long.as_str()),
            ("content-type", "application/json"),
        ];
        let heading = Heading::of(&headers(&sent));
        assert!(!heading.kept().contains("secret"), "{}", heading.kept());
        assert_eq!(heading.headers["ce-note"].len(), VALUE_MAX);
        assert_eq!(heading.content_type(), "application/json");
        for kept in ["", "{", "null"] {
            assert_eq!(Heading::read(kept), Heading::default());
        }
    }
}
