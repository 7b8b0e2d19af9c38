//! The naive evaluator of correlations and filters: it never forgets, every question is answered from the list of
//! all matches of a group.
//!
//! Slow, and without bounds. Invariant: it shares no code with the engine.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::generator::{Condition, Correlation, Sent, Tree, World, name};

fn value_text(event: &Sent, field: &str) -> Option<String> {
    match event.fields.get(field)? {
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn key(event: &Sent, fields: &[&'static str]) -> Option<Vec<String>> {
    fields.iter().map(|field| value_text(event, field)).collect()
}

/// A match that a correlation was told of.
#[derive(Clone, Debug)]
struct Told {
    time: i64,
    /// Which event it was, in order of arrival.
    event: usize,
    /// Position in the correlation's `rules`.
    position: usize,
    value: Option<Vec<String>>,
    sent: Sent,
}

/// What is known of one group of one correlation: everything.
#[derive(Clone, Debug, Default)]
struct Group {
    told: Vec<Told>,
    held: bool,
    /// Since when (event time, clock) a condition with `not` holds.
    waits: Option<(i64, i64)>,
}

impl Group {
    fn newest(&self) -> Option<i64> {
        self.told.iter().map(|told| told.time).max()
    }

    /// Specification, "Correlation Types": what lies in the time frame that ends with the newest match.
    fn frame(&self, span: i64) -> Vec<Told> {
        let newest = self.newest().unwrap();
        let mut frame: Vec<Told> =
            self.told.iter().filter(|told| newest - told.time <= span).cloned().collect();
        frame.sort_by_key(|told| told.time);
        frame
    }
}

fn within(bounds: &[(&str, i64)], number: f64) -> bool {
    bounds.iter().all(|(word, bound)| {
        let bound = *bound as f64;
        match *word {
            "gt" => number > bound,
            "gte" => number >= bound,
            "lt" => number < bound,
            "lte" => number <= bound,
            _ => number == bound,
        }
    })
}

/// Whether there is a match of each of these rules, each later than the one before it.
fn in_order(frame: &[Told], wanted: &[usize]) -> bool {
    fn from(frame: &[Told], wanted: &[usize], after: Option<(i64, usize)>) -> bool {
        let Some((first, rest)) = wanted.split_first() else { return true };
        frame.iter().any(|told| {
            told.position == *first
                && after.is_none_or(|after| after < (told.time, told.event))
                && from(frame, rest, Some((told.time, told.event)))
        })
    }
    from(frame, wanted, None)
}

/// The most rules, from the first one on, that follow each other.
fn longest_order(frame: &[Told], rules: usize) -> usize {
    (0..=rules).rev().find(|count| in_order(frame, &(0..*count).collect::<Vec<_>>())).unwrap()
}

fn tree_holds(tree: &Tree, present: &BTreeSet<usize>) -> bool {
    match tree {
        Tree::Rule(at) => present.contains(at),
        Tree::Not(inner) => !tree_holds(inner, present),
        Tree::And(parts) => parts.iter().all(|part| tree_holds(part, present)),
        Tree::Or(parts) => parts.iter().any(|part| tree_holds(part, present)),
    }
}

fn negates(tree: &Tree, under: bool) -> bool {
    match tree {
        Tree::Rule(_) => under,
        Tree::Not(inner) => negates(inner, !under),
        Tree::And(parts) | Tree::Or(parts) => parts.iter().any(|part| negates(part, under)),
    }
}

/// Positions that stand under no `not`.
fn positive(tree: &Tree, under: bool, into: &mut BTreeSet<usize>) {
    match tree {
        Tree::Rule(at) if !under => drop(into.insert(*at)),
        Tree::Rule(_) => {}
        Tree::Not(inner) => positive(inner, !under, into),
        Tree::And(parts) | Tree::Or(parts) => parts.iter().for_each(|part| positive(part, under, into)),
    }
}

/// Whether the tree holds for what is present when of the rules asked for only these are looked at, as present,
/// while those that must be absent are judged by all that is present.
fn tree_holds_with(tree: &Tree, chosen: &BTreeSet<usize>, all: &BTreeSet<usize>, under: bool) -> bool {
    match tree {
        Tree::Rule(at) => {
            if under {
                all.contains(at)
            } else {
                chosen.contains(at)
            }
        }
        Tree::Not(inner) => !tree_holds_with(inner, chosen, all, !under),
        Tree::And(parts) => parts.iter().all(|part| tree_holds_with(part, chosen, all, under)),
        Tree::Or(parts) => parts.iter().any(|part| tree_holds_with(part, chosen, all, under)),
    }
}

fn condition_holds(rule: &Correlation, frame: &[Told]) -> bool {
    let present: BTreeSet<usize> = frame.iter().map(|told| told.position).collect();
    let ordered = rule.kind == "temporal_ordered";
    match &rule.condition {
        Condition::Tree(tree) if !ordered => tree_holds(tree, &present),
        Condition::Tree(tree) => {
            // Some choice of the rules that are asked for fulfils the condition and appears in order.
            let mut asked = BTreeSet::new();
            positive(tree, false, &mut asked);
            let asked: Vec<usize> = asked.intersection(&present).copied().collect();
            (0..1_u32 << asked.len()).any(|bits| {
                let chosen: BTreeSet<usize> =
                    asked.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1).map(|(_, p)| *p).collect();
                let order: Vec<usize> = chosen.iter().copied().collect();
                tree_holds_with(tree, &chosen, &present, false) && in_order(frame, &order)
            })
        }
        Condition::Absent if ordered => longest_order(frame, rule.rules.len()) == rule.rules.len(),
        Condition::Absent => present.len() == rule.rules.len(),
        Condition::Bounds(bounds) => match rule.kind {
            "event_count" => within(bounds, frame.len() as f64),
            "value_count" => {
                let values: BTreeSet<_> = frame.iter().filter_map(|told| told.value.clone()).collect();
                within(bounds, values.len() as f64)
            }
            "temporal" => within(bounds, present.len() as f64),
            "temporal_ordered" => within(bounds, longest_order(frame, rule.rules.len()) as f64),
            metric => {
                let numbers = frame.iter().filter_map(|told| told.value.as_ref()?[0].parse().ok());
                let mut numbers: Vec<f64> = numbers.collect();
                numbers.sort_by(f64::total_cmp);
                if numbers.is_empty() {
                    return false;
                }
                let sum: f64 = numbers.iter().sum();
                let half = numbers.len() / 2;
                within(
                    bounds,
                    match metric {
                        "value_sum" => sum,
                        "value_avg" => sum / numbers.len() as f64,
                        _ if numbers.len() % 2 == 1 => numbers[half],
                        _ => f64::midpoint(numbers[half - 1], numbers[half]),
                    },
                )
            }
        },
    }
}

/// The evaluator.
pub(crate) struct Naive<'a> {
    world: &'a World,
    groups: BTreeMap<(usize, Vec<String>), Group>,
    clock: i64,
    events: usize,
    /// What it told of, as lines.
    pub(crate) out: Vec<String>,
}

impl<'a> Naive<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        Self { world, groups: BTreeMap::new(), clock: 0, events: 0, out: Vec::new() }
    }

    /// Specification, "Generate": rules that a correlation refers to make no findings of their own without it.
    fn is_told(&self, rule: usize) -> bool {
        self.world.correlations.iter().filter(|c| c.rules.contains(&rule)).all(|c| c.generate)
    }

    fn finding(&mut self, rule: usize, key: &[String], time: i64) {
        if self.is_told(rule) {
            let key: String = key.iter().map(|part| format!("|{part}")).collect();
            self.out.push(format!("{time} {}{key}", name(rule)));
        }
    }

    pub(crate) fn event(&mut self, sent: &Sent) {
        self.pass(sent.arrives);
        self.events += 1;
        let least = |least: i64| {
            value_text(sent, "v").and_then(|text| text.parse::<i64>().ok()).is_some_and(|v| v >= least)
        };
        for (index, base) in self.world.bases.iter().enumerate() {
            let kind = value_text(sent, "k").unwrap();
            let matches = base.kinds.contains(&&*kind) && base.least.is_none_or(least);
            let user = value_text(sent, "u").unwrap_or_default();
            let filtered = self.world.filters.iter().any(|filter| {
                filter.rules.as_ref().is_none_or(|rules| rules.contains(&index))
                    && filter.users.contains(&&*user)
            });
            if matches && !filtered {
                self.finding(index, &[], sent.time);
                self.tell(index, sent, sent.time);
            }
        }
    }

    /// A rule matched: first all that refer to it are told, then what comes of that.
    fn tell(&mut self, rule: usize, sent: &Sent, time: i64) {
        let bases = self.world.bases.len();
        let mut fired = Vec::new();
        for (index, correlation) in self.world.correlations.iter().enumerate() {
            for position in (0..correlation.rules.len()).filter(|at| correlation.rules[*at] == rule) {
                if self.count(index, position, sent, time) {
                    fired.push(bases + index);
                }
            }
        }
        for rule in fired {
            self.tell(rule, sent, time);
        }
    }

    fn count(&mut self, index: usize, position: usize, sent: &Sent, time: i64) -> bool {
        let rule = &self.world.correlations[index];
        let Some(key) = key(sent, &rule.groups[position]) else { return false };
        let id = (index, key);
        let mut group = self.groups.get(&id).cloned().unwrap_or_default();
        if group.newest().is_some_and(|newest| newest - time > rule.span) {
            return false;
        }
        if let Some((since, _)) = group.waits.filter(|(since, _)| time - since > rule.span) {
            self.waited(&id, since);
            group = self.groups.get(&id).cloned().unwrap_or_default();
        }
        let value = self::key(sent, &rule.fields).filter(|_| !rule.fields.is_empty());
        group.told.push(Told { time, event: self.events, position, value, sent: sent.clone() });
        let frame = group.frame(rule.span);
        // What has left the frame entirely has ceased; what comes then is something new.
        group.held &= frame.len() > 1;
        let holds = condition_holds(rule, &frame);
        if matches!(&rule.condition, Condition::Tree(tree) if negates(tree, false)) {
            group.waits = holds.then(|| group.waits.unwrap_or((time, self.clock)));
            self.groups.insert(id, group);
            return false;
        }
        let begins = holds && !group.held;
        group.held = holds;
        self.groups.insert(id.clone(), group);
        if begins {
            self.finding(self.world.bases.len() + index, &id.1, time);
        }
        begins
    }

    /// A condition with `not` held for the whole of its time frame: that is the match.
    fn waited(&mut self, id: &(usize, Vec<String>), since: i64) {
        let rule = &self.world.correlations[id.0];
        let group = self.groups.remove(id).unwrap();
        let time = since + rule.span;
        let index = self.world.bases.len() + id.0;
        self.finding(index, &id.1, time);
        let last = group.told.last().unwrap().sent.clone();
        self.tell(index, &last, time);
    }

    /// Lets the clock pass: a time frame that is over cannot be spoiled any more.
    pub(crate) fn pass(&mut self, clock: i64) {
        loop {
            let over = |((index, key), group): (&(usize, Vec<String>), &Group)| {
                let (since, at) = group.waits?;
                let due = at + self.world.correlations[*index].span;
                (due < clock).then(|| (due, *index, key.clone(), since))
            };
            let Some((due, index, key, since)) = self.groups.iter().filter_map(over).min() else { break };
            self.clock = due;
            self.waited(&(index, key), since);
        }
        self.clock = clock;
    }
}
