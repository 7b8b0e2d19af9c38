//! Wills.

use super::harness::{World, connect, filter, publish, resuming, will};
use crate::batch::Notice;
use crate::grants::GrantsBuilder;
use crate::wire::{Connect, QoS, ReasonCode, SubscribeFilter, Version::*, Will};

const GONE: &str = r#"PUBLISH w q0 "gone""#;

fn watched() -> World {
    let mut world = World::new();
    world.online("watch", V3);
    world.subscribed("watch", "#", QoS::AtMostOnce);
    world
}

#[test]
fn a_lost_connection_sends_it_and_a_goodbye_does_not() {
    let mut world = watched();
    for version in [V3, V5] {
        world.connect(Connect { will: Some(will("w", None)), ..connect("c", version) });
        world.loses("c");
        world.expect("watch", [GONE]);
        world.connect(Connect { will: Some(will("w", None)), ..connect("c", version) });
        world.disconnects("c", ReasonCode::SUCCESS);
        world.expect("watch", []);
    }
    world.connect(Connect { will: Some(will("w", None)), ..connect("c", V5) });
    world.disconnects("c", ReasonCode::DISCONNECT_WITH_WILL);
    world.expect("watch", [GONE]);
}

#[test]
fn silence_and_protocol_errors_send_it() {
    let mut world = watched();
    world.connect(Connect { will: Some(will("w", None)), keep_alive: 2, ..connect("c", V3) });
    world.forward(3);
    world.expect("watch", [GONE]);
    world.connect(Connect { will: Some(will("w", None)), ..connect("c", V3) });
    world.says("c", crate::wire::Packet::Connect(Box::new(connect("c", V3))));
    world.expect("watch", [GONE]);
}

#[test]
fn a_delayed_one_waits_and_a_return_cancels_it() {
    let mut world = watched();
    let with_will = || Connect { will: Some(will("w", Some(10))), ..resuming("c", V5) };
    world.connect(with_will());
    world.loses("c");
    world.forward(9);
    world.expect("watch", []);
    world.connect(with_will());
    world.forward(100);
    world.expect("watch", []);
    world.loses("c");
    world.forward(10);
    world.expect("watch", [GONE]);
}

#[test]
fn the_end_of_the_session_sends_a_delayed_one_at_once() {
    let mut world = watched();
    world.connect(Connect { will: Some(will("w", Some(10))), ..connect("c", V5) });
    world.loses("c");
    world.expect("watch", [GONE]);

    world.connect(Connect { will: Some(will("w", Some(10))), ..resuming("c", V5) });
    world.loses("c");
    world.online("c", V5);
    world.expect("watch", [GONE]);
}

#[test]
fn a_take_over_sends_it_unless_a_delayed_one_is_resumed() {
    let mut world = watched();
    world.connect_as("one", Connect { will: Some(will("w", None)), ..connect("c", V3) });
    world.connect_as("two", Connect { will: Some(will("w", Some(5))), ..resuming("c", V5) });
    world.expect("watch", [GONE]);
    world.connect_as("three", resuming("c", V5));
    world.expect("two", ["DISCONNECT 0x8e"]);
    world.forward(10);
    world.expect("watch", []);
}

#[test]
fn policy_is_asked_at_connect_and_again_when_it_fires() {
    let mut world = watched();
    world.rights.insert("c".to_owned(), GrantsBuilder::new().allow_publish("other").build());
    let refused = world.connect(Connect { will: Some(will("w", None)), ..connect("c", V5) });
    assert_eq!(refused, ["CONNACK present=false 0x87"]);
    assert!(world.notices.iter().any(|notice| matches!(notice, Notice::PublishDenied { will: true, .. })));

    world.rights.insert("c".to_owned(), GrantsBuilder::new().allow_publish("w").build());
    world.connect(Connect { will: Some(will("w", Some(60))), ..resuming("c", V5) });
    world.loses("c");
    world.rights.insert("c".to_owned(), GrantsBuilder::new().build());
    world.new_policy();
    world.forward(100);
    world.expect("watch", []);
    assert_eq!(world.metrics.publish_denied.get(), 2);
}

#[test]
fn it_may_be_retained_and_reaches_the_pipeline() {
    let mut world = watched();
    let kept = Will { retain: true, qos: QoS::AtLeastOnce, ..will("w", None) };
    world.connect(Connect { will: Some(kept), ..connect("c", V3) });
    world.loses("c");
    world.expect("watch", [GONE]);
    assert_eq!(world.metrics.retained.get(), 1);
    assert_eq!(world.published, [r#"w "gone""#]);
    world.publishes("watch", publish("x", "", QoS::AtMostOnce, 0));
    world.expect("watch", [r#"PUBLISH x q0 """#]);
}

#[test]
fn no_local_holds_for_a_will_too() {
    let mut world = watched();
    let at_least_once = Will { qos: QoS::AtLeastOnce, ..will("w", None) };
    world.connect(Connect { will: Some(at_least_once), ..resuming("c", V5) });
    let own = |qos| SubscribeFilter { no_local: true, ..filter("w", qos) };
    world.subscribes("c", vec![own(QoS::AtLeastOnce)]);
    world.expect("c", ["SUBACK 1 [1]"]);
    world.loses("c");
    world.expect("watch", [GONE]);
    let answer = world.connect(resuming("c", V5));
    assert_eq!(answer.len(), 1, "{answer:?}");
}
