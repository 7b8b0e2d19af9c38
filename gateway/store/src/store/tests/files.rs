//! The state folder: full, locked, damaged, of another program, vanished; and what shutdown leaves in it.

use std::path::Path;

use rusqlite::{Connection, params};

use super::{NOTES, folder, ids, note, open};
use crate::Space;
use crate::config::Config;
use crate::error::{StoreError, WriteError};
use crate::open::system_clock;
use crate::store::Store;

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
fn a_file_in_the_place_of_the_folder_is_told_with_what_to_do() {
    let dir = folder();
    let file = dir.path().join("file");
    std::fs::write(&file, "x").expect("own folder");
    for place in [file.clone(), file.join("below")] {
        let error =
            Store::open(&Config::for_dir(&place), &[NOTES], system_clock()).expect_err("not a folder");
        let text = error.to_string();
        assert!(text.contains("cannot be the state folder") && text.contains("--state"), "{text}");
    }
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
