//! Findings: what the site's people are told, and what it rests on.
//!
//! The findings slice owns the lifecycle and the table; rules, agents and the board only make drafts.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::asset::AssetRef;
use crate::time::Timestamp;

/// How bad, in the words of the design reference; ordered, `Info` is the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// For the record.
    Info,
    /// Keep tidy.
    Low,
    /// Weakness or lost sensor; this week.
    Medium,
    /// Likely attack or loss of protection; today.
    High,
    /// Harm now or in minutes; act.
    Critical,
}

impl Severity {
    /// The name used in the store and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The severity of that name (Sigma's `informational` is `Info`); `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "info" | "informational" => Some(Self::Info),
            "low" => Some(Self::Low),
            "medium" => Some(Self::Medium),
            "high" => Some(Self::High),
            "critical" => Some(Self::Critical),
            _ => None,
        }
    }
}

/// Where a finding stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingStatus {
    /// Nobody took it.
    Open,
    /// A person took it.
    Acknowledged,
    /// Quiet until a date.
    Muted,
    /// Part of a case.
    InCase,
    /// Done, with a reason; reopens when it happens again.
    Closed,
}

impl FindingStatus {
    /// The name used in the store and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Muted => "muted",
            Self::InCase => "in-case",
            Self::Closed => "closed",
        }
    }

    /// The status of that name; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Open, Self::Acknowledged, Self::Muted, Self::InCase, Self::Closed]
            .into_iter()
            .find(|status| status.as_str() == text)
    }
}

/// One comparison of a rule and the value that it met.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvidenceAtom {
    /// The named selection of the rule's `detection` that it stands in.
    pub selection: String,
    /// The field; empty for a keyword search.
    pub field: String,
    /// The comparison in the rule's words: `gt 8`, `contains 'mimikatz'`.
    pub test: String,
    /// The event's value as text, cut to [`crate::limits::EVIDENCE_TEXT_BYTES`].
    pub value: String,
    /// Whether it held; false is an exception (`not filter`) that did not apply.
    pub matched: bool,
    /// Line of the rule file, from 1; 0 when not known.
    pub line: u32,
}

/// One event that the finding rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvidenceEvent {
    /// When it happened.
    pub time: Timestamp,
    /// Its fields as a JSON object.
    pub fields: serde_json::Value,
}

/// What a device signed itself, byte for byte: whoever has its key can check it without the box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Form of `bytes`: `cose-sign1` (RFC 9052 §4.2).
    pub format: String,
    /// Who signed: the agent's identifier in hexadecimal.
    pub agent: String,
    /// Its number among the agent's findings, as decimal text.
    pub sequence: String,
    /// The signed bytes, base64 (RFC 4648 §4).
    pub bytes: String,
}

/// What a finding rests on: the rule, what matched, which events, which window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Why now, as one sentence for people.
    pub reason: String,
    /// The rule's own text (YAML), empty when it was not a rule.
    pub rule_source: String,
    /// What matched and which exceptions did not.
    pub atoms: Vec<EvidenceAtom>,
    /// The events, oldest first, at most [`crate::limits::EVIDENCE_EVENTS`].
    pub events: Vec<EvidenceEvent>,
    /// First and last event time of the window, where the rule has one.
    pub window: Option<(Timestamp, Timestamp)>,
    /// What its device signed, when the device found it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<Statement>,
}

/// A finding as its producer hands it over; the findings slice makes it a row.
#[derive(Clone, Debug, PartialEq)]
pub struct FindingDraft {
    /// What makes two of them the same: rule id and grouping key.
    pub dedup_key: Arc<str>,
    /// Id of the rule (a UUID for Sigma rules) or of the built-in check.
    pub rule_id: Arc<str>,
    /// Title for people.
    pub title: Arc<str>,
    /// What it is about.
    pub asset: Option<AssetRef>,
    /// How bad.
    pub severity: Severity,
    /// ATT&CK technique ids (`T0856`).
    pub techniques: Vec<Arc<str>>,
    /// Event time of the match.
    pub time: Timestamp,
    /// What it rests on.
    pub evidence: Evidence,
    /// True when the condition has ended (`x-edge: clear`): the finding of this key is closed by it.
    pub cleared: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severities_are_ordered_and_sigma_words_are_known() {
        assert!(Severity::Critical > Severity::High && Severity::Low > Severity::Info);
        assert_eq!(Severity::parse("informational"), Some(Severity::Info));
        assert_eq!(Severity::parse("urgent"), None);
    }
}
