//! An encrypted session: numbers that only rise, so nothing is accepted twice.
//!
//! The frame's sequence number is the AEAD's nonce and its header the additional data. A receiver takes a number once and
//! only in rising order: lost frames leave gaps, repeated and reordered ones are refused; whoever needs an answer sends
//! again, with a new number. It does not know what a message means.
//! Invariants: a number is used for one frame only; a frame that fails changes nothing, so a forger cannot push the numbers on.

use crate::frame::{self, FrameError, Header, Kind};
use crate::limits::{MAX_BODY, MAX_MESSAGE, MAX_SESSION_FRAMES, TAG};
use crate::noise::{Cipher, Finished};

/// Why a session refused a frame or could not make one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The frame names another session.
    #[error("a frame of session {theirs:08x} in session {ours:08x}")]
    OtherSession {
        /// The frame's.
        theirs: u32,
        /// Ours.
        ours: u32,
    },
    /// The frame is of another version than the handshake agreed on.
    #[error("a frame of wire version {theirs} in a session of version {ours}")]
    OtherVersion {
        /// The frame's.
        theirs: u8,
        /// Ours.
        ours: u8,
    },
    /// The number was there already, or a higher one was: a replay, a duplicate, a reordered frame.
    #[error("frame number {sequence} after {next} was due: a replay or a duplicate")]
    Replayed {
        /// The frame's number.
        sequence: u32,
        /// The lowest number that may come.
        next: u32,
    },
    /// The tag does not fit.
    #[error("a frame that this session's peer did not write")]
    Forged,
    /// [`MAX_SESSION_FRAMES`] are used up: shake hands again.
    #[error("the session's numbers are used up: a new handshake is due")]
    Exhausted,
    /// The message exceeds [`MAX_MESSAGE`].
    #[error("a message of {length} bytes exceeds {}", MAX_MESSAGE)]
    TooLong {
        /// The message's length.
        length: usize,
    },
    /// The frame does not fit into the output buffer.
    #[error("the frame could not be written")]
    Frame {
        /// Why.
        #[source]
        source: FrameError,
    },
}

/// One end of a session.
pub struct Session {
    version: u8,
    id: u32,
    send: Cipher,
    receive: Cipher,
    next_send: u32,
    next_receive: u32,
}

impl core::fmt::Debug for Session {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .field("next_send", &self.next_send)
            .field("next_receive", &self.next_receive)
            .finish_non_exhaustive()
    }
}

impl Session {
    pub(crate) fn new(version: u8, id: u32, finished: Finished) -> Self {
        let Finished { send, receive, .. } = finished;
        Self { version, id, send, receive, next_send: 0, next_receive: 0 }
    }

    /// The session's number, as in its frames.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// The wire version that the handshake agreed on.
    #[must_use]
    pub const fn version(&self) -> u8 {
        self.version
    }

    /// Encrypts `message` and writes its frame to the start of `out`; returns the frame's length.
    ///
    /// # Errors
    /// [`SessionError::TooLong`], [`SessionError::Exhausted`], or [`SessionError::Frame`] if `out` is too small.
    pub fn seal(&mut self, message: &[u8], out: &mut [u8]) -> Result<usize, SessionError> {
        let too_long = SessionError::TooLong { length: message.len() };
        if message.len() > MAX_MESSAGE {
            return Err(too_long);
        }
        if self.next_send >= MAX_SESSION_FRAMES {
            return Err(SessionError::Exhausted);
        }
        let sequence = self.next_send;
        // Counted before it is used: whatever fails below, the number is spent.
        self.next_send += 1;
        let header = Header { version: self.version, kind: Kind::Data, session: self.id, sequence };
        let mut body = [0; MAX_BODY];
        body.get_mut(..message.len()).ok_or(too_long)?.copy_from_slice(message);
        self.send.set_nonce(u64::from(sequence));
        let length = self
            .send
            .encrypt_with_ad_in_place(&header.to_bytes(), &mut body, message.len())
            .map_err(|_| SessionError::Exhausted)?;
        let body = body.get(..length).ok_or(too_long)?;
        frame::encode(header, body, out).map_err(|source| SessionError::Frame { source })
    }

    /// Decrypts the body of a frame where it lies.
    ///
    /// # Errors
    /// [`SessionError`]; the session is as it was before.
    pub fn open<'a>(&mut self, header: Header, body: &'a mut [u8]) -> Result<&'a [u8], SessionError> {
        if header.session != self.id || header.kind != Kind::Data {
            return Err(SessionError::OtherSession { theirs: header.session, ours: self.id });
        }
        if header.version != self.version {
            return Err(SessionError::OtherVersion { theirs: header.version, ours: self.version });
        }
        if header.sequence < self.next_receive {
            return Err(SessionError::Replayed { sequence: header.sequence, next: self.next_receive });
        }
        if header.sequence >= MAX_SESSION_FRAMES {
            return Err(SessionError::Exhausted);
        }
        let length = body.len();
        if length < TAG {
            return Err(SessionError::Forged);
        }
        self.receive.set_nonce(u64::from(header.sequence));
        let length = self
            .receive
            .decrypt_with_ad_in_place(&header.to_bytes(), body, length)
            .map_err(|_| SessionError::Forged)?;
        self.next_receive = header.sequence + 1;
        let body: &[u8] = body;
        body.get(..length).ok_or(SessionError::Forged)
    }
}

#[cfg(test)]
mod tests;
