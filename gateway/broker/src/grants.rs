//! Grants: what one principal may publish, subscribe to and receive, compiled into small tries.
//!
//! Built from plain filter rules that the policy slice worked out; packets ask only these tries: no policy
//! engine, no allocation per publish, nothing that an attacker can make miss a cache. Not the decision
//! itself. Invariants: what no rule allows is denied, a deny rule wins over every allow rule, `$SYS` is
//! never publishable, and a question that would cost more than a named bound is answered with "no". Rules know
//! one word that clients' filters do not: `$*` as the first level is every level that begins with `$`.

#![deny(clippy::indexing_slicing)]

use std::collections::HashMap;
use std::sync::Arc;

use crate::limits::CONTAINMENT_STEPS;

/// The compiled rights of one principal. A clone is a reference.
#[derive(Clone, Debug)]
pub struct Grants {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    connect: bool,
    publish: Trie,
    subscribe: Trie,
    deliver: Trie,
    /// Whether every topic that a client can subscribe to may be delivered.
    deliver_all: bool,
}

impl Grants {
    /// Nothing at all, not even to stay connected.
    #[must_use]
    pub fn none() -> Self {
        GrantsBuilder::new().refuse_connection().build()
    }

    /// Everything but `$SYS` publishes; topics under `$` can be read. For tests and the lab listener.
    #[must_use]
    pub fn everything() -> Self {
        GrantsBuilder::new()
            .allow_publish("#")
            .allow_subscribe("#")
            .allow_subscribe("$SYS/#")
            .allow_deliver("#")
            .allow_deliver("$SYS/#")
            .build()
    }

    /// Whether the client may stay connected.
    #[must_use]
    pub fn may_connect(&self) -> bool {
        self.inner.connect
    }

    /// Whether it may publish to this topic (also for a will).
    #[must_use]
    pub fn may_publish(&self, topic: &str) -> bool {
        !is_system(topic) && self.inner.publish.permits(topic)
    }

    /// Whether every topic of this filter may be subscribed to.
    #[must_use]
    pub fn may_subscribe(&self, filter: &str) -> bool {
        self.inner.subscribe.contains(filter)
    }

    /// Whether a message of this topic may be delivered to it.
    #[must_use]
    pub fn may_receive(&self, topic: &str) -> bool {
        self.inner.deliver.permits(topic)
    }

    /// Whether every topic of this filter may be delivered: the bit that spares the check per message.
    #[must_use]
    pub fn may_receive_all(&self, filter: &str) -> bool {
        self.inner.deliver_all && !filter.starts_with('$') || self.inner.deliver.contains(filter)
    }
}

fn is_system(topic: &str) -> bool {
    topic.strip_prefix("$SYS").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Collects rules. The order of calls does not matter.
#[derive(Debug)]
#[must_use]
pub struct GrantsBuilder {
    connect: bool,
    publish: Trie,
    subscribe: Trie,
    deliver: Trie,
}

impl Default for GrantsBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl GrantsBuilder {
    /// Connected, and nothing else allowed.
    pub fn new() -> Self {
        Self { connect: true, publish: Trie::new(), subscribe: Trie::new(), deliver: Trie::new() }
    }

    /// The client must not be connected: a quarantined device on an epoch change.
    pub fn refuse_connection(mut self) -> Self {
        self.connect = false;
        self
    }

    /// Publishing to every topic of the filter is allowed.
    pub fn allow_publish(mut self, filter: &str) -> Self {
        self.publish.add(filter, ALLOW);
        self
    }

    /// Publishing to every topic of the filter is forbidden.
    pub fn deny_publish(mut self, filter: &str) -> Self {
        self.publish.add(filter, DENY);
        self
    }

    /// Subscribing to filters within this one is allowed.
    pub fn allow_subscribe(mut self, filter: &str) -> Self {
        self.subscribe.add(filter, ALLOW);
        self
    }

    /// Subscribing to filters that overlap with this one is forbidden.
    pub fn deny_subscribe(mut self, filter: &str) -> Self {
        self.subscribe.add(filter, DENY);
        self
    }

    /// Receiving messages of the filter's topics is allowed.
    pub fn allow_deliver(mut self, filter: &str) -> Self {
        self.deliver.add(filter, ALLOW);
        self
    }

    /// Receiving messages of the filter's topics is forbidden.
    pub fn deny_deliver(mut self, filter: &str) -> Self {
        self.deliver.add(filter, DENY);
        self
    }

    /// Compiles the rules.
    #[must_use]
    pub fn build(self) -> Grants {
        let deliver_all = self.deliver.contains("#");
        Grants {
            inner: Arc::new(Inner {
                connect: self.connect,
                publish: self.publish,
                subscribe: self.subscribe,
                deliver: self.deliver,
                deliver_all,
            }),
        }
    }
}

const ALLOW: u8 = 1;
const DENY: u8 = 2;
const ROOT: u32 = 0;
/// In a rule's first level: every first level that begins with `$`, which no MQTT wildcard matches.
const ANY_DOLLAR: &str = "$*";

/// A trie over topic levels whose nodes carry "allowed" and "denied".
#[derive(Debug)]
struct Trie {
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    children: HashMap<Box<str>, u32>,
    plus: Option<u32>,
    /// At the root: where rules for every level that begins with `$` go on.
    dollar: Option<u32>,
    /// Rules that end here.
    here: u8,
    /// Rules that end in `#` below here.
    rest: u8,
}

impl Trie {
    fn new() -> Self {
        Self { nodes: vec![Node::default()] }
    }

    fn node(&self, at: u32) -> Option<&Node> {
        self.nodes.get(usize::try_from(at).ok()?)
    }

    fn add(&mut self, filter: &str, rule: u8) {
        let mut at = ROOT;
        for level in filter.split('/') {
            if level == "#" {
                if let Some(node) = self.nodes.get_mut(at as usize) {
                    node.rest |= rule;
                }
                return;
            }
            at = self.child(at, level);
        }
        if let Some(node) = self.nodes.get_mut(at as usize) {
            node.here |= rule;
        }
    }

    fn child(&mut self, at: u32, level: &str) -> u32 {
        let next = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        let Some(node) = self.nodes.get_mut(at as usize) else { return at };
        let any_dollar = at == ROOT && level == ANY_DOLLAR;
        let found = match level {
            "+" => node.plus,
            _ if any_dollar => node.dollar,
            _ => node.children.get(level).copied(),
        };
        if let Some(found) = found {
            return found;
        }
        if level == "+" {
            node.plus = Some(next);
        } else if any_dollar {
            node.dollar = Some(next);
        } else {
            node.children.insert(level.into(), next);
        }
        self.nodes.push(Node::default());
        next
    }

    /// Whether the topic is allowed and not denied.
    fn permits(&self, topic: &str) -> bool {
        self.rules_of(ROOT, topic, true) == ALLOW
    }

    fn rules_of(&self, at: u32, topic: &str, first: bool) -> u8 {
        let Some(node) = self.node(at) else { return DENY };
        // MQTT 5 §4.7.2: wildcards at the front do not match topics that begin with `$`.
        let wild = !(first && topic.starts_with('$'));
        let mut rules = if wild { node.rest } else { 0 };
        let (level, after) = match topic.split_once('/') {
            Some((level, after)) => (level, Some(after)),
            None => (topic, None),
        };
        // Only the root has rules for `$`.
        let plus = if wild { node.plus } else { node.dollar };
        for next in [node.children.get(level).copied(), plus].into_iter().flatten() {
            rules |= match (after, self.node(next)) {
                (Some(after), _) => self.rules_of(next, after, false),
                // `a/#` matches `a` as well (MQTT 5 §4.7.1.2).
                (None, Some(end)) => end.here | end.rest,
                (None, None) => DENY,
            };
        }
        rules
    }

    /// Whether every topic that the filter matches is allowed and not denied.
    fn contains(&self, filter: &str) -> bool {
        let levels: Vec<&str> = filter.split('/').collect();
        let mut budget = CONTAINMENT_STEPS;
        self.covers(&levels, &State { nodes: vec![ROOT], rules: 0, first: true }, &mut budget)
    }

    /// Walks the filter and all nodes that some topic of it can reach, together.
    fn covers(&self, levels: &[&str], state: &State, budget: &mut usize) -> bool {
        let Some(left) = budget.checked_sub(1) else { return false };
        *budget = left;
        match levels.split_first() {
            None => self.end_rules(state) == ALLOW,
            Some((&"#", _)) => self.covers_rest(state, budget),
            Some((&"+", after)) => self.branches(state).iter().all(|level| {
                let next = self.step(state, level.as_deref());
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
        self.branches(state).iter().all(|level| self.covers_rest(&self.step(state, level.as_deref()), budget))
    }

    /// The levels that lead to different states: each literal that a rule names, and one that none does.
    fn branches<'a>(&'a self, state: &State) -> Vec<Option<std::borrow::Cow<'a, str>>> {
        let mut levels: Vec<Option<std::borrow::Cow<'a, str>>> = vec![None];
        for node in state.nodes.iter().filter_map(|&at| self.node(at)) {
            let names = node.children.keys().filter(|name| !(state.first && name.starts_with('$')));
            levels.extend(names.map(|name| Some(std::borrow::Cow::Borrowed(name.as_ref()))));
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
                next.rules |= node.rest;
                next.nodes.extend(node.plus);
            } else {
                next.nodes.extend(node.dollar);
            }
            next.nodes.extend(level.and_then(|level| node.children.get(level).copied()));
        }
        next.nodes.sort_unstable();
        next.nodes.dedup();
        next
    }

    fn end_rules(&self, state: &State) -> u8 {
        let ends = state.nodes.iter().filter_map(|&at| self.node(at));
        ends.fold(state.rules, |rules, node| rules | node.here | node.rest)
    }
}

/// All nodes that the topics so far can stand at, and the `#` rules that they passed.
struct State {
    nodes: Vec<u32>,
    rules: u8,
    first: bool,
}

#[cfg(test)]
mod tests;
