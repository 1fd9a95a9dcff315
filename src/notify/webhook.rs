//! A POST that is signed, to a system of the team's own; with a body of one's own also to ntfy, Pushover, Teams.
//!
//! `X-Firebell-Signature: v1=` and the HMAC-SHA256 of `{X-Firebell-Timestamp}.{body}` in lower-case hexadecimal. The
//! `Idempotency-Key` stays the same when a request is made again.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Request, Uri};
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sha2::Sha256;

use super::wire::{Answer, Web, ask, refused};
use super::{Accepted, Failure, PageText, cut, one_line};
use crate::domain::catalog::{Catalog, Person, Webhook};

/// Steps that a template may take; the longest that makes sense takes a hundredth of it.
const FUEL: u64 = 100_000;
/// The name of the template of the body.
const BODY: &str = "body";
/// The longest id of a receiver's that is kept.
const ID_MAX: usize = 200;

/// Where pages are posted to.
pub(super) struct Poster {
    web: Result<Web, String>,
    /// That of everybody who has none of their own.
    address: Result<Address, String>,
    /// Those of people, by their id.
    own: BTreeMap<String, Result<Address, String>>,
    shape: Shape,
}

#[derive(Clone)]
struct Address {
    uri: Uri,
    /// What may be shown of it: the rest is as good as a password at most receivers.
    host: String,
}

/// What a request looks like.
struct Shape {
    secret: Option<SecretString>,
    token: Option<SecretString>,
    content_type: String,
    /// `body`, and each header by its name.
    templates: Environment<'static>,
    has_body: bool,
    headers: Vec<String>,
}

impl fmt::Debug for Poster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poster").finish_non_exhaustive()
    }
}

impl Poster {
    /// Tells `missing` what is not there: why, and what follows from it.
    pub(super) fn new(
        catalog: &Catalog,
        web: Result<Web, String>,
        set: impl Fn(&str) -> Result<String, String>,
        missing: &mut impl FnMut(&String, &str),
    ) -> Self {
        let webhook = catalog.notifications.webhook.as_ref();
        let address = |name: &str| set(name).and_then(|url| Address::read(name, &url));
        let all = match webhook {
            Some(it) => {
                address(&it.url_env).inspect_err(|why| missing(why, "nothing is posted by webhook"))
            }
            None => Err("there is no [notifications.webhook]".to_owned()),
        };
        let mut own = BTreeMap::new();
        for person in &catalog.people {
            if let Some(name) = &person.webhook_url_env {
                let theirs = address(name).inspect_err(|why| {
                    missing(why, &format!("nothing is posted for {}", person.name));
                });
                own.insert(person.id.to_string(), theirs);
            }
        }
        let mut secret = |name: Option<&String>, so: &str| {
            let value = set(name?).inspect_err(|why| missing(why, so));
            value.ok().map(SecretString::from)
        };
        let shape = Shape::new(
            webhook,
            secret(
                webhook.and_then(|it| it.secret_env.as_ref()),
                "what is posted by webhook is not signed",
            ),
            secret(
                webhook.and_then(|it| it.token_env.as_ref()),
                "what is posted by webhook shows no token",
            ),
        );
        Self {
            web,
            address: all,
            own,
            shape,
        }
    }

    /// Whether there is an address at which a person is reached.
    pub(super) fn leads_to(&self, person: &Person) -> bool {
        self.web.is_ok() && self.address_of(person).is_ok()
    }

    fn address_of(&self, person: &Person) -> &Result<Address, String> {
        self.own.get(person.id.as_str()).unwrap_or(&self.address)
    }

    /// Posts a page. The receiver's id is what its answer calls `id` or `request`, if it does.
    pub(super) async fn post(
        &self,
        person: &Person,
        page: &PageText,
        key: &str,
    ) -> Result<Accepted, Failure> {
        let address = self.address_of(person).as_ref();
        let address = address.map_err(Failure::give_up)?;
        let web = self.web.as_ref().map_err(Failure::give_up)?;
        let request = self.shape.request(address, person, page, key)?;
        let answer = ask(web, request, &address.host).await?;
        if answer.status.is_success() {
            return Ok(Accepted {
                provider_id: their_id(&answer),
            });
        }
        let status = answer.status.as_u16();
        let said = String::from_utf8_lossy(&answer.body);
        let said = match cut(&one_line(&said), 120) {
            said if said.is_empty() => String::new(),
            said => format!(" ({said})"),
        };
        let why = match status {
            300..400 => format!(
                "{} leads elsewhere (HTTP status {status}), and nobody is followed; name the right address",
                address.host
            ),
            _ => format!("{} answers HTTP status {status}{said}", address.host),
        };
        Err(refused(&answer, why))
    }
}

impl Address {
    fn read(name: &str, url: &str) -> Result<Self, String> {
        let uri: Uri = url
            .parse()
            .map_err(|_| format!("{name} is not a web address"))?;
        match (uri.scheme_str(), uri.host()) {
            (Some("http" | "https"), Some(host)) if !host.is_empty() => Ok(Self {
                host: host.to_owned(),
                uri,
            }),
            _ => Err(format!("{name} is not a web address (https://…)")),
        }
    }
}

impl Shape {
    fn new(
        webhook: Option<&Webhook>,
        secret: Option<SecretString>,
        token: Option<SecretString>,
    ) -> Self {
        let content_type =
            webhook.map_or_else(|| Webhook::JSON.to_owned(), |it| it.content_type.clone());
        let mut templates = Environment::new();
        templates.set_fuel(Some(FUEL));
        let kind = content_type.to_lowercase();
        templates.set_auto_escape_callback(move |name| match name {
            BODY if kind.contains("json") => AutoEscape::Json,
            BODY if kind.contains("xml") || kind.contains("html") => AutoEscape::Html,
            _ => AutoEscape::None,
        });
        let mut shape = Self {
            secret,
            token,
            content_type,
            templates,
            has_body: false,
            headers: Vec::new(),
        };
        let Some(webhook) = webhook else {
            return shape;
        };
        // What the configuration has proved compiles.
        if let Some(body) = &webhook.body {
            let added = shape.templates.add_template_owned(BODY, body.clone());
            shape.has_body = added.is_ok();
        }
        for (name, value) in &webhook.headers {
            let added = shape
                .templates
                .add_template_owned(format!("header {name}"), value.clone());
            if added.is_ok() {
                shape.headers.push(name.clone());
            }
        }
        shape
    }

    fn request(
        &self,
        address: &Address,
        person: &Person,
        page: &PageText,
        key: &str,
    ) -> Result<Request<Full<Bytes>>, Failure> {
        let mut facts = page.facts.clone();
        facts["key"] = json!(key);
        facts["person"] = json!({ "id": person.id.as_str(), "name": person.name });
        let body = match self.has_body {
            true => self.render(BODY, &facts)?,
            false => facts.to_string(),
        };
        let mut request = Request::post(address.uri.clone())
            .header(CONTENT_TYPE, &self.content_type)
            .header("idempotency-key", key);
        for name in &self.headers {
            let text = one_line(&self.render(&format!("header {name}"), &facts)?);
            // ntfy, for one, reads UTF-8 there.
            let value = HeaderValue::from_bytes(text.as_bytes())
                .map_err(|_| Failure::give_up(format!("the header {name} cannot be written")))?;
            request = request.header(name, value);
        }
        let secret = |value: String| {
            let value = HeaderValue::try_from(value);
            value.map(|mut value| {
                value.set_sensitive(true);
                value
            })
        };
        if let Some(token) = &self.token {
            let value = secret(format!("Bearer {}", token.expose_secret()));
            let value = value.map_err(|_| {
                Failure::give_up("the token of `token_env` cannot stand in a header")
            })?;
            request = request.header(AUTHORIZATION, value);
        }
        let time = page.now.as_second().to_string();
        if let Some(signature) = self.secret.as_ref().map(|it| sign(it, &time, &body)) {
            request = request.header("x-firebell-signature", signature);
        }
        request
            .header("x-firebell-timestamp", time)
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| Failure::give_up("the request cannot be written"))
    }

    fn render(&self, name: &str, facts: &Value) -> Result<String, Failure> {
        let template = self.templates.get_template(name);
        let facts = minijinja::Value::from(Serde(facts));
        template.and_then(|it| it.render(facts)).map_err(|error| {
            let what = error.detail().unwrap_or("it cannot be rendered");
            Failure::give_up(format!(
                "a template of [notifications.webhook] is broken: {what}"
            ))
        })
    }
}

fn sign(secret: &SecretString, time: &str, body: &str) -> String {
    // HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else {
        return String::new();
    };
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body.as_bytes());
    format!("v1={}", hex::encode(mac.finalize().into_bytes()))
}

/// ntfy answers `{"id": "…"}`, Pushover `{"request": "…"}`.
fn their_id(answer: &Answer) -> Option<String> {
    let said: Value = serde_json::from_slice(&answer.body).ok()?;
    let id = said["id"].as_str().or_else(|| said["request"].as_str())?;
    (!id.is_empty()).then(|| cut(&one_line(id), ID_MAX))
}
