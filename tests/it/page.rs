//! What the page of the simulator is told: nothing but what its person may see, and changes as they happen.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use axum::http::Request;
use bytes::Bytes;
use firebell::simulator::{Options, Workspace};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use crate::harness::{get, send};

async fn workspace() -> Workspace {
    let slack = Workspace::start(Options::default()).await.unwrap();
    for name in ["ana", "bo"] {
        slack.add_user(name);
    }
    slack.add_bot_to("#general");
    slack
}

async fn seen(slack: &Workspace, path: &str) -> Value {
    let (status, body) = get(&slack.origin(), path, None).await;
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

async fn does(slack: &Workspace, deed: &str, body: Value) -> (u16, Value) {
    let headers = [("content-type", "application/json".to_owned())];
    let path = format!("/page/do/{deed}");
    let (status, answer) = send(&slack.origin(), &path, &headers, &body.to_string()).await;
    (status, serde_json::from_str(&answer).unwrap_or_default())
}

/// The Web API, as the bot asks it with a form.
async fn asks(slack: &Workspace, method: &str, form: &[(&str, &str)]) -> Value {
    let headers = [
        (
            "content-type",
            "application/x-www-form-urlencoded".to_owned(),
        ),
        ("authorization", "Bearer xoxb-simulator".to_owned()),
    ];
    let body: Vec<String> = form
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let path = format!("/api/{method}");
    let (_, answer) = send(&slack.origin(), &path, &headers, &body.join("&")).await;
    serde_json::from_str(&answer).unwrap()
}

/// The Web API, as the bot calls it.
async fn calls(slack: &Workspace, method: &str, body: Value) {
    let headers = [
        ("content-type", "application/json; charset=utf-8".to_owned()),
        ("authorization", "Bearer xoxb-simulator".to_owned()),
    ];
    let path = format!("/api/{method}");
    let (_, answer) = send(&slack.origin(), &path, &headers, &body.to_string()).await;
    assert!(
        answer.starts_with(r#"{"ok":true"#) || answer.contains(r#""ok":true"#),
        "{answer}"
    );
}

fn names(state: &Value) -> Vec<&str> {
    let channels = state["channels"].as_array().unwrap().iter();
    channels
        .map(|channel| channel["name"].as_str().unwrap())
        .filter(|name| !name.is_empty())
        .collect()
}

#[tokio::test]
async fn nobody_sees_what_is_not_for_their_eyes() {
    let slack = workspace().await;
    let secret = slack.add_channel("secret", true, &["ana"]);
    let ts = slack.user("ana").says("#secret", "the key is lost").await;
    assert_eq!(
        names(&seen(&slack, "/page/state?as=ana").await),
        ["general", "secret"]
    );
    assert_eq!(names(&seen(&slack, "/page/state?as=bo").await), ["general"]);
    for path in ["history", "thread", "pins"] {
        let path = format!("/page/{path}?as=bo&channel={secret}&ts={ts}");
        assert_eq!(seen(&slack, &path).await["messages"], json!([]));
    }
    let deed = json!({"as": "bo", "channel": secret, "ts": ts, "emoji": "eyes"});
    let (status, answer) = does(&slack, "react", deed).await;
    assert_eq!(
        (status, answer["error"].as_str().unwrap()),
        (400, "bo is not in #secret")
    );

    let general = slack.channel("general").unwrap().id;
    let ana = slack.user("ana").id;
    let whisper = json!({"channel": general, "user": ana, "text": "only for you"});
    calls(&slack, "chat.postEphemeral", whisper).await;
    let history = |who: &str| format!("/page/history?as={who}&channel={general}");
    let texts = |seen: Value| -> Vec<String> {
        let messages = seen["messages"].as_array().unwrap().iter();
        messages
            .map(|m| m["text"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(texts(seen(&slack, &history("ana")).await), ["only for you"]);
    assert!(texts(seen(&slack, &history("bo")).await).is_empty());
}

#[tokio::test]
async fn a_direct_message_of_two_people_is_for_the_two_alone() {
    let slack = workspace().await;
    slack.add_user("cy");
    slack.connect_socket_mode();
    let (ana, bo) = (slack.user("ana"), slack.user("bo"));
    let (status, answer) = does(&slack, "open_direct", json!({"as": "ana", "user": bo.id})).await;
    let direct = answer["channel"]["id"].as_str().unwrap().to_owned();
    assert_eq!((status, &direct[..1]), (200, "D"));
    assert_eq!(ana.opens_direct("bo"), direct, "there is one for the two");
    assert_ne!(ana.opens_direct("cy"), direct);
    let opens = async |user: &str| {
        does(&slack, "open_direct", json!({"as": "ana", "user": user}))
            .await
            .0
    };
    for nobody in [&ana.id, "U0000000BOT", "nobody"] {
        assert_eq!(opens(nobody).await, 400);
    }

    let seen_of = async |who: &str| {
        let state = seen(&slack, &format!("/page/state?as={who}")).await;
        let mut channels = state["channels"].as_array().unwrap().iter();
        channels.find(|channel| channel["id"] == direct).cloned()
    };
    assert!(seen_of("ana").await.is_some());
    assert_eq!(seen_of("bo").await, None, "nothing was said yet");
    let ts = ana.says(&direct, "for you alone, not for @firebell").await;
    ana.reacts(&direct, &ts, "eyes").await;
    let at_bo = seen_of("bo").await.unwrap();
    assert_eq!(
        (&at_bo["unread"], &at_bo["mentions"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(seen_of("cy").await, None);
    let path = format!("/page/history?as=cy&channel={direct}");
    assert_eq!(seen(&slack, &path).await["messages"], json!([]));

    // The app is not in it: it hears nothing, and finds nothing.
    slack.settle().await;
    assert!(slack.deliveries().is_empty());
    let direct_by = [("channel", direct.as_str()), ("text", "hello")];
    for method in [
        "conversations.info",
        "conversations.history",
        "chat.postMessage",
    ] {
        let answer = asks(&slack, method, &direct_by).await;
        assert_eq!(answer["error"], "channel_not_found", "{method}");
    }
    let all = asks(&slack, "conversations.list", &[("types", "im")]).await;
    assert!(!all["channels"].to_string().contains(&direct));
    let own = asks(&slack, "conversations.open", &[("users", &bo.id)]).await;
    assert_ne!(
        own["channel"]["id"], direct,
        "the app has another one with each"
    );
}

#[tokio::test]
async fn a_long_history_comes_in_parts_that_fit_together() {
    let slack = workspace().await;
    let general = slack.channel("general").unwrap().id;
    for n in 0..25 {
        slack.user("ana").says("#general", &n.to_string()).await;
    }
    let part = async |more: &str| {
        let path = format!("/page/history?as=bo&channel={general}&limit=10{more}");
        let seen = seen(&slack, &path).await;
        let messages = seen["messages"].as_array().unwrap().clone();
        let ends = [&messages[0]["ts"], &messages[messages.len() - 1]["ts"]];
        let ends = ends.map(|ts| ts.as_str().unwrap().to_owned());
        let texts: Vec<i32> = messages
            .iter()
            .map(|m| m["text"].as_str().unwrap().parse().unwrap())
            .collect();
        let more = (seen["has_more"] == true, seen["has_newer"] == true);
        (texts, more, ends)
    };
    let (newest, more, [first, _]) = part("").await;
    assert_eq!((newest, more), ((15..25).collect(), (true, false)));
    let (before, more, [first, last]) = part(&format!("&before={first}")).await;
    assert_eq!((before, more), ((5..15).collect(), (true, true)));
    let (after, more, _) = part(&format!("&after={last}")).await;
    assert_eq!((after, more), ((15..25).collect(), (true, false)));
    let (around, more, _) = part(&format!("&around={first}")).await;
    assert_eq!((around, more), ((0..10).collect(), (false, true)));
}

#[tokio::test]
async fn reading_takes_the_unread_mark_away_and_never_puts_it_back() {
    let slack = workspace().await;
    let general = slack.channel("general").unwrap().id;
    let first = slack.user("ana").says("#general", "one").await;
    let second = slack.user("ana").says("#general", "two for @bo").await;
    let marks = async |who: &str| {
        let state = seen(&slack, &format!("/page/state?as={who}")).await;
        let channels = state["channels"].as_array().unwrap();
        let channel = channels.iter().find(|c| c["name"] == "general").unwrap();
        (channel["unread"].clone(), channel["mentions"].clone())
    };
    assert_eq!(marks("ana").await, (json!(0), json!(0)));
    assert_eq!(marks("bo").await, (json!(2), json!(1)));
    for ts in [&second, &first] {
        does(
            &slack,
            "read",
            json!({"as": "bo", "channel": general, "ts": ts}),
        )
        .await;
        assert_eq!(marks("bo").await, (json!(0), json!(0)));
    }
}

#[tokio::test]
async fn changes_are_told_as_they_happen_to_those_who_may_know() {
    let slack = workspace().await;
    slack.add_channel("secret", true, &["ana"]);
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let path = format!("{}/page/events?as=bo", slack.origin());
    let request = Request::get(path).body(Full::default()).unwrap();
    let mut events = client.request(request).await.unwrap().into_body();
    let mut heard = String::new();
    let mut hear = async |words: &str| {
        let waits = async {
            while !heard.contains(words) {
                let frame = events.frame().await.unwrap().unwrap();
                heard.push_str(&String::from_utf8_lossy(frame.data_ref().unwrap()));
            }
        };
        let patience = std::time::Duration::from_secs(10);
        let came = tokio::time::timeout(patience, waits).await;
        assert!(came.is_ok(), "never told: {words}\n{heard}");
        heard.clone()
    };
    hear("event: hello").await;
    slack.user("ana").says("#secret", "nobody else").await;
    let ts = slack.user("ana").says("#general", "for all").await;
    let told = hear("for all").await;
    assert!(
        !told.contains("nobody else") && !told.contains("secret"),
        "{told}"
    );
    slack.user("ana").edits("#general", &ts, "changed").await;
    hear(r#""text":"changed""#).await;
    slack.user("ana").reacts("#general", &ts, "eyes").await;
    hear(r#""name":"eyes""#).await;
    slack.user("ana").deletes("#general", &ts).await;
    hear(r#""kind":"gone""#).await;
}

/// Every file of a folder and of the folders in it; the file itself, if it is one.
fn files(place: &Path) -> Vec<PathBuf> {
    if place.is_file() {
        return vec![place.to_owned()];
    }
    let inside = fs::read_dir(place).unwrap();
    inside
        .flat_map(|entry| files(&entry.unwrap().path()))
        .collect()
}

/// The names in colons, and what a scenario's people react with. `a::b` is a path and `14:30:05` a time of day.
fn emoji_in(text: &str) -> BTreeSet<String> {
    let shapes = [
        r"(?m)(?:^|[^\w:]):([+-]1|[a-z][a-z0-9_+'-]*):(?:[^\w:]|$)",
        r#"reacts = "([^"]+)""#,
    ];
    let shapes = shapes.map(|shape| regex_lite::Regex::new(shape).unwrap());
    let found = shapes.iter().flat_map(|shape| shape.captures_iter(text));
    found.map(|names| names[1].to_owned()).collect()
}

#[test]
fn the_page_knows_every_emoji_that_the_bot_and_the_scenarios_name() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("src/simulator/page/web/emoji.js")).unwrap();
    let table = page.split_once("const TABLE = `").unwrap().1;
    let table = table.split_once('`').unwrap().0;
    let known: BTreeSet<&str> = table
        .split(['|', '\n'])
        .filter_map(|entry| Some(entry.rsplit_once(' ')?.0))
        .collect();

    let places = [
        "templates/slack",
        "templates/scenarios",
        "src/slack",
        "src/desk",
        "src/domain/timeline.rs",
    ];
    let mut named = BTreeMap::new();
    for path in places.iter().flat_map(|place| files(&root.join(place))) {
        let emoji = emoji_in(&fs::read_to_string(&path).unwrap());
        named.extend(emoji.into_iter().map(|name| (name, path.clone())));
    }
    assert!(named.len() > 10, "names are found at all: {named:?}");
    named.retain(|name, _| !known.contains(name.as_str()));
    assert!(named.is_empty(), "not in emoji.js: {named:?}");
}
