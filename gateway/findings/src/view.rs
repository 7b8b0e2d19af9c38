//! How findings look over the API.
//!
//! Plain values for serde and the API document; no logic. Invariant: ids are text, times RFC 3339 in UTC.

use serde::Serialize;
use sitewarden_core::finding::{EvidenceAtom, EvidenceEvent};
use sitewarden_core::{Evidence, FindingStatus, Severity, Timestamp};
use sitewarden_http::Id;
use utoipa::ToSchema;

use crate::rows::Finding;

/// A finding in a list.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct FindingView {
    /// Number of the finding.
    pub id: Id,
    /// Id of the rule or check that raised it.
    pub rule_id: String,
    /// Title for people.
    pub title: String,
    /// How bad.
    #[schema(value_type = String, example = "high")]
    pub severity: Severity,
    /// Where it stands.
    #[schema(value_type = String, example = "open")]
    pub status: FindingStatus,
    /// What it is about; null for the box itself.
    pub asset: Option<String>,
    /// Name of the asset for people.
    pub asset_name: String,
    /// Event time of the first match.
    #[schema(value_type = String, format = DateTime)]
    pub first_seen: Timestamp,
    /// Event time of the latest match.
    #[schema(value_type = String, format = DateTime)]
    pub last_seen: Timestamp,
    /// How often it matched.
    pub count: u64,
    /// Why now, in one sentence.
    pub summary: String,
    /// Who took it: `person:elin`.
    pub assignee: Option<String>,
    /// Whether it belongs to the demo.
    pub demo: bool,
    /// Its place in lists: `last_seen` as of its newest record.
    #[serde(skip)]
    pub listed: Timestamp,
}

/// A finding with all that is known about it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct DetailView {
    /// The finding as in the list.
    #[serde(flatten)]
    pub finding: FindingView,
    /// ATT&CK techniques.
    pub techniques: Vec<String>,
    /// What the latest recorded match rests on.
    pub evidence: EvidenceView,
    /// What the first match rests on; null when it is the same.
    pub first_evidence: Option<EvidenceView>,
    /// What happened to it, newest first.
    pub history: Vec<HistoryView>,
    /// Its newest record in the site log.
    pub log_seq: Id,
}

/// What a finding rests on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct EvidenceView {
    /// Why, as one sentence.
    pub reason: String,
    /// Text of the rule as it was then.
    pub rule_source: String,
    /// What matched and which exceptions did not.
    pub atoms: Vec<AtomView>,
    /// The events, oldest first.
    pub events: Vec<EventView>,
    /// First and last event time of the rule's window.
    pub window: Option<WindowView>,
    /// What its device signed, byte for byte; null when the box found it.
    pub statement: Option<StatementView>,
}

/// What a device signed itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = SignedStatement)]
pub struct StatementView {
    /// `cose-sign1`.
    pub format: String,
    /// The agent's identifier.
    pub agent: String,
    /// Its number among the agent's findings.
    pub sequence: String,
    /// The signed bytes, base64.
    pub bytes: String,
}

/// One comparison of the rule.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct AtomView {
    /// The rule's selection.
    pub selection: String,
    /// The field; empty for a keyword search.
    pub field: String,
    /// The comparison in the rule's words.
    pub test: String,
    /// The event's value.
    pub value: String,
    /// Whether it held.
    pub matched: bool,
    /// Line of the rule from 1; 0 when not known.
    pub line: u32,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct EventView {
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    pub time: Timestamp,
    /// Its fields.
    #[schema(value_type = Object)]
    pub fields: serde_json::Value,
}

/// A span of event time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct WindowView {
    /// First event.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// Last event.
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
}

/// One line of a finding's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct HistoryView {
    /// When, by the box's clock.
    #[schema(value_type = String, format = DateTime)]
    pub time: Timestamp,
    /// Who: `person:elin`, `system:pipeline`.
    pub actor: String,
    /// What: `finding.closed`.
    pub kind: String,
    /// Note or reason.
    pub note: String,
    /// Its record in the site log.
    pub log_seq: Id,
}

impl From<Finding> for FindingView {
    fn from(finding: Finding) -> Self {
        Self {
            id: Id(finding.id),
            rule_id: finding.rule_id,
            title: finding.title,
            severity: finding.severity,
            status: finding.status,
            asset: finding.asset.map(|asset| asset.as_str().to_owned()),
            asset_name: finding.asset_name,
            first_seen: finding.first_seen,
            last_seen: finding.last_seen,
            count: finding.count,
            summary: finding.summary,
            assignee: finding.assignee,
            demo: finding.demo,
            listed: finding.listed,
        }
    }
}

impl From<Evidence> for EvidenceView {
    fn from(evidence: Evidence) -> Self {
        Self {
            reason: evidence.reason,
            rule_source: evidence.rule_source,
            atoms: evidence.atoms.into_iter().map(AtomView::from).collect(),
            events: evidence.events.into_iter().map(EventView::from).collect(),
            window: evidence.window.map(|(from, to)| WindowView { from, to }),
            statement: evidence.statement.map(|signed| StatementView {
                format: signed.format,
                agent: signed.agent,
                sequence: signed.sequence,
                bytes: signed.bytes,
            }),
        }
    }
}

impl From<EvidenceAtom> for AtomView {
    fn from(atom: EvidenceAtom) -> Self {
        let EvidenceAtom { selection, field, test, value, matched, line } = atom;
        Self { selection, field, test, value, matched, line }
    }
}

impl From<EvidenceEvent> for EventView {
    fn from(event: EvidenceEvent) -> Self {
        Self { time: event.time, fields: event.fields }
    }
}
