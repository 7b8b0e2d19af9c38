//! `[uplink]` of the configuration. Where the box is registered stands in the store, not here.
//!
//! Reads and checks values only. Invariant: the defaults suit a box behind an ordinary link.

use std::path::PathBuf;

use serde::Deserialize;

/// `[uplink]`: how the cloud is talked to.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// Certificates of the authorities that may have signed the cloud's, unless the registration brought its own.
    pub ca: PathBuf,
    /// Seconds that the cloud may take to answer.
    pub answer_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { ca: PathBuf::from("/etc/ssl/certs/ca-certificates.crt"), answer_seconds: 30 }
    }
}

impl Config {
    /// What is wrong with the values, as sentences; empty when nothing is.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        if (1..=600).contains(&self.answer_seconds) {
            return Vec::new();
        }
        vec![format!("uplink.answer-seconds is {}; give 1 to 600", self.answer_seconds)]
    }
}
