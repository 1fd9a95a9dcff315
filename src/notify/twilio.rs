//! Twilio's REST API (twilio.com/docs/usage/api), and the proof that a request is Twilio's
//! (twilio.com/docs/usage/security, "Validating signatures from Twilio").

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{Method, Request};
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::wire::{Answer, Web, ask, refused};
use super::{Failure, PageText, cut, one_line};
use crate::domain::catalog::{Person, Sms};

/// The header with the signature.
pub const SIGNATURE: &str = "x-twilio-signature";
/// Where Twilio tells what became of a text message or a call.
pub const STATUS_PATH: &str = "/notify/twilio/status";
/// Where Twilio tells which key was pressed in a call.
pub const VOICE_PATH: &str = "/notify/twilio/voice";
/// Where Twilio brings replies to text messages. It does so only if this is written at the number (Messaging, "A message
/// comes in").
pub const SMS_PATH: &str = "/notify/twilio/sms";

/// How many of its own orders a bot remembers.
const REMEMBERED: usize = 4_096;

/// A Twilio account and one of its numbers.
pub struct Twilio {
    web: Web,
    /// `https://api.twilio.com/2010-04-01/Accounts/AC…`
    account: String,
    account_sid: String,
    auth_token: SecretString,
    /// The sender's number.
    pub(super) from: String,
    public_url: Option<String>,
    /// What was taken lately: Twilio's SID, and the key that it was for.
    taken: Mutex<VecDeque<(String, String)>>,
}

impl fmt::Debug for Twilio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Twilio")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

impl Twilio {
    /// Errors: what is missing, in words.
    pub(super) fn new(
        sms: &Sms,
        public_url: Option<&str>,
        web: Result<Web, String>,
        set: impl Fn(&str) -> Result<String, String>,
    ) -> Result<Self, String> {
        let (sid, token) = (set(&sms.account_sid_env), set(&sms.auth_token_env));
        let (account_sid, auth_token) = match (sid, token) {
            (Ok(sid), Ok(token)) => (sid, token),
            (Err(sid), Err(_)) => {
                let (name, other) = (&sms.account_sid_env, &sms.auth_token_env);
                return Err(match name == other {
                    true => sid,
                    false => format!("{name} and {other} are not set"),
                });
            }
            (Err(why), Ok(_)) | (Ok(_), Err(why)) => return Err(why),
        };
        // It becomes a part of the path.
        if !account_sid.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(format!(
                "{} is not an account's SID (AC…)",
                sms.account_sid_env
            ));
        }
        Ok(Self {
            web: web?,
            account: format!("{}/2010-04-01/Accounts/{account_sid}", sms.base_url),
            account_sid,
            auth_token: auth_token.into(),
            from: sms.from.clone(),
            public_url: public_url.map(str::to_owned),
            taken: Mutex::default(),
        })
    }

    /// Orders something: `Messages`, `Calls`.
    pub(super) async fn order(
        &self,
        resource: &str,
        form: &[(&str, &str)],
    ) -> Result<Value, Failure> {
        let body = serde_urlencoded::to_string(form).map_err(|error| {
            Failure::give_up(format!("the order to Twilio cannot be written: {error}"))
        })?;
        let url = format!("{}/{resource}.json", self.account);
        self.ask(Method::POST, &url, body).await
    }

    /// The newest of what was ordered for a number, whatever became of it.
    ///
    /// Without a date: `DateSent` and `StartTime` are empty until it is sent, so that a filter by them hides just what was
    /// ordered a moment ago. The lists begin with the newest.
    pub(super) async fn ordered_for(
        &self,
        resource: &str,
        to: &str,
    ) -> Result<Vec<Value>, Failure> {
        let query = [("To", to), ("From", &self.from), ("PageSize", "50")];
        let query = serde_urlencoded::to_string(query).unwrap_or_default();
        let url = format!("{}/{resource}.json?{query}", self.account);
        let mut answer = self.ask(Method::GET, &url, String::new()).await?;
        match answer.get_mut(resource.to_lowercase()).map(Value::take) {
            Some(Value::Array(list)) => Ok(list),
            Some(_) | None => Err(Failure::retry("Twilio's answer cannot be read")),
        }
    }

    async fn ask(&self, method: Method, url: &str, body: String) -> Result<Value, Failure> {
        let pair = format!("{}:{}", self.account_sid, self.auth_token.expose_secret());
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header(
                AUTHORIZATION,
                format!("Basic {}", BASE64_STANDARD.encode(pair)),
            )
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| Failure::give_up("[notifications.sms].base_url is not an address"))?;
        let answer = ask(&self.web, request, "Twilio").await?;
        if !answer.status.is_success() {
            return Err(failure(&answer));
        }
        serde_json::from_slice(&answer.body)
            .map_err(|_| Failure::retry("Twilio's answer cannot be read"))
    }

    /// Where Twilio reaches us about a page to somebody: `None` without a public address.
    pub(super) fn callback(
        &self,
        path: &str,
        person: &Person,
        page: &PageText,
        key: &str,
    ) -> Option<String> {
        let number = page.page.to_string();
        let query = serde_urlencoded::to_string([
            ("incident", page.incident.as_str()),
            ("page", &number),
            ("person", person.id.as_str()),
            ("key", key),
        ]);
        Some(format!(
            "{}{path}?{}",
            self.public_url.as_ref()?,
            query.ok()?
        ))
    }

    /// Remembers what was taken.
    pub(super) fn remember(&self, sid: &str, key: &str) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.len() >= REMEMBERED {
            taken.pop_front();
        }
        taken.push_back((sid.to_owned(), key.to_owned()));
    }

    /// Whether something that was taken is known to be for another key.
    pub(super) fn is_anothers(&self, sid: &str, key: &str) -> bool {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.iter().any(|(it, of)| it == sid && of != key)
    }

    /// Whether a request is Twilio's. `url` is the whole address that Twilio has called, as it was given to Twilio, with its
    /// query; `body` is a form, or something else if the query has a `bodySHA256`.
    pub fn has_signed(&self, url: &str, body: &[u8], signature: &str) -> bool {
        has_signed(self.auth_token.expose_secret(), url, body, signature)
    }
}

/// The signature is base64 of HMAC-SHA1 over the address and every parameter of the form, name and value, in the order of
/// the names. Of a body that is no form, its SHA-256 stands in the address, and the parameters are none.
fn has_signed(token: &str, url: &str, body: &[u8], signature: &str) -> bool {
    let is_signed = |url: &str, rest: &str| {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_bytes());
        let wanted = hmac::sign(&key, format!("{url}{rest}").as_bytes());
        let wanted = BASE64_STANDARD.encode(wanted);
        bool::from(wanted.as_bytes().ct_eq(signature.trim().as_bytes()))
    };
    let rest = match body_hash(url) {
        Some(hash) => {
            let ours = hex::encode(Sha256::digest(body));
            if !bool::from(ours.as_bytes().ct_eq(hash.to_ascii_lowercase().as_bytes())) {
                return false;
            }
            String::new()
        }
        None => {
            let Ok(form) = serde_urlencoded::from_bytes::<Vec<(String, String)>>(body) else {
                return false;
            };
            // A name that comes more than once: each of its values once, in their order, as Twilio's own libraries do it.
            let sorted: BTreeSet<(String, String)> = form.into_iter().collect();
            sorted
                .into_iter()
                .map(|(name, value)| name + &value)
                .collect()
        }
    };
    // Twilio signs some addresses with the port that their scheme implies, and some without it.
    is_signed(url, &rest) || with_port(url).is_some_and(|url| is_signed(&url, &rest))
}

fn body_hash(url: &str) -> Option<String> {
    let (_, query) = url.split_once('?')?;
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).ok()?;
    pairs
        .into_iter()
        .find_map(|(name, value)| (name == "bodySHA256").then_some(value))
}

/// The same address with its scheme's port written out.
fn with_port(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let port = match scheme {
        "https" => 443,
        "http" => 80,
        _ => return None,
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    let has_port = host.rsplit(']').next().is_some_and(|it| it.contains(':'));
    (!has_port).then(|| format!("{scheme}://{host}:{port}{path}"))
}

/// What Twilio's refusal means: `{"code": 21211, "message": "…", "status": 400}`.
fn failure(answer: &Answer) -> Failure {
    let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let code = said["code"].as_u64();
    let status = answer.status.as_u16();
    let why = match (code, status) {
        (Some(20_429), _) | (_, 429) => "Twilio asks to slow down".to_owned(),
        (Some(20_003), _) | (_, 401) => {
            "Twilio does not accept the account's SID and token; copy both again from console.twilio.com"
                .to_owned()
        }
        (_, 500..) => format!("Twilio has a fault of its own: HTTP status {status}"),
        (Some(code), _) => explained(code, said["message"].as_str()),
        (None, _) => format!("Twilio refuses it: HTTP status {status}"),
    };
    refused(answer, why)
}

/// An error code of Twilio's (twilio.com/docs/api/errors) in words, with what would mend it; those that an operator is likely
/// to meet. Of the others Twilio's own words, if there are any.
pub(super) fn explained(code: u64, message: Option<&str>) -> String {
    let words = match code {
        13_224 | 21_211 | 21_217 | 21_421 => {
            "the number is not one that can be reached; look at `phone` in [[people]]"
        }
        13_227 | 21_215 => {
            "the account may not call that country; allow it under Voice, Geographic Permissions"
        }
        21_212 | 21_603 | 21_606 | 21_210 | 13_223 => {
            "`from` of [notifications.sms] is not a number of this account that can do this"
        }
        21_214 => "the number cannot be called",
        21_408 => {
            "the account may not send to that country; allow it under Messaging, Geo permissions"
        }
        21_608 | 21_219 => {
            "a trial account reaches only numbers that are verified; upgrade it, or verify the number"
        }
        21_610 => {
            "the person has stopped messages by STOP; START, sent to our number, lets them come again"
        }
        21_612 => "there is no way from our number to that one",
        21_614 | 30_006 => "the number is a landline or cannot take text messages",
        21_617 => "the text is too long",
        30_001 => "too many messages waited to be sent",
        30_002 => "the account is suspended",
        30_003 => "the telephone is switched off or out of reach",
        30_004 => "the telephone does not take messages, or the carrier has blocked it",
        30_005 => "there is no such telephone any more",
        30_007 => {
            "the carrier has filtered it as unwanted; register the number (A2P 10DLC, toll-free verification)"
        }
        30_008 => "the carrier did not deliver it and does not say why",
        30_034 => "the number is not registered for A2P 10DLC, which carriers in the USA ask for",
        _ => {
            return match message {
                Some(message) => format!(
                    "Twilio says: {} (error {code})",
                    cut(&one_line(message), 200)
                ),
                None => format!("Twilio's error {code}, see twilio.com/docs/api/errors/{code}"),
            };
        }
    };
    format!("{words} (Twilio's error {code})")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Twilio's documentation, as its own libraries test it.
    const TOKEN: &str = "12345";
    const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";
    const FORM: &str = "CallSid=CA1234567890ABCDE&Digits=1234&From=%2B14158675309&To=%2B18005551212&Caller=%2B14158675309";
    const SIGNED: &str = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";
    const BODY: &str = "{\"property\": \"value\", \"boolean\": true}";
    const BODY_URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
    const BODY_SIGNED: &str = "a9nBmqA0ju/hNViExpshrM61xv4=";

    #[test]
    fn what_twilio_signs_is_believed() {
        assert!(has_signed(TOKEN, URL, FORM.as_bytes(), SIGNED));
        assert!(has_signed(TOKEN, BODY_URL, BODY.as_bytes(), BODY_SIGNED));
    }

    #[test]
    fn whatever_is_changed_is_not_believed() {
        let more = format!("{FORM}&Digits=4");
        for (token, url, body, signature) in [
            ("12346", URL, FORM, SIGNED),
            (
                TOKEN,
                "https://mycompany.com/myapp.php?foo=1&bar=3",
                FORM,
                SIGNED,
            ),
            (
                TOKEN,
                "http://mycompany.com/myapp.php?foo=1&bar=2",
                FORM,
                SIGNED,
            ),
            (TOKEN, URL, &more, SIGNED),
            (TOKEN, URL, "", SIGNED),
            (TOKEN, URL, FORM, "rSOYDt4T1cUTdK1PDd93/VVr8B8="),
            (TOKEN, URL, FORM, ""),
            (TOKEN, BODY_URL, "{}", BODY_SIGNED),
            (TOKEN, URL, BODY, BODY_SIGNED),
        ] {
            assert!(
                !has_signed(token, url, body.as_bytes(), signature),
                "{token} {url} {body} {signature}"
            );
        }
    }

    #[test]
    fn the_port_that_a_scheme_implies_is_written_out() {
        let told = |url: &str| with_port(url);
        assert_eq!(
            told("https://a.example/x?y").unwrap(),
            "https://a.example:443/x?y"
        );
        assert_eq!(told("http://[::1]/x").unwrap(), "http://[::1]:80/x");
        assert_eq!(told("https://a.example:8443/x"), None);
    }

    #[test]
    fn an_error_is_told_with_what_would_mend_it() {
        insta::assert_snapshot!(explained(
            21_610,
            Some("Attempt to send to unsubscribed recipient")
        ), @r"the person has stopped messages by STOP; START, sent to our number, lets them come again (Twilio's error 21610)");
        insta::assert_snapshot!(explained(99_999, Some("Something\nnew")), @r"Twilio says: Something new (error 99999)");
        insta::assert_snapshot!(explained(30_099, None), @r"Twilio's error 30099, see twilio.com/docs/api/errors/30099");
    }
}
