//! The outer dead man's switch: an address that is asked for as long as all is well. Whoever listens there raises the
//! alarm when it is silent, whatever has become of us.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, StatusCode, Uri};

use super::wire::{Web, web};

/// How long an answer may take.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// The address, and how it is asked for. Its path is a secret: whoever knows it can say that all is well.
pub struct Heartbeat {
    address: Uri,
    web: Web,
}

impl fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heartbeat")
            .field("host", &self.host())
            .finish_non_exhaustive()
    }
}

impl Heartbeat {
    /// The address as it stands in the environment. Errors: it is none; said without it.
    pub fn new(address: &str) -> Result<Self, String> {
        let address: Uri = address
            .trim()
            .parse()
            .map_err(|_| "it is not a web address".to_owned())?;
        let is_web = matches!(address.scheme_str(), Some("https" | "http"));
        if !is_web || address.host().is_none() {
            return Err("it is not a web address".to_owned());
        }
        Ok(Self {
            address,
            web: web()?,
        })
    }

    /// Where it goes, for people: the host alone.
    pub fn host(&self) -> &str {
        self.address.host().unwrap_or_default()
    }

    /// Says that all is well. No redirect is followed. Errors: why nobody heard it, without the address.
    pub async fn beat(&self) -> Result<(), String> {
        let request = Request::get(self.address.clone())
            .header("user-agent", "Firebell")
            .body(Full::<Bytes>::default())
            .map_err(|_| "it cannot be asked for".to_owned())?;
        match tokio::time::timeout(ANSWER_TIME, self.web.request(request)).await {
            Ok(Ok(answer)) => judged(answer.status()),
            Ok(Err(error)) => Err(match error.is_connect() {
                true => "no connection can be made".to_owned(),
                false => "the connection broke".to_owned(),
            }),
            Err(_) => Err(format!("no answer within {} s", ANSWER_TIME.as_secs())),
        }
    }
}

/// What an answer says.
fn judged(status: StatusCode) -> Result<(), String> {
    match status {
        status if status.is_success() => Ok(()),
        status if status.is_redirection() => Err(format!(
            "it leads elsewhere (HTTP status {}), and no redirect is followed: set the address that it leads to",
            status.as_u16()
        )),
        status => Err(format!("HTTP status {}", status.as_u16())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_web_address_is_one_and_its_path_is_not_shown() {
        for wrong in ["", "hc-ping.com/x", "/x", "ftp://a/b", "https:///x", "a b"] {
            assert!(Heartbeat::new(wrong).is_err(), "{wrong}");
        }
        let heartbeat = Heartbeat::new(" https://hc-ping.com/geheim\n").unwrap();
        assert_eq!(
            format!("{heartbeat:?}"),
            "Heartbeat { host: \"hc-ping.com\", .. }"
        );
    }

    #[test]
    fn whatever_is_no_success_was_not_heard() {
        assert!(judged(StatusCode::NO_CONTENT).is_ok());
        assert!(judged(StatusCode::FOUND).unwrap_err().contains("elsewhere"));
        assert_eq!(
            judged(StatusCode::NOT_FOUND).unwrap_err(),
            "HTTP status 404"
        );
    }
}
