//! What a rule remembers by key, bounded.
//!
//! Not ordered. When it is full, the sixteenth that was touched longest ago is evicted and counted: a flood of new
//! keys costs a bounded amount each, and cannot push out what is in use. What a key remembers beside itself (matches
//! in a window, values) is counted as well, in things and in bytes, over all tables together. Invariant: never more
//! than `limit` keys.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::kept::ALLOCATION;

/// What a key remembers, for the bound over all rules.
pub(crate) trait Items {
    /// How many things beside the key itself.
    fn items(&self) -> usize;

    /// Bytes that it holds outside of itself.
    fn bytes(&self) -> usize;
}

/// A number of things and what they weigh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) items: usize,
    pub(crate) bytes: usize,
}

/// Things that all tables of an engine remember together, and how often something was remembered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Total(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    items: AtomicUsize,
    bytes: AtomicUsize,
    touched: AtomicU64,
}

impl Total {
    pub(crate) fn get(&self) -> Count {
        Count { items: self.0.items.load(Ordering::Relaxed), bytes: self.0.bytes.load(Ordering::Relaxed) }
    }

    fn add(&self, count: Count) {
        self.0.items.fetch_add(count.items, Ordering::Relaxed);
        self.0.bytes.fetch_add(count.bytes, Ordering::Relaxed);
    }

    fn sub(&self, count: Count) {
        self.0.items.fetch_sub(count.items, Ordering::Relaxed);
        self.0.bytes.fetch_sub(count.bytes, Ordering::Relaxed);
    }

    /// Counts a change of what is remembered.
    pub(crate) fn touch(&self) {
        self.0.touched.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn touched(&self) -> u64 {
        self.0.touched.load(Ordering::Relaxed)
    }
}

/// Bytes of one place in the queue of deadlines.
const DEADLINE: usize = 32;

/// A bounded map by key.
#[derive(Debug)]
pub(crate) struct Table<V: Items> {
    entries: HashMap<Arc<str>, Slot<V>>,
    clock: u64,
    limit: usize,
    /// What is in this table, as far as it is counted.
    count: Count,
    total: Total,
}

#[derive(Debug)]
struct Slot<V> {
    touched: u64,
    /// What this key is counted with, itself included.
    counted: Count,
    value: V,
}

impl<V: Items> Drop for Table<V> {
    fn drop(&mut self) {
        self.total.sub(self.count);
    }
}

impl<V: Items> Table<V> {
    pub(crate) fn new(limit: usize, total: Total) -> Self {
        Self { entries: HashMap::new(), clock: 0, limit: limit.max(1), count: Count::default(), total }
    }

    /// What this table remembers.
    pub(crate) const fn count(&self) -> Count {
        self.count
    }

    /// What a key and its value are counted with. A table that grew has room for twice its entries, and each key may
    /// have two places in the queue of deadlines.
    fn weigh(key: &str, value: &V) -> Count {
        let entry = size_of::<(Arc<str>, Slot<V>)>() + 1;
        let bytes = 2 * entry + key.len() + 2 * ALLOCATION + 2 * DEADLINE + value.bytes();
        Count { items: 1 + value.items(), bytes }
    }

    /// Counts anew what a key remembers.
    pub(crate) fn recount(&mut self, key: &str) {
        if let Some(slot) = self.entries.get_mut(key) {
            let counted = Self::weigh(key, &slot.value);
            let before = std::mem::replace(&mut slot.counted, counted);
            self.forget(before);
            self.remember(counted);
        }
    }

    fn remember(&mut self, count: Count) {
        self.count.items += count.items;
        self.count.bytes += count.bytes;
        self.total.add(count);
    }

    fn forget(&mut self, count: Count) {
        self.count.items -= count.items;
        self.count.bytes -= count.bytes;
        self.total.sub(count);
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut V> {
        self.entries.get_mut(key).map(|slot| &mut slot.value)
    }

    /// All entries, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &V)> {
        self.entries.iter().map(|(key, slot)| (key, &slot.value))
    }

    /// Calls with each entry, in no order.
    pub(crate) fn each_mut(&mut self, mut call: impl FnMut(&Arc<str>, &mut V)) {
        self.entries.iter_mut().for_each(|(key, slot)| call(key, &mut slot.value));
    }

    /// Keeps the keys that the call says.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&Arc<str>, &V) -> bool) {
        self.keep(|key, slot| keep(key, &slot.value));
    }

    pub(crate) fn get(&self, key: &str) -> Option<&V> {
        self.entries.get(key).map(|slot| &slot.value)
    }

    /// The value of a key, made when there is none; and how many keys had to go for it.
    pub(crate) fn entry(&mut self, key: &Arc<str>, make: impl FnOnce() -> V) -> (&mut V, u64) {
        let mut evicted = 0;
        if self.entries.len() >= self.limit && !self.entries.contains_key(key) {
            evicted = self.evict();
        }
        self.clock += 1;
        let (count, total) = (&mut self.count, &self.total);
        total.touch();
        let slot = self.entries.entry(key.clone()).or_insert_with(|| {
            let value = make();
            let counted = Self::weigh(key, &value);
            count.items += counted.items;
            count.bytes += counted.bytes;
            total.add(counted);
            Slot { touched: 0, counted, value }
        });
        slot.touched = self.clock;
        (&mut slot.value, evicted)
    }

    /// Sets the value of a key, within the limit.
    pub(crate) fn put(&mut self, key: &Arc<str>, value: V) {
        if self.entries.len() >= self.limit && !self.entries.contains_key(key) {
            self.evict();
        }
        self.remove(key);
        self.clock += 1;
        let counted = Self::weigh(key, &value);
        self.remember(counted);
        self.entries.insert(key.clone(), Slot { touched: self.clock, counted, value });
    }

    fn keep(&mut self, mut call: impl FnMut(&Arc<str>, &Slot<V>) -> bool) {
        let mut gone = Count::default();
        self.entries.retain(|key, slot| {
            let kept = call(key, slot);
            if !kept {
                gone.items += slot.counted.items;
                gone.bytes += slot.counted.bytes;
            }
            kept
        });
        self.forget(gone);
    }

    /// Evicts the sixteenth that was touched longest ago, at least one; how many went.
    pub(crate) fn evict(&mut self) -> u64 {
        if self.entries.is_empty() {
            return 0;
        }
        let mut stamps: Vec<u64> = self.entries.values().map(|slot| slot.touched).collect();
        let nth = (stamps.len() / 16).min(stamps.len().saturating_sub(1));
        let (_, oldest, _) = stamps.select_nth_unstable(nth);
        let oldest = *oldest;
        let before = self.entries.len();
        self.keep(|_, slot| slot.touched > oldest);
        (before - self.entries.len()) as u64
    }

    pub(crate) fn remove(&mut self, key: &str) -> Option<V> {
        let slot = self.entries.remove(key)?;
        self.forget(slot.counted);
        Some(slot.value)
    }

    /// All entries, the one touched longest ago first.
    pub(crate) fn by_age(&self) -> Vec<(&Arc<str>, &V)> {
        let mut all: Vec<_> = self.entries.iter().collect();
        all.sort_unstable_by_key(|(_, slot)| slot.touched);
        all.into_iter().map(|(key, slot)| (key, &slot.value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Items for usize {
        fn items(&self) -> usize {
            *self
        }

        fn bytes(&self) -> usize {
            100 * *self
        }
    }

    #[test]
    fn what_is_remembered_is_counted_over_all_tables() {
        let total = Total::default();
        let mut one = Table::<usize>::new(4, total.clone());
        let mut two = Table::<usize>::new(4, total.clone());
        *one.entry(&Arc::from("a"), || 3).0 = 5;
        two.put(&Arc::from("b"), 2);
        assert_eq!(total.get().items, 4 + 3);
        one.recount("a");
        assert_eq!((one.count().items, total.get().items), (6, 9));
        assert_eq!(total.get().bytes, one.count().bytes + two.count().bytes);
        assert!(one.count().bytes > 500, "{:?}", one.count());
        *one.entry(&Arc::from("a"), || 0).0 = 1;
        one.recount("a");
        two.put(&Arc::from("b"), 0);
        assert_eq!((one.count().items, total.get().items), (2, 3));
        assert_eq!(one.remove("a"), Some(1));
        assert_eq!(two.evict(), 1);
        assert_eq!((two.evict(), total.get()), (0, Count::default()));
        two.put(&Arc::from("c"), 7);
        two.retain(|_, _| false);
        two.put(&Arc::from("d"), 7);
        drop(two);
        assert_eq!(total.get(), Count::default());
    }

    #[test]
    fn a_flood_of_keys_evicts_the_oldest_and_counts_them() {
        let mut table = Table::<usize>::new(160, Total::default());
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
        let mut table = Table::<usize>::new(1, Total::default());
        table.entry(&Arc::from("a"), || 1);
        assert_eq!(table.entry(&Arc::from("b"), || 2).1, 1);
        assert_eq!((table.len(), table.get("b")), (1, Some(&2)));
    }
}
