//! `sitewarden check-config`: the loader of `run`, and whether the folders that it names are there.

use std::path::Path;
use std::process::ExitCode;

use super::{CommandResult, complain, say};
use crate::config;

pub(super) fn run(path: &Path, json: bool) -> CommandResult {
    match config::checked(path) {
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
