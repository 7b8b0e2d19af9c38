//! Payload dialects: what a message on a topic says, as readings with units and sightings of sensors.
//!
//! Pure: profile files and messages go in, readings come out; `received` is passed in, no clock is read.
//! Not storage, not trust, not rules. Invariants: no payload panics or costs more than its length; numbers
//! are finite; what is not understood comes back as [`Unknown`] with a reason and is never dropped
//! silently; a client that speaks for another device never lends it its own name (it becomes `via`).

#![deny(clippy::indexing_slicing)]

use sitewarden_core::{AssetRef, Reading, Sighting, Timestamp};
use thiserror::Error;

mod build;
mod fuzz;
mod json;
pub mod limits;
mod object;
mod path;
mod pattern;
mod profile;
mod rtl_433;
mod time;
mod units;
mod value;

#[cfg(test)]
mod tests;

pub use fuzz::{fuzz_decode, fuzz_profile};
pub use profile::ProfileError;

/// What one message said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoded {
    /// Named values with units, in the payload's order.
    pub readings: Vec<Reading>,
    /// The sensors that it showed.
    pub sightings: Vec<Sighting>,
    /// Set when the payload, or a part of it, was not understood.
    pub unknown: Option<Unknown>,
}

/// A payload that is to be kept raw and counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Unknown {
    /// Why, for people.
    pub reason: UnknownReason,
}

/// Why a payload was not understood.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum UnknownReason {
    /// No profile has a pattern that fits.
    #[error("no profile in config/dialects has a pattern for this topic")]
    NoProfile,
    /// Larger than [`limits::PAYLOAD_BYTES`].
    #[error("payload larger than {} bytes", limits::PAYLOAD_BYTES)]
    TooLarge,
    /// No bytes.
    #[error("empty payload")]
    Empty,
    /// Neither JSON nor a plain value.
    #[error("not JSON: {0}")]
    NotJson(String),
    /// JSON, but not an object where one is expected.
    #[error("not a JSON object")]
    NotAnObject,
    /// `NaN`, infinite, or out of the range of a double.
    #[error("a number that is not finite")]
    NotFinite,
    /// Text where the profile says that the metric has a unit.
    #[error("`{0}` is not a number")]
    NotANumber(String),
    /// An object without a number, flag or short text.
    #[error("no value in it that is a number, a flag or a short text")]
    NoValue,
    /// rtl_433's object without `model`.
    #[error("no `model`, which every message of rtl_433 has")]
    NoModel,
    /// More values than [`limits::READINGS`]; the first ones were taken.
    #[error("more than {} values, the rest was left out", limits::READINGS)]
    TooManyValues,
}

/// All profiles that are in force. Immutable; a reload makes a new one.
#[derive(Clone, Debug, Default)]
pub struct Dialects {
    topics: Vec<profile::Topic>,
    rtl_433: rtl_433::Keys,
}

impl Dialects {
    /// Loads profile files, given as (name, text). Files with an error are left out and reported; the
    /// caller decides whether the last good set stays. Patterns are tried in order of file and line.
    #[must_use]
    pub fn load<N: AsRef<str>, T: AsRef<str>>(files: &[(N, T)]) -> (Self, Vec<ProfileError>) {
        let mut dialects = Self::default();
        let mut errors = Vec::new();
        for (name, text) in files {
            match profile::load(name.as_ref(), text.as_ref()) {
                Ok(topics) => dialects.topics.extend(topics),
                Err(mut found) => errors.append(&mut found),
            }
        }
        (dialects, errors)
    }

    /// How many patterns are in force.
    #[must_use]
    pub fn patterns(&self) -> usize {
        self.topics.len()
    }

    /// Decodes one message. `client` is the asset of the connection, such as `mqtt:thermo-1`.
    #[must_use]
    pub fn decode(&self, topic: &str, payload: &[u8], client: &AssetRef, received: Timestamp) -> Decoded {
        let mut levels = Vec::with_capacity(8);
        levels.extend(topic.split('/').take(limits::TOPIC_LEVELS + 1));
        let Some((profile, parts)) =
            self.topics.iter().find_map(|profile| Some((profile, profile.pattern.capture(&levels)?)))
        else {
            return build::unknown(UnknownReason::NoProfile);
        };
        if payload.len() > limits::PAYLOAD_BYTES {
            return build::unknown(UnknownReason::TooLarge);
        }
        let message = build::Message { profile, parts: &parts, client, received };
        match profile.payload {
            profile::Payload::Value => value::decode(&message, payload),
            profile::Payload::Object => object::decode(&message, payload),
            profile::Payload::Rtl433 => rtl_433::decode(&self.rtl_433, &message, payload),
        }
    }
}
