//! The hash chain of an incident's record: each event carries a hash over itself and the hash before it, so that
//! an edit, a removal or a new order shows.

use sha2::{Digest, Sha256};

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
