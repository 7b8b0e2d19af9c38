//! One session's QoS 1 and 2 messages, waiting and in flight, in one sequence.
//!
//! Each entry has a place `seq`; its packet id follows from it, so that a restart finds the same id
//! without a commit before each send. Not the encoding and not the store. Invariants: entries before
//! `sent` were sent on this connection; an id in flight is unique, because at most 65,534 places are
//! between the oldest entry and the newest one sent; finished entries at the front are given back.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::state::{Message, QueueRecord};
use crate::wire::{PacketId, QoS};

/// Packet ids are 1 to 65,535.
const IDS: u64 = 65_535;

/// Where an entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Not sent on this connection.
    Waiting,
    /// Sent, not acknowledged.
    Sent,
    /// PUBREC came; PUBREL waits for the commit of that.
    Received,
    /// PUBREC is kept; PUBREL is sent or, after a reconnect, about to be.
    Released,
    /// Finished; kept only until it is at the front.
    Done,
}

/// One entry.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) message: Option<Arc<Message>>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    /// Sent on an earlier connection: DUP.
    pub(crate) again: bool,
    pub(crate) stage: Stage,
    /// Version of the grants under which delivery was allowed.
    pub(crate) grants: u32,
    pub(crate) ids: Option<Arc<[u32]>>,
}

impl Entry {
    const HOLE: Self = Self {
        message: None,
        qos: QoS::AtLeastOnce,
        retain: false,
        again: false,
        stage: Stage::Done,
        grants: 0,
        ids: None,
    };
}

/// What an acknowledgement did.
#[derive(Debug)]
pub(crate) enum Acked {
    /// The entry is finished.
    Finished {
        /// Its place.
        seq: u64,
        /// What it held.
        message: Option<Arc<Message>>,
    },
    /// PUBREC came: PUBREL is next.
    Released {
        /// Its place.
        seq: u64,
        /// What it held; `None` when PUBREC came before.
        message: Option<Arc<Message>>,
    },
    /// No such entry is in flight.
    Unknown,
    /// The entry is in flight and this is not what may come next for it.
    WrongKind,
}

/// The sequence.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    entries: VecDeque<Entry>,
    first: u64,
    /// Entries from the front that were sent on this connection.
    sent: usize,
    in_flight: usize,
    bytes: usize,
    /// The place that the next stored entry gets: ahead of the queue by what waits for its commit.
    pub(crate) promised: u64,
    /// Entries that wait for their commit, for the bounds of the queue.
    pub(crate) uncommitted: usize,
    /// What the store knows about sent entries.
    pub(crate) stored_sent: u64,
}

fn size(entry: &Entry) -> usize {
    entry.message.as_deref().map_or(0, |message| message.payload.len() + message.topic.len())
}

/// The packet id of a place.
pub(crate) fn packet_id(seq: u64) -> PacketId {
    let id = u16::try_from(seq % IDS + 1).unwrap_or(1);
    PacketId::new(id).unwrap_or(PacketId::MIN)
}

impl Queue {
    /// An empty one.
    pub(crate) const fn new() -> Self {
        Self {
            entries: VecDeque::new(),
            first: 0,
            sent: 0,
            in_flight: 0,
            bytes: 0,
            promised: 0,
            uncommitted: 0,
            stored_sent: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The place that the next entry gets.
    pub(crate) fn next_seq(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// The first place that was not sent on this connection.
    pub(crate) fn sent_below(&self) -> u64 {
        self.first + self.sent as u64
    }

    /// Whether something waits to be sent.
    pub(crate) fn has_waiting(&self) -> bool {
        self.sent < self.entries.len()
    }

    /// Appends an entry; returns its place.
    pub(crate) fn push(&mut self, entry: Entry) -> u64 {
        let seq = self.next_seq();
        self.bytes += size(&entry);
        self.entries.push_back(entry);
        seq
    }

    /// Appends an entry at a place that was promised before; places between are finished ones.
    pub(crate) fn push_at(&mut self, seq: u64, entry: Entry) {
        if self.entries.is_empty() {
            self.first = self.first.max(seq);
            self.sent = 0;
        }
        while self.next_seq() < seq {
            self.entries.push_back(Entry::HOLE);
        }
        self.push(entry);
    }

    /// The next entry to send and its place, when the window has room. Finished ones are passed over.
    pub(crate) fn next(&mut self, window: u16) -> Option<(u64, &mut Entry)> {
        while self.entries.get(self.sent).is_some_and(|entry| entry.stage == Stage::Done) {
            self.sent += 1;
        }
        let place = self.sent;
        if place as u64 >= IDS - 1 || self.in_flight >= usize::from(window) {
            return None;
        }
        let seq = self.first + place as u64;
        self.entries.get_mut(place).map(|entry| (seq, entry))
    }

    /// Says that the entry which [`Self::next`] gave was sent.
    pub(crate) fn sent(&mut self) {
        self.sent += 1;
        self.in_flight += 1;
    }

    /// Finishes the entry which [`Self::next`] gave, unsent: expired, too large, no longer allowed.
    pub(crate) fn skip(&mut self) -> Option<Arc<Message>> {
        let entry = self.entries.get_mut(self.sent)?;
        self.bytes -= size(entry);
        let message = entry.message.take();
        entry.stage = Stage::Done;
        self.sent += 1;
        self.shed();
        message
    }

    /// Where the entry is that was sent with this id on this connection and is not finished.
    fn in_flight(&mut self, id: PacketId) -> Option<(usize, &mut Entry)> {
        let wanted = u64::from(id.get() - 1);
        let place = usize::try_from((wanted + IDS - self.first % IDS) % IDS).ok()?;
        let entry = self.entries.get_mut(place).filter(|entry| entry.stage != Stage::Done)?;
        (place < self.sent).then_some((place, entry))
    }

    /// PUBACK.
    pub(crate) fn puback(&mut self, id: PacketId) -> Acked {
        self.finish(id, QoS::AtLeastOnce, Stage::Sent)
    }

    /// PUBCOMP: follows a PUBREL.
    pub(crate) fn pubcomp(&mut self, id: PacketId) -> Acked {
        self.finish(id, QoS::ExactlyOnce, Stage::Released)
    }

    /// PUBREC with an error: the exchange ends here, unless a PUBREC without one came before.
    pub(crate) fn pubrec_failed(&mut self, id: PacketId) -> Acked {
        match self.in_flight(id) {
            Some((_, Entry { stage: Stage::Received | Stage::Released, .. })) => Acked::Unknown,
            _ => self.finish(id, QoS::ExactlyOnce, Stage::Sent),
        }
    }

    /// PUBREC. A second one is answered as the first.
    pub(crate) fn pubrec(&mut self, id: PacketId) -> Acked {
        let Some((place, entry)) = self.in_flight(id) else { return Acked::Unknown };
        if entry.qos != QoS::ExactlyOnce {
            return Acked::WrongKind;
        }
        if entry.stage == Stage::Sent {
            entry.stage = Stage::Received;
        }
        let bytes = size(entry);
        let message = entry.message.take();
        self.bytes -= bytes;
        Acked::Released { seq: self.first + place as u64, message }
    }

    /// PUBREL is said.
    pub(crate) fn release(&mut self, id: PacketId) {
        if let Some((_, entry)) = self.in_flight(id)
            && entry.stage == Stage::Received
        {
            entry.stage = Stage::Released;
        }
    }

    fn finish(&mut self, id: PacketId, qos: QoS, stage: Stage) -> Acked {
        let Some((place, entry)) = self.in_flight(id) else { return Acked::Unknown };
        if entry.qos != qos || entry.stage != stage {
            return Acked::WrongKind;
        }
        let bytes = size(entry);
        let message = entry.message.take();
        entry.stage = Stage::Done;
        let seq = self.first + place as u64;
        self.bytes -= bytes;
        self.in_flight -= 1;
        self.shed();
        Acked::Finished { seq, message }
    }

    fn shed(&mut self) {
        while self.sent > 0 && self.entries.front().is_some_and(|entry| entry.stage == Stage::Done) {
            self.entries.pop_front();
            self.first += 1;
            self.sent -= 1;
        }
        if self.entries.is_empty() && self.entries.capacity() > 16 {
            self.entries = VecDeque::new();
        }
    }

    /// The connection ended: everything unfinished is to be sent again, in order (MQTT 5 §4.4).
    pub(crate) fn rewind(&mut self) {
        for entry in self.entries.iter_mut().take(self.sent) {
            match entry.stage {
                Stage::Sent => {
                    entry.stage = Stage::Waiting;
                    entry.again = true;
                }
                Stage::Received => entry.stage = Stage::Released,
                Stage::Waiting | Stage::Released | Stage::Done => {}
            }
        }
        self.sent = 0;
        self.in_flight = 0;
    }

    /// Every unfinished entry with its place.
    pub(crate) fn unfinished(&self) -> impl Iterator<Item = (u64, &Entry)> {
        let places = (self.first..).zip(&self.entries);
        places.filter(|(_, entry)| entry.stage != Stage::Done)
    }

    /// As the store keeps it.
    pub(crate) fn record(seq: u64, entry: &Entry) -> QueueRecord {
        QueueRecord {
            seq,
            message: entry.message.as_deref().map(|message| message.id),
            qos: entry.qos,
            retain: entry.retain,
            subscription_ids: entry.ids.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(qos: QoS) -> Entry {
        Entry { qos, stage: Stage::Waiting, ..Entry::HOLE }
    }

    fn send_all(queue: &mut Queue, window: u16) -> Vec<u16> {
        let mut ids = Vec::new();
        while let Some((seq, entry)) = queue.next(window) {
            if entry.stage == Stage::Waiting {
                entry.stage = Stage::Sent;
            }
            ids.push(packet_id(seq).get());
            queue.sent();
        }
        ids
    }

    fn id(id: u16) -> PacketId {
        PacketId::new(id).unwrap()
    }

    #[test]
    fn the_window_bounds_what_is_in_flight_and_acknowledgements_move_it() {
        let mut queue = Queue::default();
        for _ in 0..5 {
            queue.push(entry(QoS::AtLeastOnce));
        }
        assert_eq!(send_all(&mut queue, 2), [1, 2]);
        assert!(matches!(queue.puback(id(2)), Acked::Finished { seq: 1, .. }));
        assert!(matches!(queue.puback(id(2)), Acked::Unknown), "a second PUBACK");
        assert_eq!(send_all(&mut queue, 2), [3]);
        assert!(matches!(queue.puback(id(4)), Acked::Unknown), "not sent yet");
        queue.puback(id(1));
        queue.puback(id(3));
        assert_eq!((send_all(&mut queue, 2), queue.len()), (vec![4, 5], 2));
    }

    #[test]
    fn after_a_reconnect_the_same_ids_are_sent_again_in_order() {
        let mut queue = Queue::default();
        queue.push(entry(QoS::ExactlyOnce));
        queue.push(entry(QoS::AtLeastOnce));
        queue.push(entry(QoS::ExactlyOnce));
        send_all(&mut queue, 10);
        assert!(matches!(queue.pubrec(id(1)), Acked::Released { seq: 0, .. }));
        queue.puback(id(2));

        queue.rewind();

        let first = queue.next(10).map(|(seq, entry)| (seq, entry.stage, entry.again));
        assert_eq!(first, Some((0, Stage::Released, false)));
        assert_eq!(send_all(&mut queue, 10), [1, 3]);
        assert!(queue.unfinished().all(|(seq, entry)| entry.again == (seq == 2)));
        assert!(matches!(queue.pubcomp(id(1)), Acked::Finished { seq: 0, .. }));
        assert!(matches!(queue.pubrec(id(3)), Acked::Released { .. }));
        queue.release(id(3));
        assert!(matches!(queue.pubcomp(id(3)), Acked::Finished { .. }));
        assert_eq!((queue.len(), queue.in_flight), (0, 0));
    }

    #[test]
    fn what_may_come_next_depends_on_the_level_and_on_what_came() {
        let mut queue = Queue::default();
        queue.push(entry(QoS::AtLeastOnce));
        queue.push(entry(QoS::ExactlyOnce));
        send_all(&mut queue, 10);
        assert!(matches!(queue.pubrec(id(1)), Acked::WrongKind));
        assert!(matches!(queue.pubrec_failed(id(1)), Acked::WrongKind));
        assert!(matches!(queue.pubcomp(id(1)), Acked::WrongKind));
        assert!(matches!(queue.puback(id(2)), Acked::WrongKind));
        assert!(matches!(queue.pubcomp(id(2)), Acked::WrongKind), "before PUBREC");
        queue.pubrec(id(2));
        assert!(matches!(queue.puback(id(2)), Acked::WrongKind));
        assert!(matches!(queue.pubcomp(id(2)), Acked::WrongKind), "before PUBREL");
        queue.release(id(2));
        assert!(matches!(queue.puback(id(2)), Acked::WrongKind));
        assert!(matches!(queue.pubrec_failed(id(2)), Acked::Unknown), "too late");
        assert!(matches!(queue.pubrec(id(2)), Acked::Released { message: None, .. }), "again");
        assert!(matches!(queue.pubcomp(id(2)), Acked::Finished { seq: 1, .. }));
        assert!(matches!(queue.pubcomp(id(2)), Acked::Unknown), "again");
        assert!(matches!(queue.puback(id(2)), Acked::Unknown), "finished, behind one that is not");
        assert!(matches!(queue.puback(id(1)), Acked::Finished { seq: 0, .. }));
        assert_eq!((queue.len(), queue.in_flight), (0, 0));
    }

    #[test]
    fn ids_go_round_without_meeting_one_in_flight() {
        let mut queue = Queue::default();
        queue.push(entry(QoS::AtLeastOnce));
        send_all(&mut queue, u16::MAX);
        for _ in 0..70_000 {
            queue.push(entry(QoS::AtLeastOnce));
        }
        let sent = send_all(&mut queue, u16::MAX);
        assert_eq!(sent.len(), 65_533, "the first one still holds its id");
        assert!(!sent.contains(&1));
        queue.puback(id(1));
        assert_eq!(send_all(&mut queue, u16::MAX), [65_535]);
    }

    #[test]
    fn places_that_were_promised_and_never_used_are_holes() {
        let mut queue = Queue::default();
        queue.push_at(7, entry(QoS::AtLeastOnce));
        queue.push_at(9, entry(QoS::AtLeastOnce));
        assert_eq!(send_all(&mut queue, 10), [8, 10]);
        queue.puback(id(8));
        queue.puback(id(10));
        assert_eq!((queue.len(), queue.next_seq()), (0, 10));
    }
}
