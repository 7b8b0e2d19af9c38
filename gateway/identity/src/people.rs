//! People: rows of `user`, and the changes that owners make.
//!
//! Passwords come in hashed. Invariants: a site that has an owner keeps one; nobody gives, changes or takes a role above
//! their own; each change is one record of the site log, without secrets.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::json;
use sitewarden_core::{Action, Permit, Principal, Resource, Role, Timestamp};
use sitewarden_store::{Actor, SqlContext as _, StoreError, Tx};

use crate::error::IdentityError;
use crate::limits::{LOGIN_BYTES, NAME_CHARS, USERS};
use crate::secret;

/// A person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Id; never reused.
    pub id: String,
    /// What is typed at sign-in, in small letters.
    pub login: String,
    /// What others see.
    pub name: String,
    /// What the person may.
    pub role: Role,
    /// When the person was added.
    pub created: Timestamp,
    /// When one of the person's sessions was last seen.
    pub last_seen: Option<Timestamp>,
}

/// A person to be added. The password is a PHC string.
#[derive(Clone, Debug)]
pub(crate) struct NewUser {
    pub(crate) login: String,
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) password: String,
}

/// What changes about a person; `None` stays.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edit {
    pub(crate) name: Option<String>,
    pub(crate) role: Option<Role>,
    pub(crate) password: Option<String>,
}

const COLUMNS: &str = "SELECT id, login, name, role, created, (SELECT max(last_seen) FROM session WHERE user_id = user.id) FROM user";

fn row(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        id: row.get(0)?,
        login: row.get(1)?,
        name: row.get(2)?,
        role: role_column(row, 3)?,
        created: Timestamp::from_micros(row.get(4)?),
        last_seen: row.get::<_, Option<i64>>(5)?.map(Timestamp::from_micros),
    })
}

/// Reads a role; a word that is none is an error, never a default.
pub(crate) fn role_column(row: &Row<'_>, index: usize) -> rusqlite::Result<Role> {
    let word: String = row.get(index)?;
    Role::parse(&word).ok_or_else(|| {
        let reason = format!("{word:?} is not a role").into();
        rusqlite::Error::FromSqlConversionFailure(index, rusqlite::types::Type::Text, reason)
    })
}

/// A page of people in order of their logins, and one more.
pub(crate) fn list(conn: &Connection, after: Option<&str>, limit: usize) -> Result<Vec<User>, IdentityError> {
    let mut statement = conn
        .prepare_cached(&format!("{COLUMNS} WHERE ?1 IS NULL OR login > ?1 ORDER BY login LIMIT ?2"))
        .doing("listing people")?;
    let rows = statement.query_map(params![after, limit + 1], row).doing("listing people")?;
    Ok(rows.collect::<Result<_, _>>().doing("listing people")?)
}

pub(crate) fn find(conn: &Connection, id: &str) -> Result<Option<User>, StoreError> {
    conn.query_row(&format!("{COLUMNS} WHERE id = ?1"), [id], row).optional().doing("looking for a person")
}

/// The person with this login and the hash of their password.
pub(crate) fn by_login(conn: &Connection, login: &str) -> Result<Option<(User, String)>, StoreError> {
    let Some(user) = conn
        .query_row(&format!("{COLUMNS} WHERE login = ?1"), [login], row)
        .optional()
        .doing("looking for a login")?
    else {
        return Ok(None);
    };
    Ok(password(conn, &user.id)?.map(|password| (user, password)))
}

/// The hash of a person's password.
pub(crate) fn password(conn: &Connection, id: &str) -> Result<Option<String>, StoreError> {
    conn.query_row("SELECT password FROM user WHERE id = ?1", [id], |row| row.get(0))
        .optional()
        .doing("reading a password's hash")
}

pub(crate) fn owners(conn: &Connection) -> Result<u64, StoreError> {
    conn.query_row("SELECT count(*) FROM user WHERE role = 'owner'", [], |row| row.get(0))
        .doing("counting owners")
}

/// The resource of one person.
pub(crate) fn resource(id: &str) -> Resource {
    Resource::new("User", id)
}

/// Adds a person. The permit is for `user:create` on the site.
pub(crate) fn create(tx: &Tx<'_>, permit: Permit, new: &NewUser) -> Result<User, IdentityError> {
    let actor = tx.spend(permit, Action::UserCreate, &Resource::site())?;
    check_rank(&actor, new.role)?;
    insert(tx, &actor, new, "user.created")
}

/// The row and its record; for [`create`] and the first owner.
pub(crate) fn insert(
    tx: &Tx<'_>,
    actor: &Actor,
    new: &NewUser,
    record: &'static str,
) -> Result<User, IdentityError> {
    let count: usize =
        tx.sql().query_row("SELECT count(*) FROM user", [], |row| row.get(0)).doing("counting people")?;
    if count >= USERS {
        return Err(IdentityError::Full(count, "people"));
    }
    let taken: bool = tx
        .sql()
        .query_row("SELECT EXISTS (SELECT 1 FROM user WHERE login = ?1)", [&new.login], |row| row.get(0))
        .doing("looking for a login")?;
    if taken {
        return Err(IdentityError::LoginTaken(new.login.clone()));
    }
    let id = secret::id()?;
    let now = tx.now();
    tx.sql()
        .execute(
            "INSERT INTO user (id, login, name, role, password, created, changed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)",
            params![id, new.login, new.name, new.role.as_str(), new.password, now.micros()],
        )
        .doing("adding a person")?;
    tx.append(actor, record, json!({ "user": id, "login": new.login, "name": new.name, "role": new.role }))?;
    Ok(User {
        id,
        login: new.login.clone(),
        name: new.name.clone(),
        role: new.role,
        created: now,
        last_seen: None,
    })
}

/// Changes a person. The permit is for `user:edit` on that person, or for `self:manage` when no role changes. Ends the
/// person's sessions when the password changes, but for the one that is kept.
pub(crate) fn edit(
    tx: &Tx<'_>,
    permit: Permit,
    id: &str,
    edit: &Edit,
    keep: Option<&str>,
) -> Result<User, IdentityError> {
    let own = permit.action() == Action::SelfManage && edit.role.is_none();
    let actor = tx.spend(permit, if own { Action::SelfManage } else { Action::UserEdit }, &resource(id))?;
    let before = find(tx.sql(), id)?.ok_or(IdentityError::NotFound("person with this id"))?;
    check_rank(&actor, before.role)?;
    let role = edit.role.unwrap_or(before.role);
    check_rank(&actor, role)?;
    if before.role == Role::Owner && role != Role::Owner {
        keep_an_owner(tx)?;
    }
    let name = edit.name.clone().unwrap_or_else(|| before.name.clone());
    tx.sql()
        .execute(
            "UPDATE user SET name = ?2, role = ?3, password = coalesce(?4, password), changed = ?5 WHERE id = ?1",
            params![id, name, role.as_str(), edit.password, tx.now().micros()],
        )
        .doing("changing a person")?;
    let mut ended = 0;
    if edit.password.is_some() {
        ended = tx
            .sql()
            .execute("DELETE FROM session WHERE user_id = ?1 AND id IS NOT ?2", params![id, keep])
            .doing("ending sessions")?;
    }
    let facts = json!({
        "user": id, "login": before.login, "name": name, "role": role, "role_before": before.role,
        "password_changed": edit.password.is_some(), "sessions_ended": ended,
    });
    tx.append(&actor, "user.changed", facts)?;
    Ok(User { name, role, ..before })
}

/// Removes a person and ends their sessions. The permit is for `user:delete` on that person.
pub(crate) fn delete(tx: &Tx<'_>, permit: Permit, id: &str) -> Result<(), IdentityError> {
    let actor = tx.spend(permit, Action::UserDelete, &resource(id))?;
    let user = find(tx.sql(), id)?.ok_or(IdentityError::NotFound("person with this id"))?;
    check_rank(&actor, user.role)?;
    if user.role == Role::Owner {
        keep_an_owner(tx)?;
    }
    tx.sql().execute("DELETE FROM session WHERE user_id = ?1", [id]).doing("ending sessions")?;
    tx.sql().execute("DELETE FROM user WHERE id = ?1", [id]).doing("removing a person")?;
    tx.append(
        &actor,
        "user.deleted",
        json!({ "user": id, "login": user.login, "name": user.name, "role": user.role }),
    )?;
    Ok(())
}

fn keep_an_owner(tx: &Tx<'_>) -> Result<(), IdentityError> {
    if owners(tx.sql())? <= 1 { Err(IdentityError::LastOwner) } else { Ok(()) }
}

/// Nobody hands out or takes away what they do not have themselves, whatever the policies permit.
pub(crate) fn check_rank(actor: &Actor, role: Role) -> Result<(), IdentityError> {
    match actor.principal() {
        Principal::System { .. } | Principal::Console => Ok(()),
        Principal::Person { role: own, .. } | Principal::ApiKey { role: own, .. } if *own >= role => Ok(()),
        _ => Err(IdentityError::AboveOwnRole(role)),
    }
}

/// A login as it is kept: small letters; letters, digits and `. _ - @ +`.
pub(crate) fn check_login(typed: &str) -> Result<String, IdentityError> {
    let login = typed.trim().to_lowercase();
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-@+".contains(c);
    if login.is_empty() || login.len() > LOGIN_BYTES || !login.chars().all(plain) {
        let why =
            format!("give 1 to {LOGIN_BYTES} of the characters a-z, 0-9, dot, dash, underline, @ and +");
        return Err(IdentityError::value("login", why));
    }
    Ok(login)
}

/// A name as it is kept: without space around, on one line.
pub(crate) fn check_name(field: &'static str, typed: &str) -> Result<String, IdentityError> {
    let name = typed.trim();
    if name.is_empty() || name.chars().count() > NAME_CHARS || name.chars().any(char::is_control) {
        return Err(IdentityError::value(field, format!("give 1 to {NAME_CHARS} characters on one line")));
    }
    Ok(name.to_owned())
}
