//! Numbered migrations, run by the owner of the schema, and the rights of the role that serves.
//!
//! The serving role owns nothing: it may insert records but never change or remove one. Invariants: numbers have no hole
//! and a step that was released is never edited; a database of a newer hub is refused; a role that could step around row-level
//! security is refused, here and at every start.

use thiserror::Error;
use tokio_postgres::Client;

use crate::database::{DatabaseError, Doing as _, settings, tls};

/// Number, name, statements. Append only.
const MIGRATIONS: &[(i32, &str, &str)] = &[(1, "base", include_str!("../migrations/001_base.sql"))];

/// What the serving role may do; all else is refused by PostgreSQL.
const RIGHTS: &[(&str, &str)] = &[
    ("migration", "SELECT"),
    ("tenant", "SELECT"),
    ("account", "SELECT"),
    ("session", "SELECT, INSERT, UPDATE, DELETE"),
    ("site", "SELECT, INSERT, UPDATE"),
    ("gateway", "SELECT, INSERT, UPDATE"),
    ("claim", "SELECT, UPDATE"),
    ("record", "SELECT, INSERT"),
    ("log_block", "SELECT, INSERT"),
    ("agent", "SELECT, INSERT, UPDATE"),
    ("statement", "SELECT, INSERT"),
    ("finding", "SELECT, INSERT, UPDATE"),
    ("alarm", "SELECT, INSERT, UPDATE"),
    ("rate", "SELECT, INSERT, UPDATE, DELETE"),
];

/// Why the schema cannot be used or moved.
#[derive(Debug, Error)]
pub(crate) enum MigrateError {
    /// The database did not do it.
    #[error("the schema cannot be read or changed")]
    Database(#[source] DatabaseError),
    /// Made by a newer hub.
    #[error(
        "the database has step {found}, this hub knows {known}: install the newer hub, or restore the backup that fits"
    )]
    Newer {
        /// The step that is there.
        found: i32,
        /// The newest that is known.
        known: i32,
    },
    /// Steps are missing.
    #[error(
        "the database has step {found}, this hub needs {known}: run `sitewarden-hub migrate` as the owner"
    )]
    Older {
        /// The step that is there.
        found: i32,
        /// The newest that is known.
        known: i32,
    },
    /// Another history than ours.
    #[error(
        "step {number} is {found:?} in the database and {known:?} in this hub: it is another program's schema"
    )]
    Foreign {
        /// The step.
        number: i32,
        /// Its name there.
        found: String,
        /// Its name here.
        known: &'static str,
    },
    /// A role that could see every tenant's rows.
    #[error(
        "role {role} {why}: row-level security would not hold. Make one by CREATE ROLE {role} LOGIN, and let the owner run \
         `sitewarden-hub migrate --serve-as {role}`"
    )]
    Role {
        /// The role.
        role: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl From<DatabaseError> for MigrateError {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}

/// A connection of its own, outside of the pool.
///
/// # Errors
/// [`DatabaseError`].
pub(crate) async fn connect(url: &str, ca: Option<&std::path::Path>) -> Result<Client, DatabaseError> {
    let (client, connection) = settings(url)?.connect(tls(ca)?).await.doing("connecting to the database")?;
    // It ends when the client is dropped; its error is the client's error too.
    tokio::spawn(connection);
    Ok(client)
}

/// Runs the missing steps, each in a transaction of its own, then grants `role` what it may. Gives the names of the steps.
///
/// # Errors
/// [`MigrateError`]; steps that were done before stay done.
pub(crate) async fn migrate(client: &mut Client, role: &str) -> Result<Vec<&'static str>, MigrateError> {
    client
        .batch_execute(
            "SET statement_timeout = 0; SET lock_timeout = 0; SET client_min_messages = warning;
             CREATE SCHEMA IF NOT EXISTS hub;
             CREATE TABLE IF NOT EXISTS hub.migration
                (number integer PRIMARY KEY, name text NOT NULL, applied timestamptz NOT NULL DEFAULT now());",
        )
        .await
        .doing("making the schema")?;
    let mut done = Vec::new();
    for (number, name, statements) in MIGRATIONS {
        let tx = client.transaction().await.doing("beginning a migration")?;
        tx.batch_execute("LOCK TABLE hub.migration IN EXCLUSIVE MODE").await.doing("locking migrations")?;
        if applied(&tx).await?.iter().any(|(there, _)| there == number) {
            continue;
        }
        tx.batch_execute(statements).await.doing("running a migration")?;
        tx.execute("INSERT INTO hub.migration (number, name) VALUES ($1, $2)", &[number, name])
            .await
            .doing("noting a migration")?;
        tx.commit().await.doing("committing a migration")?;
        done.push(*name);
    }
    agrees(&applied(client).await?)?;
    grant(client, role).await?;
    Ok(done)
}

async fn applied(client: &impl tokio_postgres::GenericClient) -> Result<Vec<(i32, String)>, DatabaseError> {
    let rows = client
        .query("SELECT number, name FROM hub.migration ORDER BY number", &[])
        .await
        .doing("reading which migrations were run")?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Whether what was run is what this hub knows.
fn agrees(applied: &[(i32, String)]) -> Result<(), MigrateError> {
    let known = MIGRATIONS.len().try_into().unwrap_or(i32::MAX);
    let found = applied.last().map_or(0, |(number, _)| *number);
    if found > known {
        return Err(MigrateError::Newer { found, known });
    }
    for ((number, found), (_, known, _)) in applied.iter().zip(MIGRATIONS) {
        if found != known {
            return Err(MigrateError::Foreign { number: *number, found: found.clone(), known });
        }
    }
    if found < known { Err(MigrateError::Older { found, known }) } else { Ok(()) }
}

async fn grant(client: &Client, role: &str) -> Result<(), MigrateError> {
    check_role(client, role).await?;
    let quoted = quote(role);
    let mut statements = format!(
        "GRANT USAGE ON SCHEMA hub TO {quoted}; GRANT EXECUTE ON FUNCTION hub.make_partitions(integer), hub.find_gateway(bytea) TO {quoted};"
    );
    for (table, rights) in RIGHTS {
        statements.push_str(&format!(
            "REVOKE ALL ON hub.{table} FROM {quoted}; GRANT {rights} ON hub.{table} TO {quoted};"
        ));
    }
    client.batch_execute(&statements).await.doing("granting the serving role its rights")?;
    Ok(())
}

/// A role's name as an SQL identifier.
fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

async fn check_role(client: &impl tokio_postgres::GenericClient, role: &str) -> Result<(), MigrateError> {
    let row = client
        .query_opt(
            "SELECT rolsuper, rolbypassrls,
                EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                    WHERE n.nspname = 'hub' AND pg_has_role(r.oid, c.relowner, 'MEMBER'))
             FROM pg_roles r WHERE rolname = $1",
            &[&role],
        )
        .await
        .doing("looking at the serving role")?;
    let refuse = |why| Err(MigrateError::Role { role: role.to_owned(), why });
    let Some(row) = row else { return refuse("does not exist") };
    match (row.get(0), row.get(1), row.get(2)) {
        (true, _, _) => refuse("is a superuser"),
        (_, true, _) => refuse("bypasses row-level security"),
        (_, _, true) => refuse("owns tables of the hub, or is a member of their owner"),
        _ => Ok(()),
    }
}

/// What every start looks at: the schema fits, and the role that serves cannot see around row-level security.
///
/// # Errors
/// [`MigrateError`].
pub(crate) async fn check(client: &Client) -> Result<(), MigrateError> {
    let there = client
        .query_one("SELECT to_regclass('hub.migration') IS NOT NULL, current_user::text", &[])
        .await
        .doing("looking for the schema")?;
    if !there.get::<_, bool>(0) {
        return agrees(&[]);
    }
    check_role(client, there.get(1)).await?;
    agrees(&applied(client).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_no_hole_and_each_table_of_a_tenant_has_its_rights() {
        for (place, (number, ..)) in (1..).zip(MIGRATIONS) {
            assert_eq!(*number, place);
        }
        let tables: Vec<&str> = MIGRATIONS
            .iter()
            .flat_map(|(_, _, text)| text.lines())
            .filter_map(|line| {
                line.strip_prefix("CREATE TABLE hub.")
                    .or_else(|| line.strip_prefix("CREATE UNLOGGED TABLE hub."))
            })
            .filter_map(|line| line.split_once(" ("))
            .map(|(name, _)| name)
            .collect();
        assert!(tables.len() > 10, "{tables:?}");
        for table in tables {
            assert!(RIGHTS.iter().any(|(name, _)| *name == table), "{table} has no rights");
        }
    }

    #[test]
    fn records_can_be_added_and_never_changed() {
        let rights = RIGHTS.iter().find(|(table, _)| *table == "record").expect("records have rights").1;
        assert_eq!(rights, "SELECT, INSERT");
    }

    #[test]
    fn newer_older_and_foreign_schemas_are_told() {
        let known = i32::try_from(MIGRATIONS.len()).expect("few");
        assert!(matches!(agrees(&[]), Err(MigrateError::Older { found: 0, .. })));
        assert!(matches!(agrees(&[(1, "other".to_owned())]), Err(MigrateError::Foreign { number: 1, .. })));
        let newer: Vec<(i32, String)> = (1..=known + 1).map(|n| (n, "base".to_owned())).collect();
        assert!(matches!(agrees(&newer), Err(MigrateError::Newer { .. })));
    }

    #[test]
    fn a_role_with_a_quote_in_its_name_stays_one_name() {
        assert_eq!(quote("a\"; DROP"), "\"a\"\"; DROP\"");
    }
}
