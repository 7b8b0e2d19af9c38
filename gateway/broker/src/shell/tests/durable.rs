//! With the real store: what was acknowledged is there after the broker is gone without a goodbye.

use sitewarden_store::{Config as StoreConfig, Store, system_clock};

use super::harness::{Client, Running, packet, plain, publish, start_with};
use crate::limits::Limits;
use crate::store::MIGRATIONS;

fn open(folder: &tempfile::TempDir) -> Store {
    Store::open(&StoreConfig::for_dir(folder.path()), &[MIGRATIONS], system_clock()).expect("a store")
}

fn serve(store: &Store) -> Running {
    start_with(plain(Limits::default()), None, Some(store.clone()))
}

/// A client with a persistent session; whether the broker knew it.
fn persistent(running: &Running, id: &str) -> (Client<std::net::TcpStream>, bool) {
    let mut client = Client::open(running.address());
    client.send(&super::harness::connect(id, 4, false));
    let connack = client.packet();
    assert_eq!((connack.0, connack.1[1]), (0x20, 0));
    (client, connack.1[0] == 1)
}

#[test]
fn queues_sessions_retained_and_qos_2_ids_survive() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let first = serve(&store);
    let (mut subscriber, known) = persistent(&first, "s");
    assert!(!known);
    subscriber.subscribe("a/#", 2);
    drop(subscriber);
    first.wait_until("the subscriber is gone", |metrics| metrics.connections.get() == 0);
    let (mut publisher, _) = persistent(&first, "p");
    publisher.send(&publish("a/1", b"one", 1, 1));
    let mut retained = publish("a/2", b"two", 2, 2);
    retained[0] |= 1;
    publisher.send(&retained);
    assert_eq!(publisher.packet(), (0x40, vec![0, 1]));
    assert_eq!(publisher.packet(), (0x50, vec![0, 2]));
    // From here on nothing more is committed: the process might as well have been killed.
    first.valve.hold(true);

    let second = serve(&store);
    let (mut publisher, known) = persistent(&second, "p");
    assert!(known);
    let mut again = publish("a/2", b"two", 2, 2);
    again[0] |= 8;
    publisher.send(&again);
    assert_eq!(publisher.packet(), (0x50, vec![0, 2]));
    publisher.send(&packet(0x62, &[0, 2]));
    assert_eq!(publisher.packet(), (0x70, vec![0, 2]));

    let (mut subscriber, known) = persistent(&second, "s");
    assert!(known);
    assert_eq!(subscriber.packet(), (0x32, b"\0\x03a/1\0\x01one".to_vec()));
    assert_eq!(subscriber.packet(), (0x34, b"\0\x03a/2\0\x02two".to_vec()));
    subscriber.send(&packet(0xC0, &[]));
    assert_eq!(subscriber.packet().0, 0xD0, "and nothing twice");

    let mut late = second.client("late");
    late.subscribe("a/2", 0);
    assert_eq!(late.packet(), (0x31, b"\0\x03a/2two".to_vec()));
    assert!(second.published.lock().unwrap().is_empty(), "the repetition was not published again");
}
