//! Migrations: numbered steps per slice, each in its own transaction together with its row in `migration`.
//!
//! Steps are only ever appended. Invariants: a database with a step that this program does not know is
//! refused before anything is changed; number and tables change together or not at all.

use rusqlite::{Connection, OptionalExtension, params};

use crate::error::{SqlContext, StoreError};

/// All steps of one slice, in order, numbered from 1.
#[derive(Clone, Copy, Debug)]
pub struct Migrations {
    /// The slice's name, as the table keeps it.
    pub slice: &'static str,
    /// Number, name and SQL of each step.
    pub steps: &'static [(u32, &'static str, &'static str)],
}

/// The store's own tables; applied before those of any slice.
pub const MIGRATIONS: Migrations = Migrations {
    slice: "store",
    steps: &[
        (1, "site_log", include_str!("migrations/001_site_log.sql")),
        (2, "checkpoints", include_str!("migrations/002_checkpoints.sql")),
    ],
};

/// The table that remembers what was applied. Made before any step.
pub(crate) const BOOTSTRAP: &str = "CREATE TABLE IF NOT EXISTS migration (
    slice TEXT NOT NULL,
    number INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (slice, number)
) STRICT, WITHOUT ROWID";

/// Brings the database up to date.
///
/// # Errors
/// [`StoreError::Newer`], [`StoreError::UnknownSlice`] and [`StoreError::Different`] before anything is
/// changed; [`StoreError::Sql`] when a step fails, which is undone as a whole.
pub fn apply(conn: &mut Connection, slices: &[Migrations]) -> Result<(), StoreError> {
    let all: Vec<Migrations> = std::iter::once(MIGRATIONS).chain(slices.iter().copied()).collect();
    check_numbering(&all)?;
    check_known(conn, &all)?;
    conn.execute_batch(BOOTSTRAP).doing("creating the table of migrations")?;
    for slice in &all {
        for &(number, name, sql) in slice.steps {
            apply_step(conn, slice.slice, number, name, sql)?;
        }
    }
    Ok(())
}

fn apply_step(
    conn: &mut Connection,
    slice: &'static str,
    number: u32,
    name: &'static str,
    sql: &'static str,
) -> Result<(), StoreError> {
    let known: Option<u32> = conn
        .query_row(
            "SELECT number FROM migration WHERE slice = ?1 AND number = ?2",
            params![slice, number],
            |row| row.get(0),
        )
        .optional()
        .doing("reading the table of migrations")?;
    if known.is_some() {
        return Ok(());
    }
    tracing::info!(slice, number, name, "migrating the database");
    let tx = conn.transaction().doing("beginning a migration")?;
    tx.execute_batch(sql).doing("applying a migration")?;
    tx.execute(
        "INSERT INTO migration (slice, number, name) VALUES (?1, ?2, ?3)",
        params![slice, number, name],
    )
    .doing("recording a migration")?;
    tx.commit().doing("committing a migration")
}

/// Whether this program can use the database. Reads only.
///
/// # Errors
/// As [`apply`], before anything is changed.
pub fn check(conn: &Connection, slices: &[Migrations]) -> Result<(), StoreError> {
    let all: Vec<Migrations> = std::iter::once(MIGRATIONS).chain(slices.iter().copied()).collect();
    check_known(conn, &all)
}

fn check_numbering(all: &[Migrations]) -> Result<(), StoreError> {
    for slice in all {
        for (expected, &(number, _, _)) in (1_u32..).zip(slice.steps) {
            if number != expected {
                return Err(StoreError::Numbering { slice: slice.slice, number });
            }
        }
    }
    Ok(())
}

/// Refuses what this program does not know. Reads only.
fn check_known(conn: &Connection, all: &[Migrations]) -> Result<(), StoreError> {
    let exists: bool = conn
        .query_row("SELECT count(*) > 0 FROM sqlite_schema WHERE name = 'migration'", [], |row| row.get(0))
        .doing("reading the schema")?;
    if !exists {
        return Ok(());
    }
    let mut statement = conn
        .prepare("SELECT slice, number, name FROM migration ORDER BY slice, number")
        .doing("reading the table of migrations")?;
    let rows = statement
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, u32>(1)?, row.get::<_, String>(2)?)))
        .doing("reading the table of migrations")?;
    for row in rows {
        let (slice, number, name) = row.doing("reading the table of migrations")?;
        let Some(ours) = all.iter().find(|ours| ours.slice == slice) else {
            return Err(StoreError::UnknownSlice { slice, number });
        };
        match ours.steps.iter().find(|step| step.0 == number) {
            None => return Err(StoreError::Newer { slice, number, name }),
            Some(step) if step.1 != name => {
                return Err(StoreError::Different {
                    slice,
                    number,
                    found: name,
                    expected: step.1.to_owned(),
                });
            }
            Some(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Migrations = Migrations {
        slice: "rooms",
        steps: &[(1, "base", "CREATE TABLE room (id INTEGER PRIMARY KEY) STRICT")],
    };
    const TWO: Migrations = Migrations {
        slice: "rooms",
        steps: &[
            (1, "base", "CREATE TABLE room (id INTEGER PRIMARY KEY) STRICT"),
            (2, "name", "ALTER TABLE room ADD COLUMN name TEXT NOT NULL DEFAULT ''"),
        ],
    };

    fn memory() -> Connection {
        Connection::open_in_memory().expect("memory database")
    }

    #[test]
    fn steps_are_applied_once_and_later_ones_follow() {
        let mut conn = memory();
        apply(&mut conn, &[ONE]).expect("first");
        apply(&mut conn, &[ONE]).expect("again");
        apply(&mut conn, &[TWO]).expect("later");
        let rows: i64 =
            conn.query_row("SELECT count(*) FROM migration", [], |row| row.get(0)).expect("counted");
        assert_eq!(rows, 4, "the store's own two, and two of rooms");
    }

    #[test]
    fn a_newer_database_is_refused_and_told_what_to_do() {
        let mut conn = memory();
        apply(&mut conn, &[TWO]).expect("newer program");
        let error = apply(&mut conn, &[ONE]).expect_err("older program");
        assert!(matches!(error, StoreError::Newer { number: 2, .. }));
        assert!(error.to_string().contains("written by a newer Sitewarden"), "{error}");
    }

    #[test]
    fn an_unknown_slice_and_a_renamed_step_are_refused() {
        let mut conn = memory();
        apply(&mut conn, &[TWO]).expect("with rooms");
        assert!(matches!(apply(&mut conn, &[]), Err(StoreError::UnknownSlice { number: 1, .. })));
        let renamed = Migrations { slice: "rooms", steps: &[(1, "other", ""), (2, "name", "")] };
        assert!(matches!(apply(&mut conn, &[renamed]), Err(StoreError::Different { number: 1, .. })));
    }

    #[test]
    fn a_failing_step_leaves_neither_tables_nor_its_number() {
        let mut conn = memory();
        let broken = Migrations {
            slice: "rooms",
            steps: &[(1, "base", "CREATE TABLE room (id INTEGER PRIMARY KEY) STRICT; SELECT nonsense")],
        };
        assert!(apply(&mut conn, &[broken]).is_err());
        let left: i64 = conn
            .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'room'", [], |row| row.get(0))
            .expect("counted");
        assert_eq!(left, 0);
        apply(&mut conn, &[ONE]).expect("the right step then works");
    }

    #[test]
    fn numbers_with_a_hole_are_a_fault_of_the_program() {
        let mut conn = memory();
        let holed = Migrations { slice: "rooms", steps: &[(2, "late", "")] };
        assert!(matches!(apply(&mut conn, &[holed]), Err(StoreError::Numbering { number: 2, .. })));
    }
}
