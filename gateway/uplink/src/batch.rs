//! One batch: read out of the log, encoded, packed.
//!
//! Runs on a reader's thread; the cursor says from where and how much. Invariant: what is packed are the stored bytes of
//! consecutive records, beginning right behind the cursor.

use bytes::Bytes;
use rusqlite::Connection;
use sitewarden_log::{BatchError, Encoder, Limits, PackingError, pack};
use sitewarden_store::StoreError;
use sitewarden_store::site_log::{self, RawPage, checkpoint};
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
    #[error(transparent)]
    Packing(#[from] PackingError),
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

/// Makes a batch of the records after `after`; `None` when there are none.
pub(crate) fn prepare(
    conn: &Connection,
    after: u64,
    limits: Limits,
) -> Result<Option<Prepared>, PrepareError> {
    let RawPage::Records(records) = site_log::read_raw(conn, after, limits.records)? else {
        return Err(PrepareError::Lost { after, words: "they were pruned, or are not written yet" });
    };
    let first = after.saturating_add(1);
    let mut encoder = Encoder::new(first, limits);
    for record in &records {
        if !encoder.push(record.seq, record.time, &record.kind, &record.body)? {
            break;
        }
    }
    let Some(count) = encoder.records().checked_sub(1) else {
        return Ok(None);
    };
    let last = first.saturating_add(count);
    // A checkpoint within the batch can be checked by the cloud at once.
    let note = checkpoint::newest(conn, last)?.filter(|kept| kept.size >= first).map(|kept| kept.note);
    let raw = encoder.finish(note.as_deref());
    Ok(Some(Prepared { first, last, raw: raw.len(), packed: pack(&raw)?.into() }))
}
