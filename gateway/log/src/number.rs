//! Numbers and hashes as the APIs write them: u64 as decimal text, hashes as base64.
//!
//! For serde's `with`. JSON's own numbers lose precision beyond 2^53 in many readers. Invariant: one value has one text:
//! no sign, no leading zero, padded base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::tree::Hash;

/// Reads a decimal number without sign and without leading zeros.
#[must_use]
pub fn parse(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits && (text == "0" || !text.starts_with('0'))).then(|| text.parse().ok())?
}

/// Appends a number as decimal text, without a formatter: a backlog writes a hundred thousand of them.
pub(crate) fn write(bytes: &mut Vec<u8>, mut number: u64) {
    // 2^64 - 1 has 20 digits.
    let (mut text, mut used) = ([b'0'; 20], 0);
    for digit in text.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        used += 1;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    bytes.extend_from_slice(text.get(text.len() - used..).unwrap_or_default());
}

/// Reads a hash from padded base64.
#[must_use]
pub fn parse_hash(text: &str) -> Option<Hash> {
    // 32 bytes are 44 characters; anything longer is not decoded at all.
    (text.len() == 44).then(|| STANDARD.decode(text).ok())?.and_then(|bytes| bytes.try_into().ok())
}

/// A hash as padded base64.
#[must_use]
pub fn hash_text(hash: &Hash) -> String {
    STANDARD.encode(hash)
}

/// `#[serde(with = "number::decimal")]` on a u64.
pub mod decimal {
    use std::borrow::Cow;

    use serde::{Deserialize, Deserializer, Serializer, de};

    /// Writes the number as text.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    /// Reads the number from text.
    ///
    /// # Errors
    /// When it is no decimal number without leading zeros below 2^64.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        super::parse(&text)
            .ok_or_else(|| de::Error::custom("a decimal number in quotes is expected, such as \"17\""))
    }
}

/// `#[serde(with = "number::hash")]` on a hash.
pub mod hash {
    use std::borrow::Cow;

    use serde::{Deserialize, Deserializer, Serializer, de};

    use crate::tree::Hash;

    /// Writes the hash as base64.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(hash: &Hash, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::hash_text(hash))
    }

    /// Reads the hash from base64.
    ///
    /// # Errors
    /// When it is not the base64 of 32 bytes.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        super::parse_hash(&text).ok_or_else(|| de::Error::custom("the base64 of 32 bytes is expected"))
    }
}

/// `#[serde(with = "number::hashes")]` on the hashes of a proof; not more than a proof can have.
pub mod hashes {
    use std::borrow::Cow;
    use std::fmt;

    use serde::de::{Error as _, SeqAccess, Visitor};
    use serde::{Deserializer, Serializer};

    use crate::limits::PROOF_HASHES;
    use crate::tree::Hash;

    /// Writes the hashes as a list of base64.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(hashes: &[Hash], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(hashes.iter().map(super::hash_text))
    }

    /// Reads a list of at most [`PROOF_HASHES`] hashes.
    ///
    /// # Errors
    /// When there are more, or one is not the base64 of 32 bytes.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Hash>, D::Error> {
        deserializer.deserialize_seq(List)
    }

    struct List;

    impl<'de> Visitor<'de> for List {
        type Value = Vec<Hash>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {PROOF_HASHES} hashes in base64")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut hashes = Vec::new();
            while let Some(text) = list.next_element::<Cow<'de, str>>()? {
                if hashes.len() == PROOF_HASHES {
                    return Err(A::Error::custom(format_args!("more than {PROOF_HASHES} hashes in a proof")));
                }
                let hash = super::parse_hash(&text);
                hashes.push(hash.ok_or_else(|| A::Error::custom("the base64 of 32 bytes is expected"))?);
            }
            Ok(hashes)
        }
    }
}
