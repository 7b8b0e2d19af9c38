//! Lanes mqtt.fanin and mqtt.fanout: 50 clients to 1 and 1 to 50, 128 bytes.
//!
//! One thread and one epoll for all connections. A closed loop: a bounded window of messages is on its way,
//! with QoS 1 no more than mosquitto's default queue, so that no broker has a reason to drop; what is lost
//! all the same is counted and said. Received bytes are acknowledged by TCP at once: a broker that leaves
//! Nagle's algorithm on would otherwise be measured by the kernel's 40 ms delay at each end of the window. Measured is the steady state: deliveries and CPU time within the measured seconds.

use std::io::{ErrorKind, Read as _, Write as _};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::report::Figure;
use crate::server::{self, Kind, Ours, Server};
use crate::{Failure, Setup, mqtt, process, stats};

const CLIENTS: usize = 50;
const PAYLOAD: [u8; 128] = [b'x'; 128];
/// Messages published and not yet delivered, with QoS 0.
const WINDOW_QOS_0: u64 = 5_000;
/// The same with QoS 1; mosquitto queues 1,000 by default.
const WINDOW_QOS_1: u64 = 1_000;
const WARM_UP: Duration = Duration::from_millis(700);
/// No delivery for so long means that what is on its way was lost.
const STALLED: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    In,
    Out,
}

struct Client {
    stream: TcpStream,
    splitter: mqtt::Splitter,
    out: Vec<u8>,
    written: usize,
    received: u64,
    topic: Option<String>,
    next_id: u16,
}

/// What one side did.
#[derive(Clone, Copy, Debug, Default)]
struct Measured {
    rate: f64,
    cpu_us: f64,
    generator: f64,
    lost: u64,
}

/// Runs the lane against all peers.
pub fn lane(setup: &Setup, shape: Shape, qos: u8) -> Result<Vec<Figure>, Failure> {
    let name = format!("mqtt.{}.qos{qos}", if shape == Shape::In { "fanin" } else { "fanout" });
    let peers = server::peers(setup)?;
    let mut ours: Vec<Vec<(Measured, Measured)>> = vec![Vec::new(); peers.len()];
    for pair in 0..setup.pairs {
        let mine = if setup.peers_only { None } else { Some(side(setup, Kind::Ours, shape, qos)?) };
        for (index, (kind, version)) in peers.iter().enumerate() {
            let theirs = side(setup, *kind, shape, qos)?;
            eprintln!("  pair {}: ours {mine:.2?}\n          {version} {theirs:.2?}", pair + 1);
            ours[index].push((mine.unwrap_or(theirs), theirs));
        }
    }
    let mut figures = Vec::new();
    for ((kind, version), pairs) in peers.iter().zip(&ours) {
        let goals = (*kind == Kind::Mosquitto).then(|| goals(shape, qos));
        let of = |pick: fn(&Measured) -> f64| -> Vec<(f64, f64)> {
            pairs.iter().map(|(ours, theirs)| (pick(ours), pick(theirs))).collect()
        };
        let mut rate = Figure::of_pairs(&name, version, "msg/s", &of(|m| m.rate), goals.map(|g| g.0), true);
        rate.note = note(pairs);
        figures.push(rate);
        let lane = format!("{name}.cpu");
        figures.push(Figure::of_pairs(
            &lane,
            version,
            "CPU us/delivery",
            &of(|m| m.cpu_us),
            goals.map(|g| g.1),
            false,
        ));
    }
    Ok(figures)
}

/// Goals as ratio to Debian's mosquitto: rate at least, CPU per delivery at most.
fn goals(shape: Shape, qos: u8) -> (f64, f64) {
    match (shape, qos) {
        (Shape::In, 0) => (2.0, 0.45),
        (Shape::In, _) => (2.4, 0.38),
        (Shape::Out, 0) => (22.0, 0.045),
        (Shape::Out, _) => (12.5, 0.075),
    }
}

fn note(pairs: &[(Measured, Measured)]) -> String {
    let mut notes = Vec::new();
    let median =
        |pick: fn(&(Measured, Measured)) -> f64| stats::median(&pairs.iter().map(pick).collect::<Vec<_>>());
    let (with_ours, with_theirs) = (median(|pair| pair.0.generator), median(|pair| pair.1.generator));
    notes.push(format!(
        "generator used {:.0} % and {:.0} % of its core",
        with_ours * 100.0,
        with_theirs * 100.0
    ));
    if with_ours > 0.8 {
        notes.push("generator-bound: judge by the CPU per delivery".to_owned());
    }
    let lost: (u64, u64) = pairs.iter().fold((0, 0), |sum, pair| (sum.0 + pair.0.lost, sum.1 + pair.1.lost));
    if lost != (0, 0) {
        notes.push(format!("lost: ours {}, theirs {}", lost.0, lost.1));
    }
    notes.join("; ")
}

fn side(setup: &Setup, kind: Kind, shape: Shape, qos: u8) -> Result<Measured, Failure> {
    let server = server::start(setup, kind, &Ours::default())?;
    let mut load = Load::connect(&server, shape, qos)?;
    load.run(Instant::now() + WARM_UP)?;
    let (before, generator) = (load.delivered(), process::cpu_seconds(std::process::id())?);
    let cpu = process::cpu_seconds(server.pid())?;
    let start = Instant::now();
    load.run(start + Duration::from_secs(setup.seconds))?;
    let seconds = start.elapsed().as_secs_f64();
    let deliveries = (load.delivered() - before) as f64;
    let cpu = process::cpu_seconds(server.pid())? - cpu;
    let generator = process::cpu_seconds(std::process::id())? - generator;
    if deliveries == 0.0 {
        return Err(format!("{kind:?} delivered nothing").into());
    }
    Ok(Measured {
        rate: deliveries / seconds,
        cpu_us: cpu * 1e6 / deliveries,
        generator: generator / seconds,
        lost: load.lost,
    })
}

struct Load {
    poll: Poll,
    events: Events,
    clients: Vec<Client>,
    publishers: std::ops::Range<usize>,
    subscribers: std::ops::Range<usize>,
    qos: u8,
    published: u64,
    turn: usize,
    lost: u64,
    progress: (u64, Instant),
    buffer: Vec<u8>,
}

impl Load {
    fn connect(server: &Server, shape: Shape, qos: u8) -> Result<Self, Failure> {
        let (publishers, subscribers) = match shape {
            Shape::In => (1..CLIENTS + 1, 0..1),
            Shape::Out => (0..1, 1..CLIENTS + 1),
        };
        let poll = Poll::new()?;
        let mut clients = Vec::new();
        for index in 0..=CLIENTS {
            let mut stream = mqtt::connect(server.mqtt, &format!("bench-{index}"), None)?;
            if subscribers.contains(&index) {
                mqtt::subscribe(&mut stream, "bench/+/data", qos)?;
            }
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut stream, Token(index), interest)?;
            let topic = publishers.contains(&index).then(|| format!("bench/{index}/data"));
            clients.push(Client {
                stream,
                splitter: mqtt::Splitter::default(),
                out: Vec::new(),
                written: 0,
                received: 0,
                topic,
                next_id: 0,
            });
        }
        Ok(Self {
            poll,
            events: Events::with_capacity(256),
            clients,
            publishers,
            subscribers,
            qos,
            published: 0,
            turn: 0,
            lost: 0,
            progress: (0, Instant::now()),
            buffer: vec![0; 256 * 1024],
        })
    }

    /// Deliveries to all subscribers.
    fn delivered(&self) -> u64 {
        self.clients[self.subscribers.clone()].iter().map(|client| client.received).sum()
    }

    /// Messages that even the slowest subscriber has.
    fn everywhere(&self) -> u64 {
        self.clients[self.subscribers.clone()].iter().map(|client| client.received).min().unwrap_or(0)
    }

    fn run(&mut self, until: Instant) -> Result<(), Failure> {
        loop {
            self.publish()?;
            self.poll.poll(&mut self.events, Some(Duration::from_millis(50)))?;
            let ready: Vec<usize> = self.events.iter().map(|event| event.token().0).collect();
            for index in ready {
                self.turn_of(index)?;
            }
            let now = Instant::now();
            let everywhere = self.everywhere();
            if everywhere != self.progress.0 {
                self.progress = (everywhere, now);
            } else if now - self.progress.1 > STALLED && self.published - self.lost > everywhere {
                self.lost += self.published - self.lost - everywhere;
                self.progress.1 = now;
            }
            if now >= until {
                return Ok(());
            }
        }
    }

    /// Hands the free part of the window out to the publishers in turn.
    fn publish(&mut self) -> Result<(), Failure> {
        let on_the_way = self.published - self.lost - self.everywhere().min(self.published - self.lost);
        let window = if self.qos == 0 { WINDOW_QOS_0 } else { WINDOW_QOS_1 };
        let mut free = window.saturating_sub(on_the_way);
        let count = self.publishers.len();
        let share = window / count as u64;
        for _ in 0..count {
            if free < share.min(window / 4) {
                return Ok(());
            }
            let index = self.publishers.start + self.turn % count;
            self.turn += 1;
            let client = &mut self.clients[index];
            if !client.out.is_empty() {
                continue;
            }
            let topic = client.topic.as_deref().ok_or("a publisher has a topic")?;
            let now = free.min(share);
            for _ in 0..now {
                client.next_id = client.next_id % 60_000 + 1;
                mqtt::put_publish(&mut client.out, topic, self.qos, client.next_id, &PAYLOAD);
            }
            free -= now;
            self.published += now;
            flush(client)?;
        }
        Ok(())
    }

    fn turn_of(&mut self, index: usize) -> Result<(), Failure> {
        let client = &mut self.clients[index];
        loop {
            match client.stream.read(&mut self.buffer) {
                Ok(0) => return Err(format!("client {index}: the server closed the connection").into()),
                Ok(length) => {
                    let received = client.splitter.take(&self.buffer[..length], &mut client.out, |_| {})?;
                    client.received += received.publishes;
                    if client.topic.is_none() {
                        socket2::SockRef::from(&client.stream).set_tcp_quickack(true)?;
                    }
                    if length < self.buffer.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("client {index}: {error}").into()),
            }
        }
        flush(client)
    }
}

fn flush(client: &mut Client) -> Result<(), Failure> {
    while client.written < client.out.len() {
        match client.stream.write(&client.out[client.written..]) {
            Ok(length) => client.written += length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    client.out.clear();
    client.written = 0;
    Ok(())
}
