//! Retained messages.

use super::harness::{World, filter, publish, resuming};
use crate::core::Packet;
use crate::limits::{Limit, Limits, RETAINED_AT_ONCE};
use crate::wire::{AckKind, MessageProperties, Publish, QoS, Version::*};

fn retain<'a>(topic: &'a str, payload: &'a str, qos: QoS, packet_id: u16) -> Publish<'a> {
    Publish { retain: true, ..publish(topic, payload, qos, packet_id) }
}

#[test]
fn the_last_message_of_each_topic_is_sent_to_new_subscribers() {
    let mut world = World::new();
    world.online("p", V3);
    world.publishes("p", retain("a/1", "old", QoS::AtMostOnce, 0));
    world.publishes("p", retain("a/1", "new", QoS::AtLeastOnce, 1));
    world.publishes("p", retain("a/2", "two", QoS::AtMostOnce, 0));
    world.publishes("p", publish("a/3", "not kept", QoS::AtMostOnce, 0));
    world.expect("p", ["PUBACK 1"]);
    world.online("s", V3);
    world.subscribes("s", vec![filter("a/+", QoS::ExactlyOnce)]);
    let mut got = world.take("s");
    got.sort();
    assert_eq!(got, [r#"PUBLISH a/1 q1 #1 retain "new""#, r#"PUBLISH a/2 q0 retain "two""#, "SUBACK 1 [2]"]);
}

#[test]
fn an_empty_payload_removes_it_and_is_delivered() {
    let mut world = World::new();
    world.online("p", V3);
    world.publishes("p", retain("a", "x", QoS::AtMostOnce, 0));
    world.online("s", V3);
    world.subscribes("s", vec![filter("a", QoS::AtMostOnce)]);
    world.expect("s", ["SUBACK 1 [0]", r#"PUBLISH a q0 retain "x""#]);
    world.publishes("p", retain("a", "", QoS::AtMostOnce, 0));
    world.expect("s", [r#"PUBLISH a q0 """#]);
    world.subscribes("s", vec![filter("a", QoS::AtMostOnce)]);
    world.expect("s", ["SUBACK 1 [0]"]);
    assert_eq!((world.metrics.retained.get(), world.metrics.retained_bytes.get()), (0, 0));
}

#[test]
fn a_subscribe_right_behind_sees_what_was_published_before_it() {
    let mut world = World::new();
    world.online("p", V3);
    world.commits = false;
    world.publishes("p", retain("a", "x", QoS::AtLeastOnce, 1));
    world.subscribes("p", vec![filter("a", QoS::AtMostOnce)]);
    world.expect("p", []);
    while !world.batches.is_empty() {
        world.commit(true);
    }
    world.expect("p", ["PUBACK 1", "SUBACK 1 [0]", r#"PUBLISH a q0 retain "x""#]);
}

#[test]
fn an_expired_one_is_not_sent_and_is_swept() {
    let mut world = World::new();
    world.online("p", V5);
    let properties = MessageProperties { message_expiry: Some(5), ..MessageProperties::default() };
    world.publishes(
        "p",
        Publish { properties: Some(Box::new(properties)), ..retain("a", "x", QoS::AtMostOnce, 0) },
    );
    world.online("s", V5);
    world.forward(2);
    world.subscribes("s", vec![filter("a", QoS::AtMostOnce)]);
    world.expect("s", ["SUBACK 1 [0]", r#"PUBLISH a q0 retain "x" expiry=3"#]);
    world.forward(3);
    world.subscribes("s", vec![filter("a", QoS::AtMostOnce)]);
    world.expect("s", ["SUBACK 1 [0]"]);
    world.forward(120);
    assert_eq!(world.metrics.retained.get(), 0);
}

#[test]
fn the_bounds_hold_and_are_told_while_the_message_still_goes_out() {
    let mut world = World::with(Limits { retained_messages: 1, ..Limits::default() });
    world.online("s", V3);
    world.subscribed("s", "#", QoS::AtMostOnce);
    world.publishes("s", retain("a", "x", QoS::AtMostOnce, 0));
    world.publishes("s", retain("b", "x", QoS::AtMostOnce, 0));
    world.expect("s", [r#"PUBLISH a q0 "x""#, r#"PUBLISH b q0 "x""#]);
    assert_eq!((world.metrics.retained.get(), world.metrics.hits(Limit::RetainedMessages)), (1, 1));
}

#[test]
fn a_persistent_subscriber_gets_each_retained_message_once_even_when_it_breaks_off() {
    let mut world = World::new();
    world.online("p", V3);
    world.publishes("p", retain("a", "x", QoS::AtLeastOnce, 1));
    world.take("p");
    world.connect(resuming("s", V5));
    world.subscribes("s", vec![filter("a", QoS::AtLeastOnce)]);
    world.expect("s", ["SUBACK 1 [1]", r#"PUBLISH a q1 #1 retain "x""#]);
    world.loses("s");
    assert_eq!(world.connect(resuming("s", V5))[1..], [r#"PUBLISH a q1 #1 dup retain "x""#]);
    world.acks("s", AckKind::Puback, 1);
    world.says("s", Packet::Pingreq);
    world.expect("s", ["PINGRESP"]);
}

#[test]
fn one_that_has_no_room_takes_the_old_one_with_it() {
    let mut world = World::with(Limits { retained_bytes: 8, ..Limits::default() });
    world.online("p", V3);
    world.publishes("p", retain("a", "old", QoS::AtMostOnce, 0));
    world.publishes("p", retain("a", "new and too large", QoS::AtMostOnce, 0));
    world.subscribed("p", "a", QoS::AtMostOnce);
    world.expect("p", []);
    assert_eq!((world.metrics.retained.get(), world.core.stored.len()), (0, 0));
}

#[test]
fn a_clean_session_gets_more_of_qos_1_than_its_queue_holds() {
    let mut world = World::with(Limits { queue_messages: 10, inflight_out: 5, ..Limits::default() });
    world.online("p", V3);
    for number in 0..100 {
        world.publishes("p", retain(&format!("r/{number:02}"), "x", QoS::AtLeastOnce, 1));
        world.take("p");
    }
    world.online("s", V5);
    world.subscribes("s", vec![filter("r/#", QoS::AtLeastOnce)]);
    let mut seen = 0;
    let mut waiting = world.take("s");
    assert_eq!(waiting.remove(0), "SUBACK 1 [1]");
    while !waiting.is_empty() {
        assert!(waiting.len() <= 5);
        for _ in std::mem::take(&mut waiting) {
            seen += 1;
            world.acks("s", AckKind::Puback, seen);
        }
        waiting = world.take("s");
    }
    assert_eq!(seen, 100);
}

#[test]
fn asking_again_and_again_costs_one_look_each_and_a_bounded_memory() {
    let count = RETAINED_AT_ONCE;
    let limits = Limits { retained_messages: u32::try_from(count).unwrap(), ..Limits::default() };
    let mut world = World::with(limits);
    world.online("p", V3);
    for number in 0..count {
        world.publishes("p", retain(&format!("r/{number}"), "x", QoS::AtLeastOnce, 1));
        world.take("p");
    }
    world.connect(resuming("s", V5));
    world.commits = false;
    world.subscribes("s", vec![filter("r/#", QoS::AtMostOnce)]);
    assert!(!world.core.may_read(world.key("s")), "no second look before the first is answered");
    world.commits = true;
    world.commit(true);
    assert!(world.core.may_read(world.key("s")));

    // A clean session that acknowledges nothing.
    world.online("mute", V5);
    for _ in 0..5 {
        world.subscribes("mute", vec![filter("r/#", QoS::AtLeastOnce), filter("r/+", QoS::AtLeastOnce)]);
    }
    let waiting = world.core.conns.get(world.key("mute")).unwrap().backlog.len();
    assert!((count..=2 * count).contains(&waiting), "{waiting}");
    assert_eq!(world.metrics.hits(Limit::QueueMessages), 5);
    assert_eq!((world.take("s").len(), world.take("mute").len()), (1 + count, 5 + 512));
}
