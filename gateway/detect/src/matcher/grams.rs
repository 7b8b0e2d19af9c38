//! Many texts looked for at once: a bitmap over runs of four bytes, the rarest of each text.
//!
//! Not a decision: what it reports may be there. Case is folded by setting one bit, which also merges a few
//! characters that are not letters. Invariant: a text that occurs is always reported.
#![deny(clippy::indexing_slicing)]

use std::collections::HashMap;

use super::hash::{Build, spread};

/// Bytes in a run; shorter texts cannot be looked for.
pub(crate) const LENGTH: usize = 4;

/// Bits of the bitmap: 8 KiB, which stays in the first-level cache.
const BITS: u32 = 16;

/// The texts of one field.
#[derive(Debug)]
pub(crate) struct Grams {
    bitmap: Box<[u64; 1 << (BITS - 6)]>,
    rules: HashMap<u64, Vec<u32>, Build>,
}

impl Default for Grams {
    fn default() -> Self {
        Self { bitmap: Box::new([0; 1 << (BITS - 6)]), rules: HashMap::default() }
    }
}

impl Grams {
    /// Adds a text of at least [`LENGTH`] bytes and what to report for it.
    pub(crate) fn add(&mut self, text: &str, rule: u32) {
        let mut rarest = (u32::MAX, 0);
        let mut gram = 0;
        for (at, byte) in text.bytes().enumerate() {
            gram = gram >> 8 | u32::from(byte | 0x20) << 24;
            if at + 1 >= LENGTH {
                let common = gram.to_le_bytes().into_iter().map(commonness).sum();
                rarest = rarest.min((common, gram));
            }
        }
        let gram = rarest.1;
        let bit = bit_of(gram);
        if let Some(word) = self.bitmap.get_mut((bit >> 6) as usize) {
            *word |= 1 << (bit & 63);
        }
        let rules = self.rules.entry(u64::from(gram)).or_default();
        if !rules.contains(&rule) {
            rules.push(rule);
        }
    }

    /// Calls with what is to be reported for the text.
    #[inline]
    pub(crate) fn search(&self, text: &[u8], mut report: impl FnMut(u32)) {
        let mut gram = 0;
        let (head, rest) = text.split_at_checked(LENGTH - 1).unwrap_or_default();
        for byte in head {
            gram = gram >> 8 | u32::from(byte | 0x20) << 24;
        }
        for byte in rest {
            gram = gram >> 8 | u32::from(byte | 0x20) << 24;
            let bit = bit_of(gram);
            // The index is below the array's length by construction, so no check is left in the loop.
            let word = self.bitmap.get((bit >> 6) as usize).copied().unwrap_or(0);
            if word >> (bit & 63) & 1 == 1 {
                for rule in self.rules.get(&u64::from(gram)).into_iter().flatten() {
                    report(*rule);
                }
            }
        }
    }
}

#[inline]
const fn bit_of(gram: u32) -> u32 {
    spread(gram) >> (32 - BITS)
}

/// How often a byte occurs in command lines, paths and logs, roughly; higher is more common.
const fn commonness(byte: u8) -> u32 {
    match byte {
        b'e' | b' ' => 9,
        b's' | b't' | b'i' | b'n' | b'o' | b'r' | b'a' => 8,
        b'l' | b'c' | b'd' | b'm' | b'p' | b'.' | b'x' => 7,
        b'u' | b'w' | b'h' | b'f' | b'g' | b'-' | b'0' | b'1' | b'2' => 6,
        b'y' | b'b' | b'v' | b'k' | b'3'..=b'9' | b'_' | 0x7f => 5,
        b'j' | b'q' | b'z' | b':' | b'=' | b',' => 3,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_occurs_is_always_reported() {
        let mut grams = Grams::default();
        let texts = ["mimikatz", "::dcsync", "-enc", "[convert]", "a_b@c", "    ", "sekurlsa"];
        for (index, text) in (0..).zip(texts) {
            grams.add(text, index);
        }
        for (index, text) in (0..).zip(texts) {
            for value in [text.to_owned(), format!("xx{}yy", text.to_ascii_uppercase())] {
                let mut found = Vec::new();
                grams.search(value.as_bytes(), |rule| found.push(rule));
                assert!(found.contains(&index), "{value}");
            }
        }
        let mut found = Vec::new();
        grams.search(b"abc", |rule| found.push(rule));
        grams.search(b"nothing to see", |rule| found.push(rule));
        assert_eq!(found, [0_u32; 0]);
    }
}
