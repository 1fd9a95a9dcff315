//! Sends requests, as fast as answers come (closed loop) or when they are due (open loop), and reports.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::marker::unix_us;
use crate::processes::{Group, Reading};
use crate::tally::Tally;
use crate::wire::Wire;

/// How late the timer may be: it counts in milliseconds.
const TIMER_GRAIN: Duration = Duration::from_millis(2);

/// What is sent.
pub trait Requests {
    fn address(&self) -> SocketAddr;

    /// The request of a turn, ready to be written to a socket.
    fn request(&self, turn: Turn) -> Vec<u8>;
}

/// One request's turn.
#[derive(Clone, Copy)]
pub struct Turn {
    /// Counted from 0, the warm-up's first.
    pub number: u64,
    /// When it was due, in microseconds since 1970; none in the warm-up.
    pub due_us: Option<u64>,
}

pub struct Plan {
    pub requests: Box<dyn Requests>,
    pub pace: Pace,
    pub connections: usize,
    pub warmup: Option<Pace>,
    /// Whether the report names those that were acknowledged.
    pub lists_acknowledged: bool,
    pub timeout: Duration,
    pub groups: Vec<Group>,
}

#[derive(Clone, Copy)]
pub enum Pace {
    /// Each connection sends when its last request is answered.
    Closed { seconds: Duration, count: u64 },
    /// Request i is due i/rate after the beginning, whatever became of those before it; late ones start until `drain` is over.
    Open {
        rate: f64,
        seconds: Duration,
        drain: Duration,
    },
}

/// What the connections of one phase share.
struct Phase {
    plan: Rc<Plan>,
    pace: Pace,
    begun: Instant,
    begun_us: u64,
    is_warmup: bool,
    first: u64,
    taken: Cell<u64>,
    tally: RefCell<Tally>,
}

struct Outcome {
    tally: Tally,
    elapsed: Duration,
    not_started: u64,
}

pub async fn run(plan: Plan) -> Result<Value> {
    let plan = Rc::new(plan);
    let mut warmup = Tally::default();
    if let Some(pace) = plan.warmup {
        warmup = phase(&plan, pace, plan.connections.min(16), None).await?.tally;
    }
    let before = Reading::take(&plan.groups)?;
    let outcome = phase(&plan, plan.pace, plan.connections, Some(warmup.sent())).await?;
    let usage = before.until_now(&plan.groups, outcome.tally.answers())?;
    Ok(report(&plan, outcome, &warmup, usage))
}

/// Sends from `first` on; none: to warm up.
async fn phase(plan: &Rc<Plan>, pace: Pace, connections: usize, first: Option<u64>) -> Result<Outcome> {
    let mut wires = Vec::with_capacity(connections);
    for _ in 0..connections {
        wires.push(
            Wire::connect(plan.requests.address())
                .await
                .context("the bot does not accept connections")?,
        );
    }
    let phase = Rc::new(Phase {
        plan: plan.clone(),
        pace,
        begun: Instant::now(),
        begun_us: unix_us(),
        is_warmup: first.is_none(),
        first: first.unwrap_or_default(),
        taken: Cell::new(0),
        tally: RefCell::default(),
    });
    let connections = LocalSet::new();
    for wire in wires {
        connections.spawn_local(phase.clone().drive(wire));
    }
    connections.await;
    let nominal = match pace {
        Pace::Closed { .. } => Duration::ZERO,
        Pace::Open { seconds, .. } => seconds,
    };
    Ok(Outcome {
        elapsed: phase.begun.elapsed().max(nominal),
        not_started: phase.not_started(),
        tally: phase.tally.take(),
    })
}

impl Phase {
    /// One connection's life: requests one after the other, connecting anew when it was lost.
    async fn drive(self: Rc<Self>, wire: Wire) {
        let mut wire = Some(wire);
        while let Some((number, due)) = self.next() {
            let due = until(due).await;
            let answer = timeout(self.plan.timeout, self.exchange(&mut wire, self.turn(number, due))).await;
            let mut tally = self.tally.borrow_mut();
            match answer {
                Ok(Ok(status)) => tally.answered(number, status, due.elapsed()),
                Ok(Err(why)) => tally.without_answer(why),
                Err(_) => tally.without_answer("timeout"),
            }
            if !matches!(answer, Ok(Ok(_))) {
                wire = None;
            }
        }
    }

    fn turn(&self, number: u64, due: Instant) -> Turn {
        let since = due.duration_since(self.begun).as_micros() as u64;
        Turn {
            number,
            due_us: (!self.is_warmup).then_some(self.begun_us + since),
        }
    }

    /// The next request and when it is due; None when the phase is over.
    fn next(&self) -> Option<(u64, Instant)> {
        let index = self.taken.get();
        let due = match self.pace {
            Pace::Closed { seconds, count } => (self.begun.elapsed() < seconds && index < count).then(Instant::now)?,
            Pace::Open { rate, seconds, drain } => {
                let in_time = self.begun.elapsed() < seconds + drain;
                (in_time && index < self.planned())
                    .then(|| self.begun + Duration::from_secs_f64(index as f64 / rate))?
            }
        };
        self.taken.set(index + 1);
        Some((self.first + index, due))
    }

    /// How many requests an open loop has due in all.
    fn planned(&self) -> u64 {
        match self.pace {
            Pace::Closed { .. } => self.taken.get(),
            Pace::Open { rate, seconds, .. } => (rate * seconds.as_secs_f64()) as u64,
        }
    }

    fn not_started(&self) -> u64 {
        self.planned() - self.taken.get()
    }

    async fn exchange(&self, wire: &mut Option<Wire>, turn: Turn) -> Result<u16, &'static str> {
        if !wire.as_ref().is_some_and(Wire::is_open) {
            *wire = Some(
                Wire::connect(self.plan.requests.address())
                    .await
                    .map_err(|_| "connection refused")?,
            );
            self.tally.borrow_mut().reconnects += 1;
        }
        let open = wire.as_mut().ok_or("connection refused")?;
        open.send(&self.plan.requests.request(turn))
            .await
            .map_err(|_| "closed while sending")?;
        let answer = open
            .receive()
            .await
            .map_err(|_| "broken answer")?
            .ok_or("closed without an answer")?;
        if answer.close {
            *wire = None;
        }
        answer.status().map_err(|_| "broken answer")
    }
}

/// Waits until a request is due, and says since when it is. Without a wait where there is none: even the shortest takes
/// the timer a millisecond. By how much the timer is late is not held against the bot, up to its grain.
async fn until(due: Instant) -> Instant {
    if due <= Instant::now() {
        return due;
    }
    sleep_until(due).await;
    Instant::now().min(due + TIMER_GRAIN)
}

fn report(plan: &Plan, mut outcome: Outcome, warmup: &Tally, usage: Value) -> Value {
    let seconds = outcome.elapsed.as_secs_f64();
    let (mode, rate) = match plan.pace {
        Pace::Closed { .. } => ("closed", None),
        Pace::Open { rate, .. } => ("open", Some(rate)),
    };
    json!({
        "mode": mode,
        "connections": plan.connections,
        "rate": rate,
        "seconds": seconds,
        "sent": outcome.tally.sent(),
        "not_started": outcome.not_started,
        "unanswered": outcome.tally.unanswered,
        "reconnects": outcome.tally.reconnects,
        "statuses": outcome.tally.statuses.iter().map(|(status, n)| (status.to_string(), json!(n))).collect::<Value>(),
        "goodput_per_s": outcome.tally.acknowledged() as f64 / seconds,
        "latency": outcome.tally.latencies(),
        "with_warmup": {
            "sent": outcome.tally.sent() + warmup.sent(),
            "acknowledged": outcome.tally.acknowledged() + warmup.acknowledged(),
        },
        "acknowledged": plan.lists_acknowledged.then_some(&outcome.tally.numbers),
        "usage": usage,
    })
}
