//! COSE_Sign1: what is signed verifies, what was changed does not. Others' verifiers are in `tests/peers.rs`.
//!
//! Ed25519 is deterministic, so the bytes are too; golden bytes are in `tests/golden`.
//! Invariant: no payload comes out of a changed statement.

use super::*;
use crate::testing::{Seeded, mutate, sign as with, signing, verify};

fn key() -> SigningPublicKey {
    signing(1).verifying_key().to_bytes()
}

fn signed(payload: &[u8]) -> Encoded {
    sign(Type::Finding, &[7; 8], payload, &with(&signing(1))).unwrap()
}

#[test]
fn a_statement_verifies_with_its_key_and_type_only() {
    let bytes = signed(b"payload");
    let statement = Sign1::decode(&bytes).unwrap();
    let other = signing(2).verifying_key().to_bytes();

    assert_eq!(statement.kid(), &[7; 8]);
    assert_eq!(statement.verify(Type::Finding, &key(), verify), Ok(b"payload".as_slice()));
    assert_eq!(statement.verify(Type::Finding, &other, verify), Err(CoseError::Signature));
    let wrong = CoseError::OtherType { expected: Type::Parameters };
    assert_eq!(statement.verify(Type::Parameters, &key(), verify), Err(wrong));
}

#[test]
fn no_changed_bit_verifies() {
    let bytes = signed(b"payload");
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let verified = Sign1::decode(&changed).and_then(|s| s.verify(Type::Finding, &key(), verify));
        assert!(verified.is_err(), "bit {bit}");
    }
    for length in 0..bytes.len() {
        assert_eq!(Sign1::decode(&bytes[..length]), Err(CoseError::Malformed), "cut {length}");
    }
    let mut longer = bytes.clone();
    longer.push(0).unwrap();
    assert_eq!(Sign1::decode(&longer), Err(CoseError::Malformed));
}

#[test]
fn the_largest_payload_fits_and_no_larger() {
    let bytes = sign(Type::Parameters, &[7; 8], &[0xff; MAX_PAYLOAD], &with(&signing(1))).unwrap();

    let statement = Sign1::decode(&bytes).unwrap();
    assert_eq!(statement.verify(Type::Parameters, &key(), verify), Ok([0xff; MAX_PAYLOAD].as_slice()));
    let longer = sign(Type::Parameters, &[7; 8], &[0xff; MAX_PAYLOAD + 1], &with(&signing(1)));
    assert_eq!(longer, Err(CoseError::TooLong));
}

#[test]
fn seeded_mutations() {
    let mut random = Seeded::new(6);
    let bytes = signed(b"payload");
    for _ in 0..5000 {
        fuzz_cose(&mutate(&mut random, &bytes));
    }
}
