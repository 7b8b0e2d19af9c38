//! Hashes for tables whose hits are checked anyway.
//!
//! Not for keys that an attacker chooses and whose number is unbounded: the tables are filled by rules alone.
//! Invariant: texts that differ only by the case of ASCII letters hash alike.

use std::hash::{BuildHasherDefault, Hasher};

/// Multiplier with well mixed bits (2^64 divided by the golden ratio).
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// Spreads a run of four bytes over 32 bits.
#[inline]
pub(crate) const fn spread(gram: u32) -> u32 {
    gram.wrapping_mul(0x9e37_79b1)
}

/// Hash of a text without regard to the case of ASCII letters.
#[inline]
pub(crate) fn folded(text: &[u8]) -> u64 {
    const CASE: u64 = 0x2020_2020_2020_2020;
    let mut hash = text.len() as u64;
    let (chunks, rest) = text.as_chunks::<8>();
    for chunk in chunks {
        hash = (hash.rotate_left(5) ^ (u64::from_le_bytes(*chunk) | CASE)).wrapping_mul(MIX);
    }
    let tail = rest.iter().fold(0, |tail, byte| tail << 8 | u64::from(byte | 0x20));
    (hash.rotate_left(5) ^ tail).wrapping_mul(MIX)
}

/// A hasher for keys that are hashes or small numbers already.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(MIX);
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_i64(&mut self, number: i64) {
        self.write_u64(number.cast_unsigned());
    }
}

/// Makes [`Mixed`] hashers.
pub(crate) type Build = BuildHasherDefault<Mixed>;

#[cfg(test)]
mod tests {
    use super::folded;

    #[test]
    fn case_does_not_matter_and_content_does() {
        assert_eq!(folded(b"C:\\Windows\\System32"), folded(b"c:\\windows\\SYSTEM32"));
        assert_ne!(folded(b"abc"), folded(b"abd"));
        assert_ne!(folded(b"abcdefgh"), folded(b"abcdefghi"));
    }
}
