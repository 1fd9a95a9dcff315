//! The one door: a wish comes in, is decided on, and what follows is written down with its orders, in one transaction.
//!
//! One writer decides for everybody. While a commit is on its way to the disk the next wishes gather, and they share
//! the next commit: a storm does not pay for one disk flush each. States are kept in memory between commits; a commit
//! proves the state it was decided on (see [`crate::store::commit`]), and what does not commit, a refusal for example,
//! is decided again on a state just read before anybody is told.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{debug, error, warn};

use crate::clock::Clock;
use crate::domain::catalog::Catalog;
use crate::domain::command::{Command, Declaration, Identity};
use crate::domain::decide::{Refusal, World, decide};
use crate::domain::effect::{Lane, effects_of};
use crate::domain::event::{Event, Recorded};
use crate::domain::incident::{Incident, fold};
use crate::domain::terms::{Actor, DeliveryId, IncidentId};
use crate::store::Store;
use crate::store::commit::{Commit, CommitError};
use crate::store::incidents::Held;
use crate::store::outbox::Lease;

/// Wishes that may wait for the writer. At the slowest commit rate that was measured this is well under a second of
/// waiting; beyond it a wish is turned away at once rather than answered too late.
const QUEUE: usize = 256;
/// The most wishes that share a commit: enough to fill it, few enough that the first does not wait for the last.
const BATCH: usize = 128;
/// States kept in memory: the incidents of a bad week.
const CACHE: usize = 1_024;
/// How often a wish is decided anew when others were faster. With two replicas a handful of rounds settles it; with
/// eight on one incident each loses seven of eight, and twenty in a row were seen.
const ROUNDS: usize = 100;
/// Orders for later than this ring no bell: every lane looks that often by itself.
const SOON: SignedDuration = SignedDuration::from_secs(1);
/// How long a delivery is remembered: longer than anybody repeats one (Slack's "delayed events" end after 24 h,
/// slack-contract.md section 4).
const REMEMBER_DELIVERY: SignedDuration = SignedDuration::from_hours(24 * 7);

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
    /// The store failed; nothing was done.
    #[error("the store failed: {0}")]
    Store(Arc<anyhow::Error>),
}

/// The door. Copies lead to the same writer.
#[derive(Debug, Clone)]
pub struct Engine {
    pending: mpsc::Sender<Pending>,
    rings: [watch::Receiver<u64>; Lane::ALL.len()],
}

#[derive(Debug)]
struct Pending {
    envelope: Envelope,
    finishes: Option<Lease>,
    reply: oneshot::Sender<Result<Outcome, EngineError>>,
}

impl Engine {
    /// Starts the writer. It ends, having written what waits, when the last copy of the engine is dropped.
    pub fn start(store: Store, catalog: Arc<Catalog>, clock: Clock) -> Self {
        let (pending, queue) = mpsc::channel(QUEUE);
        let bells = Lane::ALL.map(|_| watch::channel(0).0);
        let rings = bells.each_ref().map(watch::Sender::subscribe);
        let writer = Writer {
            store,
            catalog,
            clock,
            bells,
            cache: HashMap::new(),
            numbers: HashMap::new(),
            recent: HashMap::new(),
        };
        tokio::spawn(writer.run(queue));
        Self { pending, rings }
    }

    /// Handles a wish from outside; turns it away at once if too many wait.
    pub async fn handle(&self, envelope: Envelope) -> Result<Outcome, EngineError> {
        let (reply, answer) = oneshot::channel();
        let pending = Pending {
            envelope,
            finishes: None,
            reply,
        };
        self.pending
            .try_send(pending)
            .map_err(|_| EngineError::Overloaded)?;
        answered(answer).await
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
            reply,
        };
        self.pending
            .send(pending)
            .await
            .map_err(|_| EngineError::Overloaded)?;
        answered(answer).await
    }

    /// Whether a wish would be turned away now.
    pub fn is_full(&self) -> bool {
        self.pending.capacity() == 0
    }

    /// Counts the commits that order something of this lane for now or soon: whoever waits for a change of it learns
    /// that there is something to do, and a lane of clocks is not woken by every clock that is set for later.
    pub fn orders(&self, lane: Lane) -> watch::Receiver<u64> {
        self.rings[lane as usize].clone()
    }
}

async fn answered(
    answer: oneshot::Receiver<Result<Outcome, EngineError>>,
) -> Result<Outcome, EngineError> {
    answer.await.unwrap_or_else(|_| {
        Err(EngineError::Store(Arc::new(anyhow::anyhow!(
            "the writer stopped before it could answer"
        ))))
    })
}

/// The writer: the only one who appends events.
struct Writer {
    store: Store,
    catalog: Arc<Catalog>,
    clock: Clock,
    bells: [watch::Sender<u64>; Lane::ALL.len()],
    /// States as of their last commit here; they may be older than the store's if another replica wrote.
    cache: HashMap<IncidentId, Held>,
    /// The last number given out on a day.
    numbers: HashMap<String, i64>,
    /// Deliveries of late and where they led: a repeat is answered without asking the store.
    recent: HashMap<DeliveryId, Led>,
}

/// Whether states in memory may be used, or everything is read anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    Memory,
    Nothing,
}

/// What is decided but not yet written.
#[derive(Default)]
struct Draft {
    commit: Commit,
    states: HashMap<IncidentId, Held>,
    numbers: HashMap<String, i64>,
    deliveries: HashMap<DeliveryId, Led>,
}

/// Where a delivery led: to which incident, and to which event first.
#[derive(Debug, Clone)]
struct Led {
    incident: IncidentId,
    seq: u64,
    /// The event, where it is still in memory.
    event: Option<Event>,
}

impl Writer {
    async fn run(mut self, mut queue: mpsc::Receiver<Pending>) {
        let mut batch = Vec::with_capacity(BATCH);
        while queue.recv_many(&mut batch, BATCH).await > 0 {
            self.process(std::mem::take(&mut batch)).await;
        }
    }

    async fn process(&mut self, batch: Vec<Pending>) {
        match self.attempt(&batch, Trust::Memory).await {
            Ok(answers) => {
                for (pending, answer) in batch.into_iter().zip(answers) {
                    // Whoever asked may have gone away; it is written all the same.
                    let _ = pending.reply.send(answer);
                }
            }
            // Which of them it was, the database does not say: each for itself, on fresh states.
            Err(
                CommitError::Conflict
                | CommitError::Deadlock
                | CommitError::LeaseLost
                | CommitError::Unfit(_),
            ) => {
                for pending in batch {
                    let answer = self.alone(&pending).await;
                    let _ = pending.reply.send(answer);
                }
            }
            Err(CommitError::Database(cause)) => self.fail(batch, cause.into()),
            Err(CommitError::Json(cause)) => self.fail(batch, cause.into()),
        }
        self.forget_overflow();
    }

    /// Decides and writes one wish until nobody else is faster.
    async fn alone(&mut self, pending: &Pending) -> Result<Outcome, EngineError> {
        for round in 0..ROUNDS {
            match self
                .attempt(std::slice::from_ref(pending), Trust::Nothing)
                .await
            {
                Ok(mut answers) => {
                    return answers
                        .pop()
                        .unwrap_or_else(|| Err(EngineError::Overloaded));
                }
                Err(CommitError::Conflict | CommitError::Deadlock) => {
                    // The others' commit is done when ours breaks; a moment's pause only keeps two replicas from
                    // running in step.
                    tokio::time::sleep(Duration::from_millis(round as u64 % 5)).await;
                }
                Err(CommitError::LeaseLost) => return Err(EngineError::LeaseLost),
                Err(CommitError::Unfit(cause) | CommitError::Database(cause)) => {
                    return Err(store_failed(cause.into()));
                }
                Err(CommitError::Json(cause)) => return Err(store_failed(cause.into())),
            }
        }
        warn!("gave a wish up after {ROUNDS} rounds of conflicts");
        Err(EngineError::Overloaded)
    }

    fn fail(&mut self, batch: Vec<Pending>, cause: anyhow::Error) {
        // What reached the disk is not known: nothing in memory is to be trusted.
        self.cache.clear();
        self.numbers.clear();
        self.recent.clear();
        let failure = store_failed(cause);
        for pending in batch {
            let _ = pending.reply.send(Err(failure.clone()));
        }
    }

    /// Decides on all wishes of a batch, each on what the ones before it left, and writes them together.
    async fn attempt(
        &mut self,
        batch: &[Pending],
        trust: Trust,
    ) -> Result<Vec<Result<Outcome, EngineError>>, CommitError> {
        let mut draft = Draft::default();
        let mut answers = Vec::with_capacity(batch.len());
        for pending in batch {
            let answer = match self.consider(pending, trust, &mut draft).await {
                Ok(answer) => answer,
                Err(Trouble::Commit(error)) => return Err(error),
                Err(Trouble::Read(cause)) => Err(store_failed(cause)),
            };
            answers.push(answer);
        }
        if !draft.commit.is_empty() {
            let written = self.store.commit(&draft.commit).await;
            if let Err(error) = written {
                for id in draft.states.keys() {
                    self.cache.remove(id);
                }
                self.numbers.clear();
                return Err(error);
            }
            self.cache.extend(draft.states);
            self.numbers.extend(draft.numbers);
            self.recent.extend(draft.deliveries);
            let soon = self.clock.now() + SOON;
            for lane in Lane::ALL {
                if draft.commit.orders_by(lane, soon) {
                    self.bells[lane as usize].send_modify(|rings| *rings += 1);
                }
            }
        }
        Ok(answers)
    }

    /// Decides on one wish and drafts what follows.
    async fn consider(
        &mut self,
        pending: &Pending,
        trust: Trust,
        draft: &mut Draft,
    ) -> Result<Result<Outcome, EngineError>, Trouble> {
        let Envelope {
            wish,
            actor,
            delivery,
        } = &pending.envelope;
        if let Some(delivery) = delivery
            && let Some(led) = self.delivered(&delivery.id, trust, draft).await?
        {
            return Ok(self.as_before(led, draft).await);
        }
        let now = self.clock.now();
        let (held, command) = match wish {
            Wish::Declare(declaration) => {
                let (held, identity) = self.next_identity(now, draft).await?;
                let command = Command::Declare {
                    identity,
                    declaration: declaration.clone(),
                };
                (held, command)
            }
            Wish::Pursue(id, command) => match self.look_up(id, trust, draft).await? {
                Some(held) => (Before::Known(held), command.clone()),
                None => {
                    if let Some(lease) = &pending.finishes {
                        draft.commit.finish(lease);
                    }
                    return Ok(Err(Refusal::NoIncident.into()));
                }
            },
        };
        let world = World {
            now,
            actor,
            catalog: &self.catalog,
            overrides: &[],
        };
        let mut before = held;
        let mut decision = decide(before.incident(), &command, world);
        let is_silent = |decision: &Result<Vec<Event>, Refusal>| !matches!(decision, Ok(events) if !events.is_empty());
        // Nothing would be written, so nothing would prove the state: look again before saying so.
        if is_silent(&decision)
            && trust == Trust::Memory
            && let Wish::Pursue(id, _) = wish
            && !draft.states.contains_key(id)
            && let Some(fresh) = self.store.held(id).await?
        {
            self.cache.insert(id.clone(), fresh.clone());
            before = Before::Known(fresh);
            decision = decide(before.incident(), &command, world);
        }
        // Nor would the delivery's key prove that this is no repetition of what was done, here or at another replica.
        if is_silent(&decision)
            && let Some(delivery) = delivery
            && let Some(led) = self.delivered(&delivery.id, Trust::Nothing, draft).await?
        {
            return Ok(self.as_before(led, draft).await);
        }
        if let Some(lease) = &pending.finishes {
            draft.commit.finish(lease);
        }
        let events = match decision {
            Ok(events) => events,
            Err(refusal) => return Ok(Err(refusal.into())),
        };
        // The number is taken only now: a refused declaration leaves no gap.
        if let Before::New { day, number } = &before {
            draft.numbers.insert(day.clone(), *number);
        }
        let held = self.write_down(before, &events, actor, now, draft)?;
        let Some(held) = held else {
            return Ok(Err(Refusal::NoIncident.into()));
        };
        if let Some(delivery) = delivery
            && let Some(event) = events.first()
        {
            let id = &held.incident.id;
            let seq = held.incident.version + 1 - events.len() as u64;
            let expires = (!delivery.for_ever)
                .then(|| now.checked_add(REMEMBER_DELIVERY).unwrap_or(Timestamp::MAX));
            draft.commit.deliver(&delivery.id, id, seq, expires);
            let led = Led {
                incident: id.clone(),
                seq,
                event: Some(event.clone()),
            };
            draft.deliveries.insert(delivery.id.clone(), led);
        }
        Ok(Ok(Outcome {
            incident: held.incident,
            events,
            repeated: false,
        }))
    }

    /// Drafts events and the orders that follow from each.
    fn write_down(
        &self,
        before: Before,
        events: &[Event],
        actor: &Actor,
        now: Timestamp,
        draft: &mut Draft,
    ) -> Result<Option<Held>, Trouble> {
        let mut before = before;
        for event in events {
            let recorded = Recorded {
                seq: before.incident().map_or(0, |incident| incident.version) + 1,
                happened_at: event.happened_at(now),
                recorded_at: now,
                event: event.clone(),
                actor: actor.clone(),
            };
            let Some(after) = fold(before.incident().cloned(), &recorded) else {
                return Ok(None);
            };
            let orders = effects_of(event, &after, now);
            let mut held = before.held(&after);
            draft
                .commit
                .append(&mut held, &recorded, after)
                .map_err(CommitError::from)?;
            draft.commit.order(&held.incident, orders, now);
            debug!(
                incident.id = %held.incident.id,
                event.seq = recorded.seq,
                event.kind = event.kind(),
                actor = actor.name(),
                "Wrote down {} of {}",
                event.kind(),
                held.incident.id,
            );
            draft.states.insert(held.incident.id.clone(), held.clone());
            before = Before::Known(held);
        }
        Ok(match before {
            Before::Known(held) => Some(held),
            Before::New { .. } => None,
        })
    }

    async fn look_up(
        &mut self,
        id: &IncidentId,
        trust: Trust,
        draft: &Draft,
    ) -> Result<Option<Held>, Trouble> {
        if let Some(held) = draft.states.get(id) {
            return Ok(Some(held.clone()));
        }
        if trust == Trust::Memory
            && let Some(held) = self.cache.get(id)
        {
            return Ok(Some(held.clone()));
        }
        Ok(self.store.held(id).await?)
    }

    async fn delivered(
        &self,
        id: &DeliveryId,
        trust: Trust,
        draft: &Draft,
    ) -> Result<Option<Led>, Trouble> {
        if let Some(led) = draft.deliveries.get(id).or_else(|| self.recent.get(id)) {
            return Ok(Some(led.clone()));
        }
        match trust {
            // The store is not asked: its unique key says so when the commit is made.
            Trust::Memory => Ok(None),
            Trust::Nothing => {
                let led = self.store.delivered(id).await?;
                Ok(led.map(|(incident, seq)| Led {
                    incident,
                    seq,
                    event: None,
                }))
            }
        }
    }

    /// The answer to a delivery that was made before.
    async fn as_before(&self, led: Led, draft: &Draft) -> Result<Outcome, EngineError> {
        let id = &led.incident;
        let held = match draft.states.get(id) {
            Some(held) => Some(held.clone()),
            None => self.store.held(id).await.map_err(store_failed)?,
        };
        let held = held.ok_or(Refusal::NoIncident)?;
        let event = match led.event {
            Some(event) => Some(event),
            None => {
                let recorded = self.store.event(id, led.seq).await;
                recorded.map_err(store_failed)?.map(|it| it.event)
            }
        };
        Ok(Outcome {
            incident: held.incident,
            events: event.into_iter().collect(),
            repeated: true,
        })
    }

    /// Gives out the next number of the day.
    async fn next_identity(
        &mut self,
        now: Timestamp,
        draft: &mut Draft,
    ) -> Result<(Before, Identity), Trouble> {
        let date = now
            .to_zoned(self.catalog.organization.timezone.clone())
            .date();
        let day = date.to_string();
        let last = match draft.numbers.get(&day).or_else(|| self.numbers.get(&day)) {
            Some(last) => *last,
            None => self.store.last_number(&day).await?,
        };
        let number = last + 1;
        let pattern = &self.catalog.incidents;
        let nnn = u32::try_from(number).unwrap_or(u32::MAX);
        let identity = Identity {
            id: IncidentId::new(pattern.id.render(date, nnn)),
            channel: pattern.channel.render(date, nnn),
        };
        Ok((Before::New { day, number }, identity))
    }

    fn forget_overflow(&mut self) {
        if self.cache.len() > CACHE {
            self.cache.clear();
        }
        if self.recent.len() > CACHE * 4 {
            self.recent.clear();
        }
        if self.numbers.len() > 8 {
            self.numbers.clear();
        }
    }
}

/// What stood before a wish.
enum Before {
    New { day: String, number: i64 },
    Known(Held),
}

impl Before {
    fn incident(&self) -> Option<&Incident> {
        match self {
            Before::New { .. } => None,
            Before::Known(held) => Some(&held.incident),
        }
    }

    fn held(&self, after: &Incident) -> Held {
        match self {
            Before::Known(held) => held.clone(),
            Before::New { day, number } => Held {
                incident: Arc::new(after.clone()),
                head: crate::store::chain::BEGINNING.to_owned(),
                day: day.clone(),
                number: *number,
            },
        }
    }
}

/// What keeps a wish from being considered.
enum Trouble {
    Commit(CommitError),
    Read(anyhow::Error),
}

impl From<CommitError> for Trouble {
    fn from(error: CommitError) -> Self {
        Trouble::Commit(error)
    }
}

impl From<anyhow::Error> for Trouble {
    fn from(error: anyhow::Error) -> Self {
        Trouble::Read(error)
    }
}

fn store_failed(cause: anyhow::Error) -> EngineError {
    error!("The store failed: {cause:#}");
    EngineError::Store(Arc::new(cause))
}
