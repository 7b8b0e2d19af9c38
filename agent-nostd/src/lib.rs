//! The Sitewarden agent for microcontrollers, as a library without I/O.
//!
//! Sensor values, bytes from the line and the time since the start go in; bytes for the line, flash writes and the state to
//! show come out. [`Agent`] puts together [`rules`], the store and the finding queue in flash, signed statements and the link;
//! the wire format is the crate `sitewarden-wire`, which the gateway uses too. It has no driver: sensors come through
//! [`sensor::Sensor`] and embedded-hal, flash through embedded-storage.
//!
//! Invariants: no heap, no clock, no unsafe code; a finding is on flash before it is sent and leaves the flash only by the
//! gateway's acknowledgement.

#![no_std]

#[cfg(test)]
extern crate std;

mod agent;
mod crypto;
mod flash;
pub mod limits;
mod link;
mod queue;
pub mod rules;
pub mod sensor;
mod store;
#[cfg(test)]
mod testing;

pub use agent::{Agent, Board, Indication, StartError};
pub use crypto::verify;
pub use flash::{FlashError, Layout};
pub use sitewarden_wire as wire;
