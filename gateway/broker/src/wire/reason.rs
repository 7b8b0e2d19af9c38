//! Reason codes of MQTT 5 and the reasons for which a packet is refused.
//!
//! Not who is told what: the core answers. Invariant: every [`Reason`] has one reason code, so that a
//! refusal always has something honest to say.

use std::fmt;

use thiserror::Error;

use super::packet::QoS;

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
            // U+0000 breaks the format of any text (MQTT-1.5.4-2), so the packet and not only the name.
            Reason::Topic(TopicFault::Nul) | Reason::Filter(TopicFault::Nul) => ReasonCode::MALFORMED_PACKET,
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
    /// U+0000 (MQTT-4.7.3-2, and MQTT-1.5.4-2 for any text).
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
