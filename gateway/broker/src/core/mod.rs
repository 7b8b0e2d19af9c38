//! The broker's core: sessions, routing, retained messages and wills as one plain state machine.
//!
//! [`Input`]s and `now` go in; bytes appear in the outboxes of connections, [`Output`]s and a [`Batch`]
//! come out, [`Core::next_deadline`] says when [`Input::Timer`] is due. No socket, clock, task or lock.
//! Law: after any number of inputs drain [`Core::poll`], take the batch with [`Core::take_batch`] and
//! write the outboxes named by [`Core::take_dirty`], then give the list back. Invariants: an acknowledgement or a QoS 1 or 2
//! delivery enters an outbox only after the commit of the batch that holds its state; input of one client
//! never panics and never changes what another may do.

mod acks;
mod aliases;
mod backlog;
mod commit;
mod conn;
mod connack;
mod connect;
mod deliver;
mod disconnect;
mod epoch;
mod frames;
mod fuzz;
mod input;
mod outbox;
mod pace;
mod publish;
mod queue;
mod rare;
mod restore;
mod retained;
mod router;
mod slab;
mod subscribe;
mod subscriptions;
mod timers;
mod wills;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::io::IoSlice;
use std::sync::Arc;

use sitewarden_core::time::{Monotonic, Now};

use self::commit::Turn;
use self::conn::{Conn, Phase, Session};
use self::outbox::Outflow;
use self::retained::Retained;
use self::router::Router;
use self::slab::Slab;
use self::timers::Timers;
use self::wills::WaitingWill;
use crate::batch::{CloseReason, Notice};
use crate::grants::Pool;
use crate::limits::{APPENDED_PER_TURN, Limit, Limits};
use crate::metrics::Metrics;
use crate::state::{MessageId, SessionId};
use crate::wire::{self, Packet, ReasonCode, Version};

#[cfg(all(test, feature = "listener"))]
pub(crate) use self::tests::restart::Disk;

pub use self::conn::Peer;
pub use self::epoch::GrantsOf;
pub use self::fuzz::fuzz_core;
pub use self::input::{Client, Input, Output};
pub use self::slab::Key;

/// The state machine.
#[derive(Debug)]
pub struct Core {
    limits: Limits,
    metrics: Arc<Metrics>,
    conns: Slab<Conn>,
    sessions: Slab<Session>,
    clients: HashMap<Arc<str>, Key>,
    router: Router,
    retained: Retained,
    wills: HashMap<Arc<str>, WaitingWill>,
    timers: Timers,
    grants: Pool,
    turn: Turn,
    outputs: VecDeque<Output>,
    dirty: Vec<Key>,
    /// Connections whose client has no room for a packet that it needs.
    too_large: Vec<Key>,
    outflow: Outflow,
    /// References from queues and topics to each stored message, and its size in bytes.
    stored: HashMap<MessageId, (u32, usize)>,
    stored_bytes: u64,
    /// Persistent sessions that were sent something since the last batch.
    sending: Vec<Key>,
    next_session: SessionId,
    next_message: MessageId,
    /// Moves with each change of grants.
    grants_version: u32,
    routes: u64,
    seed: u64,
    assigned: u64,
}

impl Core {
    /// An empty broker. `seed` makes assigned client ids differ between runs.
    #[must_use]
    pub fn new(limits: Limits, metrics: Arc<Metrics>, seed: u64) -> Self {
        Self {
            limits,
            metrics,
            conns: Slab::default(),
            sessions: Slab::default(),
            clients: HashMap::new(),
            router: Router::default(),
            retained: Retained::default(),
            wills: HashMap::new(),
            timers: Timers::default(),
            grants: Pool::default(),
            turn: Turn::default(),
            outputs: VecDeque::new(),
            dirty: Vec::new(),
            too_large: Vec::new(),
            outflow: Outflow::default(),
            stored: HashMap::new(),
            stored_bytes: 0,
            sending: Vec::new(),
            next_session: 1,
            next_message: 1,
            grants_version: 1,
            routes: 0,
            seed,
            assigned: 0,
        }
    }

    /// A socket was accepted (and its TLS handshake is done).
    pub fn open(&mut self, now: Now, peer: Peer) -> Key {
        let key = self.conns.insert(Conn::new(peer, now.mono));
        self.metrics.connections.set(self.conns.len());
        key
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        self.take(now, input);
        while let Some(conn) = self.too_large.pop() {
            self.close(now, conn, ReasonCode::PACKET_TOO_LARGE);
        }
    }

    fn take(&mut self, now: Now, input: Input<'_>) {
        match input {
            Input::Packet { conn, packet } => self.on_packet(now, conn, packet),
            Input::Malformed { conn, fault } => self.on_malformed(now, conn, fault),
            Input::Admitted { conn, answer } => self.on_admitted(now, conn, answer),
            Input::Closed { conn } => self.on_closed(now, conn),
            Input::Overdue { conn, limit, code } => {
                self.hit(now, conn, limit);
                self.close(now, conn, code);
            }
            Input::Flushed { conn } => self.on_flushed(now, conn),
            Input::Committed(committed) => self.on_committed(now, committed),
            Input::Timer => self.on_timer(now),
        }
    }

    fn on_packet(&mut self, now: Now, key: Key, packet: Packet<'_>) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        conn.last_heard = now.mono;
        match (&conn.phase, packet) {
            (Phase::New(_), Packet::Connect(connect)) => self.on_connect(now, key, connect),
            (Phase::Online(session), packet) => {
                let session = *session;
                self.on_session_packet(now, key, session, packet);
            }
            (Phase::New(_) | Phase::Admitting(_), _) => {
                self.protocol_error(now, key, "packet before CONNECT")
            }
            (Phase::Closing, _) => {}
        }
    }

    fn on_session_packet(&mut self, now: Now, conn: Key, session: Key, packet: Packet<'_>) {
        match packet {
            Packet::Publish(publish) => self.on_publish(now, conn, session, &publish),
            Packet::Puback(ack) => self.on_puback(now, conn, session, ack.packet_id),
            Packet::Pubrec(ack) => self.on_pubrec(now, conn, session, &ack),
            Packet::Pubrel(ack) => self.on_pubrel(conn, session, ack.packet_id),
            Packet::Pubcomp(ack) => self.on_pubcomp(now, conn, session, ack.packet_id),
            Packet::Subscribe(subscribe) => self.on_subscribe(now, conn, session, subscribe),
            Packet::Unsubscribe(unsubscribe) => self.on_unsubscribe(now, conn, session, &unsubscribe),
            Packet::Pingreq => self.send(conn, |out, _| out.extend_from_slice(&wire::PINGRESP)),
            Packet::Disconnect(disconnect) => self.on_disconnect(now, conn, session, &disconnect),
            Packet::Connect(_) => self.protocol_error(now, conn, "second CONNECT"),
            Packet::Auth(_) => self.protocol_error(now, conn, "AUTH without enhanced authentication"),
        }
    }

    /// What is to be done next.
    #[must_use]
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Timer`] is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Monotonic> {
        self.timers.next()
    }

    /// Connections that got bytes to write since the last call.
    #[must_use]
    pub fn take_dirty(&mut self) -> Vec<Key> {
        let keys = std::mem::take(&mut self.dirty);
        self.outflow.appended = 0;
        for key in &keys {
            if let Some(conn) = self.conns.get_mut(*key) {
                conn.dirty = false;
            }
        }
        keys
    }

    /// Gives a list back that [`Self::take_dirty`] gave, after these outboxes were written as far as their
    /// sockets took it: what is left becomes their own, and the list is used again.
    pub fn recycle_dirty(&mut self, mut keys: Vec<Key>) {
        for key in &keys {
            if let Some(conn) = self.conns.get_mut(*key) {
                conn.out.settle(&mut self.outflow);
            }
        }
        if self.dirty.is_empty() {
            self.outflow.clear_logs();
            keys.clear();
            self.dirty = keys;
        }
    }

    /// Fills `slices` with what the connection is to be sent next; returns how many.
    pub fn outgoing<'a>(&'a self, conn: Key, slices: &mut [IoSlice<'a>]) -> usize {
        self.conns.get(conn).map_or(0, |conn| conn.out.slices(&self.outflow, slices))
    }

    /// Bytes that wait in the connection's outbox.
    #[must_use]
    pub fn outgoing_bytes(&self, conn: Key) -> usize {
        self.conns.get(conn).map_or(0, |conn| conn.out.len())
    }

    /// Says that so many bytes of [`Self::outgoing`] were written.
    pub fn written(&mut self, conn: Key, bytes: usize) {
        if let Some(conn) = self.conns.get_mut(conn) {
            conn.out.advance(&mut self.outflow, bytes);
        }
    }

    /// Whether packets of this connection are to be read now. False while its CONNECT is judged, while it
    /// ends, while too much of it is unacknowledged or it is ahead of its rate, and for publishers while the
    /// pipeline is behind.
    #[must_use]
    pub fn may_read(&self, conn: Key) -> bool {
        let Some(conn) = self.conns.get(conn) else { return false };
        match conn.phase {
            Phase::New(_) => true,
            Phase::Online(_) => {
                let full = conn.version == Some(Version::V3) && conn.unacked >= self.limits.inflight_in
                    || conn.subscribing;
                let held = conn
                    .publisher
                    .as_deref()
                    .is_some_and(|publisher| publisher.pace.paused.is_some() || self.turn.is_full());
                !(full || held)
            }
            Phase::Admitting(_) | Phase::Closing => false,
        }
    }

    /// Whether outboxes should be written before more is read.
    #[must_use]
    pub const fn wants_flush(&self) -> bool {
        self.outflow.appended >= APPENDED_PER_TURN
    }

    /// The version and the bounds with which the next packet of a connection is decoded.
    #[must_use]
    pub fn decoding(&self, conn: Key) -> (Option<Version>, wire::Limits) {
        let conn = self.conns.get(conn);
        let online = conn.is_some_and(|conn| conn.session().is_some());
        (conn.and_then(|conn| conn.version), self.limits.wire(online))
    }

    /// Whether the client has its CONNACK.
    #[must_use]
    pub fn is_online(&self, conn: Key) -> bool {
        self.conns.get(conn).is_some_and(|conn| conn.session().is_some())
    }

    /// Connected clients.
    #[must_use]
    pub fn clients(&self) -> Vec<Client> {
        let mut clients = Vec::new();
        for session in self.sessions.keys().into_iter().filter_map(|key| self.sessions.get(key)) {
            let conn = session.conn.and_then(|conn| self.conns.get(conn));
            clients.push(Client {
                client_id: session.owner.client_id.clone(),
                principal: session.owner.principal.label(),
                address: conn.map(|conn| conn.address),
                subscriptions: session.subscriptions.len(),
                queued: session.queue.len(),
            });
        }
        clients
    }

    /// Appends a packet to a connection's outbox.
    fn send(&mut self, key: Key, encode: impl FnOnce(&mut Vec<u8>, Version)) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        let version = conn.version.unwrap_or(Version::V3);
        let before = conn.out.len();
        conn.out.append(&mut self.outflow, |out| encode(out, version));
        let length = conn.out.len() - before;
        if conn.takes(length) {
            return mark(conn, key, &mut self.dirty);
        }
        // MQTT-3.1.2-24. Without this answer the client would wait for ever.
        conn.out.cut(&mut self.outflow, length);
        self.metrics.dropped_large.increment();
        self.too_large.push(key);
    }

    /// Counts the hit of a bound, and tells it once per connection.
    fn hit(&mut self, now: Now, key: Key, limit: Limit) {
        self.metrics.hit(limit);
        self.tell_hit(now, key, limit);
    }

    /// Tells a hit that belongs to no connection.
    pub fn tell_limit(&mut self, now: Now, limit: Limit) {
        self.notice(Notice::LimitHit { origin: None, address: None, limit, time: now.wall });
    }

    fn tell_hit(&mut self, now: Now, key: Key, limit: Limit) {
        if let Some(conn) = self.conns.get_mut(key)
            && conn.first_hit(limit)
        {
            let (origin, address) = (conn.origin.clone(), Some(conn.address));
            self.notice(Notice::LimitHit { origin, address, limit, time: now.wall });
        }
    }

    fn notice(&mut self, notice: Notice) {
        if !self.turn.notice(notice) {
            self.metrics.hit(Limit::Notices);
        }
    }
}

/// Puts a connection on the list of those with bytes to write.
#[inline]
fn mark(conn: &mut Conn, key: Key, dirty: &mut Vec<Key>) {
    if !conn.dirty {
        conn.dirty = true;
        dirty.push(key);
    }
}

impl Core {
    /// Says DISCONNECT to everybody; nothing new is taken. Wills stay in the store: they are sent after the
    /// next start to whoever does not come back, so that a restart does not look like a site that died.
    pub fn shut_down(&mut self, now: Now) {
        for key in self.conns.keys() {
            if let Some(conn) = self.conns.get_mut(key) {
                conn.will = None;
            }
            self.close(now, key, ReasonCode::SERVER_SHUTTING_DOWN);
        }
    }

    /// Ends the connection of a client, by a person's order. Whether it was connected.
    pub fn kick(&mut self, now: Now, fits: impl Fn(&Client) -> bool) -> usize {
        let clients = self.clients();
        let mut count = 0;
        for client in clients.iter().filter(|client| client.address.is_some() && fits(client)) {
            let session = self.clients.get(&client.client_id).and_then(|key| self.sessions.get(*key));
            if let Some(conn) = session.and_then(|session| session.conn) {
                self.close(now, conn, ReasonCode::ADMINISTRATIVE_ACTION);
                count += 1;
            }
        }
        count
    }

    fn on_closed(&mut self, now: Now, key: Key) {
        self.detach(now, key, CloseReason::Lost);
        self.forget_pace(key);
        if let Some(mut conn) = self.conns.remove(key) {
            conn.out.settle(&mut self.outflow);
            self.outflow.waiting -= conn.out.len();
            if let Some(at) = conn.check_at {
                self.timers.remove_keep_alive(at, key);
            }
            self.metrics.connections.set(self.conns.len());
            self.metrics.disconnected.increment();
        }
    }
}
