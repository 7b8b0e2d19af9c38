//! Devices: the inventory of the site, whom it trusts, and how devices prove who they are.
//!
//! Assets enter by sightings (awaiting approval) or by enrolment. The store has the truth, [`Registry`] the
//! same in memory for the hot path. It decides nothing: what a trust state may do is for the policies.
//! Invariants: a credential is bound to one client id; every change is one record of the site log; no
//! secret is stored or logged in clear.

pub mod agents;
pub mod limits;

mod acts;
mod device;
mod error;
mod registry;
mod routes;
mod rows;

pub use acts::{
    Edit, Enrolment, Seen, approve, certificate_hash, device_id, edit, enrol, fingerprint, new_password,
    quarantine, release, resource, sight,
};
pub use device::{
    Connection, Credential, CredentialKind, Device, Freshness, Presence, kind_word, parse_kind,
};
pub use error::DeviceError;
pub use registry::{Known, Proof, Registry};
pub use routes::{
    AgentEnrolment, Certificate, Deps, DeviceView, EnrolAgent, EnrolRequest, EnrolResult, LatestOf,
    LatestView, OpenFindings, SignCsr, ValueView, enrol_agent, enrol_device, routes, terminal_qr,
};
pub use rows::{load, save_presence};

use sitewarden_store::Migrations;

/// Tables of this slice.
pub const MIGRATIONS: Migrations = Migrations {
    slice: "devices",
    steps: &[
        (1, "device", include_str!("migrations/001_device.sql")),
        (2, "agent", include_str!("migrations/002_agent.sql")),
    ],
};

/// Fills the registry from the store.
pub fn fill(registry: &Registry, devices: Vec<(Device, Presence)>) {
    let mut all = Vec::with_capacity(devices.len());
    for (device, presence) in devices {
        registry.restore_presence(std::sync::Arc::clone(&device.id), presence);
        all.push(device);
    }
    registry.put(all);
}

#[cfg(test)]
mod tests;
