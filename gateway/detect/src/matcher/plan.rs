//! Which gates fit an event: by its log source, and by the fields that it has.
//!
//! Gates for a shape are made when it comes again and again; until then those of its log source serve. Not a cache of
//! answers. Invariant: the number of shapes and what they weigh is bounded, and making them costs little per event
//! whatever a sender does.
#![deny(clippy::indexing_slicing)]

use std::collections::HashMap;

use super::hash::Build;
use super::program::Program;
use super::shape::Shape;
use super::sources::{self, SourceKey};
use crate::limits::{SHAPE_ENTRIES, SHAPE_FREQUENT, SHAPE_STARVED, SHAPES, SOURCES};

/// Gates by log source and shape.
#[derive(Debug, Default)]
pub(crate) struct Plans {
    /// For events of any log source and shape.
    general: Shape,
    list: Vec<Plan>,
    by_key: HashMap<u64, usize, Build>,
    shapes: usize,
    entries: usize,
}

/// What concerns a log source.
#[derive(Debug)]
struct Plan {
    cases: Vec<u32>,
    /// The same, a bit for each.
    mask: Box<[u64]>,
    known: Vec<Known>,
    by_fields: HashMap<u64, usize, Build>,
    /// The latest one: events come in runs of one kind.
    latest: usize,
}

#[derive(Debug)]
struct Known {
    fields: Box<[u32]>,
    seen: u32,
    shape: Option<Shape>,
}

/// Gates, and the cases that count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fitting<'a> {
    pub(crate) shape: &'a Shape,
    mask: &'a [u64],
}

impl Fitting<'_> {
    #[inline]
    pub(crate) fn holds(&self, case: u32) -> bool {
        self.mask.get((case >> 6) as usize).is_some_and(|word| word >> (case & 63) & 1 == 1)
    }
}

impl Plans {
    pub(crate) fn new(program: &Program) -> Self {
        let all: Vec<u32> = (0..u32::try_from(program.cases.len()).unwrap_or(u32::MAX)).collect();
        let general = Shape::new(program, &all, None);
        Self { entries: general.entries, general, ..Self::default() }
    }

    /// The gates for an event of this log source with these fields.
    #[inline]
    pub(crate) fn fitting(&mut self, program: &Program, key: SourceKey, fields: &[u32]) -> Fitting<'_> {
        let at = match self.by_key.get(&sources::packed(key)) {
            Some(at) => *at,
            None => self.plan(program, key),
        };
        let found = self.list.get(at).and_then(|plan| plan.find(fields));
        let ready = found.filter(|known| self.is_ready(at, *known));
        let ready = ready.or_else(|| self.unready(program, at, found, fields));
        let Some(plan) = self.list.get_mut(at) else { return Fitting { shape: &self.general, mask: &[] } };
        if let Some(known) = ready {
            plan.latest = known;
        }
        let shape = ready.and_then(|known| plan.known.get(known)?.shape.as_ref());
        Fitting { shape: shape.unwrap_or(&self.general), mask: &plan.mask }
    }

    fn is_ready(&self, at: usize, known: usize) -> bool {
        self.list.get(at).and_then(|plan| plan.known.get(known)).is_some_and(|known| known.shape.is_some())
    }

    /// Counts a shape that has no gates yet, and makes them when it is time.
    #[cold]
    fn unready(
        &mut self,
        program: &Program,
        at: usize,
        known: Option<usize>,
        fields: &[u32],
    ) -> Option<usize> {
        let known = match known {
            Some(known) => known,
            None => self.list.get_mut(at)?.meet(fields),
        };
        let place = self.shapes < SHAPES && self.entries < SHAPE_ENTRIES;
        let plan = self.list.get_mut(at)?;
        let entry = plan.known.get_mut(known)?;
        entry.seen = entry.seen.saturating_add(1);
        if place && entry.seen >= SHAPE_FREQUENT {
            let shape = Shape::new(program, &plan.cases, Some(&entry.fields));
            self.shapes += 1;
            self.entries += shape.entries;
            entry.shape = Some(shape);
            return Some(known);
        }
        if entry.seen >= SHAPE_STARVED {
            self.list.iter_mut().for_each(Plan::forget);
            self.shapes = 0;
            self.entries = self.general.entries;
        }
        None
    }

    /// A new log source.
    #[cold]
    fn plan(&mut self, program: &Program, key: SourceKey) -> usize {
        if self.list.len() >= SOURCES {
            self.list.clear();
            self.by_key.clear();
            self.shapes = 0;
            self.entries = self.general.entries;
        }
        let mut mask = vec![0; program.cases.len().div_ceil(64)].into_boxed_slice();
        let mut cases = Vec::new();
        for (case, id) in program.cases.iter().zip(0_u32..) {
            if sources::agree(case.source, key) {
                cases.push(id);
                if let Some(word) = mask.get_mut((id >> 6) as usize) {
                    *word |= 1_u64 << (id & 63);
                }
            }
        }
        let at = self.list.len();
        self.list.push(Plan { cases, mask, known: Vec::new(), by_fields: HashMap::default(), latest: 0 });
        self.by_key.insert(sources::packed(key), at);
        at
    }
}

impl Plan {
    #[inline]
    fn find(&self, fields: &[u32]) -> Option<usize> {
        let is = |at: usize| self.known.get(at).is_some_and(|known| *known.fields == *fields);
        if is(self.latest) {
            return Some(self.latest);
        }
        self.by_fields.get(&hash(fields)).copied().filter(|at| is(*at))
    }

    /// Remembers a shape; when too many were seen, those that came seldom are forgotten.
    fn meet(&mut self, fields: &[u32]) -> usize {
        if self.known.len() >= 4 * SHAPES {
            self.known.retain(|known| known.shape.is_some());
            self.by_fields =
                self.known.iter().enumerate().map(|(at, known)| (hash(&known.fields), at)).collect();
        }
        let at = self.known.len();
        self.known.push(Known { fields: fields.into(), seen: 0, shape: None });
        self.by_fields.insert(hash(fields), at);
        at
    }

    fn forget(&mut self) {
        self.known.clear();
        self.by_fields.clear();
        self.latest = 0;
    }
}

fn hash(fields: &[u32]) -> u64 {
    fields.iter().fold(0, |hash: u64, field| {
        (hash.rotate_left(5) ^ u64::from(*field)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_without_end_take_a_bounded_place() {
        let program = Program::default();
        let mut plans = Plans::new(&program);
        for n in 0..20_000_u32 {
            for _ in 0..5 {
                plans.fitting(&program, [0, 0, 0], &[n]);
            }
            plans.fitting(&program, [n, 1, 1], &[]);
            assert!(plans.shapes <= SHAPES && plans.list.len() <= SOURCES);
        }
    }
}
