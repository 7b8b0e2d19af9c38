//! Telemetry: every reading kept small, found again by asset, metric and time.
//!
//! Readings are appended to a journal in the pipeline's group commit; a background job turns the journal
//! into chunks per series and hour and removes what is too old. Latest values stand in memory. It does
//! not decode payloads and does not judge values. Roll-ups by minute and hour are not here yet: the
//! chunks' key is their seam. Invariant: what was committed is found by a query, once.

pub mod codec;
pub mod limits;

mod chunk;
mod journal;
mod latest;
mod merge;
mod query;
mod routes;
mod unknown;

use std::error::Error;
use std::sync::Arc;

use sitewarden_core::{Action, Gate, Resource};
use sitewarden_http::ApiError;
use sitewarden_store::{Migrations, ReadError, Store, StoreError, WriteError};
use thiserror::Error;

pub use chunk::Point;
pub use codec::CodecError;
pub use journal::{Replayed, UnknownPayload, append, last_block, release, replay_after};
pub use latest::{Latest, LatestValues};
pub use merge::{Merged, Retention, merge, prune};
pub use query::{Query, Value, readings, waiting};
pub use routes::{Deps, routes};
pub use unknown::{UnknownTopic, list as unknown_topics};

/// Tables of this slice.
pub const MIGRATIONS: Migrations = Migrations {
    slice: "telemetry",
    steps: &[
        (1, "journal", include_str!("migrations/001_journal.sql")),
        (2, "replay", include_str!("migrations/002_replay.sql")),
    ],
};

/// Telemetry cannot do what was asked.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The store refused.
    #[error("telemetry: the store refused")]
    Store(#[from] StoreError),
    /// Bytes on the disk are damaged.
    #[error("telemetry: bytes in the database are damaged")]
    Codec(#[from] CodecError),
    /// A step of the background job was not written.
    #[error("telemetry: a step of the background job was not done")]
    Job(#[source] Box<dyn Error + Send + Sync>),
}

impl TelemetryError {
    fn read(error: ReadError<Self>) -> Self {
        Self::Job(Box::new(error))
    }

    fn write(error: WriteError<Self>) -> Self {
        Self::Job(Box::new(error))
    }
}

impl From<TelemetryError> for ApiError {
    fn from(error: TelemetryError) -> Self {
        match error {
            TelemetryError::Store(error) => error.into(),
            error => Self::internal(&error),
        }
    }
}

/// Reads the latest values of all series into memory.
///
/// # Errors
/// [`TelemetryError`].
pub async fn load_latest(store: &Store) -> Result<Arc<LatestValues>, TelemetryError> {
    let latest = Arc::new(LatestValues::default());
    latest.fill(store.read(query::latest).await.map_err(TelemetryError::read)?);
    Ok(latest)
}

/// Removes chunks beyond the retention in short steps, until none is left that must go.
///
/// # Errors
/// [`TelemetryError`].
pub async fn keep(store: &Store, gate: &Gate, retention: Retention) -> Result<usize, TelemetryError> {
    let mut removed = 0;
    loop {
        let permit = gate.system("retention", Action::RetentionPrune, Resource::site());
        let step = store.write("removing old readings", move |tx| prune(tx, permit, retention)).await;
        match step.map_err(TelemetryError::write)? {
            0 => return Ok(removed),
            rows => removed += rows,
        }
    }
}

#[cfg(test)]
mod tests;
