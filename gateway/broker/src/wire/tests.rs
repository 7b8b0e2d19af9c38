//! Tests of the wire module: vectors of the standard, real captures, golden bytes, round trips, mutation.
//!
//! Not session rules. The codec library stands in here as the other side: it reads what we write.

use super::*;

mod captures;
mod golden;
mod mutation;
mod round_trip;
mod vectors;

/// Folder of the recordings, or `None` after saying which test is skipped. With `CI=true` a missing folder
/// is a failure.
fn test_data(test: &str) -> Option<std::path::PathBuf> {
    use std::io::Write as _;
    if let Some(folder) = std::env::var_os("SITEWARDEN_TESTDATA") {
        return Some(folder.into());
    }
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{test}: SITEWARDEN_TESTDATA is not set");
    writeln!(std::io::stderr(), "skipped {test}: SITEWARDEN_TESTDATA is not set").unwrap();
    None
}

fn unhex(text: &str) -> Vec<u8> {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Decodes a buffer that holds exactly one packet.
fn one(bytes: &[u8], version: Option<Version>) -> Result<Packet<'_>, Malformed> {
    match next_frame(bytes, &Limits::AUTHENTICATED)? {
        Framed::Frame { first_byte, body } => {
            decode(first_byte, &bytes[body], version, &Limits::AUTHENTICATED)
        }
        Framed::Need(missing) => panic!("{}: {missing} bytes missing", hex(bytes)),
    }
}

fn pid(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

#[test]
fn framing_waits_for_the_whole_packet_and_for_nothing_else() {
    let packet = unhex("30070003612f626869");
    for end in 0..packet.len() {
        match next_frame(&packet[..end], &Limits::AUTHENTICATED) {
            Ok(Framed::Need(missing)) => assert!(missing >= 1 && end + missing <= packet.len(), "{end}"),
            other => panic!("{end}: {other:?}"),
        }
    }
    let two = [packet.clone(), packet.clone()].concat();
    assert_eq!(next_frame(&two, &Limits::AUTHENTICATED), Ok(Framed::Frame { first_byte: 0x30, body: 2..9 }));
}

#[test]
fn too_large_is_said_before_the_body_is_waited_for() {
    let limits = Limits { packet_bytes: 100, ..Limits::AUTHENTICATED };
    let large = next_frame(&unhex("3063"), &limits).expect_err("101 bytes");
    assert_eq!((large.reason, large.code()), (Reason::TooLarge, ReasonCode::PACKET_TOO_LARGE));
    assert_eq!(next_frame(&unhex("3062"), &limits), Ok(Framed::Need(98)));
    assert_eq!(next_frame(&unhex("30ffffff7f"), &limits).expect_err("256 MiB").reason, Reason::TooLarge);
    assert_eq!(next_frame(&unhex("30ffffff"), &limits), Ok(Framed::Need(1)));
}

#[test]
fn a_wrong_first_byte_is_refused_alone() {
    for first in ["00", "11", "16", "36", "38", "41", "47", "60", "80", "a0", "c1", "e1", "f2"] {
        let refused = next_frame(&unhex(first), &Limits::BEFORE_AUTH).expect_err(first);
        assert_eq!(refused.code(), ReasonCode::MALFORMED_PACKET, "{first}");
    }
}

#[test]
fn the_first_packet_must_be_connect() {
    let publish = one(&[0x30, 3, 0, 1, b'a'], None).expect_err("no CONNECT yet");
    assert_eq!(publish.code(), ReasonCode::PROTOCOL_ERROR);
}

#[test]
fn another_protocol_level_is_told_apart_from_a_broken_packet() {
    let level_9 = one(&unhex("100d00044d5154540902003c000161"), None).expect_err("level 9");
    assert_eq!(level_9.reason, Reason::UnsupportedVersion { level: 9 });
    let mqtt_31 = one(&unhex("100f00064d51497364700302003c000161"), None).expect_err("3.1");
    assert_eq!(mqtt_31.reason, Reason::UnsupportedVersion { level: 3 });
    assert_eq!(mqtt_31.code().to_v3_connack(), 1);
}

#[test]
fn user_properties_and_filters_are_capped() {
    let connect = |count: u8| {
        let block = [0x26, 0, 0, 0, 0].repeat(usize::from(count));
        let length = block.len();
        let mut body = unhex("00044d5154540502003c");
        body.extend([u8::try_from(length % 128).unwrap() | 0x80, u8::try_from(length / 128).unwrap()]);
        body.extend(block);
        body.extend(unhex("000161"));
        let mut packet = vec![0x10];
        writer::put_variable(&mut packet, body.len());
        packet.extend(body);
        packet
    };
    let limit = u8::try_from(limits::USER_PROPERTIES).unwrap();
    assert!(matches!(one(&connect(limit), None), Ok(Packet::Connect(_))));
    let refused = one(&connect(limit + 1), None).expect_err("65 user properties");
    assert_eq!(refused.reason, Reason::TooManyUserProperties);

    let subscribe = |count: usize| {
        let mut packet = vec![0x82];
        writer::put_variable(&mut packet, 2 + 4 * count);
        packet.extend([0, 1]);
        packet.extend([0, 1, b'a', 0].repeat(count));
        packet
    };
    assert!(one(&subscribe(limits::FILTERS), Some(Version::V3)).is_ok());
    let refused = one(&subscribe(limits::FILTERS + 1), Some(Version::V3)).expect_err("257 filters");
    assert_eq!(refused.reason, Reason::TooManyFilters);
}

/// MQTT 5 §1.5.4: text that is no UTF-8, or has U+0000, makes the packet malformed wherever it stands.
/// Wildcards in a topic are well formed and break the rules of names.
#[test]
fn text_that_is_ill_formed_makes_the_packet_malformed_wherever_it_stands() {
    // `XX` is one byte of a text; what is around it is valid.
    let packets = [
        ("client id", None, "100e00044d5154540502003c000001XX"),
        ("client id of 3.1.1", None, "100d00044d5154540402003c0001XX"),
        ("user name", None, "101100044d5154540582003c000001610001XX"),
        ("will topic", None, "101400044d5154540506003c00000161000001XX0000"),
        ("content type of a will", None, "101800044d5154540506003c0000016104030001XX0001610000"),
        ("user property of CONNECT", None, "101500044d5154540502003c07260001XX0001610001 61"),
        ("topic", Some(Version::V5), "30050001XX0078"),
        ("topic of QoS 1", Some(Version::V5), "32070001XX00010078"),
        ("topic of 3.1.1", Some(Version::V3), "30040001XX78"),
        ("content type", Some(Version::V5), "3009000161040300 01XX78"),
        ("response topic", Some(Version::V5), "3009000161040800 01XX78"),
        ("value of a user property", Some(Version::V5), "300c00016107260001610001XX78"),
        ("filter", Some(Version::V5), "82070001000001XX00"),
        ("filter of 3.1.1", Some(Version::V3), "820600010001XX00"),
        ("filter of UNSUBSCRIBE", Some(Version::V5), "a2060001000001XX"),
        ("reason of PUBACK", Some(Version::V5), "400800018004 1f0001XX"),
        ("reason of DISCONNECT", Some(Version::V5), "e00600041f0001XX"),
    ];
    for (place, version, packet) in packets {
        let with = |byte: &str| unhex(&packet.replace("XX", byte));
        assert!(one(&with("61"), version).is_ok(), "{place}: {:?}", one(&with("61"), version));
        for byte in ["00", "ff", "c3"] {
            let refused = one(&with(byte), version).expect_err(place);
            assert_eq!(refused.code(), ReasonCode::MALFORMED_PACKET, "{place} with {byte}: {refused}");
        }
    }
    let wildcard = one(&unhex("30050001230078"), Some(Version::V5)).expect_err("topic #");
    assert_eq!(wildcard.code(), ReasonCode::TOPIC_NAME_INVALID);
}

#[test]
fn topics_and_filters_follow_the_rules() {
    use TopicFault::{Empty, MultiLevel, Nul, Share, SingleLevel, TooDeep, Wildcard};
    let deep = vec!["l"; 200].join("/");
    let topics = [
        ("a/b", Ok(())),
        ("/", Ok(())),
        ("$SYS/x", Ok(())),
        ("é/ü", Ok(())),
        ("", Err(Empty)),
        ("a\0", Err(Nul)),
    ];
    for (topic, expected) in topics {
        assert_eq!(topic::check_topic(topic, 128), expected, "{topic:?}");
    }
    for topic in ["#", "+/b", "a+b", "a/#"] {
        assert_eq!(topic::check_topic(topic, 128), Err(Wildcard), "{topic:?}");
    }
    assert_eq!(topic::check_topic(&deep, 128), Err(TooDeep));
    assert_eq!(topic::check_topic(&vec!["l"; 128].join("/"), 128), Ok(()));
    let filters = [
        ("#", Ok(())),
        ("+", Ok(())),
        ("a/+/b/#", Ok(())),
        ("/+", Ok(())),
        ("$share/g/a/#", Ok(())),
        ("$share", Ok(())),
        ("$shared/x", Ok(())),
        ("a#", Err(MultiLevel)),
        ("a/#/b", Err(MultiLevel)),
        ("#/", Err(MultiLevel)),
        ("a/+b", Err(SingleLevel)),
        ("+a", Err(SingleLevel)),
        ("++", Err(SingleLevel)),
        ("", Err(Empty)),
        ("a\0", Err(Nul)),
        ("$share/", Err(Share)),
        ("$share/g", Err(Share)),
        ("$share/g/", Err(Share)),
        ("$share//a", Err(Share)),
        ("$share/+/a", Err(Share)),
        ("$share/g/a#", Err(MultiLevel)),
    ];
    for (filter, expected) in filters {
        assert_eq!(topic::check_filter(filter, 128), expected, "{filter:?}");
    }
    assert_eq!(topic::check_filter(&deep, 128), Err(TooDeep));
    assert_eq!(topic::split_share("$share/g/a/#"), Some(("g", "a/#")));
    assert_eq!(topic::split_share("share/g/a"), None);
}
