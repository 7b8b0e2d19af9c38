//! Messages inside a session, as CBOR (RFC 8949): `[kind, fields]`.
//!
//! One enum per direction, so an agent cannot even name what only a gateway says. Kinds and fields are appended, never
//! renumbered; an unknown kind is told from garbage, an unknown field is skipped. Trailing bytes are garbage.
//! Invariant: `decode(encode(x)) = x`, and the golden bytes of each wire version stay what they are.

use minicbor::encode::write::Cursor;
use minicbor::{Decode, Decoder, Encode, Encoder};

use crate::bounded::{Blob, List, Text};
use crate::handshake::MAX_ENROL_REQUEST;
use crate::keys::SigningPublicKey;
use crate::limits::{MAX_COSE, MAX_MESSAGE, MAX_MODEL, MAX_READINGS};

/// A message that fits by its bounds.
pub type Encoded = heapless::Vec<u8, MAX_MESSAGE>;

/// Why bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// A message of a kind that this end does not know: the peer is newer.
    #[error("a message of unknown kind {kind}: the peer is newer")]
    Unknown {
        /// Its kind.
        kind: u8,
    },
    /// No CBOR, or not the fields of this kind, or a bound is exceeded.
    #[error("a malformed message of kind {kind:?}")]
    Malformed {
        /// Its kind, where it could be read.
        kind: Option<u8>,
    },
    /// More bytes than the message.
    #[error("{extra} bytes after a message of kind {kind}")]
    Trailing {
        /// Its kind.
        kind: u8,
        /// How many.
        extra: usize,
    },
    /// The message to send exceeds its buffer.
    #[error("the message does not fit into its buffer")]
    TooLong,
}

/// When something was seen, by the agent's clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Stamp {
    /// Milliseconds since the agent's start.
    #[n(0)]
    pub uptime_ms: u64,
    /// Milliseconds since 1970 (UTC), once the site told the time in this run.
    #[n(1)]
    pub unix_ms: Option<u64>,
}

/// What a number means. Unknown quantities are kept: an agent may be newer than its gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Quantity(pub u8);

impl Quantity {
    /// Thousandths of a degree Celsius.
    pub const TEMPERATURE: Self = Self(1);
    /// Thousandths of a per cent of relative humidity.
    pub const HUMIDITY: Self = Self(2);
    /// 0 closed, 1 open.
    pub const CONTACT: Self = Self(3);
    /// Millivolts.
    pub const VOLTAGE: Self = Self(4);
}

/// One measured value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Reading {
    /// The sensor's number on its device.
    #[n(0)]
    pub sensor: u8,
    /// What the value means.
    #[n(1)]
    pub quantity: Quantity,
    /// The value, in the quantity's unit.
    #[n(2)]
    pub value: i32,
    /// When it was measured.
    #[n(3)]
    pub at: Stamp,
}

/// Who speaks: the first message of each link session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Hello<'b> {
    /// SHA-256 over the firmware image.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub measurement: [u8; 32],
    /// The firmware's version: major, minor, patch.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub firmware: [u8; 3],
    /// The device's model.
    #[cbor(b(2))]
    pub model: Text<'b, MAX_MODEL>,
    /// How often the device was started.
    #[n(3)]
    pub boot_counter: u32,
    /// Names this run: random, made at the start.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub boot_id: [u8; 8],
    /// Milliseconds since the start, when this was sent: places what was stamped with uptime alone.
    #[n(5)]
    pub uptime_ms: u64,
    /// The version of the parameters in use; 0 for none.
    #[n(6)]
    pub parameters: u64,
    /// Findings that wait in the queue.
    #[n(7)]
    pub queued: u32,
}

/// Whether the agent took parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ParametersOutcome {
    /// In use, and stored.
    #[n(0)]
    Applied,
    /// Older than or as old as those in use.
    #[n(1)]
    Older,
    /// Not signed by the site, or for another device.
    #[n(2)]
    NotSigned,
    /// Signed, but out of range or of an unknown form.
    #[n(3)]
    Invalid,
    /// The flash refused them.
    #[n(4)]
    NotStored,
}

/// What the agent made of the last parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct ParametersState {
    /// The version in use.
    #[n(0)]
    pub version: u64,
    /// What became of the last ones that came.
    #[n(1)]
    pub outcome: ParametersOutcome,
}

/// What an agent says to its gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToSite<'b> {
    /// Kind 0.
    Hello(Hello<'b>),
    /// Kind 1: measured values, oldest first.
    Readings(List<Reading, MAX_READINGS>),
    /// Kind 2: a COSE_Sign1 over a [`crate::statement::Finding`].
    Finding(Blob<'b, MAX_COSE>),
    /// Kind 3.
    ParametersState(ParametersState),
}

/// The right to connect, the end of an enrolment.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Grant {
    /// The pre-shared key of the links to come.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub psk: [u8; 32],
}

/// What a gateway says to its agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToAgent<'b> {
    /// Kind 0: the finding of this number is committed; the agent may forget it.
    Acknowledgement(u64),
    /// Kind 1: a COSE_Sign1 over [`crate::statement::Parameters`].
    Parameters(Blob<'b, MAX_COSE>),
    /// Kind 2: a COSE_Sign1 over a [`crate::statement::Time`].
    Time(Blob<'b, MAX_COSE>),
    /// Kind 3, on the session of an enrolment only.
    Grant(Grant),
}

/// What an agent tells in an enrolment, under the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct EnrolRequest<'b> {
    /// The key that signs its findings, to be pinned.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub signing: SigningPublicKey,
    /// SHA-256 over the firmware image.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub measurement: [u8; 32],
    /// The firmware's version: major, minor, patch.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub firmware: [u8; 3],
    /// The device's model.
    #[cbor(b(3))]
    pub model: Text<'b, MAX_MODEL>,
}

fn encode_kind<T: Encode<()>, const N: usize>(
    kind: u8,
    fields: &T,
) -> Result<heapless::Vec<u8, N>, MessageError> {
    let mut bytes = heapless::Vec::new();
    bytes.resize(N, 0).map_err(|_| MessageError::TooLong)?;
    let mut encoder = Encoder::new(Cursor::new(bytes.as_mut_slice()));
    let written = encoder.array(2).and_then(|e| e.u8(kind)).and_then(|e| e.encode(fields));
    written.map_err(|_| MessageError::TooLong)?;
    let length = encoder.into_writer().position();
    bytes.truncate(length);
    Ok(bytes)
}

fn decode_kind(bytes: &[u8]) -> Result<(u8, Decoder<'_>), MessageError> {
    let mut decoder = Decoder::new(bytes);
    let malformed = MessageError::Malformed { kind: None };
    if decoder.array().map_err(|_| malformed)? != Some(2) {
        return Err(malformed);
    }
    let kind = decoder.u8().map_err(|_| malformed)?;
    Ok((kind, decoder))
}

fn decode_fields<'b, T: Decode<'b, ()>>(kind: u8, mut decoder: Decoder<'b>) -> Result<T, MessageError> {
    let fields = decoder.decode().map_err(|_| MessageError::Malformed { kind: Some(kind) })?;
    match decoder.input().len() - decoder.position() {
        0 => Ok(fields),
        extra => Err(MessageError::Trailing { kind, extra }),
    }
}

impl<'b> ToSite<'b> {
    /// The message as CBOR.
    ///
    /// # Errors
    /// [`MessageError::TooLong`], which the bounds of the fields keep from happening.
    pub fn encode(&self) -> Result<Encoded, MessageError> {
        match self {
            Self::Hello(fields) => encode_kind(0, fields),
            Self::Readings(fields) => encode_kind(1, fields),
            Self::Finding(fields) => encode_kind(2, fields),
            Self::ParametersState(fields) => encode_kind(3, fields),
        }
    }

    /// The message in `bytes`.
    ///
    /// # Errors
    /// [`MessageError`].
    pub fn decode(bytes: &'b [u8]) -> Result<Self, MessageError> {
        let (kind, decoder) = decode_kind(bytes)?;
        match kind {
            0 => decode_fields(kind, decoder).map(Self::Hello),
            1 => decode_fields(kind, decoder).map(Self::Readings),
            2 => decode_fields(kind, decoder).map(Self::Finding),
            3 => decode_fields(kind, decoder).map(Self::ParametersState),
            _ => Err(MessageError::Unknown { kind }),
        }
    }
}

impl<'b> ToAgent<'b> {
    /// The message as CBOR.
    ///
    /// # Errors
    /// [`MessageError::TooLong`], which the bounds of the fields keep from happening.
    pub fn encode(&self) -> Result<Encoded, MessageError> {
        match self {
            Self::Acknowledgement(sequence) => encode_kind(0, sequence),
            Self::Parameters(fields) => encode_kind(1, fields),
            Self::Time(fields) => encode_kind(2, fields),
            Self::Grant(fields) => encode_kind(3, fields),
        }
    }

    /// The message in `bytes`.
    ///
    /// # Errors
    /// [`MessageError`].
    pub fn decode(bytes: &'b [u8]) -> Result<Self, MessageError> {
        let (kind, decoder) = decode_kind(bytes)?;
        match kind {
            0 => decode_fields(kind, decoder).map(Self::Acknowledgement),
            1 => decode_fields(kind, decoder).map(Self::Parameters),
            2 => decode_fields(kind, decoder).map(Self::Time),
            3 => decode_fields(kind, decoder).map(Self::Grant),
            _ => Err(MessageError::Unknown { kind }),
        }
    }
}

impl<'b> EnrolRequest<'b> {
    /// The request as CBOR, with kind 0.
    ///
    /// # Errors
    /// [`MessageError::TooLong`], which the bounds of the fields keep from happening.
    pub fn encode(&self) -> Result<heapless::Vec<u8, MAX_ENROL_REQUEST>, MessageError> {
        encode_kind(0, self)
    }

    /// The request in `bytes`.
    ///
    /// # Errors
    /// [`MessageError`].
    pub fn decode(bytes: &'b [u8]) -> Result<Self, MessageError> {
        match decode_kind(bytes)? {
            (0, decoder) => decode_fields(0, decoder),
            (kind, _) => Err(MessageError::Unknown { kind }),
        }
    }
}

/// Fuzz body: each message from hostile bytes.
pub fn fuzz_message(data: &[u8]) {
    if let Ok(message) = ToSite::decode(data) {
        let again = message.encode().expect("what was decoded is within its bounds");
        assert_eq!(ToSite::decode(&again).as_ref(), Ok(&message), "decode(encode(x)) = x");
    }
    if let Ok(message) = ToAgent::decode(data) {
        let again = message.encode().expect("what was decoded is within its bounds");
        assert_eq!(ToAgent::decode(&again).as_ref(), Ok(&message), "decode(encode(x)) = x");
    }
    if let Ok(request) = EnrolRequest::decode(data) {
        let again = request.encode().expect("what was decoded is within its bounds");
        assert_eq!(EnrolRequest::decode(&again).as_ref(), Ok(&request), "decode(encode(x)) = x");
    }
}

#[cfg(test)]
mod tests;
