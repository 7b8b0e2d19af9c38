//! Codes and keys: a code enrols one device, and who holds another key is refused and told.

use serde_json::json;

use super::{TCP, let_in, titled};
use crate::support::gateway::Site;
use crate::support::process::run;
use crate::support::wire::{Linked, Peer, Refusal, Said};

#[tokio::test]
async fn a_code_enrols_one_device_and_its_owner_may_repeat() {
    let site = Site::new(TCP);
    let gateway = site.start().await;
    let api = site.api(&gateway, "owner").await;
    let made = api.post("/api/v1/agents/enrol", json!({"name": "Door"})).await.expect(201);
    let code = made["code"].as_str().expect("a code").to_owned();
    assert_eq!(made["qr_text"], format!("SITEWARDEN:1:{code}"));
    assert!(made["qr_svg"].as_str().is_some_and(|svg| svg.contains("<svg")), "{made}");
    let pending = api.get("/api/v1/agents/enrolments").await;
    assert!(!pending.text.contains(&code), "a code is shown once: {}", pending.text);
    assert_eq!(pending.expect(200)["items"][0]["name"], "Door");

    let door = Peer::new(1);
    assert_eq!(
        Peer::new(3).enrol(gateway.agents(), "00000-00000-00000-00000").await,
        Err(Refusal::Unanswered)
    );
    let psk = door.enrol(gateway.agents(), &code).await.expect("granted");
    assert_eq!(door.enrol(gateway.agents(), &code.to_lowercase()).await, Ok(psk), "its answer was lost");
    assert_eq!(Peer::new(2).enrol(gateway.agents(), &code).await, Err(Refusal::Ungranted));
    let again = api.post("/api/v1/agents/enrol", json!({"code": code})).await;
    assert_eq!((again.status, &again.json()["code"]), (409, &json!("code-over")), "{}", again.text);
    titled(&api, "Enrolment code used again").await;
    assert_eq!(api.get("/api/v1/agents/enrolments").await.expect(200)["items"], json!([]));

    let other = api.post("/api/v1/agents/enrol", json!({})).await.expect(201);
    let path = format!("/api/v1/agents/enrolments/{}", other["id"].as_str().expect("an id"));
    assert_eq!(api.delete(&path).await.status, 204);
    let code = other["code"].as_str().expect("a code");
    assert_eq!(Peer::new(2).enrol(gateway.agents(), code).await, Err(Refusal::Unanswered));

    let devices = api.list("/api/v1/devices?kind=agent").await;
    assert_eq!(devices.iter().map(|device| &device["id"]).collect::<Vec<_>>(), [&json!(door.id())]);
    gateway.stop().await;
    let gateway = site.start().await;
    assert_eq!(door.enrol(gateway.agents(), "nonsense").await, Err(Refusal::Unreadable));
    gateway.stop().await;
}

#[tokio::test]
async fn who_holds_another_key_or_was_never_enrolled_is_refused_and_told() {
    let site = Site::new(TCP);
    let gateway = site.start().await;
    let api = site.api(&gateway, "owner").await;
    let (door, psk) = let_in(&api, &gateway).await;
    let site_key = door.site();

    let refused = |linked: Result<Linked, Refusal>| linked.err() == Some(Refusal::Unanswered);
    assert!(refused(door.link(gateway.agents(), &site_key, &[7; 32]).await), "another secret");
    titled(&api, "Agent with a wrong key").await;
    assert!(refused(Peer::new(2).link(gateway.agents(), &site_key, &psk).await), "another key");
    let unknown = titled(&api, "Unknown agent on a line").await;
    assert_eq!(unknown["asset"], *Peer::new(2).id(), "{unknown}");
    let mut session = door.link(gateway.agents(), &site_key, &psk).await.expect("its own keys");
    assert_eq!(session.hello(1).await, [Said::Time, Said::Parameters]);
    gateway.stop().await;
}

#[tokio::test]
async fn the_command_line_prints_a_code_that_can_be_scanned() {
    let site = Site::new("");
    let said = run(&mut site.command(&["enrol", "agent", "--name", "Door"]), b"").await.success();

    let code = said.lines().find_map(|line| line.strip_prefix("code:     ")).expect("a code");
    let code = code.split(' ').next().expect("a code");
    assert!(said.contains(&format!("QR text:  SITEWARDEN:1:{code}")), "{said}");
    assert!(said.contains("site key: ") && said.contains('█'), "{said}");
    let used = run(&mut site.command(&["enrol", "agent", code]), b"").await;
    assert!(!used.status.success() && used.stderr.contains("open already"), "{}", used.stderr);
    let mistyped = run(&mut site.command(&["enrol", "agent", "12345"]), b"").await;
    assert!(mistyped.stderr.contains("a code has 20 characters"), "{}", mistyped.stderr);
}
