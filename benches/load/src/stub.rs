//! A Slack Web API that answers every method with a plausible ok, after a delay, and takes webhooks. `/_stats` tells the
//! calls, and what was delivered when; `/_pages` when each page came that was posted to `/pages`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;
use tokio::time::sleep;

use crate::deliveries::Deliveries;
use crate::marker::unix_us;
use crate::slack::unix_seconds;
use crate::wire::{Message, Wire};

struct Stub {
    address: String,
    delay: Duration,
    made: Cell<u64>,
    calls: RefCell<BTreeMap<String, u64>>,
    deliveries: RefCell<Deliveries>,
    /// When each page came, in microseconds since 1970: twice is one too many.
    pages: RefCell<BTreeMap<String, Vec<u64>>>,
}

pub async fn serve(listen: &str, delay: Duration) -> Result<()> {
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}"))?;
    let address = listener.local_addr()?.to_string();
    println!("{}", json!({ "listening": address }));
    let stub = Rc::new(Stub {
        address,
        delay,
        made: Cell::new(0),
        calls: RefCell::default(),
        deliveries: RefCell::default(),
        pages: RefCell::default(),
    });
    LocalSet::new().run_until(stub.accept(listener)).await
}

impl Stub {
    async fn accept(self: Rc<Self>, listener: TcpListener) -> Result<()> {
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::task::spawn_local(self.clone().converse(stream));
        }
    }

    async fn converse(self: Rc<Self>, stream: TcpStream) {
        let mut wire = Wire::over(stream);
        // A client that breaks off is its own affair.
        while let Ok(Some(request)) = wire.receive().await {
            let body = self.respond(&request).await;
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            if wire.send(&[head.as_bytes(), body.as_bytes()].concat()).await.is_err() || request.close {
                return;
            }
        }
    }

    async fn respond(&self, request: &Message) -> String {
        if request.path() == "/_stats" {
            return json!({"calls": *self.calls.borrow(), "delivered": self.deliveries.borrow_mut().report()})
                .to_string();
        }
        if request.path() == "/_pages" {
            return json!(*self.pages.borrow()).to_string();
        }
        if request.path() == "/pages" {
            let page: Value = serde_json::from_slice(&request.body).unwrap_or_default();
            let incident = page["incident"].as_str().unwrap_or_default();
            let key = format!("{incident}/{}", page["page"]);
            self.pages.borrow_mut().entry(key).or_default().push(unix_us());
            return "ok".to_owned();
        }
        let method = request.path().strip_prefix("/api/");
        *self
            .calls
            .borrow_mut()
            .entry(method.unwrap_or("outside /api").to_owned())
            .or_default() += 1;
        let arguments = method.map(|_| arguments(&request.body));
        match (method, &arguments) {
            (Some("chat.postMessage"), Some(arguments)) => {
                let channel = arguments.get("channel").and_then(Value::as_str).unwrap_or_default();
                self.deliveries.borrow_mut().posted(channel, &request.body, unix_us());
            }
            (None, _) => self.deliveries.borrow_mut().delivered(&request.body, unix_us()),
            _ => {}
        }
        // Even the shortest sleep takes a millisecond.
        if !self.delay.is_zero() {
            sleep(self.delay).await;
        }
        match (method, arguments) {
            (Some(method), Some(arguments)) => self.answer(method, &arguments).to_string(),
            // A response_url, an upload, or a webhook.
            _ => "ok".to_owned(),
        }
    }

    fn answer(&self, method: &str, arguments: &Map<String, Value>) -> Value {
        let argument = |name: &str| arguments.get(name).and_then(Value::as_str).unwrap_or_default();
        let empty =
            |list: &str| json!({"ok": true, list: [], "has_more": false, "response_metadata": {"next_cursor": ""}});
        match method {
            "auth.test" => {
                json!({"ok": true, "url": "https://firebell-bench.slack.com/", "team": "Bench", "user": "firebell",
                "team_id": "T0BENCH01", "user_id": "U0BENCHBOT", "bot_id": "B0BENCH01", "is_enterprise_install": false})
            }
            "chat.postMessage" | "chat.update" => self.posted(argument("channel"), argument("ts")),
            "chat.postEphemeral" => json!({"ok": true, "message_ts": self.timestamp()}),
            "chat.getPermalink" => {
                let link = format!("https://firebell-bench.slack.com/archives/{}", argument("channel"));
                json!({"ok": true, "channel": argument("channel"), "permalink": link})
            }
            "conversations.create" => {
                let id = format!("C1{:09}", self.number());
                json!({"ok": true, "channel": channel(&id, argument("name"))})
            }
            "conversations.info"
            | "conversations.join"
            | "conversations.invite"
            | "conversations.rename"
            | "conversations.setTopic"
            | "conversations.setPurpose" => {
                json!({"ok": true, "channel": channel(argument("channel"), argument("name")),
                    "topic": argument("topic"), "purpose": argument("purpose")})
            }
            "conversations.open" => {
                json!({"ok": true, "channel": {"id": format!("D1{:09}", self.number())}})
            }
            "conversations.history" | "conversations.replies" => empty("messages"),
            "conversations.list" | "users.conversations" => empty("channels"),
            "conversations.members" | "users.list" => empty("members"),
            "usergroups.list" => empty("usergroups"),
            "usergroups.users.list" => empty("users"),
            "pins.list" => empty("items"),
            "bookmarks.list" => empty("bookmarks"),
            "bookmarks.add" => json!({"ok": true, "bookmark": {"id": format!("Bk1{:09}", self.number()),
                "channel_id": argument("channel_id"), "title": argument("title"), "link": argument("link"), "type": "link"}}),
            "users.info" => json!({"ok": true, "user": user(argument("user"))}),
            "users.lookupByEmail" => json!({"ok": true, "user": user("U0BENCH01")}),
            "views.open" | "views.push" | "views.update" | "views.publish" => {
                json!({"ok": true, "view": {"id": format!("V1{:09}", self.number()), "team_id": "T0BENCH01",
                    "type": "modal", "hash": self.timestamp(), "state": {"values": {}}}})
            }
            "files.getUploadURLExternal" => {
                let id = format!("F1{:09}", self.number());
                json!({"ok": true, "upload_url": format!("http://{}/upload/{id}", self.address), "file_id": id})
            }
            "files.completeUploadExternal" => empty("files"),
            // reactions.add, pins.add, conversations.archive and the others that only say yes.
            _ => json!({"ok": true}),
        }
    }

    fn posted(&self, channel: &str, existing: &str) -> Value {
        let ts = if existing.is_empty() {
            self.timestamp()
        } else {
            existing.to_owned()
        };
        json!({"ok": true, "channel": channel, "ts": ts, "text": "", "message": {"type": "message", "text": "", "ts": ts,
            "user": "U0BENCHBOT", "bot_id": "B0BENCH01", "app_id": "A0BENCH01", "team": "T0BENCH01"}})
    }

    fn number(&self) -> u64 {
        self.made.set(self.made.get() + 1);
        self.made.get()
    }

    /// Unique, and of Slack's shape: ten digits, a dot, six digits.
    fn timestamp(&self) -> String {
        let number = self.number();
        format!("{}.{:06}", unix_seconds() + number / 1_000_000, number % 1_000_000)
    }
}

fn channel(id: &str, name: &str) -> Value {
    let text = json!({"value": "", "creator": "", "last_set": 0});
    json!({"id": id, "name": name, "name_normalized": name, "created": unix_seconds(), "creator": "U0BENCHBOT",
        "is_channel": true, "is_group": false, "is_im": false, "is_mpim": false, "is_private": false, "is_archived": false,
        "is_general": false, "is_member": true, "is_shared": false, "is_org_shared": false, "is_ext_shared": false,
        "unlinked": 0, "topic": text, "purpose": text, "previous_names": []})
}

fn user(id: &str) -> Value {
    json!({"id": id, "team_id": "T0BENCH01", "name": "ana", "real_name": "Ana", "deleted": false, "is_bot": false,
        "tz": "Europe/Berlin", "tz_label": "Central European Time", "tz_offset": 3600, "updated": unix_seconds(),
        "profile": {"real_name": "Ana", "display_name": "ana", "email": "ana@example.org", "team": "T0BENCH01"}})
}

/// The arguments of a call, in JSON or as a form. No argument that the stub reads has an escape in it.
fn arguments(body: &[u8]) -> Map<String, Value> {
    if let Ok(Value::Object(arguments)) = serde_json::from_slice(body) {
        return arguments;
    }
    let form = String::from_utf8_lossy(body);
    form.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect()
}
