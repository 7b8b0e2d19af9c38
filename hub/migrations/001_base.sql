-- The hub's first schema. Every table that holds a tenant's rows has row-level security, forced on the owner too.
-- A transaction says whose rows it may see by `SET LOCAL hub.tenant`; before the tenant is known, one row is found by a
-- secret that the asker holds (`SET LOCAL hub.lookup`). Without either, every table is empty.
-- Times of a site are microseconds since 1970 as the site told them (its clock may be wrong); the hub's own are timestamptz.

CREATE FUNCTION hub.current_tenant() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT nullif(current_setting('hub.tenant', true), '')::uuid $$;

CREATE FUNCTION hub.current_lookup() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT nullif(current_setting('hub.lookup', true), '') $$;

CREATE TABLE hub.tenant (
    id      uuid PRIMARY KEY,
    name    text NOT NULL UNIQUE,
    created timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE hub.account (
    id       uuid PRIMARY KEY,
    tenant   uuid NOT NULL REFERENCES hub.tenant,
    login    text NOT NULL UNIQUE,
    password text NOT NULL,
    created  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX account_tenant ON hub.account (tenant);

CREATE TABLE hub.session (
    token_hash bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
    tenant     uuid NOT NULL REFERENCES hub.tenant,
    account    uuid NOT NULL REFERENCES hub.account ON DELETE CASCADE,
    created    timestamptz NOT NULL DEFAULT now(),
    last_seen  timestamptz NOT NULL DEFAULT now(),
    expires    timestamptz NOT NULL
);
CREATE INDEX session_account ON hub.session (account);
CREATE INDEX session_tenant ON hub.session (tenant);

-- A site is one log: its key, its tree as of the last batch, its newest checkpoints. Its row is the lock of its log.
CREATE TABLE hub.site (
    id              uuid PRIMARY KEY,
    tenant          uuid NOT NULL REFERENCES hub.tenant,
    name            text NOT NULL,
    created         timestamptz NOT NULL DEFAULT now(),
    log_key         text NOT NULL,
    size            bigint NOT NULL DEFAULT 0 CHECK (size >= 0),
    frontier        bytea NOT NULL DEFAULT '',
    last_batch      timestamptz,
    checkpoint_size bigint NOT NULL DEFAULT 0,
    checkpoint      text,
    -- A checkpoint of more records than are here, with its root, until they are.
    ahead_size      bigint,
    ahead_root      bytea CHECK (octet_length(ahead_root) = 32),
    ahead           text,
    CHECK (checkpoint_size <= size),
    CHECK (ahead_size IS NULL OR (ahead_size > size AND ahead_root IS NOT NULL AND ahead IS NOT NULL))
);
CREATE INDEX site_tenant_name ON hub.site (tenant, name, id);

CREATE TABLE hub.gateway (
    id            uuid PRIMARY KEY,
    tenant        uuid NOT NULL REFERENCES hub.tenant,
    site          uuid NOT NULL REFERENCES hub.site,
    key_hash      bytea NOT NULL UNIQUE CHECK (octet_length(key_hash) = 32),
    version       text NOT NULL,
    registered    timestamptz NOT NULL DEFAULT now(),
    last_seen     timestamptz NOT NULL DEFAULT now(),
    started       text,
    log_size      bigint,
    queue         bigint,
    oldest_unsent text
);
CREATE INDEX gateway_tenant ON hub.gateway (tenant);
CREATE INDEX gateway_site ON hub.gateway (site);

CREATE TABLE hub.claim (
    code_hash bytea PRIMARY KEY CHECK (octet_length(code_hash) = 32),
    tenant    uuid NOT NULL REFERENCES hub.tenant,
    created   timestamptz NOT NULL DEFAULT now(),
    expires   timestamptz NOT NULL,
    gateway   uuid REFERENCES hub.gateway
);
CREATE INDEX claim_tenant ON hub.claim (tenant);
CREATE INDEX claim_gateway ON hub.claim (gateway);

-- The sites' records as they came, by month of arrival. No foreign key: a row is written under the lock of its site's
-- row, and a trigger per record would cost more than the record.
CREATE TABLE hub.record (
    received timestamptz NOT NULL,
    site     uuid NOT NULL,
    seq      bigint NOT NULL,
    tenant   uuid NOT NULL,
    time     bigint NOT NULL,
    kind     text NOT NULL,
    body     bytea NOT NULL,
    leaf     bytea NOT NULL,
    PRIMARY KEY (site, seq, received)
) PARTITION BY RANGE (received);

-- Hash of each whole run of 1,024 leaves, so that a proof reads a thousand rows and not a million.
CREATE TABLE hub.log_block (
    site   uuid NOT NULL REFERENCES hub.site,
    number bigint NOT NULL,
    tenant uuid NOT NULL REFERENCES hub.tenant,
    root   bytea NOT NULL CHECK (octet_length(root) = 32),
    PRIMARY KEY (site, number)
);
CREATE INDEX log_block_tenant ON hub.log_block (tenant);

-- Agents' signing keys, from the records of their enrolment alone.
CREATE TABLE hub.agent (
    site        uuid NOT NULL REFERENCES hub.site,
    agent       text NOT NULL,
    enrolled    bigint NOT NULL,
    tenant      uuid NOT NULL REFERENCES hub.tenant,
    signing_key bytea NOT NULL CHECK (octet_length(signing_key) = 32),
    device      text NOT NULL,
    firmware    text NOT NULL,
    revoked     bigint,
    PRIMARY KEY (site, agent, enrolled)
);
CREATE INDEX agent_tenant ON hub.agent (tenant);

-- Which statement of an agent was taken for which finding: a second use is a replay.
CREATE TABLE hub.statement (
    tenant   uuid NOT NULL REFERENCES hub.tenant,
    agent    text NOT NULL,
    sequence text NOT NULL,
    site     uuid NOT NULL REFERENCES hub.site,
    finding  bigint NOT NULL,
    PRIMARY KEY (tenant, agent, sequence)
);
CREATE INDEX statement_site ON hub.statement (site);

CREATE TABLE hub.finding (
    site       uuid NOT NULL REFERENCES hub.site,
    id         bigint NOT NULL,
    tenant     uuid NOT NULL REFERENCES hub.tenant,
    rule_id    text NOT NULL,
    title      text NOT NULL,
    summary    text NOT NULL,
    severity   smallint NOT NULL CHECK (severity BETWEEN 0 AND 4),
    status     text NOT NULL,
    asset      text NOT NULL,
    asset_name text NOT NULL,
    count      bigint NOT NULL,
    demo       boolean NOT NULL,
    raised     bigint NOT NULL,
    changed    bigint NOT NULL,
    raised_seq bigint NOT NULL,
    last_seq   bigint NOT NULL,
    -- What is searched: lower case of what people see.
    words      text NOT NULL,
    signature  text NOT NULL CHECK (signature IN ('none', 'verified', 'invalid', 'unknown-agent', 'replayed')),
    agent      text,
    sequence   text,
    statement  bytea,
    signed_seq bigint,
    PRIMARY KEY (site, id)
);
CREATE INDEX finding_newest ON hub.finding (tenant, changed DESC, site, id);

-- What must be said loudly: a fork, a rewrite, a bad checkpoint, a bad statement. Never removed by the hub.
CREATE TABLE hub.alarm (
    id        uuid PRIMARY KEY,
    tenant    uuid NOT NULL REFERENCES hub.tenant,
    site      uuid NOT NULL REFERENCES hub.site,
    kind      text NOT NULL,
    seq       bigint NOT NULL,
    first     timestamptz NOT NULL DEFAULT now(),
    last      timestamptz NOT NULL DEFAULT now(),
    count     bigint NOT NULL DEFAULT 1,
    detail    text NOT NULL,
    evidence  jsonb NOT NULL,
    UNIQUE (site, kind, seq)
);
CREATE INDEX alarm_newest ON hub.alarm (tenant, last DESC, id);

-- Token buckets that all instances share. Keys are hashes of addresses and logins, no tenant's data. Unlogged: a crash of the
-- server forgets who was refused, nothing else.
CREATE UNLOGGED TABLE hub.rate (
    key     text PRIMARY KEY,
    full_at timestamptz NOT NULL
);
CREATE INDEX rate_full_at ON hub.rate (full_at);

-- Whose rows: the same policy on each table of tenants. `lookup` admits the one row whose secret the asker named.
DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['account', 'session', 'site', 'gateway', 'claim', 'record', 'log_block', 'agent', 'statement', 'finding', 'alarm'] LOOP
        EXECUTE format('ALTER TABLE hub.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE hub.%I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own ON hub.%I USING (tenant = hub.current_tenant()) WITH CHECK (tenant = hub.current_tenant())', name);
    END LOOP;
END $$;
ALTER TABLE hub.tenant ENABLE ROW LEVEL SECURITY;
ALTER TABLE hub.tenant FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON hub.tenant USING (id = hub.current_tenant()) WITH CHECK (id = hub.current_tenant());
CREATE POLICY lookup ON hub.tenant FOR SELECT USING ('tenant:' || name = hub.current_lookup());
CREATE POLICY lookup ON hub.account FOR SELECT USING ('login:' || login = hub.current_lookup());
CREATE POLICY lookup ON hub.session FOR SELECT USING ('session:' || encode(token_hash, 'hex') = hub.current_lookup());
CREATE POLICY lookup ON hub.gateway FOR SELECT USING ('key:' || encode(key_hash, 'hex') = hub.current_lookup());
CREATE POLICY lookup ON hub.claim FOR SELECT USING ('claim:' || encode(code_hash, 'hex') = hub.current_lookup());

-- The gateway with this key: the scope and the question in one call, since every request of a gateway begins with it.
CREATE FUNCTION hub.find_gateway(wanted bytea) RETURNS TABLE (id uuid, site uuid, tenant uuid)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog
AS $$
BEGIN
    PERFORM set_config('hub.tenant', '', true), set_config('hub.lookup', 'key:' || encode(wanted, 'hex'), true);
    RETURN QUERY SELECT g.id, g.site, g.tenant FROM hub.gateway g WHERE g.key_hash = wanted;
END $$;
REVOKE ALL ON FUNCTION hub.find_gateway(bytea) FROM PUBLIC;

-- Makes the partitions of this month and the next ones. Runs as the owner, so that the server's role needs to own nothing.
CREATE FUNCTION hub.make_partitions(months integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog
AS $$
DECLARE
    first date := date_trunc('month', now() AT TIME ZONE 'UTC')::date;
    begin_at date;
    name text;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(6072026);
    FOR month IN 0..least(months, 24) LOOP
        begin_at := (first + make_interval(months => month))::date;
        name := 'record_' || to_char(begin_at, 'YYYY_MM');
        IF to_regclass('hub.' || name) IS NULL THEN
            EXECUTE format('CREATE TABLE hub.%I PARTITION OF hub.record FOR VALUES FROM (%L) TO (%L)', name,
                begin_at || ' 00:00:00+00', (begin_at + interval '1 month')::date || ' 00:00:00+00');
            -- Reached by its parent alone: a policy-less table shows nothing to whoever asks it directly.
            EXECUTE format('ALTER TABLE hub.%I ENABLE ROW LEVEL SECURITY', name);
            EXECUTE format('ALTER TABLE hub.%I FORCE ROW LEVEL SECURITY', name);
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END $$;
REVOKE ALL ON FUNCTION hub.make_partitions(integer) FROM PUBLIC;
-- Takes what no month takes, so that a hub whose months ran out goes on; `/metrics` tells when it is used.
CREATE TABLE hub.record_other PARTITION OF hub.record DEFAULT;
ALTER TABLE hub.record_other ENABLE ROW LEVEL SECURITY;
ALTER TABLE hub.record_other FORCE ROW LEVEL SECURITY;
SELECT hub.make_partitions(12);
