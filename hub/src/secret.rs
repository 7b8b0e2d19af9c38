//! Random tokens and codes, and the hashes by which they are stored.
//!
//! The database never has a secret, only its SHA-256; tokens have 256 bits and codes 100, so that no slow hash is needed.
//! Invariant: `Debug` of a secret shows nothing.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use thiserror::Error;

/// The system gave no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the system gives no random bytes")]
pub(crate) struct NoRandomness;

/// A password, token or code on its way.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(String);

impl Secret {
    /// Takes it over.
    pub(crate) const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, to compute with it or to show it once.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Letters and digits that nobody confuses: no 0, 1, I, L, O, U.
const ALPHABET: &[u8; 30] = b"23456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Characters of a claim code: 30^21 is more than 2^103.
const CODE_CHARS: usize = 21;

fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// A token of a session: 256 bits.
pub(crate) fn token() -> Result<Secret, NoRandomness> {
    Ok(Secret(URL_SAFE_NO_PAD.encode(random::<32>()?)))
}

/// A code that a technician can type: three groups of seven.
pub(crate) fn code() -> Result<Secret, NoRandomness> {
    let mut text = String::new();
    let mut taken = 0;
    while taken < CODE_CHARS {
        // 240 is the largest multiple of 30 in a byte: above it characters would not be equally likely.
        for byte in random::<32>()?.into_iter().filter(|byte| *byte < 240).take(CODE_CHARS - taken) {
            if taken > 0 && taken % 7 == 0 {
                text.push('-');
            }
            let character = ALPHABET.get(usize::from(byte) % ALPHABET.len()).copied().unwrap_or(b'2');
            text.push(char::from(character));
            taken += 1;
        }
    }
    Ok(Secret(text))
}

/// A typed code as it is stored: case and dashes do not count.
pub(crate) fn code_hash(typed: &str) -> [u8; 32] {
    let plain: String = typed
        .chars()
        .filter(|character| character.is_ascii_alphanumeric())
        .map(|character| character.to_ascii_uppercase())
        .collect();
    hash(plain.as_bytes())
}

/// SHA-256.
pub(crate) fn hash(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_typed_in_any_case_with_or_without_dashes() {
        let code = code().expect("random bytes");
        let text = code.expose();
        assert_eq!((text.len(), text.split('-').count()), (23, 3));
        assert_eq!(code_hash(text), code_hash(&text.to_lowercase().replace('-', " ")));
        assert_ne!(code_hash(text), code_hash(super::code().expect("random bytes").expose()));
        assert_eq!(format!("{code:?}"), "Secret(..)");
        assert_eq!(token().expect("random bytes").expose().len(), 43);
    }
}
