//! Addresses that Slack tells us to post to, besides its API: where a person's answer goes, where a file goes. They come
//! with a request or an answer, so they are believed only where Slack itself lives, and the token never goes there.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use slack_morphism::prelude::{SlackClientApiCallContext, SlackClientHttpConnector};
use tracing::{Span, warn};
use url::Url;

use super::Slack;
use super::failure::{Failure, in_time, within};

/// Where `response_url`s lead.
pub(super) const HOOKS: &str = "hooks.slack.com";
/// Where files are uploaded to.
pub(super) const FILES: &str = "files.slack.com";
/// How long an upload may take at least.
const UPLOAD_AT_LEAST: Duration = Duration::from_secs(10);
/// How long an upload may take at most.
const UPLOAD_AT_MOST: Duration = Duration::from_secs(120);
/// A line as slow as this still gets a file through.
const BYTES_PER_SECOND: u64 = 100_000;

/// Host and port of an address, with its scheme.
pub(super) fn host_of(address: &str) -> Option<String> {
    origin(&address.parse().ok()?)
}

fn origin(url: &Url) -> Option<String> {
    let (host, port) = (url.host_str()?, url.port_or_known_default()?);
    Some(format!("{}://{host}:{port}", url.scheme()))
}

impl Slack {
    /// The address, if Slack lives there.
    fn believed(&self, address: &str, slacks: &str) -> Result<Url, Failure> {
        let url: Option<Url> = address.parse().ok();
        let found = url.as_ref().and_then(origin);
        match (url, found) {
            (Some(url), Some(found))
                if found == format!("https://{slacks}:443")
                    || Some(&found) == self.host.as_ref() =>
            {
                Ok(url)
            }
            (_, found) => {
                let found = found.unwrap_or_else(|| "no address at all".to_owned());
                warn!("Nothing is sent to {found}: {slacks} was expected there");
                Err(Failure::GiveUp {
                    code: "not_slack".to_owned(),
                    why: format!("{found} is not {slacks}, so nothing is sent there"),
                    users: vec![],
                })
            }
        }
    }

    /// Posts JSON.
    pub(super) async fn post_elsewhere(
        &self,
        address: &str,
        slacks: &str,
        body: &(impl Serialize + Send + Sync),
        what: &str,
    ) -> Result<(), Failure> {
        let url = self.believed(address, slacks)?;
        let span = Span::none();
        let connector = &self.client.http_api.connector;
        let sent = connector.http_post_uri::<_, Value>(url, body, without_token(&span));
        in_time(sent, what).await.map(drop)
    }

    /// Posts a file; the larger it is, the longer it may take.
    pub(super) async fn upload_elsewhere(
        &self,
        address: &str,
        slacks: &str,
        bytes: &[u8],
        what: &str,
    ) -> Result<(), Failure> {
        let url = self.believed(address, slacks)?;
        let span = Span::none();
        let connector = &self.client.http_api.connector;
        let kind = "application/octet-stream".to_owned();
        let sent = connector.http_post_uri_binary::<Value>(url, kind, bytes, without_token(&span));
        within(upload_limit(bytes.len()), sent, what)
            .await
            .map(drop)
    }
}

fn upload_limit(bytes: usize) -> Duration {
    let needed = Duration::from_secs(bytes as u64 / BYTES_PER_SECOND);
    (UPLOAD_AT_LEAST + needed).min(UPLOAD_AT_MOST)
}

fn without_token(span: &Span) -> SlackClientApiCallContext<'_> {
    SlackClientApiCallContext {
        rate_control_params: None,
        token: None,
        tracing_span: span,
        is_sensitive_url: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn only_slacks_own_addresses_are_believed() {
        let slack = |api: &str| Slack::new(api, &"xoxb-1".into(), Clock::System).unwrap();
        let real = slack("https://slack.com/api");
        for (address, fine) in [
            ("https://hooks.slack.com/commands/T1/2/3", true),
            ("https://hooks.slack.com:443/commands/T1/2/3", true),
            ("http://hooks.slack.com/commands/T1/2/3", false),
            ("https://hooks.slack.com:444/commands", false),
            ("https://hooks.slack.com@evil.example/", false),
            ("https://hooks.slack.com.evil.example/", false),
            ("https://evil.example/hooks.slack.com", false),
            ("https:\\\\evil.example\\hooks.slack.com", false),
            ("http://169.254.169.254/latest/meta-data", false),
            ("http://127.0.0.1:8080/", false),
            ("", false),
        ] {
            assert_eq!(real.believed(address, HOOKS).is_ok(), fine, "{address}");
        }
        let simulated = slack("http://127.0.0.1:8080/api/");
        assert!(
            simulated
                .believed("http://127.0.0.1:8080/commands", HOOKS)
                .is_ok()
        );
        assert!(
            simulated
                .believed("http://127.0.0.1:8081/commands", HOOKS)
                .is_err()
        );
    }

    #[test]
    fn a_larger_file_may_take_longer() {
        assert_eq!(upload_limit(1_000), UPLOAD_AT_LEAST);
        assert_eq!(upload_limit(5_000_000), Duration::from_secs(60));
        assert_eq!(upload_limit(1_000_000_000), UPLOAD_AT_MOST);
    }
}
