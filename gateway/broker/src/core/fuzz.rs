//! Fuzz body: a script of connections, bytes, commits, time and policy changes against the core.
//!
//! For `cargo fuzz` and for the property test beside it. It asserts what must hold whatever clients send:
//! no panic, and nothing left behind when everybody has gone and every session has ended.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use sitewarden_core::gate::Principal;
use sitewarden_core::time::Now;

use super::{Core, Input, Key, Output, Peer};
use crate::admission::Admitted;
use crate::batch::Committed;
use crate::grants::{Grants, GrantsBuilder};
use crate::limits::Limits;
use crate::wire::{self, Framed};

/// Connections that a script can name.
const CONNECTIONS: usize = 4;

struct Script {
    core: Core,
    now: Now,
    conns: [Option<Key>; CONNECTIONS],
    batches: Vec<u64>,
    strict: bool,
}

/// Runs one script. Each step is a byte for the action, one for its argument, and for the action "send" as
/// many bytes as the argument says.
///
/// # Panics
/// When an invariant of the core is broken.
pub fn fuzz_core(mut script: &[u8]) {
    let limits = Limits { inflight_in: 4, received_qos2: 4, queue_messages: 8, ..Limits::default() };
    let mut run = Script {
        core: Core::new(limits, Arc::default(), 1),
        now: Now::default(),
        conns: [None; CONNECTIONS],
        batches: Vec::new(),
        strict: false,
    };
    while let [action, argument, rest @ ..] = script {
        let length = if action % 8 < 4 { usize::from(*argument).min(rest.len()) } else { 0 };
        let (bytes, rest) = rest.split_at(length);
        run.step(*action, *argument, bytes);
        script = rest;
    }
    run.finish();
}

impl Script {
    fn step(&mut self, action: u8, argument: u8, bytes: &[u8]) {
        match action % 8 {
            place @ 0..4 => self.send(usize::from(place), bytes),
            4 => self.answer(argument > 20),
            5 => self.forward(u64::from(argument)),
            6 => self.close(usize::from(argument) % CONNECTIONS),
            _ => {
                self.strict = argument.is_multiple_of(2);
                let strict = self.strict;
                self.core.refresh_grants(self.now, &|_, _| grants(strict));
            }
        }
        self.settle();
    }

    fn send(&mut self, place: usize, mut bytes: &[u8]) {
        let Some(slot) = self.conns.get_mut(place) else { return };
        let now = self.now;
        let conn = *slot.get_or_insert_with(|| {
            let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
            self.core.open(now, Peer { address, listener: "fuzz".into(), certificate: None })
        });
        while self.core.may_read(conn) {
            let (version, limits) = self.core.decoding(conn);
            let decoded = match wire::next_frame(bytes, &limits) {
                Ok(Framed::Need(_)) => return,
                Ok(Framed::Frame { first_byte, body }) => {
                    let (packet, rest) = bytes.split_at(body.end);
                    bytes = rest;
                    wire::decode(first_byte, packet.get(body).unwrap_or_default(), version, &limits)
                }
                Err(fault) => Err(fault),
            };
            match decoded {
                Ok(packet) => self.core.handle(now, Input::Packet { conn, packet }),
                Err(fault) => return self.core.handle(now, Input::Malformed { conn, fault }),
            }
            self.settle();
        }
    }

    fn answer(&mut self, ok: bool) {
        if !self.batches.is_empty() {
            let id = self.batches.remove(0);
            self.core.handle(self.now, Input::Committed(Committed { id, ok }));
        }
    }

    fn forward(&mut self, seconds: u64) {
        self.now.mono = self.now.mono.after(Duration::from_secs(seconds));
        self.now.wall = self.now.wall.after(Duration::from_secs(seconds));
        self.core.handle(self.now, Input::Timer);
    }

    fn close(&mut self, place: usize) {
        if let Some(conn) = self.conns.get_mut(place).and_then(Option::take) {
            self.core.handle(self.now, Input::Closed { conn });
        }
    }

    fn settle(&mut self) {
        while let Some(output) = self.core.poll() {
            match output {
                Output::Admit { conn, .. } => {
                    let admitted = Admitted { principal: Principal::Anonymous, grants: grants(self.strict) };
                    self.core.handle(self.now, Input::Admitted { conn, answer: Ok(admitted) });
                }
                Output::Close { conn } => {
                    let place = self.conns.iter().position(|known| *known == Some(conn));
                    place.into_iter().for_each(|place| self.close(place));
                }
            }
        }
        if let Some(batch) = self.core.take_batch() {
            self.batches.push(batch.id);
        }
        let dirty = self.core.take_dirty();
        for key in &dirty {
            self.core.written(*key, self.core.outgoing_bytes(*key));
            self.core.handle(self.now, Input::Flushed { conn: *key });
        }
        self.core.recycle_dirty(dirty);
    }

    /// Everybody goes, every session ends, everything is committed: only retained messages may be left.
    fn finish(&mut self) {
        for place in 0..CONNECTIONS {
            self.close(place);
            self.settle();
        }
        self.forward(30 * 24 * 3_600);
        self.settle();
        while !self.batches.is_empty() {
            self.answer(true);
            self.settle();
        }
        self.core.assert_empty();
    }
}

fn grants(strict: bool) -> Grants {
    if !strict {
        return Grants::everything();
    }
    GrantsBuilder::new().allow_publish("a/#").allow_subscribe("a/#").allow_deliver("a/+").build()
}

impl Core {
    fn assert_empty(&self) {
        assert_eq!((self.conns.len(), self.sessions.len(), self.clients.len()), (0, 0, 0), "left behind");
        assert_eq!((self.router.len(), self.wills.len()), (0, 0), "subscriptions or wills left behind");
        assert_eq!(self.outflow.waiting, 0, "bytes of nobody");
        assert_eq!(self.stored.len(), self.retained.len(), "stored messages that nothing refers to");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::fuzz_core;

    /// Packets of clients, most of them valid, some with one wrong byte.
    fn packet() -> impl Strategy<Value = Vec<u8>> {
        let connect = |level: u8, flags: u8, id: u8| {
            let mut body = b"\0\x04MQTT".to_vec();
            body.extend([level, flags, 0, 9]);
            if level == 5 {
                body.extend([5, 0x11, 0, 0, 0, id % 3 * 90]);
            }
            body.extend([0, 1, b'a' + id % 2]);
            if flags & 4 != 0 {
                body.extend(if level == 5 { vec![5, 0x18, 0, 0, 0, 3] } else { vec![] });
                body.extend(b"\0\x03a/w\0\x01x");
            }
            frame(0x10, &body)
        };
        let publish = |level: u8, flags: u8, topic: u8, id: u8| {
            let mut body = vec![0, 3, b'a' + topic % 2, b'/', b'x'];
            if flags & 6 != 0 {
                body.extend([0, id % 3 + 1]);
            }
            body.extend(if level == 5 { vec![0] } else { vec![] });
            body.extend(if topic > 200 { &b""[..] } else { &b"payload"[..] });
            frame(0x30 | flags, &body)
        };
        let subscribe = |level: u8, kind: u8, qos: u8| {
            let mut body = vec![0, 1];
            body.extend(if level == 5 { vec![0] } else { vec![] });
            let filter: &[u8] = [&b"a/#"[..], b"+/x", b"b/x", b"$share/g/a"][usize::from(kind % 4)];
            body.extend([0, filter.len() as u8]);
            body.extend(filter);
            body.push(qos % 3);
            frame(0x82, &body)
        };
        let level = prop_oneof![Just(4_u8), Just(5_u8)];
        let flags = prop::sample::select(vec![0_u8, 1, 2, 3, 4, 5, 10, 11, 12]);
        prop_oneof![
            3 => (level.clone(), prop::sample::select(vec![0_u8, 2, 4, 6, 0x2C, 0x36]), any::<u8>())
                .prop_map(move |(level, flags, id)| connect(level, flags, id)),
            6 => (level.clone(), flags, any::<u8>(), any::<u8>())
                .prop_map(move |(level, flags, topic, id)| publish(level, flags, topic, id)),
            4 => (level, any::<u8>(), any::<u8>())
                .prop_map(move |(level, kind, qos)| subscribe(level, kind, qos)),
            5 => (prop::sample::select(vec![0x40_u8, 0x50, 0x62, 0x70]), 1..5_u8)
                .prop_map(|(first, id)| frame(first, &[0, id])),
            1 => Just(frame(0xE0, &[])),
            1 => Just(frame(0xC0, &[])),
            1 => prop::collection::vec(any::<u8>(), 0..20),
        ]
    }

    fn frame(first: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first, body.len() as u8];
        bytes.extend(body);
        bytes
    }

    fn step() -> impl Strategy<Value = Vec<u8>> {
        let send = (0..4_u8, packet()).prop_map(|(place, packet)| {
            let mut bytes = vec![place, packet.len() as u8];
            bytes.extend(packet);
            bytes
        });
        prop_oneof![8 => send, 3 => (4..8_u8, any::<u8>()).prop_map(|(action, argument)| vec![action, argument])]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(600))]

        #[test]
        fn no_script_breaks_the_core(steps in prop::collection::vec(step(), 0..120)) {
            fuzz_core(&steps.concat());
        }

        #[test]
        fn no_bytes_break_the_core(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            fuzz_core(&bytes);
        }
    }
}
