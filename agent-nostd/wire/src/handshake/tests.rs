//! Handshakes: only the right keys, code, versions and session lead to a session.
//!
//! Ephemeral keys are fixed, so every run is the same. The peer that is not ours is in `tests/peers.rs`.
//! Invariant: a refused message leaves the handshake open for the right one.

use super::*;
use crate::testing::{Seeded, mutate, pair};

const CONTEXT: Context = Context { version: 1, offered: Versions::OURS, session: 7 };

fn secret(byte: u8) -> Secret {
    Secret::new([byte; 32])
}

#[test]
fn a_link_needs_both_keys_and_the_shared_one() {
    let start = |psk, site: &KeyPair| {
        LinkInitiator::start(CONTEXT, &pair(1), site.public(), &secret(psk), &secret(4)).unwrap()
    };
    let respond = |body: &[u8], site: &KeyPair, device: &KeyPair, psk| {
        let start = LinkStart::decode(body).unwrap();
        link_respond(CONTEXT, &start, site, device.public(), &secret(psk), &secret(5)).err()
    };
    let (_, good) = start(3, &pair(2));

    assert_eq!(respond(&good, &pair(2), &pair(1), 3), None);
    assert_eq!(respond(&good, &pair(9), &pair(1), 3), Some(HandshakeError::Refused), "another site");
    assert_eq!(respond(&good, &pair(2), &pair(9), 3), Some(HandshakeError::Refused), "another device");
    assert_eq!(respond(&good, &pair(2), &pair(1), 9), Some(HandshakeError::Refused), "another shared key");
    let (_, for_another) = start(3, &pair(9));
    assert_eq!(respond(&for_another, &pair(2), &pair(1), 3), Some(HandshakeError::Refused));
}

#[test]
fn versions_and_session_are_part_of_the_handshake() {
    let (_, body) =
        LinkInitiator::start(CONTEXT, &pair(1), pair(2).public(), &secret(3), &secret(4)).unwrap();
    let start = LinkStart::decode(&body).unwrap();
    let offered = Versions { minimum: 1, maximum: 2 };

    for changed in
        [Context { version: 2, ..CONTEXT }, Context { offered, ..CONTEXT }, Context { session: 8, ..CONTEXT }]
    {
        let answer = link_respond(changed, &start, &pair(2), pair(1).public(), &secret(3), &secret(5));
        assert_eq!(answer.err(), Some(HandshakeError::Refused), "{changed:?}");
    }
}

#[test]
fn a_wrong_answer_leaves_the_link_open_for_the_right_one() {
    let (agent, body) =
        LinkInitiator::start(CONTEXT, &pair(1), pair(2).public(), &secret(3), &secret(4)).unwrap();
    let start = LinkStart::decode(&body).unwrap();
    let (_, reply) =
        link_respond(CONTEXT, &start, &pair(2), pair(1).public(), &secret(3), &secret(5)).unwrap();

    for bit in 0..reply.len() * 8 {
        // The highest bit of an X25519 coordinate is ignored (RFC 7748 §5), but the handshake hash covers it.
        let mut changed = reply;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(agent.finish(&changed).err(), Some(HandshakeError::Refused), "bit {bit}");
    }
    assert_eq!(agent.finish(&reply[1..]).err(), Some(HandshakeError::Length { length: 47, expected: 48 }));
    assert_eq!(agent.finish(&reply).unwrap().id(), 7);
}

fn replied(code: u8) -> (EnrolReplied, EnrolResponder) {
    let (agent, body) = EnrolInitiator::start(CONTEXT, &pair(1), &secret(code), &secret(4)).unwrap();
    let start = EnrolStart::decode(&body).unwrap();
    let (gateway, reply) =
        EnrolResponder::respond(CONTEXT, &start, &pair(2), &[6; 32], &secret(code), &secret(5)).unwrap();
    (agent.reply(&reply, b"request").unwrap(), gateway)
}

#[test]
fn an_enrolment_exchanges_the_keys_under_the_code() {
    let (mut agent, gateway) = replied(3);
    let mut proved = gateway.finish(&agent.finish).unwrap();

    assert_eq!(agent.site, SiteKeys { link: *pair(2).public(), signing: [6; 32] });
    assert_eq!(proved.device, *pair(1).public());
    assert_eq!(proved.request, b"request");
    let mut line = [0; 64];
    let length = proved.session.seal(b"grant", &mut line).unwrap();
    let frame = crate::frame::decode(&mut line[..length - 1]).unwrap();
    assert_eq!(agent.session.open(frame.header, frame.body), Ok(b"grant".as_slice()));
}

#[test]
fn an_enrolment_needs_the_same_code() {
    let (_, body) = EnrolInitiator::start(CONTEXT, &pair(1), &secret(3), &secret(4)).unwrap();
    let start = EnrolStart::decode(&body).unwrap();

    let other = EnrolResponder::respond(CONTEXT, &start, &pair(2), &[6; 32], &secret(9), &secret(5));

    assert_eq!(other.err(), Some(HandshakeError::Refused));
}

#[test]
fn an_enrolment_takes_no_changed_message() {
    let (agent, gateway) = replied(3);
    for bit in 0..agent.finish.len() * 8 {
        let mut changed = agent.finish.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(gateway.finish(&changed).err(), Some(HandshakeError::Refused), "bit {bit}");
    }
    for length in 0..agent.finish.len() {
        assert!(gateway.finish(&agent.finish[..length]).is_err(), "cut {length}");
    }
    assert!(gateway.finish(&agent.finish).is_ok());
}

#[test]
fn a_request_beyond_its_bound_is_refused() {
    let (agent, body) = EnrolInitiator::start(CONTEXT, &pair(1), &secret(3), &secret(4)).unwrap();
    let start = EnrolStart::decode(&body).unwrap();
    let (gateway, reply) =
        EnrolResponder::respond(CONTEXT, &start, &pair(2), &[6; 32], &secret(3), &secret(5)).unwrap();

    let answer = agent.reply(&reply, &[0; MAX_ENROL_REQUEST + 1]);

    let expected = ENROL_FINISH + MAX_ENROL_REQUEST;
    assert_eq!(answer.err(), Some(HandshakeError::Length { length: expected + 1, expected }));
    let longer = [0; ENROL_FINISH + MAX_ENROL_REQUEST + 1];
    assert!(matches!(gateway.finish(&longer), Err(HandshakeError::Length { .. })));
}

#[test]
fn seeded_mutations() {
    let mut random = Seeded::new(4);
    let (link, link_body) =
        LinkInitiator::start(CONTEXT, &pair(7), pair(2).public(), &secret(3), &secret(4)).unwrap();
    assert_eq!(link.context(), CONTEXT);
    let (_, enrol_body) = EnrolInitiator::start(CONTEXT, &pair(7), &secret(9), &secret(4)).unwrap();
    for _ in 0..60 {
        fuzz_handshake(&mutate(&mut random, &link_body));
        fuzz_handshake(&mutate(&mut random, &enrol_body));
        fuzz_handshake(&mutate(&mut random, &[7; ENROL_REPLY]));
    }
}
