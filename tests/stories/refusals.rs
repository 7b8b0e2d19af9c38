//! What the gateway must refuse to start on, each with a message that says what to do.
//!
//! Damage inside the store is told in the store's own tests; here is what a person at the box meets.

use std::net::TcpListener;

use crate::support::gateway::Site;
use crate::support::process::run;

#[tokio::test]
async fn a_port_that_is_taken_is_named_with_its_key() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let site = Site::new("");
    let config = std::fs::read_to_string(site.config()).expect("own file");
    let moved = config.replacen("127.0.0.1:0", &address, 1);
    std::fs::write(site.config(), moved).expect("own file");

    let said = site.start_refused().await.stderr;

    assert!(said.contains(&address), "{said}");
    assert!(said.contains("web.listen"), "{said}");
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_and_left_alone() {
    let site = Site::new("");
    site.start().await.stop().await;
    let newer = "INSERT INTO migration (slice, number, name) VALUES ('telemetry', 9999, 'from the future')";
    let database = site.state().join("state.db");
    let statement =
        format!("import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute({newer:?}); c.commit()");
    run(std::process::Command::new("python3").args(["-c", &statement]).arg(&database), b"").await.success();
    let before = std::fs::read(&database).expect("own file");

    let said = site.start_refused().await.stderr;

    assert!(said.contains("newer"), "{said}");
    assert_eq!(std::fs::read(&database).expect("own file"), before);
}

#[tokio::test]
async fn a_second_gateway_on_the_same_state_is_refused() {
    let site = Site::new("");
    let gateway = site.start().await;

    let said = site.start_refused().await.stderr;

    assert!(said.contains(&*site.state().to_string_lossy()), "{said}");
    gateway.anonymous().get("/health").await.expect(200);
    gateway.stop().await;
}

#[tokio::test]
async fn a_broken_rule_is_told_with_its_place_and_the_shipped_gateway_still_starts() {
    let site = Site::new("[rules]\ndir = \"rules\"\n");
    let rules = site.folder().join("rules");
    std::fs::create_dir(&rules).expect("own folder");
    std::fs::write(rules.join("broken.yml"), "title: Broken\nlogsource: {product: iot}\ndetection: 7\n")
        .expect("own file");

    let gateway = site.start().await;
    let rules = site.api(&gateway, "viewer").await.list("/api/v1/rules").await;

    let broken = rules.iter().find(|rule| rule["status"] == "error").unwrap_or_else(|| panic!("{rules:?}"));
    assert!(broken.to_string().contains("broken.yml"), "{broken}");
    assert!(broken["error"].to_string().contains('3'), "the line is named: {broken}");
    gateway.stop().await;
}
