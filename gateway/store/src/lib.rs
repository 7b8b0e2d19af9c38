//! The store: one SQLite file, one writer thread with group commit, a pool of read-only connections, and
//! the site log.
//!
//! It knows no subject: tables of findings, devices or readings belong to their slices, which bring
//! [`Migrations`] and plain functions over [`Tx`] (writes) and [`rusqlite::Connection`] (reads).
//! Invariants: what was answered `Ok` is on disk; a closure that failed or panicked left nothing behind
//! and disturbed no other; only [`Tx::spend`] makes an [`Actor`], and only an [`Actor`] can append to
//! the site log.

pub mod config;
pub mod error;
pub mod limits;
pub mod migrate;
pub mod schema;
pub mod site_log;
#[cfg(feature = "testing")]
pub mod testing;

mod group;
mod job;
mod open;
mod queue;
mod quiet;
mod readers;
mod space;
mod stats;
mod store;
mod tx;
mod wal;

pub use config::Config;
pub use error::{ReadError, SqlContext, StoreError, WriteError};
pub use migrate::{Migrations, check as check_version};
pub use open::{in_use, open_read_only, system_clock};
pub use space::{Room, Space, room};
pub use stats::{COMMIT_BUCKETS_MICROS, StoreStats};
pub use store::{Clock, EpochSource, Store};
pub use tx::{Actor, Tx};
