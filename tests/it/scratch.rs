//! A database of a test's own, on either engine, made for it and gone after it.

use std::panic::AssertUnwindSafe;
use std::time::{SystemTime, UNIX_EPOCH};

use firebell::store::Store;
use futures_util::FutureExt;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, SqlitePool};
use tempfile::TempDir;

/// A database that nobody else uses.
pub struct Scratch {
    /// What stands in `DATABASE_URL`.
    pub url: String,
    engine: Engine,
}

enum Engine {
    Sqlite {
        _folder: TempDir,
        raw: SqlitePool,
    },
    Postgres {
        server: String,
        name: String,
        raw: PgPool,
    },
}

impl Scratch {
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = format!("sqlite://{}", folder.path().join("firebell.db").display());
        Store::open(&url)
            .await
            .expect("a new SQLite database")
            .close()
            .await;
        let raw = SqlitePool::connect(&url).await.expect("the same database");
        Self {
            url,
            engine: Engine::Sqlite {
                _folder: folder,
                raw,
            },
        }
    }

    pub async fn postgres() -> Self {
        let server = std::env::var("FIREBELL_TEST_POSTGRES").unwrap_or_else(|_| {
            panic!("FIREBELL_TEST_POSTGRES is not set: run the tests through tests/with-postgres, which starts a PostgreSQL for them")
        });
        let name = format!("firebell_test_{}_{}", std::process::id(), seed());
        admin(&server, &format!("CREATE DATABASE {name}")).await;
        let (address, _) = server
            .rsplit_once('/')
            .expect("an address with a database's name");
        let url = format!("{address}/{name}");
        Store::open(&url)
            .await
            .expect("a new PostgreSQL database")
            .close()
            .await;
        let raw = PgPool::connect(&url).await.expect("the same database");
        Self {
            url,
            engine: Engine::Postgres { server, name, raw },
        }
    }

    /// Runs a test, and takes the database away whatever came of it.
    pub async fn holds(self, test: impl AsyncFnOnce(&Scratch)) {
        let done = AssertUnwindSafe(test(&self)).catch_unwind().await;
        match self.engine {
            Engine::Sqlite { raw, .. } => raw.close().await,
            Engine::Postgres { server, name, raw } => {
                raw.close().await;
                admin(&server, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
            }
        }
        if let Err(panic) = done {
            std::panic::resume_unwind(panic);
        }
    }

    /// A handle of its own, as another process would have.
    pub async fn store(&self) -> Store {
        Store::open(&self.url).await.expect("the store opens")
    }

    /// Reaches around the store: runs statements and says how many rows changed.
    pub async fn tamper(&self, sql: &str) -> u64 {
        let sql = AssertSqlSafe(sql.to_owned());
        let done = match &self.engine {
            Engine::Sqlite { raw, .. } => sqlx::raw_sql(sql)
                .execute(raw)
                .await
                .map(|done| done.rows_affected()),
            Engine::Postgres { raw, .. } => sqlx::raw_sql(sql)
                .execute(raw)
                .await
                .map(|done| done.rows_affected()),
        };
        done.expect("the statement is right")
    }

    /// Reaches around the store: the texts of one column.
    pub async fn look(&self, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.to_owned());
        let rows = match &self.engine {
            Engine::Sqlite { raw, .. } => sqlx::query_scalar(sql).fetch_all(raw).await,
            Engine::Postgres { raw, .. } => sqlx::query_scalar(sql).fetch_all(raw).await,
        };
        rows.expect("the query is right")
    }

    /// How many rows a table has.
    pub async fn count(&self, table: &str) -> i64 {
        let text = self
            .look(&format!("SELECT CAST(COUNT(*) AS TEXT) FROM {table}"))
            .await;
        text[0].parse().expect("a number")
    }

    /// All that is kept, to be compared.
    pub async fn everything(&self) -> Vec<String> {
        self.look(
            "SELECT line FROM (\
             SELECT 'incident ' || id || ' ' || version || ' ' || status || ' ' || head || ' ' || state AS line FROM incidents \
             UNION ALL SELECT 'event ' || incident_id || ' ' || seq || ' ' || hash || ' ' || payload FROM events \
             UNION ALL SELECT 'delivery ' || id || ' ' || incident_id FROM deliveries \
             UNION ALL SELECT 'order ' || id || ' ' || due_at_ms || ' ' || attempts || ' ' || effect FROM outbox\
             ) AS lines ORDER BY line",
        )
        .await
    }
}

/// Runs a statement on the server itself. Two databases cannot be made at the very same moment: then again.
async fn admin(server: &str, sql: &str) {
    for _ in 0..50 {
        let mut connection = PgConnection::connect(server).await.unwrap_or_else(|error| {
            panic!("the PostgreSQL of FIREBELL_TEST_POSTGRES does not answer: {error}")
        });
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut connection)
            .await;
        let _ = connection.close().await;
        match done {
            Ok(_) => return,
            Err(error) if error.to_string().contains("being accessed by other users") => {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            Err(error) => panic!("{sql}: {error}"),
        }
    }
    panic!("{sql}: template1 was never free");
}

/// A number that is another one each time.
pub fn seed() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    now.as_nanos() as u64 ^ NEXT.fetch_add(1, Ordering::Relaxed) << 48
}

/// Chance that can be had again: `FIREBELL_TEST_SEED` sets the seed that a failed test printed.
#[derive(Clone)]
pub struct Chance(u64);

impl Chance {
    pub fn new() -> Self {
        let seed = std::env::var("FIREBELL_TEST_SEED")
            .ok()
            .map_or_else(seed, |text| {
                text.parse().expect("FIREBELL_TEST_SEED is a number")
            });
        println!("FIREBELL_TEST_SEED={seed}");
        Self(seed | 1)
    }

    /// Chance of its own for one of several, the same for the same seed.
    pub fn of(&self, n: u64) -> Self {
        let mut own = Self(self.0 ^ (n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        own.below(2);
        own
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        // Xorshift by Marsaglia: enough to shuffle a test.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    /// A moment's pause, or none.
    pub async fn pause(&mut self) {
        match self.below(4) {
            0 => {}
            1 => tokio::task::yield_now().await,
            n => tokio::time::sleep(std::time::Duration::from_micros(n * self.below(800))).await,
        }
    }
}

/// Each test twice: on SQLite and on PostgreSQL.
macro_rules! on_both_engines {
    ($($(#[$doc:meta])* async fn $name:ident($scratch:ident) $body:block)+) => {
        $($(#[$doc])* mod $name {
            use super::*;

            async fn test($scratch: &crate::scratch::Scratch) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                crate::scratch::Scratch::sqlite().await.holds(test).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                crate::scratch::Scratch::postgres().await.holds(test).await;
            }
        })+
    };
}
pub(crate) use on_both_engines;
