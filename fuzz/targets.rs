//! What comes from outside, target by target: how an input is read, and what must hold whatever it is.
//!
//! One list for two drivers: libFuzzer, which is guided by the code that its inputs reach (`main.rs`, `make fuzz`), and
//! the tests, which know the corpus and change it by chance (`tests/it/fuzz.rs`, `make test`).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use firebell::alerts::opsgenie::Request;
use firebell::alerts::sns::{Certificates, Envelope, certificate_url, confirm_url, verify};
use firebell::alerts::{
    Malformed, Sent, Told, alertmanager, opsgenie, pagerduty, proof, read as read_alerts,
};
use firebell::calendar;
use firebell::domain::alert::{Alert, Links, Signal};
use firebell::domain::catalog::{AlertField, AlertSource, Catalog, SourceKind};
use firebell::domain::oncall::Schedule;
use firebell::domain::remark::Remark;
use firebell::domain::terms::{SlackUserId, Who};
use firebell::domain::typed_time::TypedStretch;
use firebell::http::{Filter, Search};
use firebell::notify::answer;
use firebell::slack::inbound::{EventRequest, Interaction, SlashCommand};
use firebell::slack::{interaction, modal, parse, signature};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, TrustAnchor};
use secrecy::SecretString;
use serde_json::json;
use url::Url;

/// One parser and what must hold of it.
pub struct Target {
    /// Its name, and that of its folder in `fuzz/corpus`.
    pub name: &'static str,
    /// Reads an input, and panics if what comes of it is not as it must be.
    pub reads: fn(&[u8]) -> Read,
}

/// What an input is to its parser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// It says something, or nothing that is wrong.
    Understood,
    /// It is refused, with a reason.
    Refused,
}

/// Every parser of what strangers send.
pub const TARGETS: [Target; 29] = [
    of("alertmanager", |it| source(SourceKind::Alertmanager, it)),
    of("alertmanager-api", posted),
    of("alertmanager-filter", filter),
    of("grafana", |it| source(SourceKind::Grafana, it)),
    of("cloudwatch-sns", |it| source(SourceKind::CloudwatchSns, it)),
    of("sns-envelope", sns_envelope),
    of("sns-certificates", sns_certificates),
    of("cloudwatch-eventbridge", |it| {
        source(SourceKind::CloudwatchEventbridge, it)
    }),
    of("datadog", |it| source(SourceKind::Datadog, it)),
    of("pagerduty", |it| source(SourceKind::Pagerduty, it)),
    of("pagerduty-change", |it| {
        sent(SourceKind::Pagerduty, it, pagerduty::read_change)
    }),
    of("opsgenie", |it| source(SourceKind::Opsgenie, it)),
    of("opsgenie-create", |it| {
        sent(SourceKind::Opsgenie, it, opsgenie::create)
    }),
    of("opsgenie-act", opsgenie_act),
    of("opsgenie-search", opsgenie_search),
    of("sentry", |it| source(SourceKind::Sentry, it)),
    of("cloudevents", |it| source(SourceKind::Cloudevents, it)),
    of("generic", |it| source(SourceKind::Generic, it)),
    of("generic-fields", generic_fields),
    of("times", times),
    of("proof", proofs),
    of("slack-line", slack_line),
    of("slack-command", slack_command),
    of("slack-interaction", slack_interaction),
    of("slack-event", slack_event),
    of("slack-signature", slack_signature),
    of("calendar", calendar_of_others),
    of("twilio", twilio),
    of("override-time", override_time),
];

const fn of(name: &'static str, reads: fn(&[u8]) -> Read) -> Target {
    Target { name, reads }
}

/// What no answer may repeat.
pub const CANARY: &str = "hunter2";
/// What opens every source here; no input holds it.
pub const SECRET: &str = "what nobody has ever written";

/// When every input comes.
fn now() -> Timestamp {
    "2026-08-20T09:15:00Z".parse().expect("a time")
}

/// The names of the headers that a request may begin with: those that somebody reads, and none by which HTTP itself goes.
const HEADERS: [&str; 5] = ["ce-", "x-", "sentry-", "request-id", "authorization"];

/// An input that is a request: `name: value` for each header, an empty line, the body. Whatever else it is is the body.
pub fn request(input: &[u8]) -> (HeaderMap, &[u8]) {
    let Some(end) = input.windows(2).position(|it| it == b"\n\n") else {
        return (HeaderMap::new(), input);
    };
    let header = |line: &[u8]| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        let is_read = HEADERS.iter().any(|it| name.as_str().starts_with(it));
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
        is_read.then_some((name, value))
    };
    let lines = input[..end].split(|byte| *byte == b'\n');
    match lines.map(header).collect::<Option<HeaderMap>>() {
        Some(headers) => (headers, &input[end + 2..]),
        None => (HeaderMap::new(), input),
    }
}

/// The first line of an input and what stands behind it.
pub fn first_line(input: &[u8]) -> (&[u8], &[u8]) {
    match input.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (input, b""),
    }
}

fn alert_source(kind: SourceKind) -> AlertSource {
    AlertSource {
        id: "source".into(),
        kind,
        secret_env: None,
        topics: vec!["arn:aws:sns:us-east-1:123456789012:alarms".into()],
        require_v2: false,
        fields: [].into(),
    }
}

fn source(kind: SourceKind, input: &[u8]) -> Read {
    sent(kind, input, read_alerts)
}

fn posted(input: &[u8]) -> Read {
    sent(SourceKind::Alertmanager, input, alertmanager::read_posted)
}

fn sent(kind: SourceKind, input: &[u8], read: fn(&Sent<'_>) -> Result<Told, Malformed>) -> Read {
    told(&alert_source(kind), input, read)
}

fn generic_fields(input: &[u8]) -> Read {
    let mapped = AlertSource {
        fields: [
            (AlertField::Each, "body.alerts or [body]"),
            (AlertField::Title, "item.title or item|tojson"),
            (AlertField::Key, "item.key|upper or item.id"),
            (AlertField::Labels, "item.labels or item"),
            (AlertField::StartedAt, "item.startsAt"),
        ]
        .map(|(field, expression)| (field, expression.to_owned()))
        .into(),
        ..alert_source(SourceKind::Generic)
    };
    told(&mapped, input, read_alerts)
}

/// The first line is the alias.
fn opsgenie_act(input: &[u8]) -> Read {
    let (alias, body) = first_line(input);
    // A path is text.
    let Ok(alias) = str::from_utf8(alias) else {
        return Read::Refused;
    };
    let source = alert_source(SourceKind::Opsgenie);
    let act = |request| told(&source, body, |sent| opsgenie::act(sent, alias, request));
    for word in Request::words().split(", ") {
        act(Request::of(word).expect("a word of its own"));
    }
    act(Request::Note)
}

fn opsgenie_search(input: &[u8]) -> Read {
    let text = String::from_utf8_lossy(input);
    let search = Search::of(&text);
    assert_eq!(search, Search::of(&text));
    match search {
        Ok(_) => Read::Understood,
        Err(why) => {
            assert!(!repeats(why, input));
            Read::Refused
        }
    }
}

/// Reads a request twice: it is the same, within its limits, or refused as it must be.
fn told(
    source: &AlertSource,
    input: &[u8],
    read: impl Fn(&Sent<'_>) -> Result<Told, Malformed>,
) -> Read {
    let (headers, body) = request(input);
    let sent = Sent {
        source,
        headers: &headers,
        body,
        now: now(),
    };
    let told = read(&sent);
    // What is large is there for the time that it takes.
    if body.len() < 100_000 {
        assert_eq!(told, read(&sent), "the same request says the same");
    }
    match told {
        Ok(told) => {
            let Told {
                alerts,
                delivery,
                skipped,
            } = told;
            assert!(delivery.is_none_or(|it| is_key(&it)));
            alerts.iter().for_each(is_cut);
            skipped.iter().for_each(|why| is_reason(why, input));
            Read::Understood
        }
        Err(why) => {
            is_reason(&why, input);
            Read::Refused
        }
    }
}

fn is_reason(why: &Malformed, input: &[u8]) {
    let Malformed { reason, faults } = why;
    assert!(faults.len() < 20);
    for text in [reason].into_iter().chain(faults) {
        assert!(!text.is_empty() && text.len() < 300, "{text}");
        assert!(!repeats(text, input), "{text}");
    }
}

/// Whether a text repeats something of an input. The names of fields stand in both, so a word or two do not count; and
/// nobody has the time to look through all of a long one.
pub fn repeats(text: &str, input: &[u8]) -> bool {
    const LONG: usize = 24;
    const LOOKED_THROUGH: usize = 50_000;
    let input = &input[..input.len().min(LOOKED_THROUGH)];
    let mut parts = text.as_bytes().windows(LONG).step_by(LONG / 2);
    text.contains(CANARY) || parts.any(|part| input.windows(LONG).any(|it| it == part))
}

fn is_within(text: &str, characters: usize) -> bool {
    !text.trim().is_empty() && !text.contains('\0') && text.chars().count() <= characters
}

fn is_key(text: &str) -> bool {
    text.len() <= 255 && is_within(text, 255)
}

fn is_cut(alert: &Alert) {
    let Alert {
        key,
        signal,
        name,
        title,
        description,
        severity,
        labels,
        links,
        remark,
        started_at,
        ended_at,
        expires_at,
    } = alert;
    assert!(is_key(key.as_str()), "{key}");
    assert!(is_within(name, 300) && is_within(title, 300));
    assert!(!title.contains('\n'));
    assert!(description.as_ref().is_none_or(|it| is_within(it, 4_000)));
    assert!(severity.as_ref().is_none_or(|it| is_within(it, 64)));
    assert!(labels.len() <= 64 && !labels.contains_key("source"));
    for (name, value) in labels {
        assert!(is_within(name, 100) && is_within(value, 500));
    }
    let Links {
        runbook,
        dashboard,
        silence,
        origin,
    } = links;
    for link in [runbook, dashboard, silence, origin].into_iter().flatten() {
        let is_safe = !link.contains(|c: char| c.is_whitespace() || "<>|\"".contains(c));
        assert!(link.starts_with("http") && is_safe && is_within(link, 3_000));
    }
    if let Some(Remark { by, text }) = remark {
        assert!(
            by.as_ref()
                .is_none_or(|it| is_within(it, 100) && !it.contains('\n'))
        );
        assert!(text.as_ref().is_none_or(|it| is_within(it, 500)));
        assert!(by.is_some() || text.is_some());
    }
    assert!(started_at.is_none_or(is_a_time));
    assert!(ended_at.is_none_or(|at| is_a_time(at) && *signal == Signal::Resolved));
    assert!(expires_at.is_none() || *signal == Signal::Firing);
}

fn is_a_time(at: Timestamp) -> bool {
    let of = |text: &str| text.parse::<Timestamp>().expect("a time");
    (of("1971-01-01T00:00:00Z")..of("9000-01-01T00:00:00Z")).contains(&at)
}

/// A time as a sender writes it, as text and, if it is one, as a number.
fn times(input: &[u8]) -> Read {
    let text = String::from_utf8_lossy(input);
    let started = |at: serde_json::Value| {
        let body = json!({ "title": "a", "started_at": at }).to_string();
        let source = alert_source(SourceKind::Generic);
        let sent = Sent {
            source: &source,
            headers: &HeaderMap::new(),
            body: body.as_bytes(),
            now: now(),
        };
        let told = read_alerts(&sent).expect("an alert with a title");
        told.alerts.iter().for_each(is_cut);
        told.alerts[0].started_at
    };
    if let Some(at) = started(json!(text)) {
        assert_eq!(started(json!(at.to_string())), Some(at), "as we write it");
    }
    if let Ok(number) = serde_json::from_str::<serde_json::Number>(&text) {
        started(number.into());
    }
    Read::Understood
}

/// One line for each part of the query: `filter=alertname="Disk"`.
fn filter(input: &[u8]) -> Read {
    let query = query(input);
    let (filter, again) = (Filter::of(Some(&query)), Filter::of(Some(&query)));
    match (filter, again) {
        (Ok(filter), Ok(again)) => {
            let labels = [("alertname", "Disk"), ("job", "db-1"), ("é", "\"")];
            let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let labels = labels.into();
            assert_eq!(filter.shows(&labels), again.shows(&labels));
            Read::Understood
        }
        (Err(why), Err(again)) => {
            // It repeats what was asked, cut: `amtool` shows it to the person who has typed that.
            assert!(!why.is_empty() && why.chars().count() < 300, "{why}");
            assert_eq!(why, again);
            Read::Refused
        }
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => panic!("read twice, it was not the same"),
    }
}

/// The query that the lines of an input make.
pub fn query(input: &[u8]) -> String {
    let text = String::from_utf8_lossy(input);
    let pairs = text
        .lines()
        .map(|it| it.split_once('=').unwrap_or((it, "")));
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

/// Whatever is shown and signed, it is not by our secret.
fn proofs(input: &[u8]) -> Read {
    let (headers, body) = request(input);
    let secret = SecretString::from(SECRET);
    for kind in SourceKind::ALL {
        let source = alert_source(*kind);
        let token = str::from_utf8(body).ok();
        for token in [None, token] {
            let prove = || proof::prove(&source, Some(&secret), &headers, token, body, now());
            let why = prove().expect_err("nobody has shown the secret");
            assert_eq!(prove(), Err(why));
            assert!(!why.to_string().contains(SECRET));
        }
    }
    Read::Refused
}

macro_rules! sns {
    ($name:literal) => {
        include_bytes!(concat!("../tests/samples/sns/", $name)).as_slice()
    };
}

static ROOTS: LazyLock<[TrustAnchor<'static>; 1]> = LazyLock::new(|| {
    let root = CertificateDer::from_pem_slice(sns!("root.pem")).expect("a certificate");
    [webpki::anchor_from_trusted_cert(&root)
        .expect("a root")
        .to_owned()]
});
static SIGNED: LazyLock<[Envelope; 5]> = LazyLock::new(|| {
    let read = |body| Envelope::read(&HeaderMap::new(), body).expect("an envelope");
    [
        sns!("notification-v1.json"),
        sns!("notification-v2.json"),
        sns!("without-subject.json"),
        sns!("subscription.json"),
        sns!("unsubscribe.json"),
    ]
    .map(read)
});

/// No address is Amazon's that is not; and what is believed is, in all that is signed, one of the samples.
fn sns_envelope(input: &[u8]) -> Read {
    let (headers, body) = request(input);
    let envelope = match Envelope::read(&headers, body) {
        Ok(envelope) => envelope,
        Err(why) => {
            is_reason(&why, input);
            return Read::Refused;
        }
    };
    let address = certificate_url(&envelope, &alert_source(SourceKind::CloudwatchSns));
    for url in [address.ok(), confirm_url(&envelope).ok().flatten()] {
        assert!(url.is_none_or(|url| is_amazons(&url, ".amazonaws.com")));
    }
    let mut certificates = Certificates::read(sns!("leaf.pem")).expect("a certificate");
    certificates.add_issuer(sns!("issuer.pem"));
    let signed = |it: &Envelope| {
        (
            (it.kind, it.message.clone(), it.message_id.clone()),
            (it.topic_arn.clone(), it.timestamp.clone()),
            it.subject.clone(),
        )
    };
    match verify(&envelope, &certificates, &*ROOTS, now()) {
        Ok(()) => {
            let known = SIGNED.iter().any(|it| signed(it) == signed(&envelope));
            assert!(known, "nobody has signed this: {envelope:?}");
            Read::Understood
        }
        Err(_) => Read::Refused,
    }
}

fn is_amazons(url: &Url, domain: &str) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.strip_suffix(".cn").unwrap_or(host);
    host.ends_with(domain) && url.username().is_empty() && url.port().is_none()
}

fn sns_certificates(input: &[u8]) -> Read {
    let mut certificates = match Certificates::read(input) {
        Ok(certificates) => certificates,
        Err(_) => {
            let mut known = Certificates::read(sns!("leaf.pem")).expect("a certificate");
            known.add_issuer(input);
            let _ = verify(&SIGNED[0], &known, &*ROOTS, now());
            return Read::Refused;
        }
    };
    let issuer = certificates.issuer_url();
    assert!(issuer.is_none_or(|url| is_amazons(&url, ".amazontrust.com")));
    certificates.add_issuer(sns!("issuer.pem"));
    let _ = verify(&SIGNED[0], &certificates, &*ROOTS, now());
    Read::Understood
}

fn slack_line(input: &[u8]) -> Read {
    let (catalog, typist) = (
        Catalog::default(),
        Who::slack(SlackUserId::new("U1"), "ana"),
    );
    let line = String::from_utf8_lossy(input);
    let mut came = Read::Refused;
    for forms in [false, true] {
        let context = parse::Context {
            catalog: &catalog,
            typist: &typist,
            forms,
        };
        let read = parse::parse(&line, context);
        assert_eq!(read, parse::parse(&line, context));
        match read {
            Ok(_) => came = Read::Understood,
            Err(why) => assert!(!why.to_string().is_empty()),
        }
    }
    came
}

/// A calendar that somebody else serves: whatever it is, no turn ends before it begins.
fn calendar_of_others(input: &[u8]) -> Read {
    let catalog = Catalog::default();
    let schedule = Schedule {
        id: "primary".into(),
        name: None,
        timezone: TimeZone::UTC,
        rotations: vec![],
        fallback: None,
        usergroup: None,
        ical_token_env: None,
        ical_url_env: None,
    };
    let text = String::from_utf8_lossy(input);
    let until = now() + SignedDuration::from_hours(24 * 120);
    match calendar::read::read(&text, &schedule, &catalog, now(), until) {
        Ok(read) => {
            assert!(read.turns.iter().all(|turn| turn.from < turn.to));
            Read::Understood
        }
        Err(why) => {
            assert!(!why.is_empty());
            Read::Refused
        }
    }
}

/// What Twilio brings: a reply to a text message, a key, a report of delivery. Only what was proved comes here, but people
/// type what they like.
fn twilio(input: &[u8]) -> Read {
    let text = String::from_utf8_lossy(input);
    let reply = answer::reply(&text);
    assert_eq!(reply, answer::reply(&text));
    let _ = answer::digit(&text);
    let form: BTreeMap<String, String> = serde_urlencoded::from_bytes(input).unwrap_or_default();
    match answer::report(&form) {
        Some(_) => Read::Understood,
        None => Read::Refused,
    }
}

/// The times of an override, as they are typed.
fn override_time(input: &[u8]) -> Read {
    let text = String::from_utf8_lossy(input);
    let zone = TimeZone::get("Europe/Berlin").expect("a zone");
    let understood = TypedStretch::parse(&text).and_then(|it| it.understand(now(), &zone));
    match understood {
        Ok(stretch) => {
            assert!(stretch.from < stretch.to);
            Read::Understood
        }
        Err(why) => {
            assert!(!why.to_string().is_empty());
            Read::Refused
        }
    }
}

fn slack_command(input: &[u8]) -> Read {
    match serde_urlencoded::from_bytes::<SlashCommand>(input) {
        Ok(command) => {
            command.who();
            slack_line(command.text.as_bytes());
            Read::Understood
        }
        Err(why) => {
            assert!(!repeats(&why.to_string(), input), "{why}");
            Read::Refused
        }
    }
}

/// The payload of an interaction, without the form that it comes in.
fn slack_interaction(input: &[u8]) -> Read {
    match serde_json::from_slice::<Interaction>(input) {
        Ok(Interaction::BlockActions(click)) => {
            for action in &click.actions {
                if let Some(click) = interaction::read(action) {
                    slack_line(click.line.as_bytes());
                }
            }
            Read::Understood
        }
        Ok(Interaction::ViewSubmission(sent)) => {
            let _ = modal::read(&sent.view, &Catalog::default());
            Read::Understood
        }
        Ok(Interaction::Shortcut(_) | Interaction::MessageAction(_) | Interaction::Unknown) => {
            Read::Understood
        }
        Err(_) => Read::Refused,
    }
}

fn slack_event(input: &[u8]) -> Read {
    match serde_json::from_slice::<EventRequest>(input) {
        Ok(_) => Read::Understood,
        Err(_) => Read::Refused,
    }
}

/// The signature in the first line, the time in the second, then the body.
fn slack_signature(input: &[u8]) -> Read {
    let (signature, rest) = first_line(input);
    let (time, body) = first_line(rest);
    let (signature, time) = (str::from_utf8(signature).ok(), str::from_utf8(time).ok());
    let _ = signature::presents(signature, time, now());
    let secret = SecretString::from(SECRET);
    let proved = signature::prove(&secret, signature, time, body, now());
    assert!(proved.is_err(), "nobody has signed with our secret");
    Read::Refused
}
