//! Rows of any number written as one statement, in the words of both engines.
//!
//! On PostgreSQL the rows go as arrays in a `WITH` over all tables, on SQLite as JSON through a trigger. One statement is
//! one transaction and one round trip, and on SQLite one change to the thread on which the connection lives and back,
//! which costs more than the writing.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use sqlx::{AssertSqlSafe, PgConnection, SqliteConnection};
use tokio::time::Instant;

use super::connections::{Idle, Limits};
use super::database::{Database, SQLITE_BUSY, in_time, without_nul};
use Kind::{Int, Text};

/// On PostgreSQL. For a lock it waits no longer than the most hurried commit may (the engine gives none less than half a
/// second): so the server says that nothing was written, and we need not guess.
const PRESSED: Limits = Limits {
    statement_ms: 2_000,
    lock_ms: 400,
};
/// SQLite keeps to its time by itself; only a disk that hangs takes longer.
const SQLITE_GRACE: Duration = Duration::from_millis(200);

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Somebody else was faster, or a delivery was made twice: look again, decide again.
    #[error("the state has moved on")]
    Conflict,
    /// A lease was lost: somebody else does that order now.
    #[error("the lease was lost")]
    LeaseLost,
    /// Two commits wait for each other, and this one had to give way: again.
    #[error("another commit stood in the way")]
    Deadlock,
    /// The database takes everything but what stands in this commit.
    #[error("the database refuses what is to be written")]
    Unfit(#[source] sqlx::Error),
    /// The database failed, or did not begin in time: nothing is written.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// The database went away, or did not answer in time: it may be written, or may be yet.
    #[error("the database went away while it wrote")]
    Unclear(#[source] sqlx::Error),
    /// An event could not be put into JSON.
    #[error("an event cannot be stored")]
    Json(#[from] serde_json::Error),
}

impl CommitError {
    /// Whether it says something of the store, not of what was to be written.
    fn is_of_the_store(&self) -> bool {
        matches!(self, CommitError::Database(_) | CommitError::Unclear(_))
    }
}

/// Writes that are made together, in this order.
#[derive(Debug)]
pub(super) struct Batch {
    /// The name of SQLite's view through which they go.
    pub(super) door: &'static str,
    /// Which of PostgreSQL's connections they go over: a storm of one kind keeps no other waiting.
    pub(super) committer: usize,
    /// The writes.
    pub(super) writes: &'static [Write],
    /// The statements of PostgreSQL, by the writes that have rows.
    pub(super) statements: Mutex<BTreeMap<u32, &'static str>>,
}

/// What PostgreSQL says when a lease was lost: it divides by nothing (see [`Write::proof`]).
const DIVIDED_BY_ZERO: &str = "22012";
/// What SQLite says when a lease was lost: the words of the commit's own trigger, and its code for such words.
const LEASE_LOST: &str = "a lease was lost";
const RAISED: &str = "1811";
/// The same when a row was of another version than the one that was decided on: PostgreSQL takes the root of less than
/// nothing (see [`Write::proof`]).
const ROOT_OF_LESS_THAN_NOTHING: &str = "2201F";
const MOVED: &str = "the state has moved on";

/// What an error of the writing says. A code of five characters is one of PostgreSQL's, its class in the first two
/// (appendix A of its manual); any other is a number of SQLite's, whose last byte is the class.
fn classified(error: sqlx::Error) -> CommitError {
    let cause = match &error {
        sqlx::Error::Database(cause) => cause,
        // Not even sent.
        sqlx::Error::Encode(_) => return CommitError::Unfit(error),
        _ => return CommitError::Unclear(error),
    };
    if cause.is_unique_violation() {
        return CommitError::Conflict;
    }
    let code = cause.code().unwrap_or_default();
    if code == DIVIDED_BY_ZERO || (code == RAISED && cause.message() == LEASE_LOST) {
        return CommitError::LeaseLost;
    }
    if code == ROOT_OF_LESS_THAN_NOTHING || (code == RAISED && cause.message() == MOVED) {
        return CommitError::Conflict;
    }
    if code.len() == 5 {
        return match &code[..2] {
            // Two commits wait for each other, or cannot be told apart from one another.
            "40" => CommitError::Deadlock,
            // Data that does not fit its type, breaks a rule of a table, or is beyond a limit.
            "22" | "23" | "54" => CommitError::Unfit(error),
            // The session was ended, or the server fell over: perhaps after it had written.
            "08" | "58" | "XX" => CommitError::Unclear(error),
            "57" if code.starts_with("57P") => CommitError::Unclear(error),
            _ => CommitError::Database(error),
        };
    }
    match code.parse::<u32>().unwrap_or_default() & 0xff {
        // Too big; a rule of a table; a wrong type.
        18..=20 => CommitError::Unfit(error),
        // The disk failed.
        10 => CommitError::Unclear(error),
        _ => CommitError::Database(error),
    }
}

/// A value in a row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub(super) enum Cell {
    Text(Option<String>),
    Int(Option<i64>),
}

impl Cell {
    pub(super) fn text(text: &str) -> Self {
        Cell::Text(Some(without_nul(text).into_owned()))
    }

    pub(super) fn int(number: i64) -> Self {
        Cell::Int(Some(number))
    }
}

/// The type of a column.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Text,
    Int,
}

/// A write of any number of rows of one shape, in the words of both engines.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) verb: Verb,
    pub(super) table: &'static str,
    pub(super) columns: &'static [(&'static str, Kind)],
}

#[derive(Debug)]
pub(super) enum Verb {
    /// Adds the rows.
    Insert,
    /// Adds the rows, or takes their place where the first column is there already.
    Put,
    /// The same, if the row that is there is of the version before: it breaks the whole write if somebody else was
    /// faster. The second column is the version.
    Advance,
    /// Changes the rows that are there and of the version before, as [`Verb::Advance`] does, and adds none.
    Touch,
    /// Removes the rows in which all columns are equal and which nobody is working on.
    DeleteWaiting,
    /// Removes the rows in which all columns are equal, and breaks the whole commit if one of them is not there.
    Finish,
}

impl Write {
    /// The rows as JSON's array of arrays.
    fn json(&self, cells: &[Cell]) -> Result<String, serde_json::Error> {
        let rows: Vec<&[Cell]> = cells.chunks(self.columns.len()).collect();
        serde_json::to_string(&rows)
    }

    /// The rows in one order for everybody, so that two commits which meet wait one after the other, not each for
    /// the other.
    pub(super) fn in_order(&self, mut cells: Vec<Cell>) -> Vec<Cell> {
        let width = self.columns.len();
        let row = |n: usize| n * width..(n + 1) * width;
        let mut order: Vec<usize> = (0..cells.len() / width).collect();
        if order.is_sorted_by(|a, b| cells[row(*a)] <= cells[row(*b)]) {
            return cells;
        }
        order.sort_unstable_by(|a, b| cells[row(*a)].cmp(&cells[row(*b)]));
        let places = order.into_iter().flat_map(row);
        places
            .map(|place| std::mem::replace(&mut cells[place], Cell::Int(None)))
            .collect()
    }

    /// The statement for SQLite, whose rows are one JSON array of arrays:
    /// `INSERT INTO t (a, b) SELECT value ->> 0, value ->> 1 FROM json_each(NEW.w0)`.
    fn sqlite(&self, array: &str) -> String {
        let table = self.table;
        let values = (0..self.columns.len()).map(|n| format!("value ->> {n}"));
        let values = values.collect::<Vec<_>>().join(", ");
        let rows = format!("json_each({array}) AS rows");
        let found = format!(
            "{rows} CROSS JOIN {table} AS o ON ({}) = ({values})",
            self.names("o.")
        );
        match self.verb {
            // `WHERE true` keeps SQLite from reading what follows as a join.
            Verb::Insert | Verb::Put => self.insert(&values, &format!("{rows} WHERE true")),
            Verb::Advance => format!(
                "SELECT RAISE(ABORT, '{MOVED}') WHERE EXISTS (SELECT 1 FROM {rows} CROSS JOIN {table} AS o \
                 ON o.id = value ->> 0 WHERE o.version <> (value ->> 1) - 1); {}",
                self.insert(&values, &format!("{rows} WHERE true"))
            ),
            Verb::Touch => format!(
                "SELECT RAISE(ABORT, '{MOVED}') WHERE json_array_length({array}) \
                 <> (SELECT COUNT(*) FROM {rows} CROSS JOIN {table} AS o \
                 ON o.id = value ->> 0 AND o.version = (value ->> 1) - 1); \
                 UPDATE {table} SET {} FROM {rows} WHERE {table}.id = value ->> 0",
                self.sets(|n| format!("value ->> {n}"))
            ),
            Verb::DeleteWaiting => {
                format!("DELETE FROM {table} WHERE id IN (SELECT o.id FROM {found} WHERE {WAITS})")
            }
            Verb::Finish => format!(
                "SELECT RAISE(ABORT, '{LEASE_LOST}') WHERE json_array_length({array}) \
                 <> (SELECT COUNT(DISTINCT o.id) FROM {found}); \
                 DELETE FROM {table} WHERE id IN (SELECT value ->> 0 FROM {rows})"
            ),
        }
    }

    /// The statement for PostgreSQL, whose columns are the arrays from `$first` on:
    /// `INSERT INTO t (a, b) SELECT rows.a, rows.b FROM UNNEST($1::text[], $2::bigint[]) AS rows (a, b)`.
    fn postgres(&self, first: usize) -> String {
        let table = self.table;
        let arrays = (first..)
            .zip(self.columns)
            .map(|(n, (_, kind))| match kind {
                Text => format!("${n}::text[]"),
                Int => format!("${n}::bigint[]"),
            });
        let arrays = arrays.collect::<Vec<_>>().join(", ");
        let values = self.names("rows.");
        let rows = format!("UNNEST({arrays}) AS rows ({})", self.names(""));
        match self.verb {
            Verb::Insert | Verb::Put => self.insert(&values, &rows),
            Verb::Advance => format!(
                "{} WHERE {table}.version = excluded.version - 1 RETURNING 1",
                self.insert(&values, &rows)
            ),
            Verb::Touch => format!(
                "UPDATE {table} SET {} FROM {rows} WHERE {table}.id = rows.id \
                 AND {table}.version = rows.version - 1 RETURNING 1",
                self.sets(|n| format!("rows.{}", self.columns[n].0))
            ),
            // `OFFSET 0` and the array hold PostgreSQL to looking each row up by its index: joined freely, it reads the
            // whole table while its statistics still say that the table is small. That the rows wait is said twice: of a
            // row that somebody claims just now, PostgreSQL looks at the outer condition again, and not at the inner one.
            Verb::DeleteWaiting => format!(
                "DELETE FROM {table} WHERE id = ANY(ARRAY(SELECT found.id FROM {rows} CROSS JOIN LATERAL \
                 (SELECT o.id FROM {table} AS o WHERE ({}) = ({values}) AND {WAITS} OFFSET 0) AS found)) AND {WAITS}",
                self.names("o."),
            ),
            Verb::Finish => format!(
                "DELETE FROM {table} AS o USING {rows} WHERE ({}) = ({values}) RETURNING 1",
                self.names("o."),
            ),
        }
    }

    fn insert(&self, values: &str, rows: &str) -> String {
        let insert = format!(
            "INSERT INTO {} ({}) SELECT {values} FROM {rows}",
            self.table,
            self.names("")
        );
        let (Verb::Put | Verb::Advance) = self.verb else {
            return insert;
        };
        let (key, _) = self.columns[0];
        let sets = self.sets(|n| format!("excluded.{}", self.columns[n].0));
        format!("{insert} ON CONFLICT ({key}) DO UPDATE SET {sets}")
    }

    /// Every column but the first, and what it is set to.
    fn sets(&self, to: impl Fn(usize) -> String) -> String {
        let columns = self.columns.iter().enumerate().skip(1);
        let sets = columns.map(|(n, (name, _))| format!("{name} = {}", to(n)));
        sets.collect::<Vec<_>>().join(", ")
    }

    /// What proves that all rows were written, if that is not certain: it fails if `part`, which gave a row for each that
    /// was, gave fewer than the array `$first` has.
    fn proof(&self, part: usize, first: usize) -> Option<String> {
        let written = format!("(SELECT COUNT(*) FROM w{part})");
        match self.verb {
            Verb::Insert | Verb::Put | Verb::DeleteWaiting => None,
            Verb::Finish => Some(format!(
                "1 / CASE WHEN {written} = CARDINALITY(${first}) THEN 1 ELSE 0 END"
            )),
            Verb::Advance | Verb::Touch => Some(format!(
                "SQRT(CAST({written} - CARDINALITY(${first}) AS DOUBLE PRECISION))"
            )),
        }
    }

    /// The names of the columns, each with this before it.
    fn names(&self, of: &str) -> String {
        let names = self.columns.iter().map(|(name, _)| format!("{of}{name}"));
        names.collect::<Vec<_>>().join(", ")
    }
}

/// An order that nobody is doing and nobody gave up; in such words that no planner takes the index of what is due for it,
/// which would have to be read from end to end.
const WAITS: &str = "lease_owner IS NULL AND COALESCE(buried_at_ms, 0) = 0";

impl Batch {
    /// What makes SQLite's view, a column of which takes the rows of a write, and the trigger that puts them where they
    /// belong.
    pub(super) fn sqlite_door(&self) -> [String; 2] {
        let door = self.door;
        let columns = (0..self.writes.len()).map(|n| format!("NULL AS w{n}"));
        let columns = columns.collect::<Vec<_>>().join(", ");
        let writes = self.writes.iter().enumerate();
        let writes = writes.map(|(n, write)| write.sqlite(&format!("NEW.w{n}")));
        let writes = writes.collect::<Vec<_>>().join("; ");
        [
            format!("CREATE TEMP VIEW {door} AS SELECT {columns}"),
            format!(
                "CREATE TEMP TRIGGER {door}_opens INSTEAD OF INSERT ON {door} BEGIN {writes}; END"
            ),
        ]
    }

    fn sqlite_statement(&self) -> String {
        let columns = (0..self.writes.len()).map(|n| format!("w{n}"));
        let values = (1..=self.writes.len()).map(|n| format!("${n}"));
        format!(
            "INSERT INTO {} ({}) VALUES ({})",
            self.door,
            columns.collect::<Vec<_>>().join(", "),
            values.collect::<Vec<_>>().join(", ")
        )
    }

    /// The writes that have rows, as one statement: PostgreSQL carries out every part of a `WITH` that changes rows, all
    /// on the rows as they were before, and fails as one if a unique key is hurt.
    fn postgres_statement(&self, rows: &[Vec<Cell>]) -> &'static str {
        let chosen = rows.iter().enumerate().fold(0_u32, |chosen, (n, cells)| {
            chosen | u32::from(!cells.is_empty()) << n
        });
        let mut statements = self
            .statements
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        statements.entry(chosen).or_insert_with(|| {
            let mut parts = Vec::new();
            let mut proofs = Vec::new();
            let mut first = 1;
            for (n, write) in self.writes.iter().enumerate() {
                if chosen & (1 << n) != 0 {
                    // What is not proved breaks the statement, and with it the whole commit: no rows are counted by us,
                    // and no round trip is spent on it.
                    proofs.extend(write.proof(parts.len(), first));
                    parts.push(write.postgres(first));
                    first += write.columns.len();
                }
            }
            let last = match proofs.is_empty() {
                true => parts.pop().unwrap_or_else(|| "SELECT 1".to_owned()),
                false => format!("SELECT {}", proofs.join(", ")),
            };
            let with = parts.iter().enumerate();
            let with: Vec<_> = with.map(|(n, part)| format!("w{n} AS ({part})")).collect();
            let statement = match with.is_empty() {
                true => last,
                false => format!("WITH {} {last}", with.join(", ")),
            };
            // There are as many as ways to choose, and few of them are ever met.
            statement.leak()
        })
    }

    async fn write_sqlite(
        &self,
        connection: &mut SqliteConnection,
        rows: &[Vec<Cell>],
        until: Instant,
    ) -> Result<(), CommitError> {
        let mut query = sqlx::query(AssertSqlSafe(self.sqlite_statement()));
        for (write, cells) in self.writes.iter().zip(rows) {
            query = query.bind(write.json(cells)?);
        }
        in_time(until, query.execute(connection))
            .await
            .map_err(classified)?;
        Ok(())
    }

    async fn write_postgres(
        &self,
        connection: &mut PgConnection,
        rows: Vec<Vec<Cell>>,
        until: Instant,
    ) -> Result<(), CommitError> {
        let mut query = sqlx::query(self.postgres_statement(&rows));
        for (write, mut cells) in self.writes.iter().zip(rows) {
            if cells.is_empty() {
                continue;
            }
            let width = write.columns.len();
            for (n, (_, kind)) in write.columns.iter().enumerate() {
                let column = cells.iter_mut().skip(n).step_by(width);
                query = match kind {
                    Text => query.bind(
                        column
                            .map(|cell| match cell {
                                Cell::Text(text) => text.take(),
                                Cell::Int(_) => None,
                            })
                            .collect::<Vec<Option<String>>>(),
                    ),
                    Int => query.bind(
                        column
                            .map(|cell| match cell {
                                Cell::Int(number) => *number,
                                Cell::Text(_) => None,
                            })
                            .collect::<Vec<Option<i64>>>(),
                    ),
                };
            }
        }
        in_time(until, query.execute(connection))
            .await
            .map_err(classified)?;
        Ok(())
    }
}

impl Database {
    /// Writes rows, all of them or none, one vector of cells for each write of the batch. What has not begun to be
    /// written until then is not written.
    pub(super) async fn write(
        &self,
        batch: &Batch,
        rows: Vec<Vec<Cell>>,
        until: Instant,
    ) -> Result<(), CommitError> {
        let writes = batch.writes.iter();
        let rows: Vec<_> = writes
            .zip(rows)
            .map(|(write, cells)| write.in_order(cells))
            .collect();
        match self {
            Database::Sqlite { writer, .. } => {
                let mut writer = in_time(until, async { Ok(writer.lock().await) }).await?;
                let connection = in_time(until, writer.connection()).await?;
                // Whoever has less time than a lock may take waits for no lock longer than that.
                let left = until.saturating_duration_since(Instant::now());
                let is_pressed = left < SQLITE_BUSY;
                if is_pressed {
                    let patience = format!("PRAGMA busy_timeout = {}", left.as_millis());
                    sqlx::query(AssertSqlSafe(patience))
                        .execute(&mut *connection)
                        .await?;
                }
                let written = batch
                    .write_sqlite(connection, &rows, until + SQLITE_GRACE)
                    .await;
                if is_pressed || written.as_ref().is_err_and(CommitError::is_of_the_store) {
                    writer.give_up();
                }
                written
            }
            Database::Postgres { committers, others } => {
                let committer = &committers[batch.committer];
                let mut committer = in_time(until, async { Ok(committer.lock().await) }).await?;
                let mut connection = match committer.take().and_then(Idle::fresh) {
                    Some(connection) if !others.is_closed() => connection,
                    _ => in_time(until, others.connect(PRESSED)).await?,
                };
                let written = batch.write_postgres(&mut connection, rows, until).await;
                if !written.as_ref().is_err_and(CommitError::is_of_the_store) {
                    *committer = Some(Idle::new(connection));
                }
                written
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_says_the_same_to_both_engines() {
        let write = Write {
            verb: Verb::Put,
            table: "t",
            columns: &[("id", Text), ("n", Int)],
        };
        assert_eq!(
            write.sqlite("NEW.w0"),
            "INSERT INTO t (id, n) SELECT value ->> 0, value ->> 1 FROM json_each(NEW.w0) AS rows WHERE true \
             ON CONFLICT (id) DO UPDATE SET n = excluded.n"
        );
        assert_eq!(
            write.postgres(3),
            "INSERT INTO t (id, n) SELECT rows.id, rows.n FROM UNNEST($3::text[], $4::bigint[]) AS rows (id, n) \
             ON CONFLICT (id) DO UPDATE SET n = excluded.n"
        );
    }
}
