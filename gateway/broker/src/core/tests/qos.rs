//! QoS 0, 1 and 2 in both directions, commits, flow control, aliases, message properties.

use super::harness::{World, connect, id, publish, resuming};
use crate::core::Packet;
use crate::limits::{BATCHES_IN_FLIGHT, Limits};
use crate::wire::{
    Ack, AckKind::*, Connect, ConnectProperties, MessageProperties, Publish, QoS, ReasonCode, Version::*,
};

#[test]
fn qos_0_leaves_at_once_and_qos_1_after_the_commit() {
    let mut world = World::new();
    world.online("s", V3);
    world.subscribed("s", "a", QoS::AtLeastOnce);
    world.online("p", V3);
    world.commits = false;

    world.publishes("p", publish("a", "zero", QoS::AtMostOnce, 0));
    world.publishes("p", publish("a", "one", QoS::AtLeastOnce, 3));

    world.expect("s", [r#"PUBLISH a q0 "zero""#]);
    world.expect("p", []);
    while !world.batches.is_empty() {
        world.commit(true);
    }
    world.expect("s", [r#"PUBLISH a q1 #1 "one""#]);
    world.expect("p", ["PUBACK 3"]);
    assert_eq!(world.published, [r#"a "zero""#, r#"a "one""#]);
}

#[test]
fn messages_that_nobody_waits_for_hold_up_no_acknowledgement() {
    let mut world = World::new();
    world.online("p", V3);
    world.commits = false;
    for _ in 0..2 * BATCHES_IN_FLIGHT {
        world.publishes("p", publish("a", "zero", QoS::AtMostOnce, 0));
    }
    assert!(world.batches.iter().all(|batch| !batch.awaited), "none of them takes a place in flight");

    world.publishes("p", publish("a", "one", QoS::AtLeastOnce, 3));

    let last = world.batches.pop().expect("the batch with QoS 1 was handed over");
    assert!(last.awaited);
    world.batches = vec![last];
    world.commit(true);
    world.expect("p", ["PUBACK 3"]);
}

#[test]
fn the_delivery_has_the_lower_of_both_levels() {
    let mut world = World::new();
    world.online("s", V3);
    world.subscribed("s", "a", QoS::AtLeastOnce);
    world.online("p", V3);
    world.publishes("p", publish("a", "x", QoS::ExactlyOnce, 1));
    world.expect("s", [r#"PUBLISH a q1 #1 "x""#]);
    world.expect("p", ["PUBREC 1"]);
    world.acks("p", Pubrel, 1);
    world.expect("p", ["PUBCOMP 1"]);
}

#[test]
fn qos_2_is_taken_once_and_each_step_waits_for_its_commit() {
    let mut world = World::new();
    world.online("s", V5);
    world.subscribed("s", "a", QoS::ExactlyOnce);
    world.online("p", V5);
    world.commits = false;

    world.publishes("p", publish("a", "x", QoS::ExactlyOnce, 7));
    world.publishes("p", Publish { dup: true, ..publish("a", "x", QoS::ExactlyOnce, 7) });
    world.expect("p", []);
    world.commit(true);
    world.commit(true);
    world.expect("p", ["PUBREC 7", "PUBREC 7"]);
    world.expect("s", [r#"PUBLISH a q2 #1 "x""#]);

    world.acks("p", Pubrel, 7);
    world.expect("p", []);
    world.commit(true);
    world.expect("p", ["PUBCOMP 7"]);

    world.acks("s", Pubrec, 1);
    world.expect("s", ["PUBREL 1"]);
    world.acks("s", Pubcomp, 1);
    world.commits = true;
    world.publishes("p", publish("a", "again", QoS::ExactlyOnce, 7));
    world.expect("p", ["PUBREC 7"]);
    world.expect("s", [r#"PUBLISH a q2 #2 "again""#]);
    assert_eq!(world.published, [r#"a "x""#, r#"a "again""#]);
}

#[test]
fn unknown_packet_ids_are_answered_and_change_nothing() {
    let mut world = World::new();
    world.online("c", V5);
    world.acks("c", Pubrel, 9);
    world.expect("c", ["PUBCOMP 9 0x92"]);
    world.acks("c", Pubrec, 9);
    world.expect("c", ["PUBREL 9 0x92"]);
    world.acks("c", Puback, 9);
    world.acks("c", Pubcomp, 9);
    world.expect("c", []);
}

#[test]
fn pubrec_with_an_error_ends_the_exchange() {
    let mut world = World::new();
    world.online("s", V5);
    world.subscribed("s", "a", QoS::ExactlyOnce);
    world.publishes("s", publish("a", "x", QoS::ExactlyOnce, 1));
    world.expect("s", [r#"PUBLISH a q2 #1 "x""#, "PUBREC 1"]);
    world.says("s", Packet::Pubrec(Ack::new(id(1), ReasonCode::QUOTA_EXCEEDED)));
    world.expect("s", []);
    world.acks("s", Pubrec, 1);
    world.expect("s", ["PUBREL 1 0x92"]);
}

#[test]
fn the_clients_receive_maximum_bounds_what_is_in_flight() {
    let mut world = World::new();
    let properties = ConnectProperties { receive_maximum: Some(2), ..ConnectProperties::default() };
    world.connect(Connect { properties, ..connect("s", V5) });
    world.subscribed("s", "a", QoS::ExactlyOnce);
    world.online("p", V3);
    for number in 1..=4 {
        world.publishes("p", publish("a", &number.to_string(), QoS::ExactlyOnce, number));
    }
    assert_eq!(world.take("p").len(), 4);
    world.expect("s", [r#"PUBLISH a q2 #1 "1""#, r#"PUBLISH a q2 #2 "2""#]);
    world.acks("s", Pubrec, 2);
    world.expect("s", ["PUBREL 2"]);
    world.acks("s", Pubcomp, 2);
    world.expect("s", [r#"PUBLISH a q2 #3 "3""#]);
    world.publishes("p", publish("a", "zero", QoS::AtMostOnce, 0));
    world.expect("s", [r#"PUBLISH a q0 "zero""#]);
}

#[test]
fn more_than_our_receive_maximum_ends_a_5_0_client_and_holds_a_3_1_1_client() {
    let limits = Limits { inflight_in: 2, ..Limits::default() };
    let mut world = World::with(limits);
    world.online("five", V5);
    world.online("three", V3);
    world.commits = false;
    for number in 1..=2 {
        world.publishes("five", publish("a", "x", QoS::AtLeastOnce, number));
        world.publishes("three", publish("a", "x", QoS::ExactlyOnce, number));
    }
    assert!(!world.core.may_read(world.key("three")));
    world.publishes("five", publish("a", "x", QoS::AtLeastOnce, 3));
    world.expect("five", ["DISCONNECT 0x93"]);

    while !world.batches.is_empty() {
        world.commit(true);
    }
    world.expect("three", ["PUBREC 1", "PUBREC 2"]);
    assert!(world.core.may_read(world.key("three")), "what it says next may be PUBREL");
}

#[test]
fn a_3_1_1_client_may_send_many_of_qos_2_before_its_first_pubrel() {
    let mut world = World::with(Limits { inflight_in: 10, received_qos2: 100, ..Limits::default() });
    world.online("p", V3);
    for number in 1..=50 {
        assert!(world.core.may_read(world.key("p")), "{number}");
        world.publishes("p", publish("a", "x", QoS::ExactlyOnce, number));
        world.expect("p", [format!("PUBREC {number}").as_str()]);
    }
    world.publishes("p", Publish { dup: true, ..publish("a", "x", QoS::ExactlyOnce, 1) });
    world.expect("p", ["PUBREC 1"]);
    for number in 1..=50 {
        world.acks("p", Pubrel, number);
        world.expect("p", [format!("PUBCOMP {number}").as_str()]);
    }
    assert_eq!(world.published.len(), 50);
    // What counts is still bounded.
    world.commits = false;
    for number in 1..=10 {
        world.publishes("p", publish("a", "x", QoS::ExactlyOnce, number));
    }
    assert!(!world.core.may_read(world.key("p")));
}

#[test]
fn an_alias_holds_also_when_the_message_that_sets_it_is_a_repetition() {
    let mut world = World::new();
    world.online("s", V3);
    world.subscribed("s", "#", QoS::AtMostOnce);
    let first = Publish { topic_alias: Some(1), ..publish("a/b", "x", QoS::ExactlyOnce, 7) };
    world.connect(resuming("p", V5));
    world.publishes("p", first.clone());
    world.loses("p");
    world.connect(resuming("p", V5));
    world.publishes("p", Publish { dup: true, ..first });
    world.publishes("p", Publish { topic_alias: Some(1), ..publish("", "y", QoS::AtMostOnce, 0) });
    world.expect("p", ["PUBREC 7"]);
    world.expect("s", [r#"PUBLISH a/b q0 "x""#, r#"PUBLISH a/b q0 "y""#]);
}

#[test]
fn a_failed_commit_acknowledges_nothing_and_the_next_batch_is_whole() {
    let mut world = World::new();
    world.connect(resuming("s", V5));
    world.subscribed("s", "a", QoS::ExactlyOnce);
    world.connect(resuming("p", V5));
    world.commits = false;
    world.publishes("p", publish("a", "lost", QoS::ExactlyOnce, 1));
    world.commit(false);
    world.expect("p", ["DISCONNECT 0x97"]);
    world.expect("s", []);

    let batch = world.batches.first().expect("the whole state again");
    assert_eq!(batch.ops.first(), Some(&crate::state::StoreOp::Reset));
    world.commits = true;
    while !world.batches.is_empty() {
        world.commit(true);
    }
    world.connect(resuming("p", V5));
    world.publishes("p", Publish { dup: true, ..publish("a", "again", QoS::ExactlyOnce, 1) });
    world.expect("p", ["PUBREC 1"]);
    let received = world.take("s");
    assert_eq!(
        received,
        [r#"PUBLISH a q2 #2 "again""#],
        "the repetition is a first time, its place a new one"
    );
}

#[test]
fn after_a_reconnect_what_was_not_acknowledged_comes_again_with_dup() {
    let mut world = World::new();
    world.connect(resuming("s", V5));
    world.subscribed("s", "#", QoS::ExactlyOnce);
    world.online("p", V3);
    world.publishes("p", publish("a", "1", QoS::AtLeastOnce, 1));
    world.publishes("p", publish("b", "2", QoS::ExactlyOnce, 2));
    world.publishes("p", publish("c", "3", QoS::ExactlyOnce, 3));
    world.take("p");
    assert_eq!(world.take("s").len(), 3);
    world.acks("s", Pubrec, 2);
    world.expect("s", ["PUBREL 2"]);

    world.loses("s");
    let answers = world.connect(resuming("s", V5));

    assert_eq!(answers[1..], [r#"PUBLISH a q1 #1 dup "1""#, "PUBREL 2", r#"PUBLISH c q2 #3 dup "3""#]);
}

#[test]
fn topic_aliases_of_a_client_are_resolved_and_bounded() {
    let mut world = World::new();
    world.online("s", V3);
    world.subscribed("s", "#", QoS::AtMostOnce);
    world.online("p", V5);
    let alias =
        |topic, alias| Publish { topic_alias: Some(alias), ..publish(topic, "x", QoS::AtMostOnce, 0) };
    world.publishes("p", alias("a", 1));
    world.publishes("p", alias("", 1));
    world.publishes("p", alias("b", 1));
    world.publishes("p", alias("", 1));
    world.expect(
        "s",
        [r#"PUBLISH a q0 "x""#, r#"PUBLISH a q0 "x""#, r#"PUBLISH b q0 "x""#, r#"PUBLISH b q0 "x""#],
    );
    world.publishes("p", alias("", 2));
    world.expect("p", ["DISCONNECT 0x82"]);
    world.online("q", V5);
    world.publishes("q", alias("a", 65));
    world.expect("q", ["DISCONNECT 0x94"]);
}

#[test]
fn aliases_towards_a_client_keep_within_what_it_takes() {
    let mut world = World::new();
    let taking = |client: &str, most| {
        let properties =
            ConnectProperties { topic_alias_maximum: Some(most), ..ConnectProperties::default() };
        Connect { properties, ..connect(client, V5) }
    };
    world.connect(taking("one", 1));
    world.connect(taking("none", 0));
    for name in ["one", "none"] {
        world.subscribed(name, "#", QoS::ExactlyOnce);
    }
    world.online("p", V3);
    for (topic, qos) in
        [("site/a", QoS::AtMostOnce), ("site/a", QoS::AtLeastOnce), ("site/b", QoS::AtMostOnce)]
    {
        world.publishes("p", publish(topic, "x", qos, u16::from(qos as u8)));
    }
    world.expect("p", ["PUBACK 1"]);
    world.expect(
        "one",
        [r#"PUBLISH site/a q0 "x" alias=1"#, r#"PUBLISH  q1 #1 "x" alias=1"#, r#"PUBLISH site/b q0 "x""#],
    );
    world.expect(
        "none",
        [r#"PUBLISH site/a q0 "x""#, r#"PUBLISH site/a q1 #1 "x""#, r#"PUBLISH site/b q0 "x""#],
    );

    // Aliases end with the connection.
    world.loses("one");
    world.connect(taking("one", 1));
    world.subscribed("one", "site/b", QoS::AtMostOnce);
    world.publishes("p", publish("site/b", "y", QoS::AtMostOnce, 0));
    world.expect("one", [r#"PUBLISH site/b q0 "y" alias=1"#]);
    world.expect("none", [r#"PUBLISH site/b q0 "y""#]);
}

#[test]
fn properties_travel_to_5_0_and_not_to_3_1_1() {
    let mut world = World::new();
    for (name, version) in [("five", V5), ("three", V3)] {
        world.online(name, version);
        world.subscribed(name, "a", QoS::AtLeastOnce);
    }
    world.online("p", V5);
    let properties = MessageProperties {
        payload_format: Some(1),
        message_expiry: Some(60),
        content_type: Some("text/plain".into()),
        response_topic: Some("r".into()),
        correlation_data: Some(bytes::Bytes::from_static(b"7")),
        user: vec![("b".into(), "2".into()), ("a".into(), "1".into()), ("b".into(), "3".into())],
    };
    let properties = Some(Box::new(properties));
    world.publishes("p", Publish { properties, ..publish("a", "x", QoS::AtLeastOnce, 1) });
    world.expect("p", ["PUBACK 1"]);
    world.expect("three", [r#"PUBLISH a q1 #1 "x""#]);
    let got = world.take("five");
    for part in ["format=1", "expiry=60", "content-type=text/plain", "response-topic=r", "correlation=7"] {
        assert!(got[0].contains(part), "{part} in {got:?}");
    }
    assert!(got[0].contains("user=b:2 user=a:1 user=b:3"), "in order: {got:?}");
}

#[test]
fn a_queued_message_tells_the_life_that_is_left_or_dies() {
    let mut world = World::new();
    world.connect(resuming("s", V5));
    world.subscribed("s", "a", QoS::AtLeastOnce);
    world.loses("s");
    world.online("p", V5);
    for (number, life) in [(1, 10), (2, 100)] {
        let properties = MessageProperties { message_expiry: Some(life), ..MessageProperties::default() };
        let properties = Some(Box::new(properties));
        world.publishes("p", Publish { properties, ..publish("a", "x", QoS::AtLeastOnce, number) });
    }
    world.take("p");
    world.forward(30);
    let answers = world.connect(resuming("s", V5));
    assert_eq!(answers[1..], [r#"PUBLISH a q1 #2 "x" expiry=70"#]);
    assert_eq!(world.metrics.expired.get(), 1);
}

#[test]
fn a_publish_that_nobody_wants_says_so_in_5_0() {
    let mut world = World::new();
    world.online("five", V5);
    world.publishes("five", publish("a", "x", QoS::AtLeastOnce, 1));
    world.expect("five", ["PUBACK 1 0x10"]);
    world.online("three", V3);
    world.publishes("three", publish("a", "x", QoS::AtLeastOnce, 1));
    world.expect("three", ["PUBACK 1"]);
}
