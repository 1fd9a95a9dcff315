//! What comes back: replies to text messages, key presses in calls, reports of delivery, and links in e-mails. Read here
//! from what was proved to be genuine; nothing is done yet.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::{twilio, voice};
use crate::domain::escalation::Channel;
use crate::domain::terms::PersonId;

pub use super::twilio::{SIGNATURE, SMS_PATH, STATUS_PATH, VOICE_PATH};

/// What a person means by a reply or a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// "I have it."
    Acknowledge,
    /// "Somebody else": the escalation goes on at once.
    PassOn,
    /// No messages any more. Twilio has seen to it already, and lets no reply through.
    Stop,
    /// Anything else; the answer says what can be said.
    Unclear,
}

/// A reply to a text message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// What it means.
    pub meaning: Meaning,
    /// The incident that it names, if it names one: `ack INC-2025-0914-001`.
    pub about: Option<String>,
}

/// Reads a reply: its first word counts, and whatever else in it looks like an incident's id.
pub fn reply(text: &str) -> Reply {
    let mut words = text
        .split(|c: char| c.is_whitespace() || ",.!?:;\"'".contains(c))
        .filter(|word| !word.is_empty())
        .peekable();
    let first = words.peek().copied().unwrap_or_default().to_lowercase();
    let meaning = match first.as_str() {
        "1" | "ack" | "acknowledge" | "acknowledged" | "ok" | "okay" | "yes" | "y" | "mine" => {
            Meaning::Acknowledge
        }
        "4" | "esc" | "escalate" | "pass" | "no" | "n" | "next" => Meaning::PassOn,
        // Twilio's own words for it (twilio.com/docs/messaging/tutorials/advanced-opt-out).
        "stop" | "stopall" | "unsubscribe" | "cancel" | "end" | "quit" | "revoke" | "optout" => {
            Meaning::Stop
        }
        _ => Meaning::Unclear,
    };
    // `INC-2025-0914-001`: a reference of our text messages begins with `#`, a word has no digit.
    let looks_like_id = |word: &&str| {
        word.contains('-') && word.chars().any(|c| c.is_ascii_digit()) && !word.starts_with('#')
    };
    Reply {
        meaning,
        about: words.find(looks_like_id).map(str::to_uppercase),
    }
}

/// What a key means: those that the call has named.
pub fn digit(pressed: &str) -> Meaning {
    match pressed.trim() {
        "1" => Meaning::Acknowledge,
        "4" => Meaning::PassOn,
        _ => Meaning::Unclear,
    }
}

/// How far a text message or a call has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// On its way.
    Accepted,
    /// It has arrived; a call has ended after it was taken up.
    Delivered,
    /// Somebody or something has taken up the call. That is no acknowledgement.
    Answered,
    /// It will not arrive.
    Failed {
        /// In words for a person.
        why: String,
    },
}

/// What Twilio tells of a text message or a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Twilio's SID of it.
    pub sid: String,
    /// By which way it went.
    pub channel: Channel,
    /// How far it has come.
    pub progress: Progress,
}

/// Reads a status callback (twilio.com/docs/messaging/guides/track-outbound-message-status,
/// twilio.com/docs/voice/api/call-resource, "StatusCallback parameters"); `None`: it tells nothing that we know.
pub fn report(form: &BTreeMap<String, String>) -> Option<Report> {
    let said = |name: &str| form.get(name).map(String::as_str);
    let fails = |why: &str| Progress::Failed {
        why: why.to_owned(),
    };
    if let (Some(sid), Some(status)) = (said("MessageSid"), said("MessageStatus")) {
        let progress = match status {
            "accepted" | "scheduled" | "queued" | "sending" | "sent" => Progress::Accepted,
            "delivered" | "read" => Progress::Delivered,
            "undelivered" | "failed" => Progress::Failed {
                why: match said("ErrorCode").and_then(|code| code.parse().ok()) {
                    Some(code) => twilio::explained(code, said("ErrorMessage")),
                    None => "Twilio could not deliver it".to_owned(),
                },
            },
            "canceled" => fails("the message was cancelled"),
            _ => return None,
        };
        return Some(Report {
            sid: sid.to_owned(),
            channel: Channel::Sms,
            progress,
        });
    }
    let (sid, status) = (said("CallSid")?, said("CallStatus")?);
    let progress = match status {
        "queued" | "initiated" | "ringing" => Progress::Accepted,
        "in-progress" | "answered" => Progress::Answered,
        "completed" => Progress::Delivered,
        "busy" => fails("the line was busy"),
        "no-answer" => fails("nobody took up the call"),
        "canceled" => fails("the call was cancelled"),
        "failed" => fails("the call could not be made"),
        _ => return None,
    };
    Some(Report {
        sid: sid.to_owned(),
        channel: Channel::Voice,
        progress,
    })
}

/// The answer to a text message, in TwiML; `None`: nothing is said.
pub fn answer_text(text: Option<&str>) -> String {
    voice::message(text)
}

/// The last words of a call, in TwiML.
pub fn last_words(text: &str) -> String {
    voice::last_words(text)
}

/// Asks for a key once more, in TwiML; `address` is where it goes.
pub fn ask_again(address: &str) -> String {
    voice::ask_again(address)
}

/// What links are signed with. Its `Debug` form shows none of it. Copies share it.
#[derive(Clone)]
pub struct LinkSecret(Arc<[u8]>);

impl LinkSecret {
    /// This secret.
    pub fn new(secret: impl Into<Arc<[u8]>>) -> Self {
        Self(secret.into())
    }
}

impl Deref for LinkSecret {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for LinkSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkSecret(…)")
    }
}

/// What a link acknowledges: this page to this person, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AckLink {
    /// The incident.
    pub incident: String,
    /// The number of the page within it.
    pub page: u32,
    /// Who was paged.
    pub person: PersonId,
    /// By which way the link went out.
    pub channel: Channel,
}

impl AckLink {
    /// The path, with the token that is the authority: `/ack/INC-2025-0914-001/3/alice/email/…`. What stands in it is of
    /// the alphabet of ids, so it needs no escape.
    pub fn path(&self, secret: &[u8]) -> String {
        let AckLink {
            incident,
            page,
            person,
            channel,
        } = self;
        format!(
            "/ack/{incident}/{page}/{person}/{channel}/{}",
            self.token(secret)
        )
    }

    /// Whether a token is that of this link.
    pub fn is_proved_by(&self, token: &str, secret: &[u8]) -> bool {
        bool::from(self.token(secret).as_bytes().ct_eq(token.as_bytes()))
    }

    /// HMAC-SHA256 over everything that it is for. No part can hold a line's end, so none can be shifted into another.
    fn token(&self, secret: &[u8]) -> String {
        // HMAC takes a key of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else {
            return String::new();
        };
        let AckLink {
            incident,
            page,
            person,
            channel,
        } = self;
        let clean = |text: &str| text.replace('\n', " ");
        let (incident, person) = (clean(incident), clean(person.as_str()));
        mac.update(format!("acknowledge\n{incident}\n{page}\n{person}\n{channel}").as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_understood_by_its_first_word() {
        for (text, meaning) in [
            ("1", Meaning::Acknowledge),
            (" Ack ", Meaning::Acknowledge),
            ("OK, on it", Meaning::Acknowledge),
            ("yes!", Meaning::Acknowledge),
            ("4", Meaning::PassOn),
            ("ESC", Meaning::PassOn),
            ("escalate please", Meaning::PassOn),
            ("STOP", Meaning::Stop),
            ("Unsubscribe", Meaning::Stop),
            ("", Meaning::Unclear),
            ("11", Meaning::Unclear),
            ("what is this", Meaning::Unclear),
            ("not ok", Meaning::Unclear),
        ] {
            assert_eq!(reply(text).meaning, meaning, "{text}");
        }
        assert_eq!(
            reply("ack inc-2025-0914-001").about.unwrap(),
            "INC-2025-0914-001"
        );
        assert_eq!(reply("1 #7K3FQ2").about, None);
        assert_eq!(reply("ok on-call").about, None);
    }

    #[test]
    fn only_the_keys_that_were_named_do_something() {
        assert_eq!(digit("1"), Meaning::Acknowledge);
        assert_eq!(digit("4"), Meaning::PassOn);
        for other in ["", "0", "2", "#", "11"] {
            assert_eq!(digit(other), Meaning::Unclear, "{other}");
        }
    }

    #[test]
    fn every_state_of_twilios_is_read() {
        let told = |pairs: &[(&str, &str)]| {
            let pairs = pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            report(&pairs.collect())
        };
        let sms = |status: &str| {
            told(&[("MessageSid", "SM1"), ("MessageStatus", status)])
                .unwrap()
                .progress
        };
        for status in ["accepted", "scheduled", "queued", "sending", "sent"] {
            assert_eq!(sms(status), Progress::Accepted, "{status}");
        }
        assert_eq!(sms("delivered"), Progress::Delivered);
        let failed = told(&[
            ("MessageSid", "SM1"),
            ("MessageStatus", "undelivered"),
            ("ErrorCode", "30003"),
        ]);
        insta::assert_snapshot!(format!("{:?}", failed.unwrap().progress), @r#"Failed { why: "the telephone is switched off or out of reach (Twilio's error 30003)" }"#);
        let call = |status: &str| {
            let report = told(&[("CallSid", "CA1"), ("CallStatus", status)]).unwrap();
            assert_eq!(report.channel, Channel::Voice);
            report.progress
        };
        for status in ["queued", "initiated", "ringing"] {
            assert_eq!(call(status), Progress::Accepted, "{status}");
        }
        assert_eq!(call("in-progress"), Progress::Answered);
        assert_eq!(call("completed"), Progress::Delivered);
        for status in ["busy", "no-answer", "failed", "canceled"] {
            assert!(matches!(call(status), Progress::Failed { .. }), "{status}");
        }
        for nothing in [
            vec![],
            vec![("MessageSid", "SM1")],
            vec![("MessageSid", "SM1"), ("MessageStatus", "received")],
            vec![("CallSid", "CA1"), ("CallStatus", "dreaming")],
        ] {
            assert_eq!(told(&nothing), None);
        }
    }

    #[test]
    fn a_link_is_for_one_page_to_one_person_by_one_way() {
        let secret = b"of the house";
        let link = AckLink {
            incident: "INC-2025-0914-001".to_owned(),
            page: 3,
            person: PersonId::new("alice"),
            channel: Channel::Email,
        };
        let path = link.path(secret);
        let token = path.rsplit('/').next().unwrap();
        assert_eq!(
            path,
            format!("/ack/INC-2025-0914-001/3/alice/email/{token}")
        );
        assert_eq!(token.len(), 43);
        assert!(link.is_proved_by(token, secret));
        let other = |change: &dyn Fn(&mut AckLink)| {
            let mut link = link.clone();
            change(&mut link);
            link.is_proved_by(token, secret)
        };
        assert!(!other(&|it| it.incident = "INC-2025-0914-002".to_owned()));
        assert!(!other(&|it| it.page = 4));
        assert!(!other(&|it| it.person = PersonId::new("bob")));
        assert!(!other(&|it| it.channel = Channel::Sms));
        assert!(!other(&|it| it.incident = "INC-2025-0914-001\n3".to_owned()));
        assert!(!link.is_proved_by(token, b"of another house"));
        assert!(!link.is_proved_by(&token[1..], secret));
        assert!(!link.is_proved_by("", secret));
    }
}
