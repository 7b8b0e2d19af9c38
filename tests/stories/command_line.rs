//! The command line without a running gateway: version, help, wrong use, a configuration with a mistake.
//!
//! What the commands do to a running gateway is told in the stories of their subjects.

use std::process::Command;

use crate::support::need::project;
use crate::support::process::{Finished, run};

async fn sitewarden(arguments: &[&str]) -> Finished {
    run(Command::new(env!("CARGO_BIN_EXE_sitewarden")).args(arguments), b"").await
}

#[tokio::test]
async fn the_binary_says_its_version() {
    let said = sitewarden(&["--version"]).await.success();

    assert_eq!(said.trim(), format!("sitewarden {}", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn an_unknown_command_ends_with_code_2_and_a_hint() {
    let done = sitewarden(&["check-confg"]).await;

    assert_eq!(done.status.code(), Some(2));
    assert!(done.stderr.contains("'check-config'"), "{}", done.stderr);
}

#[tokio::test]
async fn a_mistake_in_the_configuration_is_told_with_place_and_right_key() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("site.toml");
    std::fs::write(&file, "[web]\nlisen = \"127.0.0.1:0\"\n").expect("a temporary file");

    let done = sitewarden(&["check-config", "--config", &file.display().to_string()]).await;

    assert_eq!(done.status.code(), Some(1));
    assert!(done.stderr.contains("site.toml:2:1"), "{}", done.stderr);
    assert!(done.stderr.contains("did you mean `listen`?"), "{}", done.stderr);
}

#[tokio::test]
async fn every_shipped_configuration_passes_its_own_check() {
    let config = project().join("config");
    let mut files: Vec<_> = vec![config.join("sitewarden.toml")];
    let examples = std::fs::read_dir(config.join("examples")).expect("shipped examples");
    files.extend(examples.map(|entry| entry.expect("a readable folder").path()));
    let shipped: Vec<_> =
        files.iter().filter(|file| file.extension().is_some_and(|end| end == "toml")).collect();
    assert!(shipped.len() > 1, "{shipped:?}");

    for file in shipped {
        sitewarden(&["check-config", "--config", &file.display().to_string()]).await.success();
    }
}
