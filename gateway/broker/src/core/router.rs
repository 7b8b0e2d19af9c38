//! Who wants a topic: a trie of filters with their subscribers.
//!
//! Not the delivery and not the policy. Invariants: one publish visits each node at most once; a node
//! without subscribers and children is given back at once; `generation` moves with every change, so that
//! a cached route is known to be stale.

use std::collections::HashMap;

use super::slab::Key;
use crate::state::SubscriptionOptions;

/// One subscription as the router keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subscriber {
    pub(crate) session: Key,
    pub(crate) options: SubscriptionOptions,
    /// Whether policy lets the subscription stand.
    pub(crate) allowed: bool,
    /// Whether every topic of the filter may be delivered: spares the check per message.
    pub(crate) deliver_all: bool,
}

#[derive(Debug, Default)]
struct Node {
    parent: u32,
    level: Box<str>,
    children: HashMap<Box<str>, u32>,
    plus: Option<u32>,
    /// Subscribers of the filter that ends here.
    here: Vec<Subscriber>,
    /// Subscribers of the filter that ends in `#` below here.
    rest: Vec<Subscriber>,
}

impl Node {
    fn is_empty(&self) -> bool {
        self.children.is_empty() && self.plus.is_none() && self.here.is_empty() && self.rest.is_empty()
    }
}

/// The trie.
#[derive(Debug)]
pub(crate) struct Router {
    nodes: Vec<Node>,
    free: Vec<u32>,
    count: usize,
    generation: u64,
}

const ROOT: u32 = 0;

impl Default for Router {
    fn default() -> Self {
        Self { nodes: vec![Node::default()], free: Vec::new(), count: 0, generation: 0 }
    }
}

impl Router {
    /// Subscriptions in total.
    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    /// Moves with every change.
    pub(crate) const fn generation(&self) -> u64 {
        self.generation
    }

    /// Says that cached routes are stale for a reason that the router does not see.
    pub(crate) fn touch(&mut self) {
        self.generation += 1;
    }

    /// Adds a subscription, or changes that of the same session when `known`.
    pub(crate) fn set(&mut self, filter: &str, subscriber: Subscriber, known: bool) {
        self.generation += 1;
        let list = self.list(filter);
        let old = if known { list.iter_mut().find(|old| old.session == subscriber.session) } else { None };
        if let Some(old) = old {
            *old = subscriber;
        } else {
            list.push(subscriber);
            self.count += 1;
        }
    }

    /// Changes a standing subscription in place.
    pub(crate) fn update(&mut self, filter: &str, session: Key, change: impl FnOnce(&mut Subscriber)) {
        self.generation += 1;
        let Some((at, rest)) = self.find(filter) else { return };
        let Some(node) = self.nodes.get_mut(at as usize) else { return };
        let list = if rest { &mut node.rest } else { &mut node.here };
        if let Some(subscriber) = list.iter_mut().find(|old| old.session == session) {
            change(subscriber);
        }
    }

    /// Removes a subscription and every node that is no longer needed.
    pub(crate) fn remove(&mut self, filter: &str, session: Key) {
        self.generation += 1;
        let Some((at, rest)) = self.find(filter) else { return };
        let Some(node) = self.nodes.get_mut(at as usize) else { return };
        let list = if rest { &mut node.rest } else { &mut node.here };
        let Some(place) = list.iter().position(|old| old.session == session) else { return };
        list.swap_remove(place);
        if list.capacity() > 4 * list.len() {
            list.shrink_to_fit();
        }
        self.count -= 1;
        self.prune(at);
    }

    /// Calls `each` for every subscription whose filter matches the topic.
    pub(crate) fn matches(&self, topic: &str, mut each: impl FnMut(&Subscriber)) {
        self.visit(ROOT, topic, true, &mut each);
    }

    fn visit(&self, at: u32, topic: &str, first: bool, each: &mut impl FnMut(&Subscriber)) {
        let Some(node) = self.nodes.get(at as usize) else { return };
        // MQTT 5 §4.7.2: wildcards at the front do not match topics that begin with `$`.
        let wild = !(first && topic.starts_with('$'));
        if wild {
            node.rest.iter().for_each(&mut *each);
        }
        let (level, after) = match topic.split_once('/') {
            Some((level, after)) => (level, Some(after)),
            None => (topic, None),
        };
        let child = node.children.get(level).copied();
        let plus = if wild { node.plus } else { None };
        for next in [child, plus].into_iter().flatten() {
            match after {
                Some(after) => self.visit(next, after, false, each),
                None => {
                    let Some(end) = self.nodes.get(next as usize) else { continue };
                    end.here.iter().for_each(&mut *each);
                    // `a/#` matches `a` as well (MQTT 5 §4.7.1.2).
                    end.rest.iter().for_each(&mut *each);
                }
            }
        }
    }

    fn list(&mut self, filter: &str) -> &mut Vec<Subscriber> {
        let (path, rest) = split(filter);
        let mut at = ROOT;
        for level in path {
            at = self.child(at, level);
        }
        let node = self.nodes.get_mut(at as usize).expect("child() returns a node that exists");
        if rest { &mut node.rest } else { &mut node.here }
    }

    fn find(&self, filter: &str) -> Option<(u32, bool)> {
        let (path, rest) = split(filter);
        let mut at = ROOT;
        for level in path {
            let node = self.nodes.get(at as usize)?;
            at = if level == "+" { node.plus? } else { *node.children.get(level)? };
        }
        Some((at, rest))
    }

    fn child(&mut self, at: u32, level: &str) -> u32 {
        if let Some(node) = self.nodes.get(at as usize) {
            let found = match level {
                "+" => node.plus,
                _ => node.children.get(level).copied(),
            };
            if let Some(found) = found {
                return found;
            }
        }
        let fresh = Node { parent: at, level: level.into(), ..Node::default() };
        let next = match self.free.pop() {
            Some(next) => next,
            None => {
                self.nodes.push(Node::default());
                u32::try_from(self.nodes.len() - 1).expect("the limits keep the trie below 2^32 nodes")
            }
        };
        if let Some(node) = self.nodes.get_mut(next as usize) {
            *node = fresh;
        }
        if let Some(node) = self.nodes.get_mut(at as usize) {
            if level == "+" {
                node.plus = Some(next);
            } else {
                node.children.insert(level.into(), next);
            }
        }
        next
    }

    fn prune(&mut self, mut at: u32) {
        while at != ROOT {
            let Some(node) = self.nodes.get_mut(at as usize).filter(|node| node.is_empty()) else { return };
            let Node { parent, level, .. } = std::mem::take(node);
            self.free.push(at);
            if let Some(node) = self.nodes.get_mut(parent as usize) {
                forget_child(node, &level);
            }
            at = parent;
        }
        if self.count == 0 {
            *self = Self { generation: self.generation, ..Self::default() };
        }
    }
}

fn forget_child(node: &mut Node, level: &str) {
    if level == "+" {
        node.plus = None;
    } else {
        node.children.remove(level);
        if node.children.capacity() > 8 * node.children.len() {
            node.children.shrink_to_fit();
        }
    }
}

/// The levels before `#`, and whether there is one.
fn split(filter: &str) -> (impl Iterator<Item = &str>, bool) {
    let (path, rest) = match filter.strip_suffix('#') {
        Some(path) => (path.strip_suffix('/').map_or("", |path| path), true),
        None => (filter, false),
    };
    // `#` alone has no level before it, `/#` has one empty level.
    let none = rest && filter == "#";
    (path.split('/').take(if none { 0 } else { usize::MAX }), rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::slab::Slab;

    fn filter_matches(filter: &[&str], topic: &[&str]) -> bool {
        match (filter.split_first(), topic.split_first()) {
            (Some((&"#", _)), _) => true,
            (Some((&"+", filter)), Some((_, topic))) => filter_matches(filter, topic),
            (Some((level, filter)), Some((found, topic))) => level == found && filter_matches(filter, topic),
            (None, None) => true,
            _ => false,
        }
    }

    fn matches(filter: &str, topic: &str) -> bool {
        !(topic.starts_with('$') && filter.starts_with(['+', '#']))
            && filter_matches(&filter.split('/').collect::<Vec<_>>(), &topic.split('/').collect::<Vec<_>>())
    }

    fn found(router: &Router, topic: &str) -> Vec<Key> {
        let mut keys = Vec::new();
        router.matches(topic, |subscriber| keys.push(subscriber.session));
        keys.sort_unstable();
        keys
    }

    fn subscriber(session: Key) -> Subscriber {
        Subscriber { session, options: SubscriptionOptions::default(), allowed: true, deliver_all: true }
    }

    fn filters() -> impl Strategy<Value = Vec<String>> {
        let level = prop_oneof![Just("a"), Just("b"), Just("+"), Just("$s"), Just("")];
        let filter = (prop::collection::vec(level, 1..4), any::<bool>()).prop_map(|(levels, rest)| {
            if rest { format!("{}/#", levels.join("/")) } else { levels.join("/") }
        });
        prop::collection::vec(prop_oneof![9 => filter, 1 => Just("#".to_owned())], 0..12)
    }

    proptest! {
        #[test]
        fn the_trie_finds_what_plain_matching_finds_and_gives_memory_back(
            filters in filters(),
            topic in "(a|b|[$]s|)(/(a|b|))?(/(a|b|))?",
        ) {
            let mut keys = Slab::default();
            let mut router = Router::default();
            let all: Vec<(String, Key)> =
                filters.into_iter().map(|filter| (filter, keys.insert(()))).collect();
            for (filter, key) in &all {
                router.set(filter, subscriber(*key), false);
            }

            let mut expected: Vec<Key> =
                all.iter().filter(|(filter, _)| matches(filter, &topic)).map(|(_, key)| *key).collect();
            expected.sort_unstable();
            prop_assert_eq!(found(&router, &topic), expected);

            for (filter, key) in &all {
                router.remove(filter, *key);
            }
            prop_assert_eq!((router.len(), router.nodes.len()), (0, 1));
        }
    }

    #[test]
    fn a_second_subscription_to_the_same_filter_replaces_the_first() {
        let mut keys = Slab::default();
        let key = keys.insert(());
        let mut router = Router::default();
        router.set("a/b", subscriber(key), false);
        router.set("a/b", Subscriber { deliver_all: false, ..subscriber(key) }, true);
        assert_eq!((router.len(), found(&router, "a/b")), (1, vec![key]));
    }
}
