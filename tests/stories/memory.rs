//! What rules remember over `kill -9`: the findings are those of a gateway that was never killed, and none comes twice.
//!
//! Times of events are in the payloads, so that half an hour of a site plays in seconds. Silence runs on the
//! gateway's own clock, and its story is told in seconds.

use std::time::SystemTime;

use serde_json::Value;

use crate::support::gateway::{Gateway, Site};
use crate::support::http::Api;
use crate::support::mqtt::{Client, Out, Said};
use crate::support::wait::wait_for;

const RULES: &str = "title: Warm for ten minutes
id: 00000000-0000-4000-8000-000000000001
level: medium
logsource: {product: iot, category: sensor_reading}
detection: {s: {sensor_type: temperature, value|gt: 8}, condition: s}
x-edge: {key: [device_id], for: 10m}
---
title: Stuck for twenty minutes
id: 00000000-0000-4000-8000-000000000002
level: medium
logsource: {product: iot, category: sensor_reading}
detection: {s: {sensor_type: temperature, device_id|endswith: cellar-2}, condition: s}
x-edge: {key: [device_id], scope: s, stuck: {for: 20m}}
---
title: A badge that was never seen
id: 00000000-0000-4000-8000-000000000003
level: medium
logsource: {product: iot, category: sensor_reading}
detection: {s: {sensor_type: badge}, condition: s}
x-edge: {first-seen: {key: [device_id], value: value, memory: 1d, learn: 15m}}
---
title: Door opened
id: 00000000-0000-4000-8000-000000000004
name: opened
level: medium
logsource: {product: iot, category: sensor_reading}
detection: {s: {sensor_type: opened}, condition: s}
---
title: Door opened ten times
id: 00000000-0000-4000-8000-000000000005
level: medium
correlation: {type: event_count, rules: [opened], group-by: [device_id], timespan: 30m, condition: {gte: 10}}
";

/// A laboratory with these rules and no others.
fn site(rules: &str) -> Site {
    let site = Site::lab("[rules]\ndir = \"rules\"\n");
    let folder = site.folder().join("rules");
    std::fs::create_dir(&folder).expect("own folder");
    std::fs::write(folder.join("story.yml"), rules).expect("own folder");
    site
}

/// Half an hour of a site, one message after the other: topic and payload.
fn half_an_hour() -> Vec<(&'static str, String)> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
    let mut messages = Vec::new();
    for minute in 0..=30_u64 {
        let time = now - 2_400 + minute * 60;
        let mut send =
            |topic, fields: String| messages.push((topic, format!("{{{fields}, \"time\": {time}}}")));
        let warm = if (3..28).contains(&minute) { 9 } else { 5 };
        send("json/cellar-1", format!("\"temperature\": {warm}.{}", minute % 7));
        send("json/cellar-2", format!("\"temperature\": {}", if minute == 1 { 4.0 } else { 4.5 }));
        let badge = if matches!(minute, 14 | 22) { "red" } else { "blue" };
        send("json/gate-1", format!("\"badge\": \"{badge}\""));
        if minute == 25 {
            send("json/gate-1", "\"badge\": \"black\"".to_owned());
        }
        if minute % 2 == 0 {
            send("json/door-1", format!("\"opened\": {minute}"));
        }
    }
    messages
}

/// Sends each message when the one before was acknowledged; gives the number of the last acknowledged one.
async fn play(gateway: &Gateway, messages: &[(&str, String)]) {
    let mut client = Client::connect(gateway.mqtt(), "house", true).await.expect("accepted");
    for (index, (topic, payload)) in messages.iter().enumerate() {
        let id = u16::try_from(index + 1).expect("few messages");
        client.publish(topic, payload, Out { qos: 1, id, again: false }).await.expect("sent");
        assert_eq!(client.next().await, Ok(Said::PubAck(id)), "{payload}: {}", gateway.log());
    }
}

/// Other traffic, as fast as it is acknowledged, until the gateway is gone.
fn load(gateway: &Gateway) -> tokio::task::JoinHandle<u32> {
    let address = gateway.mqtt();
    tokio::spawn(async move {
        let mut sent = 0;
        let Ok(mut client) = Client::connect(address, "load-1", true).await else { return sent };
        loop {
            let id = u16::try_from(sent % 60_000 + 1).expect("a packet id");
            let payload = format!("{{\"number\": {sent}}}");
            let published = client.publish("json/load-1", &payload, Out { qos: 1, id, again: false }).await;
            if published.is_err() || client.next().await.is_err() {
                return sent;
            }
            sent += 1;
        }
    })
}

/// Every finding in one line, without what differs from site to site.
async fn findings(api: &Api) -> Vec<String> {
    let all = api.list("/api/v1/findings?status=open,acknowledged,closed").await;
    let line = |finding: &Value| {
        let part = |name: &str| finding[name].to_string();
        [part("title"), part("asset"), part("status"), part("count")].join(" ")
    };
    let mut lines: Vec<String> = all.iter().map(line).collect();
    lines.sort();
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_middle_of_every_kind_of_window_the_findings_are_the_same() {
    let messages = half_an_hour();
    let whole = site(RULES);
    let gateway = whole.start().await;
    play(&gateway, &messages).await;
    let expected = findings(&whole.api(&gateway, "viewer").await).await;
    gateway.stop().await;
    assert_eq!(expected.len(), 4, "one of each rule: {expected:?}");

    // Killed every seven messages, once stopped in between, under load.
    let broken = site(RULES);
    let mut other = 0;
    for (index, part) in messages.chunks(7).enumerate() {
        let gateway = broken.start().await;
        let load = load(&gateway);
        play(&gateway, part).await;
        if index == 8 {
            gateway.stop().await;
        } else {
            gateway.kill();
        }
        other += load.await.expect("no panic");
    }
    let gateway = broken.start().await;
    let got = findings(&broken.api(&gateway, "viewer").await).await;
    let log = gateway.stop().await;

    assert_eq!(got, expected);
    assert!(other > 0, "there was load");
    assert!(!log.contains("replayed"), "nothing of the journal is left out: {log}");
}

/// Two devices that fall silent: the second is the clock of the story.
fn silence(device: &str, seconds: u32, number: u32) -> String {
    format!(
        "title: {device} was heard\nid: 00000000-0000-4000-8000-00000000001{number}\nname: {device}\n\
         logsource: {{product: iot, category: sensor_reading}}\n\
         detection: {{s: {{device_id|endswith: {device}}}, condition: s}}\n---\n\
         title: {device} is silent\nid: 00000000-0000-4000-8000-00000000002{number}\nlevel: medium\n\
         correlation: {{type: event_count, rules: [{device}], group-by: [device_id], timespan: {seconds}s, condition: {{lt: 1}}}}\n\
         x-edge: {{trigger: timer}}\n"
    )
}

async fn silent(api: &Api, device: &str) -> Value {
    wait_for(&format!("{device} to be silent"), || async {
        let findings = api.list("/api/v1/findings?status=open,closed").await;
        let found = findings.iter().find(|finding| finding["title"] == format!("{device} is silent"));
        found.cloned().ok_or_else(|| format!("{findings:?}"))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silence_is_told_once_whenever_the_gateway_is_killed_and_ends_when_the_device_is_heard() {
    let site = site(&format!("{}---\n{}", silence("quiet-1", 3, 1), silence("clock-1", 8, 2)));
    let heard = |device: &'static str| [(device, "{\"temperature\": 4}".to_owned())];
    let gateway = site.start().await;
    play(&gateway, &heard("json/quiet-1")).await;
    play(&gateway, &heard("json/clock-1")).await;
    gateway.kill();

    // Killed in the middle of the silence: it is not forgotten.
    let gateway = site.start().await;
    silent(&site.api(&gateway, "viewer").await, "quiet-1").await;
    gateway.kill();

    // Killed after it was told: it is not told again while the clock's silence comes up, and not cleared.
    let gateway = site.start().await;
    let api = site.api(&gateway, "viewer").await;
    silent(&api, "clock-1").await;
    let finding = silent(&api, "quiet-1").await;
    assert_eq!((&finding["status"], &finding["count"]), (&"open".into(), &1.into()), "{finding}");
    gateway.kill();

    let gateway = site.start().await;
    let api = site.api(&gateway, "viewer").await;
    play(&gateway, &heard("json/quiet-1")).await;
    let finding = wait_for("the end of the silence", || async {
        let finding = silent(&api, "quiet-1").await;
        if finding["status"] == "closed" { Ok(finding) } else { Err(finding.to_string()) }
    })
    .await;
    assert_eq!(finding["count"], 1, "{finding}");
    gateway.stop().await;
}
