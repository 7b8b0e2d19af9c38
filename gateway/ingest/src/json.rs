//! One JSON document, read flat: names and scalars, and of what is deeper the values that the profile names.
//!
//! Not a tree. Invariants: everything else is skipped by a loop, so depth costs nothing (named values lie at most
//! `PATH_LEVELS` deep); a name that stands twice is an error, because two readers would see two different values.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::UnknownReason;
use crate::limits::KEYS;
use crate::path::{self, Tree};

/// A value that is one thing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scalar<'a> {
    Null,
    Bool(bool),
    Number(f64),
    Text(Cow<'a, str>),
    /// An object or array: skipped, but for values that the profile names.
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

/// Reads a document; `nested` are the values inside of others that are wanted too, each under its own key.
pub(crate) fn read<'a>(payload: &'a [u8], nested: &Tree) -> Result<Document<'a>, UnknownReason> {
    let mut json = serde_json::Deserializer::from_slice(payload);
    let read =
        json.deserialize_any(DocumentVisitor(nested)).and_then(|document| json.end().map(|()| document));
    read.map_err(|error| {
        let text = error.to_string();
        if text.starts_with("number out of range") {
            UnknownReason::NotFinite
        } else {
            UnknownReason::NotJson(text)
        }
    })
}

struct DocumentVisitor<'t>(&'t Tree);

impl<'de> Visitor<'de> for DocumentVisitor<'_> {
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
            let wanted = self.0.get(&name).map(|node| &node.below).filter(|below| !below.is_empty());
            let name = path::top(&name).map_or(name, Cow::Owned);
            if fields.iter().any(|(known, _)| *known == name) {
                return Err(twice());
            }
            match wanted {
                None => fields.push((name, map.next_value()?)),
                Some(below) => {
                    let value = map.next_value_seed(Inside { tree: below, fields: &mut fields })?;
                    fields.push((name, value));
                }
            }
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

fn twice<E: serde::de::Error>() -> E {
    E::custom("a key stands twice")
}

/// A value of which something inside is wanted: that goes to the fields.
struct Inside<'t, 'f, 'de> {
    tree: &'t Tree,
    fields: &'f mut Fields<'de>,
}

impl<'de> DeserializeSeed<'de> for Inside<'_, '_, 'de> {
    type Value = Scalar<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'t, 'de> Inside<'t, '_, 'de> {
    /// Reads one value of an object or array, whose name the profile may know.
    fn value<E: serde::de::Error>(
        &mut self,
        name: &str,
        read: impl FnOnce(Option<Inside<'t, '_, 'de>>) -> Result<Option<Scalar<'de>>, E>,
        seen: &mut Vec<&'t path::Node>,
    ) -> Result<(), E> {
        let Some(node) = self.tree.get(name) else { return read(None).map(|_| ()) };
        if seen.iter().any(|known| std::ptr::eq(*known, node)) {
            return Err(twice());
        }
        seen.push(node);
        let inside = Inside { tree: &node.below, fields: &mut *self.fields };
        if let (Some(key), Some(value)) = (&node.key, read(Some(inside))?) {
            self.fields.push((Cow::Owned(key.as_ref().to_owned()), value));
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for Inside<'_, '_, 'de> {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut seen = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            let read = |inside: Option<Inside<'_, '_, 'de>>| match inside {
                Some(inside) => map.next_value_seed(inside).map(Some),
                None => map.next_value::<IgnoredAny>().map(|_| None),
            };
            self.value(&name, read, &mut seen)?;
        }
        Ok(Scalar::Nested)
    }
    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut seen = Vec::new();
        let mut more = true;
        for index in 0_usize.. {
            let read = |inside: Option<Inside<'_, '_, 'de>>| {
                Ok(match inside {
                    Some(inside) => seq.next_element_seed(inside)?,
                    None => {
                        more = seq.next_element::<IgnoredAny>()?.is_some();
                        None
                    }
                })
            };
            self.value(&index.to_string(), read, &mut seen)?;
            if !more {
                break;
            }
        }
        Ok(Scalar::Nested)
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Bool(value))
    }
    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Self::Value, E> {
        ScalarVisitor.visit_i64(value)
    }
    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Self::Value, E> {
        ScalarVisitor.visit_u64(value)
    }
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Self::Value, E> {
        ScalarVisitor.visit_f64(value)
    }
    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(value)))
    }
    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(value.to_owned())))
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
