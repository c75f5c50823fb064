-- An older state of the database, restored: its data keys are wrapped under epochs that may have
-- been destroyed since.  The live database's keys open it, but for what has been erased.
--
-- An export is proved by the tenant's current epoch and good for a day, so that it does not
-- outlive an erasure.  It names nobody: a wrapped key opens only for whom it was made.

CREATE FUNCTION toms.authenticate_export(epoch uuid, export text) RETURNS bytea
    LANGUAGE c VOLATILE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_authenticate_export';
REVOKE ALL ON FUNCTION toms.authenticate_export(uuid, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.authenticate_export(uuid, text) IS 'internal: the proof of an export of keys';

CREATE FUNCTION toms.export_is_genuine(epoch uuid, export text, proof bytea) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_export_is_genuine';
REVOKE ALL ON FUNCTION toms.export_is_genuine(uuid, text, bytea) FROM PUBLIC;
COMMENT ON FUNCTION toms.export_is_genuine(uuid, text, bytea) IS 'internal: whether an export of keys is as it was made';

CREATE FUNCTION toms.key_unwraps(id bigint, tenant text, subject text, month date, epoch uuid, wrapped bytea) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_key_unwraps';
REVOKE ALL ON FUNCTION toms.key_unwraps(bigint, text, text, date, uuid, bytea) FROM PUBLIC;
COMMENT ON FUNCTION toms.key_unwraps(bigint, text, text, date, uuid, bytea) IS 'internal: whether a wrapped key is that of this tenant, data subject and month';

CREATE FUNCTION toms.export_keys(tenant text)
RETURNS SETOF jsonb LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    epoch constant uuid := toms.current_epoch(tenant);
    epochs jsonb;
    keys jsonb;
    export jsonb;
BEGIN
    SELECT jsonb_agg(jsonb_build_object('id', e.id, 'number', e.number, 'fingerprint', encode(e.fingerprint, 'hex'), 'created_at', e.created_at,
                                        'retired_at', e.retired_at, 'destroyed_at', e.destroyed_at)) INTO epochs
    FROM toms.key_epoch e WHERE e.tenant = export_keys.tenant;
    FOR keys IN SELECT jsonb_agg(jsonb_build_object('id', k.id, 'epoch', k.epoch, 'wrapped', encode(k.wrapped, 'hex')))
                FROM (SELECT d.*, row_number() OVER (ORDER BY d.id) / 10000 AS part FROM toms.data_key d WHERE d.tenant = export_keys.tenant) k
                GROUP BY k.part LOOP
        export := jsonb_build_object('tenant', tenant, 'exported_at', clock_timestamp(), 'epochs', epochs, 'keys', keys);
        RETURN NEXT jsonb_build_object('export', export, 'epoch', epoch, 'proof', encode(toms.authenticate_export(epoch, export::text), 'hex'));
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.export_keys(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.export_keys(text) TO toms_admin, toms_operator;
COMMENT ON FUNCTION toms.export_keys(text) IS 'the wrapped keys of a tenant, in parts, for toms.adopt_keys() in an older state of this database; good for a day';

-- The epochs of the live database, with what has become of those that are here already.
CREATE FUNCTION toms.adopt_epochs(of_tenant text, epochs jsonb)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    other integer;
BEGIN
    SELECT e.number INTO other FROM jsonb_to_recordset(epochs) x (id uuid, number integer)
    JOIN toms.key_epoch e ON e.id = x.id AND e.tenant <> of_tenant OR e.number = x.number AND e.tenant = of_tenant AND e.id <> x.id
    ORDER BY e.number LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'key epoch % of tenant "%" is another one here', other, of_tenant USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'Restore again, and adopt keys before any are rotated there.';
    END IF;
    INSERT INTO toms.key_epoch AS e (id, tenant, number, fingerprint, created_at, retired_at, destroyed_at)
    SELECT x.id, of_tenant, x.number, decode(x.fingerprint, 'hex'), x.created_at, x.retired_at, x.destroyed_at
    FROM jsonb_to_recordset(epochs) x (id uuid, number integer, fingerprint text, created_at timestamptz, retired_at timestamptz, destroyed_at timestamptz)
    ON CONFLICT (id) DO UPDATE SET retired_at = coalesce(e.retired_at, excluded.retired_at), destroyed_at = coalesce(e.destroyed_at, excluded.destroyed_at);
END
$$;
REVOKE ALL ON FUNCTION toms.adopt_epochs(text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION toms.adopt_epochs(text, jsonb) IS 'internal: take over the epochs of an export of keys';

-- Whatever comes before the proof is undone by the error of a false one.
CREATE FUNCTION toms.check_export(export jsonb)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    epoch constant uuid := export ->> 'epoch';
BEGIN
    IF NOT EXISTS (SELECT FROM toms.key_epoch e WHERE e.id = epoch AND e.tenant = export #>> '{export,tenant}')
       OR toms.export_is_genuine(epoch, (export -> 'export')::text, decode(export ->> 'proof', 'hex')) IS NOT TRUE THEN
        RAISE EXCEPTION 'this is no export of keys, or it has been changed' USING ERRCODE = 'invalid_parameter_value',
            HINT = 'SELECT toms.export_keys(…); in the live database makes one.';
    END IF;
    IF ((export #>> '{export,exported_at}')::timestamptz > clock_timestamp() - interval '1 day') IS NOT TRUE THEN
        RAISE EXCEPTION 'the export of keys is of % and too old', export #>> '{export,exported_at}'
            USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = 'Keys that it holds may have been destroyed since.',
                  HINT = 'SELECT toms.export_keys(…); in the live database makes a new one.';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_export(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_export(jsonb) IS 'internal: refuse an export of keys that is false or too old';

CREATE FUNCTION toms.adopt_keys(export jsonb, OUT adopted bigint, OUT destroyed bigint)
RETURNS record LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    of_tenant constant text := export #>> '{export,tenant}';
    keys constant jsonb := export #> '{export,keys}';
    wrong bigint;
BEGIN
    PERFORM FROM toms.tenant t WHERE t.tenant = of_tenant FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no tenant %', quote_nullable(of_tenant) USING ERRCODE = 'foreign_key_violation', HINT = 'SELECT * FROM toms.tenants;';
    END IF;
    PERFORM toms.lock_keys(of_tenant, exclusive => true);
    PERFORM toms.adopt_epochs(of_tenant, export #> '{export,epochs}');
    PERFORM toms.check_export(export);
    SELECT k.id INTO wrong FROM jsonb_to_recordset(keys) x (id bigint, epoch uuid, wrapped text) JOIN toms.data_key k ON k.id = x.id
    WHERE k.tenant <> of_tenant OR (k.wrapped IS NOT NULL AND x.wrapped IS NOT NULL AND
          NOT toms.key_unwraps(k.id, k.tenant, k.subject, k.month, x.epoch, decode(x.wrapped, 'hex'))) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'data key % of the export is another one here', wrong USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'Keys are adopted into a restored state of the database that they were exported from.';
    END IF;
    destroyed := toms.bury_keys(ARRAY(SELECT x.id FROM jsonb_to_recordset(keys) x (id bigint, wrapped text) WHERE x.wrapped IS NULL));
    UPDATE toms.data_key k SET epoch = x.epoch, wrapped = decode(x.wrapped, 'hex')
    FROM jsonb_to_recordset(keys) x (id bigint, epoch uuid, wrapped text)
    WHERE k.id = x.id AND k.wrapped IS NOT NULL AND x.wrapped IS NOT NULL;
    GET DIAGNOSTICS adopted = ROW_COUNT;
    RAISE LOG 'toms keys adopted: tenant=% keys=% destroyed=% login=%', of_tenant, adopted, destroyed, session_user;
END
$$;
REVOKE ALL ON FUNCTION toms.adopt_keys(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.adopt_keys(jsonb) TO toms_admin;
COMMENT ON FUNCTION toms.adopt_keys(jsonb) IS 'open an older state of the database with the live one''s keys: a part of toms.export_keys(); what is destroyed there is so here afterwards';
