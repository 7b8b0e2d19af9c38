//! One record of the site log and the bytes that its leaf hash covers.
//!
//! The leaf is `SHA-256(0x00 || record)` (RFC 6962 §2.1), where `record` is, big-endian:
//! seq as 8 bytes, time in microseconds since 1970 as 8 bytes, length of kind as 4 bytes, kind in UTF-8,
//! body as stored, to the end. The body is JSON text and is hashed as the bytes that are stored, so that no
//! canonical form of JSON is needed. Invariant: this layout never changes; another one would be another log.

use serde::Serialize;
use sha2::{Digest, Sha256};
use sitewarden_core::Timestamp;

use crate::tree::Hash;

/// A record as it is read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// Sequence number, from 1.
    pub seq: u64,
    /// Wall time of the box when it was appended.
    pub time: Timestamp,
    /// What kind of change: `finding.raised`, `device.approved`.
    pub kind: String,
    /// Actor and facts.
    pub body: serde_json::Value,
    /// RFC 6962 leaf hash.
    #[serde(skip)]
    pub leaf_hash: Hash,
}

/// The bytes of a record, without the leaf prefix.
#[must_use]
pub fn bytes(seq: u64, time: Timestamp, kind: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(20 + kind.len() + body.len());
    bytes.extend_from_slice(&seq.to_be_bytes());
    bytes.extend_from_slice(&time.micros().to_be_bytes());
    // A kind is at most 64 bytes (limits.rs), so the length always fits.
    bytes.extend_from_slice(&u32::try_from(kind.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(kind.as_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// The leaf hash of a record.
#[must_use]
pub fn leaf_hash(seq: u64, time: Timestamp, kind: &str, body: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0x00]);
    hasher.update(bytes(seq, time, kind, body));
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_pinned_by_golden_bytes() {
        // If this fails the format changed: do not change the test.
        let bytes = bytes(1, Timestamp::from_micros(2), "ab", b"{}");
        assert_eq!(
            bytes,
            [
                0, 0, 0, 0, 0, 0, 0, 1, // seq
                0, 0, 0, 0, 0, 0, 0, 2, // time
                0, 0, 0, 2, b'a', b'b', // kind with its length
                b'{', b'}', // body
            ]
        );
    }

    #[test]
    fn each_part_changes_the_hash() {
        let time = Timestamp::from_micros(5);
        let base = leaf_hash(1, time, "ab", b"{}");
        assert_ne!(base, leaf_hash(2, time, "ab", b"{}"));
        assert_ne!(base, leaf_hash(1, Timestamp::from_micros(6), "ab", b"{}"));
        assert_ne!(base, leaf_hash(1, time, "a", b"b{}"), "kind and body cannot run into each other");
        assert_ne!(base, leaf_hash(1, time, "ab", b"{ }"));
    }
}
