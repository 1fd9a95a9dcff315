//! The writer: decides on what waits, writes it down together, and finds out what became of a commit that nobody
//! answered.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tracing::{debug, error, warn};

use super::{EngineError, Envelope, Outcome, Pending, WRITTEN, Wish, until};
use crate::clock::Clock;
use crate::domain::catalog::Catalog;
use crate::domain::command::{Command, Declaration, Identity};
use crate::domain::decide::{Refusal, World, decide};
use crate::domain::effect::{Lane, effects_of};
use crate::domain::event::{Event, Recorded};
use crate::domain::incident::{Incident, fold};
use crate::domain::raise::Raise;
use crate::domain::terms::{Actor, DeliveryId, IncidentId};
use crate::store::Store;
use crate::store::commit::{Commit, CommitError};
use crate::store::incidents::Held;

/// The most wishes that share a commit: enough to fill it, few enough that the first does not wait for the last.
const BATCH: usize = 128;
/// States kept in memory: the incidents of a bad week.
const CACHE: usize = 1_024;
/// How often a wish is decided anew when others were faster. With two replicas a handful of rounds settles it; with
/// eight on one incident each loses seven of eight, and twenty in a row were seen.
const ROUNDS: usize = 100;
/// How long after it came in it is found out whether it was written, if that is not known.
const CLEARED: Duration = Duration::from_millis(2_300);
/// Orders for later than this ring no bell: every lane looks that often by itself.
const SOON: SignedDuration = SignedDuration::from_secs(1);
/// How long a delivery is remembered: longer than anybody repeats one (Slack's "delayed events" end after 24 h,
/// slack-contract.md section 4).
const REMEMBER_DELIVERY: SignedDuration = SignedDuration::from_hours(24 * 7);

/// The writer: the only one who appends events.
pub(super) struct Writer {
    store: Store,
    catalog: Arc<Catalog>,
    clock: Clock,
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

impl Draft {
    /// The place that the first of its incidents would come to stand at.
    fn stands(&self) -> Option<(IncidentId, u64)> {
        let (id, held) = self.states.iter().next()?;
        Some((id.clone(), held.incident.version))
    }
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
    pub(super) fn new(store: Store, catalog: Arc<Catalog>, clock: Clock) -> Self {
        Self {
            store,
            catalog,
            clock,
            cache: HashMap::new(),
            numbers: HashMap::new(),
            recent: HashMap::new(),
        }
    }

    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Pending>) {
        let mut batch = Vec::with_capacity(BATCH);
        while queue.recv_many(&mut batch, BATCH).await > 0 {
            self.process(std::mem::take(&mut batch)).await;
        }
    }

    async fn process(&mut self, batch: Vec<Pending>) {
        let (batch, late): (Vec<_>, Vec<_>) = batch.into_iter().partition(Pending::is_in_time);
        for pending in late {
            pending.answer(Err(EngineError::Overloaded));
        }
        if batch.is_empty() {
            return;
        }
        let until = until(&batch);
        match self.attempt(&batch, Trust::Memory, until).await {
            Ok(answers) => {
                for (pending, answer) in batch.into_iter().zip(answers) {
                    pending.answer(answer);
                }
            }
            Err(Failed::Together) => self.each_alone(batch, false).await,
            Err(Failed::Store(error @ EngineError::Unclear(_))) => {
                self.trust_nothing();
                let is_time = Instant::now() < until;
                let (known, other): (Vec<_>, Vec<_>) = batch
                    .into_iter()
                    .partition(|pending| is_time && pending.is_known_again());
                for pending in other {
                    pending.answer(Err(error.clone()));
                }
                self.each_alone(known, true).await;
            }
            Err(Failed::Store(error)) => {
                self.trust_nothing();
                for pending in batch {
                    pending.answer(Err(error.clone()));
                }
            }
        }
        self.forget_overflow();
    }

    /// What could not be written together is written each for itself, on fresh states. `doubt`: it may have been
    /// written, or may be yet; whatever is done here keeps it from that, since it takes the same place.
    async fn each_alone(&mut self, batch: Vec<Pending>, doubt: bool) {
        let mut down = None;
        for pending in batch {
            let answer = match &down {
                Some(error) => Err(EngineError::clone(error)),
                None => self.alone(&pending).await.unwrap_or_else(|error| {
                    self.trust_nothing();
                    down = Some(error.clone());
                    Err(error)
                }),
            };
            pending.answer(match answer {
                Err(EngineError::Store(cause)) if doubt => Err(EngineError::Unclear(cause)),
                Err(EngineError::Overloaded) if doubt => Err(EngineError::Unclear(Arc::new(
                    anyhow::anyhow!("there was no time left to find it out"),
                ))),
                answer => answer,
            });
        }
    }

    /// Decides and writes one wish until nobody else is faster. The outer error is the store's: whoever comes next would
    /// fare no better.
    async fn alone(
        &mut self,
        pending: &Pending,
    ) -> Result<Result<Outcome, EngineError>, EngineError> {
        let batch = std::slice::from_ref(pending);
        let mut stood = None;
        for round in 0..ROUNDS {
            if !pending.is_in_time() {
                return Ok(Err(EngineError::Overloaded));
            }
            let until = until(batch);
            let (draft, mut answers) = match self.draft(batch, Trust::Nothing, until).await {
                Ok(drafted) => drafted,
                Err(Trouble::Read(cause)) => return Err(store_failed(cause)),
                Err(Trouble::Json(cause)) => return Ok(Err(store_failed(cause.into()))),
            };
            let stands = draft.stands();
            match self.write(draft, until).await {
                Ok(()) => return Ok(answers.pop().unwrap_or(Err(EngineError::Overloaded))),
                Err(Unwritten::Store(error)) => return Err(error),
                Err(Unwritten::Unfit(cause)) => return Ok(Err(store_failed(cause))),
                Err(Unwritten::LeaseLost) => return Ok(Err(EngineError::LeaseLost)),
                // Whoever was faster has moved the incident on. If nobody has, it is the table that stands in the way.
                Err(Unwritten::Conflict) if stands.is_some() && stands == stood => {
                    let (id, version) = stands.unwrap_or_else(|| (IncidentId::new(""), 0));
                    error!("The record of {id} is damaged: there is an event {version} already");
                    return Ok(Err(EngineError::Damaged(id)));
                }
                Err(Unwritten::Conflict) => stood = stands,
                Err(Unwritten::Deadlock) => stood = None,
            }
            // The others' commit is done when ours breaks; a moment's pause only keeps two replicas from running in
            // step.
            tokio::time::sleep(Duration::from_millis(round as u64 % 5)).await;
        }
        warn!("gave a wish up after {ROUNDS} rounds of conflicts");
        Ok(Err(EngineError::Overloaded))
    }

    /// What reached the disk is not known: nothing in memory is to be trusted.
    fn trust_nothing(&mut self) {
        self.cache.clear();
        self.numbers.clear();
        self.recent.clear();
    }

    /// Decides on all wishes of a batch, each on what the ones before it left, and writes them together.
    async fn attempt(
        &mut self,
        batch: &[Pending],
        trust: Trust,
        until: Instant,
    ) -> Result<Vec<Result<Outcome, EngineError>>, Failed> {
        let (draft, answers) = match self.draft(batch, trust, until).await {
            Ok(drafted) => drafted,
            Err(Trouble::Read(cause)) => return Err(Failed::Store(store_failed(cause))),
            Err(Trouble::Json(_)) => return Err(Failed::Together),
        };
        match self.write(draft, until).await {
            Ok(()) => Ok(answers),
            Err(Unwritten::Store(error)) => Err(Failed::Store(error)),
            // Which of them it was, the database does not say.
            Err(
                Unwritten::Conflict
                | Unwritten::Deadlock
                | Unwritten::LeaseLost
                | Unwritten::Unfit(_),
            ) => Err(Failed::Together),
        }
    }

    /// Decides on all wishes of a batch, each on what the ones before it left. The first that cannot be read for in
    /// time ends it for all: the next would wait in vain too.
    async fn draft(
        &mut self,
        batch: &[Pending],
        trust: Trust,
        until: Instant,
    ) -> Result<(Draft, Vec<Result<Outcome, EngineError>>), Trouble> {
        let mut draft = Draft::default();
        let mut answers = Vec::with_capacity(batch.len());
        if trust == Trust::Memory {
            match timeout_at(until, self.look_all_up(batch)).await {
                Ok(read) => read?,
                Err(_) => return Err(Trouble::Read(late())),
            }
        }
        for pending in batch {
            let considering = self.consider(pending, trust, &mut draft);
            let answer = match timeout_at(until, considering).await {
                Ok(Ok(answer)) => answer,
                // A state that cannot be read is its own incident's trouble.
                Ok(Err(Trouble::Read(cause))) if !Store::is_away(&cause) => {
                    Err(store_failed(cause))
                }
                Ok(Err(trouble)) => return Err(trouble),
                Err(_) => return Err(Trouble::Read(late())),
            };
            answers.push(answer);
        }
        Ok((draft, answers))
    }

    /// Writes what was decided, and remembers it.
    async fn write(&mut self, draft: Draft, until: Instant) -> Result<(), Unwritten> {
        if draft.commit.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.store.commit_by(&draft.commit, until).await {
            for id in draft.states.keys() {
                self.cache.remove(id);
            }
            self.numbers.clear();
            return match error {
                CommitError::Conflict => Err(Unwritten::Conflict),
                CommitError::Deadlock => Err(Unwritten::Deadlock),
                CommitError::LeaseLost => Err(Unwritten::LeaseLost),
                CommitError::Unfit(cause) => Err(Unwritten::Unfit(cause.into())),
                CommitError::Json(cause) => Err(Unwritten::Unfit(cause.into())),
                CommitError::Database(cause) => Err(Unwritten::Store(store_failed(cause.into()))),
                CommitError::Unclear(cause) => {
                    let looking = self.store.is_written(&draft.commit);
                    let cleared = until + (CLEARED - WRITTEN);
                    match timeout_at(cleared, looking).await {
                        Ok(Ok(true)) => {
                            warn!("The store failed after it had written: {cause}");
                            Ok(())
                        }
                        Ok(Ok(false) | Err(_)) | Err(_) => {
                            error!("The store failed while it wrote: {cause}");
                            let cause = Arc::new(cause.into());
                            Err(Unwritten::Store(EngineError::Unclear(cause)))
                        }
                    }
                }
            };
        }
        let soon = self.clock.now() + SOON;
        for lane in Lane::ALL {
            if draft.commit.orders_by(lane, soon) {
                self.store.bells().ring(lane);
            }
        }
        self.cache.extend(draft.states);
        self.numbers.extend(draft.numbers);
        self.recent.extend(draft.deliveries);
        Ok(())
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
            Wish::Declare(declaration) => self.new_one(declaration, now, draft).await?,
            Wish::Raise(raise) => {
                // The number first: whatever another replica declares after the look at what is open takes the same.
                let own = self.new_one(&raise.declaration, now, draft).await?;
                match self.open_for(raise, now, draft).await? {
                    Some((held, command)) => (Before::Known(held), command),
                    None => own,
                }
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
        // From memory, as a rule: see `Store::overrides`. Where there is no schedule there is nothing to override.
        let overrides = match self.catalog.schedules.is_empty() {
            true => Arc::default(),
            false => self.store.overrides(now).await?,
        };
        let world = World {
            now,
            actor,
            catalog: &self.catalog,
            overrides: &overrides,
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
            let orders = effects_of(event, before.incident(), &after, now);
            let mut held = before.held(&after);
            draft.commit.append(&mut held, &recorded, after)?;
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

    /// A declaration under the next number of the day.
    async fn new_one(
        &mut self,
        declaration: &Declaration,
        now: Timestamp,
        draft: &mut Draft,
    ) -> Result<(Before, Command), Trouble> {
        let (before, identity) = self.next_identity(now, draft).await?;
        let command = Command::Declare {
            identity,
            declaration: declaration.clone(),
        };
        Ok((before, command))
    }

    /// The open incident that alerts belong to instead of one of their own, and what it is told: of those in the store and
    /// those that are about to be written.
    async fn open_for(
        &self,
        raise: &Raise,
        now: Timestamp,
        draft: &Draft,
    ) -> Result<Option<(Held, Command)>, Trouble> {
        let Some(service) = raise.looks_at() else {
            return Ok(None);
        };
        let mut open = self.store.open_of_service(service).await?;
        open.retain(|held| !draft.states.contains_key(&held.incident.id));
        open.extend(draft.states.values().cloned());
        let incidents: Vec<&Incident> = open.iter().map(|held| &*held.incident).collect();
        let found = raise.belongs_to(&incidents, &self.catalog, now);
        Ok(found.and_then(|(incident, command)| {
            let held = open.iter().find(|held| held.incident.id == incident.id);
            held.map(|held| (held.clone(), command))
        }))
    }

    /// Reads the states of all incidents that a batch is about and that are not in memory, in one go: when thousands of
    /// clocks ring at once, they are of thousands of incidents.
    async fn look_all_up(&mut self, batch: &[Pending]) -> Result<(), Trouble> {
        let mut unknown: Vec<&IncidentId> = batch
            .iter()
            .filter_map(|pending| match &pending.envelope.wish {
                Wish::Pursue(id, _) if !self.cache.contains_key(id) => Some(id),
                Wish::Pursue(..) | Wish::Declare(_) | Wish::Raise(_) => None,
            })
            .collect();
        unknown.sort_unstable();
        unknown.dedup();
        // One is read as it is considered.
        if unknown.len() > 1 {
            // What cannot be read together is read one by one, and whose trouble it is comes out.
            let read = match self.store.held_of(&unknown).await {
                Err(cause) if Store::is_away(&cause) => return Err(Trouble::Read(cause)),
                read => read.unwrap_or_default(),
            };
            let read = read.into_iter().map(|it| (it.incident.id.clone(), it));
            self.cache.extend(read);
        }
        Ok(())
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
    Json(serde_json::Error),
    Read(anyhow::Error),
}

impl From<serde_json::Error> for Trouble {
    fn from(error: serde_json::Error) -> Self {
        Trouble::Json(error)
    }
}

impl From<anyhow::Error> for Trouble {
    fn from(error: anyhow::Error) -> Self {
        Trouble::Read(error)
    }
}

/// Why a batch was not written.
enum Failed {
    /// One of them stands in the way of the others.
    Together,
    /// The store does not serve anybody.
    Store(EngineError),
}

/// Why a draft was not written.
enum Unwritten {
    Conflict,
    Deadlock,
    LeaseLost,
    /// The database takes other things, but not this.
    Unfit(anyhow::Error),
    Store(EngineError),
}

fn late() -> anyhow::Error {
    anyhow::anyhow!("the database did not answer in time")
}

fn store_failed(cause: anyhow::Error) -> EngineError {
    error!("The store failed: {cause:#}");
    EngineError::Store(Arc::new(cause))
}
