//! Rows of agents, their runs, their findings' numbers and their codes.
//!
//! No decisions here. Invariant: secrets are sealed before they come here and opened after.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use sitewarden_core::Timestamp;
use sitewarden_store::{SqlContext as _, StoreError, Tx};
use sitewarden_wire::DeviceId;
use sitewarden_wire::keys::Secret;

use super::agent::{Agent, Counters, Firmware, LinkState, Orders, Run, hex_id};
use super::codes::CodeRow;
use super::error::AgentError;
use super::keys::SiteKeys;
use crate::limits::{AGENT_FINDINGS, AGENT_RUNS, CODE_ROWS};

const AGENT: &str =
    "SELECT id, device_id, link_key, signing_key, psk, enrolled, revoked, model, firmware, measurement,
        parameters_version, parameters, last_heard, counters FROM agent";

/// All agents with what was kept of their lines.
pub(crate) fn load(conn: &Connection, keys: &SiteKeys) -> Result<Vec<(Agent, LinkState)>, AgentError> {
    let mut statement = conn.prepare(AGENT).doing("preparing to read agents")?;
    let mut rows = statement.query([]).doing("reading agents")?;
    let mut agents = Vec::new();
    while let Some(row) = rows.next().doing("reading agents")? {
        agents.push(from_row(conn, keys, row)?);
    }
    Ok(agents)
}

/// One agent.
pub(crate) fn get(conn: &Connection, keys: &SiteKeys, wire: DeviceId) -> Result<Option<Agent>, AgentError> {
    let mut statement =
        conn.prepare_cached(&format!("{AGENT} WHERE id = ?1")).doing("preparing to read an agent")?;
    let mut rows = statement.query(params![wire.to_string()]).doing("reading an agent")?;
    match rows.next().doing("reading an agent")? {
        Some(row) => from_row(conn, keys, row).map(|(agent, _)| Some(agent)),
        None => Ok(None),
    }
}

/// Whether there is such an agent.
pub(crate) fn exists(conn: &Connection, wire: DeviceId) -> Result<bool, StoreError> {
    conn.prepare_cached("SELECT 1 FROM agent WHERE id = ?1")
        .doing("preparing to look for an agent")?
        .exists(params![wire.to_string()])
        .doing("looking for an agent")
}

pub(crate) fn psk_purpose(id: &str) -> String {
    format!("psk of agent {id}")
}

fn from_row(conn: &Connection, keys: &SiteKeys, row: &Row<'_>) -> Result<(Agent, LinkState), AgentError> {
    const DOING: &str = "reading an agent";
    let id: String = row.get(0).doing(DOING)?;
    let damaged = |field| AgentError::Damaged { id: id.clone(), field };
    let bytes = |column: usize, field| -> Result<[u8; 32], AgentError> {
        let bytes: Vec<u8> = row.get(column).doing(DOING)?;
        bytes.try_into().map_err(|_| damaged(field))
    };
    let revoked: Option<i64> = row.get(6).doing(DOING)?;
    let sealed: Vec<u8> = row.get(4).doing(DOING)?;
    // The secret of a revoked agent is gone.
    let psk = if revoked.is_some() { vec![0; 32] } else { keys.open(&psk_purpose(&id), &sealed)? };
    let (orders, counters): (String, String) = (row.get(11).doing(DOING)?, row.get(13).doing(DOING)?);
    let mut orders: Orders = serde_json::from_str(&orders).map_err(|_| damaged("set of parameters"))?;
    orders.version = row.get(10).doing(DOING)?;
    let counters: Counters = serde_json::from_str(&counters).map_err(|_| damaged("set of counters"))?;
    let heard = row.get::<_, Option<i64>>(12).doing(DOING)?.map(Timestamp::from_micros);
    let agent = Agent {
        wire: hex_id(&id).ok_or_else(|| damaged("identifier"))?,
        device: row.get::<_, String>(1).doing(DOING)?.into(),
        link: bytes(2, "link key")?,
        signing: bytes(3, "signing key")?,
        psk: Secret::new(psk.try_into().map_err(|_| damaged("secret"))?),
        enrolled: Timestamp::from_micros(row.get(5).doing(DOING)?),
        revoked: revoked.map(Timestamp::from_micros),
        firmware: Firmware {
            model: row.get(7).doing(DOING)?,
            version: row.get(8).doing(DOING)?,
            measurement: bytes(9, "measurement")?,
        },
        orders,
        runs: runs(conn, &id)?,
    };
    Ok((agent, LinkState { heard, counters, ..LinkState::default() }))
}

/// Writes an agent, new or changed; what is known of its line stays.
pub(crate) fn put(tx: &Tx<'_>, agent: &Agent, sealed_psk: &[u8]) -> Result<(), AgentError> {
    let orders = serde_json::to_string(&agent.orders).unwrap_or_default();
    tx.sql()
        .execute(
            "INSERT INTO agent (id, device_id, link_key, signing_key, psk, enrolled, revoked, model, firmware, measurement,
                parameters_version, parameters, counters)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, '{}')
             ON CONFLICT (id) DO UPDATE SET link_key = ?3, signing_key = ?4, psk = ?5, enrolled = ?6, revoked = ?7,
                model = ?8, firmware = ?9, measurement = ?10, parameters_version = ?11, parameters = ?12",
            params![
                agent.wire.to_string(),
                &*agent.device,
                agent.link,
                agent.signing,
                sealed_psk,
                agent.enrolled.micros(),
                agent.revoked.map(Timestamp::micros),
                agent.firmware.model,
                agent.firmware.version,
                agent.firmware.measurement,
                agent.orders.version,
                orders,
            ],
        )
        .doing("writing an agent")?;
    Ok(())
}

/// Writes new orders alone.
pub(crate) fn put_orders(tx: &Tx<'_>, wire: DeviceId, orders: &Orders) -> Result<(), StoreError> {
    let text = serde_json::to_string(orders).unwrap_or_default();
    tx.sql()
        .execute(
            "UPDATE agent SET parameters_version = ?2, parameters = ?3 WHERE id = ?1",
            params![wire.to_string(), orders.version, text],
        )
        .doing("writing an agent's parameters")?;
    Ok(())
}

fn runs(conn: &Connection, id: &str) -> Result<Vec<Run>, AgentError> {
    const DOING: &str = "reading an agent's runs";
    let damaged = |field| AgentError::Damaged { id: id.to_owned(), field };
    let mut statement = conn
        .prepare_cached(
            "SELECT run, boot_counter, started, first_heard, firmware, measurement FROM agent_run
             WHERE agent_id = ?1 ORDER BY first_heard DESC, boot_counter DESC",
        )
        .doing(DOING)?;
    let mut rows = statement.query(params![id]).doing(DOING)?;
    let mut runs = Vec::new();
    while let Some(row) = rows.next().doing(DOING)? {
        let bytes = |column: usize| row.get::<_, Vec<u8>>(column).doing(DOING);
        runs.push(Run {
            id: bytes(0)?.try_into().map_err(|_| damaged("run"))?,
            counter: row.get(1).doing(DOING)?,
            started: Timestamp::from_micros(row.get(2).doing(DOING)?),
            heard: Timestamp::from_micros(row.get(3).doing(DOING)?),
            firmware: Firmware {
                model: String::new(),
                version: row.get(4).doing(DOING)?,
                measurement: bytes(5)?.try_into().map_err(|_| damaged("measurement"))?,
            },
        });
    }
    Ok(runs)
}

/// Keeps a run that was not known, and of all the newest [`AGENT_RUNS`].
pub(crate) fn put_run(tx: &Tx<'_>, wire: DeviceId, run: &Run) -> Result<(), StoreError> {
    let id = wire.to_string();
    tx.sql()
        .execute(
            "INSERT OR IGNORE INTO agent_run (agent_id, run, boot_counter, started, first_heard, firmware, measurement)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                id,
                run.id,
                run.counter,
                run.started.micros(),
                run.heard.micros(),
                run.firmware.version,
                run.firmware.measurement
            ],
        )
        .doing("keeping an agent's run")?;
    tx.sql()
        .execute(
            "DELETE FROM agent_run WHERE agent_id = ?1 AND run NOT IN (
                SELECT run FROM agent_run WHERE agent_id = ?1 ORDER BY first_heard DESC, boot_counter DESC LIMIT ?2)",
            params![id, AGENT_RUNS],
        )
        .doing("forgetting an agent's oldest run")?;
    tx.sql()
        .execute(
            "UPDATE agent SET model = ?2, firmware = ?3, measurement = ?4 WHERE id = ?1",
            params![id, run.firmware.model, run.firmware.version, run.firmware.measurement],
        )
        .doing("keeping an agent's firmware")?;
    Ok(())
}

/// Keeps the number of a finding; false when it was taken before, or is older than the oldest number kept.
pub(crate) fn put_finding(tx: &Tx<'_>, wire: DeviceId, sequence: u64) -> Result<bool, StoreError> {
    const DOING: &str = "keeping the number of an agent's finding";
    let (id, number) = (wire.to_string(), sequence.to_be_bytes());
    let (oldest, count): (Option<Vec<u8>>, usize) = tx
        .sql()
        .prepare_cached("SELECT min(sequence), count(*) FROM agent_finding WHERE agent_id = ?1")
        .doing(DOING)?
        .query_row(params![id], |row| Ok((row.get(0)?, row.get(1)?)))
        .doing(DOING)?;
    let full = count >= AGENT_FINDINGS;
    if full && oldest.as_deref().is_some_and(|oldest| number.as_slice() < oldest) {
        return Ok(false);
    }
    let new = tx
        .sql()
        .prepare_cached("INSERT OR IGNORE INTO agent_finding (agent_id, sequence) VALUES (?1, ?2)")
        .doing(DOING)?
        .execute(params![id, number])
        .doing(DOING)?
        > 0;
    if new && full {
        tx.sql()
            .prepare_cached("DELETE FROM agent_finding WHERE agent_id = ?1 AND sequence = ?2")
            .doing(DOING)?
            .execute(params![id, oldest])
            .doing(DOING)?;
    }
    Ok(new)
}

/// Keeps what lines are like.
pub(crate) fn put_links(tx: &Tx<'_>, links: &[(DeviceId, LinkState)]) -> Result<(), StoreError> {
    let mut statement = tx
        .sql()
        .prepare_cached("UPDATE agent SET last_heard = ?2, counters = ?3 WHERE id = ?1")
        .doing("preparing to keep lines")?;
    for (wire, link) in links {
        let counters = serde_json::to_string(&link.counters).unwrap_or_default();
        statement
            .execute(params![wire.to_string(), link.heard.map(Timestamp::micros), counters])
            .doing("keeping lines")?;
    }
    Ok(())
}

const CODE: &str = "SELECT id, hash, sealed, name, zone, created, expires, created_by, approve, used_by, withdrawn FROM agent_code";

fn code_from_row(row: &Row<'_>) -> rusqlite::Result<CodeRow> {
    Ok(CodeRow {
        id: row.get(0)?,
        hash: row.get(1)?,
        sealed: row.get(2)?,
        name: row.get(3)?,
        zone: row.get(4)?,
        created: Timestamp::from_micros(row.get(5)?),
        expires: Timestamp::from_micros(row.get(6)?),
        created_by: row.get(7)?,
        approve: row.get(8)?,
        used_by: row.get(9)?,
        withdrawn: row.get(10)?,
    })
}

/// Codes that were neither withdrawn nor used up.
pub(crate) fn open_codes(conn: &Connection, now: Timestamp) -> Result<Vec<CodeRow>, StoreError> {
    let mut statement = conn
        .prepare_cached(&format!(
            "{CODE} WHERE withdrawn = 0 AND sealed IS NOT NULL AND expires > ?1 ORDER BY created, id"
        ))
        .doing("preparing to read codes")?;
    let rows = statement.query_map(params![now.micros()], code_from_row).doing("reading codes")?;
    rows.collect::<Result<_, _>>().doing("reading codes")
}

/// The code of this hash.
pub(crate) fn code(conn: &Connection, hash: &[u8; 32]) -> Result<Option<CodeRow>, StoreError> {
    conn.prepare_cached(&format!("{CODE} WHERE hash = ?1"))
        .doing("preparing to read a code")?
        .query_row(params![hash], code_from_row)
        .optional()
        .doing("reading a code")
}

/// The code of this id.
pub(crate) fn code_by_id(conn: &Connection, id: &str) -> Result<Option<CodeRow>, StoreError> {
    conn.prepare_cached(&format!("{CODE} WHERE id = ?1"))
        .doing("preparing to read a code")?
        .query_row(params![id], code_from_row)
        .optional()
        .doing("reading a code")
}

/// Writes a code, in the place of an older one with the same hash, and keeps [`CODE_ROWS`].
pub(crate) fn put_code(tx: &Tx<'_>, code: &CodeRow) -> Result<(), StoreError> {
    const DOING: &str = "writing a code";
    tx.sql()
        .execute(
            "INSERT OR REPLACE INTO agent_code
                (id, hash, sealed, name, zone, created, expires, created_by, approve, used_by, withdrawn)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            params![
                code.id,
                code.hash,
                code.sealed,
                code.name,
                code.zone,
                code.created.micros(),
                code.expires.micros(),
                code.created_by,
                code.approve,
                code.used_by,
                code.withdrawn,
            ],
        )
        .doing(DOING)?;
    tx.sql()
        .execute(
            "DELETE FROM agent_code WHERE id NOT IN (SELECT id FROM agent_code ORDER BY created DESC LIMIT ?1)",
            params![CODE_ROWS],
        )
        .doing(DOING)?;
    Ok(())
}
