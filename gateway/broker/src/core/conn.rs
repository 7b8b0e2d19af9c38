//! What the core knows of one connection and of one session.
//!
//! A connection dies with its socket, a session may outlive it. Plain state: the rules are in the
//! sibling modules. Invariant: an idle connection owns no buffer, list or cache beyond these structs.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sitewarden_core::gate::Principal;
use sitewarden_core::time::Monotonic;

use super::aliases::Aliases;
use super::outbox::Outbox;
use super::pace::Pace;
use super::queue::Queue;
use super::rare::Rare;
use super::slab::Key;
use super::subscriptions::Subscriptions;
use crate::batch::Origin;
use crate::grants::Grants;
use crate::limits::Limit;
use crate::state::{Message, SessionId, WillRecord};
use crate::wire::{Connect, QoS, Version};

/// Who is at the other end of a socket.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Address.
    pub address: IpAddr,
    /// Name of the listener.
    pub listener: Arc<str>,
    /// Certificate that it proved, DER.
    pub certificate: Option<Bytes>,
}

/// Where a connection stands.
#[derive(Debug)]
pub(crate) enum Phase {
    /// Waits for CONNECT; the certificate that it proved.
    New(Option<Box<Bytes>>),
    /// CONNECT came, the admission is asked.
    Admitting(Box<Connect>),
    /// Has a session.
    Online(Key),
    /// Ends as soon as its bytes are written.
    Closing,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) out: Outbox,
    pub(crate) phase: Phase,
    pub(crate) address: IpAddr,
    /// Name of the listener.
    pub(crate) listener: Arc<str>,
    pub(crate) version: Option<Version>,
    /// Whether the broker made its client id.
    pub(crate) assigned: bool,
    pub(crate) origin: Option<Arc<Origin>>,
    /// Seconds; 0 for none.
    pub(crate) keep_alive: u16,
    pub(crate) last_heard: Monotonic,
    /// When the keep-alive is looked at next.
    pub(crate) check_at: Option<Monotonic>,
    /// Unacknowledged messages that the client takes.
    pub(crate) window: u16,
    /// Largest packet that the client takes.
    pub(crate) packet_bytes: u32,
    /// Messages of the client that are not acknowledged yet.
    pub(crate) unacked: u16,
    pub(crate) will: Option<Box<WillRecord>>,
    /// Only of those that have published: they are read no further while the pipeline is behind.
    pub(crate) publisher: Option<Box<Publisher>>,
    /// Aliases towards the client, when it takes any.
    pub(crate) aliases_out: Option<Box<Aliases>>,
    /// Retained messages that wait for room.
    pub(crate) backlog: Rare<VecDeque<Backlog>>,
    /// Bounds that were told already, by bit.
    pub(crate) told: u32,
    /// In the list of those with bytes to write.
    pub(crate) dirty: bool,
    /// Asked for retained messages of which there are many, and has no SUBACK yet: read no further.
    pub(crate) subscribing: bool,
}

/// What is known of the messages that a connection sends.
#[derive(Debug, Default)]
pub(crate) struct Publisher {
    /// Topics of its aliases.
    pub(crate) aliases: Vec<Option<Arc<str>>>,
    pub(crate) last: Option<LastTopic>,
    /// How far it is ahead of its rate.
    pub(crate) pace: Pace,
}

impl Conn {
    pub(crate) fn new(peer: Peer, now: Monotonic) -> Self {
        let Peer { address, listener, certificate } = peer;
        Self {
            out: Outbox::default(),
            phase: Phase::New(certificate.map(Box::new)),
            address,
            listener,
            version: None,
            assigned: false,
            origin: None,
            keep_alive: 0,
            last_heard: now,
            check_at: None,
            window: 0,
            packet_bytes: u32::MAX,
            unacked: 0,
            will: None,
            publisher: None,
            aliases_out: None,
            backlog: Rare::default(),
            told: 0,
            dirty: false,
            subscribing: false,
        }
    }

    pub(crate) const fn session(&self) -> Option<Key> {
        match self.phase {
            Phase::Online(session) => Some(session),
            _ => None,
        }
    }

    /// How long it may be silent: 1.5 times its keep-alive (MQTT-3.1.2-22).
    pub(crate) const fn silence(&self) -> Duration {
        Duration::from_millis(self.keep_alive as u64 * 1_500)
    }

    /// Whether a packet of that many bytes is one that the client takes.
    pub(crate) fn takes(&self, packet_bytes: usize) -> bool {
        u32::try_from(packet_bytes).is_ok_and(|bytes| bytes <= self.packet_bytes)
    }

    /// Whether this bound is hit for the first time on this connection.
    pub(crate) fn first_hit(&mut self, limit: Limit) -> bool {
        let bit = 1_u32 << (limit as u32 % 32);
        let first = self.told & bit == 0;
        self.told |= bit;
        first
    }
}

/// A retained message that waits for room in the buffer or, with QoS above 0, in the window.
#[derive(Debug)]
pub(crate) struct Backlog {
    pub(crate) message: Arc<Message>,
    pub(crate) id: Option<u32>,
    pub(crate) qos: QoS,
}

/// The route of the last topic of a publisher: most publish to one topic again and again.
#[derive(Debug)]
pub(crate) struct LastTopic {
    pub(crate) topic: Arc<str>,
    pub(crate) generation: u64,
    pub(crate) allowed: bool,
    pub(crate) targets: Rc<[Target]>,
}

/// One delivery of a route.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) session: Key,
    pub(crate) qos: QoS,
    pub(crate) retain_as_published: bool,
    pub(crate) ids: Option<Arc<[u32]>>,
}

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    /// Who owns it, as it was connected last.
    pub(crate) owner: Arc<Origin>,
    pub(crate) grants: Grants,
    pub(crate) conn: Option<Key>,
    /// Seconds that it outlives the connection.
    pub(crate) expiry: u32,
    /// Whether it can outlive a connection, and so is in the store. Fixed when it begins.
    pub(crate) persistent: bool,
    /// When it ends, while no connection has it.
    pub(crate) ends_at: Option<Monotonic>,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) queue: Rare<Queue>,
    /// On the list of sessions whose sent place is to be stored.
    pub(crate) sending: bool,
    /// Its full queue was told since it was last connected.
    pub(crate) told_full: bool,
    /// QoS 2 packet ids of the client that wait for PUBREL.
    pub(crate) received: Rare<BTreeSet<u16>>,
    /// Number of the route that this session was last put in, and its place there.
    pub(crate) stamp: (u64, u32),
}

impl Session {
    pub(crate) fn new(id: SessionId, owner: Arc<Origin>, grants: Grants) -> Self {
        Self {
            id,
            owner,
            grants,
            conn: None,
            expiry: 0,
            persistent: false,
            ends_at: None,
            subscriptions: Subscriptions::default(),
            queue: Rare::default(),
            sending: false,
            told_full: false,
            received: Rare::default(),
            stamp: (0, 0),
        }
    }
}

/// Whether two principals are the same one, whatever its trust or role is now.
pub(crate) fn same_principal(one: &Principal, other: &Principal) -> bool {
    match (one, other) {
        (Principal::Device { id: one, .. }, Principal::Device { id: other, .. })
        | (Principal::Person { id: one, .. }, Principal::Person { id: other, .. })
        | (Principal::ApiKey { id: one, .. }, Principal::ApiKey { id: other, .. }) => one == other,
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten thousand idle devices have one of each; what most never need is behind a pointer.
    #[test]
    fn what_every_connection_has_is_small() {
        assert!(size_of::<Conn>() <= 144, "{}", size_of::<Conn>());
        assert!(size_of::<Session>() <= 128, "{}", size_of::<Session>());
    }
}
