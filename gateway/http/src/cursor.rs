//! Opaque cursors of lists.
//!
//! A cursor says where the next page begins (a key, not an offset) and for which list it was made. The check
//! value catches damage and mix-ups; it is no secret, because a cursor gives no rights: the list is asked with the
//! caller's own. Invariant: whatever does not decode is a 400, never a panic and never page one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::error::ApiError;
use crate::limits::CURSOR_BYTES;

/// Bytes of the check value.
const CHECK: usize = 8;

/// Makes the cursor of a list, such as `"findings"`, that goes on after `key`.
#[must_use]
pub fn encode(list: &str, key: &impl Serialize) -> String {
    // A key is a tuple of numbers and texts, whose serialisation cannot fail.
    let mut bytes = serde_json::to_vec(key).unwrap_or_default();
    let check = check(list, &bytes);
    bytes.extend_from_slice(&check);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads a cursor of this list.
///
/// # Errors
/// 400 `bad-cursor`.
pub fn decode<K: DeserializeOwned>(list: &str, cursor: &str) -> Result<K, ApiError> {
    let bad = || {
        ApiError::bad_request(
            "bad-cursor",
            "The cursor is not one of this list. Begin again without a cursor.",
        )
    };
    if cursor.len() > CURSOR_BYTES {
        return Err(bad());
    }
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| bad())?;
    let (key, found) = bytes.split_last_chunk::<CHECK>().ok_or_else(bad)?;
    if check(list, key) != *found {
        return Err(bad());
    }
    serde_json::from_slice(key).map_err(|_| bad())
}

fn check(list: &str, key: &[u8]) -> [u8; CHECK] {
    let mut hasher = Sha256::new();
    hasher.update(list.as_bytes());
    hasher.update([0]);
    hasher.update(key);
    let hash: [u8; 32] = hasher.finalize().into();
    std::array::from_fn(|index| hash.get(index).copied().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_and_only_for_its_list() {
        let cursor = encode("findings", &(1_795_514_400_000_000_i64, 9_u64));
        assert_eq!(decode::<(i64, u64)>("findings", &cursor), Ok((1_795_514_400_000_000, 9)));
        assert_eq!(decode::<(i64, u64)>("devices", &cursor).expect_err("other list").code(), "bad-cursor");
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_refused() {
        let cursor = encode("findings", &("a", 9_u64));
        for place in 0..cursor.len() {
            assert!(decode::<(String, u64)>("findings", &cursor[..place]).is_err(), "cut at {place}");
            let mut changed = cursor.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert!(decode::<(String, u64)>("findings", &changed).is_err(), "changed at {place}");
        }
        for junk in ["", "!!!!", "ü", &"A".repeat(CURSOR_BYTES + 1)] {
            assert!(decode::<(String, u64)>("findings", junk).is_err());
        }
    }
}
