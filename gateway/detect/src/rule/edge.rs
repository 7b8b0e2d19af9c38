//! `x-edge`: what a site needs beyond Sigma - hold, clear, gaps, and what it is keyed by.
//!
//! Documented with examples in `X-EDGE.md`. Not the state machine (see `engine`). Invariant: every key that is not
//! understood is a fault; nothing is silently ignored.
#![deny(clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::atom::{Atom, Logic, Test};
use super::edge_parts::{self, Band, Change, FirstSeen, Schedule, Stuck, Suppress};
use super::expr::Expr;
use super::lower::Lowering;
use super::{Detection, condition, duration, raw};
use crate::error::Fault;
use crate::yaml::{Key, Node};

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
    pub(crate) rate: Option<Change>,
    pub(crate) delta: Option<Change>,
    pub(crate) stuck: Option<Stuck>,
    pub(crate) first_seen: Option<FirstSeen>,
    /// Judged by the clock as well, not only when an event comes.
    pub(crate) timer: bool,
    /// The groups are those of the inventory, not those that were seen.
    pub(crate) inventory: bool,
    /// How long after the start of the engine no silence is told.
    pub(crate) start_grace: Duration,
    /// The fields by which groups that fall silent make one finding.
    pub(crate) collapse_by: Vec<Arc<str>>,
    pub(crate) suppress: Option<Suppress>,
    pub(crate) schedule: Option<Schedule>,
    pub(crate) bands: Vec<Band>,
    pub(crate) expr: Option<Arc<Expr>>,
}

impl Edge {
    fn new() -> Self {
        Self {
            key: Vec::new(),
            hold: Duration::ZERO,
            clear: None,
            clear_for: Duration::ZERO,
            max_gap: None,
            on_gap: OnGap::Hold,
            scope: Logic::All(Vec::new()),
            rate: None,
            delta: None,
            stuck: None,
            first_seen: None,
            timer: false,
            inventory: false,
            start_grace: Duration::ZERO,
            collapse_by: Vec::new(),
            suppress: None,
            schedule: None,
            bands: Vec::new(),
            expr: None,
        }
    }

    /// Gives the fields that are named without values other names. Selections were renamed when they were read.
    pub(crate) fn rename(&mut self, name: &impl Fn(&Arc<str>) -> Arc<str>) {
        let lists = [Some(&mut self.key), Some(&mut self.collapse_by)].into_iter();
        let seen = self.first_seen.as_mut().map(|seen| &mut seen.key);
        let lists = lists.chain([seen, self.suppress.as_mut().map(|suppress| &mut suppress.by)]);
        lists.flatten().flatten().for_each(|field| *field = name(field));
        let changes = [&mut self.rate, &mut self.delta];
        let single = changes.into_iter().flatten().map(|change| &mut change.field);
        let stuck = self.stuck.as_mut().map(|stuck| &mut stuck.field);
        for field in single.chain(stuck) {
            *field = name(field);
        }
        if let Some(seen) = &mut self.first_seen {
            seen.value = name(&seen.value);
        }
        if let Some(expr) = &mut self.expr {
            Arc::make_mut(expr).rename(name);
        }
    }

    /// Whether a key is remembered from its first event on, also while the condition does not hold.
    pub(crate) const fn remembers(&self) -> bool {
        matches!(self.on_gap, OnGap::Fire) || self.measures()
    }

    /// Whether the rule remembers values from event to event.
    pub(crate) const fn measures(&self) -> bool {
        self.rate.is_some() || self.delta.is_some() || self.stuck.is_some()
    }
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

const KEYS: &str = "key, scope, for, clear, clear-for, max-gap, on-gap, rate, delta, stuck, first-seen, trigger, \
                    suppress, schedule, severity, expr";
const TIMER_KEYS: &str = "trigger, groups, start-grace, collapse-by, suppress, schedule";

/// Reads the section of a detection and puts its comparisons beside those of the detection.
pub(crate) fn read(
    node: &Node,
    detection: &mut Detection,
    lowering: &mut Lowering<'_>,
) -> Result<Edge, Fault> {
    let Some(entries) = node.map() else {
        return Err(node.fault("`x-edge` is not a map", format!("keys are {KEYS}")));
    };
    let mut edge = Edge::new();
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
            "rate" => edge.rate = Some(edge_parts::change(value, "rate")?),
            "delta" => edge.delta = Some(edge_parts::change(value, "delta")?),
            "stuck" => edge.stuck = Some(edge_parts::stuck(value)?),
            "first-seen" => edge.first_seen = Some(edge_parts::first_seen(value)?),
            "severity" => edge.bands = edge_parts::bands(value, lowering)?,
            "expr" => edge.expr = Some(Arc::new(Expr::parse(value)?)),
            _ => shared(&mut edge, key, value, KEYS)?,
        }
    }
    detection.atoms = std::mem::take(&mut lowering.atoms);
    check(&edge, node)?;
    edge.rename(&|name| lowering.pipelines.field(name));
    let value = lowering.pipelines.field(&Arc::from("value"));
    edge.scope = match scope {
        Some(node) => explicit_scope(node, detection)?,
        None => implied_scope(detection, &edge, &value),
    };
    Ok(edge)
}

/// Reads the section of a correlation.
pub(crate) fn read_timer(node: &Node) -> Result<Edge, Fault> {
    let Some(entries) = node.map() else {
        return Err(node.fault("`x-edge` is not a map", format!("keys are {TIMER_KEYS}")));
    };
    let mut edge = Edge::new();
    for (key, value) in entries {
        match key.text.as_str() {
            "groups" if value.text() == Some("inventory") => edge.inventory = true,
            "groups" => return Err(value.fault("`groups` is not understood", "write `groups: inventory`")),
            "start-grace" => edge.start_grace = duration::read(value)?,
            "collapse-by" => edge.collapse_by = names(value)?,
            _ => shared(&mut edge, key, value, TIMER_KEYS)?,
        }
    }
    let silent_only = edge.inventory || !edge.start_grace.is_zero() || !edge.collapse_by.is_empty();
    if silent_only && !edge.timer {
        let hint = "add `trigger: timer`";
        return Err(node.fault("`groups`, `start-grace` and `collapse-by` belong to a timer", hint));
    }
    Ok(edge)
}

fn shared(edge: &mut Edge, key: &Key, value: &Node, known: &str) -> Result<(), Fault> {
    match key.text.as_str() {
        "trigger" if value.text() == Some("timer") => edge.timer = true,
        "trigger" => return Err(value.fault("`trigger` is not understood", "write `trigger: timer`")),
        "suppress" => edge.suppress = Some(edge_parts::suppress(value)?),
        "schedule" => edge.schedule = Some(edge_parts::schedule(value)?),
        other => {
            let message = format!("`{other}` is not part of x-edge here");
            return Err(Fault::new(key.place, message, format!("keys are {known}")));
        }
    }
    Ok(())
}

fn check(edge: &Edge, node: &Node) -> Result<(), Fault> {
    if edge.on_gap != OnGap::Hold && edge.max_gap.is_none() {
        return Err(node.fault("`on-gap` without `max-gap`", "say how long a gap is: `max-gap: 30s`"));
    }
    if edge.timer && edge.hold.is_zero() {
        return Err(
            node.fault("`trigger: timer` without `for`", "say how long the condition must last: `for: 5m`")
        );
    }
    let stateful = !edge.hold.is_zero() || edge.clear.is_some() || edge.measures() || edge.max_gap.is_some();
    if edge.first_seen.is_some() && (stateful || !edge.key.is_empty()) {
        return Err(
            node.fault("`first-seen` stands alone", "put its key inside: `first-seen: {key: .., value: ..}`")
        );
    }
    Ok(())
}

/// One selection written in place.
pub(crate) fn selection(name: &str, node: &Node, lowering: &mut Lowering<'_>) -> Result<Logic, Fault> {
    lowering.selection = Arc::from(name);
    let raw = lowering.pipelines.selection(raw::selection(node)?)?;
    raw::lower(&raw, lowering)
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
/// The measured fields are those of `clear`, those compared as numbers, and `value` (by the site's name for it). What
/// the condition demands of other fields is the scope; an event must also carry one of the measured fields. A
/// condition that has none is all measurement, and every event of the log source counts.
fn implied_scope(detection: &mut Detection, edge: &Edge, value: &Arc<str>) -> Logic {
    let mut measured: BTreeSet<Arc<str>> = BTreeSet::new();
    let atoms = &detection.atoms;
    let field = |index: usize| atoms.get(index).and_then(|atom| atom.field.clone());
    if let Some(clear) = &edge.clear {
        clear.each_atom(false, &mut |index, _| measured.extend(field(index)));
    }
    detection.condition.each_atom(false, &mut |index, _| {
        let number = atoms.get(index).is_some_and(|atom| matches!(atom.test, Test::Compare(..)));
        if number || field(index).is_some_and(|name| name == *value) {
            measured.extend(field(index));
        }
    });
    let mut conjuncts = Vec::new();
    flatten(&detection.condition, &mut conjuncts);
    let measures = |logic: &Logic| {
        let mut found = false;
        logic.each_atom(false, &mut |index, _| {
            found |= field(index).is_some_and(|name| measured.contains(&name))
        });
        found
    };
    let mut scope: Vec<Logic> =
        conjuncts.iter().filter(|logic| !measures(logic)).map(|l| (*l).clone()).collect();
    if scope.len() == conjuncts.len() {
        // With `rate`, `delta` or `stuck` the measurement is theirs, and the whole condition is the scope.
        return if edge.measures() { detection.condition.clone() } else { Logic::All(Vec::new()) };
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
