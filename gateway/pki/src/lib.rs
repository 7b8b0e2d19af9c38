//! The site's own certificate authority and the TLS configurations of the box.
//!
//! Makes the CA at the first start, the box's server certificate, and signs devices' requests. Keys stay in
//! the state folder, readable by its owner alone. Not the inventory (which certificate is whose is for the
//! devices slice) and not revocation lists: a device's certificate counts only while the inventory has its
//! fingerprint. Invariants: the CA's key signs only what this crate filled in; a request's own names are
//! never taken over.

pub mod limits;

mod authority;
mod error;
mod files;
mod tls;
mod words;

pub use authority::{Authority, SignedCertificate};
pub use error::PkiError;
pub use tls::{ServerCertificate, http_config, mqtt_config};
pub use words::{WORDS, fingerprint_hex, fingerprint_words};

#[cfg(test)]
mod tests;
