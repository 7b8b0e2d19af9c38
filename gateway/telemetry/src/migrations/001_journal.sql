-- One row per group commit: everything that the commit's messages said (journal.rs describes the bytes).
CREATE TABLE reading_block (
    id INTEGER PRIMARY KEY,
    received INTEGER NOT NULL,
    count INTEGER NOT NULL,
    bytes BLOB NOT NULL
) STRICT;

-- One metric of one asset in one unit.
CREATE TABLE reading_series (
    id INTEGER PRIMARY KEY,
    asset TEXT NOT NULL,
    metric TEXT NOT NULL,
    unit TEXT NOT NULL,
    UNIQUE (asset, metric, unit)
) STRICT;

-- Readings of one series within one hour of event time, from one merge of the journal (merge.rs).
CREATE TABLE reading_chunk (
    series_id INTEGER NOT NULL REFERENCES reading_series (id),
    hour INTEGER NOT NULL,
    merge INTEGER NOT NULL,
    received INTEGER NOT NULL,
    count INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (series_id, hour, merge)
) STRICT, WITHOUT ROWID;

CREATE INDEX reading_chunk_received ON reading_chunk (received);
CREATE INDEX reading_chunk_merge ON reading_chunk (merge);

-- Newest value of each series as of the last merge.
CREATE TABLE reading_latest (
    series_id INTEGER PRIMARY KEY REFERENCES reading_series (id),
    time INTEGER NOT NULL,
    bytes BLOB NOT NULL
) STRICT;

-- Payloads that no dialect knows, one row per topic.
CREATE TABLE unknown_payload (
    topic TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    count INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    sample BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- How far the journal is merged: blocks up to merged_block are in chunks of merges up to merge.
CREATE TABLE reading_state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    merged_block INTEGER NOT NULL,
    merge INTEGER NOT NULL,
    -- Bytes of all visible chunks, so that retention need not add them up.
    chunk_bytes INTEGER NOT NULL
) STRICT;

INSERT INTO reading_state (id, merged_block, merge, chunk_bytes) VALUES (1, 0, 0, 0);
