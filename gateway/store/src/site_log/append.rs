//! The state of the tree that the writer keeps in memory between commits.
//!
//! It is read from the table once, moved by each append, put back when a closure is undone, and written
//! once per commit. Not used by readers. Invariant: at commit the table equals this state.

use rusqlite::{Connection, params};
use sitewarden_core::Timestamp;

use super::record::leaf_hash;
use super::tree::Frontier;
use crate::error::{SqlContext, StoreError};

/// Tree of the log as of the running transaction.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LogState {
    pub(crate) frontier: Frontier,
}

impl LogState {
    /// Reads the tree's row and checks that the records go as far as it says.
    pub(crate) fn load(conn: &Connection) -> Result<Self, StoreError> {
        let (size, bytes): (u64, Vec<u8>) = conn
            .query_row("SELECT size, frontier FROM site_log_tree WHERE id = 1", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .doing("reading the site log's tree")?;
        let last: u64 = conn
            .query_row("SELECT coalesce(max(seq), 0) FROM site_log", [], |row| row.get(0))
            .doing("reading the site log's last record")?;
        if last != size {
            return Err(StoreError::LogInconsistent(format!(
                "its tree has {size} leaves, its last record is {last}"
            )));
        }
        let frontier = Frontier::from_parts(size, &bytes)
            .ok_or_else(|| StoreError::LogInconsistent(format!("the frontier does not fit {size} leaves")))?;
        Ok(Self { frontier })
    }

    /// Appends a record and moves the tree.
    pub(crate) fn append(
        &mut self,
        conn: &Connection,
        time: Timestamp,
        kind: &str,
        body: &[u8],
    ) -> Result<u64, StoreError> {
        let seq = self.frontier.size() + 1;
        let hash = leaf_hash(seq, time, kind, body);
        conn.prepare_cached(
            "INSERT INTO site_log (seq, time, kind, body, leaf_hash) VALUES (?1, ?2, ?3, ?4, ?5)",
        )
        .doing("preparing a site-log record")?
        .execute(params![seq, time.micros(), kind, body, hash])
        .doing("appending to the site log")?;
        self.frontier.push(hash);
        Ok(seq)
    }

    /// Writes the tree's row; called once per commit.
    pub(crate) fn save(&self, conn: &Connection) -> Result<(), StoreError> {
        conn.prepare_cached("UPDATE site_log_tree SET size = ?1, frontier = ?2 WHERE id = 1")
            .doing("preparing the site log's tree")?
            .execute(params![self.frontier.size(), self.frontier.to_bytes()])
            .doing("moving the site log's tree")?;
        Ok(())
    }
}
