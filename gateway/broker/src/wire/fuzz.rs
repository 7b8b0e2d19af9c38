//! Fuzz body of the wire module: any bytes in, no panic, and what was accepted holds its promises.
//!
//! Called by the fuzz target and by the seeded mutator in the tests. Not a parser of its own.

use super::decode::decode;
use super::frame::{Framed, next_frame};
use super::limits::Limits;
use super::packet::{Packet, Publish, QoS, Version};
use super::publish_out::{PublishContent, PublishFlags, PublishHeader};
use super::topic::{check_filter, check_topic};

/// Reads `data` as a stream of one client: the first byte chooses the version, the rest is packets.
///
/// # Panics
/// When an accepted packet breaks an invariant of this module: that is the finding.
pub fn fuzz_decode(data: &[u8]) {
    let Some((choice, mut stream)) = data.split_first() else {
        return;
    };
    let version = match choice % 3 {
        0 => None,
        1 => Some(Version::V3),
        _ => Some(Version::V5),
    };
    let limits = if choice & 0x80 == 0 { Limits::AUTHENTICATED } else { Limits::BEFORE_AUTH };
    while let Ok(Framed::Frame { first_byte, body }) = next_frame(stream, &limits) {
        let Some((packet, rest)) = stream.split_at_checked(body.end) else {
            return;
        };
        let Some(body) = packet.get(body) else {
            return;
        };
        if let Ok(packet) = decode(first_byte, body, version, &limits) {
            check(&packet, version, &limits);
        }
        stream = rest;
    }
}

fn check(packet: &Packet<'_>, version: Option<Version>, limits: &Limits) {
    match packet {
        Packet::Connect(connect) => {
            assert!(!connect.client_id.contains('\0'), "U+0000 in a client id");
            if let Some(will) = &connect.will {
                assert_eq!(check_topic(&will.topic, limits.topic_levels), Ok(()), "will topic");
            }
        }
        Packet::Publish(publish) => check_publish(publish, version, limits),
        Packet::Subscribe(subscribe) => {
            assert!(!subscribe.filters.is_empty() && subscribe.filters.len() <= limits.filters);
            for filter in &subscribe.filters {
                assert_eq!(check_filter(&filter.filter, limits.topic_levels), Ok(()), "filter");
            }
        }
        Packet::Unsubscribe(unsubscribe) => {
            assert!(!unsubscribe.filters.is_empty() && unsubscribe.filters.len() <= limits.filters);
        }
        _ => {}
    }
}

/// An accepted PUBLISH comes back the same from its own encoding.
fn check_publish(publish: &Publish<'_>, version: Option<Version>, limits: &Limits) {
    let version = version.unwrap_or(Version::V3);
    assert_eq!(publish.packet_id.is_some(), publish.qos > QoS::AtMostOnce, "packet identifier");
    assert!(!publish.topic.is_empty() || publish.topic_alias.is_some(), "empty topic");
    let content = PublishContent {
        topic: publish.topic,
        payload_length: publish.payload.len(),
        properties: publish.properties.as_deref(),
        topic_alias: publish.topic_alias,
        ..PublishContent::default()
    };
    let flags = PublishFlags { dup: publish.dup, retain: publish.retain, qos: publish.qos };
    let Some(header) = PublishHeader::new(&content, version, publish.packet_id.is_some()) else {
        return;
    };
    let mut bytes = Vec::new();
    header.append(&mut bytes, flags, publish.packet_id, publish.payload);
    assert_eq!(bytes.len(), header.packet_length(), "length");
    let larger = Limits { packet_bytes: bytes.len(), ..*limits };
    let Ok(Framed::Frame { first_byte, body }) = next_frame(&bytes, &larger) else {
        panic!("own encoding of {publish:?} is not a frame");
    };
    let again = bytes.get(body).map(|body| decode(first_byte, body, Some(version), &larger));
    assert_eq!(again, Some(Ok(Packet::Publish(publish.clone()))), "own encoding reads differently");
}
