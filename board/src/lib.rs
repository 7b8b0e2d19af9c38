//! Hardware by name: state lights, contacts (tamper, door, button, power), temperatures, fans, serial ports.
//!
//! A board file ([`Description`]) gives names to what a box has. A [`Backend`] reads and lights it: Linux's own
//! interfaces ([`linux::Linux`]), a simulation ([`sim::Sim`]) or a recording ([`recorded::Recorded`]); one
//! contract suite runs over all of them. [`watch::Watch`] makes events of what the backend sees and
//! [`led`] says which light is on when; both are pure. [`runner`] is the thread that drives them.
//! Not here: what an event means (rules), who may drive a simulation (the binary), hardware watchdogs, relays,
//! clocks and secure elements. Invariant: a broken input is a value, never an error that ends the loop.

pub mod backend;
pub mod file;
pub mod led;
pub mod limits;
pub mod linux;
pub mod recorded;
pub mod runner;
pub mod serial;
pub mod sim;
pub mod watch;

pub use backend::{Backend, BoardError, ContactState, Drive, InputError, open};
pub use file::{BackendKind, Description, FileError, shipped};
pub use led::LedState;
pub use runner::{Handle, Snapshot, spawn};
