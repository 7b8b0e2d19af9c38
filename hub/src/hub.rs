//! What every handler works with.
//!
//! No state of its own but counters and bounded queues: whatever a request must find again stands in the database, so any instance
//! answers any request.

use std::collections::HashMap;
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
    pub(crate) batches: Places,
    /// The queue of passwords.
    pub(crate) passwords: Passwords,
}

impl Hub {
    /// An instance on this database.
    pub(crate) fn new(database: Database, passwords: Passwords) -> Self {
        Self { database, metrics: Arc::new(Metrics::new()), batches: Places::new(), passwords }
    }
}

/// Places for batches: bounded in all, and for each site.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    all: Arc<Semaphore>,
    taken: Arc<Mutex<HashMap<Uuid, usize>>>,
}

/// A place that is held; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    site: Uuid,
    taken: Arc<Mutex<HashMap<Uuid, usize>>>,
    _held: OwnedSemaphorePermit,
}

impl Places {
    fn new() -> Self {
        Self { all: Arc::new(Semaphore::new(BATCHES)), taken: Arc::default() }
    }

    /// A place for a batch of this site; `None` when the site's or all are taken.
    pub(crate) fn take(&self, site: Uuid) -> Option<Place> {
        let held = Arc::clone(&self.all).try_acquire_owned().ok()?;
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(site).or_default();
        if *count >= BATCHES_PER_SITE {
            return None;
        }
        *count += 1;
        Some(Place { site, taken: Arc::clone(&self.taken), _held: held })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.site) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.remove(&self.site);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_takes_its_own_places_and_no_others() {
        let places = Places::new();
        let (greedy, honest) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut held: Vec<Place> = (0..BATCHES).filter_map(|_| places.take(greedy)).collect();
        assert_eq!(held.len(), BATCHES_PER_SITE);
        assert!(places.take(honest).is_some());
        held.pop();
        assert!(places.take(greedy).is_some());
        held.clear();
        assert!(places.taken.lock().expect("no panic").is_empty(), "nothing is kept of who is gone");

        let all: Vec<Place> = (0..=BATCHES).filter_map(|n| places.take(Uuid::from_u128(n as u128))).collect();
        assert_eq!(all.len(), BATCHES);
    }
}
