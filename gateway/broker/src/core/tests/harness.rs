//! The fake world around the core.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::super::*;
use super::reader::read_packets;
use crate::admission::{Admitted, Refused};
use crate::batch::{Batch, Committed};
use crate::grants::Grants;
use crate::state::StoreOp;
use crate::wire::{
    Ack, Connect, ConnectProperties, Disconnect, MessageProperties, PacketId, Publish, QoS, RetainHandling,
    Subscribe, SubscribeFilter, Unsubscribe, Will,
};
use sitewarden_core::gate::Principal;
use sitewarden_core::time::Timestamp;

pub(super) fn id(id: u16) -> PacketId {
    PacketId::new(id).unwrap()
}

/// A CONNECT with a clean start.
pub(in crate::core) fn connect(client: &str, version: Version) -> Connect {
    Connect {
        version,
        clean_start: true,
        keep_alive: 0,
        client_id: client.into(),
        will: None,
        username: None,
        password: None,
        properties: ConnectProperties::default(),
    }
}

/// A CONNECT that resumes, with an hour of session expiry.
pub(super) fn resuming(client: &str, version: Version) -> Connect {
    let properties = ConnectProperties { session_expiry: Some(3_600), ..ConnectProperties::default() };
    Connect { clean_start: false, properties, ..connect(client, version) }
}

pub(super) fn will(topic: &str, delay: Option<u32>) -> Will {
    Will {
        topic: topic.into(),
        payload: bytes::Bytes::from_static(b"gone"),
        qos: QoS::AtMostOnce,
        retain: false,
        delay,
        properties: MessageProperties::default(),
    }
}

/// PUBLISH with a packet id when `qos` is above 0.
pub(super) fn publish<'a>(topic: &'a str, payload: &'a str, qos: QoS, packet_id: u16) -> Publish<'a> {
    Publish {
        topic,
        payload: payload.as_bytes(),
        qos,
        dup: false,
        retain: false,
        packet_id: PacketId::new(packet_id),
        topic_alias: None,
        properties: None,
    }
}

pub(super) fn filter(filter: &str, qos: QoS) -> SubscribeFilter {
    SubscribeFilter {
        filter: filter.into(),
        qos,
        no_local: false,
        retain_as_published: false,
        retain_handling: RetainHandling::Send,
    }
}

pub(super) struct World {
    pub(super) core: Core,
    pub(super) now: Now,
    pub(super) metrics: Arc<Metrics>,
    conns: HashMap<String, Key>,
    received: HashMap<String, Vec<String>>,
    pub(super) closed: HashSet<String>,
    pub(super) rights: HashMap<String, Grants>,
    pub(super) batches: Vec<Batch>,
    pub(super) published: Vec<String>,
    pub(super) notices: Vec<Notice>,
    pub(super) ops: Vec<StoreOp>,
    /// Batches are committed at once.
    pub(super) commits: bool,
    raw: HashMap<String, Vec<u8>>,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(super) fn with(limits: Limits) -> Self {
        let metrics: Arc<Metrics> = Arc::default();
        let now = Now { wall: Timestamp::from_seconds(1_000_000), mono: Monotonic::from_micros(0) };
        Self {
            core: Core::new(limits, metrics.clone(), 7),
            now,
            metrics,
            conns: HashMap::new(),
            received: HashMap::new(),
            closed: HashSet::new(),
            rights: HashMap::new(),
            batches: Vec::new(),
            published: Vec::new(),
            notices: Vec::new(),
            ops: Vec::new(),
            commits: true,
            raw: HashMap::new(),
        }
    }

    /// Opens a connection that is called `name` from now on.
    pub(super) fn open(&mut self, name: &str) {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let peer = Peer { address, listener: "test".into(), certificate: None };
        let key = self.core.open(self.now, peer);
        self.conns.insert(name.to_owned(), key);
        self.closed.remove(name);
        self.raw.remove(name);
    }

    /// Opens a connection and says CONNECT; the connection is called as the client id.
    pub(super) fn connect(&mut self, connect: Connect) -> Vec<String> {
        let name = connect.client_id.to_string();
        self.connect_as(&name, connect)
    }

    pub(super) fn connect_as(&mut self, name: &str, connect: Connect) -> Vec<String> {
        self.open(name);
        self.says(name, Packet::Connect(Box::new(connect)));
        self.take(name)
    }

    /// Connects and forgets the CONNACK.
    pub(super) fn online(&mut self, client: &str, version: Version) {
        let answers = self.connect(connect(client, version));
        assert!(answers[0].starts_with("CONNACK present=false 0x00"), "{answers:?}");
    }

    pub(super) fn says(&mut self, name: &str, packet: Packet<'_>) {
        let conn = self.conns[name];
        self.core.handle(self.now, Input::Packet { conn, packet });
        self.settle();
    }

    pub(super) fn publishes(&mut self, name: &str, publish: Publish<'_>) {
        self.says(name, Packet::Publish(publish));
    }

    pub(super) fn subscribes(&mut self, name: &str, filters: Vec<SubscribeFilter>) {
        self.says(
            name,
            Packet::Subscribe(Subscribe { packet_id: id(1), filters, subscription_id: None, user: vec![] }),
        );
    }

    /// Subscribes one filter and takes the SUBACK.
    pub(super) fn subscribed(&mut self, name: &str, text: &str, qos: QoS) {
        self.subscribes(name, vec![filter(text, qos)]);
        let answers = self.take(name);
        assert!(answers.iter().any(|answer| *answer == format!("SUBACK 1 [{}]", qos as u8)), "{answers:?}");
    }

    pub(super) fn unsubscribes(&mut self, name: &str, filters: &[&str]) {
        let filters = filters.iter().map(|filter| (*filter).into()).collect();
        self.says(name, Packet::Unsubscribe(Unsubscribe { packet_id: id(9), filters, user: vec![] }));
    }

    pub(super) fn acks(&mut self, name: &str, kind: wire::AckKind, packet_id: u16) {
        let ack = Ack::new(id(packet_id), ReasonCode::SUCCESS);
        self.says(
            name,
            match kind {
                wire::AckKind::Puback => Packet::Puback(ack),
                wire::AckKind::Pubrec => Packet::Pubrec(ack),
                wire::AckKind::Pubrel => Packet::Pubrel(ack),
                wire::AckKind::Pubcomp => Packet::Pubcomp(ack),
            },
        );
    }

    pub(super) fn disconnects(&mut self, name: &str, code: ReasonCode) {
        self.says(name, Packet::Disconnect(Disconnect::new(code)));
    }

    /// The socket breaks.
    pub(super) fn loses(&mut self, name: &str) {
        let conn = self.conns[name];
        self.core.handle(self.now, Input::Closed { conn });
        self.settle();
    }

    pub(super) fn key(&self, name: &str) -> Key {
        self.conns[name]
    }

    /// Lets time pass, stopping at each deadline.
    pub(super) fn forward(&mut self, seconds: u64) {
        let end = self.now.mono.after(Duration::from_secs(seconds));
        while let Some(next) = self.core.next_deadline().filter(|next| *next <= end) {
            self.jump(next.max(self.now.mono));
            self.core.handle(self.now, Input::Timer);
            self.settle();
        }
        self.jump(end);
    }

    fn jump(&mut self, to: Monotonic) {
        self.now.wall = self.now.wall.after(to.since(self.now.mono));
        self.now.mono = to;
    }

    /// Answers the oldest batch that waits.
    pub(super) fn commit(&mut self, ok: bool) {
        let batch = self.batches.remove(0);
        self.core.handle(self.now, Input::Committed(Committed { id: batch.id, ok }));
        self.settle();
    }

    /// New rights for everybody.
    pub(super) fn new_policy(&mut self) {
        let rights = self.rights.clone();
        self.core.refresh_grants(self.now, &|principal, _| rights_of(&rights, principal));
        self.settle();
    }

    /// Does what the shell does in one turn, until nothing is left to do.
    pub(super) fn settle(&mut self) {
        loop {
            let mut idle = true;
            while let Some(output) = self.core.poll() {
                idle = false;
                self.output(output);
            }
            if let Some(batch) = self.core.take_batch() {
                idle = false;
                self.published.extend(batch.publishes.iter().map(|publish| {
                    format!("{} {:?}", publish.topic, String::from_utf8_lossy(&publish.payload))
                }));
                self.ops.extend(batch.ops.iter().cloned());
                self.notices.extend(batch.notices.iter().cloned());
                let id = batch.id;
                if self.commits {
                    self.core.handle(self.now, Input::Committed(Committed { id, ok: true }));
                } else {
                    self.batches.push(batch);
                }
            }
            let dirty = self.core.take_dirty();
            for key in &dirty {
                idle = false;
                self.flush(*key);
            }
            self.core.recycle_dirty(dirty);
            if idle {
                return;
            }
        }
    }

    fn output(&mut self, output: Output) {
        match output {
            Output::Admit { conn, request } => {
                let principal = Principal::Device {
                    id: request.client_id.clone(),
                    trust: sitewarden_core::Trust::Trusted,
                };
                let answer = match request.username.as_deref() {
                    Some("nobody") => {
                        Err(Refused { code: ReasonCode::BAD_USER_NAME_OR_PASSWORD, text: "unknown".into() })
                    }
                    _ => Ok(Admitted { grants: rights_of(&self.rights, &principal), principal }),
                };
                self.core.handle(self.now, Input::Admitted { conn, answer });
            }
            Output::Close { conn } => {
                self.flush(conn);
                let name = self.name(conn);
                self.closed.insert(name);
                self.core.handle(self.now, Input::Closed { conn });
            }
        }
    }

    fn name(&self, key: Key) -> String {
        self.conns.iter().find(|(_, conn)| **conn == key).map(|(name, _)| name.clone()).unwrap_or_default()
    }

    fn flush(&mut self, key: Key) {
        let name = self.name(key);
        let version = self.core.conns.get(key).and_then(|conn| conn.version).unwrap_or(Version::V3);
        loop {
            let mut slices = [IoSlice::new(&[]); 64];
            let count = self.core.outgoing(key, &mut slices);
            let bytes: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
            if bytes.is_empty() {
                break;
            }
            self.core.written(key, bytes.len());
            self.raw.entry(name.clone()).or_default().extend(bytes);
        }
        self.core.handle(self.now, Input::Flushed { conn: key });
        let raw = self.raw.remove(&name).unwrap_or_default();
        let packets = read_packets(&raw, version);
        self.received.entry(name).or_default().extend(packets);
    }

    /// What a client received since the last look.
    pub(super) fn take(&mut self, name: &str) -> Vec<String> {
        self.received.remove(name).unwrap_or_default()
    }

    /// Compares what a client received since the last look.
    #[track_caller]
    pub(super) fn expect<const N: usize>(&mut self, name: &str, packets: [&str; N]) {
        assert_eq!(self.take(name), packets, "received by {name}");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.received.retain(|_, packets| !packets.is_empty());
            assert!(self.received.is_empty(), "not expected: {:?}", self.received);
        }
    }
}

pub(super) fn rights_of(rights: &HashMap<String, Grants>, principal: &Principal) -> Grants {
    match principal {
        Principal::Device { id, .. } => rights.get(&**id).cloned().unwrap_or_else(Grants::everything),
        _ => Grants::none(),
    }
}
