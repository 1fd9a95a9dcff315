//! What is true of every escalation, whatever anybody does and whenever the clock rings: random lives under random
//! policies, each watched by a book of its own that knows nothing of how the core keeps its own; and a soak of ten
//! thousand incidents at once.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::rc::Rc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, civil};
use proptest::prelude::*;

use super::catalog::{Catalog, ContactRule, Person, SlackName};
use super::command::{Callee, Command, Report, Timer};
use super::decide::{World, decide};
use super::effect::{Effect, Order, effects_of};
use super::escalation::{Channel, EscalationPolicy, Step, StopOn, Target};
use super::event::{Event, Recorded, Resolution, Update};
use super::given::{ana, bob, cloudwatch, declare, eve, minute, user};
use super::incident::{Incident, fold};
use super::oncall::{Override, Rotation, Schedule};
use super::page::{Answer, Delivery, DeliveryState, Hurry, PageEnd, PageReason, Paged};
use super::terms::{Actor, PersonId, SeverityId, Who};

/// A step that comes no later than this is on time, and no word of lateness stands in its event.
const PUNCTUAL: SignedDuration = SignedDuration::from_secs(5);

const WAYS: [Channel; 5] = [
    Channel::Slack,
    Channel::Email,
    Channel::Sms,
    Channel::Voice,
    Channel::Webhook,
];

/// Everything that may stand in `notify`: people, empty roles, plans with gaps, and what only Slack can resolve.
const TARGETS: [&str; 12] = [
    "person:alice",
    "person:mona",
    "person:cleo",
    "person:gone",
    "role:manager",
    "role:cto",
    "role:nobody",
    "schedule:always",
    "schedule:office",
    "schedule:covered",
    "usergroup:sre",
    "channel:#leads",
];

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

/// The people and plans of all these lives; the policies come in.
fn team(policies: Vec<EscalationPolicy>, contact: Vec<ContactRule>) -> Catalog {
    let person = |id: &str, roles: &[&str], contact: &[ContactRule]| Person {
        id: PersonId::new(id),
        name: id.into(),
        slack: Some(SlackName::Id(user(&format!("U0{}0001", id.to_uppercase())))),
        email: Some(format!("{id}@example.com")),
        phone: Some("+15550100".into()),
        timezone: None,
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        contact: contact.to_vec(),
        webhook_url_env: None,
    };
    let plan = |id: &str, hours: Option<&str>, fallback: Option<&str>| Schedule {
        id: id.into(),
        name: None,
        timezone: TimeZone::UTC,
        rotations: vec![Rotation {
            participants: vec![PersonId::new("alice"), PersonId::new("mona")],
            shift: "12h".parse().expect("a shift"),
            handoff: civil::datetime(2025, 9, 1, 4, 0, 0, 0),
            hours: hours.map(|hours| hours.parse().expect("hours")),
        }],
        fallback: fallback.map(|target| target.parse().expect("a target")),
        ical_token_env: None,
        ical_url_env: None,
        usergroup: None,
    };
    let mut catalog = super::given::catalog();
    catalog.people.extend([
        person("alice", &[], &contact),
        person("mona", &["manager"], &[]),
        person("cleo", &["manager", "cto"], &contact),
    ]);
    catalog.schedules = vec![
        plan("always", None, None),
        plan("office", Some("04:00-05:00"), None),
        plan("covered", Some("Mon 04:00-05:00"), Some("person:cleo")),
    ];
    // The gravest first: an incident may come to weigh more, and then others are called.
    for (severity, policy) in catalog.severities.iter_mut().zip(&policies) {
        severity.escalation_policy = Some(policy.id.clone());
    }
    catalog.escalation_policies = policies;
    catalog
}

/// What the outside may see of one way of a page.
struct Way {
    via: Channel,
    at: Timestamp,
    is_taken: bool,
    state: Option<DeliveryState>,
}

struct WatchedPage {
    is_of_escalation: bool,
    ways: Vec<Way>,
    end: Option<PageEnd>,
}

impl WatchedPage {
    /// Since when somebody was to be called by it; none: as far as is known somebody was, or it has come to nothing.
    fn unsent_since(&self) -> Option<Timestamp> {
        let is_through = |way: &Way| way.state.is_some_and(DeliveryState::is_through);
        if self.ways.iter().any(is_through) {
            return None;
        }
        let hoped = self.ways.iter().filter(|way| match way.state {
            None => way.is_taken,
            Some(state) => state == DeliveryState::Delayed,
        });
        hoped.map(|way| way.at).min()
    }
}

/// The steps as somebody counts them who has the policy in his hand and a watch on his arm.
struct Run {
    policy: EscalationPolicy,
    /// The round and step that were called last, both from 1.
    last: Option<(u32, u32)>,
    /// Whether this round has called anybody.
    has_called: bool,
    /// When the next step comes, or the round ends.
    next_at: Option<Timestamp>,
}

/// How late something came that came by itself.
#[derive(Clone, Copy)]
struct Late {
    due: Timestamp,
    now: Timestamp,
}

/// The book that is kept beside the core.
#[derive(Default)]
struct Watch {
    run: Option<Run>,
    pages: Vec<WatchedPage>,
    /// The pages that the last step called.
    wave: Vec<u32>,
    ordered: BTreeSet<(u32, Channel)>,
    late: Vec<Late>,
    steps: usize,
    /// The pages that the present command made go on, or that have left by it.
    just: BTreeSet<u32>,
}

impl Run {
    fn begin(policy: EscalationPolicy, now: Timestamp) -> Self {
        let next_at = Some(now + policy.steps[0].after);
        Self {
            policy,
            last: None,
            has_called: false,
            next_at,
        }
    }
}

impl Watch {
    fn see(
        &mut self,
        it: &Recorded,
        before: Option<&Incident>,
        after: &Incident,
        orders: &[Order],
        command: &Command,
    ) {
        let now = it.recorded_at;
        // What a clock was set for is due even if the clock on the wall was set back since.
        let rung = match command {
            Command::Fire(Timer::Due { at }) => Some(*at),
            _ => None,
        };
        let is_due = |at: Timestamp| at <= now || rung == Some(at);
        let open = |incident: Option<&Incident>| -> BTreeSet<u32> {
            let pages = incident.map_or(&[][..], |it| &it.pages);
            pages.iter().map(|page| page.number).collect()
        };
        let gone: Vec<u32> = (open(before).difference(&open(Some(after))).copied()).collect();
        let mut end = None;
        match &it.event {
            Event::Declared(declared) => {
                let policy = declared.escalation.as_deref().cloned();
                self.run = policy.map(|policy| Run::begin(policy, now));
            }
            Event::SeverityChanged { escalation, .. } => {
                if let Some(policy) = escalation.as_deref() {
                    self.run = Some(Run::begin(policy.clone(), now));
                }
            }
            Event::AcknowledgementExpired { .. } => self.begin_again(now),
            // Whoever had it has it again.
            Event::Reopened { .. } if before.is_some_and(|it| it.acknowledged_by.is_some()) => {}
            Event::Reopened { .. } => self.begin_again(now),
            Event::Paged(paged) => {
                end = Some(PageEnd::Expired);
                assert_eq!(gone, paged.unanswered);
                let round = |why: &PageReason| match why {
                    PageReason::Step { round, .. } => Some(*round),
                    PageReason::ByHand { .. } => None,
                };
                let rounds: BTreeSet<u32> = after
                    .pages
                    .iter()
                    .filter_map(|page| round(&page.why))
                    .collect();
                assert!(
                    rounds.len() <= 2,
                    "one round of a policy, and what was called before it"
                );
                self.see_paged(paged, now, is_due, command);
            }
            Event::PageContinued { page, via, early } => {
                let mut late = Vec::new();
                let number = *page;
                let page = self.open_page(number);
                for via in via {
                    let way = page.ways.iter_mut().find(|way| way.via == *via);
                    let way = way.expect("a way that the page has");
                    assert!(!way.is_taken, "a way is taken once");
                    assert!(early.is_some() || is_due(way.at), "not before its time");
                    way.is_taken = true;
                    if early.is_none() {
                        late.push(Late { due: way.at, now });
                    }
                }
                if let Some(early) = early {
                    let way = page.ways.iter().find(|way| way.via == *early);
                    let state = way.and_then(|way| way.state);
                    assert!(
                        matches!(state, Some(DeliveryState::Failed | DeliveryState::Delayed)),
                        "what comes early has its reason"
                    );
                }
                self.late.extend(late);
                self.just.insert(number);
            }
            Event::PageDelivery(Delivery {
                page, via, state, ..
            }) => {
                let number = *page;
                let page = &mut self.pages[number as usize - 1];
                let was_unsent = page.unsent_since().is_some();
                if let Some(way) = page.ways.iter_mut().find(|way| way.via == *via) {
                    way.state = Some(*state);
                }
                if was_unsent && state.is_through() {
                    self.just.insert(number);
                }
            }
            Event::Acknowledged { by, .. } => {
                end = Some(PageEnd::Answered);
                for number in &gone {
                    let page = before.and_then(|it| it.page(*number)).expect("was open");
                    assert!(
                        page.is_of_escalation() || page.to.is(by),
                        "a page by hand to somebody else stays open"
                    );
                }
                assert!(
                    !after.pages.iter().any(|page| page.is_of_escalation()),
                    "an acknowledgement answers every page of the escalation"
                );
                if let Some(run) = &mut self.run
                    && run.policy.stop_on == StopOn::Acknowledged
                {
                    run.next_at = None;
                }
            }
            Event::PageAnswered { page, .. } => {
                end = Some(PageEnd::Answered);
                assert_eq!(gone, [*page]);
            }
            Event::PageExpired { page } => {
                end = Some(PageEnd::Expired);
                assert_eq!(gone, [*page]);
                assert!(!self.pages[*page as usize - 1].is_of_escalation);
            }
            Event::AnswerTimeExtended { pages, late } => {
                assert!(gone.is_empty() && !pages.is_empty());
                assert!(*late > SignedDuration::ZERO);
                let just = self.just.clone();
                for number in pages {
                    let page = self.open_page(*number);
                    assert!(
                        just.contains(number) || page.unsent_since().is_some(),
                        "nobody has got it yet, or only now"
                    );
                }
                let is_of_escalation =
                    |number: &u32| self.pages[*number as usize - 1].is_of_escalation;
                if pages.iter().any(is_of_escalation) {
                    let run = self.run.as_mut().expect("an escalation");
                    let (_, step) = run.last.expect("a step was called");
                    assert_eq!(
                        step as usize,
                        run.policy.steps.len(),
                        "behind the last step"
                    );
                    let later = now + run.policy.rest();
                    let before = run.next_at.replace(later).expect("it ran");
                    assert!(before <= later, "time is given, not taken");
                }
            }
            Event::EscalationExhausted { rounds, pages } => {
                end = Some(PageEnd::Expired);
                assert_eq!(&gone, pages);
                assert!(after.pages.iter().all(|page| !page.is_of_escalation()));
                let run = self.run.as_mut().expect("an escalation");
                let (round, step) = run.last.expect("a step was called");
                assert_eq!(
                    step as usize,
                    run.policy.steps.len(),
                    "behind the last step"
                );
                assert_eq!(*rounds, round);
                let at = run.next_at.take().expect("it ran");
                // Where nobody was there in a whole round, it is said at once.
                if run.has_called {
                    assert!(is_due(at), "not before its time");
                    assert!(round > run.policy.repeat, "after the last round");
                    self.late.push(Late { due: at, now });
                    let is_late = now.duration_since(at) > PUNCTUAL;
                    let last_called =
                        || self.wave.iter().map(|page| &self.pages[*page as usize - 1]);
                    let is_held_up = last_called()
                        .filter(|page| page.end.is_none())
                        .any(|page| is_late && page.unsent_since().is_some());
                    assert!(!is_held_up, "nobody is given up on who was not called yet");
                }
            }
            Event::Resolved(_) => {
                end = Some(PageEnd::Resolved);
                assert!(after.pages.is_empty());
                if let Some(run) = &mut self.run
                    && before.is_some_and(|it| it.status.is_open())
                {
                    run.next_at = None;
                }
            }
            _ => {}
        }
        for number in gone {
            let page = &mut self.pages[number as usize - 1];
            assert_eq!(page.end, None, "a page ends once");
            page.end = Some(end.unwrap_or_else(|| panic!("{:?} ends no page", it.event)));
        }
        self.see_orders(orders);
        let stands = after.escalation.as_ref().and_then(|it| it.next_at());
        let counted = self.run.as_ref().and_then(|run| run.next_at);
        assert_eq!(stands, counted, "both count to the same moment");
        assert_eq!(after.paged as usize, self.pages.len());
    }

    fn begin_again(&mut self, now: Timestamp) {
        if let Some(run) = self.run.take() {
            self.run = Some(Run::begin(run.policy, now));
        }
    }

    fn see_paged(
        &mut self,
        paged: &Paged,
        now: Timestamp,
        is_due: impl Fn(Timestamp) -> bool,
        command: &Command,
    ) {
        let is_of_escalation = matches!(paged.why, PageReason::Step { .. });
        if let PageReason::Step {
            policy,
            step,
            of,
            round,
            hurried,
        } = &paged.why
        {
            let wave_failed = self.is_wave_failed();
            let nobody_before = self.wave.is_empty();
            let run = self.run.as_mut().expect("an escalation");
            let steps = &run.policy.steps;
            assert_eq!((policy, *of as usize), (&run.policy.id, steps.len()));
            let next = match run.last {
                None => (1, 1),
                Some((round, last)) if last < *of => (round, last + 1),
                Some((round, _)) => (round + 1, 1),
            };
            assert_eq!((*round, *step), next, "each step once, in its order");
            let mut late = SignedDuration::ZERO;
            match hurried {
                None => {
                    let at = run.next_at.expect("no step while it stands still");
                    assert!(is_due(at), "no step before its time: {at}, and it is {now}");
                    // Somebody may have asked for a round more.
                    assert!(*step > 1 || *round <= run.policy.repeat + 1);
                    late = now.duration_since(at);
                    self.late.push(Late { due: at, now });
                }
                Some(Hurry::ByHand { .. }) => {
                    assert!(
                        matches!(command, Command::Escalate),
                        "somebody asked for it"
                    );
                }
                Some(Hurry::Undelivered) => {
                    assert!(*step > 1, "a round begins at its time");
                    assert!(
                        nobody_before || wave_failed,
                        "the one before reached nobody"
                    );
                    assert!(run.next_at.is_some(), "no step while it stands still");
                }
            }
            let late = if late > PUNCTUAL {
                late
            } else {
                SignedDuration::ZERO
            };
            assert_eq!(paged.late, late, "it says how late it is");
            let due = match (hurried, run.next_at) {
                // A step on its time keeps the times of those after it, however late it was called.
                (None, Some(at)) if *step > 1 || *round == 1 => at,
                _ => now,
            };
            let own = steps[*step as usize - 1].after;
            run.next_at = Some(match steps.get(*step as usize) {
                Some(next) => due + (next.after - own),
                // Whoever is called last has all the rest to answer, however late that was.
                None => now + run.policy.rest(),
            });
            run.last = Some((*round, *step));
            run.has_called = !paged.pages.is_empty() || (run.has_called && *step > 1);
            self.wave = paged.pages.iter().map(|page| page.number).collect();
            self.steps += 1;
        }
        for page in &paged.pages {
            assert_eq!(
                page.number as usize,
                self.pages.len() + 1,
                "dense, never twice"
            );
            assert!(!page.contacts.is_empty());
            assert!(page.contacts.is_sorted_by_key(|it| it.at));
            let ways = page.contacts.iter().map(|contact| Way {
                via: contact.via,
                at: contact.at,
                is_taken: contact.at <= now,
                state: None,
            });
            self.pages.push(WatchedPage {
                is_of_escalation,
                ways: ways.collect(),
                end: None,
            });
        }
    }

    fn open_page(&mut self, number: u32) -> &mut WatchedPage {
        let page = &mut self.pages[number as usize - 1];
        assert_eq!(page.end, None, "nothing goes out for a page that has ended");
        page
    }

    fn is_wave_failed(&self) -> bool {
        let failed = |way: &Way| way.state == Some(DeliveryState::Failed);
        let mut wave = self
            .wave
            .iter()
            .map(|number| &self.pages[*number as usize - 1]);
        wave.all(|page| page.end.is_none() && page.ways.iter().all(failed))
    }

    fn see_orders(&mut self, orders: &[Order]) {
        for order in orders {
            if let Order::Do {
                effect: Effect::Notify { page, via },
                ..
            } = order
            {
                let watched = self.open_page(*page);
                let way = watched.ways.iter().find(|way| way.via == *via);
                assert!(way.is_some_and(|way| way.is_taken), "an order for a way");
                assert!(
                    self.ordered.insert((*page, *via)),
                    "each way is ordered once"
                );
            }
        }
    }

    /// What is true whenever nothing is being decided.
    fn see_rest(&self) {
        for (number, page) in (1..).zip(&self.pages) {
            for way in page.ways.iter().filter(|way| way.is_taken) {
                assert!(
                    self.ordered.contains(&(number, way.via)),
                    "nothing is forgotten"
                );
            }
        }
        if let Some(run) = &self.run
            && run.next_at.is_some()
            && let Some((_, step)) = run.last
            && (step as usize) < run.policy.steps.len()
        {
            let is_hopeless = self.wave.is_empty() || self.is_wave_failed();
            assert!(!is_hopeless, "what cannot be delivered is not waited for");
        }
    }
}

/// One incident, its clock as the outbox holds it, and the watch beside it.
struct Life {
    catalog: Rc<Catalog>,
    overrides: Rc<Vec<Override>>,
    now: Timestamp,
    events: Vec<Recorded>,
    incident: Option<Incident>,
    clock: Option<Timestamp>,
    /// The last clock that rang.
    rung: Option<Timestamp>,
    watch: Watch,
    /// Whether every effect goes through its stored form.
    is_thorough: bool,
}

impl Life {
    fn new(catalog: Rc<Catalog>, overrides: Rc<Vec<Override>>, now: Timestamp) -> Self {
        Self {
            catalog,
            overrides,
            now,
            events: Vec::new(),
            incident: None,
            clock: None,
            rung: None,
            watch: Watch::default(),
            is_thorough: false,
        }
    }

    fn decide(&self, actor: &Actor, command: &Command) -> Option<Vec<Event>> {
        let world = World {
            now: self.now,
            actor,
            catalog: &self.catalog,
            overrides: &self.overrides,
        };
        decide(self.incident.as_ref(), command, world).ok()
    }

    /// Somebody does something; what comes of it is written down. Gives what is to be sent.
    fn act(&mut self, actor: &Actor, command: &Command) -> Vec<(u32, Channel)> {
        let ring = match command {
            Command::Fire(Timer::Due { at }) => Some(*at),
            _ => None,
        };
        let due_before = self.incident.as_ref().and_then(Incident::next_due);
        let bound = self.incident.as_ref().map_or(40, bound);
        let decided = self.decide(actor, command);
        if ring.is_some() || matches!(command, Command::Record(_)) {
            assert!(decided.is_some(), "nobody is there to be refused");
        }
        let events = decided.unwrap_or_default();
        assert!(
            events.len() <= bound,
            "{} events of {command:?}",
            events.len()
        );
        let is_right = ring.is_some() && ring == due_before.map(|(at, _)| at);
        assert!(
            !is_right || !events.is_empty(),
            "a clock rings for something"
        );
        if ring.is_some() {
            self.rung = ring;
            if self.clock == ring {
                self.clock = None;
            }
        }
        let mut sent = Vec::new();
        self.watch.just.clear();
        for event in events {
            self.take(event, actor, command, &mut sent);
        }
        let Some(incident) = &self.incident else {
            return sent;
        };
        let due = incident.next_due();
        assert_eq!(
            due.map(|(at, _)| at),
            self.clock,
            "the clock that waits is next_due"
        );
        if let (true, Some(at)) = (is_right, ring) {
            match due {
                Some((next, _)) if at <= self.now => {
                    assert!(next > self.now, "everything that was due is done");
                }
                // The wall was set back: one thing was done, the others wait for the wall.
                Some(_) | None => {}
            }
        }
        self.watch.see_rest();
        sent
    }

    fn take(
        &mut self,
        event: Event,
        actor: &Actor,
        command: &Command,
        sent: &mut Vec<(u32, Channel)>,
    ) {
        let recorded = Recorded {
            seq: self.events.len() as u64 + 1,
            happened_at: event.happened_at(self.now),
            recorded_at: self.now,
            event,
            actor: actor.clone(),
        };
        let before = self.incident.take();
        let after = fold(before.clone(), &recorded).expect("a record");
        let orders = effects_of(&recorded.event, before.as_ref(), &after, self.now);
        for order in &orders {
            match order {
                Order::Do {
                    effect:
                        Effect::Ring {
                            timer: Timer::Due { at },
                        },
                    due,
                } => {
                    assert_eq!(at, due, "a clock is due when it is set for");
                    self.clock = Some(*at);
                }
                Order::Do {
                    effect: Effect::Notify { page, via },
                    ..
                } => sent.push((*page, *via)),
                Order::Do { .. } => {}
                Order::Cancel { .. } => self.clock = None,
            }
            if let (true, Order::Do { effect, .. }) = (self.is_thorough, order) {
                let json = serde_json::to_string(effect).expect("an effect is JSON");
                let back: Effect = serde_json::from_str(&json).expect("it comes back");
                assert_eq!(&back, effect);
            }
        }
        self.watch
            .see(&recorded, before.as_ref(), &after, &orders, command);
        self.incident = Some(after);
        self.events.push(recorded);
    }

    fn ring(&mut self, at: Timestamp) -> Vec<(u32, Channel)> {
        self.act(&Actor::Firebell, &Command::Fire(Timer::Due { at }))
    }

    /// Whether anybody is still called, or will be.
    fn is_calling(&self) -> bool {
        self.incident.as_ref().is_some_and(Incident::is_calling)
    }

    /// The clock rings on time until nobody is called any more; then every page has ended.
    fn live_out(&mut self) {
        let mut rings = 0;
        while self.is_calling() {
            let at = self.clock.expect("a clock, while somebody is called");
            self.now = self.now.max(at);
            self.ring(at);
            rings += 1;
            assert!(rings < 3_000, "it comes to an end");
        }
        assert!(
            self.watch.pages.iter().all(|page| page.end.is_some()),
            "every page has ended"
        );
    }

    /// The same, with every event and every state between two of them through their stored form.
    fn replayed(&self) -> Option<Incident> {
        let mut state: Option<Incident> = None;
        for recorded in &self.events {
            state = fold(state, &stored(recorded));
            let text = serde_json::to_string(&state).expect("a state is JSON");
            let back: Option<Incident> = serde_json::from_str(&text).expect("it comes back");
            assert_eq!(back, state);
            state = back;
        }
        state
    }

    /// The process dies, and knows nothing but what is stored.
    fn forget(&mut self) {
        let mut state = None;
        for recorded in &self.events {
            state = fold(state, &stored(recorded));
        }
        assert_eq!(state, self.incident, "it adds up to the same");
        self.incident = state;
    }
}

fn stored(recorded: &Recorded) -> Recorded {
    let event = serde_json::to_string(&recorded.event).expect("an event is JSON");
    let back = Recorded {
        event: serde_json::from_str(&event).expect("it comes back"),
        ..recorded.clone()
    };
    assert_eq!(&back, recorded);
    back
}

/// More events than this never follow at once: each step of two rounds, each way that waits, each page by hand, and the
/// few deadlines beside them.
fn bound(incident: &Incident) -> usize {
    let steps = incident.escalation.as_ref();
    let steps = steps.map_or(5, |it| it.policy.steps.len().max(5));
    let ways: usize = incident.pages.iter().map(|page| page.contacts.len()).sum();
    3 * steps + ways + incident.pages.len() + 10
}

/// Something that happens in a life.
#[derive(Debug, Clone)]
enum Happens {
    /// Somebody does something.
    Does(Who, Box<Command>),
    /// Somebody answers one of the pages that there were, by any way.
    Answers(Who, u32, Channel),
    /// Something is reported of one of the pages that there were, by its first way or any.
    Reported(u32, Option<Channel>, DeliveryState, bool),
    /// The clock rings at its time, or so much later.
    Rings(i64),
    /// The last clock that rang rings again.
    RingsAgain,
    /// A clock rings that nobody has set.
    RingsAstray(i64),
    /// The clock on the wall is set back, and the clock that waits rings all the same.
    SetBack(i64),
    /// The process dies.
    Dies,
}

fn way() -> impl Strategy<Value = Channel> {
    prop::sample::select(WAYS.to_vec())
}

fn target() -> impl Strategy<Value = Target> {
    prop::sample::select(TARGETS.to_vec()).prop_map(|text| text.parse().expect("a target"))
}

fn delay() -> impl Strategy<Value = SignedDuration> {
    prop_oneof![
        1 => Just(SignedDuration::ZERO),
        3 => (0..=60_i64).prop_map(minutes),
        1 => (0..=3_600_i64).prop_map(seconds),
    ]
}

fn policy(id: &'static str) -> impl Strategy<Value = EscalationPolicy> {
    let step = (
        delay(),
        prop::collection::vec(target(), 1..4),
        prop::collection::vec(way(), 0..3),
    );
    (
        prop::collection::vec(step, 1..=5),
        0..=3_u32,
        prop::option::of((1..=60_i64).prop_map(minutes)),
        prop_oneof![3 => Just(StopOn::Acknowledged), 1 => Just(StopOn::Resolved)],
        prop::option::of((1..=45_i64).prop_map(minutes)),
    )
        .prop_map(
            move |(mut steps, repeat, repeat_after, stop_on, ack_timeout)| {
                steps.sort_by_key(|(after, ..)| *after);
                let steps = steps.into_iter().map(|(after, notify, mut via)| {
                    via.sort_by_key(|via| via.to_string());
                    via.dedup();
                    Step { after, notify, via }
                });
                EscalationPolicy {
                    id: id.into(),
                    steps: steps.collect(),
                    repeat,
                    repeat_after,
                    stop_on,
                    ack_timeout,
                }
            },
        )
}

fn rules() -> impl Strategy<Value = Vec<ContactRule>> {
    prop::collection::vec((way(), 0..=600_i64), 0..4).prop_map(|rules| {
        let mut kept: Vec<ContactRule> = Vec::new();
        for (via, after) in rules {
            if kept.iter().all(|rule| rule.via != via) {
                let after = seconds(after);
                kept.push(ContactRule { via, after });
            }
        }
        kept.sort_by_key(|rule| rule.after);
        kept
    })
}

/// The world of one life: what is drawn of it.
#[derive(Debug, Clone)]
struct Drawn {
    policies: Vec<EscalationPolicy>,
    contact: Vec<ContactRule>,
    overrides: Vec<Override>,
}

impl Drawn {
    /// A life in it.
    fn life(self) -> Life {
        let catalog = team(self.policies, self.contact);
        Life::new(Rc::new(catalog), Rc::new(self.overrides), minute(0))
    }
}

fn world() -> impl Strategy<Value = Drawn> {
    let over = (
        0..600_i64,
        1..300_i64,
        prop::sample::select(vec!["cleo", "mona", "gone"]),
    );
    let over = over.prop_map(|(from, length, person)| Override {
        schedule: "always".into(),
        person: PersonId::new(person),
        from: minute(from),
        to: minute(from + length),
    });
    let overrides = prop::collection::vec(over, 0..2);
    (policy("grave"), policy("middling"), rules(), overrides).prop_map(
        |(grave, middling, contact, overrides)| Drawn {
            policies: vec![grave, middling],
            contact,
            overrides,
        },
    )
}

fn called(id: &str) -> Who {
    Who::slack(user(&format!("U0{}0001", id.to_uppercase())), id)
}

fn anybody() -> impl Strategy<Value = Who> {
    prop::sample::select(vec![
        called("alice"),
        called("mona"),
        called("cleo"),
        bob(),
        eve(),
        Who::named("mona"),
    ])
}

fn state() -> impl Strategy<Value = DeliveryState> {
    prop::sample::select(vec![
        DeliveryState::Waiting,
        DeliveryState::Ordered,
        DeliveryState::Delayed,
        DeliveryState::Failed,
        DeliveryState::Failed,
        DeliveryState::Failed,
        DeliveryState::Accepted,
        DeliveryState::Delivered,
    ])
}

fn command() -> impl Strategy<Value = Command> {
    let severity = prop::sample::select(vec!["p1", "p2", "p3"]).prop_map(SeverityId::new);
    let callee = prop_oneof![
        target().prop_map(Callee::Target),
        anybody().prop_map(Callee::User)
    ];
    prop_oneof![
        5 => Just(Command::Acknowledge),
        4 => Just(Command::Escalate),
        3 => callee.prop_map(|whom| Command::Page { whom, text: None }),
        2 => Just(Command::PostUpdate {
            update: Update { text: "looking".into(), ..Update::default() },
            status: None,
            severity: None,
        }),
        4 => severity.prop_map(|to| Command::ChangeSeverity { to, reason: None }),
        2 => Just(Command::Resolve(Resolution::default())),
        3 => Just(Command::Reopen { reason: None }),
        1 => Just(Command::Close),
    ]
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        5 => (anybody(), command()).prop_map(|(who, it)| Happens::Does(who, Box::new(it))),
        1 => (anybody(), 0..12_u32, way()).prop_map(|(who, page, via)| Happens::Answers(who, page, via)),
        6 => (0..12_u32, prop::option::of(way()), state(), any::<bool>())
            .prop_map(|(page, via, state, twice)| Happens::Reported(page, via, state, twice)),
        8 => prop_oneof![3 => Just(0), 1 => 0..=3_i64, 1 => 0..=300_i64].prop_map(Happens::Rings),
        1 => Just(Happens::RingsAgain),
        1 => (0..600_i64).prop_map(Happens::RingsAstray),
        1 => (1..90_i64).prop_map(Happens::SetBack),
        1 => Just(Happens::Dies),
    ]
}

/// What happens, each after so many seconds.
fn life() -> impl Strategy<Value = Vec<(i64, Happens)>> {
    let pause = prop_oneof![2 => 0..30_i64, 2 => 0..600_i64, 1 => 0..3_600_i64];
    prop::collection::vec((pause, happens()), 0..40)
}

fn live(world: Drawn, severity: &str, is_by_alert: bool, happens: Vec<(i64, Happens)>) -> Life {
    let mut it = world.life();
    it.is_thorough = true;
    let actor = match is_by_alert {
        true => cloudwatch(),
        false => Actor::Person(ana()),
    };
    it.act(&actor, &declare("checkout is down", severity));
    for (pause, what) in happens {
        it.now += seconds(pause);
        // A clock whose time has come rings: who is up does not oversleep.
        let is_late = matches!(what, Happens::Rings(late) if late > 0);
        while let (false, Some(at)) = (is_late, it.clock)
            && at <= it.now
        {
            it.ring(at);
        }
        let paged = it.watch.pages.len() as u32;
        match what {
            Happens::Does(who, command) => drop(it.act(&Actor::Person(who), &command)),
            Happens::Answers(who, page, via) => {
                let page = page % (paged + 2);
                let answer = Command::Answer(Answer { page, via });
                it.act(&Actor::Person(who), &answer);
            }
            Happens::Reported(back, via, state, twice) => {
                let page = paged.saturating_sub(back % (paged + 1));
                let way = |page: u32| Some(it.watch.pages.get(page as usize - 1)?.ways[0].via);
                let first = (page > 0).then(|| way(page)).flatten();
                let via = via.or(first).unwrap_or(Channel::Slack);
                let report = Command::Record(Report::Delivery(Delivery {
                    page,
                    via,
                    state,
                    provider_id: None,
                    reason: None,
                }));
                it.act(&Actor::Firebell, &report);
                let before = it.incident.clone();
                if twice {
                    it.act(&Actor::Firebell, &report);
                    let after = it.incident.as_ref().map(|it| (&it.pages, &it.escalation));
                    let before = before.as_ref().map(|it| (&it.pages, &it.escalation));
                    assert_eq!(before, after, "told twice, nothing changes twice");
                }
            }
            Happens::Rings(late) => {
                if let Some(at) = it.clock {
                    it.now = it.now.max(at) + minutes(late);
                    it.ring(at);
                }
            }
            Happens::RingsAgain => {
                if let Some(at) = it.rung {
                    it.ring(at);
                }
            }
            Happens::RingsAstray(at) => drop(it.ring(minute(at))),
            Happens::SetBack(by) => {
                if let Some(at) = it.clock {
                    it.now = it.now.max(at) - minutes(by);
                    it.ring(at);
                }
            }
            Happens::Dies => it.forget(),
        }
    }
    it
}

proptest! {
    // 256 lives each; PROPTEST_CASES asks for more.
    #[test]
    fn no_step_comes_early_twice_or_after_its_end_and_every_page_ends_once(
        world in world(),
        severity in prop::sample::select(vec!["p1", "p1", "p2", "p3"]),
        is_by_alert in any::<bool>(),
        happens in life(),
    ) {
        let mut it = live(world, severity, is_by_alert, happens);
        it.live_out();
    }

    #[test]
    fn an_escalation_comes_back_from_the_store_as_it_was(
        world in world(),
        is_by_alert in any::<bool>(),
        happens in life(),
    ) {
        let it = live(world, "p1", is_by_alert, happens);
        prop_assert_eq!(it.replayed(), it.incident);
    }

    #[test]
    fn what_is_kept_of_an_escalation_does_not_grow_with_its_rounds(world in world()) {
        let mut world = world;
        for policy in &mut world.policies {
            policy.repeat = 30;
        }
        let mut it = world.life();
        it.act(&cloudwatch(), &declare("checkout is down", "p1"));
        let (mut most, mut rings) = ([0, 0], 0);
        while it.is_calling() && rings < 3_000 {
            let at = it.clock.expect("a clock");
            it.now = it.now.max(at);
            it.ring(at);
            rings += 1;
            let round = it.watch.run.as_ref().and_then(|run| run.last).map_or(0, |(round, _)| round);
            let half = usize::from(round > 3);
            most[half] = most[half].max(it.incident.as_ref().map_or(0, |it| it.pages.len()));
        }
        // Who is behind a step changes with the time of day: three targets a step, each two people at the most.
        prop_assert!(most[1] <= 5 * 3 * 2, "{most:?}");
    }
}

/// The chance of the soak: SplitMix64, the same numbers on every machine.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to less than this.
    fn below(&mut self, end: i64) -> i64 {
        (self.next() % end.unsigned_abs()) as i64
    }

    /// So often in a hundred.
    fn percent(&mut self, percent: i64) -> bool {
        self.below(100) < percent
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as i64) as usize]
    }
}

/// What waits in the soak for its time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Waits {
    Declared,
    /// The order of the clock, as the outbox has it.
    Clock(Timestamp),
    Person,
    Report {
        page: u32,
        way: usize,
        is_last: bool,
    },
}

/// Ten thousand incidents in one process that dies now and then, in a world where messages get lost.
struct Soak {
    chance: Chance,
    lives: Vec<Life>,
    waiting: BinaryHeap<Reverse<(Timestamp, u64, usize, Waits)>>,
    number: u64,
    /// When the process came up last, and each stretch in which it was down; the earliest first.
    up_since: Timestamp,
    downs: Vec<(Timestamp, Timestamp)>,
    tally: Tally,
}

#[derive(Debug, Default)]
struct Tally {
    deaths: usize,
    rings: usize,
    lost_commits: usize,
    rung_twice: usize,
    answered: usize,
}

/// A process that is up rings a clock so soon after its time.
const SOON_MS: i64 = 1_000;

impl Soak {
    fn wait(&mut self, at: Timestamp, life: usize, what: Waits) {
        self.number += 1;
        self.waiting.push(Reverse((at, self.number, life, what)));
    }

    /// When a process that is up gets to it: never while it is down.
    fn when_up(&mut self, at: Timestamp) -> Timestamp {
        let down = self.downs.iter().find(|(from, to)| *from <= at && at < *to);
        let ready = down.map_or(at, |(_, to)| *to);
        ready + SignedDuration::from_millis(self.chance.below(SOON_MS))
    }

    fn run(&mut self) {
        while let Some(Reverse((at, _, index, what))) = self.waiting.pop() {
            while let Some((_, up)) = self.downs.first().copied()
                && up <= at
            {
                self.downs.remove(0);
                self.up_since = up;
                self.tally.deaths += 1;
            }
            if self.downs.first().is_some_and(|(from, _)| *from <= at) {
                let later = self.when_up(at);
                self.wait(later, index, what);
                continue;
            }
            self.come_to(at, index, what);
        }
    }

    fn come_to(&mut self, now: Timestamp, index: usize, what: Waits) {
        let up_since = self.up_since;
        let life = &mut self.lives[index];
        // What the process knew before it died is gone.
        if life.now < up_since && life.incident.is_some() && self.chance.percent(10) {
            life.forget();
        }
        life.now = now;
        let clock_before = life.clock;
        let sent = match what {
            Waits::Declared => {
                let severity = self.chance.one_of(&["p1", "p1", "p2"]);
                life.act(&cloudwatch(), &declare("checkout is down", severity))
            }
            Waits::Clock(at) => {
                if life.clock != Some(at) {
                    return;
                }
                let ring = Command::Fire(Timer::Due { at });
                if self.chance.percent(2) {
                    // It dies after it has decided and before it is written down: the order is still there.
                    assert!(life.decide(&Actor::Firebell, &ring).is_some());
                    life.forget();
                    self.tally.lost_commits += 1;
                }
                let sent = life.ring(at);
                self.tally.rings += 1;
                if self.chance.percent(2) {
                    // It dies after it is written down and before the order is done with: that comes again.
                    let events = life.events.len();
                    let again = life.ring(at);
                    assert!(again.is_empty() && life.events.len() == events, "once");
                    self.tally.rung_twice += 1;
                }
                sent
            }
            Waits::Person => {
                let who = called(self.chance.one_of(&["alice", "mona", "cleo"]));
                let paged = life.watch.pages.len() as i64;
                let command = match self.chance.below(20) {
                    0..=7 => Command::Acknowledge,
                    8..=11 if paged > 0 => Command::Answer(Answer {
                        page: 1 + self.chance.below(paged) as u32,
                        via: Channel::Sms,
                    }),
                    12..=13 => Command::Escalate,
                    14 => Command::ChangeSeverity {
                        to: SeverityId::new("p1"),
                        reason: None,
                    },
                    15 => Command::Page {
                        whom: Callee::User(bob()),
                        text: None,
                    },
                    16 => Command::Reopen { reason: None },
                    _ => Command::Resolve(Resolution::default()),
                };
                let had = life
                    .incident
                    .as_ref()
                    .and_then(|it| it.acknowledged_by.clone());
                let sent = life.act(&Actor::Person(who), &command);
                let has = life
                    .incident
                    .as_ref()
                    .and_then(|it| it.acknowledged_by.clone());
                self.tally.answered += usize::from(had.is_none() && has.is_some());
                sent
            }
            Waits::Report { page, way, is_last } => {
                let via = life.watch.pages[page as usize - 1].ways[way].via;
                let state = match (is_last, self.chance.below(10)) {
                    (_, 0..=1) => DeliveryState::Failed,
                    (false, 2) => DeliveryState::Delayed,
                    (false, _) => DeliveryState::Accepted,
                    (true, _) => DeliveryState::Delivered,
                };
                let report = Command::Record(Report::Delivery(Delivery {
                    page,
                    via,
                    state,
                    provider_id: None,
                    reason: None,
                }));
                life.act(&Actor::Firebell, &report)
            }
        };
        let limit = SignedDuration::from_millis(SOON_MS);
        for Late { due, now } in life.watch.late.drain(..) {
            let late = now.duration_since(due.max(up_since));
            assert!(late <= limit, "{late:#} late, and the process was up");
        }
        if let Some(at) = life.clock
            && life.clock != clock_before
        {
            let ready = self.when_up(at);
            self.wait(ready, index, Waits::Clock(at));
        }
        for (page, via) in sent {
            let ways = &self.lives[index].watch.pages[page as usize - 1].ways;
            let Some(way) = ways.iter().position(|way| way.via == via) else {
                continue;
            };
            for is_last in [false, true] {
                // Some reports are lost, some come twice, and in any order.
                for _ in 0..self.chance.one_of(&[0, 1, 1, 1, 1, 2]) {
                    let after = SignedDuration::from_millis(self.chance.below(40_000));
                    self.wait(now + after, index, Waits::Report { page, way, is_last });
                }
            }
        }
    }
}

/// A policy as people write them, by chance.
fn policy_by(chance: &mut Chance, id: &str) -> EscalationPolicy {
    let mut after = SignedDuration::ZERO;
    let mut steps = Vec::new();
    for _ in 0..=chance.below(4) {
        let mut via = vec![chance.one_of(&WAYS)];
        if chance.percent(40) {
            via.clear();
        }
        let notify = (0..=chance.below(2)).map(|_| chance.one_of(&TARGETS));
        let notify = notify.map(|text| text.parse().expect("a target"));
        steps.push(Step {
            after,
            notify: notify.collect(),
            via,
        });
        after += minutes(chance.one_of(&[0, 2, 5, 15, 30]));
    }
    EscalationPolicy {
        id: id.into(),
        steps,
        repeat: chance.below(3) as u32,
        repeat_after: chance.percent(30).then(|| minutes(10)),
        stop_on: match chance.percent(80) {
            true => StopOn::Acknowledged,
            false => StopOn::Resolved,
        },
        ack_timeout: chance.percent(30).then(|| minutes(20)),
    }
}

#[test]
fn ten_thousand_incidents_in_a_world_of_faults_call_nobody_early_late_twice_or_after_the_answer() {
    const INCIDENTS: usize = 10_000;
    const SEED: u64 = 0x0f12_eb11;
    let mut chance = Chance(SEED);
    let rule = |via, after| ContactRule {
        via,
        after: minutes(after),
    };
    let rules = vec![
        rule(Channel::Slack, 0),
        rule(Channel::Sms, 2),
        rule(Channel::Voice, 5),
    ];
    let worlds: Vec<Rc<Catalog>> = (0..64)
        .map(|_| {
            let policies = ["grave", "middling"].map(|id| policy_by(&mut chance, id));
            let mut catalog = team(policies.to_vec(), rules.clone());
            for severity in &mut catalog.severities {
                severity.update_every = None;
            }
            Rc::new(catalog)
        })
        .collect();
    let overrides = Rc::new(Vec::new());
    // A day: the process dies about every half an hour, for a second or for twenty minutes.
    let (mut downs, mut at) = (Vec::new(), minute(0));
    while at < minute(3 * 24 * 60) {
        let from = at + seconds(600 + chance.below(2_400));
        at = from + seconds(chance.one_of(&[1, 5, 30, 300, 1_200]));
        downs.push((from, at));
    }
    let mut soak = Soak {
        chance,
        lives: Vec::new(),
        waiting: BinaryHeap::new(),
        number: 0,
        up_since: minute(0),
        downs,
        tally: Tally::default(),
    };
    for index in 0..INCIDENTS {
        let world = worlds[index % worlds.len()].clone();
        let begins = minute(0) + seconds(soak.chance.below(24 * 3_600));
        soak.lives.push(Life::new(world, overrides.clone(), begins));
        soak.wait(begins, index, Waits::Declared);
        let mut at = begins;
        for _ in 0..soak.chance.below(4) {
            at += seconds(soak.chance.below(45 * 60));
            soak.wait(at, index, Waits::Person);
        }
    }
    soak.run();
    for life in &soak.lives {
        let ended = life.watch.pages.iter().all(|page| page.end.is_some());
        assert!(ended && !life.is_calling(), "every page has ended");
    }
    let steps: usize = soak.lives.iter().map(|life| life.watch.steps).sum();
    let pages: usize = soak.lives.iter().map(|life| life.watch.pages.len()).sum();
    let tally = soak.tally;
    let told = format!("seed {SEED:#x}: {steps} steps, {pages} pages, {tally:?}");
    // A soak in which nothing happens proves nothing.
    assert!(
        steps > 20_000 && pages > 20_000 && tally.answered > 3_000,
        "{told}"
    );
    assert!(
        tally.deaths > 20 && tally.lost_commits > 100 && tally.rung_twice > 100,
        "{told}"
    );
}
