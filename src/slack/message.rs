//! Every message that is posted or answered: which template, which buttons, cut to Slack's limits.

use std::sync::Arc;

use anyhow::Context;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use minijinja::value::Serde;
use minijinja::{Environment, Value as Template, context};
use serde_json::{Value, json};

use super::alert_card::{listed, note, shown_leads, where_to_look};
use super::client::Outgoing;
use super::interaction::{Style, button, careful, fits, overflow};
use super::page::called;
use super::parse::{SUBCOMMANDS, Subcommand};
use super::text::{clean, cut};
use crate::domain::catalog::Catalog;
use crate::domain::effect::GROUPS_TOLD;
use crate::domain::event::{Event, Recorded};
use crate::domain::form::show_roughly;
use crate::domain::group::{Tally, sources, unnamed};
use crate::domain::incident::{Incident, Room};
use crate::domain::lead::{Lead, untold};
use crate::domain::page::OpenPage;
use crate::domain::runbook::Checklist;
use crate::domain::samples;
use crate::domain::terms::{Actor, Role, SeverityId, SlackUserId, Status, Who};
use crate::domain::timeline::{TimelineEntry, way};
use crate::domain::whereabouts::told;
use crate::templates::{bold, mrkdwn, quoted_rest};

/// The most characters of a section's text (slack-contract.md section 8.3).
pub(super) const SECTION: usize = 3_000;
/// Sections that a message may take: what is longer is cut, and says so.
const SECTIONS: usize = 12;
/// The most characters of the text beside the blocks; `chat.update` takes no more.
const FALLBACK: usize = 4_000;
/// The most characters of a topic or purpose.
const TOPIC: usize = 250;
/// Links that the alerts of an incident may add to those that it began with.
const LEADS: usize = 12;
/// Incidents that a list shows of each kind.
const LISTED: usize = 20;
/// Incidents that are offered as buttons: more than a phone shows without scrolling helps nobody.
pub(super) const OFFERED: usize = 10;

/// Makes the messages.
#[derive(Debug)]
pub struct Composer {
    templates: Environment<'static>,
    pub(super) catalog: Arc<Catalog>,
}

/// What is said later than this after it happened says when that was.
const BELATED: SignedDuration = SignedDuration::from_mins(1);
/// How late a page is shown when templates are proved: late enough to be told.
const LATE: SignedDuration = SignedDuration::from_mins(5);

impl Composer {
    /// A composer with these words and this configuration.
    pub fn new(templates: Environment<'static>, catalog: Arc<Catalog>) -> Self {
        Self { templates, catalog }
    }

    /// The summary card of a war room, or of a thread.
    pub fn card(&self, incident: &Incident, now: Timestamp) -> anyhow::Result<Outgoing> {
        let text = self.render("slack/card.mrkdwn.j2", self.view(incident, now))?;
        let mut message = said(&text, &summary(incident));
        message
            .blocks
            .push(json!({ "type": "actions", "elements": buttons(incident) }));
        Ok(message)
    }

    /// The announcement. Without a war room it carries the card's buttons, for its thread is the room.
    pub fn announcement(&self, incident: &Incident, now: Timestamp) -> anyhow::Result<Outgoing> {
        let text = self.render("slack/announcement.mrkdwn.j2", self.view(incident, now))?;
        let mut message = said(&text, &summary(incident));
        if incident.room == Room::Thread {
            message
                .blocks
                .push(json!({ "type": "actions", "elements": buttons(incident) }));
        }
        Ok(message)
    }

    /// What an event says to the people who follow the incident. `anchor` proves the record so far, where that is
    /// worth saying. What is said long after it happened says when that was.
    pub fn notice(
        &self,
        incident: &Incident,
        recorded: &Recorded,
        anchor: Option<&str>,
        now: Timestamp,
    ) -> anyhow::Result<Outgoing> {
        let template = match &recorded.event {
            Event::UpdatePosted { .. } => "slack/update.mrkdwn.j2",
            Event::UpdateOverdue(_) => "slack/reminder.mrkdwn.j2",
            // Said again, it only adds to what was said.
            Event::Resolved(_) if incident.milestones.resolved == Some(recorded.recorded_at) => {
                "slack/resolved.mrkdwn.j2"
            }
            _ => "slack/notice.mrkdwn.j2",
        };
        let view = context! { anchor => anchor, ..self.event_view(incident, recorded) };
        let text = self.render(template, view)?;
        let told = crate::domain::timeline::tell(recorded).text;
        let fallback = mrkdwn(&format!("{}: {}", incident.id, incident.named(&told)));
        let mut message = said(&text, &fallback);
        if let Event::UpdateOverdue(_) = &recorded.event {
            message.blocks.push(json!({
                "type": "actions",
                "elements": [button("Post update", "update", &incident.id, "update", Style::Primary)],
            }));
        }
        if now.duration_since(recorded.recorded_at) > BELATED {
            let context = context! { at => moment(recorded.recorded_at) };
            let text = self.render("slack/belated.mrkdwn.j2", context)?;
            let element = json!({ "type": "mrkdwn", "text": text.trim() });
            message
                .blocks
                .push(json!({ "type": "context", "elements": [element] }));
        }
        Ok(message)
    }

    /// A checklist.
    pub fn checklist(&self, checklist: &Checklist) -> anyhow::Result<Outgoing> {
        let context = context! {
            command => self.catalog.slack.command.as_str(),
            checklist => context! { title => checklist.title.as_str(), items => checklist.items.clone() },
        };
        let text = self.render("slack/checklist.mrkdwn.j2", context)?;
        Ok(said(&text, &mrkdwn(&checklist.title)))
    }

    /// The topic of a war room.
    pub fn topic(&self, incident: &Incident, now: Timestamp) -> anyhow::Result<String> {
        let text = self.render("slack/topic.txt.j2", self.view(incident, now))?;
        Ok(line(&text))
    }

    /// The purpose of a war room.
    pub fn purpose(&self, incident: &Incident, now: Timestamp) -> anyhow::Result<String> {
        let text = self.render("slack/purpose.txt.j2", self.view(incident, now))?;
        Ok(line(&text))
    }

    /// The open incidents, and those that are resolved and wait for their post-mortem. `incidents` are both, the newest
    /// first.
    pub fn list(&self, incidents: &[Arc<Incident>], now: Timestamp) -> Outgoing {
        let command = &self.catalog.slack.command;
        let (open, resolved): (Vec<_>, Vec<_>) =
            incidents.iter().partition(|it| it.status.is_open());
        let mut lines = match open.is_empty() {
            true => vec![format!(
                "No open incidents. To declare one: `{command} declare`"
            )],
            false => rows(&open, now),
        };
        if !resolved.is_empty() {
            lines.push(format!(
                "\n*Resolved, not closed yet* (`{command} close` when the post-mortem is done)"
            ));
            lines.extend(rows(&resolved, now));
        }
        answer(&lines.join("\n"))
    }

    /// How an incident stands, for one person.
    pub fn status(&self, incident: &Incident, now: Timestamp) -> anyhow::Result<Outgoing> {
        let text = self.render("slack/card.mrkdwn.j2", self.view(incident, now))?;
        Ok(said(&text, &summary(incident)))
    }

    /// The last entries of a timeline, for one person.
    pub fn timeline(
        &self,
        incident: &Incident,
        entries: &[TimelineEntry],
        has_earlier: bool,
    ) -> Outgoing {
        let mut lines = vec![format!(
            "*Timeline of {}: {}*",
            incident.id,
            mrkdwn(&incident.named(&incident.title))
        )];
        if has_earlier {
            lines.push(format!(
                "_Earlier entries are left out here; `{} export` gives them all._",
                self.catalog.slack.command
            ));
        }
        lines.extend(entries.iter().map(|entry| {
            let unix = entry.happened_at.as_second();
            let utc = entry.happened_at.strftime("%H:%M UTC");
            let told = quoted_rest(&incident.named(&entry.text));
            let (first, rest) = told.split_once('\n').unwrap_or((&told, ""));
            let actor = actor_of(&entry.actor);
            let line = format!("<!date^{unix}^{{time}}|{utc}> {first} _{actor}_\n{rest}");
            line.trim_end().to_owned()
        }));
        said(&lines.join("\n"), &format!("Timeline of {}", incident.id))
    }

    /// Whom to call.
    pub fn contacts(&self) -> Outgoing {
        let people = &self.catalog.people;
        if people.is_empty() {
            return answer("No contacts yet: `[[people]]` in firebell.toml names them.");
        }
        let lines: Vec<String> = people
            .iter()
            .map(|person| {
                let mut parts = vec![bold(&person.name)];
                if !person.roles.is_empty() {
                    parts.push(mrkdwn(&person.roles.join(", ")));
                }
                if let Some(slack) = person.who().slack {
                    parts.push(format!("<@{slack}>"));
                }
                parts.extend(
                    person
                        .email
                        .iter()
                        .chain(&person.phone)
                        .map(|way| mrkdwn(way)),
                );
                parts.join(" · ")
            })
            .collect();
        answer(&lines.join("\n"))
    }

    /// What can be typed.
    pub fn help(&self, about: Option<&Subcommand>) -> Outgoing {
        let command = &self.catalog.slack.command;
        let row = |subcommand: &Subcommand| {
            // Between brackets Slack would see a link.
            format!(
                "`{command} {}` {}",
                mrkdwn(&subcommand.form()),
                subcommand.about
            )
        };
        let text = match about {
            Some(subcommand) => {
                let mut text = row(subcommand);
                if let [_, also @ ..] = subcommand.words
                    && !also.is_empty()
                {
                    text = format!("{text} (also: {})", also.join(", "));
                }
                text
            }
            None => SUBCOMMANDS.iter().map(row).collect::<Vec<_>>().join("\n"),
        };
        answer(&text)
    }

    /// Offers incidents for a line that was typed where none is meant.
    pub fn choose(&self, incidents: &[Arc<Incident>], typed: &str) -> Outgoing {
        let command = &self.catalog.slack.command;
        let typed = typed.trim();
        let (first, rest) = typed.split_once(char::is_whitespace).unwrap_or((typed, ""));
        let [newest, ..] = incidents else {
            return answer(&format!(
                "There is no incident for which `{command} {}` is the thing to do now. `{command} list` shows them all, `{command} declare` begins one.",
                mrkdwn(first)
            ));
        };
        if incidents.iter().any(|incident| !fits(&incident.id, typed)) {
            return answer(&format!(
                "Which incident is it for? Your text is too long for a button: name the incident behind the word, as in `{command} {} {} {}`. `{command} list` shows them.",
                mrkdwn(first),
                newest.id,
                mrkdwn(&cut(rest, 40))
            ));
        }
        let buttons: Vec<Value> = incidents
            .iter()
            .take(OFFERED)
            .enumerate()
            .map(|(n, incident)| {
                let label = format!("{} {}", incident.id, incident.named(&incident.title));
                let id = format!("choose-{n}");
                button(&label, &id, &incident.id, typed, Style::Plain)
            })
            .collect();
        let mut text = format!("Which incident is `{command} {}` for?", mrkdwn(first));
        let left = incidents.len().saturating_sub(OFFERED);
        if left > 0 {
            text.push_str(&format!(
                " There are {left} more: name one of them behind the word, as in `{command} {} {}`.",
                mrkdwn(first),
                newest.id
            ));
        }
        let mut message = answer(&text);
        message
            .blocks
            .push(json!({ "type": "actions", "elements": buttons }));
        message
    }

    /// Renders every message once, with everything in it that can be: a template that an operator broke is told at
    /// the start, not in the first incident.
    pub fn prove(&self) -> anyhow::Result<()> {
        for (incident, record) in samples::samples(&self.catalog) {
            let now = incident.milestones.declared;
            self.card(&incident, now)?;
            self.announcement(&incident, now)?;
            self.topic(&incident, now)?;
            self.purpose(&incident, now)?;
            for recorded in &record {
                if let Event::Paged(paged) = &recorded.event {
                    for page in &paged.pages {
                        let open = OpenPage::begin(page, 1, &paged.why, now);
                        self.page(&incident, &open, now + LATE)?;
                        self.page_over(&incident, page.number, now)?;
                    }
                }
                for anchor in [None, Some("INC-1970-0101-001:1:0")] {
                    self.notice(&incident, recorded, anchor, now + LATE)?;
                }
            }
        }
        self.checklist(&samples::checklist())?;
        for group in samples::groups() {
            self.alert_card(&group, group.changed_at)?;
            self.cut_off(&group, group.changed_at)?;
        }
        self.out_of_balance(&samples::findings())?;
        self.out_of_balance(&[])?;
        Ok(())
    }

    pub(super) fn render(&self, name: &str, context: Template) -> anyhow::Result<String> {
        self.templates
            .get_template(name)
            .and_then(|template| template.render(context))
            .with_context(|| format!("rendering the template {name}"))
    }

    /// An incident as templates see it.
    pub(super) fn view(&self, incident: &Incident, now: Timestamp) -> Template {
        let person = |who: &Who| person_of(incident, who);
        let roles: Vec<Template> = Role::ALL
            .into_iter()
            .filter_map(|role| {
                let who = incident.roles.get(&role)?;
                Some(context! { title => role.title(), who => person(who) })
            })
            .collect();
        let follow_ups: Vec<Template> = incident
            .follow_ups
            .iter()
            .map(|tracked| {
                context! {
                    number => tracked.follow_up.number,
                    text => tracked.follow_up.text.as_str(),
                    owner => tracked.follow_up.owner.as_ref().map(person),
                    due => tracked.follow_up.due.map(|due| due.to_string()),
                    done => tracked.done_at.is_some(),
                }
            })
            .collect();
        let (room, room_name) = match &incident.room {
            Room::Channel { channel, name } => (Some(channel.as_str()), Some(name)),
            Room::Wanted { name } => (None, Some(name)),
            Room::Thread => (None, None),
        };
        let service = incident.service.as_ref().map(|id| {
            let known = self.catalog.service(id);
            known.map_or_else(|| id.to_string(), |service| service.name.clone())
        });
        let postmortem_due = incident.milestones.resolved.and_then(|resolved| {
            let severity = self.catalog.severity(&incident.severity.id)?;
            resolved.checked_add(severity.postmortem_within?).ok()
        });
        let quieted = incident.quieted();
        let mut told_leads: Vec<&Lead> = Vec::new();
        let mut tallies: Vec<&Tally> = incident.own_alerts().collect();
        // What fires is what people look for.
        tallies.sort_by_key(|tally| tally.firing == 0);
        let untold_groups = tallies.split_off(tallies.len().min(GROUPS_TOLD));
        let more_alerts = (!untold_groups.is_empty()).then(|| {
            let firing = untold_groups.iter().filter(|tally| tally.firing > 0);
            context! { groups => untold_groups.len(), firing => firing.count() }
        });
        let alerts: Vec<Template> = tallies
            .into_iter()
            .map(|tally| {
                let mut leads = untold(&tally.leads, &incident.links, &told_leads);
                leads.truncate(LEADS.saturating_sub(told_leads.len()));
                told_leads.extend_from_slice(&leads);
                context! {
                    title => tally.title.as_str(),
                    sources => sources(&tally.samples, &tally.source),
                    firing => tally.firing,
                    total => tally.total,
                    samples => listed(&tally.samples, &tally.source, &tally.common),
                    whereabouts => told(&tally.common, None),
                    leads => shown_leads(&leads),
                    note => note(&tally.remarks),
                    more => unnamed(&tally.samples, tally.firing, tally.total),
                    is_flapping => tally.is_flapping,
                }
            })
            .collect();
        let last = incident.last_update.as_ref();
        let milestones = &incident.milestones;
        context! {
            id => incident.id.as_str(),
            title => incident.named(&incident.title),
            description => incident.description.as_deref().map(|text| incident.named(text)),
            status => incident.status.word(),
            is_open => incident.status.is_open(),
            severity => context! {
                id => incident.severity.id.as_str(),
                name => incident.severity.name.as_str(),
                short => short(&incident.severity.name),
            },
            service => service,
            commander => incident.commander().map(person),
            acknowledged_by => incident.acknowledged_by.as_ref().map(person),
            roles => roles,
            room => room,
            room_name => room_name,
            started => moment(milestones.started),
            declared => moment(milestones.declared),
            resolved => moment(milestones.resolved.unwrap_or(now)),
            duration => show_roughly(incident.duration(now)),
            last_update => last.map(|update| context! { text => update.text.as_str() }),
            eta => last.and_then(|update| update.eta.clone()),
            next_update => incident.update_clock.as_ref().map(|clock| moment(clock.due_at)),
            root_cause => incident.resolution.root_cause.as_deref(),
            resolution => incident.resolution.resolution.as_deref(),
            impact => incident.resolution.impact.as_deref(),
            postmortem_due => postmortem_due.map(moment),
            follow_ups => follow_ups,
            firing => incident.firing(),
            alerts => alerts,
            more_alerts => more_alerts,
            quieted => quieted.map(|(firing, total)| context! { firing => firing, total => total }),
            organization => self.catalog.organization.name.as_str(),
            command => self.catalog.slack.command.as_str(),
            ..where_to_look(&incident.links)
        }
    }

    /// The name of a severity, or its id if the configuration has lost it since.
    fn severity_name(&self, id: &SeverityId) -> String {
        let known = self.catalog.severity(id);
        known.map_or_else(|| id.to_string(), |severity| severity.name.clone())
    }

    /// An event of an incident as templates see it.
    fn event_view(&self, incident: &Incident, recorded: &Recorded) -> Template {
        let at = recorded.recorded_at;
        let words = match &recorded.event {
            Event::StatusChanged { from, to } => context! { from => from.word(), to => to.word() },
            Event::RoleAssigned { role, .. } => context! { role => role.title() },
            Event::SeverityChanged { from, .. } => context! { from => self.severity_name(from) },
            Event::Paged(paged) => called(paged),
            Event::PageContinued { via, early, .. } => context! {
                ways => via.iter().map(|via| way(*via)).collect::<Vec<_>>().join(" and "),
                early => early.map(way),
            },
            Event::PageDelivery(delivery) => context! {
                way => way(delivery.via),
                name => incident.page(delivery.page).map(|page| page.to.shown()),
            },
            Event::AlertsChanged { tally, turned, .. } => context! {
                sources => sources(&tally.samples, &tally.source),
                began => tally.titles(turned, true),
                ended => tally.titles(turned, false),
                flapping => tally.flapping(),
                samples => listed(&tally.samples, &tally.source, &tally.common),
                more => unnamed(&tally.samples, tally.firing, tally.total),
                are_many => incident.own_alerts().count() >= GROUPS_TOLD,
            },
            _ => context! {},
        };
        let (due, late) = match &recorded.event {
            Event::UpdateOverdue(overdue) => (
                Some(moment(overdue.due_at)),
                (!overdue.late.is_zero()).then(|| show_roughly(overdue.late)),
            ),
            Event::AnswerTimeExtended { late, .. } => (None, Some(show_roughly(*late))),
            Event::AcknowledgeOverdue { due_at } | Event::PostmortemOverdue { due_at, .. } => {
                (Some(moment(*due_at)), None)
            }
            _ => (None, None),
        };
        let mut event = serde_json::to_value(&recorded.event).unwrap_or_default();
        if let Event::UpdatePosted { status, update, .. } = &recorded.event {
            event["status"] = json!(status.word());
            // A template may ask for any of them: what was not said is none, not undefined.
            for (name, said) in [
                ("actions_taken", &update.actions_taken),
                ("next_steps", &update.next_steps),
                ("eta", &update.eta),
            ] {
                event["update"][name] = json!(said);
            }
        }
        for name in [
            "reason",
            "owner",
            "due",
            "from",
            "reminded",
            "war_room",
            "root_cause",
            "resolution",
            "impact",
        ] {
            if event.get(name).is_none() {
                event[name] = Value::Null;
            }
        }
        context! {
            event => Template::from(Serde(event)),
            words => words,
            actor => match &recorded.actor {
                Actor::Person(who) => person_of(incident, who),
                Actor::Alert { .. } | Actor::Firebell => context! { slack => (), name => recorded.actor.name() },
            },
            at => moment(at),
            since_start => show_roughly(at.duration_since(incident.milestones.started)),
            due => due,
            late => late,
            ..self.view(incident, at)
        }
    }
}

/// A plain answer: mrkdwn of our own making, in which everything from outside is escaped already.
pub fn answer(text: &str) -> Outgoing {
    said(text, text)
}

/// An answer in plain words that may hold anything: a refusal, an error. What stands between back-ticks stays code.
pub fn words(text: &str) -> Outgoing {
    let shown: Vec<String> = text.split('`').map(mrkdwn).collect();
    answer(&shown.join("`"))
}

/// Sections of a text, cut at line ends, and the text beside them; both are mrkdwn already.
pub(super) fn said(text: &str, fallback: &str) -> Outgoing {
    let mut sections: Vec<String> = vec![String::new()];
    for line in text.trim().lines() {
        let line = cut_at_link(line, SECTION);
        let full = sections
            .last()
            .is_some_and(|section| section.chars().count() + line.chars().count() + 1 > SECTION);
        if full {
            sections.push(String::new());
        }
        if let Some(section) = sections.last_mut() {
            if !section.is_empty() {
                section.push('\n');
            }
            section.push_str(&line);
        }
    }
    let too_long = sections.len() > SECTIONS;
    sections.truncate(SECTIONS);
    let mut blocks: Vec<Value> = sections
        .iter()
        .filter(|section| !section.trim().is_empty())
        .map(|section| {
            json!({ "type": "section", "text": { "type": "mrkdwn", "text": section, "verbatim": true } })
        })
        .collect();
    if too_long {
        let text = "… cut here: Slack shows no more. The export has it whole.";
        blocks.push(
            json!({ "type": "context", "elements": [{ "type": "plain_text", "text": text }] }),
        );
    }
    let fallback = cut_at_link(fallback, FALLBACK);
    Outgoing {
        text: if fallback.is_empty() {
            "Firebell".to_owned()
        } else {
            fallback
        },
        blocks,
    }
}

/// Text in mrkdwn, cut so that no link is: half of one leads nowhere, and shows its address.
fn cut_at_link(text: &str, limit: usize) -> String {
    let short = cut(text, limit);
    match (short.rfind('<'), short.rfind('>')) {
        (Some(begun), ended) if ended.is_none_or(|ended| ended < begun) => {
            format!("{}…", &short[..begun])
        }
        _ => short,
    }
}

/// The first incidents of a list, and how many more there are.
fn rows(incidents: &[&Arc<Incident>], now: Timestamp) -> Vec<String> {
    let mut rows: Vec<String> = incidents
        .iter()
        .take(LISTED)
        .map(|it| row(it, now))
        .collect();
    let left = incidents.len().saturating_sub(LISTED);
    if left > 0 {
        rows.push(format!("_and {left} more_"));
    }
    rows
}

/// An incident in a list.
fn row(incident: &Incident, now: Timestamp) -> String {
    let room = match &incident.room {
        Room::Channel { channel, .. } => format!(" · <#{channel}>"),
        Room::Wanted { .. } | Room::Thread => String::new(),
    };
    format!(
        "*{}* · {} · {} · {} · {}{room}",
        incident.id,
        mrkdwn(&short(&incident.severity.name)),
        incident.status,
        show_roughly(incident.duration(now)),
        mrkdwn(&incident.named(&incident.title)),
    )
}

/// One line about an incident, for notifications.
fn summary(incident: &Incident) -> String {
    mrkdwn(&format!(
        "{} {} ({}): {}",
        incident.id,
        short(&incident.severity.name),
        incident.status,
        incident.named(&incident.title)
    ))
}

/// Who did something, by a name or by an id that Slack shows as a name.
fn actor_of(name: &str) -> String {
    match SlackUserId::parse(name) {
        Some(user) => format!("<@{user}>"),
        None => mrkdwn(name),
    }
}

/// One line of plain text, cut to what a topic may hold. A topic knows no escapes, so brackets
/// and back-ticks become look-alikes.
fn line(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|c| match c {
            '<' => '‹',
            '>' => '›',
            '`' => '\u{2bb}',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect();
    cut(clean(text).trim(), TOPIC)
}

/// `P1` of `P1 - Critical`.
pub(super) fn short(severity: &str) -> String {
    severity.split(" - ").next().unwrap_or(severity).to_owned()
}

/// A person as Slack shows them: a mention, or the name of somebody whom Slack does not know.
pub fn person_mention(who: &Who) -> String {
    match &who.slack {
        Some(user) => format!("<@{user}>"),
        None => format!("@{}", mrkdwn(&who.name)),
    }
}

/// The buttons of a card: what one wants next, and the rest in a menu.
fn buttons(incident: &Incident) -> Vec<Value> {
    let id = &incident.id;
    let mut buttons = Vec::new();
    match incident.status {
        Status::Investigating | Status::Identified | Status::Mitigating | Status::Monitoring => {
            if incident.acknowledged_by.is_none() {
                buttons.push(button("Acknowledge", "ack", id, "ack", Style::Primary));
            }
            buttons.push(button("Update", "update", id, "update", Style::Plain));
            buttons.push(careful(
                button("Resolve", "resolve", id, "resolve", Style::Danger),
                "Resolve the incident?",
                "Everybody is told that the effect on users is over, and the reminders stop. If it comes back: /incident reopen.",
                "Resolve",
            ));
        }
        Status::Resolved => {
            buttons.push(button("Reopen", "reopen", id, "reopen", Style::Plain));
            buttons.push(careful(
                button("Close", "close", id, "close", Style::Plain),
                "Close the incident?",
                "The post-mortem is done and the record is complete. A closed incident cannot be reopened.",
                "Close",
            ));
        }
        Status::Closed => {}
    }
    let mut rest = vec![("Take the lead", "lead me")];
    if incident.status.is_open() && incident.escalation.is_some() {
        rest.push(("Call the next step now", "escalate"));
    }
    rest.extend([
        ("Timeline", "timeline"),
        ("Export the record", "export"),
        ("Help", "help"),
    ]);
    buttons.push(overflow("more", id, &rest));
    buttons
}

fn person_of(incident: &Incident, who: &Who) -> Template {
    context! {
        slack => who.slack.as_ref().map(|id| id.as_str()),
        name => incident.name_of(who),
    }
}

/// A moment as the filter `time` wants it.
pub(super) fn moment(at: Timestamp) -> Template {
    let utc = at
        .to_zoned(TimeZone::UTC)
        .strftime("%Y-%m-%d %H:%M UTC")
        .to_string();
    context! { unix => at.as_second(), utc => utc }
}
