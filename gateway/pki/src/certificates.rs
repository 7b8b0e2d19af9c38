//! What stands in the certificates: the CA's, the box's own, a device's.
//!
//! No files and no clock. Invariants: a requester chooses nothing but the key: names, usages and validity are ours;
//! device certificates are for client authentication only.

use std::net::IpAddr;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType, SerialNumber, date_time_ymd,
};
use ring::rand::{SecureRandom as _, SystemRandom};
use sitewarden_core::Timestamp;

use crate::error::PkiError;
use crate::limits::{
    BACKDATE, BEHIND_MAX, CA_LIFE, COMMON_NAME_CHARS, DEVICE_LIFE, SERVER_LIFE, SERVER_NAMES,
};

/// Before this the product did not exist: a clock that says so has lost its time, and certificates that begin in
/// 1970 would have ended before anybody saw them.
const EARLIEST: Timestamp = Timestamp::from_seconds(1_767_225_600);

/// When a certificate begins, and a time that is known to be past already: its life counts from the later one, so that
/// what is made while the box's clock is behind does not end early.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// What the clock says.
    pub now: Timestamp,
    /// Known to be past, such as the time of the site log's newest record.
    pub at_least: Timestamp,
}

impl From<Timestamp> for Start {
    fn from(now: Timestamp) -> Self {
        Self { now, at_least: now }
    }
}

/// Begins the URI of a device in the subject alternative name.
pub(crate) const DEVICE_URN: &str = "urn:sitewarden:device:";

pub(crate) fn new_key() -> Result<KeyPair, PkiError> {
    KeyPair::generate().map_err(|source| PkiError::Crypto { doing: "making a key", source })
}

/// The CA's own certificate: may sign, but no further CA below it.
pub(crate) fn ca(start: Start) -> Result<CertificateParams, PkiError> {
    let serial = serial()?;
    let mut params = base(start, CA_LIFE, serial.clone())?;
    // The serial keeps the names of two boxes' CAs apart in the trust store of one browser.
    let short: String = serial.to_bytes().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    params.distinguished_name = name(&format!("Sitewarden site CA {short}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// The box's own certificate for these names and addresses.
pub(crate) fn server(names: &[String], start: Start) -> Result<CertificateParams, PkiError> {
    let mut params = base(start, SERVER_LIFE, serial()?)?;
    params.distinguished_name = name("Sitewarden gateway");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    for entry in names.iter().take(SERVER_NAMES) {
        params.subject_alt_names.push(server_name(entry)?);
    }
    Ok(params)
}

fn server_name(entry: &str) -> Result<SanType, PkiError> {
    if let Ok(address) = entry.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let fault = || PkiError::Name { name: entry.to_owned() };
    if rustls_pki_types::DnsName::try_from(entry).is_err() {
        return Err(fault());
    }
    Ok(SanType::DnsName(entry.try_into().map_err(|_| fault())?))
}

/// A device's certificate: its id is all that it says.
pub(crate) fn device(id: &str, start: Start) -> Result<CertificateParams, PkiError> {
    let mut params = base(start, DEVICE_LIFE, serial()?)?;
    let common = if id.chars().count() <= COMMON_NAME_CHARS { id } else { "Sitewarden device" };
    params.distinguished_name = name(common);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let uri = format!("{DEVICE_URN}{}", escape(id));
    let uri =
        uri.as_str().try_into().map_err(|source| PkiError::Crypto { doing: "naming the device", source })?;
    params.subject_alt_names.push(SanType::URI(uri));
    params.is_ca = IsCa::ExplicitNoCa;
    Ok(params)
}

/// The box's certificate as a client. Whoever takes it pins its key; it lives as long as the CA.
pub(crate) fn client(start: Start) -> Result<CertificateParams, PkiError> {
    let mut params = base(start, CA_LIFE, serial()?)?;
    params.distinguished_name = name("Sitewarden gateway");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.is_ca = IsCa::ExplicitNoCa;
    Ok(params)
}

/// Percent-encoding of what may not stand in a URN (RFC 8141 §2.2), so that any id round-trips.
pub(crate) fn escape(id: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:@".contains(&byte);
    id.bytes().fold(String::new(), |mut text, byte| {
        if plain(byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
        text
    })
}

/// Takes an id out of its escaped form; `None` for what [`escape`] never makes.
pub(crate) fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

fn base(start: Start, life: Duration, serial: SerialNumber) -> Result<CertificateParams, PkiError> {
    let mut params = CertificateParams::default();
    let now = start.now.max(EARLIEST);
    let behind = start.at_least.max(now).since(now).min(BEHIND_MAX);
    let seconds = u64::try_from(now.before(BACKDATE).micros() / 1_000_000).unwrap_or(0);
    // A clock beyond this would overflow the calendar of certificates.
    let from = date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds.min(200_000_000_000));
    params.not_before = from;
    params.not_after = from + BACKDATE + behind + life;
    params.serial_number = Some(serial);
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

/// 16 random bytes; the first keeps the number positive and not shortened (RFC 5280 §4.1.2.2).
fn serial() -> Result<SerialNumber, PkiError> {
    let mut bytes = [0_u8; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| PkiError::System {
        doing: "taking random bytes",
        reason: "the system gave none".to_owned(),
    })?;
    if let Some(first) = bytes.first_mut() {
        *first = (*first & 0x7f) | 0x40;
    }
    Ok(SerialNumber::from_slice(&bytes))
}
