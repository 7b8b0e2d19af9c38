//! The key that signs the site log's checkpoints, and the name of the log.
//!
//! The key is `keys/log.key`; the verifier key in `log.vkey` has the name, which is made once and never again. It signs
//! nothing but checkpoints. Invariants: an existing key is never replaced, since what it signed could not be checked any
//! more; whoever verifies needs `log.vkey` alone, best a copy kept elsewhere.

use std::path::{Path, PathBuf};

use rcgen::KeyPair;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use sitewarden_log::{Checkpoint, CheckpointError, Hash, SignedNote, VerifierKey};
use zeroize::Zeroizing;

use crate::error::PkiError;
use crate::file;

/// Begins the name of every site's log; a random UUID follows.
const ORIGIN: &str = "sitewarden.example/site/";

/// Signs checkpoints.
pub struct LogKey {
    pair: Ed25519KeyPair,
    verifier: VerifierKey,
}

impl std::fmt::Debug for LogKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogKey").field("verifier", &self.verifier.to_string()).finish_non_exhaustive()
    }
}

impl LogKey {
    /// The public half with the log's name, for whoever verifies.
    #[must_use]
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// A signed note that the log's first `size` records have this root.
    #[must_use]
    pub fn sign(&self, size: u64, root: Hash) -> String {
        let checkpoint = Checkpoint { origin: self.verifier.name().to_owned(), size, root };
        checkpoint.sign(&self.verifier, &|text| {
            // An Ed25519 signature is 64 bytes (RFC 8032 §5.1.6).
            self.pair.sign(text).as_ref().try_into().unwrap_or([0; 64])
        })
    }
}

/// Reads the key, or makes it when neither file is there.
pub(crate) fn open(state: &Path, keys: &Path) -> Result<LogKey, PkiError> {
    let (public, secret) = (public_path(state), keys.join("log.key"));
    let pair = match file::read_secret(&secret)? {
        Some(pem) => read_pair(&pem, &secret)?,
        None if public.exists() => return Err(PkiError::HalfGone { missing: secret, present: public }),
        None => make_pair(&secret)?,
    };
    let public_key: [u8; 32] = pair.public_key().as_ref().try_into().unwrap_or_default();
    let verifier = match log_verifier(state)? {
        Some(verifier) if *verifier.public_key() == public_key => verifier,
        Some(_) => return Err(PkiError::Mismatch { certificate: public, key: secret }),
        // A key alone is a first start that lost its power before it signed anything.
        None => {
            let verifier =
                VerifierKey::new(&format!("{ORIGIN}{}", uuid()?), public_key).map_err(|error| {
                    PkiError::System { doing: "naming the site log", reason: error.to_string() }
                })?;
            file::write(&public, format!("{verifier}\n").as_bytes(), file::PUBLIC)?;
            verifier
        }
    };
    Ok(LogKey { pair, verifier })
}

/// The verifier key of a state folder's log; `None` when there is none yet.
///
/// # Errors
/// [`PkiError`] when the file cannot be read or holds something else.
pub fn log_verifier(state: &Path) -> Result<Option<VerifierKey>, PkiError> {
    let path = public_path(state);
    let Some(text) = file::read(&path)? else { return Ok(None) };
    text.trim_end()
        .parse()
        .map(Some)
        .map_err(|_| PkiError::Damaged { path, what: "a verifier key of the site log" })
}

/// Checks a signed note against a log's verifier key and gives what it says.
///
/// # Errors
/// [`CheckpointError`] when it is no checkpoint or this key did not sign it.
pub fn check_note(verifier: &VerifierKey, note: &str) -> Result<Checkpoint, CheckpointError> {
    SignedNote::parse(note)?
        .verify(verifier, &|key, text, signature| {
            UnparsedPublicKey::new(&ED25519, key).verify(text, signature).is_ok()
        })
        .cloned()
}

fn public_path(state: &Path) -> PathBuf {
    state.join("log.vkey")
}

fn read_pair(pem: &str, path: &Path) -> Result<Ed25519KeyPair, PkiError> {
    let damaged = || PkiError::Damaged { path: path.to_owned(), what: "an Ed25519 key in PEM" };
    let key = KeyPair::from_pem(pem).map_err(|_| damaged())?;
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(&Zeroizing::new(key.serialize_der())).map_err(|_| damaged())
}

fn make_pair(path: &Path) -> Result<Ed25519KeyPair, PkiError> {
    let key = KeyPair::generate_for(&rcgen::PKCS_ED25519)
        .map_err(|source| PkiError::Crypto { doing: "making the site log's key", source })?;
    let pem = Zeroizing::new(key.serialize_pem());
    file::write(path, pem.as_bytes(), file::SECRET)?;
    read_pair(&pem, path)
}

/// A random UUID (RFC 9562 §5.4).
fn uuid() -> Result<String, PkiError> {
    let mut bytes = [0_u8; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| PkiError::System {
        doing: "taking random bytes",
        reason: "the system gave none".to_owned(),
    })?;
    let mut number = u128::from_be_bytes(bytes);
    number = (number & !(0xf << 76)) | (0x4 << 76);
    number = (number & !(0x3 << 62)) | (0x2 << 62);
    let digits = format!("{number:032x}");
    let part = |from, to| digits.get(from..to).unwrap_or_default();
    Ok(format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)))
}
