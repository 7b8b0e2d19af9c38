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

/// The readings that fit, in order of time; at most `limit` after skipping `skip`.
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
    let fits = |time: Timestamp| query.from <= time && time < query.to;
    let mut values = Vec::new();
    let mut statement = conn
        .prepare_cached(
            "SELECT series.unit, chunk.bytes FROM reading_series AS series
             JOIN reading_chunk AS chunk ON chunk.series_id = series.id
             WHERE series.asset = ?1 AND series.metric = ?2 AND chunk.hour BETWEEN ?3 AND ?4 AND chunk.merge <= ?5
             ORDER BY chunk.hour",
        )
        .doing("preparing a query of readings")?;
    let hours = (query.from.micros().div_euclid(HOUR), query.to.micros().div_euclid(HOUR));
    let mut rows = statement
        .query(params![query.asset, query.metric, hours.0, hours.1, progress.merge])
        .doing("querying readings")?;
    while let Some(row) = rows.next().doing("querying readings")? {
        let unit: String = row.get(0).doing("reading a unit")?;
        let bytes: Vec<u8> = row.get(1).doing("reading a chunk")?;
        match chunk::decode(&bytes) {
            Ok(points) => values.extend(
                points
                    .into_iter()
                    .filter(|point| fits(point.time))
                    .map(|point| Value { point, unit: unit.clone() }),
            ),
            // One damaged chunk must not hide the others.
            Err(error) => {
                tracing::warn!(asset = query.asset, metric = query.metric, %error, "a chunk is skipped")
            }
        }
    }
    let (tail, _) = journal::read_after(conn, progress.block, u64::MAX)?;
    for reading in tail.readings {
        if reading.asset.as_str() == query.asset && *reading.metric == *query.metric && fits(reading.time) {
            let (time, received, time_source) = (reading.time, reading.received, reading.time_source);
            let point = Point { time, received, time_source, value: reading.value };
            values.push(Value { point, unit: reading.unit.to_string() });
        }
    }
    values.sort_by_key(|value| (value.point.time, value.point.received));
    Ok(values.into_iter().skip(skip).take(limit).collect())
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
