//! How an agent and its line look on a device's page.
//!
//! Shapes only. Invariant: no secret is among them.

use std::collections::BTreeMap;

use serde::Serialize;
use sitewarden_core::Timestamp;
use sitewarden_wire::message::ParametersOutcome;
use utoipa::ToSchema;

use crate::agents::{Agent, LinkState, Orders, Run};

/// An agent's line, its runs, and what it is told to do.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AgentLink)]
pub(super) struct LinkView {
    /// The agent's identifier on its line.
    agent: String,
    /// Whether its session stands.
    connected: bool,
    /// `serial` or `tcp`; null while it is not connected.
    transport: Option<&'static str>,
    /// The port or the peer's address; null while it is not connected.
    line: Option<String>,
    /// Since when the session stands, or when it ended; null when it has not been seen since the box started.
    #[schema(value_type = Option<String>, format = DateTime)]
    session_since: Option<Timestamp>,
    /// Last message that proved to be the agent's.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_heard: Option<Timestamp>,
    /// Messages that proved to be the agent's, since its enrolment.
    frames_ok: u64,
    /// Frames that meant nothing, by reason, such as `checksum` or `replayed`.
    frames_dropped: BTreeMap<String, u64>,
    /// Findings that were acknowledged.
    findings_acknowledged: u64,
    /// Findings that wait on the agent, as it said last; null when it has not said so since the box started.
    findings_pending: Option<u32>,
    /// Model, as the agent says.
    model: String,
    /// Version of its firmware.
    firmware: String,
    /// SHA-256 over its firmware, measured by itself.
    firmware_sha256: String,
    /// When it was enrolled.
    #[schema(value_type = String, format = DateTime)]
    enrolled: Timestamp,
    /// When its enrolment was withdrawn.
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked: Option<Timestamp>,
    /// Its runs, newest first.
    boots: Vec<BootView>,
    /// What it is told to do.
    parameters: Orders,
    /// Version of the parameters that it uses, as it said last.
    parameters_in_use: Option<u64>,
    /// What it made of the last ones: `applied`, `older`, `not-signed`, `invalid`, `not-stored`.
    parameters_outcome: Option<&'static str>,
}

/// One run of an agent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AgentBoot)]
pub(super) struct BootView {
    /// How often it had been started.
    counter: u32,
    /// Names the run.
    run: String,
    /// When it was started, as well as the box knows.
    #[schema(value_type = String, format = DateTime)]
    started: Timestamp,
    /// When the box heard it first.
    #[schema(value_type = String, format = DateTime)]
    first_heard: Timestamp,
    /// Version of the firmware that ran.
    firmware: String,
    /// SHA-256 over it.
    firmware_sha256: String,
}

impl From<&Run> for BootView {
    fn from(run: &Run) -> Self {
        Self {
            counter: run.counter,
            run: run.id.iter().map(|byte| format!("{byte:02x}")).collect(),
            started: run.started,
            first_heard: run.heard,
            firmware: run.firmware.version.clone(),
            firmware_sha256: run.firmware.digest(),
        }
    }
}

const fn outcome(outcome: ParametersOutcome) -> &'static str {
    match outcome {
        ParametersOutcome::Applied => "applied",
        ParametersOutcome::Older => "older",
        ParametersOutcome::NotSigned => "not-signed",
        ParametersOutcome::Invalid => "invalid",
        ParametersOutcome::NotStored => "not-stored",
    }
}

impl LinkView {
    pub(super) fn of(agent: &Agent, link: LinkState) -> Self {
        let (transport, line) = link.line.unzip();
        Self {
            agent: agent.wire.to_string(),
            connected: transport.is_some(),
            transport: transport.map(crate::agents::Transport::as_str),
            line: line.map(|line| line.to_string()),
            session_since: link.since,
            last_heard: link.heard,
            frames_ok: link.counters.ok,
            frames_dropped: link.counters.dropped,
            findings_acknowledged: link.counters.acknowledged,
            findings_pending: link.queued,
            model: agent.firmware.model.clone(),
            firmware: agent.firmware.version.clone(),
            firmware_sha256: agent.firmware.digest(),
            enrolled: agent.enrolled,
            revoked: agent.revoked,
            boots: agent.runs.iter().map(BootView::from).collect(),
            parameters: agent.orders.clone(),
            parameters_in_use: link.in_use,
            parameters_outcome: link.outcome.map(outcome),
        }
    }
}
