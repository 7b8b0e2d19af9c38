//! The row of a finding, read and written.
//!
//! SQL of single rows lives here; lists are in `read`. Invariant: a value that the enums do not know is an error, never a
//! default.

use rusqlite::{OptionalExtension, Row, params};
use sitewarden_core::{AssetRef, FindingStatus, Severity, Timestamp};
use sitewarden_store::{SqlContext, Tx};

use crate::error::FindingError;
use crate::limits::HISTORY;

/// A finding as stored.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Finding {
    pub(crate) id: u64,
    pub(crate) rule_id: String,
    pub(crate) title: String,
    pub(crate) summary: String,
    pub(crate) severity: Severity,
    pub(crate) status: FindingStatus,
    pub(crate) asset: Option<AssetRef>,
    pub(crate) asset_name: String,
    pub(crate) techniques: Vec<String>,
    pub(crate) first_seen: Timestamp,
    pub(crate) last_seen: Timestamp,
    pub(crate) listed: Timestamp,
    pub(crate) recorded: Timestamp,
    pub(crate) count: u64,
    pub(crate) changes: u64,
    pub(crate) changes_since: Timestamp,
    pub(crate) assignee: Option<String>,
    pub(crate) demo: bool,
    pub(crate) log_seq: u64,
}

pub(crate) const COLUMNS: &str = "id, rule_id, title, summary, severity, status, asset, asset_name, techniques, first_seen, last_seen, recorded, count, changes, changes_since, assignee, demo, log_seq, listed";

pub(crate) const fn severity_number(severity: Severity) -> i64 {
    match severity {
        Severity::Info => 0,
        Severity::Low => 1,
        Severity::Medium => 2,
        Severity::High => 3,
        Severity::Critical => 4,
    }
}

pub(crate) fn severity_of(number: i64) -> Option<Severity> {
    [Severity::Info, Severity::Low, Severity::Medium, Severity::High, Severity::Critical]
        .into_iter()
        .find(|severity| severity_number(*severity) == number)
}

/// Reads [`COLUMNS`].
pub(crate) fn from_row(row: &Row<'_>) -> rusqlite::Result<Result<Finding, FindingError>> {
    let id: u64 = row.get(0)?;
    let severity: i64 = row.get(4)?;
    let status: String = row.get(5)?;
    let techniques: String = row.get(8)?;
    let bad = |column, value: String| Ok(Err(FindingError::BadRow { id, column, value }));
    let Some(severity) = severity_of(severity) else {
        return bad("severity", severity.to_string());
    };
    let Some(status) = FindingStatus::parse(&status) else {
        return bad("status", status);
    };
    let Ok(techniques) = serde_json::from_str(&techniques) else {
        return bad("techniques", techniques);
    };
    Ok(Ok(Finding {
        id,
        rule_id: row.get(1)?,
        title: row.get(2)?,
        summary: row.get(3)?,
        severity,
        status,
        asset: row.get::<_, Option<String>>(6)?.map(|asset| AssetRef::new(&asset)),
        asset_name: row.get(7)?,
        techniques,
        first_seen: Timestamp::from_micros(row.get(9)?),
        last_seen: Timestamp::from_micros(row.get(10)?),
        recorded: Timestamp::from_micros(row.get(11)?),
        count: row.get(12)?,
        changes: row.get(13)?,
        changes_since: Timestamp::from_micros(row.get(14)?),
        assignee: row.get(15)?,
        demo: row.get(16)?,
        log_seq: row.get(17)?,
        listed: Timestamp::from_micros(row.get(18)?),
    }))
}

pub(crate) fn by_key(tx: &Tx<'_>, key: &str) -> Result<Option<Finding>, FindingError> {
    one(tx.sql(), "dedup_key = ?1", key)
}

pub(crate) fn by_id(conn: &rusqlite::Connection, id: u64) -> Result<Finding, FindingError> {
    one(conn, "id = ?1", id)?.ok_or(FindingError::NotFound(id))
}

fn one(
    conn: &rusqlite::Connection,
    condition: &str,
    value: impl rusqlite::ToSql,
) -> Result<Option<Finding>, FindingError> {
    conn.prepare_cached(&format!("SELECT {COLUMNS} FROM finding WHERE {condition}"))
        .doing("preparing to read a finding")?
        .query_row([value], from_row)
        .optional()
        .doing("reading a finding")?
        .transpose()
}

/// Writes what a repeat without a record changes: no indexed column.
pub(crate) fn count(tx: &Tx<'_>, finding: &Finding) -> Result<(), FindingError> {
    tx.sql()
        .prepare_cached("UPDATE finding SET first_seen = ?2, last_seen = ?3, count = ?4 WHERE id = ?1")
        .doing("preparing to count a finding")?
        .execute(params![finding.id, finding.first_seen.micros(), finding.last_seen.micros(), finding.count])
        .doing("counting a finding")?;
    Ok(())
}

/// Writes everything of a row that can change.
pub(crate) fn update(tx: &Tx<'_>, finding: &Finding) -> Result<(), FindingError> {
    tx.sql()
        .prepare_cached(
            "UPDATE finding SET title = ?2, summary = ?3, severity = ?4, status = ?5, asset_name = ?6,
             first_seen = ?7, last_seen = ?8, recorded = ?9, count = ?10, changes = ?11, changes_since = ?12,
             assignee = ?13, log_seq = ?14, listed = ?8 WHERE id = ?1",
        )
        .doing("preparing to change a finding")?
        .execute(params![
            finding.id,
            finding.title,
            finding.summary,
            severity_number(finding.severity),
            finding.status.as_str(),
            finding.asset_name,
            finding.first_seen.micros(),
            finding.last_seen.micros(),
            finding.recorded.micros(),
            finding.count,
            finding.changes,
            finding.changes_since.micros(),
            finding.assignee,
            finding.log_seq,
        ])
        .doing("changing a finding")?;
    Ok(())
}

/// Adds a line to the finding's own history and keeps the newest [`HISTORY`].
pub(crate) fn add_history(
    tx: &Tx<'_>,
    id: u64,
    log_seq: u64,
    actor: &str,
    kind: &str,
    note: &str,
) -> Result<(), FindingError> {
    tx.sql()
        .prepare_cached(
            "INSERT INTO finding_history (finding_id, log_seq, time, actor, kind, note) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )
        .doing("preparing a finding's history")?
        .execute(params![id, log_seq, tx.now().micros(), actor, kind, note])
        .doing("adding to a finding's history")?;
    tx.sql()
        .prepare_cached(
            "DELETE FROM finding_history WHERE finding_id = ?1 AND log_seq <= (
                SELECT log_seq FROM finding_history WHERE finding_id = ?1 ORDER BY log_seq DESC LIMIT 1 OFFSET ?2)",
        )
        .doing("preparing to shorten a finding's history")?
        .execute(params![id, HISTORY])
        .doing("shortening a finding's history")?;
    Ok(())
}

/// Cuts a text at a character boundary.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
