//! `sitewarden doctor`: each finding is made and told, in words for people and as JSON for programs.
//!
//! The clock's finding is a unit test beside the command: a story does not set the machine's clock.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::support::gateway::Site;
use crate::support::mount::SmallDisk;
use crate::support::process::run;

/// What the doctor says of a site, and whether it ended well.
async fn ask(site: &Site) -> (bool, Value) {
    let mut command = site.command(&["doctor", "--json"]);
    command.arg("--config").arg(site.config());
    let done = run(&mut command, b"").await;
    let said: Value = serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}"));
    assert_eq!(said["ok"], done.status.success(), "{said}");
    (done.status.success(), said)
}

/// The names of checks that found something.
fn problems(said: &Value) -> Vec<&str> {
    let checks = said["checks"].as_array().expect("checks");
    checks.iter().filter(|check| check["ok"] == false).filter_map(|check| check["check"].as_str()).collect()
}

fn detail<'a>(said: &'a Value, check: &str) -> &'a str {
    let checks = said["checks"].as_array().expect("checks");
    let found = checks.iter().find(|found| found["check"] == check);
    found.and_then(|found| found["detail"].as_str()).unwrap_or_else(|| panic!("no {check}: {said}"))
}

/// A site that ran once.
async fn used() -> Site {
    let site = Site::new("");
    site.start().await.stop().await;
    site
}

#[tokio::test]
async fn a_site_that_is_well_gets_no_finding_running_or_not() {
    let site = used().await;
    let (well, said) = ask(&site).await;
    assert!(well, "{said}");

    let gateway = site.start().await;
    let (well, said) = ask(&site).await;
    assert!(well, "{said}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_folder_that_is_open_to_others_is_told_with_the_command_that_closes_it() {
    let site = used().await;
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(site.state(), mode).expect("own folder");

    let (_, said) = ask(&site).await;

    assert_eq!(problems(&said), ["state folder"]);
    assert!(detail(&said, "state folder").contains("chmod 700"), "{said}");
}

#[tokio::test]
async fn a_port_that_another_program_has_is_told_with_its_key() {
    let site = used().await;
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let config = std::fs::read_to_string(site.config()).expect("own file");
    std::fs::write(site.config(), config.replacen("127.0.0.1:0", &address, 1)).expect("own file");

    let (_, said) = ask(&site).await;

    assert_eq!(problems(&said), ["ports"]);
    let told = detail(&said, "ports");
    assert!(told.contains("web.listen") && told.contains(&address), "{told}");
}

#[tokio::test]
async fn a_disk_without_room_is_told_with_its_figures() {
    let site = Site::new("[store]\nreserve-mib = 4\n");
    let Some(disk) = SmallDisk::over(&site.state(), 40) else { return };
    site.start().await.stop().await;
    disk.fill("ballast");

    let (_, said) = ask(&site).await;

    assert_eq!(problems(&said), ["disk"]);
    assert!(detail(&said, "disk").contains("free some space"), "{said}");
}

#[tokio::test]
async fn a_configuration_with_a_mistake_is_told_with_its_place() {
    let site = used().await;
    std::fs::write(site.config(), "[web]\nlisen = \"127.0.0.1:0\"\n").expect("own file");

    let (_, said) = ask(&site).await;

    // With the mistake the defaults are looked at; their ports may be taken on the machine of the story.
    assert!(problems(&said).contains(&"configuration"), "{said}");
    let told = detail(&said, "configuration");
    assert!(told.contains("site.toml:2:1") && told.contains("`listen`"), "{told}");
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_told_and_left_alone() {
    let site = used().await;
    let newer = "INSERT INTO migration (slice, number, name) VALUES ('telemetry', 9999, 'from the future')";
    let database = site.state().join("state.db");
    let statement =
        format!("import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute({newer:?}); c.commit()");
    run(std::process::Command::new("python3").args(["-c", &statement]).arg(&database), b"").await.success();
    let before = std::fs::read(&database).expect("own file");

    let (_, said) = ask(&site).await;

    assert_eq!(problems(&said), ["database"]);
    assert!(detail(&said, "database").contains("newer Sitewarden"), "{said}");
    assert_eq!(std::fs::read(&database).expect("own file"), before);
}

#[tokio::test]
async fn rules_and_policies_with_a_mistake_are_told_with_file_and_line() {
    let site = Site::new("[rules]\ndir = \"rules\"\n[policies]\ndir = \"policies\"\n");
    for (folder, file, text) in [
        ("rules", "broken.yml", "title: Broken\nlogsource: {product: iot}\ndetection: 7\n"),
        ("policies", "broken.cedar", "permit (principal, action, resource"),
    ] {
        std::fs::create_dir(site.folder().join(folder)).expect("own folder");
        std::fs::write(site.folder().join(folder).join(file), text).expect("own file");
    }
    site.start().await.stop().await;

    let (_, said) = ask(&site).await;

    assert_eq!(problems(&said), ["rules", "policies"]);
    assert!(detail(&said, "rules").contains("broken.yml"), "{said}");
    assert!(detail(&said, "policies").contains("broken.cedar:1"), "{said}");
}

#[tokio::test]
async fn for_people_each_check_is_one_line() {
    let site = used().await;
    std::fs::set_permissions(site.state(), std::fs::Permissions::from_mode(0o750)).expect("own folder");
    let mut command = site.command(&["doctor"]);
    command.arg("--config").arg(site.config());

    let done = run(&mut command, b"").await;

    assert_eq!(done.status.code(), Some(1));
    assert!(done.stdout.contains("problem  state folder: "), "{}", done.stdout);
    assert!(done.stdout.lines().filter(|line| line.starts_with("ok ")).count() >= 7, "{}", done.stdout);
}

#[tokio::test]
async fn every_file_of_the_state_folder_is_the_owner_s_alone_but_what_is_handed_out() {
    let site = Site::new("");
    let gateway = site.start().await;
    site.api_key("viewer").await;
    let mut folders = vec![site.state()];
    let mut seen = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("own folder") {
            let path = entry.expect("readable").path();
            let about = std::fs::symlink_metadata(&path).expect("it is there");
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            let wanted = match &*name {
                _ if about.is_dir() => 0o700,
                "ca.pem" | "server.pem" | "log.vkey" => 0o644,
                _ => 0o600,
            };
            assert_eq!(about.permissions().mode() & 0o777, wanted, "{}", path.display());
            if about.is_dir() {
                folders.push(path);
            }
            seen.push(name);
        }
    }
    for name in ["state.db", "state.db-wal", "lock", "reserve", "console.sock", "ca.pem", "keys"] {
        assert!(seen.iter().any(|found| found == name), "no {name} in {seen:?}");
    }
    gateway.stop().await;
}
