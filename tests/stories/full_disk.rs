//! A full disk: readings are refused and not acknowledged, everything else goes on, and the box recovers by itself.
//!
//! The state folder is a small tmpfs of its own, so that nothing else on the machine is filled.

use serde_json::{Value, json};

use crate::support::gateway::{Gateway, Site};
use crate::support::http::Api;
use crate::support::mount::SmallDisk;
use crate::support::mqtt::{Client, Out, Said};
use crate::support::process::run;
use crate::support::wait::wait_for;

/// Mebibytes of the disk, and those of them that are the box's reserve.
const DISK: u32 = 48;
const RESERVE: u32 = 8;

/// Publishes with QoS 1 and says what came of it.
async fn publish(gateway: &Gateway, device: &str, temperature: i32) -> Result<Said, String> {
    let mut client = Client::connect(gateway.mqtt(), device, true).await?;
    let payload = format!("{{\"temperature\": {temperature}}}");
    client.publish(&format!("json/{device}"), &payload, Out { qos: 1, id: 1, again: false }).await?;
    client.next().await
}

async fn ready(gateway: &Gateway, wanted: u16) {
    wait_for(&format!("/ready to say {wanted}"), || async {
        let answer = gateway.anonymous().get("/ready").await;
        if answer.status == wanted { Ok(()) } else { Err(format!("{}: {}", answer.status, answer.text)) }
    })
    .await;
}

async fn finding(api: &Api, title: &str, status: &str) -> Value {
    wait_for(&format!("the finding {title:?} {status}"), || async {
        let findings = api.list("/api/v1/findings?status=open,acknowledged,closed").await;
        let found = findings.iter().find(|finding| finding["title"] == title && finding["status"] == status);
        found.cloned().ok_or_else(|| format!("{findings:?}"))
    })
    .await
}

const FULL: &str = "The disk is full: readings are refused";

#[tokio::test]
async fn a_full_disk_stops_readings_alone_and_the_box_recovers_by_itself() {
    let site = Site::lab(&format!("[store]\nreserve-mib = {RESERVE}\n"));
    let Some(disk) = SmallDisk::over(&site.state(), DISK) else { return };
    let gateway = site.start().await;
    let operator = site.api(&gateway, "operator").await;
    assert_eq!(publish(&gateway, "cellar-1", 4).await, Ok(Said::PubAck(1)));
    ready(&gateway, 200).await;
    let reserve = site.state().join("reserve");
    assert!(reserve.exists(), "the reserve is held");

    let ballast = disk.fill("ballast");
    let refused = wait_for("a publish that is not acknowledged", || async {
        match publish(&gateway, "cellar-2", 900).await {
            Ok(Said::PubAck(_)) => Err("it was acknowledged".to_owned()),
            other => Ok(other),
        }
    })
    .await;

    // Readings stop: the client is told by the end of its connection and never by an acknowledgement.
    assert!(refused.is_err(), "{refused:?}");
    // People are told, and what the readings mean is not lost: both findings come from the reserve.
    let told = finding(&operator, FULL, "open").await;
    assert_eq!(told["severity"], "high", "{told}");
    let implausible = finding(&operator, "Implausible sensor reading", "open").await;
    ready(&gateway, 503).await;
    let health = gateway.anonymous().get("/health").await.expect(200);
    assert_eq!(health["parts"]["disk"]["status"], "failed", "{health}");
    assert_eq!(health["parts"]["db"]["status"], "ok", "{health}");
    // Reading and the acts of people go on, with their records.
    let readings = operator.get("/api/v1/devices/cellar-1/readings?metric=temperature").await.expect(200);
    assert_eq!(readings["items"][0]["value"], 4.0, "{readings}");
    assert_eq!(gateway.anonymous().get("/").await.status, 200);
    let path = format!("/api/v1/findings/{}/acknowledge", implausible["id"].as_str().expect("an id"));
    operator.post(&path, json!({"note": "looking"})).await.expect(200);
    let records = operator.list("/api/v1/audit?kind=finding.acknowledged").await;
    assert_eq!(records.len(), 1, "{records:?}");

    std::fs::remove_file(ballast).expect("own file");
    ready(&gateway, 200).await;
    assert_eq!(publish(&gateway, "cellar-2", 5).await, Ok(Said::PubAck(1)));
    finding(&operator, FULL, "closed").await;
    assert!(reserve.exists(), "the reserve is held again");
    let log = gateway.stop().await;
    assert!(log.contains("disk is full"), "{log}");
    run(&mut site.command(&["verify"]), b"").await.success();
}
