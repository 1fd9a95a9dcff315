//! `/incident …`, understood. One table: parser, help and errors come from it, for Slack and for the command line.
//!
//! ```text
//! /incident <subcommand> [INC-2025-0914-001] [arguments…]
//! ```

use jiff::SignedDuration;
use jiff::civil::Date;

use super::modal::Form;
use super::text::unescape;
use crate::domain::catalog::Catalog;
use crate::domain::command::{Callee, Command, Declaration};
use crate::domain::decide::Refusal;
use crate::domain::escalation::Target;
use crate::domain::event::{ExportFormat, Resolution, Update};
use crate::domain::form::{nearest, parse_duration};
use crate::domain::oncall::Schedule;
use crate::domain::terms::{
    GroupId, IncidentId, Role, ServiceId, SeverityId, SlackUserId, Status, Who,
};
use crate::domain::typed_time::TypedStretch;

/// For how long alerts are silent when nothing else is said.
const SNOOZE: SignedDuration = SignedDuration::from_hours(1);
/// For how long they can be: what is silent for longer is forgotten.
const SNOOZE_MAX: SignedDuration = SignedDuration::from_hours(24);

/// A line, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What is asked for.
    pub request: Request,
    /// The incident, if the line names one; else the war room tells.
    pub incident: Option<IncidentId>,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// A new incident.
    Declare(Declaration),
    /// Something of an incident.
    Pursue(Command),
    /// How an incident stands.
    ShowStatus,
    /// What happened so far.
    ShowTimeline,
    /// Which incidents are open.
    ListIncidents,
    /// Whom to call.
    ShowContacts,
    /// A form to fill in: the line left out what it needs.
    Fill(Form),
    /// Something of the alerts on a card.
    Alerts {
        /// Which.
        group: GroupId,
        /// What.
        wish: AlertWish,
    },
    /// Who is on call: in the schedule of this id, or in each.
    ShowOnCall(Option<String>),
    /// Something of the overrides of schedules.
    Override(OverrideWish),
    /// What can be typed; about one subcommand, if it is named.
    Help(Option<&'static Subcommand>),
}

/// What is wanted of the alerts on a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlertWish {
    /// An incident of their own.
    Declare,
    /// That they are part of this incident; none: of one that is still to be chosen.
    Attach(Option<IncidentId>),
    /// To say: “I have it”.
    Acknowledge,
    /// That they declare incidents again, although they were cut off.
    Resume,
    /// To hear nothing of them for so long.
    Snooze(SignedDuration),
}

/// What is wanted of the overrides of schedules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OverrideWish {
    /// That somebody takes a schedule over for a while.
    Make {
        /// The schedule's id.
        schedule: String,
        /// From when to when, as it was typed.
        stretch: TypedStretch,
        /// Who takes over.
        person: Who,
    },
    /// To see those in force and to come.
    List,
    /// That the one of this number counts no more.
    Undo(i64),
}

impl Request {
    /// Whether it is about one incident.
    pub fn needs_incident(&self) -> bool {
        match self {
            Request::Pursue(_) | Request::ShowStatus | Request::ShowTimeline => true,
            Request::Fill(Form::Declare { .. } | Form::Keep { .. }) => false,
            Request::Fill(_) => true,
            Request::Declare(_)
            | Request::ListIncidents
            | Request::ShowContacts
            | Request::Alerts { .. }
            | Request::ShowOnCall(_)
            | Request::Override(_)
            | Request::Help(_) => false,
        }
    }
}

/// What the parser may look at.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The configuration: severities and services are known by it.
    pub catalog: &'a Catalog,
    /// Who typed: "me".
    pub typist: &'a Who,
    /// Whether a form can be opened for them, where a line leaves out what it needs.
    pub forms: bool,
}

/// A line that was not understood, in words for the one who typed it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotUnderstood(pub String);

/// One row of the table.
#[derive(Debug)]
pub struct Subcommand {
    /// The words that it is known by; the first is the one shown.
    pub words: &'static [&'static str],
    /// Its arguments: `<text…>`, `[@user]`.
    pub usage: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    parse: fn(&str, Context<'_>) -> Result<Request, NotUnderstood>,
}

impl PartialEq for Subcommand {
    fn eq(&self, other: &Self) -> bool {
        self.words == other.words
    }
}

impl Eq for Subcommand {}

impl Subcommand {
    /// The word that is shown.
    pub fn word(&self) -> &'static str {
        self.words[0]
    }

    /// Whether it is about one incident, which a line outside of a war room must name.
    pub fn needs_incident(&self) -> bool {
        !matches!(
            self.word(),
            "declare" | "list" | "alert" | "oncall" | "override" | "contacts" | "help"
        )
    }

    /// How it is typed after the slash command: `role <role> [@user]`.
    pub fn form(&self) -> String {
        format!("{} {}", self.word(), self.usage)
            .trim_end()
            .to_owned()
    }

    fn wrong(&self, what: &str, command: &str) -> NotUnderstood {
        NotUnderstood(format!("{what} Like this: `{command} {}`", self.form()))
    }
}

/// Every subcommand, in the order in which help shows them.
pub const SUBCOMMANDS: &[Subcommand] = &[
    Subcommand {
        words: &["declare", "new", "create"],
        usage: "[severity] <title…>",
        about: "declare an incident and open its war room",
        parse: declare,
    },
    Subcommand {
        words: &["list"],
        usage: "",
        about: "the open incidents",
        parse: |rest, context| nothing(rest, "list", context, Request::ListIncidents),
    },
    Subcommand {
        words: &["status"],
        usage: "[investigating|identified|mitigating|monitoring]",
        about: "how the incident stands, or where it stands now",
        parse: status,
    },
    Subcommand {
        words: &["ack", "acknowledge"],
        usage: "",
        about: "take the incident on: “I have it”",
        parse: |rest, context| nothing(rest, "ack", context, Request::Pursue(Command::Acknowledge)),
    },
    Subcommand {
        words: &["escalate"],
        usage: "",
        about: "call the next step of the escalation now",
        parse: |rest, context| {
            nothing(
                rest,
                "escalate",
                context,
                Request::Pursue(Command::Escalate),
            )
        },
    },
    Subcommand {
        words: &["page"],
        usage: "<@user|schedule|role> [what for…]",
        about: "call somebody, whatever the escalation does",
        parse: page,
    },
    Subcommand {
        words: &["update"],
        usage: "<text…>",
        about: "tell everybody how things stand",
        parse: update,
    },
    Subcommand {
        words: &["severity", "sev"],
        usage: "<severity> [reason…]",
        about: "weigh the incident anew",
        parse: severity,
    },
    Subcommand {
        words: &["lead"],
        usage: "[@user]",
        about: "hand the lead to somebody, or take it",
        parse: lead,
    },
    Subcommand {
        words: &["role"],
        usage: "<commander|operations|communications|scribe> [@user]",
        about: "give a role to somebody, or take it",
        parse: role,
    },
    Subcommand {
        words: &["note"],
        usage: "<text…>",
        about: "write something on the timeline",
        parse: note,
    },
    Subcommand {
        words: &["followup", "follow-up", "todo"],
        usage: "<text…> [@owner] [due:2025-09-30] | done <number>",
        about: "note work that outlives the incident, or tick it off",
        parse: follow_up,
    },
    Subcommand {
        words: &["timeline"],
        usage: "",
        about: "what happened so far",
        parse: |rest, context| nothing(rest, "timeline", context, Request::ShowTimeline),
    },
    Subcommand {
        words: &["export"],
        usage: "[markdown|json|html|csv]",
        about: "put the whole record as a file into the war room",
        parse: export,
    },
    Subcommand {
        words: &["alert"],
        usage: "<ack|declare|attach|snooze|resume> <alerts> [incident|1h]",
        about: "what is to become of a card of alerts; its buttons type this",
        parse: alert,
    },
    Subcommand {
        words: &["oncall", "on-call", "who"],
        usage: "[schedule]",
        about: "who is on call now, who is next, and where nobody will be",
        parse: on_call,
    },
    Subcommand {
        words: &["override", "cover"],
        usage: "<schedule> <from> <to> [@user] | list | undo <number>",
        about: "let somebody take a schedule over for a while, as in `primary tomorrow 9:00 17:00 @bob`",
        parse: take_over,
    },
    Subcommand {
        words: &["contacts"],
        usage: "",
        about: "whom to call",
        parse: |rest, context| nothing(rest, "contacts", context, Request::ShowContacts),
    },
    Subcommand {
        words: &["resolve"],
        usage: "[root cause…]",
        about: "say that the effect on users is over",
        parse: resolve,
    },
    Subcommand {
        words: &["reopen"],
        usage: "[reason…]",
        about: "say that it was not over",
        parse: |rest, _| Ok(Request::Pursue(Command::Reopen { reason: text(rest) })),
    },
    Subcommand {
        words: &["close"],
        usage: "",
        about: "say that the post-mortem is done",
        parse: |rest, context| nothing(rest, "close", context, Request::Pursue(Command::Close)),
    },
    Subcommand {
        words: &["help", "?"],
        usage: "[subcommand]",
        about: "this list",
        parse: help,
    },
];

/// Understands a line: everything behind the slash command.
pub fn parse(line: &str, context: Context<'_>) -> Result<Line, NotUnderstood> {
    let (word, rest) = split(line);
    if word.is_empty() {
        return Ok(Line {
            request: Request::Help(None),
            incident: None,
        });
    }
    let Some(subcommand) = find(&word) else {
        // `INC-2025-0914-001 ack` is as clear as `ack INC-2025-0914-001`; the name alone asks how it stands.
        if context.catalog.incidents.id.id_of(&word).is_some() {
            let (next, behind) = split(rest);
            return match next.as_str() {
                "" => parse(&format!("status {word}"), context),
                next if find(next).is_some() => parse(&format!("{next} {word} {behind}"), context),
                next => Err(unknown(next, context)),
            };
        }
        return Err(unknown(&word, context));
    };
    // An incident may be named first: `/incident ack INC-2025-0914-001`.
    let (first, behind) = split(rest);
    let (incident, rest) = match context.catalog.incidents.id.id_of(&first) {
        Some(id) => (Some(IncidentId::new(id)), behind),
        None => (None, rest),
    };
    let request = (subcommand.parse)(rest.trim(), context)?;
    Ok(Line { request, incident })
}

/// The subcommand of a word.
pub fn find(word: &str) -> Option<&'static Subcommand> {
    SUBCOMMANDS.iter().find(|subcommand| {
        subcommand
            .words
            .iter()
            .any(|known| known.eq_ignore_ascii_case(word))
    })
}

fn unknown(word: &str, context: Context<'_>) -> NotUnderstood {
    let command = &context.catalog.slack.command;
    let known = SUBCOMMANDS
        .iter()
        .flat_map(|subcommand| subcommand.words.iter().copied());
    match nearest(&word.to_lowercase(), known) {
        Some(near) => NotUnderstood(format!(
            "There is no `{command} {word}`. Did you mean `{command} {near}`? `{command} help` lists everything."
        )),
        None => NotUnderstood(format!(
            "There is no `{command} {word}`. `{command} help` lists everything."
        )),
    }
}

/// The first word and the rest. The rest keeps its spaces and lines.
fn split(line: &str) -> (String, &str) {
    let line = line.trim_start();
    match line.split_once(char::is_whitespace) {
        Some((word, rest)) => (word.to_owned(), rest),
        None => (line.to_owned(), ""),
    }
}

fn subcommand(word: &str) -> &'static Subcommand {
    find(word).unwrap_or(&SUBCOMMANDS[SUBCOMMANDS.len() - 1])
}

fn wrong(word: &str, what: &str, context: Context<'_>) -> NotUnderstood {
    subcommand(word).wrong(what, &context.catalog.slack.command)
}

/// Plain text, if there is any. Names that Slack gives by id alone stay ids: nobody is asked while a command is read.
fn text(rest: &str) -> Option<String> {
    let text = unescape(rest, |_| None);
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn nothing(
    rest: &str,
    word: &str,
    context: Context<'_>,
    request: Request,
) -> Result<Request, NotUnderstood> {
    match rest.is_empty() {
        true => Ok(request),
        false => Err(wrong(
            word,
            &format!("`{word}` takes no further words."),
            context,
        )),
    }
}

fn alert(rest: &str, context: Context<'_>) -> Result<Request, NotUnderstood> {
    let (word, rest) = split(rest);
    let (group, rest) = split(rest);
    let (last, _) = split(rest);
    let wish = match word.as_str() {
        "ack" | "acknowledge" => AlertWish::Acknowledge,
        "declare" => AlertWish::Declare,
        "resume" => AlertWish::Resume,
        "attach" => {
            let incident = context.catalog.incidents.id.id_of(&last);
            AlertWish::Attach(incident.map(IncidentId::new))
        }
        "snooze" if last.is_empty() => AlertWish::Snooze(SNOOZE),
        "snooze" => match parse_duration(&last) {
            Ok(pause) if pause <= SNOOZE_MAX => AlertWish::Snooze(pause),
            Ok(_) | Err(_) => {
                return Err(wrong(
                    "alert",
                    "For how long? At most a day, as in `1h`.",
                    context,
                ));
            }
        },
        _ => return Err(wrong("alert", "What is to become of them?", context)),
    };
    if !group.starts_with("grp-") {
        return Err(wrong(
            "alert",
            "Which alerts? Their card has buttons for this.",
            context,
        ));
    }
    Ok(Request::Alerts {
        group: GroupId::new(group),
        wish,
    })
}

fn on_call(rest: &str, context: Context<'_>) -> Result<Request, NotUnderstood> {
    if rest.is_empty() {
        return Ok(Request::ShowOnCall(None));
    }
    let schedule = find_schedule(rest, context)?;
    Ok(Request::ShowOnCall(Some(schedule.id.clone())))
}

fn take_over(rest: &str, context: Context<'_>) -> Result<Request, NotUnderstood> {
    let (first, behind) = split(rest);
    match first.to_lowercase().as_str() {
        "" => return Err(wrong("override", "Which schedule, and when?", context)),
        "list" => {
            return nothing(
                behind.trim(),
                "override",
                context,
                Request::Override(OverrideWish::List),
            );
        }
        "undo" | "withdraw" => {
            let number = behind.trim().trim_start_matches('#').parse();
            let number = number.map_err(|_| {
                let command = &context.catalog.slack.command;
                let what = format!(
                    "Which one shall not count? `{command} override list` shows their numbers."
                );
                wrong("override", &what, context)
            })?;
            return Ok(Request::Override(OverrideWish::Undo(number)));
        }
        _ => {}
    }
    let is_somebody = |word: &&str| word.starts_with('@') || word.starts_with("<@");
    let (people, words): (Vec<&str>, Vec<&str>) = rest.split_whitespace().partition(is_somebody);
    let person = match people.as_slice() {
        [] => context.typist.clone(),
        [one] => user(one, "override", context)?,
        [_, ..] => {
            return Err(wrong(
                "override",
                "One person takes over at a time.",
                context,
            ));
        }
    };
    let mut times = words.get(1..).unwrap_or_default();
    times = times.strip_suffix(&["me"]).unwrap_or(times);
    let read = |words: &[&str]| TypedStretch::parse(&text(&words.join(" ")).unwrap_or_default());
    let schedule = match (
        find_schedule(&first, context),
        context.catalog.schedules.as_slice(),
    ) {
        // Where there is but one, it need not be named.
        (Err(_), [only]) if read(&words).is_ok() => {
            times = &words;
            only
        }
        (schedule, _) => schedule?,
    };
    let stretch = read(times).map_err(|why| {
        let help = why
            .help
            .map(|help| format!(" Please {help}."))
            .unwrap_or_default();
        NotUnderstood(format!("{}{help}", why.message))
    })?;
    Ok(Request::Override(OverrideWish::Make {
        schedule: schedule.id.clone(),
        stretch,
        person,
    }))
}

/// The schedule that a word means: its id, else its name, in any case.
fn find_schedule<'a>(word: &str, context: Context<'a>) -> Result<&'a Schedule, NotUnderstood> {
    let schedules = &context.catalog.schedules;
    let word = text(word).unwrap_or_default();
    let is_named = |it: &&Schedule| {
        it.name
            .as_ref()
            .is_some_and(|name| name.eq_ignore_ascii_case(&word))
    };
    let found = schedules
        .iter()
        .find(|it| it.id.eq_ignore_ascii_case(&word));
    found.or_else(|| schedules.iter().find(is_named)).ok_or_else(|| {
        let ids = schedules.iter().map(|schedule| schedule.id.as_str());
        NotUnderstood(match nearest(&word, ids.clone()) {
            Some(near) => format!("There is no schedule “{word}”. Did you mean `{near}`?"),
            None if schedules.is_empty() => format!(
                "There is no schedule “{word}”: `[[schedules]]` in firebell.toml names none yet."
            ),
            None => {
                let ids: Vec<String> = ids.map(|id| format!("`{id}`")).collect();
                format!("There is no schedule “{word}”. Use one of {}.", ids.join(", "))
            }
        })
    })
}

fn declare(rest: &str, context: Context<'_>) -> Result<Request, NotUnderstood> {
    let (first, behind) = split(rest);
    let word = first.trim_end_matches([':', ',', '-']);
    let known = context.catalog.find_severity(word);
    let (severity, rest) = match known {
        Some(severity) => (Some(severity.id.clone()), behind),
        // In a title it would call everybody in for the gravest.
        None if looks_like_severity(word) => return Err(no_such_severity(word, context)),
        None => (None, rest),
    };
    let mut service = None;
    let mut words = Vec::new();
    for word in rest.split_inclusive(char::is_whitespace) {
        match word.trim_end().strip_prefix("service:") {
            Some(name) if service.is_none() => service = Some(find_service(name, context)?),
            Some(_) | None => words.push(word),
        }
    }
    let said = text(&words.concat());
    if said.is_none() && context.forms {
        return Ok(Request::Fill(Form::Declare {
            severity,
            about: None,
        }));
    }
    let title = said.ok_or_else(|| wrong("declare", "What is wrong?", context))?;
    // A title is one line; what follows it is the description.
    let (title, description) = match title.split_once('\n') {
        Some((title, more)) => (title.trim().to_owned(), text(more)),
        None => (title, None),
    };
    Ok(Request::Declare(Declaration {
        severity,
        service,
        description,
        ..Declaration::titled(title)
    }))
}

/// Whether a word can only have been meant as a severity: `p5`, `sev0`, `S-1`.
fn looks_like_severity(word: &str) -> bool {
    let word = word.to_lowercase();
    ["severity", "sev", "p", "s"].iter().any(|prefix| {
        word.strip_prefix(prefix).is_some_and(|rest| {
            let number = rest.strip_prefix('-').unwrap_or(rest);
            (1..=2).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit())
        })
    })
}

fn no_such_severity(word: &str, context: Context<'_>) -> NotUnderstood {
    let known = context.catalog.severities.iter();
    let refusal = Refusal::NoSuchSeverity {
        wanted: SeverityId::new(word),
        known: known.map(|severity| severity.id.clone()).collect(),
    };
    NotUnderstood(refusal.to_string())
}

fn find_service(name: &str, context: Context<'_>) -> Result<ServiceId, NotUnderstood> {
    let services = &context.catalog.services;
    context
        .catalog
        .find_service(name)
        .map(|service| service.id.clone())
        .ok_or_else(|| {
            let known: Vec<_> = services
                .iter()
                .map(|service| format!("`{}`", service.id))
                .collect();
            NotUnderstood(match known.is_empty() {
                true => format!("There is no service “{name}”: firebell.toml names none yet."),
                false => format!(
                    "There is no service “{name}”. Use one of {}.",
                    known.join(", ")
                ),
            })
        })
}

fn status(rest: &str, context: Context<'_>) -> Result<Request, NotUnderstood> {
    if rest.is_empty() {
        return Ok(Request::ShowStatus);
    }
    let status: Status = rest
        .parse()
        .map_err(|()| wrong("status", &format!("“{rest}” is no status."), context))?;
    Ok(Request::Pursue(match status {
        Status::Resolved => Command::Resolve(Resolution::default()),
        Status::Closed => Command::Close,
        status => Command::SetStatus(status),
    }))
}

fn update(rest: &str, context: Context<'_>) -> Result<Request, NotUnderstood> {
    if rest.is_empty() && context.forms {
        return Ok(Request::Fill(Form::Update));
    }
    let text = text(rest).ok_or_else(|| wrong("update", "How do things stand?", context))?;
    Ok(Request::Pursue(Command::PostUpdate {
        update: Update {
            text,
            ..Update::default()
        },
        status: None,
        severity: None,
    }))
}

fn severity(rest: &str, context: Context<'_>) -> Result<Request, NotUnderstood> {
    let (word, reason) = split(rest);
    if word.is_empty() && context.forms {
        return Ok(Request::Fill(Form::Severity));
    }
    if word.is_empty() {
        return Err(wrong("severity", "Which severity?", context));
    }
    let Some(severity) = context.catalog.find_severity(&word) else {
        return Err(no_such_severity(&word, context));
    };
    Ok(Request::Pursue(Command::ChangeSeverity {
        to: severity.id.clone(),
        reason: text(reason),
    }))
}

fn lead(rest: &str, context: Context<'_>) -> Result<Request, NotUnderstood> {
    let to = user(rest, "lead", context)?;
    Ok(Request::Pursue(Command::AssignRole {
        role: Role::IncidentCommander,
        to,
    }))
}

fn page(rest: &str, context: Context<'_>) -> Result<Request, NotUnderstood> {
    let (word, rest) = split(rest);
    if word.is_empty() {
        return Err(wrong("page", "Whom?", context));
    }
    Ok(Request::Pursue(Command::Page {
        whom: callee(&word, context)?,
        text: text(rest),
    }))
}

/// Whom a word means: a mention of a person, a user group or a channel; a target as the configuration writes it; or the
/// bare name of a schedule, a role or a person.
fn callee(word: &str, context: Context<'_>) -> Result<Callee, NotUnderstood> {
    if word.eq_ignore_ascii_case("me") {
        return Ok(Callee::User(context.typist.clone()));
    }
    if let Some(who) = mention(word, context) {
        return Ok(Callee::User(who));
    }
    let label = |prefix: &str| {
        let token = word.strip_prefix(prefix)?.strip_suffix('>')?;
        let (_, label) = token.split_once('|')?;
        Some(label.trim_start_matches(['@', '#']).to_owned())
    };
    if let Some(handle) = label("<!subteam^") {
        return Ok(Callee::Target(Target::UserGroup(handle)));
    }
    if let Some(name) = label("<#") {
        return Ok(Callee::Target(Target::Channel(name)));
    }
    let catalog = context.catalog;
    let bare = word.trim_start_matches('@');
    let named = || {
        let schedule = catalog.schedule(bare);
        let person = catalog.people.iter().find(|it| it.id.as_str() == bare);
        schedule
            .map(|it| Target::Schedule(it.id.clone()))
            .or_else(|| {
                let is_held = !catalog.people_with_role(bare).is_empty();
                is_held.then(|| Target::Role(bare.to_owned()))
            })
            .or_else(|| person.map(|it| Target::Person(it.id.clone())))
    };
    let target = match word.strip_prefix('#') {
        Some(name) if !name.is_empty() => Some(Target::Channel(name.to_owned())),
        Some(_) | None => word.parse().ok().or_else(named),
    };
    target.map(Callee::Target).ok_or_else(|| {
        let shown = unescape(word, |_| None);
        let known: Vec<&str> = catalog
            .schedules
            .iter()
            .map(|it| it.id.as_str())
            .chain(catalog.people.iter().map(|it| it.id.as_str()))
            .chain(
                catalog
                    .people
                    .iter()
                    .flat_map(|it| it.roles.iter().map(String::as_str)),
            )
            .collect();
        let what = match nearest(bare, known) {
            Some(near) => format!("I do not know who “{shown}” is. Did you mean `{near}`?"),
            None => format!("I do not know who “{shown}” is."),
        };
        wrong("page", &what, context)
    })
}

fn role(rest: &str, context: Context<'_>) -> Result<Request, NotUnderstood> {
    let (word, rest) = split(rest);
    if word.is_empty() && context.forms {
        return Ok(Request::Fill(Form::Role));
    }
    if word.is_empty() {
        return Err(wrong("role", "Which role?", context));
    }
    let role: Role = word
        .parse()
        .map_err(|()| wrong("role", &format!("“{word}” is no role."), context))?;
    Ok(Request::Pursue(Command::AssignRole {
        role,
        to: user(rest.trim(), "role", context)?,
    }))
}

fn note(rest: &str, context: Context<'_>) -> Result<Request, NotUnderstood> {
    let text = text(rest).ok_or_else(|| wrong("note", "What shall be written down?", context))?;
    Ok(Request::Pursue(Command::AddNote { text }))
}

fn follow_up(rest: &str, context: Context<'_>) -> Result<Request, NotUnderstood> {
    let (first, behind) = split(rest);
    if first.eq_ignore_ascii_case("done") {
        let number = behind
            .trim()
            .trim_start_matches('#')
            .parse()
            .map_err(|_| wrong("followup", "Which number is done?", context))?;
        return Ok(Request::Pursue(Command::CompleteFollowUp { number }));
    }
    let (mut owner, mut due) = (None, None);
    let mut words: Vec<&str> = rest.split_inclusive(char::is_whitespace).collect();
    // Owner and date stand at the end, in either order; in the middle of the text they are text.
    while let Some(last) = words.last().map(|word| word.trim()) {
        if due.is_none()
            && let Some(date) = last.strip_prefix("due:")
        {
            let date: Date = date
                .parse()
                .map_err(|_| wrong("followup", &format!("“{date}” is no date."), context))?;
            due = Some(date);
        } else if owner.is_none()
            && let Some(who) = mention(last, context)
        {
            owner = Some(who);
        } else {
            break;
        }
        words.pop();
    }
    let text =
        text(&words.concat()).ok_or_else(|| wrong("followup", "What is to be done?", context))?;
    Ok(Request::Pursue(Command::AddFollowUp { text, owner, due }))
}

fn export(rest: &str, context: Context<'_>) -> Result<Request, NotUnderstood> {
    let format = match rest {
        "" => ExportFormat::Markdown,
        word => word.parse().map_err(|()| {
            wrong(
                "export",
                &format!("“{word}” is no form of the record."),
                context,
            )
        })?,
    };
    Ok(Request::Pursue(Command::RequestExport { format }))
}

fn resolve(rest: &str, context: Context<'_>) -> Result<Request, NotUnderstood> {
    if rest.is_empty() && context.forms {
        return Ok(Request::Fill(Form::Resolve { amends: false }));
    }
    let resolution = Resolution {
        root_cause: text(rest),
        ..Resolution::default()
    };
    Ok(Request::Pursue(Command::Resolve(resolution)))
}

fn help(rest: &str, context: Context<'_>) -> Result<Request, NotUnderstood> {
    match rest {
        "" => Ok(Request::Help(None)),
        word => find(word)
            .map(|subcommand| Request::Help(Some(subcommand)))
            .ok_or_else(|| unknown(word, context)),
    }
}

/// A person: nobody named, or "me", is the typist.
fn user(rest: &str, word: &str, context: Context<'_>) -> Result<Who, NotUnderstood> {
    if rest.is_empty() || rest.eq_ignore_ascii_case("me") {
        return Ok(context.typist.clone());
    }
    mention(rest, context).ok_or_else(|| {
        wrong(
            word,
            &format!("I do not know who “{}” is.", unescape(rest, |_| None)),
            context,
        )
    })
}

/// A mention: `<@U012|ana>` as Slack sends it, or `@ana` where it does not escape, or on the command line.
fn mention(word: &str, context: Context<'_>) -> Option<Who> {
    if let Some(token) = word
        .strip_prefix("<@")
        .and_then(|token| token.strip_suffix('>'))
    {
        let (id, label) = token.split_once('|').unwrap_or((token, ""));
        let id = SlackUserId::parse(id)?;
        let known = context
            .catalog
            .person_by_slack(&id)
            .map(|person| person.name.clone());
        let name = Some(label.to_owned())
            .filter(|label| !label.is_empty())
            .or(known);
        return Some(Who {
            name: name.unwrap_or_else(|| id.to_string()),
            slack: Some(id),
        });
    }
    let name = word.strip_prefix('@')?;
    let person = context.catalog.people.iter().find(|person| {
        person.id.as_str().eq_ignore_ascii_case(name) || person.name.eq_ignore_ascii_case(name)
    });
    person.map(|person| person.who())
}

#[cfg(test)]
mod tests;
