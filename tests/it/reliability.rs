//! Whatever Slack does, and whatever happens twice: one war room, one card, each message once, in order.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use firebell::clock::Clock;
use firebell::domain::effect::Lane;
use firebell::domain::incident::Room;
use firebell::domain::terms::Status;
use firebell::simulator::{ChannelView, Fault, MessageView};
use insta::assert_snapshot;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::harness::{START, TestBot, build, connect, minutes, workspace};
use crate::scratch::Scratch;

const ID: &str = "INC-2025-0914-001";
const ROOM: &str = "incident-2025-0914-001";

/// A configuration whose declaration calls every method that a declaration can call.
const EVERYTHING: &str = r##"
    [slack]
    announce = "#incidents"
    bridge = "https://zoom.us/j/5550100"
    [[severities]]
    id = "p1"
    name = "P1 - Critical"
    invite = ["person:bo", "person:cy", "usergroup:sre"]
    checklists = ["p1-response"]
    [[people]]
    id = "bo"
    name = "Bo"
    email = "bo@example.com"
    [[people]]
    id = "cy"
    name = "Cy"
    slack = "@cy"
    [[services]]
    id = "backend"
    name = "Backend"
    links = { dashboard = "https://dash.example.com/rms", runbook = "https://wiki.example.com/rms" }
    [[checklists]]
    id = "p1-response"
    title = "P1 incident response"
    items = ["Acknowledge alert within 2 minutes"]
    "##;

async fn everything() -> TestBot {
    let bot = TestBot::configured(EVERYTHING).await;
    bot.slack.add_user("dee");
    bot.slack.add_group("sre", &["dee"]);
    bot
}

async fn says(bot: &TestBot, who: &str, channel: &str, line: &str) -> String {
    let answer = bot.user(who).types(channel, line).await;
    assert_eq!(answer.status, 200, "{line}: {answer:?}");
    assert_eq!(answer.trouble, None, "{line}");
    answer.text()
}

const DECLARE: &str = "/incident declare p1 service:backend checkout is down";

/// An incident's life as far as it calls Slack, while Slack fails as ordered.
async fn live(bot: &TestBot, fail: impl Fn(&TestBot)) {
    fail(bot);
    says(bot, "ana", "general", DECLARE).await;
    bot.comes_through().await;
    bot.slack.clear_faults();
    fail(bot);
    for line in [
        "update INC-2025-0914-001 rolled back",
        "resolve INC-2025-0914-001 a bad query",
        "export INC-2025-0914-001",
    ] {
        says(bot, "ana", "general", &format!("/incident {line}")).await;
    }
    bot.comes_through().await;
    bot.slack.clear_faults();
}

fn from_bot(channel: &ChannelView) -> Vec<&MessageView> {
    channel.posts().filter(|post| post.from_bot).collect()
}

/// The first lines of what the bot said in a channel.
fn headlines(channel: &ChannelView) -> String {
    let lines: Vec<String> = from_bot(channel)
        .iter()
        // A file comes when it comes.
        .filter(|post| !post.plain_text().is_empty())
        .map(|post| {
            let text = post.plain_text();
            text.lines().next().unwrap_or_default().to_owned()
        })
        .collect();
    lines.join("\n")
}

/// How often Slack noted something in a channel: `channel_topic`.
fn noted(channel: &ChannelView, subtype: &str) -> usize {
    let lines = channel.messages.iter();
    lines
        .filter(|line| line.subtype.as_deref() == Some(subtype))
        .count()
}

/// Everything that `live` brings is there, and nothing of it twice.
async fn all_is_there_once(bot: &TestBot, case: &str) {
    let rooms: Vec<String> = bot
        .slack
        .channels()
        .into_iter()
        .map(|channel| channel.name)
        .filter(|name| name.starts_with("incident-"))
        .collect();
    assert_eq!(rooms, [ROOM], "{case}: one war room");
    let room = bot.channel(ROOM);
    assert_eq!(room.pinned().count(), 1, "{case}: one pinned card");
    assert_eq!(
        headlines(&room),
        ":white_check_mark: *INCIDENT RESOLVED - P1*\n\
         :clipboard: *P1 incident response*\n\
         :bar_chart: *INCIDENT UPDATE - INC-2025-0914-001*\n\
         :white_check_mark: *INCIDENT RESOLVED - INC-2025-0914-001*",
        "{case}: #{ROOM}"
    );
    assert_eq!(
        headlines(&bot.channel("incidents")),
        ":white_check_mark: *INCIDENT RESOLVED - P1*\n\
         :bar_chart: *INCIDENT UPDATE - INC-2025-0914-001*\n\
         :white_check_mark: *INCIDENT RESOLVED - INC-2025-0914-001*",
        "{case}: #incidents"
    );
    let members: BTreeSet<&str> = room.members.iter().map(String::as_str).collect();
    assert_eq!(
        members,
        BTreeSet::from(["ana", "bo", "cy", "dee", "firebell"]),
        "{case}"
    );
    let links: Vec<&str> = room
        .bookmarks
        .iter()
        .map(|mark| mark.title.as_str())
        .collect();
    assert_eq!(links, ["Bridge", "Dashboard", "Runbook"], "{case}");
    // One when it was opened, one when it was resolved.
    assert_eq!(noted(&room, "channel_topic"), 2, "{case}: topic");
    assert_eq!(noted(&room, "channel_purpose"), 1, "{case}: purpose");
    assert_eq!(room.files.len(), 1, "{case}: one file");
    let incident = bot.incident(ID).await;
    assert_eq!(incident.failures, vec![], "{case}");
    assert_eq!(incident.status, Status::Resolved, "{case}");
}

async fn over(bot: TestBot) {
    bot.slack.mark_read();
    bot.finish().await;
}

/// Every method that `live` calls, and those that only a repeated order calls.
const METHODS: [&str; 21] = [
    "auth.test",
    "bookmarks.add",
    "bookmarks.list",
    "chat.postMessage",
    "chat.update",
    "conversations.create",
    "conversations.history",
    "conversations.info",
    "conversations.invite",
    "conversations.join",
    "conversations.list",
    "conversations.setPurpose",
    "conversations.setTopic",
    "files.completeUploadExternal",
    "files.getUploadURLExternal",
    "pins.add",
    "upload",
    "usergroups.list",
    "usergroups.users.list",
    "users.list",
    "users.lookupByEmail",
];

/// The methods that are called only to look whether a lost call had got through.
const LOOKING: [&str; 4] = [
    "auth.test",
    "conversations.history",
    "conversations.join",
    "conversations.list",
];

/// The methods that do twice what they are called for twice.
const NOT_REPEATABLE: [&str; 6] = [
    "bookmarks.add",
    "chat.postMessage",
    "conversations.create",
    "conversations.invite",
    "files.completeUploadExternal",
    "upload",
];

/// Lives through a fault of each method, three times in a row; of those that cannot be repeated also once.
async fn survives(fault: Fault) {
    for method in METHODS {
        // The host that takes files answers with HTTP statuses only.
        if matches!(fault, Fault::Error(_)) && method == "upload" {
            continue;
        }
        let often: &[usize] = match NOT_REPEATABLE.contains(&method) {
            true => &[1, 3],
            false => &[3],
        };
        for times in often.iter().copied() {
            let bot = everything().await;
            live(&bot, |bot| {
                if LOOKING.contains(&method) {
                    for lost in ["conversations.create", "chat.postMessage"] {
                        bot.slack.fault(lost, Fault::LoseAnswerAfter, 1);
                    }
                }
                bot.slack.fault(method, fault.clone(), times);
            })
            .await;
            let struck = bot.slack.calls();
            assert!(
                struck.iter().any(|call| call.method == method),
                "{method} is called"
            );
            all_is_there_once(&bot, &format!("{fault:?} × {times} on {method}")).await;
            over(bot).await;
        }
    }
}

#[tokio::test]
async fn without_any_fault_everything_is_there_once() {
    let bot = everything().await;
    live(&bot, |_| {}).await;
    all_is_there_once(&bot, "no fault").await;
    let called: BTreeSet<String> = bot
        .slack
        .calls()
        .into_iter()
        .map(|call| call.method)
        .collect();
    let unknown: Vec<&String> = called
        .iter()
        .filter(|method| !METHODS.contains(&method.as_str()))
        .collect();
    assert!(
        unknown.is_empty(),
        "methods without a test of their faults: {unknown:?}"
    );
    over(bot).await;
}

#[tokio::test]
async fn everything_is_there_once_although_slack_answers_429() {
    survives(Fault::RateLimited { retry_after_s: 3 }).await;
}

#[tokio::test]
async fn everything_is_there_once_although_slack_answers_500() {
    survives(Fault::Status(500)).await;
}

#[tokio::test]
async fn everything_is_there_once_although_calls_are_lost() {
    survives(Fault::LoseAnswerBefore).await;
}

#[tokio::test]
async fn everything_is_there_once_although_answers_are_lost() {
    survives(Fault::LoseAnswerAfter).await;
}

#[tokio::test]
async fn everything_is_there_once_although_slack_has_internal_errors() {
    let bot = everything().await;
    live(&bot, |bot| {
        // The host that takes files knows no such errors.
        for method in METHODS.into_iter().filter(|it| *it != "upload") {
            bot.slack
                .fault(method, Fault::Error("fatal_error".into()), 2);
        }
    })
    .await;
    all_is_there_once(&bot, "all methods twice").await;
    over(bot).await;
    survives(Fault::Error("internal_error".into())).await;
}

#[tokio::test]
async fn a_call_that_hangs_is_made_again_after_ten_seconds() {
    let bot = everything().await;
    // Real time: the client's patience is not the clock's.
    bot.slack.fault("chat.postMessage", Fault::Hang, 1);
    let begun = std::time::Instant::now();
    live(&bot, |_| {}).await;
    assert!(begun.elapsed() > Duration::from_secs(9), "one call hung");
    all_is_there_once(&bot, "hangs").await;
    over(bot).await;
}

#[tokio::test]
async fn a_429_on_posting_loses_no_message_keeps_their_order_and_holds_up_nothing_else() {
    let bot = TestBot::start().await;
    bot.types("ana", "general", "/incident declare p1 checkout is down")
        .await;
    bot.slack.mark_read();
    let limited_at = bot.clock.now();
    bot.slack.fault(
        "chat.postMessage",
        Fault::RateLimited { retry_after_s: 30 },
        1,
    );
    for n in 1..=5 {
        says(&bot, "ana", ROOM, &format!("/incident note step {n}")).await;
    }
    says(
        &bot,
        "ana",
        "general",
        "/incident declare p2 search is slow",
    )
    .await;
    bot.goes_on_for(SignedDuration::from_secs(29), SignedDuration::from_secs(1))
        .await;
    assert_eq!(bot.reads(ROOM), "");
    let until = limited_at.as_millisecond() + 30_000;
    let since: Vec<_> = bot
        .slack
        .calls()
        .into_iter()
        .filter(|call| call.at_ms > limited_at.as_millisecond() && call.at_ms < until)
        .map(|call| call.method)
        .collect();
    assert!(
        !since.contains(&"chat.postMessage".to_owned()),
        "Slack asked for 30 s of silence: {since:?}"
    );
    let second = bot.channel("incident-2025-0914-002");
    assert_eq!(
        second.topic,
        "P2 · Investigating · search is slow · Commander: ana"
    );
    bot.comes_through().await;
    let notes: Vec<String> = bot
        .slack
        .read(ROOM)
        .iter()
        .map(MessageView::plain_text)
        .collect();
    assert_snapshot!(notes.join("\n"), @r#"
        :pencil: step 1
        :pencil: step 2
        :pencil: step 3
        :pencil: step 4
        :pencil: step 5
        "#);
    over(bot).await;
}

/// The times of the messages in each channel, whatever name it was called by, and of each other method.
fn times(bot: &TestBot) -> BTreeMap<String, Vec<i64>> {
    let mut times: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for call in bot.slack.calls() {
        let key = match (call.method.as_str(), call.answer["channel"].as_str()) {
            ("chat.postMessage", Some(channel)) => format!("messages in {channel}"),
            (method, _) => method.to_owned(),
        };
        times.entry(key).or_default().push(call.at_ms);
    }
    times
}

/// No channel gets more than a message a second after a burst of five, no method more than its tier, and Slack never
/// had to say so.
fn keeps_the_pace(bot: &TestBot) {
    let limited: Vec<_> = bot
        .slack
        .calls()
        .into_iter()
        .filter(|call| call.answer["error"] == "ratelimited")
        .map(|call| (call.method, call.at_ms))
        .collect();
    assert!(limited.is_empty(), "Slack asked to slow down: {limited:?}");
    const TIER_2: [&str; 9] = [
        "conversations.create",
        "conversations.setTopic",
        "conversations.setPurpose",
        "conversations.list",
        "bookmarks.add",
        "pins.add",
        "users.list",
        "usergroups.list",
        "usergroups.users.list",
    ];
    for (what, at) in times(bot) {
        if what.starts_with("messages in ") {
            for (n, first) in at.iter().enumerate() {
                for seconds in 1..=60 {
                    let window = at[n..]
                        .iter()
                        .filter(|at| **at < first + seconds * 1_000)
                        .count();
                    assert!(
                        window as i64 <= 5 + seconds,
                        "{window} {what} within {seconds} s: {at:?}"
                    );
                }
            }
        }
        let limit = if TIER_2.contains(&what.as_str()) {
            20
        } else {
            50
        };
        if !what.starts_with("messages in ") && !what.starts_with("files.") {
            for (n, first) in at.iter().enumerate() {
                let window = at[n..].iter().filter(|at| **at < first + 60_000).count();
                assert!(window <= limit, "{window} calls of {what} within a minute");
            }
        }
    }
}

#[tokio::test]
async fn thirty_updates_in_a_row_never_go_faster_than_slack_allows() {
    let bot = TestBot::start().await;
    bot.types("ana", "general", "/incident declare p1 checkout is down")
        .await;
    for n in 1..=30 {
        says(&bot, "ana", ROOM, &format!("/incident update step {n}")).await;
        bot.goes_on_for(
            SignedDuration::from_millis(200),
            SignedDuration::from_millis(100),
        )
        .await;
    }
    bot.comes_through().await;
    keeps_the_pace(&bot);
    for channel in [ROOM, "incidents"] {
        let steps: Vec<String> = from_bot(&bot.channel(channel))
            .iter()
            .filter_map(|post| {
                let text = post.plain_text();
                let at = text
                    .find("step ")
                    .filter(|_| text.contains("INCIDENT UPDATE"))?;
                Some(text[at..].lines().next()?.to_owned())
            })
            .collect();
        let wanted: Vec<String> = (1..=30).map(|n| format!("step {n}")).collect();
        assert_eq!(steps, wanted, "#{channel}");
    }
    over(bot).await;
}

#[tokio::test]
async fn thirty_incidents_at_once_never_go_faster_than_slack_allows() {
    let bot = TestBot::start().await;
    for n in 0..30 {
        let severity = if n % 2 == 0 { "p1" } else { "p4" };
        says(
            &bot,
            "ana",
            "general",
            &format!("/incident declare {severity} number {n}"),
        )
        .await;
    }
    // A storm of threads: their channel is the announcements' own.
    for n in (2..=30).step_by(2) {
        says(
            &bot,
            "ana",
            "general",
            &format!("/incident note INC-2025-0914-{n:03} looking"),
        )
        .await;
    }
    bot.goes_on_for(minutes(6), SignedDuration::from_millis(500))
        .await;
    keeps_the_pace(&bot);
    let open = bot.slack.channels();
    assert_eq!(
        open.iter()
            .filter(|channel| channel.name.starts_with("incident-"))
            .count(),
        15
    );
    over(bot).await;
}

#[tokio::test]
async fn while_slack_is_away_commands_are_answered_and_afterwards_all_is_caught_up_in_order() {
    let bot = TestBot::start().await;
    bot.types("ana", "general", "/incident declare p1 checkout is down")
        .await;
    bot.slack.mark_read();
    bot.slack.fault("*", Fault::Status(500), usize::MAX);
    let second = SignedDuration::from_secs(1);
    for n in 1..=12 {
        let answer = says(&bot, "ana", ROOM, &format!("/incident update step {n}")).await;
        assert_eq!(answer, format!("Update {n} of {ID} is on its way."));
        bot.goes_on_for(minutes(5), second).await;
    }
    let during = bot.slack.calls().len();
    assert!(
        during < 400,
        "Slack is asked now and then, not hammered: {during}"
    );
    bot.slack.clear_faults();
    let back_at = bot.clock.now().as_millisecond();
    bot.comes_through().await;
    let steps: Vec<String> = bot
        .slack
        .read(ROOM)
        .iter()
        .map(|post| {
            post.plain_text()
                .lines()
                .nth(3)
                .unwrap_or_default()
                .to_owned()
        })
        .collect();
    assert_eq!(
        steps,
        (1..=12).map(|n| format!("step {n}")).collect::<Vec<_>>()
    );
    let edits: Vec<Value> = bot
        .slack
        .calls()
        .into_iter()
        .filter(|call| call.method == "chat.update" && call.at_ms >= back_at)
        .map(|call| call.params["channel"].clone())
        .collect();
    assert_eq!(
        edits.len(),
        2,
        "one edit of the card, one of the announcement: {edits:?}"
    );
    let card = bot.channel(ROOM).pinned().next().unwrap().plain_text();
    assert!(card.contains("step 12"), "{card}");
    over(bot).await;
}

#[tokio::test]
async fn a_name_that_is_taken_gets_a_suffix_and_no_foreign_channel_is_adopted() {
    for (kind, answer_is_lost) in [
        ("public", false),
        ("private", false),
        ("archived", false),
        ("public", true),
        ("archived", true),
    ] {
        let bot = TestBot::start().await;
        bot.slack.add_channel(ROOM, kind == "private", &["bo"]);
        if kind == "archived" {
            bot.user("bo").archives(ROOM).await;
        }
        if answer_is_lost {
            bot.slack
                .fault("conversations.create", Fault::LoseAnswerAfter, 2);
        }
        says(
            &bot,
            "ana",
            "general",
            "/incident declare p1 checkout is down",
        )
        .await;
        bot.comes_through().await;
        let foreign = bot.channel(ROOM);
        assert!(from_bot(&foreign).is_empty(), "{kind}");
        assert_eq!(foreign.topic, "", "{kind}");
        assert!(!foreign.members.contains(&"firebell".to_owned()), "{kind}");
        let own = bot.channel("incident-2025-0914-001-2");
        assert_eq!(own.pinned().count(), 1, "{kind}");
        assert!(bot.slack.channel("incident-2025-0914-001-3").is_none());
        over(bot).await;
    }
}

/// What is told of failures, wherever it is told.
fn warnings(bot: &TestBot) -> String {
    let mut told = Vec::new();
    for channel in bot.slack.channels() {
        for post in from_bot(&channel) {
            let text = post.plain_text();
            if text.starts_with(":warning:") {
                told.push(format!("#{}: {text}", channel.name));
            }
        }
    }
    told.join("\n")
}

/// What is buried stays for the operator; apart from that nothing waits, and time brings no new attempt.
async fn gives_rest(bot: TestBot) {
    bot.slack.mark_read();
    let before = bot.slack.calls().len();
    bot.goes_on_for(minutes(3), SignedDuration::from_millis(500))
        .await;
    let after: Vec<_> = bot.slack.calls().split_off(before);
    assert!(
        after.is_empty(),
        "nothing is tried again unchanged: {after:?}"
    );
    let waiting = bot.store.waiting(bot.clock.now()).await.unwrap();
    assert_eq!(waiting.due, 0, "{waiting:?}");
}

#[tokio::test]
async fn an_announcement_that_cannot_be_made_is_told_once_and_the_war_room_goes_on() {
    let bot = TestBot::configured("[slack]\nannounce = \"#nowhere\"\n").await;
    bot.slack.fault(
        "chat.postMessage",
        Fault::Error("channel_not_found".into()),
        1,
    );
    says(
        &bot,
        "ana",
        "general",
        "/incident declare p1 checkout is down",
    )
    .await;
    bot.comes_through().await;
    assert_snapshot!(warnings(&bot), @"#incident-2025-0914-001: :warning: Could not announce the incident: Slack knows no such channel. Create it, or invite the bot if it is private");
    assert_eq!(bot.channel(ROOM).pinned().count(), 1);
    gives_rest(bot).await;
}

#[tokio::test]
async fn an_incident_without_a_war_room_and_without_an_announcement_is_told_to_its_commander() {
    let bot = TestBot::start().await;
    bot.slack.fault(
        "chat.postMessage",
        Fault::Error("channel_not_found".into()),
        1,
    );
    says(&bot, "ana", "general", "/incident declare p4 a typo").await;
    bot.goes_on_for(minutes(2), SignedDuration::from_millis(500))
        .await;
    let told: Vec<String> = bot
        .user("ana")
        .dms()
        .iter()
        .map(MessageView::plain_text)
        .collect();
    assert_snapshot!(told.join("\n"), @":warning: Could not announce the incident: Slack knows no such channel. Create it, or invite the bot if it is private");
    assert!(
        says(
            &bot,
            "ana",
            "general",
            &format!("/incident note {ID} still here")
        )
        .await
        .contains("Noted")
    );
    bot.comes_through().await;
    gives_rest(bot).await;
}

#[tokio::test]
async fn a_scope_that_is_missing_is_named_once_and_the_rest_goes_on() {
    let bot = everything().await;
    let scopes: Vec<String> = firebell::simulator::all_scopes()
        .into_iter()
        .filter(|scope| {
            !["pins:write", "bookmarks:write", "usergroups:read"].contains(&scope.as_str())
        })
        .collect();
    let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
    bot.slack.grant(&scopes);
    says(&bot, "ana", "general", DECLARE).await;
    bot.comes_through().await;
    says(&bot, "ana", ROOM, "/incident severity p2").await;
    says(&bot, "ana", ROOM, "/incident update still looking").await;
    bot.comes_through().await;
    assert_snapshot!(warnings(&bot), @r#"
        #incident-2025-0914-001: :warning: Could not invite everybody: @sre (the Slack app lacks the scope usergroups:read. Add it under “OAuth &amp; Permissions” and install the app again). Mend [[people]] in firebell.toml, or invite them by hand
        #incident-2025-0914-001: :warning: Could not pin the summary card: the Slack app lacks the scope pins:write. Add it under “OAuth &amp; Permissions” and install the app again
        #incident-2025-0914-001: :warning: Could not add the bookmarks: the Slack app lacks the scope bookmarks:write. Add it under “OAuth &amp; Permissions” and install the app again
        "#);
    let members = bot.channel(ROOM).members;
    for name in ["ana", "bo", "cy"] {
        assert!(members.contains(&name.to_owned()), "{members:?}");
    }
    gives_rest(bot).await;
}

#[tokio::test]
async fn where_apps_may_not_create_channels_the_thread_serves_as_the_war_room() {
    let bot = TestBot::start().await;
    bot.slack.fault(
        "conversations.create",
        Fault::Error("restricted_action".into()),
        1,
    );
    says(
        &bot,
        "ana",
        "general",
        "/incident declare p1 checkout is down",
    )
    .await;
    bot.comes_through().await;
    assert_snapshot!(warnings(&bot), @"#incidents: :warning: There is no war room for INC-2025-0914-001: the workspace does not let apps do this; an administrator can allow it. This thread serves instead.");
    let announcement = from_bot(&bot.channel("incidents"))[0].clone();
    bot.clicks("bo", "incidents", &announcement.ts, "Acknowledge")
        .await;
    let replies = bot.channel("incidents");
    let replies = from_bot(&replies);
    assert_eq!(replies.len(), 3);
    assert!(
        replies[1..]
            .iter()
            .all(|post| post.thread_ts.as_ref() == Some(&announcement.ts))
    );
    assert_eq!(bot.incident(ID).await.room, Room::Thread);
    over(bot).await;
}

#[tokio::test]
async fn a_war_room_that_was_archived_is_told_once_and_the_incident_goes_on_in_the_thread() {
    let bot = TestBot::start().await;
    bot.types("ana", "general", "/incident declare p1 checkout is down")
        .await;
    bot.user("ana").archives(ROOM).await;
    for n in 1..=3 {
        says(
            &bot,
            "ana",
            "general",
            &format!("/incident update {ID} step {n}"),
        )
        .await;
        bot.comes_through().await;
    }
    says(&bot, "ana", "general", &format!("/incident ack {ID}")).await;
    bot.comes_through().await;
    assert_snapshot!(warnings(&bot), @"#incidents: :warning: There is no war room for INC-2025-0914-001: the channel is archived. This thread serves instead.");
    assert_snapshot!(headlines(&bot.channel("incidents")), @r#"
        :rotating_light: *INCIDENT DECLARED - P1*
        :bar_chart: *INCIDENT UPDATE - INC-2025-0914-001*
        :bar_chart: *INCIDENT UPDATE - INC-2025-0914-001*
        :warning: There is no war room for INC-2025-0914-001: the channel is archived. This thread serves instead.
        :bar_chart: *INCIDENT UPDATE - INC-2025-0914-001*
        :bar_chart: *INCIDENT UPDATE - INC-2025-0914-001*
        :eyes: Acknowledged by <@U0000000001>.
        "#);
    gives_rest(bot).await;
}

#[tokio::test]
async fn who_cannot_be_invited_is_named_once_and_all_others_come() {
    let people: String = (0..6)
        .map(|n| {
            format!("[[people]]\nid = \"p{n}\"\nname = \"P{n}\"\nemail = \"p{n}@example.com\"\n")
        })
        .collect();
    let bot = TestBot::configured(&format!(
        "[[severities]]\nid = \"p1\"\nname = \"P1\"\ninvite = [{}, \"usergroup:gone\"]\n{people}\
         [[people]]\nid = \"u\"\nname = \"Una\"\nslack = \"U0UNKNOWN9\"\n",
        (0..6)
            .map(|n| format!("\"person:p{n}\""))
            .chain(["\"person:u\"".to_owned()])
            .collect::<Vec<_>>()
            .join(", ")
    ))
    .await;
    for n in 0..6 {
        if n == 2 {
            bot.slack
                .add_user_with("p2", Some("p2@example.com"), "Europe/Berlin", true);
        } else if n != 4 {
            bot.slack.add_user(&format!("p{n}"));
        }
    }
    bot.slack
        .fault("conversations.invite", Fault::LoseAnswerAfter, 2);
    says(
        &bot,
        "ana",
        "general",
        "/incident declare p1 checkout is down",
    )
    .await;
    bot.comes_through().await;
    assert_snapshot!(warnings(&bot), @"#incident-2025-0914-001: :warning: Could not invite everybody: P2 (unknown to Slack), P4 (unknown to Slack), @gone (no such user group), U0UNKNOWN9 (user_not_found). Mend [[people]] in firebell.toml, or invite them by hand");
    let members: BTreeSet<String> = bot.channel(ROOM).members.into_iter().collect();
    let members: Vec<&str> = members.iter().map(String::as_str).collect();
    assert_eq!(members, ["ana", "firebell", "p0", "p1", "p3", "p5"]);
    over(bot).await;
}

#[tokio::test]
async fn a_large_room_is_filled_although_one_of_the_invited_is_unknown() {
    let bot = TestBot::configured(
        "[[severities]]\nid = \"p1\"\nname = \"P1\"\ninvite = [\"person:u\", \"usergroup:all\"]\n\
         [[people]]\nid = \"u\"\nname = \"Una\"\nslack = \"U0UNKNOWN9\"\n",
    )
    .await;
    let names: Vec<String> = (0..120).map(|n| format!("p{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for name in &names {
        bot.slack.add_user(name);
    }
    bot.slack.add_group("all", &names);
    says(
        &bot,
        "ana",
        "general",
        "/incident declare p1 checkout is down",
    )
    .await;
    bot.comes_through().await;
    // ana, all of the group, and the bot.
    assert_eq!(bot.channel(ROOM).members.len(), 122);
    assert_snapshot!(warnings(&bot), @"#incident-2025-0914-001: :warning: Could not invite everybody: U0UNKNOWN9 (user_not_found). Mend [[people]] in firebell.toml, or invite them by hand");
    over(bot).await;
}

/// A slash command's form, typed by ana in #general; `trigger` tells it from every other.
fn slash(bot: &TestBot, trigger: &str, text: &str) -> String {
    let ana = bot.user("ana").id;
    let general = bot.channel("general").id;
    serde_urlencoded::to_string([
        ("team_id", "T0000000001"),
        ("channel_id", &general),
        ("user_id", &ana),
        ("user_name", "ana"),
        ("command", "/incident"),
        ("text", text),
        ("trigger_id", trigger),
    ])
    .unwrap()
}

#[tokio::test]
async fn a_slash_command_that_is_delivered_twice_has_one_effect_and_the_same_answer() {
    let bot = TestBot::start().await;
    let declare = slash(&bot, "1.1.a", "declare p1 checkout is down");
    let note = slash(&bot, "1.2.b", &format!("note {ID} restarted the pods"));
    let ack = slash(&bot, "1.3.c", &format!("ack {ID}"));
    let mut answers = Vec::new();
    let (first, second) = tokio::join!(
        bot.sends("/slack/commands", &declare),
        bot.sends("/slack/commands", &declare)
    );
    answers.extend([first, second]);
    bot.comes_through().await;
    answers.push(bot.sends("/slack/commands", &note).await);
    answers.push(bot.sends("/slack/commands", &note).await);
    answers.push(bot.sends("/slack/commands", &ack).await);
    answers.push(bot.sends("/slack/commands", &ack).await);
    bot.comes_through().await;
    let bot = bot.restarted().await;
    answers.push(bot.sends("/slack/commands", &declare).await);
    answers.push(bot.sends("/slack/commands", &note).await);
    answers.push(bot.sends("/slack/commands", &ack).await);
    bot.comes_through().await;
    let texts: Vec<String> = answers
        .iter()
        .map(|(status, body)| {
            assert_eq!(*status, 200);
            let body: Value = serde_json::from_str(body).unwrap();
            body["text"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_snapshot!(texts.join("\n---\n"), @r#"
        Declared *INC-2025-0914-001* (P1 - Critical): checkout is down
        The war room #incident-2025-0914-001 is being opened; you will be invited.
        ---
        Declared *INC-2025-0914-001* (P1 - Critical): checkout is down
        The war room #incident-2025-0914-001 is being opened; you will be invited.
        ---
        Noted on the timeline of INC-2025-0914-001.
        ---
        Noted on the timeline of INC-2025-0914-001.
        ---
        You have INC-2025-0914-001.
        ---
        You have INC-2025-0914-001.
        ---
        Declared *INC-2025-0914-001* (P1 - Critical): checkout is down
        The war room is <#C0000000004>.
        ---
        Noted on the timeline of INC-2025-0914-001.
        ---
        You have INC-2025-0914-001.
        "#);
    assert_eq!(bot.store.all_ids().await.unwrap().len(), 1);
    let notes = from_bot(&bot.channel(ROOM))
        .iter()
        .filter(|post| post.plain_text().contains("restarted the pods"))
        .count();
    assert_eq!(notes, 1);
    over(bot).await;
}

#[tokio::test]
async fn a_click_that_is_delivered_twice_has_one_effect() {
    let bot = TestBot::start().await;
    bot.types("ana", "general", "/incident declare p1 checkout is down")
        .await;
    let room = bot.channel(ROOM);
    let card = room.pinned().next().unwrap().clone();
    let buttons = card.blocks.last().unwrap();
    let button = buttons["elements"][0].clone();
    let payload = json!({
        "type": "block_actions", "team": { "id": "T0000000001" },
        "user": { "id": bot.user("bo").id, "username": "bo" },
        "channel": { "id": room.id }, "trigger_id": "7.7.click", "actions": [button],
    });
    let form = serde_urlencoded::to_string([("payload", payload.to_string())]).unwrap();
    let (first, second) = tokio::join!(
        bot.sends("/slack/interactions", &form),
        bot.sends("/slack/interactions", &form)
    );
    bot.comes_through().await;
    let bot = bot.restarted().await;
    let third = bot.sends("/slack/interactions", &form).await;
    bot.comes_through().await;
    assert_eq!([first, second, third], [const { (200, String::new()) }; 3]);
    let acknowledged = from_bot(&bot.channel(ROOM))
        .iter()
        .filter(|post| post.plain_text().starts_with(":eyes:"))
        .count();
    assert_eq!(acknowledged, 1);
    over(bot).await;
}

/// The entries of the timeline that keep a message or a follow-up, with the moment at which they happened.
async fn kept(bot: &TestBot) -> String {
    let id = firebell::domain::terms::IncidentId::new(ID);
    let rows = bot.store.events_after(&id, 0).await.unwrap();
    let mut lines = Vec::new();
    for row in rows {
        let recorded = row.recorded().unwrap();
        if ["message_kept", "follow_up_added", "effect_failed"].contains(&row.kind.as_str()) {
            let text = firebell::domain::timeline::tell(&recorded).text;
            lines.push(format!(
                "{} {}: {text}",
                recorded.happened_at.strftime("%H:%M"),
                row.kind
            ));
        }
    }
    // They are fetched side by side: the order in which they come back means nothing.
    lines.sort();
    lines.join("\n")
}

#[tokio::test]
async fn marks_put_a_message_on_the_timeline_once_with_the_time_at_which_it_was_written() {
    let bot = TestBot::start().await;
    bot.types("ana", "general", "/incident declare p1 checkout is down")
        .await;
    let bo = bot.user("bo");
    bo.joins(ROOM).await;
    bot.user("cy").joins(ROOM).await;
    bot.advance(minutes(1)).await;
    let said = bo.says(ROOM, "the pods of 14:31 were restarted").await;
    let reply = bo.replies(ROOM, &said, "and it helped <!channel>").await;
    let toned = bo.says(ROOM, "database is at 100 %").await;
    let todo = bo.says(ROOM, "we need an alarm here").await;
    let gone = bo.says(ROOM, "a password").await;
    let elsewhere = bo.says("general", "lunch?").await;
    bot.advance(minutes(5)).await;
    bo.reacts(ROOM, &said, "pushpin").await;
    bot.slack.settle().await;
    bot.user("cy").reacts(ROOM, &said, "pushpin").await;
    bot.user("cy").pins(ROOM, &said).await;
    bo.pins(ROOM, &reply).await;
    bo.reacts(ROOM, &toned, "pushpin::skin-tone-3").await;
    bo.reacts(ROOM, &toned, "eyes").await;
    bo.reacts(ROOM, &todo, "white_check_mark").await;
    bot.slack.settle().await;
    bot.user("cy").reacts(ROOM, &todo, "white_check_mark").await;
    bo.reacts("general", &elsewhere, "pushpin").await;
    bo.reacts("general", &elsewhere, "white_check_mark").await;
    bot.slack.settle().await;
    bot.comes_through().await;
    bo.reacts(ROOM, &gone, "pushpin").await;
    bot.slack.settle().await;
    bo.deletes(ROOM, &gone).await;
    bot.comes_through().await;
    let marks: Vec<String> = bot
        .slack
        .deliveries()
        .into_iter()
        .filter(|delivery| ["reaction_added", "pin_added"].contains(&delivery.kind.as_str()))
        .map(|delivery| delivery.event_id)
        .collect();
    assert!(marks.len() >= 10, "{marks:?}");
    for mark in &marks {
        assert!(bot.slack.redeliver(mark).await);
    }
    bot.comes_through().await;
    let bot = bot.restarted().await;
    for mark in &marks {
        assert!(bot.slack.redeliver(mark).await);
    }
    bot.comes_through().await;
    assert_snapshot!(kept(&bot).await, @r#"
        14:31 message_kept: @bo: and it helped <!channel>
        (pinned by @U0000000002)
        14:31 message_kept: @bo: database is at 100 %
        (marked with :pushpin: by @U0000000002)
        14:31 message_kept: @bo: the pods of 14:31 were restarted
        (marked with :pushpin: by @U0000000002)
        14:36 effect_failed: Could not put a marked message on the timeline: the message is gone
        14:36 follow_up_added: Follow-up 1: we need an alarm here
        "#);
    over(bot).await;
}

#[tokio::test]
async fn while_every_call_to_slack_is_slow_people_are_answered_at_once() {
    let bot = TestBot::start().await;
    bot.types("ana", "general", "/incident declare p1 checkout is down")
        .await;
    let bo = bot.user("bo");
    bo.joins(ROOM).await;
    let card = bot.card(ROOM);
    bot.slack
        .fault("*", Fault::Slow(Duration::from_secs(6)), usize::MAX);
    // The dispatcher is in the middle of a slow call all the while.
    says(&bot, "ana", ROOM, "/incident note busy").await;
    let settled = bot.app.settle();
    tokio::pin!(settled);
    let people = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let most = Duration::from_millis(100);
        let answer = bo.types(ROOM, "/incident update slow").await;
        assert!(answer.elapsed < most, "a command: {:?}", answer.elapsed);
        let answer = bo.types("general", "/incident declare p2 another").await;
        assert!(answer.elapsed < most, "a declaration: {:?}", answer.elapsed);
        let answer = bo.clicks(ROOM, &card, "Acknowledge").await;
        assert!(answer.elapsed < most, "a click: {:?}", answer.elapsed);
        let said = bo.says(ROOM, "look").await;
        let begun = std::time::Instant::now();
        bo.reacts(ROOM, &said, "pushpin").await;
        bot.slack.settle().await;
        assert!(begun.elapsed() < most, "events: {:?}", begun.elapsed());
    };
    tokio::select! {
        _ = &mut settled => panic!("the calls were not slow"),
        () = people => {}
    }
    // What was begun is abandoned here as a crash would: the house is left as it stands.
    assert_eq!(bot.store.all_ids().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_title_that_is_meant_to_hurt_hurts_nobody() {
    let long = "ä".repeat(3_000);
    let titles = [
        "<!channel> <!here> <@U0000000002> @everyone",
        "``` `code` *bold* _it_ ~no~ > quote",
        &long,
        "🔥🔥🔥 ﷽ 👨‍👩‍👧‍👦",
        "\u{202e}desrever\u{202c} \u{200f}עברית",
        "</script><script>alert(1)</script> & &amp; &lt;",
        "!!!???---",
        "<https://evil.example|https://bank.example>",
        "{{ 7 * 7 }} {% for x in y %}",
        "a\u{0}b\u{7}c",
    ];
    let bot = TestBot::start().await;
    for (n, title) in (1..).zip(titles) {
        let body = slash(&bot, &format!("9.{n}"), &format!("declare p1 {title}"));
        let (status, answer) = bot.sends("/slack/commands", &body).await;
        assert_eq!(status, 200, "{answer}");
        let id = format!("INC-2025-0914-{n:03}");
        for line in ["update", "note", "followup", "resolve"] {
            let body = slash(
                &bot,
                &format!("9.{n}.{line}"),
                &format!("{line} {id} {title}"),
            );
            assert_eq!(bot.sends("/slack/commands", &body).await.0, 200);
        }
        let body = slash(&bot, &format!("9.{n}.list"), "timeline");
        bot.sends("/slack/commands", &body).await;
        bot.goes_on_for(minutes(1), SignedDuration::from_millis(250))
            .await;
    }
    bot.comes_through().await;
    assert_eq!(bot.store.all_ids().await.unwrap().len(), titles.len());
    let invalid: Vec<_> = bot
        .slack
        .calls()
        .into_iter()
        .filter(|call| call.answer["ok"] == false)
        .map(|call| (call.method, call.answer))
        .collect();
    assert!(invalid.is_empty(), "{invalid:#?}");
    for channel in bot.slack.channels() {
        let legal = channel
            .name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
        assert!(
            legal && (1..=80).contains(&channel.name.len()),
            "{}",
            channel.name
        );
        for post in from_bot(&channel) {
            let raw = format!("{}{}", post.text, json!(post.blocks));
            for bad in [
                "<!channel",
                "<!here",
                "<!everyone",
                "|https://bank",
                "<script",
            ] {
                assert!(!raw.contains(bad), "{bad} in {raw}");
            }
            assert!(!post.text.is_empty());
        }
    }
    bot.slack.mark_read();
    bot.finish().await;
}

#[tokio::test]
async fn an_audit_of_a_record_that_is_being_written_raises_no_false_alarm() {
    let bot = TestBot::start().await;
    bot.types("ana", "general", "/incident declare p4 a typo")
        .await;
    let id = firebell::domain::terms::IncidentId::new(ID);
    let writing = async {
        for n in 0..60 {
            let note = format!("/incident note {ID} step {n}");
            says(&bot, "ana", "general", &note).await;
        }
    };
    let auditing = async {
        for _ in 0..150 {
            assert_eq!(bot.store.audit(&id).await.unwrap(), Vec::<String>::new());
        }
    };
    tokio::join!(writing, auditing);
    bot.comes_through().await;
    over(bot).await;
}

#[tokio::test]
async fn two_bots_on_one_sqlite_file_do_everything_once() {
    let scratch = Scratch::sqlite().await;
    scratch
        .holds(async |scratch| two_bots(&scratch.url).await)
        .await;
}

#[tokio::test]
async fn two_bots_on_one_postgresql_do_everything_once() {
    let scratch = Scratch::postgres().await;
    scratch
        .holds(async |scratch| two_bots(&scratch.url).await)
        .await;
}

/// Bo is called at once, Cy a minute later.
const PAGED: &str = r##"
    [[severities]]
    id = "p1"
    name = "P1 - Critical"
    escalation_policy = "on-call"
    [[people]]
    id = "bo"
    name = "bo"
    slack = "@bo"
    [[people]]
    id = "cy"
    name = "cy"
    slack = "@cy"
    [[escalation_policies]]
    id = "on-call"
    steps = [
      { after = "0m", notify = ["person:bo"] },
      { after = "5m", notify = ["person:cy"] },
    ]
    "##;

async fn two_bots(url: &str) {
    let clock = Clock::by_hand(START.parse().unwrap());
    let slack = workspace(&clock).await;
    slack.add_channel("incidents", false, &["ana", "bo", "cy"]);
    let catalog = || firebell::config::parse(PAGED, "firebell.toml").unwrap().0;
    let one = build(url, catalog(), &slack, &clock).await;
    let two = build(url, catalog(), &slack, &clock).await;
    let ana = slack.user("ana");
    for n in 1..=5 {
        connect(&one, &slack).await;
        let declared = ana
            .types("general", &format!("/incident declare p1 a{n}"))
            .await;
        assert_eq!(declared.status, 200);
        connect(&two, &slack).await;
        let declared = ana
            .types("general", &format!("/incident declare p1 b{n}"))
            .await;
        assert_eq!(declared.status, 200);
    }
    let store = one.desk().store.clone();
    for _ in 0..2_000 {
        let (first, second) = tokio::join!(one.settle(), two.settle());
        first.unwrap();
        second.unwrap();
        slack.settle().await;
        // Both steps were reached, and all was said of them.
        let cys = slack.user("cy").dms().len();
        if store.waiting(clock.now()).await.unwrap().due == 0
            && store.next_due(Lane::Chat).await.unwrap().is_none()
            && store.next_due(Lane::PagesBySlack).await.unwrap().is_none()
            && cys == 10
        {
            break;
        }
        clock.advance(SignedDuration::from_millis(250));
    }
    for who in ["bo", "cy"] {
        assert_eq!(
            slack.user(who).dms().len(),
            10,
            "{who} is paged once for each"
        );
    }
    let rooms: Vec<_> = slack
        .channels()
        .into_iter()
        .filter(|channel| channel.name.starts_with("incident-"))
        .collect();
    assert_eq!(rooms.len(), 10);
    for room in &rooms {
        assert_eq!(room.pinned().count(), 1, "#{}", room.name);
        assert_eq!(
            from_bot(room).len(),
            3,
            "#{}: the card, and each step",
            room.name
        );
        assert_eq!(noted(room, "channel_topic"), 1, "#{}", room.name);
        assert!(room.members.contains(&"ana".to_owned()), "#{}", room.name);
    }
    let announced = slack.channel("incidents").unwrap();
    assert_eq!(from_bot(&announced).len(), 10);
    let mut ids = store.all_ids().await.unwrap();
    ids.dedup();
    assert_eq!(ids.len(), 10);
    for id in &ids {
        assert_eq!(store.audit(id).await.unwrap(), Vec::<String>::new());
    }
    let waiting = store.waiting(clock.now()).await.unwrap();
    assert_eq!((waiting.due, waiting.buried), (0, 0));
    // Not `finish()`: two bots share this house.
}
