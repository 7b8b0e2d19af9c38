//! People and programs: the wizard, signing in, roles.
//!
//! Through the API as the pages use it; the pages themselves are looked at in `walk`.

use serde_json::json;

use crate::support::gateway::{Gateway, Site};
use crate::support::http::Api;
use crate::support::mosquitto::{self, Publish};
use crate::support::wait::wait_for;

const PASSWORD: &str = "larch-harbour-violet-nine";

/// The owner made by the wizard, as the browser that made it.
async fn first_owner(gateway: &Gateway) -> Api {
    let owner = json!({
        "code": gateway.setup_code(), "name": "Elin Lund", "login": "elin.lund", "password": PASSWORD,
    });
    let browser =
        gateway.anonymous().with_header("origin", &gateway.https()).with_header("x-sitewarden", "1");
    let made = browser.post("/api/v1/setup/owner", owner).await;
    assert_eq!(made.status, 201, "{}", made.text);
    gateway.anonymous().with_session(&made)
}

#[tokio::test]
async fn the_wizard_makes_the_first_owner_once_and_for_the_printed_code_alone() {
    let site = Site::new("");
    let gateway = site.start().await;
    let stranger =
        gateway.anonymous().with_header("origin", &gateway.https()).with_header("x-sitewarden", "1");
    let guess = json!({"code": "AAAA-AAAA", "name": "Mallory", "login": "mallory", "password": PASSWORD});

    let needed = stranger.get("/api/v1/setup").await.expect(200);
    let guessed = stranger.post("/api/v1/setup/owner", guess.clone()).await;
    let owner = first_owner(&gateway).await;
    let finish = json!({"site_name": "Harbour", "time_zone": "Europe/Berlin"});
    let finished = owner.post("/api/v1/setup/finish", finish).await;
    let session = owner.get("/api/v1/session").await.expect(200);
    let again =
        json!({"code": gateway.setup_code(), "name": "Mallory", "login": "mallory", "password": PASSWORD});
    let late = stranger.post("/api/v1/setup/owner", again).await;

    assert_eq!(needed["needed"], true);
    assert!((400..500).contains(&guessed.status), "{} {}", guessed.status, guessed.text);
    assert!((200..300).contains(&finished.status), "{} {}", finished.status, finished.text);
    assert_eq!(session["user"]["role"], "owner", "{session}");
    assert!((400..500).contains(&late.status), "{} {}", late.status, late.text);
    gateway.stop().await;
}

#[tokio::test]
async fn a_session_ends_for_good_when_it_is_signed_out() {
    let site = Site::new("");
    let gateway = site.start().await;
    let owner = first_owner(&gateway).await;
    owner.get("/api/v1/session").await.expect(200);

    let out = owner.delete("/api/v1/session").await;

    assert!((200..300).contains(&out.status), "{} {}", out.status, out.text);
    owner.get("/api/v1/session").await.expect(401);
    gateway.stop().await;
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing() {
    let site = Site::new("");
    let gateway = site.start().await;
    let owner = first_owner(&gateway).await;
    let name = json!({"name": "Changed"});
    let users = owner.list("/api/v1/users").await;
    let path = format!("/api/v1/users/{}", users[0]["id"].as_str().expect("an id is text"));

    let foreign =
        owner.clone().with_header("origin", "https://evil.example").patch(&path, name.clone()).await;
    let own = owner.patch(&path, name).await;

    assert_eq!(foreign.status, 403, "{}", foreign.text);
    assert_eq!(own.status, 200, "{}", own.text);
    gateway.stop().await;
}

#[tokio::test]
async fn a_viewer_sees_a_finding_and_cannot_acknowledge_it_but_an_operator_can() {
    let Some(()) = mosquitto::installed() else { return };
    let site = Site::lab("");
    let gateway = site.start().await;
    let (viewer, operator) = (site.api(&gateway, "viewer").await, site.api(&gateway, "operator").await);
    let message =
        Publish { topic: "json/cellar-1", payload: r#"{"temperature": 900}"#, arguments: &["-q", "1"] };
    mosquitto::publish(gateway.mqtt(), &message).await.success();
    let id = wait_for("a finding", || async {
        let findings = viewer.list("/api/v1/findings").await;
        findings
            .first()
            .and_then(|finding| finding["id"].as_str().map(str::to_owned))
            .ok_or_else(|| "none".to_owned())
    })
    .await;
    let path = format!("/api/v1/findings/{id}/acknowledge");

    let refused = viewer.post(&path, json!({})).await;
    let taken = operator.post(&path, json!({"note": "looking"})).await;
    let finding = viewer.get(&format!("/api/v1/findings/{id}")).await.expect(200);

    assert_eq!(refused.status, 403, "{}", refused.text);
    assert_eq!(taken.status, 200, "{}", taken.text);
    assert_eq!(finding["status"], "acknowledged", "{finding}");
    gateway.stop().await;
}
