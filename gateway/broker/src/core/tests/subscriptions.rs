//! Filters, options and identifiers.

use super::harness::{World, connect, filter, id, publish, resuming};
use crate::core::Packet;
use crate::wire::{Publish, QoS, ReasonCode, RetainHandling, Subscribe, SubscribeFilter, Version::*};

fn subscribe(filters: Vec<SubscribeFilter>, subscription_id: u32) -> Packet<'static> {
    Packet::Subscribe(Subscribe {
        packet_id: id(1),
        filters,
        subscription_id: Some(subscription_id),
        user: vec![],
    })
}

#[test]
fn wildcards_do_not_reach_dollar_topics() {
    let mut world = World::new();
    world
        .rights
        .insert("p".to_owned(), crate::GrantsBuilder::new().allow_publish("#").allow_publish("$x/#").build());
    world.rights.insert(
        "s".to_owned(),
        crate::GrantsBuilder::new()
            .allow_subscribe("#")
            .allow_subscribe("$x/#")
            .allow_deliver("#")
            .allow_deliver("$x/#")
            .build(),
    );
    world.online("s", V5);
    world.subscribed("s", "#", QoS::AtMostOnce);
    world.subscribed("s", "+/a", QoS::AtMostOnce);
    world.online("p", V5);
    world.publishes("p", publish("$x/a", "1", QoS::AtMostOnce, 0));
    world.expect("s", []);
    world.subscribed("s", "$x/#", QoS::AtMostOnce);
    world.publishes("p", publish("$x/a", "2", QoS::AtMostOnce, 0));
    world.expect("s", [r#"PUBLISH $x/a q0 "2""#]);
}

#[test]
fn overlapping_subscriptions_give_one_message_with_all_identifiers_and_the_highest_qos() {
    let mut world = World::new();
    world.online("s", V5);
    world.says("s", subscribe(vec![filter("a/#", QoS::AtMostOnce)], 7));
    world.says("s", subscribe(vec![filter("a/+", QoS::ExactlyOnce)], 9));
    world.take("s");
    world.publishes("s", publish("a/b", "x", QoS::ExactlyOnce, 1));
    world.expect("s", [r#"PUBLISH a/b q2 #1 "x" subscription=7 subscription=9"#, "PUBREC 1"]);
}

#[test]
fn a_new_subscribe_replaces_options_and_identifier() {
    let mut world = World::new();
    world.online("s", V5);
    world.says("s", subscribe(vec![filter("a", QoS::ExactlyOnce)], 7));
    world.says("s", subscribe(vec![filter("a", QoS::AtMostOnce)], 8));
    world.expect("s", ["SUBACK 1 [2]", "SUBACK 1 [0]"]);
    world.publishes("s", publish("a", "x", QoS::AtLeastOnce, 1));
    world.expect("s", [r#"PUBLISH a q0 "x" subscription=8"#, "PUBACK 1"]);
}

#[test]
fn no_local_spares_the_publisher_alone() {
    let mut world = World::new();
    for name in ["s", "other"] {
        world.online(name, V5);
        world.subscribes(name, vec![SubscribeFilter { no_local: true, ..filter("a", QoS::AtMostOnce) }]);
        world.take(name);
    }
    world.publishes("s", publish("a", "x", QoS::AtMostOnce, 0));
    world.expect("s", []);
    world.expect("other", [r#"PUBLISH a q0 "x""#]);
}

#[test]
fn the_retain_flag_is_kept_only_when_asked_for() {
    let mut world = World::new();
    for (name, keep) in [("plain", false), ("keeps", true)] {
        world.online(name, V5);
        let option = SubscribeFilter { retain_as_published: keep, ..filter("a", QoS::AtLeastOnce) };
        world.subscribes(name, vec![option]);
        world.take(name);
    }
    world.online("p", V3);
    world.publishes("p", Publish { retain: true, ..publish("a", "x", QoS::AtLeastOnce, 1) });
    world.publishes("p", Publish { retain: true, ..publish("a", "y", QoS::AtMostOnce, 0) });
    world.take("p");
    world.expect("plain", [r#"PUBLISH a q1 #1 "x""#, r#"PUBLISH a q0 "y""#]);
    world.expect("keeps", [r#"PUBLISH a q1 #1 retain "x""#, r#"PUBLISH a q0 retain "y""#]);
}

#[test]
fn unsubscribe_ends_the_deliveries_but_not_what_is_in_flight() {
    let mut world = World::new();
    world.online("s", V5);
    world.subscribed("s", "a", QoS::AtLeastOnce);
    world.publishes("s", publish("a", "x", QoS::AtLeastOnce, 1));
    world.expect("s", [r#"PUBLISH a q1 #1 "x""#, "PUBACK 1"]);
    world.unsubscribes("s", &["a"]);
    world.expect("s", ["UNSUBACK 9 [0]"]);
    world.publishes("s", publish("a", "y", QoS::AtLeastOnce, 2));
    world.expect("s", ["PUBACK 2 0x10"]);
    world.acks("s", crate::wire::AckKind::Puback, 1);
    assert_eq!(world.core.router.len(), 0);
}

#[test]
fn the_suback_of_a_persistent_session_follows_its_commit() {
    let mut world = World::new();
    world.connect(resuming("s", V5));
    world.commits = false;
    world.subscribes("s", vec![filter("a", QoS::AtLeastOnce)]);
    world.expect("s", []);
    world.commit(true);
    world.expect("s", ["SUBACK 1 [1]"]);

    world.commits = true;
    world.connect(connect("clean", V5));
    world.commits = false;
    world.subscribes("clean", vec![filter("a", QoS::AtLeastOnce)]);
    world.expect("clean", ["SUBACK 1 [1]"]);
}

#[test]
fn retain_handling_says_when_retained_messages_come() {
    let mut world = World::new();
    world.online("p", V3);
    world.publishes("p", Publish { retain: true, ..publish("a", "kept", QoS::AtMostOnce, 0) });
    world.online("s", V5);
    let handled = |retain_handling| SubscribeFilter { retain_handling, ..filter("a", QoS::AtMostOnce) };
    let kept = r#"PUBLISH a q0 retain "kept""#;
    world.subscribes("s", vec![handled(RetainHandling::DoNotSend)]);
    world.expect("s", ["SUBACK 1 [0]"]);
    world.subscribes("s", vec![handled(RetainHandling::SendIfNew)]);
    world.expect("s", ["SUBACK 1 [0]"]);
    world.subscribes("s", vec![handled(RetainHandling::Send)]);
    world.expect("s", ["SUBACK 1 [0]", kept]);
    world.unsubscribes("s", &["a"]);
    world.subscribes("s", vec![handled(RetainHandling::SendIfNew)]);
    world.expect("s", ["UNSUBACK 9 [0]", "SUBACK 1 [0]", kept]);
}

#[test]
fn a_dead_session_leaves_no_subscription() {
    let mut world = World::new();
    world.online("s", V5);
    world.subscribed("s", "a/+/#", QoS::AtMostOnce);
    world.disconnects("s", ReasonCode::SUCCESS);
    assert_eq!((world.core.router.len(), world.core.sessions.len()), (0, 0));
}

#[test]
fn shared_subscriptions_are_refused_in_the_words_of_each_version_and_change_nothing() {
    let mut world = World::new();
    for (name, version, answer) in [("five", V5, "SUBACK 1 [158, 0]"), ("three", V3, "SUBACK 1 [128, 0]")] {
        world.online(name, version);
        let filters = vec![filter("$share/g/a", QoS::AtLeastOnce), filter("b", QoS::AtMostOnce)];
        world.subscribes(name, filters);
        world.expect(name, [answer]);
        world.publishes(name, publish("a", "x", QoS::AtMostOnce, 0));
        world.expect(name, []);
    }
    assert_eq!(world.core.router.len(), 2);
}
