//! `x-edge`: what a site needs beyond Sigma - hold, clear, gaps, and what it is keyed by.
//!
//! Documented with examples in `X-EDGE.md`. Not the state machine (see `engine`). Invariant: every key that is not
//! understood is a fault; nothing is silently ignored.
#![deny(clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::atom::{Atom, Logic, Test};
use super::lower::Lowering;
use super::{Detection, condition, duration, raw};
use crate::error::Fault;
use crate::yaml::Node;

/// The `x-edge` section of a rule.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    /// The fields that tell one thing from another; empty for one state for all.
    pub(crate) key: Vec<Arc<str>>,
    /// How long the condition must hold before it is a finding.
    pub(crate) hold: Duration,
    /// What ends the finding; `None` for "the condition no longer holds".
    pub(crate) clear: Option<Logic>,
    /// How long the end must last.
    pub(crate) clear_for: Duration,
    /// The longest step between two events that counts as held.
    pub(crate) max_gap: Option<Duration>,
    /// What a longer step does.
    pub(crate) on_gap: OnGap,
    /// Which events the rule is about at all; the others leave its state alone.
    pub(crate) scope: Logic,
}

/// What a gap longer than `max-gap` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnGap {
    /// The state stays as it was; the unobserved time is not counted.
    Hold,
    /// Pending time starts again and a finding ends.
    Clear,
    /// The gap is a finding.
    Fire,
}

const KEYS: &str = "key, scope, for, clear, clear-for, max-gap, on-gap";

/// Reads the section and puts its comparisons beside those of the detection.
pub(crate) fn read(node: &Node, detection: &mut Detection, lowering: &mut Lowering<'_>) -> Result<Edge, Fault> {
    let Some(entries) = node.map() else {
        return Err(node.fault("`x-edge` is not a map", format!("keys are {KEYS}")));
    };
    let mut edge = Edge {
        key: Vec::new(),
        hold: Duration::ZERO,
        clear: None,
        clear_for: Duration::ZERO,
        max_gap: None,
        on_gap: OnGap::Hold,
        scope: Logic::All(Vec::new()),
    };
    let mut scope = None;
    lowering.atoms = std::mem::take(&mut detection.atoms);
    for (key, value) in entries {
        match key.text.as_str() {
            "key" => edge.key = names(value)?,
            "scope" => scope = Some(value),
            "for" => edge.hold = duration::read(value)?,
            "clear" => edge.clear = Some(selection("clear", value, lowering)?),
            "clear-for" => edge.clear_for = duration::read(value)?,
            "max-gap" => edge.max_gap = Some(duration::read(value)?),
            "on-gap" => edge.on_gap = on_gap(value)?,
            other => {
                let message = format!("`{other}` is not part of x-edge");
                return Err(Fault::new(key.place, message, format!("keys are {KEYS}")));
            }
        }
    }
    if edge.on_gap != OnGap::Hold && edge.max_gap.is_none() {
        return Err(node.fault("`on-gap` without `max-gap`", "say how long a gap is: `max-gap: 30s`"));
    }
    detection.atoms = std::mem::take(&mut lowering.atoms);
    edge.scope = match scope {
        Some(value) => explicit_scope(value, detection)?,
        None => implied_scope(detection, edge.clear.as_ref()),
    };
    Ok(edge)
}

/// One selection written in place.
fn selection(name: &str, node: &Node, lowering: &mut Lowering<'_>) -> Result<Logic, Fault> {
    lowering.selection = Arc::from(name);
    raw::lower(&raw::selection(node)?, lowering)
}

/// One field name or a list of them.
pub(crate) fn names(node: &Node) -> Result<Vec<Arc<str>>, Fault> {
    node.items()
        .iter()
        .map(|item| {
            let name = item.text().filter(|name| !name.is_empty());
            name.map(Arc::from).ok_or_else(|| item.fault("not the name of a field", "write `[device_id]`"))
        })
        .collect()
}

fn on_gap(node: &Node) -> Result<OnGap, Fault> {
    match node.text() {
        Some("hold") => Ok(OnGap::Hold),
        Some("clear") => Ok(OnGap::Clear),
        Some("fire") => Ok(OnGap::Fire),
        _ => Err(node.fault("`on-gap` is not understood", "write hold, clear or fire")),
    }
}

fn explicit_scope(node: &Node, detection: &Detection) -> Result<Logic, Fault> {
    let texts = raw::condition_texts(node)?;
    let parts: Result<Vec<Logic>, Fault> =
        texts.iter().map(|(text, place)| condition::parse(text, *place, &detection.selections)).collect();
    Ok(Logic::any(parts?))
}

/// The part of the condition that says what the rule is about, without the part that says how it is.
///
/// The measured fields are those of `clear`, those compared as numbers, and `value`. What the condition demands of
/// other fields is the scope; an event must also carry one of the measured fields. A condition that has none is
/// all measurement, and every event of the log source counts.
fn implied_scope(detection: &mut Detection, clear: Option<&Logic>) -> Logic {
    let mut measured: BTreeSet<Arc<str>> = BTreeSet::new();
    let atoms = &detection.atoms;
    let field = |index: usize| atoms.get(index).and_then(|atom| atom.field.clone());
    if let Some(clear) = clear {
        clear.each_atom(false, &mut |index, _| measured.extend(field(index)));
    }
    detection.condition.each_atom(false, &mut |index, _| {
        let number = atoms.get(index).is_some_and(|atom| matches!(atom.test, Test::Compare(..)));
        if number || field(index).is_some_and(|name| &*name == "value") {
            measured.extend(field(index));
        }
    });
    let mut conjuncts = Vec::new();
    flatten(&detection.condition, &mut conjuncts);
    let measures = |logic: &Logic| {
        let mut found = false;
        logic.each_atom(false, &mut |index, _| found |= field(index).is_some_and(|name| measured.contains(&name)));
        found
    };
    let mut scope: Vec<Logic> = conjuncts.iter().filter(|logic| !measures(logic)).map(|l| (*l).clone()).collect();
    if scope.len() == conjuncts.len() {
        return Logic::All(Vec::new());
    }
    let mut present = Vec::new();
    for name in measured {
        present.push(Logic::Atom(detection.atoms.len()));
        detection.atoms.push(Atom {
            field: Some(name),
            test: Test::Exists,
            selection: Arc::from("scope"),
            words: Arc::from("exists"),
            line: 0,
        });
    }
    scope.push(Logic::any(present));
    Logic::all(scope)
}

fn flatten<'a>(logic: &'a Logic, into: &mut Vec<&'a Logic>) {
    match logic {
        Logic::All(parts) => parts.iter().for_each(|part| flatten(part, into)),
        other => into.push(other),
    }
}
