-- The contract with a controller: agreements, its end, and how long backups of his data are kept.
-- Slice rights acts on them; the functions that write them are there.

CREATE TABLE toms.agreement (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant     text COLLATE "C" NOT NULL,
    name       text NOT NULL CHECK (name <> ''),
    version    text NOT NULL CHECK (version <> ''),
    valid_from timestamptz NOT NULL,
    measures   text[] NOT NULL CHECK (array_position(measures, NULL) IS NULL),
    adopted_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    adopted_by text NOT NULL,
    CONSTRAINT agreement_tenant_name_version_key UNIQUE (tenant, name, version)
);
SELECT pg_catalog.pg_extension_config_dump('toms.agreement', '');
SELECT pg_catalog.pg_extension_config_dump('toms.agreement_id_seq', '');
COMMENT ON TABLE toms.agreement IS 'agreements with controllers, version by version: standing instructions for retention and for the end of the contract';
GRANT SELECT ON toms.agreement TO toms_admin, toms_auditor, toms_operator;

CREATE TABLE toms.backup_tier (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL CHECK (name <> ''),
    every       interval NOT NULL CHECK (every > interval '0'),
    keep        interval NOT NULL CHECK (keep > interval '0'),
    declared_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    declared_by text NOT NULL,
    ended_at    timestamptz,            -- none is made any more; those that there are, are kept for as long as was declared
    ended_by    text
);
CREATE UNIQUE INDEX backup_tier_in_force_idx ON toms.backup_tier (name) WHERE ended_at IS NULL;
SELECT pg_catalog.pg_extension_config_dump('toms.backup_tier', '');
SELECT pg_catalog.pg_extension_config_dump('toms.backup_tier_id_seq', '');
COMMENT ON TABLE toms.backup_tier IS 'tiers of backups, how often one is made and how long it is kept, now and in the past';
GRANT SELECT ON toms.backup_tier TO toms_admin, toms_auditor, toms_operator;

CREATE TABLE toms.tenant_end (          -- the first two columns are read by position in catalog/retention.c
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    state        text COLLATE "C" NOT NULL CHECK (state IN ('announced', 'erasing', 'done', 'cancelled')),
    tenant       text COLLATE "C" NOT NULL,
    ends_at      timestamptz NOT NULL,  -- the contract
    notified_at  timestamptz,           -- the controller was told that he can have his data back; NULL: no clock runs
    opens_at     timestamptz,           -- the return window: from then on
    closes_at    timestamptz,
    agreement    bigint,                -- of toms.agreement: by it
    instruction  bigint,                -- of toms.instruction: or by it
    erasure      bigint,                -- of toms.erasure, once it has begun
    sealed_off   timestamptz,           -- transactions that began before may have written still
    problem      text,                  -- what it waits for
    announced_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    announced_by text NOT NULL,
    ended_at     timestamptz,
    cancelled_by text,
    reason       text,                  -- why it was cancelled
    CHECK (num_nonnulls(agreement, instruction) < 2),   -- none: carried out again after a restore
    CHECK ((notified_at IS NULL) = (closes_at IS NULL) AND (opens_at IS NULL) = (closes_at IS NULL))
);
CREATE INDEX tenant_end_state_idx ON toms.tenant_end (state);
CREATE UNIQUE INDEX tenant_end_tenant_idx ON toms.tenant_end (tenant) WHERE state IN ('announced', 'erasing');
SELECT pg_catalog.pg_extension_config_dump('toms.tenant_end', '');
SELECT pg_catalog.pg_extension_config_dump('toms.tenant_end_id_seq', '');
COMMENT ON TABLE toms.tenant_end IS 'ends of contracts: announced, erasing once the return window has closed, done; or cancelled before';
GRANT SELECT ON toms.tenant_end TO toms_admin, toms_auditor;
