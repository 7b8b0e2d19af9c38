//! One batch: read out of the log and encoded, then packed.
//!
//! Both run on threads that may block, each on its own: while one batch is packed the next is read. The cursor says from
//! where and how much. Invariants: what is packed are the stored bytes of consecutive records, beginning right behind the
//! cursor; a batch that reaches the log's end ends with the newest checkpoint, so that the cloud has no record at rest that none
//! covers.

use bytes::Bytes;
use rusqlite::Connection;
use sitewarden_log::{BatchError, Encoder, Limits, Packer, PackingError};
use sitewarden_store::StoreError;
use sitewarden_store::site_log::{self, Walked, checkpoint};
use thiserror::Error;

/// A batch could not be made.
#[derive(Debug, Error)]
pub(crate) enum PrepareError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the log's records after {after} cannot be read: {words}")]
    Lost { after: u64, words: &'static str },
    #[error(transparent)]
    Batch(#[from] BatchError),
}

/// A batch that is not compressed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Encoded {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) raw: Vec<u8>,
}

/// A batch that is ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prepared {
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// Bytes before compression.
    pub(crate) raw: usize,
    pub(crate) packed: Bytes,
}

impl Prepared {
    pub(crate) fn records(&self) -> usize {
        usize::try_from(self.last.saturating_sub(self.first)).unwrap_or(usize::MAX).saturating_add(1)
    }
}

impl Encoded {
    /// Compresses it.
    pub(crate) fn pack(&self, packer: &mut Packer) -> Result<Prepared, PackingError> {
        let packed = packer.pack(&self.raw)?;
        Ok(Prepared { first: self.first, last: self.last, raw: self.raw.len(), packed: packed.into() })
    }
}

/// Reads and encodes the records after `after` into `memory`; `None` when there are none.
pub(crate) fn encode(
    conn: &Connection,
    after: u64,
    limits: Limits,
    memory: Vec<u8>,
) -> Result<Option<Encoded>, PrepareError> {
    let first = after.saturating_add(1);
    let mut encoder = Encoder::within(memory, first, limits);
    let walked = site_log::walk_raw(conn, after, reach(conn, after, limits.records)?, |record| {
        Ok::<_, PrepareError>(encoder.push_stored(record.seq, record.time, record.kind, record.body)?)
    })?;
    if let Walked::Reset { .. } = walked {
        return Err(PrepareError::Lost { after, words: "they were pruned, or are not written yet" });
    }
    let Some(count) = encoder.records().checked_sub(1) else {
        return Ok(None);
    };
    let last = first.saturating_add(count);
    // A checkpoint within the batch can be checked by the cloud at once.
    let note = checkpoint::newest(conn, last)?.filter(|kept| kept.size >= first).map(|kept| kept.note);
    Ok(Some(Encoded { first, last, raw: encoder.finish(note.as_deref()) }))
}

/// How many records the batch may have: those that came after the newest checkpoint wait for the next one. Without that the last
/// records of a site that falls silent then could stay without a checkpoint.
fn reach(conn: &Connection, after: u64, limit: usize) -> Result<usize, PrepareError> {
    let head = site_log::size(conn)?;
    let count = |through: u64| usize::try_from(through.saturating_sub(after)).unwrap_or(usize::MAX);
    if count(head) > limit {
        return Ok(limit);
    }
    let covered = checkpoint::newest(conn, head)?.map_or(0, |kept| count(kept.size));
    Ok(if covered == 0 { limit } else { covered.min(limit) })
}
