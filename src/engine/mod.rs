//! The one door: a wish comes in, is decided on, and what follows is written down with its orders, in one transaction.
//!
//! One writer decides for everybody. While a commit is on its way to the disk the next wishes gather, and they share
//! the next commit: a storm does not pay for one disk flush each. States are kept in memory between commits; a commit
//! proves the state it was decided on (see [`crate::store::commit`]), and what does not commit, a refusal for example,
//! is decided again on a state just read before anybody is told.
//!
//! Whoever asks from outside is answered in time, also by a store that hangs: a wish that has waited too long is not
//! begun any more, and one that was begun is either done, or not done, or not known to be done, and is called so.
//!
//! Here stands the door; who stands behind it, in `writer`.

mod writer;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::clock::Clock;
use crate::domain::catalog::Catalog;
use crate::domain::command::{Command, Declaration};
use crate::domain::decide::Refusal;
use crate::domain::event::Event;
use crate::domain::incident::Incident;
use crate::domain::raise::Raise;
use crate::domain::terms::{Actor, DeliveryId, IncidentId};
use crate::store::Store;
use crate::store::outbox::Lease;
use writer::Writer;

/// Wishes that may wait for the writer. At the slowest commit rate that was measured this is well under a second of
/// waiting; beyond it a wish is turned away at once rather than answered too late.
const QUEUE: usize = 256;
/// A wish from outside that has waited for so long is not begun any more: it could not be answered in time, and whoever
/// typed it types it again.
const BEGUN: Duration = Duration::from_millis(1_500);
/// How long after it came in a wish may be read for and written.
const WRITTEN: Duration = Duration::from_millis(2_000);
/// How long after it came in a wish is answered, whatever becomes of it: under Slack's three seconds.
const ANSWERED: Duration = Duration::from_millis(2_400);

/// What somebody wants, with who it is and how it came in.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// What is wanted.
    pub wish: Wish,
    /// Who wants it.
    pub actor: Actor,
    /// What tells this delivery from every other, if the sender may repeat it.
    pub delivery: Option<Delivery>,
}

/// What is wanted, and of which incident.
#[derive(Debug, Clone)]
pub enum Wish {
    /// A new incident.
    Declare(Declaration),
    /// An incident for alerts, or a place in one that is open. Two that come at once find each other: the second sees the
    /// incident of the first, here and at another replica, since both would take the same number of the day.
    Raise(Raise),
    /// Something of an incident that exists.
    Pursue(IncidentId, Command),
}

/// A delivery that is made at most once.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// Whether it is remembered for ever; else for a week.
    pub for_ever: bool,
}

/// What became of a wish.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The incident as it stands now.
    pub incident: Arc<Incident>,
    /// What happened; if the delivery had been made before, the first of what happened then.
    pub events: Vec<Event>,
    /// Whether this delivery had been made before: answer as then, do nothing.
    pub repeated: bool,
}

/// Why nothing became of a wish.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineError {
    /// No, and what to do instead.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// Too much at once: nothing was done, try again.
    #[error("too many requests are waiting; nothing was done")]
    Overloaded,
    /// The lease of the order that reports back was lost.
    #[error("the lease was lost")]
    LeaseLost,
    /// Something stands in the table of events that the incident does not know of: nothing can be added to it.
    #[error("the record of {0} is damaged; nothing was done (`firebell audit verify` says more)")]
    Damaged(IncidentId),
    /// The store failed; nothing was done.
    #[error("the store failed: {0}")]
    Store(Arc<anyhow::Error>),
    /// The store failed while it wrote: it is not known whether it was done.
    #[error("the store failed, and it is not known whether it was done: {0}")]
    Unclear(Arc<anyhow::Error>),
}

/// The door. Copies lead to the same writer.
#[derive(Debug, Clone)]
pub struct Engine {
    pending: mpsc::Sender<Pending>,
}

#[derive(Debug)]
struct Pending {
    envelope: Envelope,
    finishes: Option<Lease>,
    /// When it came in, if somebody outside waits for the answer.
    since: Option<Instant>,
    reply: oneshot::Sender<Result<Outcome, EngineError>>,
}

impl Pending {
    /// Whether it may still be begun. What an order brought back always may.
    fn is_in_time(&self) -> bool {
        self.since.is_none_or(|since| since.elapsed() < BEGUN)
    }

    /// Whether it may be tried again without being done twice.
    fn is_known_again(&self) -> bool {
        self.finishes.is_some() || self.envelope.delivery.is_some()
    }

    fn answer(self, answer: Result<Outcome, EngineError>) {
        // Whoever asked may have gone away; it is done all the same.
        let _ = self.reply.send(answer);
    }
}

/// Until when the earliest of these wishes may be written.
fn until(batch: &[Pending]) -> Instant {
    let earliest = batch.iter().filter_map(|pending| pending.since).min();
    earliest.unwrap_or_else(Instant::now) + WRITTEN
}

impl Engine {
    /// Starts the writer. It ends, having written what waits, when the last copy of the engine is dropped.
    pub fn start(store: Store, catalog: Arc<Catalog>, clock: Clock) -> Self {
        let (pending, queue) = mpsc::channel(QUEUE);
        let writer = Writer::new(store, catalog, clock);
        tokio::spawn(writer.run(queue));
        Self { pending }
    }

    /// Handles a wish from outside; turns it away at once if too many wait. Answers in time, whatever happens.
    pub async fn handle(&self, envelope: Envelope) -> Result<Outcome, EngineError> {
        let (reply, answer) = oneshot::channel();
        let since = Instant::now();
        let pending = Pending {
            envelope,
            finishes: None,
            since: Some(since),
            reply,
        };
        self.pending
            .try_send(pending)
            .map_err(|error| match error {
                TrySendError::Full(_) => EngineError::Overloaded,
                TrySendError::Closed(_) => has_stopped(),
            })?;
        match timeout_at(since + ANSWERED, answer).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err(stopped_amid_it())),
            Err(_) => Err(EngineError::Unclear(Arc::new(anyhow::anyhow!(
                "the writer did not answer in time"
            )))),
        }
    }

    /// Takes in what an order brought back, and takes the order off the outbox in the same transaction. Never
    /// turned away: what has happened must be remembered.
    pub async fn report(
        &self,
        incident: IncidentId,
        command: Command,
        finishes: Lease,
    ) -> Result<Outcome, EngineError> {
        let (reply, answer) = oneshot::channel();
        let pending = Pending {
            envelope: Envelope {
                wish: Wish::Pursue(incident, command),
                actor: Actor::Firebell,
                delivery: None,
            },
            finishes: Some(finishes),
            since: None,
            reply,
        };
        self.pending
            .send(pending)
            .await
            .map_err(|_| has_stopped())?;
        answer.await.unwrap_or_else(|_| Err(stopped_amid_it()))
    }

    /// Whether there is a writer: it stops before the last door is closed only if it panics.
    pub fn is_running(&self) -> bool {
        !self.pending.is_closed()
    }

    /// Waits until there is no writer any more.
    pub async fn stopped(&self) {
        self.pending.closed().await;
    }

    /// Whether a wish would be turned away now.
    pub fn is_full(&self) -> bool {
        self.pending.capacity() == 0
    }
}

fn has_stopped() -> EngineError {
    EngineError::Store(Arc::new(anyhow::anyhow!("the writer has stopped")))
}

fn stopped_amid_it() -> EngineError {
    EngineError::Unclear(Arc::new(anyhow::anyhow!(
        "the writer stopped before it could answer"
    )))
}
