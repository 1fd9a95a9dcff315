//! What is kept, and the only room that speaks SQL: incidents with their events, deliveries, and the outbox.

pub mod alerts;
pub mod bells;
pub mod calendars;
pub mod chain;
pub mod changes;
pub mod commit;
mod connections;
mod database;
pub mod duties;
pub mod examine;
pub mod handover;
pub mod incidents;
pub mod keys;
pub mod ledger;
pub mod outbox;
pub mod overrides;
pub mod write;

use anyhow::Context;
use bells::Bells;
use database::Database;
use handover::Handover;
use jiff::{SignedDuration, Timestamp};
use overrides::Standing;

/// The store. Copies share their connections.
#[derive(Debug, Clone)]
pub struct Store {
    database: Database,
    bells: Bells,
    handover: Handover,
    standing: Standing,
}

impl Store {
    /// Opens the store at a `DATABASE_URL` (`sqlite://…` or `postgres://…`), making and migrating its tables.
    pub async fn open(url: &str) -> anyhow::Result<Self> {
        Ok(Self {
            database: Database::open(url).await?,
            bells: Bells::default(),
            handover: Handover::default(),
            standing: Standing::default(),
        })
    }

    /// Opens a store that is there already: where no SQLite file is, none is made.
    pub async fn open_existing(url: &str) -> anyhow::Result<Self> {
        if let Some(path) = Database::missing(url)? {
            anyhow::bail!(
                "There is no database at {}. DATABASE_URL says where it lies; `firebell migrate` makes one.",
                path.display()
            );
        }
        Self::open(url).await
    }

    /// Opens the store if there is one: no SQLite file is no store.
    pub async fn open_if_there(url: &str) -> anyhow::Result<Option<Self>> {
        match Database::missing(url)? {
            Some(_) => Ok(None),
            None => Self::open(url).await.map(Some),
        }
    }

    /// The bells of its outbox.
    pub fn bells(&self) -> &Bells {
        &self.bells
    }

    /// Where orders are handed over as they are written.
    pub fn handover(&self) -> &Handover {
        &self.handover
    }

    /// Lets go of the database, finishing what is being written, unless that takes too long.
    pub async fn close(&self) {
        self.database.close().await;
    }

    /// What time it is where the database is, if other machines may go by that too.
    pub async fn clock(&self) -> anyhow::Result<Option<Timestamp>> {
        let Database::Postgres { .. } = &self.database else {
            return Ok(None);
        };
        let asked = std::time::Instant::now();
        let row: Option<(i64,)> = self
            .database
            .row(
                "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
                &[],
            )
            .await
            .context("asking the database for the time")?;
        // It was right on half of the way.
        let since = SignedDuration::try_from(asked.elapsed() / 2).unwrap_or_default();
        Ok(row.map(|(at,)| moment(at).checked_add(since).unwrap_or(moment(at))))
    }

    /// Whether a failure to read is the database's, not what was read.
    pub fn is_away(cause: &anyhow::Error) -> bool {
        cause.chain().any(|cause| cause.is::<sqlx::Error>())
    }

    /// Whether the database answers, and in time.
    pub async fn ping(&self) -> sqlx::Result<()> {
        self.database
            .row::<(i64,)>("SELECT CAST(1 AS BIGINT)", &[])
            .await
            .map(drop)
    }
}

/// The moment as it is stored.
fn ms(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// The moment as it was stored.
fn moment(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}
