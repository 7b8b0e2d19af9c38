//! Ed25519 on the device.
//!
//! The only module that names the library. The key stays expanded in RAM: expanding it costs as much as a signature.
//! Invariant: verification is strict (RFC 8032 with canonical encodings, no small-order keys).

use ed25519_dalek::{Signature as Dalek, Signer as _, SigningKey, VerifyingKey};
use sitewarden_wire::SigningPublicKey;
use sitewarden_wire::keys::{Secret, Signature};

/// The key that signs a device's findings.
pub(crate) struct Signer(SigningKey);

impl Signer {
    pub(crate) fn new(secret: &Secret) -> Self {
        Self(SigningKey::from_bytes(secret.expose()))
    }

    pub(crate) fn public(&self) -> SigningPublicKey {
        self.0.verifying_key().to_bytes()
    }

    #[inline(never)] // its frame must not stay in its callers
    pub(crate) fn sign(&self, message: &[u8]) -> Signature {
        self.0.sign(message).to_bytes()
    }
}

/// Checks an Ed25519 signature.
#[must_use]
pub fn verify(key: &SigningPublicKey, message: &[u8], signature: &Signature) -> bool {
    // In two steps, so that the frame of the first is gone when the second needs 4 KB.
    expand(key).is_some_and(|key| check(&key, message, signature))
}

#[inline(never)]
fn expand(key: &SigningPublicKey) -> Option<VerifyingKey> {
    VerifyingKey::from_bytes(key).ok()
}

#[inline(never)]
fn check(key: &VerifyingKey, message: &[u8], signature: &Signature) -> bool {
    key.verify_strict(message, &Dalek::from_bytes(signature)).is_ok()
}
