//! TLS of the listener: any client certificate is taken, and its key is what counts.
//!
//! The handshake proves that the client holds the key of the certificate that it shows; who issued it says nothing, since
//! each site has its own CA. A gateway is known by the SHA-256 of that key (SubjectPublicKeyInfo), pinned when it was
//! registered. Browsers show none. Invariant: a request has a [`PeerKey`] only if its connection's handshake proved it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Extension;
use axum_server::accept::Accept;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use futures_util::future::BoxFuture;
use ring::digest::{SHA256, digest};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use thiserror::Error;
use tokio::net::TcpStream;
use tower::Layer as _;
use x509_parser::prelude::FromDer as _;

use crate::hub::{self, Places};
use crate::limits::{CONNECTIONS, CONNECTIONS_PER_ADDRESS, HANDSHAKE_TIME};
use crate::rate::place;

/// Why there is no TLS.
#[derive(Debug, Error)]
pub(crate) enum TlsError {
    /// A file cannot be read as PEM.
    #[error("{file} cannot be used: {why}")]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Certificate and key do not work together.
    #[error(
        "certificate and key cannot be used together; both must be PEM, the key that of the first certificate"
    )]
    Pair(#[source] rustls::Error),
}

/// SHA-256 of the client's public key, as its certificate has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PeerKey(pub(crate) [u8; 32]);

/// Settings of the listener with this certificate chain and key.
///
/// # Errors
/// [`TlsError`].
pub(crate) fn settings(
    certificate: &std::path::Path,
    key: &std::path::Path,
) -> Result<Arc<ServerConfig>, TlsError> {
    let fault = |file: &std::path::Path, error: rustls_pki_types::pem::Error| TlsError::File {
        file: file.to_owned(),
        why: error.to_string(),
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| fault(certificate, error))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| fault(key, error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Arc::new(AnyKey(Arc::clone(&provider)));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Pair)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, private)
        .map_err(TlsError::Pair)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // A resumed session would carry the key of an earlier handshake; gateways connect seldom enough to prove it anew.
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// Takes every certificate whose key signed the handshake.
#[derive(Debug)]
struct AnyKey(Arc<CryptoProvider>);

impl ClientCertVerifier for AnyKey {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        // Expiry is not looked at: a box that was away for two years still holds its key.
        peer_key(end_entity).ok_or(rustls::Error::InvalidCertificate(CertificateError::BadEncoding))?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Hash of a certificate's SubjectPublicKeyInfo.
fn peer_key(certificate: &CertificateDer<'_>) -> Option<PeerKey> {
    let (rest, parsed) = x509_parser::certificate::X509Certificate::from_der(certificate).ok()?;
    let hash = digest(&SHA256, parsed.public_key().raw);
    rest.is_empty().then(|| hash.as_ref().try_into().ok().map(PeerKey))?
}

/// Accepts connections: at most [`CONNECTIONS`], and [`CONNECTIONS_PER_ADDRESS`] of one address, each with its peer's key as an extension of its requests.
#[derive(Clone, Debug)]
pub(crate) struct Acceptor {
    tls: RustlsAcceptor,
    places: Places<String>,
}

impl Acceptor {
    /// For this configuration.
    pub(crate) fn new(config: Arc<ServerConfig>) -> Self {
        Self {
            tls: RustlsAcceptor::new(RustlsConfig::from_config(config)).handshake_timeout(HANDSHAKE_TIME),
            places: Places::new(CONNECTIONS, CONNECTIONS_PER_ADDRESS),
        }
    }
}

/// A connection's place; given back with its last request.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    _held: Arc<hub::Place<String>>,
}

type Service<S> = axum::middleware::AddExtension<axum::middleware::AddExtension<S, Option<PeerKey>>, Place>;

impl<S: Send + 'static> Accept<TcpStream, S> for Acceptor {
    type Stream = tokio_rustls::server::TlsStream<TcpStream>;
    type Service = Service<<RustlsAcceptor as Accept<TcpStream, S>>::Service>;
    type Future = BoxFuture<'static, io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let (tls, places) = (self.tls.clone(), self.places.clone());
        Box::pin(async move {
            let address = stream.peer_addr()?.ip();
            let held = places.take(place(address)).ok_or_else(|| {
                tracing::debug!(%address, "a connection is refused: its address has as many as it may, or all are taken");
                io::Error::other("all places are taken")
            })?;
            // Answers are small and come at once; Nagle's algorithm would only delay them.
            stream.set_nodelay(true)?;
            let (stream, service) = tls.accept(stream, service).await?;
            let key = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).and_then(peer_key);
            let service = Extension(key).layer(service);
            Ok((stream, Extension(Place { _held: Arc::new(held) }).layer(service)))
        })
    }
}
