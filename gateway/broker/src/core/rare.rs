//! A value that most connections and sessions never need: nothing but a pointer until it is first changed.
//!
//! Not a cache. Invariant: a missing value reads as an empty one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::{Deref, DerefMut};

use super::queue::Queue;

/// What reads as empty.
pub(crate) trait Empty: Default + 'static {
    /// The empty value.
    const EMPTY: &'static Self;
}

impl Empty for BTreeSet<u16> {
    const EMPTY: &'static Self = &Self::new();
}

impl<K: 'static, V: 'static> Empty for BTreeMap<K, V> {
    const EMPTY: &'static Self = &Self::new();
}

impl<T: 'static> Empty for VecDeque<T> {
    const EMPTY: &'static Self = &Self::new();
}

impl Empty for Queue {
    const EMPTY: &'static Self = &Self::new();
}

/// The value, when there is one.
#[derive(Debug)]
pub(crate) struct Rare<T>(Option<Box<T>>);

impl<T> Default for Rare<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Empty> Rare<T> {
    /// Gives the memory back.
    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }
}

impl<T: Empty> Deref for Rare<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or(T::EMPTY)
    }
}

impl<T: Empty> DerefMut for Rare<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}
