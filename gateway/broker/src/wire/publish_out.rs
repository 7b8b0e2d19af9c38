//! PUBLISH to subscribers: encoded once, patched for each, the payload shared.
//!
//! One [`PublishHeader`] serves all subscribers of one protocol version and of QoS 0 or above 0 alike; the
//! first byte (DUP, QoS, retain) and the packet identifier are patched while it is appended. Not the
//! choice of subscribers. Invariant: the length field counts exactly header and payload.

use super::packet::{MessageProperties, PacketId, QoS, Version};
use super::properties::id;
use super::writer::{Block, VARIABLE_MAX, put_text, put_variable};

/// What may differ between two subscribers of the same header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PublishFlags {
    /// Sent before.
    pub dup: bool,
    /// Retain.
    pub retain: bool,
    /// Above 0 exactly when a packet identifier is given.
    pub qos: QoS,
}

impl PublishFlags {
    const fn first_byte(self) -> u8 {
        0x30 | (self.dup as u8) << 3 | (self.qos as u8) << 1 | self.retain as u8
    }
}

/// What a message says to all its subscribers.
#[derive(Clone, Copy, Debug, Default)]
pub struct PublishContent<'a> {
    /// Topic; empty only with `topic_alias` in 5.0.
    pub topic: &'a str,
    /// Length of the payload in bytes.
    pub payload_length: usize,
    /// What the publisher added; not sent in 3.1.1.
    pub properties: Option<&'a MessageProperties>,
    /// The seconds of life that are left; goes before the expiry in `properties`.
    pub message_expiry: Option<u32>,
    /// Identifiers of the subscriptions that it is for (MQTT 5 §3.3.2.3.8); not sent in 3.1.1.
    pub subscription_ids: &'a [u32],
    /// An alias of this connection; not sent in 3.1.1.
    pub topic_alias: Option<u16>,
}

/// Fixed and variable header of a PUBLISH, ready but for the first byte and the packet identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishHeader {
    bytes: Vec<u8>,
    packet_id_at: Option<usize>,
    payload_length: usize,
}

impl PublishHeader {
    /// Encodes the header, with room for a packet identifier when QoS is above 0. `None` when the packet
    /// would be longer than MQTT can say (256 MiB).
    #[must_use]
    pub fn new(content: &PublishContent<'_>, version: Version, with_packet_id: bool) -> Option<Self> {
        let mut variable = Vec::with_capacity(content.topic.len() + 16);
        put_text(&mut variable, content.topic);
        let packet_id_at = with_packet_id.then_some(variable.len());
        if with_packet_id {
            variable.extend_from_slice(&[0, 0]);
        }
        if version == Version::V5 {
            put_properties(&mut variable, content);
        }
        let remaining = variable.len().checked_add(content.payload_length)?;
        if remaining > VARIABLE_MAX {
            return None;
        }
        let mut bytes = Vec::with_capacity(variable.len() + 5);
        bytes.push(0x30);
        put_variable(&mut bytes, remaining);
        let fixed = bytes.len();
        bytes.extend_from_slice(&variable);
        Some(Self {
            bytes,
            packet_id_at: packet_id_at.map(|at| at + fixed),
            payload_length: content.payload_length,
        })
    }

    /// Length of the whole packet in bytes, for the client's maximum packet size.
    #[must_use]
    pub fn packet_length(&self) -> usize {
        self.bytes.len() + self.payload_length
    }

    /// Whether it has room for a packet identifier.
    #[must_use]
    pub const fn has_packet_id(&self) -> bool {
        self.packet_id_at.is_some()
    }

    /// Appends the header alone, for a payload that is written from its own buffer.
    #[inline]
    pub fn append_header(&self, out: &mut Vec<u8>, flags: PublishFlags, packet_id: Option<PacketId>) {
        debug_assert_eq!(self.has_packet_id(), packet_id.is_some());
        debug_assert_eq!(flags.qos > QoS::AtMostOnce, packet_id.is_some());
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        if let Some(first) = out.get_mut(start) {
            *first = flags.first_byte();
        }
        if let (Some(at), Some(packet_id)) = (self.packet_id_at, packet_id)
            && let Some(place) = out.get_mut(start + at..start + at + 2)
        {
            place.copy_from_slice(&packet_id.get().to_be_bytes());
        }
    }

    /// Appends the whole packet. `payload` must have the length that the header was made for.
    #[inline]
    pub fn append(
        &self,
        out: &mut Vec<u8>,
        flags: PublishFlags,
        packet_id: Option<PacketId>,
        payload: &[u8],
    ) {
        debug_assert_eq!(payload.len(), self.payload_length);
        out.reserve(self.bytes.len() + payload.len());
        self.append_header(out, flags, packet_id);
        out.extend_from_slice(payload);
    }
}

fn put_properties(out: &mut Vec<u8>, content: &PublishContent<'_>) {
    if content.properties.is_none()
        && content.message_expiry.is_none()
        && content.subscription_ids.is_empty()
        && content.topic_alias.is_none()
    {
        out.push(0);
        return;
    }
    let mut block = Block::default();
    let own = content.properties;
    block
        .byte(id::PAYLOAD_FORMAT, own.and_then(|own| own.payload_format))
        .four(id::MESSAGE_EXPIRY, content.message_expiry.or_else(|| own.and_then(|own| own.message_expiry)))
        .two(id::TOPIC_ALIAS, content.topic_alias)
        .text(id::RESPONSE_TOPIC, own.and_then(|own| own.response_topic.as_deref()))
        .binary(id::CORRELATION_DATA, own.and_then(|own| own.correlation_data.as_deref()))
        .text(id::CONTENT_TYPE, own.and_then(|own| own.content_type.as_deref()));
    for subscription_id in content.subscription_ids {
        block.variable(id::SUBSCRIPTION_ID, *subscription_id);
    }
    if let Some(own) = own {
        block.user(&own.user);
    }
    block.put(out);
}
