//! Keys and the identifier that follows from one.
//!
//! Holds bytes only; the arithmetic is in `noise`. Secrets are wiped when they are dropped and never printed.
//! Invariant: a device identifier is the first eight bytes of SHA-256 over the device's Noise public key and nothing else.

use core::fmt;

use clatter::crypto::dh::X25519;
use clatter::traits::Dh as _;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroize;

/// An X25519 public key (RFC 7748).
pub type PublicKey = [u8; 32];

/// An Ed25519 public key (RFC 8032).
pub type SigningPublicKey = [u8; 32];

/// An Ed25519 signature (RFC 8032).
pub type Signature = [u8; 64];

/// Checks an Ed25519 signature: `(public key, message, signature)`. The gateway and the agent bring different libraries.
pub type Verify = fn(&SigningPublicKey, &[u8], &Signature) -> bool;

/// Names a device in frames and statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId([u8; 8]);

impl DeviceId {
    /// The identifier of the device with this Noise public key.
    #[must_use]
    pub fn of(public: &PublicKey) -> Self {
        let digest: [u8; 32] = Sha256::digest(public).into();
        let [a, b, c, d, e, f, g, h, ..] = digest;
        Self([a, b, c, d, e, f, g, h])
    }

    /// An identifier as it came over the line or out of a store.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// The eight bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl DeviceId {
    /// Sixteen hexadecimal digits; a console without formatting shows these.
    pub fn characters(&self) -> impl Iterator<Item = char> {
        let nibbles = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        nibbles.filter_map(|nibble| char::from_digit(u32::from(nibble), 16))
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.characters().try_for_each(|character| fmt::Write::write_char(f, character))
    }
}

/// 32 secret bytes: a private key or a pre-shared key.
#[derive(Clone)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Takes over `bytes`.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, to store them or to compute with them.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// An X25519 key pair.
#[derive(Debug, Clone)]
pub struct KeyPair {
    secret: Secret,
    public: PublicKey,
}

impl KeyPair {
    /// The pair of this private key.
    #[must_use]
    pub fn from_secret(secret: Secret) -> Self {
        let public = X25519::pubkey(&clatter::bytearray::SensitiveByteArray::new(secret.0));
        Self { secret, public }
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The private half.
    #[must_use]
    pub const fn secret(&self) -> &Secret {
        &self.secret
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString as _;

    #[test]
    fn a_key_pair_follows_rfc_7748_section_6_1() {
        let secret = [
            0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1, 0x72, 0x51, 0xb2, 0x66, 0x45,
            0xdf, 0x4c, 0x2f, 0x87, 0xeb, 0xc0, 0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9, 0x2c, 0x2a,
        ];

        let pair = KeyPair::from_secret(Secret::new(secret));

        assert_eq!(pair.public()[..4], [0x85, 0x20, 0xf0, 0x09]);
        assert_eq!(pair.public()[28..], [0xaa, 0x9b, 0x4e, 0x6a]);
    }

    #[test]
    fn a_device_is_named_by_the_hash_of_its_key() {
        // printf '\0%.0s' $(seq 32) | sha256sum
        assert_eq!(DeviceId::of(&[0; 32]).to_string(), "66687aadf862bd77");
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(std::format!("{:?}", Secret::new([7; 32])), "Secret(..)");
    }
}
