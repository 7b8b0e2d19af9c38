//! Agents in memory: what lines ask at every frame, open codes, and what each line is like now.
//!
//! Loaded from the store at start and told of every change after its commit; it never leads the store.
//! Invariant: an agent that is not here, is revoked, or whose device is gone from the inventory is found by no line.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use rusqlite::Connection;
use sitewarden_core::Timestamp;
use sitewarden_wire::DeviceId;
use sitewarden_wire::message::ParametersOutcome;
use tokio::sync::watch;

use super::agent::{Agent, Counters, LinkState, Orders, Run, Transport};
use super::codes::OpenCode;
use super::error::AgentError;
use super::keys::SiteKeys;
use super::rows;
use crate::limits::{AGENT_RUNS, CODE_KEPT};

/// Agents in memory.
pub struct Agents {
    keys: SiteKeys,
    agents: RwLock<HashMap<DeviceId, Arc<Agent>>>,
    codes: Mutex<Vec<OpenCode>>,
    links: Mutex<HashMap<DeviceId, LinkState>>,
    totals: Mutex<Counters>,
    /// Moves with every change that lines must look at.
    changes: watch::Sender<u64>,
}

impl std::fmt::Debug for Agents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agents").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl Agents {
    /// Nobody yet.
    #[must_use]
    pub fn new(keys: SiteKeys) -> Self {
        Self {
            keys,
            agents: RwLock::default(),
            codes: Mutex::default(),
            links: Mutex::default(),
            totals: Mutex::default(),
            changes: watch::Sender::new(0),
        }
    }

    /// Takes what the store has.
    ///
    /// # Errors
    /// [`AgentError`].
    pub fn load(&self, conn: &Connection, now: Timestamp) -> Result<(), AgentError> {
        for (agent, link) in rows::load(conn, &self.keys)? {
            locked(&self.links).insert(agent.wire, link);
            self.put(agent);
        }
        let mut codes = Vec::new();
        for row in rows::open_codes(conn, now)? {
            codes.extend(OpenCode::of(&row, &self.keys)?);
        }
        *locked(&self.codes) = codes;
        Ok(())
    }

    /// The site's keys.
    #[must_use]
    pub const fn keys(&self) -> &SiteKeys {
        &self.keys
    }

    /// Takes an agent as it is committed now.
    pub fn put(&self, agent: Agent) {
        let mut agents = self.agents.write().unwrap_or_else(PoisonError::into_inner);
        agents.insert(agent.wire, Arc::new(agent));
        drop(agents);
        self.changed();
    }

    /// The agent of that identifier.
    #[must_use]
    pub fn get(&self, wire: DeviceId) -> Option<Arc<Agent>> {
        self.agents.read().unwrap_or_else(PoisonError::into_inner).get(&wire).cloned()
    }

    fn change(&self, wire: DeviceId, change: impl FnOnce(&mut Agent)) {
        let mut agents = self.agents.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(agent) = agents.get_mut(&wire) {
            change(Arc::make_mut(agent));
        }
    }

    pub(crate) fn put_orders(&self, wire: DeviceId, orders: Orders) {
        self.change(wire, |agent| agent.orders = orders);
    }

    pub(crate) fn put_run(&self, wire: DeviceId, run: Run) {
        self.change(wire, |agent| {
            agent.firmware.clone_from(&run.firmware);
            agent.runs.retain(|known| known.id != run.id);
            agent.runs.insert(0, run);
            agent.runs.truncate(AGENT_RUNS);
        });
    }

    /// Wakes every line: somebody was enrolled or cut off, a code was opened or is over.
    pub fn changed(&self) {
        self.changes.send_modify(|version| *version += 1);
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Codes that lines accept, the ones just over included.
    pub(crate) fn codes(&self) -> Vec<OpenCode> {
        locked(&self.codes).clone()
    }

    /// Enrolments that wait for their device, newest first.
    #[must_use]
    pub fn pending(&self, now: Timestamp) -> Vec<OpenCode> {
        let codes = locked(&self.codes);
        codes.iter().rev().filter(|code| code.used_by.is_none() && now < code.expires).cloned().collect()
    }

    /// Lines accept this code from now on.
    pub fn open_code(&self, code: OpenCode) {
        let mut codes = locked(&self.codes);
        codes.retain(|known| known.hash != code.hash);
        codes.push(code);
        drop(codes);
        self.changed();
    }

    /// Lines do not accept this code any more.
    pub fn withdraw_code(&self, id: &str) {
        locked(&self.codes).retain(|code| &*code.id != id);
        self.changed();
    }

    pub(crate) fn code_used(&self, hash: &[u8; 32], wire: DeviceId) {
        for code in locked(&self.codes).iter_mut().filter(|code| code.hash == *hash) {
            code.used_by = Some(wire);
        }
        self.changed();
    }

    /// The code that this device used and that is still known.
    pub(crate) fn code_of(&self, wire: DeviceId) -> Option<[u8; 32]> {
        locked(&self.codes).iter().find(|code| code.used_by == Some(wire)).map(|code| code.hash)
    }

    /// Forgets codes whose time is long over.
    pub fn forget_codes(&self, now: Timestamp) {
        let mut codes = locked(&self.codes);
        let before = codes.len();
        codes.retain(|code| now < code.expires.after(CODE_KEPT));
        let forgot = codes.len() != before;
        drop(codes);
        if forgot {
            self.changed();
        }
    }

    /// What an agent's line is like.
    #[must_use]
    pub fn link(&self, wire: DeviceId) -> LinkState {
        locked(&self.links).get(&wire).cloned().unwrap_or_default()
    }

    /// All of them, to be kept by [`super::save_links`].
    #[must_use]
    pub fn links(&self) -> Vec<(DeviceId, LinkState)> {
        locked(&self.links).iter().map(|(wire, link)| (*wire, link.clone())).collect()
    }

    fn with_link(&self, wire: DeviceId, change: impl FnOnce(&mut LinkState)) {
        change(locked(&self.links).entry(wire).or_default());
    }

    pub(crate) fn connected(&self, wire: DeviceId, transport: Transport, line: &Arc<str>, now: Timestamp) {
        self.with_link(wire, |link| {
            link.line = Some((transport, Arc::clone(line)));
            link.since = Some(now);
        });
    }

    /// The session on this line is over; one on another line stays.
    pub(crate) fn disconnected(&self, wire: DeviceId, line: &Arc<str>, now: Timestamp) {
        self.with_link(wire, |link| {
            if link.line.as_ref().is_some_and(|(_, name)| name == line) {
                (link.line, link.since) = (None, Some(now));
            }
        });
    }

    /// An authentic message came.
    pub(crate) fn heard(&self, wire: DeviceId, now: Timestamp) {
        self.with_link(wire, |link| {
            link.heard = Some(now);
            link.counters.ok += 1;
        });
        locked(&self.totals).ok += 1;
    }

    pub(crate) fn said(&self, wire: DeviceId, queued: u32, in_use: u64) {
        self.with_link(wire, |link| (link.queued, link.in_use) = (Some(queued), Some(in_use)));
    }

    pub(crate) fn orders_taken(&self, wire: DeviceId, in_use: u64, outcome: ParametersOutcome) {
        self.with_link(wire, |link| (link.in_use, link.outcome) = (Some(in_use), Some(outcome)));
    }

    pub(crate) fn acknowledged(&self, wire: DeviceId) {
        self.with_link(wire, |link| {
            link.counters.acknowledged += 1;
            link.queued = link.queued.map(|queued| queued.saturating_sub(1));
        });
        locked(&self.totals).acknowledged += 1;
    }

    /// A frame meant nothing; it counts for the device whose session stands on the line, if one does.
    pub(crate) fn dropped(&self, wire: Option<DeviceId>, reason: &'static str) {
        let count = |counters: &mut Counters| *counters.dropped.entry(reason.to_owned()).or_default() += 1;
        if let Some(wire) = wire {
            self.with_link(wire, |link| count(&mut link.counters));
        }
        count(&mut locked(&self.totals));
    }

    /// Frames of all lines since the start.
    #[must_use]
    pub fn totals(&self) -> Counters {
        locked(&self.totals).clone()
    }

    /// Agents, and how many of them are connected.
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        let agents = self.agents.read().unwrap_or_else(PoisonError::into_inner).len();
        (agents, locked(&self.links).values().filter(|link| link.line.is_some()).count())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
