//! Bounds of the log's format, in one place.
//!
//! The box and the cloud hold the same ones: what one may write the other takes.

/// Longest body of one site-log record in bytes. A finding with its evidence stays far below; more is a
/// fault of the caller and is refused.
pub const RECORD_BYTES: usize = 256 * 1024;

/// Longest kind of a site-log record in bytes.
pub const RECORD_KIND_BYTES: usize = 64;

/// Largest sequence number: what a signed 64-bit column of a database holds.
pub const SEQ_MAX: u64 = i64::MAX as u64;

/// Most records in one batch. At some 500 bytes each it is half of a batch's bytes; one commit of the receiver.
pub const BATCH_RECORDS: usize = 1_000;

/// Longest batch before compression in bytes. Four of the longest records fit; a receiver needs about twice this
/// for one request.
pub const BATCH_BYTES: usize = 1 << 20;

/// Longest signed checkpoint in bytes. One signature takes about 250; witnesses may add theirs.
pub const CHECKPOINT_BYTES: usize = 4_096;

/// Most signatures under one checkpoint. The log's own and those of a few witnesses.
pub const CHECKPOINT_SIGNATURES: usize = 16;

/// Longest name of a key, and of a log's origin, in bytes.
pub const NAME_BYTES: usize = 128;

/// Longest base64 of one signature in bytes: a key hash and an Ed25519 signature take 92, a witness's with its time 104.
pub const SIGNATURE_TEXT_BYTES: usize = 512;

/// Most hashes in one proof: a tree of 2^63 leaves needs 63 for an inclusion and 65 for a consistency.
pub const PROOF_HASHES: usize = 65;

/// Level of zstd for batches. On records of a log, which resemble each other, level 3 takes half as long again and saves nothing.
pub const ZSTD_LEVEL: i32 = 1;

/// Window of the batches that are packed here, as a power of two: 128 KiB. Records resemble those just before them; a larger window
/// takes a fifth longer and saves nothing.
pub const ZSTD_SEND_WINDOW_LOG: u32 = 17;

/// Largest window of a zstd frame that is taken, as a power of two: 8 MiB, what its levels up to 19 use; so much
/// memory may one decoder take.
pub const ZSTD_WINDOW_LOG: u32 = 23;

/// Most bytes that one compressed byte may become. Alike records of a real log reach 40; a bomb reaches 20,000.
pub const ZSTD_RATIO: usize = 1_000;

/// Bytes that any compressed body may become, whatever the ratio: a batch of few alike records stays below.
pub const ZSTD_RATIO_FREE: usize = 64 * 1024;
