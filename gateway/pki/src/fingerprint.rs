//! Fingerprints: SHA-256 of a certificate as hex, and its first eight bytes as words that people compare.
//!
//! Eight words are 64 bits: enough to compare by eye while somebody is in the middle, not an identifier. Programs use
//! the hex form. Invariant: the same certificate always gives the same words.

use sha2::{Digest, Sha256};

use crate::words::WORDS;

/// SHA-256 of a certificate in DER.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of a certificate in DER.
    #[must_use]
    pub fn of(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }

    /// All 32 bytes.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// 64 hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> String {
        self.0
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .filter_map(|digit| char::from_digit(digit.into(), 16))
            .collect()
    }

    /// The first eight bytes, one word each, with a space between.
    #[must_use]
    pub fn words(&self) -> String {
        let words: Vec<&str> =
            self.0.iter().take(8).filter_map(|byte| WORDS.get(usize::from(*byte)).copied()).collect();
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_hex_are_those_of_sha_256() {
        let fingerprint = Fingerprint::of(b"");
        assert!(fingerprint.hex().starts_with("e3b0c44298fc1c14"));
        assert_eq!(fingerprint.words().split(' ').count(), 8);
        assert_eq!(fingerprint.words().split(' ').next(), Some(WORDS[0xe3]));
    }

    #[test]
    fn all_words_differ_and_are_short_and_plain() {
        let mut sorted = WORDS;
        sorted.sort_unstable();
        assert!(sorted.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(
            WORDS
                .iter()
                .all(|word| (3..=8).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase()))
        );
    }
}
