//! Bounds of ingest, in one place, each with its reason.
//!
//! Not the broker's packet size. Invariant: work and memory for one payload are bounded by these.

/// Largest payload that is decoded, in bytes. Public dialects stay below 64 KiB.
pub const PAYLOAD_BYTES: usize = 1_024 * 1_024;

/// Most readings of one payload. The richest weather station of rtl_433 has 20.
pub const READINGS: usize = 64;

/// Most keys of one JSON object that are looked at; each is compared with those before it.
pub const KEYS: usize = 256;

/// Longest text that is a value and not a document, in bytes.
pub const TEXT_BYTES: usize = 64;

/// Longest name of a metric, in bytes.
pub const METRIC_BYTES: usize = 64;

/// Longest unit, in bytes.
pub const UNIT_BYTES: usize = 16;

/// Most levels of a topic that are looked at.
pub const TOPIC_LEVELS: usize = 128;

/// Most named parts of a pattern.
pub const PATTERN_PARTS: usize = 8;

/// Most levels of a nested value that a profile names. Public payloads use four.
pub const PATH_LEVELS: usize = 8;

/// Most nested values that one topic of a profile names: each costs a look at each message. A payload gives at most
/// 64 readings.
pub const PATHS: usize = 256;

/// Largest profile file, in bytes.
pub const PROFILE_BYTES: usize = 256 * 1_024;

/// How far in the future a payload's own time may lie, in seconds. A sensor's clock that is further ahead
/// would carry the watermark of the rules with it, so the time of arrival is taken instead.
pub const FUTURE_SECONDS: u64 = 600;
