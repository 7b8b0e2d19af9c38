//! The open batch, what waits for commits, and what happens when they come.
//!
//! Not the commit itself: the pipeline does it. Invariants: what waits runs in the order in which it was
//! asked for; a failed commit acknowledges nothing, ends the connections that waited for it and makes the
//! next batch carry the whole state again, so that disk and memory agree.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use sitewarden_core::time::Now;

use super::Core;
use super::conn::{Session, Target};
use super::queue::Queue;
use super::slab::Key;
use crate::batch::{Batch, Committed, Notice, Publish};
use crate::limits::{BATCH_BYTES, BATCH_NOTICES, BATCH_PUBLISHES, BATCHES_IN_FLIGHT};
use crate::state::{Message, MessageId, StoreOp, SubscriptionOptions};
use crate::wire::{self, Ack, AckKind, PacketId, ReasonCode, Suback, Unsuback, Version};

/// Something that may be said only after the commit.
#[derive(Debug)]
pub(crate) enum Deferred {
    /// PUBACK, PUBREC, PUBCOMP.
    Ack { conn: Key, session: Key, kind: AckKind, id: PacketId, code: ReasonCode },
    /// PUBREL to a subscriber.
    Release { session: Key, id: PacketId },
    /// A message to subscribers with QoS above 0.
    Deliver { message: Arc<Message>, targets: Rc<[Target]>, stored: Vec<(Key, u64)> },
    /// The retained message of a topic.
    Retain { topic: Arc<str>, message: Option<Arc<Message>> },
    /// SUBACK, then retained messages of the new subscriptions.
    Subscribed { conn: Key, suback: Suback, retained: Vec<(Arc<str>, SubscriptionOptions)> },
    /// UNSUBACK.
    Unsubscribed { conn: Key, unsuback: Unsuback },
}

/// The open batch and those that wait.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    batch: Batch,
    bytes: usize,
    deferred: Vec<Deferred>,
    waiting: VecDeque<(u64, Vec<Deferred>)>,
    next: u64,
    /// A commit failed: the store misses changes that memory has.
    incomplete: bool,
}

impl Turn {
    pub(crate) fn publish(&mut self, publish: Publish) {
        self.bytes += publish.payload.len();
        self.batch.publishes.push(publish);
    }

    pub(crate) fn op(&mut self, op: StoreOp) {
        self.batch.ops.push(op);
    }

    pub(crate) fn defer(&mut self, deferred: Deferred) {
        self.deferred.push(deferred);
    }

    /// Whether nothing waits for a commit: then what promises nothing durable may be said at once
    /// without overtaking.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.deferred.is_empty()
    }

    /// Whether publishers are to be held back.
    pub(crate) fn is_full(&self) -> bool {
        self.batch.publishes.len() >= BATCH_PUBLISHES || self.bytes >= BATCH_BYTES
    }

    /// Adds a notice, merged with an equal denial before it. False when there is no room.
    pub(crate) fn notice(&mut self, notice: Notice) -> bool {
        if let (
            Some(Notice::PublishDenied { origin: last, topic: last_topic, will: false, count, .. }),
            Notice::PublishDenied { origin, topic, will: false, .. },
        ) = (self.batch.notices.last_mut(), &notice)
            && Arc::ptr_eq(last, origin)
            && last_topic == topic
        {
            *count = count.saturating_add(1);
            return true;
        }
        let room = self.batch.notices.len() < BATCH_NOTICES;
        if room {
            self.batch.notices.push(notice);
        }
        room
    }

    pub(crate) fn take(&mut self) -> Option<Batch> {
        if self.batch.is_empty() && self.deferred.is_empty() || self.waiting.len() >= BATCHES_IN_FLIGHT {
            return None;
        }
        let id = self.next;
        self.next += 1;
        self.bytes = 0;
        let awaited = !self.deferred.is_empty() || !self.batch.ops.is_empty();
        if awaited {
            self.waiting.push_back((id, std::mem::take(&mut self.deferred)));
        }
        let capacity = self.batch.publishes.len().min(1_024);
        let fresh = Batch { publishes: Vec::with_capacity(capacity), ..Batch::default() };
        Some(Batch { id, awaited, ..std::mem::replace(&mut self.batch, fresh) })
    }

    fn answered(&mut self, id: u64) -> Option<Vec<Deferred>> {
        if self.waiting.front().is_none_or(|(waiting, _)| *waiting != id) {
            return None;
        }
        self.waiting.pop_front().map(|(_, deferred)| deferred)
    }
}

impl Core {
    pub(super) fn on_committed(&mut self, now: Now, committed: Committed) {
        let Some(deferred) = self.turn.answered(committed.id) else { return };
        if !committed.ok {
            self.metrics.batches_failed.increment();
            for deferred in deferred {
                self.undo(now, deferred);
            }
            self.turn.incomplete = true;
            return;
        }
        for deferred in deferred {
            self.run(now, deferred);
        }
    }

    fn run(&mut self, now: Now, deferred: Deferred) {
        match deferred {
            Deferred::Ack { conn, kind, id, code, .. } => self.send_ack(conn, kind, id, code),
            Deferred::Release { session, id } => self.send_release(session, id, ReasonCode::SUCCESS),
            Deferred::Deliver { message, targets, stored } => self.deliver(now, &message, &targets, stored),
            Deferred::Retain { topic, message } => self.set_retained(now, &topic, message),
            Deferred::Subscribed { conn, suback, retained } => self.subscribed(now, conn, &suback, &retained),
            Deferred::Unsubscribed { conn, unsuback } => {
                self.send(conn, |out, version| wire::encode_unsuback(out, &unsuback, version));
            }
        }
    }

    /// Sends an acknowledgement and frees its place in the client's window.
    fn send_ack(&mut self, key: Key, kind: AckKind, id: PacketId, code: ReasonCode) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        if conn.session().is_none() {
            return;
        }
        // 5.0 says that QoS 2 counts until PUBCOMP (§4.9). 3.1.1 has no such rule: a client may send on and say
        // PUBREL much later, which could never be read if PUBREC did not count as the end.
        let v5 = conn.version == Some(Version::V5);
        let finished = match kind {
            AckKind::Puback => true,
            AckKind::Pubcomp => v5 && !code.is_error(),
            AckKind::Pubrec => !v5 || code.is_error(),
            AckKind::Pubrel => false,
        };
        if finished {
            conn.unacked = conn.unacked.saturating_sub(1);
        }
        self.send(key, |out, version| wire::encode_ack(out, kind, &Ack::new(id, code), version));
    }

    /// Takes back what a failed commit had promised.
    fn undo(&mut self, now: Now, deferred: Deferred) {
        match deferred {
            Deferred::Ack { conn, session, kind, id, .. } => {
                if kind == AckKind::Pubrec {
                    self.forget_received(now, session, id);
                }
                self.close(now, conn, ReasonCode::QUOTA_EXCEEDED);
            }
            Deferred::Deliver { message, stored, .. } => {
                for (session, _) in stored {
                    if let Some(session) = self.sessions.get_mut(session) {
                        session.queue.uncommitted = session.queue.uncommitted.saturating_sub(1);
                    }
                    self.release_message(message.id);
                }
            }
            Deferred::Retain { message, .. } => {
                if let Some(message) = message {
                    self.release_message(message.id);
                }
            }
            Deferred::Subscribed { conn, .. } | Deferred::Unsubscribed { conn, .. } => {
                self.close(now, conn, ReasonCode::QUOTA_EXCEEDED);
            }
            // The subscriber is told when it comes back.
            Deferred::Release { session, .. } => {
                if let Some(conn) = self.sessions.get(session).and_then(|session| session.conn) {
                    self.close(now, conn, ReasonCode::QUOTA_EXCEEDED);
                }
            }
        }
    }

    /// A QoS 2 message was not taken after all: its repetition is a first time. One that came meanwhile,
    /// perhaps on a new connection, must not be acknowledged; its client is to send it once more.
    fn forget_received(&mut self, now: Now, key: Key, id: PacketId) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.received.remove(&id.get());
        let conn = session.conn;
        let turn = &mut self.turn;
        let later = turn.waiting.iter_mut().map(|(_, deferred)| deferred).chain([&mut turn.deferred]);
        let mut repeated = false;
        for deferred in later {
            deferred.retain(|deferred| {
                let same = matches!(deferred, Deferred::Ack { session, kind: AckKind::Pubrec, id: other, .. }
                    if *session == key && *other == id);
                repeated |= same;
                !same
            });
        }
        if let Some(conn) = conn.filter(|_| repeated) {
            self.close(now, conn, ReasonCode::QUOTA_EXCEEDED);
        }
    }

    /// After a failed commit the store misses some changes. Once no batch is on its way any more, the next
    /// one replaces everything: what memory holds first, then its own changes.
    fn store_everything(&mut self) {
        let mut ops = vec![StoreOp::Reset];
        let mut written = std::collections::HashSet::new();
        for key in self.sessions.keys() {
            if let Some(session) = self.sessions.get(key) {
                session_ops(session, &mut ops, &mut written);
            }
        }
        for message in self.retained.iter() {
            if written.insert(message.id) {
                ops.push(StoreOp::Message(message.clone()));
            }
            ops.push(StoreOp::Retained { topic: message.topic.clone(), message: message.id });
        }
        let online = self.conns.keys().into_iter().filter_map(|key| self.conns.get(key)?.will.clone());
        ops.extend(online.map(StoreOp::Will));
        ops.extend(self.wills.values().map(|waiting| StoreOp::Will(waiting.will.clone())));
        ops.append(&mut self.turn.batch.ops);
        self.turn.batch.ops = ops;
    }

    /// Takes the open batch, if it has content and fewer than the bound wait for their commit.
    #[must_use]
    pub fn take_batch(&mut self) -> Option<Batch> {
        if self.turn.incomplete {
            if !self.turn.waiting.is_empty() {
                return None;
            }
            self.turn.incomplete = false;
            self.store_everything();
        }
        self.store_sent_places();
        let batch = self.turn.take()?;
        self.metrics.batches.increment();
        Some(batch)
    }

    /// One more queue or topic refers to a message; the first makes it stored.
    pub(super) fn keep_message(&mut self, message: &Arc<Message>) {
        let size = message.topic.len() + message.payload.len();
        let (count, _) = self.stored.entry(message.id).or_insert((0, size));
        if *count == 0 {
            self.stored_bytes += size as u64;
            self.turn.op(StoreOp::Message(message.clone()));
        }
        *count += 1;
    }

    /// One less refers to it; the last removes it from the store.
    pub(super) fn release_message(&mut self, id: MessageId) {
        let Some((count, size)) = self.stored.get_mut(&id) else { return };
        *count -= 1;
        if *count == 0 {
            self.stored_bytes -= *size as u64;
            self.stored.remove(&id);
            self.turn.op(StoreOp::MessageGone(id));
        }
    }

    /// Says when nothing is promised and nothing may be overtaken, else after the commit.
    pub(super) fn after_commit(&mut self, now: Now, durable: bool, deferred: Deferred) {
        if durable || !self.turn.is_idle() {
            self.turn.defer(deferred);
        } else {
            self.run(now, deferred);
        }
    }

    /// Remembers how far each session's entries were sent, with the batch that leaves anyway.
    fn store_sent_places(&mut self) {
        if self.turn.batch.is_empty() {
            return;
        }
        for key in std::mem::take(&mut self.sending) {
            if let Some(session) = self.sessions.get_mut(key) {
                session.sending = false;
                let below = session.queue.sent_below();
                if below > session.queue.stored_sent {
                    session.queue.stored_sent = below;
                    self.turn.op(StoreOp::Sent { session: session.id, below });
                }
            }
        }
    }
}

fn session_ops(
    session: &Session,
    ops: &mut Vec<StoreOp>,
    written: &mut std::collections::HashSet<MessageId>,
) {
    let id = session.id;
    ops.extend(
        session.received.iter().map(|packet_id| StoreOp::Received { session: id, packet_id: *packet_id }),
    );
    if !session.persistent {
        return;
    }
    ops.push(StoreOp::Session(super::restore::record(session)));
    for (filter, options) in session.subscriptions.iter() {
        ops.push(StoreOp::Subscription { session: id, filter: filter.clone(), options: *options });
    }
    for (seq, entry) in session.queue.unfinished() {
        if let Some(message) = entry.message.as_ref().filter(|message| written.insert(message.id)) {
            ops.push(StoreOp::Message(message.clone()));
        }
        ops.push(StoreOp::Queue { session: id, entry: Queue::record(seq, entry) });
    }
    ops.push(StoreOp::Sent { session: id, below: session.queue.stored_sent });
}
