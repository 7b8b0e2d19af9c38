//! Retained messages on their way to a new subscription (MQTT 5 §3.3.1.3).
//!
//! Not the choice of them. A subscription to everything may find as many as the site retains: they wait as
//! references and go out as the client's buffer and window let them through. Invariants: once
//! [`crate::Limits::retained_messages`] of them wait for a connection nothing more is looked for; each that policy
//! allows is sent once.

use std::rc::Rc;
use std::sync::Arc;

use sitewarden_core::time::Now;

use super::commit::Deferred;
use super::conn::{Backlog, Target};
use super::deliver::{PUMP_BYTES, entry};
use super::frames::Frames;
use super::slab::Key;
use super::{Core, mark};
use crate::limits::Limit;
use crate::state::Message;
use crate::wire::{PublishFlags, QoS};

impl Core {
    /// A retained message for a new subscription.
    pub(super) fn send_retained(&mut self, now: Now, key: Key, message: &Arc<Message>, target: &Target) {
        let qos = target.qos.min(message.qos);
        let Some(session) = self.sessions.get(key) else { return };
        if qos == QoS::AtMostOnce || !session.persistent {
            let id = target.ids.as_deref().and_then(|ids| ids.first().copied());
            if let Some(conn) = session.conn.and_then(|conn| self.conns.get_mut(conn)) {
                conn.backlog.push_back(Backlog { message: message.clone(), id, qos });
            }
            return;
        }
        if self.queue_is_full(now, key, message) {
            return;
        }
        let mut entry = entry(message, target, qos, self.grants_version);
        entry.retain = true;
        if let Some(seq) = self.store_entry(key, &entry) {
            let targets = Rc::from([Target { retain_as_published: true, ..target.clone() }]);
            let (message, stored) = (message.clone(), vec![(key, seq)]);
            self.turn.defer(Deferred::Deliver { message, targets, stored });
        }
    }

    /// Whether no more retained messages may wait for this connection; counts and tells it.
    pub(super) fn backlog_is_full(&mut self, now: Now, conn: Key) -> bool {
        let waiting = self.conns.get(conn).map_or(0, |conn| conn.backlog.len());
        let full = waiting >= usize::try_from(self.limits.retained_messages).unwrap_or(usize::MAX);
        if full {
            self.hit(now, conn, Limit::QueueMessages);
        }
        full
    }

    /// Sends what buffer and window have room for.
    pub(super) fn send_backlog(&mut self, now: Now, key: Key) {
        let bound = self.outbox_bound(PUMP_BYTES);
        loop {
            let Some(session) = self.sessions.get_mut(key) else { return };
            let Some(conn_key) = session.conn else { return };
            let Some(conn) = self.conns.get_mut(conn_key) else { return };
            if conn.backlog.is_empty() || conn.out.len() > bound {
                break;
            }
            let with_id = conn.backlog.front().is_some_and(|first| first.qos > QoS::AtMostOnce);
            if with_id && session.queue.len() >= usize::from(conn.window) {
                break;
            }
            let Some(Backlog { message, id, qos }) = conn.backlog.pop_front() else { break };
            if message.expires.is_some_and(|end| end <= now.wall)
                || !session.grants.may_receive(&message.topic)
            {
                continue;
            }
            let ids = id.map(|id| [id]);
            if with_id {
                let ids = ids.map(|ids| Arc::from(ids.as_slice()));
                let target = Target { session: key, qos, retain_as_published: true, ids };
                let mut entry = entry(&message, &target, qos, self.grants_version);
                entry.retain = true;
                session.queue.push(entry);
                while self.send_next(now, key, &mut None) {}
                continue;
            }
            let flags = PublishFlags { dup: false, retain: true, qos: QoS::AtMostOnce };
            let ids = ids.as_ref().map(|ids| ids.as_slice());
            if Frames::of_message(&message, now.wall).append(conn, &mut self.outflow, flags, None, ids) {
                self.metrics.delivered.increment();
                mark(conn, conn_key, &mut self.dirty);
            }
        }
        if let Some(conn) = self.sessions.get(key).and_then(|session| session.conn)
            && let Some(conn) = self.conns.get_mut(conn)
            && conn.backlog.is_empty()
        {
            conn.backlog.clear();
        }
    }
}
