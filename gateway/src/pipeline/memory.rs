//! What the rules remember, over a restart and over a kill: a snapshot in the database, and the journal from there on.
//!
//! Each commit of the pipeline holds the calls of the engine that it rests on ([`super::call_log`]), so that memory and
//! acknowledgement are one. A snapshot names the block of the journal up to which it goes; it is taken on the engine thread
//! between two works, packed while it is written, handed to the writer by a blocking thread, and stored in the transaction that
//! releases the blocks before. So the two cannot contradict each other, whichever moment a kill or a backup picks.
//! Invariants: no file and no sync on the engine thread; what cannot be read costs the memory and nothing else.

use std::io::{self, BufWriter, Read as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use rusqlite::{Connection, OptionalExtension as _, params};
use sitewarden_core::error::chain;
use sitewarden_core::{Action, Gate, Monotonic, Now, Permit, Resource, Timestamp};
use sitewarden_detect::{Engine, Limits, RuleSet, SnapshotError};
use sitewarden_store::{Migrations, SqlContext as _, Store, StoreError, Tx};
use sitewarden_telemetry::TelemetryError;
use thiserror::Error;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::replay::Replay;
use crate::clock::Clock;
use crate::limits::{
    MEMORY_BYTES, MEMORY_PIECE_BYTES, MEMORY_RETRY, MEMORY_UNPACKED_BYTES, REPLAY_BLOCKS, REPLAY_BYTES,
    REPLAY_READINGS,
};

/// The table of this module.
pub(crate) const MIGRATIONS: Migrations =
    Migrations { slice: "pipeline", steps: &[(1, "memory", include_str!("migrations/001_memory.sql"))] };

#[derive(Debug, Error)]
pub(super) enum MemoryError {
    #[error("reading or storing what the rules remember")]
    Store(#[from] StoreError),
    #[error("reading or releasing blocks of the journal")]
    Journal(#[from] TelemetryError),
    #[error("what the rules remember does not unpack")]
    Packed(#[source] std::io::Error),
    #[error("what the rules remember cannot be read")]
    Snapshot(#[from] SnapshotError),
}

/// The engine's own time: it goes on only while the box runs, and never back.
#[derive(Clone, Copy)]
pub(super) struct EngineClock {
    clock: Clock,
    /// What the box's monotonic clock showed ..
    at: Monotonic,
    /// .. when the engine's showed this.
    time: Monotonic,
}

impl EngineClock {
    pub(super) fn start(clock: Clock, time: Monotonic) -> Self {
        Self { clock, at: clock.now().mono, time }
    }

    pub(super) fn now(self) -> Now {
        let now = self.clock.now();
        Now { mono: self.time.after(now.mono.since(self.at)), ..now }
    }

    /// When a time of the engine comes, for a timer.
    pub(super) fn instant(self, at: Monotonic) -> std::time::Instant {
        self.clock.instant(self.at.after(at.since(self.time)))
    }
}

/// What has been written to the journal since a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Since {
    pub(super) readings: usize,
    pub(super) bytes: usize,
}

impl Since {
    pub(super) const fn add(&mut self, readings: usize, bytes: usize) {
        self.readings = self.readings.saturating_add(readings);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    const fn is_much(self) -> bool {
        self.readings >= REPLAY_READINGS || self.bytes >= REPLAY_BYTES
    }
}

/// The last snapshot and the journal after it, as an engine that goes on where it was.
pub(super) fn load(store: &Store, rules: &Arc<RuleSet>) -> (Engine, Since) {
    let (engine, block) = match store.read_blocking(read).map_err(|error| chain(&error)) {
        Ok(None) => (Engine::new(Arc::clone(rules), Limits::default()), 0),
        Ok(Some(saved)) => {
            let engine = unpack(&saved.bytes).and_then(|bytes| {
                let now = Now { wall: Timestamp::default(), mono: saved.time };
                Ok(Engine::restore(Arc::clone(rules), Limits::default(), &bytes, now)?)
            });
            let engine = engine.unwrap_or_else(|error| {
                let error = chain(&error);
                tracing::warn!(
                    error,
                    "what the rules remembered cannot be read; they start from what the journal has"
                );
                Engine::new(Arc::clone(rules), Limits::default())
            });
            (engine, saved.block)
        }
        Err(error) => {
            tracing::warn!(error, "what the rules remembered cannot be read; they start without");
            return (Engine::new(Arc::clone(rules), Limits::default()), Since::default());
        }
    };
    replay(store, engine, block)
}

fn replay(store: &Store, engine: Engine, mut after: u64) -> (Engine, Since) {
    let mut replay = Replay::new(engine);
    let (mut since, mut left_out) = (Since::default(), 0_usize);
    loop {
        let read = store.read_blocking(|conn| sitewarden_telemetry::replay_after(conn, after, REPLAY_BLOCKS));
        let blocks = match read {
            Ok(blocks) => blocks,
            Err(error) => {
                tracing::warn!(
                    error = chain(&error),
                    "the journal cannot be replayed further; rules miss what came after"
                );
                break;
            }
        };
        for block in &blocks {
            after = block.block;
            let readings = block.readings.as_deref().map_err(|_| super::replay::ReplayError::Readings);
            since.add(block.readings.as_ref().map_or(0, Vec::len), block.replay.len());
            if let Err(error) = replay.block(readings, &block.replay) {
                left_out += 1;
                if left_out == 1 {
                    tracing::warn!(
                        block = block.block,
                        error = chain(&error),
                        "a block of the journal is not replayed"
                    );
                }
            }
        }
        if blocks.len() < REPLAY_BLOCKS {
            break;
        }
    }
    if left_out > 0 {
        tracing::warn!(left_out, "rules miss what stood in blocks of the journal that could not be replayed");
    }
    (replay.finish(), since)
}

/// A snapshot as it is stored.
struct Saved {
    block: u64,
    time: Monotonic,
    bytes: Vec<u8>,
}

fn read(conn: &Connection) -> Result<Option<Saved>, StoreError> {
    conn.query_row("SELECT block, time, bytes FROM rule_memory WHERE id = 1", [], |row| {
        Ok(Saved { block: row.get(0)?, time: Monotonic::from_micros(row.get(1)?), bytes: row.get(2)? })
    })
    .optional()
    .doing("reading what the rules remember")
}

/// What the engine remembers, packed while it is written: unpacked it would be ten times as much, and its room stay with the process.
fn pack(engine: &Engine) -> Result<Vec<u8>, MemoryError> {
    let packed = || -> io::Result<Vec<u8>> {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1)?;
        encoder.include_checksum(true)?;
        // The encoder takes large pieces faster.
        let mut pieces = BufWriter::with_capacity(MEMORY_PIECE_BYTES, encoder);
        engine.snapshot_into(&mut pieces)?;
        pieces.into_inner()?.finish()
    };
    let bytes = packed().map_err(MemoryError::Packed)?;
    if bytes.len() > MEMORY_BYTES {
        // Without it the journal would be kept for ever: a start without memory is what is left.
        tracing::warn!(
            bytes = bytes.len(),
            most = MEMORY_BYTES,
            "rules remember too much to be stored; after a restart they begin anew"
        );
        return Ok(Vec::new());
    }
    Ok(bytes)
}

fn unpack(packed: &[u8]) -> Result<Vec<u8>, MemoryError> {
    let mut bytes = Vec::new();
    zstd::Decoder::with_buffer(packed)
        .and_then(|decoder| decoder.take(MEMORY_UNPACKED_BYTES).read_to_end(&mut bytes))
        .map_err(MemoryError::Packed)?;
    Ok(bytes)
}

fn store_snapshot(tx: &Tx<'_>, permit: Permit, saved: &Saved) -> Result<(), MemoryError> {
    tx.claim_bulk()?;
    sitewarden_telemetry::release(tx, permit, saved.block)?;
    tx.sql()
        .execute(
            "INSERT INTO rule_memory (id, block, time, bytes) VALUES (1, ?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE SET block = excluded.block, time = excluded.time, bytes = excluded.bytes",
            params![saved.block, saved.time.micros(), saved.bytes],
        )
        .doing("storing what the rules remember")?;
    Ok(())
}

const IDLE: u8 = 0;
const BUSY: u8 = 1;
const FAILED: u8 = 2;

/// When snapshots are taken, and what became of them.
pub(super) struct Memory {
    store: Store,
    gate: Gate,
    since: Since,
    state: Arc<AtomicU8>,
    /// A commit failed, so that the journal lacks what the engine saw.
    hole: Arc<AtomicBool>,
    /// As soon as possible.
    wanted: bool,
    /// Not before, after one that failed.
    not_before: Monotonic,
    under_way: Option<JoinHandle<()>>,
}

impl Memory {
    pub(super) fn new(store: Store, gate: Gate, since: Since) -> Self {
        Self {
            store,
            gate,
            since,
            state: Arc::new(AtomicU8::new(IDLE)),
            hole: Arc::new(AtomicBool::new(false)),
            wanted: false,
            not_before: Monotonic::default(),
            under_way: None,
        }
    }

    /// To be set by whoever learns that a commit failed.
    pub(super) fn hole(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.hole)
    }

    /// Whether a commit failed since this was asked last: then the next block has to begin a chain.
    pub(super) fn has_hole(&mut self) -> bool {
        let hole = self.hole.swap(false, Ordering::Relaxed);
        self.wanted |= hole;
        hole
    }

    /// What was handed to the writer.
    pub(super) const fn committing(&mut self, readings: usize, bytes: usize) {
        self.since.add(readings, bytes);
    }

    /// Whether a snapshot is to be taken now.
    pub(super) fn is_due(&self, now: Monotonic) -> bool {
        match self.state.load(Ordering::Acquire) {
            BUSY => false,
            FAILED => now >= self.not_before,
            _ => now >= self.not_before && (self.wanted || self.since.is_much()),
        }
    }

    /// Has what the engine remembers stored. To be called after a work went to the writer and before the next begins.
    pub(super) fn keep(&mut self, engine: &Engine, now: Monotonic) {
        self.since = Since::default();
        self.wanted = false;
        self.not_before = now.after(MEMORY_RETRY);
        self.state.store(BUSY, Ordering::Release);
        let (packed, time) = (pack(engine), engine.time());
        // The writer keeps the order: what it sees as the newest block is the newest that the snapshot includes.
        let (tell, told) = oneshot::channel();
        let look = |tx: &Tx<'_>| sitewarden_telemetry::last_block(tx);
        self.store.submit("rules' memory", look, move |block| drop(tell.send(block)));
        let permit = self.gate.system("pipeline", Action::TelemetryAppend, Resource::site());
        let (store, state) = (self.store.clone(), Arc::clone(&self.state));
        self.under_way = Some(tokio::task::spawn_blocking(move || {
            let stored =
                told.blocking_recv().map_err(|_| "the store has closed".to_owned()).and_then(|block| {
                    let block = block.map_err(|error| chain(&error))?;
                    let bytes = packed.map_err(|error| chain(&error))?;
                    let saved = Saved { block, time, bytes };
                    let write = move |tx: &Tx<'_>| store_snapshot(tx, permit, &saved);
                    store
                        .write_blocking("storing what the rules remember", write)
                        .map_err(|error| chain(&error))
                });
            if let Err(error) = &stored {
                tracing::warn!(error, "what the rules remember was not stored; the journal is kept for it");
            }
            state.store(if stored.is_ok() { IDLE } else { FAILED }, Ordering::Release);
        }));
    }

    /// Has it stored a last time, unless nothing came since, and waits for it.
    pub(super) async fn finish(mut self, engine: &Engine, now: Monotonic) {
        if let Some(under_way) = self.under_way.take() {
            let _ = under_way.await;
        }
        if self.since == Since::default() && self.state.load(Ordering::Acquire) == IDLE {
            return;
        }
        self.keep(engine, now);
        if let Some(under_way) = self.under_way.take() {
            let _ = under_way.await;
        }
    }
}

#[cfg(test)]
mod tests;
