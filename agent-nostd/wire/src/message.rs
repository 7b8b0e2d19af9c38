//! Messages inside a session, as CBOR (RFC 8949): `[kind, fields]`.
//!
//! One enum per direction, so an agent cannot even name what only a gateway says. Kinds and fields are appended, never
//! renumbered; an unknown kind is told from garbage, an unknown field is skipped. Trailing bytes are garbage.
//! Invariant: `decode(encode(x)) = x`, and the golden bytes of each wire version stay what they are.

use crate::bounded::{Blob, List, Text};
use crate::cbor::{Reader, Writer};
use crate::handshake::MAX_ENROL_REQUEST;
use crate::keys::SigningPublicKey;
use crate::limits::{MAX_COSE, MAX_MESSAGE, MAX_MODEL, MAX_READINGS};

mod form;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Milliseconds since the agent's start.
    pub uptime_ms: u64,
    /// Milliseconds since 1970 (UTC), once the site told the time in this run.
    pub unix_ms: Option<u64>,
}

/// What a number means. Unknown quantities are kept: an agent may be newer than its gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The sensor's number on its device.
    pub sensor: u8,
    /// What the value means.
    pub quantity: Quantity,
    /// The value, in the quantity's unit.
    pub value: i32,
    /// When it was measured.
    pub at: Stamp,
}

/// Who speaks: the first message of each link session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hello<'b> {
    /// SHA-256 over the firmware image.
    pub measurement: [u8; 32],
    /// The firmware's version: major, minor, patch.
    pub firmware: [u8; 3],
    /// The device's model.
    pub model: Text<'b, MAX_MODEL>,
    /// How often the device was started.
    pub boot_counter: u32,
    /// Names this run: random, made at the start.
    pub boot_id: [u8; 8],
    /// Milliseconds since the start, when this was sent: places what was stamped with uptime alone.
    pub uptime_ms: u64,
    /// The version of the parameters in use; 0 for none.
    pub parameters: u64,
    /// Findings that wait in the queue.
    pub queued: u32,
}

/// Whether the agent took parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParametersOutcome {
    /// In use, and stored.
    Applied,
    /// Older than or as old as those in use.
    Older,
    /// Not signed by the site, or for another device.
    NotSigned,
    /// Signed, but out of range or of an unknown form.
    Invalid,
    /// The flash refused them.
    NotStored,
}

/// What the agent made of the last parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParametersState {
    /// The version in use.
    pub version: u64,
    /// What became of the last ones that came.
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The pre-shared key of the links to come.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnrolRequest<'b> {
    /// The key that signs its findings, to be pinned.
    pub signing: SigningPublicKey,
    /// SHA-256 over the firmware image.
    pub measurement: [u8; 32],
    /// The firmware's version: major, minor, patch.
    pub firmware: [u8; 3],
    /// The device's model.
    pub model: Text<'b, MAX_MODEL>,
}

/// `[kind, fields]` into an empty buffer, which is left as long as the message.
fn encode<const N: usize>(
    kind: u8,
    fields: &dyn Fn(&mut Writer<'_>),
) -> Result<heapless::Vec<u8, N>, MessageError> {
    let mut bytes = heapless::Vec::new();
    bytes.resize(N, 0).map_err(|_| MessageError::TooLong)?;
    let mut writer = Writer::new(&mut bytes);
    writer.array(2);
    writer.unsigned(u64::from(kind));
    fields(&mut writer);
    let length = writer.finish().ok_or(MessageError::TooLong)?;
    bytes.truncate(length);
    Ok(bytes)
}

fn begin(bytes: &[u8]) -> Result<(u8, Reader<'_>), MessageError> {
    let mut reader = Reader::new(bytes);
    let length = reader.array(2);
    let kind = reader.u8();
    if length != 2 || reader.failed() {
        return Err(MessageError::Malformed { kind: None });
    }
    Ok((kind, reader))
}

fn end(kind: u8, reader: &Reader<'_>) -> Result<(), MessageError> {
    if reader.failed() {
        return Err(MessageError::Malformed { kind: Some(kind) });
    }
    match reader.left() {
        0 => Ok(()),
        extra => Err(MessageError::Trailing { kind, extra }),
    }
}

impl<'b> ToSite<'b> {
    /// The message as CBOR.
    ///
    /// # Errors
    /// [`MessageError::TooLong`], which the bounds of the fields keep from happening.
    pub fn encode(&self) -> Result<Encoded, MessageError> {
        encode(self.kind(), &|to| match self {
            Self::Hello(fields) => fields.write(to),
            Self::Readings(readings) => {
                to.array(readings.len() as u64);
                readings.iter().for_each(|reading| reading.write(to));
            }
            Self::Finding(cose) => to.bytes(cose.as_bytes()),
            Self::ParametersState(fields) => fields.write(to),
        })
    }

    const fn kind(&self) -> u8 {
        match self {
            Self::Hello(_) => 0,
            Self::Readings(_) => 1,
            Self::Finding(_) => 2,
            Self::ParametersState(_) => 3,
        }
    }

    /// The message in `bytes`.
    ///
    /// # Errors
    /// [`MessageError`].
    pub fn decode(bytes: &'b [u8]) -> Result<Self, MessageError> {
        let (kind, mut from) = begin(bytes)?;
        let message = match kind {
            0 => Self::Hello(Hello::read(&mut from)),
            1 => Self::Readings(List::read(&mut from, Reading::read)),
            2 => Self::Finding(Blob::read(&mut from)),
            3 => Self::ParametersState(ParametersState::read(&mut from)),
            _ => return Err(MessageError::Unknown { kind }),
        };
        end(kind, &from).map(|()| message)
    }
}

impl<'b> ToAgent<'b> {
    /// The message as CBOR.
    ///
    /// # Errors
    /// [`MessageError::TooLong`], which the bounds of the fields keep from happening.
    pub fn encode(&self) -> Result<Encoded, MessageError> {
        encode(self.kind(), &|to| match self {
            Self::Acknowledgement(sequence) => to.unsigned(*sequence),
            Self::Parameters(cose) | Self::Time(cose) => to.bytes(cose.as_bytes()),
            Self::Grant(fields) => fields.write(to),
        })
    }

    const fn kind(&self) -> u8 {
        match self {
            Self::Acknowledgement(_) => 0,
            Self::Parameters(_) => 1,
            Self::Time(_) => 2,
            Self::Grant(_) => 3,
        }
    }

    /// The message in `bytes`.
    ///
    /// # Errors
    /// [`MessageError`].
    pub fn decode(bytes: &'b [u8]) -> Result<Self, MessageError> {
        let (kind, mut from) = begin(bytes)?;
        let message = match kind {
            0 => Self::Acknowledgement(from.u64()),
            1 => Self::Parameters(Blob::read(&mut from)),
            2 => Self::Time(Blob::read(&mut from)),
            3 => Self::Grant(Grant::read(&mut from)),
            _ => return Err(MessageError::Unknown { kind }),
        };
        end(kind, &from).map(|()| message)
    }
}

impl<'b> EnrolRequest<'b> {
    /// The request as CBOR, with kind 0.
    ///
    /// # Errors
    /// [`MessageError::TooLong`], which the bounds of the fields keep from happening.
    pub fn encode(&self) -> Result<heapless::Vec<u8, MAX_ENROL_REQUEST>, MessageError> {
        encode(0, &|to| {
            to.array(4);
            to.bytes(&self.signing);
            to.bytes(&self.measurement);
            to.bytes(&self.firmware);
            to.text(self.model.as_str());
        })
    }

    /// The request in `bytes`.
    ///
    /// # Errors
    /// [`MessageError`].
    pub fn decode(bytes: &'b [u8]) -> Result<Self, MessageError> {
        let (kind, mut from) = begin(bytes)?;
        if kind != 0 {
            return Err(MessageError::Unknown { kind });
        }
        let fields = from.array(4);
        let request = Self {
            signing: from.exact(),
            measurement: from.exact(),
            firmware: from.exact(),
            model: Text::read(&mut from),
        };
        from.skip(fields.saturating_sub(4));
        end(kind, &from).map(|()| request)
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
