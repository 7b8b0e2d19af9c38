//! `sitewarden verify`: every record of the site log checked again, offline, without a running gateway.
//!
//! Opens the database read-only, so a copy or a backup can be checked as well. Exit code 1 when a
//! record does not fit.

use std::process::ExitCode;

use clap::Args;

use super::{CommandResult, StateDir, complain, say};

#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    state: StateDir,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Verify) -> CommandResult {
    let path = args.state.path().join("state.db");
    let conn = sitewarden_store::open_read_only(&path)?;
    let report = sitewarden_store::site_log::verify(&conn)?;
    if args.json {
        say(&serde_json::to_string(&report)?);
    } else if report.ok() {
        say(&format!("site log: {report}"));
    } else {
        complain(&format!("site log of {}: {report}", path.display()));
    }
    Ok(if report.ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
