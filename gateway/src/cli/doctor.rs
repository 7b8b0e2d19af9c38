//! `sitewarden doctor`: looks at the machine and the state folder and says what needs attention.
//!
//! Reads only. Exit code 1 when something needs a person.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use sitewarden_core::Timestamp;
use sitewarden_core::error::chain;

use super::{CommandResult, StateDir, say};
use crate::app::MIGRATIONS;
use crate::clock;
use crate::config::{self, Config};
use crate::sources::{self, DIALECT_FILES, RULE_FILES};

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
    let checks = checks(args.config.as_deref(), &args.state.path(), clock::wall());
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

fn checks(config: Option<&Path>, state: &Path, now: Timestamp) -> Vec<Finding> {
    let mut checks = Vec::new();
    let mut add = |check, result: Result<String, String>| {
        let ok = result.is_ok();
        let (Ok(detail) | Err(detail)) = result;
        checks.push(Finding { check, ok, detail });
    };
    let loaded = config::load(config);
    add("configuration", loaded.as_ref().map(|_| "readable".to_owned()).map_err(|error| chain(error)));
    let config = loaded.unwrap_or_default();
    add("clock", clock(now, state));
    add("state folder", state_folder(state));
    add("disk", disk(state, config.store.reserve_mib));
    add("database", database(state));
    add("site log", site_log(state));
    add("ports", ports(&config, sitewarden_store::in_use(state)));
    add("rules", rules(&config));
    add("dialects", dialects(&config));
    let policies = sitewarden_policy::Policies::check(config.policies.dir.as_ref());
    add("policies", policies.map(|()| "good".to_owned()).map_err(|error| chain(&error)));
    checks
}

/// The newest record of the site log says what time it was at least.
fn clock(now: Timestamp, state: &Path) -> Result<String, String> {
    let newest = sitewarden_store::open_read_only(&sitewarden_store::Store::database_path(state))
        .ok()
        .and_then(|conn| sitewarden_store::site_log::newest_time(&conn).ok().flatten());
    match (clock::trouble(now, newest), newest) {
        (None, _) => Ok(now.to_string()),
        (Some(trouble), Some(newest)) => Err(format!("it says {now}, the log {newest}: {trouble}")),
        (Some(trouble), None) => Err(format!("it says {now}: {trouble}")),
    }
}

fn state_folder(dir: &Path) -> Result<String, String> {
    use std::os::unix::fs::PermissionsExt as _;
    let about = std::fs::metadata(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!("{} is open to other users (mode {mode:o}); run chmod 700 on it", dir.display()));
    }
    Ok(format!("{}, mode {mode:o}", dir.display()))
}

fn disk(dir: &Path, reserve_mib: u64) -> Result<String, String> {
    let room = sitewarden_store::room(dir, reserve_mib).map_err(|error| chain(&error))?;
    let mib = |bytes: u64| bytes >> 20;
    if room.free < room.needed {
        return Err(format!(
            "{} MiB are free on the disk of {}, below {} MiB readings are refused; free some space",
            mib(room.free),
            dir.display(),
            mib(room.needed)
        ));
    }
    Ok(format!("{} MiB are free, {} are needed", mib(room.free), mib(room.needed)))
}

fn database(dir: &Path) -> Result<String, String> {
    let conn = sitewarden_store::open_read_only(&sitewarden_store::Store::database_path(dir))
        .map_err(|error| chain(&error))?;
    sitewarden_store::check_version(&conn, MIGRATIONS).map_err(|error| chain(&error))?;
    Ok("readable, of this version".to_owned())
}

fn site_log(dir: &Path) -> Result<String, String> {
    let text = |error: sitewarden_store::StoreError| chain(&error);
    let conn =
        sitewarden_store::open_read_only(&sitewarden_store::Store::database_path(dir)).map_err(text)?;
    let report = super::verify::check(&conn, dir, None)
        .map_err(|error| sitewarden_core::error::chain(error.as_ref()))?;
    if report.ok() { Ok(report.to_string()) } else { Err(report.to_string()) }
}

/// Every port of the configuration can be listened on, or the gateway of this state folder has it.
fn ports(config: &Config, running: bool) -> Result<String, String> {
    let listeners = config.broker.listeners.iter();
    let mqtt = listeners.map(|listener| (format!("MQTT listener {}", listener.name), listener.address));
    let wanted: Vec<(String, SocketAddr)> =
        std::iter::once(("web.listen".to_owned(), config.web.listen)).chain(mqtt).collect();
    let mut taken = Vec::new();
    for (name, address) in &wanted {
        match TcpListener::bind(address) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && running => {}
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                taken.push(format!("{name}: another program uses {address}; stop it or choose another port"));
            }
            Err(error) => taken.push(format!("{name}: {address} cannot be listened on: {error}")),
        }
    }
    if !taken.is_empty() {
        return Err(taken.join("; "));
    }
    let whose = if running { "in use by the running gateway or free" } else { "free" };
    Ok(format!("{} ports, {whose}", wanted.len()))
}

fn rules(config: &Config) -> Result<String, String> {
    let files = sources::files(config.rules.dir.as_deref(), crate::embedded::RULES, RULE_FILES)
        .map_err(|error| chain(&error))?;
    let (set, errors) = sitewarden_detect::RuleSet::load(&files);
    match errors.first() {
        None => Ok(format!("{} load", set.len())),
        Some(first) => Err(format!("{} mistakes; the first: {first}", errors.len())),
    }
}

fn dialects(config: &Config) -> Result<String, String> {
    let files = sources::files(config.dialects.dir.as_deref(), crate::embedded::DIALECTS, DIALECT_FILES)
        .map_err(|error| chain(&error))?;
    let (dialects, errors) = sitewarden_ingest::Dialects::load(&files);
    match errors.first() {
        None => Ok(format!("{} topics", dialects.patterns())),
        Some(first) => Err(format!("{} mistakes; the first: {first}", errors.len())),
    }
}
