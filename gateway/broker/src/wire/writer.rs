//! Puts the standard's data types behind each other (MQTT 5 §1.5).
//!
//! Not packets. Invariants: what is longer than its length field can say is cut at a character boundary
//! (texts) or at 65,535 bytes (binary), never written with a wrong length.

use super::packet::UserProperties;
use super::properties::id;

/// Largest number that a variable byte integer holds.
pub(super) const VARIABLE_MAX: usize = 268_435_455;

/// A variable byte integer. Above [`VARIABLE_MAX`] the largest one is written; callers check before.
pub(super) fn put_variable(out: &mut Vec<u8>, value: usize) {
    let mut rest = u32::try_from(value.min(VARIABLE_MAX)).unwrap_or(0);
    loop {
        let [byte, ..] = (rest & 0x7F).to_le_bytes();
        rest >>= 7;
        if rest == 0 {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

pub(super) fn put_u16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_be_bytes());
}

pub(super) fn put_bytes(out: &mut Vec<u8>, data: &[u8]) {
    let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
    put_u16(out, length);
    out.extend_from_slice(data.get(..usize::from(length)).unwrap_or(data));
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    let mut end = text.len().min(usize::from(u16::MAX));
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    put_bytes(out, text.as_bytes().get(..end).unwrap_or_default());
}

/// One property block; absent values write nothing.
#[derive(Debug, Default)]
pub(super) struct Block {
    bytes: Vec<u8>,
}

impl Block {
    pub(super) fn byte(&mut self, id: u8, value: Option<u8>) -> &mut Self {
        if let Some(value) = value {
            self.bytes.extend_from_slice(&[id, value]);
        }
        self
    }

    pub(super) fn flag(&mut self, id: u8, value: Option<bool>) -> &mut Self {
        self.byte(id, value.map(u8::from))
    }

    pub(super) fn two(&mut self, id: u8, value: Option<u16>) -> &mut Self {
        if let Some(value) = value {
            self.bytes.push(id);
            put_u16(&mut self.bytes, value);
        }
        self
    }

    pub(super) fn four(&mut self, id: u8, value: Option<u32>) -> &mut Self {
        if let Some(value) = value {
            self.bytes.push(id);
            self.bytes.extend_from_slice(&value.to_be_bytes());
        }
        self
    }

    pub(super) fn variable(&mut self, id: u8, value: u32) -> &mut Self {
        self.bytes.push(id);
        put_variable(&mut self.bytes, usize::try_from(value).unwrap_or(VARIABLE_MAX));
        self
    }

    pub(super) fn text(&mut self, id: u8, value: Option<&str>) -> &mut Self {
        if let Some(value) = value {
            self.bytes.push(id);
            put_text(&mut self.bytes, value);
        }
        self
    }

    pub(super) fn binary(&mut self, id: u8, value: Option<&[u8]>) -> &mut Self {
        if let Some(value) = value {
            self.bytes.push(id);
            put_bytes(&mut self.bytes, value);
        }
        self
    }

    pub(super) fn user(&mut self, properties: &UserProperties) -> &mut Self {
        for (name, value) in properties {
            self.bytes.push(id::USER_PROPERTY);
            put_text(&mut self.bytes, name);
            put_text(&mut self.bytes, value);
        }
        self
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Writes the block with its length in front.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_variable(out, self.bytes.len());
        out.extend_from_slice(&self.bytes);
    }
}
