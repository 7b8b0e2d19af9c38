//! Numbers as rules compare them: whole numbers and fractions, exactly.
//!
//! Not arithmetic. Invariant: a 64-bit whole number never loses digits on its way through a comparison, and
//! nothing here is NaN.
#![deny(clippy::indexing_slicing)]

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

/// A finite number.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Number {
    /// A whole number that fits 64 bits.
    Int(i64),
    /// Any other finite number.
    Float(f64),
}

impl Number {
    /// Reads a decimal number as JSON and people write it (`5`, `-0.5`, `1e3`, `+7`); `None` for all else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let first = *text.as_bytes().first()?;
        if !(first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.')) || text.len() > 400 {
            return None;
        }
        if let Ok(whole) = text.parse::<i64>() {
            return Some(Self::Int(whole));
        }
        let numeric =
            text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
        text.parse::<f64>().ok().filter(|n| numeric && n.is_finite()).map(Self::Float)
    }

    /// The number as a fraction; whole numbers above 2^53 are rounded.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "rounding is what the caller asks for")]
    pub const fn as_f64(self) -> f64 {
        match self {
            Self::Int(whole) => whole as f64,
            Self::Float(fraction) => fraction,
        }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Number {}
impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (*self, *other) {
            (Self::Int(a), Self::Int(b)) => a.cmp(&b),
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
            (Self::Float(a), Self::Int(b)) => compare(a, b),
            (Self::Int(a), Self::Float(b)) => compare(b, a).reverse(),
        }
    }
}

impl Hash for Number {
    /// Equal numbers hash alike: a fraction without fractional part hashes as the whole number.
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Adding zero makes -0.0, which equals 0, hash like it.
        (self.as_f64() + 0.0).to_bits().hash(state);
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(whole) => write!(f, "{whole}"),
            Self::Float(fraction) => write!(f, "{fraction}"),
        }
    }
}

/// Orders a fraction and a whole number without rounding either.
fn compare(fraction: f64, whole: i64) -> Ordering {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0; // 2^63: exact as a fraction, above every i64
    if fraction >= BEYOND {
        return Ordering::Greater;
    }
    if fraction < -BEYOND {
        return Ordering::Less;
    }
    let floor = fraction.floor();
    #[expect(clippy::cast_possible_truncation, reason = "floor lies within the range of i64, checked above")]
    match (floor as i64).cmp(&whole) {
        Ordering::Equal if fraction > floor => Ordering::Greater,
        order => order,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_keep_every_digit() {
        assert!(Number::Int(9_007_199_254_740_993) > Number::Float(9_007_199_254_740_992.0));
        assert_eq!(Number::Int(5), Number::Float(5.0));
        assert!(Number::Float(-1.5) < Number::Int(-1) && Number::Float(-1.5) > Number::Int(-2));
        assert!(Number::Float(1e300) > Number::Int(i64::MAX));
        let numbers = std::collections::HashSet::from([Number::Int(0)]);
        assert!(numbers.contains(&Number::Float(-0.0)) && numbers.contains(&Number::Float(0.0)));
    }

    #[test]
    fn only_decimal_numbers_are_numbers() {
        assert_eq!(Number::parse("12"), Some(Number::Int(12)));
        assert_eq!(Number::parse("-0.50"), Some(Number::Float(-0.5)));
        for text in ["", "-", "0x10", "1,5", "inf", "nan", "1e999", "5 ", "٣"] {
            assert_eq!(Number::parse(text), None, "{text}");
        }
    }
}
