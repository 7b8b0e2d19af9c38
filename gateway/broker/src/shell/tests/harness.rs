//! A broker on a free port, its committer, and a client of bytes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use sitewarden_core::gate::{PolicyEpoch, Principal};
use sitewarden_store::Store;
use tokio::sync::{mpsc, watch};

use super::super::*;
use crate::limits::Limits;

/// Far beyond what any step needs; only a failing test waits so long.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Everybody may do everything; remembers what was asked.
#[derive(Default)]
pub(super) struct Everybody {
    pub(super) requests: Mutex<Vec<ConnectRequest>>,
}

impl Admission for Everybody {
    fn admit(&self, request: ConnectRequest) -> BoxFuture<'_, Result<Admitted, Refused>> {
        self.requests.lock().unwrap().push(request);
        Box::pin(async { Ok(Admitted { principal: Principal::Anonymous, grants: Grants::everything() }) })
    }

    fn grants(&self, _: &Principal, _: &str) -> Grants {
        Grants::everything()
    }
}

/// Lets the committer answer, or holds it.
#[derive(Default)]
pub(super) struct Valve {
    held: Mutex<bool>,
    moved: Condvar,
}

impl Valve {
    pub(super) fn hold(&self, held: bool) {
        *self.held.lock().unwrap() = held;
        self.moved.notify_all();
    }

    fn pass(&self) {
        let held = self.held.lock().unwrap();
        drop(self.moved.wait_while(held, |held| *held).unwrap());
    }
}

pub(super) struct Running {
    pub(super) handle: Handle,
    pub(super) valve: Arc<Valve>,
    pub(super) admission: Arc<Everybody>,
    pub(super) published: Arc<Mutex<Vec<String>>>,
    _epoch: watch::Sender<PolicyEpoch>,
}

pub(super) fn plain(limits: Limits) -> Config {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = ListenerConfig { name: "plain".to_owned(), address, transport: Transport::Plain };
    Config { listeners: vec![listener], limits }
}

pub(super) fn start(limits: Limits) -> Running {
    start_with(plain(limits), None, None)
}

pub(super) fn start_with(
    config: Config,
    tls: Option<Arc<rustls::ServerConfig>>,
    store: Option<Store>,
) -> Running {
    let (inlet, mut batches) = mpsc::channel::<Batch>(16);
    let (answers, committed) = mpsc::channel(16);
    let (epoch_sender, epoch) = watch::channel(PolicyEpoch(1));
    let admission = Arc::new(Everybody::default());
    let valve = Arc::new(Valve::default());
    let published = Arc::new(Mutex::new(Vec::new()));
    let deps = Deps { store: store.clone(), admission: admission.clone(), epoch, inlet, committed, tls };
    let handle = build(config, deps).expect("a broker").spawn();
    let (gate, log) = (valve.clone(), published.clone());
    std::thread::spawn(move || {
        while let Some(batch) = batches.blocking_recv() {
            gate.pass();
            let (id, awaited) = (batch.id, batch.awaited);
            log.lock().unwrap().extend(batch.publishes.iter().map(|publish| publish.topic.to_string()));
            let stored = store.as_ref().is_none_or(|store| {
                store.write_blocking("test", move |tx| crate::store::apply(tx, &batch.ops)).is_ok()
            });
            // As the pipeline does: who waits for nothing is not answered.
            if awaited && answers.blocking_send(Committed { id, ok: stored }).is_err() {
                break;
            }
        }
    });
    Running { handle, valve, admission, published, _epoch: epoch_sender }
}

impl Running {
    pub(super) fn address(&self) -> SocketAddr {
        self.handle.addresses()[0]
    }

    pub(super) fn client(&self, id: &str) -> Client<TcpStream> {
        let mut client = Client::open(self.address());
        client.connect(id, true);
        client
    }

    /// Waits until a figure has a value; looks again whenever the scheduler comes back.
    pub(super) fn wait_until(&self, what: &str, reached: impl Fn(&Metrics) -> bool) {
        let clock = Clock::default();
        let end = clock.now().mono.after(PATIENCE);
        while !reached(self.handle.metrics()) {
            assert!(clock.now().mono < end, "never: {what}");
            std::thread::yield_now();
        }
    }
}

/// A client that speaks bytes.
pub(super) struct Client<S> {
    pub(super) stream: S,
    read: Vec<u8>,
}

impl Client<TcpStream> {
    pub(super) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the broker listens");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream)
    }
}

impl<S: Read + Write> Client<S> {
    pub(super) fn over(stream: S) -> Self {
        Self { stream, read: Vec::new() }
    }

    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("sent");
    }

    /// MQTT 3.1.1.
    pub(super) fn connect(&mut self, id: &str, clean: bool) {
        self.send(&connect(id, 4, clean));
        let connack = self.packet();
        assert_eq!((connack.0, connack.1[1]), (0x20, 0), "CONNACK");
    }

    pub(super) fn subscribe(&mut self, filter: &str, qos: u8) {
        let mut body = vec![0, 1];
        body.extend(text(filter));
        body.push(qos);
        self.send(&packet(0x82, &body));
        assert_eq!(self.packet(), (0x90, vec![0, 1, qos]));
    }

    /// The next packet: first byte and body.
    pub(super) fn packet(&mut self) -> (u8, Vec<u8>) {
        self.next().expect("a packet before the end")
    }

    /// The next packet, or nothing when the broker has closed.
    pub(super) fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some(packet) = take_packet(&mut self.read) {
                return Some(packet);
            }
            let mut buffer = [0; 64 * 1024];
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(count) => self.read.extend(&buffer[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("nothing came"),
                Err(_) => return None,
            }
        }
    }

    /// Reads until the broker closes.
    pub(super) fn is_closed(&mut self) -> bool {
        while self.next().is_some() {}
        true
    }
}

pub(super) fn connect(id: &str, level: u8, clean: bool) -> Vec<u8> {
    let mut body = text("MQTT");
    body.extend([level, if clean { 2 } else { 0 }, 0, 0]);
    if level == 5 {
        body.push(0);
    }
    body.extend(text(id));
    packet(0x10, &body)
}

pub(super) fn publish(topic: &str, payload: &[u8], qos: u8, id: u16) -> Vec<u8> {
    let mut body = text(topic);
    if qos > 0 {
        body.extend(id.to_be_bytes());
    }
    body.extend(payload);
    packet(0x30 | qos << 1, &body)
}

pub(super) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut length = body.len();
    loop {
        let more = length > 127;
        bytes.push((length % 128) as u8 | if more { 128 } else { 0 });
        length /= 128;
        if !more {
            break;
        }
    }
    bytes.extend(body);
    bytes
}

fn text(text: &str) -> Vec<u8> {
    let mut bytes = (text.len() as u16).to_be_bytes().to_vec();
    bytes.extend(text.bytes());
    bytes
}

fn take_packet(bytes: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let mut length = 0;
    for (index, byte) in bytes.iter().skip(1).take(4).enumerate() {
        length |= usize::from(byte & 127) << (7 * index);
        if byte & 128 == 0 {
            let start = index + 2;
            let body = bytes.get(start..start + length)?.to_vec();
            let first = bytes[0];
            bytes.drain(..start + length);
            return Some((first, body));
        }
    }
    None
}
