//! kill -9: only what was committed is there afterwards, and it is enough.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::harness::{World, publish, resuming, rights_of, will};
use crate::state::{Loaded, LoadedSession, QueueRecord, StoreOp};
use crate::wire::{AckKind, Connect, Publish, QoS, Version::*};

/// What a disk holds: the ops of committed batches, applied by the plainest code that can.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    sessions: BTreeMap<u64, LoadedSession>,
    messages: BTreeMap<u64, Arc<crate::state::Message>>,
    retained: BTreeMap<Arc<str>, u64>,
    wills: BTreeMap<Arc<str>, crate::state::WillRecord>,
    received: BTreeMap<u64, std::collections::BTreeSet<u16>>,
    queues: BTreeMap<u64, BTreeMap<u64, QueueRecord>>,
    subscriptions: BTreeMap<u64, BTreeMap<Arc<str>, crate::state::SubscriptionOptions>>,
}

impl Disk {
    pub(crate) fn apply(&mut self, op: &StoreOp) {
        match op.clone() {
            StoreOp::Session(record) => {
                let sent_below = self.sessions.get(&record.id).map_or(0, |session| session.sent_below);
                let id = record.id;
                let (subscriptions, queue, received) = (vec![], vec![], vec![]);
                let session = LoadedSession { record, subscriptions, queue, sent_below, received };
                self.sessions.insert(id, session);
            }
            StoreOp::SessionGone(id) => {
                self.sessions.remove(&id);
                self.received.remove(&id);
                self.queues.remove(&id);
                self.subscriptions.remove(&id);
            }
            StoreOp::Subscription { session, filter, options } => {
                self.subscriptions.entry(session).or_default().insert(filter, options);
            }
            StoreOp::SubscriptionGone { session, filter } => {
                self.subscriptions.entry(session).or_default().remove(&filter);
            }
            StoreOp::Message(message) => {
                self.messages.insert(message.id, message);
            }
            StoreOp::MessageGone(id) => {
                self.messages.remove(&id);
            }
            StoreOp::Queue { session, entry } => {
                self.queues.entry(session).or_default().insert(entry.seq, entry);
            }
            StoreOp::QueueReleased { session, seq } => {
                if let Some(entry) = self.queues.entry(session).or_default().get_mut(&seq) {
                    entry.message = None;
                }
            }
            StoreOp::QueueGone { session, seq } => {
                self.queues.entry(session).or_default().remove(&seq);
            }
            StoreOp::Sent { session, below } => {
                if let Some(session) = self.sessions.get_mut(&session) {
                    session.sent_below = below;
                }
            }
            StoreOp::Received { session, packet_id } => {
                self.received.entry(session).or_default().insert(packet_id);
            }
            StoreOp::ReceivedGone { session, packet_id } => {
                self.received.entry(session).or_default().remove(&packet_id);
            }
            StoreOp::Retained { topic, message } => {
                self.retained.insert(topic, message);
            }
            StoreOp::RetainedGone(topic) => {
                self.retained.remove(&topic);
            }
            StoreOp::Reset => *self = Self::default(),
            StoreOp::Will(will) => {
                self.wills.insert(will.client_id.clone(), *will);
            }
            StoreOp::WillGone(client) => {
                self.wills.remove(&client);
            }
        }
    }

    pub(crate) fn load(&self) -> Loaded {
        let sessions: Vec<LoadedSession> = self
            .sessions
            .values()
            .map(|session| {
                let id = session.record.id;
                LoadedSession {
                    subscriptions: self
                        .subscriptions
                        .get(&id)
                        .cloned()
                        .unwrap_or_default()
                        .into_iter()
                        .collect(),
                    queue: self.queues.get(&id).cloned().unwrap_or_default().into_values().collect(),
                    received: self.received.get(&id).cloned().unwrap_or_default().into_iter().collect(),
                    ..session.clone()
                }
            })
            .collect();
        Loaded {
            next_session: sessions.last().map_or(1, |session| session.record.id + 1),
            next_message: self.messages.keys().last().map_or(1, |id| id + 1),
            sessions,
            messages: self.messages.values().cloned().collect(),
            retained: self.retained.iter().map(|(topic, id)| (topic.clone(), *id)).collect(),
            wills: self.wills.values().cloned().collect(),
        }
    }

    pub(super) fn messages(&self) -> usize {
        self.messages.len()
    }
}

impl World {
    /// A new process with what the disk has.
    pub(super) fn restart(&mut self, disk: &Disk) {
        let mut next = World::new();
        next.now = self.now;
        next.commits = self.commits;
        next.rights = self.rights.clone();
        let rights = next.rights.clone();
        next.core.restore(next.now, disk.load(), &|principal, _| rights_of(&rights, principal));
        next.settle();
        *self = next;
    }

    /// Everything that was committed so far.
    fn disk(&self) -> Disk {
        let mut disk = Disk::default();
        self.ops.iter().for_each(|op| disk.apply(op));
        disk
    }
}

#[test]
fn sessions_subscriptions_queues_and_retained_messages_come_back() {
    let mut world = World::new();
    world.connect(resuming("s", V5));
    world.subscribed("s", "a", QoS::AtLeastOnce);
    world.loses("s");
    world.online("p", V3);
    world.publishes("p", Publish { retain: true, ..publish("a", "1", QoS::AtLeastOnce, 1) });
    world.publishes("p", publish("a", "2", QoS::AtLeastOnce, 2));
    world.expect("p", ["PUBACK 1", "PUBACK 2"]);

    let disk = world.disk();
    world.restart(&disk);

    let answers = world.connect(resuming("s", V5));
    assert!(answers[0].starts_with("CONNACK present=true"));
    assert_eq!(answers[1..], [r#"PUBLISH a q1 #1 "1""#, r#"PUBLISH a q1 #2 "2""#]);
    world.subscribes("s", vec![super::harness::filter("a", QoS::AtMostOnce)]);
    world.expect("s", ["SUBACK 1 [0]", r#"PUBLISH a q0 retain "1""#]);
    assert_eq!(world.metrics.retained.get(), 1);
    world.online("p", V3);
    world.publishes("p", publish("a", "3", QoS::AtLeastOnce, 1));
    world.expect("p", ["PUBACK 1"]);
    world.expect("s", [r#"PUBLISH a q0 "3""#]);
}

#[test]
fn a_message_of_qos_2_that_was_taken_is_not_taken_again() {
    let mut world = World::new();
    world.connect(resuming("p", V5));
    world.publishes("p", publish("a", "x", QoS::ExactlyOnce, 5));
    world.expect("p", ["PUBREC 5 0x10"]);

    let disk = world.disk();
    world.restart(&disk);

    world.connect(resuming("p", V5));
    world.publishes("p", Publish { dup: true, ..publish("a", "x", QoS::ExactlyOnce, 5) });
    world.expect("p", ["PUBREC 5"]);
    assert!(world.published.is_empty());
    world.acks("p", AckKind::Pubrel, 5);
    world.expect("p", ["PUBCOMP 5"]);
}

#[test]
fn deliveries_keep_their_packet_ids_and_their_stage() {
    let mut world = World::new();
    world.connect(resuming("s", V5));
    world.subscribed("s", "a", QoS::ExactlyOnce);
    for number in 1..=3 {
        world.publishes("s", publish("a", &number.to_string(), QoS::ExactlyOnce, number));
        world.acks("s", AckKind::Pubrel, number);
    }
    world.take("s");
    world.acks("s", AckKind::Pubrec, 2);
    world.expect("s", ["PUBREL 2"]);

    let disk = world.disk();
    world.restart(&disk);

    let answers = world.connect(resuming("s", V5));
    assert_eq!(answers[1..], [r#"PUBLISH a q2 #1 dup "1""#, "PUBREL 2", r#"PUBLISH a q2 #3 dup "3""#]);
    for number in [1, 3] {
        world.acks("s", AckKind::Pubrec, number);
    }
    for number in 1..=3 {
        world.acks("s", AckKind::Pubcomp, number);
    }
    world.expect("s", ["PUBREL 1", "PUBREL 3"]);
    let mut disk = disk;
    world.ops.iter().for_each(|op| disk.apply(op));
    assert_eq!((disk.messages(), disk.queues.values().map(BTreeMap::len).sum::<usize>()), (0, 0));
}

#[test]
fn a_will_of_a_client_that_does_not_come_back_is_sent_after_a_grace() {
    let mut world = World::new();
    world.connect(Connect { will: Some(will("w", None)), ..resuming("gone", V5) });
    world.connect(Connect { will: Some(will("w", None)), ..resuming("back", V5) });

    let disk = world.disk();
    world.restart(&disk);

    world.online("watch", V3);
    world.subscribed("watch", "w", QoS::AtMostOnce);
    world.connect(resuming("back", V5));
    world.forward(29);
    world.expect("watch", []);
    world.forward(1);
    world.expect("watch", [r#"PUBLISH w q0 "gone""#]);
}

#[test]
fn a_session_ends_in_time_although_the_process_was_down() {
    let mut world = World::new();
    world.connect(resuming("s", V5));
    world.loses("s");
    let disk = world.disk();
    world.forward(3_000);
    world.restart(&disk);
    world.forward(600);
    assert!(world.connect(resuming("s", V5))[0].starts_with("CONNACK present=false"));
}

#[test]
fn a_stopped_gateway_sends_no_wills_but_keeps_them() {
    let mut world = World::new();
    world.online("watch", V3);
    world.subscribed("watch", "w", QoS::AtMostOnce);
    world.connect(Connect { will: Some(will("w", None)), ..resuming("c", V5) });
    world.core.shut_down(world.now);
    world.settle();
    world.expect("watch", []);
    world.expect("c", ["DISCONNECT 0x8b"]);

    let disk = world.disk();
    world.restart(&disk);
    world.online("watch", V3);
    world.subscribed("watch", "w", QoS::AtMostOnce);
    world.forward(31);
    world.expect("watch", [r#"PUBLISH w q0 "gone""#]);
}
