//! The door of Socket Mode: envelopes go to the reception, as requests over HTTP do, and its replies are said in
//! acknowledgements. No signature is checked: Slack proved itself when the connection was opened.

use std::sync::Arc;
use std::time::Instant;

use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::watch;
use tracing::warn;

use crate::reception::{ANSWER, OVERLOADED, Reception, Reply, UNCLEAR};
use crate::slack::socket::{Ack, Envelope, Kind, SocketMode};

/// Takes up what comes over the connections until `stop` turns true.
pub async fn run(mode: Arc<SocketMode>, reception: Arc<Reception>, stop: watch::Receiver<bool>) {
    let answer = move |envelope| {
        let reception = reception.clone();
        async move { answer(&reception, envelope).await }
    };
    mode.run(answer, stop).await;
}

/// The same limit as over HTTP: what is answered later was typed again by then.
async fn answer(reception: &Reception, envelope: Envelope) -> Ack {
    let is_command = matches!(envelope.kind, Kind::Command);
    match tokio::time::timeout(ANSWER, answered(reception, envelope)).await {
        Ok(ack) => ack,
        Err(_) if is_command => Ack::With(json!({ "response_type": "ephemeral", "text": UNCLEAR })),
        Err(_) => Ack::Withheld,
    }
}

async fn answered(reception: &Reception, envelope: Envelope) -> Ack {
    let Envelope { kind, payload, .. } = envelope;
    let began = Instant::now();
    let (path, reply) = match &kind {
        _ if reception.is_full() => {
            metrics::counter!("firebell_requests_shed").increment(1);
            return acknowledged(&kind, Reply::Overloaded);
        }
        Kind::Command => match read("slash command", payload) {
            Some(command) => ("commands", reception.command(&command).await),
            None => return Ack::Taken,
        },
        Kind::Interaction => match read("interaction", payload) {
            Some(interaction) => ("interactions", reception.interaction(&interaction).await),
            None => return Ack::Taken,
        },
        Kind::Event => match read("event", payload) {
            Some(event) => ("events", reception.event(&event).await),
            None => return Ack::Taken,
        },
        Kind::Other(kind) => {
            warn!("Slack sent an envelope of the type {kind:?}, which is left alone");
            return Ack::Taken;
        }
    };
    metrics::histogram!("firebell_slack_request_seconds", "path" => path)
        .record(began.elapsed().as_secs_f64());
    acknowledged(&kind, reply)
}

/// What cannot be read is acknowledged all the same: it would not be any better the next time.
fn read<T: DeserializeOwned>(what: &str, payload: serde_json::Value) -> Option<T> {
    serde_json::from_value(payload)
        .inspect_err(|error| warn!("This is no {what} of Slack's: {error}"))
        .ok()
}

/// The same as over HTTP. Where that door answers 503, a command is told in words, as its acknowledgement can carry
/// them; the others are not acknowledged, so that Slack sends an event again and keeps a form open.
fn acknowledged(kind: &Kind, reply: Reply) -> Ack {
    match (reply, kind) {
        (Reply::Taken, _) => Ack::Taken,
        (Reply::Body(body), _) => Ack::With(body),
        (Reply::Overloaded, Kind::Command) => {
            Ack::With(json!({ "response_type": "ephemeral", "text": OVERLOADED }))
        }
        (Reply::Overloaded | Reply::Broken, _) => Ack::Withheld,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_taken_is_not_acknowledged_unless_it_can_be_said_in_words() {
        let busy = acknowledged(&Kind::Command, Reply::Overloaded);
        assert_eq!(
            busy,
            Ack::With(json!({ "response_type": "ephemeral", "text": OVERLOADED }))
        );
        for kind in [Kind::Interaction, Kind::Event] {
            assert_eq!(acknowledged(&kind, Reply::Overloaded), Ack::Withheld);
            assert_eq!(acknowledged(&kind, Reply::Broken), Ack::Withheld);
            assert_eq!(acknowledged(&kind, Reply::Taken), Ack::Taken);
        }
    }
}
