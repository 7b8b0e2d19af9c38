//! What one line's events mean for the box: who may, what is committed, what goes to the engine.
//!
//! Holds the protocol's state machine and drives it; reads and writes no socket. Invariants: a report or finding counts
//! only while the policies let its agent report; a finding is acknowledged only when the engine says that it is committed;
//! an enrolment is granted only after its commit.

mod site;

use std::sync::Arc;

use ring::rand::{SecureRandom as _, SystemRandom};
use sitewarden_core::gate::PolicyEpoch;
use sitewarden_core::{Action, Monotonic, Now, Timestamp, Value};
use sitewarden_wire::DeviceId;
use sitewarden_wire::code::Code;
use sitewarden_wire::keys::{PublicKey, Secret, SigningPublicKey};
use sitewarden_wire::message::{ParametersState, Reading};
use sitewarden_wire::server::{Device, Dropped, Event, Server};
use sitewarden_wire::statement::Finding;
use tokio::sync::{mpsc, watch};

use super::Shared;
use super::trouble::{Bucket, Troubles, word};
use crate::agents::acts::Proved;
use crate::agents::agent::{Agent, Firmware, Run};
use crate::agents::keys::verify;
use crate::agents::told::{self, AgentFinding, Answered, Place, Told};
use crate::limits::{LINE_FINDINGS, LINE_REPORTS, LINE_UNANSWERED};

/// An event of the protocol that owns what it says.
#[derive(Debug)]
pub(super) enum Heard {
    Dropped(Dropped),
    Answered,
    Hello { wire: DeviceId, run: Run, queued: u32, parameters: u64 },
    Readings { wire: DeviceId, readings: Vec<Reading> },
    Finding { wire: DeviceId, finding: Finding, cose: Vec<u8> },
    Orders { wire: DeviceId, state: ParametersState },
    Enrolment { wire: DeviceId, link: PublicKey, signing: SigningPublicKey, firmware: Firmware },
}

/// A code that this line's server knows.
struct Offered {
    hash: [u8; 32],
    code: Code,
    used_by: Option<DeviceId>,
}

/// One line.
pub(super) struct Session {
    shared: Arc<Shared>,
    place: Place,
    server: Box<Server>,
    offered: Vec<Offered>,
    /// The device whose session stands, and its run as its last hello placed it.
    current: Option<(DeviceId, Run)>,
    heard: Option<Monotonic>,
    /// Version of the orders that were sent last in this session.
    ordered: Option<u64>,
    unanswered: usize,
    answers: (mpsc::Sender<Answered>, mpsc::Receiver<Answered>),
    findings: Bucket,
    reports: Bucket,
    troubles: Troubles,
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>, place: Place) -> Self {
        let site = shared.deps.agents.keys().site();
        let mono = shared.now().mono;
        Self {
            server: Box::new(Server::new(site, verify)),
            place,
            offered: Vec::new(),
            current: None,
            heard: None,
            ordered: None,
            unanswered: 0,
            answers: mpsc::channel(LINE_UNANSWERED),
            findings: Bucket::new(LINE_FINDINGS, 1, mono),
            reports: Bucket::new(LINE_REPORTS, 20, mono),
            troubles: Troubles::default(),
            shared,
        }
    }

    pub(super) fn now(&self) -> Now {
        self.shared.now()
    }

    /// When the last authentic message came.
    pub(super) const fn heard(&self) -> Option<Monotonic> {
        self.heard
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.shared.deps.agents.changes()
    }

    pub(super) fn epochs(&self) -> watch::Receiver<PolicyEpoch> {
        self.shared.deps.epochs.clone()
    }

    pub(super) fn output(&self) -> &[u8] {
        self.server.output()
    }

    pub(super) fn written(&mut self, count: usize) {
        self.server.written(count);
    }

    /// The next answer of the engine.
    pub(super) async fn answer(&mut self) -> Answered {
        match self.answers.1.recv().await {
            Some(answer) => answer,
            // We hold a sender ourselves.
            None => std::future::pending().await,
        }
    }

    /// Handles bytes from the front of `input` until one frame was handled; `None` when it is used up.
    pub(super) fn next(&mut self, input: &mut &[u8]) -> Option<Heard> {
        let now = self.shared.now();
        let random = SystemRandom::new();
        let mut fresh = || {
            let mut bytes = [0; 32];
            random
                .fill(&mut bytes)
                .expect("the kernel gave random bytes for the site's keys at the start; it does not stop");
            Secret::new(bytes)
        };
        let shared = &self.shared;
        let find = |wire: DeviceId| {
            let agent = shared.allowed(wire, Action::AgentConnect)?;
            Some(Device { link: agent.link, signing: agent.signing, psk: agent.psk.clone() })
        };
        let event = self.server.receive(input, now.mono.micros() / 1000, &mut fresh, &find)?;
        Some(match event {
            Event::Dropped(reason) => Heard::Dropped(reason),
            Event::Answered => Heard::Answered,
            Event::Hello { device, hello } => Heard::Hello {
                wire: device,
                run: Run::of(&hello, now.wall),
                queued: hello.queued,
                parameters: hello.parameters,
            },
            Event::Readings { device, readings } => {
                Heard::Readings { wire: device, readings: readings.iter().copied().collect() }
            }
            Event::Finding { device, finding, cose } => {
                Heard::Finding { wire: device, finding, cose: cose.to_vec() }
            }
            Event::ParametersState { device, state } => Heard::Orders { wire: device, state },
            Event::Enrolment { device, link, request } => Heard::Enrolment {
                wire: device,
                link,
                signing: request.signing,
                firmware: Firmware::new(request.model.as_str(), request.firmware, request.measurement),
            },
        })
    }

    pub(super) async fn handle(&mut self, heard: Heard) {
        let now = self.shared.now();
        if let Heard::Hello { wire, .. }
        | Heard::Readings { wire, .. }
        | Heard::Finding { wire, .. }
        | Heard::Orders { wire, .. } = &heard
        {
            self.heard = Some(now.mono);
            self.shared.deps.agents.heard(*wire, now.wall);
        }
        match heard {
            Heard::Answered => {}
            Heard::Dropped(reason) => self.dropped(&reason, now),
            Heard::Hello { wire, run, queued, parameters } => {
                self.shared.deps.agents.said(wire, queued, parameters);
                self.hello(wire, run, parameters, now).await;
            }
            Heard::Readings { wire, readings } => self.readings(wire, readings, now).await,
            Heard::Finding { wire, finding, cose } => self.finding(wire, &finding, &cose, now).await,
            Heard::Orders { wire, state } => {
                self.shared.deps.agents.orders_taken(wire, state.version, state.outcome);
            }
            Heard::Enrolment { wire, link, signing, firmware } => {
                let hash = self.server.proved().map(|key| crate::agents::keys::sha256(key.expose()));
                match hash {
                    Some(hash) => self.enrol(Proved { device: wire, link, signing, firmware, hash }).await,
                    None => self.server.refuse(),
                }
            }
        }
    }

    fn dropped(&mut self, reason: &Dropped, now: Now) {
        let (word, action) = word(reason);
        self.shared.deps.agents.dropped(self.server.device(), word);
        let agent = match reason {
            Dropped::UnknownDevice { device } | Dropped::Finding { device, .. } => Some(*device),
            _ => None,
        };
        let known = agent.is_some_and(|wire| self.shared.deps.agents.get(wire).is_some());
        let action = if action == "unknown-device" && known { "blocked-device" } else { action };
        tracing::debug!(line = &*self.place.line, reason = word, "a frame on an agents' line meant nothing");
        self.trouble(agent, action, word, now);
    }

    /// Tells the rules of trouble, each kind at most once in a while.
    fn trouble(&mut self, agent: Option<DeviceId>, action: &'static str, reason: &'static str, now: Now) {
        if let Some(count) = self.troubles.tell(action, now.mono) {
            let more = [("reason", Value::from(reason)), ("count", Value::Int(count))];
            self.tell(agent, action, &more, now.wall);
        }
    }

    fn tell(
        &self,
        agent: Option<DeviceId>,
        action: &'static str,
        more: &[(&'static str, Value)],
        now: Timestamp,
    ) {
        let event = told::event(&self.place, agent, action, more, now);
        if self.shared.inlet.try_send(Told::Event(Box::new(event))).is_err() {
            self.shared.deps.agents.dropped(None, "engine-behind");
        }
    }

    /// The agent, if it may report; else it is counted and told.
    fn reporter(&mut self, wire: DeviceId, now: Now) -> Option<Arc<Agent>> {
        let agent = self.shared.allowed(wire, Action::AgentReport);
        if agent.is_none() {
            self.shared.deps.agents.dropped(Some(wire), "not-approved");
            self.trouble(Some(wire), "not-approved", "not-approved", now);
        }
        agent
    }

    async fn readings(&mut self, wire: DeviceId, values: Vec<Reading>, now: Now) {
        let Some(agent) = self.reporter(wire, now) else { return };
        if !self.reports.take(now.mono) {
            self.shared.deps.agents.dropped(Some(wire), "report-limit");
            self.trouble(Some(wire), "limit-hit", "report-limit", now);
            return;
        }
        let run = self.current.as_ref().filter(|(current, _)| *current == wire).map(|(_, run)| run);
        let readings = told::readings(&agent, values, run, now.wall);
        self.deliver(Told::Readings(readings)).await;
    }

    async fn finding(&mut self, wire: DeviceId, finding: &Finding, cose: &[u8], now: Now) {
        let Some(agent) = self.reporter(wire, now) else { return };
        if self.unanswered >= LINE_UNANSWERED || !self.findings.take(now.mono) {
            // Not acknowledged: the agent keeps it and sends it again.
            self.shared.deps.agents.dropped(Some(wire), "finding-limit");
            self.trouble(Some(wire), "limit-hit", "finding-limit", now);
            return;
        }
        let draft = told::draft(&agent, finding, cose, now.wall);
        let answer = self.answers.0.clone();
        let finding = AgentFinding { wire, sequence: finding.sequence, draft, answer };
        self.unanswered += 1;
        self.deliver(Told::Finding(Box::new(finding))).await;
    }

    /// Waits until the engine has room: back-pressure into this line alone.
    async fn deliver(&self, told: Told) {
        if self.shared.inlet.send(told).await.is_err() {
            tracing::debug!(line = &*self.place.line, "the engine is gone");
        }
    }

    /// The engine's answer to a finding.
    pub(super) fn answered(&mut self, answer: Answered) {
        self.unanswered = self.unanswered.saturating_sub(1);
        // The line may be another device's by now: its number would mean another finding.
        if !answer.committed || self.server.device() != Some(answer.wire) {
            return;
        }
        match self.server.acknowledge(answer.sequence) {
            Ok(()) => self.shared.deps.agents.acknowledged(answer.wire),
            Err(error) => tracing::debug!(%error, "a finding was not acknowledged; the agent sends it again"),
        }
    }

    fn end_session(&mut self, now: Timestamp) {
        self.server.disconnect();
        self.gone(now);
    }

    /// The session of the line's device is over.
    fn gone(&mut self, now: Timestamp) {
        if let Some((wire, _)) = self.current.take() {
            self.ordered = None;
            self.shared.deps.agents.disconnected(wire, &self.place.line, now);
            self.tell(Some(wire), "disconnected", &[], now);
        }
    }

    /// The line ended.
    pub(super) fn close(&mut self) {
        let now = self.shared.now().wall;
        self.gone(now);
    }
}
