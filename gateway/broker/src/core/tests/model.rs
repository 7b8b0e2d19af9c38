//! Random histories against a small model: what was acknowledged arrives, once, in order, whatever breaks.
//!
//! The model knows for each persistent subscriber which payloads it must get. Steps are publishes, lost
//! connections, commits and kills of the process; invariants are checked at the end of each history, when
//! everybody is back and everything is acknowledged.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::harness::{World, publish, resuming};
use super::restart::Disk;
use crate::wire::{AckKind, Publish, QoS, Version::*};

#[derive(Clone, Debug)]
enum Step {
    /// Publish with this QoS (1 or 2).
    Publish(QoS),
    /// Answer the oldest batch.
    Commit,
    /// The answer is "no".
    Fail,
    /// A subscriber breaks off.
    Lose(usize),
    /// A subscriber comes back.
    Return(usize),
    /// A subscriber reads and acknowledges all that it has.
    Read(usize),
    /// kill -9 and a new start.
    Kill,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop_oneof![Just(QoS::AtLeastOnce), Just(QoS::ExactlyOnce)].prop_map(Step::Publish),
        6 => Just(Step::Commit),
        1 => Just(Step::Fail),
        1 => (0..2_usize).prop_map(Step::Lose),
        2 => (0..2_usize).prop_map(Step::Return),
        3 => (0..2_usize).prop_map(Step::Read),
        1 => Just(Step::Kill),
    ]
}

/// Subscriber 0 asks for QoS 1, subscriber 1 for QoS 2.
const NAMES: [&str; 2] = ["one", "two"];

#[derive(Default)]
struct Reader {
    online: bool,
    /// QoS 2 ids that were received and not released: the client's half of exactly once.
    open: BTreeSet<u16>,
    got: Vec<u16>,
}

struct History {
    world: World,
    disk: Disk,
    readers: [Reader; 2],
    publisher_online: bool,
    /// Payload and QoS of what the publisher has not finished, by packet id.
    unfinished: BTreeMap<u16, (u16, QoS)>,
    next: u16,
    acknowledged: Vec<u16>,
}

impl History {
    fn new() -> Self {
        let mut history = Self {
            world: World::new(),
            disk: Disk::default(),
            readers: Default::default(),
            publisher_online: false,
            unfinished: BTreeMap::new(),
            next: 1,
            acknowledged: Vec::new(),
        };
        for (reader, name) in NAMES.iter().enumerate() {
            history.come_back(reader);
            history.world.subscribed(name, "a", [QoS::AtLeastOnce, QoS::ExactlyOnce][reader]);
        }
        history.drain_ops();
        history.world.commits = false;
        history.publisher_returns();
        history
    }

    /// Ops of batches that were committed at once.
    fn drain_ops(&mut self) {
        for op in std::mem::take(&mut self.world.ops) {
            self.disk.apply(&op);
        }
    }

    fn come_back(&mut self, reader: usize) {
        if !self.readers[reader].online {
            self.readers[reader].online = true;
            let answers = self.world.connect(resuming(NAMES[reader], V5));
            self.receive(reader, answers);
        }
    }

    fn publisher_returns(&mut self) {
        if self.publisher_online && !self.world.closed.contains("p") {
            return;
        }
        self.publisher_online = true;
        let answers = self.world.connect(resuming("p", V5));
        let kept = answers[0].starts_with("CONNACK present=true");
        let again: Vec<_> = self.unfinished.iter().map(|(id, what)| (*id, *what)).collect();
        for (id, (payload, qos)) in again {
            // A client whose session is gone begins anew; its packets are new ones as well.
            let text = payload.to_string();
            self.world.publishes("p", Publish { dup: kept, ..publish("a", &text, qos, id) });
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Publish(qos) => {
                let payload = self.next;
                self.next += 1;
                self.unfinished.insert(payload, (payload, qos));
                let text = payload.to_string();
                self.world.publishes("p", publish("a", &text, qos, payload));
            }
            Step::Commit => self.answer(true),
            Step::Fail => self.answer(false),
            Step::Lose(reader) if self.readers[reader].online => {
                self.readers[reader].online = false;
                self.world.loses(NAMES[reader]);
                self.world.take(NAMES[reader]);
            }
            Step::Lose(_) => {}
            Step::Return(reader) => self.come_back(reader),
            Step::Read(reader) => self.read(reader),
            Step::Kill => self.kill(),
        }
        self.acknowledgements();
        self.notice_ends();
    }

    fn answer(&mut self, ok: bool) {
        let Some(batch) = self.world.batches.first() else { return };
        if ok {
            batch.ops.clone().iter().for_each(|op| self.disk.apply(op));
        }
        self.world.commit(ok);
    }

    fn kill(&mut self) {
        self.world.take("p");
        for (reader, name) in NAMES.iter().enumerate() {
            // What was on the wire reached the client; its acknowledgements are lost.
            let got = self.world.take(name);
            self.readers[reader].online = false;
            for line in got {
                self.take_message(reader, &line);
            }
        }
        self.publisher_online = false;
        let disk = self.disk.clone();
        self.world.restart(&disk);
        self.publisher_returns();
    }

    /// The publisher reads its acknowledgements.
    fn acknowledgements(&mut self) {
        for line in self.world.take("p") {
            let mut words = line.split(' ');
            let (name, id) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let Ok(id) = id.parse::<u16>() else { continue };
            match name {
                "PUBACK" | "PUBCOMP" => {
                    if let Some((payload, _)) = self.unfinished.remove(&id) {
                        self.acknowledged.push(payload);
                    }
                }
                "PUBREC" => self.world.acks("p", AckKind::Pubrel, id),
                _ => {}
            }
        }
    }

    /// A failed commit ends connections; the publisher comes back at once.
    fn notice_ends(&mut self) {
        for (reader, name) in NAMES.iter().enumerate() {
            if self.readers[reader].online && self.world.closed.contains(*name) {
                self.readers[reader].online = false;
                self.world.take(name);
            }
        }
        self.publisher_returns();
    }

    fn read(&mut self, reader: usize) {
        let lines = self.world.take(NAMES[reader]);
        self.receive(reader, lines);
    }

    fn receive(&mut self, reader: usize, lines: Vec<String>) {
        for line in lines {
            self.take_message(reader, &line);
            let Some(id) = packet_id(&line) else { continue };
            let kind = match line.split(' ').next() {
                Some("PUBLISH") if line.contains(" q1 ") => AckKind::Puback,
                Some("PUBLISH") => AckKind::Pubrec,
                Some("PUBREL") => AckKind::Pubcomp,
                _ => continue,
            };
            self.world.acks(NAMES[reader], kind, id);
        }
    }

    /// What a client does with a packet before it answers.
    fn take_message(&mut self, reader: usize, line: &str) {
        let Some(id) = packet_id(line) else { return };
        let state = &mut self.readers[reader];
        if line.starts_with("PUBREL") {
            state.open.remove(&id);
            return;
        }
        let payload = line.rsplit('"').nth(1).and_then(|text| text.parse().ok());
        let Some(payload) = payload.filter(|_| line.starts_with("PUBLISH")) else { return };
        if line.contains(" q2 ") && !state.open.insert(id) {
            return;
        }
        state.got.push(payload);
    }

    /// Everybody comes back, everything is committed and read.
    fn finish(&mut self) {
        for _ in 0..60 {
            while !self.world.batches.is_empty() {
                self.answer(true);
                self.acknowledgements();
                self.notice_ends();
            }
            for reader in 0..2 {
                self.come_back(reader);
                self.read(reader);
            }
            self.acknowledgements();
            self.notice_ends();
        }
    }
}

fn packet_id(line: &str) -> Option<u16> {
    match line.split_once('#') {
        Some((_, rest)) => rest.split(' ').next()?.parse().ok(),
        None if line.starts_with("PUBREL ") => line.split(' ').nth(1)?.parse().ok(),
        None => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_acknowledged_arrives(steps in prop::collection::vec(step(), 0..60)) {
        let mut history = History::new();
        for step in &steps {
            history.step(step);
        }
        history.finish();

        prop_assert!(history.unfinished.is_empty(), "never acknowledged: {:?}", history.unfinished);
        let acknowledged: BTreeSet<u16> = history.acknowledged.iter().copied().collect();
        for (reader, state) in history.readers.iter().enumerate() {
            let got: BTreeSet<u16> = state.got.iter().copied().collect();
            prop_assert!(acknowledged.is_subset(&got), "reader {} misses {:?}", reader, acknowledged.difference(&got));
        }
        prop_assert_eq!(history.disk.messages(), 0, "messages left behind on the disk");
        prop_assert!(history.world.core.stored.is_empty());
        for name in NAMES.iter().chain(&["p"]) {
            history.world.take(name);
        }
    }
}
