//! The arguments of a call, however they were sent: query, form, multipart or JSON (contract section 6.0).

use serde_json::{Map, Value, json};

use super::{Failure, Outcome};

/// Arguments by name. A form's nested arguments are JSON in a string; both readings work the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Args {
    values: Map<String, Value>,
    form_token: Option<String>,
}

impl Args {
    /// The fields of a JSON object.
    pub fn of(body: Value) -> Args {
        let values = body.as_object().cloned().unwrap_or_default();
        Args {
            values,
            form_token: None,
        }
    }

    pub fn read(query: &str, content_type: &str, body: &[u8]) -> Result<Args, Failure> {
        let mut values = Map::new();
        let mut form_token = None;
        for (name, value) in pairs(query.as_bytes())? {
            if name != "token" {
                values.insert(name, json!(value));
            }
        }
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        match kind {
            _ if body.is_empty() => {}
            "application/json" => {
                let body: Value =
                    serde_json::from_slice(body).map_err(|_| Failure::new("invalid_json"))?;
                let Value::Object(fields) = body else {
                    return Err(Failure::new("json_not_object"));
                };
                // An explicit null means the default, and a token in JSON is not read.
                values.extend(
                    fields
                        .into_iter()
                        .filter(|(name, value)| name != "token" && !value.is_null()),
                );
            }
            "application/x-www-form-urlencoded" => {
                for (name, value) in pairs(body)? {
                    match name.as_str() {
                        "token" => form_token = Some(value),
                        _ => _ = values.insert(name, json!(value)),
                    }
                }
            }
            "multipart/form-data" => {
                for part in
                    parts(content_type, body).ok_or_else(|| Failure::new("invalid_form_data"))?
                {
                    let value = String::from_utf8_lossy(part.bytes).into_owned();
                    match part.name.as_str() {
                        "token" => form_token = Some(value),
                        _ => _ = values.insert(part.name, json!(value)),
                    }
                }
            }
            "" => return Err(Failure::new("missing_post_type")),
            _ => return Err(Failure::new("invalid_post_type")),
        }
        Ok(Args { values, form_token })
    }

    pub fn form_token(&self) -> Option<String> {
        self.form_token.clone()
    }

    /// The arguments as one JSON object, for the record.
    pub fn without_token(&self) -> Value {
        Value::Object(self.values.clone())
    }

    /// A text; numbers and booleans are read as one.
    pub fn text(&self, name: &str) -> Option<String> {
        match self.values.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            nested => Some(nested.to_string()),
        }
    }

    pub fn required(&self, name: &str) -> Result<String, Failure> {
        self.text(name)
            .filter(|text| !text.is_empty())
            .ok_or_else(|| Failure::missing(name))
    }

    pub fn flag(&self, name: &str) -> bool {
        matches!(self.text(name).as_deref(), Some("true" | "1"))
    }

    /// `limit`: how many items, at most `most`.
    pub fn limit(&self, default: usize, most: usize) -> Result<usize, Failure> {
        let Some(limit) = self
            .text("limit")
            .filter(|limit| !limit.is_empty() && limit != "0")
        else {
            return Ok(default);
        };
        let limit = limit.parse::<usize>().ok().filter(|limit| *limit <= most);
        limit.ok_or_else(|| Failure::new("invalid_limit"))
    }

    /// A list: an array, or words with commas between.
    pub fn list(&self, name: &str) -> Vec<String> {
        if let Some(Value::Array(items)) = self.values.get(name) {
            return items
                .iter()
                .filter_map(|item| item.as_str().map(str::to_owned))
                .collect();
        }
        let text = self.text(name).unwrap_or_default();
        text.split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// A nested argument: JSON itself, or a string that holds it.
    pub fn json(&self, name: &str) -> Result<Option<Value>, serde_json::Error> {
        match self.values.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => serde_json::from_str(text).map(Some),
            Some(nested) => Ok(Some(nested.clone())),
        }
    }

    /// A nested argument that must be an array.
    pub fn array(&self, name: &str) -> Result<Option<Vec<Value>>, ()> {
        match self.json(name) {
            Ok(None) => Ok(None),
            Ok(Some(Value::Array(items))) => Ok(Some(items)),
            Ok(Some(_)) | Err(_) => Err(()),
        }
    }
}

fn pairs(form: &[u8]) -> Result<Vec<(String, String)>, Failure> {
    serde_urlencoded::from_bytes(form).map_err(|_| Failure::new("invalid_form_data"))
}

/// One part of a multipart body.
pub(crate) struct Part<'a> {
    pub name: String,
    pub bytes: &'a [u8],
}

/// The parts of a multipart body, or `None` when it is not one.
pub(crate) fn parts<'a>(content_type: &str, body: &'a [u8]) -> Option<Vec<Part<'a>>> {
    let boundary = content_type
        .split("boundary=")
        .nth(1)?
        .split(';')
        .next()?
        .trim()
        .trim_matches('"');
    let opening = format!("--{boundary}");
    let between = format!("\r\n--{boundary}");
    let mut rest = &body[find(body, opening.as_bytes())? + opening.len()..];
    let mut found = Vec::new();
    while rest.starts_with(b"\r\n") {
        let head_end = find(rest, b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&rest[..head_end]).into_owned();
        let content = &rest[head_end + 4..];
        let end = find(content, between.as_bytes())?;
        let name = head
            .split("name=\"")
            .nth(1)
            .and_then(|after| after.split('"').next())
            .unwrap_or_default();
        found.push(Part {
            name: name.to_owned(),
            bytes: &content[..end],
        });
        rest = &content[end + between.len()..];
    }
    Some(found)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

/// A page of a list: the items after the cursor's key, and the cursor of the next page.
pub(super) fn page<T>(
    args: &Args,
    items: Vec<T>,
    key: impl Fn(&T) -> String,
    (default, most): (usize, usize),
) -> Result<(Vec<T>, String), Failure> {
    let limit = args.limit(default, most)?;
    let mut rest = items;
    if let Some(cursor) = args.text("cursor").filter(|cursor| !cursor.is_empty()) {
        let last = read_cursor(&cursor)?;
        let place = rest
            .iter()
            .position(|item| key(item) == last)
            .ok_or_else(|| Failure::new("invalid_cursor"))?;
        rest.drain(..=place);
    }
    let more = rest.len() > limit;
    rest.truncate(limit);
    let next = rest
        .last()
        .filter(|_| more)
        .map(|last| write_cursor(&key(last)))
        .unwrap_or_default();
    Ok((rest, next))
}

/// Cursors are opaque and end in `=`, so that a client that does not URL-encode them is found out.
pub(super) fn write_cursor(key: &str) -> String {
    format!("{}=", hex::encode(format!("next:{key}")))
}

pub(super) fn read_cursor(cursor: &str) -> Result<String, Failure> {
    let bytes = cursor
        .strip_suffix('=')
        .and_then(|digits| hex::decode(digits).ok());
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let key = text.and_then(|text| text.strip_prefix("next:").map(str::to_owned));
    key.ok_or_else(|| Failure::new("invalid_cursor"))
}

/// An answer that has nothing to say but `ok`.
pub(super) fn done() -> Outcome {
    Ok(json!({}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_in_the_query_or_in_json_is_not_read() {
        let args = Args::read(
            "token=xoxb-1&a=b",
            "application/json",
            br#"{"token":"xoxb-1","c":"d"}"#,
        )
        .unwrap();
        assert_eq!(
            (args.form_token(), args.without_token()),
            (None, json!({"a": "b", "c": "d"}))
        );
        let form = Args::read("", "application/x-www-form-urlencoded", b"token=xoxb-1").unwrap();
        assert_eq!(form.form_token().as_deref(), Some("xoxb-1"));
    }

    #[test]
    fn multipart_bodies_are_cut_into_their_parts() {
        let body = b"--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n2\r\n--x\r\nContent-Disposition: form-data; name=\"b\"; filename=\"f\"\r\n\r\nraw\r\n--x--\r\n";
        let found = parts("multipart/form-data; boundary=x", body).unwrap();
        let read: Vec<_> = found
            .iter()
            .map(|part| (part.name.as_str(), part.bytes))
            .collect();
        assert_eq!(read, [("a", &b"1\r\n2"[..]), ("b", &b"raw"[..])]);
    }

    #[test]
    fn broken_json_is_named() {
        let error = |body: &[u8]| Args::read("", "application/json", body).unwrap_err().error;
        assert_eq!(error(b"{"), "invalid_json");
        assert_eq!(error(b"[]"), "json_not_object");
    }
}
