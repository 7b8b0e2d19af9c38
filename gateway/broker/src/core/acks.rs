//! PUBACK, PUBREC, PUBREL and PUBCOMP of clients.
//!
//! Both directions of QoS 2: as receiver of a client's message (PUBREL) and as its sender (PUBREC,
//! PUBCOMP). Invariant: what follows from an acknowledgement is said after the commit of the state that
//! it promises; an id that is not in flight changes nothing, for it may be a repetition; one that is in
//! flight and acknowledged in the wrong way ends the connection (MQTT 5 §4.13.1, 3.1.1 §4.8).

use sitewarden_core::time::Now;

use super::Core;
use super::commit::Deferred;
use super::queue::Acked;
use super::slab::Key;
use crate::state::StoreOp;
use crate::wire::{self, Ack, AckKind, PacketId, ReasonCode};

impl Core {
    pub(super) fn on_puback(&mut self, now: Now, conn: Key, key: Key, id: PacketId) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        match session.queue.puback(id) {
            Acked::WrongKind => self.protocol_error(now, conn, "PUBACK for a message of QoS 2"),
            acked => self.finished(now, key, acked),
        }
    }

    pub(super) fn on_pubcomp(&mut self, now: Now, conn: Key, key: Key, id: PacketId) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        match session.queue.pubcomp(id) {
            Acked::WrongKind => self.protocol_error(now, conn, "PUBCOMP for a message without PUBREL"),
            acked => self.finished(now, key, acked),
        }
    }

    fn finished(&mut self, now: Now, key: Key, acked: Acked) {
        let Acked::Finished { seq, message } = acked else { return };
        match message {
            Some(message) => self.forget_entry(key, seq, &message),
            None => self.forget_place(key, seq),
        }
        let Some(session) = self.sessions.get(key) else { return };
        let conn = session.conn.and_then(|conn| self.conns.get(conn));
        if session.queue.has_waiting() || conn.is_some_and(|conn| !conn.backlog.is_empty()) {
            self.pump(now, key);
        }
    }

    fn forget_place(&mut self, key: Key, seq: u64) {
        if let Some(session) = self.sessions.get(key).filter(|session| session.persistent) {
            self.turn.op(StoreOp::QueueGone { session: session.id, seq });
        }
    }

    pub(super) fn on_pubrec(&mut self, now: Now, conn: Key, key: Key, ack: &Ack) {
        let id = ack.packet_id;
        let Some(session) = self.sessions.get_mut(key) else { return };
        let failed = ack.code.is_error();
        let acked = if failed { session.queue.pubrec_failed(id) } else { session.queue.pubrec(id) };
        match acked {
            Acked::WrongKind => self.protocol_error(now, conn, "PUBREC for a message of QoS 1"),
            acked if failed => self.finished(now, key, acked),
            Acked::Released { seq, message } => {
                if session.persistent {
                    self.turn.op(StoreOp::QueueReleased { session: session.id, seq });
                    if let Some(message) = message {
                        self.release_message(message.id);
                    }
                }
                let durable = self.sessions.get(key).is_some_and(|session| session.persistent);
                self.after_commit(now, durable, Deferred::Release { session: key, id });
            }
            Acked::Finished { .. } | Acked::Unknown => {
                let code = ReasonCode::PACKET_IDENTIFIER_NOT_FOUND;
                self.send(conn, |out, version| {
                    wire::encode_ack(out, AckKind::Pubrel, &Ack::new(id, code), version);
                });
            }
        }
    }

    pub(super) fn send_release(&mut self, session: Key, id: PacketId, code: ReasonCode) {
        let Some(session) = self.sessions.get_mut(session) else { return };
        let Some(conn) = session.conn else { return };
        session.queue.release(id);
        self.send(conn, |out, version| {
            wire::encode_ack(out, AckKind::Pubrel, &Ack::new(id, code), version);
        });
    }

    pub(super) fn on_pubrel(&mut self, conn: Key, key: Key, id: PacketId) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let known = !session.received.is_empty() && session.received.remove(&id.get());
        let code = if known {
            self.turn.op(StoreOp::ReceivedGone { session: session.id, packet_id: id.get() });
            ReasonCode::SUCCESS
        } else {
            ReasonCode::PACKET_IDENTIFIER_NOT_FOUND
        };
        self.turn.defer(Deferred::Ack { conn, session: key, kind: AckKind::Pubcomp, id, code });
    }
}
