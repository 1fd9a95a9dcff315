//! What comes in over HTTP: who is believed, what is too large or makes no sense, and what is never given away.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use firebell::app::{App, Parts};
use firebell::clock::Clock;
use firebell::domain::catalog::Catalog;
use firebell::domain::command::Declaration;
use firebell::domain::terms::Actor;
use firebell::engine::{Envelope, Wish};
use firebell::notify::Notifier;
use firebell::simulator::{Fault, Options, RequestUrls, Workspace};
use insta::assert_snapshot;
use serde_json::{Value, json};
use sqlx::Connection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::harness::{START, TestBot, get, minutes, send, signed, workspace};
use crate::kill::Process;
use crate::scratch::Scratch;

const DECLARE: &str = "team_id=T0000000001&channel_id=C1&user_id=U1&user_name=ana&command=%2Fincident&text=declare+p1+down&trigger_id=1.1";

/// How many rows there are in all tables.
async fn rows(bot: &TestBot) -> i64 {
    let mut database = sqlx::SqliteConnection::connect(&bot.database_url)
        .await
        .unwrap();
    let (rows,): (i64,) = sqlx::query_as(
        "SELECT (SELECT COUNT(*) FROM incidents) + (SELECT COUNT(*) FROM events) \
         + (SELECT COUNT(*) FROM deliveries) + (SELECT COUNT(*) FROM outbox)",
    )
    .fetch_one(&mut database)
    .await
    .unwrap();
    rows
}

/// Nothing was written down, and Slack was not called.
async fn nothing_happened(bot: TestBot) {
    assert_eq!(rows(&bot).await, 0, "nothing is written down");
    bot.settle().await;
    let calls: Vec<_> = bot
        .slack
        .calls()
        .into_iter()
        .map(|call| call.method)
        .collect();
    assert_eq!(calls, Vec::<String>::new(), "Slack is not called");
    bot.finish().await;
}

fn reason(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {body}"));
    body["error"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn what_slack_did_not_sign_now_is_refused_and_changes_nothing() {
    let bot = TestBot::start().await;
    let now = bot.clock.now().as_second();
    let event = json!({ "type": "url_verification", "challenge": "abc" }).to_string();
    let click = serde_urlencoded::to_string([("payload", "{\"type\":\"block_actions\"}")]).unwrap();
    for (path, body) in [
        ("/slack/commands", DECLARE),
        ("/slack/interactions", &click),
        ("/slack/events", &event),
    ] {
        let right = signed(now, body);
        let without = |name: &str| {
            let mut headers = right.clone();
            headers.retain(|(header, _)| *header != name);
            headers
        };
        let with = |name: &'static str, value: &str| {
            let mut headers = without(name);
            headers.push((name, value.to_owned()));
            headers
        };
        let cases = [
            ("no signature", without("x-slack-signature")),
            ("no time", without("x-slack-request-timestamp")),
            ("garbled", with("x-slack-signature", "v0=zz")),
            ("empty", with("x-slack-signature", "")),
            ("no number", with("x-slack-request-timestamp", "now")),
            (
                "another time",
                with("x-slack-request-timestamp", &(now + 1).to_string()),
            ),
            ("301 s old", signed(now - 301, body)),
            ("301 s ahead", signed(now + 301, body)),
            ("another body", signed(now, &format!("{body} "))),
        ];
        for (what, headers) in cases {
            let (status, answer) = send(&bot.url, path, &headers, body).await;
            assert_eq!(status, 401, "{path}, {what}: {answer}");
            assert!(!reason(&answer).is_empty(), "{path}, {what}");
        }
    }
    nothing_happened(bot).await;
}

#[tokio::test]
async fn a_request_that_was_signed_299_seconds_away_is_taken() {
    for away in [-299, 299] {
        let bot = TestBot::start().await;
        let signed_at = bot.clock.now().as_second() + away;
        let (status, answer) = send(
            &bot.url,
            "/slack/commands",
            &signed(signed_at, DECLARE),
            DECLARE,
        )
        .await;
        assert_eq!(status, 200, "{away}: {answer}");
        assert_eq!(bot.store.all_ids().await.unwrap().len(), 1);
        bot.settle().await;
        bot.slack.mark_read();
        // Not `finish()`: U1 is nobody whom the workspace knows, and that is told.
    }
}

/// Sends raw bytes and reads what comes back within two seconds, without closing the sending side.
async fn raw(url: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://"))
        .await
        .unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = vec![0; 4_096];
    let read = tokio::time::timeout(Duration::from_secs(2), stream.read(&mut answer)).await;
    let length = read
        .expect("an answer before the body has come")
        .unwrap_or(0);
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

#[tokio::test]
async fn a_body_over_a_megabyte_is_refused_before_it_is_read() {
    let bot = TestBot::start().await;
    for path in ["/slack/commands", "/slack/interactions", "/slack/events"] {
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\n");
        let told = format!("{head}content-length: 8388608\r\n\r\ntext=a");
        let answer = raw(&bot.url, told.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{path}: {answer}");
        // Of unknown length: it is read as far as it may be, if it says that Slack signed it.
        let signed = format!(
            "x-slack-signature: v0=0\r\nx-slack-request-timestamp: {}\r\n",
            bot.clock.now().as_second()
        );
        let chunked = "transfer-encoding: chunked\r\n\r\n";
        let mut chunked = format!("{head}{signed}{chunked}").into_bytes();
        for _ in 0..20 {
            chunked.extend(b"10000\r\n");
            chunked.extend([b'a'; 0x10000]);
            chunked.extend(b"\r\n");
        }
        let answer = raw(&bot.url, &chunked).await;
        assert!(
            answer.starts_with("HTTP/1.1 413"),
            "{path}, in chunks: {answer}"
        );
    }
    nothing_happened(bot).await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_a_reason() {
    let bot = TestBot::start().await;
    let payload = |json: &str| serde_urlencoded::to_string([("payload", json)]).unwrap();
    let cases = [
        ("/slack/commands", String::new()),
        ("/slack/commands", "text=declare".to_owned()),
        (
            "/slack/commands",
            "channel_id=C1&channel_id=C2&user_id=U1&command=x".to_owned(),
        ),
        ("/slack/interactions", "nothing=here".to_owned()),
        ("/slack/interactions", payload("{")),
        ("/slack/interactions", payload("[]")),
        (
            "/slack/interactions",
            payload("{\"type\":\"block_actions\"}"),
        ),
        ("/slack/events", "{".to_owned()),
        ("/slack/events", "{}".to_owned()),
        (
            "/slack/events",
            "{\"type\":\"url_verification\"}".to_owned(),
        ),
        ("/slack/events", "{\"type\":\"event_callback\"}".to_owned()),
        ("/slack/events", "\u{fffd}".to_owned()),
    ];
    for (path, body) in cases {
        let (status, answer) = bot.sends(path, &body).await;
        assert_eq!(status, 400, "{path} {body}: {answer}");
        assert!(reason(&answer).starts_with("This is no "), "{answer}");
    }
    nothing_happened(bot).await;
}

#[tokio::test]
async fn what_is_asked_for_wrongly_is_refused_and_what_is_not_there_is_not_found() {
    let bot = TestBot::start().await;
    for (path, wanted) in [
        ("/slack/commands", 405),
        ("/slack/interactions", 405),
        ("/slack/events", 405),
        ("/slack/nothing", 404),
        ("/", 404),
        ("/incidents/../../etc/passwd", 404),
    ] {
        assert_eq!(get(&bot.url, path, None).await.0, wanted, "GET {path}");
    }
    assert_eq!(send(&bot.url, "/healthz", &[], "").await.0, 405);
    nothing_happened(bot).await;
}

#[tokio::test]
async fn slack_s_own_probes_are_answered_and_start_nothing() {
    let bot = TestBot::start().await;
    let (status, answer) = send(&bot.url, "/slack/commands", &[], "ssl_check=1&token=x").await;
    assert_eq!((status, answer.as_str()), (200, ""));
    let challenge = json!({ "type": "url_verification", "token": "t", "challenge": "3eZ\"b\\r" });
    let (status, answer) = bot.sends("/slack/events", &challenge.to_string()).await;
    assert_eq!(status, 200);
    assert_eq!(
        serde_json::from_str::<Value>(&answer).unwrap(),
        json!({ "challenge": "3eZ\"b\\r" })
    );
    nothing_happened(bot).await;
}

#[tokio::test]
async fn what_slack_may_send_one_day_is_received_and_left_alone() {
    let bot = TestBot::start().await;
    let event = |event: Value| {
        json!({ "type": "event_callback", "event_id": "Ev1", "team_id": "T0000000001", "event": event })
            .to_string()
    };
    for body in [
        event(json!({ "type": "channel_rename", "channel": { "id": "C1", "name": "x" } })),
        event(json!({ "type": "channel_archive", "channel": "C1" })),
        event(json!({ "type": "message", "subtype": "message_changed", "hidden": true })),
        event(json!({ "type": "a_thing_of_2030", "more": [1, 2, 3] })),
        event(
            json!({ "type": "reaction_added", "user": "U1", "reaction": "pushpin",
            "item": { "type": "file", "file": "F1" } }),
        ),
        event(
            json!({ "type": "reaction_added", "user": "U1", "reaction": "pushpin",
            "item": { "type": "message", "channel": "C999", "ts": "1.2" }, "item_user": null }),
        ),
        event(
            json!({ "type": "pin_added", "user": "U1", "channel_id": "C999",
            "item": { "type": "file", "message": null } }),
        ),
        event(
            json!({ "type": "pin_added", "user": "U1", "channel_id": "C999",
            "item": { "type": "message", "message": { "ts": "1.2", "text": null, "files": null } } }),
        ),
        json!({ "type": "event_callback", "event_id": "Ev2", "authorizations": null,
            "event": { "type": "tokens_revoked" } })
        .to_string(),
        json!({ "type": "app_rate_limited", "minute_rate_limited": 1 }).to_string(),
        json!({ "type": "something_else" }).to_string(),
    ] {
        let (status, answer) = bot.sends("/slack/events", &body).await;
        assert_eq!((status, answer.as_str()), (200, ""), "{body}");
    }
    for payload in [
        json!({ "type": "workflow_step_edit" }),
        json!({ "type": "view_closed", "view": {}, "user": { "id": "U1" } }),
        json!({ "type": "block_actions", "user": { "id": "U1" }, "actions": [], "channel": null,
            "response_url": null }),
        json!({ "type": "block_actions", "user": { "id": "U1" }, "trigger_id": "1.2",
            "actions": [{ "action_id": "another_app", "value": "INC-2025-0914-001 close" }] }),
        json!({ "type": "block_actions", "user": { "id": "U1" }, "trigger_id": "1.3",
            "actions": [{ "action_id": "firebell:ack", "value": "nonsense" }] }),
    ] {
        let body = serde_urlencoded::to_string([("payload", payload.to_string())]).unwrap();
        let (status, answer) = bot.sends("/slack/interactions", &body).await;
        assert_eq!((status, answer.as_str()), (200, ""), "{payload}");
    }
    nothing_happened(bot).await;
}

#[tokio::test]
async fn a_signature_holds_over_the_bytes_as_they_came() {
    let bot = TestBot::start().await;
    for (n, text) in [
        "declare%20p1%20a%2fb",
        "declare+p1+a%2Fb",
        "%64eclare+p1+%61/b",
    ]
    .iter()
    .enumerate()
    {
        let body =
            format!("channel_id=C1&user_id=U1&command=/incident&trigger_id=5.{n}&text={text}");
        let now = bot.clock.now().as_second();
        let (status, _) = send(&bot.url, "/slack/commands", &signed(now, &body), &body).await;
        assert_eq!(status, 200);
        let incident = bot.incident(&format!("INC-2025-0914-00{}", n + 1)).await;
        assert_eq!(incident.title, "a/b");
    }
    // Header names in any case: on the wire they are as they are written here.
    let now = bot.clock.now().as_second();
    for (n, names) in [
        ["x-slack-signature", "x-slack-request-timestamp"],
        ["X-SLACK-SIGNATURE", "X-Slack-Request-Timestamp"],
    ]
    .iter()
    .enumerate()
    {
        let body = format!("channel_id=C1&user_id=U1&command=/incident&text=list&trigger_id=6.{n}");
        let headers = signed(now, &body);
        let request = format!(
            "POST /slack/commands HTTP/1.1\r\nhost: x\r\n{}: {}\r\n{}: {now}\r\ncontent-length: {}\r\n\r\n{body}",
            names[0],
            headers[2].1,
            names[1],
            body.len()
        );
        let answer = raw(&bot.url, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    // Not `finish()`: U1 is nobody whom the workspace knows.
}

/// A bot that serves as `firebell serve` does, in this process.
struct Served {
    url: String,
    stop: watch::Sender<bool>,
    ended: tokio::task::JoinHandle<anyhow::Result<()>>,
}

async fn serve(parts: Parts) -> Served {
    let app = App::build(parts).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = watch::channel(false);
    Served {
        url,
        stop,
        ended: tokio::spawn(app.serve(listener, stopped)),
    }
}

fn parts(database_url: &str, slack: &Workspace, clock: &Clock) -> Parts {
    let options = Options::default();
    Parts {
        sns: Default::default(),
        alert_secrets: Default::default(),
        schedule_secrets: Default::default(),
        notifier: Notifier::new(&Catalog::default(), None, |_| None).0,
        public_url: None,
        catalog: Catalog::default(),
        beside: None,
        database_url: database_url.into(),
        slack: Some((slack.api_url(), options.bot_token.into())),
        app_token: None,
        signing_secret: Some(options.signing_secret.into()),
        api_token: Some("open sesame".into()),
        heartbeat_url: None,
        clock: clock.clone(),
        metrics: None,
    }
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..1_000 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{what}: not within five seconds");
}

#[tokio::test]
async fn a_request_of_another_workspace_changes_nothing() {
    let clock = Clock::by_hand(START.parse().unwrap());
    let slack = workspace(&clock).await;
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("firebell.db").display());
    slack.add_channel("incidents", false, &["ana"]);
    let served = serve(parts(&database, &slack, &clock)).await;
    until("the bot knows its workspace", async || {
        let calls = slack.calls();
        calls.iter().any(|call| call.method == "auth.test")
    })
    .await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let urls = RequestUrls::under(&format!("{}/slack", served.url));
    slack.connect(urls).await.unwrap();
    slack
        .user("ana")
        .types("general", "/incident declare p1 ours")
        .await;
    let room = "incident-2025-0914-001";
    until("the card is pinned", async || {
        slack
            .channel(room)
            .is_some_and(|room| room.pinned().count() == 1)
    })
    .await;
    let store = firebell::store::Store::open(&database).await.unwrap();
    let id = store.all_ids().await.unwrap()[0].clone();
    let version = async || store.incident(&id).await.unwrap().unwrap().version;
    let before = version().await;
    let now = clock.now().as_second();
    let post = async |path: &str, body: String| {
        let (status, answer) = send(&served.url, path, &signed(now, &body), &body).await;
        assert_eq!(status, 200, "{answer}");
        answer
    };
    let theirs = DECLARE.replace("T0000000001", "T0000000666");
    assert_snapshot!(post("/slack/commands", theirs).await, @r#"{"blocks":[{"text":{"text":"This Firebell serves another Slack workspace; nothing was done.","type":"mrkdwn","verbatim":true},"type":"section"}],"response_type":"ephemeral","text":"This Firebell serves another Slack workspace; nothing was done."}"#);
    let click = json!({
        "type": "block_actions", "team": { "id": "T0000000666" }, "user": { "id": "U1" },
        "trigger_id": "8.1", "actions": [{ "action_id": "firebell:ack", "value": format!("{id} ack") }],
    });
    let click = serde_urlencoded::to_string([("payload", click.to_string())]).unwrap();
    assert_eq!(post("/slack/interactions", click).await, "");
    let channel = slack.channel(room).unwrap();
    let said = slack.user("ana").says(room, "a message").await;
    let mark = json!({
        "type": "event_callback", "event_id": "Ev666", "team_id": "T0000000666",
        "event": { "type": "reaction_added", "user": "U1", "reaction": "pushpin",
            "item": { "type": "message", "channel": channel.id, "ts": said } },
    });
    assert_eq!(post("/slack/events", mark.to_string()).await, "");
    assert_eq!(version().await, before);
    assert_eq!(store.all_ids().await.unwrap().len(), 1);
    served.stop.send(true).unwrap();
    served.ended.await.unwrap().unwrap();
    // Not `finish()`: this bot served by itself, and has stopped.
}

#[tokio::test]
async fn readiness_tells_what_is_degraded_and_fails_only_without_the_database() {
    let bot = TestBot::start().await;
    let ready = async || {
        let (status, body) = get(&bot.url, "/readyz", None).await;
        format!("{status} {body}")
    };
    assert_eq!(
        get(&bot.url, "/healthz", None).await,
        (200, "ok\n".to_owned())
    );
    bot.types("ana", "general", "/incident declare p1 checkout is down")
        .await;
    assert_snapshot!(ready().await, @r#"200 {"database":"ok","incidents":{"all":1,"open":1},"outbox":{"due":0,"given_up":0,"later":1},"ready":true,"slack":"ok"}"#);
    bot.slack.fault("*", Fault::Status(500), usize::MAX);
    bot.user("ana")
        .types("general", "/incident update INC-2025-0914-001 x")
        .await;
    bot.app.settle().await.unwrap();
    assert_snapshot!(ready().await, @r#"200 {"database":"ok","incidents":{"all":1,"open":1},"outbox":{"due":2,"given_up":0,"later":3},"ready":true,"slack":"degraded: chat.postMessage: HTTP status 500"}"#);
    // A clock that rings says nothing about Slack.
    bot.clock.advance(minutes(16));
    bot.app
        .dispatcher()
        .run_one(firebell::domain::effect::Lane::Clocks)
        .await
        .unwrap();
    assert!(ready().await.contains("degraded"), "{}", ready().await);
    bot.slack.clear_faults();
    bot.comes_through().await;
    assert!(
        ready().await.contains("\"slack\":\"ok\""),
        "{}",
        ready().await
    );
    bot.store.close().await;
    assert_snapshot!(ready().await, @r#"503 {"database":"does not answer: attempted to acquire a connection on a closed pool","ready":false}"#);
    assert_eq!(get(&bot.url, "/healthz", None).await.0, 200);
    let answer = bot.user("ana").types("general", "/incident list").await;
    assert_eq!(answer.status, 200);
    assert_snapshot!(answer.text(), @"The database does not answer, so nothing was done. Please try again, and tell whoever runs Firebell: /readyz and the log say more.");
    // Not `finish()`: the database is gone.
}

#[tokio::test]
async fn a_bot_whose_writer_or_lane_is_gone_says_so_and_ends() {
    let bot = TestBot::start().await;
    bot.types("ana", "general", "/incident declare p1 checkout is down")
        .await;
    // In the last second of all time: whoever reckons on from it panics.
    let end = jiff::Timestamp::from_second(jiff::Timestamp::MAX.as_second()).unwrap();
    let end = Clock::by_hand(end);

    // A lane: the clock of the incident is due.
    let served = serve(parts(&bot.database_url, &bot.slack, &end)).await;
    let ended = served.ended.await.unwrap().unwrap_err().to_string();
    assert!(
        ended.contains("A lane of the dispatcher has stopped"),
        "{ended}"
    );

    // The writer.
    let app = App::build(parts(&bot.database_url, &bot.slack, &end))
        .await
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = app.router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let engine = app.desk().engine.clone();
    let declaration = Envelope {
        wish: Wish::Declare(Declaration::titled("x")),
        actor: Actor::Firebell,
        delivery: None,
    };
    engine.handle(declaration).await.unwrap_err();
    let (status, body) = get(&url, "/readyz", None).await;
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("writer"), "{body}");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (_stop, stopped) = watch::channel(false);
    let ended = app.serve(listener, stopped).await.unwrap_err().to_string();
    assert!(ended.contains("The writer has stopped"), "{ended}");
    // Not `finish()`: the bot has broken down.
}

#[tokio::test]
async fn a_bot_that_starts_while_slack_is_away_serves_and_says_so_until_slack_is_back() {
    let clock = Clock::System;
    let slack = Workspace::start(Options::default()).await.unwrap();
    slack.add_user("ana");
    slack.fault("*", Fault::Error("invalid_auth".into()), usize::MAX);
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("firebell.db").display());
    let served = serve(parts(&database, &slack, &clock)).await;
    until("readyz tells that Slack is degraded", async || {
        get(&served.url, "/readyz", None)
            .await
            .1
            .contains("degraded")
    })
    .await;
    let (status, body) = get(&served.url, "/readyz", None).await;
    assert_eq!(status, 200);
    assert!(body.contains("SLACK_BOT_TOKEN (invalid_auth)"), "{body}");
    served.stop.send(true).unwrap();
    served.ended.await.unwrap().unwrap();
    // Not `finish()`: this bot served by itself, and has stopped.
}

#[tokio::test]
async fn a_post_mortem_is_for_those_who_show_the_token() {
    let bot = TestBot::start().await;
    bot.types(
        "ana",
        "general",
        "/incident declare p1 <script>alert(1)</script>",
    )
    .await;
    bot.slack.mark_read();
    let page = "/incidents/INC-2025-0914-001/postmortem.";
    for ending in ["md", "json", "html", "csv"] {
        let path = format!("{page}{ending}");
        assert_eq!(get(&bot.url, &path, None).await.0, 401, "{ending}");
        assert_eq!(get(&bot.url, &path, Some("open")).await.0, 401, "{ending}");
        let (status, body) = get(&bot.url, &path, Some("open sesame")).await;
        assert_eq!(status, 200, "{ending}");
        assert!(body.contains("INC-2025-0914-001"), "{ending}");
        assert!(
            ending != "html" || !body.contains("<script>alert"),
            "{body}"
        );
    }
    for path in [
        "/incidents/INC-2025-0914-001/postmortem.exe",
        "/incidents/INC-2025-0914-001/secrets.md",
        "/incidents/INC-2025-0914-002/postmortem.md",
        "/incidents/INC-2025-0914-001",
    ] {
        assert_eq!(
            get(&bot.url, path, Some("open sesame")).await.0,
            404,
            "{path}"
        );
    }
    // Whether an incident exists is not told to strangers.
    let stranger = get(&bot.url, "/incidents/INC-2025-0914-002/postmortem.md", None).await;
    assert_eq!(stranger.0, 401);
    bot.finish().await;
}

/// A log that a test can read.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_secret_is_ever_shown_in_a_log_or_an_answer() {
    Scratch::postgres().await.holds(shows_no_secret).await;
}

async fn shows_no_secret(scratch: &Scratch) {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(move || writer.clone())
        .finish();
    // One thread runs everything here.
    let _guard = tracing::subscriber::set_default(subscriber);
    let url = scratch.url.replace("firebell@", "firebell:db-geheim@");
    assert!(url.contains("db-geheim"), "{url}");
    let clock = Clock::by_hand(START.parse().unwrap());
    let slack = workspace(&clock).await;
    slack.add_channel("incidents", false, &["ana"]);
    let app = App::build(parts(&url, &slack, &clock)).await.unwrap();
    let address = crate::harness::connect(&app, &slack).await;
    let mut shown = format!("{:?} {app:?} {app:#?}", parts(&url, &slack, &clock));
    for (method, fault) in [
        ("conversations.create", Fault::Status(500)),
        ("conversations.create", Fault::LoseAnswerBefore),
        ("conversations.create", Fault::Error("invalid_auth".into())),
        ("chat.postMessage", Fault::RateLimited { retry_after_s: 1 }),
        ("chat.postMessage", Fault::Error("missing_scope".into())),
        ("upload", Fault::LoseAnswerAfter),
        ("response_url", Fault::Status(500)),
        ("bookmarks.list", Fault::Error("token_revoked".into())),
    ] {
        slack.fault(method, fault, 1);
    }
    let ana = slack.user("ana");
    shown += &ana.types("general", "/incident declare p1 down").await.body;
    for _ in 0..400 {
        app.settle().await.unwrap();
        clock.advance(jiff::SignedDuration::from_millis(500));
    }
    let room = "incident-2025-0914-001";
    shown += &ana.types(room, "/incident export").await.body;
    let card = slack.channel(room).unwrap();
    let card = card.pinned().next().unwrap().ts.clone();
    shown += &ana.clicks(room, &card, "Acknowledge").await.body;
    for _ in 0..40 {
        app.settle().await.unwrap();
        clock.advance(jiff::SignedDuration::from_millis(500));
    }
    for (path, token) in [
        ("/readyz", None),
        ("/incidents/x/postmortem.md", Some("wrong")),
    ] {
        shown += &get(&address, path, token).await.1;
    }
    shown += &send(&address, "/slack/commands", &signed(0, "x"), "x")
        .await
        .1;
    let now = clock.now().as_second();
    shown += &send(&address, "/slack/events", &signed(now, "{"), "{")
        .await
        .1;
    app.desk().store.close().await;
    shown += &get(&address, "/readyz", None).await.1;
    // Databases that do not answer.
    for wrong in [
        "postgres://firebell:db-geheim@127.0.0.1:1/firebell".to_owned(),
        "postgres://nobody:db-geheim@127.0.0.1/nothing?port=1".to_owned(),
    ] {
        let error = App::build(parts(&wrong, &slack, &clock)).await.unwrap_err();
        shown += &format!("{error:?} {error:#}");
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(
        log.contains("Will try again"),
        "the failures are in the log"
    );
    let options = Options::default();
    for (what, secret) in [
        ("the bot token", options.bot_token.as_str()),
        ("the signing secret", &options.signing_secret),
        ("the API token", "open sesame"),
        ("the database password", "db-geheim"),
    ] {
        for (place, text) in [("the log", &log), ("an answer", &shown)] {
            if let Some(at) = text.find(secret) {
                let begin = text[..at].rfind('\n').unwrap_or(0);
                panic!(
                    "{what} is shown in {place}: {}",
                    &text[begin..at + secret.len()]
                );
            }
        }
    }
    for call in slack.calls() {
        let is_api = call.method.contains('.');
        assert!(!is_api || call.token_in_header, "{}", call.method);
        assert!(
            !call.params.to_string().contains(&options.bot_token),
            "{}",
            call.method
        );
    }
    // Not `finish()`: the database was taken away.
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_that_is_told_to_stop_answers_what_has_come_in_and_ends_well() {
    let mut bot = Process::start().await;
    let (status, figures) = get(&bot.url, "/metrics", None).await;
    assert_eq!(status, 200);
    assert!(figures.contains("firebell_outbox_due 0"), "{figures}");
    let closed = get(&bot.url, "/incidents/x/postmortem.md", Some("open sesame")).await;
    assert_eq!(
        closed.0, 403,
        "without FIREBELL_API_TOKEN the pages are closed"
    );
    let body = DECLARE.replace("U1", &bot.slack.user("ana").id);
    let now = jiff::Timestamp::now().as_second();
    let headers: String = signed(now, &body)
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let address = bot.url.trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let (first, rest) = body.split_at(20);
    let request = format!(
        "POST /slack/commands HTTP/1.1\r\nhost: x\r\n{headers}content-length: {}\r\n\r\n{first}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    bot.is_told_to_stop();
    until("the door is shut", async || {
        TcpStream::connect(&address).await.is_err()
    })
    .await;
    stream.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("Declared *INC-"), "{answer}");
    assert_eq!(bot.ends().await, Some(0), "{}", bot.log());
    let store = firebell::store::Store::open(&bot.database).await.unwrap();
    assert_eq!(store.all_ids().await.unwrap().len(), 1);
    store.close().await;
}

#[tokio::test]
async fn a_stranger_cannot_hold_bodies_open() {
    let bot = TestBot::start().await;
    let head = "POST /slack/events HTTP/1.1\r\nhost: x\r\ncontent-length: 999999\r\n";
    // Without a signature: refused before the body has come.
    let answer = raw(&bot.url, format!("{head}\r\n{{").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    let old = bot.clock.now().as_second() - 301;
    let stale = format!("x-slack-signature: v0=0\r\nx-slack-request-timestamp: {old}\r\n");
    let answer = raw(&bot.url, format!("{head}{stale}\r\n{{").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    // With a forged one: so many at a time, and not for long.
    let now = bot.clock.now().as_second();
    let forged = format!("x-slack-signature: v0=0\r\nx-slack-request-timestamp: {now}\r\n");
    let request = format!("{head}{forged}\r\n{{");
    let held = futures_util::future::join_all((0..60).map(|_| {
        let (request, url) = (request.clone(), bot.url.clone());
        async move {
            let mut stream = TcpStream::connect(url.trim_start_matches("http://"))
                .await
                .unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = vec![0; 64];
            let read = stream.read(&mut answer);
            let length = tokio::time::timeout(Duration::from_secs(8), read).await;
            let length = length.expect("it is ended").unwrap();
            String::from_utf8_lossy(&answer[..length])[9..12].to_owned()
        }
    }));
    let meanwhile = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let begun = std::time::Instant::now();
        let list = DECLARE.replace("declare+p1+down", "list");
        assert_eq!(bot.sends("/slack/commands", &list).await.0, 200);
        assert!(begun.elapsed() < Duration::from_secs(1));
    };
    let (held, ()) = tokio::join!(held, meanwhile);
    let ended = |status: &str| held.iter().filter(|it| *it == status).count();
    assert_eq!((ended("408"), ended("503")), (24, 36), "{held:?}");
    nothing_happened(bot).await;
}

#[tokio::test]
async fn an_announcements_channel_that_is_missing_is_told_at_the_start() {
    let clock = Clock::by_hand(START.parse().unwrap());
    let slack = workspace(&clock).await;
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("firebell.db").display());
    let served = serve(parts(&database, &slack, &clock)).await;
    until("readyz tells what is missing", async || {
        let (_, ready) = get(&served.url, "/readyz", None).await;
        ready.contains("degraded: there is no public channel #incidents")
    })
    .await;
    served.stop.send(true).unwrap();
    served.ended.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_replica_whose_clock_is_wrong_goes_by_the_databases_and_says_so() {
    Scratch::postgres()
        .await
        .holds(async |scratch| {
            let slack = Workspace::start(Options::default()).await.unwrap();
            let wrong = Clock::ahead_by(jiff::SignedDuration::from_millis(6_500));
            let served = serve(parts(&scratch.url, &slack, &wrong)).await;
            let (_, ready) = get(&served.url, "/readyz", None).await;
            let told = "this machine's clock is 6 s ahead of the database's";
            assert!(ready.contains(told), "{ready}");
            let off = wrong.now().duration_since(jiff::Timestamp::now()).abs();
            assert!(off < jiff::SignedDuration::from_secs(1), "{off:#}");
            served.stop.send(true).unwrap();
            served.ended.await.unwrap().unwrap();
        })
        .await;
}
