//! The calls that moved the rules' memory, as bytes beside the journal's readings.
//!
//! What a reading said stands in the journal already; here stands which of them counted, when, and what the journal
//! does not know (topic, zone). Everything else (events of the box, timers, the inventory, the rules in force) stands
//! here whole. Bytes of one commit rest on those of the commits before, back to the last begin of a chain: names
//! are written once. Not the way back ([`super::replay`]). Invariants: bytes are taken in the order of the calls; a block
//! follows the one with the number before, or begins a chain.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use sitewarden_core::limits::VALUE_DEPTH;
use sitewarden_core::{Event, Monotonic, Now, Value};
use sitewarden_telemetry::codec::{Writer, pack};

use crate::limits::{REPLAY_NAMES, REPLAY_WAITING_BYTES};

/// A chain begins, in bytes of this version: names and times count from nothing.
pub(super) const BEGIN: u64 = 0;
/// Version of these bytes; blocks of another one are not replayed.
pub(super) const VERSION: u64 = 1;
/// The rules in force from here on: how many, their marks.
pub(super) const RULES: u64 = 1;
/// Time of the calls that follow: monotonic time since the one before, and how much further wall time went.
pub(super) const NOW: u64 = 2;
/// A call that let time pass.
pub(super) const TIMEOUT: u64 = 3;
/// The inventory changed: assets that went, assets that came.
pub(super) const INVENTORY: u64 = 4;
/// An event that is no reading of the journal.
pub(super) const EVENT: u64 = 5;
/// A topic and a zone, which get the next index.
pub(super) const NAMES: u64 = 6;
/// So many readings of the journal moved nothing.
pub(super) const SKIPPED: u64 = 7;
/// The next reading of the journal; its names' index is added.
pub(super) const READING: u64 = 8;

/// What the inventory tells of one asset.
pub(super) type Asset = Vec<(Arc<str>, Arc<str>)>;

/// Where a reading's topic and zone stand.
type Names = (Arc<str>, Option<Arc<str>>);

/// The calls since the last commit that took them.
#[derive(Default)]
pub(super) struct CallLog {
    block: Writer,
    /// Of the block before.
    number: u64,
    /// The next block begins a chain.
    begins: bool,
    /// Marks of the rules in force.
    rules: Vec<u64>,
    names: HashMap<Names, u64>,
    /// Of the latest call written, in microseconds.
    mono: i64,
    wall: i64,
    /// Readings since the last one that counted.
    skipped: u64,
    /// Something is in it that must not wait for another commit.
    waits: bool,
}

impl CallLog {
    /// An empty log under these rules, whose first block begins a chain.
    pub(super) fn new(rules: Vec<u64>) -> Self {
        Self { begins: true, rules, ..Self::default() }
    }

    /// Whether it asks for a commit although nothing else does.
    pub(super) const fn waits(&self) -> bool {
        self.waits
    }

    /// Time of the latest call written.
    pub(super) fn time(&self) -> Monotonic {
        Monotonic::from_micros(u64::try_from(self.mono).unwrap_or(0))
    }

    /// The next block rests on no other: one before it was lost, or a snapshot makes those before superfluous.
    pub(super) const fn begin_anew(&mut self) {
        self.begins = true;
    }

    /// A reading of this work that moved nothing.
    pub(super) const fn skip(&mut self) {
        self.skipped += 1;
    }

    /// A reading of this work that counted.
    pub(super) fn reading(&mut self, topic: &Arc<str>, zone: Option<&Arc<str>>, now: Now) {
        self.at(now);
        if self.skipped > 0 {
            self.block.unsigned(SKIPPED);
            self.block.unsigned(self.skipped);
            self.skipped = 0;
        }
        let names = (Arc::clone(topic), zone.cloned());
        let index = match self.names.get(&names) {
            Some(index) => *index,
            None => self.name(names, now),
        };
        self.block.unsigned(READING + index);
    }

    fn name(&mut self, names: Names, now: Now) -> u64 {
        if self.names.len() >= REPLAY_NAMES {
            self.begin();
            self.at(now);
        }
        self.block.unsigned(NAMES);
        self.block.bytes(names.0.as_bytes());
        self.maybe(names.1.as_deref());
        let index = self.names.len() as u64;
        self.names.insert(names, index);
        index
    }

    /// An event that is no reading of this work.
    pub(super) fn event(&mut self, event: &Event, now: Now) {
        self.at(now);
        self.waits = true;
        self.block.unsigned(EVENT);
        for part in [&event.source.product, &event.source.category, &event.source.service] {
            self.maybe(part.as_deref());
        }
        self.maybe(event.asset.as_ref().map(sitewarden_core::AssetRef::as_str));
        self.block.signed(event.received.micros().wrapping_sub(self.wall));
        self.block.signed(event.time.micros().wrapping_sub(event.received.micros()));
        self.block.unsigned(event.fields.len() as u64);
        for (name, value) in &event.fields {
            self.block.bytes(name.as_bytes());
            put(&mut self.block, value, 0);
        }
    }

    /// Time passed, and that counted.
    pub(super) fn timeout(&mut self, now: Now) {
        self.at(now);
        self.block.unsigned(TIMEOUT);
        self.waits |= self.block.len() > REPLAY_WAITING_BYTES;
    }

    /// As [`Self::timeout`], to be committed soon: so that a kill does not take back the time that silences have lasted.
    pub(super) fn mark_time(&mut self, now: Now) {
        self.timeout(now);
        self.waits = true;
    }

    /// The inventory that the engine was told.
    pub(super) fn inventory(&mut self, went: &BTreeSet<Asset>, came: &BTreeSet<Asset>, now: Now) {
        self.at(now);
        self.waits = true;
        self.block.unsigned(INVENTORY);
        for assets in [went, came] {
            self.block.unsigned(assets.len() as u64);
            for asset in assets {
                self.block.unsigned(asset.len() as u64);
                for (name, value) in asset {
                    self.block.bytes(name.as_bytes());
                    self.block.bytes(value.as_bytes());
                }
            }
        }
    }

    /// Other rules are in force from now on.
    pub(super) fn rules(&mut self, rules: Vec<u64>) {
        self.rules = rules;
        if self.begins && self.block.is_empty() {
            // The chain that begins next says so itself.
            return;
        }
        self.rules_in_force();
    }

    /// The block of one commit, and a new one begins; empty when there is nothing to replay.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.skipped = 0;
        self.waits = false;
        let items = std::mem::take(&mut self.block).finish();
        if items.is_empty() {
            return Vec::new();
        }
        self.number += 1;
        let mut whole = Writer::default();
        whole.unsigned(self.number);
        let mut bytes = whole.finish();
        bytes.extend_from_slice(&items);
        let packed = pack(&bytes);
        let mut framed = checksum(&packed).to_le_bytes().to_vec();
        framed.extend_from_slice(&packed);
        framed
    }

    /// Writes the time of the next call, where it is another.
    fn at(&mut self, now: Now) {
        if self.block.is_empty() && self.begins {
            self.begins = false;
            self.begin();
        }
        let mono = i64::try_from(now.mono.micros()).unwrap_or(i64::MAX);
        let wall = now.wall.micros();
        if (mono, wall) == (self.mono, self.wall) {
            return;
        }
        let (forward, went) = (mono.wrapping_sub(self.mono), wall.wrapping_sub(self.wall));
        self.block.unsigned(NOW);
        self.block.signed(forward);
        self.block.signed(went.wrapping_sub(forward));
        (self.mono, self.wall) = (mono, wall);
    }

    fn begin(&mut self) {
        (self.mono, self.wall) = (0, 0);
        self.names.clear();
        self.block.unsigned(BEGIN);
        self.block.unsigned(VERSION);
        self.rules_in_force();
    }

    fn rules_in_force(&mut self) {
        self.block.unsigned(RULES);
        self.block.unsigned(self.rules.len() as u64);
        for mark in &self.rules {
            self.block.bytes(&mark.to_le_bytes());
        }
    }

    fn maybe(&mut self, text: Option<&str>) {
        self.block.unsigned(u64::from(text.is_some()));
        if let Some(text) = text {
            self.block.bytes(text.as_bytes());
        }
    }
}

/// Kinds of values.
pub(super) const NULL: u64 = 0;
pub(super) const FALSE: u64 = 1;
pub(super) const TRUE: u64 = 2;
pub(super) const INT: u64 = 3;
pub(super) const FLOAT: u64 = 4;
pub(super) const TEXT: u64 = 5;
pub(super) const LIST: u64 = 6;
pub(super) const MAP: u64 = 7;

fn put(block: &mut Writer, value: &Value, depth: usize) {
    match value {
        _ if depth > VALUE_DEPTH => block.unsigned(NULL),
        Value::Null => block.unsigned(NULL),
        Value::Bool(false) => block.unsigned(FALSE),
        Value::Bool(true) => block.unsigned(TRUE),
        Value::Int(whole) => {
            block.unsigned(INT);
            block.signed(*whole);
        }
        Value::Float(fraction) => {
            block.unsigned(FLOAT);
            block.float(*fraction);
        }
        Value::Text(text) => {
            block.unsigned(TEXT);
            block.bytes(text.as_bytes());
        }
        Value::List(items) => {
            block.unsigned(LIST);
            block.unsigned(items.len() as u64);
            items.iter().for_each(|item| put(block, item, depth + 1));
        }
        Value::Map(items) => {
            block.unsigned(MAP);
            block.unsigned(items.len() as u64);
            for (name, item) in items {
                block.bytes(name.as_bytes());
                put(block, item, depth + 1);
            }
        }
    }
}

/// FNV-1a, folded to 32 bits: finds what a disk did to a block, and is no protection against people.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let [a, b, c, d, e, f, g, h] = hash.to_le_bytes();
    u32::from_le_bytes([a ^ e, b ^ f, c ^ g, d ^ h])
}
