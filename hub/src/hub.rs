//! What every handler works with.
//!
//! No state of its own but counters and bounded queues: whatever a request must find again stands in the database, so any instance
//! answers any request.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::database::Database;
use crate::limits::BATCHES;
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
    pub(crate) batches: Arc<Semaphore>,
    /// The queue of passwords.
    pub(crate) passwords: Passwords,
}

impl Hub {
    /// An instance on this database.
    pub(crate) fn new(database: Database, passwords: Passwords) -> Self {
        Self {
            database,
            metrics: Arc::new(Metrics::new()),
            batches: Arc::new(Semaphore::new(BATCHES)),
            passwords,
        }
    }
}
