//! Proves that a request comes from Slack (slack-contract.md section 1).

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// How far a request's time may lie from ours, in seconds, either way; exactly so far is still accepted.
const WINDOW_S: i64 = 300;

/// The header with the signature.
pub const SIGNATURE: &str = "x-slack-signature";
/// The header with the time of signing, in seconds since 1970.
pub const TIMESTAMP: &str = "x-slack-request-timestamp";

/// Why a request is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unproved {
    /// A header is missing or cannot be read.
    #[error("the request carries no Slack signature")]
    Missing,
    /// The signature is not ours.
    #[error("the signature does not fit the body; is SLACK_SIGNING_SECRET that of this app?")]
    Wrong,
    /// It was signed too long ago, or ahead of our clock.
    #[error("the request was signed more than five minutes away from this machine's clock")]
    Stale,
}

/// Whether a request is worth reading: it carries a signature, and a time that is not too far away. Neither is believed
/// yet; whoever forges both is found out by [`prove`], but whoever does not is turned away before a byte is read.
pub fn presents(
    signature: Option<&str>,
    timestamp: Option<&str>,
    now: Timestamp,
) -> Result<(), Unproved> {
    let (Some(_), Some(timestamp)) = (signature, timestamp) else {
        return Err(Unproved::Missing);
    };
    let signed_at: i64 = timestamp.parse().map_err(|_| Unproved::Missing)?;
    match now.as_second().abs_diff(signed_at) > WINDOW_S.unsigned_abs() {
        true => Err(Unproved::Stale),
        false => Ok(()),
    }
}

/// Checks the signature over the raw body, and the time that it was signed with.
pub fn prove(
    secret: &SecretString,
    signature: Option<&str>,
    timestamp: Option<&str>,
    body: &[u8],
    now: Timestamp,
) -> Result<(), Unproved> {
    let (Some(signature), Some(timestamp)) = (signature, timestamp) else {
        return Err(Unproved::Missing);
    };
    timestamp.parse::<i64>().map_err(|_| Unproved::Missing)?;
    let wanted = sign(secret, timestamp, body);
    if !bool::from(wanted.as_bytes().ct_eq(signature.as_bytes())) {
        return Err(Unproved::Wrong);
    }
    presents(Some(signature), Some(timestamp), now)
}

/// `v0=` and the HMAC-SHA256 of `v0:{timestamp}:{body}` in lower-case hexadecimal.
fn sign(secret: &SecretString, timestamp: &str, body: &[u8]) -> String {
    // HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else {
        return String::new();
    };
    mac.update(b"v0:");
    mac.update(timestamp.as_bytes());
    mac.update(b":");
    mac.update(body);
    format!("v0={}", hex::encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: &str = "1531420618";
    /// The example of Slack's documentation ("Verifying requests from Slack").
    const BODY: &[u8] = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    const SIGNED: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";

    fn secret() -> SecretString {
        "8f742231b10e8888abcd99yyyzzz85a5".into()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn check(
        signature: Option<&str>,
        timestamp: Option<&str>,
        body: &[u8],
        now: i64,
    ) -> Result<(), Unproved> {
        prove(&secret(), signature, timestamp, body, at(now))
    }

    #[test]
    fn slacks_published_example_is_believed() {
        assert_eq!(check(Some(SIGNED), Some(AT), BODY, 1_531_420_618), Ok(()));
    }

    #[test]
    fn the_published_vectors_of_other_bodies_are_believed() {
        let vectors: [(&[u8], &str); 3] = [
            (b"", "v0=55f41ec73231010289b54e669149ea021fccab11b5524355523533ce930cb739"),
            (
                br#"{"type":"url_verification","token":"t","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"}"#,
                "v0=d2c58e99093287f1fd9198bfddefb271fe1f7c3782ded58021e36da6702e78aa",
            ),
            ("text=café ☃".as_bytes(), "v0=b9187d8b675db5bada12899473f03ed1fb75cbafeb5461c052b39214870f1eab"),
        ];
        for (body, signature) in vectors {
            assert_eq!(
                check(Some(signature), Some(AT), body, 1_531_420_618),
                Ok(())
            );
        }
    }

    #[test]
    fn a_changed_byte_a_missing_header_and_a_garbled_signature_are_not() {
        let mut body = BODY.to_vec();
        body[3] ^= 1;
        assert_eq!(
            check(Some(SIGNED), Some(AT), &body, 1_531_420_618),
            Err(Unproved::Wrong)
        );
        assert_eq!(
            check(None, Some(AT), BODY, 1_531_420_618),
            Err(Unproved::Missing)
        );
        assert_eq!(
            check(Some(SIGNED), None, BODY, 1_531_420_618),
            Err(Unproved::Missing)
        );
        assert_eq!(
            check(Some(SIGNED), Some("soon"), BODY, 1_531_420_618),
            Err(Unproved::Missing)
        );
        assert_eq!(
            check(Some("v0="), Some(AT), BODY, 1_531_420_618),
            Err(Unproved::Wrong)
        );
        assert_eq!(
            check(Some(SIGNED), Some("1531420619"), BODY, 1_531_420_618),
            Err(Unproved::Wrong)
        );
    }

    #[test]
    fn five_minutes_either_way_and_no_second_more() {
        for (now, wanted) in [
            (1_531_420_618 + 300, Ok(())),
            (1_531_420_618 + 301, Err(Unproved::Stale)),
            (1_531_420_618 - 300, Ok(())),
            (1_531_420_618 - 301, Err(Unproved::Stale)),
        ] {
            assert_eq!(check(Some(SIGNED), Some(AT), BODY, now), wanted);
        }
    }
}
