-- Key epochs: under which keys of the keyring a tenant's data keys are wrapped.

CREATE TABLE toms.key_epoch (   -- read by position in keyring/epoch.c
    id           uuid PRIMARY KEY,
    tenant       text COLLATE "C" NOT NULL,     -- of toms.tenant; a foreign key would hinder a parallel restore
    number       integer NOT NULL CHECK (number > 0),
    fingerprint  bytea NOT NULL CHECK (octet_length(fingerprint) = 16),
    created_at   timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    retired_at   timestamptz,
    destroyed_at timestamptz CHECK (destroyed_at IS NULL OR retired_at IS NOT NULL),
    CONSTRAINT key_epoch_tenant_number_key UNIQUE (tenant, number)
);
SELECT pg_catalog.pg_extension_config_dump('toms.key_epoch', '');
COMMENT ON TABLE toms.key_epoch IS 'key epochs of the tenants; the keys themselves are in the keyring. A destroyed epoch stays, so that it is never used again';
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON toms.key_epoch
    FOR EACH STATEMENT EXECUTE FUNCTION toms.invalidate();
ALTER TABLE toms.key_epoch ENABLE ALWAYS TRIGGER invalidate;
GRANT SELECT ON toms.key_epoch TO toms_admin, toms_auditor, toms_operator;

-- what is done in C ------------------------------------------------------------------

CREATE FUNCTION toms.keyring_is_configured() RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_keyring_is_configured';
REVOKE ALL ON FUNCTION toms.keyring_is_configured() FROM PUBLIC;
COMMENT ON FUNCTION toms.keyring_is_configured() IS 'internal: whether the settings name a keyring';

CREATE FUNCTION toms.create_epoch_key(epoch uuid) RETURNS bytea
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_create_epoch_key';
REVOKE ALL ON FUNCTION toms.create_epoch_key(uuid) FROM PUBLIC;
COMMENT ON FUNCTION toms.create_epoch_key(uuid) IS 'internal: make the key of an epoch and return its fingerprint';

CREATE FUNCTION toms.destroy_epoch_key(epoch uuid) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_destroy_epoch_key';
REVOKE ALL ON FUNCTION toms.destroy_epoch_key(uuid) FROM PUBLIC;
COMMENT ON FUNCTION toms.destroy_epoch_key(uuid) IS 'internal: destroy the key of an epoch at commit, if its row says so';

CREATE FUNCTION toms.keyring_fault(writing boolean) RETURNS text
    LANGUAGE c VOLATILE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_keyring_fault';
REVOKE ALL ON FUNCTION toms.keyring_fault(boolean) FROM PUBLIC;
COMMENT ON FUNCTION toms.keyring_fault(boolean) IS 'internal: what hinders the keyring from reading or making keys';

CREATE FUNCTION toms.epoch_fault(epoch uuid, fingerprint bytea, OUT held boolean, OUT exchanged boolean, OUT problem text)
    LANGUAGE c VOLATILE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_epoch_fault';
REVOKE ALL ON FUNCTION toms.epoch_fault(uuid, bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.epoch_fault(uuid, bytea) TO toms_admin, toms_auditor, toms_operator;
COMMENT ON FUNCTION toms.epoch_fault(uuid, bytea) IS 'internal: whether this server holds the key of an epoch';

CREATE FUNCTION toms.current_epoch(tenant text) RETURNS uuid
    LANGUAGE c STABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_current_epoch';
REVOKE ALL ON FUNCTION toms.current_epoch(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.current_epoch(text) IS 'internal: the epoch under which new keys of a tenant are wrapped';

CREATE FUNCTION toms.try_epoch(epoch uuid) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_try_epoch';
REVOKE ALL ON FUNCTION toms.try_epoch(uuid) FROM PUBLIC;
COMMENT ON FUNCTION toms.try_epoch(uuid) IS 'internal: whether what is wrapped under an epoch comes back, and nothing that was altered';

-- the life of an epoch ---------------------------------------------------------------

-- A keyring that has none of the keys that were made is another one, or its file system is not mounted: a key that is made there
-- is gone when that is back.
CREATE FUNCTION toms.check_keyring_is_known()
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    made record;
    is_absent boolean := false;
BEGIN
    FOR made IN SELECT e.id, e.fingerprint FROM toms.key_epoch e WHERE e.destroyed_at IS NULL LOOP
        SELECT NOT f.held AND f.problem IS NULL INTO is_absent FROM toms.epoch_fault(made.id, made.fingerprint) f;     -- what is wrong with it is told by whoever makes the key
        EXIT WHEN NOT is_absent;
    END LOOP;
    IF is_absent THEN
        RAISE EXCEPTION 'the keyring has none of the keys that were made for this database' USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'Bring it back as it was last: is its file system mounted? SELECT * FROM toms.check_keyring(); tells what is missing.';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_keyring_is_known() FROM PUBLIC;
COMMENT ON FUNCTION toms.check_keyring_is_known() IS 'internal: refuse to make a key where none is that was made before';

-- The key is in the keyring, and where toms.keyring_sync_command brings it, before its row is.
CREATE FUNCTION toms.create_epoch(tenant text)
RETURNS uuid LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    epoch constant uuid := gen_random_uuid();
    last integer;
BEGIN
    PERFORM FROM toms.tenant t WHERE t.tenant = create_epoch.tenant FOR UPDATE;   -- one at a time
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no tenant "%"', tenant USING ERRCODE = 'foreign_key_violation',
            HINT = format('SELECT toms.add_tenant(%L, name => ''…'');', tenant);
    END IF;
    PERFORM toms.check_keyring_is_known();
    SELECT coalesce(max(e.number), 0) INTO last FROM toms.key_epoch e WHERE e.tenant = create_epoch.tenant;
    INSERT INTO toms.key_epoch (id, tenant, number, fingerprint)
    VALUES (epoch, create_epoch.tenant, last + 1, toms.create_epoch_key(epoch));
    RETURN epoch;
END
$$;
REVOKE ALL ON FUNCTION toms.create_epoch(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.create_epoch(text) IS 'internal: begin a key epoch of a tenant, which new data keys are wrapped under';

CREATE FUNCTION toms.retire_epoch(epoch uuid)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE toms.key_epoch e SET retired_at = coalesce(e.retired_at, clock_timestamp()) WHERE e.id = epoch;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no key epoch %', epoch USING ERRCODE = 'undefined_object',
            HINT = 'SELECT * FROM toms.key_epochs;';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.retire_epoch(uuid) FROM PUBLIC;
COMMENT ON FUNCTION toms.retire_epoch(uuid) IS 'internal: wrap nothing more under an epoch; what is wrapped can still be opened';

CREATE FUNCTION toms.destroy_epoch(epoch uuid)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_epoch toms.key_epoch;
BEGIN
    SELECT * INTO found_epoch FROM toms.key_epoch e WHERE e.id = epoch FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no key epoch %', epoch USING ERRCODE = 'undefined_object',
            HINT = 'SELECT * FROM toms.key_epochs;';
    END IF;
    IF found_epoch.retired_at IS NULL THEN
        RAISE EXCEPTION 'key epoch % of tenant "%" is in use', found_epoch.number, found_epoch.tenant
            USING ERRCODE = 'object_in_use', HINT = format('SELECT toms.rotate_keys(%L);', found_epoch.tenant);
    END IF;
    UPDATE toms.key_epoch e SET destroyed_at = coalesce(e.destroyed_at, clock_timestamp()) WHERE e.id = epoch;
    PERFORM toms.destroy_epoch_key(epoch);
END
$$;
REVOKE ALL ON FUNCTION toms.destroy_epoch(uuid) FROM PUBLIC;
COMMENT ON FUNCTION toms.destroy_epoch(uuid) IS 'internal: destroy the key of a retired epoch at commit; nothing brings it back';

-- what an officer sees ---------------------------------------------------------------

CREATE VIEW toms.key_epochs AS
    SELECT e.tenant, e.number,
           CASE WHEN e.destroyed_at IS NOT NULL THEN 'destroyed'
                WHEN e.retired_at IS NOT NULL THEN 'retired'
                WHEN EXISTS (SELECT FROM toms.key_epoch n WHERE n.tenant = e.tenant AND n.number > e.number AND n.retired_at IS NULL) THEN 'former'
                ELSE 'current' END AS state,
           e.created_at, e.retired_at, e.destroyed_at, f.held, e.id AS epoch
    FROM toms.key_epoch e, LATERAL toms.epoch_fault(e.id, e.fingerprint) f;
COMMENT ON VIEW toms.key_epochs IS 'key epochs of the tenants, their state, and whether this server holds their keys';
GRANT SELECT ON toms.key_epochs TO toms_admin, toms_auditor, toms_operator;

CREATE FUNCTION toms.check_keyring(OUT epoch uuid, OUT tenant text, OUT number integer, OUT problem text, OUT remedy text)
RETURNS SETOF record LANGUAGE plpgsql VOLATILE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    problem := toms.keyring_fault(writing => false);
    IF problem IS NOT NULL THEN
        IF toms.keyring_is_configured() OR EXISTS (SELECT FROM toms.key_epoch e WHERE e.destroyed_at IS NULL) THEN
            remedy := 'Mend it, or set toms.keyring or toms.keyring_command to where the keys are; then SELECT pg_reload_conf();';
            RETURN NEXT;
        END IF;
        RETURN;
    END IF;
    problem := toms.keyring_fault(writing => true);
    IF problem IS NOT NULL THEN
        remedy := 'Keys can be read, but none can be made or destroyed: give the server''s user the right to write.';
        RETURN NEXT;
    END IF;
    RETURN QUERY
        SELECT e.id, e.tenant, e.number,
               CASE WHEN e.destroyed_at IS NOT NULL THEN 'the epoch is destroyed, but this server still holds its key'
                    ELSE coalesce(f.problem, 'this server does not hold the key') END,
               CASE WHEN e.destroyed_at IS NOT NULL THEN format('SELECT toms.destroy_epoch(%L); on a standby, delete the key by hand.', e.id)
                    WHEN f.exchanged OR f.problem IS NULL THEN
                        format('Bring back the key "epoch-%s" from another server of this database, or from where it was kept in escrow.', e.id)
                    ELSE format('Make it readable for the server and nobody else; if others may have read it, SELECT toms.rotate_keys(%L);', e.tenant) END
        FROM toms.key_epoch e, LATERAL toms.epoch_fault(e.id, e.fingerprint) f
        WHERE f.held = (e.destroyed_at IS NOT NULL)
        ORDER BY e.tenant, e.number;
END
$$;
REVOKE ALL ON FUNCTION toms.check_keyring() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.check_keyring() TO toms_admin, toms_auditor, toms_operator, pg_monitor;
COMMENT ON FUNCTION toms.check_keyring() IS 'one row for each fault of the keyring of this server; none if every key is there';
