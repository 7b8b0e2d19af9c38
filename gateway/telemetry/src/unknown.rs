//! Payloads that no dialect knows: counted per topic, with one sample, within a bound.
//!
//! They are in the journal first, like everything that was acknowledged; the merge counts them here.

use std::collections::HashMap;

use rusqlite::{Connection, params};
use sitewarden_core::Timestamp;
use sitewarden_store::{SqlContext as _, StoreError, Tx};

use crate::TelemetryError;
use crate::journal::{self, UnknownPayload};
use crate::limits::UNKNOWN_TOPICS;
use crate::merge::progress;

/// One topic with payloads that nobody could read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownTopic {
    /// The topic.
    pub topic: String,
    /// Why the newest could not be read.
    pub reason: String,
    /// How many came.
    pub count: u64,
    /// When the first came.
    pub first: Timestamp,
    /// When the newest came.
    pub last: Timestamp,
    /// The beginning of the newest.
    pub sample: Vec<u8>,
}

/// Adds payloads to their topics and keeps the table within its bound.
pub(crate) fn count(tx: &Tx<'_>, payloads: &[UnknownPayload]) -> Result<(), TelemetryError> {
    let mut statement = tx
        .sql()
        .prepare_cached(
            "INSERT INTO unknown_payload (topic, reason, count, first, last, sample) VALUES (?1, ?2, 1, ?3, ?3, ?4)
             ON CONFLICT (topic) DO UPDATE SET count = count + 1, reason = ?2, last = ?3, sample = ?4",
        )
        .doing("preparing unknown payloads")?;
    for payload in payloads {
        statement
            .execute(params![&*payload.topic, &*payload.reason, payload.received.micros(), payload.payload])
            .doing("counting an unknown payload")?;
    }
    if !payloads.is_empty() {
        tx.sql()
            .execute(
                "DELETE FROM unknown_payload WHERE topic IN (
                     SELECT topic FROM unknown_payload ORDER BY last DESC LIMIT -1 OFFSET ?1)",
                params![UNKNOWN_TOPICS],
            )
            .doing("keeping unknown payloads within their bound")?;
    }
    Ok(())
}

/// All topics with unknown payloads, newest first, what still waits in the journal included.
///
/// # Errors
/// [`TelemetryError`].
pub fn list(conn: &Connection) -> Result<Vec<UnknownTopic>, TelemetryError> {
    let mut topics = stored(conn)?;
    let (tail, _) = journal::read_after(conn, progress(conn)?.block, u64::MAX)?;
    let mut places: HashMap<String, usize> =
        topics.iter().enumerate().map(|(place, topic)| (topic.topic.clone(), place)).collect();
    for payload in tail.unknown {
        let place = places.get(&*payload.topic).copied();
        if let Some(topic) = place.and_then(|place| topics.get_mut(place)) {
            topic.count += 1;
            topic.last = payload.received;
            topic.reason = payload.reason.to_string();
            topic.sample = payload.payload;
        } else if topics.len() < UNKNOWN_TOPICS {
            places.insert(payload.topic.to_string(), topics.len());
            topics.push(UnknownTopic {
                topic: payload.topic.to_string(),
                reason: payload.reason.to_string(),
                count: 1,
                first: payload.received,
                last: payload.received,
                sample: payload.payload,
            });
        }
    }
    topics.sort_by(|a, b| b.last.cmp(&a.last).then_with(|| a.topic.cmp(&b.topic)));
    Ok(topics)
}

fn stored(conn: &Connection) -> Result<Vec<UnknownTopic>, StoreError> {
    let mut statement = conn
        .prepare_cached("SELECT topic, reason, count, first, last, sample FROM unknown_payload")
        .doing("preparing to list unknown payloads")?;
    let rows = statement
        .query_map([], |row| {
            Ok(UnknownTopic {
                topic: row.get(0)?,
                reason: row.get(1)?,
                count: row.get(2)?,
                first: Timestamp::from_micros(row.get(3)?),
                last: Timestamp::from_micros(row.get(4)?),
                sample: row.get(5)?,
            })
        })
        .doing("listing unknown payloads")?;
    rows.collect::<Result<_, _>>().doing("listing unknown payloads")
}
