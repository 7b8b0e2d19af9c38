//! Batches ahead: while one is under way the next ones are read and packed on two threads of their own.
//!
//! It decides nothing about the cloud. One thread reads and encodes, one packs; they end at the size that the log had when they
//! began, with the first batch that cannot be made, or when the feed is dropped. Invariants: batches come in the log's order
//! without a gap; no more than [`BATCHES_AHEAD`] of them wait; the memory of a batch that is packed is taken for a later one.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use sitewarden_log::{Limits, Packer};
use sitewarden_store::Store;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::batch::{Encoded, Prepared, encode};
use crate::limits::BATCHES_AHEAD;
use crate::shell::CheckpointSource;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The batches of the log from one record on.
pub(crate) struct Feed {
    ready: mpsc::Receiver<Result<Prepared, BoxError>>,
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
        let (encoded, to_pack) = sync_channel(1);
        let (ready, prepared) = mpsc::channel(BATCHES_AHEAD);
        // One is read, one waits to be packed, one is packed: so many may come back.
        let (used, spare) = sync_channel(3);
        let reader = Reader { store, checkpoint, limits, runtime: Handle::current(), spare };
        spawn_blocking(move || reader.run(after, through, &encoded));
        spawn_blocking(move || pack(&to_pack, &ready, &used));
        Self { ready: prepared, limits, next: after.saturating_add(1), through }
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
        let Some(batch) = self.ready.recv().await.transpose()? else { return Ok(None) };
        self.next = batch.last.saturating_add(1);
        Ok(Some(batch))
    }
}

struct Reader {
    store: Store,
    checkpoint: CheckpointSource,
    limits: Limits,
    /// Where checkpoints are made.
    runtime: Handle,
    /// Memory of batches that are packed.
    spare: Receiver<Vec<u8>>,
}

impl Reader {
    fn run(&self, mut after: u64, through: u64, encoded: &SyncSender<Result<Encoded, BoxError>>) {
        while after < through {
            let Some(made) = self.batch(after, through).transpose() else { return };
            let last = made.as_ref().ok().map(|batch| batch.last);
            // An error means that nobody wants more.
            if encoded.send(made).is_err() {
                return;
            }
            let Some(last) = last else { return };
            after = last;
        }
    }

    /// Reads and encodes the records after `after`; when they reach the log's end, a checkpoint goes along.
    fn batch(&self, after: u64, through: u64) -> Result<Option<Encoded>, BoxError> {
        let waiting = usize::try_from(through.saturating_sub(after)).unwrap_or(usize::MAX);
        if waiting <= self.limits.records {
            self.runtime.block_on((self.checkpoint)())?;
        }
        let memory = self.spare.try_recv().unwrap_or_default();
        let limits = self.limits;
        Ok(self.store.read_blocking(move |conn| encode(conn, after, limits, memory))?)
    }
}

/// Packs what comes, until nothing comes or nobody wants more.
fn pack(
    to_pack: &Receiver<Result<Encoded, BoxError>>,
    ready: &mpsc::Sender<Result<Prepared, BoxError>>,
    used: &SyncSender<Vec<u8>>,
) {
    let mut packer = match Packer::new() {
        Ok(packer) => packer,
        Err(error) => {
            // Nobody wants it, or it is told.
            let _ = ready.blocking_send(Err(error.into()));
            return;
        }
    };
    for encoded in to_pack {
        let prepared = encoded.and_then(|encoded| {
            let prepared = encoded.pack(&mut packer)?;
            // Full or without a reader: the memory is given back.
            let _ = used.try_send(encoded.raw);
            Ok(prepared)
        });
        if ready.blocking_send(prepared).is_err() {
            return;
        }
    }
}
