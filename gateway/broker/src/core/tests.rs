//! The core with a fake clock, fake sockets and a committer that the test moves.
//!
//! Each test reads as "a client says, the clock stands at, clients receive". What was received and not
//! expected fails the test at its end.

mod acks;
pub(crate) mod harness;
mod killers;
mod limits;
mod model;
mod policy;
mod qos;
mod reader;
pub(crate) mod restart;
mod retained;
mod session;
mod subscriptions;
mod wills;
