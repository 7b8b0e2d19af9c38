//! From the sensor's own signature to the cloud: the firmware in QEMU, gateway and hub as real programs, killed in between.
//!
//! On the hub the agent's finding stands exactly once. Its signed bytes verify by pycose, checkpoint and inclusion by Go's
//! own packages; none of them is ours.

use std::sync::atomic::Ordering;

use serde_json::Value;

use crate::agents::firmware::{verified_by_openssl, verified_by_pycose};
use crate::agents::{DAMP, DRY, TCP, bridged, finding, linked};
use crate::hub::{checked_by_go, hold, register, release, stands_inside};
use crate::proofs::notary;
use crate::support::agent::firmware;
use crate::support::gateway::Site;
use crate::support::http::Api;
use crate::support::hub::Cloud;
use crate::support::wait::wait_for;

/// Waits until the hub shows the agent's finding once, with this status and covered by a checkpoint; gives its proof.
async fn proof(operator: &Api, agent: &str, status: &str) -> Value {
    let asset = format!("{agent}:1");
    let found = wait_for(&format!("the agent's finding on the hub, {status} and proven"), || async {
        let page = operator.get("/v1/findings").await.expect(200);
        let items = page["items"].as_array().cloned().unwrap_or_default();
        let own: Vec<_> = items.into_iter().filter(|item| item["asset"] == *asset).collect();
        match own.as_slice() {
            [one] if one["status"] == status && one["proven"] == true => Ok(one.clone()),
            _ => Err(page.to_string()),
        }
    })
    .await;
    assert_eq!(found["signature"], "verified", "signed by the agent: {found}");
    let (site, id) = (found["site"].as_str().expect("text"), found["id"].as_str().expect("text"));
    operator.get(&format!("/v1/sites/{site}/findings/{id}/proof")).await.expect(200)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agents_finding_stands_once_on_the_hub_whatever_is_killed_and_strangers_check_its_proof() {
    let Some(firmware) = firmware() else { return };
    let Some(cloud) = Cloud::new().await else { return };
    let site = Site::new(&format!("[uplink]\nanswer-seconds = 30\n{TCP}"));
    let Some(notary) = notary(site.folder()).await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = site.start().await;
    let hub = cloud.start(None).await;
    let address = hub.address.clone();
    register(&site, &hub, &cloud).await;
    let (bridge, agent) = bridged(&firmware, folder.path(), &gateway).await;
    let api = site.api(&gateway, "owner").await;
    let id = linked(&site, &api, &agent).await;

    // The gateway has committed, its acknowledgement never arrives; the hub stands inside of its transaction: both are killed.
    bridge.weather.deaf.store(true, Ordering::Relaxed);
    let holder = hold(&cloud).await;
    agent.inputs(DAMP);
    finding(&api, &id, "open", |finding| finding["status"] == "open").await;
    stands_inside(&cloud).await;
    agent.state("queued 1").await;
    hub.kill();
    gateway.kill();
    release(&cloud, holder).await;
    bridge.weather.deaf.store(false, Ordering::Relaxed);
    let gateway = site.start().await;
    bridge.to(gateway.agents());
    let hub = cloud.start(Some(&address)).await;
    agent.state("alarm queued 0").await;
    let operator = cloud.operator(&hub).await;
    let raised = proof(&operator, &id, "open").await;
    let statement = &raised["statement"];
    let text = |value: &Value| value.as_str().expect("base64").to_owned();
    verified_by_pycose(
        &text(&statement["bytes"]),
        &text(&statement["signing_key"]),
        &raised["finding"]["sequence"],
    )
    .await;
    verified_by_openssl(folder.path(), &text(&statement["bytes"]), &text(&statement["signing_key"])).await;
    checked_by_go(&notary, &raised).await;

    // The gateway is gone when the agent clears it; then it is killed between its request and the answer, and the hub after it.
    gateway.kill();
    agent.inputs(DRY);
    agent.state("no-link queued 1").await;
    let holder = hold(&cloud).await;
    let gateway = site.start().await;
    bridge.to(gateway.agents());
    agent.state("well queued 0").await;
    stands_inside(&cloud).await;
    gateway.kill();
    release(&cloud, holder).await;
    hub.kill();
    let hub = cloud.start(Some(&address)).await;
    let gateway = site.start().await;
    let operator = cloud.operator(&hub).await;
    let cleared = proof(&operator, &id, "closed").await;

    checked_by_go(&notary, &cleared).await;
    assert_eq!(cleared["finding"]["count"], raised["finding"]["count"], "nothing was counted twice");
    let twice =
        cloud.query("SELECT count(*) - count(DISTINCT seq), count(*) - max(seq) FROM hub.record").await;
    assert_eq!(twice, "0|0", "every record once, none missing");
    assert_eq!(cloud.query("SELECT count(*) FROM hub.alarm").await, "0");
    agent.cut();
    gateway.stop().await;
}
