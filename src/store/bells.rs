//! The bells of the outbox: whoever works on a lane learns that there is something to do.

use std::sync::Arc;

use tokio::sync::watch;

use crate::domain::effect::Lane;

/// A bell for each lane. Copies ring the same.
#[derive(Debug, Clone)]
pub struct Bells(Arc<[watch::Sender<u64>; Lane::ALL.len()]>);

impl Default for Bells {
    fn default() -> Self {
        Self(Arc::new(Lane::ALL.map(|_| watch::channel(0).0)))
    }
}

impl Bells {
    /// Says that something of this lane was ordered for now or soon.
    pub fn ring(&self, lane: Lane) {
        self.0[lane as usize].send_modify(|rings| *rings += 1);
    }

    /// Counts the rings of a lane: whoever waits for a change of it learns that there is something to do, and a lane of
    /// clocks is not woken by every clock that is set for later.
    pub fn heard(&self, lane: Lane) -> watch::Receiver<u64> {
        self.0[lane as usize].subscribe()
    }
}
