-- The site log: every finding change and every administrative act, append-only.
-- leaf_hash = SHA-256(0x00 || record), RFC 6962; the record's bytes are described in site_log/record.rs.
-- body is NULL once pruned; its hash stays, so that the tree can still be checked.
CREATE TABLE site_log (
    seq INTEGER PRIMARY KEY,
    time INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body BLOB,
    leaf_hash BLOB NOT NULL
) STRICT;

-- The tree over all leaves: one row, moved in the commit of the records.
CREATE TABLE site_log_tree (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    size INTEGER NOT NULL,
    frontier BLOB NOT NULL,
    pruned_through INTEGER NOT NULL
) STRICT;

INSERT INTO site_log_tree (id, size, frontier, pruned_through) VALUES (1, 0, x'', 0);
