//! Every act that changes something leaves a record in the site log, with who did it.
//!
//! The list of acts is the API's own document: a changing operation without an act here fails the story, so that
//! none is added without a record. Files that change in a folder are acts of the box, and recorded too.

use std::collections::BTreeSet;
use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::cloud::{CLAIM, Cloud};
use crate::support::gateway::{Gateway, Site};
use crate::support::http::{Answer, Api};
use crate::support::mqtt::{Client, Out, Said};
use crate::support::need::{program, project};
use crate::support::wait::wait_for;
use crate::support::wire::Peer;

const PASSWORD: &str = "larch-harbour-violet-nine";

/// Operations of the document that change something: `POST /devices/enrol`.
async fn changing_operations(gateway: &Gateway) -> BTreeSet<String> {
    let document = gateway.anonymous().get("/api/v1/openapi.json").await.expect(200);
    let mut operations = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().expect("the document has paths") {
        let path = path.strip_prefix("/api/v1").unwrap_or(path);
        let names = methods.as_object().expect("methods").keys().map(|name| name.to_uppercase());
        operations.extend(names.filter(|name| name != "GET").map(|name| format!("{name} {path}")));
    }
    operations
}

/// Does the acts, one by one, and looks for the record of each.
struct Acts {
    reader: Api,
    done: BTreeSet<String>,
}

impl Acts {
    /// One act: `operation` as in the document with `{id}`, who does it, and the record that it must leave.
    async fn act(&mut self, api: &Api, operation: &str, id: &str, body: Value, record: &str) -> Answer {
        let before = self.newest().await;
        let (method, path) = operation.split_once(' ').expect("method and path");
        let method: Method = method.parse().expect("a method");
        let body = (method != Method::DELETE).then_some(body);
        let answer = api.send(method, &format!("/api/v1{}", path.replace("{id}", id)), body).await;
        assert!((200..300).contains(&answer.status), "{operation}: {} {}", answer.status, answer.text);
        let after = self.reader.get("/api/v1/audit?limit=20").await.expect(200);
        let records = after["items"].as_array().expect("records");
        let new: Vec<_> = records.iter().filter(|found| seq(found) > before).collect();
        let found = new.iter().find(|found| found["kind"] == record);
        let found = found.unwrap_or_else(|| panic!("{operation} left no {record}: {new:?}"));
        assert!(found["actor"].as_str().is_some_and(|actor| !actor.is_empty()), "{found}");
        self.done.insert(operation.to_owned());
        answer
    }

    async fn newest(&self) -> u64 {
        let page = self.reader.get("/api/v1/audit?limit=1").await.expect(200);
        page["items"].as_array().and_then(|records| records.first()).map_or(0, seq)
    }
}

fn seq(record: &Value) -> u64 {
    record["seq"].as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{record}"))
}

fn id_of(answer: &Answer) -> String {
    let made = answer.json();
    let id =
        made["id"].as_str().or_else(|| made["key"]["id"].as_str()).or_else(|| made["api_key"]["id"].as_str());
    id.unwrap_or_else(|| panic!("no id in {made}")).to_owned()
}

/// The id of the one finding that an implausible reading makes.
async fn a_finding(gateway: &Gateway, reader: &Api) -> String {
    let mut device = Client::connect(gateway.mqtt(), "cellar-9", true).await.expect("accepted");
    let out = Out { qos: 1, id: 1, again: false };
    device.publish("json/cellar-9", "{\"temperature\": 900}", out).await.expect("sent");
    assert_eq!(device.next().await, Ok(Said::PubAck(1)));
    wait_for("a finding", || async {
        let findings = reader.list("/api/v1/findings").await;
        let id = findings.first().and_then(|finding| finding["id"].as_str().map(str::to_owned));
        id.ok_or_else(|| "none".to_owned())
    })
    .await
}

/// An enrolment that is withdrawn, and one that a device uses, until it is revoked.
async fn agents(acts: &mut Acts, owner: &Api, gateway: &Gateway) {
    let opened = acts.act(owner, "POST /agents/enrol", "", json!({}), "agent.code-opened").await;
    let code = id_of(&opened);
    acts.act(owner, "DELETE /agents/enrolments/{id}", &code, Value::Null, "agent.code-withdrawn").await;
    let opened = owner.post("/api/v1/agents/enrol", json!({})).await.expect(201);
    let peer = Peer::new(1);
    peer.enrol(gateway.agents(), opened["code"].as_str().expect("a code")).await.expect("granted");
    let orders = json!({"report_ms": 1_000});
    acts.act(owner, "PUT /agents/{id}/parameters", &peer.id(), orders, "agent.parameters").await;
    acts.act(owner, "POST /agents/{id}/revoke", &peer.id(), json!({"reason": "sold"}), "agent.revoked").await;
}

/// What people may do to the box's own board; driving it is for a simulated one alone.
async fn board(acts: &mut Acts, owner: &Api) {
    acts.act(owner, "POST /board/locate", "", json!({"seconds": 5}), "board.located").await;
    let cool = json!({"input": "cpu", "value": 41});
    acts.act(owner, "POST /board/drive", "", cool, "board.driven").await;
}

#[tokio::test]
async fn every_changing_operation_of_the_document_leaves_a_record() {
    let Some(_) = program("openssl") else { return };
    let site = Site::lab("[agents]\nlisten = \"127.0.0.1:0\"\n[board]\nname = \"sim\"\ndevelopment = true\n");
    let gateway = site.start().await;
    let cloud = Cloud::start(site.folder(), &site.ca()).await;
    let (reader, technician) = (site.api(&gateway, "owner").await, site.api(&gateway, "technician").await);
    let browser =
        gateway.anonymous().with_header("origin", &gateway.https()).with_header("x-sitewarden", "1");
    let mut acts = Acts { reader: reader.clone(), done: BTreeSet::new() };

    let first = json!({
        "code": gateway.setup_code(), "name": "Elin Lund", "login": "elin.lund", "password": PASSWORD,
    });
    let made = acts.act(&browser, "POST /setup/owner", "", first, "setup.owner-created").await;
    let owner = gateway.anonymous().with_session(&made);
    let finish = json!({"site_name": "Harbour", "time_zone": "Europe/Berlin"});
    acts.act(&owner, "POST /setup/finish", "", finish, "setup.finished").await;

    let person = json!({"login": "jonas", "name": "Jonas", "role": "viewer", "password": PASSWORD});
    let jonas = id_of(&acts.act(&owner, "POST /users", "", person, "user.created").await);
    acts.act(&owner, "PATCH /users/{id}", &jonas, json!({"name": "Jonas Berg"}), "user.changed").await;
    let sign_in = json!({"login": "jonas", "password": PASSWORD});
    let signed_in = acts.act(&browser, "POST /session", "", sign_in.clone(), "session.started").await;
    let his = gateway.anonymous().with_session(&signed_in);
    acts.act(&his, "DELETE /session", "", Value::Null, "session.ended").await;
    browser.post("/api/v1/session", sign_in).await.expect(200);
    let sessions = owner.list("/api/v1/sessions").await;
    let session = sessions.iter().find(|session| session["login"] == "jonas").expect("his session");
    let session = session["id"].as_str().expect("an id");
    acts.act(&owner, "DELETE /sessions/{id}", session, Value::Null, "session.ended").await;
    acts.act(&owner, "DELETE /users/{id}", &jonas, Value::Null, "user.deleted").await;

    let key = json!({"name": "display", "role": "viewer", "expires_in_days": 1});
    let key = id_of(&acts.act(&owner, "POST /api-keys", "", key, "api-key.created").await);
    acts.act(&owner, "DELETE /api-keys/{id}", &key, Value::Null, "api-key.revoked").await;

    acts.act(&technician, "POST /devices/enrol", "", json!({"id": "cellar-1"}), "device.enrolled").await;
    acts.act(&owner, "PATCH /devices/{id}", "cellar-1", json!({"zone": "cold"}), "device.edited").await;
    acts.act(&owner, "POST /devices/{id}/approve", "cellar-1", json!({}), "device.approved").await;
    let reason = json!({"reason": "odd"});
    acts.act(&owner, "POST /devices/{id}/quarantine", "cellar-1", reason, "device.quarantined").await;
    acts.act(&owner, "POST /devices/{id}/release", "cellar-1", json!({}), "device.released").await;

    agents(&mut acts, &owner, &gateway).await;
    board(&mut acts, &owner).await;

    let finding = a_finding(&gateway, &reader).await;
    let reason = json!({"reason": "story"});
    acts.act(&owner, "POST /findings/{id}/acknowledge", &finding, json!({}), "finding.acknowledged").await;
    acts.act(&owner, "POST /findings/{id}/close", &finding, reason.clone(), "finding.closed").await;
    acts.act(&owner, "POST /findings/{id}/reopen", &finding, reason, "finding.reopened").await;

    acts.act(&owner, "POST /rules/reload", "", json!({}), "rules.reloaded").await;
    acts.act(&owner, "POST /policies/reload", "", json!({}), "policy.reloaded").await;

    let ca = std::fs::read_to_string(cloud.ca()).expect("own folder");
    let cloud = json!({"url": cloud.url(), "claim_code": CLAIM, "ca_pem": ca});
    acts.act(&owner, "POST /uplink/register", "", cloud, "uplink.registered").await;
    acts.act(&owner, "DELETE /uplink", "", Value::Null, "uplink.forgotten").await;

    assert_eq!(changing_operations(&gateway).await, acts.done, "left: the document, right: the acts above");
    gateway.stop().await;
}

/// Waits for the newest record of a kind that says this about loading.
async fn reloaded(reader: &Api, kind: &str, loaded: bool) -> Value {
    wait_for(&format!("{kind} with loaded {loaded}"), || async {
        let records = reader.list(&format!("/api/v1/audit?kind={kind}")).await;
        let found = records.iter().find(|record| record["body"]["loaded"] == loaded);
        found.cloned().ok_or_else(|| format!("{records:?}"))
    })
    .await
}

fn copy(from: &str, to: &Path, ending: &str) {
    std::fs::create_dir(to).expect("own folder");
    for entry in std::fs::read_dir(project().join(from)).expect("it ships") {
        let path = entry.expect("readable").path();
        if path.extension().is_some_and(|found| found == ending) {
            std::fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("own folder");
        }
    }
}

/// What `/health` says of the dialects, while everything else is well.
async fn dialects_of(gateway: &Gateway) -> String {
    let health = gateway.anonymous().get("/health").await.expect(200);
    health["parts"]["dialects"]["status"].as_str().expect("a part").to_owned()
}

#[tokio::test]
async fn changed_files_of_dialects_and_rules_are_recorded_and_a_mistake_leaves_the_last_good_set() {
    let site = Site::lab("[dialects]\ndir = \"dialects\"\n[rules]\ndir = \"rules\"\n");
    copy("config/dialects", &site.folder().join("dialects"), "toml");
    copy("config/rules/sensors", &site.folder().join("rules"), "yml");
    let gateway = site.start().await;
    let reader = site.api(&gateway, "owner").await;

    for (folder, file, kind) in
        [("dialects", "zz.toml", "dialects.reloaded"), ("rules", "zz.yml", "rules.reloaded")]
    {
        let path = site.folder().join(folder).join(file);
        std::fs::write(&path, "[[[ no file of any kind").expect("own folder");
        let refused = reloaded(&reader, kind, false).await;
        assert_eq!(refused["actor"], "system:file-change", "{refused}");
        assert!(refused["body"]["first"].to_string().contains(file), "{refused}");
        if folder == "dialects" {
            assert_eq!(dialects_of(&gateway).await, "failed");
        }
        std::fs::remove_file(&path).expect("own folder");
        reloaded(&reader, kind, true).await;
    }

    assert_eq!(dialects_of(&gateway).await, "ok");
    // What was in force all the time still judges: the reading is decoded and makes its finding.
    a_finding(&gateway, &reader).await;
    gateway.stop().await;
}
