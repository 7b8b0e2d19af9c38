//! Sessions: rows that a cookie's token points to.
//!
//! The token is only in the cookie; here is its SHA-256. Invariants: each sign-in makes a new token and ends the session that
//! the browser came with, so none can be planted; a session ends by idleness, by age, by its person or an
//! owner, with its person, and with a new password.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::json;
use sitewarden_core::{Action, Permit, Principal, Resource, Role, Timestamp};
use sitewarden_store::{SqlContext as _, StoreError, Tx};

use crate::error::IdentityError;
use crate::limits::{SESSION_IDLE, SESSION_TOTAL, SESSIONS_PER_USER};
use crate::people::{self, User, role_column};
use crate::secret;

/// A session as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Id; not the token.
    pub id: String,
    /// Whose.
    pub user: String,
    /// Their login.
    pub login: String,
    /// Their name.
    pub name: String,
    /// Their role now.
    pub role: Role,
    /// Where it was begun.
    pub address: String,
    /// The browser's own word.
    pub user_agent: String,
    /// When it was begun.
    pub created: Timestamp,
    /// Last request, to a minute.
    pub last_seen: Timestamp,
    /// When it ends at the latest.
    pub expires: Timestamp,
}

/// A session to be begun.
#[derive(Clone, Debug)]
pub(crate) struct NewSession {
    pub(crate) token_hash: [u8; 32],
    pub(crate) address: String,
    pub(crate) user_agent: String,
    /// The session that the browser came with; it ends.
    pub(crate) instead_of: Option<String>,
}

const COLUMNS: &str =
    "SELECT session.id, user_id, login, name, role, address, user_agent, session.created, last_seen, expires
    FROM session JOIN user ON user.id = user_id";

fn row(row: &Row<'_>) -> rusqlite::Result<Session> {
    Ok(Session {
        id: row.get(0)?,
        user: row.get(1)?,
        login: row.get(2)?,
        name: row.get(3)?,
        role: role_column(row, 4)?,
        address: row.get(5)?,
        user_agent: row.get(6)?,
        created: Timestamp::from_micros(row.get(7)?),
        last_seen: Timestamp::from_micros(row.get(8)?),
        expires: Timestamp::from_micros(row.get(9)?),
    })
}

/// The live session of a token.
pub(crate) fn by_token(
    conn: &Connection,
    token_hash: &[u8; 32],
    now: Timestamp,
) -> Result<Option<Session>, StoreError> {
    let found = conn
        .prepare_cached(&format!("{COLUMNS} WHERE token_hash = ?1"))
        .and_then(|mut statement| statement.query_row([token_hash], row).optional())
        .doing("looking for a session")?;
    Ok(found.filter(|session| is_live(session, now)))
}

fn is_live(session: &Session, now: Timestamp) -> bool {
    now < session.expires && now < session.last_seen.after(SESSION_IDLE)
}

pub(crate) fn find(conn: &Connection, id: &str) -> Result<Option<Session>, StoreError> {
    conn.query_row(&format!("{COLUMNS} WHERE session.id = ?1"), [id], row)
        .optional()
        .doing("looking for a session")
}

/// A page of live sessions in order of their ids, and one more; of one person or of all.
pub(crate) fn list(
    conn: &Connection,
    of: Option<&str>,
    after: Option<&str>,
    limit: usize,
    now: Timestamp,
) -> Result<Vec<Session>, IdentityError> {
    let sql = format!(
        "{COLUMNS} WHERE (?1 IS NULL OR user_id = ?1) AND (?2 IS NULL OR session.id > ?2) AND expires > ?3 AND last_seen > ?4
         ORDER BY session.id LIMIT ?5"
    );
    let mut statement = conn.prepare_cached(&sql).doing("listing sessions")?;
    let idle = now.before(SESSION_IDLE).micros();
    let rows = statement
        .query_map(params![of, after, now.micros(), idle, limit + 1], row)
        .doing("listing sessions")?;
    Ok(rows.collect::<Result<_, _>>().doing("listing sessions")?)
}

/// Begins a session for a person whose password was checked against `password`. The permit is for `self:manage` on that person.
pub(crate) fn begin(
    tx: &Tx<'_>,
    permit: Permit,
    user: &User,
    password: &str,
    new: &NewSession,
) -> Result<Session, IdentityError> {
    let actor = tx.spend(permit, Action::SelfManage, &people::resource(&user.id))?;
    // Removed, demoted or given a new password since the check: then the check counts no more.
    let unchanged = people::find(tx.sql(), &user.id)?.is_some_and(|now| now.role == user.role)
        && people::password(tx.sql(), &user.id)?.as_deref() == Some(password);
    if !unchanged {
        return Err(IdentityError::WrongCredentials);
    }
    if let Some(old) = &new.instead_of {
        tx.sql().execute("DELETE FROM session WHERE id = ?1", [old]).doing("ending the session before")?;
    }
    let session = insert(tx, user, new)?;
    tx.append(
        &actor,
        "session.started",
        json!({ "session": session.id, "login": user.login, "address": new.address }),
    )?;
    Ok(session)
}

/// The row; for [`begin`] and the first owner.
pub(crate) fn insert(tx: &Tx<'_>, user: &User, new: &NewSession) -> Result<Session, IdentityError> {
    let now = tx.now();
    let id = secret::id()?;
    let expires = now.after(SESSION_TOTAL);
    tx.sql()
        .execute(
            "INSERT INTO session (id, user_id, token_hash, created, last_seen, expires, address, user_agent)
             VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7)",
            params![id, user.id, new.token_hash, now.micros(), expires.micros(), new.address, new.user_agent],
        )
        .doing("beginning a session")?;
    tx.sql()
        .execute(
            "DELETE FROM session WHERE user_id = ?1 AND id NOT IN
             (SELECT id FROM session WHERE user_id = ?1 ORDER BY id = ?2 DESC, last_seen DESC LIMIT ?3)",
            params![user.id, id, SESSIONS_PER_USER],
        )
        .doing("ending the oldest sessions")?;
    Ok(Session {
        id,
        user: user.id.clone(),
        login: user.login.clone(),
        name: user.name.clone(),
        role: user.role,
        address: new.address.clone(),
        user_agent: new.user_agent.clone(),
        created: now,
        last_seen: now,
        expires,
    })
}

/// Ends a session. The permit is for `session:revoke` on it, or for `self:manage` on its person.
pub(crate) fn end(tx: &Tx<'_>, permit: Permit, id: &str) -> Result<Session, IdentityError> {
    let session = find(tx.sql(), id)?.ok_or(IdentityError::NotFound("session with this id"))?;
    let actor = if permit.action() == Action::SelfManage {
        tx.spend(permit, Action::SelfManage, &people::resource(&session.user))?
    } else {
        tx.spend(permit, Action::SessionRevoke, &Resource::new("Session", id))?
    };
    // Who manages only themselves ends only their own, whatever resource the policies named.
    let own = matches!(actor.principal(), Principal::Person { id, .. } if **id == *session.user);
    if !own {
        people::check_rank(&actor, session.role)?;
    }
    tx.sql().execute("DELETE FROM session WHERE id = ?1", [id]).doing("ending a session")?;
    tx.append(&actor, "session.ended", json!({ "session": id, "login": session.login }))?;
    Ok(session)
}

/// Notes that a session is in use. Not an administrative act: no record. The permit is the box's own.
pub(crate) fn seen(tx: &Tx<'_>, permit: Permit, session: &str, user: &str) -> Result<(), IdentityError> {
    tx.spend(permit, Action::SelfManage, &people::resource(user))?;
    tx.sql()
        .execute(
            "UPDATE session SET last_seen = max(last_seen, ?2) WHERE id = ?1",
            params![session, tx.now().micros()],
        )
        .doing("noting that a session is in use")?;
    Ok(())
}

/// Whether any session has ended by time and not been removed.
pub(crate) fn is_prune_due(conn: &Connection, now: Timestamp) -> Result<bool, StoreError> {
    conn.query_row(
        "SELECT EXISTS (SELECT 1 FROM session WHERE expires <= ?1 OR last_seen <= ?2)",
        [now.micros(), now.before(SESSION_IDLE).micros()],
        |row| row.get(0),
    )
    .doing("looking for old sessions")
}

/// Removes sessions that have ended by time; gives their logins. The permit is for `retention:prune` on the site.
pub(crate) fn prune(tx: &Tx<'_>, permit: Permit) -> Result<Vec<String>, IdentityError> {
    let actor = tx.spend(permit, Action::RetentionPrune, &Resource::site())?;
    let now = tx.now();
    let mut statement = tx
        .sql()
        .prepare_cached(
            "DELETE FROM session WHERE expires <= ?1 OR last_seen <= ?2
             RETURNING (SELECT login FROM user WHERE user.id = session.user_id)",
        )
        .doing("removing old sessions")?;
    let rows = statement
        .query_map(params![now.micros(), now.before(SESSION_IDLE).micros()], |row| {
            row.get::<_, Option<String>>(0)
        })
        .doing("removing old sessions")?;
    let logins: Vec<Option<String>> = rows.collect::<Result<_, _>>().doing("removing old sessions")?;
    let logins: Vec<String> = logins.into_iter().flatten().collect();
    if !logins.is_empty() {
        tx.append(&actor, "session.expired", json!({ "count": logins.len(), "logins": logins }))?;
    }
    Ok(logins)
}
