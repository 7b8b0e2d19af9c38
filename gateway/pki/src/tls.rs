//! TLS configurations of the box: https, and MQTT with optional device certificates.
//!
//! Both take the server certificate from one place, so that a renewed one counts for the next handshake.
//! Ring is the only provider; TLS 1.3 and 1.2.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::ring::{default_provider, sign::any_supported_type};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::PrivateKeyDer;
use sitewarden_core::Timestamp;

use crate::authority::Authority;
use crate::error::PkiError;
use crate::files;
use crate::limits::SERVER_RENEW;

/// The box's certificate in use, renewed before it ends.
///
/// Its key lives in memory only: a start makes a new certificate, which costs a millisecond and leaves one
/// secret less on the disk.
#[derive(Debug)]
pub struct ServerCertificate {
    authority: Arc<Authority>,
    names: Vec<String>,
    /// Written for people and scripts that want to look at it.
    path: PathBuf,
    current: ArcSwap<Current>,
}

#[derive(Debug)]
struct Current {
    key: Arc<CertifiedKey>,
    not_after: Timestamp,
}

impl ServerCertificate {
    /// Makes the box's certificate for these names and addresses.
    ///
    /// # Errors
    /// [`PkiError`].
    pub fn new(
        authority: Arc<Authority>,
        state: &Path,
        names: Vec<String>,
        now: Timestamp,
    ) -> Result<Self, PkiError> {
        let path = state.join("server.pem");
        let current = ArcSwap::from_pointee(make(&authority, &names, &path, now)?);
        Ok(Self { authority, names, path, current })
    }

    /// Makes a new certificate when little of this one's life is left; gives whether it did.
    ///
    /// # Errors
    /// [`PkiError`]; the old one stays in use.
    pub fn renew(&self, now: Timestamp) -> Result<bool, PkiError> {
        if self.not_after() > now.after(SERVER_RENEW) {
            return Ok(false);
        }
        self.current.store(Arc::new(make(&self.authority, &self.names, &self.path, now)?));
        Ok(true)
    }

    /// When the one in use ends.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.current.load().not_after
    }
}

fn make(authority: &Authority, names: &[String], path: &Path, now: Timestamp) -> Result<Current, PkiError> {
    let (certificate, key, not_after): (_, PrivateKeyDer<'static>, _) = authority.server(names, now)?;
    let signing =
        any_supported_type(&key).map_err(|source| PkiError::Tls { what: "the box's key", source })?;
    files::write(path, certificate.pem().as_bytes(), 0o644)?;
    // The CA goes along, so that a client which pins it can be shown what it should have.
    let chain = vec![certificate.der().clone(), authority.der().clone()];
    Ok(Current { key: Arc::new(CertifiedKey::new(chain, signing)), not_after })
}

impl ResolvesServerCert for ServerCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.load().key))
    }
}

/// TLS for browsers and API clients: HTTP/2 and HTTP/1.1, no client certificates.
///
/// # Errors
/// [`PkiError::Tls`].
pub fn http_config(certificate: Arc<ServerCertificate>) -> Result<Arc<ServerConfig>, PkiError> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|source| PkiError::Tls { what: "the protocol versions", source })?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// TLS for MQTT: a client certificate is optional, and one that is shown must be the site CA's.
///
/// # Errors
/// [`PkiError`].
pub fn mqtt_config(certificate: Arc<ServerCertificate>) -> Result<Arc<ServerConfig>, PkiError> {
    let mut roots = RootCertStore::empty();
    roots
        .add(certificate.authority.der().clone())
        .map_err(|source| PkiError::Tls { what: "the site's CA", source })?;
    let provider = Arc::new(default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()
        .map_err(PkiError::Verifier)?;
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|source| PkiError::Tls { what: "the protocol versions", source })?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(certificate);
    Ok(Arc::new(config))
}
