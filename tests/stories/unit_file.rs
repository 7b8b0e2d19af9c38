//! The systemd unit: systemd's own tools find it sound and tightly fenced.
//!
//! It is not started here: that needs a machine whose first process is systemd.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::need::{program, project};
use crate::support::process::run;

/// Exposure that is still accepted, in tenths (0 is sealed, 100 is open).
const EXPOSURE_TENTHS: &str = "25";

/// The shipped unit with the binary under test in place of the installed one.
fn unit(folder: &TempDir) -> PathBuf {
    let shipped = project().join("config/systemd/sitewarden.service");
    let text = std::fs::read_to_string(shipped).expect("the shipped unit");
    let installed = "ExecStart=/usr/bin/sitewarden ";
    assert!(text.contains(installed), "the unit starts the installed binary");
    let file = folder.path().join("sitewarden.service");
    let text = text.replace(installed, &format!("ExecStart={} ", env!("CARGO_BIN_EXE_sitewarden")));
    std::fs::write(&file, text).expect("a temporary file");
    file
}

fn analyze(tool: &Path, arguments: &[&str], unit: &Path) -> Command {
    let mut command = Command::new(tool);
    command.args(arguments).arg(unit);
    command
}

#[tokio::test]
async fn systemd_finds_no_mistake_in_the_unit() {
    let Some(tool) = program("systemd-analyze") else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");

    let done = run(&mut analyze(&tool, &["verify", "--man=no"], &unit(&folder)), b"").await;

    assert!(done.status.success(), "{}", done.stderr);
    assert!(!done.stderr.contains("sitewarden"), "{}", done.stderr);
}

#[tokio::test]
async fn the_unit_exposes_little() {
    let Some(tool) = program("systemd-analyze") else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let threshold = format!("--threshold={EXPOSURE_TENTHS}");

    let arguments = ["security", "--offline=yes", "--no-pager", &threshold];
    let said = run(&mut analyze(&tool, &arguments, &unit(&folder)), b"").await.success();

    assert!(said.contains("Overall exposure level"), "{said}");
}

#[tokio::test]
async fn the_drop_in_for_serial_lines_is_sound_and_opens_the_ports_alone() {
    let Some(tool) = program("systemd-analyze") else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = unit(&folder);
    let drop_in = std::fs::read_to_string(project().join("config/systemd/lines.conf")).expect("it ships");
    let text = std::fs::read_to_string(&file).expect("the unit just written");
    std::fs::write(&file, format!("{text}\n{drop_in}")).expect("a temporary file");
    let threshold = format!("--threshold={EXPOSURE_TENTHS}");

    let sound = run(&mut analyze(&tool, &["verify", "--man=no"], &file), b"").await;
    let fenced = ["security", "--offline=yes", "--no-pager", &threshold];
    let said = run(&mut analyze(&tool, &fenced, &file), b"").await.success();

    assert!(sound.status.success() && !sound.stderr.contains("sitewarden"), "{}", sound.stderr);
    assert!(said.contains("Overall exposure level"), "{said}");
}

#[tokio::test]
async fn an_unfenced_unit_is_told_apart() {
    let Some(tool) = program("systemd-analyze") else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = unit(&folder);
    let text = std::fs::read_to_string(&file).expect("the unit just written");
    let open: Vec<_> =
        text.lines().filter(|line| !line.starts_with("Protect") && !line.starts_with("Capa")).collect();
    std::fs::write(&file, open.join("\n")).expect("a temporary file");
    let threshold = format!("--threshold={EXPOSURE_TENTHS}");

    let arguments = ["security", "--offline=yes", "--no-pager", &threshold];
    let done = run(&mut analyze(&tool, &arguments, &file), b"").await;

    assert!(!done.status.success(), "{}", done.stdout);
}
