//! `sitewarden doctor`: looks at the machine and the state folder and says what needs attention.
//!
//! Reads only. Exit code 1 when something needs a person.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::{CommandResult, StateDir, say};
use crate::clock::{self, WALL_FLOOR};
use crate::config;
use crate::sources::{self, RULE_FILES};

#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// Configuration file
    #[arg(long)]
    config: Option<PathBuf>,
    #[command(flatten)]
    state: StateDir,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    ok: bool,
    detail: String,
}

pub(super) fn run(args: &Doctor) -> CommandResult {
    let mut checks = Vec::new();
    let mut add = |check, result: Result<String, String>| {
        let ok = result.is_ok();
        let (Ok(detail) | Err(detail)) = result;
        checks.push(Finding { check, ok, detail });
    };
    let config = config::load(args.config.as_deref());
    let text = |error: &dyn std::error::Error| sitewarden_core::error::chain(error);
    add("configuration", config.as_ref().map(|_| "readable".to_owned()).map_err(|error| text(error)));
    let config = config.unwrap_or_default();
    add("clock", clock());
    let dir = args.state.path();
    add("state folder", state_folder(&dir));
    add("site log", site_log(&dir));
    add("rules", rules(&config));
    let policies = sitewarden_policy::Policies::check(config.policies.dir.as_ref());
    add("policies", policies.map(|()| "good".to_owned()).map_err(|error| text(&error)));
    let sick = checks.iter().any(|check| !check.ok);
    if args.json {
        say(&serde_json::json!({"ok": !sick, "checks": checks}).to_string());
    } else {
        for Finding { check, ok, detail } in &checks {
            say(&format!("{} {check}: {detail}", if *ok { "ok      " } else { "problem " }));
        }
    }
    Ok(if sick { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn clock() -> Result<String, String> {
    let now = clock::wall();
    if now >= WALL_FLOOR {
        Ok(now.to_string())
    } else {
        Err(format!(
            "it says {now}, before this software was made; set the time or give the box a time server"
        ))
    }
}

fn state_folder(dir: &std::path::Path) -> Result<String, String> {
    use std::os::unix::fs::PermissionsExt as _;
    let about = std::fs::metadata(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!("{} is open to other users (mode {mode:o}); run chmod 700 on it", dir.display()));
    }
    Ok(format!("{}, mode {mode:o}", dir.display()))
}

fn site_log(dir: &std::path::Path) -> Result<String, String> {
    let text = |error: sitewarden_store::StoreError| sitewarden_core::error::chain(&error);
    let conn =
        sitewarden_store::open_read_only(&sitewarden_store::Store::database_path(dir)).map_err(text)?;
    let report = super::verify::check(&conn, dir, None)
        .map_err(|error| sitewarden_core::error::chain(error.as_ref()))?;
    if report.ok() { Ok(report.to_string()) } else { Err(report.to_string()) }
}

fn rules(config: &config::Config) -> Result<String, String> {
    let files = sources::files(config.rules.dir.as_deref(), crate::embedded::RULES, RULE_FILES)
        .map_err(|error| sitewarden_core::error::chain(&error))?;
    let (set, errors) = sitewarden_detect::RuleSet::load(&files);
    match errors.first() {
        None => Ok(format!("{} load", set.len())),
        Some(first) => Err(format!("{} mistakes; the first: {first}", errors.len())),
    }
}
