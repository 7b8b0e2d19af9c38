//! Kept checkpoints: found by size, thinned out, and what a rewritten log does not fit.

use std::path::Path;

use rusqlite::{Connection, params};
use sitewarden_core::{Action, Permit, Resource, Timestamp};

use super::{folder, gate, note, open, records, system_permit, verify};
use crate::error::{SqlContext as _, StoreError};
use crate::site_log::{self, Problem};
use crate::store::Store;

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

/// A log of so many records, each of its own time and without any checkpoint.
fn unsigned_log(dir: &Path, records: i64, apart_seconds: i64) {
    let count = std::sync::atomic::AtomicI64::new(0);
    let clock: crate::Clock = std::sync::Arc::new(move || {
        let turn = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Timestamp::from_seconds(1_800_000_000 + turn * apart_seconds)
    });
    let config = crate::Config { reserve_mib: 1, ..crate::Config::for_dir(dir) };
    let store = Store::open(&config, &[super::NOTES], clock).expect("opens");
    for id in 1..=records {
        store.write_blocking("adding", move |tx| note(tx, id)).expect("kept");
    }
    store.shutdown();
}

#[test]
fn a_long_log_whose_checkpoints_are_all_gone_is_told_and_a_fresh_one_is_not() {
    let dir = folder();
    unsigned_log(dir.path(), 20, 1_000);
    let report = verify(dir.path());
    assert!(matches!(report.problems[..], [Problem::CheckpointsGone { records: 20, .. }]), "{report}");
    assert!(report.to_string().contains("no signed checkpoint is kept"), "{report}");
    // Few records of commands over days, and many of a first hour: no gateway signed these yet.
    for (records, apart) in [(10, 86_400), (60, 60)] {
        let dir = folder();
        unsigned_log(dir.path(), records, apart);
        let report = verify(dir.path());
        assert!(report.ok(), "{report}");
    }
}

#[test]
fn the_latest_time_of_the_newest_records_is_found_although_the_clock_went_back() {
    let dir = folder();
    unsigned_log(dir.path(), 0, 1);
    let conn = crate::open_read_only(&dir.path().join("state.db")).expect("opens for reading");
    assert_eq!(site_log::newest_time(&conn).expect("read"), None);
    drop(conn);
    let dir = folder();
    unsigned_log(dir.path(), 5, -100);
    let conn = crate::open_read_only(&dir.path().join("state.db")).expect("opens for reading");
    let newest = site_log::newest_time(&conn).expect("read").expect("there are records");
    let first: i64 =
        conn.query_row("SELECT time FROM site_log WHERE seq = 1", [], |row| row.get(0)).expect("read");
    assert_eq!(newest.micros(), first);
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
