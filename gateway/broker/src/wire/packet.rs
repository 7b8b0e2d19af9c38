//! The broker's own packet types for MQTT 3.1.1 and 5.0.
//!
//! What a client may send stands here as decoded structs, what a server may send as structs that
//! `encode` writes. Not the bytes and not the session rules. Invariants: a decoded packet has passed the
//! guard (syntax of topics, filters and strings, values in range, caps); a [`Publish`] borrows from the
//! read buffer, so that the hot path decides before it copies; nothing of the codec library shows here.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

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

/// A reason code of MQTT 5 §2.4. For 3.1.1 the encoders map it to what that version knows.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReasonCode(pub u8);

impl ReasonCode {
    /// Success, normal disconnection, granted QoS 0.
    pub const SUCCESS: Self = Self(0x00);
    /// Granted QoS 1.
    pub const GRANTED_QOS_1: Self = Self(0x01);
    /// Granted QoS 2.
    pub const GRANTED_QOS_2: Self = Self(0x02);
    /// DISCONNECT of a client that wants its will published.
    pub const DISCONNECT_WITH_WILL: Self = Self(0x04);
    /// Accepted, nobody subscribed.
    pub const NO_MATCHING_SUBSCRIBERS: Self = Self(0x10);
    /// UNSUBSCRIBE of a filter that was not subscribed.
    pub const NO_SUBSCRIPTION_EXISTED: Self = Self(0x11);
    /// AUTH: the exchange goes on.
    pub const CONTINUE_AUTHENTICATION: Self = Self(0x18);
    /// AUTH: the client starts again.
    pub const RE_AUTHENTICATE: Self = Self(0x19);
    /// No better reason.
    pub const UNSPECIFIED_ERROR: Self = Self(0x80);
    /// The bytes break the format.
    pub const MALFORMED_PACKET: Self = Self(0x81);
    /// The bytes are well formed and break the rules.
    pub const PROTOCOL_ERROR: Self = Self(0x82);
    /// Valid, not accepted by this server.
    pub const IMPLEMENTATION_SPECIFIC_ERROR: Self = Self(0x83);
    /// CONNECT of another protocol version.
    pub const UNSUPPORTED_PROTOCOL_VERSION: Self = Self(0x84);
    /// CONNECT with a client id that may not be used.
    pub const CLIENT_IDENTIFIER_NOT_VALID: Self = Self(0x85);
    /// CONNECT with a wrong user name or password.
    pub const BAD_USER_NAME_OR_PASSWORD: Self = Self(0x86);
    /// Not allowed by policy.
    pub const NOT_AUTHORIZED: Self = Self(0x87);
    /// The server cannot serve now.
    pub const SERVER_UNAVAILABLE: Self = Self(0x88);
    /// The server is at its limit.
    pub const SERVER_BUSY: Self = Self(0x89);
    /// Banned by a person.
    pub const BANNED: Self = Self(0x8A);
    /// The server ends.
    pub const SERVER_SHUTTING_DOWN: Self = Self(0x8B);
    /// The authentication method is not known or not the one of the connection.
    pub const BAD_AUTHENTICATION_METHOD: Self = Self(0x8C);
    /// Nothing heard for 1.5 times the keep-alive.
    pub const KEEP_ALIVE_TIMEOUT: Self = Self(0x8D);
    /// Another connection took the client id over.
    pub const SESSION_TAKEN_OVER: Self = Self(0x8E);
    /// A filter breaks the rules or is not accepted.
    pub const TOPIC_FILTER_INVALID: Self = Self(0x8F);
    /// A topic breaks the rules or is not accepted.
    pub const TOPIC_NAME_INVALID: Self = Self(0x90);
    /// The packet id is in use.
    pub const PACKET_IDENTIFIER_IN_USE: Self = Self(0x91);
    /// PUBREL or PUBCOMP of an unknown packet id.
    pub const PACKET_IDENTIFIER_NOT_FOUND: Self = Self(0x92);
    /// More unacknowledged messages than agreed.
    pub const RECEIVE_MAXIMUM_EXCEEDED: Self = Self(0x93);
    /// A topic alias that is zero or above the agreed maximum.
    pub const TOPIC_ALIAS_INVALID: Self = Self(0x94);
    /// Larger than agreed.
    pub const PACKET_TOO_LARGE: Self = Self(0x95);
    /// Too many messages a second.
    pub const MESSAGE_RATE_TOO_HIGH: Self = Self(0x96);
    /// A limit of this server or an administrator was reached.
    pub const QUOTA_EXCEEDED: Self = Self(0x97);
    /// Ended by an administrator.
    pub const ADMINISTRATIVE_ACTION: Self = Self(0x98);
    /// The payload is not what its format indicator says.
    pub const PAYLOAD_FORMAT_INVALID: Self = Self(0x99);
    /// Retained messages are off.
    pub const RETAIN_NOT_SUPPORTED: Self = Self(0x9A);
    /// That QoS is off.
    pub const QOS_NOT_SUPPORTED: Self = Self(0x9B);
    /// Shared subscriptions are off.
    pub const SHARED_SUBSCRIPTIONS_NOT_SUPPORTED: Self = Self(0x9E);
    /// Too many connections a second.
    pub const CONNECTION_RATE_EXCEEDED: Self = Self(0x9F);
    /// The longest connect time has passed.
    pub const MAXIMUM_CONNECT_TIME: Self = Self(0xA0);
    /// Subscription identifiers are off.
    pub const SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED: Self = Self(0xA1);
    /// Wildcards in filters are off.
    pub const WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED: Self = Self(0xA2);

    /// Whether it is an error: 0x80 and above (MQTT 5 §2.4).
    #[must_use]
    pub const fn is_error(self) -> bool {
        self.0 >= 0x80
    }

    /// The SUBACK code that grants this level.
    #[must_use]
    pub const fn granted(qos: QoS) -> Self {
        Self(qos as u8)
    }

    /// The CONNACK return code of 3.1.1 (§3.2.2.3) that comes nearest; 3 (server unavailable) for what it
    /// cannot say.
    #[must_use]
    pub const fn to_v3_connack(self) -> u8 {
        match self {
            Self::SUCCESS => 0,
            Self::UNSUPPORTED_PROTOCOL_VERSION => 1,
            Self::CLIENT_IDENTIFIER_NOT_VALID => 2,
            Self::BAD_USER_NAME_OR_PASSWORD => 4,
            Self::NOT_AUTHORIZED | Self::BANNED | Self::BAD_AUTHENTICATION_METHOD => 5,
            _ => 3,
        }
    }
}

impl fmt::Debug for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReasonCode({:#04x})", self.0)
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#04x}", self.0)
    }
}

/// Why a packet cannot be taken. The connection ends; with 5.0 the code is told to the client.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{reason}")]
pub struct Malformed {
    /// What rule was broken.
    pub reason: Reason,
}

impl Malformed {
    /// The reason code of MQTT 5 for DISCONNECT or CONNACK.
    #[must_use]
    pub const fn code(self) -> ReasonCode {
        match self.reason {
            Reason::TooLarge => ReasonCode::PACKET_TOO_LARGE,
            Reason::Protocol(_) | Reason::ServerOnly => ReasonCode::PROTOCOL_ERROR,
            Reason::UnsupportedVersion { .. } => ReasonCode::UNSUPPORTED_PROTOCOL_VERSION,
            Reason::Topic(_) => ReasonCode::TOPIC_NAME_INVALID,
            Reason::Filter(_) => ReasonCode::TOPIC_FILTER_INVALID,
            Reason::TopicAlias => ReasonCode::TOPIC_ALIAS_INVALID,
            Reason::PayloadFormat => ReasonCode::PAYLOAD_FORMAT_INVALID,
            Reason::TooManyUserProperties | Reason::TooManyFilters => ReasonCode::QUOTA_EXCEEDED,
            Reason::Bytes(_) => ReasonCode::MALFORMED_PACKET,
        }
    }
}

impl From<Reason> for Malformed {
    fn from(reason: Reason) -> Self {
        Self { reason }
    }
}

/// The rule that a packet broke.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Reason {
    /// The whole packet is larger than the limit that holds now.
    #[error("packet larger than the limit")]
    TooLarge,
    /// The bytes break the format.
    #[error("malformed packet: {0}")]
    Bytes(&'static str),
    /// Well formed, against the rules.
    #[error("protocol error: {0}")]
    Protocol(&'static str),
    /// Well formed, and only a server sends it.
    #[error("protocol error: only a server sends this")]
    ServerOnly,
    /// CONNECT of a version other than 3.1.1 and 5.0: answered with CONNACK 0x01 in the form of 3.1.1
    /// below level 5 and with CONNACK 0x84 in the form of 5.0 above.
    #[error("protocol level {level} is neither 4 (3.1.1) nor 5")]
    UnsupportedVersion {
        /// The level in the CONNECT.
        level: u8,
    },
    /// The topic of a PUBLISH or will breaks MQTT 5 §4.7.
    #[error("topic: {0}")]
    Topic(TopicFault),
    /// The filter of a SUBSCRIBE or UNSUBSCRIBE breaks MQTT 5 §4.7 or §4.8.2.
    #[error("filter: {0}")]
    Filter(TopicFault),
    /// Topic alias zero.
    #[error("topic alias is zero")]
    TopicAlias,
    /// The payload says that it is UTF-8 and is not.
    #[error("payload is not the UTF-8 that it says it is")]
    PayloadFormat,
    /// More user properties than [`super::limits::USER_PROPERTIES`].
    #[error("too many user properties")]
    TooManyUserProperties,
    /// More filters than [`super::limits::FILTERS`].
    #[error("too many filters in one packet")]
    TooManyFilters,
}

/// What is wrong with a topic or filter.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum TopicFault {
    /// No character (MQTT-4.7.3-1).
    #[error("empty")]
    Empty,
    /// U+0000 (MQTT-4.7.3-2).
    #[error("has U+0000")]
    Nul,
    /// `+` or `#` in a topic (MQTT-3.3.2-2).
    #[error("has a wildcard")]
    Wildcard,
    /// `#` that is not the whole last level (MQTT-4.7.1-1).
    #[error("'#' is not the whole last level")]
    MultiLevel,
    /// `+` that is not a whole level (MQTT-4.7.1-2).
    #[error("'+' is not a whole level")]
    SingleLevel,
    /// More levels than [`super::limits::TOPIC_LEVELS`].
    #[error("too many levels")]
    TooDeep,
    /// `$share` without a group, with a wildcard in it or without a filter (MQTT-4.8.2-1, -2).
    #[error("'$share' without a valid group and filter")]
    Share,
}

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

/// SUBSCRIBE. A filter that breaks the rules does not end the connection in 5.0 and 3.1.1 alike: it
/// does, as both versions ask for (MQTT 5 §4.13: malformed packet, §4.7).
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

/// CONNACK.
#[derive(Clone, Debug, PartialEq)]
pub struct Connack {
    /// Only with success.
    pub session_present: bool,
    /// Mapped by [`ReasonCode::to_v3_connack`] in 3.1.1.
    pub code: ReasonCode,
    /// Not sent in 3.1.1.
    pub properties: ConnackProperties,
}

/// Properties of CONNACK (MQTT 5 §3.2.2.3).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConnackProperties {
    /// When it differs from what the client asked for.
    pub session_expiry: Option<u32>,
    /// Most unacknowledged messages that the server takes.
    pub receive_maximum: Option<u16>,
    /// Largest QoS, when not 2: 0 or 1.
    pub maximum_qos: Option<u8>,
    /// False when retained messages are off.
    pub retain_available: Option<bool>,
    /// Largest packet that the server takes.
    pub maximum_packet_size: Option<u32>,
    /// When the server made the client id.
    pub assigned_client_id: Option<Arc<str>>,
    /// Most topic aliases that the server takes.
    pub topic_alias_maximum: Option<u16>,
    /// Text for people.
    pub reason: Option<Arc<str>>,
    /// False when wildcards are off.
    pub wildcard_subscription_available: Option<bool>,
    /// False when subscription identifiers are off.
    pub subscription_ids_available: Option<bool>,
    /// False when shared subscriptions are off.
    pub shared_subscription_available: Option<bool>,
    /// When the server changed the keep-alive.
    pub server_keep_alive: Option<u16>,
    /// Basis of response topics.
    pub response_information: Option<Arc<str>>,
    /// Another server to use.
    pub server_reference: Option<Arc<str>>,
    /// Name of the enhanced authentication.
    pub authentication_method: Option<Arc<str>>,
    /// Data of it.
    pub authentication_data: Option<Bytes>,
    /// User properties.
    pub user: UserProperties,
}

/// SUBACK. In 3.1.1 every error becomes 0x80.
#[derive(Clone, Debug, PartialEq)]
pub struct Suback {
    /// Of the SUBSCRIBE.
    pub packet_id: PacketId,
    /// One for each filter, in order.
    pub codes: Vec<ReasonCode>,
    /// Text for people, 5.0 alone.
    pub reason: Option<Arc<str>>,
}

/// UNSUBACK. 3.1.1 has no codes.
#[derive(Clone, Debug, PartialEq)]
pub struct Unsuback {
    /// Of the UNSUBSCRIBE.
    pub packet_id: PacketId,
    /// One for each filter, in order.
    pub codes: Vec<ReasonCode>,
    /// Text for people, 5.0 alone.
    pub reason: Option<Arc<str>>,
}
