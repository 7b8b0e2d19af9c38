//! The agent against the gateway's end of the line, in one process, with one clock that the test moves.
//!
//! One binary; one module per subject. Nothing waits: the line and the time are inputs. The peers that are not ours are in
//! `peers`.
//! Invariant: what a test asserts of the gateway is what its owner committed.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a harness: what fails here fails the test, what is skipped is said"
)]

mod bench;
mod faults;
mod golden;
mod golden_handshakes;
mod peers;
mod power;
mod qemu;
mod story;
mod support;
