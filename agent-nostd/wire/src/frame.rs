//! Frames on the line: COBS, a fixed header with a sequence number, CRC-32.
//!
//! ```text
//! COBS( version 1 | kind 1 | session 4 | sequence 4 | body 0..=MAX_BODY | CRC-32 4 ) 0x00        integers big-endian
//! ```
//! The CRC (CRC-32/ISO-HDLC, over all before it) finds line noise; it protects against nobody: sessions do that, with the
//! header as additional data. The zero byte ends a frame and occurs nowhere else, so a receiver that lost the thread finds
//! the next frame by itself. A frame's version stands in its first byte; a version that we do not speak is told from garbage.
//!
//! Invariant: a [`Deframer`] holds at most one frame of at most [`MAX_ENCODED`] bytes, whatever comes in.

use crc::{CRC_32_ISO_HDLC, Crc, NoTable};

use crate::limits::{FRAME_CHECK, FRAME_HEADER, MAX_BODY, MAX_ENCODED};
use crate::version::{self, VersionError};

/// Ends a frame and never occurs inside one.
pub const DELIMITER: u8 = 0;

/// No table: 1 KiB of flash is dearer on the device than some instructions per byte.
const CRC: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Agent to gateway: first message of a link handshake.
    LinkStart = 1,
    /// Gateway to agent: second message of a link handshake.
    LinkAccept = 2,
    /// Gateway to agent: no common version; the gateway's range. A hint, authenticated by nothing.
    VersionRefused = 3,
    /// Both ways: an encrypted message.
    Data = 4,
    /// Agent to gateway: first message of an enrolment.
    EnrolStart = 5,
    /// Gateway to agent: second message of an enrolment.
    EnrolReply = 6,
    /// Agent to gateway: third message of an enrolment.
    EnrolFinish = 7,
    /// Gateway to agent: no such session here. A hint, authenticated by nothing.
    SessionUnknown = 8,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::LinkStart,
            2 => Self::LinkAccept,
            3 => Self::VersionRefused,
            4 => Self::Data,
            5 => Self::EnrolStart,
            6 => Self::EnrolReply,
            7 => Self::EnrolFinish,
            8 => Self::SessionUnknown,
            _ => return None,
        })
    }
}

/// A frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The wire version of this frame.
    pub version: u8,
    /// What it carries.
    pub kind: Kind,
    /// The session, chosen by the agent at random for each handshake.
    pub session: u32,
    /// The number of the frame in its direction of its session.
    pub sequence: u32,
}

impl Header {
    /// The header as it stands on the line, which is also the additional data of an encrypted body.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; FRAME_HEADER] {
        let [s0, s1, s2, s3] = self.session.to_be_bytes();
        let [n0, n1, n2, n3] = self.sequence.to_be_bytes();
        [self.version, self.kind as u8, s0, s1, s2, s3, n0, n1, n2, n3]
    }

    fn from_bytes(bytes: [u8; FRAME_HEADER]) -> Result<Self, FrameError> {
        let [version, kind, s0, s1, s2, s3, n0, n1, n2, n3] = bytes;
        if version > version::CURRENT {
            let source = VersionError::PeerTooNew { theirs: version, ours: version::CURRENT };
            return Err(FrameError::Version { source });
        }
        if version < version::MINIMUM {
            let source = VersionError::PeerTooOld { theirs: version, ours: version::MINIMUM };
            return Err(FrameError::Version { source });
        }
        let kind = Kind::from_byte(kind).ok_or(FrameError::Kind { kind })?;
        let session = u32::from_be_bytes([s0, s1, s2, s3]);
        let sequence = u32::from_be_bytes([n0, n1, n2, n3]);
        Ok(Self { version, kind, session, sequence })
    }
}

/// Why bytes are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// More bytes between two delimiters than a frame may have.
    #[error("more than {} bytes without a delimiter: skipped to the next one", MAX_ENCODED)]
    TooLong,
    /// Not COBS.
    #[error("the byte stuffing is wrong")]
    Stuffing,
    /// Fewer bytes than header and CRC.
    #[error("{length} bytes are fewer than a header and a CRC")]
    TooShort {
        /// The bytes that were there.
        length: usize,
    },
    /// The CRC does not fit.
    #[error("the CRC does not fit: bytes were changed on the line")]
    Check,
    /// A whole frame, of a version that this end does not speak.
    #[error("a frame of another wire version")]
    Version {
        /// Which, and who is to be updated.
        #[source]
        source: VersionError,
    },
    /// A whole frame of a known version, of an unknown kind.
    #[error("a frame of unknown kind {kind}")]
    Kind {
        /// The kind's byte.
        kind: u8,
    },
    /// The body to send exceeds [`MAX_BODY`], or the output buffer is too small for it.
    #[error("a body of {length} bytes does not fit into the frame or the buffer")]
    Body {
        /// The body's length.
        length: usize,
    },
}

/// Writes the frame of `header` and `body` with its delimiter to the start of `out`; returns its length.
///
/// # Errors
/// [`FrameError::Body`] if the body exceeds its bound or `out` is too small; [`MAX_ENCODED`] bytes always suffice.
pub fn encode(header: Header, body: &[u8], out: &mut [u8]) -> Result<usize, FrameError> {
    let length = body.len();
    let too_large = |_| FrameError::Body { length };
    // One byte stays free for the delimiter.
    let room = out.len().checked_sub(2).ok_or(FrameError::Body { length })?;
    let (stuffed, _) = out.split_at_mut_checked(room + 1).ok_or(FrameError::Body { length })?;
    if length > MAX_BODY {
        return Err(FrameError::Body { length });
    }
    let head = header.to_bytes();
    let mut digest = CRC.digest();
    digest.update(&head);
    digest.update(body);
    let mut encoder = cobs::CobsEncoder::new(stuffed);
    encoder.push(&head).map_err(too_large)?;
    encoder.push(body).map_err(too_large)?;
    encoder.push(&digest.finalize().to_be_bytes()).map_err(too_large)?;
    let end = encoder.finalize();
    *out.get_mut(end).ok_or(FrameError::Body { length })? = DELIMITER;
    Ok(end + 1)
}

/// A frame that came in. The body is mutable so that it can be decrypted where it lies.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The header.
    pub header: Header,
    /// The body, still encrypted where its kind is.
    pub body: &'a mut [u8],
}

/// Decodes the bytes between two delimiters, in place.
///
/// # Errors
/// [`FrameError`], each with its own cause.
pub fn decode(bytes: &mut [u8]) -> Result<Frame<'_>, FrameError> {
    let length = cobs::decode_in_place(bytes).map_err(|_| FrameError::Stuffing)?;
    let frame = bytes.get_mut(..length).ok_or(FrameError::Stuffing)?;
    let body = length.checked_sub(FRAME_HEADER + FRAME_CHECK).ok_or(FrameError::TooShort { length })?;
    let (covered, check) =
        frame.split_at_mut_checked(FRAME_HEADER + body).ok_or(FrameError::TooShort { length })?;
    if CRC.checksum(covered).to_be_bytes() != *check {
        return Err(FrameError::Check);
    }
    let (head, body) =
        covered.split_first_chunk_mut::<FRAME_HEADER>().ok_or(FrameError::TooShort { length })?;
    Ok(Frame { header: Header::from_bytes(*head)?, body })
}

/// Cuts the line's bytes into frames.
#[derive(Debug)]
pub struct Deframer {
    buffer: [u8; MAX_ENCODED],
    length: usize,
    overrun: bool,
}

impl Default for Deframer {
    fn default() -> Self {
        Self { buffer: [0; MAX_ENCODED], length: 0, overrun: false }
    }
}

impl Deframer {
    /// Takes one byte; says what it completed.
    ///
    /// Nothing comes for the bytes inside a frame and for a delimiter that follows a delimiter.
    pub fn push(&mut self, byte: u8) -> Option<Result<Frame<'_>, FrameError>> {
        let length = self.take(byte)?;
        Some(self.finish(length))
    }

    /// Takes bytes from the front of `input` until one frame is complete or none is left.
    ///
    /// Call it until it gives nothing: then `input` is empty.
    pub fn advance(&mut self, input: &mut &[u8]) -> Option<Result<Frame<'_>, FrameError>> {
        while let Some((&byte, rest)) = input.split_first() {
            *input = rest;
            if let Some(length) = self.take(byte) {
                return Some(self.finish(length));
            }
        }
        None
    }

    /// The length of what `byte` completed, if it completed something.
    fn take(&mut self, byte: u8) -> Option<Length> {
        if byte == DELIMITER {
            let length = core::mem::take(&mut self.length);
            let overrun = core::mem::take(&mut self.overrun);
            return (length > 0).then_some(if overrun { Length::Overrun } else { Length::Frame(length) });
        }
        match self.buffer.get_mut(self.length) {
            Some(slot) => {
                *slot = byte;
                self.length += 1;
            }
            None => self.overrun = true,
        }
        None
    }

    fn finish(&mut self, length: Length) -> Result<Frame<'_>, FrameError> {
        let Length::Frame(length) = length else { return Err(FrameError::TooLong) };
        decode(self.buffer.get_mut(..length).ok_or(FrameError::TooLong)?)
    }
}

enum Length {
    Frame(usize),
    Overrun,
}

/// Fuzz body: frames from hostile bytes.
pub fn fuzz_frame(data: &[u8]) {
    let mut deframer = Deframer::default();
    let mut again = [0; MAX_ENCODED];
    for &byte in data {
        if let Some(Ok(frame)) = deframer.push(byte) {
            let length = encode(frame.header, frame.body, &mut again).expect("what was decoded fits");
            let stuffed = again.get_mut(..length - 1).expect("a frame ends with its delimiter");
            let second = decode(stuffed).expect("what was encoded decodes");
            assert_eq!(second, frame, "decode(encode(x)) = x");
        }
    }
}

#[cfg(test)]
mod tests;
