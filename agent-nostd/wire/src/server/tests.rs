//! The gateway's end against hostile bytes. The stories with a device are in the agent's `tests/link`.
//!
//! Invariant: nothing but drops and answers comes of what nobody signed.

use super::*;
use crate::code::Code;
use crate::handshake::{EnrolInitiator, LinkInitiator};
use crate::testing::{Seeded, mutate, pair, verify};
use std::vec::Vec;

fn line(header: Header, body: &[u8]) -> Vec<u8> {
    let mut out = [0; MAX_ENCODED];
    let length = frame::encode(header, body, &mut out).unwrap();
    out[..length].to_vec()
}

fn header(kind: Kind) -> Header {
    Header { version: 1, kind, session: 7, sequence: 0 }
}

#[test]
fn a_line_with_every_kind_of_frame_seeded_and_mutated() {
    let context = Context { version: 1, offered: Versions::OURS, session: 7 };
    let secret = Secret::new([9; 32]);
    let (_, link) = LinkInitiator::start(context, &pair(1), pair(1).public(), &secret, &secret).unwrap();
    let (_, enrol) = EnrolInitiator::start(context, &pair(1), &secret, &secret).unwrap();
    let mut seed = line(header(Kind::LinkStart), &link);
    seed.extend(line(header(Kind::EnrolStart), &enrol));
    seed.extend(line(header(Kind::EnrolFinish), &[0; 100]));
    seed.extend(line(header(Kind::Data), &[0; 40]));
    seed.extend(line(header(Kind::SessionUnknown), &[]));
    let mut random = Seeded::new(8);
    for _ in 0..200 {
        fuzz_server(&mutate(&mut random, &seed));
    }
}

#[test]
fn what_only_a_gateway_sends_and_what_is_not_due_is_dropped() {
    let mut server = Server::new(Site { link: pair(2), signing: [0; 32] }, verify);
    let mut handle = |bytes: Vec<u8>| {
        let mut input = bytes.as_slice();
        match server.receive(&mut input, 0, &mut || Secret::new([5; 32]), &|_| None) {
            Some(Event::Dropped(reason)) => reason,
            other => panic!("{other:?}"),
        }
    };

    for kind in [Kind::LinkAccept, Kind::VersionRefused, Kind::EnrolReply, Kind::SessionUnknown] {
        assert_eq!(handle(line(header(kind), &[])), Dropped::NotForUs { kind });
    }
    assert_eq!(handle(line(header(Kind::EnrolFinish), &[0; 100])), Dropped::NoEnrolment);
    assert_eq!(handle(line(header(Kind::Data), &[0; 40])), Dropped::NoSession { session: 7 });
}

#[test]
fn another_version_is_answered_with_our_range() {
    let mut server = Server::new(Site { link: pair(2), signing: [0; 32] }, verify);
    let newer = Versions { minimum: 2, maximum: 3 };
    let start = LinkStart { offered: newer, device: DeviceId::from_bytes([1; 8]), noise: [0; LINK_NOISE] };
    let bytes = line(header(Kind::LinkStart), &start.encode());
    let mut input = bytes.as_slice();

    let event = server.receive(&mut input, 0, &mut || Secret::new([5; 32]), &|_| None);
    let error = crate::version::VersionError::PeerTooNew { theirs: 2, ours: CURRENT };
    assert_eq!(event, Some(Event::Dropped(Dropped::Version(error))));
    let mut answer = server.output().to_vec();
    answer.pop();
    let frame = frame::decode(&mut answer).unwrap();
    assert_eq!((frame.header.kind, &*frame.body), (Kind::VersionRefused, &[1, 1][..]));
}

#[test]
fn a_code_is_opened_closed_and_bounded() {
    let mut server = Server::new(Site { link: pair(2), signing: [0; 32] }, verify);
    let code = |n: u8| Code::from_random(&[n; 19]);
    for n in 0..crate::limits::MAX_OFFERS as u8 {
        assert_eq!(server.open(Offer::new(&code(n), 100), 0), Ok(()));
    }
    assert_eq!(server.open(Offer::new(&code(20), 100), 0), Err(OfferError::TooMany));
    assert_eq!(server.open(Offer::new(&code(0), 200), 0), Ok(()), "entered again");
    server.close(&code(1));
    assert_eq!(server.open(Offer::new(&code(20), 100), 0), Ok(()));
    assert_eq!(server.open(Offer::new(&code(21), 300), 150), Ok(()), "in the place of an expired one");
    assert_eq!(server.grant(&Secret::new([1; 32])), Err(SendError::NoEnrolment));
    assert_eq!(server.acknowledge(1), Err(SendError::NotConnected));
}
