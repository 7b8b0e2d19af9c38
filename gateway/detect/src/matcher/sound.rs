//! Whether a text is JSON as a whole, without keeping anything of it.
//!
//! Not a parser of values. Invariant: it accepts exactly what the parser of whole events accepts (depth, UTF-8,
//! range of numbers), since that parser's reader does the work.
#![deny(clippy::indexing_slicing)]

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::eights;
use super::scan::Span;
use super::text;

/// Whether the text is JSON.
pub(crate) fn is_sound(bytes: &[u8]) -> bool {
    serde_json::from_slice::<Sound>(bytes).is_ok()
}

/// Whether an object is JSON whose names and values `scan` has stepped over, when it has no lists and maps: what is
/// left to know is that the numbers are numbers, and of the texts their UTF-8, escapes and control characters.
pub(crate) fn is_sound_flat(bytes: &[u8], numbers: &[Span]) -> bool {
    let is_number = |span: &Span| span.of(bytes).and_then(text::number).is_some();
    let mut at = 0;
    while at < bytes.len() {
        let word = eights::load(bytes, at) | eights::beyond(bytes.len() - at);
        if eights::has_control(word) {
            // In a text that is an error, between values it is none.
            return is_sound(bytes);
        }
        let place = eights::first(word, b'\\');
        at += place;
        if place < 8 {
            if bytes.get(at + 1).copied().and_then(eights::escaped).is_none() {
                return is_sound(bytes);
            }
            at += 2;
        }
    }
    numbers.iter().all(is_number) && (bytes.is_ascii() || std::str::from_utf8(bytes).is_ok())
}

/// Any value, read and dropped.
struct Sound;

impl<'de> Deserialize<'de> for Sound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Sound;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_str<E>(self, _: &str) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_unit<E>(self) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Sound, A::Error> {
        while items.next_element::<Sound>()?.is_some() {}
        Ok(Sound)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Sound, A::Error> {
        while entries.next_entry::<Sound, Sound>()?.is_some() {}
        Ok(Sound)
    }
}

#[cfg(test)]
mod tests {
    use super::super::program::Program;
    use super::super::scan::Names;
    use super::*;

    /// What the product asks.
    fn confirmed(text: &[u8]) -> bool {
        let mut names = Names::new();
        if names.read(&Program::default(), text, |_, _| {}).is_err() {
            return false;
        }
        match names.flat_numbers() {
            Some(numbers) => is_sound_flat(text, numbers),
            None => is_sound(text),
        }
    }

    #[test]
    fn a_flat_object_is_sound_when_the_parser_says_so() {
        let base = "{\"a\":-12.5e3,\"b\\\\\":\"x\\u00e4\\n\u{e4}\",\"c\":true,\"d\" : \"\" , \"e\":0}";
        let bytes =
            br#"\"{}[]:,.-+eE0123456789 trufalsn/bx"#.iter().copied().chain([0x80, 0xc3, 0xff, 9, 10, 0]);
        let bytes: Vec<u8> = bytes.collect();
        let is_object =
            |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).is_ok_and(|v| v.is_object());
        assert!(is_object(base.as_bytes()) && confirmed(base.as_bytes()));
        for at in 0..base.len() {
            for byte in &bytes {
                let mut text = base.as_bytes().to_vec();
                text[at] = *byte;
                assert_eq!(confirmed(&text), is_object(&text), "{}", String::from_utf8_lossy(&text));
                text.insert(at, *byte);
                assert_eq!(confirmed(&text), is_object(&text), "{}", String::from_utf8_lossy(&text));
                text.drain(at..=at + 1);
                assert_eq!(confirmed(&text), is_object(&text), "{}", String::from_utf8_lossy(&text));
            }
        }
    }

    #[test]
    fn it_accepts_what_the_parser_accepts() {
        let deep = |levels: usize| [vec![b'['; levels], vec![b']'; levels]].concat();
        let texts: [&[u8]; 12] = [
            b"{}",
            br#"{"a":[1,-2.5,1e3,true,null,"x\u00e4\n",{"b":18446744073709551615}]}"#,
            br#"{"a":1e999}"#,
            b"{\"a\":\"\xff\"}",
            br#"{"a":"\ud800"}"#,
            br#"{"a":01}"#,
            br#"{"a":1,}"#,
            br#"{"a":1}x"#,
            b"{\"a\":\"\n\"}",
            br#"{"\q":1}"#,
            br#"{"a":123456789012345678901234567890}"#,
            b"",
        ];
        for text in
            texts.into_iter().map(<[u8]>::to_vec).chain([deep(100), deep(127), deep(128), deep(10_000)])
        {
            let parsed = serde_json::from_slice::<serde_json::Value>(&text).is_ok();
            assert_eq!(is_sound(&text), parsed, "{}", String::from_utf8_lossy(&text));
        }
    }
}
