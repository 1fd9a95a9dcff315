//! The door for alerts: what was said is decided on and written down before the sender is answered, many requests at a
//! time.
//!
//! Here stands the door; who stands behind it, in `writer`; who is missed when it is silent, in `heartbeats`; what was
//! changed on purpose, in `changes`.
//!
//! One writer decides for everybody, as for incidents. What it knows of conditions and groups is kept in memory between
//! commits; a commit proves the versions it was decided on, and where another replica was faster all is decided again on
//! what is read anew. What alerts do to incidents and what is said of them are orders, written in the same transaction.

mod changes;
mod heartbeats;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::clock::Clock;
use crate::domain::alert::Alert;
use crate::domain::catalog::Catalog;
use crate::domain::group::{Group, GroupReport};
use crate::domain::routing::Routing;
use crate::domain::terms::{DeliveryId, GroupId};
use crate::store::Store;
use crate::store::alerts::KeptAlert;
use crate::store::outbox::Lease;
use heartbeats::Heartbeats;
use writer::Writer;

/// Requests that may wait for the writer; beyond it a sender is told to come again, which all of them do.
const QUEUE: usize = 1_024;
/// How long a request waits until it is turned away: senders give up after ten seconds at the least, and come again.
const BEGUN: Duration = Duration::from_secs(3);
/// How long after it came in it is answered.
const ANSWERED: Duration = Duration::from_secs(6);
/// Conditions that are ended in one go because nobody speaks of them any more.
const EXPIRED_AT_ONCE: i64 = 500;

/// Conditions that are let go in one commit.
const RELEASED_AT_ONCE: i64 = 500;

/// The heading of a request that nobody sent: that somebody is silent, or speaks again.
pub const OURS: &str = "ours";

/// A request of a sender who has proved to be one.
#[derive(Debug, Clone)]
pub struct Request {
    /// The source, by its id.
    pub source: String,
    /// What it says.
    pub alerts: Vec<Alert>,
    /// What tells it from every other, if its sender may repeat it.
    pub delivery: Option<DeliveryId>,
    /// The type that it claims.
    pub content_type: String,
    /// What else it said beside its body, in the words of whoever reads it again; or [`OURS`].
    pub heading: String,
    /// What it said, in its own words.
    pub body: Bytes,
}

/// What a request did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Taken {
    /// Episodes that began.
    pub began: usize,
    /// Episodes that ended.
    pub ended: usize,
    /// Signals of conditions of which nobody has heard: nothing came of them.
    pub unknown: usize,
    /// Whether it had come before.
    pub repeated: bool,
}

/// Why a request was not taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum IntakeError {
    /// Too much at once: nothing was written.
    #[error("too many requests are waiting; send it again")]
    Overloaded,
    /// There is no such group.
    #[error("there are no such alerts any more")]
    NoGroup,
    /// The lease of the order that reports back was lost.
    #[error("the lease was lost")]
    LeaseLost,
    /// The store failed. It may have been written: to send it again does no harm.
    #[error("the store failed: {0}")]
    Store(Arc<anyhow::Error>),
}

/// The door. Copies lead to the same writer.
#[derive(Debug, Clone)]
pub struct Intake {
    pending: mpsc::Sender<Pending>,
    store: Store,
    clock: Clock,
    heartbeats: Arc<Heartbeats>,
    routing: Arc<Routing>,
}

#[derive(Debug)]
struct Pending {
    ask: Ask,
    since: Option<Instant>,
    reply: oneshot::Sender<Result<Taken, IntakeError>>,
}

#[derive(Debug)]
enum Ask {
    Request(Request),
    Expire(Vec<KeptAlert>),
    Release(Release),
    Learn {
        group: GroupId,
        report: GroupReport,
        finishes: Option<Lease>,
    },
}

/// A room of alerts that looks whom it may let go.
#[derive(Debug)]
struct Release {
    room: GroupId,
    /// The room when it was looked into: if it has changed since, there may be others.
    version: u64,
    /// Those who wait there.
    waiting: Vec<KeptAlert>,
    /// Whether those were not all.
    has_more: bool,
    finishes: Lease,
}

impl Pending {
    fn is_in_time(&self) -> bool {
        self.since.is_none_or(|since| since.elapsed() < BEGUN)
    }

    fn answer(self, answer: Result<Taken, IntakeError>) {
        // Whoever asked may have gone away; it is done all the same.
        let _ = self.reply.send(answer);
    }
}

impl Intake {
    /// Starts the writer. It ends, having written what waits, when the last copy of the door is dropped.
    pub fn start(store: Store, catalog: &Catalog, clock: Clock) -> Self {
        let (pending, queue) = mpsc::channel(QUEUE);
        let writer = Writer::new(store.clone(), catalog, clock.clone());
        tokio::spawn(writer.run(queue));
        Self {
            pending,
            store,
            clock,
            heartbeats: Arc::new(Heartbeats::new(catalog)),
            routing: Arc::new(Routing::new(catalog)),
        }
    }

    /// Takes a request in: it is written when this returns.
    pub async fn take(&self, mut request: Request) -> Result<Taken, IntakeError> {
        request.alerts = request.alerts.into_iter().map(Alert::defused).collect();
        // That all is well is no alert.
        let beaten = self.heartbeats.told_by(&mut request);
        if !beaten.is_empty() {
            self.beat(&beaten).await?;
        }
        if request.alerts.is_empty() {
            return Ok(Taken::default());
        }
        self.ask(Ask::Request(request), true).await
    }

    /// Takes in what a person wants of a group.
    pub async fn tell(&self, group: GroupId, report: GroupReport) -> Result<Taken, IntakeError> {
        let ask = Ask::Learn {
            group,
            report,
            finishes: None,
        };
        self.ask(ask, true).await
    }

    /// Takes in what an order brought back, and takes the order off the outbox in the same transaction. Never turned away.
    pub async fn report(
        &self,
        group: GroupId,
        report: GroupReport,
        finishes: Lease,
    ) -> Result<Taken, IntakeError> {
        let ask = Ask::Learn {
            group,
            report,
            finishes: Some(finishes),
        };
        self.ask(ask, false).await
    }

    /// Lets every room look whom it may let go: what kept them back may not stand in the configuration any more.
    pub async fn look_into_rooms(&self) -> anyhow::Result<()> {
        for room in self.store.rooms().await? {
            match self.tell(room, GroupReport::LookAgain).await {
                // One that was empty for long may have been forgotten since.
                Ok(_) | Err(IntakeError::NoGroup) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Ends the episodes of which nobody has spoken for too long; says how many.
    pub async fn expire(&self) -> anyhow::Result<usize> {
        let expired = self
            .store
            .expired_alerts(self.clock.now(), EXPIRED_AT_ONCE)
            .await?;
        if expired.is_empty() {
            return Ok(0);
        }
        Ok(self.ask(Ask::Expire(expired), false).await?.ended)
    }

    /// Lets go those of a room whom nobody keeps back any more, and takes the order off the outbox in the same
    /// transaction; says how many. Who was not looked at, or waits on, is looked at by the order that follows.
    pub async fn release(&self, room: &Group, finishes: Lease) -> Result<usize, IntakeError> {
        let waiting = self.store.firing_of_group(&room.id, RELEASED_AT_ONCE).await;
        let waiting = waiting.map_err(failed)?;
        let release = Release {
            room: room.id.clone(),
            version: room.version,
            has_more: waiting.len() as i64 == RELEASED_AT_ONCE,
            waiting,
            finishes,
        };
        Ok(self.ask(Ask::Release(release), false).await?.began)
    }

    /// Whether a request would be turned away now.
    pub fn is_full(&self) -> bool {
        self.pending.capacity() == 0
    }

    /// Whether there is a writer: it stops before the last door is closed only if it panics.
    pub fn is_running(&self) -> bool {
        !self.pending.is_closed()
    }

    /// Waits until there is no writer any more.
    pub async fn stopped(&self) {
        self.pending.closed().await;
    }

    async fn ask(&self, ask: Ask, is_hurried: bool) -> Result<Taken, IntakeError> {
        let (reply, answer) = oneshot::channel();
        let now = Instant::now();
        let pending = Pending {
            ask,
            since: is_hurried.then_some(now),
            reply,
        };
        if is_hurried {
            self.pending
                .try_send(pending)
                .map_err(|error| match error {
                    TrySendError::Full(_) => IntakeError::Overloaded,
                    TrySendError::Closed(_) => has_stopped(),
                })?;
            return match timeout_at(now + ANSWERED, answer).await {
                Ok(answer) => answer.unwrap_or_else(|_| Err(has_stopped())),
                Err(_) => Err(failed(anyhow::anyhow!("the writer did not answer in time"))),
            };
        }
        self.pending
            .send(pending)
            .await
            .map_err(|_| has_stopped())?;
        answer.await.unwrap_or_else(|_| Err(has_stopped()))
    }
}

fn has_stopped() -> IntakeError {
    failed(anyhow::anyhow!("the writer of alerts has stopped"))
}

fn failed(cause: anyhow::Error) -> IntakeError {
    IntakeError::Store(Arc::new(cause))
}
