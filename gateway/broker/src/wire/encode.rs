//! Packets of the server to bytes, for 3.1.1 and 5.0. PUBLISH is in `publish_out`.
//!
//! Appends to the connection's write buffer; a caller that must keep a packet below the client's maximum
//! looks at the growth, cuts it off and sends the packet without its texts (MQTT 5 §3.2.2.3.9). Invariant:
//! 3.1.1 gets only what it knows: no codes beyond its own, no properties, no DISCONNECT.

use super::packet::{Ack, Auth, Disconnect, Version};
use super::properties::id;
use super::reason::ReasonCode;
use super::reply::{Connack, Suback, Unsuback};
use super::writer::{Block, put_u16, put_variable};

/// PINGRESP, the same for both versions.
pub const PINGRESP: [u8; 2] = [0xD0, 0x00];

/// Which acknowledgement an [`Ack`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckKind {
    /// §3.4.
    Puback,
    /// §3.5.
    Pubrec,
    /// §3.6.
    Pubrel,
    /// §3.7.
    Pubcomp,
}

impl AckKind {
    const fn first_byte(self) -> u8 {
        match self {
            Self::Puback => 0x40,
            Self::Pubrec => 0x50,
            Self::Pubrel => 0x62,
            Self::Pubcomp => 0x70,
        }
    }
}

fn put_packet(out: &mut Vec<u8>, first_byte: u8, body: &[u8]) {
    out.push(first_byte);
    put_variable(out, body.len());
    out.extend_from_slice(body);
}

/// Appends an acknowledgement: 4 bytes in 3.1.1 and for a plain success.
#[inline]
pub fn encode_ack(out: &mut Vec<u8>, kind: AckKind, ack: &Ack, version: Version) {
    let [high, low] = ack.packet_id.get().to_be_bytes();
    let texts = version == Version::V5 && (ack.reason.is_some() || !ack.user.is_empty());
    if texts {
        let mut body = vec![high, low, ack.code.0];
        Block::default().text(id::REASON_STRING, ack.reason.as_deref()).user(&ack.user).put(&mut body);
        put_packet(out, kind.first_byte(), &body);
    } else if version == Version::V5 && ack.code != ReasonCode::SUCCESS {
        out.extend_from_slice(&[kind.first_byte(), 3, high, low, ack.code.0]);
    } else {
        out.extend_from_slice(&[kind.first_byte(), 2, high, low]);
    }
}

/// Appends CONNACK. In 3.1.1 the code is mapped; "session present" goes only with success.
pub fn encode_connack(out: &mut Vec<u8>, connack: &Connack, version: Version) {
    let present = u8::from(connack.session_present && connack.code == ReasonCode::SUCCESS);
    if version == Version::V3 {
        out.extend_from_slice(&[0x20, 2, present, connack.code.to_v3_connack()]);
        return;
    }
    let properties = &connack.properties;
    let mut body = vec![present, connack.code.0];
    Block::default()
        .four(id::SESSION_EXPIRY, properties.session_expiry)
        .two(id::RECEIVE_MAXIMUM, properties.receive_maximum)
        .byte(id::MAXIMUM_QOS, properties.maximum_qos)
        .flag(id::RETAIN_AVAILABLE, properties.retain_available)
        .four(id::MAXIMUM_PACKET_SIZE, properties.maximum_packet_size)
        .text(id::ASSIGNED_CLIENT_ID, properties.assigned_client_id.as_deref())
        .two(id::TOPIC_ALIAS_MAXIMUM, properties.topic_alias_maximum)
        .text(id::REASON_STRING, properties.reason.as_deref())
        .flag(id::WILDCARD_SUBSCRIPTION_AVAILABLE, properties.wildcard_subscription_available)
        .flag(id::SUBSCRIPTION_IDS_AVAILABLE, properties.subscription_ids_available)
        .flag(id::SHARED_SUBSCRIPTION_AVAILABLE, properties.shared_subscription_available)
        .two(id::SERVER_KEEP_ALIVE, properties.server_keep_alive)
        .text(id::RESPONSE_INFORMATION, properties.response_information.as_deref())
        .text(id::SERVER_REFERENCE, properties.server_reference.as_deref())
        .text(id::AUTHENTICATION_METHOD, properties.authentication_method.as_deref())
        .binary(id::AUTHENTICATION_DATA, properties.authentication_data.as_deref())
        .user(&properties.user)
        .put(&mut body);
    put_packet(out, 0x20, &body);
}

/// Appends SUBACK. In 3.1.1 every error becomes 0x80 (MQTT-3.9.3-2).
pub fn encode_suback(out: &mut Vec<u8>, suback: &Suback, version: Version) {
    let mut body = Vec::with_capacity(suback.codes.len() + 8);
    put_u16(&mut body, suback.packet_id.get());
    if version == Version::V5 {
        Block::default().text(id::REASON_STRING, suback.reason.as_deref()).put(&mut body);
    }
    body.extend(suback.codes.iter().map(|code| {
        if version == Version::V3 && code.is_error() { ReasonCode::UNSPECIFIED_ERROR.0 } else { code.0 }
    }));
    put_packet(out, 0x90, &body);
}

/// Appends UNSUBACK; 3.1.1 has no codes.
pub fn encode_unsuback(out: &mut Vec<u8>, unsuback: &Unsuback, version: Version) {
    let mut body = Vec::with_capacity(unsuback.codes.len() + 8);
    put_u16(&mut body, unsuback.packet_id.get());
    if version == Version::V5 {
        Block::default().text(id::REASON_STRING, unsuback.reason.as_deref()).put(&mut body);
        body.extend(unsuback.codes.iter().map(|code| code.0));
    }
    put_packet(out, 0xB0, &body);
}

/// Appends DISCONNECT in 5.0; in 3.1.1 a server sends none (§3.14) and nothing is appended.
pub fn encode_disconnect(out: &mut Vec<u8>, disconnect: &Disconnect, version: Version) {
    if version == Version::V3 {
        return;
    }
    let mut block = Block::default();
    block
        .text(id::REASON_STRING, disconnect.reason.as_deref())
        .text(id::SERVER_REFERENCE, disconnect.server_reference.as_deref())
        .user(&disconnect.user);
    let mut body = Vec::new();
    if !block.is_empty() {
        body.push(disconnect.code.0);
        block.put(&mut body);
    } else if disconnect.code != ReasonCode::SUCCESS {
        body.push(disconnect.code.0);
    }
    put_packet(out, 0xE0, &body);
}

/// Appends AUTH, 5.0 alone (§3.15).
pub fn encode_auth(out: &mut Vec<u8>, auth: &Auth) {
    let mut block = Block::default();
    block
        .text(id::AUTHENTICATION_METHOD, auth.method.as_deref())
        .binary(id::AUTHENTICATION_DATA, auth.data.as_deref())
        .text(id::REASON_STRING, auth.reason.as_deref())
        .user(&auth.user);
    let mut body = Vec::new();
    if auth.code != ReasonCode::SUCCESS || !block.is_empty() {
        body.push(auth.code.0);
        block.put(&mut body);
    }
    put_packet(out, 0xF0, &body);
}
