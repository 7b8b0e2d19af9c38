//! Whether a text is JSON as a whole, without keeping anything of it.
//!
//! Not a parser of values. Invariant: it accepts exactly what the parser of whole events accepts (depth, UTF-8,
//! range of numbers), since that parser's reader does the work.
#![deny(clippy::indexing_slicing)]

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// Whether the text is JSON.
pub(crate) fn is_sound(bytes: &[u8]) -> bool {
    serde_json::from_slice::<Sound>(bytes).is_ok()
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
    use super::is_sound;

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
