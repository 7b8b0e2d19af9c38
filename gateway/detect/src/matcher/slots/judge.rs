//! Judging atoms and conditions on one event, each atom at most once.
//!
//! The values come from the slots; what a comparison means is for its own module. Invariant: an atom's
//! judgement is remembered for this event and never for the next.

#![deny(clippy::indexing_slicing)]

use super::*;

impl Slots {
    /// Opens the gates of keywords, which stand anywhere in the event.
    pub(crate) fn search_keywords(
        &mut self,
        program: &Program,
        source: Source<'_>,
        open: &mut impl FnMut(u32),
    ) {
        match source {
            Source::Json(bytes) if !self.dirty => program.keywords.search(bytes, open),
            _ => {
                Fields(self.whole(source)).any_text(&mut |text| {
                    program.keywords.search(fold(text).as_bytes(), &mut *open);
                    false
                });
            }
        }
    }

    /// Whether a field has to be looked up in the whole event.
    pub(crate) fn is_whole(&self, field: u32) -> bool {
        matches!(self.slot(field), Some(Slot::Whole | Slot::Nested(_)))
    }

    /// Judges an atom on a list or map by parsing that alone. `None` when more than it is needed.
    fn judge_nested(&mut self, field: u32, compiled: &Compiled, source: Source<'_>) -> Option<bool> {
        let (Some(Slot::Nested(span)), Source::Json(bytes)) = (self.slot(field), source) else { return None };
        if compiled.other.is_some() || self.whole.is_some() {
            return None;
        }
        let at = match self.nested.iter().position(|(known, _)| *known == field) {
            Some(at) => at,
            None => {
                let parsed = serde_json::from_slice::<serde_json::Value>(bytes.get(span.start..span.end)?);
                let Ok(parsed) = parsed else {
                    self.malformed = true;
                    return Some(false);
                };
                self.nested.push((field, vec![(compiled.atom.field.clone()?, value_of(&parsed, 1))]));
                self.nested.len() - 1
            }
        };
        self.nested.get(at).map(|(_, fields)| explain::atom_holds(&compiled.atom, Fields(fields)))
    }

    /// Whether the logic holds for the event.
    pub(crate) fn holds(&mut self, logic: &Logic, program: &Program, source: Source<'_>) -> bool {
        logic.holds(&mut |index| self.atom(index, program, source))
    }

    fn atom(&mut self, index: usize, program: &Program, source: Source<'_>) -> bool {
        let Some(known) = self.atoms.get(index) else { return false };
        if known.0 == self.stamp {
            return known.1;
        }
        let holds =
            program.atoms.get(index).is_some_and(|compiled| self.judge(index, compiled, program, source));
        if let Some(known) = self.atoms.get_mut(index) {
            *known = (self.stamp, holds);
        }
        holds
    }

    fn judge(&mut self, index: usize, compiled: &Compiled, program: &Program, source: Source<'_>) -> bool {
        if let Some(holds) = compiled.field.and_then(|field| self.judge_nested(field, compiled, source)) {
            return holds;
        }
        let whole = compiled.field.is_none_or(|field| self.is_whole(field))
            || compiled.other.is_some_and(|other| self.is_whole(other));
        if whole {
            return explain::atom_holds(&compiled.atom, Fields(self.whole(source)));
        }
        let Some(field) = compiled.field else { return false };
        let Some(slot) = self.slot(field) else { return compiled.atom.test == Test::Null };
        match &compiled.atom.test {
            Test::Exists => true,
            Test::Null => is_null(slot, source),
            Test::Text(_) if !self.may_hold(index, compiled, program, source) => false,
            Test::Text(pattern) if pattern.cased => {
                self.text(field, source).is_some_and(|text| pattern.matches_prepared(&text))
            }
            Test::Text(pattern) => {
                self.folded(field, source).is_some_and(|text| pattern.matches_prepared(&text))
            }
            Test::Regex(regex) => self.text(field, source).is_some_and(|text| regex.compiled.is_match(&text)),
            Test::Equal(wanted) => self.number(field, source).is_some_and(|number| number == *wanted),
            Test::Compare(order, bound) => {
                self.number(field, source).is_some_and(|number| order.holds(number, *bound))
            }
            Test::Cidr(range) => {
                let address = self.text(field, source).and_then(|text| net::bits(&text));
                address.is_some_and(|(bits, v6)| range.holds_bits(bits, v6))
            }
            Test::Time { part, order, number: bound } => {
                let taken = match slot_is_text(slot, source) {
                    true => self.text(field, source).and_then(|text| time_part::of_text(&text, *part)),
                    false => {
                        self.number(field, source).and_then(|number| time_part::of_number(number, *part))
                    }
                };
                taken.is_some_and(|taken| {
                    let taken = Number::Int(taken);
                    order.map_or(taken == *bound, |order| order.holds(taken, *bound))
                })
            }
            Test::Field { how, cased, .. } => {
                let other = compiled.other.and_then(|other| self.text(other, source));
                let (Some(value), Some(other)) = (self.text(field, source), other) else { return false };
                explain::reference_holds(&Value::from(&*value), &Value::from(&*other), *how, *cased)
            }
        }
    }
}
