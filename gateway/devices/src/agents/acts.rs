//! Changes of agents: codes, enrolment, revocation, parameters, runs, numbers of findings.
//!
//! Each takes a permit, writes its rows and one record of the site log in the same commit. The record of an
//! enrolment carries the agent's keys: whoever has the log can check what the agent signed. Secrets never reach the log.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use sitewarden_core::{Action, AssetKind, Permit, Resource, Trust};
use sitewarden_store::{StoreError, Tx};
use sitewarden_wire::DeviceId;
use sitewarden_wire::code::Code;
use sitewarden_wire::keys::{PublicKey, Secret, SigningPublicKey};

use super::agent::{Agent, Firmware, LinkState, Orders, Run, inventory_id};
use super::codes::{self, CodeRow, OpenCode};
use super::error::AgentError;
use super::keys::{SiteKeys, fresh, hex};
use super::rows;
use crate::acts::{make_room, resource, text};
use crate::device::Device;
use crate::limits::{CODE_LIFE, OPEN_CODES};

/// A code to be opened.
#[derive(Clone, Debug)]
pub struct NewCode {
    /// The device's code, typed or scanned; without one the box makes it.
    pub code: Option<String>,
    /// Name for the device to be.
    pub name: String,
    /// Its place.
    pub zone: String,
    /// Whether whoever opens it may also approve the device.
    pub approve: bool,
}

/// Opens a one-time code. The permit is for `device:enrol` on the site.
///
/// # Errors
/// [`AgentError`].
pub fn open_code(
    tx: &Tx<'_>,
    permit: Permit,
    keys: &SiteKeys,
    new: &NewCode,
) -> Result<(OpenCode, String), AgentError> {
    let actor = tx.spend(permit, Action::DeviceEnrol, &Resource::site())?;
    let code = match &new.code {
        Some(typed) => Code::parse(typed).map_err(AgentError::Code)?,
        None => {
            let random = fresh()?;
            Code::from_random(random.first_chunk().ok_or(AgentError::NoRandom)?)
        }
    };
    let hash = codes::hash(&code);
    let known = rows::code(tx.sql(), &hash)?;
    if let Some(refusal) = known.and_then(|known| known.refusal(tx.now())) {
        return Err(refusal);
    }
    if rows::open_codes(tx.sql(), tx.now())?.len() >= OPEN_CODES {
        return Err(AgentError::TooManyCodes);
    }
    let id = hex(fresh()?.first_chunk::<8>().ok_or(AgentError::NoRandom)?);
    let row = CodeRow {
        sealed: Some(keys.seal(&codes::purpose(&id), code.to_string().as_bytes())?),
        id,
        hash,
        name: text("name", &new.name)?,
        zone: text("zone", &new.zone)?,
        created: tx.now(),
        expires: tx.now().after(CODE_LIFE),
        created_by: actor.label(),
        approve: new.approve,
        used_by: None,
        withdrawn: false,
    };
    rows::put_code(tx, &row)?;
    let body = json!({"code": row.id, "name": row.name, "zone": row.zone, "expires": row.expires});
    tx.append(&actor, "agent.code-opened", body)?;
    let open = OpenCode::of(&row, keys)?.ok_or(AgentError::Keys)?;
    Ok((open, code.to_string()))
}

/// Withdraws an open code. The permit is for `device:enrol` on the site.
///
/// # Errors
/// [`AgentError`].
pub fn withdraw_code(tx: &Tx<'_>, permit: Permit, id: &str) -> Result<(), AgentError> {
    let actor = tx.spend(permit, Action::DeviceEnrol, &Resource::site())?;
    let known = rows::code_by_id(tx.sql(), id)?;
    let open = known.filter(|code| !code.withdrawn && code.used_by.is_none() && tx.now() < code.expires);
    let mut code = open.ok_or_else(|| AgentError::NoCode(id.to_owned()))?;
    (code.withdrawn, code.sealed) = (true, None);
    rows::put_code(tx, &code)?;
    tx.append(&actor, "agent.code-withdrawn", json!({"code": id}))?;
    Ok(())
}

/// A device that proved a code.
#[derive(Clone, Debug)]
pub(crate) struct Proved {
    pub(crate) device: DeviceId,
    pub(crate) link: PublicKey,
    pub(crate) signing: SigningPublicKey,
    pub(crate) firmware: Firmware,
    /// Of the code that it proved.
    pub(crate) hash: [u8; 32],
}

/// What came of an enrolment.
#[derive(Debug)]
pub(crate) struct Enrolled {
    pub(crate) agent: Agent,
    pub(crate) device: Device,
    pub(crate) code: [u8; 32],
}

/// Pins the keys of a device that proved an open code. The same device again, having lost the answer, gets the same
/// secret; another device does not get in by the same code. The permit is the box's, for `device:enrol` on the device.
pub(crate) fn enrol(
    tx: &Tx<'_>,
    permit: Permit,
    keys: &SiteKeys,
    proved: &Proved,
) -> Result<Enrolled, AgentError> {
    let id = inventory_id(proved.device);
    let actor = tx.spend(permit, Action::DeviceEnrol, &resource(&id))?;
    let over = |why: &str| AgentError::CodeOver { why: why.to_owned() };
    let mut code = rows::code(tx.sql(), &proved.hash)?.ok_or_else(|| over("is not known"))?;
    let wire = proved.device.to_string();
    match &code.used_by {
        Some(first) if *first != wire => {
            return Err(over(&format!("was used by agent {first}: reset the device to get a new code")));
        }
        _ if code.withdrawn => return Err(over("was withdrawn")),
        None if tx.now() >= code.expires => return Err(over("is over: enter it again")),
        _ => {}
    }
    let known = rows::get(tx.sql(), keys, proved.device)?;
    let again = code.used_by.is_some();
    if let Some(agent) =
        known.as_ref().filter(|agent| again && agent.revoked.is_none() && agent.signing == proved.signing)
    {
        let device = crate::rows::get(tx.sql(), &id)?;
        return Ok(Enrolled { agent: agent.clone(), device, code: proved.hash });
    }
    let device = put_device(tx, &id, &code, proved, &actor.label())?;
    let psk = match &known {
        Some(agent) if agent.revoked.is_none() => *agent.psk.expose(),
        _ => fresh()?,
    };
    let agent = Agent {
        wire: proved.device,
        device: id.as_str().into(),
        link: proved.link,
        signing: proved.signing,
        psk: Secret::new(psk),
        enrolled: tx.now(),
        revoked: None,
        firmware: proved.firmware.clone(),
        orders: known.as_ref().map(|agent| agent.orders.clone()).unwrap_or_default(),
        runs: known.map(|agent| agent.runs).unwrap_or_default(),
    };
    rows::put(tx, &agent, &keys.seal(&rows::psk_purpose(&wire), &psk)?)?;
    code.used_by = Some(wire.clone());
    rows::put_code(tx, &code)?;
    let body = json!({
        "id": id, "asset": id, "agent": wire, "device": id, "trust": device.trust.as_str(),
        "link_key": STANDARD.encode(agent.link), "signing_key": STANDARD.encode(agent.signing),
        "model": agent.firmware.model, "firmware": agent.firmware.version,
        "firmware_sha256": agent.firmware.digest(), "code": code.id, "code_opened_by": code.created_by,
    });
    tx.append(&actor, "agent.enrolled", body)?;
    Ok(Enrolled { agent, device, code: proved.hash })
}

/// The agent's place in the inventory. A quarantine is lifted on purpose only.
fn put_device(
    tx: &Tx<'_>,
    id: &str,
    code: &CodeRow,
    proved: &Proved,
    actor: &str,
) -> Result<Device, AgentError> {
    let known = if crate::rows::exists(tx.sql(), id)? { Some(crate::rows::get(tx.sql(), id)?) } else { None };
    if known.is_none() {
        make_room(tx)?;
    }
    let mut device = known.unwrap_or_else(|| Device {
        id: id.into(),
        name: id.to_owned(),
        kind: AssetKind::Agent,
        zone: String::new(),
        trust: Trust::AwaitingApproval,
        via: String::new(),
        facts: BTreeMap::new(),
        first_seen: tx.now(),
        demo: false,
        credential: None,
    });
    if device.trust != Trust::Quarantined && (code.approve || device.trust == Trust::Revoked) {
        device.trust = if code.approve { Trust::Trusted } else { Trust::AwaitingApproval };
    }
    if !code.name.is_empty() {
        device.name.clone_from(&code.name);
    }
    if !code.zone.is_empty() {
        device.zone.clone_from(&code.zone);
    }
    device.facts.insert("model".to_owned(), proved.firmware.model.clone());
    device.facts.insert("firmware".to_owned(), proved.firmware.version.clone());
    crate::rows::put(tx, &device)?;
    crate::rows::put_trust_change(tx, id, device.trust, actor, "enrolled by its one-time code")?;
    Ok(device)
}

/// The device's first link stands: its code is used up and no longer kept.
pub(crate) fn spend_code(tx: &Tx<'_>, hash: &[u8; 32]) -> Result<(), StoreError> {
    if let Some(mut code) = rows::code(tx.sql(), hash)? {
        code.sealed = None;
        rows::put_code(tx, &code)?;
    }
    Ok(())
}

/// Withdraws an agent's enrolment: its session ends, its secret is destroyed. The permit is for `device:quarantine`.
///
/// # Errors
/// [`AgentError`].
pub fn revoke(
    tx: &Tx<'_>,
    permit: Permit,
    keys: &SiteKeys,
    wire: DeviceId,
    reason: &str,
) -> Result<(Agent, Device), AgentError> {
    let id = inventory_id(wire);
    let actor = tx.spend(permit, Action::DeviceQuarantine, &resource(&id))?;
    let reason = text("reason", reason)?;
    let mut agent = rows::get(tx.sql(), keys, wire)?.ok_or_else(|| AgentError::Unknown(id.clone()))?;
    if agent.revoked.is_some() {
        return Err(AgentError::Revoked(id));
    }
    agent.revoked = Some(tx.now());
    agent.psk = Secret::new([0; 32]);
    rows::put(tx, &agent, &[])?;
    let mut device = crate::rows::get(tx.sql(), &id)?;
    let before = device.trust;
    device.trust = Trust::Revoked;
    crate::rows::put(tx, &device)?;
    crate::rows::put_trust_change(tx, &id, device.trust, &actor.label(), &reason)?;
    let body = json!({
        "id": id, "asset": id, "agent": wire.to_string(), "device": id,
        "before": before.as_str(), "trust": device.trust.as_str(), "note": reason,
    });
    tx.append(&actor, "agent.revoked", body)?;
    Ok((agent, device))
}

/// Gives an agent other orders; it is told when it says hello next. The permit is for `device:edit`.
///
/// # Errors
/// [`AgentError`].
pub fn set_orders(
    tx: &Tx<'_>,
    permit: Permit,
    keys: &SiteKeys,
    wire: DeviceId,
    orders: Orders,
) -> Result<Agent, AgentError> {
    let id = inventory_id(wire);
    let actor = tx.spend(permit, Action::DeviceEdit, &resource(&id))?;
    let mut agent = rows::get(tx.sql(), keys, wire)?.ok_or_else(|| AgentError::Unknown(id.clone()))?;
    if agent.revoked.is_some() {
        return Err(AgentError::Revoked(id));
    }
    agent.orders = Orders { version: agent.orders.version.saturating_add(1), ..orders };
    agent.orders.to_wire(wire)?;
    rows::put_orders(tx, wire, &agent.orders)?;
    let body = json!({"id": id, "asset": id, "agent": wire.to_string(), "parameters": agent.orders});
    tx.append(&actor, "agent.parameters", body)?;
    Ok(agent)
}

/// Lifts the version of an agent's orders over what it has: the box was restored from a backup. Nothing else changes.
pub(crate) fn lift_orders(tx: &Tx<'_>, agent: &Agent, theirs: u64) -> Result<Orders, StoreError> {
    // SQLite's largest number; an agent that claims it keeps its orders.
    let version = theirs.saturating_add(1).min(i64::MAX.unsigned_abs());
    let orders = Orders { version, ..agent.orders.clone() };
    rows::put_orders(tx, agent.wire, &orders)?;
    Ok(orders)
}

/// Keeps when a run of an agent began: bookkeeping of what its session has proved.
pub(crate) fn note_run(tx: &Tx<'_>, wire: DeviceId, run: &Run) -> Result<(), StoreError> {
    rows::put_run(tx, wire, run)
}

/// What became of the number of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is new: its finding belongs into this commit.
    New,
    /// It was taken before: acknowledge it again.
    Before,
    /// The agent is gone from the inventory: it keeps its finding.
    NoAgent,
}

/// Takes the number of a finding in the commit of the finding itself. The permit is the box's, for `finding:raise`.
///
/// # Errors
/// [`StoreError`].
pub fn take_finding(tx: &Tx<'_>, permit: Permit, wire: DeviceId, sequence: u64) -> Result<Taken, StoreError> {
    tx.spend(permit, Action::FindingRaise, &Resource::site())?;
    if !rows::exists(tx.sql(), wire)? {
        return Ok(Taken::NoAgent);
    }
    Ok(if rows::put_finding(tx, wire, sequence)? { Taken::New } else { Taken::Before })
}

/// Keeps what lines are like and when agents were heard: bookkeeping.
///
/// # Errors
/// [`StoreError`].
pub fn save_links(tx: &Tx<'_>, links: &[(DeviceId, LinkState)]) -> Result<(), StoreError> {
    rows::put_links(tx, links)
}
