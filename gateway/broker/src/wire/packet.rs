//! The broker's own packet types for MQTT 3.1.1 and 5.0.
//!
//! What a client may send stands here as decoded structs; what only a server sends is in `reply`. Not the
//! bytes and not the session rules. Invariants: a decoded packet has passed the
//! guard (syntax of topics, filters and strings, values in range, caps); a [`Publish`] borrows from the
//! read buffer, so that the hot path decides before it copies; nothing of the codec library shows here.

use std::sync::Arc;

use bytes::Bytes;

use super::reason::ReasonCode;

/// The protocol version of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// MQTT 3.1.1 (protocol level 4).
    V3,
    /// MQTT 5.0 (protocol level 5).
    V5,
}

/// Quality of service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum QoS {
    /// 0.
    #[default]
    AtMostOnce = 0,
    /// 1.
    AtLeastOnce = 1,
    /// 2.
    ExactlyOnce = 2,
}

impl QoS {
    /// The level of that number; `None` above 2.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }
}

/// A packet identifier, never zero (MQTT 5 §2.2.1).
pub type PacketId = std::num::NonZeroU16;

/// One packet of a client.
#[derive(Clone, Debug, PartialEq)]
pub enum Packet<'a> {
    /// §3.1.
    Connect(Box<Connect>),
    /// §3.3.
    Publish(Publish<'a>),
    /// §3.4.
    Puback(Ack),
    /// §3.5.
    Pubrec(Ack),
    /// §3.6.
    Pubrel(Ack),
    /// §3.7.
    Pubcomp(Ack),
    /// §3.8.
    Subscribe(Subscribe),
    /// §3.10.
    Unsubscribe(Unsubscribe),
    /// §3.12.
    Pingreq,
    /// §3.14.
    Disconnect(Disconnect),
    /// §3.15, 5.0 alone.
    Auth(Box<Auth>),
}

/// Named texts that a client adds to a packet (MQTT 5 §1.5.7), in order.
pub type UserProperties = Vec<(Arc<str>, Arc<str>)>;

/// CONNECT.
#[derive(Clone, Debug, PartialEq)]
pub struct Connect {
    /// From the protocol level.
    pub version: Version,
    /// Clean session (3.1.1) or clean start (5.0).
    pub clean_start: bool,
    /// Seconds, 0 for none.
    pub keep_alive: u16,
    /// Empty when the server is to assign one. An empty one without `clean_start` in 3.1.1 must be
    /// answered with 0x02 (MQTT-3.1.3-8): the core does that.
    pub client_id: Arc<str>,
    /// The will.
    pub will: Option<Will>,
    /// User name.
    pub username: Option<Arc<str>>,
    /// Password.
    pub password: Option<Bytes>,
    /// All at their defaults in 3.1.1.
    pub properties: ConnectProperties,
}

/// Properties of CONNECT (MQTT 5 §3.1.2.11).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConnectProperties {
    /// Seconds that the session outlives the connection.
    pub session_expiry: Option<u32>,
    /// Most unacknowledged QoS 1 and 2 messages that the client takes; 65,535 when absent.
    pub receive_maximum: Option<u16>,
    /// Largest packet that the client takes, in bytes.
    pub maximum_packet_size: Option<u32>,
    /// Most topic aliases that the client takes; 0 when absent.
    pub topic_alias_maximum: Option<u16>,
    /// Whether CONNACK may carry response information; false when absent.
    pub request_response_information: Option<bool>,
    /// Whether other packets than PUBLISH, CONNACK and DISCONNECT may carry a reason text; true when absent.
    pub request_problem_information: Option<bool>,
    /// Name of the enhanced authentication.
    pub authentication_method: Option<Arc<str>>,
    /// First data of it; only with a method.
    pub authentication_data: Option<Bytes>,
    /// User properties.
    pub user: UserProperties,
}

/// The will of a CONNECT.
#[derive(Clone, Debug, PartialEq)]
pub struct Will {
    /// A valid topic without wildcards.
    pub topic: Arc<str>,
    /// Payload.
    pub payload: Bytes,
    /// Quality of service.
    pub qos: QoS,
    /// Retain.
    pub retain: bool,
    /// Seconds between the loss of the connection and the will.
    pub delay: Option<u32>,
    /// What goes out with the message.
    pub properties: MessageProperties,
}

/// The properties that travel with a message from publisher to subscriber (MQTT 5 §3.3.2.3), owned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageProperties {
    /// 0 bytes, 1 UTF-8.
    pub payload_format: Option<u8>,
    /// Seconds of life.
    pub message_expiry: Option<u32>,
    /// MIME type or the like.
    pub content_type: Option<Arc<str>>,
    /// Where the answer goes.
    pub response_topic: Option<Arc<str>>,
    /// What the answer repeats.
    pub correlation_data: Option<Bytes>,
    /// User properties.
    pub user: UserProperties,
}

impl MessageProperties {
    /// Whether there is none: the common case.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// PUBLISH of a client. Borrows from the read buffer; `payload.to_vec()` and friends copy it once the
/// broker knows that somebody wants it.
#[derive(Clone, Debug, PartialEq)]
pub struct Publish<'a> {
    /// A valid topic without wildcards; empty only in 5.0 with `topic_alias` set.
    pub topic: &'a str,
    /// Payload.
    pub payload: &'a [u8],
    /// Quality of service.
    pub qos: QoS,
    /// Said to be sent again; never true with QoS 0.
    pub dup: bool,
    /// Retain.
    pub retain: bool,
    /// `Some` exactly when `qos` is above 0.
    pub packet_id: Option<PacketId>,
    /// 1 and above; the core compares it with the agreed maximum.
    pub topic_alias: Option<u16>,
    /// `None` when there is no other property (always in 3.1.1): the common case costs nothing.
    pub properties: Option<Box<MessageProperties>>,
}

/// PUBACK, PUBREC, PUBREL, PUBCOMP, in both directions.
#[derive(Clone, Debug, PartialEq)]
pub struct Ack {
    /// Which message.
    pub packet_id: PacketId,
    /// Success in 3.1.1.
    pub code: ReasonCode,
    /// Text for people, 5.0 alone.
    pub reason: Option<Arc<str>>,
    /// User properties.
    pub user: UserProperties,
}

impl Ack {
    /// An acknowledgement without text.
    #[must_use]
    pub const fn new(packet_id: PacketId, code: ReasonCode) -> Self {
        Self { packet_id, code, reason: None, user: Vec::new() }
    }
}

/// SUBSCRIBE. A filter that breaks §4.7 never comes this far: it ends the connection in both versions.
#[derive(Clone, Debug, PartialEq)]
pub struct Subscribe {
    /// Answered with SUBACK.
    pub packet_id: PacketId,
    /// At least one.
    pub filters: Vec<SubscribeFilter>,
    /// Subscription identifier, 1 to 268,435,455.
    pub subscription_id: Option<u32>,
    /// User properties.
    pub user: UserProperties,
}

/// One filter of a SUBSCRIBE.
#[derive(Clone, Debug, PartialEq)]
pub struct SubscribeFilter {
    /// A valid filter; with `$share/group/` in front when it is shared, see [`super::topic::split_share`].
    pub filter: Arc<str>,
    /// Largest QoS of deliveries.
    pub qos: QoS,
    /// Not what this client published; never true with `$share`.
    pub no_local: bool,
    /// Keep the publisher's retain flag.
    pub retain_as_published: bool,
    /// When to send retained messages.
    pub retain_handling: RetainHandling,
}

/// Whether retained messages are sent on SUBSCRIBE (MQTT 5 §3.8.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RetainHandling {
    /// 0: always, and always in 3.1.1.
    #[default]
    Send,
    /// 1: only when the subscription is new.
    SendIfNew,
    /// 2: never.
    DoNotSend,
}

/// UNSUBSCRIBE.
#[derive(Clone, Debug, PartialEq)]
pub struct Unsubscribe {
    /// Answered with UNSUBACK.
    pub packet_id: PacketId,
    /// At least one valid filter.
    pub filters: Vec<Arc<str>>,
    /// User properties.
    pub user: UserProperties,
}

/// DISCONNECT, in both directions.
#[derive(Clone, Debug, PartialEq)]
pub struct Disconnect {
    /// Success in 3.1.1.
    pub code: ReasonCode,
    /// A client's new session expiry. That it may not raise a zero is for the core.
    pub session_expiry: Option<u32>,
    /// Text for people.
    pub reason: Option<Arc<str>>,
    /// Another server to use; only a server sends it.
    pub server_reference: Option<Arc<str>>,
    /// User properties.
    pub user: UserProperties,
}

impl Disconnect {
    /// A disconnect with this code alone.
    #[must_use]
    pub const fn new(code: ReasonCode) -> Self {
        Self { code, session_expiry: None, reason: None, server_reference: None, user: Vec::new() }
    }
}

/// AUTH, in both directions.
#[derive(Clone, Debug, PartialEq)]
pub struct Auth {
    /// Success, continue or re-authenticate.
    pub code: ReasonCode,
    /// Present whenever the code is not success (MQTT 5 §3.15.2.2.2).
    pub method: Option<Arc<str>>,
    /// Data of the method.
    pub data: Option<Bytes>,
    /// Text for people.
    pub reason: Option<Arc<str>>,
    /// User properties.
    pub user: UserProperties,
}
