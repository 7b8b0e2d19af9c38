-- The cloud to which the site log is sent: one row. No url means that none is registered.
-- acknowledged: newest record that the cloud has for good; sent_through: newest that was ever sent to any cloud, kept
-- before it is sent, so that a cloud that claims more is found out. gateway, site and tenant are the cloud's names.
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

INSERT INTO uplink (id, acknowledged, sent_through) VALUES (1, 0, 0);

-- Whatever prunes the site log: while a cloud is registered, a record that it does not have yet stays.
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
