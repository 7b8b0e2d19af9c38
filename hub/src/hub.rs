//! What every handler works with.
//!
//! No state of its own but counters and bounded queues: whatever a request must find again stands in the database, so any instance
//! answers any request.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use crate::database::Database;
use crate::limits::{BATCHES, BATCHES_PER_SITE};
use crate::metrics::Metrics;
use crate::people::password::Passwords;

/// One instance. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Hub {
    /// The database.
    pub(crate) database: Database,
    /// Counters.
    pub(crate) metrics: Arc<Metrics>,
    /// Places for batches.
    pub(crate) batches: Places<Uuid>,
    /// The queue of passwords.
    pub(crate) passwords: Passwords,
}

impl Hub {
    /// An instance on this database.
    pub(crate) fn new(database: Database, passwords: Passwords) -> Self {
        Self {
            database,
            metrics: Arc::new(Metrics::new()),
            batches: Places::new(BATCHES, BATCHES_PER_SITE),
            passwords,
        }
    }
}

/// Places: bounded in all, and for each holder.
#[derive(Clone, Debug)]
pub(crate) struct Places<K> {
    all: Arc<Semaphore>,
    each: usize,
    taken: Arc<Mutex<HashMap<K, usize>>>,
}

/// A place that is held; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place<K: Eq + Hash> {
    holder: K,
    taken: Arc<Mutex<HashMap<K, usize>>>,
    _held: OwnedSemaphorePermit,
}

impl<K: Clone + Eq + Hash> Places<K> {
    /// So many in all, and so many for each holder.
    pub(crate) fn new(all: usize, each: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), each, taken: Arc::default() }
    }

    /// A place for this holder; `None` when the holder's or all are taken.
    pub(crate) fn take(&self, holder: K) -> Option<Place<K>> {
        let held = Arc::clone(&self.all).try_acquire_owned().ok()?;
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(holder.clone()).or_default();
        if *count >= self.each {
            return None;
        }
        *count += 1;
        Some(Place { holder, taken: Arc::clone(&self.taken), _held: held })
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.holder) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.remove(&self.holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_takes_its_own_places_and_no_others() {
        let places = Places::new(BATCHES, BATCHES_PER_SITE);
        let (greedy, honest) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut held: Vec<Place<Uuid>> = (0..BATCHES).filter_map(|_| places.take(greedy)).collect();
        assert_eq!(held.len(), BATCHES_PER_SITE);
        assert!(places.take(honest).is_some());
        held.pop();
        assert!(places.take(greedy).is_some());
        held.clear();
        assert!(places.taken.lock().expect("no panic").is_empty(), "nothing is kept of who is gone");

        let all: Vec<Place<Uuid>> =
            (0..=BATCHES).filter_map(|n| places.take(Uuid::from_u128(n as u128))).collect();
        assert_eq!(all.len(), BATCHES);
    }
}
