//! What waits to be written to one connection: small packets in one buffer, large payloads shared, and what is
//! the same for many in one log that all of them refer to.
//!
//! Not the socket. Invariants: an idle connection holds no buffer; bytes leave in the order in which they
//! were appended; `len` is what is left to write; after [`Outbox::settle`] an outbox refers to no log, so that a
//! slow reader keeps its own bytes alone.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::ops::Range;

use bytes::Bytes;

use crate::limits::{SPARE_BUFFER_BYTES, SPARE_BUFFERS};

/// Logs of bytes for many: one for each protocol version.
pub(crate) const LOGS: usize = 2;

#[derive(Debug)]
enum Part {
    Own(Vec<u8>),
    Shared(Bytes),
}

impl Part {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

/// What all outboxes have in common: buffers that wait for reuse, and how much there is.
#[derive(Debug, Default)]
pub(crate) struct Outflow {
    #[expect(clippy::vec_box, reason = "the boxes themselves are what is used again")]
    spare: Vec<Box<Parts>>,
    /// Packets that more than one connection gets.
    logs: [Vec<u8>; LOGS],
    /// Outboxes that refer to a log.
    referring: usize,
    /// Bytes that wait in all outboxes.
    pub(crate) waiting: usize,
    /// Bytes appended since the last flush.
    pub(crate) appended: usize,
}

impl Outflow {
    fn count(&mut self, bytes: usize) {
        self.waiting += bytes;
        self.appended += bytes;
    }

    fn give(&mut self, mut parts: Box<Parts>) {
        if self.spare.len() < SPARE_BUFFERS && parts.own.capacity() <= SPARE_BUFFER_BYTES {
            parts.own.clear();
            parts.more.clear();
            *parts = Parts {
                own: std::mem::take(&mut parts.own),
                more: std::mem::take(&mut parts.more),
                ..Parts::default()
            };
            self.spare.push(parts);
        }
    }

    /// Lets `write` append to a log. Says which bytes these are.
    pub(crate) fn log(&mut self, log: usize, write: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
        let Some(bytes) = self.logs.get_mut(log) else { return 0..0 };
        let start = bytes.len();
        write(bytes);
        start..bytes.len()
    }

    /// Empties the logs when no outbox refers to them.
    pub(crate) fn clear_logs(&mut self) {
        if self.referring > 0 {
            return;
        }
        for log in &mut self.logs {
            log.clear();
            log.shrink_to(SPARE_BUFFER_BYTES);
        }
    }
}

/// The bytes of one connection, in the order of the fields.
#[derive(Debug, Default)]
struct Parts {
    /// Bytes of a log.
    log: (usize, Range<usize>),
    own: Vec<u8>,
    more: VecDeque<Part>,
    /// Bytes of the first of these that are written.
    written: usize,
    len: usize,
}

impl Parts {
    /// The buffer at the end.
    fn last(&mut self) -> &mut Vec<u8> {
        if self.more.is_empty() {
            return &mut self.own;
        }
        if !matches!(self.more.back(), Some(Part::Own(_))) {
            self.more.push_back(Part::Own(Vec::new()));
        }
        match self.more.back_mut() {
            Some(Part::Own(buffer)) => buffer,
            _ => &mut self.own,
        }
    }

    /// Takes `count` written bytes from a part of that length. True when all of it is written.
    fn pass(&mut self, length: usize, count: &mut usize) -> bool {
        let left = length - self.written;
        if *count < left {
            self.written += *count;
            return false;
        }
        *count -= left;
        self.written = 0;
        true
    }
}

/// The bytes of one connection.
#[derive(Debug, Default)]
pub(crate) struct Outbox(Option<Box<Parts>>);

impl Outbox {
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |parts| parts.len)
    }

    fn parts(&mut self, flow: &mut Outflow) -> &mut Parts {
        self.0.get_or_insert_with(|| flow.spare.pop().unwrap_or_default())
    }

    /// Lets `write` append to the last buffer.
    #[inline]
    pub(crate) fn append(&mut self, flow: &mut Outflow, write: impl FnOnce(&mut Vec<u8>)) {
        let parts = self.parts(flow);
        let buffer = parts.last();
        let before = buffer.len();
        write(buffer);
        let count = buffer.len().saturating_sub(before);
        parts.len += count;
        flow.count(count);
    }

    /// Takes back what was appended last, and not shared.
    pub(crate) fn cut(&mut self, flow: &mut Outflow, count: usize) {
        let Some(parts) = self.0.as_deref_mut() else { return };
        let buffer = parts.last();
        buffer.truncate(buffer.len().saturating_sub(count));
        parts.len -= count;
        flow.waiting -= count;
        flow.appended -= count;
    }

    /// Appends a payload by reference.
    pub(crate) fn share(&mut self, flow: &mut Outflow, payload: Bytes) {
        let count = payload.len();
        let parts = self.parts(flow);
        parts.len += count;
        parts.more.push_back(Part::Shared(payload));
        flow.count(count);
    }

    /// Appends bytes of a log: by reference when they go on where the last ones ended, else as a copy.
    #[inline]
    pub(crate) fn append_log(&mut self, flow: &mut Outflow, log: usize, bytes: Range<usize>) {
        let parts = self.parts(flow);
        if parts.len == 0 {
            parts.log = (log, bytes.start..bytes.start);
        }
        let goes_on = parts.log.0 == log && parts.log.1.end == bytes.start;
        if goes_on && parts.own.is_empty() && parts.more.is_empty() {
            let count = bytes.len();
            flow.referring += usize::from(parts.log.1.is_empty());
            parts.log.1.end = bytes.end;
            parts.len += count;
            flow.count(count);
            return;
        }
        let logs = std::mem::take(&mut flow.logs);
        let copied = logs.get(log).and_then(|log| log.get(bytes)).unwrap_or_default();
        self.append(flow, |out| out.extend_from_slice(copied));
        flow.logs = logs;
    }

    /// Makes bytes of a log its own.
    pub(crate) fn settle(&mut self, flow: &mut Outflow) {
        let Some(parts) = self.0.as_deref_mut() else { return };
        let (log, bytes) = std::mem::take(&mut parts.log);
        if bytes.is_empty() {
            return;
        }
        flow.referring -= 1;
        let left = bytes.start + std::mem::take(&mut parts.written)..bytes.end;
        let left = flow.logs.get(log).and_then(|log| log.get(left)).unwrap_or_default();
        parts.own.splice(..0, left.iter().copied());
    }

    /// Fills `slices` with what is to be written next; returns how many.
    pub(crate) fn slices<'a>(&'a self, flow: &'a Outflow, slices: &mut [IoSlice<'a>]) -> usize {
        let Some(parts) = self.0.as_deref() else { return 0 };
        let log = flow.logs.get(parts.log.0).and_then(|log| log.get(parts.log.1.clone())).unwrap_or_default();
        let fronts = [log, parts.own.as_slice()].into_iter();
        let all = fronts.chain(parts.more.iter().map(Part::bytes)).filter(|part| !part.is_empty());
        let mut skip = parts.written;
        let mut count = 0;
        for (part, slice) in all.zip(slices) {
            *slice = IoSlice::new(part.get(skip..).unwrap_or_default());
            skip = 0;
            count += 1;
        }
        count
    }

    /// Says that so many bytes were written.
    pub(crate) fn advance(&mut self, flow: &mut Outflow, count: usize) {
        let Some(mut parts) = self.0.take() else { return };
        let mut count = count.min(parts.len);
        parts.len -= count;
        flow.waiting -= count;
        if parts.len == 0 {
            // Nothing is left: an idle connection keeps no memory.
            flow.referring -= usize::from(!parts.log.1.is_empty());
            return flow.give(parts);
        }
        if parts.pass_fronts(flow, &mut count) {
            while let Some(length) = parts.more.front().map(|part| part.bytes().len()) {
                if !parts.pass(length, &mut count) {
                    break;
                }
                parts.more.pop_front();
            }
        }
        self.0 = Some(parts);
    }
}

impl Parts {
    /// Takes written bytes from the log and the own buffer. True when both are behind.
    fn pass_fronts(&mut self, flow: &mut Outflow, count: &mut usize) -> bool {
        if !self.log.1.is_empty() {
            if !self.pass(self.log.1.len(), count) {
                return false;
            }
            self.log = Default::default();
            flow.referring -= 1;
        }
        if !self.own.is_empty() {
            if !self.pass(self.own.len(), count) {
                return false;
            }
            self.own.clear();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(outbox: &Outbox, flow: &Outflow) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 8];
        let count = outbox.slices(flow, &mut slices);
        slices.iter().take(count).flat_map(|slice| slice.to_vec()).collect()
    }

    #[test]
    fn bytes_leave_in_order_across_kinds_of_parts() {
        let mut flow = Outflow::default();
        let mut outbox = Outbox::default();
        outbox.append(&mut flow, |out| out.extend_from_slice(b"ab"));
        outbox.share(&mut flow, Bytes::from_static(b"cdef"));
        outbox.append(&mut flow, |out| out.extend_from_slice(b"gh"));
        assert_eq!((outbox.len(), text(&outbox, &flow)), (8, b"abcdefgh".to_vec()));

        outbox.advance(&mut flow, 3);
        assert_eq!((outbox.len(), text(&outbox, &flow)), (5, b"defgh".to_vec()));
        outbox.advance(&mut flow, 5);
        assert_eq!((outbox.len(), flow.waiting, flow.appended), (0, 0, 8));
        assert!(outbox.0.is_none());
        assert_eq!(flow.spare.len(), 1, "the buffer comes back");
    }

    #[test]
    fn bytes_for_many_are_shared_until_settled_and_in_order_with_own_ones() {
        let mut flow = Outflow::default();
        let (mut fast, mut slow) = (Outbox::default(), Outbox::default());
        for packet in [b"abc", b"def"] {
            let bytes = flow.log(0, |log| log.extend_from_slice(packet));
            fast.append_log(&mut flow, 0, bytes.clone());
            slow.append_log(&mut flow, 0, bytes);
        }
        slow.append(&mut flow, |out| out.extend_from_slice(b"g"));
        let bytes = flow.log(1, |log| log.extend_from_slice(b"hi"));
        slow.append_log(&mut flow, 1, bytes.clone());
        fast.append_log(&mut flow, 1, bytes);
        slow.share(&mut flow, Bytes::from_static(b"jk"));
        slow.append(&mut flow, |out| out.extend_from_slice(b"l"));
        assert_eq!((text(&fast, &flow), fast.len()), (b"abcdefhi".to_vec(), 8));
        fast.advance(&mut flow, 8);
        slow.advance(&mut flow, 4);
        assert_eq!(text(&slow, &flow), b"efghijkl");
        slow.settle(&mut flow);
        slow.settle(&mut flow);
        flow.clear_logs();
        assert_eq!((text(&slow, &flow), slow.len()), (b"efghijkl".to_vec(), 8));
        for left in (0..8).rev() {
            slow.advance(&mut flow, 1);
            assert_eq!((slow.len(), text(&slow, &flow).len(), flow.waiting), (left, left, left));
        }
        assert_eq!(flow.spare.len(), 2);
    }

    /// A partly written part followed by more: nothing is lost or said twice, whatever the sizes.
    #[test]
    fn every_way_of_writing_gives_the_same_bytes() {
        for step in 1..12 {
            let mut flow = Outflow::default();
            let mut outbox = Outbox::default();
            let mut written = Vec::new();
            let mut expected = Vec::new();
            for round in 0..20_u8 {
                let packet = [round; 3];
                expected.extend_from_slice(&packet);
                match round % 5 {
                    0 | 1 => {
                        let bytes = flow.log(0, |log| log.extend_from_slice(&packet));
                        outbox.append_log(&mut flow, 0, bytes);
                    }
                    2 => outbox.share(&mut flow, Bytes::copy_from_slice(&packet)),
                    _ => outbox.append(&mut flow, |out| out.extend_from_slice(&packet)),
                }
                let now = step.min(text(&outbox, &flow).len());
                written.extend(text(&outbox, &flow).into_iter().take(now));
                outbox.advance(&mut flow, now);
                if round % 3 == 0 {
                    outbox.settle(&mut flow);
                    flow.clear_logs();
                }
            }
            written.extend(text(&outbox, &flow));
            assert_eq!(written, expected, "step {step}");
        }
    }
}
