//! What the rest of the process can ask a running broker.
//!
//! Cheap to clone. Invariant: every question is one message with one answer; a broker that has ended
//! answers with nothing, never with a wait for ever.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::core::Client;
use crate::metrics::Metrics;

/// A question to the loop.
#[derive(Debug)]
pub(super) enum Command {
    /// Who is there.
    Clients(oneshot::Sender<Vec<Client>>),
    /// End the connections of this principal label or client id.
    Kick { who: String, done: oneshot::Sender<usize> },
    /// End.
    ShutDown(oneshot::Sender<()>),
}

/// A running broker.
#[derive(Clone, Debug)]
pub struct Handle {
    addresses: Arc<[SocketAddr]>,
    metrics: Arc<Metrics>,
    commands: mpsc::Sender<Command>,
}

impl Handle {
    pub(super) fn new(
        addresses: Vec<SocketAddr>,
        metrics: Arc<Metrics>,
        commands: mpsc::Sender<Command>,
    ) -> Self {
        Self { addresses: addresses.into(), metrics, commands }
    }

    /// The addresses that are listened on, in the order of the configuration.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The counters.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Every session with its state; empty when the broker has ended.
    pub async fn clients(&self) -> Vec<Client> {
        let (answer, answered) = oneshot::channel();
        if self.commands.send(Command::Clients(answer)).await.is_err() {
            return Vec::new();
        }
        answered.await.unwrap_or_default()
    }

    /// Ends the connections of a client id or of a principal label (`device:mqtt:thermo-1`). Says how many.
    pub async fn kick(&self, who: &str) -> usize {
        let (done, answered) = oneshot::channel();
        if self.commands.send(Command::Kick { who: who.to_owned(), done }).await.is_err() {
            return 0;
        }
        answered.await.unwrap_or_default()
    }

    /// Tells the clients, sends what is left and ends the thread. Returns when it has ended its work.
    pub async fn shut_down(&self) {
        let (done, answered) = oneshot::channel();
        if self.commands.send(Command::ShutDown(done)).await.is_ok() {
            // An error means that the loop ended without an answer: the aim is reached as well.
            let _ended = answered.await;
        }
    }

    /// Whether the broker's thread has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.commands.is_closed()
    }

    /// Returns when the broker's thread has ended, for whatever reason.
    pub async fn ended(&self) {
        self.commands.closed().await;
    }
}
