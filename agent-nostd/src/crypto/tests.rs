//! Signatures against RFC 8032's vectors and against ed25519-dalek; what must be refused is.
//!
//! Invariant: whatever one side signs the other verifies, and the bytes are the same.

use ed25519_dalek::{Signer as _, SigningKey};
use std::vec::Vec;

use super::*;

fn bytes<const N: usize>(hexadecimal: &str) -> [u8; N] {
    let digits: Vec<u8> = hexadecimal.chars().map(|c| c.to_digit(16).unwrap() as u8).collect();
    let bytes: Vec<u8> = digits.chunks(2).map(|two| (two[0] << 4) | two[1]).collect();
    bytes.try_into().unwrap()
}

/// RFC 8032 §7.1, TEST 1 and TEST 3.
#[test]
fn signatures_follow_rfc_8032() {
    for (secret, public, message, signature) in [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            &b""[..],
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            b"\xaf\x82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ] {
        let signer = Signer::new(&Secret::new(bytes(secret)));

        assert_eq!(signer.public(), bytes(public));
        assert_eq!(signer.sign(message), bytes(signature));
        assert!(verify(&bytes(public), message, &bytes(signature)));
    }
}

#[test]
fn another_implementation_signs_the_same_and_is_verified() {
    for seed in 0..32_u8 {
        let secret = [seed.wrapping_mul(37) ^ 0x5a; 32];
        let (ours, theirs) = (Signer::new(&Secret::new(secret)), SigningKey::from_bytes(&secret));
        let message: Vec<u8> = (0..seed.wrapping_mul(7)).collect();
        let signature = theirs.sign(&message).to_bytes();

        assert_eq!(ours.public(), theirs.verifying_key().to_bytes(), "seed {seed}");
        assert_eq!(ours.sign(&message), signature, "seed {seed}");
        assert!(verify(&ours.public(), &message, &signature), "seed {seed}");
    }
}

#[test]
fn no_changed_bit_of_signature_key_or_message_verifies() {
    let signer = Signer::new(&Secret::new([7; 32]));
    let (public, message) = (signer.public(), *b"message");
    let signature = signer.sign(&message);
    for bit in 0..64 * 8 {
        let mut changed = signature;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(!verify(&public, &message, &changed), "bit {bit} of the signature");
    }
    for bit in 0..32 * 8 {
        let mut changed = public;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(!verify(&changed, &message, &signature), "bit {bit} of the key");
    }
    assert!(!verify(&public, b"messagf", &signature));
}

/// A signature with S + L in place of S is the same to a lax verifier: it would have two valid forms.
#[test]
fn a_scalar_that_is_not_canonical_is_refused() {
    let signer = Signer::new(&Secret::new([7; 32]));
    let mut signature = signer.sign(b"message");
    let mut carry = 0;
    for (byte, order) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }

    assert!(!verify(&signer.public(), b"message", &signature));
    assert!(!is_canonical(&ORDER));
    let mut below = ORDER;
    below[0] -= 1;
    assert!(is_canonical(&below));
}

/// Keys of small order: with one of them a signature of zeros fits every message.
#[test]
fn keys_of_small_order_are_refused() {
    let mut identity = [0; 32];
    identity[0] = 1;
    let order_four = [0; 32];
    let order_eight = bytes("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a");
    for key in [identity, order_four, order_eight] {
        for commitment in [identity, order_four, order_eight] {
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(&commitment);
            for message in [&b"a"[..], b"b", b"c", b"d", b"e", b"f", b"g", b"h"] {
                assert!(!verify(&key, message, &signature));
            }
        }
    }
}

#[test]
fn products_are_exact() {
    let mut two = [0; 32];
    two[0] = 2;
    let most = [0xff; 32];
    // (2^256 - 1)^2 + (2^256 - 1) = 2^512 - 2^256
    let mut expected = [0; 64];
    expected[32..].fill(0xff);
    assert_eq!(multiply_add(&most, &most, &most), expected);
    // 2 * (2^256 - 1) + 2 = 2^257
    let mut expected = [0; 64];
    expected[32] = 2;
    assert_eq!(multiply_add(&two, &most, &two), expected);
}
