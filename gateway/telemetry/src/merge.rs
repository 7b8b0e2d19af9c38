//! The background job: journal blocks into chunks per series and hour, and retention.
//!
//! A merge reads and compresses outside of the writer, writes its chunks in short steps, and one last
//! step makes them visible and the blocks invisible at once. A crash in between leaves chunks of a merge
//! that never became visible; the next merge removes them. Invariants: a reading is visible in exactly
//! one place; a step holds the writer for a few milliseconds, and for less while somebody waits for it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, params};
use sitewarden_core::{Action, Gate, Permit, Reading, Resource, Timestamp};
use sitewarden_store::{SqlContext as _, Store, StoreError, Tx};

use crate::TelemetryError;
use crate::chunk::{self, HOUR, Point};
use crate::journal::{self, Block};
use crate::limits::{MERGE_ENTRIES, SERIES, SERIES_PER_ASSET, STEP_ROWS, STEP_ROWS_AWAITED};
use crate::unknown;

/// What one merge did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Readings that are now in chunks.
    pub readings: u64,
    /// Readings dropped because there are too many series.
    pub dropped: u64,
}

/// How far the journal is merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) block: u64,
    pub(crate) merge: u64,
}

pub(crate) fn progress(conn: &Connection) -> Result<Progress, StoreError> {
    conn.query_row("SELECT merged_block, merge FROM reading_state WHERE id = 1", [], |row| {
        Ok(Progress { block: row.get(0)?, merge: row.get(1)? })
    })
    .doing("reading how far the journal is merged")
}

struct Plan {
    progress: Progress,
    last: u64,
    block: Block,
    series: HashMap<(String, String, String), i64>,
    next_series: i64,
}

/// Merges what the journal holds now.
///
/// # Errors
/// [`TelemetryError`]; then nothing became visible or invisible.
pub async fn merge(store: &Store, gate: &Gate) -> Result<Merged, TelemetryError> {
    let plan = store.read(plan).await.map_err(TelemetryError::read)?;
    if plan.last == plan.progress.block {
        return Ok(Merged::default());
    }
    let merge = plan.progress.merge + 1;
    let (series, chunks, latest, merged) = group(&plan.block.readings, plan.series, plan.next_series);
    write(store, "removing what an unfinished merge left", move |tx| {
        tx.sql()
            .prepare_cached("DELETE FROM reading_chunk WHERE merge >= ?1")
            .doing("preparing to remove chunks")?
            .execute(params![merge])
            .doing("removing chunks of an unfinished merge")
            .map_err(TelemetryError::from)
    })
    .await?;
    let bytes: u64 = chunks.iter().map(|(.., bytes)| bytes.len() as u64).sum();
    in_steps(store, "naming series", series, insert_series).await?;
    in_steps(store, "writing chunks", chunks, move |tx, chunk| insert_chunk(tx, merge, chunk)).await?;
    in_steps(store, "keeping latest values", latest, insert_latest).await?;
    let permit = gate.system("telemetry", Action::TelemetryAppend, Resource::site());
    let (last, block) = (plan.last, plan.block.unknown);
    write(store, "finishing a merge", move |tx| {
        let _ = tx.spend(permit, Action::TelemetryAppend, &Resource::site())?;
        unknown::count(tx, &block)?;
        tx.sql()
            .execute(
                "UPDATE reading_state SET merged_block = ?1, merge = ?2, chunk_bytes = chunk_bytes + ?3 WHERE id = 1",
                params![last, merge, bytes],
            )
            .doing("moving the merge")
            .map_err(TelemetryError::from)
    })
    .await?;
    while write(store, "removing merged blocks", remove_merged).await? {}
    Ok(merged)
}

async fn write<R: Send + 'static>(
    store: &Store,
    what: &'static str,
    step: impl FnOnce(&Tx<'_>) -> Result<R, TelemetryError> + Send + 'static,
) -> Result<R, TelemetryError> {
    store.write(what, step).await.map_err(TelemetryError::write)
}

/// Writes all rows, in steps that end when others wait for the writer.
async fn in_steps<T: Send + Sync + 'static>(
    store: &Store,
    what: &'static str,
    rows: Vec<T>,
    insert: impl Fn(&Tx<'_>, &T) -> Result<(), TelemetryError> + Send + Sync + 'static,
) -> Result<(), TelemetryError> {
    let (rows, insert) = (Arc::new(rows), Arc::new(insert));
    let mut done = 0;
    while done < rows.len() {
        let (rows, insert) = (Arc::clone(&rows), Arc::clone(&insert));
        done += write(store, what, move |tx| {
            let mut count = 0;
            for row in rows.iter().skip(done) {
                if is_over(tx, count) {
                    break;
                }
                insert(tx, row)?;
                count += 1;
            }
            Ok(count)
        })
        .await?;
    }
    Ok(())
}

/// Whether a step that did so many rows ends here.
fn is_over(tx: &Tx<'_>, rows: usize) -> bool {
    rows >= STEP_ROWS || rows >= STEP_ROWS_AWAITED && tx.is_awaited()
}

fn plan(conn: &Connection) -> Result<Plan, TelemetryError> {
    let progress = progress(conn)?;
    let (block, last) = journal::read_after(conn, progress.block, MERGE_ENTRIES)?;
    let mut statement = conn
        .prepare_cached("SELECT id, asset, metric, unit FROM reading_series")
        .doing("preparing to read series")?;
    let rows = statement
        .query_map([], |row| Ok(((row.get(1)?, row.get(2)?, row.get(3)?), row.get(0)?)))
        .doing("reading series")?;
    let series: HashMap<_, i64> = rows.collect::<Result<_, _>>().doing("reading series")?;
    let next_series = series.values().max().copied().unwrap_or(0) + 1;
    Ok(Plan { progress, last, block, series, next_series })
}

type NewSeries = (i64, String, String, String);
type NewChunk = (i64, i64, Timestamp, usize, Vec<u8>);
type NewLatest = (i64, Timestamp, Vec<u8>);

/// Sorts readings into series and hours; new series get numbers, up to the bounds.
fn group(
    readings: &[Reading],
    mut known: HashMap<(String, String, String), i64>,
    mut next: i64,
) -> (Vec<NewSeries>, Vec<NewChunk>, Vec<NewLatest>, Merged) {
    let mut per_asset: HashMap<String, usize> = HashMap::new();
    for (asset, _, _) in known.keys() {
        *per_asset.entry(asset.clone()).or_default() += 1;
    }
    let (mut new, mut merged) = (Vec::new(), Merged::default());
    let mut hours: BTreeMap<(i64, i64), Vec<Point>> = BTreeMap::new();
    let mut latest: BTreeMap<i64, Point> = BTreeMap::new();
    for reading in readings {
        let key = (reading.asset.as_str().to_owned(), reading.metric.to_string(), reading.unit.to_string());
        let id = match known.get(&key) {
            Some(id) => *id,
            None => {
                let of_asset = per_asset.entry(key.0.clone()).or_default();
                if known.len() >= SERIES || *of_asset >= SERIES_PER_ASSET {
                    merged.dropped += 1;
                    continue;
                }
                *of_asset += 1;
                new.push((next, key.0.clone(), key.1.clone(), key.2.clone()));
                known.insert(key, next);
                next += 1;
                next - 1
            }
        };
        let point = Point {
            time: reading.time,
            received: reading.received,
            time_source: reading.time_source,
            value: reading.value.clone(),
            trusted: reading.trusted,
        };
        if latest.get(&id).is_none_or(|newest| newest.age_key() <= point.age_key()) {
            latest.insert(id, point.clone());
        }
        hours.entry((id, reading.time.micros().div_euclid(HOUR))).or_default().push(point);
        merged.readings += 1;
    }
    let chunks = hours
        .into_iter()
        .map(|((series, hour), mut points)| {
            points.sort_by_key(|point| (point.time, point.received));
            let received = points.iter().map(|point| point.received).max().unwrap_or_default();
            (series, hour, received, points.len(), chunk::encode(&points))
        })
        .collect();
    let latest = latest
        .into_iter()
        .map(|(series, point)| (series, point.age_key().0, chunk::encode(&[point])))
        .collect();
    (new, chunks, latest, merged)
}

fn insert_series(tx: &Tx<'_>, (id, asset, metric, unit): &NewSeries) -> Result<(), TelemetryError> {
    tx.sql()
        .prepare_cached("INSERT INTO reading_series (id, asset, metric, unit) VALUES (?1, ?2, ?3, ?4)")
        .doing("preparing series")?
        .execute(params![id, asset, metric, unit])
        .doing("naming a series")?;
    Ok(())
}

fn insert_chunk(
    tx: &Tx<'_>,
    merge: u64,
    (series, hour, received, count, bytes): &NewChunk,
) -> Result<(), TelemetryError> {
    tx.claim_bulk()?;
    tx.sql()
        .prepare_cached(
            "INSERT INTO reading_chunk (series_id, hour, merge, received, count, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )
        .doing("preparing chunks")?
        .execute(params![series, hour, merge, received.micros(), count, bytes])
        .doing("writing a chunk")?;
    Ok(())
}

fn insert_latest(tx: &Tx<'_>, (series, time, bytes): &NewLatest) -> Result<(), TelemetryError> {
    tx.sql()
        .prepare_cached(
            "INSERT INTO reading_latest (series_id, time, bytes) VALUES (?1, ?2, ?3)
             ON CONFLICT (series_id) DO UPDATE SET time = ?2, bytes = ?3 WHERE time <= ?2",
        )
        .doing("preparing latest values")?
        .execute(params![series, time.micros(), bytes])
        .doing("keeping a latest value")?;
    Ok(())
}

/// Removes blocks that are in chunks; true when more are left.
fn remove_merged(tx: &Tx<'_>) -> Result<bool, TelemetryError> {
    let mut statement = tx
        .sql()
        .prepare_cached(
            "DELETE FROM reading_block WHERE id IN (
                 SELECT id FROM reading_block
                 WHERE id <= (SELECT min(merged_block, released_block) FROM reading_state) LIMIT ?1)",
        )
        .doing("preparing to remove merged blocks")?;
    let mut removed = 0;
    while !is_over(tx, removed) {
        let step = statement.execute(params![STEP_ROWS_AWAITED]).doing("removing merged blocks")?;
        if step < STEP_ROWS_AWAITED {
            return Ok(false);
        }
        removed += step;
    }
    Ok(true)
}

/// Bounds of what is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Readings that arrived before this are removed.
    pub arrived_before: Timestamp,
    /// Most bytes of chunks; the oldest by arrival go first.
    pub bytes: u64,
}

/// Removes one step of chunks that are too old or too many; gives how many rows went (zero when done).
///
/// # Errors
/// [`TelemetryError`].
pub fn prune(tx: &Tx<'_>, permit: Permit, keep: Retention) -> Result<usize, TelemetryError> {
    let _ = tx.spend(permit, Action::RetentionPrune, &Resource::site())?;
    let kept: u64 = tx
        .sql()
        .query_row("SELECT chunk_bytes FROM reading_state WHERE id = 1", [], |row| row.get(0))
        .doing("measuring chunks")?;
    // Over the bound, the oldest step goes whatever its age.
    let before = if kept > keep.bytes { oldest_step(tx.sql())? } else { keep.arrived_before.micros() };
    let mut statement = tx
        .sql()
        .prepare_cached(
            "DELETE FROM reading_chunk WHERE (series_id, hour, merge) IN (
                 SELECT series_id, hour, merge FROM reading_chunk
                 WHERE received < ?1 AND merge <= (SELECT merge FROM reading_state) ORDER BY received LIMIT ?2)
             RETURNING length(bytes)",
        )
        .doing("preparing retention")?;
    let removed = statement
        .query_map(params![before, STEP_ROWS], |row| row.get::<_, u64>(0))
        .doing("removing old readings")?
        .collect::<Result<Vec<_>, _>>()
        .doing("removing old readings")?;
    tx.sql()
        .execute(
            "UPDATE reading_state SET chunk_bytes = max(0, chunk_bytes - ?1) WHERE id = 1",
            params![removed.iter().sum::<u64>()],
        )
        .doing("measuring chunks")?;
    Ok(removed.len())
}

/// Arrival time up to which the oldest step of chunks reaches.
fn oldest_step(conn: &Connection) -> Result<i64, StoreError> {
    let nth: Option<i64> = conn
        .query_row(
            "SELECT received FROM reading_chunk ORDER BY received LIMIT 1 OFFSET ?1",
            params![STEP_ROWS],
            |row| row.get(0),
        )
        .optional()
        .doing("finding the oldest readings")?;
    // Fewer rows than one step: all of them are the oldest step.
    Ok(nth.unwrap_or(i64::MAX))
}
