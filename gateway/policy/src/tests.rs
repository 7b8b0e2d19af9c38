//! Roles and trust against every action, fail-closed behaviour, reload, cache and grants.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sitewarden_core::{Action, Principal, Resource, Role, Timestamp, Trust};
use sitewarden_store::testing::TestStore;
use sitewarden_store::{Clock, site_log};

use super::Policies;

mod epochs;
mod loading;
mod refusals;
mod roles;
mod routes;

fn clock() -> Clock {
    Arc::new(|| Timestamp::from_seconds(1_795_514_400))
}

fn shipped() -> Policies {
    Policies::open(None, clock())
}

fn person(role: Role) -> Principal {
    Principal::Person { id: "elin".into(), role }
}

fn key(role: Role) -> Principal {
    Principal::ApiKey { id: "key-1".into(), role }
}

fn device(trust: Trust) -> Principal {
    Principal::Device { id: "mqtt:t1".into(), trust }
}

fn allows(policies: &Policies, principal: &Principal, action: Action, resource: &Resource) -> bool {
    policies.decider().decide(principal, action, resource).allow
}

/// A resource that the action is asked for on, as the routes do.
fn resource_of(action: Action) -> Resource {
    match action.as_str().split(':').next() {
        Some("finding") if action != Action::FindingRead && action != Action::FindingRaise => {
            Resource::new("Finding", "9")
        }
        Some("self") => Resource::new("User", "elin"),
        Some("mqtt") if action != Action::MqttConnect => Resource::new("TopicSpace", "own"),
        _ => Resource::site(),
    }
}

fn lab_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/examples/lab-policies")
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).expect("written");
    }
    dir
}

fn open_store() -> TestStore {
    TestStore::new(&[])
}

async fn kinds(test: &TestStore) -> Vec<String> {
    match test.store.read(|conn| site_log::read(conn, 0, 100)).await.expect("read") {
        site_log::Page::Records(records) => records.into_iter().map(|record| record.kind).collect(),
        reset => panic!("{reset:?}"),
    }
}
