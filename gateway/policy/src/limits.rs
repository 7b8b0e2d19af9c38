//! Bounds of the policy slice, in one place.
//!
//! Each says its unit and the reason for the figure; what happens at the bound stands with it.

/// Longest policy, schema or topic-space file in bytes. The shipped set has 4 kB; a larger file is refused.
pub const FILE_BYTES: u64 = 1024 * 1024;

/// Most files in the policy folder; more are refused, because a reload reads them all.
pub const FILES: usize = 100;

/// Most policies in force. Cedar's cost is linear in the policies asked: 1,000 cost 2 ms without slices.
pub const POLICIES: usize = 1_000;

/// Most topic spaces: each is decided three times per client at CONNECT and at each epoch change.
pub const TOPIC_SPACES: usize = 256;

/// Most filters in one topic space.
pub const SPACE_FILTERS: usize = 256;

/// Longest topic filter in bytes (MQTT 5 §1.5.4).
pub const FILTER_BYTES: usize = 65_535;

/// Decisions that are kept for one epoch, about 3 MB. When it is full it is emptied; the next requests are decided
/// anew.
pub const CACHED_DECISIONS: usize = 10_000;

/// Explained decisions that `GET /policies/decisions` can show; the one that was longest not repeated goes first.
pub const RECENT_DECISIONS: usize = 500;

/// Different (principal, action, minute) that wait to be recorded. 100 clients refused in all that they do for
/// a minute stay below; further ones are counted together under the principal `others`.
pub const WAITING_DENIALS: usize = 1_000;

/// Policy ids that have a metric of their own; further ones are counted under `other`.
pub const COUNTED_POLICIES: usize = 256;

/// Upper bounds of the duration histogram in seconds: a decision of the shipped set takes about 20 us.
pub const DURATION_BUCKETS: [f64; 10] =
    [0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.01, 0.1];
