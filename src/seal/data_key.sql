-- The keys of sealed values, wrapped under their tenants' key epochs.  Without the keyring they are
-- worth nothing, so they are dumped with the data.  A destroyed key leaves its number, so
-- that it is never taken for one that is missing, and never comes back.

CREATE TABLE toms.data_key (            -- the columns are read by position in seal/data_key.c
    id           bigint NOT NULL PRIMARY KEY,
    tenant       text COLLATE "C" NOT NULL,     -- of toms.tenant
    subject      text COLLATE "C",
    relation     regclass NOT NULL,             -- 0, with subject '': the tenant's own, of toms.blind_index()
    month        date NOT NULL,                 -- of sealing
    epoch        uuid NOT NULL,                 -- of toms.key_epoch
    wrapped      bytea,
    created_at   timestamptz NOT NULL,
    destroyed_at timestamptz,
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL)),
    CHECK ((wrapped IS NULL) = (subject IS NULL))
);
CREATE INDEX data_key_owner ON toms.data_key (tenant, subject, relation, month);
CREATE INDEX data_key_epoch ON toms.data_key (epoch) WHERE wrapped IS NOT NULL;
SELECT pg_catalog.pg_extension_config_dump('toms.data_key', 'WHERE relation = 0 OR EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = relation)');
COMMENT ON TABLE toms.data_key IS 'wrapped keys of sealed values, by tenant, data subject, table and month of sealing';
-- keys that are made or re-wrapped change nothing for who has cached others; by row, since replication writes rows
CREATE TRIGGER invalidate AFTER UPDATE OF id, tenant, subject, relation, month OR DELETE ON toms.data_key
    FOR EACH ROW EXECUTE FUNCTION toms.invalidate();
CREATE TRIGGER invalidate_all AFTER TRUNCATE ON toms.data_key FOR EACH STATEMENT EXECUTE FUNCTION toms.invalidate();
ALTER TABLE toms.data_key ENABLE ALWAYS TRIGGER invalidate, ENABLE ALWAYS TRIGGER invalidate_all;

CREATE FUNCTION toms.keep_destroyed_key()
RETURNS trigger LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'data key % has been destroyed, and stays so', OLD.id USING ERRCODE = 'object_not_in_prerequisite_state',
        DETAIL = 'Its number must not be given to another key, nor the key come back from a backup.';
END
$$;
REVOKE ALL ON FUNCTION toms.keep_destroyed_key() FROM PUBLIC;
COMMENT ON FUNCTION toms.keep_destroyed_key() IS 'internal: trigger that keeps destroyed keys as they are';
CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON toms.data_key FOR EACH ROW WHEN (OLD.destroyed_at IS NOT NULL)
    EXECUTE FUNCTION toms.keep_destroyed_key();
ALTER TABLE toms.data_key ENABLE ALWAYS TRIGGER keep;

-- What officers may see of it: not whose they are.
CREATE VIEW toms.data_keys AS
    SELECT k.id, k.tenant, k.relation, k.month, e.number AS epoch, k.created_at, k.destroyed_at
    FROM toms.data_key k LEFT JOIN toms.key_epoch e ON e.id = k.epoch;
COMMENT ON VIEW toms.data_keys IS 'data keys by tenant, table and month of sealing, the epoch that each is wrapped under, and when it was destroyed';
GRANT SELECT ON toms.data_keys TO toms_admin, toms_auditor, toms_operator;
