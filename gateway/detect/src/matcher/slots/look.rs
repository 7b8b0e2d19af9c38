//! Looking at a field: its text made ready once, and the comparisons that its tables find.
//!
//! Not the judgement of what the tables only may find. Invariant: after a table was looked at, a comparison of that
//! table that was not hit does not hold.
#![deny(clippy::indexing_slicing)]

use aho_corasick::packed::Searcher;

use super::super::hash::folded as folded_hash;
use super::super::scan;
use super::*;
use crate::limits::FIELD_VALUES;
use crate::pattern::{self, Shape};

/// What became of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Looked {
    /// The event does not have the field.
    Absent,
    Done,
    /// A list or map: nothing is known of it.
    Odd,
}

impl Slots {
    /// Looks at the tables of a field that were not looked at yet; what they find is noted and added to `found`.
    #[inline]
    pub(crate) fn look(&mut self, field: u32, tables: u8, program: &Program, source: Source<'_>) -> Looked {
        let Some(cell) = self.cell(field) else { return Looked::Absent };
        if cell.is_odd() {
            return self.look_at_list(field, tables, program, source);
        }
        let missing = tables & !cell.looked;
        if missing != 0 {
            self.look_at(field, missing, program, source);
        }
        Looked::Done
    }

    /// Looks at a list for each of its values; one that holds is enough.
    fn look_at_list(&mut self, field: u32, tables: u8, program: &Program, source: Source<'_>) -> Looked {
        let Some(cell) = self.cell(field).copied() else { return Looked::Absent };
        let (Slot::Nested(span), Source::Json(bytes), Some(compiled)) =
            (cell.slot, source, program.fields.get(field as usize))
        else {
            return Looked::Odd;
        };
        let missing = tables & !cell.looked;
        match cell.list {
            List::Other => return Looked::Odd,
            List::Plain if missing == 0 => return Looked::Done,
            List::Plain | List::Unknown => {}
        }
        let plain = self.each_value(span, bytes, missing, compiled, program).is_some();
        if let Some(cell) = self.cell_mut(field) {
            cell.looked |= missing;
            cell.list = if plain { List::Plain } else { List::Other };
        }
        if plain { Looked::Done } else { Looked::Odd }
    }

    /// `None` when it is no list, or has lists or maps in it, or too many values.
    fn each_value(
        &mut self,
        list: Span,
        bytes: &[u8],
        tables: u8,
        field: &program::Field,
        program: &Program,
    ) -> Option<()> {
        let mut at = list.start;
        let open = *bytes.get(at)?;
        for _ in 0..FIELD_VALUES {
            at = scan::blanks(bytes, at + 1);
            if open != b'[' || bytes.get(at) == Some(&b']') {
                break;
            }
            let span = scan::value(bytes, at).ok()?;
            let raw = bytes.get(span.start..span.end)?;
            match span.kind {
                SpanKind::Nested => return None,
                SpanKind::Null => {}
                SpanKind::Text if raw.is_ascii() && memchr::memchr(b'\\', raw).is_none() => {
                    self.hits_of_value(tables, field, program, raw);
                }
                SpanKind::Text => {
                    let mut text = String::new();
                    if !text::decode(bytes, span, &mut text) {
                        return None;
                    }
                    self.hits_of_value(tables, field, program, pattern::fold(&text).as_bytes());
                }
                SpanKind::Number => match text::number(raw)? {
                    Number::Int(_) => self.hits_of_value(tables, field, program, raw),
                    Number::Float(fraction) => {
                        self.hits_of_value(tables, field, program, fraction.to_string().as_bytes());
                    }
                },
                SpanKind::True | SpanKind::False => {
                    self.hits_of(tables, field, program, raw);
                }
            }
            at = scan::blanks(bytes, span.end + usize::from(span.kind == SpanKind::Text));
            match bytes.get(at) {
                Some(b',') => {}
                Some(b']') => break,
                _ => return None,
            }
        }
        let end = at + 1 == list.end;
        (open == b'[' && end).then_some(())
    }

    /// The comparisons that hold for one value of a list, given as text.
    fn hits_of_value(&mut self, tables: u8, field: &program::Field, program: &Program, text: &[u8]) {
        self.hits_of(tables, field, program, text);
        if tables & program::NUMBERS != 0 && !field.numbers.is_empty() {
            let number = std::str::from_utf8(text).ok().and_then(Number::parse);
            self.hits_of_number(number, field, program);
        }
    }

    fn look_at(&mut self, field: u32, tables: u8, program: &Program, source: Source<'_>) {
        if let Some(cell) = self.cell_mut(field) {
            cell.looked |= tables;
        }
        let Some(compiled) = program.fields.get(field as usize) else { return };
        if tables & program::NUMBERS != 0 && !compiled.numbers.is_empty() {
            let number = self.number(field, source);
            self.hits_of_number(number, compiled, program);
        }
        if tables & (program::EXACT | program::BASE | program::GRAMS) == 0 {
            return;
        }
        match self.prepared(field, source) {
            Prepared::Raw => {
                if let Some(raw) = self.raw(field, source) {
                    self.hits_of(tables, compiled, program, raw);
                }
            }
            Prepared::Folded(piece) => {
                // Taken out and put back, so that hits can be noted meanwhile.
                let arena = std::mem::take(&mut self.arena);
                let text = arena.get(piece.start..piece.end).unwrap_or_default();
                self.hits_of(tables, compiled, program, text.as_bytes());
                self.arena = arena;
            }
            Prepared::Nothing | Prepared::Unknown => {}
        }
    }

    fn hits_of(&mut self, tables: u8, field: &program::Field, program: &Program, text: &[u8]) {
        if tables & program::EXACT != 0 && !field.exact.is_empty() {
            for atom in field.exact.get(&folded_hash(text)).into_iter().flatten() {
                if let Some(Shape::Exact(wanted)) = shape_of(program, *atom)
                    && wanted.as_bytes().eq_ignore_ascii_case(text)
                {
                    self.hit(*atom, program);
                }
            }
        }
        if tables & program::BASE != 0
            && !field.base.is_empty()
            && let Some(slash) = memchr::memrchr(b'\\', text)
        {
            let base = text.get(slash + 1..).unwrap_or_default();
            for atom in field.base.get(&folded_hash(base)).into_iter().flatten() {
                if let Some(Shape::Suffix(wanted)) = shape_of(program, *atom)
                    && let Some(start) = text.len().checked_sub(wanted.len())
                    && text.get(start..).is_some_and(|tail| tail.eq_ignore_ascii_case(wanted.as_bytes()))
                {
                    self.hit(*atom, program);
                }
            }
        }
        if tables & program::GRAMS != 0
            && let Some(grams) = &field.grams
        {
            grams.search(text, |atom| self.hit(atom, program));
        }
    }

    /// Notes that a table found a comparison.
    #[inline]
    fn hit(&mut self, atom: u32, program: &Program) {
        let stamp = self.stamp;
        if let Some(hit) = self.hits.get_mut(atom as usize).filter(|hit| **hit != stamp) {
            *hit = stamp;
            self.found.push(atom);
            for list in program.lists.get(atom as usize).into_iter().flatten() {
                if let Some(list) = self.lists.get_mut(*list as usize) {
                    *list = stamp;
                }
            }
        }
    }

    fn hits_of_number(&mut self, number: Option<Number>, field: &program::Field, program: &Program) {
        #[expect(clippy::cast_possible_truncation, reason = "whole numbers alone, and the hit is compared")]
        let whole = match number {
            Some(Number::Int(whole)) => whole,
            Some(Number::Float(fraction)) if fraction.fract() == 0.0 => fraction as i64,
            _ => return,
        };
        if number != Some(Number::Int(whole)) {
            return;
        }
        for atom in field.numbers.get(&whole).into_iter().flatten() {
            self.hit(*atom, program);
        }
    }

    /// Searches the whole event for the texts that may stand anywhere in it.
    /// `quick` may tell that none is there that matters now.
    pub(crate) fn look_everywhere(
        &mut self,
        program: &Program,
        source: Source<'_>,
        quick: Option<&Searcher>,
    ) {
        if self.everywhere == self.stamp {
            return;
        }
        let mut atoms = Vec::new();
        match source {
            Source::Json(bytes) if !text::hides_ascii(bytes) => {
                if let Some(quick) = quick {
                    self.small.clear();
                    self.small.extend_from_slice(bytes);
                    self.small.make_ascii_lowercase();
                    if quick.find(&self.small).is_none() {
                        return;
                    }
                }
                program.keywords.search(bytes, |atom| atoms.push(atom));
            }
            _ => {
                Fields(self.whole(source)).any_text(&mut |text| {
                    program.keywords.search(pattern::fold(text).as_bytes(), |atom| atoms.push(atom));
                    false
                });
            }
        }
        self.everywhere = self.stamp;
        for atom in atoms {
            self.hit(atom, program);
        }
    }

    /// Whether a comparison that tables decide may hold, as far as they were looked at.
    #[inline]
    pub(crate) fn may_hold(&self, atom: u32, program: &Program) -> bool {
        if self.hits.get(atom as usize) == Some(&self.stamp) {
            return true;
        }
        let field = program.atoms.get(atom as usize).and_then(|compiled| compiled.field);
        field.and_then(|field| self.cell(field)).is_some_and(Cell::is_opaque)
    }

    /// Whether a field's number may lie in the range.
    #[inline]
    pub(crate) fn may_lie(&mut self, field: u32, range: Range, source: Source<'_>) -> bool {
        match self.number(field, source) {
            Some(number) => range.holds(number.as_f64()),
            None => self.cell(field).is_some_and(Cell::is_odd),
        }
    }

    /// Makes the field's text ready.
    fn prepared(&mut self, field: u32, source: Source<'_>) -> Prepared {
        let Some(cell) = self.cell(field).copied() else { return Prepared::Nothing };
        if !matches!(cell.prepared, Prepared::Unknown) {
            return cell.prepared;
        }
        let raw = self.raw(field, source).is_some_and(|raw| {
            raw.is_ascii() && (matches!(source, Source::Typed(_)) || memchr::memchr(b'\\', raw).is_none())
        });
        let prepared = if raw {
            Prepared::Raw
        } else {
            self.folded(field, source).map_or(Prepared::Nothing, Prepared::Folded)
        };
        if let Some(cell) = self.cell_mut(field) {
            cell.prepared = prepared;
        }
        prepared
    }

    /// Whether the field may hold more than ASCII.
    pub(crate) fn may_exceed_ascii(&mut self, field: u32, source: Source<'_>) -> bool {
        match self.cell(field) {
            None => false,
            Some(cell) if cell.is_odd() => true,
            Some(_) => match self.prepared(field, source) {
                Prepared::Folded(piece) => self.piece(piece).is_some_and(|text| !text.is_ascii()),
                Prepared::Raw | Prepared::Nothing | Prepared::Unknown => false,
            },
        }
    }

    /// Whether the field's text is ASCII that stands in the source as it is.
    pub(super) fn is_raw(&mut self, field: u32, source: Source<'_>) -> bool {
        matches!(self.prepared(field, source), Prepared::Raw)
    }

    /// The bytes of a text, flag or whole number as they stand in the source.
    fn raw<'e>(&mut self, field: u32, source: Source<'e>) -> Option<&'e [u8]> {
        match (self.cell(field)?.slot, source) {
            (Slot::Span(span), Source::Json(bytes)) => match span.kind {
                SpanKind::Number if !matches!(self.number(field, source)?, Number::Int(_)) => None,
                SpanKind::Null | SpanKind::Nested => None,
                _ => bytes.get(span.start..span.end),
            },
            (Slot::Typed(position), Source::Typed(fields)) => match &fields.get(position)?.1 {
                Value::Text(text) => Some(text.as_bytes()),
                Value::Bool(true) => Some(b"true"),
                Value::Bool(false) => Some(b"false"),
                _ => None,
            },
            _ => None,
        }
    }

    /// The field's text, folded.
    pub(super) fn folded(&mut self, field: u32, source: Source<'_>) -> Option<Piece> {
        if let Some(piece) = self.cell(field)?.folded {
            return Some(piece);
        }
        let text = self.plain(field, source)?;
        let piece = match text {
            Text::Source(text) => self.add(|arena| {
                fold_into(text, arena);
                true
            }),
            Text::Arena(piece) if self.piece(piece)?.is_ascii() => self.add(|arena| {
                let start = arena.len();
                arena.extend_from_within(piece.start..piece.end);
                arena.get_mut(start..).map(str::make_ascii_lowercase).is_some()
            }),
            Text::Arena(piece) => {
                let folded = pattern::fold(self.piece(piece)?).into_owned();
                self.add(|arena| {
                    arena.push_str(&folded);
                    true
                })
            }
        };
        self.cell_mut(field)?.folded = piece;
        piece
    }
}

/// Adds the text with the case of its letters folded.
fn fold_into(text: &str, out: &mut String) {
    if text.is_ascii() {
        let start = out.len();
        out.push_str(text);
        if let Some(added) = out.get_mut(start..) {
            added.make_ascii_lowercase();
        }
    } else {
        out.push_str(&pattern::fold(text));
    }
}

/// The shape of a comparison's pattern.
fn shape_of(program: &Program, atom: u32) -> Option<&Shape> {
    match &program.atoms.get(atom as usize)?.atom.test {
        Test::Text(pattern) => Some(&pattern.shape),
        _ => None,
    }
}
