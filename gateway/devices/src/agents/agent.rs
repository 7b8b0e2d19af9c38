//! An agent as the site pinned it, its parameters, its runs, and what its line is like.
//!
//! Plain values; nothing is read or written here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sitewarden_core::Timestamp;
use sitewarden_wire::keys::{PublicKey, Secret, SigningPublicKey};
use sitewarden_wire::message::{Hello, ParametersOutcome};
use sitewarden_wire::statement::{Check, Parameters, Rule};
use sitewarden_wire::{DeviceId, List};
use utoipa::ToSchema;

use super::error::AgentError;
use super::keys::hex;

/// What the store has of an agent.
#[derive(Clone, Debug)]
pub struct Agent {
    /// Its identifier on the wire.
    pub wire: DeviceId,
    /// Its id in the inventory.
    pub device: Arc<str>,
    /// Its link key.
    pub link: PublicKey,
    /// The key that signs its findings.
    pub signing: SigningPublicKey,
    /// The secret that it shares with the site.
    pub(crate) psk: Secret,
    /// When it was enrolled.
    pub enrolled: Timestamp,
    /// When its enrolment was withdrawn.
    pub revoked: Option<Timestamp>,
    /// Model and firmware at its last hello.
    pub firmware: Firmware,
    /// What it is told to do.
    pub orders: Orders,
    /// Its runs, newest first.
    pub runs: Vec<Run>,
}

/// The id of an agent in the inventory. It has a colon, so no MQTT client and no payload can take it.
#[must_use]
pub fn inventory_id(wire: DeviceId) -> String {
    format!("agent:{wire}")
}

/// The identifier in an agent's inventory id; `None` for any other id.
#[must_use]
pub fn wire_id(inventory: &str) -> Option<DeviceId> {
    hex_id(inventory.strip_prefix("agent:")?)
}

/// The identifier of these sixteen hexadecimal digits.
pub(crate) fn hex_id(digits: &str) -> Option<DeviceId> {
    if digits.len() != 16 || digits.bytes().any(|digit| !matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    u64::from_str_radix(digits, 16).ok().map(|number| DeviceId::from_bytes(number.to_be_bytes()))
}

/// What a device says it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Firmware {
    /// Model.
    pub model: String,
    /// Version.
    pub version: String,
    /// SHA-256 over the image, as the device measured itself.
    pub measurement: [u8; 32],
}

impl Firmware {
    pub(crate) fn new(model: &str, [major, minor, patch]: [u8; 3], measurement: [u8; 32]) -> Self {
        // Shown to people: no control characters.
        let model = model.chars().filter(|letter| !letter.is_control()).collect();
        Self { model, version: format!("{major}.{minor}.{patch}"), measurement }
    }

    pub(crate) fn of(hello: &Hello<'_>) -> Self {
        Self::new(hello.model.as_str(), hello.firmware, hello.measurement)
    }

    pub(crate) fn digest(&self) -> String {
        hex(&self.measurement)
    }
}

/// One run of a device, from its start to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Random, made by the device at its start.
    pub id: [u8; 8],
    /// How often it had been started.
    pub counter: u32,
    /// When it was started: when the box heard it first, less its uptime.
    pub started: Timestamp,
    /// When the box heard it first.
    pub heard: Timestamp,
    /// What ran.
    pub firmware: Firmware,
}

impl Run {
    /// The run that a hello tells of.
    pub(crate) fn of(hello: &Hello<'_>, now: Timestamp) -> Self {
        Self {
            id: hello.boot_id,
            counter: hello.boot_counter,
            started: now.before(Duration::from_millis(hello.uptime_ms)),
            heard: now,
            firmware: Firmware::of(hello),
        }
    }
}

/// What an agent is told to do: report, and judge by rules of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AgentOrders)]
pub struct Orders {
    /// Rises with each change.
    #[serde(default)]
    #[schema(read_only)]
    pub version: u64,
    /// Milliseconds between two reports of all sensors; 0 for none.
    pub report_ms: u32,
    /// At most eight.
    #[serde(default)]
    #[schema(max_items = 8)]
    pub rules: Vec<OrderedRule>,
}

impl Default for Orders {
    /// What a new agent is told: report every ten seconds.
    fn default() -> Self {
        Self { version: 1, report_ms: 10_000, rules: Vec::new() }
    }
}

/// One rule on the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AgentRule)]
pub struct OrderedRule {
    /// From 1, unique.
    #[schema(minimum = 1)]
    pub id: u16,
    /// The sensor's number on the agent.
    pub sensor: u8,
    /// What is watched.
    pub check: CheckKind,
    /// The limit, in thousandths of a degree or per cent, millivolts, or 0 and 1 for a contact; none for `missing`.
    #[serde(default)]
    pub limit: Option<i32>,
    /// Where it ends; on the good side of `limit` or equal to it. Without one it is the limit.
    #[serde(default)]
    pub clear: Option<i32>,
    /// Milliseconds that it must hold before it raises or clears.
    #[schema(maximum = 604_800_000)]
    pub hold_ms: u32,
}

/// What a rule watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = AgentCheck)]
pub enum CheckKind {
    /// A value above its limit.
    Above,
    /// A value below its limit.
    Below,
    /// No reading.
    Missing,
}

impl OrderedRule {
    fn to_wire(&self) -> Result<Rule, AgentError> {
        let wrong = |why| AgentError::Rule { rule: self.id, why };
        let limit = || self.limit.ok_or_else(|| wrong("this check needs a limit"));
        let check = match self.check {
            CheckKind::Above => Check::Above { limit: limit()?, clear: self.clear.unwrap_or(limit()?) },
            CheckKind::Below => Check::Below { limit: limit()?, clear: self.clear.unwrap_or(limit()?) },
            CheckKind::Missing if self.limit.is_some() || self.clear.is_some() => {
                return Err(wrong("a missing reading has no limit"));
            }
            CheckKind::Missing => Check::Missing,
        };
        Ok(Rule { id: self.id, sensor: self.sensor, check, hold_ms: self.hold_ms })
    }
}

impl Orders {
    /// As they are signed for one agent.
    ///
    /// # Errors
    /// [`AgentError::TooManyRules`], [`AgentError::Rule`], [`AgentError::Parameters`].
    pub(crate) fn to_wire(&self, device: DeviceId) -> Result<Parameters, AgentError> {
        let mut rules = List::default();
        for rule in &self.rules {
            rules.push(rule.to_wire()?).map_err(|_| AgentError::TooManyRules)?;
        }
        let parameters = Parameters { version: self.version, device, rules, report_ms: self.report_ms };
        parameters.check().map_err(AgentError::Parameters)?;
        Ok(parameters)
    }
}

/// What an agent's line is like, counted since its enrolment; kept once a minute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// Frames that were good.
    pub ok: u64,
    /// Frames that meant nothing, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Findings acknowledged, repeats included.
    pub acknowledged: u64,
}

/// An agent's line as it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkState {
    /// Kind and name of the line while the session stands.
    pub line: Option<(Transport, Arc<str>)>,
    /// Since when the session stands, or when it ended.
    pub since: Option<Timestamp>,
    /// Last authentic message.
    pub heard: Option<Timestamp>,
    /// Findings that wait on the device, as it said last.
    pub queued: Option<u32>,
    /// Version of the orders that it uses, as it said last.
    pub in_use: Option<u64>,
    /// What it made of the last orders.
    pub outcome: Option<ParametersOutcome>,
    /// Good and bad frames.
    pub counters: Counters,
}

/// What carries a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// A serial port.
    Serial,
    /// A TCP connection.
    Tcp,
}

impl Transport {
    /// The name in the API and in events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Serial => "serial",
            Self::Tcp => "tcp",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_the_inventory_and_of_the_wire_are_the_same_thing() {
        let wire = DeviceId::from_bytes([0, 1, 2, 3, 0xfc, 0xfd, 0xfe, 0xff]);
        assert_eq!(inventory_id(wire), "agent:00010203fcfdfeff");
        assert_eq!(wire_id("agent:00010203fcfdfeff"), Some(wire));
        assert_eq!(hex_id("00010203fcfdfeff"), Some(wire));
        for wrong in ["", "agent:", "agent:00010203FCFDFEFF", "agent:+0010203fcfdfef", "00010203fcfdfeff"] {
            assert_eq!(wire_id(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn orders_are_checked_before_they_are_stored() {
        let wire = DeviceId::from_bytes([7; 8]);
        let rule = OrderedRule {
            id: 1,
            sensor: 0,
            check: CheckKind::Above,
            limit: Some(8_000),
            clear: None,
            hold_ms: 1_000,
        };
        let orders = |rules: Vec<OrderedRule>| Orders { rules, ..Orders::default() }.to_wire(wire);
        assert_eq!(orders(vec![rule.clone()]).expect("good").rules.len(), 1);
        let wrong = [
            vec![OrderedRule { limit: None, ..rule.clone() }],
            vec![OrderedRule { clear: Some(9_000), ..rule.clone() }],
            vec![OrderedRule { check: CheckKind::Missing, ..rule.clone() }],
            vec![OrderedRule { id: 0, ..rule.clone() }],
            vec![rule.clone(), rule.clone()],
            (1..=9).map(|id| OrderedRule { id, ..rule.clone() }).collect(),
        ];
        for rules in wrong {
            assert!(orders(rules.clone()).is_err(), "{rules:?}");
        }
    }
}
