//! The gateway's end of the agents' lines: serial ports and TCP connections, a task for each.
//!
//! Each drives one `sitewarden_wire::server::Server`, which decides everything about the protocol; here are sockets,
//! time-outs, commits and who may. Invariants: a line costs bounded memory and waits for nobody but itself; what cannot
//! be opened is tried again; nothing is acknowledged before the engine answered for it.

mod drive;
mod serial;
mod session;
mod tcp;
mod trouble;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use sitewarden_core::gate::PolicyEpoch;
use sitewarden_core::{Action, Gate, Now, Principal, Resource, Timestamp};
use sitewarden_store::Store;
use sitewarden_wire::DeviceId;
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::agent::Agent;
use super::registry::Agents;
use super::told::Told;
use crate::limits::{LINE_MESSAGES, LINES};
use crate::registry::Registry;

/// `[agents]`: where agents are connected.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// Serial lines.
    pub lines: Vec<LineConfig>,
    /// Address and port for agents that come over TCP; none is the default.
    pub listen: Option<SocketAddr>,
}

/// One serial line.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LineConfig {
    /// The port's path, such as `/dev/ttyS1`. It may be missing: it is opened when it comes.
    pub path: PathBuf,
    /// Bits a second.
    #[serde(default = "usual_baud")]
    pub baud: u32,
}

const fn usual_baud() -> u32 {
    115_200
}

impl Config {
    /// What is wrong with the values, as sentences; empty when nothing is.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.lines.len() > LINES {
            problems.push(format!("agents.lines: {} lines; at most {LINES} are served", self.lines.len()));
        }
        for (place, line) in self.lines.iter().enumerate() {
            let path = line.path.display();
            if !line.path.is_absolute() {
                problems.push(format!("agents.lines: {path:?} is no path from the root, such as /dev/ttyS1"));
            }
            if !(300..=4_000_000).contains(&line.baud) {
                problems
                    .push(format!("agents.lines: {path}: {} baud; 300 to 4000000 are possible", line.baud));
            }
            if self.lines.iter().take(place).any(|earlier| earlier.path == line.path) {
                problems.push(format!("agents.lines: {path} is there twice"));
            }
        }
        problems
    }
}

/// The lines cannot be served.
#[derive(Debug, Error)]
pub enum LinkError {
    /// The TCP port is taken, or the address is none of this machine.
    #[error(
        "cannot listen on {address} for agents: is another program using the port? Choose another with agents.listen"
    )]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
}

/// What the lines need.
#[derive(Clone)]
pub struct Deps {
    /// Where enrolments go.
    pub store: Store,
    /// Who may do what.
    pub gate: Gate,
    /// Agents in memory.
    pub agents: Arc<Agents>,
    /// The inventory in memory.
    pub registry: Arc<Registry>,
    /// The box's clocks.
    pub clock: Arc<dyn Fn() -> Now + Send + Sync>,
    /// A wall time before this is none: agents are told no time then.
    pub wall_floor: Timestamp,
    /// The policies' epoch: when it moves, rights may have changed.
    pub epochs: watch::Receiver<PolicyEpoch>,
    /// Called after an enrolment: rights may have changed.
    pub changed: Arc<dyn Fn() + Send + Sync>,
}

impl std::fmt::Debug for Deps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deps").finish_non_exhaustive()
    }
}

/// What every line shares.
struct Shared {
    deps: Deps,
    inlet: mpsc::Sender<Told>,
}

impl Shared {
    fn now(&self) -> Now {
        (self.deps.clock)()
    }

    /// The agent, if the policies let it do this now.
    fn allowed(&self, wire: DeviceId, action: Action) -> Option<Arc<Agent>> {
        let agent = self.deps.agents.get(wire).filter(|agent| agent.revoked.is_none())?;
        let device = self.deps.registry.get(&agent.device)?;
        let principal = Principal::Device { id: Arc::clone(&agent.device), trust: device.trust };
        self.deps.gate.permit(&principal, action, Resource::site()).is_ok().then_some(agent)
    }
}

/// Bound, not yet serving.
#[derive(Debug)]
pub struct Lines {
    config: Config,
    listener: Option<std::net::TcpListener>,
    address: Option<SocketAddr>,
    inlet: (mpsc::Sender<Told>, Option<mpsc::Receiver<Told>>),
}

/// Binds the TCP listener. Serial lines are opened when they are served, because they may come later.
///
/// # Errors
/// [`LinkError::Bind`].
pub fn build(config: &Config) -> Result<Lines, LinkError> {
    let bound = config
        .listen
        .map(|address| {
            let bind = |source| LinkError::Bind { address, source };
            let listener = std::net::TcpListener::bind(address).map_err(bind)?;
            listener.set_nonblocking(true).map_err(bind)?;
            let local = listener.local_addr().map_err(bind)?;
            Ok((listener, local))
        })
        .transpose()?;
    let (listener, address) = bound.unzip();
    let (sender, receiver) = mpsc::channel(LINE_MESSAGES);
    Ok(Lines { config: config.clone(), listener, address, inlet: (sender, Some(receiver)) })
}

impl Lines {
    /// Where agents connect over TCP.
    #[must_use]
    pub const fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// What agents say, for the engine. To be taken once.
    ///
    /// # Panics
    /// When it is taken twice.
    #[must_use]
    pub fn outlet(&mut self) -> mpsc::Receiver<Told> {
        self.inlet.1.take().expect("the outlet is taken once, by whoever wires the engine")
    }

    /// Serves all lines until `stop`. Must be called within a runtime.
    pub fn spawn(self, deps: Deps, stop: &CancellationToken) {
        let shared = Arc::new(Shared { deps, inlet: self.inlet.0 });
        for line in self.config.lines {
            let serve = serial::serve(Arc::clone(&shared), line);
            tokio::spawn(stop.clone().run_until_cancelled_owned(serve));
        }
        if let Some(listener) = self.listener {
            let serve = tcp::serve(shared, listener, stop.clone());
            tokio::spawn(stop.clone().run_until_cancelled_owned(serve));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_lines_are_told_all_at_once() {
        let line = |path: &str, baud| LineConfig { path: path.into(), baud };
        let config = Config {
            lines: vec![line("ttyS1", 115_200), line("/dev/ttyS1", 1), line("/dev/ttyS1", 9600)],
            listen: None,
        };
        let problems = config.problems();
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems.iter().any(|problem| problem.contains("twice")), "{problems:?}");
        assert!(Config::default().problems().is_empty());
    }
}
