//! Golden bytes: each packet and its exact encoding, by the standard's text.
//!
//! If one of these fails, the code is wrong: do not change the bytes.

use std::sync::Arc;

use bytes::Bytes;

use super::*;

fn arc(text: &str) -> Arc<str> {
    text.into()
}

#[test]
fn connect_of_5_0_with_everything() {
    let bytes = unhex(
        "103900044d5154540502003c2b110000000a2100052700010000220003190117002600016b0001762600016b0001761500016d1600020001000161",
    );
    let pair = (arc("k"), arc("v"));
    let expected = Connect {
        version: Version::V5,
        clean_start: true,
        keep_alive: 60,
        client_id: arc("a"),
        will: None,
        username: None,
        password: None,
        properties: ConnectProperties {
            session_expiry: Some(10),
            receive_maximum: Some(5),
            maximum_packet_size: Some(65_536),
            topic_alias_maximum: Some(3),
            request_response_information: Some(true),
            request_problem_information: Some(false),
            authentication_method: Some(arc("m")),
            authentication_data: Some(Bytes::from_static(&[0, 1])),
            user: vec![pair.clone(), pair],
        },
    };
    assert_eq!(one(&bytes, None), Ok(Packet::Connect(Box::new(expected))));
}

#[test]
fn connect_of_3_1_1_with_will_and_credential() {
    let bytes = unhex("101f00044d51545404ee003c00036369640003772f740003627965000175000170");
    let expected = Connect {
        version: Version::V3,
        clean_start: true,
        keep_alive: 60,
        client_id: arc("cid"),
        will: Some(Will {
            topic: arc("w/t"),
            payload: Bytes::from_static(b"bye"),
            qos: QoS::AtLeastOnce,
            retain: true,
            delay: None,
            properties: MessageProperties::default(),
        }),
        username: Some(arc("u")),
        password: Some(Bytes::from_static(b"p")),
        properties: ConnectProperties::default(),
    };
    assert_eq!(one(&bytes, None), Ok(Packet::Connect(Box::new(expected))));
}

#[test]
fn will_of_5_0_with_everything() {
    let bytes = unhex(
        "103400044d5154540536003c000001611f1800000003010102000000090300017408000172090001632600016b00017600017700016d",
    );
    let Ok(Packet::Connect(connect)) = one(&bytes, None) else { panic!("CONNECT") };
    let expected = Will {
        topic: arc("w"),
        payload: Bytes::from_static(b"m"),
        qos: QoS::ExactlyOnce,
        retain: true,
        delay: Some(3),
        properties: MessageProperties {
            payload_format: Some(1),
            message_expiry: Some(9),
            content_type: Some(arc("t")),
            response_topic: Some(arc("r")),
            correlation_data: Some(Bytes::from_static(b"c")),
            user: vec![(arc("k"), arc("v"))],
        },
    };
    assert_eq!(connect.will, Some(expected));
}

#[test]
fn publish_with_everything() {
    let bytes = unhex(
        "323100016100072901010200000009230003080003722f74090001ff2600016b0001762600016b000176030004746578746869",
    );
    let pair = (arc("k"), arc("v"));
    let expected = Publish {
        topic: "a",
        payload: b"hi",
        qos: QoS::AtLeastOnce,
        dup: false,
        retain: false,
        packet_id: Some(pid(7)),
        topic_alias: Some(3),
        properties: Some(Box::new(MessageProperties {
            payload_format: Some(1),
            message_expiry: Some(9),
            content_type: Some(arc("text")),
            response_topic: Some(arc("r/t")),
            correlation_data: Some(Bytes::from_static(&[0xFF])),
            user: vec![pair.clone(), pair],
        })),
    };
    assert_eq!(one(&bytes, Some(Version::V5)), Ok(Packet::Publish(expected)));
}

#[test]
fn subscribe_and_unsubscribe() {
    let filter = |filter: &str, qos| SubscribeFilter {
        filter: arc(filter),
        qos,
        no_local: false,
        retain_as_published: false,
        retain_handling: RetainHandling::Send,
    };
    let Ok(Packet::Subscribe(v3)) =
        one(&unhex("821200010005612f2b2f62000001230100012b02"), Some(Version::V3))
    else {
        panic!("SUBSCRIBE")
    };
    assert_eq!(
        v3.filters,
        [filter("a/+/b", QoS::AtMostOnce), filter("#", QoS::AtLeastOnce), filter("+", QoS::ExactlyOnce)]
    );
    let Ok(Packet::Subscribe(v5)) = one(&unhex("82090001020b050001612e"), Some(Version::V5)) else {
        panic!("SUBSCRIBE")
    };
    assert_eq!((v5.packet_id, v5.subscription_id), (pid(1), Some(5)));
    assert_eq!(
        v5.filters,
        [SubscribeFilter {
            filter: arc("a"),
            qos: QoS::ExactlyOnce,
            no_local: true,
            retain_as_published: true,
            retain_handling: RetainHandling::DoNotSend,
        }]
    );
    let Ok(Packet::Unsubscribe(unsubscribe)) =
        one(&unhex("a20d0001072600016b000176000161"), Some(Version::V5))
    else {
        panic!("UNSUBSCRIBE")
    };
    assert_eq!((&*unsubscribe.filters, unsubscribe.user.len()), (&[arc("a")][..], 1));
}

#[test]
fn acknowledgements_in_both_directions() {
    let plain = Ack::new(pid(0x0102), ReasonCode::SUCCESS);
    let refused = Ack::new(pid(1), ReasonCode::NOT_AUTHORIZED);
    let told = Ack { reason: Some(arc("why")), ..refused.clone() };
    let cases = [
        (AckKind::Puback, &plain, Version::V3, "40020102"),
        (AckKind::Pubrec, &plain, Version::V5, "50020102"),
        (AckKind::Pubrel, &plain, Version::V5, "62020102"),
        (AckKind::Pubcomp, &plain, Version::V3, "70020102"),
        (AckKind::Puback, &refused, Version::V5, "4003000187"),
        (AckKind::Puback, &refused, Version::V3, "40020001"),
        (AckKind::Pubrec, &told, Version::V5, "500a000187061f0003776879"),
        (AckKind::Pubrec, &told, Version::V3, "50020001"),
    ];
    for (kind, ack, version, bytes) in cases {
        let mut out = Vec::new();
        encode_ack(&mut out, kind, ack, version);
        assert_eq!(hex(&out), bytes);
        let Ok(
            Packet::Puback(again) | Packet::Pubrec(again) | Packet::Pubrel(again) | Packet::Pubcomp(again),
        ) = one(&out, Some(version))
        else {
            panic!("{bytes}: an acknowledgement")
        };
        let expected =
            if version == Version::V3 { Ack::new(ack.packet_id, ReasonCode::SUCCESS) } else { ack.clone() };
        assert_eq!(again, expected, "{bytes}");
    }
}

#[test]
fn connack() {
    let mut connack = Connack {
        session_present: true,
        code: ReasonCode::SUCCESS,
        properties: ConnackProperties::default(),
    };
    let bytes = |connack: &Connack, version| {
        let mut out = Vec::new();
        encode_connack(&mut out, connack, version);
        hex(&out)
    };
    assert_eq!(bytes(&connack, Version::V3), "20020100");
    assert_eq!(bytes(&connack, Version::V5), "2003010000");
    connack.code = ReasonCode::NOT_AUTHORIZED;
    assert_eq!(bytes(&connack, Version::V3), "20020005");
    assert_eq!(bytes(&connack, Version::V5), "2003008700");
    connack.code = ReasonCode::SUCCESS;
    connack.properties = ConnackProperties {
        assigned_client_id: Some(arc("id")),
        topic_alias_maximum: Some(16),
        receive_maximum: Some(100),
        shared_subscription_available: Some(false),
        server_keep_alive: Some(30),
        ..ConnackProperties::default()
    };
    assert_eq!(bytes(&connack, Version::V5), "201301001021006412000269642200102a0013001e");
}

#[test]
fn suback_and_unsuback() {
    let suback = Suback {
        packet_id: pid(1),
        codes: vec![ReasonCode::granted(QoS::ExactlyOnce), ReasonCode::NOT_AUTHORIZED],
        reason: None,
    };
    let unsuback =
        Unsuback { packet_id: pid(1), codes: vec![ReasonCode::NO_SUBSCRIPTION_EXISTED], reason: None };
    let mut out = Vec::new();
    encode_suback(&mut out, &suback, Version::V3);
    encode_suback(&mut out, &suback, Version::V5);
    encode_unsuback(&mut out, &unsuback, Version::V3);
    encode_unsuback(&mut out, &unsuback, Version::V5);
    assert_eq!(hex(&out), "900400010280".to_owned() + "90050001000287" + "b0020001" + "b00400010011");
}

#[test]
fn disconnect_and_auth() {
    let mut out = Vec::new();
    encode_disconnect(&mut out, &Disconnect::new(ReasonCode::SESSION_TAKEN_OVER), Version::V3);
    assert!(out.is_empty(), "3.1.1 has no DISCONNECT from the server");
    encode_disconnect(&mut out, &Disconnect::new(ReasonCode::SUCCESS), Version::V5);
    encode_disconnect(&mut out, &Disconnect::new(ReasonCode::SESSION_TAKEN_OVER), Version::V5);
    let told = Disconnect { reason: Some(arc("x")), ..Disconnect::new(ReasonCode::QUOTA_EXCEEDED) };
    encode_disconnect(&mut out, &told, Version::V5);
    assert_eq!(hex(&out), "e000".to_owned() + "e0018e" + "e00697041f000178");
    let auth = Auth {
        code: ReasonCode::CONTINUE_AUTHENTICATION,
        method: Some(arc("m")),
        data: Some(Bytes::from_static(b"d")),
        reason: None,
        user: Vec::new(),
    };
    let mut out = Vec::new();
    encode_auth(&mut out, &auth);
    assert_eq!(hex(&out), "f00a18081500016d16000164");
    assert_eq!(one(&out, Some(Version::V5)), Ok(Packet::Auth(Box::new(auth))));
}

#[test]
fn publish_out_is_encoded_once_and_patched() {
    let content = PublishContent { topic: "a/b", payload_length: 2, ..PublishContent::default() };
    let mut out = Vec::new();
    let plain = PublishHeader::new(&content, Version::V3, false).unwrap();
    plain.append(&mut out, PublishFlags { retain: true, ..PublishFlags::default() }, None, b"hi");
    let acknowledged = PublishHeader::new(&content, Version::V3, true).unwrap();
    let flags = PublishFlags { qos: QoS::AtLeastOnce, ..PublishFlags::default() };
    acknowledged.append(&mut out, flags, Some(pid(0x1234)), b"hi");
    let flags = PublishFlags { qos: QoS::ExactlyOnce, dup: true, ..PublishFlags::default() };
    acknowledged.append(&mut out, flags, Some(pid(9)), b"hi");
    let content = PublishContent { subscription_ids: &[1, 300], message_expiry: Some(5), ..content };
    let v5 = PublishHeader::new(&content, Version::V5, false).unwrap();
    v5.append(&mut out, PublishFlags::default(), None, b"hi");
    assert_eq!(
        hex(&out),
        "31070003612f626869".to_owned()
            + "32090003612f6212346869"
            + "3c090003612f6200096869"
            + "30120003612f620a02000000050b010bac026869"
    );
}
