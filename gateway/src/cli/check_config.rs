//! `sitewarden check-config`: the loader of `run` and nothing else.

use std::path::Path;
use std::process::ExitCode;

use super::{CommandResult, complain, say};
use crate::config;

pub(super) fn run(path: &Path, json: bool) -> CommandResult {
    match config::load(Some(path)) {
        Ok(_) if json => say(&serde_json::json!({"ok": true, "config": path}).to_string()),
        Ok(_) => say(&format!("{}: ok", path.display())),
        Err(error) => {
            let text = sitewarden_core::error::chain(&error);
            if json {
                say(&serde_json::json!({"ok": false, "config": path, "error": text}).to_string());
            } else {
                complain(&text);
            }
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}
