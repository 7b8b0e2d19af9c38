//! The finding queue in flash: first in, first out, freed only by acknowledgement.
//!
//! An entry is the finding's number and its signed bytes. Wear is levelled by going round the range. When the range is full
//! a new finding is refused and counted, never an old one overwritten: the first finding of a series is the one that tells.
//! Invariant: after a power cut at any write the queue holds every finding whose `push` returned, in order, each whole.

use core::ops::Range;

use embedded_storage_async::nor_flash::MultiwriteNorFlash;
use sequential_storage::cache::Cache;
use sequential_storage::queue::{QueueConfig, QueueStorage};

use crate::flash::{FlashError, block_on};
use crate::limits::QUEUE_ENTRY;

/// The oldest finding of the queue.
pub(crate) struct Entry<'b> {
    pub(crate) sequence: u64,
    pub(crate) cose: &'b [u8],
}

/// The queue; the flash itself is lent to each call.
pub(crate) struct Queue {
    range: Range<u32>,
}

impl Queue {
    pub(crate) fn new<F: MultiwriteNorFlash>(range: Range<u32>) -> Result<Self, FlashError> {
        QueueConfig::<F>::try_new(range.clone()).map_err(|_| FlashError::Layout)?;
        Ok(Self { range })
    }

    fn on<'f, F: MultiwriteNorFlash>(
        &self,
        flash: &'f mut F,
    ) -> Result<QueueStorage<&'f mut F, impl sequential_storage::cache::CacheImpl<()>>, FlashError> {
        let config = QueueConfig::try_new(self.range.clone()).map_err(|_| FlashError::Layout)?;
        Ok(QueueStorage::new(flash, config, Cache::new_uncached()))
    }

    /// Appends a finding.
    pub(crate) fn push<F: MultiwriteNorFlash>(
        &self,
        flash: &mut F,
        sequence: u64,
        cose: &[u8],
    ) -> Result<(), FlashError> {
        let mut entry = heapless::Vec::<u8, QUEUE_ENTRY>::new();
        entry.extend_from_slice(&sequence.to_be_bytes()).map_err(|_| FlashError::Full)?;
        entry.extend_from_slice(cose).map_err(|_| FlashError::Full)?;
        Ok(block_on(self.on(flash)?.push(&entry, false))?)
    }

    /// The oldest finding.
    pub(crate) fn peek<'b, F: MultiwriteNorFlash>(
        &self,
        flash: &mut F,
        buffer: &'b mut [u8; QUEUE_ENTRY],
    ) -> Result<Option<Entry<'b>>, FlashError> {
        let entry: Option<&'b mut [u8]> = block_on(self.on(flash)?.peek(buffer.as_mut_slice()))?;
        Ok(entry.and_then(|entry| {
            let (sequence, cose) = entry.split_first_chunk::<8>()?;
            Some(Entry { sequence: u64::from_be_bytes(*sequence), cose })
        }))
    }

    /// Forgets the oldest finding.
    pub(crate) fn pop<F: MultiwriteNorFlash>(&self, flash: &mut F) -> Result<(), FlashError> {
        let mut buffer = [0; QUEUE_ENTRY];
        block_on(self.on(flash)?.pop(&mut buffer)).map(drop).map_err(FlashError::from)
    }

    /// How many findings wait.
    pub(crate) fn count<F: MultiwriteNorFlash>(&self, flash: &mut F) -> Result<u32, FlashError> {
        let mut buffer = [0; QUEUE_ENTRY];
        let mut storage = self.on(flash)?;
        block_on(async {
            let mut entries = storage.iter().await?;
            let mut count = 0;
            while entries.next(&mut buffer).await?.is_some() {
                count += 1;
            }
            Ok(count)
        })
    }
}

#[cfg(test)]
mod tests;
