//! Rows of the inventory: reading all of them, writing one.
//!
//! No decisions here. Invariant: a word that this version does not know is an error that names it, never a
//! default.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use sitewarden_core::{Timestamp, Trust};
use sitewarden_store::{SqlContext as _, StoreError, Tx};

use crate::device::{Credential, CredentialKind, Device, Presence, kind_word, parse_kind};
use crate::error::DeviceError;

const SELECT: &str =
    "SELECT device.id, name, device.kind, zone, trust, via, facts, first_seen, demo, last_report, interval_s,
        credential.kind, credential.hash, credential.created
    FROM device LEFT JOIN device_credential AS credential ON credential.device_id = device.id";

/// All devices with what is known of their presence.
///
/// # Errors
/// [`DeviceError`].
pub fn load(conn: &Connection) -> Result<Vec<(Device, Presence)>, DeviceError> {
    let mut statement = conn.prepare_cached(SELECT).doing("preparing to read devices")?;
    let mut rows = statement.query([]).doing("reading devices")?;
    let mut devices = Vec::new();
    while let Some(row) = rows.next().doing("reading devices")? {
        devices.push(from_row(row)?);
    }
    Ok(devices)
}

/// One device.
///
/// # Errors
/// [`DeviceError::Unknown`], [`DeviceError::Store`].
pub(crate) fn get(conn: &Connection, id: &str) -> Result<Device, DeviceError> {
    let mut statement =
        conn.prepare_cached(&format!("{SELECT} WHERE device.id = ?1")).doing("preparing to read a device")?;
    let mut rows = statement.query(params![id]).doing("reading a device")?;
    let row = rows.next().doing("reading a device")?.ok_or_else(|| DeviceError::Unknown(id.to_owned()))?;
    Ok(from_row(row)?.0)
}

/// Whether there is such a device.
pub(crate) fn exists(conn: &Connection, id: &str) -> Result<bool, StoreError> {
    conn.prepare_cached("SELECT 1 FROM device WHERE id = ?1")
        .and_then(|mut statement| statement.query_row(params![id], |_| Ok(())))
        .optional()
        .map(|found| found.is_some())
        .doing("looking for a device")
}

fn from_row(row: &Row<'_>) -> Result<(Device, Presence), DeviceError> {
    let plain = |row: &Row<'_>| -> rusqlite::Result<_> {
        let credential: Option<(String, Vec<u8>, i64)> = match row.get::<_, Option<String>>(11)? {
            Some(kind) => Some((kind, row.get(12)?, row.get(13)?)),
            None => None,
        };
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, String>(2)?,
            row.get::<_, String>(4)?,
            row.get::<_, String>(6)?,
            credential,
        ))
    };
    let (id, kind, trust, facts, credential) = plain(row).doing("reading a device")?;
    let damaged =
        |field, value: &str| DeviceError::Damaged { id: id.clone(), field, value: value.to_owned() };
    let presence = Presence {
        last_report: row.get::<_, Option<i64>>(9).doing("reading a device")?.map(Timestamp::from_micros),
        interval: row
            .get::<_, Option<f64>>(10)
            .doing("reading a device")?
            .and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok()),
        connection: None,
    };
    let credential = match credential {
        None => None,
        Some((kind, hash, created)) => Some(Credential {
            kind: match kind.as_str() {
                "password" => CredentialKind::Password,
                "certificate" => CredentialKind::Certificate,
                other => return Err(damaged("credential", other)),
            },
            hash: hash.try_into().map_err(|_| damaged("credential", "a hash that is not 32 bytes"))?,
            created: Timestamp::from_micros(created),
        }),
    };
    let device = Device {
        name: row.get(1).doing("reading a device")?,
        kind: parse_kind(&kind).ok_or_else(|| damaged("kind", &kind))?,
        zone: row.get(3).doing("reading a device")?,
        trust: Trust::parse(&trust).ok_or_else(|| damaged("trust", &trust))?,
        via: row.get(5).doing("reading a device")?,
        facts: serde_json::from_str(&facts).map_err(|_| damaged("facts", &facts))?,
        first_seen: Timestamp::from_micros(row.get(7).doing("reading a device")?),
        demo: row.get(8).doing("reading a device")?,
        credential,
        id: id.into(),
    };
    Ok((device, presence))
}

/// Writes a device's row, new or changed; its credential is written by [`put_credential`].
pub(crate) fn put(tx: &Tx<'_>, device: &Device) -> Result<(), StoreError> {
    let facts = serde_json::to_string(&device.facts).unwrap_or_else(|_| "{}".to_owned());
    tx.sql()
        .prepare_cached(
            "INSERT INTO device (id, name, kind, zone, trust, via, facts, first_seen, demo)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (id) DO UPDATE SET name = ?2, kind = ?3, zone = ?4, trust = ?5, via = ?6, facts = ?7",
        )
        .doing("preparing to write a device")?
        .execute(params![
            &*device.id,
            device.name,
            kind_word(device.kind),
            device.zone,
            device.trust.as_str(),
            device.via,
            facts,
            device.first_seen.micros(),
            device.demo,
        ])
        .doing("writing a device")?;
    Ok(())
}

/// Gives a device this credential in place of the one before.
pub(crate) fn put_credential(tx: &Tx<'_>, id: &str, credential: &Credential) -> Result<(), StoreError> {
    tx.sql()
        .execute(
            "INSERT OR REPLACE INTO device_credential (device_id, kind, hash, created) VALUES (?1, ?2, ?3, ?4)",
            params![id, credential.kind.as_str(), credential.hash, credential.created.micros()],
        )
        .doing("writing a credential")?;
    Ok(())
}

/// Remembers a change of trust for the device's page.
pub(crate) fn put_trust_change(
    tx: &Tx<'_>,
    id: &str,
    trust: Trust,
    actor: &str,
    note: &str,
) -> Result<(), StoreError> {
    tx.sql()
        .execute(
            "INSERT INTO device_trust_change (device_id, time, trust, actor, note) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![id, tx.now().micros(), trust.as_str(), actor, note],
        )
        .doing("writing a change of trust")?;
    Ok(())
}

/// Keeps when devices reported last and how often, so that freshness is honest after a restart.
///
/// # Errors
/// [`StoreError`].
pub fn save_presence(tx: &Tx<'_>, presence: &[(std::sync::Arc<str>, Presence)]) -> Result<(), StoreError> {
    let mut statement = tx
        .sql()
        .prepare_cached("UPDATE device SET last_report = ?2, interval_s = ?3 WHERE id = ?1")
        .doing("preparing to keep presence")?;
    for (id, presence) in presence {
        let interval = presence.interval.map(|interval| interval.as_secs_f64());
        statement
            .execute(params![&**id, presence.last_report.map(Timestamp::micros), interval])
            .doing("keeping presence")?;
    }
    Ok(())
}
