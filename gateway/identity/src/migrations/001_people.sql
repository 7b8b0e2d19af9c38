-- People of the site. `password` is a PHC string (Argon2id).
CREATE TABLE user (
    id TEXT NOT NULL PRIMARY KEY,
    login TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('viewer', 'technician', 'operator', 'owner')),
    password TEXT NOT NULL,
    created INTEGER NOT NULL,
    changed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Sign-ins. The token itself is only in the browser's cookie. Times are microseconds since 1970, UTC.
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

-- API keys. The key itself is shown once and kept nowhere.
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

-- What the first set-up came to; at most one row.
CREATE TABLE setup (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    site_name TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    finished INTEGER NOT NULL
) STRICT;
