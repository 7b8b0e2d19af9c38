//! The box's own hardware: an open cabinet and a hot box are findings, the light says the state, faults stop nothing.
//!
//! On the simulated board and on a recording; what the backends themselves do is the contract suite of the board crate.

use serde_json::{Value, json};

use crate::support::gateway::{Gateway, Site};
use crate::support::http::Api;
use crate::support::wait::wait_for;

const SIM: &str = "[board]\nname = \"sim\"\ndevelopment = true\n";

/// Waits until the finding of this title is there and `holds`.
async fn finding(api: &Api, title: &str, holds: impl Fn(&Value) -> bool) -> Value {
    wait_for(title, || async {
        let findings = api.list("/api/v1/findings").await;
        let found = findings.iter().find(|finding| finding["title"] == title && holds(finding));
        found.cloned().ok_or_else(|| format!("{findings:?}"))
    })
    .await
}

async fn light(api: &Api, wanted: &str) {
    wait_for("the light", || async {
        let board = api.get("/api/v1/board").await.expect(200);
        if board["light"]["state"] == wanted { Ok(()) } else { Err(board.to_string()) }
    })
    .await;
}

async fn drive(api: &Api, input: &str, value: Value) -> Value {
    api.post("/api/v1/board/drive", json!({"input": input, "value": value})).await.expect(200)
}

#[tokio::test]
async fn an_open_cabinet_is_a_finding_that_shutting_it_does_not_end() {
    let site = Site::new(SIM);
    let gateway = site.start().await;
    let api = site.api(&gateway, "owner").await;
    light(&api, "ok").await;

    let board = drive(&api, "tamper", json!(true)).await;

    assert_eq!(board["contacts"][0]["active"], true, "{board}");
    let opened = finding(&api, "Cabinet opened", |_| true).await;
    assert_eq!((&opened["severity"], &opened["status"]), (&json!("high"), &json!("open")), "{opened}");
    light(&api, "warning").await;
    drive(&api, "tamper", json!(false)).await;
    drive(&api, "mains", json!(true)).await;
    finding(&api, "Mains power lost", |finding| finding["status"] == "open").await;
    drive(&api, "mains", json!(false)).await;
    finding(&api, "Mains power lost", |finding| finding["status"] == "closed").await;
    finding(&api, "Cabinet opened", |finding| finding["status"] == "open").await;
    let driven = api.list("/api/v1/audit?kind=board.driven").await;
    assert_eq!(driven.len(), 4, "each act is a record: {driven:?}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_box_that_is_too_warm_is_a_finding_until_it_has_cooled() {
    let site = Site::new(SIM);
    let gateway = site.start().await;
    let api = site.api(&gateway, "owner").await;

    drive(&api, "cpu", json!(91.5)).await;

    let hot = finding(&api, "Box too warm", |finding| finding["status"] == "open").await;
    let detail =
        api.get(&format!("/api/v1/findings/{}", hot["id"].as_str().expect("an id"))).await.expect(200);
    assert!(detail["evidence"].to_string().contains("headroom_celsius"), "{detail}");
    drive(&api, "cpu", json!(60)).await;
    finding(&api, "Box too warm", |finding| finding["status"] == "closed").await;
    gateway.stop().await;
}

#[tokio::test]
async fn somebody_in_front_of_many_boxes_finds_this_one_by_its_light() {
    let site = Site::new(SIM);
    let gateway = site.start().await;
    let owner = site.api(&gateway, "owner").await;
    let technician = site.api(&gateway, "technician").await;
    light(&technician, "ok").await;

    let board = technician.post("/api/v1/board/locate", json!({"seconds": 600})).await.expect(200);
    assert_eq!(board["light"]["state"], "locate", "{board}");
    assert!(board["light"]["locate_until"].is_string(), "{board}");
    technician.post("/api/v1/board/locate", json!({"seconds": 3601})).await.expect(422);
    let board = technician.post("/api/v1/board/locate", json!({"seconds": 0})).await.expect(200);
    assert_eq!(board["light"]["state"], "ok", "{board}");

    let located = owner.list("/api/v1/audit?kind=board.located").await;
    assert_eq!(located.len(), 2, "{located:?}");
    gateway.stop().await;
}

#[tokio::test]
async fn an_input_that_fails_is_a_finding_and_a_health_text_and_ends_with_its_repair() {
    let site = Site::new(SIM);
    let gateway = site.start().await;
    let api = site.api(&gateway, "owner").await;

    let fault = json!({"input": "tamper", "fault": "the cable is cut"});
    api.post("/api/v1/board/drive", fault).await.expect(200);

    finding(&api, "Input of the box does not answer", |finding| finding["status"] == "open").await;
    let health = api.get("/health").await.expect(200);
    assert_eq!(health["parts"]["board"]["status"], "failed", "{health}");
    let board = api.get("/api/v1/board").await.expect(200);
    assert_eq!(board["problem"], "tamper: the cable is cut", "{board}");
    let metrics = api.get("/metrics").await;
    assert!(metrics.text.contains("sitewarden_board_inputs_failed 1"), "{}", metrics.text);
    drive(&api, "tamper", json!(false)).await;
    finding(&api, "Input of the box does not answer", |finding| finding["status"] == "closed").await;
    gateway.stop().await;
}

#[tokio::test]
async fn what_cannot_be_driven_is_refused_and_leaves_no_record() {
    let site = Site::new(SIM);
    let gateway = site.start().await;
    let api = site.api(&gateway, "owner").await;

    for body in [
        json!({"input": "door", "value": true}),
        json!({"input": "cpu", "value": true}),
        json!({"input": "cpu", "value": 1e30}),
        json!({"input": "tamper", "value": 7}),
        json!({"input": "tamper"}),
        json!({"input": "tamper", "value": true, "fault": "both"}),
        json!({"input": "tamper", "fault": "x".repeat(201)}),
    ] {
        api.post("/api/v1/board/drive", body).await.expect(422);
    }

    assert_eq!(api.list("/api/v1/audit?kind=board").await, Vec::<Value>::new());
    gateway.stop().await;
}

/// The gateway serves, and tells of its board what `problem` says.
async fn tells(gateway: &Gateway, site: &Site, problem: &str) {
    let api = site.api(gateway, "owner").await;
    finding(&api, "Input of the box does not answer", |finding| finding["status"] == "open").await;
    // What exactly is wrong stands behind the sign-in.
    let health = gateway.anonymous().get("/health").await.expect(200);
    assert_eq!(health["parts"]["board"]["status"], "failed", "{health}");
    let board = api.get("/api/v1/board").await.expect(200);
    assert!(board["problem"].as_str().is_some_and(|said| said.contains(problem)), "{board}");
    assert_eq!(board["drivable"], false, "{board}");
    api.post("/api/v1/board/drive", json!({"input": "tamper", "value": true})).await.expect(409);
}

#[tokio::test]
async fn a_simulated_board_does_not_stand_in_for_a_real_one_unasked() {
    let site = Site::new("[board]\nname = \"sim\"\n");
    let gateway = site.start().await;

    tells(&gateway, &site, "the board is sim, and what it shows is played").await;

    gateway.stop().await;
}

#[tokio::test]
async fn a_board_whose_hardware_is_not_there_stops_nothing() {
    let site = Site::new("[board]\nfile = \"board.toml\"\n");
    let board = "title = \"B\"\nbackend = \"linux\"\n[[contacts]]\nname = \"tamper\"\nrole = \"tamper\"\n\
                 source = { gpio = { chip = \"no-such-chip\", line = 1 } }\n";
    std::fs::write(site.folder().join("board.toml"), board).expect("own folder");
    let gateway = site.start().await;

    tells(&gateway, &site, "tamper: the GPIO chip no-such-chip is not there").await;

    gateway.stop().await;
}

#[tokio::test]
async fn a_broken_board_file_stops_nothing_and_a_wrong_name_is_told_at_once() {
    let site = Site::new("[board]\nfile = \"board.toml\"\n");
    std::fs::write(site.folder().join("board.toml"), "title = 7\n").expect("own folder");
    let gateway = site.start().await;
    tells(&gateway, &site, "board.toml:1:9: invalid type: integer `7`, expected a string").await;
    gateway.stop().await;

    let refused = Site::new("[board]\nname = \"rasberry\"\n").start_refused().await;
    assert!(refused.stderr.contains("there are: generic-x86, raspberry-pi, sim"), "{}", refused.stderr);
}

#[tokio::test]
async fn a_recording_is_played_and_a_box_without_a_board_says_so() {
    let site = Site::new("[board]\nfile = \"board.toml\"\ndevelopment = true\n");
    let board = "title = \"B\"\nbackend = \"recorded\"\nrecording = \"night.jsonl\"\n\
                 [[contacts]]\nname = \"tamper\"\nrole = \"tamper\"\n";
    std::fs::write(site.folder().join("board.toml"), board).expect("own folder");
    let night = "{\"at_ms\":0,\"input\":\"tamper\",\"value\":false}\n{\"at_ms\":300,\"input\":\"tamper\",\"value\":true}\n";
    std::fs::write(site.folder().join("night.jsonl"), night).expect("own folder");
    let gateway = site.start().await;
    let api = site.api(&gateway, "viewer").await;
    finding(&api, "Cabinet opened", |_| true).await;
    gateway.stop().await;

    let site = Site::new("");
    let gateway = site.start().await;
    let board = site.api(&gateway, "viewer").await.get("/api/v1/board").await.expect(200);
    assert_eq!((&board["title"], &board["problem"]), (&Value::Null, &Value::Null), "{board}");
    let health = gateway.anonymous().get("/health").await.expect(200);
    assert_eq!(health["parts"]["board"]["status"], "ok", "{health}");
    gateway.stop().await;
}
