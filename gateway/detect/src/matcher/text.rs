//! JSON's texts and numbers, decoded without allocating where that is possible.
//!
//! Not a parser of JSON: what is unusual goes to serde_json, and what it refuses is no JSON. Invariant: the same
//! values as the parser of whole events gives.
#![deny(clippy::indexing_slicing)]

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::eights;
use super::scan::Span;
use crate::number::Number;

/// Decodes the text between the quotes and adds it; false when it is not a JSON text.
pub(crate) fn decode(bytes: &[u8], span: Span, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    if span.of(bytes).and_then(|raw| simple(raw, out)).is_some() {
        return true;
    }
    out.truncate(start);
    // The quotes around the text belong to it for the parser.
    let quoted = span.start().checked_sub(1).and_then(|start| bytes.get(start..=span.end()));
    match quoted.and_then(|quoted| serde_json::from_slice::<Cow<'_, str>>(quoted).ok()) {
        Some(text) => {
            out.extend_from_slice(text.as_bytes());
            true
        }
        None => false,
    }
}

/// Decodes a text whose escapes are single characters; `None` for all others.
fn simple(raw: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut rest = std::str::from_utf8(raw).ok()?;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.extend_from_slice(rest.get(..at)?.as_bytes());
        out.push(eights::escaped(*rest.as_bytes().get(at + 1)?)?);
        rest = rest.get(at + 2..)?;
    }
    out.extend_from_slice(rest.as_bytes());
    Some(())
}

/// The places of `\u....`.
fn unicode_escapes(bytes: &[u8]) -> impl Iterator<Item = usize> {
    static ESCAPE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\\u"));
    ESCAPE.find_iter(bytes).filter(|at| {
        let before = bytes.get(..*at).unwrap_or_default();
        before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 0
    })
}

/// Whether a JSON text may hold, folded, an ASCII character that is not one in its bytes: written as `\u....`, or
/// one of the two characters beyond ASCII whose small letter is ASCII.
pub(crate) fn hides_ascii(bytes: &[u8]) -> bool {
    let holds = |character: char| {
        memchr::memmem::find(bytes, character.encode_utf8(&mut [0; 4]).as_bytes()).is_some()
    };
    if !bytes.is_ascii() && HIDING.into_iter().any(holds) {
        return true;
    }
    unicode_escapes(bytes).any(|at| {
        let digits = bytes.get(at + 2..at + 6).and_then(|digits| std::str::from_utf8(digits).ok());
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        code.is_none_or(|code| code < 0x80 || HIDING.into_iter().any(|hiding| u32::from(hiding) == code))
    })
}

/// The Kelvin sign, and a capital I with a dot.
const HIDING: [char; 2] = ['\u{212a}', '\u{130}'];

/// Powers of ten that a fraction holds exactly.
const TENS: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// A JSON number, as the parser of whole events reads it.
#[inline]
pub(crate) fn number(raw: &[u8]) -> Option<Number> {
    short(raw).or_else(|| {
        let number: serde_json::Number = serde_json::from_slice(raw).ok()?;
        match number.as_i64() {
            Some(whole) => Some(Number::Int(whole)),
            None => number.as_f64().filter(|n| n.is_finite()).map(Number::Float),
        }
    })
}

/// A number of at most 15 digits without exponent: both its digits and the power of ten are exact as fractions, so
/// that one division gives the nearest fraction.
#[inline]
fn short(raw: &[u8]) -> Option<Number> {
    let (negative, digits) = match raw.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, raw),
    };
    if digits.len() > 16 || matches!(digits, [] | [b'0', b'0'..=b'9', ..] | [b'.', ..] | [.., b'.']) {
        return None;
    }
    let (mut whole, mut decimals, mut fraction) = (0_i64, 0_usize, false);
    for byte in digits {
        match byte {
            b'0'..=b'9' => {
                whole = whole * 10 + i64::from(byte - b'0');
                decimals += usize::from(fraction);
            }
            b'.' if !fraction => fraction = true,
            _ => return None,
        }
    }
    if !fraction {
        // Minus zero is a fraction.
        return (whole != 0 || !negative).then_some(Number::Int(if negative { -whole } else { whole }));
    }
    if digits.len() > 16 || whole >= 1_000_000_000_000_000 {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "below 10^15, exact")]
    let value = whole as f64 / TENS.get(decimals)?;
    Some(Number::Float(if negative { -value } else { value }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_hides_where_it_is_said() {
        let hiding: Vec<char> = ('\u{80}'..=char::MAX)
            .filter(|character| character.to_lowercase().any(|small| small.is_ascii()))
            .collect();
        assert_eq!(hiding, [HIDING[1], HIDING[0]]);
        for (text, hides) in [
            ("abc", false),
            (r"\\u0041", false),
            (r"\u0041", true),
            (r"\u00e4", false),
            (r"\u212A", true),
            ("\u{e4}\u{df}", false),
            ("\u{e4}\u{212a}", true),
        ] {
            assert_eq!(hides_ascii(text.as_bytes()), hides, "{text}");
        }
    }

    #[test]
    fn numbers_are_those_of_the_parser() {
        let mut texts: Vec<String> =
            ["0", "-0", "00", "1.", ".5", "-", "", "01", "0.10", "-0.0", "1e3", "1E-2"]
                .map(str::to_owned)
                .into();
        let mut seed = 88_172_645_463_325_252_u64;
        for _ in 0..20_000 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let digits = format!("{}", seed >> (seed % 60));
            let at = usize::try_from(seed % 18).unwrap().min(digits.len());
            let point = if at == 0 { digits.clone() } else { format!("{}.{}", &digits[..at], &digits[at..]) };
            texts.extend([digits, format!("-{point}"), point, format!("0.{seed}")]);
        }
        for text in texts {
            let parsed = serde_json::from_str::<serde_json::Number>(&text).ok();
            let expected = parsed.and_then(|number| {
                number.as_i64().map(Number::Int).or_else(|| number.as_f64().map(Number::Float))
            });
            let read = number(text.as_bytes());
            assert_eq!(format!("{read:?}"), format!("{expected:?}"), "{text}");
        }
    }

    #[test]
    fn texts_are_those_of_the_parser() {
        for text in
            [r"a\\b", r"\/\b\f\n\r\t\x", r"\u00e4\\", r"\ud800", "ä\\\"", "\\", "", r"C:\\Windows\\u0041"]
        {
            let quoted = format!("\"{text}\"");
            let expected: Option<String> = serde_json::from_str(&quoted).ok();
            let span = Span::new(super::super::scan::SpanKind::Text, 1, quoted.len() - 1);
            let mut out = b"x".to_vec();
            let read = decode(quoted.as_bytes(), span, &mut out)
                .then(|| String::from_utf8(out.split_off(1)).unwrap());
            assert_eq!(read, expected, "{text}");
        }
    }
}
