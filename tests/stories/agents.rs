//! Agents on their lines: the real firmware in QEMU over a pseudo terminal and TCP, and peers that wish no good.
//!
//! What the protocol does with every fault is told in the agent's own tests; here it is seen from the product: findings
//! stand once, and nobody holds up anybody else.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::agent::{Agent, Firmware, Line};
use crate::support::bridge::Bridge;
use crate::support::gateway::{Gateway, Site};
use crate::support::http::Api;
use crate::support::process::run;
use crate::support::wait::wait_for;
use crate::support::wire::Peer;

mod enrolment;
pub(crate) mod firmware;
mod hostile;

pub(crate) const TCP: &str = "[agents]\nlisten = \"127.0.0.1:0\"\n";
/// Above 60 % for 0.3 s, until it is below 55 %.
pub(crate) const DAMP: &str = "0 70000";
pub(crate) const DRY: &str = "0 45000";

/// `sitewarden enrol agent CODE`, as a technician types it.
async fn enrol(site: &Site, code: &str, name: &str) -> Value {
    let said =
        run(&mut site.command(&["enrol", "agent", code, "--name", name, "--json"]), b"").await.success();
    serde_json::from_str(&said).expect("--json prints JSON")
}

/// A peer that showed the gateway a code of the box, and the secret that it was given.
async fn let_in(api: &Api, gateway: &Gateway) -> (Peer, [u8; 32]) {
    let made = api.post("/api/v1/agents/enrol", json!({})).await.expect(201);
    let peer = Peer::new(1);
    let secret = peer.enrol(gateway.agents(), made["code"].as_str().expect("a code")).await.expect("granted");
    (peer, secret)
}

async fn order(api: &Api, id: &str) {
    let rule =
        json!({"id": 4, "sensor": 1, "check": "above", "limit": 60_000, "clear": 55_000, "hold_ms": 300});
    let orders = json!({"report_ms": 500, "rules": [rule]});
    let path = format!("/api/v1/agents/{id}/parameters");
    api.send(reqwest::Method::PUT, &path, Some(orders)).await.expect(200);
}

/// Waits until this is true of the device's page.
async fn device(api: &Api, id: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    wait_for(&format!("the device {id} to be {what}"), || async {
        let answer = api.get(&format!("/api/v1/devices/{id}")).await;
        if answer.status == 200 && is(&answer.json()) { Ok(answer.json()) } else { Err(answer.text) }
    })
    .await
}

/// Waits until this is true of the one finding of the agent's rule 4.
pub(crate) async fn finding(api: &Api, id: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    wait_for(&format!("the agent's finding to be {what}"), || async {
        let findings = api.list("/api/v1/findings").await;
        let asset = format!("{id}:1");
        let own: Vec<_> = findings.iter().filter(|finding| finding["asset"] == *asset).collect();
        match own[..] {
            [one] if is(one) => {
                let path = format!("/api/v1/findings/{}", one["id"].as_str().expect("text"));
                Ok(api.get(&path).await.expect(200))
            }
            _ => Err(format!("{own:?}")),
        }
    })
    .await
}

/// Records of the site log that carry a statement, oldest first: kind and number.
async fn statements(api: &Api) -> Vec<(String, u64)> {
    let mut records = api.list("/api/v1/audit").await;
    records.reverse();
    records
        .iter()
        .filter(|record| record["body"]["statement"].is_object())
        .map(|record| {
            let sequence = record["body"]["statement"]["sequence"].as_str().expect("text");
            (record["kind"].as_str().expect("text").to_owned(), sequence.parse().expect("a number"))
        })
        .collect()
}

fn once_each(statements: &[(String, u64)]) {
    let mut numbers: Vec<_> = statements.iter().map(|(_, number)| number).collect();
    numbers.dedup();
    assert_eq!(numbers.len(), statements.len(), "one after the other, each once: {statements:?}");
    assert!(numbers.is_sorted(), "{statements:?}");
}

/// Enrols the agent and gives it its rule.
pub(crate) async fn linked(site: &Site, api: &Api, agent: &Agent) -> String {
    enrol(site, &agent.code().await, "Cold room").await;
    let id = agent.id().await;
    device(api, &id, "connected", |device| device["link"]["connected"] == true).await;
    order(api, &id).await;
    agent.state("parameters 2").await;
    id
}

pub(crate) async fn bridged(firmware: &Firmware, folder: &Path, gateway: &Gateway) -> (Bridge, Agent) {
    let bridge = Bridge::start().await;
    bridge.to(gateway.agents());
    let agent = Agent::start(firmware, folder, &Line::Tcp(bridge.address)).await;
    (bridge, agent)
}

/// Waits for a finding of this title.
async fn titled(api: &Api, title: &str) -> Value {
    wait_for(&format!("the finding {title:?}"), || async {
        let findings = api.list("/api/v1/findings").await;
        findings
            .iter()
            .find(|finding| finding["title"] == title)
            .cloned()
            .ok_or_else(|| format!("{findings:?}"))
    })
    .await
}
