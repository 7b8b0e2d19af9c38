//! The broker's durable state: what a batch changes, and what a restart reads back.
//!
//! Plain values without SQL, so that the core builds and is tested without a database. Invariants: a
//! message is stored once, queues and retained topics refer to it by id; every op can be applied twice.

use std::sync::Arc;

use bytes::Bytes;
use sitewarden_core::gate::Principal;
use sitewarden_core::time::Timestamp;

use crate::wire::{MessageProperties, QoS, RetainHandling};

/// Number of a session's incarnation; none in memory or store has the same.
pub type SessionId = u64;

/// Number of a stored message; none in memory or store has the same.
pub type MessageId = u64;

/// A message as sessions and topics share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Number.
    pub id: MessageId,
    /// Topic.
    pub topic: Arc<str>,
    /// Payload.
    pub payload: Bytes,
    /// As published.
    pub qos: QoS,
    /// As published.
    pub retain: bool,
    /// What travels with it.
    pub properties: Option<Arc<MessageProperties>>,
    /// When its life ends.
    pub expires: Option<Timestamp>,
}

/// A session as a restart must find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// Number.
    pub id: SessionId,
    /// Client id.
    pub client_id: Arc<str>,
    /// Who owns it.
    pub principal: Principal,
    /// Seconds that it outlives the connection.
    pub expiry: u32,
    /// When the connection ended; `None` while connected.
    pub ended: Option<Timestamp>,
}

/// A subscription's options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionOptions {
    /// Largest QoS of deliveries.
    pub qos: QoS,
    /// Not what the same client published.
    pub no_local: bool,
    /// Keep the publisher's retain flag.
    pub retain_as_published: bool,
    /// When to send retained messages.
    pub retain_handling: RetainHandling,
    /// Identifier.
    pub id: Option<u32>,
}

/// One entry of a session's queue. Its packet id follows from `seq`, so that no commit is needed to
/// remember it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueRecord {
    /// Place in the queue.
    pub seq: u64,
    /// The message; `None` once PUBREC came and only PUBREL is left.
    pub message: Option<MessageId>,
    /// Of the delivery.
    pub qos: QoS,
    /// Of the delivery.
    pub retain: bool,
    /// Subscription identifiers of the delivery.
    pub subscription_ids: Option<Arc<[u32]>>,
}

/// A will that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WillRecord {
    /// Whose.
    pub client_id: Arc<str>,
    /// Who.
    pub principal: Principal,
    /// Topic.
    pub topic: Arc<str>,
    /// Payload.
    pub payload: Bytes,
    /// Quality of service.
    pub qos: QoS,
    /// Retain.
    pub retain: bool,
    /// Seconds between the loss of the connection and the will.
    pub delay: u32,
    /// What travels with it.
    pub properties: MessageProperties,
}

/// One change of the durable state.
#[derive(Clone, Debug, PartialEq)]
pub enum StoreOp {
    /// Adds or changes a session.
    Session(SessionRecord),
    /// Removes a session with its subscriptions, queue and received ids.
    SessionGone(SessionId),
    /// Adds or changes a subscription.
    Subscription {
        /// Whose.
        session: SessionId,
        /// The filter.
        filter: Arc<str>,
        /// Options.
        options: SubscriptionOptions,
    },
    /// Removes a subscription.
    SubscriptionGone {
        /// Whose.
        session: SessionId,
        /// The filter.
        filter: Arc<str>,
    },
    /// Adds a message.
    Message(Arc<Message>),
    /// Removes a message that nothing refers to any more.
    MessageGone(MessageId),
    /// Adds an entry to a queue.
    Queue {
        /// Whose.
        session: SessionId,
        /// The entry.
        entry: QueueRecord,
    },
    /// PUBREC came: the message is done, PUBREL is left.
    QueueReleased {
        /// Whose.
        session: SessionId,
        /// Which entry.
        seq: u64,
    },
    /// Removes an entry.
    QueueGone {
        /// Whose.
        session: SessionId,
        /// Which entry.
        seq: u64,
    },
    /// Entries below this place have been sent at least once.
    Sent {
        /// Whose.
        session: SessionId,
        /// First place that was not sent.
        below: u64,
    },
    /// A QoS 2 message with this packet id was taken; the same id again is a repetition.
    Received {
        /// Whose.
        session: SessionId,
        /// The client's packet id.
        packet_id: u16,
    },
    /// PUBREL came.
    ReceivedGone {
        /// Whose.
        session: SessionId,
        /// The client's packet id.
        packet_id: u16,
    },
    /// Sets the retained message of a topic.
    Retained {
        /// The topic.
        topic: Arc<str>,
        /// Its message.
        message: MessageId,
    },
    /// Removes the retained message of a topic.
    RetainedGone(Arc<str>),
    /// Everything of the broker is removed: the ops that follow are the whole state.
    Reset,
    /// Sets a client's will.
    Will(Box<WillRecord>),
    /// Removes a client's will.
    WillGone(Arc<str>),
}

/// A session read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedSession {
    /// The session.
    pub record: SessionRecord,
    /// Its subscriptions.
    pub subscriptions: Vec<(Arc<str>, SubscriptionOptions)>,
    /// Its queue by `seq`.
    pub queue: Vec<QueueRecord>,
    /// Entries below this place have been sent at least once.
    pub sent_below: u64,
    /// QoS 2 packet ids that wait for PUBREL.
    pub received: Vec<u16>,
}

/// All that a restart reads back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Sessions.
    pub sessions: Vec<LoadedSession>,
    /// Messages.
    pub messages: Vec<Arc<Message>>,
    /// Topics and their retained messages.
    pub retained: Vec<(Arc<str>, MessageId)>,
    /// Wills of clients that were connected or whose delay ran.
    pub wills: Vec<WillRecord>,
    /// First session number that is free.
    pub next_session: SessionId,
    /// First message number that is free.
    pub next_message: MessageId,
}
