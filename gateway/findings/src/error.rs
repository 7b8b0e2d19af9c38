//! What can go wrong with a finding, and its answer over HTTP.
//!
//! Not for faults of a draft: those are made to fit. Invariant: each variant says what was tried on which finding.

use sitewarden_core::FindingStatus;
use sitewarden_http::ApiError;
use sitewarden_store::StoreError;
use thiserror::Error;

/// A change or read of findings failed.
#[derive(Debug, Error)]
pub enum FindingError {
    /// There is no such finding.
    #[error("there is no finding {0}")]
    NotFound(u64),
    /// The finding's status does not allow the change.
    #[error("finding {id} is {status}, so it cannot be {wanted}", status = status.as_str())]
    WrongStatus {
        /// The finding.
        id: u64,
        /// Its status.
        status: FindingStatus,
        /// What was wanted: `acknowledged`.
        wanted: &'static str,
    },
    /// A note or reason is missing or too long.
    #[error("{0}")]
    BadNote(&'static str),
    /// A stored row has a value that this program does not know.
    #[error("finding {id} has an unknown {column} in the database: {value:?}")]
    BadRow {
        /// The finding.
        id: u64,
        /// The column.
        column: &'static str,
        /// Its value.
        value: String,
    },
    /// The store failed.
    #[error("findings")]
    Store(#[source] StoreError),
}

impl From<StoreError> for FindingError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<FindingError> for ApiError {
    fn from(error: FindingError) -> Self {
        match error {
            FindingError::NotFound(id) => Self::not_found(format_args!("finding {id}")),
            FindingError::WrongStatus { .. } => {
                Self::conflict("wrong-status", format!("Nothing was changed: {error}."))
            }
            FindingError::BadNote(why) => Self::unprocessable("bad-note", why),
            FindingError::Store(error) => error.into(),
            error @ FindingError::BadRow { .. } => Self::internal(&error),
        }
    }
}
