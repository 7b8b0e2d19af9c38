//! Ed25519 on the device (RFC 8032 §5.1), over the curve that the Noise library brings.
//!
//! The curve, its scalars and the hash are the libraries'; here is only how a signature is put together from them. The usual
//! crate on top of the same curve would take 6 KB of flash more (three further copies of the scalar arithmetic) and 2 KB of
//! stack (a table for a fast check); its results and the test vectors of the RFC are this module's tests.
//!
//! Invariants: nothing here branches on a secret or addresses by one; a check is strict: canonical scalar, no key and no
//! commitment of small order.

use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::{Scalar, clamp_integer};
use sha2::{Digest as _, Sha512};
use sitewarden_wire::SigningPublicKey;
use sitewarden_wire::keys::{Secret, Signature};
use zeroize::Zeroize as _;

/// The order of the group, little-endian: 2^252 + 27742317777372353535851937790883648493 (RFC 8032 §5.1).
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// The key that signs a device's findings, expanded: to expand it costs as much as a signature.
pub(crate) struct Signer {
    scalar: Secret,
    prefix: Secret,
    public: SigningPublicKey,
}

impl Signer {
    pub(crate) fn new(secret: &Secret) -> Self {
        let mut expanded = hash(&[secret.expose()]);
        let (scalar, prefix) = halves(&expanded);
        expanded.zeroize();
        let public = EdwardsPoint::mul_base_clamped(scalar).compress().to_bytes();
        Self { scalar: Secret::new(clamp_integer(scalar)), prefix: Secret::new(prefix), public }
    }

    pub(crate) fn public(&self) -> SigningPublicKey {
        self.public
    }

    #[inline(never)] // its frame must not stay in its callers
    pub(crate) fn sign(&self, message: &[u8]) -> Signature {
        let mut nonce = Scalar::from_bytes_mod_order_wide(&hash(&[self.prefix.expose(), message]));
        let commitment = EdwardsPoint::mul_base(&nonce).compress().to_bytes();
        let challenge = challenge(&commitment, &self.public, message);
        let mut answer = multiply_add(challenge.as_bytes(), self.scalar.expose(), nonce.as_bytes());
        nonce.zeroize();
        let scalar = Scalar::from_bytes_mod_order_wide(&answer);
        answer.zeroize();
        let mut signature = [0; 64];
        let bytes = commitment.iter().chain(scalar.as_bytes());
        signature.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        signature
    }
}

/// Checks an Ed25519 signature.
#[must_use]
pub fn verify(key: &SigningPublicKey, message: &[u8], signature: &Signature) -> bool {
    let (commitment, scalar) = halves(signature);
    let Some(key_point) = CompressedEdwardsY(*key).decompress() else { return false };
    if key_point.is_small_order() || !is_canonical(&scalar) {
        return false;
    }
    // Canonical, so it is not changed by this.
    let mut wide = [0; 64];
    wide.iter_mut().zip(scalar).for_each(|(to, from)| *to = from);
    let scalar = Scalar::from_bytes_mod_order_wide(&wide);
    let challenge = challenge(&commitment, key, message);
    let expected = EdwardsPoint::mul_base(&scalar) - key_point * challenge;
    !expected.is_small_order() && expected.compress().to_bytes() == commitment
}

fn challenge(commitment: &[u8; 32], public: &SigningPublicKey, message: &[u8]) -> Scalar {
    Scalar::from_bytes_mod_order_wide(&hash(&[commitment, public, message]))
}

#[inline(never)] // shared
fn hash(parts: &[&[u8]]) -> [u8; 64] {
    let mut hash = Sha512::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

fn halves(bytes: &[u8; 64]) -> ([u8; 32], [u8; 32]) {
    let (mut first, mut second) = ([0; 32], [0; 32]);
    first.iter_mut().chain(&mut second).zip(bytes).for_each(|(to, from)| *to = *from);
    (first, second)
}

/// Whether a scalar that anybody may see is below [`ORDER`].
fn is_canonical(scalar: &[u8; 32]) -> bool {
    scalar.iter().rev().lt(ORDER.iter().rev())
}

/// `a * b + c` of little-endian numbers, in the same steps whatever the numbers are.
#[inline(never)]
fn multiply_add(a: &[u8; 32], b: &[u8; 32], c: &[u8; 32]) -> [u8; 64] {
    let mut sum = [0; 64];
    // At most 32 products of 16 bits, one byte and the carry: 22 bits.
    let mut column = 0_u32;
    for (place, out) in sum.iter_mut().enumerate() {
        column += c.get(place).map_or(0, |byte| u32::from(*byte));
        for (at, digit) in a.iter().enumerate() {
            let other = place.checked_sub(at).and_then(|other| b.get(other));
            column += u32::from(*digit) * other.map_or(0, |byte| u32::from(*byte));
        }
        *out = (column & 0xff) as u8;
        column >>= 8;
    }
    sum
}

#[cfg(test)]
mod tests;
