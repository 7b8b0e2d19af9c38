//! Checkpoints and proofs of the site log, checked by tools that are not ours, and offline by `sitewarden verify`.
//!
//! `peers/notary` is a small Go program over `golang.org/x/mod/sumdb/note` and `github.com/transparency-dev/merkle`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::gateway::{Gateway, Site};
use crate::support::http::Api;
use crate::support::need::{program, project};
use crate::support::process::{Finished, run, run_within};

/// A cold cache of Go on a busy machine.
const BUILD: Duration = Duration::from_secs(300);

pub(crate) async fn notary(folder: &Path) -> Option<PathBuf> {
    let go = program("go")?;
    let built = folder.join("notary");
    let mut build = Command::new(go);
    build
        .current_dir(project().join("tests/stories/peers/notary"))
        .args(["build", "-o"])
        .arg(&built)
        .arg(".");
    run_within(BUILD, &mut build, b"").await.success();
    Some(built)
}

pub(crate) async fn notarize(notary: &Path, document: &Value) -> Finished {
    run(&mut Command::new(notary), document.to_string().as_bytes()).await
}

async fn act(api: &Api) {
    let key = json!({"name": "key", "role": "viewer", "expires_in_days": 1});
    assert_eq!(api.post("/api/v1/api-keys", key).await.status / 100, 2);
}

async fn get(api: &Api, path: &str) -> Value {
    api.get(&format!("/api/v1/site-log/{path}")).await.expect(200)
}

/// Two checkpoints with records between, a proof for a record, and the proof that the newer continues the older.
async fn document(api: &Api) -> Value {
    act(api).await;
    let old = get(api, "checkpoint").await;
    act(api).await;
    act(api).await;
    let new = get(api, "checkpoint").await;
    let (old_size, new_size) = (old["size"].as_str().expect("text"), new["size"].as_str().expect("text"));
    let inclusion = get(api, &format!("proof?seq={old_size}&size={new_size}")).await;
    let consistency = get(api, &format!("consistency?old={old_size}&new={new_size}")).await;
    json!({
        "key": new["key"], "note": new["note"], "old_note": old["note"], "record": inclusion["record"],
        "inclusion": inclusion, "consistency": consistency,
    })
}

#[tokio::test]
async fn checkpoints_and_proofs_hold_for_go_s_note_and_merkle_packages() {
    let site = Site::new("");
    let Some(notary) = notary(site.folder()).await else { return };
    let gateway = site.start().await;
    let api = site.api(&gateway, "owner").await;
    let document = document(&api).await;

    let said = notarize(&notary, &document).await.success();

    assert_eq!(
        said.lines().collect::<Vec<_>>(),
        ["checkpoint holds", "inclusion holds", "consistency holds"]
    );
    // The same tool finds each lie.
    for (place, lie) in [
        ("note", document["note"].as_str().expect("text").replacen("\n", "x\n", 1)),
        ("old_note", document["note"].as_str().expect("text").to_owned()),
        ("record", "AAAA".to_owned()),
    ] {
        let mut changed = document.clone();
        changed[place] = json!(lie);
        let found = notarize(&notary, &changed).await;
        assert!(!found.status.success(), "{place}: {}", found.stdout);
    }
    gateway.stop().await;
}

async fn stopped_site() -> (Site, Value) {
    let site = Site::new("");
    let gateway: Gateway = site.start().await;
    let api = site.api(&gateway, "owner").await;
    let document = document(&api).await;
    let newer = get(&api, "checkpoint?size=1").await;
    assert!(
        newer["size"].as_str().and_then(|size| size.parse::<u64>().ok()).is_some_and(|size| size <= 1),
        "{newer}"
    );
    let none = api.get("/api/v1/site-log/proof?seq=9&size=3").await;
    assert_eq!(none.status, 404, "{}", none.text);
    gateway.stop().await;
    (site, document)
}

#[tokio::test]
async fn verify_checks_the_signatures_of_kept_checkpoints_and_their_roots() {
    let (site, document) = stopped_site().await;
    let key = document["key"].as_str().expect("text");
    let verify = async |arguments: &[&str]| {
        let done = run(&mut site.command(&[&["verify", "--json"], arguments].concat()), b"").await;
        let report: Value = serde_json::from_str(&done.stdout).unwrap_or_default();
        (done.status.success(), report)
    };
    let (good, report) = verify(&["--log-key", key]).await;
    assert!(good && report["signatures_checked"] == true, "{report}");
    assert!(report["checkpoints"].as_u64().is_some_and(|count| count >= 2), "{report}");
    assert!(verify(&[]).await.0, "with the key of the state folder");

    let other = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let (good, report) = verify(&["--log-key", other]).await;
    assert!(!good && report.to_string().contains("no signature by PeterNeumann"), "{report}");

    // One bit of a kept note.
    let conn = rusqlite::Connection::open(site.state().join("state.db")).expect("opens");
    let changed = conn
        .execute(
            "UPDATE site_log_checkpoint SET note = replace(note, char(10) || size || char(10), char(10) || (size + 1) || char(10))
             WHERE size = (SELECT max(size) FROM site_log_checkpoint)",
            [],
        )
        .expect("changed");
    assert_eq!(changed, 1);
    drop(conn);
    let (good, report) = verify(&[]).await;
    assert!(!good && report.to_string().contains("does not fit the checkpoint"), "{report}");
}
