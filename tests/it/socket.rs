//! Socket Mode: the same as over HTTP, through connections that are replaced, break, hang and lie.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use firebell::app::App;
use firebell::clock::Clock;
use firebell::domain::catalog::Catalog;
use firebell::simulator::{Fault, Options, Workspace};
use firebell::slack::socket::{Ack, Envelope, Pace, SocketMode};
use insta::assert_snapshot;
use jiff::SignedDuration;
use serde_json::json;
use sqlx::{Connection, SqliteConnection};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::harness::{START, TestBot, connect, get, parts, send, workspace};

const ROOM: &str = "incident-2025-0914-001";

/// Nobody can write into the bot's database until this is dropped: a command that came in is under way.
struct Held(SqliteConnection);

impl Held {
    async fn hold(bot: &TestBot) -> Self {
        let mut database = SqliteConnection::connect(&bot.database_url).await.unwrap();
        sqlx::raw_sql("BEGIN IMMEDIATE")
            .execute(&mut database)
            .await
            .unwrap();
        Self(database)
    }

    async fn let_go(mut self) {
        sqlx::raw_sql("ROLLBACK")
            .execute(&mut self.0)
            .await
            .unwrap();
    }
}

/// Waits until so many envelopes have been sent.
async fn sent(slack: &Workspace, wanted: usize) {
    while slack.envelopes().len() < wanted {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn slack_s_requests_come_over_two_connections_and_none_over_http() {
    let bot = TestBot::by_socket_mode().await;
    for _ in 0..4 {
        let answer = bot.types("ana", "general", "/incident list").await;
        assert_eq!(
            answer,
            "No open incidents. To declare one: `/incident declare`"
        );
    }
    let sockets = bot.slack.sockets();
    assert_eq!(sockets.len(), 2);
    for envelope in bot.slack.envelopes() {
        assert_eq!(envelope.sent_on.len(), 1);
        assert_eq!(envelope.sent_on, envelope.acked_on);
    }
    for socket in sockets {
        let own = |envelope: &&firebell::simulator::EnvelopeView| envelope.sent_on == [socket];
        assert_eq!(bot.slack.envelopes().iter().filter(own).count(), 2);
    }
    for path in ["/slack/commands", "/slack/interactions", "/slack/events"] {
        assert_eq!(send(&bot.url, path, &[], "").await.0, 404, "{path}");
    }
    assert_snapshot!(get(&bot.url, "/readyz", None).await.1, @r#"{"database":"ok","incidents":{"all":0,"open":0},"outbox":{"due":0,"given_up":0,"later":0},"ready":true,"slack":"ok","socket_mode":"2 of 2 connections"}"#);
    bot.finish().await;
}

#[tokio::test]
async fn marks_and_clicks_come_by_socket_mode_too() {
    let bot = TestBot::by_socket_mode().await;
    bot.types("ana", "general", "/incident declare p1 checkout is down")
        .await;
    let card = bot.card(ROOM);
    bot.clicks("ana", ROOM, &card, "Acknowledge").await;
    let said = bot.user("ana").says(ROOM, "the pods restarted").await;
    bot.user("ana").reacts(ROOM, &said, "pushpin").await;
    bot.settle().await;
    bot.slack.mark_read();
    let timeline = bot.types("ana", ROOM, "/incident timeline").await;
    assert!(timeline.contains("the pods restarted"), "{timeline}");
    assert!(timeline.contains("cknowledged"), "{timeline}");
    let kinds: Vec<_> = bot
        .slack
        .envelopes()
        .into_iter()
        .map(|it| it.kind)
        .collect();
    for kind in ["slash_commands", "interactive", "events_api"] {
        assert!(kinds.iter().any(|known| known == kind), "{kinds:?}");
    }
    bot.slack.mark_read();
    bot.finish().await;
}

#[tokio::test]
async fn a_connection_is_replaced_before_it_closes_and_answers_what_it_has_begun() {
    for reason in ["warning", "refresh_requested"] {
        let bot = TestBot::by_socket_mode().await;
        let old = bot.slack.sockets();
        let held = Held::hold(&bot).await;
        let ana = bot.user("ana");
        let typing =
            tokio::spawn(async move { ana.types("general", "/incident declare p1 down").await });
        sent(&bot.slack, 1).await;
        for socket in &old {
            bot.slack.disconnect_socket(*socket, reason).unwrap();
        }
        // The new ones are there while the old ones still are.
        bot.slack.sockets_become(4).await;
        held.let_go().await;
        let answer = typing.await.unwrap();
        assert!(answer.text().contains("Declared"), "{reason}: {answer:?}");
        let envelope = &bot.slack.envelopes()[0];
        assert_eq!(envelope.acked_on, envelope.sent_on, "{reason}");
        assert!(old.contains(&envelope.acked_on[0]), "{reason}");
        // Until they close, the old ones answer as well.
        for _ in 0..4 {
            assert!(
                bot.types("ana", "general", "/incident list")
                    .await
                    .contains("INC-")
            );
        }
        for socket in old {
            bot.slack.close_socket(socket).unwrap();
        }
        bot.slack.sockets_become(2).await;
        assert!(
            bot.types("ana", "general", "/incident list")
                .await
                .contains("INC-")
        );
        assert_eq!(bot.store.all_ids().await.unwrap().len(), 1);
        bot.slack.mark_read();
        bot.finish().await;
    }
}

#[tokio::test]
async fn an_envelope_that_comes_twice_makes_one_incident() {
    let bot = TestBot::by_socket_mode().await;
    bot.slack.duplicate_envelopes(1);
    let answer = bot
        .types("ana", "general", "/incident declare p1 down")
        .await;
    assert!(answer.contains("INC-2025-0914-001"), "{answer}");
    // The other copy is acknowledged on its own socket, whenever it is.
    while bot.slack.envelopes()[0].acked_on.len() < 2 {
        tokio::task::yield_now().await;
    }
    let envelope = bot.slack.envelopes().remove(0);
    let mut acked_on = envelope.acked_on.clone();
    acked_on.sort_unstable();
    assert_eq!(acked_on, bot.slack.sockets());
    bot.settle().await;
    assert_eq!(bot.store.all_ids().await.unwrap().len(), 1);
    bot.slack.mark_read();
    bot.finish().await;
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_acknowledgement_makes_one_incident() {
    let bot = TestBot::by_socket_mode().await;
    let old = bot.slack.sockets();
    bot.slack.lose_acks(1);
    let answer = bot
        .types("ana", "general", "/incident declare p1 down")
        .await;
    assert!(answer.contains("INC-2025-0914-001"), "{answer}");
    let envelope = bot.slack.envelopes().remove(0);
    assert_eq!(envelope.sent_on.len(), 2, "Slack sent it again");
    assert_eq!(envelope.acked_on, envelope.sent_on[1..]);
    assert_eq!(bot.store.all_ids().await.unwrap().len(), 1);
    bot.slack.socket_beyond(&old).await;
    // The same for a mark: Slack sends the event again, and the timeline has it once.
    let said = bot.user("ana").says(ROOM, "the pods restarted").await;
    bot.slack.settle().await;
    bot.slack.lose_acks(1);
    bot.user("ana").reacts(ROOM, &said, "pushpin").await;
    bot.settle().await;
    bot.slack.mark_read();
    let timeline = bot.types("ana", ROOM, "/incident timeline").await;
    assert_eq!(
        timeline.matches("the pods restarted").count(),
        1,
        "{timeline}"
    );
    bot.slack.sockets_become(2).await;
    bot.slack.mark_read();
    bot.finish().await;
}

#[tokio::test]
async fn a_stop_answers_what_has_come_in_and_closes_the_connections() {
    let bot = TestBot::by_socket_mode().await;
    let held = Held::hold(&bot).await;
    let ana = bot.user("ana");
    let typing =
        tokio::spawn(async move { ana.types("general", "/incident declare p1 down").await });
    sent(&bot.slack, 1).await;
    // Each connection is read in order: who has answered the second list has begun with the declaration.
    for _ in 0..2 {
        assert_eq!(
            bot.user("ana")
                .types("general", "/incident list")
                .await
                .status,
            200
        );
    }
    // The other connection has nothing under way.
    bot.stop.as_ref().unwrap().send(true).unwrap();
    bot.slack.sockets_become(1).await;
    held.let_go().await;
    let answer = typing.await.unwrap();
    assert!(answer.text().contains("Declared"), "{answer:?}");
    bot.slack.sockets_become(0).await;
    assert_eq!(bot.slack.socket_faults(), Vec::<String>::new());
    bot.settle().await;
    // Nobody hears the events of what the bot still did.
    bot.finish_unread().await;
}

/// Socket Mode by itself, in a hurry, with an app that says `heard`.
struct Hurried {
    slack: Workspace,
    mode: Arc<SocketMode>,
    _stop: watch::Sender<bool>,
}

/// Keeps connections up until the sender is dropped.
fn attend(slack: &Workspace) -> (Arc<SocketMode>, watch::Sender<bool>) {
    let token = Options::default().app_token.into();
    let mode = SocketMode::new(&slack.api_url(), &token, Clock::System).unwrap();
    let mode = Arc::new(mode.at_pace(Pace {
        silence: Duration::from_millis(600),
        pings: Duration::from_millis(200),
        pause: Duration::from_millis(20),
        ..Pace::default()
    }));
    let (stop, stopped) = watch::channel(false);
    let heard = |_: Envelope| async { Ack::With(json!({ "text": "heard" })) };
    tokio::spawn(mode.clone().run(heard, stopped));
    (mode, stop)
}

/// Waits until the bot's side knows of both connections too: it hears Slack's hello a little later.
async fn both_are_up(mode: &SocketMode) {
    while mode.health().up != 2 {
        tokio::task::yield_now().await;
    }
}

impl Hurried {
    async fn start(faults: &[Fault]) -> Self {
        let options = Options {
            socket_pings: Duration::from_millis(50),
            ..Options::default()
        };
        let slack = Workspace::start(options).await.unwrap();
        slack.add_user("ana");
        slack.connect_socket_mode();
        for fault in faults {
            slack.fault("apps.connections.open", fault.clone(), 1);
        }
        let (mode, _stop) = attend(&slack);
        slack.sockets_become(2).await;
        both_are_up(&mode).await;
        Self { slack, mode, _stop }
    }
}

#[tokio::test]
async fn a_connection_that_hangs_is_given_up_for_another_one() {
    let Hurried { slack, mode, _stop } = Hurried::start(&[]).await;
    let old = slack.sockets();
    slack.hang_socket(old[0]).unwrap();
    // What is sent on it meanwhile comes by the other one, once the app has hung up.
    for _ in 0..2 {
        let answer = slack.user("ana").types("general", "/incident").await;
        assert_eq!(answer.text(), "heard");
    }
    let tried: Vec<Vec<u64>> = slack.envelopes().into_iter().map(|it| it.sent_on).collect();
    assert!(
        tried.iter().any(|on| on.len() == 2 && on[0] == old[0]),
        "{tried:?}"
    );
    slack.socket_beyond(&old).await;
    slack.sockets_become(2).await;
    assert!(!slack.sockets().contains(&old[0]));
    for _ in 0..4 {
        let answer = slack.user("ana").types("general", "/incident").await;
        assert_eq!(answer.text(), "heard");
    }
    assert!(
        slack.sockets().contains(&old[1]),
        "the other one was left alone"
    );
    both_are_up(&mode).await;
}

/// A workspace with an app whose first connection was opened by somebody who never reads, and who is returned.
async fn with_somebody_who_left(silence: Duration) -> (Workspace, impl Sized) {
    let options = Options {
        socket_pings: Duration::from_millis(50),
        socket_silence: silence,
        ..Options::default()
    };
    let slack = Workspace::start(options).await.unwrap();
    slack.add_user("ana");
    slack.add_bot_to("#general");
    slack.connect_socket_mode();
    let headers = [("authorization", "Bearer xapp-1-simulator".to_owned())];
    let (_, answer) = send(&slack.origin(), "/api/apps.connections.open", &headers, "").await;
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let url = answer["url"].as_str().unwrap();
    let (silent, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    slack.sockets_become(1).await;
    (slack, silent)
}

#[tokio::test]
async fn a_connection_whose_client_left_without_a_word_is_closed_and_its_envelopes_go_to_another() {
    let (slack, _silent) = with_somebody_who_left(Duration::from_millis(400)).await;
    let gone = slack.sockets();
    let ana = slack.user("ana");
    ana.says("#general", "is anybody there?").await;
    let typing = tokio::spawn(async move { ana.types("general", "/incident").await });
    sent(&slack, 2).await;
    let (_mode, _stop) = attend(&slack);
    slack.socket_beyond(&gone).await;
    assert_eq!(typing.await.unwrap().text(), "heard");
    slack.settle().await;
    slack.sockets_become(2).await;
    assert!(!slack.sockets().contains(&gone[0]));
    for envelope in slack.envelopes() {
        assert_eq!(envelope.sent_on[0], gone[0]);
        assert_eq!(
            envelope.acked_on,
            envelope.sent_on[1..],
            "{}",
            envelope.kind
        );
        assert_eq!(envelope.acked_on.len(), 1);
    }
    assert!(slack.failed_deliveries().is_empty());
}

#[tokio::test]
async fn an_event_that_was_lost_with_a_connection_comes_again_when_the_connection_is_closed() {
    let (slack, _silent) = with_somebody_who_left(Duration::from_millis(3_600)).await;
    let (_mode, _stop) = attend(&slack);
    slack.sockets_become(3).await;
    // One of three in turn goes to whoever left; Slack takes it for lost after three seconds.
    for n in 0..3 {
        slack.user("ana").says("#general", &n.to_string()).await;
    }
    slack.settle().await;
    assert_eq!(slack.failed_deliveries().len(), 1);
    slack.sockets_become(2).await;
    slack.settle().await;
    assert!(slack.failed_deliveries().is_empty());
    let mut attempts: Vec<u8> = slack.deliveries().iter().map(|it| it.attempts).collect();
    attempts.sort();
    assert_eq!(attempts, [1, 1, 2]);
}

#[tokio::test]
async fn opening_waits_as_long_as_slack_says_and_longer_after_each_failure() {
    let limited = Fault::RateLimited { retry_after_s: 1 };
    let Hurried { slack, mode, _stop } = Hurried::start(&[
        limited.clone(),
        limited,
        Fault::Status(503),
        Fault::Error("internal_error".into()),
    ])
    .await;
    let calls = slack.calls();
    // Each of the two was told to wait for a second, failed once more, and came through.
    assert_eq!(calls.len(), 6, "{calls:?}");
    assert!(calls[2].at_ms - calls[0].at_ms >= 1_000, "{calls:?}");
    assert!(calls.iter().all(|call| call.token_in_header));
    assert_eq!(mode.health().trouble, None);
}

#[tokio::test]
async fn slack_takes_ten_connections_and_whoever_comes_later_does_not_insist() {
    let Hurried { slack, _stop, .. } = Hurried::start(&[]).await;
    let others: Vec<_> = (0..5).map(|_| attend(&slack)).collect();
    slack.sockets_become(10).await;
    let turned_away = |mode: &SocketMode| {
        let trouble = mode.health().trouble.unwrap_or_default();
        trouble.contains("too_many_websockets")
    };
    while !others.iter().any(|(mode, _)| turned_away(mode)) {
        tokio::task::yield_now().await;
    }
    // Twelve were wanted: the last two wait, and each has asked once.
    assert!(slack.calls().len() <= 12, "no loop");
    assert_eq!(slack.sockets().len(), 10);
}

#[tokio::test]
async fn a_ticket_opens_nothing_when_it_is_old() {
    let clock = Clock::by_hand(START.parse().unwrap());
    let slack = workspace(&clock).await;
    slack.connect_socket_mode();
    let token = Options::default().app_token;
    let link = async || {
        let (_, answer) = get(&slack.origin(), "/api/apps.connections.open", Some(&token)).await;
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        let url = answer["url"].as_str().unwrap().to_owned();
        url.split_once("/link/").unwrap().1.to_owned()
    };
    let (new, old) = (link().await, link().await);
    let knock = async |link: &str| get(&slack.origin(), &format!("/link/{link}"), None).await.0;
    // A ticket that is good is asked for a web socket, and is used by that.
    assert_eq!(knock(&new).await, 426);
    assert_eq!(knock(&new).await, 403);
    clock.advance(SignedDuration::from_secs(31));
    assert_eq!(knock(&old).await, 403);
}

#[tokio::test]
async fn serve_speaks_socket_mode_and_ends_it_when_it_is_told_to_stop() {
    let clock = Clock::System;
    let slack = workspace(&clock).await;
    slack.add_channel("incidents", false, &["ana"]);
    slack.connect_socket_mode();
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("firebell.db").display());
    let mut parts = parts(&database, Catalog::default(), &slack, &clock);
    parts.app_token = Some(Options::default().app_token.into());
    parts.signing_secret = None;
    let app = App::build(parts).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(app.serve(listener, stopped));
    slack.sockets_become(2).await;
    let answer = slack
        .user("ana")
        .types("general", "/incident declare p1 down")
        .await;
    assert!(answer.text().contains("Declared"), "{answer:?}");
    stop.send(true).unwrap();
    slack.sockets_become(0).await;
    serving.await.unwrap().unwrap();
    assert_eq!(slack.socket_faults(), Vec::<String>::new());
    // Not `finish()`: this bot served by itself, and has stopped.
}

#[tokio::test]
async fn all_connections_break_and_come_back() {
    let Hurried { slack, mode, _stop } = Hurried::start(&[]).await;
    for _ in 0..3 {
        let old = slack.sockets();
        for socket in &old {
            slack.drop_socket(*socket).unwrap();
        }
        slack.socket_beyond(&old).await;
        slack.sockets_become(2).await;
        let answer = slack.user("ana").types("general", "/incident").await;
        assert_eq!(answer.text(), "heard");
    }
    both_are_up(&mode).await;
    assert_eq!(slack.socket_faults(), Vec::<String>::new());
}

/// A log that a test can read.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

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
async fn a_token_that_slack_does_not_take_is_told_with_what_to_do_and_the_bot_is_not_ready() {
    let cases = [
        (
            Some(Fault::Error("account_inactive".into())),
            "Ask whoever runs the workspace",
        ),
        (
            Some(Fault::Error("missing_scope".into())),
            "lacks the scope connections:write",
        ),
        (
            None,
            "SLACK_APP_TOKEN (invalid_auth). Make a new app-level token",
        ),
    ];
    for (fault, told) in cases {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_writer(move || writer.clone())
            .finish();
        // One thread runs everything here.
        let _guard = tracing::subscriber::set_default(subscriber);
        let bot = TestBot::start().await;
        if let Some(fault) = fault {
            bot.slack.fault("apps.connections.open", fault, usize::MAX);
        }
        let mut parts = parts(
            &bot.database_url,
            Catalog::default(),
            &bot.slack,
            &bot.clock,
        );
        parts.app_token = Some("xapp-1-geheim".into());
        let app = App::build(parts).await.unwrap();
        let url = connect(&app, &bot.slack).await;
        let (_stop, stopped) = watch::channel(false);
        tokio::spawn(app.attend(stopped));
        let ready = async || get(&url, "/readyz", None).await;
        while !ready().await.1.contains(told) {
            tokio::task::yield_now().await;
        }
        assert_eq!(ready().await.0, 200, "a moment's absence is no alarm");
        bot.clock.advance(SignedDuration::from_secs(61));
        let (status, body) = ready().await;
        assert_eq!(status, 503, "{body}");
        assert!(body.contains("\"ready\":false"), "{body}");
        assert!(body.contains("0 of 2 connections"), "{body}");
        let log = log.text();
        assert!(log.contains("ERROR"), "{log}");
        assert!(log.contains(told), "{log}");
        assert_eq!(
            log.matches("No connection to Slack").count(),
            1,
            "once: {log}"
        );
        for shown in [log, body, format!("{app:?}")] {
            assert!(!shown.contains("geheim"), "{shown}");
        }
        bot.finish().await;
    }
}

#[tokio::test]
async fn neither_the_token_nor_a_ticket_is_ever_shown() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // One thread runs everything here.
    let _guard = tracing::subscriber::set_default(subscriber);
    let bot = TestBot::by_socket_mode().await;
    // Connections are made, refused, broken and replaced.
    bot.slack.fault("link", Fault::Status(500), 2);
    for round in ["drop", "close", "disconnect"] {
        let old = bot.slack.sockets();
        for socket in &old {
            match round {
                "drop" => bot.slack.drop_socket(*socket).unwrap(),
                "close" => bot.slack.close_socket(*socket).unwrap(),
                _ => bot.slack.disconnect_socket(*socket, "warning").unwrap(),
            }
        }
        bot.slack.socket_beyond(&old).await;
    }
    let log = log.text();
    assert!(log.contains("A connection to Slack is up"), "{log}");
    assert!(log.contains("HTTP status 500"), "{log}");
    for secret in ["-ticket-", &Options::default().app_token] {
        if let Some(line) = log.lines().find(|line| line.contains(secret)) {
            panic!("{secret}: {line}");
        }
    }
}

#[tokio::test]
async fn a_workspace_that_turns_connections_away_is_left_alone_for_a_while() {
    let cases = [
        ("link_disabled", "Socket Mode is switched off"),
        ("too_many_websockets", "Are there other programs"),
    ];
    for (reason, told) in cases {
        let bot = TestBot::by_socket_mode().await;
        let calls = || {
            let all = bot.slack.calls();
            let opened = all
                .iter()
                .filter(|call| call.method == "apps.connections.open");
            opened.count()
        };
        assert_eq!(calls(), 2);
        for socket in bot.slack.sockets() {
            bot.slack.disconnect_socket(socket, reason).unwrap();
            bot.slack.close_socket(socket).unwrap();
        }
        bot.slack.sockets_become(0).await;
        while !get(&bot.url, "/readyz", None).await.1.contains(told) {
            tokio::task::yield_now().await;
        }
        assert_eq!(calls(), 2, "{reason}: no loop");
        bot.finish().await;
    }
}
