-- Erasures of one person, of a category: begun by an officer with an instruction, gone on with when a hold is released or a period ends.

-- keys --------------------------------------------------------------------------------------

-- As tables write the person, before his rows are gone: {"16432": "mia"}.
CREATE FUNCTION toms.names_of_subject(tenant text, subject text, known jsonb)
RETURNS jsonb LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    names jsonb := coalesce(known, '{}');
    found record;
BEGIN
    FOR found IN SELECT p.relation, toms.subject_in(p.relation, names_of_subject.tenant, names_of_subject.subject) AS name FROM toms.protected_tables p WHERE p.root = p.relation AND p.subject IS NOT NULL LOOP
        IF found.name IS NULL AND known IS NULL THEN
            RAISE WARNING 'nobody can tell which rows of table % are the data subject''s: he is not in the table of its persons', found.relation
                USING HINT = 'Delete them by their other key, if there are any.';
        ELSIF found.name IS NOT NULL THEN
            names := names || jsonb_build_object(found.relation::oid::text, found.name);
        END IF;
    END LOOP;
    RETURN names;
END
$$;
REVOKE ALL ON FUNCTION toms.names_of_subject(text, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION toms.names_of_subject(text, text, jsonb) IS 'internal: a data subject as each table writes him';

-- In the trail, entries on tables that write persons another way are under that name, also when no such table is left; it is left out
-- where it is another person's first key.
CREATE FUNCTION toms.names_in_trail(tenant text, subject text, known jsonb)
RETURNS text[] LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    names text[] := ARRAY(SELECT jsonb_array_elements_text(coalesce(known, jsonb_build_array(subject))));
    persons record;
    in_tenant text;
    name text;
BEGIN
    FOR persons IN SELECT a.relation, a.canonical, a.alias, d.tenant FROM toms.subject_alias a JOIN pg_class c ON c.oid = a.relation, LATERAL toms.describe(a.relation) d LOOP
        in_tenant := coalesce(' AND ' || toms.equals(persons.relation, persons.tenant, names_in_trail.tenant, 'p'), '');
        name := toms.ask_all_rows(format('SELECT p.%I::text FROM %s p WHERE %s%s', persons.alias, persons.relation,
                                         toms.equals(persons.relation, persons.canonical, subject, 'p'), in_tenant));
        IF name <> ALL (names)
           AND toms.ask_all_rows(format('SELECT 1 FROM %s p WHERE %s%s LIMIT 1', persons.relation, toms.equals(persons.relation, persons.canonical, name, 'p'), in_tenant)) IS NULL THEN
            names := names || name;
        END IF;
    END LOOP;
    RETURN names;
END
$$;
REVOKE ALL ON FUNCTION toms.names_in_trail(text, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION toms.names_in_trail(text, text, jsonb) IS 'internal: under which names the audit trail has a data subject';

-- Of tables in which rows of his stay, no key goes yet: retention destroys it when no row carries it any more.  The trail's stay as long
-- as a hold does.
CREATE FUNCTION toms.erase_keys(erasure toms.erasure, names jsonb, in_trail text[], staying regclass[], is_held boolean, deleted_keys bigint[])
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    ids bigint[];
BEGIN
    PERFORM FROM toms.tenant t WHERE t.tenant = erasure.tenant FOR UPDATE;     -- no rotation meanwhile
    PERFORM toms.lock_keys(erasure.tenant, exclusive => true);
    ids := ARRAY(
        SELECT k.id FROM toms.data_key k JOIN jsonb_each_text(names) n ON k.relation = n.key::oid AND k.subject = n.value
        WHERE k.tenant = erasure.tenant AND k.wrapped IS NOT NULL AND k.relation <> ALL (staying)
        UNION
        SELECT k.id FROM toms.data_key k
        WHERE k.tenant = erasure.tenant AND k.subject = ANY (in_trail) AND k.wrapped IS NOT NULL AND k.relation <> 0 AND toms.is_audit_entry(k.relation) AND NOT is_held);
    IF ids <> '{}' AND NOT erasure.result ? 'dry_run' THEN
        PERFORM toms.ledger_intend(erasure.id);
    END IF;
    INSERT INTO toms.loose_key (key, tenant, relation)
    SELECT k.id, k.tenant, k.relation FROM toms.data_key k WHERE k.id = ANY (deleted_keys) AND k.wrapped IS NOT NULL AND k.id <> ALL (ids) AND k.relation <> 0
    ON CONFLICT DO NOTHING;
    RETURN toms.bury_keys(ids);
END
$$;
REVOKE ALL ON FUNCTION toms.erase_keys(toms.erasure, jsonb, text[], regclass[], boolean, bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.erase_keys(toms.erasure, jsonb, text[], regclass[], boolean, bigint[]) IS 'internal: destroy the keys of what has been erased';

-- one erasure -----------------------------------------------------------------------------------

-- In what toms itself has written about him: a name that tells nobody, but is the same for the same person; without a keyring it
-- is another one each time.
CREATE FUNCTION toms.erased_name(tenant text, subject text)
RETURNS text LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN 'erased:' || CASE WHEN toms.keyring_is_configured() THEN toms.pseudonym_in(tenant, subject, 'toms.erasure') ELSE gen_random_uuid()::text END;
END
$$;
REVOKE ALL ON FUNCTION toms.erased_name(text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.erased_name(text, text) IS 'internal: how toms calls an erased data subject; nobody tells who it was without the tenant''s keys and a guess';

CREATE FUNCTION toms.forget_subject(tenant text, subject text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text := toms.erased_name(tenant, subject);
BEGIN
    UPDATE toms.instruction i SET subject = name, wording = CASE WHEN length(forget_subject.subject) > 5 THEN replace(i.wording, forget_subject.subject, name) ELSE i.wording END
    WHERE i.tenant = forget_subject.tenant AND i.subject = forget_subject.subject AND i.state IN ('carried_out', 'refused', 'withdrawn');
    UPDATE toms.hold h SET subject = name WHERE h.tenant = forget_subject.tenant AND h.subject = forget_subject.subject AND h.state = 'released';
    UPDATE toms.pending_erasure e SET subject = name WHERE e.tenant = forget_subject.tenant AND e.subject = forget_subject.subject AND e.state <> 'pending';
    PERFORM toms.forget_person(tenant, subject);
END
$$;
REVOKE ALL ON FUNCTION toms.forget_subject(text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.forget_subject(text, text) IS 'internal: take an erased data subject out of what toms has written about him and is over';

-- Rows that the law keeps are there for its purposes alone.
CREATE FUNCTION toms.restrict_kept(erasure toms.erasure, counts jsonb, until timestamptz)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    kept text;
BEGIN
    FOR kept IN SELECT c.key FROM jsonb_each(counts) c WHERE erasure.kind = 'subject' AND c.value ? 'restricted' ORDER BY 1 LOOP
        PERFORM toms.restrict_rows(kept::regclass, erasure.tenant, erasure.subject, format('erasure %s: the law has it kept', erasure.id), until);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.restrict_kept(toms.erasure, jsonb, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION toms.restrict_kept(toms.erasure, jsonb, timestamptz) IS 'internal: restrict what an erasure leaves because the law has it kept';

-- All or nothing, as far as nothing keeps it.  The caller has locked the erasure and, before it, toms.hold.
CREATE FUNCTION toms.carry_out_erasure(id bigint)
RETURNS toms.erasure LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    erasure toms.erasure;
    owns jsonb;
    names jsonb := '{}';
    in_trail text[] := '{}';
    counts jsonb;
    keys bigint[] := '{}';
    until timestamptz;
    grouped regclass[];
    step record;
    is_held boolean;
    is_kept boolean;
    buried bigint;
BEGIN
    SELECT * INTO erasure FROM toms.erasure e WHERE e.id = carry_out_erasure.id FOR UPDATE;
    owns := toms.own_conditions(erasure);
    IF erasure.kind = 'subject' THEN
        names := toms.names_of_subject(erasure.tenant, erasure.subject, erasure.result -> 'names');
        in_trail := toms.names_in_trail(erasure.tenant, erasure.subject, erasure.result -> 'in_trail');
    END IF;
    PERFORM toms.wait_for_writers(ARRAY(SELECT l FROM jsonb_object_keys(owns) o, toms.leaves(o::oid::regclass) l));
    counts := CASE erasure.kind WHEN 'subject' THEN toms.clear_names(erasure, owns) ELSE toms.clear_category(erasure, owns) END;
    FOR grouped IN SELECT g.tables FROM toms.table_groups() g WHERE EXISTS (SELECT FROM unnest(g.tables) r WHERE owns ? (r::oid::text)) ORDER BY g.place LOOP
        SELECT * INTO step FROM toms.erase_group(erasure, grouped, owns);
        counts := toms.add_counts(counts, step.counts);
        keys := keys || step.keys;
        until := greatest(until, step.until);
    END LOOP;
    is_held := EXISTS (SELECT FROM jsonb_each(counts) c WHERE c.value ? 'held');
    is_kept := is_held OR EXISTS (SELECT FROM jsonb_each(counts) c WHERE c.value ? 'restricted');
    buried := toms.erase_keys(erasure, names, in_trail, ARRAY(SELECT c.key::regclass FROM jsonb_each(counts) c WHERE c.value ?| '{held,restricted}'), is_held, keys);
    PERFORM toms.restrict_kept(erasure, counts, until);
    RETURN toms.end_erasure(erasure, counts, buried, until, names, in_trail);
END
$$;
REVOKE ALL ON FUNCTION toms.carry_out_erasure(bigint) FROM PUBLIC;
COMMENT ON FUNCTION toms.carry_out_erasure(bigint) IS 'internal: erase what nothing keeps any more';

-- What has been done before counts; what is kept is as of now.  The person's other names are kept as long as he is: the row that
-- told them may be gone.  An instruction is carried out when nothing is held any more.
CREATE FUNCTION toms.end_erasure(erasure toms.erasure, counts jsonb, keys bigint, until timestamptz, names jsonb, in_trail text[])
RETURNS toms.erasure LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    before jsonb := (SELECT coalesce(jsonb_object_agg(t.key, t.value - '{held,restricted}'::text[]), '{}') FROM jsonb_each(erasure.result -> 'tables') t);
    is_held boolean := EXISTS (SELECT FROM jsonb_each(counts) c WHERE c.value ? 'held');
    is_kept boolean := is_held OR EXISTS (SELECT FROM jsonb_each(counts) c WHERE c.value ? 'restricted');
    ended toms.erasure;
BEGIN
    IF NOT is_held AND erasure.instruction IS NOT NULL AND NOT erasure.result ? 'carried_out' THEN
        PERFORM toms.carry_out_instruction(erasure.instruction, erasure.tenant, CASE erasure.kind WHEN 'subject' THEN 'erase' ELSE 'erase_category' END,
                                           coalesce(erasure.subject, erasure.category));
    END IF;
    UPDATE toms.erasure e
    SET state = CASE WHEN is_kept THEN 'waiting' ELSE 'done' END, ended_at = CASE WHEN NOT is_kept THEN clock_timestamp() END,
        subject = CASE WHEN is_kept THEN e.subject END,
        result = jsonb_strip_nulls(e.result || jsonb_build_object(
            'tables', toms.add_counts(before, counts), 'keys', coalesce((e.result ->> 'keys')::bigint, 0) + keys, 'until', CASE WHEN is_kept THEN until END,
            'names', CASE WHEN is_kept AND erasure.kind = 'subject' THEN names END, 'in_trail', CASE WHEN is_kept AND erasure.kind = 'subject' THEN in_trail END,
            'carried_out', CASE WHEN NOT is_held OR e.result ? 'carried_out' THEN true END))
    WHERE e.id = erasure.id RETURNING * INTO ended;
    IF erasure.kind = 'subject' AND erasure.instruction IS NOT NULL AND NOT erasure.result ? 'names' THEN
        PERFORM toms.owe_notices(erasure.tenant, erasure.subject, 'erase', erasure.instruction);
    END IF;
    IF NOT is_kept AND erasure.kind = 'subject' THEN
        PERFORM toms.forget_subject(erasure.tenant, erasure.subject);
        PERFORM toms.forget_disclosures(erasure.tenant, erasure.subject);
    END IF;
    IF NOT is_kept THEN
        PERFORM toms.ledger_done(erasure.id);
    END IF;
    RAISE LOG 'toms erasure %: id=% tenant=% instruction=% keys=% login=%', ended.state, ended.id, ended.tenant, ended.instruction, keys, session_user;
    RETURN ended;
END
$$;
REVOKE ALL ON FUNCTION toms.end_erasure(toms.erasure, jsonb, bigint, timestamptz, jsonb, text[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.end_erasure(toms.erasure, jsonb, bigint, timestamptz, jsonb, text[]) IS 'internal: note what has become of an erasure';

-- for officers ------------------------------------------------------------------------------------

-- Locks first, in the order in which all take them; NULL: a new one.
CREATE FUNCTION toms.find_erasure(kind text, tenant text, whose text, instruction bigint)
RETURNS toms.erasure LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    given toms.instruction;
    erasure toms.erasure;
BEGIN
    IF num_nulls(tenant, whose, instruction) > 0 THEN
        RAISE EXCEPTION 'tenant, %, and instruction must be given', CASE kind WHEN 'subject' THEN 'data subject' ELSE kind END USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM toms.check_reads_latest();
    LOCK TABLE toms.hold IN ROW SHARE MODE;
    SELECT * INTO given FROM toms.instruction i WHERE i.id = find_erasure.instruction FOR UPDATE;
    SELECT * INTO erasure FROM toms.erasure e
    WHERE e.kind = find_erasure.kind AND e.tenant = find_erasure.tenant AND e.instruction = find_erasure.instruction AND (e.state = 'waiting' OR given.single_use)
    ORDER BY e.id DESC LIMIT 1 FOR UPDATE;
    IF erasure.id IS NULL OR coalesce(erasure.subject, erasure.category) IS DISTINCT FROM whose AND (erasure.state <> 'done' OR given.subject IS DISTINCT FROM toms.erased_name(tenant, whose)) THEN
        PERFORM toms.check_instruction(instruction, tenant, CASE kind WHEN 'subject' THEN 'erase' ELSE 'erase_category' END, whose);
        RETURN NULL;
    END IF;
    IF erasure.state = 'waiting' AND NOT erasure.result ? 'carried_out' THEN
        PERFORM toms.check_instruction(instruction, tenant, CASE kind WHEN 'subject' THEN 'erase' ELSE 'erase_category' END, whose);
    END IF;
    RETURN erasure;
END
$$;
REVOKE ALL ON FUNCTION toms.find_erasure(text, text, text, bigint) FROM PUBLIC;
COMMENT ON FUNCTION toms.find_erasure(text, text, text, bigint) IS 'internal: the erasure that an instruction has begun already; refuses without a confirmed one';

CREATE FUNCTION toms.erase(kind text, tenant text, whose text, instruction bigint, dry_run boolean)
RETURNS toms.erasure LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    erasure toms.erasure;
BEGIN
    erasure := toms.find_erasure(kind, tenant, whose, instruction);
    IF erasure.state IN ('done', 'void') THEN
        RAISE NOTICE 'erasure % is % already', erasure.id, erasure.state;
        RETURN erasure;
    END IF;
    PERFORM toms.check_complete();
    BEGIN
        IF erasure.id IS NULL THEN
            INSERT INTO toms.erasure (kind, tenant, subject, category, instruction, state, requested_by)
            VALUES (erase.kind, erase.tenant, CASE erase.kind WHEN 'subject' THEN whose END, CASE erase.kind WHEN 'category' THEN whose END, erase.instruction, 'running', session_user)
            RETURNING * INTO erasure;
            IF NOT dry_run THEN
                PERFORM toms.ledger_intend(erasure.id);
            END IF;
        END IF;
        IF dry_run THEN     -- it is rolled back: nothing is to be told outside
            UPDATE toms.erasure e SET result = e.result || '{"dry_run": true}' WHERE e.id = erasure.id;
        END IF;
        erasure := toms.carry_out_erasure(erasure.id);
        IF dry_run THEN
            RAISE EXCEPTION 'that was a dry run' USING ERRCODE = 'TOMS0';
        END IF;
    EXCEPTION WHEN SQLSTATE 'TOMS0' THEN
        RETURN erasure;
    END;
    IF erasure.state = 'waiting' THEN
        RAISE NOTICE 'erasure % waits: a hold or the law keeps rows', erasure.id USING HINT = format('SELECT * FROM toms.erasure WHERE id = %s; SELECT * FROM toms.holds WHERE state = ''held'';', erasure.id);
    END IF;
    RETURN erasure;
END
$$;
REVOKE ALL ON FUNCTION toms.erase(text, text, text, bigint, boolean) FROM PUBLIC;
COMMENT ON FUNCTION toms.erase(text, text, text, bigint, boolean) IS 'internal: begin an erasure, or go on with it';

CREATE FUNCTION toms.erasure_counts(erasure toms.erasure)
RETURNS TABLE (relation text, deleted bigint, cascaded bigint, restricted bigint, held bigint, cleared bigint)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.key, coalesce((t.value ->> 'deleted')::bigint, 0), coalesce((t.value ->> 'cascaded')::bigint, 0), coalesce((t.value ->> 'restricted')::bigint, 0),
           coalesce((t.value ->> 'held')::bigint, 0), coalesce((t.value ->> 'cleared')::bigint, 0)
    FROM jsonb_each(erasure.result -> 'tables') t ORDER BY t.key COLLATE "C";
$$;
REVOKE ALL ON FUNCTION toms.erasure_counts(toms.erasure) FROM PUBLIC;
COMMENT ON FUNCTION toms.erasure_counts(toms.erasure) IS 'internal: what an erasure has done, table by table';

CREATE FUNCTION toms.erase_subject(tenant text, subject text, instruction bigint, dry_run boolean DEFAULT false)
RETURNS TABLE (relation text, deleted bigint, cascaded bigint, restricted bigint, held bigint, cleared bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT c.* FROM toms.erasure_counts(toms.erase('subject', tenant, subject, instruction, dry_run IS NOT FALSE)) c;
END
$$;
REVOKE ALL ON FUNCTION toms.erase_subject(text, text, bigint, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.erase_subject(text, text, bigint, boolean) TO toms_admin;
COMMENT ON FUNCTION toms.erase_subject(text, text, bigint, boolean) IS 'erase a data subject in all protected tables, by a confirmed instruction of kind erase: rows, names, then keys; called again it goes on where it waits, or tells that it is done';

CREATE FUNCTION toms.erase_category(tenant text, category text, instruction bigint, dry_run boolean DEFAULT false)
RETURNS TABLE (relation text, deleted bigint, cascaded bigint, restricted bigint, held bigint, cleared bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM toms.category c WHERE c.category = erase_category.category) THEN
        RAISE EXCEPTION 'there is no category "%"', category USING ERRCODE = 'undefined_object', HINT = 'SELECT * FROM toms.category;';
    END IF;
    RETURN QUERY SELECT c.* FROM toms.erasure_counts(toms.erase('category', tenant, category, instruction, dry_run IS NOT FALSE)) c;
END
$$;
REVOKE ALL ON FUNCTION toms.erase_category(text, text, bigint, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.erase_category(text, text, bigint, boolean) TO toms_admin;
COMMENT ON FUNCTION toms.erase_category(text, text, bigint, boolean) IS 'erase all rows and column values of a category of a tenant, by a confirmed instruction of kind erase_category whose subject is the category';

-- What no hold, and no period, keeps any more.  What goes wrong with one is told, and the others go on.
CREATE FUNCTION toms.finish_erasures()
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    waiting toms.erasure;
    finished bigint := 0;
    told text;
BEGIN
    PERFORM toms.check_reads_latest();
    LOCK TABLE toms.hold IN ROW SHARE MODE;
    FOR waiting IN SELECT * FROM toms.erasure e WHERE e.state = 'waiting' AND e.kind IN ('subject', 'category', 'keys') ORDER BY e.id LOOP
        told := (SELECT i.state FROM toms.instruction i WHERE i.id = waiting.instruction);
        IF NOT waiting.result ? 'carried_out' AND told IN ('refused', 'withdrawn') THEN
            UPDATE toms.erasure e SET state = 'void', subject = NULL, ended_at = clock_timestamp() WHERE e.id = waiting.id;
            CONTINUE;
        END IF;
        CONTINUE WHEN NOT waiting.result ? 'carried_out' AND told IS DISTINCT FROM 'confirmed';
        -- nothing but the law keeps it
        CONTINUE WHEN (waiting.result ->> 'until')::timestamptz > now() AND NOT EXISTS (SELECT FROM jsonb_each(waiting.result -> 'tables') t WHERE t.value ? 'held');
        BEGIN
            PERFORM toms.ledger_intend(waiting.id);
            waiting := CASE waiting.kind WHEN 'keys' THEN toms.carry_out_key_erasure(waiting.id) ELSE toms.carry_out_erasure(waiting.id) END;
            finished := finished + CASE waiting.state WHEN 'done' THEN 1 ELSE 0 END;
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'erasure % goes on waiting: SQLSTATE %', waiting.id, SQLSTATE;     -- a message of the table's owner may name persons
        END;
    END LOOP;
    RETURN finished;
END
$$;
REVOKE ALL ON FUNCTION toms.finish_erasures() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.finish_erasures() TO toms_admin, toms_operator;
COMMENT ON FUNCTION toms.finish_erasures() IS 'go on with erasures that waited for a hold or for the end of a statutory period; tells how many are done now';
