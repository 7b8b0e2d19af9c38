//! The uplink's row, what it keeps in the log, and batches out of a real store. Calls are told in the stories.

use sitewarden_core::{Action, Gate, Resource, Timestamp};
use sitewarden_log::{Batch, Limits, Packer, unpack};
use sitewarden_store::testing::{TestStore, gate};
use sitewarden_store::{ReadError, Store, StoreError, Tx, site_log};

use crate::batch::{PrepareError, Prepared, encode};
use crate::state::{self, MIGRATIONS, Stored, Target};
use crate::status::Status;

fn test_store() -> TestStore {
    TestStore::new(&[MIGRATIONS])
}

fn append(store: &Store, gate: &Gate, count: u64) {
    for number in 0..count {
        let permit = gate.system("test", Action::FindingRaise, Resource::site());
        store
            .write_blocking("appending", move |tx: &Tx<'_>| {
                let actor = tx.spend(permit, Action::FindingRaise, &Resource::site())?;
                tx.append(&actor, "finding.raised", serde_json::json!({ "number": number }))
            })
            .expect("appended");
    }
}

fn target(url: &str) -> Target {
    Target {
        url: url.to_owned(),
        ca: None,
        gateway: "g1".into(),
        site: "s1".into(),
        tenant: "t1".into(),
        registered: Timestamp::from_seconds(1_795_514_400),
    }
}

fn register(store: &Store, gate: &Gate) {
    let permit = gate.console(Action::UplinkManage, Resource::site());
    store
        .write_blocking("registering", move |tx| {
            state::register(tx, permit, &target("https://cloud.example"))
        })
        .expect("registered");
}

fn advance(store: &Store, gate: &Gate, registered: Timestamp, acknowledged: u64, sending: u64) {
    let permit = gate.system("uplink", Action::UplinkAdvance, Resource::site());
    store
        .write_blocking("advancing", move |tx| {
            state::advance(tx, permit, registered, acknowledged, sending, Some(Timestamp::from_seconds(1)))
        })
        .expect("advanced");
}

fn load(store: &Store) -> Stored {
    store.read_blocking(state::load).expect("read")
}

#[test]
fn a_registration_is_a_record_begins_anew_and_what_was_sent_stays_known() {
    let (test, gate) = (test_store(), gate());
    let store = &test.store;
    assert_eq!(load(store), Stored::default());
    assert_eq!(store.read_blocking(state::keep_from).expect("read"), None);
    register(store, &gate);
    let registered = target("").registered;
    advance(store, &gate, registered, 0, 90);
    advance(store, &gate, registered, 80, 0);
    let stored = load(store);
    assert_eq!((stored.acknowledged, stored.sent_through), (80, 90));
    assert_eq!(stored.target, Some(target("https://cloud.example")));
    assert_eq!(store.read_blocking(state::keep_from).expect("read"), Some(81));

    advance(store, &gate, Timestamp::from_seconds(7), 5_000, 5_000);
    assert_eq!(load(store), stored, "what is left of another registration changes nothing");

    let permit = gate.console(Action::UplinkManage, Resource::site());
    store
        .write_blocking("forgetting", move |tx| state::forget(tx, permit, "https://cloud.example"))
        .expect("forgotten");
    let forgotten = load(store);
    assert_eq!((forgotten.target, forgotten.acknowledged, forgotten.sent_through), (None, 0, 90));
    let kinds = store
        .read_blocking(|conn| site_log::search(conn, &site_log::Filter::default(), 10))
        .expect("read")
        .into_iter()
        .map(|record| record.kind)
        .collect::<Vec<_>>();
    assert_eq!(kinds, ["uplink.forgotten", "uplink.registered"]);
    let wrong = gate.system("test", Action::FindingRaise, Resource::site());
    assert!(store.write_blocking("forgetting", move |tx| state::forget(tx, wrong, "x")).is_err());
}

#[test]
fn whoever_prunes_the_log_cannot_take_what_the_cloud_lacks() {
    let (test, gate) = (test_store(), gate());
    let store = &test.store;
    append(store, &gate, 9);
    register(store, &gate);
    let registered = target("").registered;
    advance(store, &gate, registered, 6, 6);
    let run = |sql: &'static str| {
        store.write_blocking("pruning", move |tx| {
            tx.sql().execute_batch(sql).map_err(|source| StoreError::Sql { doing: "pruning", source })
        })
    };
    for refused in [
        "UPDATE site_log SET body = NULL WHERE seq <= 7",
        "UPDATE site_log SET body = NULL",
        "DELETE FROM site_log WHERE seq = 10",
    ] {
        let error = run(refused).expect_err(refused);
        assert!(
            sitewarden_core::error::chain(&error).contains("the cloud does not have this record"),
            "{error}"
        );
    }
    run("UPDATE site_log SET body = NULL WHERE seq <= 6").expect("the cloud has these");
    let left: u64 = store
        .read_blocking(|conn| {
            conn.query_row("SELECT count(*) FROM site_log WHERE body IS NOT NULL", [], |row| row.get(0))
        })
        .expect("read");
    assert_eq!(left, 4);
}

fn prepare(store: &Store, after: u64, limits: Limits) -> Result<Option<Prepared>, ReadError<PrepareError>> {
    let encoded = store.read_blocking(move |conn| encode(conn, after, limits, Vec::new()))?;
    let mut packer = Packer::new().expect("memory");
    Ok(encoded.map(|encoded| encoded.pack(&mut packer).expect("packed")))
}

#[test]
fn a_batch_holds_the_stored_bytes_behind_the_cursor_up_to_its_limits() {
    let (test, gate) = (test_store(), gate());
    let store = &test.store;
    append(store, &gate, 30);
    let made = |after, records, bytes| prepare(store, after, Limits { records, bytes });
    let batch = made(10, 15, 1 << 20).expect("made").expect("records");
    assert_eq!((batch.first, batch.last, batch.records()), (11, 25, 15));
    let raw = unpack(&batch.packed, 1 << 20).expect("unpacks");
    assert_eq!(raw.len(), batch.raw);
    let parsed = Batch::parse(&raw, &Limits::default()).expect("parses");
    let stored = store.read_blocking(|conn| site_log::read(conn, 10, 15)).expect("read");
    let site_log::Page::Records(stored) = stored else { panic!("nothing was pruned") };
    for (sent, kept) in parsed.records.iter().zip(&stored) {
        assert_eq!(sent.leaf_hash(), kept.leaf_hash, "record {}", sent.seq);
    }
    assert_eq!(made(29, 100, 1 << 20).expect("made").expect("records").records(), 1);
    assert_eq!(made(0, 100, 1).expect("made").expect("records").records(), 1, "one record always goes");
    assert_eq!(made(30, 100, 1 << 20).expect("made"), None);
    assert!(made(31, 100, 1 << 20).is_err(), "beyond the end");
}

#[test]
fn a_checkpoint_goes_along_when_the_batch_covers_it() {
    let (test, gate) = (test_store(), gate());
    let store = &test.store;
    append(store, &gate, 10);
    for size in [4_u64, 8] {
        let permit = gate.system("test", Action::CheckpointKeep, Resource::site());
        store
            .write_blocking("keeping", move |tx| {
                site_log::checkpoint::keep(tx, permit, size, &format!("note of {size}"))
            })
            .expect("kept");
    }
    let note = |after, records| {
        let batch = prepare(store, after, Limits { records, bytes: 1 << 20 }).expect("made").expect("some");
        let raw = unpack(&batch.packed, 1 << 20).expect("unpacks");
        let parsed = Batch::parse(&raw, &Limits::default()).expect("parses");
        parsed.checkpoint.map(|note| note.into_owned())
    };
    assert_eq!(note(0, 5).as_deref(), Some("note of 4"));
    assert_eq!(note(0, 10).as_deref(), Some("note of 8"));
    assert_eq!(note(5, 2), None, "none within 6 and 7");
    assert_eq!(note(0, 3), None, "one that covers more cannot be checked");
}

#[test]
fn records_that_came_after_the_newest_checkpoint_wait_for_one_that_covers_them() {
    let (test, gate) = (test_store(), gate());
    let store = &test.store;
    append(store, &gate, 10);
    let keep = |size: u64| {
        let permit = gate.system("test", Action::CheckpointKeep, Resource::site());
        let write = move |tx: &Tx<'_>| site_log::checkpoint::keep(tx, permit, size, "note");
        store.write_blocking("keeping", write).expect("kept");
    };
    let last = |after| {
        let limits = Limits { records: 100, bytes: 1 << 20 };
        prepare(store, after, limits).expect("made").expect("some").last
    };
    assert_eq!(last(0), 10, "there is none");
    keep(8);
    assert_eq!((last(0), last(7)), (8, 8), "9 and 10 were written between the signature and the batch");
    assert_eq!(last(8), 10, "none covers more than the cloud has");
    keep(10);
    assert_eq!((last(0), last(8)), (10, 10));
}

#[test]
fn the_view_counts_what_waits_only_when_there_is_a_cloud() {
    let now = Timestamp::from_seconds(1_000);
    let status =
        Status { state: "connected", url: Some("https://c".into()), acknowledged: 7, ..Status::default() };
    let view = status.clone().view(now, 10, Some(Timestamp::from_seconds(940)));
    assert_eq!((view.unsent.0, view.oldest_unsent_seconds), (3, Some(60)));
    let none = Status { url: None, ..status }.view(now, 10, Some(Timestamp::from_seconds(940)));
    assert_eq!((none.unsent.0, none.oldest_unsent, none.oldest_unsent_seconds), (0, None, None));
}
