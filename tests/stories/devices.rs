//! Devices: enrolment, TLS with a password, approval and quarantine, the demo site, real radio sensors.
//!
//! Which topics which trust may use is told in the policy's own tests; here it is seen from the device.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::data::recording;
use crate::support::gateway::{Gateway, Site};
use crate::support::mosquitto::{self, Publish};
use crate::support::mqtt::{Client, Out, Said};
use crate::support::need::program;
use crate::support::process::{Finished, run};
use crate::support::wait::wait_for;

/// What the console printed for a device.
struct Enrolled {
    id: String,
    username: String,
    password: String,
}

async fn enrol(site: &Site, id: &str) -> Enrolled {
    let said = run(&mut site.command(&["enrol", id, "--kind", "sensor", "--json"]), b"").await.success();
    let enrolled: Value = serde_json::from_str(&said).expect("--json prints JSON");
    let text = |key: &str| {
        enrolled["credential"][key].as_str().unwrap_or_else(|| panic!("no {key}: {enrolled}")).to_owned()
    };
    Enrolled { id: text("client_id"), username: text("username"), password: text("password") }
}

impl Enrolled {
    /// Publishes with QoS 1 as this device: over TLS, trusting the site's CA alone.
    async fn publish(&self, site: &Site, gateway: &Gateway, topic: &str, payload: &str) -> Finished {
        let ca = site.ca();
        let ca = ca.to_string_lossy();
        let arguments = [
            "-q",
            "1",
            "-V",
            "5",
            "-i",
            &self.id,
            "-u",
            &self.username,
            "-P",
            &self.password,
            "--cafile",
            &ca,
        ];
        mosquitto::publish(gateway.mqtts(), &Publish { topic, payload, arguments: &arguments }).await
    }
}

#[tokio::test]
async fn an_enrolled_device_reports_over_tls_until_it_is_quarantined() {
    let Some(()) = mosquitto::installed() else { return };
    let site = Site::new("");
    let gateway = site.start().await;
    let operator = site.api(&gateway, "operator").await;
    let device = enrol(&site, "cellar-1").await;
    let path = "/api/v1/devices/cellar-1";

    device.publish(&site, &gateway, "json/cellar-1", r#"{"temperature": 4}"#).await.success();
    let readings = operator.get(&format!("{path}/readings?metric=temperature")).await.expect(200);
    let quarantined = operator.post(&format!("{path}/quarantine"), json!({"reason": "story"})).await;
    let refused = device.publish(&site, &gateway, "json/cellar-1", r#"{"temperature": 5}"#).await;
    let released = operator.post(&format!("{path}/release"), json!({})).await;
    let seen = operator.get(path).await.expect(200);
    let again = device.publish(&site, &gateway, "json/cellar-1", r#"{"temperature": 6}"#).await;

    assert_eq!(readings["items"][0]["value"], 4.0, "{readings}");
    assert_eq!((quarantined.status, released.status), (200, 200), "{} {}", quarantined.text, released.text);
    assert!(!refused.status.success(), "a quarantined device published");
    assert_ne!(seen["trust"], "quarantined", "{seen}");
    assert!(again.status.success(), "{}", again.stderr);
    gateway.stop().await;
}

#[tokio::test]
async fn a_device_publishes_where_it_may_and_a_refusal_is_seen() {
    let Some(()) = mosquitto::installed() else { return };
    let site = Site::new("");
    let gateway = site.start().await;
    let owner = site.api(&gateway, "owner").await;
    let device = enrol(&site, "cellar-1").await;

    let foreign = device.publish(&site, &gateway, "json/cellar-2", r#"{"temperature": 4}"#).await;

    let said = format!("{}{}", foreign.stdout, foreign.stderr);
    assert!(!foreign.status.success() || said.to_lowercase().contains("not auth"), "{said}");
    owner.get("/api/v1/devices/cellar-2").await.expect(404);
    let finding = wait_for("the refusal as a finding", || async {
        let findings = owner.list("/api/v1/findings").await;
        let found = findings.iter().find(|finding| finding["title"] == "Device published where it may not");
        found.cloned().ok_or_else(|| format!("{findings:?}"))
    })
    .await;
    assert!(finding.to_string().contains("cellar-1"), "{finding}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_stranger_and_a_wrong_password_are_refused() {
    let Some(()) = mosquitto::installed() else { return };
    let site = Site::new("");
    let gateway = site.start().await;
    let mut device = enrol(&site, "cellar-1").await;

    let message = Publish { topic: "json/stranger", payload: "{}", arguments: &["-q", "1"] };
    let stranger = mosquitto::publish(gateway.mqtt(), &message).await;
    device.password = "wrong".to_owned();
    let wrong = device.publish(&site, &gateway, "json/cellar-1", "{}").await;

    assert!(!stranger.status.success(), "an anonymous client published");
    assert!(!wrong.status.success(), "a wrong password published");
    gateway.stop().await;
}

#[tokio::test]
async fn real_radio_sensors_become_assets_of_their_own() {
    let (Some(codes), Some(rtl_433)) = (recording("rtl433/codes_real.txt"), program("rtl_433")) else {
        return;
    };
    let Some(()) = mosquitto::installed() else { return };
    let site = Site::lab("");
    let gateway = site.start().await;
    let api = site.api(&gateway, "viewer").await;
    let replay = format!("@{}", codes.display());
    let heard = run(Command::new(rtl_433).args(["-c", "/dev/null", "-y", &replay, "-F", "json"]), b"").await;
    let messages: Vec<&str> = heard.stdout.lines().filter(|line| line.starts_with('{')).collect();
    assert_eq!(messages.len(), 96, "{}", heard.stderr);

    let lines = format!("{}\n", messages.join("\n"));
    mosquitto::publish_lines(gateway.mqtt(), "rtl_433/gw/events", lines.as_bytes(), &["-q", "1"])
        .await
        .success();
    let devices = api.list("/api/v1/devices").await;
    let unknown = api.list("/api/v1/payloads/unknown").await;

    let radio =
        devices.iter().filter(|device| device["via"].as_str().is_some_and(|via| !via.is_empty())).count();
    assert!(radio >= 39, "{radio} radio sensors: {devices:?}");
    assert_eq!(unknown, Vec::<Value>::new());
    let implausible = wait_for("implausible readings to be found", || async {
        let findings = api.list("/api/v1/findings").await;
        if findings.is_empty() { Err("no finding".to_owned()) } else { Ok(findings) }
    })
    .await;
    assert!(implausible.iter().all(|finding| finding["asset"].is_string()), "{implausible:?}");
    gateway.stop().await;
}

#[tokio::test]
async fn the_demo_site_fills_the_pages_and_is_marked_everywhere() {
    let site = Site::demo();
    let gateway = site.start().await;
    let api = site.api(&gateway, "viewer").await;

    let devices = wait_for("eight sensors and a camera", || async {
        let devices = api.list("/api/v1/devices").await;
        let live = devices.iter().filter(|device| device["freshness"] == "live").count();
        if live >= 9 { Ok(devices) } else { Err(format!("{live} of {} live", devices.len())) }
    })
    .await;
    let overview = api.get("/api/v1/overview").await.expect(200);

    assert_eq!(overview["box"]["demo"], true, "{overview}");
    let unmarked: Vec<_> = devices.iter().filter(|device| device["demo"] != true).collect();
    assert!(unmarked.is_empty(), "{unmarked:?}");
    gateway.stop().await;
}

/// Two rules that differ in one thing: whether they need the asset to be approved.
const TRUST_RULES: [(&str, &str); 2] = [("Warm", ""), ("Warm and approved", ", trusted: true")];

#[tokio::test]
async fn readings_of_an_unapproved_device_are_marked_and_rules_that_need_trust_do_not_count_them() {
    let site = Site::lab("[rules]\ndir = \"rules\"\n");
    let rules = site.folder().join("rules");
    std::fs::create_dir(&rules).expect("own folder");
    for (number, (title, more)) in TRUST_RULES.iter().enumerate() {
        let rule = format!(
            "title: {title}\nid: 00000000-0000-4000-8000-00000000000{number}\nlevel: medium\n\
             logsource: {{product: iot, category: sensor_reading}}\n\
             detection:\n  s: {{value|gt: 8{more}}}\n  condition: s\n"
        );
        std::fs::write(rules.join(format!("{number}.yml")), rule).expect("own folder");
    }
    let gateway = site.start().await;
    let operator = site.api(&gateway, "operator").await;
    let mut device = Client::connect(gateway.mqtt(), "cellar-1", true).await.expect("accepted");
    let mut report = async |id: u16| {
        let out = Out { qos: 1, id, again: false };
        device
            .publish("json/cellar-1", &format!("{{\"temperature\": {}}}", id + 10), out)
            .await
            .expect("sent");
        assert_eq!(device.next().await, Ok(Said::PubAck(id)));
    };

    report(1).await;
    let before: Vec<String> = titles(&operator).await;
    operator.post("/api/v1/devices/cellar-1/approve", json!({})).await.expect(200);
    report(2).await;
    let after: Vec<String> = titles(&operator).await;

    let path = "/api/v1/devices/cellar-1/readings?metric=temperature";
    let marks: Vec<Value> =
        operator.list(path).await.iter().map(|reading| reading["trusted"].clone()).collect();
    assert_eq!(marks, [json!(false), json!(true)], "kept, and marked");
    assert_eq!(
        (before, after),
        (vec!["Warm".to_owned()], TRUST_RULES.map(|(title, _)| title.to_owned()).to_vec())
    );
    gateway.stop().await;
}

async fn titles(api: &crate::support::http::Api) -> Vec<String> {
    let findings = api.list("/api/v1/findings").await;
    let mut titles: Vec<String> =
        findings.iter().filter_map(|finding| finding["title"].as_str().map(str::to_owned)).collect();
    titles.sort();
    titles
}
