//! Bounds: each is held, counted, told once, and harms nobody else.

use super::harness::{World, connect, filter, publish, resuming};
use crate::batch::Notice;
use crate::core::Input;
use crate::limits::{BATCH_PUBLISHES, Limit, Limits};
use crate::wire::{ConnectProperties, Packet, QoS, ReasonCode, Version::*};

fn told(world: &World, limit: Limit) -> usize {
    let hits = world
        .notices
        .iter()
        .filter(|notice| matches!(notice, Notice::LimitHit { limit: hit, .. } if *hit == limit));
    hits.count()
}

#[test]
fn subscriptions_are_bounded_and_a_known_one_can_be_changed() {
    let mut world = World::with(Limits { subscriptions: 2, ..Limits::default() });
    world.online("s", V5);
    let all = ["a", "b", "c", "d", "a"].map(|text| filter(text, QoS::AtMostOnce));
    world.subscribes("s", all.to_vec());
    world.expect("s", ["SUBACK 1 [0, 0, 151, 151, 0]"]);
    assert_eq!((world.metrics.hits(Limit::Subscriptions), told(&world, Limit::Subscriptions)), (2, 1));
}

#[test]
fn sessions_are_bounded() {
    let mut world = World::with(Limits { sessions: 1, ..Limits::default() });
    world.online("a", V5);
    assert_eq!(world.connect(connect("b", V5)), ["CONNACK present=false 0x97"]);
    world.disconnects("a", ReasonCode::SUCCESS);
    world.online("b", V5);
}

#[test]
fn a_full_queue_loses_the_newest_of_an_absent_client() {
    let mut world = World::with(Limits { queue_messages: 2, ..Limits::default() });
    world.connect(resuming("s", V5));
    world.subscribed("s", "a", QoS::AtLeastOnce);
    world.loses("s");
    world.online("p", V3);
    for number in 1..=4 {
        world.publishes("p", publish("a", &number.to_string(), QoS::AtLeastOnce, number));
    }
    assert_eq!(world.take("p").len(), 4, "the publisher is not harmed");
    assert_eq!((world.metrics.dropped_full.get(), world.metrics.hits(Limit::QueueMessages)), (2, 2));
    let answers = world.connect(resuming("s", V5));
    assert_eq!(answers[1..], [r#"PUBLISH a q1 #1 "1""#, r#"PUBLISH a q1 #2 "2""#]);
}

#[test]
fn a_full_queue_ends_a_clean_client_so_that_it_knows() {
    let mut world = World::with(Limits { queue_messages: 3, ..Limits::default() });
    let properties = ConnectProperties { receive_maximum: Some(1), ..ConnectProperties::default() };
    world.connect(crate::wire::Connect { properties, ..connect("slow", V5) });
    world.subscribed("slow", "a", QoS::AtLeastOnce);
    world.online("p", V3);
    for number in 1..=4 {
        world.publishes("p", publish("a", "x", QoS::AtLeastOnce, number));
    }
    world.take("p");
    world.expect("slow", [r#"PUBLISH a q1 #1 "x""#, "DISCONNECT 0x97"]);
    assert_eq!(told(&world, Limit::QueueMessages), 1);
}

#[test]
fn a_slow_reader_loses_qos_0_over_the_bound_and_nobody_else_does() {
    let mut world = World::with(Limits { write_buffer_bytes: 2_000, ..Limits::default() });
    for name in ["slow", "fast"] {
        world.online(name, V3);
        world.subscribed(name, "a", QoS::AtMostOnce);
    }
    world.online("p", V3);
    let (slow, fast, conn) = (world.key("slow"), world.key("fast"), world.key("p"));
    for _ in 0..10 {
        let payload = "x".repeat(1_000);
        let packet = Packet::Publish(publish("a", &payload, QoS::AtMostOnce, 0));
        world.core.handle(world.now, Input::Packet { conn, packet });
        world.core.written(fast, world.core.outgoing_bytes(fast));
    }
    assert!(world.core.outgoing_bytes(slow) < 4_000);
    assert_eq!(world.metrics.dropped_slow.get(), 8);
    world.settle();
    world.take("slow");
    assert_eq!(told(&world, Limit::WriteBuffer), 1);
}

#[test]
fn publishers_are_held_back_while_the_pipeline_is_behind_and_others_are_not() {
    let mut world = World::new();
    world.online("p", V3);
    world.online("idle", V3);
    let conn = world.key("p");
    world.commits = false;
    for number in 1..=5 {
        // Batches up to the bound wait for their commit.
        world.publishes("p", publish("a", "x", QoS::AtLeastOnce, number));
    }
    for _ in 0..BATCH_PUBLISHES {
        let packet = Packet::Publish(publish("a", "x", QoS::AtMostOnce, 0));
        world.core.handle(world.now, Input::Packet { conn, packet });
    }
    assert!(!world.core.may_read(conn));
    assert!(world.core.may_read(world.key("idle")));
    world.commit(true);
    assert!(world.core.may_read(conn));
    world.expect("p", ["PUBACK 1"]);
}

#[test]
fn an_overdue_connection_is_ended_and_counted() {
    let mut world = World::new();
    world.online("c", V5);
    let conn = world.key("c");
    let code = ReasonCode::SERVER_BUSY;
    world.core.handle(world.now, Input::Overdue { conn, limit: Limit::WriteTime, code });
    world.settle();
    world.expect("c", ["DISCONNECT 0x89"]);
    assert_eq!((world.metrics.hits(Limit::WriteTime), told(&world, Limit::WriteTime)), (1, 1));
}

#[test]
fn nothing_grows_with_clients_that_come_and_go() {
    let mut world = World::new();
    for number in 0..50 {
        world.connect(crate::wire::Connect { keep_alive: 60, ..resuming(&format!("c{number}"), V5) });
        world.subscribed(&format!("c{number}"), "a/+", QoS::AtLeastOnce);
        world.loses(&format!("c{number}"));
    }
    world.forward(4_000);
    assert_eq!((world.core.sessions.len(), world.core.conns.len(), world.core.router.len()), (0, 0, 0));
    assert_eq!(world.core.next_deadline(), None);
    assert!(world.core.stored.is_empty());
}

#[test]
fn a_client_ahead_of_its_rate_is_read_no_further_and_loses_nothing() {
    let mut world = World::with(Limits { messages_per_second: 10, ..Limits::default() });
    world.connect(crate::wire::Connect { keep_alive: 1, ..connect("fast", V3) });
    world.online("honest", V3);
    let (fast, honest) = (world.key("fast"), world.key("honest"));
    let mut sent = 0;
    while world.core.may_read(fast) {
        world.publishes("fast", publish("a", "x", QoS::AtMostOnce, 0));
        sent += 1;
    }
    assert_eq!(sent, 11, "a second's worth is free");
    assert!(world.core.may_read(honest), "nobody else waits");
    assert_eq!(
        (world.metrics.hits(Limit::MessagesPerSecond), told(&world, Limit::MessagesPerSecond)),
        (1, 1)
    );

    world.forward(1);
    assert!(world.core.may_read(fast));
    assert_eq!(world.published.len(), 11);

    // Who is not read is not silent: a debt longer than the keep-alive ends nobody.
    let mut slow = World::with(Limits { bytes_per_second: 100, ..Limits::default() });
    slow.connect(crate::wire::Connect { keep_alive: 1, ..connect("large", V3) });
    let payload = "x".repeat(2_000);
    slow.publishes("large", publish("a", &payload, QoS::AtMostOnce, 0));
    slow.forward(15);
    assert!(!slow.closed.contains("large") && !slow.core.may_read(slow.key("large")));
    slow.forward(10);
    assert!(slow.closed.contains("large"), "then it is silent");
}
