//! The MQTT broker of the gateway: wire format, sessions, routing, grants, durable state, listener.
//!
//! The core is sans-I/O and builds without the feature `listener`, which adds sockets, TLS and SQLite.
//! It judges no message: publishes, state changes and notices leave in a [`Batch`] for the pipeline.
//! Invariants: nothing is acknowledged before the pipeline said that it is committed; no input of a client
//! panics; whatever a client can make grow has a bound in [`limits`].

pub mod admission;
pub mod batch;
pub mod core;
pub mod grants;
pub mod limits;
pub mod metrics;
#[cfg(feature = "listener")]
pub mod shell;
pub mod state;
#[cfg(feature = "listener")]
pub mod store;
pub mod wire;

pub use admission::{Admitted, ConnectRequest, Refused};
pub use batch::{Batch, CloseReason, Committed, Notice, Origin, Publish};
pub use grants::{Grants, GrantsBuilder};
pub use limits::{Limit, Limits};
pub use metrics::Metrics;
#[cfg(feature = "listener")]
pub use shell::{Admission, BoxFuture, Broker, BrokerError, Config, Deps, Handle, build};
