//! One-time codes of enrolments: opened by a person, used by one device, over by time or by hand.
//!
//! A code is the device's (typed or scanned from it) or made by the box. The store has it sealed while it is open and
//! keeps its hash afterwards, so that a second use is refused by name. Invariant: a code is used by one device.

use std::sync::Arc;

use sitewarden_core::Timestamp;
use sitewarden_wire::DeviceId;
use sitewarden_wire::code::Code;

use super::error::AgentError;
use super::keys::{SiteKeys, sha256};

/// A code as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CodeRow {
    pub(crate) id: String,
    pub(crate) hash: [u8; 32],
    pub(crate) sealed: Option<Vec<u8>>,
    pub(crate) name: String,
    pub(crate) zone: String,
    pub(crate) created: Timestamp,
    pub(crate) expires: Timestamp,
    pub(crate) created_by: String,
    pub(crate) approve: bool,
    pub(crate) used_by: Option<String>,
    pub(crate) withdrawn: bool,
}

impl CodeRow {
    /// Why it cannot be opened again; `None` when its time was over before anybody used it.
    pub(crate) fn refusal(&self, now: Timestamp) -> Option<AgentError> {
        if let Some(agent) = &self.used_by {
            let why = format!("was used by agent {agent}: reset the device to get a new code");
            return Some(AgentError::CodeOver { why });
        }
        (!self.withdrawn && now < self.expires).then_some(AgentError::CodeOpen { until: self.expires })
    }
}

/// A code that lines accept now.
#[derive(Clone, Debug)]
pub struct OpenCode {
    /// Names the enrolment; not secret.
    pub id: Arc<str>,
    /// SHA-256 of its key.
    pub(crate) hash: [u8; 32],
    pub(crate) code: Code,
    /// Name for the device to be.
    pub name: String,
    /// Place of the device to be.
    pub zone: String,
    /// When it was opened.
    pub created: Timestamp,
    /// When its time is over.
    pub expires: Timestamp,
    /// Who opened it.
    pub created_by: String,
    /// The device that used it.
    pub used_by: Option<DeviceId>,
}

/// The hash by which the store knows a code.
pub(crate) fn hash(code: &Code) -> [u8; 32] {
    sha256(code.key().expose())
}

pub(crate) fn purpose(id: &str) -> String {
    format!("code {id}")
}

impl OpenCode {
    /// Opens a stored code; `None` when it is used up or withdrawn.
    pub(crate) fn of(row: &CodeRow, keys: &SiteKeys) -> Result<Option<Self>, AgentError> {
        let Some(sealed) = row.sealed.as_ref().filter(|_| !row.withdrawn) else { return Ok(None) };
        let text = String::from_utf8(keys.open(&purpose(&row.id), sealed)?).unwrap_or_default();
        Ok(Some(Self {
            id: row.id.as_str().into(),
            hash: row.hash,
            code: Code::parse(&text).map_err(AgentError::Code)?,
            name: row.name.clone(),
            zone: row.zone.clone(),
            created: row.created,
            expires: row.expires,
            created_by: row.created_by.clone(),
            used_by: row.used_by.as_deref().and_then(super::agent::hex_id),
        }))
    }
}
