//! Rules with a keyed condition: one event, one key, one step of its state.
//!
//! Joins what the event says (scope, condition, clear, changes, schedule) and what may keep a match back. Invariant:
//! a key that has nothing to remember takes no memory.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sitewarden_core::{FindingDraft, Severity};

use super::hold::{Hold, Outcome, Step};
use super::measure::Measure;
use super::table::Table;
use super::timers::Timers;
use super::view::View;
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
    /// The deadline that is queued for it.
    pub(crate) queued: Option<i64>,
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
    let remembers = edge.on_gap == OnGap::Fire || edge.measures();
    if !verdict.condition && !remembers && table.get(&key).is_none() {
        return false;
    }
    let (keyed, evicted) = table.entry(&key, Keyed::default);
    context.stats.evicted += evicted;
    let active = active(edge, keyed, view, verdict);
    let raised = step(context, keyed, &key, view, active, verdict);
    if keyed.hold.is_idle() && !remembers {
        table.remove(&key);
    } else {
        let due = keyed.hold.due(edge);
        context.timers.queue(&mut keyed.queued, due, context.index, &key);
    }
    raised
}

/// Whether the whole condition holds, the dearest part last.
fn active(edge: &Edge, keyed: &mut Keyed, view: &View<'_>, verdict: Verdict) -> bool {
    let measured = !edge.measures() || keyed.measure.get_or_insert_default().holds(edge, view);
    verdict.condition
        && measured
        && edge.schedule.as_ref().is_none_or(|schedule| schedule.covers(view.time))
        && edge.expr.as_ref().is_none_or(|expr| expr.holds(view.fields()))
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
    if active || hold.raised {
        hold.asset = view.asset.clone().or_else(|| hold.asset.take());
    }
    let before = hold.clone_for_draft();
    let Some(outcomes) = hold.step(context.edge, Step { time: view.time, active, clear }) else {
        context.stats.late += 1;
        return false;
    };
    hold.mono = context.mono;
    if hold.active {
        hold.keep(view.kept());
    }
    let mut raised = false;
    for outcome in outcomes.into_iter().flatten() {
        let raises = matches!(outcome, Outcome::Raise | Outcome::RaiseGap);
        if raises && verdict.suppressed {
            hold.raised = false;
            context.stats.suppressed += 1;
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
    if !raised && hold.raised && hold.active {
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
    let before = keyed.hold.clone_for_draft();
    let mut raised = false;
    if let Some(outcome) = keyed.hold.pass(context.edge, context.mono) {
        raised = matches!(outcome, Outcome::Raise | Outcome::RaiseGap);
        if raised && suppressed {
            keyed.hold.raised = false;
            keyed.hold.mono = context.mono;
            context.stats.suppressed += 1;
            raised = false;
        } else {
            let state = if raised { &keyed.hold } else { &before };
            let fields = state.events.last().map(|event| super::view::fields_of(event)).unwrap_or_default();
            let passed = context.mono.saturating_sub(state.mono).max(0).cast_unsigned();
            let time = state.last.unwrap_or_default().after(std::time::Duration::from_micros(passed));
            let view = View::new(&fields, time, state.asset.clone());
            let severity = raised.then(|| severity(context, view.fields()));
            let mut draft =
                draft::held(context.rule, context.detection, context.edge, key, outcome, state, &view);
            if let Some(severity) = severity {
                draft.severity = severity;
                keyed.hold.severity = Some(severity);
            }
            context.out.push(draft);
        }
    }
    if keyed.hold.is_idle() && context.edge.on_gap != OnGap::Fire && !context.edge.measures() {
        table.remove(key);
    } else {
        let due = keyed.hold.due(context.edge);
        context.timers.queue(&mut keyed.queued, due, context.index, key);
    }
    raised
}
