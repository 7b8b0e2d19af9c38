-- All tables of state.db, as the migrations of all slices make them.
-- Written by the program; a test compares.

CREATE TABLE agent (
    id TEXT PRIMARY KEY,
    device_id TEXT NOT NULL UNIQUE REFERENCES device (id) ON DELETE CASCADE,
    link_key BLOB NOT NULL,
    signing_key BLOB NOT NULL,
    psk BLOB NOT NULL,
    enrolled INTEGER NOT NULL,
    revoked INTEGER,
    model TEXT NOT NULL,
    firmware TEXT NOT NULL,
    measurement BLOB NOT NULL,
    parameters_version INTEGER NOT NULL,
    parameters TEXT NOT NULL,
    last_heard INTEGER,
    counters TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE agent_code (
    id TEXT PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    sealed BLOB,
    name TEXT NOT NULL,
    zone TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    approve INTEGER NOT NULL CHECK (approve IN (0, 1)),
    used_by TEXT,
    withdrawn INTEGER NOT NULL CHECK (withdrawn IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE TABLE agent_finding (
    agent_id TEXT NOT NULL REFERENCES agent (id) ON DELETE CASCADE,
    sequence BLOB NOT NULL,
    PRIMARY KEY (agent_id, sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE agent_run (
    agent_id TEXT NOT NULL REFERENCES agent (id) ON DELETE CASCADE,
    run BLOB NOT NULL,
    boot_counter INTEGER NOT NULL,
    started INTEGER NOT NULL,
    first_heard INTEGER NOT NULL,
    firmware TEXT NOT NULL,
    measurement BLOB NOT NULL,
    PRIMARY KEY (agent_id, run)
) STRICT, WITHOUT ROWID;

CREATE TABLE api_key (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('viewer', 'technician', 'operator', 'owner')),
    key_hash BLOB NOT NULL UNIQUE CHECK (length(key_hash) = 32),
    created INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    expires INTEGER NOT NULL,
    last_used INTEGER
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

CREATE TABLE broker_will (
    client_id TEXT PRIMARY KEY,
    principal TEXT NOT NULL,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    flags INTEGER NOT NULL,
    delay INTEGER NOT NULL,
    properties BLOB
) STRICT, WITHOUT ROWID;

CREATE TABLE device (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    zone TEXT NOT NULL,
    trust TEXT NOT NULL,
    via TEXT NOT NULL,
    facts TEXT NOT NULL,
    first_seen INTEGER NOT NULL,
    last_report INTEGER,
    interval_s REAL,
    demo INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE device_credential (
    device_id TEXT PRIMARY KEY REFERENCES device (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('password', 'certificate')),
    hash BLOB NOT NULL,
    created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX device_credential_hash ON device_credential (hash);

CREATE TABLE device_trust_change (
    id INTEGER PRIMARY KEY,
    device_id TEXT NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    time INTEGER NOT NULL,
    trust TEXT NOT NULL,
    actor TEXT NOT NULL,
    note TEXT NOT NULL
) STRICT;

CREATE INDEX device_trust_change_device ON device_trust_change (device_id);

CREATE TABLE finding (
    id INTEGER PRIMARY KEY,
    dedup_key TEXT NOT NULL UNIQUE,
    rule_id TEXT NOT NULL,
    title TEXT NOT NULL,
    summary TEXT NOT NULL,
    severity INTEGER NOT NULL CHECK (severity BETWEEN 0 AND 4),
    status TEXT NOT NULL CHECK (status IN ('open', 'acknowledged', 'muted', 'in-case', 'closed')),
    asset TEXT,
    asset_name TEXT NOT NULL,
    techniques TEXT NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    listed INTEGER NOT NULL,
    raised INTEGER NOT NULL,
    recorded INTEGER NOT NULL,
    count INTEGER NOT NULL,
    changes INTEGER NOT NULL,
    changes_since INTEGER NOT NULL,
    assignee TEXT,
    demo INTEGER NOT NULL CHECK (demo IN (0, 1)),
    log_seq INTEGER NOT NULL
) STRICT;

CREATE INDEX finding_asset ON finding (asset, listed);

CREATE INDEX finding_listed ON finding (listed);

CREATE INDEX finding_rule ON finding (rule_id, listed);

CREATE INDEX finding_status ON finding (status, listed);

CREATE INDEX finding_unsettled ON finding (severity, asset) WHERE status NOT IN ('closed', 'muted');

CREATE TABLE finding_evidence (
    finding_id INTEGER NOT NULL REFERENCES finding (id) ON DELETE CASCADE,
    part TEXT NOT NULL CHECK (part IN ('first', 'latest')),
    body TEXT NOT NULL,
    PRIMARY KEY (finding_id, part)
) STRICT, WITHOUT ROWID;

CREATE TABLE finding_history (
    finding_id INTEGER NOT NULL REFERENCES finding (id) ON DELETE CASCADE,
    log_seq INTEGER NOT NULL,
    time INTEGER NOT NULL,
    actor TEXT NOT NULL,
    kind TEXT NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (finding_id, log_seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE finding_total (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    findings INTEGER NOT NULL
) STRICT;

CREATE TABLE migration (
    slice TEXT NOT NULL,
    number INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (slice, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE reading_block (
    id INTEGER PRIMARY KEY,
    received INTEGER NOT NULL,
    count INTEGER NOT NULL,
    bytes BLOB NOT NULL
, replay BLOB) STRICT;

CREATE TABLE reading_chunk (
    series_id INTEGER NOT NULL REFERENCES reading_series (id),
    hour INTEGER NOT NULL,
    merge INTEGER NOT NULL,
    received INTEGER NOT NULL,
    count INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (series_id, hour, merge)
) STRICT, WITHOUT ROWID;

CREATE INDEX reading_chunk_merge ON reading_chunk (merge);

CREATE INDEX reading_chunk_received ON reading_chunk (received);

CREATE TABLE reading_latest (
    series_id INTEGER PRIMARY KEY REFERENCES reading_series (id),
    time INTEGER NOT NULL,
    bytes BLOB NOT NULL
) STRICT;

CREATE TABLE reading_series (
    id INTEGER PRIMARY KEY,
    asset TEXT NOT NULL,
    metric TEXT NOT NULL,
    unit TEXT NOT NULL,
    UNIQUE (asset, metric, unit)
) STRICT;

CREATE TABLE reading_state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    merged_block INTEGER NOT NULL,
    merge INTEGER NOT NULL,
    -- Bytes of all visible chunks, so that retention need not add them up.
    chunk_bytes INTEGER NOT NULL
, released_block INTEGER NOT NULL DEFAULT 0) STRICT;

CREATE TABLE rule_memory (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    -- A block that may be gone, so no reference.
    block INTEGER NOT NULL,
    -- The engine's own time, in microseconds.
    time INTEGER NOT NULL,
    bytes BLOB NOT NULL
) STRICT;

CREATE TABLE session (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    token_hash BLOB NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    created INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    address TEXT NOT NULL,
    user_agent TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX session_user ON session (user_id);

CREATE TABLE setup (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    site_name TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    finished INTEGER NOT NULL
) STRICT;

CREATE TABLE site_log (
    seq INTEGER PRIMARY KEY,
    time INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body BLOB,
    leaf_hash BLOB NOT NULL
) STRICT;

CREATE TRIGGER uplink_keeps_unsent_bodies BEFORE UPDATE OF body ON site_log
WHEN NEW.body IS NULL AND EXISTS (SELECT 1 FROM uplink WHERE url IS NOT NULL AND acknowledged < OLD.seq)
BEGIN
    SELECT RAISE(ABORT, 'the cloud does not have this record of the site log yet');
END;

CREATE TRIGGER uplink_keeps_unsent_records BEFORE DELETE ON site_log
WHEN EXISTS (SELECT 1 FROM uplink WHERE url IS NOT NULL AND acknowledged < OLD.seq)
BEGIN
    SELECT RAISE(ABORT, 'the cloud does not have this record of the site log yet');
END;

CREATE TABLE site_log_checkpoint (
    size INTEGER PRIMARY KEY,
    time INTEGER NOT NULL,
    note TEXT NOT NULL
) STRICT;

CREATE TABLE site_log_tree (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    size INTEGER NOT NULL,
    frontier BLOB NOT NULL,
    pruned_through INTEGER NOT NULL
) STRICT;

CREATE TABLE unknown_payload (
    topic TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    count INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    sample BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE uplink (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    url TEXT,
    ca TEXT,
    gateway TEXT,
    site TEXT,
    tenant TEXT,
    registered INTEGER,
    acknowledged INTEGER NOT NULL,
    sent_through INTEGER NOT NULL,
    last_success INTEGER
) STRICT;

CREATE TABLE user (
    id TEXT NOT NULL PRIMARY KEY,
    login TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('viewer', 'technician', 'operator', 'owner')),
    password TEXT NOT NULL,
    created INTEGER NOT NULL,
    changed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
