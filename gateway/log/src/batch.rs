//! The body of a push to the cloud: consecutive records of one log, with a checkpoint or without.
//!
//! JSON: `{"first":"17","records":[{"seq":"17","time":"..Z","kind":"..","body":{..}}],"checkpoint":".."}`. A body stands
//! in it as the bytes that are stored, since the leaf hash is over them. Who signed, and whether a record is new, is
//! for the receiver. Invariants: a parsed batch has at least one record, its numbers begin at `first` and have no hole;
//! a batch that was encoded parses to the same records with the same leaf hashes.

#![deny(clippy::indexing_slicing)]

use std::borrow::Cow;
use std::io::Write as _;

use serde::Deserialize;
use serde_json::value::RawValue;
use sitewarden_core::Timestamp;
use thiserror::Error;

use crate::limits::{BATCH_BYTES, BATCH_RECORDS, CHECKPOINT_BYTES, RECORD_BYTES, RECORD_KIND_BYTES, SEQ_MAX};
use crate::number;
use crate::record;
use crate::rfc3339;
use crate::tree::Hash;

/// What a batch may have at most; the defaults are those of `limits.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Records.
    pub records: usize,
    /// Bytes before compression.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { records: BATCH_RECORDS, bytes: BATCH_BYTES }
    }
}

/// Why a batch is not taken, or a record does not go into one.
#[derive(Debug, Error)]
pub enum BatchError {
    /// Longer than the limit.
    #[error("a batch of {bytes} bytes is longer than {limit}: send fewer records")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// More records than the limit.
    #[error("a batch of {records} records has more than {limit}: send fewer")]
    TooMany {
        /// How many there are.
        records: usize,
        /// The limit.
        limit: usize,
    },
    /// Not the JSON that is expected.
    #[error("the batch cannot be read")]
    Json(#[source] serde_json::Error),
    /// No record in it.
    #[error("the batch has no record")]
    Empty,
    /// A number is not the one that follows.
    #[error("record {found} stands where record {expected} is expected: the records of a batch have no hole")]
    Order {
        /// The number that follows.
        expected: u64,
        /// The number that is there.
        found: u64,
    },
    /// One record is not as the format says.
    #[error("record {seq}: {what}")]
    Record {
        /// The record.
        seq: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// The checkpoint is longer than any is.
    #[error("the checkpoint has {bytes} bytes, more than {CHECKPOINT_BYTES}")]
    Checkpoint {
        /// Its length.
        bytes: usize,
    },
}

/// One record of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchRecord<'a> {
    /// Sequence number, from 1.
    pub seq: u64,
    /// Wall time of the box when it was appended.
    pub time: Timestamp,
    /// What kind of change.
    pub kind: Cow<'a, str>,
    /// The stored bytes: JSON text.
    pub body: &'a str,
}

impl BatchRecord<'_> {
    /// The leaf hash, computed from what stands here.
    #[must_use]
    pub fn leaf_hash(&self) -> Hash {
        record::leaf_hash(self.seq, self.time, &self.kind, self.body.as_bytes())
    }
}

/// A batch that was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch<'a> {
    /// Number of the first record.
    pub first: u64,
    /// The records, without a hole.
    pub records: Vec<BatchRecord<'a>>,
    /// A signed note, unchecked.
    pub checkpoint: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct RawBatch<'a> {
    #[serde(with = "number::decimal")]
    first: u64,
    #[serde(borrow)]
    records: Vec<RawRecord<'a>>,
    #[serde(borrow, default)]
    checkpoint: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct RawRecord<'a> {
    #[serde(with = "number::decimal")]
    seq: u64,
    time: Timestamp,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    body: &'a RawValue,
}

impl<'a> Batch<'a> {
    /// Reads a batch.
    ///
    /// # Errors
    /// [`BatchError`] that names the record or the limit.
    pub fn parse(bytes: &'a [u8], limits: &Limits) -> Result<Self, BatchError> {
        if bytes.len() > limits.bytes {
            return Err(BatchError::TooLong { bytes: bytes.len(), limit: limits.bytes });
        }
        let raw: RawBatch<'a> = serde_json::from_slice(bytes).map_err(BatchError::Json)?;
        if raw.records.len() > limits.records {
            return Err(BatchError::TooMany { records: raw.records.len(), limit: limits.records });
        }
        if raw.records.is_empty() {
            return Err(BatchError::Empty);
        }
        let mut records = Vec::with_capacity(raw.records.len());
        let mut expected = raw.first;
        for record in raw.records {
            let record = BatchRecord {
                seq: record.seq,
                time: record.time,
                kind: record.kind,
                body: record.body.get(),
            };
            check(expected, record.seq, &record.kind, record.body.as_bytes())?;
            records.push(record);
            expected = expected.saturating_add(1);
        }
        if let Some(checkpoint) = raw.checkpoint.as_ref().filter(|note| note.len() > CHECKPOINT_BYTES) {
            return Err(BatchError::Checkpoint { bytes: checkpoint.len() });
        }
        Ok(Self { first: raw.first, records, checkpoint: raw.checkpoint })
    }

    /// Number of the last record.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.records.last().map_or(self.first, |record| record.seq)
    }
}

/// What holds for a record on both ends.
fn check(expected: u64, seq: u64, kind: &str, body: &[u8]) -> Result<(), BatchError> {
    let wrong = |what| Err(BatchError::Record { seq, what });
    if seq != expected {
        return Err(BatchError::Order { expected, found: seq });
    }
    if seq == 0 || seq > SEQ_MAX {
        return wrong("its number must be from 1 to 2^63 - 1");
    }
    if kind.is_empty() || kind.len() > RECORD_KIND_BYTES || kind.chars().any(char::is_control) {
        return wrong("its kind must be 1 to 64 bytes without control characters");
    }
    if body.len() > RECORD_BYTES {
        return wrong("its body is longer than 256 KiB");
    }
    Ok(())
}

/// Writes a batch, record by record, up to the limits.
#[derive(Debug)]
pub struct Encoder {
    bytes: Vec<u8>,
    first: u64,
    next: u64,
    limits: Limits,
}

/// What the end of a batch takes at most: brackets, the key, and a checkpoint whose line breaks and dash are escaped.
const TAIL_BYTES: usize = 64 + 2 * CHECKPOINT_BYTES;

impl Encoder {
    /// A batch that begins with record `first`.
    #[must_use]
    pub fn new(first: u64, limits: Limits) -> Self {
        Self {
            bytes: format!("{{\"first\":\"{first}\",\"records\":[").into_bytes(),
            first,
            next: first,
            limits,
        }
    }

    /// As [`Encoder::new`], in the memory of a batch that is sent: its bytes are dropped.
    #[must_use]
    pub fn within(mut bytes: Vec<u8>, first: u64, limits: Limits) -> Self {
        let begin = Self::new(first, limits);
        bytes.clear();
        bytes.extend_from_slice(&begin.bytes);
        Self { bytes, ..begin }
    }

    /// Records so far.
    #[must_use]
    pub const fn records(&self) -> u64 {
        self.next - self.first
    }

    /// Bytes so far.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Appends the record that follows. `Ok(false)` when it does not fit any more: it begins the next batch. The first
    /// record always fits, so that no record stops the log.
    ///
    /// # Errors
    /// [`BatchError`] when the record is not one that a log has; the batch is as before.
    pub fn push(&mut self, seq: u64, time: Timestamp, kind: &str, body: &[u8]) -> Result<bool, BatchError> {
        check(self.next, seq, kind, body)?;
        // What is sent must be the stored bytes: white space around them would be lost in the JSON around it.
        let whole = serde_json::from_slice::<&RawValue>(body).is_ok_and(|raw| raw.get().len() == body.len());
        if !whole {
            return Err(BatchError::Record { seq, what: "its body is not JSON" });
        }
        self.push_stored(seq, time, kind, body)
    }

    /// As [`Encoder::push`] for a body that the log's own store wrote, which is JSON: it is not parsed once more, the
    /// receiver does that. One that was changed since makes a batch that no receiver takes.
    ///
    /// # Errors
    /// [`BatchError`] when the record is not one that a log has; the batch is as before.
    pub fn push_stored(
        &mut self,
        seq: u64,
        time: Timestamp,
        kind: &str,
        body: &[u8],
    ) -> Result<bool, BatchError> {
        check(self.next, seq, kind, body)?;
        let before = self.bytes.len();
        if self.records() > 0 {
            self.bytes.push(b',');
        }
        self.bytes.extend_from_slice(b"{\"seq\":\"");
        number::write(&mut self.bytes, seq);
        self.bytes.extend_from_slice(b"\",\"time\":\"");
        if !rfc3339::write(&mut self.bytes, time) {
            self.bytes.truncate(before);
            return Err(BatchError::Record { seq, what: "its time is outside of the calendar" });
        }
        self.bytes.extend_from_slice(b"\",\"kind\":");
        if kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'.') {
            self.bytes.push(b'"');
            self.bytes.extend_from_slice(kind.as_bytes());
            self.bytes.push(b'"');
        } else {
            self.bytes.extend_from_slice(serde_json::to_string(kind).map_err(BatchError::Json)?.as_bytes());
        }
        self.bytes.extend_from_slice(b",\"body\":");
        self.bytes.extend_from_slice(body);
        self.bytes.push(b'}');
        let full = self.bytes.len().saturating_add(TAIL_BYTES) > self.limits.bytes
            || usize::try_from(self.records()).unwrap_or(usize::MAX) >= self.limits.records;
        if full && self.records() > 0 {
            self.bytes.truncate(before);
            return Ok(false);
        }
        self.next = seq.saturating_add(1);
        Ok(true)
    }

    /// The batch with a signed checkpoint, or without. A checkpoint longer than any is left out.
    #[must_use]
    pub fn finish(mut self, checkpoint: Option<&str>) -> Vec<u8> {
        let checkpoint = checkpoint
            .filter(|note| note.len() <= CHECKPOINT_BYTES)
            .and_then(|note| serde_json::to_string(note).ok())
            .unwrap_or_else(|| "null".to_owned());
        let _ = write!(self.bytes, "],\"checkpoint\":{checkpoint}}}");
        self.bytes
    }
}
