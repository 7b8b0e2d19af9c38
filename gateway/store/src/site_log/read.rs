//! Reading the log: by cursor in order, and newest first with a filter.
//!
//! Reads take a read-only connection and change nothing. Invariant: a cursor gets the records that follow
//! it without a gap, or is told to begin anew.

use rusqlite::{Connection, Row, params};
use serde::Serialize;
use sitewarden_core::Timestamp;

use super::record::Record;
use super::tree::{Frontier, Hash};
use crate::error::{SqlContext, StoreError};
use crate::limits::{BYTES_PER_READ, NEWEST_RECORDS, RECORDS_PER_READ};

/// Size and root of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of records ever appended.
    pub size: u64,
    /// RFC 6962 root over all of them.
    pub root: Hash,
}

/// What a cursor gets.
#[derive(Clone, Debug, PartialEq)]
pub enum Page {
    /// The records after the cursor, oldest first; empty at the end of the log.
    Records(Vec<Record>),
    /// The cursor is before what is kept, or beyond the end (another log). Whoever shows the present state
    /// goes on after `head`; whoever must have all that is kept goes on after [`oldest_cursor`].
    Reset {
        /// Number of the newest record.
        head: u64,
    },
}

/// A record with its body as it is stored, for whoever hands it on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawRecord {
    /// Sequence number, from 1.
    pub seq: u64,
    /// Wall time of the box when it was appended.
    pub time: Timestamp,
    /// What kind of change.
    pub kind: String,
    /// The bytes that its leaf hash covers.
    pub body: Vec<u8>,
}

/// A record as [`walk_raw`] shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawRef<'a> {
    /// Sequence number, from 1.
    pub seq: u64,
    /// Wall time of the box when it was appended.
    pub time: Timestamp,
    /// What kind of change.
    pub kind: &'a str,
    /// The bytes that its leaf hash covers.
    pub body: &'a [u8],
}

/// What a cursor over the stored bytes gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawPage {
    /// The records after the cursor, oldest first; empty at the end of the log.
    Records(Vec<RawRecord>),
    /// The cursor is before what is kept, or beyond the end (another log).
    Reset {
        /// Number of the newest record.
        head: u64,
        /// Number of the newest pruned record: the first cursor that can be served.
        oldest: u64,
    },
}

/// How a walk over the stored bytes ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walked {
    /// Where it should, with all records up to there shown.
    Through,
    /// Before it began: the cursor is before what is kept, or beyond the end (another log).
    Reset {
        /// Number of the newest record.
        head: u64,
        /// Number of the newest pruned record: the first cursor that can be served.
        oldest: u64,
    },
}

/// Which records a person asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Filter {
    /// Kind, or its beginning up to a dot: `finding` finds `finding.raised`.
    pub kind: Option<String>,
    /// Actor label: `person:elin`.
    pub actor: Option<String>,
    /// Only records before this number; none means from the newest on.
    pub before: Option<u64>,
}

/// Size and root of the log.
///
/// # Errors
/// [`StoreError`] when the table cannot be read or its frontier does not fit its size.
pub fn head(conn: &Connection) -> Result<Head, StoreError> {
    let (size, bytes): (u64, Vec<u8>) = conn
        .query_row("SELECT size, frontier FROM site_log_tree WHERE id = 1", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .doing("reading the site log's tree")?;
    let frontier = Frontier::from_parts(size, &bytes)
        .ok_or_else(|| StoreError::LogInconsistent(format!("the frontier does not fit {size} leaves")))?;
    Ok(Head { size, root: frontier.root() })
}

/// The records after a cursor, oldest first, at most `limit`, [`RECORDS_PER_READ`] and about
/// [`BYTES_PER_READ`]. Fewer than `limit` does not mean the end; none does.
///
/// # Errors
/// [`StoreError`] when the table cannot be read or a body is not JSON.
pub fn read(conn: &Connection, after: u64, limit: usize) -> Result<Page, StoreError> {
    let (size, pruned): (u64, u64) = conn
        .query_row("SELECT size, pruned_through FROM site_log_tree WHERE id = 1", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .doing("reading the site log's tree")?;
    if after < pruned || after > size {
        return Ok(Page::Reset { head: size });
    }
    let mut statement = conn
        .prepare_cached(
            "SELECT seq, time, kind, body, leaf_hash FROM site_log WHERE seq > ?1 ORDER BY seq LIMIT ?2",
        )
        .doing("preparing to read the site log")?;
    let rows = statement
        .query_map(params![after, limit.min(RECORDS_PER_READ)], from_row)
        .doing("reading the site log")?;
    let (mut records, mut bytes) = (Vec::new(), 0);
    for row in rows {
        let (record, length) = row.doing("reading the site log")?;
        records.push(record);
        bytes += length;
        if bytes >= BYTES_PER_READ {
            break;
        }
    }
    Ok(Page::Records(records))
}

/// The records after a cursor as they are stored, oldest first, with the same bounds as [`read`].
///
/// # Errors
/// [`StoreError`] when the table cannot be read.
pub fn read_raw(conn: &Connection, after: u64, limit: usize) -> Result<RawPage, StoreError> {
    let (mut records, mut bytes) = (Vec::new(), 0);
    let walked = walk_raw(conn, after, limit, |record| {
        let RawRef { seq, time, kind, body } = record;
        records.push(RawRecord { seq, time, kind: kind.to_owned(), body: body.to_owned() });
        bytes += body.len();
        Ok::<_, StoreError>(bytes < BYTES_PER_READ)
    })?;
    Ok(match walked {
        Walked::Through => RawPage::Records(records),
        Walked::Reset { head, oldest } => RawPage::Reset { head, oldest },
    })
}

/// Shows the records after a cursor as they are stored, oldest first, at most `limit` and [`RECORDS_PER_READ`], without a copy,
/// until `take` says false or fails.
///
/// # Errors
/// [`StoreError`] when the table cannot be read; what `take` fails with.
pub fn walk_raw<E: From<StoreError>>(
    conn: &Connection,
    after: u64,
    limit: usize,
    mut take: impl FnMut(RawRef<'_>) -> Result<bool, E>,
) -> Result<Walked, E> {
    let (head, oldest) = (size(conn)?, oldest_cursor(conn)?);
    if after < oldest || after > head {
        return Ok(Walked::Reset { head, oldest });
    }
    let mut statement = conn
        .prepare_cached("SELECT seq, time, kind, body FROM site_log WHERE seq > ?1 ORDER BY seq LIMIT ?2")
        .doing("preparing to read the site log")?;
    let mut rows =
        statement.query(params![after, limit.min(RECORDS_PER_READ)]).doing("reading the site log")?;
    while let Some(row) = rows.next().doing("reading the site log")? {
        if !take(raw_from_row(row).doing("reading the site log")?)? {
            break;
        }
    }
    Ok(Walked::Through)
}

fn raw_from_row<'r>(row: &'r Row<'_>) -> rusqlite::Result<RawRef<'r>> {
    let (kind, body) = (row.get_ref(2)?.as_str()?, row.get_ref(3)?.as_blob()?);
    Ok(RawRef { seq: row.get(0)?, time: Timestamp::from_micros(row.get(1)?), kind, body })
}

/// The latest time among the newest [`NEWEST_RECORDS`] records: a clock that says less is behind. `None` without records.
///
/// # Errors
/// [`StoreError`] when the table cannot be read.
pub fn newest_time(conn: &Connection) -> Result<Option<Timestamp>, StoreError> {
    conn.prepare_cached("SELECT max(time) FROM (SELECT time FROM site_log ORDER BY seq DESC LIMIT ?1)")
        .doing("preparing to read the newest time")?
        .query_row([NEWEST_RECORDS], |row| Ok(row.get::<_, Option<i64>>(0)?.map(Timestamp::from_micros)))
        .doing("reading the newest time of the site log")
}

/// Number of records ever appended.
///
/// # Errors
/// [`StoreError`] when the table cannot be read.
pub fn size(conn: &Connection) -> Result<u64, StoreError> {
    conn.query_row("SELECT size FROM site_log_tree WHERE id = 1", [], |row| row.get(0))
        .doing("reading the site log's tree")
}

/// The first cursor that can be served: the number of the newest pruned record.
///
/// # Errors
/// [`StoreError`] when the table cannot be read.
pub fn oldest_cursor(conn: &Connection) -> Result<u64, StoreError> {
    conn.query_row("SELECT pruned_through FROM site_log_tree WHERE id = 1", [], |row| row.get(0))
        .doing("reading the site log's tree")
}

/// Records that fit a filter, newest first, at most `limit` and at most [`RECORDS_PER_READ`].
///
/// # Errors
/// [`StoreError`] when the table cannot be read.
pub fn search(conn: &Connection, filter: &Filter, limit: usize) -> Result<Vec<Record>, StoreError> {
    let mut statement = conn
        .prepare_cached(
            "SELECT seq, time, kind, body, leaf_hash FROM site_log
             WHERE seq < ?1 AND body IS NOT NULL
               AND (?2 IS NULL OR kind = ?2 OR substr(kind, 1, length(?2) + 1) = ?2 || '.')
               AND (?3 IS NULL OR CAST(body AS TEXT) ->> '$.actor' = ?3)
             ORDER BY seq DESC LIMIT ?4",
        )
        .doing("preparing to search the site log")?;
    let before = i64::try_from(filter.before.unwrap_or(u64::MAX)).unwrap_or(i64::MAX);
    let rows = statement
        .query_map(params![before, filter.kind, filter.actor, limit.min(RECORDS_PER_READ)], from_row)
        .doing("searching the site log")?;
    rows.map(|row| Ok(row.doing("searching the site log")?.0)).collect()
}

/// A record and the length of its body.
fn from_row(row: &Row<'_>) -> rusqlite::Result<(Record, usize)> {
    let body: Option<Vec<u8>> = row.get(3)?;
    let length = body.as_ref().map_or(0, Vec::len);
    let body = match body {
        None => serde_json::Value::Null,
        Some(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(3, rusqlite::types::Type::Blob, Box::new(error))
        })?,
    };
    let record = Record {
        seq: row.get(0)?,
        time: Timestamp::from_micros(row.get(1)?),
        kind: row.get(2)?,
        body,
        leaf_hash: row.get(4)?,
    };
    Ok((record, length))
}
