//! CBOR (RFC 8949) as this link uses it: integers, byte strings, text, and arrays and maps that tell their length.
//!
//! A [`Writer`] and a [`Reader`] remember that something failed instead of saying so at each value: a form is written down
//! as straight code, which on a microcontroller is a quarter of what derived code takes, and is asked once at its end.
//! It knows no message. What the library underneath accepts beyond this (lengths left open) is refused.
//! Invariant: a reader that failed gives zeros and ends every loop, so hostile lengths cost nothing.

use minicbor::data::{Tag, Type};
use minicbor::encode::write::Cursor;
use minicbor::{Decoder, Encoder};

/// Writes into a buffer.
pub(crate) struct Writer<'a> {
    encoder: Encoder<Cursor<&'a mut [u8]>>,
    failed: bool,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(buffer: &'a mut [u8]) -> Self {
        Self { encoder: Encoder::new(Cursor::new(buffer)), failed: false }
    }

    #[inline(never)] // shared by all forms
    pub(crate) fn unsigned(&mut self, value: u64) {
        self.failed |= self.encoder.u64(value).is_err();
    }

    #[inline(never)]
    pub(crate) fn signed(&mut self, value: i32) {
        self.failed |= self.encoder.i64(i64::from(value)).is_err();
    }

    #[inline(never)]
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.failed |= self.encoder.bytes(bytes).is_err();
    }

    #[inline(never)]
    pub(crate) fn text(&mut self, text: &str) {
        self.failed |= self.encoder.str(text).is_err();
    }

    #[inline(never)]
    pub(crate) fn array(&mut self, length: u64) {
        self.failed |= self.encoder.array(length).is_err();
    }

    #[inline(never)]
    pub(crate) fn map(&mut self, length: u64) {
        self.failed |= self.encoder.map(length).is_err();
    }

    pub(crate) fn tag(&mut self, tag: u64) {
        self.failed |= self.encoder.tag(Tag::new(tag)).is_err();
    }

    /// Key and value of a map, if there is a value.
    #[inline(never)]
    pub(crate) fn field(&mut self, key: u8, value: Option<u64>) {
        if let Some(value) = value {
            self.unsigned(u64::from(key));
            self.unsigned(value);
        }
    }

    /// Key and value of a map, if there is a value.
    #[inline(never)]
    pub(crate) fn signed_field(&mut self, key: u8, value: Option<i32>) {
        if let Some(value) = value {
            self.unsigned(u64::from(key));
            self.signed(value);
        }
    }

    /// Key and value of a map.
    #[inline(never)]
    pub(crate) fn bytes_field(&mut self, key: u8, value: &[u8]) {
        self.unsigned(u64::from(key));
        self.bytes(value);
    }

    /// How many bytes were written, if they all fitted.
    pub(crate) fn finish(self) -> Option<usize> {
        let length = self.encoder.into_writer().position();
        (!self.failed).then_some(length)
    }
}

/// Reads from a slice.
pub(crate) struct Reader<'b> {
    decoder: Decoder<'b>,
    failed: bool,
}

impl<'b> Reader<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        Self { decoder: Decoder::new(bytes), failed: false }
    }

    pub(crate) fn fail(&mut self) {
        self.failed = true;
    }

    pub(crate) fn failed(&self) -> bool {
        self.failed
    }

    fn accept<T>(&mut self, value: Option<T>) -> Option<T> {
        let value = value.filter(|_| !self.failed);
        self.failed |= value.is_none();
        value
    }

    /// An unsigned integer of at most `most`.
    #[inline(never)] // shared by all forms
    pub(crate) fn unsigned(&mut self, most: u64) -> u64 {
        let value = self.decoder.u64().ok().filter(|value| *value <= most);
        self.accept(value).unwrap_or(0)
    }

    pub(crate) fn u8(&mut self) -> u8 {
        self.unsigned(u64::from(u8::MAX)) as u8
    }

    pub(crate) fn u16(&mut self) -> u16 {
        self.unsigned(u64::from(u16::MAX)) as u16
    }

    pub(crate) fn u32(&mut self) -> u32 {
        self.unsigned(u64::from(u32::MAX)) as u32
    }

    pub(crate) fn u64(&mut self) -> u64 {
        self.unsigned(u64::MAX)
    }

    #[inline(never)]
    pub(crate) fn i32(&mut self) -> i32 {
        let value = self.decoder.i64().ok().and_then(|value| i32::try_from(value).ok());
        self.accept(value).unwrap_or(0)
    }

    #[inline(never)]
    pub(crate) fn bytes(&mut self) -> &'b [u8] {
        let value = self.decoder.bytes().ok();
        self.accept(value).unwrap_or(&[])
    }

    /// A byte string of exactly `N` bytes.
    pub(crate) fn exact<const N: usize>(&mut self) -> [u8; N] {
        let value = self.bytes().try_into().ok();
        self.accept(value).unwrap_or([0; N])
    }

    #[inline(never)]
    pub(crate) fn text(&mut self) -> &'b str {
        let value = self.decoder.str().ok();
        self.accept(value).unwrap_or("")
    }

    /// The head of an array of at least `least` values; says how many.
    #[inline(never)]
    pub(crate) fn array(&mut self, least: u64) -> u64 {
        let length = self.decoder.array().ok().flatten().filter(|length| *length >= least);
        self.accept(length).unwrap_or(0)
    }

    /// The head of a map; says how many pairs.
    #[inline(never)]
    pub(crate) fn map(&mut self) -> u64 {
        let length = self.decoder.map().ok().flatten();
        self.accept(length).unwrap_or(0)
    }

    pub(crate) fn tag(&mut self) -> u64 {
        let tag = self.decoder.tag().ok().map(|tag| tag.as_u64());
        self.accept(tag).unwrap_or(0)
    }

    /// Whether a null is next, which is then skipped: a value that is not there.
    pub(crate) fn null(&mut self) -> bool {
        let next = self.decoder.input().get(self.decoder.position());
        let null = next == Some(&NULL);
        if null {
            self.decoder.set_position(self.decoder.position() + 1);
        }
        null
    }

    /// Skips `count` values whole: what a newer peer appended.
    #[inline(never)]
    pub(crate) fn skip(&mut self, count: u64) {
        let mut left = count;
        while left > 0 && !self.failed {
            left -= 1;
            match self.decoder.datatype().unwrap_or(Type::Break) {
                Type::U8 | Type::U16 | Type::U32 | Type::U64 => drop(self.u64()),
                Type::I8 | Type::I16 | Type::I32 | Type::I64 => {
                    let value = self.decoder.i64().ok();
                    self.accept(value);
                }
                Type::Bytes => drop(self.bytes()),
                Type::String => drop(self.text()),
                Type::Array => left = left.saturating_add(self.array(0)),
                Type::Map => left = left.saturating_add(self.map().saturating_mul(2)),
                Type::Tag => {
                    self.tag();
                    left = left.saturating_add(1);
                }
                Type::Bool | Type::Null => self.decoder.set_position(self.decoder.position() + 1),
                _ => self.failed = true,
            }
        }
    }

    /// Bytes that were not read.
    pub(crate) fn left(&self) -> usize {
        self.decoder.input().len() - self.decoder.position()
    }
}

const NULL: u8 = 0xf6;

/// The pairs of a map: which keys came, each once.
pub(crate) struct Keys {
    left: u64,
    seen: u32,
}

impl Keys {
    /// Reads the head of a map.
    pub(crate) fn of(reader: &mut Reader<'_>) -> Self {
        Self { left: reader.map(), seen: 0 }
    }

    /// The next key, whose value is to be read. Keys from 32 on are a newer peer's: they are skipped here.
    #[inline(never)]
    pub(crate) fn next(&mut self, reader: &mut Reader<'_>) -> Option<u8> {
        while self.left > 0 && !reader.failed() {
            self.left -= 1;
            let key = reader.u32();
            if key >= 32 {
                reader.skip(1);
                continue;
            }
            if self.seen & (1 << key) != 0 {
                reader.fail();
            }
            self.seen |= 1 << key;
            return Some(key as u8).filter(|_| !reader.failed());
        }
        None
    }

    /// Fails the reader unless each key of `required`, one bit each, came.
    pub(crate) fn require(&self, reader: &mut Reader<'_>, required: u32) {
        if self.seen & required != required {
            reader.fail();
        }
    }
}

#[cfg(test)]
mod tests;
