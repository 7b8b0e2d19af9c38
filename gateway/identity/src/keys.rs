//! API keys: for programs of the site, with a role and an end.
//!
//! The key is shown once; here is its SHA-256. Invariants: every key ends; nobody makes a key above their own role; a key
//! that has ended or was withdrawn opens nothing.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::json;
use sitewarden_core::{Action, Permit, Resource, Role, Timestamp};
use sitewarden_store::{SqlContext as _, StoreError, Tx};

use crate::error::IdentityError;
use crate::limits::{API_KEY_DAYS, API_KEY_LISTED, API_KEYS};
use crate::people::{check_name, check_rank, role_column};
use crate::secret::{self, Secret};

/// An API key as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Id; not the key.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// What it may.
    pub role: Role,
    /// When it was made.
    pub created: Timestamp,
    /// Who made it, as the site log names them.
    pub created_by: String,
    /// When it ends.
    pub expires: Timestamp,
    /// Last use, to a minute.
    pub last_used: Option<Timestamp>,
}

/// An API key to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewApiKey {
    /// What it is for.
    pub name: String,
    /// What it may.
    pub role: Role,
    /// Days until it ends, 1 to [`API_KEY_DAYS`].
    pub expires_in_days: u32,
}

/// An API key that was just made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedApiKey {
    /// How it will be listed.
    pub listed: ApiKey,
    /// The key itself; nobody can see it again.
    pub key: Secret,
}

const COLUMNS: &str = "SELECT id, name, role, created, created_by, expires, last_used FROM api_key";

fn row(row: &Row<'_>) -> rusqlite::Result<ApiKey> {
    Ok(ApiKey {
        id: row.get(0)?,
        name: row.get(1)?,
        role: role_column(row, 2)?,
        created: Timestamp::from_micros(row.get(3)?),
        created_by: row.get(4)?,
        expires: Timestamp::from_micros(row.get(5)?),
        last_used: row.get::<_, Option<i64>>(6)?.map(Timestamp::from_micros),
    })
}

/// The key of this hash, when it has not ended.
pub(crate) fn by_hash(
    conn: &Connection,
    key_hash: &[u8; 32],
    now: Timestamp,
) -> Result<Option<ApiKey>, StoreError> {
    let found = conn
        .prepare_cached(&format!("{COLUMNS} WHERE key_hash = ?1"))
        .and_then(|mut statement| statement.query_row([key_hash], row).optional())
        .doing("looking for an API key")?;
    Ok(found.filter(|key| now < key.expires))
}

/// The key of this id.
pub(crate) fn find(conn: &Connection, id: &str) -> Result<Option<ApiKey>, StoreError> {
    conn.query_row(&format!("{COLUMNS} WHERE id = ?1"), [id], row).optional().doing("looking for an API key")
}

/// The keys after this id in order of their ids: at most `limit`, and one more that tells that there are more.
///
/// # Errors
/// [`IdentityError`] when the store cannot be read.
pub fn list(conn: &Connection, after: Option<&str>, limit: usize) -> Result<Vec<ApiKey>, IdentityError> {
    let mut statement = conn
        .prepare_cached(&format!("{COLUMNS} WHERE ?1 IS NULL OR id > ?1 ORDER BY id LIMIT ?2"))
        .doing("listing API keys")?;
    let rows = statement.query_map(params![after, limit + 1], row).doing("listing API keys")?;
    Ok(rows.collect::<Result<_, _>>().doing("listing API keys")?)
}

/// Makes a key. The permit is for `api-key:create` on the site; the console's will do.
///
/// # Errors
/// [`IdentityError`] for a bad value, a role above the maker's own, or when the store refuses.
pub fn create_api_key(tx: &Tx<'_>, permit: Permit, new: &NewApiKey) -> Result<CreatedApiKey, IdentityError> {
    let actor = tx.spend(permit, Action::ApiKeyCreate, &Resource::site())?;
    check_rank(&actor, new.role)?;
    let name = check_name("name", &new.name)?;
    if new.expires_in_days == 0 || new.expires_in_days > API_KEY_DAYS {
        return Err(IdentityError::value("expires_in_days", format!("give 1 to {API_KEY_DAYS}")));
    }
    let count: usize = tx
        .sql()
        .query_row("SELECT count(*) FROM api_key", [], |row| row.get(0))
        .doing("counting API keys")?;
    if count >= API_KEYS {
        return Err(IdentityError::Full(count, "API keys"));
    }
    let (id, key, now) = (secret::id()?, secret::api_key()?, tx.now());
    let day = std::time::Duration::from_secs(24 * 3600);
    let expires = now.after(day * new.expires_in_days);
    tx.sql()
        .execute(
            "INSERT INTO api_key (id, name, role, key_hash, created, created_by, expires, last_used)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, NULL)",
            params![
                id,
                name,
                new.role.as_str(),
                secret::hash(key.expose()),
                now.micros(),
                actor.label(),
                expires.micros()
            ],
        )
        .doing("making an API key")?;
    tx.append(
        &actor,
        "api-key.created",
        json!({ "api_key": id, "name": name, "role": new.role, "expires": expires }),
    )?;
    let created_by = actor.label();
    Ok(CreatedApiKey {
        listed: ApiKey { id, name, role: new.role, created: now, created_by, expires, last_used: None },
        key,
    })
}

/// Withdraws a key. The permit is for `api-key:revoke` on it.
///
/// # Errors
/// [`IdentityError`].
pub fn revoke_api_key(tx: &Tx<'_>, permit: Permit, id: &str) -> Result<(), IdentityError> {
    let actor = tx.spend(permit, Action::ApiKeyRevoke, &Resource::new("ApiKey", id))?;
    let key = find(tx.sql(), id)?.ok_or(IdentityError::NotFound("API key with this id"))?;
    check_rank(&actor, key.role)?;
    tx.sql().execute("DELETE FROM api_key WHERE id = ?1", [id]).doing("withdrawing an API key")?;
    tx.append(&actor, "api-key.revoked", json!({ "api_key": id, "name": key.name, "role": key.role }))?;
    Ok(())
}

/// Notes that a key is in use. Not an administrative act: no record. The permit is the box's own.
pub(crate) fn used(tx: &Tx<'_>, permit: Permit, id: &str) -> Result<(), IdentityError> {
    tx.spend(permit, Action::ApiKeyRead, &Resource::new("ApiKey", id))?;
    tx.sql()
        .execute("UPDATE api_key SET last_used = ?2 WHERE id = ?1", params![id, tx.now().micros()])
        .doing("noting that an API key is in use")?;
    Ok(())
}

/// Whether any key ended so long ago that it is removed.
pub(crate) fn is_prune_due(conn: &Connection, now: Timestamp) -> Result<bool, StoreError> {
    conn.query_row(
        "SELECT EXISTS (SELECT 1 FROM api_key WHERE expires <= ?1)",
        [now.before(API_KEY_LISTED).micros()],
        |row| row.get(0),
    )
    .doing("looking for old API keys")
}

/// Removes keys that ended long ago. The permit is for `retention:prune` on the site.
pub(crate) fn prune(tx: &Tx<'_>, permit: Permit) -> Result<usize, IdentityError> {
    let actor = tx.spend(permit, Action::RetentionPrune, &Resource::site())?;
    let removed = tx
        .sql()
        .execute("DELETE FROM api_key WHERE expires <= ?1", [tx.now().before(API_KEY_LISTED).micros()])
        .doing("removing old API keys")?;
    if removed > 0 {
        tx.append(&actor, "api-key.pruned", json!({ "count": removed }))?;
    }
    Ok(removed)
}
