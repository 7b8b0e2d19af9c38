//! The packets that only a server sends, as structs that `encode` writes.
//!
//! Not the bytes. PUBLISH to subscribers has its own encoder in `publish_out`, because it is the hot
//! path. Invariant: a value that 3.1.1 cannot say is left out there, never sent wrongly.

use std::sync::Arc;

use bytes::Bytes;

use super::packet::{PacketId, UserProperties};
use super::reason::ReasonCode;

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
