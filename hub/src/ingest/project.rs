//! What the hub understands of a log: findings, and agents with their keys. Pure.
//!
//! All other records are stored and proven, not interpreted. An agent's key is the one of the newest enrolment before the
//! finding's record; the gateway's word alone makes no signature. Invariant: a finding is `verified` only if the agent's
//! statement, byte for byte, was signed by a key whose enrolment stands in the same log before it.

#![deny(clippy::indexing_slicing)]

use std::collections::{BTreeMap, HashMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use sitewarden_core::Severity;
use sitewarden_log::BatchRecord;

use crate::alarm::Alarm;
use crate::limits::TEXT_BYTES;
use crate::text::clean;

mod signed;

pub(crate) use signed::{Signature, Statement};
use signed::{StatementBody, alarm, device, verify};

/// A key of an agent, and between which records it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AgentKey {
    /// The agent: 16 hexadecimal digits.
    pub(crate) agent: String,
    /// Record of the enrolment.
    pub(crate) enrolled: u64,
    /// Record of the revocation.
    pub(crate) revoked: Option<u64>,
    /// Ed25519 public key.
    pub(crate) key: [u8; 32],
    /// Its id in the box's inventory.
    pub(crate) device: String,
    /// What the enrolment says about its firmware.
    pub(crate) firmware: String,
}

/// A finding as its records up to now leave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) id: i64,
    /// Its first record is among these: whatever stood under its id before is another one.
    pub(crate) fresh: bool,
    pub(crate) rule_id: String,
    pub(crate) title: String,
    pub(crate) summary: String,
    pub(crate) severity: i16,
    pub(crate) status: String,
    pub(crate) asset: String,
    pub(crate) asset_name: String,
    pub(crate) count: i64,
    pub(crate) demo: bool,
    pub(crate) raised: i64,
    pub(crate) raised_seq: i64,
    pub(crate) changed: i64,
    pub(crate) last_seq: i64,
    pub(crate) signature: Signature,
    pub(crate) statement: Option<Statement>,
}

impl Finding {
    /// What searches look in.
    pub(crate) fn words(&self) -> String {
        [&self.title, &self.asset_name, &self.asset, &self.rule_id].map(|text| text.to_lowercase()).join(" ")
    }
}

/// What a batch's records mean.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Events<'a> {
    list: Vec<(u64, Event<'a>)>,
    /// Records of a kind that the hub knows with a body that it does not.
    pub(crate) not_understood: u64,
}

#[derive(Debug, PartialEq)]
enum Event<'a> {
    Enrolled(AgentKey),
    Revoked(String),
    Finding { raised: bool, time: i64, severity: i16, body: Box<FindingBody<'a>>, id: i64 },
}

#[derive(Debug, PartialEq, Deserialize)]
struct FindingBody<'a> {
    id: String,
    rule_id: String,
    title: String,
    #[serde(default)]
    summary: Option<String>,
    severity: Severity,
    status: String,
    #[serde(default)]
    asset: Option<String>,
    #[serde(default)]
    asset_name: Option<String>,
    #[serde(default)]
    count: Option<u64>,
    #[serde(default)]
    demo: bool,
    #[serde(default, borrow)]
    statement: Option<StatementBody<'a>>,
}

#[derive(Deserialize)]
struct EnrolledBody {
    agent: String,
    #[serde(default)]
    device: Option<String>,
    signing_key: String,
    #[serde(default)]
    firmware: Value,
}

#[derive(Deserialize)]
struct RevokedBody {
    agent: String,
}

impl<'a> Events<'a> {
    /// Reads the records that the hub knows.
    pub(crate) fn read(records: &'a [BatchRecord<'a>]) -> Self {
        let mut events = Self::default();
        for record in records {
            let kind = record.kind.as_ref();
            let known = kind.starts_with("finding.") || kind == "agent.enrolled" || kind == "agent.revoked";
            if !known {
                continue;
            }
            match Event::read(record) {
                Some(event) => events.list.push((record.seq, event)),
                None => events.not_understood += 1,
            }
        }
        events
    }

    /// The agents whose keys are needed.
    pub(crate) fn agents(&self) -> Vec<String> {
        let named = self.list.iter().filter_map(|(_, event)| match event {
            Event::Finding { body, .. } => body.statement.as_ref().map(|statement| statement.agent.clone()),
            Event::Revoked(agent) => Some(agent.clone()),
            Event::Enrolled(_) => None,
        });
        named.filter(|agent| device(agent).is_some()).collect::<HashSet<_>>().into_iter().collect()
    }
}

impl<'a> Event<'a> {
    fn read(record: &'a BatchRecord<'a>) -> Option<Self> {
        match record.kind.as_ref() {
            "agent.enrolled" => {
                let body: EnrolledBody = serde_json::from_str(record.body).ok()?;
                let firmware = match body.firmware {
                    Value::Null => String::new(),
                    Value::String(text) => text,
                    other => other.to_string(),
                };
                let key = STANDARD.decode(body.signing_key.get(..44)?).ok()?.try_into().ok()?;
                device(&body.agent).is_some().then(|| {
                    Self::Enrolled(AgentKey {
                        agent: body.agent,
                        enrolled: record.seq,
                        revoked: None,
                        key,
                        device: clean(&body.device.unwrap_or_default(), TEXT_BYTES),
                        firmware: clean(&firmware, TEXT_BYTES),
                    })
                })
            }
            "agent.revoked" => {
                let body: RevokedBody = serde_json::from_str(record.body).ok()?;
                Some(Self::Revoked(body.agent))
            }
            kind => {
                let body: FindingBody<'a> = serde_json::from_str(record.body).ok()?;
                let id = sitewarden_log::number::parse(&body.id).and_then(|id| i64::try_from(id).ok())?;
                let (raised, time) = (kind == "finding.raised", record.time.micros());
                let severity = number_of(body.severity);
                Some(Self::Finding { raised, time, severity, body: Box::new(body), id })
            }
        }
    }
}

/// A severity as the column has it.
const fn number_of(severity: Severity) -> i16 {
    match severity {
        Severity::Info => 0,
        Severity::Low => 1,
        Severity::Medium => 2,
        Severity::High => 3,
        Severity::Critical => 4,
    }
}

/// What is written beside the records.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Projection {
    /// New enrolments.
    pub(crate) enrolled: Vec<AgentKey>,
    /// Agent and record of revocations.
    pub(crate) revoked: Vec<(String, u64)>,
    /// Findings, each once.
    pub(crate) findings: Vec<Finding>,
    /// Every statement that its agent signed, in the order of the log, with the finding that it is said to be about.
    pub(crate) statements: Vec<(i64, Statement)>,
    /// What must be said loudly.
    pub(crate) alarms: Vec<Alarm>,
}

/// Folds the events, in the order of the log. `known` are the stored keys of [`Events::agents`].
pub(crate) fn project(events: Events<'_>, known: Vec<AgentKey>) -> Projection {
    let mut keys: HashMap<String, Vec<AgentKey>> = HashMap::new();
    for key in known {
        keys.entry(key.agent.clone()).or_default().push(key);
    }
    let mut findings: BTreeMap<i64, Finding> = BTreeMap::new();
    let mut out = Projection::default();
    for (seq, event) in events.list {
        match event {
            Event::Enrolled(key) => {
                keys.entry(key.agent.clone()).or_default().push(key.clone());
                out.enrolled.push(key);
            }
            Event::Revoked(agent) => {
                for key in keys.entry(agent.clone()).or_default() {
                    key.revoked.get_or_insert(seq);
                }
                for key in out.enrolled.iter_mut().filter(|key| key.agent == agent) {
                    key.revoked.get_or_insert(seq);
                }
                out.revoked.push((agent, seq));
            }
            Event::Finding { raised, time, severity, mut body, id } => {
                let statement = body.statement.take();
                let before = findings.remove(&id).filter(|_| !raised);
                let mut finding = fold(before, *body, (seq, time, severity, id, raised));
                if let Some(claimed) = statement {
                    let (signature, statement, why) = verify(&claimed, seq, &keys);
                    if let Some(why) = why {
                        out.alarms.push(alarm(&finding, &claimed, seq, why));
                    }
                    if let (Signature::Verified, Some(statement)) = (signature, &statement) {
                        out.statements.push((id, statement.clone()));
                    }
                    finding.signature = signature;
                    finding.statement = statement;
                }
                findings.insert(id, finding);
            }
        }
    }
    out.findings = findings.into_values().collect();
    out
}

fn fold(
    before: Option<Finding>,
    body: FindingBody<'_>,
    (seq, time, severity, id, raised): (u64, i64, i16, i64, bool),
) -> Finding {
    let text = |text: &str| clean(text, TEXT_BYTES);
    let number = i64::try_from(seq).unwrap_or(i64::MAX);
    let first = before.as_ref().map_or((time, number), |finding| (finding.raised, finding.raised_seq));
    Finding {
        id,
        fresh: raised || before.as_ref().is_some_and(|finding| finding.fresh),
        rule_id: text(&body.rule_id),
        title: text(&body.title),
        // Records of people's acts carry no summary: the one before stays.
        summary: body
            .summary
            .map(|summary| text(&summary))
            .or_else(|| before.as_ref().map(|finding| finding.summary.clone()))
            .unwrap_or_default(),
        severity,
        status: clean(&body.status, 32),
        asset: text(&body.asset.unwrap_or_default()),
        asset_name: text(&body.asset_name.unwrap_or_default()),
        count: i64::try_from(body.count.unwrap_or(1)).unwrap_or(i64::MAX),
        demo: body.demo,
        raised: first.0,
        raised_seq: first.1,
        changed: time,
        last_seq: number,
        signature: before.as_ref().map_or(Signature::None, |finding| finding.signature),
        statement: before.and_then(|finding| finding.statement),
    }
}

#[cfg(test)]
mod tests;
