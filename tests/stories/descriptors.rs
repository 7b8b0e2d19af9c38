//! No file descriptor left: new devices wait, those that are connected go on, and it ends by itself.

use std::process::Command;

use tokio::net::TcpStream;

use crate::support::gateway::Site;
use crate::support::mqtt::{Client, Out, Said};
use crate::support::need::program;
use crate::support::process::run;
use crate::support::wait::wait_for;

/// Descriptors that are left when the limit is set.
const LEFT: usize = 8;

#[tokio::test]
async fn without_descriptors_new_devices_wait_and_connected_ones_go_on() {
    let Some(prlimit) = program("prlimit") else { return };
    let site = Site::lab("");
    let gateway = site.start().await;
    let viewer = site.api(&gateway, "viewer").await;
    let mut honest = Client::connect(gateway.mqtt(), "honest", true).await.expect("accepted");
    // This connection of the API is kept, so that the metrics can be asked for without a new descriptor.
    let metric = || async {
        let page = viewer.get("/metrics").await.text;
        let line = page.lines().find(|line| line.contains("limit=\"file-descriptors\"")).map(str::to_owned);
        let hits = line.as_deref().and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        hits.unwrap_or_else(|| panic!("no figure of file descriptors: {page}"))
    };
    assert!(metric().await < 0.5);
    let process = gateway.id().to_string();
    let open = std::fs::read_dir(format!("/proc/{process}/fd")).expect("own child").count();
    let limit = format!("--nofile={}", open + LEFT);
    run(Command::new(prlimit).args(["--pid", &process, &limit]), b"").await.success();

    let mut idle = Vec::new();
    for _ in 0..4 * LEFT {
        idle.push(TcpStream::connect(gateway.mqtt()).await.expect("the kernel's backlog takes it"));
    }
    let mut id = 0;
    wait_for("the limit to be hit", || {
        let metric = metric();
        async move { if metric.await > 0.5 { Ok(()) } else { Err("no hit".to_owned()) } }
    })
    .await;
    for _ in 0..20 {
        id += 1;
        let out = Out { qos: 1, id, again: false };
        honest.publish("json/honest", "{\"temperature\": 4}", out).await.expect("sent");
        assert_eq!(honest.next().await, Ok(Said::PubAck(id)), "a connected device goes on");
    }
    let mut waiting = tokio::spawn(Client::connect(gateway.mqtt(), "late", true));
    assert!(!waiting.is_finished());
    drop(idle);

    let mut late = (&mut waiting).await.expect("no panic").expect("it is served as soon as there is room");
    late.publish("json/late", "{\"temperature\": 4}", Out { qos: 1, id: 1, again: false })
        .await
        .expect("sent");
    assert_eq!(late.next().await, Ok(Said::PubAck(1)));
    let log = gateway.stop().await;
    assert_eq!(log.matches("no file descriptor left").count(), 1, "told once, not ten times a second: {log}");
}
