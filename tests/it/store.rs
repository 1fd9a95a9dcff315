//! What the store promises, the same on SQLite and on PostgreSQL.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use firebell::domain::catalog::Catalog;
use firebell::domain::command::{Command, Declaration, Identity, Report, Timer};
use firebell::domain::decide::{World, decide};
use firebell::domain::effect::{Effect, Lane, effects_of};
use firebell::domain::event::{Event, Recorded, Resolution};
use firebell::domain::incident::{Incident, fold};
use firebell::domain::oncall::Override;
use firebell::domain::terms::{
    Actor, ChannelId, DeliveryId, IncidentId, PersonId, ServiceId, SeverityId, SlackUserId, Who,
};
use firebell::store::Store;
use firebell::store::calendars::FreshCalendar;
use firebell::store::commit::{Commit, CommitError};
use firebell::store::handover::Taker;
use firebell::store::incidents::{Held, Which};
use firebell::store::outbox::{Claimed, Lease};
use firebell::store::overrides::Withdrawal;
use jiff::{SignedDuration, Timestamp};
use sqlx::{Connection, PgConnection};

use crate::scratch::{Chance, Scratch, on_both_engines};

// --- a pen: decides and drafts, as the engine does ------------------------------------------------

const DAY: &str = "2025-09-14";

fn minute(minutes: i64) -> Timestamp {
    let beginning: Timestamp = "2025-09-14T03:00:00Z".parse().expect("a moment");
    beginning + SignedDuration::from_mins(minutes)
}

fn ana() -> Actor {
    let id = SlackUserId::parse("U0ANA00001").expect("an id");
    Actor::Person(Who::slack(id, "ana"))
}

fn id(number: i64) -> IncidentId {
    IncidentId::new(format!("INC-2025-0914-{number:03}"))
}

fn note(text: impl Into<String>) -> Command {
    Command::AddNote { text: text.into() }
}

/// Drafts what follows from a wish, at a time, on a state (none: the incident is new).
fn draft_at(
    commit: &mut Commit,
    before: Option<Held>,
    number: i64,
    command: Command,
    now: Timestamp,
) -> Held {
    let (actor, catalog) = (ana(), Catalog::default());
    let world = World {
        now,
        actor: &actor,
        catalog: &catalog,
        overrides: &[],
    };
    let incident = before.as_ref().map(|held| held.incident.clone());
    let events = decide(incident.as_deref(), &command, world).expect("not refused");
    let mut held = before;
    for event in events {
        let state = held.as_ref().map(|held| (*held.incident).clone());
        let recorded = Recorded {
            seq: state.as_ref().map_or(0, |it| it.version) + 1,
            happened_at: event.happened_at(now),
            recorded_at: now,
            event,
            actor: actor.clone(),
        };
        let after = fold(state, &recorded).expect("the event fits");
        let orders = effects_of(&recorded.event, None, &after, now);
        let mut next = held.unwrap_or_else(|| Held {
            incident: Arc::new(after.clone()),
            head: String::new(),
            day: DAY.to_owned(),
            number,
        });
        commit
            .append(&mut next, &recorded, after)
            .expect("it is JSON");
        commit.order(&next.incident, orders, now);
        held = Some(next);
    }
    held.expect("something has happened")
}

fn draft(commit: &mut Commit, before: &Held, command: Command) -> Held {
    draft_at(
        commit,
        Some(before.clone()),
        before.number,
        command,
        minute(1),
    )
}

fn declaration(number: i64) -> Command {
    Command::Declare {
        identity: Identity {
            id: id(number),
            channel: format!("incident-2025-0914-{number:03}"),
        },
        declaration: Declaration {
            severity: Some(SeverityId::new("p1")),
            ..Declaration::titled("checkout is down")
        },
    }
}

fn draft_declaration(commit: &mut Commit, number: i64) -> Held {
    draft_at(commit, None, number, declaration(number), minute(0))
}

async fn declared(store: &Store, number: i64) -> Held {
    let mut commit = Commit::default();
    let held = draft_declaration(&mut commit, number);
    store.commit(&commit).await.expect("it is declared");
    held
}

async fn written(store: &Store, before: &Held, command: Command) -> Held {
    let mut commit = Commit::default();
    let held = draft(&mut commit, before, command);
    store.commit(&commit).await.expect("it is written");
    held
}

async fn record(store: &Store, id: &IncidentId) -> Vec<Recorded> {
    let mut events = Vec::new();
    loop {
        let page = store
            .events_after(id, events.len() as i64)
            .await
            .expect("a page");
        if page.is_empty() {
            return events;
        }
        events.extend(page.iter().map(|row| row.recorded().expect("an event")));
    }
}

/// The state that a record adds up to.
fn added_up(events: &[Recorded]) -> Option<Incident> {
    events.iter().fold(None, fold)
}

/// What holds of every incident of every store.
async fn check(store: &Store) {
    for id in store.all_ids().await.expect("a list") {
        let events = record(store, &id).await;
        assert!(
            (1..).zip(&events).all(|(seq, event)| event.seq == seq),
            "{id} has a gap"
        );
        let state = store
            .incident(&id)
            .await
            .expect("a state")
            .expect("it is there");
        assert_eq!(
            added_up(&events).as_ref(),
            Some(&*state),
            "{id} is not what its events add up to"
        );
        assert_eq!(
            store.audit(&id).await.expect("an audit"),
            Vec::<String>::new()
        );
    }
}

/// Somebody who takes orders over, with leases of a minute.
fn taker(
    seats: usize,
    turn: impl Fn(&Effect) -> Option<Timestamp> + Send + Sync + 'static,
) -> Taker {
    Taker {
        owner: "w".to_owned(),
        lease: SignedDuration::from_mins(1),
        seats,
        turns: Box::new(move |effect, _, _| turn(effect)),
    }
}

/// Takes a lease for a minute.
async fn claim(store: &Store, lane: Lane, owner: &str, at: i64, limit: i64) -> Vec<Claimed> {
    store
        .claim(lane, owner, minute(at), minute(at + 1), limit)
        .await
        .expect("a claim")
}

fn effects(claimed: &[Claimed]) -> Vec<&Effect> {
    claimed.iter().map(|claimed| &claimed.effect).collect()
}

// --- events and states ----------------------------------------------------------------------------

on_both_engines! {
    async fn what_was_written_is_there_after_opening_again(scratch) {
        let store = scratch.store().await;
        let held = declared(&store, 1).await;
        let held = written(&store, &held, note("restarted the pods")).await;
        store.close().await;

        let store = scratch.store().await;
        let again = store.held(&id(1)).await.unwrap().unwrap();
        assert_eq!(again.incident, held.incident);
        assert_eq!((again.head, again.day, again.number), (held.head, DAY.to_owned(), 1));
        assert_eq!(record(&store, &id(1)).await.len(), 2);
        assert_eq!(store.event(&id(1), 2).await.unwrap().unwrap().event, Event::NoteAdded { text: "restarted the pods".into() });
        assert_eq!(store.event(&id(1), 3).await.unwrap(), None);
        assert!(store.held(&id(2)).await.unwrap().is_none());
        store.ping().await.unwrap();
        check(&store).await;
    }

    async fn who_writes_on_an_old_state_writes_nothing_at_all(scratch) {
        let store = scratch.store().await;
        let old = declared(&store, 1).await;
        written(&store, &old, note("faster")).await;
        let order = claim(&store, Lane::Chat, "w", 0, 1).await.remove(0);
        let before = scratch.everything().await;

        let mut commit = Commit::default();
        commit.finish(&order.lease);
        draft_declaration(&mut commit, 2);
        let stale = draft(&mut commit, &old, Command::Acknowledge);
        commit.deliver(&DeliveryId::new("d1"), &stale.incident.id, 1, None);
        let refused = store.commit(&commit).await.expect_err("the state has moved on");
        assert!(matches!(refused, CommitError::Conflict), "{refused:?}");
        assert_eq!(scratch.everything().await, before);

        // The order is still ours.
        assert!(store.finish(&order.lease).await.unwrap());
    }

    async fn an_identity_is_given_out_once(scratch) {
        let store = scratch.store().await;
        declared(&store, 1).await;
        let before = scratch.everything().await;
        let mut commit = Commit::default();
        draft_declaration(&mut commit, 1);
        assert!(matches!(store.commit(&commit).await, Err(CommitError::Conflict)));
        // Nor the number of the day, under whatever name.
        let mut commit = Commit::default();
        draft_at(&mut commit, None, 1, declaration(7), minute(0));
        assert!(matches!(store.commit(&commit).await, Err(CommitError::Conflict)));
        assert_eq!(scratch.everything().await, before);
    }

    async fn numbers_count_from_one_on_each_day(scratch) {
        let store = scratch.store().await;
        assert_eq!(store.last_number(DAY).await.unwrap(), 0);
        for number in 1..=3 {
            declared(&store, number).await;
        }
        assert_eq!(store.last_number(DAY).await.unwrap(), 3);
        assert_eq!(store.last_number("2025-09-15").await.unwrap(), 0);
    }

    async fn a_delivery_is_made_once_and_forgotten_when_nobody_repeats_it_any_more(scratch) {
        let store = scratch.store().await;
        let held = declared(&store, 1).await;
        let mut commit = Commit::default();
        let held = draft(&mut commit, &held, note("once"));
        commit.deliver(&DeliveryId::new("a week"), &held.incident.id, 1, Some(minute(60)));
        commit.deliver(&DeliveryId::new("for ever"), &held.incident.id, 1, None);
        store.commit(&commit).await.unwrap();

        for known in ["a week", "for ever"] {
            let before = scratch.everything().await;
            let mut commit = Commit::default();
            draft(&mut commit, &held, note("twice"));
            commit.deliver(&DeliveryId::new(known), &held.incident.id, 1, None);
            assert!(matches!(store.commit(&commit).await, Err(CommitError::Conflict)));
            assert_eq!(scratch.everything().await, before);
            assert_eq!(store.delivered(&DeliveryId::new(known)).await.unwrap(), Some((id(1), 1)));
        }
        assert_eq!(store.delivered(&DeliveryId::new("never")).await.unwrap(), None);

        assert_eq!(store.forget_deliveries(minute(59)).await.unwrap(), 0);
        assert_eq!(store.forget_deliveries(minute(61)).await.unwrap(), 1);
        assert_eq!(store.delivered(&DeliveryId::new("a week")).await.unwrap(), None);
        assert_eq!(store.delivered(&DeliveryId::new("for ever")).await.unwrap(), Some((id(1), 1)));
        assert_eq!(store.forget_deliveries(minute(9_999_999)).await.unwrap(), 0);
    }

    async fn one_commit_holds_many_incidents_and_many_events_of_each(scratch) {
        let store = scratch.store().await;
        let mut commit = Commit::default();
        for number in 1..=50 {
            let mut held = draft_declaration(&mut commit, number);
            for n in 0..5 {
                held = draft(&mut commit, &held, note(format!("{n}")));
            }
        }
        store.commit(&commit).await.unwrap();
        assert_eq!((scratch.count("incidents").await, scratch.count("events").await), (50, 300));
        assert_eq!(store.counts().await.unwrap(), (50, 50));
        check(&store).await;
    }

    async fn an_incident_is_found_by_its_room_and_listed_while_it_is_open(scratch) {
        let store = scratch.store().await;
        let first = declared(&store, 1).await;
        declared(&store, 2).await;
        let opened = Report::WarRoomOpened { channel: ChannelId::new("C0ROOM0001"), name: "incident-2025-0914-001".into() };
        let first = written(&store, &first, Command::Record(opened)).await;
        let found = store.incident_in(&ChannelId::new("C0ROOM0001")).await.unwrap().unwrap();
        assert_eq!(found.id, id(1));
        assert!(store.incident_in(&ChannelId::new("C0OTHER001")).await.unwrap().is_none());

        written(&store, &first, Command::Resolve(Default::default())).await;
        let open = store.list(Which::Open, 10).await.unwrap();
        assert_eq!(open.iter().map(|it| it.id.clone()).collect::<Vec<_>>(), [id(2)]);
        let all = store.list(Which::All, 10).await.unwrap();
        assert_eq!(all.iter().map(|it| it.id.clone()).collect::<Vec<_>>(), [id(2), id(1)]);
        assert_eq!(store.list(Which::All, 1).await.unwrap().len(), 1);
        assert_eq!(store.counts().await.unwrap(), (2, 1));
    }

    async fn a_long_record_is_read_page_by_page(scratch) {
        let store = scratch.store().await;
        let mut commit = Commit::default();
        let mut held = draft_declaration(&mut commit, 1);
        for n in 0..4_100 {
            held = draft(&mut commit, &held, note(n.to_string()));
        }
        store.commit(&commit).await.unwrap();
        assert_eq!(record(&store, &id(1)).await.len(), 4_101);
        check(&store).await;
    }
}

// --- eight at once --------------------------------------------------------------------------------

on_both_engines! {
    async fn eight_writers_at_once_lose_nothing_and_leave_no_gap(scratch) {
        let chance = Chance::new();
        let store = scratch.store().await;
        for number in 1..=3 {
            declared(&store, number).await;
        }
        let writers = (0..8).map(|writer| {
            let mut chance = chance.of(writer);
            async move {
                let store = scratch.store().await;
                for n in 0..12 {
                    // Two incidents in one commit, in any order: two such commits may want to wait for each other.
                    let first = 1 + chance.below(3) as i64;
                    let second = 1 + chance.below(3) as i64;
                    loop {
                        let mut commit = Commit::default();
                        let mut states = BTreeMap::new();
                        for (place, number) in [first, second].into_iter().enumerate() {
                            let held = match states.remove(&number) {
                                Some(held) => held,
                                None => store.held(&id(number)).await.unwrap().unwrap(),
                            };
                            chance.pause().await;
                            let text = format!("{writer}/{n}/{place}");
                            states.insert(number, draft(&mut commit, &held, note(text)));
                        }
                        commit.deliver(&DeliveryId::new(format!("{writer}/{n}")), &id(first), 1, None);
                        match store.commit(&commit).await {
                            Ok(()) => break,
                            Err(CommitError::Conflict | CommitError::Deadlock) => chance.pause().await,
                            Err(other) => panic!("not a conflict: {other:?}"),
                        }
                    }
                }
                store.close().await;
            }
        });
        futures_util::future::join_all(writers).await;

        let mut notes = BTreeSet::new();
        for number in 1..=3 {
            for recorded in record(&store, &id(number)).await {
                if let Event::NoteAdded { text } = recorded.event {
                    assert!(notes.insert(text.clone()), "{text} was written twice");
                }
            }
        }
        assert_eq!(notes.len(), 8 * 12 * 2);
        assert_eq!(scratch.count("deliveries").await, 8 * 12);
        check(&store).await;
    }

    async fn commits_that_want_each_others_rows_conflict_at_worst(scratch) {
        let (one, other) = (scratch.store().await, scratch.store().await);
        let mut left = declared(&one, 1).await;
        let mut right = declared(&one, 2).await;
        for round in 0..60 {
            let (mut forth, mut back) = (Commit::default(), Commit::default());
            let (left_a, right_a) = (draft(&mut forth, &left, note("forth")), draft(&mut forth, &right, note("forth")));
            let (right_b, left_b) = (draft(&mut back, &right, note("back")), draft(&mut back, &left, note("back")));
            for commit in [&mut forth, &mut back] {
                commit.deliver(&DeliveryId::new(format!("a{round}")), &id(1), 1, None);
            }
            let done = tokio::join!(one.commit(&forth), other.commit(&back));
            (left, right) = match done {
                (Ok(()), Err(CommitError::Conflict | CommitError::Deadlock)) => (left_a, right_a),
                (Err(CommitError::Conflict | CommitError::Deadlock), Ok(())) => (left_b, right_b),
                // Each kept the other from going on, and both are to be decided anew.
                (Err(CommitError::Conflict | CommitError::Deadlock), Err(CommitError::Conflict | CommitError::Deadlock)) => (left, right),
                wrong => panic!("round {round}: {wrong:?}"),
            };
        }
        check(&one).await;
    }

    async fn eight_workers_at_once_do_each_order_once(scratch) {
        let chance = Chance::new();
        let store = scratch.store().await;
        let mut commit = Commit::default();
        for number in 1..=500 {
            draft_declaration(&mut commit, number);
        }
        store.commit(&commit).await.unwrap();

        let workers = (0..8).map(|worker| {
            let mut chance = chance.of(worker);
            async move {
                let store = scratch.store().await;
                let owner = format!("worker {worker}");
                let (mut mine, mut empty) = (Vec::new(), 0);
                while empty < 3 {
                    let limit = 1 + chance.below(9) as i64;
                    let claimed = claim(&store, Lane::Clocks, &owner, 20, limit).await;
                    assert!(claimed.len() as i64 <= limit, "more than was asked for");
                    empty = if claimed.is_empty() { empty + 1 } else { 0 };
                    mine.extend(claimed.into_iter().map(|claimed| claimed.lease));
                    chance.pause().await;
                }
                store.close().await;
                mine
            }
        });
        let leases: Vec<Lease> = futures_util::future::join_all(workers).await.concat();
        let ids: BTreeSet<_> = leases.iter().map(|lease| lease.id.clone()).collect();
        assert_eq!((leases.len(), ids.len()), (500, 500));
        assert!(leases.iter().all(|lease| lease.attempts == 1));
        // While the leases last there is nothing to do; when they are over, all of it again.
        assert!(claim(&store, Lane::Clocks, "late", 20, 999).await.is_empty());
        assert_eq!(claim(&store, Lane::Clocks, "late", 21, 999).await.len(), 500);
    }
}

// --- the outbox -----------------------------------------------------------------------------------

on_both_engines! {
    async fn orders_of_a_queue_are_done_one_after_another_even_when_the_first_has_to_wait(scratch) {
        let store = scratch.store().await;
        let held = declared(&store, 1).await;
        written(&store, &held, note("the second in the queue")).await;

        // The heads of two queues: the room, and the announcement.
        let first = claim(&store, Lane::Chat, "w", 1, 99).await;
        let wanted = Effect::OpenWarRoom { name: "incident-2025-0914-001".into() };
        assert_eq!(effects(&first), [&Effect::Announce, &wanted].into_iter().rev().collect::<Vec<_>>());
        let room = first.iter().find(|claimed| claimed.effect == wanted).unwrap();
        assert!(claim(&store, Lane::Chat, "w", 1, 99).await.is_empty(), "the note overtook the opening of the room");

        // Put off: the note waits on.
        assert!(store.postpone(&room.lease, minute(5), "Slack is away").await.unwrap());
        for claimed in first.iter().filter(|claimed| claimed.effect == Effect::Announce) {
            assert!(store.finish(&claimed.lease).await.unwrap());
        }
        assert!(claim(&store, Lane::Chat, "w", 2, 99).await.is_empty(), "the note overtook the opening of the room");
        let again = claim(&store, Lane::Chat, "w", 5, 99).await;
        assert_eq!(effects(&again), [&wanted]);
        assert_eq!(again[0].lease.attempts, 2);
        assert_eq!(again[0].ordered_at, minute(0));
        assert!(store.finish(&again[0].lease).await.unwrap());
        let last = claim(&store, Lane::Chat, "w", 5, 99).await;
        assert!(matches!(effects(&last)[..], [Effect::Post { seq: 2, .. }]), "{last:?}");
    }

    async fn the_next_look_is_not_before_something_can_be_done(scratch) {
        let store = scratch.store().await;
        let held = declared(&store, 1).await;
        written(&store, &held, note("the second in the queue")).await;
        assert_eq!(store.next_due(Lane::Chat).await.unwrap(), Some(minute(0)));
        assert_eq!(store.next_due(Lane::Clocks).await.unwrap(), Some(minute(15)));
        for claimed in claim(&store, Lane::Chat, "w", 1, 99).await {
            match claimed.effect {
                Effect::Announce => assert!(store.finish(&claimed.lease).await.unwrap()),
                _ => assert!(store.postpone(&claimed.lease, minute(30), "Slack is away").await.unwrap()),
            }
        }
        // The note is due, but stands behind the room, which has time: to look now would be to look for ever.
        assert_eq!(store.next_due(Lane::Chat).await.unwrap(), Some(minute(30)));
        let room = claim(&store, Lane::Chat, "w", 30, 99).await.remove(0);
        assert_eq!(store.next_due(Lane::Chat).await.unwrap(), Some(minute(31)), "the end of its lease");
        assert!(store.finish(&room.lease).await.unwrap());
        assert_eq!(store.next_due(Lane::Chat).await.unwrap(), Some(minute(1)));
    }

    async fn a_clock_does_not_wait_for_another(scratch) {
        let store = scratch.store().await;
        let held = declared(&store, 1).await;
        let late = declared(&store, 2).await;
        let mut commit = Commit::default();
        draft_at(&mut commit, Some(late), 2, Command::PostUpdate {
            update: firebell::domain::event::Update {
                text: "tomorrow".into(),
                next_update_in: Some(SignedDuration::from_hours(24)),
                ..Default::default()
            },
            status: None,
            severity: None,
        }, minute(1));
        store.commit(&commit).await.unwrap();
        let due = claim(&store, Lane::Clocks, "w", 15, 99).await;
        assert_eq!(effects(&due), [&Effect::Ring { timer: Timer::Due { at: minute(15) } }]);
        assert_eq!(due[0].incident, held.incident.id);
        assert!(claim(&store, Lane::Clocks, "w", 14, 99).await.is_empty());
    }

    async fn a_lane_does_not_see_the_orders_of_another(scratch) {
        let store = scratch.store().await;
        declared(&store, 1).await;
        assert!(claim(&store, Lane::Clocks, "w", 14, 99).await.is_empty());
        assert_eq!(claim(&store, Lane::Chat, "w", 14, 99).await.len(), 2);
    }

    async fn a_lease_that_ran_out_is_worth_nothing(scratch) {
        let store = scratch.store().await;
        let held = declared(&store, 1).await;
        let old = claim(&store, Lane::Clocks, "old", 15, 1).await.remove(0).lease;
        let new = claim(&store, Lane::Clocks, "new", 16, 1).await.remove(0).lease;
        assert_eq!((old.attempts, new.attempts), (1, 2));
        let before = scratch.everything().await;

        assert!(!store.finish(&old).await.unwrap());
        assert!(!store.postpone(&old, minute(99), "x").await.unwrap());
        assert_eq!(store.put_back(&[(old.clone(), minute(99))]).await.unwrap(), 0);
        assert!(!store.bury(&old, minute(16), "x").await.unwrap());
        assert!(!store.renew(&old, minute(99)).await.unwrap());
        let mut commit = Commit::default();
        commit.finish(&old);
        draft(&mut commit, &held, note("from the grave"));
        assert!(matches!(store.commit(&commit).await, Err(CommitError::LeaseLost)));
        assert_eq!(scratch.everything().await, before);

        // The same worker that takes the order again has another lease.
        let newest = claim(&store, Lane::Clocks, "old", 17, 1).await.remove(0).lease;
        assert!(!store.finish(&old).await.unwrap());
        assert!(!store.finish(&new).await.unwrap());
        let mut commit = Commit::default();
        commit.finish(&newest);
        draft(&mut commit, &held, note("in time"));
        store.commit(&commit).await.unwrap();
        assert!(!store.finish(&newest).await.unwrap(), "finished with the commit");
    }

    async fn a_renewed_lease_lasts_longer(scratch) {
        let store = scratch.store().await;
        declared(&store, 1).await;
        let lease = claim(&store, Lane::Clocks, "slow", 15, 1).await.remove(0).lease;
        assert!(store.renew(&lease, minute(20)).await.unwrap());
        assert!(claim(&store, Lane::Clocks, "quick", 19, 1).await.is_empty());
        assert!(store.finish(&lease).await.unwrap());
    }

    async fn a_newer_order_of_a_key_replaces_the_waiting_one_but_not_one_that_is_being_done(scratch) {
        let store = scratch.store().await;
        let clocks = || scratch.look("SELECT effect FROM outbox WHERE key = 'clock'");
        let held = declared(&store, 1).await;
        let say = |text: &str| Command::PostUpdate {
            update: firebell::domain::event::Update { text: text.into(), ..Default::default() },
            status: None,
            severity: None,
        };
        let held = written(&store, &held, say("one")).await;
        assert_eq!(clocks().await.len(), 1);
        assert!(clocks().await[0].contains("03:16:00"));

        // Two replacements in one commit leave one order.
        let mut commit = Commit::default();
        let held = draft(&mut commit, &held, say("two"));
        let held = draft(&mut commit, &held, say("three"));
        store.commit(&commit).await.unwrap();
        assert_eq!(clocks().await.len(), 1);

        // It rings just now: the update comes too late for that one, and sets the next.
        let ringing = claim(&store, Lane::Clocks, "w", 16, 9).await.remove(0);
        let held = written(&store, &held, say("four")).await;
        assert_eq!(clocks().await.len(), 2);
        assert!(store.finish(&ringing.lease).await.unwrap());
        assert_eq!(clocks().await.len(), 1);

        // The end of it all sets the clock to the post-mortem, and only this incident's.
        declared(&store, 2).await;
        written(&store, &held, Command::Resolve(Default::default())).await;
        let mut left = clocks().await;
        left.sort();
        assert_eq!(left.len(), 2, "{left:?}");
        assert!(left[0].contains("2025-09-14T03:15:00Z") && left[1].contains("2025-09-15T03:01:00Z"), "{left:?}");
    }

    async fn every_waiting_order_of_a_key_is_replaced(scratch) {
        let store = scratch.store().await;
        let held = declared(&store, 1).await;
        let say = |text: &str| Command::PostUpdate {
            update: firebell::domain::event::Update { text: text.into(), ..Default::default() },
            status: None,
            severity: None,
        };
        // Set anew while it rings, and then the ringing is put off: two of them wait.
        let ringing = claim(&store, Lane::Clocks, "w", 15, 9).await.remove(0);
        let held = written(&store, &held, say("one")).await;
        assert!(store.postpone(&ringing.lease, minute(17), "the store is away").await.unwrap());
        assert_eq!(scratch.count("outbox WHERE key = 'clock'").await, 2);
        written(&store, &held, Command::Resolve(Default::default())).await;
        let left = scratch.look("SELECT effect FROM outbox WHERE key = 'clock'").await;
        assert!(matches!(&left[..], [postmortem] if postmortem.contains("2025-09-15T03:01:00Z")), "{left:?}");
    }

    async fn a_lease_that_is_brought_back_twice_in_one_commit_breaks_it(scratch) {
        let store = scratch.store().await;
        let held = declared(&store, 1).await;
        let lease = claim(&store, Lane::Clocks, "w", 15, 1).await.remove(0).lease;
        let before = scratch.everything().await;
        let mut commit = Commit::default();
        for text in ["once", "twice"] {
            commit.finish(&lease);
            draft(&mut commit, &held, note(text));
        }
        assert!(matches!(store.commit(&commit).await, Err(CommitError::LeaseLost | CommitError::Conflict)));
        assert_eq!(scratch.everything().await, before);
        let mut commit = Commit::default();
        commit.finish(&lease);
        commit.finish(&lease);
        assert!(matches!(store.commit(&commit).await, Err(CommitError::LeaseLost)));
        assert!(store.finish(&lease).await.unwrap());
    }

    async fn an_order_that_cannot_be_read_is_put_aside_and_the_others_are_given(scratch) {
        let store = scratch.store().await;
        for number in 1..=3 {
            declared(&store, number).await;
        }
        let strange = "UPDATE outbox SET effect = '{\"effect\":\"of_a_newer_version\"}' WHERE lane = 'clocks' AND incident_id = 'INC-2025-0914-002'";
        assert_eq!(scratch.tamper(strange).await, 1);
        let given = claim(&store, Lane::Clocks, "w", 15, 9).await;
        assert_eq!(given.iter().map(|it| it.incident.clone()).collect::<Vec<_>>(), [id(1), id(3)]);
        let told = scratch.look("SELECT last_error FROM outbox WHERE last_error IS NOT NULL").await;
        assert!(matches!(&told[..], [why] if why.contains("of_a_newer_version")), "{told:?}");
        // It is looked at again each minute, for it may be of a version that is being rolled out; then it is given up.
        assert!(claim(&store, Lane::Clocks, "w", 15, 9).await.is_empty());
        for given in given {
            assert!(store.finish(&given.lease).await.unwrap());
        }
        for minute in 16..30 {
            assert!(claim(&store, Lane::Clocks, "w", minute, 9).await.is_empty());
        }
        assert_eq!(store.waiting(minute(30)).await.unwrap().buried, 1);
    }

    async fn what_was_put_back_was_no_attempt(scratch) {
        let store = scratch.store().await;
        for n in 1..=3 {
            declared(&store, n).await;
        }
        let claimed = claim(&store, Lane::Clocks, "w", 15, 3).await;
        let [one, two, three] = [0, 1, 2].map(|n| claimed[n].lease.clone());
        store.finish(&three).await.unwrap();
        let back = [(one.clone(), minute(16)), (two, minute(17)), (three, minute(16))];
        assert_eq!(store.put_back(&back).await.unwrap(), 2, "one was done meanwhile");
        assert!(!store.finish(&one).await.unwrap(), "it was given back");
        assert!(claim(&store, Lane::Clocks, "w", 15, 9).await.is_empty());
        let first = claim(&store, Lane::Clocks, "w", 16, 9).await;
        assert_eq!(first.iter().map(|it| &it.lease.id).collect::<Vec<_>>(), [&one.id]);
        assert_eq!(first[0].lease.attempts, 1);
        let later = claim(&store, Lane::Clocks, "w", 17, 9).await;
        assert_eq!(later.len(), 2, "the other, and the first, whose lease is over");
    }

    async fn the_first_orders_are_handed_over_as_they_are_written(scratch) {
        let store = scratch.store().await;
        let mut handed = store.handover().open(Lane::Chat, taker(3, |_| None));
        let held = declared(&store, 1).await;
        let [room, announcement] = [handed.try_recv().unwrap(), handed.try_recv().unwrap()];
        assert!(matches!(room.claimed.effect, Effect::OpenWarRoom { .. }));
        assert_eq!(announcement.claimed.effect, Effect::Announce);
        assert_eq!((room.claimed.lease.attempts, room.claimed.until), (1, minute(1)));
        assert!(claim(&store, Lane::Chat, "other", 0, 9).await.is_empty(), "they have a lease");

        // What comes later may stand behind something: it waits in the outbox.
        written(&store, &held, note("looking")).await;
        // One seat is left, and the first of a new incident takes it.
        declared(&store, 2).await;
        assert!(matches!(handed.try_recv().unwrap().claimed.effect, Effect::OpenWarRoom { .. }));
        assert!(handed.try_recv().is_err());
        let left = claim(&store, Lane::Chat, "other", 0, 9).await;
        assert_eq!(effects(&left), [&Effect::Announce]);

        // Whoever is done makes room for another; whoever has crashed leaves a lease that runs out.
        assert!(store.finish(&room.claimed.lease).await.unwrap());
        drop(room);
        declared(&store, 3).await;
        assert_eq!(handed.try_recv().unwrap().claimed.incident, id(3));
        let again = claim(&store, Lane::Chat, "other", 1, 9).await;
        let announced = again.iter().find(|it| it.lease.id == announcement.claimed.lease.id);
        assert_eq!(announced.unwrap().lease.attempts, 2);
        assert!(!store.finish(&announcement.claimed.lease).await.unwrap(), "it was lost");

        // Nobody takes anything over any more.
        while handed.try_recv().is_ok() {}
        store.handover().close(Lane::Chat);
        declared(&store, 4).await;
        assert!(handed.try_recv().is_err());
    }

    async fn what_has_to_wait_for_its_turn_is_written_down_for_then(scratch) {
        let store = scratch.store().await;
        let turn = |effect: &Effect| (*effect == Effect::Announce).then(|| minute(3));
        let mut handed = store.handover().open(Lane::Chat, taker(9, turn));
        declared(&store, 1).await;
        assert!(matches!(handed.try_recv().unwrap().claimed.effect, Effect::OpenWarRoom { .. }));
        assert!(handed.try_recv().is_err());
        let waiting = store.waiting(minute(2)).await.unwrap();
        assert_eq!(waiting.due, 1, "the room, which is being opened");
        let claimed = store.claim(Lane::Chat, "w", minute(3), minute(9), 9).await.unwrap();
        assert!(claimed.iter().any(|it| it.effect == Effect::Announce && it.lease.attempts == 1));
    }

    async fn what_is_not_written_is_not_handed_over(scratch) {
        let store = scratch.store().await;
        let mut handed = store.handover().open(Lane::Chat, taker(9, |_| None));
        declared(&store, 1).await;
        while handed.try_recv().is_ok() {}
        let mut commit = Commit::default();
        draft_declaration(&mut commit, 1);
        assert!(matches!(store.commit(&commit).await, Err(CommitError::Conflict)));
        assert!(handed.try_recv().is_err());
    }

    async fn what_was_buried_is_never_done_and_holds_nobody_up(scratch) {
        let store = scratch.store().await;
        let held = declared(&store, 1).await;
        written(&store, &held, note("the second in the queue")).await;
        let waiting = store.waiting(minute(1)).await.unwrap();
        assert_eq!((waiting.due, waiting.later, waiting.buried), (3, 1, 0));
        for claimed in claim(&store, Lane::Chat, "w", 1, 9).await {
            assert!(store.bury(&claimed.lease, minute(1), "no such channel \u{0} 🔥").await.unwrap());
        }
        let next = claim(&store, Lane::Chat, "w", 500, 9).await;
        assert!(matches!(effects(&next)[..], [Effect::Post { seq: 2, .. }]), "{next:?}");
        let waiting = store.waiting(minute(1)).await.unwrap();
        assert_eq!((waiting.due, waiting.later, waiting.buried), (1, 1, 2));
        assert_eq!(scratch.count("outbox WHERE last_error IS NOT NULL").await, 2);
    }
}

on_both_engines! {
    async fn the_open_incidents_of_a_service_are_found_also_those_that_an_older_version_wrote(scratch) {
        let store = scratch.store().await;
        for (number, service) in [(1, Some("checkout")), (2, Some("search")), (3, None), (4, Some("checkout")), (5, Some("checkout"))] {
            let mut commit = Commit::default();
            let Command::Declare { identity, declaration } = declaration(number) else { unreachable!() };
            let declaration = Declaration { service: service.map(ServiceId::new), ..declaration };
            let held = draft_at(&mut commit, None, number, Command::Declare { identity, declaration }, minute(number));
            store.commit(&commit).await.unwrap();
            if number == 5 {
                written(&store, &held, Command::Resolve(Resolution::default())).await;
            }
        }
        let open = async |service: &str| {
            let open = store.open_of_service(&ServiceId::new(service)).await.unwrap();
            open.iter().map(|held| held.number).collect::<Vec<_>>()
        };
        for _ in 0..2 {
            assert_eq!(open("checkout").await, [4, 1], "the newest first");
            assert_eq!(open("search").await, [2]);
            assert_eq!(open("check").await, [0; 0]);
            assert_eq!(open("").await, [0; 0]);
            assert_ne!(scratch.tamper("UPDATE incidents SET service = NULL WHERE number <> 4").await, 0);
        }
        check(&store).await;
    }
}

// --- the record cannot be changed unseen ----------------------------------------------------------

on_both_engines! {
    async fn an_audit_finds_every_change_of_the_record(scratch) {
        let store = scratch.store().await;
        let changes = [
            ("an edited payload", "UPDATE events SET payload = REPLACE(payload, 'note 3', 'note 8') WHERE seq = 3 AND {}"),
            ("another time", "UPDATE events SET happened_at_ms = happened_at_ms - 1 WHERE seq = 3 AND {}"),
            ("another time of writing", "UPDATE events SET recorded_at_ms = recorded_at_ms + 1 WHERE seq = 5 AND {}"),
            ("another kind", "UPDATE events SET kind = 'closed' WHERE seq = 2 AND {}"),
            ("another actor", "UPDATE events SET actor = REPLACE(actor, 'ana', 'eve') WHERE seq = 4 AND {}"),
            ("no beginning", "DELETE FROM events WHERE seq = 1 AND {}"),
            ("a removed event", "DELETE FROM events WHERE seq = 3 AND {}"),
            ("a removed last event", "DELETE FROM events WHERE seq = 5 AND {}"),
            ("no events at all", "DELETE FROM events WHERE {}"),
            ("two swapped events", "UPDATE events SET seq = -3 WHERE seq = 3 AND {}; UPDATE events SET seq = 3 WHERE seq = 4 AND {}; UPDATE events SET seq = 4 WHERE seq = -3 AND {}"),
            ("an added event", "INSERT INTO events SELECT incident_id, 6, kind, happened_at_ms, recorded_at_ms, actor, payload, hash FROM events WHERE seq = 5 AND {}"),
            ("an event before the first", "INSERT INTO events SELECT incident_id, 0, kind, happened_at_ms, recorded_at_ms, actor, payload, hash FROM events WHERE seq = 5 AND {}"),
            ("another hash", "UPDATE events SET hash = REPLACE(hash, SUBSTR(hash, 1, 4), 'beef') WHERE seq = 5 AND {}"),
        ];
        let of_the_state = [
            ("an edited state", "UPDATE incidents SET state = REPLACE(state, 'checkout is down', 'all is well') WHERE id = '{}'"),
            ("another status beside the state", "UPDATE incidents SET status = 'closed' WHERE id = '{}'"),
            ("another head", "UPDATE incidents SET head = 'beef' WHERE id = '{}'"),
            ("an older version", "UPDATE incidents SET version = 4 WHERE id = '{}'"),
            ("another day", "UPDATE incidents SET day = '2025-09-13' WHERE id = '{}'"),
            ("another number", "UPDATE incidents SET number = number + 900 WHERE id = '{}'"),
            ("another service beside the state", "UPDATE incidents SET service = 'search' WHERE id = '{}'"),
            ("another time of declaration", "UPDATE incidents SET declared_at_ms = declared_at_ms - 1 WHERE id = '{}'"),
            ("a state that cannot be read", "UPDATE incidents SET state = '{{}' WHERE id = '{}'"),
            ("no incident at all", "DELETE FROM incidents WHERE id = '{}'"),
        ];
        let mut number = 0;
        let all = changes.iter().map(|it| (it, "incident_id = '{}'")).chain(of_the_state.iter().map(|it| (it, "{}")));
        for ((what, sql), whose) in all {
            number += 1;
            let mut held = declared(&store, number).await;
            for n in 2..=5 {
                held = written(&store, &held, note(format!("note {n}"))).await;
            }
            let id = held.incident.id.clone();
            let ours = whose.replace("{}", id.as_str());
            assert_eq!(store.audit(&id).await.unwrap(), Vec::<String>::new());
            assert_ne!(scratch.tamper(&sql.replace("{}", &ours)).await, 0, "{what}: nothing was changed");
            let faults = store.audit(&id).await.unwrap();
            assert!(!faults.is_empty(), "{what} is not seen");
            assert!(faults.iter().all(|fault| fault.starts_with(id.as_str())), "{what}: {faults:?}");
        }
        let gone = store.strays().await.unwrap();
        assert_eq!(gone, [id(number)], "the one whose incident is gone");
        let whole = declared(&store, number + 1).await;
        assert_eq!(store.audit(&whole.incident.id).await.unwrap(), Vec::<String>::new(), "its neighbours do not touch it");
    }
}

// --- text of any kind -----------------------------------------------------------------------------

on_both_engines! {
    async fn text_of_any_kind_comes_back_as_it_went_in(scratch) {
        let store = scratch.store().await;
        let mut held = declared(&store, 1).await;
        let texts = [
            "nothing \u{0} at all".to_owned(),
            "four bytes 🔥𝄞, right to left \u{202e}, a bell \u{7}, a last one \u{10ffff}".to_owned(),
            "'; DROP TABLE events; -- \\ \" $1 ?".to_owned(),
            "a megabyte ".repeat(100_000),
            String::new(),
        ];
        for text in &texts {
            held = written(&store, &held, note(text.clone())).await;
        }
        let read: Vec<_> = record(&store, &id(1)).await.into_iter().skip(1).map(|recorded| recorded.event).collect();
        let told: Vec<_> = texts.into_iter().map(|text| Event::NoteAdded { text }).collect();
        assert!(read == told, "a text has changed");
        check(&store).await;
    }

    async fn a_delivery_with_an_id_of_any_length_is_known_again(scratch) {
        let store = scratch.store().await;
        let mut held = declared(&store, 1).await;
        let mut chance = Chance::new();
        let long: String = (0..9_000).map(|_| char::from(b'!' + chance.below(90) as u8)).collect();
        for known in [long.clone(), format!("{long}!"), long[..255].to_owned()] {
            let known = DeliveryId::new(known);
            assert_eq!(store.delivered(&known).await.unwrap(), None);
            let mut commit = Commit::default();
            held = draft(&mut commit, &held, note("x"));
            commit.deliver(&known, &id(1), 1, None);
            store.commit(&commit).await.unwrap();
            assert_eq!(store.delivered(&known).await.unwrap(), Some((id(1), 1)));
        }
    }

    async fn a_nul_where_the_databases_do_not_agree_is_neutralised(scratch) {
        let store = scratch.store().await;
        let held = declared(&store, 1).await;
        let strange = DeliveryId::new("a\u{0}b");
        let mut commit = Commit::default();
        draft(&mut commit, &held, note("x"));
        commit.deliver(&strange, &id(1), 1, None);
        store.commit(&commit).await.unwrap();
        assert_eq!(store.delivered(&strange).await.unwrap(), Some((id(1), 1)));
        assert!(store.held(&IncidentId::new("INC-2025-0914-001\u{0}")).await.unwrap().is_none());
        let lease = claim(&store, Lane::Chat, "w", 1, 1).await.remove(0).lease;
        assert!(store.postpone(&lease, minute(2), "an answer with \u{0} in it").await.unwrap());
    }
}

/// PostgreSQL: a commit that waits for a row looks at it again once it has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_is_claimed_while_it_is_being_cancelled_stays() {
    Scratch::postgres()
        .await
        .holds(async |scratch| {
            let store = scratch.store().await;
            let held = declared(&store, 1).await;
            let mut claimant = PgConnection::connect(&scratch.url).await.unwrap();
            let mut claiming = claimant.begin().await.unwrap();
            sqlx::query("UPDATE outbox SET lease_owner = 'w', attempts = 1 WHERE lane = 'clocks'")
                .execute(&mut *claiming)
                .await
                .unwrap();
            let mut commit = Commit::default();
            draft(&mut commit, &held, Command::Resolve(Default::default()));
            let cancelling = async { store.commit(&commit).await.unwrap() };
            let claiming = async {
                let waits = "SELECT 'x' FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
                while scratch.look(waits).await.is_empty() {
                    tokio::task::yield_now().await;
                }
                claiming.commit().await.unwrap();
            };
            tokio::join!(cancelling, claiming);
            assert_eq!(scratch.count("outbox WHERE lease_owner = 'w'").await, 1);
        })
        .await;
}

#[tokio::test]
async fn an_address_of_no_known_database_says_what_is_known() {
    let wrong = Store::open("mysql://localhost/firebell")
        .await
        .expect_err("no such engine");
    insta::assert_snapshot!(wrong.to_string(), @"DATABASE_URL must begin with sqlite:// or postgres://");
}

#[tokio::test]
async fn opening_twice_at_once_migrates_once() {
    let scratch = Scratch::postgres().await;
    scratch
        .holds(async |scratch| {
            scratch
                .tamper("DROP TABLE incidents, events, deliveries, outbox, alerts, alert_groups, alert_bodies, heartbeats, changes, overrides, duties, calendars, pages, page_deliveries, audits, keys, _sqlx_migrations")
                .await;
            let stores = futures_util::future::join_all((0..4).map(|_| scratch.store())).await;
            declared(&stores[3], 1).await;
        })
        .await;
}

// --- overrides of schedules -----------------------------------------------------------------------

fn takes_over(person: &str, from: i64, to: i64) -> Override {
    Override {
        schedule: "primary".to_owned(),
        person: PersonId::new(person),
        from: minute(from),
        to: minute(to),
    }
}

on_both_engines! {
    async fn an_override_is_kept_and_withdrawn_but_never_lost(scratch) {
        let store = Store::open(&scratch.url).await.expect("the store");
        let (ana, bo) = (Who::named("ana"), Who::named("bo"));
        let first = store.keep_override(&takes_over("ana", 10, 60), &ana, minute(0), None).await.expect("kept");
        let second = store.keep_override(&takes_over("bo", 20, 30), &bo, minute(1), None).await.expect("kept");
        assert_eq!((first.number, second.number), (1, 2));
        assert_eq!((&second.made_by, second.made_at), (&bo, minute(1)));
        let people = |list: &[Override]| list.iter().map(|it| it.person.to_string()).collect::<Vec<_>>();
        assert_eq!(people(&store.overrides(minute(2)).await.expect("read")), ["ana", "bo"]);
        // What is over is not looked at, without a word of anybody.
        assert_eq!(people(&store.overrides(minute(30)).await.expect("read")), ["ana"]);

        let done = store.withdraw_override(1, &bo, minute(40)).await.expect("withdrawn");
        let Withdrawal::Done(kept) = done else { panic!("{done:?}") };
        assert_eq!(kept.withdrawn, Some((bo.clone(), minute(40))));
        assert_eq!(kept.effective().map(|it| it.to), Some(minute(40)));
        let again = store.withdraw_override(1, &ana, minute(41)).await.expect("read");
        assert!(matches!(&again, Withdrawal::Before(it) if it.withdrawn == kept.withdrawn), "{again:?}");
        let over = store.withdraw_override(2, &ana, minute(41)).await.expect("read");
        assert!(matches!(over, Withdrawal::Over(_)), "{over:?}");
        assert_eq!(store.withdraw_override(9, &ana, minute(41)).await.expect("read"), Withdrawal::Unknown);
        assert_eq!(people(&store.overrides(minute(41)).await.expect("read")), Vec::<String>::new());
        // What was, is known for ever: ana had it for half an hour, and bo within.
        let was = store.overrides_between(minute(0), minute(60)).await.expect("read");
        assert_eq!(was, [takes_over("ana", 10, 40), takes_over("bo", 20, 30)]);
    }

    async fn overrides_that_are_made_at_once_each_have_a_number_and_a_delivery_makes_one(scratch) {
        let mut making = tokio::task::JoinSet::new();
        for n in 0..8_i64 {
            let store = Store::open(&scratch.url).await.expect("the store");
            making.spawn(async move {
                let delivery = DeliveryId::new("once");
                let mut numbers = Vec::new();
                for m in 0..5 {
                    let over = takes_over("ana", n * 10 + m, 1_000);
                    let delivery = (m == 0).then_some(&delivery);
                    let kept = store.keep_override(&over, &Who::named("ana"), minute(0), delivery).await;
                    numbers.push(kept.expect("kept").number);
                }
                numbers
            });
        }
        let numbers: Vec<i64> = making.join_all().await.into_iter().flatten().collect();
        let each: BTreeSet<i64> = numbers.iter().copied().collect();
        // Eight times the same delivery, and 32 others.
        assert_eq!((numbers.len(), each.len()), (40, 33));
        assert_eq!(each, (1..=33).collect::<BTreeSet<i64>>());
    }
}

on_both_engines! {
    async fn a_duty_is_one_replicas_until_its_lease_ends(scratch) {
        let store = Store::open(&scratch.url).await.expect("the store");
        let lease = SignedDuration::from_mins(10);
        let takes = async |owner: &str, at: i64| {
            store.take_duty("usergroup/primary", owner, minute(at), lease).await.expect("asked")
        };
        assert!(takes("a", 0).await);
        assert!(!takes("b", 9).await);
        // Whoever has it may keep it longer.
        assert!(takes("a", 9).await);
        assert!(!takes("b", 18).await);
        assert!(takes("b", 19).await);
        assert!(!takes("a", 20).await);
        // A year ahead of everybody, and gone since.
        assert!(takes("c", 365 * 24 * 60).await);
        assert!(takes("a", 21).await);
        assert!(!takes("b", 22).await);
    }

    async fn a_calendar_counts_below_what_people_say_and_is_kept_when_its_address_is_away(scratch) {
        let store = Store::open(&scratch.url).await.expect("the store");
        let turns = [takes_over("ana", 0, 60)];
        let fresh = |turns| FreshCalendar {
            schedule: "primary",
            body: "BEGIN:VCALENDAR",
            turns,
            strangers: &[],
            troubles: &[],
        };
        assert_eq!(store.calendar_body("primary").await.expect("read"), None);
        store.note_calendar_trouble("primary", "HTTP 500").await.expect("noted");
        assert_eq!(store.calendar_body("primary").await.expect("read"), None);
        store.keep_calendar(fresh(&turns), Some(minute(0))).await.expect("kept");
        let (bo, by) = (takes_over("bo", 10, 20), Who::named("bo"));
        store.keep_override(&bo, &by, minute(0), None).await.expect("kept");
        let known = store.overrides(minute(1)).await.expect("read");
        assert_eq!(known.to_vec(), [turns[0].clone(), bo.clone()]);
        store.note_calendar_trouble("primary", "HTTP 503").await.expect("noted");
        let kept = store.calendars().await.expect("read").remove(0);
        assert_eq!((kept.read_at, kept.trouble.as_deref()), (minute(0), Some("HTTP 503")));
        // Read anew, it is another; when it was fetched stays.
        let later = [takes_over("cy", 30, 90)];
        store.keep_calendar(fresh(&later), None).await.expect("kept");
        let between = store.overrides_between(minute(0), minute(95)).await.expect("read");
        assert_eq!(between, [later[0].clone(), bo]);
        assert_eq!(store.calendars().await.expect("read")[0].read_at, minute(0));
        assert_eq!(store.calendar_body("primary").await.expect("read").as_deref(), Some("BEGIN:VCALENDAR"));
        store.forget_calendars(&["secondary"]).await.expect("forgotten");
        assert_eq!(store.calendars().await.expect("read"), []);
    }
}
