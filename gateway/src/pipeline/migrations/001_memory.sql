-- What the rules remembered when that block of the journal was the newest; the rest is replayed (memory.rs).
CREATE TABLE rule_memory (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    -- A block that may be gone, so no reference.
    block INTEGER NOT NULL,
    -- The engine's own time, in microseconds.
    time INTEGER NOT NULL,
    bytes BLOB NOT NULL
) STRICT;
