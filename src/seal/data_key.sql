-- The keys of sealed values, wrapped under their tenants' key epochs.  Without the keyring they are
-- worth nothing, so they are dumped with the data.  A destroyed key leaves its number, so
-- that it is never taken for one that is missing, and never comes back.

CREATE TABLE toms.data_key (            -- the columns are read by position in seal/data_key.c
    id           bigint NOT NULL PRIMARY KEY,
    tenant       text COLLATE "C" NOT NULL,     -- of toms.tenant
    subject      text COLLATE "C",
    relation     regclass NOT NULL,
    month        date NOT NULL,                 -- of sealing
    epoch        uuid NOT NULL,                 -- of toms.key_epoch
    wrapped      bytea,
    created_at   timestamptz NOT NULL,
    destroyed_at timestamptz,
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL)),
    CHECK ((wrapped IS NULL) = (subject IS NULL))
);
CREATE INDEX data_key_owner ON toms.data_key (tenant, subject, relation, month);
SELECT pg_catalog.pg_extension_config_dump('toms.data_key', 'WHERE EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = relation)');
COMMENT ON TABLE toms.data_key IS 'wrapped keys of sealed values, by tenant, data subject, table and month of sealing';
-- keys that are made or re-wrapped change nothing for who has cached others
CREATE TRIGGER invalidate AFTER UPDATE OF id, tenant, subject, relation, month OR DELETE OR TRUNCATE ON toms.data_key
    FOR EACH STATEMENT EXECUTE FUNCTION toms.invalidate();
ALTER TABLE toms.data_key ENABLE ALWAYS TRIGGER invalidate;
