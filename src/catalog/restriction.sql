-- Restrictions of processing (Art. 18 GDPR), objections and withdrawn consents (Art. 21, 7(3)). Slice policy refuses
-- what they limit; the functions that declare them are in slice rights.

CREATE TABLE toms.restriction (     -- the first five columns are read by position in catalog/limit.c
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant       text COLLATE "C" NOT NULL,     -- of toms.tenant; a foreign key would hinder a parallel restore
    subject      text COLLATE "C" NOT NULL,     -- as tokens write it
    relation     regclass,                      -- NULL: every table
    purposes     text[] NOT NULL CHECK (array_position(purposes, NULL) IS NULL),     -- that reach the rows all the same
    kind         text NOT NULL CHECK (kind IN ('request', 'statutory')),    -- statutory: what an erasure has to leave
    instruction  bigint,                        -- of toms.instruction; NULL: statutory
    reason       text,
    until        timestamptz,                   -- when the last of the rows may go; NULL: nobody knows
    restricted_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    restricted_by text NOT NULL,
    told_at      timestamptz,                   -- the person was told that it ends (Art. 18(3))
    ended_at     timestamptz,                   -- NULL: in force
    ended_by     text,
    ended_instruction bigint,
    CHECK ((kind = 'request') = (instruction IS NOT NULL)),
    CHECK (ended_at IS NULL OR kind = 'statutory' OR told_at IS NOT NULL)
);
CREATE INDEX restriction_tenant_idx ON toms.restriction (tenant) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX restriction_in_force_idx ON toms.restriction (tenant, subject, relation, kind) NULLS NOT DISTINCT WHERE ended_at IS NULL;
SELECT pg_catalog.pg_extension_config_dump('toms.restriction', '');
SELECT pg_catalog.pg_extension_config_dump('toms.restriction_id_seq', '');
COMMENT ON TABLE toms.restriction IS 'whose rows are there for some purposes only, now and in the past';
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON toms.restriction
    FOR EACH STATEMENT EXECUTE FUNCTION toms.invalidate();
ALTER TABLE toms.restriction ENABLE ALWAYS TRIGGER invalidate;
GRANT SELECT ON toms.restriction TO toms_admin, toms_auditor;

CREATE TABLE toms.objection (       -- the first five columns are read by position in catalog/limit.c
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant       text COLLATE "C" NOT NULL,     -- of toms.tenant
    subject      text COLLATE "C" NOT NULL,     -- as tokens write it
    category     text COLLATE "C",              -- nothing of it is written about him
    purpose      text COLLATE "C",              -- for it his rows are neither read nor written
    reason       text,
    recorded_at  timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    recorded_by  text NOT NULL,
    ended_at     timestamptz,                   -- NULL: in force
    ended_by     text,
    ended_reason text,
    CHECK (num_nonnulls(category, purpose) = 1)
);
CREATE INDEX objection_tenant_idx ON toms.objection (tenant) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX objection_in_force_idx ON toms.objection (tenant, subject, category, purpose) NULLS NOT DISTINCT WHERE ended_at IS NULL;
SELECT pg_catalog.pg_extension_config_dump('toms.objection', '');
SELECT pg_catalog.pg_extension_config_dump('toms.objection_id_seq', '');
COMMENT ON TABLE toms.objection IS 'which data subject has objected to a purpose, or to values of a category, now and in the past';
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON toms.objection
    FOR EACH STATEMENT EXECUTE FUNCTION toms.invalidate();
ALTER TABLE toms.objection ENABLE ALWAYS TRIGGER invalidate;
GRANT SELECT ON toms.objection TO toms_admin, toms_auditor;
