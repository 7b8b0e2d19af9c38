//! An owner's first day in Chromium: wizard, empty pages, a finding that appears while the page is open.
//!
//! All of it with the cable cut: the network has nothing but the loopback.
//! The device is real: enrolled at the console, reporting by mosquitto_pub. Screenshots of every page stay in
//! the target folder (`tmp/screens`).

use std::io::ErrorKind;

use serde_json::{Value, json};

use crate::support::browser::{Browser, unexpected};
use crate::support::gateway::Site;
use crate::support::mosquitto;
use crate::support::network;
use crate::support::process::run;

/// An address of documentation (RFC 5737): nobody's.
const ELSEWHERE: &str = "192.0.2.1:443";

#[tokio::test]
async fn the_wizard_then_a_finding_appears_without_reload() {
    if !network::cut("walk::the_wizard_then_a_finding_appears_without_reload").await {
        return;
    }
    let (Some(browser), Some(())) = (Browser::installed(), mosquitto::installed()) else { return };
    let way_out = std::net::TcpStream::connect(ELSEWHERE).map_err(|error| error.kind());
    assert_eq!(way_out.err(), Some(ErrorKind::NetworkUnreachable), "the cable is not cut");
    let site = Site::new("");
    let gateway = site.start().await;
    let said =
        run(&mut site.command(&["enrol", "cellar-1", "--kind", "sensor", "--json"]), b"").await.success();
    let enrolled: Value = serde_json::from_str(&said).expect("--json prints JSON");
    let credential =
        |key: &str| enrolled["credential"][key].as_str().unwrap_or_else(|| panic!("no {key}: {enrolled}"));
    let port = gateway.mqtt().port().to_string();
    let publish = [
        ["mosquitto_pub", "-h", "127.0.0.1", "-p", &port, "-q", "1"].as_slice(),
        &["-i", credential("client_id"), "-u", credential("username"), "-P", credential("password")],
        &["-t", "json/cellar-1", "-m", r#"{"temperature": 900}"#],
    ]
    .concat();

    let task = json!({
        "url": gateway.https(), "code": gateway.setup_code(), "publish": publish,
        "device": "cellar-1", "finding": "Implausible sensor reading", "value": "900",
    });
    let seen = browser.run("walk.mjs", Some(&site.ca()), task).await;

    assert_eq!(seen["stayedOpen"], true, "the page was loaded again: {seen}");
    assert!(seen["evidence"].as_str().is_some_and(|text| text.contains("900")), "{}", seen["evidence"]);
    assert_cookies(&seen["cookies"]);
    let steps = seen["steps"].as_array().expect("steps");
    assert!(steps.len() >= 40, "{} looks", steps.len());
    for step in steps {
        assert_eq!(step["violations"], json!([]), "{}", step["name"]);
        assert!(
            step["wide"].as_i64().is_some_and(|wide| wide <= 0),
            "{} is wider than the window",
            step["name"]
        );
    }
    assert_eq!(unexpected(&seen["complaints"]), Vec::<&str>::new());
    gateway.stop().await;
}

/// Every cookie is out of reach of scripts and of other sites.
fn assert_cookies(cookies: &Value) {
    let cookies = cookies.as_array().expect("cookies");
    assert!(!cookies.is_empty());
    for cookie in cookies {
        assert!(cookie["name"].as_str().is_some_and(|name| name.starts_with("__Host-")), "{cookie}");
        assert_eq!((&cookie["httpOnly"], &cookie["secure"]), (&json!(true), &json!(true)), "{cookie}");
        assert_ne!(cookie["sameSite"], "None", "{cookie}");
    }
}
