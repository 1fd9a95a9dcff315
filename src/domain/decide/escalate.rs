//! Who is called, when, and what follows from how that went: steps, pages, answers, and everything else that an
//! incident's clock rings for.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};

use super::{PUNCTUAL, Refusal, World, remind};
use crate::domain::command::Callee;
use crate::domain::escalation::{Channel, Target};
use crate::domain::event::{Event, Recorded};
use crate::domain::incident::{Due, Incident, fold};
use crate::domain::page::{
    Addressee, Answer, Contact, Delivery, DeliveryState, HELD_UP, Hurry, OpenPage, PATIENCE, Page,
    PageReason, Paged, Vacancy, contacts,
};
use crate::domain::terms::{Role, Who};

/// How often a post-mortem that is due is asked for, once a day: a week, then whoever does not want to write it has won.
const POSTMORTEM_REMINDERS: u32 = 7;
const POSTMORTEM_PAUSE: SignedDuration = SignedDuration::from_hours(24);

/// Events that follow from each other, and the state that they lead to.
struct Draft<'a> {
    incident: Cow<'a, Incident>,
    events: Vec<Event>,
    world: World<'a>,
}

impl<'a> Draft<'a> {
    fn of(incident: &'a Incident, world: World<'a>) -> Self {
        Self {
            incident: Cow::Borrowed(incident),
            events: Vec::new(),
            world,
        }
    }

    fn push(&mut self, event: Event) {
        let recorded = recorded(Some(&self.incident), event, self.world);
        if let Some(after) = fold(Some(self.incident.clone().into_owned()), &recorded) {
            self.incident = Cow::Owned(after);
        }
        self.events.push(recorded.event);
    }
}

/// The clock rings that was set for that moment: everything that is due is done. What it was set for is due even if the
/// clock on the wall was set back since; an older setting of the clock finds nothing due.
pub(super) fn ring(incident: &Incident, at: Timestamp, world: World<'_>) -> Vec<Event> {
    let mut draft = Draft::of(incident, world);
    let is_due = |draft: &Draft<'_>, due_at| {
        due_at <= world.now || (due_at == at && draft.events.is_empty())
    };
    while let Some((due_at, due)) = draft.incident.next_due()
        && is_due(&draft, due_at)
    {
        draft.do_what_is_due(due, due_at);
    }
    draft.events
}

/// An event as what comes next in an incident, or as its first.
fn recorded(before: Option<&Incident>, event: Event, world: World<'_>) -> Recorded {
    Recorded {
        seq: before.map_or(0, |it| it.version) + 1,
        happened_at: world.now,
        recorded_at: world.now,
        event,
        actor: world.actor.clone(),
    }
}

/// What follows at once from events that let an escalation begin.
pub(super) fn begin(before: Option<&Incident>, events: &[Event], world: World<'_>) -> Vec<Event> {
    let mut state = before.cloned();
    for event in events {
        let recorded = recorded(state.as_ref(), event.clone(), world);
        state = fold(state, &recorded);
    }
    let Some(incident) = state else {
        return vec![];
    };
    let mut draft = Draft::of(&incident, world);
    while let Some((due_at, Due::Step)) = draft.incident.next_due()
        && due_at <= world.now
    {
        draft.do_what_is_due(Due::Step, due_at);
    }
    draft.events
}

/// Whether an escalation may begin with an event.
pub(super) fn lets_begin(event: &Event) -> bool {
    match event {
        Event::Declared(declared) => declared.escalation.is_some(),
        Event::SeverityChanged { escalation, .. } => escalation.is_some(),
        Event::Reopened { .. } => true,
        _ => false,
    }
}

/// Goes on at once, whatever the clock says; behind the last step it begins anew.
pub(super) fn escalate(incident: &Incident, world: World<'_>) -> Result<Vec<Event>, Refusal> {
    let by = world.actor.person().ok_or(Refusal::OnlyPeople)?.clone();
    let Some(escalation) = &incident.escalation else {
        return Err(Refusal::NoEscalation {
            id: incident.id.clone(),
        });
    };
    let (round, step) = escalation.coming().unwrap_or((escalation.round + 1, 0));
    let mut draft = Draft::of(incident, world);
    draft.call_step(
        (round, step),
        Some(Hurry::ByHand { by }),
        SignedDuration::ZERO,
    );
    Ok(draft.events)
}

/// Calls somebody by hand.
pub(super) fn page(
    incident: &Incident,
    whom: &Callee,
    text: Option<&str>,
    world: World<'_>,
) -> Result<Vec<Event>, Refusal> {
    let by = world.actor.person().ok_or(Refusal::OnlyPeople)?.clone();
    let mut pages = Vec::new();
    let mut vacant = Vec::new();
    match whom {
        Callee::Target(target) => add_pages(incident, target, &[], world, &mut pages, &mut vacant),
        Callee::User(who) => {
            let known = who.slack.as_ref();
            match known.and_then(|id| world.catalog.person_by_slack(id)) {
                Some(person) => {
                    let target = Target::Person(person.id.clone());
                    add_pages(incident, &target, &[], world, &mut pages, &mut vacant);
                }
                None => pages.push(Page {
                    number: incident.paged + 1,
                    to: Addressee::Person {
                        id: None,
                        who: who.clone(),
                    },
                    contacts: by_slack(world.now),
                }),
            }
        }
    }
    if pages.is_empty() {
        return Err(Refusal::NobodyThere {
            target: match whom {
                Callee::Target(target) => target.to_string(),
                Callee::User(who) => who.name.clone(),
            },
        });
    }
    Ok(vec![Event::Paged(Box::new(Paged {
        why: PageReason::ByHand {
            by,
            text: text.map(str::to_owned),
        },
        pages,
        unanswered: vec![],
        vacant,
        late: SignedDuration::ZERO,
    }))])
}

/// Somebody has it. `answer`: the page by which that was said.
pub(super) fn acknowledge(
    incident: &Incident,
    answer: Option<Answer>,
    world: World<'_>,
) -> Result<Vec<Event>, Refusal> {
    let by = world.actor.person().ok_or(Refusal::OnlyPeople)?;
    if let Some(answer) = answer {
        still_asked(incident, answer)?;
    }
    let is_called = |page: &OpenPage| page.is_of_escalation();
    if incident.acknowledged_by.is_none() || incident.pages.iter().any(is_called) {
        let mut events = vec![Event::Acknowledged {
            by: by.clone(),
            answer,
        }];
        // An alert declares without a commander: whoever answers first leads, until the lead is handed over.
        if incident.commander().is_none() {
            events.push(Event::RoleAssigned {
                role: Role::IncidentCommander,
                to: by.clone(),
                from: None,
            });
        }
        return Ok(events);
    }
    let own = || incident.pages.iter().find(|page| page.to.is(by));
    let page = match answer {
        Some(answer) => Some(answer.page),
        None => own().map(|page| page.number),
    };
    match page {
        Some(page) => Ok(vec![Event::PageAnswered {
            page,
            by: by.clone(),
            via: answer.map(|answer| answer.via),
        }]),
        None => Err(already(
            incident,
            incident.acknowledged_by.as_ref().unwrap_or(by),
        )),
    }
}

/// Whether the page by which somebody answers still asks for it.
pub(super) fn still_asked(incident: &Incident, answer: Answer) -> Result<(), Refusal> {
    match (
        incident.can_be_answered(answer.page),
        &incident.acknowledged_by,
    ) {
        (true, _) => Ok(()),
        (false, Some(by)) => Err(already(incident, by)),
        (false, None) => Err(Refusal::PageOver {
            id: incident.id.clone(),
        }),
    }
}

fn already(incident: &Incident, by: &Who) -> Refusal {
    Refusal::AlreadyAcknowledged {
        id: incident.id.clone(),
        by: by.clone(),
    }
}

/// One way of a page came further, or came to nothing.
pub(super) fn deliver(incident: &Incident, delivery: &Delivery, world: World<'_>) -> Vec<Event> {
    let known = incident.page(delivery.page);
    let known = known.and_then(|page| page.contact(delivery.via));
    let state = known.map(|contact| contact.state);
    // Another message may still arrive; of this one it was said already that it does not.
    let is_same = delivery.provider_id.is_some()
        && known.is_some_and(|contact| contact.provider_id == delivery.provider_id);
    match (state, delivery.state) {
        // The page is over: what still comes of it is kept, and nothing follows.
        (None, DeliveryState::Delayed | DeliveryState::Ordered | DeliveryState::Waiting) => {
            return vec![];
        }
        (None, _) if delivery.page == 0 || delivery.page > incident.paged => return vec![],
        (None, _) => return vec![Event::PageDelivery(delivery.clone())],
        // Told twice, or out of order.
        (Some(before), now) if before == now => return vec![],
        (Some(DeliveryState::Failed), DeliveryState::Accepted) if is_same => return vec![],
        (Some(DeliveryState::Delivered), DeliveryState::Accepted)
        | (_, DeliveryState::Ordered | DeliveryState::Waiting) => return vec![],
        (
            Some(DeliveryState::Accepted | DeliveryState::Delivered | DeliveryState::Failed),
            DeliveryState::Delayed,
        ) => return vec![],
        (Some(_), _) => {}
    }
    let mut draft = Draft::of(incident, world);
    let held = incident.page(delivery.page);
    let held = held.and_then(|page| page.unsent_for(world.now));
    draft.push(Event::PageDelivery(delivery.clone()));
    if let Some(held) = held.filter(|held| delivery.state.is_through() && *held > HELD_UP) {
        draft.give_time(delivery.page, held);
    }
    let Some(page) = draft.incident.page(delivery.page) else {
        return draft.events;
    };
    let next = page.next_ways();
    let (is_undelivered, together) = (page.is_undelivered(), page.together);
    let is_of_escalation = page.is_of_escalation();
    if !next.is_empty() {
        draft.push(Event::PageContinued {
            page: delivery.page,
            via: next,
            early: Some(delivery.via),
        });
    } else if is_undelivered && is_of_escalation {
        draft.go_on_if_nobody_is_reached(together);
    }
    draft.events
}

impl Draft<'_> {
    fn do_what_is_due(&mut self, due: Due, due_at: Timestamp) {
        let now = self.world.now;
        match due {
            Due::Step => self.step(due_at),
            Due::Contact => {
                let pages = self.incident.pages.iter();
                let next = pages.filter_map(|page| Some((page.next_contact_at()?, page)));
                let Some((at, page)) = next.min_by_key(|(at, page)| (*at, page.number)) else {
                    return;
                };
                let ways = page
                    .contacts
                    .iter()
                    .filter(|contact| contact.state == DeliveryState::Waiting && contact.at == at);
                let event = Event::PageContinued {
                    page: page.number,
                    via: ways.map(|contact| contact.via).collect(),
                    early: None,
                };
                self.push(event);
            }
            Due::PageExpiry => {
                let mut pages = self.incident.pages.iter();
                let page = pages.find(|page| page.expires_at == Some(due_at));
                if let Some(page) = page {
                    let number = page.number;
                    let held = held_up(page, lateness(due_at, now), now);
                    self.push(match held {
                        Some(late) => Event::AnswerTimeExtended {
                            pages: vec![number],
                            late,
                        },
                        None => Event::PageExpired { page: number },
                    });
                }
            }
            Due::Acknowledgement => self.push(Event::AcknowledgeOverdue { due_at }),
            Due::SignOfLife => {
                // There is a deadline only while somebody has it.
                if let Some(by) = self.incident.acknowledged_by.clone() {
                    self.push(Event::AcknowledgementExpired { by });
                }
            }
            Due::Update => {
                if let Some(clock) = self.incident.update_clock.clone() {
                    self.push(remind(&self.incident, &clock, self.world));
                }
            }
            Due::Postmortem => {
                let reminder = self.incident.deadlines.postmortem_reminders + 1;
                let resolved = self.incident.milestones.resolved.unwrap_or(due_at);
                let within = self.incident.severity.postmortem_within.unwrap_or_default();
                self.push(Event::PostmortemOverdue {
                    due_at: resolved.checked_add(within).unwrap_or(due_at),
                    reminder,
                    next_at: now
                        .checked_add(POSTMORTEM_PAUSE)
                        .ok()
                        .filter(|_| reminder < POSTMORTEM_REMINDERS),
                });
            }
        }
    }

    /// The escalation's time has come: its next step, or the end of its round.
    fn step(&mut self, due_at: Timestamp) {
        let late = lateness(due_at, self.world.now);
        // A bot that was down across the end of a round has its last pages still in hand: whom they call was not asked yet.
        let held = self.held_up_at_the_end(late);
        if let Some(late) = held.iter().map(|(_, late)| *late).max() {
            let pages = held.into_iter().map(|(page, _)| page).collect();
            self.push(Event::AnswerTimeExtended { pages, late });
            return;
        }
        let late = late.unwrap_or_default();
        let coming = self.incident.escalation.as_ref().map(|it| it.coming());
        match coming {
            Some(Some(next)) => self.call_step(next, None, late),
            Some(None) => self.exhaust(),
            None => {}
        }
    }

    /// Calls those of a step, both counted from 0; where it finds nobody, those of the next one.
    fn call_step(
        &mut self,
        (mut round, mut step): (u32, usize),
        mut hurried: Option<Hurry>,
        mut late: SignedDuration,
    ) {
        loop {
            let Some(escalation) = self.incident.escalation.clone() else {
                return;
            };
            let Some(due) = escalation.policy.steps.get(step) else {
                return;
            };
            let mut pages = Vec::new();
            let mut vacant = Vec::new();
            for target in &due.notify {
                add_pages(
                    &self.incident,
                    target,
                    &due.via,
                    self.world,
                    &mut pages,
                    &mut vacant,
                );
            }
            let is_empty = pages.is_empty();
            // However often a policy is gone through, only the pages of one round are kept in mind.
            // And those end that were called before the escalation began anew.
            let is_past =
                |page: &u32| round != escalation.round || *page <= escalation.paged_before;
            let unanswered = self.called_by_steps().into_iter().filter(is_past).collect();
            self.push(Event::Paged(Box::new(Paged {
                why: PageReason::Step {
                    policy: escalation.policy.id.clone(),
                    step: step as u32 + 1,
                    of: escalation.policy.steps.len() as u32,
                    round: round + 1,
                    hurried,
                },
                pages,
                unanswered,
                vacant,
                late,
            })));
            if !is_empty {
                return;
            }
            let after = self.incident.escalation.as_ref();
            match after.map(|it| (it.coming(), it.has_called)) {
                Some((Some(next), _)) if next.0 == round => (round, step) = next,
                // Whom the round has called is given time to answer: then the clock begins anew, or says that nobody has.
                Some((_, true)) => return,
                // A policy that found nobody from its first step to its last finds nobody the next time.
                Some((_, false)) | None => return self.exhaust(),
            }
            hurried = Some(Hurry::Undelivered);
            late = SignedDuration::ZERO;
        }
    }

    /// A page reached nobody. If none of those that were called together did, the next step comes at once.
    fn go_on_if_nobody_is_reached(&mut self, together: u32) {
        let pages = &self.incident.pages;
        let latest = pages.iter().filter(|page| page.is_of_escalation());
        let latest = latest.map(|page| page.together).max();
        let mut wave = pages.iter().filter(|page| page.together == together);
        if latest != Some(together) || !wave.all(OpenPage::is_undelivered) {
            return;
        }
        let Some(escalation) = self.incident.escalation.as_ref() else {
            return;
        };
        // Behind the last step the clock says that nobody answered, or begins anew.
        // A page of before it began anew says nothing of the steps to come.
        let is_of_it = together > escalation.paged_before;
        let is_step_left = escalation.next < escalation.policy.steps.len();
        if escalation.is_running && is_of_it && is_step_left {
            let next = (escalation.round, escalation.next);
            self.call_step(next, Some(Hurry::Undelivered), SignedDuration::ZERO);
        }
    }

    /// The pages that were held up when the round is over, and for how long; none, if a step is still to come. `late`: how
    /// late that is seen.
    fn held_up_at_the_end(&self, late: Option<SignedDuration>) -> Vec<(u32, SignedDuration)> {
        let escalation = self.incident.escalation.as_ref();
        let Some(escalation) = escalation.filter(|it| it.is_behind_its_last_step()) else {
            return vec![];
        };
        let is_of_it =
            |page: &&OpenPage| page.is_of_escalation() && page.number > escalation.paged_before;
        // A way that should have been taken before, and is taken only now: the telephone of whoever has not seen Slack.
        let continued = |page: &OpenPage| {
            self.events.iter().any(|event| {
                matches!(event, Event::PageContinued { page: it, early: None, .. } if *it == page.number)
            })
        };
        let pages = self.incident.pages.iter().filter(is_of_it);
        let held = pages.filter_map(|page| {
            let held = held_up(page, late, self.world.now);
            let held = held.or(late.filter(|_| continued(page)));
            Some((page.number, held?))
        });
        held.collect()
    }

    /// A page has left that was held up for so long: whoever it calls has as long to answer as was meant.
    fn give_time(&mut self, page: u32, held: SignedDuration) {
        let now = self.world.now;
        let Some(open) = self.incident.page(page) else {
            return;
        };
        let ends_at = match open.expires_at {
            Some(at) => Some((at, PATIENCE)),
            None => self.incident.escalation.as_ref().and_then(|it| {
                let is_asked = it.is_behind_its_last_step() && page > it.paged_before;
                Some((it.next_at().filter(|_| is_asked)?, it.policy.rest()))
            }),
        };
        let lost = ends_at.map(|(at, time)| time.saturating_sub(at.duration_since(now)));
        if lost.is_some_and(|lost| lost > HELD_UP) {
            self.push(Event::AnswerTimeExtended {
                pages: vec![page],
                late: held,
            });
        }
    }

    /// The open pages of the escalation.
    fn called_by_steps(&self) -> Vec<u32> {
        let pages = self.incident.pages.iter();
        let called = pages.filter(|page| page.is_of_escalation());
        called.map(|page| page.number).collect()
    }

    fn exhaust(&mut self) {
        let pages = self.called_by_steps();
        let rounds = self.incident.escalation.as_ref().map_or(0, |it| it.round) + 1;
        self.push(Event::EscalationExhausted { rounds, pages });
    }
}

/// For how long a page was held up whose time is over: it waits in the outbox, and that is seen late, so nobody was there
/// to send it. None: it was not.
fn held_up(
    page: &OpenPage,
    late: Option<SignedDuration>,
    now: Timestamp,
) -> Option<SignedDuration> {
    let (unsent, late) = (page.unsent_for(now)?, late?);
    Some(unsent.max(late))
}

/// How late something is that was due then; none: it is not.
fn lateness(due_at: Timestamp, now: Timestamp) -> Option<SignedDuration> {
    let late = now.duration_since(due_at);
    (late > PUNCTUAL).then_some(late)
}

/// The pages to those behind a target, each person once.
fn add_pages(
    incident: &Incident,
    target: &Target,
    via: &[Channel],
    world: World<'_>,
    pages: &mut Vec<Page>,
    vacant: &mut Vec<Vacancy>,
) {
    let mut add = |to: Addressee, contacts: Vec<Contact>| {
        if !pages.iter().any(|page| page.to == to) {
            pages.push(Page {
                number: incident.paged + 1 + pages.len() as u32,
                to,
                contacts,
            });
        }
    };
    match target {
        Target::UserGroup(handle) => add(
            Addressee::UserGroup {
                handle: handle.clone(),
            },
            by_slack(world.now),
        ),
        Target::Channel(name) => add(
            Addressee::Channel { name: name.clone() },
            by_slack(world.now),
        ),
        Target::Person(_) | Target::Role(_) | Target::Schedule(_) => {
            let (people, instead) = world.catalog.reach(target, world.now, world.overrides);
            if people.is_empty() || instead.is_some() {
                vacant.push(Vacancy {
                    target: target.clone(),
                    instead: instead.filter(|_| !people.is_empty()).cloned(),
                });
            }
            for person in people {
                add(
                    Addressee::person(person),
                    contacts(person, via, &world.catalog.notifications, world.now),
                );
            }
        }
    }
}

/// A user group and a channel are called in Slack, whatever ways a step names: only Slack knows who is in them.
fn by_slack(now: Timestamp) -> Vec<Contact> {
    vec![Contact {
        via: Channel::Slack,
        at: now,
    }]
}
