//! The gateway starts with no configuration to speak of, says where it is, is healthy, and ends well.
//!
//! First story through the whole binary: the others take for granted what this one shows.

use crate::support::browser::{Browser, unexpected};
use crate::support::gateway::Site;
use serde_json::json;

#[tokio::test]
async fn the_gateway_starts_is_healthy_and_ends_well() {
    let site = Site::new("");

    let gateway = site.start().await;
    let health = gateway.anonymous().get("/health").await.expect(200);
    let ready = gateway.anonymous().get("/ready").await;

    assert_eq!(ready.status, 200, "{}", ready.text);
    for part in ["db", "broker", "clock", "disk", "engine"] {
        assert!(!health["parts"][part].is_null(), "no {part} in {health}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_restart_keeps_the_certificate_that_clients_trust() {
    let site = Site::new("");
    let gateway = site.start().await;
    let first = std::fs::read(site.ca()).expect("ca.pem");
    gateway.stop().await;

    let gateway = site.start().await;

    assert_eq!(std::fs::read(site.ca()).expect("ca.pem"), first);
    gateway.anonymous().get("/health").await.expect(200);
    gateway.stop().await;
}

#[tokio::test]
async fn an_api_key_from_the_console_opens_the_api() {
    let site = Site::new("");
    let gateway = site.start().await;
    let api = site.api(&gateway, "viewer").await;

    gateway.anonymous().get("/api/v1/findings").await.expect(401);
    let findings = api.get("/api/v1/findings").await.expect(200);

    assert_eq!(findings["items"], json!([]));
    gateway.stop().await;
}

#[tokio::test]
async fn the_first_page_opens_in_chromium_without_a_complaint() {
    let Some(browser) = Browser::installed() else { return };
    let site = Site::new("");
    let gateway = site.start().await;

    let seen =
        browser.run("visit.mjs", Some(&site.ca()), json!({ "url": gateway.https(), "name": "first" })).await;

    assert_eq!(seen["status"], 200, "{seen}");
    assert!(seen["text"].as_str().is_some_and(|text| !text.trim().is_empty()), "{seen}");
    assert_eq!(unexpected(&seen["complaints"]), Vec::<&str>::new());
    assert_eq!(seen["violations"], json!([]));
    gateway.stop().await;
}

#[tokio::test]
async fn chromium_refuses_the_page_until_the_site_ca_is_trusted() {
    let Some(browser) = Browser::installed() else { return };
    let site = Site::new("");
    let gateway = site.start().await;

    let (done, _home) = browser.attempt("visit.mjs", None, json!({ "url": gateway.https() })).await;

    assert!(done.stderr.contains("ERR_CERT_AUTHORITY_INVALID"), "{}", done.stderr);
    gateway.stop().await;
}
