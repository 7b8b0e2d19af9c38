//! The checkpoint thread: copies the WAL into the database beside the writer.
//!
//! So that the long part of a checkpoint does not stand between a message and its acknowledgement. While it copies,
//! the writer appends; when it has finished, the writer copies the little that came meanwhile, and the WAL begins anew.
//! It decides nothing about durability: a commit is on disk in the WAL before this thread hears of it.
//! Invariant: only passive checkpoints here, which wait for nobody.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;

use rusqlite::Connection;

use crate::error::{SqlContext, StoreError};
use crate::quiet::Quiet;

pub(crate) struct Checkpointer {
    wake: SyncSender<()>,
    finished: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Checkpointer {
    pub(crate) fn start(path: &Path) -> Result<Self, StoreError> {
        let conn = Connection::open(path).doing("opening the database for checkpoints")?;
        conn.pragma_update(None, "synchronous", "FULL").doing("setting synchronous for checkpoints")?;
        // One wake-up can wait: a second one while the first waits would ask for the same.
        let (wake, woken) = sync_channel(1);
        let finished = Arc::new(AtomicBool::new(false));
        let tell = Arc::clone(&finished);
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || run(&conn, &woken, &tell))
            .map_err(|_| StoreError::Thread("store-checkpoint"))?;
        Ok(Self { wake, finished, thread })
    }

    /// Asks for a checkpoint soon.
    pub(crate) fn wake(&self) {
        // Full means that one is asked for already; disconnected means shutdown.
        let _ = self.wake.try_send(());
    }

    /// True once after a checkpoint that was asked for has ended.
    pub(crate) fn take_finished(&self) -> bool {
        self.finished.swap(false, Ordering::AcqRel)
    }

    pub(crate) fn stop(self) {
        drop(self.wake);
        if self.thread.join().is_err() {
            tracing::error!("the checkpoint thread panicked");
        }
    }
}

fn run(conn: &Connection, woken: &Receiver<()>, finished: &AtomicBool) {
    let mut failures = Quiet::default();
    while woken.recv().is_ok() {
        if let Err(error) = passive(conn)
            && let Some(left_out) = failures.tell(Instant::now())
        {
            let error = sitewarden_core::error::chain(&error);
            tracing::warn!(error, left_out, "a checkpoint failed; the next one tries again");
        }
        finished.store(true, Ordering::Release);
    }
}

/// Copies what can be copied without waiting for anybody.
pub(crate) fn passive(conn: &Connection) -> Result<(), StoreError> {
    conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).doing("checkpointing")
}

/// Copies everything and empties the WAL; at shutdown, when nobody else is there.
pub(crate) fn truncate(conn: &Connection) -> Result<(), StoreError> {
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).doing("checkpointing at shutdown")
}
