//! `sitewarden run`: reads the configuration, starts the product, says where it is, waits for the end.
//!
//! The ready line is a contract with scripts and tests: with `--json` on standard output, with
//! `--ready-fd N` on that descriptor, always one JSON object in one line.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{CommandResult, StateDir, say};
use crate::app::{self, Ready};
use crate::config;

#[derive(Debug, Args)]
pub(super) struct Run {
    /// Configuration file; without one every key has its default
    #[arg(long)]
    config: Option<PathBuf>,
    #[command(flatten)]
    state: StateDir,
    /// Play a small cold store whose devices are real MQTT clients; marked as demo everywhere
    #[arg(long)]
    demo: bool,
    /// Say that it is ready as one JSON line on standard output
    #[arg(long)]
    json: bool,
    /// Say that it is ready as one JSON line on this open file descriptor
    #[arg(long, value_name = "N")]
    ready_fd: Option<u32>,
}

pub(super) fn run(args: &Run) -> CommandResult {
    let config = config::load(args.config.as_deref())?;
    crate::log::start(&config.log);
    let announce = |ready: &Ready| announce(args, ready);
    app::run(&config, &args.state.path(), args.demo, announce)?;
    Ok(ExitCode::SUCCESS)
}

fn announce(args: &Run, ready: &Ready) {
    let line = ready.to_json().to_string();
    if let Some(descriptor) = args.ready_fd {
        // The descriptor is the caller's; /proc gives a second handle to the same pipe or file.
        let written = std::fs::OpenOptions::new()
            .append(true)
            .open(format!("/proc/self/fd/{descriptor}"))
            .and_then(|mut pipe| writeln!(pipe, "{line}"));
        if let Err(error) = written {
            tracing::warn!(descriptor, %error, "--ready-fd: the ready line could not be written");
        }
    }
    if args.json {
        say(&line);
    } else {
        say(&ready.for_people());
    }
}
