//! Socket Mode: the app connects to Slack, and what Slack would have posted comes as envelopes (contract section 5).
//!
//! Stricter than Slack where its documents leave room: a payload is read only where `accepts_response_payload` says
//! so, an envelope whose socket breaks (or answers no ping) is sent again on another one within its three seconds, an
//! event also later, and every acknowledgement that breaks a rule is written down ([`Workspace::socket_faults`]).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::extract::{Query, Request, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::api::Failure;
use super::control::Done;
use super::events::Outgoing;
use super::faults::Fault;
use super::model::{APP_ID, State};
use super::requests::{DEADLINE, Errand, JSON, Reply};
use super::{Workspace, api};

/// The most connections of one app.
const AT_MOST: usize = 10;
/// How long a ticket opens a connection, by the workspace's clock.
const TICKET_MS: i64 = 30_000;
/// How long a connection that Slack closes may take to close on the other side too.
const FAREWELL: Duration = Duration::from_secs(2);

/// The connections of the app, and what was sent over them.
pub(crate) struct Sockets {
    /// Whether the app uses Socket Mode at all.
    pub is_on: bool,
    /// Until when each unused ticket opens a connection.
    tickets: BTreeMap<String, i64>,
    open: Vec<Socket>,
    serial: u64,
    /// Counts the envelopes: each goes to the next socket.
    turn: usize,
    /// By envelope_id, in the order of sending.
    envelopes: BTreeMap<String, Envelope>,
    faults: Vec<String>,
    duplicates: usize,
    lost_acks: usize,
    count: watch::Sender<usize>,
}

struct Socket {
    id: u64,
    orders: mpsc::UnboundedSender<Order>,
}

/// What a connection is told to do.
enum Order {
    Say(String),
    Close,
    Drop,
    Hang,
}

struct Envelope {
    view: EnvelopeView,
    accepts_payload: bool,
    /// The `event_id`, if it carries an event.
    event: Option<String>,
    /// Nobody waits for the answer any more: its three seconds are over.
    expired: bool,
    /// The open sockets that it went to and that have not answered.
    on: BTreeSet<u64>,
    answer: Option<oneshot::Sender<Option<Value>>>,
}

/// An envelope and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct EnvelopeView {
    /// `envelope_id`
    pub id: String,
    /// `slash_commands`, `interactive` or `events_api`.
    pub kind: String,
    /// The sockets that it was sent on, once for each copy.
    pub sent_on: Vec<u64>,
    /// The sockets that it was acknowledged on.
    pub acked_on: Vec<u64>,
}

impl Default for Sockets {
    fn default() -> Sockets {
        Sockets {
            is_on: false,
            tickets: BTreeMap::new(),
            open: Vec::new(),
            serial: 0,
            turn: 0,
            envelopes: BTreeMap::new(),
            faults: Vec::new(),
            duplicates: 0,
            lost_acks: 0,
            count: watch::channel(0).0,
        }
    }
}

impl State {
    /// `apps.connections.open`
    pub fn open_connection(&mut self) -> api::Outcome {
        if self.origin.is_empty() {
            return Err(Failure::new("internal_error"));
        }
        let n = self.next_number("ticket");
        let ticket = format!("{n:08x}-ticket-{:08x}", n.wrapping_mul(2_654_435_761));
        let url = format!(
            "ws{}/link/?ticket={ticket}&app_id={APP_ID}",
            self.origin.trim_start_matches("http")
        );
        let until = self.now_ms + TICKET_MS;
        self.sockets.tickets.insert(ticket, until);
        Ok(json!({ "url": url }))
    }

    /// A ticket opens one connection, and not for ever.
    fn take_ticket(&mut self, ticket: &str) -> bool {
        let until = self.sockets.tickets.remove(ticket);
        until.is_some_and(|until| self.now_ms <= until)
    }
}

impl Sockets {
    /// Takes a connection in, or says why it is turned away.
    fn add(&mut self) -> Result<(u64, mpsc::UnboundedReceiver<Order>), &'static str> {
        if !self.is_on {
            return Err("link_disabled");
        }
        if self.open.len() >= AT_MOST {
            return Err("too_many_websockets");
        }
        self.serial += 1;
        let (orders, told) = mpsc::unbounded_channel();
        let id = self.serial;
        self.open.push(Socket { id, orders });
        self.count.send_replace(self.open.len());
        Ok((id, told))
    }

    /// A connection is gone. Envelopes that only it had are free to go another way, which is the affair of who waits
    /// for the answer; where nobody waits any more, the events are returned.
    fn remove(&mut self, id: u64) -> Vec<String> {
        self.open.retain(|socket| socket.id != id);
        let mut lost = Vec::new();
        for envelope in self.envelopes.values_mut() {
            if !envelope.on.remove(&id) || !envelope.on.is_empty() {
                continue;
            }
            envelope.answer = None;
            if envelope.expired && envelope.view.acked_on.is_empty() {
                lost.extend(envelope.event.take());
            }
        }
        self.count.send_replace(self.open.len());
        lost
    }

    fn order(&self, id: u64, order: Order) -> anyhow::Result<()> {
        let socket = self.open.iter().find(|socket| socket.id == id);
        let socket = socket.with_context(|| format!("there is no open socket {id}"))?;
        // A connection that ended just now cannot be told anything.
        let _ = socket.orders.send(order);
        Ok(())
    }

    /// Sends an envelope on the next socket. The answer comes through the receiver, which is closed if the socket breaks.
    fn send(&mut self, id: &str, envelope: &Value) -> Option<oneshot::Receiver<Option<Value>>> {
        if self.open.is_empty() {
            return None;
        }
        let copies = 1 + usize::from(self.duplicates > 0);
        self.duplicates = self.duplicates.saturating_sub(1);
        let kind = envelope["type"].as_str().unwrap_or_default();
        let (tell, told) = oneshot::channel();
        let entry = self
            .envelopes
            .entry(id.to_owned())
            .or_insert_with(|| Envelope {
                view: EnvelopeView {
                    id: id.to_owned(),
                    kind: kind.to_owned(),
                    sent_on: Vec::new(),
                    acked_on: Vec::new(),
                },
                accepts_payload: envelope["accepts_response_payload"] == true,
                event: envelope["payload"]["event_id"].as_str().map(str::to_owned),
                expired: false,
                on: BTreeSet::new(),
                answer: None,
            });
        entry.answer = Some(tell);
        for _ in 0..copies {
            let socket = &self.open[self.turn % self.open.len()];
            self.turn += 1;
            entry.on.insert(socket.id);
            entry.view.sent_on.push(socket.id);
            let _ = socket.orders.send(Order::Say(envelope.to_string()));
        }
        Some(told)
    }

    /// What the app said on a socket: only acknowledgements are known.
    fn hears(&mut self, id: u64, text: &str) {
        let said: Value = serde_json::from_str(text).unwrap_or_default();
        let Some(envelope_id) = said["envelope_id"].as_str() else {
            self.faults
                .push(format!("socket {id}: no acknowledgement: {text}"));
            return;
        };
        let Some(envelope) = self.envelopes.get_mut(envelope_id) else {
            self.faults
                .push(format!("socket {id}: there is no envelope {envelope_id}"));
            return;
        };
        let on_this = |list: &[u64]| list.iter().filter(|socket| **socket == id).count();
        let (sent, acked) = (
            on_this(&envelope.view.sent_on),
            on_this(&envelope.view.acked_on),
        );
        if sent <= acked {
            let why = if sent == 0 {
                "was not sent here"
            } else {
                "was acknowledged before"
            };
            self.faults
                .push(format!("socket {id}: the envelope {envelope_id} {why}"));
            return;
        }
        if self.lost_acks > 0 {
            self.lost_acks -= 1;
            let _ = self.order(id, Order::Drop);
            return;
        }
        // Slack's own SDK says `"payload": {}` where it has nothing to say.
        let payload = said
            .get("payload")
            .filter(|payload| !payload.is_null() && **payload != json!({}));
        if payload.is_some() && !envelope.accepts_payload {
            self.faults.push(format!(
                "socket {id}: the envelope {envelope_id} takes no payload"
            ));
        }
        let payload = payload.filter(|_| envelope.accepts_payload).cloned();
        envelope.view.acked_on.push(id);
        envelope.on.remove(&id);
        if let Some(answer) = envelope.answer.take() {
            let _ = answer.send(payload);
        }
    }
}

impl Workspace {
    /// From now on everything goes through Socket Mode, and nothing over HTTP.
    pub fn connect_socket_mode(&self) {
        self.with(|state| {
            state.urls = None;
            state.sockets.is_on = true;
        });
    }

    /// The open connections, oldest first.
    pub fn sockets(&self) -> Vec<u64> {
        self.with(|state| state.sockets.open.iter().map(|socket| socket.id).collect())
    }

    /// Waits until exactly so many connections are open.
    pub async fn sockets_become(&self, wanted: usize) {
        let mut count = self.with(|state| state.sockets.count.subscribe());
        // The sender lives in the workspace, which outlives this borrow.
        let _ = count.wait_for(|count| *count == wanted).await;
    }

    /// Waits until a connection that is not among these is open.
    pub async fn socket_beyond(&self, known: &[u64]) -> u64 {
        let mut count = self.with(|state| state.sockets.count.subscribe());
        loop {
            count.mark_unchanged();
            let new = self.sockets().into_iter().find(|id| !known.contains(id));
            if let Some(id) = new {
                return id;
            }
            // The same: the sender lives on.
            let _ = count.changed().await;
        }
    }

    /// Says `disconnect` on a connection, which stays open: Slack closes it a while later.
    pub fn disconnect_socket(&self, id: u64, reason: &str) -> anyhow::Result<()> {
        let said = json!({
            "type": "disconnect", "reason": reason, "debug_info": {"host": "wss-111.slack.com"},
        });
        self.with(|state| state.sockets.order(id, Order::Say(said.to_string())))
    }

    /// Closes a connection as Slack does.
    pub fn close_socket(&self, id: u64) -> anyhow::Result<()> {
        self.with(|state| state.sockets.order(id, Order::Close))
    }

    /// Breaks the TCP connection without a word.
    pub fn drop_socket(&self, id: u64) -> anyhow::Result<()> {
        self.with(|state| state.sockets.order(id, Order::Drop))
    }

    /// From now on not a byte comes out of a connection, and it is not closed: half open. Slack still believes in it.
    pub fn hang_socket(&self, id: u64) -> anyhow::Result<()> {
        self.with(|state| state.sockets.order(id, Order::Hang))
    }

    /// Sends the next envelopes twice, on two sockets if there are as many.
    pub fn duplicate_envelopes(&self, times: usize) {
        self.with(|state| state.sockets.duplicates = times);
    }

    /// Breaks the connection instead of taking the next acknowledgements.
    pub fn lose_acks(&self, times: usize) {
        self.with(|state| state.sockets.lost_acks = times);
    }

    /// Every envelope so far, with what became of it.
    pub fn envelopes(&self) -> Vec<EnvelopeView> {
        self.with(|state| {
            let all = state.sockets.envelopes.values();
            all.map(|envelope| envelope.view.clone()).collect()
        })
    }

    /// The rules that the app broke: acknowledged twice, on another socket, with a payload where none is read.
    pub fn socket_faults(&self) -> Vec<String> {
        self.with(|state| state.sockets.faults.clone())
    }

    /// Sends one envelope and waits for its acknowledgement.
    pub(crate) async fn ask_by_socket(&self, errand: &Errand, retry: Option<(u8, &str)>) -> Reply {
        let begun = Instant::now();
        let n = self.with(|state| state.next_number("envelope"));
        let id = uuid::Uuid::from_u128(u128::from(n)).to_string();
        let (kind, payload, accepts_payload) = errand.for_socket();
        let mut envelope = json!({
            "envelope_id": id, "type": kind, "payload": payload, "accepts_response_payload": accepts_payload,
        });
        if let Errand::Event(_) = errand {
            let (attempt, reason) = retry.unwrap_or((0, ""));
            envelope["retry_attempt"] = json!(attempt);
            envelope["retry_reason"] = json!(reason.trim_start_matches("http_"));
        }
        let Some(mut answer) = self.with(|state| state.sockets.send(&id, &envelope)) else {
            return Reply::none("connection_failed", begun.elapsed());
        };
        let exchange = async {
            loop {
                if let Ok(payload) = answer.await {
                    return payload;
                }
                // The socket broke with the envelope under way: another one gets it.
                answer = loop {
                    self.socket_beyond(&[]).await;
                    if let Some(answer) = self.with(|state| state.sockets.send(&id, &envelope)) {
                        break answer;
                    }
                };
            }
        };
        match tokio::time::timeout(DEADLINE, exchange).await {
            Ok(payload) => Reply {
                status: 200,
                content_type: JSON.into(),
                body: payload
                    .map(|payload| payload.to_string())
                    .unwrap_or_default(),
                elapsed: begun.elapsed(),
                trouble: None,
                no_retry: false,
            },
            Err(_) => {
                self.with(|state| {
                    if let Some(envelope) = state.sockets.envelopes.get_mut(&id) {
                        envelope.expired = true;
                    }
                });
                Reply::none("http_timeout", begun.elapsed())
            }
        }
    }

    /// Takes a connection out, and sends again what was lost with it.
    fn let_go(&self, id: u64) {
        let lost = self.with(|state| state.sockets.remove(id));
        // Where Slack's retries are ordered, the events come by those.
        if self.options().event_retry_delays.is_empty() {
            let events = lost.into_iter().map(|event_id| Outgoing { event_id });
            events.for_each(|event| self.deliver(event));
        }
    }

    /// Says something on a connection; false: it cannot be said, or the other side takes nothing any more.
    async fn says(
        &self,
        stream: &mut WebSocketStream<TokioIo<Upgraded>>,
        message: Message,
    ) -> bool {
        let said = tokio::time::timeout(self.options().socket_silence, stream.send(message)).await;
        said.is_ok_and(|said| said.is_ok())
    }

    /// Keeps one connection until it ends.
    async fn hold(&self, mut stream: WebSocketStream<TokioIo<Upgraded>>) {
        let (id, mut orders) = match self.with(|state| state.sockets.add()) {
            Ok(taken) => taken,
            Err(reason) => {
                let count = self.sockets().len();
                let said = json!({
                    "type": "disconnect", "reason": reason, "num_connections": count,
                    "debug_info": {"host": "wss-111.slack.com"},
                });
                let _ = stream.send(Message::text(said.to_string())).await;
                return see_off(stream).await;
            }
        };
        let hello = json!({
            "type": "hello", "connection_info": {"app_id": APP_ID}, "num_connections": self.sockets().len(),
            "debug_info": {
                "host": "applink-111-simulator", "started": "2020-10-11 12:12:12.120", "build_number": 54,
                "approximate_connection_time": 18_060,
            },
        });
        let mut going = self
            .says(&mut stream, Message::text(hello.to_string()))
            .await;
        let mut pings = tokio::time::interval(self.options().socket_pings);
        let mut heard = Instant::now();
        while going {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Say(text)) => going = self.says(&mut stream, Message::text(text)).await,
                    Some(Order::Close) => {
                        self.let_go(id);
                        return see_off(stream).await;
                    }
                    Some(Order::Drop) | None => going = false,
                    Some(Order::Hang) => {
                        hang(stream.get_mut(), &mut orders).await;
                        going = false;
                    }
                },
                // Whoever left without a word answers no ping.
                _ = pings.tick() => {
                    going = heard.elapsed() < self.options().socket_silence
                        && self.says(&mut stream, Message::Ping("slack".into())).await;
                }
                message = stream.next() => {
                    heard = Instant::now();
                    match message {
                        Some(Ok(Message::Text(text))) => self.with(|state| state.sockets.hears(id, &text)),
                        // Answers to a close and to pings are given by the library while it is read.
                        Some(Ok(_)) => {}
                        Some(Err(_)) | None => going = false,
                    }
                }
            }
        }
        self.let_go(id);
    }
}

/// Half open: whatever is said from now on is not heard, on either side, until the other one gives the line up or it
/// is cut.
async fn hang(line: &mut TokioIo<Upgraded>, orders: &mut mpsc::UnboundedReceiver<Order>) {
    let mut unheard = [0; 1024];
    loop {
        tokio::select! {
            order = orders.recv() => if let Some(Order::Drop) | None = order { return },
            read = line.read(&mut unheard) => if matches!(read, Ok(0) | Err(_)) { return },
        }
    }
}

/// Closes a connection properly.
async fn see_off(mut stream: WebSocketStream<TokioIo<Upgraded>>) {
    let rest = async {
        let _ = stream.close(None).await;
        while let Some(Ok(_)) = stream.next().await {}
    };
    let _ = tokio::time::timeout(FAREWELL, rest).await;
}

#[derive(Deserialize)]
struct Link {
    #[serde(default)]
    ticket: String,
}

/// The address that `apps.connections.open` gives out.
async fn link(
    Shared(workspace): Shared<Workspace>,
    Query(link): Query<Link>,
    headers: HeaderMap,
    mut request: Request,
) -> Response {
    match workspace.take_fault("link") {
        Some(Fault::Status(status)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            return status.into_response();
        }
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Slow(delay)) => tokio::time::sleep(delay).await,
        Some(_) | None => {}
    }
    if !workspace.with(|state| state.take_ticket(&link.ticket)) {
        return (StatusCode::FORBIDDEN, "the ticket is used or too old").into_response();
    }
    let upgrade = request.extensions_mut().remove::<OnUpgrade>();
    let (Some(key), Some(upgrade)) = (headers.get(header::SEC_WEBSOCKET_KEY), upgrade) else {
        return (StatusCode::UPGRADE_REQUIRED, "this is for web sockets").into_response();
    };
    let accept = derive_accept_key(key.as_bytes());
    tokio::spawn(async move {
        if let Ok(upgraded) = upgrade.await {
            let io = TokioIo::new(upgraded);
            let stream = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
            workspace.hold(stream).await;
        }
    });
    let answer = [
        (header::CONNECTION, "upgrade"),
        (header::UPGRADE, "websocket"),
        (header::SEC_WEBSOCKET_ACCEPT, accept.as_str()),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, answer).into_response()
}

/// The connections themselves, and the control of them over HTTP.
pub(crate) fn routes() -> Router<Workspace> {
    Router::new()
        .route("/link/", get(link))
        .route("/simulator/socket_mode", post(socket_mode))
        .route("/simulator/sockets", get(sockets).post(order))
}

async fn socket_mode(Shared(workspace): Shared<Workspace>) -> Json<Value> {
    workspace.connect_socket_mode();
    Json(json!({}))
}

async fn sockets(Shared(workspace): Shared<Workspace>) -> Json<Value> {
    Json(json!({
        "open": workspace.sockets(), "envelopes": workspace.envelopes(), "faults": workspace.socket_faults(),
    }))
}

/// `{"order": "disconnect", "socket": 1, "reason": "warning"}`; `close`, `drop`, `hang`; `duplicate` and `lose_ack`
/// name no socket.
#[derive(Deserialize)]
struct Ordered {
    order: String,
    #[serde(default)]
    socket: u64,
    #[serde(default)]
    reason: String,
}

async fn order(Shared(workspace): Shared<Workspace>, Json(ordered): Json<Ordered>) -> Done {
    let id = ordered.socket;
    match ordered.order.as_str() {
        "disconnect" => workspace.disconnect_socket(id, &ordered.reason)?,
        "close" => workspace.close_socket(id)?,
        "drop" => workspace.drop_socket(id)?,
        "hang" => workspace.hang_socket(id)?,
        "duplicate" => workspace.duplicate_envelopes(1),
        "lose_ack" => workspace.lose_acks(1),
        other => Err(anyhow::anyhow!("there is no order {other}"))?,
    }
    Ok(Json(json!({})))
}
