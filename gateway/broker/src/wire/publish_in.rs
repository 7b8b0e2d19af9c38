//! PUBLISH of a client, decoded by hand because it is the hot path (MQTT 5 §3.3).
//!
//! Not the alias table and not permission. Invariants: topic and payload are borrowed; a message without
//! properties allocates nothing; the topic is valid, or empty with an alias in 5.0.

use bytes::Bytes;

use super::limits::Limits;
use super::packet::{MessageProperties, Publish, QoS, Version};
use super::properties::{Allowed, Properties, Value, id};
use super::reader::Reader;
use super::reason::{Malformed, Reason, TopicFault};
use super::topic::check_topic;

const ALLOWED: Allowed = Allowed::of(&[
    id::PAYLOAD_FORMAT,
    id::MESSAGE_EXPIRY,
    id::CONTENT_TYPE,
    id::RESPONSE_TOPIC,
    id::CORRELATION_DATA,
    id::SUBSCRIPTION_ID,
    id::TOPIC_ALIAS,
]);

/// Decodes the body; the flags of `first_byte` have passed framing.
#[inline]
pub(super) fn decode_publish<'a>(
    first_byte: u8,
    body: &'a [u8],
    version: Version,
    limits: &Limits,
) -> Result<Publish<'a>, Malformed> {
    let qos = QoS::from_bits((first_byte >> 1) & 0b11)
        .ok_or(Malformed { reason: Reason::Bytes("PUBLISH with QoS 3") })?;
    let dup = first_byte & 0b1000 != 0;
    if dup && qos == QoS::AtMostOnce {
        return Err(Reason::Bytes("PUBLISH with DUP and QoS 0").into());
    }
    let mut reader = Reader::new(body);
    let topic = std::str::from_utf8(reader.bytes()?)
        .map_err(|_| Malformed { reason: Reason::Bytes("topic is not UTF-8") })?;
    let packet_id = if qos == QoS::AtMostOnce { None } else { Some(reader.packet_id()?) };
    let more = match version {
        Version::V3 => More::default(),
        Version::V5 => read_properties(&mut reader, limits)?,
    };
    match check_topic(topic, limits.topic_levels) {
        Err(TopicFault::Empty) if more.topic_alias.is_some() => {}
        Err(TopicFault::Empty) if version == Version::V5 => {
            return Err(Reason::Protocol("PUBLISH with neither topic nor topic alias").into());
        }
        checked => checked.map_err(|fault| Malformed { reason: Reason::Topic(fault) })?,
    }
    if more.from_server {
        return Err(Reason::ServerOnly.into());
    }
    Ok(Publish {
        topic,
        payload: reader.rest(),
        qos,
        dup,
        retain: first_byte & 1 != 0,
        packet_id,
        topic_alias: more.topic_alias,
        properties: more.properties,
    })
}

#[derive(Default)]
struct More {
    topic_alias: Option<u16>,
    properties: Option<Box<MessageProperties>>,
    /// A subscription identifier: well formed, only a server may send it (MQTT-3.3.4-6).
    from_server: bool,
}

fn read_properties(reader: &mut Reader<'_>, limits: &Limits) -> Result<More, Malformed> {
    let mut block = Properties::take(reader, ALLOWED, limits)?;
    let mut more = More::default();
    while let Some((id, value)) = block.next()? {
        match (id, value) {
            (id::TOPIC_ALIAS, Value::Two(alias)) => more.topic_alias = Some(alias),
            (id::SUBSCRIPTION_ID, _) => {
                more.from_server = true;
                block.allow_again(id::SUBSCRIPTION_ID);
            }
            _ => set(more.properties.get_or_insert_default(), id, value)?,
        }
    }
    Ok(more)
}

fn set(properties: &mut MessageProperties, id: u8, value: Value<'_>) -> Result<(), Malformed> {
    match (id, value) {
        (id::PAYLOAD_FORMAT, Value::Byte(format)) => properties.payload_format = Some(format),
        (id::MESSAGE_EXPIRY, Value::Four(seconds)) => properties.message_expiry = Some(seconds),
        (id::CONTENT_TYPE, Value::Text(text)) => properties.content_type = Some(text.into()),
        (id::RESPONSE_TOPIC, Value::Text(text)) => properties.response_topic = Some(text.into()),
        (id::CORRELATION_DATA, Value::Binary(data)) => {
            properties.correlation_data = Some(Bytes::copy_from_slice(data));
        }
        (_, Value::Pair(name, value)) => properties.user.push((name.into(), value.into())),
        _ => return Err(Reason::Bytes("a property that this packet cannot carry").into()),
    }
    Ok(())
}
