//! The one source of "now": the system's clock, or one that is moved by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

/// A clock. Copies of a clock that is moved by hand move together.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The system's.
    System,
    /// One that stands still until it is moved: milliseconds since 1970.
    ByHand(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at this moment until it is moved.
    pub fn by_hand(at: Timestamp) -> Self {
        Clock::ByHand(Arc::new(AtomicI64::new(at.as_millisecond())))
    }

    /// The present moment, in whole milliseconds: what is stored comes back as it was.
    pub fn now(&self) -> Timestamp {
        let ms = match self {
            Clock::System => Timestamp::now().as_millisecond(),
            Clock::ByHand(ms) => ms.load(Ordering::SeqCst),
        };
        Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Moves a clock that is moved by hand; the system's does not heed it.
    pub fn advance(&self, by: SignedDuration) {
        if let Clock::ByHand(ms) = self {
            ms.fetch_add(by.as_millis() as i64, Ordering::SeqCst);
        }
    }
}
