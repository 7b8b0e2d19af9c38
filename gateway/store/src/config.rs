//! Configuration of the store.
//!
//! Not where tables or retention are configured: those belong to their slices. Invariant: the defaults are
//! what ships and what is measured.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits::{LINGER_MAX, READERS_MAX};

/// Section `[store]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// Folder of `state.db`.
    pub dir: PathBuf,
    /// Milliseconds that a commit waits for more work after the first closure. Zero commits at once; more
    /// trades the time of acknowledgements for flash life.
    pub linger_ms: u64,
    /// Read-only connections.
    pub readers: usize,
    /// Mebibytes held back on the disk for findings and the site log; see [`crate::Space`].
    pub reserve_mib: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { dir: PathBuf::from("/var/lib/sitewarden"), linger_ms: 0, readers: 4, reserve_mib: 32 }
    }
}

impl Config {
    /// A configuration for this folder, all else default.
    #[must_use]
    pub fn for_dir(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), ..Self::default() }
    }

    /// `linger_ms` as a duration.
    #[must_use]
    pub const fn linger(&self) -> Duration {
        Duration::from_millis(self.linger_ms)
    }

    /// What is wrong with the values, as sentences; empty when nothing is.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.linger() > LINGER_MAX {
            problems.push(format!(
                "store.linger-ms is {}; at most {} is allowed, because senders give up waiting for their acknowledgement",
                self.linger_ms,
                LINGER_MAX.as_millis()
            ));
        }
        if self.readers == 0 || self.readers > READERS_MAX {
            problems.push(format!("store.readers is {}; give 1 to {READERS_MAX}", self.readers));
        }
        if self.reserve_mib > 4_096 {
            problems.push(format!("store.reserve-mib is {}; give 0 to 4096", self.reserve_mib));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_have_no_problem_and_each_bound_is_named() {
        assert_eq!(Config::default().problems(), Vec::<String>::new());
        let wrong = Config { linger_ms: 60_000, readers: 0, reserve_mib: 1 << 40, ..Config::default() };
        assert_eq!(wrong.problems().len(), 3);
    }
}
