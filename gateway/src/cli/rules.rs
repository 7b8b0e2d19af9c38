//! `sitewarden rules`: tests that stand in rule files, and rules against recorded events.
//!
//! Nothing is started and no state is opened; the engine is the one of `run`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use sitewarden_detect::{rule_tests, rules_match};

use super::{CommandResult, say};
use crate::folder;
use crate::sources::RULE_FILES;

#[derive(Debug, Subcommand)]
pub(super) enum Rules {
    /// Run the `tests:` of every rule in a folder
    Test {
        /// Folder of rule files
        dir: PathBuf,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Say which rules match which events of a file
    Match {
        /// Folder of rule files
        #[arg(long)]
        rules: PathBuf,
        /// Events, one JSON object per line
        #[arg(long)]
        events: PathBuf,
        /// Judge all events so many times and take the median time
        #[arg(long, default_value_t = 1)]
        repeat: u32,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(command: &Rules) -> CommandResult {
    match command {
        Rules::Test { dir, json } => {
            let report = rule_tests::run(&folder::read(dir, RULE_FILES)?);
            say(&if *json { serde_json::to_string(&report)? } else { report.text().trim_end().to_owned() });
            Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Rules::Match { rules, events, repeat, json } => {
            let files = folder::read(rules, RULE_FILES)?;
            let events = std::fs::read(events)?;
            let start = std::time::Instant::now();
            let report =
                rules_match::run(&files, &events, usize::try_from(*repeat)?, &mut || start.elapsed());
            say(&if *json { serde_json::to_string(&report)? } else { report.text().trim_end().to_owned() });
            Ok(ExitCode::SUCCESS)
        }
    }
}
