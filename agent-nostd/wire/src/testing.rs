//! What the tests of this crate share: a seeded random source, mutations, fixed keys.
//!
//! Not part of the library. It brings no dependency, so that a test of a parser builds in seconds.
//! Invariant: the same seed gives the same run.

use std::vec::Vec;

use ed25519_dalek::{Signature as DalekSignature, Signer as _, SigningKey, VerifyingKey};

use crate::handshake::{Context, LinkInitiator, LinkStart, link_respond};
use crate::keys::{KeyPair, Secret, Signature, SigningPublicKey};
use crate::session::Session;
use crate::version::Versions;

/// Steele and Vigna's SplitMix64.
pub(crate) struct Seeded(u64);

impl Seeded {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

/// `seed` with one to four changes: a bit, a byte, a cut, a doubled piece, an inserted piece.
pub(crate) fn mutate(random: &mut Seeded, seed: &[u8]) -> Vec<u8> {
    let mut data = seed.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(data.len());
        match random.below(6) {
            0 if !data.is_empty() => data[at] ^= 1 << random.below(8),
            1 if !data.is_empty() => data[at] = random.next() as u8,
            2 => data.truncate(at),
            3 => data.extend_from_within(at..),
            4 => data.insert(at, [0x00, 0xff, 0x9f, 0x5b, 0x1b][random.below(5)]),
            _ => {
                let length = random.below(16);
                let piece: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
                data.splice(at..at, piece);
            }
        }
    }
    data
}

pub(crate) fn pair(byte: u8) -> KeyPair {
    KeyPair::from_secret(Secret::new([byte; 32]))
}

pub(crate) fn signing(byte: u8) -> SigningKey {
    SigningKey::from_bytes(&[byte; 32])
}

pub(crate) fn sign(key: &SigningKey) -> impl Fn(&[u8]) -> Signature + use<> {
    let key = key.clone();
    move |message| key.sign(message).to_bytes()
}

pub(crate) fn verify(key: &SigningPublicKey, message: &[u8], signature: &Signature) -> bool {
    VerifyingKey::from_bytes(key)
        .is_ok_and(|key| key.verify_strict(message, &DalekSignature::from_bytes(signature)).is_ok())
}

/// Both ends of a fresh session: agent, gateway.
pub(crate) fn sessions(id: u32) -> (Session, Session) {
    let context = Context { version: 1, offered: Versions::OURS, session: id };
    let (device, site, psk) = (pair(1), pair(2), Secret::new([3; 32]));
    let (agent, start) =
        LinkInitiator::start(context, &device, site.public(), &psk, &Secret::new([4; 32])).unwrap();
    let start = LinkStart::decode(&start).unwrap();
    let (gateway, reply) =
        link_respond(context, &start, &site, device.public(), &psk, &Secret::new([5; 32])).unwrap();
    (agent.finish(&reply).unwrap(), gateway)
}
