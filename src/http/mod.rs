//! The HTTP server: who may come in, how large, and where to.

mod alerts;
mod gate;
pub mod health;
pub mod ledger;
mod notify;
pub mod pages;
pub mod schedules;
pub mod slack;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use jiff::Timestamp;
use minijinja::Environment;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;

use crate::clock::Clock;
use crate::config::ScheduleSecrets;
use crate::desk::Desk;
use crate::dispatcher::Dispatcher;
use crate::intake::Intake;
use crate::notify::Notifier;
use crate::notify::answer::LinkSecret;
use crate::reception::Reception;
use crate::slack::socket::SocketMode;
pub use alerts::sns::{Fetch, Fetched, Sns};
pub use alerts::{Filter, Search};
pub use gate::Gate;

/// What the handlers work with.
#[derive(Debug)]
pub struct Rooms {
    /// Answers lines; knows the store.
    pub desk: Arc<Desk>,
    /// Takes up what Slack asks.
    pub reception: Arc<Reception>,
    /// Does orders; asked for its health.
    pub dispatcher: Arc<Dispatcher>,
    /// Turns away who is not Slack.
    pub gate: Gate,
    /// The door of alerts.
    pub intake: Intake,
    /// Lets in only so many of their bodies at a time.
    pub alert_gate: Gate,
    /// Lets only so many of their senders look alerts up at a time.
    pub lookups: Semaphore,
    /// What Amazon SNS is believed by.
    pub sns: Sns,
    /// What the senders of alerts show, by the source's id.
    pub alert_secrets: BTreeMap<String, SecretString>,
    /// The ways to people beside Slack: proves what comes back by them.
    pub notifier: Notifier,
    /// Where people and providers reach us, without a slash at the end.
    pub public_url: Option<String>,
    /// What the links of e-mails are signed with.
    pub link_secret: LinkSecret,
    /// What opens the calendars of schedules.
    pub schedule_secrets: ScheduleSecrets,
    /// The clock.
    pub clock: Clock,
    /// When this process began.
    pub started_at: Timestamp,
    /// Socket Mode, if Slack is reached by it; asked for its health.
    pub socket: Option<Arc<SocketMode>>,
    /// What Slack signs with; none: nothing of Slack's is taken over HTTP.
    pub signing_secret: Option<SecretString>,
    /// What opens the protected pages; none: they stay closed.
    pub api_token: Option<SecretString>,
    /// The words of pages and exports.
    pub templates: Arc<Environment<'static>>,
    /// What `/metrics` shows.
    pub metrics: Option<metrics_exporter_prometheus::PrometheusHandle>,
}

/// The server's routes.
pub fn router(rooms: Arc<Rooms>) -> Router {
    let slack = Router::new()
        .route("/slack/commands", post(slack::command))
        .route("/slack/interactions", post(slack::interaction))
        .route("/slack/events", post(slack::event))
        // Outermost: whoever is turned away is turned away before a byte of the body is read.
        .layer(axum::middleware::from_fn_with_state(
            rooms.clone(),
            gate::admit,
        ));
    // Without a secret nothing that claims to come from Slack could be believed.
    let slack = match rooms.signing_secret {
        Some(_) => slack,
        None => Router::new(),
    };
    Router::new()
        .merge(slack)
        .merge(alerts_routes())
        .merge(notify::routes())
        .route("/incidents/{id}/{file}", get(pages::postmortem))
        .route("/schedules/{file}", get(schedules::ics))
        .route("/ledger", get(ledger::page))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .fallback(async || {
            fault(
                StatusCode::NOT_FOUND,
                "There is nothing here. README.md lists the routes.",
            )
        })
        // Clients of the alert APIs read an answer as JSON before they look at its status.
        .method_not_allowed_fallback(async || {
            fault(
                StatusCode::METHOD_NOT_ALLOWED,
                "This path takes other methods: see the header Allow.",
            )
        })
        .layer(CatchPanicLayer::custom(
            |_: Box<dyn std::any::Any + Send>| {
                fault(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "Something is broken; the log says more.",
                )
            },
        ))
        .with_state(rooms)
}

/// The doors of alert senders.
fn alerts_routes() -> Router<Arc<Rooms>> {
    Router::new()
        .route(
            "/alerts/{source}",
            post(alerts::post)
                .put(alerts::post)
                .options(alerts::cloudevents::validate),
        )
        .route("/alerts/{source}/heartbeat", post(alerts::heartbeat))
        .route(
            "/api/v2/alerts",
            post(alerts::prometheus::post).get(alerts::prometheus::list),
        )
        .route("/-/healthy", get(alerts::prometheus::probe))
        .route("/-/ready", get(alerts::prometheus::probe))
        .route("/api/v2/status", get(alerts::prometheus::status))
        .route(
            "/api/v2/silences",
            get(alerts::prometheus::silences).post(alerts::prometheus::silence),
        )
        .route("/api/v2/alerts/groups", get(alerts::prometheus::groups))
        .route("/api/v2/receivers", get(alerts::prometheus::receivers))
        .route("/v2/enqueue", post(alerts::pagerduty::enqueue))
        .route("/v2/change/enqueue", post(alerts::pagerduty::change))
        .route(
            "/v2/alerts",
            post(alerts::opsgenie::post).get(alerts::opsgenie::list),
        )
        .route("/v2/alerts/count", get(alerts::opsgenie::count))
        .route("/v2/alerts/{alias}", get(alerts::opsgenie::get))
        .route("/v2/alerts/{alias}/{act}", post(alerts::opsgenie::post_act))
        .route("/v2/alerts/requests/{id}", get(alerts::opsgenie::request))
        .route("/v2/heartbeats/{name}/ping", any(alerts::opsgenie::ping))
}

/// What a path names. What is no text is refused in JSON, as everything else is.
struct Named<T>(T);

impl<T, S> FromRequestParts<S> for Named<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(named)) => Ok(Named(named)),
            Err(why) => Err(fault(
                why.status(),
                "What the path names must be UTF-8 text.",
            )),
        }
    }
}

/// An error with a reason that a person can act on.
fn fault(status: StatusCode, reason: &str) -> Response {
    (status, axum::Json(json!({ "error": reason }))).into_response()
}
