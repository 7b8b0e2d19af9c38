//! The shell: sockets, TLS, clocks and channels around the core.
//!
//! Config -> build -> spawn: `build` binds every listener and reads the store, and may fail; `spawn` starts
//! the broker's two threads, and cannot: one owns the core and every connection, the other accepts, shakes hands
//! and asks the admission. No protocol here. Invariant: one thread owns the core; everything else talks to it
//! through bounded channels.

mod accept;
mod clock;
mod config;
mod handle;
mod link;
mod log;
mod reactor;
mod ready;
mod tls;
mod told;
mod turn;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use sitewarden_core::gate::{PolicyEpoch, Principal};
use sitewarden_store::Store;
use tokio::sync::{mpsc, watch};

use crate::admission::{Admitted, ConnectRequest, Refused};
use crate::batch::{Batch, Committed};
use crate::grants::Grants;
use crate::limits::{ACCEPT_QUEUE, COMMAND_QUEUE};
use crate::metrics::Metrics;
use crate::state::Loaded;

pub use self::clock::Clock;
pub use self::config::{Config, ListenerConfig, Transport};
pub use self::handle::Handle;

use self::accept::{Counts, Listener};
use self::reactor::{Reactor, Surroundings};
use self::ready::Ready;

/// A future that the broker's thread awaits.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Who may connect and what for; put in by the binary.
pub trait Admission: Send + Sync {
    /// Judges a CONNECT. Must end within `limits.connect-seconds`; later is a refusal.
    fn admit(&self, request: ConnectRequest) -> BoxFuture<'_, Result<Admitted, Refused>>;

    /// The grants that a principal holds now under this client id; [`Grants::none`] when it may no longer be
    /// connected. Must not block, and must say what [`Self::admit`] would say for the same principal and id.
    fn grants(&self, principal: &Principal, client_id: &str) -> Grants;
}

/// What the broker needs from the rest of the process.
pub struct Deps {
    /// To read sessions, queues and retained messages at the start; `None` starts empty.
    pub store: Option<Store>,
    /// Who may connect.
    pub admission: Arc<dyn Admission>,
    /// Moves when policies or entities change.
    pub epoch: watch::Receiver<PolicyEpoch>,
    /// Where batches go.
    pub inlet: mpsc::Sender<Batch>,
    /// Their answers, in order.
    pub committed: mpsc::Receiver<Committed>,
    /// For listeners with TLS. With a client certificate verifier that allows anonymous clients, the
    /// certificate is optional.
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

/// Why the broker cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// A value of the configuration cannot work.
    #[error("broker configuration: {0}")]
    Config(String),
    /// An address cannot be listened on.
    #[error("cannot listen on {address} for MQTT (listener {name}): is another program using the port?")]
    Bind {
        /// Name of the listener.
        name: String,
        /// The address.
        address: SocketAddr,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// A listener asks for TLS and there are no keys for it.
    #[error("listener {0} asks for TLS, but the gateway has no server certificate")]
    NoTls(String),
    /// What a run before left cannot be read.
    #[error("cannot read the broker's sessions from the database")]
    Load(#[source] sitewarden_store::WriteError<sitewarden_store::StoreError>),
    /// The thread or its runtime cannot be made.
    #[error("cannot start the broker's thread")]
    Thread(#[source] std::io::Error),
}

/// A broker that is bound and not yet running.
pub struct Broker {
    config: Config,
    deps: Deps,
    listeners: Vec<Listener>,
    loaded: Loaded,
    runtime: tokio::runtime::Runtime,
    ready: Ready,
    metrics: Arc<Metrics>,
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Binds every listener and reads the state that a run before left.
///
/// # Errors
/// [`BrokerError`]: a bad configuration, a port in use, no certificate, an unreadable store.
pub fn build(config: Config, deps: Deps) -> Result<Broker, BrokerError> {
    if let Some(problem) = config.check().into_iter().next() {
        return Err(BrokerError::Config(problem));
    }
    let mut listeners = Vec::new();
    for listener in &config.listeners {
        listeners.push(Listener::bind(listener, deps.tls.as_ref())?);
    }
    let loaded = match &deps.store {
        Some(store) => crate::store::load_from(store).map_err(BrokerError::Load)?,
        None => Loaded::default(),
    };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(BrokerError::Thread)?;
    let ready = Ready::new().map_err(BrokerError::Thread)?;
    Ok(Broker { config, deps, listeners, loaded, runtime, ready, metrics: Arc::default() })
}

impl Broker {
    /// The addresses that are listened on, in the order of the configuration.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().map(|listener| listener.address).collect()
    }

    /// The counters.
    #[must_use]
    pub fn metrics(&self) -> Arc<Metrics> {
        self.metrics.clone()
    }

    /// Starts serving.
    #[must_use]
    pub fn spawn(self) -> Handle {
        let addresses = self.addresses();
        let metrics = self.metrics.clone();
        let (commands, inbox) = mpsc::channel(COMMAND_QUEUE);
        let (accepted, sockets) = mpsc::channel(ACCEPT_QUEUE);
        let Self { config, deps, listeners, loaded, runtime, ready, metrics: counters } = self;
        let limits = config.limits;
        let (bounds, door_counters, tasks) = (limits.clone(), counters.clone(), runtime.handle().clone());
        let door = std::thread::Builder::new().name("broker-door".to_owned()).spawn(move || {
            runtime.block_on(async {
                let counts = Counts::of(&bounds);
                for listener in listeners {
                    listener.serve(&bounds, &counts, &door_counters, &accepted);
                }
                // The loop holds the other end until it ends.
                accepted.closed().await;
            });
        });
        let served = std::thread::Builder::new().name("broker".to_owned()).spawn(move || {
            let surroundings = Surroundings { metrics: counters, ready, tasks, sockets, inbox };
            Reactor::new(limits, deps, loaded, surroundings).run();
        });
        for error in [door.err(), served.err()].into_iter().flatten() {
            tracing::error!(%error, "a thread of the broker did not start; no device is served");
        }
        Handle::new(addresses, metrics, commands)
    }
}
