//! MQTT 3.1.1 and 5.0 against the laboratory's own configuration, byte by byte, as public suites look at a broker.
//!
//! `config/examples/lab.toml` is taken as it ships, but for its ports. The rules behind each step have tests of their
//! own beside the broker's core; here the whole binary keeps them. What is out of scope is refused, and said so:
//! shared subscriptions, enhanced authentication.

use crate::support::bytes::{Heard, Wire, connect, packet, publish, subscribe, text, unsubscribe};
use crate::support::gateway::{Gateway, Site};
use crate::support::need::project;

/// The laboratory as it ships, on free ports.
async fn lab() -> (Site, Gateway) {
    let site = Site::new("");
    let shipped = std::fs::read_to_string(project().join("config/examples/lab.toml")).expect("it ships");
    let policies = project().join("config/examples/lab-policies").display().to_string();
    let moved = shipped
        .replace("127.0.0.1:8443", "127.0.0.1:0")
        .replace("127.0.0.1:1883", "127.0.0.1:0")
        .replace("\"lab-policies\"", &format!("{policies:?}"));
    assert_eq!(moved.matches("127.0.0.1:0").count(), 2, "{moved}");
    std::fs::write(site.config(), moved).expect("own file");
    let gateway = site.start().await;
    (site, gateway)
}

/// A 5.0 client with these flags and properties.
async fn five(gateway: &Gateway, id: &str, flags: u8, properties: &[u8]) -> (Wire, Vec<u8>) {
    Wire::online_with(gateway.mqtt(), connect(5, flags, 60, properties, &[&text(id)])).await
}

const CLEAN: u8 = 2;

/// Subscribes and takes the SUBACK, which grants this.
async fn subscribed(wire: &mut Wire, level: u8, properties: &[u8], filter: &str, options: u8) {
    wire.send(&subscribe(level, 1, properties, &[(filter.as_bytes(), options)])).await;
    let granted = options & 3;
    let body = if level == 5 { vec![0, 1, 0, granted] } else { vec![0, 1, granted] };
    assert_eq!(wire.packet().await, (0x90, body), "SUBACK for {filter}");
}

/// A PUBLISH that arrived, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Got {
    first: u8,
    topic: String,
    id: Option<u16>,
    properties: Vec<u8>,
    payload: Vec<u8>,
}

fn got(level: u8, (first, body): Heard) -> Got {
    assert_eq!(first >> 4, 3, "PUBLISH, not {first:#x} {body:?}");
    let length = usize::from(u16::from_be_bytes([body[0], body[1]]));
    let topic = String::from_utf8(body[2..2 + length].to_vec()).expect("a topic is UTF-8");
    let mut rest = &body[2 + length..];
    let mut id = None;
    if first & 6 != 0 {
        id = Some(u16::from_be_bytes([rest[0], rest[1]]));
        rest = &rest[2..];
    }
    let mut properties = Vec::new();
    if level == 5 {
        // Property blocks of these stories are shorter than 128 bytes.
        let (block, after) = rest[1..].split_at(usize::from(rest[0]));
        (properties, rest) = (block.to_vec(), after);
    }
    Got { first, topic, id, properties, payload: rest.to_vec() }
}

/// The value of a property of two bytes in a CONNACK.
fn two(connack: &[u8], id: u8) -> Option<u16> {
    let mut rest = &connack[3..];
    while let Some((&kind, after)) = rest.split_first() {
        let length = match kind {
            0x24 | 0x25 | 0x28..=0x2a => 1,
            0x13 | 0x21 | 0x22 => 2,
            0x11 | 0x27 => 4,
            _ => 2 + usize::from(u16::from_be_bytes([after[0], after[1]])),
        };
        if kind == id {
            return Some(u16::from_be_bytes([after[0], after[1]]));
        }
        rest = &after[length..];
    }
    None
}

#[tokio::test]
async fn connack_tells_what_holds_and_the_keep_alive_of_the_laboratory() {
    let (_site, gateway) = lab().await;
    let asks = |id: &str, seconds| connect(5, CLEAN, seconds, &[], &[&text(id)]);

    let (_long, long) = Wire::online_with(gateway.mqtt(), asks("long", 120)).await;
    let (_short, short) = Wire::online_with(gateway.mqtt(), asks("short", 30)).await;
    let (_none, none) = Wire::online_with(gateway.mqtt(), asks("", 0)).await;

    assert_eq!((two(&long, 0x13), two(&short, 0x13), two(&none, 0x13)), (Some(60), None, Some(60)));
    assert!(two(&long, 0x21).is_some_and(|most| most > 0), "receive maximum");
    assert!(two(&long, 0x22).is_some_and(|most| most > 0), "topic alias maximum");
    assert!(none.windows(7).any(|part| part[0] == 0x12 && part[3..] == *b"auto"), "an assigned client id");
    gateway.stop().await;
}

#[tokio::test]
async fn sessions_are_resumed_and_ended_as_asked() {
    let (_site, gateway) = lab().await;
    let hour = [0x11, 0, 0, 14, 16];

    // 5.0: without an expiry nothing is left; with one the session waits, with its messages.
    let (mut wire, first) = five(&gateway, "s", CLEAN, &hour).await;
    subscribed(&mut wire, 5, &[], "kept/#", 2).await;
    wire.send(&[0xe0, 0]).await;
    assert_eq!(wire.until_closed().await, []);
    let mut publisher = Wire::online(gateway.mqtt(), 4, "p").await;
    for (qos, id) in [(2, 1), (4, 2)] {
        publisher.send(&publish(4, qos, "kept/a", id, &[], &[u8::try_from(id).expect("small")])).await;
        publisher.packet().await;
    }
    publisher.send(&packet(0x62, &[0, 2])).await;
    assert_eq!(publisher.packet().await, (0x70, vec![0, 2]));
    let (mut wire, again) = five(&gateway, "s", 0, &hour).await;
    assert_eq!((first[0], again[0]), (0, 1), "session present");
    let (one, other) = (got(5, wire.packet().await), got(5, wire.packet().await));
    assert_eq!((one.first, &*one.payload, other.first, &*other.payload), (0x32, &[1][..], 0x34, &[2][..]));

    // Not acknowledged, so it comes again with DUP; what PUBREC took is not sent again.
    wire.send(&packet(0x50, &other.id.expect("QoS 2").to_be_bytes())).await;
    assert_eq!(wire.packet().await.0, 0x62);
    drop(wire);
    let (mut wire, _) = five(&gateway, "s", 0, &hour).await;
    let once_more = got(5, wire.packet().await);
    assert_eq!((once_more.first, once_more.id), (0x3a, one.id), "the same id, DUP");
    assert_eq!(wire.packet().await, (0x62, other.id.expect("QoS 2").to_be_bytes().to_vec()), "PUBREL again");
    wire.send(&packet(0x40, &one.id.expect("QoS 1").to_be_bytes())).await;
    wire.send(&packet(0x70, &other.id.expect("QoS 2").to_be_bytes())).await;
    assert_eq!(wire.pinged().await, []);

    // DISCONNECT may end it at once; a clean start forgets.
    wire.send(&packet(0xe0, &[0, 5, 0x11, 0, 0, 0, 0])).await;
    assert_eq!(wire.until_closed().await, []);
    assert_eq!(five(&gateway, "s", 0, &hour).await.1[0], 0, "ended by DISCONNECT");
    assert_eq!(five(&gateway, "s", 0, &hour).await.1[0], 1, "taken over");
    assert_eq!(five(&gateway, "s", CLEAN, &[]).await.1[0], 0, "forgotten by a clean start");
    assert_eq!(five(&gateway, "s", 0, &[]).await.1[0], 0, "no expiry, no session");
    gateway.stop().await;
}

#[tokio::test]
async fn subscription_options_do_what_they_say() {
    let (_site, gateway) = lab().await;
    let (mut a, _) = five(&gateway, "a", CLEAN, &[]).await;
    let (mut b, _) = five(&gateway, "b", CLEAN, &[]).await;

    // Identifiers: overlapping filters give one message with all of them and the highest QoS.
    subscribed(&mut a, 5, &[0x0b, 2], "x/y", 1).await;
    subscribed(&mut a, 5, &[0x0b, 3], "x/#", 2).await;
    b.send(&publish(5, 4, "x/y", 1, &[], b"overlap")).await;
    assert_eq!(b.packet().await, (0x50, vec![0, 1]));
    let message = got(5, a.packet().await);
    let mut ids: Vec<_> = message.properties.chunks(2).map(<[u8]>::to_vec).collect();
    ids.sort();
    assert_eq!((message.first, ids), (0x34, vec![vec![0x0b, 2], vec![0x0b, 3]]));
    a.send(&unsubscribe(5, 9, &["x/y", "x/#", "never"])).await;
    assert_eq!(a.packet().await, (0xb0, vec![0, 9, 0, 0, 0, 0x11]));

    // No local: not back to the one who said it.
    subscribed(&mut a, 5, &[], "local", 0x04).await;
    subscribed(&mut b, 5, &[], "local", 0x04).await;
    a.send(&publish(5, 0, "local", 0, &[], b"mine")).await;
    assert_eq!(got(5, b.packet().await).payload, b"mine");
    assert_eq!(a.pinged().await, []);

    // Retain: as published only when asked for; sent at SUBSCRIBE always, when new, or never; cleared by nothing.
    subscribed(&mut a, 5, &[], "kept", 0x08).await;
    subscribed(&mut b, 5, &[], "kept", 0).await;
    let user = [&[0x26][..], &text("a"), &text("2")].concat();
    let mut publisher = Wire::online(gateway.mqtt(), 5, "p").await;
    publisher.send(&publish(5, 3, "kept", 1, &user, b"value")).await;
    assert_eq!(publisher.packet().await.0, 0x40);
    let (asked, not) = (got(5, a.packet().await), got(5, b.packet().await));
    assert_eq!((asked.first, not.first, asked.properties), (0x31, 0x30, user.clone()));
    subscribed(&mut a, 5, &[], "kept", 0x10).await;
    assert_eq!(a.pinged().await, [], "not new");
    subscribed(&mut a, 5, &[], "kept", 0x20).await;
    assert_eq!(a.pinged().await, [], "never");
    subscribed(&mut a, 5, &[], "kept", 0).await;
    let kept = got(5, a.packet().await);
    assert_eq!((kept.first, kept.properties, &*kept.payload), (0x31, user, &b"value"[..]));
    publisher.send(&publish(5, 3, "kept", 2, &[], b"")).await;
    assert_eq!(publisher.packet().await.0, 0x40);
    let mut late = Wire::online(gateway.mqtt(), 4, "late").await;
    subscribed(&mut late, 4, &[], "kept", 0).await;
    assert_eq!(late.pinged().await, [], "cleared");
    gateway.stop().await;
}

#[tokio::test]
async fn flow_control_and_packet_sizes_hold_in_both_directions() {
    let (_site, gateway) = lab().await;
    let mut publisher = Wire::online(gateway.mqtt(), 4, "p").await;

    // Towards the client: two in flight, and nothing larger than 64 bytes.
    let (mut slow, _) = five(&gateway, "slow", CLEAN, &[0x21, 0, 2, 0x27, 0, 0, 0, 64]).await;
    subscribed(&mut slow, 5, &[], "flow", 1).await;
    for id in 1..=4_u16 {
        let payload =
            if id == 3 { vec![b'.'; 64] } else { vec![b'.', b'0' + u8::try_from(id).expect("small")] };
        publisher.send(&publish(4, 2, "flow", id, &[], &payload)).await;
        assert_eq!(publisher.packet().await.0, 0x40);
    }
    let (one, two_) = (got(5, slow.packet().await), got(5, slow.packet().await));
    assert_eq!((&*one.payload, &*two_.payload), (&b".1"[..], &b".2"[..]));
    assert_eq!(slow.pinged().await, [], "the window is full");
    slow.send(&packet(0x40, &one.id.expect("QoS 1").to_be_bytes())).await;
    assert_eq!(got(5, slow.packet().await).payload, b".4", "the third was too large for it");

    // Towards the broker: more than its receive maximum ends the client with 0x93.
    let (mut fast, connack) = five(&gateway, "fast", CLEAN, &[]).await;
    let most = two(&connack, 0x21).expect("receive maximum");
    let flood: Vec<u8> = (1..=most + 1).flat_map(|id| publish(5, 4, "flood", id, &[], b"x")).collect();
    fast.send(&flood).await;
    let heard = fast.until_closed().await;
    let (last, acknowledged) = heard.split_last().expect("something");
    assert_eq!((last.0, last.1[0]), (0xe0, 0x93));
    assert!(acknowledged.iter().all(|(first, _)| *first == 0x50), "PUBREC alone before");
    gateway.stop().await;
}

#[tokio::test]
async fn aliases_wills_dollar_topics_and_request_response() {
    let (_site, gateway) = lab().await;

    // Aliases both ways.
    let (mut a, _) = five(&gateway, "a", CLEAN, &[0x22, 0, 1]).await;
    subscribed(&mut a, 5, &[], "alias/#", 0).await;
    a.send(&publish(5, 0, "alias/topic", 0, &[0x23, 0, 5], b"1")).await;
    a.send(&publish(5, 0, "", 0, &[0x23, 0, 5], b"2")).await;
    a.send(&publish(5, 0, "alias/other", 0, &[], b"3")).await;
    let heard: Vec<_> =
        [a.packet().await, a.packet().await, a.packet().await].map(|heard| got(5, heard)).into();
    let topics: Vec<_> = heard.iter().map(|got| (&*got.topic, &*got.properties)).collect();
    let alias: &[u8] = &[0x23, 0, 1];
    assert_eq!(topics, [("alias/topic", alias), ("", alias), ("alias/other", &[][..])]);

    // A will comes when the connection breaks and not after DISCONNECT; 0x04 asks for it.
    let mut watcher = Wire::online(gateway.mqtt(), 4, "watcher").await;
    subscribed(&mut watcher, 4, &[], "will/#", 0).await;
    let will =
        |id: &str| connect(5, 6, 60, &[], &[&text(id), &[0], &text(format!("will/{id}")), &text("gone")]);
    let (broken, _) = Wire::online_with(gateway.mqtt(), will("broken")).await;
    drop(broken);
    assert_eq!(got(4, watcher.packet().await).topic, "will/broken");
    let (mut polite, _) = Wire::online_with(gateway.mqtt(), will("polite")).await;
    polite.send(&[0xe0, 0]).await;
    assert_eq!(polite.until_closed().await, []);
    let (mut asked, _) = Wire::online_with(gateway.mqtt(), will("asked")).await;
    asked.send(&packet(0xe0, &[4])).await;
    assert_eq!(got(4, watcher.packet().await).topic, "will/asked", "and nothing of the polite one");

    // `#` and `+` do not reach `$`, and nobody writes to `$SYS`.
    let mut all = Wire::online(gateway.mqtt(), 4, "all").await;
    subscribed(&mut all, 4, &[], "#", 0).await;
    subscribed(&mut all, 4, &[], "+/dollar", 0).await;
    let (mut b, _) = five(&gateway, "b", CLEAN, &[]).await;
    b.send(&publish(5, 2, "$SYS/dollar", 1, &[], b"x")).await;
    assert_eq!(b.packet().await, (0x40, vec![0, 1, 0x87]), "not authorized");
    subscribed(&mut b, 5, &[], "$own/#", 0).await;
    b.send(&publish(5, 2, "$own/dollar", 2, &[], b"mine")).await;
    let mut heard = [b.packet().await, b.packet().await];
    heard.sort();
    assert_eq!((heard[1].clone(), &*got(5, heard[0].clone()).topic), ((0x40, vec![0, 2]), "$own/dollar"));
    assert_eq!(all.pinged().await, []);

    // Request and response: topic and correlation data travel untouched.
    let asks = [&[8][..], &text("answers/b"), &[9], &text([0, 0xff, 7])].concat();
    subscribed(&mut b, 5, &[], "questions", 0).await;
    a.send(&publish(5, 0, "questions", 0, &asks, b"?")).await;
    assert_eq!(got(5, b.packet().await).properties, asks);

    // Out of scope, and said so.
    b.send(&subscribe(5, 2, &[], &[(b"$share/g/t", 0), (b"t", 0)])).await;
    assert_eq!(b.packet().await, (0x90, vec![0, 2, 0, 0x9e, 0]));
    gateway.stop().await;
}
