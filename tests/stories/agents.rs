//! Agents on their lines: the real firmware in QEMU over a pseudo terminal and TCP, and peers that wish no good.
//!
//! What the protocol does with every fault is told in the agent's own tests; here it is seen from the product: findings
//! stand once, and nobody holds up anybody else.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sitewarden_wire::statement::FindingKind;

use crate::support::agent::{Agent, Firmware, Line, firmware};
use crate::support::bridge::Bridge;
use crate::support::gateway::{Gateway, Site};
use crate::support::http::Api;
use crate::support::need::{program, project};
use crate::support::process::run;
use crate::support::wait::wait_for;
use crate::support::wire::{Linked, Peer, Refusal, Said};

const TCP: &str = "[agents]\nlisten = \"127.0.0.1:0\"\n";
/// Above 60 % for 0.3 s, until it is below 55 %.
const DAMP: &str = "0 70000";
const DRY: &str = "0 45000";

/// `sitewarden enrol agent CODE`, as a technician types it.
async fn enrol(site: &Site, code: &str, name: &str) -> Value {
    let said =
        run(&mut site.command(&["enrol", "agent", code, "--name", name, "--json"]), b"").await.success();
    serde_json::from_str(&said).expect("--json prints JSON")
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
async fn finding(api: &Api, id: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
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
async fn linked(site: &Site, api: &Api, agent: &Agent) -> String {
    enrol(site, &agent.code().await, "Cold room").await;
    let id = agent.id().await;
    device(api, &id, "connected", |device| device["link"]["connected"] == true).await;
    order(api, &id).await;
    agent.state("parameters 2").await;
    id
}

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
    verified_by_pycose(&signed, &key, &raised).await;
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

async fn verified_by_pycose(signed: &str, key: &str, raised: &Value) {
    let mut python = Command::new(project().join(".venv/bin/python"));
    python.arg(project().join("tests/stories/peers/cose_verify.py"));
    let said = run(python.args([signed, key]), b"").await.success();
    let payload: Value = serde_json::from_str(&said).expect("JSON");
    let sequence = payload["1"].as_u64().expect("its number").to_string();
    assert_eq!(raised["evidence"]["statement"]["sequence"], *sequence);
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
async fn verified_by_openssl(folder: &Path, signed: &str, key: &str) {
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

async fn bridged(firmware: &Firmware, folder: &Path, gateway: &Gateway) -> (Bridge, Agent) {
    let bridge = Bridge::start().await;
    bridge.to(gateway.agents());
    let agent = Agent::start(firmware, folder, &Line::Tcp(bridge.address)).await;
    (bridge, agent)
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
    let made = api.post("/api/v1/agents/enrol", json!({})).await.expect(201);
    let door = Peer::new(1);
    let psk = door.enrol(gateway.agents(), made["code"].as_str().expect("a code")).await.expect("granted");
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
async fn an_enrolled_agent_gone_bad_is_told_and_bounded_and_what_it_signed_stands_once() {
    let site = Site::new(TCP);
    let gateway = site.start().await;
    let api = site.api(&gateway, "owner").await;
    let made = api.post("/api/v1/agents/enrol", json!({})).await.expect(201);
    let door = Peer::new(1);
    let psk = door.enrol(gateway.agents(), made["code"].as_str().expect("a code")).await.expect("granted");
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
    let seen =
        device(&api, &id, "on the serial line", |device| device["link"]["transport"] == "serial").await;
    assert_eq!(seen["link"]["boots"][0]["counter"], 2, "{seen}");
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
