//! The database looked at from outside: whether it opens, takes what is written, and has the tables of this version.
//! Nothing is made and nothing is kept.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection};
use tokio::time::Instant;

use super::database::{Database, MIGRATIONS, OPENING, SQLITE_OPENING, in_time, innermost};

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Examination {
    /// There is no SQLite file yet; the first start makes it.
    NotThere {
        /// Where it will be.
        path: std::path::PathBuf,
    },
    /// It cannot be opened or asked; why.
    Closed(String),
    /// It opens, and does not take what is written; why.
    ReadOnly(String),
    /// It works.
    Works {
        /// Versions of the tables that are still to come.
        missing: usize,
        /// Versions of the tables that this Firebell does not know: a newer one was here.
        unknown: usize,
        /// How long a question takes.
        latency: Duration,
    },
}

/// The versions of the tables that were made.
const MADE: &str = "SELECT version FROM _sqlx_migrations WHERE success";
/// Takes place in a transaction that is rolled back.
const PROBE: &str = "CREATE TABLE firebell_doctor (probe BIGINT)";
const PROBE_OF_ROWS: &str =
    "INSERT INTO deliveries (id, incident_id, seq) VALUES ('firebell doctor', '', 0)";

/// Looks at the database at an address. It must not be open otherwise for longer than a moment.
pub async fn examine(url: &str) -> Examination {
    if url.starts_with("sqlite:") {
        let options = match SqliteConnectOptions::from_str(url) {
            Ok(options) => options.busy_timeout(SQLITE_OPENING),
            Err(error) => return Examination::Closed(innermost(&error)),
        };
        if let Ok(Some(path)) = Database::missing(url) {
            return Examination::NotThere { path };
        }
        let path = options.get_filename();
        match SqliteConnection::connect_with(&options).await {
            Ok(connection) => look(connection).await,
            Err(error) => Examination::Closed(format!("{}: {}", path.display(), innermost(&error))),
        }
    } else {
        let options = match PgConnectOptions::from_str(url) {
            Ok(options) => options.application_name("firebell doctor"),
            Err(error) => return Examination::Closed(innermost(&error)),
        };
        let place = format!("{}:{}", options.get_host(), options.get_port());
        let connecting = PgConnection::connect_with(&options);
        match in_time(Instant::now() + OPENING, connecting).await {
            Ok(connection) => look(connection).await,
            Err(error) => Examination::Closed(format!("{place}: {}", innermost(&error))),
        }
    }
}

/// Nothing was made yet. SQLite has one code for every error of a statement (sqlite.org/rescode.html: SQLITE_ERROR, 1),
/// and another for a file that is no database (SQLITE_NOTADB, 26); PostgreSQL's is `undefined_table` (its manual,
/// appendix A).
fn has_no_table(error: &dyn sqlx::error::DatabaseError) -> bool {
    error
        .code()
        .is_some_and(|code| code == "1" || code == "42P01")
}

async fn look<C>(mut connection: C) -> Examination
where
    C: Connection,
    for<'c> &'c mut C: sqlx::Executor<'c, Database = C::Database>,
    (i64,): Send + Unpin + for<'r> sqlx::FromRow<'r, <C::Database as sqlx::Database>::Row>,
    for<'q> <C::Database as sqlx::Database>::Arguments: sqlx::IntoArguments<C::Database>,
{
    let until = Instant::now() + OPENING;
    let made: sqlx::Result<Vec<(i64,)>> =
        in_time(until, sqlx::query_as(MADE).fetch_all(&mut connection)).await;
    let made: Vec<i64> = match made {
        Ok(made) => made.into_iter().map(|(version,)| version).collect(),
        Err(sqlx::Error::Database(error)) if has_no_table(&*error) => Vec::new(),
        Err(error) => return Examination::Closed(innermost(&error)),
    };
    let known: Vec<i64> = MIGRATIONS
        .iter()
        .map(|migration| migration.version)
        .collect();
    let missing = known
        .iter()
        .filter(|version| !made.contains(version))
        .count();
    let unknown = made
        .iter()
        .filter(|version| !known.contains(version))
        .count();
    let probe = match made.is_empty() {
        true => PROBE,
        false => PROBE_OF_ROWS,
    };
    let mut written = Ok(());
    for statement in ["BEGIN", probe, "ROLLBACK"] {
        let doing = sqlx::query(AssertSqlSafe(statement)).execute(&mut connection);
        written = written.and(in_time(until, doing).await.map(drop));
    }
    if let Err(error) = written {
        return Examination::ReadOnly(innermost(&error));
    }
    let asked = Instant::now();
    let asking = sqlx::query_as("SELECT CAST(1 AS BIGINT)").fetch_one(&mut connection);
    let answer: sqlx::Result<(i64,)> = in_time(until, asking).await;
    let latency = asked.elapsed();
    let _ = in_time(until, connection.close()).await;
    match answer {
        Ok(_) => Examination::Works {
            missing,
            unknown,
            latency,
        },
        Err(error) => Examination::Closed(innermost(&error)),
    }
}
