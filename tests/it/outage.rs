//! A database that is gone, hangs, is locked, or whose answer is lost on the way: everybody is told the truth, and in
//! time.

use std::sync::Arc;
use std::time::Duration;

use firebell::clock::Clock;
use firebell::desk::{UNCLEAR, told};
use firebell::domain::catalog::Catalog;
use firebell::domain::command::{Command, Declaration};
use firebell::domain::terms::{Actor, DeliveryId, IncidentId, SlackUserId, Who};
use firebell::engine::{Delivery, Engine, EngineError, Envelope, Outcome, Wish};
use firebell::store::Store;
use futures_util::future::join_all;
use jiff::Timestamp;
use sqlx::{Connection, PgConnection, SqliteConnection};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::harness::TestBot;
use crate::scratch::Scratch;

/// Under Slack's three seconds, with some left for the way.
const IN_TIME: Duration = Duration::from_millis(2_500);

/// What a wire does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    /// Passes everything on.
    Open,
    /// Keeps everything, as a network does that has gone silent.
    Mute,
    /// Refuses.
    Gone,
    /// Passes a question on, cuts the connection instead of the answer, and is open again.
    LosesOneAnswer,
    /// The same, each time.
    LosesAnswers,
}

/// A wire to a server.
struct Network {
    url: String,
    wire: watch::Sender<Wire>,
}

impl Network {
    async fn to(scratch: &Scratch) -> Self {
        let (_, rest) = scratch.url.rsplit_once('@').unwrap();
        let (server, name) = rest.split_once('/').unwrap();
        let (wire, state) = watch::channel(Wire::Open);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let url = format!("postgres://firebell@{address}/{name}");
        tokio::spawn(listen(listener, server.to_owned(), wire.clone(), state));
        Self { url, wire }
    }

    fn is(&self, wire: Wire) {
        self.wire.send_replace(wire);
    }
}

async fn listen(
    listener: TcpListener,
    server: String,
    wire: watch::Sender<Wire>,
    mut state: watch::Receiver<Wire>,
) {
    let address = listener.local_addr().unwrap();
    let mut listener = Some(listener);
    loop {
        let open = match listener.take() {
            Some(listener) => listener,
            None => {
                if state.wait_for(|wire| *wire != Wire::Gone).await.is_err() {
                    return;
                }
                TcpListener::bind(address).await.unwrap()
            }
        };
        loop {
            let client = tokio::select! {
                accepted = open.accept() => accepted.unwrap().0,
                gone = state.wait_for(|wire| *wire == Wire::Gone) => match gone {
                    Ok(_) => break,
                    Err(_) => return,
                },
            };
            let (server, wire) = (server.clone(), wire.clone());
            tokio::spawn(async move {
                let mut gone = wire.subscribe();
                tokio::select! {
                    () = pass_on(client, server, wire) => {}
                    _ = gone.wait_for(|wire| *wire == Wire::Gone) => {}
                }
            });
        }
    }
}

/// Carries the bytes of one connection to and fro.
async fn pass_on(client: TcpStream, server: String, wire: watch::Sender<Wire>) {
    let server = TcpStream::connect(server).await.unwrap();
    let there = carry(&client, &server, &wire, false);
    let back = carry(&server, &client, &wire, true);
    tokio::select! { () = there => {}, () = back => {} }
}

async fn carry(from: &TcpStream, to: &TcpStream, wire: &watch::Sender<Wire>, answers: bool) {
    let mut state = wire.subscribe();
    let mut bytes = vec![0; 65_536];
    loop {
        from.readable().await.unwrap();
        let mut rest = match from.try_read(&mut bytes) {
            Ok(0) => return,
            Ok(n) => &bytes[..n],
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(_) => return,
        };
        let state = *state.wait_for(|wire| *wire != Wire::Mute).await.unwrap();
        if answers && state == Wire::LosesOneAnswer {
            wire.send_replace(Wire::Open);
            return;
        }
        if answers && state == Wire::LosesAnswers {
            return;
        }
        while !rest.is_empty() {
            to.writable().await.unwrap();
            match to.try_write(rest) {
                Ok(n) => rest = &rest[n..],
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }
}

fn declare(title: &str) -> Envelope {
    let ana = SlackUserId::parse("U0ANA00001").unwrap();
    Envelope {
        wish: Wish::Declare(Declaration::titled(title)),
        actor: Actor::Person(Who::slack(ana, "ana")),
        delivery: None,
    }
}

fn delivered(title: &str) -> Envelope {
    Envelope {
        delivery: Some(Delivery {
            id: DeliveryId::new(title),
            for_ever: false,
        }),
        ..declare(title)
    }
}

/// Asks, and demands that the answer comes in time.
async fn ask(engine: &Engine, envelope: Envelope) -> Result<Outcome, EngineError> {
    let began = Instant::now();
    let answer = engine.handle(envelope).await;
    let took = began.elapsed();
    assert!(took < IN_TIME, "answered after {took:?}: {answer:?}");
    answer
}

async fn start(url: &str) -> (Engine, Store) {
    let store = Store::open(url).await.unwrap();
    let engine = Engine::start(store.clone(), Arc::new(Catalog::default()), Clock::System);
    ask(&engine, declare("warm")).await.unwrap();
    (engine, store)
}

/// The titles of all incidents that are written down.
async fn titles(scratch: &Scratch) -> Vec<String> {
    let store = scratch.store().await;
    let mut titles = Vec::new();
    for id in store.all_ids().await.unwrap() {
        titles.push(store.incident(&id).await.unwrap().unwrap().title.clone());
    }
    store.close().await;
    titles.sort();
    titles
}

/// Asks twelve times, a little one after the other, while the database does not serve. Says which are in doubt.
async fn asked_in_vain(engine: &Engine) -> Vec<String> {
    let asked = (0..12).map(|n: u64| async move {
        tokio::time::sleep(Duration::from_millis(n * 100)).await;
        let title = format!("in vain {n:02}");
        match ask(engine, declare(&title)).await {
            Err(EngineError::Unclear(_)) => Some(title),
            Err(EngineError::Store(_) | EngineError::Overloaded) => None,
            other => panic!("{other:?}"),
        }
    });
    join_all(asked).await.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_gone_is_told_in_time_and_when_it_is_back_nothing_old_is_done() {
    Scratch::postgres()
        .await
        .holds(async |scratch| {
            let network = Network::to(scratch).await;
            let (engine, _store) = start(&network.url).await;
            network.is(Wire::Gone);
            let doubts = asked_in_vain(&engine).await;
            assert!(doubts.len() <= 1, "only what was on its way: {doubts:?}");
            network.is(Wire::Open);
            // The wire needs a moment to listen again.
            while let Err(error) = ask(&engine, declare("zero")).await {
                assert!(matches!(error, EngineError::Store(_)), "{error:?}");
            }
            assert_eq!(titles(scratch).await, ["warm", "zero"]);
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_goes_silent_keeps_nobody_waiting_and_what_was_refused_is_never_done() {
    Scratch::postgres()
        .await
        .holds(async |scratch| {
            let network = Network::to(scratch).await;
            let (engine, store) = start(&network.url).await;
            network.is(Wire::Mute);
            let doubts = asked_in_vain(&engine).await;
            let began = Instant::now();
            store.ping().await.expect_err("nobody answers");
            assert!(began.elapsed() < IN_TIME, "{:?}", began.elapsed());
            let began = Instant::now();
            store.close().await;
            assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
            drop(engine);
            network.is(Wire::Open);
            // What was still on the wire has arrived when the server knows of none of our connections.
            let ours = "SELECT 'x' FROM pg_stat_activity WHERE application_name = 'firebell' AND datname = current_database()";
            while !scratch.look(ours).await.is_empty() {
                tokio::task::yield_now().await;
            }
            let mut allowed = doubts;
            allowed.push("warm".to_owned());
            for title in titles(scratch).await {
                assert!(allowed.contains(&title), "{title} was refused, and is done");
            }
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_looked_up_and_what_was_done_is_called_done() {
    Scratch::postgres()
        .await
        .holds(async |scratch| {
            let network = Network::to(scratch).await;
            let (engine, _store) = start(&network.url).await;
            network.is(Wire::LosesOneAnswer);
            let outcome = ask(&engine, declare("checkout is down")).await.unwrap();
            assert_eq!(outcome.incident.title, "checkout is down");
            assert!(!outcome.repeated);
            network.is(Wire::LosesOneAnswer);
            let first = ask(&engine, delivered("login is down")).await.unwrap();
            let again = ask(&engine, delivered("login is down")).await.unwrap();
            assert_eq!(
                (first.incident.id.clone(), true),
                (again.incident.id.clone(), again.repeated)
            );
            assert_eq!(
                titles(scratch).await,
                ["checkout is down", "login is down", "warm"]
            );
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_looked_up_either_is_called_unknown() {
    Scratch::postgres()
        .await
        .holds(async |scratch| {
            let network = Network::to(scratch).await;
            let (engine, _store) = start(&network.url).await;
            // The server knows the statement, and carries it out at once.
            ask(&engine, delivered("warm")).await.unwrap();
            network.is(Wire::LosesAnswers);
            let error = ask(&engine, delivered("checkout is down"))
                .await
                .expect_err("no answer comes through");
            assert!(matches!(error, EngineError::Unclear(_)), "{error:?}");
            assert_eq!(told(&error), UNCLEAR);
            assert!(UNCLEAR.contains("not known") && UNCLEAR.contains("`/incident list`"));
            network.is(Wire::Open);
            // It was done; whoever repeats it is told so.
            let again = ask(&engine, delivered("checkout is down")).await.unwrap();
            assert!(again.repeated);
            assert_eq!(titles(scratch).await, ["checkout is down", "warm", "warm"]);
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_somebody_locks_is_not_waited_for_without_end() {
    Scratch::postgres()
        .await
        .holds(async |scratch| {
            let (engine, store) = start(&scratch.url).await;
            let mut other = PgConnection::connect(&scratch.url).await.unwrap();
            let mut locking = other.begin().await.unwrap();
            sqlx::query("LOCK TABLE events IN EXCLUSIVE MODE")
                .execute(&mut *locking)
                .await
                .unwrap();
            let doubts = asked_in_vain(&engine).await;
            assert_eq!(doubts, Vec::<String>::new());
            locking.rollback().await.unwrap();
            ask(&engine, declare("zero")).await.unwrap();
            assert_eq!(titles(scratch).await, ["warm", "zero"]);
            store.close().await;
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_another_process_has_locked_is_not_waited_for_without_end() {
    Scratch::sqlite()
        .await
        .holds(async |scratch| {
            let (engine, store) = start(&scratch.url).await;
            let mut other = SqliteConnection::connect(&scratch.url).await.unwrap();
            let locking = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
            let doubts = asked_in_vain(&engine).await;
            assert_eq!(doubts, Vec::<String>::new());
            locking.rollback().await.unwrap();
            ask(&engine, declare("zero")).await.unwrap();
            assert_eq!(titles(scratch).await, ["warm", "zero"]);
            store.close().await;
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_types_while_the_file_is_locked_is_told_that_nothing_was_done() {
    let bot = TestBot::start().await;
    let mut other = SqliteConnection::connect(&bot.database_url).await.unwrap();
    let locking = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let began = Instant::now();
    let answer = bot
        .user("ana")
        .types("general", "/incident declare p1 checkout is down")
        .await;
    assert!(began.elapsed() < IN_TIME, "{:?}", began.elapsed());
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains("nothing was done"), "{answer:?}");
    locking.rollback().await.unwrap();
    assert_eq!(bot.store.all_ids().await.unwrap(), Vec::<IncidentId>::new());
    bot.finish_unread().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_panics_is_noticed_at_once() {
    Scratch::sqlite()
        .await
        .holds(async |scratch| {
            let store = scratch.store().await;
            // In the last second of all time: whoever reckons on from it panics.
            let end = Timestamp::from_second(Timestamp::MAX.as_second()).unwrap();
            let clock = Clock::by_hand(end);
            let engine = Engine::start(store.clone(), Arc::new(Catalog::default()), clock);
            assert!(engine.is_running());
            let error = engine.handle(declare("x")).await.expect_err("it panics");
            assert!(matches!(error, EngineError::Unclear(_)), "{error:?}");
            engine.stopped().await;
            assert!(!engine.is_running());
            let error = engine.handle(declare("x")).await.expect_err("it is gone");
            assert!(matches!(error, EngineError::Store(_)), "{error:?}");
        })
        .await;
}

/// The wish of an incident whose table of events goes on past it, as after half a restore.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_record_is_named_and_holds_nobody_up() {
    Scratch::postgres()
        .await
        .holds(async |scratch| {
            let (engine, store) = start(&scratch.url).await;
            let id = store.all_ids().await.unwrap().remove(0);
            scratch
                .tamper(
                    "INSERT INTO events SELECT incident_id, 2, kind, happened_at_ms, recorded_at_ms, actor, payload, hash FROM events",
                )
                .await;
            let note = Envelope {
                wish: Wish::Pursue(id.clone(), Command::AddNote { text: "x".into() }),
                ..declare("")
            };
            let (error, innocent) =
                tokio::join!(ask(&engine, note), ask(&engine, declare("innocent")));
            let error = error.expect_err("nothing can be added");
            assert!(matches!(&error, EngineError::Damaged(damaged) if *damaged == id), "{error:?}");
            assert!(told(&error).contains("`firebell audit verify`"), "{}", told(&error));
            innocent.unwrap();
            store.close().await;
        })
        .await;
}
