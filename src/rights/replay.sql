-- After a restore: what was erased before, and is back, is erased again; what nobody can tell of an officer decides.

-- Everybody of a tenant whom protected tables name, as tokens write him.
CREATE FUNCTION toms.subjects_of_tenant(tenant text)
RETURNS SETOF text LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    part regclass;
    today record;
    found text;
BEGIN
    FOR part IN SELECT p.relation FROM toms.protected_tables p WHERE p.root = p.relation LOOP
        SELECT * INTO today FROM toms.describe(part);
        CONTINUE WHEN today.subject IS NULL OR toms.rows_condition(part, tenant, NULL) IS NULL;
        found := toms.ask_all_rows(format('SELECT jsonb_agg(DISTINCT t.%1$I::text) FROM %2$s t WHERE t.%1$I IS NOT NULL AND %3$s', today.subject, part, toms.rows_condition(part, tenant, NULL)));
        RETURN QUERY SELECT jsonb_array_elements_text(found::jsonb);
    END LOOP;
    FOR part, found IN SELECT a.relation, toms.ask_all_rows(format('SELECT jsonb_agg(DISTINCT t.%1$I::text) FROM %2$s t WHERE t.%1$I IS NOT NULL AND %3$s', a.canonical, a.relation,
                                                                   toms.rows_condition(a.relation, tenant, NULL))) FROM toms.subject_alias a JOIN pg_class c ON c.oid = a.relation LOOP
        RETURN QUERY SELECT jsonb_array_elements_text(found::jsonb);
    END LOOP;
    -- who has no row of his own any more may be named in those of others; of types whose output runs nobody's code
    FOR part, found IN SELECT c.relation, toms.ask_all_rows(format('SELECT jsonb_agg(DISTINCT t.%1$I::text) FROM %2$s t WHERE t.%1$I IS NOT NULL AND %3$s', c.col, c.relation, n.condition))
                       FROM toms.person_column c JOIN pg_attribute a ON a.attrelid = c.relation AND a.attname = c.col JOIN pg_type y ON y.oid = a.atttypid,
                            LATERAL (SELECT toms.rows_condition(c.relation, subjects_of_tenant.tenant, NULL) AS condition OFFSET 0) n
                       WHERE c.on_erase = 'clear' AND n.condition IS NOT NULL
                         AND coalesce(nullif(y.typbasetype, 0), y.oid)::regtype::text IN ('uuid', 'text', 'character varying', 'smallint', 'integer', 'bigint') LOOP
        RETURN QUERY SELECT jsonb_array_elements_text(found::jsonb);
    END LOOP;
    RETURN QUERY SELECT DISTINCT k.subject FROM toms.data_key k WHERE k.tenant = subjects_of_tenant.tenant AND k.subject IS NOT NULL;
END
$$;
REVOKE ALL ON FUNCTION toms.subjects_of_tenant(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.subjects_of_tenant(text) IS 'internal: data subjects of a tenant, so that those can be found of whom the ledger has the hash';

-- The instruction was carried out once: it is not asked for again.  What a hold or the law keeps waits, as it did then.
CREATE FUNCTION toms.erase_again(kind text, tenant text, subject text, category text, line uuid DEFAULT NULL, OUT row_count bigint, OUT state text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    again bigint;
    done toms.erasure;
BEGIN
    LOCK TABLE toms.hold IN ROW SHARE MODE;
    IF kind = 'tenant' THEN
        SELECT e.row_count, e.erasure INTO row_count, again FROM toms.end_again(tenant, line) e;
        PERFORM toms.ledger_done(again);
        state := (SELECT e.state FROM toms.erasure e WHERE e.id = again);
        RETURN;
    END IF;
    INSERT INTO toms.erasure (kind, tenant, subject, category, state, requested_by, result)
    VALUES (erase_again.kind, erase_again.tenant, erase_again.subject, erase_again.category, 'running', session_user,
            jsonb_strip_nulls(jsonb_build_object('carried_out', true, 'again', line))) RETURNING id INTO again;
    IF kind = 'keys' THEN
        done := toms.carry_out_key_erasure(again);
    ELSE
        PERFORM toms.ledger_intend(again);
        done := toms.carry_out_erasure(again);
        PERFORM toms.ledger_done(again);
    END IF;
    state := done.state;
    row_count := (SELECT coalesce(sum(coalesce((t.value ->> 'deleted')::bigint, 0) + coalesce((t.value ->> 'cascaded')::bigint, 0)), 0) FROM jsonb_each(done.result -> 'tables') t);
END
$$;
REVOKE ALL ON FUNCTION toms.erase_again(text, text, text, text, uuid) FROM PUBLIC;
COMMENT ON FUNCTION toms.erase_again(text, text, text, text, uuid) IS 'internal: erase what a restored backup has brought back';

-- This database answers for the line now.
CREATE FUNCTION toms.take_in_line(id uuid, state text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO toms.ledger (id, erasure, kind, key_check, tenant, subject, category, xid, system, timeline, intended_at, state, told)
    SELECT i.id, (s.said ->> 'erasure')::bigint, s.said ->> 'kind', toms.from_base64url(s.said ->> 'check'), toms.from_base64url(s.said ->> 'tenant'), toms.from_base64url(s.said ->> 'subject'),
           s.said ->> 'category', (s.said ->> 'xid')::xid8, s.said ->> 'system', (s.said ->> 'timeline')::integer, (s.said ->> 'at')::timestamptz, take_in_line.state, true
    FROM (SELECT take_in_line.id) i (id), LATERAL (
        SELECT r.record::jsonb AS said FROM toms.outside_records(toms.ledger_dataset()) r
        WHERE r.type = 'erasure' AND r.record::jsonb ->> 'id' = i.id::text ORDER BY r.n LIMIT 1) s
    ON CONFLICT ON CONSTRAINT ledger_pkey DO UPDATE SET state = take_in_line.state;
    PERFORM toms.forget_gate();
END
$$;
REVOKE ALL ON FUNCTION toms.take_in_line(uuid, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.take_in_line(uuid, text) IS 'internal: a line of the log outside has its row in the ledger again';

-- Of one erasure that came back: rows erased again; the outcome in words.
CREATE FUNCTION toms.replay_erasure(line uuid, kind text, tenant bytea, subject bytea, category text, dry_run boolean, OUT whose text, OUT outcome text, OUT row_count bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    person text;
    done record;
BEGIN
    row_count := 0;
    outcome := 'nothing came back';
    whose := (SELECT t.tenant FROM toms.tenant t WHERE toms.ledger_hash(t.tenant, NULL) = replay_erasure.tenant);
    IF whose IS NULL THEN
        RETURN;
    END IF;
    IF subject IS NOT NULL THEN
        person := (SELECT s FROM toms.subjects_of_tenant(whose) s WHERE toms.ledger_hash(whose, s) = replay_erasure.subject LIMIT 1);
        IF person IS NULL THEN
            RETURN;
        END IF;
    END IF;
    IF dry_run THEN
        outcome := 'would be erased again';
        RETURN;
    END IF;
    done := toms.erase_again(kind, whose, person, category, line);
    row_count := done.row_count;
    outcome := CASE done.state WHEN 'done' THEN 'erased again' ELSE 'erased again, but for what a hold or the law keeps' END;
END
$$;
REVOKE ALL ON FUNCTION toms.replay_erasure(uuid, text, bytea, bytea, text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION toms.replay_erasure(uuid, text, bytea, bytea, text, boolean) IS 'internal: erase again what one line of the log outside tells of';

-- In one transaction: all of it, or nothing.
CREATE FUNCTION toms.replay_erasures(dry_run boolean DEFAULT false)
RETURNS TABLE (line bigint, id uuid, at timestamptz, kind text, tenant text, outcome text, "rows" bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    d record;
    done record;
BEGIN
    IF toms.outside_fault() IS NOT NULL THEN
        RAISE EXCEPTION 'there is no log outside of the database to replay erasures from' USING ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = coalesce(nullif(toms.outside_fault(), ''), 'toms.outside is not set.');
    END IF;
    IF toms.node_problem() IS NOT NULL THEN
        RAISE EXCEPTION 'this node is not one that works with this data' USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = toms.node_problem(),
            HINT = 'SELECT toms.admit_node(reason => ''…''); if it is to take over.';
    END IF;
    PERFORM toms.check_reads_latest();
    PERFORM pg_advisory_xact_lock(hashtextextended('toms.replay_erasures', 0));
    PERFORM toms.pass_gate(true);
    FOR d IN SELECT * FROM toms.ledger_differences() LOOP
        IF d.difference IN ('came_back', 'unresolved') THEN
            PERFORM toms.check_ledger_key(d.key_check);
        END IF;
        line := d.line;  id := d.id;  at := d.at;  kind := d.kind;  "rows" := 0;
        tenant := (SELECT t.tenant FROM toms.tenant t WHERE toms.ledger_hash(t.tenant, NULL) = d.tenant);
        IF d.difference = 'came_back' THEN
            done := toms.replay_erasure(d.id, d.kind, d.tenant, d.subject, d.category, dry_run);
            outcome := done.outcome;
            "rows" := done.row_count;
            IF NOT dry_run THEN
                PERFORM toms.take_in_line(d.id, 'replayed');
            END IF;
        ELSE
            outcome := CASE d.difference WHEN 'unresolved' THEN 'to be decided: SELECT toms.decide_erasure(…)' WHEN 'missing' THEN 'its line is missing' ELSE 'its line is not signed with our key' END;
        END IF;
        RETURN NEXT;
    END LOOP;
    PERFORM toms.pass_gate(false);
    PERFORM toms.forget_gate();
    IF NOT dry_run THEN
        RAISE LOG 'toms erasures replayed: login=%', session_user;
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.replay_erasures(boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.replay_erasures(boolean) TO toms_admin;
COMMENT ON FUNCTION toms.replay_erasures(boolean) IS 'erase again what a restored backup has brought back, and open the protected tables; one row for each erasure that this database did not know of';

-- Officers decide ------------------------------------------------------------------------

CREATE TABLE toms.ledger_decision (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    line      uuid,                 -- of toms.ledger; NULL: about the log as a whole
    decision  text NOT NULL CHECK (decision IN ('erase', 'keep', 'accept')),
    reason    text NOT NULL CHECK (btrim(reason) <> ''),
    decided_by text NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
SELECT pg_catalog.pg_extension_config_dump('toms.ledger_decision', '');
SELECT pg_catalog.pg_extension_config_dump('toms.ledger_decision_id_seq', '');
COMMENT ON TABLE toms.ledger_decision IS 'what officers decided after restores: about erasures of which nobody could tell, and about a lost log';
GRANT SELECT ON toms.ledger_decision TO toms_admin, toms_auditor;
GRANT SELECT ON SEQUENCE toms.ledger_decision_id_seq TO toms_auditor;

CREATE FUNCTION toms.decide_erasure(id uuid, erase boolean, reason text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    d record;
BEGIN
    IF erase IS NULL OR coalesce(reason, '') = '' THEN
        RAISE EXCEPTION 'a decision and its reason must be given' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    SELECT * INTO d FROM toms.ledger_differences() l WHERE l.id = decide_erasure.id AND l.difference = 'unresolved';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'nothing is to be decided about %', id USING ERRCODE = 'undefined_object', HINT = 'SELECT * FROM toms.replay_erasures(dry_run => true);';
    END IF;
    INSERT INTO toms.ledger_decision (line, decision, reason, decided_by)
    VALUES (decide_erasure.id, CASE WHEN erase THEN 'erase' ELSE 'keep' END, decide_erasure.reason, session_user);
    PERFORM toms.outside_write(CASE WHEN erase THEN 'erased' ELSE 'void' END, format('"id":"%s","erasure":%s,"by":%s,"reason":%s,"at":"%s"', id, d.erasure,
        to_json(session_user::text), to_json(reason), toms.iso_time(clock_timestamp())));
    IF NOT erase THEN
        PERFORM toms.take_in_line(id, 'void');
    END IF;
    PERFORM toms.forget_gate();
END
$$;
REVOKE ALL ON FUNCTION toms.decide_erasure(uuid, boolean, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.decide_erasure(uuid, boolean, text) TO toms_admin;
COMMENT ON FUNCTION toms.decide_erasure(uuid, boolean, text) IS 'decide whether an erasure of which nobody can tell what became of it is to be carried out by replay_erasures(), or came to nothing';

-- What was told in a log that is lost is told again; what it alone knew is lost.
CREATE FUNCTION toms.accept_ledger(reason text)
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    again bigint;
BEGIN
    INSERT INTO toms.ledger_decision (decision, reason, decided_by) VALUES ('accept', accept_ledger.reason, session_user);
    IF toms.outside_fault() IS NOT NULL THEN
        UPDATE toms.ledger SET told = false WHERE told;
    ELSE
        PERFORM toms.outside_write('accepted', format('"by":%s,"reason":%s,"at":"%s"', to_json(session_user::text), to_json(reason), toms.iso_time(clock_timestamp())));
        UPDATE toms.ledger l SET told = false
        WHERE l.told AND EXISTS (SELECT FROM toms.ledger_differences() d WHERE d.id = l.id AND d.difference = 'missing');
    END IF;
    GET DIAGNOSTICS again = ROW_COUNT;
    PERFORM toms.settle_ledger();
    PERFORM toms.forget_gate();
    RETURN again;
END
$$;
REVOKE ALL ON FUNCTION toms.accept_ledger(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.accept_ledger(text) TO toms_admin;
COMMENT ON FUNCTION toms.accept_ledger(text) IS 'go on though the log outside was lost, or is shorter: what this database knows is told there again; number of lines';

CREATE TRIGGER "~toms_declaration" AFTER INSERT OR UPDATE OR DELETE ON toms.ledger_decision FOR EACH ROW EXECUTE FUNCTION toms.audit_declaration('reason');
CREATE TRIGGER "~toms_declaration_truncate" AFTER TRUNCATE ON toms.ledger_decision FOR EACH STATEMENT EXECUTE FUNCTION toms.audit_declaration();
ALTER TABLE toms.ledger_decision ENABLE ALWAYS TRIGGER "~toms_declaration", ENABLE ALWAYS TRIGGER "~toms_declaration_truncate";
