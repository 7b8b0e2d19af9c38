//! The compiled matcher: which rules hold for an event, from JSON bytes or typed fields.
//!
//! Three steps: find the values that rules ask for, open gates by what is cheap to see of them, evaluate the rules
//! whose gate opened. Not the state of rules. Invariant: the answer is that of evaluating every rule atom by atom
//! (`explain`), whatever the gates are.
#![deny(clippy::indexing_slicing)]

mod gate;
mod grams;
mod hash;
mod program;
mod scan;
mod slots;

use std::borrow::Cow;
use std::sync::Arc;

use sitewarden_core::{LogSource, Value};

use crate::fields;
use crate::number::Number;
use crate::rule::{Body, Rule};
use hash::folded;
use program::Field;
pub(crate) use program::Program;
use scan::{Names, SpanKind};
pub(crate) use slots::Source;
use slots::{Glance, Slots, parse_number};

/// Most log sources whose routing is remembered; rule sets name a few dozen.
const PLANS: usize = 256;

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
    plans: Vec<Plan>,
    /// Stamp of the latest event for which a rule's gate opened.
    opened: Vec<u32>,
    stamp: u32,
    candidates: Vec<u32>,
}

/// Which rules may concern the events of a log source.
#[derive(Debug)]
struct Plan {
    source: LogSource,
    /// One bit for each rule.
    rules: Vec<u64>,
    keywords: bool,
}

impl Plan {
    #[inline]
    fn holds(&self, rule: u32) -> bool {
        self.rules.get((rule >> 6) as usize).is_some_and(|word| word >> (rule & 63) & 1 == 1)
    }
}

impl Matcher {
    pub(crate) fn new(program: Arc<Program>) -> Self {
        Self {
            names: Names::new(),
            slots: Slots::new(&program),
            plans: Vec::new(),
            opened: vec![0; program.rules.len()],
            stamp: 0,
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
            Some(field) if !self.slots.is_whole(field) => self.slots.text(field, source),
            _ => {
                let text = fields::Fields(self.slots.whole(source)).text(name)?;
                Some(Cow::Owned(text.into_owned()))
            }
        }
    }

    /// The number in a field that a rule reads.
    pub(crate) fn number(&mut self, name: &str, source: Source<'_>) -> Option<Number> {
        match self.program.field_id(name) {
            Some(field) if !self.slots.is_whole(field) => self.slots.number(field, source),
            _ => fields::Fields(self.slots.whole(source)).values(name)?.into_iter().find_map(fields::number),
        }
    }

    /// The whole event, handed over.
    pub(crate) fn take_whole(&mut self, source: Source<'_>) -> Vec<(Arc<str>, Value)> {
        self.slots.take_whole(source)
    }

    /// Whether a whole event that parses stands behind what was read.
    pub(crate) fn confirm(&mut self, source: Source<'_>) -> bool {
        self.slots.whole(source);
        !self.slots.is_malformed()
    }

    /// Judges the JSON object that was read; without a log source by what the object says of its own.
    pub(crate) fn run_json(
        &mut self,
        rules: &[Arc<Rule>],
        log: Option<&LogSource>,
        bytes: &[u8],
        hits: &mut Vec<Hit>,
    ) {
        let source = Source::Json(bytes);
        if let Some(log) = log {
            return self.run(rules, log, source, hits);
        }
        let [product, category, service] = self.program.routing;
        // The plan of the latest event fits most of the time; then nothing has to be made.
        let mut part = |field: Option<u32>| {
            let text = self.slots.text(field?, source)?;
            if text.trim().is_empty() { None } else { Some(text) }
        };
        let (product, category, service) = (part(product), part(category), part(service));
        let same =
            |plan: &Option<Arc<str>>, event: &Option<Cow<'_, str>>| plan.as_deref() == event.as_deref();
        let fits = |plan: &Plan| {
            same(&plan.source.product, &product)
                && same(&plan.source.category, &category)
                && same(&plan.source.service, &service)
        };
        let at = match self.plans.iter().position(fits) {
            Some(at) => at,
            None => {
                let owned = |text: Option<Cow<'_, str>>| text.map(Arc::from);
                let log =
                    LogSource { product: owned(product), category: owned(category), service: owned(service) };
                self.plan(rules, &log)
            }
        };
        self.run_plan(at, source, hits);
    }

    /// Judges what was read; rules that hold or whose state has to move are appended to `hits`, in order.
    pub(crate) fn run(
        &mut self,
        rules: &[Arc<Rule>],
        log: &LogSource,
        source: Source<'_>,
        hits: &mut Vec<Hit>,
    ) {
        let plan = self.plan(rules, log);
        self.run_plan(plan, source, hits);
    }

    fn run_plan(&mut self, plan: usize, source: Source<'_>, hits: &mut Vec<Hit>) {
        self.stamp = self.stamp.wrapping_add(1);
        if self.stamp == 0 {
            self.stamp = 1;
            self.opened.fill(0);
        }
        self.candidates.clear();
        self.open_gates(plan, source);
        self.candidates.sort_unstable();
        let Some(plan) = self.plans.get(plan) else { return };
        for rule in &self.candidates {
            debug_assert!(plan.holds(*rule));
            let Some(logics) = self.program.rules.get(*rule as usize) else { continue };
            let slots = &mut self.slots;
            let mut holds = |logic| slots.holds(logic, &self.program, source);
            let condition = match &logics.scope {
                None => holds(&logics.condition),
                Some(scope) if !holds(scope) => continue,
                Some(_) => holds(&logics.condition),
            };
            if condition || logics.scope.is_some() {
                let clear = logics.clear.as_ref().map(holds);
                hits.push(Hit { rule: *rule, condition, clear });
            }
        }
    }

    fn open_gates(&mut self, plan: usize, source: Source<'_>) {
        let Some(plan) = self.plans.get(plan) else { return };
        let (opened, candidates, stamp) = (&mut self.opened, &mut self.candidates, self.stamp);
        let mut open = |rule: u32| {
            if let Some(last) = opened.get_mut(rule as usize).filter(|last| **last != stamp)
                && plan.holds(rule)
            {
                *last = stamp;
                candidates.push(rule);
            }
        };
        self.program.always.iter().for_each(|rule| open(*rule));
        self.slots.inspect(source);
        if plan.keywords {
            self.slots.search_keywords(&self.program, source, &mut open);
        }
        for at in 0..self.slots.present.len() {
            let Some(id) = self.slots.present.get(at).copied() else { break };
            let Some(field) = self.program.fields.get(id as usize).filter(|field| !field.all.is_empty())
            else {
                continue;
            };
            field.present.iter().for_each(|rule| open(*rule));
            if field.present.len() == field.all.len() {
                continue;
            }
            match self.slots.glance(id, source) {
                Glance::Null => {}
                Glance::Whole => field.all.iter().for_each(|rule| open(*rule)),
                Glance::Int(whole) => {
                    open_text(&mut self.slots, id, field, whole.to_string().as_bytes(), &mut open);
                }
                Glance::Number(raw) => match parse_number(raw) {
                    Some(Number::Int(_)) => open_text(&mut self.slots, id, field, raw, &mut open),
                    _ => field.all.iter().for_each(|rule| open(*rule)),
                },
                Glance::Decoded(text) if text.is_ascii() => {
                    open_text(&mut self.slots, id, field, text.as_bytes(), &mut open);
                }
                Glance::Text(raw) if self.slots.is_clean(raw) => {
                    open_text(&mut self.slots, id, field, raw, &mut open);
                }
                Glance::Decoded(_) | Glance::Text(_) => match self.slots.folded(id, source) {
                    Some(text) => {
                        open_text(&mut self.slots, id, field, text.as_bytes(), &mut open);
                        field.beyond_ascii.iter().for_each(|rule| open(*rule));
                    }
                    None => field.all.iter().for_each(|rule| open(*rule)),
                },
            }
        }
    }

    /// The number of the plan for a log source, made when it is new.
    fn plan(&mut self, rules: &[Arc<Rule>], log: &LogSource) -> usize {
        if let Some(at) = self.plans.iter().position(|plan| plan.source == *log) {
            // Events come in runs of one kind.
            self.plans.swap(0, at);
            return 0;
        }
        let mut plan =
            Plan { source: log.clone(), rules: vec![0; rules.len().div_ceil(64)], keywords: false };
        for (index, rule) in rules.iter().enumerate() {
            if matches!(rule.body, Body::Detection(_)) && crate::engine::routed(&rule.logsource, log) {
                if let Some(word) = plan.rules.get_mut(index / 64) {
                    *word |= 1 << (index % 64);
                }
                plan.keywords |= self.program.by_keyword.get(index).copied().unwrap_or(false);
            }
        }
        if self.plans.len() >= PLANS {
            self.plans.pop();
        }
        self.plans.insert(0, plan);
        0
    }
}

/// Opens the gates for a text, as JSON writes it or as it is.
#[inline]
fn open_text(slots: &mut Slots, id: u32, field: &Field, text: &[u8], open: &mut impl FnMut(u32)) {
    if !field.exact.is_empty() {
        for rule in field.exact.get(&folded(text)).into_iter().flatten() {
            open(*rule);
        }
    }
    if !field.base.is_empty()
        && let Some(slash) = memchr::memrchr(b'\\', text)
    {
        let base = text.get(slash + 1..).unwrap_or_default();
        for rule in field.base.get(&folded(base)).into_iter().flatten() {
            open(*rule);
        }
    }
    if field.gram_gates {
        slots.search(id, field, text, open);
    }
    let numeric = |b: &u8| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.');
    if !field.numbers.is_empty() && text.first().is_some_and(numeric) {
        match std::str::from_utf8(text).ok().and_then(Number::parse) {
            Some(Number::Int(whole)) => {
                field.numbers.get(&whole).into_iter().flatten().for_each(|rule| open(*rule));
            }
            Some(Number::Float(_)) => field.all.iter().for_each(|rule| open(*rule)),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests;
