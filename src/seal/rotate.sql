-- Rotation: a new key epoch for a tenant, and its data keys wrapped under that one.  What a former
-- epoch's key has wrapped stays in backups; once that key is destroyed, no backup alone opens.

CREATE FUNCTION toms.take_key_lock(tenant text, exclusive boolean) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_take_key_lock';
REVOKE ALL ON FUNCTION toms.take_key_lock(text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION toms.take_key_lock(text, boolean) IS 'internal: the lock of toms.lock_keys(), waited for in one go';

-- Behind who waits for the exclusive lock wait all who seal: also the writer of the audit trail, and with it strict reads of every
-- tenant, as long as one transaction stays open.  So it is waited for shorter than these wait, again and again.
CREATE FUNCTION toms.lock_keys(tenant text, exclusive boolean)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    limit_set constant text := current_setting('lock_timeout');
    began constant timestamptz := clock_timestamp();
    a_while constant bigint := greatest(extract(epoch FROM current_setting('toms.audit_timeout')::interval) * 250, 1);
BEGIN
    WHILE exclusive LOOP
        BEGIN
            PERFORM set_config('lock_timeout', a_while::text, true);
            PERFORM toms.take_key_lock(tenant, true);
            PERFORM set_config('lock_timeout', limit_set, true);
            RETURN;
        EXCEPTION WHEN lock_not_available THEN
            IF limit_set <> '0' AND clock_timestamp() - began >= limit_set::interval THEN
                RAISE;
            END IF;
        END;
        PERFORM pg_sleep(0.1);
    END LOOP;
    PERFORM toms.take_key_lock(tenant, false);
END
$$;
REVOKE ALL ON FUNCTION toms.lock_keys(text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION toms.lock_keys(text, boolean) IS 'internal: until the transaction ends nobody destroys keys of the tenant or, exclusive, seals with any';

CREATE FUNCTION toms.rewrap_key(id bigint, tenant text, subject text, month date, epoch uuid, wrapped bytea, new_epoch uuid) RETURNS bytea
    LANGUAGE c VOLATILE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_rewrap_key';
REVOKE ALL ON FUNCTION toms.rewrap_key(bigint, text, text, date, uuid, bytea, uuid) FROM PUBLIC;
COMMENT ON FUNCTION toms.rewrap_key(bigint, text, text, date, uuid, bytea, uuid) IS 'internal: a data key, wrapped under another epoch';

-- An epoch retires when nothing is wrapped under it any more: that begins toms.key_grace.
CREATE FUNCTION toms.retire_unused_epochs(former uuid[], just_used uuid[])
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    unused constant uuid[] := ARRAY(SELECT e.id FROM toms.key_epoch e
                                    WHERE e.id = ANY (former) AND (e.retired_at IS NULL OR e.id = ANY (just_used))
                                      AND NOT EXISTS (SELECT FROM toms.data_key k WHERE k.epoch = e.id AND k.wrapped IS NOT NULL));
BEGIN
    IF cardinality(unused) > 0 THEN     -- to write nothing would make every session forget its epochs too
        UPDATE toms.key_epoch e SET retired_at = clock_timestamp() WHERE e.id = ANY (unused);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.retire_unused_epochs(uuid[], uuid[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.retire_unused_epochs(uuid[], uuid[]) IS 'internal: retire those of a tenant''s former epochs under which nothing is wrapped any more';

CREATE FUNCTION toms.rotation(of_tenant text, OUT newest uuid, OUT former uuid[], OUT unfinished boolean)
RETURNS record LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    SELECT e.id INTO newest FROM toms.key_epoch e WHERE e.tenant = of_tenant AND e.retired_at IS NULL ORDER BY e.number DESC LIMIT 1;
    former := ARRAY(SELECT e.id FROM toms.key_epoch e WHERE e.tenant = of_tenant AND e.destroyed_at IS NULL AND e.id IS DISTINCT FROM newest);
    unfinished := EXISTS (SELECT FROM toms.data_key k WHERE k.epoch = ANY (former) AND k.wrapped IS NOT NULL);
END
$$;
REVOKE ALL ON FUNCTION toms.rotation(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.rotation(text) IS 'internal: a tenant''s newest epoch, the former ones, and whether any key is wrapped under these';

-- One batch.  A rotation that has been begun is gone on with, whoever began it: also one that
-- another session has begun or finished while this one waited for it.
CREATE FUNCTION toms.rotate_keys(tenant text, batch integer DEFAULT 1000, OUT rewrapped integer, OUT remaining bigint)
RETURNS record LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    seen record;
    today record;
    used uuid[];
BEGIN
    IF batch IS NULL OR batch < 1 THEN
        RAISE EXCEPTION 'a batch has at least one key' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT * INTO seen FROM toms.rotation(tenant);
    PERFORM FROM toms.tenant t WHERE t.tenant = rotate_keys.tenant FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no tenant "%"', tenant USING ERRCODE = 'foreign_key_violation', HINT = 'SELECT * FROM toms.tenants;';
    END IF;
    PERFORM toms.lock_keys(tenant, exclusive => false);
    SELECT * INTO today FROM toms.rotation(tenant);
    IF today.newest IS NULL OR (today.newest = seen.newest AND NOT seen.unfinished AND NOT today.unfinished) THEN
        PERFORM toms.create_epoch(tenant);
        SELECT * INTO today FROM toms.rotation(tenant);
    END IF;
    used := ARRAY(SELECT f FROM unnest(today.former) f WHERE EXISTS (SELECT FROM toms.data_key k WHERE k.epoch = f AND k.wrapped IS NOT NULL));
    UPDATE toms.data_key k
    SET epoch = today.newest, wrapped = toms.rewrap_key(k.id, k.tenant, k.subject, k.month, k.epoch, k.wrapped, today.newest)
    WHERE k.id IN (SELECT d.id FROM toms.data_key d WHERE d.epoch = ANY (used) AND d.wrapped IS NOT NULL LIMIT batch);
    GET DIAGNOSTICS rewrapped = ROW_COUNT;
    SELECT count(*) INTO remaining FROM toms.data_key k WHERE k.epoch = ANY (used) AND k.wrapped IS NOT NULL;
    PERFORM toms.retire_unused_epochs(today.former, just_used => used);
END
$$;
REVOKE ALL ON FUNCTION toms.rotate_keys(text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.rotate_keys(text, integer) TO toms_admin, toms_operator;
COMMENT ON FUNCTION toms.rotate_keys(text, integer) IS 'begin a key epoch of a tenant and wrap a batch of its data keys under it, or go on with that; returns how many are left';

-- It commits, and so has no settings of its own and runs as its caller.
CREATE PROCEDURE toms.rotate_all_keys(tenant text, batch integer DEFAULT 10000)
LANGUAGE plpgsql AS $$
DECLARE
    remaining bigint;
BEGIN
    LOOP
        SELECT r.remaining INTO remaining FROM toms.rotate_keys(tenant, batch) r;
        COMMIT;
        EXIT WHEN remaining OPERATOR(pg_catalog.=) 0;
    END LOOP;
END
$$;
REVOKE ALL ON PROCEDURE toms.rotate_all_keys(text, integer) FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE toms.rotate_all_keys(text, integer) TO toms_admin, toms_operator;
COMMENT ON PROCEDURE toms.rotate_all_keys(text, integer) IS 'rotate the keys of a tenant, with a COMMIT after each batch';

-- The lock waits for whoever has just wrapped a key under the epoch and has not committed.
CREATE FUNCTION toms.destroy_old_epochs(tenant text, confirm boolean DEFAULT false)
RETURNS TABLE (number integer, retired_at timestamptz, destroyed boolean, effect text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    grace constant interval := current_setting('toms.key_grace')::interval;
    old toms.key_epoch;
    wrapped_keys bigint;
BEGIN
    IF confirm THEN
        PERFORM toms.require_clock();
        PERFORM toms.lock_keys(tenant, exclusive => true);
    END IF;
    FOR old IN SELECT * FROM toms.key_epoch e
               WHERE e.tenant = destroy_old_epochs.tenant AND e.retired_at IS NOT NULL AND e.destroyed_at IS NULL ORDER BY e.number LOOP
        SELECT count(*) INTO wrapped_keys FROM toms.data_key k WHERE k.epoch = old.id AND k.wrapped IS NOT NULL;
        number := old.number;
        retired_at := old.retired_at;
        destroyed := false;
        effect := format('Backups from before %s then open with toms.adopt_keys() only; what was erased since is gone from them for good.', old.retired_at);
        IF wrapped_keys > 0 THEN
            effect := format('Kept: %s data keys are wrapped under it. SELECT toms.rotate_keys(%L);', wrapped_keys, tenant);
        ELSIF old.retired_at + grace > clock_timestamp() THEN
            effect := format('Kept until %s (toms.key_grace). ', old.retired_at + grace) || effect;
        ELSIF confirm THEN
            PERFORM toms.destroy_epoch(old.id);
            destroyed := true;
        ELSE
            effect := effect || format(' To destroy it: SELECT * FROM toms.destroy_old_epochs(%L, confirm => true);', tenant);
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.destroy_old_epochs(text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.destroy_old_epochs(text, boolean) TO toms_admin;
COMMENT ON FUNCTION toms.destroy_old_epochs(text, boolean) IS 'a tenant''s retired epochs and what destroying them does to backups; with confirm, destroy those older than toms.key_grace';
