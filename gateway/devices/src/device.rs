//! A device as the inventory knows it, and how fresh its word is.
//!
//! Plain values; nothing is read or written here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use sitewarden_core::{AssetKind, Timestamp, Trust};

use crate::limits::{INTERVAL_MAX, INTERVAL_UNKNOWN, SAME_REPORT};

/// What the store has of a device.
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    /// Asset id; of a client its MQTT client id.
    pub id: Arc<str>,
    /// Name for people.
    pub name: String,
    /// Kind of thing.
    pub kind: AssetKind,
    /// Where it is, as people named it.
    pub zone: String,
    /// Whether the site trusts it.
    pub trust: Trust,
    /// Through which device it is seen; empty for its own connection.
    pub via: String,
    /// What sightings told (`model`, `address`).
    pub facts: BTreeMap<String, String>,
    /// When it was first seen or enrolled.
    pub first_seen: Timestamp,
    /// Belongs to the demo.
    pub demo: bool,
    /// How it proves who it is.
    pub credential: Option<Credential>,
}

/// How a device proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Password or certificate.
    pub kind: CredentialKind,
    /// SHA-256 of the password, or of the certificate's DER.
    pub hash: [u8; 32],
    /// When it was made.
    pub created: Timestamp,
}

/// Kind of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialKind {
    /// 32 random bytes that only the device knows.
    Password,
    /// A certificate of the site's CA over the device's own key.
    Certificate,
}

impl CredentialKind {
    /// The name used in the store and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Certificate => "certificate",
        }
    }
}

/// The word for a kind of thing; `None` for any other text.
#[must_use]
pub fn parse_kind(text: &str) -> Option<AssetKind> {
    ALL_KINDS.into_iter().find(|kind| kind_word(*kind) == text)
}

const ALL_KINDS: [AssetKind; 6] = [
    AssetKind::Client,
    AssetKind::Sensor,
    AssetKind::Camera,
    AssetKind::Agent,
    AssetKind::Box,
    AssetKind::Unknown,
];

/// The word of a kind, as the store and the API have it.
#[must_use]
pub const fn kind_word(kind: AssetKind) -> &'static str {
    match kind {
        AssetKind::Client => "client",
        AssetKind::Sensor => "sensor",
        AssetKind::Camera => "camera",
        AssetKind::Agent => "agent",
        AssetKind::Box => "box",
        AssetKind::Unknown => "unknown",
    }
}

/// How fresh a device's word is, in the words of the design reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Freshness {
    /// Reported within two of its intervals.
    Live,
    /// Two to five intervals.
    Late,
    /// Over five intervals.
    Stale,
    /// Its connection is gone and it is late.
    Offline,
    /// Never reported.
    Never,
}

/// What is only known while the box runs, and the report interval that it learned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Presence {
    /// When it reported last.
    pub last_report: Option<Timestamp>,
    /// Learned report interval.
    pub interval: Option<Duration>,
    /// Its connection: `None` for a device behind another.
    pub connection: Option<Connection>,
}

/// An MQTT connection of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Whether it stands now.
    pub up: bool,
    /// Address, as text.
    pub address: String,
    /// Since when it is up or down.
    pub since: Timestamp,
}

impl Presence {
    /// Takes a report: its interval is a moving average that forgets slowly. A gap counts as five intervals at
    /// most: an outage of a night must not make the device look live for hours after its next silence.
    pub fn reported(&mut self, received: Timestamp) {
        if let Some(last) = self.last_report {
            let gap = received.since(last);
            if gap < SAME_REPORT {
                return;
            }
            let learned = self.interval.map_or(gap, |interval| (interval * 4 + gap.min(interval * 5)) / 5);
            self.interval = Some(learned.min(INTERVAL_MAX));
        }
        self.last_report = Some(received);
    }

    /// How fresh its word is.
    #[must_use]
    pub fn freshness(&self, now: Timestamp) -> Freshness {
        let Some(last) = self.last_report else { return Freshness::Never };
        let interval = self.interval.unwrap_or(INTERVAL_UNKNOWN).max(Duration::from_secs(1));
        let age = now.since(last);
        if age <= interval * 2 {
            return Freshness::Live;
        }
        if self.connection.as_ref().is_some_and(|connection| !connection.up) {
            return Freshness::Offline;
        }
        if age <= interval * 5 { Freshness::Late } else { Freshness::Stale }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn freshness_is_measured_in_the_devices_own_interval() {
        let mut presence = Presence::default();
        assert_eq!(presence.freshness(at(0)), Freshness::Never);
        for second in [100, 110, 120, 130] {
            presence.reported(at(second));
        }
        assert_eq!(presence.interval, Some(Duration::from_secs(10)));
        assert_eq!(presence.freshness(at(150)), Freshness::Live);
        assert_eq!(presence.freshness(at(151)), Freshness::Late);
        assert_eq!(presence.freshness(at(181)), Freshness::Stale);
        presence.connection = Some(Connection { up: false, address: String::new(), since: at(140) });
        assert_eq!(presence.freshness(at(150)), Freshness::Live, "its last word is still fresh");
        assert_eq!(presence.freshness(at(151)), Freshness::Offline);
    }

    #[test]
    fn an_outage_does_not_become_the_interval_but_a_slower_pace_does() {
        let mut presence = Presence::default();
        for second in [0, 10, 20, 30] {
            presence.reported(at(second));
        }
        presence.reported(at(36_030));
        assert_eq!(presence.interval, Some(Duration::from_secs(18)), "ten hours of silence");
        assert_eq!(presence.freshness(at(36_130)), Freshness::Stale);
        let mut time = 36_030;
        for _ in 0..30 {
            time += 60;
            presence.reported(at(time));
        }
        let learned = presence.interval.expect("learned").as_secs();
        assert!((55..=60).contains(&learned), "a report a minute from now on: {learned}");
    }

    #[test]
    fn several_metrics_at_once_are_one_report() {
        let mut presence = Presence::default();
        presence.reported(Timestamp::from_micros(1_000_000));
        presence.reported(Timestamp::from_micros(1_000_100));
        assert_eq!(presence.interval, None);
    }

    #[test]
    fn kinds_have_words() {
        for kind in ALL_KINDS {
            assert_eq!(parse_kind(kind_word(kind)), Some(kind));
        }
        assert_eq!(parse_kind("toaster"), None);
    }
}
