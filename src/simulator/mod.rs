//! A Slack workspace in process, which knows nothing of the bot: the Web API, the requests that Slack
//! sends to an app, and people who type, click and read.
//!
//! It behaves as `slack-contract.md` says; where sources disagree it takes the stricter side. Peers that nobody here
//! wrote (slack_sdk and its Socket Mode, @slack/web-api, @slack/socket-mode, slack_sdk's Block Kit models) hold it to
//! that.
//!
//! | file | what is there |
//! |---|---|
//! | `model` `faces` | what a workspace holds, and how Slack prints it |
//! | `api/` | the Web API: one file per family of methods, one table of methods |
//! | `block_kit/` | what Slack takes as blocks, modals and home tabs |
//! | `posting` `response_url` `views` `form` | how messages, modals and inputs come about |
//! | `requests` `events` | what Slack sends to the app: signed, within three seconds, once and again |
//! | `sockets` | the same by Socket Mode |
//! | `people` `deeds` `interaction` `reading` | what a person can do and see |
//! | `faults` `limits` `line` | what goes wrong: on order, by too many calls, on the wire |
//! | `scenario` | scripted outages, played by the workspace's people |
//! | `control` | all of it over HTTP, for tests in other languages and other processes |
//! | `page/` | the same workspace in a browser: one person's view, live |
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use firebell::simulator::{Options, RequestUrls, Workspace};
//! let slack = Workspace::start(Options::default()).await?;
//! slack.add_user("ana");
//! slack.connect(RequestUrls::under("http://127.0.0.1:3000/slack")).await?;
//! let answer = slack.user("ana").types("#general", "/incident declare p1 checkout is down").await;
//! assert_eq!(answer.status, 200);
//! # Ok(()) }
//! ```

mod api;
mod block_kit;
mod control;
mod deeds;
mod events;
mod faces;
mod faults;
mod form;
mod interaction;
mod limits;
mod line;
mod model;
mod monitor;
mod page;
mod people;
mod posting;
mod reading;
mod requests;
mod response_url;
mod scenario;
mod sockets;
mod views;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Request, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;

use line::{Lines, Scissors};
use model::{Kind, State, User, UserGroup};

pub use api::all_scopes;
pub use events::{Delivery, SLACK_RETRY_DELAYS};
pub use faults::Fault;
pub use monitor::Monitor;
pub use page::{InstalledApp, SceneStep, SceneView, Scenes, Shortcut, ShortcutKind, SlashCommand};
pub use people::{Answer, Person};
pub use reading::{BookmarkView, ChannelView, FileView, MessageView, OpenView, ReactionView};
pub use requests::{RequestUrls, signature};
pub use scenario::{Deed, Player, Scenario, Step};
pub use sockets::EnvelopeView;

/// How a workspace is set up.
#[derive(Clone)]
pub struct Options {
    /// The only `xoxb-` token that the Web API takes.
    pub bot_token: String,
    /// The only `xapp-` token that `apps.connections.open` takes.
    pub app_token: String,
    /// Signs every request to the app (contract section 1).
    pub signing_secret: String,
    /// `T…`
    pub team_id: String,
    /// The bot user's name.
    pub bot_name: String,
    /// The scopes granted to the bot; all by default.
    pub scopes: Vec<String>,
    /// The workspace's clock, in unix milliseconds. Timestamps stay unique while it stands still.
    pub now: Arc<dyn Fn() -> i64 + Send + Sync>,
    /// Answer 429 beyond the tiers (contract section 6.0).
    pub enforce_rate_limits: bool,
    /// `should_escape` of the slash command: mentions come as `<@U…>` (contract section 2).
    pub escape_commands: bool,
    /// After which real delays a failed event is sent again by itself; none by default,
    /// [`SLACK_RETRY_DELAYS`] as Slack does.
    pub event_retry_delays: Vec<Duration>,
    /// How often Slack pings each connection of Socket Mode.
    pub socket_pings: Duration,
    /// After how long without an answer to its pings, or to anything, Slack closes such a connection.
    pub socket_silence: Duration,
    /// What the app's configuration offers to people: the page shows it.
    pub app: InstalledApp,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            bot_token: "xoxb-simulator".into(),
            app_token: "xapp-1-simulator".into(),
            signing_secret: "8f742231b10e8888abcd99yyyzzz85a5".into(),
            team_id: "T0000000001".into(),
            bot_name: "firebell".into(),
            scopes: all_scopes(),
            now: Arc::new(|| jiff::Timestamp::now().as_millisecond()),
            enforce_rate_limits: false,
            escape_commands: true,
            event_retry_delays: Vec::new(),
            socket_pings: Duration::from_secs(5),
            socket_silence: Duration::from_secs(15),
            app: InstalledApp::default(),
        }
    }
}

/// One call of the Web API, as it came and as it was answered.
#[derive(Clone, Debug, Serialize)]
pub struct Call {
    /// `chat.postMessage`; `upload` and `response_url` for those two.
    pub method: String,
    /// By the workspace's clock.
    pub at_ms: i64,
    /// The arguments without the token; a form's nested ones are strings.
    pub params: Value,
    /// Whether the token came where it belongs.
    pub token_in_header: bool,
    /// As sent.
    pub content_type: String,
    /// `null` when there was none.
    pub answer: Value,
}

/// Something that the bot posted and that no test has looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// The channel's name, or `@ana` for a direct message.
    pub channel: String,
    /// Its timestamp.
    pub ts: String,
    /// The only person who can see it, if it is ephemeral.
    pub only_for: Option<String>,
    /// What it says, as [`MessageView::plain_text`].
    pub text: String,
}

/// A Slack workspace. Clones are the same workspace.
#[derive(Clone)]
pub struct Workspace(Arc<Inner>);

struct Inner {
    options: Options,
    state: Mutex<State>,
    client: Client<HttpConnector, Full<Bytes>>,
    /// How many events have been sent and not been answered.
    under_way: watch::Sender<usize>,
    page: page::Desk,
}

impl Workspace {
    /// A workspace with a bot, Slackbot and `#general`.
    pub fn new(options: Options) -> Workspace {
        let state = Mutex::new(State::new(&options));
        let client = Client::builder(TokioExecutor::new()).build_http();
        Workspace(Arc::new(Inner {
            options,
            state,
            client,
            under_way: watch::channel(0).0,
            page: page::Desk::default(),
        }))
    }

    /// A workspace that already listens, on a free port of this machine.
    pub async fn start(options: Options) -> std::io::Result<Workspace> {
        let workspace = Workspace::new(options);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        tokio::spawn(workspace.serve(listener));
        Ok(workspace)
    }

    /// Serves the page, the Web API and the control endpoints. The address counts from the call on, not from the first poll.
    pub fn serve(
        &self,
        listener: TcpListener,
    ) -> impl Future<Output = std::io::Result<()>> + Send + use<> {
        if let Ok(address) = listener.local_addr() {
            self.with(|state| state.origin = format!("http://{address}"));
        }
        let service = self
            .router()
            .into_make_service_with_connect_info::<Scissors>();
        async move { axum::serve(Lines(listener), service).await }
    }

    /// `/`, `/page/…`, `/api/…`, `/upload/v1/…`, the response_urls and `/simulator/…`, to serve elsewhere.
    /// Faults that drop the connection need [`Workspace::serve`]; here they answer 502.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/api/{method}", get(api::call).post(api::call))
            .route("/upload/v1/{file}", post(upload).put(upload))
            .route("/files/{file}", get(download))
            .route("/commands/{team}/{number}/{secret}", post(respond))
            .route("/actions/{team}/{number}/{secret}", post(respond))
            .route("/app/{team}/{number}/{secret}", post(respond))
            .merge(control::routes())
            .merge(sockets::routes())
            .merge(page::routes())
            .layer(axum::middleware::from_fn(page::from_here))
            .with_state(self.clone())
    }

    /// `http://127.0.0.1:port`, empty before the workspace is served.
    pub fn origin(&self) -> String {
        self.with(|state| state.origin.clone())
    }

    /// The base URL of the Web API, with the slash at its end that SDKs want.
    pub fn api_url(&self) -> String {
        format!("{}/api/", self.origin())
    }

    /// Adds a person, `ana@example.com` in Europe/Berlin, to `#general`. Returns the id.
    pub fn add_user(&self, name: &str) -> String {
        self.add_user_with(
            name,
            Some(&format!("{name}@example.com")),
            "Europe/Berlin",
            false,
        )
    }

    /// Adds a person with an e-mail address, a time zone, and whether the account is deactivated.
    pub fn add_user_with(
        &self,
        name: &str,
        email: Option<&str>,
        tz: &str,
        deleted: bool,
    ) -> String {
        self.with(|state| {
            let id = state.next_id("U");
            let mut letters = name.chars();
            let first = letters
                .next()
                .map(|c| c.to_uppercase().to_string())
                .unwrap_or_default();
            let user = User {
                id: id.clone(),
                name: name.into(),
                real_name: format!("{first}{}", letters.as_str()),
                title: String::new(),
                email: email.map(str::to_owned),
                tz: tz.into(),
                deleted,
                is_bot: false,
            };
            state.users.insert(id.clone(), user);
            state.note(page::Change::People);
            if let (false, Some(general)) = (
                deleted,
                state.channel_named("general").map(|c| c.id.clone()),
            ) {
                state.channel_mut(&general).members.push(id.clone());
            }
            id
        })
    }

    /// Gives somebody a full name and a title, as their profile shows them.
    pub fn introduce(&self, name: &str, real_name: &str, title: &str) {
        self.with(|state| {
            if let Some(user) = state.users.values_mut().find(|user| user.name == name) {
                (user.real_name, user.title) = (real_name.into(), title.into());
            }
            state.note(page::Change::People);
        });
    }

    /// Adds a user group of people by name. Returns the id.
    pub fn add_group(&self, handle: &str, members: &[&str]) -> String {
        self.with(|state| {
            let users = members
                .iter()
                .filter_map(|name| state.user_named(name))
                .map(|u| u.id.clone())
                .collect();
            let id = state.next_id("S");
            let now_s = state.now_s();
            let group = UserGroup {
                id: id.clone(),
                handle: handle.into(),
                name: handle.into(),
                users,
                date_create_s: now_s,
                date_update_s: now_s,
            };
            state.groups.insert(id.clone(), group);
            state.note(page::Change::People);
            id
        })
    }

    /// Who is in a user group, by name; empty if there is no such group.
    pub fn group_members(&self, handle: &str) -> Vec<String> {
        self.with(|state| {
            let group = state.groups.values().find(|group| group.handle == handle);
            let users = group.map(|group| group.users.clone()).unwrap_or_default();
            let names = users.iter().filter_map(|id| state.users.get(id));
            names.map(|user| user.name.clone()).collect()
        })
    }

    /// Somebody puts other people into a user group by hand.
    pub fn regroup(&self, handle: &str, members: &[&str]) {
        self.with(|state| {
            let named = members.iter().filter_map(|name| state.user_named(name));
            let users: Vec<String> = named.map(|user| user.id.clone()).collect();
            let group = state
                .groups
                .values_mut()
                .find(|group| group.handle == handle);
            if let Some(group) = group {
                group.users = users;
            }
        });
    }

    /// Adds a channel of people by name; the bot is in it only if it is among them. Returns the id.
    pub fn add_channel(&self, name: &str, is_private: bool, members: &[&str]) -> String {
        self.with(|state| {
            let users: Vec<String> = members
                .iter()
                .filter_map(|name| state.user_named(name))
                .map(|u| u.id.clone())
                .collect();
            let kind = if is_private {
                Kind::Private
            } else {
                Kind::Public
            };
            let id = state.add_channel(
                name,
                kind,
                users.first().map_or(model::SLACKBOT, String::as_str),
            );
            state.channel_mut(&id).members = users;
            id
        })
    }

    /// Adds the bot to a channel quietly, as if it had always been there.
    pub fn add_bot_to(&self, channel: &str) {
        self.with(|state| {
            let id = state
                .channel_named(channel.trim_start_matches('#'))
                .map(|c| c.id.clone());
            let channel = state.channel_mut(&id.unwrap_or_else(|| channel.into()));
            if !channel.has_bot() {
                channel.members.push(model::BOT_USER.into());
            }
        });
    }

    /// Orders a fault for the next `times` calls of a method; `*` for any, `upload` and `response_url` for those.
    pub fn fault(&self, method: &str, fault: Fault, times: usize) {
        let order = faults::OrderedFault {
            method: method.into(),
            fault,
            times,
        };
        self.with(|state| state.faults.extend((times > 0).then_some(order)));
    }

    /// Takes back every fault that has not struck.
    pub fn clear_faults(&self) {
        self.with(|state| state.faults.clear());
    }

    /// Every call of the Web API so far.
    pub fn calls(&self) -> Vec<Call> {
        self.with(|state| state.calls.clone())
    }

    /// Grants exactly these scopes from now on.
    pub fn grant(&self, scopes: &[&str]) {
        self.with(|state| state.scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect());
    }

    /// From now on answers 429 beyond the tiers, or does not.
    pub fn enforce_rate_limits(&self, enforce: bool) {
        self.with(|state| state.enforce_rate_limits = enforce);
    }

    /// Switches the app's Home tab and Messages tab; both are on at first.
    pub fn set_app_home(&self, home_tab: bool, messages_tab: bool) {
        self.with(|state| (state.home_tab, state.messages_tab) = (home_tab, messages_tab));
    }

    pub(crate) fn options(&self) -> &Options {
        &self.0.options
    }

    pub(crate) fn client(&self) -> &Client<HttpConnector, Full<Bytes>> {
        &self.0.client
    }

    pub(crate) fn page(&self) -> &page::Desk {
        &self.0.page
    }

    pub(crate) fn under_way(&self) -> &watch::Sender<usize> {
        &self.0.under_way
    }

    pub(crate) fn now_ms(&self) -> i64 {
        (self.0.options.now)()
    }

    /// Does something to the state under its lock, then sends the events that followed from it.
    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.lock();
        state.now_ms = self.now_ms();
        let result = act(&mut state);
        let outgoing = std::mem::take(&mut state.outbox);
        self.0.page.tell(&mut state);
        drop(state);
        outgoing.into_iter().for_each(|event| self.deliver(event));
        result
    }

    /// A test that panicked has said what is wrong; the workspace goes on.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn take_fault(&self, method: &str) -> Option<Fault> {
        self.with(|state| faults::take(&mut state.faults, method))
    }

    pub(crate) fn record(&self, call: Call) {
        self.with(|state| state.calls.push(call));
    }

    /// Under somebody else's server the first caller tells where that is.
    pub(crate) fn learn_origin(&self, headers: &HeaderMap) {
        let host = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        self.with(|state| {
            if let (true, Some(host)) = (state.origin.is_empty(), host) {
                state.origin = format!("http://{host}");
            }
        });
    }
}

/// Step two of a file upload: any 2xx means taken.
async fn upload(
    Shared(workspace): Shared<Workspace>,
    Path(file): Path<String>,
    request: Request,
) -> Response {
    outside_the_api(
        &workspace,
        "upload",
        request,
        |state, content_type, _, body| match api::take_bytes(state, &file, content_type, body) {
            true => (StatusCode::OK, format!("OK - {}", body.len())),
            false => (StatusCode::BAD_REQUEST, "upload failed".into()),
        },
    )
    .await
}

/// `url_private` of a file: for the app, with its token.
async fn download(
    Shared(workspace): Shared<Workspace>,
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Response {
    let token = format!("Bearer {}", workspace.options().bot_token);
    let is_app = headers
        .get(header::AUTHORIZATION)
        .is_some_and(|given| *given == token);
    let bytes = workspace.with(|state| {
        let may_read = is_app && state.has_scope("files:read");
        state.files.get(&file).filter(|_| may_read)?.bytes.clone()
    });
    match bytes {
        Some(bytes) => {
            ([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response()
        }
        // Slack shows a page to log in instead.
        None => StatusCode::FORBIDDEN.into_response(),
    }
}

async fn respond(Shared(workspace): Shared<Workspace>, request: Request) -> Response {
    outside_the_api(
        &workspace,
        "response_url",
        request,
        |state, _, path, body| state.use_response_url(path, body),
    )
    .await
}

/// What uploads and response_urls share with the Web API: faults and the record.
async fn outside_the_api(
    workspace: &Workspace,
    method: &str,
    request: Request,
    act: impl FnOnce(&mut State, &str, &str, &[u8]) -> (StatusCode, String),
) -> Response {
    let (parts, body) = request.into_parts();
    let scissors = parts
        .extensions
        .get::<axum::extract::ConnectInfo<Scissors>>()
        .map(|info| info.0.clone());
    let content_type = parts
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let body = axum::body::to_bytes(body, usize::MAX)
        .await
        .unwrap_or_default();
    let mut call = Call {
        method: method.into(),
        at_ms: workspace.now_ms(),
        params: serde_json::from_slice(&body).unwrap_or_default(),
        token_in_header: parts.headers.contains_key(header::AUTHORIZATION),
        content_type: content_type.into(),
        answer: Value::Null,
    };
    let fault = workspace.take_fault(method);
    let refused = match &fault {
        Some(Fault::RateLimited { retry_after_s }) => {
            let after = [(header::RETRY_AFTER, retry_after_s.to_string())];
            Some((StatusCode::TOO_MANY_REQUESTS, after, "rate_limited").into_response())
        }
        Some(Fault::Status(status)) => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            Some(status.into_response())
        }
        Some(Fault::Error(error)) => Some((StatusCode::BAD_REQUEST, error.clone()).into_response()),
        Some(Fault::Hang | Fault::LoseAnswerBefore) => {
            workspace.record(call);
            return api::never(fault == Some(Fault::Hang), scissors).await;
        }
        Some(Fault::Slow(delay)) => {
            tokio::time::sleep(*delay).await;
            None
        }
        Some(Fault::LoseAnswerAfter) | None => None,
    };
    if let Some(refused) = refused {
        workspace.record(call);
        return refused;
    }
    let (status, text) = workspace.with(|state| act(state, content_type, parts.uri.path(), &body));
    call.answer = Value::String(text.clone());
    workspace.record(call);
    match fault {
        Some(Fault::LoseAnswerAfter) => api::never(false, scissors).await,
        _ => (status, text).into_response(),
    }
}
