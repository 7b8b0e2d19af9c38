-- Agents: microcontrollers that proved their keys on their line. `psk` is sealed with a key outside of this file.
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

-- Runs of an agent: places in time what it saw before it knew the time. Newest kept.
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

-- Findings that were taken, so that one that comes again is acknowledged and not taken twice. The number is big-endian.
CREATE TABLE agent_finding (
    agent_id TEXT NOT NULL REFERENCES agent (id) ON DELETE CASCADE,
    sequence BLOB NOT NULL,
    PRIMARY KEY (agent_id, sequence)
) STRICT, WITHOUT ROWID;

-- One-time codes. The code itself is sealed, and goes when it is used up; its hash stays, to refuse it by name.
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
