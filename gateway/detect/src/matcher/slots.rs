//! One event on its way through the rules: its values by field, decoded at most once, and what is known of atoms.
//!
//! Reused from event to event; stamps tell what belongs to the present one. Invariant: a value is taken for JSON
//! only after it was decoded as JSON; an event that turns out not to be JSON matches nothing.
#![deny(clippy::indexing_slicing)]

use std::borrow::Cow;
use std::sync::Arc;

use sitewarden_core::Value;

use super::gate::Range;
use super::program::{self, Compiled, Program};
use super::scan::{Names, Span, SpanKind};
use super::sound;
use super::text;
use crate::engine::view::value_of;
use crate::explain;
use crate::fields::{self, Fields};
use crate::net;
use crate::number::Number;
use crate::rule::atom::Test;
use crate::time_part;

mod judge;
mod look;

pub(crate) use look::Looked;

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
    Typed(u32),
    /// A list or map in JSON.
    Nested(Span),
    /// Has to be looked up in the whole event.
    Whole,
}

/// A text of the event: where it came from, or in the arena.
#[derive(Clone, Copy, Debug)]
enum Text<'e> {
    Source(&'e str),
    Arena(Piece),
}

/// A piece of the arena.
#[derive(Clone, Copy, Debug)]
struct Piece {
    start: u32,
    end: u32,
}

impl Piece {
    /// `None` beyond what fits: events are far shorter ([`crate::limits::EVENT_BYTES`]).
    #[inline]
    fn new(start: usize, end: usize) -> Option<Self> {
        Some(Self { start: u32::try_from(start).ok()?, end: u32::try_from(end).ok()? })
    }

    #[inline]
    const fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A field's text as comparisons see it.
#[derive(Clone, Copy, Debug)]
enum Prepared {
    Unknown,
    /// In the arena, its case folded.
    Folded(Piece),
    /// There is no text.
    Nothing,
}

/// A number that is parsed at most once.
#[derive(Clone, Copy, Debug)]
enum Parsed {
    Unknown,
    Known(Option<Number>),
}

/// What is known of a field of the present event.
#[derive(Clone, Copy, Debug)]
struct Cell {
    stamp: u32,
    /// The tables that were looked at.
    looked: u8,
    /// Whether the text, as it came, is ASCII; known once it is prepared.
    ascii: bool,
    slot: Slot,
    prepared: Prepared,
    plain: Option<Piece>,
    number: Parsed,
    list: List,
}

/// What a list or map turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum List {
    Unknown,
    /// A list without lists or maps in it: the tables were looked at for each of its values.
    Plain,
    Other,
}

impl Cell {
    const EMPTY: Self = Self::new(0, Slot::Whole);

    const fn new(stamp: u32, slot: Slot) -> Self {
        Self {
            stamp,
            looked: 0,
            ascii: false,
            slot,
            prepared: Prepared::Unknown,
            plain: None,
            number: Parsed::Unknown,
            list: List::Unknown,
        }
    }

    /// Whether it is no single value.
    const fn is_odd(&self) -> bool {
        matches!(self.slot, Slot::Whole | Slot::Nested(_))
    }

    /// Whether the tables know nothing of it.
    const fn is_opaque(&self) -> bool {
        self.is_odd() && !matches!(self.list, List::Plain)
    }
}

/// The state of one event.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    /// Below 2^31, since answers are kept beside it.
    stamp: u32,
    cells: Vec<Cell>,
    /// Fields that are present, in the order in which they were found.
    pub(crate) present: Vec<u32>,
    /// Decoded and folded texts of the event.
    arena: Vec<u8>,
    /// The event in small ASCII letters, for searches through all of it.
    small: Vec<u8>,
    /// Comparisons that a table found, for the gates.
    pub(crate) found: Vec<u32>,
    /// By comparison: the stamp of the latest event in which a table found it.
    hits: Vec<u32>,
    /// By comparison and by node: stamp and answer.
    atoms: Vec<u32>,
    nodes: Vec<u32>,
    /// By node: the stamp of the latest event in which one of a list was found.
    lists: Vec<u32>,
    /// Addresses that were read, by field.
    addresses: Vec<(u32, Option<(u128, bool)>)>,
    /// Stamp of the latest event that was searched as a whole.
    everywhere: u32,
    /// Lists and maps that were parsed on their own, by field.
    nested: Vec<(u32, Pairs)>,
    /// The whole event, parsed when something asks for it.
    whole: Option<Pairs>,
    malformed: bool,
}

impl Slots {
    pub(crate) fn new(program: &Program) -> Self {
        Self {
            cells: vec![Cell::EMPTY; program.fields.len()],
            hits: vec![0; program.atoms.len()],
            atoms: vec![0; program.atoms.len()],
            nodes: vec![0; program.nodes.len()],
            lists: vec![0; program.nodes.len()],
            ..Self::default()
        }
    }

    /// Begins a new event.
    pub(crate) fn begin(&mut self) {
        self.stamp += 1;
        if self.stamp >= 1 << 31 {
            // Once in two billion events the stamps begin again.
            self.stamp = 1;
            self.cells.fill(Cell::EMPTY);
            self.hits.fill(0);
            self.atoms.fill(0);
            self.nodes.fill(0);
            self.lists.fill(0);
            self.everywhere = 0;
        }
        self.present.clear();
        self.found.clear();
        self.arena.clear();
        self.nested.clear();
        self.addresses.clear();
        self.whole = None;
        self.malformed = false;
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
        let position = u32::try_from(position).unwrap_or(u32::MAX);
        self.set(field, if nested { Slot::Whole } else { Slot::Typed(position) });
    }

    /// A field below a nested value: it may be there. A field of that very name takes precedence.
    pub(crate) fn set_below(&mut self, field: u32) {
        if self.cell(field).is_none() {
            self.set(field, Slot::Whole);
        }
    }

    #[inline]
    fn set(&mut self, field: u32, slot: Slot) {
        if let Some(cell) = self.cells.get_mut(field as usize) {
            if cell.stamp != self.stamp {
                self.present.push(field);
            }
            *cell = Cell::new(self.stamp, slot);
        }
    }

    /// Whether the field itself was found, not only something that may lead to it.
    pub(crate) fn is_direct(&self, field: u32) -> bool {
        self.cell(field).is_some_and(|cell| !matches!(cell.slot, Slot::Whole))
    }

    /// What is known of a field; `None` when the event does not have it.
    #[inline]
    fn cell(&self, field: u32) -> Option<&Cell> {
        self.cells.get(field as usize).filter(|cell| cell.stamp == self.stamp)
    }

    #[inline]
    fn cell_mut(&mut self, field: u32) -> Option<&mut Cell> {
        let stamp = self.stamp;
        self.cells.get_mut(field as usize).filter(|cell| cell.stamp == stamp)
    }

    /// The field's text as it is; `None` when it is absent, null, nested or no JSON.
    pub(crate) fn text<'e>(&mut self, field: u32, source: Source<'e>) -> Option<Cow<'e, str>> {
        match self.plain(field, source)? {
            Text::Source(text) => Some(Cow::Borrowed(text)),
            Text::Arena(piece) => Some(Cow::Owned(self.piece(piece)?.to_owned())),
        }
    }

    /// A text as JSON writes it, between the quotes.
    #[inline]
    pub(crate) fn written_text<'e>(&self, field: u32, source: Source<'e>) -> Option<&'e [u8]> {
        match (self.cell(field)?.slot, source) {
            (Slot::Span(span), Source::Json(bytes)) if span.kind == SpanKind::Text => span.of(bytes),
            _ => None,
        }
    }

    #[inline]
    fn piece(&self, piece: Piece) -> Option<&str> {
        std::str::from_utf8(self.arena.get(piece.range())?).ok()
    }

    fn resolve<'s>(&'s self, text: Text<'s>) -> Option<&'s str> {
        match text {
            Text::Source(text) => Some(text),
            Text::Arena(piece) => self.piece(piece),
        }
    }

    /// Adds to the arena what the call writes; `None` when it says that there is no text.
    fn add(&mut self, write: impl FnOnce(&mut Vec<u8>) -> bool) -> Option<Piece> {
        let start = self.arena.len();
        if write(&mut self.arena) {
            return Piece::new(start, self.arena.len());
        }
        self.arena.truncate(start);
        None
    }

    fn plain<'e>(&mut self, field: u32, source: Source<'e>) -> Option<Text<'e>> {
        let cell = *self.cell(field)?;
        if let Some(piece) = cell.plain {
            return Some(Text::Arena(piece));
        }
        match (cell.slot, source) {
            (Slot::Typed(position), Source::Typed(fields)) => match &fields.get(position as usize)?.1 {
                Value::Text(text) => Some(Text::Source(text)),
                value => self.written(field, &fields::text(value)?),
            },
            (Slot::Span(span), Source::Json(bytes)) => match span.kind {
                SpanKind::Text => {
                    let raw = span.of(bytes)?;
                    if memchr::memchr(b'\\', raw).is_none() {
                        let text = std::str::from_utf8(raw);
                        self.malformed |= text.is_err();
                        return text.ok().map(Text::Source);
                    }
                    let piece = self.add(|arena| text::decode(bytes, span, arena));
                    self.malformed |= piece.is_none();
                    self.cell_mut(field)?.plain = piece;
                    piece.map(Text::Arena)
                }
                SpanKind::Number => match self.number(field, source)? {
                    Number::Int(_) => std::str::from_utf8(span.of(bytes)?).ok().map(Text::Source),
                    Number::Float(fraction) => self.written(field, &fraction.to_string()),
                },
                SpanKind::True => Some(Text::Source("true")),
                SpanKind::False => Some(Text::Source("false")),
                SpanKind::Null | SpanKind::Nested => None,
            },
            _ => None,
        }
    }

    /// Keeps a text that was made for a value.
    fn written<'e>(&mut self, field: u32, text: &str) -> Option<Text<'e>> {
        let piece = self.add(|arena| {
            arena.extend_from_slice(text.as_bytes());
            true
        });
        self.cell_mut(field)?.plain = piece;
        piece.map(Text::Arena)
    }

    /// The field as a number, also when it is one written as text.
    #[inline]
    pub(crate) fn number(&mut self, field: u32, source: Source<'_>) -> Option<Number> {
        match self.cell(field)?.number {
            Parsed::Known(number) => number,
            Parsed::Unknown => {
                let number = self.parse(field, source);
                self.cell_mut(field)?.number = Parsed::Known(number);
                number
            }
        }
    }

    fn parse(&mut self, field: u32, source: Source<'_>) -> Option<Number> {
        match (self.cell(field)?.slot, source) {
            (Slot::Typed(position), Source::Typed(fields)) => {
                fields::number(&fields.get(position as usize)?.1)
            }
            (Slot::Span(span), Source::Json(bytes)) => match span.kind {
                SpanKind::Number => {
                    let number = text::number(span.of(bytes)?);
                    self.malformed |= number.is_none();
                    number
                }
                SpanKind::Text => {
                    let text = self.plain(field, source)?;
                    Number::parse(self.resolve(text)?)
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether all of an event is JSON, whose outline was read.
    pub(crate) fn confirm(&self, bytes: &[u8], names: &Names) -> bool {
        !self.malformed
            && match names.flat_numbers() {
                Some(numbers) => sound::is_sound_flat(bytes, numbers),
                None => sound::is_sound(bytes),
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
    pub(crate) fn take_whole(&mut self, source: Source<'_>) -> Pairs {
        if let Source::Typed(fields) = source {
            return fields.to_vec();
        }
        self.whole(source);
        self.whole.take().unwrap_or_default()
    }
}

fn is_null(slot: Slot, source: Source<'_>) -> bool {
    match (slot, source) {
        (Slot::Span(span), _) => span.kind == SpanKind::Null,
        (Slot::Typed(position), Source::Typed(fields)) => {
            fields.get(position as usize).is_some_and(|(_, value)| matches!(value, Value::Null))
        }
        _ => false,
    }
}

fn slot_is_text(slot: Slot, source: Source<'_>) -> bool {
    match (slot, source) {
        (Slot::Span(span), _) => span.kind == SpanKind::Text,
        (Slot::Typed(position), Source::Typed(fields)) => {
            fields.get(position as usize).is_some_and(|(_, value)| matches!(value, Value::Text(_)))
        }
        _ => false,
    }
}
