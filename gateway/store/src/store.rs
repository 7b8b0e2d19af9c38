//! The handle: what the rest of the product calls.
//!
//! Cheap to clone. It holds no data of its own. Invariant: [`Store::write`] and its kin return `Ok` only
//! after the commit's end; after [`Store::shutdown`] every write is refused as closed.

use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, Authorization, Wal};
use sitewarden_core::Timestamp;
use sitewarden_core::gate::PolicyEpoch;
use tokio::sync::{oneshot, watch};

use crate::config::Config;
use crate::error::{ReadError, SqlContext, StoreError, WriteError};
use crate::group::{Jobs, Writer};
use crate::job::Typed;
use crate::limits::WAL_PAGES_BACKGROUND;
use crate::migrate::Migrations;
use crate::open::{Folder, open_writer};
use crate::queue::{Queue, block_on};
use crate::quiet::Quiet;
use crate::readers::Readers;
use crate::site_log::append::LogState;
use crate::space::Guard;
use crate::stats::{Counters, StoreStats};
use crate::tx::Tx;
use crate::wal::Checkpointer;

/// Reads the wall clock; the box's own in the product, a fixed one in tests.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Tells the policies in force.
pub type EpochSource = Arc<dyn Fn() -> PolicyEpoch + Send + Sync>;

/// Holds the epoch source once somebody gives one.
#[derive(Default)]
pub(crate) struct EpochCell(RwLock<Option<EpochSource>>);

impl EpochCell {
    pub(crate) fn get(&self) -> Option<PolicyEpoch> {
        let source = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        source.map(|source| source())
    }

    fn set(&self, source: EpochSource) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(source);
    }
}

/// The store. Clones share the same writer and readers.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    jobs: Arc<Jobs>,
    readers: Arc<Readers>,
    counters: Arc<Counters>,
    epoch: Arc<EpochCell>,
    head: watch::Receiver<u64>,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// Keeps the folder locked for this process.
    _lock: File,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Inner {
    fn stop(&self) {
        self.jobs.close();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The last handle can be dropped by an answer on the writer thread itself, which cannot join itself.
        let joinable = writer.filter(|writer| writer.thread().id() != std::thread::current().id());
        if let Some(writer) = joinable
            && writer.join().is_err()
        {
            tracing::error!("the writer thread panicked");
        }
    }
}

impl Store {
    /// Opens `state.db` in the configured folder, makes it when the folder is new, and starts the writer.
    ///
    /// # Errors
    /// [`StoreError`]: each says what was found, that nothing was changed, and what to do.
    pub fn open(config: &Config, slices: &[Migrations], clock: Clock) -> Result<Self, StoreError> {
        let folder = Folder::open(&config.dir)?;
        let mut conn = open_writer(&folder.database, slices)?;
        let log = LogState::load(&conn)?;
        let inside = Arc::new(AtomicBool::new(false));
        let wal_pages = Arc::new(AtomicU64::new(0));
        install_hooks(&mut conn, &inside, &wal_pages)?;
        let counters = Arc::new(Counters::default());
        let readers = Readers::open(&folder.database, config.readers, Arc::clone(&counters))?;
        let jobs: Arc<Jobs> = Arc::new(Queue::new());
        let epoch = Arc::new(EpochCell::default());
        let (head, watch) = watch::channel(log.frontier.size());
        let writer = Writer {
            conn,
            jobs: Arc::clone(&jobs),
            log: std::cell::RefCell::new(log),
            epoch: Arc::clone(&epoch),
            clock,
            counters: Arc::clone(&counters),
            guard: Guard::new(&config.dir, config.reserve_mib.saturating_mul(1 << 20)),
            head,
            linger: config.linger(),
            checkpointer: Checkpointer::start(&folder.database)?,
            inside,
            wal_pages,
            wake_at: u64::from(WAL_PAGES_BACKGROUND),
            failures: Quiet::default(),
            checkpoint_failures: Quiet::default(),
        };
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|_| StoreError::Thread("store-writer"))?;
        let inner = Inner {
            jobs,
            readers: Arc::new(readers),
            counters,
            epoch,
            head: watch,
            writer: Mutex::new(Some(thread)),
            _lock: folder.lock,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Runs a closure in the next group commit and returns after the commit. `what` names the change in
    /// errors: `"approving a device"`.
    ///
    /// # Errors
    /// [`WriteError`]; then nothing of the closure is stored.
    pub async fn write<R, E>(
        &self,
        what: &'static str,
        closure: impl FnOnce(&Tx<'_>) -> Result<R, E> + Send + 'static,
    ) -> Result<R, WriteError<E>>
    where
        R: Send + 'static,
        E: Error + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job = Typed::new(what, closure, move |result| {
            // Nobody listens any more when the request was cancelled; the write stays.
            let _ = answer.send(result);
        });
        // A job that the closed queue gives back answers itself when it is dropped.
        drop(self.inner.jobs.push(Box::new(job)).await);
        answered.await.unwrap_or(Err(WriteError::Closed { what }))
    }

    /// As [`Store::write`], blocking this thread; for the command line and threads without a runtime.
    ///
    /// # Errors
    /// [`WriteError`]; then nothing of the closure is stored.
    pub fn write_blocking<R, E>(
        &self,
        what: &'static str,
        closure: impl FnOnce(&Tx<'_>) -> Result<R, E> + Send + 'static,
    ) -> Result<R, WriteError<E>>
    where
        R: Send + 'static,
        E: Error + Send + 'static,
    {
        block_on(self.write(what, closure))
    }

    /// Hands a closure to the writer and returns as soon as it is queued (it waits for room in the queue).
    /// `done` is called on the writer thread after the commit's end: it must be short and must not block, so it
    /// must not submit by itself (a full queue would wait for the very thread that empties it).
    pub fn submit<R, E>(
        &self,
        what: &'static str,
        closure: impl FnOnce(&Tx<'_>) -> Result<R, E> + Send + 'static,
        done: impl FnOnce(Result<R, WriteError<E>>) + Send + 'static,
    ) where
        R: Send + 'static,
        E: Error + Send + 'static,
    {
        // A job that the closed queue gives back answers itself when it is dropped.
        drop(self.inner.jobs.push_blocking(Box::new(Typed::new(what, closure, done))));
    }

    /// Runs a closure on a read-only connection, in one snapshot, at most 2 s.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn read<R, E>(
        &self,
        closure: impl FnOnce(&Connection) -> Result<R, E> + Send + 'static,
    ) -> Result<R, ReadError<E>>
    where
        R: Send + 'static,
        E: Error + Send + 'static,
    {
        self.inner.readers.read(closure).await
    }

    /// As [`Store::read`], blocking this thread.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read_blocking<R, E: Error + 'static>(
        &self,
        closure: impl FnOnce(&Connection) -> Result<R, E>,
    ) -> Result<R, ReadError<E>> {
        self.inner.readers.read_blocking(closure)
    }

    /// The highest committed number of the site log, moving. Readers see that record before the number moves.
    #[must_use]
    pub fn log_head(&self) -> watch::Receiver<u64> {
        self.inner.head.clone()
    }

    /// Counters for metrics.
    #[must_use]
    pub fn stats(&self) -> StoreStats {
        self.inner.counters.snapshot(self.inner.jobs.len())
    }

    /// Whether the writer thread runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        let writer = self.inner.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.as_ref().is_some_and(|writer| !writer.is_finished())
    }

    /// Tells the store where to ask for the policies in force; without it every person's permit is refused.
    pub fn set_epoch_source(&self, source: EpochSource) {
        self.inner.epoch.set(source);
    }

    /// Takes no more writes, finishes those that wait, empties the WAL, and returns when the writer has
    /// ended. Blocks.
    pub fn shutdown(self) {
        self.inner.stop();
    }

    /// Path of the database inside a state folder.
    #[must_use]
    pub fn database_path(dir: &Path) -> std::path::PathBuf {
        dir.join("state.db")
    }
}

fn install_hooks(
    conn: &mut Connection,
    inside: &Arc<AtomicBool>,
    wal_pages: &Arc<AtomicU64>,
) -> Result<(), StoreError> {
    let flag = Arc::clone(inside);
    conn.authorizer(Some(move |context: rusqlite::hooks::AuthContext<'_>| {
        let forbidden = matches!(
            context.action,
            AuthAction::Transaction { .. }
                | AuthAction::Savepoint { .. }
                | AuthAction::Attach { .. }
                | AuthAction::Detach { .. }
        );
        if forbidden && flag.load(Ordering::Relaxed) { Authorization::Deny } else { Authorization::Allow }
    }))
    .doing("keeping transactions out of closures")?;
    let pages = Arc::clone(wal_pages);
    conn.wal_hook(Some(move |_: &mut Wal, count: std::ffi::c_int| {
        pages.store(u64::try_from(count).unwrap_or(0), Ordering::Relaxed);
        Ok(())
    }))
    .doing("watching the WAL")
}

#[cfg(test)]
mod tests;
