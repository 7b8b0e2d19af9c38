//! The end of connections and sessions.
//!
//! Not the socket. Invariants: a session is detached once, whatever ends the connection; the will is sent
//! unless the client said DISCONNECT with code 0 (MQTT 5 §3.14.4); an ended session leaves nothing behind
//! in router, queue or store.

use std::time::Duration;

use sitewarden_core::time::Now;

use super::conn::Phase;
use super::slab::Key;
use super::timers::Timer;
use super::{Core, Output};
use crate::batch::{CloseReason, Notice};
use crate::state::StoreOp;
use crate::wire::{Disconnect, ReasonCode};

impl Core {
    pub(super) fn on_disconnect(&mut self, now: Now, key: Key, session: Key, disconnect: &Disconnect) {
        if let Some(expiry) = disconnect.session_expiry
            && let Some(session) = self.sessions.get_mut(session)
        {
            if session.expiry == 0 && expiry != 0 {
                return self.protocol_error(now, key, "session expiry raised from zero in DISCONNECT");
            }
            session.expiry = expiry.min(self.limits.session_expiry_seconds);
        }
        self.detach(now, key, CloseReason::Disconnect(disconnect.code));
        if let Some(conn) = self.conns.get_mut(key) {
            conn.phase = Phase::Closing;
        }
        self.outputs.push_back(Output::Close { conn: key });
    }

    /// Takes the session from a connection; does nothing when it has none any more.
    pub(super) fn detach(&mut self, now: Now, key: Key, reason: CloseReason) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        let Phase::Online(session_key) = conn.phase else { return };
        conn.phase = Phase::Closing;
        conn.backlog.clear();
        if let Some(publisher) = conn.publisher.as_deref_mut() {
            publisher.last = None;
        }
        let will = conn.will.take();
        if let Some(at) = conn.check_at.take() {
            self.timers.remove_keep_alive(at, key);
        }
        if let Some(origin) = conn.origin.clone() {
            self.notice(Notice::Disconnected { origin, reason, time: now.wall });
        }
        let Some(session) = self.sessions.get_mut(session_key) else { return };
        session.conn = None;
        if session.queue.len() > 0 {
            session.queue.rewind();
        }
        let expiry = session.expiry;
        if let Some(will) = will {
            if reason == CloseReason::Disconnect(ReasonCode::SUCCESS) {
                self.turn.op(StoreOp::WillGone(will.client_id));
            } else {
                self.schedule_will(now, will, expiry);
            }
        }
        if expiry == 0 {
            self.end_session(now, session_key);
            return;
        }
        let ends_at = now.mono.after(Duration::from_secs(expiry.into()));
        if let Some(session) = self.sessions.get_mut(session_key) {
            session.ends_at = Some(ends_at);
            if session.persistent {
                let record =
                    crate::state::SessionRecord { ended: Some(now.wall), ..super::restore::record(session) };
                self.turn.op(StoreOp::Session(record));
            }
        }
        self.timers.add(ends_at, Timer::SessionEnd(session_key));
    }

    /// Ends a session for good. A will that still waits is sent now (MQTT 5 §3.1.3.2.2).
    pub(super) fn end_session(&mut self, now: Now, key: Key) {
        let Some(session) = self.sessions.remove(key) else { return };
        self.clients.remove(&session.owner.client_id);
        if let Some(at) = session.ends_at {
            self.timers.remove(at, &Timer::SessionEnd(key));
        }
        for filter in session.subscriptions.filters() {
            self.router.remove(filter, key);
        }
        self.router.touch();
        if session.persistent {
            for (_, entry) in session.queue.unfinished() {
                if let Some(message) = &entry.message {
                    self.release_message(message.id);
                }
            }
        }
        if session.persistent || !session.received.is_empty() {
            self.turn.op(StoreOp::SessionGone(session.id));
        }
        self.metrics.sessions.set(self.sessions.len());
        self.metrics.subscriptions.set(self.router.len());
        self.fire_waiting_will(now, &session.owner.client_id);
    }
}
