//! The core's tests in three words: given what has happened, when somebody wants something, then this follows.

use jiff::{SignedDuration, Timestamp};

use super::catalog::{Catalog, Person, SlackName};
use super::command::{Command, Declaration, Identity, Timer};
use super::decide::{Refusal, World, decide};
use super::effect::{Effect, Order, effects_of};
use super::escalation::Target;
use super::event::{
    Declared, Event, Invitee, MessageRef, Overdue, Recorded, SeverityTerms, Update,
};
use super::incident::{Incident, fold};
use super::terms::{
    Actor, ChannelId, IncidentId, MessageTs, PersonId, Role, SeverityId, SlackUserId, Who,
};

/// What has happened, and who now asks, when.
#[derive(Clone)]
pub struct Given {
    events: Vec<Recorded>,
    /// How it stood before the last of them.
    before: Option<Incident>,
    incident: Option<Incident>,
    now: Timestamp,
    actor: Actor,
    catalog: Catalog,
}

/// What came of a wish.
pub struct Then {
    given: Given,
    decision: Result<Vec<Event>, Refusal>,
}

/// Nothing has happened yet.
pub fn nothing() -> Given {
    Given {
        events: Vec::new(),
        before: None,
        incident: None,
        now: minute(0),
        actor: Actor::Person(ana()),
        catalog: catalog(),
    }
}

/// These events have happened, all at minute 0 and by Ana.
pub fn given(events: impl IntoIterator<Item = Event>) -> Given {
    nothing().also(events)
}

impl Given {
    /// From now on it is so many minutes after the beginning.
    pub fn at(mut self, minutes: i64) -> Self {
        self.now = minute(minutes);
        self
    }

    /// Some more seconds have gone by.
    pub fn and_seconds(mut self, seconds: i64) -> Self {
        self.now += SignedDuration::from_secs(seconds);
        self
    }

    /// From now on this person acts.
    pub fn by(self, who: Who) -> Self {
        self.of(Actor::Person(who))
    }

    /// From now on this actor acts.
    pub fn of(mut self, actor: Actor) -> Self {
        self.actor = actor;
        self
    }

    /// The configuration is another one.
    pub fn with(mut self, catalog: Catalog) -> Self {
        self.catalog = catalog;
        self
    }

    /// These events have happened too.
    pub fn also(mut self, events: impl IntoIterator<Item = Event>) -> Self {
        for event in events {
            let recorded = Recorded {
                seq: self.events.len() as u64 + 1,
                happened_at: event.happened_at(self.now),
                recorded_at: self.now,
                event,
                actor: self.actor.clone(),
            };
            self.before = self.incident.take();
            self.incident = fold(self.before.clone(), &recorded);
            assert!(self.incident.is_some(), "not a record: {recorded:?}");
            self.events.push(recorded);
        }
        self
    }

    /// What was wanted and done.
    pub fn done(self, command: Command) -> Self {
        let Then { given, decision } = self.when(command);
        let events = decision.unwrap_or_else(|refusal| panic!("refused: {refusal}"));
        given.also(events)
    }

    /// Somebody wants something.
    pub fn when(self, command: Command) -> Then {
        let world = World {
            now: self.now,
            actor: &self.actor,
            catalog: &self.catalog,
            overrides: &[],
        };
        let decision = decide(self.incident.as_ref(), &command, world);
        Then {
            given: self,
            decision,
        }
    }

    /// The clock rings as it is set.
    pub fn when_the_clock_rings(self) -> Then {
        let (at, _) = self.incident().next_due().expect("no clock is set");
        self.when(Command::Fire(Timer::Due { at }))
    }

    /// The incident as it stands.
    pub fn incident(&self) -> &Incident {
        self.incident.as_ref().expect("nothing was declared")
    }

    /// All that has happened.
    pub fn events(&self) -> &[Recorded] {
        &self.events
    }

    /// The minute for which the update clock is set.
    pub fn clock(&self) -> Option<i64> {
        let clock = self.incident().update_clock.as_ref()?;
        Some(clock.due_at.duration_since(minute(0)).as_mins())
    }

    /// What the last event orders, a line for each order.
    pub fn orders(&self) -> String {
        let last = self.events.last().expect("nothing has happened");
        let before = self.before.as_ref();
        let orders = effects_of(&last.event, before, self.incident(), self.now);
        orders.iter().map(|order| show(order) + "\n").collect()
    }
}

impl Then {
    /// These events follow, and nothing else.
    #[track_caller]
    pub fn then(self, expected: impl IntoIterator<Item = Event>) {
        assert_eq!(self.decision, Ok(expected.into_iter().collect()));
    }

    /// Nothing follows, and nobody is told no.
    #[track_caller]
    pub fn nothing(self) {
        self.then([]);
    }

    /// It is refused, in these words.
    #[track_caller]
    pub fn refused(self) -> String {
        match self.decision {
            Err(refusal) => refusal.to_string(),
            Ok(events) => panic!("not refused: {events:?}"),
        }
    }

    /// The reminder that follows.
    #[track_caller]
    pub fn overdue(self) -> Overdue {
        match self.decision.as_deref() {
            Ok([Event::UpdateOverdue(overdue)]) => overdue.clone(),
            other => panic!("no reminder: {other:?}"),
        }
    }

    /// The decision, and what it was made on.
    pub fn decision(self) -> (Given, Result<Vec<Event>, Refusal>) {
        (self.given, self.decision)
    }
}

fn show(order: &Order) -> String {
    match order {
        Order::Cancel { key } => format!("cancel {key}"),
        Order::Do { effect, due } => {
            let seconds = due.duration_since(minute(0)).as_secs();
            format!(
                "{}/{} {}{} at {}:{:02}",
                effect.lane().word(),
                effect.queue().unwrap_or("-"),
                shown(effect),
                effect
                    .key()
                    .map(|key| format!(" [{key}]"))
                    .unwrap_or_default(),
                seconds / 60,
                seconds % 60,
            )
        }
    }
}

fn shown(effect: &Effect) -> String {
    let json = serde_json::to_value(effect).expect("an effect is JSON");
    let fields = json.as_object().expect("an effect is an object");
    let mut text = fields["effect"]
        .as_str()
        .expect("an effect has a name")
        .to_owned();
    for (name, value) in fields.iter().filter(|(name, _)| *name != "effect") {
        text += &format!(" {name}={value}");
    }
    text
}

/// So many minutes after the beginning, which is 03:00 on the day that the documents use.
pub fn minute(minutes: i64) -> Timestamp {
    let beginning: Timestamp = "2025-09-14T03:00:00Z".parse().expect("a moment");
    beginning + SignedDuration::from_mins(minutes)
}

/// Ana declares and leads.
pub fn ana() -> Who {
    Who::slack(user("U0ANA00001"), "ana")
}

/// Bob is called in by P1, and not otherwise.
pub fn bob() -> Who {
    Who::slack(user("U0BOB00001"), "bob")
}

/// Eve stands in no configuration.
pub fn eve() -> Who {
    Who::slack(user("U0EVE00001"), "eve")
}

pub fn user(id: &str) -> SlackUserId {
    SlackUserId::parse(id).expect("a Slack user id")
}

/// An alert source.
pub fn cloudwatch() -> Actor {
    Actor::Alert {
        source: "cloudwatch".into(),
    }
}

/// The four severities of an empty file, and Bob, whom P1 calls in.
pub fn catalog() -> Catalog {
    let mut catalog = Catalog::default();
    catalog.people.push(Person {
        id: PersonId::new("bob"),
        name: "bob".into(),
        slack: Some(SlackName::Id(user("U0BOB00001"))),
        email: None,
        phone: None,
        timezone: None,
        roles: Vec::new(),
        contact: vec![],
        webhook_url_env: None,
    });
    let p1 = &mut catalog.severities[0];
    p1.invite = vec![
        Target::Person(PersonId::new("bob")),
        Target::UserGroup("sre".into()),
        Target::Channel("ops".into()),
    ];
    p1.checklists = vec!["first-steps".into()];
    catalog
}

pub fn id() -> IncidentId {
    IncidentId::new("INC-2025-0914-001")
}

pub fn identity() -> Identity {
    Identity {
        id: id(),
        channel: "incident-2025-0914-001".into(),
    }
}

/// Somebody declares, in these words.
pub fn declare(title: &str, severity: &str) -> Command {
    Command::Declare {
        identity: identity(),
        declaration: Declaration {
            severity: Some(SeverityId::new(severity)),
            ..Declaration::titled(title)
        },
    }
}

/// What a severity asks for, by its id.
pub fn terms(severity: &str) -> SeverityTerms {
    let catalog = catalog();
    let severity = catalog
        .severity(&SeverityId::new(severity))
        .expect("a severity");
    SeverityTerms {
        id: severity.id.clone(),
        name: severity.name.clone(),
        update_every: severity.update_every,
        acknowledge_within: severity.acknowledge_within,
        postmortem_within: severity.postmortem_within,
        stakeholders: severity.stakeholders.clone(),
    }
}

/// Ana has declared a P1: updates every 15 minutes, a war room of its own.
pub fn declared() -> Event {
    Event::Declared(Declared {
        id: id(),
        title: "checkout is down".into(),
        description: None,
        severity: terms("p1"),
        service: None,
        started_at: minute(0),
        commander: Some(ana()),
        war_room: Some("incident-2025-0914-001".into()),
        reserved_room: None,
        announce: "#incidents".into(),
        invite: called_in(),
        checklists: vec!["first-steps".into()],
        links: Default::default(),
        escalation: None,
    })
}

/// Whom a P1 of Ana's calls in.
pub fn called_in() -> Vec<Invitee> {
    vec![
        Invitee::User(user("U0ANA00001")),
        Invitee::Person(PersonId::new("bob")),
        Invitee::UserGroup("sre".into()),
    ]
}

/// The declaration, with something different about it.
pub fn declared_with(change: impl FnOnce(&mut Declared)) -> Event {
    let Event::Declared(mut it) = declared() else {
        unreachable!("it was declared")
    };
    change(&mut it);
    Event::Declared(it)
}

/// An alert has declared: nobody leads yet.
pub fn declared_by_an_alert() -> Event {
    declared_with(|it| it.commander = None)
}

/// A P4: no war room, no update clock.
pub fn declared_small() -> Event {
    declared_with(|it| {
        it.severity = terms("p4");
        it.war_room = None;
        it.reserved_room = Some("incident-2025-0914-001".into());
        it.invite = vec![];
        it.checklists = vec![];
    })
}

pub fn room_opened() -> Event {
    Event::WarRoomOpened {
        channel: ChannelId::new("C0ROOM0001"),
        name: "incident-2025-0914-001".into(),
    }
}

pub fn message() -> MessageRef {
    MessageRef {
        channel: ChannelId::new("C0ROOM0001"),
        ts: MessageTs::new("1757818800.000100"),
    }
}

pub fn update(text: &str) -> Update {
    Update {
        text: text.into(),
        ..Update::default()
    }
}

pub fn assigned(role: Role, to: Who, from: Option<Who>) -> Event {
    Event::RoleAssigned { role, to, from }
}
