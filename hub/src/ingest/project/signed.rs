//! Statements of agents: what a record carries, and whether its agent signed it. Pure.
//!
//! Whether a statement stands for another finding already is the database's to say. Invariant: `verified` only by a key whose
//! enrolment stands in the same log before it.

#![deny(clippy::indexing_slicing)]

use std::borrow::Cow;
use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;
use sitewarden_wire::keys::DeviceId;
use sitewarden_wire::statement;

use super::{AgentKey, Finding};
use crate::alarm::{Alarm, Kind};
use crate::ingest::ed25519;
use crate::limits::STATEMENT_BYTES;
use crate::text::clean;

/// What is known about the signature of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signature {
    /// No statement came with it.
    None,
    /// Signed by the agent.
    Verified,
    /// A statement that the agent did not sign.
    Invalid,
    /// A statement of an agent whose enrolment is not in the log, or was revoked.
    UnknownAgent,
    /// A statement that stands for another finding already.
    Replayed,
}

impl Signature {
    /// The name in the API and in the database.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Verified => "verified",
            Self::Invalid => "invalid",
            Self::UnknownAgent => "unknown-agent",
            Self::Replayed => "replayed",
        }
    }
}

/// A statement as a record carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    /// The agent that is said to have signed.
    pub(crate) agent: String,
    /// The agent's own number of it.
    pub(crate) sequence: String,
    /// The bytes.
    pub(crate) bytes: Vec<u8>,
    /// The record that carries it.
    pub(crate) seq: u64,
}

#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct StatementBody<'a> {
    #[serde(borrow)]
    pub(super) format: Cow<'a, str>,
    pub(super) agent: String,
    pub(super) sequence: String,
    #[serde(borrow)]
    pub(super) bytes: Cow<'a, str>,
}

/// A wire device id out of its 16 hexadecimal digits.
pub(super) fn device(text: &str) -> Option<DeviceId> {
    let plain = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let number = u64::from_str_radix(text, 16).ok().filter(|_| plain)?;
    Some(DeviceId::from_bytes(number.to_be_bytes()))
}

pub(super) type Verdict = (Signature, Option<Statement>, Option<String>);

/// Whether its agent signed the statement; if not, why.
pub(super) fn verify(
    claimed: &StatementBody<'_>,
    seq: u64,
    keys: &HashMap<String, Vec<AgentKey>>,
) -> Verdict {
    let invalid = |why: &str| (Signature::Invalid, None, Some(why.to_owned()));
    let Some(device) = device(&claimed.agent) else { return invalid("its agent is no device id") };
    if claimed.format != "cose-sign1" || claimed.bytes.len() > STATEMENT_BYTES {
        return invalid("its format is not known, or it is too long");
    }
    let Ok(bytes) = STANDARD.decode(claimed.bytes.as_bytes()) else { return invalid("it is not base64") };
    let Some(sequence) = sitewarden_log::number::parse(&claimed.sequence) else {
        return invalid("its number is none");
    };
    let statement = Some(Statement {
        agent: claimed.agent.clone(),
        sequence: claimed.sequence.clone(),
        bytes: bytes.clone(),
        seq,
    });
    // The newest enrolment before this record counts, if it was not revoked before it.
    let key = keys
        .get(&claimed.agent)
        .into_iter()
        .flatten()
        .filter(|key| key.enrolled < seq)
        .max_by_key(|key| key.enrolled);
    let Some(key) = key.filter(|key| key.revoked.is_none_or(|revoked| revoked > seq)) else {
        return (
            Signature::UnknownAgent,
            statement,
            Some("its agent is not enrolled at this record".to_owned()),
        );
    };
    match statement::Finding::verify(&bytes, device, &key.key, |key, message, signature| {
        ed25519(key, message, signature)
    }) {
        Ok(finding) if finding.sequence == sequence => (Signature::Verified, statement, None),
        Ok(_) => (Signature::Invalid, statement, Some("it is signed under another number".to_owned())),
        Err(error) => (Signature::Invalid, statement, Some(sitewarden_core::error::chain(&error))),
    }
}

/// What is said about a statement that its agent did not sign.
pub(super) fn alarm(finding: &Finding, claimed: &StatementBody<'_>, seq: u64, why: String) -> Alarm {
    let detail = format!(
        "Record {seq}: finding {} is said to be signed by agent {}, but {why}. It is shown as unsigned.",
        finding.id,
        clean(&claimed.agent, 32)
    );
    let evidence = json!({
        "seq": seq.to_string(), "finding": finding.id.to_string(),
        "agent": clean(&claimed.agent, 64), "sequence": clean(&claimed.sequence, 64),
        "statement": clean(&claimed.bytes, STATEMENT_BYTES),
    });
    Alarm { kind: Kind::StatementInvalid, seq, detail, evidence }
}
