//! A machine's recorded temperature of 2013 and 2014, played through the broker with its own times.
//!
//! The recording's clock goes back by 55 minutes once. Rules run on event time, retention counts from arrival:
//! so the old readings are judged as they were measured, and are all kept.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::data::recording;
use crate::support::gateway::Site;
use crate::support::mosquitto;
use crate::support::need::program;
use crate::support::process::run;

const TITLE: &str = "Machine below its working temperature";

#[tokio::test]
async fn the_machine_that_fails_is_found_three_times_on_its_own_clock() {
    let Some(file) = recording("nab/machine_temperature_system_failure.csv.xz") else { return };
    let (Some(xz), Some(())) = (program("xz"), mosquitto::installed()) else { return };
    let site = Site::lab("");
    let gateway = site.start().await;
    let api = site.api(&gateway, "viewer").await;
    let series = run(Command::new(xz).arg("-dc").arg(file), b"").await.success();
    let message = |line: &str| {
        let (time, value) = line.split_once(',').expect("two columns");
        let value: f64 = value.parse().expect("a number");
        format!("{}\n", json!({"timestamp": time, "value": value}))
    };
    let lines: String = series.lines().skip(1).map(message).collect();

    let topic = "nab/machine-1/temperature";
    mosquitto::publish_lines(gateway.mqtt(), topic, lines.as_bytes(), &["-q", "1"]).await.success();
    let findings = api.list("/api/v1/findings").await;
    let devices = api.list("/api/v1/devices").await;

    // Three matches and one finding: they are about the same machine and the same rule, so the second and the
    // third reopen it.
    let cold: Vec<&Value> = findings.iter().filter(|finding| finding["title"] == TITLE).collect();
    let [finding] = cold[..] else { panic!("one finding: {findings:?}") };
    assert_eq!(finding["count"], 3, "{finding}");
    assert_eq!(finding["first_seen"].as_str().map(|time| &time[..16]), Some("2013-12-16T15:50"), "{finding}");
    let machine =
        devices.iter().find(|device| device["id"].as_str().is_some_and(|id| id.ends_with("machine-1")));
    let id = machine.and_then(|device| device["id"].as_str()).expect("the machine is an asset of its own");
    let page =
        api.get(&format!("/api/v1/devices/{id}/readings?metric=temperature&limit=3")).await.expect(200);
    assert!(page["items"][0]["time"].as_str().is_some_and(|time| time.starts_with("201")), "{page}");
    gateway.stop().await;
}
