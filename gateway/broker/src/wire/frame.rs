//! Framing: where the next packet of a byte stream begins and ends.
//!
//! Looks at the fixed header alone (MQTT 5 §2.1). Not the body. Invariants: the size limit is judged as
//! soon as the length can be read, before any of the body is waited for; nothing is reserved by it; a
//! wrong type or wrong flags are refused with the first byte.

use std::ops::Range;

use super::limits::Limits;
use super::reason::{Malformed, Reason};

/// What stands at the start of a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Framed {
    /// No whole packet yet. At least so many bytes are missing; a hint for buffering, at most the limit.
    Need(usize),
    /// A whole packet.
    Frame {
        /// Type and flags.
        first_byte: u8,
        /// Where in the buffer the body is; the packet ends with it.
        body: Range<usize>,
    },
}

/// Finds the first packet in `buffer`.
///
/// # Errors
/// [`Malformed`] when the type, the flags or the length field break the format, or the packet is larger
/// than `limits.packet_bytes`.
#[inline]
pub fn next_frame(buffer: &[u8], limits: &Limits) -> Result<Framed, Malformed> {
    let Some((&first_byte, rest)) = buffer.split_first() else {
        return Ok(Framed::Need(2));
    };
    check_first_byte(first_byte)?;
    let mut length = 0_usize;
    for (index, &byte) in rest.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            if byte == 0 && index > 0 {
                return Err(Reason::Bytes("remaining length not in its shortest form").into());
            }
            let start = index + 2;
            let end = start + length;
            if end > limits.packet_bytes {
                return Err(Reason::TooLarge.into());
            }
            return Ok(match end.checked_sub(buffer.len()) {
                Some(missing) if missing > 0 => Framed::Need(missing),
                _ => Framed::Frame { first_byte, body: start..end },
            });
        }
    }
    if rest.len() >= 4 {
        return Err(Reason::Bytes("remaining length of more than 4 bytes").into());
    }
    Ok(Framed::Need(1))
}

/// Packet type and the flags that belong to it (MQTT 5 §2.1.2, §2.1.3).
fn check_first_byte(first_byte: u8) -> Result<(), Malformed> {
    let flags = first_byte & 0x0F;
    let right = match first_byte >> 4 {
        0 => return Err(Reason::Bytes("packet type 0").into()),
        3 => return check_publish_flags(flags),
        6 | 8 | 10 => flags == 0b0010,
        _ => flags == 0,
    };
    if right { Ok(()) } else { Err(Reason::Bytes("fixed header flags do not fit the packet type").into()) }
}

fn check_publish_flags(flags: u8) -> Result<(), Malformed> {
    match (flags >> 1) & 0b11 {
        0b11 => Err(Reason::Bytes("PUBLISH with QoS 3").into()),
        0 if flags & 0b1000 != 0 => Err(Reason::Bytes("PUBLISH with DUP and QoS 0").into()),
        _ => Ok(()),
    }
}
