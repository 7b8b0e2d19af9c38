//! What can be wrong with a set of policies, told with file, line and what would be right.
//!
//! Not refusals: those are `sitewarden_core::Denied`. Invariant: whatever stands here, the set that was in force
//! stays in force.

use std::path::PathBuf;

use sitewarden_core::error::chain;
use sitewarden_http::ApiError;
use sitewarden_store::StoreError;
use thiserror::Error;

/// A set of policies was not taken, or the store refused to record it.
#[derive(Debug, Error)]
pub enum PolicyError {
    /// A file or the folder cannot be read.
    #[error("cannot read {}: check the path and its permissions", path.display())]
    Read {
        /// File or folder.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// The folder holds no policy.
    #[error("{} holds no policy: put a file that ends in .cedar into it, or remove the key to use the shipped set", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// A bound of [`crate::limits`] is passed.
    #[error("{file}: {found} {what}, at most {most} are allowed")]
    TooMuch {
        /// File or folder.
        file: String,
        /// What was counted.
        what: &'static str,
        /// How many.
        found: u64,
        /// The bound.
        most: u64,
    },
    /// The text does not say what it should.
    #[error("{file}:{line}: {message}{}", if hint.is_empty() { String::new() } else { format!(" ({hint})") })]
    Wrong {
        /// File name.
        file: String,
        /// Line from 1.
        line: usize,
        /// What is wrong.
        message: String,
        /// What would be right; may be empty.
        hint: String,
    },
    /// The store refused.
    #[error("the change of policies was not recorded")]
    Store(#[source] StoreError),
}

impl From<StoreError> for PolicyError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<PolicyError> for ApiError {
    fn from(error: PolicyError) -> Self {
        match error {
            PolicyError::Store(error) => error.into(),
            error => Self::unprocessable(
                "policies-refused",
                format!("The policies were not loaded; those in force stay. {}", chain(&error)),
            ),
        }
    }
}

/// The line of a byte offset, from 1.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

/// Line and hint out of one of cedar's errors: its first label, its help.
pub(crate) fn wrong(file: &str, text: &str, error: &dyn miette::Diagnostic) -> PolicyError {
    let label = error.labels().and_then(|mut labels| labels.next());
    let line = label.as_ref().map_or(1, |label| line_of(text, label.offset()));
    let mut hints: Vec<String> = Vec::new();
    hints.extend(label.and_then(|label| label.label().map(str::to_owned)));
    hints.extend(error.help().map(|help| help.to_string()));
    PolicyError::Wrong { file: file.to_owned(), line, message: error.to_string(), hint: hints.join("; ") }
}
