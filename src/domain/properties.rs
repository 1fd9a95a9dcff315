//! What is true of every incident, whatever anybody does to it, in whatever order and at whatever time.

use jiff::SignedDuration;
use proptest::prelude::*;

use super::change::Change;
use super::command::{Command, Report, Timer};
use super::decide::Refusal;
use super::effect::{Audience, Effect, Order, effects_of};
use super::event::{
    Event, ExportFormat, KeptMessage, Mark, MessageRef, Recorded, Resolution, Update,
};
use super::given::*;
use super::group::Tally;
use super::incident::{Incident, Room, fold};
use super::terms::{Actor, ChannelId, GroupId, MessageTs, Role, SeverityId, Status, Who};

/// Something that somebody does, some time after what was done before.
#[derive(Debug, Clone)]
struct Move {
    after_minutes: i64,
    actor: Actor,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Command(Box<Command>),
    /// The update clock rings, at its time or later.
    Ring,
    /// The last clock that rang rings again.
    RingAgain,
}

fn anybody() -> impl Strategy<Value = Who> {
    prop_oneof![
        Just(ana()),
        Just(bob()),
        Just(eve()),
        Just(Who::named("ana")),
        Just(Who::named("root")),
    ]
}

fn actor() -> impl Strategy<Value = Actor> {
    prop_oneof![
        6 => anybody().prop_map(Actor::Person),
        1 => Just(cloudwatch()),
        1 => Just(Actor::Firebell),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-z ]{0,12}",
        1 => any::<String>(),
        1 => Just("<!channel> \u{0} 🔥 \u{202e}".to_owned()),
    ]
}

fn status() -> impl Strategy<Value = Status> {
    prop::sample::select(Status::ALL.to_vec())
}

fn severity() -> impl Strategy<Value = SeverityId> {
    prop::sample::select(vec!["p1", "p2", "p3", "p4", "p9"]).prop_map(SeverityId::new)
}

fn some<T: std::fmt::Debug + Clone>(
    of: impl Strategy<Value = T>,
) -> impl Strategy<Value = Option<T>> {
    prop::option::of(of)
}

fn message_ref() -> impl Strategy<Value = MessageRef> {
    (0..3u8).prop_map(|n| MessageRef {
        channel: ChannelId::new(format!("C0ROOM000{n}")),
        ts: MessageTs::new(format!("175781880{n}.000100")),
    })
}

fn any_mark() -> impl Strategy<Value = Mark> {
    prop::sample::select(vec![Mark::Pin, Mark::Reaction, Mark::Shortcut, Mark::Check])
}

fn any_update() -> impl Strategy<Value = Update> {
    (text(), some(text()), some(1..240i64)).prop_map(|(text, next_steps, minutes)| Update {
        text,
        next_steps,
        next_update_in: minutes.map(SignedDuration::from_mins),
        ..Update::default()
    })
}

fn resolution() -> impl Strategy<Value = Resolution> {
    (some(text()), some(text()), some(text())).prop_map(|(root_cause, resolution, impact)| {
        Resolution {
            root_cause,
            resolution,
            impact,
        }
    })
}

fn report() -> impl Strategy<Value = Report> {
    prop_oneof![
        message_ref().prop_map(|message| Report::WarRoomOpened {
            channel: message.channel,
            name: "incident-2025-0914-001-2".into(),
        }),
        text().prop_map(|why| Report::WarRoomFailed { why }),
        message_ref().prop_map(Report::CardPosted),
        message_ref().prop_map(Report::Announced),
        (message_ref(), text(), any_mark(), -90..0i64).prop_map(|(message, text, mark, at)| {
            Report::MessageFetched(KeptMessage {
                message,
                author: bob(),
                text,
                written_at: minute(at),
                mark,
                marked_by: ana(),
            })
        }),
        (anybody(), "[ab]").prop_map(|(who, name)| {
            Report::NamesLearned(who.slack.into_iter().map(|id| (id, name.clone())).collect())
        }),
        ("[ab]", "[ab]").prop_map(|(what, why)| Report::Failed {
            what,
            why,
            leaves: Default::default()
        }),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        1 => (text(), severity()).prop_map(|(title, severity)| declare(&title, severity.as_str())),
        2 => Just(Command::Acknowledge),
        4 => (any_update(), some(status()), some(severity()))
            .prop_map(|(update, status, severity)| Command::PostUpdate { update, status, severity }),
        4 => status().prop_map(Command::SetStatus),
        2 => (severity(), some(text()))
            .prop_map(|(to, reason)| Command::ChangeSeverity { to, reason }),
        2 => (prop::sample::select(Role::ALL.to_vec()), anybody())
            .prop_map(|(role, to)| Command::AssignRole { role, to }),
        1 => text().prop_map(|text| Command::AddNote { text }),
        1 => (message_ref(), any_mark())
            .prop_map(|(message, mark)| Command::MarkMessage { message, mark }),
        2 => (text(), some(anybody()))
            .prop_map(|(text, owner)| Command::AddFollowUp { text, owner, due: None }),
        2 => (0..5u32).prop_map(|number| Command::CompleteFollowUp { number }),
        2 => resolution().prop_map(Command::Resolve),
        1 => resolution().prop_map(Command::Amend),
        2 => some(text()).prop_map(|reason| Command::Reopen { reason }),
        1 => Just(Command::Close),
        2 => ("[ab]", 0..4u64, 0..4u64).prop_map(|(group, firing, more)| Command::NoteAlerts {
            group: GroupId::new(format!("grp-{group}")),
            tally: Tally {
                title: "5xx".into(),
                source: "prometheus".into(),
                firing,
                total: firing + more,
                samples: vec![],
                is_quieted: false,
                is_flapping: false,
                remarks: vec![],
                common: Default::default(),
                leads: vec![],
            },
        }),
        1 => (text(), -90..0i64).prop_map(|(title, at)| Command::NoteChange(Change {
            title,
            by: None,
            link: None,
            service: None,
            at: minute(at),
        })),
        1 => prop::sample::select(ExportFormat::ALL.to_vec())
            .prop_map(|format| Command::RequestExport { format }),
        1 => (0..300i64).prop_map(|at| Command::Fire(Timer::Due { at: minute(at) })),
        4 => report().prop_map(Command::Record),
    ]
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let what = prop_oneof![
        8 => command().prop_map(|it| What::Command(Box::new(it))),
        2 => Just(What::Ring),
        1 => Just(What::RingAgain),
    ];
    let one = (0..40i64, actor(), what).prop_map(|(after_minutes, actor, what)| Move {
        after_minutes,
        actor,
        what,
    });
    prop::collection::vec(one, 0..40)
}

fn beginning() -> impl Strategy<Value = (Actor, &'static str)> {
    (actor(), prop::sample::select(vec!["p1", "p2", "p3", "p4"]))
}

/// The clock as the outbox holds it: what was ordered last and has not rung.
#[derive(Default)]
struct Outbox {
    clock: Option<Timer>,
}

impl Outbox {
    fn take(&mut self, orders: Vec<Order>) {
        for order in orders {
            match order {
                Order::Do {
                    effect: Effect::Ring { timer },
                    due,
                } => {
                    let Timer::Due { at } = &timer;
                    assert_eq!(*at, due, "a clock is due when it is set for");
                    self.clock = Some(timer);
                }
                Order::Do { .. } => {}
                Order::Cancel { .. } => self.clock = None,
            }
        }
    }
}

/// Lives an incident through, checks it after every event, and gives it back as it stands at last.
fn live(beginning: (Actor, &'static str), moves: Vec<Move>) -> Given {
    let (actor, severity) = beginning;
    let mut outbox = Outbox::default();
    let mut rung = None;
    let mut minutes = 0;
    let mut it = follow(
        nothing().of(actor),
        declare("checkout is down", severity),
        &mut outbox,
    );
    for Move {
        after_minutes,
        actor,
        what,
    } in moves
    {
        minutes += after_minutes;
        let command = match what {
            What::Command(command) => *command,
            What::Ring => {
                let Some(Timer::Due { at }) = outbox.clock.take() else {
                    continue;
                };
                minutes = minutes.max(at.duration_since(minute(0)).as_mins());
                rung = Some(at);
                Command::Fire(Timer::Due { at })
            }
            What::RingAgain => match rung {
                Some(at) => Command::Fire(Timer::Due { at }),
                None => continue,
            },
        };
        // The same clock may be told by hand: then its order is done too.
        if let Command::Fire(timer) = &command
            && outbox.clock.as_ref() == Some(timer)
        {
            outbox.clock = None;
        }
        it = follow(it.at(minutes).of(actor), command, &mut outbox);
    }
    it
}

fn follow(given: Given, command: Command, outbox: &mut Outbox) -> Given {
    let before = given.events().last().map(|_| given.incident().clone());
    let (mut it, decision) = given.when(command.clone()).decision();
    check_table(before.as_ref(), &command, &decision);
    for event in decision.unwrap_or_default() {
        let before = it.events().last().map(|_| it.incident().clone());
        it = it.also([event.clone()]);
        let after = it.incident();
        let now = it.events().last().expect("just written").recorded_at;
        let orders = effects_of(&event, before.as_ref(), after, now);
        check_orders(&orders, after);
        outbox.take(orders);
        check_state(after, it.events());
    }
    if let Some(it) = it.events().last().map(|_| it.incident()) {
        assert!(
            it.acknowledged_by.is_none() || it.commander().is_some(),
            "what is acknowledged is led"
        );
    }
    let clock = it.events().last().and_then(|_| it.incident().next_due());
    let waits = outbox.clock.as_ref().map(|Timer::Due { at }| *at);
    assert_eq!(
        clock.map(|(at, _)| at),
        waits,
        "the clock that waits is the one that is set"
    );
    it
}

/// What every state is.
fn check_state(it: &Incident, events: &[Recorded]) {
    let milestones = &it.milestones;
    let count = |kind: &str| events.iter().filter(|it| it.event.kind() == kind).count();

    assert_eq!(
        it.version,
        events.len() as u64,
        "the version counts the events"
    );
    assert!(
        (1..).zip(events).all(|(seq, it)| it.seq == seq),
        "events are numbered without a gap"
    );
    assert_eq!(milestones.resolved.is_some(), it.status >= Status::Resolved);
    assert_eq!(milestones.closed.is_some(), it.status == Status::Closed);
    assert_eq!(
        milestones.mitigated.is_some(),
        it.status >= Status::Monitoring
    );
    assert!(milestones.acknowledged.is_some() || it.acknowledged_by.is_none());
    let way = [
        Some(milestones.started),
        Some(milestones.declared),
        milestones.mitigated,
        milestones.resolved,
        milestones.closed,
    ];
    assert!(
        way.iter().flatten().is_sorted(),
        "milestones lie in the order of a life: {way:?}"
    );
    assert!(
        milestones
            .acknowledged
            .is_none_or(|at| at >= milestones.declared)
    );
    assert!(!it.duration(milestones.declared).is_negative());

    assert!(
        it.update_clock.is_none() || it.status.is_open(),
        "a clock runs only while people work"
    );
    if it.status.is_open() && it.severity.update_every.is_some() {
        assert!(
            it.update_clock.is_some(),
            "while people work, the severity's clock runs"
        );
    }
    assert!(
        (1..)
            .zip(&it.follow_ups)
            .all(|(n, it)| it.follow_up.number == n)
    );
    assert_eq!(it.updates as usize, count("update_posted"));
    assert_eq!(it.last_update.is_some(), it.updates > 0);
    assert_eq!(count("declared"), 1);
    assert!(count("war_room_opened") <= 1 && count("war_room_failed") <= 2);
    assert!(count("card_posted") <= 1 && count("announced") <= 1 && count("acknowledged") <= 1);
    match it.room {
        Room::Wanted { .. } => assert_eq!(count("war_room_opened"), 0),
        Room::Channel { .. } => assert_eq!(count("war_room_opened"), 1),
        Room::Thread => assert_eq!(count("war_room_opened"), 0),
    }
}

/// What every decision is.
fn check_table(
    before: Option<&Incident>,
    command: &Command,
    decision: &Result<Vec<Event>, Refusal>,
) {
    let Some(before) = before else { return };
    if let Err(refusal) = decision {
        assert!(
            refusal.to_string().ends_with(['.', '`']),
            "a refusal is a sentence: {refusal}"
        );
    }
    let changes = decision.as_ref().is_ok_and(|events| !events.is_empty());
    let may = match before.status {
        Status::Closed => matches!(
            command,
            Command::CompleteFollowUp { .. } | Command::RequestExport { .. } | Command::Record(_)
        ),
        Status::Resolved => !matches!(
            command,
            Command::Declare { .. }
                | Command::Acknowledge
                | Command::SetStatus(_)
                | Command::ChangeSeverity { .. }
        ),
        Status::Investigating | Status::Identified | Status::Mitigating | Status::Monitoring => {
            !matches!(
                command,
                Command::Declare { .. } | Command::Reopen { .. } | Command::Close
            )
        }
    };
    assert!(
        may || !changes,
        "{command:?} changes what is {}",
        before.status
    );
    if matches!(command, Command::Fire(_) | Command::Record(_)) {
        assert!(
            decision.is_ok(),
            "nobody is there to be refused: {decision:?}"
        );
    }
}

/// What all orders are.
fn check_orders(orders: &[Order], after: &Incident) {
    for order in orders {
        let Order::Do { effect, .. } = order else {
            continue;
        };
        let json = serde_json::to_string(effect).expect("an effect is JSON");
        let back: Effect = serde_json::from_str(&json).expect("an effect comes back");
        assert_eq!(&back, effect);
        let to_all = matches!(
            effect,
            Effect::Post {
                to: Audience::Announce,
                ..
            }
        );
        assert!(
            !to_all || after.room != Room::Thread,
            "a thread's post stands in the channel already"
        );
        if let Effect::Invite { invitees } = effect {
            assert!(!invitees.is_empty(), "nobody is called in for nothing");
        }
    }
}

proptest! {
    // 256 lives each; PROPTEST_CASES asks for more.
    #[test]
    fn nobody_brings_an_incident_into_a_state_that_cannot_be(beginning in beginning(), moves in moves()) {
        live(beginning, moves);
    }

    #[test]
    fn what_is_stored_comes_back_as_it_was_and_adds_up_to_the_same(beginning in beginning(), moves in moves()) {
        let it = live(beginning, moves);
        let mut again = None;
        for recorded in it.events() {
            let event = serde_json::to_string(&recorded.event)?;
            let actor = serde_json::to_string(&recorded.actor)?;
            prop_assert_eq!(&serde_json::to_value(&recorded.event)?["event"], recorded.event.kind());
            let back = Recorded {
                event: serde_json::from_str(&event)?,
                actor: serde_json::from_str(&actor)?,
                ..recorded.clone()
            };
            prop_assert_eq!(&back, recorded);
            again = fold(again, &back);
            // A state is stored between any two events, and folding goes on from there.
            let stored = serde_json::to_string(&again)?;
            prop_assert_eq!(&serde_json::from_str::<Option<Incident>>(&stored)?, &again);
            again = serde_json::from_str(&stored)?;
        }
        prop_assert_eq!(again.as_ref(), Some(it.incident()));
    }

    #[test]
    fn every_event_can_be_told(beginning in beginning(), moves in moves()) {
        for recorded in live(beginning, moves).events() {
            let entry = super::timeline::tell(recorded);
            prop_assert_eq!(entry.seq, recorded.seq);
        }
    }
}
