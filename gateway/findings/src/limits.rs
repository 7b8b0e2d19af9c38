//! Bounds of findings, in one place.
//!
//! Each says its unit, its reason and what happens at the bound.

use std::time::Duration;

/// A finding that repeats writes at most one site-log record in this time; its count goes on in the row.
pub const RECORD_EVERY: Duration = Duration::from_secs(60);

/// Changes of state (raised, cleared, reopened) of one finding by the box itself within [`RECORD_EVERY`]. A
/// finding that flaps more often stays open instead of being cleared, until a calmer minute.
pub const FLAPS: u64 = 10;

/// Most findings kept. At the bound the oldest closed one goes; when none is closed, new ones are folded into one
/// finding per rule.
pub const FINDINGS: u64 = 200_000;

/// Longest dedup key in bytes; a longer one is replaced by its hash.
pub const KEY_BYTES: usize = 512;

/// Longest title and summary in bytes.
pub const TEXT_BYTES: usize = 1_024;

/// Largest evidence of one finding in bytes of JSON; the oldest events go first.
pub const EVIDENCE_BYTES: usize = 64 * 1024;

/// Entries of a finding's own history; the site log keeps all.
pub const HISTORY: u64 = 100;

/// Longest note or reason of a person in characters.
pub const NOTE_CHARS: usize = 1_000;

/// Techniques of one finding.
pub const TECHNIQUES: usize = 32;

/// Longest filter text in characters.
pub const QUERY_CHARS: usize = 200;
