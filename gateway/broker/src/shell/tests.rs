//! The listener over real sockets, with a committer that the test holds and lets go.
//!
//! Clients are plain blocking sockets that speak bytes. Nothing sleeps: a test waits for a packet, for the
//! end of a connection or for a counter, each with a long bound that only a failure reaches.

mod bounds;
mod durable;
mod harness;
mod service;
mod tls;
