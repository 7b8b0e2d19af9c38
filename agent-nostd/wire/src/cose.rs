//! COSE_Sign1 with Ed25519 (RFC 9052 §4.2, RFC 9053 §2.2), the one form that the link uses.
//!
//! ```text
//! 18([ << {1: -8, 4: kid, 16: type} >>, {}, payload, signature ])
//! ```
//! Label 1 is the algorithm EdDSA, 4 the key identifier (the device's, or the site's name for its key), 16 the type
//! (RFC 9596), which keeps a signed finding from passing for signed parameters. No external data, no unprotected header.
//! It computes no signature: the caller brings the functions, since both ends use different libraries.
//! Invariant: [`Sign1::verify`] is the only way to the payload, so nobody reads what was not checked.

use crate::cbor::{Reader, Writer};
use crate::keys::{Signature, SigningPublicKey, Verify};
use crate::limits::{MAX_COSE, MAX_PAYLOAD, MAX_SIGNED};

const TAG_SIGN1: u64 = 18;
const ALGORITHM: u64 = 1;
const EDDSA: i32 = -8;
const KEY_IDENTIFIER: u64 = 4;
const TYPE: u64 = 16;

/// Bytes of a protected header: map, algorithm, key identifier, type of at most 23 characters.
const MAX_PROTECTED: usize = 1 + 2 + 10 + 1 + 24;

/// A COSE_Sign1 that fits by its bounds.
pub type Encoded = heapless::Vec<u8, MAX_COSE>;

/// What a statement is about: the value of header 16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// A device's finding.
    Finding,
    /// A site's parameters for one device.
    Parameters,
    /// A site's time for one run of one device.
    Time,
}

impl Type {
    /// The text in the header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Finding => "sitewarden/finding",
            Self::Parameters => "sitewarden/parameters",
            Self::Time => "sitewarden/time",
        }
    }
}

/// Why bytes are no statement, or not the one that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CoseError {
    /// Not of the one form above.
    #[error("no COSE_Sign1 of the form that this link uses")]
    Malformed,
    /// Signed, but about something else.
    #[error("a statement of another type than {}", expected.as_str())]
    OtherType {
        /// The type that was asked for.
        expected: Type,
    },
    /// The signature does not fit the key.
    #[error("the signature does not fit the key: the statement is forged, or for another key")]
    Signature,
    /// The payload exceeds [`MAX_PAYLOAD`].
    #[error("the payload does not fit into a statement")]
    TooLong,
}

fn protected(kid: &[u8; 8], kind: Type) -> Result<heapless::Vec<u8, MAX_PROTECTED>, CoseError> {
    let mut bytes = heapless::Vec::new();
    bytes.resize(MAX_PROTECTED, 0).map_err(|_| CoseError::TooLong)?;
    let mut writer = Writer::new(&mut bytes);
    writer.map(3);
    writer.unsigned(ALGORITHM);
    writer.signed(EDDSA);
    writer.unsigned(KEY_IDENTIFIER);
    writer.bytes(kid);
    writer.unsigned(TYPE);
    writer.text(kind.as_str());
    let length = writer.finish().ok_or(CoseError::TooLong)?;
    bytes.truncate(length);
    Ok(bytes)
}

/// The bytes that are signed: `["Signature1", protected, h'', payload]` (RFC 9052 §4.4), at the start of `buffer`.
fn to_be_signed<'b>(
    protected: &[u8],
    payload: &[u8],
    buffer: &'b mut [u8; MAX_SIGNED],
) -> Result<&'b [u8], CoseError> {
    let mut writer = Writer::new(buffer);
    writer.array(4);
    writer.text("Signature1");
    writer.bytes(protected);
    writer.bytes(&[]);
    writer.bytes(payload);
    let length = writer.finish().ok_or(CoseError::TooLong)?;
    buffer.get(..length).ok_or(CoseError::TooLong)
}

/// Signs `payload` as a statement of type `kind`.
///
/// # Errors
/// [`CoseError::TooLong`] if the payload exceeds [`MAX_PAYLOAD`].
pub fn sign(
    kind: Type,
    kid: &[u8; 8],
    payload: &[u8],
    signer: &dyn Fn(&[u8]) -> Signature,
) -> Result<Encoded, CoseError> {
    if payload.len() > MAX_PAYLOAD {
        return Err(CoseError::TooLong);
    }
    let protected = protected(kid, kind)?;
    let mut buffer = [0; MAX_SIGNED];
    let signature = signer(to_be_signed(&protected, payload, &mut buffer)?);
    let mut bytes = Encoded::new();
    bytes.resize(MAX_COSE, 0).map_err(|_| CoseError::TooLong)?;
    let mut writer = Writer::new(&mut bytes);
    writer.tag(TAG_SIGN1);
    writer.array(4);
    writer.bytes(&protected);
    writer.map(0);
    writer.bytes(payload);
    writer.bytes(&signature);
    let length = writer.finish().ok_or(CoseError::TooLong)?;
    bytes.truncate(length);
    Ok(bytes)
}

/// A statement whose signature nobody checked yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sign1<'b> {
    protected: &'b [u8],
    kid: &'b [u8; 8],
    kind: &'b str,
    payload: &'b [u8],
    signature: &'b Signature,
}

impl<'b> Sign1<'b> {
    /// Takes `bytes` apart.
    ///
    /// # Errors
    /// [`CoseError::Malformed`].
    pub fn decode(bytes: &'b [u8]) -> Result<Self, CoseError> {
        if bytes.len() > MAX_COSE {
            return Err(CoseError::Malformed);
        }
        Self::read(bytes).ok_or(CoseError::Malformed)
    }

    fn read(bytes: &'b [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let form = (reader.tag(), reader.array(4));
        let protected = reader.bytes();
        let unprotected = reader.map();
        let payload = reader.bytes();
        let signature: &Signature = reader.bytes().try_into().ok()?;
        let whole = !reader.failed() && reader.left() == 0;
        if form != (TAG_SIGN1, 4) || unprotected != 0 || !whole || payload.len() > MAX_PAYLOAD {
            return None;
        }
        let (kid, kind) = Self::read_protected(protected)?;
        Some(Self { protected, kid, kind, payload, signature })
    }

    fn read_protected(bytes: &'b [u8]) -> Option<(&'b [u8; 8], &'b str)> {
        let mut reader = Reader::new(bytes);
        let algorithm = (reader.map(), reader.u64(), reader.i32());
        let kid = (reader.u64(), reader.bytes());
        let kind = (reader.u64(), reader.text());
        let form = (algorithm, kid.0, kind.0) == ((3, ALGORITHM, EDDSA), KEY_IDENTIFIER, TYPE);
        let whole = !reader.failed() && reader.left() == 0 && bytes.len() <= MAX_PROTECTED;
        let kid = kid.1.try_into().ok()?;
        (form && whole).then_some((kid, kind.1))
    }

    /// Which key is said to have signed. Only a hint for the choice of the key.
    #[must_use]
    pub const fn kid(&self) -> &'b [u8; 8] {
        self.kid
    }

    /// The payload, if `key` signed it as a statement of type `expected`.
    ///
    /// # Errors
    /// [`CoseError::OtherType`] or [`CoseError::Signature`].
    pub fn verify(
        &self,
        expected: Type,
        key: &SigningPublicKey,
        verify: Verify,
    ) -> Result<&'b [u8], CoseError> {
        if self.kind != expected.as_str() {
            return Err(CoseError::OtherType { expected });
        }
        let mut buffer = [0; MAX_SIGNED];
        let signed =
            to_be_signed(self.protected, self.payload, &mut buffer).map_err(|_| CoseError::Malformed)?;
        if verify(key, signed, self.signature) { Ok(self.payload) } else { Err(CoseError::Signature) }
    }
}

/// Fuzz body: statements from hostile bytes.
pub fn fuzz_cose(data: &[u8]) {
    if let Ok(statement) = Sign1::decode(data) {
        assert!(statement.payload.len() + statement.protected.len() + 64 < data.len());
        for kind in [Type::Finding, Type::Parameters, Type::Time] {
            let _ = statement.verify(kind, &[0; 32], |_, _, _| false).expect_err("nobody's signature");
        }
        if let Some(known) =
            [Type::Finding, Type::Parameters, Type::Time].into_iter().find(|t| t.as_str() == statement.kind)
        {
            let again = sign(known, statement.kid, statement.payload, &|_| *statement.signature);
            let again = again.expect("what was decoded is within its bounds");
            let second = Sign1::decode(&again).expect("what was encoded decodes");
            assert_eq!(
                (second.payload, second.kid, second.kind),
                (statement.payload, statement.kid, statement.kind)
            );
        }
    }
}

#[cfg(test)]
mod tests;
