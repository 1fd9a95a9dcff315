//! What Slack asks of us over HTTP: verified before it is read, written down before it is answered, answered within
//! milliseconds whatever Slack's own API does.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use tracing::{info, warn};

use super::{Rooms, fault};
use crate::desk::{Answer, Asked};
use crate::domain::command::Command;
use crate::domain::event::{Mark, MessageRef};
use crate::domain::terms::{Actor, ChannelId, DeliveryId, MessageTs, SlackUserId, Who};
use crate::engine::{Delivery, EngineError, Envelope, Wish};
use crate::slack::client::Outgoing;
use crate::slack::inbound::{
    BlockActions, EventCallback, EventRequest, Interaction, SlackEvent, SlashCommand,
};
use crate::slack::interaction::read;
use crate::slack::message::words;
use crate::slack::signature::{SIGNATURE, TIMESTAMP, prove};

/// What is told to a person when the bot cannot take the request up.
const OVERLOADED: &str =
    "Too much is going on at once; nothing was done. Please try again in a few seconds.";
const BROKEN: &str = "The database does not answer, so nothing was done. Please try again, and tell whoever runs Firebell: /readyz and the log say more.";

/// Turns a request away while too many wait, before a byte of its body is read: an answer that comes after Slack's
/// three seconds is worse than none, for the person has typed it again by then.
pub async fn admit(State(rooms): State<Arc<Rooms>>, request: Request, next: Next) -> Response {
    if rooms.desk.engine.is_full() {
        metrics::counter!("firebell_requests_shed").increment(1);
        return shed();
    }
    let path = match request.uri().path() {
        "/slack/commands" => "commands",
        "/slack/interactions" => "interactions",
        _ => "events",
    };
    let began = Instant::now();
    let response = next.run(request).await;
    metrics::histogram!("firebell_slack_request_seconds", "path" => path)
        .record(began.elapsed().as_secs_f64());
    response
}

fn shed() -> Response {
    let mut response = fault(StatusCode::SERVICE_UNAVAILABLE, OVERLOADED);
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, header::HeaderValue::from_static("2"));
    response
}

/// Checks the signature over the raw body.
fn proved(rooms: &Rooms, headers: &HeaderMap, body: &[u8]) -> Result<(), Box<Response>> {
    let Some(secret) = &rooms.signing_secret else {
        let reason = "SLACK_SIGNING_SECRET is not set, so nothing that claims to come from Slack is believed.";
        return Err(Box::new(fault(StatusCode::UNAUTHORIZED, reason)));
    };
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    prove(
        secret,
        header(SIGNATURE),
        header(TIMESTAMP),
        body,
        rooms.clock.now(),
    )
    .map_err(|why| {
        info!("Turned a request away: {why}");
        metrics::counter!("firebell_requests_unproved").increment(1);
        Box::new(fault(StatusCode::UNAUTHORIZED, &why.to_string()))
    })
}

fn malformed(what: &str, error: &dyn std::fmt::Display) -> Response {
    fault(
        StatusCode::BAD_REQUEST,
        &format!("This is no {what} of Slack's: {error}"),
    )
}

/// `POST /slack/commands`
pub async fn command(State(rooms): State<Arc<Rooms>>, headers: HeaderMap, body: Bytes) -> Response {
    // Slack probes the certificate without a signature; nothing is done for it.
    if body.starts_with(b"ssl_check=1") || body.windows(12).any(|w| w == b"&ssl_check=1") {
        return StatusCode::OK.into_response();
    }
    if let Err(response) = proved(&rooms, &headers, &body) {
        return *response;
    }
    let command: SlashCommand = match serde_urlencoded::from_bytes(&body) {
        Ok(command) => command,
        Err(error) => return malformed("slash command", &error),
    };
    if is_foreign(&rooms, &command.team_id) {
        return ephemeral(&words(
            "This Firebell serves another Slack workspace; nothing was done.",
        ));
    }
    let delivery = (!command.trigger_id.is_empty())
        .then(|| DeliveryId::new(format!("slash/{}", command.trigger_id)));
    let asked = Asked {
        line: &command.text,
        who: command.who(),
        incident: None,
        channel: Some(command.channel_id.clone()),
        delivery,
    };
    match rooms.desk.ask(asked).await {
        Answer::Done(message) | Answer::Refused(message) | Answer::NotUnderstood(message) => {
            ephemeral(&message)
        }
        Answer::Overloaded => shed(),
        // Told in words, with 200: any other status would show as "dispatch_failed" and say nothing.
        Answer::Broken => ephemeral(&words(BROKEN)),
    }
}

/// A request of a workspace that this bot does not serve.
fn is_foreign(rooms: &Rooms, team_id: &str) -> bool {
    let slack = rooms.slack.as_ref();
    let Some(ours) = slack.and_then(|slack| slack.known_identity()) else {
        return false;
    };
    let foreign = !team_id.is_empty() && ours.team_id != team_id;
    if foreign {
        warn!(
            "Turned away a request of the workspace {team_id}; this bot serves {}",
            ours.team_id
        );
    }
    foreign
}

fn ephemeral(message: &Outgoing) -> Response {
    Json(json!({ "response_type": "ephemeral", "text": message.text, "blocks": message.blocks }))
        .into_response()
}

#[derive(Deserialize)]
struct PayloadForm {
    payload: String,
}

/// `POST /slack/interactions`
pub async fn interaction(
    State(rooms): State<Arc<Rooms>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Err(response) = proved(&rooms, &headers, &body) {
        return *response;
    }
    let form: PayloadForm = match serde_urlencoded::from_bytes(&body) {
        Ok(form) => form,
        Err(error) => return malformed("interaction", &error),
    };
    match serde_json::from_str(&form.payload) {
        Ok(Interaction::BlockActions(actions)) => clicked(&rooms, &actions).await,
        // Of a later Slack, or of a message that is not ours: received, nothing to do.
        Ok(Interaction::Unknown) => StatusCode::OK.into_response(),
        Err(error) => malformed("interaction", &error),
    }
}

/// A click is acknowledged with an empty body; what there is to say goes to the one who clicked.
async fn clicked(rooms: &Arc<Rooms>, actions: &BlockActions) -> Response {
    let Some(click) = actions.actions.first().and_then(read) else {
        return StatusCode::OK.into_response();
    };
    let team = actions.team.as_ref();
    if team.is_some_and(|team| is_foreign(rooms, &team.id)) {
        return StatusCode::OK.into_response();
    }
    let delivery = (!actions.trigger_id.is_empty())
        .then(|| DeliveryId::new(format!("click/{}", actions.trigger_id)));
    let asked = Asked {
        line: &click.line,
        who: actions.user.who(),
        incident: Some(click.incident),
        channel: actions.channel.as_ref().map(|channel| channel.id.clone()),
        delivery,
    };
    let message = match rooms.desk.ask(asked).await {
        Answer::Done(message) | Answer::Refused(message) | Answer::NotUnderstood(message) => {
            message
        }
        Answer::Overloaded => return shed(),
        Answer::Broken => words(BROKEN),
    };
    if let (Some(slack), Some(url)) = (rooms.slack.clone(), actions.response_url.clone()) {
        // Not awaited: Slack's three seconds are not spent on Slack's own API.
        tokio::spawn(async move {
            if let Err(failure) = slack.reply(&url, &message).await {
                warn!("Could not reply to a click: {failure:?}");
            }
        });
    }
    StatusCode::OK.into_response()
}

/// `POST /slack/events`
pub async fn event(State(rooms): State<Arc<Rooms>>, headers: HeaderMap, body: Bytes) -> Response {
    if let Err(response) = proved(&rooms, &headers, &body) {
        return *response;
    }
    match serde_json::from_slice(&body) {
        Ok(EventRequest::UrlVerification { challenge }) => {
            Json(json!({ "challenge": challenge })).into_response()
        }
        Ok(EventRequest::EventCallback(callback)) => happened(&rooms, &callback).await,
        Ok(EventRequest::AppRateLimited {}) => {
            warn!("Slack sends no events for a minute: there were too many");
            StatusCode::OK.into_response()
        }
        Ok(EventRequest::Unknown) => StatusCode::OK.into_response(),
        Err(error) => malformed("event", &error),
    }
}

/// A mark on a message of a war room. Everything else is received and left alone.
async fn happened(rooms: &Rooms, callback: &EventCallback) -> Response {
    let Some((user, message, mark)) = marked(&callback.event) else {
        return StatusCode::OK.into_response();
    };
    // The bot pins its own card: that is no mark of a person.
    if callback.is_bot(&user) || is_foreign(rooms, &callback.team_id) {
        return StatusCode::OK.into_response();
    }
    let incident = match rooms.desk.store.incident_in(&message.channel).await {
        Ok(Some(incident)) => incident,
        Ok(None) => return StatusCode::OK.into_response(),
        Err(cause) => {
            tracing::error!(
                "Could not look for the war room {}: {cause:#}",
                message.channel
            );
            // Slack sends it again.
            return fault(StatusCode::SERVICE_UNAVAILABLE, BROKEN);
        }
    };
    if incident.card.as_ref() == Some(&message) {
        return StatusCode::OK.into_response();
    }
    let person = rooms.desk.catalog.person_by_slack(&user);
    let name = person.map_or_else(|| user.to_string(), |person| person.name.clone());
    let purpose = match mark {
        Mark::Pin | Mark::Reaction | Mark::Shortcut => "timeline",
        Mark::Check => "follow-up",
    };
    // Two people may mark the same message, or one with a pin and a reaction: it is put there once.
    let delivery = Delivery {
        id: DeliveryId::new(format!("mark/{}/{}/{purpose}", message.channel, message.ts)),
        for_ever: true,
    };
    let envelope = Envelope {
        wish: Wish::Pursue(incident.id.clone(), Command::MarkMessage { message, mark }),
        actor: Actor::Person(Who::slack(user, name)),
        delivery: Some(delivery),
    };
    match rooms.desk.engine.handle(envelope).await {
        Ok(_) => StatusCode::OK.into_response(),
        Err(EngineError::Refused(refusal)) => {
            info!("A mark was not taken: {refusal}");
            StatusCode::OK.into_response()
        }
        Err(EngineError::Overloaded) => shed(),
        Err(EngineError::LeaseLost | EngineError::Store(_)) => {
            fault(StatusCode::SERVICE_UNAVAILABLE, BROKEN)
        }
    }
}

/// Who marked which message, and how.
fn marked(event: &SlackEvent) -> Option<(SlackUserId, MessageRef, Mark)> {
    match event {
        SlackEvent::ReactionAdded {
            user,
            reaction,
            item,
        } => {
            let mark = match reaction.split("::").next()? {
                "pushpin" => Mark::Reaction,
                "white_check_mark" => Mark::Check,
                _ => return None,
            };
            let message = message_ref(item.channel.clone()?, item.ts.as_deref()?);
            (item.kind == "message").then(|| (user.clone(), message, mark))
        }
        SlackEvent::PinAdded {
            user,
            channel_id,
            item,
        } => {
            let ts = &item.message.as_ref()?.ts;
            Some((user.clone(), message_ref(channel_id.clone(), ts), Mark::Pin))
        }
        SlackEvent::Other => None,
    }
}

fn message_ref(channel: ChannelId, ts: &str) -> MessageRef {
    MessageRef {
        channel,
        ts: MessageTs::new(ts),
    }
}
