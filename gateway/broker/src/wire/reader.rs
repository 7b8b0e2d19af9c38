//! A cursor over the bytes of one packet body.
//!
//! Not framing: the body is complete, so its end is a malformed packet and never "wait for more".
//! Invariants: no panic, no allocation; variable byte integers only in their shortest form (MQTT 5
//! MQTT-1.5.5-1); texts are UTF-8 without U+0000 (MQTT-1.5.4-1, -2).

use super::packet::PacketId;
use super::reason::{Malformed, Reason};

const PAST_THE_END: Malformed =
    Malformed { reason: Reason::Bytes("a field runs past the end of the packet") };

/// The unread rest of a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) const fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    /// Everything that was not read.
    pub(super) const fn rest(self) -> &'a [u8] {
        self.rest
    }

    pub(super) const fn is_empty(self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(PAST_THE_END)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(PAST_THE_END)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn packet_id(&mut self) -> Result<PacketId, Malformed> {
        PacketId::new(self.u16()?).ok_or(Malformed { reason: Reason::Protocol("packet identifier 0") })
    }

    /// A variable byte integer (MQTT 5 §1.5.5).
    pub(super) fn variable(&mut self) -> Result<u32, Malformed> {
        let mut value = 0_u32;
        for shift in [0, 7, 14, 21] {
            let byte = self.u8()?;
            value |= u32::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                if byte == 0 && shift > 0 {
                    return Err(Reason::Bytes("variable byte integer not in its shortest form").into());
                }
                return Ok(value);
            }
        }
        Err(Reason::Bytes("variable byte integer of more than 4 bytes").into())
    }

    /// Binary data (MQTT 5 §1.5.6).
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.u16()?;
        self.take(usize::from(len))
    }

    /// A UTF-8 string (MQTT 5 §1.5.4).
    pub(super) fn text(&mut self) -> Result<&'a str, Malformed> {
        let text = std::str::from_utf8(self.bytes()?)
            .map_err(|_| Malformed { reason: Reason::Bytes("text is not UTF-8") })?;
        if text.as_bytes().contains(&0) {
            return Err(Reason::Bytes("text has U+0000").into());
        }
        Ok(text)
    }
}
