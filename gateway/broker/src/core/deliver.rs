//! From a message to the outboxes of its subscribers.
//!
//! Not the choice what a client may publish. Invariants: QoS 0 leaves at once, QoS 1 and 2 only when
//! [`Core::deliver`] runs after the commit; one header is encoded for each version and kind of QoS and
//! patched per subscriber; a slow reader loses QoS 0 messages over a bound of bytes and nothing else.

use std::rc::Rc;
use std::sync::Arc;

use sitewarden_core::time::Now;

use super::conn::{Conn, Session, Target};
use super::frames::Frames;
use super::publish::Outgoing;
use super::queue::{Entry, Stage, packet_id};
use super::slab::Key;
use super::{Core, mark};
use crate::batch::{Notice, Origin};
use crate::limits::{Limit, OUTBOX_BYTES_UNDER_PRESSURE};
use crate::state::{Message, StoreOp};
use crate::wire::{PublishFlags, QoS, ReasonCode, Version};

/// Bytes in an outbox above which queued messages wait in their queue: more would only wait in the buffer.
pub(super) const PUMP_BYTES: usize = 256 * 1_024;

impl Core {
    /// Everybody who gets a topic: one entry for each session, its overlapping subscriptions merged.
    pub(super) fn route(&mut self, topic: &str, publisher: Option<Key>) -> Rc<[Target]> {
        self.routes += 1;
        let (route, sessions, metrics) = (self.routes, &mut self.sessions, &self.metrics);
        let mut targets: Vec<Target> = Vec::new();
        self.router.matches(topic, |subscriber| {
            let options = &subscriber.options;
            if !subscriber.allowed || options.no_local && publisher == Some(subscriber.session) {
                return;
            }
            let Some(session) = sessions.get_mut(subscriber.session) else { return };
            if !subscriber.deliver_all && !session.grants.may_receive(topic) {
                metrics.deliver_denied.increment();
                return;
            }
            if session.stamp.0 == route
                && let Some(target) = targets.get_mut(session.stamp.1 as usize)
            {
                target.qos = target.qos.max(options.qos);
                target.retain_as_published |= options.retain_as_published;
                if let Some(id) = options.id {
                    let known = target.ids.as_deref().unwrap_or_default();
                    target.ids = Some(known.iter().copied().chain([id]).collect());
                }
                return;
            }
            session.stamp = (route, u32::try_from(targets.len()).unwrap_or(u32::MAX));
            targets.push(Target {
                session: subscriber.session,
                qos: options.qos,
                retain_as_published: options.retain_as_published,
                ids: options.id.map(|id| Arc::from([id])),
            });
        });
        targets.into()
    }

    /// QoS 0 deliveries of a message.
    pub(super) fn deliver_at_once(&mut self, now: Now, outgoing: &Outgoing, targets: &[Target]) {
        let mut frames = Frames::of_outgoing(outgoing, targets.len() > 1);
        let bound = self.outbox_bound(usize::try_from(self.limits.write_buffer_bytes).unwrap_or(usize::MAX));
        let mut slow = Vec::new();
        let mut delivered = 0;
        for target in targets {
            if target.qos.min(outgoing.qos) > QoS::AtMostOnce {
                continue;
            }
            let Some(key) = self.sessions.get(target.session).and_then(|session| session.conn) else {
                continue;
            };
            let Some(conn) = self.conns.get_mut(key) else { continue };
            if conn.out.len() > bound {
                slow.push(key);
                continue;
            }
            let retain = outgoing.retain && target.retain_as_published && conn.version == Some(Version::V5);
            if frames.append_at_once(conn, &mut self.outflow, retain, target.ids.as_deref()) {
                mark(conn, key, &mut self.dirty);
                delivered += 1;
            } else {
                self.metrics.dropped_large.increment();
            }
        }
        self.metrics.delivered.add(delivered);
        for key in slow {
            self.metrics.dropped_slow.increment();
            self.hit(now, key, Limit::WriteBuffer);
        }
    }

    /// How much one outbox may hold before it has to wait: less while all of them together hold too much.
    pub(super) fn outbox_bound(&self, bound: usize) -> usize {
        let total = usize::try_from(self.limits.write_buffers_total_bytes).unwrap_or(usize::MAX);
        if self.outflow.waiting < total {
            return bound;
        }
        self.metrics.hit(Limit::WriteBuffersTotal);
        bound.min(OUTBOX_BYTES_UNDER_PRESSURE)
    }

    /// Writes the entries of persistent sessions into the open batch and remembers their places.
    pub(super) fn promise(
        &mut self,
        now: Now,
        message: &Arc<Message>,
        targets: &[Target],
    ) -> Vec<(Key, u64)> {
        let mut stored = Vec::new();
        for target in targets {
            let qos = target.qos.min(message.qos);
            let Some(session) = self.sessions.get(target.session) else { continue };
            if qos == QoS::AtMostOnce || !session.persistent {
                continue;
            }
            if self.queue_is_full(now, target.session, message) {
                continue;
            }
            let entry = entry(message, target, qos, self.grants_version);
            if let Some(seq) = self.store_entry(target.session, &entry) {
                stored.push((target.session, seq));
            }
        }
        stored
    }

    pub(super) fn store_entry(&mut self, key: Key, entry: &Entry) -> Option<u64> {
        let session = self.sessions.get_mut(key)?;
        let queue = &mut *session.queue;
        let seq = queue.promised.max(queue.next_seq());
        queue.promised = seq + 1;
        queue.uncommitted += 1;
        let id = session.id;
        if let Some(message) = &entry.message {
            self.keep_message(message);
        }
        self.turn.op(StoreOp::Queue { session: id, entry: super::queue::Queue::record(seq, entry) });
        Some(seq)
    }

    /// Whether a persistent session can take no more; counts and tells it.
    pub(super) fn queue_is_full(&mut self, now: Now, key: Key, message: &Message) -> bool {
        let Some(session) = self.sessions.get(key) else { return true };
        let Some(limit) = self.queue_limit(session, message) else { return false };
        let Some(session) = self.sessions.get_mut(key) else { return true };
        self.metrics.dropped_full.increment();
        self.metrics.hit(limit);
        match session.conn {
            Some(conn) => self.tell_hit(now, conn, limit),
            None if !std::mem::replace(&mut session.told_full, true) => {
                let origin = Some(Arc::new(Origin { address: None, ..Origin::clone(&session.owner) }));
                self.notice(Notice::LimitHit { origin, address: None, limit, time: now.wall });
            }
            None => {}
        }
        true
    }

    fn queue_limit(&self, session: &Session, message: &Message) -> Option<Limit> {
        let count = session.queue.len() + session.queue.uncommitted;
        let bytes = session.queue.bytes() + message.payload.len() + message.topic.len();
        if count >= usize::try_from(self.limits.queue_messages).unwrap_or(usize::MAX) {
            Some(Limit::QueueMessages)
        } else if bytes > usize::try_from(self.limits.queue_bytes).unwrap_or(usize::MAX) {
            Some(Limit::QueueBytes)
        } else if session.persistent && self.stored_bytes >= self.limits.stored_bytes {
            Some(Limit::StoredBytes)
        } else {
            None
        }
    }

    /// QoS 1 and 2 deliveries, after the commit.
    pub(super) fn deliver(
        &mut self,
        now: Now,
        message: &Arc<Message>,
        targets: &[Target],
        stored: Vec<(Key, u64)>,
    ) {
        let mut frames = Frames::of_message(message, now.wall);
        let mut stored = stored.into_iter().peekable();
        let mut overflown = Vec::new();
        for target in targets {
            let qos = target.qos.min(message.qos);
            if qos == QoS::AtMostOnce {
                continue;
            }
            let place = stored.next_if(|(key, _)| *key == target.session).map(|(_, seq)| seq);
            let entry = entry(message, target, qos, self.grants_version);
            let Some(session) = self.sessions.get_mut(target.session) else {
                // The session ended meanwhile: its reference goes with it.
                if place.is_some() {
                    self.release_message(message.id);
                }
                continue;
            };
            if place.is_none() && (session.persistent || session.conn.is_none()) {
                continue;
            }
            if place.is_some() {
                session.queue.uncommitted -= 1;
            }
            let at_front = !session.queue.has_waiting();
            if place.is_none()
                && let Some(session) = self.sessions.get(target.session)
                && let Some(limit) = self.queue_limit(session, message)
            {
                overflown.push((session.conn, limit));
                continue;
            }
            let Some(session) = self.sessions.get_mut(target.session) else { continue };
            match place {
                Some(seq) => session.queue.push_at(seq, entry),
                None => {
                    session.queue.push(entry);
                }
            }
            if at_front {
                self.send_next(now, target.session, &mut Some(&mut frames));
            }
        }
        for (conn, limit) in overflown {
            // A clean session that misses messages must know it: it is closed (limits.rs).
            if let Some(conn) = conn {
                self.hit(now, conn, limit);
                self.close(now, conn, ReasonCode::QUOTA_EXCEEDED);
            }
        }
    }

    /// The session is back: everything unfinished again, in order.
    pub(super) fn resume(&mut self, now: Now, session: Key) {
        self.pump(now, session);
    }

    pub(super) fn on_flushed(&mut self, now: Now, key: Key) {
        if let Some(session) = self.conns.get(key).and_then(Conn::session) {
            self.pump(now, session);
        }
    }

    /// Sends what the window, the buffer and policy let through.
    pub(super) fn pump(&mut self, now: Now, key: Key) {
        while self.send_next(now, key, &mut None) {}
        self.send_backlog(now, key);
    }

    /// Sends the next entry of a session's queue. False when nothing can be sent now.
    pub(super) fn send_next(&mut self, now: Now, key: Key, frames: &mut Option<&mut Frames<'_>>) -> bool {
        let bound = self.outbox_bound(PUMP_BYTES);
        let Some(session) = self.sessions.get_mut(key) else { return false };
        let Some(conn_key) = session.conn else { return false };
        let Some(conn) = self.conns.get_mut(conn_key) else { return false };
        if conn.session().is_none() || conn.out.len() > bound {
            return false;
        }
        if !session.queue.has_waiting() {
            return false;
        }
        let Some((seq, entry)) = session.queue.next(conn.window) else { return false };
        if entry.stage == Stage::Released {
            session.queue.sent();
            self.send_release(key, packet_id(seq), ReasonCode::SUCCESS);
            return true;
        }
        let Some(message) = entry.message.clone() else { return false };
        let dead = !entry.again && message.expires.is_some_and(|end| end <= now.wall);
        let denied = entry.grants != self.grants_version && !session.grants.may_receive(&message.topic);
        let flags = PublishFlags { dup: entry.again, retain: entry.retain, qos: entry.qos };
        let sent = !dead && !denied && {
            let ids = entry.ids.clone();
            let id = Some(packet_id(seq));
            match frames {
                Some(frames) => frames.append(conn, &mut self.outflow, flags, id, ids.as_deref()),
                None => Frames::of_message(&message, now.wall).append(
                    conn,
                    &mut self.outflow,
                    flags,
                    id,
                    ids.as_deref(),
                ),
            }
        };
        if sent {
            entry.stage = Stage::Sent;
            session.queue.sent();
            self.metrics.delivered.increment();
            mark(conn, conn_key, &mut self.dirty);
            if session.persistent && !session.sending {
                session.sending = true;
                self.sending.push(key);
            }
            return true;
        }
        let metric = match (dead, denied) {
            (true, _) => &self.metrics.expired,
            (_, true) => &self.metrics.deliver_denied,
            _ => &self.metrics.dropped_large,
        };
        metric.increment();
        session.queue.skip();
        self.forget_entry(key, seq, &message);
        true
    }

    /// An entry of a persistent session is finished: the store forgets it too.
    pub(super) fn forget_entry(&mut self, key: Key, seq: u64, message: &Message) {
        if let Some(session) = self.sessions.get(key).filter(|session| session.persistent) {
            self.turn.op(StoreOp::QueueGone { session: session.id, seq });
            self.release_message(message.id);
        }
    }
}

pub(super) fn entry(message: &Arc<Message>, target: &Target, qos: QoS, grants: u32) -> Entry {
    Entry {
        message: Some(message.clone()),
        qos,
        retain: message.retain && target.retain_as_published,
        again: false,
        stage: Stage::Waiting,
        grants,
        ids: target.ids.clone(),
    }
}
