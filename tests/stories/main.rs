//! The stories: the product seen from outside, through the real binary and with real peers.
//!
//! One test binary, one module per subject; what they share stands in `support/`. It is declared as a test
//! of the gateway package, so that cargo builds `sitewarden` first and a story never runs a stale one.
//! No story sleeps: each waits for what it needs with `support::wait`, and says on time-out what it saw last.
//! A story that misses a tool or the recordings says so by name; with `CI=true` that is a failure.

mod support;

mod agents;
mod audit;
mod bad_input;
mod board;
mod command_line;
mod conformance;
mod database;
mod descriptors;
mod devices;
mod doctor;
mod durability;
mod fleet;
mod full_disk;
mod health;
mod hub;
mod memory;
mod operations;
mod peers;
mod people;
mod policies;
mod proofs;
mod recordings;
mod refusals;
mod routes;
mod slow_requests;
mod spine;
mod unit_file;
mod uplink;
mod walk;
