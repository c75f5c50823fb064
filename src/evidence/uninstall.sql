-- Taking toms out of a database: every step in order, first in words, then done. DROP EXTENSION goes through afterwards, and the
-- tables are as they were before toms.protect().

-- Tables that are protected by themselves: those whose rows or keys lead to others' tenant or subject after these.
CREATE FUNCTION toms.unprotect_order()
RETURNS SETOF regclass LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    remaining regclass[] := ARRAY(SELECT p.relation FROM toms.protected_tables p WHERE p.root = p.relation ORDER BY p.relation::text);
    next regclass;
BEGIN
    LOOP
        SELECT r INTO next FROM unnest(remaining) WITH ORDINALITY t (r, n)
        ORDER BY EXISTS (SELECT FROM toms.parent p WHERE p.parent = r AND p.child = ANY (remaining)),
                 EXISTS (SELECT FROM toms.subject_alias s, toms.alias_users(s.id) u WHERE s.relation = r AND u <> r AND u = ANY (remaining)), n LIMIT 1;
        EXIT WHEN NOT FOUND;
        RETURN NEXT next;
        remaining := array_remove(remaining, next);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.unprotect_order() FROM PUBLIC;
COMMENT ON FUNCTION toms.unprotect_order() IS 'internal: protected tables in the order in which their protection can end';

-- Where a sealed column is declared: partitions and children have it from there.
CREATE FUNCTION toms.sealed_origins(OUT relation regclass, OUT col name)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.oid::regclass, a.attname
    FROM toms.sealed_types() s JOIN pg_attribute a ON a.atttypid = s.type AND a.attnum > 0 AND NOT a.attisdropped AND a.attinhcount = 0
         JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'f', 'm')
    ORDER BY c.oid::regclass::text, a.attnum;
$$;
REVOKE ALL ON FUNCTION toms.sealed_origins() FROM PUBLIC;
COMMENT ON FUNCTION toms.sealed_origins() IS 'internal: sealed columns that are not inherited';

-- blocked: why it cannot be done here, and what to do instead; NULL: it can be.
CREATE FUNCTION toms.uninstall_steps(reason text, lose text[], OUT what text, OUT statement text, OUT blocked text)
RETURNS SETOF record LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT what, statement, blocked FROM (
        SELECT 1 AS rank, h.id AS n, 'hold' AS what, format('SELECT toms.release_hold(%s, reason => ''…'');', h.id) AS statement,
               'What it keeps is to be kept: an officer releases it first.' AS blocked FROM toms.hold h WHERE h.state = 'held'
        UNION ALL
        SELECT 2, row_number() OVER (), 'conversion', format('SELECT toms.%sseal_column(%L, %L, …);', CASE WHEN c.direction = 'unseal' THEN 'un' END, c.relation, c.col),
               'It is to be brought to its end first: call this until it returns 0.' FROM toms.conversions c
        UNION ALL
        SELECT 3, r.id, 'retention rule', format('SELECT toms.unretain(%s, reason => %L);', r.id, reason),
               CASE WHEN r.locked THEN 'Its period is locked. Once the table''s rows are past it and gone, DROP TABLE.' END
        FROM toms.retention_rule r WHERE r.valid_until IS NULL
        UNION ALL
        SELECT 4, row_number() OVER (), 'separation', format('SELECT toms.unseparate(%L, %L, reason => %L);', s.relation, s.other, reason), NULL
        FROM toms.separation s WHERE s.relation::oid < s.other::oid OR NOT EXISTS (SELECT FROM toms.separation o WHERE (o.relation, o.other) = (s.other, s.relation))
        UNION ALL
        SELECT 5, row_number() OVER (), 'access function', format('SELECT toms.unbind_purpose(%L);', f.function), NULL FROM toms.access_functions f
        UNION ALL
        SELECT 6, f.id, 'trusted function', format('SELECT toms.distrust_function(%L, reason => %L);', f.function, reason), NULL
        FROM toms.trusted_functions f WHERE f.in_force
        UNION ALL
        SELECT 7, row_number() OVER (ORDER BY t.tgrelid), 'plain view', format('DROP VIEW %s;', t.tgrelid::regclass), NULL
        FROM pg_trigger t WHERE t.tgfoid = 'toms.plain_view_row()'::regprocedure
        UNION ALL
        SELECT 8, row_number() OVER (), 'sealed column',
               CASE WHEN o.path = ANY (lose) THEN format('ALTER TABLE %s DROP COLUMN %I;', o.relation, o.col)
                    ELSE format('SELECT toms.unseal_column(%L, %L, instruction => …);', o.relation, o.col) END,
               CASE WHEN o.path = ANY (lose) THEN NULL
                    ELSE format('Its values would be lost: call this until it returns 0, or say that they may be: lose => ARRAY[%L].', o.path) END
        FROM (SELECT s.*, format('%s.%I', s.relation, s.col) AS path FROM toms.sealed_origins() s) o
        UNION ALL
        SELECT 9, t.n, 'table', format('SELECT toms.unprotect(%L, reason => %L);', t.r, reason), NULL
        FROM toms.unprotect_order() WITH ORDINALITY t (r, n)
        UNION ALL
        SELECT 10, row_number() OVER (), 'setting',
               CASE WHEN s.setrole = 0 THEN format('ALTER DATABASE %I RESET %s;', current_database(), split_part(c.line, '=', 1))
                    ELSE format('ALTER ROLE %s IN DATABASE %I RESET %s;', s.setrole::regrole, current_database(), split_part(c.line, '=', 1)) END, NULL
        FROM pg_db_role_setting s, unnest(s.setconfig) c (line)
        WHERE s.setdatabase = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()) AND c.line LIKE 'toms.%') steps
    ORDER BY rank, n;
$$;
REVOKE ALL ON FUNCTION toms.uninstall_steps(text, text[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.uninstall_steps(text, text[]) IS 'internal: what has to be undone before toms can be dropped, in order';

-- What is left for whoever administers the server: of the last, that which concerns all of its databases.
CREATE FUNCTION toms.uninstall_rest(OUT what text, OUT statement text)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT 'extension', 'DROP EXTENSION toms;'
    UNION ALL
    SELECT 'setting', format('ALTER ROLE %s RESET %s;', s.setrole::regrole, split_part(c.line, '=', 1))
    FROM pg_db_role_setting s, unnest(s.setconfig) c (line) WHERE s.setdatabase = 0 AND c.line LIKE 'toms.%'
    UNION ALL
    SELECT 'roles', 'DROP ROLE ' || string_agg(r.rolname, ', ' ORDER BY r.rolname) || ';' FROM pg_roles r WHERE r.rolname IN ('toms_admin', 'toms_auditor', 'toms_operator', 'toms_lookup')
    UNION ALL
    SELECT 'settings', 'Take toms out of shared_preload_libraries, the settings toms.… out of the configuration and of ALTER SYSTEM, and restart the server.';
$$;
REVOKE ALL ON FUNCTION toms.uninstall_rest() FROM PUBLIC;
COMMENT ON FUNCTION toms.uninstall_rest() IS 'internal: what is left to do when toms has been taken out of a database';

CREATE FUNCTION toms.uninstall(dry_run boolean DEFAULT true, reason text DEFAULT NULL, lose text[] DEFAULT '{}')
RETURNS TABLE (step bigint, what text, statement text, state text) LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    todo record;
    steps constant jsonb := (SELECT coalesce(jsonb_agg(s), '[]') FROM toms.uninstall_steps(coalesce(reason, '…'), coalesce(lose, '{}')) s);
    stopped constant text := (SELECT string_agg(format('%s %s', s ->> 'statement', s ->> 'blocked'), E'\n') FROM jsonb_array_elements(steps) s WHERE s ->> 'blocked' IS NOT NULL);
BEGIN
    IF dry_run IS NOT FALSE THEN
        RETURN QUERY SELECT s.n, s.e ->> 'what', s.e ->> 'statement', coalesce(s.e ->> 'blocked', 'to do') FROM jsonb_array_elements(steps) WITH ORDINALITY s (e, n);
        RETURN QUERY SELECT jsonb_array_length(steps) + row_number() OVER (), r.what, r.statement, 'afterwards' FROM toms.uninstall_rest() r;
        RETURN;
    END IF;
    IF coalesce(reason, '') = '' THEN
        RAISE EXCEPTION 'a reason must be given' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF stopped IS NOT NULL THEN
        RAISE EXCEPTION 'toms cannot be taken out of this database now' USING ERRCODE = 'dependent_objects_still_exist', DETAIL = stopped,
            HINT = 'SELECT * FROM toms.uninstall(dry_run => true);';
    END IF;
    FOR todo IN SELECT s.n, s.e ->> 'what' AS what, s.e ->> 'statement' AS statement FROM jsonb_array_elements(steps) WITH ORDINALITY s (e, n) ORDER BY s.n LOOP
        IF todo.what IN ('plain view', 'sealed column') THEN
            PERFORM toms.run_maintenance(todo.statement);
        ELSE
            EXECUTE todo.statement;
        END IF;
        RETURN QUERY SELECT todo.n, todo.what, todo.statement, 'done';
    END LOOP;
    RETURN QUERY SELECT jsonb_array_length(steps) + row_number() OVER (), r.what, r.statement, 'afterwards' FROM toms.uninstall_rest() r;
END
$$;
REVOKE ALL ON FUNCTION toms.uninstall(boolean, text, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.uninstall(boolean, text, text[]) TO toms_admin;
COMMENT ON FUNCTION toms.uninstall(boolean, text, text[]) IS 'take toms out of this database: every step in order, and with dry_run => false done, so that DROP EXTENSION goes through and tables are as they were';
