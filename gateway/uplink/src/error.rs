//! What can go wrong when a person registers the box at a cloud, and its answer over HTTP.
//!
//! Failures of the running uplink are no errors: they are its state. Invariant: no claim code stands in a text.

use http::StatusCode;
use sitewarden_http::ApiError;
use sitewarden_store::{ReadError, StoreError, WriteError};
use thiserror::Error;

/// A registration, or its end, failed.
#[derive(Debug, Error)]
pub enum UplinkError {
    /// A value that cannot be right.
    #[error("{0}")]
    Value(String),
    /// The box is registered already.
    #[error("this box is registered at {0} already; forget that first")]
    Registered(String),
    /// It is registered nowhere.
    #[error("this box is registered at no cloud")]
    NotRegistered,
    /// The cloud did not take it.
    #[error("{0}")]
    Cloud(String),
    /// The box's own key or certificates cannot be used.
    #[error("the box cannot talk to a cloud: {0}")]
    Identity(String),
    /// The state cannot be read.
    #[error("reading the uplink's state")]
    Read(#[source] ReadError<StoreError>),
    /// The state cannot be kept.
    #[error("keeping the uplink's state")]
    Write(#[source] WriteError<StoreError>),
}

impl From<UplinkError> for ApiError {
    fn from(error: UplinkError) -> Self {
        match error {
            UplinkError::Value(text) => Self::unprocessable("wrong-value", text),
            UplinkError::Registered(_) => Self::conflict("already-registered", error.to_string()),
            UplinkError::NotRegistered => Self::conflict("not-registered", error.to_string()),
            UplinkError::Cloud(text) => Self::new(StatusCode::FAILED_DEPENDENCY, "cloud-refused", text),
            UplinkError::Identity(_) => Self::internal(&error),
            UplinkError::Read(error) => error.into(),
            UplinkError::Write(error) => error.into(),
        }
    }
}
