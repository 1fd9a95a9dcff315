//! The ledger and its auditor: every page and every alert ends in exactly one of its ends, and what is in none is found
//! within the minute, said once, and stops the outer heartbeat.

use std::sync::Arc;

use firebell::clock::Clock;
use firebell::domain::catalog::{Catalog, ContactRule};
use firebell::domain::command::{Callee, Command, Declaration, Report, Timer};
use firebell::domain::escalation::Channel;
use firebell::domain::event::Resolution;
use firebell::domain::page::{Answer, Delivery, DeliveryState};
use firebell::domain::terms::{Actor, IncidentId, SlackUserId, Who};
use firebell::engine::{Engine, EngineError, Envelope, Wish};
use firebell::store::Store;
use jiff::{SignedDuration, Timestamp};

use crate::scratch::{Chance, Scratch, on_both_engines};

// --- a team that is called ------------------------------------------------------------------------

/// Ana at once, bo after fifteen minutes, and a second round; by ways that not everybody has.
const TEAM: &str = r##"
[[people]]
id = "ana"
name = "ana"
slack = "@ana"
phone = "+15550100"

[[people]]
id = "bo"
name = "bo"
slack = "@bo"

[[escalation_policies]]
id = "leadership"
repeat = 1
ack_timeout = "30m"
steps = [
  { after = "0m",  notify = ["person:ana"] },
  { after = "15m", notify = ["person:bo", "channel:#general"], via = ["slack"] },
]

[[severities]]
id = "p1"
name = "P1 - Critical"
acknowledge_within = "15m"
escalation_policy = "leadership"
"##;

fn team() -> Catalog {
    let (mut catalog, _) =
        firebell::config::parse(TEAM, "firebell.toml").unwrap_or_else(|faults| panic!("{faults}"));
    let rule = |via, minutes| ContactRule {
        via,
        after: SignedDuration::from_mins(minutes),
    };
    catalog.people[0].contact = vec![rule(Channel::Slack, 0), rule(Channel::Sms, 2)];
    catalog
}

fn ana() -> Actor {
    let id = SlackUserId::parse("U0ANA00001").expect("an id");
    Actor::Person(Who::slack(id, "ana"))
}

fn beginning() -> Timestamp {
    "2025-09-14T03:00:00Z".parse().expect("a moment")
}

/// A door without its outside.
struct Door {
    engine: Engine,
    store: Store,
    clock: Clock,
}

impl Door {
    async fn to(scratch: &Scratch) -> Self {
        let (store, clock) = (scratch.store().await, Clock::by_hand(beginning()));
        Self {
            engine: Engine::start(store.clone(), Arc::new(team()), clock.clone()),
            store,
            clock,
        }
    }

    async fn declare(&self) -> IncidentId {
        let envelope = Envelope {
            wish: Wish::Declare(Declaration::titled("checkout is down")),
            actor: ana(),
            delivery: None,
        };
        let declared = self.engine.handle(envelope).await.expect("it is declared");
        declared.incident.id.clone()
    }

    /// What is refused changes nothing.
    async fn wants(&self, id: &IncidentId, command: Command) {
        let actor = match &command {
            Command::Fire(_) | Command::Record(_) => Actor::Firebell,
            _ => ana(),
        };
        let envelope = Envelope {
            wish: Wish::Pursue(id.clone(), command),
            actor,
            delivery: None,
        };
        match self.engine.handle(envelope).await {
            Ok(_) | Err(EngineError::Refused(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }

    /// Something happens to an incident, by chance.
    async fn lives(&self, id: &IncidentId, chance: &mut Chance) {
        let incident = self.store.incident(id).await.unwrap().expect("it is there");
        let page = 1 + chance.below(u64::from(incident.paged) + 1) as u32;
        let via = Channel::ALL[chance.below(3) as usize];
        let command = match chance.below(12) {
            0..5 => {
                let Some((at, _)) = incident.next_due() else {
                    return;
                };
                let wait = at.duration_since(self.clock.now());
                self.clock.advance(wait.max(SignedDuration::ZERO));
                Command::Fire(Timer::Due { at })
            }
            5..8 => {
                let states = [
                    DeliveryState::Delayed,
                    DeliveryState::Failed,
                    DeliveryState::Accepted,
                    DeliveryState::Delivered,
                ];
                Command::Record(Report::Delivery(Delivery {
                    page,
                    via,
                    state: states[chance.below(4) as usize],
                    provider_id: (chance.below(2) == 0).then(|| format!("SM{page}\0")),
                    reason: (chance.below(2) == 0).then(|| "no route".to_owned()),
                }))
            }
            8 => match chance.below(2) {
                0 => Command::Acknowledge,
                _ => Command::Answer(Answer { page, via }),
            },
            9 => Command::Page {
                whom: Callee::Target("person:bo".parse().expect("a target")),
                text: (chance.below(2) == 0).then(|| "can you look?".to_owned()),
            },
            10 => Command::Escalate,
            _ => match incident.status.is_open() {
                true => Command::Resolve(Resolution::default()),
                false => Command::Reopen { reason: None },
            },
        };
        self.wants(id, command).await;
        self.clock.advance(SignedDuration::from_secs(7));
    }
}

// --- what is kept of pages ------------------------------------------------------------------------

on_both_engines! {
    async fn the_ledger_is_what_the_events_say_whatever_becomes_of_their_pages(scratch) {
        let door = Door::to(scratch).await;
        let mut chance = Chance::new();
        let mut ids = Vec::new();
        for _ in 0..12 {
            ids.push(door.declare().await);
        }
        for _ in 0..30 {
            for id in &ids {
                door.lives(id, &mut chance).await;
            }
        }
        for id in &ids {
            assert_eq!(door.store.audit(id).await.unwrap(), Vec::<String>::new());
        }
        let paged: u32 = {
            let mut paged = 0;
            for id in &ids {
                paged += door.store.incident(id).await.unwrap().unwrap().paged;
            }
            paged
        };
        assert_eq!(scratch.count("pages").await, i64::from(paged), "each page is there once");
        assert!(scratch.count("page_deliveries").await > i64::from(paged));
        let open = scratch.look("SELECT id FROM pages WHERE ended IS NULL ORDER BY id").await;
        let mut wanted = Vec::new();
        for id in &ids {
            let incident = door.store.incident(id).await.unwrap().unwrap();
            wanted.extend(incident.pages.iter().map(|page| format!("{id}/{}", page.number)));
        }
        wanted.sort();
        assert_eq!(open, wanted, "open is what has not ended");
    }

    async fn a_ledger_that_was_changed_by_hand_is_told_by_the_audit(scratch) {
        let door = Door::to(scratch).await;
        let id = door.declare().await;
        door.wants(&id, Command::Acknowledge).await;
        let faults = async || door.store.audit(&id).await.unwrap().join("\n");
        assert_eq!(faults().await, "");
        for (sql, fault) in [
            (
                "UPDATE pages SET ended_by = '@bo'",
                "INC-2025-0914-001: the ledger says something else of the page INC-2025-0914-001/1 than the record",
            ),
            (
                "DELETE FROM pages",
                "INC-2025-0914-001: the ledger lacks the page INC-2025-0914-001/1",
            ),
            (
                "INSERT INTO pages (id, incident_id, number, seq, addressee, why, paged_at_ms, contacts) \
                 VALUES ('INC-2025-0914-001/2', 'INC-2025-0914-001', 2, 2, '@bo', '', 0, '[]')",
                "INC-2025-0914-001: the ledger has a page INC-2025-0914-001/2 of which the record knows nothing",
            ),
            (
                "DELETE FROM page_deliveries",
                "INC-2025-0914-001: the ledger lacks the delivery INC-2025-0914-001/1/slack/ordered",
            ),
        ] {
            assert_eq!(scratch.tamper(sql).await, 1, "{sql}");
            let told = faults().await;
            assert!(told.contains(fault), "{sql}: {told}");
        }
    }

    async fn a_page_is_kept_with_who_why_when_and_how_it_ended(scratch) {
        let door = Door::to(scratch).await;
        let id = door.declare().await;
        let delivery = |state, reason: Option<&str>| Command::Record(Report::Delivery(Delivery {
            page: 1,
            via: Channel::Slack,
            state,
            provider_id: Some("D1/1.2".into()),
            reason: reason.map(str::to_owned),
        }));
        door.clock.advance(SignedDuration::from_secs(1));
        door.wants(&id, delivery(DeliveryState::Delayed, Some("Slack is away"))).await;
        door.clock.advance(SignedDuration::from_secs(9));
        door.wants(&id, delivery(DeliveryState::Accepted, None)).await;
        door.clock.advance(SignedDuration::from_secs(50));
        door.wants(&id, Command::Answer(Answer { page: 1, via: Channel::Slack })).await;
        door.clock.advance(SignedDuration::from_secs(5));
        // It arrives after all, and is kept.
        door.wants(&id, delivery(DeliveryState::Delivered, None)).await;
        let told = scratch
            .look(
                "SELECT addressee || ' ' || person_id || ', ' || why || ', ' || (ended_at_ms - paged_at_ms) || ' ms: ' \
                 || ended || ' by ' || ended_by || ' by ' || ended_via FROM pages",
            )
            .await;
        assert_eq!(
            told,
            ["@ana ana, Step 1 of 2 of leadership, 60000 ms: answered by @ana by slack"]
        );
        let steps = scratch
            .look(
                "SELECT via || ' ' || state || ' ' || (at_ms - (SELECT MIN(at_ms) FROM page_deliveries)) || ' ' \
                 || COALESCE(provider_id, '-') || ' ' || COALESCE(reason, '-') FROM page_deliveries ORDER BY seq, id",
            )
            .await;
        assert_eq!(
            steps,
            [
                "slack ordered 0 - -",
                "slack delayed 1000 D1/1.2 Slack is away",
                "sms ordered 1000 - -",
                "slack accepted 10000 D1/1.2 -",
                "slack answered 60000 D1/1.2 -",
                "slack delivered 65000 D1/1.2 -",
            ]
        );
    }
}
