//! Stories of the inventory on a real store.

use std::sync::Arc;

use sitewarden_core::{Action, AssetKind, AssetRef, Resource, Role, Sighting, Timestamp, Trust};
use sitewarden_store::testing::{TestStore, gate, person};
use sitewarden_store::{ReadError, WriteError, site_log};

use super::*;

fn sighting(id: &str, seconds: i64) -> Sighting {
    Sighting {
        asset: AssetRef::new(id),
        kind: AssetKind::Sensor,
        via: Some(AssetRef::new("receiver")),
        facts: vec![("model".into(), "Acurite-Tower".into())],
        seen: Timestamp::from_seconds(seconds),
    }
}

fn see(store: &TestStore, registry: &Registry, sightings: Vec<Sighting>) {
    let permit = gate().system("pipeline", Action::DeviceSight, Resource::site());
    let seen =
        store.store.write_blocking("test", move |tx| sight(tx, permit, &sightings, false)).expect("seen");
    registry.put(seen.devices);
    registry.forget(&seen.evicted);
}

fn kinds_of_log(store: &TestStore) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    let read = runtime.block_on(store.store.read(|conn| site_log::read(conn, 0, 100)));
    match read.map_err(|error: ReadError<_>| error).expect("read") {
        site_log::Page::Records(records) => records.into_iter().map(|record| record.kind).collect(),
        site_log::Page::Reset { .. } => panic!("nothing was pruned"),
    }
}

fn act(
    store: &TestStore,
    registry: &Registry,
    action: Action,
    id: &'static str,
    act: impl FnOnce(&sitewarden_store::Tx<'_>, sitewarden_core::Permit, &str) -> Result<Device, DeviceError>
    + Send
    + 'static,
) -> Result<(), WriteError<DeviceError>> {
    let permit = gate().permit(&person("elin", Role::Operator), action, resource(id)).expect("allowed");
    let device = store.store.write_blocking("test", move |tx| act(tx, permit, id))?;
    registry.put(vec![device]);
    Ok(())
}

#[test]
fn a_sensor_behind_a_receiver_is_seen_once_and_awaits_approval() {
    let store = TestStore::new(&[MIGRATIONS]);
    let registry = Registry::default();
    assert!(registry.is_news(&sighting("tower", 1)));
    see(&store, &registry, vec![sighting("tower", 1), sighting("tower", 2)]);

    let device = registry.get("tower").expect("in the inventory");
    assert_eq!(
        (device.trust, &*device.via, device.facts.get("model").map(String::as_str)),
        (Trust::AwaitingApproval, "receiver", Some("Acurite-Tower"))
    );
    assert!(!registry.is_news(&sighting("tower", 3)), "nothing new is nothing to write");
    assert_eq!(kinds_of_log(&store), ["device.seen"]);
}

#[test]
fn trust_goes_its_way_and_every_step_is_in_the_log() {
    let store = TestStore::new(&[MIGRATIONS]);
    let registry = Registry::default();
    see(&store, &registry, vec![sighting("tower", 1)]);

    act(&store, &registry, Action::DeviceApprove, "tower", |tx, permit, id| approve(tx, permit, id, "ours"))
        .expect("approved");
    assert_eq!(registry.get("tower").expect("there").trust, Trust::Trusted);
    act(&store, &registry, Action::DeviceQuarantine, "tower", |tx, permit, id| {
        quarantine(tx, permit, id, "odd")
    })
    .expect("cut off");
    assert_eq!(registry.get("tower").expect("there").trust, Trust::Quarantined);
    let approved =
        act(&store, &registry, Action::DeviceApprove, "tower", |tx, permit, id| approve(tx, permit, id, ""));
    assert!(
        matches!(approved, Err(WriteError::Failed { source: DeviceError::Trust { .. }, .. })),
        "release it first"
    );
    act(&store, &registry, Action::DeviceApprove, "tower", |tx, permit, id| release(tx, permit, id, ""))
        .expect("released");

    assert_eq!(
        kinds_of_log(&store),
        ["device.seen", "device.approved", "device.quarantined", "device.released"]
    );
    let reloaded = Registry::default();
    let rows = store.store.write_blocking("load", |tx| load(tx.sql())).expect("loaded");
    fill(&reloaded, rows);
    assert_eq!(reloaded.get("tower"), registry.get("tower"), "memory is what the store has");
}

#[test]
fn a_password_is_bound_to_its_client_id_and_void_after_the_next_enrolment() {
    let store = TestStore::new(&[MIGRATIONS]);
    let registry = Registry::default();
    let enrol_once = || {
        let permit = gate().console(Action::DeviceEnrol, resource("thermo"));
        let sign: SignCsr = Arc::new(|_, _| Err("no CA".to_owned()));
        let request = EnrolRequest { id: "thermo".to_owned(), ..EnrolRequest::default() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        let (device, result) = runtime
            .block_on(enrol_device(&store.store, permit, request, true, false, &sign, &"CA".into()))
            .expect("enrolled");
        registry.put(vec![device]);
        result.credential.expect("a password").password
    };
    let first = enrol_once();
    let login = |client: &str, username: &str, password: &str| {
        registry.authenticate(client, Proof::Password { username, password: password.as_bytes() })
    };
    assert_eq!(login("thermo", "thermo", &first), Some(Known { id: "thermo".into(), trust: Trust::Trusted }));
    assert_eq!(login("other", "thermo", &first), None, "a credential is bound to its client id");
    assert_eq!(login("thermo", "thermo", "guess"), None);
    assert_eq!(login("nobody", "nobody", ""), None);

    let second = enrol_once();
    assert_eq!(login("thermo", "thermo", &first), None, "the credential before is void");
    assert!(login("thermo", "thermo", &second).is_some());
    assert_eq!(kinds_of_log(&store), ["device.enrolled", "device.enrolled"]);
}

#[test]
fn made_up_names_are_taken_at_a_bounded_rate() {
    let registry = Registry::default();
    let taken =
        (0..1_000).filter(|number| registry.is_news(&sighting(&format!("made-up-{number}"), 60))).count();
    assert_eq!(taken, usize::try_from(limits::NEW_DEVICES_PER_MINUTE).expect("fits"));
    assert!(registry.refused() > 0);
    assert!(registry.is_news(&sighting("another", 120)), "the next minute takes again");
}

#[test]
fn ids_that_would_have_a_meaning_in_topics_are_refused() {
    for id in ["", "a/b", "site:cold-1", "+", "#", "$SYS", "a\u{0}b", &"x".repeat(300)] {
        assert!(device_id(id).is_err(), "{id:?}");
    }
    assert_eq!(device_id("cold-1").expect("plain"), "cold-1");
}
