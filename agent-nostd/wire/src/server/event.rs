//! What the gateway's end of a line tells its owner.
//!
//! Hostile and broken input ends here as a value with its reason, to be counted and shown, never as an error of ours.
//! Invariant: every event but [`Event::Dropped`] and [`Event::Answered`] is authentic.

use crate::frame::{FrameError, Kind};
use crate::handshake::HandshakeError;
use crate::keys::{DeviceId, PublicKey};
use crate::limits::MAX_READINGS;
use crate::message::{EnrolRequest, Hello, MessageError, ParametersState, Reading};
use crate::session::SessionError;
use crate::statement::{Finding, StatementError};
use crate::version::VersionError;
use crate::{List, server::OfferError};

/// What one frame meant.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'s> {
    /// Nothing: count the reason.
    Dropped(Dropped),
    /// Part of a handshake; an answer is in the output.
    Answered,
    /// A device said who it is: its session stands. Send it the time, and parameters if its are old.
    Hello {
        /// The device.
        device: DeviceId,
        /// What it said.
        hello: Hello<'s>,
    },
    /// Measured values.
    Readings {
        /// The device.
        device: DeviceId,
        /// The values.
        readings: List<Reading, MAX_READINGS>,
    },
    /// A finding with a signature that fits. Commit, then acknowledge `finding.sequence`; it may come again until then.
    Finding {
        /// The device.
        device: DeviceId,
        /// What it says.
        finding: Finding,
        /// The signed bytes, which are the evidence.
        cose: &'s [u8],
    },
    /// What the device made of its parameters.
    ParametersState {
        /// The device.
        device: DeviceId,
        /// Which version it uses, and what became of the last ones.
        state: ParametersState,
    },
    /// A device proved an open code. Commit its keys, then call [`super::Server::grant`]; or call [`super::Server::refuse`].
    ///
    /// A device that lost its grant comes again with the same keys: give it the pre-shared key that is stored, not a new one,
    /// because it may have kept the first.
    Enrolment {
        /// The device, from its link key.
        device: DeviceId,
        /// Its link key.
        link: PublicKey,
        /// Its signing key and what it says about itself.
        request: EnrolRequest<'s>,
    },
}

/// Why a frame meant nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Dropped {
    /// No frame.
    #[error("no frame")]
    Frame(#[source] FrameError),
    /// A handshake message that does not fit.
    #[error("a handshake was refused")]
    Handshake(#[source] HandshakeError),
    /// A replay, a duplicate or a forgery.
    #[error("a frame was refused by its session")]
    Session(#[source] SessionError),
    /// Authentic, but no message that we know.
    #[error("an authentic frame holds no message that this end knows")]
    Message(#[source] MessageError),
    /// A finding that its own device did not sign. It is not acknowledged.
    #[error("device {device} sent a finding that does not verify")]
    Finding {
        /// The device that sent it.
        device: DeviceId,
        /// Why it does not verify.
        #[source]
        source: StatementError,
    },
    /// No version in common.
    #[error("no wire version in common")]
    Version(#[source] VersionError),
    /// An older version was proposed than both ends speak.
    #[error(
        "wire version {proposed} was proposed where {due} is due: an old message, or somebody on the line"
    )]
    Downgrade {
        /// The frame's version.
        proposed: u8,
        /// The highest common one.
        due: u8,
    },
    /// Nobody of that name is enrolled.
    #[error("device {device} is not enrolled here, or it is blocked")]
    UnknownDevice {
        /// The name that it gave.
        device: DeviceId,
    },
    /// A frame of a session that is not there.
    #[error("no session {session:08x} on this line: the device is asked to begin a new one")]
    NoSession {
        /// The session's number.
        session: u32,
    },
    /// A handshake that names the running session.
    #[error("a handshake for session {session:08x}, which is running: a replay")]
    SessionReused {
        /// The session's number.
        session: u32,
    },
    /// More handshakes than one device needs.
    #[error("too many handshakes on this line")]
    TooManyHandshakes,
    /// Something that only a gateway sends.
    #[error("a frame of kind {kind:?}, which only a gateway sends")]
    NotForUs {
        /// Its kind.
        kind: Kind,
    },
    /// An enrolment that no open code allows.
    #[error("an enrolment was refused")]
    Code(#[source] OfferError),
    /// An enrolment's message that is not due.
    #[error("a message of an enrolment that is not under way")]
    NoEnrolment,
    /// The line does not take what we write; the peer will ask again.
    #[error("the output of this line is full")]
    OutboxFull,
}

/// Why a message did not go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// No device proved itself on this line yet.
    #[error("no device is connected on this line")]
    NotConnected,
    /// The line takes no bytes.
    #[error("the output of this line is full: write it first")]
    OutboxFull,
    /// Longer than a statement may be.
    #[error("a statement of {length} bytes is too long for the link")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// The message exceeds its bounds.
    #[error("the message could not be encoded")]
    Message(#[source] MessageError),
    /// The session is used up.
    #[error("the session takes no more messages")]
    Session(#[source] SessionError),
    /// A grant without an enrolment that waits for one.
    #[error("no enrolment waits for a grant on this line")]
    NoEnrolment,
}
