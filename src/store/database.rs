//! The two engines and the one way to ask them: the databases differ in this file and nowhere else.

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgRow};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteRow, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Connection, FromRow};
use tokio::sync::Mutex;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// How long a statement waits for another process's lock on an SQLite file (`firebell incident` beside `serve`).
const SQLITE_BUSY: Duration = Duration::from_secs(5);
/// Reads beside the one writer.
const SQLITE_READERS: u32 = 4;
/// One writer, the lanes, and a few readers; a small server's default limit is 100.
const POSTGRES_CONNECTIONS: u32 = 8;
/// How long a query waits for a free connection before it is an error: under Slack's 3 s.
const ACQUIRE: Duration = Duration::from_secs(2);

/// An open database. What is written goes over a connection that is held, not borrowed from a pool: a pool asks a
/// connection whether it is alive each time it comes back, and that costs as much as a commit.
#[derive(Debug, Clone)]
pub(super) enum Database {
    /// One connection that writes, a few that read.
    Sqlite {
        writer: Arc<Mutex<SqliteWriter>>,
        readers: SqlitePool,
    },
    /// A connection for commits, and a pool for everything else.
    Postgres {
        committer: Arc<Mutex<Option<PgConnection>>>,
        pool: PgPool,
    },
}

/// The one connection that writes to an SQLite file.
#[derive(Debug)]
pub(super) struct SqliteWriter {
    options: SqliteConnectOptions,
    connection: Option<SqliteConnection>,
    is_closed: bool,
}

impl SqliteWriter {
    /// The connection, opened anew if the last one was given up.
    pub(super) async fn connection(&mut self) -> sqlx::Result<&mut SqliteConnection> {
        if self.is_closed {
            return Err(sqlx::Error::PoolClosed);
        }
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let mut connection = SqliteConnection::connect_with(&self.options).await?;
                for statement in super::commit::sqlite_door() {
                    sqlx::query(AssertSqlSafe(statement))
                        .execute(&mut connection)
                        .await?;
                }
                connection
            }
        };
        Ok(self.connection.insert(connection))
    }

    /// Gives the connection up: what is wrong with it is not known.
    pub(super) fn give_up(&mut self) {
        self.connection = None;
    }
}

/// A value for a placeholder.
#[derive(Debug, Clone, Copy)]
pub(super) enum Arg<'a> {
    Text(&'a str),
    OptText(Option<&'a str>),
    Int(i64),
}

impl<'a> From<&'a str> for Arg<'a> {
    fn from(text: &'a str) -> Self {
        Arg::Text(text)
    }
}

impl<'a> From<Option<&'a str>> for Arg<'a> {
    fn from(text: Option<&'a str>) -> Self {
        Arg::OptText(text)
    }
}

impl From<i64> for Arg<'_> {
    fn from(number: i64) -> Self {
        Arg::Int(number)
    }
}

/// A row that either engine can give.
pub(super) trait Row:
    Send + Unpin + for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow>
{
}

impl<T> Row for T where T: Send + Unpin + for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow>
{}

/// A statement in the words of each engine; the same words wherever both understand them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sql {
    pub sqlite: &'static str,
    pub postgres: &'static str,
}

impl From<&'static str> for Sql {
    fn from(sql: &'static str) -> Self {
        Sql {
            sqlite: sql,
            postgres: sql,
        }
    }
}

/// A text that both engines take: PostgreSQL knows no U+0000. (In JSON it stands escaped, and comes back as it was.)
pub(super) fn without_nul(text: &str) -> Cow<'_, str> {
    match text.contains('\0') {
        true => text.replace('\0', "\u{fffd}").into(),
        false => text.into(),
    }
}

/// Binds the arguments of a query, whatever the engine.
macro_rules! bound {
    ($query:expr, $args:expr) => {
        $args.iter().fold($query, |query, arg| match *arg {
            Arg::Text(text) => query.bind(without_nul(text)),
            Arg::OptText(text) => query.bind(text.map(without_nul)),
            Arg::Int(number) => query.bind(number),
        })
    };
}

/// Asks once more for every connection that turns out to be dead: after the server was restarted each of the pool's is.
/// Only for questions: what changes something may have done so before the connection died.
macro_rules! ask_again {
    ($ask:expr) => {{
        let mut dead = 0;
        loop {
            match $ask {
                Err(error) if is_dead(&error) && dead < POSTGRES_CONNECTIONS => dead += 1,
                answer => break answer,
            }
        }
    }};
}

impl Database {
    /// Opens the database at an address and brings its tables up to date.
    pub(super) async fn open(url: &str) -> anyhow::Result<Self> {
        if url.starts_with("sqlite:") {
            Self::open_sqlite(url).await
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            Self::open_postgres(url).await
        } else {
            bail!("DATABASE_URL must begin with sqlite:// or postgres://")
        }
    }

    async fn open_sqlite(url: &str) -> anyhow::Result<Self> {
        let options = SqliteConnectOptions::from_str(url)
            .context("reading DATABASE_URL")?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // FULL: an answered command survives a power cut, not only a crash of the process.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(SQLITE_BUSY)
            .statement_cache_capacity(64);
        let mut writer = SqliteWriter {
            options: options.clone(),
            connection: None,
            is_closed: false,
        };
        let connection = writer
            .connection()
            .await
            .context("opening the SQLite database")?;
        MIGRATIONS
            .run(&mut *connection)
            .await
            .context("bringing the tables up to date")?;
        let readers = SqlitePoolOptions::new()
            .max_connections(SQLITE_READERS)
            .test_before_acquire(false)
            .acquire_timeout(ACQUIRE)
            .connect_lazy_with(options.create_if_missing(false).read_only(true));
        Ok(Database::Sqlite {
            writer: Arc::new(Mutex::new(writer)),
            readers,
        })
    }

    async fn open_postgres(url: &str) -> anyhow::Result<Self> {
        let options = PgConnectOptions::from_str(url)
            .context("reading DATABASE_URL")?
            .application_name("firebell");
        let pool = PgPoolOptions::new()
            .max_connections(POSTGRES_CONNECTIONS)
            .acquire_timeout(ACQUIRE)
            // A connection that died is noticed by the query that meets it (see `ask_again!`); to ask each time before
            // use would cost every command a round trip.
            .test_before_acquire(false)
            .connect_with(options)
            .await
            .context("connecting to PostgreSQL")?;
        MIGRATIONS
            .run(&pool)
            .await
            .context("bringing the tables up to date")?;
        Ok(Database::Postgres {
            committer: Arc::default(),
            pool,
        })
    }

    /// Asks for rows without changing anything.
    pub(super) async fn rows<T: Row>(
        &self,
        sql: impl Into<Sql>,
        args: &[Arg<'_>],
    ) -> sqlx::Result<Vec<T>> {
        let sql = sql.into();
        match self {
            Database::Sqlite { readers, .. } => {
                bound!(sqlx::query_as(sql.sqlite), args)
                    .fetch_all(readers)
                    .await
            }
            Database::Postgres { pool, .. } => {
                ask_again!(
                    bound!(sqlx::query_as(sql.postgres), args)
                        .fetch_all(pool)
                        .await
                )
            }
        }
    }

    /// Asks for one row without changing anything.
    pub(super) async fn row<T: Row>(
        &self,
        sql: impl Into<Sql>,
        args: &[Arg<'_>],
    ) -> sqlx::Result<Option<T>> {
        let sql = sql.into();
        match self {
            Database::Sqlite { readers, .. } => {
                bound!(sqlx::query_as(sql.sqlite), args)
                    .fetch_optional(readers)
                    .await
            }
            Database::Postgres { pool, .. } => {
                ask_again!(
                    bound!(sqlx::query_as(sql.postgres), args)
                        .fetch_optional(pool)
                        .await
                )
            }
        }
    }

    /// Changes rows in one statement and gives them back.
    pub(super) async fn change<T: Row>(
        &self,
        sql: impl Into<Sql>,
        args: &[Arg<'_>],
    ) -> sqlx::Result<Vec<T>> {
        let sql = sql.into();
        match self {
            Database::Sqlite { writer, .. } => {
                let mut writer = writer.lock().await;
                bound!(sqlx::query_as(sql.sqlite), args)
                    .fetch_all(writer.connection().await?)
                    .await
            }
            Database::Postgres { pool, .. } => {
                bound!(sqlx::query_as(sql.postgres), args)
                    .fetch_all(pool)
                    .await
            }
        }
    }

    /// Changes rows in one statement and says how many.
    pub(super) async fn execute(&self, sql: impl Into<Sql>, args: &[Arg<'_>]) -> sqlx::Result<u64> {
        let sql = sql.into();
        match self {
            Database::Sqlite { writer, .. } => {
                let mut writer = writer.lock().await;
                bound!(sqlx::query(sql.sqlite), args)
                    .execute(writer.connection().await?)
                    .await
                    .map(|done| done.rows_affected())
            }
            Database::Postgres { pool, .. } => bound!(sqlx::query(sql.postgres), args)
                .execute(pool)
                .await
                .map(|done| done.rows_affected()),
        }
    }

    /// Lets go of every connection, finishing what is being written.
    pub(super) async fn close(&self) {
        match self {
            Database::Sqlite { writer, readers } => {
                readers.close().await;
                // Whoever writes has written when the lock is had; nobody writes after it.
                let mut writer = writer.lock().await;
                writer.is_closed = true;
                if let Some(connection) = writer.connection.take() {
                    let _ = connection.close().await;
                }
            }
            Database::Postgres { committer, pool } => {
                let connection = committer.lock().await.take();
                if let Some(connection) = connection {
                    let _ = connection.close().await;
                }
                pool.close().await;
            }
        }
    }
}

/// Whether an error says that the connection is gone, not that the question was wrong.
fn is_dead(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        // Class 57P: the server was stopped, or an administrator ended the session.
        sqlx::Error::Database(cause) => cause.code().is_some_and(|code| code.starts_with("57P")),
        _ => false,
    }
}
