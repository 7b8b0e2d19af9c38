//! The binary `sitewarden`: command line, configuration, and the one place that wires the slices.
//!
//! Subjects live in their crates; what stands here is what needs to know several of them: the
//! pipeline, the overview, live push, the console commands and `app.rs`, the list of what the product
//! consists of.

mod admin;
mod admission;
mod app;
mod background;
mod board;
mod checkpoints;
mod cli;
mod clock;
mod config;
mod console;
mod demo;
mod disk;
mod embedded;
mod folder;
mod limits;
mod log;
mod pipeline;
mod sources;
mod web;

use std::process::ExitCode;

fn main() -> ExitCode {
    // rustls picks no provider by itself when none is compiled in as default; ring is the only one here.
    let _ = rustls::crypto::ring::default_provider().install_default();
    cli::run()
}
