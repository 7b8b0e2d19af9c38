//! Frames: what is sent comes back, and nothing else does.
//!
//! Properties run over seeded inputs. Golden bytes are in `tests/golden`.
//! Invariant: every assertion names the exact outcome.

use super::*;
use crate::testing::{Seeded, mutate};
use std::vec::Vec;

fn header(sequence: u32) -> Header {
    Header { version: 1, kind: Kind::Data, session: 0x0102_0304, sequence }
}

fn encoded(header: Header, body: &[u8]) -> Vec<u8> {
    let mut out = [0; MAX_ENCODED];
    let length = encode(header, body, &mut out).unwrap();
    out[..length].to_vec()
}

/// Every frame and error that `line` gives.
fn received(line: &[u8]) -> Vec<Result<(Header, Vec<u8>), FrameError>> {
    let mut deframer = Deframer::default();
    let mut all = Vec::new();
    for &byte in line {
        if let Some(result) = deframer.push(byte) {
            all.push(result.map(|frame| (frame.header, frame.body.to_vec())));
        }
    }
    all
}

#[test]
fn bodies_of_every_length_come_back() {
    let mut random = Seeded::new(1);
    for length in 0..=MAX_BODY {
        let body: Vec<u8> = (0..length).map(|_| [0, random.next() as u8][random.below(2)]).collect();
        let line = encoded(header(length as u32), &body);

        assert!(line.len() <= MAX_ENCODED);
        assert_eq!(line.iter().position(|&byte| byte == DELIMITER), Some(line.len() - 1));
        assert_eq!(received(&line), [Ok((header(length as u32), body))]);
    }
}

#[test]
fn the_longest_frame_without_zeros_fits_its_bound() {
    let full = Header { version: 1, kind: Kind::Data, session: u32::MAX, sequence: u32::MAX };
    let line = encoded(full, &[0xff; MAX_BODY]);

    assert_eq!(received(&line), [Ok((full, [0xff; MAX_BODY].to_vec()))]);
    assert_eq!(
        encode(full, &[0; MAX_BODY + 1], &mut [0; 2000]),
        Err(FrameError::Body { length: MAX_BODY + 1 })
    );
}

#[test]
fn a_buffer_of_any_size_is_enough_or_refused() {
    let whole = encoded(header(1), b"body");
    for room in 0..whole.len() {
        assert_eq!(
            encode(header(1), b"body", &mut [0; 64][..room]),
            Err(FrameError::Body { length: 4 }),
            "{room}"
        );
    }
    assert_eq!(encode(header(1), b"body", &mut [0; 64][..whole.len()]), Ok(whole.len()));
}

#[test]
fn a_frame_in_pieces_and_advance_agree_with_push() {
    let mut line = encoded(header(1), b"one");
    line.extend(encoded(header(2), b"two"));
    let mut deframer = Deframer::default();
    let mut bodies = Vec::new();

    for piece in line.chunks(5) {
        let mut input = piece;
        while let Some(frame) = deframer.advance(&mut input) {
            bodies.push(frame.unwrap().body.to_vec());
        }
        assert!(input.is_empty());
    }

    assert_eq!(bodies, [b"one", b"two"]);
}

#[test]
fn each_kind_of_damage_has_its_answer() {
    let good = encoded(header(1), b"body");
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut raw = header(1).to_bytes().to_vec();
        raw.extend(b"body");
        change(&mut raw);
        raw.extend(CRC.checksum(&raw).to_be_bytes());
        let mut line = [0; MAX_ENCODED];
        let length = cobs::try_encode(&raw, &mut line).unwrap();
        line[..length].iter().copied().chain([DELIMITER]).collect::<Vec<u8>>()
    };

    assert_eq!(received(&with(&|_| ())), received(&good));
    let newer = VersionError::PeerTooNew { theirs: 2, ours: 1 };
    assert_eq!(received(&with(&|raw| raw[0] = 2)), [Err(FrameError::Version { source: newer })]);
    let older = VersionError::PeerTooOld { theirs: 0, ours: 1 };
    assert_eq!(received(&with(&|raw| raw[0] = 0)), [Err(FrameError::Version { source: older })]);
    assert_eq!(received(&with(&|raw| raw[1] = 9)), [Err(FrameError::Kind { kind: 9 })]);
    assert_eq!(received(&with(&|raw| raw.truncate(9))), [Err(FrameError::TooShort { length: 13 })]);
    assert_eq!(received(&[5, 1, DELIMITER]), [Err(FrameError::Stuffing)]);
    let mut flipped = good.clone();
    flipped[12] ^= 0x20;
    assert_eq!(received(&flipped), [Err(FrameError::Check)]);
}

#[test]
fn every_flipped_bit_is_noticed() {
    let good = encoded(header(7), b"some body with a \0 in it");
    for bit in 0..(good.len() - 1) * 8 {
        let mut line = good.clone();
        line[bit / 8] ^= 1 << (bit % 8);
        // A flip may make a delimiter, so two pieces may come; none of them is a frame.
        assert!(received(&line).iter().all(Result::is_err), "bit {bit}");
    }
}

#[test]
fn after_any_damage_the_next_frame_comes() {
    let mut random = Seeded::new(2);
    let good = encoded(header(7), b"the frame that was damaged");
    let next = encoded(header(8), b"next");
    for _ in 0..2000 {
        let mut line = mutate(&mut random, &good);
        line.push(DELIMITER);
        line.extend(&next);

        assert_eq!(received(&line).pop(), Some(Ok((header(8), b"next".to_vec()))));
    }
}

#[test]
fn a_line_that_never_ends_a_frame_costs_no_memory() {
    let mut line = std::vec![1; 100_000];
    line.push(DELIMITER);
    line.extend(encoded(header(8), b"next"));

    assert_eq!(received(&line), [Err(FrameError::TooLong), Ok((header(8), b"next".to_vec()))]);
}

#[test]
fn seeded_mutations() {
    let mut random = Seeded::new(3);
    let mut seed = encoded(header(7), b"body");
    seed.extend(encoded(header(8), &[0; 300]));
    for _ in 0..5000 {
        fuzz_frame(&mutate(&mut random, &seed));
    }
}
