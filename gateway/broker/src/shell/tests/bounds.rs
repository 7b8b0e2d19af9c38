//! Hostile clients, each with an honest one beside it.

use super::super::{BrokerError, Deps, build};
use super::harness::{Client, Running, connect, packet, plain, publish, start};
use crate::limits::{BATCH_PUBLISHES, Limit, Limits};

/// The honest pair still gets its message.
fn honest(running: &Running) {
    let mut subscriber = running.client("honest-s");
    subscriber.subscribe("honest", 1);
    let mut publisher = running.client("honest-p");
    publisher.send(&publish("honest", b"ok", 1, 1));
    assert_eq!(publisher.packet(), (0x40, vec![0, 1]));
    assert_eq!(subscriber.packet().0, 0x32);
}

#[test]
fn a_client_that_says_nothing_is_closed_after_the_connect_time() {
    let running = start(Limits { connect_seconds: 1, ..Limits::default() });
    let mut silent = Client::open(running.address());
    let mut half = Client::open(running.address());
    half.send(&connect("half", 4, true)[..5]);
    honest(&running);
    assert!(silent.is_closed() && half.is_closed());
    assert_eq!(running.handle.metrics().hits(Limit::Connect), 2);
}

#[test]
fn connections_of_one_address_are_capped_and_places_come_back() {
    let running = start(Limits { connections_per_address: 2, ..Limits::default() });
    let first = running.client("1");
    let _second = running.client("2");
    let mut third = Client::open(running.address());
    assert!(third.is_closed());
    assert_eq!(running.handle.metrics().hits(Limit::ConnectionsPerAddress), 1);
    drop(first);
    running.wait_until("the place is free", |metrics| metrics.connections.get() == 1);
    running.client("again");
}

#[test]
fn pending_connections_are_capped_apart_from_served_ones() {
    let running = start(Limits { pending_per_address: 2, ..Limits::default() });
    let _served: Vec<_> = (0..4).map(|number| running.client(&format!("s{number}"))).collect();
    let _idle = [Client::open(running.address()), Client::open(running.address())];
    let mut over = Client::open(running.address());
    assert!(over.is_closed());
    assert_eq!(running.handle.metrics().hits(Limit::PendingPerAddress), 1);
}

#[test]
fn oversized_packets_end_the_connection_before_they_are_read() {
    let running = start(Limits { packet_bytes: 4_096, ..Limits::default() });
    let mut stranger = Client::open(running.address());
    stranger.send(&[0x10, 0xFF, 0xFF, 0xFF, 0x7F]);
    assert!(stranger.is_closed());

    let mut five = Client::open(running.address());
    five.send(&connect("five", 5, true));
    assert_eq!(five.packet().0, 0x20);
    five.send(&packet(0x30, &[0; 10_000]));
    assert_eq!(five.packet(), (0xE0, vec![0x95]), "told although more was on its way");
    assert!(five.is_closed());
    honest(&running);
    assert_eq!(running.handle.metrics().hits(Limit::PacketBytes), 2);
}

#[test]
fn a_reader_that_never_reads_is_shed_and_others_lose_nothing() {
    let limits = Limits { write_buffer_bytes: 64 * 1_024, write_seconds: 1, ..Limits::default() };
    let running = start(limits);
    let mut deaf = running.client("deaf");
    deaf.subscribe("flood", 0);
    let mut subscriber = running.client("s");
    subscriber.subscribe("flood", 0);
    let mut publisher = running.client("p");
    let payload = [7; 16 * 1_024];
    for _ in 0..1_500 {
        publisher.send(&publish("flood", &payload, 0, 0));
        assert_eq!(subscriber.packet().0, 0x30);
    }
    running.wait_until("the deaf client is closed", |metrics| metrics.hits(Limit::WriteTime) == 1);
    assert!(running.handle.metrics().dropped_slow.get() > 0);
    honest(&running);
}

#[test]
fn a_flooder_does_not_starve_the_rest() {
    let running = start(Limits::default());
    let mut flooder = running.client("flooder");
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = stop.clone();
    let flood: Vec<u8> = (0..500).flat_map(|_| publish("x", &[0; 200], 0, 0)).collect();
    let flooding = std::thread::spawn(move || {
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            flooder.send(&flood);
        }
    });
    running.wait_until("the flood is on", |metrics| metrics.published.get() >= 1_000);
    honest(&running);
    let published = running.handle.metrics().published.get();
    running.wait_until("the flood goes on", |metrics| metrics.published.get() >= published + 1_000);
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    flooding.join().unwrap();
}

#[test]
fn publishers_wait_while_the_pipeline_is_behind_and_nothing_is_lost() {
    let running = start(Limits::default());
    let mut publisher = running.client("p");
    running.valve.hold(true);
    let chunk: Vec<u8> = (0..1_000).flat_map(|_| publish("x", &[0; 100], 0, 0)).collect();
    let sending = std::thread::spawn(move || {
        for _ in 0..60 {
            publisher.send(&chunk);
        }
        publisher
    });
    running.wait_until("publishers are held back", |metrics| metrics.published.get() >= 8_192);
    honest_while_held(&running);
    running.valve.hold(false);
    let mut publisher = sending.join().unwrap();
    publisher.send(&publish("x", b"", 1, 1));
    assert_eq!(publisher.packet(), (0x40, vec![0, 1]));
    assert_eq!(running.published.lock().unwrap().len(), 60_001);
}

#[test]
fn a_burst_of_more_than_a_batch_goes_on_by_itself() {
    let running = start(Limits::default());
    let mut publisher = running.client("p");
    let count = 3 * BATCH_PUBLISHES / 2;
    // All of it is read at once, so that no news of the socket comes later; and nothing is answered.
    publisher.send(&publish("a", b"", 0, 0).repeat(count));
    running.wait_until("all are taken", |metrics| metrics.published.get() == count as u64);
    running.wait_until("all are handed over", |_| running.published.lock().unwrap().len() == count);
}

/// A client that publishes nothing is still served.
fn honest_while_held(running: &Running) {
    let mut client = running.client("idle");
    client.send(&packet(0xC0, &[]));
    assert_eq!(client.packet().0, 0xD0);
}

#[test]
fn a_port_in_use_is_told_with_its_address() {
    let running = start(Limits::default());
    let mut config = plain(Limits::default());
    config.listeners[0].address = running.address();
    let (inlet, _batches) = tokio::sync::mpsc::channel(1);
    let (_answers, committed) = tokio::sync::mpsc::channel(1);
    let (_epoch, epoch) = tokio::sync::watch::channel(sitewarden_core::gate::PolicyEpoch(1));
    let admission = running.admission.clone();
    let deps = Deps { store: None, admission, epoch, inlet, committed, tls: None };
    let error = build(config, deps).expect_err("the port is taken");
    assert!(matches!(error, BrokerError::Bind { .. }));
    assert!(error.to_string().contains(&running.address().to_string()), "{error}");
}

#[test]
fn plain_mqtt_outside_loopback_is_refused() {
    let mut config = plain(Limits::default());
    config.listeners[0].address = std::net::SocketAddr::from(([0, 0, 0, 0], 1883));
    let problems = config.check();
    assert!(problems[0].contains("would show passwords"), "{problems:?}");
}
