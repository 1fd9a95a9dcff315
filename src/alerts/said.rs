//! Cuts what senders say to size: every text from outside becomes part of an [`Alert`] here and nowhere else.
//!
//! What is cut ends in "…". Control characters are taken out (Postgres keeps no NUL, and nobody's terminal should obey a
//! sender).

use std::collections::BTreeMap;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use url::Url;

use super::Malformed;
use crate::domain::alert::{Alert, Links, Signal};
use crate::domain::form::one_line;
use crate::domain::remark::Remark;
use crate::domain::terms::DedupKey;

/// How many characters of a name or a title are kept: three lines of a phone.
const TITLE_MAX: usize = 300;
/// How many characters of a description are kept: a section of a Slack message takes 3,000, and the record some more.
const DESCRIPTION_MAX: usize = 4_000;
/// How many characters of a severity are kept: it is a word.
const SEVERITY_MAX: usize = 64;
/// How many characters of the name of whoever wrote a remark are kept.
const BY_MAX: usize = 100;
/// How many characters of a remark are kept: what people write while they work on something.
const REMARK_MAX: usize = 500;
/// How many labels are kept: more than senders have, and less than would fill a card.
const LABELS_MAX: usize = 64;
/// How many characters of a label's name are kept.
const LABEL_NAME_MAX: usize = 100;
/// How many characters of a label's value are kept.
const LABEL_MAX: usize = 500;
/// How many bytes a key may have (PagerDuty's limit for `dedup_key`); a longer one is kept as its digest.
const KEY_MAX: usize = 255;
/// How many bytes an address may have: what a Slack button takes. A part of an address leads nowhere, so a longer one is
/// left out.
const LINK_MAX: usize = 3_000;
/// The label that says how many others were left out.
const LEFT_OUT: &str = "…";
/// The labels that routes are most often made of: they are kept whatever else is left out.
const KEPT_FIRST: [&str; 5] = ["alertname", "severity", "service", "env", "state"];

/// An alert as it was sent, before anything is cut.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub key: String,
    pub signal: Signal,
    /// What watches it; blank: the title.
    pub name: String,
    /// What is wrong; blank: the name.
    pub title: String,
    pub description: Option<String>,
    pub severity: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub links: Links,
    /// Who did something about it, or wrote of it.
    pub remark: Remark,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
}

impl Said {
    /// A signal of a condition, and nothing more.
    pub(super) fn new(key: impl Into<String>, signal: Signal, title: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            signal,
            name: String::new(),
            title: title.into(),
            description: None,
            severity: None,
            labels: BTreeMap::new(),
            links: Links::default(),
            remark: Remark::default(),
            started_at: None,
            ended_at: None,
            expires_at: None,
        }
    }

    /// Sets a label of our own making: it goes before one of that name that was sent.
    pub(super) fn label(&mut self, name: &str, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.labels.insert(name.to_owned(), value.into());
        }
    }

    /// The alert, cut to size; malformed without a key, or without a name and a title.
    pub(super) fn cut(self) -> Result<Alert, Malformed> {
        let Said {
            key: raw,
            signal,
            name,
            title,
            description,
            severity,
            labels,
            links,
            remark,
            started_at,
            ended_at,
            expires_at,
        } = self;
        let key = key(&raw).ok_or_else(|| {
            Malformed::new("the alert has nothing that tells it from others of the same source")
        })?;
        let (name, title) = match (line(&name, TITLE_MAX), line(&title, TITLE_MAX)) {
            (Some(name), Some(title)) => (name, title),
            (Some(only), None) | (None, Some(only)) => (only.clone(), only),
            (None, None) => return Err(Malformed::new("the alert has neither a name nor a title")),
        };
        let severity = severity.and_then(|text| line(&text, SEVERITY_MAX));
        Ok(Alert {
            key: DedupKey::new(key),
            signal,
            name,
            title,
            description: description.and_then(|text| block(&text, DESCRIPTION_MAX)),
            labels: kept(labels, severity.as_deref()),
            severity,
            links: Links {
                runbook: link(links.runbook),
                dashboard: link(links.dashboard),
                silence: link(links.silence),
                origin: link(links.origin),
            },
            remark: cut_remark(remark),
            started_at,
            ended_at,
            expires_at,
        })
    }
}

fn cut_remark(remark: Remark) -> Option<Remark> {
    let remark = Remark {
        by: remark.by.and_then(|by| line(&by, BY_MAX)),
        text: remark.text.and_then(|text| block(&text, REMARK_MAX)),
    };
    (remark != Remark::default()).then_some(remark)
}

/// A key as it is kept: itself, or its SHA-256 in hexadecimal if it is long or holds what cannot be kept; none if it is
/// blank.
pub(super) fn key(raw: &str) -> Option<String> {
    let text = raw.trim();
    if text.is_empty() {
        return None;
    }
    match text.len() <= KEY_MAX && !text.contains(char::is_control) {
        true => Some(text.to_owned()),
        false => Some(digest(text.as_bytes())),
    }
}

/// The key of what was sent without one: the same bytes are the same condition, so that a request that is sent twice
/// because its answer was lost is one.
pub(super) fn made_key(body: &[u8]) -> String {
    let mut key = digest(body);
    key.truncate(32);
    key
}

/// SHA-256 in hexadecimal.
pub(super) fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// A text in one line.
pub(super) fn line(text: &str, characters: usize) -> Option<String> {
    block(&one_line(text), characters)
}

/// A text in several lines.
fn block(text: &str, characters: usize) -> Option<String> {
    let text = text.replace("\r\n", "\n");
    let clean: String = text
        .chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect();
    let clean = clean.trim();
    if clean.is_empty() {
        return None;
    }
    match clean.char_indices().nth(characters) {
        None => Some(clean.to_owned()),
        Some(_) => {
            let kept: String = clean.chars().take(characters - 1).collect();
            Some(kept.trim_end().to_owned() + "…")
        }
    }
}

/// An address that can be opened, by Slack too: a browser would also take `HTTPS:/a.example` or `https:///a.example`.
fn link(text: Option<String>) -> Option<String> {
    let text = text?;
    let (scheme, rest) = text.trim().split_once("://")?;
    let text = format!("{}://{rest}", scheme.to_ascii_lowercase());
    let opens = text.len() <= LINK_MAX
        && !text.contains(|c: char| c.is_control() || c.is_whitespace() || "<>|\"".contains(c))
        && !rest.starts_with(['/', '\\'])
        && Url::parse(&text).is_ok_and(|url| {
            matches!(url.scheme(), "https" | "http")
                && url.host_str().is_some_and(|host| !host.is_empty())
        });
    opens.then_some(text)
}

fn kept(labels: BTreeMap<String, String>, severity: Option<&str>) -> BTreeMap<String, String> {
    let mut cut: BTreeMap<String, String> = labels
        .into_iter()
        .filter_map(|(name, value)| {
            let name = match name.trim() {
                "source" => "exported_source",
                name => name,
            };
            Some((line(name, LABEL_NAME_MAX)?, block(&value, LABEL_MAX)?))
        })
        .collect();
    if let Some(severity) = severity {
        // What a route is made of is the same label for every source.
        cut.entry("severity".to_owned())
            .or_insert_with(|| severity.to_owned());
    }
    if cut.len() <= LABELS_MAX {
        return cut;
    }
    let too_many = cut.len() - (LABELS_MAX - 1);
    let last: Vec<String> = cut
        .keys()
        .rev()
        .filter(|name| !KEPT_FIRST.contains(&name.as_str()))
        .take(too_many)
        .cloned()
        .collect();
    for name in last {
        cut.remove(&name);
    }
    cut.insert(LEFT_OUT.to_owned(), format!("{too_many} more labels"));
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said() -> Said {
        Said::new("k", Signal::Firing, "title")
    }

    #[test]
    fn what_is_too_long_is_cut_visibly_and_by_characters() {
        let alert = Said {
            title: "é".repeat(301),
            description: Some("☃".repeat(4_001)),
            severity: Some("x".repeat(65)),
            labels: [("n".repeat(101), "v".repeat(501))].into(),
            ..said()
        }
        .cut()
        .unwrap();
        assert_eq!(alert.title, "é".repeat(299) + "…");
        assert_eq!(alert.description.unwrap(), "☃".repeat(3_999) + "…");
        assert_eq!(alert.severity.unwrap().chars().count(), 64);
        let (name, value) = alert.labels.first_key_value().unwrap();
        assert_eq!((name.chars().count(), value.chars().count()), (100, 500));
        assert!(name.ends_with('…') && value.ends_with('…'));
        let whole = Said {
            title: "é".repeat(300),
            ..said()
        }
        .cut()
        .unwrap();
        assert_eq!(whole.title, "é".repeat(300));
    }

    #[test]
    fn a_title_is_one_line_and_nothing_holds_a_nul() {
        let alert = Said {
            title: " a\n\0b\u{1b}[31m\tc ".into(),
            description: Some("one\r\ntwo\0\n\tthree\n\n".into()),
            labels: [
                ("a\0b".into(), "c\0d".into()),
                ("e".into(), "\0".into()),
                (" ".into(), "f".into()),
            ]
            .into(),
            ..said()
        }
        .cut()
        .unwrap();
        assert_eq!(alert.title, "a b [31m c");
        assert_eq!(alert.description.as_deref(), Some("one\ntwo\n\tthree"));
        assert_eq!(alert.labels, [("a b".to_owned(), "cd".to_owned())].into());
    }

    #[test]
    fn a_long_key_is_its_digest_and_a_blank_one_is_none() {
        let kept = |text: &str| key(text);
        assert_eq!(kept(&"k".repeat(255)), Some("k".repeat(255)));
        assert_eq!(kept(&"k".repeat(256)), Some(digest(&[b'k'; 256])));
        assert_eq!(kept("a\0"), Some(digest(b"a\0")));
        assert_eq!(kept(" "), None);
        let nameless = Said::new("k", Signal::Firing, " ").cut().unwrap_err();
        assert_eq!(nameless.reason, "the alert has neither a name nor a title");
    }

    #[test]
    fn sixty_four_labels_are_kept_and_those_that_routes_need_among_them() {
        let labels: BTreeMap<String, String> = (0..100)
            .map(|n| (format!("a{n:03}"), "x".to_owned()))
            .chain([("service".to_owned(), "checkout".to_owned())])
            .collect();
        let alert = Said {
            labels,
            severity: Some("P1".into()),
            ..said()
        }
        .cut()
        .unwrap();
        assert_eq!(alert.labels.len(), 64);
        assert_eq!(alert.labels["service"], "checkout");
        assert_eq!(alert.labels["severity"], "P1");
        assert_eq!(alert.labels["…"], "39 more labels");
        assert!(alert.labels.contains_key("a060") && !alert.labels.contains_key("a061"));
    }

    #[test]
    fn the_label_source_means_the_alert_source_so_a_sent_one_is_exported() {
        let alert = Said {
            labels: [("source".into(), "other".into())].into(),
            ..said()
        }
        .cut()
        .unwrap();
        assert_eq!(
            alert.labels,
            [("exported_source".to_owned(), "other".to_owned())].into()
        );
    }

    #[test]
    fn only_what_can_be_opened_is_a_link() {
        let of = |text: &str| link(Some(text.to_owned()));
        assert_eq!(
            of(" https://a.example/b?c#d "),
            Some("https://a.example/b?c#d".into())
        );
        assert_eq!(
            of("http://prometheus:9090/graph"),
            Some("http://prometheus:9090/graph".into())
        );
        assert_eq!(
            of("hTtps://a.example/B"),
            Some("https://a.example/B".into())
        );
        for wrong in [
            "",
            "https:/a.example",
            "https:///a.example",
            "https://\\a.example",
            "https:a.example",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "/a",
            "https://",
            "https://a b",
            "https://a/|x>",
            "mailto:a@b.example",
        ] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
        assert_eq!(
            of(&format!("https://a.example/{}", "x".repeat(3_000))),
            None
        );
    }
}
