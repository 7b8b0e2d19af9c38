//! `sitewarden rules`: tests that stand in rule files, and rules against recorded events.
//!
//! Nothing is started and no state is opened; the engine is the one of `run`.

use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use sitewarden_detect::{rule_tests, rules_match};

use super::{CommandResult, say};
use crate::folder::{self, FolderError};
use crate::sources::{Files, RULE_FILES};

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
            let (files, failed) = read(dir)?;
            let mut report = rule_tests::run(&files);
            report.errors.extend(failed.into_iter().map(|(file, reason)| format!("{file}: {reason}")));
            say(&if *json { serde_json::to_string(&report)? } else { report.text().trim_end().to_owned() });
            Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Rules::Match { rules, events, repeat, json } => {
            let (files, failed) = read(rules)?;
            let path = events.display();
            let events = std::fs::read(events).map_err(|error| format!("cannot read {path}: {error}"))?;
            if let Some(packed) = packed(&events) {
                return Err(format!(
                    "{path} is packed ({packed}): unpack it first, one JSON object on a line"
                )
                .into());
            }
            let start = std::time::Instant::now();
            let mut report =
                rules_match::run(&files, &events, usize::try_from(*repeat)?, &mut || start.elapsed());
            let failed = failed.into_iter();
            report.errors.extend(failed.map(|(file, reason)| rules_match::Failed::whole(&file, reason)));
            say(&if *json { serde_json::to_string(&report)? } else { report.text().trim_end().to_owned() });
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The rule files that can be read, and the others with the reason: one that cannot be read leaves the rest alone.
fn read(dir: &Path) -> Result<(Files, Files), FolderError> {
    let (mut files, mut failed) = (Vec::new(), Vec::new());
    for (name, text) in folder::read_each(dir, RULE_FILES)? {
        match text {
            Ok(text) => files.push((name, text)),
            Err(error) => {
                let cause = error.source().map(|cause| format!(" ({cause})")).unwrap_or_default();
                failed.push((name, format!("{error}{cause}")));
            }
        }
    }
    Ok((files, failed))
}

/// What a file is packed with, by its first bytes.
fn packed(bytes: &[u8]) -> Option<&'static str> {
    const PACKERS: [(&[u8], &str); 5] = [
        (&[0x1f, 0x8b], "gzip"),
        (&[0x28, 0xb5, 0x2f, 0xfd], "zstd"),
        (&[0xfd, b'7', b'z', b'X', b'Z', 0], "xz"),
        (b"BZh", "bzip2"),
        (b"PK\x03\x04", "zip"),
    ];
    PACKERS.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_read_leaves_the_others_alone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.yml"), "title: a\n").unwrap();
        std::fs::write(folder.path().join("b.yml"), b"title: \xff\n").unwrap();
        std::fs::write(folder.path().join("c.yml"), vec![b' '; 2 << 20]).unwrap();
        let (files, failed) = read(folder.path()).unwrap();
        assert_eq!(files, [("a.yml".to_owned(), "title: a\n".to_owned())]);
        assert_eq!(failed[0].0, "b.yml");
        assert!(failed[0].1.contains("UTF-8") && failed[1].1.contains("2097152"), "{failed:?}");
        assert!(read(&folder.path().join("none")).is_err());
    }

    #[test]
    fn packed_events_are_told_apart() {
        assert_eq!(packed(&[0x1f, 0x8b, 8]), Some("gzip"));
        assert_eq!(packed(b"{\"a\":1}"), None);
    }
}
