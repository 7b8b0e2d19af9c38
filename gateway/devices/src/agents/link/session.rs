//! What one line's events mean for the box: who may, what is committed, what goes to the engine.
//!
//! Holds the protocol's state machine and drives it; reads and writes no socket. Invariants: a report or finding counts
//! only while the policies let its agent report; a finding is acknowledged only when the engine says that it is committed;
//! an enrolment is granted only after its commit.

use std::sync::Arc;

use ring::rand::{SecureRandom as _, SystemRandom};
use sitewarden_core::gate::PolicyEpoch;
use sitewarden_core::{Action, Monotonic, Now, Timestamp, Value};
use sitewarden_wire::DeviceId;
use sitewarden_wire::code::Code;
use sitewarden_wire::keys::{PublicKey, Secret, SigningPublicKey};
use sitewarden_wire::message::{ParametersState, Reading};
use sitewarden_wire::server::{Device, Dropped, Event, Offer, Server};
use sitewarden_wire::statement::{Finding, Time};
use tokio::sync::{mpsc, watch};

use super::Shared;
use super::trouble::{Bucket, Troubles, word};
use crate::acts::resource;
use crate::agents::acts::{self, Proved};
use crate::agents::agent::{Agent, Firmware, Orders, Run, inventory_id};
use crate::agents::error::AgentError;
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

    async fn hello(&mut self, wire: DeviceId, run: Run, parameters: u64, now: Now) {
        let Some(agent) = self.shared.allowed(wire, Action::AgentConnect) else {
            self.end_session(now.wall);
            return;
        };
        if self.current.as_ref().is_none_or(|(before, _)| *before != wire) {
            self.gone(now.wall);
            self.shared.deps.agents.connected(wire, self.place.transport, &self.place.line, now.wall);
            self.tell(
                Some(wire),
                "connected",
                &[("firmware", Value::from(&*run.firmware.version))],
                now.wall,
            );
        }
        self.note_run(&agent, &run, now).await;
        self.current = Some((wire, run.clone()));
        if let Some(hash) = self.shared.deps.agents.code_of(wire) {
            self.keep("using up a code", move |tx| acts::spend_code(tx, &hash)).await;
        }
        self.send_time(wire, &run, now.wall);
        self.send_orders(&agent, parameters).await;
    }

    /// Keeps a run that was not known; one that cannot follow the known ones is told.
    async fn note_run(&self, agent: &Agent, run: &Run, now: Now) {
        if agent.runs.iter().any(|known| known.id == run.id) {
            return;
        }
        let last = agent.runs.iter().map(|known| known.counter).max();
        if last.is_some_and(|last| run.counter <= last) {
            let count = |counter: u32| Value::Int(i64::from(counter));
            let more = [("boot_counter", count(run.counter)), ("last", count(last.unwrap_or_default()))];
            self.tell(Some(agent.wire), "boot-counter-back", &more, now.wall);
        }
        if last.is_some() && run.firmware != agent.firmware {
            let more = [
                ("firmware", Value::from(&*run.firmware.version)),
                ("measurement", Value::from(&*run.firmware.digest())),
            ];
            self.tell(Some(agent.wire), "firmware-changed", &more, now.wall);
        }
        let (wire, kept) = (agent.wire, run.clone());
        if self.keep("keeping an agent's run", move |tx| acts::note_run(tx, wire, &kept)).await {
            self.shared.deps.agents.put_run(wire, run.clone());
        }
    }

    async fn keep(
        &self,
        what: &'static str,
        act: impl FnOnce(&sitewarden_store::Tx<'_>) -> Result<(), sitewarden_store::StoreError> + Send + 'static,
    ) -> bool {
        match self.shared.deps.store.write(what, act).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(error = sitewarden_core::error::chain(&error), what, "an agent's line");
                false
            }
        }
    }

    /// Tells the time, unless the box does not know it.
    fn send_time(&mut self, wire: DeviceId, run: &Run, now: Timestamp) {
        if now < self.shared.deps.wall_floor {
            return;
        }
        let keys = self.shared.deps.agents.keys();
        let unix_ms = u64::try_from(now.micros() / 1000).unwrap_or_default();
        let time = Time { device: wire, boot_id: run.id, unix_ms };
        let signed = time.sign(&keys.site_id(), &|message| keys.sign(message));
        let sent = signed.map(|cose| self.server.send_time(&cose));
        if !matches!(sent, Ok(Ok(()))) {
            tracing::debug!(agent = %wire, ?sent, "the time was not sent; it is sent with the next hello");
        }
    }

    async fn send_orders(&mut self, agent: &Agent, theirs: u64) {
        let mut orders = agent.orders.clone();
        self.ordered = Some(theirs);
        if orders.version == theirs {
            return;
        }
        if orders.version < theirs {
            // The box was restored from a backup: the agent takes nothing older than what it has.
            let known = agent.clone();
            let lift = move |tx: &sitewarden_store::Tx<'_>| acts::lift_orders(tx, &known, theirs);
            match self.shared.deps.store.write("lifting an agent's parameters", lift).await {
                Ok(lifted) => orders = lifted,
                Err(error) => {
                    tracing::warn!(error = sitewarden_core::error::chain(&error), agent = %agent.wire, "parameters were not sent");
                    return;
                }
            }
            self.shared.deps.agents.put_orders(agent.wire, orders.clone());
        }
        self.order(agent.wire, &orders);
    }

    /// Signs and sends orders.
    fn order(&mut self, wire: DeviceId, orders: &Orders) {
        let keys = self.shared.deps.agents.keys();
        let cose = orders.to_wire(wire).and_then(|parameters| {
            let signed = parameters.sign(&keys.site_id(), &|message| keys.sign(message));
            signed.map_err(AgentError::Parameters)
        });
        let sent = cose.map(|cose| self.server.send_parameters(&cose));
        match sent {
            Ok(Ok(())) => self.ordered = Some(orders.version),
            other => tracing::warn!(agent = %wire, result = ?other, "parameters were not sent"),
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

    async fn enrol(&mut self, proved: Proved) {
        let now = self.shared.now();
        let (wire, hash) = (proved.device, proved.hash);
        let permit =
            self.shared.deps.gate.system("enrolment", Action::DeviceEnrol, resource(&inventory_id(wire)));
        let shared = Arc::clone(&self.shared);
        let act =
            move |tx: &sitewarden_store::Tx<'_>| acts::enrol(tx, permit, shared.deps.agents.keys(), &proved);
        match self.shared.deps.store.write("enrolling an agent", act).await {
            Ok(enrolled) => {
                let psk = enrolled.agent.psk.clone();
                self.shared.deps.registry.put(vec![enrolled.device]);
                self.shared.deps.agents.put(enrolled.agent);
                (self.shared.deps.changed)();
                for offered in self.offered.iter_mut().filter(|offered| offered.hash == hash) {
                    offered.used_by = Some(wire);
                }
                self.shared.deps.agents.code_used(&enrolled.code, wire);
                if let Err(error) = self.server.grant(&psk) {
                    tracing::warn!(agent = %wire, %error, "the grant was not sent; the agent comes again");
                }
                tracing::info!(agent = %wire, line = &*self.place.line, "an agent was enrolled");
            }
            Err(error) => {
                tracing::warn!(agent = %wire, error = sitewarden_core::error::chain(&error), "an agent was not enrolled");
                self.server.refuse();
                self.trouble(Some(wire), "enrolment-refused", "store", now);
            }
        }
    }

    /// Looks at what may have changed outside of the line: open codes, and whether its device is still let in.
    pub(super) fn look(&mut self) {
        let now = self.shared.now();
        let open = self.shared.deps.agents.codes();
        let server = &mut self.server;
        self.offered.retain(|offered| {
            let same = |code: &&crate::agents::codes::OpenCode| code.hash == offered.hash;
            let stays = open.iter().find(same).is_some_and(|code| code.used_by == offered.used_by);
            if !stays {
                server.close(&offered.code);
            }
            stays
        });
        for code in open {
            if self.offered.iter().any(|offered| offered.hash == code.hash) {
                continue;
            }
            let left = u64::try_from(code.expires.since(now.wall).as_millis()).unwrap_or(u64::MAX);
            let now_ms = now.mono.micros() / 1000;
            let offer = Offer::new(&code.code, now_ms.saturating_add(left));
            let offer = match code.used_by {
                Some(device) => offer.used_by(device),
                None => offer,
            };
            if let Err(error) = server.open(offer, now_ms) {
                tracing::debug!(%error, "a code is not open on this line");
            }
            self.offered.push(Offered { hash: code.hash, code: code.code, used_by: code.used_by });
        }
        let Some(wire) = self.server.device() else { return };
        match self.shared.allowed(wire, Action::AgentConnect) {
            // Changed since its hello: it need not wait for the next one.
            Some(agent) if self.ordered.is_some_and(|ordered| ordered < agent.orders.version) => {
                self.order(wire, &agent.orders);
            }
            Some(_) => {}
            None => self.end_session(now.wall),
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
