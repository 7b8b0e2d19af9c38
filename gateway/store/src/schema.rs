//! Checks of the schema for the binary's test: all migrations together equal `schema.sql`, and house rules hold.
//!
//! Used by tests and by the command that writes `schema.sql` anew; not at run time. Invariant: two schemas
//! are equal only when SQLite's own description (pragmas) and the text (which knows CHECK) both are.

use rusqlite::Connection;

use crate::error::{SqlContext, StoreError};
use crate::migrate::{self, Migrations};

/// The schema that the migrations of all slices make, as the text of `schema.sql`.
///
/// # Errors
/// [`StoreError`] when a migration fails.
pub fn render(slices: &[Migrations]) -> Result<String, StoreError> {
    let conn = migrated(slices)?;
    let mut text = String::from(
        "-- All tables of state.db, as the migrations of all slices make them.\n-- Written by the program; a test compares.\n",
    );
    for sql in statements(&conn)? {
        text.push('\n');
        text.push_str(&sql);
        text.push_str(";\n");
    }
    Ok(text)
}

/// Compares what the migrations make with a fresh database made from `schema_sql`. Gives the differences, empty
/// when there is none.
///
/// # Errors
/// [`StoreError`] when a migration or `schema_sql` fails.
pub fn differences(slices: &[Migrations], schema_sql: &str) -> Result<Vec<String>, StoreError> {
    let migrated = migrated(slices)?;
    let fresh = Connection::open_in_memory().doing("opening a memory database")?;
    fresh.execute_batch(schema_sql).doing("running schema.sql")?;
    let (left, right) = (describe(&migrated)?, describe(&fresh)?);
    let mut found = Vec::new();
    found.extend(
        left.iter().filter(|line| !right.contains(line)).map(|line| format!("only by migrations: {line}")),
    );
    found.extend(
        right.iter().filter(|line| !left.contains(line)).map(|line| format!("only in schema.sql: {line}")),
    );
    Ok(found)
}

/// House rules over the schema of all slices: every table is STRICT, every `*_id` column of a rowid-keyed kind
/// that names a table has a foreign key, every foreign key has an index. Gives the violations.
///
/// # Errors
/// [`StoreError`] when a migration fails.
pub fn lint(slices: &[Migrations]) -> Result<Vec<String>, StoreError> {
    let conn = migrated(slices)?;
    let mut found = Vec::new();
    let tables = tables(&conn)?;
    for (table, strict) in &tables {
        if !strict {
            found.push(format!("table {table} is not STRICT"));
        }
        let foreign = column_list(&conn, "SELECT \"from\" FROM pragma_foreign_key_list(?1)", table)?;
        let columns = column_list(&conn, "SELECT name FROM pragma_table_info(?1)", table)?;
        for column in &columns {
            let names_table =
                column.strip_suffix("_id").is_some_and(|name| tables.iter().any(|(table, _)| table == name));
            if names_table && !foreign.contains(column) {
                found.push(format!("{table}.{column} names a table but has no foreign key"));
            }
        }
        for column in foreign {
            if !is_indexed(&conn, table, &column)? {
                found.push(format!("foreign key {table}.{column} has no index"));
            }
        }
    }
    Ok(found)
}

fn migrated(slices: &[Migrations]) -> Result<Connection, StoreError> {
    let mut conn = Connection::open_in_memory().doing("opening a memory database")?;
    migrate::apply(&mut conn, slices)?;
    Ok(conn)
}

fn statements(conn: &Connection) -> Result<Vec<String>, StoreError> {
    let mut statement = conn
        .prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY tbl_name, type = 'table' DESC, type DESC, name")
        .doing("reading the schema")?;
    let rows = statement.query_map([], |row| row.get(0)).doing("reading the schema")?;
    rows.collect::<Result<_, _>>().doing("reading the schema")
}

/// One line per fact: normalised statements and SQLite's own description of columns, indexes, foreign keys.
fn describe(conn: &Connection) -> Result<Vec<String>, StoreError> {
    let mut lines: Vec<String> = statements(conn)?.iter().map(|sql| normalise(sql)).collect();
    for (table, _) in tables(conn)? {
        for (what, query) in [
            (
                "column",
                "SELECT format('%s %s %d %s %d %d', name, type, \"notnull\", coalesce(dflt_value, '-'), pk, hidden) FROM pragma_table_xinfo(?1)",
            ),
            (
                "index",
                "SELECT format('%s %d %s %d', name, \"unique\", origin, partial) FROM pragma_index_list(?1)",
            ),
            (
                "foreign key",
                "SELECT format('%s %s %s %s', \"from\", \"table\", coalesce(\"to\", '-'), on_delete) FROM pragma_foreign_key_list(?1)",
            ),
        ] {
            lines.extend(
                column_list(conn, query, &table)?.into_iter().map(|line| format!("{table} {what} {line}")),
            );
        }
    }
    Ok(lines)
}

/// Whitespace and comments do not count, and neither do quotes that ALTER TABLE puts around names.
fn normalise(sql: &str) -> String {
    let without_comments: Vec<&str> =
        sql.lines().map(|line| line.split("--").next().unwrap_or_default()).collect();
    let joined = without_comments.join(" ").replace('"', "");
    let spaced: String = joined
        .chars()
        .flat_map(|c| if matches!(c, '(' | ')' | ',') { vec![' ', c, ' '] } else { vec![c] })
        .collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn tables(conn: &Connection) -> Result<Vec<(String, bool)>, StoreError> {
    let mut statement = conn
        .prepare("SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
        .doing("reading the list of tables")?;
    let rows =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).doing("reading the list of tables")?;
    rows.collect::<Result<_, _>>().doing("reading the list of tables")
}

fn column_list(conn: &Connection, query: &str, table: &str) -> Result<Vec<String>, StoreError> {
    let mut statement = conn.prepare(query).doing("describing a table")?;
    let rows = statement.query_map([table], |row| row.get(0)).doing("describing a table")?;
    rows.collect::<Result<_, _>>().doing("describing a table")
}

/// Whether the column is the first of an index or of the primary key.
fn is_indexed(conn: &Connection, table: &str, column: &str) -> Result<bool, StoreError> {
    conn.query_row(
        "SELECT count(*) > 0 FROM pragma_index_list(?1) AS list, pragma_index_info(list.name) AS info
         WHERE info.seqno = 0 AND info.name = ?2
         UNION ALL SELECT count(*) > 0 FROM pragma_table_info(?1) WHERE name = ?2 AND pk = 1
         ORDER BY 1 DESC LIMIT 1",
        [table, column],
        |row| row.get(0),
    )
    .doing("looking for an index")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Migrations = Migrations {
        slice: "rooms",
        steps: &[
            (1, "base", "CREATE TABLE room (id INTEGER PRIMARY KEY, size INTEGER CHECK (size > 0)) STRICT"),
            (
                2,
                "door",
                "CREATE TABLE door (id INTEGER PRIMARY KEY, room_id INTEGER NOT NULL REFERENCES room (id)) STRICT; CREATE INDEX door_room ON door (room_id)",
            ),
        ],
    };

    #[test]
    fn what_is_rendered_has_no_difference_and_a_check_that_differs_is_seen() {
        let text = render(&[GOOD]).expect("rendered");
        assert_eq!(differences(&[GOOD], &text).expect("compared"), Vec::<String>::new());
        let other = text.replace("size > 0", "size > 1");
        let found = differences(&[GOOD], &other).expect("compared");
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn spacing_comments_and_quotes_do_not_count() {
        assert_eq!(
            normalise("CREATE TABLE \"a\"(b INTEGER, -- x\n c TEXT)"),
            normalise("CREATE TABLE a ( b INTEGER,c TEXT )")
        );
    }

    #[test]
    fn the_lint_is_quiet_on_good_tables_and_names_each_fault() {
        assert_eq!(lint(&[GOOD]).expect("linted"), Vec::<String>::new());
        let bad = Migrations {
            slice: "rooms",
            steps: &[(
                1,
                "base",
                "CREATE TABLE room (id INTEGER PRIMARY KEY);
                CREATE TABLE door (id INTEGER PRIMARY KEY, room_id INTEGER) STRICT;
                CREATE TABLE pane (id INTEGER PRIMARY KEY, room_id INTEGER REFERENCES room (id)) STRICT",
            )],
        };
        assert_eq!(
            lint(&[bad]).expect("linted"),
            [
                "door.room_id names a table but has no foreign key",
                "foreign key pane.room_id has no index",
                "table room is not STRICT"
            ]
        );
    }
}
