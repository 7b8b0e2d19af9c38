//! Replays the calls of [`super::call_log`] on an engine that was restored: afterwards it is as if it had never stopped.
//!
//! What the engine says meanwhile is thrown away: it was committed with the very block that is replayed. Invariants: a
//! block is understood whole before any of it is replayed; damaged bytes end in an error, never in a panic, and what
//! rests on a damaged or missing block is left out and counted.
#![deny(clippy::indexing_slicing)]

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use sitewarden_core::limits::VALUE_DEPTH;
use sitewarden_core::{AssetRef, Event, FindingDraft, LogSource, Monotonic, Now, Reading, Timestamp, Value};
use sitewarden_detect::Engine;
use sitewarden_telemetry::codec::{CodecError, Reader, unpack};
use thiserror::Error;

use super::call_log::{self, Asset, checksum};
use super::events::{ReadingFields, Standing};

/// A block is not replayed.
#[derive(Debug, Error)]
pub(super) enum ReplayError {
    #[error("its checksum does not fit: the disk changed it")]
    Checksum,
    #[error("it rests on a block that is damaged or was never stored")]
    Chain,
    #[error("its readings are damaged")]
    Readings,
    #[error("it is damaged")]
    Codec(#[from] CodecError),
}

/// One call of the engine.
enum Call {
    Event(Box<Event>, Now),
    Timeout(Now),
    Inventory(Vec<Asset>, Vec<Asset>, Now),
    Rules(Vec<u64>),
}

/// Where the bytes of a chain stand.
#[derive(Clone, Default)]
struct Chain {
    number: u64,
    names: Vec<(Arc<str>, Option<Arc<str>>)>,
    mono: i64,
    wall: i64,
}

/// An engine to which blocks happen once more.
pub(super) struct Replay {
    engine: Engine,
    /// `None` when the chain is broken.
    chain: Option<Chain>,
    /// Marks of the rules that were in force, as far as blocks told.
    rules: Option<HashSet<u64>>,
    inventory: BTreeSet<Asset>,
    fields: ReadingFields,
    out: Vec<FindingDraft>,
}

impl Replay {
    /// The engine as the snapshot left it.
    pub(super) fn new(engine: Engine) -> Self {
        let inventory = engine.inventory().iter().cloned().collect();
        Self {
            engine,
            chain: None,
            rules: None,
            inventory,
            fields: ReadingFields::default(),
            out: Vec::new(),
        }
    }

    /// Replays what was stored with one commit.
    pub(super) fn block(
        &mut self,
        readings: Result<&[Reading], ReplayError>,
        bytes: &[u8],
    ) -> Result<(), ReplayError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let chain = self.chain.take();
        let (chain, calls) = readings.and_then(|readings| decode(chain, readings, bytes, &self.fields))?;
        self.chain = Some(chain);
        for call in calls {
            self.call(call);
            // Committed with the block that is replayed.
            self.out.clear();
        }
        Ok(())
    }

    fn call(&mut self, call: Call) {
        match call {
            Call::Event(event, now) => self.engine.handle_event(&event, now, &mut self.out),
            Call::Timeout(now) => self.engine.handle_timeout(now, &mut self.out),
            Call::Inventory(went, came, now) => {
                self.inventory.retain(|asset| !went.contains(asset));
                self.inventory.extend(came);
                self.engine.set_inventory(self.inventory.iter().cloned().collect(), now);
            }
            Call::Rules(marks) => {
                let marks: HashSet<u64> = marks.into_iter().collect();
                if let Some(before) = self.rules.replace(marks.clone()) {
                    self.engine.begin_anew(|mark| marks.contains(&mark) && !before.contains(&mark));
                }
            }
        }
    }

    /// The engine as it was after the last block. Rules that came into force since begin now.
    pub(super) fn finish(mut self) -> Engine {
        if let Some(before) = self.rules.take()
            && self.engine.marks().any(|mark| !before.contains(&mark))
        {
            self.engine.begin_anew(|mark| !before.contains(&mark));
        }
        self.engine
    }
}

fn decode(
    chain: Option<Chain>,
    readings: &[Reading],
    bytes: &[u8],
    fields: &ReadingFields,
) -> Result<(Chain, Vec<Call>), ReplayError> {
    let (sum, packed) = bytes.split_first_chunk::<4>().ok_or(CodecError::Damaged("no checksum"))?;
    if checksum(packed) != u32::from_le_bytes(*sum) {
        return Err(ReplayError::Checksum);
    }
    let bytes = unpack(packed)?;
    let mut reader = Reader(&bytes);
    let number = reader.unsigned()?;
    let begins = reader.0.first() == Some(&0);
    let chain = match chain {
        Some(chain) if chain.number.checked_add(1) == Some(number) => chain,
        _ if begins => Chain::default(),
        _ => return Err(ReplayError::Chain),
    };
    let mut block = Block { chain: Chain { number, ..chain }, readings, calls: Vec::new(), fields };
    while !reader.is_empty() {
        block.item(&mut reader)?;
    }
    Ok((block.chain, block.calls))
}

/// One block as it is read.
struct Block<'a> {
    chain: Chain,
    /// Those that are not yet read.
    readings: &'a [Reading],
    calls: Vec<Call>,
    fields: &'a ReadingFields,
}

impl Block<'_> {
    fn item(&mut self, reader: &mut Reader<'_>) -> Result<(), CodecError> {
        match reader.unsigned()? {
            call_log::BEGIN if reader.unsigned()? == call_log::VERSION => {
                self.chain = Chain { number: self.chain.number, ..Chain::default() };
            }
            call_log::BEGIN => return Err(CodecError::Damaged("another version of this program wrote it")),
            call_log::RULES => {
                let count = reader.unsigned()?;
                let mark = |reader: &mut Reader<'_>| {
                    let bytes = reader.bytes()?.first_chunk::<8>().copied();
                    bytes.map(u64::from_le_bytes).ok_or(CodecError::Damaged("a mark is too short"))
                };
                let marks = (0..count).map(|_| mark(reader)).collect::<Result<_, _>>()?;
                self.calls.push(Call::Rules(marks));
            }
            call_log::NOW => {
                let forward = reader.signed()?;
                let chain = &mut self.chain;
                chain.mono = chain.mono.wrapping_add(forward);
                chain.wall = chain.wall.wrapping_add(forward).wrapping_add(reader.signed()?);
            }
            call_log::TIMEOUT => self.calls.push(Call::Timeout(self.now())),
            call_log::INVENTORY => {
                let (went, came) = (assets(reader)?, assets(reader)?);
                self.calls.push(Call::Inventory(went, came, self.now()));
            }
            call_log::EVENT => {
                let event = self.event(reader)?;
                self.calls.push(Call::Event(Box::new(event), self.now()));
            }
            call_log::NAMES => {
                let names = (Arc::from(reader.text()?), maybe(reader)?);
                self.chain.names.push(names);
            }
            call_log::SKIPPED => {
                let count = usize::try_from(reader.unsigned()?).unwrap_or(usize::MAX);
                self.readings =
                    self.readings.get(count..).ok_or(CodecError::Damaged("a reading is missing"))?;
            }
            item => self.reading(item - call_log::READING)?,
        }
        Ok(())
    }

    fn now(&self) -> Now {
        let mono = Monotonic::from_micros(u64::try_from(self.chain.mono).unwrap_or(0));
        Now { wall: Timestamp::from_micros(self.chain.wall), mono }
    }

    fn reading(&mut self, names: u64) -> Result<(), CodecError> {
        let (reading, rest) =
            self.readings.split_first().ok_or(CodecError::Damaged("a reading is missing"))?;
        self.readings = rest;
        let (topic, zone) = usize::try_from(names)
            .ok()
            .and_then(|names| self.chain.names.get(names))
            .ok_or(CodecError::Damaged("a name is missing"))?;
        let standing = Standing { trusted: reading.trusted, zone: zone.clone() };
        let event = self.fields.event(reading, topic, &standing);
        self.calls.push(Call::Event(Box::new(event), self.now()));
        Ok(())
    }

    fn event(&self, reader: &mut Reader<'_>) -> Result<Event, CodecError> {
        let source = LogSource { product: maybe(reader)?, category: maybe(reader)?, service: maybe(reader)? };
        let asset = maybe(reader)?.map(|name| AssetRef::new(&name));
        let received = self.chain.wall.wrapping_add(reader.signed()?);
        let time = received.wrapping_add(reader.signed()?);
        let count = reader.unsigned()?;
        let field = |reader: &mut Reader<'_>| Ok((Arc::from(reader.text()?), value(reader, 0)?));
        let fields = (0..count).map(|_| field(reader)).collect::<Result<_, CodecError>>()?;
        Ok(Event {
            source,
            asset,
            time: Timestamp::from_micros(time),
            received: Timestamp::from_micros(received),
            fields,
        })
    }
}

fn maybe(reader: &mut Reader<'_>) -> Result<Option<Arc<str>>, CodecError> {
    Ok(if reader.unsigned()? == 0 { None } else { Some(Arc::from(reader.text()?)) })
}

fn assets(reader: &mut Reader<'_>) -> Result<Vec<Asset>, CodecError> {
    let count = reader.unsigned()?;
    let mut assets = Vec::new();
    for _ in 0..count {
        let fields = reader.unsigned()?;
        let field = |reader: &mut Reader<'_>| Ok((Arc::from(reader.text()?), Arc::from(reader.text()?)));
        assets.push((0..fields).map(|_| field(reader)).collect::<Result<_, CodecError>>()?);
    }
    Ok(assets)
}

fn value(reader: &mut Reader<'_>, depth: usize) -> Result<Value, CodecError> {
    if depth > VALUE_DEPTH + 1 {
        return Err(CodecError::Damaged("a value is too deep"));
    }
    Ok(match reader.unsigned()? {
        call_log::NULL => Value::Null,
        call_log::FALSE => Value::Bool(false),
        call_log::TRUE => Value::Bool(true),
        call_log::INT => Value::Int(reader.signed()?),
        call_log::FLOAT => Value::Float(reader.float()?),
        call_log::TEXT => Value::Text(Arc::from(reader.text()?)),
        call_log::LIST => {
            let count = reader.unsigned()?;
            Value::List((0..count).map(|_| value(reader, depth + 1)).collect::<Result<_, _>>()?)
        }
        call_log::MAP => {
            let count = reader.unsigned()?;
            let item = |reader: &mut Reader<'_>| Ok((Arc::from(reader.text()?), value(reader, depth + 1)?));
            Value::Map((0..count).map(|_| item(reader)).collect::<Result<_, CodecError>>()?)
        }
        _ => return Err(CodecError::Damaged("a value's kind is not known")),
    })
}

#[cfg(test)]
mod tests;
