//! `rules_match --rules DIR --events FILE.ndjson [--json] [--repeat N] [--explain]`: which rule matches which event.
//!
//! The same as `sitewarden rules match`, without the rest of the program. Not a daemon: it reads files and ends.
//! Invariant: exit code 0 when everything loaded, 1 when a rule did not, 2 when it could not run.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]
#![expect(clippy::disallowed_methods, reason = "the shell around the pure crate reads the clock")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use sitewarden_detect::rules_match::{self, Options};

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(clean) => ExitCode::from(u8::from(!clean)),
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

fn run(mut arguments: impl Iterator<Item = String>) -> Result<bool, String> {
    let (mut rules, mut events, mut json) = (None, None, false);
    let mut options = Options { repeat: 1, explain: false };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--rules" => rules = Some(value()?),
            "--events" => events = Some(value()?),
            "--repeat" => {
                options.repeat = value()?.parse().map_err(|_| "--repeat takes a number".to_owned())?;
            }
            "--explain" => options.explain = true,
            "--json" => json = true,
            other => return Err(format!("unknown argument {other}")),
        }
    }
    let rules = rules.ok_or("give --rules DIR")?;
    let events = events.ok_or("give --events FILE.ndjson")?;
    let mut files = Vec::new();
    read_rules(Path::new(&rules), &mut files)?;
    files.sort();
    let events = std::fs::read(&events).map_err(|error| format!("{events}: {error}"))?;
    let start = Instant::now();
    let report = rules_match::run_with(&files, &events, options, &mut || start.elapsed());
    if json {
        println!("{}", serde_json::to_string(&report).map_err(|error| error.to_string())?);
    } else {
        print!("{}", report.text());
    }
    Ok(report.errors.is_empty())
}

fn read_rules(folder: &Path, files: &mut Vec<(String, String)>) -> Result<(), String> {
    let told = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    let entries = std::fs::read_dir(folder).map_err(|error| told(folder, error))?;
    for entry in entries {
        let path: PathBuf = entry.map_err(|error| told(folder, error))?.path();
        if path.is_dir() {
            read_rules(&path, files)?;
        } else if path.extension().is_some_and(|end| end == "yml" || end == "yaml") {
            let bytes = std::fs::read(&path).map_err(|error| told(&path, error))?;
            files.push((path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    Ok(())
}
