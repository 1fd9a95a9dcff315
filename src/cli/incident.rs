//! `firebell incident …`: the same words as in Slack, against the store.

use std::process::ExitCode;
use std::sync::Arc;

use secrecy::ExposeSecret;

use crate::app::beside;
use crate::clock::Clock;
use crate::config::Settings;
use crate::desk::{Answer, Asked, Desk, OVERLOADED};
use crate::domain::terms::Who;
use crate::engine::Engine;
use crate::slack::client::Outgoing;
use crate::slack::message::Composer;
use crate::slack::parse::{Context, Request, parse};
use crate::slack::text::unescape;
use crate::store::Store;
use crate::templates;

/// A database for what needs none.
const NONE: &str = "sqlite::memory:";

/// Answers one line.
pub(super) async fn run(settings: &Settings, words: &[String]) -> anyhow::Result<ExitCode> {
    let catalog = Arc::new(super::catalog(settings)?);
    // The parser takes Slack's escapes out of what people typed there; what is typed here has none.
    let line = words
        .join(" ")
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let who = Who::named(std::env::var("USER").unwrap_or_else(|_| "command line".to_owned()));
    let context = Context {
        catalog: &catalog,
        typist: &who,
        forms: false,
    };
    // Only what begins a record may make a database for it; what needs none is answered without.
    let url = settings.database.url.expose_secret();
    let store = match parse(&line, context).map(|line| line.request) {
        Ok(Request::Declare(_)) => Store::open(url).await?,
        Ok(Request::Help(_) | Request::ShowContacts) | Err(_) => Store::open(NONE).await?,
        Ok(_) => Store::open_existing(url).await?,
    };
    let words_of_messages = templates::environment(beside(settings.config.path()).as_deref());
    let desk = Desk {
        engine: Engine::start(store.clone(), catalog.clone(), Clock::System),
        composer: Arc::new(Composer::new(words_of_messages, catalog.clone())),
        catalog,
        clock: Clock::System,
        store,
    };
    let asked = Asked {
        line: &line,
        who,
        incident: None,
        channel: None,
        delivery: None,
        forms: false,
    };
    let answer = desk.ask(asked).await;
    desk.store.close().await;
    Ok(match answer {
        Answer::Done(message) => {
            println!("{}", plain(&message));
            ExitCode::SUCCESS
        }
        Answer::Refused(message) => {
            eprintln!("{}", plain(&message));
            ExitCode::FAILURE
        }
        Answer::NotUnderstood(message) => {
            eprintln!("{}", plain(&message));
            ExitCode::from(2)
        }
        Answer::Form(_, typed) => {
            eprintln!("Type the whole line: {typed}");
            ExitCode::FAILURE
        }
        Answer::Overloaded => {
            eprintln!("{OVERLOADED}");
            ExitCode::FAILURE
        }
        Answer::Broken(why) => {
            eprintln!("{}", why.replace("`/incident ", "`firebell incident "));
            ExitCode::FAILURE
        }
    })
}

/// A message for a terminal: its sections without Slack's marks, and its buttons as lines to type.
fn plain(message: &Outgoing) -> String {
    let mut lines = Vec::new();
    for block in &message.blocks {
        if let Some(text) = block["text"]["text"].as_str() {
            let text = unescape(text, |_| None).replace("/incident ", "firebell incident ");
            lines.push(text.replace(['*', '`'], ""));
        }
        for element in block["elements"].as_array().into_iter().flatten() {
            let (Some(label), Some(value)) =
                (element["text"]["text"].as_str(), element["value"].as_str())
            else {
                continue;
            };
            // `INC-… ack` is clicked; `ack INC-…` is typed.
            if let Some((id, line)) = value.split_once(' ') {
                let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
                lines.push(
                    format!("  {label}:  firebell incident {word} {id} {rest}")
                        .trim_end()
                        .to_owned(),
                );
            }
        }
    }
    lines.join("\n")
}
