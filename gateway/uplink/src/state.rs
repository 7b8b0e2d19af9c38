//! The uplink's row in the store: where the box is registered, and how far the cloud is.
//!
//! Plain functions over a transaction or a connection. Invariants: registering and forgetting are records of the site
//! log; what was ever sent is remembered over both, so that no cloud can claim more.

use rusqlite::{Connection, Row, params};
use serde_json::json;
use sitewarden_core::{Action, Permit, Resource, Timestamp};
use sitewarden_store::{Migrations, SqlContext as _, StoreError, Tx};

/// The uplink's table, and what keeps unsent records in the log.
pub const MIGRATIONS: Migrations =
    Migrations { slice: "uplink", steps: &[(1, "uplink", include_str!("migrations/001_uplink.sql"))] };

/// A cloud at which the box is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Address of its API.
    pub(crate) url: String,
    /// Certificates (PEM) of the authorities that may have signed the cloud's; none means the configured ones.
    pub(crate) ca: Option<String>,
    /// The cloud's name of this box.
    pub(crate) gateway: String,
    /// The cloud's name of this site.
    pub(crate) site: String,
    /// The cloud's name of whom the site belongs to.
    pub(crate) tenant: String,
    /// When it was registered.
    pub(crate) registered: Timestamp,
}

/// All that is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stored {
    /// The cloud, if one is registered.
    pub(crate) target: Option<Target>,
    /// Newest record that it has for good.
    pub(crate) acknowledged: u64,
    /// Newest record that was ever sent.
    pub(crate) sent_through: u64,
    /// When the cloud last took something.
    pub(crate) last_success: Option<Timestamp>,
}

/// Reads the row.
///
/// # Errors
/// [`StoreError`] when the table cannot be read.
pub(crate) fn load(conn: &Connection) -> Result<Stored, StoreError> {
    conn.prepare_cached(
        "SELECT url, ca, gateway, site, tenant, registered, acknowledged, sent_through, last_success FROM uplink WHERE id = 1",
    )
    .doing("preparing to read the uplink's state")?
    .query_row([], from_row)
    .doing("reading the uplink's state")
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let url: Option<String> = row.get(0)?;
    let target = match url {
        None => None,
        Some(url) => Some(Target {
            url,
            ca: row.get(1)?,
            gateway: row.get(2)?,
            site: row.get(3)?,
            tenant: row.get(4)?,
            registered: Timestamp::from_micros(row.get(5)?),
        }),
    };
    let last_success: Option<i64> = row.get(8)?;
    Ok(Stored {
        target,
        acknowledged: row.get(6)?,
        sent_through: row.get(7)?,
        last_success: last_success.map(Timestamp::from_micros),
    })
}

/// Keeps a registration; the cursor begins anew, since another cloud may have nothing.
///
/// # Errors
/// [`StoreError`].
pub(crate) fn register(tx: &Tx<'_>, permit: Permit, target: &Target) -> Result<(), StoreError> {
    let actor = tx.spend(permit, Action::UplinkManage, &Resource::site())?;
    tx.sql()
        .execute(
            "UPDATE uplink SET url = ?1, ca = ?2, gateway = ?3, site = ?4, tenant = ?5, registered = ?6,
                 acknowledged = 0, last_success = NULL WHERE id = 1",
            params![
                target.url,
                target.ca,
                target.gateway,
                target.site,
                target.tenant,
                target.registered.micros()
            ],
        )
        .doing("keeping the registration at a cloud")?;
    let body = json!({
        "url": target.url, "gateway": target.gateway, "site": target.site, "tenant": target.tenant,
    });
    tx.append(&actor, "uplink.registered", body)?;
    Ok(())
}

/// Forgets the registration.
///
/// # Errors
/// [`StoreError`].
pub(crate) fn forget(tx: &Tx<'_>, permit: Permit, url: &str) -> Result<(), StoreError> {
    let actor = tx.spend(permit, Action::UplinkManage, &Resource::site())?;
    tx.sql()
        .execute(
            "UPDATE uplink SET url = NULL, ca = NULL, gateway = NULL, site = NULL, tenant = NULL,
                 registered = NULL, acknowledged = 0, last_success = NULL WHERE id = 1",
            [],
        )
        .doing("forgetting the registration at a cloud")?;
    tx.append(&actor, "uplink.forgotten", json!({ "url": url }))?;
    Ok(())
}

/// Keeps how far the cloud of this registration is and what is about to be sent to it. Another registration, made
/// meanwhile, is left alone.
///
/// # Errors
/// [`StoreError`].
pub(crate) fn advance(
    tx: &Tx<'_>,
    permit: Permit,
    registered: Timestamp,
    acknowledged: u64,
    sent_through: u64,
    last_success: Option<Timestamp>,
) -> Result<(), StoreError> {
    tx.spend(permit, Action::UplinkAdvance, &Resource::site())?;
    tx.sql()
        .prepare_cached(
            "UPDATE uplink SET acknowledged = ?1, sent_through = max(sent_through, ?2), last_success = ?3
             WHERE id = 1 AND registered = ?4",
        )
        .doing("preparing to keep the uplink's cursor")?
        .execute(params![
            acknowledged,
            sent_through,
            last_success.map(Timestamp::micros),
            registered.micros()
        ])
        .doing("keeping the uplink's cursor")?;
    Ok(())
}

/// The first record that must stay in the log because the cloud does not have it; `None` when no cloud is registered.
///
/// # Errors
/// [`StoreError`] when the table cannot be read.
pub fn keep_from(conn: &Connection) -> Result<Option<u64>, StoreError> {
    let stored = load(conn)?;
    Ok(stored.target.map(|_| stored.acknowledged.saturating_add(1)))
}
