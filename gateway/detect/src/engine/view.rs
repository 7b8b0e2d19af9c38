//! One event as the state machines see it, and what is made of it at most once.
//!
//! Not the matcher's view. Invariant: the copy for evidence is made only when something matched, and shared by
//! all rules that keep it.

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::sync::Arc;

use sitewarden_core::finding::EvidenceEvent;
use sitewarden_core::{AssetRef, Timestamp, Value};

use super::kept::{KeptEvent, Object};
use crate::fields::{Fields, number};
use crate::limits::KEY_BYTES;
use crate::matcher::{Matcher, Source};
use crate::number::Number;
use crate::rule::parse::fingerprint;

/// One event under judgement.
pub(crate) struct View<'a> {
    origin: Origin<'a>,
    /// Event time, already checked against the box's clock.
    pub(crate) time: Timestamp,
    pub(crate) asset: Option<AssetRef>,
    /// Whether drafts are to carry their evidence.
    pub(crate) explained: bool,
    kept: OnceCell<Arc<KeptEvent>>,
}

/// Where the fields come from.
enum Origin<'a> {
    Typed(&'a [(Arc<str>, Value)]),
    /// JSON that the matcher has read; the rest is parsed when something asks for it.
    Json {
        matcher: RefCell<&'a mut Matcher>,
        bytes: &'a [u8],
        whole: OnceCell<Vec<(Arc<str>, Value)>>,
    },
}

impl<'a> View<'a> {
    pub(crate) fn new(fields: &'a [(Arc<str>, Value)], time: Timestamp, asset: Option<AssetRef>) -> Self {
        Self { origin: Origin::Typed(fields), time, asset, explained: true, kept: OnceCell::new() }
    }

    /// A view of the JSON object that the matcher has just read.
    pub(crate) fn json(matcher: &'a mut Matcher, bytes: &'a [u8], time: Timestamp) -> Self {
        let origin = Origin::Json { matcher: RefCell::new(matcher), bytes, whole: OnceCell::new() };
        Self { origin, time, asset: None, explained: true, kept: OnceCell::new() }
    }

    /// All fields.
    pub(crate) fn fields(&self) -> Fields<'_> {
        match &self.origin {
            Origin::Typed(fields) => Fields(fields),
            Origin::Json { matcher, bytes, whole } => {
                Fields(whole.get_or_init(|| matcher.borrow_mut().take_whole(Source::Json(bytes))))
            }
        }
    }

    /// The first value of a field as text.
    pub(crate) fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        match &self.origin {
            Origin::Json { matcher, bytes, whole } if whole.get().is_none() => {
                matcher.borrow_mut().text(name, Source::Json(bytes))
            }
            _ => self.fields().text(name),
        }
    }

    /// The first number in a field.
    pub(crate) fn number(&self, name: &str) -> Option<Number> {
        match &self.origin {
            Origin::Json { matcher, bytes, whole } if whole.get().is_none() => {
                matcher.borrow_mut().number(name, Source::Json(bytes))
            }
            _ => self.fields().values(name)?.into_iter().find_map(number),
        }
    }

    /// The event as evidence, for one who keeps it alone.
    pub(crate) fn evidence(&self) -> EvidenceEvent {
        let fields = serde_json::to_value(Object(self.fields())).expect("invariant: names are text");
        EvidenceEvent { time: self.time, fields }
    }

    /// The event as evidence, shared by those who keep it.
    pub(crate) fn kept(&self) -> Arc<KeptEvent> {
        self.kept.get_or_init(|| Arc::new(KeptEvent::new(self.time, self.fields()))).clone()
    }

    /// The key of these fields, `None` when the event lacks one of them.
    pub(crate) fn key(&self, names: &[Arc<str>]) -> Option<Arc<str>> {
        let mut key = String::new();
        for (index, name) in names.iter().enumerate() {
            if index > 0 {
                key.push(SEPARATOR);
            }
            key.push_str(&self.text(name)?);
        }
        Some(bounded(key))
    }
}

/// Stands between the values of a key; control characters do not occur in names of assets.
pub(crate) const SEPARATOR: char = '\u{1f}';

/// Cuts a key that is too long and marks it by the hash of the whole, so that two of them stay apart.
pub(crate) fn bounded(key: String) -> Arc<str> {
    if key.len() <= KEY_BYTES {
        return Arc::from(key);
    }
    let mut end = KEY_BYTES - 17;
    while !key.is_char_boundary(end) {
        end -= 1;
    }
    let head = key.get(..end).unwrap_or_default();
    Arc::from(format!("{head}#{:016x}", fingerprint(&key)))
}

/// The fields of an event that was kept as evidence.
pub(crate) fn fields_of(event: &KeptEvent) -> Vec<(Arc<str>, Value)> {
    let serde_json::Value::Object(map) = event.evidence().fields else { return Vec::new() };
    map.iter().map(|(key, value)| (Arc::from(key.as_str()), value_of(value, 1))).collect()
}

/// A JSON value as an event's value, to a bounded depth.
pub(crate) fn value_of(json: &serde_json::Value, depth: usize) -> Value {
    use serde_json::Value as Json;
    if depth > sitewarden_core::limits::VALUE_DEPTH {
        return Value::Null;
    }
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => number.as_f64().filter(|n| n.is_finite()).map_or(Value::Null, Value::Float),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => Value::List(items.iter().map(|item| value_of(item, depth + 1)).collect()),
        Json::Object(map) => {
            Value::Map(map.iter().map(|(k, v)| (Arc::from(k.as_str()), value_of(v, depth + 1))).collect())
        }
    }
}
