//! Builds the HTTP requests that Slack would send: slash commands, signed anew each time.

use std::fmt::Write;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// One bot under test: where it listens and how requests to it are signed.
pub struct Target {
    pub address: SocketAddr,
    host: String,
    path: String,
    key: Hmac<Sha256>,
    response_url: String,
    run: u64,
}

impl Target {
    pub fn new(url: &str, secret: &str, response_url: &str) -> Result<Self> {
        let rest = url
            .strip_prefix("http://")
            .with_context(|| format!("{url} does not begin with http://"))?;
        let (host, path) = rest.split_once('/').with_context(|| format!("{url} has no path"))?;
        let address = host
            .to_socket_addrs()
            .ok()
            .and_then(|mut all| all.next())
            .with_context(|| format!("{host} is no host:port"))?;
        Ok(Self {
            address,
            host: host.to_owned(),
            path: format!("/{path}"),
            key: Hmac::new_from_slice(secret.as_bytes())?,
            response_url: percent_encode(response_url),
            run: SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as u64,
        })
    }

    /// The n-th slash command of this run, ready to be written to a socket.
    pub fn slash(&self, n: u64) -> Vec<u8> {
        let body = self.form(n);
        let timestamp = unix_seconds();
        let head = self.head(body.len(), Some((timestamp, &self.sign(timestamp, body.as_bytes()))));
        [head.into_bytes(), body.into_bytes()].concat()
    }

    /// The form of `/incident declare p1 checkout is down {n}`; trigger_id is unique over runs too.
    pub fn form(&self, n: u64) -> String {
        format!(
            "token=gIkuvaNzQIHg97ATvDxqgjtO&team_id=T0BENCH01&team_domain=firebell-bench&channel_id=C0BENCH01\
             &channel_name=operations&user_id=U0BENCH01&user_name=ana&command=%2Fincident\
             &text=declare+p1+checkout+is+down+{n}&api_app_id=A0BENCH01&is_enterprise_install=false\
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
            self.path, self.host
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
