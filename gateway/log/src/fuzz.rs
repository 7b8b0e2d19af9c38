//! Fuzz bodies of the log's format: batches, packed or not, checkpoints, keys, proofs.
//!
//! Called by the fuzz targets and by the tests. Not a decoder of its own.

use crate::batch::{Batch, Encoder, Limits};
use crate::checkpoint::{SignedNote, VerifierKey};
use crate::limits::{BATCH_BYTES, CHECKPOINT_BYTES, PROOF_HASHES};
use crate::packing::unpack;
use crate::proof::{Consistency, Inclusion};

/// Parses any bytes as a batch; what parses is written again and parses to the same.
///
/// # Panics
/// When that is not so: that is the finding.
pub fn fuzz_batch(data: &[u8]) {
    let limits = Limits { records: 50, bytes: BATCH_BYTES };
    let Ok(batch) = Batch::parse(data, &limits) else {
        return;
    };
    assert!(!batch.records.is_empty() && batch.records.len() <= limits.records, "bounds");
    let mut encoder = Encoder::new(batch.first, Limits { bytes: usize::MAX, ..limits });
    for record in &batch.records {
        let pushed = encoder.push(record.seq, record.time, &record.kind, record.body.as_bytes());
        assert!(matches!(pushed, Ok(true)), "what parsed can be written: {pushed:?}");
    }
    let again = encoder.finish(batch.checkpoint.as_deref());
    let parsed =
        Batch::parse(&again, &Limits { bytes: usize::MAX, ..limits }).expect("what was written parses");
    assert_eq!(parsed, batch, "the same records");
    for (one, other) in parsed.records.iter().zip(&batch.records) {
        assert_eq!(one.leaf_hash(), other.leaf_hash(), "the same leaf");
    }
}

/// Unpacks any bytes; what comes out stays within the bound, and is parsed.
///
/// # Panics
/// When the bound is broken: that is the finding.
pub fn fuzz_packed(data: &[u8]) {
    if let Ok(bytes) = unpack(data, 100_000) {
        assert!(bytes.len() <= 100_000, "the bound");
        fuzz_batch(&bytes);
    }
}

/// Parses any bytes as a checkpoint and as a verifier key.
///
/// # Panics
/// When one that nobody signed verifies, or a key is not written as it was read: that is the finding.
pub fn fuzz_checkpoint(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(key) = text.parse::<VerifierKey>() {
        let again: VerifierKey = key.to_string().parse().expect("a key is read as it is written");
        assert_eq!(again, key);
    }
    let Ok(note) = SignedNote::parse(&text) else {
        return;
    };
    assert!(text.len() <= CHECKPOINT_BYTES, "the bound");
    let claimed = note.claimed().text();
    assert!(text.starts_with(&claimed), "the text that is checked is the text that stands there");
    let key = VerifierKey::new(&note.claimed().origin, [7; 32]).expect("an origin is a name");
    assert!(note.verify(&key, &|_, _, _| false).is_err(), "no signature, no checkpoint");
}

/// Reads any bytes as proofs and checks them.
///
/// # Panics
/// When a proof is longer than any is: that is the finding.
pub fn fuzz_proof(data: &[u8]) {
    if let Ok(proof) = serde_json::from_slice::<Inclusion>(data) {
        assert!(proof.path.len() <= PROOF_HASHES, "the bound");
        let _ = proof.holds();
    }
    if let Ok(proof) = serde_json::from_slice::<Consistency>(data) {
        assert!(proof.path.len() <= PROOF_HASHES, "the bound");
        let _ = proof.holds();
    }
}
