//! The site log as readers see it: by cursor, by search, with proofs, after its old bodies were pruned.

use rusqlite::Connection;
use sitewarden_core::{Action, Resource};

use super::{folder, note, open, records, system_permit, verify};
use crate::error::{StoreError, WriteError};
use crate::site_log::{self, Filter, Page};

#[test]
fn records_that_are_not_objects_or_too_large_are_refused() {
    let dir = folder();
    let store = open(dir.path());
    for body in [
        serde_json::json!([1]),
        serde_json::json!({ "actor": "somebody else" }),
        serde_json::json!({ "text": "x".repeat(sitewarden_log::limits::RECORD_BYTES) }),
    ] {
        let result = store.write_blocking("appending", move |tx| {
            let actor = tx.spend(system_permit(), Action::FindingRaise, &Resource::site())?;
            tx.append(&actor, "note.added", body)
        });
        assert!(matches!(result, Err(WriteError::Failed { source: StoreError::BadRecord { .. }, .. })));
    }
}

#[test]
fn the_log_is_read_by_cursor_and_searched_newest_first() {
    let dir = folder();
    let store = open(dir.path());
    for id in 1..=5 {
        store.write_blocking("adding", move |tx| note(tx, id)).expect("kept");
    }
    let seqs = |after, limit| match store.read_blocking(move |conn| site_log::read(conn, after, limit)) {
        Ok(Page::Records(records)) => records.iter().map(|record| record.seq).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(seqs(2, 2), [3, 4]);
    assert_eq!(seqs(5, 10), Vec::<u64>::new());
    let beyond = store.read_blocking(|conn| site_log::read(conn, 6, 10)).expect("read");
    assert_eq!(beyond, Page::Reset { head: 5 }, "a cursor of another log");
    let search = |filter: Filter| {
        let found = store.read_blocking(move |conn| site_log::search(conn, &filter, 10)).expect("searched");
        found.iter().map(|record| record.seq).collect::<Vec<_>>()
    };
    assert_eq!(search(Filter { before: Some(4), kind: Some("note".into()), ..Filter::default() }), [3, 2, 1]);
    assert_eq!(search(Filter { actor: Some("system:test".into()), ..Filter::default() }).len(), 5);
    assert_eq!(search(Filter { actor: Some("person:elin".into()), ..Filter::default() }).len(), 0);
    assert_eq!(records(&store)[0].body["actor"], "system:test");
}

#[test]
fn one_read_of_large_records_is_bounded_and_the_cursor_goes_on() {
    let dir = folder();
    let store = open(dir.path());
    let text = "x".repeat(200_000);
    for _ in 0..30 {
        let body = serde_json::json!({ "text": text });
        store
            .write_blocking("appending", move |tx| {
                let actor = tx.spend(system_permit(), Action::FindingRaise, &Resource::site())?;
                tx.append(&actor, "note.added", body)
            })
            .expect("kept");
    }
    let (mut after, mut pages) = (0, 0);
    loop {
        let page = store.read_blocking(move |conn| site_log::read(conn, after, 1_000)).expect("read");
        let Page::Records(records) = page else { panic!("nothing was pruned") };
        let Some(last) = records.last() else { break };
        after = last.seq;
        pages += 1;
    }
    assert_eq!(after, 30);
    assert!(pages > 1, "6 MB in one piece");
}

#[test]
fn pruned_bodies_keep_the_tree_whole_and_old_cursors_are_reset() {
    let dir = folder();
    let store = open(dir.path());
    for id in 1..=4 {
        store.write_blocking("adding", move |tx| note(tx, id)).expect("kept");
    }
    store.shutdown();
    let conn = Connection::open(dir.path().join("state.db")).expect("opens");
    conn.execute_batch(
        "UPDATE site_log SET body = NULL WHERE seq <= 2; UPDATE site_log_tree SET pruned_through = 2",
    )
    .expect("pruned");
    drop(conn);
    let report = verify(dir.path());
    assert!(report.ok() && report.pruned == 2);
    let store = open(dir.path());
    let read = |after| store.read_blocking(move |conn| site_log::read(conn, after, 10)).expect("read");
    assert_eq!(read(1), Page::Reset { head: 4 });
    assert!(matches!(read(2), Page::Records(records) if records.len() == 2));
    assert_eq!(store.read_blocking(site_log::oldest_cursor).expect("read"), 2);
}

#[test]
fn proofs_over_the_stored_log_verify_at_every_size() {
    use crate::site_log::proof;

    let dir = folder();
    let store = open(dir.path());
    for id in 1..=9 {
        store.write_blocking("adding", move |tx| note(tx, id)).expect("kept");
    }
    let head = store.read_blocking(site_log::head).expect("read");
    for size in 1..=9 {
        for seq in 1..=size {
            let found = store.read_blocking(move |conn| proof::inclusion(conn, seq, size)).expect("proven");
            let found = found.expect("there is such a record");
            assert_eq!((found.seq, found.size, found.holds()), (seq, size, Ok(())));
        }
        let found = store.read_blocking(move |conn| proof::consistency(conn, size, 9)).expect("proven");
        let found = found.expect("there are so many");
        assert_eq!(found.new_root, head.root);
        assert_eq!((found.old, found.new, found.holds()), (size, 9, Ok(())));
    }
    for (seq, size) in [(0, 9), (10, 9), (1, 10), (5, 4)] {
        assert_eq!(store.read_blocking(move |conn| proof::inclusion(conn, seq, size)).expect("read"), None);
    }
    assert_eq!(store.read_blocking(|conn| proof::consistency(conn, 3, 10)).expect("read"), None);
    assert_eq!(
        store.read_blocking(|conn| proof::root(conn, 0)).expect("read"),
        Some(site_log::tree::empty_root())
    );
}
