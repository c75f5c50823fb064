-- Erasures by key alone, rows stay: told to the ledger as others are, so that a backup that brings the keys back is known for it.

-- Called by toms.destroy_keys(), which has chosen them.
CREATE FUNCTION toms.destroy_and_tell(tenant text, subject text, instruction bigint, ids bigint[])
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    erasure bigint;
    destroyed bigint;
BEGIN
    INSERT INTO toms.erasure (kind, tenant, subject, instruction, state, requested_by)
    VALUES ('keys', destroy_and_tell.tenant, destroy_and_tell.subject, destroy_and_tell.instruction, 'running', session_user) RETURNING id INTO erasure;
    PERFORM toms.ledger_intend(erasure);
    destroyed := toms.bury_keys(ids);
    PERFORM toms.end_key_erasure(erasure, destroyed, false);
    RETURN destroyed;
END
$$;
REVOKE ALL ON FUNCTION toms.destroy_and_tell(text, text, bigint, bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.destroy_and_tell(text, text, bigint, bigint[]) IS 'internal: destroy data keys, and have the ledger of erasures tell of it';

CREATE FUNCTION toms.end_key_erasure(erasure bigint, keys bigint, waits boolean)
RETURNS toms.erasure LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    ended toms.erasure;
BEGIN
    UPDATE toms.erasure e
    SET state = CASE WHEN waits THEN 'waiting' ELSE 'done' END,
        result = e.result || jsonb_build_object('tables', '{}'::jsonb, 'keys', coalesce((e.result ->> 'keys')::bigint, 0) + end_key_erasure.keys)
    WHERE e.id = end_key_erasure.erasure RETURNING * INTO ended;
    IF NOT waits THEN
        PERFORM toms.ledger_done(erasure);
    END IF;
    RETURN ended;
END
$$;
REVOKE ALL ON FUNCTION toms.end_key_erasure(bigint, bigint, boolean) FROM PUBLIC;
COMMENT ON FUNCTION toms.end_key_erasure(bigint, bigint, boolean) IS 'internal: note what has become of an erasure by key';

-- One that a restored backup has brought back.  What a hold keeps is destroyed when that is released.
CREATE FUNCTION toms.carry_out_key_erasure(id bigint)
RETURNS toms.erasure LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    erasure toms.erasure;
    keys record;
BEGIN
    SELECT * INTO erasure FROM toms.erasure e WHERE e.id = carry_out_key_erasure.id FOR UPDATE;
    SELECT * INTO keys FROM toms.keys_to_destroy(erasure.tenant, erasure.subject);
    PERFORM toms.ledger_intend(erasure.id);
    IF erasure.subject IS NULL AND keys.held = '{}' THEN
        PERFORM toms.destroy_epochs(erasure.tenant);
    END IF;
    RETURN toms.end_key_erasure(erasure.id, toms.bury_keys(keys.free), keys.held <> '{}');
END
$$;
REVOKE ALL ON FUNCTION toms.carry_out_key_erasure(bigint) FROM PUBLIC;
COMMENT ON FUNCTION toms.carry_out_key_erasure(bigint) IS 'internal: destroy keys again that a backup has brought back';
