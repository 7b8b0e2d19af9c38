//! Every change that somebody makes to the stored log beside the program is found and named.

use rusqlite::{Connection, params};
use sitewarden_core::Timestamp;

use super::{folder, note, open, verify};
use crate::site_log::{self, Problem};

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
