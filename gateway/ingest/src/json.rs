//! One JSON document, read flat: names and scalars, everything deeper skipped.
//!
//! Not a tree. Invariants: no recursion into nested values (they are skipped by a loop), so depth costs
//! nothing; a name that stands twice is an error, because two readers would see two different values.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::UnknownReason;
use crate::limits::KEYS;

/// A value that is one thing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scalar<'a> {
    Null,
    Bool(bool),
    Number(f64),
    Text(Cow<'a, str>),
    /// An object or array: skipped.
    Nested,
}

/// Names and values in order.
pub(crate) type Fields<'a> = Vec<(Cow<'a, str>, Scalar<'a>)>;

/// The document as far as it is looked at.
#[derive(Debug, PartialEq)]
pub(crate) enum Document<'a> {
    Object(Fields<'a>),
    Scalar(Scalar<'a>),
}

/// Reads a document.
pub(crate) fn read(payload: &[u8]) -> Result<Document<'_>, UnknownReason> {
    serde_json::from_slice(payload).map_err(|error| {
        let text = error.to_string();
        if text.starts_with("number out of range") {
            UnknownReason::NotFinite
        } else {
            UnknownReason::NotJson(text)
        }
    })
}

impl<'de> Deserialize<'de> for Document<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DocumentVisitor)
    }
}

struct DocumentVisitor;

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = Document<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON document")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields: Fields<'de> = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            if fields.len() >= KEYS {
                return Err(serde::de::Error::custom(format_args!("more than {KEYS} keys")));
            }
            if fields.iter().any(|(known, _)| *known == name) {
                return Err(serde::de::Error::custom("a key stands twice"));
            }
            fields.push((name, map.next_value()?));
        }
        Ok(Document::Object(fields))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        ScalarVisitor.visit_seq(seq).map(Document::Scalar)
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Document::Scalar(Scalar::Null))
    }
    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Document::Scalar(Scalar::Bool(value)))
    }
    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Self::Value, E> {
        ScalarVisitor.visit_i64(value).map(Document::Scalar)
    }
    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Self::Value, E> {
        ScalarVisitor.visit_u64(value).map(Document::Scalar)
    }
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Self::Value, E> {
        ScalarVisitor.visit_f64(value).map(Document::Scalar)
    }
    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Document::Scalar(Scalar::Text(Cow::Borrowed(value))))
    }
    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Document::Scalar(Scalar::Text(Cow::Owned(value.to_owned()))))
    }
}

/// A key, borrowed when it has no escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_str(ScalarVisitor)? {
            Scalar::Text(name) => Ok(Self(name)),
            _ => Err(serde::de::Error::custom("a key that is not text")),
        }
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Nested)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Nested)
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Bool(value))
    }
    #[expect(clippy::cast_precision_loss, reason = "readings are doubles; beyond 2^53 the last digits go")]
    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Number(value as f64))
    }
    #[expect(clippy::cast_precision_loss, reason = "readings are doubles; beyond 2^53 the last digits go")]
    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Scalar::Number(value as f64))
    }
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Self::Value, E> {
        if value.is_finite() { Ok(Scalar::Number(value)) } else { Err(E::custom("number out of range")) }
    }
    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(value)))
    }
    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(value.to_owned())))
    }
}
