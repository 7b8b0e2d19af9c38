//! The site's keys: its own CA, made at first start, which signs the box's certificates and those of devices, and the
//! key of the site log.
//!
//! It keeps files in the state folder and knows neither devices nor people: who may have a certificate is decided before
//! [`Pki::sign_device`] is called. Revocation is the device's trust in the inventory, looked at on every connect,
//! so there is no revocation list. Invariants: an existing CA is never replaced; keys are readable by the owner
//! alone; a requester chooses nothing but its key.

pub mod limits;

mod agents;
mod certificates;
mod client;
mod error;
mod file;
mod fingerprint;
mod log_key;
mod request;
mod tls;
mod words;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rcgen::{Issuer, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use sitewarden_core::Timestamp;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};
use zeroize::Zeroizing;

use crate::limits::SERVER_NAMES;
use crate::tls::Resolver;

pub use agents::{AgentKeys, agent_keys};
pub use certificates::Start;
pub use client::ClientIdentity;
pub use error::PkiError;
pub use fingerprint::Fingerprint;
pub use log_key::{LogKey, check_note, log_verifier};

/// What the box's certificate is made for, besides `localhost`, the loopback addresses and the host's own name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// Host names and addresses by which browsers and devices reach the box.
    pub names: Vec<String>,
}

impl Config {
    /// What is wrong with the values, as sentences; empty when nothing is.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = self
            .names
            .iter()
            .filter(|name| {
                certificates::server(std::slice::from_ref(*name), Timestamp::default().into()).is_err()
            })
            .map(|name| PkiError::Name { name: name.clone() }.to_string())
            .collect();
        if self.names.len() > SERVER_NAMES - 4 {
            problems.push(format!(
                "{} names for one certificate; at most {} are allowed",
                self.names.len(),
                SERVER_NAMES - 4
            ));
        }
        problems
    }
}

/// A certificate made for a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The certificate in PEM.
    pub certificate_pem: String,
    /// By which the inventory knows it.
    pub fingerprint: Fingerprint,
    /// When it ends.
    pub not_after: Timestamp,
}

/// The CA, the box's certificate, and the TLS settings that use it.
pub struct Pki {
    paths: Paths,
    issuer: Issuer<'static, KeyPair>,
    ca_pem: String,
    ca: CertificateDer<'static>,
    names: Vec<String>,
    resolver: Arc<Resolver>,
    /// Validity of the box's certificate.
    server: Mutex<Validity>,
    /// The latest time that was ever told, in microseconds.
    latest: AtomicI64,
    https: Arc<ServerConfig>,
    mqtts: Arc<ServerConfig>,
    log_key: LogKey,
}

impl std::fmt::Debug for Pki {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pki")
            .field("ca", &self.fingerprint().hex())
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

struct Paths {
    ca: PathBuf,
    ca_key: PathBuf,
    server: PathBuf,
    server_key: PathBuf,
    client_key: PathBuf,
}

#[derive(Clone, Copy, Debug)]
struct Validity {
    from: Timestamp,
    to: Timestamp,
}

impl Validity {
    /// Renewed when less than a third is left, and when it has not begun (the clock went back).
    fn is_due(self, now: Timestamp) -> bool {
        now < self.from || self.to.since(now) < self.to.since(self.from) / 3
    }
}

/// Reads or makes the CA, the box's certificate and the site log's key in the state folder (`ca.pem`, `server.pem`,
/// `log.vkey`, `keys/`).
///
/// # Errors
/// [`PkiError`]: each says that nothing was changed and what to do.
pub fn build(config: &Config, state: &Path, start: impl Into<Start>) -> Result<Pki, PkiError> {
    let start = start.into();
    let keys = state.join("keys");
    let paths = Paths {
        ca: state.join("ca.pem"),
        ca_key: keys.join("ca.key"),
        server: state.join("server.pem"),
        server_key: keys.join("server.key"),
        client_key: keys.join("gateway.key"),
    };
    file::secret_folder(&keys)?;
    let (ca_pem, ca_key) = ca(&paths, start)?;
    let damaged = || PkiError::Damaged { path: paths.ca.clone(), what: "a certificate in PEM" };
    let ca = CertificateDer::from_pem_slice(ca_pem.as_bytes()).map_err(|_| damaged())?;
    let issuer = Issuer::from_ca_cert_der(&ca, ca_key).map_err(|_| damaged())?;
    let names = server_names(&config.names);
    let (validity, certified) = match existing_server(&paths, &ca, &names, start.now)? {
        Some(found) => found,
        None => new_server(&paths, &issuer, &names, start)?,
    };
    let resolver = Resolver::new(certified);
    let log_key = log_key::open(state, &keys)?;
    Ok(Pki {
        log_key,
        https: tls::https(Arc::clone(&resolver))?,
        mqtts: tls::mqtts(Arc::clone(&resolver), &ca)?,
        issuer,
        ca_pem,
        ca,
        names,
        resolver,
        server: Mutex::new(validity),
        latest: AtomicI64::new(start.at_least.max(start.now).micros()),
        paths,
    })
}

impl Pki {
    /// The CA's certificate in PEM, to be installed in browsers and devices.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Fingerprint of the CA's certificate.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.ca)
    }

    /// TLS settings of the web listener.
    #[must_use]
    pub fn https(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.https)
    }

    /// TLS settings of the MQTT listener: client certificates are optional and verified against the site's CA.
    #[must_use]
    pub fn mqtts(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.mqtts)
    }

    /// The key that signs the site log's checkpoints.
    #[must_use]
    pub const fn log_key(&self) -> &LogKey {
        &self.log_key
    }

    /// Names and addresses in the box's certificate.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// When the box's certificate ends.
    #[must_use]
    pub fn server_not_after(&self) -> Timestamp {
        self.server.lock().unwrap_or_else(PoisonError::into_inner).to
    }

    /// From when a certificate's life counts, also when the clock was set back meanwhile.
    fn start(&self, now: Timestamp) -> Start {
        let latest = self.latest.fetch_max(now.micros(), Ordering::Relaxed);
        Start { now, at_least: Timestamp::from_micros(latest.max(now.micros())) }
    }

    /// Makes a new certificate for the box when less than a third of the old one's life is left; new connections
    /// get it at once. To be called about once an hour. Gives whether there is a new one.
    ///
    /// # Errors
    /// [`PkiError`]; then the old one stays in use.
    pub fn renew_if_due(&self, now: Timestamp) -> Result<bool, PkiError> {
        let start = self.start(now);
        let mut validity = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        if !validity.is_due(now) {
            return Ok(false);
        }
        let (renewed, certified) = new_server(&self.paths, &self.issuer, &self.names, start)?;
        self.resolver.replace(certified);
        *validity = renewed;
        tracing::info!(not_after = %renewed.to, "the box has a new certificate");
        Ok(true)
    }

    /// Signs a device's request: its key is taken when the request proves that the sender holds it, the name is the
    /// device's id, the use is client authentication. The caller holds the permit for `device:enrol`.
    ///
    /// # Errors
    /// [`PkiError::Request`] for a request that is not acceptable.
    pub fn sign_device(&self, csr_pem: &str, device: &str, now: Timestamp) -> Result<Signed, PkiError> {
        let key = request::proven_key(csr_pem)?;
        let certificate = certificates::device(device, self.start(now))?
            .signed_by(&key, &self.issuer)
            .map_err(|source| PkiError::Crypto { doing: "signing the device's certificate", source })?;
        let damaged = || PkiError::System {
            doing: "reading the new certificate",
            reason: "it does not parse".to_owned(),
        };
        let (_, parsed) = X509Certificate::from_der(certificate.der()).map_err(|_| damaged())?;
        Ok(Signed {
            fingerprint: Fingerprint::of(certificate.der()),
            not_after: validity_of(&parsed).to,
            certificate_pem: certificate.pem(),
        })
    }
}

/// The device id in a certificate that [`Pki::sign_device`] made (and that TLS has verified); `None` when there is
/// none in it.
#[must_use]
pub fn device_id(certificate: &[u8]) -> Option<String> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let names = parsed.subject_alternative_name().ok()??;
    names.value.general_names.iter().find_map(|name| match name {
        GeneralName::URI(uri) => certificates::unescape(uri.strip_prefix(certificates::DEVICE_URN)?),
        _ => None,
    })
}

fn ca(paths: &Paths, start: Start) -> Result<(String, KeyPair), PkiError> {
    let half = |missing: &Path, present: &Path| PkiError::HalfGone {
        missing: missing.to_owned(),
        present: present.to_owned(),
    };
    match (file::read(&paths.ca)?, file::read_secret(&paths.ca_key)?) {
        (Some(pem), Some(key)) => {
            let key = KeyPair::from_pem(&key).map_err(|_| PkiError::Damaged {
                path: paths.ca_key.clone(),
                what: "a private key in PEM",
            })?;
            let fits = CertificateDer::from_pem_slice(pem.as_bytes()).is_ok_and(|der| is_key_of(&der, &key));
            if !fits {
                return Err(PkiError::Mismatch { certificate: paths.ca.clone(), key: paths.ca_key.clone() });
            }
            Ok((pem.to_string(), key))
        }
        (None, Some(_)) if paths.server.exists() => Err(half(&paths.ca, &paths.ca_key)),
        (Some(_), None) => Err(half(&paths.ca_key, &paths.ca)),
        // A key without both certificates is a first start that lost its power: nothing was signed with it that counts.
        (None, Some(_) | None) => {
            let key = certificates::new_key()?;
            let certificate = certificates::ca(start)?
                .self_signed(&key)
                .map_err(|source| PkiError::Crypto { doing: "making the site's CA", source })?;
            file::write(&paths.ca_key, Zeroizing::new(key.serialize_pem()).as_bytes(), file::SECRET)?;
            file::write(&paths.ca, certificate.pem().as_bytes(), file::PUBLIC)?;
            Ok((certificate.pem(), key))
        }
    }
}

fn is_key_of(certificate: &[u8], key: &KeyPair) -> bool {
    X509Certificate::from_der(certificate)
        .is_ok_and(|(_, parsed)| parsed.public_key().subject_public_key.data.as_ref() == key.public_key_raw())
}

/// The box's certificate on disk, when it is still good for these names; otherwise a new one is made, because nobody
/// depends on it.
fn existing_server(
    paths: &Paths,
    ca: &CertificateDer<'_>,
    names: &[String],
    now: Timestamp,
) -> Result<Option<(Validity, rustls::sign::CertifiedKey)>, PkiError> {
    let (Some(pem), Some(key)) = (file::read(&paths.server)?, file::read_secret(&paths.server_key)?) else {
        return Ok(None);
    };
    let (Ok(der), Ok(key)) =
        (CertificateDer::from_pem_slice(pem.as_bytes()), PrivateKeyDer::from_pem_slice(key.as_bytes()))
    else {
        return Ok(None);
    };
    let (Ok((_, parsed)), Ok((_, issuer))) = (X509Certificate::from_der(&der), X509Certificate::from_der(ca))
    else {
        return Ok(None);
    };
    let validity = validity_of(&parsed);
    let is_good = parsed.verify_signature(Some(issuer.public_key())).is_ok()
        && !validity.is_due(now)
        && names_of(&parsed) == names;
    Ok(is_good
        .then(|| tls::certified(vec![der.clone()], &key).ok())
        .flatten()
        .map(|certified| (validity, certified)))
}

fn new_server(
    paths: &Paths,
    issuer: &Issuer<'static, KeyPair>,
    names: &[String],
    start: Start,
) -> Result<(Validity, rustls::sign::CertifiedKey), PkiError> {
    let key = certificates::new_key()?;
    let certificate = certificates::server(names, start)?
        .signed_by(&key, issuer)
        .map_err(|source| PkiError::Crypto { doing: "signing the box's certificate", source })?;
    let der = certificate.der().clone();
    let broken =
        || PkiError::System { doing: "reading the new certificate", reason: "it does not parse".to_owned() };
    let validity =
        X509Certificate::from_der(&der).map(|(_, parsed)| validity_of(&parsed)).map_err(|_| broken())?;
    let private = PrivateKeyDer::try_from(key.serialize_der()).map_err(|_| broken())?;
    let certified = tls::certified(vec![der], &private)?;
    file::write(&paths.server_key, Zeroizing::new(key.serialize_pem()).as_bytes(), file::SECRET)?;
    file::write(&paths.server, certificate.pem().as_bytes(), file::PUBLIC)?;
    Ok((validity, certified))
}

fn validity_of(certificate: &X509Certificate<'_>) -> Validity {
    let validity = certificate.validity();
    Validity {
        from: Timestamp::from_seconds(validity.not_before.timestamp()),
        to: Timestamp::from_seconds(validity.not_after.timestamp()),
    }
}

/// Names and addresses of a certificate, in its order.
fn names_of(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return Vec::new() };
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|bytes| IpAddr::from(bytes).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|bytes| IpAddr::from(bytes).to_string()),
        },
        _ => None,
    };
    names.value.general_names.iter().filter_map(text).collect()
}

/// Loopback, the host's own name where it can stand in a certificate, and what is configured; each once.
fn server_names(configured: &[String]) -> Vec<String> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_lowercase();
    let host = Some(host)
        .filter(|host| certificates::server(std::slice::from_ref(host), Timestamp::default().into()).is_ok());
    let fixed = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let configured = configured.iter().map(|name| {
        name.parse::<IpAddr>().map_or_else(|_| name.to_lowercase(), |address| address.to_string())
    });
    let mut names: Vec<String> = Vec::new();
    for name in fixed.into_iter().chain(host).chain(configured) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// How often [`Pki::renew_if_due`] should be called.
pub const RENEWAL_CHECK: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests;
