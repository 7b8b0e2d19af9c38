//! How values of the broker stand in columns.
//!
//! Not the tables. Properties of messages are kept in the wire format of MQTT 5 itself, so there is one
//! format to test. Invariant: `unpack(pack(x)) = x`; what cannot be unpacked is `None`, never a guess.

use std::sync::Arc;

use sitewarden_core::asset::Trust;
use sitewarden_core::gate::{Principal, Role};

use crate::state::SubscriptionOptions;
use crate::wire::{
    self, MessageProperties, Packet, PublishContent, PublishFlags, PublishHeader, QoS, RetainHandling,
    Version,
};

/// SQLite's integers are signed; our numbers count from 1 and stay below 2^63.
pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

pub(super) fn pack_flags(qos: QoS, retain: bool) -> u8 {
    qos as u8 | u8::from(retain) << 2
}

pub(super) fn unpack_flags(flags: u8) -> (QoS, bool) {
    (QoS::from_bits(flags & 3).unwrap_or_default(), flags & 4 != 0)
}

/// As in SUBSCRIBE (MQTT 5 §3.8.3.1).
pub(super) fn pack_options(options: &SubscriptionOptions) -> u8 {
    let handling = match options.retain_handling {
        RetainHandling::Send => 0,
        RetainHandling::SendIfNew => 1,
        RetainHandling::DoNotSend => 2_u8,
    };
    options.qos as u8
        | u8::from(options.no_local) << 2
        | u8::from(options.retain_as_published) << 3
        | handling << 4
}

pub(super) fn unpack_options(packed: u8, id: Option<u32>) -> SubscriptionOptions {
    SubscriptionOptions {
        qos: QoS::from_bits(packed & 3).unwrap_or_default(),
        no_local: packed & 4 != 0,
        retain_as_published: packed & 8 != 0,
        retain_handling: match packed >> 4 {
            0 => RetainHandling::Send,
            1 => RetainHandling::SendIfNew,
            _ => RetainHandling::DoNotSend,
        },
        id,
    }
}

pub(super) fn pack_ids(ids: &[u32]) -> Vec<u8> {
    ids.iter().flat_map(|id| id.to_be_bytes()).collect()
}

pub(super) fn unpack_ids(packed: &[u8]) -> Arc<[u32]> {
    packed.chunks_exact(4).filter_map(|four| Some(u32::from_be_bytes(four.try_into().ok()?))).collect()
}

/// Properties as the PUBLISH of MQTT 5 that carries them and nothing else.
pub(super) fn pack_properties(properties: &MessageProperties) -> Vec<u8> {
    let content = PublishContent { topic: "p", properties: Some(properties), ..PublishContent::default() };
    let mut packed = Vec::new();
    if let Some(header) = PublishHeader::new(&content, Version::V5, false) {
        header.append(&mut packed, PublishFlags::default(), None, &[]);
    }
    packed
}

pub(super) fn unpack_properties(packed: &[u8]) -> Option<MessageProperties> {
    let limits =
        wire::Limits { packet_bytes: usize::MAX, user_properties: usize::MAX, ..wire::Limits::default() };
    let wire::Framed::Frame { first_byte, body } = wire::next_frame(packed, &limits).ok()? else {
        return None;
    };
    match wire::decode(first_byte, packed.get(body)?, Some(Version::V5), &limits).ok()? {
        Packet::Publish(publish) => publish.properties.map(|properties| *properties),
        _ => None,
    }
}

/// `kind`, or `kind:state:id`.
pub(super) fn pack_principal(principal: &Principal) -> String {
    match principal {
        Principal::Person { id, role } => format!("person:{}:{id}", role.as_str()),
        Principal::ApiKey { id, role } => format!("api-key:{}:{id}", role.as_str()),
        Principal::Device { id, trust } => format!("device:{}:{id}", trust.as_str()),
        Principal::Anonymous => "anonymous".to_owned(),
        Principal::Console => "console".to_owned(),
        Principal::System { reason } => format!("system::{reason}"),
    }
}

pub(super) fn unpack_principal(packed: &str) -> Option<Principal> {
    let mut parts = packed.splitn(3, ':');
    let (kind, state, id) =
        (parts.next()?, parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    Some(match kind {
        "person" => Principal::Person { id: id.into(), role: Role::parse(state)? },
        "api-key" => Principal::ApiKey { id: id.into(), role: Role::parse(state)? },
        "device" => Principal::Device { id: id.into(), trust: Trust::parse(state)? },
        "anonymous" => Principal::Anonymous,
        "console" => Principal::Console,
        // The box itself has no session.
        _ => return None,
    })
}
