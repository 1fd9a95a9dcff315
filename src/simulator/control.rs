//! The workspace over HTTP, for tests in other languages and for those that kill the bot's process.

use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::faults::Fault;
use super::requests::RequestUrls;
use super::{Workspace, api, reading};

/// Every endpoint under `/simulator/`. Bodies and answers are JSON; what cannot be done is answered 400
/// with `{"error": "…"}`.
pub(crate) fn routes() -> Router<Workspace> {
    Router::new()
        .route("/simulator/workspace", get(workspace))
        .route("/simulator/calls", get(calls))
        .route("/simulator/deliveries", get(deliveries))
        .route("/simulator/connect", post(connect))
        .route("/simulator/settle", post(settle))
        .route("/simulator/faults", post(faults))
        .route("/simulator/limits", post(limits))
        .route("/simulator/users", post(users))
        .route("/simulator/channels", post(channels))
        .route("/simulator/types", post(types))
        .route("/simulator/clicks", post(clicks))
        .route("/simulator/picks", post(picks))
        .route("/simulator/reacts", post(reacts))
        .route("/simulator/pins", post(pins))
        .route("/simulator/submits", post(submits))
        .route("/simulator/shortcuts", post(shortcuts))
        .route("/simulator/redeliver", post(redeliver))
}

/// A deed that could not be done.
pub(crate) struct Refused(anyhow::Error);

impl From<anyhow::Error> for Refused {
    fn from(why: anyhow::Error) -> Refused {
        Refused(why)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (
            StatusCode::BAD_REQUEST,
            Json(json!({"error": format!("{:#}", self.0)})),
        )
            .into_response()
    }
}

pub(crate) type Done = Result<Json<Value>, Refused>;
type At = Shared<Workspace>;

/// All that can be read: channels, direct messages, ephemerals, open views, people, what is unread.
async fn workspace(Shared(workspace): At) -> Json<Value> {
    let unread = workspace.unread();
    Json(workspace.with(|state| {
        let channels: Vec<_> = state.channels.values().map(|channel| reading::channel_view(state, channel)).collect();
        let ephemerals: Vec<_> = state.ephemerals.iter().map(|e| reading::ephemeral_view(state, e)).collect();
        let views = |ids: Vec<(&String, &String)>| -> Value {
            let shown = ids.into_iter().filter_map(|(user, id)| {
                let view = reading::open_view(state.views.all.get(id)?);
                Some(json!({"user": reading::name_of(state, user), "view": view}))
            });
            shown.collect()
        };
        let modals = state.views.stacks.iter().flat_map(|(user, stack)| stack.iter().map(move |id| (user, id)));
        let users: Vec<_> = state.users.values().map(|user| state.user_json(user)).collect();
        json!({
            "team_id": state.team_id, "users": users, "channels": channels, "ephemerals": ephemerals,
            "modals": views(modals.collect()), "homes": views(state.views.homes.iter().collect()), "unread": unread,
        })
    }))
}

async fn calls(Shared(workspace): At) -> Json<Value> {
    Json(json!(workspace.calls()))
}

async fn deliveries(Shared(workspace): At) -> Json<Value> {
    Json(json!(workspace.deliveries()))
}

async fn connect(Shared(workspace): At, Json(urls): Json<RequestUrls>) -> Done {
    workspace.connect(urls).await?;
    Ok(Json(json!({})))
}

async fn settle(Shared(workspace): At) -> Json<Value> {
    workspace.settle().await;
    Json(json!({}))
}

/// `{"method": "chat.postMessage", "fault": "lose_answer_after", "times": 1}`; no fault: take all back.
#[derive(Deserialize)]
struct OrderFault {
    #[serde(default)]
    method: String,
    fault: Option<Fault>,
    #[serde(default = "once")]
    times: usize,
}

fn once() -> usize {
    1
}

async fn faults(Shared(workspace): At, Json(order): Json<OrderFault>) -> Json<Value> {
    match order.fault {
        Some(fault) => workspace.fault(&order.method, fault, order.times),
        None => workspace.clear_faults(),
    }
    Json(json!({}))
}

#[derive(Deserialize)]
struct Limits {
    enforce: bool,
}

async fn limits(Shared(workspace): At, Json(limits): Json<Limits>) -> Json<Value> {
    workspace.enforce_rate_limits(limits.enforce);
    Json(json!({}))
}

#[derive(Deserialize)]
struct NewUser {
    name: String,
    email: Option<String>,
    tz: Option<String>,
    #[serde(default)]
    deleted: bool,
}

async fn users(Shared(workspace): At, Json(user): Json<NewUser>) -> Json<Value> {
    let email = user
        .email
        .unwrap_or_else(|| format!("{}@example.com", user.name));
    let tz = user.tz.as_deref().unwrap_or("Europe/Berlin");
    Json(json!({"id": workspace.add_user_with(&user.name, Some(&email), tz, user.deleted)}))
}

#[derive(Deserialize)]
struct NewChannel {
    name: String,
    #[serde(default)]
    is_private: bool,
    #[serde(default)]
    members: Vec<String>,
}

async fn channels(Shared(workspace): At, Json(channel): Json<NewChannel>) -> Json<Value> {
    let members: Vec<&str> = channel.members.iter().map(String::as_str).collect();
    Json(json!({"id": workspace.add_channel(&channel.name, channel.is_private, &members)}))
}

/// Who does something where, and to what; which fields matter depends on the endpoint.
#[derive(Deserialize)]
struct Deed {
    user: String,
    #[serde(default)]
    channel: String,
    #[serde(default)]
    ts: String,
    #[serde(default)]
    text: String,
    /// The label or action_id that is clicked, or the select that is chosen in.
    #[serde(default)]
    button: String,
    #[serde(default)]
    words: Vec<String>,
    #[serde(default)]
    emoji: String,
    #[serde(default)]
    view: String,
    #[serde(default)]
    values: Vec<(String, String)>,
    #[serde(default)]
    callback_id: String,
    /// Takes a reaction or a pin back.
    #[serde(default)]
    undo: bool,
}

async fn types(Shared(workspace): At, Json(deed): Json<Deed>) -> Done {
    let answer = workspace
        .person(&deed.user)?
        .try_types(&deed.channel, &deed.text)
        .await?;
    Ok(Json(json!(answer)))
}

async fn clicks(Shared(workspace): At, Json(deed): Json<Deed>) -> Done {
    let person = workspace.person(&deed.user)?;
    let answer = match deed.view.as_str() {
        "" => {
            person
                .try_clicks(&deed.channel, &deed.ts, &deed.button)
                .await?
        }
        view => person.try_clicks_in(view, &deed.button).await?,
    };
    Ok(Json(json!(answer)))
}

async fn picks(Shared(workspace): At, Json(deed): Json<Deed>) -> Done {
    let words: Vec<&str> = deed.words.iter().map(String::as_str).collect();
    let person = workspace.person(&deed.user)?;
    let answer = person
        .try_picks(&deed.channel, &deed.ts, &deed.button, &words)
        .await?;
    Ok(Json(json!(answer)))
}

async fn reacts(Shared(workspace): At, Json(deed): Json<Deed>) -> Done {
    let person = workspace.person(&deed.user)?;
    person.marks(&deed.channel, |state, channel| match deed.undo {
        false => api::react(state, channel, &deed.ts, &deed.emoji, &person.id),
        true => api::unreact(state, channel, &deed.ts, &deed.emoji, &person.id),
    })?;
    Ok(Json(json!({})))
}

async fn pins(Shared(workspace): At, Json(deed): Json<Deed>) -> Done {
    let person = workspace.person(&deed.user)?;
    person.marks(&deed.channel, |state, channel| match deed.undo {
        false => api::pin(state, channel, &deed.ts, &person.id),
        true => api::unpin(state, channel, &deed.ts, &person.id),
    })?;
    Ok(Json(json!({})))
}

async fn submits(Shared(workspace): At, Json(deed): Json<Deed>) -> Done {
    let values: Vec<(&str, &str)> = deed
        .values
        .iter()
        .map(|(key, word)| (key.as_str(), word.as_str()))
        .collect();
    let answer = workspace
        .person(&deed.user)?
        .try_submits(&deed.view, &values)
        .await?;
    Ok(Json(json!(answer)))
}

async fn shortcuts(Shared(workspace): At, Json(deed): Json<Deed>) -> Done {
    let person = workspace.person(&deed.user)?;
    let payload = workspace.with(|state| {
        if deed.ts.is_empty() {
            return state.shortcut(&person.id, &deed.callback_id, None);
        }
        let channel = state.place_for(&person.id, &deed.channel)?;
        state.shortcut(&person.id, &deed.callback_id, Some((&channel, &deed.ts)))
    })?;
    Ok(Json(json!(person.interact(payload).await?)))
}

#[derive(Deserialize)]
struct Redeliver {
    event_id: String,
}

async fn redeliver(Shared(workspace): At, Json(event): Json<Redeliver>) -> Json<Value> {
    Json(json!({"ok": workspace.redeliver(&event.event_id).await}))
}
