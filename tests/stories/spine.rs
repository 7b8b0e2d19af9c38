//! The spine: a message enters by MQTT and stands as an explained finding, and what was acknowledged stays.
//!
//! mosquitto's clients are the devices. What the single slices do at their edges is told in their own tests.

use futures_util::StreamExt as _;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::gateway::{Gateway, Site};
use crate::support::http::Api;
use crate::support::mosquitto::{self, Publish};
use crate::support::wait::wait_for;

const TOPIC: &str = "json/cellar-1";
/// No working sensor gives this; a shipped rule says so.
const IMPLAUSIBLE: &str = r#"{"temperature": 900}"#;
const TITLE: &str = "Implausible sensor reading";

async fn report(gateway: &Gateway, payload: &str) {
    let arguments = ["-q", "1", "-i", "cellar-1"];
    let message = Publish { topic: TOPIC, payload, arguments: &arguments };
    mosquitto::publish(gateway.mqtt(), &message).await.success();
}

async fn finding(api: &Api) -> Value {
    wait_for("the finding", || async {
        let findings = api.list("/api/v1/findings").await;
        let found = findings.iter().find(|finding| finding["title"] == TITLE);
        found.cloned().ok_or_else(|| format!("{findings:?}"))
    })
    .await
}

#[tokio::test]
async fn a_reading_becomes_a_finding_that_explains_itself() {
    let Some(()) = mosquitto::installed() else { return };
    let site = Site::lab("");
    let gateway = site.start().await;
    let api = site.api(&gateway, "viewer").await;

    report(&gateway, IMPLAUSIBLE).await;
    let finding = finding(&api).await;
    let id = finding["id"].as_str().expect("an id is text");
    let detail = api.get(&format!("/api/v1/findings/{id}")).await.expect(200);

    assert_eq!((&finding["status"], &finding["count"]), (&json!("open"), &json!(1)), "{finding}");
    assert!(detail["evidence"].to_string().contains("900"), "{detail}");
    assert!(!detail["evidence"]["rule_source"].as_str().unwrap_or_default().is_empty(), "{detail}");
    gateway.stop().await;
}

#[tokio::test]
async fn what_a_device_says_is_in_the_inventory_and_in_its_readings() {
    let Some(()) = mosquitto::installed() else { return };
    let site = Site::lab("");
    let gateway = site.start().await;
    let api = site.api(&gateway, "viewer").await;

    report(&gateway, r#"{"temperature": 12.5, "humidity": 40}"#).await;
    let readings = api.get("/api/v1/devices/cellar-1/readings?metric=temperature").await.expect(200);
    let devices = api.list("/api/v1/devices").await;

    assert_eq!(readings["items"][0]["value"], 12.5, "{readings}");
    assert_eq!(readings["items"][0]["unit"], "Cel", "{readings}");
    assert!(devices.iter().any(|device| device["id"] == "cellar-1"), "{devices:?}");
    gateway.stop().await;
}

#[tokio::test]
async fn subscribers_get_what_is_published() {
    let Some(()) = mosquitto::installed() else { return };
    let site = Site::lab("");
    let gateway = site.start().await;
    // A retained message tells that the subscription stands: it comes with the SUBACK.
    let kept = Publish { topic: "json/kept", payload: "kept", arguments: &["-q", "1", "-r"] };
    mosquitto::publish(gateway.mqtt(), &kept).await.success();
    let subscriber = mosquitto::subscribe(gateway.mqtt(), "json/#", &["-q", "1", "-V", "5"]);
    wait_for("the retained message", || async {
        let said = subscriber.stdout.text();
        if said.contains("json/kept kept") { Ok(()) } else { Err(said) }
    })
    .await;

    let lines = b"{\"temperature\": 1}\n{\"temperature\": 2}\n";
    mosquitto::publish_lines(gateway.mqtt(), TOPIC, lines, &["-q", "1"]).await.success();

    wait_for("both messages", || async {
        let said = subscriber.stdout.text();
        let both = [1, 2].iter().all(|value| said.contains(&format!("{TOPIC} {{\"temperature\": {value}}}")));
        if both { Ok(()) } else { Err(said) }
    })
    .await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_finding_is_pushed_live_and_a_later_listener_resumes_behind_it() {
    let Some(()) = mosquitto::installed() else { return };
    let site = Site::lab("");
    let gateway = site.start().await;
    let api = site.api(&gateway, "viewer").await;
    let live = api.open(Method::GET, "/api/v1/events", None).await;
    assert_eq!(live.status(), 200);

    report(&gateway, IMPLAUSIBLE).await;
    let first = next_event(live, "finding").await;
    let seq: u64 = first.id.parse().expect("the id of an event is the site log's number");
    let before = (seq - 1).to_string();
    let resumed =
        api.clone().with_header("last-event-id", &before).open(Method::GET, "/api/v1/events", None).await;
    let again = next_event(resumed, "finding").await;

    assert_eq!(first, again);
    gateway.stop().await;
}

#[derive(Debug, Default, PartialEq)]
struct LiveEvent {
    id: String,
    kind: String,
    data: String,
}

/// The next event of this kind from a stream of server-sent events.
async fn next_event(answer: reqwest::Response, kind: &str) -> LiveEvent {
    let mut stream = answer.bytes_stream();
    let mut text = String::new();
    loop {
        while let Some(end) = text.find("\n\n") {
            let block: String = text.drain(..end + 2).collect();
            let event = parse_event(&block);
            if event.kind == kind {
                return event;
            }
        }
        let bytes = stream.next().await.expect("the stream goes on").expect("the stream is whole");
        text.push_str(&String::from_utf8_lossy(&bytes));
    }
}

fn parse_event(block: &str) -> LiveEvent {
    let mut event = LiveEvent::default();
    for line in block.lines() {
        match line.split_once(':').map(|(name, value)| (name, value.trim_start())) {
            Some(("id", value)) => value.clone_into(&mut event.id),
            Some(("event", value)) => value.clone_into(&mut event.kind),
            Some(("data", value)) => event.data.push_str(value),
            _ => {}
        }
    }
    event
}

#[tokio::test]
async fn what_was_acknowledged_outlives_kill_9_and_the_log_verifies() {
    let Some(()) = mosquitto::installed() else { return };
    let site = Site::lab("");
    let gateway = site.start().await;
    let api = site.api(&gateway, "viewer").await;
    report(&gateway, IMPLAUSIBLE).await;
    let before = finding(&api).await;
    gateway.kill();

    let gateway = site.start().await;
    let api = site.api(&gateway, "viewer").await;
    let after = finding(&api).await;
    let readings = api.get("/api/v1/devices/cellar-1/readings?metric=temperature").await.expect(200);
    gateway.stop().await;
    let verified = crate::support::process::run(&mut site.command(&["verify"]), b"").await;

    assert_eq!((&after["id"], &after["count"]), (&before["id"], &before["count"]));
    assert_eq!(readings["items"].as_array().map(Vec::len), Some(1), "{readings}");
    verified.success();
}
