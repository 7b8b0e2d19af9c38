//! The box as a TLS client: a certificate of its own, by which the cloud knows it.
//!
//! The key is `keys/gateway.key` and stays, because the cloud pins it at registration; the certificate around it is
//! signed anew whenever somebody asks. It does not say whom the box talks to. Invariant: an existing key is never
//! replaced by another.

use std::path::Path;

use rcgen::KeyPair;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sitewarden_core::Timestamp;
use zeroize::Zeroizing;

use crate::error::PkiError;
use crate::{Pki, certificates, file};

/// What a TLS client of the box presents.
#[derive(Debug)]
pub struct ClientIdentity {
    /// The certificate and the site CA's.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key of the first.
    pub key: PrivateKeyDer<'static>,
}

impl Pki {
    /// Certificate and key with which the box shows the cloud who it is.
    ///
    /// # Errors
    /// [`PkiError`] when the key's file is damaged or the certificate cannot be made.
    pub fn client_identity(&self, now: Timestamp) -> Result<ClientIdentity, PkiError> {
        let key = key(&self.paths.client_key)?;
        let certificate = certificates::client(self.start(now))?
            .signed_by(&key, &self.issuer)
            .map_err(|source| PkiError::Crypto { doing: "signing the box's client certificate", source })?;
        let private = PrivateKeyDer::try_from(key.serialize_der()).map_err(|reason| PkiError::System {
            doing: "reading the box's client key",
            reason: reason.to_owned(),
        })?;
        Ok(ClientIdentity { chain: vec![certificate.der().clone(), self.ca.clone()], key: private })
    }
}

fn key(path: &Path) -> Result<KeyPair, PkiError> {
    if let Some(pem) = file::read_secret(path)? {
        return KeyPair::from_pem(&pem)
            .map_err(|_| PkiError::Damaged { path: path.to_owned(), what: "a private key in PEM" });
    }
    let key = certificates::new_key()?;
    file::write(path, Zeroizing::new(key.serialize_pem()).as_bytes(), file::SECRET)?;
    Ok(key)
}
