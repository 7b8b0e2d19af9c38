//! The compiled matcher: which rules hold for an event, from JSON bytes or typed fields.
//!
//! Three steps: find the values that rules ask for, open gates by what is cheap to see of them, evaluate the rules
//! whose gate opened. Not the state of rules. Invariant: the answer is that of evaluating every rule atom by atom
//! (`explain`), whatever the gates are.
#![deny(clippy::indexing_slicing)]

mod eights;
mod gate;
mod grams;
mod hash;
mod node;
mod plan;
mod program;
mod scan;
mod shape;
mod slots;
mod sound;
mod sources;
mod text;

use std::borrow::Cow;
use std::sync::Arc;

use sitewarden_core::{LogSource, Value};

use crate::fields;
use crate::limits::SOURCE_BYTES;
use crate::number::Number;
use plan::Plans;
pub(crate) use program::Program;
use scan::{Names, SpanKind};
use slots::Slots;
pub(crate) use slots::Source;
use sources::SourceKey;

/// What holds of a rule that may concern an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) rule: u32,
    pub(crate) condition: bool,
    /// Whether the clear condition holds; `None` when the rule has none.
    pub(crate) clear: Option<bool>,
}

/// What is remembered from event to event to be fast; nothing of it changes an answer.
#[derive(Debug, Default)]
pub(crate) struct Matcher {
    program: Arc<Program>,
    names: Names,
    slots: Slots,
    plans: Plans,
    /// Product, category and service of the latest event as they were written, and their numbers: events come in
    /// runs of one kind.
    latest: [(Vec<u8>, u32); 3],
    /// By case: the number of the latest event for which its gate opened.
    opened: Vec<u32>,
    event: u32,
    candidates: Vec<u32>,
}

impl Matcher {
    pub(crate) fn new(program: Arc<Program>) -> Self {
        Self {
            names: Names::new(),
            slots: Slots::new(&program),
            plans: Plans::new(&program),
            latest: Default::default(),
            opened: vec![0; program.cases.len()],
            event: 0,
            candidates: Vec::new(),
            program,
        }
    }

    /// Takes the values out of a JSON object. Whether it looks like one; [`Self::is_malformed`] tells the rest.
    pub(crate) fn read_json(&mut self, bytes: &[u8]) -> bool {
        self.slots.begin();
        let slots = &mut self.slots;
        let read = self.names.read(&self.program, bytes, |root, span| {
            if let Some(field) = root.direct {
                slots.set_span(field, span);
            }
            if span.kind == SpanKind::Nested {
                root.below.iter().for_each(|field| slots.set_below(*field));
            }
        });
        read.is_ok()
    }

    /// Takes the values out of typed fields.
    pub(crate) fn read_typed(&mut self, fields: &[(Arc<str>, Value)]) {
        self.slots.begin();
        for (position, (name, value)) in fields.iter().enumerate() {
            let Some(root) = self.program.roots.get(name.as_bytes()) else { continue };
            if let Some(field) = root.direct.filter(|field| !self.slots.is_direct(*field)) {
                self.slots.set_typed(field, position, value);
            }
            if matches!(value, Value::List(_) | Value::Map(_)) {
                root.below.iter().for_each(|field| self.slots.set_below(*field));
            }
        }
    }

    /// Whether the event turned out not to be JSON; nothing of it counts then.
    pub(crate) const fn is_malformed(&self) -> bool {
        self.slots.is_malformed()
    }

    /// The text of a field that a rule reads.
    pub(crate) fn text<'e>(&mut self, name: &str, source: Source<'e>) -> Option<Cow<'e, str>> {
        match self.program.field_id(name) {
            Some(field) if !self.slots.needs_whole_event(field) => self.slots.text(field, source),
            _ => {
                let text = fields::Fields(self.slots.whole(source)).text(name)?;
                Some(Cow::Owned(text.into_owned()))
            }
        }
    }

    /// The number in a field that a rule reads.
    pub(crate) fn number(&mut self, name: &str, source: Source<'_>) -> Option<Number> {
        match self.program.field_id(name) {
            Some(field) if !self.slots.needs_whole_event(field) => self.slots.number(field, source),
            _ => fields::Fields(self.slots.whole(source)).values(name)?.into_iter().find_map(fields::number),
        }
    }

    /// The whole event, handed over.
    pub(crate) fn take_whole(&mut self, source: Source<'_>) -> Vec<(Arc<str>, Value)> {
        self.slots.take_whole(source)
    }

    /// Whether a whole event that parses stands behind what was read.
    pub(crate) fn confirm(&self, bytes: &[u8]) -> bool {
        self.slots.confirm(bytes, &self.names)
    }

    /// Judges the JSON object that was read; without a log source by what the object says of its own. `going_on`
    /// tells by rule whether it has a state: only then does an event of its scope concern it that it would not match.
    pub(crate) fn run_json(
        &mut self,
        log: Option<&LogSource>,
        bytes: &[u8],
        going_on: &[bool],
        hits: &mut Vec<Hit>,
    ) {
        let source = Source::Json(bytes);
        let key = match log {
            Some(log) => self.program.sources.key(log),
            None => self.routed(source),
        };
        self.judge(key, source, going_on, hits);
    }

    /// Judges what was read; rules that hold or whose state has to move are appended to `hits`, in order.
    pub(crate) fn run(
        &mut self,
        log: &LogSource,
        source: Source<'_>,
        going_on: &[bool],
        hits: &mut Vec<Hit>,
    ) {
        let key = self.program.sources.key(log);
        self.judge(key, source, going_on, hits);
    }

    /// Where an event says that it belongs; blank is as good as absent.
    fn routed(&mut self, source: Source<'_>) -> SourceKey {
        let mut key = [0; 3];
        let parts = key.iter_mut().zip(self.program.routing).zip(&mut self.latest);
        for (dimension, ((part, field), latest)) in parts.enumerate() {
            let raw = field.and_then(|field| self.slots.written_text(field, source));
            if raw.is_some_and(|raw| raw == &*latest.0) {
                *part = latest.1;
                continue;
            }
            let text = field.and_then(|field| self.slots.text(field, source));
            let text = text.as_deref().filter(|text| !text.trim().is_empty());
            *part = self.program.sources.part(dimension, text);
            if let Some(raw) = raw.filter(|raw| raw.len() <= SOURCE_BYTES && !self.slots.is_malformed()) {
                latest.0.clear();
                latest.0.extend_from_slice(raw);
                latest.1 = *part;
            }
        }
        key
    }

    fn judge(&mut self, key: SourceKey, source: Source<'_>, going_on: &[bool], hits: &mut Vec<Hit>) {
        self.event = self.event.wrapping_add(1);
        if self.event == 0 {
            self.event = 1;
            self.opened.fill(0);
        }
        let (program, slots) = (&*self.program, &mut self.slots);
        let (opened, candidates, event) = (&mut self.opened, &mut self.candidates, self.event);
        candidates.clear();
        let fitting = self.plans.fitting(program, key, &slots.present);
        let goes_on = |case: u32| {
            let rules = program.cases.get(case as usize).map(|case| &case.rules);
            rules.into_iter().flatten().any(|rule| going_on.get(*rule as usize) == Some(&true))
        };
        fitting.shape.open(program, slots, source, &goes_on, &mut |case| {
            if let Some(last) = opened.get_mut(case as usize).filter(|last| **last != event)
                && fitting.holds(case)
            {
                *last = event;
                candidates.push(case);
            }
        });
        let first = hits.len();
        for case in candidates {
            let Some(case) = program.cases.get(*case as usize) else { continue };
            if case.scope.is_some_and(|scope| !slots.holds(scope, program, source)) {
                continue;
            }
            let condition = slots.holds(case.condition, program, source);
            if condition || case.scope.is_some() {
                let clear = case.clear.map(|clear| slots.holds(clear, program, source));
                hits.extend(case.rules.iter().map(|rule| Hit { rule: *rule, condition, clear }));
            }
        }
        if let Some(new) = hits.get_mut(first..).filter(|new| new.len() > 1) {
            new.sort_unstable_by_key(|hit| hit.rule);
        }
    }
}

#[cfg(test)]
mod tests;
