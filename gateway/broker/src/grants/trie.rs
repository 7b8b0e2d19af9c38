//! The compiled tries of one principal: publish, subscribe and deliver in one table of nodes.
//!
//! Not the building of it. A site may have thousands of clients whose grants differ by their client id alone, so a
//! node is 16 bytes and each text stands once. Invariants: the children of a node stand together, the literal ones
//! sorted, then that for `$*`, then that for `+`; equal rules make equal tables; no walk allocates but for
//! containment, which is bounded.

use std::cmp::Ordering;

use super::{ALLOW, DENY};
use crate::limits::CONTAINMENT_STEPS;

/// Which question a trie answers. Its root stands at that place of the table.
#[derive(Clone, Copy, Debug)]
pub(super) enum Root {
    /// Topics of publishes and wills.
    Publish = 0,
    /// Filters of subscriptions.
    Subscribe = 1,
    /// Topics of deliveries.
    Deliver = 2,
}

/// One node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Node {
    /// Where its level stands in the texts, and its length in bytes.
    pub(super) level: (u32, u16),
    /// Rules that end here.
    pub(super) here: u8,
    /// Rules that end in `#` below here, and whether it has children for `$*` and `+`.
    pub(super) rest_and_wild: u8,
    /// Where its children stand, and how many there are.
    pub(super) children: (u32, u32),
}

impl Node {
    pub(super) const DOLLAR: u8 = 4;
    pub(super) const PLUS: u8 = 8;

    const fn rest(&self) -> u8 {
        self.rest_and_wild & (ALLOW | DENY)
    }

    const fn has(&self, wild: u8) -> bool {
        self.rest_and_wild & wild != 0
    }

    /// The child for every level.
    fn plus(&self) -> Option<u32> {
        self.has(Self::PLUS).then(|| self.children.0 + self.children.1 - 1)
    }

    /// The child for every level that begins with `$`; only a root has one.
    fn dollar(&self) -> Option<u32> {
        let after = 1 + u32::from(self.has(Self::PLUS));
        self.has(Self::DOLLAR).then(|| self.children.0 + self.children.1 - after)
    }

    fn literals(&self) -> (u32, u32) {
        let wild = u32::from(self.has(Self::PLUS)) + u32::from(self.has(Self::DOLLAR));
        (self.children.0, self.children.1 - wild)
    }
}

/// The table.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Tries {
    pub(super) nodes: Box<[Node]>,
    pub(super) levels: Box<str>,
}

impl Tries {
    fn node(&self, at: u32) -> Option<&Node> {
        self.nodes.get(usize::try_from(at).ok()?)
    }

    fn level(&self, node: &Node) -> &str {
        let (at, length) = (node.level.0 as usize, usize::from(node.level.1));
        self.levels.get(at..at + length).unwrap_or_default()
    }

    /// The literal children of a node, sorted by their level.
    fn literals(&self, node: &Node) -> (u32, &[Node]) {
        let (at, count) = node.literals();
        (at, self.nodes.get(at as usize..(at + count) as usize).unwrap_or_default())
    }

    fn child(&self, node: &Node, level: &str) -> Option<u32> {
        let (at, children) = self.literals(node);
        let found = children.binary_search_by(|child| -> Ordering { self.level(child).cmp(level) }).ok()?;
        Some(at + u32::try_from(found).ok()?)
    }

    /// Whether the topic is allowed and not denied.
    pub(super) fn permits(&self, root: Root, topic: &str) -> bool {
        self.rules_of(root as u32, topic, true) == ALLOW
    }

    fn rules_of(&self, at: u32, topic: &str, first: bool) -> u8 {
        let Some(node) = self.node(at) else { return DENY };
        // MQTT 5 §4.7.2: wildcards at the front do not match topics that begin with `$`.
        let wild = !(first && topic.starts_with('$'));
        let mut rules = if wild { node.rest() } else { 0 };
        let (level, after) = match topic.split_once('/') {
            Some((level, after)) => (level, Some(after)),
            None => (topic, None),
        };
        // Only the root has rules for `$`.
        let plus = if wild { node.plus() } else { node.dollar() };
        for next in [self.child(node, level), plus].into_iter().flatten() {
            rules |= match (after, self.node(next)) {
                (Some(after), _) => self.rules_of(next, after, false),
                // `a/#` matches `a` as well (MQTT 5 §4.7.1.2).
                (None, Some(end)) => end.here | end.rest(),
                (None, None) => DENY,
            };
        }
        rules
    }

    /// Whether every topic that the filter matches is allowed and not denied.
    pub(super) fn contains(&self, root: Root, filter: &str) -> bool {
        let levels: Vec<&str> = filter.split('/').collect();
        let mut budget = CONTAINMENT_STEPS;
        self.covers(&levels, &State { nodes: vec![root as u32], rules: 0, first: true }, &mut budget)
    }

    /// Walks the filter and all nodes that some topic of it can reach, together.
    fn covers(&self, levels: &[&str], state: &State, budget: &mut usize) -> bool {
        let Some(left) = budget.checked_sub(1) else { return false };
        *budget = left;
        match levels.split_first() {
            None => self.end_rules(state) == ALLOW,
            Some((&"#", _)) => self.covers_rest(state, budget),
            Some((&"+", after)) => self.branches(state).iter().all(|level| {
                let next = self.step(state, *level);
                self.covers(after, &next, budget)
            }),
            Some((level, after)) => {
                let next = self.step(state, Some(level));
                self.covers(after, &next, budget)
            }
        }
    }

    /// Whether every continuation of the topics that lead here, and (but at the front) these topics
    /// themselves, are allowed.
    fn covers_rest(&self, state: &State, budget: &mut usize) -> bool {
        let Some(left) = budget.checked_sub(1) else { return false };
        *budget = left;
        if !state.first && self.end_rules(state) != ALLOW {
            return false;
        }
        if state.nodes.is_empty() {
            // Nothing below can change what the `#` rules on the way said.
            return state.rules == ALLOW;
        }
        self.branches(state).iter().all(|level| self.covers_rest(&self.step(state, *level), budget))
    }

    /// The levels that lead to different states: each literal that a rule names, and one that none does.
    fn branches<'a>(&'a self, state: &State) -> Vec<Option<&'a str>> {
        let mut levels: Vec<Option<&'a str>> = vec![None];
        for node in state.nodes.iter().filter_map(|&at| self.node(at)) {
            let (_, children) = self.literals(node);
            let names = children.iter().map(|child| self.level(child));
            let names = names.filter(|name| !(state.first && name.starts_with('$')));
            levels.extend(names.map(Some));
        }
        levels.sort_unstable();
        levels.dedup();
        levels
    }

    /// The state after one level; `None` stands for a level that no rule names.
    fn step(&self, state: &State, level: Option<&str>) -> State {
        let wild = !(state.first && level.is_some_and(|level| level.starts_with('$')));
        let mut next = State { nodes: Vec::new(), rules: state.rules, first: false };
        for node in state.nodes.iter().filter_map(|&at| self.node(at)) {
            if wild {
                next.rules |= node.rest();
                next.nodes.extend(node.plus());
            } else {
                next.nodes.extend(node.dollar());
            }
            next.nodes.extend(level.and_then(|level| self.child(node, level)));
        }
        next.nodes.sort_unstable();
        next.nodes.dedup();
        next
    }

    fn end_rules(&self, state: &State) -> u8 {
        let ends = state.nodes.iter().filter_map(|&at| self.node(at));
        ends.fold(state.rules, |rules, node| rules | node.here | node.rest())
    }
}

/// All nodes that the topics so far can stand at, and the `#` rules that they passed.
struct State {
    nodes: Vec<u32>,
    rules: u8,
    first: bool,
}
