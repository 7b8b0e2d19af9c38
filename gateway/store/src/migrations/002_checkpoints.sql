-- Signed checkpoints of the site log, so that each can be shown to be the beginning of every later one.
-- size is the number of records that it covers; note is the signed text (C2SP signed-note).
CREATE TABLE site_log_checkpoint (
    size INTEGER PRIMARY KEY,
    time INTEGER NOT NULL,
    note TEXT NOT NULL
) STRICT;
