//! What can go wrong with keys and certificates.
//!
//! Never carries key material. Invariant: a missing or foreign key is told, not replaced: a new CA would cut off
//! every device.

use std::path::PathBuf;

use thiserror::Error;

/// Keys and certificates cannot be used, or a signing request is refused.
#[derive(Debug, Error)]
pub enum PkiError {
    /// A file cannot be read or written.
    #[error("{doing} {}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// One of two files that belong together is there and the other is not.
    #[error(
        "{} is missing, but {} is there; nothing was changed. Restore both from the newest backup. Or remove both to have new ones made: a new site CA means that every device must be enrolled again, a new key of the site log that its old checkpoints cannot be checked any more",
        missing.display(), present.display()
    )]
    HalfGone {
        /// The file that is missing.
        missing: PathBuf,
        /// The file that is there.
        present: PathBuf,
    },
    /// The keys for agents are lost.
    #[error(
        "{} is missing, but {} is there; nothing was changed. Restore it from the newest backup, or remove both to make new keys (every agent must be enrolled again)",
        missing.display(), present.display()
    )]
    KeysGone {
        /// The file that is missing.
        missing: PathBuf,
        /// The file that is there.
        present: PathBuf,
    },
    /// The keys for agents are those of another box.
    #[error("{} and {} do not belong together; nothing was changed. Restore both from the same backup", private.display(), public.display())]
    ForeignKeys {
        /// The keys.
        private: PathBuf,
        /// What they should fit.
        public: PathBuf,
    },
    /// A file holds something else.
    #[error("{} is not {what}; nothing was changed. Restore it from the newest backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What it should be.
        what: &'static str,
    },
    /// Certificate and key do not belong together.
    #[error("{} and {} do not belong together; nothing was changed. Restore both from the same backup", certificate.display(), key.display())]
    Mismatch {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// A configured name cannot stand in a certificate.
    #[error("{name:?} cannot stand in a certificate: give a host name such as gateway.example or an address")]
    Name {
        /// The name.
        name: String,
    },
    /// The cryptographic library refused.
    #[error("{doing} failed")]
    Crypto {
        /// What was tried.
        doing: &'static str,
        /// Its answer.
        #[source]
        source: rcgen::Error,
    },
    /// rustls refused a key or a setting.
    #[error("{doing} failed")]
    Tls {
        /// What was tried.
        doing: &'static str,
        /// Its answer.
        #[source]
        source: rustls::Error,
    },
    /// No randomness or no verifier: the system underneath is broken.
    #[error("{doing} failed: {reason}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// The cause in words.
        reason: String,
    },
    /// A signing request is not acceptable; the text is for whoever sent it.
    #[error("the signing request was refused: {why}")]
    Request {
        /// What is wrong and what would be right.
        why: &'static str,
    },
}
