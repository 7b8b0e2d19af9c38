//! The journal: one block per group commit with everything that its messages said.
//!
//! A block carries its own names, so it needs no other table to be read; one row per commit keeps the
//! pages written per commit few. Layout: number of texts, texts (each once), then entries: kind, indices
//! of texts, times as differences, value. Not yet chunks: `merge.rs` makes them. Beside its readings a block may hold
//! bytes of the pipeline, from which the rules' memory is rebuilt; this crate keeps them until [`release`] and reads
//! nothing from them.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, params};
use sitewarden_core::{Action, AssetRef, Permit, Reading, ReadingValue, Resource, TimeSource, Timestamp};
use sitewarden_store::{SqlContext as _, StoreError, Tx};

use crate::TelemetryError;
use crate::codec::{CodecError, Reader, Writer, pack, unpack};
use crate::limits::{TEXT_VALUE_BYTES, UNKNOWN_SAMPLE_BYTES};

/// A payload that no dialect knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownPayload {
    /// Its topic.
    pub topic: Arc<str>,
    /// The payload; [`UNKNOWN_SAMPLE_BYTES`] of it are kept.
    pub payload: Vec<u8>,
    /// Why nothing could be read from it.
    pub reason: Arc<str>,
    /// When it came.
    pub received: Timestamp,
}

/// What a block holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Block {
    pub(crate) readings: Vec<Reading>,
    pub(crate) unknown: Vec<UnknownPayload>,
}

/// Stores readings and unknown payloads as one block of the journal, with bytes for whoever replays it. Those alone are
/// no bulk data: they go with findings while the disk is full.
///
/// # Errors
/// [`TelemetryError`]: the disk has room for findings only, or the store failed.
pub fn append(
    tx: &Tx<'_>,
    permit: Permit,
    readings: &[Reading],
    unknown: &[UnknownPayload],
    replay: &[u8],
) -> Result<(), TelemetryError> {
    let _ = tx.spend(permit, Action::TelemetryAppend, &Resource::site())?;
    if !readings.is_empty() || !unknown.is_empty() {
        tx.claim_bulk()?;
    } else if replay.is_empty() {
        return Ok(());
    }
    let received = readings
        .iter()
        .map(|reading| reading.received)
        .chain(unknown.iter().map(|payload| payload.received))
        .max()
        .unwrap_or_else(|| tx.now());
    let bytes = pack(&encode(readings, unknown));
    // The number goes on after the merged blocks even when all of them are gone.
    tx.sql()
        .prepare_cached(
            "INSERT INTO reading_block (id, received, count, bytes, replay) VALUES (
                 1 + max(coalesce((SELECT max(id) FROM reading_block), 0), (SELECT merged_block FROM reading_state)),
                 ?1, ?2, ?3, ?4)",
        )
        .doing("preparing a block of readings")?
        .execute(params![
            received.micros(),
            readings.len() + unknown.len(),
            bytes,
            Some(replay).filter(|bytes| !bytes.is_empty())
        ])
        .doing("storing a block of readings")?;
    Ok(())
}

/// The number of the newest block, within the transaction of whoever asks.
///
/// # Errors
/// [`TelemetryError`].
pub fn last_block(tx: &Tx<'_>) -> Result<u64, TelemetryError> {
    tx.sql()
        .query_row(
            "SELECT max(coalesce((SELECT max(id) FROM reading_block), 0), merged_block) FROM reading_state",
            [],
            |row| row.get(0),
        )
        .doing("reading the number of the newest block")
        .map_err(TelemetryError::from)
}

/// Nobody replays blocks up to this one any more: those that are merged may go.
///
/// # Errors
/// [`TelemetryError`].
pub fn release(tx: &Tx<'_>, permit: Permit, block: u64) -> Result<(), TelemetryError> {
    let _ = tx.spend(permit, Action::TelemetryAppend, &Resource::site())?;
    tx.sql()
        .execute(
            "UPDATE reading_state SET released_block = max(released_block, ?1) WHERE id = 1",
            params![block],
        )
        .doing("releasing blocks of readings")?;
    Ok(())
}

/// One block for a replay.
#[derive(Debug)]
pub struct Replayed {
    /// Its number; blocks have no holes between them.
    pub block: u64,
    /// Its readings, in the order in which they were appended.
    pub readings: Result<Vec<Reading>, CodecError>,
    /// The bytes that were stored with them.
    pub replay: Vec<u8>,
}

/// So many blocks after `after`, oldest first, merged or not.
///
/// # Errors
/// [`TelemetryError`].
pub fn replay_after(conn: &Connection, after: u64, blocks: usize) -> Result<Vec<Replayed>, TelemetryError> {
    let mut statement = conn
        .prepare_cached("SELECT id, bytes, replay FROM reading_block WHERE id > ?1 ORDER BY id LIMIT ?2")
        .doing("preparing to replay the journal")?;
    let mut rows = statement.query(params![after, blocks]).doing("replaying the journal")?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().doing("replaying the journal")? {
        let bytes: Vec<u8> = row.get(1).doing("reading a block")?;
        let mut block = Block::default();
        let readings = unpack(&bytes).and_then(|bytes| decode(&bytes, &mut block)).map(|()| block.readings);
        let replay: Option<Vec<u8>> = row.get(2).doing("reading a block's replay")?;
        found.push(Replayed {
            block: row.get(0).doing("reading a block's number")?,
            readings,
            replay: replay.unwrap_or_default(),
        });
    }
    Ok(found)
}

/// Blocks after `after`, oldest first, until `entries` are exceeded; with the number of the last one.
pub(crate) fn read_after(
    conn: &Connection,
    after: u64,
    entries: u64,
) -> Result<(Block, u64), TelemetryError> {
    let mut statement = conn
        .prepare_cached("SELECT id, count, bytes FROM reading_block WHERE id > ?1 ORDER BY id")
        .doing("preparing to read the journal")?;
    let mut rows = statement.query(params![after]).doing("reading the journal")?;
    let (mut block, mut last, mut taken) = (Block::default(), after, 0);
    while let Some(row) = rows.next().doing("reading the journal")? {
        let id: u64 = row.get(0).doing("reading a block's number")?;
        let count: u64 = row.get(1).doing("reading a block's size")?;
        let bytes = row
            .get_ref(2)
            .doing("reading a block")?
            .as_blob()
            .map_err(|_| CodecError::Damaged("no bytes"))?;
        match unpack(bytes).and_then(|bytes| decode(&bytes, &mut block)) {
            Ok(()) => {}
            // A damaged block loses itself and not the journal; the message says which.
            Err(error) => tracing::warn!(block = id, %error, "a block of the journal is skipped"),
        }
        last = id;
        taken += count;
        if taken >= entries {
            break;
        }
    }
    Ok((block, last))
}

/// Number of entries in blocks after `after`.
pub(crate) fn waiting(conn: &Connection, after: u64) -> Result<u64, StoreError> {
    conn.query_row("SELECT coalesce(sum(count), 0) FROM reading_block WHERE id > ?1", params![after], |row| {
        row.get(0)
    })
    .doing("counting the journal")
}

const NUMBER: u64 = 0;
const FALSE: u64 = 1;
const TRUE: u64 = 2;
const TEXT: u64 = 3;
const UNKNOWN: u64 = 4;
/// Added to the kind when the time is that of arrival.
const ARRIVAL: u64 = 8;
/// Added to the kind when the asset was approved; blocks of before the mark count as not approved.
const TRUSTED: u64 = 16;

#[derive(Default)]
struct Texts<'a> {
    list: Vec<&'a str>,
    index: HashMap<&'a str, u64>,
}

impl<'a> Texts<'a> {
    fn of(&mut self, text: &'a str) -> u64 {
        *self.index.entry(text).or_insert_with(|| {
            self.list.push(text);
            self.list.len() as u64 - 1
        })
    }
}

fn encode(readings: &[Reading], unknown: &[UnknownPayload]) -> Vec<u8> {
    let mut texts = Texts::default();
    let mut entries = Writer::default();
    let mut before = 0_i64;
    for reading in readings {
        let kind = match &reading.value {
            ReadingValue::Number(_) => NUMBER,
            ReadingValue::Bool(false) => FALSE,
            ReadingValue::Bool(true) => TRUE,
            ReadingValue::Text(_) => TEXT,
        };
        let arrival = if reading.time_source == TimeSource::Arrival { ARRIVAL } else { 0 };
        let trusted = if reading.trusted { TRUSTED } else { 0 };
        entries.unsigned(kind + arrival + trusted);
        entries.unsigned(texts.of(reading.asset.as_str()));
        entries.unsigned(reading.via.as_ref().map_or(0, |via| texts.of(via.as_str()) + 1));
        entries.unsigned(texts.of(&reading.metric));
        entries.unsigned(texts.of(&reading.unit));
        entries.signed(reading.received.micros().wrapping_sub(before));
        before = reading.received.micros();
        entries.signed(reading.time.micros().wrapping_sub(before));
        match &reading.value {
            ReadingValue::Number(number) => entries.float(*number),
            ReadingValue::Bool(_) => {}
            ReadingValue::Text(text) => entries.unsigned(texts.of(cut(text, TEXT_VALUE_BYTES))),
        }
    }
    for payload in unknown {
        entries.unsigned(UNKNOWN);
        entries.unsigned(texts.of(&payload.topic));
        entries.unsigned(texts.of(&payload.reason));
        entries.signed(payload.received.micros().wrapping_sub(before));
        before = payload.received.micros();
        entries.bytes(payload.payload.get(..UNKNOWN_SAMPLE_BYTES).unwrap_or(&payload.payload));
    }
    let mut whole = Writer::default();
    whole.unsigned(texts.list.len() as u64);
    for text in texts.list {
        whole.bytes(text.as_bytes());
    }
    let mut bytes = whole.finish();
    bytes.extend_from_slice(&entries.finish());
    bytes
}

fn decode(bytes: &[u8], block: &mut Block) -> Result<(), CodecError> {
    let mut reader = Reader(bytes);
    let count = reader.unsigned()?;
    let mut texts: Vec<Arc<str>> = Vec::new();
    for _ in 0..count {
        texts.push(reader.text()?.into());
    }
    let text = |index: u64| {
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        texts.get(index).cloned().ok_or(CodecError::Damaged("a text is missing"))
    };
    let mut before = 0_i64;
    while !reader.is_empty() {
        let kind = reader.unsigned()?;
        if kind == UNKNOWN {
            let (topic, reason) = (text(reader.unsigned()?)?, text(reader.unsigned()?)?);
            before = before.wrapping_add(reader.signed()?);
            let received = Timestamp::from_micros(before);
            block.unknown.push(UnknownPayload { topic, reason, received, payload: reader.bytes()?.to_vec() });
            continue;
        }
        let asset = AssetRef::new(&text(reader.unsigned()?)?);
        let via = match reader.unsigned()? {
            0 => None,
            index => Some(AssetRef::new(&text(index - 1)?)),
        };
        let (metric, unit) = (text(reader.unsigned()?)?, text(reader.unsigned()?)?);
        before = before.wrapping_add(reader.signed()?);
        let time = Timestamp::from_micros(before.wrapping_add(reader.signed()?));
        let value = match kind % ARRIVAL {
            NUMBER => ReadingValue::Number(reader.float()?),
            FALSE => ReadingValue::Bool(false),
            TRUE => ReadingValue::Bool(true),
            TEXT => ReadingValue::Text(text(reader.unsigned()?)?),
            _ => return Err(CodecError::Damaged("an entry's kind is not known")),
        };
        let time_source = if kind & ARRIVAL != 0 { TimeSource::Arrival } else { TimeSource::Payload };
        let trusted = kind & TRUSTED != 0;
        let received = Timestamp::from_micros(before);
        block.readings.push(Reading {
            asset,
            via,
            metric,
            unit,
            value,
            time,
            time_source,
            received,
            trusted,
        });
    }
    Ok(())
}

/// Cuts a text at a character boundary.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn reading(asset: &str, seconds: i64, value: f64) -> Reading {
        Reading {
            asset: AssetRef::new(asset),
            via: None,
            metric: "temperature".into(),
            unit: "Cel".into(),
            value: ReadingValue::Number(value),
            time: Timestamp::from_seconds(seconds),
            time_source: TimeSource::Payload,
            received: Timestamp::from_seconds(1_795_514_400 + seconds % 1_000),
            trusted: true,
        }
    }

    fn any_reading() -> impl Strategy<Value = Reading> {
        let value = prop_oneof![
            any::<f64>().prop_map(ReadingValue::Number),
            any::<bool>().prop_map(ReadingValue::Bool),
            "[a-zä]{0,20}".prop_map(|text| ReadingValue::Text(text.into())),
        ];
        let flags = (any::<bool>(), any::<bool>());
        (("[a-c]{1,2}", prop::option::of("[x-z]")), "[m-o]", any::<i64>(), any::<i64>(), flags, value)
            .prop_map(|((asset, via), metric, time, received, (arrival, trusted), value)| Reading {
                asset: AssetRef::new(&asset),
                via: via.map(|via| AssetRef::new(&via)),
                metric: metric.into(),
                unit: "".into(),
                value,
                time: Timestamp::from_micros(time),
                time_source: if arrival { TimeSource::Arrival } else { TimeSource::Payload },
                received: Timestamp::from_micros(received),
                trusted,
            })
    }

    proptest! {
        #[test]
        fn blocks_round_trip(readings in prop::collection::vec(any_reading(), 0..20), payload: Vec<u8>) {
            let unknown = vec![UnknownPayload {
                topic: "a/b".into(), payload, reason: "not JSON".into(), received: Timestamp::from_seconds(5),
            }];
            let mut block = Block::default();
            decode(&encode(&readings, &unknown), &mut block).expect("decodes");
            // NaN is not equal to itself: compare what is written.
            prop_assert_eq!(format!("{:?}", block.readings), format!("{:?}", readings));
            prop_assert_eq!(block.unknown, unknown);
        }

        #[test]
        fn damaged_blocks_end_in_an_error_or_other_readings(bytes: Vec<u8>) {
            let _ = decode(&bytes, &mut Block::default());
        }
    }

    #[test]
    fn texts_are_cut_at_character_boundaries() {
        assert_eq!(cut("aä", 2), "a");
        assert_eq!(cut("aä", 3), "aä");
    }
}
