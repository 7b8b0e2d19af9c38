//! CBOR values with a bound in their type.
//!
//! Byte strings and text are borrowed from the input, lists are held in place; none allocates.
//! Invariant: a value that exceeds its bound is refused while it is decoded, so no decoded value ever does.

use minicbor::decode::{Decode, Decoder, Error as DecodeError};
use minicbor::encode::{Encode, Encoder, Error as EncodeError, Write};

/// A byte string of at most `N` bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blob<'b, const N: usize>(&'b [u8]);

impl<'b, const N: usize> Blob<'b, N> {
    /// `bytes`, if they are within the bound.
    #[must_use]
    pub const fn new(bytes: &'b [u8]) -> Option<Self> {
        if bytes.len() > N { None } else { Some(Self(bytes)) }
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &'b [u8] {
        self.0
    }
}

impl<C, const N: usize> Encode<C> for Blob<'_, N> {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.bytes(self.0)?.ok()
    }
}

impl<'b, C, const N: usize> Decode<'b, C> for Blob<'b, N> {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        let at = d.position();
        Self::new(d.bytes()?).ok_or_else(|| DecodeError::message("byte string too long").at(at))
    }
}

/// A text of at most `N` bytes of UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text<'b, const N: usize>(&'b str);

impl<'b, const N: usize> Text<'b, N> {
    /// `text`, if it is within the bound.
    #[must_use]
    pub const fn new(text: &'b str) -> Option<Self> {
        if text.len() > N { None } else { Some(Self(text)) }
    }

    /// The text.
    #[must_use]
    pub const fn as_str(&self) -> &'b str {
        self.0
    }
}

impl<C, const N: usize> Encode<C> for Text<'_, N> {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.str(self.0)?.ok()
    }
}

impl<'b, C, const N: usize> Decode<'b, C> for Text<'b, N> {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        let at = d.position();
        Self::new(d.str()?).ok_or_else(|| DecodeError::message("text too long").at(at))
    }
}

/// A list of at most `N` values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List<T, const N: usize>(heapless::Vec<T, N>);

impl<T, const N: usize> Default for List<T, N> {
    fn default() -> Self {
        Self(heapless::Vec::new())
    }
}

impl<T, const N: usize> List<T, N> {
    /// Appends `value`.
    ///
    /// # Errors
    /// Gives `value` back when the list is full.
    pub fn push(&mut self, value: T) -> Result<(), T> {
        self.0.push(value)
    }
}

impl<T, const N: usize> core::ops::Deref for List<T, N> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<C, T: Encode<C>, const N: usize> Encode<C> for List<T, N> {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, context: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.array(self.0.len() as u64)?;
        self.0.iter().try_for_each(|value| value.encode(e, context))
    }
}

impl<'b, C, T: Decode<'b, C>, const N: usize> Decode<'b, C> for List<T, N> {
    fn decode(d: &mut Decoder<'b>, context: &mut C) -> Result<Self, DecodeError> {
        let at = d.position();
        let length = d.array()?.ok_or_else(|| DecodeError::message("list without a length").at(at))?;
        let mut list = Self::default();
        for _ in 0..length {
            let value = T::decode(d, context)?;
            list.push(value).map_err(|_| DecodeError::message("list too long").at(at))?;
        }
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exceeds_its_bound_is_refused() {
        assert!(minicbor::decode::<Blob<'_, 2>>(&[0x42, 1, 2]).is_ok());
        assert!(minicbor::decode::<Blob<'_, 2>>(&[0x43, 1, 2, 3]).is_err());
        assert!(minicbor::decode::<Text<'_, 2>>(b"\x62ab").is_ok());
        assert!(minicbor::decode::<Text<'_, 2>>(b"\x63abc").is_err());
        assert!(minicbor::decode::<List<u8, 2>>(&[0x82, 1, 2]).is_ok());
        assert!(minicbor::decode::<List<u8, 2>>(&[0x83, 1, 2, 3]).is_err());
    }

    #[test]
    fn a_length_of_billions_costs_nothing() {
        // An array of 2^64 - 1 elements and a byte string of 2^63 bytes, both cut off.
        let array = [0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1];
        let bytes = [0x5b, 0x80, 0, 0, 0, 0, 0, 0, 0, 1];

        assert!(minicbor::decode::<List<u8, 4>>(&array).is_err());
        assert!(minicbor::decode::<Blob<'_, 4>>(&bytes).is_err());
    }

    #[test]
    fn a_list_without_a_length_is_refused() {
        assert!(minicbor::decode::<List<u8, 4>>(&[0x9f, 1, 0xff]).is_err());
    }
}
