-- What toms itself has of a tenant, and its keys, when no row of his is left; and the steps of an end from its beginning.

-- Found in the catalogue, so that no table can be forgotten.  What stays says so here, and why.
CREATE FUNCTION toms.tables_about_tenants()
RETURNS TABLE (relation regclass, stays text)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.oid, s.reason
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant' AND a.atttypid = 'text'::regtype AND NOT a.attisdropped
         LEFT JOIN (VALUES ('tenant', 'the controller''s name alone, so that it is not given to another one'),
                           ('agreement', 'what was agreed on'),
                           ('incident_notice', 'that he was told of incidents, and when'),
                           ('tenant_end', 'that it was carried out'),
                           ('erasure', 'counts, and no person'),
                           ('audit_entry', 'sealed blocks: what they say of persons is under keys that are destroyed'),
                           ('data_key', 'numbers of destroyed keys, so that none comes back'),
                           ('key_epoch', 'numbers of destroyed epochs, so that none comes back')) s (name, reason) ON s.name = c.relname
    WHERE c.relnamespace = 'toms'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    ORDER BY c.relname;
$$;
REVOKE ALL ON FUNCTION toms.tables_about_tenants() FROM PUBLIC;
COMMENT ON FUNCTION toms.tables_about_tenants() IS 'internal: tables of toms with rows of tenants, and why some of them stay';

-- Those without a tenant of their own whose rows belong to rows of these: their column has the other table's name.
CREATE FUNCTION toms.tables_of_tables_about_tenants()
RETURNS TABLE (relation regclass, col name, owner regclass)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.oid, a.attname, t.relation
    FROM toms.tables_about_tenants() t JOIN pg_class o ON o.oid = t.relation
         JOIN pg_attribute i ON i.attrelid = o.oid AND i.attname = 'id' AND i.atttypid = 'bigint'::regtype
         JOIN pg_attribute a ON a.attname = o.relname AND a.atttypid = i.atttypid AND NOT a.attisdropped
         JOIN pg_class c ON c.oid = a.attrelid AND c.relnamespace = o.relnamespace AND c.relkind = 'r'
    WHERE t.stays IS NULL AND NOT EXISTS (SELECT FROM toms.tables_about_tenants() x WHERE x.relation = c.oid)
    ORDER BY c.relname;
$$;
REVOKE ALL ON FUNCTION toms.tables_of_tables_about_tenants() FROM PUBLIC;
COMMENT ON FUNCTION toms.tables_of_tables_about_tenants() IS 'internal: tables of toms whose rows belong to a row of a tenant in another one';

-- Policies still name rules of a tenant's own.
CREATE FUNCTION toms.forget_rules_of_tenant(tenant text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    concerned constant regclass[] := ARRAY(SELECT DISTINCT r.relation FROM toms.retention_rule r JOIN pg_class c ON c.oid = r.relation
                                           WHERE r.tenant = forget_rules_of_tenant.tenant AND r.valid_until IS NULL);
BEGIN
    DELETE FROM toms.retention_rule r WHERE r.tenant = forget_rules_of_tenant.tenant;
    PERFORM toms.sync_policies(t) FROM unnest(concerned) c, toms.relation_tree(c) t;
    PERFORM toms.drop_unused_lookups();
END
$$;
REVOKE ALL ON FUNCTION toms.forget_rules_of_tenant(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.forget_rules_of_tenant(text) IS 'internal: no rule of a tenant''s own is left, nor what policies have of it';

-- Of instructions the one by which the contract ended is kept: it proves that it was to be.
-- As long as rows are left that the law keeps, what their rules need stays, and no more about persons.
CREATE FUNCTION toms.forget_tenant(tenant text, instruction bigint, persons_only boolean)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    of_persons constant regclass[] := ARRAY(SELECT t.relation FROM toms.tables_about_tenants() t
                                            WHERE EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = t.relation AND a.attname IN ('subject', 'person') AND NOT a.attisdropped));
    found record;
BEGIN
    FOR found IN SELECT * FROM toms.tables_of_tables_about_tenants() t WHERE NOT persons_only OR t.owner = ANY (of_persons) LOOP
        EXECUTE format('DELETE FROM %s x USING %s o WHERE o.id = x.%I AND o.tenant = $1%s', found.relation, found.owner, found.col,
                       CASE WHEN found.owner = 'toms.instruction'::regclass THEN ' AND o.id IS DISTINCT FROM $2' ELSE '' END) USING tenant, instruction;
    END LOOP;
    IF NOT persons_only THEN
        PERFORM toms.forget_rules_of_tenant(tenant);
        UPDATE toms.tenant t SET address = NULL, contact = NULL, representative = NULL, dpo = NULL WHERE t.tenant = forget_tenant.tenant;
    END IF;
    FOR found IN SELECT * FROM toms.tables_about_tenants() t WHERE t.stays IS NULL AND (NOT persons_only OR t.relation = ANY (of_persons)) LOOP
        EXECUTE format('DELETE FROM %s x WHERE x.tenant = $1%s', found.relation,
                       CASE WHEN found.relation = 'toms.instruction'::regclass THEN ' AND x.id IS DISTINCT FROM $2' ELSE '' END) USING tenant, instruction;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.forget_tenant(text, bigint, boolean) FROM PUBLIC;
COMMENT ON FUNCTION toms.forget_tenant(text, bigint, boolean) IS 'internal: delete what toms has of a tenant';

-- steps -----------------------------------------------------------------------------------------------

-- Whoever began before no token of the tenant was taken any more may have written, or write still.
CREATE FUNCTION toms.others_began_before(at timestamptz)
RETURNS boolean LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM pg_stat_activity a JOIN pg_database d ON d.oid = a.datid
                   WHERE d.datname = current_database() AND a.backend_type = 'client backend' AND a.pid <> pg_backend_pid() AND a.xact_start < at)
        OR EXISTS (SELECT FROM pg_prepared_xacts p WHERE p.database = current_database() AND p.prepared < at);
$$;
REVOKE ALL ON FUNCTION toms.others_began_before(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION toms.others_began_before(timestamptz) IS 'internal: whether a transaction goes on that began before a time';

CREATE FUNCTION toms.begin_end(due toms.tenant_end, again boolean)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    begun bigint;
BEGIN
    IF due.instruction IS NOT NULL AND NOT again THEN
        PERFORM toms.carry_out_instruction(due.instruction, due.tenant, 'end_tenant', NULL);
    END IF;
    INSERT INTO toms.erasure (kind, tenant, instruction, state, requested_at, requested_by)
    VALUES ('tenant', due.tenant, due.instruction, 'running', due.announced_at, due.announced_by) RETURNING id INTO begun;
    UPDATE toms.tenant t SET ended_at = least(t.ended_at, clock_timestamp()) WHERE t.tenant = due.tenant;
    UPDATE toms.tenant_end e SET state = 'erasing', erasure = begun, problem = NULL WHERE e.id = due.id;
    RAISE LOG 'toms tenant end: begun, erasure=%', begun;
END
$$;
REVOKE ALL ON FUNCTION toms.begin_end(toms.tenant_end, boolean) FROM PUBLIC;
COMMENT ON FUNCTION toms.begin_end(toms.tenant_end, boolean) IS 'internal: the return window has closed: no token of the tenant is taken from now on';

-- The law keeps rows of some tables: of all others the keys go, those of the trail too, and what toms has of persons.
CREATE FUNCTION toms.forget_but_kept(due toms.tenant_end)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    kept constant regclass[] := ARRAY(SELECT t.key::regclass FROM toms.erasure e, jsonb_each(e.result -> 'tables') t
                                      WHERE e.id = due.erasure AND coalesce((t.value ->> 'restricted')::bigint, 0) + coalesce((t.value ->> 'held')::bigint, 0) > 0);
    going bigint[];
BEGIN
    PERFORM toms.forget_tenant(due.tenant, due.instruction, persons_only => true);
    going := ARRAY(SELECT k.id FROM toms.data_key k WHERE k.tenant = due.tenant AND k.wrapped IS NOT NULL AND k.relation <> 0 AND k.relation <> ALL (kept));
    IF going <> '{}' THEN
        PERFORM toms.ledger_intend(due.erasure);
        PERFORM FROM toms.tenant t WHERE t.tenant = due.tenant FOR UPDATE;      -- no rotation meanwhile
        PERFORM toms.lock_keys(due.tenant, exclusive => true);
        UPDATE toms.erasure e SET result = e.result || jsonb_build_object('keys', coalesce((e.result ->> 'keys')::bigint, 0) + b.buried) FROM toms.bury_keys(going) b (buried)
        WHERE e.id = due.erasure;
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.forget_but_kept(toms.tenant_end) FROM PUBLIC;
COMMENT ON FUNCTION toms.forget_but_kept(toms.tenant_end) IS 'internal: forget of a tenant what is not about rows that the law keeps';

-- No row is left: keys, in backups too, and what toms has.  The trail says so in clear, and names nobody.
CREATE FUNCTION toms.finish_end(due toms.tenant_end)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    keys bigint;
BEGIN
    PERFORM toms.ledger_intend(due.erasure);
    PERFORM FROM toms.tenant t WHERE t.tenant = due.tenant FOR UPDATE;      -- no rotation meanwhile
    PERFORM toms.lock_keys(due.tenant, exclusive => true);
    keys := toms.bury_keys(ARRAY(SELECT k.id FROM toms.data_key k WHERE k.tenant = due.tenant AND k.wrapped IS NOT NULL));
    PERFORM toms.destroy_epochs(due.tenant);
    PERFORM toms.forget_tenant(due.tenant, due.instruction, persons_only => false);
    UPDATE toms.erasure e SET state = 'done' WHERE e.tenant = due.tenant AND e.state IN ('running', 'waiting') AND e.id <> due.erasure;
    UPDATE toms.erasure e SET state = 'done', result = e.result || jsonb_build_object('keys', coalesce((e.result ->> 'keys')::bigint, 0) + keys) WHERE e.id = due.erasure;
    UPDATE toms.tenant_end e SET state = 'done', ended_at = clock_timestamp(), problem = NULL WHERE e.id = due.id;
    PERFORM toms.ledger_done(due.erasure);
    RAISE LOG 'toms tenant end: done, erasure=% keys=%', due.erasure, keys;
END
$$;
REVOKE ALL ON FUNCTION toms.finish_end(toms.tenant_end) FROM PUBLIC;
COMMENT ON FUNCTION toms.finish_end(toms.tenant_end) IS 'internal: nothing is left of a tenant''s rows: destroy his keys and forget him';

CREATE FUNCTION toms.wait_with_end(due toms.tenant_end, problem text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE toms.erasure e SET state = 'waiting' WHERE e.id = due.erasure AND e.state = 'running';
    UPDATE toms.tenant_end e SET problem = wait_with_end.problem WHERE e.id = due.id AND e.problem IS DISTINCT FROM wait_with_end.problem;
END
$$;
REVOKE ALL ON FUNCTION toms.wait_with_end(toms.tenant_end, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.wait_with_end(toms.tenant_end, text) IS 'internal: an end waits, and says for what';

-- Once nothing was left to delete: done, or what is in the way.
CREATE FUNCTION toms.conclude_end(due toms.tenant_end, problem text)
RETURNS boolean LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    left_over record;
BEGIN
    SELECT * INTO left_over FROM toms.count_rest_of_tenant(due.tenant, due.erasure);
    IF left_over.rest = 0 AND NOT EXISTS (SELECT FROM toms.hold h WHERE h.state = 'held' AND h.tenant = due.tenant) THEN
        PERFORM toms.finish_end(due);
        RETURN true;
    END IF;
    IF left_over.kept > 0 AND NOT EXISTS (SELECT FROM toms.hold h WHERE h.state = 'held' AND (h.tenant IS NULL OR h.tenant = due.tenant)) THEN
        PERFORM toms.forget_but_kept(due);
    END IF;
    PERFORM toms.wait_with_end(due, CASE
        WHEN left_over.rest = 0 THEN 'a hold keeps the keys and the trail'
        WHEN left_over.kept > 0 AND problem IS NULL THEN format('%s rows are left, %s of them under a hold or for as long as the law demands', left_over.rest, left_over.kept)
        ELSE format('%s rows are left: %s', left_over.rest, coalesce(problem, 'other rows refer to them')) END);
    RETURN false;
END
$$;
REVOKE ALL ON FUNCTION toms.conclude_end(toms.tenant_end, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.conclude_end(toms.tenant_end, text) IS 'internal: end a contract for good if no row is left, or say what is';

-- One transaction's worth; "more": another step would get further.
CREATE FUNCTION toms.step_end(due toms.tenant_end, most integer, OUT rows bigint, OUT more boolean)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    went record;
BEGIN
    rows := 0;
    more := true;
    IF due.state = 'announced' AND EXISTS (SELECT FROM toms.hold h WHERE h.state = 'held' AND h.tenant = due.tenant AND h.relation IS NULL AND h.subject IS NULL AND h.rule IS NULL) THEN
        PERFORM toms.wait_with_end(due, 'a hold keeps all of the tenant');
        more := false;
    ELSIF due.state = 'announced' THEN
        PERFORM toms.begin_end(due, again => false);
    ELSIF due.sealed_off IS NULL THEN
        UPDATE toms.tenant_end e SET sealed_off = clock_timestamp() WHERE e.id = due.id;
    ELSIF toms.others_began_before(due.sealed_off) THEN
        PERFORM toms.wait_with_end(due, 'transactions go on that began before the return window closed');
        more := false;
    ELSE
        SELECT * INTO went FROM toms.erase_batch_of_tenant(due.tenant, due.erasure, most);
        rows := went.rows;
        more := went.more;
        IF more AND due.problem IS NOT NULL THEN
            UPDATE toms.tenant_end e SET problem = NULL WHERE e.id = due.id;
        ELSIF NOT more THEN
            PERFORM toms.conclude_end(due, went.problem);
        END IF;
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.step_end(toms.tenant_end, integer) FROM PUBLIC;
COMMENT ON FUNCTION toms.step_end(toms.tenant_end, integer) IS 'internal: one step of the end of a contract';

-- The lock on holds comes first, as everywhere.  What goes wrong with one tenant keeps no other from his end.
CREATE FUNCTION toms.end_tenants(batch integer DEFAULT 1000)
RETURNS TABLE (tenant text, state text, rows bigint, more boolean, problem text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    due toms.tenant_end;
BEGIN
    IF batch IS NULL OR batch < 1 THEN
        RAISE EXCEPTION 'a batch has at least one row' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM toms.check_reads_latest();
    PERFORM toms.require_clock();
    LOCK TABLE toms.hold IN ROW SHARE MODE;
    FOR due IN SELECT * FROM toms.tenant_end e WHERE e.state = 'erasing' OR (e.state = 'announced' AND e.closes_at <= clock_timestamp()) ORDER BY e.id FOR UPDATE SKIP LOCKED LOOP
        BEGIN
            SELECT s.rows, s.more INTO rows, more FROM toms.step_end(due, batch) s;
        EXCEPTION WHEN OTHERS THEN
            rows := 0;
            more := false;
            RAISE LOG 'toms tenant end: erasure=% failed: SQLSTATE %', due.erasure, SQLSTATE;
            PERFORM toms.wait_with_end(due, format('failed: SQLSTATE %s', SQLSTATE));
        END;
        SELECT e.tenant, e.state, e.problem INTO tenant, state, problem FROM toms.tenant_end e WHERE e.id = due.id;
        RETURN NEXT;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.end_tenants(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.end_tenants(integer) TO toms_admin, toms_operator;
COMMENT ON FUNCTION toms.end_tenants(integer) IS 'take one step with each tenant whose return window has closed: begin, delete a batch of rows, or destroy his keys; the worker of retention does the same';

-- A restored backup has brought a tenant back whose contract had ended: all that nothing keeps goes at once, and the end goes on.
CREATE FUNCTION toms.end_again(tenant text, line uuid, OUT row_count bigint, OUT erasure bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    due toms.tenant_end;
    went record;
BEGIN
    row_count := 0;
    IF NOT EXISTS (SELECT FROM toms.tenant_end e WHERE e.tenant = end_again.tenant AND e.state IN ('announced', 'erasing')) THEN
        INSERT INTO toms.tenant_end (state, tenant, ends_at, announced_by) VALUES ('announced', end_again.tenant, now(), session_user);
    END IF;
    SELECT * INTO due FROM toms.tenant_end e WHERE e.tenant = end_again.tenant AND e.state IN ('announced', 'erasing') FOR UPDATE;
    IF due.state = 'announced' THEN
        PERFORM toms.begin_end(due, again => true);
    END IF;
    UPDATE toms.tenant_end e SET sealed_off = clock_timestamp() WHERE e.id = due.id RETURNING * INTO due;
    erasure := due.erasure;
    UPDATE toms.erasure e SET result = e.result || jsonb_strip_nulls(jsonb_build_object('again', line)) WHERE e.id = due.erasure;
    LOOP
        SELECT * INTO went FROM toms.erase_batch_of_tenant(tenant, due.erasure, 10000);
        row_count := row_count + went.rows;
        EXIT WHEN NOT went.more;
    END LOOP;
    PERFORM toms.conclude_end(due, went.problem);
END
$$;
REVOKE ALL ON FUNCTION toms.end_again(text, uuid) FROM PUBLIC;
COMMENT ON FUNCTION toms.end_again(text, uuid) IS 'internal: delete what a restored backup has brought back of a tenant whose contract has ended';
