//! Signed checkpoints that were given out: kept, so that an old one can be proven to be the beginning of a new one.
//!
//! Nothing is signed here and no key is known; whoever signs hands the note over. Invariants: one note per size, the
//! first one stays; what is thinned out is never the newest or the oldest.

use rusqlite::{Connection, OptionalExtension, params};
use sitewarden_core::{Action, Permit, Resource, Timestamp};

use crate::error::{SqlContext, StoreError};
use crate::limits::CHECKPOINTS_KEPT;
use crate::tx::Tx;

/// One kept checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Records that it covers.
    pub size: u64,
    /// When it was signed.
    pub time: Timestamp,
    /// The signed note.
    pub note: String,
}

/// Keeps a signed note; one that covers as many records stays as it is. Beyond [`CHECKPOINTS_KEPT`] every second one of
/// the older half goes.
///
/// # Errors
/// [`StoreError`] when the permit is for something else or the table cannot be written.
pub fn keep(tx: &Tx<'_>, permit: Permit, size: u64, note: &str) -> Result<(), StoreError> {
    tx.spend(permit, Action::CheckpointKeep, &Resource::site())?;
    tx.sql()
        .prepare_cached(
            "INSERT INTO site_log_checkpoint (size, time, note) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        )
        .doing("preparing to keep a checkpoint")?
        .execute(params![size, tx.now().micros(), note])
        .doing("keeping a checkpoint")?;
    let count = count(tx.sql())?;
    if count > CHECKPOINTS_KEPT {
        tx.sql()
            .execute(
                "DELETE FROM site_log_checkpoint WHERE size IN (
                     SELECT size FROM (SELECT size, row_number() OVER (ORDER BY size) AS place FROM site_log_checkpoint)
                     WHERE place % 2 = 0 AND place < ?1)",
                [count / 2],
            )
            .doing("thinning out old checkpoints")?;
    }
    Ok(())
}

/// The newest kept checkpoint that covers at most `size` records.
///
/// # Errors
/// [`StoreError`] when the table cannot be read.
pub fn newest(conn: &Connection, size: u64) -> Result<Option<Kept>, StoreError> {
    conn.prepare_cached(
        "SELECT size, time, note FROM site_log_checkpoint WHERE size <= ?1 ORDER BY size DESC LIMIT 1",
    )
    .doing("preparing to read a checkpoint")?
    .query_row([i64::try_from(size).unwrap_or(i64::MAX)], from_row)
    .optional()
    .doing("reading a checkpoint")
}

/// The kept checkpoint that follows one of `size` records; verification walks through them so.
///
/// # Errors
/// [`StoreError`] when the table cannot be read.
pub fn next(conn: &Connection, size: Option<u64>) -> Result<Option<Kept>, StoreError> {
    let after = size.map_or(-1, |size| i64::try_from(size).unwrap_or(i64::MAX));
    conn.prepare_cached(
        "SELECT size, time, note FROM site_log_checkpoint WHERE size > ?1 ORDER BY size LIMIT 1",
    )
    .doing("preparing to read a checkpoint")?
    .query_row([after], from_row)
    .optional()
    .doing("reading a checkpoint")
}

/// How many are kept.
///
/// # Errors
/// [`StoreError`] when the table cannot be read.
pub fn count(conn: &Connection) -> Result<u64, StoreError> {
    conn.query_row("SELECT count(*) FROM site_log_checkpoint", [], |row| row.get(0))
        .doing("counting checkpoints")
}

fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Kept> {
    Ok(Kept { size: row.get(0)?, time: Timestamp::from_micros(row.get(1)?), note: row.get(2)? })
}
