//! Reads the fields of a JSON body leniently: a number where a text was meant, a field that is missing, null or blank.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Malformed;

/// A body as JSON.
pub(super) fn parse(body: &[u8]) -> Result<Value, Malformed> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if body.trim_ascii().is_empty() {
        return Err(Malformed::new("the body is empty; it must be JSON"));
    }
    serde_json::from_slice(body)
        .map_err(|error| Malformed::new(format!("the body is not JSON: {error}")))
}

/// A body as a JSON object.
pub(super) fn object(body: &[u8]) -> Result<Value, Malformed> {
    match parse(body)? {
        object @ Value::Object(_) => Ok(object),
        _ => Err(Malformed::new("the body must be a JSON object: { … }")),
    }
}

/// A value as text; none for null, for what is blank, and for lists and objects.
pub(super) fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The field of this name as text.
pub(super) fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(plain)
}

/// The first of these fields that says something, as text.
pub(super) fn first(value: &Value, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| text(value, name))
}

/// The field of this name as a list; of anything else none.
pub(super) fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value
        .get(name)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// Labels, however they are written: an object; a list of `name:value` or `name=value`, of `[name, value]`, of
/// `{"name": …, "value": …}` or `{"key": …, "value": …}`; a text of such, with commas between them.
///
/// Words without a value (`prod`) come together as the label `tags`: `prod,web`.
pub(super) fn labels(value: Option<&Value>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let mut words = Vec::new();
    match value {
        Some(Value::Object(object)) => {
            labels.extend(
                object
                    .iter()
                    .filter_map(|(name, value)| Some((name.trim().to_owned(), deep(value)?))),
            );
        }
        Some(Value::Array(items)) => {
            for item in items {
                match pair(item) {
                    Some(Tag::Pair(name, value)) => {
                        labels.insert(name, value);
                    }
                    Some(Tag::Word(word)) => words.push(word),
                    None => {}
                }
            }
        }
        Some(Value::String(text)) => {
            for item in text.split(',') {
                match written(item) {
                    Some(Tag::Pair(name, value)) => {
                        labels.insert(name, value);
                    }
                    Some(Tag::Word(word)) => words.push(word),
                    None => {}
                }
            }
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_)) | None => {}
    }
    if !words.is_empty() {
        labels.entry("tags".to_owned()).or_insert(words.join(","));
    }
    labels.retain(|name, _| !name.is_empty());
    labels
}

enum Tag {
    Pair(String, String),
    Word(String),
}

fn pair(item: &Value) -> Option<Tag> {
    match item {
        Value::Array(pair) => match pair.as_slice() {
            [name, value] => Some(Tag::Pair(plain(name)?, deep(value)?)),
            _ => None,
        },
        Value::Object(_) => {
            let name = first(item, &["name", "key", "Name", "Key"])?;
            let value = item.get("value").or_else(|| item.get("Value"))?;
            Some(Tag::Pair(name, deep(value)?))
        }
        Value::String(text) => written(text),
        Value::Number(_) | Value::Bool(_) => plain(item).map(Tag::Word),
        Value::Null => None,
    }
}

fn written(text: &str) -> Option<Tag> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    // Of `url:https://…` and `k=v:w` the first of the two divides.
    match text.find([':', '=']) {
        Some(at) if at > 0 && !text[at + 1..].trim().is_empty() => Some(Tag::Pair(
            text[..at].trim().to_owned(),
            text[at + 1..].trim().to_owned(),
        )),
        Some(_) | None => Some(Tag::Word(text.to_owned())),
    }
}

/// A value as text, a list or an object as JSON; none for null and what is blank or empty.
pub(super) fn deep(value: &Value) -> Option<String> {
    match value {
        Value::Array(items) if items.is_empty() => None,
        Value::Object(fields) if fields.is_empty() => None,
        Value::Array(_) | Value::Object(_) => Some(value.to_string()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => plain(value),
    }
}

/// An object without fields, for what is missing.
pub(super) fn nothing() -> Value {
    Value::Object(Map::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn labels_are_read_however_they_are_written() {
        let read = |value: Value| {
            labels(Some(&value))
                .into_iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(
            read(json!({"a": 1, "b": null, "c": " ", "d": [1]})),
            "a=1 d=[1]"
        );
        assert_eq!(
            read(json!(["a:b", "c=d:e", "prod", "web"])),
            "a=b c=d:e tags=prod,web"
        );
        assert_eq!(
            read(json!([["level", "error"], ["x"], null])),
            "level=error"
        );
        assert_eq!(
            read(json!([{"name": "n", "value": 2}, {"key": "k", "value": "v"}])),
            "k=v n=2"
        );
        assert_eq!(
            read(json!("env:prod, service:checkout,,:x")),
            "env=prod service=checkout tags=:x"
        );
        assert_eq!(read(json!(7)), "");
    }

    #[test]
    fn a_body_that_is_no_json_is_told_without_a_word_of_it() {
        let told = |body: &[u8]| parse(body).unwrap_err().reason;
        assert_eq!(told(b" "), "the body is empty; it must be JSON");
        assert_eq!(
            told(b"hunter2"),
            "the body is not JSON: expected value at line 1 column 1"
        );
        assert!(!told(b"{\"a\": hunter2}").contains("hunter2"));
        assert!(told(&b"[".repeat(100_000)).contains("recursion limit"));
        assert_eq!(parse(b"\xef\xbb\xbf1").unwrap(), json!(1));
    }
}
