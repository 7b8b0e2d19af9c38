//! What the broker hands to the pipeline: publishes, changes of broker state, notices, in batches.
//!
//! Not the commit and not the judgement: those belong to the pipeline. Invariants: batches are numbered
//! without a gap, and those that the broker waits for are answered in that order; an acknowledgement that a batch promises is sent only after
//! [`Committed`] said yes.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use sitewarden_core::gate::Principal;
use sitewarden_core::time::Timestamp;

use crate::limits::Limit;
use crate::state::StoreOp;
use crate::wire::{MessageProperties, QoS, ReasonCode};

/// One turn of the broker's loop.
#[derive(Debug, Default)]
pub struct Batch {
    /// Counts up by one.
    pub id: u64,
    /// Messages of clients that policy allowed, in the order of arrival.
    pub publishes: Vec<Publish>,
    /// Changes of the broker's own state, for [`crate::store::apply`] in the same commit.
    pub ops: Vec<StoreOp>,
    /// What rules on broker abuse and the inventory want to know.
    pub notices: Vec<Notice>,
    /// Whether the broker waits for its commit: to acknowledge, to deliver, or because its own state is in it.
    /// Otherwise (QoS 0 alone) no answer is expected and the commit may take its time.
    pub awaited: bool,
}

impl Batch {
    /// Whether there is nothing to commit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.publishes.is_empty() && self.ops.is_empty() && self.notices.is_empty()
    }
}

/// The pipeline's answer to a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Of the batch.
    pub id: u64,
    /// Whether all of it is on disk. If not, none of it is.
    pub ok: bool,
}

/// Who sent a message, shared by all messages of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Who the client is.
    pub principal: Principal,
    /// Its client id.
    pub client_id: Arc<str>,
    /// Where from; `None` for a will that fires after a restart.
    pub address: Option<IpAddr>,
}

/// A message of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// Who.
    pub origin: Arc<Origin>,
    /// Topic, aliases resolved.
    pub topic: Arc<str>,
    /// Payload.
    pub payload: Bytes,
    /// Quality of service.
    pub qos: QoS,
    /// Retain.
    pub retain: bool,
    /// Whether it is a will.
    pub will: bool,
    /// Content type, response topic, user properties and the like.
    pub properties: Option<Arc<MessageProperties>>,
    /// When the box received it.
    pub received: Timestamp,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The client said DISCONNECT.
    Disconnect(ReasonCode),
    /// The client closed the connection without DISCONNECT, or it broke.
    Lost,
    /// The broker ended it.
    Server(ReasonCode),
}

/// Something that rules, inventory or a person may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A client is connected.
    Connected {
        /// Who.
        origin: Arc<Origin>,
        /// Name of the listener.
        listener: Arc<str>,
        /// 4 or 5.
        version: u8,
        /// When.
        time: Timestamp,
    },
    /// A client was refused.
    Refused {
        /// The id that it gave.
        client_id: Arc<str>,
        /// User name that it gave.
        username: Option<Arc<str>>,
        /// Where from.
        address: IpAddr,
        /// Name of the listener.
        listener: Arc<str>,
        /// Code that it was told (in the words of 5.0).
        code: ReasonCode,
        /// Why, for people.
        text: Arc<str>,
        /// When.
        time: Timestamp,
    },
    /// A connection ended.
    Disconnected {
        /// Who.
        origin: Arc<Origin>,
        /// Why.
        reason: CloseReason,
        /// When.
        time: Timestamp,
    },
    /// Messages were refused by policy; equal ones that follow each other are one notice.
    PublishDenied {
        /// Who.
        origin: Arc<Origin>,
        /// Where to.
        topic: Arc<str>,
        /// Whether it was a will.
        will: bool,
        /// How many.
        count: u32,
        /// When the first came.
        time: Timestamp,
    },
    /// A subscription was refused by policy.
    SubscribeDenied {
        /// Who.
        origin: Arc<Origin>,
        /// The filter.
        filter: Arc<str>,
        /// When.
        time: Timestamp,
    },
    /// A packet broke the format or the protocol; the connection ended.
    Malformed {
        /// Who, when known.
        origin: Option<Arc<Origin>>,
        /// Where from.
        address: IpAddr,
        /// Name of the listener.
        listener: Arc<str>,
        /// Code that the client was told if it speaks 5.0.
        code: ReasonCode,
        /// What was wrong.
        text: Arc<str>,
        /// When.
        time: Timestamp,
    },
    /// A bound was hit; told once per connection and bound.
    LimitHit {
        /// Who, when known.
        origin: Option<Arc<Origin>>,
        /// Where from, when known.
        address: Option<IpAddr>,
        /// Which bound.
        limit: Limit,
        /// When.
        time: Timestamp,
    },
}
