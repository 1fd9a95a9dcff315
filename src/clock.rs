//! The one source of "now": the system's clock, or one that is moved by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

/// A clock. Copies of a clock that is moved by hand move together.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The system's.
    System,
    /// The system's, corrected by what another clock says that all replicas go by: by so many milliseconds.
    Corrected {
        /// How far the system's is ahead without our knowing; only a test knows.
        wrong_ms: i64,
        /// What is added.
        by_ms: Arc<AtomicI64>,
    },
    /// One that stands still until it is moved: milliseconds since 1970.
    ByHand(Arc<AtomicI64>),
}

/// Clocks that are closer together than this are left alone: asking takes time too.
const CLOSE_MS: i64 = 250;
/// Clocks that are further apart than this are worth a word.
const APART_MS: i64 = 2_000;

impl Clock {
    /// A clock that stands at this moment until it is moved.
    pub fn by_hand(at: Timestamp) -> Self {
        Clock::ByHand(Arc::new(AtomicI64::new(at.as_millisecond())))
    }

    /// The system's clock, ahead by so much and to be corrected.
    pub fn ahead_by(wrong: SignedDuration) -> Self {
        Clock::Corrected {
            wrong_ms: wrong.as_millis() as i64,
            by_ms: Arc::default(),
        }
    }

    /// Goes by another clock from now on, which says `there`. A clock that is moved by hand does not.
    pub fn go_by(&mut self, there: Timestamp) {
        if let Clock::System = self {
            *self = Clock::ahead_by(SignedDuration::ZERO);
        }
        self.correct(there);
    }

    /// Corrects a clock that goes by another one, which says `there`.
    pub fn correct(&self, there: Timestamp) {
        let Clock::Corrected { by_ms, .. } = self else {
            return;
        };
        let off = there.as_millisecond() - self.now().as_millisecond();
        if off.abs() > CLOSE_MS {
            by_ms.fetch_add(off, Ordering::SeqCst);
        }
        if off.abs() > APART_MS {
            tracing::warn!(
                "This machine's clock and the database's were {off} ms apart; the database's is gone by"
            );
        }
    }

    /// What is wrong with this machine's clock, if anything is known to be.
    pub fn trouble(&self) -> Option<String> {
        let Clock::Corrected { by_ms, .. } = self else {
            return None;
        };
        let by_ms = by_ms.load(Ordering::SeqCst);
        (by_ms.abs() > APART_MS).then(|| {
            let which = if by_ms < 0 { "ahead of" } else { "behind" };
            let seconds = by_ms.abs() / 1_000;
            format!("this machine's clock is {seconds} s {which} the database's, which is gone by. Let both follow NTP")
        })
    }

    /// The present moment, in whole milliseconds: what is stored comes back as it was.
    pub fn now(&self) -> Timestamp {
        let ms = match self {
            Clock::System => Timestamp::now().as_millisecond(),
            Clock::Corrected { wrong_ms, by_ms } => {
                Timestamp::now().as_millisecond() + wrong_ms + by_ms.load(Ordering::SeqCst)
            }
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
