//! The flash as the store and the queue see it.
//!
//! The storage library is asynchronous; the flash of a microcontroller answers before the call returns, so its futures are
//! ready at once and are driven to their end here. One flash, two ranges: the store's and the queue's.
//! Invariant: nothing else of the agent touches the flash.

use core::future::Future;
use core::ops::Range;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use sequential_storage::Error;

/// Which part of the flash is for what; both are whole erase pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Keys, boot counter, enrolment, parameters: at least two pages.
    pub store: Range<u32>,
    /// Findings that nobody acknowledged: at least two pages.
    pub queue: Range<u32>,
}

/// Why the flash did not do what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub enum FlashError {
    /// No room.
    Full,
    /// The driver failed: the power went, the cells are worn, the supply is low.
    Device,
    /// What is there is not what was written, and could not be repaired.
    Corrupted,
    /// The ranges of [`Layout`] do not fit the flash.
    Layout,
}

impl FlashError {
    /// What happened, for a console without formatting.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Full => "the flash range is full",
            Self::Device => "the flash did not read, write or erase",
            Self::Corrupted => "the flash holds what nobody wrote",
            Self::Layout => "the flash layout does not fit the flash's pages",
        }
    }
}

impl<S> From<Error<S>> for FlashError {
    fn from(error: Error<S>) -> Self {
        match error {
            Error::FullStorage => Self::Full,
            Error::Storage { .. } => Self::Device,
            _ => Self::Corrupted,
        }
    }
}

/// Runs a future that waits for nothing but the flash.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        core::hint::spin_loop();
    }
}
