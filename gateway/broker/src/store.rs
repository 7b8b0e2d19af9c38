//! The broker's tables: applying a batch's ops, and reading everything back at a start.
//!
//! Plain functions over a transaction; the pipeline decides when. Properties of messages are kept in the
//! wire format of MQTT 5 itself. Invariants: every op can be applied twice; what refers to nothing is
//! removed when the state is read, so that a crash between two batches leaves no rubbish.

use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{Connection, Row, params};
use sitewarden_core::time::Timestamp;
use sitewarden_store::{Migrations, SqlContext, Store, StoreError, Tx, WriteError};

use crate::state::{
    Loaded, LoadedSession, Message, QueueRecord, SessionRecord, StoreOp, SubscriptionOptions, WillRecord,
};
mod pack;

use self::pack::{
    number, pack_flags, pack_ids, pack_options, pack_principal, pack_properties, unpack_flags, unpack_ids,
    unpack_options, unpack_principal, unpack_properties, unsigned,
};

/// The tables.
pub const MIGRATIONS: Migrations =
    Migrations { slice: "broker", steps: &[(1, "broker", include_str!("migrations/001_broker.sql"))] };

/// Applies the ops of one batch, in order.
///
/// # Errors
/// [`StoreError`] when SQLite refuses one; the whole savepoint is then undone by the store.
pub fn apply(tx: &Tx<'_>, ops: &[StoreOp]) -> Result<(), StoreError> {
    ops.iter().try_for_each(|op| apply_one(tx.sql(), op).doing("storing the broker's state"))
}

fn apply_one(conn: &Connection, op: &StoreOp) -> rusqlite::Result<()> {
    match op {
        StoreOp::Session(_) | StoreOp::SessionGone(_) | StoreOp::Sent { .. } => apply_session(conn, op),
        StoreOp::Subscription { .. } | StoreOp::SubscriptionGone { .. } => apply_subscription(conn, op),
        StoreOp::Queue { .. } | StoreOp::QueueReleased { .. } | StoreOp::QueueGone { .. } => {
            apply_queue(conn, op)
        }
        StoreOp::Message(message) => {
            let expires = message.expires.map(Timestamp::micros);
            let flags = pack_flags(message.qos, message.retain);
            let properties = message.properties.as_deref().map(pack_properties);
            let sql = "INSERT OR REPLACE INTO broker_message VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            let values =
                params![number(message.id), &*message.topic, &*message.payload, flags, properties, expires];
            run(conn, sql, values)
        }
        StoreOp::MessageGone(id) => run(conn, "DELETE FROM broker_message WHERE id = ?1", [number(*id)]),
        StoreOp::Received { session, packet_id } => {
            let sql = "INSERT OR IGNORE INTO broker_received VALUES (?1, ?2)";
            run(conn, sql, params![number(*session), packet_id])
        }
        StoreOp::ReceivedGone { session, packet_id } => {
            let sql = "DELETE FROM broker_received WHERE session = ?1 AND packet_id = ?2";
            run(conn, sql, params![number(*session), packet_id])
        }
        StoreOp::Retained { topic, message } => {
            let sql = "INSERT OR REPLACE INTO broker_retained VALUES (?1, ?2)";
            run(conn, sql, params![&**topic, number(*message)])
        }
        StoreOp::RetainedGone(topic) => run(conn, "DELETE FROM broker_retained WHERE topic = ?1", [&**topic]),
        StoreOp::Reset => conn.execute_batch(
            "DELETE FROM broker_session; DELETE FROM broker_subscription; DELETE FROM broker_message;
             DELETE FROM broker_queue; DELETE FROM broker_received; DELETE FROM broker_retained;
             DELETE FROM broker_will;",
        ),
        StoreOp::Will(will) => {
            let sql = "INSERT OR REPLACE INTO broker_will VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
            let flags = pack_flags(will.qos, will.retain);
            let principal = pack_principal(&will.principal);
            let properties = pack_properties(&will.properties);
            let values = params![
                &*will.client_id,
                principal,
                &*will.topic,
                &*will.payload,
                flags,
                will.delay,
                properties
            ];
            run(conn, sql, values)
        }
        StoreOp::WillGone(client) => run(conn, "DELETE FROM broker_will WHERE client_id = ?1", [&**client]),
    }
}

fn apply_session(conn: &Connection, op: &StoreOp) -> rusqlite::Result<()> {
    match op {
        StoreOp::Session(SessionRecord { id, client_id, principal, expiry, ended }) => {
            let sql = "INSERT INTO broker_session (id, client_id, principal, expiry, ended)
                       VALUES (?1, ?2, ?3, ?4, ?5)
                       ON CONFLICT (id) DO UPDATE SET principal = ?3, expiry = ?4, ended = ?5";
            let ended = ended.map(Timestamp::micros);
            let principal = pack_principal(principal);
            run(conn, sql, params![number(*id), &**client_id, principal, expiry, ended])
        }
        StoreOp::SessionGone(id) => {
            for sql in [
                "DELETE FROM broker_session WHERE id = ?1",
                "DELETE FROM broker_subscription WHERE session = ?1",
                "DELETE FROM broker_queue WHERE session = ?1",
                "DELETE FROM broker_received WHERE session = ?1",
            ] {
                run(conn, sql, [number(*id)])?;
            }
            Ok(())
        }
        StoreOp::Sent { session, below } => {
            let sql = "UPDATE broker_session SET sent_below = ?2 WHERE id = ?1";
            run(conn, sql, params![number(*session), number(*below)])
        }
        _ => Ok(()),
    }
}

fn apply_subscription(conn: &Connection, op: &StoreOp) -> rusqlite::Result<()> {
    match op {
        StoreOp::Subscription { session, filter, options } => {
            let sql = "INSERT OR REPLACE INTO broker_subscription VALUES (?1, ?2, ?3, ?4)";
            run(conn, sql, params![number(*session), &**filter, pack_options(options), options.id])
        }
        StoreOp::SubscriptionGone { session, filter } => {
            let sql = "DELETE FROM broker_subscription WHERE session = ?1 AND filter = ?2";
            run(conn, sql, params![number(*session), &**filter])
        }
        _ => Ok(()),
    }
}

fn apply_queue(conn: &Connection, op: &StoreOp) -> rusqlite::Result<()> {
    match op {
        StoreOp::Queue { session, entry } => {
            let sql = "INSERT OR REPLACE INTO broker_queue VALUES (?1, ?2, ?3, ?4, ?5)";
            let ids = entry.subscription_ids.as_deref().map(pack_ids);
            let flags = pack_flags(entry.qos, entry.retain);
            run(
                conn,
                sql,
                params![number(*session), number(entry.seq), entry.message.map(number), flags, ids],
            )
        }
        StoreOp::QueueReleased { session, seq } => {
            let sql = "UPDATE broker_queue SET message = NULL WHERE session = ?1 AND seq = ?2";
            run(conn, sql, params![number(*session), number(*seq)])
        }
        StoreOp::QueueGone { session, seq } => {
            let sql = "DELETE FROM broker_queue WHERE session = ?1 AND seq = ?2";
            run(conn, sql, params![number(*session), number(*seq)])
        }
        _ => Ok(()),
    }
}

fn run(conn: &Connection, sql: &str, values: impl rusqlite::Params) -> rusqlite::Result<()> {
    conn.prepare_cached(sql)?.execute(values).map(|_changed| ())
}

/// Reads everything back, in the writer, before any client is served. Sessions that were connected when
/// the last run ended count as ended now.
///
/// # Errors
/// The store's error when the tables cannot be read.
pub fn load_from(store: &Store) -> Result<Loaded, WriteError<StoreError>> {
    store.write_blocking("reading the broker's state", |tx| {
        tidy(tx).doing("tidying the broker's state")?;
        load(tx.sql()).doing("reading the broker's state")
    })
}

fn tidy(tx: &Tx<'_>) -> rusqlite::Result<()> {
    let conn = tx.sql();
    conn.execute("UPDATE broker_session SET ended = ?1 WHERE ended IS NULL", [tx.now().micros()])?;
    conn.execute_batch(
        "DELETE FROM broker_subscription WHERE session NOT IN (SELECT id FROM broker_session);
         DELETE FROM broker_queue WHERE session NOT IN (SELECT id FROM broker_session);
         DELETE FROM broker_received WHERE session NOT IN (SELECT id FROM broker_session);
         DELETE FROM broker_queue WHERE message NOT IN (SELECT id FROM broker_message);
         DELETE FROM broker_retained WHERE message NOT IN (SELECT id FROM broker_message);
         DELETE FROM broker_message WHERE id NOT IN
             (SELECT message FROM broker_queue WHERE message IS NOT NULL
              UNION ALL SELECT message FROM broker_retained);",
    )
}

/// Reads everything back.
///
/// # Errors
/// SQLite's, when the tables cannot be read.
pub fn load(conn: &Connection) -> rusqlite::Result<Loaded> {
    let messages = rows(conn, "SELECT * FROM broker_message ORDER BY id", read_message)?;
    let retained = rows(conn, "SELECT topic, message FROM broker_retained", |row| {
        Ok(Some((row.get::<_, String>(0)?.into(), unsigned(row.get(1)?))))
    })?;
    let wills = rows(conn, "SELECT * FROM broker_will", read_will)?;
    let records = rows(
        conn,
        "SELECT id, client_id, principal, expiry, ended, sent_below FROM broker_session ORDER BY id",
        read_session,
    )?;
    let mut sessions = Vec::with_capacity(records.len());
    for (record, sent_below) in records {
        let id = number(record.id);
        let subscriptions = load_subscriptions(conn, id)?;
        let queue = load_queue(conn, id)?;
        let mut statement =
            conn.prepare_cached("SELECT packet_id FROM broker_received WHERE session = ?1")?;
        let received =
            statement.query_map([id], |row| row.get(0))?.collect::<rusqlite::Result<Vec<u16>>>()?;
        sessions.push(LoadedSession { record, subscriptions, queue, sent_below, received });
    }
    let next_session = sessions.iter().map(|session| session.record.id + 1).max().unwrap_or(1);
    let next_message = messages.last().map_or(1, |message: &Arc<Message>| message.id + 1);
    Ok(Loaded { sessions, messages, retained, wills, next_session, next_message })
}

fn load_subscriptions(conn: &Connection, id: i64) -> rusqlite::Result<Vec<(Arc<str>, SubscriptionOptions)>> {
    let sql = "SELECT filter, options, subscription_id FROM broker_subscription WHERE session = ?1";
    let mut statement = conn.prepare_cached(sql)?;
    let found = statement.query_map([id], |row| {
        let filter: String = row.get(0)?;
        Ok((filter.into(), unpack_options(row.get(1)?, row.get(2)?)))
    })?;
    found.collect()
}

fn load_queue(conn: &Connection, id: i64) -> rusqlite::Result<Vec<QueueRecord>> {
    let sql =
        "SELECT seq, message, flags, subscription_ids FROM broker_queue WHERE session = ?1 ORDER BY seq";
    let mut statement = conn.prepare_cached(sql)?;
    let found = statement.query_map([id], |row| {
        let (qos, retain) = unpack_flags(row.get(2)?);
        let ids: Option<Vec<u8>> = row.get(3)?;
        Ok(QueueRecord {
            seq: unsigned(row.get(0)?),
            message: row.get::<_, Option<i64>>(1)?.map(unsigned),
            qos,
            retain,
            subscription_ids: ids.map(|ids| unpack_ids(&ids)),
        })
    })?;
    found.collect()
}

fn rows<T>(
    conn: &Connection,
    sql: &str,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<Option<T>>,
) -> rusqlite::Result<Vec<T>> {
    let mut statement = conn.prepare(sql)?;
    let found = statement.query_map([], |row| read(row))?;
    found.filter_map(Result::transpose).collect()
}

fn read_message(row: &Row<'_>) -> rusqlite::Result<Option<Arc<Message>>> {
    let (qos, retain) = unpack_flags(row.get("flags")?);
    let properties: Option<Vec<u8>> = row.get("properties")?;
    Ok(Some(Arc::new(Message {
        id: unsigned(row.get("id")?),
        topic: row.get::<_, String>("topic")?.into(),
        payload: Bytes::from(row.get::<_, Vec<u8>>("payload")?),
        qos,
        retain,
        properties: properties.and_then(|packed| unpack_properties(&packed)).map(Arc::new),
        expires: row.get::<_, Option<i64>>("expires")?.map(Timestamp::from_micros),
    })))
}

fn read_will(row: &Row<'_>) -> rusqlite::Result<Option<WillRecord>> {
    let Some(principal) = unpack_principal(&row.get::<_, String>("principal")?) else { return Ok(None) };
    let (qos, retain) = unpack_flags(row.get("flags")?);
    let properties: Vec<u8> = row.get("properties")?;
    Ok(Some(WillRecord {
        client_id: row.get::<_, String>("client_id")?.into(),
        principal,
        topic: row.get::<_, String>("topic")?.into(),
        payload: Bytes::from(row.get::<_, Vec<u8>>("payload")?),
        qos,
        retain,
        delay: row.get("delay")?,
        properties: unpack_properties(&properties).unwrap_or_default(),
    }))
}

fn read_session(row: &Row<'_>) -> rusqlite::Result<Option<(SessionRecord, u64)>> {
    // A principal that this program does not know owns nothing.
    let Some(principal) = unpack_principal(&row.get::<_, String>(2)?) else { return Ok(None) };
    let record = SessionRecord {
        id: unsigned(row.get(0)?),
        client_id: row.get::<_, String>(1)?.into(),
        principal,
        expiry: row.get(3)?,
        ended: row.get::<_, Option<i64>>(4)?.map(Timestamp::from_micros),
    };
    Ok(Some((record, unsigned(row.get(5)?))))
}

#[cfg(test)]
mod tests;
