//! One event on its way through the rules: its values by field, decoded at most once, and what is known of atoms.
//!
//! Reused from event to event; stamps tell what belongs to the present one. Invariant: a value is taken for JSON
//! only after it was decoded as JSON; an event that turns out not to be JSON matches nothing.
#![deny(clippy::indexing_slicing)]

use std::borrow::Cow;
use std::sync::Arc;

use sitewarden_core::Value;

use super::program::{Compiled, Field, Program};
use super::scan::{Span, SpanKind};
use crate::engine::view::value_of;
use crate::explain;
use crate::fields::{self, Fields};
use crate::net;
use crate::number::Number;
use crate::pattern::fold;
use crate::rule::atom::{Logic, Test};
use crate::time_part;

mod judge;

/// Where an event's values come from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source<'e> {
    Json(&'e [u8]),
    Typed(&'e [(Arc<str>, Value)]),
}

/// Named values, as typed events have them.
type Pairs = Vec<(Arc<str>, Value)>;

/// What a field of the event is.
#[derive(Clone, Copy, Debug)]
enum Slot {
    Span(Span),
    /// Position in the typed fields.
    Typed(usize),
    /// A list or map in JSON.
    Nested(Span),
    /// Has to be looked up in the whole event.
    Whole,
}

/// The state of one event.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    stamp: u32,
    slots: Vec<(u32, Option<Slot>)>,
    /// Fields that are present, in the order in which they were found.
    pub(crate) present: Vec<u32>,
    /// Decoded texts by field, as they are and folded.
    plain: Vec<(u32, Option<Arc<str>>)>,
    folded: Vec<(u32, Option<Arc<str>>)>,
    atoms: Vec<(u32, bool)>,
    /// Stamp of the latest event in which an atom's run of bytes was seen, and in which a field was searched.
    marks: Vec<u32>,
    searched: Vec<u32>,
    /// The event may hold more than ASCII, or characters that are written as `\u....`.
    dirty: bool,
    /// Lists and maps that were parsed on their own, by field.
    nested: Vec<(u32, Pairs)>,
    /// The whole event, parsed when something asks for it.
    whole: Option<Vec<(Arc<str>, Value)>>,
    malformed: bool,
}

impl Slots {
    pub(crate) fn new(program: &Program) -> Self {
        Self {
            slots: vec![(0, None); program.fields.len()],
            plain: vec![(0, None); program.fields.len()],
            folded: vec![(0, None); program.fields.len()],
            atoms: vec![(0, false); program.atoms.len()],
            marks: vec![0; program.atoms.len()],
            searched: vec![0; program.fields.len()],
            ..Self::default()
        }
    }

    /// Begins a new event.
    pub(crate) fn begin(&mut self) {
        self.stamp = self.stamp.wrapping_add(1);
        if self.stamp == 0 {
            // Once in four billion events the stamps begin again.
            self.stamp = 1;
            self.slots.fill((0, None));
            self.plain.fill((0, None));
            self.folded.fill((0, None));
            self.atoms.fill((0, false));
            self.marks.fill(0);
            self.searched.fill(0);
        }
        self.present.clear();
        self.nested.clear();
        self.whole = None;
        self.malformed = false;
        self.dirty = false;
    }

    /// Looks once over the event for what cannot be judged from its bytes.
    pub(crate) fn inspect(&mut self, source: Source<'_>) {
        self.dirty = match source {
            Source::Json(bytes) => !bytes.is_ascii() || has_unicode_escape(bytes),
            Source::Typed(_) => true,
        };
    }

    /// Searches a field for runs of bytes; marks atoms and calls with the rules whose gates open.
    pub(crate) fn search(&mut self, id: u32, field: &Field, text: &[u8], open: &mut impl FnMut(u32)) {
        let stamp = self.stamp;
        if let Some(searched) = self.searched.get_mut(id as usize) {
            *searched = stamp;
        }
        let (Some(grams), marks) = (&field.grams, &mut self.marks) else { return };
        grams.search(text, |found| {
            if found & 1 == 1 {
                open(found >> 1);
            } else if let Some(mark) = marks.get_mut((found >> 1) as usize) {
                *mark = stamp;
            }
        });
    }

    /// Whether the field's text may match an atom, as far as runs of bytes tell.
    fn may_hold(&mut self, index: usize, compiled: &Compiled, program: &Program, source: Source<'_>) -> bool {
        let Some(id) = compiled.field.filter(|_| compiled.marked || compiled.beyond_ascii) else {
            return true;
        };
        let glance = self.glance(id, source);
        if compiled.beyond_ascii {
            return match glance {
                Glance::Text(raw) => !self.is_clean(raw),
                Glance::Decoded(text) => !text.is_ascii(),
                _ => false,
            };
        }
        let Some(field) = program.fields.get(id as usize) else { return true };
        if self.searched.get(id as usize) != Some(&self.stamp) {
            match glance {
                Glance::Text(raw) if self.is_clean(raw) => self.search(id, field, raw, &mut |_| {}),
                _ => match self.folded(id, source) {
                    Some(text) => self.search(id, field, text.as_bytes(), &mut |_| {}),
                    None => return true,
                },
            }
        }
        self.marks.get(index) == Some(&self.stamp)
    }

    /// Whether the bytes of a JSON text can be judged as they stand: plain ASCII, nothing written as `\u....`.
    #[inline]
    pub(crate) fn is_clean(&self, raw: &[u8]) -> bool {
        !self.dirty || (raw.is_ascii() && !has_unicode_escape(raw))
    }

    /// Whether the event turned out not to be JSON.
    pub(crate) const fn is_malformed(&self) -> bool {
        self.malformed
    }

    #[inline]
    pub(crate) fn set_span(&mut self, field: u32, span: Span) {
        let slot = if span.kind == SpanKind::Nested { Slot::Nested(span) } else { Slot::Span(span) };
        self.set(field, slot);
    }

    pub(crate) fn set_typed(&mut self, field: u32, position: usize, value: &Value) {
        let nested = matches!(value, Value::List(_) | Value::Map(_));
        self.set(field, if nested { Slot::Whole } else { Slot::Typed(position) });
    }

    /// A field below a nested value: it may be there. A field of that very name takes precedence.
    pub(crate) fn set_below(&mut self, field: u32) {
        if self.slot(field).is_none() {
            self.set(field, Slot::Whole);
        }
    }

    #[inline]
    fn set(&mut self, field: u32, slot: Slot) {
        if let Some(entry) = self.slots.get_mut(field as usize) {
            if entry.0 != self.stamp {
                self.present.push(field);
            }
            *entry = (self.stamp, Some(slot));
        }
    }

    /// Whether the field itself was found, not only something that may lead to it.
    pub(crate) fn is_direct(&self, field: u32) -> bool {
        matches!(self.slot(field), Some(Slot::Span(_) | Slot::Typed(_) | Slot::Nested(_)))
    }

    fn slot(&self, field: u32) -> Option<Slot> {
        let (stamp, slot) = self.slots.get(field as usize)?;
        if *stamp == self.stamp { *slot } else { None }
    }

    /// The field as a gate sees it.
    #[inline]
    pub(crate) fn glance<'e>(&self, field: u32, source: Source<'e>) -> Glance<'e> {
        match (self.slot(field), source) {
            (Some(Slot::Span(span)), Source::Json(bytes)) => {
                let raw = bytes.get(span.start..span.end).unwrap_or_default();
                match span.kind {
                    SpanKind::Text => Glance::Text(raw),
                    SpanKind::Number => Glance::Number(raw),
                    SpanKind::True => Glance::Text(b"true"),
                    SpanKind::False => Glance::Text(b"false"),
                    SpanKind::Null => Glance::Null,
                    SpanKind::Nested => Glance::Whole,
                }
            }
            (Some(Slot::Typed(position)), Source::Typed(fields)) => {
                match fields.get(position).map(|(_, value)| value) {
                    Some(Value::Text(text)) => Glance::Decoded(text),
                    Some(Value::Int(whole)) => Glance::Int(*whole),
                    Some(Value::Bool(true)) => Glance::Text(b"true"),
                    Some(Value::Bool(false)) => Glance::Text(b"false"),
                    Some(Value::Null) => Glance::Null,
                    _ => Glance::Whole,
                }
            }
            (Some(_), _) => Glance::Whole,
            (None, _) => Glance::Null,
        }
    }

    /// The field's text as it is; `None` when it is absent, null, nested or no JSON.
    pub(crate) fn text<'e>(&mut self, field: u32, source: Source<'e>) -> Option<Cow<'e, str>> {
        match (self.slot(field)?, source) {
            (Slot::Typed(position), Source::Typed(fields)) => fields::text(&fields.get(position)?.1),
            (Slot::Span(span), Source::Json(bytes)) => match span.kind {
                SpanKind::Text => {
                    let raw = bytes.get(span.start..span.end)?;
                    // Control characters are for the parser to refuse.
                    if raw.iter().all(|byte| *byte >= 0x20 && *byte != b'\\') {
                        let text = std::str::from_utf8(raw);
                        self.malformed |= text.is_err();
                        return text.ok().map(Cow::Borrowed);
                    }
                    self.decoded(field, bytes, span).map(|text| Cow::Owned(text.to_string()))
                }
                SpanKind::Number => match self.number_of(bytes, span)? {
                    Number::Int(_) => {
                        std::str::from_utf8(bytes.get(span.start..span.end)?).ok().map(Cow::Borrowed)
                    }
                    Number::Float(fraction) => Some(Cow::Owned(fraction.to_string())),
                },
                SpanKind::True => Some(Cow::Borrowed("true")),
                SpanKind::False => Some(Cow::Borrowed("false")),
                SpanKind::Null | SpanKind::Nested => None,
            },
            _ => None,
        }
    }

    fn decoded(&mut self, field: u32, bytes: &[u8], span: Span) -> Option<Arc<str>> {
        let stamp = self.stamp;
        let entry = self.plain.get_mut(field as usize)?;
        if entry.0 != stamp {
            // The quotes around the text belong to it for the parser.
            let quoted = bytes.get(span.start.checked_sub(1)?..=span.end)?;
            let text = serde_json::from_slice::<Cow<'_, str>>(quoted).ok().map(|text| Arc::from(&*text));
            self.malformed |= text.is_none();
            *entry = (stamp, text);
        }
        entry.1.clone()
    }

    /// The field's text, folded.
    pub(crate) fn folded(&mut self, field: u32, source: Source<'_>) -> Option<Arc<str>> {
        match self.folded.get(field as usize) {
            Some((stamp, text)) if *stamp == self.stamp => text.clone(),
            _ => {
                let text = self.text(field, source).map(|text| Arc::from(&*fold(&text)));
                if let Some(entry) = self.folded.get_mut(field as usize) {
                    *entry = (self.stamp, text.clone());
                }
                text
            }
        }
    }

    fn number_of(&mut self, bytes: &[u8], span: Span) -> Option<Number> {
        let raw = bytes.get(span.start..span.end)?;
        let number = parse_number(raw);
        self.malformed |= number.is_none();
        number
    }

    /// The field as a number, also when it is one written as text.
    pub(crate) fn number(&mut self, field: u32, source: Source<'_>) -> Option<Number> {
        match (self.slot(field)?, source) {
            (Slot::Typed(position), Source::Typed(fields)) => fields::number(&fields.get(position)?.1),
            (Slot::Span(span), Source::Json(bytes)) => match span.kind {
                SpanKind::Number => self.number_of(bytes, span),
                SpanKind::Text => Number::parse(&self.text(field, source)?),
                _ => None,
            },
            _ => None,
        }
    }

    /// The whole event's fields, parsed at most once; empty when it is no JSON.
    pub(crate) fn whole<'s>(&'s mut self, source: Source<'s>) -> &'s [(Arc<str>, Value)] {
        let bytes = match source {
            Source::Typed(fields) => return fields,
            Source::Json(bytes) => bytes,
        };
        let malformed = &mut self.malformed;
        self.whole.get_or_insert_with(|| match serde_json::from_slice(bytes) {
            Ok(serde_json::Value::Object(map)) => {
                map.iter().map(|(key, value)| (Arc::from(key.as_str()), value_of(value, 1))).collect()
            }
            _ => {
                *malformed = true;
                Vec::new()
            }
        })
    }

    /// The whole event, handed over; it is parsed again when something asks once more.
    pub(crate) fn take_whole(&mut self, source: Source<'_>) -> Vec<(Arc<str>, Value)> {
        if let Source::Typed(fields) = source {
            return fields.to_vec();
        }
        self.whole(source);
        self.whole.take().unwrap_or_default()
    }
}

/// What a gate sees of a field.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Glance<'e> {
    /// As JSON writes it.
    Text(&'e [u8]),
    /// As it is.
    Decoded(&'e str),
    Number(&'e [u8]),
    Int(i64),
    Null,
    /// Cannot be judged at a glance.
    Whole,
}

fn is_null(slot: Slot, source: Source<'_>) -> bool {
    match (slot, source) {
        (Slot::Span(span), _) => span.kind == SpanKind::Null,
        (Slot::Typed(position), Source::Typed(fields)) => {
            fields.get(position).is_some_and(|(_, value)| matches!(value, Value::Null))
        }
        _ => false,
    }
}

fn slot_is_text(slot: Slot, source: Source<'_>) -> bool {
    match (slot, source) {
        (Slot::Span(span), _) => span.kind == SpanKind::Text,
        (Slot::Typed(position), Source::Typed(fields)) => {
            fields.get(position).is_some_and(|(_, value)| matches!(value, Value::Text(_)))
        }
        _ => false,
    }
}

/// Whether the text has a character written as `\u....`.
fn has_unicode_escape(bytes: &[u8]) -> bool {
    memchr::memmem::find_iter(bytes, b"\\u").any(|at| {
        let before = bytes.get(..at).unwrap_or_default();
        before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 0
    })
}

/// A JSON number, as the parser of whole events reads it.
pub(crate) fn parse_number(raw: &[u8]) -> Option<Number> {
    let (sign, digits) = match raw.strip_prefix(b"-") {
        Some(digits) => (-1_i64, digits),
        None => (1, raw),
    };
    let plain = matches!(digits, [b'1'..=b'9', rest @ ..] if rest.len() < 18 && rest.iter().all(u8::is_ascii_digit))
        || raw == b"0";
    if plain {
        return Some(Number::Int(sign * digits.iter().fold(0, |n, digit| n * 10 + i64::from(digit - b'0'))));
    }
    let number: serde_json::Number = serde_json::from_slice(raw).ok()?;
    match number.as_i64() {
        Some(whole) => Some(Number::Int(whole)),
        None => number.as_f64().filter(|n| n.is_finite()).map(Number::Float),
    }
}
