//! The two engines and the one way to ask them: the databases differ in this file and nowhere else.

use std::borrow::Cow;
use std::io::ErrorKind;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteRow, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Connection, FromRow};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::warn;

use super::alerts::ALERT_WRITES;
use super::commit::{COMMIT_WRITES, PAGING_WRITES};
use super::connections::{CONNECTIONS, Connections, Idle};
use super::write::Batch;

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// How long a statement waits for another process's lock on an SQLite file (`firebell incident` beside `serve`): as long
/// as a person can be let wait.
pub(super) const SQLITE_BUSY: Duration = Duration::from_millis(1_500);
/// The same for the one that opens the file: it has time, and may meet one that brings the tables up to date.
pub(super) const SQLITE_OPENING: Duration = Duration::from_secs(5);
/// Reads beside the one writer.
const SQLITE_READERS: u32 = 4;
/// The pages that the writer of SQLite keeps in memory, in KiB below zero. The first look through a full outbox fills it,
/// and a bot at rest shall be small; what is not there comes from the operating system's own cache.
const WRITER_CACHE: &str = "-2048";
/// The same for each connection that reads.
const READER_CACHE: &str = "-512";
/// After so many pages the log is put into the file: a storm changes the same pages again and again, and they are put
/// there once. At 4 KiB a page the log has 16 MB then, which a start reads in a moment.
const CHECKPOINT_PAGES: &str = "4000";
/// How long a read waits for a free connection before it is an error: under Slack's 3 s.
const ACQUIRE: Duration = Duration::from_secs(1);
/// How long one row may take: somebody waits for it.
const ONE_ROW: Duration = Duration::from_secs(2);
/// How long a page of rows may take: a record's rows are long.
const MANY_ROWS: Duration = Duration::from_secs(10);
/// How long a change may take that nobody waits for.
const CHANGE: Duration = Duration::from_secs(5);
/// How long a close waits for what is being written.
const FAREWELL: Duration = Duration::from_secs(3);
/// How long a first connection to PostgreSQL may take.
pub(super) const OPENING: Duration = Duration::from_secs(10);

/// An open database. What is written goes over a connection that is held, not borrowed from a pool: a pool asks a
/// connection whether it is alive each time it comes back, and that costs as much as a commit.
#[derive(Debug, Clone)]
pub(super) enum Database {
    /// One connection that writes, a few that read.
    Sqlite {
        writer: Arc<Mutex<SqliteWriter>>,
        readers: SqlitePool,
    },
    /// A connection for the commits of each batch of writes, and some for everything else.
    Postgres {
        committers: [Arc<Mutex<Option<Idle>>>; 2],
        others: Arc<Connections>,
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
                let doors = [&COMMIT_WRITES, &PAGING_WRITES, &ALERT_WRITES].map(Batch::sqlite_door);
                for statement in doors.into_iter().flatten() {
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

/// Rows of a table by many ids, which come as one JSON array.
macro_rules! by_ids {
    ($select:literal) => {
        $crate::store::database::Sql {
            sqlite: concat!($select, " WHERE id IN (SELECT value FROM json_each($1))"),
            // As an array it is looked up in the index, whatever the statistics say.
            postgres: concat!(
                $select,
                " WHERE id = ANY(ARRAY(SELECT json_array_elements_text(CAST($1 AS json))))"
            ),
        }
    };
}
pub(super) use by_ids;

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
                Err(error) if is_dead(&error) && !is_late(&error) && dead < CONNECTIONS => {
                    dead += 1;
                }
                answer => break answer,
            }
        }
    }};
}

/// Asks over one of PostgreSQL's connections, in a limited time; the connection is kept if it is sound.
macro_rules! over {
    ($connections:expr, $limit:expr, $connection:ident => $ask:expr) => {{
        let mut lent = $connections.lend().await?;
        let $connection = &mut lent.connection;
        let answer = in_time(Instant::now() + $limit, $ask).await;
        lent.settle(&answer);
        answer
    }};
}

impl Database {
    /// The path of the SQLite file that an address names, if there is none.
    pub(super) fn missing(url: &str) -> anyhow::Result<Option<std::path::PathBuf>> {
        if !url.starts_with("sqlite:") {
            return Ok(None);
        }
        let options = SqliteConnectOptions::from_str(url).context("reading DATABASE_URL")?;
        let path = options.get_filename();
        Ok((!path.exists()).then(|| path.to_owned()))
    }

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
        let patient = options.clone().busy_timeout(SQLITE_OPENING);
        let mut opening = match SqliteConnection::connect_with(&patient).await {
            Ok(connection) => connection,
            // The engine's words name no file, and say everything twice.
            Err(cause) => bail!(
                "The SQLite database {} cannot be opened: {}. Its folder must exist and be writable; DATABASE_URL names \
                 the file (sqlite://firebell.db, or with four slashes sqlite:////data/firebell.db).",
                options.get_filename().display(),
                innermost(&cause),
            ),
        };
        MIGRATIONS
            .run(&mut opening)
            .await
            .context("bringing the tables up to date")?;
        let mut writer = SqliteWriter {
            options: options
                .clone()
                .pragma("cache_size", WRITER_CACHE)
                .pragma("wal_autocheckpoint", CHECKPOINT_PAGES),
            connection: None,
            is_closed: false,
        };
        writer
            .connection()
            .await
            .context("opening the SQLite database")?;
        opening
            .close()
            .await
            .context("closing the first connection")?;
        let readers = SqlitePoolOptions::new()
            .max_connections(SQLITE_READERS)
            .test_before_acquire(false)
            .acquire_timeout(ACQUIRE)
            .connect_lazy_with(
                options
                    .create_if_missing(false)
                    .read_only(true)
                    .pragma("cache_size", READER_CACHE),
            );
        Ok(Database::Sqlite {
            writer: Arc::new(Mutex::new(writer)),
            readers,
        })
    }

    async fn open_postgres(url: &str) -> anyhow::Result<Self> {
        let options = PgConnectOptions::from_str(url)
            .context("reading DATABASE_URL")?
            .application_name("firebell");
        // Without a limit on its statements: to make an index of a large table takes its time.
        let first = in_time(
            Instant::now() + OPENING,
            PgConnection::connect_with(&options),
        );
        let mut opening = match first.await {
            Ok(connection) => connection,
            Err(cause) => bail!(
                "PostgreSQL at {}:{} cannot be used: {}. DATABASE_URL names it.",
                options.get_host(),
                options.get_port(),
                innermost(&cause)
            ),
        };
        MIGRATIONS
            .run(&mut opening)
            .await
            .context("bringing the tables up to date")?;
        opening
            .close()
            .await
            .context("closing the first connection")?;
        Ok(Database::Postgres {
            committers: Default::default(),
            others: Arc::new(Connections::new(options)),
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
                let asking = bound!(sqlx::query_as(sql.sqlite), args).fetch_all(readers);
                in_time(Instant::now() + MANY_ROWS, asking).await
            }
            Database::Postgres { others, .. } => ask_again!(over!(others, MANY_ROWS, connection =>
                bound!(sqlx::query_as(sql.postgres), args).fetch_all(connection))),
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
                let asking = bound!(sqlx::query_as(sql.sqlite), args).fetch_optional(readers);
                in_time(Instant::now() + ONE_ROW, asking).await
            }
            Database::Postgres { others, .. } => ask_again!(over!(others, ONE_ROW, connection =>
                bound!(sqlx::query_as(sql.postgres), args).fetch_optional(connection))),
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
                let changing = async {
                    let mut writer = writer.lock().await;
                    bound!(sqlx::query_as(sql.sqlite), args)
                        .fetch_all(writer.connection().await?)
                        .await
                };
                in_time(Instant::now() + CHANGE, changing).await
            }
            Database::Postgres { others, .. } => over!(others, CHANGE, connection =>
                bound!(sqlx::query_as(sql.postgres), args).fetch_all(connection)),
        }
    }

    /// Changes rows in one statement and says how many.
    pub(super) async fn execute(&self, sql: impl Into<Sql>, args: &[Arg<'_>]) -> sqlx::Result<u64> {
        let sql = sql.into();
        match self {
            Database::Sqlite { writer, .. } => {
                let changing = async {
                    let mut writer = writer.lock().await;
                    bound!(sqlx::query(sql.sqlite), args)
                        .execute(writer.connection().await?)
                        .await
                };
                let done = in_time(Instant::now() + CHANGE, changing).await;
                done.map(|done| done.rows_affected())
            }
            Database::Postgres { others, .. } => over!(others, CHANGE, connection =>
                bound!(sqlx::query(sql.postgres), args).execute(connection))
            .map(|done| done.rows_affected()),
        }
    }

    /// Drops the connections that are kept for reading, where they may be dead without our knowing: the next question
    /// goes over a new one.
    pub(super) fn distrust(&self) {
        match self {
            Database::Sqlite { .. } => {}
            Database::Postgres { others, .. } => others.distrust(),
        }
    }

    /// Lets go of every connection, finishing what is being written, unless that takes too long.
    pub(super) async fn close(&self) {
        let closing = async {
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
                Database::Postgres { committers, others } => {
                    let committing = async {
                        for committer in committers {
                            if let Some(connection) = committer.lock().await.take() {
                                connection.close().await;
                            }
                        }
                    };
                    tokio::join!(committing, others.close());
                }
            }
        };
        if tokio::time::timeout(FAREWELL, closing).await.is_err() {
            warn!("The database does not let go in time; what was being written may be lost");
        }
    }
}

/// Waits for an answer until then and no longer.
pub(super) async fn in_time<T>(
    until: Instant,
    asking: impl Future<Output = sqlx::Result<T>>,
) -> sqlx::Result<T> {
    match tokio::time::timeout_at(until, asking).await {
        Ok(answer) => answer,
        Err(_) => Err(sqlx::Error::Io(std::io::Error::new(
            ErrorKind::TimedOut,
            "the database did not answer in time",
        ))),
    }
}

/// Whether an error says that no answer came in time.
pub(super) fn is_late(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(cause) if cause.kind() == ErrorKind::TimedOut)
}

/// The cause behind all others, in its own words.
pub(super) fn innermost(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(cause) => cause.message().to_owned(),
        sqlx::Error::Io(cause) => cause.to_string(),
        error => error.to_string(),
    }
}

/// Whether an error says that the connection is gone, not that the question was wrong.
pub(super) fn is_dead(error: &sqlx::Error) -> bool {
    match error {
        // Class 08: no connection. 57P: the server was stopped, or an administrator ended the session.
        sqlx::Error::Database(cause) => cause
            .code()
            .is_some_and(|code| code.starts_with("08") || code.starts_with("57P")),
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::MIGRATIONS;

    #[test]
    fn no_two_migrations_have_one_number() {
        let numbers: BTreeSet<i64> = MIGRATIONS.iter().map(|it| it.version).collect();
        assert_eq!(numbers.len(), MIGRATIONS.iter().count());
    }
}
