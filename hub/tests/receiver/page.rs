//! The operators' page in Chromium: light and dark, desktop and phone.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::hub::Hub;
use crate::support::postgres::skip;
use crate::support::site::{Agent, Site};

/// Chromium and the project's own node, or `None` when the test is skipped.
fn browser() -> Option<(PathBuf, PathBuf)> {
    let browser = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/browser");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let chromium =
        std::env::split_paths(&path).map(|folder| folder.join("chromium")).find(|file| file.is_file());
    let node = browser.join("node_modules/.bin/node");
    if chromium.is_none() || !node.exists() {
        skip("Chromium or the packages of tests/browser are not installed (make setup)");
        return None;
    }
    chromium.zip(Some(node))
}

#[tokio::test]
async fn an_operator_signs_in_finds_a_finding_and_sees_what_proves_it() {
    let Some((chromium, node)) = browser() else { return };
    let Some(hub) = Hub::with_tenant() else { return };
    let (mut site, api) = Site::registered(&hub, "north", "cold-store-nord").await;
    let agent = Agent::new(1);
    site.append("agent.enrolled", &agent.enrolled());
    site.append("finding.raised", &agent.finding(1, 9, &agent.statement(9)));
    site.raise(2, "<b>Door</b> left open");
    site.fill(40);
    site.push_from(&api, 1).await;
    let (mut other, others) = Site::registered(&hub, "north", "annex").await;
    other.raise(1, "Humidity too high");
    other.push_from(&others, 1).await;
    other.records[0].body = "{}".to_owned();
    others.push(other.batch(1..=1, None)).await.problem(409, "log-forked");
    let password = hub.database.account("north", "elin");
    let home = tempfile::tempdir().expect("a temporary folder");
    let task = json!({
        "url": hub.address, "login": "elin", "password": password, "home": home.path(), "ca": hub.ca(), "chromium": chromium,
        "screens": Path::new(env!("CARGO_TARGET_TMPDIR")).join("screens"),
    });

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/browser");
    let done = Command::new(node)
        .arg("hub.mjs")
        .arg(task.to_string())
        .current_dir(folder)
        .output()
        .expect("node starts");

    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{said}\n{}", String::from_utf8_lossy(&done.stderr));
    let seen: Value = serde_json::from_str(said.lines().last().expect("a result")).expect("JSON");
    let steps = seen.as_array().expect("a list");
    assert_eq!(steps.len(), 4 * 7);
    for step in steps {
        let name = step["name"].as_str().expect("a name");
        if name.starts_with("complaints") {
            assert_eq!(step["complaints"], json!([]), "{name}");
            continue;
        }
        assert_eq!((&step["violations"], &step["wide"]), (&json!([]), &json!(0)), "{name}");
        let text = step["text"].as_str().expect("text");
        if name.starts_with("finding ") {
            for part in [
                "Signed by the agent",
                "Covered by a checkpoint",
                "Record 2 of the site",
                "The site signed this checkpoint",
            ] {
                assert!(text.contains(part), "{name}: {part} is not in\n{text}");
            }
        }
        if name.starts_with("search") {
            assert!(text.contains("<b>Door</b> left open"), "texts are shown as texts: {text}");
        }
    }
}
