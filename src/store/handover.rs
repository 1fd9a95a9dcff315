//! Orders that are handed to whoever does them as they are written: they are born with a lease, so nobody has to look
//! for them and to claim them, which would cost a commit of its own. Only what nothing can stand before is handed over:
//! the first orders of an incident or of a group of alerts. Whoever crashes in between leaves a lease that runs out.
//! And of what has to wait for its turn, whoever does it says when that comes: so it is written down in the first place.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::outbox::{Claimed, Lease, NewOrder};
use crate::domain::effect::{Effect, Lane};
use crate::domain::terms::IncidentId;

/// Where each lane takes orders over. Copies lead to the same.
#[derive(Clone)]
pub struct Handover(Arc<[Mutex<Option<Counter>>; Lane::ALL.len()]>);

impl Default for Handover {
    fn default() -> Self {
        Self(Arc::new(Lane::ALL.map(|_| Mutex::default())))
    }
}

/// Whoever takes the orders of a lane over.
pub struct Taker {
    /// As whom.
    pub owner: String,
    /// How long its leases are.
    pub lease: SignedDuration,
    /// How many it takes over at a time.
    pub seats: usize,
    /// When the turn of an order comes, if it has to wait.
    pub turns: Turns,
}

/// Says when the turn of an order comes, if it has to wait: what is ordered, its id, and the channel that it goes to if
/// that is not the one of the announcements.
pub type Turns = Box<dyn Fn(&Effect, &str, Option<&str>) -> Option<Timestamp> + Send + Sync>;

/// Where one lane takes them over.
#[derive(Clone)]
struct Counter {
    taker: Arc<Taker>,
    seats: Arc<Semaphore>,
    orders: mpsc::UnboundedSender<Handed>,
}

/// An order that was handed over.
pub struct Handed {
    /// The order, with the lease on it.
    pub claimed: Claimed,
    /// Dropped when it is done: another may come then.
    pub seat: OwnedSemaphorePermit,
}

impl fmt::Debug for Handed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.claimed.fmt(f)
    }
}

impl fmt::Debug for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handover").finish_non_exhaustive()
    }
}

impl Handover {
    /// Takes over what is ordered on a lane from now on.
    pub fn open(&self, lane: Lane, taker: Taker) -> mpsc::UnboundedReceiver<Handed> {
        let (orders, handed) = mpsc::unbounded_channel();
        let counter = Counter {
            seats: Arc::new(Semaphore::new(taker.seats)),
            taker: Arc::new(taker),
            orders,
        };
        *self.counter(lane) = Some(counter);
        handed
    }

    /// Takes nothing over any more: what is ordered waits in the outbox.
    pub fn close(&self, lane: Lane) {
        *self.counter(lane) = None;
    }

    /// Nothing yet, of what one commit hands over.
    pub(super) fn begin(&self) -> Handing<'_> {
        Handing {
            handover: self,
            queues: BTreeSet::new(),
            orders: Vec::new(),
        }
    }

    fn counter(&self, lane: Lane) -> std::sync::MutexGuard<'_, Option<Counter>> {
        self.0[lane as usize]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one commit hands over, once it is written.
pub(super) struct Handing<'a> {
    handover: &'a Handover,
    /// Where something stands in line already.
    queues: BTreeSet<(String, &'static str)>,
    orders: Vec<(Counter, Handed)>,
}

/// What becomes of an order that is offered.
pub(super) enum Offered {
    /// It waits in the outbox until it is due.
    Waits,
    /// It waits for its turn, which comes then.
    HasATurn(Timestamp),
    /// It is handed over, with a lease until then.
    Taken(Lease, Timestamp),
}

impl Handing<'_> {
    /// Offers an order to whoever does the orders of its lane. It is taken if nothing can stand before it, it is due, its
    /// turn has come, and there is a seat for it.
    pub(super) fn offer(&mut self, order: &NewOrder<'_>) -> Offered {
        let is_head = match order.effect.queue() {
            Some(queue) => self.queues.insert((order.by.to_owned(), queue)),
            None => true,
        };
        if !order.is_first || !is_head || order.due > order.ordered_at {
            return Offered::Waits;
        }
        let Some(counter) = self.handover.counter(order.effect.lane()).clone() else {
            return Offered::Waits;
        };
        let Taker {
            owner,
            lease,
            turns,
            ..
        } = &*counter.taker;
        let id = order.id();
        if let Some(turn) = turns(order.effect, &id, order.channel) {
            return Offered::HasATurn(turn);
        }
        let Ok(seat) = counter.seats.clone().try_acquire_owned() else {
            return Offered::Waits;
        };
        let until = order.ordered_at.checked_add(*lease).unwrap_or(order.due);
        let lease = Lease {
            id,
            owner: owner.clone(),
            attempts: 1,
        };
        let claimed = Claimed {
            lease: lease.clone(),
            incident: IncidentId::new(order.by),
            effect: order.effect.clone(),
            ordered_at: order.ordered_at,
            until,
        };
        let handed = Handed { claimed, seat };
        self.orders.push((counter, handed));
        Offered::Taken(lease, until)
    }

    /// It is written: now they may be done.
    pub(super) fn pass_on(self) {
        for (counter, handed) in self.orders {
            // Whoever has closed meanwhile leaves it to its lease.
            let _ = counter.orders.send(handed);
        }
    }
}
