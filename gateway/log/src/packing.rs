//! Compression of batches by zstd, and decompression with a bound.
//!
//! Not a format of its own: plain zstd frames (RFC 8878), as `curl` and any server handle them. Invariant: unpacking
//! takes at most the bound and the largest window of memory, whatever the frame claims.

#![deny(clippy::indexing_slicing)]

use std::io::{self, Read as _};

use thiserror::Error;
use zstd::zstd_safe::CParameter;

use crate::limits::{ZSTD_LEVEL, ZSTD_RATIO, ZSTD_RATIO_FREE, ZSTD_SEND_WINDOW_LOG, ZSTD_WINDOW_LOG};

/// Why bytes were not packed or unpacked.
#[derive(Debug, Error)]
pub enum PackingError {
    /// The compressor failed.
    #[error("zstd could not compress {bytes} bytes")]
    Compress {
        /// Bytes before compression.
        bytes: usize,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// Not zstd, or damaged or cut short.
    #[error("the body is not a whole zstd frame")]
    Damaged(#[source] io::Error),
    /// It would become too long.
    #[error("the body becomes more than {bytes} bytes: send smaller batches")]
    TooLong {
        /// The bound in bytes.
        bytes: usize,
    },
    /// It grows too much.
    #[error("each byte of the body becomes more than {ratio} bytes: that is no batch")]
    Bomb {
        /// The bound.
        ratio: usize,
    },
}

/// Compresses one batch after the other with the same tables and the same room for what comes out: as much memory as the largest
/// batch so far, and about 1 MiB.
pub struct Packer {
    compressor: zstd::bulk::Compressor<'static>,
    room: Vec<u8>,
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Packer").finish_non_exhaustive()
    }
}

impl Packer {
    /// A compressor with tables of its own.
    ///
    /// # Errors
    /// [`PackingError::Compress`] when memory is short.
    pub fn new() -> Result<Self, PackingError> {
        let made = zstd::bulk::Compressor::new(ZSTD_LEVEL).and_then(|mut compressor| {
            compressor.set_parameter(CParameter::WindowLog(ZSTD_SEND_WINDOW_LOG))?;
            Ok(Self { compressor, room: Vec::new() })
        });
        made.map_err(|source| PackingError::Compress { bytes: 0, source })
    }

    /// Compresses bytes into one zstd frame.
    ///
    /// # Errors
    /// [`PackingError::Compress`] when memory is short.
    pub fn pack(&mut self, bytes: &[u8]) -> Result<Vec<u8>, PackingError> {
        self.room.clear();
        self.room.reserve(zstd::zstd_safe::compress_bound(bytes.len()));
        self.compressor
            .compress_to_buffer(bytes, &mut self.room)
            .map_err(|source| PackingError::Compress { bytes: bytes.len(), source })?;
        // The room is for what does not compress; what waits to be sent takes what it needs alone.
        Ok(self.room.clone())
    }
}

/// Compresses bytes into one zstd frame.
///
/// # Errors
/// [`PackingError::Compress`] when memory is short.
pub fn pack(bytes: &[u8]) -> Result<Vec<u8>, PackingError> {
    Packer::new()?.pack(bytes)
}

/// Decompresses a body of one or more zstd frames that becomes at most `bound` bytes.
///
/// # Errors
/// [`PackingError`] when it is no zstd, becomes longer than `bound`, or grows by more than [`ZSTD_RATIO`].
pub fn unpack(packed: &[u8], bound: usize) -> Result<Vec<u8>, PackingError> {
    let by_ratio = packed.len().saturating_mul(ZSTD_RATIO).max(ZSTD_RATIO_FREE);
    let most = bound.min(by_ratio);
    let mut decoder = zstd::stream::read::Decoder::with_buffer(packed).map_err(PackingError::Damaged)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(PackingError::Damaged)?;
    let mut bytes = Vec::new();
    let take = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    decoder.take(take).read_to_end(&mut bytes).map_err(PackingError::Damaged)?;
    if bytes.len() <= most {
        return Ok(bytes);
    }
    Err(if by_ratio < bound {
        PackingError::Bomb { ratio: ZSTD_RATIO }
    } else {
        PackingError::TooLong { bytes: bound }
    })
}
