//! Troubles that last: large workspaces, orders that can never be done, clocks that jump, replicas that stall.

use std::time::Duration;

use firebell::clock::Clock;
use firebell::domain::catalog::Catalog;
use firebell::domain::effect::Lane;
use firebell::domain::incident::Room;
use firebell::simulator::{ChannelView, Fault, MessageView};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::{TestBot, build, get, minutes};

const ID: &str = "INC-2025-0914-001";
const ROOM: &str = "incident-2025-0914-001";
const SECOND: SignedDuration = SignedDuration::from_secs(1);

async fn says(bot: &TestBot, channel: &str, line: &str) {
    let answer = bot.user("ana").types(channel, line).await;
    assert_eq!(answer.status, 200, "{line}: {answer:?}");
}

/// Lets time go by until nothing waits. Gives how long it took.
async fn until_done(bot: &TestBot, most: SignedDuration) -> SignedDuration {
    let begun = bot.clock.now();
    loop {
        bot.app.settle().await.unwrap();
        let took = bot.clock.now().duration_since(begun);
        let Some(at) = bot.store.next_due(Lane::Chat).await.unwrap() else {
            return took;
        };
        let waiting = bot.store.waiting(bot.clock.now()).await.unwrap();
        assert!(took < most, "after {took:#} {waiting:?} waits");
        let wait = at.duration_since(bot.clock.now());
        bot.clock.advance(wait.max(SignedDuration::from_millis(1)));
    }
}

fn called(bot: &TestBot, method: &str) -> usize {
    let calls = bot.slack.calls();
    calls.iter().filter(|call| call.method == method).count()
}

/// How many of the bot's messages in a channel say this.
fn said(channel: &ChannelView, text: &str) -> usize {
    let posts = channel.posts();
    posts
        .filter(|post| post.from_bot && post.plain_text().contains(text))
        .count()
}

#[tokio::test]
async fn a_handle_is_found_among_thousands_and_the_list_is_read_once() {
    let bot = TestBot::configured(
        "[[people]]\nid = \"zoe\"\nname = \"Zoe\"\nslack = \"@zoe\"\n\
         [[people]]\nid = \"ghost\"\nname = \"Ghost\"\nslack = \"@ghost\"\n\
         [[severities]]\nid = \"p1\"\nname = \"P1\"\ninvite = [\"person:zoe\", \"person:ghost\"]\n",
    )
    .await;
    for n in 0..2_500 {
        bot.slack.add_user(&format!("u{n}"));
    }
    bot.slack.add_user("zoe");
    says(&bot, "general", "/incident declare p1 checkout is down").await;
    says(&bot, "general", "/incident declare p1 search is down").await;
    until_done(&bot, minutes(2)).await;
    for room in [ROOM, "incident-2025-0914-002"] {
        let members = bot.channel(room).members;
        assert!(members.contains(&"zoe".to_owned()), "{room}: {members:?}");
    }
    assert_eq!(called(&bot, "users.list"), 3);
}

#[tokio::test]
async fn a_war_room_whose_answer_was_lost_is_found_among_thousands_of_channels() {
    let bot = TestBot::start().await;
    for n in 0..7_500 {
        bot.slack.add_channel(&format!("c{n}"), false, &["cy"]);
    }
    bot.slack
        .fault("conversations.create", Fault::LoseAnswerAfter, 1);
    says(&bot, "general", "/incident declare p1 checkout is down").await;
    let took = until_done(&bot, minutes(2)).await;
    assert!(took < minutes(1), "{took:#}");
    let room = bot.channel(ROOM);
    assert_eq!(room.pinned().count(), 1);
    assert!(called(&bot, "conversations.list") <= 10);
}

#[tokio::test]
async fn eighteen_names_are_learned_and_each_is_asked_for_once() {
    let bot = TestBot::start().await;
    bot.types("ana", "general", "/incident declare p1 checkout is down")
        .await;
    let before = called(&bot, "users.info");
    let ids: Vec<String> = (0..18)
        .map(|n| bot.slack.add_user(&format!("m{n}")))
        .collect();
    let mentions: String = ids.iter().map(|id| format!(" <@{id}>")).collect();
    let body = serde_urlencoded::to_string([
        ("team_id", "T0000000001"),
        ("channel_id", &bot.channel(ROOM).id),
        ("user_id", &bot.user("ana").id),
        ("user_name", "ana"),
        ("command", "/incident"),
        ("text", &format!("note{mentions} are here")),
        ("trigger_id", "9.9"),
    ])
    .unwrap();
    let (status, answer) = bot.sends("/slack/commands", &body).await;
    assert_eq!(status, 200, "{answer}");
    until_done(&bot, minutes(1)).await;
    let names = bot.incident(ID).await.names.clone();
    assert_eq!(names.len(), 18, "{names:?}");
    assert_eq!(called(&bot, "users.info") - before, 18);
}

#[tokio::test]
async fn seven_hundred_people_are_invited() {
    let bot = TestBot::configured(
        "[[severities]]\nid = \"p1\"\nname = \"P1\"\ninvite = [\"usergroup:all\"]\n",
    )
    .await;
    let names: Vec<String> = (0..700).map(|n| format!("p{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for name in &names {
        bot.slack.add_user(name);
    }
    bot.slack.add_group("all", &names);
    says(&bot, "general", "/incident declare p1 checkout is down").await;
    until_done(&bot, minutes(2)).await;
    // ana, all of the group, and the bot.
    assert_eq!(bot.channel(ROOM).members.len(), 702);
}

#[tokio::test]
async fn whoever_was_stalled_past_the_lease_posts_nothing_any_more() {
    // Before the lease is renewed, and after.
    for stalled_ms in [500, 1_500] {
        let bot = TestBot::start().await;
        bot.types("ana", "general", "/incident declare p1 checkout is down")
            .await;
        let slack = &bot.slack;
        let other = build(&bot.database_url, Catalog::default(), slack, &bot.clock).await;
        bot.clock.advance(SignedDuration::from_secs(60));
        says(&bot, ROOM, "/incident update we are on it").await;
        slack.fault("chat.postMessage", Fault::LoseAnswerBefore, 2);
        bot.app.settle().await.unwrap();
        bot.clock.advance(SignedDuration::from_secs(5));
        // Each looks first whether it had posted before; one of them looks for long.
        let slow = Fault::Slow(Duration::from_millis(stalled_ms));
        slack.fault("conversations.history", slow, 1);
        let stalled = bot.app.dispatcher().run_one(Lane::Chat);
        let meanwhile = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            bot.clock.advance(SignedDuration::from_secs(20));
            for _ in 0..6 {
                other.dispatcher().run_one(Lane::Chat).await.unwrap();
            }
        };
        let (done, ()) = tokio::join!(stalled, meanwhile);
        done.unwrap();
        bot.comes_through().await;
        for channel in [ROOM, "incidents"] {
            let times = said(&bot.channel(channel), "INCIDENT UPDATE");
            assert_eq!(times, 1, "#{channel}, {stalled_ms} ms");
        }
        bot.finish_unread().await;
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_an_hour_holds_up_nothing() {
    let bot = TestBot::start().await;
    // Slack's clock is right all the while, and so is that of whoever takes the commands.
    let ahead = Clock::by_hand(bot.clock.now() + SignedDuration::from_hours(1));
    let other = build(&bot.database_url, Catalog::default(), &bot.slack, &ahead).await;
    for title in ["one", "two", "three"] {
        says(&bot, "general", &format!("/incident declare p1 {title}")).await;
        other.settle().await.unwrap();
    }
    bot.slack.fault("chat.update", Fault::Status(500), 2);
    says(&bot, "general", &format!("/incident ack {ID}")).await;
    other.settle().await.unwrap();
    ahead.advance(SignedDuration::from_hours(-1));
    says(&bot, "general", "/incident declare p1 login is down").await;
    for _ in 0..60 {
        other.settle().await.unwrap();
        bot.clock.advance(SECOND);
        ahead.advance(SECOND);
    }
    let fourth = bot.channel("incident-2025-0914-004");
    assert_eq!(fourth.pinned().count(), 1);
    assert_eq!(bot.store.next_due(Lane::Chat).await.unwrap(), None);
}

#[tokio::test]
async fn a_garbled_retry_after_silences_nobody_for_ever() {
    let bot = TestBot::start().await;
    let garbled = Fault::RateLimited {
        retry_after_s: 1_000_000_000_000,
    };
    bot.slack.fault("conversations.create", garbled, 1);
    says(&bot, "general", "/incident declare p1 checkout is down").await;
    let took = until_done(&bot, minutes(15)).await;
    assert!(took >= minutes(10), "{took:#}");
    assert_eq!(bot.channel(ROOM).pinned().count(), 1);
}

#[tokio::test]
async fn an_answer_goes_to_slack_alone_whatever_the_request_says() {
    let bot = TestBot::start().await;
    bot.types("ana", "general", "/incident declare p1 checkout is down")
        .await;
    let stranger = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = stranger.local_addr().unwrap().port();
    let payload = json!({
        "type": "block_actions", "team": { "id": "T0000000001" },
        "user": { "id": bot.user("bo").id, "username": "bo" }, "trigger_id": "7.7.click",
        "actions": [{ "action_id": "firebell:ack", "value": format!("{ID} ack") }],
        "response_url": format!("http://127.0.0.1:{port}/commands"),
    });
    let form = serde_urlencoded::to_string([("payload", payload.to_string())]).unwrap();
    let (status, _) = bot.sends("/slack/interactions", &form).await;
    assert_eq!(status, 200);
    bot.app.settle().await.unwrap();
    let called = tokio::time::timeout(Duration::from_millis(300), stranger.accept()).await;
    assert!(called.is_err(), "a stranger was called");
}

#[tokio::test]
async fn the_record_of_an_incident_in_a_thread_is_uploaded_there() {
    let bot = TestBot::start().await;
    bot.types("ana", "general", "/incident declare p4 a typo")
        .await;
    let export = format!("/incident export {ID}");
    bot.types("ana", "general", &export).await;
    let incidents = bot.channel("incidents");
    assert_eq!(incidents.files.len(), 1);
    assert_eq!(bot.incident(ID).await.failures, vec![]);
}

#[tokio::test]
async fn a_file_that_nobody_takes_holds_up_no_message_and_is_told() {
    let bot = TestBot::start().await;
    bot.types("ana", "general", "/incident declare p1 checkout is down")
        .await;
    bot.slack.fault("upload", Fault::Status(413), usize::MAX);
    says(&bot, ROOM, "/incident export html").await;
    says(&bot, ROOM, "/incident update we are on it").await;
    until_done(&bot, minutes(1)).await;
    let room = bot.channel(ROOM);
    assert_eq!(said(&room, "INCIDENT UPDATE"), 1);
    assert_eq!(said(&room, "Could not upload the record"), 1);
    let (_, ready) = get(&bot.url, "/readyz", None).await;
    let ready: Value = serde_json::from_str(&ready).unwrap();
    assert_eq!(ready["outbox"]["given_up"], 1, "{ready}");
    let last = &ready["outbox"]["last_given_up"];
    assert_eq!(last["what"], "upload the record");
    assert_eq!(last["why"], "uploading the file: HTTP status 413");
    assert_eq!(last["incident"], ID);
}

#[tokio::test]
async fn an_order_that_fails_for_hours_while_others_go_through_lets_them_pass() {
    let bot = TestBot::start().await;
    bot.types("ana", "general", "/incident declare p1 checkout is down")
        .await;
    let broken = Fault::Error("internal_error".into());
    bot.slack
        .fault("conversations.setTopic", broken, usize::MAX);
    says(
        &bot,
        "general",
        &format!("/incident status {ID} identified"),
    )
    .await;
    for n in 1..=5 {
        let update = format!("/incident update {ID} step {n}");
        says(&bot, "general", &update).await;
        bot.goes_on_for(minutes(11), SignedDuration::from_secs(20))
            .await;
    }
    // For less than an hour it is tried.
    assert_eq!(said(&bot.channel(ROOM), "INCIDENT UPDATE"), 0);
    bot.goes_on_for(minutes(15), SignedDuration::from_secs(20))
        .await;
    let room = bot.channel(ROOM);
    assert_eq!(said(&room, "INCIDENT UPDATE"), 5);
    assert_eq!(said(&room, "Could not set the topic"), 1);
}

#[tokio::test]
async fn what_the_room_cannot_be_told_is_told_to_the_commander() {
    let bot = TestBot::start().await;
    bot.types("ana", "general", "/incident declare p1 checkout is down")
        .await;
    let refused = Fault::Error("restricted_action".into());
    bot.slack.fault("chat.postMessage", refused, 1);
    says(&bot, ROOM, "/incident note a fuse has blown").await;
    until_done(&bot, minutes(1)).await;
    let told: Vec<String> = bot
        .user("ana")
        .dms()
        .iter()
        .map(MessageView::plain_text)
        .collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("Could not post into the war room"),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_war_room_is_not_left_because_slack_did_not_find_it_once() {
    let bot = TestBot::start().await;
    bot.types("ana", "general", "/incident declare p1 checkout is down")
        .await;
    let lost = Fault::Error("channel_not_found".into());
    bot.slack.fault("chat.postMessage", lost, 1);
    says(&bot, ROOM, "/incident note a fuse has blown").await;
    until_done(&bot, minutes(1)).await;
    assert_eq!(said(&bot.channel(ROOM), "a fuse has blown"), 1);
    let room = &bot.incident(ID).await.room;
    assert!(matches!(room, Room::Channel { .. }), "{room:?}");
}

#[tokio::test]
async fn once_the_announcements_channel_is_there_the_incident_is_announced() {
    let bot = TestBot::configured("[slack]\nannounce = \"#outages\"\n").await;
    let missing = Fault::Error("channel_not_found".into());
    bot.slack.fault("chat.postMessage", missing, 1);
    says(&bot, "general", "/incident declare p4 a typo").await;
    until_done(&bot, minutes(1)).await;
    assert_eq!(said(&bot.channel("outages"), ID), 0);
    let (_, ready) = get(&bot.url, "/readyz", None).await;
    assert!(
        ready.contains("degraded: Slack knows no such channel"),
        "{ready}"
    );
    says(
        &bot,
        "general",
        &format!("/incident note {ID} still a typo"),
    )
    .await;
    until_done(&bot, minutes(1)).await;
    assert!(said(&bot.channel("outages"), "a typo") >= 1);
    assert!(bot.incident(ID).await.announcement.is_some());
    let (_, ready) = get(&bot.url, "/readyz", None).await;
    assert!(!ready.contains("degraded"), "{ready}");
}

#[tokio::test]
async fn a_runbook_on_the_web_is_bookmarked_and_a_file_is_not() {
    let bot = TestBot::configured(
        "[[services]]\nid = \"backend\"\nname = \"Backend\"\n\
         runbooks = [\"backend.md\", \"https://wiki.example.com/backend\"]\n",
    )
    .await;
    let declare = "/incident declare p1 service:backend checkout is down";
    bot.types("ana", "general", declare).await;
    let room = bot.channel(ROOM);
    let links: Vec<&str> = room
        .bookmarks
        .iter()
        .map(|mark| mark.title.as_str())
        .collect();
    assert_eq!(links, ["Runbook"]);
}
