//! One turn: reading what is ready, handing the batch over, flushing what was written.
//!
//! Not the order of the turn: `reactor` has it. Invariants: all connections share one read buffer; one
//! connection gets a bounded number of bytes per turn; every outbox with bytes is flushed once at the end.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};
use std::time::Duration;

use sitewarden_core::time::Now;

use super::reactor::{Deadline, Reactor};
use crate::core::{Core, Input, Key};
use crate::limits::{BYTES_PER_TURN, CONNECTIONS_PER_TURN, Limit, READ_BUFFER_BYTES, WRITE_SEGMENTS};
use crate::wire::{self, Framed, ReasonCode};

/// Seconds that a closed connection may take to close its side, so that our last packet is not lost in a
/// reset.
const DRAIN_SECONDS: u64 = 2;

/// Rounds of flushing in one turn: an emptied outbox lets queued messages through once more.
const FLUSH_ROUNDS: usize = 3;

/// A partial packet longer than this is collected in its own buffer, not moved to the front of the shared
/// one again and again.
const MOVED_BYTES: usize = READ_BUFFER_BYTES / 2;

/// How reading a connection ended.
enum Read {
    /// The socket has no more; the kernel tells when it has.
    Blocked,
    /// The turn's share is used up.
    Again,
    /// The core does not want more now.
    Held,
    /// The connection is gone.
    Gone,
}

impl Reactor {
    /// Serves connections that can be read or written.
    pub(super) fn serve_ready(&mut self, now: Now) {
        let mut keys = std::mem::take(&mut self.turn_keys);
        self.ready.take(CONNECTIONS_PER_TURN, &mut keys);
        for key in keys.drain(..) {
            let Some(link) = self.link(key) else { continue };
            link.queued = false;
            if self.core.wants_flush() {
                self.wake(key);
            } else {
                self.serve(now, key);
            }
        }
        self.turn_keys = keys;
    }

    /// Lets connections be read again that the core had held back. At the end of a turn: a batch that was handed
    /// over makes room, and nothing else may come to wake the loop.
    pub(super) fn release_held(&mut self) {
        for key in std::mem::take(&mut self.held) {
            let free = self.core.may_read(key);
            let Some(link) = self.link(key) else { continue };
            if free {
                link.held = false;
                self.wake(key);
            } else {
                self.held.push(key);
            }
        }
    }

    pub(super) fn wake(&mut self, key: Key) {
        let link = self.links.get_mut(key.slot()).and_then(Option::as_deref_mut);
        if let Some(link) = link.filter(|link| link.key == key) {
            self.ready.push(link);
        }
    }

    fn serve(&mut self, now: Now, key: Key) {
        let Some(link) = self.link(key) else { return };
        if link.draining {
            self.drain(now, key);
            return;
        }
        if link.write_by.is_some() {
            self.flush_link(now, key);
        }
        match self.read(now, key) {
            Read::Blocked => {}
            Read::Again => {
                if let Some(link) = self.link(key) {
                    link.unfed = true;
                }
                self.wake(key);
            }
            Read::Held => {
                if let Some(link) = self.link(key) {
                    link.unfed = true;
                    if !std::mem::replace(&mut link.held, true) {
                        self.held.push(key);
                    }
                }
            }
            Read::Gone => self.gone(now, key),
        }
    }

    fn read(&mut self, now: Now, key: Key) -> Read {
        let mut buffer = std::mem::take(&mut self.buffer);
        let read = self.read_into(now, key, &mut buffer);
        self.buffer = buffer;
        read
    }

    fn read_into(&mut self, now: Now, key: Key, buffer: &mut [u8]) -> Read {
        let mut share = BYTES_PER_TURN;
        loop {
            if !self.core.may_read(key) {
                return Read::Held;
            }
            if self.core.wants_flush() {
                return Read::Again;
            }
            let Some(link) = self.link(key) else { return Read::Blocked };
            let mut partial = std::mem::take(&mut link.partial);
            if std::mem::take(&mut link.unfed) && !partial.is_empty() {
                // What was read before it was held back comes first.
                self.feed_own(now, key, partial);
                continue;
            }
            let start = if partial.len() <= MOVED_BYTES { partial.len() } else { 0 };
            let (head, room) = buffer.split_at_mut(start);
            head.copy_from_slice(partial.get(..start).unwrap_or_default());
            let count = match link.read(room) {
                Poll::Ready(Ok(0)) | Poll::Ready(Err(_)) => return Read::Gone,
                Poll::Ready(Ok(count)) => count,
                Poll::Pending => {
                    link.partial = partial;
                    return Read::Blocked;
                }
            };
            self.metrics.bytes_in.add(count as u64);
            if start == partial.len() {
                let filled = buffer.get(..start + count).unwrap_or_default();
                let used = feed(&mut self.core, now, key, filled);
                partial.clear();
                self.keep_rest(key, partial, filled.get(used..).unwrap_or_default());
            } else {
                partial.extend_from_slice(buffer.get(..count).unwrap_or_default());
                self.feed_own(now, key, partial);
            }
            share = share.saturating_sub(count);
            if share == 0 {
                return Read::Again;
            }
        }
    }

    fn feed_own(&mut self, now: Now, key: Key, mut partial: Vec<u8>) {
        let used = feed(&mut self.core, now, key, &partial);
        partial.drain(..used);
        if partial.is_empty() {
            return;
        }
        if let Some(link) = self.link(key) {
            link.partial = partial;
        }
    }

    fn keep_rest(&mut self, key: Key, mut partial: Vec<u8>, rest: &[u8]) {
        if rest.is_empty() {
            return;
        }
        partial.extend_from_slice(rest);
        if let Some(link) = self.link(key) {
            link.partial = partial;
        }
    }

    /// Hands the open batch to the pipeline, if it has room.
    pub(super) fn hand_over(&mut self, cx: &mut Context<'_>) {
        match self.inlet.poll_reserve(cx) {
            Poll::Ready(Ok(())) => {
                if let Some(batch) = self.core.take_batch() {
                    batch.notices.iter().for_each(super::log::tell);
                    // An error means that the pipeline has ended, which `committed` tells as well.
                    let _ended = self.inlet.send_item(batch);
                }
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.metrics.hit(Limit::Inlet),
        }
    }

    /// Writes every outbox that got bytes.
    pub(super) fn flush(&mut self, now: Now) {
        for _ in 0..FLUSH_ROUNDS {
            let dirty = self.core.take_dirty();
            if dirty.is_empty() {
                return;
            }
            for key in &dirty {
                if self.link(*key).is_some_and(|link| link.write_by.is_none()) {
                    self.flush_link(now, *key);
                }
            }
            self.core.recycle_dirty(dirty);
            self.outputs(now);
        }
        // What the last round let through is written in the next turn.
        let dirty = self.core.take_dirty();
        for key in &dirty {
            if let Some(link) = self.link(*key) {
                link.write_by.get_or_insert(now.mono);
            }
            self.wake(*key);
        }
        self.core.recycle_dirty(dirty);
    }

    fn flush_link(&mut self, now: Now, key: Key) {
        match self.write_all(key) {
            Ok(Poll::Ready(())) => {
                self.forget_write_deadline(key);
                self.core.handle(now, Input::Flushed { conn: key });
                if self.link(key).is_some_and(|link| link.closing) && self.core.outgoing_bytes(key) == 0 {
                    self.start_draining(now, key);
                }
            }
            Ok(Poll::Pending) => self.set_write_deadline(now, key, self.limits.write_seconds.into()),
            Err(_) => self.gone(now, key),
        }
    }

    /// Writes until all is out or the socket is full.
    fn write_all(&mut self, key: Key) -> io::Result<Poll<()>> {
        loop {
            let mut slices = [IoSlice::new(&[]); WRITE_SEGMENTS];
            let count = self.core.outgoing(key, &mut slices);
            let link = self.links.get_mut(key.slot()).and_then(Option::as_deref_mut);
            let Some(link) = link.filter(|link| link.key == key) else { return Ok(Poll::Ready(())) };
            let slices = slices.get(..count).unwrap_or_default();
            if slices.iter().all(|slice| slice.is_empty()) {
                return Ok(link.flush()?.map(|()| ()));
            }
            match link.write(slices) {
                Poll::Ready(written) => {
                    let written = written?;
                    if written == 0 {
                        return Err(io::ErrorKind::WriteZero.into());
                    }
                    self.metrics.bytes_out.add(written as u64);
                    self.core.written(key, written);
                    // Progress: the deadline begins anew if it blocks again.
                    self.forget_write_deadline(key);
                }
                Poll::Pending => return Ok(Poll::Pending),
            }
        }
    }

    fn set_write_deadline(&mut self, now: Now, key: Key, seconds: u64) {
        let by = now.mono.after(Duration::from_secs(seconds));
        if let Some(link) = self.link(key)
            && link.write_by.is_none_or(|old| old <= now.mono)
        {
            link.write_by = Some(by);
            self.deadlines.insert((by, key, Deadline::Write));
        }
    }

    fn forget_write_deadline(&mut self, key: Key) {
        if let Some(by) = self.link(key).and_then(|link| link.write_by.take()) {
            self.deadlines.remove(&(by, key, Deadline::Write));
        }
    }

    /// Deadlines of connections that have come.
    pub(super) fn due(&mut self, now: Now) {
        while let Some(&(at, conn, deadline)) = self.deadlines.first() {
            if at > now.mono {
                return;
            }
            self.deadlines.pop_first();
            let Some(link) = self.link(conn) else { continue };
            let closing = link.closing;
            let (limit, code) = match deadline {
                Deadline::Connect => {
                    link.connect_by = None;
                    (Limit::Connect, ReasonCode::MAXIMUM_CONNECT_TIME)
                }
                Deadline::Write => {
                    link.write_by = None;
                    (Limit::WriteTime, ReasonCode::SERVER_BUSY)
                }
            };
            if closing {
                self.gone(now, conn);
                continue;
            }
            self.core.handle(now, Input::Overdue { conn, limit, code });
            if deadline == Deadline::Write {
                // It takes nothing: waiting for it to take a goodbye is useless.
                self.gone(now, conn);
            }
        }
    }

    pub(super) fn close_link(&mut self, now: Now, key: Key) {
        let Some(link) = self.link(key) else { return };
        link.closing = true;
        link.partial = Vec::new();
        if link.write_by.is_none() {
            self.flush_link(now, key);
        }
    }

    fn start_draining(&mut self, now: Now, key: Key) {
        let Some(link) = self.link(key) else { return };
        if link.draining {
            return;
        }
        if link.shut_write().is_pending() {
            return self.set_write_deadline(now, key, DRAIN_SECONDS);
        }
        link.draining = true;
        self.set_write_deadline(now, key, DRAIN_SECONDS);
        self.drain(now, key);
    }

    /// Reads and forgets, until the peer has closed.
    fn drain(&mut self, now: Now, key: Key) {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut read = Poll::Pending;
        for _ in 0..4 {
            let Some(link) = self.link(key) else { break };
            read = link.read(&mut buffer);
            if !matches!(read, Poll::Ready(Ok(1..))) {
                break;
            }
        }
        self.buffer = buffer;
        match read {
            Poll::Ready(Ok(0) | Err(_)) => self.gone(now, key),
            Poll::Ready(Ok(_)) => self.wake(key),
            Poll::Pending => {}
        }
    }

    /// The connection is over: socket, place and state go.
    fn gone(&mut self, now: Now, key: Key) {
        let Some(link) = self.link(key) else { return };
        let (connect_by, write_by) = (link.connect_by, link.write_by);
        if let Some(by) = connect_by {
            self.deadlines.remove(&(by, key, Deadline::Connect));
        }
        if let Some(by) = write_by {
            self.deadlines.remove(&(by, key, Deadline::Write));
        }
        if let Some(place) = self.links.get_mut(key.slot()) {
            *place = None;
        }
        self.core.handle(now, Input::Closed { conn: key });
    }
}

/// Gives whole packets to the core. Returns how many bytes were used.
fn feed(core: &mut Core, now: Now, conn: Key, bytes: &[u8]) -> usize {
    let mut used = 0;
    while core.may_read(conn) && !core.wants_flush() {
        let (version, limits) = core.decoding(conn);
        let rest = bytes.get(used..).unwrap_or_default();
        let decoded = match wire::next_frame(rest, &limits) {
            Ok(Framed::Need(_)) => break,
            Ok(Framed::Frame { first_byte, body }) => {
                used += body.end;
                wire::decode(first_byte, rest.get(body).unwrap_or_default(), version, &limits)
            }
            Err(fault) => Err(fault),
        };
        match decoded {
            Ok(packet) => core.handle(now, Input::Packet { conn, packet }),
            Err(fault) => {
                core.handle(now, Input::Malformed { conn, fault });
                return bytes.len();
            }
        }
    }
    used
}
