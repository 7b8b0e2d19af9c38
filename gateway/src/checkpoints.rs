//! Signed checkpoints of the site log: made when somebody asks, at each batch of the uplink, and once an hour.
//!
//! What is signed here is kept, so that it can be proven to be the beginning of every later log. Only what is committed
//! is signed. Invariant: one note per size; a note that was given out is in the store.

use std::sync::Arc;
use std::time::Duration;

use sitewarden_core::error::chain;
use sitewarden_core::{Action, Gate, Resource};
use sitewarden_pki::Pki;
use sitewarden_store::site_log::{self, checkpoint};
use sitewarden_store::{ReadError, Store, StoreError, WriteError};
use thiserror::Error;
use tokio::time::{MissedTickBehavior, interval};

/// How often one is kept although nobody asked.
const EVERY: Duration = Duration::from_secs(3600);

/// A checkpoint was not made.
#[derive(Debug, Error)]
pub(crate) enum CheckpointsError {
    #[error("reading the site log's head for a checkpoint")]
    Read(#[source] ReadError<StoreError>),
    #[error("keeping a checkpoint of the site log")]
    Keep(#[source] WriteError<StoreError>),
}

/// Makes and keeps checkpoints.
#[derive(Clone, Debug)]
pub(crate) struct Checkpoints {
    store: Store,
    gate: Gate,
    pki: Arc<Pki>,
}

impl Checkpoints {
    pub(crate) const fn new(store: Store, gate: Gate, pki: Arc<Pki>) -> Self {
        Self { store, gate, pki }
    }

    /// A signed note over all that is committed, kept.
    pub(crate) async fn newest(&self) -> Result<String, CheckpointsError> {
        let (head, kept) = self
            .store
            .read(|conn| {
                let head = site_log::head(conn)?;
                Ok::<_, StoreError>((head, checkpoint::newest(conn, head.size)?))
            })
            .await
            .map_err(CheckpointsError::Read)?;
        if let Some(kept) = kept.filter(|kept| kept.size == head.size) {
            return Ok(kept.note);
        }
        let note = self.pki.log_key().sign(head.size, head.root);
        let permit = self.gate.system("checkpoint", Action::CheckpointKeep, Resource::site());
        let stored = note.clone();
        self.store
            .write("keeping a checkpoint", move |tx| checkpoint::keep(tx, permit, head.size, &stored))
            .await
            .map_err(CheckpointsError::Keep)?;
        Ok(note)
    }

    /// Keeps one every hour.
    pub(crate) async fn keep_hourly(self) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.newest().await {
                tracing::warn!(error = chain(&error), "no checkpoint was kept; the next try is in an hour");
            }
        }
    }
}
