//! The workspace in a browser: one person's view of it, live, and everything that a person can do there.
//!
//! The page is plain: one HTML file, a style sheet, a handful of ES modules, all of them in the binary. It asks for
//! what its person sees (`seen`), hears of changes through server-sent events (`news`), and does things (`deeds`).
//!
//! Other pages in the same browser must not reach it: see [`from_here`].

mod app;
mod deeds;
mod news;
mod scenes;
mod seen;

use std::sync::LazyLock;

use axum::extract::{DefaultBodyLimit, Path, Query, Request, State as Shared};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Workspace;
use seen::Part;

pub use app::{InstalledApp, Shortcut, ShortcutKind, SlashCommand};
pub(crate) use news::{Change, Desk};
pub use scenes::{SceneStep, SceneView, Scenes};

/// Only what we serve ourselves runs or paints. Pictures alone may come from elsewhere: an app's image block names
/// an address.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' https: http:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The largest file that can be put into a form.
const UPLOAD_BYTES: usize = 20_000_000;

/// A file of the page: its name under `/page/`, its type, its text.
struct Asset(&'static str, &'static str, &'static str);

macro_rules! assets {
    ($($name:literal: $kind:expr),* $(,)?) => {
        [$(Asset($name, $kind, include_str!(concat!("web/", $name)))),*]
    };
}

static ASSETS: [Asset; 19] = assets! {
    "page.html": HTML,
    "page.css": CSS,
    "blocks.css": CSS,
    "icon.svg": "image/svg+xml",
    "app.js": SCRIPT,
    "store.js": SCRIPT,
    "server.js": SCRIPT,
    "dom.js": SCRIPT,
    "icons.js": SCRIPT,
    "emoji.js": SCRIPT,
    "mrkdwn.js": SCRIPT,
    "richtext.js": SCRIPT,
    "blocks.js": SCRIPT,
    "elements.js": SCRIPT,
    "messages.js": SCRIPT,
    "sidebar.js": SCRIPT,
    "composer.js": SCRIPT,
    "modal.js": SCRIPT,
    "scenes.js": SCRIPT,
};

/// The assets' entity tags, in their order.
static TAGS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let tag = |asset: &Asset| format!("\"{}\"", &hex::encode(Sha256::digest(asset.2))[..16]);
    ASSETS.iter().map(tag).collect()
});

/// `/` and everything under `/page/`.
pub(crate) fn routes() -> Router<Workspace> {
    Router::new()
        .route("/", get(page))
        .route("/page/{name}", get(asset))
        .route("/page/people", get(people))
        .route("/page/state", get(state))
        .route("/page/events", get(events))
        .route("/page/history", get(history))
        .route("/page/thread", get(thread))
        .route("/page/pins", get(pins))
        .route("/page/files/{id}", get(file))
        .route("/page/do/{deed}", post(deeds::act))
        .route(
            "/page/upload",
            post(upload).layer(DefaultBodyLimit::max(UPLOAD_BYTES)),
        )
        .route("/page/scenarios", get(list_scenes))
        .route("/page/scenarios/{id}/{act}", post(act_in_scene))
}

/// Something that cannot be done, in words.
pub(super) struct Refused(anyhow::Error);

impl From<anyhow::Error> for Refused {
    fn from(why: anyhow::Error) -> Refused {
        Refused(why)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let words = json!({"error": format!("{:#}", self.0)});
        (StatusCode::BAD_REQUEST, Json(words)).into_response()
    }
}

/// Lets in only what this page itself asks for. A page of another site is told apart by `Sec-Fetch-Site` and `Origin`,
/// one that had its own name point to this machine by `Host`. Programs send none of these but `Host`, and may come in.
pub(in crate::simulator) async fn from_here(request: Request, next: Next) -> Response {
    let is_navigation = request.method() == Method::GET && request.uri().path() == "/";
    match judge(request.headers(), is_navigation) {
        Ok(()) => next.run(request).await,
        Err(why) => (StatusCode::FORBIDDEN, why).into_response(),
    }
}

fn judge(headers: &HeaderMap, is_navigation: bool) -> Result<(), &'static str> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text("host").unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let is_loopback = ["localhost", "127.0.0.1", "[::1]"].contains(&name);
    let origin = text("origin").map(|origin| origin.split_once("://").map_or("", |(_, host)| host));
    let site = text("sec-fetch-site");
    match () {
        () if !is_loopback => Err("This page is served on this machine's own name only."),
        () if origin.is_some_and(|origin| origin != host) => Err("This is for our own page only."),
        () if is_navigation => Ok(()),
        () if !matches!(site, None | Some("same-origin" | "none")) => {
            Err("This is for our own page only.")
        }
        () => Ok(()),
    }
}

async fn page(headers: HeaderMap) -> Response {
    give(0, &headers)
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    match ASSETS.iter().position(|asset| asset.0 == name) {
        Some(place) => give(place, &headers),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn give(place: usize, headers: &HeaderMap) -> Response {
    let Asset(_, kind, text) = &ASSETS[place];
    let tag = TAGS[place].as_str();
    let known = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|known| known == tag);
    let about = [
        (header::CONTENT_TYPE, *kind),
        (header::ETAG, tag),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    match known {
        true => (StatusCode::NOT_MODIFIED, about).into_response(),
        false => (about, *text).into_response(),
    }
}

/// The parameters of what is asked for; which ones matter depends on the address.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked {
    #[serde(rename = "as")]
    who: String,
    channel: String,
    ts: String,
    before: Option<String>,
    after: Option<String>,
    around: Option<String>,
    limit: Option<usize>,
    name: String,
    download: Option<String>,
}

type At = Shared<Workspace>;
type Told = Result<Json<Value>, Refused>;

/// Whom one can be.
async fn people(Shared(workspace): At) -> Json<Value> {
    Json(workspace.with(|state| {
        let people = state.users.values().filter(|user| !user.is_bot && !user.deleted);
        let names: Vec<Value> = people
            .map(|user| {
                json!({"id": user.id, "name": user.name, "real_name": user.real_name, "title": user.title})
            })
            .collect();
        json!({"people": names})
    }))
}

async fn state(Shared(workspace): At, Query(asked): Query<Asked>) -> Told {
    let person = workspace.person(&asked.who)?;
    let app = workspace.options().app.clone();
    Ok(Json(
        workspace.with(|state| state.seen_by(&person.id, &app)),
    ))
}

async fn events(
    Shared(workspace): At,
    Query(asked): Query<Asked>,
) -> Result<impl IntoResponse, Refused> {
    Ok(news::listen(workspace.person(&asked.who)?))
}

async fn history(Shared(workspace): At, Query(asked): Query<Asked>) -> Told {
    let person = workspace.person(&asked.who)?;
    let limit = asked.limit.unwrap_or(100);
    let part = match (&asked.before, &asked.after, &asked.around) {
        (Some(ts), ..) => Part::Before(ts),
        (_, Some(ts), _) => Part::After(ts),
        (.., Some(ts)) => Part::Around(ts),
        _ => Part::Newest,
    };
    let seen = workspace.with(|s| s.seen_history(&person.id, &asked.channel, part, limit));
    Ok(Json(seen))
}

async fn thread(Shared(workspace): At, Query(asked): Query<Asked>) -> Told {
    let person = workspace.person(&asked.who)?;
    Ok(Json(workspace.with(|state| {
        state.seen_thread(&person.id, &asked.channel, &asked.ts)
    })))
}

async fn pins(Shared(workspace): At, Query(asked): Query<Asked>) -> Told {
    let person = workspace.person(&asked.who)?;
    Ok(Json(
        workspace.with(|state| state.seen_pins(&person.id, &asked.channel)),
    ))
}

/// A file for a form, as its bare bytes.
async fn upload(Shared(workspace): At, Query(asked): Query<Asked>, body: Bytes) -> Told {
    let person = workspace.person(&asked.who)?;
    let name = asked.name.rsplit(['/', '\\']).next().unwrap_or_default();
    if name.is_empty() {
        return Err(anyhow::anyhow!("a file has a name").into());
    }
    let id = person.uploads(name, &body);
    Ok(Json(json!({"id": id, "name": name, "size": body.len()})))
}

/// A shared file: as plain text to look at, or to be saved. It never becomes a page of this origin.
async fn file(
    Shared(workspace): At,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    let person = workspace.person(&asked.who)?;
    let found = workspace.with(|state| {
        let file = state.files.get(&id).filter(|file| file.completed)?;
        let mut places = file.shares.iter().map(|(channel, _)| channel);
        let visible = places.any(|channel| seen::may_see(state.channel(channel), &person.id));
        visible.then(|| {
            (
                file.filename.clone(),
                file.bytes.clone().unwrap_or_default(),
            )
        })
    });
    let Some((name, bytes)) = found else {
        return Ok(StatusCode::NOT_FOUND.into_response());
    };
    let plain: String = name
        .chars()
        .map(|c| match c {
            c if c.is_ascii_alphanumeric() || "._- ".contains(c) => c,
            _ => '_',
        })
        .collect();
    let (kind, how) = match asked.download {
        Some(_) => ("application/octet-stream", "attachment"),
        None => ("text/plain; charset=utf-8", "inline"),
    };
    let about = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("{how}; filename=\"{plain}\""),
        ),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; sandbox".to_owned(),
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((about, bytes).into_response())
}

async fn list_scenes(Shared(workspace): At) -> Json<Value> {
    let player = workspace.page().scenes().clone();
    let scenes = player.map(|player| player.list()).unwrap_or_default();
    Json(json!({"scenarios": scenes}))
}

async fn act_in_scene(
    Shared(workspace): At,
    Path((id, act)): Path<(String, String)>,
    Json(_): Json<Value>,
) -> Told {
    let player = workspace.page().scenes().clone();
    let player = player.ok_or_else(|| anyhow::anyhow!("there are no scenarios here"))?;
    let outcome = match act.as_str() {
        "start" => player.start(&id),
        "step" => player.step(&id),
        "play" => player.play(&id),
        "stop" => player.stop(&id),
        _ => Err(format!("a scenario cannot {act}")),
    };
    outcome.map_err(anyhow::Error::msg)?;
    workspace.scenes_changed();
    Ok(Json(json!({"scenarios": player.list()})))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn verdict(headers: &[(&'static str, &'static str)], is_navigation: bool) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_static(value));
        }
        judge(&map, is_navigation).is_ok()
    }

    #[test]
    fn only_the_page_itself_and_programs_come_in() {
        let host = ("host", "127.0.0.1:3100");
        assert!(verdict(&[host], false));
        assert!(verdict(&[("host", "localhost")], false));
        assert!(verdict(&[("host", "[::1]:3100")], false));
        assert!(verdict(
            &[
                host,
                ("origin", "http://127.0.0.1:3100"),
                ("sec-fetch-site", "same-origin")
            ],
            false
        ));
        assert!(!verdict(&[("host", "evil.example:3100")], false));
        assert!(!verdict(&[("host", "127.0.0.1.evil.example")], true));
        assert!(!verdict(&[], false));
        assert!(!verdict(&[host, ("origin", "https://evil.example")], false));
        assert!(!verdict(&[host, ("origin", "null")], false));
        assert!(!verdict(&[host, ("sec-fetch-site", "cross-site")], false));
        assert!(verdict(&[host, ("sec-fetch-site", "cross-site")], true));
    }
}
