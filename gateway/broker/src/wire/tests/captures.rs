//! What real clients sent, from packet captures.
//!
//! A small reader of classic pcap files: Ethernet, loopback and Linux cooked frames, IPv4 and IPv6, TCP in
//! order. Not a TCP stack: a capture with lost segments is read up to the gap.

use std::collections::BTreeMap;

use super::*;

/// Bytes that clients sent to port 1883, one stream for each client port.
fn client_streams(pcap: &[u8]) -> Vec<Vec<u8>> {
    let word = |at: usize| u32::from_le_bytes(pcap[at..at + 4].try_into().unwrap());
    assert!(matches!(word(0), 0xa1b2_c3d4 | 0xa1b2_3c4d), "little-endian pcap");
    let link_header = match word(20) {
        0 => 4,
        1 => 14,
        113 => 16,
        other => panic!("link type {other}"),
    };
    let mut streams: BTreeMap<u16, (u32, Vec<u8>)> = BTreeMap::new();
    let mut at = 24;
    while at + 16 <= pcap.len() {
        let length = usize::try_from(word(at + 8)).unwrap();
        let frame = &pcap[at + 16..at + 16 + length];
        at += 16 + length;
        let packet = &frame[link_header..];
        let (tcp, end) = match packet[0] >> 4 {
            4 => (usize::from(packet[0] & 15) * 4, usize::from(u16::from_be_bytes([packet[2], packet[3]]))),
            6 => (40, 40 + usize::from(u16::from_be_bytes([packet[4], packet[5]]))),
            _ => continue,
        };
        let tcp = &packet[tcp..end];
        let port = u16::from_be_bytes([tcp[0], tcp[1]]);
        if u16::from_be_bytes([tcp[2], tcp[3]]) != 1883 {
            continue;
        }
        let sequence = u32::from_be_bytes(tcp[4..8].try_into().unwrap());
        let payload = &tcp[usize::from(tcp[12] >> 4) * 4..];
        let (next, stream) = streams.entry(port).or_insert((sequence, Vec::new()));
        if tcp[13] & 0x02 != 0 {
            *next = sequence.wrapping_add(1);
        } else if sequence == *next {
            stream.extend_from_slice(payload);
            *next = sequence.wrapping_add(u32::try_from(payload.len()).unwrap());
        }
    }
    streams.into_values().map(|(_, stream)| stream).filter(|stream| !stream.is_empty()).collect()
}

/// Packets taken before the first refusal, and the refusal.
fn read_all(stream: &[u8]) -> (usize, Option<Malformed>) {
    let (mut at, mut version, mut taken) = (0, None, 0);
    loop {
        let rest = &stream[at..];
        let packet = match next_frame(rest, &Limits::AUTHENTICATED) {
            Ok(Framed::Frame { first_byte, body }) => {
                at += body.end;
                decode(first_byte, &rest[body], version, &Limits::AUTHENTICATED)
            }
            Ok(Framed::Need(_)) => return (taken, None),
            Err(refused) => return (taken, Some(refused)),
        };
        match packet {
            Ok(Packet::Connect(connect)) => version = Some(connect.version),
            Ok(_) => {}
            Err(refused) => return (taken, Some(refused)),
        }
        taken += 1;
    }
}

#[test]
fn real_clients_are_understood_and_broken_ones_are_refused() {
    let Some(folder) = test_data("wire::tests::captures") else { return };
    let (mut understood, mut older, mut odd) = (0, 0, 0);
    for entry in std::fs::read_dir(folder.join("mqtt/captures")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.ends_with(".pcap") {
            continue;
        }
        for stream in client_streams(&std::fs::read(&path).unwrap()) {
            let (taken, refused) = read_all(&stream);
            if name.starts_with("mqtt31-") {
                let refused = refused.expect("MQTT 3.1");
                assert_eq!(refused.reason, Reason::UnsupportedVersion { level: 3 }, "{name}");
                older += 1;
            } else if name.contains("mosquittoprops") {
                // The will's payload format is neither 0 nor 1 (MQTT 5 §3.1.3.2.3).
                let refused = refused.expect("a flag property above 1");
                assert_eq!(refused.code(), ReasonCode::PROTOCOL_ERROR, "{name}");
                odd += 1;
            } else if name.starts_with("mqtt311-")
                || name.starts_with("mqtt5-") && !name.contains("excessive")
            {
                assert_eq!(refused, None, "{name} after {taken} packets");
                assert!(taken >= 1, "{name}: {taken} packets");
                understood += 1;
            } else {
                odd += 1;
            }
        }
    }
    assert!(understood >= 17 && older >= 7 && odd >= 1, "{understood} {older} {odd}");
}
