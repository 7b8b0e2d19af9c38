//! Messages through real sockets.

use super::harness::{Client, connect, packet, publish, start};
use crate::limits::Limits;

#[test]
fn messages_arrive_however_the_bytes_are_cut() {
    let running = start(Limits::default());
    let mut subscriber = running.client("s");
    subscriber.subscribe("a/#", 1);
    let mut publisher = Client::open(running.address());
    let mut bytes = connect("p", 4, true);
    bytes.extend(publish("a/1", b"one", 0, 0));
    bytes.extend(publish("a/2", b"two", 1, 7));
    for byte in bytes {
        publisher.send(&[byte]);
    }

    assert_eq!(subscriber.packet(), (0x30, b"\0\x03a/1one".to_vec()));
    assert_eq!(subscriber.packet(), (0x32, b"\0\x03a/2\0\x01two".to_vec()));
    assert_eq!(publisher.packet().0, 0x20);
    assert_eq!(publisher.packet(), (0x40, vec![0, 7]));
    assert_eq!(*running.published.lock().unwrap(), ["a/1", "a/2"]);
}

#[test]
fn a_burst_in_one_write_arrives_whole_and_in_order() {
    let running = start(Limits::default());
    let mut subscriber = running.client("s");
    subscriber.subscribe("a", 0);
    let mut publisher = running.client("p");
    let burst: Vec<u8> =
        (0..5_000_u32).flat_map(|number| publish("a", &number.to_be_bytes(), 0, 0)).collect();
    publisher.send(&burst);

    for number in 0..5_000_u32 {
        let (first, body) = subscriber.packet();
        assert_eq!((first, &body[3..]), (0x30, &number.to_be_bytes()[..]));
    }
}

#[test]
fn a_payload_of_a_megabyte_reaches_many() {
    let running = start(Limits::default());
    let mut subscribers: Vec<_> = (0..8).map(|number| running.client(&format!("s{number}"))).collect();
    for subscriber in &mut subscribers {
        subscriber.subscribe("big", 1);
    }
    let payload: Vec<u8> = (0..1_000_000_u32).map(|number| (number % 251) as u8).collect();
    let mut publisher = running.client("p");
    publisher.send(&publish("big", &payload, 1, 1));

    assert_eq!(publisher.packet(), (0x40, vec![0, 1]));
    for subscriber in &mut subscribers {
        let (first, body) = subscriber.packet();
        assert_eq!(first, 0x32);
        assert_eq!(body[7..], payload);
    }
}

#[test]
fn an_acknowledgement_waits_for_the_commit_and_qos_0_does_not() {
    let running = start(Limits::default());
    let mut subscriber = running.client("s");
    subscriber.subscribe("a", 1);
    let mut publisher = running.client("p");
    running.valve.hold(true);
    publisher.send(&publish("a", b"one", 1, 1));
    publisher.send(&publish("a", b"zero", 0, 0));
    publisher.send(&packet(0xC0, &[]));

    assert_eq!(subscriber.packet().0, 0x30, "QoS 0 at once");
    assert_eq!(publisher.packet().0, 0xD0, "PINGRESP before PUBACK");
    running.valve.hold(false);
    assert_eq!(publisher.packet(), (0x40, vec![0, 1]));
    assert_eq!(subscriber.packet().0, 0x32);
}

#[test]
fn a_second_connection_takes_the_client_id_over() {
    let running = start(Limits::default());
    let mut first = running.client("same");
    let mut second = running.client("same");
    assert!(first.is_closed());
    second.send(&packet(0xC0, &[]));
    assert_eq!(second.packet().0, 0xD0);
}

#[test]
fn people_can_see_and_end_connections() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let running = start(Limits::default());
    let mut client = running.client("seen");
    let clients = runtime.block_on(running.handle.clients());
    assert_eq!(clients.len(), 1);
    assert_eq!((&*clients[0].client_id, clients[0].address.is_some()), ("seen", true));

    assert_eq!(runtime.block_on(running.handle.kick("seen")), 1);
    assert!(client.is_closed());
    assert_eq!(runtime.block_on(running.handle.kick("nobody")), 0);
}

#[test]
fn at_shutdown_5_0_clients_are_told() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let running = start(Limits::default());
    let mut client = Client::open(running.address());
    client.send(&connect("five", 5, true));
    assert_eq!(client.packet().0, 0x20);
    let handle = running.handle.clone();
    let ending = std::thread::spawn(move || runtime.block_on(async { handle.shut_down().await }));

    assert_eq!(client.packet(), (0xE0, vec![0x8B]));
    assert!(client.is_closed());
    drop(client);
    ending.join().expect("the broker ended");
}

#[test]
fn after_disconnect_the_broker_closes() {
    let running = start(Limits::default());
    let mut client = running.client("c");
    client.send(&packet(0xE0, &[]));
    assert!(client.is_closed());
    running.wait_until("the connection is forgotten", |metrics| metrics.connections.get() == 0);
}
