//! The real firmware from its enrolment to its revocation: what it signed stands once, and verifies elsewhere.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{DAMP, DRY, TCP, bridged, device, finding, linked, once_each, statements, titled};
use crate::support::agent::{Agent, Line, firmware};
use crate::support::gateway::Site;
use crate::support::need::{program, project};
use crate::support::process::run;
use crate::support::wait::wait_for;

#[tokio::test]
async fn an_agent_on_a_serial_line_enrols_reports_and_its_signed_finding_verifies_elsewhere() {
    let Some(firmware) = firmware() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let port = folder.path().join("line");
    let site = Site::new(&format!("[[agents.lines]]\npath = {:?}\n", port.display().to_string()));
    let gateway = site.start().await;
    let api = site.api(&gateway, "owner").await;
    let agent = Agent::start(&firmware, folder.path(), &Line::Pty(port.clone())).await;

    let id = linked(&site, &api, &agent).await;
    let seen = device(&api, &id, "reporting", |device| device["link"]["parameters_in_use"] == 2).await;
    assert_eq!(
        (&seen["name"], &seen["kind"], &seen["trust"]),
        (&json!("Cold room"), &json!("agent"), &json!("trusted"))
    );
    let link = &seen["link"];
    assert_eq!((&link["transport"], &link["line"]), (&json!("serial"), &json!(port.display().to_string())));
    assert_eq!((&link["model"], &link["boots"][0]["counter"]), (&json!("mps2-an386"), &json!(1)), "{link}");
    let sensor =
        device(&api, &format!("{id}:1"), "reporting", |sensor| sensor["latest"][0]["value"] == 45.0).await;
    assert_eq!((&sensor["trust"], &sensor["latest"][0]["metric"]), (&json!("trusted"), &json!("humidity")));

    agent.inputs(DAMP);
    let raised = finding(&api, &id, "open", |finding| finding["status"] == "open").await;
    agent.state("alarm queued 0").await;
    assert_eq!((&raised["count"], &raised["severity"]), (&json!(1), &json!("high")), "{raised}");
    let statement = &raised["evidence"]["statement"];
    let signed = statement["bytes"].as_str().expect("the signed bytes").to_owned();
    let records = api.list("/api/v1/audit?kind=agent.enrolled").await;
    let key = records[0]["body"]["signing_key"].as_str().expect("the log has the key").to_owned();
    verified_by_pycose(&signed, &key, &statement["sequence"]).await;
    verified_by_openssl(folder.path(), &signed, &key).await;

    gateway.kill();
    agent.inputs(DRY);
    agent.state("no-link queued 1").await;
    let gateway = site.start().await;
    let api = site.api(&gateway, "owner").await;
    finding(&api, &id, "closed", |finding| finding["status"] == "closed").await;
    agent.state("well queued 0").await;
    let statements = statements(&api).await;
    once_each(&statements);
    assert_eq!(
        statements.iter().map(|(kind, _)| &**kind).collect::<Vec<_>>(),
        ["finding.raised", "finding.cleared"]
    );

    // It loses its power, comes back while the box is down, and finds something before anybody told it the time.
    agent.cut();
    gateway.kill();
    let agent = Agent::start(&firmware, folder.path(), &Line::Pty(port)).await;
    agent.inputs(DAMP);
    agent.state("queued 1").await;
    let gateway = site.start().await;
    let api = site.api(&gateway, "owner").await;
    let found = finding(&api, &id, "open again", |finding| finding["status"] == "open").await;
    assert_eq!(found["evidence"]["events"][0]["fields"]["time_known_by"], "uptime and run", "{found}");
    let seen = device(&api, &id, "back", |device| device["link"]["boots"][0]["counter"] == 2).await;
    assert_eq!(seen["link"]["boots"].as_array().map(Vec::len), Some(2), "{seen}");
    agent.cut();
    gateway.stop().await;
    run(&mut site.command(&["verify"]), b"").await.success();
}

pub(crate) async fn verified_by_pycose(signed: &str, key: &str, number: &Value) {
    let mut python = Command::new(project().join(".venv/bin/python"));
    python.arg(project().join("tests/stories/peers/cose_verify.py"));
    let said = run(python.args([signed, key]), b"").await.success();
    let payload: Value = serde_json::from_str(&said).expect("JSON");
    let sequence = payload["1"].as_u64().expect("its number").to_string();
    assert_eq!(*number, *sequence);
    assert_eq!((&payload["6"], &payload["12"]), (&json!(4), &json!(60_000)), "rule and limit: {payload}");
    let mut changed = STANDARD.decode(signed).expect("base64");
    let middle = changed.len() - 70;
    changed[middle] ^= 1;
    let mut python = Command::new(project().join(".venv/bin/python"));
    python.arg(project().join("tests/stories/peers/cose_verify.py"));
    let refused = run(python.args([&STANDARD.encode(changed), key]), b"").await;
    assert!(!refused.status.success(), "a changed statement verifies: {}", refused.stdout);
}

/// Takes a COSE_Sign1 of the agent's form apart by hand: RFC 9052 §4.4 says what is signed.
pub(crate) async fn verified_by_openssl(folder: &Path, signed: &str, key: &str) {
    let Some(openssl) = program("openssl") else { return };
    let cose = STANDARD.decode(signed).expect("base64");
    // d2 84 | 58 len protected | a0 | 58 len payload | 58 40 signature
    assert_eq!(cose[..3], [0xd2, 0x84, 0x58]);
    let (protected, rest) = cose[4..].split_at(usize::from(cose[3]));
    assert_eq!(rest[..2], [0xa0, 0x58]);
    let (payload, signature) = rest[3..].split_at(usize::from(rest[2]));
    let length = |bytes: &[u8]| u8::try_from(bytes.len()).expect("short");
    let parts: [&[u8]; 5] =
        [b"\x84\x6aSignature1\x58", &[length(protected)], protected, b"\x40\x58", &[length(payload)]];
    let signed = [&parts.concat(), payload].concat();
    // SubjectPublicKeyInfo of Ed25519 (RFC 8410 §4).
    let head = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];
    let spki = [&head[..], &STANDARD.decode(key).expect("base64")].concat();
    for (name, content) in [("key", &spki[..]), ("signed", &signed), ("signature", &signature[2..])] {
        std::fs::write(folder.join(name), content).expect("own folder");
    }
    let mut verify = Command::new(openssl);
    verify.args(["pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "key", "-rawin"]);
    verify.args(["-in", "signed", "-sigfile", "signature"]).current_dir(folder);
    run(&mut verify, b"").await.success();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_commit_and_acknowledgement_and_over_a_noisy_line_each_finding_stands_once() {
    let Some(firmware) = firmware() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let site = Site::new(TCP);
    let gateway = site.start().await;
    let api = site.api(&gateway, "owner").await;
    let (bridge, agent) = bridged(&firmware, folder.path(), &gateway).await;
    let id = linked(&site, &api, &agent).await;

    // The acknowledgement never arrives: committed, and killed before the agent knows.
    bridge.weather.deaf.store(true, Ordering::Relaxed);
    agent.inputs(DAMP);
    finding(&api, &id, "open", |finding| finding["status"] == "open").await;
    agent.state("queued 1").await;
    gateway.kill();
    bridge.weather.deaf.store(false, Ordering::Relaxed);
    let gateway = site.start().await;
    bridge.to(gateway.agents());
    let api = site.api(&gateway, "owner").await;
    agent.state("alarm queued 0").await;
    let again = finding(&api, &id, "there", |_| true).await;
    assert_eq!((&again["count"], &again["status"]), (&json!(1), &json!("open")), "{again}");

    bridge.weather.noisy.store(true, Ordering::Relaxed);
    for (inputs, state) in [(DRY, "well"), (DAMP, "alarm"), (DRY, "well")] {
        agent.inputs(inputs);
        agent.state(&format!("{state} queued 0")).await;
    }
    wait_for("faults of the line", || async {
        let faults = bridge.weather.faults.load(Ordering::Relaxed);
        if faults >= 20 { Ok(()) } else { Err(faults.to_string()) }
    })
    .await;
    bridge.weather.noisy.store(false, Ordering::Relaxed);
    let seen = device(&api, &id, "back", |device| device["link"]["connected"] == true).await;
    let told = statements(&api).await;

    once_each(&told);
    let kinds: Vec<_> = told.iter().map(|(kind, _)| &**kind).collect();
    assert_eq!(kinds, ["finding.raised", "finding.cleared", "finding.reopened", "finding.cleared"]);
    let dropped = seen["link"]["frames_dropped"].as_object().expect("counted by reason");
    assert!(dropped.contains_key("checksum") && dropped.contains_key("replayed"), "{dropped:?}");
    agent.cut();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quarantined_agent_keeps_its_findings_until_it_is_released_and_a_revoked_one_is_out() {
    let Some(firmware) = firmware() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let site = Site::new(TCP);
    let gateway = site.start().await;
    let api = site.api(&gateway, "owner").await;
    let (_bridge, agent) = bridged(&firmware, folder.path(), &gateway).await;
    let id = linked(&site, &api, &agent).await;
    let path = format!("/api/v1/devices/{id}");

    api.post(&format!("{path}/quarantine"), json!({"reason": "story"})).await.expect(200);
    device(&api, &id, "cut off", |device| device["link"]["connected"] == false).await;
    agent.inputs(DAMP);
    agent.state("queued 1").await;
    let blocked = titled(&api, "Blocked agent tries to connect").await;
    assert_eq!(blocked["asset"], *id, "{blocked}");
    assert!(statements(&api).await.is_empty(), "nothing was taken");
    api.post(&format!("{path}/release"), json!({})).await.expect(200);
    finding(&api, &id, "open", |finding| finding["status"] == "open").await;
    agent.state("alarm queued 0").await;

    let revoked =
        api.post(&format!("/api/v1/agents/{id}/revoke"), json!({"reason": "sold"})).await.expect(200);
    assert_eq!(revoked["trust"], "revoked");
    agent.inputs(DRY);
    agent.state("queued 1").await;
    let seen = device(&api, &id, "cut off", |device| device["link"]["connected"] == false).await;
    assert!(seen["link"]["revoked"].is_string(), "{seen}");
    assert_eq!(statements(&api).await.len(), 1);
    agent.cut();
    gateway.stop().await;
}
