//! The ledger and its auditor: every page and every alert ends in exactly one of its ends, and what is in none is found
//! within the minute, said once, and stops the outer heartbeat.

use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use firebell::app::{App, Parts};
use firebell::clock::Clock;
use firebell::domain::alert::{Alert, Links, Signal};
use firebell::domain::catalog::{Catalog, ContactRule};
use firebell::domain::command::{Callee, Command, Declaration, Report, Timer};
use firebell::domain::escalation::Channel;
use firebell::domain::event::Resolution;
use firebell::domain::page::{Answer, Delivery, DeliveryState};
use firebell::domain::terms::{Actor, DedupKey, IncidentId, SlackUserId, Who};
use firebell::engine::{Engine, EngineError, Envelope, Wish};
use firebell::intake::Request;
use firebell::notify::Notifier;
use firebell::simulator::Fault;
use firebell::store::Store;
use jiff::{SignedDuration, Timestamp};
use sqlx::{Connection, SqliteConnection};
use tokio::net::TcpListener;

use crate::harness::{TestBot, get};
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

// --- the auditor ----------------------------------------------------------------------------------

/// Whoever listens to the outer heartbeat, and counts.
struct Watchdog {
    url: String,
    heard: Arc<AtomicUsize>,
    answers: Arc<AtomicU16>,
}

impl Watchdog {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/ping/geheim", listener.local_addr().unwrap());
        let heard = Arc::new(AtomicUsize::new(0));
        let answers = Arc::new(AtomicU16::new(200));
        let (counted, status) = (heard.clone(), answers.clone());
        let answer = move || {
            counted.fetch_add(1, Ordering::Relaxed);
            let status = status.load(Ordering::Relaxed);
            async move {
                let status = axum::http::StatusCode::from_u16(status).unwrap();
                (status, [("location", "http://127.0.0.1:1/elsewhere")])
            }
        };
        let router = axum::Router::new().route("/ping/geheim", axum::routing::get(answer));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            url,
            heard,
            answers,
        }
    }

    fn heard(&self) -> usize {
        self.heard.load(Ordering::Relaxed)
    }
}

/// What the auditor finds when its minute is over; nobody else has looked.
async fn audited(bot: &TestBot) -> Vec<String> {
    bot.clock.advance(SignedDuration::from_mins(1));
    let found = bot.app.dispatcher().audit().await.unwrap();
    let found = found.expect("it is this replica's turn");
    found.iter().map(|finding| finding.words()).collect()
}

async fn by_hand(bot: &TestBot, sql: &'static str) -> u64 {
    let mut connection = SqliteConnection::connect(&bot.database_url).await.unwrap();
    let done = sqlx::query(sql).execute(&mut connection).await.unwrap();
    done.rows_affected()
}

const ROOM: &str = "incident-2025-0914-001";

#[tokio::test]
async fn a_clock_that_somebody_deletes_is_found_within_the_minute_said_once_and_stops_the_heartbeat()
 {
    let watchdog = Watchdog::start().await;
    let bot = TestBot::watched(team(), &watchdog.url).await;
    bot.types("ana", "general", "/incident declare p1 checkout is down")
        .await;
    bot.slack.mark_read();
    assert_eq!(audited(&bot).await, Vec::<String>::new());
    assert_eq!(watchdog.heard(), 1);

    assert_eq!(
        by_hand(&bot, "DELETE FROM outbox WHERE key = 'clock'").await,
        1
    );
    let found = audited(&bot).await;
    assert_eq!(
        found,
        [
            "Page 1 of INC-2025-0914-001 to @ana: it has not ended, and no clock of its incident waits to go on"
        ]
    );
    insta::assert_snapshot!(bot.reads("incidents"), @"
    :rotating_light: *OUT OF BALANCE: something may have got lost*
    • Page 1 of INC-2025-0914-001 to @ana: it has not ended, and no clock of its incident waits to go on.
       *What to do:* Reach @ana yourself if it is still needed. “/incident escalate INC-2025-0914-001” calls the next ones and sets the clock anew; “firebell audit verify” says whether the record was changed.
    All of it: `firebell ledger --open`, or the page `/ledger`. It is said again when it balances.
    ");
    let (_, ready) = get(&bot.url, "/readyz", None).await;
    assert!(
        ready.contains(r#""ledger":"degraded: 1 thing is out of balance"#),
        "{ready}"
    );

    // Still so a minute later, and another: nothing more is said.
    for _ in 0..2 {
        assert_eq!(audited(&bot).await, found);
    }
    assert_eq!(bot.reads("incidents"), "");
    assert_eq!(watchdog.heard(), 1, "nobody is told that all is well");

    bot.types("ana", ROOM, "/incident escalate").await;
    bot.slack.mark_read();
    assert_eq!(audited(&bot).await, Vec::<String>::new());
    insta::assert_snapshot!(bot.reads("incidents"), @":white_check_mark: *The ledger balances again:* every page and every alert is in one of its ends, or somebody is still on it.");
    assert_eq!(watchdog.heard(), 2);
    assert_eq!(audited(&bot).await, Vec::<String>::new());
    assert_eq!(bot.reads("incidents"), "");
    assert_eq!(watchdog.heard(), 3);
    let (_, ready) = get(&bot.url, "/readyz", None).await;
    assert!(!ready.contains("ledger"), "{ready}");
    bot.slack.mark_read();
    bot.finish().await;
}

#[tokio::test]
async fn what_was_found_while_slack_was_away_is_said_once_when_it_is_back() {
    let bot = TestBot::watched(team(), "http://127.0.0.1:1/nobody").await;
    bot.types("ana", "general", "/incident declare p1 checkout is down")
        .await;
    bot.slack.mark_read();
    by_hand(&bot, "DELETE FROM outbox WHERE key = 'clock'").await;
    // It is written down, and the answer is lost.
    bot.slack
        .fault("chat.postMessage", Fault::LoseAnswerAfter, 1);
    assert_eq!(audited(&bot).await.len(), 1);
    bot.slack.fault(
        "conversations.history",
        Fault::Error("internal_error".into()),
        1,
    );
    assert_eq!(audited(&bot).await.len(), 1);
    assert_eq!(audited(&bot).await.len(), 1);
    let said = bot.reads("incidents");
    assert_eq!(said.matches("OUT OF BALANCE").count(), 1, "{said}");
    bot.types("ana", ROOM, "/incident escalate").await;
    bot.slack.mark_read();
    assert_eq!(audited(&bot).await, Vec::<String>::new());
    let said = bot.reads("incidents");
    assert_eq!(said.matches("balances again").count(), 1, "{said}");
    bot.slack.mark_read();
    bot.finish().await;
}

#[tokio::test]
async fn a_watchdog_that_leads_elsewhere_or_fails_has_not_heard_and_its_address_is_not_shown() {
    let watchdog = Watchdog::start().await;
    let bot = TestBot::watched(team(), &watchdog.url).await;
    for (status, told) in [(302, "leads elsewhere"), (500, "HTTP status 500")] {
        watchdog.answers.store(status, Ordering::Relaxed);
        assert_eq!(audited(&bot).await, Vec::<String>::new());
        let (_, ready) = get(&bot.url, "/readyz", None).await;
        assert!(ready.contains(told), "{ready}");
        assert!(!ready.contains("geheim"), "{ready}");
    }
    watchdog.answers.store(204, Ordering::Relaxed);
    assert_eq!(audited(&bot).await, Vec::<String>::new());
    let (_, ready) = get(&bot.url, "/readyz", None).await;
    assert!(!ready.contains("heartbeat"), "{ready}");
    assert_eq!(watchdog.heard(), 3, "no redirect was followed");
    bot.finish().await;
}

/// Runs `firebell ledger` on the bot's own database, of all that there is.
fn printed(bot: &TestBot, words: &[&str]) -> (Option<i32>, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = std::process::Command::new(env!("CARGO_BIN_EXE_firebell"))
        .args(["ledger", "--from", "2025-09-01T00:00"])
        .args(words)
        .env("DATABASE_URL", &bot.database_url)
        .output()
        .unwrap();
    let said = [stdout, stderr].map(|it| String::from_utf8_lossy(&it).into_owned());
    (status.code(), said.concat())
}

#[tokio::test]
async fn the_ledger_can_be_read_on_the_command_line_and_as_a_page() {
    let bot = TestBot::watched(team(), "http://127.0.0.1:1/nobody").await;
    bot.types(
        "ana",
        "general",
        "/incident declare p1 <b>checkout</b> is down",
    )
    .await;
    bot.advance(SignedDuration::from_mins(1)).await;
    bot.types("ana", ROOM, "/incident ack").await;
    bot.types("ana", ROOM, "/incident page @bo can you <i>look</i>?")
        .await;
    let intake = &bot.app;
    alerts(intake, "nothing", "disk full", Signal::Firing).await;
    bot.settle().await;
    // The command goes by the time of day of this machine, at which everything is late.
    let (code, said) = printed(&bot, &[]);
    assert_eq!(code, Some(1));
    insta::assert_snapshot!(said, @"
    2025-09-14 14:30:00  answered    INC-2025-0914-001 page 1 to @ana: Step 1 of 2 of leadership; answered after 1m by @ana [slack accepted]
    2025-09-14 14:31:00  open        INC-2025-0914-001 page 2 to @bo: By hand, by @ana: can you <i>look</i>? [slack accepted]
    2025-09-14 14:31:01  open        alerts “disk full is nothing” of prometheus, 1 of 1 firing
    Pages: 2: 1 answered, 1 open.
    Groups of alerts: 1: 1 open.
    OUT OF BALANCE: Nobody does what is due in the lane clocks: first of all, to ring a clock for INC-2025-0914-001, since 2025-09-14T14:46:00Z.
    ");
    let (_, said) = printed(&bot, &["--open", "--json"]);
    let lines: Vec<serde_json::Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 3, "a page, a group and the totals: {said}");
    assert_eq!(lines[0]["to"], "@bo");
    assert_eq!(lines[0]["ways"][0]["state"], "accepted");
    assert_eq!(lines[2]["totals"]["pages"]["open"], 1);

    assert_eq!(get(&bot.url, "/ledger", None).await.0, 401);
    assert_eq!(
        get(&bot.url, "/ledger?before=x", Some("open sesame"))
            .await
            .0,
        400
    );
    let (status, page) = get(&bot.url, "/ledger", Some("open sesame")).await;
    assert_eq!(status, 200, "{page}");
    for shown in [
        "Everything is accounted for",
        "INC-2025-0914-001",
        "@ana",
        "disk full is nothing",
        "answered",
        "can you &lt;i&gt;look",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(!page.contains("<i>look"), "{page}");
    let (_, older) = get(&bot.url, "/ledger?before=1000", Some("open sesame")).await;
    assert!(older.contains("Nobody was called."), "{older}");

    by_hand(&bot, "DELETE FROM outbox WHERE key = 'clock'").await;
    assert_eq!(audited(&bot).await.len(), 1);
    let (status, page) = get(&bot.url, "/ledger", Some("open sesame")).await;
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("Something may have got lost"), "{page}");
    let (code, said) = printed(&bot, &["--open"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("OUT OF BALANCE: Page 2 of INC-2025-0914-001"),
        "{said}"
    );
    bot.slack.mark_read();
    bot.types("ana", ROOM, "/incident escalate").await;
    bot.slack.mark_read();
    bot.finish().await;
}

on_both_engines! {
    async fn of_two_replicas_one_looks_each_minute(scratch) {
        let clock = Clock::by_hand(beginning());
        let one = lonely(scratch, &clock).await;
        let two = lonely(scratch, &clock).await;
        for _ in 0..3 {
            let (a, b) = tokio::join!(one.dispatcher().audit(), two.dispatcher().audit());
            let looked = [a, b].into_iter().filter(|it| it.as_ref().unwrap().is_some());
            assert_eq!(looked.count(), 1);
            clock.advance(SignedDuration::from_secs(59));
            assert!(one.dispatcher().audit().await.unwrap().is_none(), "it is too early");
            clock.advance(SignedDuration::from_secs(1));
        }
    }

    async fn whatever_somebody_takes_away_by_hand_is_found(scratch) {
        let clock = Clock::by_hand(beginning());
        let app = lonely(scratch, &clock).await;
        let found = async || {
            clock.advance(SignedDuration::from_mins(1));
            let found = app.dispatcher().audit().await.unwrap().expect("its turn");
            found.iter().map(|finding| finding.key()).collect::<Vec<_>>()
        };
        let declare = Envelope {
            wish: Wish::Declare(Declaration::titled("checkout is down")),
            actor: ana(),
            delivery: None,
        };
        app.desk().engine.handle(declare).await.unwrap();
        app.settle().await.unwrap();
        alerts(&app, "declare", "a", Signal::Firing).await;
        alerts(&app, "notify", "b", Signal::Firing).await;
        alerts(&app, "suppress", "c", Signal::Firing).await;
        alerts(&app, "maintenance", "d", Signal::Firing).await;
        assert_eq!(found().await, Vec::<String>::new());
        let groups = scratch.look("SELECT owed || ' ' || id FROM alert_groups WHERE owed IS NOT NULL ORDER BY owed").await;
        let group = |owed: &str| {
            let group = groups.iter().find_map(|it| it.strip_prefix(owed));
            format!("group {}", group.unwrap_or_else(|| panic!("{owed}: {groups:?}")).trim())
        };
        scratch.tamper("DELETE FROM outbox WHERE key = 'declare'").await;
        assert_eq!(found().await, [group("declare")]);
        scratch.tamper("DELETE FROM outbox WHERE queue = 'card'").await;
        let mut both = [group("card"), group("declare")];
        both.sort();
        let mut told = found().await;
        told.sort();
        assert_eq!(told, both);
        scratch.tamper("UPDATE alert_groups SET owed = NULL").await;
        scratch.tamper("DELETE FROM outbox WHERE key = 'release'").await;
        assert_eq!(found().await, Vec::<String>::new(), "nothing is owed any more");
        scratch.tamper("UPDATE outbox SET due_at_ms = due_at_ms - 3600000 WHERE key = 'clock'").await;
        assert_eq!(found().await, ["overdue clocks"], "nobody works here but the auditor");
        app.settle().await.unwrap();
        assert_eq!(found().await, Vec::<String>::new());
        scratch
            .tamper(
                "INSERT INTO outbox (id, incident_id, lane, position, effect, ordered_at_ms, due_at_ms, attempts, \
                 buried_at_ms, last_error) VALUES ('x', 'INC-2025-0914-001', 'pages_sms', 0, '{\"effect\":\"hologram\"}', \
                 0, 0, 10, 1, 'unknown variant')",
            )
            .await;
        assert_eq!(found().await, ["order x"], "somebody is called, and an order cannot be read");
        scratch.tamper("DELETE FROM outbox WHERE incident_id = 'INC-2025-0914-001'").await;
        let told = found().await;
        assert!(told.iter().all(|key| key.starts_with("page INC-2025-0914-001/")), "{told:?}");
        assert!(!told.is_empty());
        scratch.tamper("UPDATE incidents SET status = 'resolved'").await;
        assert_eq!(found().await, told, "over, and its pages are not");
        scratch.tamper("DELETE FROM pages").await;
        scratch.tamper("DELETE FROM alert_groups").await;
        let told = found().await;
        assert_eq!(told.iter().filter(|key| key.starts_with("alert ")).count(), 4, "{told:?}");
    }

    async fn two_hundred_incidents_with_pages_live_and_die_and_nothing_is_ever_out_of_balance(scratch) {
        let clock = Clock::by_hand(beginning());
        let app = lonely(scratch, &clock).await;
        let door = Door {
            engine: app.desk().engine.clone(),
            store: app.desk().store.clone(),
            clock: clock.clone(),
        };
        let mut chance = Chance::new();
        let mut ids = Vec::new();
        for n in 0..200 {
            ids.push(door.declare().await);
            let then = ["declare", "notify", "suppress", "maintenance"][chance.below(4) as usize];
            let signal = match chance.below(3) {
                0 => Signal::Resolved,
                _ => Signal::Firing,
            };
            alerts(&app, then, &format!("{}", chance.below(40)), signal).await;
            for _ in 0..3 {
                let id = &ids[chance.below(ids.len() as u64) as usize];
                door.lives(id, &mut chance).await;
            }
            if n % 10 == 0 {
                app.settle().await.unwrap();
            }
            clock.advance(SignedDuration::from_secs(chance.below(50) as i64));
            if n % 5 == 0 {
                app.settle().await.unwrap();
                clock.advance(SignedDuration::from_mins(1));
                app.settle().await.unwrap();
                if let Some(found) = app.dispatcher().audit().await.unwrap() {
                    assert_eq!(found, vec![], "after {n} incidents");
                }
            }
        }
        // All of them come to an end, by whatever end.
        for _ in 0..200 {
            app.settle().await.unwrap();
            clock.advance(SignedDuration::from_mins(1));
        }
        app.settle().await.unwrap();
        let found = app.dispatcher().audit().await.unwrap();
        assert_eq!(found.expect("its turn"), vec![]);
        assert!(scratch.count("pages").await > 200);
    }
}

/// A bot that nobody has connected to Slack, with routes for alerts.
async fn lonely(scratch: &Scratch, clock: &Clock) -> App {
    let routes = r##"
[[alert_sources]]
id = "prometheus"
kind = "alertmanager"
secret_env = "X"

[[routes]]
match = { then = "declare" }
then = "declare"
group_by = ["name"]

[[routes]]
match = { then = "maintenance" }
then = "declare"
group_by = ["name"]

[[routes]]
match = { then = "suppress" }
then = "suppress"

[[maintenance]]
name = "Database move"
match = { then = "maintenance" }
from = "2025-09-01T00:00"
to = "2025-09-14T08:00"
timezone = "UTC"
"##;
    let mut catalog = team();
    let (with, _) = firebell::config::parse(routes, "firebell.toml")
        .unwrap_or_else(|faults| panic!("{faults}"));
    catalog.alert_sources = with.alert_sources;
    catalog.routes = with.routes;
    catalog.maintenance = with.maintenance;
    App::build(Parts {
        sns: Default::default(),
        alert_secrets: Default::default(),
        schedule_secrets: Default::default(),
        notifier: Notifier::new(&catalog, None, |_| None).0,
        public_url: None,
        catalog,
        beside: None,
        database_url: scratch.url.as_str().into(),
        slack: None,
        app_token: None,
        signing_secret: None,
        api_token: Some("open sesame".into()),
        heartbeat_url: None,
        clock: clock.clone(),
        metrics: None,
    })
    .await
    .unwrap()
}

/// Something is heard of an alert that takes this route.
async fn alerts(app: &App, then: &str, name: &str, signal: Signal) {
    let alert = Alert {
        key: DedupKey::new(format!("{then}-{name}")),
        signal,
        name: name.into(),
        title: format!("{name} is {then}"),
        description: None,
        severity: None,
        labels: [("then".to_owned(), then.to_owned())].into(),
        links: Links::default(),
        remark: None,
        started_at: None,
        ended_at: None,
        expires_at: None,
    };
    let request = Request {
        source: "prometheus".into(),
        alerts: vec![alert],
        delivery: None,
        content_type: "application/json".into(),
        heading: String::new(),
        body: "{}".into(),
    };
    let intake = app.desk().intake.as_ref().unwrap();
    intake.take(request).await.unwrap();
}
