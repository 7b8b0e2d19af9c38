//! The site's keys for its agents: the link's private key, the seed of the signing key, the key that seals secrets.
//!
//! Bytes in one file, made once; what they are for is known to whoever uses them. Beside it stands the public half of
//! the signing key, so that a lost file is noticed. Invariant: keys that are lost or foreign are told, never replaced:
//! with new ones every agent must be enrolled again.

use std::path::Path;

use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use zeroize::Zeroizing;

use crate::error::PkiError;
use crate::file;

/// 32 secret bytes each.
pub struct AgentKeys {
    /// Private X25519 key of the link (RFC 7748).
    pub link: Zeroizing<[u8; 32]>,
    /// Seed of the Ed25519 key that signs time and parameters (RFC 8032).
    pub signing: Zeroizing<[u8; 32]>,
    /// Key that seals agents' secrets in the store.
    pub seal: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for AgentKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AgentKeys(..)")
    }
}

/// Reads or makes the keys in the state folder (`keys/agents.key`, `agents.pub`).
///
/// # Errors
/// [`PkiError`]; nothing was changed.
pub fn agent_keys(state: &Path) -> Result<AgentKeys, PkiError> {
    let (folder, public) = (state.join("keys"), state.join("agents.pub"));
    let private = folder.join("agents.key");
    file::secret_folder(&folder)?;
    let keys = match (file::read_secret(&private)?, file::read(&public)?) {
        (Some(text), known) => {
            let damaged = || PkiError::Damaged { path: private.clone(), what: "three keys in hexadecimal" };
            let keys = parse(&text).ok_or_else(damaged)?;
            // Without its public half it is a first start that lost its power.
            if known.is_some_and(|known| known.trim() != public_text(&keys)) {
                return Err(PkiError::ForeignKeys { private, public });
            }
            keys
        }
        (None, Some(_)) => return Err(PkiError::KeysGone { missing: private, present: public }),
        (None, None) => {
            let keys = AgentKeys { link: fresh()?, signing: fresh()?, seal: fresh()? };
            let lines = [&keys.link, &keys.signing, &keys.seal].map(|key| hex(&**key));
            let text = Zeroizing::new(lines.join("\n"));
            file::write(&private, text.as_bytes(), file::SECRET)?;
            keys
        }
    };
    if !public.exists() {
        // Not secret, but handed out to nobody either.
        file::write(&public, format!("{}\n", public_text(&keys)).as_bytes(), file::SECRET)?;
    }
    Ok(keys)
}

fn public_text(keys: &AgentKeys) -> String {
    Ed25519KeyPair::from_seed_unchecked(&*keys.signing)
        .map_or_else(|_| String::new(), |pair| hex(pair.public_key().as_ref()))
}

fn fresh() -> Result<Zeroizing<[u8; 32]>, PkiError> {
    let mut bytes = Zeroizing::new([0; 32]);
    SystemRandom::new().fill(&mut *bytes).map_err(|_| PkiError::System {
        doing: "making the keys for agents",
        reason: "the box has no random numbers".to_owned(),
    })?;
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn parse(text: &str) -> Option<AgentKeys> {
    let mut lines = text.lines();
    let mut next = || unhex(lines.next()?);
    let keys = AgentKeys { link: next()?, signing: next()?, seal: next()? };
    Some(keys).filter(|_| lines.all(|line| line.is_empty()))
}

fn unhex(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let digits: Zeroizing<Vec<u8>> =
        Zeroizing::new(text.chars().map_while(|digit| digit.to_digit(16)?.try_into().ok()).collect());
    if text.len() != 64 || digits.len() != 64 {
        return None;
    }
    let mut bytes = Zeroizing::new([0; 32]);
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair.iter().fold(0, |byte, digit| byte << 4 | digit);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn keys_are_made_once_for_the_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = agent_keys(folder.path()).expect("made");
        let again = agent_keys(folder.path()).expect("read");

        assert_eq!((*first.link, *first.signing, *first.seal), (*again.link, *again.signing, *again.seal));
        assert_ne!(*first.link, *first.signing);
        let mode =
            std::fs::metadata(folder.path().join("keys/agents.key")).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn lost_foreign_and_damaged_keys_are_told_and_never_replaced() {
        let (one, two) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        agent_keys(one.path()).expect("made");
        agent_keys(two.path()).expect("made");
        let file = one.path().join("keys/agents.key");

        std::fs::copy(two.path().join("keys/agents.key"), &file).expect("copied");
        assert!(matches!(agent_keys(one.path()), Err(PkiError::ForeignKeys { .. })));
        std::fs::write(&file, "nonsense").expect("written");
        assert!(matches!(agent_keys(one.path()), Err(PkiError::Damaged { .. })));
        std::fs::remove_file(&file).expect("removed");
        assert!(matches!(agent_keys(one.path()), Err(PkiError::KeysGone { .. })));
        assert!(!file.exists());
    }
}
