//! Store and forward: the site log goes to a cloud API, in order, by a cursor.
//!
//! [`cursor`] decides (no I/O); the shell reads batches out of the log, calls the cloud and keeps the cursor; routes tell
//! people. It knows the cloud's API and no cloud in particular. Invariants: a record counts as sent when the cloud said
//! that it is durable; what the cloud lacks stays in the log; a cloud that is away, slow or broken costs one batch of
//! memory and disturbs nobody.

pub mod config;
pub mod cursor;
pub mod limits;

mod batch;
mod client;
mod error;
mod feed;
mod routes;
mod run;
mod shell;
mod state;
mod status;

#[cfg(test)]
mod tests;

pub use client::Identity;
pub use config::Config;
pub use error::UplinkError;
pub use routes::routes;
pub use shell::{CheckpointSource, Clock, Deps, IdentitySource, Registration, Uplink, build};
pub use state::{MIGRATIONS, keep_from};
pub use status::{Counts, Status, StatusView};
