//! The doors of alert senders, as senders find them: over HTTP, with their own bodies, secrets and expectations.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::http::Request;
use bytes::Bytes;
use firebell::app::App;
use firebell::clock::Clock;
use firebell::config;
use firebell::http::{Fetch, Fetched, Sns};
use firebell::intake::Intake;
use firebell::simulator::Workspace;
use firebell::store::Store;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use url::Url;

use crate::harness::{exchange, parts, workspace};

const TOML: &str = r##"
    [[alert_sources]]
    id = "prometheus"
    kind = "alertmanager"
    secret_env = "A"

    [[alert_sources]]
    id = "pager"
    kind = "pagerduty"
    secret_env = "B"

    [[alert_sources]]
    id = "genie"
    kind = "opsgenie"
    secret_env = "C"

    [[alert_sources]]
    id = "scripts"
    kind = "generic"
    secret_env = "D"

    [[heartbeats]]
    id = "nightly-backup"
    source = "scripts"
    every = "25h"

    [[heartbeats]]
    id = "replication"
    source = "genie"
    every = "10m"

    [[alert_sources]]
    id = "events"
    kind = "cloudevents"
    secret_env = "F"

    [[alert_sources]]
    id = "unset"
    kind = "generic"
    secret_env = "E"

    [[alert_sources]]
    id = "cloudwatch"
    kind = "cloudwatch-sns"
    topics = ["arn:aws:sns:us-east-1:123456789012:alarms"]

    [[routes]]
    match = {}
    then = "suppress"
"##;

/// A bot that listens, without Slack's part in it.
pub struct House {
    pub url: String,
    pub store: Store,
    _folder: tempfile::TempDir,
    _slack: Workspace,
    stop: watch::Sender<bool>,
}

pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|why| panic!("{why}: {}", self.body))
    }
}

/// Amazon's part of the web: a certificate, the one that vouches for it, and the confirmation of subscriptions.
#[derive(Debug, Default)]
struct Amazon {
    asked: Mutex<Vec<String>>,
    is_away: AtomicBool,
}

impl Amazon {
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

impl Fetch for Amazon {
    fn fetch(&self, url: &Url) -> Fetched {
        self.asked.lock().unwrap().push(url.to_string());
        let answer = match url.path() {
            _ if self.is_away.load(Ordering::Relaxed) => Err("it is away".to_owned()),
            path if path.ends_with(".pem") => Ok(sample("leaf.pem").into()),
            path if path.ends_with(".cer") => Ok(sample("issuer.pem").into()),
            "/" => Ok("<ConfirmSubscriptionResponse/>".into()),
            path => Err(format!("there is no {path}")),
        };
        Box::pin(async { answer })
    }
}

fn sample(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples/sns");
    std::fs::read(folder.join(name)).unwrap()
}

fn text(name: &str) -> String {
    String::from_utf8(sample(name)).unwrap()
}

impl House {
    pub async fn new() -> Self {
        Self::with(Clock::System, Arc::default()).await
    }

    async fn with(clock: Clock, amazon: Arc<Amazon>) -> Self {
        let secrets = [
            ("prometheus", "prometheus-secret"),
            ("pager", "0123456789abcdef0123456789abcdef"),
            ("genie", "genie-secret"),
            ("scripts", "scripts-secret"),
            ("events", "events-secret"),
        ];
        Self::furnished(TOML, &secrets, clock, amazon).await
    }

    /// A house of one's own: its configuration, and the secret of each source.
    pub async fn configured(toml: &str, secrets: &[(&str, &str)]) -> Self {
        Self::furnished(toml, secrets, Clock::System, Arc::default()).await
    }

    async fn furnished(
        toml: &str,
        secrets: &[(&str, &str)],
        clock: Clock,
        amazon: Arc<Amazon>,
    ) -> Self {
        let (catalog, _) = config::parse(toml, "firebell.toml").unwrap();
        let slack = workspace(&clock).await;
        let folder = tempfile::tempdir().unwrap();
        let database = format!("sqlite://{}", folder.path().join("firebell.db").display());
        let mut parts = parts(&database, catalog, &slack, &clock);
        let root = CertificateDer::from_pem_slice(&sample("root.pem")).unwrap();
        let root = webpki::anchor_from_trusted_cert(&root).unwrap().to_owned();
        parts.sns = Sns::new(amazon, vec![root]);
        for (source, secret) in secrets {
            let secret = SecretString::from(*secret);
            parts.alert_secrets.insert((*source).to_owned(), secret);
        }
        let app = App::build(parts).await.unwrap();
        let store = app.desk().store.clone();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(app.serve(listener, stopped));
        House {
            url,
            store,
            _folder: folder,
            _slack: slack,
            stop,
        }
    }

    pub async fn asks(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::from(body.to_owned())).unwrap();
        let (status, body) = exchange(request).await;
        Answer { status, body }
    }

    async fn posts(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.asks("POST", path, headers, &body.to_string()).await
    }

    pub async fn active(&self, source: &str) -> Vec<String> {
        let active = self.store.active_alerts(source, 100).await.unwrap();
        active.into_iter().map(|kept| kept.alert.title).collect()
    }

    pub fn ends(self) {
        let _ = self.stop.send(true);
    }
}

const BEARER: [(&str, &str); 1] = [("authorization", "Bearer scripts-secret")];

#[tokio::test(flavor = "multi_thread")]
async fn whoever_shows_no_secret_is_turned_away_and_nothing_is_stored() {
    let house = House::new().await;
    let alert = json!({ "title": "the disk is full", "key": "disk" });
    for (path, headers) in [
        ("/alerts/scripts", vec![]),
        ("/alerts/scripts", vec![("authorization", "Bearer wrong")]),
        ("/alerts/scripts?token=wrong", vec![]),
        (
            "/alerts/scripts",
            vec![("authorization", "Bearer prometheus-secret")],
        ),
        ("/alerts/unset", vec![("authorization", "Bearer ")]),
        ("/alerts/unset?token=", vec![]),
        (
            "/alerts/nobody",
            vec![("authorization", "Bearer scripts-secret")],
        ),
        (
            "/api/v2/alerts",
            vec![("authorization", "Bearer scripts-secret")],
        ),
        ("/v2/alerts", vec![("authorization", "GenieKey wrong")]),
    ] {
        let answer = house.posts(path, &headers, &alert).await;
        assert_eq!(answer.status, 401, "{path} {}", answer.body);
        assert!(!answer.body.contains("secret\""), "{}", answer.body);
    }
    // Nor which sources there are, and which have a secret: that hangs on what they show.
    for shown in [
        vec![],
        vec![("authorization", "Bearer wrong")],
        vec![("x-routing-key", "k")],
        vec![("authorization", "Digest x")],
    ] {
        for path in ["", "/heartbeat"] {
            let mut answers = Vec::new();
            for source in ["scripts", "unset", "nobody", "pager"] {
                let answer = house
                    .posts(&format!("/alerts/{source}{path}"), &shown, &alert)
                    .await;
                answers.push((answer.status, answer.body));
            }
            assert!(
                answers.iter().all(|answer| *answer == answers[0]),
                "{answers:?}"
            );
        }
    }
    let answer = house.posts("/api/v2/alerts", &[], &json!([])).await;
    assert!(
        answer.status == 401 && answer.body.contains("shows no secret"),
        "{}",
        answer.body
    );
    let ready = house.asks("GET", "/readyz", &[], "").await;
    assert!(
        ready.status == 200
            && ready
                .body
                .contains("the secret of 1 of 7 alert sources is not set"),
        "{}",
        ready.body
    );
    assert!(!ready.body.contains("unset"), "{}", ready.body);
    // A probe shows nothing, and is told nothing but that somebody answers.
    for path in ["/-/ready", "/-/healthy"] {
        let answer = house.asks("GET", path, &[], "").await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "OK"));
    }
    // What is wrong with the body is not told to them.
    let answer = house.asks("POST", "/alerts/scripts", &[], "{").await;
    assert_eq!(answer.status, 401);
    assert!(house.active("scripts").await.is_empty());
    house.ends();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_says_what_is_wrong_and_that_it_is_over() {
    let house = House::new().await;
    let alert = json!({ "title": "the disk is full", "key": "disk" });
    for path in ["/alerts/scripts", "/alerts/scripts?token=scripts-secret"] {
        let answer = house.posts(path, &BEARER, &alert).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    assert_eq!(house.active("scripts").await, ["the disk is full"]);
    let basic = [("authorization", "Basic YW55Ym9keTpzY3JpcHRzLXNlY3JldA==")];
    let over = json!({ "title": "the disk is full", "key": "disk", "status": "resolved" });
    let answer = house.posts("/alerts/scripts", &basic, &over).await;
    assert_eq!(answer.json()["ended"], 1);
    assert!(house.active("scripts").await.is_empty());
    // Kept to be read again: what began it, and what ended it.
    let bodies = house
        .store
        .alert_bodies(jiff::Timestamp::UNIX_EPOCH, jiff::Timestamp::MAX, "", 9)
        .await
        .unwrap();
    assert_eq!(bodies.len(), 2);
    assert_eq!(
        serde_json::from_str::<Value>(&bodies[0].body).unwrap(),
        alert
    );
    house.ends();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_says_that_it_lives() {
    let house = House::new().await;
    let path = "/alerts/scripts/heartbeat";
    let answer = house.asks("POST", path, &BEARER, "").await;
    assert_eq!(
        (answer.status, answer.json()["heartbeats"].clone()),
        (200, json!(1))
    );
    let named = house
        .asks(
            "POST",
            &format!("{path}?name=nightly-backup&token=scripts-secret"),
            &[],
            "",
        )
        .await;
    assert_eq!(named.status, 200);
    assert_eq!(house.asks("POST", path, &[], "").await.status, 401);
    assert_eq!(
        house
            .asks("POST", &format!("{path}?name=x"), &BEARER, "")
            .await
            .status,
        404
    );
    let bearer = [("authorization", "Bearer prometheus-secret")];
    assert_eq!(
        house
            .asks("POST", "/alerts/prometheus/heartbeat", &bearer, "")
            .await
            .status,
        404
    );
    let due = house.store.heartbeats().await.unwrap();
    assert!(due.contains_key("nightly-backup"), "{due:?}");
    house.ends();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_refused_with_the_reason_and_changes_nothing() {
    let house = House::new().await;
    for body in ["", "{", "null", "17", "{}", "\u{0}", "{\"title\": \"\"}"] {
        let answer = house.asks("POST", "/alerts/scripts", &BEARER, body).await;
        assert_eq!(answer.status, 400, "{body:?} {}", answer.body);
        assert!(answer.json()["error"].as_str().unwrap().len() > 10);
    }
    // As much as nobody has to say, in a body that is not large.
    let many = format!("[{}]", [r#"{"title":"a"}"#; 20_001].join(","));
    let answer = house.asks("POST", "/alerts/scripts", &BEARER, &many).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert!(answer.body.contains("20000 alerts"), "{}", answer.body);
    // Turned away by its length, before a byte of it is read.
    let mut line = tokio::net::TcpStream::connect(house.url.trim_start_matches("http://"))
        .await
        .unwrap();
    let head = "POST /alerts/scripts HTTP/1.1\r\nhost: x\r\nauthorization: Bearer scripts-secret\r\ncontent-length: 4000001\r\n\r\n";
    line.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 64];
    let read = line.read(&mut answer).await.unwrap();
    assert!(answer[..read].starts_with(b"HTTP/1.1 413"));
    assert!(house.active("scripts").await.is_empty());
    house.ends();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prometheus_is_pointed_here_as_at_an_alertmanager() {
    let house = House::new().await;
    let headers = [("authorization", "Bearer prometheus-secret")];
    let alert = |ends: &str| {
        json!([{
            "labels": { "alertname": "HighErrorRate", "service": "checkout", "severity": "critical" },
            "annotations": { "summary": "5xx above 5 %" },
            "startsAt": "2026-01-01T00:00:00Z",
            "endsAt": ends,
            "generatorURL": "http://prometheus:9090/graph",
        }])
    };
    let answer = house
        .posts("/api/v2/alerts", &headers, &alert("2099-01-01T00:00:00Z"))
        .await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    let shown = house
        .asks("GET", "/api/v2/alerts", &headers, "")
        .await
        .json();
    assert_eq!(shown[0]["labels"]["alertname"], "HighErrorRate");
    assert_eq!(shown[0]["status"]["state"], "active");
    assert_eq!(shown[0]["fingerprint"].as_str().unwrap().len(), 16);
    let answer = house
        .posts("/api/v2/alerts", &headers, &alert("2026-01-01T00:05:00Z"))
        .await;
    assert_eq!(answer.status, 200);
    let shown = house
        .asks("GET", "/api/v2/alerts", &headers, "")
        .await
        .json();
    assert_eq!(shown, json!([]));
    for path in [
        "/api/v2/status",
        "/api/v2/silences",
        "/api/v2/receivers",
        "/api/v2/alerts/groups",
    ] {
        assert_eq!(
            house.asks("GET", path, &headers, "").await.status,
            200,
            "{path}"
        );
        assert_eq!(house.asks("GET", path, &[], "").await.status, 401, "{path}");
    }
    // What is refused is refused in a JSON text: amtool shows nothing else.
    let list = "/api/v2/alerts";
    for (method, path, body) in [
        ("POST", list, "{\"alerts\":"),
        ("POST", list, "[{\"labels\":{}}]"),
        ("POST", "/api/v2/silences", "{}"),
        ("GET", "/api/v2/alerts?filter=%3D", ""),
        ("GET", "/api/v2/alerts/groups?receiver=(", ""),
    ] {
        let answer = house.asks(method, path, &headers, body).await;
        assert_eq!(answer.status, 400, "{path} {}", answer.body);
        assert!(answer.json().is_string(), "{path} {}", answer.body);
    }
    let answer = house.asks("DELETE", list, &headers, "").await;
    assert_eq!(answer.status, 405);
    assert!(answer.json()["error"].as_str().unwrap().contains("Allow"));
    house.ends();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_an_alertmanager_for_one_alert_finds_it_behind_all_others() {
    let beginning: jiff::Timestamp = "2025-09-14T03:00:00Z".parse().unwrap();
    let clock = Clock::by_hand(beginning);
    let house = House::with(clock.clone(), Arc::default()).await;
    let headers = [("authorization", "Bearer prometheus-secret")];
    let firing = |name: &str, instances: std::ops::Range<usize>| -> Value {
        let alert = |instance| json!({ "labels": { "alertname": name, "instance": format!("i{instance}") } });
        instances.map(alert).collect()
    };
    let list = "/api/v2/alerts";
    for (name, instances) in [("Old", 0..1), ("Others", 0..600), ("Others", 600..1_200)] {
        let answer = house.posts(list, &headers, &firing(name, instances)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        clock.advance(jiff::SignedDuration::from_secs(1));
    }
    let shown = async |query: &str| {
        let answer = house
            .asks("GET", &format!("{list}{query}"), &headers, "")
            .await;
        let shown = answer.json();
        let shown = shown.as_array().unwrap();
        let old = shown.iter().filter(|it| it["labels"]["alertname"] == "Old");
        (shown.len(), old.count())
    };
    assert_eq!(shown("").await, (1_000, 0));
    assert_eq!(shown("?filter=alertname%3DOld").await, (1, 1));
    assert_eq!(shown("?filter=alertname%3D~%22.%2B%22").await, (1_000, 0));
    assert_eq!(shown("?filter=alertname%3DOld&active=false").await, (0, 0));
    let status = house.asks("GET", "/api/v2/status", &headers, "").await;
    assert_eq!(status.json()["uptime"], beginning.to_string());
    house.ends();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_sends_to_pagerduty_gets_its_answers() {
    let house = House::new().await;
    let event = |action: &str, key: Value| {
        json!({
            "routing_key": "0123456789abcdef0123456789abcdef",
            "event_action": action,
            "dedup_key": key,
            "payload": { "summary": "DISK at 99 %", "source": "db1", "severity": "critical" },
        })
    };
    let answer = house
        .posts("/v2/enqueue", &[], &event("trigger", json!("db1/disk")))
        .await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert_eq!(
        answer.json(),
        json!({ "status": "success", "message": "Event processed", "dedup_key": "db1/disk" })
    );
    // Without a key it is given one, by which it can be resolved.
    let mut keyless = event("trigger", Value::Null);
    keyless.as_object_mut().unwrap().remove("dedup_key");
    let answer = house.posts("/v2/enqueue", &[], &keyless).await;
    let key = answer.json()["dedup_key"].as_str().unwrap().to_owned();
    assert_eq!(house.active("pager").await.len(), 2);
    for key in [key.as_str(), "db1/disk", "never-heard-of"] {
        let resolve = json!({ "routing_key": "0123456789abcdef0123456789abcdef", "event_action": "resolve", "dedup_key": key });
        assert_eq!(house.posts("/v2/enqueue", &[], &resolve).await.status, 202);
    }
    assert!(house.active("pager").await.is_empty());
    // A deploy pages nobody; it is kept for the timelines before it is answered, once.
    let deploy = json!({
        "routing_key": "0123456789abcdef0123456789abcdef",
        "payload": { "summary": "Deployed checkout 412", "custom_details": { "user": "ana" } },
    });
    for _ in 0..2 {
        let answer = house.posts("/v2/change/enqueue", &[], &deploy).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
    }
    let kept = house.store.changes_since(jiff::Timestamp::UNIX_EPOCH).await;
    let [kept] = &kept.unwrap()[..] else {
        panic!("a change is kept once");
    };
    assert_eq!(
        (kept.source.as_str(), kept.change.title.as_str()),
        ("pager", "Deployed checkout 412")
    );
    assert_eq!(kept.change.by.as_deref(), Some("ana"));
    assert!(house.active("pager").await.is_empty());
    let mut wrong = event("trigger", json!("x"));
    wrong["payload"] = json!({ "summary": "x" });
    let answer = house.posts("/v2/enqueue", &[], &wrong).await;
    assert_eq!(
        (answer.status, answer.json()["status"].clone()),
        (400, json!("invalid event"))
    );
    assert_eq!(
        answer.json()["errors"].as_array().unwrap().len(),
        2,
        "{}",
        answer.body
    );
    let answer = house.asks("POST", "/v2/enqueue", &[], "{").await;
    assert_eq!(
        (answer.status, answer.json()["errors"].clone()),
        (400, json!(["Invalid JSON"]))
    );
    let mut foreign = event("trigger", json!("x"));
    foreign["routing_key"] = json!("ffffffffffffffffffffffffffffffff");
    assert_eq!(house.posts("/v2/enqueue", &[], &foreign).await.status, 401);
    house.ends();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_sends_to_opsgenie_gets_its_answers() {
    let house = House::new().await;
    let headers = [("authorization", "GenieKey genie-secret")];
    let create = json!({ "message": "Checkout 5xx", "alias": "checkout-5xx", "priority": "P1" });
    let answer = house.posts("/v2/alerts", &headers, &create).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert_eq!(answer.json()["result"], "Request will be processed");
    let id = answer.json()["requestId"].as_str().unwrap().to_owned();
    let asked = house
        .asks("GET", &format!("/v2/alerts/requests/{id}"), &headers, "")
        .await;
    assert_eq!(asked.json()["data"]["isSuccess"], true);
    let by = "identifierType=alias";
    for act in ["notes", "acknowledge"] {
        let path = format!("/v2/alerts/checkout-5xx/{act}?{by}");
        let answer = house
            .posts(&path, &headers, &json!({ "note": "on it", "user": "bo" }))
            .await;
        assert_eq!(answer.status, 202, "{act} {}", answer.body);
    }
    for (act, body) in [
        ("tags", json!({ "tags": ["prod"] })),
        ("details", json!({ "details": { "region": "eu-1" } })),
        ("assign", json!({ "owner": { "username": "ana" } })),
        (
            "snooze",
            json!({ "endTime": "2030-01-01T00:00:00Z", "note": "later" }),
        ),
    ] {
        let path = format!("/v2/alerts/checkout-5xx/{act}?{by}");
        let answer = house.posts(&path, &headers, &body).await;
        assert_eq!(answer.status, 202, "{act} {}", answer.body);
        let answer = house.posts(&path, &headers, &json!({})).await;
        assert_eq!(answer.status, 422, "{act} {}", answer.body);
    }
    // What was said of it stays what it was.
    assert_eq!(house.active("genie").await, ["Checkout 5xx"]);
    let get = async |path: &str| house.asks("GET", path, &headers, "").await;
    let alert = get("/v2/alerts/checkout-5xx?identifierType=alias").await;
    let alert = alert.json()["data"].clone();
    assert_eq!(alert["message"], "Checkout 5xx");
    assert_eq!(
        (&alert["status"], &alert["acknowledged"]),
        (&json!("open"), &json!(true))
    );
    // Its id is its alias.
    assert_eq!(alert["id"], alert["alias"]);
    assert_eq!(get("/v2/alerts").await.json()["data"], json!([alert]));
    for (query, count) in [
        ("", 1),
        ("?query=status%3A+open+AND+priority%3AP1", 1),
        ("?query=status%3Aclosed", 0),
        ("?query=alias%3A%22other%22", 0),
    ] {
        let counted = get(&format!("/v2/alerts/count{query}")).await;
        assert_eq!(counted.json()["data"]["count"], count, "{query}");
    }
    let page = get("/v2/alerts?offset=1&limit=9").await;
    assert_eq!(page.json()["data"], json!([]));
    for (path, status) in [
        ("/v2/alerts/other", 404),
        ("/v2/alerts/17?identifierType=tiny", 422),
        ("/v2/alerts?query=tag%3Aprod", 422),
        ("/v2/alerts/count?query=%3A", 422),
    ] {
        let answer = get(path).await;
        assert_eq!(answer.status, status, "{path} {}", answer.body);
        assert!(answer.json()["message"].is_string());
    }
    let path = format!("/v2/alerts/checkout-5xx/close?{by}");
    assert_eq!(house.asks("POST", &path, &headers, "").await.status, 202);
    assert!(house.active("genie").await.is_empty());
    let closed = get("/v2/alerts/checkout-5xx").await;
    assert_eq!(closed.json()["data"]["status"], "closed");
    // As there, what is asked of an alert that nobody knows is accepted, and whoever asks what came of it is told.
    for (alias, is_success, status) in [
        ("checkout-5xx", true, "Stored"),
        ("never-heard-of", false, "Alert does not exist"),
    ] {
        let path = format!("/v2/alerts/{alias}/notes?{by}");
        let note = json!({ "note": "rolled back", "user": "bo" });
        let answer = house.posts(&path, &headers, &note).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        let id = answer.json()["requestId"].as_str().unwrap().to_owned();
        let asked = get(&format!("/v2/alerts/requests/{id}")).await;
        assert_eq!(asked.json()["data"]["isSuccess"], is_success, "{alias}");
        assert_eq!(asked.json()["data"]["status"], status, "{alias}");
    }
    for (path, body) in [
        ("/v2/alerts", "{}"),
        ("/v2/alerts", "{"),
        ("/v2/alerts/17/close?identifierType=tiny", "{}"),
    ] {
        let answer = house.asks("POST", path, &headers, body).await;
        assert_eq!(answer.status, 422, "{path} {body} {}", answer.body);
        assert!(answer.json()["message"].is_string());
    }
    assert_eq!(
        house
            .asks(
                "POST",
                "/v2/alerts/x/escalate?identifierType=alias",
                &headers,
                ""
            )
            .await
            .status,
        404
    );
    house.ends();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heartbeat_of_opsgenies_is_one_of_ours() {
    let house = House::new().await;
    let headers = [("authorization", "GenieKey genie-secret")];
    let ping = "/v2/heartbeats/replication/ping";
    for method in ["GET", "POST", "PUT", "PATCH"] {
        let answer = house.asks(method, ping, &headers, "").await;
        assert_eq!(answer.status, 202, "{method} {}", answer.body);
        assert_eq!(answer.json()["result"], "PONG - Heartbeat received");
    }
    let due = house.store.heartbeats().await.unwrap();
    assert!(due.contains_key("replication"), "{due:?}");
    // That of another source is not its own.
    let other = "/v2/heartbeats/nightly-backup/ping";
    let answer = house.asks("GET", other, &headers, "").await;
    assert_eq!(answer.status, 404, "{}", answer.body);
    assert_eq!(house.asks("GET", ping, &[], "").await.status, 401);
    house.ends();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_cloudevents_asks_first_whether_it_may() {
    const ORIGIN: (&str, &str) = ("webhook-request-origin", "eventgrid.example.net");
    const RATE: (&str, &str) = ("webhook-request-rate", "120");
    let house = House::new().await;
    // Whoever is asked to call back and does would be heard here.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let callback = format!("http://{}/confirm", listener.local_addr().unwrap());
    let asks = async |path: &str, headers: &[(&str, &str)]| {
        let mut request = Request::options(format!("{}{path}", house.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let answer = client.request(request.body(Full::default()).unwrap()).await;
        let answer = answer.unwrap();
        let said = |name: &str| {
            let value = answer.headers().get(name)?;
            Some(value.to_str().unwrap().to_owned())
        };
        let allowed = (said("webhook-allowed-origin"), said("webhook-allowed-rate"));
        (answer.status().as_u16(), allowed, said("allow"))
    };
    let path = "/alerts/events?access_token=events-secret";
    let back = ("webhook-request-callback", callback.as_str());
    let (status, (origin, rate), allow) = asks(path, &[ORIGIN, RATE, back]).await;
    assert_eq!(status, 200);
    assert_eq!(origin.as_deref(), Some("eventgrid.example.net"));
    assert_eq!(rate.as_deref(), Some("120"));
    assert!(allow.unwrap().contains("POST"));
    let bearer = ("authorization", "Bearer events-secret");
    let (status, (_, rate), _) = asks("/alerts/events", &[ORIGIN, bearer]).await;
    assert_eq!((status, rate.as_deref()), (200, Some("*")));
    // Nothing is granted to whoever shows no secret, to no name, or by a source that speaks something else.
    for (path, headers, wanted) in [
        ("/alerts/events", vec![ORIGIN, RATE], 401),
        ("/alerts/events?token=wrong", vec![ORIGIN], 401),
        ("/alerts/nobody?token=events-secret", vec![ORIGIN], 401),
        ("/alerts/scripts?token=scripts-secret", vec![ORIGIN], 405),
        (path, vec![RATE], 400),
        (path, vec![("webhook-request-origin", "a b")], 400),
        (path, vec![ORIGIN, ("webhook-request-rate", "0")], 400),
    ] {
        let (status, allowed, _) = asks(path, &headers).await;
        assert_eq!(
            (status, allowed),
            (wanted, (None, None)),
            "{path} {headers:?}"
        );
    }
    let called = listener.accept().map(|_| ());
    assert_eq!(called.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    house.ends();
}

/// When the samples of SNS were published.
fn published() -> Clock {
    Clock::by_hand("2026-08-20T09:15:00Z".parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn sns_is_believed_by_its_signature_and_its_certificate_is_fetched_once() {
    let amazon = Arc::<Amazon>::default();
    let house = House::with(published(), amazon.clone()).await;
    let path = "/alerts/cloudwatch";
    for (sample, began) in [("notification-v2.json", 1), ("notification-v1.json", 0)] {
        let answer = house.asks("POST", path, &[], &text(sample)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(answer.json()["began"].as_u64().unwrap() >= began);
    }
    let asked = amazon.asked();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(asked[0].starts_with("https://sns.us-east-1.amazonaws.com/SimpleNotificationService"));
    assert!(asked[1].contains(".amazontrust.com/"));
    // The same delivery once more.
    let answer = house
        .asks("POST", path, &[], &text("notification-v2.json"))
        .await;
    assert_eq!(
        (answer.status, answer.json()["repeated"].clone()),
        (200, json!(true))
    );
    assert_eq!(amazon.asked(), [""; 0]);
    house.ends();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgery_that_names_the_certificate_of_sns_does_not_make_sns_wait() {
    let amazon = Arc::<Amazon>::default();
    let house = House::with(published(), amazon.clone()).await;
    let path = "/alerts/cloudwatch";
    let real = text("notification-v2.json");
    let mut forged: Value = serde_json::from_str(&real).unwrap();
    forged["Message"] = json!("all is well");
    for _ in 0..3 {
        assert_eq!(house.posts(path, &[], &forged).await.status, 401);
    }
    let answer = house.asks("POST", path, &[], &real).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    // And nobody was asked for it more than once.
    assert_eq!(amazon.asked().len(), 2);
    house.ends();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_fetched_for_a_topic_or_an_address_that_is_not_listed() {
    let amazon = Arc::<Amazon>::default();
    let house = House::with(published(), amazon.clone()).await;
    let path = "/alerts/cloudwatch";
    let real = text("notification-v2.json");
    let changed = |field: &str, to: &str| {
        let mut envelope: Value = serde_json::from_str(&real).unwrap();
        envelope[field] = json!(to);
        envelope.to_string()
    };
    for body in [
        changed("TopicArn", "arn:aws:sns:us-east-1:123456789012:other"),
        changed(
            "SigningCertURL",
            "https://evil.example/SimpleNotificationService-1.pem",
        ),
        changed(
            "SigningCertURL",
            "https://sns.us-east-1.amazonaws.com.evil.example/SimpleNotificationService-1.pem",
        ),
        changed(
            "SigningCertURL",
            "http://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem",
        ),
        changed(
            "SigningCertURL",
            "https://sns.us-east-1.amazonaws.com@127.0.0.1/SimpleNotificationService-1.pem",
        ),
        changed(
            "SigningCertURL",
            "https://169.254.169.254/latest/meta-data/",
        ),
    ] {
        let answer = house.asks("POST", path, &[], &body).await;
        assert_eq!(answer.status, 401, "{}", answer.body);
    }
    assert_eq!(amazon.asked(), [""; 0]);
    // One who signs nothing, and one who is no envelope.
    let answer = house
        .asks("POST", path, &[], &changed("Message", "{}"))
        .await;
    assert_eq!(answer.status, 401);
    let answer = house
        .asks("POST", path, &[], "{\"AlarmName\": \"x\"}")
        .await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("raw message delivery"));
    assert!(house.active("cloudwatch").await.is_empty());
    house.ends();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_to_a_listed_topic_is_confirmed() {
    let amazon = Arc::<Amazon>::default();
    let house = House::with(published(), amazon.clone()).await;
    let path = "/alerts/cloudwatch";
    let answer = house
        .asks("POST", path, &[], &text("subscription.json"))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let asked = amazon.asked();
    assert!(asked[2].contains("Action=ConfirmSubscription"), "{asked:?}");
    // That somebody has unsubscribed is no reason to subscribe again.
    let answer = house
        .asks("POST", path, &[], &text("unsubscribe.json"))
        .await;
    assert_eq!((answer.status, amazon.asked().len()), (200, 0));
    house.ends();
}

#[tokio::test(flavor = "multi_thread")]
async fn while_amazon_is_away_sns_is_told_to_come_again_and_asked_for_once() {
    let amazon = Arc::<Amazon>::default();
    amazon.is_away.store(true, Ordering::Relaxed);
    let clock = published();
    let house = House::with(clock.clone(), amazon.clone()).await;
    let path = "/alerts/cloudwatch";
    for _ in 0..5 {
        let answer = house
            .asks("POST", path, &[], &text("notification-v2.json"))
            .await;
        assert_eq!(answer.status, 503);
    }
    assert_eq!(amazon.asked().len(), 1);
    amazon.is_away.store(false, Ordering::Relaxed);
    clock.advance(jiff::SignedDuration::from_secs(60));
    let answer = house
        .asks("POST", path, &[], &text("notification-v2.json"))
        .await;
    assert_eq!(answer.status, 200);
    // What somebody has kept for long is not taken.
    clock.advance(jiff::SignedDuration::from_hours(49));
    let answer = house
        .asks("POST", path, &[], &text("notification-v1.json"))
        .await;
    assert_eq!(answer.status, 401);
    assert!(answer.body.contains("more than a day"), "{}", answer.body);
    house.ends();
}

/// What the program says in a folder with this configuration; and whether it was done.
fn firebell(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_firebell"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .output()
        .unwrap();
    let said =
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.success(), said)
}

#[test]
fn it_is_said_which_route_an_alert_takes_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let toml = r##"
[[services]]
id = "checkout"
name = "Checkout"
[[alert_sources]]
id = "prometheus"
kind = "alertmanager"
secret_env = "A"
[[routes]]
match = { source = "prometheus", severity = "critical" }
service = "{{ labels.service }}"
severity = "p1"
then = "declare"
group_by = ["service", "alertname"]
[[routes]]
match = { severity = "~warning|info" }
then = "notify"
channel = "#alerts"
[[heartbeats]]
id = "alive"
source = "prometheus"
every = "5m"
match = { alertname = "Watchdog" }
[[maintenance]]
name = "Database move"
service = "checkout"
from = "2025-09-14T02:00"
to = "2025-09-14T04:00"
"##;
    std::fs::write(folder.path().join("firebell.toml"), toml).unwrap();
    let labels = |severity: &str| json!({ "alertname": "HighErrorRate", "service": "checkout", "severity": severity });
    let file = json!([
        { "labels": labels("critical"), "annotations": { "summary": "5xx above 5 %" } },
        { "labels": labels("warning") },
        { "labels": labels("odd") },
    ]);
    std::fs::write(folder.path().join("alert.json"), file.to_string()).unwrap();
    let (done, said) = firebell(folder.path(), &["route", "test", "alert.json"]);
    assert!(done, "{said}");
    insta::assert_snapshot!(said, @r#"
        firing 5xx above 5 %
          route 1: taken
          → declare, service checkout, severity p1, grouped by alertname="HighErrorRate" service="checkout"
        firing HighErrorRate
          route 1: not taken: severity is "warning", not "critical"
          route 2: taken
          → notify in #alerts, severity p3, grouped by name="HighErrorRate" source="prometheus"
        firing HighErrorRate
          route 1: not taken: severity is "odd", not "critical"
          route 2: not taken: severity is "odd", not "~warning|info"
          no route takes it: it is shown where incidents are announced
          → notify, grouped by name="HighErrorRate" source="prometheus"
            "odd" is no word for a severity: it has none of its own
        "#);
    let (done, said) = firebell(folder.path(), &["route", "test", "alert.json", "--json"]);
    let told: Value = serde_json::from_str(&said).unwrap();
    assert!(
        done && told[0]["route"] == 1 && told[2]["route"].is_null(),
        "{said}"
    );
    assert_eq!(told[2]["unknown"], json!(["odd"]), "{said}");
    let mut unknown = labels("critical");
    unknown["service"] = json!("chekout");
    let others = json!([
        { "labels": unknown },
        { "labels": { "alertname": "Watchdog" } },
        { "labels": labels("critical"), "endsAt": "2025-09-14T01:00:00Z" },
    ]);
    std::fs::write(folder.path().join("others.json"), others.to_string()).unwrap();
    let (done, said) = firebell(folder.path(), &["route", "test", "others.json"]);
    assert!(done, "{said}");
    for line in [
        "    there is no service \"chekout\": it has none\n",
        "firing Watchdog\n  the heartbeat alive takes it: it goes no further\n",
        "resolved HighErrorRate\n  route 1: taken\n  begins nothing: it is told where what it speaks of has begun (→ declare, ",
    ] {
        assert!(said.contains(line), "{said}");
    }
    assert!(!said.contains("no route takes it"), "{said}");
    let then = ["route", "test", "alert.json", "--at", "2025-09-14T03:00"];
    let (_, said) = firebell(folder.path(), &then);
    let kept = "    kept and counted, not told: the maintenance “Database move”, until 2025-09-14 04:00 UTC; what still fires then is told then\n";
    assert!(said.contains(kept), "{said}");
    assert_eq!(said.matches("not told").count(), 1, "{said}");
    std::fs::write(folder.path().join("alert.json"), "{").unwrap();
    let (done, said) = firebell(folder.path(), &["route", "test", "alert.json"]);
    assert!(
        !done && said.contains("cannot be read as what alertmanager sends"),
        "{said}"
    );
    let (done, said) = firebell(
        folder.path(),
        &["route", "test", "alert.json", "--source", "x"],
    );
    assert!(
        !done && said.contains("There is no alert source x, only prometheus"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_in_is_read_again_with_the_configuration_of_today() {
    let house = House::new().await;
    let alert = json!({ "title": "the disk is full", "key": "disk" });
    assert_eq!(
        house.posts("/alerts/scripts", &BEARER, &alert).await.status,
        200
    );
    let folder = house._folder.path();
    let toml = TOML.replace("then = \"suppress\"", "then = \"notify\"");
    std::fs::write(folder.join("firebell.toml"), toml).unwrap();
    std::fs::write(folder.join(".env"), "DATABASE_URL=sqlite://firebell.db\n").unwrap();
    let (done, said) = firebell(folder, &["alerts", "replay", "--since", "1h"]);
    assert!(
        done && said.contains("scripts: firing the disk is full → notify"),
        "{said}"
    );
    assert!(
        said.contains("1 requests, 0 of them not understood. Nothing was changed"),
        "{said}"
    );
    let (done, said) = firebell(folder, &["alerts", "replay", "--source", "pager"]);
    assert!(done && said.contains("0 requests"), "{said}");
    let (done, said) = firebell(folder, &["alerts", "replay", "--source", "nope"]);
    assert!(
        !done && said.contains("There is no alert source nope, only prometheus"),
        "{said}"
    );
    let count = async || {
        house.store.active_alerts("scripts", 9).await.unwrap()[0]
            .held
            .tracked
            .count
    };
    assert_eq!(count().await, 1);
    let (done, said) = firebell(folder, &["alerts", "replay", "--apply"]);
    assert!(done && said.contains("taken in again"), "{said}");
    assert_eq!(count().await, 2);
    house.ends();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_closed_is_closed_again_by_a_replay() {
    let clock = Clock::by_hand(jiff::Timestamp::now() - jiff::SignedDuration::from_hours(30));
    let house = House::with(clock.clone(), Arc::default()).await;
    let (catalog, _) = config::parse(TOML, "firebell.toml").unwrap();
    let intake = Intake::start(house.store.clone(), &catalog, clock.clone());
    let genie = [("authorization", "GenieKey genie-secret")];
    let created = json!({ "message": "Checkout 5xx", "alias": "checkout-5xx" });
    for (path, body) in [
        ("/v2/alerts", created),
        (
            "/v2/alerts/checkout-5xx/acknowledge?identifierType=alias",
            json!({ "note": "on it" }),
        ),
        (
            "/v2/alerts/checkout-5xx/close?identifierType=alias",
            json!({}),
        ),
    ] {
        assert_eq!(house.posts(path, &genie, &body).await.status, 202, "{path}");
        clock.advance(jiff::SignedDuration::from_secs(1));
    }
    let event = [
        ("authorization", "Bearer events-secret"),
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/disks"),
        ("ce-type", "disk.full"),
        ("content-type", "application/json"),
    ];
    assert_eq!(
        house
            .posts("/alerts/events", &event, &json!({ "title": "it is full" }))
            .await
            .status,
        200
    );
    // Somebody is missed: we say so ourselves, and it stands among what is kept.
    intake.miss_the_silent().await.unwrap();
    clock.advance(jiff::SignedDuration::from_hours(26));
    intake.miss_the_silent().await.unwrap();
    assert_eq!(house.active("scripts").await.len(), 1);

    let folder = house._folder.path();
    std::fs::write(folder.join("firebell.toml"), TOML).unwrap();
    std::fs::write(folder.join(".env"), "DATABASE_URL=sqlite://firebell.db\n").unwrap();
    for _ in 0..2 {
        let (done, said) = firebell(folder, &["alerts", "replay", "--since", "48h", "--apply"]);
        assert!(
            done && said.contains(", 0 of them not understood"),
            "{said}"
        );
        let told: Vec<&str> = said
            .lines()
            .filter_map(|line| Some(line.split_once("UTC ")?.1))
            .collect();
        let words: Vec<&str> = told
            .iter()
            .map(|line| line.split(" → ").next().unwrap())
            .collect();
        assert_eq!(
            words[..4],
            [
                "genie: firing Checkout 5xx",
                "genie: acknowledged on it",
                "genie: resolved checkout-5xx",
                "events: firing it is full",
            ],
            "{said}"
        );
        // The other one that is missed, and nothing else.
        assert_eq!(
            house.active("genie").await,
            ["replication is silent: it should speak every 10m"],
            "{said}"
        );
        assert!(!said.contains("nightly-backup"), "{said}");
    }
    house.ends();
}
