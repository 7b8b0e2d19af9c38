//! Lane mqtt.latency: 1,000 messages a second, one publisher, one subscriber; delivery and acknowledgement.
//!
//! An open loop with blocking sockets and three threads: the publisher sleeps to each deadline, so a slow
//! answer does not slow the sending. Our acknowledgement means "on disk" and the peers' does not: with QoS 1
//! the peer's time plus the disk's own fsync, measured in the same run, is what we are compared with.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::report::Figure;
use crate::server::{self, Kind, Ours};
use crate::stats::percentile;
use crate::{Failure, Setup, disk, mqtt};

const INTERVAL: Duration = Duration::from_millis(1);
const TOPIC: &str = "bench/1/latency";

/// Milliseconds.
#[derive(Clone, Copy, Debug)]
struct Measured {
    delivery_p50: f64,
    delivery_p99: f64,
    ack_p50: f64,
    ack_p99: f64,
}

pub fn lane(setup: &Setup) -> Result<Vec<Figure>, Failure> {
    let peers = server::peers(setup)?;
    let mut figures = Vec::new();
    for qos in [0, 1] {
        let mut pairs: Vec<Vec<(Measured, Measured, disk::Fsync)>> = vec![Vec::new(); peers.len()];
        for _ in 0..setup.pairs {
            let fsync = disk::fsync(&setup.state)?;
            let ours = if setup.peers_only { None } else { Some(side(setup, Kind::Ours, qos)?) };
            for (index, (kind, version)) in peers.iter().enumerate() {
                let theirs = side(setup, *kind, qos)?;
                eprintln!("  QoS {qos}: ours {ours:.3?}\n         {version} {theirs:.3?} {fsync:.3?}");
                pairs[index].push((ours.unwrap_or(theirs), theirs, fsync));
            }
        }
        for ((kind, version), pairs) in peers.iter().zip(&pairs) {
            figures.extend(judge(qos, *kind, version, pairs));
        }
    }
    Ok(figures)
}

fn judge(qos: u8, kind: Kind, version: &str, pairs: &[(Measured, Measured, disk::Fsync)]) -> Vec<Figure> {
    let goal = (kind == Kind::Mosquitto).then_some(1.0);
    let figure =
        |what: &str, allowed: &str, of: &dyn Fn(&(Measured, Measured, disk::Fsync)) -> (f64, f64), goal| {
            let values: Vec<_> = pairs.iter().map(of).collect();
            Figure::of_pairs(
                &format!("mqtt.latency.qos{qos}.{what}"),
                &format!("{version}{allowed}"),
                "ms",
                &values,
                goal,
                false,
            )
        };
    if qos == 0 {
        return vec![
            figure("p50", "", &|(ours, theirs, _)| (ours.delivery_p50, theirs.delivery_p50), None),
            figure("p99", "", &|(ours, theirs, _)| (ours.delivery_p99, theirs.delivery_p99), goal),
        ];
    }
    vec![
        figure("p50", " + 1 fsync", &|(o, t, disk)| (o.delivery_p50, t.delivery_p50 + disk.p50), goal),
        figure("p99", " + 2 fsyncs", &|(o, t, disk)| (o.delivery_p99, t.delivery_p99 + 2.0 * disk.p99), goal),
        figure("ack.p50", " + 1 fsync", &|(o, t, disk)| (o.ack_p50, t.ack_p50 + disk.p50), None),
        figure("ack.p99", " + 2 fsyncs", &|(o, t, disk)| (o.ack_p99, t.ack_p99 + 2.0 * disk.p99), None),
    ]
}

fn side(setup: &Setup, kind: Kind, qos: u8) -> Result<Measured, Failure> {
    let server = server::start(setup, kind, &Ours::default())?;
    let mut subscriber = mqtt::connect(server.mqtt, "latency-subscriber", None)?;
    mqtt::subscribe(&mut subscriber, TOPIC, qos)?;
    let mut publisher = mqtt::connect(server.mqtt, "latency-publisher", None)?;
    let base = Instant::now();
    let sent: Arc<Mutex<Vec<Instant>>> = Arc::default();

    let mut reader = subscriber.try_clone()?;
    let deliveries = thread::spawn(move || -> Vec<f64> {
        let (mut times, mut splitter, mut buffer) = (Vec::new(), mqtt::Splitter::default(), vec![0; 65_536]);
        while let Ok(length @ 1..) = reader.read(&mut buffer) {
            let now = base.elapsed().as_nanos() as u64;
            let mut acks = Vec::new();
            let taken = splitter.take(&buffer[..length], &mut acks, |payload| {
                let at = payload.first_chunk::<8>().map_or(now, |bytes| u64::from_be_bytes(*bytes));
                times.push((now.saturating_sub(at)) as f64 / 1e6);
            });
            if taken.is_err() || reader.write_all(&acks).is_err() {
                break;
            }
        }
        times
    });
    let mut reader = publisher.try_clone()?;
    let sent_times = sent.clone();
    let acknowledgements = thread::spawn(move || -> Vec<f64> {
        let (mut times, mut splitter, mut buffer) = (Vec::new(), mqtt::Splitter::default(), vec![0; 65_536]);
        let mut count = 0_usize;
        while let Ok(length @ 1..) = reader.read(&mut buffer) {
            let Ok(received) = splitter.take(&buffer[..length], &mut Vec::new(), |_| {}) else { break };
            let sent = sent_times.lock().expect("no panic while locked");
            // Acknowledgements come in the order of the messages (MQTT-4.6.0-2).
            for at in sent.iter().skip(count).take(received.pubacks as usize) {
                times.push(at.elapsed().as_secs_f64() * 1e3);
            }
            count += received.pubacks as usize;
        }
        times
    });

    let messages = setup.seconds * 1_000;
    let mut packet = Vec::new();
    for index in 0..messages {
        let deadline = base + INTERVAL * u32::try_from(index)?;
        thread::sleep(deadline.saturating_duration_since(Instant::now()));
        let mut payload = [b'x'; 128];
        payload[..8].copy_from_slice(&(base.elapsed().as_nanos() as u64).to_be_bytes());
        packet.clear();
        mqtt::put_publish(&mut packet, TOPIC, qos, (index % 60_000 + 1) as u16, &payload);
        sent.lock().expect("no panic while locked").push(Instant::now());
        publisher.write_all(&packet)?;
    }
    thread::sleep(Duration::from_millis(500));
    subscriber.shutdown(Shutdown::Both)?;
    publisher.shutdown(Shutdown::Both)?;
    let deliveries = deliveries.join().map_err(|_| "the subscriber's thread failed")?;
    let acks = acknowledgements.join().map_err(|_| "the publisher's thread failed")?;
    if (deliveries.len() as u64) < messages * 99 / 100 {
        return Err(format!("{kind:?}: {} of {messages} messages arrived", deliveries.len()).into());
    }
    // The first tenth warms up.
    let steady = &deliveries[deliveries.len() / 10..];
    let acks = acks.get(acks.len() / 10..).unwrap_or_default();
    Ok(Measured {
        delivery_p50: percentile(steady, 50.0),
        delivery_p99: percentile(steady, 99.0),
        ack_p50: percentile(acks, 50.0),
        ack_p99: percentile(acks, 99.0),
    })
}
