//! Changes that people were told of: kept for as long as an incident may come of them, and some time more.

use anyhow::Context;
use jiff::Timestamp;

use super::{Store, ms};
use crate::domain::change::Change;

/// A change as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptChange {
    /// What tells it from every other: the source's id, a slash, and its key.
    pub id: String,
    /// The source that told of it.
    pub source: String,
    /// What was changed.
    pub change: Change,
}

/// How many changes are read at a time.
const CHANGES_AT_ONCE: i64 = 500;

/// No more are read, the newest first: more than that a script has sent that runs away.
const CHANGES_MAX: usize = 10_000;

/// Who tells the same again so soon repeats itself; later, it was done again: a script may say the same words each time.
const SAME_FOR_MS: i64 = 600_000;

impl Store {
    /// Keeps a change; one that is told twice within some minutes is one. It is written when this returns.
    pub async fn keep_change(&self, kept: &KeptChange) -> anyhow::Result<()> {
        let KeptChange { id, source, change } = kept;
        let text = serde_json::to_string(change)?;
        self.database
            .execute(
                "INSERT INTO changes (id, source, happened_at_ms, change) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (id) DO UPDATE SET happened_at_ms = excluded.happened_at_ms, change = excluded.change \
                 WHERE excluded.happened_at_ms > changes.happened_at_ms + $5",
                &[
                    id.as_str().into(),
                    source.as_str().into(),
                    ms(change.at).into(),
                    text.as_str().into(),
                    SAME_FOR_MS.into(),
                ],
            )
            .await
            .context("keeping a change")
            .map(drop)
    }

    /// The changes that were made since then, the newest first: all of them, as far as anybody could look through them, for
    /// one that is left out may be the cause.
    pub async fn changes_since(&self, since: Timestamp) -> anyhow::Result<Vec<KeptChange>> {
        let mut all: Vec<KeptChange> = Vec::new();
        let mut beyond = (i64::MAX, String::new());
        loop {
            let rows: Vec<(String, i64, String, String)> = self
                .database
                .rows(
                    "SELECT id, happened_at_ms, source, change FROM changes WHERE happened_at_ms >= $1 \
                     AND (happened_at_ms, id) < ($2, $3) ORDER BY happened_at_ms DESC, id DESC LIMIT $4",
                    &[
                        ms(since).into(),
                        beyond.0.into(),
                        beyond.1.as_str().into(),
                        CHANGES_AT_ONCE.into(),
                    ],
                )
                .await
                .context("looking for changes")?;
            let more = rows.last().filter(|_| rows.len() as i64 == CHANGES_AT_ONCE);
            let more = more.map(|(id, at, ..)| (*at, id.clone()));
            for (id, _, source, change) in rows {
                let change = serde_json::from_str(&change)
                    .with_context(|| format!("reading the change {id}"))?;
                all.push(KeptChange { id, source, change });
            }
            match more {
                Some(last) if all.len() < CHANGES_MAX => beyond = last,
                Some(_) | None => return Ok(all),
            }
        }
    }

    /// Forgets changes that were made before then.
    pub async fn forget_changes(&self, before: Timestamp) -> anyhow::Result<u64> {
        self.database
            .execute(
                "DELETE FROM changes WHERE happened_at_ms < $1",
                &[ms(before).into()],
            )
            .await
            .context("forgetting old changes")
    }
}
