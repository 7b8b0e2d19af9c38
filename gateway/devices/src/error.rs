//! What can go wrong in the inventory, in words for the person who asked.

use sitewarden_core::Trust;
use sitewarden_http::ApiError;
use sitewarden_store::StoreError;
use thiserror::Error;

/// The inventory cannot do what was asked; nothing was changed.
#[derive(Debug, Error)]
pub enum DeviceError {
    /// There is no such device.
    #[error("there is no device {0}")]
    Unknown(String),
    /// The device stands where the act makes no sense.
    #[error("{id} is {}: {why}", trust.as_str())]
    Trust {
        /// Device id.
        id: String,
        /// Where it stands.
        trust: Trust,
        /// Why not.
        why: &'static str,
    },
    /// A text is too long, empty or has control characters.
    #[error("{field}: {why}")]
    Text {
        /// Which text.
        field: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The certificate request cannot be signed.
    #[error("the certificate request was refused: {0}")]
    Csr(String),
    /// The inventory is full of approved devices.
    #[error("the inventory is full: remove devices that are gone")]
    Full,
    /// A row of the database cannot be read.
    #[error("device {id} has a {field} that this version does not know: {value:?}")]
    Damaged {
        /// Device id.
        id: String,
        /// Column.
        field: &'static str,
        /// What stands there.
        value: String,
    },
    /// The operating system gives no random bytes.
    #[error("the box has no random numbers; no credential was made")]
    NoRandom,
    /// The store refused.
    #[error("devices: the store refused")]
    Store(#[from] StoreError),
}

impl From<DeviceError> for ApiError {
    fn from(error: DeviceError) -> Self {
        match error {
            DeviceError::Store(error) => error.into(),
            DeviceError::Unknown(id) => Self::not_found(format_args!("device {id}")),
            error @ DeviceError::Trust { .. } => Self::conflict("device-trust", sentence(&error)),
            error @ DeviceError::Text { .. } => Self::unprocessable("bad-text", sentence(&error)),
            error @ DeviceError::Csr(_) => Self::unprocessable("bad-csr", sentence(&error)),
            error @ DeviceError::Full => Self::conflict("inventory-full", sentence(&error)),
            error @ (DeviceError::Damaged { .. } | DeviceError::NoRandom) => Self::internal(&error),
        }
    }
}

pub(crate) fn sentence(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}. Nothing was changed.", letters.as_str())
}
