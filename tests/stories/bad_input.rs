//! What hostile and broken clients say: each is answered as the standards demand and ended, and an honest pair
//! beside it gets every one of its messages.
//!
//! Bytes go to the real binary with the laboratory's policies. What single packets mean is told in the broker's own
//! tests; here it is that nothing of it reaches anybody else.

use std::process::Command;

use serde_json::json;

use crate::support::bytes::{Heard, Wire, connect, packet, publish, subscribe, text, unsubscribe};
use crate::support::gateway::{Gateway, Site};
use crate::support::mosquitto;
use crate::support::process::run;
use crate::support::wait::wait_for;

/// A publisher and a subscriber that keep to the rules.
struct Honest {
    publisher: Wire,
    subscriber: Wire,
    sent: u16,
}

impl Honest {
    async fn new(gateway: &Gateway) -> Self {
        let publisher = Wire::online(gateway.mqtt(), 4, "honest-p").await;
        let mut subscriber = Wire::online(gateway.mqtt(), 5, "honest-s").await;
        subscriber.send(&subscribe(5, 1, &[], &[(b"honest", 1)])).await;
        assert_eq!(subscriber.packet().await, (0x90, vec![0, 1, 0, 1]));
        Self { publisher, subscriber, sent: 0 }
    }

    /// One more message, which arrives once and as the next.
    async fn goes_on(&mut self, after: &str) {
        self.sent += 1;
        let id = self.sent.to_be_bytes();
        self.publisher.send(&publish(4, 2, "honest", self.sent, &[], &id)).await;
        assert_eq!(self.publisher.packet().await, (0x40, id.to_vec()), "acknowledged after {after}");
        let (first, body) = self.subscriber.packet().await;
        assert_eq!(
            (first, &body[..8], &body[11..]),
            (0x32, &*text("honest"), &id[..]),
            "the next after {after}"
        );
        self.subscriber.send(&packet(0x40, &body[8..10])).await;
    }
}

/// What comes of it.
enum Then {
    /// The connection ends without a word (3.1.1, and before CONNECT).
    Closed,
    /// 5.0: DISCONNECT with this reason, then the end.
    Told(u8),
    /// CONNACK with this code, then the end.
    Refused(u8),
    /// Exactly this answer, and the connection stays.
    Answered(Heard),
}

struct Case(&'static str, u8, Vec<u8>, Then);

fn strangers() -> Vec<Case> {
    use Then::{Closed, Refused};
    let id: &[u8] = &text("stranger");
    let hello =
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 no MQTT at all, but a TLS hello on the plain port";
    let named = |name: &str, level: u8| packet(0x10, &[&*text(name), &[level, 2, 0, 60], id].concat());
    let will = |topic: &[u8]| connect(4, 6, 60, &[], &[id, &text(topic), &text("gone")]);
    vec![
        Case("PINGREQ first", 4, vec![0xc0, 0], Closed),
        Case("PUBLISH first", 4, publish(4, 0, "a", 0, &[], b"x"), Closed),
        Case("SUBSCRIBE first", 5, subscribe(5, 1, &[], &[(b"a", 0)]), Closed),
        Case("HTTP", 4, b"GET / HTTP/1.1\r\nHost: box\r\n\r\n".to_vec(), Closed),
        Case("a TLS hello", 4, hello.to_vec(), Closed),
        Case("packet type 0", 4, vec![0, 0], Closed),
        Case("a length of five bytes", 4, vec![0x10, 0xff, 0xff, 0xff, 0xff, 1], Closed),
        Case("a CONNECT of 256 MiB", 4, vec![0x10, 0xff, 0xff, 0xff, 0x7f], Closed),
        Case("protocol name hj", 4, named("hj", 4), Closed),
        Case("MQTT 3.1", 4, named("MQIsdp", 3), Refused(1)),
        Case("3.1.1 with a bridge's bit", 4, named("MQTT", 0x84), Refused(1)),
        Case("protocol level 6", 5, named("MQTT", 6), Refused(0x84)),
        Case("the reserved flag", 4, connect(4, 3, 60, &[], &[id]), Closed),
        Case("will QoS 3", 4, connect(4, 0x1e, 60, &[], &[id, &text("w"), &text("x")]), Closed),
        Case("will QoS without a will", 4, connect(4, 0x0a, 60, &[], &[id]), Closed),
        Case("a password without a user name", 4, connect(4, 0x42, 60, &[], &[id, &text("secret")]), Closed),
        Case("bytes after the last field", 4, connect(4, 2, 60, &[], &[id, b"more"]), Closed),
        Case("a client id with NUL", 4, connect(4, 2, 60, &[], &[&text(b"a\0b")]), Closed),
        Case("a client id that is no UTF-8", 4, connect(4, 2, 60, &[], &[&text(b"\xed\xa0\x80")]), Closed),
        Case("no client id and no clean session", 4, connect(4, 0, 60, &[], &[&text("")]), Refused(2)),
        Case("a will to a wildcard", 4, will(b"a/#"), Closed),
        Case("a will to $SYS", 4, will(b"$SYS/broker"), Refused(5)),
        Case("a will without a topic", 4, will(b""), Closed),
        Case("receive maximum 0", 5, connect(5, 2, 60, &[0x21, 0, 0], &[id]), Closed),
        Case("packet size 0", 5, connect(5, 2, 60, &[0x27, 0, 0, 0, 0], &[id]), Closed),
        Case("a property twice", 5, connect(5, 2, 60, &[0x21, 0, 9, 0x21, 0, 9], &[id]), Closed),
        Case("a property of PUBLISH", 5, connect(5, 2, 60, &[0x23, 0, 9], &[id]), Closed),
        Case("authentication data alone", 5, connect(5, 2, 60, &[0x16, 0, 1, 7], &[id]), Closed),
        Case("enhanced authentication", 5, connect(5, 2, 60, &[0x15, 0, 1, b'S'], &[id]), Refused(0x8c)),
        Case(
            "a user that does not exist",
            5,
            connect(5, 0x82, 60, &[], &[id, &text("mallory")]),
            Refused(0x86),
        ),
        Case(
            "a wrong password",
            4,
            connect(4, 0xc2, 60, &[], &[id, &text("cellar-1"), &text("guess")]),
            Refused(4),
        ),
    ]
}

/// After a CONNECT that was accepted: packets that a client does not send, and acknowledgements.
fn packets() -> Vec<Case> {
    use Then::{Answered, Closed, Told};
    let ack = |kind: u8, id: u16, code: Option<u8>| (kind, [&id.to_be_bytes()[..], code.as_slice()].concat());
    vec![
        Case("a second CONNECT", 4, connect(4, 2, 60, &[], &[&text("again")]), Closed),
        Case("a second CONNECT", 5, connect(5, 2, 60, &[], &[&text("again")]), Told(0x82)),
        Case("CONNACK of a client", 5, vec![0x20, 3, 0, 0, 0], Told(0x82)),
        Case("SUBACK of a client", 5, vec![0x90, 4, 0, 1, 0, 0], Told(0x82)),
        Case("UNSUBACK of a client", 4, vec![0xb0, 2, 0, 1], Closed),
        Case("PINGRESP of a client", 5, vec![0xd0, 0], Told(0x82)),
        Case("AUTH without a method", 5, vec![0xf0, 0], Told(0x82)),
        Case("packet type 15", 4, vec![0xf0, 0], Closed),
        Case("packet type 0", 5, vec![0x00, 0], Told(0x81)),
        Case("PINGREQ with a body", 5, vec![0xc0, 1, 0], Told(0x81)),
        Case("PINGREQ with flags", 5, vec![0xc1, 0], Told(0x81)),
        Case("DISCONNECT with flags", 4, vec![0xe1, 0], Closed),
        Case("a length not in its shortest form", 5, vec![0xc0, 0x80, 0], Told(0x81)),
        Case("a length of five bytes", 5, vec![0x30, 0x80, 0x80, 0x80, 0x80, 1], Told(0x81)),
        Case("a packet of 256 MiB", 5, vec![0x30, 0xff, 0xff, 0xff, 0x7f], Told(0x95)),
        Case("a packet of 256 MiB", 4, vec![0x30, 0xff, 0xff, 0xff, 0x7f], Closed),
        Case("PUBREL without its flags", 5, packet(0x60, &[0, 1]), Told(0x81)),
        Case("PUBACK of one byte", 5, packet(0x40, &[0]), Told(0x81)),
        Case("PUBACK of three bytes", 4, packet(0x40, &[0, 1, 0]), Closed),
        Case("PUBACK with a code that there is not", 5, packet(0x40, &[0, 1, 0x55]), Told(0x81)),
        Case("PUBREL of an id never sent", 4, packet(0x62, &[0, 7]), Answered(ack(0x70, 7, None))),
        Case("PUBREL of an id never sent", 5, packet(0x62, &[0, 7]), Answered(ack(0x70, 7, Some(0x92)))),
        Case("PUBREC of an id never sent", 5, packet(0x50, &[0, 7]), Answered(ack(0x62, 7, Some(0x92)))),
        Case("DISCONNECT that raises the expiry", 5, packet(0xe0, &[0, 5, 0x11, 0, 0, 0, 9]), Told(0x82)),
        Case("DISCONNECT with a server's reference", 5, packet(0xe0, &[0, 4, 0x1c, 0, 1, b'x']), Told(0x82)),
    ]
}

fn publishes() -> Vec<Case> {
    use Then::{Closed, Told};
    let deep = vec!["x"; 200].join("/");
    let long_property = [&[0x26_u8][..], &text("name"), &[0xff, 0xff, b'x']].concat();
    vec![
        Case("PUBLISH with QoS 3", 5, publish(5, 6, "a", 1, &[], b"x"), Told(0x81)),
        Case("PUBLISH with DUP and QoS 0", 4, publish(4, 8, "a", 0, &[], b"x"), Closed),
        Case("PUBLISH with packet id 0", 5, publish(5, 2, "a", 0, &[], b"x"), Told(0x82)),
        Case("PUBLISH cut in its topic", 5, packet(0x30, &[0, 9, b'a']), Told(0x81)),
        Case("PUBLISH to a/#", 5, publish(5, 0, "a/#", 0, &[], b"x"), Told(0x90)),
        Case("PUBLISH to +/a", 4, publish(4, 2, "+/a", 1, &[], b"x"), Closed),
        Case("PUBLISH to a topic with NUL", 5, publish(5, 0, b"a\0b", 0, &[], b"x"), Told(0x81)),
        Case("PUBLISH to a topic that is no UTF-8", 5, publish(5, 0, b"a\xff", 0, &[], b"x"), Told(0x81)),
        Case("PUBLISH to a surrogate", 4, publish(4, 0, b"\xed\xbf\xbf", 0, &[], b"x"), Closed),
        Case("PUBLISH to no topic", 4, publish(4, 0, "", 0, &[], b"x"), Closed),
        Case("PUBLISH to no topic", 5, publish(5, 0, "", 0, &[], b"x"), Told(0x82)),
        Case("PUBLISH to 200 levels", 5, publish(5, 0, &deep, 0, &[], b"x"), Told(0x90)),
        Case("PUBLISH with alias 0", 5, publish(5, 0, "a", 0, &[0x23, 0, 0], b"x"), Told(0x94)),
        Case("PUBLISH with alias 65", 5, publish(5, 0, "a", 0, &[0x23, 0, 65], b"x"), Told(0x94)),
        Case("PUBLISH with an alias never set", 5, publish(5, 0, "", 0, &[0x23, 0, 1], b"x"), Told(0x82)),
        Case("PUBLISH with a subscription id", 5, publish(5, 0, "a", 0, &[0x0b, 1], b"x"), Told(0x82)),
        Case("PUBLISH with a property twice", 5, publish(5, 0, "a", 0, &[1, 0, 1, 0], b"x"), Told(0x82)),
        Case("PUBLISH with payload format 2", 5, publish(5, 0, "a", 0, &[1, 2], b"x"), Told(0x82)),
        Case("PUBLISH with a property of CONNECT", 5, publish(5, 0, "a", 0, &[0x21, 0, 1], b"x"), Told(0x81)),
        Case("PUBLISH with a property cut off", 5, publish(5, 0, "a", 0, &long_property, b"x"), Told(0x81)),
        Case("PUBLISH answering to a wildcard", 5, publish(5, 0, "a", 0, &[8, 0, 1, b'#'], b"x"), Told(0x90)),
    ]
}

fn subscribes() -> Vec<Case> {
    use Then::{Answered, Closed, Told};
    let deep = vec!["x"; 200].join("/");
    let share: &[u8] = b"$share/group/a";
    vec![
        Case("SUBSCRIBE without its flags", 5, packet(0x80, &[0, 1, 0, 0, 1, b'a', 0]), Told(0x81)),
        Case("SUBSCRIBE with packet id 0", 5, subscribe(5, 0, &[], &[(b"a", 0)]), Told(0x82)),
        Case("SUBSCRIBE without a filter", 5, subscribe(5, 1, &[], &[]), Told(0x82)),
        Case("SUBSCRIBE without a filter", 4, subscribe(4, 1, &[], &[]), Closed),
        Case("SUBSCRIBE without options", 4, packet(0x82, &[0, 1, 0, 1, b'a']), Closed),
        Case("SUBSCRIBE with QoS 3", 5, subscribe(5, 1, &[], &[(b"a", 3)]), Told(0x81)),
        Case("SUBSCRIBE with reserved bits", 5, subscribe(5, 1, &[], &[(b"a", 0x40)]), Told(0x81)),
        Case("SUBSCRIBE with options of 5.0", 4, subscribe(4, 1, &[], &[(b"a", 4)]), Closed),
        Case("SUBSCRIBE with retain handling 3", 5, subscribe(5, 1, &[], &[(b"a", 0x30)]), Told(0x81)),
        Case("SUBSCRIBE to nothing", 5, subscribe(5, 1, &[], &[(b"", 0)]), Told(0x8f)),
        Case("SUBSCRIBE to a/#/b", 5, subscribe(5, 1, &[], &[(b"a/#/b", 0)]), Told(0x8f)),
        Case("SUBSCRIBE to a#", 4, subscribe(4, 1, &[], &[(b"a#", 0)]), Closed),
        Case("SUBSCRIBE to a+/b", 5, subscribe(5, 1, &[], &[(b"a+/b", 0)]), Told(0x8f)),
        Case("SUBSCRIBE to a filter with NUL", 5, subscribe(5, 1, &[], &[(b"a\0", 0)]), Told(0x81)),
        Case("SUBSCRIBE to no UTF-8", 5, subscribe(5, 1, &[], &[(b"\xc0\x80", 0)]), Told(0x81)),
        Case("SUBSCRIBE to 200 levels", 5, subscribe(5, 1, &[], &[(deep.as_bytes(), 0)]), Told(0x8f)),
        Case("SUBSCRIBE with subscription id 0", 5, subscribe(5, 1, &[0x0b, 0], &[(b"a", 0)]), Told(0x82)),
        Case("no local on a shared subscription", 5, subscribe(5, 1, &[], &[(share, 4)]), Told(0x82)),
        Case("a share without a filter", 5, subscribe(5, 1, &[], &[(b"$share/group", 0)]), Told(0x8f)),
        Case(
            "a shared subscription",
            5,
            subscribe(5, 1, &[], &[(share, 0)]),
            Answered((0x90, vec![0, 1, 0, 0x9e])),
        ),
        Case(
            "a shared subscription",
            4,
            subscribe(4, 1, &[], &[(share, 0)]),
            Answered((0x90, vec![0, 1, 0x80])),
        ),
        Case("257 filters", 5, subscribe(5, 1, &[], &[(b"a".as_slice(), 0); 257]), Told(0x97)),
        Case("UNSUBSCRIBE without a filter", 5, unsubscribe(5, 1, &[]), Told(0x82)),
        Case(
            "UNSUBSCRIBE of what never was",
            5,
            unsubscribe(5, 9, &["x"]),
            Answered((0xb0, vec![0, 9, 0, 0x11])),
        ),
    ]
}

#[tokio::test]
async fn whatever_strangers_and_clients_say_the_honest_pair_gets_every_message() {
    let site = Site::lab("");
    let gateway = site.start().await;
    let mut honest = Honest::new(&gateway).await;
    for Case(name, level, bytes, then) in strangers() {
        let mut wire = Wire::open(gateway.mqtt()).await;
        wire.send(&bytes).await;
        let heard = wire.until_closed().await;
        match then {
            Then::Refused(code) => {
                let [(0x20, body)] = &heard[..] else { panic!("{name} ({level}): {heard:?}") };
                assert_eq!((body[0], body[1]), (0, code), "{name} ({level})");
                assert_eq!(body.len() > 2, level == 5, "{name}: in the form of its version");
            }
            _ => assert_eq!(heard, [], "{name} ({level})"),
        }
        honest.goes_on(name).await;
    }
    for Case(name, level, bytes, then) in packets().into_iter().chain(publishes()).chain(subscribes()) {
        let mut wire = Wire::online(gateway.mqtt(), level, "hostile").await;
        wire.send(&bytes).await;
        match then {
            Then::Closed => assert_eq!(wire.until_closed().await, [], "{name} ({level})"),
            Then::Told(code) => {
                let heard = wire.until_closed().await;
                let [(0xe0, body)] = &heard[..] else { panic!("{name} ({level}): {heard:?}") };
                assert_eq!(body[0], code, "{name} ({level})");
            }
            Then::Answered(answer) => {
                assert_eq!(wire.packet().await, answer, "{name} ({level})");
                assert_eq!(wire.pinged().await, [], "{name} ({level}): it stays");
            }
            Then::Refused(_) => panic!("{name}: it has its CONNACK already"),
        }
        honest.goes_on(name).await;
    }
    let log = gateway.stop().await;
    assert!(!log.contains("guess"), "a password stands in the log");
}

/// A payload, and whether a reading comes of it.
fn payloads() -> Vec<(&'static str, Vec<u8>, bool)> {
    let nested =
        |depth: usize| format!("{{\"deep\": {}1{}}}", "[".repeat(depth), "]".repeat(depth)).into_bytes();
    let filling = "x".repeat(1_000_000);
    vec![
        ("a megabyte of JSON", format!("{{\"note\": \"{filling}\"}}").into_bytes(), false),
        ("JSON that ends in the middle", b"{\"temperature\": 4".to_vec(), false),
        ("ten thousand levels", nested(10_000), false),
        ("a hundred thousand open brackets", vec![b'['; 100_000], false),
        ("NaN", b"{\"temperature\": NaN}".to_vec(), false),
        ("1e400", b"{\"temperature\": 1e400}".to_vec(), false),
        ("a key twice", b"{\"temperature\": 1, \"temperature\": 2}".to_vec(), false),
        ("nothing", Vec::new(), false),
        ("no UTF-8", vec![0xff; 64], false),
        ("a good reading", b"{\"temperature\": 4}".to_vec(), true),
    ]
}

#[tokio::test]
async fn payloads_that_no_dialect_can_read_are_acknowledged_counted_and_shown() {
    let Some(()) = mosquitto::installed() else { return };
    let site = Site::lab("");
    let gateway = site.start().await;
    let viewer = site.api(&gateway, "viewer").await;
    let mut honest = Honest::new(&gateway).await;
    let file = site.folder().join("payload");

    for (number, (name, payload, _)) in payloads().iter().enumerate() {
        std::fs::write(&file, payload).expect("own folder");
        let mut command = Command::new("mosquitto_pub");
        command.args(["-h", "127.0.0.1", "-p", &gateway.mqtt().port().to_string(), "-q", "1", "-V", "5"]);
        command.args(["-t", &format!("json/odd-{number}"), "-f"]).arg(&file);
        let done = run(&mut command, b"").await;
        assert!(done.status.success(), "{name}: {}{}", done.stdout, done.stderr);
        honest.goes_on(name).await;
    }

    let wanted: Vec<String> = payloads()
        .iter()
        .enumerate()
        .filter(|(_, (_, _, readable))| !readable)
        .map(|(number, _)| format!("json/odd-{number}"))
        .collect();
    wait_for("every unreadable payload to be counted", || async {
        let topics = viewer.list("/api/v1/payloads/unknown").await;
        let counted =
            |topic: &&String| topics.iter().any(|row| row["topic"] == ***topic && row["count"] == 1);
        let missing: Vec<_> = wanted.iter().filter(|topic| !counted(topic)).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("{missing:?} of {topics:?}")) }
    })
    .await;
    let good = payloads().len() - 1;
    let path = format!("/api/v1/devices/json:odd-{good}/readings?metric=temperature");
    assert_eq!(viewer.get(&path).await.expect(200)["items"][0]["value"], 4.0);
    gateway.stop().await;
}

#[tokio::test]
async fn forged_and_fixed_cookies_and_forms_of_another_site_open_nothing() {
    let site = Site::new("");
    let gateway = site.start().await;
    let password = "larch-harbour-violet-nine";
    let person =
        json!({"code": gateway.setup_code(), "name": "Elin", "login": "elin.lund", "password": password});
    let browser =
        gateway.anonymous().with_header("origin", &gateway.https()).with_header("x-sitewarden", "1");
    let made = browser.post("/api/v1/setup/owner", person).await;
    let owner = gateway.anonymous().with_session(&made);
    owner.get("/api/v1/users").await.expect(200);
    let real =
        made.headers["set-cookie"].to_str().expect("ASCII").split(';').next().expect("a value").to_owned();
    let (name, token) = real.split_once('=').expect("name and value");

    // Forged: another value, a cut one, one of the right shape, the right value under another name.
    let flipped: String = token.chars().rev().collect();
    for forged in [
        format!("{name}="),
        format!("{name}={flipped}"),
        format!("{name}={}", &token[..token.len() - 1]),
        format!("{name}={token}x"),
        format!("session={token}"),
        format!("{name}=' OR 1=1 --"),
    ] {
        let answer = browser.clone().with_header("cookie", &forged).get("/api/v1/users").await;
        assert_eq!(answer.status, 401, "{forged}: {}", answer.text);
    }

    // Fixed: a cookie that the attacker chose before the sign-in is not the one that is signed in.
    let fixed = format!("{name}=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    let sign_in = json!({"login": "elin.lund", "password": password});
    let signed = browser.clone().with_header("cookie", &fixed).post("/api/v1/session", sign_in.clone()).await;
    assert_eq!(signed.status, 200, "{}", signed.text);
    assert!(!signed.headers["set-cookie"].to_str().expect("ASCII").contains("AAAAAAAA"));
    assert_eq!(browser.clone().with_header("cookie", &fixed).get("/api/v1/users").await.status, 401);

    // A form of another site: with the browser's cookie, and without the header that only our pages send.
    let change = json!({"name": "Changed"});
    let id = owner.list("/api/v1/users").await[0]["id"].as_str().expect("an id").to_owned();
    let path = format!("/api/v1/users/{id}");
    let foreign =
        owner.clone().with_header("origin", "https://evil.example").patch(&path, change.clone()).await;
    let form = gateway.anonymous().with_header("cookie", &real).patch(&path, change.clone()).await;
    assert_eq!((foreign.status, form.status), (403, 403), "{} {}", foreign.text, form.text);
    let elsewhere = browser.clone().with_header("origin", "null").post("/api/v1/session", sign_in).await;
    assert_eq!(elsewhere.status, 403, "{}", elsewhere.text);
    assert_eq!(owner.list("/api/v1/users").await[0]["name"], "Elin");

    // Wrong passwords: all alike, and from some point on not even looked at.
    let mut last = 0;
    for attempt in 0..40 {
        let guess = json!({"login": "elin.lund", "password": format!("guess-number-{attempt}")});
        last = browser.post("/api/v1/session", guess).await.status;
        assert!(matches!(last, 401 | 429), "{last}");
        if last == 429 {
            break;
        }
    }
    assert_eq!(last, 429, "guessing is slowed down");
    owner.get("/api/v1/users").await.expect(200);
    gateway.stop().await;
}

#[tokio::test]
async fn clients_that_say_half_a_word_or_never_read_disturb_nobody() {
    let limits =
        "connect-seconds = 1\nhandshake-seconds = 1\nwrite-seconds = 1\nwrite-buffer-bytes = 65536\n";
    let site = Site::lab(&format!("[broker.limits]\n{limits}"));
    let gateway = site.start().await;
    let viewer = site.api(&gateway, "viewer").await;
    let mut honest = Honest::new(&gateway).await;

    // Slow loris: CONNECT byte by byte, a TLS hello that never goes on, and nothing at all.
    let whole = connect(4, 2, 60, &[], &[&text("loris")]);
    let mut slow = Vec::new();
    for count in 0..16 {
        let mut wire = Wire::open(gateway.mqtt()).await;
        wire.send(&whole[..count.min(whole.len() - 1)]).await;
        slow.push(wire);
        let mut wire = Wire::open(gateway.mqtts()).await;
        wire.send(&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..count.min(11)]).await;
        slow.push(wire);
        honest.goes_on("half a word").await;
    }
    for wire in &mut slow {
        assert_eq!(wire.until_closed().await, []);
    }

    // A subscriber that never reads, under a publisher that floods it.
    let mut deaf = Wire::online(gateway.mqtt(), 4, "deaf").await;
    deaf.send(&subscribe(4, 1, &[], &[(b"flood", 0)])).await;
    let mut flooder = Wire::online(gateway.mqtt(), 4, "flooder").await;
    let burst = publish(4, 0, "flood", 0, &[], &[7; 16 * 1024]).repeat(32);
    for number in 0..64 {
        flooder.send(&burst).await;
        honest.goes_on(&format!("burst {number}")).await;
    }
    let ended = wait_for("the deaf client to be ended", || async {
        let page = viewer.get("/metrics").await.text;
        let hits = page.lines().find(|line| line.contains("limit=\"write-seconds\""));
        let hit = hits.is_some_and(|line| !line.ends_with(" 0"));
        if hit { Ok(true) } else { Err(format!("{hits:?}")) }
    })
    .await;
    assert!(ended);
    honest.goes_on("the end of the deaf client").await;
    gateway.stop().await;
}
