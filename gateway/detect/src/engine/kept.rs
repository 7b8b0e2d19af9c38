//! An event that a state keeps as evidence, and what it weighs.
//!
//! Weighed once when it is made, since the bound on all states is looked at with every match. Invariant: a snapshot
//! holds the event alone; the weight is found anew when it is read.

use std::ops::Deref;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sitewarden_core::finding::EvidenceEvent;

/// What an allocation takes beside its content.
pub(crate) const ALLOCATION: usize = 16;

/// An event and its weight.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "EvidenceEvent")]
pub(crate) struct KeptEvent {
    event: EvidenceEvent,
    bytes: usize,
}

impl KeptEvent {
    /// Bytes that it takes, roughly and rather too many: states that share it count it each.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }
}

impl From<EvidenceEvent> for KeptEvent {
    fn from(event: EvidenceEvent) -> Self {
        let bytes = size_of::<Self>() + ALLOCATION + heap(&event.fields);
        Self { event, bytes }
    }
}

impl Serialize for KeptEvent {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.event.serialize(serializer)
    }
}

impl Deref for KeptEvent {
    type Target = EvidenceEvent;

    fn deref(&self) -> &EvidenceEvent {
        &self.event
    }
}

/// What a value holds outside of itself; the depth is bounded where the value is made and read.
fn heap(value: &Value) -> usize {
    match value {
        Value::String(text) => text.capacity() + ALLOCATION,
        Value::Array(items) => items.iter().map(|item| size_of::<Value>() + heap(item)).sum(),
        // An entry: its name, its value, a hash and a place in the index, with room to grow.
        Value::Object(map) => map
            .iter()
            .map(|(name, item)| {
                2 * (size_of::<String>() + size_of::<Value>() + 16) + name.len() + ALLOCATION + heap(item)
            })
            .sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weight_survives_a_snapshot_and_grows_with_the_event() {
        let event = |text: &str| {
            KeptEvent::from(EvidenceEvent {
                time: sitewarden_core::Timestamp::default(),
                fields: serde_json::json!({ "a": text, "list": [1, { "b": text }] }),
            })
        };
        let (small, large) = (event("x"), event(&"x".repeat(1_000)));
        assert!(large.bytes() >= small.bytes() + 2 * 999, "{} {}", small.bytes(), large.bytes());
        let text = serde_json::to_string(&large).unwrap();
        let read: KeptEvent = serde_json::from_str(&text).unwrap();
        assert_eq!(read.fields, large.fields);
        assert!(read.bytes() >= 2_000);
    }
}
