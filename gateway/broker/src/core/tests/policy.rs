//! Grants in the way of packets, and what a new policy changes at once.

use super::harness::{World, connect, filter, publish, resuming};
use crate::batch::Notice;
use crate::grants::{Grants, GrantsBuilder};
use crate::wire::{Publish, QoS, Version::*};

fn grants(publish: &[&str], subscribe: &[&str], deliver: &[&str]) -> Grants {
    let mut builder = GrantsBuilder::new();
    for filter in publish {
        builder = builder.allow_publish(filter);
    }
    for filter in subscribe {
        builder = builder.allow_subscribe(filter);
    }
    for filter in deliver {
        builder = builder.allow_deliver(filter);
    }
    builder.build()
}

#[test]
fn a_refused_publish_reaches_nobody_and_is_told_as_the_version_can() {
    let mut world = World::new();
    world.online("watch", V3);
    world.subscribed("watch", "#", QoS::AtMostOnce);
    for name in ["five", "three"] {
        world.rights.insert(name.to_owned(), grants(&["own/#"], &[], &[]));
    }
    world.online("five", V5);
    world.online("three", V3);
    for name in ["five", "three"] {
        world.publishes(name, publish("other", "x", QoS::AtMostOnce, 0));
        world.publishes(name, Publish { retain: true, ..publish("other", "x", QoS::AtLeastOnce, 1) });
        world.publishes(name, publish("$SYS/x", "x", QoS::ExactlyOnce, 2));
        world.publishes(name, publish("own/a", "ok", QoS::AtMostOnce, 0));
    }
    world.expect("five", ["PUBACK 1 0x87", "PUBREC 2 0x87"]);
    world.expect("three", ["PUBACK 1", "PUBREC 2"]);
    world.expect("watch", [r#"PUBLISH own/a q0 "ok""#, r#"PUBLISH own/a q0 "ok""#]);
    assert_eq!(world.published, [r#"own/a "ok""#, r#"own/a "ok""#]);
    assert_eq!((world.metrics.publish_denied.get(), world.metrics.retained.get()), (6, 0));
}

#[test]
fn a_flood_of_refused_publishes_is_one_notice_for_each_batch() {
    let mut world = World::new();
    world.rights.insert("c".to_owned(), grants(&[], &[], &[]));
    world.online("c", V3);
    world.commits = false;
    let conn = world.key("c");
    for _ in 0..100 {
        let packet = crate::wire::Packet::Publish(publish("a", "x", QoS::AtMostOnce, 0));
        world.core.handle(world.now, crate::core::Input::Packet { conn, packet });
    }
    world.settle();
    let counts: Vec<u32> = world
        .notices
        .iter()
        .filter_map(|notice| match notice {
            Notice::PublishDenied { count, .. } => Some(*count),
            _ => None,
        })
        .collect();
    assert_eq!(counts, [100]);
}

#[test]
fn a_subscription_must_be_contained() {
    let mut world = World::new();
    world.rights.insert("c".to_owned(), grants(&[], &["a/#"], &["a/#"]));
    world.online("c", V5);
    let asked = ["a/b", "+/b", "#", "a/+/c"].map(|text| filter(text, QoS::AtMostOnce));
    world.subscribes("c", asked.to_vec());
    world.expect("c", ["SUBACK 1 [0, 135, 135, 0]"]);
    let denied = world.notices.iter().filter(|notice| matches!(notice, Notice::SubscribeDenied { .. }));
    assert_eq!(denied.count(), 2);
}

#[test]
fn delivery_is_decided_for_each_topic() {
    let mut world = World::new();
    let rights =
        GrantsBuilder::new().allow_subscribe("#").allow_deliver("#").deny_deliver("secret/#").build();
    world.rights.insert("c".to_owned(), rights);
    world.online("p", V3);
    world.publishes("p", Publish { retain: true, ..publish("secret/old", "x", QoS::AtMostOnce, 0) });
    world.online("c", V5);
    world.subscribed("c", "#", QoS::AtLeastOnce);
    world.publishes("p", publish("secret/a", "x", QoS::AtLeastOnce, 1));
    world.publishes("p", publish("open", "x", QoS::AtLeastOnce, 2));
    world.expect("c", [r#"PUBLISH open q1 #1 "x""#]);
    world.expect("p", ["PUBACK 1", "PUBACK 2"]);
    assert_eq!(world.metrics.deliver_denied.get(), 2);
}

#[test]
fn a_new_policy_holds_from_the_next_packet_and_can_be_taken_back() {
    let mut world = World::new();
    world.online("s", V5);
    world.subscribed("s", "a", QoS::AtMostOnce);
    world.online("p", V5);
    world.publishes("p", publish("a", "1", QoS::AtMostOnce, 0));
    world.expect("s", [r#"PUBLISH a q0 "1""#]);

    world.rights.insert("s".to_owned(), grants(&[], &["b"], &["b"]));
    world.rights.insert("p".to_owned(), grants(&["b"], &[], &[]));
    world.new_policy();
    world.publishes("p", publish("a", "2", QoS::AtLeastOnce, 1));
    world.expect("p", ["PUBACK 1 0x87"]);

    world.rights.remove("p");
    world.new_policy();
    world.publishes("p", publish("a", "3", QoS::AtMostOnce, 0));
    world.expect("s", []);

    world.rights.remove("s");
    world.new_policy();
    world.publishes("p", publish("a", "4", QoS::AtMostOnce, 0));
    world.expect("s", [r#"PUBLISH a q0 "4""#]);
}

#[test]
fn queued_messages_are_asked_again_when_they_are_sent() {
    let mut world = World::new();
    world.connect(resuming("s", V5));
    world.subscribed("s", "#", QoS::AtLeastOnce);
    world.loses("s");
    world.online("p", V3);
    world.publishes("p", publish("a", "x", QoS::AtLeastOnce, 1));
    world.publishes("p", publish("b", "y", QoS::AtLeastOnce, 2));
    world.take("p");
    world.rights.insert("s".to_owned(), grants(&[], &["#"], &["b"]));
    world.new_policy();
    assert_eq!(world.connect(resuming("s", V5))[1..], [r#"PUBLISH b q1 #2 "y""#]);
}

#[test]
fn a_resumed_subscription_is_asked_again() {
    let mut world = World::new();
    world.connect(resuming("s", V5));
    world.subscribed("s", "a", QoS::AtMostOnce);
    world.loses("s");
    world.rights.insert("s".to_owned(), grants(&[], &["b"], &["#"]));
    world.connect(resuming("s", V5));
    world.online("p", V3);
    world.publishes("p", publish("a", "x", QoS::AtMostOnce, 0));
    world.expect("s", []);
}

#[test]
fn a_client_that_may_no_longer_connect_is_ended() {
    let mut world = World::new();
    world.online("c", V5);
    world.rights.insert("c".to_owned(), Grants::none());
    world.new_policy();
    world.expect("c", ["DISCONNECT 0x87"]);
    assert!(world.closed.contains("c"));
    assert_eq!(world.connect(connect("c", V5)), ["CONNACK present=false 0x87"]);
}

#[test]
fn a_session_belongs_to_its_principal() {
    let mut world = World::new();
    world.connect(resuming("s", V5));
    world.subscribed("s", "a", QoS::AtLeastOnce);
    world.loses("s");
    let key = world.core.clients["s"];
    let session = world.core.sessions.get_mut(key).unwrap();
    session.owner = std::sync::Arc::new(crate::Origin {
        principal: sitewarden_core::Principal::Anonymous,
        ..crate::Origin::clone(&session.owner)
    });
    assert!(world.connect(resuming("s", V5))[0].starts_with("CONNACK present=false"));
}
