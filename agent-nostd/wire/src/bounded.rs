//! CBOR values with a bound in their type.
//!
//! Byte strings and text are borrowed from the input, lists are held in place; none allocates.
//! Invariant: a value that exceeds its bound is refused while it is decoded, so no decoded value ever does.

use crate::cbor::Reader;

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

impl<'b, const N: usize> Blob<'b, N> {
    pub(crate) fn read(reader: &mut Reader<'b>) -> Self {
        Self::new(reader.bytes()).unwrap_or_else(|| {
            reader.fail();
            Self(&[])
        })
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

impl<'b, const N: usize> Text<'b, N> {
    pub(crate) fn read(reader: &mut Reader<'b>) -> Self {
        Self::new(reader.text()).unwrap_or_else(|| {
            reader.fail();
            Self("")
        })
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

impl<T, const N: usize> List<T, N> {
    pub(crate) fn read<'b>(reader: &mut Reader<'b>, value: fn(&mut Reader<'b>) -> T) -> Self {
        let mut list = Self::default();
        for _ in 0..reader.array(0) {
            let value = value(reader);
            if reader.failed() || list.push(value).is_err() {
                reader.fail();
                break;
            }
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(bytes: &[u8]) -> Option<Blob<'_, 2>> {
        let mut reader = Reader::new(bytes);
        Some(Blob::read(&mut reader)).filter(|_| !reader.failed())
    }

    fn text(bytes: &[u8]) -> Option<Text<'_, 2>> {
        let mut reader = Reader::new(bytes);
        Some(Text::read(&mut reader)).filter(|_| !reader.failed())
    }

    fn list(bytes: &[u8]) -> Option<List<u8, 2>> {
        let mut reader = Reader::new(bytes);
        Some(List::read(&mut reader, Reader::u8)).filter(|_| !reader.failed())
    }

    #[test]
    fn what_exceeds_its_bound_is_refused() {
        assert!(blob(&[0x42, 1, 2]).is_some());
        assert!(blob(&[0x43, 1, 2, 3]).is_none());
        assert!(text(b"\x62ab").is_some());
        assert!(text(b"\x63abc").is_none());
        assert!(list(&[0x82, 1, 2]).is_some());
        assert!(list(&[0x83, 1, 2, 3]).is_none());
    }

    #[test]
    fn a_length_of_billions_costs_nothing() {
        // An array of 2^64 - 1 elements and a byte string of 2^63 bytes, both cut off.
        assert!(list(&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1]).is_none());
        assert!(blob(&[0x5b, 0x80, 0, 0, 0, 0, 0, 0, 0, 1]).is_none());
    }

    #[test]
    fn a_list_without_a_length_is_refused() {
        assert!(list(&[0x9f, 1, 0xff]).is_none());
    }
}
