//! Which connections have something to read or room to write, and the sleep of the loop.
//!
//! One epoll for all connections: no task, waker or lock for each, and nothing is scanned. Edges alone are told, so
//! what was not read to its end must be pushed again. Invariants: a connection is on the list at most once; a wake
//! that comes while the loop is about to sleep is not lost.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::link::Link;
use crate::core::Key;
use crate::limits::READY_EVENTS;

/// All links, by the slot of their key.
pub(super) type Links = Vec<Option<Box<Link>>>;

/// No slot has this number.
const WAKE: Token = Token(usize::MAX);

/// The list.
pub(super) struct Ready {
    poll: Poll,
    events: Events,
    list: VecDeque<Key>,
    alarm: Arc<Alarm>,
}

/// Wakes the loop, from whichever thread.
struct Alarm {
    waker: mio::Waker,
    /// Somebody wants another turn.
    rung: AtomicBool,
    /// The loop sleeps, or is about to: a system call is needed to wake it.
    asleep: AtomicBool,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // In this order, and the loop in the other one: at least one of both sees what the other one says.
        self.rung.store(true, Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst)
            && let Err(error) = self.waker.wake()
        {
            tracing::error!(%error, "the broker's loop cannot be woken");
        }
    }
}

impl Ready {
    pub(super) fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), WAKE)?;
        let alarm = Arc::new(Alarm { waker, rung: AtomicBool::new(true), asleep: AtomicBool::new(false) });
        Ok(Self { poll, events: Events::with_capacity(READY_EVENTS), list: VecDeque::new(), alarm })
    }

    /// Wakes the loop.
    pub(super) fn waker(&self) -> Waker {
        self.alarm.clone().into()
    }

    /// Watches a socket. Bytes that are there already are told.
    pub(super) fn watch(&self, socket: &mut TcpStream, key: Key) -> io::Result<()> {
        self.poll.registry().register(socket, Token(key.slot()), Interest::READABLE | Interest::WRITABLE)
    }

    /// Puts a connection at the end of the list.
    pub(super) fn push(&mut self, link: &mut Link) {
        if !std::mem::replace(&mut link.queued, true) {
            self.list.push_back(link.key);
        }
    }

    /// Takes up to `count` connections off the list, the longest waiting first.
    pub(super) fn take(&mut self, count: usize, into: &mut Vec<Key>) {
        into.extend(self.list.drain(..count.min(self.list.len())));
    }

    /// Sleeps until the kernel has news of a connection, somebody wakes the loop or the time is over; not at all
    /// while connections are on the list. Puts those with news on the list.
    pub(super) fn wait(&mut self, longest: Option<Duration>, links: &mut Links) {
        self.alarm.asleep.store(true, Ordering::SeqCst);
        let at_once = self.alarm.rung.swap(false, Ordering::SeqCst) || !self.list.is_empty();
        let longest = if at_once { Some(Duration::ZERO) } else { longest };
        let polled = self.poll.poll(&mut self.events, longest);
        self.alarm.asleep.store(false, Ordering::SeqCst);
        if polled.is_err() {
            // Interrupted by a signal: nothing is lost, the next wait asks again.
            return;
        }
        for event in &self.events {
            // A place may have a new owner since: it looks once for nothing.
            let Some(Some(link)) = links.get_mut(event.token().0) else { continue };
            link.heard(event);
            if !std::mem::replace(&mut link.queued, true) {
                self.list.push_back(link.key);
            }
        }
    }
}
