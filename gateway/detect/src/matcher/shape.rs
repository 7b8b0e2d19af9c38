//! Gates compiled for events of one shape: a log source and the fields that are there.
//!
//! Conditions that cannot hold for want of a field are gone, and what is left is gated by what the event has. Not an
//! answer: what opens is evaluated whole. Invariant: every case that may hold on an event of the shape opens.
#![deny(clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aho_corasick::packed::{self, Searcher};

use super::gate::{self, Opener, Range};
use super::hash::Build;
use super::program::Program;
use super::slots::{Looked, Slots, Source};
use crate::limits::QUICK_TEXTS;
use crate::rule::atom::{Logic, Test};

/// The gates of one shape.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    /// Fields to look at, and which of their tables.
    eager: Vec<(u32, u8)>,
    /// Guards of the cases that a text anywhere in the event opens: only when one holds is it looked for.
    anywhere: Vec<Option<u32>>,
    /// Tells quickly that none of these texts is there; `None`: they are many, or the machine cannot.
    quick: Option<Searcher>,
    /// By comparison, up to the last that counts: the number, from 1, of what opens when it is hit.
    watched: Box<[u32]>,
    opened: Vec<Vec<Group>>,
    always: Vec<Group>,
    beyond_ascii: Vec<(u32, Entry)>,
    /// Cases that open when a field cannot be looked at: lists, maps.
    odd: HashMap<u32, Vec<u32>, Build>,
    /// How many entries there are: what it weighs.
    pub(crate) entries: usize,
}

/// How many places of a table by comparison weigh as much as an entry.
const PLACES: usize = 12;

/// Cases behind the same guard.
#[derive(Debug)]
struct Group {
    guard: Option<u32>,
    entries: Vec<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    case: u32,
    /// Concerns the case only while one of its rules has a state.
    going_on: bool,
    range: Option<(u32, Range)>,
}

/// Entries by guard, while they are collected.
type Collected = BTreeMap<Option<u32>, Vec<Entry>>;

/// What a shape is made of, while it is made.
#[derive(Default)]
struct Builder {
    shape: Shape,
    watched: BTreeMap<u32, Collected>,
    always: Collected,
    eager: BTreeMap<u32, u8>,
    texts: BTreeSet<String>,
}

impl Shape {
    /// The gates of these cases; `present` are the fields that are there, `None` when that is not known.
    pub(crate) fn new(program: &Program, cases: &[u32], present: Option<&[u32]>) -> Self {
        let there = present.map(|fields| {
            let mut there = vec![false; program.fields.len()];
            for field in fields {
                if let Some(flag) = there.get_mut(*field as usize) {
                    *flag = true;
                }
            }
            there
        });
        let absent =
            |field: u32| there.as_ref().is_some_and(|there| there.get(field as usize) != Some(&true));
        let known = |index: usize| {
            let compiled = program.atoms.get(index)?;
            if compiled.field.is_some_and(absent) {
                return Some(compiled.atom.test == Test::Null);
            }
            compiled.other.is_some_and(absent).then_some(false)
        };
        let mut builder = Builder::default();
        for id in cases {
            let Some(case) = program.cases.get(*id as usize) else { continue };
            builder.add(program, *id, &gate::simplify(&case.begins, &known), false);
            if let Some(goes_on) = &case.goes_on {
                builder.add(program, *id, &gate::simplify(goes_on, &known), true);
            }
        }
        builder.finish()
    }

    /// What opens when the comparison is hit.
    #[inline]
    fn opened_by(&self, atom: u32) -> Option<&[Group]> {
        let number = *self.watched.get(atom as usize)?;
        self.opened.get(number.checked_sub(1)? as usize).map(Vec::as_slice)
    }

    /// Calls with the cases that may hold; some more than once.
    #[inline]
    pub(crate) fn open(
        &self,
        program: &Program,
        slots: &mut Slots,
        source: Source<'_>,
        going_on: &impl Fn(u32) -> bool,
        open: &mut impl FnMut(u32),
    ) {
        for (field, tables) in &self.eager {
            if slots.look(*field, *tables, program, source) == Looked::Odd {
                self.odd.get(field).into_iter().flatten().for_each(|case| open(*case));
            }
        }
        if self.anywhere.iter().any(|guard| guard.is_none_or(|atom| slots.may_hold(atom, program))) {
            slots.look_everywhere(program, source, self.quick.as_ref());
        }
        for at in 0..slots.found.len() {
            let Some(groups) = slots.found.get(at).and_then(|atom| self.opened_by(*atom)) else { continue };
            groups.iter().for_each(|group| group.open(program, slots, source, going_on, open));
        }
        self.always.iter().for_each(|group| group.open(program, slots, source, going_on, open));
        for (field, entry) in &self.beyond_ascii {
            if slots.may_exceed_ascii(*field, source) {
                entry.open(slots, source, going_on, open);
            }
        }
    }
}

impl Group {
    #[inline]
    fn open(
        &self,
        program: &Program,
        slots: &mut Slots,
        source: Source<'_>,
        going_on: &impl Fn(u32) -> bool,
        open: &mut impl FnMut(u32),
    ) {
        if self.guard.is_none_or(|atom| slots.may_hold(atom, program)) {
            self.entries.iter().for_each(|entry| entry.open(slots, source, going_on, open));
        }
    }
}

impl Entry {
    #[inline]
    fn open(
        &self,
        slots: &mut Slots,
        source: Source<'_>,
        going_on: &impl Fn(u32) -> bool,
        open: &mut impl FnMut(u32),
    ) {
        if self.going_on && !going_on(self.case) {
            return;
        }
        if self.range.is_none_or(|(field, range)| slots.may_lie(field, range, source)) {
            open(self.case);
        }
    }
}

impl Builder {
    fn add(&mut self, program: &Program, case: u32, logic: &Logic, going_on: bool) {
        if gate::is_false(logic) {
            return;
        }
        let gates = gate::of(logic, program);
        let entry = Entry { case, going_on, range: gates.range };
        if let Some(guard) = gates.guard {
            self.look(program, guard);
        }
        let Some(openers) = gates.openers else {
            self.always.entry(gates.guard).or_default().push(entry);
            self.shape.entries += 1;
            return;
        };
        for opener in openers {
            self.shape.entries += 1;
            match opener {
                Opener::BeyondAscii(field) => self.shape.beyond_ascii.push((field, entry)),
                Opener::Atom(atom) => {
                    self.watched.entry(atom).or_default().entry(gates.guard).or_default().push(entry);
                    let Some(field) = self.look(program, atom) else {
                        self.texts.extend(program.text_anywhere(atom));
                        if !self.shape.anywhere.contains(&gates.guard) {
                            self.shape.anywhere.push(gates.guard);
                        }
                        continue;
                    };
                    let cases = self.shape.odd.entry(field).or_default();
                    if cases.last() != Some(&case) {
                        cases.push(case);
                    }
                }
            }
        }
    }

    /// Has the table looked at that finds the comparison; gives its field.
    fn look(&mut self, program: &Program, atom: u32) -> Option<u32> {
        let compiled = program.atoms.get(atom as usize)?;
        let field = compiled.field?;
        *self.eager.entry(field).or_default() |= compiled.kind.table();
        Some(field)
    }

    fn finish(self) -> Shape {
        let few = !self.texts.is_empty() && self.texts.len() <= QUICK_TEXTS;
        let quick = few.then(|| packed::Config::new().builder().extend(&self.texts).build()).flatten();
        let groups = |collected: Collected| -> Vec<Group> {
            collected.into_iter().map(|(guard, entries)| Group { guard, entries }).collect()
        };
        let last = self.watched.last_key_value().map_or(0, |(atom, _)| *atom as usize + 1);
        let mut watched = vec![0; last];
        let mut opened = Vec::new();
        for (atom, collected) in self.watched {
            opened.push(groups(collected));
            if let Some(number) = watched.get_mut(atom as usize) {
                *number = u32::try_from(opened.len()).unwrap_or(0);
            }
        }
        Shape {
            eager: self.eager.into_iter().collect(),
            entries: self.shape.entries + last / PLACES,
            watched: watched.into_boxed_slice(),
            opened,
            always: groups(self.always),
            quick,
            ..self.shape
        }
    }
}
