//! The hash chain of an incident's record: each event carries a hash over itself and the hash before it, so that
//! an edit, a removal or a new order shows.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::domain::terms::IncidentId;

/// The hash before the first event.
pub const BEGINNING: &str = "";

/// What of an event is hashed: everything that is stored about it, byte for byte.
#[derive(Debug, Clone, Copy)]
pub struct Link<'a> {
    /// The incident.
    pub incident_id: &'a str,
    /// The event's number.
    pub seq: i64,
    /// Its kind.
    pub kind: &'a str,
    /// When it happened, in milliseconds since 1970.
    pub happened_at_ms: i64,
    /// When it was written down, in milliseconds since 1970.
    pub recorded_at_ms: i64,
    /// Who made it happen, as JSON.
    pub actor: &'a str,
    /// The event, as JSON.
    pub payload: &'a str,
}

impl Link<'_> {
    /// The hash of this event after the one before it, in lower-case hexadecimal. Each field goes in behind its
    /// length, so that no two records run together into the same bytes.
    pub fn hash(&self, before: &str) -> String {
        let mut hasher = Sha256::new();
        let mut field = |bytes: &[u8]| {
            hasher.update((bytes.len() as u64).to_be_bytes());
            hasher.update(bytes);
        };
        field(before.as_bytes());
        field(self.incident_id.as_bytes());
        field(&self.seq.to_be_bytes());
        field(self.kind.as_bytes());
        field(&self.happened_at_ms.to_be_bytes());
        field(&self.recorded_at_ms.to_be_bytes());
        field(self.actor.as_bytes());
        field(self.payload.as_bytes());
        hex::encode(hasher.finalize())
    }
}

/// A proof of a record that is kept elsewhere: `INC-2025-0914-001:41:` and the first half of the hash of event 41.
/// Whoever rewrites the whole database cannot rewrite it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// The incident.
    pub incident: IncidentId,
    /// The number of the last event that it speaks for.
    pub seq: u64,
    /// The beginning of that event's hash.
    pub head: String,
}

/// 128 bits: enough that no second record of the same beginning can be found.
const ANCHOR_DIGITS: usize = 32;

impl Anchor {
    /// The anchor of a record whose event `seq` has this hash.
    pub fn new(incident: &IncidentId, seq: u64, hash: &str) -> Self {
        Self {
            incident: incident.clone(),
            seq,
            head: hash.chars().take(ANCHOR_DIGITS).collect(),
        }
    }

    /// Whether the hash of event `seq` is the one that was anchored.
    pub fn holds(&self, hash: &str) -> bool {
        hash.starts_with(&self.head)
    }
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Anchor {
            incident,
            seq,
            head,
        } = self;
        write!(f, "{incident}:{seq}:{head}")
    }
}

impl FromStr for Anchor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "“{text}” is no anchor. It stands in the message that told of the resolution, in the form INC-2025-0914-001:41:{}",
                "0".repeat(ANCHOR_DIGITS)
            )
        };
        let mut parts = text.trim_matches(['`', ' ']).splitn(3, ':');
        let (Some(incident), Some(seq), Some(head)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong());
        };
        let is_hash = head.len() == ANCHOR_DIGITS && head.bytes().all(|b| b.is_ascii_hexdigit());
        match (incident.is_empty(), seq.parse(), is_hash) {
            (false, Ok(seq), true) => Ok(Self {
                incident: IncidentId::new(incident),
                seq,
                head: head.to_ascii_lowercase(),
            }),
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: Link<'_> = Link {
        incident_id: "INC-2025-0914-001",
        seq: 2,
        kind: "note_added",
        happened_at_ms: 1,
        recorded_at_ms: 2,
        actor: r#"{"kind":"firebell"}"#,
        payload: r#"{"event":"note_added","text":"x"}"#,
    };

    #[test]
    fn every_stored_field_changes_the_hash() {
        let whole = LINK.hash("before");
        let edited = [
            Link {
                incident_id: "INC-2025-0914-002",
                ..LINK
            },
            Link { seq: 3, ..LINK },
            Link {
                kind: "closed",
                ..LINK
            },
            Link {
                happened_at_ms: 2,
                ..LINK
            },
            Link {
                recorded_at_ms: 3,
                ..LINK
            },
            Link {
                actor: "{}",
                ..LINK
            },
            Link {
                payload: "{}",
                ..LINK
            },
        ];
        for link in edited {
            assert_ne!(link.hash("before"), whole, "{link:?}");
        }
        assert_ne!(LINK.hash("another"), whole);
    }

    #[test]
    fn an_anchor_is_read_as_it_was_written() {
        let id = IncidentId::new("INC-2025-0914-001");
        let hash = LINK.hash("before");
        let anchor = Anchor::new(&id, 41, &hash);
        assert_eq!(anchor.to_string().parse(), Ok(anchor.clone()));
        assert!(anchor.holds(&hash));
        assert!(!anchor.holds(&LINK.hash("another")));
        for wrong in [
            "",
            "INC-1:1",
            "INC-1:x:00",
            "INC-1:1:",
            ":1:00",
            "INC-1:1:zz",
        ] {
            assert!(wrong.parse::<Anchor>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn text_moved_from_one_field_to_the_next_changes_the_hash() {
        let one = Link {
            actor: "ab",
            payload: "c",
            ..LINK
        };
        let other = Link {
            actor: "a",
            payload: "bc",
            ..LINK
        };
        assert_ne!(one.hash(BEGINNING), other.hash(BEGINNING));
    }
}
