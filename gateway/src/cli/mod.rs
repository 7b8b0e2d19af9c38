//! The command line. Parses, calls, prints; knows no subject itself.
//!
//! Output for people goes to standard output, with `--json` as one JSON document per line; errors go
//! to standard error with exit code 1 (2 for a wrong command line, clap's own).

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

mod check_config;
mod console;
mod doctor;
mod openapi;
mod rules;
mod run;
mod verify;

#[derive(Debug, Parser)]
#[command(
    name = "sitewarden",
    version,
    about = "On-site security gateway: MQTT broker, rules, findings and a web UI"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve: broker, rules, findings and the web UI
    Run(run::Run),
    /// Read a configuration file and say what is wrong with it
    CheckConfig(CheckConfig),
    /// Look at the state folder and the machine and say what needs attention
    Doctor(doctor::Doctor),
    /// Give a device a credential, or sign its certificate request
    Enrol(console::EnrolArgs),
    /// Make, list and withdraw API keys
    #[command(subcommand)]
    ApiKey(console::ApiKey),
    /// Register at a cloud, look at the uplink, forget the cloud
    #[command(subcommand)]
    Uplink(console::Uplink),
    /// Test rules, or match them against recorded events
    #[command(subcommand)]
    Rules(rules::Rules),
    /// Check every record of the site log, offline
    Verify(verify::Verify),
    /// Print the OpenAPI document of the API
    Openapi,
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

/// Where the state is: `--state`, else what systemd gives, else a folder beside the caller.
#[derive(Clone, Debug, Args)]
struct StateDir {
    /// State folder
    #[arg(long = "state", env = "SITEWARDEN_STATE")]
    dir: Option<PathBuf>,
}

impl StateDir {
    fn path(&self) -> PathBuf {
        let systemd = || std::env::var_os("STATE_DIRECTORY").map(PathBuf::from);
        self.dir.clone().or_else(systemd).unwrap_or_else(|| PathBuf::from("sitewarden-state"))
    }
}

/// Parses the command line and runs what it says.
pub(crate) fn run() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(args) => run::run(&args),
        Command::CheckConfig(args) => check_config::run(&args.config, args.json),
        Command::Doctor(args) => doctor::run(&args),
        Command::Enrol(args) => console::enrol(args),
        Command::ApiKey(command) => console::api_key(command),
        Command::Uplink(command) => console::uplink(command),
        Command::Rules(command) => rules::run(&command),
        Command::Verify(args) => verify::run(&args),
        Command::Openapi => openapi::run(),
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
