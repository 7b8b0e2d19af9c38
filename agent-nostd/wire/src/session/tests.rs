//! Sessions under a line that drops, doubles, reorders, replays, cuts and forges.
//!
//! Frames are compared after decryption, so a message that comes out is one that went in.
//! Invariant: whatever the line did, what comes out is a rising subsequence of what went in.

use super::*;
use crate::frame::decode;
use crate::limits::MAX_ENCODED;
use crate::testing::{Seeded, mutate, sessions};
use std::vec::Vec;

fn seal(session: &mut Session, message: &[u8]) -> Vec<u8> {
    let mut out = [0; MAX_ENCODED];
    let length = session.seal(message, &mut out).unwrap();
    out[..length].to_vec()
}

fn open(session: &mut Session, line: &[u8]) -> Result<Vec<u8>, SessionError> {
    let mut raw = line[..line.len() - 1].to_vec();
    let frame = decode(&mut raw).unwrap();
    session.open(frame.header, frame.body).map(<[u8]>::to_vec)
}

#[test]
fn both_directions_carry_messages() {
    let (mut agent, mut gateway) = sessions(7);

    for round in 0..3_u8 {
        let up = seal(&mut agent, &[round; 20]);
        assert_eq!(open(&mut gateway, &up), Ok([round; 20].to_vec()));
        let down = seal(&mut gateway, &[]);
        assert_eq!(open(&mut agent, &down), Ok(Vec::new()));
    }
}

#[test]
fn a_direction_does_not_open_its_own_frames() {
    let (mut agent, _) = sessions(7);
    let up = seal(&mut agent, b"reflected");

    assert_eq!(open(&mut agent, &up), Err(SessionError::Forged));
}

#[test]
fn replays_duplicates_and_reordered_frames_are_refused() {
    let (mut agent, mut gateway) = sessions(7);
    let lines: Vec<_> = (0..4_u8).map(|n| seal(&mut agent, &[n])).collect();

    assert_eq!(open(&mut gateway, &lines[0]), Ok([0].to_vec()));
    assert_eq!(open(&mut gateway, &lines[0]), Err(SessionError::Replayed { sequence: 0, next: 1 }));
    assert_eq!(open(&mut gateway, &lines[2]), Ok([2].to_vec()));
    assert_eq!(open(&mut gateway, &lines[1]), Err(SessionError::Replayed { sequence: 1, next: 3 }));
    assert_eq!(open(&mut gateway, &lines[3]), Ok([3].to_vec()));
}

#[test]
fn frames_of_another_session_or_key_are_refused() {
    let (mut agent, mut gateway) = sessions(7);
    let (mut other_agent, mut other_gateway) = sessions(8);
    let line = seal(&mut other_agent, b"x");
    assert_eq!(open(&mut gateway, &line), Err(SessionError::OtherSession { theirs: 8, ours: 7 }));

    // The same number, another key: somebody renames a frame.
    let mut raw = seal(&mut agent, b"x");
    raw.pop();
    let frame = decode(&mut raw).unwrap();
    let renamed = Header { session: 8, ..frame.header };
    assert_eq!(other_gateway.open(renamed, frame.body), Err(SessionError::Forged));
}

#[test]
fn a_forged_number_does_not_push_the_numbers_on() {
    let (mut agent, mut gateway) = sessions(7);
    let mut raw = seal(&mut agent, b"first");
    raw.pop();
    let frame = decode(&mut raw).unwrap();
    let far = Header { sequence: MAX_SESSION_FRAMES - 1, ..frame.header };

    let mut body = frame.body.to_vec();
    assert_eq!(gateway.open(far, &mut body), Err(SessionError::Forged));

    assert_eq!(gateway.open(frame.header, frame.body), Ok(b"first".as_slice()));
}

#[test]
fn every_flipped_bit_and_every_cut_is_refused() {
    let (mut agent, mut gateway) = sessions(7);
    let mut raw = seal(&mut agent, b"a message");
    raw.pop();
    let frame = decode(&mut raw).unwrap();
    let (header, body) = (frame.header, frame.body.to_vec());

    for bit in 0..body.len() * 8 {
        let mut changed = body.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(gateway.open(header, &mut changed), Err(SessionError::Forged), "bit {bit}");
    }
    for length in 0..body.len() {
        assert_eq!(
            gateway.open(header, &mut body.clone()[..length]),
            Err(SessionError::Forged),
            "cut {length}"
        );
    }
    assert_eq!(gateway.open(header, &mut body.clone()), Ok(b"a message".as_slice()));
}

#[test]
fn a_used_up_session_says_so() {
    let (mut agent, mut gateway) = sessions(7);
    agent.next_send = MAX_SESSION_FRAMES;

    assert_eq!(agent.seal(b"x", &mut [0; 99]), Err(SessionError::Exhausted));
    let header = Header { version: 1, kind: Kind::Data, session: 7, sequence: MAX_SESSION_FRAMES };
    assert_eq!(gateway.open(header, &mut [0; 20]), Err(SessionError::Exhausted));
    assert_eq!(
        gateway.seal(&[0; MAX_MESSAGE + 1], &mut [0; 2000]),
        Err(SessionError::TooLong { length: MAX_MESSAGE + 1 })
    );
}

/// The line as an adversary: drops, doubles, swaps, replays and changes at random.
#[test]
fn what_comes_out_is_a_rising_subsequence_of_what_went_in() {
    for seed in 0..40 {
        let mut random = Seeded::new(seed);
        let (mut agent, mut gateway) = sessions(7);
        let sent: Vec<Vec<u8>> = (0..30_u8).map(|n| seal(&mut agent, &[n, n, n])).collect();
        let mut line = sent.clone();
        for _ in 0..40 {
            let (from, to) = (random.below(line.len()), random.below(line.len()));
            match random.below(4) {
                0 => drop(line.remove(from)),
                1 => line.insert(to, line[from].clone()),
                2 => line.swap(from, to),
                _ => {
                    let end = line[from].len() - 1;
                    let changed: Vec<u8> = mutate(&mut random, &line[from][..end]);
                    let changed = changed.into_iter().filter(|&byte| byte != 0).chain([0]).collect();
                    line[from] = changed;
                }
            }
            if line.is_empty() {
                line.push(sent[0].clone());
            }
        }

        let mut last = None;
        for bytes in &line {
            let mut raw = bytes[..bytes.len() - 1].to_vec();
            let Ok(frame) = decode(&mut raw) else { continue };
            if let Ok(message) = gateway.open(frame.header, frame.body) {
                let number = message[0];
                assert_eq!(message, [number, number, number]);
                assert!(last < Some(number), "{last:?} then {number}, seed {seed}");
                last = Some(number);
            }
        }
    }
}
