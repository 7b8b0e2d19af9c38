//! Counters of the store, as plain numbers for whoever makes metrics of them.
//!
//! No metrics library here. Invariant: counters only grow; gauges are what they were at the last commit.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds in microseconds of the buckets of [`StoreStats::commit_buckets`]; one more bucket holds the rest.
pub const COMMIT_BUCKETS_MICROS: [u64; 12] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000];

/// The counters at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Groups committed.
    pub commits: u64,
    /// Groups whose commit failed.
    pub commits_failed: u64,
    /// Closures answered `Ok`.
    pub closures_kept: u64,
    /// Closures undone because they returned an error.
    pub closures_failed: u64,
    /// Closures undone because they panicked.
    pub closures_panicked: u64,
    /// Times that SQLite found no room.
    pub disk_full: u64,
    /// Microseconds spent in COMMIT, in total.
    pub commit_micros: u64,
    /// Commits per bucket of [`COMMIT_BUCKETS_MICROS`], not cumulative.
    pub commit_buckets: [u64; COMMIT_BUCKETS_MICROS.len() + 1],
    /// Closures that wait now.
    pub queued: u64,
    /// Pages in the WAL after the last commit.
    pub wal_pages: u64,
    /// Reads answered.
    pub reads: u64,
    /// Reads stopped for their time.
    pub reads_timed_out: u64,
    /// Reads refused because no connection was free.
    pub reads_busy: u64,
    /// One when bulk data is refused for want of room.
    pub reserve_only: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) commits: AtomicU64,
    pub(crate) commits_failed: AtomicU64,
    pub(crate) closures_kept: AtomicU64,
    pub(crate) closures_failed: AtomicU64,
    pub(crate) closures_panicked: AtomicU64,
    pub(crate) disk_full: AtomicU64,
    pub(crate) commit_micros: AtomicU64,
    pub(crate) commit_buckets: [AtomicU64; COMMIT_BUCKETS_MICROS.len() + 1],
    pub(crate) wal_pages: AtomicU64,
    pub(crate) reads: AtomicU64,
    pub(crate) reads_timed_out: AtomicU64,
    pub(crate) reads_busy: AtomicU64,
    pub(crate) reserve_only: AtomicU64,
}

pub(crate) fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

impl Counters {
    pub(crate) fn commit_took(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        add(&self.commits, 1);
        add(&self.commit_micros, micros);
        let bucket = COMMIT_BUCKETS_MICROS.iter().position(|&bound| micros <= bound);
        if let Some(counter) = self.commit_buckets.get(bucket.unwrap_or(COMMIT_BUCKETS_MICROS.len())) {
            add(counter, 1);
        }
    }

    pub(crate) fn snapshot(&self, queued: usize) -> StoreStats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        StoreStats {
            commits: get(&self.commits),
            commits_failed: get(&self.commits_failed),
            closures_kept: get(&self.closures_kept),
            closures_failed: get(&self.closures_failed),
            closures_panicked: get(&self.closures_panicked),
            disk_full: get(&self.disk_full),
            commit_micros: get(&self.commit_micros),
            commit_buckets: std::array::from_fn(|index| self.commit_buckets.get(index).map_or(0, get)),
            queued: queued as u64,
            wal_pages: get(&self.wal_pages),
            reads: get(&self.reads),
            reads_timed_out: get(&self.reads_timed_out),
            reads_busy: get(&self.reads_busy),
            reserve_only: get(&self.reserve_only),
        }
    }
}
