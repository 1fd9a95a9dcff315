//! The calendars that feed schedules: the last good copy of each, and the turns that were read in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};

use super::{Store, moment, ms};
use crate::domain::form::show_roughly;
use crate::domain::oncall::Override;

/// A calendar as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptCalendar {
    /// The id of the schedule that it feeds.
    pub schedule: String,
    /// When the address last gave it.
    pub read_at: Timestamp,
    /// Names in it that are nobody's.
    pub strangers: Vec<String>,
    /// What in it was not understood.
    pub troubles: Vec<String>,
    /// Why the address gave nothing when it was asked last.
    pub trouble: Option<String>,
}

/// A calendar that was read longer ago is told of: the plan in it may have been changed since.
const STALE: SignedDuration = SignedDuration::from_hours(1);

impl KeptCalendar {
    /// What is wrong with it, in words for whoever goes by it; empty if nothing is.
    pub fn faults(&self, now: Timestamp) -> Vec<String> {
        let mut faults = Vec::new();
        let why = self
            .trouble
            .as_deref()
            .unwrap_or("nobody has asked for it since");
        let age = now.duration_since(self.read_at);
        if self.read_at == Timestamp::UNIX_EPOCH {
            faults.push(format!("its calendar was never read: {why}"));
        } else if age > STALE {
            let age = show_roughly(age);
            faults.push(format!(
                "its calendar was last read {age} ago, and may have changed since: {why}"
            ));
        }
        faults.extend(self.strangers.iter().map(|name| {
            format!("its calendar names “{name}”, who is nobody in [[people]]: nobody is on call in those turns")
        }));
        faults.extend(
            self.troubles
                .iter()
                .map(|it| format!("in its calendar: {it}")),
        );
        faults
    }
}

/// A calendar as it was read.
#[derive(Debug, Clone, Copy)]
pub struct FreshCalendar<'a> {
    /// The id of the schedule that it feeds.
    pub schedule: &'a str,
    /// The file.
    pub body: &'a str,
    /// Who is on call when.
    pub turns: &'a [Override],
    /// Names in it that are nobody's.
    pub strangers: &'a [String],
    /// What in it was not understood.
    pub troubles: &'a [String],
}

/// Turns of calendars, by schedule, with the version that they were read in.
pub(super) type Turns = BTreeMap<String, (i64, Arc<[Override]>)>;

impl Store {
    /// Keeps a calendar in the place of the one before. `read_at`: when the address gave it; none: it is the copy that was
    /// kept, read anew.
    pub async fn keep_calendar(
        &self,
        fresh: FreshCalendar<'_>,
        read_at: Option<Timestamp>,
    ) -> anyhow::Result<()> {
        let FreshCalendar {
            schedule,
            body,
            turns,
            strangers,
            troubles,
        } = fresh;
        let turns = serde_json::to_string(turns)?;
        let strangers = serde_json::to_string(strangers)?;
        let troubles = serde_json::to_string(troubles)?;
        let result = match read_at {
            Some(at) => {
                self.database
                    .execute(
                        "INSERT INTO calendars (schedule, body, read_at_ms, version, turns, strangers, troubles, trouble) \
                         VALUES ($1, $2, $3, 1, $4, $5, $6, NULL) \
                         ON CONFLICT (schedule) DO UPDATE SET body = excluded.body, read_at_ms = excluded.read_at_ms, \
                         version = calendars.version + 1, turns = excluded.turns, strangers = excluded.strangers, \
                         troubles = excluded.troubles, trouble = NULL",
                        &[
                            schedule.into(),
                            body.into(),
                            ms(at).into(),
                            turns.as_str().into(),
                            strangers.as_str().into(),
                            troubles.as_str().into(),
                        ],
                    )
                    .await
            }
            None => {
                self.database
                    .execute(
                        "UPDATE calendars SET version = version + 1, turns = $1, strangers = $2, troubles = $3 \
                         WHERE schedule = $4",
                        &[
                            turns.as_str().into(),
                            strangers.as_str().into(),
                            troubles.as_str().into(),
                            schedule.into(),
                        ],
                    )
                    .await
            }
        };
        result.context("keeping a calendar")?;
        self.standing.forget();
        Ok(())
    }

    /// Notes why the address of a calendar gave nothing; what is kept of it goes on to count.
    pub async fn note_calendar_trouble(&self, schedule: &str, why: &str) -> anyhow::Result<()> {
        self.database
            .execute(
                "INSERT INTO calendars (schedule, body, read_at_ms, version, turns, strangers, troubles, trouble) \
                 VALUES ($1, '', 0, 1, '[]', '[]', '[]', $2) \
                 ON CONFLICT (schedule) DO UPDATE SET trouble = excluded.trouble",
                &[schedule.into(), why.into()],
            )
            .await
            .context("noting the trouble with a calendar")
            .map(drop)
    }

    /// What is known of the calendars.
    pub async fn calendars(&self) -> anyhow::Result<Vec<KeptCalendar>> {
        let rows: Vec<(String, i64, String, String, Option<String>)> = self
            .database
            .rows(
                "SELECT schedule, read_at_ms, strangers, troubles, trouble FROM calendars ORDER BY schedule",
                &[],
            )
            .await
            .context("looking for calendars")?;
        rows.into_iter()
            .map(|(schedule, read_at, strangers, troubles, trouble)| {
                Ok(KeptCalendar {
                    schedule,
                    read_at: moment(read_at),
                    strangers: serde_json::from_str(&strangers)?,
                    troubles: serde_json::from_str(&troubles)?,
                    trouble,
                })
            })
            .collect()
    }

    /// The last good copy of a calendar.
    pub async fn calendar_body(&self, schedule: &str) -> anyhow::Result<Option<String>> {
        let row: Option<(String,)> = self
            .database
            .row(
                "SELECT body FROM calendars WHERE schedule = $1 AND read_at_ms > 0",
                &[schedule.into()],
            )
            .await
            .context("looking for a calendar")?;
        Ok(row.map(|(body,)| body))
    }

    /// Forgets the calendars of schedules that are not fed any more.
    pub async fn forget_calendars(&self, but: &[&str]) -> anyhow::Result<()> {
        for kept in self.calendars().await? {
            if !but.contains(&kept.schedule.as_str()) {
                self.database
                    .execute(
                        "DELETE FROM calendars WHERE schedule = $1",
                        &[kept.schedule.as_str().into()],
                    )
                    .await
                    .context("forgetting a calendar")?;
            }
        }
        self.standing.forget();
        Ok(())
    }

    /// The turns of all calendars: read anew only where they are not those that are known.
    pub(super) async fn turns(&self, known: &Turns) -> anyhow::Result<Turns> {
        let versions: Vec<(String, i64)> = self
            .database
            .rows(
                "SELECT schedule, version FROM calendars ORDER BY schedule",
                &[],
            )
            .await
            .context("looking for calendars")?;
        let mut turns = Turns::new();
        for (schedule, version) in versions {
            let held = match known.get(&schedule) {
                Some((at, turns)) if *at == version => Some((version, turns.clone())),
                Some(_) | None => self.turns_of(&schedule).await?,
            };
            turns.extend(held.map(|held| (schedule, held)));
        }
        Ok(turns)
    }

    async fn turns_of(&self, schedule: &str) -> anyhow::Result<Option<(i64, Arc<[Override]>)>> {
        let row: Option<(i64, String)> = self
            .database
            .row(
                "SELECT version, turns FROM calendars WHERE schedule = $1",
                &[schedule.into()],
            )
            .await
            .context("looking for the turns of a calendar")?;
        row.map(|(version, turns)| {
            let turns: Vec<Override> =
                serde_json::from_str(&turns).context("reading the turns of a calendar")?;
            Ok((version, turns.into()))
        })
        .transpose()
    }
}
