//! What killed or fooled other brokers, each with an honest client beside it; [`KILLERS`] says where the test of
//! each stands.
//!
//! Those about bytes alone (wildcards in PUBLISH, NUL, UTF-8, depth) are tests of `wire`; the idle TLS
//! client is a test of the listener; wills past the ACL stand in `wills`.

use super::harness::{World, connect, filter, publish, resuming};
use crate::core::Input;
use crate::limits::Limits;
use crate::wire::{AckKind, Connect, Packet, Publish, QoS, Version::*};

/// What it is, and the text that its tests stand in with their names.
type Killer = (&'static str, &'static str, &'static [&'static str]);

const KILLERS: [Killer; 16] = [
    ("a topic with a non-ASCII first character", HERE, &["a_topic_that_begins_with_a_non_ascii_character"]),
    (
        "shared subscriptions (refused)",
        include_str!("subscriptions.rs"),
        &["shared_subscriptions_are_refused_in_the_words_of_each_version_and_change_nothing"],
    ),
    ("client ids with + # $ / twice", HERE, &["client_ids_with_special_characters_connect_twice"]),
    ("the same id at the limit", HERE, &["the_same_id_at_the_limit_of_sessions_takes_over"]),
    (
        "an idle client on the TLS port",
        include_str!("../../shell/tests/tls.rs"),
        &["idle_and_foreign_clients_on_the_tls_port_delay_nobody"],
    ),
    ("UNSUBSCRIBE many times", HERE, &["unsubscribing_ten_thousand_times"]),
    ("user properties to 3.1.1", include_str!("qos.rs"), &["properties_travel_to_5_0_and_not_to_3_1_1"]),
    ("20,000 filters", HERE, &["twenty_thousand_filters_are_given_back"]),
    ("1,500 QoS 2 messages without PUBREL", HERE, &["fifteen_hundred_large_qos_2_messages_without_pubrel"]),
    ("a slow QoS 1 consumer", HERE, &["a_slow_qos_1_consumer_loses_nothing"]),
    ("more than 100 retained messages", HERE, &["five_thousand_retained_messages_all_arrive"]),
    (
        "receive maximum ignored",
        include_str!("qos.rs"),
        &[
            "the_clients_receive_maximum_bounds_what_is_in_flight",
            "more_than_our_receive_maximum_ends_a_5_0_client_and_holds_a_3_1_1_client",
        ],
    ),
    (
        "packet size and session expiry ignored",
        include_str!("session.rs"),
        &["the_clients_packet_size_is_respected", "a_session_ends_after_its_expiry"],
    ),
    ("no local ignored", include_str!("subscriptions.rs"), &["no_local_spares_the_publisher_alone"]),
    (
        "topics and filters not validated, wildcards in PUBLISH",
        include_str!("../../wire/tests.rs"),
        &["topics_and_filters_follow_the_rules"],
    ),
    ("wills past the ACL", include_str!("wills.rs"), &["policy_is_asked_at_connect_and_again_when_it_fires"]),
];

const HERE: &str = include_str!("killers.rs");

#[test]
fn each_killer_has_its_tests() {
    for (what, text, names) in KILLERS {
        for name in names {
            assert!(text.contains(&format!("#[test]\nfn {name}()")), "{what}: there is no test {name}");
        }
    }
}

/// The honest pair still gets its message.
fn honest(world: &mut World) {
    world.online("honest-s", V5);
    world.subscribed("honest-s", "honest", QoS::AtLeastOnce);
    world.online("honest-p", V3);
    world.publishes("honest-p", publish("honest", "ok", QoS::AtLeastOnce, 1));
    world.expect("honest-p", ["PUBACK 1"]);
    assert!(world.take("honest-s").iter().any(|got| got.starts_with("PUBLISH honest q1")));
}

#[test]
fn a_topic_that_begins_with_a_non_ascii_character() {
    let mut world = World::new();
    world.online("s", V3);
    world.subscribed("s", "+/ü", QoS::AtMostOnce);
    world.publishes("s", publish("é/ü", "x", QoS::AtMostOnce, 0));
    world.expect("s", [r#"PUBLISH é/ü q0 "x""#]);
    honest(&mut world);
}

#[test]
fn client_ids_with_special_characters_connect_twice() {
    let mut world = World::new();
    for id in ["+", "#", "$SYS", "a/b", "$share/x/#"] {
        world.connect_as("first", connect(id, V5));
        let again = world.connect_as("second", connect(id, V5));
        assert!(again[0].starts_with("CONNACK present=false 0x00"));
        world.expect("first", ["DISCONNECT 0x8e"]);
    }
    honest(&mut world);
}

#[test]
fn the_same_id_at_the_limit_of_sessions_takes_over() {
    let mut world = World::with(Limits { sessions: 3, ..Limits::default() });
    for number in 0..10 {
        let name = format!("c{number}");
        let answer = world.connect_as(&name, connect("same", V5));
        assert!(answer[0].starts_with("CONNACK present=false 0x00"), "{answer:?}");
        world.take(&format!("c{}", number - 1));
    }
    honest(&mut world);
}

#[test]
fn unsubscribing_ten_thousand_times() {
    let mut world = World::new();
    world.online("s", V5);
    for _ in 0..10_000 {
        world.unsubscribes("s", &["never"]);
        world.expect("s", ["UNSUBACK 9 [17]"]);
    }
    honest(&mut world);
}

#[test]
fn twenty_thousand_filters_are_given_back() {
    let mut world = World::new();
    world.online("s", V5);
    for chunk in 0..200 {
        let filters = (0..100).map(|number| filter(&format!("a/+/{chunk}/{number}/#"), QoS::AtMostOnce));
        world.subscribes("s", filters.collect());
        world.take("s");
    }
    assert_eq!(world.core.router.len(), 20_000);
    world.publishes("s", publish("a/x/7/7/y", "x", QoS::AtMostOnce, 0));
    world.expect("s", [r#"PUBLISH a/x/7/7/y q0 "x""#]);
    world.loses("s");
    assert_eq!(world.core.router.len(), 0);
    honest(&mut world);
}

#[test]
fn fifteen_hundred_large_qos_2_messages_without_pubrel() {
    let mut world = World::with(Limits { inflight_in: 2_000, ..Limits::default() });
    world.online("c", V3);
    let payload = "x".repeat(200_000);
    for number in 1..=1_500 {
        world.publishes("c", publish("a", &payload, QoS::ExactlyOnce, number));
        world.expect("c", [format!("PUBREC {number}").as_str()]);
        // What the pipeline took is not kept by the broker.
        world.published.clear();
    }
    assert_eq!(world.core.sessions.get(world.core.clients["c"]).unwrap().received.len(), 1_500);
    assert!(world.core.stored.is_empty());
    honest(&mut world);
}

#[test]
fn a_slow_qos_1_consumer_loses_nothing() {
    let mut world = World::new();
    world.connect(resuming("slow", V5));
    world.subscribed("slow", "a", QoS::AtLeastOnce);
    world.online("p", V3);
    for number in 1..=2_000 {
        world.publishes("p", publish("a", &number.to_string(), QoS::AtLeastOnce, number));
    }
    world.take("p");
    let mut got = Vec::new();
    loop {
        let received = world.take("slow");
        if received.is_empty() {
            break;
        }
        for line in received {
            let (_, rest) = line.split_once('#').unwrap();
            let (packet_id, payload) = rest.split_once(' ').unwrap();
            got.push(payload.trim_matches('"').parse::<u16>().unwrap());
            world.acks("slow", AckKind::Puback, packet_id.parse().unwrap());
        }
    }
    assert_eq!(got, (1..=2_000).collect::<Vec<u16>>());
    assert_eq!(world.core.stored.len(), 0);
    honest(&mut world);
}

#[test]
fn five_thousand_retained_messages_all_arrive() {
    let mut world = World::new();
    world.online("p", V3);
    let payload = "x".repeat(200);
    for number in 0..5_000 {
        let topic = format!("r/{number}");
        world.publishes("p", Publish { retain: true, ..publish(&topic, &payload, QoS::AtMostOnce, 0) });
    }
    world.online("s", V3);
    world.subscribes("s", vec![filter("r/#", QoS::AtMostOnce)]);
    assert_eq!(world.take("s").len(), 5_001);
    honest(&mut world);
}

#[test]
fn half_a_connection_of_each_kind_disturbs_nobody() {
    let mut world = World::new();
    world.open("silent");
    world.open("malformed");
    let fault = crate::wire::Reason::Bytes("test").into();
    world.core.handle(world.now, Input::Malformed { conn: world.key("malformed"), fault });
    world.settle();
    world.connect(Connect { keep_alive: 1, ..connect("quiet", V3) });
    honest(&mut world);
    world.forward(10);
    assert!(world.closed.contains("quiet") && world.closed.contains("malformed"));
    world.says("honest-s", Packet::Pingreq);
    world.expect("honest-s", ["PINGRESP"]);
}
