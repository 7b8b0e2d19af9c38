//! The writer, the readers and the site log on a real file: what is answered is there, what failed is not.
//!
//! No slice here: one table `note` stands for all. Power loss is not shown by these tests; the strace and
//! QEMU stories do that.

use std::sync::mpsc::sync_channel;
use std::time::Duration;

use proptest::prelude::*;
use rusqlite::params;
use sitewarden_core::{Action, Decider, Decision, Gate, Permit, Principal, Resource, Role};

use super::*;
use crate::Space;
use crate::limits::READ_TIME;
use crate::open::system_clock;
use crate::site_log::{self, Filter, Page, Problem};

const NOTES: Migrations = Migrations {
    slice: "notes",
    steps: &[(1, "base", "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT")],
};

struct Fixed(PolicyEpoch);
impl Decider for Fixed {
    fn decide(&self, _: &Principal, _: Action, _: &Resource) -> Decision {
        Decision { allow: true, policies: Vec::new(), epoch: self.0 }
    }
    fn epoch(&self) -> PolicyEpoch {
        self.0
    }
}

fn gate() -> Gate {
    Gate::new(Arc::new(Fixed(PolicyEpoch(1))))
}

fn system_permit() -> Permit {
    gate().system("test", Action::FindingRaise, Resource::site())
}

fn open(dir: &Path) -> Store {
    Store::open(&Config { reserve_mib: 1, ..Config::for_dir(dir) }, &[NOTES], system_clock()).expect("opens")
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

/// Inserts a note and its record.
fn note(tx: &Tx<'_>, id: i64) -> Result<u64, StoreError> {
    tx.sql().execute("INSERT INTO note (id, text) VALUES (?1, 'x')", [id]).doing("inserting a note")?;
    let actor = tx.spend(system_permit(), Action::FindingRaise, &Resource::site())?;
    tx.append(&actor, "note.added", serde_json::json!({ "id": id }))
}

fn ids(store: &Store) -> Vec<i64> {
    store
        .read_blocking(|conn| {
            let mut statement = conn.prepare("SELECT id FROM note ORDER BY id")?;
            let rows = statement.query_map([], |row| row.get(0))?;
            rows.collect::<rusqlite::Result<Vec<i64>>>()
        })
        .expect("read")
}

fn verify(dir: &Path) -> site_log::Report {
    let conn = crate::open_read_only(&dir.join("state.db")).expect("opens for reading");
    site_log::verify(&conn, None).expect("verifies")
}

fn records(store: &Store) -> Vec<site_log::Record> {
    match store.read_blocking(|conn| site_log::read(conn, 0, 1_000)).expect("read") {
        Page::Records(records) => records,
        Page::Reset { .. } => panic!("nothing was pruned"),
    }
}

#[test]
fn what_is_answered_is_there_after_opening_again_and_the_log_verifies() {
    let dir = folder();
    let store = open(dir.path());
    assert_eq!(store.write_blocking("adding", |tx| note(tx, 1)).expect("kept"), 1);
    assert_eq!(*store.log_head().borrow(), 1);
    store.shutdown();

    let store = open(dir.path());
    assert_eq!(ids(&store), [1]);
    assert_eq!(store.write_blocking("adding", |tx| note(tx, 2)).expect("kept"), 2);
    store.shutdown();
    let report = verify(dir.path());
    assert!(report.ok(), "{:?}", report.problems);
    assert_eq!(report.records, 2);
}

#[test]
fn a_failing_and_a_panicking_closure_are_undone_alone_beside_others() {
    let dir = folder();
    let store = open(dir.path());
    let (holding, held) = sync_channel::<()>(0);
    let (release, released) = sync_channel::<()>(0);
    // The first closure keeps the writer busy, so that the other three wait and join its group.
    store.submit(
        "holding",
        move |tx| {
            holding.send(()).expect("the test waits");
            released.recv().expect("the test releases");
            note(tx, 1)
        },
        drop,
    );
    held.recv().expect("the writer is busy");
    let (answer, answers) = sync_channel(3);
    for (id, way) in [(2, "fail"), (3, "panic"), (4, "keep")] {
        let answer = answer.clone();
        store.submit(
            "trying",
            move |tx| {
                note(tx, id)?;
                match way {
                    "fail" => Err(StoreError::LogInconsistent("on purpose".to_owned())),
                    "panic" => panic!("on purpose"),
                    _ => Ok(id),
                }
            },
            move |result| answer.send((id, result)).expect("the test listens"),
        );
    }
    release.send(()).expect("the writer waits");
    let mut results: Vec<_> = (0..3).map(|_| answers.recv().expect("answered")).collect();
    results.sort_by_key(|(id, _)| *id);

    assert!(matches!(results[0].1, Err(WriteError::Failed { .. })));
    assert!(matches!(&results[1].1, Err(WriteError::Panicked { message, .. }) if message == "on purpose"));
    assert!(matches!(results[2].1, Ok(4)));
    assert_eq!(ids(&store), [1, 4]);
    assert_eq!(records(&store).len(), 2, "records of undone closures are undone with them");
    let stats = store.stats();
    assert_eq!((stats.closures_kept, stats.closures_failed, stats.closures_panicked), (2, 1, 1));
    store.shutdown();
    assert!(verify(dir.path()).ok());
}

#[test]
fn no_closure_can_end_the_transaction_of_the_others() {
    let dir = folder();
    let store = open(dir.path());
    for sql in
        ["COMMIT", "ROLLBACK", "BEGIN", "SAVEPOINT mine", "RELEASE closure", "ATTACH ':memory:' AS other"]
    {
        let result = store.write_blocking("trying", move |tx| tx.sql().execute_batch(sql));
        assert!(matches!(result, Err(WriteError::Failed { .. })), "{sql}: {result:?}");
    }
    store.write_blocking("adding", |tx| note(tx, 1)).expect("the writer goes on");
}

#[test]
fn readers_cannot_write() {
    let dir = folder();
    let store = open(dir.path());
    let result = store.read_blocking(|conn| conn.execute("INSERT INTO note (id, text) VALUES (1, 'x')", []));
    assert!(matches!(result, Err(ReadError::Failed(_))), "{result:?}");
}

#[test]
fn a_long_read_is_stopped_and_its_connection_serves_again() {
    let dir = folder();
    let store = Store::open(
        &Config { readers: 1, reserve_mib: 0, ..Config::for_dir(dir.path()) },
        &[NOTES],
        system_clock(),
    )
    .expect("opens");
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let result = store.read_blocking(|conn| conn.query_row(endless, [], |row| row.get::<_, i64>(0)));
    assert!(matches!(result, Err(ReadError::TimedOut)), "{READ_TIME:?}: {result:?}");
    assert_eq!(ids(&store), Vec::<i64>::new());
    let panicked = store.read_blocking(|_| -> Result<(), StoreError> { panic!("on purpose") });
    assert!(matches!(panicked, Err(ReadError::Panicked(_))));
    assert_eq!(ids(&store), Vec::<i64>::new(), "also after a panic");
    assert_eq!((store.stats().reads_timed_out, store.stats().reads), (1, 4));
}

#[tokio::test]
async fn async_callers_get_the_same() {
    let dir = folder();
    let store = open(dir.path());
    let writes = (1..=50).map(|id| {
        let store = store.clone();
        tokio::spawn(async move { store.write("adding", move |tx| note(tx, id)).await })
    });
    for write in writes.collect::<Vec<_>>() {
        write.await.expect("no panic").expect("kept");
    }
    let count =
        store.read(|conn| conn.query_row("SELECT count(*) FROM note", [], |row| row.get::<_, i64>(0))).await;
    assert_eq!(count.expect("read"), 50);
    let mut head = store.log_head();
    assert_eq!(*head.wait_for(|seq| *seq >= 50).await.expect("alive"), 50);
}

#[test]
fn after_shutdown_writes_are_refused_as_closed() {
    let dir = folder();
    let store = open(dir.path());
    let other = store.clone();
    store.shutdown();
    let result = other.write_blocking("adding", |tx| note(tx, 1));
    assert!(matches!(result, Err(WriteError::Closed { .. })), "{result:?}");
    assert!(!other.is_alive());
}

#[test]
fn permits_are_checked_again_inside_the_transaction() {
    let dir = folder();
    let store = open(dir.path());
    let person = Principal::Person { id: "elin".into(), role: Role::Owner };
    let finding = || Resource::new("Finding", "9");
    let permit = |epoch| {
        Gate::new(Arc::new(Fixed(PolicyEpoch(epoch))))
            .permit(&person, Action::FindingClose, finding())
            .expect("allowed")
    };
    let spend = |permit: Permit, action, resource: Resource| {
        store.write_blocking("closing", move |tx| tx.spend(permit, action, &resource))
    };
    let failed = |result: Result<crate::Actor, WriteError<StoreError>>| match result {
        Err(WriteError::Failed { source, .. }) => source,
        other => panic!("{other:?}"),
    };

    assert!(matches!(failed(spend(permit(1), Action::FindingClose, finding())), StoreError::NoEpoch));
    store.set_epoch_source(Arc::new(|| PolicyEpoch(2)));
    assert!(matches!(
        failed(spend(permit(1), Action::FindingClose, finding())),
        StoreError::StalePermit { .. }
    ));
    assert!(matches!(
        failed(spend(permit(2), Action::FindingReopen, finding())),
        StoreError::WrongPermit { .. }
    ));
    let other = Resource::new("Finding", "10");
    assert!(matches!(failed(spend(permit(2), Action::FindingClose, other)), StoreError::WrongPermit { .. }));
    let actor = spend(permit(2), Action::FindingClose, finding()).expect("spent");
    assert_eq!(actor.label(), "person:elin");
}

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

/// A log of five records, tampered with by one statement.
fn tampered(sql: &str) -> site_log::Report {
    let dir = folder();
    let store = open(dir.path());
    for id in 1..=5 {
        store.write_blocking("adding", move |tx| note(tx, id)).expect("kept");
    }
    store.shutdown();
    let conn = Connection::open(dir.path().join("state.db")).expect("opens");
    conn.execute_batch(sql).expect("tampered");
    drop(conn);
    verify(dir.path())
}

#[test]
fn every_kind_of_tampering_is_found_and_named() {
    let report = tampered(
        "UPDATE site_log SET body = CAST(replace(CAST(body AS TEXT), '\"id\":3', '\"id\":4') AS BLOB) WHERE seq = 3",
    );
    assert_eq!(report.problems, [Problem::Changed { seq: 3, kind: "note.added".into() }]);
    assert!(!report.ok() && report.to_string().contains("record 3 (note.added) was changed"), "{report}");
    let json = serde_json::to_value(&report).expect("serialises");
    assert_eq!(json["root"].as_str().map(str::len), Some(64));
    assert!(json["problems"][0].as_str().is_some_and(|text| text.contains("record 3")));
    let report = tampered("UPDATE site_log SET time = time + 1 WHERE seq = 1");
    assert_eq!(report.problems, [Problem::Changed { seq: 1, kind: "note.added".into() }]);
    let report = tampered("UPDATE site_log SET kind = 'note.addee' WHERE seq = 5");
    assert_eq!(report.problems, [Problem::Changed { seq: 5, kind: "note.addee".into() }]);
    let report = tampered("DELETE FROM site_log WHERE seq = 2");
    assert_eq!(report.problems, [Problem::Removed { from: 2, to: 2 }]);
    let report = tampered("DELETE FROM site_log WHERE seq > 3");
    assert_eq!(report.problems, [Problem::Removed { from: 4, to: 5 }]);
    let report = tampered(
        "UPDATE site_log SET seq = seq + 100; UPDATE site_log SET seq = CASE seq WHEN 102 THEN 3 WHEN 103 THEN 2 ELSE seq - 100 END",
    );
    assert_eq!(report.problem_count, 2, "two records that changed places: {:?}", report.problems);
    let report =
        tampered("INSERT INTO site_log SELECT 6, time, kind, body, leaf_hash FROM site_log WHERE seq = 5");
    assert_eq!(report.problems, [Problem::Added { seq: 6 }]);
    let report = tampered("UPDATE site_log SET body = NULL WHERE seq = 4");
    assert_eq!(report.problems, [Problem::BodyMissing { seq: 4 }]);
    let report = tampered("UPDATE site_log SET leaf_hash = zeroblob(31) WHERE seq = 4");
    assert_eq!(report.problems, [Problem::BadHash { seq: 4 }]);
    let report = tampered("UPDATE site_log_tree SET frontier = zeroblob(64)");
    assert!(matches!(report.problems[..], [Problem::RootDiffers { .. }]), "{:?}", report.problems);
    let report = tampered("DELETE FROM site_log_tree");
    assert!(report.problems.contains(&Problem::BadTree));
}

#[test]
fn a_record_replaced_together_with_its_hash_still_changes_the_root() {
    let dir = folder();
    let store = open(dir.path());
    store.write_blocking("adding", |tx| note(tx, 1)).expect("kept");
    store.shutdown();
    let conn = Connection::open(dir.path().join("state.db")).expect("opens");
    let time: i64 = conn.query_row("SELECT time FROM site_log", [], |row| row.get(0)).expect("read");
    let hash = site_log::record::leaf_hash(1, Timestamp::from_micros(time), "note.added", b"{}");
    conn.execute("UPDATE site_log SET body = x'7b7d', leaf_hash = ?1", params![hash]).expect("forged");
    drop(conn);
    assert!(matches!(verify(dir.path()).problems[..], [Problem::RootDiffers { .. }]));
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

fn keep_permit() -> Permit {
    gate().system("test", Action::CheckpointKeep, Resource::site())
}

/// A note of the right form; who signed it does not matter here.
fn unsigned(size: u64, root: site_log::tree::Hash) -> String {
    let key = sitewarden_log::VerifierKey::new("log.example", [1; 32]).expect("a name");
    sitewarden_log::Checkpoint { origin: "log.example".into(), size, root }.sign(&key, &|_| [2; 64])
}

/// A log of five records with checkpoints after none, three and five of them.
fn with_checkpoints(dir: &Path) -> Store {
    let store = open(dir);
    for id in 1..=6_i64 {
        if [1, 4, 6].contains(&id) {
            let head = store.read_blocking(site_log::head).expect("read");
            let text = unsigned(head.size, head.root);
            store
                .write_blocking("keeping", move |tx| {
                    site_log::checkpoint::keep(tx, keep_permit(), head.size, &text)
                })
                .expect("kept");
        }
        if id < 6 {
            store.write_blocking("adding", move |tx| note(tx, id)).expect("kept");
        }
    }
    store
}

#[test]
fn kept_checkpoints_are_found_by_size_and_the_first_note_of_a_size_stays() {
    use site_log::checkpoint;
    let dir = folder();
    let store = with_checkpoints(dir.path());
    store
        .write_blocking("keeping", |tx| checkpoint::keep(tx, keep_permit(), 3, "another"))
        .expect("nothing changed");
    let newest = |size| store.read_blocking(move |conn| checkpoint::newest(conn, size)).expect("read");
    assert_eq!(newest(2).map(|kept| kept.size), Some(0));
    assert!(newest(4).is_some_and(|kept| kept.size == 3 && kept.note.starts_with("log.example\n3\n")));
    assert_eq!(newest(u64::MAX).map(|kept| kept.size), Some(5));
    let wrong = store.write_blocking("keeping", |tx| checkpoint::keep(tx, system_permit(), 9, "x"));
    assert!(wrong.is_err(), "a permit for something else");
    store.shutdown();
    let report = verify(dir.path());
    assert!(report.ok() && report.checkpoints == 3 && !report.signatures_checked, "{report}");
    assert!(report.to_string().contains("signatures not checked"), "{report}");
}

#[test]
fn too_many_checkpoints_are_thinned_out_between_the_oldest_and_the_newest() {
    use crate::limits::CHECKPOINTS_KEPT;
    use site_log::checkpoint;
    let dir = folder();
    let store = open(dir.path());
    store
        .write_blocking("filling", |tx| {
            for size in 0..CHECKPOINTS_KEPT {
                tx.sql()
                    .execute("INSERT INTO site_log_checkpoint (size, time, note) VALUES (?1, 0, '')", [size])
                    .doing("filling")?;
            }
            checkpoint::keep(tx, keep_permit(), CHECKPOINTS_KEPT, "newest")
        })
        .expect("kept");
    let (count, first, last) = store
        .read_blocking(|conn| {
            let first = checkpoint::newest(conn, 0)?;
            Ok::<_, StoreError>((checkpoint::count(conn)?, first, checkpoint::newest(conn, u64::MAX)?))
        })
        .expect("read");
    assert_eq!(count, CHECKPOINTS_KEPT + 1 - CHECKPOINTS_KEPT / 4 + 1);
    assert_eq!(first.map(|kept| kept.size), Some(0));
    assert_eq!(last.map(|kept| kept.note), Some("newest".to_owned()));
}

#[test]
fn a_rewritten_log_does_not_fit_the_checkpoints_that_were_signed_before() {
    // Records, hashes and tree replaced together: the log is whole in itself, only the checkpoint knows.
    let dir = folder();
    with_checkpoints(dir.path()).shutdown();
    let conn = Connection::open(dir.path().join("state.db")).expect("opens");
    let mut frontier = site_log::tree::Frontier::default();
    for seq in 1..=5_u64 {
        let hash = site_log::record::leaf_hash(seq, Timestamp::from_micros(1), "note.forged", b"{}");
        conn.execute(
            "UPDATE site_log SET time = 1, kind = 'note.forged', body = x'7b7d', leaf_hash = ?2 WHERE seq = ?1",
            params![seq, hash],
        )
        .expect("forged");
        frontier.push(hash);
    }
    conn.execute("UPDATE site_log_tree SET frontier = ?1", [frontier.to_bytes()]).expect("forged");
    let report = verify(dir.path());
    assert_eq!(
        report.problems,
        [Problem::CheckpointRoot { size: 3 }, Problem::CheckpointRoot { size: 5 }],
        "{report}"
    );
    // The tail removed as well, tree and all: the newest checkpoint covers more than there is.
    let mut frontier = site_log::tree::Frontier::default();
    frontier.push(site_log::record::leaf_hash(1, Timestamp::from_micros(1), "note.forged", b"{}"));
    conn.execute("DELETE FROM site_log WHERE seq > 1", []).expect("cut");
    conn.execute("UPDATE site_log_tree SET size = 1, frontier = ?1", [frontier.to_bytes()]).expect("cut");
    drop(conn);
    let report = verify(dir.path());
    assert_eq!((report.problem_count, report.checkpoints), (2, 3), "{report}");
    assert!(report.to_string().contains("the end of the log is gone"), "{report}");
}

#[test]
fn checkpoints_that_nobody_signed_are_told_with_the_key() {
    let dir = folder();
    with_checkpoints(dir.path()).shutdown();
    let conn = Connection::open(dir.path().join("state.db")).expect("opens");
    conn.execute("UPDATE site_log_checkpoint SET note = 'nonsense' WHERE size = 3", []).expect("changed");
    conn.execute("UPDATE site_log_checkpoint SET size = 4 WHERE size = 5", []).expect("changed");
    let report = verify(dir.path());
    assert!(
        matches!(
            report.problems[..],
            [Problem::Checkpoint { size: 3, .. }, Problem::Checkpoint { size: 4, .. }]
        ),
        "{report}"
    );
    let refuse = |_: &str| Err("not signed by this log's key".to_owned());
    let report = site_log::verify(&conn, Some(&refuse)).expect("verifies");
    assert!(report.signatures_checked && report.problem_count == 3, "{report}");
    assert!(report.to_string().contains("checkpoint of 0 records: not signed by"), "{report}");
}

#[test]
fn stored_bytes_are_read_as_they_are_and_a_lost_cursor_is_told() {
    use site_log::RawPage;
    let dir = folder();
    let store = with_checkpoints(dir.path());
    let read = |after| store.read_blocking(move |conn| site_log::read_raw(conn, after, 2)).expect("read");
    let RawPage::Records(page) = read(1) else { panic!("nothing was pruned") };
    assert_eq!(page.iter().map(|record| record.seq).collect::<Vec<_>>(), [2, 3]);
    let stored = &records(&store)[1];
    let hash = site_log::record::leaf_hash(2, page[0].time, &page[0].kind, &page[0].body);
    assert_eq!(hash, stored.leaf_hash);
    assert_eq!(read(5), RawPage::Records(Vec::new()));
    assert_eq!(read(6), RawPage::Reset { head: 5, oldest: 0 });
}

#[test]
fn a_full_disk_is_told_refuses_bulk_and_leaves_the_rest_working() {
    let dir = folder();
    let store = open(dir.path());
    store.write_blocking("adding", |tx| note(tx, 1)).expect("kept");
    store
        .write_blocking("limiting", |tx| {
            let pages: i64 = tx.sql().query_row("PRAGMA page_count", [], |row| row.get(0))?;
            tx.sql().query_row(&format!("PRAGMA max_page_count = {}", pages + 2), [], |_| Ok(()))
        })
        .expect("limited");
    let large = "x".repeat(100_000);
    let result = store.write_blocking("adding much", move |tx| {
        tx.sql().execute("INSERT INTO note (id, text) VALUES (2, ?1)", [large]).map(drop)
    });
    assert!(matches!(result, Err(WriteError::DiskFull { what: "adding much" })), "{result:?}");

    let space =
        store.write_blocking("adding", |tx| Ok::<_, StoreError>((tx.space(), tx.claim_bulk().is_err())));
    assert_eq!(space.expect("answered"), (Space::ReserveOnly, true));
    store.write_blocking("adding little", |tx| note(tx, 3)).expect("small writes go on");
    assert_eq!(ids(&store), [1, 3]);
    assert!(store.stats().disk_full >= 1);
}

#[test]
fn a_second_process_is_kept_out_of_the_folder() {
    let dir = folder();
    let store = open(dir.path());
    let second = Store::open(&Config::for_dir(dir.path()), &[NOTES], system_clock());
    assert!(matches!(second, Err(StoreError::InUse { .. })), "{second:?}");
    store.shutdown();
    drop(open(dir.path()));
}

#[test]
fn damage_other_programs_and_vanished_files_are_refused_and_nothing_is_changed() {
    let try_open = |dir: &Path| Store::open(&Config::for_dir(dir), &[NOTES], system_clock()).map(drop);

    let dir = folder();
    std::fs::write(
        dir.path().join("state.db"),
        b"this is no database, but it is long enough to be looked at.".repeat(20),
    )
    .expect("written");
    let before = std::fs::read(dir.path().join("state.db")).expect("read");
    assert!(matches!(try_open(dir.path()), Err(StoreError::Unreadable { .. })));
    assert_eq!(std::fs::read(dir.path().join("state.db")).expect("read"), before);

    let dir = folder();
    let conn = Connection::open(dir.path().join("state.db")).expect("opens");
    conn.execute_batch("PRAGMA application_id = 7; CREATE TABLE other (a)").expect("made");
    drop(conn);
    assert!(matches!(try_open(dir.path()), Err(StoreError::NotOurs { found: 7, .. })));

    let dir = folder();
    drop(open(dir.path()));
    std::fs::remove_file(dir.path().join("state.db")).expect("removed");
    let error = try_open(dir.path()).expect_err("a silent new database would be a loss");
    assert!(matches!(error, StoreError::Missing { .. }));
    assert!(error.to_string().contains("Restore the newest backup"), "{error}");
    assert!(!dir.path().join("state.db").exists());
    std::fs::write(dir.path().join("state.db"), b"").expect("emptied");
    assert!(matches!(try_open(dir.path()), Err(StoreError::Missing { .. })), "an emptied file is as bad");
}

#[test]
fn a_log_whose_tree_does_not_fit_its_records_is_not_appended_to() {
    let dir = folder();
    let store = open(dir.path());
    store.write_blocking("adding", |tx| note(tx, 1)).expect("kept");
    store.shutdown();
    let conn = Connection::open(dir.path().join("state.db")).expect("opens");
    conn.execute_batch("DELETE FROM site_log").expect("tampered");
    drop(conn);
    let result = Store::open(&Config::for_dir(dir.path()), &[NOTES], system_clock());
    assert!(matches!(result, Err(StoreError::LogInconsistent(_))), "{result:?}");
}

#[test]
fn the_wal_is_emptied_at_shutdown_and_checkpointed_meanwhile() {
    let dir = folder();
    let store = open(dir.path());
    let text = "x".repeat(4_000);
    for id in 0..40_i64 {
        let text = text.clone();
        store
            .write_blocking("adding", move |tx| {
                for part in 0..50 {
                    tx.sql().execute(
                        "INSERT INTO note (id, text) VALUES (?1, ?2)",
                        params![id * 50 + part, text],
                    )?;
                }
                Ok::<_, rusqlite::Error>(())
            })
            .expect("kept");
    }
    store.shutdown();
    let wal = std::fs::metadata(dir.path().join("state.db-wal")).map_or(0, |file| file.len());
    assert_eq!(wal, 0);
    assert_eq!(ids(&open(dir.path())).len(), 2_000);
}

#[test]
fn lingering_collects_more_into_one_commit() {
    let dir = folder();
    let config = Config { linger_ms: 5_000, reserve_mib: 0, ..Config::for_dir(dir.path()) };
    let store = Store::open(&config, &[NOTES], system_clock()).expect("opens");
    assert_eq!(config.linger(), Duration::from_secs(5));
    let (answer, answers) = sync_channel(8);
    for id in 0..8 {
        let answer = answer.clone();
        store.submit(
            "adding",
            move |tx| note(tx, id),
            move |result| answer.send(result).expect("the test listens"),
        );
    }
    // Closing ends the wait, so nothing here depends on the time.
    let observer = store.clone();
    store.shutdown();
    for _ in 0..8 {
        answers.recv().expect("answered").expect("kept");
    }
    assert!(observer.stats().commits < 8, "fewer commits than writes: {}", observer.stats().commits);
}

/// Name of the variable that makes [`crash_child`] the child of the test below.
const CRASH_DIR: &str = "SITEWARDEN_STORE_CRASH_DIR";

/// Not a test of its own: writes without end and tells what was answered, until it is killed.
#[test]
fn crash_child() {
    use std::io::Write as _;

    let Some(dir) = std::env::var_os(CRASH_DIR) else { return };
    let store = open(Path::new(&dir));
    let first = ids(&store).last().copied().unwrap_or(0) + 1;
    let told = Arc::new(Mutex::new(std::io::stdout()));
    for id in first.. {
        let told = Arc::clone(&told);
        store.submit(
            "adding",
            move |tx| note(tx, id),
            move |result| {
                result.expect("kept");
                let mut told = told.lock().expect("no panic");
                writeln!(told, "acknowledged {id}").and_then(|()| told.flush()).expect("the parent reads");
            },
        );
    }
}

#[test]
fn a_killed_process_loses_nothing_that_was_answered_and_its_log_verifies() {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};

    let dir = folder();
    let mut told = Vec::new();
    for round in 1..=5 {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "--nocapture", "store::tests::crash_child"])
            .env(CRASH_DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let id = |line: std::io::Result<String>| {
            line.ok()
                .and_then(|line| line.split_once("acknowledged ").and_then(|(_, id)| id.parse::<i64>().ok()))
        };
        let before = told.len();
        while told.len() < before + round * 37 {
            let Some(line) = lines.next() else { panic!("the child ended by itself") };
            told.extend(id(line));
        }
        child.kill().expect("killed");
        child.wait().expect("gone");
        // A last line may be cut in the middle; whole ones were told and count.
        told.extend(lines.filter_map(id));

        let store = open(dir.path());
        let stored = ids(&store);
        assert!(told.iter().all(|id| stored.binary_search(id).is_ok()), "round {round}");
        let logged: Vec<i64> =
            records(&store).iter().filter_map(|record| record.body["id"].as_i64()).collect();
        assert_eq!(logged, stored.get(..logged.len()).unwrap_or_default(), "each row has its record");
        store.shutdown();
        let report = verify(dir.path());
        assert!(report.ok(), "{report}");
        assert_eq!(report.records, stored.len() as u64);
    }
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Keep,
    Fail,
    Panic,
    /// Fails on a constraint in the middle of its work and goes on as if nothing were.
    Swallow,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn in_any_schedule_what_was_answered_ok_is_there_and_nothing_else(
        ways in prop::collection::vec(prop_oneof![Just(Way::Keep), Just(Way::Fail), Just(Way::Panic), Just(Way::Swallow)], 1..60)
    ) {
        let dir = folder();
        let store = open(dir.path());
        let (answer, answers) = sync_channel(ways.len());
        for (id, way) in (1_i64..).zip(ways.iter().copied()) {
            let answer = answer.clone();
            let closure = move |tx: &Tx<'_>| {
                let seq = note(tx, id)?;
                match way {
                    Way::Keep => Ok(seq),
                    Way::Fail => Err(StoreError::LogInconsistent("on purpose".to_owned())),
                    Way::Panic => panic!("on purpose"),
                    Way::Swallow => {
                        let again = tx.sql().execute("INSERT INTO note (id, text) VALUES (?1, 'y')", [id]);
                        assert!(again.is_err(), "the id is taken");
                        Ok(seq)
                    }
                }
            };
            store.submit("trying", closure, move |result| answer.send((id, result.ok())).expect("the test listens"));
        }
        let mut expected = Vec::new();
        let mut seqs = Vec::new();
        for _ in 0..ways.len() {
            let (id, seq) = answers.recv().expect("answered");
            expected.extend(seq.map(|_| id));
            seqs.extend(seq);
        }
        expected.sort_unstable();
        store.shutdown();

        let store = open(dir.path());
        prop_assert_eq!(ids(&store), expected);
        seqs.sort_unstable();
        let stored: Vec<u64> = records(&store).iter().map(|record| record.seq).collect();
        prop_assert_eq!(stored, seqs);
        store.shutdown();
        prop_assert!(verify(dir.path()).ok());
    }
}
