//! Acknowledgements that may not come in the state in which they come, and those that may come twice.

use super::harness::{World, publish, resuming};
use crate::wire::{AckKind::*, Connect, QoS, Version::*};

/// MQTT 5 §4.13.1, 3.1.1 §4.8: a packet that may not come in this state ends the connection. Otherwise the
/// message would hang in flight for ever.
#[test]
fn an_acknowledgement_of_the_wrong_kind_ends_the_connection() {
    let cases = [
        (QoS::AtLeastOnce, vec![Pubrec], "PUBREC for QoS 1"),
        (QoS::AtLeastOnce, vec![Pubcomp], "PUBCOMP for QoS 1"),
        (QoS::ExactlyOnce, vec![Puback], "PUBACK for QoS 2"),
        (QoS::ExactlyOnce, vec![Pubcomp], "PUBCOMP before PUBREC"),
        (QoS::ExactlyOnce, vec![Pubrec, Puback], "PUBACK after PUBREL"),
    ];
    for (qos, kinds, case) in cases {
        for version in [V3, V5] {
            let mut world = World::new();
            let clean_start = version == V5;
            world.connect(Connect { clean_start, ..resuming("s", version) });
            world.subscribed("s", "a", qos);
            world.online("p", V5);
            world.publishes("p", publish("a", "x", qos, 1));
            world.take("p");
            world.take("s");
            for kind in kinds.iter().copied() {
                assert!(!world.closed.contains("s"), "{case} in {version:?}: too early");
                world.acks("s", kind, 1);
            }
            let told = world.take("s").pop();
            let expected = (version == V5).then_some("DISCONNECT 0x82");
            assert_eq!(told.as_deref().filter(|line| line.starts_with("DISC")), expected, "{case}");
            assert!(world.closed.contains("s"), "{case} in {version:?}");
            assert_eq!(world.metrics.malformed.get(), 1, "{case}");

            // Nothing is lost: it comes again to a client that came back.
            let answers = world.connect(resuming("s", version));
            let again = if kinds.len() > 1 { "PUBREL 1" } else { "PUBLISH a" };
            assert!(answers[1].starts_with(again), "{case} in {version:?}: {answers:?}");
        }
    }
}

#[test]
fn pubcomp_before_pubrel_left_ends_the_connection() {
    let mut world = World::new();
    world.connect(resuming("s", V5));
    world.subscribed("s", "a", QoS::ExactlyOnce);
    world.publishes("s", publish("a", "x", QoS::ExactlyOnce, 1));
    world.expect("s", [r#"PUBLISH a q2 #1 "x""#, "PUBREC 1"]);
    world.commits = false;
    world.acks("s", Pubrec, 1);
    world.expect("s", []);
    world.acks("s", Pubcomp, 1);
    world.expect("s", ["DISCONNECT 0x82"]);
    while !world.batches.is_empty() {
        world.commit(true);
    }
    world.commits = true;
    assert_eq!(world.connect(resuming("s", V5))[1..], ["PUBREL 1"]);
    world.acks("s", Pubcomp, 1);
    world.expect("s", []);
}

/// What a correct client may say twice, in one connection or over two.
#[test]
fn repetitions_of_a_correct_client_are_no_fault() {
    let mut world = World::new();
    world.connect(resuming("s", V5));
    world.subscribed("s", "a", QoS::ExactlyOnce);
    world.online("p", V5);
    for (number, qos) in [(1, QoS::ExactlyOnce), (2, QoS::AtLeastOnce)] {
        world.publishes("p", publish("a", "x", qos, number));
    }
    world.take("p");
    world.expect("s", [r#"PUBLISH a q2 #1 "x""#, r#"PUBLISH a q1 #2 "x""#]);
    world.acks("s", Puback, 2);
    world.acks("s", Puback, 2);
    world.acks("s", Pubrec, 1);
    world.acks("s", Pubrec, 1);
    world.expect("s", ["PUBREL 1", "PUBREL 1"]);

    world.loses("s");
    assert_eq!(world.connect(resuming("s", V5))[1..], ["PUBREL 1"]);
    world.acks("s", Pubrec, 1);
    world.expect("s", ["PUBREL 1"]);
    world.acks("s", Pubcomp, 1);
    world.acks("s", Pubcomp, 1);
    world.acks("s", Puback, 2);
    world.acks("s", Pubrec, 1);
    world.expect("s", ["PUBREL 1 0x92"]);
    assert!(!world.closed.contains("s"));
    assert_eq!(world.metrics.malformed.get(), 0);
}
