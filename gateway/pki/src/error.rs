//! What can go wrong with keys and certificates.

use std::path::PathBuf;

use thiserror::Error;

/// A key or certificate cannot be made, read or used.
#[derive(Debug, Error)]
pub enum PkiError {
    /// A file of the state folder cannot be used.
    #[error("{doing} {}: is the state folder yours and has it room?", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// The CA's certificate is there and its key is not, or the other way round.
    #[error(
        "{} is missing, but its other half is there; nothing was changed. Restore both from the newest backup: a new CA would cut off every device with a certificate",
        path.display()
    )]
    HalfMissing {
        /// The missing file.
        path: PathBuf,
    },
    /// A stored key or certificate cannot be read.
    #[error("{} cannot be read as a key or certificate; restore it from the newest backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: rcgen::Error,
    },
    /// A certificate cannot be made.
    #[error("{doing} failed")]
    Make {
        /// What was tried.
        doing: &'static str,
        /// Cause.
        #[source]
        source: rcgen::Error,
    },
    /// A request cannot be signed.
    #[error("the certificate request was refused: {why}")]
    Request {
        /// Why.
        why: &'static str,
    },
    /// TLS does not take what was made.
    #[error("TLS does not accept {what}")]
    Tls {
        /// What.
        what: &'static str,
        /// Cause.
        #[source]
        source: rustls::Error,
    },
    /// The verifier of client certificates cannot be made.
    #[error("the verifier of device certificates cannot be made")]
    Verifier(#[source] rustls::server::VerifierBuilderError),
}
