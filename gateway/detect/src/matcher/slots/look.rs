//! Looking at a field: its text made ready once, and the comparisons that its tables find.
//!
//! Not the judgement of what the tables only may find. Invariant: after a table was looked at, a comparison of that
//! table that was not hit does not hold.
#![deny(clippy::indexing_slicing)]

use aho_corasick::packed::Searcher;

use super::super::eights;
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
        let mut at = list.start();
        let open = *bytes.get(at)?;
        for _ in 0..FIELD_VALUES {
            at = scan::blanks(bytes, at + 1);
            if open != b'[' || bytes.get(at) == Some(&b']') {
                break;
            }
            let span = scan::value(bytes, at).ok()?;
            let raw = span.of(bytes)?;
            match span.kind {
                SpanKind::Nested => return None,
                SpanKind::Null => {}
                SpanKind::Text => {
                    let mut text = Vec::new();
                    if !eights::decode_small(bytes, span.start(), span.end(), &mut text) {
                        text.clear();
                        if !text::decode(bytes, span, &mut text) {
                            return None;
                        }
                        let folded = pattern::fold(std::str::from_utf8(&text).ok()?).into_owned();
                        text = folded.into_bytes();
                    }
                    self.hits_of_value(tables, field, program, &text);
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
            at = scan::blanks(bytes, span.end() + usize::from(span.kind == SpanKind::Text));
            match bytes.get(at) {
                Some(b',') => {}
                Some(b']') => break,
                _ => return None,
            }
        }
        let end = at + 1 == list.end();
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
        if let Some(piece) = self.folded(field, source) {
            // Taken out and put back, so that hits can be noted meanwhile.
            let arena = std::mem::take(&mut self.arena);
            let text = arena.get(piece.range()).unwrap_or_default();
            self.hits_of(tables, compiled, program, text);
            self.arena = arena;
        }
    }

    /// The comparisons that hold for a folded text.
    fn hits_of(&mut self, tables: u8, field: &program::Field, program: &Program, text: &[u8]) {
        if tables & program::EXACT != 0 && !field.exact.is_empty() {
            for atom in field.exact.get(&folded_hash(text)).into_iter().flatten() {
                if let Some(Shape::Exact(wanted)) = shape_of(program, *atom)
                    && wanted.as_bytes() == text
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
                    && text.get(start..) == Some(wanted.as_bytes())
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
                let mut small = std::mem::take(&mut self.small);
                small.clear();
                small.extend_from_slice(bytes);
                small.make_ascii_lowercase();
                let skip = quick.is_some_and(|quick| quick.find(&small).is_none());
                if !skip {
                    program.keywords.search(&small, |atom| atoms.push(atom));
                }
                self.small = small;
                if skip {
                    return;
                }
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

    /// Whether the field may hold more than ASCII.
    pub(crate) fn may_exceed_ascii(&mut self, field: u32, source: Source<'_>) -> bool {
        match self.cell(field) {
            None => false,
            Some(cell) if cell.is_odd() => true,
            Some(_) => self.folded(field, source).is_some() && !self.is_ascii(field, source),
        }
    }

    /// Whether the field's text, as it came, is ASCII.
    pub(super) fn is_ascii(&mut self, field: u32, source: Source<'_>) -> bool {
        self.folded(field, source).is_some() && self.cell(field).is_some_and(|cell| cell.ascii)
    }

    /// The field's text, folded.
    #[inline]
    pub(super) fn folded(&mut self, field: u32, source: Source<'_>) -> Option<Piece> {
        match self.cell(field)?.prepared {
            Prepared::Folded(piece) => Some(piece),
            Prepared::Nothing => None,
            Prepared::Unknown => self.prepare(field, source),
        }
    }

    /// Makes the field's text ready.
    fn prepare(&mut self, field: u32, source: Source<'_>) -> Option<Piece> {
        let prepared = match self.simple(field, source) {
            Some(piece) => Some((piece, true)),
            None => self.fold(field, source),
        };
        let cell = self.cell_mut(field)?;
        cell.ascii = prepared.is_some_and(|(_, ascii)| ascii);
        let piece = prepared.map(|(piece, _)| piece);
        cell.prepared = piece.map_or(Prepared::Nothing, Prepared::Folded);
        piece
    }

    /// A JSON text of ASCII without unusual escapes; `None` when there is more to it.
    fn simple(&mut self, field: u32, source: Source<'_>) -> Option<Piece> {
        let (Slot::Span(span), Source::Json(bytes)) = (self.cell(field)?.slot, source) else { return None };
        if span.kind != SpanKind::Text {
            return None;
        }
        self.add(|arena| eights::decode_small(bytes, span.start(), span.end(), arena))
    }

    /// Folds any text; whether it was ASCII.
    fn fold(&mut self, field: u32, source: Source<'_>) -> Option<(Piece, bool)> {
        match self.plain(field, source)? {
            Text::Source(text) => {
                let piece = self.add(|arena| {
                    fold_into(text, arena);
                    true
                })?;
                Some((piece, text.is_ascii()))
            }
            Text::Arena(plain) => {
                let mut folded = Vec::new();
                let text = self.piece(plain)?;
                let ascii = text.is_ascii();
                fold_into(text, &mut folded);
                let piece = self.add(|arena| {
                    arena.append(&mut folded);
                    true
                })?;
                Some((piece, ascii))
            }
        }
    }
}

/// Adds the text with the case of its letters folded.
fn fold_into(text: &str, out: &mut Vec<u8>) {
    let mut rest = text;
    while !rest.is_empty() {
        let length = rest.bytes().position(|byte| !byte.is_ascii()).unwrap_or(rest.len());
        let (plain, other) = rest.split_at(length);
        out.extend(plain.bytes().map(|byte| byte.to_ascii_lowercase()));
        let mut characters = other.chars();
        for small in characters.next().into_iter().flat_map(char::to_lowercase) {
            out.extend_from_slice(small.encode_utf8(&mut [0; 4]).as_bytes());
        }
        rest = characters.as_str();
    }
}

/// The shape of a comparison's pattern.
fn shape_of(program: &Program, atom: u32) -> Option<&Shape> {
    match &program.atoms.get(atom as usize)?.atom.test {
        Test::Text(pattern) => Some(&pattern.shape),
        _ => None,
    }
}
