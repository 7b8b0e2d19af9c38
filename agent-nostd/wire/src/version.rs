//! Wire versions and how two ends agree on one.
//!
//! Each end speaks a closed range of versions; the agent tells its range, the gateway answers in the highest that both
//! speak. The range and the choice go into the handshake's prologue, so whoever changes them on the way breaks the handshake.
//! Invariant: a golden file exists for every version between [`MINIMUM`] and [`CURRENT`].

/// The oldest version that this code speaks.
pub const MINIMUM: u8 = 1;

/// The newest version that this code speaks.
pub const CURRENT: u8 = 1;

/// A closed range of versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    /// The oldest.
    pub minimum: u8,
    /// The newest.
    pub maximum: u8,
}

/// Why two ends have no version in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// The peer speaks newer versions only: this end must be updated.
    #[error("the peer speaks wire versions from {theirs} on, this end up to {ours}: update this end")]
    PeerTooNew {
        /// The peer's oldest.
        theirs: u8,
        /// Our newest.
        ours: u8,
    },
    /// The peer speaks older versions only: the peer must be updated.
    #[error("the peer speaks wire versions up to {theirs}, this end from {ours} on: update the peer")]
    PeerTooOld {
        /// The peer's newest.
        theirs: u8,
        /// Our oldest.
        ours: u8,
    },
    /// The range is none: its minimum exceeds its maximum, or it is zero.
    #[error("the peer's range of wire versions {minimum} to {maximum} is none")]
    NoRange {
        /// The peer's minimum.
        minimum: u8,
        /// The peer's maximum.
        maximum: u8,
    },
}

impl Versions {
    /// What this code speaks.
    pub const OURS: Self = Self { minimum: MINIMUM, maximum: CURRENT };

    /// The range as it stands in a handshake frame.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 2] {
        [self.minimum, self.maximum]
    }

    /// The range from a handshake frame.
    #[must_use]
    pub const fn from_bytes([minimum, maximum]: [u8; 2]) -> Self {
        Self { minimum, maximum }
    }

    /// The highest version that `self` and `theirs` share.
    ///
    /// # Errors
    /// [`VersionError`], which also says which end is to be updated.
    pub fn negotiate(self, theirs: Self) -> Result<u8, VersionError> {
        if theirs.minimum == 0 || theirs.minimum > theirs.maximum {
            return Err(VersionError::NoRange { minimum: theirs.minimum, maximum: theirs.maximum });
        }
        if theirs.minimum > self.maximum {
            return Err(VersionError::PeerTooNew { theirs: theirs.minimum, ours: self.maximum });
        }
        if theirs.maximum < self.minimum {
            return Err(VersionError::PeerTooOld { theirs: theirs.maximum, ours: self.minimum });
        }
        Ok(self.maximum.min(theirs.maximum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_common_version_is_chosen() {
        let ours = Versions { minimum: 2, maximum: 5 };

        assert_eq!(ours.negotiate(Versions { minimum: 1, maximum: 3 }), Ok(3));
        assert_eq!(ours.negotiate(Versions { minimum: 4, maximum: 9 }), Ok(5));
        assert_eq!(ours.negotiate(ours), Ok(5));
    }

    #[test]
    fn each_failure_says_who_is_to_be_updated() {
        let ours = Versions { minimum: 2, maximum: 5 };

        assert_eq!(
            ours.negotiate(Versions { minimum: 6, maximum: 9 }),
            Err(VersionError::PeerTooNew { theirs: 6, ours: 5 })
        );
        assert_eq!(
            ours.negotiate(Versions { minimum: 1, maximum: 1 }),
            Err(VersionError::PeerTooOld { theirs: 1, ours: 2 })
        );
        assert_eq!(
            ours.negotiate(Versions { minimum: 3, maximum: 2 }),
            Err(VersionError::NoRange { minimum: 3, maximum: 2 })
        );
        assert_eq!(
            ours.negotiate(Versions { minimum: 0, maximum: 2 }),
            Err(VersionError::NoRange { minimum: 0, maximum: 2 })
        );
    }
}
