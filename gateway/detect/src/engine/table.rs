//! What a rule remembers by key, bounded.
//!
//! Not ordered. When it is full, the sixteenth that was touched longest ago is evicted and counted: a flood of new
//! keys costs a bounded amount each, and cannot push out what is in use. Invariant: never more than `limit` keys.

use std::collections::HashMap;
use std::sync::Arc;

/// A bounded map by key.
#[derive(Clone, Debug)]
pub(crate) struct Table<V> {
    entries: HashMap<Arc<str>, (u64, V)>,
    clock: u64,
    limit: usize,
}

impl<V> Table<V> {
    pub(crate) fn new(limit: usize) -> Self {
        Self { entries: HashMap::new(), clock: 0, limit: limit.max(1) }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut V> {
        self.entries.get_mut(key).map(|(_, value)| value)
    }

    /// All entries, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &V)> {
        self.entries.iter().map(|(key, (_, value))| (key, value))
    }

    /// Calls with each entry, in no order.
    pub(crate) fn each_mut(&mut self, mut call: impl FnMut(&Arc<str>, &mut V)) {
        self.entries.iter_mut().for_each(|(key, (_, value))| call(key, value));
    }

    /// Keeps the keys that the call says.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&Arc<str>) -> bool) {
        self.entries.retain(|key, _| keep(key));
    }

    pub(crate) fn get(&self, key: &str) -> Option<&V> {
        self.entries.get(key).map(|(_, value)| value)
    }

    /// The value of a key, made when there is none; and how many keys had to go for it.
    pub(crate) fn entry(&mut self, key: &Arc<str>, make: impl FnOnce() -> V) -> (&mut V, u64) {
        let mut evicted = 0;
        if self.entries.len() >= self.limit && !self.entries.contains_key(key) {
            evicted = self.evict();
        }
        self.clock += 1;
        let entry = self.entries.entry(key.clone()).or_insert_with(|| (0, make()));
        entry.0 = self.clock;
        (&mut entry.1, evicted)
    }

    /// Sets the value of a key, within the limit.
    pub(crate) fn put(&mut self, key: &Arc<str>, value: V) {
        if self.entries.len() >= self.limit && !self.entries.contains_key(key) {
            self.evict();
        }
        self.clock += 1;
        self.entries.insert(key.clone(), (self.clock, value));
    }

    fn evict(&mut self) -> u64 {
        let mut stamps: Vec<u64> = self.entries.values().map(|(touched, _)| *touched).collect();
        let nth = (stamps.len() / 16).min(stamps.len().saturating_sub(1));
        let (_, oldest, _) = stamps.select_nth_unstable(nth);
        let oldest = *oldest;
        let before = self.entries.len();
        self.entries.retain(|_, (touched, _)| *touched > oldest);
        (before - self.entries.len()) as u64
    }

    pub(crate) fn remove(&mut self, key: &str) -> Option<V> {
        self.entries.remove(key).map(|(_, value)| value)
    }

    /// All entries, the one touched longest ago first.
    pub(crate) fn by_age(&self) -> Vec<(&Arc<str>, &V)> {
        let mut all: Vec<_> = self.entries.iter().collect();
        all.sort_unstable_by_key(|(_, (touched, _))| *touched);
        all.into_iter().map(|(key, (_, value))| (key, value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_keys_evicts_the_oldest_and_counts_them() {
        let mut table = Table::new(160);
        let mut evicted = 0;
        for n in 0..10_000 {
            table.entry(&Arc::from("kept"), || 0);
            evicted += table.entry(&Arc::from(format!("k{n}")), || n).1;
            assert!(table.len() <= 160);
        }
        assert_eq!(table.get("kept"), Some(&0));
        assert_eq!(evicted as usize + table.len(), 10_001);
    }

    #[test]
    fn a_limit_of_one_still_works() {
        let mut table = Table::new(1);
        table.entry(&Arc::from("a"), || 1);
        assert_eq!(table.entry(&Arc::from("b"), || 2).1, 1);
        assert_eq!((table.len(), table.get("b")), (1, Some(&2)));
    }
}
