//! The hub: the cloud API's reference receiver, on PostgreSQL.
//!
//! Stateless: any number of instances serve one database, and any of them answers any request. It takes the gateways' site logs,
//! checks every leaf, checkpoint and agent's signature before it stores, and shows operators the sites and findings of their tenant.
//! It depends on none of the gateway's slices, only on the formats that both ends share.

mod alarm;
mod certificate;
mod cli;
mod clock;
mod cloud;
mod database;
mod extract;
mod hub;
mod ingest;
mod limits;
mod metrics;
mod migrate;
mod page;
mod people;
mod portal;
mod problem;
mod rate;
mod register;
mod request_id;
mod secret;
mod server;
mod text;
mod tls;

use std::process::ExitCode;

fn main() -> ExitCode {
    // rustls picks no provider by itself when none is compiled in as default; ring is the only one here.
    let _ = rustls::crypto::ring::default_provider().install_default();
    cli::run()
}
