//! The connections to a PostgreSQL server: a few, kept open, and given up as soon as one of them does not answer in time.
//!
//! A pool of our own, for two reasons. sqlx's asks a connection whether it is alive each time it comes back, which costs
//! every question a round trip; and on a wire that has gone silent that question is never answered, and the connection
//! never free again.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection, Executor};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::database::{in_time, is_dead, is_late};

/// The lanes, and a few readers, beside the one that commits; a small server's default limit is 100.
pub(super) const CONNECTIONS: u32 = 8;
/// How long one waits for a free connection, and then for a new one: under Slack's 3 s.
const ACQUIRE: Duration = Duration::from_secs(1);
/// A connection that nobody has used for so long is opened anew: a firewall on the way may have forgotten it.
const STALE: Duration = Duration::from_secs(300);
/// How long a close waits for what is under way.
const FAREWELL: Duration = Duration::from_secs(2);

/// The connections to a server, lent out one by one.
pub(super) struct Connections {
    options: PgConnectOptions,
    idle: Mutex<Vec<Idle>>,
    free: Semaphore,
}

impl fmt::Debug for Connections {
    /// Without the options: the password stands in them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").finish_non_exhaustive()
    }
}

/// What the server breaks off on a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// A statement that takes longer, in milliseconds.
    pub(super) statement_ms: u32,
    /// A statement that waits longer for a lock, in milliseconds.
    pub(super) lock_ms: u32,
}

/// Everything that is asked often has its index. Without this, a statement that was first planned while its table was
/// empty reads all of the table for as long as the connection lasts, however large it has become. What does read a whole
/// table then looks very dear to the planner, and is no case for the compiler all the same.
const PLANS: &str = "SET enable_seqscan = off; SET jit = off";

/// For questions, and for changes that nobody waits for.
const PATIENT: Limits = Limits {
    statement_ms: 10_000,
    lock_ms: 1_500,
};

/// A connection that nobody uses at the moment.
#[derive(Debug)]
pub(super) struct Idle {
    connection: PgConnection,
    since: Instant,
}

impl Idle {
    pub(super) fn new(connection: PgConnection) -> Self {
        Self {
            connection,
            since: Instant::now(),
        }
    }

    /// The connection, if it was used of late.
    pub(super) fn fresh(self) -> Option<PgConnection> {
        (self.since.elapsed() < STALE).then_some(self.connection)
    }

    /// Says good-bye to the server, if it listens.
    pub(super) async fn close(self) {
        let _ = in_time(Instant::now() + FAREWELL, self.connection.close()).await;
    }
}

/// A connection that is lent out. Whoever is dropped with it drops it: what is wrong with it is not known.
pub(super) struct Lent<'a> {
    pub(super) connection: PgConnection,
    home: &'a Connections,
    _permit: SemaphorePermit<'a>,
}

impl Lent<'_> {
    /// Brings the connection back, if the answer says that it is sound.
    pub(super) fn settle<T>(self, answer: &sqlx::Result<T>) {
        match answer {
            Err(error) if is_late(error) => self.home.distrust(),
            Err(error) if is_dead(error) => {}
            _ if self.home.is_closed() => {}
            _ => self.home.idle().push(Idle::new(self.connection)),
        }
    }
}

impl Connections {
    pub(super) fn new(options: PgConnectOptions) -> Self {
        Self {
            options,
            idle: Mutex::default(),
            free: Semaphore::new(CONNECTIONS as usize),
        }
    }

    /// A connection for one question.
    pub(super) async fn lend(&self) -> sqlx::Result<Lent<'_>> {
        let permit = tokio::time::timeout(ACQUIRE, self.free.acquire())
            .await
            .map_err(|_| sqlx::Error::PoolTimedOut)?
            .map_err(|_| sqlx::Error::PoolClosed)?;
        let idle = self.idle().pop();
        let connection = match idle.and_then(Idle::fresh) {
            Some(connection) => connection,
            None => self.connect(PATIENT).await?,
        };
        Ok(Lent {
            connection,
            home: self,
            _permit: permit,
        })
    }

    /// A new connection with these limits.
    pub(super) async fn connect(&self, limits: Limits) -> sqlx::Result<PgConnection> {
        let Limits {
            statement_ms,
            lock_ms,
        } = limits;
        if self.is_closed() {
            return Err(sqlx::Error::PoolClosed);
        }
        in_time(Instant::now() + ACQUIRE, async {
            let mut connection = PgConnection::connect_with(&self.options).await?;
            let settings = format!(
                "SET statement_timeout = {statement_ms}; SET lock_timeout = {lock_ms}; {PLANS}"
            );
            connection
                .execute(sqlx::raw_sql(AssertSqlSafe(settings)))
                .await?;
            Ok(connection)
        })
        .await
    }

    /// Drops the connections that are idle: one of their kind has just proved unsound.
    pub(super) fn distrust(&self) {
        self.idle().clear();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.free.is_closed()
    }

    /// Waits a moment for what is under way, and closes the connections.
    pub(super) async fn close(&self) {
        let all = self.free.acquire_many(CONNECTIONS);
        let _ = tokio::time::timeout(FAREWELL, all).await;
        self.free.close();
        let idle = std::mem::take(&mut *self.idle());
        futures_util::future::join_all(idle.into_iter().map(Idle::close)).await;
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
