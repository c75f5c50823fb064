-- Erasure by key: what was sealed with a destroyed key is gone, in the tables at once, in backups
-- when the epochs that its key was wrapped under are.  The numbers of destroyed keys stay.

CREATE FUNCTION toms.subject_in(relation regclass, tenant text, subject text) RETURNS text
    LANGUAGE c STABLE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_subject_in';
REVOKE ALL ON FUNCTION toms.subject_in(regclass, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.subject_in(regclass, text, text) IS 'internal: a data subject as a table writes it, NULL if its persons'' table has none';

CREATE FUNCTION toms.carried_keys(part regclass) RETURNS SETOF bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_carried_keys';
REVOKE ALL ON FUNCTION toms.carried_keys(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.carried_keys(regclass) IS 'internal: the keys of which one table holds values';

-- The caller holds the tenants' locks.
CREATE FUNCTION toms.bury_keys(ids bigint[])
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    buried bigint;
BEGIN
    UPDATE toms.data_key k SET wrapped = NULL, subject = NULL, destroyed_at = clock_timestamp()
    WHERE k.id = ANY (ids) AND k.wrapped IS NOT NULL;
    GET DIAGNOSTICS buried = ROW_COUNT;
    RETURN buried;
END
$$;
REVOKE ALL ON FUNCTION toms.bury_keys(bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.bury_keys(bigint[]) IS 'internal: destroy data keys; every session forgets them when this commits';

CREATE FUNCTION toms.keys_of_subject(tenant text, subject text)
RETURNS SETOF bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    rel regclass;
    subject_here text;
BEGIN
    FOR rel IN SELECT DISTINCT k.relation FROM toms.data_key k WHERE k.tenant = keys_of_subject.tenant AND k.wrapped IS NOT NULL AND k.relation <> 0 LOOP
        subject_here := toms.subject_in(rel, tenant, subject);
        IF subject_here IS NULL THEN
            RAISE WARNING 'no key of table % is destroyed: the data subject is not in the table of its persons', rel
                USING HINT = format('Delete the rows, then SELECT toms.destroy_unused_keys(%L);', rel);
        END IF;
        RETURN QUERY SELECT k.id FROM toms.data_key k
                     WHERE k.tenant = keys_of_subject.tenant AND k.subject = subject_here AND k.relation = rel AND k.wrapped IS NOT NULL;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.keys_of_subject(text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.keys_of_subject(text, text) IS 'internal: the keys of a data subject, in tables that write him by an alias too';

-- Of keys those that open rows under a hold: of its table, tenant and subject.  Keys without a table open what may be of any.
CREATE FUNCTION toms.held_keys(ids bigint[])
RETURNS SETOF bigint LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT k.id FROM toms.data_key k
    WHERE k.id = ANY (ids) AND EXISTS (
        SELECT FROM toms.hold h
        WHERE h.state = 'held' AND (h.relation IS NULL OR k.relation = 0 OR h.relation = k.relation) AND (h.tenant IS NULL OR h.tenant = k.tenant)
          AND (h.subject IS NULL OR k.relation = 0 OR (toms.subject_in(k.relation, h.tenant, h.subject) = k.subject) IS NOT FALSE));
$$;
REVOKE ALL ON FUNCTION toms.held_keys(bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.held_keys(bigint[]) IS 'internal: which keys a hold keeps';

CREATE FUNCTION toms.remember_erasure(tenant text, instruction bigint, subject text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO toms.pending_erasure (tenant, subject, instruction, state, requested_by)
    VALUES (remember_erasure.tenant, remember_erasure.subject, remember_erasure.instruction, 'pending', session_user)
    ON CONFLICT DO NOTHING;
    RAISE WARNING 'a hold keeps keys: the erasure is remembered, and finished when the hold is released'
        USING HINT = format('SELECT * FROM toms.holds WHERE state = ''held'' AND coalesce(tenant, %1$L) = %1$L;', tenant);
END
$$;
REVOKE ALL ON FUNCTION toms.remember_erasure(text, bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.remember_erasure(text, bigint, text) IS 'internal: an erasure waits for a hold to be released';

CREATE FUNCTION toms.destroy_epochs(tenant text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    old uuid;
BEGIN
    FOR old IN SELECT e.id FROM toms.key_epoch e WHERE e.tenant = destroy_epochs.tenant AND e.destroyed_at IS NULL LOOP
        PERFORM toms.retire_epoch(old);
        PERFORM toms.destroy_epoch(old);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.destroy_epochs(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.destroy_epochs(text) IS 'internal: destroy all epochs of a tenant';

-- Of a data subject, or of a whole tenant; nobody writes with one of them, or rotates them, until the transaction ends.
CREATE FUNCTION toms.keys_to_destroy(tenant text, subject text, OUT free bigint[], OUT held bigint[])
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    ids bigint[];
BEGIN
    PERFORM FROM toms.tenant t WHERE t.tenant = keys_to_destroy.tenant FOR UPDATE;     -- no rotation meanwhile
    PERFORM toms.lock_keys(tenant, exclusive => true);
    ids := CASE WHEN subject IS NOT NULL THEN ARRAY(SELECT toms.keys_of_subject(tenant, subject))
                ELSE ARRAY(SELECT k.id FROM toms.data_key k WHERE k.tenant = keys_to_destroy.tenant AND k.wrapped IS NOT NULL) END;
    held := ARRAY(SELECT toms.held_keys(ids));
    free := ARRAY(SELECT unnest(ids) EXCEPT SELECT unnest(held));
END
$$;
REVOKE ALL ON FUNCTION toms.keys_to_destroy(text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.keys_to_destroy(text, text) IS 'internal: keys that an erasure by key destroys, and those that a hold keeps';

-- The lock on holds comes first, as everywhere.  Slice rights tells outside of the database what is destroyed.
CREATE FUNCTION toms.destroy_keys(tenant text, instruction bigint, subject text DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    keys record;
    destroyed bigint := 0;
BEGIN
    PERFORM toms.check_instruction(instruction, tenant, 'erase', subject);
    LOCK TABLE toms.hold IN ROW SHARE MODE;
    SELECT * INTO keys FROM toms.keys_to_destroy(tenant, subject);
    IF keys.free <> '{}' THEN
        destroyed := toms.destroy_and_tell(tenant, subject, instruction, keys.free);
    END IF;
    RAISE LOG 'toms keys destroyed: tenant=% keys=% held=% instruction=% login=%', tenant, destroyed, cardinality(keys.held), instruction, session_user;
    IF keys.held <> '{}' THEN
        PERFORM toms.remember_erasure(tenant, instruction, subject);
        RETURN destroyed;
    END IF;
    PERFORM toms.carry_out_instruction(instruction, tenant, 'erase', subject);
    IF subject IS NULL THEN
        PERFORM toms.destroy_epochs(tenant);
    END IF;
    UPDATE toms.pending_erasure e SET state = 'finished', ended_at = clock_timestamp() WHERE e.instruction = destroy_keys.instruction AND e.state = 'pending';
    RETURN destroyed;
END
$$;
REVOKE ALL ON FUNCTION toms.destroy_keys(text, bigint, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.destroy_keys(text, bigint, text) TO toms_admin, toms_operator;
COMMENT ON FUNCTION toms.destroy_keys(text, bigint, text) IS 'erase what is sealed of a data subject, or of a whole tenant, by destroying its keys; by a confirmed instruction of kind erase';

-- Called when a hold is released: other holds may keep on keeping keys.
CREATE FUNCTION toms.finish_pending_erasures()
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    pending toms.pending_erasure;
    now_is text;
BEGIN
    FOR pending IN SELECT * FROM toms.pending_erasure e WHERE e.state = 'pending' ORDER BY e.id LOOP
        now_is := (SELECT i.state FROM toms.instruction i WHERE i.id = pending.instruction);
        IF now_is = 'confirmed' THEN
            PERFORM toms.destroy_keys(pending.tenant, pending.instruction, pending.subject);
        ELSIF now_is IN ('refused', 'withdrawn') THEN
            UPDATE toms.pending_erasure e SET state = 'dropped', ended_at = clock_timestamp() WHERE e.id = pending.id;
        END IF;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.finish_pending_erasures() FROM PUBLIC;
COMMENT ON FUNCTION toms.finish_pending_erasures() IS 'internal: carry out the erasures that no hold keeps from it any more';

CREATE VIEW toms.pending_erasures AS
    SELECT id, tenant, instruction, state, requested_at, requested_by, ended_at FROM toms.pending_erasure;
COMMENT ON VIEW toms.pending_erasures IS 'erasures that waited, or wait, for a hold to be released; the instruction says whose';
GRANT SELECT ON toms.pending_erasures TO toms_admin, toms_auditor, toms_operator;

-- Keys without a table are the tenant's own.  Not in its table alone: a partition that was detached goes on carrying the keys of its former root.
CREATE FUNCTION toms.unused_keys(root oid)
RETURNS SETOF bigint LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT k.id FROM toms.data_key k WHERE k.relation = root AND root <> 0 AND k.wrapped IS NOT NULL
    EXCEPT
    SELECT toms.carried_keys(c.oid) FROM pg_class c
    WHERE c.oid IN (SELECT l.objoid FROM pg_seclabel l WHERE l.provider = 'toms_seal' AND l.classoid = 'pg_class'::regclass);
$$;
REVOKE ALL ON FUNCTION toms.unused_keys(oid) FROM PUBLIC;
COMMENT ON FUNCTION toms.unused_keys(oid) IS 'internal: keys of a table of which no row holds a value';

CREATE FUNCTION toms.check_readable(root oid)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    elsewhere regclass;
BEGIN
    SELECT c.oid INTO elsewhere FROM toms.relation_tree(root) r JOIN pg_class c ON c.oid = r WHERE c.relkind = 'f' LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the values of foreign table % are not known here', elsewhere USING ERRCODE = 'feature_not_supported',
            HINT = format('ALTER TABLE %s DETACH PARTITION …; or look at its values where they are.', root::regclass);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_readable(oid) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_readable(oid) IS 'internal: refuse where values of a table lie in another database';

-- Whoever writes a row with one of the keys has the table locked before he asks for the key.
CREATE FUNCTION toms.destroy_unused_keys(relation regclass)
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    root constant regclass := coalesce((toms.describe(relation)).root, relation);
    part regclass;
    destroyed bigint;
BEGIN
    IF toms.is_audit_entry(root) THEN
        RAISE EXCEPTION 'keys of the audit trail go with the period of its entries' USING ERRCODE = 'wrong_object_type',
            HINT = 'SELECT toms.prune_audit();';
    END IF;
    PERFORM toms.check_readable(root);
    IF NOT EXISTS (SELECT FROM toms.unused_keys(root)) THEN
        RETURN 0;
    END IF;
    FOR part IN SELECT c.oid FROM toms.relation_tree(root) r JOIN pg_class c ON c.oid = r LOOP
        EXECUTE format('LOCK TABLE ONLY %s IN SHARE MODE', part);
    END LOOP;
    PERFORM toms.lock_keys(t.tenant, exclusive => true)
    FROM (SELECT DISTINCT k.tenant FROM toms.data_key k WHERE k.relation = root AND k.wrapped IS NOT NULL ORDER BY k.tenant) t;
    destroyed := toms.bury_keys(ARRAY(SELECT toms.unused_keys(root)));
    RAISE LOG 'toms keys destroyed: table=% keys=% login=%', root, destroyed, session_user;
    RETURN destroyed;
END
$$;
REVOKE ALL ON FUNCTION toms.destroy_unused_keys(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.destroy_unused_keys(regclass) TO toms_admin, toms_operator;
COMMENT ON FUNCTION toms.destroy_unused_keys(regclass) IS 'destroy the keys of a table that none of its rows carries any more; writers wait meanwhile if there are any';

-- The keys of a table that is gone belong to the one that has its rows now.
CREATE FUNCTION toms.reattach_keys(relation regclass)
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    root constant regclass := (toms.describe(relation)).root;
    reattached bigint;
BEGIN
    IF root IS NULL THEN
        RAISE EXCEPTION 'table % is not protected', relation USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = format('SELECT toms.protect(%L, …);', relation);
    END IF;
    PERFORM toms.check_readable(root);
    UPDATE toms.data_key k SET relation = root
    WHERE k.id IN (SELECT toms.carried_keys(r) FROM toms.relation_tree(root) r JOIN pg_class c ON c.oid = r AND c.relkind = 'r')
      AND k.destroyed_at IS NULL AND k.relation <> 0 AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = k.relation);
    GET DIAGNOSTICS reattached = ROW_COUNT;
    RAISE LOG 'toms keys reattached: table=% keys=% login=%', root, reattached, session_user;
    RETURN reattached;
END
$$;
REVOKE ALL ON FUNCTION toms.reattach_keys(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.reattach_keys(regclass) TO toms_admin;
COMMENT ON FUNCTION toms.reattach_keys(regclass) IS 'give the keys of a dropped table to the protected one that has its rows now: restored alone, or a former partition';
