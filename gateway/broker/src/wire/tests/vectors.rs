//! The 243 packets that the two standards say to accept or to refuse.
//!
//! Packets that only a server sends are right as bytes and wrong from a client: both is checked.

use mqtt_proto::{PollHeader as _, v3, v5};

use super::*;

/// Vector 110 is a PUBLISH with subscription identifiers, which only a server sends.
const SERVER_PUBLISH: &str = "110";

#[test]
fn all_vectors_are_judged_as_the_standards_say() {
    let Some(folder) = test_data("wire::tests::vectors") else { return };
    let text = std::fs::read_to_string(folder.join("mqtt/vectors.txt")).unwrap();
    let mut judged = 0;
    let mut wrong = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let [id, version, expect, _layer, statement, hex, what] = line.splitn(7, '|').collect::<Vec<_>>()[..]
        else {
            panic!("{line}: seven fields");
        };
        let version = if version == "4" { Version::V3 } else { Version::V5 };
        judged += 1;
        if !judge(id, version, expect == "accept", &unhex(hex)) {
            wrong.push(format!("{id} {expect} {statement} {what}"));
        }
    }
    assert_eq!((judged, wrong), (243, Vec::new()));
}

fn judge(id: &str, version: Version, accept: bool, bytes: &[u8]) -> bool {
    let result = match next_frame(bytes, &Limits::AUTHENTICATED) {
        Ok(Framed::Frame { first_byte, body }) => {
            // Two refusals have a second packet behind the broken one; what is accepted is one packet.
            assert!(!accept || body.end == bytes.len(), "{id}: one whole packet");
            decode(first_byte, &bytes[body], Some(version), &Limits::AUTHENTICATED)
        }
        Ok(Framed::Need(_)) => return false,
        Err(malformed) => Err(malformed),
    };
    let server_only = matches!(bytes[0] >> 4, 2 | 9 | 11 | 13) || id == SERVER_PUBLISH;
    match (accept, server_only) {
        (true, true) => {
            result.is_err_and(|refused| refused.reason == Reason::ServerOnly)
                && (id == SERVER_PUBLISH || well_formed_from_a_server(version, bytes))
        }
        (true, false) => match result {
            Ok(Packet::Connect(connect)) => connect.version == version,
            other => other.is_ok(),
        },
        (false, _) => result.is_err(),
    }
}

/// By the codec library, which is the client here.
fn well_formed_from_a_server(version: Version, bytes: &[u8]) -> bool {
    let body = &bytes[2..];
    let length = u32::try_from(body.len()).unwrap();
    let mut offset = 0;
    match version {
        Version::V3 => {
            let header = v3::Header::new_with(bytes[0], length, length).unwrap();
            (body.is_empty() && header.build_empty_packet().is_some())
                || header.decode_buffer(body, &mut offset).is_ok()
        }
        Version::V5 => {
            let header = v5::Header::new_with(bytes[0], length, length).unwrap();
            (body.is_empty() && header.build_empty_packet().is_some())
                || header.decode_buffer(body, &mut offset).is_ok()
        }
    }
}
