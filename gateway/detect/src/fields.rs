//! An event's fields by name: flat names, dotted paths, lists.
//!
//! Sigma leaves the form of events to the backend; here a name is looked up as it stands and then, when it has
//! dots, as a path through nested maps and lists. A list stands for each of its values. Invariant: at most
//! [`FIELD_VALUES`] values are given out for one name.
#![deny(clippy::indexing_slicing)]

use std::borrow::Cow;
use std::sync::Arc;

use sitewarden_core::Value;
use sitewarden_core::limits::VALUE_DEPTH;

use crate::limits::FIELD_VALUES;
use crate::number::Number;

/// The fields of one event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a>(pub(crate) &'a [(Arc<str>, Value)]);

impl<'a> Fields<'a> {
    /// The values of a field, lists taken apart; `None` when the field is absent.
    pub(crate) fn values(self, name: &str) -> Option<Vec<&'a Value>> {
        let mut found = Vec::new();
        let mut present = false;
        if let Some((_, value)) = self.0.iter().find(|(key, _)| &**key == name) {
            present = true;
            spread(value, 0, &mut found);
        } else if name.contains('.') {
            nested(self.0, name, 0, &mut present, &mut found);
        }
        present.then_some(found)
    }

    /// The first value of a field as text; `None` when it is absent, null or a map.
    pub(crate) fn text(self, name: &str) -> Option<Cow<'a, str>> {
        self.values(name)?.into_iter().find_map(text)
    }

    /// Calls with the text of each scalar of the event until one call says true.
    pub(crate) fn any_text(self, call: &mut dyn FnMut(&str) -> bool) -> bool {
        self.0.iter().any(|(_, value)| any_text(value, 0, call))
    }
}

fn nested<'a>(
    map: &'a [(Arc<str>, Value)],
    path: &str,
    depth: usize,
    present: &mut bool,
    found: &mut Vec<&'a Value>,
) {
    if depth > VALUE_DEPTH {
        return;
    }
    for (at, _) in path.match_indices('.') {
        let (Some(head), Some(tail)) = (path.get(..at), path.get(at + 1..)) else { continue };
        let Some((_, value)) = map.iter().find(|(key, _)| &**key == head) else { continue };
        below(value, tail, depth + 1, present, found);
    }
}

fn below<'a>(value: &'a Value, path: &str, depth: usize, present: &mut bool, found: &mut Vec<&'a Value>) {
    if depth > VALUE_DEPTH {
        return;
    }
    match value {
        Value::List(items) => items.iter().for_each(|item| below(item, path, depth + 1, present, found)),
        Value::Map(map) => match map.iter().find(|(key, _)| &**key == path) {
            Some((_, value)) => {
                *present = true;
                spread(value, depth, found);
            }
            None => nested(map, path, depth, present, found),
        },
        _ => {}
    }
}

fn spread<'a>(value: &'a Value, depth: usize, found: &mut Vec<&'a Value>) {
    match value {
        Value::List(items) if depth <= VALUE_DEPTH => {
            items.iter().for_each(|item| spread(item, depth + 1, found));
        }
        scalar if found.len() < FIELD_VALUES => found.push(scalar),
        _ => {}
    }
}

fn any_text(value: &Value, depth: usize, call: &mut dyn FnMut(&str) -> bool) -> bool {
    match value {
        Value::List(items) if depth <= VALUE_DEPTH => {
            items.iter().any(|item| any_text(item, depth + 1, call))
        }
        Value::Map(map) if depth <= VALUE_DEPTH => {
            map.iter().any(|(_, item)| any_text(item, depth + 1, call))
        }
        scalar => text(scalar).is_some_and(|text| call(&text)),
    }
}

/// A scalar as the text that patterns see; `None` for null, lists and maps.
pub(crate) fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Text(text) => Some(Cow::Borrowed(text)),
        Value::Bool(true) => Some(Cow::Borrowed("true")),
        Value::Bool(false) => Some(Cow::Borrowed("false")),
        Value::Int(whole) => Some(Cow::Owned(whole.to_string())),
        Value::Float(fraction) => Some(Cow::Owned(fraction.to_string())),
        Value::Null | Value::List(_) | Value::Map(_) => None,
    }
}

/// A scalar as a number, also when it is a number written as text.
pub(crate) fn number(value: &Value) -> Option<Number> {
    match value {
        Value::Int(whole) => Some(Number::Int(*whole)),
        Value::Float(fraction) => fraction.is_finite().then_some(Number::Float(*fraction)),
        Value::Text(text) => Number::parse(text),
        _ => None,
    }
}
