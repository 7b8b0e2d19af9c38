//! The writer thread: takes all closures that wait, runs each in a savepoint, commits once, answers all.
//!
//! It does not know what the closures write. Order within a group: begin, closures, tree row, commit,
//! answers, checkpoint. Invariants: no answer before the commit's end; a closure that fails or panics is
//! undone alone; a failed commit answers nobody `Ok` and puts the tree back.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::watch;

use crate::error::{SqlContext, StoreError};
use crate::job::{Job, Lost, Ran};
use crate::limits::{GROUP_CLOSURES, GROUP_TIME, WAL_PAGES_BACKGROUND, WAL_PAGES_INLINE, WAL_PAGES_SCARCE};
use crate::queue::Queue;
use crate::quiet::Quiet;
use crate::site_log::append::LogState;
use crate::space::{Guard, Space};
use crate::stats::{Counters, add};
use crate::store::{Clock, EpochCell};
use crate::tx::Tx;
use crate::wal::{Checkpointer, passive, truncate};

/// Bytes of one page in the WAL.
const PAGE_WITH_HEADER: u64 = 4_096 + 24;

pub(crate) type Jobs = Queue<Box<dyn Job>>;

/// All that the writer thread owns.
pub(crate) struct Writer {
    pub(crate) conn: Connection,
    pub(crate) jobs: Arc<Jobs>,
    pub(crate) log: RefCell<LogState>,
    pub(crate) epoch: Arc<EpochCell>,
    pub(crate) clock: Clock,
    pub(crate) counters: Arc<Counters>,
    pub(crate) guard: Guard,
    pub(crate) head: watch::Sender<u64>,
    pub(crate) linger: Duration,
    pub(crate) checkpointer: Checkpointer,
    /// True while a closure runs; the authorizer then refuses transaction statements.
    pub(crate) inside: Arc<AtomicBool>,
    /// Pages in the WAL, set by SQLite's hook at each commit.
    pub(crate) wal_pages: Arc<AtomicU64>,
    /// Pages in the WAL at which the background checkpoint is asked next.
    pub(crate) wake_at: u64,
    pub(crate) failures: Quiet,
    pub(crate) checkpoint_failures: Quiet,
}

/// Closures of one commit that ran: those to be committed, those already undone.
#[derive(Default)]
struct Group {
    kept: Vec<Box<dyn Job>>,
    undone: Vec<Box<dyn Job>>,
}

impl Writer {
    /// Runs until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        while let Some(first) = self.jobs.pop_blocking() {
            if !self.linger.is_zero() {
                self.jobs.linger(self.linger);
            }
            self.group(first);
        }
        self.checkpointer.stop();
        if let Err(error) = truncate(&self.conn) {
            tracing::warn!(error = %sitewarden_core::error::chain(&error), "the last checkpoint failed; the WAL is replayed at the next start");
        }
    }

    fn group(&mut self, first: Box<dyn Job>) {
        let before = self.log.borrow().clone();
        let wal_bytes = self.wal_pages.load(Ordering::Relaxed).saturating_mul(PAGE_WITH_HEADER);
        let space = self.guard.space(Instant::now(), wal_bytes);
        self.counters.reserve_only.store(u64::from(space == Space::ReserveOnly), Ordering::Relaxed);
        let mut group = Group::default();
        let ran = match execute(&self.conn, "BEGIN IMMEDIATE") {
            Ok(()) => self.closures(first, space, &mut group),
            Err(error) => {
                group.kept.push(first);
                Err(error)
            }
        };
        match ran.and_then(|()| self.commit(&before)) {
            Ok(()) => {
                add(&self.counters.closures_kept, group.kept.len() as u64);
                let size = self.log.borrow().frontier.size();
                self.head.send_if_modified(|head| std::mem::replace(head, size) != size);
                answer(group.kept, Ok(()));
            }
            Err(error) => self.lost(before, group.kept, &error),
        }
        answer(group.undone, Ok(()));
        self.checkpoint();
    }

    /// Runs the first closure and all that wait, until there is no more or the group's bound is reached.
    fn closures(&mut self, first: Box<dyn Job>, space: Space, group: &mut Group) -> Result<(), StoreError> {
        let began = Instant::now();
        let mut next = Some(first);
        while let Some(mut job) = next.take() {
            let (ran, outcome) = self.one(job.as_mut(), space);
            match ran {
                Ran::Keep => group.kept.push(job),
                Ran::Undo | Ran::UndoFull | Ran::UndoPanic => group.undone.push(job),
            }
            outcome?;
            if group.kept.len() + group.undone.len() < GROUP_CLOSURES && began.elapsed() < GROUP_TIME {
                next = self.jobs.try_pop();
            }
        }
        Ok(())
    }

    /// Runs one closure in its savepoint. An error here is the end of the whole transaction.
    fn one(&mut self, job: &mut dyn Job, space: Space) -> (Ran, Result<(), StoreError>) {
        if let Err(error) = execute(&self.conn, "SAVEPOINT closure") {
            return (Ran::Keep, Err(error));
        }
        let before = self.log.borrow().clone();
        let (now, epoch) = ((self.clock)(), self.epoch.get());
        let tx = Tx { conn: &self.conn, now, log: &self.log, epoch, space, queue: &self.jobs };
        self.inside.store(true, Ordering::Relaxed);
        let ran = job.run(&tx);
        self.inside.store(false, Ordering::Relaxed);
        match ran {
            Ran::Keep => {}
            Ran::Undo => add(&self.counters.closures_failed, 1),
            Ran::UndoPanic => add(&self.counters.closures_panicked, 1),
            Ran::UndoFull => {
                add(&self.counters.closures_failed, 1);
                add(&self.counters.disk_full, 1);
                self.guard.full(Instant::now());
            }
        }
        // Some errors (no room, I/O) make SQLite roll the whole transaction back by itself.
        if self.conn.is_autocommit() {
            let error = if ran == Ran::UndoFull { StoreError::DiskFull } else { StoreError::RolledBack };
            return (ran, Err(error));
        }
        let end = if ran == Ran::Keep {
            execute(&self.conn, "RELEASE closure")
        } else {
            self.log.replace(before);
            execute(&self.conn, "ROLLBACK TO closure").and_then(|()| execute(&self.conn, "RELEASE closure"))
        };
        (ran, end)
    }

    fn commit(&self, before: &LogState) -> Result<(), StoreError> {
        let log = self.log.borrow();
        if *log != *before {
            log.save(&self.conn)?;
        }
        let began = Instant::now();
        execute(&self.conn, "COMMIT")?;
        self.counters.commit_took(began.elapsed());
        Ok(())
    }

    /// The group is lost: everything is put back, and nobody is told that it is stored.
    fn lost(&mut self, before: LogState, kept: Vec<Box<dyn Job>>, error: &StoreError) {
        add(&self.counters.commits_failed, 1);
        if !self.conn.is_autocommit()
            && let Err(error) = execute(&self.conn, "ROLLBACK")
        {
            tracing::error!(error = %sitewarden_core::error::chain(&error), "a failed group could not be rolled back");
        }
        self.log.replace(before);
        let lost = if error.is_disk_full() {
            add(&self.counters.disk_full, 1);
            self.guard.full(Instant::now());
            Lost::Full
        } else {
            Lost::Other(sitewarden_core::error::chain(error))
        };
        if let Some(left_out) = self.failures.tell(Instant::now()) {
            let error = sitewarden_core::error::chain(error);
            tracing::error!(error, closures = kept.len(), left_out, "a group commit failed");
        }
        answer(kept, Err(&lost));
    }

    /// After the answers: the background thread is asked at each [`WAL_PAGES_BACKGROUND`] pages; what came while it
    /// copied is copied here, so that the WAL can begin anew.
    fn checkpoint(&mut self) {
        let pages = self.wal_pages.load(Ordering::Relaxed);
        let before = self.counters.wal_pages.swap(pages, Ordering::Relaxed);
        if pages < before {
            self.wake_at = u64::from(WAL_PAGES_BACKGROUND);
        }
        let inline = match self.guard.state() {
            Space::Ample => WAL_PAGES_INLINE,
            Space::ReserveOnly => WAL_PAGES_SCARCE,
        };
        if self.checkpointer.take_finished() || pages >= u64::from(inline) {
            if let Err(error) = passive(&self.conn)
                && let Some(left_out) = self.checkpoint_failures.tell(Instant::now())
            {
                let error = sitewarden_core::error::chain(&error);
                tracing::warn!(error, left_out, "a checkpoint by the writer failed");
            }
        } else if pages >= self.wake_at {
            self.wake_at = pages + u64::from(WAL_PAGES_BACKGROUND);
            self.checkpointer.wake();
        }
    }
}

fn answer(jobs: Vec<Box<dyn Job>>, commit: Result<(), &Lost>) {
    for job in jobs {
        job.answer(commit);
    }
}

fn execute(conn: &Connection, sql: &'static str) -> Result<(), StoreError> {
    conn.prepare_cached(sql).and_then(|mut statement| statement.execute([])).map(drop).doing(sql)
}
