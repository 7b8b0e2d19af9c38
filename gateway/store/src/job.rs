//! One write on its way through the writer: closure, result, and how the caller is answered.
//!
//! The writer sees only the [`Job`] trait and knows no types of callers. Invariant: each job is answered
//! exactly once, also when it is dropped unrun.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{WriteError, disk_full, panic_text};
use crate::tx::Tx;

/// How a closure ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ran {
    /// Its writes shall stay.
    Keep,
    /// It failed; its writes shall be undone.
    Undo,
    /// It failed because the disk is full.
    UndoFull,
    /// It panicked; its writes shall be undone.
    UndoPanic,
}

/// Why a commit did not happen, shared by the whole group.
#[derive(Clone, Debug)]
pub(crate) enum Lost {
    Full,
    Other(String),
}

/// A write whose types are hidden.
pub(crate) trait Job: Send {
    /// Runs the closure inside its savepoint.
    fn run(&mut self, tx: &Tx<'_>) -> Ran;
    /// Answers after the commit, or after its failure.
    fn answer(self: Box<Self>, commit: Result<(), &Lost>);
}

/// A write with its types.
pub(crate) struct Typed<F, R, E: Error + 'static, D: FnOnce(Result<R, WriteError<E>>)> {
    what: &'static str,
    closure: Option<F>,
    result: Option<Result<R, WriteError<E>>>,
    done: Option<D>,
}

impl<F, R, E, D> Typed<F, R, E, D>
where
    E: Error + 'static,
    D: FnOnce(Result<R, WriteError<E>>),
{
    pub(crate) fn new(what: &'static str, closure: F, done: D) -> Self {
        Self { what, closure: Some(closure), result: None, done: Some(done) }
    }
}

impl<F, R, E, D> Job for Typed<F, R, E, D>
where
    F: FnOnce(&Tx<'_>) -> Result<R, E> + Send,
    R: Send,
    E: Error + Send + 'static,
    D: FnOnce(Result<R, WriteError<E>>) + Send,
{
    fn run(&mut self, tx: &Tx<'_>) -> Ran {
        let Some(closure) = self.closure.take() else {
            return Ran::Undo;
        };
        // The savepoint is rolled back after a panic, and the closure is gone: nothing half-changed is seen again.
        let (ran, result) = match catch_unwind(AssertUnwindSafe(|| closure(tx))) {
            Ok(Ok(value)) => (Ran::Keep, Ok(value)),
            Ok(Err(error)) => {
                let ran = if disk_full(&error) { Ran::UndoFull } else { Ran::Undo };
                (ran, Err(WriteError::of(self.what, error)))
            }
            Err(panic) => {
                let message = panic_text(panic.as_ref());
                (Ran::UndoPanic, Err(WriteError::Panicked { what: self.what, message }))
            }
        };
        self.result = Some(result);
        ran
    }

    fn answer(mut self: Box<Self>, commit: Result<(), &Lost>) {
        let what = self.what;
        let result = match (self.result.take(), commit) {
            (Some(Err(error)), _) => Err(error),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (_, Err(Lost::Full)) => Err(WriteError::DiskFull { what }),
            (_, Err(Lost::Other(reason))) => Err(WriteError::NotCommitted { what, reason: reason.clone() }),
            (None, Ok(())) => Err(WriteError::Closed { what }),
        };
        if let Some(done) = self.done.take() {
            // A panic in an answer must not end the writer; the answer is the caller's own loss.
            if catch_unwind(AssertUnwindSafe(|| done(result))).is_err() {
                tracing::error!(what, "the answer to a write panicked");
            }
        }
    }
}

impl<F, R, E, D> Drop for Typed<F, R, E, D>
where
    E: Error + 'static,
    D: FnOnce(Result<R, WriteError<E>>),
{
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            done(Err(WriteError::Closed { what: self.what }));
        }
    }
}
