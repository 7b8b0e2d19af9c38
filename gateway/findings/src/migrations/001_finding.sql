-- Findings: one row per dedup key, whatever happens to it. Times are microseconds since 1970.
-- first_seen and last_seen are event times; raised and recorded are the box's own. listed is last_seen as of
-- the newest record: lists are ordered by it, so that a repeat that only counts moves no index.
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

-- Each ends in the order of lists, so that no list is sorted.
CREATE INDEX finding_listed ON finding (listed);
CREATE INDEX finding_status ON finding (status, listed);
CREATE INDEX finding_asset ON finding (asset, listed);
CREATE INDEX finding_rule ON finding (rule_id, listed);
CREATE INDEX finding_unsettled ON finding (severity, asset) WHERE status NOT IN ('closed', 'muted');

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
