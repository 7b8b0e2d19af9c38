//! The engine's state as bytes, and back.
//!
//! Version first, so that a newer or foreign snapshot is told apart from a broken one. Not a backup of rules: state
//! belongs to a rule by id and text, and state of rules that changed is dropped. Invariant: reading never panics
//! and never allocates more than the bytes justify.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sitewarden_core::Now;
use thiserror::Error;

use super::hold::Hold;
use super::{Engine, Limits, State, Stats};
use crate::limits::SNAPSHOT_BYTES;
use crate::set::RuleSet;

/// First bytes of every snapshot.
const MAGIC: &[u8; 4] = b"SWDE";
/// Version of what follows; older ones are not kept, since a lost window is rebuilt within its own length.
const VERSION: u8 = 1;

/// Why a snapshot was not taken over.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// Not a snapshot at all.
    #[error("not a snapshot of the rule engine ({bytes} bytes); start without it")]
    Foreign {
        /// Its length.
        bytes: usize,
    },
    /// Of another version of this program.
    #[error("snapshot version {found}, this program reads {VERSION}; start without it")]
    Version {
        /// Its version.
        found: u8,
    },
    /// Longer than a snapshot can be.
    #[error("snapshot of {bytes} bytes, more than {SNAPSHOT_BYTES}; start without it")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Damaged.
    #[error("the snapshot is damaged; start without it")]
    Damaged {
        /// Where and how.
        #[source]
        source: serde_json::Error,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    stats: Stats,
    rules: Vec<RuleBody>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleBody {
    id: Arc<str>,
    fingerprint: u64,
    /// The key touched longest ago first.
    holds: Vec<(Arc<str>, Hold)>,
}

impl Engine {
    /// The whole state as bytes.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let mut rules = Vec::new();
        for (rule, state) in self.set.rules().iter().zip(&self.states) {
            let State::Hold(table) = state else { continue };
            let holds: Vec<_> = table.by_age().into_iter().map(|(key, hold)| (key.clone(), hold.clone())).collect();
            if !holds.is_empty() {
                rules.push(RuleBody { id: rule.id.clone(), fingerprint: rule.fingerprint, holds });
            }
        }
        let mut bytes = MAGIC.to_vec();
        bytes.push(VERSION);
        let body = Body { stats: self.stats, rules };
        bytes.extend(serde_json::to_vec(&body).expect("invariant: maps have text keys and numbers are finite"));
        bytes
    }

    /// An engine that goes on where the snapshot was taken. State of rules that are not in the set is dropped.
    ///
    /// # Errors
    /// [`SnapshotError`] when the bytes are not a snapshot of this version; start with [`Engine::new`] then.
    pub fn restore(set: Arc<RuleSet>, limits: Limits, bytes: &[u8], _now: Now) -> Result<Self, SnapshotError> {
        if bytes.len() > SNAPSHOT_BYTES {
            return Err(SnapshotError::TooLong { bytes: bytes.len() });
        }
        let rest = bytes.strip_prefix(MAGIC).ok_or(SnapshotError::Foreign { bytes: bytes.len() })?;
        let Some((version, rest)) = rest.split_first() else {
            return Err(SnapshotError::Foreign { bytes: bytes.len() });
        };
        if *version != VERSION {
            return Err(SnapshotError::Version { found: *version });
        }
        let body: Body = serde_json::from_slice(rest).map_err(|source| SnapshotError::Damaged { source })?;
        let mut engine = Self::new(set, limits);
        engine.stats = body.stats;
        for saved in body.rules {
            let at = engine.set.rules().iter().position(|rule| {
                rule.id == saved.id && rule.fingerprint == saved.fingerprint
            });
            if let Some(State::Hold(table)) = at.and_then(|at| engine.states.get_mut(at)) {
                for (key, hold) in saved.holds {
                    *table.entry(&key, Hold::default).0 = hold;
                }
            }
        }
        Ok(engine)
    }
}
