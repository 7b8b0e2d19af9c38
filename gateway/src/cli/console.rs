//! `enrol`, `api-key` and `uplink`: commands that write, by the console socket of the running gateway.
//!
//! Without a running gateway they open the state folder themselves, under its lock, and run the same
//! code. Secrets are printed once and stored nowhere in clear.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{CommandResult, StateDir, complain, say};
use crate::console::{self, Answer, Enrol, Request};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct EnrolArgs {
    #[command(subcommand)]
    kind_of: Option<EnrolKind>,
    #[command(flatten)]
    device: DeviceArgs,
}

#[derive(Debug, Subcommand)]
enum EnrolKind {
    /// Open a one-time code for an agent on a serial line or TCP
    Agent(AgentArgs),
}

#[derive(Debug, Args)]
struct AgentArgs {
    /// The code that the agent shows, typed or the text of its QR code; without one the box makes a code
    code: Option<String>,
    /// Name for people
    #[arg(long)]
    name: Option<String>,
    /// Where it is
    #[arg(long)]
    zone: Option<String>,
    #[command(flatten)]
    state: StateDir,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct DeviceArgs {
    /// Id of the device; it is its MQTT client id too
    #[arg(required = true)]
    id: Option<String>,
    /// Name for people
    #[arg(long)]
    name: Option<String>,
    /// Where it is
    #[arg(long)]
    zone: Option<String>,
    /// `client`, `sensor`, `camera`, `agent`
    #[arg(long)]
    kind: Option<String>,
    /// Leave the approval to somebody at the web UI; until then its publishes are refused
    #[arg(long)]
    await_approval: bool,
    /// Sign this certificate request (PEM) instead of making a password
    #[arg(long)]
    csr: Option<PathBuf>,
    #[command(flatten)]
    state: StateDir,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum ApiKey {
    /// Make a key; it is shown once
    Create {
        /// `owner`, `operator`, `technician`, `viewer`
        #[arg(long)]
        role: String,
        /// Days until it expires, such as `90` or `90d`
        #[arg(long, default_value = "90d", value_parser = days)]
        expires: u32,
        /// What it is for
        #[arg(long, default_value = "made at the console")]
        name: String,
        #[command(flatten)]
        state: StateDir,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// List keys
    List {
        #[command(flatten)]
        state: StateDir,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Withdraw a key
    Revoke {
        /// Id of the key, from `list`
        id: String,
        #[command(flatten)]
        state: StateDir,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Uplink {
    /// Register the box at a cloud, to which the site log is sent from then on
    Register {
        /// Address of the cloud's API
        #[arg(long)]
        url: String,
        /// The one-time code that the cloud gave for this site
        #[arg(long)]
        claim_code: String,
        /// Certificates (PEM) of the authorities that may have signed the cloud's; else the configured ones count
        #[arg(long)]
        ca: Option<PathBuf>,
        #[command(flatten)]
        state: StateDir,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// How the uplink stands
    Status {
        #[command(flatten)]
        state: StateDir,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Forget the cloud; nothing more is sent
    Forget {
        #[command(flatten)]
        state: StateDir,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn uplink(command: Uplink) -> CommandResult {
    match command {
        Uplink::Register { url, claim_code, ca, state, json } => {
            let ca_pem = ca.as_ref().map(std::fs::read_to_string).transpose()?;
            ask(&state, &Request::UplinkRegister { url, claim_code, ca_pem }, json)
        }
        Uplink::Status { state, json } => ask(&state, &Request::UplinkStatus, json),
        Uplink::Forget { state, json } => ask(&state, &Request::UplinkForget, json),
    }
}

/// Reads `90`, `90d`, `12w`, `1y` or `36h` (rounded up to days).
fn days(text: &str) -> Result<u32, String> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let count: u32 =
        number.parse().map_err(|_| format!("{text:?} is not a time such as 90d, 12w, 36h or 1y"))?;
    let days = match text.get(number.len()..).unwrap_or_default() {
        "" | "d" => Some(count),
        "h" => Some(count.div_ceil(24)),
        "w" => count.checked_mul(7),
        "y" => count.checked_mul(365),
        unit => return Err(format!("{unit:?} is not a unit; use h, d, w or y")),
    };
    days.filter(|days| (1..=3650).contains(days)).ok_or_else(|| "a key lives 1 day to 10 years".to_owned())
}

pub(super) fn enrol(args: EnrolArgs) -> CommandResult {
    match args.kind_of {
        Some(EnrolKind::Agent(agent)) => enrol_agent(agent),
        None => enrol_device(args.device),
    }
}

fn enrol_agent(args: AgentArgs) -> CommandResult {
    let AgentArgs { code, name, zone, state, json } = args;
    ask_and(&state, &Request::EnrolAgent { code, name, zone }, json, enrolment_for_people)
}

/// The code large enough to be read and scanned off a terminal.
fn enrolment_for_people(opened: &Value) -> String {
    let text = |key: &str| opened[key].as_str().unwrap_or_default();
    let mut lines = vec![format!("code:     {}   (open until {})", text("code"), text("expires"))];
    if opened["made_by_box"] == Value::Bool(true) {
        lines.push(format!("QR text:  {}", text("qr_text")));
        lines.push(format!("site key: {}", text("site_key")));
        lines.push(sitewarden_devices::terminal_qr(text("qr_text")).unwrap_or_default());
        lines.push("Give this code to the agent; it connects by itself.".to_owned());
    } else {
        lines.push(format!("site key: {}", text("site_key")));
        lines.push(
            "The agent that shows this code is enrolled as soon as it is on a line of this box.".to_owned(),
        );
    }
    lines.join("\n")
}

fn enrol_device(args: DeviceArgs) -> CommandResult {
    let csr_pem = args.csr.as_ref().map(std::fs::read_to_string).transpose()?;
    let enrol = Enrol {
        // clap insists on it where no subcommand is given.
        id: args.id.unwrap_or_default(),
        name: args.name,
        zone: args.zone,
        kind: args.kind,
        csr_pem,
        await_approval: args.await_approval,
    };
    ask(&args.state, &Request::Enrol(enrol), args.json)
}

pub(super) fn api_key(command: ApiKey) -> CommandResult {
    match command {
        ApiKey::Create { role, expires, name, state, json } => {
            ask(&state, &Request::ApiKeyCreate { name, role, expires_days: expires }, json)
        }
        ApiKey::List { state, json } => ask(&state, &Request::ApiKeyList, json),
        ApiKey::Revoke { id, state, json } => ask(&state, &Request::ApiKeyRevoke { id }, json),
    }
}

fn ask(state: &StateDir, request: &Request, json: bool) -> CommandResult {
    ask_and(state, request, json, |result| for_people(result, 0))
}

/// Asks the running gateway, or does it here when none runs; `show` says the result to people.
fn ask_and(
    state: &StateDir,
    request: &Request,
    json: bool,
    show: impl FnOnce(&Value) -> String,
) -> CommandResult {
    let dir = state.path();
    let answer = match console::ask(&dir, request)? {
        Some(answer) => answer,
        None => crate::app::execute_offline(&dir, request.clone())?,
    };
    match answer {
        Answer::Done(result) if json => say(&result.to_string()),
        Answer::Done(result) => say(&show(&result)),
        Answer::Failed(reason) => {
            complain(&reason);
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A JSON object as indented `key: value` lines.
fn for_people(value: &Value, depth: usize) -> String {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| match value {
                Value::Object(_) | Value::Array(_) => {
                    format!("{indent}{key}:\n{}", for_people(value, depth + 1))
                }
                Value::String(text) if text.contains('\n') => format!("{indent}{key}:\n{text}"),
                Value::String(text) => format!("{indent}{key}: {text}"),
                other => format!("{indent}{key}: {other}"),
            })
            .collect::<Vec<_>>()
            .join("\n"),
        Value::Array(items) if items.is_empty() => format!("{indent}none"),
        Value::Array(items) => {
            items.iter().map(|item| for_people(item, depth)).collect::<Vec<_>>().join("\n\n")
        }
        other => format!("{indent}{other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn life_times_are_read_in_the_usual_units() {
        assert_eq!(days("90"), Ok(90));
        assert_eq!(days("36h"), Ok(2));
        assert_eq!(days("2w"), Ok(14));
        assert_eq!(days("1y"), Ok(365));
        for wrong in ["", "0", "-1", "5m", "11y", "99999999999", "4294967295y"] {
            assert!(days(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn results_are_lines_for_people() {
        let result = serde_json::json!({"device_id": "a", "credential": {"username": "a", "password": "p"}});
        assert_eq!(for_people(&result, 0), "device_id: a\ncredential:\n  username: a\n  password: p");
    }
}
