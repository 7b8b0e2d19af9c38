//! What agent and gateway say to each other over a serial line or TCP.
//!
//! From the line upwards: [`frame`] (COBS, CRC-32, sequence), [`version`] (who speaks what), [`handshake`] and [`session`]
//! (Noise), [`message`] (CBOR), [`statement`] (what is signed) in [`cose`] (COSE_Sign1), [`server`] (the gateway's end as a
//! state machine) and [`code`] (the one-time code of an enrolment). It opens no port, reads no clock, makes no random
//! number and allocates nothing: bytes, time and randomness are passed in.
//!
//! Invariants: hostile bytes end as an error value, never as a panic; nothing of a message is looked at before its session
//! authenticated it; nothing of a statement is looked at before its signature was checked.

#![no_std]
#![deny(clippy::indexing_slicing)]

#[cfg(test)]
extern crate std;

pub mod code;
pub mod cose;
pub mod frame;
pub mod handshake;
pub mod keys;
pub mod limits;
pub mod message;
pub mod server;
pub mod session;
pub mod statement;
pub mod version;

mod bounded;
mod cbor;
mod noise;

#[cfg(test)]
mod testing;

pub use bounded::{Blob, List, Text};
pub use keys::{DeviceId, KeyPair, PublicKey, SigningPublicKey};
