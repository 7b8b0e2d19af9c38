//! Checkpoints: size and root of a log, signed (C2SP tlog-checkpoint within C2SP signed-note).
//!
//! The text is `origin \n size \n base64(root) \n`; under an empty line stand signatures, each
//! `— name base64(key hash || signature)`. A verifier key is `name+hash+base64(0x01 || public key)`. Signing and the
//! check of a signature are functions handed in: no key is here. Signatures by other keys are kept aside and prove
//! nothing. Invariant: what verifies is exactly the text that was signed, byte for byte.

#![deny(clippy::indexing_slicing)]

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::limits::{CHECKPOINT_BYTES, CHECKPOINT_SIGNATURES, NAME_BYTES, SEQ_MAX, SIGNATURE_TEXT_BYTES};
use crate::number;
use crate::tree::Hash;

/// Algorithm byte of Ed25519 in signed notes.
const ED25519: u8 = 0x01;

/// Says whether an Ed25519 signature holds: public key, message, signature.
pub type CheckSignature<'a> = dyn Fn(&[u8; 32], &[u8], &[u8]) -> bool + 'a;

/// Begins each signature line: an em dash and a space.
const SIGNATURE_LINE: &str = "\u{2014} ";

/// Why a checkpoint or a key is not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CheckpointError {
    /// Too long to be one.
    #[error("a checkpoint of {bytes} bytes is longer than {CHECKPOINT_BYTES}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// A part is not as the format says.
    #[error("not a signed checkpoint: {what}")]
    Malformed {
        /// Which part, and what is expected.
        what: &'static str,
    },
    /// No signature by this key.
    #[error("the checkpoint has no signature by {name}")]
    Unsigned {
        /// Name of the key.
        name: String,
    },
    /// The signature by this key does not fit the text.
    #[error(
        "the signature by {name} does not fit the checkpoint: it was changed, or signed with another key"
    )]
    BadSignature {
        /// Name of the key.
        name: String,
    },
    /// Not a verifier key.
    #[error("not a verifier key of Ed25519: {what}")]
    BadKey {
        /// Which part, and what is expected.
        what: &'static str,
    },
}

/// Size and root of a log under its origin's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Name of the log: the same on every checkpoint of it, unique among logs.
    pub origin: String,
    /// Number of records.
    pub size: u64,
    /// RFC 6962 root over them.
    pub root: Hash,
}

impl Checkpoint {
    /// The text that is signed.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, number::hash_text(&self.root))
    }

    /// The signed note: this text and one signature, which `sign` makes over the text's bytes.
    #[must_use]
    pub fn sign(&self, key: &VerifierKey, sign: &dyn Fn(&[u8]) -> [u8; 64]) -> String {
        let text = self.text();
        let mut bytes = key.hash().to_be_bytes().to_vec();
        bytes.extend_from_slice(&sign(text.as_bytes()));
        format!("{text}\n{SIGNATURE_LINE}{} {}\n", key.name, STANDARD.encode(bytes))
    }

    /// Reads the text without signatures. Lines beyond the root are refused: no log of ours has them.
    fn from_text(text: &str) -> Result<Self, CheckpointError> {
        let malformed = |what| CheckpointError::Malformed { what };
        let text = text.strip_suffix('\n').ok_or_else(|| malformed("its text must end with a line break"))?;
        let mut lines = text.split('\n');
        let (Some(origin), Some(size), Some(root), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(malformed("its text must be the three lines origin, size and root"));
        };
        if !is_name(origin) {
            return Err(malformed("the origin must be a name without spaces and plus signs"));
        }
        let size = number::parse(size).filter(|size| *size <= SEQ_MAX);
        Ok(Self {
            origin: origin.to_owned(),
            size: size.ok_or_else(|| malformed("the size must be a decimal number below 2^63"))?,
            root: number::parse_hash(root)
                .ok_or_else(|| malformed("the root must be the base64 of 32 bytes"))?,
        })
    }
}

/// One signature line, unchecked.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Signature {
    name: String,
    key_hash: u32,
    bytes: Vec<u8>,
}

/// A checkpoint with signatures, as it was received. Nothing is proven until [`SignedNote::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedNote {
    claimed: Checkpoint,
    signatures: Vec<Signature>,
}

impl SignedNote {
    /// Reads a signed note of at most [`CHECKPOINT_BYTES`].
    ///
    /// # Errors
    /// [`CheckpointError`] that names the part which is wrong.
    pub fn parse(note: &str) -> Result<Self, CheckpointError> {
        let malformed = |what| CheckpointError::Malformed { what };
        if note.len() > CHECKPOINT_BYTES {
            return Err(CheckpointError::TooLong { bytes: note.len() });
        }
        if note.chars().any(|character| character.is_control() && character != '\n') {
            return Err(malformed("control characters may not stand in it"));
        }
        // The signatures stand behind the last empty line; the line break before it belongs to the text.
        let (text, lines) = note.rsplit_once("\n\n").ok_or_else(|| malformed("the empty line is missing"))?;
        let claimed = Checkpoint::from_text(&format!("{text}\n"))?;
        let lines = lines
            .strip_suffix('\n')
            .ok_or_else(|| malformed("its last signature must end with a line break"))?;
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            if signatures.len() == CHECKPOINT_SIGNATURES {
                return Err(malformed("it has too many signatures"));
            }
            signatures.push(
                signature(line).ok_or_else(|| {
                    malformed("a signature must be a dash, a name and base64 with a key hash")
                })?,
            );
        }
        Ok(Self { claimed, signatures })
    }

    /// What it claims; not proven. To find out whose key to verify it with.
    #[must_use]
    pub const fn claimed(&self) -> &Checkpoint {
        &self.claimed
    }

    /// The checkpoint, if `key` signed it and its origin is the key's name.
    ///
    /// # Errors
    /// [`CheckpointError::Unsigned`] or [`CheckpointError::BadSignature`].
    pub fn verify(
        &self,
        key: &VerifierKey,
        check: &CheckSignature<'_>,
    ) -> Result<&Checkpoint, CheckpointError> {
        let hash = key.hash();
        let ours = self.signatures.iter().find(|found| found.name == key.name && found.key_hash == hash);
        let Some(ours) = ours.filter(|_| self.claimed.origin == key.name) else {
            return Err(CheckpointError::Unsigned { name: key.name.clone() });
        };
        let holds = check(&key.public_key, self.claimed.text().as_bytes(), &ours.bytes);
        if holds { Ok(&self.claimed) } else { Err(CheckpointError::BadSignature { name: key.name.clone() }) }
    }
}

fn signature(line: &str) -> Option<Signature> {
    let (name, text) = line.strip_prefix(SIGNATURE_LINE)?.split_once(' ')?;
    if !is_name(name) || text.len() > SIGNATURE_TEXT_BYTES {
        return None;
    }
    let bytes = STANDARD.decode(text).ok()?;
    let (hash, bytes) = bytes.split_first_chunk::<4>()?;
    (!bytes.is_empty()).then(|| Signature {
        name: name.to_owned(),
        key_hash: u32::from_be_bytes(*hash),
        bytes: bytes.to_vec(),
    })
}

/// The public half of a log's key under its name, as signed notes write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    public_key: [u8; 32],
}

impl VerifierKey {
    /// A key of Ed25519 under a name.
    ///
    /// # Errors
    /// [`CheckpointError::BadKey`] when the name is empty, too long, or has spaces or a plus sign.
    pub fn new(name: &str, public_key: [u8; 32]) -> Result<Self, CheckpointError> {
        if !is_name(name) {
            return Err(CheckpointError::BadKey { what: "its name must be without spaces and plus signs" });
        }
        Ok(Self { name: name.to_owned(), public_key })
    }

    /// Its name, which is the origin of its log.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public key's bytes.
    #[must_use]
    pub const fn public_key(&self) -> &[u8; 32] {
        &self.public_key
    }

    /// The key hash: first four bytes of `SHA-256(name || \n || 0x01 || public key)`, big-endian.
    #[must_use]
    pub fn hash(&self) -> u32 {
        let mut hasher = Sha256::new();
        hasher.update(self.name.as_bytes());
        hasher.update([b'\n', ED25519]);
        hasher.update(self.public_key);
        let digest: Hash = hasher.finalize().into();
        digest.first_chunk::<4>().map_or(0, |first| u32::from_be_bytes(*first))
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![ED25519];
        bytes.extend_from_slice(&self.public_key);
        write!(f, "{}+{:08x}+{}", self.name, self.hash(), STANDARD.encode(bytes))
    }
}

impl FromStr for VerifierKey {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let bad = |what| CheckpointError::BadKey { what };
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(hash), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(bad("it is written name+hash+key"));
        };
        if key.len() > SIGNATURE_TEXT_BYTES {
            return Err(bad("it is too long"));
        }
        let bytes = STANDARD.decode(key).map_err(|_| bad("its last part must be base64"))?;
        let Some((&ED25519, public_key)) = bytes.split_first() else {
            return Err(bad("its first byte must be 1, which stands for Ed25519"));
        };
        let public_key = public_key.try_into().map_err(|_| bad("a public key has 32 bytes"))?;
        let key = Self::new(name, public_key)?;
        if hash.len() != 8 || u32::from_str_radix(hash, 16).ok() != Some(key.hash()) {
            return Err(bad("its hash does not fit its name and key"));
        }
        Ok(key)
    }
}

/// Names of keys and origins: not empty, bounded, no white space, no plus sign, no control characters.
fn is_name(text: &str) -> bool {
    let odd = |character: char| character.is_whitespace() || character.is_control() || character == '+';
    !text.is_empty() && text.len() <= NAME_BYTES && !text.chars().any(odd)
}
