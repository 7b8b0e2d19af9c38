-- Findings: one row per dedup key, whatever happens to it. Times are microseconds since 1970.
-- first_seen and last_seen are event times; raised and recorded are the box's own.
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
    raised INTEGER NOT NULL,
    recorded INTEGER NOT NULL,
    count INTEGER NOT NULL,
    changes INTEGER NOT NULL,
    changes_since INTEGER NOT NULL,
    assignee TEXT,
    demo INTEGER NOT NULL CHECK (demo IN (0, 1)),
    log_seq INTEGER NOT NULL
) STRICT;

CREATE INDEX finding_order ON finding (last_seen, id);
CREATE INDEX finding_status ON finding (status, severity, demo);
CREATE INDEX finding_asset ON finding (asset, status);

-- The first and the latest evidence as JSON, bounded.
CREATE TABLE finding_evidence (
    finding_id INTEGER NOT NULL REFERENCES finding (id) ON DELETE CASCADE,
    part TEXT NOT NULL CHECK (part IN ('first', 'latest')),
    body TEXT NOT NULL,
    PRIMARY KEY (finding_id, part)
) STRICT, WITHOUT ROWID;

-- What happened to a finding, newest kept; the site log keeps all.
CREATE TABLE finding_history (
    finding_id INTEGER NOT NULL REFERENCES finding (id) ON DELETE CASCADE,
    log_seq INTEGER NOT NULL,
    time INTEGER NOT NULL,
    actor TEXT NOT NULL,
    kind TEXT NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (finding_id, log_seq)
) STRICT, WITHOUT ROWID;

-- How many findings there are, so that the bound costs no count.
CREATE TABLE finding_total (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    findings INTEGER NOT NULL
) STRICT;

INSERT INTO finding_total (id, findings) VALUES (1, 0);
