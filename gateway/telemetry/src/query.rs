//! Raw readings of one metric of one asset over a span of event time, and the latest values.
//!
//! Chunks by their key, then the part of the journal that is not merged yet. Invariant: the answer is in
//! order of (time, arrival) and holds each reading once.

use rusqlite::{Connection, params};
use sitewarden_core::Timestamp;
use sitewarden_store::{SqlContext as _, StoreError};

use crate::TelemetryError;
use crate::chunk::{self, HOUR, Point};
use crate::journal;
use crate::latest::Latest;
use crate::merge::progress;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Asset id.
    pub asset: String,
    /// Metric.
    pub metric: String,
    /// From this event time on.
    pub from: Timestamp,
    /// Up to this event time, exclusive.
    pub to: Timestamp,
}

/// A point and the unit of its series.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// The reading.
    pub point: Point,
    /// Unit of the series.
    pub unit: String,
}

/// The readings that fit, in order of time; at most `limit` after skipping `skip`. Walks hour by hour and stops
/// when it has enough, so that a page costs what it shows and not what the span holds.
///
/// # Errors
/// [`TelemetryError`].
pub fn readings(
    conn: &Connection,
    query: &Query,
    skip: usize,
    limit: usize,
) -> Result<Vec<Value>, TelemetryError> {
    let progress = progress(conn)?;
    let series = series(conn, query)?;
    let mut values = waiting_values(conn, query, progress.block)?;
    let wanted = skip.saturating_add(limit);
    let last = query.to.micros().div_euclid(HOUR);
    let mut next = Some(query.from.micros().div_euclid(HOUR));
    while let Some(from) = next {
        let Some(hour) = next_hour(conn, &series, from)?.filter(|hour| *hour <= last) else { break };
        // Whatever comes now is of this hour or later: what is earlier stands in its final place.
        let settled =
            values.iter().filter(|value| value.point.time.micros() < hour.saturating_mul(HOUR)).count();
        if settled >= wanted {
            break;
        }
        for (id, unit) in &series {
            values.extend(chunk_values(conn, query, *id, unit, hour, progress.merge)?);
        }
        next = hour.checked_add(1);
    }
    values.sort_by_key(|value| (value.point.time, value.point.received));
    Ok(values.into_iter().skip(skip).take(limit).collect())
}

impl Query {
    fn fits(&self, time: Timestamp) -> bool {
        self.from <= time && time < self.to
    }
}

/// Numbers and units of the series that are asked for: one, or a few when the unit changed.
fn series(conn: &Connection, query: &Query) -> Result<Vec<(i64, String)>, StoreError> {
    let mut statement = conn
        .prepare_cached("SELECT id, unit FROM reading_series WHERE asset = ?1 AND metric = ?2")
        .doing("preparing to find a series")?;
    let rows = statement
        .query_map(params![query.asset, query.metric], |row| Ok((row.get(0)?, row.get(1)?)))
        .doing("finding a series")?;
    rows.collect::<Result<_, _>>().doing("finding a series")
}

/// The first hour from this one on in which one of the series has a chunk.
fn next_hour(conn: &Connection, series: &[(i64, String)], from: i64) -> Result<Option<i64>, StoreError> {
    let mut statement = conn
        .prepare_cached("SELECT min(hour) FROM reading_chunk WHERE series_id = ?1 AND hour >= ?2")
        .doing("preparing to find an hour")?;
    let mut first: Option<i64> = None;
    for (id, _) in series {
        let hour: Option<i64> =
            statement.query_row(params![id, from], |row| row.get(0)).doing("finding an hour")?;
        first = match (first, hour) {
            (Some(known), Some(hour)) => Some(known.min(hour)),
            (known, hour) => known.or(hour),
        };
    }
    Ok(first)
}

fn chunk_values(
    conn: &Connection,
    query: &Query,
    series: i64,
    unit: &str,
    hour: i64,
    merge: u64,
) -> Result<Vec<Value>, TelemetryError> {
    let mut statement = conn
        .prepare_cached("SELECT bytes FROM reading_chunk WHERE series_id = ?1 AND hour = ?2 AND merge <= ?3")
        .doing("preparing a query of readings")?;
    let mut rows = statement.query(params![series, hour, merge]).doing("querying readings")?;
    let mut values = Vec::new();
    while let Some(row) = rows.next().doing("querying readings")? {
        let bytes: Vec<u8> = row.get(0).doing("reading a chunk")?;
        match chunk::decode(&bytes) {
            Ok(points) => values.extend(
                points
                    .into_iter()
                    .filter(|point| query.fits(point.time))
                    .map(|point| Value { point, unit: unit.to_owned() }),
            ),
            // One damaged chunk must not hide the others.
            Err(error) => {
                tracing::warn!(asset = query.asset, metric = query.metric, %error, "a chunk is skipped");
            }
        }
    }
    Ok(values)
}

/// What fits in the part of the journal that is not merged yet.
fn waiting_values(conn: &Connection, query: &Query, block: u64) -> Result<Vec<Value>, TelemetryError> {
    let (tail, _) = journal::read_after(conn, block, u64::MAX)?;
    let fitting = tail.readings.into_iter().filter(|reading| {
        reading.asset.as_str() == query.asset && *reading.metric == *query.metric && query.fits(reading.time)
    });
    Ok(fitting
        .map(|reading| Value {
            unit: reading.unit.to_string(),
            point: Point {
                time: reading.time,
                received: reading.received,
                time_source: reading.time_source,
                value: reading.value,
                trusted: reading.trusted,
            },
        })
        .collect())
}

/// The newest value of each series as of the last merge, then what the journal says since.
pub(crate) fn latest(conn: &Connection) -> Result<Vec<(String, Latest)>, TelemetryError> {
    let mut statement = conn
        .prepare_cached(
            "SELECT series.asset, series.metric, series.unit, latest.bytes
             FROM reading_latest AS latest JOIN reading_series AS series ON series.id = latest.series_id",
        )
        .doing("preparing latest values")?;
    let rows = statement
        .query_map([], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, String>(2)?,
                row.get::<_, Vec<u8>>(3)?,
            ))
        })
        .doing("reading latest values")?;
    let rows: Vec<_> = rows.collect::<Result<_, rusqlite::Error>>().doing("reading latest values")?;
    let mut values = Vec::new();
    for (asset, metric, unit, bytes) in rows {
        match chunk::decode(&bytes).map(|points| points.into_iter().next()) {
            Ok(Some(point)) => values.push((asset, Latest::new(&metric, &unit, point))),
            Ok(None) => {}
            Err(error) => tracing::warn!(asset, metric, %error, "a latest value is skipped"),
        }
    }
    let (tail, _) = journal::read_after(conn, progress(conn)?.block, u64::MAX)?;
    values
        .extend(tail.readings.iter().map(|reading| (reading.asset.as_str().to_owned(), Latest::of(reading))));
    Ok(values)
}

/// Entries that wait in the journal.
///
/// # Errors
/// [`StoreError`].
pub fn waiting(conn: &Connection) -> Result<u64, StoreError> {
    journal::waiting(conn, progress(conn)?.block)
}
