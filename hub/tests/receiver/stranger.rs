//! A stranger's tool asks every operation of the document whatever fits it and what does not.

use std::process::Command;

use serde_json::Value;

use crate::support::api::Api;
use crate::support::hub::Hub;
use crate::support::postgres::{project, skip};
use crate::support::site::{Agent, Site};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schemathesis_finds_no_server_error_as_an_operator_and_a_gateway_in_one() {
    let tool = project().join(".venv/bin/schemathesis");
    if !tool.is_file() {
        return skip("schemathesis is not installed (make setup)");
    }
    let Some(hub) = Hub::with_tenant() else { return };
    let (mut site, gateway) = Site::registered(&hub, "north", "one").await;
    let agent = Agent::new(1);
    site.append("agent.enrolled", &agent.enrolled());
    site.append("finding.raised", &agent.finding(1, 1, &agent.statement(1)));
    site.push_from(&gateway, 1).await;
    let password = hub.database.account("north", "elin");
    let (operator, cookie) = Api::signed_in_with(&hub, "elin", &password).await;
    let id = operator.get("/v1/sites").await.expect(200)["items"][0]["id"].clone();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (certificate, config) = (folder.path().join("gateway.pem"), folder.path().join("schemathesis.toml"));
    std::fs::write(&certificate, &site.identity).expect("own folder");
    // Names of things that are there: without them every answer would be 404.
    let seeds = format!("[parameters]\n\"path.site\" = {id}\n\"path.id\" = \"1\"\n");
    std::fs::write(config, seeds).expect("own folder");

    let mut command = Command::new(tool);
    command
        .args(["run", &format!("{}/v1/openapi.json", hub.address), "--seed", "1", "-n", "20"])
        .arg("--tls-verify")
        .arg(hub.ca())
        .arg("--request-cert")
        .arg(&certificate)
        .args(["-H", &format!("Cookie: {cookie}"), "-H", "X-Sitewarden: 1"])
        // Signing out has a story of its own; a session that ended would answer nothing else.
        .args(["--exclude-operation-id", "end_session", "--phases", "examples,coverage,fuzzing"])
        .args([
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        ])
        .current_dir(folder.path());
    let done =
        tokio::task::spawn_blocking(move || command.output()).await.expect("no panic").expect("it starts");

    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}\n{}", hub.log());
    // It is still the session and the gateway that it was, and what they see is what was there.
    let proof =
        operator.get(&format!("/v1/sites/{}/findings/1/proof", id.as_str().expect("text"))).await.expect(200);
    assert_eq!(
        (&proof["finding"]["signature"], &proof["records"][1]["inclusion"]["size"]),
        (&Value::from("verified"), &Value::from("2"))
    );
    site.fill(1);
    assert_eq!(site.push_from(&gateway, 3).await, "4");
}
