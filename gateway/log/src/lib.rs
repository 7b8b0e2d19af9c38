//! The site log as a format: records and their leaf hashes, the RFC 6962 tree, proofs, signed checkpoints, batches.
//!
//! Shared by the box, which writes the log, and by the cloud, which checks it. Pure: no store, no socket, no clock, no
//! key; whoever signs or verifies hands a function in. Invariants: no bytes from outside panic or cost more than a
//! bounded multiple of the limits; what is parsed and written again says the same.

pub mod batch;
pub mod checkpoint;
pub mod limits;
pub mod number;
pub mod packing;
pub mod proof;
pub mod record;
pub mod tree;

mod fuzz;
mod rfc3339;

#[cfg(test)]
mod tests;

pub use batch::{Batch, BatchError, BatchRecord, Encoder, Limits};
pub use checkpoint::{CheckSignature, Checkpoint, CheckpointError, SignedNote, VerifierKey};
pub use fuzz::{fuzz_batch, fuzz_checkpoint, fuzz_packed, fuzz_proof};
pub use packing::{Packer, PackingError, pack, unpack};
pub use proof::{Consistency, Inclusion, ProofError};
pub use record::Record;
pub use tree::{Frontier, Hash};
