//! Judging comparisons and conditions on one event, each at most once.
//!
//! The values come from the slots; what a comparison means is for its own module. Invariant: a judgement is
//! remembered for this event and never for the next.
#![deny(clippy::indexing_slicing)]

use super::super::node::{Found, Node};
use super::super::program::Kind;
use super::*;

impl Slots {
    /// Whether a field has to be looked up in the whole event.
    pub(crate) fn needs_whole_event(&self, field: u32) -> bool {
        self.cell(field).is_some_and(Cell::is_odd)
    }

    /// Whether the condition of that node holds for the event.
    pub(crate) fn holds(&mut self, node: u32, program: &Program, source: Source<'_>) -> bool {
        let Some(known) = self.nodes.get(node as usize).copied() else { return false };
        if known >> 1 == self.stamp {
            return known & 1 == 1;
        }
        let holds = match program.nodes.get(node) {
            Some(Node::Atom(atom)) => return self.atom(*atom, program, source),
            Some(Node::Not(inner)) => return !self.holds(*inner, program, source),
            Some(Node::All(parts)) => parts.iter().all(|part| self.holds(*part, program, source)),
            Some(Node::Any(parts)) => parts.iter().any(|part| self.holds(*part, program, source)),
            Some(Node::AtLeast(count, parts)) => {
                parts.iter().filter(|part| self.holds(**part, program, source)).count() >= *count
            }
            Some(Node::Found(list)) => self.any_found(node, list, program, source),
            None => false,
        };
        if let Some(known) = self.nodes.get_mut(node as usize) {
            *known = self.stamp << 1 | u32::from(holds);
        }
        holds
    }

    /// Whether one of a list holds; when none of it was found there is nothing to judge.
    fn any_found(&mut self, node: u32, list: &Found, program: &Program, source: Source<'_>) -> bool {
        let mut odd = false;
        for (field, tables) in &list.tables {
            odd |= self.look(*field, *tables, program, source) == Looked::Odd;
        }
        if !odd && self.lists.get(node as usize) != Some(&self.stamp) {
            return false;
        }
        (!odd && list.decided) || list.atoms.iter().any(|atom| self.atom(*atom, program, source))
    }

    fn atom(&mut self, index: u32, program: &Program, source: Source<'_>) -> bool {
        let Some(known) = self.atoms.get(index as usize).copied() else { return false };
        if known >> 1 == self.stamp {
            return known & 1 == 1;
        }
        let holds = program
            .atoms
            .get(index as usize)
            .is_some_and(|compiled| self.judge(index, compiled, program, source));
        if let Some(known) = self.atoms.get_mut(index as usize) {
            *known = self.stamp << 1 | u32::from(holds);
        }
        holds
    }

    fn judge(&mut self, index: u32, compiled: &Compiled, program: &Program, source: Source<'_>) -> bool {
        let hit = |slots: &Self| slots.hits.get(index as usize) == Some(&slots.stamp);
        let Some(field) = compiled.field else {
            if compiled.kind == Kind::Marked {
                self.look_everywhere(program, source, None);
                if !hit(self) {
                    return false;
                }
            }
            return explain::atom_holds(&compiled.atom, Fields(self.whole(source)));
        };
        match (self.look(field, compiled.kind.table(), program, source), compiled.kind) {
            (Looked::Absent, _) => return compiled.atom.test == Test::Null,
            (Looked::Done, Kind::Exact | Kind::Base | Kind::Number | Kind::Part) => return hit(self),
            (Looked::Done, Kind::Marked) if !hit(self) => return false,
            _ => {}
        }
        match self.judge_odd(field, compiled, source) {
            Some(holds) => holds,
            None => self.judge_value(field, compiled, source),
        }
    }

    /// Judges a comparison with a list or map, or one that needs the whole event; `None` for all others.
    fn judge_odd(&mut self, field: u32, compiled: &Compiled, source: Source<'_>) -> Option<bool> {
        let other = compiled.other.is_some_and(|other| self.needs_whole_event(other));
        let slot = self.cell(field).filter(|cell| cell.is_odd()).map(|cell| cell.slot);
        match (slot, source) {
            (None, _) if !other => return None,
            (Some(Slot::Nested(span)), Source::Json(bytes))
                if compiled.other.is_none() && self.whole.is_none() =>
            {
                // The list or map alone is enough.
                let at = match self.nested.iter().position(|(known, _)| *known == field) {
                    Some(at) => at,
                    None => {
                        let raw = span.of(bytes)?;
                        let Ok(parsed) = serde_json::from_slice::<serde_json::Value>(raw) else {
                            self.malformed = true;
                            return Some(false);
                        };
                        self.nested.push((field, vec![(compiled.atom.field.clone()?, value_of(&parsed, 1))]));
                        self.nested.len() - 1
                    }
                };
                return self
                    .nested
                    .get(at)
                    .map(|(_, fields)| explain::atom_holds(&compiled.atom, Fields(fields)));
            }
            _ => {}
        }
        Some(explain::atom_holds(&compiled.atom, Fields(self.whole(source))))
    }

    /// The address in a field, read at most once.
    fn address(&mut self, field: u32, source: Source<'_>) -> Option<(u128, bool)> {
        if let Some((_, address)) = self.addresses.iter().find(|(known, _)| *known == field) {
            return *address;
        }
        let text = self.plain(field, source);
        let address = text.and_then(|text| self.resolve(text)).and_then(net::bits);
        self.addresses.push((field, address));
        address
    }

    /// Judges a comparison on the value of a field that is there and is no list or map.
    fn judge_value(&mut self, field: u32, compiled: &Compiled, source: Source<'_>) -> bool {
        let Some(slot) = self.cell(field).map(|cell| cell.slot) else { return false };
        match &compiled.atom.test {
            Test::Exists => true,
            Test::Null => is_null(slot, source),
            Test::Text(_) if compiled.beyond_ascii && self.is_ascii(field, source) => false,
            Test::Text(pattern) if pattern.cased => self
                .plain(field, source)
                .and_then(|text| self.resolve(text))
                .is_some_and(|text| pattern.matches_prepared(text)),
            Test::Text(pattern) => self
                .folded(field, source)
                .and_then(|piece| self.piece(piece))
                .is_some_and(|text| pattern.matches_prepared(text)),
            Test::Regex(regex) => self
                .plain(field, source)
                .and_then(|text| self.resolve(text))
                .is_some_and(|text| regex.compiled.is_match(text)),
            Test::Equal(wanted) => self.number(field, source).is_some_and(|number| number == *wanted),
            Test::Compare(order, bound) => {
                self.number(field, source).is_some_and(|number| order.holds(number, *bound))
            }
            Test::Cidr(range) => {
                let address = self.address(field, source);
                address.is_some_and(|(bits, v6)| range.holds_bits(bits, v6))
            }
            Test::Time { part, order, number: bound } => {
                let taken = if slot_is_text(slot, source) {
                    self.plain(field, source)
                        .and_then(|text| self.resolve(text))
                        .and_then(|text| time_part::of_text(text, *part))
                } else {
                    self.number(field, source).and_then(|number| time_part::of_number(number, *part))
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
