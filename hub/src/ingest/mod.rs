//! The way of a batch: judged in memory against what is stored, then written in one transaction.
//!
//! `judge` and `project` are pure: they decide what is stored, what is an alarm and what is refused. `tree` reads a stored log's
//! hashes, `write` stores. Invariants: the site's row is locked from before the judgement to the commit, so two instances never
//! interleave; a record that is stored is never written again; nothing is answered before its commit.

pub(crate) mod judge;
pub(crate) mod project;
pub(crate) mod tree;

mod checkpoint;
mod take;
mod write;

pub(crate) use checkpoint::take_checkpoint;
pub(crate) use take::{Fault, take_batch};

use sitewarden_log::{Frontier, Hash, VerifierKey};
use uuid::Uuid;

use crate::alarm::Alarm;

/// A site's log as it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SiteLog {
    /// The site.
    pub(crate) site: Uuid,
    /// Whose it is.
    pub(crate) tenant: Uuid,
    /// The key of its checkpoints.
    pub(crate) key: VerifierKey,
    /// Its tree.
    pub(crate) frontier: Frontier,
    /// Size of the newest checkpoint that agrees with the tree; 0 for none.
    pub(crate) checkpoint_size: u64,
    /// The text of that checkpoint.
    pub(crate) checkpoint: Option<String>,
    /// A checkpoint of more records than are here.
    pub(crate) ahead: Option<Ahead>,
}

impl SiteLog {
    /// Number of the first record that is not here.
    pub(crate) fn next(&self) -> u64 {
        self.frontier.size().saturating_add(1)
    }
}

/// A checkpoint of more records than are here; the records have to lead to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ahead {
    /// Its size.
    pub(crate) size: u64,
    /// Its root.
    pub(crate) root: Hash,
    /// The signed note.
    pub(crate) note: String,
}

/// Why a batch or a checkpoint is not taken. Nothing of it is stored, the alarm is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Refusal {
    /// Records are missing before it.
    Gap {
        /// The first record that is not here.
        next: u64,
        /// The batch's first record.
        first: u64,
    },
    /// It contradicts what is stored, or what the site signed before.
    Forked(Alarm),
    /// The checkpoint is not the site's.
    BadCheckpoint(Alarm),
    /// The checkpoint proves nothing about what is here, and nothing against it.
    Unproven(String),
}

/// Whether an Ed25519 signature holds.
pub(crate) fn ed25519(key: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, key).verify(message, signature).is_ok()
}
