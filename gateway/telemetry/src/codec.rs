//! Bytes of blocks and chunks: variable-length integers and a compressed frame.
//!
//! Not a wire format: only this crate reads what it wrote, but a flipped bit on the disk must end in an
//! error and not in a panic or a huge allocation. Invariant: a reader never takes more than its input has.

#![deny(clippy::indexing_slicing)]

use std::cell::RefCell;

use thiserror::Error;

use crate::limits::BLOCK_BYTES;

/// A block or chunk cannot be read.
#[derive(Debug, Error)]
pub enum CodecError {
    /// It ends early or has a value out of range.
    #[error("a block of readings is damaged: {0}")]
    Damaged(&'static str),
    /// It does not decompress.
    #[error("a block of readings does not decompress")]
    Compressed(#[source] std::io::Error),
}

const RAW: u8 = 0;
const ZSTD: u8 = 1;
/// Below this size compression costs more than it saves.
const SMALL: usize = 64;

/// Level of zstd: the fastest; a block is compressed between a message and its acknowledgement.
const LEVEL: i32 = 1;

thread_local! {
    /// Its tables are half a megabyte: made once for the writer thread and not for each block.
    static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> =
        RefCell::new(zstd::bulk::Compressor::new(LEVEL).ok());
}

fn compressed(bytes: &[u8]) -> Option<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|compressor| compressor.as_mut()?.compress(bytes).ok())
}

/// Frames bytes: compressed where that is smaller.
#[must_use]
pub fn pack(bytes: &[u8]) -> Vec<u8> {
    if bytes.len() >= SMALL
        && let Some(compressed) = compressed(bytes)
        && compressed.len() + 4 < bytes.len()
        && let Ok(length) = u32::try_from(bytes.len())
    {
        let mut out = Vec::with_capacity(compressed.len() + 5);
        out.push(ZSTD);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&compressed);
        return out;
    }
    let mut out = Vec::with_capacity(bytes.len() + 1);
    out.push(RAW);
    out.extend_from_slice(bytes);
    out
}

/// Undoes [`pack`].
///
/// # Errors
/// [`CodecError`]: damaged, or longer than [`BLOCK_BYTES`] when unpacked.
pub fn unpack(framed: &[u8]) -> Result<Vec<u8>, CodecError> {
    match framed.split_first() {
        Some((&RAW, rest)) => Ok(rest.to_vec()),
        Some((&ZSTD, rest)) => {
            let (length, compressed) =
                rest.split_first_chunk::<4>().ok_or(CodecError::Damaged("no length"))?;
            let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
            if length > BLOCK_BYTES {
                return Err(CodecError::Damaged("its length is out of range"));
            }
            zstd::bulk::decompress(compressed, length).map_err(CodecError::Compressed)
        }
        _ => Err(CodecError::Damaged("its kind is not known")),
    }
}

/// Appends values.
#[derive(Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// A whole number in one to ten bytes, small ones in few.
    pub fn unsigned(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(u8::try_from(value & 0x7f).unwrap_or_default() | 0x80);
            value >>= 7;
        }
        self.0.push(u8::try_from(value).unwrap_or_default());
    }

    /// The same with a sign; near zero takes few bytes.
    pub fn signed(&mut self, value: i64) {
        self.unsigned(((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    /// A number with all its digits.
    pub fn float(&mut self, value: f64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Bytes with their length before them.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.unsigned(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// How many bytes there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was written.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Reads what [`Writer`] wrote.
#[derive(Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// Whether nothing is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What [`Writer::unsigned`] wrote.
    ///
    /// # Errors
    /// [`CodecError::Damaged`].
    pub fn unsigned(&mut self) -> Result<u64, CodecError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first().ok_or(CodecError::Damaged("a number ends early"))?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(CodecError::Damaged("a number is too long"))
    }

    /// What [`Writer::signed`] wrote.
    ///
    /// # Errors
    /// [`CodecError::Damaged`].
    pub fn signed(&mut self) -> Result<i64, CodecError> {
        let value = self.unsigned()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// What [`Writer::float`] wrote.
    ///
    /// # Errors
    /// [`CodecError::Damaged`].
    pub fn float(&mut self) -> Result<f64, CodecError> {
        let (bytes, rest) =
            self.0.split_first_chunk::<8>().ok_or(CodecError::Damaged("a value ends early"))?;
        self.0 = rest;
        Ok(f64::from_le_bytes(*bytes))
    }

    /// What [`Writer::bytes`] wrote.
    ///
    /// # Errors
    /// [`CodecError::Damaged`].
    pub fn bytes(&mut self) -> Result<&'a [u8], CodecError> {
        let length = usize::try_from(self.unsigned()?).unwrap_or(usize::MAX);
        let (bytes, rest) =
            self.0.split_at_checked(length).ok_or(CodecError::Damaged("a text ends early"))?;
        self.0 = rest;
        Ok(bytes)
    }

    /// What [`Writer::bytes`] wrote of a text.
    ///
    /// # Errors
    /// [`CodecError::Damaged`].
    pub fn text(&mut self) -> Result<&'a str, CodecError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| CodecError::Damaged("a text is not UTF-8"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_round_trip(unsigned: u64, signed: i64, float: f64, bytes: Vec<u8>) {
            let mut writer = Writer::default();
            writer.unsigned(unsigned);
            writer.signed(signed);
            writer.float(float);
            writer.bytes(&bytes);
            let written = writer.finish();
            let mut reader = Reader(&written);
            prop_assert_eq!(reader.unsigned().expect("unsigned"), unsigned);
            prop_assert_eq!(reader.signed().expect("signed"), signed);
            prop_assert_eq!(reader.float().expect("float").to_bits(), float.to_bits());
            prop_assert_eq!(reader.bytes().expect("bytes"), &bytes[..]);
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn frames_round_trip_and_damage_is_an_error_or_other_bytes(bytes: Vec<u8>, at: prop::sample::Index) {
            let mut framed = pack(&bytes);
            prop_assert_eq!(&unpack(&framed).expect("unpacks"), &bytes);
            let place = at.index(framed.len());
            framed[place] ^= 0x55;
            let _ = unpack(&framed);
        }
    }

    #[test]
    fn a_length_out_of_range_is_refused_before_anything_is_allocated() {
        let framed = [ZSTD, 0xff, 0xff, 0xff, 0xff, 1, 2, 3];
        assert!(matches!(unpack(&framed), Err(CodecError::Damaged(_))));
        assert!(unpack(&[]).is_err());
    }
}
