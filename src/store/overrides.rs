//! Overrides of schedules: who takes over, from when to when, made and withdrawn by whom; none is ever deleted.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};

use super::calendars::Turns;
use super::{Store, moment, ms};
use crate::domain::oncall::Override;
use crate::domain::terms::{DeliveryId, PersonId, Who};

/// An override as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptOverride {
    /// What it is named by, from 1: the order in which they were made.
    pub number: i64,
    /// Who takes over what, and when.
    pub over: Override,
    /// Who made it.
    pub made_by: Who,
    /// When.
    pub made_at: Timestamp,
    /// Who withdrew it, and when.
    pub withdrawn: Option<(Who, Timestamp)>,
}

impl KeptOverride {
    /// What it did to the plan: one that was withdrawn counted until then. None: it never counted.
    pub fn effective(&self) -> Option<Override> {
        let mut over = self.over.clone();
        if let Some((_, at)) = &self.withdrawn {
            over.to = over.to.min(*at);
        }
        (over.from < over.to).then_some(over)
    }
}

/// What came of a wish to withdraw an override.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Withdrawal {
    /// It counts no more.
    Done(KeptOverride),
    /// It had been withdrawn before.
    Before(KeptOverride),
    /// It is over already.
    Over(KeptOverride),
    /// There is none of this number.
    Unknown,
}

/// How old what is known of the overrides may be: another replica may have taken one in since.
const FRESH: SignedDuration = SignedDuration::from_secs(1);
/// The most overrides in force that are looked at: a thousand people's holidays.
const IN_FORCE_MAX: i64 = 5_000;
/// The most overrides of a stretch of time that are looked at.
const KEPT_MAX: i64 = 50_000;
/// How often a number is tried that another replica may take at the same moment.
const TRIES: usize = 50;

/// The overrides in force, as they were read last.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing {
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    /// When they were read, and what they were.
    read: Option<(Timestamp, Arc<[Override]>)>,
    /// The turns of calendars, which are large and seldom change.
    turns: Turns,
    /// Counts our own changes: what was read before one is not known after it.
    generation: u64,
}

impl Standing {
    /// What is known and not too old, and the generation in which to read anew.
    fn known(&self, now: Timestamp) -> (Option<Arc<[Override]>>, u64) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = known.read.as_ref().filter(|(at, _)| {
            let age = now.duration_since(*at);
            // A clock that was put back makes it old, too.
            age >= SignedDuration::ZERO && age < FRESH
        });
        (fresh.map(|(_, read)| read.clone()), known.generation)
    }

    fn turns(&self) -> Turns {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.turns.clone()
    }

    fn learn(&self, now: Timestamp, generation: u64, turns: Turns, read: &Arc<[Override]>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.turns = turns;
        if known.generation == generation {
            known.read = Some((now, read.clone()));
        }
    }

    pub(super) fn forget(&self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.generation += 1;
        known.read = None;
    }
}

type Row = (
    i64,
    String,
    String,
    i64,
    i64,
    String,
    i64,
    Option<String>,
    Option<i64>,
);

fn read(row: Row) -> anyhow::Result<KeptOverride> {
    let (number, schedule, person, from, to, made_by, made_at, withdrawn_by, withdrawn_at) = row;
    let who = |text: &str| {
        serde_json::from_str(text).with_context(|| format!("reading the override {number}"))
    };
    let withdrawn = match (withdrawn_by, withdrawn_at) {
        (Some(by), Some(at)) => Some((who(&by)?, moment(at))),
        (Some(_) | None, _) => None,
    };
    Ok(KeptOverride {
        number,
        over: Override {
            schedule,
            person: PersonId::new(person),
            from: moment(from),
            to: moment(to),
        },
        made_by: who(&made_by)?,
        made_at: moment(made_at),
        withdrawn,
    })
}

impl Store {
    /// The overrides in force or to come, in the order in which they were made; before them the turns of the calendars
    /// that feed schedules, which cover the rotations in the same way and are covered by what people say.
    ///
    /// They are kept in memory for a second: `serve` reads them anew twice a second in the background
    /// ([`Store::refresh_overrides`]), so that a declaration waits for no read; whoever finds them older reads them
    /// himself. Our own changes are known at once.
    pub async fn overrides(&self, now: Timestamp) -> anyhow::Result<Arc<[Override]>> {
        match self.standing.known(now) {
            (Some(known), _) => Ok(known),
            (None, _) => self.refresh_overrides(now).await,
        }
    }

    /// The same, read anew.
    pub async fn refresh_overrides(&self, now: Timestamp) -> anyhow::Result<Arc<[Override]>> {
        let (_, generation) = self.standing.known(now);
        let turns = self.turns(&self.standing.turns()).await?;
        let in_force = self.overrides_in_force(now).await?;
        let fed = turns.values().flat_map(|(_, turns)| turns.iter());
        let fed = fed.filter(|turn| turn.to > now).cloned();
        let made = in_force.into_iter().map(|kept| kept.over);
        let read: Arc<[Override]> = fed.chain(made).collect();
        self.standing.learn(now, generation, turns, &read);
        Ok(read)
    }

    /// The overrides that are in force now or will be, as they are kept, in the order in which they were made.
    pub async fn overrides_in_force(&self, now: Timestamp) -> anyhow::Result<Vec<KeptOverride>> {
        let rows: Vec<Row> = self
            .database
            .rows(
                "SELECT number, schedule, person, from_ms, to_ms, made_by, made_at_ms, withdrawn_by, withdrawn_at_ms \
                 FROM overrides WHERE to_ms > $1 AND withdrawn_at_ms IS NULL ORDER BY number DESC LIMIT $2",
                &[ms(now).into(), IN_FORCE_MAX.into()],
            )
            .await
            .context("looking for overrides")?;
        // Of too many the last ones count: they cover those before them.
        rows.into_iter().rev().map(read).collect()
    }

    /// What calendars and overrides did, or will do, to the plans between two moments: the turns of calendars first, then
    /// overrides in the order in which they were made.
    pub async fn overrides_between(
        &self,
        from: Timestamp,
        to: Timestamp,
    ) -> anyhow::Result<Vec<Override>> {
        let rows: Vec<Row> = self
            .database
            .rows(
                "SELECT number, schedule, person, from_ms, to_ms, made_by, made_at_ms, withdrawn_by, withdrawn_at_ms \
                 FROM overrides WHERE to_ms > $1 AND from_ms < $2 ORDER BY number DESC LIMIT $3",
                &[ms(from).into(), ms(to).into(), KEPT_MAX.into()],
            )
            .await
            .context("looking for overrides")?;
        let kept: Vec<KeptOverride> = rows
            .into_iter()
            .rev()
            .map(read)
            .collect::<anyhow::Result<_>>()?;
        let turns = self.turns(&self.standing.turns()).await?;
        let fed = turns.values().flat_map(|(_, turns)| turns.iter().cloned());
        let fed = fed.filter(|turn| turn.to > from && turn.from < to);
        let made = kept.iter().filter_map(KeptOverride::effective);
        Ok(fed.chain(made).collect())
    }

    /// The override of this number.
    pub async fn override_numbered(&self, number: i64) -> anyhow::Result<Option<KeptOverride>> {
        let row: Option<Row> = self
            .database
            .row(
                "SELECT number, schedule, person, from_ms, to_ms, made_by, made_at_ms, withdrawn_by, withdrawn_at_ms \
                 FROM overrides WHERE number = $1",
                &[number.into()],
            )
            .await
            .context("looking for an override")?;
        row.map(read).transpose()
    }

    /// Keeps an override under the next number. The same delivery again makes no second one. It is written when this
    /// returns.
    pub async fn keep_override(
        &self,
        over: &Override,
        by: &Who,
        now: Timestamp,
        delivery: Option<&DeliveryId>,
    ) -> anyhow::Result<KeptOverride> {
        let made_by = serde_json::to_string(by)?;
        let delivery = delivery.map(|delivery| delivery.as_str());
        for _ in 0..TRIES {
            // Without `WHERE 1 = 1` SQLite takes `ON` for a join's.
            let made: Vec<(i64,)> = self
                .database
                .change(
                    "INSERT INTO overrides (number, schedule, person, from_ms, to_ms, made_by, made_at_ms, delivery) \
                     SELECT COALESCE(MAX(number), 0) + 1, $1, $2, $3, $4, $5, $6, $7 FROM overrides WHERE 1 = 1 \
                     ON CONFLICT DO NOTHING RETURNING number",
                    &[
                        over.schedule.as_str().into(),
                        over.person.as_str().into(),
                        ms(over.from).into(),
                        ms(over.to).into(),
                        made_by.as_str().into(),
                        ms(now).into(),
                        delivery.into(),
                    ],
                )
                .await
                .context("keeping an override")?;
            self.standing.forget();
            if let Some((number,)) = made.first() {
                let kept = self.override_numbered(*number).await?;
                return kept.context("an override that was just kept is not there");
            }
            // Either this delivery was here before, or another replica has just taken the number.
            if let Some(delivery) = delivery
                && let Some(kept) = self.override_of(delivery).await?
            {
                return Ok(kept);
            }
        }
        anyhow::bail!("no number is free for an override")
    }

    async fn override_of(&self, delivery: &str) -> anyhow::Result<Option<KeptOverride>> {
        let row: Option<(i64,)> = self
            .database
            .row(
                "SELECT number FROM overrides WHERE delivery = $1",
                &[delivery.into()],
            )
            .await
            .context("looking for an override")?;
        match row {
            Some((number,)) => self.override_numbered(number).await,
            None => Ok(None),
        }
    }

    /// Withdraws an override: from now on it does not count.
    pub async fn withdraw_override(
        &self,
        number: i64,
        by: &Who,
        now: Timestamp,
    ) -> anyhow::Result<Withdrawal> {
        let by = serde_json::to_string(by)?;
        let changed = self
            .database
            .execute(
                "UPDATE overrides SET withdrawn_by = $1, withdrawn_at_ms = $2 \
                 WHERE number = $3 AND withdrawn_at_ms IS NULL AND to_ms > $2",
                &[by.as_str().into(), ms(now).into(), number.into()],
            )
            .await
            .context("withdrawing an override")?;
        self.standing.forget();
        Ok(match self.override_numbered(number).await? {
            None => Withdrawal::Unknown,
            Some(kept) if changed > 0 => Withdrawal::Done(kept),
            Some(kept) if kept.withdrawn.is_some() => Withdrawal::Before(kept),
            Some(kept) => Withdrawal::Over(kept),
        })
    }
}
