//! Pages by e-mail, SMS, telephone and webhook, against servers that we did not write: aiosmtpd, and a stand-in for Twilio
//! that uses Twilio's own library. `make test` installs them under `target/peers`.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::routing::post;
use bytes::Bytes;
use firebell::config;
use firebell::domain::catalog::{Catalog, Person};
use firebell::domain::escalation::Channel;
use firebell::notify::letter::Letter;
use firebell::notify::{Accepted, Failure, Notifier, PageFacts, PageText, answer, page_text};
use firebell::templates;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::Full;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::harness::exchange;
use crate::peers::python;

/// Of the stand-in for Twilio.
pub const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
pub const TOKEN: &str = "a-token-of-twilio";
/// Of the mail server, as it stands in an address.
const MAIL_LOGIN: &str = "firebell:p%40ss%2Fw%3Ard+1";

/// A program of somebody else's, until it is dropped.
pub struct Peer {
    child: Child,
    /// What it told when it was ready.
    pub told: Value,
}

impl Peer {
    pub fn start(script: &str, arguments: &[&str]) -> Self {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers");
        assert!(
            python().exists(),
            "run `make test`, which installs the peers"
        );
        let mut child = Command::new(python())
            .arg(scripts.join(script))
            .args(arguments)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let told = serde_json::from_str(&line);
        Self {
            child,
            told: told
                .unwrap_or_else(|_| panic!("{script} did not start; its own words are above")),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The stand-in for Twilio.
pub struct Twilio {
    peer: Peer,
}

impl Twilio {
    pub fn start() -> Self {
        Self {
            peer: Peer::start("twilio_peer.py", &[ACCOUNT, TOKEN]),
        }
    }

    pub fn url(&self) -> &str {
        self.peer.told["url"].as_str().unwrap()
    }

    pub async fn control(&self, what: &str, said: Value) -> Value {
        let request = Request::post(format!("{}/control/{what}", self.url()))
            .body(Full::new(Bytes::from(said.to_string())))
            .unwrap();
        serde_json::from_str(&exchange(request).await.1).unwrap()
    }

    /// What goes wrong with the next requests.
    async fn fails(&self, faults: &[&str]) {
        self.control("faults", json!(faults)).await;
    }

    pub async fn seen(&self) -> Value {
        let request = Request::get(format!("{}/control", self.url()))
            .body(Full::default())
            .unwrap();
        serde_json::from_str(&exchange(request).await.1).unwrap()
    }

    /// The text messages or calls that it took.
    pub async fn kept(&self, kind: &str) -> Vec<Value> {
        self.seen().await["kept"][kind].as_array().unwrap().clone()
    }
}

/// A field of an order's form.
pub fn field(order: &Value, name: &str) -> String {
    let pairs = order["form"].as_array().unwrap();
    let found = pairs.iter().find(|pair| pair[0] == name);
    found.map_or_else(String::new, |pair| pair[1].as_str().unwrap().to_owned())
}

fn catalog(more: &str) -> Catalog {
    let text = format!(
        r#"
        [[people]]
        id = "alice"
        name = "Alice Ames"
        email = "alice@example.com"
        phone = "+15550100"
        {more}
        "#
    );
    match config::parse(&text, "firebell.toml") {
        Ok((catalog, _)) => catalog,
        Err(faults) => panic!("{faults}"),
    }
}

fn facts() -> PageFacts {
    let now = Timestamp::now();
    PageFacts {
        incident: "INC-2025-0914-001".to_owned(),
        page: 3,
        severity: "P1 - Critical".to_owned(),
        title: "checkout is down".to_owned(),
        service: None,
        why: "step 2 of 4 of leadership".to_owned(),
        since: "2025-09-14T14:30:00Z".parse().unwrap(),
        ordered_at: now,
        now,
        url: None,
        acknowledge_url: Some("https://firebell.example.com/ack/x".to_owned()),
        takes_replies: true,
        is_test: false,
    }
}

/// Somebody who pages Alice.
struct Pager {
    notifier: Notifier,
    alice: Person,
    text: PageText,
}

impl Pager {
    fn new(catalog: &Catalog, vars: &[(&str, &str)]) -> Self {
        let (notifier, missing) =
            Notifier::new(catalog, Some("https://firebell.example.com"), look(vars));
        assert_eq!(missing, [""; 0]);
        Self {
            notifier,
            alice: catalog.people[0].clone(),
            text: page_text(&templates::environment(None), catalog, &facts()).unwrap(),
        }
    }

    fn of(twilio: &Twilio) -> Self {
        let sms = format!(
            "[notifications.sms]\naccount_sid_env = \"SID\"\nauth_token_env = \"TOKEN\"\nfrom = \"+15550199\"\nbase_url = \"{}\"",
            twilio.url()
        );
        Self::new(&catalog(&sms), &[("SID", ACCOUNT), ("TOKEN", TOKEN)])
    }

    fn by_mail(url: &str, from: &str) -> Self {
        let email = format!("[notifications.email]\nsmtp_url_env = \"SMTP\"\nfrom = \"{from}\"");
        Self::new(&catalog(&email), &[("SMTP", url)])
    }

    async fn sends(&self, channel: Channel, key: &str) -> Result<Accepted, Failure> {
        let text = &self.text;
        self.notifier
            .send(channel, &self.alice, text, key, false)
            .await
    }

    async fn repeats(&self, channel: Channel, key: &str) -> Result<Accepted, Failure> {
        let text = &self.text;
        self.notifier
            .send(channel, &self.alice, text, key, true)
            .await
    }
}

fn look(vars: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
    move |name| {
        let found = vars.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    }
}

fn id(accepted: Result<Accepted, Failure>) -> String {
    accepted.unwrap().provider_id.unwrap()
}

#[tokio::test]
async fn a_text_message_and_a_call_reach_twilio_as_it_wants_them() {
    let twilio = Twilio::start();
    let pager = Pager::of(&twilio);
    let sent = id(pager.sends(Channel::Sms, "k1").await);
    let called = id(pager.sends(Channel::Voice, "k2").await);
    let (messages, calls) = (twilio.kept("Messages").await, twilio.kept("Calls").await);
    assert_eq!((messages.len(), calls.len()), (1, 1));
    assert_eq!(
        (&messages[0]["sid"], &calls[0]["sid"]),
        (&json!(sent), &json!(called))
    );
    let (text, reference) = messages[0]["body"]
        .as_str()
        .unwrap()
        .rsplit_once('\n')
        .unwrap();
    assert_eq!(text, pager.text.sms);
    assert!(
        reference.starts_with('#') && reference.len() == 7,
        "{reference}"
    );
    let callback = "https://firebell.example.com/notify/twilio/status?incident=INC-2025-0914-001&page=3&person=alice&key=";
    assert_eq!(
        field(&messages[0], "StatusCallback"),
        format!("{callback}k1")
    );
    assert_eq!(field(&calls[0], "StatusCallback"), format!("{callback}k2"));
    let twiml = field(&calls[0], "Twiml");
    assert!(
        twiml.contains("checkout is down") && twiml.contains("Press 1 to acknowledge"),
        "{twiml}"
    );
}

#[tokio::test]
async fn twilios_own_library_reads_all_that_is_answered_to_it() {
    let twilio = Twilio::start();
    for twiml in [
        answer::answer_text(Some("INC-1 is yours <now> & \"here\".")),
        answer::answer_text(None),
        answer::last_words("It is yours."),
        answer::ask_again("https://firebell.example.com/notify/twilio/voice?incident=a&key=b"),
    ] {
        let read = twilio.control("twiml", json!(twiml)).await;
        assert_eq!(read["fault"], Value::Null, "{twiml}");
    }
}

#[tokio::test]
async fn a_lost_answer_sends_no_second_text_message_and_makes_no_second_call() {
    let twilio = Twilio::start();
    let pager = Pager::of(&twilio);
    for (channel, kind) in [(Channel::Sms, "Messages"), (Channel::Voice, "Calls")] {
        twilio.fails(&["lost"]).await;
        let failure = pager.sends(channel, "k1").await.unwrap_err();
        assert!(matches!(failure, Failure::Retry { .. }), "{failure:?}");
        // While Twilio cannot say what was, nothing is sent.
        twilio.fails(&["500", "garbled"]).await;
        for _ in 0..2 {
            let failure = pager.repeats(channel, "k1").await.unwrap_err();
            assert!(matches!(failure, Failure::Retry { .. }), "{failure:?}");
        }
        let found = id(pager.repeats(channel, "k1").await);
        let kept = twilio.kept(kind).await;
        assert_eq!(kept.len(), 1, "{channel}");
        assert_eq!(kept[0]["sid"], json!(found));
    }
}

#[tokio::test]
async fn a_crash_after_the_order_sends_no_second_text_message() {
    let twilio = Twilio::start();
    twilio.fails(&["hang"]).await;
    let pager = Pager::of(&twilio);
    // Twilio has it, and the bot dies before the answer comes.
    tokio::select! {
        done = pager.sends(Channel::Sms, "k1") => panic!("{done:?}"),
        got = twilio.control("got", json!(null)) => assert_eq!(got, json!(true)),
    }
    let after = Pager::of(&twilio);
    after.repeats(Channel::Sms, "k1").await.unwrap();
    assert_eq!(twilio.kept("Messages").await.len(), 1);
}

#[tokio::test]
async fn what_never_got_through_is_sent_when_it_is_repeated() {
    let twilio = Twilio::start();
    let pager = Pager::of(&twilio);
    // What was sent to her before is no reason: neither other pages of today nor an old call.
    pager.sends(Channel::Sms, "another").await.unwrap();
    pager.sends(Channel::Voice, "another").await.unwrap();
    for (channel, kind) in [(Channel::Sms, "Messages"), (Channel::Voice, "Calls")] {
        twilio.fails(&["refused"]).await;
        pager.sends(channel, "k1").await.unwrap_err();
        pager.repeats(channel, "k1").await.unwrap();
        assert_eq!(twilio.kept(kind).await.len(), 2, "{channel}");
    }
    // Another process does not know whose the call was, but that it was long ago.
    let later = facts().now + SignedDuration::from_mins(10);
    let mut after = Pager::of(&twilio);
    after.text.ordered_at = later;
    after.repeats(Channel::Voice, "k3").await.unwrap();
    assert_eq!(twilio.kept("Calls").await.len(), 3);
}

#[tokio::test]
async fn an_earlier_attempt_that_has_failed_is_told_as_it_is() {
    let twilio = Twilio::start();
    let pager = Pager::of(&twilio);
    let sent = id(pager.sends(Channel::Sms, "k1").await);
    let called = id(pager.sends(Channel::Voice, "k2").await);
    let status = |sid: &str, status: &str, code: Value| json!({ "sid": sid, "status": status, "error_code": code });
    twilio
        .control("status", status(&sent, "undelivered", json!(30_003)))
        .await;
    twilio
        .control("status", status(&called, "busy", Value::Null))
        .await;
    let why = pager.repeats(Channel::Sms, "k1").await.unwrap_err();
    assert_eq!(
        why,
        give_up("the telephone is switched off or out of reach (Twilio's error 30003)")
    );
    let why = pager.repeats(Channel::Voice, "k2").await.unwrap_err();
    assert_eq!(why, give_up("the line was busy"));
}

fn give_up(why: &str) -> Failure {
    Failure::GiveUp {
        why: why.to_owned(),
    }
}

#[tokio::test]
async fn each_refusal_of_twilios_says_whether_to_try_again() {
    let twilio = Twilio::start();
    let pager = Pager::of(&twilio);
    twilio.fails(&["429", "500", "garbled", "refused"]).await;
    let slow = Failure::Retry {
        after: Some(SignedDuration::from_secs(7)),
        why: "Twilio asks to slow down".to_owned(),
    };
    assert_eq!(pager.sends(Channel::Sms, "k").await, Err(slow));
    let own = Failure::Retry {
        after: None,
        why: "Twilio has a fault of its own: HTTP status 500".to_owned(),
    };
    assert_eq!(pager.sends(Channel::Voice, "k").await, Err(own));
    // Half an answer to an order that was taken: it has no SID, which is no reason to send it again.
    assert_eq!(
        pager.sends(Channel::Sms, "k").await,
        Ok(Accepted { provider_id: None })
    );
    let gone = pager.sends(Channel::Sms, "k").await.unwrap_err();
    assert!(matches!(gone, Failure::Retry { .. }), "{gone:?}");

    let mut told = Vec::new();
    for (channel, number) in [
        (Channel::Sms, "+15005550001"),
        (Channel::Sms, "+15005550003"),
        (Channel::Sms, "+15005550004"),
        (Channel::Sms, "+15005550009"),
        (Channel::Voice, "+15005550001"),
        (Channel::Voice, "+15005550003"),
    ] {
        let mut person = pager.alice.clone();
        person.phone = Some(number.to_owned());
        let failure = pager
            .notifier
            .send(channel, &person, &pager.text, "k", false)
            .await;
        match failure.unwrap_err() {
            Failure::GiveUp { why } => told.push(format!("{channel} {why}")),
            Failure::Retry { why, .. } => panic!("{why}"),
        }
    }
    insta::assert_snapshot!(told.join("\n"), @r"
    sms the number is not one that can be reached; look at `phone` in [[people]] (Twilio's error 21211)
    sms the account may not send to that country; allow it under Messaging, Geo permissions (Twilio's error 21408)
    sms the person has stopped messages by STOP; START, sent to our number, lets them come again (Twilio's error 21610)
    sms the number is a landline or cannot take text messages (Twilio's error 21614)
    voice the number is not one that can be reached; look at `phone` in [[people]] (Twilio's error 21217)
    voice the account may not call that country; allow it under Voice, Geographic Permissions (Twilio's error 21215)
    ");
    assert_eq!(twilio.kept("Messages").await.len(), 0);
}

#[tokio::test]
async fn a_wrong_token_is_told_and_never_shown() {
    let twilio = Twilio::start();
    let sms = format!(
        "[notifications.sms]\naccount_sid_env = \"SID\"\nauth_token_env = \"TOKEN\"\nfrom = \"+15550199\"\nbase_url = \"{}\"",
        twilio.url()
    );
    let pager = Pager::new(&catalog(&sms), &[("SID", ACCOUNT), ("TOKEN", "geheim")]);
    let failure = pager.sends(Channel::Sms, "k").await.unwrap_err();
    assert!(
        matches!(&failure, Failure::GiveUp { why } if why.contains("does not accept")),
        "{failure:?}"
    );
    assert!(!format!("{failure:?} {:?}", pager.notifier).contains("geheim"));
}

#[tokio::test]
async fn what_twilios_validator_signs_is_believed_and_nothing_else() {
    let twilio = Twilio::start();
    let pager = Pager::of(&twilio);
    let ours = pager.notifier.twilio().unwrap();
    let url = "https://firebell.example.com/notify/twilio/sms?incident=INC-2025-0914-001&key=a%20b";
    let form = json!({ "From": "+15550100", "Body": "ack & \"ok\" größe+1 🔥", "MessageSid": "SM1", "Empty": "" });
    let signed = twilio
        .control("sign", json!({ "url": url, "form": form }))
        .await;
    let signature = signed["signature"].as_str().unwrap();
    let pairs = form.as_object().unwrap().iter();
    let pairs: Vec<(&str, &str)> = pairs
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
        .collect();
    let body = serde_urlencoded::to_string(&pairs).unwrap();
    assert!(ours.has_signed(url, body.as_bytes(), signature));
    for (url, body) in [
        (url, body.replace("ack", "esc")),
        (url, format!("{body}&More=1")),
        (url, body.replace("&MessageSid=SM1", "")),
        (&*url.replace("001", "002"), body.clone()),
        (&*url.replace("https", "http"), body.clone()),
        (url, String::new()),
    ] {
        assert!(
            !ours.has_signed(url, body.as_bytes(), signature),
            "{url} {body}"
        );
    }
    assert!(!ours.has_signed(url, body.as_bytes(), ""));
    let json_body = "{\"a\": 1}";
    let signed = twilio
        .control("sign", json!({ "url": url, "body": json_body }))
        .await;
    let (url, signature) = (
        signed["url"].as_str().unwrap(),
        signed["signature"].as_str().unwrap(),
    );
    assert!(ours.has_signed(url, json_body.as_bytes(), signature));
    assert!(!ours.has_signed(url, b"{\"a\": 2}", signature));
}

/// The mail server and its folder.
pub struct Mail {
    peer: Peer,
    folder: TempDir,
}

impl Mail {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let peer = Peer::start("smtp_peer.py", &[folder.path().to_str().unwrap()]);
        Self { peer, folder }
    }

    pub fn port(&self, which: &str) -> u64 {
        self.peer.told[which].as_u64().unwrap()
    }

    pub fn letters(&self) -> Vec<Value> {
        let file = self.folder.path().join("letters.jsonl");
        let text = std::fs::read_to_string(file).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

const FROM: &str = "Firebell <bell@firebell.example.com>";

#[tokio::test]
async fn a_page_by_e_mail_is_a_letter_that_mail_programs_read() {
    let mail = Mail::start();
    let pager = Pager::by_mail(&format!("smtp://127.0.0.1:{}", mail.port("plain")), FROM);
    let sent = id(pager.sends(Channel::Email, "k1").await);
    let letters = mail.letters();
    let [letter] = letters.as_slice() else {
        panic!("{letters:?}");
    };
    let headers = &letter["headers"];
    assert_eq!(sent, "<k1@firebell.example.com>");
    for (name, value) in [
        ("Message-ID", sent.as_str()),
        ("In-Reply-To", "<INC-2025-0914-001@firebell.example.com>"),
        ("References", "<INC-2025-0914-001@firebell.example.com>"),
        ("Auto-Submitted", "auto-generated"),
        ("Subject", "[P1] INC-2025-0914-001: checkout is down"),
        ("From", FROM),
        ("To", "alice@example.com"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    assert_eq!(letter["defects"], json!([]));
    let plain = letter["parts"]["text/plain"].as_str().unwrap();
    assert!(
        plain.contains("Acknowledge: https://firebell.example.com/ack/x"),
        "{plain}"
    );
    let html = letter["parts"]["text/html"].as_str().unwrap();
    assert!(html.contains(">Acknowledge</a>"), "{html}");
}

#[tokio::test]
async fn a_letter_that_is_sent_again_has_the_same_message_id() {
    let mail = Mail::start();
    let mut pager = Pager::by_mail(&format!("smtp://127.0.0.1:{}", mail.port("plain")), FROM);
    pager.alice.email = Some("lost@example.com".to_owned());
    let failure = pager.sends(Channel::Email, "k1").await.unwrap_err();
    assert!(matches!(failure, Failure::Retry { .. }), "{failure:?}");
    pager.repeats(Channel::Email, "k1").await.unwrap();
    let letters = mail.letters();
    assert_eq!(letters.len(), 2);
    assert_eq!(
        letters[0]["headers"]["Message-ID"],
        letters[1]["headers"]["Message-ID"]
    );
}

#[tokio::test]
async fn each_refusal_of_a_mail_server_says_whether_to_try_again() {
    let mail = Mail::start();
    let mut pager = Pager::by_mail(&format!("smtp://127.0.0.1:{}", mail.port("plain")), FROM);
    pager.alice.email = Some("greylisted@example.com".to_owned());
    let failure = pager.sends(Channel::Email, "k1").await.unwrap_err();
    let told =
        "the mail server does not take the letter now: 451 4.7.1 Greylisted, try again later";
    assert!(
        matches!(&failure, Failure::Retry { why, .. } if why == told),
        "{failure:?}"
    );
    pager.alice.email = Some("nobody@example.com".to_owned());
    let failure = pager.sends(Channel::Email, "k1").await.unwrap_err();
    let told = "the mail server refuses the letter: 550 5.1.1 <nobody@example.com>: no such user";
    assert_eq!(failure, give_up(told));
    // Nobody listens there any more.
    let url = format!("smtp://127.0.0.1:{}", mail.port("plain"));
    drop(mail);
    let failure = Pager::by_mail(&url, FROM)
        .sends(Channel::Email, "k1")
        .await
        .unwrap_err();
    assert!(matches!(failure, Failure::Retry { .. }), "{failure:?}");
}

#[tokio::test]
async fn a_server_that_does_not_let_go_has_taken_the_letter_all_the_same() {
    let mail = Mail::start();
    let url = format!("smtp://127.0.0.1:{}", mail.port("plain"));
    Pager::by_mail(&url, "stays@example.com")
        .sends(Channel::Email, "k1")
        .await
        .unwrap();
    assert_eq!(mail.letters().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_mail_server_that_says_nothing_is_not_waited_for() {
    let mail = Mail::start();
    let url = format!("smtp://127.0.0.1:{}", mail.port("silent"));
    let failure = Pager::by_mail(&url, FROM)
        .sends(Channel::Email, "k1")
        .await
        .unwrap_err();
    assert!(matches!(failure, Failure::Retry { .. }), "{failure:?}");
}

#[tokio::test]
async fn a_password_is_not_sent_where_tls_is_required_and_not_to_be_had() {
    let mail = Mail::start();
    let port = mail.port("without_tls");
    let url = format!("smtp://{MAIL_LOGIN}@127.0.0.1:{port}?tls=required");
    let failure = Pager::by_mail(&url, FROM)
        .sends(Channel::Email, "k1")
        .await
        .unwrap_err();
    assert_eq!(
        failure,
        give_up("the mail server cannot be used: STARTTLS is not supported on this server")
    );
    // The certificate is nobody's whom this machine knows.
    for (scheme, which) in [("smtp", "starttls"), ("smtps", "smtps")] {
        let tls = if scheme == "smtp" {
            "?tls=required"
        } else {
            ""
        };
        let url = format!(
            "{scheme}://{MAIL_LOGIN}@127.0.0.1:{}{tls}",
            mail.port(which)
        );
        let failure = Pager::by_mail(&url, FROM)
            .sends(Channel::Email, "k1")
            .await
            .unwrap_err();
        assert!(
            matches!(&failure, Failure::GiveUp { why } if why.contains("certificate is not believed")),
            "{failure:?}"
        );
    }
    // And a wrong one is told, without it.
    let url = format!("smtp://firebell:geheim@127.0.0.1:{port}");
    let failure = Pager::by_mail(&url, FROM)
        .sends(Channel::Email, "k1")
        .await
        .unwrap_err();
    assert!(
        matches!(&failure, Failure::GiveUp { why } if why.contains("535") && !why.contains("geheim")),
        "{failure:?}"
    );
    assert_eq!(mail.letters().len(), 0);
}

#[tokio::test]
async fn a_letter_goes_to_each_stakeholder_alone_and_one_refusal_keeps_it_from_nobody() {
    let mail = Mail::start();
    let pager = Pager::by_mail(&format!("smtp://127.0.0.1:{}", mail.port("plain")), FROM);
    let letter = Letter {
        subject: "[P1] Incident: größer als gedacht".to_owned(),
        text: "Details:\n.\nBis später\n".to_owned(),
    };
    let mut fine = vec![];
    for to in ["a@example.com", "nobody@example.com", "b@example.com"] {
        let (key, now) = (format!("k.{to}"), Timestamp::now());
        let sending = pager.notifier.send_letter(&letter, to, "INC-1", &key, now);
        fine.push(sending.await.is_ok());
    }
    assert_eq!(fine, [true, false, true]);
    let letters = mail.letters();
    assert_eq!(letters.len(), 2);
    for (letter, to) in letters.iter().zip(["a@example.com", "b@example.com"]) {
        assert_eq!(letter["to"], json!([to]));
        assert_eq!(letter["headers"]["To"], to);
        assert_eq!(
            letter["headers"]["Subject"],
            "[P1] Incident: größer als gedacht"
        );
        let text = letter["parts"]["text/plain"].as_str().unwrap();
        assert_eq!(
            text.replace("\r\n", "\n").trim_end(),
            "Details:\n.\nBis später"
        );
    }
}

/// Somebody who takes webhooks.
struct Receiver {
    url: String,
    got: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
}

type Kept = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

impl Receiver {
    async fn answering(
        status: u16,
        headers: &'static [(&'static str, &'static str)],
        body: &'static str,
    ) -> Self {
        let got = Kept::default();
        let handler = async move |State(got): State<Kept>, head: HeaderMap, bytes: Bytes| {
            got.lock().unwrap().push((head, bytes));
            let status = StatusCode::from_u16(status).unwrap();
            (
                status,
                axum::response::AppendHeaders(headers.iter().copied()),
                body,
            )
        };
        let routes = Router::new()
            .route("/secret-path", post(handler))
            .with_state(got.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/secret-path", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { url, got }
    }

    fn pager(&self, more: &str) -> Pager {
        let webhook = format!("[notifications.webhook]\nurl_env = \"URL\"\n{more}");
        let vars = [
            ("URL", self.url.as_str()),
            ("SECRET", "of us both"),
            ("OWN_TOKEN", "t0ken"),
        ];
        Pager::new(&catalog(&webhook), &vars)
    }

    fn only(&self) -> (HeaderMap, Bytes) {
        let got = self.got.lock().unwrap();
        assert_eq!(got.len(), 1);
        got[0].clone()
    }
}

#[tokio::test]
async fn a_webhook_is_signed_and_says_everything() {
    let receiver = Receiver::answering(200, &[], "{\"id\":\"xE73Iyuabi\"}").await;
    let pager = receiver.pager("secret_env = \"SECRET\"\ntoken_env = \"OWN_TOKEN\"");
    assert_eq!(id(pager.sends(Channel::Webhook, "k1").await), "xE73Iyuabi");
    let (head, body) = receiver.only();
    assert_eq!(head["idempotency-key"], "k1");
    assert_eq!(head["authorization"], "Bearer t0ken");
    assert_eq!(head["content-type"], "application/json");
    let time = head["x-firebell-timestamp"].to_str().unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(b"of us both").unwrap();
    mac.update(format!("{time}.").as_bytes());
    mac.update(&body);
    let wanted = format!("v1={}", hex::encode(mac.finalize().into_bytes()));
    assert_eq!(head["x-firebell-signature"], wanted.as_str());
    let said: Value = serde_json::from_slice(&body).unwrap();
    let names: Vec<&str> = said
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    insta::assert_snapshot!(names.join(" "), @r"acknowledge_url content event incident key organization page person service severity short since subject title url why");
    assert_eq!(
        said["person"],
        json!({ "id": "alice", "name": "Alice Ames" })
    );
    assert_eq!(
        (&said["incident"], &said["event"]),
        (&json!("INC-2025-0914-001"), &json!("page"))
    );
}

#[tokio::test]
async fn a_body_of_ones_own_is_json_whatever_the_title_is() {
    let receiver = Receiver::answering(200, &[], "").await;
    let mut pager = receiver.pager(
        "body = '{ \"topic\": \"pages\", \"title\": {{ subject }}, \"message\": {{ short }}, \"who\": {{ person.id }} }'\nheaders = { Priority = \"urgent\", X-Title = \"{{ title|upper }}\" }",
    );
    pager.text.facts["subject"] = json!("\"quoted\" \\ {{ x }} <b>\u{7}");
    pager.text.facts["title"] = json!("größer\r\nX-Evil: 1");
    assert_eq!(
        pager.sends(Channel::Webhook, "k1").await,
        Ok(Accepted { provider_id: None })
    );
    let (head, body) = receiver.only();
    let said: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(said["title"], "\"quoted\" \\ {{ x }} <b>\u{7}");
    assert_eq!(
        (&said["who"], &said["topic"]),
        (&json!("alice"), &json!("pages"))
    );
    assert_eq!(head["priority"], "urgent");
    assert_eq!(head["x-title"].as_bytes(), "GRÖSSER X-EVIL: 1".as_bytes());
    assert!(!head.contains_key("x-evil"));
}

#[tokio::test]
async fn each_refusal_of_a_webhook_says_whether_to_try_again_and_shows_no_address() {
    let mut told = Vec::new();
    for (status, headers, body) in [
        (400, &[][..], "topic is\nmissing"),
        (404, &[], ""),
        (429, &[("retry-after", "30")], ""),
        (503, &[("retry-after", "999999")], "busy"),
        (302, &[("location", "http://127.0.0.1:1/elsewhere")], ""),
    ] {
        let receiver = Receiver::answering(status, headers, body).await;
        let failure = receiver
            .pager("")
            .sends(Channel::Webhook, "k1")
            .await
            .unwrap_err();
        receiver.only();
        assert!(!failure.why().contains("secret-path"), "{failure:?}");
        told.push(format!("{failure:?}"));
    }
    insta::assert_snapshot!(told.join("\n"), @r#"
    GiveUp { why: "127.0.0.1 answers HTTP status 400 (topic is missing)" }
    GiveUp { why: "127.0.0.1 answers HTTP status 404" }
    Retry { after: Some(30s), why: "127.0.0.1 answers HTTP status 429" }
    Retry { after: Some(10m), why: "127.0.0.1 answers HTTP status 503 (busy)" }
    GiveUp { why: "127.0.0.1 leads elsewhere (HTTP status 302), and nobody is followed; name the right address" }
    "#);
}

#[tokio::test]
async fn somebodys_own_address_is_taken_before_that_of_all() {
    let (all, own) = (
        Receiver::answering(200, &[], "").await,
        Receiver::answering(200, &[], "").await,
    );
    let catalog = catalog("webhook_url_env = \"OWN\"\n[notifications.webhook]\nurl_env = \"ALL\"");
    let pager = Pager::new(&catalog, &[("ALL", &all.url), ("OWN", &own.url)]);
    pager.sends(Channel::Webhook, "k1").await.unwrap();
    own.only();
    assert!(all.got.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_not_set_is_told_at_the_start_and_when_it_is_needed() {
    let catalog = catalog(
        "webhook_url_env = \"OWN\"\n[notifications.email]\nsmtp_url_env = \"SMTP\"\nfrom = \"a@b.c\"\n\
         [notifications.sms]\naccount_sid_env = \"SID\"\nauth_token_env = \"TOKEN\"\nfrom = \"+15550199\"\n\
         [notifications.webhook]\nurl_env = \"URL\"\nsecret_env = \"SECRET\"",
    );
    let (notifier, missing) = Notifier::new(
        &catalog,
        None,
        look(&[("SMTP", "mail.example.com"), ("SID", ACCOUNT)]),
    );
    insta::assert_snapshot!(missing.join("\n"), @r"
    SMTP is not the address of a mail server (smtp://user:password@host:587 or smtps://user:password@host), so no e-mail is sent
    TOKEN is not set, so nobody is reached by SMS or telephone
    URL is not set, so nothing is posted by webhook
    OWN is not set, so nothing is posted for Alice Ames
    SECRET is not set, so what is posted by webhook is not signed
    ");
    let text = page_text(&templates::environment(None), &catalog, &facts()).unwrap();
    let mut told = Vec::new();
    for channel in Channel::ALL {
        let failure = notifier
            .send(*channel, &catalog.people[0], &text, "k", false)
            .await;
        match failure.unwrap_err() {
            Failure::GiveUp { why } => told.push(format!("{channel}: {why}")),
            Failure::Retry { why, .. } => panic!("{why}"),
        }
    }
    insta::assert_snapshot!(told.join("\n"), @r"
    slack: Slack is not called from here
    email: SMTP is not the address of a mail server (smtp://user:password@host:587 or smtps://user:password@host)
    sms: TOKEN is not set
    voice: TOKEN is not set
    webhook: OWN is not set
    ");
}

/// Runs the binary in a folder with this configuration.
fn runs(toml: &str, vars: &[(&str, &str)], words: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("firebell.toml"), toml).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_firebell"))
        .args(words)
        .current_dir(folder.path())
        .env_clear()
        .envs(vars.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout) + &text(&output.stderr),
    )
}

/// Everything that Alice can be reached by, with its servers.
struct Ways {
    twilio: Twilio,
    mail: Mail,
    receiver: Receiver,
    toml: String,
}

impl Ways {
    async fn open() -> Self {
        let twilio = Twilio::start();
        let toml = format!(
            r#"
            [[people]]
            id = "alice"
            name = "Alice Ames"
            email = "alice@example.com"
            phone = "+15550100"
            contact = [
              {{ via = "email", after = "0m" }},
              {{ via = "sms", after = "1m" }},
              {{ via = "voice", after = "2m" }},
              {{ via = "webhook", after = "3m" }},
            ]
            [notifications.email]
            smtp_url_env = "SMTP"
            from = "Firebell <bell@firebell.example.com>"
            [notifications.sms]
            account_sid_env = "SID"
            auth_token_env = "TOKEN"
            from = "+15550199"
            base_url = "{}"
            [notifications.webhook]
            url_env = "URL"
            "#,
            twilio.url()
        );
        Self {
            twilio,
            mail: Mail::start(),
            receiver: Receiver::answering(200, &[], "").await,
            toml,
        }
    }

    /// What came of `firebell page test …`, over a connection to the mail server of this sort.
    async fn tests(&self, mail: &str, words: &[&str]) -> (Option<i32>, String) {
        let ca = self.mail.folder.path().join("ca.pem");
        let vars = [
            ("SMTP", mail.to_owned()),
            ("SID", ACCOUNT.to_owned()),
            ("TOKEN", TOKEN.to_owned()),
            ("URL", self.receiver.url.clone()),
            ("SSL_CERT_FILE", ca.to_str().unwrap().to_owned()),
        ];
        let toml = self.toml.clone();
        let words: Vec<String> = ["page", "test"]
            .iter()
            .chain(words)
            .map(|it| (*it).to_owned())
            .collect();
        tokio::task::spawn_blocking(move || {
            let vars: Vec<(&str, &str)> = vars
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            runs(&toml, &vars, &words)
        })
        .await
        .unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_page_goes_by_every_way_and_says_that_it_is_a_test() {
    let ways = Ways::open().await;
    let url = format!(
        "smtp://{MAIL_LOGIN}@localhost:{}?tls=required",
        ways.mail.port("starttls")
    );
    // Without a token of Slack's that way fails, and the others are tried all the same.
    let (code, said) = ways.tests(&url, &["@alice"]).await;
    assert_eq!(code, Some(1), "{said}");
    let starts: Vec<&str> = said
        .lines()
        .map(|line| line.split(" as ").next().unwrap())
        .collect();
    assert_eq!(
        starts,
        [
            "✗ slack: SLACK_BOT_TOKEN is not set",
            "✓ email: accepted",
            "✓ sms: accepted",
            "✓ voice: accepted",
            "✓ webhook: accepted"
        ],
        "{said}"
    );
    let letters = ways.mail.letters();
    assert_eq!(
        (&letters[0]["tls"], &letters[0]["authenticated"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(
        letters[0]["headers"]["Subject"],
        "[TEST] page-test: can you be reached?"
    );
    let message = &ways.twilio.kept("Messages").await[0];
    assert!(
        message["body"]
            .as_str()
            .unwrap()
            .starts_with("TEST page-test"),
        "{message}"
    );
    let twiml = field(&ways.twilio.kept("Calls").await[0], "Twiml");
    assert!(
        twiml.contains("This is a test") && !twiml.contains("Press"),
        "{twiml}"
    );
    let said: Value = serde_json::from_slice(&ways.receiver.only().1).unwrap();
    assert_eq!(said["event"], "test");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_page_that_fails_by_one_way_goes_by_the_others_and_is_told() {
    let ways = Ways::open().await;
    let url = format!(
        "smtps://firebell:wrong@localhost:{}",
        ways.mail.port("smtps")
    );
    let (code, said) = ways
        .tests(&url, &["Alice Ames", "--via", "email", "--via", "sms"])
        .await;
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("✗ email: the mail server refuses the user and password of its address: 535"),
        "{said}"
    );
    assert!(
        said.contains("✓ sms: accepted as SM") && !said.contains("voice"),
        "{said}"
    );
    // And with the right password, over TLS from the start.
    let url = format!("smtps://{MAIL_LOGIN}@localhost:{}", ways.mail.port("smtps"));
    let (code, said) = ways
        .tests(&url, &["alice@example.com", "--via", "email", "--json"])
        .await;
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &said["ok"]), (Some(0), &json!(true)), "{said}");
    let (code, said) = ways.tests(&url, &["alcie"]).await;
    assert_eq!(code, Some(1));
    assert!(
        said.contains("nobody in the configuration is \"alcie\": did you mean alice?"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_and_doctor_say_what_is_not_set() {
    let ways = Ways::open().await;
    let (code, said) = runs(
        &ways.toml,
        &[("SID", ACCOUNT), ("TOKEN", TOKEN)],
        &["check"],
    );
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("warning: SMTP is not set, so no e-mail is sent"),
        "{said}"
    );
    assert!(
        said.contains("warning: URL is not set, so nothing is posted by webhook"),
        "{said}"
    );
    let (code, said) = runs(
        &ways.toml,
        &[("SID", ACCOUNT), ("TOKEN", TOKEN)],
        &["doctor"],
    );
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("✗ notifications: SMTP is not set, so no e-mail is sent"),
        "{said}"
    );
    assert!(
        said.contains("! notifications: FIREBELL_PUBLIC_URL is not set"),
        "{said}"
    );
}
