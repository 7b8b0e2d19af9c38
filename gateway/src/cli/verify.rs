//! `sitewarden verify`: every record and every checkpoint of the site log checked again, offline, without a running
//! gateway.
//!
//! Opens the database read-only, so a copy or a backup can be checked as well. Whoever distrusts the box brings the
//! verifier key from elsewhere. Exit code 1 when something does not fit.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use sitewarden_log::VerifierKey;
use sitewarden_store::site_log::{CheckNote, Report};

use super::{CommandResult, StateDir, complain, say};

#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    state: StateDir,
    /// The log's verifier key, kept elsewhere; otherwise the one in the state folder is taken
    #[arg(long)]
    log_key: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// Verifies the log against the given verifier key, or that of the state folder.
pub(super) fn check(
    conn: &rusqlite::Connection,
    state: &Path,
    key: Option<&str>,
) -> Result<Report, Box<dyn std::error::Error + Send + Sync>> {
    let key = match key {
        Some(text) => Some(text.parse::<VerifierKey>()?),
        None => sitewarden_pki::log_verifier(state)?,
    };
    let signed = key.map(|key| {
        move |note: &str| sitewarden_pki::check_note(&key, note).map_err(|error| error.to_string())
    });
    let signed = signed.as_ref().map(|check| check as &CheckNote<'_>);
    Ok(sitewarden_store::site_log::verify(conn, signed)?)
}

pub(super) fn run(args: &Verify) -> CommandResult {
    let path = args.state.path().join("state.db");
    let conn = sitewarden_store::open_read_only(&path)?;
    let report = check(&conn, &args.state.path(), args.log_key.as_deref())?;
    if args.json {
        say(&serde_json::to_string(&report)?);
    } else if report.ok() {
        say(&format!("site log: {report}"));
    } else {
        complain(&format!("site log of {}: {report}", path.display()));
    }
    Ok(if report.ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
