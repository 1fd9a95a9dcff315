//! One connection of Socket Mode: envelopes are read, each is answered by itself and acknowledged on this connection,
//! and a connection that is dead is known for it.

use std::fmt;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tracing::{debug, warn};

use super::Pace;

/// Envelopes of one connection that may be under way; beyond that nothing more is read from it.
const UNDER_WAY_AT_MOST: usize = 500;
/// How long a close may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// What Slack asks, with what it needs for an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// What kind of request it is.
    pub kind: Kind,
    /// What would have been the body of a request over HTTP.
    pub payload: Value,
    /// Whether Slack reads an answer from the acknowledgement.
    pub accepts_payload: bool,
}

/// The kinds of envelopes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A slash command.
    Command,
    /// A click, a modal, a shortcut.
    Interaction,
    /// The Events API.
    Event,
    /// Of a later Slack.
    Other(String),
}

/// How an envelope is answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Ack {
    /// It is taken.
    Taken,
    /// It is taken; Slack reads this, if it accepts a payload.
    With(Value),
    /// It could not be taken: for want of an acknowledgement Slack sends an event again, and tells a person of trouble.
    Withheld,
}

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// It was closed, from either side.
    Closed,
    /// Nothing came for too long.
    Silent,
    /// It broke.
    Broken(String),
    /// We stopped.
    Stopped,
}

impl Ended {
    /// One word for it.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Ended::Closed => "closed",
            Ended::Silent => "silent",
            Ended::Broken(_) => "broken",
            Ended::Stopped => "stopped",
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::Closed => f.write_str("it was closed"),
            Ended::Silent => f.write_str("nothing came over it for too long"),
            Ended::Broken(why) => write!(f, "it broke: {why}"),
            Ended::Stopped => f.write_str("we stop"),
        }
    }
}

/// A text that Slack sends.
#[derive(Debug, Deserialize)]
struct Frame {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    envelope_id: Option<String>,
    #[serde(default)]
    payload: Value,
    #[serde(default)]
    accepts_response_payload: bool,
    #[serde(default)]
    reason: Option<String>,
}

/// Waits for Slack's `hello`. Gives the reason if it says `disconnect` instead.
pub(super) async fn hello<S>(stream: &mut WebSocketStream<S>) -> Result<Option<String>, Ended>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        let Some(text) = next(stream).await? else {
            continue;
        };
        match read(&text) {
            Some(frame) if frame.kind == "hello" => return Ok(None),
            Some(frame) if frame.kind == "disconnect" => {
                return Ok(Some(frame.reason.unwrap_or_default()));
            }
            _ => {}
        }
    }
}

/// Serves a connection that has said hello. `leave` is told the reason when Slack wants it replaced; it goes on until
/// it is closed.
pub(super) async fn serve<S, A, F>(
    mut stream: WebSocketStream<S>,
    pace: Pace,
    answer: A,
    leave: impl Fn(String),
    mut stop: watch::Receiver<bool>,
) -> Ended
where
    S: AsyncRead + AsyncWrite + Unpin,
    A: Fn(Envelope) -> F,
    F: Future<Output = Ack> + Send + 'static,
{
    // Each gives its acknowledgement, or nothing if it could not be taken.
    let mut under_way: JoinSet<Option<String>> = JoinSet::new();
    let mut heard = Instant::now();
    let mut leaving = None;
    let mut pings = interval_at(heard + pace.pings, pace.pings);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let ended = loop {
        let has_room = under_way.len() < UNDER_WAY_AT_MOST;
        let close_at = leaving.unwrap_or(heard + pace.silence);
        tokio::select! {
            text = next(&mut stream), if has_room => match text {
                Ok(text) => {
                    heard = Instant::now();
                    match text.as_deref().and_then(read) {
                        Some(frame) if frame.kind == "disconnect" => {
                            leaving.get_or_insert(heard + pace.grace);
                            leave(frame.reason.unwrap_or_default());
                        }
                        Some(frame) => {
                            if let Some((id, envelope)) = opened(frame) {
                                let accepts_payload = envelope.accepts_payload;
                                let answer = answer(envelope);
                                under_way.spawn(async move {
                                    acknowledgement(&id, answer.await, accepts_payload)
                                });
                            }
                        }
                        None => {}
                    }
                }
                Err(ended) => break ended,
            },
            Some(done) = under_way.join_next() => {
                if !has_room {
                    // Nothing was heard because nothing was read.
                    heard = Instant::now();
                }
                match done {
                    Ok(Some(ack)) => if let Err(ended) = say(&mut stream, Message::text(ack), pace).await {
                        break ended;
                    },
                    Ok(None) => {}
                    Err(cause) => warn!("An envelope was not answered: {cause}"),
                }
            }
            _ = pings.tick() => if let Err(ended) = say(&mut stream, Message::Ping("firebell".into()), pace).await {
                break ended;
            },
            () = sleep_until(heard + pace.silence), if has_room => break Ended::Silent,
            () = sleep_until(close_at), if leaving.is_some() => {
                close(&mut stream).await;
                break Ended::Closed;
            }
            () = told(&mut stop) => break Ended::Stopped,
        }
    };
    if ended == Ended::Stopped {
        let finishing = async {
            while let Some(done) = under_way.join_next().await {
                if let Ok(Some(ack)) = done {
                    say(&mut stream, Message::text(ack), pace).await?;
                }
            }
            Ok::<_, Ended>(())
        };
        if !matches!(timeout(pace.farewell, finishing).await, Ok(Ok(()))) {
            warn!("Some envelopes were not answered in time");
        }
        close(&mut stream).await;
    }
    // What was begun is finished, although nobody hears of it here: Slack's next delivery finds it done.
    under_way.detach_all();
    ended
}

/// Waits until we are told to stop.
pub(super) async fn told(stop: &mut watch::Receiver<bool>) {
    // Whoever could tell us is gone: that is a stop too.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// The next text; none for whatever else comes.
async fn next<S>(stream: &mut WebSocketStream<S>) -> Result<Option<Utf8Bytes>, Ended>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match stream.next().await {
        Some(Ok(Message::Text(text))) => Ok(Some(text)),
        Some(Ok(Message::Close(_))) => {
            // The library has its reply ready.
            let _ = timeout(FAREWELL, stream.flush()).await;
            Err(Ended::Closed)
        }
        // Pings are answered by the library. Slack sends nothing binary.
        Some(Ok(_)) => Ok(None),
        Some(Err(error)) => Err(ended(&error)),
        None => Err(Ended::Closed),
    }
}

/// Says something; a connection that takes nothing for as long as it may be silent is dead.
async fn say<S>(stream: &mut WebSocketStream<S>, message: Message, pace: Pace) -> Result<(), Ended>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match timeout(pace.silence, stream.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(ended(&error)),
        Err(_) => Err(Ended::Silent),
    }
}

/// How a connection ended that gives this error.
fn ended(error: &Error) -> Ended {
    match error {
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::SendAfterClosing) => Ended::Closed,
        error => Ended::Broken(words(error)),
    }
}

/// Closes a connection, and waits a moment for the other side to do so.
async fn close<S>(stream: &mut WebSocketStream<S>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let closing = async {
        let _ = stream.close(None).await;
        while let Some(Ok(_)) = stream.next().await {}
    };
    let _ = timeout(FAREWELL, closing).await;
}

fn read(text: &str) -> Option<Frame> {
    match serde_json::from_str(text) {
        Ok(frame) => Some(frame),
        Err(error) => {
            warn!("Slack sent what cannot be read: {error}");
            None
        }
    }
}

/// The envelope of a frame, with its id.
fn opened(frame: Frame) -> Option<(String, Envelope)> {
    let Some(id) = frame.envelope_id else {
        debug!("Slack sent a {:?}, which is left alone", frame.kind);
        return None;
    };
    let kind = match frame.kind.as_str() {
        "slash_commands" => Kind::Command,
        "interactive" => Kind::Interaction,
        "events_api" => Kind::Event,
        _ => Kind::Other(frame.kind),
    };
    let envelope = Envelope {
        kind,
        payload: frame.payload,
        accepts_payload: frame.accepts_response_payload,
    };
    Some((id, envelope))
}

fn acknowledgement(id: &str, ack: Ack, accepts_payload: bool) -> Option<String> {
    let said = match ack {
        Ack::With(payload) if accepts_payload => json!({ "envelope_id": id, "payload": payload }),
        Ack::Taken | Ack::With(_) => json!({ "envelope_id": id }),
        Ack::Withheld => return None,
    };
    Some(said.to_string())
}

/// An error in words that never hold the address: it carries the ticket.
pub(super) fn words(error: &Error) -> String {
    match error {
        Error::Http(response) => format!("HTTP status {}", response.status().as_u16()),
        Error::Url(_) | Error::HttpFormat(_) => "the address cannot be used".to_owned(),
        Error::Io(_) | Error::Tls(_) | Error::Capacity(_) | Error::Protocol(_) => error.to_string(),
        _ => "the connection failed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::DuplexStream;
    use tokio::task::JoinHandle;
    use tokio::time::{advance, sleep};
    use tokio_tungstenite::tungstenite::protocol::Role;

    /// Slack's end of a connection that is served by the other end.
    struct Slack {
        stream: WebSocketStream<DuplexStream>,
        serving: JoinHandle<Ended>,
        stop: watch::Sender<bool>,
    }

    /// Answers take as long as the payload says, in milliseconds.
    async fn connected() -> Slack {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let (stop, stopped) = watch::channel(false);
        let serving = tokio::spawn(async move {
            let stream = WebSocketStream::from_raw_socket(ours, Role::Client, None).await;
            let answer = |envelope: Envelope| async move {
                sleep(Duration::from_millis(
                    envelope.payload.as_u64().unwrap_or_default(),
                ))
                .await;
                match envelope.kind {
                    Kind::Command => Ack::With(json!({ "text": "done" })),
                    Kind::Event => Ack::Withheld,
                    _ => Ack::Taken,
                }
            };
            serve(stream, Pace::default(), answer, |_| {}, stopped).await
        });
        Slack {
            stream: WebSocketStream::from_raw_socket(theirs, Role::Server, None).await,
            serving,
            stop,
        }
    }

    impl Slack {
        async fn says(&mut self, text: &str) {
            self.stream.send(Message::text(text)).await.unwrap();
        }

        async fn sends(&mut self, id: &str, kind: &str, takes_ms: u64, accepts: bool) {
            let envelope = json!({
                "envelope_id": id, "type": kind, "payload": takes_ms, "accepts_response_payload": accepts,
            });
            self.says(&envelope.to_string()).await;
        }

        async fn hears(&mut self) -> String {
            loop {
                if let Message::Text(text) = self.stream.next().await.unwrap().unwrap() {
                    return text.to_string();
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_envelope_is_answered_by_itself_and_once() {
        let mut slack = connected().await;
        slack.sends("slow", "slash_commands", 2_000, true).await;
        slack.sends("quick", "interactive", 0, false).await;
        slack.sends("withheld", "events_api", 0, false).await;
        slack.sends("deaf", "slash_commands", 1_000, false).await;
        slack.sends("later", "a_thing_of_2030", 1_500, true).await;
        assert_eq!(slack.hears().await, r#"{"envelope_id":"quick"}"#);
        assert_eq!(slack.hears().await, r#"{"envelope_id":"deaf"}"#);
        assert_eq!(slack.hears().await, r#"{"envelope_id":"later"}"#);
        assert_eq!(
            slack.hears().await,
            r#"{"envelope_id":"slow","payload":{"text":"done"}}"#
        );
        slack.stream.close(None).await.unwrap();
        assert!(slack.stream.next().await.unwrap().unwrap().is_close());
        assert_eq!(slack.serving.await.unwrap(), Ended::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_over_which_nothing_comes_for_thirty_seconds_is_dead() {
        let mut slack = connected().await;
        for _ in 0..10 {
            advance(Duration::from_secs(29)).await;
            slack.stream.send(Message::Ping("x".into())).await.unwrap();
            // So that it is read before time goes on.
            sleep(Duration::from_millis(1)).await;
        }
        assert!(!slack.serving.is_finished());
        let silent = Instant::now();
        assert_eq!(slack.serving.await.unwrap(), Ended::Silent);
        assert_eq!(silent.elapsed().as_secs(), 29, "30 s after the last ping");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slack_that_only_answers_our_pings_is_alive() {
        let mut slack = connected().await;
        let until = Instant::now() + Duration::from_secs(120);
        // Reading is what answers.
        while Instant::now() < until {
            let message = slack.stream.next().await.unwrap().unwrap();
            assert!(message.is_ping(), "{message:?}");
        }
        assert!(!slack.serving.is_finished());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_to_be_replaced_answers_until_it_is_closed() {
        let mut slack = connected().await;
        slack
            .says(r#"{"type":"disconnect","reason":"warning"}"#)
            .await;
        slack.sends("late", "interactive", 0, false).await;
        assert_eq!(slack.hears().await, r#"{"envelope_id":"late"}"#);
        // It closes it itself when Slack does not: here that takes a minute of pings.
        let since = Instant::now();
        while !slack.stream.next().await.unwrap().unwrap().is_close() {
            slack.says("{}").await;
        }
        assert_eq!(since.elapsed().as_secs(), 60);
        let ended = tokio::join!(slack.serving, slack.stream.next()).0;
        assert_eq!(ended.unwrap(), Ended::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_waits_for_what_is_under_way_and_takes_nothing_new() {
        let mut slack = connected().await;
        slack.sends("begun", "slash_commands", 2_500, true).await;
        sleep(Duration::from_millis(1)).await;
        slack.stop.send(true).unwrap();
        sleep(Duration::from_millis(1)).await;
        slack.sends("too late", "interactive", 0, false).await;
        assert_eq!(
            slack.hears().await,
            r#"{"envelope_id":"begun","payload":{"text":"done"}}"#
        );
        assert!(slack.stream.next().await.unwrap().unwrap().is_close());
        let ended = tokio::join!(slack.serving, slack.stream.next()).0;
        assert_eq!(ended.unwrap(), Ended::Stopped);
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_read_ends_nothing() {
        let mut slack = connected().await;
        slack.says("{").await;
        slack.says("[]").await;
        slack.says(r#"{"type":"hello"}"#).await;
        slack
            .stream
            .send(Message::binary(vec![1, 2, 3]))
            .await
            .unwrap();
        slack.sends("fine", "interactive", 0, true).await;
        assert_eq!(slack.hears().await, r#"{"envelope_id":"fine"}"#);
    }
}
