//! Batches ahead: while one is under way the next ones are read and packed on other threads.
//!
//! It decides nothing about the cloud. It ends at the size that the log had when it began, with the first batch that cannot be
//! made, or when it is dropped. Invariants: batches come in the log's order without a gap; no more than
//! [`BATCHES_AHEAD`] of them wait.

use std::sync::{Arc, Mutex, PoisonError};

use sitewarden_log::{Limits, Packer, PackingError};
use sitewarden_store::Store;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::batch::{Encoded, Prepared, encode};
use crate::limits::BATCHES_AHEAD;
use crate::shell::CheckpointSource;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

type Packing = JoinHandle<Result<Prepared, PackingError>>;

/// The batches of the log from one record on.
pub(crate) struct Feed {
    ready: mpsc::Receiver<Result<Packing, BoxError>>,
    limits: Limits,
    /// First record of the batch that comes next.
    next: u64,
    /// Where it ends.
    through: u64,
}

impl Feed {
    /// Begins to make batches of the records after `after` up to `through`.
    pub(crate) fn start(
        store: Store,
        checkpoint: CheckpointSource,
        after: u64,
        through: u64,
        limits: Limits,
    ) -> Self {
        let (sender, ready) = mpsc::channel(BATCHES_AHEAD);
        tokio::spawn(async move {
            let maker = Maker { store, checkpoint, limits, packers: Arc::default() };
            let mut after = after;
            while after < through {
                let made = maker.batch(after, through).await;
                let last = made.as_ref().ok().and_then(Option::as_ref).map(|encoded| encoded.last);
                let Some(made) = made.map(|made| made.map(|encoded| maker.pack(encoded))).transpose() else {
                    return;
                };
                // An error means that nobody wants more.
                if sender.send(made).await.is_err() {
                    return;
                }
                let Some(last) = last else { return };
                after = last;
            }
        });
        Self { ready, limits, next: after.saturating_add(1), through }
    }

    /// Whether its next batch is the one that is wanted.
    pub(crate) fn fits(&self, after: u64, limits: Limits) -> bool {
        self.next == after.saturating_add(1) && self.limits == limits && !self.is_over()
    }

    /// Whether there are no more.
    pub(crate) const fn is_over(&self) -> bool {
        self.next > self.through
    }

    /// The next batch; none when there are no records.
    pub(crate) async fn next(&mut self) -> Result<Option<Prepared>, BoxError> {
        let Some(packing) = self.ready.recv().await else { return Ok(None) };
        let batch = packing?.await??;
        self.next = batch.last.saturating_add(1);
        Ok(Some(batch))
    }
}

struct Maker {
    store: Store,
    checkpoint: CheckpointSource,
    limits: Limits,
    /// Compressors that nobody uses right now.
    packers: Arc<Mutex<Vec<Packer>>>,
}

impl Maker {
    /// Reads and encodes the records after `after`; when they reach the log's end, a checkpoint goes along.
    async fn batch(&self, after: u64, through: u64) -> Result<Option<Encoded>, BoxError> {
        let waiting = usize::try_from(through.saturating_sub(after)).unwrap_or(usize::MAX);
        if waiting <= self.limits.records {
            (self.checkpoint)().await?;
        }
        let limits = self.limits;
        Ok(self.store.read(move |conn| encode(conn, after, limits)).await?)
    }

    fn pack(&self, encoded: Encoded) -> Packing {
        let packers = Arc::clone(&self.packers);
        tokio::task::spawn_blocking(move || {
            // Only push and pop run under the lock.
            let idle = || packers.lock().unwrap_or_else(PoisonError::into_inner);
            let taken = idle().pop();
            let mut packer = taken.map_or_else(Packer::new, Ok)?;
            let packed = encoded.pack(&mut packer);
            idle().push(packer);
            packed
        })
    }
}
