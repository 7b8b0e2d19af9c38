//! Which connections have something to read or room to write.
//!
//! Each connection has its own waker; waking it puts the connection on one list and wakes the loop, so
//! that no task runs per connection or delivery and nothing is scanned. Invariant: a connection is on the
//! list at most once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

use crate::core::Key;

/// The list.
#[derive(Debug, Default)]
pub(super) struct Ready {
    list: Mutex<Vec<Arc<LinkWaker>>>,
    main: Mutex<Option<Waker>>,
}

impl Ready {
    /// Sets whom to wake.
    pub(super) fn set_main(&self, waker: &Waker) {
        let mut main = self.main.lock().unwrap_or_else(PoisonError::into_inner);
        match main.as_mut() {
            Some(main) => main.clone_from(waker),
            None => *main = Some(waker.clone()),
        }
    }

    /// Takes up to `count` connections off the list, the longest waiting first.
    pub(super) fn take(&self, count: usize, into: &mut Vec<Key>) {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        let count = count.min(list.len());
        for link in list.drain(..count) {
            link.queued.store(false, Ordering::Release);
            into.push(link.key);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn push(&self, link: Arc<LinkWaker>) {
        self.list.lock().unwrap_or_else(PoisonError::into_inner).push(link);
        let main = self.main.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(main) = main.as_ref() {
            main.wake_by_ref();
        }
    }
}

/// The waker of one connection.
#[derive(Debug)]
pub(super) struct LinkWaker {
    key: Key,
    ready: Arc<Ready>,
    queued: AtomicBool,
}

impl LinkWaker {
    pub(super) fn new(key: Key, ready: Arc<Ready>) -> Arc<Self> {
        Arc::new(Self { key, ready, queued: AtomicBool::new(false) })
    }
}

impl Wake for LinkWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.ready.push(self.clone());
        }
    }
}
