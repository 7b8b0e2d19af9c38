//! What is signed: a device's findings, a site's parameters and time. CBOR maps with small integer keys inside COSE_Sign1.
//!
//! A statement stands on its own: it names its device and what it needs to be understood years later by somebody who has
//! only the key. Keys are appended, never renumbered; an unknown key is skipped.
//! Invariants: a statement is made by its `sign` and read by its `verify`, which checks the signature first, then the form,
//! then the ranges; so a value of these types that came over the link is authentic and in range.

use crate::bounded::List;
use crate::cbor::{Reader, Writer};
use crate::cose::{self, CoseError, Sign1, Type};
use crate::keys::{DeviceId, Signature, SigningPublicKey, Verify};
use crate::limits::{MAX_PAYLOAD, MAX_RULE_TIME_MS, MAX_RULES};
use crate::message::Quantity;

mod form;

use form::Form;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindingKind {
    /// A value above its limit.
    Above = 1,
    /// A value below its limit.
    Below = 2,
    /// A sensor that gives no reading.
    Missing = 3,
    /// The case was opened.
    Tamper = 4,
    /// Findings could not be stored: the queue was full or the flash failed. `lost` says how many.
    Lost = 5,
}

/// Whether the state began or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindingState {
    /// It began.
    Raised = 1,
    /// It ended.
    Cleared = 2,
}

/// A finding that a device raised by its own rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finding {
    /// The device, which is also the statement's key identifier.
    pub device: DeviceId,
    /// Its number: boot counter × 2^32 + number in this run. Rises, never repeats, may leave gaps.
    pub sequence: u64,
    /// The run in which it was raised.
    pub boot_id: [u8; 8],
    /// How often the device had been started.
    pub boot_counter: u32,
    /// Milliseconds since that start.
    pub uptime_ms: u64,
    /// Milliseconds since 1970 (UTC), if the site had told the time in this run.
    pub unix_ms: Option<u64>,
    /// The rule; 0 for what needs none (tamper, losses).
    pub rule: u16,
    /// What it says.
    pub kind: FindingKind,
    /// Began or ended.
    pub state: FindingState,
    /// The sensor, where one is concerned.
    pub sensor: Option<u8>,
    /// What the sensor's values mean.
    pub quantity: Option<Quantity>,
    /// The value that decided.
    pub value: Option<i32>,
    /// The limit that it passed.
    pub limit: Option<i32>,
    /// The version of the parameters that held the rule.
    pub parameters: u64,
    /// For [`FindingKind::Lost`]: how many.
    pub lost: Option<u32>,
}

/// What a rule watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Raised when the value is above `limit` for the hold time, cleared when it is at or below `clear` as long.
    Above {
        /// In the sensor's unit.
        limit: i32,
        /// At most `limit`; the gap is the hysteresis.
        clear: i32,
    },
    /// Raised when the value is below `limit` for the hold time, cleared when it is at or above `clear` as long.
    Below {
        /// In the sensor's unit.
        limit: i32,
        /// At least `limit`; the gap is the hysteresis.
        clear: i32,
    },
    /// Raised when the sensor gave no reading for the hold time, cleared by the next one.
    Missing,
}

/// One rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Its number, not 0, unique in its set.
    pub id: u16,
    /// The sensor that it watches.
    pub sensor: u8,
    /// What it watches.
    pub check: Check,
    /// How long before it raises or clears, in milliseconds.
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters {
    /// Rises with each change; a device takes no older set.
    pub version: u64,
    /// The device.
    pub device: DeviceId,
    /// Its rules.
    pub rules: List<Rule, MAX_RULES>,
    /// Milliseconds between two reports of the sensors' values; 0 for none.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    /// The device.
    pub device: DeviceId,
    /// The run: a time that was signed for an earlier run is none for this one.
    pub boot_id: [u8; 8],
    /// Milliseconds since 1970 (UTC).
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

fn sign<T: Form>(
    kind: Type,
    kid: &[u8; 8],
    statement: &T,
    signer: &dyn Fn(&[u8]) -> Signature,
) -> Result<cose::Encoded, StatementError> {
    let mut payload = [0; MAX_PAYLOAD];
    let too_long = StatementError::cose(CoseError::TooLong);
    let mut writer = Writer::new(&mut payload);
    statement.write(&mut writer);
    let length = writer.finish().ok_or(too_long)?;
    cose::sign(kind, kid, payload.get(..length).ok_or(too_long)?, signer).map_err(StatementError::cose)
}

#[inline(never)] // its frame must not stay in the caller, below which the statement is read
fn payload<'b>(
    kind: Type,
    bytes: &'b [u8],
    key: &SigningPublicKey,
    function: Verify,
) -> Result<&'b [u8], StatementError> {
    let signed = Sign1::decode(bytes).map_err(StatementError::cose)?;
    signed.verify(kind, key, function).map_err(StatementError::cose)
}

fn verify<T: Form>(
    kind: Type,
    bytes: &[u8],
    key: &SigningPublicKey,
    function: Verify,
) -> Result<T, StatementError> {
    let mut reader = Reader::new(payload(kind, bytes, key, function)?);
    let statement = T::read(&mut reader);
    if reader.failed() || reader.left() != 0 { Err(StatementError::Malformed) } else { Ok(statement) }
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
