//! Why a change of people, sessions or keys was not made.
//!
//! Refusals of policy are not here: those are `Denied`. Invariant: no text says whether a login exists to somebody who may
//! not know, and none carries a secret.

use std::time::Duration;

use http::StatusCode;
use sitewarden_core::{Denied, Role};
use sitewarden_http::ApiError;
use sitewarden_store::StoreError;
use thiserror::Error;

use crate::limits::SETUP_CODE_CHARS;

/// A change was not made.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// The store refused.
    #[error("the store refused")]
    Store(#[source] StoreError),
    /// The policies refused.
    #[error(transparent)]
    Denied(Denied),
    /// There is no such person, session or key.
    #[error("there is no {0}")]
    NotFound(&'static str),
    /// A value is not acceptable; the text says what would be right.
    #[error("{field}: {why}")]
    Value {
        /// Which value.
        field: &'static str,
        /// What would be right.
        why: String,
    },
    /// The login belongs to somebody.
    #[error("the login {0:?} is taken: choose another")]
    LoginTaken(String),
    /// The site would be left without an owner.
    #[error("this is the last owner: make another person an owner first")]
    LastOwner,
    /// Somebody wants to give or take more than they have.
    #[error("nobody gives, changes or takes a role above their own, and this needs {0:?}")]
    AboveOwnRole(Role),
    /// A bound of the slice.
    #[error("there are {0} {1} already, and that is the most: remove one first")]
    Full(usize, &'static str),
    /// The owner was made already.
    #[error("the site has an owner already: sign in instead")]
    SetupDone,
    /// The set-up code is not the one on the console.
    #[error("the set-up code is wrong: {0}")]
    SetupCode(String),
    /// Login or password is wrong, or changed while it was checked.
    #[error("login or password is wrong")]
    WrongCredentials,
    /// Too many tries.
    #[error("too many tries: wait {} s", .0.as_secs().max(1))]
    Throttled(Duration),
    /// All hashers are busy.
    #[error("too many sign-ins at once: try again in a moment")]
    Busy,
    /// Hashing or randomness failed: the system underneath is broken.
    #[error("{doing} failed: {reason}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// The cause in words.
        reason: String,
    },
}

impl IdentityError {
    /// A wrong value with what would be right.
    pub(crate) fn value(field: &'static str, why: impl Into<String>) -> Self {
        Self::Value { field, why: why.into() }
    }

    /// What to tell about a code that is not the right one.
    pub(crate) fn setup_code(given: usize) -> Self {
        Self::SetupCode(if given == SETUP_CODE_CHARS {
            "it stands on the console of the box and in its log".to_owned()
        } else {
            format!("the code has {SETUP_CODE_CHARS} characters; {given} are here")
        })
    }
}

impl From<StoreError> for IdentityError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Denied> for IdentityError {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl From<IdentityError> for ApiError {
    fn from(error: IdentityError) -> Self {
        let text = error.to_string();
        let sentence = |text: &str| {
            let mut chars = text.chars();
            let first = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
            format!("{first}{}. Nothing was changed.", chars.as_str())
        };
        match error {
            IdentityError::Store(error) => error.into(),
            IdentityError::Denied(denied) => denied.into(),
            IdentityError::NotFound(what) => Self::not_found(what),
            IdentityError::Value { .. } => Self::unprocessable("bad-value", sentence(&text)),
            IdentityError::LoginTaken(_) => Self::conflict("login-taken", sentence(&text)),
            IdentityError::LastOwner => Self::conflict("last-owner", sentence(&text)),
            IdentityError::AboveOwnRole(_) => Self::forbidden("above-own-role", sentence(&text)),
            IdentityError::Full(..) => Self::conflict("full", sentence(&text)),
            IdentityError::SetupDone => Self::conflict("setup-done", sentence(&text)),
            IdentityError::SetupCode(_) => Self::forbidden("setup-code-wrong", sentence(&text)),
            IdentityError::WrongCredentials => {
                Self::new(StatusCode::UNAUTHORIZED, "wrong-credentials", "Login or password is wrong.")
            }
            IdentityError::Throttled(wait) => Self::too_many("too-many-tries", sentence(&text), wait),
            IdentityError::Busy => Self::unavailable("busy", sentence(&text)),
            error @ IdentityError::System { .. } => Self::internal(&error),
        }
    }
}
