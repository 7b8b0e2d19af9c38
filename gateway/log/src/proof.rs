//! Proofs as the APIs give them: a record is in the tree of a size; one size is the beginning of another.
//!
//! Types and their checks; who makes them reads the leaves. A proof alone proves nothing: its root must be that of a
//! checkpoint whose signature holds. Invariant: `holds` never panics, whatever stands in the proof.

#![deny(clippy::indexing_slicing)]

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::limits::PROOF_HASHES;
use crate::number;
use crate::tree::{Hash, verify_consistency, verify_inclusion};

/// Why a proof is not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProofError {
    /// Sizes or numbers that no proof can have.
    #[error("the proof is about {what}, which no log has")]
    Impossible {
        /// What it claims to be about.
        what: String,
    },
    /// The hashes do not lead to the root.
    #[error("the hashes of the proof do not lead to its root: the record or the proof was changed")]
    DoesNotHold,
}

/// That a record is in the tree of the first `size` records (RFC 9162 §2.1.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inclusion {
    /// Number of the record, from 1; its leaf has the index `seq - 1`.
    #[serde(with = "number::decimal")]
    pub seq: u64,
    /// Size of the tree.
    #[serde(with = "number::decimal")]
    pub size: u64,
    /// Hash of the leaf.
    #[serde(with = "number::hash")]
    pub leaf_hash: Hash,
    /// Hashes of siblings, lowest first.
    #[serde(with = "number::hashes")]
    pub path: Vec<Hash>,
    /// Root of the tree of that size.
    #[serde(with = "number::hash")]
    pub root: Hash,
}

impl Inclusion {
    /// Checks that the leaf is in the tree of this root.
    ///
    /// # Errors
    /// [`ProofError`] when the numbers are impossible or the hashes do not lead to the root.
    pub fn holds(&self) -> Result<(), ProofError> {
        let index =
            self.seq.checked_sub(1).filter(|_| self.seq <= self.size && self.path.len() <= PROOF_HASHES);
        let Some(index) = index else {
            let what = format!("record {} of {} by {} hashes", self.seq, self.size, self.path.len());
            return Err(ProofError::Impossible { what });
        };
        let holds = verify_inclusion(&self.leaf_hash, index, self.size, &self.path, &self.root);
        if holds { Ok(()) } else { Err(ProofError::DoesNotHold) }
    }
}

/// That the tree of `old` records is the beginning of the tree of `new` records (RFC 9162 §2.1.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consistency {
    /// Smaller size.
    #[serde(with = "number::decimal")]
    pub old: u64,
    /// Root of the smaller tree.
    #[serde(with = "number::hash")]
    pub old_root: Hash,
    /// Larger size.
    #[serde(with = "number::decimal")]
    pub new: u64,
    /// Root of the larger tree.
    #[serde(with = "number::hash")]
    pub new_root: Hash,
    /// Hashes of the proof.
    #[serde(with = "number::hashes")]
    pub path: Vec<Hash>,
}

impl Consistency {
    /// Checks that the smaller tree is the beginning of the larger.
    ///
    /// # Errors
    /// [`ProofError`] when the sizes are impossible or the hashes do not lead to both roots.
    pub fn holds(&self) -> Result<(), ProofError> {
        let Self { old, old_root, new, new_root, path } = self;
        if old > new || path.len() > PROOF_HASHES {
            let what = format!("{old} records as the beginning of {new} by {} hashes", path.len());
            return Err(ProofError::Impossible { what });
        }
        let holds = verify_consistency(*old, old_root, *new, new_root, path);
        if holds { Ok(()) } else { Err(ProofError::DoesNotHold) }
    }
}
