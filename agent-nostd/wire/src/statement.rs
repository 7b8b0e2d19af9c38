//! What is signed: a device's findings, a site's parameters and time. CBOR maps with small integer keys inside COSE_Sign1.
//!
//! A statement stands on its own: it names its device and what it needs to be understood years later by somebody who has
//! only the key. Keys are appended, never renumbered; an unknown key is skipped.
//! Invariants: a statement is made by its `sign` and read by its `verify`, which checks the signature first, then the form,
//! then the ranges; so a value of these types that came over the link is authentic and in range.

use minicbor::encode::write::Cursor;
use minicbor::{Decode, Decoder, Encode, Encoder};

use crate::bounded::List;
use crate::cose::{self, CoseError, Sign1, Type};
use crate::keys::{DeviceId, Signature, SigningPublicKey, Verify};
use crate::limits::{MAX_PAYLOAD, MAX_RULE_TIME_MS, MAX_RULES};
use crate::message::Quantity;

/// Why a statement is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// Not signed, or by another key, or about something else.
    #[error("the statement is not authentic")]
    Cose {
        /// Why.
        #[source]
        source: CoseError,
    },
    /// Signed, for another device or another run of it.
    #[error("the statement is for another device or another run of it")]
    OtherDevice,
    /// Signed, but not of the expected form.
    #[error("the statement is signed but malformed: its writer is newer or broken")]
    Malformed,
    /// Signed and well formed, but a value is out of its range.
    #[error("rule {rule}: its values are out of range or contradict each other")]
    Range {
        /// The rule.
        rule: u16,
    },
}

impl StatementError {
    const fn cose(source: CoseError) -> Self {
        Self::Cose { source }
    }
}

/// What a finding says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum FindingKind {
    /// A value above its limit.
    #[n(1)]
    Above,
    /// A value below its limit.
    #[n(2)]
    Below,
    /// A sensor that gives no reading.
    #[n(3)]
    Missing,
    /// The case was opened.
    #[n(4)]
    Tamper,
    /// Findings could not be stored: the queue was full or the flash failed. `lost` says how many.
    #[n(5)]
    Lost,
}

/// Whether the state began or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum FindingState {
    /// It began.
    #[n(1)]
    Raised,
    /// It ended.
    #[n(2)]
    Cleared,
}

/// A finding that a device raised by its own rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Finding {
    /// The device, which is also the statement's key identifier.
    #[n(0)]
    pub device: DeviceId,
    /// Its number: boot counter × 2^32 + number in this run. Rises, never repeats, may leave gaps.
    #[n(1)]
    pub sequence: u64,
    /// The run in which it was raised.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub boot_id: [u8; 8],
    /// How often the device had been started.
    #[n(3)]
    pub boot_counter: u32,
    /// Milliseconds since that start.
    #[n(4)]
    pub uptime_ms: u64,
    /// Milliseconds since 1970 (UTC), if the site had told the time in this run.
    #[n(5)]
    pub unix_ms: Option<u64>,
    /// The rule; 0 for what needs none (tamper, losses).
    #[n(6)]
    pub rule: u16,
    /// What it says.
    #[n(7)]
    pub kind: FindingKind,
    /// Began or ended.
    #[n(8)]
    pub state: FindingState,
    /// The sensor, where one is concerned.
    #[n(9)]
    pub sensor: Option<u8>,
    /// What the sensor's values mean.
    #[n(10)]
    pub quantity: Option<Quantity>,
    /// The value that decided.
    #[n(11)]
    pub value: Option<i32>,
    /// The limit that it passed.
    #[n(12)]
    pub limit: Option<i32>,
    /// The version of the parameters that held the rule.
    #[n(13)]
    pub parameters: u64,
    /// For [`FindingKind::Lost`]: how many.
    #[n(14)]
    pub lost: Option<u32>,
}

/// What a rule watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Check {
    /// Raised when the value is above `limit` for the hold time, cleared when it is at or below `clear` as long.
    #[n(1)]
    Above {
        /// In the sensor's unit.
        #[n(0)]
        limit: i32,
        /// At most `limit`; the gap is the hysteresis.
        #[n(1)]
        clear: i32,
    },
    /// Raised when the value is below `limit` for the hold time, cleared when it is at or above `clear` as long.
    #[n(2)]
    Below {
        /// In the sensor's unit.
        #[n(0)]
        limit: i32,
        /// At least `limit`; the gap is the hysteresis.
        #[n(1)]
        clear: i32,
    },
    /// Raised when the sensor gave no reading for the hold time, cleared by the next one.
    #[n(3)]
    Missing,
}

/// One rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Rule {
    /// Its number, not 0, unique in its set.
    #[n(0)]
    pub id: u16,
    /// The sensor that it watches.
    #[n(1)]
    pub sensor: u8,
    /// What it watches.
    #[n(2)]
    pub check: Check,
    /// How long before it raises or clears, in milliseconds.
    #[n(3)]
    pub hold_ms: u32,
}

impl Rule {
    fn in_range(&self) -> bool {
        let fits = match self.check {
            Check::Above { limit, clear } => clear <= limit,
            Check::Below { limit, clear } => clear >= limit,
            Check::Missing => self.hold_ms > 0,
        };
        fits && self.id != 0 && self.hold_ms <= MAX_RULE_TIME_MS
    }
}

/// A site's parameters for one device.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Parameters {
    /// Rises with each change; a device takes no older set.
    #[n(0)]
    pub version: u64,
    /// The device.
    #[n(1)]
    pub device: DeviceId,
    /// Its rules.
    #[n(2)]
    pub rules: List<Rule, MAX_RULES>,
    /// Milliseconds between two reports of the sensors' values; 0 for none.
    #[n(3)]
    pub report_ms: u32,
}

impl Parameters {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// [`StatementError::Range`] with the rule that is wrong.
    pub fn check(&self) -> Result<(), StatementError> {
        for (at, rule) in self.rules.iter().enumerate() {
            let unique = self.rules.iter().take(at).all(|earlier| earlier.id != rule.id);
            if !rule.in_range() || !unique {
                return Err(StatementError::Range { rule: rule.id });
            }
        }
        Ok(())
    }

    /// Checks and signs.
    ///
    /// # Errors
    /// [`StatementError::Range`], or [`StatementError::Cose`] if it is too long.
    pub fn sign(
        &self,
        site: &[u8; 8],
        signer: &dyn Fn(&[u8]) -> Signature,
    ) -> Result<cose::Encoded, StatementError> {
        self.check()?;
        sign(Type::Parameters, site, self, signer)
    }

    /// The parameters in `bytes`, if `key` signed them for `device` and they are in range.
    ///
    /// # Errors
    /// [`StatementError`].
    pub fn verify(
        bytes: &[u8],
        device: DeviceId,
        key: &SigningPublicKey,
        function: Verify,
    ) -> Result<Self, StatementError> {
        let parameters: Self = verify(Type::Parameters, bytes, key, function)?;
        if parameters.device != device {
            return Err(StatementError::OtherDevice);
        }
        parameters.check()?;
        Ok(parameters)
    }
}

/// A site's time for one run of one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Time {
    /// The device.
    #[n(0)]
    pub device: DeviceId,
    /// The run: a time that was signed for an earlier run is none for this one.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub boot_id: [u8; 8],
    /// Milliseconds since 1970 (UTC).
    #[n(2)]
    pub unix_ms: u64,
}

impl Time {
    /// Signs.
    ///
    /// # Errors
    /// [`StatementError::Cose`], which the bounds keep from happening.
    pub fn sign(
        &self,
        site: &[u8; 8],
        signer: &dyn Fn(&[u8]) -> Signature,
    ) -> Result<cose::Encoded, StatementError> {
        sign(Type::Time, site, self, signer)
    }

    /// The time in `bytes`, if `key` signed it for this run of `device`.
    ///
    /// # Errors
    /// [`StatementError`].
    pub fn verify(
        bytes: &[u8],
        device: DeviceId,
        boot_id: [u8; 8],
        key: &SigningPublicKey,
        function: Verify,
    ) -> Result<Self, StatementError> {
        let time: Self = verify(Type::Time, bytes, key, function)?;
        if time.device != device || time.boot_id != boot_id {
            return Err(StatementError::OtherDevice);
        }
        Ok(time)
    }
}

impl Finding {
    /// Signs.
    ///
    /// # Errors
    /// [`StatementError::Cose`], which the bounds keep from happening.
    pub fn sign(&self, signer: &dyn Fn(&[u8]) -> Signature) -> Result<cose::Encoded, StatementError> {
        sign(Type::Finding, self.device.as_bytes(), self, signer)
    }

    /// The finding in `bytes`, if `device` signed it with `key`.
    ///
    /// # Errors
    /// [`StatementError`].
    pub fn verify(
        bytes: &[u8],
        device: DeviceId,
        key: &SigningPublicKey,
        function: Verify,
    ) -> Result<Self, StatementError> {
        let finding: Self = verify(Type::Finding, bytes, key, function)?;
        if finding.device != device {
            return Err(StatementError::OtherDevice);
        }
        Ok(finding)
    }
}

fn sign<T: Encode<()>>(
    kind: Type,
    kid: &[u8; 8],
    statement: &T,
    signer: &dyn Fn(&[u8]) -> Signature,
) -> Result<cose::Encoded, StatementError> {
    let mut payload = [0; MAX_PAYLOAD];
    let too_long = StatementError::cose(CoseError::TooLong);
    let mut encoder = Encoder::new(Cursor::new(payload.as_mut_slice()));
    encoder.encode(statement).map_err(|_| too_long)?;
    let length = encoder.into_writer().position();
    cose::sign(kind, kid, payload.get(..length).ok_or(too_long)?, signer).map_err(StatementError::cose)
}

fn verify<'b, T: Decode<'b, ()>>(
    kind: Type,
    bytes: &'b [u8],
    key: &SigningPublicKey,
    function: Verify,
) -> Result<T, StatementError> {
    let signed = Sign1::decode(bytes).map_err(StatementError::cose)?;
    let payload = signed.verify(kind, key, function).map_err(StatementError::cose)?;
    let mut decoder = Decoder::new(payload);
    let statement = decoder.decode().map_err(|_| StatementError::Malformed)?;
    if decoder.position() == payload.len() { Ok(statement) } else { Err(StatementError::Malformed) }
}

/// Fuzz body: the payloads of statements from hostile bytes, as if they were signed.
pub fn fuzz_statement(data: &[u8]) {
    const KID: [u8; 8] = [0; 8];
    fn accept(_: &SigningPublicKey, _: &[u8], _: &Signature) -> bool {
        true
    }
    let device = DeviceId::from_bytes(KID);
    for kind in [Type::Finding, Type::Parameters, Type::Time] {
        let Ok(signed) = cose::sign(kind, &KID, data, &|_| [0; 64]) else { return };
        if let Ok(finding) = Finding::verify(&signed, device, &[0; 32], accept) {
            let again = finding.sign(&|_| [0; 64]).expect("what was decoded is within its bounds");
            assert_eq!(Finding::verify(&again, device, &[0; 32], accept), Ok(finding));
        }
        if let Ok(parameters) = Parameters::verify(&signed, device, &[0; 32], accept) {
            let again = parameters.sign(&KID, &|_| [0; 64]).expect("what was decoded is within its bounds");
            assert_eq!(Parameters::verify(&again, device, &[0; 32], accept), Ok(parameters));
        }
        if let Ok(time) = Time::verify(&signed, device, KID, &[0; 32], accept) {
            let again = time.sign(&KID, &|_| [0; 64]).expect("what was decoded is within its bounds");
            assert_eq!(Time::verify(&again, device, KID, &[0; 32], accept), Ok(time));
        }
    }
}

#[cfg(test)]
mod tests;
