//! `firebell incident …`: the same words as in Slack, against the store.

use std::process::ExitCode;
use std::sync::Arc;

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::terminal::{Terminal, quoted};
use crate::app::beside;
use crate::clock::Clock;
use crate::config::Settings;
use crate::desk::{Answer, Asked, Desk, OVERLOADED, confirmation, told_of};
use crate::domain::catalog::{Catalog, Person, SlackName};
use crate::domain::incident::{Incident, Room};
use crate::domain::terms::{IncidentId, Who};
use crate::domain::timeline::tell;
use crate::engine::{Engine, EngineError, Wish};
use crate::slack::message::{Composer, answer, words};
use crate::slack::parse::{Context, Line, Request, find, parse};
use crate::store::Store;
use crate::store::incidents::Which;
use crate::templates;

/// A database for what needs none.
const NONE: &str = "sqlite::memory:";

/// Incidents that are named to choose from.
const OFFERED: usize = 20;
/// Incidents that a list for programs holds.
const LISTED: i64 = 10_000;

/// What was typed after `firebell incident`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Typed {
    /// Whether a program reads the answer.
    pub(super) json: bool,
    /// Who acts, if that was said.
    pub(super) by: Option<String>,
    /// The words.
    pub(super) words: Vec<String>,
}

impl Typed {
    /// Takes the options out that stand behind the subcommand. Behind a subcommand that takes free text they are
    /// options only directly behind it: further on they are text. Who acts may stand at the end of any line: nobody shall
    /// act as somebody else because of where the name stood.
    fn with_options_behind(mut self) -> Self {
        while let Some(word) = self.words.get(1).cloned() {
            if word == "--json" {
                self.json = true;
                self.words.remove(1);
            } else if let Some(name) = word.strip_prefix("--as=") {
                self.by = Some(name.to_owned());
                self.words.remove(1);
            } else if word == "--as" && self.words.len() > 2 {
                self.by = Some(self.words.remove(2));
                self.words.remove(1);
            } else {
                break;
            }
        }
        let takes_text = |word: &String| find(word).is_none_or(|it| it.usage.contains('…'));
        if self.words.first().is_some_and(|word| !takes_text(word)) {
            loop {
                if self.words.pop_if(|last| last == "--json").is_some() {
                    self.json = true;
                } else if !self.takes_actor_off() {
                    break;
                }
            }
        } else {
            // `--json` at the very end of a text is text, unless who acts stands before it.
            let json = self.words.pop_if(|last| last == "--json");
            match (self.takes_actor_off(), json) {
                (true, json) => self.json |= json.is_some(),
                (false, json) => self.words.extend(json),
            }
        }
        self
    }

    /// Takes `--as NAME` off the end of the words; says whether it stood there.
    fn takes_actor_off(&mut self) -> bool {
        let (name, words) = match self.words.as_slice() {
            [_, .., option, name] if option == "--as" => (name.clone(), 2),
            [_, .., last] if last.starts_with("--as=") => (last["--as=".len()..].to_owned(), 1),
            _ => return false,
        };
        if name.is_empty() {
            return false;
        }
        self.by = Some(name);
        self.words.truncate(self.words.len() - words);
        true
    }
}

/// What is answered: words for people, fields for programs, and how the process ends.
struct Told {
    words: String,
    fields: Value,
    code: u8,
}

impl Told {
    fn done(words: String, fields: Value) -> Self {
        Self {
            words,
            fields,
            code: 0,
        }
    }

    fn failed(code: u8, error: &str, words: String, mut fields: Value) -> Self {
        fields["error"] = json!(error);
        Self {
            words,
            fields,
            code,
        }
    }
}

/// Answers one line.
pub(super) async fn run(settings: &Settings, typed: Typed) -> anyhow::Result<ExitCode> {
    let typed = typed.with_options_behind();
    let catalog = Arc::new(super::catalog(settings)?);
    let who = acting(typed.by.as_deref(), &catalog);
    let told = match asked(settings, catalog, &typed, who).await {
        Err(cause) if typed.json => unavailable(format!("{cause:#}")),
        told => told?,
    };
    let Told {
        words,
        mut fields,
        code,
    } = told;
    if typed.json {
        fields["ok"] = json!(code == 0);
        if !words.is_empty() {
            fields["message"] = json!(words);
        }
        println!("{}", serde_json::to_string_pretty(&fields)?);
    } else if code == 0 {
        println!("{words}");
    } else {
        eprintln!("{words}");
    }
    Ok(ExitCode::from(code))
}

/// Who acts: whom `--as` names, `FIREBELL_ACTOR`, the user of this machine. Somebody of the configuration is known by
/// id, name, e-mail address or handle.
fn acting(by: Option<&str>, catalog: &Catalog) -> Who {
    let variable = |name| std::env::var(name).ok();
    let given = [
        by.map(str::to_owned),
        variable("FIREBELL_ACTOR"),
        variable("USER"),
    ];
    let mut given = given
        .into_iter()
        .flatten()
        .map(|name| name.trim().trim_start_matches('@').to_owned());
    let name = given
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| "command line".to_owned());
    let is_called = |person: &&Person| {
        let handle = match &person.slack {
            Some(SlackName::Handle(handle)) => Some(handle.as_str()),
            Some(SlackName::Id(id)) => Some(id.as_str()),
            None => None,
        };
        let names = [
            Some(person.id.as_str()),
            Some(&person.name),
            person.email.as_deref(),
            handle,
        ];
        names
            .into_iter()
            .flatten()
            .any(|it| it.eq_ignore_ascii_case(&name))
    };
    match catalog.people.iter().find(is_called) {
        Some(person) => person.who(),
        None => Who::named(name),
    }
}

/// Understands the line, and opens what is needed to answer it.
async fn asked(
    settings: &Settings,
    catalog: Arc<Catalog>,
    typed: &Typed,
    who: Who,
) -> anyhow::Result<Told> {
    // The parser takes Slack's escapes out of what people typed there; what is typed here has none.
    let line = typed.words.join(" ");
    let line = line
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let context = Context {
        catalog: &catalog,
        typist: &who,
        forms: false,
    };
    let parsed = match parse(&line, context) {
        Ok(parsed) => parsed,
        Err(error) => {
            // It may still name its incident.
            let second = typed.words.get(1);
            let named = second.and_then(|word| catalog.incidents.id.id_of(word));
            let terminal = Terminal::new(&catalog, named.map(IncidentId::new));
            let said = terminal.plain(&words(&error.to_string()));
            return Ok(Told::failed(2, "not_understood", said, json!({})));
        }
    };
    // Only what begins a record may make a database for it; what needs none is answered without.
    let url = settings.database.url.expose_secret();
    let store = match &parsed.request {
        Request::Declare(_) => Store::open(url).await?,
        Request::Help(_) | Request::ShowContacts => Store::open(NONE).await?,
        _ => Store::open_existing(url).await?,
    };
    let words_of_messages = templates::environment(beside(settings.config.path()).as_deref());
    let desk = Desk {
        engine: Engine::start(store.clone(), catalog.clone(), Clock::System),
        composer: Arc::new(Composer::new(words_of_messages, catalog.clone())),
        catalog,
        clock: Clock::System,
        store,
        slack: None,
        intake: None,
    };
    let asked = Asked {
        line: &line,
        who,
        incident: None,
        channel: None,
        delivery: None,
        forms: false,
    };
    let told = answered(&desk, typed, parsed, asked).await;
    desk.store.close().await;
    told
}

/// Answers a line that was understood.
async fn answered(
    desk: &Desk,
    typed: &Typed,
    line: Line,
    asked: Asked<'_>,
) -> anyhow::Result<Told> {
    let Line { request, incident } = line;
    let mut terminal = Terminal::new(&desk.catalog, incident.clone());
    let named = match &incident {
        Some(id) if request.needs_incident() => desk.store.incident(id).await?,
        _ => None,
    };
    let listed = match &request {
        Request::ListIncidents => desk.store.list(Which::Unclosed, LISTED).await?,
        request if request.needs_incident() && incident.is_none() => {
            return Ok(which(typed, &desk.fit_for(request, &asked.who).await?));
        }
        _ => Vec::new(),
    };
    for incident in listed.iter().chain(&named) {
        terminal.learn(incident);
    }
    match (request, incident) {
        (Request::Declare(declaration), _) => {
            Ok(carried_out(desk, Wish::Declare(declaration), &asked, &mut terminal).await)
        }
        (Request::Pursue(command), Some(id)) => {
            let wish = Wish::Pursue(id, command);
            Ok(carried_out(desk, wish, &asked, &mut terminal).await)
        }
        (request, _) => {
            let fields = match (&request, &named) {
                (Request::ListIncidents, _) => {
                    let listed: Vec<Value> = listed.iter().map(|it| described(it)).collect();
                    json!({ "incidents": listed })
                }
                (Request::ShowStatus, Some(incident)) => json!({ "incident": described(incident) }),
                (Request::ShowTimeline, Some(incident)) if typed.json => {
                    json!({ "incident": described(incident), "entries": entries(desk, incident).await? })
                }
                (Request::ShowContacts, _) => json!({ "people": people(&desk.catalog) }),
                _ => json!({}),
            };
            Ok(match desk.ask(asked).await {
                // The fields say it all.
                Answer::Done(_)
                    if typed.json && fields.as_object().is_some_and(|it| !it.is_empty()) =>
                {
                    Told::done(String::new(), fields)
                }
                Answer::Done(message) => Told::done(terminal.plain(&message), fields),
                Answer::Refused(message) => {
                    Told::failed(1, "refused", terminal.plain(&message), json!({}))
                }
                Answer::NotUnderstood(message) => {
                    Told::failed(2, "not_understood", terminal.plain(&message), json!({}))
                }
                Answer::Form(_, line) => Told::failed(
                    2,
                    "not_understood",
                    terminal.text(&format!("Type the whole line: {line}")),
                    json!({}),
                ),
                Answer::Overloaded => unavailable(OVERLOADED.to_owned()),
                Answer::Broken(why) => unavailable(terminal.text(&why)),
            })
        }
    }
}

/// Does what is wanted.
async fn carried_out(
    desk: &Desk,
    wish: Wish,
    asked: &Asked<'_>,
    terminal: &mut Terminal<'_>,
) -> Told {
    let named = match &wish {
        Wish::Pursue(id, _) => Some(id.clone()),
        Wish::Declare(_) | Wish::Raise(_) => None,
    };
    match desk.carry_out(wish, asked).await {
        Ok(outcome) => {
            terminal.learn(&outcome.incident);
            let said = terminal.plain(&answer(&confirmation(
                &outcome,
                &desk.catalog.slack.command,
            )));
            Told::done(said, json!({ "incident": described(&outcome.incident) }))
        }
        Err(error) => {
            let said = terminal.plain(&words(&told_of(&error, named.as_ref())));
            let kind = match &error {
                EngineError::Refused(_) => "refused",
                EngineError::Damaged(_) => "damaged",
                // It may be done.
                EngineError::Unclear(_) => "unclear",
                EngineError::Overloaded | EngineError::LeaseLost | EngineError::Store(_) => {
                    "unavailable"
                }
            };
            Told::failed(1, kind, said, json!({}))
        }
    }
}

fn unavailable(why: String) -> Told {
    Told::failed(1, "unavailable", why, json!({}))
}

/// Asks which incident is meant, where a line names none: each possible line as it would be typed.
fn which(typed: &Typed, fit: &[Arc<Incident>]) -> Told {
    let word = typed.words.first().map_or("", String::as_str);
    let rest: Vec<String> = typed
        .words
        .iter()
        .skip(1)
        .map(|word| quoted(word))
        .collect();
    let line = |id: &str| {
        let line = format!("firebell incident {word} {id} {}", rest.join(" "));
        line.trim_end().to_owned()
    };
    let mut said = match fit.is_empty() {
        true => format!(
            "There is no incident for which this is the thing to do now, and none was named; nothing was done. Type {}",
            line("INC-…")
        ),
        false => "Which incident? Nothing was done. Type one of these:".to_owned(),
    };
    for incident in fit.iter().take(OFFERED) {
        said.push_str(&format!(
            "\n  {}    ({}, {}: {})",
            line(incident.id.as_str()),
            incident.severity.name,
            incident.status,
            incident.title
        ));
    }
    let fit: Vec<Value> = fit.iter().map(|it| described(it)).collect();
    Told::failed(2, "incident_missing", said, json!({ "incidents": fit }))
}

/// An incident for programs.
fn described(incident: &Incident) -> Value {
    let who = |who: &Who| json!({ "name": incident.name_of(who), "slack": who.slack });
    let roles: Value = incident
        .roles
        .iter()
        .map(|(role, holder)| (role.title().to_owned(), who(holder)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let milestones = &incident.milestones;
    json!({
        "id": incident.id,
        "title": incident.title,
        "description": incident.description,
        "severity": { "id": incident.severity.id, "name": incident.severity.name },
        "service": incident.service,
        "status": incident.status,
        "commander": incident.commander().map(who),
        "declared_by": incident.declared_by.as_ref().map(who),
        "acknowledged_by": incident.acknowledged_by.as_ref().map(who),
        "roles": roles,
        "war_room": match &incident.room {
            Room::Channel { name, .. } | Room::Wanted { name } => Some(name),
            Room::Thread => None,
        },
        "started_at": milestones.started,
        "declared_at": milestones.declared,
        "acknowledged_at": milestones.acknowledged,
        "resolved_at": milestones.resolved,
        "closed_at": milestones.closed,
        "duration_seconds": incident.duration(Clock::System.now()).as_secs(),
        "next_update_due_at": incident.update_clock.as_ref().map(|clock| clock.due_at),
        "entries": incident.version,
    })
}

/// The whole timeline for programs.
async fn entries(desk: &Desk, incident: &Incident) -> anyhow::Result<Vec<Value>> {
    let mut entries = Vec::new();
    let id: &IncidentId = &incident.id;
    loop {
        let page = desk.store.events_after(id, entries.len() as i64).await?;
        if page.is_empty() {
            return Ok(entries);
        }
        for row in &page {
            let entry = tell(&row.recorded()?);
            entries.push(json!({
                "seq": row.seq,
                "kind": row.kind,
                "happened_at": entry.happened_at,
                "recorded_at": entry.recorded_at,
                "sort": entry.sort,
                "who": entry.actor,
                "text": incident.named(&entry.text),
                "hash": row.hash,
            }));
        }
    }
}

/// Whom to call, for programs.
fn people(catalog: &Catalog) -> Vec<Value> {
    let person = |person: &Person| {
        json!({
            "id": person.id,
            "name": person.name,
            "slack": person.who().slack,
            "email": person.email,
            "phone": person.phone,
            "roles": person.roles,
        })
    };
    catalog.people.iter().map(person).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &str) -> (bool, Option<String>, String) {
        let words = line.split(' ').map(str::to_owned).collect();
        let typed = Typed {
            words,
            ..Typed::default()
        }
        .with_options_behind();
        (typed.json, typed.by, typed.words.join(" "))
    }

    #[test]
    fn options_may_stand_behind_the_subcommand_and_text_stays_text() {
        let is =
            |json, by: Option<&str>, line: &str| (json, by.map(str::to_owned), line.to_owned());
        assert_eq!(typed("list --json"), is(true, None, "list"));
        assert_eq!(
            typed("timeline INC-1 --json"),
            is(true, None, "timeline INC-1")
        );
        assert_eq!(
            typed("declare --json --as ana p1 x"),
            is(true, Some("ana"), "declare p1 x")
        );
        assert_eq!(
            typed("ack --as=ana INC-1"),
            is(false, Some("ana"), "ack INC-1")
        );
        assert_eq!(
            typed("ack INC-1 --as ana --json"),
            is(true, Some("ana"), "ack INC-1")
        );
        assert_eq!(
            typed("declare p1 checkout is down --as ana"),
            is(false, Some("ana"), "declare p1 checkout is down")
        );
        assert_eq!(
            typed("declare p1 checkout is down --as ana --json"),
            is(true, Some("ana"), "declare p1 checkout is down")
        );
        assert_eq!(
            typed("note INC-1 run it --as root please"),
            is(false, None, "note INC-1 run it --as root please")
        );
        assert_eq!(
            typed("note INC-1 write it as --json"),
            is(false, None, "note INC-1 write it as --json")
        );
    }

    #[test]
    fn somebody_of_the_configuration_is_known_by_every_name() {
        let (catalog, _) = crate::config::parse(
            "[[people]]\nid = \"ana\"\nname = \"Ana Ames\"\nemail = \"a@example.com\"\nslack = \"U0ANA00001\"\n",
            "firebell.toml",
        )
        .unwrap();
        for name in ["ana", "@Ana", "ana ames", "A@example.com", "U0ANA00001"] {
            let who = acting(Some(name), &catalog);
            assert_eq!(
                (who.name.as_str(), who.slack.is_some()),
                ("Ana Ames", true),
                "{name}"
            );
        }
        assert_eq!(acting(Some("cron"), &catalog), Who::named("cron"));
    }
}
