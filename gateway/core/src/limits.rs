//! Bounds of the shared types, in one place.
//!
//! Not the bounds of any queue or protocol: those stand in the crate that owns the queue.

/// Longest asset id in bytes. A radio sensor's model, channel and id fit in 60; client ids of MQTT 3.1.1
/// servers must be allowed up to 23 and are in practice below 128.
pub const ASSET_ID_BYTES: usize = 256;

/// Deepest nesting of a [`crate::Value`]. Public payload dialects stay below 8.
pub const VALUE_DEPTH: usize = 32;

/// Most fields in one event, so that a payload with a million keys costs a bounded amount.
pub const EVENT_FIELDS: usize = 512;

/// Most events kept as evidence in one finding; the count says how many there were.
pub const EVIDENCE_EVENTS: usize = 20;

/// Longest text kept of one field in evidence, in bytes.
pub const EVIDENCE_TEXT_BYTES: usize = 2_048;
