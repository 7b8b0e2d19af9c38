//! Rules with a keyed condition: one event, one key, one step of its state.
//!
//! Joins what the event says (scope, condition, clear, changes, schedule) and what may keep a match back. Invariant:
//! a key that has nothing to remember takes no memory.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sitewarden_core::{FindingDraft, Severity, Timestamp};

use super::hold::{Hold, Outcome, Step};
use super::measure::Measure;
use super::table::{Items, Table};
use super::timers::{Timers, after};
use super::view::{View, fields_of};
use super::{Stats, draft};
use crate::explain;
use crate::fields::Fields;
use crate::rule::edge::{Edge, OnGap};
use crate::rule::{Detection, Rule};

/// The state of one key of a rule.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Keyed {
    pub(crate) hold: Hold,
    pub(crate) measure: Option<Measure>,
    /// The condition holds outside of the schedule: when it begins to count.
    pub(crate) opens: Option<Opening>,
    /// The deadline that is queued for it.
    pub(crate) queued: Option<i64>,
}

/// When a schedule opens: event time and the monotonic time that it will be then.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Opening {
    time: Timestamp,
    pub(crate) mono: i64,
}

impl Keyed {
    /// When time alone would change the state.
    pub(crate) fn due(&self, edge: &Edge) -> Option<i64> {
        [self.hold.due(edge), self.opens.map(|opening| opening.mono)].into_iter().flatten().min()
    }

    fn is_idle(&self) -> bool {
        self.hold.is_idle() && self.opens.is_none()
    }

    /// The next opening of the schedule for a condition that holds at `time`, unless it lies beyond what is known.
    fn wait_for_schedule(&mut self, edge: &Edge, time: Timestamp, mono: i64) {
        let opening = edge.schedule.as_ref().and_then(|schedule| schedule.opens_after(time));
        let known = |opening: &Timestamp| edge.max_gap.is_none_or(|longest| opening.since(time) <= longest);
        self.opens = opening
            .filter(known)
            .map(|opening| Opening { time: opening, mono: after(mono, opening.since(time)) });
    }
}

impl Items for Keyed {
    fn items(&self) -> usize {
        self.hold.events.len()
    }

    fn bytes(&self) -> usize {
        self.hold.events.capacity() * size_of::<usize>()
            + self.hold.events.iter().map(|event| event.bytes()).sum::<usize>()
            + self.measure.as_ref().map_or(0, Measure::bytes)
    }
}

/// What the matcher says of an event that is in the rule's scope.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verdict {
    pub(crate) condition: bool,
    /// Whether the clear condition holds; `None` when the rule has none.
    pub(crate) clear: Option<bool>,
    /// Whether a finding of the parent rule keeps this one back.
    pub(crate) suppressed: bool,
}

/// What a step works with.
pub(crate) struct Context<'a> {
    pub(crate) index: usize,
    pub(crate) rule: &'a Rule,
    pub(crate) detection: &'a Detection,
    pub(crate) edge: &'a Edge,
    pub(crate) mono: i64,
    pub(crate) stats: &'a mut Stats,
    pub(crate) timers: &'a mut Timers,
    pub(crate) out: &'a mut Vec<FindingDraft>,
}

/// Takes an event in the scope of the rule; whether a finding was raised.
pub(crate) fn event(
    context: &mut Context<'_>,
    table: &mut Table<Keyed>,
    view: &View<'_>,
    verdict: Verdict,
) -> bool {
    let edge = context.edge;
    let Some(key) = view.key(&edge.key) else { return false };
    if !verdict.condition && !edge.remembers() && table.get(&key).is_none() {
        return false;
    }
    let (keyed, evicted) = table.entry(&key, Keyed::default);
    context.stats.evicted += evicted;
    if keyed.hold.is_late(view.time) {
        context.stats.late += 1;
        return false;
    }
    let measured =
        if edge.measures() { keyed.measure.get_or_insert_default().holds(edge, view) } else { Some(true) };
    let Some(measured) = measured else { return false };
    let counts = covers(edge, view.time);
    // The dearest part last. With a timer the schedule opens by the clock, so that the rest is asked outside of it too.
    let holds = verdict.condition
        && measured
        && (counts || edge.timer)
        && edge.expr.as_ref().is_none_or(|expr| expr.holds(view.fields()));
    let raised = step(context, keyed, &key, view, holds && counts, verdict);
    keyed.opens = None;
    if holds && !counts && !keyed.hold.raised {
        keyed.wait_for_schedule(edge, view.time, context.mono);
        // What it will rest on when the schedule opens.
        keyed.hold.events.clear();
        keyed.hold.keep(view.kept());
        keyed.hold.asset = view.asset.clone();
    }
    settle(context, table, &key);
    raised
}

/// Queues what a key waits for, or forgets a key that has nothing to remember.
fn settle(context: &mut Context<'_>, table: &mut Table<Keyed>, key: &Arc<str>) {
    let edge = context.edge;
    let Some(keyed) = table.get_mut(key) else { return };
    if keyed.is_idle() && !edge.remembers() {
        table.remove(key);
        return;
    }
    let due = keyed.due(edge);
    context.timers.queue(&mut keyed.queued, due, context.index, key);
    table.recount(key);
}

fn covers(edge: &Edge, time: Timestamp) -> bool {
    edge.schedule.as_ref().is_none_or(|schedule| schedule.covers(time))
}

fn step(
    context: &mut Context<'_>,
    keyed: &mut Keyed,
    key: &Arc<str>,
    view: &View<'_>,
    active: bool,
    verdict: Verdict,
) -> bool {
    let hold = &mut keyed.hold;
    let clear = verdict.clear.unwrap_or(!active);
    if active || hold.raised || context.edge.on_gap == OnGap::Fire {
        hold.asset = view.asset.clone().or_else(|| hold.asset.take());
    }
    let before = hold.clone_for_draft();
    let outcomes = hold.step(context.edge, Step { time: view.time, active, clear });
    hold.mono = context.mono;
    if hold.active {
        hold.keep(view.kept());
    } else if context.edge.on_gap == OnGap::Fire {
        // What a gap will rest on: the latest that was heard.
        hold.events.clear();
        hold.keep(view.kept());
    }
    let mut raised = false;
    for outcome in outcomes.into_iter().flatten() {
        let raises = outcome.raises();
        if raises && (verdict.suppressed || !covers(context.edge, view.time)) {
            hold.raised = false;
            context.stats.suppressed += u64::from(verdict.suppressed);
            continue;
        }
        if raises {
            hold.severity = Some(severity(context, view.fields()));
        }
        raised |= raises;
        let state = if raises { &*hold } else { &before };
        let draft = draft::held(context.rule, context.detection, context.edge, key, outcome, state, view);
        context.out.push(draft);
    }
    if !raised && hold.raised && hold.active && !verdict.suppressed {
        escalate(context, hold, key, view);
    }
    raised
}

/// Tells a finding again when it got worse.
fn escalate(context: &mut Context<'_>, hold: &mut Hold, key: &Arc<str>, view: &View<'_>) {
    if context.edge.bands.is_empty() {
        return;
    }
    let now = severity(context, view.fields());
    if hold.severity.is_some_and(|told| now > told) {
        hold.severity = Some(now);
        let outcome = Outcome::Raise;
        let draft = draft::held(context.rule, context.detection, context.edge, key, outcome, hold, view);
        context.out.push(draft);
    }
}

/// The severity of the first band that holds, else the rule's.
fn severity(context: &Context<'_>, fields: Fields<'_>) -> Severity {
    let holds = |logic| explain::holds(logic, &context.detection.atoms, fields);
    let band = context.edge.bands.iter().find(|band| holds(&band.when));
    band.map_or(context.rule.severity, |band| band.severity)
}

/// Time alone passed for a key; whether a finding was raised.
pub(crate) fn pass(
    context: &mut Context<'_>,
    table: &mut Table<Keyed>,
    key: &Arc<str>,
    suppressed: bool,
) -> bool {
    let Some(keyed) = table.get_mut(key) else { return false };
    if let Some(opening) = keyed.opens.take_if(|opening| opening.mono <= context.mono) {
        keyed.hold.begin(opening.time, opening.mono);
    }
    let before = keyed.hold.clone_for_draft();
    let passed = context.mono.saturating_sub(keyed.hold.mono).max(0).cast_unsigned();
    let time = keyed.hold.last.unwrap_or_default().after(Duration::from_micros(passed));
    let mut raised = false;
    if let Some(outcome) = keyed.hold.pass(context.edge, context.mono) {
        raised = outcome.raises();
        if raised && (suppressed || !covers(context.edge, time)) {
            keep_back(context, keyed, outcome, suppressed, time);
            raised = false;
        } else {
            tell(context, keyed, key, outcome, &before, time);
        }
    }
    settle(context, table, key);
    raised
}

/// A finding of the clock that is not told: a parent's finding explains it, or the schedule has closed.
fn keep_back(
    context: &mut Context<'_>,
    keyed: &mut Keyed,
    outcome: Outcome,
    suppressed: bool,
    time: Timestamp,
) {
    keyed.hold.raised = false;
    context.stats.suppressed += u64::from(suppressed);
    if outcome == Outcome::Raise && !suppressed {
        keyed.wait_for_schedule(context.edge, time, context.mono);
        keyed.hold.active = false;
    } else {
        keyed.hold.last = keyed.hold.last.max(Some(time));
        keyed.hold.mono = context.mono;
    }
}

/// Tells what the clock alone came to.
fn tell(
    context: &mut Context<'_>,
    keyed: &mut Keyed,
    key: &Arc<str>,
    outcome: Outcome,
    before: &Hold,
    time: Timestamp,
) {
    let raised = outcome.raises();
    let state = if raised { &keyed.hold } else { before };
    let fields = state.events.last().map(|event| fields_of(event)).unwrap_or_default();
    let view = View::new(&fields, time, state.asset.clone());
    let severity = raised.then(|| severity(context, view.fields()));
    let mut draft = draft::held(context.rule, context.detection, context.edge, key, outcome, state, &view);
    if let Some(severity) = severity {
        draft.severity = severity;
        keyed.hold.severity = Some(severity);
    }
    context.out.push(draft);
}
