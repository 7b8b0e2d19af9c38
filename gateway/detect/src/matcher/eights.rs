//! Texts read eight bytes at a time, as one number: what the short texts of events need, for which setting up a
//! vector search costs more than it gains.
//!
//! Not a parser. Invariant: nothing beyond the given bytes is read; what is missing at their end counts as zero.
#![deny(clippy::indexing_slicing)]

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// How many bytes are searched here before a vector search takes over.
const SHORT: usize = 32;

/// The eight bytes from `at` on.
#[inline]
pub(crate) fn load(bytes: &[u8], at: usize) -> u64 {
    match bytes.get(at..).and_then(<[u8]>::first_chunk) {
        Some(eight) => u64::from_le_bytes(*eight),
        None => bytes
            .get(at..)
            .unwrap_or_default()
            .iter()
            .rev()
            .fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// Blanks where [`load`] had no more than `left` bytes to read.
#[inline]
pub(crate) const fn beyond(left: usize) -> u64 {
    if left < 8 { (ONES * 0x20) << (8 * left) } else { 0 }
}

/// The highest bit of each byte that is the wanted one. The lowest bit that is set tells right; those above may not.
#[inline]
const fn marked(word: u64, wanted: u8) -> u64 {
    let zero = word ^ (ONES * wanted as u64);
    zero.wrapping_sub(ONES) & !zero & HIGH
}

/// The place of the lowest byte that is marked; 8 when none is.
#[inline]
const fn place(marked: u64) -> usize {
    (marked.trailing_zeros() / 8) as usize
}

/// Where the byte stands first among the eight; 8 when it does not.
#[inline]
pub(crate) const fn first(word: u64, wanted: u8) -> usize {
    place(marked(word, wanted))
}

/// Whether all eight are ASCII.
#[inline]
pub(crate) const fn is_ascii(word: u64) -> bool {
    word & HIGH == 0
}

/// Whether one of the eight bytes is a control character below the blank.
#[inline]
pub(crate) const fn has_control(word: u64) -> bool {
    word.wrapping_sub(ONES * 0x20) & !word & HIGH != 0
}

/// The eight bytes with ASCII capitals made small; all have to be ASCII.
#[inline]
pub(crate) const fn small(word: u64) -> u64 {
    let from_a = word.wrapping_add(ONES * (0x80 - b'A') as u64);
    let past_z = word.wrapping_add(ONES * (0x80 - b'Z' - 1) as u64);
    word | ((from_a ^ past_z) & HIGH) >> 2
}

/// Where the byte stands first from `at` on.
#[inline]
pub(crate) fn find(bytes: &[u8], at: usize, wanted: u8) -> Option<usize> {
    let rest = bytes.get(at..)?;
    let mut from = 0;
    for eight in rest.as_chunks::<8>().0.iter().take(SHORT / 8) {
        let found = marked(u64::from_le_bytes(*eight), wanted);
        if found != 0 {
            return Some(at + from + place(found));
        }
        from += 8;
    }
    Some(at + from + memchr::memchr(wanted, rest.get(from..)?)?)
}

/// Adds `bytes[start..end]`, the inside of a JSON text, to `out` with its escapes resolved and its capitals made small.
/// Whether that could be done: the text is ASCII, and its escapes are single characters. Else `out` holds some of it.
pub(crate) fn decode_small(bytes: &[u8], start: usize, end: usize, out: &mut Vec<u8>) -> bool {
    let mut at = start;
    while at + 8 <= end {
        let word = load(bytes, at);
        if !is_ascii(word) {
            return false;
        }
        let found = marked(word, b'\\');
        out.extend_from_slice(&small(word).to_le_bytes());
        at += 8;
        if found != 0 {
            let more = 8 - place(found);
            out.truncate(out.len() - more);
            at -= more;
            let Some(character) = bytes.get(at + 1).copied().and_then(escaped) else { return false };
            out.push(character);
            at += 2;
        }
    }
    while let Some(byte) = bytes.get(at).filter(|_| at < end) {
        let mut byte = byte.to_ascii_lowercase();
        at += 1;
        if byte == b'\\' {
            let Some(character) = bytes.get(at).copied().and_then(escaped) else { return false };
            byte = character;
            at += 1;
        }
        if !byte.is_ascii() {
            return false;
        }
        out.push(byte);
    }
    true
}

/// What a backslash and this character stand for; `None` for `\u` and for what is no escape.
pub(crate) const fn escaped(character: u8) -> Option<u8> {
    Some(match character {
        b'\\' | b'"' | b'/' => character,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'f' => 0x0c,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_found_where_they_stand() {
        for length in 0..100 {
            let mut text = vec![b'x'; length];
            for place in 0..length {
                text[place] = b'"';
                for at in 0..=length {
                    let expected = (at <= place).then_some(place);
                    assert_eq!(find(&text, at, b'"'), expected, "{length} {place} {at}");
                }
                text[place] = b'x';
            }
            assert_eq!(find(&text, 0, b'"'), None);
        }
    }

    #[test]
    fn eight_bytes_are_told_like_single_ones() {
        for byte in 0..=u8::MAX {
            for place in 0..8 {
                let mut eight = *b"aZ@[`{z~";
                eight[place] = byte;
                let word = u64::from_le_bytes(eight);
                assert_eq!(is_ascii(word), byte.is_ascii());
                assert_eq!(first(word, byte), eight.iter().position(|b| *b == byte).unwrap());
                assert_eq!(has_control(word), byte < b' ', "{byte}");
                if byte.is_ascii() {
                    assert_eq!(small(word).to_le_bytes().to_vec(), eight.to_ascii_lowercase());
                }
            }
        }
    }

    #[test]
    fn texts_are_decoded_as_the_parser_does() {
        for (inside, decodes) in [
            ("", true),
            ("C:\\\\WINDOWS\\\\System32\\\\cmd.exe /c \\\"A\\\"", true),
            ("\\\\\\\\SRV\\\\share\\\\", true),
            ("abcdefgH", true),
            ("abcdefg\\n\\t\\/\\b\\f\\r1234567", true),
            ("\\u0041", false),
            ("\u{c4}", false),
            ("a\\x", false),
        ] {
            for after in ["\"", "\",\"x\":\"\\\\\u{e4}\"}"] {
                let text = format!("\"{inside}{after}");
                let mut out = b"before".to_vec();
                let decoded = decode_small(text.as_bytes(), 1, 1 + inside.len(), &mut out);
                assert_eq!(decoded, decodes, "{inside}");
                if decodes {
                    let expected: String = serde_json::from_str(&format!("\"{inside}\"")).unwrap();
                    assert_eq!(out, format!("before{}", expected.to_lowercase()).as_bytes());
                }
            }
        }
    }
}
