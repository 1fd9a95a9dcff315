//! Takes a person's line and answers it: the same for Slack, for a button, and for the command line.

mod oncall;

use std::sync::Arc;

use serde_json::Value;
use tracing::error;

use crate::clock::Clock;
use crate::domain::catalog::Catalog;
use crate::domain::command::Command;
use crate::domain::decide::{Refusal, World, decide};
use crate::domain::event::{Event, Mark, MessageRef, Resolution, Update};
use crate::domain::form::show_roughly;
use crate::domain::group::{Group, GroupReport};
use crate::domain::incident::{Incident, Room};
use crate::domain::oncall::Override;
use crate::domain::page::{PageReason, Paged};
use crate::domain::terms::{
    Actor, ChannelId, DeliveryId, GroupId, IncidentId, Role, SlackUserId, Who,
};
use crate::domain::timeline::{Sort, tell};
use crate::engine::{Delivery, Engine, EngineError, Envelope, Outcome, Wish};
use crate::intake::{Intake, IntakeError};
use crate::slack::client::{Outgoing, Slack};
use crate::slack::inbound::SubmittedView;
use crate::slack::message::{Composer, answer, person_mention, words};
use crate::slack::modal::{Errors, Filled, Form};
use crate::slack::parse::{AlertWish, Context, Request, find, parse};
use crate::slack::{home, modal};
use crate::store::Store;
use crate::store::incidents::Which;
use crate::templates::mrkdwn;

/// Incidents that are looked through for a list, to be offered, or for somebody's home tab.
const LOOKED_THROUGH: i64 = 200;
/// Entries of a timeline that are shown in Slack; the export has them all.
const ENTRIES: usize = 15;
/// Events that are read to find them.
const READ: u64 = 60;

/// What is told to a person when the bot cannot take the request up.
pub const OVERLOADED: &str =
    "Too much is going on at once; nothing was done. Please try again in a few seconds.";
/// What is told when the store does not answer.
pub const BROKEN: &str = "The database does not answer, so nothing was done. Please try again, and tell whoever runs Firebell: /readyz and the log say more.";

/// What is told when the store went away while it wrote.
pub const UNCLEAR: &str = "The database went away while this was being written, so it is not known whether it was done. `/incident list` shows it: please look before you try again, and tell whoever runs Firebell: /readyz and the log say more.";

/// What is told to a person of a wish that came to nothing.
pub fn told(error: &EngineError) -> String {
    match error {
        EngineError::Refused(refusal) => refusal.to_string(),
        EngineError::Overloaded => OVERLOADED.to_owned(),
        EngineError::LeaseLost | EngineError::Store(_) => BROKEN.to_owned(),
        EngineError::Unclear(_) => UNCLEAR.to_owned(),
        EngineError::Damaged(id) => format!(
            "The record of {id} is damaged, so nothing can be added to it and nothing was done. Tell whoever runs Firebell: `firebell audit verify` says more."
        ),
    }
}

/// The desk.
#[derive(Debug)]
pub struct Desk {
    /// The configuration.
    pub catalog: Arc<Catalog>,
    /// What is kept.
    pub store: Store,
    /// The door.
    pub engine: Engine,
    /// The clock.
    pub clock: Clock,
    /// The messages.
    pub composer: Arc<Composer>,
    /// Slack, which knows who the bot is; none at a terminal.
    pub slack: Option<Arc<Slack>>,
    /// The door of alerts; none at a terminal.
    pub intake: Option<Intake>,
}

/// A line and where it comes from.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// What follows `/incident`.
    pub line: &'a str,
    /// Who asks.
    pub who: Who,
    /// The incident that is meant, if the place says so by itself: a button names it.
    pub incident: Option<IncidentId>,
    /// The channel, which may be a war room.
    pub channel: Option<ChannelId>,
    /// What tells this delivery from every other.
    pub delivery: Option<DeliveryId>,
    /// Whether a form can be opened for them.
    pub forms: bool,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// It is done, or here is what was asked for.
    Done(Outgoing),
    /// A form to be opened, and how it would be typed.
    Form(Value, String),
    /// No, and what to do instead.
    Refused(Outgoing),
    /// The line is not in the language; how it would be.
    NotUnderstood(Outgoing),
    /// Too much at once; nothing was done.
    Overloaded,
    /// The store does not answer: whether nothing was done, or that it is not known.
    Broken(String),
}

/// What came of a form.
#[derive(Debug, Clone, PartialEq)]
pub enum Submitted {
    /// It is done; the form closes.
    Done,
    /// It is done, and the form shows this instead.
    Said(Value),
    /// Something is wrong, by field; the form stays open.
    Wrong(Errors),
    /// It is a form of somebody else.
    NotOurs,
}

/// How a mark is told from every other: two people may mark the same message, or one with a pin and a reaction, and
/// it is put there once.
pub fn marked(incident: &IncidentId, message: &MessageRef, mark: Mark) -> Delivery {
    let purpose = match mark {
        Mark::Pin | Mark::Reaction | Mark::Shortcut => "timeline",
        Mark::Check => "follow-up",
    };
    Delivery {
        id: DeliveryId::new(format!(
            "mark/{incident}/{}/{}/{purpose}",
            message.channel, message.ts
        )),
        for_ever: true,
    }
}

impl Desk {
    /// Takes a form that was sent off.
    pub async fn submit(&self, view: &SubmittedView, who: Who) -> Submitted {
        let filled = match modal::read(view, &self.catalog) {
            None => return Submitted::NotOurs,
            Some(Err(errors)) => return Submitted::Wrong(errors),
            Some(Ok(filled)) => filled,
        };
        let is_new = matches!(filled, Filled::Declare(_));
        let wish = match filled {
            Filled::Declare(declaration) => Wish::Declare(declaration),
            Filled::Pursue(id, command) => Wish::Pursue(id, command),
        };
        let delivery = match &wish {
            Wish::Pursue(id, Command::MarkMessage { message, mark }) => marked(id, message, *mark),
            _ => Delivery {
                id: DeliveryId::new(format!("view/{}", view.id)),
                for_ever: false,
            },
        };
        let envelope = Envelope {
            wish,
            actor: Actor::Person(who),
            delivery: Some(delivery),
        };
        match self.handle(envelope).await {
            // Whoever declares is not in the room yet: the form says where it will be.
            Ok(outcome) if is_new => Submitted::Said(modal::told(
                "Declared",
                &confirmation(&outcome, &self.catalog.slack.command),
            )),
            // Sent once more, perhaps with other words: those are not taken, and whoever wrote them must know.
            Ok(outcome) if outcome.repeated => Submitted::Said(modal::told(
                "Taken already",
                &format!(
                    "This form was taken when it was sent first: {}\nWhat was changed in it since is not in.",
                    confirmation(&outcome, &self.catalog.slack.command)
                ),
            )),
            Ok(_) => Submitted::Done,
            Err(EngineError::Refused(refusal)) => {
                let mut errors = modal::at_field(view, &refusal);
                for said in errors.values_mut() {
                    *said = self.called_here(said);
                }
                Submitted::Wrong(errors)
            }
            // At a field, so that what was typed is not lost.
            Err(error) => Submitted::Wrong(modal::at_first(view, "", &told(&error))),
        }
    }

    /// The home tab of a person.
    pub async fn home(&self, user: &SlackUserId) -> anyhow::Result<Value> {
        let open = self.store.list(Which::Open, LOOKED_THROUGH).await?;
        let with_follow_ups = self
            .store
            .list(Which::WithFollowUps, LOOKED_THROUGH)
            .await?;
        Ok(home::home(user, &open, &with_follow_ups, self.clock.now()))
    }

    /// The form that declares an incident on a message, or on none.
    pub fn declaration_form(&self, on: Option<(&MessageRef, &str)>) -> Value {
        let (about, said) = on.unzip();
        modal::declare(&self.catalog, None, about, said)
    }

    /// Answers a line.
    pub async fn ask(&self, asked: Asked<'_>) -> Answer {
        match self.answer(&asked).await {
            Ok(answer) => answer,
            Err(cause) => {
                error!("Could not answer “{}”: {cause:#}", first_word(asked.line));
                Answer::Broken(BROKEN.to_owned())
            }
        }
    }

    async fn answer(&self, asked: &Asked<'_>) -> anyhow::Result<Answer> {
        let context = Context {
            catalog: &self.catalog,
            typist: &asked.who,
            forms: asked.forms,
        };
        let line = match parse(asked.line, context) {
            Ok(line) => line,
            Err(error) => return Ok(Answer::NotUnderstood(words(&error.to_string()))),
        };
        if !line.request.needs_incident() {
            return self.general(line.request, asked).await;
        }
        let named = line.incident.or_else(|| asked.incident.clone());
        let meant = match (named, &asked.channel) {
            (Some(id), _) => Some(id),
            (None, Some(channel)) => self
                .store
                .incident_in(channel)
                .await?
                .map(|incident| incident.id.clone()),
            (None, None) => None,
        };
        match meant {
            Some(id) => self.about(&id, line.request, asked).await,
            // Not an error: most people are not in the war room when they think of something.
            None => {
                let fit = self.fit_for(&line.request, &asked.who).await?;
                Ok(Answer::Done(self.composer.choose(&fit, asked.line)))
            }
        }
    }

    /// The incidents to which a request could be meant: those that would not refuse it, the open ones first.
    pub async fn fit_for(
        &self,
        request: &Request,
        who: &Who,
    ) -> anyhow::Result<Vec<Arc<Incident>>> {
        let mut fit = self.store.list(Which::Unclosed, LOOKED_THROUGH).await?;
        if let Request::Pursue(command) = request {
            let overrides = self.store.overrides(self.clock.now()).await?;
            fit.retain(|incident| self.refusal(incident, command, who, &overrides).is_none());
        }
        fit.sort_by_key(|incident| !incident.status.is_open());
        Ok(fit)
    }

    /// What would be said against a command, if it were given now.
    fn refusal(
        &self,
        incident: &Incident,
        command: &Command,
        who: &Who,
        overrides: &[Override],
    ) -> Option<Refusal> {
        let world = World {
            now: self.clock.now(),
            actor: &Actor::Person(who.clone()),
            catalog: &self.catalog,
            overrides,
        };
        decide(Some(incident), command, world).err()
    }

    /// A refusal, in which the slash command is called what it is called here.
    fn refused(&self, refusal: &Refusal) -> Answer {
        Answer::Refused(words(&self.called_here(&refusal.to_string())))
    }

    fn unknown(&self, id: &IncidentId) -> Answer {
        Answer::Refused(words(&self.called_here(&not_there(id))))
    }

    fn called_here(&self, said: &str) -> String {
        said.replace("/incident ", &format!("{} ", self.catalog.slack.command))
    }

    /// What is about no incident in particular.
    async fn general(&self, request: Request, asked: &Asked<'_>) -> anyhow::Result<Answer> {
        let now = self.clock.now();
        Ok(Answer::Done(match request {
            Request::Declare(declaration) => {
                return Ok(self.pass_on(Wish::Declare(declaration), asked).await);
            }
            Request::ListIncidents => self.composer.list(
                &self.store.list(Which::Unclosed, LOOKED_THROUGH).await?,
                now,
            ),
            Request::ShowContacts => self.composer.contacts(),
            Request::ShowOnCall(schedule) => return self.on_call(schedule.as_deref()).await,
            Request::Override(wish) => return self.take_over(wish, asked).await,
            Request::Alerts { group, wish } => return self.alerts(&group, wish, asked).await,
            Request::Help(about) => self.composer.help(about),
            Request::Fill(Form::Declare { severity, .. }) => {
                let form = modal::declare(&self.catalog, severity.as_ref(), None, None);
                return Ok(self.form(form, "declare", None));
            }
            Request::Fill(_) | Request::Pursue(_) | Request::ShowStatus | Request::ShowTimeline => {
                self.composer.help(None)
            }
        }))
    }

    /// A refusal in these words.
    fn no(&self, said: &str) -> Answer {
        Answer::Refused(words(&self.called_here(said)))
    }

    /// What is to become of the alerts on a card.
    async fn alerts(
        &self,
        id: &GroupId,
        wish: AlertWish,
        asked: &Asked<'_>,
    ) -> anyhow::Result<Answer> {
        let Some(intake) = &self.intake else {
            let here = "That is for the buttons of a card in Slack.";
            return Ok(Answer::Refused(words(here)));
        };
        let Some(group) = self.store.groups(&[id]).await?.pop().map(|held| held.group) else {
            let gone = "These alerts are not known any more.";
            return Ok(Answer::Refused(words(gone)));
        };
        let takes = matches!(wish, AlertWish::Acknowledge);
        let (report, said) = match wish {
            AlertWish::Declare => return self.declare_for(intake, &group, asked).await,
            AlertWish::Attach(None) => {
                let open = self.store.list(Which::Open, LOOKED_THROUGH).await?;
                return Ok(Answer::Done(self.composer.attach_to(&group, &open)));
            }
            AlertWish::Attach(Some(incident)) => match self.store.incident(&incident).await? {
                None => return Ok(self.unknown(&incident)),
                Some(known) if !known.status.is_open() => {
                    let over = Refusal::Over {
                        id: incident,
                        status: known.status,
                    };
                    return Ok(self.refused(&over));
                }
                Some(_) => {
                    let said = format!("These alerts are told in {incident} from now on.");
                    (GroupReport::Attached { incident }, said)
                }
            },
            AlertWish::Acknowledge => {
                let said = "You have it. The card says so.".to_owned();
                let by = asked.who.clone();
                (GroupReport::Acknowledged { by }, said)
            }
            AlertWish::Resume if group.cut_off_until.is_none() => {
                let said = "These alerts are not cut off.";
                return Ok(Answer::Refused(words(said)));
            }
            AlertWish::Resume => {
                let said = "They declare incidents again from now on.".to_owned();
                (GroupReport::Resumed, said)
            }
            AlertWish::Snooze(pause) => {
                let until = self.clock.now().checked_add(pause)?;
                let said = format!("Nothing more of them for {}.", show_roughly(pause));
                (GroupReport::Snoozed { until }, said)
            }
        };
        Ok(match intake.tell(id.clone(), report).await {
            Ok(_) => match self.had_by_another(id, takes, asked).await? {
                Some(other) => Answer::Refused(words(&other)),
                None => Answer::Done(answer(&said)),
            },
            Err(IntakeError::Overloaded) => Answer::Overloaded,
            Err(error) => {
                error!("Could not take in what is wanted of alerts: {error:#}");
                Answer::Broken(BROKEN.to_owned())
            }
        })
    }

    /// Who wanted to take alerts over and was not the first learns who was.
    async fn had_by_another(
        &self,
        id: &GroupId,
        takes: bool,
        asked: &Asked<'_>,
    ) -> anyhow::Result<Option<String>> {
        if !takes {
            return Ok(None);
        }
        let group = self.store.groups(&[id]).await?.pop();
        let by = group.and_then(|held| held.group.acknowledged_by);
        let other = by.filter(|by| by != &asked.who);
        Ok(other.map(|other| {
            format!("@{} has it already, as the card says. If it needs more hands, click Declare there.", other.name)
        }))
    }

    /// Declares the incident of a card: whoever clicked leads it. Clicked twice, it is one.
    async fn declare_for(
        &self,
        intake: &Intake,
        group: &Group,
        asked: &Asked<'_>,
    ) -> anyhow::Result<Answer> {
        if let Some(incident) = &group.incident {
            let said = format!("These alerts are told in {incident} already.");
            return Ok(Answer::Refused(words(&said)));
        }
        let envelope = Envelope {
            wish: Wish::Declare(group.declaration()),
            actor: Actor::Person(asked.who.clone()),
            delivery: Some(Delivery {
                id: group.delivery(),
                for_ever: true,
            }),
        };
        let outcome = match self.handle(envelope).await {
            Ok(outcome) => outcome,
            Err(error) => return Ok(self.not_done(&error, None)),
        };
        let incident = outcome.incident.id.clone();
        let report = GroupReport::Attached { incident };
        if let Err(error) = intake.tell(group.id.clone(), report).await {
            error!("Could not attach alerts to their incident: {error:#}");
        }
        let said = confirmation(&outcome, &self.catalog.slack.command);
        Ok(Answer::Done(answer(&said)))
    }

    /// What is about one incident.
    async fn about(
        &self,
        id: &IncidentId,
        request: Request,
        asked: &Asked<'_>,
    ) -> anyhow::Result<Answer> {
        match request {
            Request::Pursue(command) => {
                let command = self.naming(command).await;
                Ok(self.pass_on(Wish::Pursue(id.clone(), command), asked).await)
            }
            Request::ShowTimeline => self.timeline(id).await,
            Request::Fill(form) => self.fill(id, form, asked).await,
            _ => self.status(id).await,
        }
    }

    /// Opens a form about an incident, unless it would be refused however it is filled in.
    async fn fill(&self, id: &IncidentId, form: Form, asked: &Asked<'_>) -> anyhow::Result<Answer> {
        let Some(incident) = self.store.incident(id).await? else {
            return Ok(self.unknown(id));
        };
        let catalog = &self.catalog;
        // What the form would become at the least, to see whether it would be refused.
        let (word, view, sample) = match form {
            Form::Update => {
                let sample = Command::PostUpdate {
                    update: Update::default(),
                    status: None,
                    severity: None,
                };
                ("update", modal::update(catalog, &incident), Some(sample))
            }
            Form::Severity => {
                let mut others = catalog.severities.iter();
                let other = others.find(|it| it.id != incident.severity.id);
                let sample = other.map(|it| Command::ChangeSeverity {
                    to: it.id.clone(),
                    reason: None,
                });
                ("severity", modal::severity(catalog, &incident), sample)
            }
            Form::Role => {
                let sample = Command::AssignRole {
                    role: Role::Scribe,
                    to: Who::named("somebody else"),
                };
                ("role", modal::role(&incident, &asked.who), Some(sample))
            }
            Form::Resolve { .. } => {
                let sample = Command::Resolve(Resolution {
                    root_cause: Some("any".to_owned()),
                    ..Resolution::default()
                });
                ("resolve", modal::resolve(&incident), Some(sample))
            }
            Form::Declare { .. } | Form::Keep { .. } => return self.status(id).await,
        };
        if let Some(sample) = sample {
            let overrides = self.store.overrides(self.clock.now()).await?;
            let refusal = self.refusal(&incident, &sample, &asked.who, &overrides);
            if let Some(refusal) = refusal {
                return Ok(self.refused(&refusal));
            }
        }
        Ok(self.form(view, word, Some(id)))
    }

    /// A form, with what to type if it does not open.
    fn form(&self, view: Value, word: &str, id: Option<&IncidentId>) -> Answer {
        let usage = find(word).map_or("", |row| row.usage);
        let id = id.map(|id| format!(" {id}")).unwrap_or_default();
        let typed = format!("{} {word}{id} {usage}", self.catalog.slack.command);
        Answer::Form(view, typed)
    }

    async fn status(&self, id: &IncidentId) -> anyhow::Result<Answer> {
        Ok(match self.store.incident(id).await? {
            Some(incident) => Answer::Done(self.composer.status(&incident, self.clock.now())?),
            None => self.unknown(id),
        })
    }

    async fn timeline(&self, id: &IncidentId) -> anyhow::Result<Answer> {
        let Some(incident) = self.store.incident(id).await? else {
            return Ok(self.unknown(id));
        };
        let read = incident.version.saturating_sub(READ);
        let rows = self.store.events_after(id, read as i64).await?;
        let mut entries: Vec<_> = rows
            .iter()
            .map(|row| row.recorded().map(|recorded| tell(&recorded)))
            .collect::<anyhow::Result<_>>()?;
        // Whoever asks in the middle of it wants to know what happened, not what was done to write it down.
        entries.retain(|entry| entry.sort != Sort::Housekeeping);
        let surplus = entries.len().saturating_sub(ENTRIES);
        entries.drain(..surplus);
        Ok(Answer::Done(self.composer.timeline(
            &incident,
            &entries,
            read > 0 || surplus > 0,
        )))
    }

    /// Does what a line wants, and gives what came of it.
    pub async fn carry_out(&self, wish: Wish, asked: &Asked<'_>) -> Result<Outcome, EngineError> {
        let envelope = Envelope {
            wish,
            actor: Actor::Person(asked.who.clone()),
            delivery: asked.delivery.clone().map(|id| Delivery {
                id,
                for_ever: false,
            }),
        };
        self.handle(envelope).await
    }

    /// Passes a wish in, unless it gives the bot itself something to do.
    async fn handle(&self, envelope: Envelope) -> Result<Outcome, EngineError> {
        let chosen = match &envelope.wish {
            Wish::Pursue(_, Command::AssignRole { to, .. }) => Some(to),
            Wish::Pursue(_, Command::AddFollowUp { owner, .. }) => owner.as_ref(),
            _ => None,
        };
        let us = self.slack.as_ref().and_then(|slack| slack.known_identity());
        if let (Some(user), Some(us)) = (chosen.and_then(|who| who.slack.as_ref()), us)
            && *user == us.user_id
        {
            return Err(EngineError::Refused(Refusal::NotForBots));
        }
        self.engine.handle(envelope).await
    }

    async fn pass_on(&self, wish: Wish, asked: &Asked<'_>) -> Answer {
        let named = match &wish {
            Wish::Pursue(id, _) => Some(id.clone()),
            Wish::Declare(_) | Wish::Raise(_) => None,
        };
        match self.carry_out(wish, asked).await {
            Ok(outcome) => {
                Answer::Done(answer(&confirmation(&outcome, &self.catalog.slack.command)))
            }
            Err(error) => self.not_done(&error, named.as_ref()),
        }
    }

    /// What is answered to a wish that came to nothing, or of which that is not known.
    fn not_done(&self, error: &EngineError, named: Option<&IncidentId>) -> Answer {
        match error {
            EngineError::Refused(_) | EngineError::Damaged(_) => {
                Answer::Refused(words(&self.called_here(&told_of(error, named))))
            }
            EngineError::Overloaded => Answer::Overloaded,
            EngineError::LeaseLost | EngineError::Store(_) | EngineError::Unclear(_) => {
                Answer::Broken(self.called_here(&told(error)))
            }
        }
    }
}

/// Says to the one who asked that it is done. The room is told by the orders that follow.
pub fn confirmation(outcome: &Outcome, command: &str) -> String {
    let incident = &outcome.incident;
    let id = &incident.id;
    let Some(event) = outcome.events.first() else {
        return format!(
            "{id}: {} ({}). This was done already.",
            mrkdwn(&incident.title),
            incident.status
        );
    };
    match event {
        Event::Declared(_) => declared(incident),
        Event::Acknowledged { .. } => format!("You have {id}."),
        Event::PageAnswered { .. } => format!("You have answered: {id} knows that you are there."),
        Event::Paged(paged) => paged_now(id, paged),
        Event::StatusChanged { to, .. } => format!("{id} is now {}.", to.word().to_lowercase()),
        Event::UpdatePosted { number, .. } => format!("Update {number} of {id} is on its way."),
        Event::SeverityChanged { to, .. } => format!("{id} is now {}.", mrkdwn(&to.name)),
        Event::RoleAssigned { role, to, .. } => format!("{role} of {id}: {}.", person_mention(to)),
        Event::NoteAdded { .. } => format!("Noted on the timeline of {id}."),
        Event::MessageMarked { .. } | Event::MessageKept(_) => {
            format!("Added to the timeline of {id}.")
        }
        Event::FollowUpAdded(follow_up) => {
            format!("Follow-up {} of {id} is noted.", follow_up.number)
        }
        Event::FollowUpCompleted { number } => format!("Follow-up {number} of {id} is done."),
        Event::Resolved(resolution) if resolution.root_cause.is_none() => format!(
            "{id} is resolved. What was the cause? `{command} resolve` adds it. If it is back: `{command} reopen`."
        ),
        Event::Resolved(_) => format!("{id} is resolved. If it is back: `{command} reopen`."),
        Event::Reopened { .. } => format!("{id} is open again."),
        Event::Closed => format!("{id} is closed. `{command} export` gives the whole record."),
        Event::ExportRequested { format } => format!(
            "The record of {id} as {} is on its way into the war room.",
            format.word()
        ),
        Event::WarRoomOpened { .. }
        | Event::WarRoomFailed { .. }
        | Event::CardPosted { .. }
        | Event::Announced { .. }
        | Event::AcknowledgementExpired { .. }
        | Event::AcknowledgeOverdue { .. }
        | Event::PageContinued { .. }
        | Event::PageDelivery(_)
        | Event::PageExpired { .. }
        | Event::AnswerTimeExtended { .. }
        | Event::EscalationExhausted { .. }
        | Event::PostmortemOverdue { .. }
        | Event::UpdateOverdue(_)
        | Event::NamesLearned { .. }
        | Event::AlertsChanged { .. }
        | Event::AlertRemarked(_)
        | Event::ChangeNoted(_)
        | Event::EffectFailed { .. } => format!("{id}: done."),
    }
}

/// Whom a word of the typist has called, and what comes of it.
fn paged_now(id: &IncidentId, paged: &Paged) -> String {
    let whom: Vec<String> = paged
        .pages
        .iter()
        .map(|page| mrkdwn(&page.to.shown()))
        .collect();
    let whom = match whom.is_empty() {
        true => "nobody, for nobody is behind this step".to_owned(),
        false => whom.join(", "),
    };
    match &paged.why {
        PageReason::Step { step, of, .. } => {
            format!(
                "{id}: step {step} of {of} goes now, to {whom}. The war room shows who answers."
            )
        }
        PageReason::ByHand { .. } => {
            format!("{id}: paging {whom}. If nobody answers, the war room hears of it.")
        }
    }
}

fn declared(incident: &Incident) -> String {
    let id = &incident.id;
    let severity = mrkdwn(&incident.severity.name);
    let room = match &incident.room {
        Room::Channel { channel, .. } => format!("The war room is <#{channel}>."),
        Room::Wanted { name } => {
            // Whom Slack does not know, it cannot invite.
            let invited = match incident
                .declared_by
                .as_ref()
                .is_some_and(|who| who.slack.is_some())
            {
                true => "; you will be invited",
                false => "",
            };
            format!("The war room #{name} is being opened{invited}.")
        }
        Room::Thread => format!(
            "It is announced in {}; its thread is the war room.",
            mrkdwn(&incident.announce)
        ),
    };
    format!(
        "Declared *{id}* ({severity}): {}\n{room}",
        mrkdwn(&incident.title)
    )
}

fn not_there(id: &IncidentId) -> String {
    format!("There is no incident {id}. `/incident list` shows the open ones.")
}

/// What is told of a wish that came to nothing; who named an incident that is not there reads its name again.
pub fn told_of(error: &EngineError, named: Option<&IncidentId>) -> String {
    match (error, named) {
        (EngineError::Refused(Refusal::NoIncident), Some(id)) => not_there(id),
        (error, _) => told(error),
    }
}

fn first_word(line: &str) -> &str {
    line.split_whitespace().next().unwrap_or_default()
}
