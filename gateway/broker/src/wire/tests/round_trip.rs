//! What we write, the codec library reads; what it writes, we read.
//!
//! Random valid packets (proptest), both versions.

use std::sync::Arc;

use bytes::Bytes;
use mqtt_proto::{PollHeader as _, v3, v5};
use proptest::prelude::*;

use super::*;

fn read_v5(bytes: &[u8]) -> v5::Packet {
    let Ok(Framed::Frame { first_byte, body }) = next_frame(bytes, &Limits::AUTHENTICATED) else {
        panic!("{}: a frame", hex(bytes))
    };
    let body = &bytes[body];
    let length = u32::try_from(body.len()).unwrap();
    let header = v5::Header::new_with(first_byte, length, length).unwrap();
    let mut offset = 0;
    let packet = header.decode_buffer(body, &mut offset).unwrap();
    assert_eq!(offset, body.len(), "{}", hex(bytes));
    packet
}

fn text() -> impl Strategy<Value = Arc<str>> {
    "[a-zA-Z0-9é \u{feff}/-]{0,12}".prop_map(Arc::from)
}

fn topic() -> impl Strategy<Value = Arc<str>> {
    "[a-z0-9é$ /-]{1,24}".prop_map(Arc::from)
}

fn user() -> impl Strategy<Value = UserProperties> {
    prop::collection::vec((text(), text()), 0..4)
}

fn message_properties() -> impl Strategy<Value = MessageProperties> {
    (
        prop::option::of(0_u8..=1),
        prop::option::of(any::<u32>()),
        prop::option::of(text()),
        prop::option::of(topic()),
        prop::option::of(prop::collection::vec(any::<u8>(), 0..20)),
        user(),
    )
        .prop_map(|(payload_format, message_expiry, content_type, response_topic, data, user)| {
            MessageProperties {
                payload_format,
                message_expiry,
                content_type,
                response_topic,
                correlation_data: data.map(Bytes::from),
                user,
            }
        })
}

proptest! {
    #[test]
    fn publish_survives(
        topic in topic(),
        payload in prop::collection::vec(any::<u8>(), 0..300),
        qos in 0_u8..=2,
        dup: bool,
        retain: bool,
        packet_id in 1_u16..,
        topic_alias in prop::option::of(1_u16..),
        properties in message_properties(),
    ) {
        let qos = QoS::from_bits(qos).unwrap();
        let packet_id = (qos > QoS::AtMostOnce).then(|| pid(packet_id));
        let dup = dup && packet_id.is_some();
        for version in [Version::V3, Version::V5] {
            let content = PublishContent {
                topic: &topic,
                payload_length: payload.len(),
                properties: Some(&properties),
                topic_alias,
                ..PublishContent::default()
            };
            let header = PublishHeader::new(&content, version, packet_id.is_some()).unwrap();
            let mut bytes = Vec::new();
            header.append(&mut bytes, PublishFlags { dup, retain, qos }, packet_id, &payload);
            prop_assert_eq!(bytes.len(), header.packet_length());
            let with_properties = version == Version::V5 && !properties.is_empty();
            let expected = Publish {
                topic: &topic,
                payload: &payload,
                qos,
                dup,
                retain,
                packet_id,
                topic_alias: topic_alias.filter(|_| version == Version::V5),
                properties: with_properties.then(|| Box::new(properties.clone())),
            };
            prop_assert_eq!(one(&bytes, Some(version)), Ok(Packet::Publish(expected)));
        }
    }

    #[test]
    fn connack_is_read_by_the_library(
        present: bool,
        numbers in prop::collection::vec(1_u16.., 3),
        size in 1_u32..,
        texts in prop::collection::vec(prop::option::of(text()), 5),
        user in user(),
    ) {
        let connack = Connack {
            session_present: present,
            code: ReasonCode::SUCCESS,
            properties: ConnackProperties {
                session_expiry: Some(size),
                receive_maximum: Some(numbers[0]),
                maximum_qos: Some(1),
                retain_available: Some(true),
                maximum_packet_size: Some(size),
                assigned_client_id: texts[0].clone(),
                topic_alias_maximum: Some(numbers[1]),
                reason: texts[1].clone(),
                wildcard_subscription_available: Some(true),
                subscription_ids_available: Some(true),
                shared_subscription_available: Some(false),
                server_keep_alive: Some(numbers[2]),
                response_information: texts[2].clone(),
                server_reference: texts[3].clone(),
                authentication_method: texts[4].clone(),
                authentication_data: texts[4].as_ref().map(|text| Bytes::copy_from_slice(text.as_bytes())),
                user: user.clone(),
            },
        };
        let mut bytes = Vec::new();
        encode_connack(&mut bytes, &connack, Version::V5);
        let v5::Packet::Connack(read) = read_v5(&bytes) else { panic!("CONNACK") };
        prop_assert_eq!(read.session_present, present);
        prop_assert_eq!(read.properties.receive_max, Some(numbers[0]));
        prop_assert_eq!(read.properties.max_packet_size, Some(size));
        prop_assert_eq!(read.properties.assigned_client_id, texts[0].clone());
        prop_assert_eq!(read.properties.reason_string, texts[1].clone());
        prop_assert_eq!(read.properties.server_keep_alive, Some(numbers[2]));
        prop_assert_eq!(read.properties.auth_method, texts[4].clone());
        prop_assert_eq!(read.properties.user_properties.len(), user.len());
    }

    #[test]
    fn suback_unsuback_and_disconnect_are_read_by_the_library(
        packet_id in 1_u16..,
        reason in prop::option::of(text()),
        count in 1_usize..100,
        user in user(),
    ) {
        let codes: Vec<_> = [0x00, 0x01, 0x02, 0x80, 0x87].iter().cycle().take(count).map(|&code| ReasonCode(code)).collect();
        let mut bytes = Vec::new();
        encode_suback(&mut bytes, &Suback { packet_id: pid(packet_id), codes, reason: reason.clone() }, Version::V5);
        let v5::Packet::Suback(read) = read_v5(&bytes) else { panic!("SUBACK") };
        prop_assert_eq!((read.pid.value(), read.topics.len()), (packet_id, count));
        prop_assert_eq!(read.properties.reason_string, reason.clone());

        let codes = vec![ReasonCode::NO_SUBSCRIPTION_EXISTED; count];
        let mut bytes = Vec::new();
        encode_unsuback(&mut bytes, &Unsuback { packet_id: pid(packet_id), codes, reason: reason.clone() }, Version::V5);
        let v5::Packet::Unsuback(read) = read_v5(&bytes) else { panic!("UNSUBACK") };
        prop_assert_eq!((read.pid.value(), read.topics.len()), (packet_id, count));

        let mut bytes = Vec::new();
        let disconnect = Disconnect { reason: reason.clone(), user: user.clone(), ..Disconnect::new(ReasonCode::SERVER_SHUTTING_DOWN) };
        encode_disconnect(&mut bytes, &disconnect, Version::V5);
        let v5::Packet::Disconnect(read) = read_v5(&bytes) else { panic!("DISCONNECT") };
        prop_assert_eq!(read.reason_code as u8, 0x8B);
        prop_assert_eq!(read.properties.reason_string, reason);
        prop_assert_eq!(read.properties.user_properties.len(), user.len());
    }

    #[test]
    fn what_the_library_writes_we_read(
        packet_id in 1_u16..,
        filters in prop::collection::vec(("[a-z]{1,8}(/[a-z+]){0,4}(/#)?", 0_u8..=2, 0_u8..=2), 1..20),
    ) {
        let library_qos = |level| mqtt_proto::QoS::from_u8(level).unwrap();
        let v3_topics = filters.iter().map(|(filter, qos, _)| (mqtt_proto::TopicFilter::try_from(filter.as_str()).unwrap(), library_qos(*qos))).collect();
        let bytes = v3::Packet::Subscribe(v3::Subscribe::new(packet_id.try_into().unwrap(), v3_topics)).encode().unwrap();
        let Ok(Packet::Subscribe(read)) = one(bytes.as_ref(), Some(Version::V3)) else { panic!("SUBSCRIBE") };
        let read: Vec<_> = read.filters.iter().map(|filter| (filter.filter.to_string(), filter.qos as u8)).collect();
        let expected: Vec<_> = filters.iter().map(|(filter, qos, _)| (filter.clone(), *qos)).collect();
        prop_assert_eq!(read, expected);

        let v5_topics = filters.iter().map(|(filter, qos, retain)| {
            let mut options = v5::SubscriptionOptions::new(library_qos(*qos));
            options.retain_handling = v5::RetainHandling::from_u8(*retain).unwrap();
            (mqtt_proto::TopicFilter::try_from(filter.as_str()).unwrap(), options)
        }).collect();
        let bytes = v5::Packet::Subscribe(v5::Subscribe::new(packet_id.try_into().unwrap(), v5_topics)).encode().unwrap();
        let Ok(Packet::Subscribe(read)) = one(bytes.as_ref(), Some(Version::V5)) else { panic!("SUBSCRIBE") };
        prop_assert_eq!(read.filters.len(), filters.len());
        prop_assert!(read.filters.iter().all(|filter| filter.retain_as_published));
    }

    #[test]
    fn any_bytes_break_nothing(data in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzz_decode(&data);
    }
}

#[test]
fn text_too_long_for_its_length_field_is_cut_at_a_character() {
    let mut out = Vec::new();
    writer::put_text(&mut out, &"é".repeat(40_000));
    assert_eq!(out.len(), 2 + 65_534);
    assert!(std::str::from_utf8(&out[2..]).is_ok());
}
