//! What agents said, as values for the pipeline: readings, findings with what was signed, and events.
//!
//! Pure translation, no judgement. An agent without a clock is placed in time by its run: when the box heard the run
//! first, less its uptime then. Invariant: a finding's draft carries the signed bytes as they came.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use sitewarden_core::finding::{EvidenceAtom, EvidenceEvent};
use sitewarden_core::{
    AssetRef, Event, Evidence, FindingDraft, LogSource, Reading, ReadingValue, Severity, Statement,
    TimeSource, Timestamp, Value,
};
use sitewarden_wire::DeviceId;
use sitewarden_wire::message::{self, Quantity, Stamp};
use sitewarden_wire::statement::{Finding, FindingKind, FindingState};
use tokio::sync::mpsc;

use super::agent::{Agent, Run, Transport};
use crate::limits::CLOCK_AHEAD;

/// One message of an agent, or of its line, on its way to the engine.
#[derive(Debug)]
pub enum Told {
    /// Measured values.
    Readings(Vec<Reading>),
    /// A finding; answer it after its commit.
    Finding(Box<AgentFinding>),
    /// What happened on a line, for the rules.
    Event(Box<Event>),
}

/// A finding that an agent raised and signed.
#[derive(Clone, Debug)]
pub struct AgentFinding {
    /// The agent.
    pub wire: DeviceId,
    /// Its number.
    pub sequence: u64,
    /// What becomes of it.
    pub draft: FindingDraft,
    /// Where the line waits for the commit.
    pub answer: mpsc::Sender<Answered>,
}

/// What became of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Whose.
    pub wire: DeviceId,
    /// Its number.
    pub sequence: u64,
    /// It is committed, now or earlier; else the agent keeps it.
    pub committed: bool,
}

impl AgentFinding {
    /// Tells the line. Never blocks: the line has room for all that it sent.
    pub fn answer(&self, committed: bool) {
        let answer = Answered { wire: self.wire, sequence: self.sequence, committed };
        if self.answer.try_send(answer).is_err() {
            tracing::debug!(agent = %self.wire, "a line ended before the answer to a finding");
        }
    }
}

/// The sensor of an agent as an asset.
pub(crate) fn sensor_asset(agent: &str, sensor: u8) -> AssetRef {
    AssetRef::new(&format!("{agent}:{sensor}"))
}

/// Metric, unit, and what a whole number stands for.
fn quantity(quantity: Quantity) -> (Arc<str>, &'static str, f64) {
    match quantity {
        Quantity::TEMPERATURE => ("temperature".into(), "Cel", 1000.0),
        Quantity::HUMIDITY => ("humidity".into(), "%", 1000.0),
        Quantity::CONTACT => ("contact".into(), "", 1.0),
        Quantity::VOLTAGE => ("voltage".into(), "V", 1000.0),
        // An agent may be newer than its gateway.
        Quantity(number) => (format!("quantity-{number}").into(), "", 1.0),
    }
}

/// By what something was placed in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Clock,
    Run,
    Arrival,
}

/// When something was: by the agent's word where it has one that can be, else by its run, else it is now.
fn place(stamp: Stamp, run: Option<&Run>, now: Timestamp) -> (Timestamp, By) {
    let can_be = |time: &Timestamp| *time <= now.after(CLOCK_AHEAD);
    let told = stamp.unix_ms.and_then(|ms| i64::try_from(ms).ok()?.checked_mul(1000));
    if let Some(told) = told.map(Timestamp::from_micros).filter(can_be) {
        return (told, By::Clock);
    }
    let by_run = run.map(|run| run.started.after(Duration::from_millis(stamp.uptime_ms)));
    by_run.filter(can_be).map_or((now, By::Arrival), |time| (time, By::Run))
}

/// Readings of a report.
pub(crate) fn readings(
    agent: &Agent,
    values: impl IntoIterator<Item = message::Reading>,
    run: Option<&Run>,
    now: Timestamp,
) -> Vec<Reading> {
    let via = AssetRef::new(&agent.device);
    let reading = |value: message::Reading| {
        let (metric, unit, scale) = quantity(value.quantity);
        let (time, by) = place(value.at, run, now);
        let number = f64::from(value.value) / scale;
        Reading {
            asset: sensor_asset(&agent.device, value.sensor),
            via: Some(via.clone()),
            metric,
            unit: unit.into(),
            value: match value.quantity {
                Quantity::CONTACT => ReadingValue::Bool(value.value != 0),
                _ => ReadingValue::Number(number),
            },
            time,
            time_source: if by == By::Arrival { TimeSource::Arrival } else { TimeSource::Payload },
            received: now,
            // For whoever knows the inventory.
            trusted: false,
        }
    };
    values.into_iter().map(reading).collect()
}

/// When a finding was, and how that is known, in words. Of a run that the box never heard it is known only that it was
/// before the next one that it did hear.
fn placed(finding: &Finding, runs: &[Run], now: Timestamp) -> (Timestamp, &'static str) {
    let run = runs.iter().find(|run| run.id == finding.boot_id);
    let stamp = Stamp { uptime_ms: finding.uptime_ms, unix_ms: finding.unix_ms };
    match place(stamp, run, now) {
        (time, By::Clock) => (time, "the agent's clock"),
        (time, By::Run) => (time, "uptime and run"),
        (time, By::Arrival) => {
            let later = runs.iter().filter(|run| run.counter > finding.boot_counter);
            match later.map(|run| run.started).min() {
                Some(next) => (next.min(time), "before the agent's next start"),
                None => (time, "arrival"),
            }
        }
    }
}

/// A finding's title, severity and the comparison that it rests on.
const fn words(kind: FindingKind) -> (&'static str, &'static str, Severity, &'static str) {
    match kind {
        FindingKind::Above => ("above", "Value above its limit", Severity::High, "gt"),
        FindingKind::Below => ("below", "Value below its limit", Severity::High, "lt"),
        FindingKind::Missing => {
            ("missing", "Sensor of an agent gives no reading", Severity::Medium, "missing")
        }
        FindingKind::Tamper => ("tamper", "Case of an agent was opened", Severity::High, "open"),
        FindingKind::Lost => ("lost", "An agent lost findings", Severity::Medium, "lost"),
    }
}

/// The draft of a finding, with the signed bytes.
pub(crate) fn draft(agent: &Agent, finding: &Finding, cose: &[u8], now: Timestamp) -> FindingDraft {
    let (kind, title, severity, test) = words(finding.kind);
    let (time, known_by) = placed(finding, &agent.runs, now);
    let asset = finding
        .sensor
        .map_or_else(|| AssetRef::new(&agent.device), |sensor| sensor_asset(&agent.device, sensor));
    let (metric, unit, scale) = finding.quantity.map_or_else(|| (kind.into(), "", 1.0), quantity);
    let amount = |value: Option<i32>| value.map(|value| f64::from(value) / scale);
    let text = |value: Option<i32>| amount(value).map(|value| value.to_string()).unwrap_or_default();
    let limit = text(finding.limit);
    let atom = EvidenceAtom {
        selection: format!("rule {} on the agent", finding.rule),
        field: metric.to_string(),
        test: if limit.is_empty() { test.to_owned() } else { format!("{test} {limit}") },
        value: finding.lost.map_or_else(|| text(finding.value), |lost| lost.to_string()),
        matched: finding.state == FindingState::Raised,
        line: 0,
    };
    let fields = json!({
        "device_id": asset, "via": &*agent.device, "metric": &*metric, "unit": unit,
        "value": amount(finding.value), "limit": amount(finding.limit), "rule": finding.rule,
        "lost": finding.lost, "boot_counter": finding.boot_counter, "uptime_ms": finding.uptime_ms,
        "time_known_by": known_by, "parameters": finding.parameters.to_string(),
    });
    FindingDraft {
        dedup_key: format!("{}:{kind}:{}:{}", agent.device, finding.rule, sensor_word(finding.sensor)).into(),
        rule_id: format!("agent:{kind}").into(),
        title: title.into(),
        asset: Some(asset),
        severity,
        techniques: Vec::new(),
        time,
        evidence: Evidence {
            reason: reason(finding, &metric, unit, &text(finding.value), &limit),
            rule_source: String::new(),
            atoms: vec![atom],
            events: vec![EvidenceEvent { time, fields }],
            window: None,
            statement: Some(Statement {
                format: "cose-sign1".to_owned(),
                agent: agent.wire.to_string(),
                sequence: finding.sequence.to_string(),
                bytes: STANDARD.encode(cose),
            }),
        },
        cleared: finding.state == FindingState::Cleared,
    }
}

fn sensor_word(sensor: Option<u8>) -> String {
    sensor.map_or_else(|| "-".to_owned(), |sensor| sensor.to_string())
}

/// Why, as one sentence.
fn reason(finding: &Finding, metric: &str, unit: &str, value: &str, limit: &str) -> String {
    let unit = if unit == "Cel" { "°C" } else { unit };
    let which = format!("{metric} of sensor {}", sensor_word(finding.sensor));
    let raised = finding.state == FindingState::Raised;
    match (finding.kind, raised) {
        (FindingKind::Above, true) => {
            format!("{which} was {value} {unit}, above its limit of {limit} {unit}.")
        }
        (FindingKind::Below, true) => {
            format!("{which} was {value} {unit}, below its limit of {limit} {unit}.")
        }
        (FindingKind::Above | FindingKind::Below, false) => {
            format!("{which} is {value} {unit}, within its limit of {limit} {unit} again.")
        }
        (FindingKind::Missing, true) => format!("sensor {} gives no reading.", sensor_word(finding.sensor)),
        (FindingKind::Missing, false) => {
            format!("sensor {} gives readings again.", sensor_word(finding.sensor))
        }
        (FindingKind::Tamper, true) => "the case was opened.".to_owned(),
        (FindingKind::Tamper, false) => "the case is closed again.".to_owned(),
        (FindingKind::Lost, _) => {
            let lost = finding.lost.unwrap_or_default();
            format!("{lost} findings could not be kept on the agent and are lost.")
        }
    }
}

/// Where something happened.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) transport: Transport,
    pub(crate) line: Arc<str>,
}

/// An event of a line. `action` and the names of fields are a promise to rule authors (`config/rules/README.md`).
pub(crate) fn event(
    place: &Place,
    agent: Option<DeviceId>,
    action: &'static str,
    more: &[(&'static str, Value)],
    now: Timestamp,
) -> Event {
    let mut fields = vec![
        (Arc::from("action"), Value::from(action)),
        (Arc::from("line"), Value::Text(Arc::clone(&place.line))),
        (Arc::from("transport"), Value::from(place.transport.as_str())),
    ];
    let asset = agent.map(|wire| AssetRef::new(&super::agent::inventory_id(wire)));
    if let Some(asset) = &asset {
        fields.push((Arc::from("device_id"), Value::from(asset.as_str())));
    }
    fields.extend(more.iter().map(|(name, value)| (Arc::from(*name), value.clone())));
    Event { source: LogSource::own("agent"), asset, time: now, received: now, fields }
}
