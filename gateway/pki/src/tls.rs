//! rustls settings for https and mqtts, and the certificate that can be replaced under them.
//!
//! No sockets. Invariants: ring is the only provider; a client certificate counts only when this site's CA signed it
//! for client authentication.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::PkiError;

/// Gives the newest certificate to every new connection.
#[derive(Debug)]
pub(crate) struct Resolver(ArcSwap<CertifiedKey>);

impl Resolver {
    pub(crate) fn new(key: CertifiedKey) -> Arc<Self> {
        Arc::new(Self(ArcSwap::from_pointee(key)))
    }

    pub(crate) fn replace(&self, key: CertifiedKey) {
        self.0.store(Arc::new(key));
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

pub(crate) fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: &PrivateKeyDer<'_>,
) -> Result<CertifiedKey, PkiError> {
    let key = ring::sign::any_ecdsa_type(key)
        .map_err(|source| PkiError::Tls { doing: "reading the box's key", source })?;
    let certified = CertifiedKey::new(chain, key);
    certified
        .keys_match()
        .map_err(|source| PkiError::Tls { doing: "comparing the box's key and certificate", source })?;
    Ok(certified)
}

/// For the web: HTTP/2 and HTTP/1.1, no client certificates.
pub(crate) fn https(resolver: Arc<Resolver>) -> Result<Arc<ServerConfig>, PkiError> {
    let mut config = builder()?.with_no_client_auth().with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// For MQTT: a client certificate is optional, and verified when there is one.
pub(crate) fn mqtts(
    resolver: Arc<Resolver>,
    ca: &CertificateDer<'static>,
) -> Result<Arc<ServerConfig>, PkiError> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.clone()).map_err(|source| PkiError::Tls { doing: "taking the site CA as root", source })?;
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(ring::default_provider()))
            .allow_unauthenticated()
            .build()
            .map_err(|error| PkiError::System {
                doing: "making the verifier of client certificates",
                reason: error.to_string(),
            })?;
    Ok(Arc::new(builder()?.with_client_cert_verifier(verifier).with_cert_resolver(resolver)))
}

fn builder() -> Result<rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier>, PkiError> {
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|source| PkiError::Tls { doing: "choosing TLS versions", source })
}
