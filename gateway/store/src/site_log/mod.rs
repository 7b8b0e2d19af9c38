//! The site log: append-only records with a sequence number, hashed into an RFC 6962 tree.
//!
//! Records are appended by [`crate::Tx::append`] alone, in the commit of what they tell. This module reads,
//! proves and verifies; it never changes a record. Invariants: sequence numbers begin at 1 and have no hole;
//! the leaf of record `seq` has index `seq - 1`; a cursor that asks for what was pruned gets
//! [`Page::Reset`], never a gap.

pub mod checkpoint;
pub mod proof;
pub mod verify;

pub use sitewarden_log::{record, tree};

mod read;

pub use read::{
    Filter, Head, Page, RawPage, RawRecord, RawRef, Walked, head, newest_time, oldest_cursor, read, read_raw,
    search, size, walk_raw,
};
pub use record::Record;
pub use verify::{CheckNote, Problem, Report, verify};

pub(crate) mod append;
