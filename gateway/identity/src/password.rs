//! Passwords: Argon2id in a bounded queue on blocking threads.
//!
//! A flood of log-ins costs at most [`crate::limits::HASHERS`] cores and 19 MiB each; what does not fit in the queue
//! is refused at once. Invariant: a login that does not exist costs the same time as one that does.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::IdentityError;
use crate::limits::{ARGON2_KIB, ARGON2_PASSES, HASH_QUEUE, HASHERS, PASSWORD_BYTES, PASSWORD_CHARS};
use crate::secret::{Secret, token};

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
    pub(crate) fn new() -> Result<Self, IdentityError> {
        let decoy = hash_now(token()?.expose())?;
        Ok(Self {
            places: Arc::new(Semaphore::new(HASHERS + HASH_QUEUE)),
            hashers: Arc::new(Semaphore::new(HASHERS)),
            decoy: decoy.into(),
        })
    }

    /// Hashes a new password as a PHC string.
    pub(crate) async fn hash(&self, password: Secret) -> Result<String, IdentityError> {
        self.work("hashing a password", move || hash_now(password.expose())).await?
    }

    /// Whether the password is the one of this hash; without a hash the same work for nothing.
    pub(crate) async fn verify(
        &self,
        password: Secret,
        stored: Option<String>,
    ) -> Result<bool, IdentityError> {
        let decoy = Arc::clone(&self.decoy);
        self.work("checking a password", move || {
            let exists = stored.is_some();
            let stored = stored.unwrap_or_else(|| decoy.to_string());
            let fits = PasswordHash::new(&stored).is_ok_and(|hash| {
                Argon2::default().verify_password(password.expose().as_bytes(), &hash).is_ok()
            });
            exists && fits
        })
        .await
    }

    async fn work<R: Send + 'static>(
        &self,
        doing: &'static str,
        task: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, IdentityError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| IdentityError::Busy)?;
        let fault = |reason: String| IdentityError::System { doing, reason };
        let hasher =
            Arc::clone(&self.hashers).acquire_owned().await.map_err(|error| fault(error.to_string()))?;
        // The places go with the work, not with the request: one that was cancelled still counts until it is done.
        let held: [OwnedSemaphorePermit; 2] = [place, hasher];
        tokio::task::spawn_blocking(move || {
            let result = task();
            drop(held);
            result
        })
        .await
        .map_err(|error| fault(error.to_string()))
    }
}

fn hash_now(password: &str) -> Result<String, IdentityError> {
    let fault = |reason: String| IdentityError::System { doing: "hashing a password", reason };
    let params = Params::new(ARGON2_KIB, ARGON2_PASSES, 1, None).map_err(|error| fault(error.to_string()))?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash: PasswordHash =
        argon2.hash_password(password.as_bytes()).map_err(|error| fault(error.to_string()))?;
    Ok(hash.to_string())
}

/// Checks a new password. Length is what counts; rules about kinds of characters only make people write it down.
pub(crate) fn check(password: &Secret, login: &str) -> Result<(), IdentityError> {
    let text = password.expose();
    let chars = text.chars().count();
    if chars < PASSWORD_CHARS || text.len() > PASSWORD_BYTES {
        let why = format!(
            "give {PASSWORD_CHARS} characters or more, at most {PASSWORD_BYTES} bytes; {chars} are here"
        );
        return Err(IdentityError::value("password", why));
    }
    if text.to_lowercase().contains(login) && chars < login.chars().count() + PASSWORD_CHARS {
        return Err(IdentityError::value("password", "it is little more than the login; choose another"));
    }
    let mut distinct: Vec<char> = text.chars().collect();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() < 5 {
        return Err(IdentityError::value(
            "password",
            "it repeats fewer than five characters; choose another",
        ));
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
        let hash = passwords.hash(secret("correct horse")).await.expect("hashed");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hash, passwords.hash(secret("correct horse")).await.expect("hashed"), "salted");
        assert!(passwords.verify(secret("correct horse"), Some(hash.clone())).await.expect("checked"));
        assert!(!passwords.verify(secret("wrong horse"), Some(hash)).await.expect("checked"));
        assert!(!passwords.verify(secret("correct horse"), None).await.expect("checked"));
        assert!(!passwords.verify(secret("x"), Some("no hash".to_owned())).await.expect("checked"));
    }

    #[tokio::test]
    async fn what_does_not_fit_in_the_queue_is_refused_at_once() {
        let passwords = Passwords::new().expect("a queue");
        let held = Arc::clone(&passwords.places)
            .try_acquire_many_owned(u32::try_from(HASHERS + HASH_QUEUE).expect("small"))
            .expect("all places");
        let refused = passwords.verify(secret("x"), None).await;
        assert!(matches!(refused, Err(IdentityError::Busy)), "{refused:?}");
        drop(held);
        assert!(!passwords.verify(secret("x"), None).await.expect("checked"));
    }

    #[test]
    fn short_and_obvious_passwords_are_refused_with_what_would_be_right() {
        for (password, what) in
            [("eleven-long", "12 characters or more"), ("elin-1234567", "login"), ("aaaaaaaaaaaa", "repeats")]
        {
            let error = check(&secret(password), "elin").expect_err(password).to_string();
            assert!(error.contains(what), "{error}");
        }
        check(&secret(&"x".repeat(PASSWORD_BYTES + 1)), "elin").expect_err("too long");
        check(&secret("correct horse battery"), "elin").expect("good");
    }
}
