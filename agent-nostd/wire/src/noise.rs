//! The Noise library, behind the few operations that the link needs (Noise Protocol Framework, revision 34).
//!
//! The only module that names the library. Ephemeral keys are passed in, so a handshake is a pure function of its inputs;
//! the library's own random source is one that cannot be used. A message that fails leaves the state as it was: the library
//! wipes a state that saw a bad message, so each message is read by a copy.
//! Invariant: no call here can reach one of the library's panics: lengths are checked first, states are used once per step.

use clatter::bytearray::{ByteArray as _, SensitiveByteArray};
use clatter::cipherstate::CipherState;
use clatter::crypto::{cipher::ChaChaPoly, dh::X25519, hash::Sha256};
use clatter::handshakepattern::{HandshakePattern, Token};
use clatter::traits::Handshaker as _;
use clatter::{NqHandshakeCore, transportstate::TransportState};
use rand_core::{CryptoRng, Error as RandError, RngCore};

use crate::keys::{KeyPair, PublicKey, Secret};

/// The library's cipher state of one direction.
pub(crate) type Cipher = CipherState<ChaChaPoly>;

/// A random source that must never be asked.
#[derive(Default, Clone)]
pub(crate) struct NoRandom;

impl RngCore for NoRandom {
    fn next_u32(&mut self) -> u32 {
        unreachable!("the ephemeral key is always passed in")
    }

    fn next_u64(&mut self) -> u64 {
        unreachable!("the ephemeral key is always passed in")
    }

    fn fill_bytes(&mut self, _: &mut [u8]) {
        unreachable!("the ephemeral key is always passed in")
    }

    fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), RandError> {
        unreachable!("the ephemeral key is always passed in")
    }
}

impl CryptoRng for NoRandom {}

/// The message does not fit the keys, the prologue or the pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused;

/// The link's pattern (Noise §7.5 and §9). Written down and not made by the library's `add_psks`, which takes 0.5 KB of flash.
pub(crate) fn kk_psk0() -> HandshakePattern {
    let initiator: [&[Token]; 1] = [&[Token::Psk, Token::E, Token::ES, Token::SS]];
    let responder: [&[Token]; 1] = [&[Token::E, Token::EE, Token::SE]];
    HandshakePattern::new("KKpsk0", &[Token::S], &[Token::S], &initiator, &responder)
}

/// The enrolment's pattern, which the library does not have ready.
pub(crate) fn xx_psk0() -> HandshakePattern {
    let initiator: [&[Token]; 2] = [&[Token::Psk, Token::E], &[Token::S, Token::SE]];
    let responder: [&[Token]; 1] = [&[Token::E, Token::EE, Token::S, Token::ES]];
    HandshakePattern::new("XXpsk0", &[], &[], &initiator, &responder)
}

/// Who begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Initiator,
    Responder,
}

/// A handshake between two messages.
#[derive(Clone)]
pub(crate) struct Handshake(NqHandshakeCore<X25519, ChaChaPoly, Sha256, NoRandom>);

/// What a finished handshake leaves.
pub(crate) struct Finished {
    pub(crate) send: Cipher,
    pub(crate) receive: Cipher,
    pub(crate) peer: Option<PublicKey>,
}

impl Handshake {
    pub(crate) fn new(
        pattern: HandshakePattern,
        role: Role,
        prologue: &[u8],
        ours: &KeyPair,
        ephemeral: &Secret,
        theirs: Option<&PublicKey>,
        psk: &Secret,
    ) -> Result<Self, Refused> {
        let initiator = role == Role::Initiator;
        let (ours, ephemeral) = (library_pair(ours), library_pair(&KeyPair::from_secret(ephemeral.clone())));
        let mut handshake = NqHandshakeCore::new(
            pattern,
            prologue,
            initiator,
            Some(ours),
            Some(ephemeral),
            theirs.copied(),
            None,
        )
        .map_err(|_| Refused)?;
        handshake.push_psk(psk.expose());
        Ok(Self(handshake))
    }

    /// Writes the next message: its overhead is fixed by the pattern, `out` is exactly as long as the message.
    pub(crate) fn write(&mut self, payload: &[u8], out: &mut [u8]) -> Result<(), Refused> {
        let overhead = self.0.get_next_message_overhead().map_err(|_| Refused)?;
        if overhead + payload.len() != out.len() {
            return Err(Refused);
        }
        self.0.write_message(payload, out).map(drop).map_err(|_| Refused)
    }

    /// The state after the peer's next message, whose payload goes into `payload`; returns the payload's length.
    pub(crate) fn read(&self, message: &[u8], payload: &mut [u8]) -> Result<(Self, usize), Refused> {
        let overhead = self.0.get_next_message_overhead().map_err(|_| Refused)?;
        let length = message.len().checked_sub(overhead).ok_or(Refused)?;
        if length > payload.len() {
            return Err(Refused);
        }
        let mut next = self.clone();
        let length = next.0.read_message(message, payload).map_err(|_| Refused)?;
        Ok((next, length))
    }

    /// The two directions' ciphers, once the last message is through.
    pub(crate) fn finish(self) -> Result<Finished, Refused> {
        let initiator = self.0.is_initiator();
        let peer = self.0.get_remote_static();
        let transport: TransportState<ChaChaPoly, Sha256> = self.0.finalize().map_err(|_| Refused)?;
        let ciphers = transport.take();
        let (send, receive) = if initiator {
            (ciphers.initiator_to_responder, ciphers.responder_to_initiator)
        } else {
            (ciphers.responder_to_initiator, ciphers.initiator_to_responder)
        };
        Ok(Finished { send, receive, peer })
    }
}

fn library_pair(pair: &KeyPair) -> clatter::KeyPair<PublicKey, SensitiveByteArray<[u8; 32]>> {
    clatter::KeyPair {
        public: *pair.public(),
        secret: SensitiveByteArray::from_slice(pair.secret().expose()),
    }
}
