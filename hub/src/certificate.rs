//! A certificate that the hub makes for itself: a CA of its own in the state folder, and one certificate by it.
//!
//! For trying the hub and for private networks; in production the operator gives both files. Invariants: private keys are
//! readable by their owner alone; what is there is never replaced but the hub's own certificate in its last month.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType,
};
use thiserror::Error;

use crate::limits::CERTIFICATE_DAYS;

/// Why there is no certificate.
#[derive(Debug, Error)]
pub(crate) enum CertificateError {
    /// A file of the state folder.
    #[error("{file} cannot be {doing}")]
    File {
        /// The file.
        file: PathBuf,
        /// Read, written or made.
        doing: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Making or reading a certificate.
    #[error("{what}")]
    Make {
        /// What was tried.
        what: String,
        /// Why.
        #[source]
        source: rcgen::Error,
    },
}

/// Where the files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Files {
    /// The hub's certificate.
    pub(crate) certificate: PathBuf,
    /// Its key.
    pub(crate) key: PathBuf,
    /// What clients trust, when the hub made it itself.
    pub(crate) ca: Option<PathBuf>,
}

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// The files in `folder`, made if they are not there. `names` are host names and addresses for the certificate.
///
/// # Errors
/// [`CertificateError`].
pub(crate) fn own(folder: &Path, names: &[String], now: SystemTime) -> Result<Files, CertificateError> {
    let fault = |file: &Path, doing| {
        let file = file.to_owned();
        move |source| CertificateError::File { file, doing, source }
    };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(fault(folder, "made"))?;
    let at = |name: &str| folder.join(name);
    let (ca, ca_key, certificate, key) = (at("ca.pem"), at("ca-key.pem"), at("hub.pem"), at("hub-key.pem"));
    if !ca_key.exists() {
        let pair = new_key()?;
        let mut params = base("Sitewarden hub CA", 3_650, now);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let made = params.self_signed(&pair).map_err(make("making the hub's CA"))?;
        // The key last: a start that was cut short makes both anew.
        write(&ca, &made.pem(), 0o644).map_err(fault(&ca, "written"))?;
        write(&ca_key, &pair.serialize_pem(), 0o600).map_err(fault(&ca_key, "written"))?;
    }
    if is_due(&certificate, now) || !key.exists() {
        let read = |file: &Path| fs::read_to_string(file).map_err(fault(file, "read"));
        let issuer_key =
            KeyPair::from_pem(&read(&ca_key)?).map_err(make("reading the key of the hub's CA"))?;
        let issuer =
            Issuer::from_ca_cert_pem(&read(&ca)?, issuer_key).map_err(make("reading the hub's CA"))?;
        let pair = new_key()?;
        let mut params = base("Sitewarden hub", CERTIFICATE_DAYS, now);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.subject_alt_names = names.iter().map(|name| alternative(name)).collect::<Result<_, _>>()?;
        let made = params.signed_by(&pair, &issuer).map_err(make("making the hub's certificate"))?;
        write(&key, &pair.serialize_pem(), 0o600).map_err(fault(&key, "written"))?;
        write(&certificate, &made.pem(), 0o644).map_err(fault(&certificate, "written"))?;
    }
    Ok(Files { certificate, key, ca: Some(ca) })
}

fn make(what: &str) -> impl FnOnce(rcgen::Error) -> CertificateError {
    let what = format!("{what} failed");
    move |source| CertificateError::Make { what, source }
}

fn new_key() -> Result<KeyPair, CertificateError> {
    KeyPair::generate().map_err(make("making a key"))
}

fn alternative(name: &str) -> Result<SanType, CertificateError> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let dns = name.try_into().map_err(make(&format!("using {name:?} as a host name")))?;
    Ok(SanType::DnsName(dns))
}

fn base(name: &str, days: u64, now: SystemTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut called = DistinguishedName::new();
    called.push(DnType::CommonName, name);
    params.distinguished_name = called;
    // An hour back, for clients whose clock is behind.
    params.not_before = (now - Duration::from_secs(3_600)).into();
    params.not_after = (now + DAY * u32::try_from(days).unwrap_or(u32::MAX)).into();
    params
}

/// Whether the certificate is missing, unreadable or in its last month.
fn is_due(certificate: &Path, now: SystemTime) -> bool {
    let Ok(text) = fs::read(certificate) else { return true };
    let Ok((_, pem)) = x509_parser::pem::parse_x509_pem(&text) else { return true };
    let Ok(parsed) = pem.parse_x509() else { return true };
    let end = u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::from_secs(end) < now + DAY * 30
}

/// Writes beside, then puts in place: no reader sees half a file.
fn write(file: &Path, text: &str, mode: u32) -> io::Result<()> {
    let beside = file.with_extension("new");
    let mut to = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&beside)?;
    to.set_permissions(Permissions::from_mode(mode))?;
    to.write_all(text.as_bytes())?;
    to.sync_all()?;
    fs::rename(&beside, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_made_once_and_the_certificate_anew_in_its_last_month() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (names, now) = (["hub.example".to_owned(), "127.0.0.1".to_owned()], SystemTime::now());
        let files = own(folder.path(), &names, now).expect("made");
        let texts =
            || (fs::read(folder.path().join("ca.pem")).unwrap(), fs::read(&files.certificate).unwrap());
        let first = texts();

        assert_eq!(own(folder.path(), &names, now).expect("there"), files);
        assert_eq!(texts(), first, "what is there stays");
        own(folder.path(), &names, now + DAY * 370).expect("renewed");

        let second = texts();
        assert_eq!(second.0, first.0, "the CA stays");
        assert_ne!(second.1, first.1, "the certificate is new");
        let mode = fs::metadata(&files.key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        crate::tls::settings(&files.certificate, &files.key).expect("certificate and key fit");
    }
}
