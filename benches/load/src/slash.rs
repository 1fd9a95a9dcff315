//! Sends signed slash commands, as fast as answers come (closed loop) or when they are due (open loop), and reports.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::processes::{Group, Reading};
use crate::slack::Target;
use crate::tally::Tally;
use crate::wire::Wire;

pub struct Plan {
    pub target: Target,
    pub pace: Pace,
    pub connections: usize,
    pub warmup: Duration,
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
    if !plan.warmup.is_zero() {
        let pace = Pace::Closed {
            seconds: plan.warmup,
            count: u64::MAX,
        };
        warmup = phase(&plan, pace, plan.connections.min(16), 0).await?.tally;
    }
    let before = Reading::take(&plan.groups)?;
    let outcome = phase(&plan, plan.pace, plan.connections, warmup.sent()).await?;
    let usage = before.until_now(&plan.groups, outcome.tally.answers())?;
    Ok(report(&plan, outcome, &warmup, usage))
}

async fn phase(plan: &Rc<Plan>, pace: Pace, connections: usize, first: u64) -> Result<Outcome> {
    let mut wires = Vec::with_capacity(connections);
    for _ in 0..connections {
        wires.push(
            Wire::connect(plan.target.address)
                .await
                .context("the bot does not accept connections")?,
        );
    }
    let phase = Rc::new(Phase {
        plan: plan.clone(),
        pace,
        begun: Instant::now(),
        first,
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
            sleep_until(due).await;
            let answer = timeout(self.plan.timeout, self.exchange(&mut wire, number)).await;
            let mut tally = self.tally.borrow_mut();
            match answer {
                Ok(Ok(status)) => tally.answered(status, due.elapsed()),
                Ok(Err(why)) => tally.without_answer(why),
                Err(_) => tally.without_answer("timeout"),
            }
            if !matches!(answer, Ok(Ok(_))) {
                wire = None;
            }
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

    async fn exchange(&self, wire: &mut Option<Wire>, number: u64) -> Result<u16, &'static str> {
        if !wire.as_ref().is_some_and(Wire::is_open) {
            *wire = Some(
                Wire::connect(self.plan.target.address)
                    .await
                    .map_err(|_| "connection refused")?,
            );
            self.tally.borrow_mut().reconnects += 1;
        }
        let open = wire.as_mut().ok_or("connection refused")?;
        open.send(&self.plan.target.slash(number))
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
        "usage": usage,
    })
}
