//! Read-only connections, each read in one snapshot and at most [`READ_TIME`] long.
//!
//! Nothing here can write: the connections are opened read-only. Invariant: after a read its connection
//! is outside any transaction, whatever the closure did.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::error::{ReadError, SqlContext, StoreError, panic_text};
use crate::limits::{READ_CHECK_STEPS, READ_TIME, READ_WAIT};
use crate::open::open_read_only;
use crate::queue::block_on;
use crate::stats::{Counters, add};

struct Reader {
    conn: Connection,
    watch: Arc<Watch>,
}

/// Deadline of the read that a connection is busy with.
struct Watch {
    base: Instant,
    deadline_micros: AtomicU64,
    expired: AtomicBool,
}

impl Watch {
    fn micros(&self) -> u64 {
        u64::try_from(self.base.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn begin(&self) {
        let time = u64::try_from(READ_TIME.as_micros()).unwrap_or(u64::MAX);
        self.expired.store(false, Ordering::Relaxed);
        self.deadline_micros.store(self.micros().saturating_add(time), Ordering::Relaxed);
    }

    /// True stops the statement.
    fn check(&self) -> bool {
        let expired = self.micros() > self.deadline_micros.load(Ordering::Relaxed);
        if expired {
            self.expired.store(true, Ordering::Relaxed);
        }
        expired
    }
}

pub(crate) struct Readers {
    idle: Mutex<Vec<Reader>>,
    permits: Arc<Semaphore>,
    counters: Arc<Counters>,
}

impl Readers {
    pub(crate) fn open(path: &Path, count: usize, counters: Arc<Counters>) -> Result<Self, StoreError> {
        let idle = (0..count).map(|_| Reader::open(path)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { idle: Mutex::new(idle), permits: Arc::new(Semaphore::new(count)), counters })
    }

    pub(crate) async fn read<R, E>(
        self: &Arc<Self>,
        closure: impl FnOnce(&Connection) -> Result<R, E> + Send + 'static,
    ) -> Result<R, ReadError<E>>
    where
        R: Send + 'static,
        E: Error + Send + 'static,
    {
        let waited = tokio::time::timeout(READ_WAIT, Arc::clone(&self.permits).acquire_owned()).await;
        let Ok(Ok(permit)) = waited else {
            add(&self.counters.reads_busy, 1);
            return Err(ReadError::Busy);
        };
        let readers = Arc::clone(self);
        let task = tokio::task::spawn_blocking(move || {
            let result = readers.run(closure);
            drop(permit);
            result
        });
        task.await.unwrap_or_else(|error| Err(ReadError::Panicked(error.to_string())))
    }

    pub(crate) fn read_blocking<R, E: Error + 'static>(
        &self,
        closure: impl FnOnce(&Connection) -> Result<R, E>,
    ) -> Result<R, ReadError<E>> {
        let permit = block_on(self.permits.acquire()).map_err(|_| ReadError::Busy)?;
        let result = self.run(closure);
        drop(permit);
        result
    }

    fn run<R, E: Error + 'static>(
        &self,
        closure: impl FnOnce(&Connection) -> Result<R, E>,
    ) -> Result<R, ReadError<E>> {
        let Some(reader) = self.lock().pop() else {
            return Err(ReadError::Busy);
        };
        let result = reader.run(closure);
        self.lock().push(reader);
        add(&self.counters.reads, 1);
        if matches!(result, Err(ReadError::TimedOut)) {
            add(&self.counters.reads_timed_out, 1);
        }
        result
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Reader>> {
        // Only push and pop run under this lock.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader {
    fn open(path: &Path) -> Result<Self, StoreError> {
        let mut conn = open_read_only(path)?;
        let watch = Arc::new(Watch {
            base: Instant::now(),
            deadline_micros: AtomicU64::new(u64::MAX),
            expired: AtomicBool::new(false),
        });
        let handler = Arc::clone(&watch);
        conn.progress_handler(READ_CHECK_STEPS, Some(move || handler.check()))
            .doing("setting the time limit of reads")?;
        Ok(Self { conn, watch })
    }

    fn run<R, E: Error + 'static>(
        &self,
        closure: impl FnOnce(&Connection) -> Result<R, E>,
    ) -> Result<R, ReadError<E>> {
        self.watch.begin();
        self.conn.execute_batch("BEGIN").doing("beginning a read").map_err(ReadError::Store)?;
        // The connection is read-only and its transaction ends below: a panic leaves nothing half-changed.
        let result = catch_unwind(AssertUnwindSafe(|| closure(&self.conn)));
        self.watch.deadline_micros.store(u64::MAX, Ordering::Relaxed);
        if !self.conn.is_autocommit() {
            self.conn.execute_batch("ROLLBACK").doing("ending a read").map_err(ReadError::Store)?;
        }
        match result {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(_)) if self.watch.expired.load(Ordering::Relaxed) => Err(ReadError::TimedOut),
            Ok(Err(error)) => Err(ReadError::Failed(error)),
            Err(panic) => Err(ReadError::Panicked(panic_text(panic.as_ref()))),
        }
    }
}
