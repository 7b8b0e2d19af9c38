//! Bounds of telemetry: what one block, one query and the tables may hold.

use std::time::Duration;

/// Most series (asset, metric, unit) that are kept. 1,000 sensors with 20 metrics are 20,000; a sender that
/// makes up metric names must not fill the disk with names.
pub const SERIES: usize = 50_000;

/// Most series of one asset, so that one sender cannot take all of [`SERIES`].
pub const SERIES_PER_ASSET: usize = 512;

/// Longest text value kept of a reading, in bytes.
pub const TEXT_VALUE_BYTES: usize = 256;

/// Most of an unknown payload that is kept, in bytes.
pub const UNKNOWN_SAMPLE_BYTES: usize = 1_024;

/// Topics with unknown payloads that are kept; the one that was longest not seen goes first.
pub const UNKNOWN_TOPICS: usize = 1_000;

/// Largest block or chunk after decompression, in bytes: 32 merged broker batches of short messages are
/// below 2 MB.
pub const BLOCK_BYTES: usize = 32 * 1024 * 1024;

/// Readings that one query gives at most.
pub const QUERY_READINGS: usize = 10_000;

/// Readings that one query gives when nothing is said.
pub const QUERY_READINGS_DEFAULT: usize = 1_000;

/// Entries of the journal that one merge takes.
pub const MERGE_ENTRIES: u64 = 200_000;

/// Time between two merges of the journal into chunks.
pub const MERGE_INTERVAL: Duration = Duration::from_secs(60);

/// Entries that wait in the journal before a merge starts early, so that a query never reads a long tail.
pub const MERGE_EARLY: u64 = 50_000;

/// Rows written or removed in one step of maintenance: some 5 ms of the writer, which a step takes only while nobody else
/// waits for it.
pub const STEP_ROWS: usize = 200;

/// Rows that a step writes or removes also while others wait: some 0.2 ms. Under a flood a merge of 2,000 rows takes 250
/// commits.
pub const STEP_ROWS_AWAITED: usize = 8;
