//! Builds the HTTP requests that Slack would send: slash commands, signed anew each time.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::drive::{Requests, Turn};
use crate::marker::Mark;
use crate::place::Place;

/// One bot under test: where it listens and how requests to it are signed.
pub struct Target {
    pub place: Place,
    key: Hmac<Sha256>,
    response_url: String,
    run: u64,
}

impl Target {
    pub fn new(url: &str, secret: &str, response_url: &str) -> Result<Self> {
        Ok(Self {
            place: Place::new(url)?,
            key: Hmac::new_from_slice(secret.as_bytes())?,
            response_url: percent_encode(response_url),
            run: SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as u64,
        })
    }

    /// The form of `/incident declare p1 checkout is down {n}`; trigger_id is unique over runs too.
    pub fn form(&self, n: u64) -> String {
        self.form_saying(n, &n.to_string())
    }

    fn form_saying(&self, n: u64, which: &str) -> String {
        format!(
            "token=gIkuvaNzQIHg97ATvDxqgjtO&team_id=T0BENCH01&team_domain=firebell-bench&channel_id=C0BENCH01\
             &channel_name=operations&user_id=U0BENCH01&user_name=ana&command=%2Fincident\
             &text=declare+p1+checkout+is+down+{which}&api_app_id=A0BENCH01&is_enterprise_install=false\
             &response_url={}%2Fcommands%2FT0BENCH01%2F{n}%2F96rGlfmibIGlgcZRskXaIFfN\
             &trigger_id={n}.47445629121.{:016x}{n:016x}",
            self.response_url, self.run
        )
    }

    pub fn sign(&self, timestamp: u64, body: &[u8]) -> String {
        let mut mac = self.key.clone();
        mac.update(format!("v0:{timestamp}:").as_bytes());
        mac.update(body);
        format!("v0={}", hex::encode(mac.finalize().into_bytes()))
    }

    /// The head for a body of known length.
    pub fn head(&self, length: usize, signed: Option<(u64, &str)>) -> String {
        self.head_with(&format!("Content-Length: {length}"), signed)
    }

    /// The head for a body sent in chunks.
    pub fn chunked_head(&self, signed: Option<(u64, &str)>) -> String {
        self.head_with("Transfer-Encoding: chunked", signed)
    }

    fn head_with(&self, framing: &str, signed: Option<(u64, &str)>) -> String {
        let mut head = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: Slackbot 1.0 (+https://api.slack.com/robots)\r\n\
             Accept: application/json,*/*\r\nContent-Type: application/x-www-form-urlencoded\r\n{framing}\r\n",
            self.place.path, self.place.host
        );
        if let Some((timestamp, signature)) = signed {
            write!(
                head,
                "X-Slack-Request-Timestamp: {timestamp}\r\nX-Slack-Signature: {signature}\r\n"
            )
            .expect("a String takes all");
        }
        head.push_str("\r\n");
        head
    }
}

/// Slash commands, one after the other.
pub struct Commands {
    pub target: Target,
    /// Whether each carries the moment when it was due.
    pub marked: bool,
}

impl Requests for Commands {
    fn address(&self) -> SocketAddr {
        self.target.place.address
    }

    fn request(&self, turn: Turn) -> Vec<u8> {
        let number = turn.number;
        let mark = turn.due_us.filter(|_| self.marked).map(|due_us| Mark {
            kind: 's',
            number,
            due_us,
        });
        let which = mark.map_or_else(|| number.to_string(), Mark::text);
        let body = self.target.form_saying(number, &which);
        let timestamp = unix_seconds();
        let signature = self.target.sign(timestamp, body.as_bytes());
        let head = self.target.head(body.len(), Some((timestamp, &signature)));
        [head.into_bytes(), body.into_bytes()].concat()
    }
}

pub fn unix_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("the clock is after 1970")
        .as_secs()
}

fn percent_encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(secret: &str) -> Target {
        Target::new(
            "http://127.0.0.1:3000/slack/commands",
            secret,
            "https://hooks.slack.com",
        )
        .unwrap()
    }

    #[test]
    fn slacks_own_vector_is_signed_as_slack_does() {
        let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V\
                    &channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=\
                    &response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN\
                    &trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        assert_eq!(
            target("8f742231b10e8888abcd99yyyzzz85a5").sign(1_531_420_618, body.as_bytes()),
            "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
        );
    }

    #[test]
    fn a_command_is_about_as_long_as_slacks() {
        let length = target("s").form(12_345).len();
        assert!((380..460).contains(&length), "{length} bytes");
    }
}
