//! The reader of packets that a server sends, as a client's parser sees them: one text for each.
//!
//! Of its own, not the broker's decoder: that one reads what clients send.

use crate::wire::Version;

/// What a client's parser sees, as one text for each packet.
pub(super) fn read_packets(mut bytes: &[u8], version: Version) -> Vec<String> {
    let mut packets = Vec::new();
    while let Some((&first, rest)) = bytes.split_first() {
        let (length, used) = variable(rest);
        let (body, after) = rest[used..].split_at(length);
        packets.push(read_packet(first, body, version));
        bytes = after;
    }
    packets
}

fn variable(bytes: &[u8]) -> (usize, usize) {
    let mut value = 0;
    for (index, byte) in bytes.iter().enumerate().take(4) {
        value |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return (value, index + 1);
        }
    }
    panic!("a length of more than four bytes");
}

fn read_packet(first: u8, body: &[u8], version: Version) -> String {
    let word = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
    let name = ["?", "?", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "?", "SUBACK"];
    match first >> 4 {
        2 => {
            let properties = if version == Version::V5 { properties(&body[2..]).0 } else { String::new() };
            format!("CONNACK present={} {:#04x}{properties}", body[0] & 1 == 1, body[1])
        }
        3 => read_publish(first, body, version),
        4..=7 => match body.get(2) {
            Some(code) => format!("{} {} {code:#04x}", name[usize::from(first >> 4)], word(0)),
            None => format!("{} {}", name[usize::from(first >> 4)], word(0)),
        },
        9 | 11 => {
            let name = if first >> 4 == 9 { "SUBACK" } else { "UNSUBACK" };
            let skip = if version == Version::V5 { 2 + properties(&body[2..]).1 } else { 2 };
            format!("{name} {} {:?}", word(0), &body[skip..])
        }
        13 => "PINGRESP".to_owned(),
        14 => format!("DISCONNECT {:#04x}", body.first().copied().unwrap_or(0)),
        other => panic!("a server does not send packet type {other}"),
    }
}

fn read_publish(first: u8, body: &[u8], version: Version) -> String {
    let (topic, mut rest) = text(body);
    let qos = (first >> 1) & 3;
    let mut line = format!("PUBLISH {topic} q{qos}");
    if qos > 0 {
        line += &format!(" #{}", u16::from_be_bytes([rest[0], rest[1]]));
        rest = &rest[2..];
    }
    if first & 8 != 0 {
        line += " dup";
    }
    if first & 1 != 0 {
        line += " retain";
    }
    let mut shown = String::new();
    if version == Version::V5 {
        let (properties, used) = properties(rest);
        (shown, rest) = (properties, &rest[used..]);
    }
    match rest.len() {
        0..=40 => format!("{line} {:?}{shown}", String::from_utf8_lossy(rest)),
        length => format!("{line} ({length} bytes){shown}"),
    }
}

fn text(bytes: &[u8]) -> (String, &[u8]) {
    let length = usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
    let (text, rest) = bytes[2..].split_at(length);
    (String::from_utf8(text.to_vec()).unwrap(), rest)
}

/// Properties as ` name=value` texts, and the bytes that they took.
fn properties(bytes: &[u8]) -> (String, usize) {
    let (length, used) = variable(bytes);
    let mut rest = &bytes[used..used + length];
    let mut shown = String::new();
    while let Some((&kind, after)) = rest.split_first() {
        let (value, left) = match kind {
            0x01 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2A => (after[0].to_string(), &after[1..]),
            0x13 | 0x21 | 0x22 | 0x23 => (u16::from_be_bytes([after[0], after[1]]).to_string(), &after[2..]),
            0x02 | 0x11 | 0x27 => {
                (u32::from_be_bytes(after[..4].try_into().unwrap()).to_string(), &after[4..])
            }
            0x0B => {
                let (value, used) = variable(after);
                (value.to_string(), &after[used..])
            }
            0x26 => {
                let (name, after) = text(after);
                let (value, left) = text(after);
                (format!("{name}:{value}"), left)
            }
            _ => {
                let (value, left) = text(after);
                (value, left)
            }
        };
        shown += &format!(" {}={value}", property_name(kind));
        rest = left;
    }
    (shown, used + length)
}

fn property_name(kind: u8) -> &'static str {
    match kind {
        0x01 => "format",
        0x02 => "expiry",
        0x03 => "content-type",
        0x08 => "response-topic",
        0x09 => "correlation",
        0x0B => "subscription",
        0x11 => "session-expiry",
        0x12 => "assigned",
        0x23 => "alias",
        0x13 => "keep-alive",
        0x21 => "receive-maximum",
        0x22 => "alias-maximum",
        0x26 => "user",
        0x27 => "packet-size",
        0x2A => "shared",
        _ => "other",
    }
}
