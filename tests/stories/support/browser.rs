//! Chromium, driven by the scripts in tests/browser: a story gives a task and gets one JSON result.
//!
//! Each run has an empty home folder in which the site's CA is trusted, as a technician would install it.
//! Screenshots stay in the target folder for people to look at.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::need::{program, project, skip};
use super::process::run_within;

/// A walk looks at every page in every theme; on a busy machine that takes minutes.
const LIMIT: Duration = Duration::from_secs(300);

/// What a script needs from the machine.
pub(crate) struct Browser {
    node: PathBuf,
    chromium: PathBuf,
}

impl Browser {
    /// `None` when something is missing and the story is skipped.
    pub(crate) fn installed() -> Option<Self> {
        let chromium = program("chromium")?;
        program("certutil")?;
        let node = project().join("tests/browser/node_modules/.bin/node");
        if !node.exists() {
            skip("npm packages of tests/browser are not installed (make setup)");
            return None;
        }
        Some(Self { node, chromium })
    }

    /// Runs `tests/browser/SCRIPT` with this task; the site's CA is trusted if given.
    ///
    /// # Panics
    /// When the script fails, with what it said.
    pub(crate) async fn run(&self, script: &str, ca: Option<&Path>, task: Value) -> Value {
        let (done, _home) = self.attempt(script, ca, task).await;
        let said = done.success();
        let last = said.lines().last().expect("a script prints its result");
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{script}: {error}: {last}"))
    }

    /// As `run`, but gives the ended script, for what must fail.
    pub(crate) async fn attempt(
        &self,
        script: &str,
        ca: Option<&Path>,
        mut task: Value,
    ) -> (super::process::Finished, tempfile::TempDir) {
        let home =
            tempfile::Builder::new().prefix("sitewarden-browser-").tempdir().expect("a temporary folder");
        let screens = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screens");
        task["home"] = json!(home.path());
        task["ca"] = json!(ca);
        task["chromium"] = json!(self.chromium);
        task["screens"] = json!(screens);
        let mut command = Command::new(&self.node);
        command.arg(script).arg(task.to_string()).current_dir(project().join("tests/browser"));
        (run_within(LIMIT, &mut command, b"").await, home)
    }
}

/// Complaints of a page without the one that belongs to it: whoever is not signed in is told so by a 401.
pub(crate) fn unexpected(complaints: &Value) -> Vec<&str> {
    let all = complaints.as_array().expect("complaints").iter().filter_map(Value::as_str);
    all.filter(|text| !(text.contains("status of 401") && text.contains("/api/v1/session"))).collect()
}
