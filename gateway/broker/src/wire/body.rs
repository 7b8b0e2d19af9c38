//! The codec library's part: bodies that passed the guard, read by mqtt-proto and taken into our types.
//!
//! The only file that names the library outside tests; a swap of it changes this file alone. Uses its
//! synchronous body path only: its stream path reads malformed frames as "need more" and reserves by the
//! length field. Invariant: an "end of file" of the library is a malformed packet.

use mqtt_proto::{Error, PollHeader, v3, v5};

use super::packet::{
    Ack, Auth, Connect, ConnectProperties, Disconnect, MessageProperties, PacketId, QoS, RetainHandling,
    Subscribe, SubscribeFilter, Unsubscribe, UserProperties, Version, Will,
};
use super::reason::{Malformed, Reason, ReasonCode};

const CONNECT: u8 = 0x10;

fn read<H: PollHeader>(first_byte: u8, body: &[u8]) -> Result<H::Packet, Malformed>
where
    Malformed: FromCodec<H::Error>,
{
    let length = u32::try_from(body.len()).map_err(|_| Malformed { reason: Reason::TooLarge })?;
    let header = H::new_with(first_byte, length, length).map_err(Malformed::from_codec)?;
    if body.is_empty() {
        return header.build_empty_packet().ok_or_else(unexpected);
    }
    let mut offset = 0;
    let packet = header.decode_buffer(body, &mut offset).map_err(Malformed::from_codec)?;
    if offset == body.len() { Ok(packet) } else { Err(Reason::Bytes("bytes after the last field").into()) }
}

/// What the guard should have refused; malformed all the same.
fn unexpected() -> Malformed {
    Reason::Bytes("body does not fit the packet type").into()
}

pub(super) fn connect(body: &[u8], version: Version) -> Result<Connect, Malformed> {
    match version {
        Version::V3 => match read::<v3::Header>(CONNECT, body)? {
            v3::Packet::Connect(connect) => Ok(connect_v3(connect)),
            _ => Err(unexpected()),
        },
        Version::V5 => match read::<v5::Header>(CONNECT, body)? {
            v5::Packet::Connect(connect) => Ok(connect_v5(connect)),
            _ => Err(unexpected()),
        },
    }
}

fn connect_v3(connect: v3::Connect) -> Connect {
    Connect {
        version: Version::V3,
        clean_start: connect.clean_session,
        keep_alive: connect.keep_alive,
        client_id: connect.client_id,
        will: connect.last_will.map(|will| Will {
            topic: (*will.topic_name).into(),
            payload: will.message,
            qos: qos(will.qos),
            retain: will.retain,
            delay: None,
            properties: MessageProperties::default(),
        }),
        username: connect.username,
        password: connect.password,
        properties: ConnectProperties::default(),
    }
}

fn connect_v5(connect: v5::Connect) -> Connect {
    let properties = connect.properties;
    Connect {
        version: Version::V5,
        clean_start: connect.clean_start,
        keep_alive: connect.keep_alive,
        client_id: connect.client_id,
        will: connect.last_will.map(|will| Will {
            topic: (*will.topic_name).into(),
            payload: will.payload,
            qos: qos(will.qos),
            retain: will.retain,
            delay: will.properties.delay_interval,
            properties: MessageProperties {
                payload_format: will.properties.payload_is_utf8.map(u8::from),
                message_expiry: will.properties.message_expiry_interval,
                content_type: will.properties.content_type,
                response_topic: will.properties.response_topic.map(|topic| (*topic).into()),
                correlation_data: will.properties.correlation_data,
                user: user(will.properties.user_properties),
            },
        }),
        username: connect.username,
        password: connect.password,
        properties: ConnectProperties {
            session_expiry: properties.session_expiry_interval,
            receive_maximum: properties.receive_max,
            maximum_packet_size: properties.max_packet_size,
            topic_alias_maximum: properties.topic_alias_max,
            request_response_information: properties.request_response_info,
            request_problem_information: properties.request_problem_info,
            authentication_method: properties.auth_method,
            authentication_data: properties.auth_data,
            user: user(properties.user_properties),
        },
    }
}

/// Acknowledgements of 5.0 with a reason code.
pub(super) fn ack(first_byte: u8, body: &[u8]) -> Result<Ack, Malformed> {
    let (pid, code, reason, properties) = match read::<v5::Header>(first_byte, body)? {
        v5::Packet::Puback(ack) => {
            (ack.pid, ack.reason_code as u8, ack.properties.reason_string, ack.properties.user_properties)
        }
        v5::Packet::Pubrec(ack) => {
            (ack.pid, ack.reason_code as u8, ack.properties.reason_string, ack.properties.user_properties)
        }
        v5::Packet::Pubrel(ack) => {
            (ack.pid, ack.reason_code as u8, ack.properties.reason_string, ack.properties.user_properties)
        }
        v5::Packet::Pubcomp(ack) => {
            (ack.pid, ack.reason_code as u8, ack.properties.reason_string, ack.properties.user_properties)
        }
        _ => return Err(unexpected()),
    };
    Ok(Ack { packet_id: packet_id(pid)?, code: ReasonCode(code), reason, user: user(properties) })
}

pub(super) fn subscribe(first_byte: u8, body: &[u8], version: Version) -> Result<Subscribe, Malformed> {
    match version {
        Version::V3 => match read::<v3::Header>(first_byte, body)? {
            v3::Packet::Subscribe(subscribe) => Ok(Subscribe {
                packet_id: packet_id(subscribe.pid)?,
                filters: subscribe
                    .topics
                    .into_iter()
                    .map(|(filter, level)| SubscribeFilter {
                        filter: (*filter).into(),
                        qos: qos(level),
                        no_local: false,
                        retain_as_published: false,
                        retain_handling: RetainHandling::Send,
                    })
                    .collect(),
                subscription_id: None,
                user: Vec::new(),
            }),
            _ => Err(unexpected()),
        },
        Version::V5 => match read::<v5::Header>(first_byte, body)? {
            v5::Packet::Subscribe(subscribe) => Ok(Subscribe {
                packet_id: packet_id(subscribe.pid)?,
                filters: subscribe.topics.into_iter().map(filter_v5).collect(),
                subscription_id: subscribe.properties.subscription_id.map(v5::VarByteInt::value),
                user: user(subscribe.properties.user_properties),
            }),
            _ => Err(unexpected()),
        },
    }
}

fn filter_v5((filter, options): (mqtt_proto::TopicFilter, v5::SubscriptionOptions)) -> SubscribeFilter {
    SubscribeFilter {
        filter: (*filter).into(),
        qos: qos(options.max_qos),
        no_local: options.no_local,
        retain_as_published: options.retain_as_published,
        retain_handling: match options.retain_handling {
            v5::RetainHandling::SendAtSubscribe => RetainHandling::Send,
            v5::RetainHandling::SendAtSubscribeIfNotExist => RetainHandling::SendIfNew,
            v5::RetainHandling::DoNotSend => RetainHandling::DoNotSend,
        },
    }
}

pub(super) fn unsubscribe(first_byte: u8, body: &[u8], version: Version) -> Result<Unsubscribe, Malformed> {
    let (pid, topics, properties) = match version {
        Version::V3 => match read::<v3::Header>(first_byte, body)? {
            v3::Packet::Unsubscribe(unsubscribe) => (unsubscribe.pid, unsubscribe.topics, Vec::new()),
            _ => return Err(unexpected()),
        },
        Version::V5 => match read::<v5::Header>(first_byte, body)? {
            v5::Packet::Unsubscribe(unsubscribe) => {
                (unsubscribe.pid, unsubscribe.topics, unsubscribe.properties.user_properties)
            }
            _ => return Err(unexpected()),
        },
    };
    Ok(Unsubscribe {
        packet_id: packet_id(pid)?,
        filters: topics.into_iter().map(|filter| (*filter).into()).collect(),
        user: user(properties),
    })
}

pub(super) fn disconnect(first_byte: u8, body: &[u8], version: Version) -> Result<Disconnect, Malformed> {
    if version == Version::V3 {
        return Ok(Disconnect::new(ReasonCode::SUCCESS));
    }
    match read::<v5::Header>(first_byte, body)? {
        v5::Packet::Disconnect(disconnect) => Ok(Disconnect {
            code: ReasonCode(disconnect.reason_code as u8),
            session_expiry: disconnect.properties.session_expiry_interval,
            reason: disconnect.properties.reason_string,
            server_reference: disconnect.properties.server_reference,
            user: user(disconnect.properties.user_properties),
        }),
        _ => Err(unexpected()),
    }
}

pub(super) fn auth(first_byte: u8, body: &[u8]) -> Result<Auth, Malformed> {
    match read::<v5::Header>(first_byte, body)? {
        v5::Packet::Auth(auth) => Ok(Auth {
            code: ReasonCode(auth.reason_code as u8),
            method: auth.properties.auth_method,
            data: auth.properties.auth_data,
            reason: auth.properties.reason_string,
            user: user(auth.properties.user_properties),
        }),
        _ => Err(unexpected()),
    }
}

fn qos(level: mqtt_proto::QoS) -> QoS {
    match level {
        mqtt_proto::QoS::Level0 => QoS::AtMostOnce,
        mqtt_proto::QoS::Level1 => QoS::AtLeastOnce,
        mqtt_proto::QoS::Level2 => QoS::ExactlyOnce,
    }
}

fn packet_id(pid: mqtt_proto::Pid) -> Result<PacketId, Malformed> {
    PacketId::new(pid.value()).ok_or_else(unexpected)
}

fn user(properties: Vec<v5::UserProperty>) -> UserProperties {
    properties.into_iter().map(|property| (property.name, property.value)).collect()
}

/// The library's errors in our words.
trait FromCodec<E> {
    fn from_codec(error: E) -> Self;
}

impl FromCodec<Error> for Malformed {
    fn from_codec(error: Error) -> Self {
        Reason::Bytes(match error {
            Error::InvalidString => "text is not UTF-8",
            Error::ZeroPid => "packet identifier 0",
            Error::InvalidQos(_) => "QoS 3",
            Error::InvalidTopicName(_) => "topic breaks the rules",
            Error::InvalidTopicFilter(_) => "filter breaks the rules",
            Error::IoError(_) => "a field runs past the end of the packet",
            _ => "body does not fit the packet type",
        })
        .into()
    }
}

impl FromCodec<v5::ErrorV5> for Malformed {
    fn from_codec(error: v5::ErrorV5) -> Self {
        match error {
            v5::ErrorV5::Common(common) => Self::from_codec(common),
            v5::ErrorV5::InvalidPayloadFormat => Reason::PayloadFormat.into(),
            v5::ErrorV5::InvalidReasonCode(..) => {
                Reason::Bytes("a reason code that this packet cannot carry").into()
            }
            v5::ErrorV5::DuplicatedProperty(_) => Reason::Protocol("a property stands twice").into(),
            _ => Reason::Bytes("property block is malformed").into(),
        }
    }
}
