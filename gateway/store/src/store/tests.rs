//! The writer, the readers and the site log on a real file: what is answered is there, what failed is not.
//!
//! No slice here: one table `note` stands for all. Power loss is not shown by these tests; the strace and
//! QEMU stories do that.

use std::path::Path;
use std::sync::Arc;

use sitewarden_core::gate::PolicyEpoch;
use sitewarden_core::{Action, Decider, Decision, Gate, Permit, Principal, Resource};

use super::Store;
use crate::config::Config;
use crate::error::{SqlContext as _, StoreError};
use crate::migrate::Migrations;
use crate::open::system_clock;
use crate::site_log::{self, Page};
use crate::tx::Tx;

mod answers;
mod checkpoints;
mod crash;
mod files;
mod log;
mod tampering;

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
