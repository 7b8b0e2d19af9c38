//! A finding's way to the cloud: gateway, uplink and hub as real programs, each killed in between.
//!
//! On the hub every record and finding stands exactly once, and Go's own note and merkle packages check what the hub gives as proof.

use std::path::Path;

use serde_json::{Value, json};

use crate::proofs::{notarize, notary};
use crate::support::gateway::{Gateway, Site};
use crate::support::http::Api;
use crate::support::hub::{Cloud, Hub};
use crate::support::mosquitto::{self, Publish};
use crate::support::process::{Running, run};
use crate::support::wait::wait_for;

const TITLE: &str = "Implausible sensor reading";

/// Raises one finding by a reading that no working sensor gives.
async fn raise(gateway: &Gateway, device: &str) {
    let (topic, arguments) = (format!("json/{device}"), ["-q", "1", "-i", device]);
    let message = Publish { topic: &topic, payload: r#"{"temperature": 900}"#, arguments: &arguments };
    mosquitto::publish(gateway.mqtt(), &message).await.success();
}

pub(crate) async fn register(site: &Site, hub: &Hub, cloud: &Cloud) {
    let (code, ca) = (cloud.claim().await, cloud.ca());
    let ca = ca.to_str().expect("a path in UTF-8");
    let arguments =
        ["uplink", "register", "--url", &hub.address, "--claim-code", &code, "--ca", ca, "--json"];
    run(&mut site.command(&arguments), b"").await.success();
}

/// Waits until the hub shows this finding once, covered by a checkpoint.
async fn proven(operator: &Api, device: &str) -> Value {
    wait_for(&format!("the finding of {device} on the hub, proven"), || async {
        let page = operator.get(&format!("/v1/findings?q=implausible+{device}")).await.expect(200);
        match page["items"].as_array().map(Vec::as_slice) {
            Some([one]) if one["proven"] == true => Ok(one.clone()),
            _ => Err(page.to_string()),
        }
    })
    .await
}

/// Somebody holds the hub's table of findings: a batch with a finding stands inside of its transaction.
pub(crate) async fn hold(cloud: &Cloud) -> Running {
    let holder = cloud.postgres.hold("hub", "BEGIN; LOCK TABLE hub.finding; SELECT pg_sleep(600)");
    wait_for("the lock", || async {
        let held = "SELECT count(*) FROM pg_locks WHERE relation = 'hub.finding'::regclass AND granted AND mode = 'AccessExclusiveLock'";
        let held = cloud.query(held).await;
        if held == "1" { Ok(()) } else { Err(held) }
    })
    .await;
    holder
}

pub(crate) async fn stands_inside(cloud: &Cloud) {
    wait_for("the hub to stand inside of its transaction", || async {
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sitewarden-hub' AND wait_event_type = 'Lock'";
        let waits = cloud.query(waits).await;
        if waits == "1" { Ok(()) } else { Err(waits) }
    })
    .await;
}

pub(crate) async fn release(cloud: &Cloud, holder: Running) {
    cloud.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()").await;
    drop(holder);
}

/// Go's own note and merkle packages agree that the checkpoint is signed and holds each record.
pub(crate) async fn checked_by_go(notary: &Path, proof: &Value) {
    for record in proof["records"].as_array().expect("records") {
        let mut inclusion = record["inclusion"].clone();
        inclusion["seq"] = record["seq"].clone();
        let document = json!({
            "key": proof["log_key"], "note": proof["checkpoint"], "record": record["bytes"], "inclusion": inclusion,
        });
        let said = notarize(notary, &document).await.success();
        assert_eq!(said.lines().collect::<Vec<_>>(), ["checkpoint holds", "inclusion holds"]);
    }
}

#[tokio::test]
async fn a_finding_stands_once_on_the_hub_whatever_is_killed_and_go_checks_its_proof() {
    let Some(()) = mosquitto::installed() else { return };
    let Some(cloud) = Cloud::new().await else { return };
    let site = Site::lab("[uplink]\nanswer-seconds = 30\n");
    let Some(notary) = notary(site.folder()).await else { return };
    let gateway = site.start().await;
    let hub = cloud.start(None).await;
    register(&site, &hub, &cloud).await;
    raise(&gateway, "cellar-1").await;
    let operator = cloud.operator(&hub).await;
    proven(&operator, "cellar-1").await;

    // The gateway is killed between its request and the answer; the hub commits what it has.
    let holder = hold(&cloud).await;
    raise(&gateway, "cellar-2").await;
    stands_inside(&cloud).await;
    gateway.kill();
    release(&cloud, holder).await;
    let gateway = site.start().await;
    proven(&operator, "cellar-2").await;

    // The hub is killed inside of its transaction; another one takes its place.
    let holder = hold(&cloud).await;
    raise(&gateway, "cellar-3").await;
    stands_inside(&cloud).await;
    let address = hub.address.clone();
    hub.kill();
    release(&cloud, holder).await;
    let hub = cloud.start(Some(&address)).await;
    let operator = cloud.operator(&hub).await;
    let finding = proven(&operator, "cellar-3").await;

    let twice =
        cloud.query("SELECT count(*) - count(DISTINCT seq), count(*) - max(seq) FROM hub.record").await;
    assert_eq!(twice, "0|0", "every record once, none missing");
    let titles = cloud.query(&format!("SELECT count(*) FROM hub.finding WHERE title = '{TITLE}'")).await;
    assert_eq!((titles.as_str(), &*cloud.query("SELECT count(*) FROM hub.alarm").await), ("3", "0"));
    let (id, number) = (finding["site"].as_str().expect("text"), finding["id"].as_str().expect("text"));
    let proof = operator.get(&format!("/v1/sites/{id}/findings/{number}/proof")).await.expect(200);
    checked_by_go(&notary, &proof).await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_log_that_was_rewritten_is_told_on_both_ends() {
    let Some(()) = mosquitto::installed() else { return };
    let Some(cloud) = Cloud::new().await else { return };
    let site = Site::lab("");
    let gateway = site.start().await;
    let hub = cloud.start(None).await;
    register(&site, &hub, &cloud).await;
    raise(&gateway, "cellar-1").await;
    let operator = cloud.operator(&hub).await;
    proven(&operator, "cellar-1").await;

    // What the hub has is not what the box signed any more: one byte of the tree's edge.
    cloud.query("UPDATE hub.site SET frontier = set_byte(frontier, 0, get_byte(frontier, 0) # 1)").await;
    raise(&gateway, "cellar-2").await;

    let alarms = wait_for("the alarm", || async {
        let page = operator.get("/v1/alarms").await.expect(200);
        if page["items"].as_array().is_some_and(|items| !items.is_empty()) {
            Ok(page)
        } else {
            Err(page.to_string())
        }
    })
    .await;
    assert_eq!(alarms["items"][0]["kind"], "log-forked", "{alarms}");
    let owner = site.api(&gateway, "owner").await;
    wait_for("the box to tell it", || async {
        let view = owner.get("/api/v1/uplink").await.expect(200);
        if view["problem"].as_str().is_some_and(|words| words.contains("log-forked")) {
            Ok(())
        } else {
            Err(view.to_string())
        }
    })
    .await;
    gateway.stop().await;
}
