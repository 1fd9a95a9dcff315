//! Duties that one replica at a time sees to, by lease: what is no order of an incident.

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};

use super::{Store, ms};

impl Store {
    /// Takes a duty for a while, or keeps it longer. False: another replica has it. Who seems to have it for longer than
    /// anybody takes it had a clock that was ahead, and has it no more.
    pub async fn take_duty(
        &self,
        name: &str,
        owner: &str,
        now: Timestamp,
        lease: SignedDuration,
    ) -> anyhow::Result<bool> {
        let later = |from: Timestamp| from.checked_add(lease).unwrap_or(Timestamp::MAX);
        let until = later(now);
        let taken = self
            .database
            .execute(
                "INSERT INTO duties (name, owner, until_ms) VALUES ($1, $2, $3) \
                 ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until_ms = excluded.until_ms \
                 WHERE duties.until_ms <= $4 OR duties.until_ms > $5 OR duties.owner = excluded.owner",
                &[
                    name.into(),
                    owner.into(),
                    ms(until).into(),
                    ms(now).into(),
                    ms(later(until)).into(),
                ],
            )
            .await
            .context("taking a duty")?;
        Ok(taken > 0)
    }
}
