//! CONNECT, sessions, keep-alive, take-over, DISCONNECT.

use super::harness::{World, connect, filter, publish, resuming};
use crate::core::{Input, Version};
use crate::limits::Limits;
use crate::wire::{
    self, Connect, ConnectProperties, Disconnect, Packet, QoS, Reason, ReasonCode, Version::*,
};

const V5_CONNACK: &str = " receive-maximum=1024 alias-maximum=64 packet-size=1114112 shared=0";

/// CONNACK of 5.0 as a set of its properties.
fn has(answer: &str, parts: &[&str]) -> bool {
    parts.iter().all(|part| answer.contains(part))
}

#[test]
fn connack_tells_what_the_broker_can() {
    let mut world = World::new();
    assert_eq!(world.connect(connect("three", V3)), ["CONNACK present=false 0x00"]);

    let answers = world.connect(Connect { keep_alive: 60, ..connect("five", V5) });
    assert!(has(&answers[0], &V5_CONNACK.split_whitespace().collect::<Vec<_>>()), "{answers:?}");
    assert!(!has(&answers[0], &["assigned"]) && !has(&answers[0], &["keep-alive"]));
}

#[test]
fn an_empty_client_id_is_assigned_or_refused() {
    let mut world = World::new();
    let five = world.connect_as("a", connect("", V5));
    assert!(has(&five[0], &["assigned=auto-"]), "{five:?}");
    assert_eq!(world.connect_as("b", connect("", V3)), ["CONNACK present=false 0x00"]);

    let refused = world.connect_as("c", Connect { clean_start: false, ..connect("", V3) });
    assert_eq!(refused, ["CONNACK present=false 0x02"]);
    assert!(world.closed.contains("c"));
}

#[test]
fn a_refused_client_is_told_in_its_own_version_and_closed() {
    let mut world = World::new();
    let wrong = |version: Version| Connect { username: Some("nobody".into()), ..connect("x", version) };
    assert_eq!(world.connect_as("three", wrong(V3)), ["CONNACK present=false 0x04"]);
    assert_eq!(world.connect_as("five", wrong(V5)), ["CONNACK present=false 0x86"]);
    assert!(world.closed.contains("three") && world.closed.contains("five"));
    assert_eq!(world.metrics.refused.get(), 2);
}

#[test]
fn enhanced_authentication_is_refused_with_its_own_code() {
    let mut world = World::new();
    let mut packet = connect("x", V5);
    packet.properties.authentication_method = Some("SCRAM".into());
    assert_eq!(world.connect(packet), ["CONNACK present=false 0x8c"]);
}

#[test]
fn other_protocol_levels_are_answered_in_the_form_they_can_read() {
    let mut world = World::new();
    for (name, level) in [("old", 3), ("bridge", 0x83), ("new", 6)] {
        world.open(name);
        let fault = Reason::UnsupportedVersion { level }.into();
        world.core.handle(world.now, Input::Malformed { conn: world.key(name), fault });
        world.settle();
    }
    world.expect("old", ["CONNACK present=false 0x01"]);
    world.expect("bridge", ["CONNACK present=false 0x01"]);
    world.expect("new", ["CONNACK present=false 0x84"]);
}

#[test]
fn a_persistent_session_is_resumed_with_its_subscriptions() {
    for version in [V3, V5] {
        let mut world = World::new();
        world.connect(resuming("s", version));
        world.subscribed("s", "a", QoS::AtLeastOnce);
        world.disconnects("s", ReasonCode::SUCCESS);
        world.online("p", V3);
        world.publishes("p", publish("a", "while away", QoS::AtLeastOnce, 5));
        world.expect("p", ["PUBACK 5"]);

        let answers = world.connect(resuming("s", version));
        assert!(answers[0].starts_with("CONNACK present=true 0x00"), "{answers:?}");
        assert_eq!(answers[1..], [r#"PUBLISH a q1 #1 "while away""#]);
        world.acks("s", wire::AckKind::Puback, 1);

        world.loses("s");
        let answers = world.connect(resuming("s", version));
        assert_eq!(answers.len(), 1, "acknowledged: not sent again");
    }
}

#[test]
fn a_clean_start_forgets_the_session() {
    let mut world = World::new();
    world.connect(resuming("s", V5));
    world.subscribed("s", "a", QoS::AtLeastOnce);
    world.loses("s");
    let answers = world.connect(Connect { clean_start: true, ..resuming("s", V5) });
    assert!(answers[0].starts_with("CONNACK present=false"));
    world.online("p", V3);
    world.publishes("p", publish("a", "x", QoS::AtMostOnce, 0));
    world.expect("s", []);
}

#[test]
fn a_session_ends_after_its_expiry() {
    let mut world = World::new();
    world.connect(resuming("s", V5));
    world.loses("s");
    world.forward(3_599);
    assert!(world.connect(resuming("s", V5))[0].starts_with("CONNACK present=true"));
    world.loses("s");
    world.forward(3_600);
    assert!(world.connect(resuming("s", V5))[0].starts_with("CONNACK present=false"));
}

#[test]
fn the_expiry_is_bounded_and_the_client_is_told() {
    let mut world = World::with(Limits { session_expiry_seconds: 100, ..Limits::default() });
    let answers = world.connect(resuming("s", V5));
    assert!(has(&answers[0], &["session-expiry=100"]), "{answers:?}");
}

#[test]
fn disconnect_may_change_the_expiry_but_not_raise_it_from_zero() {
    let mut world = World::new();
    world.connect(resuming("s", V5));
    let change = |seconds| {
        Packet::Disconnect(Disconnect {
            session_expiry: Some(seconds),
            ..Disconnect::new(ReasonCode::SUCCESS)
        })
    };
    world.says("s", change(0));
    assert!(world.connect(resuming("s", V5))[0].starts_with("CONNACK present=false"));

    world.online("clean", V5);
    world.says("clean", change(10));
    world.expect("clean", ["DISCONNECT 0x82"]);
}

#[test]
fn the_second_connection_of_a_client_id_ends_the_first() {
    let mut world = World::new();
    world.connect_as("first", connect("same", V5));
    world.connect_as("second", connect("same", V3));
    world.expect("first", ["DISCONNECT 0x8e"]);
    assert!(world.closed.contains("first") && !world.closed.contains("second"));
    world.says("second", Packet::Pingreq);
    world.expect("second", ["PINGRESP"]);
}

#[test]
fn silence_of_one_and_a_half_keep_alives_ends_the_connection() {
    let mut world = World::new();
    world.connect(Connect { keep_alive: 10, ..connect("k", V5) });
    world.forward(14);
    world.says("k", Packet::Pingreq);
    world.expect("k", ["PINGRESP"]);
    world.forward(14);
    assert!(!world.closed.contains("k"));
    world.forward(1);
    world.expect("k", ["DISCONNECT 0x8d"]);
    assert!(world.closed.contains("k"));
}

#[test]
fn the_keep_alive_of_5_0_is_clamped_and_told() {
    let mut world = World::new();
    let answers = world.connect(Connect { keep_alive: u16::MAX, ..connect("long", V5) });
    assert!(has(&answers[0], &[" keep-alive=3600"]), "{answers:?}");
    world.connect(connect("three", V3));
    world.forward(100_000);
    assert!(world.closed.contains("long") && !world.closed.contains("three"));
    world.expect("long", ["DISCONNECT 0x8d"]);
}

#[test]
fn packets_out_of_order_end_the_connection() {
    let mut world = World::new();
    world.open("early");
    world.says("early", Packet::Pingreq);
    assert!(world.closed.contains("early"));

    world.online("twice", V5);
    world.says("twice", Packet::Connect(Box::new(connect("twice", V5))));
    world.expect("twice", ["DISCONNECT 0x82"]);

    world.online("three", V3);
    world.says("three", Packet::Connect(Box::new(connect("three", V3))));
    world.expect("three", []);
    assert!(world.closed.contains("three"));
    assert_eq!(world.metrics.malformed.get(), 3);
}

#[test]
fn nothing_is_read_while_the_admission_is_asked() {
    let mut world = World::new();
    world.open("x");
    let conn = world.key("x");
    let packet = Packet::Connect(Box::new(connect("x", V3)));
    world.core.handle(world.now, Input::Packet { conn, packet });
    assert!(!world.core.may_read(conn));
    world.settle();
    assert!(world.core.may_read(conn));
    world.expect("x", ["CONNACK present=false 0x00"]);
}

#[test]
fn the_clients_packet_size_is_respected() {
    let mut world = World::new();
    let properties = ConnectProperties { maximum_packet_size: Some(40), ..ConnectProperties::default() };
    world.connect(Connect { properties, ..connect("small", V5) });
    world.subscribed("small", "a", QoS::AtLeastOnce);
    world.online("p", V5);
    world.publishes("p", publish("a", &"x".repeat(40), QoS::AtLeastOnce, 1));
    world.publishes("p", publish("a", &"x".repeat(40), QoS::AtMostOnce, 0));
    world.publishes("p", publish("a", "fits", QoS::AtLeastOnce, 2));
    world.expect("small", [r#"PUBLISH a q1 #2 "fits""#]);
    world.expect("p", ["PUBACK 1", "PUBACK 2"]);
    assert_eq!(world.metrics.dropped_large.get(), 2);
}

#[test]
fn several_filters_are_answered_one_by_one() {
    let mut world = World::new();
    world.online("s", V5);
    world.subscribes(
        "s",
        vec![
            filter("a", QoS::AtMostOnce),
            filter("$share/g/a", QoS::AtLeastOnce),
            filter("b", QoS::ExactlyOnce),
        ],
    );
    world.expect("s", ["SUBACK 1 [0, 158, 2]"]);
    world.unsubscribes("s", &["a", "never"]);
    world.expect("s", ["UNSUBACK 9 [0, 17]"]);
    world.online("three", V3);
    world.subscribes("three", vec![filter("$share/g/a", QoS::AtLeastOnce)]);
    world.expect("three", ["SUBACK 1 [128]"]);
}

#[test]
fn an_admission_that_comes_too_late_changes_nothing() {
    let mut world = World::new();
    world.open("x");
    let conn = world.key("x");
    let packet = Packet::Connect(Box::new(connect("x", V5)));
    world.core.handle(world.now, Input::Packet { conn, packet });
    let code = ReasonCode::MAXIMUM_CONNECT_TIME;
    world.core.handle(world.now, Input::Overdue { conn, limit: crate::Limit::Connect, code });
    world.settle();
    assert!(world.closed.contains("x"));
    world.expect("x", []);
    assert_eq!((world.core.sessions.len(), world.metrics.connected.get()), (0, 0));
}

#[test]
fn a_client_without_room_for_connack_is_refused_and_changes_nothing() {
    let mut world = World::new();
    world.online("c", V5);
    let tiny = |most| {
        let properties =
            ConnectProperties { maximum_packet_size: Some(most), ..ConnectProperties::default() };
        Connect { properties, ..connect("c", V5) }
    };
    assert_eq!(world.connect_as("five", tiny(5)), ["CONNACK present=false 0x83"]);
    assert_eq!(world.connect_as("four", tiny(4)), [""; 0]);
    assert!(world.closed.contains("five") && world.closed.contains("four"));
    world.says("c", Packet::Pingreq);
    world.expect("c", ["PINGRESP"]);
    let answer = world.connect_as("eleven", tiny(11));
    assert!(has(&answer[0], &["CONNACK present=false 0x00", " keep-alive=3600"]), "{answer:?}");
    world.expect("c", ["DISCONNECT 0x8e"]);
}

#[test]
fn a_client_without_room_for_an_answer_is_ended() {
    let mut world = World::new();
    let properties = ConnectProperties { maximum_packet_size: Some(12), ..ConnectProperties::default() };
    world.connect(Connect { properties, ..connect("small", V5) });
    let filters =
        |count: usize| (0..count).map(|number| filter(&number.to_string(), QoS::AtMostOnce)).collect();
    world.subscribes("small", filters(7));
    world.expect("small", ["SUBACK 1 [0, 0, 0, 0, 0, 0, 0]"]);
    world.subscribes("small", filters(8));
    world.expect("small", ["DISCONNECT 0x95"]);
    assert!(world.closed.contains("small"));
}
