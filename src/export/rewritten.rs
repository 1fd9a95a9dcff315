//! A record whose file was written anew by another program (`jq .`, an editor): the words are the same, the bytes are not.
//!
//! The hash of an entry is over the bytes that were stored. They come back by taking the blanks out, or by writing the
//! event as Firebell writes it; what then has the hash is what was written down.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The texts that a piece of JSON may have been before it was written anew, the likeliest first.
pub(super) fn originals<T: DeserializeOwned + Serialize>(text: &str) -> Vec<String> {
    let mut originals = Vec::new();
    let Some(compact) = compact(text) else {
        return originals;
    };
    // The order of the fields is lost (`jq -S`): it is that of the type. Nothing may be lost with it: a field that the
    // type does not know, or one that is there twice, is no rewriting.
    let typed = serde_json::from_str::<T>(text).and_then(|it| serde_json::to_string(&it));
    if let Ok(typed) = typed
        && typed != compact
        && typed.len() == compact.len()
        && serde_json::from_str::<Value>(&typed).ok() == serde_json::from_str(text).ok()
    {
        originals.push(typed);
    }
    originals.insert(0, compact);
    originals
}

/// The same JSON without blanks, its strings escaped as serde does it, its fields in their order.
fn compact(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c == '"' {
            let end = end_of_string(rest)?;
            let string: String = serde_json::from_str(&rest[..end]).ok()?;
            out.push_str(&serde_json::to_string(&string).ok()?);
            rest = &rest[end..];
            continue;
        }
        if !c.is_ascii_whitespace() {
            out.push(c);
        }
        rest = &rest[c.len_utf8()..];
    }
    Some(out)
}

/// Where a string ends that begins here.
fn end_of_string(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Event;

    #[test]
    fn blanks_and_escapes_make_no_difference() {
        let stored = r#"{"event":"note_added","text":"é \"x\" \\ <b> 1.50"}"#;
        let pretty = "{\n  \"event\" : \"note_added\",\n  \"text\": \"\\u00e9 \\\"x\\\" \\\\ \\u003cb> 1.50\"\n}";
        assert_eq!(originals::<Event>(pretty)[0], stored);
    }

    #[test]
    fn another_order_of_the_fields_makes_no_difference_but_another_field_does() {
        let stored = r#"{"event":"note_added","text":"x"}"#;
        let has = |text: &str| originals::<Event>(text).contains(&stored.to_owned());
        assert!(has(r#"{ "text": "x", "event": "note_added" }"#));
        for other in [
            r#"{"event":"note_added","text":"x","more":1}"#,
            r#"{"event":"note_added","text":"y","text":"x"}"#,
            r#"{"text":"x","text":"x","event":"note_added"}"#,
            r#"{"event":"note_added","text":"y"}"#,
        ] {
            assert!(!has(other), "{other}");
        }
    }
}
