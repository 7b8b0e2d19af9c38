//! What waits to be written to one connection: small packets in one buffer, large payloads shared.
//!
//! Not the socket. Invariants: an idle connection holds no buffer; bytes leave in the order in which they
//! were appended; `len` is what is left to write.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::Bytes;

use crate::limits::{SPARE_BUFFER_BYTES, SPARE_BUFFERS};

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
    spare: Vec<Vec<u8>>,
    /// Bytes that wait in all outboxes.
    pub(crate) waiting: usize,
    /// Bytes appended since the last flush.
    pub(crate) appended: usize,
}

impl Outflow {
    fn take(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    fn count(&mut self, bytes: usize) {
        self.waiting += bytes;
        self.appended += bytes;
    }

    fn give(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < SPARE_BUFFERS
            && buffer.capacity() <= SPARE_BUFFER_BYTES
            && buffer.capacity() > 0
        {
            buffer.clear();
            self.spare.push(buffer);
        }
    }
}

/// The bytes of one connection.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    parts: VecDeque<Part>,
    /// Bytes of the first part that are written.
    written: usize,
    len: usize,
}

impl Outbox {
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Lets `write` append to the last buffer.
    #[inline]
    pub(crate) fn append(&mut self, flow: &mut Outflow, write: impl FnOnce(&mut Vec<u8>)) {
        if !matches!(self.parts.back(), Some(Part::Own(_))) {
            self.parts.push_back(Part::Own(flow.take()));
        }
        if let Some(Part::Own(buffer)) = self.parts.back_mut() {
            let before = buffer.len();
            write(buffer);
            let count = buffer.len().saturating_sub(before);
            self.len += count;
            flow.count(count);
        }
    }

    /// Appends a payload by reference.
    pub(crate) fn share(&mut self, flow: &mut Outflow, payload: Bytes) {
        self.len += payload.len();
        flow.count(payload.len());
        self.parts.push_back(Part::Shared(payload));
    }

    /// Fills `slices` with what is to be written next; returns how many.
    pub(crate) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut skip = self.written;
        let mut count = 0;
        for (part, slice) in self.parts.iter().zip(slices) {
            *slice = IoSlice::new(part.bytes().get(skip..).unwrap_or_default());
            skip = 0;
            count += 1;
        }
        count
    }

    /// Says that so many bytes were written.
    pub(crate) fn advance(&mut self, flow: &mut Outflow, mut count: usize) {
        count = count.min(self.len);
        self.len -= count;
        flow.waiting -= count;
        while let Some(first) = self.parts.front() {
            let left = first.bytes().len().saturating_sub(self.written);
            if count < left {
                self.written += count;
                return;
            }
            count -= left;
            self.written = 0;
            if let Some(Part::Own(buffer)) = self.parts.pop_front() {
                flow.give(buffer);
            }
        }
        // Nothing is left: an idle connection keeps no memory.
        self.parts = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(outbox: &Outbox) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 8];
        let count = outbox.slices(&mut slices);
        slices.iter().take(count).flat_map(|slice| slice.to_vec()).collect()
    }

    #[test]
    fn bytes_leave_in_order_across_kinds_of_parts() {
        let mut flow = Outflow::default();
        let mut outbox = Outbox::default();
        outbox.append(&mut flow, |out| out.extend_from_slice(b"ab"));
        outbox.share(&mut flow, Bytes::from_static(b"cdef"));
        outbox.append(&mut flow, |out| out.extend_from_slice(b"gh"));
        assert_eq!((outbox.len(), text(&outbox)), (8, b"abcdefgh".to_vec()));

        outbox.advance(&mut flow, 3);
        assert_eq!((outbox.len(), text(&outbox)), (5, b"defgh".to_vec()));
        outbox.advance(&mut flow, 5);
        assert_eq!((outbox.len(), flow.waiting, flow.appended), (0, 0, 8));
        assert_eq!(outbox.parts.capacity(), 0);
        assert_eq!(flow.spare.len(), 2, "own buffers come back");
    }
}
