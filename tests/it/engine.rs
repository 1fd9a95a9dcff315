//! What the one door promises, the same on SQLite and on PostgreSQL.

use std::collections::BTreeSet;
use std::sync::Arc;

use firebell::clock::Clock;
use firebell::domain::catalog::Catalog;
use firebell::domain::command::{Command, Declaration, Report, Timer};
use firebell::domain::decide::Refusal;
use firebell::domain::effect::Lane;
use firebell::domain::event::{Event, Resolution, Update};
use firebell::domain::group::Tally;
use firebell::domain::incident::{Room, fold};
use firebell::domain::raise::Raise;
use firebell::domain::terms::{
    Actor, ChannelId, DeliveryId, GroupId, IncidentId, ServiceId, SlackUserId, Status, Who,
};
use firebell::engine::{Delivery, Engine, EngineError, Envelope, Outcome, Wish};
use firebell::store::Store;
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};

use crate::scratch::{Chance, Scratch, on_both_engines};

// --- a bot without its outside --------------------------------------------------------------------

/// One replica: a door, and a handle on the store to look through.
struct Replica {
    engine: Engine,
    store: Store,
    clock: Clock,
}

fn beginning() -> Timestamp {
    "2025-09-14T03:00:00Z".parse().expect("a moment")
}

async fn replica(scratch: &Scratch) -> Replica {
    replica_with(scratch, Catalog::default(), Clock::by_hand(beginning())).await
}

async fn replica_with(scratch: &Scratch, catalog: Catalog, clock: Clock) -> Replica {
    let store = scratch.store().await;
    Replica {
        engine: Engine::start(store.clone(), Arc::new(catalog), clock.clone()),
        store,
        clock,
    }
}

/// What the n-th group of alerts of a service asks for.
fn raise(n: u32, service: &str) -> Envelope {
    let mut declaration = Declaration::titled(format!("{service} {n}"));
    declaration.service = Some(ServiceId::new(service));
    let group = GroupId::new(format!("grp-{n}"));
    Envelope {
        wish: Wish::Raise(Raise {
            tally: Tally {
                title: declaration.title.clone(),
                source: "prometheus".into(),
                firing: 1,
                total: 1,
                samples: vec![],
                is_quieted: false,
                is_flapping: false,
                remarks: vec![],
                common: Default::default(),
                leads: vec![],
            },
            join: Some(SignedDuration::from_mins(30)),
            declaration,
            group,
        }),
        actor: Actor::Alert {
            source: "prometheus".into(),
        },
        delivery: Some(Delivery {
            id: DeliveryId::new(format!("alerts/{n}")),
            for_ever: true,
        }),
    }
}

fn ana() -> Actor {
    let id = SlackUserId::parse("U0ANA00001").expect("an id");
    Actor::Person(Who::slack(id, "ana"))
}

fn note(text: impl Into<String>) -> Command {
    Command::AddNote { text: text.into() }
}

fn declare(title: &str) -> Envelope {
    Envelope {
        wish: Wish::Declare(Declaration::titled(title)),
        actor: ana(),
        delivery: None,
    }
}

fn wish(id: &IncidentId, command: Command) -> Envelope {
    Envelope {
        wish: Wish::Pursue(id.clone(), command),
        actor: ana(),
        delivery: None,
    }
}

/// The same, as it comes from a sender who may repeat it.
fn delivered(id: &str, envelope: Envelope) -> Envelope {
    Envelope {
        delivery: Some(Delivery {
            id: DeliveryId::new(id),
            for_ever: false,
        }),
        ..envelope
    }
}

/// Whether nothing was done because the machine is busy with other things.
fn is_too_busy(error: &EngineError) -> bool {
    match error {
        EngineError::Overloaded => true,
        EngineError::Store(cause) => cause.to_string().contains("in time"),
        _ => false,
    }
}

impl Replica {
    /// It is done; a machine that is busy with other things may have to be asked again.
    async fn says(&self, envelope: Envelope) -> Outcome {
        for _ in 0..20 {
            match self.engine.handle(envelope.clone()).await {
                Err(error) if is_too_busy(&error) => {}
                answer => return answer.expect("it is done"),
            }
        }
        panic!("it is never done: {envelope:?}")
    }

    async fn declared(&self) -> IncidentId {
        self.says(declare("checkout is down"))
            .await
            .incident
            .id
            .clone()
    }

    async fn refuses(&self, envelope: Envelope) -> Refusal {
        match self.engine.handle(envelope).await {
            Err(EngineError::Refused(refusal)) => refusal,
            other => panic!("not refused: {other:?}"),
        }
    }

    /// The notes of an incident, each once.
    async fn notes(&self, id: &IncidentId) -> BTreeSet<String> {
        let mut notes = BTreeSet::new();
        for row in self.store.events_after(id, 0).await.expect("a page") {
            if let Event::NoteAdded { text } = row.recorded().expect("an event").event {
                assert!(notes.insert(text.clone()), "{text} was written twice");
            }
        }
        notes
    }

    /// Each incident is what its events add up to, and its record holds.
    async fn finish(&self) {
        for id in self.store.all_ids().await.expect("a list") {
            let rows = self.store.events_after(&id, 0).await.expect("a page");
            let state = rows
                .iter()
                .map(|row| row.recorded().expect("an event"))
                .fold(None, |state, it| fold(state, &it));
            let kept = self.store.incident(&id).await.expect("a state");
            assert_eq!(state.as_ref(), kept.as_deref());
            assert_eq!(
                self.store.audit(&id).await.expect("an audit"),
                Vec::<String>::new()
            );
        }
    }
}

// --- the same delivery twice ----------------------------------------------------------------------

on_both_engines! {
    async fn a_delivery_made_twice_is_done_once_and_answered_the_same(scratch) {
        let one = replica(scratch).await;
        let first = one.says(delivered("d1", declare("checkout is down"))).await;
        let second = one.says(delivered("d1", declare("checkout is down"))).await;
        assert_eq!(first.incident, second.incident);
        assert_eq!((first.repeated, second.repeated), (false, true));
        // Answered as then: by the first of what happened.
        assert_eq!(second.events, first.events);

        let id = &first.incident.id;
        let first = one.says(delivered("d2", wish(id, Command::Acknowledge))).await;
        let second = one.says(delivered("d2", wish(id, Command::Acknowledge))).await;
        assert_eq!(first.incident, second.incident);
        // Without a delivery it is another wish, and that is refused.
        assert!(matches!(one.refuses(wish(id, Command::Acknowledge)).await, Refusal::AlreadyAcknowledged { .. }));
        assert_eq!(scratch.count("incidents").await, 1);
        assert_eq!(scratch.count("events").await, 2);
        one.finish().await;
    }

    async fn a_delivery_is_known_after_a_restart_and_to_the_other_replica(scratch) {
        let one = replica(scratch).await;
        let first = one.says(delivered("d1", declare("checkout is down"))).await;
        let acknowledged = one.says(delivered("d2", wish(&first.incident.id, Command::Acknowledge))).await;
        let other = replica(scratch).await;
        // A second acknowledgement would be refused; the same one is not.
        let again = other.says(delivered("d2", wish(&first.incident.id, Command::Acknowledge))).await;
        assert!(again.repeated);
        assert_eq!(acknowledged.incident, again.incident);
        let again = other.says(delivered("d1", declare("checkout is down"))).await;
        assert!(again.repeated);
        assert_eq!(first.incident.id, again.incident.id);
        assert_eq!(scratch.count("incidents").await, 1);
        // And if it comes first, the next declaration has the next number.
        let next = one.says(declare("login is down")).await;
        assert_eq!(next.incident.id.as_str(), "INC-2025-0914-002");
    }

    async fn a_delivery_made_many_times_at_once_is_done_once(scratch) {
        let (one, other) = (replica(scratch).await, replica(scratch).await);
        let answers = join_all((0..40).map(|n| {
            let replica = if n % 2 == 0 { &one } else { &other };
            replica.says(delivered("d1", declare("checkout is down")))
        }))
        .await;
        assert_eq!(answers.iter().filter(|answer| !answer.repeated).count(), 1);
        assert!(answers.iter().all(|answer| answer.incident.id.as_str() == "INC-2025-0914-001"));
        assert_eq!((scratch.count("incidents").await, scratch.count("events").await), (1, 1));
        one.finish().await;
    }

    async fn a_repeated_delivery_among_others_keeps_none_of_them_from_being_done(scratch) {
        let (one, other) = (replica(scratch).await, replica(scratch).await);
        let id = one.declared().await;
        other.says(delivered("known to the other", wish(&id, note("other")))).await;
        let answers = join_all((0..20).map(|n| {
            let delivery = if n == 7 { "known to the other".to_owned() } else { format!("{n}") };
            one.says(delivered(&delivery, wish(&id, note(n.to_string()))))
        }))
        .await;
        assert_eq!(answers.iter().filter(|answer| answer.repeated).count(), 1);
        assert_eq!(one.notes(&id).await.len(), 20);
        one.finish().await;
    }
}

// --- two replicas ---------------------------------------------------------------------------------

on_both_engines! {
    async fn two_replicas_lose_nothing_of_one_incident(scratch) {
        let mut chance = Chance::new();
        let (one, other) = (replica(scratch).await, replica(scratch).await);
        let id = one.declared().await;
        let wishes = (0..120).map(|n| {
            let (replica, mut chance) = (if chance.below(2) == 0 { &one } else { &other }, chance.of(n));
            let id = &id;
            async move {
                chance.pause().await;
                replica.says(wish(id, note(n.to_string()))).await
            }
        });
        join_all(wishes).await;
        assert_eq!(one.notes(&id).await.len(), 120);
        one.finish().await;
    }

    async fn alerts_of_one_service_that_come_at_once_are_one_incident(scratch) {
        let catalog = || {
            let toml = "[[services]]\nid = \"checkout\"\n[[services]]\nid = \"search_\"";
            firebell::config::parse(toml, "firebell.toml").unwrap().0
        };
        let (one, other) = (
            replica_with(scratch, catalog(), Clock::by_hand(beginning())).await,
            replica_with(scratch, catalog(), Clock::by_hand(beginning())).await,
        );
        let answers = join_all((0..24).map(|n| {
            let replica = if n % 2 == 0 { &one } else { &other };
            let service = if n % 3 == 0 { "search_" } else { "checkout" };
            replica.says(raise(n, service))
        })).await;
        assert_eq!(scratch.count("incidents").await, 2);
        for outcome in &answers {
            let incident = one.store.incident(&outcome.incident.id).await.unwrap().unwrap();
            let groups = if incident.service.as_ref().unwrap().as_str() == "checkout" { 15 } else { 7 };
            assert_eq!(incident.alerts.len(), groups, "all but the first have joined");
        }
        // Asked for again, each is told the same.
        let again = other.says(raise(7, "checkout")).await;
        assert!(again.repeated);
        assert_eq!(again.incident.id, answers[7].incident.id);
        one.finish().await;
    }

    async fn eight_replicas_find_their_turn(scratch) {
        let replicas = join_all((0..8).map(|_| replica(scratch))).await;
        let id = replicas[0].declared().await;
        join_all((0..160).map(async |n: usize| {
            // Whoever does not get a turn in time is told so, and asks again.
            while let Err(error) = replicas[n % 8].engine.handle(wish(&id, note(n.to_string()))).await {
                assert!(is_too_busy(&error), "{error:?}");
            }
        }))
        .await;
        assert_eq!(replicas[0].notes(&id).await.len(), 160);
        replicas[0].finish().await;
    }

    async fn two_replicas_leave_no_gap_in_the_numbers_and_give_none_twice(scratch) {
        let (one, other) = (replica(scratch).await, replica(scratch).await);
        let answers = join_all((0..60).map(|n| {
            let replica = if n % 3 == 0 { &one } else { &other };
            replica.says(declare("checkout is down"))
        }))
        .await;
        let ids: BTreeSet<_> = answers.iter().map(|answer| answer.incident.id.to_string()).collect();
        let expected: BTreeSet<_> = (1..=60).map(|n| format!("INC-2025-0914-{n:03}")).collect();
        assert_eq!(ids, expected);
        one.finish().await;
    }

    async fn a_replica_that_was_not_there_neither_refuses_wrongly_nor_lets_pass_what_is_over(scratch) {
        let (one, other) = (replica(scratch).await, replica(scratch).await);
        let id = one.declared().await;
        // Both know it open; then it is resolved here, and there it may be reopened at once.
        other.says(wish(&id, note("I know it as open"))).await;
        one.says(wish(&id, Command::Resolve(Resolution::default()))).await;
        assert!(matches!(other.refuses(wish(&id, Command::Acknowledge)).await, Refusal::Over { .. }));
        other.says(wish(&id, Command::Reopen { reason: None })).await;
        // Here it is known as resolved, and is not.
        let after = one.says(wish(&id, Command::SetStatus(Status::Monitoring))).await;
        assert_eq!(after.incident.status, Status::Monitoring);
        assert!(matches!(other.refuses(wish(&id, Command::Close)).await, Refusal::StillOpen { .. }));
        one.finish().await;
    }

    async fn a_clock_that_another_replica_set_is_not_dropped(scratch) {
        let (one, other) = (replica(scratch).await, replica(scratch).await);
        let id = one.declared().await;
        other.says(wish(&id, note("I know the clock as it was"))).await;
        one.clock.advance(SignedDuration::from_mins(10));
        let update = Command::PostUpdate {
            update: Update { text: "looking".into(), ..Update::default() },
            status: None,
            severity: None,
        };
        one.says(wish(&id, update)).await;
        other.clock.advance(SignedDuration::from_mins(25));
        let now = other.clock.now();
        let rings = other.store.claim(Lane::Clocks, "other", now, now + SignedDuration::from_mins(1), 9).await.unwrap();
        assert_eq!(rings.len(), 1);
        let at = beginning() + SignedDuration::from_mins(25);
        let rung = other.engine.report(id.clone(), Command::Fire(Timer::Due { at }), rings[0].lease.clone()).await.unwrap();
        assert!(matches!(rung.events[..], [Event::UpdateOverdue(_)]), "the other knew an older setting, and said nothing");
        assert_eq!(scratch.count("outbox WHERE lane = 'clocks'").await, 1);
        one.finish().await;
    }

    async fn the_day_of_a_number_is_the_organizations(scratch) {
        let mut catalog = Catalog::default();
        catalog.organization.timezone = jiff::tz::TimeZone::get("America/Los_Angeles").expect("a zone");
        let one = replica_with(scratch, catalog, Clock::by_hand(beginning())).await;
        assert_eq!(one.declared().await.as_str(), "INC-2025-0913-001");
        assert_eq!(one.declared().await.as_str(), "INC-2025-0913-002");
        one.clock.advance(SignedDuration::from_hours(4));
        assert_eq!(one.declared().await.as_str(), "INC-2025-0914-001");
    }

    async fn a_refused_declaration_takes_no_number(scratch) {
        let one = replica(scratch).await;
        // All at once, so that they share a commit.
        let (first, refused, second) = tokio::join!(
            one.engine.handle(declare("checkout is down")),
            one.engine.handle(declare("  ")),
            one.engine.handle(declare("login is down")),
        );
        assert!(matches!(refused, Err(EngineError::Refused(Refusal::NoTitle))));
        let ids = [first, second].map(|answer| answer.expect("it is declared").incident.id.to_string());
        assert_eq!(ids, ["INC-2025-0914-001", "INC-2025-0914-002"]);
    }
}

// --- what orders bring back -----------------------------------------------------------------------

on_both_engines! {
    async fn a_report_takes_its_order_off_the_outbox_and_a_second_one_finds_the_lease_lost(scratch) {
        let one = replica(scratch).await;
        let id = one.declared().await;
        let now = one.clock.now();
        let orders = one.store.claim(Lane::Chat, "w", now, now + SignedDuration::from_mins(1), 9).await.unwrap();
        let room = orders.iter().find(|order| order.effect.queue() == Some("room")).expect("the room is to be opened");
        let opened = |channel: &str| Command::Record(Report::WarRoomOpened {
            channel: ChannelId::new(channel),
            name: "incident-2025-0914-001".into(),
        });
        let first = one.engine.report(id.clone(), opened("C0ROOM0001"), room.lease.clone()).await.unwrap();
        assert!(matches!(first.incident.room, Room::Channel { .. }));
        let before = scratch.everything().await;
        for channel in ["C0ROOM0001", "C0OTHER001"] {
            let second = one.engine.report(id.clone(), opened(channel), room.lease.clone()).await;
            assert!(matches!(second, Err(EngineError::LeaseLost)), "{second:?}");
        }
        assert_eq!(scratch.everything().await, before);
        one.finish().await;
    }

    async fn a_lost_lease_harms_nobody_who_shares_the_commit(scratch) {
        let one = replica(scratch).await;
        let id = one.declared().await;
        let now = one.clock.now();
        let orders = one.store.claim(Lane::Chat, "w", now, now + SignedDuration::from_mins(1), 9).await.unwrap();
        assert!(one.store.finish(&orders[0].lease).await.unwrap());
        let failed = Command::Record(Report::Failed { what: "x".into(), why: "y".into(), leaves: Default::default() });
        let (lost, notes) = tokio::join!(
            one.engine.report(id.clone(), failed, orders[0].lease.clone()),
            join_all((0..20).map(|n| one.says(wish(&id, note(n.to_string()))))),
        );
        assert!(matches!(lost, Err(EngineError::LeaseLost)), "{lost:?}");
        assert_eq!(notes.len(), 20);
        assert_eq!(one.notes(&id).await.len(), 20);
        one.finish().await;
    }

    async fn a_report_that_changes_nothing_still_takes_its_order_off(scratch) {
        let one = replica(scratch).await;
        let id = one.declared().await;
        one.clock.advance(SignedDuration::from_mins(15));
        let now = one.clock.now();
        let ring = one.store.claim(Lane::Clocks, "w", now, now + SignedDuration::from_mins(1), 9).await.unwrap().remove(0);
        one.says(wish(&id, Command::Resolve(Resolution::default()))).await;
        let at = now;
        let nothing = one.engine.report(id, Command::Fire(Timer::Due { at }), ring.lease).await.unwrap();
        assert_eq!(nothing.events, []);
        // The one that is left waits for the post-mortem.
        assert_eq!(scratch.count("outbox WHERE lane = 'clocks' AND attempts > 0").await, 0);
    }
}

// --- too much, and too little ---------------------------------------------------------------------

on_both_engines! {
    async fn of_too_much_at_once_the_rest_is_turned_away_and_leaves_no_trace(scratch) {
        let one = replica(scratch).await;
        let id = one.declared().await;
        // The writer has not begun when all of these have knocked: nothing here waits in between.
        let answers = join_all((0..2_000).map(|n| one.engine.handle(delivered(&n.to_string(), wish(&id, note(n.to_string())))))).await;
        let mut done = BTreeSet::new();
        for (n, answer) in answers.iter().enumerate() {
            match answer {
                Ok(_) => {
                    done.insert(n.to_string());
                }
                Err(EngineError::Overloaded) => {}
                other => panic!("{other:?}"),
            }
        }
        assert!(done.len() >= 200 && done.len() < 2_000, "{} were done", done.len());
        assert_eq!(one.notes(&id).await, done);
        assert_eq!(scratch.count("deliveries").await, done.len() as i64);
        // Afterwards there is room again, and what was turned away may come again.
        assert!(!one.engine.is_full());
        let turned_away = (0..2_000).map(|n| n.to_string()).find(|n| !done.contains(n)).expect("one was turned away");
        assert!(!one.says(delivered(&turned_away, wish(&id, note(turned_away.clone())))).await.repeated);
        one.finish().await;
    }

    async fn a_store_that_fails_is_told_and_when_it_is_back_all_goes_on(scratch) {
        let one = replica(scratch).await;
        let id = one.declared().await;
        one.says(delivered("d1", wish(&id, note("before")))).await;
        scratch.tamper("ALTER TABLE events RENAME TO gone").await;
        for text in ["lost", "lost too"] {
            let answer = one.engine.handle(delivered(text, wish(&id, note(text)))).await;
            assert!(matches!(answer, Err(EngineError::Store(_))), "{answer:?}");
        }
        let answer = one.engine.handle(declare("login is down")).await;
        assert!(matches!(answer, Err(EngineError::Store(_))), "{answer:?}");
        scratch.tamper("ALTER TABLE gone RENAME TO events").await;
        one.says(wish(&id, note("after"))).await;
        // What failed may come again, and what was done is still known.
        assert!(!one.says(delivered("lost", wish(&id, note("lost")))).await.repeated);
        assert!(one.says(delivered("d1", wish(&id, note("before")))).await.repeated);
        assert_eq!(one.notes(&id).await, ["after", "before", "lost"].map(str::to_owned).into());
        assert_eq!(one.says(declare("login is down")).await.incident.id.as_str(), "INC-2025-0914-002");
        one.finish().await;
    }

    async fn what_the_database_does_not_take_fails_alone(scratch) {
        let one = replica(scratch).await;
        let id = one.declared().await;
        scratch.tamper(match scratch.url.starts_with("sqlite") {
            true => "CREATE TRIGGER poison BEFORE INSERT ON events WHEN NEW.payload LIKE '%poison%' BEGIN SELECT RAISE(ABORT, 'poison'); END",
            false => "ALTER TABLE events ADD CHECK (payload NOT LIKE '%poison%')",
        }).await;
        let answers = join_all((0..20).map(|n| {
            let text = if n == 7 { "poison".to_owned() } else { n.to_string() };
            one.engine.handle(wish(&id, note(text)))
        }))
        .await;
        for (n, answer) in answers.iter().enumerate() {
            match n {
                7 => assert!(matches!(answer, Err(EngineError::Store(_))), "{answer:?}"),
                _ => assert!(answer.is_ok(), "{n}: {answer:?}"),
            }
        }
        assert_eq!(one.notes(&id).await.len(), 19);
    }

    async fn a_store_that_was_closed_is_an_error_and_not_a_wait_without_end(scratch) {
        let one = replica(scratch).await;
        let id = one.declared().await;
        one.store.close().await;
        let answer = one.engine.handle(wish(&id, note("x"))).await;
        assert!(matches!(answer, Err(EngineError::Store(_))), "{answer:?}");
    }

    async fn what_waits_is_written_when_the_last_door_is_closed(scratch) {
        let one = replica(scratch).await;
        let id = one.declared().await;
        let Replica { engine, store, .. } = one;
        let asked: Vec<_> = (0..50).map(|n| {
            let engine = engine.clone();
            let envelope = wish(&id, note(n.to_string()));
            tokio::spawn(async move { engine.handle(envelope).await })
        }).collect();
        drop(engine);
        for answer in asked {
            answer.await.unwrap().expect("it is done");
        }
        assert_eq!(store.incident(&id).await.unwrap().unwrap().version, 51);
    }

    async fn whoever_asked_and_went_away_is_served_all_the_same(scratch) {
        let one = replica(scratch).await;
        let id = one.declared().await;
        let mut asking = Box::pin(one.engine.handle(wish(&id, note("hung up"))));
        assert!(futures_util::poll!(&mut asking).is_pending());
        drop(asking);
        one.says(wish(&id, note("behind it"))).await;
        assert_eq!(one.notes(&id).await, ["behind it", "hung up"].map(str::to_owned).into());
    }
}

// --- one flush for many ---------------------------------------------------------------------------

on_both_engines! {
    async fn two_hundred_declarations_at_once_share_a_few_commits(scratch) {
        let one = replica(scratch).await;
        let commits = one.store.bells().heard(Lane::Chat);
        let before = *commits.borrow();
        join_all((0..200).map(|_| one.says(declare("checkout is down")))).await;
        let spent = *commits.borrow() - before;
        assert!(spent <= 20, "{spent} commits for 200 declarations");
        assert_eq!(scratch.count("incidents").await, 200);
        one.finish().await;
    }
}

/// A restart of the server under a running bot: the connections die, and nobody is told before they are used.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_postgres_drops_every_connection_one_wish_fails_and_the_next_is_written() {
    Scratch::postgres()
        .await
        .holds(async |scratch| {
            let one = replica(scratch).await;
            let id = one.declared().await;
            // As many connections as the bot keeps.
            join_all((0..40).map(|_| one.store.incident(&id))).await;
            scratch
                .look(
                    "SELECT CAST(pg_terminate_backend(pid) AS TEXT) FROM pg_stat_activity \
            WHERE application_name = 'firebell' AND datname = current_database()",
                )
                .await;
            let mut failed = 0;
            while one.engine.handle(wish(&id, note("x"))).await.is_err() {
                failed += 1;
                assert!(failed <= 1, "it does not recover");
            }
            println!("{failed} wishes failed");
            one.finish().await;
        })
        .await;
}
