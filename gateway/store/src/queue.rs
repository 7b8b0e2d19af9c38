//! The bounded queue in front of the writer thread.
//!
//! Not a general channel: many producers, async or blocking, and one consumer that takes all that waits.
//! Invariants: at most [`WRITE_QUEUE`] jobs wait; a job that was taken in is run or, at the end, answered
//! as closed; nothing is taken in after [`Queue::close`].

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::limits::{GROUP_CLOSURES, WRITE_QUEUE};

/// See the module.
pub(crate) struct Queue<T> {
    inner: Mutex<Inner<T>>,
    work: Condvar,
    room: Semaphore,
}

struct Inner<T> {
    items: VecDeque<T>,
    closed: bool,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        Self {
            inner: Mutex::new(Inner { items: VecDeque::new(), closed: false }),
            work: Condvar::new(),
            room: Semaphore::new(WRITE_QUEUE),
        }
    }

    /// Waits for room and puts the item in; gives it back when the queue is closed.
    pub(crate) async fn push(&self, item: T) -> Result<(), T> {
        match self.room.acquire().await {
            Ok(permit) => {
                permit.forget();
                self.put(item)
            }
            Err(_) => Err(item),
        }
    }

    /// As [`Queue::push`], blocking the thread.
    pub(crate) fn push_blocking(&self, item: T) -> Result<(), T> {
        block_on(self.push(item))
    }

    fn put(&self, item: T) -> Result<(), T> {
        let mut inner = self.lock();
        if inner.closed {
            return Err(item);
        }
        inner.items.push_back(item);
        drop(inner);
        self.work.notify_one();
        Ok(())
    }

    /// Waits for work; `None` when the queue is closed and empty.
    pub(crate) fn pop_blocking(&self) -> Option<T> {
        let mut inner = self.lock();
        loop {
            if let Some(item) = inner.items.pop_front() {
                self.room.add_permits(1);
                return Some(item);
            }
            if inner.closed {
                return None;
            }
            inner = self.work.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The next item if one waits.
    pub(crate) fn try_pop(&self) -> Option<T> {
        let item = self.lock().items.pop_front();
        if item.is_some() {
            self.room.add_permits(1);
        }
        item
    }

    /// Waits until a full group waits, the queue is closed, or the time is over.
    pub(crate) fn linger(&self, time: Duration) {
        let deadline = Instant::now() + time;
        let mut inner = self.lock();
        while inner.items.len() < GROUP_CLOSURES && !inner.closed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            inner = self.work.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes nothing in any more; what waits can still be popped.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.room.close();
        self.work.notify_all();
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().items.len()
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        // No code that can panic runs under this lock, so a poisoned one is still whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Drives one future on this thread; it needs no runtime.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_comes_out_in_order_and_a_closed_queue_gives_it_back() {
        let queue = Queue::new();
        queue.push_blocking(1).expect("open");
        queue.push_blocking(2).expect("open");
        queue.close();
        assert_eq!(queue.push_blocking(3), Err(3));
        assert_eq!((queue.pop_blocking(), queue.try_pop(), queue.pop_blocking()), (Some(1), Some(2), None));
    }

    #[test]
    fn a_full_queue_makes_producers_wait_until_there_is_room() {
        let queue = Arc::new(Queue::new());
        for number in 0..WRITE_QUEUE {
            queue.push_blocking(number).expect("open");
        }
        let other = Arc::clone(&queue);
        let waiting = std::thread::spawn(move || other.push_blocking(WRITE_QUEUE));
        assert_eq!(queue.len(), WRITE_QUEUE, "the bound holds while the other waits");
        for expected in 0..=WRITE_QUEUE {
            assert_eq!(queue.pop_blocking(), Some(expected));
        }
        waiting.join().expect("no panic").expect("taken in");
    }

    #[test]
    fn a_producer_that_waits_for_room_is_told_of_the_close() {
        let queue = Arc::new(Queue::new());
        for number in 0..WRITE_QUEUE {
            queue.push_blocking(number).expect("open");
        }
        let other = Arc::clone(&queue);
        let waiting = std::thread::spawn(move || other.push_blocking(9_999));
        queue.close();
        assert_eq!(waiting.join().expect("no panic"), Err(9_999));
    }
}
