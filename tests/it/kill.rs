//! The real binary is killed at every instant and started again: what was answered is done, once.
//!
//! Real processes and real time: leases run out after thirteen seconds, so the cases run side by side.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use firebell::domain::effect::Lane;
use firebell::simulator::{Fault, MessageView, Options, RequestUrls, Workspace};
use firebell::store::Store;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::harness::{send, signed, try_exchange};

/// Processes at a time: each is a bot that starts.
const AT_ONCE: usize = 6;
/// Longer than a lease, the pauses after a failure, and a slow machine.
const PATIENCE: Duration = Duration::from_secs(40);

/// What is asked once when it starts, before or after the first declaration.
const AT_THE_START: [&str; 2] = ["auth.test", "conversations.list"];

/// A bot in a process of its own, with its workspace and its database.
pub struct Process {
    pub slack: Workspace,
    pub url: String,
    pub database: String,
    folder: TempDir,
    child: Child,
}

impl Process {
    pub async fn start() -> Self {
        let slack = Workspace::start(Options::default()).await.unwrap();
        for name in ["ana", "bo"] {
            slack.add_user(name);
        }
        slack.add_channel("general", false, &["ana", "bo"]);
        slack.add_channel("incidents", false, &["ana", "bo"]);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("firebell.toml"),
            "[slack]\nbridge = \"https://zoom.us/j/1\"\n\
             [[severities]]\nid = \"p1\"\nname = \"P1\"\ninvite = [\"person:bo\"]\n\
             escalation_policy = \"on-call\"\n\
             [[escalation_policies]]\nid = \"on-call\"\n\
             steps = [{ after = \"0m\", notify = [\"person:bo\"] }, { after = \"1h\", notify = [\"person:bo\"] }]\n\
             [[people]]\nid = \"bo\"\nname = \"Bo\"\nemail = \"bo@example.com\"\n\
             [[alert_sources]]\nid = \"scripts\"\nkind = \"generic\"\nsecret_env = \"ALERTS\"\n\
             [[routes]]\nmatch = { source = \"scripts\" }\nthen = \"declare\"\n",
        )
        .unwrap();
        let address = free_address();
        let child = run(folder.path(), &address, &slack);
        let process = Self {
            database: format!("sqlite://{}", folder.path().join("firebell.db").display()),
            url: format!("http://{address}"),
            slack,
            folder,
            child,
        };
        process.comes_up().await;
        process
    }

    /// Waits until it listens, and tells the workspace where.
    async fn comes_up(&self) {
        let address = self.url.trim_start_matches("http://");
        let begun = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            assert!(begun.elapsed() < PATIENCE, "the bot does not come up");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let urls = RequestUrls::under(&format!("{}/slack", self.url));
        self.slack.connect(urls).await.unwrap();
    }

    /// `kill -9`.
    fn is_killed(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    async fn is_started_again(&mut self) {
        let address = self.url.trim_start_matches("http://").to_owned();
        self.child = run(self.folder.path(), &address, &self.slack);
        self.comes_up().await;
    }

    /// What a container is stopped with.
    pub fn is_told_to_stop(&self) {
        let pid = self.child.id().to_string();
        let told = std::process::Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap();
        assert!(told.success());
    }

    /// The exit status.
    pub async fn ends(&mut self) -> Option<i32> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(begun.elapsed() < PATIENCE, "it ends when it is told to");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// What it has written to its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    async fn declares(&self) {
        let answer = self
            .slack
            .user("ana")
            .types("general", "/incident declare p1 checkout is down")
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// Waits until nothing is left to be done now.
    async fn comes_to_rest(&self, case: &str) {
        let store = Store::open(&self.database).await.unwrap();
        let begun = Instant::now();
        loop {
            let waiting = store.waiting(jiff::Timestamp::now()).await.unwrap();
            let chat = store.next_due(Lane::Chat).await.unwrap();
            let alerts = store.next_due(Lane::Alerts).await.unwrap();
            let pages = store.next_due(Lane::PagesBySlack).await.unwrap();
            // After fifty declarations whoever is paged fifty times reads one page a second.
            let rests = pages.is_none_or(|at| at > jiff::Timestamp::now());
            if waiting.due == 0 && chat.is_none() && alerts.is_none() && rests {
                assert_eq!(waiting.buried, 0, "{case}");
                store.close().await;
                return;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "{case}: {waiting:?} after {PATIENCE:?}\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// One incident with one of everything.
    async fn did_everything_once(&self, case: &str) {
        let rooms: Vec<_> = self
            .slack
            .channels()
            .into_iter()
            .filter(|channel| channel.name.starts_with("incident-"))
            .collect();
        let names: Vec<_> = rooms.iter().map(|room| &room.name).collect();
        assert_eq!(rooms.len(), 1, "{case}: one war room, not {names:?}");
        let room = &rooms[0];
        let cards: Vec<_> = room.posts().filter(|post| post.from_bot).collect();
        let texts: Vec<_> = cards.iter().map(|card| card.plain_text()).collect();
        let notes = texts.iter().filter(|text| text.starts_with(":pager:"));
        assert_eq!(notes.count(), 1, "{case}: who is paged, in {texts:#?}");
        assert_eq!(cards.len(), 2, "{case}: one card beside it, not {texts:#?}");
        let pages = self.slack.user("bo").dms();
        let pages: Vec<_> = pages.iter().map(MessageView::plain_text).collect();
        assert_eq!(pages.len(), 1, "{case}: one page, not {pages:#?}");
        assert_eq!(room.pinned().count(), 1, "{case}: it is pinned");
        let noted = |subtype: &str| {
            let lines = room.messages.iter();
            lines
                .filter(|line| line.subtype.as_deref() == Some(subtype))
                .count()
        };
        assert_eq!(noted("channel_topic"), 1, "{case}: one topic");
        assert_eq!(noted("channel_purpose"), 1, "{case}: one purpose");
        assert_eq!(room.bookmarks.len(), 1, "{case}: one bookmark");
        for name in ["ana", "bo"] {
            assert!(room.members.contains(&name.to_owned()), "{case}: {name}");
        }
        let announced = self.slack.channel("incidents").unwrap();
        let announced: Vec<&MessageView> = announced.posts().filter(|post| post.from_bot).collect();
        assert_eq!(announced.len(), 1, "{case}: one announcement");
        let store = Store::open(&self.database).await.unwrap();
        let ids = store.all_ids().await.unwrap();
        assert_eq!(ids.len(), 1, "{case}: one incident");
        let faults = store.audit(&ids[0]).await.unwrap();
        assert_eq!(faults, Vec::<String>::new(), "{case}: the record is whole");
        store.close().await;
    }
}

impl Drop for Process {
    /// A test that fails leaves no process behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the binary as an operator would; its log goes to a file beside the database.
fn run(folder: &Path, address: &str, slack: &Workspace) -> Child {
    let options = Options::default();
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(folder.join("log"))
        .unwrap();
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_firebell"));
    Command::new(binary)
        .arg("serve")
        .current_dir(folder)
        .env_clear()
        .env("FIREBELL_LISTEN", address)
        .env("DATABASE_URL", "sqlite://firebell.db")
        .env("SLACK_API_URL", slack.api_url())
        .env("SLACK_BOT_TOKEN", options.bot_token)
        .env("SLACK_SIGNING_SECRET", options.signing_secret)
        .env("ALERTS", "secret")
        .stdin(Stdio::null())
        .stderr(log.try_clone().unwrap())
        .stdout(log)
        .spawn()
        .unwrap()
}

/// An address that nobody listens on: the bot is told one, and gets the same again after its restart. Below the range
/// that the system hands out to clients, so that nobody takes it meanwhile.
fn free_address() -> String {
    let seed = uuid::Uuid::now_v7().as_u128();
    let candidates = (0..1_000).map(|n| 10_000 + ((seed >> 1) + n * 7) % 10_000);
    candidates
        .map(|port| format!("127.0.0.1:{port}"))
        .find(|address| std::net::TcpListener::bind(address).is_ok())
        .expect("one of a thousand ports is free")
}

/// When the bot is killed.
#[derive(Debug, Clone, Copy)]
enum When {
    /// As soon as Slack has recorded the n-th call after the declaration.
    AfterCall(usize),
    /// Slack has done what a call asked for, and the answer never arrives.
    BeforeAnswerOf(&'static str),
}

/// Declares, kills the bot at that moment, starts it again, and looks.
async fn dies(when: When) {
    let case = format!("killed {when:?}");
    let mut bot = Process::start().await;
    if let When::BeforeAnswerOf(method) = when {
        // The bot would try again at once: every later call of the method is held, so that the kill comes first.
        bot.slack.fault(method, Fault::LoseAnswerAfter, 1);
        bot.slack.fault(method, Fault::Hang, usize::MAX);
    }
    let before = bot.slack.calls().len();
    bot.declares().await;
    let begun = Instant::now();
    loop {
        let calls = bot.slack.calls();
        let calls: Vec<_> = calls[before..]
            .iter()
            .filter(|call| !AT_THE_START.contains(&call.method.as_str()))
            .collect();
        let is_time = match when {
            When::AfterCall(n) => calls.len() >= n,
            When::BeforeAnswerOf(method) => calls
                .iter()
                .any(|call| call.method == method && call.answer["ok"] == true),
        };
        if is_time {
            break;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{case}: only {} calls came",
            calls.len()
        );
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    bot.is_killed();
    bot.slack.clear_faults();
    bot.is_started_again().await;
    bot.comes_to_rest(&case).await;
    bot.did_everything_once(&case).await;
}

/// Runs a case on a thread of its own.
fn spawn(running: &mut tokio::task::JoinSet<()>, case: When) {
    let runtime = tokio::runtime::Handle::current();
    running.spawn_blocking(move || runtime.block_on(dies(case)));
}

/// Runs the cases, some at a time.
async fn each_dies(cases: impl IntoIterator<Item = When>) {
    let mut cases = cases.into_iter();
    let mut running = tokio::task::JoinSet::new();
    for case in cases.by_ref().take(AT_ONCE) {
        spawn(&mut running, case);
    }
    while let Some(ended) = running.join_next().await {
        if let Err(error) = ended {
            std::panic::resume_unwind(error.into_panic());
        }
        if let Some(case) = cases.next() {
            spawn(&mut running, case);
        }
    }
}

/// Sends alerts of one rule, each of another condition, until the bot is gone. Gives the keys that were answered 200.
async fn storms(url: String, sender: usize) -> Vec<String> {
    let mut answered = Vec::new();
    for n in 0.. {
        let key = format!("{sender}-{n}");
        let body =
            format!("{{\"title\":\"5xx on {key}\",\"key\":\"{key}\",\"name\":\"HighErrorRate\"}}");
        let request = axum::http::Request::post(format!("{url}/alerts/scripts?token=secret"));
        let request = request.body(http_body_util::Full::from(body)).unwrap();
        match try_exchange(request).await {
            Some((200, _)) => answered.push(key),
            Some((503, _)) => {}
            Some(other) => panic!("{other:?}"),
            None => return answered,
        }
    }
    answered
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_in_a_storm_of_alerts_loses_none_that_was_answered() {
    let mut bot = Process::start().await;
    let senders: Vec<_> = (0..8)
        .map(|n| tokio::spawn(storms(bot.url.clone(), n)))
        .collect();
    let store = Store::open(&bot.database).await.unwrap();
    let begun = Instant::now();
    while store.active_alerts("scripts", 1_000).await.unwrap().len() < 200 {
        assert!(begun.elapsed() < PATIENCE, "the alerts do not come in");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    bot.is_killed();
    let mut answered = Vec::new();
    for sender in senders {
        answered.extend(sender.await.unwrap());
    }
    let stored = store.active_alerts("scripts", 1_000_000).await.unwrap();
    let stored: BTreeSet<&str> = stored.iter().map(|kept| kept.alert.key.as_str()).collect();
    let lost: Vec<_> = answered
        .iter()
        .filter(|key| !stored.contains(key.as_str()))
        .collect();
    assert!(
        lost.is_empty(),
        "{} of {} are lost",
        lost.len(),
        answered.len()
    );
    assert!(answered.len() > 100, "{} were answered", answered.len());
    // And what they ordered is done, once.
    bot.is_started_again().await;
    bot.comes_to_rest("a storm").await;
    let ids = store.all_ids().await.unwrap();
    assert_eq!(ids.len(), 1, "one incident");
    let incident = store.incident(&ids[0]).await.unwrap().unwrap();
    assert_eq!(incident.firing(), Some(stored.len() as u64));
    let rooms = bot.slack.channels();
    let rooms = rooms.iter().filter(|it| it.name.starts_with("incident-"));
    assert_eq!(rooms.count(), 1, "one war room");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_after_any_call_to_slack_leaves_one_of_everything() {
    let bot = Process::start().await;
    bot.declares().await;
    bot.comes_to_rest("not killed").await;
    bot.did_everything_once("not killed").await;
    let calls = bot.slack.calls();
    let calls = calls
        .iter()
        .filter(|call| !AT_THE_START.contains(&call.method.as_str()));
    let calls = calls.count();
    assert!(calls > 10, "{calls} calls");
    each_dies((1..=calls).map(When::AfterCall)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_between_what_slack_did_and_what_was_written_down_leaves_one_of_everything() {
    each_dies(
        [
            "conversations.create",
            "chat.postMessage",
            "conversations.open",
            "conversations.setTopic",
            "conversations.setPurpose",
            "conversations.invite",
            "pins.add",
            "bookmarks.add",
            "chat.update",
        ]
        .map(When::BeforeAnswerOf),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_right_after_the_answer_loses_nothing() {
    let mut bot = Process::start().await;
    bot.slack.fault("*", Fault::Hang, usize::MAX);
    bot.declares().await;
    bot.is_killed();
    bot.slack.clear_faults();
    bot.is_started_again().await;
    bot.comes_to_rest("right after the answer").await;
    bot.did_everything_once("right after the answer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_amid_fifty_declarations_keeps_each_that_was_answered_and_none_twice() {
    let mut bot = Process::start().await;
    let ana = bot.slack.user("ana").id;
    let general = bot.slack.channel("general").unwrap().id;
    let (told, mut answered) = tokio::sync::mpsc::unbounded_channel();
    for n in 0..50 {
        let (url, told) = (bot.url.clone(), told.clone());
        let body = serde_urlencoded::to_string([
            ("team_id", "T0000000001"),
            ("channel_id", &general),
            ("user_id", &ana),
            ("user_name", "ana"),
            ("command", "/incident"),
            ("text", &format!("declare p1 number {n}")),
            ("trigger_id", &format!("1.{n}")),
        ])
        .unwrap();
        tokio::spawn(async move {
            // In a task of its own: a connection that the kill cuts panics there and nowhere else.
            let sent = tokio::spawn(async move {
                let headers = signed(jiff::Timestamp::now().as_second(), &body);
                send(&url, "/slack/commands", &headers, &body).await
            });
            if let Ok((200, body)) = sent.await {
                let body: Value = serde_json::from_str(&body).unwrap();
                let text = body["text"].as_str().unwrap_or_default().to_owned();
                let _ = told.send((n, text));
            }
        });
    }
    drop(told);
    let mut before = Vec::new();
    while before.len() < 10 {
        before.push(answered.recv().await.expect("ten are answered"));
    }
    bot.is_killed();
    while let Some(answer) = answered.recv().await {
        before.push(answer);
    }
    bot.is_started_again().await;
    let store = Store::open(&bot.database).await.unwrap();
    let ids = store.all_ids().await.unwrap();
    let mut titles = Vec::new();
    for id in &ids {
        assert_eq!(store.audit(id).await.unwrap(), Vec::<String>::new());
        titles.push(store.incident(id).await.unwrap().unwrap().title.clone());
    }
    for (n, text) in &before {
        let title = format!("number {n}");
        let there = titles.iter().filter(|there| **there == title).count();
        assert_eq!(there, 1, "“{text}” was answered");
    }
    titles.sort();
    let all = titles.len();
    titles.dedup();
    assert_eq!(titles.len(), all, "none is there twice");
    store.close().await;
    // Not `finish()`: the war rooms of fifty incidents take Slack's pace minutes to open.
}
