-- How long rows are kept: statutory periods, rules and holds. Slices policy (which rows are past their
-- period) and retention (what becomes of them) act on them; the functions that declare them are there.

CREATE TABLE toms.statutory_period (
    period      text COLLATE "C" PRIMARY KEY CHECK (period ~ '^[a-z]{2}_[a-z0-9_]{1,60}$'),     -- de_invoice
    country     text NOT NULL CHECK (country ~ '^[A-Z]{2}$'),
    records     text NOT NULL,          -- which ones
    keep        interval NOT NULL,
    starts      text NOT NULL CHECK (starts IN ('event', 'end_of_month', 'end_of_year')),
    source      text NOT NULL,          -- the law's own words for where it says so
    as_of       date NOT NULL,          -- when somebody last compared it with the law
    shipped     boolean NOT NULL DEFAULT false
);
SELECT pg_catalog.pg_extension_config_dump('toms.statutory_period', 'WHERE NOT shipped');
COMMENT ON TABLE toms.statutory_period IS 'periods for which the law demands that records are kept, with their source';
GRANT SELECT ON toms.statutory_period TO toms_admin, toms_auditor, toms_operator;

-- Rules: written by toms.retain() and toms.unretain() -----------------------------------

CREATE TABLE toms.retention_rule (      -- columns are read by position in catalog/retention.c
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    relation        regclass NOT NULL,
    tenant          text COLLATE "C",   -- NULL: every tenant that has no rule of his own
    category        text,               -- of labelled rows (toms.label_rows()); NULL: rows of which no other rule speaks
    since           name NOT NULL,      -- column of the start event
    elsewhere       regclass,           -- the table that has it; NULL: the row's own
    through         name,               -- column that refers to a row of that table
    lookup          regclass,           -- view of that table's keys and start events, for policies
    keep            interval NOT NULL CHECK (keep >= interval '0'),
    starts          text NOT NULL CHECK (starts IN ('event', 'end_of_month', 'end_of_year')),
    restrict_after  interval CHECK (restrict_after >= interval '0'),
    action          text NOT NULL CHECK (action IN ('delete', 'pseudonymise')),
    clear           name[],             -- columns that pseudonymising empties
    purposes        text[] NOT NULL CHECK (array_position(purposes, NULL) IS NULL),     -- that reach restricted and held rows
    zone            text NOT NULL,
    valid_until     timestamptz,        -- NULL: in force
    basis           text,
    period          text COLLATE "C",   -- of toms.statutory_period
    locked          boolean NOT NULL,
    relation_name   text NOT NULL,
    retained_at     timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    retained_by     text NOT NULL,
    ended_by        text,
    ended_reason    text,
    CHECK ((elsewhere IS NULL) = (through IS NULL)),
    CHECK ((action = 'pseudonymise') = (clear IS NOT NULL))
);
CREATE INDEX retention_rule_relation_idx ON toms.retention_rule (relation);
CREATE UNIQUE INDEX retention_rule_in_force_idx ON toms.retention_rule (relation, tenant, category) NULLS NOT DISTINCT WHERE valid_until IS NULL;
SELECT pg_catalog.pg_extension_config_dump('toms.retention_rule', 'WHERE EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = relation)');
SELECT pg_catalog.pg_extension_config_dump('toms.retention_rule_id_seq', '');
COMMENT ON TABLE toms.retention_rule IS 'how long rows of protected tables are kept, now and in the past';
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON toms.retention_rule
    FOR EACH STATEMENT EXECUTE FUNCTION toms.invalidate();
ALTER TABLE toms.retention_rule ENABLE ALWAYS TRIGGER invalidate;
GRANT SELECT ON toms.retention_rule TO toms_admin, toms_auditor, toms_operator;

-- Holds: written by toms.hold() and toms.release_hold() -----------------------------------

CREATE TABLE toms.hold (        -- columns are read by position in catalog/hold.c
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    state        text COLLATE "C" NOT NULL CHECK (state IN ('held', 'released')),
    relation     regclass,              -- NULL: every table
    tenant       text COLLATE "C",      -- NULL: every tenant
    subject      text COLLATE "C",      -- as tokens write it; NULL: everybody
    rule         bigint,                -- of toms.retention_rule; NULL: every one
    kind         text NOT NULL CHECK (kind IN ('legal', 'suspension', 'dispute', 'other')),     -- suspension: § 147(3) AO
    reason       text NOT NULL CHECK (reason <> ''),
    held_at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    held_by      text NOT NULL,
    released_at  timestamptz,
    released_by  text,
    released_for text,                  -- the reason
    CHECK (subject IS NULL OR tenant IS NOT NULL),
    CHECK (num_nonnulls(relation, tenant, rule) > 0)
);
CREATE INDEX hold_state_idx ON toms.hold (state);
SELECT pg_catalog.pg_extension_config_dump('toms.hold', '');
SELECT pg_catalog.pg_extension_config_dump('toms.hold_id_seq', '');
COMMENT ON TABLE toms.hold IS 'rows that nothing may delete until the hold is released';
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON toms.hold
    FOR EACH STATEMENT EXECUTE FUNCTION toms.invalidate();
ALTER TABLE toms.hold ENABLE ALWAYS TRIGGER invalidate;
GRANT SELECT ON toms.hold TO toms_admin, toms_auditor;

-- Erasures of which a hold keeps a part: written by toms.destroy_keys(), finished by toms.release_hold().
CREATE TABLE toms.pending_erasure (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant       text COLLATE "C" NOT NULL,
    subject      text COLLATE "C",      -- as tokens write it; NULL: the whole tenant
    instruction  bigint NOT NULL,       -- of toms.instruction
    state        text NOT NULL CHECK (state IN ('pending', 'finished', 'dropped')),     -- dropped: the instruction was
    requested_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    requested_by text NOT NULL,
    ended_at     timestamptz
);
CREATE UNIQUE INDEX pending_erasure_instruction_idx ON toms.pending_erasure (instruction) WHERE state = 'pending';
SELECT pg_catalog.pg_extension_config_dump('toms.pending_erasure', '');
SELECT pg_catalog.pg_extension_config_dump('toms.pending_erasure_id_seq', '');
COMMENT ON TABLE toms.pending_erasure IS 'erasures that wait for a hold to be released';
GRANT SELECT ON toms.pending_erasure TO toms_admin, toms_auditor;
