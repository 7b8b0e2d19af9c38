//! Many texts looked for at once: a bitmap over runs of four bytes, some of each text, tried at every n-th place.
//!
//! The shortest text decides how far apart places may be: of each text as many runs that follow each other are in the
//! bitmap, so that one of them stands at a place that is tried. Invariant: exactly the texts are reported that occur.
#![deny(clippy::indexing_slicing)]

use std::collections::HashMap;

use super::hash::{Build, spread};

/// Shortest text that can be looked for.
pub(crate) const LENGTH: usize = 4;
/// Bytes in a run.
const RUN: usize = 4;
/// Furthest that places are apart; wider, the runs of a text could not be chosen to be rare.
const STRIDE: usize = 4;

/// Fewest and most bits of a bitmap, as powers of two; the largest has 8 KiB and stays in the first-level cache.
const BITS: std::ops::RangeInclusive<u32> = 9..=16;

/// How much more common a run is for each doubling of the needles that have it.
const COMMON: u32 = 6;

/// Where a text has to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Anywhere,
    Start,
    End,
}

/// A text and what to report for it.
#[derive(Debug)]
struct Needle {
    text: Box<[u8]>,
    anchor: Anchor,
    report: u32,
}

/// A run that stands in a needle at this place.
#[derive(Clone, Copy, Debug)]
struct Place {
    run: u32,
    needle: u32,
    at: u32,
}

/// The texts of one field.
#[derive(Debug, Default)]
pub(crate) struct Grams {
    needles: Vec<Needle>,
    stride: usize,
    bitmap: Box<[u64]>,
    /// How far a spread run is shifted to be a place in the bitmap.
    shift: u32,
    /// Ordered by what the runs hash to, and for each such hash where its places begin.
    places: Box<[Place]>,
    begins: Box<[u32]>,
    begins_shift: u32,
}

impl Grams {
    /// Adds a folded text of at least [`LENGTH`] bytes and what to report for it.
    pub(crate) fn add(&mut self, text: &str, anchor: Anchor, report: u32) {
        self.needles.push(Needle { text: text.as_bytes().into(), anchor, report });
    }

    /// Makes the bitmap, once all texts are there. Before, nothing is found.
    pub(crate) fn finish(&mut self) {
        let shortest = self.needles.iter().map(|needle| needle.text.len()).min().unwrap_or(LENGTH);
        self.stride = (shortest + 1).saturating_sub(RUN).clamp(1, STRIDE);
        let shared = self.shared();
        let mut places = Vec::new();
        for (needle, index) in self.needles.iter().zip(0_u32..) {
            let runs: Vec<u32> = needle.text.windows(RUN).map(run_of).collect();
            let cost =
                |run: &u32| common(*run) + shared.get(run).map_or(0, |needles| COMMON * needles.ilog2());
            let windows = runs.windows(self.stride).enumerate();
            let rarest = windows.min_by_key(|(_, runs)| runs.iter().map(cost).sum::<u32>());
            let Some((start, chosen)) = rarest else { continue };
            places.extend(chosen.iter().zip(0_u32..).map(|(run, at)| Place {
                run: *run,
                needle: index,
                at: at + u32::try_from(start).unwrap_or(u32::MAX),
            }));
        }
        self.bitmap_of(&places);
        self.table_of(places);
    }

    /// In how many needles each run stands: a run that many rules look for is one that many events have.
    fn shared(&self) -> HashMap<u32, u32, Build> {
        let mut shared = HashMap::default();
        for needle in &self.needles {
            let mut runs: Vec<u32> = needle.text.windows(RUN).map(run_of).collect();
            runs.sort_unstable();
            runs.dedup();
            for run in runs {
                *shared.entry(run).or_insert(0) += 1;
            }
        }
        shared
    }

    fn bitmap_of(&mut self, places: &[Place]) {
        let wanted = usize::BITS - (places.len() * 16).leading_zeros();
        let bits = wanted.clamp(*BITS.start(), *BITS.end());
        self.shift = 32 - bits;
        self.bitmap = vec![0; 1 << (bits - 6)].into_boxed_slice();
        for place in places {
            let bit = spread(place.run) >> self.shift;
            if let Some(word) = self.bitmap.get_mut((bit >> 6) as usize) {
                *word |= 1 << (bit & 63);
            }
        }
    }

    fn table_of(&mut self, mut places: Vec<Place>) {
        let bits = usize::BITS - (places.len() * 2).leading_zeros();
        self.begins_shift = 32 - bits.clamp(4, 20);
        let shift = self.begins_shift;
        places.sort_by_key(|place| spread(place.run) >> shift);
        let mut begins = vec![0_u32; (1 << (32 - shift)) + 1];
        for place in &places {
            if let Some(count) = begins.get_mut((spread(place.run) >> shift) as usize + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for begin in &mut begins {
            sum += *begin;
            *begin = sum;
        }
        self.begins = begins.into();
        self.places = places.into();
    }

    /// Calls with what is to be reported for the folded text; for a needle that occurs again, again.
    #[inline]
    pub(crate) fn search(&self, text: &[u8], mut report: impl FnMut(u32)) {
        let mut at = 0;
        while let Some(four) = text.get(at..).and_then(<[u8]>::first_chunk::<RUN>) {
            let run = u32::from_le_bytes(*four);
            if self.may_be(run) {
                self.check(run, at, text, &mut report);
            }
            at += self.stride;
        }
    }

    #[inline]
    fn may_be(&self, run: u32) -> bool {
        let bit = spread(run) >> self.shift;
        self.bitmap.get((bit >> 6) as usize).is_some_and(|word| word >> (bit & 63) & 1 == 1)
    }

    #[inline]
    fn check(&self, run: u32, at: usize, text: &[u8], report: &mut impl FnMut(u32)) {
        let slot = (spread(run) >> self.begins_shift) as usize;
        let (Some(from), Some(to)) = (self.begins.get(slot), self.begins.get(slot + 1)) else { return };
        let places = self.places.get(*from as usize..*to as usize).unwrap_or_default();
        for place in places.iter().filter(|place| place.run == run) {
            self.check_needle(*place, at, text, report);
        }
    }

    fn check_needle(&self, place: Place, at: usize, text: &[u8], report: &mut impl FnMut(u32)) {
        let Some(needle) = self.needles.get(place.needle as usize) else { return };
        let Some(start) = at.checked_sub(place.at as usize) else { return };
        let end = start + needle.text.len();
        let stands = match needle.anchor {
            Anchor::Anywhere => true,
            Anchor::Start => start == 0,
            Anchor::End => end == text.len(),
        };
        if stands && text.get(start..end).is_some_and(|here| here == &*needle.text) {
            report(needle.report);
        }
    }
}

/// A run as a number.
fn run_of(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |run, byte| run << 8 | u32::from(*byte))
}

/// How common a run is.
fn common(run: u32) -> u32 {
    run.to_le_bytes().into_iter().map(commonness).sum()
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
    fn exactly_what_occurs_is_reported() {
        let texts = ["mimikatz", "::dcsync", "-enc", "[convert]", "a_b@c", "    ", "sekurlsa", "stra\u{df}e"];
        for shortest in [4, 5, 7] {
            let mut grams = Grams::default();
            let texts: Vec<&str> = texts.into_iter().filter(|text| text.len() >= shortest).collect();
            for (index, text) in (0..).zip(&texts) {
                grams.add(text, Anchor::Anywhere, 3 * index);
                grams.add(text, Anchor::Start, 3 * index + 1);
                grams.add(text, Anchor::End, 3 * index + 2);
            }
            grams.finish();
            for (index, text) in (0..).zip(&texts) {
                for (before, after) in
                    [("", ""), ("x", ""), ("xy", "z"), ("xyz", "12"), ("wxyz", "a"), ("", "zz")]
                {
                    let value = format!("{before}{text}{after}");
                    let mut found = Vec::new();
                    grams.search(value.as_bytes(), |report| found.push(report));
                    found.retain(|report| report / 3 == index);
                    found.sort_unstable();
                    found.dedup();
                    let expected = [(true, 0), (before.is_empty(), 1), (after.is_empty(), 2)];
                    let expected: Vec<u32> = expected
                        .into_iter()
                        .filter(|(stands, _)| *stands)
                        .map(|(_, n)| 3 * index + n)
                        .collect();
                    assert_eq!(found, expected, "{value}");
                }
            }
            let mut found = Vec::new();
            for text in ["", "a", "abc", "abcd", "nothing to see"] {
                grams.search(text.as_bytes(), |report| found.push(report));
            }
            assert_eq!(found, [0_u32; 0]);
        }
    }
}
