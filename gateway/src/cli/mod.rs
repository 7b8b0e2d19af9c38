//! The command line. Parses, calls, prints; knows no subject itself.
//!
//! Output for people goes to standard output, with `--json` as one JSON document per line; errors go
//! to standard error with exit code 1 (2 for a wrong command line, clap's own).

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

mod check_config;

#[derive(Debug, Parser)]
#[command(name = "sitewarden", version, about = "On-site security gateway: MQTT broker, rules, findings and a web UI")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read a configuration file and say what is wrong with it
    CheckConfig(CheckConfig),
}

#[derive(Debug, Args)]
struct CheckConfig {
    /// The file to check
    #[arg(long, default_value = "sitewarden.toml")]
    config: PathBuf,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// Parses the command line and runs what it says.
pub(crate) fn run() -> ExitCode {
    let result = match Cli::parse().command {
        Command::CheckConfig(args) => check_config::run(&args.config, args.json),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            complain(&sitewarden_core::error::chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

type CommandResult = Result<ExitCode, Box<dyn std::error::Error + Send + Sync>>;

/// One line (or document) for people or programs on standard output. A closed pipe is not our error.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// One line on standard error.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "sitewarden: {text}");
}
