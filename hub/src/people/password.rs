//! Passwords: Argon2id in a bounded queue on blocking threads.
//!
//! What does not fit in the queue is refused at once. Invariant: a login that does not exist costs the same as one that does.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use thiserror::Error;
use tokio::sync::Semaphore;

use crate::limits::{ARGON2_KIB, ARGON2_PASSES, HASH_QUEUE, HASHERS, PASSWORD_BYTES, PASSWORD_CHARS};
use crate::secret::{self, Secret};

/// Why a password was not hashed or checked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum PasswordError {
    /// The queue is full.
    #[error("too many passwords are being checked; come again in a moment")]
    Busy,
    /// Not a password that is taken.
    #[error("the password {0}")]
    Weak(String),
    /// The system did not do it.
    #[error("hashing a password failed: {0}")]
    System(String),
}

/// The queue. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Passwords {
    places: Arc<Semaphore>,
    hashers: Arc<Semaphore>,
    /// Hash of a password that nobody has.
    decoy: Arc<str>,
}

impl Passwords {
    /// Makes the queue; hashes once, so it takes some 40 ms.
    ///
    /// # Errors
    /// [`PasswordError::System`].
    pub(crate) fn new() -> Result<Self, PasswordError> {
        let nobody = secret::token().map_err(|error| PasswordError::System(error.to_string()))?;
        Ok(Self {
            places: Arc::new(Semaphore::new(HASHERS + HASH_QUEUE)),
            hashers: Arc::new(Semaphore::new(HASHERS)),
            decoy: hash(&nobody)?.into(),
        })
    }

    /// Whether the password is the one of this hash; without a hash the same work for nothing.
    ///
    /// # Errors
    /// [`PasswordError::Busy`] when the queue is full.
    pub(crate) async fn verify(
        &self,
        password: Secret,
        stored: Option<String>,
    ) -> Result<bool, PasswordError> {
        let system = |error: &dyn std::fmt::Display| PasswordError::System(error.to_string());
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| PasswordError::Busy)?;
        let hasher = Arc::clone(&self.hashers).acquire_owned().await.map_err(|error| system(&error))?;
        let decoy = Arc::clone(&self.decoy);
        // The places go with the work, not with the request: one that was cancelled still counts until it is done.
        tokio::task::spawn_blocking(move || {
            let _held = (place, hasher);
            let exists = stored.is_some();
            let stored = stored.unwrap_or_else(|| decoy.to_string());
            let fits = PasswordHash::new(&stored).is_ok_and(|hash| {
                Argon2::default().verify_password(password.expose().as_bytes(), &hash).is_ok()
            });
            exists && fits
        })
        .await
        .map_err(|error| system(&error))
    }
}

/// Hashes a password as a PHC string.
///
/// # Errors
/// [`PasswordError::System`].
pub(crate) fn hash(password: &Secret) -> Result<String, PasswordError> {
    let system = |reason: String| PasswordError::System(reason);
    let params =
        Params::new(ARGON2_KIB, ARGON2_PASSES, 1, None).map_err(|error| system(error.to_string()))?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash: PasswordHash =
        argon2.hash_password(password.expose().as_bytes()).map_err(|error| system(error.to_string()))?;
    Ok(hash.to_string())
}

/// Checks a new password. Length is what counts; rules about kinds of characters only make people write it down.
///
/// # Errors
/// [`PasswordError::Weak`] with what would be right.
pub(crate) fn check(password: &Secret, login: &str) -> Result<(), PasswordError> {
    let text = password.expose();
    let chars = text.chars().count();
    let weak = |why: String| Err(PasswordError::Weak(why));
    if chars < PASSWORD_CHARS || text.len() > PASSWORD_BYTES {
        return weak(format!(
            "has {chars} characters; give {PASSWORD_CHARS} or more, at most {PASSWORD_BYTES} bytes"
        ));
    }
    let mut distinct: Vec<char> = text.chars().collect();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() < 5 || (text.to_lowercase().contains(login) && chars < login.len() + PASSWORD_CHARS) {
        return weak("repeats few characters, or is little more than the login; choose another".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[tokio::test]
    async fn hashes_are_argon2id_with_the_parameters_of_the_house() {
        let passwords = Passwords::new().expect("a queue");
        let hash = hash(&secret("correct horse")).expect("hashed");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.verify(secret("correct horse"), Some(hash.clone())).await.expect("checked"));
        assert!(!passwords.verify(secret("wrong horse"), Some(hash)).await.expect("checked"));
        assert!(!passwords.verify(secret("correct horse"), None).await.expect("checked"));
    }

    #[tokio::test]
    async fn what_does_not_fit_in_the_queue_is_refused_at_once() {
        let passwords = Passwords::new().expect("a queue");
        let all = u32::try_from(HASHERS + HASH_QUEUE).expect("small");
        let held = Arc::clone(&passwords.places).try_acquire_many_owned(all).expect("all places");
        assert_eq!(passwords.verify(secret("x"), None).await, Err(PasswordError::Busy));
        drop(held);
        assert_eq!(passwords.verify(secret("x"), None).await, Ok(false));
    }

    #[test]
    fn short_and_obvious_passwords_are_refused_with_what_would_be_right() {
        for (password, what) in
            [("short", "12 or more"), ("elin-1234567", "login"), ("aaaaaaaaaaaa", "repeats")]
        {
            let error = check(&secret(password), "elin").expect_err(password).to_string();
            assert!(error.contains(what), "{error}");
        }
        check(&secret("correct horse battery"), "elin").expect("good");
    }
}
