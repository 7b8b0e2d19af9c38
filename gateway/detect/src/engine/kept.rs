//! An event that a state keeps as evidence: its fields as JSON text.
//!
//! As text it takes a fifth of what a tree of values takes, and a site with ten thousand clients keeps one for each of them and
//! each rule that counts them. Not the evidence of a finding: that is made of it when there is one. Invariant: numbers come back
//! as they were, to the last bit.

use serde::ser::{SerializeMap as _, SerializeSeq as _};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::{RawValue, Value as Json, to_raw_value};
use sitewarden_core::finding::EvidenceEvent;
use sitewarden_core::limits::VALUE_DEPTH;
use sitewarden_core::{Timestamp, Value};

use crate::explain::cut;
use crate::fields::Fields;

/// What an allocation takes beside its content.
pub(crate) const ALLOCATION: usize = 16;

/// An event as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeptEvent {
    pub(crate) time: Timestamp,
    fields: Box<RawValue>,
}

impl KeptEvent {
    /// The event of these fields.
    pub(crate) fn new(time: Timestamp, fields: Fields<'_>) -> Self {
        let fields = to_raw_value(&Object(fields))
            .expect("invariant: names are text and writing to memory does not fail");
        Self { time, fields }
    }

    /// Bytes that it takes, its counters included; states that share it count it each.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + 2 * ALLOCATION + self.fields.get().len()
    }

    /// The event as evidence of a finding.
    pub(crate) fn evidence(&self) -> EvidenceEvent {
        EvidenceEvent { time: self.time, fields: read(&self.fields, 0) }
    }
}

/// Fields as the JSON object of evidence.
pub(crate) struct Object<'a>(pub(crate) Fields<'a>);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.0.len()))?;
        for (name, value) in self.0.0 {
            map.serialize_entry(&**name, &Shown { value, depth: 0 })?;
        }
        map.end()
    }
}

/// A value within it; texts are cut, and what lies too deep is left out.
struct Shown<'a> {
    value: &'a Value,
    depth: usize,
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.depth > VALUE_DEPTH {
            return serializer.serialize_unit();
        }
        let inner = |value| Shown { value, depth: self.depth + 1 };
        match self.value {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(flag) => serializer.serialize_bool(*flag),
            Value::Int(whole) => serializer.serialize_i64(*whole),
            Value::Float(fraction) => serializer.serialize_f64(*fraction),
            Value::Text(text) => serializer.serialize_str(cut(text)),
            Value::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items.iter() {
                    list.serialize_element(&inner(item))?;
                }
                list.end()
            }
            Value::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (name, item) in entries.iter() {
                    map.serialize_entry(&**name, &inner(item))?;
                }
                map.end()
            }
        }
    }
}

/// JSON text as a tree. Not by the library's reader of trees, which may miss the nearest fraction by one bit. What is not JSON, in a
/// damaged snapshot, is nothing.
fn read(text: &RawValue, depth: usize) -> Json {
    let plain = text.get();
    match plain.as_bytes().first() {
        _ if depth > VALUE_DEPTH + 1 => Json::Null,
        Some(b'{') => serde_json::from_str::<Entries>(plain).map_or(Json::Null, |Entries(entries)| {
            Json::Object(entries.into_iter().map(|(name, item)| (name, read(&item, depth + 1))).collect())
        }),
        Some(b'[') => serde_json::from_str::<Vec<Box<RawValue>>>(plain).map_or(Json::Null, |items| {
            Json::Array(items.iter().map(|item| read(item, depth + 1)).collect())
        }),
        Some(b'-' | b'0'..=b'9') => match (plain.parse::<i64>(), plain.parse::<f64>()) {
            (Ok(whole), _) => Json::from(whole),
            (_, Ok(fraction)) => Json::from(fraction),
            _ => Json::Null,
        },
        _ => serde_json::from_str(plain).unwrap_or_default(),
    }
}

/// The entries of a JSON object, their values unread.
struct Entries(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Entries;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn event(value: Value) -> KeptEvent {
        KeptEvent::new(Timestamp::default(), Fields(&[(Arc::from("a"), value)]))
    }

    #[test]
    fn an_event_comes_back_as_it_was_also_through_a_snapshot() {
        let list = vec![Value::Null, Value::Bool(true), Value::Int(i64::MIN), Value::from("ä\"\\\u{1}")];
        let map = [(Arc::from("x.y"), Value::List(list.clone()))].into_iter().collect();
        for value in [Value::Map(map), Value::List(list), Value::Float(-0.0), Value::Float(5e-324)] {
            let kept = event(value.clone());
            let evidence = kept.evidence();
            let text = serde_json::to_string(&kept).unwrap();
            let again: KeptEvent = serde_json::from_str(&text).unwrap();
            assert_eq!(again.evidence(), evidence);
            assert_eq!(again.bytes(), kept.bytes());
            assert_eq!(
                evidence.fields,
                serde_json::to_value(Object(Fields(&[(Arc::from("a"), value)]))).unwrap()
            );
        }
        assert_eq!(event(Value::Float(f64::NAN)).evidence().fields, serde_json::json!({ "a": null }));
    }

    #[test]
    fn fractions_are_exact() {
        // 9007199254740993e-3 and its like are where a reader that rounds twice goes wrong.
        let mut bits = 0x3ff0_0000_0000_0001_u64;
        for _ in 0..20_000 {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let fraction = f64::from_bits(bits);
            if !fraction.is_finite() {
                continue;
            }
            let evidence = event(Value::Float(fraction)).evidence();
            let read = evidence.fields.get("a").and_then(Json::as_f64).unwrap();
            assert_eq!(read.to_bits(), fraction.to_bits(), "{fraction}");
        }
    }

    #[test]
    fn the_weight_grows_with_the_event_and_damage_is_nothing() {
        let (small, large) = (event(Value::from("x")), event(Value::from("x".repeat(1_000).as_str())));
        assert_eq!(large.bytes() - small.bytes(), 999);
        let deep = format!("{{\"time\":0,\"fields\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
        // Deep JSON is refused or cut, and costs no stack.
        if let Ok(kept) = serde_json::from_str::<KeptEvent>(&deep) {
            let _ = kept.evidence();
        }
    }
}
