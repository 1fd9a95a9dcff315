//! How an incident stands: the state that its events add up to.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::alert::Links;
use super::escalation::{Escalation, StopOn};
use super::event::{
    Consequence, Declared, Event, FollowUp, Invitee, MessageRef, Recorded, Resolution,
    SeverityTerms, Update,
};
use super::group::Tally;
use super::page::{OpenPage, PageReason, Paged};
use super::terms::{ChannelId, GroupId, IncidentId, Role, ServiceId, SlackUserId, Status, Who};

/// The state of one incident. It does not grow with the timeline: what is told there is not kept here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// What people call it.
    pub id: IncidentId,
    /// How many events it is made of; the number of the last one.
    pub version: u64,
    /// One line: what is wrong.
    pub title: String,
    /// What was known when it was declared.
    pub description: Option<String>,
    /// Where it stands.
    pub status: Status,
    /// How much it weighs, with what that asks for.
    pub severity: SeverityTerms,
    /// What is broken.
    pub service: Option<ServiceId>,
    /// Who declared it; none for an alert.
    pub declared_by: Option<Who>,
    /// Who acknowledged it first.
    pub acknowledged_by: Option<Who>,
    /// Who does what.
    pub roles: BTreeMap<Role, Who>,
    /// The moments that durations are counted between.
    pub milestones: Milestones,
    /// Where people work on it.
    pub room: Room,
    /// What its war room is called, or would be, without `#`.
    #[serde(default)]
    pub room_name: Option<String>,
    /// Who is called in, and which checklists are laid out, once the room is there.
    pub brings: Brings,
    /// The pinned summary in the war room.
    pub card: Option<MessageRef>,
    /// Where it is announced: `#incident-response`.
    pub announce: String,
    /// The announcement.
    pub announcement: Option<MessageRef>,
    /// Whether it could not be announced; it is tried again when something happens.
    #[serde(default)]
    pub is_unannounced: bool,
    /// When the next update is due.
    pub update_clock: Option<UpdateClock>,
    /// The last update, which prefills the next.
    pub last_update: Option<Update>,
    /// How many updates were given.
    pub updates: u32,
    /// Work that outlives the incident.
    pub follow_ups: Vec<TrackedFollowUp>,
    /// Cause, resolution and impact, as far as they were said.
    pub resolution: Resolution,
    /// The names of people whom Slack mentions by id alone, by that id.
    pub names: BTreeMap<SlackUserId, String>,
    /// What could not be done, and why: told once each; the newest few dozen.
    pub failures: Vec<(String, String)>,
    /// Where to look, as the alert said that declared it.
    #[serde(default, skip_serializing_if = "Links::is_empty")]
    pub links: Links,
    /// How its alerts stand, by group.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub alerts: BTreeMap<GroupId, Tally>,
    /// Who is called until somebody answers; none: nobody is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalation: Option<Box<Escalation>>,
    /// The pages that have not ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pages: Vec<OpenPage>,
    /// How many pages there were.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub paged: u32,
    /// When it is said that something is late.
    #[serde(default, skip_serializing_if = "Deadlines::is_empty")]
    pub deadlines: Deadlines,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// The deadlines that an incident has before it. What is late is said once; then there is none any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Deadlines {
    /// Until when somebody must have acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledge: Option<Timestamp>,
    /// Until when something must be heard of whoever acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_of_life: Option<Timestamp>,
    /// When it is said next that the post-mortem is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postmortem: Option<Timestamp>,
    /// How often that was said.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub postmortem_reminders: u32,
}

impl Deadlines {
    fn is_empty(&self) -> bool {
        *self == Deadlines::default()
    }
}

/// What an incident's clock may ring for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// A step of the escalation, or the end of its round.
    Step,
    /// Another way to somebody who was called.
    Contact,
    /// Somebody who was called by hand has not answered.
    PageExpiry,
    /// Somebody must have acknowledged.
    Acknowledgement,
    /// Something must be heard of whoever acknowledged.
    SignOfLife,
    /// An update is due.
    Update,
    /// The post-mortem is due.
    Postmortem,
}

/// Failures that an incident remembers having told; more than that many different ones are a fault of ours.
const FAILURES_KEPT: usize = 32;

/// The moments of an incident's life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Milestones {
    /// When the trouble began.
    pub started: Timestamp,
    /// When it was declared.
    pub declared: Timestamp,
    /// When somebody took it on.
    pub acknowledged: Option<Timestamp>,
    /// When the remedy was in: the first time at `Monitoring` or beyond since it was last open before that.
    pub mitigated: Option<Timestamp>,
    /// When the effect on users was over.
    pub resolved: Option<Timestamp>,
    /// When the post-mortem was done.
    pub closed: Option<Timestamp>,
}

/// Where people work on an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "room", rename_all = "snake_case")]
pub enum Room {
    /// A channel is being opened.
    Wanted {
        /// Its name, without `#`.
        name: String,
    },
    /// A channel of its own.
    Channel {
        /// Slack's id.
        channel: ChannelId,
        /// Its name, without `#`.
        name: String,
    },
    /// The thread under the announcement.
    Thread,
}

/// What its severity brings into the war room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brings {
    /// Who is called in.
    pub invite: Vec<Invitee>,
    /// Checklists, by id.
    pub checklists: Vec<String>,
}

/// The clock of the status updates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateClock {
    /// When somebody is reminded.
    pub due_at: Timestamp,
    /// When the update itself was due, or is: the first reminder comes then.
    pub since: Timestamp,
    /// How often somebody was reminded since the last update.
    pub reminders: u32,
}

/// A follow-up and whether it is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackedFollowUp {
    /// What is to be done.
    #[serde(flatten)]
    pub follow_up: FollowUp,
    /// When it was ticked off.
    pub done_at: Option<Timestamp>,
}

/// A place to post to: a channel, and in it perhaps a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The conversation.
    pub channel: ChannelId,
    /// The message under which the thread runs.
    pub thread: Option<MessageRef>,
}

impl Incident {
    /// Who leads.
    pub fn commander(&self) -> Option<&Who> {
        self.roles.get(&Role::IncidentCommander)
    }

    /// Where its messages go; nowhere yet while Slack has not answered.
    pub fn place(&self) -> Option<Place> {
        match &self.room {
            Room::Wanted { .. } => None,
            Room::Channel { channel, .. } => Some(Place {
                channel: channel.clone(),
                thread: None,
            }),
            Room::Thread => self.announcement.as_ref().map(|message| Place {
                channel: message.channel.clone(),
                thread: Some(message.clone()),
            }),
        }
    }

    /// Who is called into the room when it opens: whom the severity names, who holds a role by then, and who is paged.
    pub fn wanted_in_room(&self) -> Vec<Invitee> {
        let mut wanted = self.brings.invite.clone();
        let holders = self.roles.values().chain(&self.acknowledged_by);
        for user in holders.filter_map(|who| who.slack.clone()) {
            let invitee = Invitee::User(user);
            if !wanted.contains(&invitee) {
                wanted.push(invitee);
            }
        }
        let called = self.pages.iter().filter_map(|page| page.to.invitee());
        for invitee in called {
            if !wanted.contains(&invitee) {
                wanted.push(invitee);
            }
        }
        wanted
    }

    /// A text with the names of people for their ids: `@U012AB` becomes `@bo`, as far as names are known.
    pub fn named(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (id, name) in &self.names {
            text = text.replace(&format!("@{id}"), &format!("@{name}"));
        }
        text
    }

    /// The name of a person, for those who read outside Slack.
    pub fn name_of<'a>(&'a self, who: &'a Who) -> &'a str {
        let learned = who.slack.as_ref().and_then(|id| self.names.get(id));
        learned
            .filter(|_| who.is_nameless())
            .map_or(&who.name, |name| name)
    }

    /// Its own groups of alerts: what it only quiets is not its own.
    pub fn own_alerts(&self) -> impl Iterator<Item = &Tally> {
        self.alerts.values().filter(|tally| !tally.is_quieted)
    }

    /// How many of its own alerts fire; none, if it has none.
    pub fn firing(&self) -> Option<u64> {
        self.own_alerts()
            .map(|tally| tally.firing)
            .reduce(|sum, firing| sum + firing)
    }

    /// How many alerts it quiets: those that fire, and all so far; none, if there was none.
    pub fn quieted(&self) -> Option<(u64, u64)> {
        let quieted = self.alerts.values().filter(|tally| tally.is_quieted);
        let counts = quieted.map(|tally| (tally.firing, tally.total));
        counts.reduce(|sum, next| (sum.0 + next.0, sum.1 + next.1))
    }

    /// What it waits for next, and until when: its clock is set to that.
    pub fn next_due(&self) -> Option<(Timestamp, Due)> {
        let contacts = self.pages.iter().filter_map(OpenPage::next_contact_at);
        let expiries = self.pages.iter().filter_map(|page| page.expires_at);
        let update = self.update_clock.as_ref().map(|clock| clock.due_at);
        let step = self.escalation.as_ref().and_then(|it| it.next_at());
        // Of what is due at the same time, pages come first.
        [
            (step, Due::Step),
            (contacts.min(), Due::Contact),
            (expiries.min(), Due::PageExpiry),
            (self.deadlines.acknowledge, Due::Acknowledgement),
            (self.deadlines.sign_of_life, Due::SignOfLife),
            (update, Due::Update),
            (self.deadlines.postmortem, Due::Postmortem),
        ]
        .into_iter()
        .filter_map(|(at, what)| Some((at?, what)))
        .min_by_key(|(at, _)| *at)
    }

    /// Whether somebody is called, or will be, unless somebody answers.
    pub fn is_calling(&self) -> bool {
        let steps = self.escalation.as_ref().and_then(|it| it.next_at());
        steps.is_some() || !self.pages.is_empty()
    }

    /// The page of this number, if it has not ended.
    pub fn page(&self, number: u32) -> Option<&OpenPage> {
        self.pages.iter().find(|page| page.number == number)
    }

    /// Whether somebody may still say by this page that he has it: it is open, or it ended without an answer, and nobody has
    /// had it since.
    pub fn can_be_answered(&self, number: u32) -> bool {
        let escalation = self.escalation.as_ref();
        let is_of_it = escalation.is_some_and(|it| it.paged_before < number);
        let is_asked_on = is_of_it && number <= self.paged && self.acknowledged_by.is_none();
        self.page(number).is_some() || is_asked_on
    }

    /// How long it has lasted, or did last: from its start to its resolution.
    pub fn duration(&self, now: Timestamp) -> SignedDuration {
        self.milestones
            .resolved
            .unwrap_or(now)
            .duration_since(self.milestones.started)
    }
}

/// Adds one event to a state. The first event of an incident is its declaration, and only the first;
/// what does not fit (a record that was tampered with) leaves the state as it was.
pub fn fold(before: Option<Incident>, recorded: &Recorded) -> Option<Incident> {
    let mut after = match (before, &recorded.event) {
        (None, Event::Declared(declared)) => return Some(begin(declared, recorded)),
        (None, _) => return None,
        (Some(incident), _) => incident,
    };
    after.apply(recorded);
    Some(after)
}

fn begin(declared: &Declared, recorded: &Recorded) -> Incident {
    let at = recorded.recorded_at;
    let mut incident = Incident {
        id: declared.id.clone(),
        version: recorded.seq,
        title: declared.title.clone(),
        description: declared.description.clone(),
        status: Status::Investigating,
        severity: declared.severity.clone(),
        service: declared.service.clone(),
        declared_by: recorded.actor.person().cloned(),
        acknowledged_by: None,
        roles: BTreeMap::new(),
        milestones: Milestones {
            started: declared.started_at,
            declared: at,
            acknowledged: None,
            mitigated: None,
            resolved: None,
            closed: None,
        },
        room: match &declared.war_room {
            Some(name) => Room::Wanted { name: name.clone() },
            None => Room::Thread,
        },
        room_name: declared.war_room.clone().or(declared.reserved_room.clone()),
        brings: Brings {
            invite: declared.invite.clone(),
            checklists: declared.checklists.clone(),
        },
        card: None,
        announce: declared.announce.clone(),
        announcement: None,
        is_unannounced: false,
        update_clock: None,
        last_update: None,
        updates: 0,
        follow_ups: Vec::new(),
        resolution: Resolution::default(),
        names: BTreeMap::new(),
        failures: Vec::new(),
        links: (*declared.links).clone(),
        alerts: BTreeMap::new(),
        escalation: declared
            .escalation
            .as_ref()
            .map(|policy| Escalation::begin((**policy).clone(), 0, at).into()),
        pages: Vec::new(),
        paged: 0,
        deadlines: Deadlines::default(),
    };
    if let Some(commander) = &declared.commander {
        incident
            .roles
            .insert(Role::IncidentCommander, commander.clone());
    }
    incident.wind_clock(incident.severity.update_every, at);
    incident.expect_acknowledgement(at, at);
    incident
}

/// So long after a moment; none, if that is never.
fn after(at: Timestamp, within: Option<SignedDuration>) -> Option<Timestamp> {
    at.checked_add(within?).ok()
}

impl Incident {
    fn apply(&mut self, recorded: &Recorded) {
        let at = recorded.recorded_at;
        self.version = recorded.seq;
        match &recorded.event {
            // A second declaration is no declaration: `decide` never makes one.
            Event::Declared(_) => {}
            Event::WarRoomOpened { channel, name } => {
                self.room = Room::Channel {
                    channel: channel.clone(),
                    name: name.clone(),
                };
            }
            Event::WarRoomFailed { .. } => self.room = Room::Thread,
            Event::CardPosted { message } => self.card = Some(message.clone()),
            Event::Announced { message } => {
                self.announcement = Some(message.clone());
                self.is_unannounced = false;
            }
            Event::Acknowledged { by, answer: _ } => {
                self.acknowledged_by.get_or_insert_with(|| by.clone());
                // Said again after it had expired, it is no earlier milestone, and no later one.
                self.milestones.acknowledged.get_or_insert(at);
                self.deadlines.acknowledge = None;
                self.sign_of_life(at);
                if let Some(escalation) = &mut self.escalation
                    && escalation.policy.stop_on == StopOn::Acknowledged
                {
                    escalation.is_running = false;
                }
                self.pages
                    .retain(|page| !page.is_of_escalation() && !page.to.is(by));
            }
            Event::AcknowledgementExpired { .. } => {
                self.acknowledged_by = None;
                self.deadlines.sign_of_life = None;
                if let Some(escalation) = &mut self.escalation {
                    **escalation = Escalation::begin(escalation.policy.clone(), self.paged, at);
                }
            }
            Event::AcknowledgeOverdue { .. } => self.deadlines.acknowledge = None,
            Event::Paged(paged) => self.take_pages(paged, at),
            Event::PageContinued { page, via, .. } => {
                if let Some(page) = self.pages.iter_mut().find(|open| open.number == *page) {
                    page.go_on(via, at);
                }
            }
            Event::AnswerTimeExtended { pages, .. } => self.extend_answer_time(pages, at),
            Event::PageDelivery(delivery) => {
                let mut pages = self.pages.iter_mut();
                let page = pages.find(|open| open.number == delivery.page);
                for contact in page.into_iter().flat_map(|page| &mut page.contacts) {
                    if contact.via == delivery.via {
                        contact.state = delivery.state;
                        contact.provider_id =
                            delivery.provider_id.clone().or(contact.provider_id.take());
                    }
                }
            }
            Event::PageAnswered { page, .. } | Event::PageExpired { page } => {
                self.pages.retain(|open| open.number != *page);
            }
            Event::EscalationExhausted { pages, .. } => {
                self.pages.retain(|open| !pages.contains(&open.number));
                if let Some(escalation) = &mut self.escalation {
                    escalation.is_running = false;
                }
            }
            Event::PostmortemOverdue {
                reminder, next_at, ..
            } => {
                self.deadlines.postmortem = *next_at;
                self.deadlines.postmortem_reminders = *reminder;
            }
            Event::StatusChanged { to, .. } => {
                self.move_to(*to, at);
                self.sign_of_life(at);
            }
            Event::UpdatePosted { number, update, .. } => {
                self.sign_of_life(at);
                self.updates = *number;
                self.last_update = Some(update.clone());
                if self.status.is_open() {
                    self.wind_clock(update.next_update_in.or(self.severity.update_every), at);
                }
            }
            Event::UpdateOverdue(overdue) => {
                self.update_clock = Some(UpdateClock {
                    due_at: overdue.next_at,
                    since: overdue.due_at,
                    reminders: overdue.reminder,
                });
            }
            Event::SeverityChanged {
                to,
                invite,
                checklists,
                war_room,
                escalation,
                ..
            } => {
                if let Some(policy) = escalation {
                    self.escalation =
                        Some(Escalation::begin((**policy).clone(), self.paged, at).into());
                }
                self.severity = to.clone();
                self.expect_acknowledgement(self.milestones.declared, at);
                self.brings.invite.extend_from_slice(invite);
                self.brings.checklists.extend_from_slice(checklists);
                if let Some(name) = war_room {
                    self.room = Room::Wanted { name: name.clone() };
                }
                if self.status.is_open() {
                    self.wind_clock(to.update_every, at);
                }
            }
            Event::RoleAssigned { role, to, .. } => {
                self.roles.insert(*role, to.clone());
            }
            Event::NoteAdded { .. }
            | Event::MessageMarked { .. }
            | Event::MessageKept(_)
            | Event::ChangeNoted(_)
            | Event::ExportRequested { .. } => {}
            Event::NamesLearned { names } => {
                self.names
                    .extend(names.iter().map(|(id, name)| (id.clone(), name.clone())));
            }
            Event::EffectFailed { what, why, leaves } => {
                if *leaves == Consequence::Unannounced {
                    self.is_unannounced = true;
                }
                if self.failures.len() == FAILURES_KEPT {
                    self.failures.remove(0);
                }
                self.failures.push((what.clone(), why.clone()));
            }
            Event::AlertsChanged { group, tally, .. } => {
                let before = self.alerts.insert(group.clone(), tally.clone());
                if let (Some(before), Some(after)) = (before, self.alerts.get_mut(group)) {
                    after.remarks = before.remarks;
                }
            }
            Event::AlertRemarked(told) => {
                if let Some(tally) = self.alerts.get_mut(&told.group) {
                    tally.take(&told.remarked);
                }
            }
            Event::FollowUpAdded(follow_up) => self.follow_ups.push(TrackedFollowUp {
                follow_up: follow_up.clone(),
                done_at: None,
            }),
            Event::FollowUpCompleted { number } => {
                for tracked in &mut self.follow_ups {
                    if tracked.follow_up.number == *number {
                        tracked.done_at = Some(at);
                    }
                }
            }
            Event::Resolved(resolution) => {
                // Said again, it adds to what was said; the moment stays the first one.
                if self.status.is_open() {
                    self.move_to(Status::Resolved, at);
                    self.milestones.resolved = Some(at);
                    self.deadlines = Deadlines {
                        postmortem: after(at, self.severity.postmortem_within),
                        ..Deadlines::default()
                    };
                    self.pages.clear();
                    if let Some(escalation) = &mut self.escalation {
                        escalation.is_running = false;
                    }
                }
                let said = &mut self.resolution;
                said.root_cause = resolution.root_cause.clone().or(said.root_cause.take());
                said.resolution = resolution.resolution.clone().or(said.resolution.take());
                said.impact = resolution.impact.clone().or(said.impact.take());
            }
            Event::Reopened { .. } => {
                self.move_to(Status::Investigating, at);
                self.milestones.resolved = None;
                self.wind_clock(self.severity.update_every, at);
                self.deadlines = Deadlines::default();
                // Whoever had it has it again; if nobody had, somebody is looked for.
                match &self.acknowledged_by {
                    Some(_) => self.sign_of_life(at),
                    None => {
                        if let Some(escalation) = &mut self.escalation {
                            **escalation =
                                Escalation::begin(escalation.policy.clone(), self.paged, at);
                        }
                        self.expect_acknowledgement(at, at);
                    }
                }
            }
            Event::Closed => {
                self.status = Status::Closed;
                self.milestones.closed = Some(at);
                self.deadlines = Deadlines::default();
            }
        }
    }

    /// Goes to a status, minding what that says about mitigation and about the update clock.
    fn move_to(&mut self, to: Status, at: Timestamp) {
        self.status = to;
        if to < Status::Monitoring {
            self.milestones.mitigated = None;
        } else if self.milestones.mitigated.is_none() {
            self.milestones.mitigated = Some(at);
        }
        if !to.is_open() {
            self.update_clock = None;
        }
    }

    /// Until when somebody must acknowledge, reckoned from a moment: where people are called, or nobody leads. Whoever
    /// declared and leads has it already, if nobody else is asked.
    fn expect_acknowledgement(&mut self, from: Timestamp, now: Timestamp) {
        let is_asked_for = self.escalation.is_some() || self.commander().is_none();
        let is_open = self.acknowledged_by.is_none() && self.status.is_open();
        let within = self.severity.acknowledge_within;
        // What comes to weigh more when that time is over already is given it from now on.
        let due = after(from, within).filter(|due| *due > now);
        self.deadlines.acknowledge = due
            .or_else(|| after(now, within))
            .filter(|_| is_asked_for && is_open);
    }

    /// Something was heard of whoever acknowledged: it counts from now on again.
    fn sign_of_life(&mut self, at: Timestamp) {
        let policy = self.escalation.as_ref().map(|it| &it.policy);
        let timeout = policy.and_then(|policy| policy.ack_timeout);
        self.deadlines.sign_of_life = match self.acknowledged_by.is_some() && self.status.is_open()
        {
            true => after(at, timeout),
            false => None,
        };
    }

    /// Whoever these pages call is given as long to answer from now on.
    fn extend_answer_time(&mut self, pages: &[u32], at: Timestamp) {
        let mut is_of_escalation = false;
        let open = self.pages.iter_mut();
        for page in open.filter(|page| pages.contains(&page.number)) {
            page.extend(at);
            is_of_escalation |= page.is_of_escalation();
        }
        if let Some(escalation) = self.escalation.as_mut().filter(|_| is_of_escalation) {
            escalation.extend(at);
        }
    }

    /// Takes in whom a step, or a person, called.
    fn take_pages(&mut self, paged: &Paged, at: Timestamp) {
        self.pages
            .retain(|page| !paged.unanswered.contains(&page.number));
        let pages = paged.pages.iter();
        self.pages
            .extend(pages.map(|page| OpenPage::begin(page, self.paged + 1, &paged.why, at)));
        self.paged += paged.pages.len() as u32;
        if let PageReason::Step {
            step,
            round,
            hurried,
            ..
        } = &paged.why
            && let Some(escalation) = &mut self.escalation
        {
            escalation.reached(
                round.saturating_sub(1),
                (*step as usize).saturating_sub(1),
                !paged.pages.is_empty(),
                hurried.is_none(),
                at,
            );
        }
    }

    fn wind_clock(&mut self, every: Option<SignedDuration>, at: Timestamp) {
        self.update_clock = every
            .and_then(|every| at.checked_add(every).ok())
            .map(|due_at| UpdateClock {
                due_at,
                since: due_at,
                reminders: 0,
            });
    }
}
