//! Assets: what is on the site, how it is named, and whether the site trusts it.
//!
//! An asset is an MQTT client, a radio sensor behind a receiver, a camera, an agent. This module does
//! not store or judge them; the devices slice does. Invariant: an [`AssetRef`] is never empty, has no
//! control characters and at most [`crate::limits::ASSET_ID_BYTES`] bytes.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::limits::ASSET_ID_BYTES;
use crate::time::Timestamp;

/// The stable name of an asset: `mqtt:thermo-1`, `rtl_433:Acurite-Tower:A:8682`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AssetRef(Arc<str>);

impl AssetRef {
    /// Takes a name that may come from outside: control characters become `_`, an empty name becomes
    /// `unknown`, too long a name is cut at a character boundary.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let clean: String = name.chars().map(|c| if c.is_control() { '_' } else { c }).collect();
        let mut end = clean.len().min(ASSET_ID_BYTES);
        while !clean.is_char_boundary(end) {
            end -= 1;
        }
        let cut = clean.get(..end).unwrap_or_default();
        Self(Arc::from(if cut.is_empty() { "unknown" } else { cut }))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AssetRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for AssetRef {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for AssetRef {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::new(&<std::borrow::Cow<'de, str>>::deserialize(deserializer)?))
    }
}

/// What kind of thing an asset is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AssetKind {
    /// An MQTT client.
    Client,
    /// A sensor, be it a client or behind one.
    Sensor,
    /// A camera.
    Camera,
    /// A microcontroller with our agent.
    Agent,
    /// The box itself.
    Box,
    /// Seen, kind not known.
    Unknown,
}

/// The site's trust in an asset, in the words of the design reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// Key or credential matches the enrolment at every connect.
    Trusted,
    /// Cannot hold a key; known by address and behaviour.
    Fenced,
    /// Seen, nobody decided.
    AwaitingApproval,
    /// Showed another key; cut off by the box.
    IdentityChanged,
    /// Cut off on purpose by a person or policy.
    Quarantined,
    /// Credential withdrawn; needs new enrolment.
    Revoked,
}

impl Trust {
    /// The name used in the store, the API and the policies.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trusted => "trusted",
            Self::Fenced => "fenced",
            Self::AwaitingApproval => "awaiting-approval",
            Self::IdentityChanged => "identity-changed",
            Self::Quarantined => "quarantined",
            Self::Revoked => "revoked",
        }
    }

    /// The state of that name; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Trusted,
            Self::Fenced,
            Self::AwaitingApproval,
            Self::IdentityChanged,
            Self::Quarantined,
            Self::Revoked,
        ]
        .into_iter()
        .find(|trust| trust.as_str() == text)
    }
}

/// An asset was seen: what the inventory is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    /// Which asset.
    pub asset: AssetRef,
    /// What kind of thing it appears to be.
    pub kind: AssetKind,
    /// The asset through which it was seen: the receiver of a radio sensor, the client of a payload.
    pub via: Option<AssetRef>,
    /// Facts that the sighting showed (`model`, `address`, `protocol`), short texts.
    pub facts: Vec<(Arc<str>, Arc<str>)>,
    /// When the box saw it.
    pub seen: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_outside_are_made_safe() {
        assert_eq!(AssetRef::new("a\u{0}b\nc").as_str(), "a_b_c");
        assert_eq!(AssetRef::new("").as_str(), "unknown");
        let long = "ä".repeat(300);
        assert!(AssetRef::new(&long).as_str().len() <= ASSET_ID_BYTES);
    }

    #[test]
    fn trust_words_round_trip() {
        assert_eq!(Trust::parse("awaiting-approval"), Some(Trust::AwaitingApproval));
        assert_eq!(Trust::parse("friend"), None);
    }
}
