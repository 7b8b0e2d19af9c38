//! The site's certificate authority: made once, kept in the state folder, signs for the box and its devices.
//!
//! ECDSA P-256 throughout. Invariants: what it signs for devices is for client authentication only, is no
//! CA, and carries the device id that the caller decided, whatever the request says.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sitewarden_core::Timestamp;
use zeroize::Zeroizing;

use crate::error::PkiError;
use crate::files;
use crate::limits::{BACKDATE, CA_LIFE, CSR_BYTES, DEVICE_LIFE, SERVER_LIFE};

/// A certificate for a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCertificate {
    /// For the device.
    pub pem: String,
    /// For its fingerprint.
    pub der: Vec<u8>,
    /// When it ends.
    pub not_after: Timestamp,
}

/// The site's CA.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: Arc<str>,
    der: CertificateDer<'static>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Authority {
    /// Reads the CA of a state folder, or makes it: `ca.pem` for everybody, `keys/ca.key` for the owner.
    ///
    /// # Errors
    /// [`PkiError`]: a file cannot be used, or one of the two is missing.
    pub fn open(state: &Path, now: Timestamp) -> Result<Self, PkiError> {
        let keys = state.join("keys");
        files::private_dir(&keys)?;
        let (cert_path, key_path) = (state.join("ca.pem"), keys.join("ca.key"));
        match (files::read(&cert_path)?, files::read(&key_path)?) {
            (Some(pem), Some(key)) => Self::load(&cert_path, &key_path, &pem, &Zeroizing::new(key)),
            (None, None) => Self::create(&cert_path, &key_path, now),
            (None, Some(_)) => Err(PkiError::HalfMissing { path: cert_path }),
            (Some(_), None) => Err(PkiError::HalfMissing { path: key_path }),
        }
    }

    fn load(cert_path: &Path, key_path: &Path, pem: &str, key: &str) -> Result<Self, PkiError> {
        let damaged = |path: &Path| {
            let path = path.to_owned();
            move |source| PkiError::Damaged { path, source }
        };
        let key = KeyPair::from_pem(key).map_err(damaged(key_path))?;
        let issuer = Issuer::from_ca_cert_pem(pem, key).map_err(damaged(cert_path))?;
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| damaged(cert_path)(rcgen::Error::CouldNotParseCertificate))?;
        Ok(Self { issuer, pem: pem.into(), der })
    }

    fn create(cert_path: &Path, key_path: &Path, now: Timestamp) -> Result<Self, PkiError> {
        let make = |source| PkiError::Make { doing: "making the site's CA", source };
        let key = KeyPair::generate().map_err(make)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = name("Sitewarden site CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.serial_number = Some(serial()?);
        set_life(&mut params, now, CA_LIFE);
        let certificate = params.self_signed(&key).map_err(make)?;
        // The key first: a certificate without its key would look like a loss.
        files::write(key_path, Zeroizing::new(key.serialize_pem()).as_bytes(), 0o600)?;
        files::write(cert_path, certificate.pem().as_bytes(), 0o644)?;
        let (pem, der) = (certificate.pem().into(), certificate.der().clone());
        Ok(Self { issuer: Issuer::new(params, key), pem, der })
    }

    /// The CA's certificate, PEM.
    #[must_use]
    pub fn pem(&self) -> Arc<str> {
        Arc::clone(&self.pem)
    }

    /// The CA's certificate, DER.
    #[must_use]
    pub const fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// A certificate for the box under these names and addresses, with a new key.
    ///
    /// # Errors
    /// [`PkiError::Make`].
    pub(crate) fn server(
        &self,
        names: &[String],
        now: Timestamp,
    ) -> Result<(Certificate, PrivateKeyDer<'static>, Timestamp), PkiError> {
        let make = |source| PkiError::Make { doing: "making the box's certificate", source };
        let key = KeyPair::generate().map_err(make)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = name(names.first().map_or("sitewarden", String::as_str));
        for name in names {
            params.subject_alt_names.push(match name.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(name.as_str().try_into().map_err(make)?),
            });
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(serial()?);
        set_life(&mut params, now, SERVER_LIFE);
        let certificate = params.signed_by(&key, &self.issuer).map_err(make)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Ok((certificate, key, now.after(SERVER_LIFE)))
    }

    /// Signs a device's request: proof of possession is checked; name, usage and life are ours.
    ///
    /// # Errors
    /// [`PkiError::Request`] with what is wrong with it.
    pub fn sign(
        &self,
        csr_pem: &str,
        device_id: &str,
        now: Timestamp,
    ) -> Result<SignedCertificate, PkiError> {
        let refuse = |why| PkiError::Request { why };
        if csr_pem.len() > CSR_BYTES {
            return Err(refuse("it is too large"));
        }
        let mut request =
            CertificateSigningRequestParams::from_pem(csr_pem).map_err(|error| match error {
                rcgen::Error::InvalidCertificationRequestSignature => {
                    refuse("its signature does not fit its key: the sender does not hold the key")
                }
                rcgen::Error::UnsupportedExtension => {
                    refuse("it asks for an extension that devices do not get")
                }
                rcgen::Error::UnsupportedSignatureAlgorithm => refuse(
                    "its key or signature algorithm is not supported; use P-256, P-384, Ed25519 or RSA",
                ),
                _ => refuse("it is not a PKCS #10 request in PEM"),
            })?;
        let mut params = CertificateParams::default();
        params.distinguished_name = name(device_id);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(serial()?);
        set_life(&mut params, now, DEVICE_LIFE);
        request.params = params;
        let certificate = request
            .signed_by(&self.issuer)
            .map_err(|source| PkiError::Make { doing: "signing a device's certificate", source })?;
        Ok(SignedCertificate {
            pem: certificate.pem(),
            der: certificate.der().to_vec(),
            not_after: now.after(DEVICE_LIFE),
        })
    }
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

/// 16 random bytes, positive (RFC 5280 §4.1.2.2).
fn serial() -> Result<SerialNumber, PkiError> {
    let mut bytes = [0_u8; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| PkiError::Make {
        doing: "drawing a serial number",
        source: rcgen::Error::RingUnspecified,
    })?;
    if let Some(first) = bytes.first_mut() {
        *first = (*first & 0x7f) | 0x40;
    }
    Ok(SerialNumber::from_slice(&bytes))
}

fn set_life(params: &mut CertificateParams, now: Timestamp, life: Duration) {
    let at = |time: Timestamp| {
        let seconds = u64::try_from(time.micros() / 1_000_000).unwrap_or(0);
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
    };
    params.not_before = at(now.before(BACKDATE));
    params.not_after = at(now.after(life));
}
