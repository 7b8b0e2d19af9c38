//! Signing requests of devices (PKCS #10, RFC 2986): read with suspicion, only the proven key is taken.
//!
//! What a request asks for (names, usages, being a CA) is not looked at. Invariant: the key that comes out of here signed
//! the request.

#![deny(clippy::indexing_slicing)]

use rcgen::SubjectPublicKeyInfo;
use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;

use crate::error::PkiError;
use crate::limits::{CSR_BYTES, RSA_BITS};

/// Takes the key out of a request in PEM after checking its proof of possession.
pub(crate) fn proven_key(pem: &str) -> Result<SubjectPublicKeyInfo, PkiError> {
    let refuse = |why| PkiError::Request { why };
    if pem.len() > CSR_BYTES {
        return Err(refuse("it is larger than 16 KiB"));
    }
    let der = CertificateSigningRequestDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| refuse("it is not PEM: it begins with -----BEGIN CERTIFICATE REQUEST-----"))?;
    let (rest, request) = X509CertificationRequest::from_der(&der)
        .map_err(|_| refuse("its contents are not a PKCS #10 request"))?;
    if !rest.is_empty() {
        return Err(refuse("bytes follow the request"));
    }
    let info = &request.certification_request_info.subject_pki;
    match info.parsed() {
        Ok(PublicKey::RSA(key)) if key.key_size() < RSA_BITS => {
            return Err(refuse("its RSA key is shorter than 2048 bits"));
        }
        Ok(PublicKey::RSA(_) | PublicKey::EC(_) | PublicKey::Unknown(_)) => {}
        _ => {
            return Err(refuse(
                "its key is of a kind that is not supported: use ECDSA P-256 or P-384, Ed25519 or RSA",
            ));
        }
    }
    request.verify_signature().map_err(|_| {
        refuse("its signature does not fit its key, so the sender did not show that it holds the key")
    })?;
    SubjectPublicKeyInfo::from_der(info.raw).map_err(|_| {
        refuse("its key is of a kind that is not supported: use ECDSA P-256 or P-384, Ed25519 or RSA")
    })
}
