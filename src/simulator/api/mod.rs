//! The Web API over HTTP: arguments in, checks every method shares, the method, its answer (contract section 6.0).

mod arguments;
mod bookmarks;
mod chat;
mod conversations;
mod files;
mod history;
mod membership;
mod methods;
mod pins;
mod reactions;
mod users;
mod views;

use axum::body::Body;
use axum::extract::{ConnectInfo, Path, Request, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::block_kit::Problem;
use super::faults::Fault;
use super::line::Scissors;
use super::model::State;
use super::{Call, Workspace};

pub(crate) use arguments::Args;
pub(crate) use conversations::archive_by;
pub(crate) use files::{take_bytes, take_file};
pub use methods::all_scopes;
pub(crate) use pins::{pin, unpin};
pub(crate) use reactions::{react, unreact};

/// What a method answers beside `ok`, or why it refuses.
pub(crate) type Outcome = Result<Value, Failure>;

/// `ok: false`: the error and what goes with it.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub error: String,
    pub more: Map<String, Value>,
}

impl Failure {
    pub fn new(error: &str) -> Failure {
        Failure {
            error: error.into(),
            more: Map::new(),
        }
    }

    pub fn with(mut self, name: &str, value: Value) -> Failure {
        self.more.insert(name.into(), value);
        self
    }

    /// `invalid_arguments` with the complaints in `response_metadata.messages`.
    pub fn invalid_arguments(messages: impl IntoIterator<Item = String>) -> Failure {
        let messages: Vec<String> = messages.into_iter().collect();
        Failure::new("invalid_arguments").with("response_metadata", json!({"messages": messages}))
    }

    pub fn missing(field: &str) -> Failure {
        Failure::invalid_arguments([format!("[ERROR] missing required field: {field}")])
    }

    /// `invalid_blocks` and its kin: the complaints twice, once with `[ERROR]` before each.
    pub fn judged(error: &str, problems: &[Problem]) -> Failure {
        let words: Vec<String> = problems.iter().map(Problem::words).collect();
        let messages: Vec<String> = words
            .iter()
            .map(|words| format!("[ERROR] {words}"))
            .collect();
        Failure::new(error)
            .with("errors", json!(words))
            .with("response_metadata", json!({"messages": messages}))
    }
}

/// One call of `/api/<method>`.
pub(crate) async fn call(
    Shared(workspace): Shared<Workspace>,
    Path(method): Path<String>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let scissors = parts
        .extensions
        .get::<ConnectInfo<Scissors>>()
        .map(|info| info.0.clone());
    workspace.learn_origin(&parts.headers);
    let content_type = text_of(&parts.headers, header::CONTENT_TYPE);
    // A body that ends too early is Slack's `request_timeout`, which the parser says of an empty one.
    let body = axum::body::to_bytes(body, usize::MAX)
        .await
        .unwrap_or_default();
    let query = parts.uri.query().unwrap_or_default();
    let read = Args::read(query, &content_type, &body);
    let token = Token::find(&parts.headers, read.as_ref().ok());
    let params = read
        .as_ref()
        .map(|args| args.without_token())
        .unwrap_or_default();
    let mut call = Call {
        method: method.clone(),
        at_ms: workspace.now_ms(),
        params,
        token_in_header: token.in_header,
        content_type: content_type.clone(),
        answer: Value::Null,
    };
    let fault = workspace.take_fault(&method);
    let refused = match &fault {
        Some(Fault::Slow(delay)) => {
            tokio::time::sleep(*delay).await;
            None
        }
        Some(Fault::Error(error)) => Some(Answer::of(json!({"ok": false, "error": error}))),
        Some(Fault::RateLimited { retry_after_s }) => Some(Answer::rate_limited(*retry_after_s)),
        Some(Fault::Status(status)) => Some(Answer {
            status: *status,
            retry_after_s: None,
            body: Value::Null,
        }),
        Some(Fault::Hang | Fault::LoseAnswerBefore) => {
            workspace.record(call.clone());
            return never(fault == Some(Fault::Hang), scissors).await;
        }
        Some(Fault::LoseAnswerAfter) | None => None,
    };
    let mut answer = match (refused, read) {
        (Some(answer), _) => answer,
        (None, Ok(args)) => {
            workspace.with(|state| run(state, &workspace, &method, &args, &content_type, &token))
        }
        (None, Err(failure)) => Answer::of(refusal(failure)),
    };
    if content_type == "application/json" {
        warn(&mut answer.body, "missing_charset");
    }
    call.answer = answer.body.clone();
    workspace.record(call);
    if fault == Some(Fault::LoseAnswerAfter) {
        return never(false, scissors).await;
    }
    answer.into_response(&workspace, &method)
}

/// No answer: the connection hangs, or is cut.
pub(crate) async fn never(hang: bool, scissors: Option<Scissors>) -> Response {
    if hang {
        std::future::pending::<()>().await;
    }
    // Without a connection of ours (a router under a test's own server) a bad gateway comes closest.
    if let Some(scissors) = scissors {
        scissors.cut();
    }
    StatusCode::BAD_GATEWAY.into_response()
}

struct Answer {
    status: u16,
    retry_after_s: Option<u64>,
    body: Value,
}

impl Answer {
    fn of(body: Value) -> Answer {
        Answer {
            status: 200,
            retry_after_s: None,
            body,
        }
    }

    fn rate_limited(retry_after_s: u64) -> Answer {
        Answer {
            status: 429,
            retry_after_s: Some(retry_after_s),
            body: json!({"ok": false, "error": "ratelimited"}),
        }
    }

    fn into_response(self, workspace: &Workspace, method: &str) -> Response {
        let mut response = Response::builder()
            .status(self.status)
            .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
            .header("x-oauth-scopes", workspace.with(|state| provided(state)))
            .header(header::DATE, http_date(workspace.now_ms()));
        if let Some(method) = methods::find(method) {
            response = response.header("x-accepted-oauth-scopes", method.scopes.join(","));
        }
        if let Some(seconds) = self.retry_after_s {
            response = response.header(header::RETRY_AFTER, seconds);
        }
        let body = if self.body.is_null() {
            String::new()
        } else {
            self.body.to_string()
        };
        response
            .body(Body::from(body))
            .unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
    }
}

/// `Sun, 14 Sep 2025 14:30:00 GMT`
fn http_date(now_ms: i64) -> String {
    let now = jiff::Timestamp::from_millisecond(now_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// The token of a call. Never read from the query string, nor from a JSON body (contract section 6.0).
struct Token {
    value: Option<String>,
    in_header: bool,
}

impl Token {
    fn find(headers: &HeaderMap, args: Option<&Args>) -> Token {
        let bearer = text_of(headers, header::AUTHORIZATION)
            .strip_prefix("Bearer ")
            .map(|t| t.trim().to_owned());
        let in_header = bearer.is_some();
        Token {
            value: bearer.or_else(|| args.and_then(Args::form_token)),
            in_header,
        }
    }
}

/// Checks token, limit and scope, then does the method.
fn run(
    state: &mut State,
    workspace: &Workspace,
    name: &str,
    args: &Args,
    content_type: &str,
    token: &Token,
) -> Answer {
    let Some(method) = methods::find(name) else {
        return Answer::of(json!({"ok": false, "error": "unknown_method", "req_method": name}));
    };
    if let Err(failure) = check_token(workspace, method, token) {
        return Answer::of(refusal(failure));
    }
    if state.enforce_rate_limits {
        let channel = args.text("channel");
        let now_ms = state.now_ms;
        if let Err(retry_after_s) = state
            .limits
            .pass(name, method.tier, channel.as_deref(), now_ms)
        {
            return Answer::rate_limited(retry_after_s);
        }
    }
    let is_json = content_type.starts_with("application/json");
    if is_json && name == "files.getUploadURLExternal" {
        return Answer::of(refusal(Failure::new("invalid_arguments")));
    }
    // Methods that are read with GET do not see a JSON body (contract sections 6.1 and 14).
    let nothing = Args::default();
    let args = if is_json && !method.json {
        &nothing
    } else {
        args
    };
    let outcome = check_scope(state, method, args).and_then(|()| (method.run)(state, args));
    Answer::of(match outcome {
        Ok(mut body) => {
            body["ok"] = json!(true);
            body
        }
        Err(failure) => refusal(failure),
    })
}

fn check_token(
    workspace: &Workspace,
    method: &methods::Method,
    token: &Token,
) -> Result<(), Failure> {
    if method.name == "blocks.validate" || method.name == "api.test" {
        return Ok(());
    }
    let options = workspace.options();
    let in_header = token.in_header;
    let token = token.value.as_deref().filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| Failure::new("not_authed"))?;
    let is_bot = token == options.bot_token;
    let is_app = token == options.app_token;
    match (is_bot, is_app, method.name == "apps.connections.open") {
        // It is taken from the header only (contract section 5).
        (_, true, true) if !in_header => Err(Failure::new("not_authed")),
        (true, _, false) | (_, true, true) => Ok(()),
        (true, _, true) | (_, true, false) => Err(Failure::new("not_allowed_token_type")),
        (false, false, _) => Err(Failure::new("invalid_auth")),
    }
}

/// `missing_scope`, judged by the kind of conversation that the call is about (contract section 6.1).
fn check_scope(state: &State, method: &methods::Method, args: &Args) -> Result<(), Failure> {
    let family = args
        .text("channel")
        .and_then(|id| state.channels.get(&id))
        .map(|c| c.kind.scope_family());
    let by_kind = method.name.starts_with("conversations.");
    let fits = |scope: &&&str| {
        !by_kind || family.is_none_or(|family| scope.split(':').next() == Some(family))
    };
    let fitting: Vec<&&str> = method.scopes.iter().filter(fits).collect();
    if fitting.is_empty() || fitting.iter().any(|scope| state.has_scope(scope)) {
        return Ok(());
    }
    // For chat.postMessage the server names the scope's old name (contract section 6.0).
    let needed = match method.name {
        "chat.postMessage" => "chat:write:bot".into(),
        _ => fitting
            .iter()
            .map(|scope| **scope)
            .collect::<Vec<_>>()
            .join(","),
    };
    Err(missing_scope(state, &needed))
}

pub(crate) fn missing_scope(state: &State, needed: &str) -> Failure {
    Failure::new("missing_scope")
        .with("needed", json!(needed))
        .with("provided", json!(provided(state)))
}

fn provided(state: &State) -> String {
    state
        .scopes
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(",")
}

fn refusal(failure: Failure) -> Value {
    let Failure { error, more } = failure;
    let mut body = json!({"ok": false, "error": error});
    super::faces::merge(&mut body, Value::Object(more));
    body
}

/// Adds a warning to an answer, in both places where Slack puts it.
pub(crate) fn warn(body: &mut Value, warning: &str) {
    if !body.is_object() {
        return;
    }
    let all = match body["warning"].as_str() {
        Some(before) => format!("{before},{warning}"),
        None => warning.into(),
    };
    body["response_metadata"]["warnings"] = all.split(',').collect::<Vec<_>>().into();
    body["warning"] = json!(all);
}

fn text_of(headers: &HeaderMap, name: header::HeaderName) -> String {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned()
}
