//! What an order has learned before it had to wait for its turn. It goes on from there: an order that makes more calls
//! than the pace allows at once would otherwise begin again each time and never come to its end.
//!
//! What everybody asks for (who is who) is kept for a while under a name of its own.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::failure::Failure;

/// The name under which everybody's questions are kept.
pub(super) const DIRECTORY: &str = "directory";
/// How long the directory is believed: a new colleague is found after this at the latest.
const FRESH: SignedDuration = SignedDuration::from_mins(10);
/// Orders that somebody else has finished leave their progress behind; it is dropped after this.
const ABANDONED: SignedDuration = SignedDuration::from_hours(1);

/// The progress of every order that waits for a turn.
#[derive(Debug, Default)]
pub(super) struct Progress {
    kept: HashMap<String, Kept>,
}

#[derive(Debug)]
struct Kept {
    begun: Timestamp,
    answers: HashMap<String, Result<Value, Failure>>,
    lists: HashMap<String, Listed>,
}

/// A list that is being read, page by page.
#[derive(Debug, Clone, Default)]
pub(super) struct Listed {
    /// Where it goes on.
    pub cursor: Option<String>,
    /// The items that were worth keeping.
    pub found: Vec<Value>,
    /// How many pages were read.
    pub pages: usize,
    /// Whether the last page was read.
    pub is_complete: bool,
}

impl Progress {
    /// The answer that a call got before.
    pub fn answer(
        &mut self,
        keeper: &str,
        question: &str,
        now: Timestamp,
    ) -> Option<Result<Value, Failure>> {
        self.of(keeper, now)?.answers.get(question).cloned()
    }

    /// Keeps the answer of a call.
    pub fn keep(
        &mut self,
        keeper: &str,
        question: String,
        answer: Result<Value, Failure>,
        now: Timestamp,
    ) {
        self.begin(keeper, now).answers.insert(question, answer);
    }

    /// A list as far as it was read.
    pub fn list(&mut self, keeper: &str, question: &str, now: Timestamp) -> Listed {
        let kept = self.of(keeper, now);
        kept.and_then(|kept| kept.lists.get(question).cloned())
            .unwrap_or_default()
    }

    /// Keeps a list as far as it was read.
    pub fn keep_list(&mut self, keeper: &str, question: &str, listed: Listed, now: Timestamp) {
        let lists = &mut self.begin(keeper, now).lists;
        lists.insert(question.to_owned(), listed);
    }

    /// Forgets a list: it cannot be read on.
    pub fn drop_list(&mut self, keeper: &str, question: &str) {
        if let Some(kept) = self.kept.get_mut(keeper) {
            kept.lists.remove(question);
        }
    }

    /// Forgets all that an order has learned: it has ended, or the world may have changed since.
    pub fn forget(&mut self, keeper: &str) {
        self.kept.remove(keeper);
    }

    fn of(&mut self, keeper: &str, now: Timestamp) -> Option<&Kept> {
        if keeper == DIRECTORY
            && let Some(kept) = self.kept.get(keeper)
            && now.duration_since(kept.begun).abs() > FRESH
        {
            self.kept.remove(keeper);
        }
        self.kept.get(keeper)
    }

    fn begin(&mut self, keeper: &str, now: Timestamp) -> &mut Kept {
        if self.kept.len() >= 1_000 {
            self.kept
                .retain(|_, kept| now.duration_since(kept.begun).abs() < ABANDONED);
        }
        self.kept.entry(keeper.to_owned()).or_insert_with(|| Kept {
            begun: now,
            answers: HashMap::new(),
            lists: HashMap::new(),
        })
    }
}
