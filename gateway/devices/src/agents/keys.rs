//! The site's keys on its agents' lines: the link's pair, the signing key, and the key that seals secrets in the store.
//!
//! Where they are kept is for the PKI. Invariants: no secret is printed; what is sealed for one purpose or agent does
//! not open for another.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use sitewarden_wire::KeyPair;
use sitewarden_wire::keys::{Secret, Signature, SigningPublicKey};
use sitewarden_wire::server::Site;

use super::error::AgentError;

/// The site's keys.
pub struct SiteKeys {
    link: KeyPair,
    signing: Ed25519KeyPair,
    signing_public: SigningPublicKey,
    seal: LessSafeKey,
}

impl std::fmt::Debug for SiteKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SiteKeys").field("fingerprint", &self.fingerprint()).finish_non_exhaustive()
    }
}

impl SiteKeys {
    /// From the private link key, the seed of the signing key, and the sealing key.
    ///
    /// # Errors
    /// [`AgentError::Keys`].
    pub fn new(link: &[u8; 32], signing: &[u8; 32], seal: &[u8; 32]) -> Result<Self, AgentError> {
        let signing = Ed25519KeyPair::from_seed_unchecked(signing).map_err(|_| AgentError::Keys)?;
        let signing_public = signing.public_key().as_ref().try_into().map_err(|_| AgentError::Keys)?;
        let seal = UnboundKey::new(&CHACHA20_POLY1305, seal).map_err(|_| AgentError::Keys)?;
        Ok(Self {
            link: KeyPair::from_secret(Secret::new(*link)),
            signing,
            signing_public,
            seal: LessSafeKey::new(seal),
        })
    }

    /// What a line needs of them.
    #[must_use]
    pub fn site(&self) -> Site {
        Site { link: self.link.clone(), signing: self.signing_public }
    }

    /// For people: the first half of SHA-256 over both public keys, in groups of four digits.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let hash = sha256(&[self.link.public().as_slice(), &self.signing_public].concat());
        let groups =
            hash.chunks(2).take(8).map(|pair| pair.iter().map(|byte| format!("{byte:02x}")).collect());
        groups.collect::<Vec<String>>().join(" ")
    }

    /// Names the site in what it signs.
    pub(crate) fn site_id(&self) -> [u8; 8] {
        let [a, b, c, d, e, f, g, h, ..] = sha256(&self.signing_public);
        [a, b, c, d, e, f, g, h]
    }

    /// Signs for the site.
    pub(crate) fn sign(&self, message: &[u8]) -> Signature {
        self.signing.sign(message).as_ref().try_into().expect("an Ed25519 signature has 64 bytes (RFC 8032)")
    }

    /// Encrypts a secret for the store; `purpose` must be the same to open it.
    pub(crate) fn seal(&self, purpose: &str, secret: &[u8]) -> Result<Vec<u8>, AgentError> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| AgentError::NoRandom)?;
        let mut sealed = secret.to_vec();
        let aad = Aad::from(purpose.as_bytes());
        self.seal
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
            .map_err(|_| AgentError::Keys)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// What was sealed.
    pub(crate) fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Vec<u8>, AgentError> {
        let damaged = || AgentError::Sealed { purpose: purpose.to_owned() };
        let (nonce, bytes) = sealed.split_first_chunk::<NONCE_LEN>().ok_or_else(damaged)?;
        let mut bytes = bytes.to_vec();
        let aad = Aad::from(purpose.as_bytes());
        let opened = self
            .seal
            .open_in_place(Nonce::assume_unique_for_key(*nonce), aad, &mut bytes)
            .map_err(|_| damaged())?;
        Ok(opened.to_vec())
    }
}

/// Checks a device's Ed25519 signature.
pub(crate) fn verify(key: &SigningPublicKey, message: &[u8], signature: &Signature) -> bool {
    UnparsedPublicKey::new(&ED25519, key).verify(message, signature).is_ok()
}

/// 32 fresh secret bytes.
pub(crate) fn fresh() -> Result<[u8; 32], AgentError> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| AgentError::NoRandom)?;
    Ok(bytes)
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_for_its_purpose_alone_and_not_when_changed() {
        let keys = SiteKeys::new(&[1; 32], &[2; 32], &[3; 32]).expect("keys");
        let sealed = keys.seal("psk a", b"secret").expect("sealed");

        assert_eq!(keys.open("psk a", &sealed).expect("opened"), b"secret");
        assert!(keys.open("psk b", &sealed).is_err());
        assert!(keys.open("psk a", &sealed[..10]).is_err());
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert!(keys.open("psk a", &changed).is_err(), "{place}");
        }
        assert!(!sealed.windows(6).any(|six| six == b"secret"));
    }

    #[test]
    fn the_sites_signatures_verify_and_no_others() {
        let keys = SiteKeys::new(&[1; 32], &[2; 32], &[3; 32]).expect("keys");
        let mut signature = keys.sign(b"message");
        assert!(verify(&keys.site().signing, b"message", &signature));
        signature[0] ^= 1;
        assert!(!verify(&keys.site().signing, b"message", &signature));
        assert_eq!(keys.fingerprint().len(), 39);
    }
}
