//! The engine: events and time in, matches and the next deadline out.
//!
//! It owns the state of the rules in force, and nothing else. Windows run on event time; silence and deadlines on
//! the monotonic time that is passed in. Invariant: every table in it is bounded ([`Limits`]), and what had to go
//! is counted ([`Stats`]).

mod draft;
mod hold;
mod snapshot;
mod table;
pub(crate) mod view;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sitewarden_core::{Event, FindingDraft, LogSource, Monotonic, Now, Timestamp, Value};

use crate::explain;
use crate::limits::{AHEAD_SECONDS, KEYS_PER_RULE};
use crate::rule::edge::Edge;
use crate::rule::{Body, Detection, Rule};
use crate::set::RuleSet;
use hold::{Hold, Outcome, Step};
use table::Table;
use view::View;

pub use snapshot::SnapshotError;

/// Bounds that a site may set lower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most keys that one rule remembers.
    pub keys_per_rule: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { keys_per_rule: KEYS_PER_RULE }
    }
}

/// What the engine has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Events judged.
    pub events: u64,
    /// Matches given out, ends of findings included.
    pub matches: u64,
    /// Events that were not JSON objects.
    pub malformed: u64,
    /// Events older than the newest of their key, which moved no state.
    pub late: u64,
    /// Events whose own time lay too far ahead; the box's time was taken.
    pub ahead: u64,
    /// Keys that were forgotten because a table was full.
    pub evicted: u64,
}

/// The rules in force and their state.
#[derive(Debug)]
pub struct Engine {
    set: Arc<RuleSet>,
    limits: Limits,
    /// One for each rule of the set, in its order.
    states: Vec<State>,
    stats: Stats,
}

/// What one rule remembers.
#[derive(Debug)]
enum State {
    /// A rule without `x-edge` remembers nothing.
    None,
    Hold(Table<Hold>),
}

impl Engine {
    /// An engine without history.
    #[must_use]
    pub fn new(set: Arc<RuleSet>, limits: Limits) -> Self {
        let states = set.rules().iter().map(|rule| fresh(rule, limits)).collect();
        Self { set, limits, states, stats: Stats::default() }
    }

    /// The rules in force.
    #[must_use]
    pub const fn rules(&self) -> &Arc<RuleSet> {
        &self.set
    }

    /// Counts since the engine was made.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// Judges a typed event; matches are appended to `out`.
    pub fn handle_event(&mut self, event: &Event, now: Now, out: &mut Vec<FindingDraft>) {
        let time = self.checked(event.time, now);
        let view = View::new(&event.fields, time, event.asset.clone());
        self.judge(&event.source, &view, out);
    }

    /// Judges a JSON object; matches are appended to `out`. What is not a JSON object is counted and matches
    /// nothing.
    pub fn handle_json(
        &mut self,
        source: &LogSource,
        bytes: &[u8],
        time: Timestamp,
        now: Now,
        out: &mut Vec<FindingDraft>,
    ) {
        let Ok(serde_json::Value::Object(map)) = serde_json::from_slice(bytes) else {
            self.stats.malformed += 1;
            return;
        };
        let fields: Vec<(Arc<str>, Value)> =
            map.iter().map(|(key, value)| (Arc::from(key.as_str()), view::value_of(value, 1))).collect();
        let time = self.checked(time, now);
        let view = View::new(&fields, time, None);
        self.judge(source, &view, out);
    }

    /// Lets time pass; matches of timers are appended to `out`.
    pub fn handle_timeout(&mut self, _now: Now, _out: &mut Vec<FindingDraft>) {}

    /// When [`Self::handle_timeout`] is due; `None` when no timer runs.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Monotonic> {
        None
    }

    /// Takes over another set. Rules whose text did not change keep their state.
    pub fn replace(&mut self, set: Arc<RuleSet>) {
        let old = std::mem::replace(&mut self.set, set);
        let mut states = std::mem::take(&mut self.states);
        self.states = self.set.rules().iter().map(|rule| {
            let at = old.rules().iter().position(|other| other.id == rule.id && other.fingerprint == rule.fingerprint);
            let kept = at.and_then(|at| states.get_mut(at)).map(|state| std::mem::replace(state, State::None));
            kept.unwrap_or_else(|| fresh(rule, self.limits))
        }).collect();
    }

    /// The event's time, or the box's time when the event claims to come from the future.
    fn checked(&mut self, time: Timestamp, now: Now) -> Timestamp {
        self.stats.events += 1;
        let sane = now.wall.micros() > CLOCK_SET_MICROS;
        if sane && time.since(now.wall).as_secs() > AHEAD_SECONDS {
            self.stats.ahead += 1;
            return now.wall;
        }
        time
    }

    fn judge(&mut self, source: &LogSource, view: &View<'_>, out: &mut Vec<FindingDraft>) {
        let before = out.len();
        for (rule, state) in self.set.rules().iter().zip(&mut self.states) {
            let Body::Detection(detection) = &rule.body;
            if !routed(&rule.logsource, source) {
                continue;
            }
            match (&rule.edge, state) {
                (Some(edge), State::Hold(table)) => {
                    hold_event(rule, detection, edge, table, view, &mut self.stats, out);
                }
                _ => {
                    if explain::holds(&detection.condition, &detection.atoms, view.fields) {
                        out.push(draft::plain(rule, detection, view));
                    }
                }
            }
        }
        self.stats.matches += (out.len() - before) as u64;
    }
}

/// 2020-01-01: before it, the box's clock has not been set and cannot judge an event's time.
const CLOCK_SET_MICROS: i64 = 1_577_836_800_000_000;

fn fresh(rule: &Rule, limits: Limits) -> State {
    if rule.edge.is_some() { State::Hold(Table::new(limits.keys_per_rule)) } else { State::None }
}

/// Whether a rule's log source can be the event's. A part that either side leaves open does not conflict.
fn routed(rule: &LogSource, event: &LogSource) -> bool {
    let agrees = |rule: &Option<Arc<str>>, event: &Option<Arc<str>>| match (rule, event) {
        (Some(rule), Some(event)) => rule.eq_ignore_ascii_case(event),
        _ => true,
    };
    agrees(&rule.product, &event.product)
        && agrees(&rule.category, &event.category)
        && agrees(&rule.service, &event.service)
}

fn hold_event(
    rule: &Rule,
    detection: &Detection,
    edge: &Edge,
    table: &mut Table<Hold>,
    view: &View<'_>,
    stats: &mut Stats,
    out: &mut Vec<FindingDraft>,
) {
    let holds = |logic| explain::holds(logic, &detection.atoms, view.fields);
    if !holds(&edge.scope) {
        return;
    }
    let Some(key) = view.key(&edge.key) else { return };
    let active = holds(&detection.condition);
    let clear = edge.clear.as_ref().map_or(!active, holds);
    let remembers = edge.on_gap == crate::rule::edge::OnGap::Fire;
    if !active && !remembers && table.get(&key).is_none() {
        return;
    }
    let (hold, evicted) = table.entry(&key, Hold::default);
    stats.evicted += evicted;
    if active || hold.raised {
        hold.asset = view.asset.clone().or(hold.asset.take());
    }
    let before = hold.clone_for_draft();
    let Some(outcomes) = hold.step(edge, Step { time: view.time, active, clear }) else {
        stats.late += 1;
        return;
    };
    if hold.active {
        hold.keep(view.kept());
    }
    for outcome in outcomes.into_iter().flatten() {
        let state = if matches!(outcome, Outcome::Clear | Outcome::ClearGap) { &before } else { &*hold };
        out.push(draft::held(rule, detection, edge, &key, outcome, state, view));
    }
    if hold.is_idle() && !remembers {
        table.remove(&key);
    }
}

#[cfg(test)]
mod tests;
