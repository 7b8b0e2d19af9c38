-- The broker's durable state. A message is stored once; queues and topics refer to it.
-- No foreign keys between these tables: ops of one batch may name rows that a later op of the same batch
-- removes, and what refers to nothing is dropped when the state is read.
CREATE TABLE broker_session (
    id INTEGER PRIMARY KEY,
    client_id TEXT NOT NULL,
    principal TEXT NOT NULL,
    expiry INTEGER NOT NULL,
    ended INTEGER,
    sent_below INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE broker_subscription (
    session INTEGER NOT NULL,
    filter TEXT NOT NULL,
    options INTEGER NOT NULL,
    subscription_id INTEGER,
    PRIMARY KEY (session, filter)
) STRICT, WITHOUT ROWID;

CREATE TABLE broker_message (
    id INTEGER PRIMARY KEY,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    flags INTEGER NOT NULL,
    properties BLOB,
    expires INTEGER
) STRICT;

CREATE TABLE broker_queue (
    session INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    message INTEGER,
    flags INTEGER NOT NULL,
    subscription_ids BLOB,
    PRIMARY KEY (session, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE broker_received (
    session INTEGER NOT NULL,
    packet_id INTEGER NOT NULL,
    PRIMARY KEY (session, packet_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE broker_retained (
    topic TEXT PRIMARY KEY,
    message INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE broker_will (
    client_id TEXT PRIMARY KEY,
    principal TEXT NOT NULL,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    flags INTEGER NOT NULL,
    delay INTEGER NOT NULL,
    properties BLOB
) STRICT, WITHOUT ROWID;
