//! Changes of the inventory: sightings, trust, names, enrolment.
//!
//! Each takes a permit, writes its rows and one record of the site log in the same commit, and gives the
//! device as it is now, for [`crate::Registry::put`] after the commit. Secrets never reach the log.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};
use rusqlite::params;
use serde_json::json;
use sitewarden_core::{Action, AssetKind, AssetRef, Permit, Resource, Sighting, Trust};
use sitewarden_store::{SqlContext as _, StoreError, Tx};

use crate::device::{Credential, CredentialKind, Device, kind_word};
use crate::error::DeviceError;
use crate::limits::{DEVICES, FACT_BYTES, FACTS, PASSWORD_BYTES, TEXT_BYTES};
use crate::registry::sha256;
use crate::rows;

/// The resource of a device.
#[must_use]
pub fn resource(id: &str) -> Resource {
    Resource::new("Device", id)
}

/// What sightings changed.
#[derive(Debug, Default, PartialEq)]
pub struct Seen {
    /// Devices that are new or changed.
    pub devices: Vec<Device>,
    /// Devices that went to make room.
    pub evicted: Vec<String>,
}

/// Takes sightings: new assets stand as awaiting approval, known ones gain facts.
///
/// # Errors
/// [`DeviceError`].
pub fn sight(tx: &Tx<'_>, permit: Permit, sightings: &[Sighting], demo: bool) -> Result<Seen, DeviceError> {
    let actor = tx.spend(permit, Action::DeviceSight, &Resource::site())?;
    let mut seen = Seen::default();
    for sighting in sightings {
        let id = sighting.asset.as_str();
        let known = if rows::exists(tx.sql(), id)? { Some(rows::get(tx.sql(), id)?) } else { None };
        let is_new = known.is_none();
        if is_new {
            seen.evicted.extend(make_room(tx)?);
        }
        let mut device = match &known {
            Some(known) => known.clone(),
            None => new_device(tx, sighting, demo)?,
        };
        add_facts(&mut device, sighting);
        if known.as_ref() == Some(&device) {
            continue;
        }
        rows::put(tx, &device)?;
        if is_new {
            let body = json!({"id": id, "asset": id, "kind": kind_word(device.kind), "via": device.via, "trust": device.trust.as_str()});
            tx.append(&actor, "device.seen", body)?;
        }
        seen.devices.retain(|earlier: &Device| earlier.id != device.id);
        seen.devices.push(device);
    }
    Ok(seen)
}

/// A sensor of an agent is part of it: it stands where the agent stands, and has its name and place.
fn agent_of(tx: &Tx<'_>, sighting: &Sighting) -> Result<Option<Device>, DeviceError> {
    let agent = sighting.via.as_ref().map(AssetRef::as_str).filter(|via| {
        let own = sighting.asset.as_str().strip_prefix(*via).is_some_and(|rest| rest.starts_with(':'));
        own && crate::agents::wire_id(via).is_some()
    });
    match agent {
        Some(agent) if rows::exists(tx.sql(), agent)? => rows::get(tx.sql(), agent).map(Some),
        _ => Ok(None),
    }
}

fn new_device(tx: &Tx<'_>, sighting: &Sighting, demo: bool) -> Result<Device, DeviceError> {
    let id = sighting.asset.as_str();
    let agent = agent_of(tx, sighting)?;
    let number = id.rsplit(':').next().unwrap_or_default();
    Ok(Device {
        id: id.into(),
        name: agent
            .as_ref()
            .map_or_else(|| id.to_owned(), |agent| format!("{}, sensor {number}", agent.name)),
        kind: sighting.kind,
        zone: agent.as_ref().map(|agent| agent.zone.clone()).unwrap_or_default(),
        trust: agent.as_ref().map_or(Trust::AwaitingApproval, |agent| agent.trust),
        via: String::new(),
        facts: std::collections::BTreeMap::new(),
        first_seen: sighting.seen,
        demo: agent.map_or(demo, |agent| agent.demo),
        credential: None,
    })
}

fn add_facts(device: &mut Device, sighting: &Sighting) {
    if let Some(via) = &sighting.via
        && device.via.is_empty()
    {
        via.as_str().clone_into(&mut device.via);
    }
    if device.kind == AssetKind::Unknown {
        device.kind = sighting.kind;
    }
    for (name, value) in &sighting.facts {
        if device.facts.len() < FACTS || device.facts.contains_key(&**name) {
            device.facts.insert(cut(name).to_owned(), cut(value).to_owned());
        }
    }
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(FACT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// When the inventory is full, the device that awaits approval longest goes; approved ones never do.
pub(crate) fn make_room(tx: &Tx<'_>) -> Result<Option<String>, DeviceError> {
    let count: usize = tx
        .sql()
        .prepare_cached("SELECT count(*) FROM device")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .doing("counting devices")?;
    if count < DEVICES {
        return Ok(None);
    }
    let mut statement = tx
        .sql()
        .prepare_cached(
            "DELETE FROM device WHERE id = (SELECT id FROM device WHERE trust = 'awaiting-approval' ORDER BY first_seen LIMIT 1)
             RETURNING id",
        )
        .doing("preparing to make room for a device")?;
    let gone = statement.query_map([], |row| row.get(0)).doing("making room for a device")?.next();
    gone.transpose().doing("making room for a device")?.map(Some).ok_or(DeviceError::Full)
}

/// Trusts a device that awaits approval.
///
/// # Errors
/// [`DeviceError`].
pub fn approve(tx: &Tx<'_>, permit: Permit, id: &str, note: &str) -> Result<Device, DeviceError> {
    let change = TrustChange { action: Action::DeviceApprove, to: Trust::Trusted, record: "device.approved" };
    change.apply(tx, permit, id, note, |trust| match trust {
        Trust::AwaitingApproval | Trust::IdentityChanged => Ok(()),
        Trust::Quarantined => Err("release it first, so that the log says both"),
        Trust::Revoked => Err("its credential was withdrawn; enrol it again"),
        Trust::Trusted | Trust::Fenced => Err("nothing waits for approval"),
    })
}

/// Cuts a device off.
///
/// # Errors
/// [`DeviceError`].
pub fn quarantine(tx: &Tx<'_>, permit: Permit, id: &str, reason: &str) -> Result<Device, DeviceError> {
    let change = TrustChange {
        action: Action::DeviceQuarantine,
        to: Trust::Quarantined,
        record: "device.quarantined",
    };
    change.apply(tx, permit, id, reason, |trust| match trust {
        Trust::Quarantined => Err("it is cut off already"),
        _ => Ok(()),
    })
}

/// Lifts a quarantine: the device is trusted again.
///
/// # Errors
/// [`DeviceError`].
pub fn release(tx: &Tx<'_>, permit: Permit, id: &str, note: &str) -> Result<Device, DeviceError> {
    let change = TrustChange { action: Action::DeviceApprove, to: Trust::Trusted, record: "device.released" };
    change.apply(tx, permit, id, note, |trust| match trust {
        Trust::Quarantined => Ok(()),
        _ => Err("it is not quarantined"),
    })
}

struct TrustChange {
    action: Action,
    to: Trust,
    record: &'static str,
}

impl TrustChange {
    fn apply(
        self,
        tx: &Tx<'_>,
        permit: Permit,
        id: &str,
        note: &str,
        may: impl FnOnce(Trust) -> Result<(), &'static str>,
    ) -> Result<Device, DeviceError> {
        let actor = tx.spend(permit, self.action, &resource(id))?;
        let note = text("note", note)?;
        let mut device = rows::get(tx.sql(), id)?;
        let before = device.trust;
        may(before).map_err(|why| DeviceError::Trust { id: id.to_owned(), trust: before, why })?;
        device.trust = self.to;
        rows::put(tx, &device)?;
        rows::put_trust_change(tx, id, self.to, &actor.label(), &note)?;
        let body = json!({"id": id, "asset": id, "before": before.as_str(), "trust": self.to.as_str(), "note": note});
        tx.append(&actor, self.record, body)?;
        Ok(device)
    }
}

/// What a person may change of a device; `None` leaves it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// Name for people.
    pub name: Option<String>,
    /// Place.
    pub zone: Option<String>,
    /// Kind of thing.
    pub kind: Option<AssetKind>,
}

/// Renames, places or describes a device.
///
/// # Errors
/// [`DeviceError`].
pub fn edit(tx: &Tx<'_>, permit: Permit, id: &str, edit: Edit) -> Result<Device, DeviceError> {
    let actor = tx.spend(permit, Action::DeviceEdit, &resource(id))?;
    let mut device = rows::get(tx.sql(), id)?;
    if let Some(name) = edit.name {
        device.name = text("name", &name)?;
        if device.name.is_empty() {
            return Err(DeviceError::Text { field: "name", why: "a device needs a name" });
        }
    }
    if let Some(zone) = edit.zone {
        device.zone = text("zone", &zone)?;
    }
    device.kind = edit.kind.unwrap_or(device.kind);
    rows::put(tx, &device)?;
    let body = json!({"id": id, "asset": id, "name": device.name, "zone": device.zone, "device_kind": kind_word(device.kind)});
    tx.append(&actor, "device.edited", body)?;
    Ok(device)
}

/// A device that gets a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolment {
    /// Device id and MQTT client id.
    pub id: String,
    /// Name for people; the id when there is none.
    pub name: Option<String>,
    /// Place.
    pub zone: Option<String>,
    /// Kind of thing.
    pub kind: Option<AssetKind>,
    /// SHA-256 of its password or certificate.
    pub credential: CredentialKind,
    /// The hash.
    pub hash: [u8; 32],
    /// Whether whoever enrols it may also approve it.
    pub approve: bool,
    /// Belongs to the demo.
    pub demo: bool,
}

/// Gives a device this credential; a device that nobody knows is made. The credential before is void.
///
/// # Errors
/// [`DeviceError`].
pub fn enrol(tx: &Tx<'_>, permit: Permit, enrolment: Enrolment) -> Result<Device, DeviceError> {
    let actor = tx.spend(permit, Action::DeviceEnrol, &resource(&enrolment.id))?;
    let id = device_id(&enrolment.id)?;
    let known = if rows::exists(tx.sql(), &id)? { Some(rows::get(tx.sql(), &id)?) } else { None };
    if known.is_none() {
        make_room(tx)?;
    }
    let trust = if enrolment.approve { Trust::Trusted } else { Trust::AwaitingApproval };
    let mut device = known.unwrap_or_else(|| Device {
        id: id.as_str().into(),
        name: id.clone(),
        kind: AssetKind::Unknown,
        zone: String::new(),
        trust,
        via: String::new(),
        facts: std::collections::BTreeMap::new(),
        first_seen: tx.now(),
        demo: enrolment.demo,
        credential: None,
    });
    // A quarantine is lifted on purpose only.
    if device.trust != Trust::Quarantined && (enrolment.approve || device.trust == Trust::Revoked) {
        device.trust = trust;
    }
    if let Some(name) = &enrolment.name {
        device.name = text("name", name)?;
    }
    if let Some(zone) = &enrolment.zone {
        device.zone = text("zone", zone)?;
    }
    device.kind = enrolment.kind.unwrap_or(device.kind);
    rows::put(tx, &device)?;
    let credential = Credential { kind: enrolment.credential, hash: enrolment.hash, created: tx.now() };
    rows::put_credential(tx, &id, &credential)?;
    rows::put_trust_change(tx, &id, device.trust, &actor.label(), "enrolled")?;
    let fingerprint = fingerprint(&credential);
    let body = json!({
        "id": id, "asset": id, "trust": device.trust.as_str(),
        "credential": credential.kind.as_str(), "fingerprint": fingerprint,
    });
    tx.append(&actor, "device.enrolled", body)?;
    device.credential = Some(credential);
    Ok(device)
}

/// How a credential is shown: hexadecimal SHA-256 of a certificate, nothing of a password.
#[must_use]
pub fn fingerprint(credential: &Credential) -> Option<String> {
    (credential.kind == CredentialKind::Certificate)
        .then(|| credential.hash.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A new password of 32 random bytes as text, and what the store keeps of it.
///
/// # Errors
/// [`DeviceError::NoRandom`].
pub fn new_password() -> Result<(String, [u8; 32]), DeviceError> {
    let mut bytes = [0_u8; PASSWORD_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| DeviceError::NoRandom)?;
    let password = URL_SAFE_NO_PAD.encode(bytes);
    let hash = sha256(password.as_bytes());
    Ok((password, hash))
}

/// What the store keeps of a certificate.
#[must_use]
pub fn certificate_hash(der: &[u8]) -> [u8; 32] {
    sha256(der)
}

/// An id that a person gives a device: what an MQTT client id may be, without what topics give a meaning.
///
/// # Errors
/// [`DeviceError::Text`].
pub fn device_id(id: &str) -> Result<String, DeviceError> {
    let bad = |why| DeviceError::Text { field: "id", why };
    if id.is_empty() {
        return Err(bad("a device needs an id"));
    }
    if id.contains(['+', '#', '/', '$', ':']) {
        return Err(bad(
            "an id may not have + # / $ or :, because these have a meaning in topics and asset names",
        ));
    }
    if AssetRef::new(id).as_str() != id || id.len() > TEXT_BYTES {
        return Err(bad("it is too long or has control characters"));
    }
    Ok(id.to_owned())
}

pub(crate) fn text(field: &'static str, text: &str) -> Result<String, DeviceError> {
    let text = text.trim();
    if text.len() > TEXT_BYTES {
        return Err(DeviceError::Text { field, why: "it is longer than 200 bytes" });
    }
    if text.chars().any(char::is_control) {
        return Err(DeviceError::Text { field, why: "it has control characters" });
    }
    Ok(text.to_owned())
}

/// Changes of trust of a device, newest first.
pub(crate) fn history(
    conn: &rusqlite::Connection,
    id: &str,
    limit: usize,
) -> Result<Vec<TrustRecord>, StoreError> {
    let mut statement = conn
        .prepare_cached(
            "SELECT time, trust, actor, note FROM device_trust_change WHERE device_id = ?1 ORDER BY id DESC LIMIT ?2",
        )
        .doing("preparing a device's history")?;
    let rows = statement
        .query_map(params![id, limit], |row| {
            Ok(TrustRecord {
                time: sitewarden_core::Timestamp::from_micros(row.get(0)?),
                trust: row.get(1)?,
                actor: row.get(2)?,
                note: row.get(3)?,
            })
        })
        .doing("reading a device's history")?;
    rows.collect::<Result<_, _>>().doing("reading a device's history")
}

/// One change of trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TrustRecord {
    pub(crate) time: sitewarden_core::Timestamp,
    pub(crate) trust: String,
    pub(crate) actor: String,
    pub(crate) note: String,
}
