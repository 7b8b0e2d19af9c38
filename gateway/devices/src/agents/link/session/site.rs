//! What the site tells an agent, and whom it lets in: time, orders, enrolment, open codes.
//!
//! Second half of [`super`]'s session. Invariants: nothing that the site signs goes to a device that the policies do not
//! let in; a grant goes out after its commit alone.

use std::sync::Arc;

use sitewarden_core::error::chain;
use sitewarden_core::{Action, Now, Timestamp, Value};
use sitewarden_wire::DeviceId;
use sitewarden_wire::server::Offer;
use sitewarden_wire::statement::Time;

use super::{Offered, Session};
use crate::acts::resource;
use crate::agents::acts::{self, Proved};
use crate::agents::agent::{Agent, Orders, Run, inventory_id};
use crate::agents::error::AgentError;

impl Session {
    pub(super) async fn hello(&mut self, wire: DeviceId, run: Run, parameters: u64, now: Now) {
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
                tracing::warn!(error = chain(&error), what, "an agent's line");
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
        let refused = match signed.map(|cose| self.server.send_time(&cose)) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => chain(&error),
            Err(error) => chain(&error),
        };
        tracing::debug!(agent = %wire, error = refused, "the time was not sent; it is sent with the next hello");
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
                    tracing::warn!(error = chain(&error), agent = %agent.wire, "parameters were not sent");
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
        let refused = match cose.map(|cose| self.server.send_parameters(&cose)) {
            Ok(Ok(())) => {
                self.ordered = Some(orders.version);
                return;
            }
            Ok(Err(error)) => chain(&error),
            Err(error) => chain(&error),
        };
        tracing::warn!(agent = %wire, error = refused, "parameters were not sent; they are tried again at the next look");
    }

    pub(super) async fn enrol(&mut self, proved: Proved) {
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
                tracing::warn!(agent = %wire, error = chain(&error), "an agent was not enrolled");
                self.server.refuse();
                self.trouble(Some(wire), "enrolment-refused", "store", now);
            }
        }
    }

    /// Looks at what may have changed outside of the line: open codes, and whether its device is still let in.
    pub(in crate::agents::link) fn look(&mut self) {
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
}
