//! Secrets: tokens, keys, codes, and the hashes that are kept of them.
//!
//! Tokens have 256 random bits, so a plain SHA-256 keeps them safe at rest; passwords are in [`crate::password`].
//! Invariant: a secret never appears in `Debug`, logs or the store.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::IdentityError;
use crate::limits::SETUP_CODE_CHARS;

/// Begins every API key, so that secret scanners and people know one.
pub(crate) const KEY_PREFIX: &str = "swk_";

/// Characters of 32 bytes in base64url.
const TOKEN_CHARS: usize = 43;

/// Without 0, O, 1, I: read aloud and typed from a console.
const CODE_ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// A secret that came in or goes out; wiped when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself, to be shown once or hashed.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Secret {
    /// Takes the same time wherever the two differ.
    fn eq(&self, other: &Self) -> bool {
        same(self.expose(), other.expose())
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, IdentityError> {
    let mut bytes = Zeroizing::new([0_u8; N]);
    SystemRandom::new().fill(bytes.as_mut_slice()).map_err(|_| IdentityError::System {
        doing: "taking random bytes",
        reason: "the system gave none".to_owned(),
    })?;
    Ok(bytes)
}

/// 32 random bytes as base64url.
pub(crate) fn token() -> Result<Secret, IdentityError> {
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(random::<32>()?.as_slice())))
}

/// A new API key.
pub(crate) fn api_key() -> Result<Secret, IdentityError> {
    Ok(Secret::new(format!("{KEY_PREFIX}{}", token()?.expose())))
}

/// A new id of a person, session or key: 16 hexadecimal digits. Not a secret.
pub(crate) fn id() -> Result<String, IdentityError> {
    Ok(random::<8>()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A new set-up code.
pub(crate) fn setup_code() -> Result<Secret, IdentityError> {
    let bytes = random::<SETUP_CODE_CHARS>()?;
    let letter = |byte: &u8| CODE_ALPHABET.get(usize::from(byte % 32)).copied().map_or('2', char::from);
    Ok(Secret::new(bytes.iter().map(letter).collect()))
}

/// What people type as a code: spaces and dashes do not count, small letters do as large ones.
pub(crate) fn normal_code(typed: &str) -> Secret {
    Secret::new(
        typed.chars().filter(|c| !c.is_whitespace() && *c != '-').flat_map(char::to_uppercase).collect(),
    )
}

/// The hash that is kept of a token, when it has the form of one.
pub(crate) fn token_hash(token: &str) -> Option<[u8; 32]> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (token.len() == TOKEN_CHARS && token.bytes().all(plain)).then(|| hash(token))
}

/// The hash that is kept of an API key, when it has the form of one.
pub(crate) fn key_hash(key: &str) -> Option<[u8; 32]> {
    token_hash(key.strip_prefix(KEY_PREFIX)?).map(|_| hash(key))
}

/// SHA-256.
pub(crate) fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Compares in the same time whatever the difference and its place are.
pub(crate) fn same(left: &str, right: &str) -> bool {
    hash(left).iter().zip(hash(right)).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_one_form_and_never_repeat() {
        let (one, two) = (token().expect("random"), token().expect("random"));
        assert_ne!(one, two);
        assert!(token_hash(one.expose()).is_some());
        let key = api_key().expect("random");
        assert!(
            key_hash(key.expose()).is_some()
                && token_hash(key.expose()).is_none()
                && key_hash(one.expose()).is_none()
        );
        for wrong in
            ["", "a", &"a".repeat(42), &"a".repeat(44), &format!("{}=", "a".repeat(42)), &"é".repeat(43)]
        {
            assert_eq!(token_hash(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn codes_are_typed_as_people_type() {
        let code = setup_code().expect("random");
        assert_eq!(code.expose().len(), SETUP_CODE_CHARS);
        let typed = format!(" {}-{} ", code.expose()[..4].to_lowercase(), &code.expose()[4..]);
        assert!(same(normal_code(&typed).expose(), code.expose()));
        assert!(!same(normal_code("").expose(), code.expose()));
    }

    #[test]
    fn secrets_do_not_print() {
        assert_eq!(format!("{:?}", Secret::new("hunter2".to_owned())), "Secret(..)");
    }
}
