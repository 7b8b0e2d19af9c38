//! Who wishes no good: an enrolled agent gone bad, floods of connections, a port that stops reading.

use serde_json::json;
use sitewarden_wire::statement::FindingKind;

use super::{DAMP, TCP, bridged, device, finding, let_in, linked, once_each, statements, titled};
use crate::support::agent::{Agent, Line, firmware};
use crate::support::gateway::{Gateway, Site};
use crate::support::process::run;
use crate::support::wait::wait_for;
use crate::support::wire::{Peer, Said};

#[tokio::test]
async fn an_enrolled_agent_gone_bad_is_told_and_bounded_and_what_it_signed_stands_once() {
    let site = Site::new(TCP);
    let gateway = site.start().await;
    let api = site.api(&gateway, "owner").await;
    let (door, psk) = let_in(&api, &gateway).await;
    let mut session = door.link(gateway.agents(), &door.site(), &psk).await.expect("linked");
    session.hello(5).await;

    session.hello(4).await;
    let back = titled(&api, "Agent's boot counter went back").await;
    assert_eq!(back["asset"], *door.id(), "{back}");
    let foreign = door.finding(1, FindingKind::Tamper, &Peer::new(2));
    assert_eq!(session.tell(&foreign).await, [], "another key's signature is not acknowledged");
    titled(&api, "Agent's finding has a wrong signature").await;
    let tamper = door.finding(2, FindingKind::Tamper, &door);
    for _ in 0..2 {
        let mut said = session.tell(&tamper).await;
        if said.is_empty() {
            said.extend(session.heard().await);
        }
        assert_eq!(said, [Said::Acknowledgement(2)], "also when it comes again");
    }
    let opened = titled(&api, "Case of an agent was opened").await;
    assert_eq!((&opened["count"], &opened["asset"]), (&json!(1), &json!(door.id())), "{opened}");

    for sequence in 3..603 {
        session.tell(&door.finding(sequence, FindingKind::Tamper, &door)).await;
    }
    let over = wait_for("each finding to stand or to be over the limit", || async {
        let told = statements(&api).await;
        once_each(&told);
        let seen = api.get(&format!("/api/v1/devices/{}", door.id())).await.expect(200);
        let over = seen["link"]["frames_dropped"]["finding-limit"].as_u64().unwrap_or(0);
        if told.len() as u64 - 1 + over == 600 { Ok(over) } else { Err(format!("{} + {over}", told.len())) }
    })
    .await;
    assert!(over > 0, "600 at once are more than a line may bring");
    assert_eq!(api.get("/health").await.status, 200);
    gateway.stop().await;
    run(&mut site.command(&["verify"]), b"").await.success();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_connections_and_a_port_that_stops_reading_or_is_unplugged_hold_up_nobody() {
    let Some(firmware) = firmware() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let port = folder.path().join("line");
    let site = Site::new(&format!("{TCP}[[agents.lines]]\npath = {:?}\n", port.display().to_string()));
    let (mut near, far) = tokio_serial::SerialStream::pair().expect("a pseudo terminal");
    let name = tokio_serial::SerialPort::name(&far).expect("its path");
    std::os::unix::fs::symlink(name, &port).expect("own folder");
    let gateway = site.start().await;
    let api = site.api(&gateway, "owner").await;
    let before = memory(&gateway);
    let flood = crate::support::wire::flood(gateway.agents(), 200).await;
    // Frames that must be answered, into a port whose answers nobody reads.
    let stuck = tokio::spawn(async move {
        let frame = crate::support::wire::asks_for_an_answer();
        while tokio::io::AsyncWriteExt::write_all(&mut near, &frame).await.is_ok() {}
        near
    });

    let (_bridge, agent) = bridged(&firmware, folder.path(), &gateway).await;
    let id = linked(&site, &api, &agent).await;
    agent.inputs(DAMP);
    finding(&api, &id, "open", |finding| finding["status"] == "open").await;
    agent.state("alarm queued 0").await;
    wait_for("the port to be given up", || async {
        let log = gateway.log();
        if log.contains("it takes no bytes") { Ok(()) } else { Err(log) }
    })
    .await;
    assert_eq!(api.get("/health").await.status, 200);
    let grown = memory(&gateway).saturating_sub(before);
    assert!(grown < 64 * 1024, "grown by {grown} KiB");

    // Unplugged, and an agent's own port in its place.
    agent.cut();
    stuck.abort();
    drop((stuck, far));
    let agent = Agent::start(&firmware, folder.path(), &Line::Pty(port)).await;
    // Its session comes a moment before its first message, which tells how often it was started.
    device(&api, &id, "on the serial line, started twice", |device| {
        device["link"]["transport"] == "serial" && device["link"]["boots"][0]["counter"] == 2
    })
    .await;
    drop(flood);
    agent.cut();
    gateway.stop().await;
}

/// Resident memory of the gateway in KiB.
fn memory(gateway: &Gateway) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.id())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
