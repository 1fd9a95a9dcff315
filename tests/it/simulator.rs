//! A workspace with a small app of its own: people type, click, fill in and read.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use firebell::simulator::{Fault, Options, RequestUrls, Workspace};
use serde_json::{Value, json};

/// An app that remembers what it was sent and answers what the test told it to.
#[derive(Clone, Default)]
struct App {
    received: Arc<Mutex<Vec<(String, String)>>>,
    answers: Arc<Mutex<Vec<(String, Value)>>>,
}

impl App {
    async fn start(slack: &Workspace) -> App {
        let app = App::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(receive).with_state(app.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        slack.connect(RequestUrls::under(&base)).await.unwrap();
        app
    }

    fn answers(&self, path: &str, body: Value) {
        self.answers.lock().unwrap().push((path.into(), body));
    }

    /// The last interaction's payload.
    fn payload(&self) -> Value {
        let received = self.received.lock().unwrap();
        let (_, body) = received
            .iter()
            .rfind(|(path, _)| path == "/interactions")
            .unwrap();
        let form: Vec<(String, String)> = serde_urlencoded::from_str(body).unwrap();
        serde_json::from_str(&form[0].1).unwrap()
    }

    /// One field of the last slash command.
    fn field(&self, name: &str) -> String {
        let received = self.received.lock().unwrap();
        let (_, body) = received
            .iter()
            .rfind(|(path, _)| path == "/commands")
            .unwrap();
        let form: Vec<(String, String)> = serde_urlencoded::from_str(body).unwrap();
        form.into_iter().find(|(known, _)| known == name).unwrap().1
    }

    fn events(&self) -> Vec<Value> {
        let received = self.received.lock().unwrap();
        let bodies = received
            .iter()
            .filter(|(path, _)| path == "/events")
            .map(|(_, body)| body);
        bodies
            .map(|body| serde_json::from_str(body).unwrap())
            .collect()
    }
}

async fn receive(State(app): State<App>, uri: Uri, headers: HeaderMap, body: String) -> Response {
    assert!(headers.contains_key("x-slack-signature"));
    if let Ok(event) = serde_json::from_str::<Value>(&body)
        && event["type"] == "url_verification"
    {
        return event["challenge"]
            .as_str()
            .unwrap()
            .to_owned()
            .into_response();
    }
    app.received.lock().unwrap().push((uri.path().into(), body));
    let mut answers = app.answers.lock().unwrap();
    match answers.iter().position(|(path, _)| path == uri.path()) {
        None => StatusCode::OK.into_response(),
        Some(place) => {
            let json = [(header::CONTENT_TYPE, "application/json")];
            (json, answers.remove(place).1.to_string()).into_response()
        }
    }
}

/// The Web API as the app would call it.
async fn call(slack: &Workspace, method: &str, body: Value) -> Result<Value, String> {
    use http_body_util::{BodyExt, Full};
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .build_http();
    let request = axum::http::Request::post(format!("{}{method}", slack.api_url()))
        .header("content-type", "application/json; charset=utf-8")
        .header("authorization", "Bearer xoxb-simulator")
        .body(Full::new(bytes::Bytes::from(body.to_string())))
        .unwrap();
    let answer = client
        .request(request)
        .await
        .map_err(|error| error.to_string())?;
    let bytes = answer
        .into_body()
        .collect()
        .await
        .map_err(|error| error.to_string())?
        .to_bytes();
    Ok(serde_json::from_slice(&bytes).unwrap_or_default())
}

async fn workspace() -> (Workspace, App) {
    let clock = Arc::new(|| 1_757_820_000_000);
    let slack = Workspace::start(Options {
        now: clock,
        ..Options::default()
    })
    .await
    .unwrap();
    slack.add_user("ana");
    slack.add_user("bo");
    slack.add_bot_to("#general");
    let app = App::start(&slack).await;
    (slack, app)
}

fn button(text: &str, action_id: &str) -> Value {
    json!({"type": "button", "action_id": action_id, "text": {"type": "plain_text", "text": text}})
}

#[tokio::test]
async fn an_answer_to_a_command_is_seen_by_its_typist_only() {
    let (slack, app) = workspace().await;
    app.answers("/commands", json!({"text": "No open incidents."}));
    let answer = slack
        .user("ana")
        .types("#general", "/incident list @bo")
        .await;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (200, "No open incidents.")
    );
    assert!(app.field("text").starts_with("list <@U"));
    assert_eq!(slack.user("ana").ephemerals().len(), 1);
    assert_eq!(slack.user("bo").ephemerals().len(), 0);
    assert_eq!(slack.unread(), []);
}

#[tokio::test]
async fn a_card_is_read_as_people_see_it_and_its_buttons_are_clicked() {
    let (slack, app) = workspace().await;
    let menu = json!({"type": "overflow", "action_id": "more", "options": [
        {"text": {"type": "plain_text", "text": "Escalate"}, "value": "escalate"},
        {"text": {"type": "plain_text", "text": "Reopen"}, "value": "reopen"},
    ]});
    let blocks = json!([
        {"type": "header", "text": {"type": "plain_text", "text": "Checkout is down"}},
        {"type": "section", "fields": [{"type": "mrkdwn", "text": "*Severity* P1"}], "accessory": menu},
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "declared by ana"}]},
        {"type": "actions", "elements": [button("Acknowledge", "ack"), button("Resolve", "resolve")]},
    ]);
    let posted = call(
        &slack,
        "chat.postMessage",
        json!({"channel": "#general", "text": "down", "blocks": blocks}),
    );
    let ts = posted.await.unwrap()["ts"].as_str().unwrap().to_owned();
    assert_eq!(slack.unread().len(), 1);
    let seen = slack.user("bo").sees();
    insta::assert_snapshot!(seen[0].plain_text(), @r"
    Checkout is down
    *Severity* P1
    [⋯ Escalate | Reopen]
    declared by ana
    [Acknowledge] [Resolve]
    ");
    assert_eq!(slack.unread(), []);
    assert_eq!(
        slack
            .user("ana")
            .clicks("#general", &ts, "Acknowledge")
            .await
            .status,
        200
    );
    assert_eq!(app.payload()["actions"][0]["action_id"], "ack");
    slack.user("ana").clicks("#general", &ts, "Escalate").await;
    assert_eq!(
        app.payload()["actions"][0]["selected_option"]["value"],
        "escalate"
    );
}

#[tokio::test]
async fn a_form_is_opened_filled_in_and_answered() {
    let (slack, app) = workspace().await;
    let ana = slack.user("ana");
    ana.types("#general", "/incident declare").await;
    let text = |text: &str| json!({"type": "plain_text", "text": text});
    let view = json!({
        "type": "modal", "title": text("Declare"), "submit": text("Go"), "blocks": [
            {"type": "input", "block_id": "title", "label": text("Title"),
             "element": {"type": "plain_text_input", "action_id": "t"}},
            {"type": "input", "block_id": "who", "label": text("Notify"), "optional": true,
             "element": {"type": "multi_users_select", "action_id": "w"}},
        ],
    });
    let opened = call(
        &slack,
        "views.open",
        json!({"trigger_id": app.field("trigger_id"), "view": view.clone()}),
    )
    .await;
    assert_eq!(opened.unwrap()["ok"], true);
    let form = ana.open_view().unwrap();
    insta::assert_snapshot!(form.plain_text(), @r"
    Declare
    Title: ____
    Notify: ____
    [Go]
    ");
    assert_eq!(
        ana.submits(&form, &[]).await.errors["title"],
        "Please complete this required field."
    );
    app.answers(
        "/interactions",
        json!({"response_action": "push", "view": view}),
    );
    assert_eq!(
        ana.submits(&form, &[("Title", "db"), ("who", "ana"), ("who", "bo")])
            .await
            .trouble,
        None
    );
    let typed = &app.payload()["view"]["state"]["values"];
    assert_eq!(typed["title"]["t"]["value"], "db");
    assert_eq!(
        typed["who"]["w"]["selected_users"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let pushed = ana.open_view().unwrap();
    assert_ne!(pushed.id, form.id);
    app.answers("/interactions", json!({"response_action": "clear"}));
    ana.submits(&pushed, &[("Title", "again")]).await;
    assert!(ana.open_view().is_none());
}

#[tokio::test]
async fn a_form_takes_files_and_hands_their_objects_to_the_app() {
    let (slack, app) = workspace().await;
    let ana = slack.user("ana");
    ana.types("#general", "/incident declare").await;
    let text = |text: &str| json!({"type": "plain_text", "text": text});
    let element = json!({"type": "file_input", "action_id": "f", "filetypes": ["log", "png"], "max_files": 2});
    let input =
        json!({"type": "input", "block_id": "proof", "label": text("Proof"), "element": element});
    let view =
        json!({"type": "modal", "title": text("Proof"), "submit": text("Go"), "blocks": [input]});
    let asked = json!({"trigger_id": app.field("trigger_id"), "view": view});
    assert_eq!(call(&slack, "views.open", asked).await.unwrap()["ok"], true);
    let form = ana.open_view().unwrap();
    assert_eq!(
        ana.submits(&form, &[]).await.errors["proof"],
        "Please complete this required field."
    );
    let log = ana.uploads("checkout.log", b"no connection");
    let graph = ana.uploads("Graph.PNG", b"\x89PNG");
    ana.submits(&form, &[("Proof", &log), ("Proof", &graph)])
        .await;
    let value = &app.payload()["view"]["state"]["values"]["proof"]["f"];
    assert_eq!(value["type"], "file_input");
    let file = |n: usize, name: &str| value["files"][n][name].clone();
    assert_eq!(value["files"].as_array().unwrap().len(), 2);
    assert_eq!(
        (file(0, "id"), file(0, "name")),
        (json!(log), json!("checkout.log"))
    );
    assert_eq!(
        (file(0, "mimetype"), file(0, "size")),
        (json!("text/plain"), json!(13))
    );
    assert_eq!(
        (file(0, "user"), file(0, "mode")),
        (json!(ana.id), json!("hosted"))
    );
    assert_eq!(file(1, "mimetype"), "image/png");

    let url = file(0, "url_private").as_str().unwrap().to_owned();
    let (origin, path) = url.split_at(slack.origin().len());
    let (status, body) = crate::harness::get(origin, path, Some("xoxb-simulator")).await;
    assert_eq!((status, body.as_str()), (200, "no connection"));
    assert_eq!(crate::harness::get(origin, path, None).await.0, 403);
}

#[tokio::test]
async fn events_tell_what_happens_where_the_bot_is() {
    let (slack, app) = workspace().await;
    let ana = slack.user("ana");
    slack.add_channel("elsewhere", false, &["ana"]);
    let ts = ana.says("#general", "disk is full & <hot>").await;
    ana.reacts("#general", &ts, "pushpin").await;
    ana.pins("#general", &ts).await;
    ana.says("#elsewhere", "unheard").await;
    slack.settle().await;
    let mut kinds: Vec<String> = app
        .events()
        .iter()
        .map(|e| e["event"]["type"].as_str().unwrap().to_owned())
        .collect();
    kinds.sort();
    assert_eq!(kinds, ["message", "pin_added", "reaction_added"]);
    assert_eq!(slack.failed_deliveries().len(), 0);
    let event_id = slack.deliveries()[0].event_id.clone();
    assert!(slack.redeliver(&event_id).await);
    assert_eq!(
        app.events()
            .iter()
            .filter(|e| e["event_id"] == event_id.as_str())
            .count(),
        2
    );
    let channel = slack.channel("general").unwrap();
    assert_eq!(channel.pinned().count(), 1);
    assert_eq!(
        channel.find("disk").unwrap().text,
        "disk is full &amp; &lt;hot&gt;"
    );
}

#[tokio::test]
async fn a_lost_answer_leaves_its_effect_and_a_lost_call_does_not() {
    let (slack, _app) = workspace().await;
    slack.fault("chat.postMessage", Fault::LoseAnswerBefore, 1);
    slack.fault("chat.postMessage", Fault::LoseAnswerAfter, 1);
    let post = |text: &str| {
        call(
            &slack,
            "chat.postMessage",
            json!({"channel": "#general", "text": text}),
        )
    };
    assert!(post("never").await.is_err());
    assert!(post("done").await.is_err());
    assert_eq!(post("plain").await.unwrap()["ok"], true);
    let texts: Vec<String> = slack.read("#general").into_iter().map(|m| m.text).collect();
    assert_eq!(texts, ["done", "plain"]);
    slack.fault("*", Fault::Hang, 1);
    assert!(
        tokio::time::timeout(Duration::from_millis(200), post("hangs"))
            .await
            .is_err()
    );
    assert_eq!(slack.calls().len(), 4);
}

#[tokio::test]
async fn timestamps_are_unique_while_the_clock_stands_still() {
    let (slack, _app) = workspace().await;
    let first = slack.user("ana").says("#general", "one").await;
    let second = slack.user("ana").says("#general", "two").await;
    assert!(first < second, "{first} {second}");
    assert!(first.starts_with("1757820000."));
}

#[tokio::test]
async fn a_missing_scope_is_named_by_the_kind_of_channel() {
    let (slack, _app) = workspace().await;
    let group = slack.add_group("oncall", &["ana"]);
    let bo = slack.user("bo").id;
    let update = json!({"usergroup": group, "users": bo});
    assert_eq!(
        call(&slack, "usergroups.users.update", update)
            .await
            .unwrap()["usergroup"]["users"],
        json!([bo])
    );
    slack.grant(&["groups:history", "commands"]);
    let general = slack.channel("general").unwrap().id;
    let refused = call(&slack, "conversations.history", json!({"channel": general}))
        .await
        .unwrap();
    assert_eq!(
        refused,
        json!({"ok": false, "error": "missing_scope", "needed": "channels:history", "provided": "commands,groups:history"})
    );
    let refused = call(
        &slack,
        "chat.postMessage",
        json!({"channel": general, "text": "x"}),
    )
    .await
    .unwrap();
    assert_eq!(refused["needed"], "chat:write:bot");
}
