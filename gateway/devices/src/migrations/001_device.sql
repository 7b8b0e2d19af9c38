-- The inventory: one row per asset that was seen or enrolled.
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

-- How a device proves who it is: one credential at a time, never in clear.
CREATE TABLE device_credential (
    device_id TEXT PRIMARY KEY REFERENCES device (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('password', 'certificate')),
    hash BLOB NOT NULL,
    created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX device_credential_hash ON device_credential (hash);

-- Every change of trust, for the device's page; the site log has the record that counts.
CREATE TABLE device_trust_change (
    id INTEGER PRIMARY KEY,
    device_id TEXT NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    time INTEGER NOT NULL,
    trust TEXT NOT NULL,
    actor TEXT NOT NULL,
    note TEXT NOT NULL
) STRICT;

CREATE INDEX device_trust_change_device ON device_trust_change (device_id);
